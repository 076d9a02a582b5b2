/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the AGW is asked for an offer or an answer, one step at a time; the job at the head of the
 * queue waits for it (job_resume).
 *
 *   offer   ─> Reserve what is new ─> PREPARE what was there ─> offer for the other leg
 *   answer  ─> COMMIT (the first time: Configure) all         ─> answer for the offerer
 *   refusal ─> ROLLBACK, Release what was new
 *
 * An offer in flight changes nothing at the AGW but what its own text needs (ICE credentials, a
 * certificate). While several early dialogs are alive nothing is prepared: the AGW keeps one offer.
 * After REV_CONFLICT (a prepared offer expired there, or something else moved) everything is sent
 * once more.
 * Thread: the cscf loop. Spec: calls-and-media 2.3, 5.3; IQ-02, 06; SDP-35; REL-01.
 */
#include "cscf/session/session_int.h"

#include "proto/iq_codec.h"

#include <stdio.h>

#define GW_LOG_MOD "session"

static enum media_rc refuse_by_outcome(struct call *c, const struct cscf_iq_outcome *o)
{
	if (o->err == GW_ERR_REJECTED) {
		switch ((int)o->code) { /* a wire value: has a default */
		case IQ_V(ERROR_CODE__FAMILY_UNAVAILABLE):
			return media_refuse(c, CAUSE_SDP, CSCF_SDP_ADDR_FAMILY);
		case IQ_V(ERROR_CODE__UNSUPPORTED_CODEC):
			return media_refuse(c, CAUSE_SDP, CSCF_SDP_NO_FORMAT);
		case IQ_V(ERROR_CODE__RESOURCE_EXHAUSTED):
		case IQ_V(ERROR_CODE__OVERLOADED):
		case IQ_V(ERROR_CODE__DRAINING):
		case IQ_V(ERROR_CODE__UNKNOWN_REALM):
		case IQ_V(ERROR_CODE__REALM_UNAVAILABLE):
			return media_refuse(c, CAUSE_NO_MEDIA, CSCF_SDP_OK);
		default:
			break;
		}
	}
	return media_refuse(
	    c, o->err == GW_ERR_LIMIT || o->err == GW_ERR_GONE ? CAUSE_NO_MEDIA : CAUSE_IQ_FAILED,
	    CSCF_SDP_OK);
}

/* The text for the leg that did not write the description under way. */
enum media_rc media_step_text(struct call *c, bool offer)
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
	if (v != CSCF_SDP_OK)
		return media_refuse(c, CAUSE_SDP, v);
	/* not the text of its 18x (SDP-36): taken, but nobody should do that */
	if (!offer && m->again && !m->text.unchanged)
		CALL_LOG(GW_LOG_INFO, "call.answer_changed", c, m->from_wic ? "w2" : "mw",
			 "final=%d", (int)m->gates_final);
	if (!offer || !m->from_wic || !m->text.unchanged || !local_answer_may(c) ||
	    cscf_sdp_answer_as_before(m->sdp) != CSCF_SDP_OK)
		return MEDIA_READY;
	m->here = true;
	m->from_wic = false; /* the answer is the core's, of before */
	return media_step_answer(c);
}

void media_step_give_back(struct call *c, bool only_new)
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

bool media_step_is_prepared(const struct call *c)
{
	return c->media.prepared && c->media.prepared_by == c->media.dialog;
}

void media_step_undo(struct call *c)
{
	struct media *m = &c->media;

	if (media_step_is_prepared(c)) {
		cscf_iq_rollback(c->s->p.iq, m->ctx);
		m->prepared = false;
	}
	media_step_give_back(c, true);
}

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

static enum media_rc prepare(struct call *c);
static enum media_rc go_on(struct call *c, int step);
static enum media_rc configure(struct call *c, bool gates_only);

/* @return true when the step is under way once more */
static bool again(struct call *c, int step, const struct cscf_iq_outcome *o)
{
	struct media *m = &c->media;

	if (o->err != GW_ERR_REJECTED || o->code != IQ_V(ERROR_CODE__REV_CONFLICT) || m->resent)
		return false;
	CALL_LOG(GW_LOG_WARN, "call.media_resent", c, "-", "detail=\"%s\"", o->detail);
	m->resent = true;
	if (step == MEDIA_PREPARING)
		return prepare(c) == MEDIA_WAIT;
	if (media_step_is_prepared(c)) { /* whatever waited there is gone */
		m->prepared = false;
		m->verbs_done &= ~(unsigned)MEDIA_VERB_NEW_DTLS;
	}
	return configure(c, step == MEDIA_GATING) == MEDIA_WAIT;
}

