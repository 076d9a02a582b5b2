/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the book of lite_int.h says: which sources are valid, which names are ours. Changes nothing.
 * Thread: the owning worker.
 */
#include "agw/ice/lite_int.h"

unsigned agw_lite_local_ufrags(const struct agw_ice *ice, const char *out[AGW_ICE_UFRAGS])
{
	const struct lite *l = (const struct lite *)ice; /* base is the first member */
	const struct generation *gens[AGW_ICE_UFRAGS] = {&l->cur, &l->prev, &l->used};
	unsigned n = 0;

	for (size_t i = 0; i < AGW_ICE_UFRAGS; i++)
		if (gens[i]->valid)
			out[n++] = gens[i]->local.ufrag;
	return n;
}

static bool generation_counts(const struct lite *l, uint32_t number)
{
	return number + 1 >= l->base.generation || (l->used.valid && number == l->used.number);
}

bool agw_lite_is_valid_source(const struct agw_ice *ice, unsigned local, const struct gw_addr *from)
{
	const struct lite *l = (const struct lite *)ice;

	for (size_t i = 0; i < SOURCE_MAX; i++) {
		const struct source *s = &l->sources[i];

		if (s->used && s->pair.local == local && generation_counts(l, s->generation) &&
		    gw_addr_eq(&s->pair.remote, from))
			return true;
	}
	return false;
}
