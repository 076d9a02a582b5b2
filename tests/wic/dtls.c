/* SPDX-License-Identifier: Apache-2.0 */
/* DTLS-SRTP association; see dtls.h. */
#include "tests/wic/dtls.h"

#include <event2/event.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>
#include <srtp2/srtp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define DTLS_MTU    1200
#define KEY_MAX     (2 * (32 + 14))
#define SRTP_WINDOW 256

struct wic_dtls {
	SSL *ssl; /* owned */
	bool client, started, keyed, failed;
	char fingerprint[WIC_FINGERPRINT_LEN];
	struct wic_dtls_cbs cbs;
	void *arg;
	struct event *timer; /* owned */
	const uint8_t *in;   /* the datagram under way */
	size_t in_len;
	srtp_t tx, rx; /* owned */
};

static struct {
	SSL_CTX *ctx;
	X509 *cert;
	EVP_PKEY *key;
	BIO_METHOD *method;
	char fingerprint[WIC_FINGERPRINT_LEN];
} identity;

/* --- datagrams for OpenSSL ------------------------------------------------------------------ */

static int bio_write(BIO *bio, const char *bytes, int len)
{
	struct wic_dtls *d = BIO_get_data(bio);

	d->cbs.send(d->arg, (const uint8_t *)bytes, (size_t)len);
	return len;
}

static int bio_read(BIO *bio, char *to, int size)
{
	struct wic_dtls *d = BIO_get_data(bio);
	size_t n = d->in_len < (size_t)size ? d->in_len : (size_t)size;

	BIO_clear_retry_flags(bio);
	if (d->in == NULL) {
		BIO_set_retry_read(bio);
		return -1;
	}
	memcpy(to, d->in, n);
	d->in = NULL;
	return (int)n;
}

static long bio_ctrl(BIO *bio, int cmd, long num, void *ptr)
{
	(void)bio;
	(void)num;
	(void)ptr;
	switch (cmd) {
	case BIO_CTRL_FLUSH:
	case BIO_CTRL_DUP:
		return 1;
	case BIO_CTRL_DGRAM_QUERY_MTU:
	case BIO_CTRL_DGRAM_GET_FALLBACK_MTU:
		return DTLS_MTU;
	default:
		return 0;
	}
}

static int bio_create(BIO *bio)
{
	BIO_set_init(bio, 1);
	return 1;
}

/* --- identity ------------------------------------------------------------------------------- */

static void print_fingerprint(X509 *cert, char *to)
{
	unsigned char md[EVP_MAX_MD_SIZE];
	unsigned n = 0;

	to[0] = '\0';
	if (X509_digest(cert, EVP_sha256(), md, &n) != 1)
		return;
	for (unsigned i = 0; i < n; i++)
		(void)snprintf(to + 3 * i, 4, "%02X%s", md[i], i + 1 < n ? ":" : "");
}

static bool make_certificate(void)
{
	X509_NAME *name;

	identity.key = EVP_EC_gen("P-256");
	identity.cert = X509_new();
	if (identity.key == NULL || identity.cert == NULL)
		return false;
	name = X509_get_subject_name(identity.cert);
	if (X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC, (const unsigned char *)"wic", -1,
				       -1, 0) != 1)
		return false;
	return X509_set_version(identity.cert, 2) == 1 &&
	       ASN1_INTEGER_set(X509_get_serialNumber(identity.cert), 1) == 1 &&
	       X509_gmtime_adj(X509_getm_notBefore(identity.cert), -86400) != NULL &&
	       X509_gmtime_adj(X509_getm_notAfter(identity.cert), 30L * 86400) != NULL &&
	       X509_set_pubkey(identity.cert, identity.key) == 1 &&
	       X509_set_issuer_name(identity.cert, name) == 1 &&
	       X509_sign(identity.cert, identity.key, EVP_sha256()) > 0;
}

/* Any certificate may come; its fingerprint decides after the handshake (RFC 5763). */
static int accept_any(int ok, X509_STORE_CTX *store)
{
	(void)ok;
	(void)store;
	return 1;
}

enum gw_err wic_dtls_setup(const char *profiles)
{
	if (srtp_init() != srtp_err_status_ok || !make_certificate())
		return GW_ERR_CRYPTO;
	print_fingerprint(identity.cert, identity.fingerprint);
	identity.method = BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "wic datagrams");
	identity.ctx = SSL_CTX_new(DTLS_method());
	if (identity.method == NULL || identity.ctx == NULL)
		return GW_ERR_NOMEM;
	BIO_meth_set_write(identity.method, bio_write);
	BIO_meth_set_read(identity.method, bio_read);
	BIO_meth_set_ctrl(identity.method, bio_ctrl);
	BIO_meth_set_create(identity.method, bio_create);
	SSL_CTX_set_min_proto_version(identity.ctx, DTLS1_2_VERSION);
	SSL_CTX_set_verify(identity.ctx, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT,
			   accept_any);
	SSL_CTX_set_options(identity.ctx, SSL_OP_NO_QUERY_MTU | SSL_OP_NO_TICKET);
	if (SSL_CTX_use_certificate(identity.ctx, identity.cert) != 1 ||
	    SSL_CTX_use_PrivateKey(identity.ctx, identity.key) != 1)
		return GW_ERR_CRYPTO;
	return SSL_CTX_set_tlsext_use_srtp(identity.ctx, profiles) == 0 ? GW_OK : GW_ERR_INVAL;
}

