/* SPDX-License-Identifier: Apache-2.0 */
/* Which packets of a checked stream came; see tally.h. */
#include "tests/wic/tally.h"

#include <stdlib.h>

#define COUNTERS_MAX (1U << 18) /* packets of one stream we can account for: 87 min */

enum gw_err wic_tally_init(struct wic_tally *t)
{
	*t = (struct wic_tally){.seen = calloc(1, COUNTERS_MAX / 8)};
	return t->seen != NULL ? GW_OK : GW_ERR_NOMEM;
}

void wic_tally_free(struct wic_tally *t)
{
	free(t->seen);
	t->seen = NULL;
}

void wic_tally_add(struct wic_tally *t, struct wic_media_stats *st, uint32_t key, uint32_t counter)
{
	uint8_t bit = (uint8_t)(1U << (counter & 7));

	if (!t->any) {
		t->any = true;
		t->key = key;
		t->first = t->last = counter;
	}
	if (key != t->key || counter >= COUNTERS_MAX) {
		st->foreign++;
		return;
	}
	if ((t->seen[counter >> 3] & bit) != 0) {
		st->duplicate++;
		return;
	}
	t->seen[counter >> 3] |= bit;
	if (counter < t->last)
		st->reordered++;
	if (counter > t->last)
		t->last = counter;
	if (counter < t->first)
		t->first = counter;
}

uint64_t wic_tally_lost(const struct wic_tally *t, uint32_t until)
{
	uint64_t lost = 0;

	for (uint32_t c = t->first; c < until && c < COUNTERS_MAX; c++)
		lost += (t->seen[c >> 3] & (1U << (c & 7))) == 0;
	return lost;
}
