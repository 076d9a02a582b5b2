/* SPDX-License-Identifier: Apache-2.0 */
/*
 * URIs; see uri.h. The parser is strict where a lenient reading would let two programs see two
 * different hosts: one '@' at most, no blanks, no control characters, host and port complete.
 */
#include "cscf/sip/uri.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>

static size_t find(struct gw_slice s, char stop)
{
	const char *at = s.n > 0 ? memchr(s.p, stop, s.n) : NULL;

	return at != NULL ? (size_t)(at - s.p) : s.n;
}

static struct gw_slice cut(struct gw_slice s, size_t from, size_t to)
{
	return (struct gw_slice){s.p + from, to - from};
}

static bool is_clean(struct gw_slice s)
{
	for (size_t i = 0; i < s.n; i++) {
		unsigned char c = (unsigned char)s.p[i];

		if (c <= ' ' || c == 127 || c == '<' || c == '>' || c == '"')
			return false;
	}
	return s.n > 0;
}

static bool parse_host(struct cscf_sip_uri *out, struct gw_slice hp)
{
	size_t end;
	uint32_t port;

	if (hp.n > 0 && hp.p[0] == '[') {
		end = find(hp, ']');
		if (end == hp.n || end < 3)
			return false;
		out->host = cut(hp, 1, end);
		out->host_is_v6 = true;
		for (size_t i = 0; i < out->host.n; i++)
			if (!isxdigit((unsigned char)out->host.p[i]) && out->host.p[i] != ':' &&
			    out->host.p[i] != '.')
				return false;
		end++;
	} else {
		end = find(hp, ':');
		out->host = cut(hp, 0, end);
		for (size_t i = 0; i < out->host.n; i++)
			if (!isalnum((unsigned char)out->host.p[i]) &&
			    strchr("-._", out->host.p[i]) == NULL)
				return false;
	}
	if (out->host.n == 0 || out->host.n > 255)
		return false;
	if (end == hp.n)
		return true;
	if (hp.p[end] != ':' || !cscf_sip_uint(cut(hp, end + 1, hp.n), 65535, &port) || port == 0)
		return false;
	out->port = (uint16_t)port;
	return true;
}

static bool parse_sip(struct cscf_sip_uri *out, struct gw_slice rest)
{
	size_t at = find(rest, '@');
	size_t end;

	if (at < rest.n) {
		struct gw_slice userinfo = cut(rest, 0, at);
		size_t colon = find(userinfo, ':');

		rest = cut(rest, at + 1, rest.n);
		if (find(rest, '@') < rest.n || colon == 0)
			return false;
		out->user = cut(userinfo, 0, colon);
		if (out->user.n == 0)
			return false;
		if (colon < userinfo.n)
			out->password = cut(userinfo, colon + 1, userinfo.n);
	}
	end = find(rest, '?');
	if (end < rest.n)
		out->headers = cut(rest, end + 1, rest.n);
	rest.n = end;
	end = find(rest, ';');
	if (end < rest.n)
		out->params = cut(rest, end + 1, rest.n);
	rest.n = end;
	return parse_host(out, rest);
}

enum gw_err cscf_sip_uri_parse(struct cscf_sip_uri *out, struct gw_slice text)
{
	struct gw_slice scheme, rest;
	size_t colon;

