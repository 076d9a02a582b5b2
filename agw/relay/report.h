/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the gateway sends of its own where a side is silent:
 *
 *   to the WIC   reports, where the core sends no RTCP at all, so that the browser's statistics and
 *                bandwidth control work (RTCP-10): an SR under the core's SSRC while its media
 *                flows, else an RR; about the WIC's media as it came here
 *   to the core  a sign of life, where nothing came from the WIC for media.keepalive (RTP-18): an
 *                RR, or where the core has RTCP off an empty RTP packet (TS 24.229 K.5.2.1)
 *
 *   to the WIC   a PLI, where the controller says so: the core asked by SIP (RTCP-24)
 *
 * Both reports end as soon as the side speaks for itself. Audio at most every 5 s, video every
 * second (RTCP-12). Looked at once a second by agw_stream_sweep; packets are not touched.
 *
 * Thread: the stream's worker.
 */
#ifndef AGW_RELAY_REPORT_H
#define AGW_RELAY_REPORT_H

#include <stdint.h>

struct agw_stream;

#define AGW_CNAME_LEN 16 /* 96 random bits (RFC 7022) */

struct agw_reports {
	uint32_t ssrc; /* ours, where we are no sender; 0 = not chosen yet */
	uint16_t seq;  /* of empty RTP */
	/* What had been relayed each way when last looked, and since when it stands. */
	uint64_t relayed_up, relayed_down_rtcp;
	uint64_t up_quiet_ms, down_quiet_ms;
	uint64_t sent_ms[2]; /* our last one, by enum agw_rtcp_way */
	/* Fraction lost is since the last report (RFC 3550 A.3), by enum agw_rtcp_way. */
	uint32_t expected_prior[2], received_prior[2];
	/* An SR counts packets since its SSRC began. */
	uint32_t sr_ssrc;
	uint64_t base_packets, base_octets;
};

void agw_reports_start(struct agw_stream *s);
void agw_reports_sweep(struct agw_stream *s);
/** Ask the WIC for a picture (RFC 4585 s6.3.1), where it takes PLI and none was just sent. */
void agw_reports_ask_picture(struct agw_stream *s);

#endif
