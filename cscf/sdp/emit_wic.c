/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Text for the WIC: UDP/TLS/RTP/SAVPF on the eIMS-AGW's access addresses, each line with its own
 * ICE and DTLS parameters, never a BUNDLE group, a=3ge2ae:applied in offers (SDP-02, 03, 07, 15;
 * BUN-02, 04, 12, 15..17). No core address gets here.
 * Spec: TS 24.371 §7.4.1, §7.4.2; RFC 8839, RFC 8842, RFC 8858. Thread: the cscf loop.
 */
#include "cscf/sdp/sdp_int.h"

#include <string.h>

/* RFC 8445 s5.1.2.1: type preference 126, local preference 65535 */
#define HOST_PRIORITY(component) ((126U << 24) + (65535U << 8) + (256U - (component)))

static const char *net_type(const char *addr)
{
	return strchr(addr, ':') != NULL ? "IP6" : "IP4";
}

/* Our offers say this, always, whatever an old client once offered (SDP-03). */
static void note_words(struct sdp_stream *st, const struct sdp_sect *m)
{
	sdp_words_set(&st->wic_words, m);
	(void)sdp_copy(st->wic_words.proto, sizeof(st->wic_words.proto),
		       GW_SLICE_LIT("UDP/TLS/RTP/SAVPF"));
}

/* Port 0 at its own index, with its mid; a format of the offer as RFC 3264 s6 wants (BUN-04). */
static void put_dead(struct cscf_sdp_session *s, struct sdp_out *o, struct sdp_stream *st,
		     const struct sdp_sect *offered)
{
	if (st->wic_words.media[0] == '\0')
		note_words(st, &s->offer->media[st->pub.core_index]);
	sdp_out_dead(o, &st->wic_words, offered);
	sdp_out_put(o, "c=IN %s %s\r\n", net_type(s->work.wic_addr), s->work.wic_addr);
	if (st->pub.mid[0] != '\0')
		sdp_out_put(o, "a=mid:%s\r\n", st->pub.mid);
	sdp_out_put(o, "a=inactive\r\n");
}

/* A second component is told of as long as it may be used: not once mux was agreed. */
static uint16_t rtcp_port(const struct cscf_sdp_stream *pub)
{
	bool agreed = pub->access_rtcp == CSCF_SDP_RTCP_MUX && pub->access_remote.known;

	return agreed ? 0 : pub->access_local.rtcp_port;
}

static void put_mux(const struct cscf_sdp_session *s, struct sdp_out *o,
		    const struct cscf_sdp_stream *pub, bool offer)
{
	uint16_t port = rtcp_port(pub);

	if (pub->access_rtcp != CSCF_SDP_RTCP_MUX || port != 0)
		sdp_out_put(o, "a=rtcp:%u\r\n", port != 0 ? port : pub->access_local.port + 1U);
	if (pub->access_rtcp != CSCF_SDP_RTCP_MUX)
		return;
	sdp_out_put(o, "a=rtcp-mux\r\n");
	if (offer && s->policy->access_rtcp_mux == CSCF_SDP_MUX_REQUIRE)
		sdp_out_put(o, "a=rtcp-mux-only\r\n");
}

static void put_host_candidate(struct sdp_out *o, const char *addr, unsigned component,
			       unsigned port)
{
	sdp_out_put(o, "a=candidate:1 %u udp %u %s %u typ host\r\n", component,
		    HOST_PRIORITY(component), addr, port);
}

/* RFC 8839 s5.1 wants one of all but hosts; what is behind a relay of ours concerns nobody. */
static const char *related(const struct cscf_sdp_cand *c)
{
	if (strcmp(c->type, "host") == 0)
		return "";
	return strchr(c->addr, ':') != NULL ? " raddr :: rport 0" : " raddr 0.0.0.0 rport 0";
}

void sdp_put_wic_ice(struct sdp_out *o, const struct cscf_sdp_stream *pub)
{
	const struct cscf_sdp_access_local *l = &pub->access_local;
	uint16_t rtcp = rtcp_port(pub);

	sdp_out_put(o, "a=ice-ufrag:%s\r\na=ice-pwd:%s\r\n", l->ufrag, l->pwd);
	for (size_t i = 0; i < l->n_cands; i++) {
		const struct cscf_sdp_cand *c = &l->cands[i];

		if (c->component == 2 && rtcp == 0)
			continue;
		sdp_out_put(o, "a=candidate:%s %u %s %u %s %u typ %s%s%s\r\n", c->foundation,
			    c->component, c->tcp ? "tcp" : "udp", c->priority, c->addr, c->port,
			    c->type, c->tcp ? " tcptype passive" : "", related(c));
	}
	if (l->n_cands == 0) {
		put_host_candidate(o, l->addr, 1, l->port);
		if (rtcp != 0)
			put_host_candidate(o, l->addr, 2, rtcp);
	}
	sdp_out_put(o, "a=end-of-candidates\r\n");
}

