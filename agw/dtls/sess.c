/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One DTLS association: handshake, verification, closing. See dtls.h.
 *
 *   IDLE --start--> HANDSHAKE --finished, fingerprint matches--> KEYED --close_notify--> CLOSED
 *                      |  \--finished, none signalled yet--> UNVERIFIED --matches--> KEYED
 *                      \--error, give_up--> FAILED  <--mismatch--/
 *
 * OpenSSL's error queue is drained here; its words do not leave this file.
 */
#include "agw/dtls/dtls_int.h"
#include "agw/dtls/heap.h"

#include <openssl/err.h>
#include <openssl/srtp.h>
#include <stdlib.h>
#include <string.h>

#define TIMER_CAP_US   3000000U
#define RECORD_HEADER  13U /* RFC 6347 s4.1 */
#define CT_FIRST       20  /* change_cipher_spec, alert, handshake, application_data */
#define CT_LAST        23
#define VERSION_MAJOR  0xfe /* DTLS 1.x */
#define FLIGHT_SCRATCH 64   /* application data is not ours: read and thrown away */

struct agw_dtls_sess {
	SSL *ssl; /* owned */
	struct agw_dtls_bio io;
	struct agw_dtls_scratch scratch; /* OpenSSL's handshake buffer */
	struct agw_dtls_cbs cbs;
	void *arg;
	enum agw_dtls_state state;
	enum agw_cause cause; /* found inside a callback of OpenSSL */
	bool server;
	uint32_t timer_initial_us;
	unsigned accepted_hashes;
	struct agw_fingerprint fps[AGW_FP_MAX];
	unsigned n_fps;
};

static const char *const cause_names[AGW_CAUSE_COUNT] = {
    [AGW_CAUSE_NONE] = "none",
    [AGW_CAUSE_TIMEOUT] = "timeout",
    [AGW_CAUSE_FINGERPRINT] = "fingerprint",
    [AGW_CAUSE_FP_WAIT] = "fingerprint-wait",
    [AGW_CAUSE_NO_SRTP] = "no-srtp",
    [AGW_CAUSE_NO_CERT] = "no-certificate",
    [AGW_CAUSE_ALERT] = "alert",
    [AGW_CAUSE_CLOSE_NOTIFY] = "close-notify",
    [AGW_CAUSE_PROTOCOL] = "protocol",
    [AGW_CAUSE_INTERNAL] = "internal",
};

const char *agw_cause_name(enum agw_cause c)
{
	return (unsigned)c < AGW_CAUSE_COUNT ? cause_names[c] : "unknown";
}

static void bio_send(void *arg, const uint8_t *data, size_t len)
{
	struct agw_dtls_sess *s = arg;

	s->cbs.send(s->arg, data, len);
}

/* DTLS-16: 100 ms, then doubled, never above 3 s. */
static unsigned next_timer(SSL *ssl, unsigned timer_us)
{
	const struct agw_dtls_sess *s = SSL_get_app_data(ssl);

	if (timer_us == 0)
		return s->timer_initial_us;
	return timer_us > TIMER_CAP_US / 2 ? TIMER_CAP_US : timer_us * 2;
}

/* In place of chain building: only the fingerprint counts (DTLS-11). Unknown yet = later. */
int agw_dtls_verify_peer(X509_STORE_CTX *store, void *unused)
{
	SSL *ssl = X509_STORE_CTX_get_ex_data(store, SSL_get_ex_data_X509_STORE_CTX_idx());
	struct agw_dtls_sess *s = SSL_get_app_data(ssl);
	const X509 *cert = X509_STORE_CTX_get0_cert(store);

	(void)unused;
	if (s->n_fps == 0 || agw_dtls_cert_matches(cert, s->fps, s->n_fps, s->accepted_hashes)) {
		X509_STORE_CTX_set_error(store, X509_V_OK);
		return 1;
	}
	s->cause = AGW_CAUSE_FINGERPRINT;
	X509_STORE_CTX_set_error(store, X509_V_ERR_CERT_REJECTED); /* alert bad_certificate */
	return 0;
}

