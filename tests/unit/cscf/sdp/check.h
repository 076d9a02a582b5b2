/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The properties of the SDP engine, as questions to a session and the text it just wrote. Each
 * returns NULL when the property holds, else the name of what is broken. No cmocka here: the
 * property test and the fuzz target both ask.
 *
 *   pair       what the text says is what the eIMS-AGW is told (addresses, ICE, DTLS, PTs, RTCP,
 *              direction and gates)
 *   map        every m-line of a leg is one stream's, no stream has two lines on a leg
 *   allow      nothing of the other leg's kind stands in the text
 *   versions   o= moves by one when the text moves, and only then
 */
#ifndef TESTS_UNIT_CSCF_SDP_CHECK_H
#define TESTS_UNIT_CSCF_SDP_CHECK_H

#include "cscf/sdp/model.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define CK(cond, what)                                                                             \
	do {                                                                                       \
		if (!(cond))                                                                       \
			return what;                                                               \
	} while (0)

/* What was last written on a leg; owned. */
struct ck_leg {
	char *text;
	char id[32];
	uint64_t version;
};

static inline void ck_leg_free(struct ck_leg *l)
{
	free(l->text);
	*l = (struct ck_leg){0};
}

static inline bool ck_has_line(const char *text, const char *start)
{
	size_t n = strlen(start);

	for (const char *at = text; at != NULL; at = strchr(at, '\n')) {
		at += *at == '\n';
		if (strncmp(at, start, n) == 0)
			return true;
	}
	return false;
}

/* Attributes that must never stand on that leg, whatever was said on the other. */
static inline const char *ck_allow(const char *text, bool wic)
{
	static const char *const never_core[] = {
	    "a=group",   "a=mid:",         "a=msid",      "a=ssrc",
	    "a=rid:",    "a=simulcast",    "a=ice-",      "a=candidate",
	    "a=end-of-", "a=remote-cand",  "a=finger",    "a=setup",
	    "a=tls-id",  "a=connection",   "a=crypto",    "a=key-mgmt",
	    "a=3ge2ae",  "a=bundle-only",  "a=rtcp-mux-", "a=rtcp-rsize",
	    "a=sctp",    "a=extmap-allow", "k=",          NULL};
	static const char *const never_wic[] = {
	    "a=group", "a=bundle-only", "a=crypto",      "a=key-mgmt", "a=curr:", "a=des:",
	    "a=conf:", "a=tcap",        "a=pcfg",        "a=acfg",     "a=acap",  "a=altc",
	    "a=ccap",  "a=omr-",        "a=tra-",        "a=visited",  "b=RS",    "b=RR",
	    "a=anbr",  "a=bw-info",     "a=remote-cand", "a=ssrc",     "k=",      NULL};
	const char *const *list = wic ? never_wic : never_core;

	for (size_t i = 0; list[i] != NULL; i++)
		if (ck_has_line(text, list[i]))
			return list[i];
	return NULL;
}

static inline const char *ck_value(const struct sdp *d, const struct sdp_sect *m, const char *name)
{
	static char text[512];
	const struct sdp_attr *a = sdp_attr(d, m, name);

	if (a == NULL)
		return "";
	snprintf(text, sizeof(text), "%.*s", GW_SLICE_FMT(a->value));
	return text;
}

static inline bool ck_has(const struct sdp *d, const struct sdp_sect *m, const char *name)
{
	return sdp_attr(d, m, name) != NULL;
}

static inline const char *ck_formats(const struct sdp_sect *m, const struct cscf_sdp_stream *st)
{
	struct gw_slice token;
	size_t cursor = 0, n = 0;
	uint64_t pt;

	while (sdp_token_next(m->fmts, &cursor, &token)) {
		CK(sdp_number(token, 127, &pt), "a format is no payload type");
		CK(n < st->n_fmts && st->fmts[n].pt == pt, "formats differ from what is told");
		n++;
	}
	CK(n == st->n_fmts && n > 0, "formats missing in the text");
	return NULL;
}

