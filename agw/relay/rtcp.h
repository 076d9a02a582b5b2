/* SPDX-License-Identifier: Apache-2.0 */
/*
 * RTCP in passing: compound checks, the feedback filter of table 4.8 of the spec, SSRC mapping,
 * PLI/FIR conversion (RTCP-05, -06, -14, -20..-28; RFC 3550 s6.1, A.2, RFC 4585, RFC 5104).
 * Works on plain RTCP, from one buffer to another; no I/O, no clock.
 * Thread: the stream's worker.
 */
#ifndef AGW_RELAY_RTCP_H
#define AGW_RELAY_RTCP_H

#include "agw/relay/rewrite.h"
#include "agw/relay/ssrc.h"
#include "common/err.h"

/**
 * Is this one well-formed RTCP datagram?
 * @param rsize reduced-size packets are negotiated: the first need not be SR or RR
 * @return GW_OK; GW_ERR_PROTO
 */
enum gw_err agw_rtcp_check(const uint8_t *p, size_t n, bool rsize) GW_MUST_CHECK;

enum agw_rtcp_way {
	AGW_RTCP_UP,  /* WIC to core: what speaks of the core's SSRCs is mapped back */
	AGW_RTCP_DOWN /* core to WIC: the core's SSRCs are mapped */
};

struct agw_rtcp_filter {
	enum agw_rtcp_way way;
	unsigned allow;               /* enum agw_rtcp_allow of the outgoing leg */
	struct agw_ssrc_table *ssrcs; /* borrowed */
	struct agw_rewrite *rewrite; /* borrowed; then `ssrcs` is not used. NULL = passed through */
	struct agw_rewrite_view view; /* with `rewrite` */
	uint64_t now_ms;
	uint64_t *last_refresh_ms; /* of PLI/FIR sent that way; NULL = not limited (RTCP-28) */
	uint8_t *fir_seq;          /* counter for FIRs made from PLIs (RTCP-22) */
	unsigned removed;          /* out: sub-packets taken out */
	bool picture_asked; /* out: a picture was asked for, which that leg takes in no form */
};

/**
 * Copy what may pass on the outgoing leg.
 * @param in  a packet agw_rtcp_check accepted
 * @param cap octets at out; n + 8 for each sub-packet is always enough
 * @return octets at out; 0 = nothing is left to send, or too many senders (AGW_SSRC_MAX)
 */
size_t agw_rtcp_relay(struct agw_rtcp_filter *f, const uint8_t *in, size_t n, uint8_t *out,
		      size_t cap);

#endif
