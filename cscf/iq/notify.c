/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Notifications of the AGWs (5.4): acknowledged, handled once per (boot_id, event_seq), given to
 * the call that owns the context. An event of a context we do not know is counted; when the AGW
 * asks whether such a context still lives, it is released (IQ-13).
 * Thread: the cscf loop. Spec: IQ-07, IQ-20, REL-17.
 */
#include "cscf/iq/iq_int.h"

#include <inttypes.h>

#define GW_LOG_MOD "iq"

static void acknowledge(struct cscf_iq_link *link, uint64_t seq)
{
	IqEnvelope *env = iq_envelope_new(IQ_BODY(NOTIFICATION_ACK), 0);

	if (env == NULL)
		return; /* not acknowledged: it comes again */
	env->notification_ack->event_seq = seq;
	if (iq_link_send(link, env) != GW_OK)
		GW_LOG_LIMITED(GW_LOG_WARN, "iq.ack_not_sent", "agw=%s seq=%" PRIu64, link->agw_id,
			       seq);
	iq_envelope_free(env);
}

void iq_on_notification(struct cscf_iq_link *link, const IqNotification *n)
{
	struct cscf_iq *iq = link->iq;
	struct iq_ctx *ctx;

	if (n->event_seq <= link->last_event_seq) {
		gw_metric_inc(&cscf_iq_metrics[IQ_M_EVENTS_DUP]);
		acknowledge(link, link->last_event_seq);
		return;
	}
	link->last_event_seq = n->event_seq;
	acknowledge(link, n->event_seq);
	gw_metric_inc(&cscf_iq_metrics[IQ_M_EVENTS]);
	if (n->lost_events)
		iq_audit_start(link);
	ctx = iq_ctx_find_id(iq, n->ctx_id);
	if (ctx == NULL || ctx->link != link) {
		gw_metric_inc(&cscf_iq_metrics[IQ_M_EVENTS_UNKNOWN]);
		if (n->event == IQ_V(NOTIFICATION__EVENT__TERMINATION_HEARTBEAT))
			iq_release_stray(link, n->ctx_id, "unknown to the controller");
		return;
	}
	GW_LOG(GW_LOG_DEBUG, "iq.event",
	       "event_name=%s cause=%s ctx=%s agw=%s stream=%u call_id=%s", iq_event_name(n->event),
	       iq_cause_name(n->cause), ctx->id, link->agw_id, n->stream_id, n->call_id);
	if (n->event == IQ_V(NOTIFICATION__EVENT__CONTEXT_EXPIRED)) {
		iq_ctx_lost(ctx, "context expired on the AGW");
		return;
	}
	if (iq->attached && iq->cbs.on_event != NULL)
		iq->cbs.on_event(iq->arg, ctx->call, n);
}
