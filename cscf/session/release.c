/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Every way a call ends, as one table and one procedure. The context is released first and at
 * once (REL-02); then each leg gets what its state calls for:
 *
 *   caller without a final answer   that answer, by the table        (REL-04)
 *   callee without one              CANCEL with Reason
 *   callee that said 2xx, no ACK    ACK, then BYE
 *   confirmed leg                   one BYE from stored dialog data  (REL-03)
 *   a leg that is gone, or said BYE nothing
 *
 * Thread: the cscf loop. Spec: calls-and-media 4.10, 4.12; RFC 3261 §15; RFC 3326.
 */
#include "cscf/session/own.h"
#include "cscf/session/session_int.h"

#include <event2/event.h>
#include <stdio.h>

#define GW_LOG_MOD "session"

static const struct {
	const char *name;
	int to_wic;         /* final answer to a WIC that calls; 0 = by other means */
	int to_core;        /* to a caller in the core */
	const char *reason; /* Reason of BYE and CANCEL; NULL = none */
} causes[CAUSE_COUNT] = {
    [CAUSE_BYE] = {"bye", 480, 480, NULL},
    [CAUSE_CANCELLED] = {"cancelled", 487, 487, "SIP;cause=487;text=\"cancelled\""},
    [CAUSE_REJECTED] = {"rejected", 500, 500, NULL},
    [CAUSE_SDP] = {"sdp", 488, 488, "SIP;cause=488"},
    [CAUSE_NO_MEDIA] = {"no-media", 503, 500, "SIP;cause=503"},
    [CAUSE_IQ_FAILED] = {"iq-failed", 500, 500, "SIP;cause=500"},
    [CAUSE_AGW_LOST] = {"agw-lost", 500, 500, "SIP;cause=503;text=\"media gateway lost\""},
    [CAUSE_WIC_GONE] = {"wic-gone", 480, 480, "SIP;cause=503;text=\"access connection lost\""},
    [CAUSE_WIC_SILENT] = {"no-answer", 408, 408, "SIP;cause=408"},
    [CAUSE_CORE_SILENT] = {"core-silent", 504, 504, "SIP;cause=408"},
    [CAUSE_CORE_GONE] = {"core-gone", 500, 500, "SIP;cause=408"},
    [CAUSE_MEDIA_LOST] = {"media-lost", 500, 500, "SIP;cause=503;text=\"media path lost\""},
    [CAUSE_FINGERPRINT] = {"fingerprint", 488, 488, "SIP;cause=488;text=\"fingerprint mismatch\""},
    [CAUSE_INACTIVITY] = {"media-timeout", 480, 480, "SIP;cause=503;text=\"media timeout\""},
    [CAUSE_NO_ACK] = {"no-ack", 408, 408, "SIP;cause=408;text=\"no ACK\""},
    [CAUSE_DIALOG_GONE] = {"dialog-gone", 481, 481, "SIP;cause=481"},
    [CAUSE_DEREGISTERED] = {"deregistered", 480, 480, "SIP;cause=480;text=\"registration ended\""},
    [CAUSE_MAX_DURATION] = {"max-duration", 480, 480, "SIP;cause=480;text=\"time is up\""},
    [CAUSE_SESSION_EXPIRED] = {"session-expired", 408, 408,
			       "SIP;cause=408;text=\"session expired\""},
    [CAUSE_SHUTDOWN] = {"shutdown", 503, 503, "SIP;cause=503;text=\"shutting down\""},
    [CAUSE_INTERNAL] = {"internal", 500, 500, "SIP;cause=500"},
};

const char *cause_name(enum cause cause)
{
	return cause < CAUSE_COUNT ? causes[cause].name : "?";
}

const char *cause_reason(enum cause cause)
{
	return cause < CAUSE_COUNT ? causes[cause].reason : NULL;
}

