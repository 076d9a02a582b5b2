/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One call: made by an initial INVITE of either side, found again by Call-ID, tags and side,
 * freed at the end of the loop turn in which nothing of it is under way any more.
 * Two calls of one Call-ID are normal: browser to browser through the core, and forks.
 * Not here: what happens to it (call_fsm.c), its messages (job.c), its media (media.c).
 * Thread: the cscf loop. Spec: CALL-01, 09, 10, 12, 20, 21; ID-01..04, 06, 08, 13, 14.
 */
#include "cscf/session/own.h"
#include "cscf/session/session_int.h"

#include "cscf/sip/mask.h"

#include "cscf/registrar/trust.h"

#include <event2/event.h>
#include <stdio.h>

#define GW_LOG_MOD       "session"
#define RETRY_AFTER_TEXT 12

uint64_t session_now_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000U + (uint64_t)ts.tv_nsec / 1000000U;
}

const char *side_name(enum side side)
{
	return side == SIDE_WIC ? "w2" : "mw";
}

void call_ident_update(struct call *c)
{
	snprintf(c->ident, sizeof(c->ident),
		 "call_id=\"%.255s\" icid=%.128s impu=\"%.128s\" agw=%s ctx=%s", c->call_id,
		 c->icid != NULL ? c->icid : "", cscf_sip_mask(c->impu),
		 cscf_iq_ctx_agw(c->s->p.iq, c->media.ctx),
		 cscf_iq_ctx_id(c->s->p.iq, c->media.ctx));
}

static void on_hold_over(evutil_socket_t fd, short what, void *arg)
{
	(void)fd;
	(void)what;
	const struct call *c = arg;

	cscf_story_timer(c->story, "flow.hold is over: the WIC is not back");
	job_resume(arg, MEDIA_REFUSED);
}

static void on_consent_over(evutil_socket_t fd, short what, void *arg)
{
	(void)fd;
	(void)what;
	const struct call *c = arg;

	cscf_story_timer(c->story, "T_consent: no ICE restart came");
	call_release_cause(arg, CAUSE_MEDIA_LOST);
}

static void on_max_duration(evutil_socket_t fd, short what, void *arg)
{
	(void)fd;
	(void)what;
	const struct call *c = arg;

	cscf_story_timer(c->story, "limits.call_duration");
	call_release_cause(arg, CAUSE_MAX_DURATION);
}

void call_cancel_timers(struct call *c)
{
	event_del(c->timer_hold);
	event_del(c->timer_consent);
	event_del(c->timer_max);
	session_timer_stop(c);
}

/* The caller's side as far as the INVITE tells it. */
static enum gw_err learn_caller(struct call *c, const struct cscf_sip_msg *invite)
{
	struct cscf_sip_name_addr contact;
	struct gw_slice from;

	if (!cscf_sip_msg_contact(invite, &contact) || contact.star)
		return GW_ERR_PARSE;
	c->caller.uri = gw_slice_dup(contact.uri);
	c->call_id = gw_slice_dup(cscf_sip_msg_call_id(invite));
	c->caller_tag = gw_slice_dup(cscf_sip_msg_from_tag(invite));
	c->request_uri = gw_slice_dup(cscf_sip_msg_uri(invite));
	if (!cscf_sip_msg_hdr(invite, "From", &from))
		return GW_ERR_PARSE;
	c->from = gw_slice_dup(from);
	if (c->caller.uri == NULL || c->call_id == NULL || c->caller_tag == NULL ||
	    c->from == NULL || c->request_uri == NULL)
		return GW_ERR_NOMEM;
	if (c->from_wic)
		return GW_OK;
	if (cscf_sip_msg_value_count(invite, "Record-Route") > CALL_MAX_ROUTES)
		return GW_ERR_LIMIT;
	return cscf_sip_msg_values_dup(invite, "Record-Route", false, &c->caller.routes,
				       &c->caller.n_routes);
}

static void index_add(struct call *c)
{
	struct call *head = NULL;

	HASH_FIND(hh, c->s->by_call_id, c->call_id, strlen(c->call_id), head);
	if (head != NULL) {
		c->same_id = head->same_id;
		head->same_id = c;
		return;
	}
	HASH_ADD_KEYPTR(hh, c->s->by_call_id, c->call_id, strlen(c->call_id), c);
}

static void index_del(struct call *c)
{
	struct call *head = NULL, *next = c->same_id;

	HASH_FIND(hh, c->s->by_call_id, c->call_id, strlen(c->call_id), head);
	if (head == NULL)
		return;
	if (head != c) {
		while (head->same_id != NULL && head->same_id != c)
			head = head->same_id;
		if (head->same_id == c)
			head->same_id = next;
		return;
	}
	HASH_DEL(c->s->by_call_id, c);
	if (next != NULL)
		HASH_ADD_KEYPTR(hh, c->s->by_call_id, next->call_id, strlen(next->call_id), next);
}

