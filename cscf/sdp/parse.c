/* SPDX-License-Identifier: Apache-2.0 */
/*
 * SDP text to struct sdp: lines, sections, limits (SDP-38). Own line parser instead of
 * libosip2's: see README.md. Accepts CRLF and LF; unknown line types are skipped; anything that
 * is no "x=value" line is a syntax error.
 * Spec: RFC 8866 s5, s9. Thread: the cscf loop.
 */
#include "cscf/sdp/model.h"

#include <arpa/inet.h>
#include <stdio.h>

struct parser {
	struct sdp *sdp;
	struct sdp_sect *sect; /* section being filled */
	size_t n_attrs;        /* in sdp->attrs */
	size_t counted;        /* attributes of this section that count towards the limit */
	bool seen_version, seen_origin;
};

bool sdp_token_next(struct gw_slice s, size_t *cursor, struct gw_slice *token)
{
	size_t i = *cursor;

	while (i < s.n && (s.p[i] == ' ' || s.p[i] == '\t'))
		i++;
	if (i >= s.n)
		return false;
	token->p = s.p + i;
	while (i < s.n && s.p[i] != ' ' && s.p[i] != '\t')
		i++;
	token->n = (size_t)(s.p + i - token->p);
	*cursor = i;
	return true;
}

bool sdp_number(struct gw_slice s, uint64_t max, uint64_t *out)
{
	uint64_t v = 0;

	if (s.n == 0 || s.n > 19)
		return false;
	for (size_t i = 0; i < s.n; i++) {
		if (s.p[i] < '0' || s.p[i] > '9')
			return false;
		v = v * 10 + (uint64_t)(s.p[i] - '0');
	}
	if (v > max)
		return false;
	*out = v;
	return true;
}

bool sdp_literal(struct gw_slice s, char *out, bool *is_v6)
{
	unsigned char bin[16];
	char text[CSCF_SDP_ADDR_LEN];

	if (s.n == 0 || s.n >= sizeof(text))
		return false;
	memcpy(text, s.p, s.n);
	text[s.n] = '\0';
	*is_v6 = strchr(text, ':') != NULL;
	if (inet_pton(*is_v6 ? AF_INET6 : AF_INET, text, bin) != 1)
		return false;
	memcpy(out, text, s.n + 1);
	return true;
}

static enum cscf_sdp_verdict parse_origin(struct parser *p, struct gw_slice v)
{
	struct gw_slice t[6];
	size_t cursor = 0, n = 0;

	while (n < 6 && sdp_token_next(v, &cursor, &t[n]))
		n++;
	if (n != 6 || p->seen_origin)
		return CSCF_SDP_SYNTAX;
	if (!gw_slice_eq_str(t[3], "IN") ||
	    (!gw_slice_eq_str(t[4], "IP4") && !gw_slice_eq_str(t[4], "IP6")))
		return CSCF_SDP_VERSION;
	p->seen_origin = true;
	p->sdp->sess_id = t[1];
	p->sdp->sess_version = t[2];
	p->sdp->origin.p = t[1].p;
	p->sdp->origin.n = (size_t)(t[2].p + t[2].n - t[1].p);
	return CSCF_SDP_OK;
}

/* Several c= lines (layered multicast) are legal: the first counts. */
static enum cscf_sdp_verdict parse_conn(struct sdp_sect *s, struct gw_slice v)
{
	struct gw_slice net, type, addr;
	size_t cursor = 0;
	char text[CSCF_SDP_ADDR_LEN];
	const char *slash;
	bool v6, type_v6;

	if (!sdp_token_next(v, &cursor, &net) || !sdp_token_next(v, &cursor, &type) ||
	    !sdp_token_next(v, &cursor, &addr))
		return CSCF_SDP_SYNTAX;
	type_v6 = gw_slice_eq_str(type, "IP6");
	if (!gw_slice_eq_str(net, "IN") || (!type_v6 && !gw_slice_eq_str(type, "IP4")))
		return CSCF_SDP_VERSION;
	if (s->has_conn)
		return CSCF_SDP_OK;
	s->has_conn = true;
	slash = memchr(addr.p, '/', addr.n);
	if (slash != NULL)
		addr.n = (size_t)(slash - addr.p);
	if (!sdp_literal(addr, text, &v6))
		return CSCF_SDP_OK; /* a host name: known to be there, of no use to us */
	if (v6 != type_v6)
		return CSCF_SDP_SYNTAX;
	s->conn_is_v6 = v6;
	s->addr = addr;
	return CSCF_SDP_OK;
}