/* Every format-bound attribute is about a format of the line; feedback as told. */
static inline const char *ck_format_attrs(const struct sdp *d, const struct sdp_sect *m,
					  const struct cscf_sdp_stream *st, bool wic)
{
	for (size_t i = 0; i < m->n_attrs; i++) {
		const struct sdp_attr *a = &d->attrs[m->first_attr + i];
		struct gw_slice token = GW_SLICE_NONE;
		size_t cursor = 0;
		uint64_t pt;
		bool known = false;

		CK(!gw_slice_eq_str(a->name, "rtcp-fb") ||
		       (memmem(a->value.p, a->value.n, "transport-cc", 12) == NULL &&
			memmem(a->value.p, a->value.n, "goog-remb", 9) == NULL),
		   "feedback of one leg");
		if (!gw_slice_eq_str(a->name, "rtpmap") && !gw_slice_eq_str(a->name, "fmtp") &&
		    !gw_slice_eq_str(a->name, "rtcp-fb"))
			continue;
		CK(sdp_token_next(a->value, &cursor, &token) && sdp_number(token, 127, &pt),
		   "an attribute of no payload type");
		for (size_t k = 0; k < st->n_fmts; k++) {
			known = known || st->fmts[k].pt == pt;
			if (st->fmts[k].pt == pt && gw_slice_eq_str(a->name, "rtcp-fb"))
				CK((wic ? cscf_sdp_wic_fb(st, k) : st->fmts[k].fb) != 0,
				   "feedback that is not told");
		}
		CK(known, "an attribute of a format that went");
	}
	return NULL;
}

/* The extensions that are told, with this leg's ids, and no other. */
static inline const char *ck_extmaps(const struct sdp *d, const struct sdp_sect *m,
				     const struct cscf_sdp_stream *st, bool wic)
{
	size_t on = 0, found = 0;
	unsigned seen = 0;

	for (size_t k = 0; k < st->n_exts; k++)
		on += st->exts[k].on;
	for (size_t i = 0; i < m->n_attrs; i++) {
		const struct sdp_attr *a = &d->attrs[m->first_attr + i];
		unsigned id;
		char uri[128];

		if (!gw_slice_eq_str(a->name, "extmap"))
			continue;
		CK(sscanf(a->value.p, "%u%*s", &id) == 1 && id >= 1 && id <= 14, "extension id");
		CK((seen >> id & 1) == 0, "an extension id twice");
		seen |= 1U << id;
		CK(memchr(a->value.p, ' ', a->value.n) != NULL, "extension without URI");
		CK(sscanf((const char *)memchr(a->value.p, ' ', a->value.n), " %127[^ \t\r]",
			  uri) == 1,
		   "extension without URI");
		for (size_t k = 0; k < st->n_exts; k++)
			found += st->exts[k].on && strcmp(st->exts[k].uri, uri) == 0 &&
				 (wic ? st->exts[k].wic_id : st->exts[k].core_id) == id;
		CK(strstr(uri, "sdes") == NULL, "an SDES extension");
	}
	CK(found == on, "extensions differ from what is told");
	return NULL;
}

static inline const char *ck_fingerprints(const struct sdp *d, const struct sdp_sect *m,
					  const struct cscf_sdp_access_local *l)
{
	size_t n = 0;

	for (size_t i = 0; i < m->n_attrs; i++) {
		const struct sdp_attr *a = &d->attrs[m->first_attr + i];
		char want[256];
		int at;

		if (!gw_slice_eq_str(a->name, "fingerprint"))
			continue;
		CK(n < l->n_fps, "a fingerprint that is not ours");
		at = snprintf(want, sizeof(want), "%s ", l->fps[n].hash);
		for (size_t k = 0; k < l->fps[n].len; k++)
			at += snprintf(want + at, sizeof(want) - (size_t)at, "%s%02X",
				       k > 0 ? ":" : "", l->fps[n].value[k]);
		CK(gw_slice_eq_str(a->value, want), "fingerprint differs");
		n++;
	}
	CK(n == l->n_fps, "fingerprint missing");
	return NULL;
}

