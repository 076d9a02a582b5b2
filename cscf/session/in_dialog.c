/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Requests within a dialog of a call: whose they are, the route set they must follow, BYE, and
 * everything else as one relay through the job queue.
 * Requests of other dialogs (subscriptions) carry our flow token and go to proxy.c.
 * Thread: the cscf loop. Spec: CALL-12..14, 26, 28..30, 38, 39; ID-07; REL-02, 14, 15.
 */
#include "cscf/session/own.h"
#include "cscf/session/session_int.h"

#include "cscf/registrar/trust.h"

#include <stdio.h>

#define GW_LOG_MOD "session"

static bool only_in_calls(enum cscf_sip_method m)
{
	return m == CSCF_SIP_INVITE || m == CSCF_SIP_BYE || m == CSCF_SIP_UPDATE ||
	       m == CSCF_SIP_PRACK;
}

/* Not a dialog of a call here. */
static void no_call(struct cscf_session *s, gw_handle server, const struct cscf_sip_msg *msg,
		    const struct cscf_sip_flow *flow)
{
	if (only_in_calls(cscf_sip_msg_method(msg))) {
		gw_metric_inc(&session_metrics[SM_NO_DIALOG]);
		session_refuse(s, server, msg, 481, REFUSAL_NO_DIALOG, NULL);
		return;
	}
	if (flow->side == CSCF_SIP_W2)
		proxy_from_wic(s, server, msg, flow, NULL);
	else
		proxy_from_core(s, server, msg, true);
}

enum gw_err in_dialog_prepare(struct call *c, struct dialog *d, enum side to,
			      struct cscf_sip_msg *msg)
{
	enum gw_err err =
	    to == SIDE_CORE ? cscf_trust_strip_from_wic(msg) : cscf_trust_strip_to_wic(msg);

	if (err == GW_OK)
		err = leg_prepare_request(msg, to);
	if (err != GW_OK)
		return err;
	if (to == SIDE_WIC) {
		cscf_sip_msg_hdr_del(msg, "Route");
		return GW_OK;
	}
	route_pop_own(c->s, msg, SIDE_WIC);
	err = route_enforce(c->s, msg, d->target[SIDE_CORE].routes, d->target[SIDE_CORE].n_routes);
	return err == GW_OK ? leg_add_pcv(c, msg) : err;
}

/* Another INVITE or UPDATE with an offer is still under way (RFC 3261 s14.2, RFC 3311 s5.2). */
static int find_glare(const struct call *c, const struct dialog *d, enum side from,
		      const struct cscf_sip_msg *msg)
{
	const struct cscf_sdp_session *sdp = media_sdp_of(c, d);
	enum cscf_sip_method m = cscf_sip_msg_method(msg);
	const struct xact *x;

	if (m != CSCF_SIP_INVITE && (m != CSCF_SIP_UPDATE || cscf_sip_msg_body(msg).n == 0))
		return 0;
	if (own_crosses(c) || repair_refuses(c, from))
		return 491;
	DL_FOREACH (c->xacts, x) {
		if (x->server == GW_HANDLE_NONE || x->server_final ||
		    (x->method != CSCF_SIP_INVITE &&
		     !(x->method == CSCF_SIP_UPDATE && x->has_offer)))
			continue;
		if (m == CSCF_SIP_UPDATE && x->initial &&
		    (!cscf_sdp_round_open(sdp) || cscf_sdp_round_answered(sdp)))
			continue;
		return x->from == from ? 500 : 491;
	}
	return 0;
}

static void relay(struct call *c, struct dialog *d, gw_handle server,
		  const struct cscf_sip_msg *msg, enum side from)
{
	struct cscf_sip_msg *copy = NULL;
	struct xact *x = NULL;
	int glare = find_glare(c, d, from, msg);
	enum gw_err err;

	if (glare != 0) {
		session_refuse(c->s, server, msg, glare, REFUSAL_GLARE, glare == 500 ? "3" : NULL);
		return;
	}
	if (cscf_sip_msg_method(msg) == CSCF_SIP_PRACK && !rel100_known(d, from, msg)) {
		session_refuse(c->s, server, msg, 481, REFUSAL_WRONG_STATE, NULL);
		return;
	}
	if (screen_ignored(c, server, msg) || picture_answered(c, server, msg, from) ||
	    session_timer_answered(c, server, msg, from) ||
	    precondition_answered(c, d, server, msg, from))
		return;
	err = cscf_sip_msg_clone(&copy, msg);
	if (err == GW_OK)
		err = in_dialog_prepare(c, d, other_side(from), copy);
	if (err == GW_OK) {
		x = xact_new(c, server, msg, from);
		err = x != NULL ? GW_OK : GW_ERR_LIMIT;
	}
	if (err != GW_OK) {
		int status = err == GW_ERR_DENIED || err == GW_ERR_PARSE ? 400 : 500;

		cscf_sip_msg_free(copy);
		session_refuse(c->s, server, msg, status, refusal_of(status, err), NULL);
		return;
	}
	x->dialog = d;
	x->session_s = session_timer_request(c, from, copy);
	if (job_add(c, JOB_REQUEST, x, copy, from) != GW_OK) {
		session_note_refused(msg, 500, REFUSAL_LIMIT);
		xact_reply(x, 500, NULL, NULL, NULL);
		xact_check(x);
	}
}

