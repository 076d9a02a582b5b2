/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Media: every call sends one packet each way per interval, spread evenly over it, at the pace of
 * the clock and not of the relay (open loop). Each packet says when it left, and its payload
 * follows from call, direction and number: whatever arrives is compared octet by octet.
 *
 *   payload: 8 octets time, 4 call, 4 number (from the start), then a pattern
 */
#include "tests/bench/media/bench.h"

#include "agw/net/demux.h"

#include <string.h>
#include <time.h>

#define HEAD     12
#define STAMP    16
#define AFTER_MS 3000 /* at most for what is still on its way when a window ends */

static uint8_t pattern[256 + BENCH_PACKET];

static const uint8_t *pattern_of(uint32_t seq, unsigned call, enum bench_side from)
{
	if (pattern[1] == 0)
		for (size_t i = 0; i < sizeof(pattern); i++)
			pattern[i] = (uint8_t)(i * 167 + 13);
	return pattern + ((seq * 31 + call * 7 + (unsigned)from * 101) & 0xff);
}

static void put32(uint8_t *p, uint32_t v)
{
	p[0] = (uint8_t)(v >> 24);
	p[1] = (uint8_t)(v >> 16);
	p[2] = (uint8_t)(v >> 8);
	p[3] = (uint8_t)v;
}

static uint32_t get32(const uint8_t *p)
{
	return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}

static void send_one(struct bench *b, struct bench_call *c, enum bench_side from)
{
	_Alignas(8) uint8_t p[BENCH_PACKET + AGW_SRTP_TRAILER_MAX];
	struct bench_seen *f = &c->flow[from];
	uint32_t seq = f->next_seq++;
	size_t n = HEAD + b->o.payload;
	int64_t now = bench_now_ns();

	p[0] = 0x80;
	p[1] = b->o.pt;
	p[2] = (uint8_t)(seq >> 8);
	p[3] = (uint8_t)seq;
	put32(p + 4, seq * 160);
	put32(p + 8, c->ssrc[from]);
	memcpy(p + HEAD, &now, sizeof(now));
	put32(p + HEAD + 8, c->tag);
	put32(p + HEAD + 12, seq);
	memcpy(p + HEAD + STAMP, pattern_of(seq, c->id, from), b->o.payload - STAMP);
	if (from == BENCH_WIC && c->srtp != NULL && agw_srtp_protect(c->srtp, p, &n) != GW_OK)
		return;
	bench_wire_send(b->wire, from, c->id, &c->relay[from], p, n);
	if (b->counting)
		f->sent++;
}

/* The same number a second time (as far as 64 numbers back). */
static bool seen_before(struct bench_seen *f, uint32_t seq)
{
	uint32_t back;

	if (seq >= f->high) {
		uint32_t on = seq + 1 - f->high;

		if (on > 1) {
			f->gap_from = f->high;
			f->gap_to = seq;
		}
		f->recent = (on < 64 ? f->recent << on : 0) | 1;
		f->high = seq + 1;
		return false;
	}
	back = f->high - 1 - seq;
	if (back >= 64)
		return false;
	if ((f->recent >> back & 1) != 0)
		return true;
	f->recent |= UINT64_C(1) << back;
	return false;
}

/* What came out at `at` must be what the other end sent. */
static void verify(struct bench *b, struct bench_call *c, enum bench_side at, const uint8_t *p,
		   size_t n, int64_t at_ns)
{
	enum bench_side from = at == BENCH_WIC ? BENCH_CORE : BENCH_WIC;
	struct bench_seen *f = &c->flow[from];
	uint32_t seq;
	int64_t sent;

	if (n < HEAD + STAMP)
		return;
	memcpy(&sent, p + HEAD, sizeof(sent));
	seq = get32(p + HEAD + 12);
	if (sent < b->window_from || sent > b->window_to)
		return;
	if (n != HEAD + b->o.payload || get32(p + HEAD + 8) != c->tag ||
	    memcmp(p + HEAD + STAMP, pattern_of(seq, c->id, from), b->o.payload - STAMP) != 0) {
		f->corrupt++;
		return;
	}
	if (seen_before(f, seq)) {
		f->duplicate++;
		return;
	}
	f->received++;
	f->reordered += seq < f->last_seen;
	f->last_seen = seq;
	bench_hist_add(b->latency[from], at_ns - sent);
}

