/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the session tells the story of a call (cscf/story) besides the messages, which the stack
 * tells itself; and bringing a live story up to date before it is read.
 * Thread: the cscf loop.
 */
#include "cscf/session/session_int.h"

#include <stdio.h>

/* ---- streams -----------------------------------------------------------------------------------
 */

static void codecs_of(const struct cscf_sdp_stream *st, char *out, size_t n)
{
	size_t at = 0;

	out[0] = '\0';
	for (size_t i = 0; i < st->n_fmts && at < n; i++) {
		int w = snprintf(out + at, n - at, "%s%s/%u", at > 0 ? " " : "", st->fmts[i].name,
				 st->fmts[i].clock_hz);

		at += w > 0 ? (size_t)w : 0;
	}
}

void story_feed_streams(struct call *c)
{
	static const char *const kinds[] = {"audio", "video", "text", "other"};
	static const char *const roles[] = {"undecided", "client", "server"};
	char codecs[200];

	if (c->story == NULL)
		return;
	for (size_t i = 0; i < cscf_sdp_stream_count(c->media.sdp); i++) {
		const struct cscf_sdp_stream *st = cscf_sdp_stream(c->media.sdp, i);

		if (!st->live && !st->has_local)
			continue;
		codecs_of(st, codecs, sizeof(codecs));
		cscf_story_stream(c->story, &(struct cscf_story_stream){.id = st->stream_id,
									.kind = kinds[st->media],
									.dtls = roles[st->dtls],
									.live = st->live,
									.codecs = codecs});
	}
}

/* ---- who ended it ------------------------------------------------------------------------------
 */

static enum cscf_story_who who_is(enum side side)
{
	return side == SIDE_WIC ? CSCF_STORY_WIC : CSCF_STORY_CORE;
}

static enum cscf_story_who who_ended(const struct call *c, const struct release_order *order)
{
	enum side caller = c->from_wic ? SIDE_WIC : SIDE_CORE;

	switch (order->cause) {
	case CAUSE_BYE:
		return who_is(order->by);
	case CAUSE_CANCELLED:
		return who_is(caller);
	case CAUSE_REJECTED:
		return who_is(other_side(caller));
	case CAUSE_NO_MEDIA:
	case CAUSE_IQ_FAILED:
	case CAUSE_AGW_LOST:
		return CSCF_STORY_AGW;
	case CAUSE_WIC_GONE:
		return CSCF_STORY_WIC;
	case CAUSE_CORE_SILENT:
	case CAUSE_CORE_GONE:
		return CSCF_STORY_CORE;
	case CAUSE_SDP:
	case CAUSE_WIC_SILENT:
	case CAUSE_MEDIA_LOST:
	case CAUSE_FINGERPRINT:
	case CAUSE_INACTIVITY:
	case CAUSE_NO_ACK:
	case CAUSE_DIALOG_GONE:
	case CAUSE_DEREGISTERED:
	case CAUSE_MAX_DURATION:
	case CAUSE_SESSION_EXPIRED:
	case CAUSE_SHUTDOWN:
	case CAUSE_INTERNAL:
	case CAUSE_COUNT:
		break;
	}
	return CSCF_STORY_GATEWAY;
}

void story_feed_release(struct call *c, const struct release_order *order)
{
	story_feed_streams(c);
	cscf_story_release(
	    c->story,
	    &(struct cscf_story_release){
		.cause = cause_name(order->cause),
		.verdict = order->cause == CAUSE_SDP ? cscf_sdp_verdict_name(order->verdict) : NULL,
		.reason = cause_reason(order->cause),
		.by = who_ended(c, order)});
}

void story_feed_iq(void *arg, gw_handle call, const struct cscf_iq_trace *t)
{
	struct cscf_session *s = arg;
	struct call *c = gw_handle_find(s->calls, call);

	if (c != NULL && c->story != NULL)
		cscf_story_iq(c->story, t);
}

void story_feed_local(const struct xact *x, enum cscf_sip_cause cause)
{
	static const char *const words[] = {
	    [CSCF_SIP_CAUSE_NONE] = "answered by the gateway itself",
	    [CSCF_SIP_CAUSE_TIMEOUT] = "timer B or F: no answer at all",
	    [CSCF_SIP_CAUSE_TRANSPORT] = "not to be sent, or its connection is lost",
	    [CSCF_SIP_CAUSE_NO_TARGET] = "no address to send it to",
	    [CSCF_SIP_CAUSE_TIMER_C] = "timer C: no final answer",
	    [CSCF_SIP_CAUSE_CANCELLED] = "no final answer after the CANCEL",
	    [CSCF_SIP_CAUSE_LIMIT] = "too many transactions",
	};

	cscf_story_note(x->call->story, who_is(other_side(x->from)), words[cause],
			cscf_sip_method_name(x->method));
}

/* ---- before a live story is read ---------------------------------------------------------------
 */

static void on_looked(void *arg, gw_handle call, uint32_t tag, const struct cscf_iq_outcome *o)
{
	struct cscf_session *s = arg;
	struct call *c = gw_handle_find(s->calls, call);

	if (c != NULL && o->err == GW_OK) {
		cscf_story_stats(c->story, o->stats, o->n_stats, false);
		if (!c->released)
			record_stats(c, o); /* the last that is known, should the AGW go */
	}
	for (size_t i = 0; i < SESSION_LOOKS; i++) {
		struct look look = s->looks[i];

		if (look.done == NULL || look.tag != tag)
			continue;
		s->looks[i].done = NULL;
		look.done(look.arg, look.ticket);
		return;
	}
}

bool cscf_session_look(struct cscf_session *s, gw_handle call, cscf_session_looked_fn *done,
		       void *arg, uint64_t ticket)
{
	struct call *c = gw_handle_find(s->calls, call);

	if (c == NULL || c->released)
		return false;
	story_feed_streams(c);
	for (size_t i = 0; i < SESSION_LOOKS; i++) {
		if (s->looks[i].done != NULL)
			continue;
		if (cscf_iq_look(s->p.iq, c->media.ctx, ++s->look_tag, on_looked) != GW_OK)
			return false;
		s->looks[i] =
		    (struct look){.tag = s->look_tag, .done = done, .arg = arg, .ticket = ticket};
		return true;
	}
	return false;
}
