/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Gateway-made requests within a dialog: their machine, their turn, their answers (own.h).
 * Thread: the cscf loop. Spec: CALL-05, 28, 29, 30; RFC 3261 s14.1, RFC 3311 s5.2.
 */
#include "cscf/session/own_int.h"
#include "cscf/session/session_int.h"

#include "common/rand.h"

#include <stdio.h>

#define GW_LOG_MOD   "session"
#define OWN_MAX      16
#define MAX_TRIES    6U
#define RETRY_STEP   10U   /* ms: the unit of RFC 3261 s14.1 */
#define OWNER_FROM   2100U /* ms, the Call-ID is ours */
#define OWNER_TO     4000U
#define OTHER_TO     2000U
#define RETRY_MAX_MS 10000U /* of a peer's Retry-After (RFC 3311 s5.2) */

const char *own_outcome_name(enum own_outcome outcome)
{
	static const char *const names[] = {"done", "refused", "given-up", "dropped"};

	return names[outcome];
}

enum side own_to(const struct own *o)
{
	return o->to;
}

struct dialog *own_dialog(const struct own *o)
{
	return o->dialog;
}

const char *own_value(const struct own *o)
{
	return o->value;
}

/* ---- sending ----------------------------------------------------------------------------------
 */

static enum gw_err add_contact(const struct own *o, struct cscf_sip_msg *msg)
{
	const char *uri = o->dialog->target[other_side(o->to)].uri;
	char *text = NULL;
	enum gw_err err;

	if (o->kind->method != CSCF_SIP_INVITE && o->kind->method != CSCF_SIP_UPDATE)
		return GW_OK;
	if (uri == NULL)
		return GW_ERR_STATE;
	if (asprintf(&text, "<%s>", uri) < 0)
		return GW_ERR_NOMEM;
	err = cscf_sip_msg_hdr_append(msg, "Contact", text); /* of whom we stand for */
	free(text);
	return err;
}

static enum gw_err send_it(struct own *o)
{
	struct call *c = o->call;
	struct cscf_sip_msg *msg = NULL;
	uint32_t cseq = cseq_next_own(c, &o->dialog->target[o->to]);
	enum gw_err err = leg_own_request(c, o->dialog, o->to,
					  cscf_sip_method_name(o->kind->method), cseq, NULL, &msg);

	if (err != GW_OK)
		return err;
	err = add_contact(o, msg);
	if (err == GW_OK && o->kind->compose != NULL)
		err = o->kind->compose(c, o, msg);
	if (err == GW_OK) {
		o->x = xact_new(c, GW_HANDLE_NONE, msg, other_side(o->to));
		err = o->x != NULL ? GW_OK : GW_ERR_LIMIT;
	}
	if (err != GW_OK) {
		cscf_sip_msg_free(msg);
		return err;
	}
	o->x->own = o;
	o->x->is_own = true;
	o->x->dialog = o->dialog;
	o->x->has_offer = cscf_sdp_round_is_ours(c->media.sdp) && cscf_sip_msg_body(msg).n > 0;
	err = leg_send(c, o->to, msg, o->x);
	if (err != GW_OK) {
		xact_free(o->x);
		o->x = NULL;
	}
	return err;
}

/* The round that `compose` opened goes with its request. */
void own_undo_round(struct call *c, const struct own *o)
{
	if (o->kind->waits && cscf_sdp_round_is_ours(c->media.sdp))
		media_rollback(c);
}

/* ---- the machine --------------------------------------------------------------------------------
 */

