/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Who the peer must be and what must be agreed: fingerprints early, late, wrong and several, own
 * certificate, SRTP profiles and MKI.
 */
#include "tests/lib/req.h"
#include "tests/unit/agw/lib/dtls_bench.h"

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
	    T(test_keys_wait_for_the_fingerprint),
	    T(test_wrong_fingerprint_ends_the_handshake_as_server),
	    T(test_wrong_fingerprint_ends_the_handshake_as_client),
	    T(test_wrong_fingerprint_signalled_late_gives_no_keys),
	    T(test_the_strongest_hash_decides_and_any_of_its_set_matches),
	    T(test_no_use_srtp_fails),
	    T(test_a_server_without_a_common_profile_fails),
	    T(test_a_client_without_a_common_profile_fails),
	    T(test_a_client_without_certificate_fails),
	    T(test_mki_is_never_ours_and_never_theirs),
	    T(test_own_certificate_is_a_short_lived_p256_one),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