static enum media_rc go_on(struct call *c, int step)
{
	struct media *m = &c->media;

	m->verbs_done |= m->verbs;
	switch (step) {
	case MEDIA_RESERVING:
		return prepare(c);
	case MEDIA_PREPARING:
		m->prepared = true;
		m->prepared_by = m->dialog;
		return media_step_text(c, true);
	default:
		if (media_step_is_prepared(c))
			m->prepared = false;
		return step == MEDIA_CONFIGURING ? media_step_text(c, false) : MEDIA_READY;
	}
}

/* The context is gone, and the call is to be repaired: nothing new may be offered before that, but
 * what is being agreed goes on, since the repair offers it anew. */
static enum media_rc adrift(struct call *c, int step)
{
	if (step != MEDIA_RESERVING && step != MEDIA_PREPARING) {
		c->media.prepared = false;
		return go_on(c, step);
	}
	media_rollback(c);
	c->media.refusal = (struct release_order){.cause = CAUSE_SDP, .status = 491};
	return MEDIA_REFUSED;
}

void media_step_adrift(struct call *c)
{
	int step = (int)c->media.doing;

	if (step == MEDIA_IDLE)
		return;
	c->media.doing = MEDIA_IDLE;
	job_resume(c, adrift(c, step));
}

/* Is it no answer that the context can be relied on? The call goes to another AGW then. */
static bool is_lost(struct call *c, const struct cscf_iq_outcome *o)
{
	return (o->err == GW_ERR_GONE || o->err == GW_ERR_TIMEOUT) && repair_begin(c, o->detail);
}

static void on_done(void *arg, gw_handle call, uint32_t tag, const struct cscf_iq_outcome *o)
{
	struct cscf_session *s = arg;
	struct call *c = gw_handle_find(s->calls, call);
	enum media_rc rc = MEDIA_READY;
	bool reserved;
	int step;

	if (c == NULL || c->released || tag != c->media.tag || c->media.doing == MEDIA_IDLE) {
		gw_metric_inc(&session_metrics[SM_LATE]);
		return;
	}
	step = (int)c->media.doing;
	reserved = step == MEDIA_RESERVING;
	c->media.doing = MEDIA_IDLE;
	if (reserved)
		call_ident_update(c);
	else if (step != MEDIA_PREPARING)
		media_same_done(c, o->err == GW_OK);
	if (again(c, step, o))
		return;
	if (is_lost(c, o)) {
		job_resume(c, adrift(c, step));
		return;
	}
	if (o->err == GW_OK && media_params_take(c, o->streams, o->n_streams) != GW_OK)
		rc = media_refuse(c, CAUSE_IQ_FAILED, CSCF_SDP_OK);
	else if (o->err != GW_OK && !(reserved && refuse_new_streams(c)))
		rc = refuse_by_outcome(c, o);
	if (rc == MEDIA_READY)
		rc = go_on(c, step);
	if (rc == MEDIA_WAIT)
		return;
	if (rc == MEDIA_REFUSED) {
		CALL_LOG(GW_LOG_WARN, "call.media_failed", c, "-", "err=%s detail=\"%s\"",
			 gw_err_name(o->err), o->detail);
		if (reserved || step == MEDIA_PREPARING)
			media_rollback(c);
	}
	job_resume(c, rc);
}

static enum media_rc failed(struct call *c, enum gw_err err)
{
	c->media.doing = MEDIA_IDLE;
	return media_refuse(c, err == GW_ERR_NOMEM ? CAUSE_INTERNAL : CAUSE_NO_MEDIA, CSCF_SDP_OK);
}

static enum media_rc reserve(struct call *c, IqStreamRequest **streams, size_t n)
{
	struct cscf_iq *iq = c->s->p.iq;
	struct media *m = &c->media;
	char call_id[CALL_ID_MAX + 1];
	struct cscf_iq_ident ident = {
	    .call_id = call_id, .icid = c->icid, .priority = c->emergency != NULL};
	enum gw_err err;