static void end(struct own *o, enum own_outcome outcome, const struct cscf_sip_msg *rsp)
{
	struct call *c = o->call;

	gw_fsm_go(&o->fsm, OWN_S_ENDED);
	if (o->x != NULL)
		o->x->own = NULL;
	o->x = NULL;
	CALL_LOG(GW_LOG_INFO, "call.own_request", c, side_name(o->to),
		 "kind=%s method=%s outcome=%s status=%d tries=%u", o->kind->name,
		 cscf_sip_method_name(o->kind->method), own_outcome_name(outcome),
		 rsp != NULL ? cscf_sip_msg_status(rsp) : 0, o->tries);
	gw_metric_inc(&session_metrics[outcome == OWN_DONE ? SM_OWN_DONE : SM_OWN_FAILED]);
	if (o->kind->done != NULL)
		o->kind->done(c, o, outcome, rsp);
}

static uint32_t glare_wait_ms(const struct own *o)
{
	bool owner = (o->to == SIDE_CORE) == o->call->from_wic;
	uint32_t from = owner ? OWNER_FROM : 0, to = owner ? OWNER_TO : OTHER_TO;

	return from + (uint32_t)(gw_rand_u64() % ((to - from) / RETRY_STEP + 1U)) * RETRY_STEP;
}

/* @return false: this is no answer to try again after */
static bool retry_wait_ms(const struct own *o, const struct cscf_sip_msg *rsp, uint32_t *ms)
{
	struct gw_slice after;
	uint32_t s;

	if (cscf_sip_msg_status(rsp) == 491) {
		*ms = glare_wait_ms(o);
		return true;
	}
	if (cscf_sip_msg_status(rsp) != 500 || !cscf_sip_msg_hdr(rsp, "Retry-After", &after))
		return false;
	for (size_t i = 0; i < after.n; i++) /* comments and parameters */
		if (after.p[i] == ';' || after.p[i] == '(' || after.p[i] == ' ')
			after.n = i;
	if (!cscf_sip_uint(after, UINT32_MAX / 1000U, &s))
		return false;
	*ms = s * 1000U < RETRY_MAX_MS ? s * 1000U : RETRY_MAX_MS;
	return true;
}

static void in_queued(struct gw_fsm *fsm, unsigned event, void *data)
{
	struct own *o = fsm->owner;
	const struct final *f = data;
	enum gw_err err;

	if (event == OWN_E_END) {
		end(o, f->outcome, f->rsp);
		return;
	}
	gw_fsm_go(fsm, OWN_S_SENT);
	o->tries++;
	err = send_it(o);
	if (err == GW_OK)
		return;
	CALL_LOG(GW_LOG_WARN, "call.own_not_sent", o->call, side_name(o->to), "kind=%s err=%s",
		 o->kind->name, gw_err_name(err));
	own_undo_round(o->call, o);
	end(o, OWN_GIVEN_UP, NULL);
}

static void in_sent(struct gw_fsm *fsm, unsigned event, void *data)
{
	struct own *o = fsm->owner;
	struct call *c = o->call;
	const struct final *f = data;
	int status = f->rsp != NULL ? cscf_sip_msg_status(f->rsp) : 0;
	uint32_t ms;

	if (event == OWN_E_END || status / 100 == 2) {
		end(o, event == OWN_E_END ? f->outcome : OWN_DONE, f->rsp);
		return;
	}
	own_undo_round(c, o);
	if (f->info->local && f->info->cause == CSCF_SIP_CAUSE_TRANSPORT && o->to == SIDE_WIC) {
		o->x->own = NULL; /* its connection went: again when it is back (2.9) */
		o->x = NULL;
		gw_fsm_go(fsm, OWN_S_QUEUED);
		return;
	}
	if (!f->info->local && o->tries < MAX_TRIES && retry_wait_ms(o, f->rsp, &ms)) {
		o->x->own = NULL;
		o->x = NULL;
		gw_fsm_go_timed(fsm, OWN_S_BACKOFF, ms + 1U); /* 0 would be no timer */
		return;
	}
	end(o, status == 491 || (f->info->local && status != 408) ? OWN_GIVEN_UP : OWN_REFUSED,
	    f->rsp);
}

