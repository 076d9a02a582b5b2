/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Responses to what we relayed or sent ourselves: which of them move the call, which are only
 * passed on, and which are nobody's business any more.
 * Thread: the cscf loop. Spec: CALL-10, 14, 23, 24, 36, 46, 48; REL-14, REL-17; 2.6, 2.7, 2.8.
 */
#include "cscf/session/own.h"
#include "cscf/session/session_int.h"

#define GW_LOG_MOD "session"

static void relay(struct xact *x, const struct cscf_sip_msg *rsp)
{
	struct call *c = x->call;
	struct cscf_sip_msg *copy = NULL;

	if (x->server == GW_HANDLE_NONE || x->server_final)
		return;
	if (cscf_sip_msg_clone(&copy, rsp) != GW_OK ||
	    job_add(c, JOB_RESPONSE, x, copy, other_side(x->from)) != GW_OK)
		call_release_cause(c, CAUSE_INTERNAL);
}

/* The same, past the queue and without SDP: the call is over or it does not matter to it. */
static void relay_now(struct xact *x, const struct cscf_sip_msg *rsp)
{
	struct call *c = x->call;
	struct cscf_sip_msg *copy = NULL;
	enum gw_err err;

	if (x->server == GW_HANDLE_NONE || x->server_final)
		return;
	x->server_final = cscf_sip_msg_status(rsp) >= 200;
	err = cscf_sip_msg_clone(&copy, rsp);
	if (err == GW_OK)
		err = leg_hide_sdp(copy, true);
	if (err == GW_OK)
		err = x->from == SIDE_WIC ? leg_w2_response(c, copy) : leg_mw_response(c, copy);
	if (err == GW_OK)
		err = cseq_shift_back(x, copy);
	if (err == GW_OK) {
		err = cscf_sip_respond(c->s->p.stack, x->server, copy);
		copy = NULL;
	}
	cscf_sip_msg_free(copy);
	if (err != GW_OK)
		CALL_LOG(GW_LOG_WARN, "call.respond_failed", c, side_name(x->from), "err=%s",
			 gw_err_name(err));
}

/* ---- the initial INVITE ------------------------------------------------------------------------
 */

static enum cause local_cause(const struct call *c, const struct cscf_sip_response_info *info)
{
	switch (info->cause) {
	case CSCF_SIP_CAUSE_TIMEOUT:
		return c->from_wic ? CAUSE_CORE_SILENT : CAUSE_WIC_SILENT;
	case CSCF_SIP_CAUSE_TIMER_C:
		return CAUSE_WIC_SILENT;
	case CSCF_SIP_CAUSE_TRANSPORT:
	case CSCF_SIP_CAUSE_NO_TARGET:
		return c->from_wic ? CAUSE_CORE_GONE : CAUSE_WIC_GONE;
	case CSCF_SIP_CAUSE_CANCELLED:
		return CAUSE_CANCELLED;
	case CSCF_SIP_CAUSE_NONE:
	case CSCF_SIP_CAUSE_LIMIT:
		break;
	}
	return CAUSE_INTERNAL;
}

static void invite_failed(struct xact *x, const struct cscf_sip_msg *rsp,
			  const struct cscf_sip_response_info *info)
{
	struct call *c = x->call;
	struct release_order order = {.cause = CAUSE_REJECTED, .status = cscf_sip_msg_status(rsp)};
	struct cscf_sip_msg *copy = NULL;

	if (c->emergency != NULL && emergency_call_failed(x, rsp, info))
		return;
	if (info->local) {
		order = (struct release_order){.cause = local_cause(c, info)};
		order.unreachable = c->from_wic && restoration_is_due(info);
		order.outbound = order.cause == CAUSE_WIC_GONE && c->conn != 0 &&
				 session_flow_outbound(c->s, c->conn);
		call_release(c, &order);
		return;
	}
	if (c->from_wic)
		restoration_heed(c->s, rsp, c->assoc);
	/* A 503 of the core speaks about one server there, not about us (CALL-36). */
	if (order.status == 503 && c->from_wic) {
		order.status = 500;
		if (cscf_sip_msg_clone(&copy, rsp) == GW_OK &&
		    cscf_sip_msg_set_status(copy, 500, NULL) == GW_OK)
			relay_now(x, copy);
		cscf_sip_msg_free(copy);
	} else {
		relay_now(x, rsp);
	}
	call_release(c, &order);
}

/* A 2xx once more: the ACK, or before it the 2xx that we relayed, was lost (CALL-24). */
static void again_2xx(struct xact *x)
{
	const struct call *c = x->call;
	const struct cscf_sip_msg *lost = x->ack != NULL ? x->ack : x->answer;
	struct cscf_sip_msg *again = NULL;
	enum gw_err err;

	if (lost == NULL || cscf_sip_msg_clone(&again, lost) != GW_OK)
		return;
	err = x->ack != NULL ? leg_send_ack(x->call, other_side(x->from), again)
			     : cscf_sip_respond(c->s->p.stack, x->server, again);
	if (err != GW_OK)
		gw_metric_inc(&session_metrics[SM_LATE]);
}

static void invite_answered(struct xact *x, const struct cscf_sip_msg *rsp)
{
	struct call *c = x->call;
	struct dialog *d = dialog_learn(c, rsp);

	if (d == NULL) {
		gw_metric_inc(&session_metrics[SM_FORK_DROPPED]);
		if (c->winner == NULL)
			call_release_cause(c, CAUSE_INTERNAL);
		return;
	}
	if (c->winner == NULL) {
		c->winner = gw_slice_dup(cscf_sip_msg_to_tag(rsp));
		d->confirmed = true;
		relay(x, rsp);
		return;
	}
	if (strcmp(c->winner, d->callee_tag) != 0) {
		release_fork(c, rsp);
		return;
	}
	again_2xx(x);
}

