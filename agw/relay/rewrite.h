/* SPDX-License-Identifier: Apache-2.0 */
/*
 * rtp.ssrc_mode rewrite: whoever the core lets speak, the WIC hears one SSRC, whose sequence
 * numbers go on by one and whose time stamps go on with the clock (RTP-09; RFC 3550 s7).
 *
 *   core: A A A A | B B B            a transfer, an announcement, another early dialog
 *   WIC:  W W W W | W W W            seq + 1, ts + elapsed time, marker on audio
 *
 * One sender is heard at a time. Another one takes its place at once when the source changed or
 * the one before said BYE; else when it is in sequence while the one before is silent. Two that
 * speak at once: the first goes on, the other is dropped and counted.
 *
 * RTCP of both ways follows (rewrite_rtcp.c). Without this mode there is the guard of ssrc.h.
 * Will not: serve several senders at once; hide losses (a gap stays a gap).
 * Thread: the stream's worker; made and freed on the control thread with its stream.
 */
#ifndef AGW_RELAY_REWRITE_H
#define AGW_RELAY_REWRITE_H

#include "agw/relay/rtp.h"
#include "agw/relay/ssrc.h"

#define AGW_REWRITE_PAST 4 /* replaced senders whose late RTCP is kept back */
#define AGW_REWRITE_SRS  4 /* sender reports a receiver may still speak of */

struct agw_rewrite {
	uint32_t out; /* the one SSRC; 0 = not chosen yet */
	uint32_t in;  /* the sender that is heard */
	bool heard;   /* there is one */
	bool new_source;
	bool ended;      /* it said BYE */
	uint16_t expect; /* of a discontinuity: what would confirm it */
	bool has_expect;

	/* Extended sequence numbers (RFC 3550 A.1); out = in + off, modulo 2^32. */
	uint32_t in_first, in_max, off;
	uint32_t ts_off;  /* time stamps: out = in + ts_off */
	uint32_t in_ts;   /* of in_max */
	uint64_t at_us;   /* when that came */
	uint64_t last_ms; /* when anything of it came */

	/* Who may be next. */
	uint32_t next;
	uint16_t next_seq;
	bool has_next;

	/* For RTCP. */
	uint32_t past[AGW_REWRITE_PAST];
	unsigned n_past;
	uint32_t sr[AGW_REWRITE_SRS]; /* middle of the NTP time of the sender's last SRs */
	unsigned n_sr;
	uint32_t wic_lost, lost_base; /* cumulative, as the WIC says; and when the sender began */
	bool lost_known;              /* lost_base is this sender's */
};

/* A packet as the WIC gets it. */
struct agw_rewritten {
	uint32_t ts;
	uint16_t seq;
	bool mark; /* set the marker: another sender begins */
};

/** The extended number of those 16 bits that is nearest to `ext`. */
static inline uint32_t agw_seq_near(uint32_t ext, uint16_t seq)
{
	uint16_t ahead = (uint16_t)(seq - (uint16_t)ext);

	return ahead < 0x8000 ? ext + ahead : ext - (0x10000U - ahead);
}

/** The SSRC the WIC hears; chosen at the first call. @param not_this the WIC's own */
uint32_t agw_rewrite_ssrc(struct agw_rewrite *w, uint32_t not_this);

/**
 * An RTP packet from the core.
 * @param clock_hz of the time stamps; 0 = not known: they just go on
 * @return AGW_SSRC_PASS; AGW_SSRC_RENEWED pass, another sender or another sequence begins;
 *         AGW_SSRC_HOLD not confirmed, or of before the change; AGW_SSRC_FULL somebody else speaks
 */
enum agw_ssrc_verdict agw_rewrite_rtp(struct agw_rewrite *w, const struct agw_rtp_view *v,
				      uint32_t clock_hz, uint32_t wic_ssrc, uint64_t now_us,
				      struct agw_rewritten *out);

static inline void agw_rewrite_put(const struct agw_rewrite *w, const struct agw_rewritten *r,
				   bool may_mark, uint8_t *p)
{
	if (r->mark && may_mark)
		p[1] |= 0x80;
	p[2] = (uint8_t)(r->seq >> 8);
	p[3] = (uint8_t)r->seq;
	agw_put32(p + 4, r->ts);
	agw_put32(p + 8, w->out);
}

/** Is that extended sequence number of the sender that is heard now, not of before it began? */
bool agw_rewrite_is_of(const struct agw_rewrite *w, uint32_t ext);

/** The core's source changed: whoever comes next is heard at once. */
void agw_rewrite_new_source(struct agw_rewrite *w);

/* ---- RTCP (rewrite_rtcp.c) ---- */

/* What RTCP needs to know besides. */
struct agw_rewrite_view {
	uint32_t wic_ssrc; /* the WIC's sender, with has_wic */
	bool has_wic;
	uint32_t packets, octets; /* sent to the WIC under `out` so far */
};

/** Does RTCP of this sender of the core still count? Not when it was replaced. */
bool agw_rewrite_accepts(const struct agw_rewrite *w, uint32_t sender);

/**
 * One sub-packet that agw_rtcp_check accepted, without padding, in place.
 * @return octets left, never more than n; 0 = nothing of it may pass
 */
size_t agw_rewrite_down(struct agw_rewrite *w, const struct agw_rewrite_view *v, uint8_t *p,
			size_t n);
size_t agw_rewrite_up(struct agw_rewrite *w, uint8_t *p, size_t n);

#endif
