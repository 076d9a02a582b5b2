/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Formats of an m-line: PT, encoding, feedback; the filters between the legs and the bandwidth
 * they need. The gateway adds no codec and renumbers none (SDP-20, SDP-26); fmtp stays opaque.
 * Spec: SDP-21, 22, 25, 27, 30, 41; RFC 4566 rtpmap, RFC 4585 s4, RFC 4733 s2.4.
 * Thread: the cscf loop.
 */
#include "cscf/sdp/sdp_int.h"

/* RFC 3551 table 4 and 5: encodings that need no rtpmap. */
static const struct {
	uint8_t pt, channels;
	const char *name;
	uint32_t clock_hz;
} static_pts[] = {
    {0, 1, "PCMU", 8000},   {3, 1, "GSM", 8000},   {4, 1, "G723", 8000},   {8, 1, "PCMA", 8000},
    {9, 1, "G722", 8000},   {10, 2, "L16", 44100}, {11, 1, "L16", 44100},  {13, 1, "CN", 8000},
    {15, 1, "G728", 8000},  {18, 1, "G729", 8000}, {26, 1, "JPEG", 90000}, {31, 1, "H261", 90000},
    {34, 1, "H263", 90000},
};

/* kbit/s with IPv4, UDP and RTP headers at 20 ms; IPv6 adds 8. */
static const struct {
	const char *name;
	uint32_t kbps;
} bandwidths[] = {
    {"opus", 88},   {"G722", 80}, {"PCMU", 80}, {"PCMA", 80}, {"G729", 24},
    {"AMR-WB", 41}, {"AMR", 29},  {"EVS", 42},  {"GSM", 30},
};
#define B_AS_AUDIO_DEFAULT 80
#define B_AS_VIDEO         1500
#define B_AS_TEXT          4

static const struct {
	const char *value;
	enum cscf_sdp_fb bit;
} feedbacks[] = {
    {"nack", CSCF_SDP_FB_NACK},
    {"nack pli", CSCF_SDP_FB_PLI},
    {"ccm fir", CSCF_SDP_FB_FIR},
    {"ccm tmmbr", CSCF_SDP_FB_TMMBR},
};

#define OWN_FB (CSCF_SDP_FB_NACK | CSCF_SDP_FB_PLI) /* what some AGW or we may serve */

int sdp_attr_pt(const struct sdp_attr *a)
{
	struct gw_slice token;
	size_t cursor = 0;
	uint64_t pt;

	if (!sdp_token_next(a->value, &cursor, &token) || !sdp_number(token, 127, &pt))
		return -1;
	return (int)pt;
}

bool sdp_fmts_dup(struct sdp_fmts *out, const struct sdp_fmts *in)
{
	*out = (struct sdp_fmts){0};
	if (in->n == 0)
		return true;
	out->v = malloc(in->n * sizeof(*out->v));
	if (out->v == NULL)
		return false;
	memcpy(out->v, in->v, in->n * sizeof(*out->v));
	out->n = in->n;
	return true;
}

void sdp_fmts_free(struct sdp_fmts *f)
{
	free(f->v);
	*f = (struct sdp_fmts){0};
}

const struct cscf_sdp_fmt *sdp_fmts_find(const struct sdp_fmts *f, unsigned pt)
{
	for (size_t i = 0; i < f->n; i++)
		if (f->v[i].pt == pt)
			return &f->v[i];
	return NULL;
}

/* "111 opus/48000/2" */
static bool parse_rtpmap(struct cscf_sdp_fmt *f, struct gw_slice value)
{
	struct gw_slice token, part[3] = {{0}};
	size_t cursor = 0, n = 0, start = 0;
	uint64_t clock, channels = 1;

	if (!sdp_token_next(value, &cursor, &token)) /* the payload type */
		return false;
	if (!sdp_token_next(value, &cursor, &token))
		return false;
	for (size_t i = 0; i <= token.n && n < 3; i++) {
		if (i < token.n && token.p[i] != '/')
			continue;
		part[n++] = (struct gw_slice){token.p + start, i - start};
		start = i + 1;
	}
	if (n < 2 || part[0].n == 0 || !sdp_number(part[1], UINT32_MAX, &clock) || clock == 0 ||
	    (n == 3 && !sdp_number(part[2], 255, &channels)))
		return false;
	f->clock_hz = (uint32_t)clock;
	f->channels = (uint8_t)channels;
	return sdp_copy(f->name, sizeof(f->name), part[0]);
}

