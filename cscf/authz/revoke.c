/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Tokens that were taken back before their time (TOK-29), by jti or by hash; told by the
 * operator or by a back-channel. A name stays until no token of that name can be alive.
 */
#include "cscf/authz/authz_int.h"

#include "common/log.h"

#define GW_LOG_MOD "authz"
/* What is revoked is forgotten after this: longer than any access token lives. */
#define KEEP_S (24 * 3600)

static void drop(struct cscf_authz *a, struct revoked *r)
{
	/* NOLINTNEXTLINE(clang-analyzer-unix.Malloc): only the table was freed */
	HASH_DEL(a->revoked, r);
	free(r->id);
	free(r);
}

static bool is_revoked(const struct cscf_authz *a, const char *id)
{
	const struct revoked *r;

	if (*id == '\0')
		return false;
	HASH_FIND_STR(a->revoked, id, r);
	return r != NULL;
}

bool cscf_authz_grant_is_revoked(const struct cscf_authz *a, const struct cscf_authz_grant *grant)
{
	char hex[2 * CSCF_AUTHZ_HASH + 1];

	if (a->revoked == NULL)
		return false;
	token_hash_hex(grant->token_hash, hex);
	return is_revoked(a, grant->jti) || is_revoked(a, hex);
}

enum gw_err cscf_authz_revoke(struct cscf_authz *a, const char *id)
{
	int64_t now = authz_wall_s(a);
	struct revoked *r, *next;

	if (id == NULL || *id == '\0' || strlen(id) > MAX_CLAIM)
		return GW_ERR_INVAL;
	HASH_ITER (hh, a->revoked, r, next) {
		if (r->until_s > now)
			break; /* all keep equally long, so the rest is younger */
		drop(a, r);
	}
	if (is_revoked(a, id))
		return GW_OK;
	if (HASH_COUNT(a->revoked) >= MAX_REVOKED)
		return GW_ERR_LIMIT;
	r = calloc(1, sizeof(*r));
	if (r != NULL)
		r->id = strdup(id);
	if (r == NULL || r->id == NULL) {
		free(r);
		return GW_ERR_NOMEM;
	}
	r->until_s = now + KEEP_S;
	HASH_ADD_KEYPTR(hh, a->revoked, r->id, strlen(r->id), r);
	GW_LOG(GW_LOG_INFO, "authz.revoked", "revoked=%u", HASH_COUNT(a->revoked));
	if (a->on_revoked != NULL)
		a->on_revoked(a->on_revoked_arg);
	return GW_OK;
}

void cscf_authz_set_on_revoked(struct cscf_authz *a, cscf_authz_on_revoked *fn, void *arg)
{
	a->on_revoked = fn;
	a->on_revoked_arg = arg;
}

void revoked_clear(struct cscf_authz *a)
{
	struct revoked *r, *next;

	HASH_ITER (hh, a->revoked, r, next) {
		drop(a, r);
	}
}