static void on_invite(struct xact *x, const struct cscf_sip_msg *rsp,
		      const struct cscf_sip_response_info *info)
{
	struct call *c = x->call;
	int status = cscf_sip_msg_status(rsp);

	if (status >= 300) {
		invite_failed(x, rsp, info);
	} else if (status >= 200) {
		invite_answered(x, rsp);
	} else if (c->winner == NULL) {
		if (!rel100_provisional(x, dialog_learn(c, rsp), rsp))
			return;
		relay(x, rsp);
	}
}

/* ---- later requests ----------------------------------------------------------------------------
 */

static void refresh_targets(struct xact *x, const struct cscf_sip_msg *rsp)
{
	const struct cscf_sip_msg *req = cscf_sip_server_request(x->call->s->p.stack, x->server);

	target_refresh(&x->dialog->target[other_side(x->from)], rsp);
	if (req != NULL)
		target_refresh(&x->dialog->target[x->from], req);
}

static void on_later(struct xact *x, const struct cscf_sip_msg *rsp,
		     const struct cscf_sip_response_info *info)
{
	struct call *c = x->call;
	int status = cscf_sip_msg_status(rsp), as = 0;
	bool refreshes = x->method == CSCF_SIP_INVITE || x->method == CSCF_SIP_UPDATE;
	struct cscf_sip_msg *copy = NULL;

	if (x->server_final && x->method == CSCF_SIP_INVITE && status / 100 == 2) {
		again_2xx(x);
		return;
	}
	/* The WIC's connection went while the request was with it: not the end (2.9). */
	if (info->local && x->from == SIDE_CORE && info->cause == CSCF_SIP_CAUSE_TRANSPORT) {
		if (flow_ask_again(x))
			return;
		if (x->has_offer)
			media_rollback_of(c, x->dialog);
		xact_reply(x, 480, NULL, NULL, NULL);
		return;
	}
	if (refreshes && status / 100 == 2 && x->dialog != NULL)
		refresh_targets(x, rsp);
	if (status == 503 && x->from == SIDE_WIC)
		as = 500; /* as in invite_failed (CALL-36) */
	else if (status == 487 && x->taken_back)
		as = 491; /* it comes again when the call has moved */
	if (as != 0 && cscf_sip_msg_clone(&copy, rsp) == GW_OK &&
	    cscf_sip_msg_set_status(copy, as, NULL) == GW_OK)
		rsp = copy;
	relay(x, rsp);
	cscf_sip_msg_free(copy);
}

/* The answer to a BYE of the call, which is over whatever it says. */
static void on_bye(struct xact *x, const struct cscf_sip_msg *rsp,
		   const struct cscf_sip_response_info *info)
{
	enum side to = other_side(x->from);
	struct cscf_sip_msg *copy = NULL;

	if (info->local && info->cause == CSCF_SIP_CAUSE_TRANSPORT && to == SIDE_WIC) {
		release_owe_bye(x->call, false);
		xact_reply(x, 200, NULL, NULL, NULL);
	} else if (cscf_sip_msg_status(rsp) == 503 && x->from == SIDE_WIC &&
		   cscf_sip_msg_clone(&copy, rsp) == GW_OK && /* CALL-36 */
		   cscf_sip_msg_set_status(copy, 500, NULL) == GW_OK) {
		relay_now(x, copy);
	} else {
		relay_now(x, rsp);
	}
	cscf_sip_msg_free(copy);
}

static void on_response(void *arg, gw_handle client, const struct cscf_sip_msg *rsp,
			const struct cscf_sip_response_info *info)
{
	struct xact *x = arg;
	struct call *c = x->call;
	int status = cscf_sip_msg_status(rsp);

	(void)client;
	if (status >= 200)
		x->client_final = true;
	if (info->local)
		story_feed_local(x, info->cause);
	if (x->is_own)
		own_on_response(x, rsp, info);
	if (!c->released) {
		if (x->initial)
			on_invite(x, rsp, info);
		else if (x->server != GW_HANDLE_NONE)
			on_later(x, rsp, info);
		return;
	}
	if (x->initial && status / 100 == 2 && !info->local)
		release_fork(c, rsp); /* it crossed our CANCEL (CALL-25) */
	else if (x->method == CSCF_SIP_BYE)
		on_bye(x, rsp, info);
	else if (x->server != GW_HANDLE_NONE)
		gw_metric_inc(&session_metrics[SM_LATE]);
	if (c->fsm.state == CALL_S_RELEASING && release_is_quiet(c))
		(void)gw_fsm_dispatch(&c->fsm, CALL_E_QUIET, NULL);
}

static void on_done(void *arg, gw_handle client)
{
	struct xact *x = arg;
	struct call *c = x->call;

	(void)client;
	x->client_live = false;
	x->client_final = true;
	xact_check(x);
	if (!c->released)
		own_kick(c);
	if (c->fsm.state == CALL_S_RELEASING && release_is_quiet(c))
		(void)gw_fsm_dispatch(&c->fsm, CALL_E_QUIET, NULL);
}

const struct cscf_sip_client_cbs xact_client_cbs = {.on_response = on_response, .on_done = on_done};
