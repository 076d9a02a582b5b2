/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Transactions of good checks that were seen. A check proves who made it, not who sends it:
 * recorded and sent again from elsewhere it would move a call's media there. So one from an address
 * that is not known yet must be a new one.
 *
 * 32 bits of a hash of each of the last 400 (a browser sends one in 2.5 s) are kept: a fresh check
 * is taken for an old one once in ten million times. That counts: it would be one by which a WIC
 * moves, and its repetitions have the same id. Thread: the stream's worker.
 */
#ifndef AGW_ICE_REPLAY_H
#define AGW_ICE_REPLAY_H

#include <stdbool.h>
#include <stdint.h>

#define AGW_REPLAY_KEPT 400

struct agw_ice_replay { /* all zero = nothing seen */
	uint32_t seen[AGW_REPLAY_KEPT];
	uint16_t n;    /* in use */
	uint16_t next; /* place of the next one: the oldest, when all are in use */
};

/** @param txn the 12 octets of a transaction id (RFC 8489 s5) */
bool agw_ice_replay_seen(const struct agw_ice_replay *r, const uint8_t *txn);
void agw_ice_replay_add(struct agw_ice_replay *r, const uint8_t *txn);

#endif