	snprintf(call_id, sizeof(call_id), "%s", c->call_id);
	m->tag++;
	m->doing = MEDIA_RESERVING;
	if (m->ctx == GW_HANDLE_NONE)
		err = cscf_iq_reserve(iq, &m->ctx, c->self, m->tag, &ident, streams, n, on_done);
	else
		err = cscf_iq_reserve_more(iq, m->ctx, m->tag, streams, n, on_done);
	if (err == GW_OK)
		return MEDIA_WAIT;
	(void)failed(c, err);
	media_rollback(c);
	return MEDIA_REFUSED;
}

/* One offer waits at the AGW: not while several dialogs may have one. */
static bool may_prepare(const struct call *c)
{
	return c->media.ctx != GW_HANDLE_NONE && !c->media.repeat && !media_is_forked(c);
}

static enum media_rc prepare(struct call *c)
{
	struct media *m = &c->media;
	struct media_params *params = NULL;
	IqStreamRequest **streams;
	enum gw_err err;
	size_t n;

	if (!may_prepare(c))
		return media_step_text(c, true);
	if (media_params_new(&params, c, MEDIA_ASK_PREPARE) != GW_OK)
		return media_refuse(c, CAUSE_INTERNAL, CSCF_SDP_OK);
	streams = media_params_streams(params, &n);
	if (n == 0) {
		media_params_free(params);
		return media_step_text(c, true);
	}
	m->tag++;
	m->doing = MEDIA_PREPARING;
	m->verbs = media_params_verbs(params);
	err = cscf_iq_configure(c->s->p.iq, m->ctx, m->tag, IQ_V(CONFIGURE_REQUEST__PHASE__PREPARE),
				streams, n, on_done);
	media_params_free(params);
	if (err == GW_OK)
		return MEDIA_WAIT;
	(void)failed(c, err);
	media_rollback(c);
	return MEDIA_REFUSED;
}

enum media_rc media_step_offer(struct call *c)
{
	struct media_params *params = NULL;
	IqStreamRequest **streams;
	enum media_rc rc;
	enum gw_err err = media_params_new(&params, c, MEDIA_ASK_RESERVE);
	size_t n;

	c->media.resent = false;
	c->media.verbs = 0;
	if (err == GW_OK && repair_is_adrift(c)) {
		media_params_free(params);
		return adrift(c, MEDIA_PREPARING);
	}
	if (err != GW_OK)
		return media_refuse(c, err == GW_ERR_LIMIT ? CAUSE_SDP : CAUSE_INTERNAL,
				    CSCF_SDP_LIMIT);
	streams = media_params_streams(params, &n);
	rc = n > 0 ? reserve(c, streams, n) : prepare(c);
	media_params_free(params);
	return rc;
}

static enum media_rc configure(struct call *c, bool gates_only)
{
	struct media *m = &c->media;
	struct media_params *params = NULL;
	IqStreamRequest **streams;
	enum gw_err err;
	size_t n = 0;

	if (repair_is_adrift(c))
		return gates_only ? MEDIA_READY : media_step_text(c, false);
	media_branches_begin(c);
	if (media_params_new(&params, c, MEDIA_ASK_CONFIGURE) != GW_OK)
		return media_refuse(c, CAUSE_INTERNAL, CSCF_SDP_OK);
	streams = media_params_streams(params, &n);
	cscf_story_gates(c->story, streams, n);
	if (n > 0 && media_same(c, streams, n) && !media_step_is_prepared(c)) {
		media_params_free(params);
		return gates_only ? MEDIA_READY : media_step_text(c, false);
	}
	m->tag++;
	m->doing = gates_only ? MEDIA_GATING : MEDIA_CONFIGURING;
	m->verbs = media_params_verbs(params);
	err = n > 0 ? cscf_iq_configure(c->s->p.iq, m->ctx, m->tag,
					media_step_is_prepared(c)
					    ? IQ_V(CONFIGURE_REQUEST__PHASE__COMMIT)
					    : IQ_V(CONFIGURE_REQUEST__PHASE__COMMIT_NOW),
					streams, n, on_done)
		    : GW_OK;
	media_params_free(params);
	if (err != GW_OK)
		return failed(c, err);
	if (n > 0) {
		media_branches_sent(c);
		return MEDIA_WAIT;
	}
	m->doing = MEDIA_IDLE;
	return gates_only ? MEDIA_READY : media_step_text(c, false);
}

enum media_rc media_step_answer(struct call *c)
{
	c->media.resent = false;
	return configure(c, false);
}

enum media_rc media_step_gates(struct call *c)
{
	c->media.resent = false;
	return configure(c, true);
}
