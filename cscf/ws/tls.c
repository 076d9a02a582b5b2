/* SPDX-License-Identifier: Apache-2.0 */
/* TLS context of W2; see tls.h. */
#include "cscf/ws/tls.h"

#include <openssl/err.h>
#include <openssl/ssl.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

/* RFC 9325 s4.2: ephemeral key exchange and AEAD. TLS 1.3 has nothing else. */
static const char tls12_suites[] = "ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-RSA-AES128-GCM-SHA256:"
				   "ECDHE-ECDSA-AES256-GCM-SHA384:ECDHE-RSA-AES256-GCM-SHA384:"
				   "ECDHE-ECDSA-CHACHA20-POLY1305:ECDHE-RSA-CHACHA20-POLY1305";
static const char tls13_suites[] =
    "TLS_AES_128_GCM_SHA256:TLS_AES_256_GCM_SHA384:TLS_CHACHA20_POLY1305_SHA256";

static enum gw_err fail(enum gw_err err, char *errbuf, size_t errlen, const char *what,
			const char *file)
{
	char reason[128] = "";
	unsigned long e = ERR_peek_last_error();

	if (e != 0)
		ERR_error_string_n(e, reason, sizeof(reason));
	ERR_clear_error();
	if (errbuf != NULL && errlen > 0)
		(void)snprintf(errbuf, errlen, "%s %s: %s", what, file, reason);
	return err;
}

/* RFC 7301: a WebSocket handshake is HTTP/1.1; a client that cannot is told so in TLS. */
static int select_alpn(SSL *ssl, const unsigned char **out, unsigned char *outlen,
		       const unsigned char *in, unsigned inlen, void *arg)
{
	static const unsigned char ours[] = "\x08http/1.1";

	(void)ssl;
	(void)arg;
	for (unsigned i = 0; i < inlen; i += 1U + in[i]) {
		if (in[i] == 8 && inlen - i > 8 && memcmp(in + i, ours, 9) == 0) {
			*out = in + i + 1;
			*outlen = 8;
			return SSL_TLSEXT_ERR_OK;
		}
	}
	return SSL_TLSEXT_ERR_ALERT_FATAL;
}

static int parse_version(const char *word)
{
	if (strcmp(word, "1.2") == 0)
		return TLS1_2_VERSION;
	return strcmp(word, "1.3") == 0 ? TLS1_3_VERSION : -1;
}

static bool set_rules(SSL_CTX *ctx, int min_version)
{
	static const unsigned char session_context[] = "wicgate-w2";

	SSL_CTX_set_options(ctx, SSL_OP_NO_COMPRESSION | SSL_OP_NO_RENEGOTIATION |
				     SSL_OP_CIPHER_SERVER_PREFERENCE);
	SSL_CTX_set_mode(ctx, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER |
				  SSL_MODE_RELEASE_BUFFERS);
	SSL_CTX_set_read_ahead(ctx,
			       1); /* one read per record, not one for its head and one for it */
	SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_OFF); /* tickets cost us no memory */
	SSL_CTX_set_verify(ctx, SSL_VERIFY_NONE, NULL);
	SSL_CTX_set_alpn_select_cb(ctx, select_alpn, NULL);
	return SSL_CTX_set_min_proto_version(ctx, min_version) == 1 &&
	       SSL_CTX_set_cipher_list(ctx, tls12_suites) == 1 &&
	       SSL_CTX_set_ciphersuites(ctx, tls13_suites) == 1 &&
	       SSL_CTX_set_max_early_data(ctx, 0) == 1 &&
	       SSL_CTX_set_session_id_context(ctx, session_context, sizeof(session_context) - 1) ==
		   1;
}

enum gw_err cscf_ws_tls_ctx_new(SSL_CTX **out, const char *cert_file, const char *key_file,
				const char *min_version, char *errbuf, size_t errlen)
{
	int version = parse_version(min_version);
	enum gw_err err = GW_ERR_CRYPTO;
	SSL_CTX *ctx;

	if (version < 0)
		return fail(GW_ERR_INVAL, errbuf, errlen, "unknown TLS version", min_version);
	ctx = SSL_CTX_new(TLS_server_method());
	if (ctx == NULL)
		return fail(GW_ERR_NOMEM, errbuf, errlen, "no TLS context", "");
	if (!set_rules(ctx, version))
		err = fail(err, errbuf, errlen, "cannot set TLS rules", "");
	else if (SSL_CTX_use_certificate_chain_file(ctx, cert_file) != 1)
		err = fail(err, errbuf, errlen, "certificate", cert_file);
	else if (SSL_CTX_use_PrivateKey_file(ctx, key_file, SSL_FILETYPE_PEM) != 1 ||
		 SSL_CTX_check_private_key(ctx) != 1)
		err = fail(err, errbuf, errlen, "private key", key_file);
	else
		err = GW_OK;
	if (err != GW_OK) {
		SSL_CTX_free(ctx);
		return err;
	}
	*out = ctx;
	return GW_OK;
}
