/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Handle table: a growing array of slots with a free list. See handle.h.
 */
#include "common/handle.h"

#include <stdbool.h>
#include <stdlib.h>

#define FIRST_SLOTS 64U
#define NO_SLOT     UINT32_MAX

struct slot {
	void *object;  /* borrowed; NULL when free */
	uint32_t gen;  /* of the object now in the slot, or of the next one */
	uint32_t next; /* next free slot; only when free */
};

struct gw_handle_table {
	struct slot *slots; /* owned */
	uint32_t n_slots;
	uint32_t max_live;
	uint32_t n_live;
	uint32_t free_head;
};

enum gw_err gw_handle_table_new(struct gw_handle_table **out, uint32_t max_live)
{
	struct gw_handle_table *t;

	if (max_live == 0 || max_live == NO_SLOT)
		return GW_ERR_INVAL;
	t = calloc(1, sizeof(*t));
	if (t == NULL)
		return GW_ERR_NOMEM;
	t->max_live = max_live;
	t->free_head = NO_SLOT;
	*out = t;
	return GW_OK;
}

void gw_handle_table_free(struct gw_handle_table *t)
{
	if (t == NULL)
		return;
	free(t->slots);
	free(t);
}

static enum gw_err grow(struct gw_handle_table *t)
{
	uint32_t n = t->n_slots == 0 ? FIRST_SLOTS : t->n_slots * 2U;
	struct slot *slots;

	if (n > t->max_live || n < t->n_slots)
		n = t->max_live;
	if (n <= t->n_slots)
		return GW_ERR_LIMIT;
	slots = realloc(t->slots, (size_t)n * sizeof(*slots));
	if (slots == NULL)
		return GW_ERR_NOMEM;
	for (uint32_t i = n; i-- > t->n_slots;) {
		slots[i] = (struct slot){.object = NULL, .gen = 1, .next = t->free_head};
		t->free_head = i;
	}
	t->slots = slots;
	t->n_slots = n;
	return GW_OK;
}

enum gw_err gw_handle_add(struct gw_handle_table *t, void *object, gw_handle *out)
{
	struct slot *s;
	uint32_t i;

	if (object == NULL)
		return GW_ERR_INVAL;
	if (t->free_head == NO_SLOT) {
		enum gw_err err = grow(t);

		if (err != GW_OK)
			return err;
	}
	i = t->free_head;
	s = &t->slots[i];
	t->free_head = s->next;
	s->object = object;
	t->n_live++;
	*out = ((gw_handle)s->gen << 32) | i;
	return GW_OK;
}

static struct slot *slot_of(const struct gw_handle_table *t, gw_handle h)
{
	uint32_t i = (uint32_t)(h & UINT32_MAX);
	uint32_t gen = (uint32_t)(h >> 32);

	if (i >= t->n_slots || t->slots[i].gen != gen || t->slots[i].object == NULL)
		return NULL;
	return &t->slots[i];
}

void *gw_handle_find(const struct gw_handle_table *t, gw_handle h)
{
	struct slot *s = slot_of(t, h);

	return s != NULL ? s->object : NULL;
}

void gw_handle_del(struct gw_handle_table *t, gw_handle h)
{
	struct slot *s = slot_of(t, h);

	if (s == NULL)
		return;
	s->object = NULL;
	s->gen = s->gen == UINT32_MAX ? 1 : s->gen + 1; /* 0 would make handle 0 possible */
	s->next = t->free_head;
	t->free_head = (uint32_t)(s - t->slots);
	t->n_live--;
}

size_t gw_handle_count(const struct gw_handle_table *t)
{
	return t->n_live;
}

void *gw_handle_next(const struct gw_handle_table *t, uint32_t *cursor)
{
	while (*cursor < t->n_slots) {
		struct slot *s = &t->slots[(*cursor)++];

		if (s->object != NULL)
			return s->object;
	}
	return NULL;
}