static inline const char *ck_wic_line(const struct sdp *d, const struct sdp_sect *m,
				      const struct cscf_sdp_stream *st, bool offer)
{
	const struct cscf_sdp_access_local *l = &st->access_local;
	bool mux = st->access_rtcp == CSCF_SDP_RTCP_MUX;
	const char *setup = ck_value(d, m, "setup"), *bad;

	CK(m->port == l->port && gw_slice_eq_str(m->addr, l->addr), "access address differs");
	if (offer)
		CK(strcmp(setup, "actpass") == 0, "an offer without actpass");
	else
		CK(strcmp(setup, st->dtls == CSCF_SDP_DTLS_CLIENT ? "active" : "passive") == 0 &&
		       st->dtls != CSCF_SDP_DTLS_UNDECIDED,
		   "setup differs from the role");
	CK(strcmp(ck_value(d, m, "ice-ufrag"), l->ufrag) == 0, "ufrag differs");
	CK(strcmp(ck_value(d, m, "ice-pwd"), l->pwd) == 0, "pwd differs");
	CK(strcmp(ck_value(d, m, "mid"), st->mid) == 0, "mid differs");
	CK(ck_has(d, m, "rtcp-mux") == mux, "rtcp-mux differs");
	CK(!ck_has(d, m, "rtcp-mux-only") || (offer && mux), "rtcp-mux-only in an answer");
	CK(offer == ck_has(d, m, "3ge2ae"), "3ge2ae belongs into offers");
	CK(gw_slice_starts(m->proto, offer ? "UDP/TLS/RTP/SAVPF" : ""), "proto of an offer");
	bad = ck_fingerprints(d, m, l);
	CK(bad == NULL, bad);
	for (size_t i = 0; i < m->n_attrs; i++) {
		const struct sdp_attr *a = &d->attrs[m->first_attr + i];
		char want[80];

		if (!gw_slice_eq_str(a->name, "candidate"))
			continue;
		snprintf(want, sizeof(want), " %s ", l->addr);
		CK(l->n_cands > 0 || memmem(a->value.p, a->value.n, want, strlen(want)) != NULL,
		   "candidate of a stranger");
	}
	return NULL;
}

static inline const char *ck_core_line(const struct sdp *d, const struct sdp_sect *m,
				       const struct cscf_sdp_stream *st)
{
	const struct cscf_sdp_core_local *l = &st->core_local;
	struct gw_slice addr = m->has_conn ? m->addr : d->session.addr;
	unsigned rtcp = l->rtcp_port != 0 ? l->rtcp_port : l->port + 1U;

	CK(m->port == l->port && gw_slice_eq_str(addr, l->addr), "core address differs");
	CK(gw_slice_eq_str(m->proto, st->core_avpf ? "RTP/AVPF" : "RTP/AVP"), "profile differs");
	CK(st->core_avpf || !ck_has(d, m, "rtcp-fb"), "feedback on AVP");
	CK(ck_has(d, m, "rtcp-mux") == (st->core_rtcp == CSCF_SDP_RTCP_MUX), "core mux differs");
	if (st->core_rtcp == CSCF_SDP_RTCP_SEPARATE)
		CK((unsigned)atoi(ck_value(d, m, "rtcp")) == rtcp, "core rtcp port differs");
	else
		CK(!ck_has(d, m, "rtcp"), "core rtcp port without use");
	return NULL;
}

/* An offer repeats the offerer's direction; an answer's agrees with the gates. */
static inline const char *ck_direction(const struct sdp *d, const struct sdp_sect *m,
				       const struct cscf_sdp_stream *st, bool wic, bool offer)
{
	unsigned dir = (unsigned)sdp_direction(d, m);
	bool to = (dir & CSCF_SDP_SENDONLY) != 0, from = (dir & CSCF_SDP_RECVONLY) != 0;

	if (offer) {
		CK(dir == (unsigned)(wic ? st->core_remote.dir : st->access_remote.dir),
		   "direction of the offer differs");
		return NULL;
	}
	CK((wic ? st->gate_downlink : st->gate_uplink) == to, "gate towards the offerer");
	CK((wic ? st->gate_uplink : st->gate_downlink) == from, "gate from the offerer");
	return NULL;
}

static inline const char *ck_line(const struct sdp *d, const struct sdp_sect *m,
				  const struct cscf_sdp_stream *st, bool wic, bool offer)
{
	static const char *const kinds[] = {"audio", "video", "text", "?"};
	const char *bad;

	if (!st->live) {
		CK(m->port == 0, "a dead line has a port");
		CK(!st->gate_uplink && !st->gate_downlink, "a dead line has an open gate");
		return NULL;
	}
	CK(m->port != 0, "a live line has no port");
	CK(gw_slice_eq_str(m->media, kinds[st->media]), "media differs");
	bad = ck_formats(m, st);
	if (bad == NULL)
		bad = ck_format_attrs(d, m, st, wic);
	if (bad == NULL)
		bad = ck_extmaps(d, m, st, wic);
	if (bad == NULL)
		bad = wic ? ck_wic_line(d, m, st, offer) : ck_core_line(d, m, st);
	return bad != NULL ? bad : ck_direction(d, m, st, wic, offer);
}

