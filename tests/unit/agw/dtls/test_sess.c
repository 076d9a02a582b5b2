/* SPDX-License-Identifier: Apache-2.0 */
/*
 * DTLS associations against a plain OpenSSL peer in the same process: both roles, fingerprints
 * early and late, wrong and several, fragmented and reordered ClientHello, profiles, alerts.
 * Datagrams travel through two queues the test can reorder and lose from.
 */
#include "agw/dtls/dtls_int.h"
#include "tests/lib/req.h"

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

static void push(struct queue *q, const uint8_t *data, size_t len)
{
	assert_true(q->n < QUEUE_MAX && len <= sizeof(q->data[0]));
	memcpy(q->data[q->n], data, len);
	q->len[q->n++] = len;
}

static void us_send(void *arg, const uint8_t *data, size_t len)
{
	push(&((struct bench *)arg)->to_peer, data, len);
}

static void peer_send(void *arg, const uint8_t *data, size_t len)
{
	push(&((struct bench *)arg)->to_us, data, len);
}

static void on_keyed(void *arg, const struct agw_srtp_keys *keys)
{
	struct bench *b = arg;

	b->keys = *keys;
	b->keyed++;
}

static void on_failed(void *arg, enum agw_cause cause)
{
	struct bench *b = arg;

	b->failed++;
	b->cause = cause;
}

static void on_closed(void *arg, enum agw_cause cause)
{
	struct bench *b = arg;

	b->closed++;
	b->cause = cause;
}

static int accept_any(X509_STORE_CTX *store, void *arg)
{
	(void)store;
	(void)arg;
	return 1;
}

static const uint16_t all_profiles[AGW_SRTP_PROFILE_MAX] = {
    AGW_SRTP_AEAD_AES_128_GCM, AGW_SRTP_AEAD_AES_256_GCM, AGW_SRTP_AES128_CM_SHA1_80};

static int setup(void **state)
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

static int teardown(void **state)
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

static void make_peer(struct bench *b, bool client, const char *profiles, long mtu)
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

static void peer_step(struct bench *b, const uint8_t *data, size_t len)
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

static void reverse(struct queue *q)
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
static void deliver(struct bench *b)
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

static void nap_ms(long ms)
{
	const struct timespec ts = {.tv_nsec = ms * 1000000L};

	(void)nanosleep(&ts, NULL);
}

/* Run a handshake, with retransmissions when something got lost. */
static void run(struct bench *b, bool peer_client)
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
static void check_keys(struct bench *b, bool peer_client)
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

static void good(struct bench *b, bool peer_client, const char *profiles, uint16_t expect)
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

static void test_as_server_our_order_of_profiles_wins(void **state)
{
	REQ("SRTP-01", "SRTP-03", "DTLS-12");
	good(*state, true, "SRTP_AES128_CM_SHA1_80:SRTP_AEAD_AES_128_GCM",
	     AGW_SRTP_AEAD_AES_128_GCM);
}

static void test_as_client_with_sha1_80_only(void **state)
{
	REQ("SRTP-02", "SRTP-03", "DTLS-03");
	good(*state, false, "SRTP_AES128_CM_SHA1_80", AGW_SRTP_AES128_CM_SHA1_80);
}

static void test_gcm_256_keys(void **state)
{
	REQ("SRTP-03");
	good(*state, true, "SRTP_AEAD_AES_256_GCM", AGW_SRTP_AEAD_AES_256_GCM);
}

static void test_the_suite_browsers_must_have_is_enough(void **state)
{
	struct bench *b = *state;

	REQ("DTLS-13");
	assert_int_equal(SSL_CTX_set_cipher_list(b->peer_ctx, "ECDHE-ECDSA-AES128-GCM-SHA256"), 1);
	assert_int_equal(SSL_CTX_set1_groups_list(b->peer_ctx, "P-256"), 1);
	good(b, true, "SRTP_AES128_CM_SHA1_80", AGW_SRTP_AES128_CM_SHA1_80);
	assert_int_equal(SSL_get_extms_support(b->peer), 1);
}

