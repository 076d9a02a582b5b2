/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Verified tokens by their hash, so that a refresh does not pay for the check again (TOK-25).
 * Bounded: the oldest goes first. Only hashes are kept, never a token.
 */
#include "cscf/authz/authz_int.h"

static void drop(struct cscf_authz *a, struct cached *c)
{
	/* NOLINTNEXTLINE(clang-analyzer-unix.Malloc): only the table was freed */
	HASH_DEL(a->cache, c);
	cscf_authz_grant_unref(c->grant);
	free(c);
}

bool cache_find(struct cscf_authz *a, const unsigned char hash[CSCF_AUTHZ_HASH],
		enum cscf_authz_reason *reason, const struct cscf_authz_grant **grant)
{
	struct cached *c;

	HASH_FIND(hh, a->cache, hash, CSCF_AUTHZ_HASH, c);
	if (c != NULL && authz_mono_ms(a) >= c->until_ms) {
		drop(a, c);
		c = NULL;
	}
	metric_cache(c != NULL);
	if (c == NULL)
		return false;
	*reason = c->reason;
	*grant = c->grant;
	return true;
}

void cache_put(struct cscf_authz *a, const unsigned char hash[CSCF_AUTHZ_HASH],
	       enum cscf_authz_reason reason, const struct cscf_authz_grant *grant)
{
	int64_t ttl = grant != NULL ? a->cfg->cache_ttl : a->cfg->negative_ttl;
	int64_t now = authz_mono_ms(a);
	struct cached *c, *next;

	HASH_FIND(hh, a->cache, hash, CSCF_AUTHZ_HASH, c);
	if (c != NULL)
		drop(a, c);
	if (ttl <= 0)
		return;
	HASH_ITER (hh, a->cache, c, next) { /* in the order they came in */
		if (now < c->until_ms && HASH_COUNT(a->cache) < (unsigned)a->cfg->cache_max)
			break;
		drop(a, c);
	}
	c = calloc(1, sizeof(*c));
	if (c == NULL)
		return;
	memcpy(c->hash, hash, CSCF_AUTHZ_HASH);
	c->grant = grant != NULL ? cscf_authz_grant_ref(grant) : NULL;
	c->reason = reason;
	c->until_ms = now + ttl;
	HASH_ADD(hh, a->cache, hash, CSCF_AUTHZ_HASH, c);
}

void cache_clear(struct cscf_authz *a)
{
	struct cached *c, *next;

	HASH_ITER (hh, a->cache, c, next) {
		drop(a, c);
	}
}
