/* SPDX-License-Identifier: Apache-2.0 */
/*
 * An offer of the core, line by line: RTP lines become streams and are offered to the WIC as
 * UDP/TLS/RTP/SAVPF; what is not RTP, or is end-to-end protected, is left out there and answered
 * with port 0 (SDP-33, SDP-46, SDP-47). Mids are ours and stable (SDP-16).
 * Spec: TS 24.371 §7.4.2; RFC 3264. Thread: the cscf loop.
 */
#include "cscf/sdp/sdp_int.h"

#include <stdio.h>

static bool wants_avpf(enum cscf_sdp_media media, const struct cscf_sdp_policy *policy)
{
	return (media == CSCF_SDP_VIDEO && policy->core_video_avpf) ||
	       (media == CSCF_SDP_AUDIO && policy->core_audio_avpf);
}

static enum cscf_sdp_verdict read_live_line(struct cscf_sdp_session *s, struct sdp_stream *st,
					    const struct sdp_sect *m)
{
	struct cscf_sdp_stream *pub = &st->pub;
	enum cscf_sdp_verdict v;
	struct sdp_fmts fmts;

	pub->media = sdp_media_kind(m);
	v = sdp_core_read(&pub->core_remote, s->offer, m, s->policy->core_rtcp_mux_accept);
	if (v == CSCF_SDP_OK)
		v = sdp_filter_line(s->offer, m, s->policy);
	if (v != CSCF_SDP_OK)
		return v;
	st->acfg[0] = '\0';
	if (!pub->core_remote.avpf && wants_avpf(pub->media, s->policy))
		pub->core_remote.avpf = sdp_capneg_avpf(s->offer, m, st->acfg, sizeof(st->acfg));
	pub->core_avpf = pub->core_remote.avpf;
	if (!sdp_fmts_read(&fmts, s->offer, m, NULL, &(struct sdp_fb_legs){pub->core_avpf, false},
			   s->policy))
		return CSCF_SDP_NOMEM;
	if (!sdp_fmts_usable(&fmts, pub->media) ||
	    (pub->media != CSCF_SDP_TEXT && s->policy->early_488 &&
	     !sdp_filter_browser_can(&fmts, pub->media))) {
		sdp_fmts_free(&fmts);
		return CSCF_SDP_NO_FORMAT;
	}
	sdp_stream_set_fmts(st, fmts);
	pub->core_rtcp = pub->core_remote.rtcp_mode;
	if (pub->is_new)
		pub->access_rtcp = s->policy->access_rtcp_mux == CSCF_SDP_MUX_OFF
				       ? CSCF_SDP_RTCP_SEPARATE
				       : CSCF_SDP_RTCP_MUX;
	st->dir = pub->core_remote.dir;
	pub->ice_restart = false;
	pub->new_dtls = false;
	sdp_dtls_tls_id(st);
	sdp_ext_offer(pub, s->offer, m, false, s->policy);
	return CSCF_SDP_OK;
}

static enum cscf_sdp_verdict read_line(struct cscf_sdp_session *s, struct sdp_state *w, size_t i)
{
	const struct sdp_sect *m = &s->offer->media[i];
	const struct sdp_stream *old = sdp_state_by_core(&s->cur, i);
	struct sdp_stream *st = sdp_state_by_core(w, i);
	bool dead = old != NULL && !old->pub.live;
	enum cscf_sdp_verdict v = CSCF_SDP_OK;

	if (st == NULL) {
		st = sdp_state_add(w);
		if (st == NULL)
			return CSCF_SDP_NOMEM;
		st->pub.core_index = (int)i;
	} else {
		st->pub.is_new = old == NULL;
		if (dead && m->port != 0 && !s->same_offer) {
			st->generation++;
			st->pub.stream_id += SDP_STREAM_ID_STEP;
			st->pub.is_new = true;
			st->pub.dtls = CSCF_SDP_DTLS_UNDECIDED;
			memset(&st->pub.access_remote, 0, sizeof(st->pub.access_remote));
			st->pub.n_exts = 0;
		}
	}
	st->pub.refused = CSCF_SDP_OK;
	st->pub.live = false;
	st->pub.gate_uplink = st->pub.gate_downlink = false;
	st->core_stopped = m->port == 0;
	st->wic_stopped = false;
	sdp_words_set(&st->core_words, m);
	if (m->port == 0 || (s->same_offer && dead))
		return CSCF_SDP_OK;
	v = read_live_line(s, st, m);
	/* without any address the description itself is broken (RFC 8866 s5.7) */
	if (v == CSCF_SDP_NOMEM || v == CSCF_SDP_SYNTAX)
		return v;
	st->pub.live = v == CSCF_SDP_OK;
	st->pub.refused = v;
	return CSCF_SDP_OK;
}

static bool mid_taken(const struct sdp_state *w, const char *mid)
{
	for (size_t i = 0; i < w->n; i++)
		if (strcmp(w->v[i]->pub.mid, mid) == 0)
			return true;
	return false;
}

static void map_to_wic(struct sdp_state *w)
{
	for (size_t i = 0; i < w->n_core; i++) {
		struct sdp_stream *st = sdp_state_by_core(w, i);

		if (st == NULL || !st->pub.live)
			continue;
		if (st->pub.wic_index < 0 && w->n_wic >= CSCF_SDP_MAX_MEDIA) {
			sdp_stream_refuse(st, CSCF_SDP_TOO_MANY);
			continue;
		}
		if (st->pub.wic_index < 0)
			st->pub.wic_index = (int)w->n_wic++;
		if (st->pub.mid[0] != '\0')
			continue;
		for (unsigned n = (unsigned)st->pub.wic_index; st->pub.mid[0] == '\0'; n++) {
			char mid[16];

			snprintf(mid, sizeof(mid), "%u", n);
			if (!mid_taken(w, mid))
				(void)sdp_copy(st->pub.mid, sizeof(st->pub.mid), gw_slice_str(mid));
		}
	}
}

enum cscf_sdp_verdict sdp_round_offer_core(struct cscf_sdp_session *s, struct sdp_state *w)
{
	enum cscf_sdp_verdict v;

	if (s->offer->n_media < w->n_core)
		return CSCF_SDP_LINES_LOST;
	w->n_core = s->offer->n_media;
	for (size_t i = 0; i < s->offer->n_media; i++) {
		v = read_line(s, w, i);
		if (v != CSCF_SDP_OK)
			return v;
	}
	sdp_filter_count(w, s->policy);
	map_to_wic(w);
	return sdp_round_verdict(w, &s->cur);
}
