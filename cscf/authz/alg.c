/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Algorithms and keys: which algorithm needs what key (RFC 7518), and the keys of a JWKS.
 * A key is good for one algorithm family only, so an RSA key never checks an HMAC (RFC 8725
 * s3.1); oct keys of a JWKS are never used: a shared secret comes from the configuration.
 */
#include "cscf/authz/authz_int.h"

#include <stdio.h>

/* Modulus as base64url: 2048 bits are 342 characters; 8192 bits 1366. */
#define MIN_RSA_N_CHARS 342U
#define MAX_RSA_N_CHARS 1400U
#define MAX_RSA_E_CHARS 11U

static const struct alg algs[] = {
    {"ES256", KEY_EC, "P-256"},    {"ES384", KEY_EC, "P-384"}, {"ES512", KEY_EC, "P-521"},
    {"RS256", KEY_RSA, NULL},      {"RS384", KEY_RSA, NULL},   {"RS512", KEY_RSA, NULL},
    {"PS256", KEY_RSA, NULL},      {"PS384", KEY_RSA, NULL},   {"PS512", KEY_RSA, NULL},
    {"EdDSA", KEY_OKP, "Ed25519"}, {"HS256", KEY_OCT, NULL},   {"HS384", KEY_OCT, NULL},
    {"HS512", KEY_OCT, NULL},
};

const struct alg *alg_find(const char *name)
{
	for (size_t i = 0; i < sizeof(algs) / sizeof(algs[0]); i++)
		if (strcmp(algs[i].name, name) == 0)
			return &algs[i];
	return NULL;
}

static const char *text(const json_t *jwk, const char *name)
{
	return json_string_value(json_object_get(jwk, name));
}

/* `use` and `key_ops`, when they are there, must allow checking a signature (RFC 7517 s4.2). */
static bool may_verify(const json_t *jwk)
{
	const json_t *use = json_object_get(jwk, "use");
	const json_t *ops = json_object_get(jwk, "key_ops");
	const json_t *op;
	size_t i;

	if (use != NULL && (!json_is_string(use) || strcmp(json_string_value(use), "sig") != 0))
		return false;
	if (ops == NULL)
		return true;
	json_array_foreach(ops, i, op)
	{
		if (json_is_string(op) && strcmp(json_string_value(op), "verify") == 0)
			return true;
	}
	return false;
}

/* The public members alone, so that nothing else of the JWK reaches the library. */
static json_t *public_part(const json_t *jwk, struct key *key)
{
	const char *kty = text(jwk, "kty");
	const char *crv = text(jwk, "crv");
	const char *x = text(jwk, "x");
	const char *y = text(jwk, "y");
	const char *n = text(jwk, "n");
	const char *e = text(jwk, "e");

	if (kty == NULL)
		return NULL;
	if (strcmp(kty, "EC") == 0 && crv != NULL && strlen(crv) < sizeof(key->crv) && x != NULL &&
	    y != NULL) {
		key->kind = KEY_EC;
		(void)snprintf(key->crv, sizeof(key->crv), "%s", crv);
		return json_pack("{s:s, s:s, s:s, s:s}", "kty", "EC", "crv", crv, "x", x, "y", y);
	}
	if (strcmp(kty, "OKP") == 0 && crv != NULL && strlen(crv) < sizeof(key->crv) && x != NULL) {
		key->kind = KEY_OKP;
		(void)snprintf(key->crv, sizeof(key->crv), "%s", crv);
		return json_pack("{s:s, s:s, s:s}", "kty", "OKP", "crv", crv, "x", x);
	}
	if (strcmp(kty, "RSA") == 0 && n != NULL && e != NULL && strlen(n) >= MIN_RSA_N_CHARS &&
	    strlen(n) <= MAX_RSA_N_CHARS && strlen(e) <= MAX_RSA_E_CHARS) {
		key->kind = KEY_RSA;
		return json_pack("{s:s, s:s, s:s}", "kty", "RSA", "n", n, "e", e);
	}
	return NULL;
}

static bool parse_key(struct key *key, const json_t *jwk)
{
	const char *kid = text(jwk, "kid");
	const char *alg = text(jwk, "alg");

	*key = (struct key){NULL, NULL, KEY_OCT, "", NULL};
	if (!json_is_object(jwk) || !may_verify(jwk))
		return false;
	key->jwk = public_part(jwk, key);
	if (key->jwk == NULL)
		return false;
	key->kid = kid != NULL ? strdup(kid) : NULL;
	key->alg_name = alg != NULL ? strdup(alg) : NULL;
	return (kid == NULL || key->kid != NULL) && (alg == NULL || key->alg_name != NULL);
}

static void key_clear(struct key *key)
{
	free(key->kid);
	free(key->alg_name);
	json_decref(key->jwk);
}

bool key_set_parse(struct key_set *out, const json_t *jwks)
{
	const json_t *list = json_object_get(jwks, "keys");
	const json_t *jwk;
	size_t i;

	*out = (struct key_set){NULL, 0};
	if (!json_is_array(list))
		return false;
	out->key = calloc(MAX_JWKS_KEYS, sizeof(*out->key));
	if (out->key == NULL)
		return false;
	json_array_foreach(list, i, jwk)
	{
		if (out->n >= MAX_JWKS_KEYS)
			break;
		if (parse_key(&out->key[out->n], jwk))
			out->n++;
		else
			key_clear(&out->key[out->n]);
	}
	return true;
}

void key_set_clear(struct key_set *set)
{
	for (size_t i = 0; i < set->n; i++)
		key_clear(&set->key[i]);
	free(set->key);
	*set = (struct key_set){NULL, 0};
}

static bool fits(const struct key *key, const struct alg *alg)
{
	return key->kind == alg->kind && (alg->crv == NULL || strcmp(alg->crv, key->crv) == 0) &&
	       (key->alg_name == NULL || strcmp(key->alg_name, alg->name) == 0);
}

enum key_pick key_set_pick(const struct key_set *set, const struct jwt *j, const struct alg *alg,
			   const struct key **out)
{
	size_t same_kid = 0, fitting = 0;

	for (size_t i = 0; i < set->n; i++) {
		const struct key *key = &set->key[i];

		if (j->kid != NULL && (key->kid == NULL || strcmp(key->kid, j->kid) != 0))
			continue;
		same_kid++;
		if (!fits(key, alg))
			continue;
		if (fitting++ == 0)
			*out = key;
	}
	if (fitting == 1 || (fitting > 1 && j->kid != NULL))
		return PICK_FOUND;
	return same_kid > 0 ? PICK_UNFIT : PICK_UNKNOWN;
}