	*out = (struct cscf_sip_uri){.text = text};
	if (!is_clean(text))
		return GW_ERR_PARSE;
	colon = find(text, ':');
	if (colon == 0 || colon + 1 >= text.n || !isalpha((unsigned char)text.p[0]))
		return GW_ERR_PARSE;
	scheme = cut(text, 0, colon);
	for (size_t i = 0; i < scheme.n; i++)
		if (!isalnum((unsigned char)scheme.p[i]) && strchr("+-.", scheme.p[i]) == NULL)
			return GW_ERR_PARSE;
	rest = cut(text, colon + 1, text.n);
	if (gw_slice_ieq_str(scheme, "sip") || gw_slice_ieq_str(scheme, "sips")) {
		out->scheme = scheme.n == 3 ? CSCF_SIP_SCHEME_SIP : CSCF_SIP_SCHEME_SIPS;
		return parse_sip(out, rest) ? GW_OK : GW_ERR_PARSE;
	}
	if (gw_slice_ieq_str(scheme, "tel")) {
		size_t semi = find(rest, ';');

		out->scheme = CSCF_SIP_SCHEME_TEL;
		out->user = cut(rest, 0, semi);
		if (semi < rest.n)
			out->params = cut(rest, semi + 1, rest.n);
		return out->user.n > 0 ? GW_OK : GW_ERR_PARSE;
	}
	out->scheme = gw_slice_ieq_str(scheme, "urn") ? CSCF_SIP_SCHEME_URN : CSCF_SIP_SCHEME_OTHER;
	out->user = rest;
	return GW_OK;
}

bool cscf_sip_uri_param(const struct cscf_sip_uri *uri, const char *name, struct gw_slice *value)
{
	return cscf_sip_param_get(uri->params, name, value);
}

static int hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	if (c >= 'A' && c <= 'F')
		return c - 'A' + 10;
	return -1;
}

/* Next character of an escaped text; *i moves on. -1 at the end. */
static int next_unescaped(struct gw_slice s, size_t *i)
{
	char c;

	if (*i >= s.n)
		return -1;
	c = s.p[(*i)++];
	if (c == '%' && *i + 1 < s.n && hex_digit(s.p[*i]) >= 0 && hex_digit(s.p[*i + 1]) >= 0) {
		int v = hex_digit(s.p[*i]) * 16 + hex_digit(s.p[*i + 1]);

		*i += 2;
		return v;
	}
	return (unsigned char)c;
}

static bool escaped_eq(struct gw_slice a, struct gw_slice b, bool no_case)
{
	size_t i = 0, j = 0;

	for (;;) {
		int x = next_unescaped(a, &i);
		int y = next_unescaped(b, &j);

		if (x < 0 || y < 0)
			return x == y;
		if (x != y && !(no_case && tolower(x) == tolower(y)))
			return false;
	}
}

/* Each parameter of a that b has too must be equal; some may not stand alone. */
static bool params_fit(const struct cscf_sip_uri *a, const struct cscf_sip_uri *b)
{
	static const char *const both[] = {"user", "ttl", "method", "maddr", "transport"};
	struct gw_slice name, value, other;
	size_t cursor = 0;

	while (cscf_sip_param_next(a->params, &cursor, &name, &value)) {
		char key[64];

		if (name.n >= sizeof(key))
			return false;
		memcpy(key, name.p, name.n);
		key[name.n] = '\0';
		if (cscf_sip_uri_param(b, key, &other)) {
			if (!escaped_eq(value, other, true))
				return false;
			continue;
		}
		for (size_t i = 0; i < sizeof(both) / sizeof(both[0]); i++)
			if (gw_slice_ieq_str(name, both[i]))
				return false;
	}
	return true;
}

static bool is_separator(char c)
{
	return c == '-' || c == '.' || c == '(' || c == ')';
}

static bool tel_eq(struct gw_slice a, struct gw_slice b)
{
	size_t i = 0, j = 0;

	for (;;) {
		while (i < a.n && is_separator(a.p[i]))
			i++;
		while (j < b.n && is_separator(b.p[j]))
			j++;
		if (i == a.n || j == b.n)
			return i == a.n && j == b.n;
		if (tolower((unsigned char)a.p[i++]) != tolower((unsigned char)b.p[j++]))
			return false;
	}
}

