/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Transports of the core side: UDP and TCP listeners, TCP connections in both directions. Takes
 * whole messages down and gives whole messages up; knows no transactions.
 * Traffic of an address that is no configured peer is dropped and counted (SEC-05).
 * Thread: the loop thread.
 */
#ifndef CSCF_SIP_MW_H
#define CSCF_SIP_MW_H

#include "common/err.h"
#include "cscf/sip/flow.h"
#include "cscf/sip/stack.h"

struct cscf_sip_mw;

struct cscf_sip_mw_cbs {
	/** too_big: only the head of a message over the limit, to be answered 513 from. */
	void (*on_message)(void *arg, const struct cscf_sip_flow *flow, const char *text, size_t n,
			   bool too_big);
	/** A TCP connection is gone. failed: never up, reset, or with octets unsent. */
	void (*on_closed)(void *arg, const struct cscf_sip_flow *flow, bool failed);
};

enum gw_err cscf_sip_mw_new(struct cscf_sip_mw **out, struct event_base *base,
			    const struct cscf_sip_config *cfg, const struct cscf_sip_mw_cbs *cbs,
			    void *arg, char *errbuf, size_t errlen) GW_MUST_CHECK;
void cscf_sip_mw_free(struct cscf_sip_mw *mw);

/** Send one datagram from the listener of that family. */
enum gw_err cscf_sip_mw_send_udp(struct cscf_sip_mw *mw, const struct gw_addr *to, const char *text,
				 size_t n) GW_MUST_CHECK;
/**
 * Send over TCP: on connection *conn when that is open (0 = none named), else on one that was
 * opened to `to` before, else on a new one.
 * @param conn  in: wished; out: used
 */
enum gw_err cscf_sip_mw_send_tcp(struct cscf_sip_mw *mw, uint64_t *conn, const struct gw_addr *to,
				 const char *text, size_t n) GW_MUST_CHECK;
bool cscf_sip_mw_conn_alive(const struct cscf_sip_mw *mw, uint64_t conn);
size_t cscf_sip_mw_tcp_count(const struct cscf_sip_mw *mw);
bool cscf_sip_mw_has(const struct cscf_sip_mw *mw, enum cscf_sip_transport transport);
/** Address of the first listener of a transport. */
bool cscf_sip_mw_local(const struct cscf_sip_mw *mw, enum cscf_sip_transport transport,
		       struct gw_addr *out);

#endif
