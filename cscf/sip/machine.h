/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One RFC 3261 s17 transaction machine: libosip2's ICT, IST, NICT or NIST behind our names.
 * All that is global in libosip2 lives in machine.c. The machine knows states and timers only:
 * it is told what kind of message came or goes, and says when to send again; texts, matching and
 * the RFC 6026 Accepted state are its owner's.
 * libosip2 keeps every transaction in a list and scans it; ours leave that list at birth and are
 * driven one by one, so an event costs the same with ten transactions and ten thousand.
 * Thread: the loop thread.
 */
#ifndef CSCF_SIP_MACHINE_H
#define CSCF_SIP_MACHINE_H

#include "common/err.h"

#include <stdbool.h>
#include <stdint.h>

enum cscf_sip_machine_kind {
	CSCF_SIP_ICT,
	CSCF_SIP_IST,
	CSCF_SIP_NICT,
	CSCF_SIP_NIST,
};

enum cscf_sip_machine_send {
	CSCF_SIP_SEND_REQUEST,  /* first time and retransmissions */
	CSCF_SIP_SEND_ACK,      /* ICT: ACK to 3xx-6xx */
	CSCF_SIP_SEND_RESPONSE, /* the last response, again */
};

struct cscf_sip_machine_timers {
	int t1_ms;
	int t2_ms;
	int t4_ms;
	int timeout_ms; /* timers B and F; 0 = 64*T1 */
};

struct cscf_sip_machine_ops {
	/** Put it on the wire. @return 0, or -1: transport error, which ends the machine */
	int (*send)(void *owner, enum cscf_sip_machine_send what);
	/** Timer B or F. The machine is over afterwards. */
	void (*timeout)(void *owner);
};

struct cscf_sip_machine;

/** @param reliable the transport does not lose messages: no timers A, D, E, G, I, J, K */
enum gw_err cscf_sip_machine_new(struct cscf_sip_machine **out, enum cscf_sip_machine_kind kind,
				 bool reliable, const struct cscf_sip_machine_timers *timers,
				 const struct cscf_sip_machine_ops *ops, void *owner) GW_MUST_CHECK;
/** NULL is legal; not from within ops. */
void cscf_sip_machine_free(struct cscf_sip_machine *m);

/** Client: send the request. Server: a request came (the first, or again). */
enum gw_err cscf_sip_machine_request(struct cscf_sip_machine *m) GW_MUST_CHECK;
/** Client: a response came. Server: a response is to be sent. */
enum gw_err cscf_sip_machine_response(struct cscf_sip_machine *m, int status) GW_MUST_CHECK;
/** IST: the ACK to 3xx-6xx came. */
enum gw_err cscf_sip_machine_ack(struct cscf_sip_machine *m) GW_MUST_CHECK;

/** Terminated: nothing will happen any more. */
bool cscf_sip_machine_is_over(const struct cscf_sip_machine *m);
/** The end was a transport error. */
bool cscf_sip_machine_broke(const struct cscf_sip_machine *m);
/** ICT/NICT: no final response yet; IST/NIST: none sent yet. */
bool cscf_sip_machine_is_pending(const struct cscf_sip_machine *m);

/** Milliseconds until a timer is due (0 = now), -1 = none runs. */
int cscf_sip_machine_due(const struct cscf_sip_machine *m);
/** Fire what is due. */
void cscf_sip_machine_fire(struct cscf_sip_machine *m);

#endif
