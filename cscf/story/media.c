/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The streams of a call as its story ends with them: codecs, gates, and what the AGW counted and
 * timed. The AGW tells times as ages, since clocks are not compared; here they become
 * milliseconds of the story.
 */
#include "cscf/story/story_int.h"

#include "proto/iq_codec.h"

#include <stdio.h>
#include <stdlib.h>

struct story_stream *story_stream_of(struct cscf_story_call *c, uint32_t id)
{
	struct story_stream *bigger;

	for (size_t i = 0; i < c->n_streams; i++)
		if (c->streams[i].id == id)
			return &c->streams[i];
	if (c->n_streams >= STORY_STREAMS)
		return NULL;
	bigger = reallocarray(c->streams, c->n_streams + 1, sizeof(*bigger));
	if (bigger == NULL)
		return NULL;
	c->st->octets += sizeof(*bigger);
	c->streams = bigger;
	bigger[c->n_streams] = (struct story_stream){.id = id};
	return &bigger[c->n_streams++];
}

void story_streams_free(struct cscf_story_call *c)
{
	struct story_lines *t = &c->st->lines;

	for (size_t i = 0; i < c->n_streams; i++) {
		const struct story_stream *s = &c->streams[i];

		story_line_put(t, s->codecs);
		story_line_put(t, s->profile);
		story_line_put(t, s->version);
		story_line_put(t, s->local);
		story_line_put(t, s->remote);
		story_line_put(t, s->core);
	}
	c->st->octets -= c->n_streams * sizeof(c->streams[0]);
	free(c->streams);
	c->streams = NULL;
	c->n_streams = 0;
}

static void set_line(struct cscf_story_call *c, struct story_line **to, const char *text)
{
	struct story_line *l = story_line_str(&c->st->lines, text);

	if (l == NULL)
		return; /* what was known stays */
	story_line_put(&c->st->lines, *to);
	*to = l;
}

void cscf_story_gates(struct cscf_story_call *c, IqStreamRequest *const *streams, size_t n)
{
	for (size_t i = 0; c != NULL && i < n; i++) {
		const IqStreamRequest *r = streams[i];
		struct story_stream *s = story_stream_of(c, r->stream_id);
		struct story_entry *e;

		if (s == NULL || r->gate == NULL ||
		    (s->gates_known && s->gate_up == (bool)r->gate->uplink &&
		     s->gate_down == (bool)r->gate->downlink))
			continue;
		s->gates_known = true;
		s->gate_up = r->gate->uplink;
		s->gate_down = r->gate->downlink;
		e = story_push(c, STORY_GATE);
		if (e == NULL)
			continue;
		e->side = CSCF_STORY_AGW;
		e->number = s->id;
		e->flag = s->gate_up;
		e->in = s->gate_down;
	}
}

void cscf_story_stream(struct cscf_story_call *c, const struct cscf_story_stream *stream)
{
	struct story_stream *s = c != NULL ? story_stream_of(c, stream->id) : NULL;

	if (s == NULL)
		return;
	s->kind = stream->kind;
	s->dtls = stream->dtls;
	s->live = stream->live;
	set_line(c, &s->codecs, stream->codecs);
}

/* ---- what the AGW tells ------------------------------------------------------------------------
 */

/* An age plus 1, 0 = never, into the time of the story plus 1. */
static uint32_t when(const struct cscf_story_call *c, uint32_t age_plus)
{
	uint64_t now = story_now_ms(c->st) - c->began_ms;

	if (age_plus == 0)
		return 0;
	return now >= age_plus - 1U ? (uint32_t)(now - (age_plus - 1U)) + 1U : 1U;
}

static void take_direction(const struct cscf_story_call *c, struct story_dir *out,
			   const IqDirectionStats *d)
{
	if (d == NULL)
		return;
	*out = (struct story_dir){
	    .packets = d->rtp_packets,
	    .octets = d->rtp_octets,
	    .lost = d->lost,
	    .jitter = d->jitter_rtp_units,
	    .rtt_us = d->far_rtt_us,
	    .mos_x100 = d->mos_x100,
	    .dropped = d->drops_gate + d->drops_source + d->drops_payload_type +
		       d->drops_malformed + d->drops_srtp_auth + d->drops_srtp_replay +
		       d->drops_not_keyed + d->drops_policed + d->drops_other,
	    .first_in_ms = when(c, d->first_in_ms),
	    .first_out_ms = when(c, d->first_out_ms),
	};
}

static void take_address(struct cscf_story_call *c, struct story_line **to, const IqAddress *a)
{
	char text[96];

	if (a == NULL || a->ip[0] == '\0')
		return;
	snprintf(text, sizeof(text), strchr(a->ip, ':') != NULL ? "[%s]:%u" : "%s:%u", a->ip,
		 a->port);
	set_line(c, to, text);
}

void cscf_story_stats(struct cscf_story_call *c, IqStreamStats *const *stats, size_t n, bool final)
{
	for (size_t i = 0; c != NULL && i < n; i++) {
		const IqStreamStats *in = stats[i];
		struct story_stream *s = story_stream_of(c, in->stream_id);

		if (s == NULL)
			continue;
		s->has_stats = true;
		s->final = final;
		s->stats_ms = (uint32_t)(story_now_ms(c->st) - c->began_ms);
		take_direction(c, &s->up, in->uplink);
		take_direction(c, &s->down, in->downlink);
		s->ice_check_ms = when(c, in->ice_first_check_ms);
		s->ice_up_ms = when(c, in->ice_connected_ms);
		s->dtls_start_ms = when(c, in->dtls_started_ms);
		s->dtls_up_ms = when(c, in->dtls_established_ms);
		set_line(c, &s->profile, in->srtp_profile);
		set_line(c, &s->version, in->dtls_version);
		take_address(c, &s->local, in->selected_local);
		take_address(c, &s->remote, in->selected_remote);
		take_address(c, &s->core, in->core_remote);
	}
}
