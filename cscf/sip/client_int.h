/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A client transaction, for client.c (what the layer above sees of it) and client_try.c (one
 * attempt at one target).
 */
#ifndef CSCF_SIP_CLIENT_INT_H
#define CSCF_SIP_CLIENT_INT_H

#include "cscf/sip/stack_int.h"

#define CSCF_SIP_NEVER INT64_MAX

/* All client transactions whose request went over one connection. */
struct cscf_sip_client_list {
	uint64_t id;                   /* connection and side */
	struct cscf_sip_client *first; /* utlist */
	UT_hash_handle hh;
};

struct cscf_sip_client {
	struct cscf_sip_stack *stack;
	gw_handle handle;
	const struct cscf_sip_client_cbs *cbs; /* NULL: nobody listens */
	void *arg;
	struct cscf_sip_client_opt opt;
	struct cscf_sip_msg *msg; /* the request, our Via on top once tried */
	bool invite;
	bool is_cancel; /* the CANCEL of another one: stack's own */
	bool fixed;     /* destination is one flow */

	/* where to */
	char **uris; /* still to be resolved, from next_uri on */
	size_t n_uris;
	size_t next_uri;
	gw_handle query; /* resolver's */
	struct cscf_sip_target targets[CSCF_SIP_MAX_TARGETS];
	size_t n_targets;
	size_t next_target;
	struct cscf_sip_target later[CSCF_SIP_MAX_TARGETS]; /* failed lately: tried last */
	size_t n_later;
	bool tried;       /* one target at least */
	bool last_resort; /* these are the ones in `targets` now */

	/* the present attempt */
	struct cscf_sip_machine *machine; /* NULL: none yet, resolving, or accepted */
	struct cscf_sip_flow flow;
	bool via_on;
	char *key; /* "branch|METHOD"; of clients_by_key */
	UT_hash_handle hh;
	char *text;
	size_t text_n;
	char *ack_text;
	size_t ack_n;
	bool sent_once;
	enum gw_err send_err;              /* why the last sending failed */
	struct cscf_sip_client_list *list; /* of the connection in use */
	struct cscf_sip_client *prev, *next;

	/* what happened */
	struct event *timer;
	bool provisional;
	bool final; /* a final response went up (or would have) */
	bool accepted;
	bool over;                   /* nothing more to wait for */
	enum cscf_sip_cause failure; /* of the present attempt, acted on by the timer */
	int64_t timer_c_at;
	int64_t accepted_until;
	bool cancel_wanted;
	bool cancel_sent;
	char *cancel_reason;
	int64_t cancel_until;
};

void cscf_sip_client_rearm(struct cscf_sip_client *c);
/** Deliver a response; final ones once. */
void cscf_sip_client_deliver(struct cscf_sip_client *c, const struct cscf_sip_msg *rsp,
			     enum cscf_sip_cause cause);
void cscf_sip_client_deliver_local(struct cscf_sip_client *c, int status,
				   enum cscf_sip_cause cause);
void cscf_sip_client_send_cancel(struct cscf_sip_client *c);

/* client_try.c */

/** Go on to the next target or name. @return false: none is left */
bool cscf_sip_client_try_next(struct cscf_sip_client *c);
/** A target failed: the names may stand for others by now. */
void cscf_sip_client_forget_names(const struct cscf_sip_client *c);
bool cscf_sip_client_has_next(const struct cscf_sip_client *c);
/** Start the one attempt at c->flow. */
enum gw_err cscf_sip_client_try_flow(struct cscf_sip_client *c) GW_MUST_CHECK;
/** Forget machine, key and connection of the present attempt. */
void cscf_sip_client_drop_try(struct cscf_sip_client *c);
/** Build the text of the ACK to a non-2xx for the machine to send. */
enum gw_err cscf_sip_client_make_ack(struct cscf_sip_client *c,
				     const struct cscf_sip_msg *rsp) GW_MUST_CHECK;

#endif
