/* SPDX-License-Identifier: Apache-2.0 */
/*
 * An offer of the WIC, line by line: which lines become streams, which are refused, which are
 * left out towards the core. BUNDLE is never accepted; lines that can live only inside a bundle
 * are refused (BUN-03..09). Every refusal is per line; the round fails when nothing is left.
 * Spec: TS 24.371 §7.4.1; RFC 3264, RFC 9143 s6, RFC 8829 s5.2. Thread: the cscf loop.
 */
#include "cscf/sdp/sdp_int.h"

#include <stdio.h>

static bool proto_is_webrtc(const struct sdp_sect *m, const struct cscf_sdp_policy *policy)
{
	return gw_slice_eq_str(m->proto, "UDP/TLS/RTP/SAVPF") ||
	       gw_slice_eq_str(m->proto, "UDP/TLS/RTP/SAVP") ||
	       (policy->accept_old_savpf && gw_slice_eq_str(m->proto, "RTP/SAVPF"));
}

static struct gw_slice mid_of(const struct sdp *sdp, const struct sdp_sect *m)
{
	const struct sdp_attr *a = sdp_attr(sdp, m, "mid");

	return a != NULL ? a->value : GW_SLICE_NONE;
}

static const struct sdp_attr *nth_candidate(const struct sdp *sdp, const struct sdp_sect *m,
					    size_t nth)
{
	for (size_t i = 0; i < m->n_attrs; i++) {
		const struct sdp_attr *a = &sdp->attrs[m->first_attr + i];

		if (gw_slice_eq_str(a->name, "candidate") && nth-- == 0)
			return a;
	}
	return NULL;
}

/* Both lines wait on one transport: same port, same candidates (BUN-09). */
static bool same_transport(const struct sdp *sdp, const struct sdp_sect *a,
			   const struct sdp_sect *b)
{
	if (a->port != b->port || a->port == 9)
		return false;
	for (size_t i = 0;; i++) {
		const struct sdp_attr *x = nth_candidate(sdp, a, i);
		const struct sdp_attr *y = nth_candidate(sdp, b, i);

		if (x == NULL || y == NULL)
			return x == y;
		if (!gw_slice_eq(x->value, y->value))
			return false;
	}
}

/*
 * Chromium with max-bundle marks nothing: no bundle-only, no port 0. In its first offer the further
 * lines have port 9 and no candidates while an earlier line of the group has some, or they share
 * its port. In a re-offer that means nothing: a line just added looks the same with every policy
 * (the page does not wait for candidates twice), and max-bundle has failed before that.
 */
static bool hides_in_bundle(const struct sdp *sdp, size_t i, bool first_offer)
{
	const struct sdp_sect *m = &sdp->media[i];
	struct gw_slice mid = mid_of(sdp, m);
	bool bare = first_offer && m->port == 9 && nth_candidate(sdp, m, 0) == NULL;

	if (mid.n == 0 || !sdp_in_bundle(sdp, mid))
		return false;
	for (size_t k = 0; k < i; k++) {
		const struct sdp_sect *e = &sdp->media[k];

		if (e->port == 0 || !sdp_in_bundle(sdp, mid_of(sdp, e)))
			continue;
		if (same_transport(sdp, e, m) || (bare && nth_candidate(sdp, e, 0) != NULL))
			return true;
	}
	return false;
}

static bool is_bundle_only(const struct sdp *sdp, const struct sdp_sect *m)
{
	struct gw_slice mid = mid_of(sdp, m);

	if (sdp_attr(sdp, m, "bundle-only") != NULL)
		return true;
	return m->port == 0 && mid.n > 0 && sdp_in_bundle(sdp, mid); /* BUN-06 */
}

/* A line that was dead comes back with another mid: a new stream on the same index (SDP-13). */
static void recycle(struct sdp_stream *s)
{
	s->generation++;
	s->pub.stream_id += SDP_STREAM_ID_STEP;
	s->pub.is_new = true;
	s->pub.dtls = CSCF_SDP_DTLS_UNDECIDED;
	memset(&s->pub.access_remote, 0, sizeof(s->pub.access_remote));
	memset(&s->pub.core_remote, 0, sizeof(s->pub.core_remote));
	s->pub.n_exts = 0;
}

