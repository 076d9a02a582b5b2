/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Verified tokens by their hash, so that a refresh does not pay for the check again (TOK-25).
 * Bounded: the oldest goes first. Refusals have a table of their own: whoever invents tokens makes
 * nobody's good one forgotten. Only hashes are kept, never a token.
 */
#include "cscf/authz/authz_int.h"

static void drop(struct cached **table, struct cached *c)
{
	/* NOLINTNEXTLINE(clang-analyzer-unix.Malloc): only the table was freed */
	HASH_DEL(*table, c);
	cscf_authz_grant_unref(c->grant);
	free(c);
}

/* What is still fresh; NULL when nothing is. */
static struct cached *fresh(struct cached **table, const unsigned char hash[CSCF_AUTHZ_HASH],
			    int64_t now)
{
	struct cached *c;

	HASH_FIND(hh, *table, hash, CSCF_AUTHZ_HASH, c);
	if (c == NULL || now < c->until_ms)
		return c;
	drop(table, c);
	return NULL;
}

static void forget(struct cached **table, const unsigned char hash[CSCF_AUTHZ_HASH])
{
	struct cached *c;

	HASH_FIND(hh, *table, hash, CSCF_AUTHZ_HASH, c);
	if (c != NULL)
		drop(table, c);
}

bool cache_find(struct cscf_authz *a, const unsigned char hash[CSCF_AUTHZ_HASH],
		enum cscf_authz_reason *reason, const struct cscf_authz_grant **grant)
{
	struct cached *c = fresh(&a->cache, hash, authz_mono_ms(a));

	if (c == NULL)
		c = fresh(&a->refused, hash, authz_mono_ms(a));
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
	struct cached **table = grant != NULL ? &a->cache : &a->refused;
	struct cached *c, *next;

	forget(&a->cache, hash);
	forget(&a->refused, hash);
	if (ttl <= 0)
		return;
	HASH_ITER (hh, *table, c, next) { /* in the order they came in */
		if (now < c->until_ms && HASH_COUNT(*table) < (unsigned)a->cfg->cache_max)
			break;
		drop(table, c);
	}
	c = calloc(1, sizeof(*c));
	if (c == NULL)
		return;
	memcpy(c->hash, hash, CSCF_AUTHZ_HASH);
	c->grant = grant != NULL ? cscf_authz_grant_ref(grant) : NULL;
	c->reason = reason;
	c->until_ms = now + ttl;
	HASH_ADD(hh, *table, hash, CSCF_AUTHZ_HASH, c);
}

void cache_clear(struct cscf_authz *a)
{
	struct cached *c, *next;

	HASH_ITER (hh, a->cache, c, next)
		drop(&a->cache, c);
	HASH_ITER (hh, a->refused, c, next)
		drop(&a->refused, c);
}
