/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Quality from passing RTCP. See quality.h.
 */
#include "agw/relay/quality.h"

#include "agw/relay/rtp.h"

#define PT_SR         200
#define PT_RR         201
#define SENDER_INFO   20U
#define REPORT_BLOCK  24U
#define MAX_RTT_US    10000000U /* longer is a broken report, or somebody's clock */
#define BASE_DELAY_MS 20        /* packet and jitter buffer where nothing else is known */
#define MILLION       1000000U

static void put(_Atomic uint32_t *at, uint32_t v)
{
	atomic_store_explicit(at, v, memory_order_relaxed);
}

static uint32_t get(const _Atomic uint32_t *at)
{
	return atomic_load_explicit(at, memory_order_relaxed);
}

/* 24 bits with a sign; more received than expected is no loss. */
static uint32_t cumulative_lost(const uint8_t *block)
{
	uint32_t v = agw_be32(block + 4) & 0xffffff;

	return v < 0x800000 ? v : 0;
}

/* A block is about the media that went the other way. */
static void take_block(const struct agw_quality *q, enum agw_rtcp_way way, const uint8_t *block,
		       uint64_t now_us, struct agw_dir_counters *about)
{
	const struct agw_sr_seen *sr = &q->sr[way == AGW_RTCP_UP ? AGW_RTCP_DOWN : AGW_RTCP_UP];
	uint32_t lsr = agw_be32(block + 16);
	uint64_t dlsr_us = (uint64_t)agw_be32(block + 20) * MILLION >> 16;
	uint64_t gone;

	put(&about->far_lost, cumulative_lost(block));
	put(&about->far_jitter, agw_be32(block + 12));
	if (lsr == 0 || sr->at_us == 0 || lsr != sr->mid)
		return;
	gone = now_us - sr->at_us;
	if (gone >= dlsr_us && gone - dlsr_us <= MAX_RTT_US)
		put(&about->rtt_us, (uint32_t)(gone - dlsr_us));
}

void agw_quality_sent(struct agw_quality *q, uint32_t ntp_mid, uint64_t now_us)
{
	q->sr[AGW_RTCP_DOWN] = (struct agw_sr_seen){.mid = ntp_mid, .ours = true, .at_us = now_us};
}

void agw_quality_heard(struct agw_quality *q, enum agw_rtcp_way way, const uint8_t *p, size_t n,
		       uint32_t ssrc, uint64_t now_us, struct agw_counters *c)
{
	struct agw_dir_counters *about = way == AGW_RTCP_UP ? &c->down : &c->up;
	size_t len;

	for (size_t at = 0; at + 8 <= n; at += len) {
		const uint8_t *sub = p + at;
		size_t block = sub[1] == PT_SR ? 8U + SENDER_INFO : 8U;

		len = 4U * ((size_t)agw_be16(sub + 2) + 1U);
		if (sub[1] == PT_SR)
			q->sr[way] =
			    (struct agw_sr_seen){.mid = agw_be32(sub + 10), .at_us = now_us};
		if (sub[1] != PT_SR && sub[1] != PT_RR)
			continue;
		for (unsigned i = 0; i < (sub[0] & 0x1fU); i++, block += REPORT_BLOCK)
			if (agw_be32(sub + block) == ssrc)
				take_block(q, way, sub + block, now_us, about);
	}
}

/* G.107 with the defaults of its annex; G.113 for G.711 with concealment under random loss. */
uint32_t agw_quality_mos_x100(uint32_t loss_ppm, uint32_t delay_ms)
{
	double d = delay_ms;
	double loss = loss_ppm / 10000.0; /* per cent */
	double r = 93.2 - 0.024 * d - (d > 177.3 ? 0.11 * (d - 177.3) : 0.0);
	double mos;

	r -= 95.0 * loss / (loss + 25.1);
	if (r <= 0.0)
		return 100;
	if (r >= 100.0)
		return 450;
	mos = 1.0 + 0.035 * r + r * (r - 60.0) * (100.0 - r) * 7e-6;
	return mos < 1.0 ? 100 : (uint32_t)(mos * 100.0 + 0.5);
}

static void judge(struct agw_dir_counters *d, uint32_t rtt_us, uint32_t clock_hz)
{
	uint64_t got = atomic_load_explicit(&d->rtp_packets, memory_order_relaxed);
	uint64_t lost = atomic_load_explicit(&d->lost, memory_order_relaxed);
	uint32_t jitter =
	    get(&d->far_jitter) > get(&d->jitter) ? get(&d->far_jitter) : get(&d->jitter);
	uint64_t jitter_ms = (uint64_t)jitter * 1000U / clock_hz;

	if (got == 0)
		return;
	/* Sequence numbers pass: what the far end misses includes what never reached us. */
	if (get(&d->far_lost) > lost)
		lost = get(&d->far_lost);
	if (jitter_ms > 1000)
		jitter_ms = 1000;
	put(&d->mos_x100,
	    agw_quality_mos_x100((uint32_t)(lost * MILLION / (got + lost)),
				 rtt_us / 2000 + (uint32_t)jitter_ms * 2 + BASE_DELAY_MS));
}

void agw_quality_judge(struct agw_counters *c, uint32_t clock_hz)
{
	uint32_t rtt_us = get(&c->up.rtt_us) + get(&c->down.rtt_us);

	if (clock_hz == 0)
		return;
	judge(&c->up, rtt_us, clock_hz);
	judge(&c->down, rtt_us, clock_hz);
}