static void in_backoff(struct gw_fsm *fsm, unsigned event, void *data)
{
	struct own *o = fsm->owner;
	const struct final *f = data;

	if (event == OWN_E_END) {
		end(o, f->outcome, f->rsp);
		return;
	}
	gw_fsm_go(fsm, OWN_S_QUEUED);
	own_kick(o->call);
}

#define E(e) GW_BIT(OWN_E_##e)
#define S(s) GW_BIT(OWN_S_##s)

static const struct gw_fsm_state states[OWN_S_COUNT] = {
    [OWN_S_QUEUED] = {.name = "QUEUED",
		      .in = E(TURN) | E(END),
		      .out = S(SENT) | S(ENDED),
		      .on_event = in_queued},
    [OWN_S_SENT] = {.name = "SENT",
		    .in = E(FINAL) | E(END),
		    .out = S(QUEUED) | S(BACKOFF) | S(ENDED),
		    .on_event = in_sent},
    /* The real time is chosen at each 491 (CALL-29). */
    [OWN_S_BACKOFF] = {.name = "BACKOFF",
		       .in = E(TIMER) | E(END),
		       .out = S(QUEUED) | S(ENDED),
		       .timer_ms = OWNER_TO,
		       .on_event = in_backoff},
    [OWN_S_ENDED] = {.name = "ENDED"},
};

static const char *const event_names[OWN_E_COUNT] = {
    [OWN_E_TURN] = "turn", [OWN_E_FINAL] = "final", [OWN_E_TIMER] = "timer", [OWN_E_END] = "end"};

static const char *identity(const struct gw_fsm *fsm, char *buf, size_t n)
{
	const struct own *o = fsm->owner;

	snprintf(buf, n, "%s kind=%s", o->call->ident, o->kind->name);
	return buf;
}

static const struct gw_fsm_desc own_fsm_desc = {
    .name = "own",
    .states = states,
    .n_states = OWN_S_COUNT,
    .event_names = event_names,
    .n_events = OWN_E_COUNT,
    .timer_event = OWN_E_TIMER,
    .identity = identity,
};

void own_dispatch(struct own *o, enum own_event event, const struct final *f)
{
	union {
		const void *in;
		void *out;
	} data = {.in = f};

	(void)gw_fsm_dispatch(&o->fsm, event, data.out);
}

/* ---- whose turn it is ---------------------------------------------------------------------------
 */

static bool negotiating(const struct xact *x)
{
	if (x->method == CSCF_SIP_UPDATE)
		return !x->server_final;
	return x->method == CSCF_SIP_INVITE && !x->is_own && !x->initial &&
	       (!x->server_final || x->awaits_ack || (x->answer != NULL && x->ack == NULL));
}

bool own_may_offer(const struct call *c)
{
	const struct own *other;
	const struct xact *x;

	if (c->fsm.state != CALL_S_CONFIRMED || c->running || c->waiting || c->current != NULL ||
	    c->jobs != NULL || cscf_sdp_round_open(c->media.sdp))
		return false;
	DL_FOREACH (c->own, other)
		if (other->kind->waits && other->fsm.state == OWN_S_SENT)
			return false;
	DL_FOREACH (c->xacts, x)
		if (negotiating(x))
			return false;
	return true;
}

static bool is_turn(const struct own *o)
{
	const struct call *c = o->call;

	if (o->fsm.state != OWN_S_QUEUED ||
	    (o->to == SIDE_WIC && !cscf_sip_conn_alive(c->s->p.stack, c->conn, NULL)))
		return false;
	if (!o->kind->waits)
		return true;
	return (o->kind->repairs || !repair_is_on(c)) && own_may_offer(c);
}

static void own_free(struct own *o)
{
	DL_DELETE(o->call->own, o);
	if (o->x != NULL)
		o->x->own = NULL;
	gw_fsm_fini(&o->fsm);
	free(o);
}

