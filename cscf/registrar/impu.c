/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Is this URI a registered IMPU? Exactly, or by a wildcarded IMPU of the core, whose part
 * between two '!' is an extended regular expression: "sip:team-!.*!@ims.example.net".
 * Spec: TS 23.003 13.4B; ID-03, REG-26. Thread: the cscf loop.
 */
#include "cscf/registrar/reg_int.h"

#include <regex.h>
#include <utlist.h>

#define PATTERN_MAX 512

bool reg_impu_is_wildcard(const struct reg_impu *u)
{
	const char *first = strchr(u->uri, '!');

	return first != NULL && strchr(first + 1, '!') != NULL;
}

/* "^sip:team-.*@ims\.example\.net$": what stands outside the '!' is literal. */
static bool to_pattern(const char *uri, char *out, size_t n)
{
	bool inside = false;
	size_t at = 0;

	out[at++] = '^';
	for (; *uri != '\0' && at + 4 < n; uri++) {
		if (*uri == '!') {
			out[at++] = inside ? ')' : '(';
			inside = !inside;
			continue;
		}
		if (!inside && strchr(".[]{}()*+?|^$\\", *uri) != NULL)
			out[at++] = '\\';
		out[at++] = *uri;
	}
	out[at++] = '$';
	out[at] = '\0';
	return *uri == '\0' && !inside;
}

static bool matches(const struct reg_impu *u, const char *aor)
{
	char pattern[PATTERN_MAX];
	regex_t re;
	bool hit;

	if (!to_pattern(u->uri, pattern, sizeof(pattern)) ||
	    regcomp(&re, pattern, REG_EXTENDED | REG_ICASE | REG_NOSUB) != 0)
		return false;
	hit = regexec(&re, aor, 0, NULL, 0) == 0;
	regfree(&re);
	return hit;
}

static const struct reg_impu *find(const struct reg_assoc *a, const char *aor, bool wildcards,
				   const struct reg_binding **where)
{
	const struct reg_binding *b;

	DL_FOREACH (a->bindings, b) {
		for (size_t i = 0; i < b->grant.n_impus; i++) {
			const struct reg_impu *u = &b->grant.impus[i];

			if (reg_impu_is_wildcard(u) != wildcards ||
			    !(wildcards ? matches(u, aor) : strcmp(u->aor, aor) == 0))
				continue;
			*where = b;
			return u;
		}
	}
	return NULL;
}

const struct reg_impu *reg_impu_find(const struct reg_assoc *a, struct gw_slice uri,
				     const struct reg_binding **where)
{
	char *aor = cscf_sip_uri_aor(uri);
	const struct reg_impu *u = NULL;

	if (aor != NULL && aor[0] != '\0')
		u = find(a, aor, false, where);
	if (aor != NULL && aor[0] != '\0' && u == NULL)
		u = find(a, aor, true, where);
	free(aor);
	return u;
}