/* "SRTP_A:SRTP_B" for OpenSSL. */
static bool profile_list(const uint16_t *profiles, char *buf, size_t n)
{
	size_t at = 0;

	buf[0] = '\0';
	for (int i = 0; i < AGW_SRTP_PROFILE_MAX && profiles[i] != AGW_SRTP_NONE; i++) {
		const char *name =
		    profiles[i] == AGW_SRTP_AEAD_AES_128_GCM    ? "SRTP_AEAD_AES_128_GCM"
		    : profiles[i] == AGW_SRTP_AEAD_AES_256_GCM  ? "SRTP_AEAD_AES_256_GCM"
		    : profiles[i] == AGW_SRTP_AES128_CM_SHA1_80 ? "SRTP_AES128_CM_SHA1_80"
								: NULL;
		size_t len = name != NULL ? strlen(name) : 0;

		if (len == 0 || at + len + 2 > n)
			return false;
		if (at > 0)
			buf[at++] = ':';
		memcpy(buf + at, name, len + 1);
		at += len;
	}
	return at > 0;
}

static enum gw_err set_up(struct agw_dtls_sess *s, struct agw_dtls_ctx *ctx, const char *profiles)
{
	BIO *bio;

	s->ssl = SSL_new(ctx->ssl_ctx);
	if (s->ssl == NULL)
		return GW_ERR_NOMEM;
	SSL_set_app_data(s->ssl, s);
	bio = agw_dtls_bio_new(&s->io);
	if (bio == NULL)
		return GW_ERR_NOMEM;
	SSL_set_bio(s->ssl, bio, bio);
	SSL_set_verify(s->ssl, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, NULL);
	DTLS_set_timer_cb(s->ssl, next_timer);
	if (SSL_set_tlsext_use_srtp(s->ssl, profiles) != 0) /* 0 is its success */
		return GW_ERR_INVAL;
	if (DTLS_set_link_mtu(s->ssl, ctx->cfg.mtu) != 1)
		return GW_ERR_INVAL;
	return GW_OK;
}

enum gw_err agw_dtls_sess_new(struct agw_dtls_sess **out, struct agw_dtls_ctx *ctx,
			      const uint16_t *profiles, const struct agw_dtls_cbs *cbs, void *arg)
{
	struct agw_dtls_sess *s;
	char list[128];
	enum gw_err err;

	if (!profile_list(profiles, list, sizeof(list)))
		return GW_ERR_INVAL;
	s = calloc(1, sizeof(*s));
	if (s == NULL)
		return GW_ERR_NOMEM;
	s->cbs = *cbs;
	s->arg = arg;
	s->io.send = bio_send;
	s->io.arg = s;
	s->timer_initial_us = ctx->cfg.timer_initial_ms * 1000U;
	s->accepted_hashes = ctx->cfg.fp_hashes;
	err = set_up(s, ctx, list);
	ERR_clear_error();
	if (err != GW_OK) {
		agw_dtls_sess_free(s);
		return err;
	}
	*out = s;
	return GW_OK;
}

void agw_dtls_sess_free(struct agw_dtls_sess *s)
{
	if (s == NULL)
		return;
	SSL_free(s->ssl);
	free(s);
}

/* A finished handshake keeps 33 kB of record buffers, which DTLS does not release by itself
 * (SSL_MODE_RELEASE_BUFFERS is TLS's). They come back before OpenSSL reads or writes again. The
 * handshake buffer stays, without its pages: OpenSSL writes there before it reads. */
static void rest(struct agw_dtls_sess *s)
{
	if (s->state == AGW_DTLS_HANDSHAKE || s->state == AGW_DTLS_IDLE)
		return;
	(void)SSL_free_buffers(s->ssl);
	agw_dtls_heap_rest(&s->scratch);
}

static bool wake(struct agw_dtls_sess *s)
{
	if (SSL_alloc_buffers(s->ssl) == 1)
		return true;
	ERR_clear_error();
	return false;
}

static void fail(struct agw_dtls_sess *s, enum agw_cause cause)
{
	s->state = AGW_DTLS_FAILED;
	s->cbs.on_failed(s->arg, cause);
}

