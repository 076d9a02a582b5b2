/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the AGW reports, and what it means for the call (5.4): one stream in trouble never kills
 * the others by itself; without any working audio the call ends (REL-20). A stream that is lost
 * while the call goes on has its gates shut until its path is back (2.11).
 * Thread: the cscf loop. Spec: 2.10, 2.11; REL-06..09, 12, 20; DTLS-23.
 */
#include "cscf/session/session_int.h"

#include "proto/iq_codec.h"

#include <event2/event.h>

#define GW_LOG_MOD "session"

static uint64_t bit(uint32_t stream_id)
{
	return UINT64_C(1) << (stream_id % 64U);
}

/* Has every live audio stream (or, without audio, every stream) its bit in the set? */
static bool all_audio_in(const struct call *c, uint64_t set)
{
	size_t n = cscf_sdp_stream_count(c->media.sdp);
	bool audio = false, all = true;

	for (size_t i = 0; i < n; i++) {
		const struct cscf_sdp_stream *st = cscf_sdp_stream(c->media.sdp, i);

		if (!st->live || st->media != CSCF_SDP_AUDIO)
			continue;
		audio = true;
		all = all && (set & bit(st->stream_id)) != 0;
	}
	for (size_t i = 0; !audio && i < n; i++) {
		const struct cscf_sdp_stream *st = cscf_sdp_stream(c->media.sdp, i);

		all = all && (!st->live || (set & bit(st->stream_id)) != 0);
	}
	return all;
}

bool media_is_shut(const struct call *c, const struct cscf_sdp_stream *st)
{
	return (c->media.lost & bit(st->stream_id)) != 0 && !all_audio_in(c, c->media.lost);
}

static void gated(void *arg, gw_handle call, uint32_t tag, const struct cscf_iq_outcome *o)
{
	struct cscf_session *s = arg;
	struct call *c = gw_handle_find(s->calls, call);

	(void)tag;
	if (c != NULL && !c->released && o->err != GW_OK)
		CALL_LOG(GW_LOG_WARN, "call.gate_failed", c, "w3", "err=%s detail=\"%s\"",
			 gw_err_name(o->err), o->detail);
}

/* Shut a stream's gates, or let it have them again. Whatever else is asked of the AGW goes on; its
 * own gates say the same (media_params.c). */
static void set_gates(struct call *c, uint32_t stream_id)
{
	const struct cscf_sdp_stream *st = media_stream_by_id(c->media.sdp, stream_id);
	IqStreamRequest req, *list = &req;
	bool up = false, down = false;
	IqGate gate;

	if (st == NULL || !st->live || !st->has_local || c->media.ctx == GW_HANDLE_NONE ||
	    repair_is_adrift(c))
		return;
	if (!media_is_shut(c, st))
		media_early_gates(c, media_heard(c), &up, &down);
	wicgate__iq__v1__stream_request__init(&req);
	wicgate__iq__v1__gate__init(&gate);
	gate.uplink = up && st->gate_uplink;
	gate.downlink = down && st->gate_downlink;
	req.gate = &gate;
	media_params_stream(&req, c, st);
	CALL_LOG(GW_LOG_INFO, "call.gate", c, "w3", "stream=%u uplink=%d downlink=%d why=%s",
		 stream_id, (int)gate.uplink, (int)gate.downlink,
		 media_is_shut(c, st) ? "stream-lost" : "stream-back");
	cscf_story_gates(c->story, &list, 1);
	if (cscf_iq_configure(c->s->p.iq, c->media.ctx, 0,
			      IQ_V(CONFIGURE_REQUEST__PHASE__COMMIT_NOW), &list, 1, gated) != GW_OK)
		CALL_LOG(GW_LOG_WARN, "call.gate_failed", c, "w3", "stream=%u", stream_id);
}

static void media_lost(struct call *c, const IqNotification *n, enum cause cause)
{
	bool before = (c->media.lost & bit(n->stream_id)) != 0;

	c->media.lost |= bit(n->stream_id);
	if (all_audio_in(c, c->media.lost))
		call_release_cause(c, cause);
	else if (!before)
		set_gates(c, n->stream_id);
}

/* The WIC has T_consent to come back by an ICE restart, if there is still a way to ask (2.11). */
static void consent_lost(struct call *c, const IqNotification *n)
{
	int64_t ms = c->s->cfg->t_consent;
	struct timeval tv = {(time_t)(ms / 1000), (suseconds_t)(ms % 1000 * 1000)};

	bool before = (c->media.lost & bit(n->stream_id)) != 0;

	c->media.lost |= bit(n->stream_id);
	if (!all_audio_in(c, c->media.lost)) {
		if (!before)
			set_gates(c, n->stream_id);
		return;
	}
	if (c->conn == 0)
		call_release_cause(c, CAUSE_MEDIA_LOST);
	else if (!event_pending(c->timer_consent, EV_TIMEOUT, NULL))
		event_add(c->timer_consent, &tv);
}

