/* SPDX-License-Identifier: Apache-2.0 */
/*
 * TLS of the control channel: 1.2 or newer, both sides show a certificate of the configured CA
 * (IQ-17). OpenSSL stays in this file.
 */
#include "agw/iq/server_int.h"

#include <event2/bufferevent.h>
#include <event2/bufferevent_ssl.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <stdlib.h>
#include <string.h>

#define GW_LOG_MOD "iq"

struct iq_tls {
	SSL_CTX *ctx; /* owned */
};

void agw_iq_tls_log_errors(const char *peer)
{
	char text[160];
	unsigned long e;

	while ((e = ERR_get_error()) != 0) {
		ERR_error_string_n(e, text, sizeof(text));
		GW_LOG_LIMITED(GW_LOG_WARN, "iq.tls", "peer=\"%s\" error=\"%s\"", peer, text);
	}
}

static enum gw_err load(SSL_CTX *ctx, const char *cert, const char *key, const char *ca)
{
	if (SSL_CTX_use_certificate_chain_file(ctx, cert) != 1) {
		GW_LOG(GW_LOG_ERROR, "iq.tls", "cannot use iq.tls.cert=\"%s\"", cert);
		return GW_ERR_CRYPTO;
	}
	if (SSL_CTX_use_PrivateKey_file(ctx, key, SSL_FILETYPE_PEM) != 1 ||
	    SSL_CTX_check_private_key(ctx) != 1) {
		GW_LOG(GW_LOG_ERROR, "iq.tls", "cannot use iq.tls.key=\"%s\"", key);
		return GW_ERR_CRYPTO;
	}
	if (SSL_CTX_load_verify_locations(ctx, ca, NULL) != 1) {
		GW_LOG(GW_LOG_ERROR, "iq.tls", "cannot use iq.tls.ca=\"%s\"", ca);
		return GW_ERR_CRYPTO;
	}
	return GW_OK;
}

enum gw_err agw_iq_tls_new(struct iq_tls **out, const char *cert, const char *key, const char *ca)
{
	struct iq_tls *t = calloc(1, sizeof(*t));
	enum gw_err err = GW_ERR_NOMEM;

	if (t == NULL)
		return err;
	t->ctx = SSL_CTX_new(TLS_server_method());
	if (t->ctx == NULL || SSL_CTX_set_min_proto_version(t->ctx, TLS1_2_VERSION) != 1)
		goto fail;
	err = load(t->ctx, cert, key, ca);
	if (err != GW_OK)
		goto fail;
	SSL_CTX_set_verify(t->ctx, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, NULL);
	SSL_CTX_set_options(t->ctx, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION);
	SSL_CTX_set_session_cache_mode(t->ctx, SSL_SESS_CACHE_OFF);
	*out = t;
	return GW_OK;
fail:
	agw_iq_tls_log_errors("-");
	agw_iq_tls_free(t);
	return err;
}

void agw_iq_tls_free(struct iq_tls *t)
{
	if (t == NULL)
		return;
	SSL_CTX_free(t->ctx);
	free(t);
}

static bool common_name_is(X509 *cert, const char *name)
{
	char cn[256];
	int n = X509_NAME_get_text_by_NID(X509_get_subject_name(cert), NID_commonName, cn,
					  (int)sizeof(cn));

	return n > 0 && (size_t)n == strlen(name) && memcmp(cn, name, (size_t)n) == 0;
}

bool agw_iq_tls_names(struct bufferevent *bev, const char *name)
{
	const SSL *ssl = bufferevent_openssl_get_ssl(bev);
	X509 *cert = ssl != NULL ? SSL_get1_peer_certificate(ssl) : NULL;
	bool ok;

	if (cert == NULL)
		return false;
	ok = X509_check_host(cert, name, 0, X509_CHECK_FLAG_NO_WILDCARDS, NULL) == 1 ||
	     common_name_is(cert, name);
	X509_free(cert);
	return ok;
}

struct bufferevent *agw_iq_tls_accept(struct iq_tls *t, struct event_base *base, int fd)
{
	SSL *ssl = SSL_new(t->ctx);
	struct bufferevent *bev;

	if (ssl == NULL)
		return NULL;
	bev = bufferevent_openssl_socket_new(base, fd, ssl, BUFFEREVENT_SSL_ACCEPTING,
					     BEV_OPT_CLOSE_ON_FREE);
	if (bev == NULL) {
		SSL_free(ssl);
		return NULL;
	}
	bufferevent_openssl_set_allow_dirty_shutdown(bev, 1);
	return bev;
}
