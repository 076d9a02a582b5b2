/* SPDX-License-Identifier: Apache-2.0 */
/* A story as JSON: the same as the text, with everything that is a number as one. */
#include "cscf/story/story_int.h"

#include "common/plain.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void set(json_t *o, const char *name, json_t *value)
{
	(void)json_object_set_new(o, name, value);
}

json_t *story_json_text(const char *text)
{
	char *copy = strdup(text);
	json_t *j;

	if (copy == NULL)
		return NULL;
	gw_plain_text(copy, false);
	j = json_string(copy);
	free(copy);
	return j;
}

static void set_text(json_t *o, const char *name, const char *text)
{
	if (text != NULL && text[0] != '\0')
		set(o, name, story_json_text(text));
}

/* at_plus: 0 = never, told as null */
static void set_at(json_t *o, const char *name, uint32_t at_plus)
{
	set(o, name, at_plus != 0 ? json_integer((json_int_t)at_plus - 1) : json_null());
}

static json_t *lines(const struct story_msg *m, const struct cscf_story_view *v)
{
	static char text[2 * STORY_LINE_MAX];
	json_t *list = json_array();

	for (size_t i = 0; i < (size_t)m->n_head + m->n_body; i++) {
		story_say(v, story_line_text(m->line[i]), text, sizeof(text));
		if (i == m->n_head)
			(void)json_array_append_new(list, json_string(""));
		(void)json_array_append_new(list, story_json_text(text));
	}
	return list;
}

static void add_sip(json_t *o, const struct story_entry *e, const struct cscf_story_view *v)
{
	const struct story_msg *m = e->msg;

	set_text(o, "side", e->side == CSCF_SIP_W2 ? "w2" : "mw");
	set_text(o, "way", e->in ? "in" : "out");
	set_text(o, "method", story_line_text(m->method));
	set(o, "cseq", json_integer(m->cseq));
	set(o, "repeats", json_integer(m->repeats));
	if (m->status != 0)
		set(o, "status", json_integer(m->status));
	if (v->full)
		set(o, "message", lines(m, v));
}

static void add_kind(json_t *o, const struct story_entry *e, const struct cscf_story_view *v)
{
	static const char *const kinds[] = {
	    [STORY_SIP] = "sip",     [STORY_REFUSED] = "refused", [STORY_STATE] = "state",
	    [STORY_TIMER] = "timer", [STORY_NOTE] = "note",       [STORY_IQ] = "iq",
	    [STORY_EVENT] = "event", [STORY_GATE] = "gate",       [STORY_RELEASE] = "release"};

	set_text(o, "what", kinds[e->kind]);
	switch ((enum story_kind)e->kind) {
	case STORY_SIP:
		add_sip(o, e, v);
		break;
	case STORY_IQ:
		set_text(o, "name", e->is.word);
		set_text(o, "agw", story_line_text(e->is.more));
		set_text(o, "error", story_line_text(e->is.third));
		if (e->in)
			set(o, "took_ms", json_integer(e->number));
		break;
	case STORY_EVENT:
		set_text(o, "name", e->is.word);
		set(o, "stream", json_integer(e->number));
		set_text(o, "cause", story_line_text(e->is.third));
		break;
	case STORY_GATE:
		set(o, "stream", json_integer(e->number));
		set(o, "uplink", json_boolean(e->flag));
		set(o, "downlink", json_boolean(e->in));
		break;
	case STORY_REFUSED:
		set(o, "status", json_integer(e->number));
		set_text(o, "name", e->is.word);
		break;
	case STORY_STATE:
	case STORY_TIMER:
	case STORY_NOTE:
	case STORY_RELEASE:
		set_text(o, "name", e->is.word);
		break;
	}
}

static json_t *row_json(const struct story_row *row, const struct cscf_story_view *v)
{
	static const char *const names[] = {"wic", "epcscf", "agw", "core"};
	json_t *o = json_object(), *more;

	set(o, "ms", json_integer(row->at_ms));
	if (row->e != NULL)
		add_kind(o, row->e, v);
	else
		set_text(o, "what", row->media ? "media" : "gap");
	set_text(o, "from", names[row->from]);
	set_text(o, "to", names[row->to]);
	set_text(o, "says", row->detail);
	if (row->n_more == 0)
		return o;
	more = json_array();
	for (size_t i = 0; i < row->n_more; i++)
		(void)json_array_append_new(more, story_json_text(row->more[i]));
	set(o, "more", more);
	return o;
}

