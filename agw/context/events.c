/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the workers report about streams: remembered as the stream's ICE and DTLS state, logged once
 * with the call's identity, handed up. A report for a context already gone is normal (REL-17).
 */
#include "agw/context/context_int.h"

#include <inttypes.h>

#define GW_LOG_MOD "context"

static void note_states(struct ctx_stream *s, enum agw_event kind)
{
	switch (kind) {
	case AGW_EV_ICE_CONNECTED:
	case AGW_EV_CONSENT_RESTORED:
		s->ice_state = "connected";
		break;
	case AGW_EV_ICE_FAILED:
		s->ice_state = "failed";
		break;
	case AGW_EV_CONSENT_LOST:
		s->ice_state = "lost";
		break;
	case AGW_EV_DTLS_ESTABLISHED:
		s->dtls_state = "established";
		break;
	case AGW_EV_DTLS_FAILED:
		s->dtls_state = "failed";
		break;
	case AGW_EV_DTLS_CLOSED:
		s->dtls_state = "closed";
		break;
	case AGW_EV_PAIR_CHANGED:
	case AGW_EV_MEDIA_INACTIVE:
	case AGW_EV_MEDIA_ACTIVE:
	case AGW_EV_CORE_LATCHED:
	case AGW_EV_SSRC_CHANGED:
	case AGW_EV_NEW_PRFLX:
	case AGW_EV_PT_UNKNOWN:
	case AGW_EV_POLICED:
	case AGW_EV_KEY_LIMIT:
	case AGW_EV_PICTURE_ASKED:
	case AGW_EV_GATHERED:
	case AGW_EV_COUNT:
		break;
	}
}

static void on_event(void *arg, uint64_t owner, const struct agw_stream_event *ev)
{
	struct agw_context_table *t = arg;
	struct agw_context *ctx = gw_handle_find(t->handles, owner);
	struct ctx_stream *s;

	if (ctx == NULL || !ctx->named) {
		gw_metric_inc(&agw_ctx_metrics[CTX_M_LATE_EVENTS]);
		return;
	}
	s = agw_ctx_stream_find(ctx, ev->stream_id);
	if (s == NULL)
		return; /* released a moment ago */
	if (ev->kind == AGW_EV_GATHERED) {
		agw_ctx_gathers_check(ctx);
		return; /* the reply says it */
	}
	note_states(s, ev->kind);
	CTX_LOG(ctx, GW_LOG_INFO, "ctx.event", "stream=%u what=%s cause=%s value=%u", ev->stream_id,
		agw_event_name(ev->kind), agw_cause_name(ev->cause), ev->value);
	if (t->cbs.on_event != NULL)
		t->cbs.on_event(t->cbs_arg, ctx, ev);
}

static void on_applied(void *arg, uint64_t owner, uint32_t seq)
{
	/* Replies do not wait for the worker: requests of a context are applied in order anyway. */
	(void)arg;
	(void)owner;
	(void)seq;
}

static void on_events_lost(void *arg, uint64_t n)
{
	struct agw_context_table *t = arg;

	GW_LOG_LIMITED(GW_LOG_WARN, "ctx.events_lost", "n=%" PRIu64, n);
	if (t->cbs.on_events_lost != NULL)
		t->cbs.on_events_lost(t->cbs_arg, n);
}

const struct agw_pool_cbs *agw_context_pool_cbs(void)
{
	static const struct agw_pool_cbs cbs = {
	    .on_event = on_event,
	    .on_applied = on_applied,
	    .on_released = agw_ctx_on_released,
	    .on_events_lost = on_events_lost,
	};

	return &cbs;
}
