/* SPDX-License-Identifier: Apache-2.0 */
/*
 * SSRCs from the core as the WIC sees them: passed through, until the core reuses one in a way
 * that would make SRTP use an index, and so a key stream, twice. Then the sender gets a new SSRC
 * of ours (SRTP-09, RTP-09; RFC 3711 s9.1). Bounded: the oldest idle one makes room, and from
 * then on every newcomer gets an SSRC of ours, since nobody remembers what was used.
 * Thread: the stream's worker.
 */
#ifndef AGW_RELAY_SSRC_H
#define AGW_RELAY_SSRC_H

#include "common/err.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define AGW_SSRC_MAX 8

struct agw_ssrc_entry {
	uint32_t in;  /* as the core sends it */
	uint32_t out; /* as the WIC sees it */
	uint64_t seen_ms;
	uint32_t max_ts; /* of max_seq */
	uint16_t max_seq;
	uint16_t expect; /* seq that would confirm a discontinuity */
	bool used;
	bool has_seq; /* RTP was seen, not only RTCP */
	bool has_expect;
	bool new_source; /* the sender may be another one: trust no continuity */
};

struct agw_ssrc_table {
	struct agw_ssrc_entry entries[AGW_SSRC_MAX];
	bool rewrite_new; /* something was forgotten: newcomers get an SSRC of ours */
	bool mapped;      /* some entry has in != out */
	/* An SSRC of sending that is never used again; the caller clears the flag. */
	bool has_forgotten;
	uint32_t forgotten;
};

enum agw_ssrc_verdict {
	AGW_SSRC_PASS,
	AGW_SSRC_RENEWED, /* pass, under a new SSRC from this packet on */
	AGW_SSRC_HOLD,    /* out of sequence and not confirmed: drop */
	AGW_SSRC_FULL     /* too many senders at once: drop */
};

/**
 * An RTP packet from the core.
 * @param out the SSRC to send under
 */
enum agw_ssrc_verdict agw_ssrc_rtp(struct agw_ssrc_table *t, uint32_t in, uint16_t seq, uint32_t ts,
				   uint64_t now_ms, uint32_t *out);
/** An RTCP sender from the core. @return false when the table is full */
bool agw_ssrc_rtcp(struct agw_ssrc_table *t, uint32_t in, uint64_t now_ms, uint32_t *out);
/** Is it some sender's, here or there? */
bool agw_ssrc_knows(const struct agw_ssrc_table *t, uint32_t ssrc);
/** SSRC of the core as the WIC knows it; unchanged when unknown. */
uint32_t agw_ssrc_forth(const struct agw_ssrc_table *t, uint32_t in);
/** SSRC as the WIC knows it, back to the core's; unchanged when unknown. */
uint32_t agw_ssrc_back(const struct agw_ssrc_table *t, uint32_t out);
/** The core's source changed: the same SSRC may now be another sender (RTP-09). */
void agw_ssrc_new_source(struct agw_ssrc_table *t);
/** New keys: every index is free again. */
void agw_ssrc_reset(struct agw_ssrc_table *t);

#endif