static void test_old_versions_are_refused(void **state)
{
	struct bench *b = *state;

	REQ("DTLS-12");
	assert_int_equal(SSL_CTX_set_min_proto_version(b->peer_ctx, DTLS1_VERSION), 1);
	assert_int_equal(SSL_CTX_set_max_proto_version(b->peer_ctx, DTLS1_VERSION), 1);
	SSL_CTX_set_security_level(b->peer_ctx, 0);
	make_peer(b, true, "SRTP_AES128_CM_SHA1_80", 1200);
	agw_dtls_set_fingerprints(b->s, &b->peer_fp, 1);
	run(b, true);
	assert_int_equal(b->keyed, 0);
	assert_int_equal(b->failed, 1);
}

/* A ClientHello of several datagrams, as browsers with post-quantum key shares send it. */
static void fragmented(struct bench *b, bool reversed)
{
	unsigned char alpn[1400];

	for (size_t i = 0; i < sizeof(alpn); i += 14) {
		alpn[i] = 13;
		memset(alpn + i + 1, 'a' + (int)(i % 26), 13);
	}
	assert_int_equal(SSL_CTX_set_alpn_protos(b->peer_ctx, alpn, sizeof(alpn)), 0);
	make_peer(b, true, "SRTP_AES128_CM_SHA1_80", 500);
	agw_dtls_set_fingerprints(b->s, &b->peer_fp, 1);
	agw_dtls_start(b->s, AGW_DTLS_ROLE_SERVER);
	peer_step(b, NULL, 0);
	assert_true(b->to_us.n >= 3);
	if (reversed)
		reverse(&b->to_us);
	deliver(b);
	/* Without waiting for any retransmission. */
	assert_int_equal(b->keyed, 1);
	assert_true(b->peer_done);
	check_keys(b, true);
}

static void test_fragmented_client_hello(void **state)
{
	REQ("DTLS-14", "DTLS-15");
	fragmented(*state, false);
}

static void test_fragmented_client_hello_in_reverse_order(void **state)
{
	REQ("DTLS-14", "DTLS-15");
	fragmented(*state, true);
}

static void test_no_datagram_of_ours_exceeds_the_link_mtu(void **state)
{
	struct bench *b = *state;

	REQ("DTLS-15");
	make_peer(b, true, "SRTP_AES128_CM_SHA1_80", 1200);
	agw_dtls_set_fingerprints(b->s, &b->peer_fp, 1);
	agw_dtls_start(b->s, AGW_DTLS_ROLE_SERVER);
	peer_step(b, NULL, 0);
	for (int i = 0; i < 10 && b->keyed == 0; i++) {
		for (size_t k = 0; k < b->to_us.n; k++)
			(void)agw_dtls_input(b->s, b->to_us.data[k], b->to_us.len[k]);
		b->to_us.n = 0;
		for (size_t k = 0; k < b->to_peer.n; k++) {
			assert_true(b->to_peer.len[k] <= 1200 - 48);
			peer_step(b, b->to_peer.data[k], b->to_peer.len[k]);
		}
		b->to_peer.n = 0;
	}
	assert_int_equal(b->keyed, 1);
}

static void test_lost_flights_are_repeated(void **state)
{
	struct bench *b = *state;
	struct timespec t0;
	struct timespec t1;

	REQ("DTLS-16");
	make_peer(b, false, "SRTP_AES128_CM_SHA1_80", 1200);
	agw_dtls_set_fingerprints(b->s, &b->peer_fp, 1);
	agw_dtls_start(b->s, AGW_DTLS_ROLE_CLIENT);
	assert_int_equal(b->to_peer.n, 1);
	b->to_peer.n = 0; /* lost */
	(void)clock_gettime(CLOCK_MONOTONIC, &t0);
	for (int i = 0; i < 200 && b->to_peer.n == 0; i++) {
		nap_ms(5);
		agw_dtls_tick(b->s);
	}
	(void)clock_gettime(CLOCK_MONOTONIC, &t1);
	assert_int_equal(b->to_peer.n, 1);
	/* After about 20 ms here; OpenSSL's own first timer would be 1 s. */
	assert_true((t1.tv_sec - t0.tv_sec) * 1000 + (t1.tv_nsec - t0.tv_nsec) / 1000000 < 900);
	deliver(b);
	assert_int_equal(b->keyed, 1);
}