static void put_fingerprint(struct sdp_out *o, const struct cscf_sdp_fp *fp)
{
	static const char digits[] = "0123456789ABCDEF";
	char hex[sizeof(fp->value) * 3];

	for (size_t k = 0; k < fp->len; k++) {
		hex[k * 3] = digits[fp->value[k] >> 4];
		hex[k * 3 + 1] = digits[fp->value[k] & 15];
		hex[k * 3 + 2] = ':';
	}
	sdp_out_put(o, "a=fingerprint:%s ", fp->hash);
	sdp_out_raw(o, hex, fp->len > 0 ? fp->len * 3 - 1 : 0);
	sdp_out_raw(o, "\r\n", 2);
}

void sdp_put_wic_dtls(const struct cscf_sdp_session *s, struct sdp_out *o,
		      const struct sdp_stream *st, bool offer)
{
	const struct cscf_sdp_stream *pub = &st->pub;
	const struct cscf_sdp_access_local *l = &pub->access_local;

	for (size_t i = 0; i < l->n_fps; i++)
		put_fingerprint(o, &l->fps[i]);
	sdp_out_put(o, "a=setup:%s\r\n", sdp_dtls_setup_word(pub, offer));
	/* answered when offered, not sent unasked (DTLS-22) */
	if (pub->access_remote.tls_id[0] != '\0' || (offer && s->policy->tls_id_in_offers))
		sdp_out_put(o, "a=tls-id:%s\r\n", l->tls_id[0] != '\0' ? l->tls_id : st->tls_id);
}

static void put_line(struct cscf_sdp_session *s, struct sdp_out *o, struct sdp_stream *st,
		     bool offer)
{
	const struct sdp *sdp = offer ? s->offer : s->answer;
	const struct sdp_sect *m = &sdp->media[st->pub.core_index];
	const struct sdp_sect *fallback = offer ? NULL : &s->offer->media[st->pub.wic_index];
	const struct cscf_sdp_access_local *l = &st->pub.access_local;

	if (offer)
		note_words(st, m);
	sdp_out_put(o, "m=%s %u %s", st->wic_words.media, l->port, st->wic_words.proto);
	sdp_out_pts(o, st);
	sdp_out_put(o, "\r\n");
	if (m->info.n > 0)
		sdp_out_put(o, "i=%.*s\r\n", GW_SLICE_FMT(m->info));
	sdp_out_put(o, "c=IN %s %s\r\n", net_type(l->addr), l->addr);
	if (st->pub.core_remote.b_as_kbps > 0)
		sdp_out_put(o, "b=AS:%u\r\n", st->pub.core_remote.b_as_kbps);
	if (m->b_tias_bps > 0)
		sdp_out_put(o, "b=TIAS:%lld\r\n", (long long)m->b_tias_bps);
	if (st->pub.mid[0] != '\0')
		sdp_out_put(o, "a=mid:%s\r\n", st->pub.mid);
	if (offer || s->policy->e2ae_in_answer)
		sdp_out_put(o, "a=3ge2ae:applied\r\n");
	put_mux(s, o, &st->pub, offer);
	sdp_put_wic_ice(o, &st->pub);
	sdp_put_wic_dtls(s, o, st, offer);
	sdp_out_formats(o, st, sdp, m, s->offer, fallback, s->policy);
	sdp_ext_put(o, &st->pub, sdp, m, true);
	sdp_out_fb(o, st, false);
	sdp_out_put(o, "a=%s\r\n", sdp_direction_name(offer ? st->dir : st->pub.core_remote.dir));
}

/* The AGW serves all streams of a call in one mode; the line is the session's (RFC 8839 s5.3). */
bool sdp_has_full_agent(const struct sdp_state *w)
{
	for (size_t i = 0; i < w->n_wic; i++) {
		const struct sdp_stream *st = sdp_state_by_wic(w, i);

		if (st != NULL && st->pub.live && st->pub.access_local.ice_full)
			return true;
	}
	return false;
}

void sdp_emit_wic(struct cscf_sdp_session *s, struct sdp_out *o, bool offer)
{
	struct sdp_state *w = &s->work;

	sdp_out_put(o, "t=0 0\r\n");
	if (!sdp_has_full_agent(w))
		sdp_out_put(o, "a=ice-lite\r\n");
	for (size_t i = 0; i < w->n_wic; i++) {
		struct sdp_stream *st = sdp_state_by_wic(w, i);

		if (st != NULL && st->pub.live)
			put_line(s, o, st, offer);
		else if (st != NULL)
			put_dead(s, o, st, offer ? NULL : &s->offer->media[i]);
	}
}
