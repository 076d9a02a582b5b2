/* SPDX-License-Identifier: Apache-2.0 */
/* See flood.h. The table of kinds says who sends what, where to, and whether it must be dropped. */
#include "tests/bench/media/flood.h"

#include "agw/net/demux.h"
#include "common/rand.h"

#include <stdlib.h>
#include <string.h>

#define KEPT      4      /* of each sort and call */
#define STRANGERS 100000 /* places whose addresses no call has; their number is that again */

enum sort { SORT_STUN, SORT_DTLS, SORT_SRTP, SORT_RTP, SORTS };
enum how { RANDOM, CHANGED, AGAIN, OTHERS }; /* OTHERS: as it was, but of another call */
enum whence { STRANGER, OWN };
enum where { ACCESS, CORE_RTP, CORE_RTCP };

/* first: octets that the first one is taken from, for RANDOM */
struct kind {
	const char *name;
	enum how how;
	enum sort sort;
	uint8_t first, last;
	bool rtcp; /* second octet of RTCP */
	enum whence whence;
	enum where where;
	bool must_drop;
};

/* clang-format off */
static const struct kind kinds[] = {
	{"random-stun",            RANDOM,  SORTS,     0,   3,   false, STRANGER, ACCESS,    true},
	{"random-stun-own",        RANDOM,  SORTS,     0,   3,   false, OWN,      ACCESS,    true},
	{"changed-stun",           CHANGED, SORT_STUN, 0,   0,   false, STRANGER, ACCESS,    true},
	{"changed-stun-own",       CHANGED, SORT_STUN, 0,   0,   false, OWN,      ACCESS,    true},
	{"others-stun-own",        OTHERS,  SORT_STUN, 0,   0,   false, OWN,      ACCESS,    false},
	{"again-stun-own",         AGAIN,   SORT_STUN, 0,   0,   false, OWN,      ACCESS,    false},
	{"again-stun",             AGAIN,   SORT_STUN, 0,   0,   false, STRANGER, ACCESS,    true},
	{"random-dtls",            RANDOM,  SORTS,     20,  63,  false, STRANGER, ACCESS,    true},
	{"random-dtls-own",        RANDOM,  SORTS,     20,  63,  false, OWN,      ACCESS,    false},
	{"changed-dtls",           CHANGED, SORT_DTLS, 0,   0,   false, STRANGER, ACCESS,    true},
	{"changed-dtls-own",       CHANGED, SORT_DTLS, 0,   0,   false, OWN,      ACCESS,    false},
	{"again-dtls",             AGAIN,   SORT_DTLS, 0,   0,   false, STRANGER, ACCESS,    true},
	{"again-dtls-own",         AGAIN,   SORT_DTLS, 0,   0,   false, OWN,      ACCESS,    false},
	{"others-dtls-own",        OTHERS,  SORT_DTLS, 0,   0,   false, OWN,      ACCESS,    false},
	{"random-srtp",            RANDOM,  SORTS,     128, 191, false, STRANGER, ACCESS,    true},
	{"random-srtp-own",        RANDOM,  SORTS,     128, 191, false, OWN,      ACCESS,    true},
	{"changed-srtp",           CHANGED, SORT_SRTP, 0,   0,   false, STRANGER, ACCESS,    true},
	{"changed-srtp-own",       CHANGED, SORT_SRTP, 0,   0,   false, OWN,      ACCESS,    true},
	{"again-srtp",             AGAIN,   SORT_SRTP, 0,   0,   false, STRANGER, ACCESS,    true},
	{"again-srtp-own",         AGAIN,   SORT_SRTP, 0,   0,   false, OWN,      ACCESS,    true},
	{"others-srtp-own",        OTHERS,  SORT_SRTP, 0,   0,   false, OWN,      ACCESS,    true},
	{"core-rtp-own",           AGAIN,   SORT_RTP,  0,   0,   false, OWN,      ACCESS,    true},
	{"random-srtcp",           RANDOM,  SORTS,     128, 191, true,  STRANGER, ACCESS,    true},
	{"random-srtcp-own",       RANDOM,  SORTS,     128, 191, true,  OWN,      ACCESS,    true},
	{"random-other",           RANDOM,  SORTS,     64,  127, false, STRANGER, ACCESS,    true},
	{"random-other-own",       RANDOM,  SORTS,     192, 255, false, OWN,      ACCESS,    true},
	{"random-rtp-core",        RANDOM,  SORTS,     128, 191, false, STRANGER, CORE_RTP,  true},
	{"changed-rtp-core",       CHANGED, SORT_RTP,  0,   0,   false, STRANGER, CORE_RTP,  true},
	{"again-rtp-core",         AGAIN,   SORT_RTP,  0,   0,   false, STRANGER, CORE_RTP,  true},
	{"again-rtp-core-own",     AGAIN,   SORT_RTP,  0,   0,   false, OWN,      CORE_RTP,  false},
	{"random-other-core-own",  RANDOM,  SORTS,     0,   127, false, OWN,      CORE_RTP,  true},
	{"random-rtcp-core",       RANDOM,  SORTS,     128, 191, true,  STRANGER, CORE_RTCP, true},
	{"random-rtcp-core-own",   RANDOM,  SORTS,     128, 191, true,  OWN,      CORE_RTCP, false},
	{"random-stun-core",       RANDOM,  SORTS,     0,   3,   false, STRANGER, CORE_RTCP, true},
};
/* clang-format on */
#define KINDS (sizeof(kinds) / sizeof(kinds[0]))