/* The handshake is done and the peer is who it was said to be. */
static void key(struct agw_dtls_sess *s)
{
	struct agw_srtp_keys keys;

	if (agw_dtls_export(s->ssl, s->server, &keys) != GW_OK) {
		ERR_clear_error();
		fail(s, AGW_CAUSE_INTERNAL);
		return;
	}
	s->state = AGW_DTLS_KEYED;
	s->cbs.on_keyed(s->arg, &keys);
	OPENSSL_cleanse(&keys, sizeof(keys));
}

static void verify_late(struct agw_dtls_sess *s)
{
	X509 *cert = SSL_get0_peer_certificate(s->ssl);

	if (cert != NULL && agw_dtls_cert_matches(cert, s->fps, s->n_fps, s->accepted_hashes)) {
		key(s);
		return;
	}
	/* OpenSSL cannot send bad_certificate after the handshake; close_notify is what is left. */
	if (wake(s))
		(void)SSL_shutdown(s->ssl);
	ERR_clear_error();
	fail(s, AGW_CAUSE_FINGERPRINT);
}

static void finished(struct agw_dtls_sess *s)
{
	if (agw_dtls_profile(s->ssl) == AGW_SRTP_NONE) {
		(void)SSL_shutdown(s->ssl);
		ERR_clear_error();
		fail(s, AGW_CAUSE_NO_SRTP);
		return;
	}
	s->state = AGW_DTLS_UNVERIFIED;
	if (s->n_fps > 0)
		verify_late(s);
}

/* What went wrong, from OpenSSL's queue; drains it. */
static enum agw_cause cause_of_queue(const struct agw_dtls_sess *s)
{
	enum agw_cause cause = s->cause;
	unsigned long e;

	while ((e = ERR_get_error()) != 0) {
		int reason = ERR_GET_REASON(e);

		if (cause != AGW_CAUSE_NONE || ERR_GET_LIB(e) != ERR_LIB_SSL)
			continue;
		if (reason == SSL_R_PEER_DID_NOT_RETURN_A_CERTIFICATE)
			cause = AGW_CAUSE_NO_CERT;
		else if (reason == SSL_R_CALLBACK_FAILED || reason == SSL_R_NO_SRTP_PROFILES)
			cause = AGW_CAUSE_NO_SRTP;
		else if (reason >= SSL_AD_REASON_OFFSET)
			cause = AGW_CAUSE_ALERT;
	}
	return cause != AGW_CAUSE_NONE ? cause : AGW_CAUSE_PROTOCOL;
}

static void advance(struct agw_dtls_sess *s)
{
	int rc = SSL_do_handshake(s->ssl);
	int why;

	if (rc == 1) {
		finished(s);
		return;
	}
	why = SSL_get_error(s->ssl, rc);
	if (why == SSL_ERROR_WANT_READ || why == SSL_ERROR_WANT_WRITE) {
		ERR_clear_error();
		return;
	}
	fail(s, cause_of_queue(s));
}

/* After the handshake: alerts, repeated flights, unwanted application data. */
static bool drain(struct agw_dtls_sess *s)
{
	char scratch[FLIGHT_SCRATCH];
	int rc = SSL_read(s->ssl, scratch, sizeof(scratch));
	int why = SSL_get_error(s->ssl, rc);
	enum agw_cause cause;

	while (rc > 0) {
		rc = SSL_read(s->ssl, scratch, sizeof(scratch));
		why = SSL_get_error(s->ssl, rc);
	}
	if (why == SSL_ERROR_WANT_READ || why == SSL_ERROR_WANT_WRITE) {
		ERR_clear_error();
		return true;
	}
	cause = why == SSL_ERROR_ZERO_RETURN ? AGW_CAUSE_CLOSE_NOTIFY : cause_of_queue(s);
	ERR_clear_error();
	if (s->state == AGW_DTLS_UNVERIFIED) {
		fail(s, cause);
		return true;
	}
	s->state = AGW_DTLS_CLOSED;
	s->cbs.on_closed(s->arg, cause);
	return true;
}

