/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The grant: one constant block of memory with several holders, and the comparison of its IMPUs.
 */
#include "cscf/authz/authz_int.h"

#include "cscf/sip/uri.h"

#include <ctype.h>
#include <openssl/crypto.h>

#define RANGE_MARK '!'
#define RANGE_ALL  "!.*!"

/* What is behind a grant; `pub` is all that others see. */
struct grant {
	struct cscf_authz_grant pub;
	unsigned holders;
	const char *impu[]; /* then the texts */
};

static struct grant *inside(const struct cscf_authz_grant *grant)
{
	/* Made by grant_new, so it is the first member of an object that is not constant. */
	return (struct grant *)(uintptr_t)grant;
}

static const char *put(char **at, const char *text)
{
	const char *here = *at;
	size_t n;

	if (text == NULL)
		return NULL;
	n = strlen(text) + 1;
	memcpy(*at, text, n);
	*at += n;
	return here;
}

static size_t text_size(const struct cscf_authz_grant *g)
{
	const char *const all[] = {g->impi,  g->issuer, g->client_id, g->subject,
				   g->scope, g->jti,    g->entity,    g->waf};
	size_t size = 0;

	for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++)
		size += all[i] != NULL ? strlen(all[i]) + 1 : 0;
	for (size_t i = 0; i < g->n_impus; i++)
		size += strlen(g->impus[i]) + 1;
	return size;
}

const struct cscf_authz_grant *grant_new(const struct cscf_authz_grant *from)
{
	size_t list = from->n_impus * sizeof(char *);
	struct grant *g = malloc(sizeof(*g) + list + text_size(from));
	char *at;

	if (g == NULL)
		return NULL;
	at = (char *)g + sizeof(*g) + list;
	g->pub = *from;
	g->holders = 1;
	g->pub.impi = put(&at, from->impi);
	g->pub.issuer = put(&at, from->issuer);
	g->pub.client_id = put(&at, from->client_id);
	g->pub.subject = put(&at, from->subject);
	g->pub.scope = put(&at, from->scope);
	g->pub.jti = put(&at, from->jti);
	g->pub.entity = put(&at, from->entity);
	g->pub.waf = put(&at, from->waf);
	for (size_t i = 0; i < from->n_impus; i++)
		g->impu[i] = put(&at, from->impus[i]);
	g->pub.impus = g->impu;
	return &g->pub;
}

const struct cscf_authz_grant *cscf_authz_grant_ref(const struct cscf_authz_grant *grant)
{
	inside(grant)->holders++;
	return grant;
}

void cscf_authz_grant_unref(const struct cscf_authz_grant *grant)
{
	if (grant != NULL && --inside(grant)->holders == 0)
		free(inside(grant));
}

bool cscf_authz_grant_same_token(const struct cscf_authz_grant *a, const struct cscf_authz_grant *b)
{
	return CRYPTO_memcmp(a->token_hash, b->token_hash, CSCF_AUTHZ_HASH) == 0;
}

/* ---- IMPUs --------------------------------------------------------------------------------- */

bool impu_is_sound(const char *impu)
{
	const char *range = strchr(impu, RANGE_MARK);
	struct cscf_sip_uri u;

	for (const char *c = impu; *c != '\0'; c++)
		if (*c <= ' ' || *c >= 0x7f || strchr("<>\"\\,", *c) != NULL)
			return false;
	if (cscf_sip_uri_parse(&u, gw_slice_str(impu)) != GW_OK || u.headers.n > 0 ||
	    u.password.n > 0)
		return false;
	if (range != NULL) { /* TS 23.003 §13.4B, in its simplest form and nothing wider */
		const char *last = strrchr(impu, RANGE_MARK);

		return u.scheme == CSCF_SIP_SCHEME_SIP && last == range + strlen(RANGE_ALL) - 1 &&
		       strncmp(range, RANGE_ALL, strlen(RANGE_ALL)) == 0 &&
		       memchr(impu, '@', (size_t)(range - impu)) == NULL &&
		       strchr(last, '@') != NULL;
	}
	return u.scheme == CSCF_SIP_SCHEME_TEL ||
	       ((u.scheme == CSCF_SIP_SCHEME_SIP || u.scheme == CSCF_SIP_SCHEME_SIPS) &&
		u.user.n > 0);
}

/* '*' stands for any octets but '@'; after the '@' case does not count (a host). */
static bool matches(const char *text, const char *pattern)
{
	const char *star = NULL, *resume = NULL;
	bool host = false, host_at_star = false;

	while (*text != '\0') {
		if (*pattern == '*') {
			star = ++pattern;
			resume = text;
			host_at_star = host;
		} else if (*pattern == *text || (host && tolower((unsigned char)*pattern) ==
							     tolower((unsigned char)*text))) {
			host = host || *text == '@';
			pattern++;
			text++;
		} else if (star != NULL && *resume != '@') {
			pattern = star;
			text = ++resume;
			host = host_at_star;
		} else {
			return false;
		}
	}
	while (*pattern == '*')
		pattern++;
	return *pattern == '\0';
}

bool impu_in_pattern(const char *impu, const char *pattern)
{
	char *aor = cscf_sip_uri_aor(gw_slice_str(impu));
	bool in = aor != NULL && matches(aor, pattern);

	free(aor);
	return in;
}

/* "sip:guest-!.*!@host" against the AOR of one user. */
static bool in_range(const char *range, const char *aor)
{
	char *canon = cscf_sip_uri_aor(gw_slice_str(range));
	const char *mark = canon != NULL ? strstr(canon, RANGE_ALL) : NULL;
	bool in = false;

	if (mark != NULL) {
		size_t head = (size_t)(mark - canon);
		const char *tail = mark + strlen(RANGE_ALL);
		size_t n = strlen(aor);

		in = n > head + strlen(tail) && memcmp(aor, canon, head) == 0 &&
		     strcmp(aor + n - strlen(tail), tail) == 0 &&
		     memchr(aor + head, '@', n - strlen(tail) - head) == NULL;
	}
	free(canon);
	return in;
}

bool cscf_authz_grant_has_impu(const struct cscf_authz_grant *grant, struct gw_slice uri)
{
	char *aor = NULL;
	bool has = false;

	for (size_t i = 0; i < grant->n_impus && !has; i++) {
		if (strchr(grant->impus[i], RANGE_MARK) == NULL) {
			has = cscf_sip_uri_text_eq(gw_slice_str(grant->impus[i]), uri);
			continue;
		}
		if (aor == NULL)
			aor = cscf_sip_uri_aor(uri);
		has = aor != NULL && in_range(grant->impus[i], aor);
	}
	free(aor);
	return has;
}
