/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The bounded list of one call. How a call began and how it ended are what is asked for, so the
 * first half stays and the second half is a ring; what was between is counted.
 */
#include "cscf/story/story_int.h"

#include <stdlib.h>

#define FIRST_CAP 32U

static size_t limit_of(const struct cscf_story_call *c)
{
	return (size_t)c->st->cfg.messages_per_call;
}

size_t story_head(const struct cscf_story_call *c)
{
	size_t half = (limit_of(c) + 1) / 2;

	return c->n > limit_of(c) ? half : (size_t)c->n;
}

size_t story_held(const struct cscf_story_call *c)
{
	return c->n > limit_of(c) ? limit_of(c) : (size_t)c->n;
}

uint64_t story_left_out(const struct cscf_story_call *c)
{
	return c->n - story_held(c) + c->lost;
}

/* Where the entry with that number (from 0, ever pushed) is. */
static size_t slot(const struct cscf_story_call *c, uint64_t number)
{
	size_t limit = limit_of(c), half = (limit + 1) / 2;

	if (number < limit)
		return (size_t)number;
	return limit > half ? half + (size_t)((number - half) % (limit - half)) : half - 1;
}

struct story_entry *story_at(const struct cscf_story_call *c, size_t i)
{
	size_t head = story_head(c), held = story_held(c);

	if (i >= held)
		return NULL;
	return &c->entries[slot(c, i < head ? i : c->n - (held - i))];
}

static size_t msg_cost(const struct story_msg *m)
{
	return sizeof(*m) + ((size_t)m->n_head + m->n_body) * sizeof(m->line[0]) + 16;
}

static void clear(struct cscf_story_call *c, struct story_entry *e)
{
	struct story_lines *t = &c->st->lines;

	if (e->kind == STORY_SIP && e->msg != NULL) {
		struct story_msg *m = e->msg;

		for (size_t i = 0; i < (size_t)m->n_head + m->n_body; i++)
			story_line_put(t, m->line[i]);
		story_line_put(t, m->method);
		c->st->octets -= msg_cost(m);
		c->share -= m->share;
		free(m);
	} else if (e->kind != STORY_SIP) {
		story_line_put(t, e->is.more);
		story_line_put(t, e->is.third);
	}
	*e = (struct story_entry){.kind = STORY_STATE};
}

void story_entries_free(struct cscf_story_call *c)
{
	for (size_t i = 0; i < story_held(c); i++)
		clear(c, &c->entries[i]);
	c->st->octets -= c->cap * sizeof(c->entries[0]);
	free(c->entries);
	c->entries = NULL;
	c->cap = 0;
	c->n = 0;
}

static bool grow(struct cscf_story_call *c)
{
	size_t limit = limit_of(c);
	size_t cap = c->cap == 0 ? FIRST_CAP : c->cap * 2;
	struct story_entry *bigger;

	if (cap > limit)
		cap = limit;
	bigger = reallocarray(c->entries, cap, sizeof(*bigger));
	if (bigger == NULL)
		return false;
	c->st->octets += (cap - c->cap) * sizeof(*bigger);
	c->entries = bigger;
	c->cap = cap;
	return true;
}

struct story_entry *story_push(struct cscf_story_call *c, enum story_kind kind)
{
	/* only a live one stays while room is made */
	bool room = c->place == STORY_LIVE ? story_make_room(c->st) : !story_is_full(c->st);
	struct story_entry *e;

	if (!room || (c->n >= c->cap && c->cap < limit_of(c) && !grow(c))) {
		c->lost++;
		c->st->left_out++;
		return NULL;
	}
	e = &c->entries[slot(c, c->n)];
	if (c->n >= limit_of(c)) {
		clear(c, e);
		c->st->left_out++;
	}
	c->n++;
	*e = (struct story_entry){.kind = (uint8_t)kind,
				  .at_ms = (uint32_t)(story_now_ms(c->st) - c->began_ms)};
	return e;
}