void bench_on_wire(void *arg, enum bench_side side, uint32_t call, uint16_t relay_port, uint8_t *p,
		   size_t n, int64_t at_ns)
{
	struct bench *b = arg;
	struct bench_call *c = side == BENCH_CORE  ? b->by_port[relay_port]
			       : call < b->o.calls ? &b->calls[call]
						   : NULL;

	if (c == NULL) {
		b->stray += agw_demux(p, n) == AGW_PROTO_RTP;
		return;
	}
	if (side == BENCH_CORE || c->srtp == NULL) {
		enum agw_proto proto = agw_demux(p, n);

		if (proto == AGW_PROTO_RTP)
			verify(b, c, side, p, n, at_ns);
		else if (proto == AGW_PROTO_STUN && side == BENCH_WIC && c->stun != NULL)
			bench_stun_feed(c->stun, p, n, &c->relay[BENCH_WIC]);
		else if (proto == AGW_PROTO_DTLS && c->dtls != NULL)
			(void)agw_dtls_input(c->dtls, p, n);
		return;
	}
	switch (agw_demux(p, n)) {
	case AGW_PROTO_RTP:
		if (agw_srtp_unprotect(c->srtp, p, &n) == GW_OK)
			verify(b, c, side, p, n, at_ns);
		else
			c->flow[BENCH_CORE].corrupt++;
		break;
	case AGW_PROTO_STUN:
		bench_stun_feed(c->stun, p, n, &c->relay[BENCH_WIC]);
		break;
	case AGW_PROTO_DTLS:
		(void)agw_dtls_input(c->dtls, p, n);
		break;
	case AGW_PROTO_RTCP:
	case AGW_PROTO_OTHER:
		break;
	}
}

void bench_media_tick(struct bench *b, unsigned tick)
{
	int64_t now_ms = bench_now_ms();

	for (unsigned i = tick % (b->o.interval_ms * BENCH_TICKS_MS); i < b->o.calls;
	     i += b->o.interval_ms * BENCH_TICKS_MS) {
		struct bench_call *c = &b->calls[i];

		if (!c->keyed || c->quiet)
			continue;
		send_one(b, c, BENCH_WIC);
		send_one(b, c, BENCH_CORE);
		bench_call_keep(c, now_ms);
	}
	bench_wire_flush(b->wire);
}

bool bench_sleep_until(int64_t ns)
{
	int64_t now;

	while ((now = bench_now_ns()) < ns) {
		const struct timespec nap = {.tv_nsec = ns - now};

		(void)nanosleep(&nap, NULL);
	}
	return now - ns <= BENCH_LATE_NS;
}

static bool all_came(const struct bench *b)
{
	for (unsigned i = 0; i < b->o.calls; i++)
		for (unsigned s = 0; s < BENCH_SIDES; s++) {
			const struct bench_seen *f = &b->calls[i].flow[s];

			if (f->received + f->corrupt + f->duplicate < f->sent)
				return false;
		}
	return true;
}

void bench_run_media(struct bench *b, unsigned seconds, bool count)
{
	int64_t begin = bench_now_ns(), end = begin + (int64_t)seconds * 1000000000;
	int64_t next = begin, after;
	unsigned tick = 0;

	b->counting = count;
	if (count) {
		b->window_from = begin;
		b->window_to = INT64_MAX; /* nothing is sent behind its last tick */
	}
	for (; next < end; next += BENCH_TICK_NS) {
		/* not woken by each packet that comes: the kernel has stamped it */
		b->late_ticks += !bench_sleep_until(next);
		/* where the machine did not let us run: nobody sends at once what he missed */
		if (bench_now_ns() - next > BENCH_STALLED_NS)
			next = bench_now_ns();
		bench_media_tick(b, tick++);
		bench_wire_poll(b->wire, 0);
	}
	b->counting = false;
	if (!count)
		return;
	for (after = bench_now_ms() + AFTER_MS; bench_now_ms() < after && !all_came(b);)
		bench_wire_poll(b->wire, INT64_C(10000000));
}