void wic_dtls_teardown(void)
{
	SSL_CTX_free(identity.ctx);
	X509_free(identity.cert);
	EVP_PKEY_free(identity.key);
	BIO_meth_free(identity.method);
	memset(&identity, 0, sizeof(identity));
	(void)srtp_shutdown();
}

const char *wic_dtls_fingerprint(void)
{
	return identity.fingerprint;
}

/* --- keys ----------------------------------------------------------------------------------- */

struct profile {
	unsigned long id;
	const char *name;
	size_t key, salt;
	void (*rtp)(srtp_crypto_policy_t *p);
	void (*rtcp)(srtp_crypto_policy_t *p);
};

/* clang-format off */
static const struct profile profiles[] = {
	{SRTP_AES128_CM_SHA1_80, "SRTP_AES128_CM_SHA1_80", 16, 14,
	 srtp_crypto_policy_set_rtp_default, srtp_crypto_policy_set_rtp_default},
	{SRTP_AES128_CM_SHA1_32, "SRTP_AES128_CM_SHA1_32", 16, 14,
	 srtp_crypto_policy_set_aes_cm_128_hmac_sha1_32, srtp_crypto_policy_set_rtp_default},
	{SRTP_AEAD_AES_128_GCM, "SRTP_AEAD_AES_128_GCM", 16, 12,
	 srtp_crypto_policy_set_aes_gcm_128_16_auth, srtp_crypto_policy_set_aes_gcm_128_16_auth},
	{SRTP_AEAD_AES_256_GCM, "SRTP_AEAD_AES_256_GCM", 32, 12,
	 srtp_crypto_policy_set_aes_gcm_256_16_auth, srtp_crypto_policy_set_aes_gcm_256_16_auth},
};
/* clang-format on */

static const struct profile *chosen_profile(SSL *ssl)
{
	SRTP_PROTECTION_PROFILE *got = SSL_get_selected_srtp_profile(ssl);

	for (size_t i = 0; got != NULL && i < sizeof(profiles) / sizeof(profiles[0]); i++)
		if (profiles[i].id == got->id)
			return &profiles[i];
	return NULL;
}

static bool make_srtp(srtp_t *out, const struct profile *p, bool inbound, const uint8_t *key,
		      const uint8_t *salt)
{
	uint8_t master[KEY_MAX];
	srtp_policy_t policy = {0};

	memcpy(master, key, p->key);
	memcpy(master + p->key, salt, p->salt);
	p->rtp(&policy.rtp);
	p->rtcp(&policy.rtcp);
	policy.ssrc.type = inbound ? ssrc_any_inbound : ssrc_any_outbound;
	policy.key = master;
	policy.window_size = SRTP_WINDOW;
	return srtp_create(out, &policy) == srtp_err_status_ok;
}

static const char *derive(struct wic_dtls *d, const struct profile *p)
{
	static const char label[] = "EXTRACTOR-dtls_srtp"; /* RFC 5764 s4.2 */
	uint8_t m[KEY_MAX];
	size_t n = 2 * (p->key + p->salt);
	const uint8_t *client_key = m, *server_key = m + p->key;
	const uint8_t *client_salt = m + 2 * p->key, *server_salt = client_salt + p->salt;
	bool ok;

	if (SSL_export_keying_material(d->ssl, m, n, label, sizeof(label) - 1, NULL, 0, 0) != 1)
		return "no keying material";
	ok = d->client ? make_srtp(&d->tx, p, false, client_key, client_salt) &&
			     make_srtp(&d->rx, p, true, server_key, server_salt)
		       : make_srtp(&d->tx, p, false, server_key, server_salt) &&
			     make_srtp(&d->rx, p, true, client_key, client_salt);
	return ok ? NULL : "no SRTP session";
}

static const char *check_peer(struct wic_dtls *d)
{
	char got[WIC_FINGERPRINT_LEN];
	X509 *cert = SSL_get1_peer_certificate(d->ssl);

	if (cert == NULL)
		return "no peer certificate";
	print_fingerprint(cert, got);
	X509_free(cert);
	return strcasecmp(got, d->fingerprint) == 0 ? NULL : "fingerprint mismatch";
}

/* --- handshake ------------------------------------------------------------------------------ */

static void arm(struct wic_dtls *d)
{
	struct timeval tv;

	if (!d->keyed && !d->failed && DTLSv1_get_timeout(d->ssl, &tv) == 1)
		(void)event_add(d->timer, &tv);
	else
		(void)event_del(d->timer);
}

