/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which credentials of a REGISTER count: the policy of the home domain (auth.schemes), of the
 * access (digest.excluded_ranges) and of the connection (a WIC that registered by a web token
 * goes on by tokens). What the WIC sent besides is dropped at the boundary.
 * Not here: whether the credentials are any good (token.c, the core).
 * Spec: TS 33.203 X.2.1, N.1; REG-16, SEC-08, SEC-16, SEC-18, TOK-03. Thread: the cscf loop.
 */
#include "cscf/registrar/scheme.h"

#include <stdio.h>
#include <utlist.h>

#define DIGEST 1U
#define AKA    2U
#define BEARER 4U
#define ALL    (DIGEST | AKA | BEARER)

static unsigned word_bit(struct gw_slice word)
{
	if (gw_slice_ieq_str(word, "digest"))
		return DIGEST;
	if (gw_slice_ieq_str(word, "aka"))
		return AKA;
	return gw_slice_ieq_str(word, "bearer") ? BEARER : 0;
}

/* "aka+bearer". @return 0 when one of them is no scheme */
static unsigned words_mask(const char *text)
{
	unsigned mask = 0;

	while (*text != '\0') {
		size_t n = strcspn(text, "+");
		unsigned bit = word_bit((struct gw_slice){text, n});

		if (bit == 0)
			return 0;
		mask |= bit;
		text += n + (text[n] == '+');
	}
	return mask;
}

static ssize_t home_index(const struct gw_conf_list *homes, struct gw_slice host)
{
	for (size_t i = 0; i < homes->n; i++)
		if (gw_slice_ieq_str(host, homes->item[i]))
			return (ssize_t)i;
	return -1;
}

static enum gw_err bad_entry(const char *entry, const char *what, char *why, size_t n)
{
	snprintf(why, n, "auth.schemes: \"%.200s\": %s", entry, what);
	return GW_ERR_INVAL;
}

enum gw_err reg_schemes_parse(const struct gw_conf_list *list, const struct gw_conf_list *homes,
			      unsigned *masks, char *why, size_t n)
{
	unsigned common = 0;

	memset(masks, 0, homes->n * sizeof(*masks));
	for (size_t i = 0; list != NULL && i < list->n; i++) {
		const char *entry = list->item[i], *eq = strchr(entry, '=');
		unsigned mask = words_mask(eq != NULL ? eq + 1 : entry);
		ssize_t at;

		if (mask == 0)
			return bad_entry(entry, "only digest, aka and bearer are schemes", why, n);
		if (eq == NULL) {
			common |= mask;
			continue;
		}
		at = home_index(homes, (struct gw_slice){entry, (size_t)(eq - entry)});
		if (at < 0)
			return bad_entry(entry, "no domain of home.domains", why, n);
		masks[at] |= mask;
	}
	for (size_t i = 0; i < homes->n; i++)
		if (masks[i] == 0)
			masks[i] = common != 0 ? common : ALL;
	return GW_OK;
}

static bool in_excluded_range(const struct cscf_registrar *r, const struct gw_addr *from)
{
	const struct gw_conf_list *ranges = r->cfg->digest_excluded_ranges;

	for (size_t i = 0; ranges != NULL && i < ranges->n; i++)
		if (gw_addr_in_range(from, ranges->item[i]))
			return true;
	return false;
}

/* Both domains named must agree: the other one's laxer policy is no way in. */
static unsigned domain_mask(const struct cscf_registrar *r, const struct reg_request *q)
{
	ssize_t at = home_index(r->cfg->home_domains, gw_slice_str(q->domain));
	unsigned mask = at >= 0 ? r->schemes[at] : 0;
	struct cscf_sip_uri to;

	if (cscf_sip_uri_parse(&to, gw_slice_str(q->to_uri)) == GW_OK &&
	    to.scheme != CSCF_SIP_SCHEME_TEL) {
		at = home_index(r->cfg->home_domains, to.host);
		mask &= at >= 0 ? r->schemes[at] : 0;
	}
	return mask;
}

/* How the user of this connection registered: by a token, otherwise, or nobody has yet. */
static unsigned bound_mask(const struct reg_conn *c)
{
	const struct reg_assoc *a;
	unsigned mask = 0;

	if (c == NULL || c->r->cfg->multi_impi)
		return ALL;
	DL_FOREACH (c->assocs, a)
		mask |= a->grant != NULL ? BEARER : ALL;
	return mask != 0 ? mask : ALL;
}

static bool refuse(struct reg_refusal *why, const char *reason, const char *word)
{
	*why = (struct reg_refusal){403, reason, word, NULL, NULL};
	return false;
}

static bool refuse_digest(struct reg_refusal *why, enum reg_offered kind, bool excluded)
{
	if (kind == REG_OFFERED_AKA_V1)
		return refuse(why, "AKAv1 Not Allowed", "aka-v1");
	if (excluded)
		return refuse(why, "Digest Not Allowed From This Access", "digest-range");
	return refuse(why, "Authentication Scheme Not Allowed", "scheme");
}

bool reg_bearer_challenge(struct cscf_registrar *r, const char *error, const char *word,
			  struct reg_refusal *why)
{
	if (r->parts.authz == NULL || cscf_authz_challenge(r->parts.authz, error, r->challenge,
							   sizeof(r->challenge)) != GW_OK)
		*why = (struct reg_refusal){403, NULL, word, NULL, NULL};
	else
		*why = (struct reg_refusal){401, NULL, word, "WWW-Authenticate", r->challenge};
	return false;
}

bool reg_scheme_choose(struct cscf_registrar *r, const struct cscf_sip_flow *flow,
		       const struct reg_request *q, enum reg_offered digest, bool bearer,
		       enum reg_scheme *out, struct reg_refusal *why)
{
	const struct reg_conn *c = reg_conn_find(r, flow->conn);
	bool excluded = in_excluded_range(r, &flow->remote), digest_ok, bearer_ok;
	unsigned mask = domain_mask(r, q) & bound_mask(c);

	if (r->parts.authz == NULL)
		mask &= ~BEARER;
	if (excluded)
		mask &= ~DIGEST;
	bearer_ok = bearer && (mask & BEARER) != 0;
	digest_ok = (digest == REG_OFFERED_DIGEST && (mask & DIGEST) != 0) ||
		    (digest == REG_OFFERED_AKA_V2 && (mask & AKA) != 0) ||
		    (digest == REG_OFFERED_AKA_V1 && (mask & AKA) != 0 && r->cfg->aka_allow_v1);
	if (digest_ok && bearer_ok) /* an association made by Digest goes on by Digest */
		bearer_ok = r->cfg->default_bearer && (c == NULL || c->assocs == NULL);
	*out = REG_SCHEME_NONE;
	if (bearer_ok)
		*out = REG_SCHEME_BEARER;
	else if (digest_ok)
		*out = digest == REG_OFFERED_AKA_V2 ? REG_SCHEME_AKA : REG_SCHEME_DIGEST;
	else if (digest != REG_OFFERED_NONE)
		return refuse_digest(why, digest, excluded);
	else if (!bearer && (mask & BEARER) != 0 &&
		 (r->cfg->default_bearer || (mask & ~BEARER) == 0))
		return reg_bearer_challenge(r, NULL, "no-token", why);
	else if (bearer || (mask & ~BEARER) == 0)
		return refuse(why, "Authentication Scheme Not Allowed", "scheme");
	return true;
}
