/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Header value grammar; see value.h. Every walk is bounded by the slice and looks at each octet
 * once; an unterminated quote or bracket ends with the text.
 */
#include "cscf/sip/value.h"

static bool is_blank(char c)
{
	return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

struct gw_slice cscf_sip_trim(struct gw_slice s)
{
	while (s.n > 0 && is_blank(s.p[0])) {
		s.p++;
		s.n--;
	}
	while (s.n > 0 && is_blank(s.p[s.n - 1]))
		s.n--;
	return s;
}

bool cscf_sip_uint(struct gw_slice s, uint32_t max, uint32_t *out)
{
	uint64_t v = 0;

	if (s.n == 0 || s.n > 10)
		return false;
	for (size_t i = 0; i < s.n; i++) {
		if (s.p[i] < '0' || s.p[i] > '9')
			return false;
		v = v * 10 + (uint64_t)(s.p[i] - '0');
	}
	if (v > max)
		return false;
	*out = (uint32_t)v;
	return true;
}

/* RFC 3261 s25.1 token */
static bool is_token_char(unsigned char c)
{
	/* a bit per character: 0-31, 32-63, … */
	static const uint32_t tokens[8] = {0, 0x03ff6ca2, 0x87fffffe, 0x47ffffff};

	return (tokens[c >> 5] >> (c & 31) & 1) != 0;
}

bool cscf_sip_is_token(struct gw_slice s)
{
	for (size_t i = 0; i < s.n; i++)
		if (!is_token_char((unsigned char)s.p[i]))
			return false;
	return s.n > 0;
}

/* Past a quoted string that begins at i, or s.n. */
static size_t skip_quoted(struct gw_slice s, size_t i)
{
	for (i++; i < s.n && s.p[i] != '"'; i++)
		if (s.p[i] == '\\')
			i++;
	return i < s.n ? i + 1 : s.n;
}

/* Past the '>' that belongs to a '<' at i, or s.n. */
static size_t skip_angle(struct gw_slice s, size_t i)
{
	const char *gt = memchr(s.p + i, '>', s.n - i);

	return gt != NULL ? (size_t)(gt + 1 - s.p) : s.n;
}

/* Position of the first `stop` outside quotes (and outside <> when angles), else s.n. */
static size_t find_stop(struct gw_slice s, size_t from, char stop, bool angles)
{
	while (from < s.n) {
		const char *start = s.p + from;
		const char *at = memchr(start, stop, s.n - from);
		const char *quote, *angle;
		size_t n;

		if (at == NULL)
			return s.n; /* inside quotes or not: there is none */
		n = (size_t)(at - start);
		quote = memchr(start, '"', n);
		if (quote != NULL)
			n = (size_t)(quote - start);
		angle = angles ? memchr(start, '<', n) : NULL;
		if (angle != NULL)
			from = skip_angle(s, (size_t)(angle - s.p));
		else if (quote != NULL)
			from = skip_quoted(s, (size_t)(quote - s.p));
		else
			return (size_t)(at - s.p);
	}
	return s.n;
}

static struct gw_slice cut(struct gw_slice s, size_t from, size_t to)
{
	return (struct gw_slice){s.p + from, to - from};
}

bool cscf_sip_list_next(struct gw_slice value, size_t *cursor, struct gw_slice *member)
{
	while (*cursor < value.n) {
		size_t end = find_stop(value, *cursor, ',', true);

		*member = cscf_sip_trim(cut(value, *cursor, end));
		*cursor = end < value.n ? end + 1 : value.n;
		if (member->n > 0)
			return true;
	}
	return false;
}

bool cscf_sip_list_has(struct gw_slice value, const char *token)
{
	size_t from = 0;

	while (from < value.n) {
		size_t comma = find_stop(value, from, ',', true);
		size_t end = find_stop((struct gw_slice){value.p, comma}, from, ';', true);

		if (gw_slice_ieq_str(cscf_sip_trim(cut(value, from, end)), token))
			return true;
		from = end + 1;
	}
	return false;
}

bool cscf_sip_param_next(struct gw_slice params, size_t *cursor, struct gw_slice *name,
			 struct gw_slice *value)
{
	while (*cursor < params.n) {
		size_t end = find_stop(params, *cursor, ';', true);
		struct gw_slice one = cscf_sip_trim(cut(params, *cursor, end));
		size_t eq;

		*cursor = end < params.n ? end + 1 : params.n;
		if (one.n == 0)
			continue;
		eq = find_stop(one, 0, '=', false);
		*name = cscf_sip_trim(cut(one, 0, eq));
		*value = eq < one.n ? cscf_sip_trim(cut(one, eq + 1, one.n)) : GW_SLICE_NONE;
		return true;
	}
	return false;
}

bool cscf_sip_param_get(struct gw_slice params, const char *name, struct gw_slice *value)
{
	struct gw_slice n, v;
	size_t cursor = 0;

	while (cscf_sip_param_next(params, &cursor, &n, &v)) {
		if (!gw_slice_ieq_str(n, name))
			continue;
		if (value != NULL)
			*value = v;
		return true;
	}
	return false;
}

enum gw_err cscf_sip_name_addr_parse(struct cscf_sip_name_addr *out, struct gw_slice value)
{
	size_t lt, gt, semi;
	struct gw_slice rest;

	*out = (struct cscf_sip_name_addr){.text = cscf_sip_trim(value)};
	value = out->text;
	if (value.n == 0)
		return GW_ERR_PARSE;
	if (value.n == 1 && value.p[0] == '*') {
		out->star = true;
		return GW_OK;
	}
	lt = find_stop(value, 0, '<', false);
	if (lt == value.n) {
		semi = find_stop(value, 0, ';', false);
		out->uri = cscf_sip_trim(cut(value, 0, semi));
		if (semi < value.n)
			out->params = cscf_sip_trim(cut(value, semi + 1, value.n));
		for (size_t i = 0; i < out->uri.n; i++)
			if (is_blank(out->uri.p[i]) || out->uri.p[i] == '"' ||
			    out->uri.p[i] == '?' || out->uri.p[i] == ',') /* RFC 3261 s20 */
				return GW_ERR_PARSE;
		return out->uri.n > 0 ? GW_OK : GW_ERR_PARSE;
	}
	for (gt = lt + 1; gt < value.n && value.p[gt] != '>'; gt++)
		if (value.p[gt] == '<')
			return GW_ERR_PARSE;
	if (gt == value.n || gt == lt + 1)
		return GW_ERR_PARSE;
	out->bracketed = true;
	out->display = cscf_sip_trim(cut(value, 0, lt));
	out->uri = cut(value, lt + 1, gt);
	rest = cscf_sip_trim(cut(value, gt + 1, value.n));
	if (rest.n == 0)
		return GW_OK;
	if (rest.p[0] != ';')
		return GW_ERR_PARSE;
	out->params = cscf_sip_trim(cut(rest, 1, rest.n));
	return GW_OK;
}

size_t cscf_sip_unquote(struct gw_slice value, char *buf, size_t n)
{
	size_t len = 0;
	bool quoted;

	if (n == 0)
		return 0;
	value = cscf_sip_trim(value);
	quoted = value.n >= 2 && value.p[0] == '"' && value.p[value.n - 1] == '"';
	if (quoted)
		value = cut(value, 1, value.n - 1);
	for (size_t i = 0; i < value.n && len + 1 < n; i++) {
		if (quoted && value.p[i] == '\\' && i + 1 < value.n)
			i++;
		buf[len++] = value.p[i];
	}
	buf[len] = '\0';
	return len;
}
