/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Credentials as text; see auth.h.
 */
#include "cscf/sip/auth.h"
#include "common/fmt.h"

#include "cscf/sip/value.h"

#include <ctype.h>
#include <stdio.h>

#define MAX_DIGEST_PARAMS 32

bool cscf_sip_is_token68(struct gw_slice s)
{
	size_t i = 0;

	while (i < s.n && s.p[i] != '\0' &&
	       (isalnum((unsigned char)s.p[i]) || strchr("-._~+/", s.p[i]) != NULL))
		i++;
	if (i == 0)
		return false;
	while (i < s.n && s.p[i] == '=')
		i++;
	return i == s.n;
}

/* "name = value" of one list member; name n = 0 when there is no '='. */
static void split_param(struct gw_slice member, struct gw_slice *name, struct gw_slice *value)
{
	size_t i = 0;

	while (i < member.n && member.p[i] != '=')
		i++;
	*name = cscf_sip_trim((struct gw_slice){member.p, i});
	*value = i < member.n ? cscf_sip_trim((struct gw_slice){member.p + i + 1, member.n - i - 1})
			      : GW_SLICE_NONE;
}

bool cscf_sip_is_plain_value(struct gw_slice v)
{
	if (v.n > 0 && v.p[0] == '"') {
		for (size_t i = 1; i < v.n; i++) {
			if (v.p[i] == '\\')
				i++;
			else if (v.p[i] == '"')
				return i + 1 == v.n;
		}
		return false;
	}
	for (size_t i = 0; i < v.n; i++)
		if (v.p[i] == '\0' || strchr("\"<> \t", v.p[i]) != NULL)
			return false;
	return true;
}

/* username* says the same thing as username (RFC 7616 s3.4). */
static struct gw_slice base_name(struct gw_slice name)
{
	if (name.n > 1 && name.p[name.n - 1] == '*')
		name.n--;
	return name;
}

static bool is_clean_digest(struct gw_slice rest)
{
	struct gw_slice member, name, v;
	size_t pos = 0;

	while (cscf_sip_list_next(rest, &pos, &member)) {
		split_param(member, &name, &v);
		if (!cscf_sip_is_token(name) || v.p == NULL || !cscf_sip_is_plain_value(v))
			return false;
	}
	return true;
}

bool cscf_sip_auth_is_single(const struct cscf_sip_auth *auth)
{
	struct gw_slice member, name, v, names[MAX_DIGEST_PARAMS];
	size_t pos = 0, n = 0;

	if (auth->scheme != CSCF_SIP_AUTH_DIGEST)
		return false;
	while (cscf_sip_list_next(auth->rest, &pos, &member)) {
		if (n == MAX_DIGEST_PARAMS)
			return false;
		split_param(member, &name, &v);
		names[n] = base_name(name);
		for (size_t i = 0; i < n; i++)
			if (gw_slice_ieq(names[i], names[n]))
				return false;
		n++;
	}
	return true;
}

enum gw_err cscf_sip_auth_parse(struct cscf_sip_auth *out, struct gw_slice value)
{
	size_t i = 0;

	*out = (struct cscf_sip_auth){.scheme = CSCF_SIP_AUTH_OTHER};
	value = cscf_sip_trim(value);
	while (i < value.n && value.p[i] != ' ' && value.p[i] != '\t')
		i++;
	out->scheme_text = (struct gw_slice){value.p, i};
	out->rest = cscf_sip_trim((struct gw_slice){value.p + i, value.n - i});
	if (!cscf_sip_is_token(out->scheme_text) || out->rest.n == 0)
		return GW_ERR_PARSE;
	if (gw_slice_ieq_str(out->scheme_text, "Digest"))
		out->scheme = CSCF_SIP_AUTH_DIGEST;
	else if (gw_slice_ieq_str(out->scheme_text, "Bearer"))
		out->scheme = CSCF_SIP_AUTH_BEARER;
	if (out->scheme == CSCF_SIP_AUTH_BEARER && !cscf_sip_is_token68(out->rest))
		return GW_ERR_PARSE;
	if (out->scheme == CSCF_SIP_AUTH_DIGEST && !is_clean_digest(out->rest))
		return GW_ERR_PARSE;
	return GW_OK;
}

bool cscf_sip_auth_param(const struct cscf_sip_auth *auth, const char *name, struct gw_slice *raw)
{
	struct gw_slice member, n, v;
	size_t pos = 0;

	if (auth->scheme == CSCF_SIP_AUTH_BEARER)
		return false;
	while (cscf_sip_list_next(auth->rest, &pos, &member)) {
		split_param(member, &n, &v);
		if (!gw_slice_ieq_str(n, name))
			continue;
		if (raw != NULL)
			*raw = v;
		return true;
	}
	return false;
}

bool cscf_sip_auth_param_str(const struct cscf_sip_auth *auth, const char *name, char *buf,
			     size_t n)
{
	struct gw_slice raw;

	if (!cscf_sip_auth_param(auth, name, &raw) || raw.n >= n)
		return false;
	cscf_sip_unquote(raw, buf, n);
	return true;
}

static bool is_listed(struct gw_slice name, const char *const *names)
{
	for (; *names != NULL; names++)
		if (gw_slice_ieq_str(name, *names))
			return true;
	return false;
}

char *cscf_sip_auth_without(struct gw_slice value, const char *const *names)
{
	char *out = malloc(value.n + 1);
	struct cscf_sip_auth auth;
	struct gw_slice name, v;
	size_t n, from = 0;
	bool first = true;

	if (out == NULL)
		return NULL;
	if (cscf_sip_auth_parse(&auth, value) != GW_OK) {
		free(out);
		return NULL;
	}
	if (auth.scheme == CSCF_SIP_AUTH_BEARER) {
		memcpy(out, value.p, value.n);
		out[value.n] = '\0';
		return out;
	}
	n = (size_t)(auth.rest.p - value.p);
	memcpy(out, value.p, n);
	while (from < auth.rest.n) {
		size_t pos = from;
		struct gw_slice member;
		struct gw_slice chunk; /* with the blanks around the member */

		if (!cscf_sip_list_next(auth.rest, &pos, &member))
			break;
		chunk = (struct gw_slice){auth.rest.p + from, pos - from};
		if (chunk.n > 0 && chunk.p[chunk.n - 1] == ',' &&
		    member.p + member.n <= chunk.p + chunk.n - 1)
			chunk.n--;
		from = pos;
		split_param(member, &name, &v);
		if (is_listed(name, names))
			continue;
		if (!first)
			out[n++] = ',';
		else /* no blank or comma in front of the first */
			chunk = (struct gw_slice){member.p, chunk.n - (size_t)(member.p - chunk.p)};
		first = false;
		memcpy(out + n, chunk.p, chunk.n);
		n += chunk.n;
	}
	out[n] = '\0';
	return out;
}

char *cscf_sip_auth_with(struct gw_slice value, const char *name, const char *v)
{
	char *out;

	value = cscf_sip_trim(value);
	if (strpbrk(v, "\r\n\"\\") != NULL ||
	    gw_asfmt(&out, "%.*s,%s=\"%s\"", GW_SLICE_FMT(value), name, v) < 0)
		return NULL;
	return out;
}