static void test_our_last_flight_is_repeated_when_the_peer_repeats_its_own(void **state)
{
	struct bench *b = *state;
	struct queue kept;

	REQ("DTLS-16");
	make_peer(b, true, "SRTP_AES128_CM_SHA1_80", 1200);
	agw_dtls_set_fingerprints(b->s, &b->peer_fp, 1);
	agw_dtls_start(b->s, AGW_DTLS_ROLE_SERVER);
	peer_step(b, NULL, 0);
	for (int i = 0; i < 10 && b->keyed == 0; i++) {
		kept = b->to_us;
		b->to_us.n = 0;
		for (size_t k = 0; k < kept.n; k++)
			(void)agw_dtls_input(b->s, kept.data[k], kept.len[k]);
		if (b->keyed > 0)
			break;
		for (size_t k = 0; k < b->to_peer.n; k++)
			peer_step(b, b->to_peer.data[k], b->to_peer.len[k]);
		b->to_peer.n = 0;
	}
	assert_int_equal(b->keyed, 1);
	assert_true(b->to_peer.n > 0);
	b->to_peer.n = 0; /* our Finished is lost */
	assert_false(b->peer_done);
	for (int i = 0; i < 300 && !b->peer_done; i++) {
		nap_ms(10);
		(void)DTLSv1_handle_timeout(b->peer);
		deliver(b);
	}
	assert_true(b->peer_done);
	assert_int_equal(b->closed, 0);
}

static void test_keys_wait_for_the_fingerprint(void **state)
{
	struct bench *b = *state;

	REQ("DTLS-06");
	make_peer(b, true, "SRTP_AES128_CM_SHA1_80", 1200);
	run(b, true);
	assert_int_equal(agw_dtls_state(b->s), AGW_DTLS_UNVERIFIED);
	assert_int_equal(b->keyed, 0);
	agw_dtls_set_fingerprints(b->s, &b->peer_fp, 1);
	assert_int_equal(b->keyed, 1);
	check_keys(b, true);
}

static void wrong_fingerprint(struct bench *b, bool peer_client)
{
	struct agw_fingerprint wrong = b->peer_fp;

	wrong.octets[31] ^= 1;
	make_peer(b, peer_client, "SRTP_AES128_CM_SHA1_80", 1200);
	agw_dtls_set_fingerprints(b->s, &wrong, 1);
	run(b, peer_client);
	assert_int_equal(b->keyed, 0);
	assert_int_equal(b->failed, 1);
	assert_int_equal(b->cause, AGW_CAUSE_FINGERPRINT);
	assert_true(b->peer_failed); /* by our bad_certificate alert */
	assert_false(b->peer_done);
}

static void test_wrong_fingerprint_ends_the_handshake_as_server(void **state)
{
	REQ("DTLS-07");
	wrong_fingerprint(*state, true);
}

static void test_wrong_fingerprint_ends_the_handshake_as_client(void **state)
{
	struct bench *b = *state;

	REQ("DTLS-07");
	wrong_fingerprint(b, false);
}

static void test_wrong_fingerprint_signalled_late_gives_no_keys(void **state)
{
	struct bench *b = *state;
	struct agw_fingerprint wrong = b->peer_fp;

	REQ("DTLS-06", "DTLS-07");
	wrong.octets[0] ^= 0x80;
	make_peer(b, true, "SRTP_AES128_CM_SHA1_80", 1200);
	run(b, true);
	agw_dtls_set_fingerprints(b->s, &wrong, 1);
	assert_int_equal(b->keyed, 0);
	assert_int_equal(b->failed, 1);
	assert_int_equal(b->cause, AGW_CAUSE_FINGERPRINT);
}

