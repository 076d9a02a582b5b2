/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A compact JWS: its parts, the rules of its header, and the signature, which libjose checks.
 * What the header says about where keys are (jku, x5u, jwk, x5c) is never looked at (SEC-22).
 */
#include "cscf/authz/authz_int.h"

#include <ctype.h>
#include <jose/b64.h>
#include <jose/jws.h>

static bool split(struct jwt *j, struct gw_slice token)
{
	for (size_t k = 0; k < 3; k++) {
		const char *dot = token.n > 0 ? memchr(token.p, '.', token.n) : NULL;
		size_t n = dot != NULL ? (size_t)(dot - token.p) : token.n;

		if ((dot == NULL) != (k == 2))
			return false;
		j->part[k] = (struct gw_slice){token.p, n};
		if (dot != NULL)
			token = (struct gw_slice){dot + 1, token.n - n - 1};
	}
	return true;
}

static bool is_base64url(struct gw_slice s)
{
	for (size_t i = 0; i < s.n; i++)
		if (!isalnum((unsigned char)s.p[i]) && s.p[i] != '-' && s.p[i] != '_')
			return false;
	return true;
}

static json_t *decode_object(struct gw_slice part)
{
	size_t n =
	    part.n > 0 && is_base64url(part) ? jose_b64_dec_buf(NULL, part.n, NULL, 0) : SIZE_MAX;
	json_t *value;
	char *raw;

	if (n == SIZE_MAX)
		return NULL;
	raw = malloc(n + 1);
	if (raw == NULL)
		return NULL;
	n = jose_b64_dec_buf(part.p, part.n, raw, n);
	/* Twice the same name is an attack on parsers that differ; NUL is refused by default. */
	value = n != SIZE_MAX ? json_loadb(raw, n, JSON_REJECT_DUPLICATES, NULL) : NULL;
	free(raw);
	if (!json_is_object(value)) {
		json_decref(value);
		return NULL;
	}
	return value;
}

bool jwt_parse(struct jwt *j, struct gw_slice token)
{
	const json_t *kid;

	memset(j, 0, sizeof(*j));
	if (!split(j, token))
		return false;
	j->header = decode_object(j->part[0]);
	j->payload = decode_object(j->part[1]);
	kid = json_object_get(j->header, "kid");
	j->alg = json_string_value(json_object_get(j->header, "alg"));
	j->kid = json_string_value(kid);
	j->iss = json_string_value(json_object_get(j->payload, "iss"));
	if (j->iss == NULL)
		j->iss = "";
	if (j->header != NULL && j->payload != NULL && j->alg != NULL &&
	    (kid == NULL || j->kid != NULL) && is_base64url(j->part[2]))
		return true;
	jwt_clear(j);
	return false;
}

void jwt_clear(struct jwt *j)
{
	json_decref(j->header);
	json_decref(j->payload);
	j->header = NULL;
	j->payload = NULL;
}

static bool is_listed(const struct gw_conf_list *list, const char *name)
{
	for (size_t i = 0; i < list->n; i++)
		if (strcmp(list->item[i], name) == 0)
			return true;
	return false;
}

enum cscf_authz_reason jwt_check_header(const struct cscf_authz_config *cfg, const struct jwt *j,
					bool has_secret)
{
	const struct alg *alg = alg_find(j->alg);
	const char *typ = json_string_value(json_object_get(j->header, "typ"));

	/* HS* goes with a shared secret and with nothing else; the rest is listed. */
	if (alg == NULL || (alg->kind == KEY_OCT ? !has_secret : !is_listed(&cfg->algs, j->alg)))
		return CSCF_AUTHZ_R_ALG;
	/* No extension is understood here, `b64` neither, so any crit is one too many. */
	if (json_object_get(j->header, "crit") != NULL)
		return CSCF_AUTHZ_R_CRIT;
	if (cfg->require_typ && (typ == NULL || (strcasecmp(typ, "at+jwt") != 0 &&
						 strcasecmp(typ, "application/at+jwt") != 0)))
		return CSCF_AUTHZ_R_TYP;
	return CSCF_AUTHZ_R_OK;
}

bool jwt_verify(jose_cfg_t *jose, const struct jwt *j, const json_t *jwk)
{
	json_t *jws;
	bool good;

	if (alg_find(j->alg)->kind == KEY_OKP)
		return eddsa_verify(j, jwk);
	jws = json_pack("{s:s%, s:s%, s:s%}", "protected", j->part[0].p, j->part[0].n, "payload",
			j->part[1].p, j->part[1].n, "signature", j->part[2].p, j->part[2].n);
	if (jws == NULL)
		return false;
	good = jose_jws_ver(jose, jws, NULL, jwk, false);
	json_decref(jws);
	return good;
}