struct call *call_of_assoc(const struct cscf_session *s, gw_handle assoc)
{
	struct call *c = NULL;

	HASH_FIND(by_assoc, s->by_assoc, &assoc, sizeof(assoc), c);
	return c;
}

void call_set_assoc(struct call *c, gw_handle assoc)
{
	struct call *first = call_of_assoc(c->s, assoc);

	if (assoc == GW_HANDLE_NONE)
		return;
	c->assoc = assoc;
	if (first == NULL) {
		HASH_ADD(by_assoc, c->s->by_assoc, assoc, sizeof(c->assoc), c);
		return;
	}
	c->assoc_prev = first;
	c->assoc_next = first->assoc_next;
	if (c->assoc_next != NULL)
		c->assoc_next->assoc_prev = c;
	first->assoc_next = c;
}

static void forget_assoc(struct call *c)
{
	struct call *next = c->assoc_next;

	if (c->assoc == GW_HANDLE_NONE)
		return;
	if (next != NULL)
		next->assoc_prev = c->assoc_prev;
	if (c->assoc_prev != NULL) {
		c->assoc_prev->assoc_next = next;
		return;
	}
	HASH_DELETE(by_assoc, c->s->by_assoc, c);
	if (next != NULL)
		HASH_ADD(by_assoc, c->s->by_assoc, assoc, sizeof(next->assoc), next);
}

enum gw_err call_new(struct call **out, struct cscf_session *s, const struct cscf_sip_msg *invite,
		     bool from_wic)
{
	struct call *c = calloc(1, sizeof(*c));
	enum gw_err err = GW_ERR_NOMEM;

	if (c == NULL)
		return err;
	c->s = s;
	c->from_wic = from_wic;
	c->invite_cseq = cscf_sip_msg_cseq(invite);
	c->started_ms = session_now_ms();
	c->started_at = time(NULL);
	err = gw_fsm_init(&c->fsm, &call_fsm_desc, CALL_S_IDLE, c, s->p.base);
	if (err == GW_OK)
		err = learn_caller(c, invite);
	if (err == GW_OK)
		err = media_init(c);
	if (err == GW_OK)
		err = session_timer_init(c);
	c->timer_hold = evtimer_new(s->p.base, on_hold_over, c);
	c->timer_consent = evtimer_new(s->p.base, on_consent_over, c);
	c->timer_max = evtimer_new(s->p.base, on_max_duration, c);
	if (err == GW_OK &&
	    (c->timer_hold == NULL || c->timer_consent == NULL || c->timer_max == NULL))
		err = GW_ERR_NOMEM;
	if (err == GW_OK)
		err = gw_handle_add(s->calls, c, &c->self);
	if (err != GW_OK) {
		call_free(c);
		return err;
	}
	index_add(c);
	c->story = cscf_story_begin(s->p.story, invite, from_wic, c->self);
	gw_metric_inc(&session_metrics[SM_CALLS]);
	gw_metric_inc(&session_metrics[from_wic ? SM_MO : SM_MT]);
	*out = c;
	return GW_OK;
}

void call_free(struct call *c)
{
	if (c == NULL)
		return;
	cscf_story_end(c->story, c->status);
	c->story = NULL;
	forget_assoc(c);
	if (c->self != GW_HANDLE_NONE) {
		index_del(c);
		gw_handle_del(c->s->calls, c->self);
		gw_metric_dec(&session_metrics[SM_CALLS]);
	}
	repair_stop(c);
	repair_wait_fini(c);
	own_free_all(c);
	job_flush(c);
	while (c->xacts != NULL)
		xact_free(c->xacts);
	dialog_free_all(c);
	media_fini(c);
	gw_fsm_fini(&c->fsm);
	if (c->timer_hold != NULL)
		event_free(c->timer_hold);
	if (c->timer_consent != NULL)
		event_free(c->timer_consent);
	if (c->timer_max != NULL)
		event_free(c->timer_max);
	session_timer_fini(c);
	target_fini(&c->caller);
	cscf_sip_texts_free(c->record_route, c->n_record_route);
	free(c->call_id);
	free(c->caller_tag);
	free(c->from);
	free(c->request_uri);
	free(c->called);
	free(c->impu);
	free(c->icid);
	free(c->core_offer);
	free(c->pcv);
	emergency_free(c->emergency);
	free(c->winner);
	free(c);
}