static void test_the_strongest_hash_decides_and_any_of_its_set_matches(void **state)
{
	struct bench *b = *state;
	struct agw_fingerprint fps[4];
	const unsigned ok = 1U << AGW_HASH_SHA256 | 1U << AGW_HASH_SHA384;

	REQ("DTLS-08", "DTLS-09");
	assert_true(agw_dtls_cert_hash(b->peer_cert, AGW_HASH_SHA256, &fps[0]));
	assert_true(agw_dtls_cert_hash(b->peer_cert, AGW_HASH_SHA384, &fps[1]));
	assert_true(agw_dtls_cert_matches(b->peer_cert, fps, 2, ok));
	fps[2] = fps[1];
	fps[2].octets[5] ^= 1;
	/* Another certificate of the same set beside the right one. */
	assert_true(agw_dtls_cert_matches(b->peer_cert, fps, 3, ok));
	/* A right weaker one does not save a wrong stronger one. */
	fps[1] = fps[2];
	assert_false(agw_dtls_cert_matches(b->peer_cert, fps, 3, ok));
	/* Where the stronger one is not accepted, it does not count. */
	assert_true(agw_dtls_cert_matches(b->peer_cert, fps, 3, 1U << AGW_HASH_SHA256));
	/* sha-1 only: nothing we accept. */
	assert_true(agw_dtls_cert_hash(b->peer_cert, AGW_HASH_SHA1, &fps[0]));
	assert_false(agw_dtls_cert_matches(b->peer_cert, fps, 1, ok));
	/* A length that is not the hash's. */
	fps[0] = b->peer_fp;
	fps[0].len = 31;
	assert_false(agw_dtls_cert_matches(b->peer_cert, fps, 1, ok));
}

static void test_no_use_srtp_fails(void **state)
{
	struct bench *b = *state;

	REQ("SRTP-02");
	make_peer(b, true, NULL, 1200);
	agw_dtls_set_fingerprints(b->s, &b->peer_fp, 1);
	run(b, true);
	assert_int_equal(b->keyed, 0);
	assert_int_equal(b->failed, 1);
	assert_int_equal(b->cause, AGW_CAUSE_NO_SRTP);
	assert_true(b->peer_failed);
}

static void test_a_server_without_a_common_profile_fails(void **state)
{
	struct bench *b = *state;

	REQ("SRTP-02");
	make_peer(b, false, NULL, 1200);
	agw_dtls_set_fingerprints(b->s, &b->peer_fp, 1);
	run(b, false);
	assert_int_equal(b->keyed, 0);
	assert_int_equal(b->failed, 1);
	assert_int_equal(b->cause, AGW_CAUSE_NO_SRTP);
}

static void test_a_client_without_a_common_profile_fails(void **state)
{
	struct bench *b = *state;

	REQ("SRTP-01", "SRTP-02");
	make_peer(b, true, "SRTP_AES128_CM_SHA1_32", 1200);
	agw_dtls_set_fingerprints(b->s, &b->peer_fp, 1);
	run(b, true);
	assert_int_equal(b->keyed, 0);
	assert_int_equal(b->failed, 1);
	assert_int_equal(b->cause, AGW_CAUSE_NO_SRTP);
}

static void test_a_client_without_certificate_fails(void **state)
{
	struct bench *b = *state;

	REQ("DTLS-11");
	SSL_CTX_free(b->peer_ctx);
	b->peer_ctx = SSL_CTX_new(DTLS_method());
	assert_non_null(b->peer_ctx);
	SSL_CTX_set_options(b->peer_ctx, SSL_OP_NO_QUERY_MTU);
	make_peer(b, true, "SRTP_AES128_CM_SHA1_80", 1200);
	agw_dtls_set_fingerprints(b->s, &b->peer_fp, 1);
	run(b, true);
	assert_int_equal(b->keyed, 0);
	assert_int_equal(b->failed, 1);
	assert_int_equal(b->cause, AGW_CAUSE_NO_CERT);
}

