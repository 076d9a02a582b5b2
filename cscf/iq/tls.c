/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Mutual TLS of the Iq links (IQ-17): our certificate, the CA that signed the AGWs', and the
 * name they must carry. TLS 1.2 and up. Files are read at start only.
 * Thread: the cscf loop.
 */
#include "cscf/iq/iq_int.h"

#include <event2/bufferevent.h>
#include <event2/bufferevent_ssl.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <stdio.h>

struct iq_tls {
	SSL_CTX *ctx; /* owned */
	const char *name;
};

static enum gw_err fail(char *errbuf, size_t errlen, const char *what, const char *file)
{
	char text[160];

	ERR_error_string_n(ERR_get_error(), text, sizeof(text));
	ERR_clear_error();
	snprintf(errbuf, errlen, "agw.tls: %s %s: %s", what, file, text);
	return GW_ERR_CRYPTO;
}

enum gw_err iq_tls_new(struct iq_tls **out, const struct cscf_iq_config *cfg, char *errbuf,
		       size_t errlen)
{
	struct iq_tls *tls = calloc(1, sizeof(*tls));
	enum gw_err err = GW_OK;

	if (tls == NULL)
		return GW_ERR_NOMEM;
	tls->name = cfg->tls_name;
	tls->ctx = SSL_CTX_new(TLS_client_method());
	if (tls->ctx == NULL)
		err = GW_ERR_NOMEM;
	else if (SSL_CTX_set_min_proto_version(tls->ctx, TLS1_2_VERSION) != 1)
		err = fail(errbuf, errlen, "TLS", "1.2");
	else if (SSL_CTX_load_verify_locations(tls->ctx, cfg->tls_ca, NULL) != 1)
		err = fail(errbuf, errlen, "ca", cfg->tls_ca);
	else if (SSL_CTX_use_certificate_chain_file(tls->ctx, cfg->tls_cert) != 1)
		err = fail(errbuf, errlen, "cert", cfg->tls_cert);
	else if (SSL_CTX_use_PrivateKey_file(tls->ctx, cfg->tls_key, SSL_FILETYPE_PEM) != 1)
		err = fail(errbuf, errlen, "key", cfg->tls_key);
	if (err != GW_OK) {
		iq_tls_free(tls);
		return err;
	}
	SSL_CTX_set_verify(tls->ctx, SSL_VERIFY_PEER, NULL);
	*out = tls;
	return GW_OK;
}

void iq_tls_free(struct iq_tls *tls)
{
	if (tls == NULL)
		return;
	SSL_CTX_free(tls->ctx);
	free(tls);
}

struct bufferevent *iq_tls_bufferevent(struct iq_tls *tls, struct event_base *base)
{
	SSL *ssl = SSL_new(tls->ctx);
	struct bufferevent *bev;

	if (ssl == NULL)
		return NULL;
	if (tls->name != NULL && tls->name[0] != '\0' && SSL_set1_host(ssl, tls->name) != 1) {
		SSL_free(ssl);
		return NULL;
	}
	bev = bufferevent_openssl_socket_new(base, -1, ssl, BUFFEREVENT_SSL_CONNECTING,
					     BEV_OPT_CLOSE_ON_FREE);
	if (bev == NULL) {
		SSL_free(ssl);
		return NULL;
	}
	bufferevent_openssl_set_allow_dirty_shutdown(bev, 1);
	return bev;
}

const char *iq_tls_error(struct bufferevent *bev, char *buf, size_t n)
{
	unsigned long code = bufferevent_get_openssl_error(bev);

	if (code != 0)
		ERR_error_string_n(code, buf, n);
	else
		snprintf(buf, n, "connection closed or refused");
	ERR_clear_error();
	return buf;
}
