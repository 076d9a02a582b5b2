/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Encrypted tokens (TOK-30): a compact JWE for one of our keys with a signed JWT inside.
 * Accepted are ECDH-ES and RSA-OAEP-256 with A256GCM and nothing else: no compression (a bomb),
 * no RSA1_5 (an oracle), no passwords (p2c burns time). The content is decrypted by libjose, which
 * in this version has no RSA-OAEP-256, so that key is unwrapped by OpenSSL.
 */
#include "cscf/authz/authz_int.h"

#include "common/log.h"

#include <errno.h>
#include <jose/b64.h>
#include <jose/jwe.h>
#include <jose/openssl.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>
#include <stdio.h>

#define MAX_KEY_FILE (64U * 1024U)
#define CEK_OCTETS   32U
#define PARTS        5U

/* ---- our keys ------------------------------------------------------------------------------ */

static json_t *from_pem(FILE *f)
{
	EVP_PKEY *key = PEM_read_PrivateKey(f, NULL, NULL, NULL);
	json_t *jwk = key != NULL ? jose_openssl_jwk_from_EVP_PKEY(NULL, key) : NULL;

	EVP_PKEY_free(key);
	ERR_clear_error();
	return jwk;
}

/* One JWK, a JWK set, or PEM. */
static json_t *read_keys(FILE *f)
{
	json_t *value = json_loadf(f, 0, NULL);
	json_t *list = json_object_get(value, "keys");

	if (value == NULL) {
		rewind(f);
		value = from_pem(f);
	} else if (json_is_array(list)) {
		json_incref(list);
		json_decref(value);
		return list;
	}
	return value != NULL ? json_pack("[o]", value) : NULL;
}

enum gw_err jwe_keys_load(struct jwe_keys *k, const char *path, char *why, size_t n)
{
	FILE *f;
	size_t i;
	const json_t *jwk;

	k->list = NULL;
	if (*path == '\0')
		return GW_OK;
	f = fopen(path, "re");
	if (f == NULL) {
		(void)snprintf(why, n, "token.jwe_key: %s: %s", path, strerrordesc_np(errno));
		return GW_ERR_INVAL;
	}
	k->list = read_keys(f);
	(void)fclose(f);
	json_array_foreach(k->list, i, jwk)
	{
		if (json_object_get(jwk, "d") == NULL)
			jwe_keys_clear(k);
		if (k->list == NULL)
			break;
	}
	if (json_array_size(k->list) > 0)
		return GW_OK;
	jwe_keys_clear(k);
	(void)snprintf(why, n, "token.jwe_key: %s: no private key (JWK, JWK set or PEM)", path);
	return GW_ERR_INVAL;
}

void jwe_keys_clear(struct jwe_keys *k)
{
	json_decref(k->list);
	k->list = NULL;
}

/* ---- one token ----------------------------------------------------------------------------- */

static bool split(struct gw_slice token, struct gw_slice part[PARTS])
{
	for (size_t k = 0; k < PARTS; k++) {
		const char *dot = token.n > 0 ? memchr(token.p, '.', token.n) : NULL;
		size_t n = dot != NULL ? (size_t)(dot - token.p) : token.n;

		if ((dot == NULL) != (k == PARTS - 1))
			return false;
		part[k] = (struct gw_slice){token.p, n};
		if (dot != NULL)
			token = (struct gw_slice){dot + 1, token.n - n - 1};
	}
	return true;
}

static json_t *to_json(const struct gw_slice part[PARTS])
{
	json_t *jwe = json_pack("{s:s%, s:s%, s:s%, s:s%}", "protected", part[0].p, part[0].n, "iv",
				part[2].p, part[2].n, "ciphertext", part[3].p, part[3].n, "tag",
				part[4].p, part[4].n);

	if (jwe != NULL && part[1].n > 0 &&
	    json_object_set_new(jwe, "encrypted_key", json_stringn(part[1].p, part[1].n)) != 0) {
		json_decref(jwe);
		return NULL;
	}
	return jwe;
}

static const char *text(const json_t *obj, const char *name)
{
	return json_string_value(json_object_get(obj, name));
}

