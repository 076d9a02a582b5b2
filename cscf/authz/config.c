/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The keys of one entry of token.issuers, and the checks that no single key can make. A third
 * party's WAF is trusted only within limits that somebody wrote down (TOK-32).
 * Thread: start-up.
 */
#include "common/conf_keys.h"
#include "cscf/authz/authz_int.h"

#define F(field)   offsetof(struct cscf_authz_issuer, field)
#define MIN_SECRET 32U /* octets: an HMAC key shorter than its hash is a guessable password */
#define MAX_PLAIN  200U

static const char *const domains[] = {"own", "third-party", NULL};
static const char *const entity_values[] = {"waf", "wwsf", "both", "as-tna", NULL};

/* clang-format off */
static const struct gw_conf_key keys[] = {
	K_ROW("issuer", GW_CONF_STR, issuer, NULL, 0, 0, NULL, true, false, "equal to the token's iss"),
	K_STR("jwks_url", jwks_url, "", "where its keys are (https)"),
	K_STR("introspection_url", introspection_url, "", "for opaque tokens, or without jwks_url for all (https)"),
	K_STR("client_id", client_id, "", "ours at the introspection endpoint"),
	K_SECRET("client_secret", client_secret, "", "ours at the introspection endpoint"),
	K_SECRET("secret", secret, "", "shared key; allows HS256, HS384, HS512 for this issuer"),
	K_ROW("audience", GW_CONF_STR, audience, NULL, 0, 0, NULL, true, false, "in the token's aud"),
	K_ENUM("domain", domain, "own", domains, "whose the WAF is; third-party needs entity_name and impu_allow"),
	K_STR("entity_name", entity_name, "", "its name as authorization entity; empty = the issuer's host"),
	K_ENUM("entity_value", entity_value, "as-tna", entity_values, "overrides tna.entity_value"),
	K_LIST("impu_allow", impu_allow, "", "IMPUs it may speak for, * as wildcard; empty = any (own only)"),
	K_LIST("origins", origins, "", "pages its tokens work on: ORIGIN or CLIENT_ID=ORIGIN; empty = any"),
};
/* clang-format on */

const struct gw_conf_map cscf_authz_issuer_map = {keys, sizeof(keys) / sizeof(keys[0]),
						  sizeof(struct cscf_authz_issuer)};

void config_issuer_host(const char *issuer, char *buf, size_t n)
{
	const char *host = strstr(issuer, "://");

	host = host != NULL ? host + 3 : issuer;
	(void)snprintf(buf, n, "%.*s", (int)strcspn(host, "/:"), host);
}

/* What goes between the quotes of a header (SEC-23). */
static bool is_plain(const char *s)
{
	for (const char *c = s; *c != '\0'; c++)
		if (*c < ' ' || *c >= 0x7f || *c == '"' || *c == '\\')
			return false;
	return strlen(s) <= MAX_PLAIN;
}

static enum gw_err bad(char *why, size_t n, size_t issuer, const char *key, const char *text)
{
	(void)snprintf(why, n, "token.issuers.%zu.%s %s", issuer, key, text);
	return GW_ERR_INVAL;
}

static enum gw_err check_urls(const struct cscf_authz_issuer *i, size_t k, char *why, size_t n)
{
	const char *text;

	if (*i->jwks_url == '\0' && *i->introspection_url == '\0' && *i->secret == '\0')
		return bad(why, n, k, "jwks_url", "or introspection_url is required");
	if (*i->jwks_url != '\0' && !cscf_http_check_url(i->jwks_url, &text))
		return bad(why, n, k, "jwks_url", text);
	if (*i->introspection_url == '\0')
		return GW_OK;
	if (!cscf_http_check_url(i->introspection_url, &text))
		return bad(why, n, k, "introspection_url", text);
	if (*i->client_id == '\0' || *i->client_secret == '\0')
		return bad(why, n, k, "client_id", "and client_secret go with introspection_url");
	if (strlen(i->client_id) >= MAX_CLAIM || strlen(i->client_secret) >= MAX_CLAIM)
		return bad(why, n, k, "client_id", "or client_secret is too long");
	return GW_OK;
}

static enum gw_err check_trust(const struct cscf_authz_issuer *i, size_t k, char *why, size_t n)
{
	if (!is_plain(i->issuer) || *i->issuer == '\0')
		return bad(why, n, k, "issuer", "must be plain text");
	if (!is_plain(i->entity_name))
		return bad(why, n, k, "entity_name", "must be plain text");
	if (*i->audience == '\0')
		return bad(why, n, k, "audience", "is required");
	if (*i->secret != '\0' && strlen(i->secret) < MIN_SECRET)
		return bad(why, n, k, "secret", "must have 32 octets or more");
	if (i->domain != CSCF_AUTHZ_THIRD_PARTY)
		return GW_OK;
	if (*i->entity_name == '\0')
		return bad(why, n, k, "entity_name", "is required of a third party");
	if (i->impu_allow.n == 0)
		return bad(why, n, k, "impu_allow", "is required of a third party");
	return GW_OK;
}

static enum gw_err check_algs(const struct gw_conf_list *algs, char *why, size_t n)
{
	for (size_t k = 0; k < algs->n; k++) {
		const char *name = algs->item[k];
		const struct alg *alg = alg_find(name);

		if (alg == NULL || alg->kind == KEY_OCT) {
			(void)snprintf(why, n, "token.algs: %.20s: %s", name,
				       alg == NULL ? "no signature algorithm we know"
						   : "goes with an issuer's secret, not here");
			return GW_ERR_INVAL;
		}
	}
	return GW_OK;
}

static enum gw_err check_texts(const struct cscf_authz_config *cfg, char *why, size_t n)
{
	const struct {
		const char *key, *value;
		bool needed;
	} texts[] = {
	    {"token.required_scope", cfg->required_scope, false},
	    {"token.challenge_authz_server", cfg->challenge_authz_server, false},
	    {"token.claim_impi", cfg->claim_impi, true},
	    {"token.claim_impus", cfg->claim_impus, true},
	    {"token.claim_wwsf", cfg->claim_wwsf, true},
	    {"home.domains", cfg->realm, false},
	};

	for (size_t k = 0; k < sizeof(texts) / sizeof(texts[0]); k++) {
		if (!is_plain(texts[k].value) || (texts[k].needed && *texts[k].value == '\0')) {
			(void)snprintf(why, n, "%s must be %s", texts[k].key,
				       texts[k].needed ? "plain text and not empty" : "plain text");
			return GW_ERR_INVAL;
		}
	}
	return GW_OK;
}

enum gw_err cscf_authz_check_config(const struct cscf_authz_config *cfg, char *why, size_t n)
{
	const struct cscf_authz_issuer *list = cfg->issuers.item;
	enum gw_err err = check_algs(&cfg->algs, why, n);

	if (err == GW_OK)
		err = check_texts(cfg, why, n);
	for (size_t k = 0; k < cfg->issuers.n && err == GW_OK; k++) {
		err = check_urls(&list[k], k, why, n);
		if (err == GW_OK)
			err = check_trust(&list[k], k, why, n);
		for (size_t other = 0; other < k && err == GW_OK; other++)
			if (strcmp(list[k].issuer, list[other].issuer) == 0)
				err = bad(why, n, k, "issuer", "is there twice");
	}
	return err;
}
