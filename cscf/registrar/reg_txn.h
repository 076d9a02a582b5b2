/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One REGISTER under way, shared by the machine (reg_fsm.c) and what an answer does (answer.c).
 * Thread: the cscf loop.
 */
#ifndef CSCF_REGISTRAR_REG_TXN_H
#define CSCF_REGISTRAR_REG_TXN_H

#include "cscf/registrar/reg_int.h"

struct reg_txn {
	struct gw_fsm fsm;
	struct cscf_registrar *r;
	gw_handle server, client;
	struct cscf_sip_flow flow;
	struct reg_request q;     /* owned content */
	struct cscf_sip_msg *req; /* owned; the WIC's, while its token is under check */
	struct cscf_sip_msg *fwd; /* owned until it is sent */
	gw_handle job;            /* of cscf_authz_verify; NONE: not under check */
	bool starting;            /* reg_txn_start still holds it */
	bool over;                /* answered: in the list of those that linger */
	struct reg_txn *prev, *next;
};

/** Answer the WIC ourselves; nobody may be there any more. */
void reg_reply(struct reg_txn *t, int status);
/** Relay the core's answer, stripped, with a header of ours when one is due (name NULL = none). */
void reg_relay(struct reg_txn *t, const struct cscf_sip_msg *rsp, const char *name,
	       const char *value);
/** A 2xx: bindings made or removed, then relayed. */
void reg_accepted(struct reg_txn *t, const struct cscf_sip_msg *rsp);
/** Any other final answer but a challenge. */
void reg_refused_by_core(struct reg_txn *t, const struct cscf_sip_msg *rsp);

#endif
