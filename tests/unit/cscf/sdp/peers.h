/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Two random peers for the property test, a WIC (here) and a core (peer_core.h): they make offers
 * with every oddity of calls-and-media section 3, and answer what the gateway wrote as RFC 3264
 * wants. All from one seed. Addresses are marked, so that a leak can be seen: the WIC is in
 * 198.51.100.0/24 and 2001:db8:51::/48, the core in 10.30.0.0/16 and 2001:db8:30::/48.
 */
#ifndef TESTS_UNIT_CSCF_SDP_PEERS_H
#define TESTS_UNIT_CSCF_SDP_PEERS_H

#include "cscf/sdp/model.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#define PEER_LINES 16 /* on a leg */
#define PEER_ADDS  5  /* of its own */
#define PEER_TEXT  32768

struct rnd {
	uint64_t x;
};

static inline unsigned rnd(struct rnd *r, unsigned n)
{
	r->x ^= r->x << 13;
	r->x ^= r->x >> 7;
	r->x ^= r->x << 17;
	return (unsigned)((r->x * UINT64_C(0x2545f4914f6cdd1d)) >> 33) % n;
}

/* true once in n */
static inline bool once_in(struct rnd *r, unsigned n)
{
	return rnd(r, n) == 0;
}

struct text {
	char p[PEER_TEXT];
	size_t n;
};

__attribute__((format(printf, 2, 3))) static inline void put(struct text *t, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	t->n += (size_t)vsnprintf(t->p + t->n, sizeof(t->p) - t->n, fmt, ap);
	va_end(ap);
	if (t->n >= sizeof(t->p))
		abort();
}

/* ---- the WIC -------------------------------------------------------------------------------- */

enum line_kind { LINE_AUDIO, LINE_VIDEO, LINE_TEXT, LINE_DATA };

struct wic_line {
	enum line_kind kind;
	bool stopped;
	unsigned mid, ice, dir;
};

struct wic {
	struct rnd *r;
	struct wic_line line[PEER_LINES];
	unsigned n, next_mid, version, fp, tls;
	bool may_unmux; /* the gateway's offer says rtcp-mux, but not -only */
};

struct codec {
	unsigned pt;
	const char *map, *fmtp;
};

static const struct codec audio_codecs[] = {
    {111, "opus/48000/2", "minptime=10;useinbandfec=1"},
    {63, "red/48000/2", "111/111"},
    {9, "G722/8000", NULL},
    {0, "PCMU/8000", NULL},
    {8, "PCMA/8000", NULL},
    {104, "AMR-WB/16000/1", "mode-change-capability=2;max-red=0"},
    {13, "CN/8000", NULL},
    {110, "telephone-event/48000", NULL},
    {126, "telephone-event/8000", NULL},
    {72, "L16/8000", NULL},
};
static const struct codec video_codecs[] = {
    {96, "VP8/90000", NULL},
    {97, "rtx/90000", "apt=96"},
    {103, "H264/90000", "level-asymmetry-allowed=1;packetization-mode=1"},
    {104, "rtx/90000", "apt=103"},
    {116, "red/90000", NULL},
    {117, "ulpfec/90000", NULL},
};
static const struct codec text_codecs[] = {{98, "t140/1000", NULL}};
static const char *const dirs[] = {"inactive", "sendonly", "recvonly", "sendrecv"};
static const char *const kinds[] = {"audio", "video", "text", "application"};
static const char *const fbs[] = {"goog-remb", "transport-cc", "ccm fir",     "nack",
				  "nack pli",  "ccm tmmbr",    "trr-int 5000"};

static inline size_t codecs_of(enum line_kind k, const struct codec **out)
{
	*out = k == LINE_AUDIO ? audio_codecs : k == LINE_VIDEO ? video_codecs : text_codecs;
	return k == LINE_AUDIO ? 10 : k == LINE_VIDEO ? 6 : 1;
}

