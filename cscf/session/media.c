/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Offer/answer of a call and the AGW resources behind it: each description goes through the SDP
 * layer, and what it means for the streams goes to the AGW before its counterpart leaves
 * (IQ-02). One step at a time; the job at the head of the queue waits for it.
 *
 *   offer   ─> Reserve what is new ─> local addresses ─> offer for the other leg
 *   answer  ─> Configure all, Release what ended      ─> answer for the offerer
 *
 * Gates: closed until answered, but for early media towards the caller; then by direction.
 * Thread: the cscf loop. Spec: calls-and-media 2.1–2.5, 2.7; CALL-31, 43; IQ-02, 06; SDP-35.
 */
#include "cscf/session/session_int.h"

#include "proto/iq_codec.h"

#include <event2/event.h>
#include <stdio.h>

#define GW_LOG_MOD "session"

enum gw_err media_init(struct call *c)
{
	/* RFC 5009: only a caller's direction opens before the answer. */
	bool open = c->s->cfg->early != CSCF_SESSION_EARLY_NEVER;

	c->media.early_down = c->from_wic ? open : c->s->cfg->early_uplink;
	c->media.early_up = c->from_wic ? c->s->cfg->early_uplink : open;
	return cscf_sdp_session_new(&c->media.sdp, c->s->p.sdp_policy);
}

void media_fini(struct call *c)
{
	cscf_iq_release(c->s->p.iq, c->media.ctx, 0, "gone", NULL);
	c->media.ctx = GW_HANDLE_NONE;
	media_same_done(c, false);
	cscf_sdp_session_free(c->media.sdp);
	c->media.sdp = NULL;
}

void media_early_gates(struct call *c, const struct cscf_sip_msg *rsp)
{
	struct gw_slice pem;
	bool open;

	if (!c->from_wic || c->s->cfg->early != CSCF_SESSION_EARLY_PEM ||
	    !cscf_sip_msg_hdr(rsp, "P-Early-Media", &pem))
		return;
	open = cscf_sip_list_has(pem, "sendrecv") || cscf_sip_list_has(pem, "sendonly");
	if (open != c->media.early_down)
		CALL_LOG(GW_LOG_DEBUG, "call.early_media", c, "mw", "open=%d", (int)open);
	c->media.early_down = open;
}

static enum media_rc refuse(struct call *c, enum cause cause, enum cscf_sdp_verdict verdict)
{
	c->media.refusal = (struct release_order){.cause = cause, .verdict = verdict};
	return MEDIA_REFUSED;
}

/* The text for the leg that did not write the description under way. */
static enum media_rc emit(struct call *c, bool offer)
{
	struct media *m = &c->media;
	enum cscf_sdp_verdict v;

	if (!offer && cscf_sdp_round_is_ours(m->sdp))
		return MEDIA_READY; /* nobody asked for it */
	if (offer)
		v = m->from_wic ? cscf_sdp_offer_to_core(m->sdp, &m->text)
				: cscf_sdp_offer_to_wic(m->sdp, &m->text);
	else
		v = m->from_wic ? cscf_sdp_answer_to_core(m->sdp, &m->text)
				: cscf_sdp_answer_to_wic(m->sdp, &m->text);
	return v == CSCF_SDP_OK ? MEDIA_READY : refuse(c, CAUSE_SDP, v);
}

static enum media_rc refuse_by_outcome(struct call *c, const struct cscf_iq_outcome *o)
{
	if (o->err == GW_ERR_REJECTED) {
		switch ((int)o->code) { /* a wire value: has a default */
		case IQ_V(ERROR_CODE__FAMILY_UNAVAILABLE):
			return refuse(c, CAUSE_SDP, CSCF_SDP_ADDR_FAMILY);
		case IQ_V(ERROR_CODE__UNSUPPORTED_CODEC):
			return refuse(c, CAUSE_SDP, CSCF_SDP_NO_FORMAT);
		case IQ_V(ERROR_CODE__RESOURCE_EXHAUSTED):
		case IQ_V(ERROR_CODE__OVERLOADED):
		case IQ_V(ERROR_CODE__DRAINING):
		case IQ_V(ERROR_CODE__UNKNOWN_REALM):
		case IQ_V(ERROR_CODE__REALM_UNAVAILABLE):
			return refuse(c, CAUSE_NO_MEDIA, CSCF_SDP_OK);
		default:
			break;
		}
	}
	return refuse(
	    c, o->err == GW_ERR_LIMIT || o->err == GW_ERR_GONE ? CAUSE_NO_MEDIA : CAUSE_IQ_FAILED,
	    CSCF_SDP_OK);
}