static inline const char *ck_map(const struct cscf_sdp_session *s, const struct sdp *d, bool wic)
{
	unsigned char seen[CSCF_SDP_MAX_MEDIA * 2] = {0};

	for (size_t i = 0; i < cscf_sdp_stream_count(s); i++) {
		const struct cscf_sdp_stream *st = cscf_sdp_stream(s, i);
		int at = wic ? st->wic_index : st->core_index;

		CK(st->wic_index >= 0 || st->core_index >= 0, "a stream of no line");
		if (at < 0) {
			CK(!st->live, "a live stream without its line");
			continue;
		}
		CK((size_t)at < d->n_media, "an index beyond the text");
		CK(seen[at]++ == 0, "two streams on one line");
	}
	for (size_t i = 0; i < d->n_media; i++)
		CK(seen[i] == 1, "a line of no stream");
	return NULL;
}

static inline const char *ck_version(struct ck_leg *leg, const struct cscf_sdp_text *t)
{
	unsigned long long version;
	char id[32];
	const char *was = leg->text != NULL ? strstr(leg->text, "\r\ns=-") : NULL;
	const char *now = strstr(t->p, "\r\ns=-");

	CK(now != NULL && sscanf(t->p, "v=0\r\no=- %31s %llu IN ", id, &version) == 2,
	   "no o= line");
	if (was != NULL) {
		bool same = strcmp(was, now) == 0;

		CK(strcmp(id, leg->id) == 0, "session id changed");
		CK(version == leg->version + (same ? 0 : 1), "version does not follow the text");
		CK(!t->unchanged || same, "unchanged although it changed");
	}
	CK(strlen(t->p) == t->n, "length");
	ck_leg_free(leg);
	leg->text = strdup(t->p);
	leg->version = version;
	snprintf(leg->id, sizeof(leg->id), "%s", id);
	return NULL;
}

/* All of it for a text that was just written; `lines`: how many it must have, -1 = any number. */
static inline const char *ck_text(const struct cscf_sdp_session *s, const struct cscf_sdp_text *t,
				  bool wic, bool offer, int lines, struct ck_leg *leg)
{
	struct sdp *d = NULL;
	const char *bad = NULL;

	CK(sdp_parse(&d, t->p, t->n) == CSCF_SDP_OK, "our own text does not parse");
	if (lines >= 0 && d->n_media != (size_t)lines)
		bad = "number of m-lines";
	if (bad == NULL)
		bad = ck_map(s, d, wic);
	for (size_t i = 0; i < cscf_sdp_stream_count(s) && bad == NULL; i++) {
		const struct cscf_sdp_stream *st = cscf_sdp_stream(s, i);
		int at = wic ? st->wic_index : st->core_index;

		if (at >= 0)
			bad = ck_line(d, &d->media[at], st, wic, offer);
	}
	sdp_free(d);
	return bad != NULL ? bad : ck_version(leg, t);
}

/* What the eIMS-AGW is told of the core's end of a line is what the core's text says. */
static inline const char *ck_core_peer(const struct sdp *d, const struct sdp_sect *m,
				       const struct cscf_sdp_stream *st)
{
	const struct cscf_sdp_core_remote *r = &st->core_remote;
	struct gw_slice addr = m->has_conn ? m->addr : d->session.addr;
	const struct sdp_attr *a = sdp_attr(d, m, "rtcp");
	bool any = gw_slice_eq_str(addr, "0.0.0.0") || gw_slice_eq_str(addr, "::");
	unsigned rtcp = a != NULL ? (unsigned)strtoul(a->value.p, NULL, 10) : m->port + 1U;

	CK(r->known && r->port == m->port, "core port is not told");
	CK(any ? r->addr[0] == '\0' && r->on_hold_addr : gw_slice_eq_str(addr, r->addr),
	   "core address is not told");
	CK(r->avpf == (gw_slice_eq_str(m->proto, "RTP/AVPF") || (r->avpf && ck_has(d, m, "pcfg"))),
	   "core profile is not told");
	if (st->core_rtcp == CSCF_SDP_RTCP_MUX)
		CK(ck_has(d, m, "rtcp-mux") && r->rtcp_port == m->port, "core mux without cause");
	if (st->core_rtcp == CSCF_SDP_RTCP_SEPARATE)
		CK(r->rtcp_port == rtcp, "core rtcp port is not told");
	CK(st->core_rtcp == r->rtcp_mode, "two modes of core rtcp");
	CK(!any || !st->gate_uplink, "media to nobody");
	return NULL;
}