static json_t *direction_json(const struct story_dir *d)
{
	json_t *o =
	    json_pack("{s:I, s:I, s:I, s:I, s:I}", "packets", (json_int_t)d->packets, "octets",
		      (json_int_t)d->octets, "lost", (json_int_t)d->lost, "dropped",
		      (json_int_t)d->dropped, "jitter_rtp_units", (json_int_t)d->jitter);

	if (d->rtt_us != 0)
		set(o, "rtt_ms", json_real(d->rtt_us / 1000.0));
	if (d->mos_x100 != 0)
		set(o, "mos", json_real(d->mos_x100 / 100.0));
	set_at(o, "first_in_ms", d->first_in_ms);
	set_at(o, "first_out_ms", d->first_out_ms);
	return o;
}

static json_t *stream_json(const struct story_stream *s)
{
	json_t *o = json_object();

	set(o, "stream", json_integer(s->id));
	set_text(o, "media", s->kind);
	set_text(o, "codecs", story_line_text(s->codecs));
	set_text(o, "dtls_role", s->dtls);
	if (s->gates_known) {
		set(o, "gate_uplink", json_boolean(s->gate_up));
		set(o, "gate_downlink", json_boolean(s->gate_down));
	}
	if (!s->has_stats)
		return o;
	set(o, "final", json_boolean(s->final));
	set(o, "uplink", direction_json(&s->up));
	set(o, "downlink", direction_json(&s->down));
	set_at(o, "ice_first_check_ms", s->ice_check_ms);
	set_at(o, "ice_nominated_ms", s->ice_up_ms);
	set_at(o, "dtls_started_ms", s->dtls_start_ms);
	set_at(o, "dtls_up_ms", s->dtls_up_ms);
	set_text(o, "dtls_version", story_line_text(s->version));
	set_text(o, "srtp_profile", story_line_text(s->profile));
	set_text(o, "ice_local", story_line_text(s->local));
	set_text(o, "ice_remote", story_line_text(s->remote));
	set_text(o, "core_remote", story_line_text(s->core));
	return o;
}

static void add_head(json_t *o, const struct cscf_story_call *c, const struct cscf_story_view *v)
{
	char text[300];

	if (c->id != GW_HANDLE_NONE)
		snprintf(text, sizeof(text), "%llu", (unsigned long long)c->id);
	else
		snprintf(text, sizeof(text), "r%llu", (unsigned long long)c->serial);
	set_text(o, "id", text);
	set_text(o, "call_id", story_line_text(c->call_id));
	set_text(o, "icid", story_line_text(c->icid));
	story_say(v, story_line_text(c->impu), text, sizeof(text));
	set_text(o, "impu", text);
	set_text(o, "direction", c->from_wic ? "from-wic" : "to-wic");
	set(o, "live", json_boolean(c->place == STORY_LIVE));
	set_text(o, "state", c->state);
	set(o, "began_unix_ms", json_integer((json_int_t)c->began_wall_ms));
	set_at(o, "answered_ms", c->answered_ms);
	set_at(o, "ended_ms", c->ended_ms);
	set(o, "status", json_integer(c->status));
	story_outcome(c, text, sizeof(text));
	set_text(o, "outcome", text);
	set_text(o, "cause", c->cause);
	set_text(o, "verdict", c->verdict);
	set_text(o, "reason", c->reason);
	set_text(o, "refused", c->why);
	if (c->cause != NULL)
		set_text(o, "ended_by", story_who_name(c->by));
	set(o, "left_out", json_integer((json_int_t)story_left_out(c)));
}

json_t *cscf_story_json(const struct cscf_story_call *c, const struct cscf_story_view *v)
{
	json_t *o = json_object(), *events = json_array(), *streams = json_array();
	struct story_rows *rows;

	add_head(o, c, v);
	if (story_rows_new(&rows, c, v) == GW_OK) {
		for (size_t i = 0; i < story_rows_count(rows); i++)
			(void)json_array_append_new(events, row_json(story_row(rows, i), v));
		story_rows_free(rows);
	}
	for (size_t i = 0; i < c->n_streams; i++)
		(void)json_array_append_new(streams, stream_json(&c->streams[i]));
	set(o, "events", events);
	set(o, "streams", streams);
	return o;
}