/* Whoever may go, goes. Frees none: this is called from within a `done`. */
static void take_turns(struct call *c)
{
	struct own *o;

	if (c->own_busy)
		return;
	c->own_busy = true;
	DL_FOREACH (c->own, o) /* a `done` may append */
		if (!c->released && is_turn(o))
			own_dispatch(o, OWN_E_TURN, NULL);
	c->own_busy = false;
}

void own_kick(struct call *c)
{
	struct own *o, *tmp;

	repair_kick(c);
	if (c->own_busy)
		return;
	take_turns(c);
	DL_FOREACH_SAFE (c->own, o, tmp)
		if (o->fsm.state == OWN_S_ENDED)
			own_free(o);
}

enum gw_err own_request(struct call *c, const struct own_order *order)
{
	unsigned waiting, sent;
	struct own *o;

	own_count(c, &waiting, &sent);
	if (c->released)
		return GW_ERR_STATE;
	if (waiting + sent >= OWN_MAX)
		return GW_ERR_LIMIT;
	o = calloc(1, sizeof(*o));
	if (o == NULL)
		return GW_ERR_NOMEM;
	if (gw_fsm_init(&o->fsm, &own_fsm_desc, OWN_S_QUEUED, o, c->s->p.base) != GW_OK) {
		free(o);
		return GW_ERR_NOMEM;
	}
	o->call = c;
	o->kind = order->kind;
	o->dialog = order->dialog;
	o->to = order->to;
	snprintf(o->value, sizeof(o->value), "%s", order->value != NULL ? order->value : "");
	DL_APPEND(c->own, o);
	take_turns(c);
	return GW_OK;
}

bool own_has(const struct call *c, const struct own_kind *kind)
{
	const struct own *o;

	DL_FOREACH (c->own, o)
		if (o->kind == kind && o->fsm.state != OWN_S_ENDED)
			return true;
	return false;
}

void own_count(const struct call *c, unsigned *waiting, unsigned *sent)
{
	const struct own *o;

	*waiting = *sent = 0;
	DL_FOREACH (c->own, o) {
		if (o->fsm.state == OWN_S_SENT)
			(*sent)++;
		else if (o->fsm.state != OWN_S_ENDED)
			(*waiting)++;
	}
}

bool own_crosses(const struct call *c)
{
	const struct own *o;

	DL_FOREACH (c->own, o)
		if (o->fsm.state == OWN_S_SENT && o->x != NULL &&
		    (o->kind->method == CSCF_SIP_INVITE || o->x->has_offer))
			return true;
	return false;
}

/* ---- the end of the call
 * ------------------------------------------------------------------------- */

bool own_drop_waiting(struct call *c, const struct own_kind *kind)
{
	struct final f = {.outcome = OWN_DROPPED};
	bool any = false;
	struct own *o;

	DL_FOREACH (c->own, o)
		if (o->kind == kind &&
		    (o->fsm.state == OWN_S_QUEUED || o->fsm.state == OWN_S_BACKOFF)) {
			own_dispatch(o, OWN_E_END, &f);
			any = true;
		}
	return any;
}

void own_drop_all(struct call *c)
{
	struct final f = {.outcome = OWN_DROPPED};
	struct own *o;

	DL_FOREACH (c->own, o) {
		struct xact *x = o->x;

		if (o->fsm.state != OWN_S_ENDED)
			own_dispatch(o, OWN_E_END, &f);
		if (x == NULL || !x->client_live || x->client_final)
			continue;
		if (x->method == CSCF_SIP_INVITE &&
		    cscf_sip_cancel(c->s->p.stack, x->client, NULL) == GW_OK)
			continue; /* a 2xx that crosses it is acknowledged all the same */
		cscf_sip_client_detach(c->s->p.stack, x->client);
		x->client_live = false;
		x->client_final = true;
		xact_check(x);
	}
}

void own_free_all(struct call *c)
{
	struct own *o, *next;

	DL_FOREACH_SAFE (c->own, o, next)
		own_free(o);
}