/* A random set of codecs, each in the m-line, then its attributes. */
static inline unsigned pick(struct rnd *r, enum line_kind k)
{
	const struct codec *c;
	unsigned n = (unsigned)codecs_of(k, &c), set = rnd(r, 1U << n);

	return set | 1U << rnd(r, n);
}

static inline void put_pts(struct text *t, enum line_kind k, unsigned set)
{
	const struct codec *c;
	size_t n = codecs_of(k, &c);

	for (size_t i = 0; i < n; i++)
		if ((set >> i & 1) != 0)
			put(t, " %u", c[i].pt);
}

static inline void put_codecs(struct text *t, struct rnd *r, enum line_kind k, unsigned set,
			      bool fb)
{
	const struct codec *c;
	size_t n = codecs_of(k, &c);

	for (size_t i = 0; i < n; i++) {
		if ((set >> i & 1) == 0)
			continue;
		if (c[i].pt > 95 ? !once_in(r, 20) : c[i].pt < 35 || !once_in(r, 3))
			put(t, "a=rtpmap:%u %s\r\n", c[i].pt, c[i].map);
		for (unsigned f = 0; f < 7 && fb && k == LINE_VIDEO; f++)
			if (once_in(r, 2))
				put(t, "a=rtcp-fb:%u %s\r\n", c[i].pt, fbs[f]);
		if (c[i].fmtp != NULL && !once_in(r, 4))
			put(t, "a=fmtp:%u %s\r\n", c[i].pt, c[i].fmtp);
	}
	if (fb && once_in(r, 6))
		put(t, "a=rtcp-fb:* nack\r\n");
}

static inline void put_fp(struct text *t, const struct wic *w)
{
	put(t, "a=fingerprint:sha-256 %02X", w->fp & 255);
	for (unsigned i = 1; i < 32; i++)
		put(t, ":%02X", i * 5 & 255);
	put(t, "\r\n");
}

static inline void put_ice(struct text *t, const struct wic_line *l)
{
	put(t, "a=ice-ufrag:wic%u\r\na=ice-pwd:ss7liTdhadxNbTOBew%06u\r\n", l->ice, l->ice);
}

static inline void put_noise(struct text *t, struct rnd *r)
{
	static const char *const noise[] = {
	    "a=msid:a1b2 9d8e",
	    "a=ssrc:3570614608 cname:4TOk",
	    "a=rtcp:9 IN IP4 0.0.0.0",
	    "a=candidate:2 1 tcp 1 198.51.100.23 9 typ host tcptype active",
	    "a=candidate:3 1 udp 7 f3d5.local 50000 typ host",
	    "a=candidate:4 1 udp 8 2001:db8:51::7 50002 typ host",
	    "a=extmap:1 urn:ietf:params:x",
	    "a=remote-candidates:1 198.51.100.23 9",
	    "a=rtcp-rsize",
	    "a=3ge2ae:requested",
	    "a=ice-options:trickle renomination",
	    "b=AS:300",
	    "b=TIAS:64000",
	    "i=a line",
	    "a=ptime:20",
	    "a=label:7",
	    "a=x-google-flag:conference",
	    "a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:x",
	    "a=source-filter: incl IN IP4 * 198.51.100.23",
	    "a=end-of-candidates",
	    "k=clear:abc",
	    "a=rtcp-mux-only",
	    "a=framerate:30",
	    "a=candidate:broken"};

	for (unsigned i = 0; i < sizeof(noise) / sizeof(noise[0]); i++)
		if (once_in(r, 4))
			put(t, "%s\r\n", noise[i]);
}

/* Two extensions that may be let through, under ids that a careless peer moves about. */
static inline void put_extmaps(struct text *t, struct rnd *r)
{
	if (once_in(r, 2))
		put(t, "a=extmap:%u urn:ietf:params:x\r\n", 1 + rnd(r, 5));
	if (once_in(r, 2))
		put(t, "a=extmap:%u%s urn:3gpp:video-orientation\r\n", 1 + rnd(r, 5),
		    once_in(r, 4) ? "/sendonly" : "");
	if (once_in(r, 4))
		put(t, "a=extmap:3 urn:ietf:params:rtp-hdrext:sdes:mid\r\n");
}

