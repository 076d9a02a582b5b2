/* SPDX-License-Identifier: Apache-2.0 */
/*
 * DTLS handshakes: both roles, fragmented and reordered ClientHello, loss, closing, garbage.
 */
#include "agw/dtls/heap.h"
#include "tests/lib/req.h"
#include "tests/unit/agw/lib/dtls_bench.h"

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

/* A peer with that suite and group alone. */
static const struct suite {
	const char *cipher;
	const char *group;
	bool served;
} suites[] = {
    {"ECDHE-ECDSA-AES128-GCM-SHA256", "P-256", true},
    {"ECDHE-ECDSA-AES128-GCM-SHA256", "X25519:P-256", true}, /* P-256 is our certificate's */
    {"ECDHE-ECDSA-AES256-GCM-SHA384", "P-256", true},
    {"ECDHE-ECDSA-CHACHA20-POLY1305", "P-256", true},
    {"ECDHE-ECDSA-CHACHA20-POLY1305", "X25519:P-256", true},
    {"ECDHE-ECDSA-AES128-GCM-SHA256", "P-384", false},
    {"ECDHE-ECDSA-AES128-SHA", "P-256", false},    /* CBC and SHA-1 */
    {"ECDHE-ECDSA-AES128-SHA256", "P-256", false}, /* CBC */
    {"AES256-SHA", "P-256", false},                /* static RSA */
    {"AES128-GCM-SHA256", "P-256", false},         /* static RSA, though AEAD */
    {"ECDHE-ECDSA-NULL-SHA", "P-256", false},
    {"NULL-SHA256", "P-256", false},
    {"AECDH-AES128-SHA", "P-256", false}, /* nobody is authenticated */
};

/* Static RSA has to fail for the suite, not for want of a key. */
static void give_rsa_key(struct bench *b)
{
	EVP_PKEY *key = EVP_RSA_gen(2048);
	X509 *x = X509_new();

	assert_non_null(key);
	assert_non_null(x);
	assert_int_equal(ASN1_INTEGER_set(X509_get_serialNumber(x), 1), 1);
	assert_non_null(X509_gmtime_adj(X509_getm_notBefore(x), -60));
	assert_non_null(X509_gmtime_adj(X509_getm_notAfter(x), 3600));
	assert_int_equal(X509_set_pubkey(x, key), 1);
	assert_true(X509_sign(x, key, EVP_sha256()) > 0);
	assert_int_equal(SSL_CTX_use_certificate(b->peer_ctx, x), 1);
	assert_int_equal(SSL_CTX_use_PrivateKey(b->peer_ctx, key), 1);
	X509_free(x);
	EVP_PKEY_free(key);
}

static int tmp_key_type(SSL *ssl)
{
	EVP_PKEY *key = NULL;
	int type;

	assert_int_equal(SSL_get_peer_tmp_key(ssl, &key), 1);
	type = EVP_PKEY_get_base_id(key);
	EVP_PKEY_free(key);
	return type;
}

static void with_suite(void **state, const struct suite *s, bool peer_client)
{
	struct bench *b = *state;

	SSL_CTX_set_security_level(b->peer_ctx, 0);
	assert_int_equal(SSL_CTX_set_cipher_list(b->peer_ctx, s->cipher), 1);
	assert_int_equal(SSL_CTX_set1_groups_list(b->peer_ctx, s->group), 1);
	if (!s->served && strstr(s->cipher, "ECDSA") == NULL)
		give_rsa_key(b);
	make_peer(b, peer_client, "SRTP_AEAD_AES_128_GCM", 1200);
	agw_dtls_set_fingerprints(b->s, &b->peer_fp, 1);
	run(b, peer_client);
	if ((b->keyed == 1) != s->served || (b->failed == 1) == s->served)
		fail_msg("%s with %s, we are the %s: keyed %u, failed %u", s->cipher, s->group,
			 peer_client ? "server" : "client", b->keyed, b->failed);
	if (s->served) {
		assert_string_equal(SSL_get_cipher_name(b->peer), s->cipher);
		assert_int_equal(SSL_get_extms_support(b->peer), 1);
		assert_null(SSL_get_current_compression(b->peer));
		if (peer_client) /* OpenSSL tells a client alone */
			assert_int_equal(tmp_key_type(b->peer),
					 s->group[0] == 'X' ? EVP_PKEY_X25519 : EVP_PKEY_EC);
	}
	teardown(state);
	setup(state);
}

static void test_the_suites_that_are_served_and_those_that_never_are(void **state)
{
	REQ("DTLS-13");
	for (size_t i = 0; i < sizeof(suites) / sizeof(suites[0]); i++) {
		with_suite(state, &suites[i], true);
		with_suite(state, &suites[i], false);
	}
}

