/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One SSRC towards the WIC. See rewrite.h.
 *
 * For the sender that is heard, with d = seq - highest seq so far:
 *      1 .. 3000      goes on
 *   -100 ..    0      late or doubled: passed, unless of before the sender began; SRTP refuses
 *                     what it has sent already
 *  -1000 .. -101      with a time stamp to match: a repeat from far off, dropped (see ssrc.c)
 *   else              held until the next packet follows on it (RFC 3550 A.1), then joined on; at
 *                     once when the source has changed
 */
#include "agw/relay/rewrite.h"

#include "common/rand.h"

#include <string.h>

#define MAX_AHEAD  3000
#define MAX_LATE   100
#define MAX_REPEAT 1000
#define REPEAT_TS  (1U << 20)
#define QUIET_MS   50 /* a sender silent for that long may be followed by another */
#define MILLION    1000000U

uint32_t agw_rewrite_ssrc(struct agw_rewrite *w, uint32_t not_this)
{
	while (w->out == 0 || (w->out == not_this && !w->heard))
		w->out = (uint32_t)gw_rand_u64();
	return w->out;
}

bool agw_rewrite_is_of(const struct agw_rewrite *w, uint32_t ext)
{
	return (int32_t)(ext - w->in_max) > 0 || w->in_max - ext <= w->in_max - w->in_first;
}

void agw_rewrite_new_source(struct agw_rewrite *w)
{
	w->new_source = w->heard;
}

static void put_past(struct agw_rewrite *w, uint32_t ssrc)
{
	w->past[w->n_past++ % AGW_REWRITE_PAST] = ssrc;
}

static void not_past(struct agw_rewrite *w, uint32_t ssrc)
{
	for (unsigned i = 0; i < AGW_REWRITE_PAST; i++)
		if (w->past[i] == ssrc)
			w->past[i] = 0;
}

/* How far the clock of the time stamps went since the last one; at least one step. */
static uint32_t elapsed(const struct agw_rewrite *w, uint32_t clock_hz, uint64_t now_us)
{
	uint64_t t = (now_us - w->at_us) * clock_hz / MILLION;

	return t == 0 ? 1 : (uint32_t)t;
}

/* What the WIC gets goes on where it stands; what comes begins here. */
static void join(struct agw_rewrite *w, const struct agw_rtp_view *v, uint32_t clock_hz,
		 uint64_t now_us)
{
	uint32_t out_seq = w->in_max + w->off + 1;
	uint32_t out_ts = w->in_ts + w->ts_off + elapsed(w, clock_hz, now_us);

	if (!w->heard) { /* a low one: the roll-over must not come before the first arrives */
		out_seq = (uint32_t)gw_rand_u64() & 0x7fff;
		out_ts = v->ts;
	} else if (w->in != v->ssrc) {
		put_past(w, w->in);
	}
	not_past(w, v->ssrc);
	w->in = v->ssrc;
	w->in_first = w->in_max = v->seq;
	w->off = out_seq - v->seq;
	w->in_ts = v->ts;
	w->ts_off = out_ts - v->ts;
	w->at_us = now_us;
	w->heard = true;
	w->n_sr = 0;
	w->lost_known = false;
}

/* Somebody else: may it speak now? */
static bool may_follow(struct agw_rewrite *w, const struct agw_rtp_view *v, uint64_t now_ms)
{
	bool in_sequence = w->has_next && w->next == v->ssrc && w->next_seq == v->seq;

	if (!w->heard || w->new_source || w->ended)
		return true;
	w->next = v->ssrc;
	w->next_seq = (uint16_t)(v->seq + 1);
	w->has_next = true;
	return in_sequence && now_ms - w->last_ms >= QUIET_MS;
}

/* Another sender's clock under the same SSRC: more than a second off what the time says. */
static bool other_clock(const struct agw_rewrite *w, const struct agw_rtp_view *v,
			uint32_t clock_hz, uint64_t now_us)
{
	uint32_t off = v->ts - w->in_ts - elapsed(w, clock_hz, now_us);

	return clock_hz != 0 && off + clock_hz > 2 * clock_hz;
}

/* Sent a second time by who is heard, too late to be passed on. */
static bool is_repeat(const struct agw_rewrite *w, const struct agw_rtp_view *v, int16_t d)
{
	return w->heard && w->in == v->ssrc && !w->new_source && !w->ended && d < -MAX_LATE &&
	       d >= -MAX_REPEAT && w->in_ts - v->ts <= REPEAT_TS;
}

enum agw_ssrc_verdict agw_rewrite_rtp(struct agw_rewrite *w, const struct agw_rtp_view *v,
				      uint32_t clock_hz, uint32_t wic_ssrc, uint64_t now_us,
				      struct agw_rewritten *out)
{
	enum agw_ssrc_verdict verdict = AGW_SSRC_PASS;
	uint32_t ext = agw_seq_near(w->in_max, v->seq);
	int16_t d = (int16_t)(uint16_t)(v->seq - (uint16_t)w->in_max);

	(void)agw_rewrite_ssrc(w, wic_ssrc);
	if (is_repeat(w, v, d))
		return AGW_SSRC_HOLD;
	if (!w->heard || w->in != v->ssrc) {
		if (!may_follow(w, v, now_us / 1000))
			return AGW_SSRC_FULL;
		verdict = w->heard ? AGW_SSRC_RENEWED : AGW_SSRC_PASS;
		join(w, v, clock_hz, now_us);
		ext = v->seq;
	} else if (d > 0 && d <= MAX_AHEAD &&
		   !(w->new_source && other_clock(w, v, clock_hz, now_us))) {
		w->in_max = ext;
		w->in_ts = v->ts;
		w->at_us = now_us;
	} else if (w->new_source || w->ended || (w->has_expect && w->expect == v->seq)) {
		verdict = AGW_SSRC_RENEWED;
		join(w, v, clock_hz, now_us);
		ext = v->seq;
	} else if (d > MAX_AHEAD || d < -MAX_LATE) {
		w->expect = (uint16_t)(v->seq + 1);
		w->has_expect = true;
		return AGW_SSRC_HOLD;
	} else if (!agw_rewrite_is_of(w, ext)) {
		return AGW_SSRC_HOLD;
	}
	w->new_source = w->ended = w->has_next = w->has_expect = false;
	w->last_ms = now_us / 1000;
	out->seq = (uint16_t)(ext + w->off);
	out->ts = v->ts + w->ts_off;
	out->mark = verdict == AGW_SSRC_RENEWED;
	return verdict;
}
