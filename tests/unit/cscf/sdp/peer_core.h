/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The core's half of the random peers (peers.h): plain RTP, fax, MSRP and SDES lines, hold by
 * 0.0.0.0, RTCP of every kind, and the attributes that must not reach a WIC.
 */
#ifndef TESTS_UNIT_CSCF_SDP_PEER_CORE_H
#define TESTS_UNIT_CSCF_SDP_PEER_CORE_H

#include "peers.h"

struct core_line {
	unsigned kind; /* enum line_kind, or one of the below */
	bool stopped, avpf;
	unsigned dir;
};
#define CORE_FAX  4U
#define CORE_MSRP 5U
#define CORE_SDES 6U

struct core {
	struct rnd *r;
	struct core_line line[PEER_LINES];
	unsigned n, version;
	bool v6;
};

static inline void put_core_addr(struct text *t, const struct core *c, bool hold)
{
	put(t, "c=IN %s %s\r\n", c->v6 ? "IP6" : "IP4",
	    hold && c->v6 ? "::"
	    : hold        ? "0.0.0.0"
	    : c->v6       ? "2001:db8:30::9"
			  : "10.30.0.9");
}

static inline void put_core_noise(struct text *t, struct rnd *r, bool answer)
{
	static const char *const noise[] = {"a=curr:qos local none",
					    "a=des:qos optional local sendrecv",
					    "a=tra-m-line:1",
					    "a=omr-m-cksum:0",
					    "a=visited-realm:1 a.net IN IP4 10.30.0.9 9",
					    "a=ptime:20",
					    "a=maxptime:240",
					    "a=candidate:1 1 udp 9 10.30.0.9 9 typ host",
					    "a=ice-ufrag:8hhY",
					    "a=ice-pwd:asd88fgpdd777uzjYhagZg",
					    "a=tcap:1 RTP/AVPF",
					    "a=pcfg:1 t=1",
					    "a=altc:1 IP4 10.30.0.9 9",
					    "a=3ge2ae:applied",
					    "a=group:BUNDLE 0",
					    "a=mid:x",
					    "a=extmap:4 urn:3gpp:video-orientation",
					    "a=anbr",
					    "a=content:main",
					    "a=label:2"};

	for (unsigned i = 0; i < sizeof(noise) / sizeof(noise[0]); i++)
		if (once_in(r, 4))
			put(t, "%s\r\n", noise[i]);
	if (once_in(r, 5))
		put(t, "a=rtcp-mux\r\n");
	if (once_in(r, 5))
		put(t, "a=rtcp:45001%s\r\n", once_in(r, 2) ? " IN IP4 10.30.0.10" : "");
	(void)answer;
}

static inline void put_core_bw(struct text *t, struct rnd *r)
{
	if (once_in(r, 3))
		put(t, "b=AS:%u\r\n", 30 + rnd(r, 900));
	if (once_in(r, 4))
		put(t, "b=RS:%u\r\nb=RR:%u\r\n", rnd(r, 2) * 800, rnd(r, 2) * 2400);
}

static inline void put_core_line(struct text *t, struct core *c, unsigned i)
{
	struct core_line *l = &c->line[i];
	struct rnd *r = c->r;
	unsigned port = l->stopped ? 0 : 41000 + 4 * i, set;

	if (l->kind >= LINE_DATA && l->kind != CORE_SDES) {
		put(t,
		    l->kind == CORE_FAX ? "m=image %u udptl t38\r\n"
					: "m=message %u TCP/MSRP *\r\n",
		    port);
		put_core_addr(t, c, false);
		return;
	}
	if (l->kind == CORE_SDES) {
		put(t, "m=audio %u RTP/SAVP 8\r\na=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:abc\r\n",
		    port);
		put_core_addr(t, c, false);
		return;
	}
	set = pick(r, (enum line_kind)l->kind);
	put(t, "m=%s %u RTP/%s", kinds[l->kind], port, l->avpf ? "AVPF" : "AVP");
	put_pts(t, (enum line_kind)l->kind, set);
	put(t, "\r\n");
	if (!once_in(r, 3))
		put_core_addr(t, c, once_in(r, 8));
	put_core_bw(t, r);
	put_codecs(t, r, (enum line_kind)l->kind, set, l->avpf);
	put_extmaps(t, r);
	put_core_noise(t, r, false);
	put(t, "a=%s\r\n", dirs[l->dir]);
}

static inline void put_core_head(struct text *t, struct core *c)
{
	t->n = 0;
	put(t, "v=0\r\no=mgw 77 %u IN IP4 10.30.0.9\r\ns=call\r\n", ++c->version);
	put_core_addr(t, c, false);
	put(t, "t=0 0\r\n");
}

static inline void core_new_line(struct core *c, struct core_line *l)
{
	static const unsigned mix[] = {LINE_AUDIO, LINE_AUDIO, LINE_VIDEO, LINE_VIDEO,
				       LINE_TEXT,  CORE_FAX,   CORE_MSRP,  CORE_SDES};

	l->kind = mix[rnd(c->r, 8)];
	l->stopped = false;
	l->avpf = once_in(c->r, 2);
	l->dir = 3;
}

static inline void core_offer(struct text *t, struct core *c)
{
	struct rnd *r = c->r;

	if (c->n == 0 || (c->n < PEER_ADDS && once_in(r, 4)))
		core_new_line(c, &c->line[c->n++]);
	put_core_head(t, c);
	for (unsigned i = 0; i < c->n; i++) {
		struct core_line *l = &c->line[i];

		if (l->stopped && once_in(r, 2))
			core_new_line(c, l);
		else if (once_in(r, 8))
			l->stopped = true;
		if (once_in(r, 12))
			l->avpf = !l->avpf;
		if (once_in(r, 4))
			l->dir = rnd(r, 4);
		put_core_line(t, c, i);
	}
}

static inline void core_answer(struct text *t, struct core *c, const struct sdp *offer)
{
	struct rnd *r = c->r;

	put_core_head(t, c);
	for (size_t i = 0; i < offer->n_media; i++) {
		const struct sdp_sect *m = &offer->media[i];
		bool refuse = m->port == 0 || once_in(r, 8);
		struct core_line *l = &c->line[i];
		char proto[40];

		if (i >= PEER_LINES)
			abort();
		if (i >= c->n) {
			c->n = (unsigned)i + 1;
			core_new_line(c, l);
		}
		l->kind = gw_slice_eq_str(m->media, "image")     ? CORE_FAX
			  : gw_slice_eq_str(m->media, "message") ? CORE_MSRP
								 : (unsigned)kind_of(m);
		l->stopped = refuse;
		l->avpf = gw_slice_eq_str(m->proto, "RTP/AVPF");
		snprintf(proto, sizeof(proto), "%.*s", GW_SLICE_FMT(m->proto));
		put_answer_formats(t, r, offer, m, proto, refuse ? 0 : 41000 + 4 * (unsigned)i);
		if (refuse)
			continue;
		if (once_in(r, 3))
			put_core_addr(t, c, once_in(r, 6));
		put_core_bw(t, r);
		put_core_noise(t, r, true);
		l->dir = rnd(r, 4);
		put(t, "a=%s\r\n", dirs[l->dir]);
	}
}

#endif
