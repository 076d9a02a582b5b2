/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What protocol is a datagram of a media port? By its first octet (RFC 7983 s7), RTCP on a
 * muxed port by the second (RFC 5761 s4). RTP-01.
 * Thread: any; no state.
 */
#ifndef AGW_NET_DEMUX_H
#define AGW_NET_DEMUX_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum agw_proto {
	AGW_PROTO_STUN,
	AGW_PROTO_DTLS,
	AGW_PROTO_RTP,
	AGW_PROTO_RTCP,
	AGW_PROTO_OTHER /* ZRTP, TURN channel, nothing known: dropped */
};

/** Is this version-2 packet RTCP? Needs two octets. RFC 5761 s4: types 192..223. */
static inline bool agw_is_rtcp(const uint8_t *p)
{
	return p[1] >= 192 && p[1] <= 223;
}

static inline enum agw_proto agw_demux(const uint8_t *p, size_t n)
{
	if (n < 2)
		return AGW_PROTO_OTHER;
	if (p[0] >= 128 && p[0] <= 191)
		return agw_is_rtcp(p) ? AGW_PROTO_RTCP : AGW_PROTO_RTP;
	if (p[0] <= 3)
		return AGW_PROTO_STUN;
	if (p[0] >= 20 && p[0] <= 63)
		return AGW_PROTO_DTLS;
	return AGW_PROTO_OTHER;
}

#endif