/* Media stops now; the other party hears of it by the same BYE (REL-02). */
static void bye(struct call *c, struct dialog *d, gw_handle server, const struct cscf_sip_msg *msg,
		enum side from)
{
	struct release_order order = {.cause = CAUSE_BYE, .by = from};
	bool by_caller = (from == SIDE_WIC) == c->from_wic;
	struct cscf_sip_msg *copy = NULL;
	struct xact *x;
	enum gw_err err;

	/* early: only the caller may (RFC 3261 s15); nor has it seen a 2xx that waits for the AGW
	 */
	if (c->winner == NULL || (c->answered_ms == 0 && by_caller)) {
		if (!by_caller) {
			session_refuse(c->s, server, msg, 481, REFUSAL_WRONG_STATE, NULL);
			return;
		}
		cscf_sip_reply(c->s->p.stack, server, 200, NULL, (char *)NULL);
		call_release_cause(c, CAUSE_CANCELLED);
		return;
	}
	x = xact_new(c, server, msg, from);
	err = x != NULL ? cscf_sip_msg_clone(&copy, msg) : GW_ERR_LIMIT;
	if (err == GW_OK)
		err = in_dialog_prepare(c, d, other_side(from), copy);
	if (err == GW_OK && c->answered_ms == 0)
		err = GW_ERR_STATE; /* the caller never got the 2xx: it gets a refusal instead */
	if (err == GW_OK)
		err = leg_hide_sdp(copy, true);
	if (err == GW_OK)
		err = cseq_shift(&d->target[other_side(from)], copy);
	if (err == GW_OK) {
		err = leg_send(c, other_side(from), copy, x);
		copy = NULL;
	}
	cscf_sip_msg_free(copy);
	if (x == NULL)
		cscf_sip_reply(c->s->p.stack, server, 200, NULL, (char *)NULL);
	else if (err != GW_OK)
		xact_reply(x, 200, NULL, NULL, NULL);
	order.relayed = err == GW_OK;
	CALL_LOG(GW_LOG_INFO, "call.bye", c, side_name(from), "err=%s", gw_err_name(err));
	call_release(c, &order);
}

void in_dialog_request(struct cscf_session *s, gw_handle server, const struct cscf_sip_msg *msg,
		       const struct cscf_sip_flow *flow)
{
	enum side from = flow->side == CSCF_SIP_W2 ? SIDE_WIC : SIDE_CORE;
	struct dialog *d = NULL;
	struct call *c = call_find_dialog(s, msg, from, &d);

	if (c == NULL) {
		no_call(s, server, msg, flow);
		return;
	}
	if (from == SIDE_WIC && c->conn != flow->conn) {
		gw_metric_inc(&session_metrics[SM_NOT_YOURS]);
		GW_LOG_LIMITED(GW_LOG_WARN, "call.not_yours", "%s leg=w2 conn=%llu", c->ident,
			       (unsigned long long)flow->conn);
		session_refuse(s, server, msg, 403, REFUSAL_FOREIGN_FLOW, NULL);
		return;
	}
	if (c->released) {
		if (cscf_sip_msg_method(msg) == CSCF_SIP_BYE)
			cscf_sip_reply(s->p.stack, server, 200, NULL, (char *)NULL);
		else
			session_refuse(s, server, msg, 481, REFUSAL_WRONG_STATE, NULL);
		return;
	}
	if (cscf_sip_msg_method(msg) == CSCF_SIP_BYE)
		bye(c, d, server, msg, from);
	else
		relay(c, d, server, msg, from);
}

/* An ACK to a 2xx, by dialog (CALL-24). */
void cscf_session_on_ack(struct cscf_session *s, const struct cscf_sip_msg *msg,
			 const struct cscf_sip_flow *flow)
{
	enum side from = flow->side == CSCF_SIP_W2 ? SIDE_WIC : SIDE_CORE;
	struct cscf_sip_msg *copy = NULL;
	struct dialog *d = NULL;
	struct call *c = call_find_dialog(s, msg, from, &d);
	struct xact *x;
	enum gw_err err;

	if (c == NULL || c->released || (from == SIDE_WIC && c->conn != flow->conn)) {
		gw_metric_inc(&session_metrics[SM_LATE]);
		return;
	}
	err = cscf_sip_msg_clone(&copy, msg);
	if (err == GW_OK)
		err = in_dialog_prepare(c, d, other_side(from), copy);
	if (err == GW_OK)
		err = cseq_shift(&d->target[other_side(from)], copy);
	if (err != GW_OK) {
		cscf_sip_msg_free(copy);
		CALL_LOG(GW_LOG_WARN, "call.ack_dropped", c, side_name(from), "err=%s",
			 gw_err_name(err));
		return;
	}
	x = xact_find_invite(c, from, cscf_sip_msg_cseq(msg));
	if (x != NULL)
		x->awaits_ack = false;
	if (job_add(c, JOB_ACK, x, copy, from) != GW_OK)
		call_release_cause(c, CAUSE_INTERNAL);
}
