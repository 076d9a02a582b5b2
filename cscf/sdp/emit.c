/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What both writers share: a growing text, the formats of a stream, the o= line. Only what is
 * on the allow-list below passes from one leg to the other (SDP-17, SDP-18, SDP-19); lines are
 * copied as received, because fmtp values are opaque (SDP-40).
 * Thread: the cscf loop.
 */
#include "common/fmt.h"
#include "common/rand.h"
#include "cscf/sdp/sdp_int.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>

static const char *const passed[] = {"ptime", "maxptime",  "content",   "label",
				     "lang",  "framerate", "imageattr", "silenceSupp"};

static bool reserve(struct sdp_out *o, size_t more)
{
	size_t cap = o->cap > 0 ? o->cap : 4096;
	char *p;

	while (cap < o->n + more + 1)
		cap *= 2;
	if (cap == o->cap)
		return true;
	p = realloc(o->p, cap);
	if (p == NULL) {
		o->failed = true;
		return false;
	}
	o->p = p;
	o->cap = cap;
	return true;
}

void sdp_out_put(struct sdp_out *o, const char *fmt, ...)
{
	va_list ap;
	size_t n, room = o->cap - o->n;

	if (o->failed)
		return;
	va_start(ap, fmt);
	n = gw_vfmt(o->p != NULL ? o->p + o->n : NULL, room, fmt, ap);
	va_end(ap);
	if (n >= room) {
		if (!reserve(o, n))
			return;
		va_start(ap, fmt);
		(void)gw_vfmt(o->p + o->n, o->cap - o->n, fmt, ap);
		va_end(ap);
	}
	o->n += n;
}

void sdp_out_raw(struct sdp_out *o, const char *p, size_t n)
{
	if (o->failed || !reserve(o, n))
		return;
	if (n > 0)
		memcpy(o->p + o->n, p, n);
	o->n += n;
	o->p[o->n] = '\0';
}

void sdp_out_pts(struct sdp_out *o, const struct sdp_stream *s)
{
	for (size_t i = 0; i < s->fmts.n; i++)
		sdp_out_put(o, " %u", s->fmts.v[i].pt);
}

void sdp_out_dead(struct sdp_out *o, const struct sdp_words *w, const struct sdp_sect *offered)
{
	struct gw_slice fmt = gw_slice_str(w->fmt);
	size_t cursor = 0;

	if (offered != NULL)
		(void)sdp_token_next(offered->fmts, &cursor, &fmt);
	if (fmt.n == 0)
		fmt = GW_SLICE_LIT("0");
	sdp_out_put(o, "m=%s 0 %s %.*s\r\n", w->media, w->proto, GW_SLICE_FMT(fmt));
}

static void put_attr(struct sdp_out *o, const struct sdp_attr *a)
{
	/* name and value as they stood in their line */
	size_t n = a->name.n + (a->value.n > 0 ? 1 + a->value.n : 0);

	sdp_out_raw(o, "a=", 2);
	sdp_out_raw(o, a->name.p, n);
	sdp_out_raw(o, "\r\n", 2);
}

/* An answer may leave out rtpmaps that its offer had: the other leg still gets them. */
static void put_missing_rtpmaps(struct sdp_out *o, const struct sdp_stream *s,
				const struct sdp_pt_index *index, const struct sdp *offer,
				const struct sdp_sect *offer_sect)
{
	struct sdp_pt_index offered;

	if (offer_sect == NULL)
		return;
	sdp_pt_index(&offered, offer, offer_sect);
	for (size_t i = 0; i < s->fmts.n; i++) {
		unsigned pt = s->fmts.v[i].pt;

		if (offered.rtpmap[pt] != NULL && index->rtpmap[pt] == NULL)
			put_attr(o, offered.rtpmap[pt]);
	}
}

/* RFC 4733 s2.4.1: events 0-15 when nothing is said; said by us so that nobody guesses. */
static void put_event_default(struct sdp_out *o, const struct sdp_pt_index *index,
			      const struct cscf_sdp_fmt *f)
{
	if (strcasecmp(f->name, "telephone-event") == 0 && f->clock_hz == 8000 &&
	    index->fmtp[f->pt] == NULL)
		sdp_out_put(o, "a=fmtp:%u 0-15\r\n", f->pt);
}

static bool may_pass(struct gw_slice name)
{
	for (size_t i = 0; i < sizeof(passed) / sizeof(passed[0]); i++)
		if (gw_slice_eq_str(name, passed[i]))
			return true;
	return false;
}