static inline void put_wic_line(struct text *t, struct wic *w, unsigned i, bool answer)
{
	static const char *const protos[] = {"UDP/TLS/RTP/SAVP", "RTP/SAVPF", "RTP/AVP"};
	static const char *const setups[] = {"actpass", "actpass", "active", "passive"};
	struct wic_line *l = &w->line[i];
	struct rnd *r = w->r;
	bool odd = once_in(r, 8) && !answer;
	unsigned set = pick(r, l->kind == LINE_DATA ? LINE_AUDIO : l->kind);
	unsigned port = l->stopped             ? 0
			: odd && once_in(r, 3) ? 50000
			: once_in(r, 3)        ? 9
					       : 50000 + 2 * i;

	if (l->kind == LINE_DATA) {
		put(t, "m=application %u UDP/DTLS/SCTP webrtc-datachannel\r\n", port);
	} else {
		put(t, "m=%s %u %s", kinds[l->kind], odd && once_in(r, 3) ? 0 : port,
		    odd && once_in(r, 2) ? protos[rnd(r, 3)] : "UDP/TLS/RTP/SAVPF");
		put_pts(t, l->kind, set);
		put(t, "\r\n");
	}
	put(t, "c=IN IP4 %s\r\na=mid:%u\r\n", port == 9 ? "0.0.0.0" : "198.51.100.23", l->mid);
	if (l->stopped)
		return;
	if (odd && once_in(r, 3))
		put(t, "a=bundle-only\r\n");
	if (port != 9)
		put(t, "a=candidate:1 1 udp 9 198.51.100.23 %u typ host\r\n", port);
	if (!odd || !once_in(r, 4))
		put_ice(t, l);
	if (!odd || !once_in(r, 4))
		put_fp(t, w);
	if (!odd || !once_in(r, 4))
		put(t, "a=setup:%s\r\n", setups[rnd(r, 4)]);
	if (!odd || !once_in(r, 4))
		put(t, "a=rtcp-mux\r\n");
	if (w->tls != 0)
		put(t, "a=tls-id:abcdefghijklmnopqrst%u\r\n", w->tls);
	put_noise(t, r);
	put_extmaps(t, r);
	if (l->kind != LINE_DATA)
		put_codecs(t, r, l->kind, set, true);
	put(t, "a=%s\r\n", dirs[l->dir]);
}

static inline void put_wic_head(struct text *t, struct wic *w)
{
	t->n = 0;
	put(t, "v=0\r\no=- 5645355810408982095 %u IN IP4 198.51.100.23\r\ns=-\r\nt=0 0\r\n",
	    ++w->version);
	if (!once_in(w->r, 3)) {
		put(t, "a=group:BUNDLE");
		for (unsigned i = 0; i < w->n; i++)
			put(t, " %u", w->line[i].mid);
		put(t, "\r\n");
	}
	put(t, "a=extmap-allow-mixed\r\na=msid-semantic: WMS\r\n");
}

static inline void wic_new_line(struct wic *w, struct wic_line *l)
{
	static const enum line_kind mix[] = {LINE_AUDIO, LINE_AUDIO, LINE_VIDEO,
					     LINE_VIDEO, LINE_TEXT,  LINE_DATA};

	l->kind = mix[rnd(w->r, 6)];
	l->stopped = false;
	l->mid = w->next_mid++;
	l->ice = rnd(w->r, 900000) + 1;
	l->dir = 3;
}