void sdp_pt_index(struct sdp_pt_index *out, const struct sdp *sdp, const struct sdp_sect *sect)
{
	memset(out, 0, sizeof(*out));
	for (size_t i = 0; i < sect->n_attrs; i++) {
		const struct sdp_attr *a = &sdp->attrs[sect->first_attr + i];
		bool rtpmap = gw_slice_eq_str(a->name, "rtpmap");
		const struct sdp_attr **slot;
		int pt;

		if (!rtpmap && !gw_slice_eq_str(a->name, "fmtp"))
			continue;
		pt = sdp_attr_pt(a);
		if (pt < 0)
			continue;
		slot = rtpmap ? &out->rtpmap[pt] : &out->fmtp[pt];
		if (*slot == NULL)
			*slot = a;
	}
}

static bool encoding_of(struct cscf_sdp_fmt *f, const struct sdp_pt_index *index,
			const struct sdp_fmts *fallback)
{
	const struct cscf_sdp_fmt *known;

	if (index->rtpmap[f->pt] != NULL)
		return parse_rtpmap(f, index->rtpmap[f->pt]->value);
	known = fallback != NULL ? sdp_fmts_find(fallback, f->pt) : NULL;
	if (known != NULL) {
		*f = *known;
		f->fb = 0;
		return true;
	}
	for (size_t i = 0; i < sizeof(static_pts) / sizeof(static_pts[0]); i++) {
		if (static_pts[i].pt != f->pt)
			continue;
		f->clock_hz = static_pts[i].clock_hz;
		f->channels = static_pts[i].channels;
		return sdp_copy(f->name, sizeof(f->name), gw_slice_str(static_pts[i].name));
	}
	return false;
}

static bool name_is(const struct cscf_sdp_fmt *f, const char *name)
{
	return strcasecmp(f->name, name) == 0;
}

static bool is_event(const struct cscf_sdp_fmt *f)
{
	return name_is(f, "telephone-event");
}

static bool is_codec(const struct cscf_sdp_fmt *f)
{
	return !is_event(f) && !name_is(f, "CN") && !name_is(f, "red");
}

bool sdp_fmts_usable(const struct sdp_fmts *f, enum cscf_sdp_media media)
{
	if (media == CSCF_SDP_TEXT)
		return f->n > 0;
	for (size_t i = 0; i < f->n; i++)
		if (is_codec(&f->v[i]))
			return true;
	return false;
}

/* telephone-event at another rate than 8000 stays only with a codec of that rate (SDP-22). */
static void drop_lone_events(struct sdp_fmts *f)
{
	size_t kept = 0;

	for (size_t i = 0; i < f->n; i++) {
		bool keep = !is_event(&f->v[i]) || f->v[i].clock_hz == 8000;

		for (size_t k = 0; k < f->n && !keep; k++)
			keep = is_codec(&f->v[k]) && f->v[k].clock_hz == f->v[i].clock_hz;
		/* moving down never overwrites what is still to be compared: codecs stay */
		if (keep)
			f->v[kept++] = f->v[i];
	}
	f->n = kept;
}

static void read_feedback(struct sdp_fmts *f, const struct sdp *sdp, const struct sdp_sect *sect)
{
	for (size_t i = 0; i < sect->n_attrs; i++) {
		const struct sdp_attr *a = &sdp->attrs[sect->first_attr + i];
		struct gw_slice token;
		size_t cursor = 0;
		uint64_t pt = 0;
		bool all;

		if (!gw_slice_eq_str(a->name, "rtcp-fb") ||
		    !sdp_token_next(a->value, &cursor, &token))
			continue;
		all = gw_slice_eq_str(token, "*");
		if ((!all && !sdp_number(token, 127, &pt)) || cursor >= a->value.n)
			continue;
		token = (struct gw_slice){a->value.p + cursor + 1, a->value.n - cursor - 1};
		for (size_t k = 0; k < sizeof(feedbacks) / sizeof(feedbacks[0]); k++) {
			if (!gw_slice_ieq_str(token, feedbacks[k].value))
				continue;
			for (size_t m = 0; m < f->n; m++)
				if (all || f->v[m].pt == pt)
					f->v[m].fb |= (uint8_t)feedbacks[k].bit;
		}
	}
}