static bool fits(const json_t *jwk, const char *alg, const char *kid)
{
	const char *kty = text(jwk, "kty");
	const char *own = text(jwk, "kid");

	if (kty == NULL || strcmp(kty, strcmp(alg, "ECDH-ES") == 0 ? "EC" : "RSA") != 0)
		return false;
	return kid == NULL || own == NULL || strcmp(kid, own) == 0;
}

static bool header_is_accepted(const json_t *header)
{
	const char *alg = text(header, "alg");
	const char *enc = text(header, "enc");

	return alg != NULL && enc != NULL &&
	       (strcmp(alg, "ECDH-ES") == 0 || strcmp(alg, "RSA-OAEP-256") == 0) &&
	       strcmp(enc, "A256GCM") == 0 && json_object_get(header, "zip") == NULL &&
	       json_object_get(header, "crit") == NULL;
}

/* RSA-OAEP-256: the content key as an oct JWK. */
static json_t *unwrap(const json_t *jwk, const json_t *jwe)
{
	unsigned char wrapped[1024], cek[1024];
	size_t n = jose_b64_dec(json_object_get(jwe, "encrypted_key"), wrapped, sizeof(wrapped));
	size_t n_cek = sizeof(cek);
	EVP_PKEY *key = jose_openssl_jwk_to_EVP_PKEY(NULL, jwk);
	EVP_PKEY_CTX *ctx = key != NULL ? EVP_PKEY_CTX_new(key, NULL) : NULL;
	json_t *out = NULL;

	if (ctx != NULL && n != SIZE_MAX && (size_t)EVP_PKEY_get_size(key) <= sizeof(cek) &&
	    EVP_PKEY_decrypt_init(ctx) == 1 &&
	    EVP_PKEY_CTX_set_rsa_padding(ctx, RSA_PKCS1_OAEP_PADDING) == 1 &&
	    EVP_PKEY_CTX_set_rsa_oaep_md(ctx, EVP_sha256()) == 1 &&
	    EVP_PKEY_CTX_set_rsa_mgf1_md(ctx, EVP_sha256()) == 1 &&
	    EVP_PKEY_decrypt(ctx, cek, &n_cek, wrapped, n) == 1 && n_cek == CEK_OCTETS)
		out = json_pack("{s:s, s:o}", "kty", "oct", "k", jose_b64_enc(cek, n_cek));
	explicit_bzero(cek, sizeof(cek));
	EVP_PKEY_CTX_free(ctx);
	EVP_PKEY_free(key);
	ERR_clear_error();
	return out;
}

static char *decrypt_with(jose_cfg_t *jose, const json_t *jwe, const json_t *jwk, const char *alg,
			  size_t *n)
{
	json_t *cek;
	char *plain;

	if (strcmp(alg, "ECDH-ES") == 0)
		return jose_jwe_dec(jose, jwe, NULL, jwk, n);
	cek = unwrap(jwk, jwe);
	plain = cek != NULL ? jose_jwe_dec_cek(jose, jwe, cek, n) : NULL;
	json_decref(cek);
	return plain;
}

char *jwe_decrypt(const struct jwe_keys *k, jose_cfg_t *jose, struct gw_slice token, size_t *n)
{
	struct gw_slice part[PARTS];
	json_t *jwe = split(token, part) ? to_json(part) : NULL;
	json_t *header = jwe != NULL ? jose_b64_dec_load(json_object_get(jwe, "protected")) : NULL;
	char *plain = NULL;
	const json_t *jwk;
	size_t i;

	if (header_is_accepted(header)) {
		json_array_foreach(k->list, i, jwk)
		{
			if (plain == NULL && fits(jwk, text(header, "alg"), text(header, "kid")))
				plain = decrypt_with(jose, jwe, jwk, text(header, "alg"), n);
		}
	}
	json_decref(header);
	json_decref(jwe);
	return plain;
}

void jwe_free(char *inner, size_t n)
{
	if (inner != NULL)
		explicit_bzero(inner, n);
	free(inner);
}