int cause_status(const struct call *c, const struct release_order *order)
{
	const struct cscf_session_config *cfg = c->s->cfg;

	if (order->cause == CAUSE_NO_MEDIA)
		return (int)(c->from_wic ? cfg->no_media_wic : cfg->no_media_core);
	if (order->cause == CAUSE_SDP && cscf_sdp_verdict_status(order->verdict) != 0)
		return cscf_sdp_verdict_status(order->verdict);
	if (order->cause == CAUSE_WIC_GONE && order->outbound)
		return 430;
	if (order->status != 0)
		return order->status;
	return c->from_wic ? causes[order->cause].to_wic : causes[order->cause].to_core;
}

void release_owe_bye(struct call *c, bool is_back)
{
	c->bye_owed = (c->conn == 0 || is_back) && c->answered_ms != 0 &&
		      c->cause != CAUSE_WIC_GONE && c->cause != CAUSE_DEREGISTERED;
}

/* A request of our own on its way out; the call waits for its answer. */
static void send_bye(struct call *c, struct dialog *d, enum side to, const char *reason)
{
	struct cscf_sip_msg *bye = NULL;
	struct xact *x = NULL;
	enum gw_err err;

	err = leg_own_request(c, d, to, "BYE", cseq_next_own(c, &d->target[to]), reason, &bye);
	if (err == GW_OK) {
		x = xact_new(c, GW_HANDLE_NONE, bye, other_side(to));
		if (x == NULL) {
			cscf_sip_msg_free(bye);
			err = GW_ERR_LIMIT;
		} else {
			err = leg_send(c, to, bye, x);
		}
	}
	if (err != GW_OK) {
		CALL_LOG(GW_LOG_INFO, "call.bye_not_sent", c, side_name(to), "err=%s",
			 gw_err_name(err));
		if (x != NULL)
			xact_free(x);
		if (err == GW_ERR_GONE && to == SIDE_WIC)
			release_owe_bye(c, false);
	}
}

void release_bye_wic(struct call *c)
{
	struct dialog *d = c->winner != NULL ? dialog_find(c, gw_slice_str(c->winner)) : NULL;

	if (d != NULL)
		send_bye(c, d, SIDE_WIC, cause_reason(c->cause));
	if (c->fsm.state == CALL_S_RELEASING && release_is_quiet(c))
		(void)gw_fsm_dispatch(&c->fsm, CALL_E_QUIET, NULL);
}

static void send_ack(struct call *c, struct dialog *d, enum side to)
{
	struct cscf_sip_msg *ack = NULL;
	enum gw_err err = leg_own_request(c, d, to, "ACK", c->invite_cseq, NULL, &ack);

	if (err == GW_OK)
		err = leg_send_ack(c, to, ack);
	if (err != GW_OK)
		CALL_LOG(GW_LOG_INFO, "call.ack_not_sent", c, side_name(to), "err=%s",
			 gw_err_name(err));
}

void release_fork(struct call *c, const struct cscf_sip_msg *rsp)
{
	enum side callee = c->from_wic ? SIDE_CORE : SIDE_WIC;
	struct dialog *d = dialog_learn(c, rsp);
	const char *reason = c->released ? cause_reason(c->cause) : "SIP;cause=487";

	gw_metric_inc(&session_metrics[SM_FORK_DROPPED]);
	if (d == NULL)
		return;
	send_ack(c, d, callee);
	if (d->ended)
		return;
	d->ended = true;
	CALL_LOG(GW_LOG_INFO, "call.fork_dropped", c, side_name(callee), "to_tag=\"%s\"",
		 d->callee_tag);
	send_bye(c, d, callee, reason);
}

