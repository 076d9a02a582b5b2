/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which call is meant: by the id of `call list`, a Call-ID or its beginning, a user or his
 * pseudonym of the log; or simply the last one, the last that failed.
 */
#include "cscf/story/story_int.h"

#include "cscf/sip/mask.h"

#include <stdlib.h>
#include <string.h>

#define ID_LEN 24

/* "4294967297", or "r17" for what was refused before it was a call */
static void id_text(const struct cscf_story_call *c, char out[ID_LEN])
{
	if (c->id != GW_HANDLE_NONE)
		snprintf(out, ID_LEN, "%llu", (unsigned long long)c->id);
	else
		snprintf(out, ID_LEN, "r%llu", (unsigned long long)c->serial);
}

static bool is_user(const struct cscf_story_call *c, const char *what)
{
	struct gw_slice impu = story_line_slice(c->impu);
	const struct story_entry *e = story_at(c, 0);
	const char *invite;

	if (impu.n > 0)
		return gw_slice_eq_str(impu, what) ||
		       strcmp(cscf_sip_mask_always(impu), what) == 0 ||
		       strcmp(cscf_sip_mask_always(impu),
			      cscf_sip_mask_always(gw_slice_str(what))) == 0;
	/* refused: nobody knows whose it was, but From and To say something */
	if (e == NULL || e->kind != STORY_SIP || e->msg == NULL || strchr(what, ':') == NULL)
		return false;
	for (size_t i = 1; i < e->msg->n_head; i++) {
		invite = story_line_text(e->msg->line[i]);
		if ((strncasecmp(invite, "From:", 5) == 0 || strncasecmp(invite, "To:", 3) == 0) &&
		    strstr(invite, what) != NULL)
			return true;
	}
	return false;
}

/* 0 no, 1 it begins so or is that user, 2 exactly */
static int matches(const struct cscf_story_call *c, const struct cscf_story_ask *ask)
{
	char id[ID_LEN];

	if (ask->failed && !story_has_failed(c))
		return 0;
	if (ask->what == NULL)
		return 1;
	id_text(c, id);
	if (strcmp(id, ask->what) == 0)
		return 2;
	if (gw_slice_eq_str(story_line_slice(c->call_id), ask->what))
		return 1;
	if (ask->what[0] != '\0' && gw_slice_starts(story_line_slice(c->call_id), ask->what))
		return 1;
	return is_user(c, ask->what) ? 1 : 0;
}

enum cscf_story_found cscf_story_find(const struct cscf_story *st, const struct cscf_story_ask *ask,
				      struct cscf_story_call **out)
{
	struct cscf_story_call *best = NULL;
	size_t n = 0;

	for (int place = 0; st != NULL && place < STORY_PLACES; place++)
		for (struct cscf_story_call *c = st->first[place]; c != NULL; c = c->next) {
			int how = matches(c, ask);

			if (how == 0)
				continue;
			if (how == 2) {
				*out = c;
				return CSCF_STORY_ONE;
			}
			n++;
			if (best == NULL || c->serial > best->serial)
				best = c;
		}
	*out = best;
	if (n == 0)
		return CSCF_STORY_NONE;
	return n == 1 || ask->last || ask->failed ? CSCF_STORY_ONE : CSCF_STORY_SEVERAL;
}

gw_handle cscf_story_live_id(const struct cscf_story_call *c)
{
	return c->place == STORY_LIVE ? c->id : GW_HANDLE_NONE;
}

/* ---- lists ------------------------------------------------------------------------------------
 */

static json_t *row_of(const struct cscf_story_call *c, bool mask)
{
	const char *impu =
	    mask ? cscf_sip_mask_always(story_line_slice(c->impu)) : story_line_text(c->impu);
	char id[ID_LEN], began[40], outcome[160];
	time_t t = (time_t)(c->began_wall_ms / 1000);
	struct tm tm;
	uint64_t lasted = c->ended_ms != 0 ? c->ended_ms - 1U : story_now_ms(c->st) - c->began_ms;

	id_text(c, id);
	(void)gmtime_r(&t, &tm);
	(void)strftime(began, sizeof(began), "%Y-%m-%dT%H:%M:%SZ", &tm);
	story_outcome(c, outcome, sizeof(outcome));
	return json_pack(
	    "{s:s, s:s, s:s, s:o, s:I, s:I, s:s, s:s, s:o}", "id", id, "began", began, "direction",
	    c->from_wic ? "from-wic" : "to-wic", "impu", story_json_text(impu), "lasted_ms",
	    (json_int_t)lasted, "status", (json_int_t)c->status, "cause",
	    c->why != NULL && c->cause == NULL ? c->why
	    : c->cause != NULL                 ? c->cause
					       : "",
	    "outcome", outcome, "call_id", story_json_text(story_line_text(c->call_id)));
}

static int by_serial(const void *a, const void *b)
{
	const struct cscf_story_call *const *x = a, *const *y = b;

	return (*x)->serial < (*y)->serial ? 1 : -1; /* newest first */
}

json_t *cscf_story_list(const struct cscf_story *st, const struct cscf_story_ask *ask, bool ended,
			bool mask, size_t max)
{
	json_t *list = json_array();
	const struct cscf_story_call **all;
	size_t n = 0;

	if (st == NULL || list == NULL)
		return list;
	all = calloc(st->count[STORY_LIVE] + st->count[STORY_ENDED] + st->count[STORY_TURNED_AWAY] +
			 1,
		     sizeof(*all));
	for (int place = ended ? STORY_ENDED : STORY_LIVE; all != NULL && place < STORY_PLACES;
	     place++)
		for (struct cscf_story_call *c = st->first[place]; c != NULL; c = c->next)
			if (matches(c, ask) != 0)
				all[n++] = c;
	if (all != NULL)
		qsort(all, n, sizeof(*all), by_serial);
	for (size_t i = 0; i < n && i < max; i++)
		(void)json_array_append_new(list, row_of(all[i], mask));
	free(all);
	return list;
}
