/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How good the media is at its far end: round trips and loss as the RTCP that passes says, and
 * what a listener would make of it (RTP-26; RFC 3550 s6.4, ITU-T G.107).
 *
 * Nothing is sent for it. An SR that passed one way and is named in a report that comes back gives
 * the round trip between the gateway and that side.
 *
 * Will not: judge video, know the codec. The estimate is that of G.711 with concealment.
 * Thread: the stream's worker; counters are read by anybody.
 */
#ifndef AGW_RELAY_QUALITY_H
#define AGW_RELAY_QUALITY_H

#include "agw/relay/rtcp.h"
#include "agw/relay/stats.h"

struct agw_quality {
	struct agw_sr_seen {
		uint32_t mid;   /* middle 32 bits of its NTP time */
		bool ours;      /* made here, not received */
		uint64_t at_us; /* 0 = none yet */
	} sr[2];                /* the last one that went that way, by enum agw_rtcp_way */
};

/**
 * A checked datagram of plain RTCP came from that side.
 * @param ssrc  the sender of the media that its reports are about, as the reporter knows it
 */
void agw_quality_heard(struct agw_quality *q, enum agw_rtcp_way way, const uint8_t *p, size_t n,
		       uint32_t ssrc, uint64_t now_us, struct agw_counters *c);

/** An SR of ours goes to the WIC. */
void agw_quality_sent(struct agw_quality *q, uint32_t ntp_mid, uint64_t now_us);

/** Of both directions, from the counters; publishes mos_x100. Once a second is enough. */
void agw_quality_judge(struct agw_counters *c, uint32_t clock_hz);

/**
 * Mean opinion score of one direction by the E-model.
 * @param loss_ppm   packets lost of a million
 * @param delay_ms   mouth to ear, as far as known
 * @return 100 … 450
 */
uint32_t agw_quality_mos_x100(uint32_t loss_ppm, uint32_t delay_ms);

#endif