/* Unknown modifiers and odd values are ignored (RFC 8866 s5.8). */
static void parse_bandwidth(struct sdp_sect *s, struct gw_slice v)
{
	static const char *const words[] = {"AS", "TIAS", "RS", "RR"};
	int64_t *const slots[] = {&s->b_as_kbps, &s->b_tias_bps, &s->b_rs_bps, &s->b_rr_bps};
	const char *colon = v.n > 0 ? memchr(v.p, ':', v.n) : NULL;
	struct gw_slice name, number;
	uint64_t n;

	if (colon == NULL)
		return;
	name = (struct gw_slice){v.p, (size_t)(colon - v.p)};
	number = (struct gw_slice){colon + 1, v.n - name.n - 1};
	if (!sdp_number(number, INT32_MAX, &n))
		return;
	for (size_t i = 0; i < 4; i++)
		if (gw_slice_ieq_str(name, words[i]) && *slots[i] < 0)
			*slots[i] = (int64_t)n;
}

/* Lines whose number follows from formats, network interfaces or tracks have no limit of their
 * own: the size of the text bounds them. A plain Chromium video line has about 200 of them. */
static bool counts_for_limit(struct gw_slice name)
{
	static const char *const free_names[] = {"rtpmap",    "fmtp", "rtcp-fb",
						 "candidate", "ssrc", "ssrc-group"};

	for (size_t i = 0; i < sizeof(free_names) / sizeof(free_names[0]); i++)
		if (gw_slice_eq_str(name, free_names[i]))
			return false;
	return true;
}

static enum cscf_sdp_verdict parse_attr(struct parser *p, struct gw_slice v)
{
	const char *colon = v.n > 0 ? memchr(v.p, ':', v.n) : NULL;
	struct sdp_attr *a = &p->sdp->attrs[p->n_attrs];

	a->name = v;
	a->value = GW_SLICE_NONE;
	if (colon != NULL) {
		a->name.n = (size_t)(colon - v.p);
		a->value = (struct gw_slice){colon + 1, v.n - a->name.n - 1};
	}
	if (a->name.n == 0)
		return CSCF_SDP_SYNTAX;
	if (counts_for_limit(a->name) && ++p->counted > CSCF_SDP_MAX_ATTR)
		return CSCF_SDP_LIMIT;
	p->n_attrs++;
	p->sect->n_attrs++;
	return CSCF_SDP_OK;
}

static void sect_init(struct sdp_sect *s, size_t first_attr)
{
	memset(s, 0, sizeof(*s));
	s->first_attr = first_attr;
	s->b_as_kbps = s->b_tias_bps = s->b_rs_bps = s->b_rr_bps = -1;
}

static enum cscf_sdp_verdict parse_media(struct parser *p, struct gw_slice v)
{
	struct sdp_sect *s = &p->sdp->media[p->sdp->n_media];
	struct gw_slice port, number, fmt;
	size_t cursor = 0, n_fmts = 0;
	const char *slash;
	uint64_t n;

	sect_init(s, p->n_attrs);
	if (!sdp_token_next(v, &cursor, &s->media) || !sdp_token_next(v, &cursor, &port) ||
	    !sdp_token_next(v, &cursor, &s->proto))
		return CSCF_SDP_SYNTAX;
	if (s->media.n >= SDP_MEDIA_LEN || s->proto.n >= SDP_PROTO_LEN)
		return CSCF_SDP_LIMIT;
	slash = memchr(port.p, '/', port.n);
	if (slash != NULL) {
		number = (struct gw_slice){slash + 1, (size_t)(port.p + port.n - slash - 1)};
		port.n = (size_t)(slash - port.p);
		if (!sdp_number(number, 65535, &n))
			return CSCF_SDP_SYNTAX;
		s->many_ports = n > 1;
	}
	if (!sdp_number(port, 65535, &n))
		return CSCF_SDP_SYNTAX;
	s->port = (uint16_t)n;
	while (cursor < v.n && (v.p[cursor] == ' ' || v.p[cursor] == '\t'))
		cursor++;
	s->fmts = (struct gw_slice){v.p + cursor, v.n - cursor};
	for (cursor = 0; sdp_token_next(s->fmts, &cursor, &fmt);)
		n_fmts++;
	if (n_fmts == 0)
		return CSCF_SDP_SYNTAX;
	if (n_fmts > CSCF_SDP_MAX_FMT)
		return CSCF_SDP_LIMIT;
	p->sdp->n_media++;
	p->sect = s;
	p->counted = 0;
	return CSCF_SDP_OK;
}

