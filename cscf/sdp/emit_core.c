/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Text for the core: RTP/AVP or RTP/AVPF on the eIMS-AGW's core addresses, separate m-lines,
 * nothing of ICE, DTLS, BUNDLE or the WIC's addresses (SDP-01, 06, 17; BUN-01, 03).
 * Spec: TS 24.371 §7.4.1, TS 23.334 6.2.10.5. Thread: the cscf loop.
 */
#include "cscf/sdp/sdp_int.h"

static const char *net_type(const char *addr)
{
	return strchr(addr, ':') != NULL ? "IP6" : "IP4";
}

/* What the WIC allows, else what the formats need; never more than the core offered (SDP-30). */
uint32_t sdp_core_b_as(const struct sdp_stream *st, bool offer)
{
	uint32_t kbps = st->pub.access_remote.b_as_kbps, theirs = st->pub.core_remote.b_as_kbps;

	if (st->pub.media == CSCF_SDP_TEXT)
		return kbps;
	if (kbps == 0)
		kbps = sdp_fmts_b_as(&st->fmts, st->pub.media,
				     strchr(st->pub.core_local.addr, ':') != NULL);
	return !offer && theirs > 0 && theirs < kbps ? theirs : kbps;
}

void sdp_put_core_rtcp(struct sdp_out *o, const struct cscf_sdp_stream *pub)
{
	uint16_t port = pub->core_local.rtcp_port;

	switch (pub->core_rtcp) {
	case CSCF_SDP_RTCP_MUX:
		sdp_out_put(o, "a=rtcp-mux\r\n");
		break;
	case CSCF_SDP_RTCP_SEPARATE:
		sdp_out_put(o, "a=rtcp:%u\r\n",
			    port != 0 ? port : (unsigned)pub->core_local.port + 1U);
		break;
	case CSCF_SDP_RTCP_OFF:
		break;
	}
}

/* The proto is ours to choose, the rest is the WIC's. */
static void note_words(struct sdp_stream *st, const struct sdp_sect *m)
{
	sdp_words_set(&st->core_words, m);
	(void)sdp_copy(st->core_words.proto, sizeof(st->core_words.proto),
		       gw_slice_str(st->pub.core_avpf ? "RTP/AVPF" : "RTP/AVP"));
}

/* A line that the core was never shown is refused with what the WIC said of it. */
static void put_dead(struct cscf_sdp_session *s, struct sdp_out *o, struct sdp_stream *st,
		     const struct sdp_sect *offered)
{
	if (st->core_words.media[0] == '\0')
		note_words(st, &s->offer->media[st->pub.wic_index]);
	sdp_out_dead(o, &st->core_words, offered);
}

static void put_line(struct cscf_sdp_session *s, struct sdp_out *o, struct sdp_stream *st,
		     bool offer)
{
	const struct sdp *sdp = offer ? s->offer : s->answer;
	const struct sdp_sect *m = &sdp->media[st->pub.wic_index];
	const struct sdp_sect *fallback = offer ? NULL : &s->offer->media[st->pub.core_index];
	const struct cscf_sdp_core_local *l = &st->pub.core_local;
	uint32_t kbps = sdp_core_b_as(st, offer);

	note_words(st, m);
	sdp_out_put(o, "m=%s %u %s", st->core_words.media, l->port, st->core_words.proto);
	sdp_out_pts(o, st);
	sdp_out_put(o, "\r\n");
	if (m->info.n > 0)
		sdp_out_put(o, "i=%.*s\r\n", GW_SLICE_FMT(m->info));
	if (strcmp(l->addr, s->work.core_addr) != 0)
		sdp_out_put(o, "c=IN %s %s\r\n", net_type(l->addr), l->addr);
	if (kbps > 0)
		sdp_out_put(o, "b=AS:%u\r\n", kbps);
	if (m->b_tias_bps > 0)
		sdp_out_put(o, "b=TIAS:%lld\r\n", (long long)m->b_tias_bps);
	if (st->pub.core_rtcp == CSCF_SDP_RTCP_OFF)
		sdp_out_put(o, "b=RS:0\r\nb=RR:0\r\n");
	sdp_out_formats(o, st, sdp, m, s->offer, fallback, s->policy);
	sdp_ext_put(o, &st->pub, sdp, m, false);
	sdp_out_fb(o, st, true);
	if (!offer && st->acfg[0] != '\0')
		sdp_out_put(o, "a=acfg:%s\r\n", st->acfg);
	sdp_put_core_rtcp(o, &st->pub);
	sdp_out_put(o, "a=%s\r\n", sdp_direction_name(offer ? st->dir : st->pub.access_remote.dir));
}

void sdp_emit_core(struct cscf_sdp_session *s, struct sdp_out *o, bool offer)
{
	struct sdp_state *w = &s->work;

	sdp_out_put(o, "c=IN %s %s\r\nt=0 0\r\n", net_type(w->core_addr), w->core_addr);
	for (size_t i = 0; i < w->n_core; i++) {
		struct sdp_stream *st = sdp_state_by_core(w, i);

		if (st != NULL && st->pub.live)
			put_line(s, o, st, offer);
		else if (st != NULL)
			put_dead(s, o, st, offer ? NULL : &s->offer->media[i]);
	}
}
