/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Weak stand-ins for what the registrar calls of cscf/authz, until that is linked: no token is
 * ever checked. The real functions take precedence.
 */
#include "cscf/authz/authz.h"

#define WEAK __attribute__((weak))

WEAK void cscf_authz_verify(struct cscf_authz *a, const struct cscf_authz_query *query,
			    cscf_authz_done *done, void *arg, gw_handle *job)
{
	(void)a;
	(void)query;
	(void)done;
	(void)arg;
	(void)job;
}

WEAK void cscf_authz_cancel(struct cscf_authz *a, gw_handle job)
{
	(void)a;
	(void)job;
}

WEAK enum gw_err cscf_authz_challenge(const struct cscf_authz *a, const char *error, char *buf,
				      size_t n)
{
	(void)a;
	(void)error;
	(void)buf;
	(void)n;
	return GW_ERR_LIMIT;
}

WEAK const struct cscf_authz_grant *cscf_authz_grant_ref(const struct cscf_authz_grant *g)
{
	return g;
}

WEAK void cscf_authz_grant_unref(const struct cscf_authz_grant *g)
{
	(void)g;
}

WEAK bool cscf_authz_grant_has_impu(const struct cscf_authz_grant *g, struct gw_slice uri)
{
	(void)g;
	(void)uri;
	return false;
}

WEAK bool cscf_authz_grant_same_token(const struct cscf_authz_grant *a,
				      const struct cscf_authz_grant *b)
{
	return a == b;
}

WEAK int64_t cscf_authz_grant_left(const struct cscf_authz *a, const struct cscf_authz_grant *g)
{
	(void)a;
	(void)g;
	return 0;
}

WEAK bool cscf_authz_grant_is_revoked(const struct cscf_authz *a, const struct cscf_authz_grant *g)
{
	(void)a;
	(void)g;
	return false;
}
