/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The OpenSSL context: DTLS 1.2 only, the suites and groups of RFC 8827 s6.5 (DTLS-12, -13),
 * both sides authenticate, no PKI (the verify callback is sess.c's), nothing cached or resumed.
 */
#include "agw/dtls/dtls_int.h"

#include <openssl/err.h>
#include <openssl/srtp.h>
#include <stdlib.h>
#include <time.h>

#define CERT_LIST_MAX  16384 /* octets of a peer's Certificate message we put together */
#define SRTP_EXTENSION 14    /* use_srtp, RFC 5764 s4.1 */

/* RSA suites only matter when a peer that we call as client has an RSA certificate. */
static const char ciphers[] =
    "ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-ECDSA-AES256-GCM-SHA384:ECDHE-ECDSA-CHACHA20-POLY1305:"
    "ECDHE-RSA-AES128-GCM-SHA256:ECDHE-RSA-AES256-GCM-SHA384:ECDHE-RSA-CHACHA20-POLY1305";
static const char groups[] = "X25519:P-256";

static uint64_t now_s(void)
{
	struct timespec ts;

	(void)clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec;
}

/* As server: no use_srtp, no handshake (SRTP-02). */
static int on_client_hello(SSL *ssl, int *alert, void *arg)
{
	const unsigned char *ext;
	size_t n;

	(void)arg;
	if (SSL_client_hello_get0_ext(ssl, SRTP_EXTENSION, &ext, &n) == 1)
		return SSL_CLIENT_HELLO_SUCCESS;
	*alert = SSL_AD_HANDSHAKE_FAILURE;
	return SSL_CLIENT_HELLO_ERROR;
}

static enum gw_err configure(struct agw_dtls_ctx *ctx)
{
	SSL_CTX *c = ctx->ssl_ctx;
	X509 *cert = NULL;
	EVP_PKEY *key = NULL;
	enum gw_err err = agw_dtls_cert_new(&cert, &key, ctx->cfg.cert_lifetime_s);

	if (err != GW_OK)
		return err;
	err = GW_ERR_CRYPTO;
	if (SSL_CTX_set_min_proto_version(c, DTLS1_2_VERSION) &&
	    SSL_CTX_set_max_proto_version(c, DTLS1_2_VERSION) &&
	    SSL_CTX_set_cipher_list(c, ciphers) && SSL_CTX_set1_groups_list(c, groups) &&
	    SSL_CTX_use_certificate(c, cert) && SSL_CTX_use_PrivateKey(c, key) &&
	    agw_dtls_cert_hash(cert, AGW_HASH_SHA256, &ctx->fp))
		err = GW_OK;
	X509_free(cert);
	EVP_PKEY_free(key);
	(void)SSL_CTX_set_options(c, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION |
					 SSL_OP_NO_TICKET | SSL_OP_NO_QUERY_MTU |
					 SSL_OP_CIPHER_SERVER_PREFERENCE);
	(void)SSL_CTX_set_session_cache_mode(c, SSL_SESS_CACHE_OFF);
	(void)SSL_CTX_set_mode(c, SSL_MODE_RELEASE_BUFFERS);
	SSL_CTX_set_max_cert_list(c, CERT_LIST_MAX);
	SSL_CTX_set_read_ahead(c, 1); /* a datagram is read whole */
	SSL_CTX_set_cert_verify_callback(c, agw_dtls_verify_peer, NULL);
	SSL_CTX_set_client_hello_cb(c, on_client_hello, NULL);
	return err;
}

enum gw_err agw_dtls_ctx_new(struct agw_dtls_ctx **out, const struct agw_dtls_cfg *cfg)
{
	struct agw_dtls_ctx *ctx = calloc(1, sizeof(*ctx));
	enum gw_err err = GW_ERR_NOMEM;

	if (ctx == NULL)
		return err;
	ctx->cfg = *cfg;
	ctx->made_s = now_s();
	ctx->ssl_ctx = SSL_CTX_new(DTLS_method());
	if (ctx->ssl_ctx == NULL)
		goto fail;
	err = configure(ctx);
	if (err != GW_OK)
		goto fail;
	*out = ctx;
	return GW_OK;
fail:
	ERR_clear_error();
	agw_dtls_ctx_free(ctx);
	return err;
}

void agw_dtls_ctx_free(struct agw_dtls_ctx *ctx)
{
	if (ctx == NULL)
		return;
	SSL_CTX_free(ctx->ssl_ctx);
	free(ctx);
}

void agw_dtls_ctx_fingerprint(const struct agw_dtls_ctx *ctx, struct agw_fingerprint *out)
{
	*out = ctx->fp;
}

uint64_t agw_dtls_ctx_age_s(const struct agw_dtls_ctx *ctx)
{
	return now_s() - ctx->made_s;
}