void sdp_out_formats(struct sdp_out *o, const struct sdp_stream *s, const struct sdp *sdp,
		     const struct sdp_sect *sect, const struct sdp *offer,
		     const struct sdp_sect *offer_sect, const struct cscf_sdp_policy *policy)
{
	struct sdp_pt_index index;

	sdp_pt_index(&index, sdp, sect);
	put_missing_rtpmaps(o, s, &index, offer, offer_sect);
	for (size_t i = 0; i < sect->n_attrs; i++) {
		const struct sdp_attr *a = &sdp->attrs[sect->first_attr + i];
		bool rtpmap = gw_slice_eq_str(a->name, "rtpmap");
		const struct cscf_sdp_fmt *f;
		int pt;

		if (may_pass(a->name) || sdp_filter_unknown(a, policy)) {
			put_attr(o, a);
			continue;
		}
		if (!rtpmap && !gw_slice_eq_str(a->name, "fmtp"))
			continue;
		pt = sdp_attr_pt(a);
		f = pt >= 0 ? sdp_fmts_find(&s->fmts, (unsigned)pt) : NULL;
		if (f == NULL || (rtpmap && index.rtpmap[f->pt] != a))
			continue;
		put_attr(o, a);
		if (rtpmap)
			put_event_default(o, &index, f);
	}
}

void sdp_out_fb(struct sdp_out *o, const struct sdp_stream *s, bool to_core)
{
	static const struct {
		const char *value;
		enum cscf_sdp_fb bit;
	} order[2][4] = {{{"nack", CSCF_SDP_FB_NACK},
			  {"nack pli", CSCF_SDP_FB_PLI},
			  {"ccm fir", CSCF_SDP_FB_FIR},
			  {"ccm tmmbr", CSCF_SDP_FB_TMMBR}},
			 {{"nack pli", CSCF_SDP_FB_PLI},
			  {"ccm fir", CSCF_SDP_FB_FIR},
			  {"nack", CSCF_SDP_FB_NACK},
			  {"ccm tmmbr", CSCF_SDP_FB_TMMBR}}};

	for (size_t i = 0; i < s->fmts.n; i++)
		for (size_t k = 0; k < 4; k++)
			if (((to_core ? s->fmts.v[i].fb : cscf_sdp_wic_fb(&s->pub, i)) &
			     order[to_core][k].bit) != 0)
				sdp_out_put(o, "a=rtcp-fb:%u %s\r\n", s->fmts.v[i].pt,
					    order[to_core][k].value);
}

static char *with_origin(const struct sdp_out *body, const struct sdp_leg *leg, const char *addr,
			 size_t *n)
{
	struct sdp_out full = {0};

	if (reserve(&full, body->n + 160))
		sdp_out_put(&full, "v=0\r\no=- %" PRIu64 " %" PRIu64 " IN %s %s\r\ns=-\r\n",
			    leg->sess_id, leg->version, strchr(addr, ':') != NULL ? "IP6" : "IP4",
			    addr);
	sdp_out_raw(&full, body->p, body->n);
	if (full.failed) {
		free(full.p);
		return NULL;
	}
	*n = full.n;
	return full.p;
}

enum cscf_sdp_verdict sdp_out_finish(struct sdp_out *o, struct sdp_leg *leg, const char *addr,
				     struct cscf_sdp_text *out)
{
	char *text = NULL;
	size_t n = 0;
	bool same;

	if (o->failed)
		goto fail;
	if (leg->sess_id == 0)
		leg->sess_id = (gw_rand_u64() >> 2) | 1; /* fits a signed 64-bit reader */
	if (leg->version == 0)
		leg->version = 1;
	text = with_origin(o, leg, addr, &n);
	if (text == NULL)
		goto fail;
	same = leg->last != NULL && leg->last_n == n && memcmp(leg->last, text, n) == 0;
	out->unchanged = same && (leg->written || leg->version == leg->agreed);
	leg->written = true;
	if (!same && leg->last != NULL) {
		free(text);
		leg->version++;
		text = with_origin(o, leg, addr, &n);
		if (text == NULL)
			goto fail;
	}
	free(leg->last);
	leg->last = text;
	leg->last_n = n;
	out->p = text;
	out->n = n;
	free(o->p);
	return CSCF_SDP_OK;
fail:
	free(o->p);
	return CSCF_SDP_NOMEM;
}
