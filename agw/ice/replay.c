/* SPDX-License-Identifier: Apache-2.0 */
/* See replay.h. */
#include "agw/ice/replay.h"

#include <string.h>

#define BITS (64U * AGW_REPLAY_WORDS)

struct places {
	uint32_t at[2];
};

/* Ids are random by the standard, and some peers count: all of it takes part. */
static struct places places(const uint8_t *txn)
{
	uint64_t a;
	uint32_t b;

	memcpy(&a, txn, sizeof(a));
	memcpy(&b, txn + sizeof(a), sizeof(b));
	a = (a ^ b * UINT64_C(0x9e3779b97f4a7c15)) * UINT64_C(0xff51afd7ed558ccd);
	a ^= a >> 29;
	return (struct places){{(uint32_t)(a >> 8) % BITS, (uint32_t)(a >> 40) % BITS}};
}

static bool has(const uint64_t *bits, uint32_t at)
{
	return (bits[at / 64] >> at % 64 & 1) != 0;
}

bool agw_ice_replay_seen(const struct agw_ice_replay *r, const uint8_t *txn)
{
	struct places p = places(txn);

	return (has(r->bits[0], p.at[0]) && has(r->bits[0], p.at[1])) ||
	       (has(r->bits[1], p.at[0]) && has(r->bits[1], p.at[1]));
}

void agw_ice_replay_add(struct agw_ice_replay *r, const uint8_t *txn)
{
	struct places p = places(txn);

	if (agw_ice_replay_seen(r, txn))
		return;
	if (r->n == AGW_REPLAY_TURN) {
		memcpy(r->bits[1], r->bits[0], sizeof(r->bits[0]));
		memset(r->bits[0], 0, sizeof(r->bits[0]));
		r->n = 0;
	}
	r->n++;
	for (unsigned i = 0; i < 2; i++)
		r->bits[0][p.at[i] / 64] |= UINT64_C(1) << p.at[i] % 64;
}