/* Streams of the open round that the AGW has, but that the state before did not: give back. */
static void release_where(struct call *c, bool only_new)
{
	uint32_t ids[IQ_MAX_STREAMS];
	size_t n = 0;

	for (size_t i = 0; i < cscf_sdp_stream_count(c->media.sdp) && n < IQ_MAX_STREAMS; i++) {
		const struct cscf_sdp_stream *st = cscf_sdp_stream(c->media.sdp, i);

		if (!st->has_local || (only_new ? !st->is_new : st->live))
			continue;
		ids[n++] = st->stream_id;
		cscf_sdp_clear_local(c->media.sdp, i);
	}
	cscf_iq_release_streams(c->s->p.iq, c->media.ctx, ids, n, "stream ended");
}

void media_rollback(struct call *c)
{
	if (!cscf_sdp_round_open(c->media.sdp))
		return;
	release_where(c, true);
	cscf_sdp_rollback(c->media.sdp);
}

void media_commit(struct call *c)
{
	cscf_sdp_commit(c->media.sdp);
}

/* ---- answers of the AGW
 * -------------------------------------------------------------------------- */

/* A later offer whose new streams find no room goes on without them (BUN, RFC 3264 s6). */
static bool refuse_new_streams(struct call *c)
{
	bool any = false;

	if (c->answered_ms == 0)
		return false;
	for (size_t i = 0; i < cscf_sdp_stream_count(c->media.sdp); i++) {
		const struct cscf_sdp_stream *st = cscf_sdp_stream(c->media.sdp, i);

		if (st->live && !st->has_local) {
			cscf_sdp_stream_refuse(c->media.sdp, i, CSCF_SDP_NO_MEDIA);
			any = true;
		}
	}
	return any;
}

static void on_done(void *arg, gw_handle call, uint32_t tag, const struct cscf_iq_outcome *o)
{
	struct cscf_session *s = arg;
	struct call *c = gw_handle_find(s->calls, call);
	enum media_rc rc = MEDIA_READY;
	bool offer, gating;

	if (c == NULL || c->released || tag != c->media.tag || c->media.doing == MEDIA_IDLE) {
		gw_metric_inc(&session_metrics[SM_LATE]);
		return;
	}
	offer = c->media.doing == MEDIA_RESERVING;
	gating = c->media.doing == MEDIA_GATING;
	c->media.doing = MEDIA_IDLE;
	if (offer)
		call_ident_update(c);
	else
		media_same_done(c, o->err == GW_OK);
	if (o->err == GW_OK && media_params_take(c, o->streams, o->n_streams) != GW_OK)
		rc = refuse(c, CAUSE_IQ_FAILED, CSCF_SDP_OK);
	else if (o->err != GW_OK && !(offer && refuse_new_streams(c)))
		rc = refuse_by_outcome(c, o);
	if (rc == MEDIA_READY && !gating)
		rc = emit(c, offer);
	if (rc == MEDIA_REFUSED) {
		CALL_LOG(GW_LOG_WARN, "call.media_failed", c, "-", "err=%s detail=\"%s\"",
			 gw_err_name(o->err), o->detail);
		if (offer)
			media_rollback(c);
	}
	job_resume(c, rc);
}

/* ---- steps
 * ----------------------------------------------------------------------------------------- */

static enum media_rc reserve(struct call *c)
{
	struct cscf_iq *iq = c->s->p.iq;
	char call_id[CALL_ID_MAX + 1];
	struct cscf_iq_ident ident = {
	    .call_id = call_id, .icid = c->icid, .priority = c->emergency != NULL};
	struct media_params *params = NULL;
	IqStreamRequest **streams;
	enum gw_err err = media_params_new(&params, c, true, false);
	size_t n;

	if (err != GW_OK)
		return refuse(c, err == GW_ERR_LIMIT ? CAUSE_SDP : CAUSE_INTERNAL, CSCF_SDP_LIMIT);
	streams = media_params_streams(params, &n);
	if (n == 0) {
		media_params_free(params);
		return emit(c, true);
	}
	snprintf(call_id, sizeof(call_id), "%s", c->call_id);
	c->media.tag++;
	c->media.doing = MEDIA_RESERVING;
	if (c->media.ctx == GW_HANDLE_NONE)
		err = cscf_iq_reserve(iq, &c->media.ctx, c->self, c->media.tag, &ident, streams, n,
				      on_done);
	else
		err = cscf_iq_reserve_more(iq, c->media.ctx, c->media.tag, streams, n, on_done);
	media_params_free(params);
	if (err == GW_OK)
		return MEDIA_WAIT;
	c->media.doing = MEDIA_IDLE;
	media_rollback(c);
	return refuse(c, err == GW_ERR_NOMEM ? CAUSE_INTERNAL : CAUSE_NO_MEDIA, CSCF_SDP_OK);
}

static enum media_rc configure(struct call *c, bool gates_only)
{
	struct media_params *params = NULL;
	IqStreamRequest **streams;
	enum gw_err err;
	size_t n = 0;