static void finish(struct wic_dtls *d)
{
	const struct profile *p = chosen_profile(d->ssl);
	const char *why = check_peer(d);

	if (why == NULL)
		why = p != NULL ? derive(d, p) : "no SRTP profile in common";
	if (why != NULL) {
		d->failed = true;
		d->cbs.on_failed(d->arg, why);
		return;
	}
	d->keyed = true;
	d->cbs.on_keyed(d->arg, p->name);
}

static void advance(struct wic_dtls *d)
{
	uint8_t dump[256];
	int r;

	if (d->failed)
		return;
	if (d->keyed) { /* late retransmissions, close_notify */
		(void)SSL_read(d->ssl, dump, sizeof(dump));
		ERR_clear_error();
		return;
	}
	r = SSL_do_handshake(d->ssl);
	if (r == 1) {
		finish(d);
	} else {
		int why = SSL_get_error(d->ssl, r);

		if (why != SSL_ERROR_WANT_READ && why != SSL_ERROR_WANT_WRITE) {
			d->failed = true;
			d->cbs.on_failed(d->arg, "DTLS handshake failed");
		}
		ERR_clear_error();
	}
	arm(d);
}

static void on_timer(evutil_socket_t fd, short what, void *arg)
{
	struct wic_dtls *d = arg;

	(void)fd;
	(void)what;
	if (DTLSv1_handle_timeout(d->ssl) < 0) {
		d->failed = true;
		ERR_clear_error();
		d->cbs.on_failed(d->arg, "DTLS timed out");
		return;
	}
	arm(d);
}

enum gw_err wic_dtls_new(struct wic_dtls **out, struct event_base *base, bool client,
			 const char *fingerprint, const struct wic_dtls_cbs *cbs, void *arg)
{
	struct wic_dtls *d = calloc(1, sizeof(*d));
	BIO *bio;

	if (d == NULL)
		return GW_ERR_NOMEM;
	d->client = client;
	d->cbs = *cbs;
	d->arg = arg;
	(void)snprintf(d->fingerprint, sizeof(d->fingerprint), "%s", fingerprint);
	d->ssl = SSL_new(identity.ctx);
	d->timer = event_new(base, -1, 0, on_timer, d);
	bio = BIO_new(identity.method);
	if (d->ssl == NULL || d->timer == NULL || bio == NULL) {
		BIO_free(bio);
		wic_dtls_free(d);
		return GW_ERR_NOMEM;
	}
	BIO_set_data(bio, d);
	SSL_set_bio(d->ssl, bio, bio);
	SSL_set_mtu(d->ssl, DTLS_MTU);
	if (client)
		SSL_set_connect_state(d->ssl);
	else
		SSL_set_accept_state(d->ssl);
	*out = d;
	return GW_OK;
}

void wic_dtls_free(struct wic_dtls *d)
{
	if (d == NULL)
		return;
	if (d->tx != NULL)
		(void)srtp_dealloc(d->tx);
	if (d->rx != NULL)
		(void)srtp_dealloc(d->rx);
	if (d->timer != NULL)
		event_free(d->timer);
	SSL_free(d->ssl);
	free(d);
}

void wic_dtls_start(struct wic_dtls *d)
{
	if (d->started)
		return;
	d->started = true;
	if (d->client)
		advance(d);
}

void wic_dtls_feed(struct wic_dtls *d, const uint8_t *bytes, size_t len)
{
	/* A gateway that was left says goodbye: a ClientHello now would have no way, and come 1 s
	 * late. */
	if (!d->started)
		return;
	d->in = bytes;
	d->in_len = len;
	advance(d);
	d->in = NULL;
}

bool wic_dtls_keyed(const struct wic_dtls *d)
{
	return d->keyed;
}

/* --- SRTP ----------------------------------------------------------------------------------- */

enum gw_err wic_dtls_protect(struct wic_dtls *d, bool rtcp, uint8_t *pkt, size_t *len)
{
	int n = (int)*len;
	srtp_err_status_t st =
	    rtcp ? srtp_protect_rtcp(d->tx, pkt, &n) : srtp_protect(d->tx, pkt, &n);

	*len = (size_t)n;
	return st == srtp_err_status_ok ? GW_OK : GW_ERR_CRYPTO;
}

enum gw_err wic_dtls_unprotect(struct wic_dtls *d, bool rtcp, uint8_t *pkt, size_t *len)
{
	int n = (int)*len;
	srtp_err_status_t st =
	    rtcp ? srtp_unprotect_rtcp(d->rx, pkt, &n) : srtp_unprotect(d->rx, pkt, &n);

	if (st != srtp_err_status_ok)
		return st == srtp_err_status_replay_fail ? GW_ERR_REPLAY : GW_ERR_AUTH;
	*len = (size_t)n;
	return GW_OK;
}