bool cscf_sip_uri_eq(const struct cscf_sip_uri *a, const struct cscf_sip_uri *b)
{
	if (a->scheme != b->scheme)
		return false;
	switch (a->scheme) {
	case CSCF_SIP_SCHEME_SIP:
	case CSCF_SIP_SCHEME_SIPS:
		return escaped_eq(a->user, b->user, false) &&
		       escaped_eq(a->password, b->password, false) &&
		       gw_slice_ieq(a->host, b->host) && a->port == b->port && params_fit(a, b) &&
		       params_fit(b, a) && escaped_eq(a->headers, b->headers, true);
	case CSCF_SIP_SCHEME_TEL:
		return tel_eq(a->user, b->user) && params_fit(a, b) && params_fit(b, a);
	case CSCF_SIP_SCHEME_URN:
		return gw_slice_ieq(a->user, b->user);
	case CSCF_SIP_SCHEME_OTHER:
		return gw_slice_eq(a->text, b->text);
	}
	return false;
}

bool cscf_sip_uri_text_eq(struct gw_slice a, struct gw_slice b)
{
	struct cscf_sip_uri x, y;

	return cscf_sip_uri_parse(&x, a) == GW_OK && cscf_sip_uri_parse(&y, b) == GW_OK &&
	       cscf_sip_uri_eq(&x, &y);
}

/* Unescape what needs no escape in a user part; keep other escapes, in upper case. */
static size_t put_user(char *to, struct gw_slice user)
{
	size_t i = 0, n = 0;

	while (i < user.n) {
		size_t start = i;
		int c = next_unescaped(user, &i);

		if (i - start == 1 || isalnum(c) || (c > ' ' && strchr("-_.!~*'()&=+$,;?/", c))) {
			to[n++] = (char)c;
			continue;
		}
		to[n++] = '%';
		to[n++] = (char)toupper((unsigned char)user.p[start + 1]);
		to[n++] = (char)toupper((unsigned char)user.p[start + 2]);
	}
	return n;
}

static size_t put_lower(char *to, struct gw_slice s)
{
	for (size_t i = 0; i < s.n; i++)
		to[i] = (char)tolower((unsigned char)s.p[i]);
	return s.n;
}

char *cscf_sip_uri_aor(struct gw_slice text)
{
	struct cscf_sip_uri u;
	char *out;
	size_t n = 0;

	if (cscf_sip_uri_parse(&u, text) != GW_OK)
		return NULL;
	out = malloc(text.n + 16);
	if (out == NULL)
		return NULL;
	switch (u.scheme) {
	case CSCF_SIP_SCHEME_SIP:
	case CSCF_SIP_SCHEME_SIPS:
		n += put_lower(out,
			       gw_slice_str(u.scheme == CSCF_SIP_SCHEME_SIP ? "sip:" : "sips:"));
		if (u.user.n > 0) {
			n += put_user(out + n, u.user);
			out[n++] = '@';
		}
		if (u.host_is_v6)
			out[n++] = '[';
		n += put_lower(out + n, u.host);
		if (u.host_is_v6)
			out[n++] = ']';
		if (u.port != 0 && u.port != 5060)
			n += (size_t)snprintf(out + n, 8, ":%u", u.port);
		break;
	case CSCF_SIP_SCHEME_TEL:
		n += put_lower(out, GW_SLICE_LIT("tel:"));
		for (size_t i = 0; i < u.user.n; i++)
			if (!is_separator(u.user.p[i]))
				out[n++] = (char)tolower((unsigned char)u.user.p[i]);
		break;
	case CSCF_SIP_SCHEME_URN:
	case CSCF_SIP_SCHEME_OTHER:
		n += put_lower(out, text);
		break;
	}
	out[n] = '\0';
	return out;
}

bool cscf_sip_uri_is_websocket(const struct cscf_sip_uri *uri)
{
	struct gw_slice host = uri->host;
	struct gw_slice transport;

	if (cscf_sip_uri_param(uri, "transport", &transport) &&
	    (gw_slice_ieq_str(transport, "ws") || gw_slice_ieq_str(transport, "wss")))
		return true;
	if (host.n > 0 && host.p[host.n - 1] == '.')
		host.n--;
	if (gw_slice_ieq_str(host, "invalid"))
		return true;
	return host.n > 8 &&
	       gw_slice_ieq_str((struct gw_slice){host.p + host.n - 8, 8}, ".invalid");
}
