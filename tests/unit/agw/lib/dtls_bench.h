/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A DTLS association against a plain OpenSSL peer in the same process. Datagrams travel through
 * two queues the test can reorder and lose from.
 */
#ifndef TESTS_UNIT_AGW_LIB_DTLS_BENCH_H
#define TESTS_UNIT_AGW_LIB_DTLS_BENCH_H

#include "agw/dtls/dtls_int.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>
#include <openssl/err.h>
#include <openssl/srtp.h>

#define QUEUE_MAX 64

struct queue {
	size_t n;
	size_t len[QUEUE_MAX];
	uint8_t data[QUEUE_MAX][2000];
};

struct bench {
	struct agw_dtls_ctx *ctx;
	struct agw_dtls_sess *s;
	struct agw_srtp_keys keys;
	unsigned keyed;
	unsigned failed;
	unsigned closed;
	enum agw_cause cause;
	/* the peer */
	SSL_CTX *peer_ctx;
	SSL *peer;
	struct agw_dtls_bio peer_io;
	X509 *peer_cert;
	struct agw_fingerprint peer_fp;
	bool peer_done;
	bool peer_failed;
	struct queue to_peer;
	struct queue to_us;
};

static inline void push(struct queue *q, const uint8_t *data, size_t len)
{
	assert_true(q->n < QUEUE_MAX && len <= sizeof(q->data[0]));
	memcpy(q->data[q->n], data, len);
	q->len[q->n++] = len;
}

static inline void us_send(void *arg, const uint8_t *data, size_t len)
{
	push(&((struct bench *)arg)->to_peer, data, len);
}

static inline void peer_send(void *arg, const uint8_t *data, size_t len)
{
	push(&((struct bench *)arg)->to_us, data, len);
}

static inline void on_keyed(void *arg, const struct agw_srtp_keys *keys)
{
	struct bench *b = arg;

	b->keys = *keys;
	b->keyed++;
}

static inline void on_failed(void *arg, enum agw_cause cause)
{
	struct bench *b = arg;

	b->failed++;
	b->cause = cause;
}

static inline void on_closed(void *arg, enum agw_cause cause)
{
	struct bench *b = arg;

	b->closed++;
	b->cause = cause;
}

static inline int accept_any(X509_STORE_CTX *store, void *arg)
{
	(void)store;
	(void)arg;
	return 1;
}

static const uint16_t all_profiles[AGW_SRTP_PROFILE_MAX] = {
    AGW_SRTP_AEAD_AES_128_GCM, AGW_SRTP_AEAD_AES_256_GCM, AGW_SRTP_AES128_CM_SHA1_80};

static inline int setup(void **state)
{
	static const struct agw_dtls_cbs cbs = {us_send, on_keyed, on_failed, on_closed};
	const struct agw_dtls_cfg cfg = {
	    .timer_initial_ms = 20,
	    .mtu = 1200,
	    .cert_lifetime_s = 3600,
	    .fp_hashes = 1U << AGW_HASH_SHA256 | 1U << AGW_HASH_SHA384 | 1U << AGW_HASH_SHA512};
	struct bench *b = calloc(1, sizeof(*b));
	EVP_PKEY *key = NULL;

	assert_non_null(b);
	assert_int_equal(agw_dtls_ctx_new(&b->ctx, &cfg), GW_OK);
	assert_int_equal(agw_dtls_sess_new(&b->s, b->ctx, all_profiles, &cbs, b), GW_OK);
	b->peer_ctx = SSL_CTX_new(DTLS_method());
	assert_non_null(b->peer_ctx);
	assert_int_equal(agw_dtls_cert_new(&b->peer_cert, &key, 3600), GW_OK);
	assert_int_equal(SSL_CTX_use_certificate(b->peer_ctx, b->peer_cert), 1);
	assert_int_equal(SSL_CTX_use_PrivateKey(b->peer_ctx, key), 1);
	assert_true(agw_dtls_cert_hash(b->peer_cert, AGW_HASH_SHA256, &b->peer_fp));
	EVP_PKEY_free(key);
	SSL_CTX_set_verify(b->peer_ctx, SSL_VERIFY_PEER, NULL);
	SSL_CTX_set_cert_verify_callback(b->peer_ctx, accept_any, NULL);
	SSL_CTX_set_options(b->peer_ctx, SSL_OP_NO_QUERY_MTU);
	*state = b;
	return 0;
}

static inline int teardown(void **state)
{
	struct bench *b = *state;

	agw_dtls_sess_free(b->s);
	agw_dtls_ctx_free(b->ctx);
	SSL_free(b->peer);
	SSL_CTX_free(b->peer_ctx);
	X509_free(b->peer_cert);
	free(b);
	return 0;
}