void agw_dtls_start(struct agw_dtls_sess *s, enum agw_dtls_role role)
{
	struct agw_dtls_scratch *before;

	if (s->state != AGW_DTLS_IDLE || role == AGW_DTLS_ROLE_UNDECIDED)
		return;
	s->server = role == AGW_DTLS_ROLE_SERVER;
	s->state = AGW_DTLS_HANDSHAKE;
	before = agw_dtls_heap_note(&s->scratch);
	if (s->server) {
		SSL_set_accept_state(s->ssl);
	} else {
		SSL_set_connect_state(s->ssl);
		advance(s);
	}
	(void)agw_dtls_heap_note(before);
}

/* Octets in front that are whole records of a kind we speak; what follows them is dropped. */
static size_t whole_records(const uint8_t *p, size_t n)
{
	size_t at = 0;

	while (n - at >= RECORD_HEADER) {
		const uint8_t *r = p + at;
		size_t len = RECORD_HEADER + (size_t)((r[11] << 8) | r[12]);

		if (r[0] < CT_FIRST || r[0] > CT_LAST || r[1] != VERSION_MAJOR || len > n - at)
			break;
		at += len;
	}
	return at;
}

bool agw_dtls_input(struct agw_dtls_sess *s, const uint8_t *data, size_t len)
{
	struct agw_dtls_scratch *before;
	bool used = false;

	len = whole_records(data, len);
	if (len == 0 || !wake(s))
		return false;
	before = agw_dtls_heap_note(&s->scratch);
	s->io.in = data;
	s->io.in_len = len;
	switch (s->state) {
	case AGW_DTLS_HANDSHAKE:
		advance(s);
		used = true;
		/* The same datagram may hold what comes after Finished. */
		if (s->state == AGW_DTLS_KEYED && SSL_has_pending(s->ssl))
			used = drain(s);
		break;
	case AGW_DTLS_UNVERIFIED:
	case AGW_DTLS_KEYED:
		used = drain(s);
		break;
	case AGW_DTLS_IDLE:
	case AGW_DTLS_CLOSED:
	case AGW_DTLS_FAILED:
		break;
	}
	s->io.in = NULL;
	s->io.in_len = 0;
	rest(s);
	(void)agw_dtls_heap_note(before);
	return used;
}

void agw_dtls_tick(struct agw_dtls_sess *s)
{
	if (s->state != AGW_DTLS_HANDSHAKE)
		return;
	/* -1: OpenSSL gave up after too many; the caller's own timeout ends the session. */
	(void)DTLSv1_handle_timeout(s->ssl);
	ERR_clear_error();
}

void agw_dtls_set_fingerprints(struct agw_dtls_sess *s, const struct agw_fingerprint *fps,
			       unsigned n)
{
	if (n > AGW_FP_MAX)
		n = AGW_FP_MAX;
	memcpy(s->fps, fps, n * sizeof(*fps));
	s->n_fps = n;
	if (s->state == AGW_DTLS_UNVERIFIED && n > 0)
		verify_late(s);
}

void agw_dtls_give_up(struct agw_dtls_sess *s, enum agw_cause cause)
{
	if (s->state != AGW_DTLS_KEYED && s->state != AGW_DTLS_CLOSED &&
	    s->state != AGW_DTLS_FAILED)
		fail(s, cause);
}

void agw_dtls_close(struct agw_dtls_sess *s)
{
	if (s->state != AGW_DTLS_KEYED && s->state != AGW_DTLS_UNVERIFIED)
		return;
	if (wake(s))
		(void)SSL_shutdown(s->ssl);
	ERR_clear_error();
	s->state = AGW_DTLS_CLOSED;
}

enum agw_dtls_state agw_dtls_state(const struct agw_dtls_sess *s)
{
	return s->state;
}

uint16_t agw_dtls_version(const struct agw_dtls_sess *s)
{
	return s->state == AGW_DTLS_KEYED || s->state == AGW_DTLS_UNVERIFIED ||
		       s->state == AGW_DTLS_CLOSED
		   ? (uint16_t)SSL_version(s->ssl)
		   : 0;
}