	c->media.doing = gates_only ? MEDIA_GATING : MEDIA_CONFIGURING;
	err = media_params_new(&params, c, false, true);
	if (err != GW_OK) {
		c->media.doing = MEDIA_IDLE;
		return refuse(c, CAUSE_INTERNAL, CSCF_SDP_OK);
	}
	streams = media_params_streams(params, &n);
	cscf_story_gates(c->story, streams, n);
	if (n > 0 && media_same(c, streams, n)) {
		media_params_free(params);
		c->media.doing = MEDIA_IDLE;
		return gates_only ? MEDIA_READY : emit(c, false);
	}
	c->media.tag++;
	if (n > 0)
		err = cscf_iq_configure(c->s->p.iq, c->media.ctx, c->media.tag,
					IQ_V(CONFIGURE_REQUEST__PHASE__COMMIT_NOW), streams, n,
					on_done);
	media_params_free(params);
	if (n > 0 && err == GW_OK)
		return MEDIA_WAIT;
	c->media.doing = MEDIA_IDLE;
	if (n > 0)
		return refuse(c, err == GW_ERR_NOMEM ? CAUSE_INTERNAL : CAUSE_NO_MEDIA,
			      CSCF_SDP_OK);
	return gates_only ? MEDIA_READY : emit(c, false);
}

static enum media_rc take_offer(struct call *c, bool from_wic, const char *text, size_t n)
{
	enum cscf_sdp_verdict v;

	v = from_wic ? cscf_sdp_offer_from_wic(c->media.sdp, text, n)
		     : cscf_sdp_offer_from_core(c->media.sdp, text, n);
	if (v != CSCF_SDP_OK)
		return refuse(c, CAUSE_SDP, v);
	if (from_wic && cscf_sdp_looks_max_bundle(c->media.sdp))
		CALL_LOG(GW_LOG_WARN, "call.max_bundle", c, "w2", "hint=\"%s\"",
			 "the page uses bundlePolicy max-bundle");
	return reserve(c);
}

static enum media_rc take_answer(struct call *c, bool from_wic, const char *text, size_t n,
				 bool final)
{
	enum cscf_sdp_verdict v;

	v = from_wic ? cscf_sdp_answer_from_wic(c->media.sdp, text, n)
		     : cscf_sdp_answer_from_core(c->media.sdp, text, n);
	if (v != CSCF_SDP_OK)
		return refuse(c, CAUSE_SDP, v);
	c->media.answered = c->media.answered || final;
	c->media.gates_final = final;
	release_where(c, false);
	return configure(c, false);
}

enum media_rc media_take(struct call *c, enum side from, const char *text, size_t n,
			 bool in_request, bool final)
{
	struct cscf_sdp_session *sdp = c->media.sdp;
	bool from_wic = from == SIDE_WIC;
	bool open = cscf_sdp_round_open(sdp);

	c->media.from_wic = from_wic;
	if (open && cscf_sdp_round_from_wic(sdp) != from_wic)
		return take_answer(c, from_wic, text, n, final);
	if (open && cscf_sdp_round_answered(sdp))
		cscf_sdp_commit(sdp);
	else if (open && in_request) {
		c->media.refusal = (struct release_order){.cause = CAUSE_SDP, .status = 491};
		return MEDIA_REFUSED;
	} else if (open)
		media_rollback(c);
	return take_offer(c, from_wic, text, n);
}

enum media_rc media_confirm(struct call *c)
{
	if (c->media.gates_final || c->media.ctx == GW_HANDLE_NONE ||
	    (cscf_sdp_round_open(c->media.sdp) && !cscf_sdp_round_answered(c->media.sdp)))
		return MEDIA_READY;
	c->media.answered = true;
	c->media.gates_final = true;
	return configure(c, true);
}

void media_on_released(void *arg, gw_handle call, uint32_t tag, const struct cscf_iq_outcome *o)
{
	struct cscf_session *s = arg;
	struct call *c = gw_handle_find(s->calls, call);

	(void)tag;
	if (c == NULL || !c->stats_pending)
		return;
	c->stats_pending = false;
	if (o->err == GW_OK)
		cscf_story_stats(c->story, o->stats, o->n_stats, true);
	record_stats(c, o);
	if (c->fsm.state == CALL_S_RELEASING && release_is_quiet(c))
		(void)gw_fsm_dispatch(&c->fsm, CALL_E_QUIET, NULL);
}

void media_release(struct call *c, const char *reason)
{
	gw_handle ctx = c->media.ctx;

	c->media.doing = MEDIA_IDLE;
	c->media.ctx = GW_HANDLE_NONE;
	c->stats_pending =
	    cscf_iq_release(c->s->p.iq, ctx, ++c->media.tag, reason, media_on_released);
}