/* The caller's INVITE still wants its final answer. */
static void answer_caller(struct call *c, const struct release_order *order)
{
	struct xact *x = c->invite;
	int status = cause_status(c, order);
	char value[32];

	if (x == NULL || x->server_final)
		return;
	if (c->emergency != NULL && order->cause != CAUSE_CANCELLED) {
		emergency_call_give_up(x);
		return;
	}
	c->status = status;
	if (order->unreachable && restoration_reply(c->s, x->server, c->assoc)) {
		x->server_final = true;
		c->status = 504;
	} else if (order->cause == CAUSE_NO_MEDIA || status == 503) {
		snprintf(
		    value, sizeof(value), "%u",
		    cscf_sip_retry_after(c->s->cfg->retry_after_s, c->s->cfg->retry_after_max_s));
		xact_reply(x, status, NULL, "Retry-After", value);
	} else if (order->cause == CAUSE_SDP) {
		xact_refuse_sdp(x, status, order->verdict);
	} else {
		xact_reply(x, status, NULL, NULL, NULL);
	}
}

/* A request that waited for the WIC in vain: unreachable, not unknown (DEREG-42). */
static int unserved_status(const struct xact *x, enum cause cause)
{
	if (cause == CAUSE_WIC_GONE && x->from == SIDE_CORE)
		return 480;
	return x->method == CSCF_SIP_INVITE ? 487 : 481;
}

/* Requests other than the INVITE that began it: nobody waits for them any more (REL-15). */
static void end_others(struct call *c, enum cause cause)
{
	struct xact *x, *tmp;

	DL_FOREACH_SAFE (c->xacts, x, tmp) {
		if (x->initial || x->method == CSCF_SIP_BYE || x->server == GW_HANDLE_NONE)
			continue;
		xact_reply(x, unserved_status(x, cause), NULL, NULL, NULL);
		if (x->client_live && !x->client_final && x->method == CSCF_SIP_INVITE &&
		    cscf_sip_cancel(c->s->p.stack, x->client, NULL) == GW_OK)
			continue;
		if (x->client_live)
			cscf_sip_client_detach(c->s->p.stack, x->client);
		x->client_live = false;
		xact_check(x);
	}
}

static void end_confirmed(struct call *c, const struct release_order *order)
{
	enum side caller = c->from_wic ? SIDE_WIC : SIDE_CORE;
	enum side callee = other_side(caller);
	struct dialog *d = dialog_find(c, gw_slice_str(c->winner));
	const char *reason = cause_reason(order->cause);

	if (d == NULL)
		return;
	d->ended = true;
	if (!c->acked)
		send_ack(c, d, callee);
	if (order->cause == CAUSE_BYE && order->relayed)
		return; /* the party's own BYE is on its way to the other */
	if (order->cause != CAUSE_BYE || order->by != callee)
		send_bye(c, d, callee, reason);
	if (c->answered_ms != 0 && (order->cause != CAUSE_BYE || order->by != caller))
		send_bye(c, d, caller, reason);
}

void release_run(struct call *c, const struct release_order *order)
{
	struct xact *x = c->invite;

	gw_metric_inc(&session_metrics[SM_CAUSE_FIRST + (unsigned)order->cause]);
	CALL_LOG(GW_LOG_INFO, "call.release", c, "-", "cause=%s verdict=%s",
		 cause_name(order->cause), cscf_sdp_verdict_name(order->verdict));
	story_feed_release(c, order);
	if (order->status != 0)
		c->status = order->status;
	repair_stop(c);
	media_release(c, cause_name(order->cause));
	call_cancel_timers(c);
	answer_caller(c, order);
	if (x != NULL && x->client_live && !x->client_final && !x->cancelled) {
		x->cancelled = true;
		if (cscf_sip_cancel(c->s->p.stack, x->client, cause_reason(order->cause)) != GW_OK)
			CALL_LOG(GW_LOG_INFO, "call.cancel_not_sent", c, "-", "client=%d",
				 (int)cscf_sip_client_alive(c->s->p.stack, x->client));
	}
	own_drop_all(c);
	end_others(c, order->cause);
	if (c->winner != NULL)
		end_confirmed(c, order);
	job_flush(c);
}

bool release_is_quiet(const struct call *c)
{
	const struct xact *x;

	if (c->stats_pending || c->bye_owed)
		return false;
	DL_FOREACH (c->xacts, x)
		if (x->client_live && !x->client_final)
			return false;
	return true;
}