static void media_back(struct call *c, const IqNotification *n)
{
	bool before = (c->media.lost & bit(n->stream_id)) != 0;

	c->media.lost &= ~bit(n->stream_id);
	if (!all_audio_in(c, c->media.lost))
		event_del(c->timer_consent);
	if (before)
		set_gates(c, n->stream_id);
}

static void inactive(struct call *c, const IqNotification *n)
{
	if (n->side == IQ_V(REALM_SIDE__REALM_ACCESS))
		c->media.idle_access |= bit(n->stream_id);
	else
		c->media.idle_core |= bit(n->stream_id);
	if (all_audio_in(c, c->media.idle_access & c->media.idle_core) ||
	    (c->s->cfg->inactivity_oneway_release &&
	     all_audio_in(c, c->media.idle_access | c->media.idle_core)))
		call_release_cause(c, CAUSE_INACTIVITY);
}

static void active(struct call *c, const IqNotification *n)
{
	if (n->side == IQ_V(REALM_SIDE__REALM_ACCESS))
		c->media.idle_access &= ~bit(n->stream_id);
	else
		c->media.idle_core &= ~bit(n->stream_id);
}

static void dtls_failed(struct call *c, const IqNotification *n)
{
	bool attack = n->cause == IQ_V(NOTIFICATION__CAUSE__CAUSE_FINGERPRINT) ||
		      n->cause == IQ_V(NOTIFICATION__CAUSE__CAUSE_NO_SRTP) ||
		      n->cause == IQ_V(NOTIFICATION__CAUSE__CAUSE_NO_CERTIFICATE);

	CALL_LOG(GW_LOG_WARN, "call.dtls_failed", c, "w3", "stream=%u cause=%s detail=\"%s\"",
		 n->stream_id, iq_cause_name(n->cause), n->detail);
	if (attack)
		media_lost(c, n, CAUSE_FINGERPRINT);
	else if (!c->s->cfg->dtls_fail_keep)
		media_lost(c, n, CAUSE_MEDIA_LOST);
}

void media_on_event(void *arg, gw_handle call, const IqNotification *n)
{
	struct cscf_session *s = arg;
	struct call *c = gw_handle_find(s->calls, call);

	if (c != NULL)
		cscf_story_event(c->story, n);
	if (c == NULL || c->released) {
		gw_metric_inc(&session_metrics[SM_LATE]);
		return;
	}
	CALL_LOG(GW_LOG_INFO, "call.media_event", c, "w3", "name=%s stream=%u cause=%s",
		 iq_event_name(n->event), n->stream_id, iq_cause_name(n->cause));
	switch ((int)n->event) { /* a wire value: has a default */
	case IQ_V(NOTIFICATION__EVENT__ICE_CONNECTED):
	case IQ_V(NOTIFICATION__EVENT__CONSENT_RESTORED):
	case IQ_V(NOTIFICATION__EVENT__DTLS_ESTABLISHED):
		media_back(c, n);
		break;
	case IQ_V(
	    NOTIFICATION__EVENT__SRTP_KEY_LIMIT): /* new keys by a new association (SRTP-10) */
		if (!repair_begin(c, "SRTP keys used up"))
			call_release_cause(c, CAUSE_MEDIA_LOST);
		break;
	case IQ_V(NOTIFICATION__EVENT__BEARER_RELEASED): /* its interface is gone */
		if (!repair_is_adrift(c) && !repair_begin(c, "bearer released"))
			media_lost(c, n, CAUSE_MEDIA_LOST);
		break;
	case IQ_V(NOTIFICATION__EVENT__ICE_FAILED):
		media_lost(c, n, CAUSE_MEDIA_LOST);
		break;
	case IQ_V(NOTIFICATION__EVENT__DTLS_FAILED):
		dtls_failed(c, n);
		break;
	case IQ_V(NOTIFICATION__EVENT__DTLS_CLOSED):
	case IQ_V(NOTIFICATION__EVENT__CONSENT_LOST):
		consent_lost(c, n);
		break;
	case IQ_V(NOTIFICATION__EVENT__PICTURE_ASKED):
		picture_asked(c);
		break;
	case IQ_V(NOTIFICATION__EVENT__MEDIA_INACTIVE):
		inactive(c, n);
		break;
	case IQ_V(NOTIFICATION__EVENT__MEDIA_ACTIVE):
		active(c, n);
		break;
	default: /* reported, nothing to decide */
		break;
	}
}

void media_on_context_lost(void *arg, gw_handle call, const char *why)
{
	struct cscf_session *s = arg;
	struct call *c = gw_handle_find(s->calls, call);

	if (c == NULL || c->released)
		return;
	CALL_LOG(GW_LOG_ERROR, "call.context_lost", c, "w3", "reason=\"%s\"", why);
	cscf_story_note(c->story, CSCF_STORY_AGW, "CONTEXT LOST", why);
	if (!repair_begin(c, why))
		call_release_cause(c, CAUSE_AGW_LOST);
}