void call_bury(struct call *c)
{
	struct timeval now = {0, 0};

	record_write(c);
	call_cancel_timers(c);
	c->next_dead = c->s->dead;
	c->s->dead = c;
	event_add(c->s->reaper, &now);
}

struct call *call_find_id(const struct cscf_session *s, struct gw_slice call_id)
{
	struct call *c = NULL;

	HASH_FIND(hh, s->by_call_id, call_id.p, call_id.n, c);
	return c;
}

struct call *call_find_dialog(struct cscf_session *s, const struct cscf_sip_msg *msg,
			      enum side from, struct dialog **dialog)
{
	struct gw_slice from_tag = cscf_sip_msg_from_tag(msg);
	struct gw_slice to_tag = cscf_sip_msg_to_tag(msg);

	for (struct call *c = call_find_id(s, cscf_sip_msg_call_id(msg)); c != NULL;
	     c = c->same_id) {
		bool by_caller = (from == SIDE_WIC) == c->from_wic;
		struct gw_slice caller = by_caller ? from_tag : to_tag;
		struct gw_slice callee = by_caller ? to_tag : from_tag;

		if (!gw_slice_eq_str(caller, c->caller_tag))
			continue;
		*dialog = dialog_find(c, callee);
		if (*dialog != NULL)
			return c;
	}
	*dialog = NULL;
	return NULL;
}

/* limits.cps: a bucket of one second's calls. */
static bool too_fast(struct cscf_session *s)
{
	uint64_t rate = (uint64_t)s->cfg->limits_cps, now = session_now_ms(), gone;

	if (rate == 0)
		return false;
	gone = s->cps_at_ms != 0 && now - s->cps_at_ms < 1000 ? now - s->cps_at_ms : 1000;
	s->cps_at_ms = now;
	s->cps_tokens += gone * rate;
	if (s->cps_tokens > rate * 1000)
		s->cps_tokens = rate * 1000;
	if (s->cps_tokens < 1000)
		return true;
	s->cps_tokens -= 1000;
	return false;
}

static void answer_later(struct cscf_session *s, gw_handle server, const struct cscf_sip_msg *msg,
			 int status, enum refusal why)
{
	char after[RETRY_AFTER_TEXT];

	gw_metric_add(&session_metrics[SM_LIMIT], why == REFUSAL_LIMIT);
	snprintf(after, sizeof(after), "%u",
		 cscf_sip_retry_after(s->cfg->retry_after_s, s->cfg->retry_after_max_s));
	session_refuse(s, server, msg, status, why, after);
}

/* Everything about the INVITE is ready but its SDP: hand it to the machine. */
static void start(struct call *c, gw_handle server, const struct cscf_sip_msg *orig,
		  struct cscf_sip_msg *msg, enum side from)
{
	struct xact *x = xact_new(c, server, orig, from);
	enum gw_err err = GW_ERR_NOMEM;

	call_ident_update(c);
	cscf_story_identify(c->story, c->impu, c->icid);
	cscf_story_flow(c->story, c->conn);
	CALL_LOG(GW_LOG_INFO, "call.start", c, side_name(from), "from_wic=%d uri=\"%s\"",
		 (int)c->from_wic, cscf_sip_mask(c->request_uri));
	if (x == NULL) {
		cscf_sip_msg_free(msg);
		session_refuse(c->s, server, orig, 500, REFUSAL_INTERNAL, NULL);
		call_release_cause(c, CAUSE_INTERNAL);
		return;
	}
	x->initial = true;
	x->timeout_ms = c->emergency != NULL ? emergency_patience_ms(c->s) : 0;
	x->session_s = session_timer_request(c, from, msg);
	c->invite = x;
	err = from == SIDE_WIC ? rel100_invite(c, msg) : GW_OK;
	if (err == GW_OK)
		err = gw_fsm_dispatch(&c->fsm, CALL_E_START, NULL);
	if (err == GW_OK)
		err = job_add(c, JOB_REQUEST, x, msg, from);
	else
		cscf_sip_msg_free(msg);
	if (err != GW_OK)
		call_release_cause(c, CAUSE_INTERNAL);
}

