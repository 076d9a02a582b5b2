/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The answer to our offer, mapped back by index, not by position (BUN-05). Each stream starts
 * from what was offered, so an answer may come again: of another fork, or repeated in the 200.
 * Formats outside the offer are dropped (SDP-25); a line without any format left is refused.
 * Spec: RFC 3264 s6, RFC 8842 s5.3, RFC 8858 s4. Thread: the cscf loop.
 */
#include "cscf/sdp/sdp_int.h"

/* Back to the state in which our offer left. */
static bool begin(struct sdp_stream *st)
{
	struct sdp_fmts fmts;

	if (!sdp_fmts_dup(&fmts, &st->offered))
		return false;
	sdp_stream_set_fmts(st, fmts);
	/* resources given back after another fork refused the line do not come again */
	st->pub.live = st->offered_live && st->pub.has_local;
	if (st->pub.live)
		st->pub.refused = CSCF_SDP_OK;
	st->pub.gate_uplink = st->pub.gate_downlink = false;
	st->pub.access_rtcp = st->offered_access_rtcp;
	st->pub.core_rtcp = st->offered_core_rtcp;
	return true;
}

static enum cscf_sdp_verdict narrow_formats(struct cscf_sdp_session *s, struct sdp_stream *st,
					    const struct sdp *answer, const struct sdp_sect *m,
					    bool from_wic)
{
	const struct sdp_fb_legs legs = {st->pub.core_avpf, from_wic};
	struct sdp_fmts fmts;

	if (!sdp_fmts_read(&fmts, answer, m, &st->offered, &legs, s->policy))
		return CSCF_SDP_NOMEM;
	sdp_fmts_intersect(&fmts, &st->offered);
	if (!sdp_fmts_usable(&fmts, st->pub.media)) {
		sdp_fmts_free(&fmts);
		return CSCF_SDP_NO_FORMAT;
	}
	sdp_stream_set_fmts(st, fmts);
	return CSCF_SDP_OK;
}

/* What both directions allow; how far SIP lets it open is the session's business. */
static void set_gates(struct cscf_sdp_stream *pub)
{
	unsigned wic = (unsigned)pub->access_remote.dir, core = (unsigned)pub->core_remote.dir;

	pub->gate_uplink = (wic & CSCF_SDP_SENDONLY) != 0 && (core & CSCF_SDP_RECVONLY) != 0;
	pub->gate_downlink = (core & CSCF_SDP_SENDONLY) != 0 && (wic & CSCF_SDP_RECVONLY) != 0;
}

static enum cscf_sdp_verdict answer_core_line(struct cscf_sdp_session *s, struct sdp_stream *st,
					      const struct sdp *answer, const struct sdp_sect *m)
{
	struct cscf_sdp_stream *pub = &st->pub;
	struct cscf_sdp_core_remote remote;
	bool mux_offered = st->offered_core_rtcp == CSCF_SDP_RTCP_MUX;
	enum cscf_sdp_verdict v = sdp_core_read(&remote, answer, m, mux_offered);

	if (v != CSCF_SDP_OK)
		return v;
	if (remote.avpf != pub->core_avpf)
		return CSCF_SDP_PROTO;
	remote.dir =
	    (enum cscf_sdp_dir)((unsigned)remote.dir & (unsigned)sdp_direction_reverse(st->dir));
	pub->core_remote = remote;
	pub->core_rtcp = remote.rtcp_mode;
	v = narrow_formats(s, st, answer, m, false);
	if (v != CSCF_SDP_OK)
		return v;
	sdp_ext_answer(pub, answer, m, false);
	set_gates(pub);
	return CSCF_SDP_OK;
}

