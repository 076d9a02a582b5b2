/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Reception statistics and reading of counters. See stats.h.
 */
#include "agw/relay/stats.h"

#define CLOCK_MAX_HZ 192000 /* no codec is faster; keeps the arithmetic in 64 bits */

static void start(struct agw_reception *r, uint32_t ssrc, uint16_t seq, uint64_t lost_before)
{
	*r = (struct agw_reception){.ssrc = ssrc,
				    .max_seq = seq,
				    .base_seq = seq,
				    .lost_before = lost_before,
				    .started = true};
}

static void measure_jitter(struct agw_reception *r, uint32_t ts, uint32_t clock_hz, uint64_t now_us)
{
	uint32_t arrival = (uint32_t)(now_us * clock_hz / 1000000U); /* wraps like ts does */
	uint32_t transit = arrival - ts;
	uint32_t d = transit - r->transit;

	if (r->received > 1) {
		if (d > UINT32_MAX / 2)
			d = 0 - d;
		r->jitter_q4 += d - ((r->jitter_q4 + 8) >> 4);
	}
	r->transit = transit;
}

bool agw_reception_update(struct agw_reception *r, struct agw_dir_counters *d, uint32_t ssrc,
			  uint16_t seq, uint32_t ts, uint32_t clock_hz, uint64_t now_us)
{
	bool changed = r->started && r->ssrc != ssrc;
	uint16_t ahead = (uint16_t)(seq - r->max_seq);
	uint64_t expected;

	if (!r->started || changed) {
		agw_mark(&d->first_in_ms, now_us / 1000, false);
		start(r, ssrc, seq, agw_counter_read(&d->lost));
		atomic_store_explicit(&d->ssrc, ssrc, memory_order_relaxed);
	} else if (ahead != 0 && ahead < 0x8000) {
		if (seq < r->max_seq)
			r->cycles += 0x10000;
		r->max_seq = seq;
	}
	r->received++;
	if (clock_hz != 0 && clock_hz <= CLOCK_MAX_HZ) {
		measure_jitter(r, ts, clock_hz, now_us);
		atomic_store_explicit(&d->jitter, r->jitter_q4 >> 4, memory_order_relaxed);
	}
	expected = (uint64_t)r->cycles + r->max_seq - r->base_seq + 1;
	atomic_store_explicit(
	    &d->lost, r->lost_before + (expected > r->received ? expected - r->received : 0),
	    memory_order_relaxed);
	return changed;
}

static void read_dir(const struct agw_dir_counters *d, struct agw_dir_stats *out)
{
	out->rtp_packets = atomic_load_explicit(&d->rtp_packets, memory_order_relaxed);
	out->rtp_octets = atomic_load_explicit(&d->rtp_octets, memory_order_relaxed);
	out->rtcp_packets = atomic_load_explicit(&d->rtcp_packets, memory_order_relaxed);
	for (int i = 0; i < AGW_DROP_COUNT; i++)
		out->drops[i] = atomic_load_explicit(&d->drops[i], memory_order_relaxed);
	out->lost = atomic_load_explicit(&d->lost, memory_order_relaxed);
	out->last_seen_ms = atomic_load_explicit(&d->last_seen_ms, memory_order_relaxed);
	out->first_in_ms = agw_counter_read(&d->first_in_ms);
	out->first_out_ms = agw_counter_read(&d->first_out_ms);
	out->discontinuities = atomic_load_explicit(&d->discontinuities, memory_order_relaxed);
	out->jitter = atomic_load_explicit(&d->jitter, memory_order_relaxed);
	out->ssrc = atomic_load_explicit(&d->ssrc, memory_order_relaxed);
	out->rtt_us = atomic_load_explicit(&d->rtt_us, memory_order_relaxed);
	out->far_lost = atomic_load_explicit(&d->far_lost, memory_order_relaxed);
	out->far_jitter = atomic_load_explicit(&d->far_jitter, memory_order_relaxed);
	out->mos_x100 = atomic_load_explicit(&d->mos_x100, memory_order_relaxed);
	out->made_rtcp = atomic_load_explicit(&d->made_rtcp, memory_order_relaxed);
	out->nacked = agw_counter_read(&d->nacked);
	out->resent = agw_counter_read(&d->resent);
	out->oversize = agw_counter_read(&d->oversize);
}

void agw_counters_read(const struct agw_counters *c, struct agw_stream_stats *out)
{
	read_dir(&c->up, &out->up);
	read_dir(&c->down, &out->down);
	out->stun_requests = atomic_load_explicit(&c->stun_requests, memory_order_relaxed);
	out->stun_errors_sent = atomic_load_explicit(&c->stun_errors, memory_order_relaxed);
	out->dtls_packets = atomic_load_explicit(&c->dtls_packets, memory_order_relaxed);
	out->rtcp_removed = atomic_load_explicit(&c->rtcp_removed, memory_order_relaxed);
	out->ice_first_check_ms = agw_counter_read(&c->ice_first_check_ms);
	out->ice_connected_ms = agw_counter_read(&c->ice_connected_ms);
	out->dtls_started_ms = agw_counter_read(&c->dtls_started_ms);
	out->dtls_established_ms = agw_counter_read(&c->dtls_established_ms);
}