void call_start_from_wic(struct cscf_session *s, gw_handle server, const struct cscf_sip_msg *msg,
			 const struct cscf_sip_flow *flow, const struct cscf_emergency_order *order)
{
	struct cscf_registrar_identity id;
	struct cscf_sip_msg *out = NULL;
	struct call *c = NULL;
	enum gw_err err;
	int status;

	if (!session_identify(s, msg, flow->conn, &id)) {
		gw_metric_inc(&session_metrics[SM_UNREGISTERED]);
		session_refuse(s, server, msg, 403, REFUSAL_UNREGISTERED, NULL);
		return;
	}
	if (order == NULL && route_token_foreign(s, msg, flow->conn)) {
		gw_metric_inc(&session_metrics[SM_NOT_YOURS]);
		session_refuse(s, server, msg, 403, REFUSAL_FOREIGN_FLOW, NULL);
		return;
	}
	if (order == NULL && gw_handle_count(s->calls) >= (size_t)s->cfg->limits_calls) {
		answer_later(s, server, msg, 503, REFUSAL_LIMIT);
		return;
	}
	if (order == NULL && too_fast(s)) {
		answer_later(s, server, msg, 503, REFUSAL_RATE);
		return;
	}
	err = call_new(&c, s, msg, true);
	if (err == GW_OK && order != NULL)
		err = emergency_new(&c->emergency, order);
	if (err == GW_OK)
		err = cscf_sip_msg_clone(&out, msg);
	if (err == GW_OK) {
		call_set_assoc(c, id.assoc);
		c->conn = flow->conn;
		c->impu = id.n_impus > 0 ? strdup(id.impus[0].uri) : NULL;
		c->pcv = leg_new_pcv(s, &c->icid);
		err = leg_mw_invite(c, out, &id);
	}
	if (err == GW_OK) {
		start(c, server, msg, out, SIDE_WIC);
		return;
	}
	cscf_sip_msg_free(out);
	call_free(c);
	if (order != NULL) {
		cscf_emergency_not_reached(s->p.emergency, server, msg, &order->match);
		return;
	}
	status = err == GW_ERR_PARSE || err == GW_ERR_DENIED ? 400 : 500;
	session_refuse(s, server, msg, status, refusal_of(status, err), NULL);
}

/* Whose call is it, for PAI of the answers, the icid and the log (ID-14, ID-08). */
static void learn_called(struct call *c, const struct cscf_sip_msg *msg)
{
	struct cscf_sip_name_addr addr;
	struct gw_slice v;

	if (cscf_sip_msg_hdr(msg, "P-Called-Party-ID", &v)) {
		c->called = gw_slice_dup(v);
		if (cscf_sip_name_addr_parse(&addr, v) == GW_OK)
			c->impu = gw_slice_dup(addr.uri);
	}
	if (c->impu == NULL)
		c->impu = gw_slice_dup(cscf_sip_msg_to_uri(msg));
	if (cscf_sip_msg_hdr(msg, "P-Charging-Vector", &v)) {
		char icid[128];
		struct gw_slice raw;

		c->pcv = gw_slice_dup(v);
		if (cscf_sip_param_get(v, "icid-value", &raw)) {
			cscf_sip_unquote(raw, icid, sizeof(icid));
			c->icid = strdup(icid);
		}
	}
	if (c->icid == NULL)
		free(leg_new_pcv(c->s, &c->icid));
}

void call_start_from_core(struct cscf_session *s, gw_handle server, const struct cscf_sip_msg *msg)
{
	struct cscf_registrar_target target;
	enum cscf_registrar_reach reach = cscf_registrar_reach(s->p.registrar, route_own_token(msg),
							       cscf_sip_msg_uri(msg), &target);
	struct cscf_sip_msg *out = NULL;
	struct call *c = NULL;
	enum gw_err err;
	int status;

	if (reach != CSCF_REGISTRAR_LIVE) {
		gw_metric_inc(&session_metrics[SM_UNREACHABLE]);
		session_refuse(s, server, msg, cscf_registrar_reach_status(reach),
			       reach == CSCF_REGISTRAR_FORGED ? REFUSAL_FOREIGN_FLOW
							      : REFUSAL_UNREACHABLE,
			       NULL);
		return;
	}
	if (gw_handle_count(s->calls) >= (size_t)s->cfg->limits_calls) {
		answer_later(s, server, msg, 503, REFUSAL_LIMIT);
		return;
	}
	if (too_fast(s)) {
		/* not 503: that would keep others from us as well (CALL-36) */
		answer_later(s, server, msg, 500, REFUSAL_RATE);
		return;
	}
	err = call_new(&c, s, msg, false);
	if (err == GW_OK)
		err = cscf_sip_msg_clone(&out, msg);
	if (err == GW_OK) {
		call_set_assoc(c, target.assoc);
		c->conn = target.conn;
		learn_called(c, msg);
		err = leg_w2_invite(c, out);
	}
	if (err == GW_OK) {
		start(c, server, msg, out, SIDE_CORE);
		return;
	}
	cscf_sip_msg_free(out);
	call_free(c);
	status = err == GW_ERR_PARSE ? 400 : 500;
	session_refuse(s, server, msg, status, refusal_of(status, err), NULL);
}