/* The peer asks for another handshake within the association: it does not get one. */
static void test_nobody_negotiates_again(void **state)
{
	REQ("DTLS-13");
	for (int i = 0; i < 2; i++) {
		struct bench *b = *state;

		good(b, i == 0, "SRTP_AEAD_AES_128_GCM", AGW_SRTP_AEAD_AES_128_GCM);
		assert_int_equal(SSL_renegotiate(b->peer), 1);
		b->peer_done = false;
		peer_step(b, NULL, 0);
		assert_int_equal(b->to_us.n, 1); /* it did ask */
		assert_true(agw_dtls_input(b->s, b->to_us.data[0], b->to_us.len[0]));
		assert_int_equal(b->to_peer.n, 1);
		assert_int_equal(b->to_peer.data[0][0], 21); /* a refusal, no handshake */
		assert_int_equal(b->keyed, 1);
		assert_int_equal(agw_dtls_state(b->s), AGW_DTLS_KEYED);
		deliver(b);
		assert_int_equal(b->keyed, 1); /* no other keys came of it */
		teardown(state);
		setup(state);
	}
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

	REQ("DTLS-24", "DTLS-17", "DC-08");
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

static void test_what_is_no_record_is_told_to_be_of_no_use(void **state)
{
	static const uint8_t bad[][14] = {
	    {22, 0xfe, 0xfd, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff}, /* longer than the datagram */
	    {22, 0xfe, 0xfd, 0, 0, 0, 0, 0, 0, 0, 0, 0, 2, 1},    /* by one octet */
	    {22, 3, 3, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 1},          /* TLS */
	    {24, 0xfe, 0xfd, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 1},    /* heartbeat */
	    {63, 0xfe, 0xfd, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 1},    /* nothing we know */
	};
	struct bench *b = *state;

	REQ("DTLS-24");
	make_peer(b, false, "SRTP_AES128_CM_SHA1_80", 1200);
	agw_dtls_set_fingerprints(b->s, &b->peer_fp, 1);
	agw_dtls_start(b->s, AGW_DTLS_ROLE_CLIENT);
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		for (size_t n = 0; n <= sizeof(bad[i]); n++)
			assert_false(agw_dtls_input(b->s, bad[i], n));
	}
	/* The handshake goes on as if nothing had been. */
	run(b, false);
	assert_int_equal(b->keyed, 1);
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

static unsigned cookies_asked;

static int make_cookie(SSL *ssl, unsigned char *cookie, unsigned *len)
{
	(void)ssl;
	memcpy(cookie, "crumbs", 6);
	*len = 6;
	cookies_asked++;
	return 1;
}

static int check_cookie(SSL *ssl, const unsigned char *cookie, unsigned len)
{
	(void)ssl;
	return len == 6 && memcmp(cookie, "crumbs", 6) == 0;
}

static void test_as_client_a_hello_verify_request_is_answered(void **state)
{
	struct bench *b = *state;

	REQ("DTLS-18");
	cookies_asked = 0;
	SSL_CTX_set_options(b->peer_ctx, SSL_OP_COOKIE_EXCHANGE);
	SSL_CTX_set_cookie_generate_cb(b->peer_ctx, make_cookie);
	SSL_CTX_set_cookie_verify_cb(b->peer_ctx, check_cookie);
	good(b, false, "SRTP_AES128_CM_SHA1_80", AGW_SRTP_AES128_CM_SHA1_80);
	assert_true(cookies_asked > 0);
}

#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
	    T(test_as_server_our_order_of_profiles_wins),
	    T(test_as_client_with_sha1_80_only),
	    T(test_gcm_256_keys),
	    T(test_the_suite_browsers_must_have_is_enough),
	    T(test_the_suites_that_are_served_and_those_that_never_are),
	    T(test_nobody_negotiates_again),
	    T(test_old_versions_are_refused),
	    T(test_fragmented_client_hello),
	    T(test_fragmented_client_hello_in_reverse_order),
	    T(test_no_datagram_of_ours_exceeds_the_link_mtu),
	    T(test_lost_flights_are_repeated),
	    T(test_our_last_flight_is_repeated_when_the_peer_repeats_its_own),
	    T(test_close_notify_of_the_peer_is_told_once),
	    T(test_close_reaches_the_peer),
	    T(test_garbage_replays_and_application_data_harm_nothing),
	    T(test_what_is_no_record_is_told_to_be_of_no_use),
	    T(test_giving_up_is_told_once),
	    T(test_as_client_a_hello_verify_request_is_answered),
	};

	/* As in the gateway: a finished handshake has no pages of scratch. */
	if (!agw_dtls_heap_start())
		return EXIT_FAILURE;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