static inline const char *ck_wic_peer(const struct sdp *d, const struct sdp_sect *m,
				      const struct cscf_sdp_stream *st, bool offer)
{
	const struct cscf_sdp_access_remote *r = &st->access_remote;
	const struct sdp_attr *setup = sdp_attr_inherit(d, m, "setup");
	const struct sdp_attr *ufrag = sdp_attr_inherit(d, m, "ice-ufrag");
	const struct sdp_attr *pwd = sdp_attr_inherit(d, m, "ice-pwd");
	bool active = setup == NULL || gw_slice_eq_str(setup->value, "active");
	bool said = ck_has(d, m, "rtcp-mux") || ck_has(d, m, "rtcp-mux-only");
	bool mux = st->access_rtcp == CSCF_SDP_RTCP_MUX;

	CK(r->known && ufrag != NULL && gw_slice_eq_str(ufrag->value, r->ufrag) && pwd != NULL &&
	       gw_slice_eq_str(pwd->value, r->pwd),
	   "credentials are not told");
	CK(r->n_fps > 0, "no fingerprint is told");
	if (active || (!offer && gw_slice_eq_str(setup->value, "actpass")))
		CK(st->dtls == CSCF_SDP_DTLS_SERVER, "two clients");
	else if (gw_slice_eq_str(setup->value, "passive"))
		CK(st->dtls == CSCF_SDP_DTLS_CLIENT, "two servers");
	/* in an answer it counts only if our offer had it */
	CK(mux ? said : !said || !offer, "access mux is not what the WIC says");
	return NULL;
}

/*
 * The peer's own text against what is told of it, for the lines that are live.
 * @param ours  the offer it answers; NULL when the text is itself an offer
 */
static inline const char *ck_peer(const struct cscf_sdp_session *s, const char *text, size_t n,
				  bool wic, const char *ours)
{
	struct sdp *d = NULL, *o = NULL;
	const char *bad = NULL;

	CK(sdp_parse(&d, text, n) == CSCF_SDP_OK, "taken although it does not parse");
	if (ours != NULL && sdp_parse(&o, ours, strlen(ours)) != CSCF_SDP_OK)
		bad = "our own offer does not parse";
	for (size_t i = 0; i < cscf_sdp_stream_count(s) && bad == NULL; i++) {
		const struct cscf_sdp_stream *st = cscf_sdp_stream(s, i);
		int at = wic ? st->wic_index : st->core_index;
		bool mux = (wic ? st->access_rtcp : st->core_rtcp) == CSCF_SDP_RTCP_MUX;

		if (!st->live)
			continue;
		if (at < 0 || (size_t)at >= d->n_media || (o != NULL && (size_t)at >= o->n_media))
			bad = "a live stream that the peer has not";
		else if (o != NULL && mux && !ck_has(o, &o->media[at], "rtcp-mux"))
			bad = "mux that we did not offer";
		else
			bad = wic ? ck_wic_peer(d, &d->media[at], st, ours == NULL)
				  : ck_core_peer(d, &d->media[at], st);
	}
	sdp_free(d);
	sdp_free(o);
	return bad;
}

/* What a session holds, byte for byte, to be held against later (SDP-35). */
struct ck_snapshot {
	size_t n;
	struct cscf_sdp_stream *v;
	struct cscf_sdp_fmt fmts[CSCF_SDP_MAX_MEDIA][8];
};

static inline struct ck_snapshot *ck_snapshot_new(const struct cscf_sdp_session *s)
{
	struct ck_snapshot *o = calloc(1, sizeof(*o));

	if (o == NULL)
		abort();
	o->n = cscf_sdp_stream_count(s);
	o->v = calloc(o->n + 1, sizeof(*o->v));
	if (o->v == NULL)
		abort();
	for (size_t i = 0; i < o->n; i++) {
		const struct cscf_sdp_stream *st = cscf_sdp_stream(s, i);

		memcpy(&o->v[i], st, sizeof(*st));
		for (size_t k = 0; k < st->n_fmts && k < 8 && i < CSCF_SDP_MAX_MEDIA; k++)
			o->fmts[i][k] = st->fmts[k];
	}
	return o;
}

/* @return NULL when the session holds the same; frees the snapshot */
static inline const char *ck_snapshot_end(struct ck_snapshot *o, const struct cscf_sdp_session *s)
{
	const char *bad = o->n == cscf_sdp_stream_count(s) ? NULL : "number of streams";

	for (size_t i = 0; i < o->n && bad == NULL; i++) {
		const struct cscf_sdp_stream *st = cscf_sdp_stream(s, i);

		if (memcmp(&o->v[i], st, sizeof(*st)) != 0)
			bad = "a stream is not as before";
		for (size_t k = 0; k < st->n_fmts && k < 8 && i < CSCF_SDP_MAX_MEDIA; k++)
			if (memcmp(&o->fmts[i][k], &st->fmts[k], sizeof(st->fmts[k])) != 0)
				bad = "formats are not as before";
	}
	free(o->v);
	free(o);
	return bad;
}

#endif
