/* SPDX-License-Identifier: Apache-2.0 */
/* See replay.h. */
#include "agw/ice/replay.h"

#include <string.h>

/* Ids are random by the standard, and some peers count: all of it takes part. */
static uint32_t hash(const uint8_t *txn)
{
	uint64_t a;
	uint32_t b;

	memcpy(&a, txn, sizeof(a));
	memcpy(&b, txn + sizeof(a), sizeof(b));
	a = (a ^ b * UINT64_C(0x9e3779b97f4a7c15)) * UINT64_C(0xff51afd7ed558ccd);
	a = (a ^ a >> 33) * UINT64_C(0xc4ceb9fe1a85ec53);
	return (uint32_t)(a >> 32);
}

static bool has(const struct agw_ice_replay *r, uint32_t h)
{
	for (unsigned i = 0; i < r->n; i++) {
		if (r->seen[i] == h)
			return true;
	}
	return false;
}

bool agw_ice_replay_seen(const struct agw_ice_replay *r, const uint8_t *txn)
{
	return has(r, hash(txn));
}

void agw_ice_replay_add(struct agw_ice_replay *r, const uint8_t *txn)
{
	uint32_t h = hash(txn);

	if (has(r, h))
		return;
	r->seen[r->next] = h;
	r->next = (uint16_t)((r->next + 1) % AGW_REPLAY_KEPT);
	if (r->n < AGW_REPLAY_KEPT)
		r->n++;
}
