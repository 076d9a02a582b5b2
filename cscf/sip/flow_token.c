/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Flow tokens; see flow_token.h. The 33 octets before encoding are a whole number of base64url
 * groups, so no two texts decode to the same token.
 */
#include "cscf/sip/flow_token.h"

#include "common/rand.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/params.h>
#include <openssl/sha.h>

#define BODY_LEN 17 /* boot 8, connection 8, direction 1 */
#define MAC_LEN  16
#define RAW_LEN  (BODY_LEN + MAC_LEN)

static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

_Static_assert(RAW_LEN % 3 == 0 && RAW_LEN / 3 * 4 == CSCF_SIP_FLOW_TOKEN_LEN, "token layout");

enum gw_err cscf_sip_flow_token_init(struct cscf_sip_flow_token_ctx *ctx, const char *secret)
{
	ctx->boot = gw_rand_u64();
	if (secret == NULL || secret[0] == '\0') {
		gw_rand_bytes(ctx->key, sizeof(ctx->key));
		return GW_OK;
	}
	return SHA256((const unsigned char *)secret, strlen(secret), ctx->key) != NULL
		   ? GW_OK
		   : GW_ERR_CRYPTO;
}

static void put_u64(uint8_t *to, uint64_t v)
{
	for (int i = 0; i < 8; i++)
		to[i] = (uint8_t)(v >> (56 - 8 * i));
}

static uint64_t get_u64(const uint8_t *from)
{
	uint64_t v = 0;

	for (int i = 0; i < 8; i++)
		v = v << 8 | from[i];
	return v;
}

/* What token bodies came to lately under one key: each message of a WIC names the same few. What is
 * kept is the right MAC of a body, so a wrong token is refused all the same. Loop thread only. */
#define KNOWN_MAX 1024 /* power of two */

static struct known {
	bool used;
	uint8_t body[BODY_LEN];
	uint8_t mac[MAC_LEN];
} known[KNOWN_MAX];

static void make_mac(const struct cscf_sip_flow_token_ctx *ctx, const void *body, size_t body_n,
		     uint8_t *mac);

static void body_mac(const struct cscf_sip_flow_token_ctx *ctx, const uint8_t body[BODY_LEN],
		     uint8_t *mac)
{
	static uint8_t key[sizeof(ctx->key)];
	struct known *k =
	    &known[(body[15] << 1 | (body[14] << 9) | (body[16] & 1)) & (KNOWN_MAX - 1)];

	if (memcmp(key, ctx->key, sizeof(key)) != 0) {
		memset(known, 0, sizeof(known));
		memcpy(key, ctx->key, sizeof(key));
	}
	if (!k->used || memcmp(k->body, body, BODY_LEN) != 0) {
		make_mac(ctx, body, BODY_LEN, k->mac);
		memcpy(k->body, body, BODY_LEN);
		k->used = true;
	}
	memcpy(mac, k->mac, MAC_LEN);
}

/* HMAC-SHA256, cut. The library's context is made once and kept for the key it has. */
static void make_mac(const struct cscf_sip_flow_token_ctx *ctx, const void *body, size_t body_n,
		     uint8_t *mac)
{
	static EVP_MAC_CTX *hmac; /* one per process, never freed; loop thread only */
	static uint8_t key[sizeof(ctx->key)];
	uint8_t full[EVP_MAX_MD_SIZE];
	size_t n = 0;
	bool again = hmac != NULL && memcmp(key, ctx->key, sizeof(key)) == 0;

	if (hmac == NULL) {
		EVP_MAC *fetched = EVP_MAC_fetch(NULL, "HMAC", NULL);

		hmac = EVP_MAC_CTX_new(fetched);
		EVP_MAC_free(fetched);
	}
	/* Fails only when the library itself is broken. */
	if (again) {
		GW_ASSERT(EVP_MAC_init(hmac, NULL, 0, NULL) == 1);
	} else {
		char digest[] = "SHA256";
		OSSL_PARAM params[] = {OSSL_PARAM_construct_utf8_string("digest", digest, 0),
				       OSSL_PARAM_construct_end()};

		memcpy(key, ctx->key, sizeof(key));
		GW_ASSERT(EVP_MAC_init(hmac, key, sizeof(key), params) == 1);
	}
	GW_ASSERT(EVP_MAC_update(hmac, body, body_n) == 1 &&
		  EVP_MAC_final(hmac, full, &n, sizeof(full)) == 1 && n >= MAC_LEN);
	memcpy(mac, full, MAC_LEN);
}

