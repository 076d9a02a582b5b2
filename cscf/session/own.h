/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Requests that the gateway itself makes within a dialog of a call: re-INVITE, UPDATE, PRACK, INFO.
 * (BYE, ACK and CANCEL of a release are release.c's.) One `struct own` is one such wish; it has
 * its own CSeq on the leg (cseq.c), waits for its turn, is sent again after a 491, and ends with
 * exactly one call of its kind's `done`, unless the call is freed under it.
 *
 *             turn                     final answer
 *   QUEUED ──────────> SENT ───────────────────────────────> ENDED
 *      ^                │ 491, or 500 with Retry-After           ^
 *      └── BACKOFF <────┘                       drop, from any state
 *           timer
 *
 * Its turn (kinds that wait, CALL-30): the call is confirmed, nothing stands in its queue, no
 * offer is open, no INVITE or UPDATE of a party is under way or unacknowledged, no other own
 * request is; towards the WIC its flow is there. While it is out, an INVITE or an offer of either
 * party is answered 491 (CALL-28): to both of them it is one and the same dialog.
 * After a 491 the owner of the Call-ID waits 2.1-4 s and the other 0-2 s (CALL-29); we stand for
 * the caller towards the callee, and for the callee towards the caller.
 *
 *   struct own_order order = {.kind = &my_kind, .dialog = d, .to = SIDE_WIC};
 *   err = own_request(c, &order);      my_kind.compose: its turn has come, write the offer
 *                                      my_kind.done:    what came of it
 *
 * An offer of our own opens its round in `compose`: cscf_sdp_reoffer gives the text for what is
 * agreed already. A 2xx with an answer then goes through the AGW like any other before `done`;
 * its ACK is sent at once. The round is committed or rolled back here, not by the kind.
 *
 * Thread: the cscf loop. Spec: CALL-05, 28, 29, 30; RFC 3261 s14, RFC 3311 s5, RFC 6337.
 */
#ifndef CSCF_SESSION_OWN_H
#define CSCF_SESSION_OWN_H

#include "cscf/session/call.h"

struct own;

enum own_outcome {
	OWN_DONE,     /* 2xx; an answer in it was taken */
	OWN_REFUSED,  /* another final answer: the peer lives, nothing changed */
	OWN_GIVEN_UP, /* 491 too often, or it could not be sent; nothing changed */
	OWN_DROPPED   /* the call ends */
};
const char *own_outcome_name(enum own_outcome outcome);

struct own_kind {
	const char *name;            /* for the log: "refresh" */
	enum cscf_sip_method method; /* INVITE, UPDATE, PRACK or INFO */
	bool waits;                  /* for its turn; false: goes out at once (PRACK) */
	bool repairs;                /* the call: its turn comes before that of others */
	/**
	 * About to be sent, also again: add headers and body. Route, identity, Contact and CSeq are
	 * there. @return GW_OK; anything else gives it up.
	 */
	enum gw_err (*compose)(struct call *c, const struct own *o, struct cscf_sip_msg *msg);
	/**
	 * What came of it; may make another. `rsp`: the final answer, NULL when there is none.
	 * After OWN_DROPPED nothing may be sent. May be NULL.
	 */
	void (*done)(struct call *c, const struct own *o, enum own_outcome outcome,
		     const struct cscf_sip_msg *rsp);
};

#define OWN_VALUE_MAX 64

struct own_order {
	const struct own_kind *kind; /* borrowed: static */
	struct dialog *dialog;       /* borrowed: lives as long as the call */
	enum side to;
	const char *value; /* the kind's own; copied, at most OWN_VALUE_MAX - 1; may be NULL */
};

/**
 * Make one. It goes out now when it is its turn, else later; `done` may be called from within.
 * @return GW_OK; GW_ERR_STATE the call ends; GW_ERR_LIMIT too many wait; GW_ERR_NOMEM.
 *         On an error `done` is not called.
 */
enum gw_err own_request(struct call *c, const struct own_order *order) GW_MUST_CHECK;
/** Is one of this kind under way or waiting? */
bool own_has(const struct call *c, const struct own_kind *kind);
enum side own_to(const struct own *o);
struct dialog *own_dialog(const struct own *o);
const char *own_value(const struct own *o);
/** `waiting` if any waits for its turn or its timer, `sent` if any is with the peer. */
void own_count(const struct call *c, unsigned *waiting, unsigned *sent);

/* ---- for the files that move a call ---------------------------------------------------------- */

/** Something of the call ended: is it anybody's turn? Frees those that are over. */
void own_kick(struct call *c);
/** May the gateway offer something now, the WIC apart? */
bool own_may_offer(const struct call *c);
/** Would a party's INVITE or offer cross one of ours? */
bool own_crosses(const struct call *c);
/** A response to x, which is ours (x->own may be over). */
void own_on_response(struct xact *x, const struct cscf_sip_msg *rsp,
		     const struct cscf_sip_response_info *info);
/** The answer in the 2xx went through the AGW. */
void own_on_answer(struct xact *x, const struct cscf_sip_msg *rsp);
/**
 * End those of a kind that are not with the peer, with OWN_DROPPED. Frees none.
 * @return whether there was any
 */
bool own_drop_waiting(struct call *c, const struct own_kind *kind);
/** The call ends: all are dropped, an INVITE that is out is cancelled. */
void own_drop_all(struct call *c);
void own_free_all(struct call *c);

#endif
