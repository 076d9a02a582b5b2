/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The SSRC table. See ssrc.h.
 *
 * For a known SSRC, with d = seq - highest seq so far:
 *      1 .. 3000      goes on
 *   -100 ..    0      late or doubled: passed, SRTP refuses what it has sent already
 *  -1000 .. -101      with a time stamp to match: somebody far off repeats what was asked for;
 * dropped else              held until the next packet follows on it (RFC 3550 A.1), then a new
 * SSRC; at once when the source has changed
 */
#include "agw/relay/ssrc.h"

#include "common/rand.h"

#include <string.h>

#define MAX_AHEAD  3000
#define MAX_LATE   100
#define MAX_REPEAT 1000
#define REPEAT_TS  (1U << 20) /* 11 s of video; a new sender is there by chance one time in 4000 */
#define IDLE_MS    2000       /* a sender silent for that long may be forgotten for another */

static struct agw_ssrc_entry *find(struct agw_ssrc_table *t, uint32_t in)
{
	for (size_t i = 0; i < AGW_SSRC_MAX; i++) {
		if (t->entries[i].used && t->entries[i].in == in)
			return &t->entries[i];
	}
	return NULL;
}

static bool out_in_use(const struct agw_ssrc_table *t, uint32_t out)
{
	for (size_t i = 0; i < AGW_SSRC_MAX; i++) {
		if (t->entries[i].used && (t->entries[i].out == out || t->entries[i].in == out))
			return true;
	}
	return false;
}

static uint32_t fresh(const struct agw_ssrc_table *t)
{
	uint32_t v;

	do {
		v = (uint32_t)gw_rand_u64();
	} while (v == 0 || out_in_use(t, v));
	return v;
}

static struct agw_ssrc_entry *make_room(struct agw_ssrc_table *t, uint64_t now_ms)
{
	struct agw_ssrc_entry *oldest = &t->entries[0];

	for (size_t i = 0; i < AGW_SSRC_MAX; i++) {
		struct agw_ssrc_entry *e = &t->entries[i];

		if (!e->used)
			return e;
		if (e->seen_ms < oldest->seen_ms)
			oldest = e;
	}
	if (now_ms - oldest->seen_ms < IDLE_MS)
		return NULL;
	t->forgotten = oldest->out;
	t->has_forgotten = true;
	t->rewrite_new = true;
	return oldest;
}

static struct agw_ssrc_entry *add(struct agw_ssrc_table *t, uint32_t in, uint64_t now_ms)
{
	struct agw_ssrc_entry *e = make_room(t, now_ms);
	bool ours;

	if (e == NULL)
		return NULL;
	e->used = false;
	/* An SSRC we gave to another sender must not be taken by a newcomer. */
	ours = t->rewrite_new || out_in_use(t, in);
	*e = (struct agw_ssrc_entry){.in = in, .used = true, .seen_ms = now_ms};
	e->out = ours ? fresh(t) : in;
	if (ours)
		t->mapped = true;
	return e;
}

static void renew(struct agw_ssrc_table *t, struct agw_ssrc_entry *e, uint16_t seq)
{
	t->forgotten = e->out;
	t->has_forgotten = true;
	e->out = fresh(t);
	e->max_seq = seq;
	e->has_expect = false;
	t->mapped = true;
	/* The old SSRC is gone for good: should it come again, it must not pass as it is. */
	t->rewrite_new = true;
}

/* Two repeats in a row (NACK) look like the beginning of another sequence. Its time stamps would
 * begin elsewhere too. */
static bool is_repeat(const struct agw_ssrc_entry *e, int16_t d, uint32_t ts)
{
	return d < -MAX_LATE && d >= -MAX_REPEAT && e->max_ts - ts <= REPEAT_TS;
}

enum agw_ssrc_verdict agw_ssrc_rtp(struct agw_ssrc_table *t, uint32_t in, uint16_t seq, uint32_t ts,
				   uint64_t now_ms, uint32_t *out)
{
	struct agw_ssrc_entry *e = find(t, in);
	enum agw_ssrc_verdict verdict = AGW_SSRC_PASS;
	int16_t d;

	if (e == NULL) {
		e = add(t, in, now_ms);
		if (e == NULL)
			return AGW_SSRC_FULL;
	}
	d = (int16_t)(uint16_t)(seq - e->max_seq);
	if (!e->has_seq || (d > 0 && d <= MAX_AHEAD)) {
		e->has_seq = true;
		e->max_seq = seq;
		e->max_ts = ts;
		e->has_expect = false;
	} else if (!e->new_source && is_repeat(e, d, ts)) {
		return AGW_SSRC_HOLD;
	} else if (e->new_source || (e->has_expect && e->expect == seq)) {
		renew(t, e, seq);
		e->max_ts = ts;
		verdict = AGW_SSRC_RENEWED;
	} else if (d > MAX_AHEAD || d < -MAX_LATE) {
		e->expect = (uint16_t)(seq + 1);
		e->has_expect = true;
		return AGW_SSRC_HOLD;
	}
	e->new_source = false;
	e->seen_ms = now_ms;
	*out = e->out;
	return verdict;
}

bool agw_ssrc_rtcp(struct agw_ssrc_table *t, uint32_t in, uint64_t now_ms, uint32_t *out)
{
	struct agw_ssrc_entry *e = find(t, in);

	if (e == NULL) {
		e = add(t, in, now_ms);
		if (e == NULL)
			return false;
	}
	*out = e->out;
	return true;
}

bool agw_ssrc_knows(const struct agw_ssrc_table *t, uint32_t ssrc)
{
	return out_in_use(t, ssrc);
}

uint32_t agw_ssrc_forth(const struct agw_ssrc_table *t, uint32_t in)
{
	if (!t->mapped)
		return in;
	for (size_t i = 0; i < AGW_SSRC_MAX; i++) {
		if (t->entries[i].used && t->entries[i].in == in)
			return t->entries[i].out;
	}
	return in;
}

uint32_t agw_ssrc_back(const struct agw_ssrc_table *t, uint32_t out)
{
	if (!t->mapped)
		return out;
	for (size_t i = 0; i < AGW_SSRC_MAX; i++) {
		if (t->entries[i].used && t->entries[i].out == out)
			return t->entries[i].in;
	}
	return out;
}

void agw_ssrc_new_source(struct agw_ssrc_table *t)
{
	for (size_t i = 0; i < AGW_SSRC_MAX; i++)
		t->entries[i].new_source = t->entries[i].used;
}

void agw_ssrc_reset(struct agw_ssrc_table *t)
{
	memset(t, 0, sizeof(*t));
}
