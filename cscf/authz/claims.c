/* SPDX-License-Identifier: Apache-2.0 */
/*
 * From proven claims to a grant: audience, times, scope, the identities the configuration names,
 * and the issuer's own limits (TOK-09..12, TOK-17, TOK-18, TOK-32). The same for the payload of
 * a JWT and for an introspection reply.
 */
#include "cscf/authz/authz_int.h"

#include "common/log.h"

#include <math.h>

#define GW_LOG_MOD "authz"
#define MAX_TIME   4102444800.0 /* the year 2100: what is later is no time */

/* Printable ASCII that may stand in a quoted parameter (SEC-23). */
static bool is_plain(const char *s, size_t max)
{
	for (const char *c = s; *c != '\0'; c++)
		if (*c < ' ' || *c >= 0x7f || *c == '"' || *c == '\\')
			return false;
	return strlen(s) <= max;
}

/* user@realm, fit for Digest username="…" */
static bool is_impi(const char *s)
{
	const char *at = strchr(s, '@');

	return is_plain(s, MAX_CLAIM) && strpbrk(s, " <>,;:") == NULL && at != NULL && at != s &&
	       at[1] != '\0' && strchr(at + 1, '@') == NULL;
}

static const char *text(const json_t *claims, const char *name)
{
	return json_string_value(json_object_get(claims, name));
}

/* Text that may be missing: then "". Present and no plain text: false. */
static bool optional(const json_t *claims, const char *name, size_t max, const char **out)
{
	const json_t *v = json_object_get(claims, name);

	*out = "";
	if (v == NULL || json_is_null(v))
		return true;
	*out = json_string_value(v);
	return *out != NULL && is_plain(*out, max);
}

static bool time_claim(const json_t *claims, const char *name, bool needed, int64_t absent,
		       int64_t *out)
{
	const json_t *v = json_object_get(claims, name);
	double t;

	*out = absent;
	if (v == NULL)
		return !needed;
	if (!json_is_number(v))
		return false;
	t = json_number_value(v);
	if (!(t >= 0 && t <= MAX_TIME))
		return false;
	*out = (int64_t)floor(t);
	return true;
}

static enum cscf_authz_reason check_times(const struct issuer *i, const json_t *claims,
					  bool allow_expired, int64_t *exp)
{
	int64_t skew = i->a->cfg->clock_skew / 1000;
	int64_t now = authz_wall_s(i->a);
	int64_t nbf, iat;

	if (!time_claim(claims, "exp", true, 0, exp) ||
	    !time_claim(claims, "nbf", false, 0, &nbf) ||
	    !time_claim(claims, "iat", false, 0, &iat))
		return CSCF_AUTHZ_R_CLAIM_TEXT;
	if (nbf > now + skew || iat > now + skew)
		return CSCF_AUTHZ_R_NOT_YET;
	if (now >= *exp + skew && !allow_expired)
		return CSCF_AUTHZ_R_EXPIRED;
	return CSCF_AUTHZ_R_OK;
}

static bool has_audience(const json_t *claims, const char *ours)
{
	const json_t *aud = json_object_get(claims, "aud");
	const json_t *one;
	size_t i;

	if (json_is_string(aud))
		return strcmp(json_string_value(aud), ours) == 0;
	json_array_foreach(aud, i, one)
	{
		if (json_is_string(one) && strcmp(json_string_value(one), ours) == 0)
			return true;
	}
	return false;
}

static bool has_word(const char *list, const char *word, size_t n)
{
	while (*list != '\0') {
		size_t len = strcspn(list, " ");

		if (len == n && memcmp(list, word, n) == 0)
			return true;
		list += len;
		list += strspn(list, " ");
	}
	return false;
}

/* Every word of the knob is in the claim. */
static bool has_scope(const char *claim, const char *needed)
{
	needed += strspn(needed, " ");
	while (*needed != '\0') {
		size_t n = strcspn(needed, " ");

		if (!has_word(claim, needed, n))
			return false;
		needed += n;
		needed += strspn(needed, " ");
	}
	return true;
}

/* ---- identities ---------------------------------------------------------------------------- */

static enum cscf_authz_reason missing(const struct issuer *i, const char *claim)
{
	/* An alarm: the WAF is set up wrongly, no other token of it will do better (TOK-12). */
	GW_LOG_LIMITED(GW_LOG_ERROR, "authz.claim_missing", "issuer=\"%s\" claim=\"%s\"",
		       i->cfg->issuer, claim);
	return CSCF_AUTHZ_R_CLAIMS;
}

static bool add_impu(struct cscf_authz_grant *g, const char **list, const json_t *v)
{
	const char *impu = json_string_value(v);

	if (impu == NULL || g->n_impus >= MAX_IMPUS || strlen(impu) > MAX_CLAIM ||
	    !impu_is_sound(impu))
		return false;
	list[g->n_impus++] = impu;
	return true;
}

static enum cscf_authz_reason read_impus(const struct issuer *i, const json_t *claims,
					 struct cscf_authz_grant *g, const char **list)
{
	const json_t *v = json_object_get(claims, i->a->cfg->claim_impus);
	const json_t *one;
	size_t k;