static void test_close_notify_of_the_peer_is_told_once(void **state)
{
	struct bench *b = *state;

	REQ("DTLS-23");
	good(b, true, "SRTP_AES128_CM_SHA1_80", AGW_SRTP_AES128_CM_SHA1_80);
	(void)SSL_shutdown(b->peer);
	deliver(b);
	assert_int_equal(b->closed, 1);
	assert_int_equal(b->cause, AGW_CAUSE_CLOSE_NOTIFY);
	assert_int_equal(agw_dtls_state(b->s), AGW_DTLS_CLOSED);
}

static void test_close_reaches_the_peer(void **state)
{
	struct bench *b = *state;

	REQ("DTLS-23");
	good(b, true, "SRTP_AES128_CM_SHA1_80", AGW_SRTP_AES128_CM_SHA1_80);
	agw_dtls_close(b->s);
	assert_int_equal(b->to_peer.n, 1);
	deliver(b);
	assert_true((SSL_get_shutdown(b->peer) & SSL_RECEIVED_SHUTDOWN) != 0);
	assert_int_equal(b->closed, 0);
}

static void test_garbage_replays_and_application_data_harm_nothing(void **state)
{
	struct bench *b = *state;
	uint8_t junk[200];
	struct queue app;

	REQ("DTLS-24", "DTLS-17");
	good(b, true, "SRTP_AES128_CM_SHA1_80", AGW_SRTP_AES128_CM_SHA1_80);
	for (unsigned i = 0; i < 256; i++) {
		memset(junk, (int)i, sizeof(junk));
		junk[0] = (uint8_t)(20 + i % 44);
		(void)agw_dtls_input(b->s, junk, sizeof(junk));
		(void)agw_dtls_input(b->s, junk, i % 20);
	}
	assert_int_equal(SSL_write(b->peer, "data", 4), 4);
	app = b->to_us;
	deliver(b);
	for (size_t i = 0; i < app.n; i++) /* replay */
		(void)agw_dtls_input(b->s, app.data[i], app.len[i]);
	assert_int_equal(b->closed + b->failed, 0);
	assert_int_equal(agw_dtls_state(b->s), AGW_DTLS_KEYED);
	/* It still hears what is real. */
	(void)SSL_shutdown(b->peer);
	deliver(b);
	assert_int_equal(b->closed, 1);
}

static void test_giving_up_is_told_once(void **state)
{
	struct bench *b = *state;

	REQ("DTLS-16");
	agw_dtls_start(b->s, AGW_DTLS_ROLE_CLIENT);
	agw_dtls_give_up(b->s, AGW_CAUSE_TIMEOUT);
	agw_dtls_give_up(b->s, AGW_CAUSE_TIMEOUT);
	assert_int_equal(b->failed, 1);
	assert_int_equal(b->cause, AGW_CAUSE_TIMEOUT);
}

/* Offset of an extension list's length in a ClientHello that is one record of one fragment. */
static size_t extensions_at(const uint8_t *p)
{
	size_t at = 13 + 12 + 2 + 32; /* record, message, version, random */

	at += 1U + p[at];                              /* session id */
	at += 1U + p[at];                              /* cookie */
	at += 2U + (size_t)((p[at] << 8) | p[at + 1]); /* suites */
	return at + 1U + p[at];                        /* compression */
}

static void grow(uint8_t *p, size_t by)
{
	size_t v = (size_t)((p[0] << 8) | p[1]) + by;

	p[0] = (uint8_t)(v >> 8);
	p[1] = (uint8_t)v;
}

