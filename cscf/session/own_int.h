/* SPDX-License-Identifier: Apache-2.0 */
/* What own.c and own_answer.c share. Thread: the cscf loop. */
#ifndef CSCF_SESSION_OWN_INT_H
#define CSCF_SESSION_OWN_INT_H

#include "cscf/session/own.h"

enum own_state { OWN_S_QUEUED, OWN_S_SENT, OWN_S_BACKOFF, OWN_S_ENDED, OWN_S_COUNT };
enum own_event {
	OWN_E_TURN,
	OWN_E_FINAL, /* data: struct final * */
	OWN_E_TIMER,
	OWN_E_END, /* data: struct final * */
	OWN_E_COUNT
};

/* What ended it, or is to. */
struct final {
	const struct cscf_sip_msg *rsp; /* NULL when nothing came */
	const struct cscf_sip_response_info *info;
	enum own_outcome outcome; /* OWN_E_END */
};

struct own {
	struct own *prev, *next;
	struct gw_fsm fsm;
	struct call *call;
	struct dialog *dialog; /* borrowed */
	const struct own_kind *kind;
	enum side to;
	struct xact *x; /* while SENT */
	unsigned tries;
	char value[OWN_VALUE_MAX];
};

void own_dispatch(struct own *o, enum own_event event, const struct final *f);
/** The round that `compose` opened goes with its request. */
void own_undo_round(struct call *c, const struct own *o);

#endif