static enum cscf_sdp_verdict parse_line(struct parser *p, struct gw_slice line)
{
	struct gw_slice v = {line.p + 2, line.n - 2};

	if (!p->seen_version && line.p[0] != 'v')
		return CSCF_SDP_SYNTAX;
	switch (line.p[0]) {
	case 'v':
		if (p->seen_version)
			return CSCF_SDP_SYNTAX;
		p->seen_version = true;
		return gw_slice_eq_str(v, "0") ? CSCF_SDP_OK : CSCF_SDP_VERSION;
	case 'o':
		return parse_origin(p, v);
	case 'c':
		return parse_conn(p->sect, v);
	case 'b':
		parse_bandwidth(p->sect, v);
		return CSCF_SDP_OK;
	case 'i':
		p->sect->info = v;
		return CSCF_SDP_OK;
	case 'a':
		return parse_attr(p, v);
	case 'm':
		return parse_media(p, v);
	default: /* s t r z k e p u and what may come: read, not kept (SDP-39) */
		return CSCF_SDP_OK;
	}
}

/* How many m= and a= lines there are: upper bounds for the tables. */
static void count_lines(const char *text, size_t n, size_t *n_media, size_t *n_attrs)
{
	const char *end = text + n, *nl;

	*n_media = *n_attrs = 0;
	for (const char *at = text; at != NULL && end - at >= 2; at = nl != NULL ? nl + 1 : NULL) {
		*n_media += at[0] == 'm' && at[1] == '=';
		*n_attrs += at[0] == 'a' && at[1] == '=';
		nl = memchr(at, '\n', (size_t)(end - at));
	}
}

static enum cscf_sdp_verdict parse_lines(struct parser *p, size_t n)
{
	const char *at = p->sdp->text, *end = at + n;

	while (at < end) {
		const char *nl = memchr(at, '\n', (size_t)(end - at));
		struct gw_slice line = {at, (size_t)((nl != NULL ? nl : end) - at)};
		enum cscf_sdp_verdict v;

		at = nl != NULL ? nl + 1 : end;
		if (line.n > 0 && line.p[line.n - 1] == '\r')
			line.n--;
		if (line.n == 0)
			continue;
		if (line.n > CSCF_SDP_MAX_LINE)
			return CSCF_SDP_LIMIT;
		if (line.n < 2 || line.p[1] != '=' || line.p[0] < 'a' || line.p[0] > 'z' ||
		    memchr(line.p, '\r', line.n) != NULL)
			return CSCF_SDP_SYNTAX;
		v = parse_line(p, line);
		if (v != CSCF_SDP_OK)
			return v;
	}
	return p->seen_origin ? CSCF_SDP_OK : CSCF_SDP_SYNTAX;
}

enum cscf_sdp_verdict sdp_parse(struct sdp **out, const char *text, size_t n)
{
	enum cscf_sdp_verdict v = CSCF_SDP_NOMEM;
	struct parser p = {0};
	size_t n_media, n_attrs;

	if (n > CSCF_SDP_MAX_TEXT)
		return CSCF_SDP_LIMIT;
	if (n == 0 || memchr(text, '\0', n) != NULL)
		return CSCF_SDP_SYNTAX;
	count_lines(text, n, &n_media, &n_attrs);
	if (n_media > CSCF_SDP_MAX_MEDIA)
		return CSCF_SDP_LIMIT;
	p.sdp = calloc(1, sizeof(*p.sdp));
	if (p.sdp == NULL)
		return v;
	p.sdp->text = gw_slice_dup((struct gw_slice){text, n});
	p.sdp->media = calloc(n_media + 1, sizeof(*p.sdp->media));
	p.sdp->attrs = calloc(n_attrs + 1, sizeof(*p.sdp->attrs));
	if (p.sdp->text == NULL || p.sdp->media == NULL || p.sdp->attrs == NULL)
		goto fail;
	sect_init(&p.sdp->session, 0);
	p.sect = &p.sdp->session;
	v = parse_lines(&p, n);
	if (v != CSCF_SDP_OK)
		goto fail;
	*out = p.sdp;
	return CSCF_SDP_OK;
fail:
	sdp_free(p.sdp);
	return v;
}

void sdp_free(struct sdp *sdp)
{
	if (sdp == NULL)
		return;
	free(sdp->text);
	free(sdp->media);
	free(sdp->attrs);
	free(sdp);
}