static void test_mki_is_never_ours_and_never_theirs(void **state)
{
	static const uint8_t ours[] = {0, 14, 0, 9, 0, 6, 0, 7, 0, 8, 0, 1, 0};
	static const uint8_t theirs[] = {0, 14, 0, 5, 0, 2, 0, 1, 0};
	static const uint8_t mki[] = {4, 0xaa, 0xbb, 0xcc, 0xdd};
	struct bench *b = *state;
	uint8_t hello[2000];
	uint8_t *ext;
	size_t n;

	REQ("SRTP-04", "SRTP-01");
	/* As server: a ClientHello with an MKI of four octets is answered with an empty one. */
	make_peer(b, true, "SRTP_AES128_CM_SHA1_80", 1200);
	agw_dtls_start(b->s, AGW_DTLS_ROLE_SERVER);
	peer_step(b, NULL, 0);
	assert_int_equal(b->to_us.n, 1);
	n = b->to_us.len[0];
	memcpy(hello, b->to_us.data[0], n);
	ext = memmem(hello, n, theirs, sizeof(theirs));
	assert_non_null(ext);
	grow(hello + extensions_at(hello), 4);
	grow(hello + 11, 4); /* record */
	grow(hello + 15, 4); /* message */
	grow(hello + 23, 4); /* fragment */
	grow(ext + 2, 4);
	memmove(ext + 13, ext + 9, n - (size_t)(ext + 9 - hello));
	memcpy(ext + 8, mki, sizeof(mki));
	assert_true(agw_dtls_input(b->s, hello, n + 4));
	assert_int_equal(b->failed, 0);
	assert_true(b->to_peer.n > 0);
	assert_non_null(memmem(b->to_peer.data[0], b->to_peer.len[0], theirs, sizeof(theirs)));
	/* As client: three profiles in our order, empty MKI. */
	teardown(state);
	setup(state);
	b = *state;
	agw_dtls_start(b->s, AGW_DTLS_ROLE_CLIENT);
	assert_non_null(memmem(b->to_peer.data[0], b->to_peer.len[0], ours, sizeof(ours)));
}

static void test_own_certificate_is_a_short_lived_p256_one(void **state)
{
	struct bench *b = *state;
	struct agw_fingerprint fp;
	X509 *ours;
	int days = 0;
	int seconds = 0;
	char group[32];
	size_t n = 0;

	REQ("DTLS-10");
	good(b, true, "SRTP_AES128_CM_SHA1_80", AGW_SRTP_AES128_CM_SHA1_80);
	ours = SSL_get0_peer_certificate(b->peer);
	assert_non_null(ours);
	agw_dtls_ctx_fingerprint(b->ctx, &fp);
	assert_true(agw_dtls_cert_matches(ours, &fp, 1, 1U << AGW_HASH_SHA256));
	assert_int_equal(
	    ASN1_TIME_diff(&days, &seconds, X509_get0_notBefore(ours), X509_get0_notAfter(ours)),
	    1);
	assert_true(days <= 31);
	assert_true(X509_cmp_current_time(X509_get0_notBefore(ours)) < 0);
	assert_int_equal(EVP_PKEY_get_group_name(X509_get0_pubkey(ours), group, sizeof(group), &n),
			 1);
	assert_string_equal(group, "prime256v1");
}

#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
	    T(test_as_server_our_order_of_profiles_wins),
	    T(test_as_client_with_sha1_80_only),
	    T(test_gcm_256_keys),
	    T(test_the_suite_browsers_must_have_is_enough),
	    T(test_old_versions_are_refused),
	    T(test_fragmented_client_hello),
	    T(test_fragmented_client_hello_in_reverse_order),
	    T(test_no_datagram_of_ours_exceeds_the_link_mtu),
	    T(test_lost_flights_are_repeated),
	    T(test_our_last_flight_is_repeated_when_the_peer_repeats_its_own),
	    T(test_keys_wait_for_the_fingerprint),
	    T(test_wrong_fingerprint_ends_the_handshake_as_server),
	    T(test_wrong_fingerprint_ends_the_handshake_as_client),
	    T(test_wrong_fingerprint_signalled_late_gives_no_keys),
	    T(test_the_strongest_hash_decides_and_any_of_its_set_matches),
	    T(test_no_use_srtp_fails),
	    T(test_a_server_without_a_common_profile_fails),
	    T(test_a_client_without_a_common_profile_fails),
	    T(test_a_client_without_certificate_fails),
	    T(test_close_notify_of_the_peer_is_told_once),
	    T(test_close_reaches_the_peer),
	    T(test_garbage_replays_and_application_data_harm_nothing),
	    T(test_giving_up_is_told_once),
	    T(test_mki_is_never_ours_and_never_theirs),
	    T(test_own_certificate_is_a_short_lived_p256_one),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