static enum cscf_sdp_verdict read_live_line(struct cscf_sdp_session *s, struct sdp_stream *st,
					    const struct sdp_sect *m,
					    const struct cscf_sdp_stream *prev)
{
	struct cscf_sdp_stream *pub = &st->pub;
	enum sdp_setup setup;
	struct sdp_fmts fmts;
	enum cscf_sdp_verdict v;

	pub->media = sdp_media_kind(m);
	if (pub->media == CSCF_SDP_OTHER)
		return CSCF_SDP_NO_MEDIA;
	if (!proto_is_webrtc(m, s->policy) || m->many_ports)
		return CSCF_SDP_PROTO;
	v = sdp_filter_line(s->offer, m, s->policy);
	if (v != CSCF_SDP_OK)
		return v;
	v = sdp_access_read(&pub->access_remote, s->offer, m, s->policy);
	if (v == CSCF_SDP_OK)
		v = sdp_setup_read(&setup, s->offer, m);
	if (v != CSCF_SDP_OK)
		return v;
	if (pub->has_local && sdp_reflects(&pub->access_remote, &pub->access_local))
		return CSCF_SDP_REFLECTED;
	if (pub->is_new || prev == NULL || !prev->core_remote.known)
		pub->core_avpf = pub->media == CSCF_SDP_VIDEO   ? s->policy->core_video_avpf
				 : pub->media == CSCF_SDP_AUDIO ? s->policy->core_audio_avpf
								: false;
	if (!sdp_fmts_read(&fmts, s->offer, m, NULL, &(struct sdp_fb_legs){pub->core_avpf, true},
			   s->policy))
		return CSCF_SDP_NOMEM;
	if (!sdp_fmts_usable(&fmts, pub->media)) {
		sdp_fmts_free(&fmts);
		return CSCF_SDP_NO_FORMAT;
	}
	sdp_stream_set_fmts(st, fmts);
	pub->access_rtcp = pub->access_remote.rtcp_mux ? CSCF_SDP_RTCP_MUX : CSCF_SDP_RTCP_SEPARATE;
	if (pub->is_new)
		pub->core_rtcp = CSCF_SDP_RTCP_SEPARATE;
	st->dir = pub->access_remote.dir;
	sdp_dtls_decide_offer(pub, setup, pub->is_new ? NULL : prev, s->policy);
	sdp_dtls_tls_id(st);
	sdp_ext_offer(pub, s->offer, m, true, s->policy);
	return CSCF_SDP_OK;
}

/* Why this line cannot be a stream of its own, before anything in it is looked at. */
static enum cscf_sdp_verdict bundle_check(struct cscf_sdp_session *s, size_t i, bool running)
{
	if (is_bundle_only(s->offer, &s->offer->media[i]))
		return CSCF_SDP_NO_MEDIA;
	if (!running && hides_in_bundle(s->offer, i, s->cur.n == 0)) {
		s->max_bundle = true;
		return CSCF_SDP_NO_MEDIA;
	}
	return CSCF_SDP_OK;
}

static enum cscf_sdp_verdict read_line(struct cscf_sdp_session *s, struct sdp_state *w, size_t i)
{
	const struct sdp_sect *m = &s->offer->media[i];
	const struct sdp_stream *old = sdp_state_by_wic(&s->cur, i);
	const struct cscf_sdp_stream *prev = old != NULL ? &old->pub : NULL;
	struct sdp_stream *st = sdp_state_by_wic(w, i);
	bool running = prev != NULL && prev->live;
	enum cscf_sdp_verdict v;

	if (st == NULL) {
		st = sdp_state_add(w);
		if (st == NULL)
			return CSCF_SDP_NOMEM;
		st->pub.wic_index = (int)i;
	} else {
		st->pub.is_new = prev == NULL;
		if (!running && m->port != 0 && !s->same_offer)
			recycle(st);
	}
	st->pub.refused = CSCF_SDP_OK;
	st->pub.live = false;
	st->pub.gate_uplink = st->pub.gate_downlink = false;
	st->wic_stopped = st->core_stopped = false;
	sdp_words_set(&st->wic_words, m);
	if (!sdp_copy(st->pub.mid, sizeof(st->pub.mid), mid_of(s->offer, m)))
		return CSCF_SDP_LIMIT;
	v = bundle_check(s, i, running);
	if (s->same_offer && prev != NULL && !running)
		v = prev->refused != CSCF_SDP_OK ? prev->refused : CSCF_SDP_NO_MEDIA;
	if (v == CSCF_SDP_OK && m->port == 0) {
		st->wic_stopped = true;
		return CSCF_SDP_OK;
	}
	if (v == CSCF_SDP_OK)
		v = read_live_line(s, st, m, prev);
	if (v == CSCF_SDP_NOMEM)
		return v;
	st->pub.live = v == CSCF_SDP_OK;
	st->pub.refused = v;
	return CSCF_SDP_OK;
}

/* The next free index of the core leg, for lines the core has not seen yet (BUN-11). */
static void map_to_core(struct sdp_state *w)
{
	for (size_t i = 0; i < w->n_wic; i++) {
		struct sdp_stream *st = sdp_state_by_wic(w, i);

		if (st == NULL || !st->pub.live || st->pub.core_index >= 0)
			continue;
		if (w->n_core < CSCF_SDP_MAX_MEDIA)
			st->pub.core_index = (int)w->n_core++;
		else
			sdp_stream_refuse(st, CSCF_SDP_TOO_MANY);
	}
}

enum cscf_sdp_verdict sdp_round_offer_wic(struct cscf_sdp_session *s, struct sdp_state *w)
{
	enum cscf_sdp_verdict v;

	if (s->offer->n_media < w->n_wic)
		return CSCF_SDP_LINES_LOST;
	w->n_wic = s->offer->n_media;
	for (size_t i = 0; i < s->offer->n_media; i++) {
		v = read_line(s, w, i);
		if (v != CSCF_SDP_OK)
			return v;
	}
	sdp_filter_count(w, s->policy);
	map_to_core(w);
	return sdp_round_verdict(w, &s->cur);
}