static enum cscf_sdp_verdict answer_wic_line(struct cscf_sdp_session *s, struct sdp_stream *st,
					     const struct sdp *answer, const struct sdp_sect *m)
{
	const struct sdp_stream *old = sdp_state_by_wic(&s->cur, (size_t)st->pub.wic_index);
	struct cscf_sdp_stream *pub = &st->pub;
	struct cscf_sdp_access_remote remote;
	enum sdp_setup setup;
	enum cscf_sdp_verdict v;

	if (!gw_slice_eq_str(m->proto, st->wic_words.proto))
		return CSCF_SDP_NO_DTLS; /* SDP-09 */
	v = sdp_access_read(&remote, answer, m, s->policy);
	if (v == CSCF_SDP_OK)
		v = sdp_setup_read(&setup, answer, m);
	if (v != CSCF_SDP_OK)
		return v;
	if (sdp_reflects(&remote, &pub->access_local))
		return CSCF_SDP_REFLECTED;
	if (!remote.rtcp_mux && s->policy->access_rtcp_mux == CSCF_SDP_MUX_REQUIRE)
		return CSCF_SDP_NO_MUX; /* BUN-18 */
	remote.dir =
	    (enum cscf_sdp_dir)((unsigned)remote.dir & (unsigned)sdp_direction_reverse(st->dir));
	pub->access_remote = remote;
	if (!remote.rtcp_mux)
		pub->access_rtcp = CSCF_SDP_RTCP_SEPARATE;
	sdp_dtls_decide_answer(pub, setup, old != NULL && !pub->is_new ? &old->pub : NULL);
	v = narrow_formats(s, st, answer, m, true);
	if (v != CSCF_SDP_OK)
		return v;
	sdp_ext_answer(pub, answer, m, true);
	set_gates(pub);
	return CSCF_SDP_OK;
}

/* Is this refusal one of the line only, or is the answer as a whole not to be used? */
static bool fatal(enum cscf_sdp_verdict v)
{
	return v != CSCF_SDP_OK && v != CSCF_SDP_NO_FORMAT;
}

/* Something live, or everything refused by the answerer with port 0 although offered. */
static enum cscf_sdp_verdict all_answered(const struct sdp_state *w)
{
	enum cscf_sdp_verdict v = CSCF_SDP_OK;

	for (size_t i = 0; i < w->n; i++) {
		if (w->v[i]->pub.live)
			return CSCF_SDP_OK;
		if (w->v[i]->offered_live && w->v[i]->pub.refused == CSCF_SDP_NO_FORMAT)
			v = CSCF_SDP_NO_FORMAT;
	}
	return v;
}

static enum cscf_sdp_verdict answer_lines(struct cscf_sdp_session *s, struct sdp_state *w,
					  const struct sdp *answer, bool from_wic)
{
	for (size_t i = 0; i < answer->n_media; i++) {
		const struct sdp_sect *m = &answer->media[i];
		struct sdp_stream *st = from_wic ? sdp_state_by_wic(w, i) : sdp_state_by_core(w, i);
		const struct sdp_words *words;
		enum cscf_sdp_verdict v;

		if (st == NULL)
			return CSCF_SDP_BAD_ANSWER;
		words = from_wic ? &st->wic_words : &st->core_words;
		if (!begin(st))
			return CSCF_SDP_NOMEM;
		if (!st->pub.live)
			continue; /* refused or stopped: whatever it says there, it stays so */
		if (!gw_slice_eq_str(m->media, words->media))
			return CSCF_SDP_BAD_ANSWER;
		if (m->port == 0) {
			sdp_stream_refuse(st, CSCF_SDP_OK);
			continue;
		}
		v = from_wic ? answer_wic_line(s, st, answer, m)
			     : answer_core_line(s, st, answer, m);
		if (fatal(v))
			return v;
		if (v != CSCF_SDP_OK)
			sdp_stream_refuse(st, v);
	}
	return all_answered(w);
}

enum cscf_sdp_verdict sdp_round_answer_wic(struct cscf_sdp_session *s, struct sdp_state *w,
					   const struct sdp *answer)
{
	if (answer->n_media != w->n_wic)
		return CSCF_SDP_BAD_ANSWER;
	return answer_lines(s, w, answer, true);
}

enum cscf_sdp_verdict sdp_round_answer_core(struct cscf_sdp_session *s, struct sdp_state *w,
					    const struct sdp *answer)
{
	if (answer->n_media != w->n_core)
		return CSCF_SDP_BAD_ANSWER;
	return answer_lines(s, w, answer, false);
}
