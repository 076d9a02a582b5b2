/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Policing of one direction of a stream: a token bucket of the rate that was agreed (RTP-23;
 * TS 23.334 traffic policing). Octets are those of the IP packet, as b=AS counts them (RFC 3550
 * s6.2). What the bucket does not hold is dropped, not delayed.
 * Thread: the stream's worker.
 */
#ifndef AGW_RELAY_POLICE_H
#define AGW_RELAY_POLICE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* What is agreed; 0 bps = not policed. */
struct agw_rate {
	uint64_t bps;
	uint32_t burst_octets; /* 0 = what a second holds */
};

struct agw_police {
	uint64_t bps;          /* 0 = everything passes */
	uint64_t burst, level; /* in bits x 1 000 000, so that nothing is lost in rounding */
	uint64_t at_us;
	uint64_t quiet_ms; /* the overflow is told at most once until then */
};

/** Start anew with a full bucket; nothing when the rate is the same. */
void agw_police_set(struct agw_police *p, const struct agw_rate *rate, uint64_t now_us);
/** @return false: over the rate, drop it */
bool agw_police_take(struct agw_police *p, size_t octets, uint64_t now_us);

#endif
