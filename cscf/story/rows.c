/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The rows of a story in the order of time: its entries, and the moments of media that the AGW
 * told afterwards (first check, start of DTLS, first packet each way on each side).
 */
#include "cscf/story/story_int.h"

#include <stdio.h>
#include <stdlib.h>

#define MOMENTS 8 /* of one stream at most */

struct story_rows {
	size_t n;
	struct story_row row[];
};

static void add_moment(struct story_rows *r, const struct story_stream *s, uint32_t at_plus,
		       enum story_lane from, enum story_lane to, const char *label,
		       const char *what)
{
	struct story_row *row;

	if (at_plus == 0)
		return;
	row = &r->row[r->n++];
	*row = (struct story_row){.at_ms = at_plus - 1, .from = from, .to = to, .media = true};
	snprintf(row->label, sizeof(row->label), "%s", label);
	snprintf(row->detail, sizeof(row->detail), "%s stream %u %s", what, s->id,
		 s->kind != NULL ? s->kind : "");
}

static void add_moments(struct story_rows *r, const struct story_stream *s)
{
	if (!s->has_stats)
		return;
	add_moment(r, s, s->ice_check_ms, STORY_L_WIC, STORY_L_AGW, "STUN", "first ICE check");
	add_moment(r, s, s->dtls_start_ms, STORY_L_AGW, STORY_L_AGW, "DTLS", "DTLS starts");
	add_moment(r, s, s->up.first_in_ms, STORY_L_WIC, STORY_L_AGW, "RTP",
		   "first packet from the WIC");
	add_moment(r, s, s->up.first_out_ms, STORY_L_AGW, STORY_L_CORE, "RTP",
		   "first packet to the core");
	add_moment(r, s, s->down.first_in_ms, STORY_L_CORE, STORY_L_AGW, "RTP",
		   "first packet from the core");
	add_moment(r, s, s->down.first_out_ms, STORY_L_AGW, STORY_L_WIC, "RTP",
		   "first packet to the WIC");
}

static void add_gap(struct story_rows *r, const struct cscf_story_call *c, uint32_t at_ms)
{
	struct story_row *row = &r->row[r->n++];

	*row = (struct story_row){.at_ms = at_ms, .from = STORY_L_CSCF, .to = STORY_L_CSCF};
	snprintf(row->detail, sizeof(row->detail), "... %llu entries left out ...",
		 (unsigned long long)story_left_out(c));
}

/* Rows of one moment stay as they came: an insertion sort of what is nearly in order. */
static void sort(struct story_rows *r)
{
	for (size_t i = 1; i < r->n; i++) {
		struct story_row row = r->row[i];
		size_t at = i;

		while (at > 0 && r->row[at - 1].at_ms > row.at_ms) {
			r->row[at] = r->row[at - 1];
			at--;
		}
		r->row[at] = row;
	}
}

enum gw_err story_rows_new(struct story_rows **out, const struct cscf_story_call *c,
			   const struct cscf_story_view *v)
{
	size_t held = story_held(c);
	struct story_rows *r =
	    calloc(1, sizeof(*r) + (held + 1 + c->n_streams * MOMENTS) * sizeof(r->row[0]));

	*out = NULL;
	if (r == NULL)
		return GW_ERR_NOMEM;
	/* what the AGW told later happened before the entries of the same millisecond */
	for (size_t i = 0; i < c->n_streams; i++)
		add_moments(r, &c->streams[i]);
	for (size_t i = 0; i < held; i++) {
		const struct story_entry *e = story_at(c, i);

		if (i > 0 && i == story_head(c) && story_left_out(c) > 0)
			add_gap(r, c, e->at_ms);
		story_describe(&r->row[r->n++], c, e, v);
	}
	if (story_head(c) == held && story_left_out(c) > 0)
		add_gap(r, c, held > 0 ? story_at(c, held - 1)->at_ms : 0);
	sort(r);
	*out = r;
	return GW_OK;
}

void story_rows_free(struct story_rows *r)
{
	free(r);
}

size_t story_rows_count(const struct story_rows *r)
{
	return r->n;
}

const struct story_row *story_row(const struct story_rows *r, size_t i)
{
	return &r->row[i];
}
