/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Counters of one stream: written by its worker, read by anybody. One writer, so an increment is
 * a relaxed load and store, as cheap as a plain one.
 */
#ifndef AGW_RELAY_STATS_H
#define AGW_RELAY_STATS_H

#include "agw/relay/stream_params.h"

#include <stdatomic.h>

struct agw_dir_counters {
	_Atomic uint64_t rtp_packets;
	_Atomic uint64_t rtp_octets;
	_Atomic uint64_t rtcp_packets;
	_Atomic uint64_t drops[AGW_DROP_COUNT];
	_Atomic uint64_t lost;
	_Atomic uint64_t last_seen_ms;
	_Atomic uint64_t first_in_ms;
	_Atomic uint64_t first_out_ms;
	_Atomic uint64_t discontinuities;
	_Atomic uint32_t jitter;
	_Atomic uint32_t ssrc;
	/* as the receiver of that direction reports it (quality.h) */
	_Atomic uint32_t rtt_us;
	_Atomic uint32_t far_lost;
	_Atomic uint32_t far_jitter;
	_Atomic uint32_t mos_x100;
	_Atomic uint32_t made_rtcp; /* sent by us, not relayed (report.h) */
	_Atomic uint64_t nacked;    /* asked for again by the receiver (resend.h) */
	_Atomic uint64_t resent;
	_Atomic uint64_t oversize; /* RTP sent in IP packets larger than Ethernet takes (RTP-22) */
};

struct agw_counters {
	struct agw_dir_counters up;
	struct agw_dir_counters down;
	_Atomic uint64_t stun_requests;
	_Atomic uint64_t stun_errors;
	_Atomic uint64_t dtls_packets;
	_Atomic uint64_t rtcp_removed;
	_Atomic uint64_t ice_first_check_ms;
	_Atomic uint64_t ice_connected_ms;
	_Atomic uint64_t dtls_started_ms;
	_Atomic uint64_t dtls_established_ms;
};

/* Reception of the current SSRC of one direction (RFC 3550 A.1, A.3, A.8); worker's own. */
struct agw_reception {
	uint32_t ssrc;
	uint16_t max_seq;
	uint32_t cycles;
	uint32_t base_seq;
	uint64_t received;
	uint64_t lost_before; /* of the SSRCs before this one */
	uint32_t transit;
	uint32_t jitter_q4; /* scaled by 16, as in A.8 */
	bool started;
};

static inline void agw_count(_Atomic uint64_t *c, uint64_t by)
{
	atomic_store_explicit(c, atomic_load_explicit(c, memory_order_relaxed) + by,
			      memory_order_relaxed);
}

static inline uint64_t agw_counter_read(const _Atomic uint64_t *c)
{
	return atomic_load_explicit(c, memory_order_relaxed);
}

/** A time that is told once, or anew with `again`. */
static inline void agw_mark(_Atomic uint64_t *at, uint64_t now_ms, bool again)
{
	if (again || agw_counter_read(at) == 0)
		atomic_store_explicit(at, now_ms, memory_order_relaxed);
}

/**
 * Account one accepted RTP packet.
 * @param clock_hz 0 = do not measure jitter
 * @return true when the SSRC differs from the one before (not for the first)
 */
bool agw_reception_update(struct agw_reception *r, struct agw_dir_counters *d, uint32_t ssrc,
			  uint16_t seq, uint32_t ts, uint32_t clock_hz, uint64_t now_us);

/** Copy the counters; any thread. Fields not counted here are left alone. */
void agw_counters_read(const struct agw_counters *c, struct agw_stream_stats *out);

#endif