struct kept {
	uint16_t n;
	uint8_t octets[BENCH_PACKET];
};

struct victim {
	struct kept kept[SORTS][KEPT];
	unsigned seen[SORTS];
};

struct bench_flood {
	struct bench *b;
	unsigned calls;
	double per_tick, due;
	bool own; /* what is sent now is ours */
	struct victim *victims;
	uint64_t sent[KINDS];
	uint64_t random; /* state of a generator of no secrets */
};

static uint32_t dice(struct bench_flood *f, uint32_t n)
{
	f->random ^= f->random << 13;
	f->random ^= f->random >> 7;
	f->random ^= f->random << 17;
	return (uint32_t)(f->random >> 16) % n;
}

/* ---- what the calls send ----------------------------------------------------------------------
 */

static void see(void *arg, enum bench_side side, unsigned call, const struct gw_addr *to,
		const uint8_t *p, size_t n)
{
	struct bench_flood *f = arg;
	enum sort sort = SORTS;
	struct victim *v;
	struct kept *k;

	(void)to;
	if (f->own || call >= f->calls || n > BENCH_PACKET)
		return;
	switch (agw_demux(p, n)) {
	case AGW_PROTO_STUN:
		sort = SORT_STUN;
		break;
	case AGW_PROTO_DTLS:
		sort = SORT_DTLS;
		break;
	case AGW_PROTO_RTP:
		sort = side == BENCH_WIC ? SORT_SRTP : SORT_RTP;
		break;
	case AGW_PROTO_RTCP:
	case AGW_PROTO_OTHER:
		return;
	}
	v = &f->victims[call];
	/* The first ones stay, so that there is always something old. */
	k = &v->kept[sort][v->seen[sort] < KEPT ? v->seen[sort] : KEPT - 1];
	v->seen[sort]++;
	memcpy(k->octets, p, n);
	k->n = (uint16_t)n;
}

/* ---- what is made of it -------------------------------------------------------------------------
 */

static size_t make_random(struct bench_flood *f, const struct kind *k, uint8_t *p)
{
	static const uint16_t sizes[] = {1,  2,   4,   8,   12,   20,          28,
					 40, 172, 200, 600, 1200, BENCH_PACKET};
	size_t n = sizes[dice(f, sizeof(sizes) / sizeof(sizes[0]))];

	n = dice(f, 2) == 0 ? n : 1 + dice(f, BENCH_PACKET);
	for (size_t i = 0; i < n; i++)
		p[i] = (uint8_t)dice(f, 256);
	p[0] = (uint8_t)(k->first + dice(f, (uint32_t)(k->last - k->first) + 1));
	if (n > 1)
		p[1] = (uint8_t)(k->rtcp ? 192 + dice(f, 32) : p[1]);
	if (n > 1 && !k->rtcp && (p[1] & 0x7f) >= 64 && (p[1] & 0x7f) < 96)
		p[1] &= 0x80; /* RTP, not RTCP */
	return n;
}