/* To the core goes what its profile knows; what needs no core is between the WIC and us (SDP-42).
 */
static void split_feedback(struct sdp_fmts *f, enum cscf_sdp_media media,
			   const struct sdp_fb_legs *legs)
{
	for (size_t i = 0; i < f->n; i++) {
		struct cscf_sdp_fmt *v = &f->v[i];

		if (media != CSCF_SDP_VIDEO)
			v->own_fb = 0;
		else
			v->own_fb = legs->from_wic ? v->fb & OWN_FB : OWN_FB;
		if (!legs->core_avpf)
			v->fb = 0;
	}
}

bool sdp_fmts_read(struct sdp_fmts *out, const struct sdp *sdp, const struct sdp_sect *sect,
		   const struct sdp_fmts *fallback, const struct sdp_fb_legs *legs,
		   const struct cscf_sdp_policy *policy)
{
	enum cscf_sdp_media media = sdp_media_kind(sect);
	struct sdp_pt_index index;
	struct gw_slice token;
	size_t cursor = 0;
	uint64_t pt;

	*out = (struct sdp_fmts){.v = calloc(128, sizeof(*out->v))};
	if (out->v == NULL)
		return false;
	sdp_pt_index(&index, sdp, sect);
	while (out->n < 128 && sdp_token_next(sect->fmts, &cursor, &token)) {
		struct cscf_sdp_fmt f = {.channels = 1};

		/* 64..95 with the marker bit is RTCP on a muxed port (SDP-27) */
		if (!sdp_number(token, 127, &pt) || (pt >= 64 && pt <= 95) ||
		    sdp_fmts_find(out, (unsigned)pt) != NULL)
			continue;
		f.pt = (uint8_t)pt;
		if (encoding_of(&f, &index, fallback) && sdp_filter_format(&f, media, policy))
			out->v[out->n++] = f;
	}
	sdp_filter_orphans(out, sdp, sect);
	drop_lone_events(out);
	read_feedback(out, sdp, sect);
	split_feedback(out, media, legs);
	if (out->n == 0) {
		sdp_fmts_free(out);
	} else {
		struct cscf_sdp_fmt *fit = realloc(out->v, out->n * sizeof(*fit));

		if (fit != NULL)
			out->v = fit;
	}
	return true;
}

void sdp_fmts_intersect(struct sdp_fmts *f, const struct sdp_fmts *offered)
{
	size_t kept = 0;

	for (size_t i = 0; i < f->n; i++) {
		const struct cscf_sdp_fmt *o = sdp_fmts_find(offered, f->v[i].pt);

		if (o == NULL || strcasecmp(o->name, f->v[i].name) != 0 ||
		    o->clock_hz != f->v[i].clock_hz)
			continue;
		f->v[i].fb &= o->fb;
		f->v[i].own_fb &= o->own_fb;
		f->v[kept++] = f->v[i];
	}
	f->n = kept;
}

uint32_t sdp_fmts_b_as(const struct sdp_fmts *f, enum cscf_sdp_media media, bool v6)
{
	uint32_t most = 0;

	if (media == CSCF_SDP_VIDEO)
		return B_AS_VIDEO;
	if (media != CSCF_SDP_AUDIO)
		return B_AS_TEXT;
	for (size_t i = 0; i < f->n; i++) {
		uint32_t kbps = is_codec(&f->v[i]) ? B_AS_AUDIO_DEFAULT : 0;

		for (size_t k = 0; k < sizeof(bandwidths) / sizeof(bandwidths[0]); k++)
			if (name_is(&f->v[i], bandwidths[k].name))
				kbps = bandwidths[k].kbps;
		most = kbps > most ? kbps : most;
	}
	return most + (v6 ? 8 : 0);
}
