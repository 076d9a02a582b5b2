/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Transactions of good checks that were seen. A check proves who made it, not who sends it:
 * recorded and sent again from elsewhere it would move a call's media there. So one from an address
 * that is not known yet must be a new one.
 *
 * Two Bloom filters take turns, half a kilobyte a stream: what came in the last 400 checks at least
 * (a browser sends one in 2.5 s) is remembered. A new check is taken for an old one at times; the
 * peer makes another in a moment. Thread: the stream's worker.
 */
#ifndef AGW_ICE_REPLAY_H
#define AGW_ICE_REPLAY_H

#include <stdbool.h>
#include <stdint.h>

#define AGW_REPLAY_WORDS 32 /* 2048 bits each */
#define AGW_REPLAY_TURN  400

struct agw_ice_replay { /* all zero = nothing seen */
	uint64_t bits[2][AGW_REPLAY_WORDS];
	uint32_t n; /* in bits[0], which is being filled */
};

/** @param txn the 12 octets of a transaction id (RFC 8489 s5) */
bool agw_ice_replay_seen(const struct agw_ice_replay *r, const uint8_t *txn);
void agw_ice_replay_add(struct agw_ice_replay *r, const uint8_t *txn);

#endif