static size_t make_changed(struct bench_flood *f, uint8_t *p, size_t n)
{
	switch (dice(f, 4)) {
	case 0: /* a piece of it; the first octet still says what it is */
		return 1 + dice(f, (uint32_t)n - 1);
	case 1: /* more of it */
		while (n < BENCH_PACKET && dice(f, 20) != 0)
			p[n++] = (uint8_t)dice(f, 256);
		p[n - 1] ^= 0x55;
		p[n / 2] ^= 0x55;
		return n;
	default:
		for (unsigned i = 0, k = 1 + dice(f, 8); i < k; i++)
			p[1 + dice(f, (uint32_t)n - 1)] ^= (uint8_t)(1 + dice(f, 255));
		p[n - 1] ^= 1;
		return n;
	}
}

/* @return octets, 0 = nothing was seen yet to make it of */
static size_t make(struct bench_flood *f, const struct kind *k, unsigned call, uint8_t *p)
{
	const struct victim *v;
	unsigned have;
	const struct kept *kept;

	if (k->how == RANDOM)
		return make_random(f, k, p);
	if (k->how == OTHERS)
		call = (call + 1) % f->calls;
	v = &f->victims[call];
	have = v->seen[k->sort] < KEPT ? v->seen[k->sort] : KEPT;
	if (have == 0)
		return 0;
	/* Of plain RTP the first and the last: two of its own address that follow each other are a
	 * sender that began anew (RFC 3550 A.1), and nobody can tell. */
	kept = &v->kept[k->sort][k->sort != SORT_RTP ? dice(f, have) : dice(f, 2) * (have - 1)];
	memcpy(p, kept->octets, kept->n);
	return k->how == CHANGED ? make_changed(f, p, kept->n) : kept->n;
}

static void send_one(struct bench_flood *f)
{
	unsigned call = dice(f, f->calls), i = dice(f, KINDS);
	const struct kind *k = &kinds[i];
	const struct bench_call *c = &f->b->calls[call];
	enum bench_side side = k->where == ACCESS ? BENCH_WIC : BENCH_CORE;
	struct gw_addr to = c->relay[side];
	uint8_t p[BENCH_PACKET];
	size_t n = c->keyed ? make(f, k, call, p) : 0;

	if (n == 0)
		return;
	if (k->where == CORE_RTCP)
		gw_addr_set_port(&to, (uint16_t)(gw_addr_port(&to) + 1));
	/* A stranger's address is one of the WICs' net: those sockets can have any. */
	if (k->whence == STRANGER)
		bench_wire_send(f->b->wire, BENCH_WIC, STRANGERS + dice(f, STRANGERS), &to, p, n);
	else
		bench_wire_send(f->b->wire, side, call, &to, p, n);
	f->sent[i]++;
}

void bench_flood_tick(struct bench_flood *f)
{
	f->own = true;
	for (f->due += f->per_tick; f->due >= 1; f->due--)
		send_one(f);
	f->own = false;
	bench_wire_flush(f->b->wire);
}

struct bench_flood *bench_flood_new(struct bench *b, unsigned calls, unsigned rate)
{
	struct bench_flood *f = calls > 0 ? calloc(1, sizeof(*f)) : NULL;

	if (f == NULL)
		return NULL;
	f->b = b;
	f->calls = calls;
	f->per_tick = rate / (1000.0 * BENCH_TICKS_MS);
	f->random = gw_rand_u64() | 1;
	f->victims = calloc(calls, sizeof(*f->victims));
	if (f->victims == NULL) {
		free(f);
		return NULL;
	}
	bench_wire_tap(b->wire, see, f);
	return f;
}

void bench_flood_free(struct bench_flood *f)
{
	if (f == NULL)
		return;
	bench_wire_tap(f->b->wire, NULL, NULL);
	free(f->victims);
	free(f);
}

json_t *bench_flood_figures(const struct bench_flood *f)
{
	json_t *by_kind = json_object();
	uint64_t all = 0, must = 0;

	for (size_t i = 0; i < KINDS; i++) {
		json_object_set_new(by_kind, kinds[i].name, json_integer((json_int_t)f->sent[i]));
		all += f->sent[i];
		must += kinds[i].must_drop ? f->sent[i] : 0;
	}
	return json_pack("{s:I,s:I,s:o}", "sent", (json_int_t)all, "must_drop", (json_int_t)must,
			 "by_kind", by_kind);
}
