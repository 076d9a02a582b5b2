/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The stream table: one entry per m-line pair, with the index on each leg (SDP-12). A round works
 * on a deep copy; entries are only ever appended, so an index names the same stream in both.
 * Thread: the cscf loop.
 */
#include "cscf/sdp/sdp_int.h"

bool sdp_copy(char *out, size_t n, struct gw_slice s)
{
	out[0] = '\0';
	if (s.n >= n)
		return false;
	if (s.n > 0)
		memcpy(out, s.p, s.n);
	out[s.n] = '\0';
	return true;
}

void sdp_words_set(struct sdp_words *w, const struct sdp_sect *m)
{
	struct gw_slice fmt = GW_SLICE_NONE;
	size_t cursor = 0;

	(void)sdp_copy(w->media, sizeof(w->media), m->media);
	(void)sdp_copy(w->proto, sizeof(w->proto), m->proto);
	(void)sdp_token_next(m->fmts, &cursor, &fmt);
	(void)sdp_copy(w->fmt, sizeof(w->fmt), fmt);
}

static void stream_free(struct sdp_stream *s)
{
	if (s == NULL)
		return;
	sdp_fmts_free(&s->fmts);
	sdp_fmts_free(&s->offered);
	explicit_bzero(s, sizeof(*s)); /* ICE passwords */
	free(s);
}

static struct sdp_stream *stream_dup(const struct sdp_stream *in)
{
	struct sdp_stream *s = malloc(sizeof(*s));

	if (s == NULL)
		return NULL;
	*s = *in;
	s->fmts = s->offered = (struct sdp_fmts){0};
	if (!sdp_fmts_dup(&s->fmts, &in->fmts) || !sdp_fmts_dup(&s->offered, &in->offered)) {
		stream_free(s);
		return NULL;
	}
	s->pub.fmts = s->fmts.v;
	return s;
}

void sdp_state_free(struct sdp_state *st)
{
	for (size_t i = 0; i < st->n; i++)
		stream_free(st->v[i]);
	free(st->v);
	*st = (struct sdp_state){0};
}

bool sdp_state_dup(struct sdp_state *out, const struct sdp_state *in)
{
	*out = *in;
	out->n = 0;
	out->v = calloc(in->n + 1, sizeof(struct sdp_stream *));
	if (out->v == NULL)
		goto fail;
	for (; out->n < in->n; out->n++) {
		out->v[out->n] = stream_dup(in->v[out->n]);
		if (out->v[out->n] == NULL)
			goto fail;
	}
	return true;
fail:
	sdp_state_free(out);
	return false;
}

struct sdp_stream *sdp_state_add(struct sdp_state *st)
{
	struct sdp_stream **v = realloc(st->v, (st->n + 1) * sizeof(struct sdp_stream *));
	struct sdp_stream *s;

	if (v == NULL)
		return NULL;
	st->v = v;
	s = calloc(1, sizeof(*s));
	if (s == NULL)
		return NULL;
	s->pub.wic_index = s->pub.core_index = -1;
	s->pub.is_new = true;
	s->pub.stream_id = st->first_id + (uint32_t)st->n;
	st->v[st->n++] = s;
	return s;
}

struct sdp_stream *sdp_state_by_wic(const struct sdp_state *st, size_t index)
{
	for (size_t i = 0; i < st->n; i++)
		if (st->v[i]->pub.wic_index == (int)index)
			return st->v[i];
	return NULL;
}

struct sdp_stream *sdp_state_by_core(const struct sdp_state *st, size_t index)
{
	for (size_t i = 0; i < st->n; i++)
		if (st->v[i]->pub.core_index == (int)index)
			return st->v[i];
	return NULL;
}

void sdp_stream_set_fmts(struct sdp_stream *s, struct sdp_fmts fmts)
{
	sdp_fmts_free(&s->fmts);
	s->fmts = fmts;
	s->pub.fmts = s->fmts.v;
	s->pub.n_fmts = s->fmts.n;
}

void sdp_stream_refuse(struct sdp_stream *s, enum cscf_sdp_verdict why)
{
	s->pub.live = false;
	s->pub.refused = why;
	s->pub.gate_uplink = s->pub.gate_downlink = false;
}

enum cscf_sdp_verdict sdp_round_verdict(const struct sdp_state *w, const struct sdp_state *before)
{
	enum cscf_sdp_verdict first = CSCF_SDP_OK;
	bool was_live = false;

	for (size_t i = 0; i < w->n; i++) {
		const struct cscf_sdp_stream *st = &w->v[i]->pub;

		if (st->live)
			return CSCF_SDP_OK;
		/* a line of another kind says less than an audio line that failed */
		if (st->refused != CSCF_SDP_OK &&
		    (first == CSCF_SDP_OK || first == CSCF_SDP_NO_MEDIA))
			first = st->refused;
	}
	for (size_t i = 0; i < before->n; i++)
		was_live = was_live || before->v[i]->pub.live;
	if (first != CSCF_SDP_OK)
		return first;
	return was_live ? CSCF_SDP_OK : CSCF_SDP_NO_MEDIA;
}