void cscf_sip_flow_token_make(const struct cscf_sip_flow_token_ctx *ctx, uint64_t conn,
			      enum cscf_sip_direction dir, char *buf)
{
	uint8_t raw[RAW_LEN];

	put_u64(raw, ctx->boot);
	put_u64(raw + 8, conn);
	raw[16] = (uint8_t)dir;
	body_mac(ctx, raw, raw + BODY_LEN);
	for (size_t i = 0; i < RAW_LEN; i += 3) {
		uint32_t v = (uint32_t)raw[i] << 16 | (uint32_t)raw[i + 1] << 8 | raw[i + 2];

		*buf++ = alphabet[v >> 18];
		*buf++ = alphabet[v >> 12 & 63];
		*buf++ = alphabet[v >> 6 & 63];
		*buf++ = alphabet[v & 63];
	}
	*buf = '\0';
}

static int digit_of(char c)
{
	if (c >= 'A' && c <= 'Z')
		return c - 'A';
	if (c >= 'a' && c <= 'z')
		return c - 'a' + 26;
	if (c >= '0' && c <= '9')
		return c - '0' + 52;
	return c == '-' ? 62 : c == '_' ? 63 : -1;
}

static bool decode(struct gw_slice token, uint8_t *raw)
{
	for (size_t i = 0, o = 0; i < token.n; i += 4, o += 3) {
		uint32_t v = 0;

		for (size_t k = 0; k < 4; k++) {
			int d = digit_of(token.p[i + k]);

			if (d < 0)
				return false;
			v = v << 6 | (uint32_t)d;
		}
		raw[o] = (uint8_t)(v >> 16);
		raw[o + 1] = (uint8_t)(v >> 8);
		raw[o + 2] = (uint8_t)v;
	}
	return true;
}

enum gw_err cscf_sip_flow_token_verify(const struct cscf_sip_flow_token_ctx *ctx,
				       struct gw_slice token, uint64_t *conn,
				       enum cscf_sip_direction *dir)
{
	uint8_t raw[RAW_LEN] = {0};
	uint8_t mac[MAC_LEN];

	if (token.n != CSCF_SIP_FLOW_TOKEN_LEN || !decode(token, raw) ||
	    (raw[16] != CSCF_SIP_DIR_TO_WIC && raw[16] != CSCF_SIP_DIR_TO_CORE))
		return GW_ERR_PARSE;
	if (get_u64(raw) != ctx->boot)
		return GW_ERR_GONE;
	body_mac(ctx, raw, mac);
	if (CRYPTO_memcmp(mac, raw + BODY_LEN, MAC_LEN) != 0)
		return GW_ERR_AUTH;
	*conn = get_u64(raw + 8);
	*dir = raw[16] == CSCF_SIP_DIR_TO_WIC ? CSCF_SIP_DIR_TO_WIC : CSCF_SIP_DIR_TO_CORE;
	return GW_OK;
}

void cscf_sip_flow_token_seal(const struct cscf_sip_flow_token_ctx *ctx, struct gw_slice text,
			      char *buf)
{
	static const char hex[] = "0123456789abcdef";
	uint8_t mac[MAC_LEN];

	_Static_assert(CSCF_SIP_FLOW_SEAL_LEN == 2 * MAC_LEN, "seal layout");
	GW_ASSERT(text.n > BODY_LEN);
	make_mac(ctx, text.p, text.n, mac);
	for (size_t i = 0; i < MAC_LEN; i++) {
		*buf++ = hex[mac[i] >> 4];
		*buf++ = hex[mac[i] & 15];
	}
	*buf = '\0';
}

bool cscf_sip_flow_token_sealed(const struct cscf_sip_flow_token_ctx *ctx, struct gw_slice text,
				struct gw_slice seal)
{
	char right[CSCF_SIP_FLOW_SEAL_LEN + 1];

	cscf_sip_flow_token_seal(ctx, text, right);
	return seal.n == CSCF_SIP_FLOW_SEAL_LEN &&
	       CRYPTO_memcmp(right, seal.p, CSCF_SIP_FLOW_SEAL_LEN) == 0;
}
