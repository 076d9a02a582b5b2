/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Ed25519 signatures (RFC 8037), which libjose 11 does not know: the key's octets are handed to
 * OpenSSL, whose one-shot verification decides. Nothing of the curve is done here.
 */
#include "cscf/authz/authz_int.h"

#include <jose/b64.h>
#include <openssl/evp.h>

#define ED25519_KEY       32U
#define ED25519_SIGNATURE 64U

/* Exactly n octets of base64url. */
static bool decode(const char *text, size_t len, unsigned char *out, size_t n)
{
	return jose_b64_dec_buf(NULL, len, NULL, 0) == n &&
	       jose_b64_dec_buf(text, len, out, n) == n;
}

static bool verify(const unsigned char *key, const unsigned char *sig, const char *text, size_t n)
{
	EVP_PKEY *pkey = EVP_PKEY_new_raw_public_key(EVP_PKEY_ED25519, NULL, key, ED25519_KEY);
	EVP_MD_CTX *md = EVP_MD_CTX_new();
	bool good =
	    pkey != NULL && md != NULL && EVP_DigestVerifyInit(md, NULL, NULL, NULL, pkey) == 1 &&
	    EVP_DigestVerify(md, sig, ED25519_SIGNATURE, (const unsigned char *)text, n) == 1;

	EVP_MD_CTX_free(md);
	EVP_PKEY_free(pkey);
	return good;
}

bool eddsa_verify(const struct jwt *j, const json_t *jwk)
{
	const char *x = json_string_value(json_object_get(jwk, "x"));
	unsigned char key[ED25519_KEY], sig[ED25519_SIGNATURE];
	/* header and payload stand side by side in the token, with one dot between them */
	size_t n = (size_t)(j->part[1].p - j->part[0].p) + j->part[1].n;

	return x != NULL && decode(x, strlen(x), key, sizeof(key)) &&
	       decode(j->part[2].p, j->part[2].n, sig, sizeof(sig)) &&
	       verify(key, sig, j->part[0].p, n);
}
