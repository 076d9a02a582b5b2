/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a proven token may do here and now: the Origin of the page that uses it (TOK-14), the
 * hour (TOK-10, TOK-23), revocation (TOK-29), local barring (TOK-18).
 */
#include "cscf/authz/authz_int.h"

/* "https://…" for every WWSF, or "wwsf-id=https://…" for one. */
bool policy_origin_fits(const struct cscf_authz_issuer *cfg, const char *client_id,
			const char *origin)
{
	for (size_t i = 0; i < cfg->origins.n; i++) {
		const char *entry = cfg->origins.item[i];
		const char *eq = strchr(entry, '=');

		if (eq != NULL && client_id != NULL &&
		    (strlen(client_id) != (size_t)(eq - entry) ||
		     memcmp(entry, client_id, (size_t)(eq - entry)) != 0))
			continue;
		if (strcmp(eq != NULL ? eq + 1 : entry, origin) == 0)
			return true;
	}
	return cfg->origins.n == 0;
}

bool policy_is_barred(const struct cscf_authz_config *cfg, const char *waf, const char *client_id,
		      const char *issuer)
{
	for (size_t i = 0; i < cfg->barred_entities.n; i++) {
		const char *name = cfg->barred_entities.item[i];

		if (strcasecmp(name, waf) == 0 || strcmp(name, client_id) == 0 ||
		    strcmp(name, issuer) == 0)
			return true;
	}
	return false;
}

enum cscf_authz_reason policy_check(struct cscf_authz *a, const struct cscf_authz_grant *grant,
				    const char *origin, bool allow_expired, bool *expired)
{
	const struct issuer *i = authz_issuer(a, grant->issuer);

	*expired = authz_wall_s(a) >= grant->expires_at + a->cfg->clock_skew / 1000;
	if (cscf_authz_grant_is_revoked(a, grant))
		return CSCF_AUTHZ_R_REVOKED;
	if (*expired && !allow_expired)
		return CSCF_AUTHZ_R_EXPIRED;
	if (i == NULL ||
	    !policy_origin_fits(i->cfg, grant->client_id, origin != NULL ? origin : ""))
		return CSCF_AUTHZ_R_ORIGIN;
	return CSCF_AUTHZ_R_OK;
}