/* Move on as a page would: add, stop, come back, hold, restart ICE, new certificate. */
static inline void wic_evolve(struct wic *w)
{
	struct rnd *r = w->r;

	if (w->n == 0 || (w->n < PEER_ADDS && once_in(r, 3)))
		wic_new_line(w, &w->line[w->n++]);
	for (unsigned i = 0; i < w->n; i++) {
		struct wic_line *l = &w->line[i];

		if (l->stopped && once_in(r, 2))
			wic_new_line(w, l);
		else if (!l->stopped && once_in(r, 8))
			l->stopped = true;
		if (once_in(r, 4))
			l->dir = rnd(r, 4);
		if (once_in(r, 5))
			l->ice++;
	}
	if (once_in(r, 10))
		w->fp++;
	if (once_in(r, 10))
		w->tls = rnd(r, 3);
}

static inline void wic_offer(struct text *t, struct wic *w)
{
	wic_evolve(w);
	put_wic_head(t, w);
	for (unsigned i = 0; i < w->n; i++)
		put_wic_line(t, w, i, false);
}

static inline enum line_kind kind_of(const struct sdp_sect *m)
{
	for (unsigned k = 0; k < 4; k++)
		if (gw_slice_eq_str(m->media, kinds[k]))
			return (enum line_kind)k;
	return LINE_DATA;
}

/* The offered formats and their attributes, some left out, one added that was not offered. */
static inline void put_answer_formats(struct text *t, struct rnd *r, const struct sdp *d,
				      const struct sdp_sect *m, const char *proto, unsigned port)
{
	struct gw_slice token;
	size_t cursor = 0;
	unsigned n = 0;

	put(t, "m=%.*s %u %s", GW_SLICE_FMT(m->media), port, proto);
	while (sdp_token_next(m->fmts, &cursor, &token))
		if (n++ == 0 || !once_in(r, 3))
			put(t, " %.*s", GW_SLICE_FMT(token));
	if (once_in(r, 10))
		put(t, " 99");
	put(t, "\r\n");
	for (size_t i = 0; i < m->n_attrs; i++) {
		const struct sdp_attr *a = &d->attrs[m->first_attr + i];

		if ((gw_slice_eq_str(a->name, "rtpmap") || gw_slice_eq_str(a->name, "rtcp-fb") ||
		     gw_slice_eq_str(a->name, "extmap")) &&
		    !once_in(r, 5))
			put(t, "a=%.*s:%.*s\r\n", GW_SLICE_FMT(a->name), GW_SLICE_FMT(a->value));
	}
}

static inline void wic_answer(struct text *t, struct wic *w, const struct sdp *offer)
{
	struct rnd *r = w->r;

	put_wic_head(t, w);
	for (size_t i = 0; i < offer->n_media; i++) {
		const struct sdp_sect *m = &offer->media[i];
		struct wic_line *l = &w->line[i];
		bool refuse = m->port == 0 || once_in(r, 8);
		const struct sdp_attr *mid = sdp_attr(offer, m, "mid");

		if (i >= PEER_LINES)
			abort();
		if (i >= w->n) {
			w->n = (unsigned)i + 1;
			wic_new_line(w, l);
		}
		l->kind = kind_of(m);
		l->stopped = refuse;
		if (mid != NULL && !refuse)
			(void)sscanf(mid->value.p, "%u", &l->mid);
		if (l->mid >= w->next_mid)
			w->next_mid = l->mid + 1;
		put_answer_formats(t, r, offer, m, "UDP/TLS/RTP/SAVPF", refuse ? 0 : 9);
		put(t, "c=IN IP4 0.0.0.0\r\na=mid:%u\r\n", l->mid);
		if (refuse)
			continue;
		put_ice(t, l);
		put_fp(t, w);
		put(t, "a=setup:%s\r\n", once_in(r, 4) ? "passive" : "active");
		if (!w->may_unmux || once_in(r, 2))
			put(t, "a=rtcp-mux\r\n");
		put_noise(t, r);
		if (w->tls != 0)
			put(t, "a=tls-id:abcdefghijklmnopqrst%u\r\n", w->tls);
		l->dir = rnd(r, 4);
		put(t, "a=%s\r\n", dirs[l->dir]);
	}
}

#endif
