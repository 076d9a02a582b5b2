/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Offer/answer of a call: whether a description is an offer or an answer, of which round, and
 * whether that round holds. Each goes through the SDP layer, and what it means for the streams goes
 * to the AGW (media_step.c) before its counterpart leaves (IQ-02).
 *
 *   answer in an unreliable 18x to a re-INVITE: only shown; the old state holds until the 2xx
 *   answer in an early dialog:                  streams it refuses stay, another may want them
 *
 * Gates: closed until answered, but for early media towards the caller; then by direction.
 * Thread: the cscf loop. Spec: calls-and-media 2.1–2.5; CALL-31, 43; IQ-02, 06; SDP-11, 35, 36.
 */
#include "cscf/session/session_int.h"

#define GW_LOG_MOD "session"

enum gw_err media_init(struct call *c)
{
	enum gw_err err = cscf_sdp_session_new(&c->media.root, c->s->p.sdp_policy);

	c->media.sdp = c->media.root;
	return err;
}

void media_fini(struct call *c)
{
	cscf_iq_release(c->s->p.iq, c->media.ctx, 0, "gone", NULL);
	c->media.ctx = GW_HANDLE_NONE;
	media_same_done(c, false);
	cscf_sdp_session_free(c->media.root);
	c->media.root = c->media.sdp = NULL;
}

enum media_rc media_refuse(struct call *c, enum cause cause, enum cscf_sdp_verdict verdict)
{
	c->media.refusal = (struct release_order){.cause = cause, .verdict = verdict};
	return MEDIA_REFUSED;
}

void media_rollback(struct call *c)
{
	if (!cscf_sdp_round_open(c->media.sdp))
		return;
	media_step_undo(c);
	cscf_sdp_rollback(c->media.sdp);
}

void media_commit(struct call *c)
{
	repair_note_commit(c);
	cscf_sdp_commit(c->media.sdp);
}

/* A refresh: the o= line of before, and the streams of before (SDP-11). */
static bool says_nothing_new(const struct call *c)
{
	const struct cscf_sdp_session *sdp = c->media.sdp;

	if (!cscf_sdp_is_repeat(sdp))
		return false;
	for (size_t i = 0; i < cscf_sdp_stream_count(sdp); i++) {
		const struct cscf_sdp_stream *st = cscf_sdp_stream(sdp, i);

		if (st->is_new || st->ice_restart || st->new_dtls || st->live != st->has_local)
			return false;
	}
	return true;
}

static enum media_rc take_offer(struct call *c, bool from_wic, const char *text, size_t n)
{
	struct media *m = &c->media;
	enum cscf_sdp_verdict v;

	v = from_wic ? cscf_sdp_offer_from_wic(m->sdp, text, n)
		     : cscf_sdp_offer_from_core(m->sdp, text, n);
	if (v != CSCF_SDP_OK)
		return media_refuse(c, CAUSE_SDP, v);
	m->verbs_done = 0;
	m->again = false;
	m->repeat = says_nothing_new(c);
	if (from_wic && cscf_sdp_looks_max_bundle(m->sdp))
		CALL_LOG(GW_LOG_WARN, "call.max_bundle", c, "w2", "hint=\"%s\"",
			 "the page uses bundlePolicy max-bundle");
	return media_step_offer(c);
}

static enum media_rc take_answer(struct call *c, bool from_wic, const char *text, size_t n,
				 enum media_weight weight)
{
	struct media *m = &c->media;
	enum cscf_sdp_verdict v;

	m->again = cscf_sdp_round_answered(m->sdp);
	v = from_wic ? cscf_sdp_answer_from_wic(m->sdp, text, n)
		     : cscf_sdp_answer_from_core(m->sdp, text, n);
	if (v != CSCF_SDP_OK)
		return media_refuse(c, CAUSE_SDP, v);
	if (weight == MEDIA_SHOWN && media_step_is_prepared(c))
		return media_step_text(c, false);
	m->answered = m->answered || weight != MEDIA_EARLY;
	m->gates_final = weight != MEDIA_EARLY;
	if (!c->from_wic || m->settled)
		media_step_give_back(c, false);
	return media_step_answer(c);
}

enum media_rc media_take(struct call *c, enum side from, const char *text, size_t n,
			 bool in_request, enum media_weight weight)
{
	bool from_wic = from == SIDE_WIC;
	bool open;

	if (weight == MEDIA_EARLY && !in_request && media_fork(c) != GW_OK)
		return media_refuse(c, CAUSE_INTERNAL, CSCF_SDP_OK);
	open = cscf_sdp_round_open(c->media.sdp);
	c->media.from_wic = from_wic;
	if (open && cscf_sdp_round_from_wic(c->media.sdp) != from_wic)
		return take_answer(c, from_wic, text, n, weight);
	if (open && cscf_sdp_round_answered(c->media.sdp))
		cscf_sdp_commit(c->media.sdp);
	else if (open && in_request) {
		c->media.refusal = (struct release_order){.cause = CAUSE_SDP, .status = 491};
		return MEDIA_REFUSED;
	} else if (open)
		media_rollback(c);
	return take_offer(c, from_wic, text, n);
}

enum media_rc media_confirm(struct call *c)
{
	struct media *m = &c->media;

	if ((m->gates_final && !media_step_is_prepared(c)) || m->ctx == GW_HANDLE_NONE ||
	    (cscf_sdp_round_open(m->sdp) && !cscf_sdp_round_answered(m->sdp)))
		return MEDIA_READY;
	m->answered = true;
	m->gates_final = true;
	media_step_give_back(c, false);
	return media_step_gates(c);
}

enum media_rc media_regate(struct call *c)
{
	return c->media.ctx != GW_HANDLE_NONE ? media_step_gates(c) : MEDIA_READY;
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
	if (ctx != GW_HANDLE_NONE && !c->stats_pending)
		record_incomplete(c, "agw-lost");
}
