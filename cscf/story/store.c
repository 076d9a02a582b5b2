/* SPDX-License-Identifier: Apache-2.0 */
/*
 * All stories: live, ended, and of INVITEs that were turned away; found by Call-ID; what goes
 * when there is no more room.
 * A story is live from cscf_story_begin to cscf_story_end: only then is it pointed at from
 * outside, and only then it stays whatever the room.
 */
#include "cscf/story/story_int.h"

#include "common/metric.h"

#include <stdlib.h>

#define INDEX_SIZE  8192U /* calls of one bucket are chained */
#define LINE_OCTETS 256U  /* of a line in use, about: the table has a bucket for each */
#define BUCKETS_MIN 1024U
#define BUCKETS_MAX (1U << 20)

uint64_t story_now_ms(const struct cscf_story *st)
{
	struct timespec ts;

	if (st->cfg.now_ms != NULL)
		return st->cfg.now_ms();

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000U + (uint64_t)ts.tv_nsec / 1000000U;
}

static int64_t wall_ms(const struct cscf_story *st)
{
	struct timespec ts;

	if (st->cfg.now_ms != NULL)
		return (int64_t)st->cfg.now_ms();

	clock_gettime(CLOCK_REALTIME, &ts);
	return (int64_t)ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

enum { M_CALLS, M_OCTETS, M_LEFT_OUT, M_COUNT };
static struct gw_metric metrics[M_COUNT] = {
    [M_CALLS] = {.name = "cscf_story_calls",
		 .type = GW_METRIC_GAUGE,
		 .help = "Calls that can be explained, ended ones included"},
    [M_OCTETS] = {.name = "cscf_story_octets",
		  .type = GW_METRIC_GAUGE,
		  .help = "Memory that their stories take"},
    [M_LEFT_OUT] = {.name = "cscf_story_left_out_total",
		    .help = "Entries of stories dropped, or cut to their first line, by "
			    "explain.memory or messages_per_call"},
};

enum gw_err cscf_story_new(struct cscf_story **out, const struct cscf_story_config *cfg)
{
	struct cscf_story *st;
	size_t buckets = BUCKETS_MIN;

	*out = NULL;
	if (cfg->messages_per_call == 0)
		return GW_OK;
	st = calloc(1, sizeof(*st));
	if (st == NULL)
		return GW_ERR_NOMEM;
	st->cfg = *cfg;
	while (buckets < BUCKETS_MAX && (int64_t)(buckets * LINE_OCTETS) < cfg->memory)
		buckets *= 2;
	st->n_index = INDEX_SIZE;
	st->index = calloc(st->n_index, sizeof(struct cscf_story_call *));
	if (st->index == NULL || story_lines_init(&st->lines, buckets) != GW_OK) {
		free(st->index);
		free(st);
		return GW_ERR_NOMEM;
	}
	gw_metric_register(metrics, M_COUNT);
	*out = st;
	return GW_OK;
}

void cscf_story_free(struct cscf_story *st)
{
	if (st == NULL)
		return;
	for (int place = 0; place < STORY_PLACES; place++)
		while (st->first[place] != NULL)
			story_call_free(st->first[place]);
	gw_metric_unregister(metrics);
	story_lines_fini(&st->lines);
	free(st->index);
	free(st);
}

/* ---- places: lists, oldest first ------------------------------------------------------------- */

static void join(struct cscf_story_call *c, enum story_place to)
{
	struct cscf_story *st = c->st;

	c->place = to;
	c->next = NULL;
	c->prev = st->last[to];
	if (c->prev != NULL)
		c->prev->next = c;
	else
		st->first[to] = c;
	st->last[to] = c;
	st->count[to]++;
}

static void leave(struct cscf_story_call *c)
{
	struct cscf_story *st = c->st;

	if (c->prev != NULL)
		c->prev->next = c->next;
	else
		st->first[c->place] = c->next;
	if (c->next != NULL)
		c->next->prev = c->prev;
	else
		st->last[c->place] = c->prev;
	st->count[c->place]--;
}

void story_call_move(struct cscf_story_call *c, enum story_place to)
{
	leave(c);
	join(c, to);
}

/* ---- the index ------------------------------------------------------------------------------- */

static struct cscf_story_call **bucket_of(const struct cscf_story *st, uint64_t hash)
{
	return &st->index[hash & (st->n_index - 1)];
}

static void index_del(struct cscf_story_call *c)
{
	struct cscf_story_call **at = bucket_of(c->st, c->id_hash);

	while (*at != NULL && *at != c)
		at = &(*at)->same;
	if (*at == c)
		*at = c->same;
}

struct cscf_story_call *story_by_call_id(const struct cscf_story *st, struct gw_slice call_id)
{
	uint64_t h = story_hash(&st->lines, call_id);
	struct cscf_story_call *c = *bucket_of(st, h);

	while (c != NULL &&
	       (c->id_hash != h || !gw_slice_eq(story_line_slice(c->call_id), call_id)))
		c = c->same;
	return c;
}

/* ---- one call -------------------------------------------------------------------------------- */

void story_call_free(struct cscf_story_call *c)
{
	struct story_lines *t = &c->st->lines;

	leave(c);
	index_del(c);
	story_entries_free(c);
	story_streams_free(c);
	story_line_put(t, c->call_id);
	story_line_put(t, c->caller_tag);
	for (size_t i = 0; i < STORY_TAGS; i++)
		story_line_put(t, c->tag[i]);
	story_line_put(t, c->impu);
	story_line_put(t, c->icid);
	c->st->octets -= sizeof(*c);
	gw_metric_dec(&metrics[M_CALLS]);
	free(c);
}

/* A refused call may use a part of the room only; ended ones all that live ones leave. */
static struct cscf_story_call *victim(const struct cscf_story *st)
{
	size_t ended = st->count[STORY_ENDED], away = st->count[STORY_TURNED_AWAY];

	if (away > 1 && (away > ended / STORY_REFUSED_PC || ended == 0))
		return st->first[STORY_TURNED_AWAY];
	return ended > 0 ? st->first[STORY_ENDED] : NULL;
}

bool story_is_full(const struct cscf_story *st)
{
	return (int64_t)(st->octets + st->lines.octets) > st->cfg.memory;
}

size_t story_share(const struct cscf_story *st)
{
	size_t part = (size_t)st->cfg.memory / STORY_SHARES;

	if (part < STORY_SHARE_MIN)
		return STORY_SHARE_MIN;
	return part < STORY_SHARE_MAX ? part : STORY_SHARE_MAX;
}

bool story_make_room(struct cscf_story *st)
{
	struct cscf_story_call *c;

	while (story_is_full(st) && (c = victim(st)) != NULL)
		story_call_free(c);
	return !story_is_full(st);
}

static void keep_bounds(struct cscf_story *st)
{
	size_t ended = (size_t)st->cfg.ended_calls;
	size_t away = ended / STORY_REFUSED_PC + 1;

	while (st->count[STORY_ENDED] > ended)
		story_call_free(st->first[STORY_ENDED]);
	/* the newest is perhaps being begun right now */
	while (st->count[STORY_TURNED_AWAY] > away)
		story_call_free(st->first[STORY_TURNED_AWAY]);
	(void)story_make_room(st);
	gw_metric_set(&metrics[M_OCTETS], (int64_t)(st->octets + st->lines.octets));
	gw_metric_set(&metrics[M_LEFT_OUT], (int64_t)st->left_out);
}

struct cscf_story_call *story_call_new(struct cscf_story *st, const struct cscf_sip_msg *invite,
				       bool from_wic)
{
	struct gw_slice id = cscf_sip_msg_call_id(invite);
	struct cscf_story_call *c, **bucket;

	keep_bounds(st);
	c = story_make_room(st) ? calloc(1, sizeof(*c)) : NULL;
	if (c == NULL) {
		st->left_out++;
		return NULL;
	}
	c->st = st;
	c->from_wic = from_wic;
	c->serial = ++st->serial;
	c->began_ms = story_now_ms(st);
	c->began_wall_ms = wall_ms(st);
	c->call_id = story_line_get(&st->lines, id);
	c->caller_tag = story_line_get(&st->lines, cscf_sip_msg_from_tag(invite));
	c->id_hash = story_hash(&st->lines, id);
	bucket = bucket_of(st, c->id_hash);
	c->same = *bucket;
	*bucket = c;
	st->octets += sizeof(*c);
	gw_metric_inc(&metrics[M_CALLS]);
	join(c, STORY_TURNED_AWAY);
	return c;
}

struct cscf_story_call *cscf_story_begin(struct cscf_story *st, const struct cscf_sip_msg *invite,
					 bool from_wic, gw_handle id)
{
	struct cscf_sip_via via;
	struct cscf_story_call *c;
	uint64_t branch;

	if (st == NULL || !cscf_sip_msg_top_via(invite, &via))
		return NULL;
	branch = story_hash(&st->lines, via.branch);
	for (c = story_by_call_id(st, cscf_sip_msg_call_id(invite)); c != NULL; c = c->same)
		if (c->place == STORY_TURNED_AWAY && c->from_wic == from_wic &&
		    c->branch == branch &&
		    gw_slice_eq(story_line_slice(c->call_id), cscf_sip_msg_call_id(invite)))
			break;
	if (c == NULL)
		return NULL;
	c->id = id;
	story_call_move(c, STORY_LIVE);
	return c;
}

void cscf_story_end(struct cscf_story_call *c, int status)
{
	if (c == NULL)
		return;
	if (status != 0)
		c->status = status;
	c->ended_ms = (uint32_t)(story_now_ms(c->st) - c->began_ms) + 1;
	story_call_move(c, STORY_ENDED);
	keep_bounds(c->st);
}

void cscf_story_counts(const struct cscf_story *st, struct cscf_story_counts *out)
{
	*out = (struct cscf_story_counts){0};
	if (st == NULL)
		return;
	*out = (struct cscf_story_counts){.live = st->count[STORY_LIVE],
					  .ended = st->count[STORY_ENDED],
					  .refused = st->count[STORY_TURNED_AWAY],
					  .octets = st->octets + st->lines.octets,
					  .lines = st->lines.count,
					  .left_out = st->left_out};
}