static inline void make_peer(struct bench *b, bool client, const char *profiles, long mtu)
{
	BIO *bio;

	b->peer_io.send = peer_send;
	b->peer_io.arg = b;
	bio = agw_dtls_bio_new(&b->peer_io);
	assert_non_null(bio);
	b->peer = SSL_new(b->peer_ctx);
	assert_non_null(b->peer);
	SSL_set_bio(b->peer, bio, bio);
	assert_int_equal(DTLS_set_link_mtu(b->peer, mtu), 1);
	if (profiles != NULL)
		assert_int_equal(SSL_set_tlsext_use_srtp(b->peer, profiles), 0);
	if (client)
		SSL_set_connect_state(b->peer);
	else
		SSL_set_accept_state(b->peer);
}

static inline void peer_step(struct bench *b, const uint8_t *data, size_t len)
{
	char scratch[64];
	int rc;

	b->peer_io.in = data;
	b->peer_io.in_len = len;
	if (b->peer_done) {
		(void)SSL_read(b->peer, scratch, sizeof(scratch));
	} else {
		rc = SSL_do_handshake(b->peer);
		if (rc == 1)
			b->peer_done = true;
		else if (SSL_get_error(b->peer, rc) != SSL_ERROR_WANT_READ)
			b->peer_failed = true;
	}
	b->peer_io.in = NULL;
	b->peer_io.in_len = 0;
	ERR_clear_error();
}

static inline void reverse(struct queue *q)
{
	for (size_t i = 0; i < q->n / 2; i++) {
		size_t k = q->n - 1 - i;
		uint8_t tmp[2000];
		size_t len = q->len[i];

		memcpy(tmp, q->data[i], sizeof(tmp));
		memcpy(q->data[i], q->data[k], sizeof(tmp));
		memcpy(q->data[k], tmp, sizeof(tmp));
		q->len[i] = q->len[k];
		q->len[k] = len;
	}
}

/* Deliver until both queues are empty. */
static inline void deliver(struct bench *b)
{
	while (b->to_us.n > 0 || b->to_peer.n > 0) {
		struct queue *q = malloc(sizeof(*q));

		assert_non_null(q);
		*q = b->to_us;
		b->to_us.n = 0;
		for (size_t i = 0; i < q->n; i++)
			(void)agw_dtls_input(b->s, q->data[i], q->len[i]);
		*q = b->to_peer;
		b->to_peer.n = 0;
		for (size_t i = 0; i < q->n; i++)
			peer_step(b, q->data[i], q->len[i]);
		free(q);
	}
}

static inline void nap_ms(long ms)
{
	const struct timespec ts = {.tv_nsec = ms * 1000000L};

	(void)nanosleep(&ts, NULL);
}

/* Run a handshake, with retransmissions when something got lost. */
static inline void run(struct bench *b, bool peer_client)
{
	agw_dtls_start(b->s, peer_client ? AGW_DTLS_ROLE_SERVER : AGW_DTLS_ROLE_CLIENT);
	if (peer_client)
		peer_step(b, NULL, 0);
	for (int i = 0; i < 100; i++) {
		deliver(b);
		if ((b->keyed + b->failed > 0 || agw_dtls_state(b->s) == AGW_DTLS_UNVERIFIED) &&
		    (b->peer_done || b->peer_failed))
			return;
		nap_ms(25); /* the timers inside OpenSSL run on the real clock */
		agw_dtls_tick(b->s);
		(void)DTLSv1_handle_timeout(b->peer);
	}
}

/* The peer's keys, exported by the test itself. */
static inline void check_keys(struct bench *b, bool peer_client)
{
	const SRTP_PROTECTION_PROFILE *p = SSL_get_selected_srtp_profile(b->peer);
	uint8_t raw[2 * 46];
	size_t key;
	size_t salt;
	const uint8_t *client = peer_client ? b->keys.recv : b->keys.send;
	const uint8_t *server = peer_client ? b->keys.send : b->keys.recv;

	assert_non_null(p);
	assert_int_equal(p->id, b->keys.profile);
	key = p->id == 8 ? 32 : 16;
	salt = p->id == 1 ? 14 : 12;
	assert_int_equal(SSL_export_keying_material(b->peer, raw, 2 * (key + salt),
						    "EXTRACTOR-dtls_srtp", 19, NULL, 0, 0),
			 1);
	assert_memory_equal(client, raw, key);
	assert_memory_equal(server, raw + key, key);
	assert_memory_equal(client + key, raw + 2 * key, salt);
	assert_memory_equal(server + key, raw + 2 * key + salt, salt);
}

static inline void good(struct bench *b, bool peer_client, const char *profiles, uint16_t expect)
{
	make_peer(b, peer_client, profiles, 1200);
	agw_dtls_set_fingerprints(b->s, &b->peer_fp, 1);
	run(b, peer_client);
	assert_int_equal(b->keyed, 1);
	assert_int_equal(b->failed, 0);
	assert_int_equal(b->keys.profile, expect);
	assert_int_equal(agw_dtls_version(b->s), DTLS1_2_VERSION);
	check_keys(b, peer_client);
}

#endif