	if (json_is_string(v))
		return add_impu(g, list, v) ? CSCF_AUTHZ_R_OK : CSCF_AUTHZ_R_CLAIM_TEXT;
	if (json_array_size(v) == 0) /* 0 also when it is no array */
		return missing(i, i->a->cfg->claim_impus);
	json_array_foreach(v, k, one)
	{
		if (!add_impu(g, list, one))
			return CSCF_AUTHZ_R_CLAIM_TEXT;
	}
	return CSCF_AUTHZ_R_OK;
}

static enum cscf_authz_reason read_identities(const struct issuer *i, const json_t *claims,
					      struct cscf_authz_grant *g, const char **list)
{
	const struct cscf_authz_config *cfg = i->a->cfg;
	const json_t *pool = json_object_get(claims, cfg->claim_pool);
	enum cscf_authz_reason r;

	g->impi = text(claims, cfg->claim_impi);
	g->client_id = text(claims, cfg->claim_wwsf);
	if (g->client_id == NULL)
		g->client_id = text(claims, "azp");
	if (g->impi == NULL || *g->impi == '\0')
		return missing(i, cfg->claim_impi);
	if (g->client_id == NULL || *g->client_id == '\0')
		return missing(i, cfg->claim_wwsf);
	r = read_impus(i, claims, g, list);
	if (r != CSCF_AUTHZ_R_OK)
		return r;
	if (!is_impi(g->impi) || !is_plain(g->client_id, MAX_CLAIM) ||
	    !optional(claims, "sub", MAX_CLAIM, &g->subject) ||
	    !optional(claims, "jti", MAX_CLAIM, &g->jti))
		return CSCF_AUTHZ_R_CLAIM_TEXT;
	g->pool = json_is_true(pool);
	return CSCF_AUTHZ_R_OK;
}

static bool in_range(const struct cscf_authz_issuer *cfg, const char *impu)
{
	for (size_t k = 0; k < cfg->impu_allow.n; k++)
		if (impu_in_pattern(impu, cfg->impu_allow.item[k]))
			return true;
	return cfg->impu_allow.n == 0 && cfg->domain == CSCF_AUTHZ_OWN;
}

/* The issuer's own limits, and who the core is told about. */
static enum cscf_authz_reason check_issuer(const struct issuer *i, struct cscf_authz_grant *g,
					   char *entity, size_t n)
{
	int value = i->cfg->entity_value != CSCF_AUTHZ_ENTITY_SAME ? i->cfg->entity_value
								   : i->a->cfg->entity_value;

	for (size_t k = 0; k < g->n_impus; k++)
		if (!in_range(i->cfg, g->impus[k]))
			return CSCF_AUTHZ_R_RANGE;
	if (policy_is_barred(i->a->cfg, i->waf, g->client_id, i->cfg->issuer))
		return CSCF_AUTHZ_R_BARRED;
	if (i->cfg->domain == CSCF_AUTHZ_OWN)
		return CSCF_AUTHZ_R_OK; /* TOK-17: no entity */
	if (value == CSCF_AUTHZ_ENTITY_BOTH)
		(void)snprintf(entity, n, "%s,%s", i->waf, g->client_id);
	else
		(void)snprintf(entity, n, "%s",
			       value == CSCF_AUTHZ_ENTITY_WWSF ? g->client_id : i->waf);
	g->entity = entity;
	return CSCF_AUTHZ_R_OK;
}

enum cscf_authz_reason claims_grant(const struct issuer *i, const json_t *claims,
				    const unsigned char hash[CSCF_AUTHZ_HASH], bool allow_expired,
				    const struct cscf_authz_grant **out)
{
	struct cscf_authz_grant g = {.issuer = i->cfg->issuer, .waf = i->waf};
	const char *impus[MAX_IMPUS];
	char entity[2 * MAX_CLAIM + 2];
	const char *iss = text(claims, "iss");
	enum cscf_authz_reason r;

	g.impus = impus;
	memcpy(g.token_hash, hash, CSCF_AUTHZ_HASH);
	if (iss == NULL || strcmp(iss, i->cfg->issuer) != 0)
		return CSCF_AUTHZ_R_ISSUER;
	if (!has_audience(claims, i->cfg->audience))
		return CSCF_AUTHZ_R_AUDIENCE;
	r = check_times(i, claims, allow_expired, &g.expires_at);
	if (r != CSCF_AUTHZ_R_OK)
		return r;
	if (!optional(claims, "scope", MAX_SCOPE, &g.scope))
		return CSCF_AUTHZ_R_CLAIM_TEXT;
	if (!has_scope(g.scope, i->a->cfg->required_scope))
		return CSCF_AUTHZ_R_SCOPE;
	r = read_identities(i, claims, &g, impus);
	if (r == CSCF_AUTHZ_R_OK)
		r = check_issuer(i, &g, entity, sizeof(entity));
	if (r != CSCF_AUTHZ_R_OK)
		return r;
	*out = grant_new(&g);
	return *out != NULL ? CSCF_AUTHZ_R_OK : CSCF_AUTHZ_R_NO_MEMORY;
}
