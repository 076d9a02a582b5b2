/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A hash table with chains of the legs' own nodes. See names.h.
 */
#include "agw/relay/names.h"

#include "agw/relay/stream_int.h"
#include "common/rand.h"

#include <stdlib.h>
#include <string.h>

struct agw_names {
	uint64_t secret[2];
	uint32_t mask;
	struct agw_name *buckets[];
};

enum gw_err agw_names_new(struct agw_names **out, uint32_t max_streams)
{
	uint32_t n = agw_hash_buckets(max_streams);
	struct agw_names *t = calloc(1, sizeof(*t) + n * sizeof(t->buckets[0]));

	if (t == NULL)
		return GW_ERR_NOMEM;
	t->mask = n - 1;
	gw_rand_bytes(t->secret, sizeof(t->secret));
	*out = t;
	return GW_OK;
}

void agw_names_free(struct agw_names *t)
{
	free(t);
}

static uint32_t bucket_of(const struct agw_names *t, const void *ufrag)
{
	uint64_t v;

	_Static_assert(AGW_ICE_LOCAL_UFRAG == sizeof(v), "a ufrag of ours fills a word");
	memcpy(&v, ufrag, sizeof(v));
	return (uint32_t)agw_hash_mix(v ^ t->secret[0], t->secret[1]) & t->mask;
}

void agw_names_leave(struct agw_names *t, struct agw_leg *l)
{
	for (unsigned i = 0; i < AGW_ICE_UFRAGS; i++) {
		struct agw_name *n = &l->names[i];
		struct agw_name **at;

		if (n->leg == NULL)
			continue;
		at = &t->buckets[bucket_of(t, n->ufrag)];
		while (*at != n)
			at = &(*at)->next;
		*at = n->next;
		n->leg = NULL;
	}
}

void agw_names_enter(struct agw_names *t, struct agw_leg *l)
{
	const char *ufrags[AGW_ICE_UFRAGS];
	unsigned k = agw_ice_local_ufrags(l->ice, ufrags);

	agw_names_leave(t, l);
	for (unsigned i = 0; i < k; i++) {
		struct agw_name *n = &l->names[i];
		struct agw_name **bucket = &t->buckets[bucket_of(t, ufrags[i])];

		memcpy(n->ufrag, ufrags[i], sizeof(n->ufrag));
		n->leg = l;
		n->next = *bucket;
		*bucket = n;
	}
}

struct agw_leg *agw_names_find(const struct agw_names *t, const uint8_t *ufrag, size_t len)
{
	const struct agw_name *n;

	if (len != AGW_ICE_LOCAL_UFRAG)
		return NULL;
	n = t->buckets[bucket_of(t, ufrag)];
	while (n != NULL && memcmp(n->ufrag, ufrag, sizeof(n->ufrag)) != 0)
		n = n->next;
	return n != NULL ? n->leg : NULL;
}
