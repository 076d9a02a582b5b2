/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The table of sources; see pace.h. Four places a row, 256 rows: 24 kB a worker.
 */
#include "agw/relay/pace.h"

#include <stdlib.h>
#include <string.h>

#define ROWS 256U /* a power of two */
#define WAYS 4U
#define S_US 1000000U

/* The first bit of `kind`: proven. */
enum { KIND_NONE = 0, KIND_V4 = 2, KIND_V6 = 4 };

struct source {
	uint64_t prefix; /* the IPv4 address, or the first half of an IPv6 one */
	uint64_t due_us; /* when the next one would be due, had they come evenly */
	unsigned kind;
};

struct agw_pace {
	uint64_t step_us;
	uint64_t ahead_us; /* how far `due_us` may lie before us: a second's worth at once */
	struct source at[ROWS][WAYS];
};

enum gw_err agw_pace_new(struct agw_pace **out, uint32_t per_second)
{
	struct agw_pace *p;

	if (per_second == 0 || per_second > S_US)
		return GW_ERR_INVAL;
	p = calloc(1, sizeof(*p));
	if (p == NULL)
		return GW_ERR_NOMEM;
	p->step_us = S_US / per_second;
	p->ahead_us = (per_second - 1) * p->step_us;
	*out = p;
	return GW_OK;
}

void agw_pace_free(struct agw_pace *p)
{
	free(p);
}

static void name(struct source *s, const struct gw_addr *from, bool proven)
{
	*s = (struct source){.kind = gw_addr_is_v6(from) ? KIND_V6 : KIND_V4};
	if (s->kind == KIND_V6)
		memcpy(&s->prefix, &from->u.v6.sin6_addr, sizeof(s->prefix));
	else
		s->prefix = from->u.v4.sin_addr.s_addr;
	s->kind |= proven;
}

/* Its place, or that of the one that has been quiet longest. */
static struct source *find(struct agw_pace *p, const struct source *who)
{
	uint64_t hash = (who->prefix ^ who->kind) * UINT64_C(0x9e3779b97f4a7c15);
	struct source *row = p->at[hash >> 56 & (ROWS - 1)];
	struct source *oldest = row;

	for (unsigned i = 0; i < WAYS; i++) {
		if (row[i].kind == who->kind && row[i].prefix == who->prefix)
			return &row[i];
		if (row[i].due_us < oldest->due_us)
			oldest = &row[i];
	}
	*oldest = *who;
	return oldest;
}

bool agw_pace_take(struct agw_pace *p, const struct gw_addr *from, bool proven, uint64_t now_us)
{
	struct source who, *s;

	name(&who, from, proven);
	s = find(p, &who);
	if (s->due_us > now_us + p->ahead_us)
		return false;
	s->due_us = (s->due_us > now_us ? s->due_us : now_us) + p->step_us;
	return true;
}
