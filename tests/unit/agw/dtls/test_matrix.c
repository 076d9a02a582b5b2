/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Handshakes as browsers make them: every profile in both roles, a ClientHello of two datagrams in
 * either order, one that prefers DTLS 1.3 and post-quantum keys, and our certificate over time.
 */
#include "agw/dtls/heap.h"
#include "tests/lib/req.h"
#include "tests/unit/agw/lib/dtls_bench.h"

#define MINE (1U << AGW_HASH_SHA256)

static void fresh(void **state)
{
	teardown(state);
	setup(state);
}

/* ---- profiles ---------------------------------------------------------------------------------
 */

static void test_every_profile_in_both_roles(void **state)
{
	static const struct {
		const char *theirs;
		uint16_t as_server; /* our order counts … */
		uint16_t as_client; /* … theirs */
	} rows[] = {
	    {"SRTP_AES128_CM_SHA1_80", 1, 1},
	    {"SRTP_AEAD_AES_128_GCM", 7, 7},
	    {"SRTP_AEAD_AES_256_GCM", 8, 8},
	    {"SRTP_AES128_CM_SHA1_80:SRTP_AEAD_AES_256_GCM:SRTP_AEAD_AES_128_GCM", 7, 1},
	    {"SRTP_AES128_CM_SHA1_32:SRTP_AES128_CM_SHA1_80", 1, 1},
	    {"SRTP_AES128_CM_SHA1_32:SRTP_AEAD_AES_256_GCM", 8, 8},
	};

	REQ("SRTP-01", "SRTP-02", "SRTP-03", "DTLS-02", "DTLS-04");
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		good(*state, true, rows[i].theirs, rows[i].as_server);
		fresh(state);
		good(*state, false, rows[i].theirs, rows[i].as_client);
		fresh(state);
	}
}

static void test_nothing_in_common_fails_in_both_roles(void **state)
{
	static const char *const theirs[] = {NULL, "SRTP_AES128_CM_SHA1_32"};

	REQ("SRTP-01", "SRTP-02");
	for (unsigned i = 0; i < 4; i++) {
		struct bench *b = *state;

		make_peer(b, i % 2 == 0, theirs[i / 2], 1200);
		agw_dtls_set_fingerprints(b->s, &b->peer_fp, 1);
		run(b, i % 2 == 0);
		assert_int_equal(b->keyed, 0);
		assert_int_equal(b->failed, 1);
		assert_int_equal(b->cause, AGW_CAUSE_NO_SRTP);
		fresh(state);
	}
}

/* ---- a long ClientHello -----------------------------------------------------------------------
 */

/* Longer than one datagram, as with a post-quantum key share; no answer is signalled yet. */
static void early_hello(struct bench *b)
{
	unsigned char alpn[1120];

	for (size_t i = 0; i < sizeof(alpn); i += 14) {
		alpn[i] = 13;
		memset(alpn + i + 1, 'a' + (int)(i % 26), 13);
	}
	assert_int_equal(SSL_CTX_set_alpn_protos(b->peer_ctx, alpn, sizeof(alpn)), 0);
	make_peer(b, true, "SRTP_AEAD_AES_128_GCM", 1200);
	agw_dtls_start(b->s, AGW_DTLS_ROLE_SERVER);
	peer_step(b, NULL, 0);
	assert_int_equal(b->to_us.n, 2);
}

static void answer_comes(struct bench *b)
{
	assert_int_equal(agw_dtls_state(b->s), AGW_DTLS_UNVERIFIED);
	assert_true(b->peer_done);
	assert_int_equal(b->keyed, 0);
	agw_dtls_set_fingerprints(b->s, &b->peer_fp, 1);
	assert_int_equal(b->keyed, 1);
	check_keys(b, true);
}

/* Neither order needs a retransmission: no time passes here. */
static void test_a_hello_of_two_datagrams_in_either_order_before_the_answer(void **state)
{
	REQ("DTLS-14", "DTLS-15", "DTLS-05", "DTLS-06");
	for (unsigned swapped = 0; swapped < 2; swapped++) {
		struct bench *b = *state;

		early_hello(b);
		if (swapped == 1)
			reverse(&b->to_us);
		deliver(b);
		answer_comes(b);
		fresh(state);
	}
}

/* Each half comes twice, and again when the whole is there. */
static void test_repeated_halves_of_a_hello_do_no_harm(void **state)
{
	struct bench *b = *state;
	struct queue half;

	REQ("DTLS-14", "DTLS-17");
	early_hello(b);
	half = b->to_us;
	b->to_us.n = 0;
	for (unsigned i = 0; i < 2; i++)
		(void)agw_dtls_input(b->s, half.data[1], half.len[1]);
	assert_int_equal(b->to_peer.n, 0); /* half a hello gets no answer */
	for (unsigned i = 0; i < 2; i++)
		(void)agw_dtls_input(b->s, half.data[0], half.len[0]);
	assert_true(b->to_peer.n > 0);
	deliver(b);
	answer_comes(b);
}

/* ---- a hello that would rather have DTLS 1.3 --------------------------------------------------
 */

struct hello {
	size_t n;
	uint8_t p[2400];
};

static void put(struct hello *h, const void *p, size_t n)
{
	assert_true(h->n + n <= sizeof(h->p));
	if (p != NULL)
		memcpy(h->p + h->n, p, n);
	else
		memset(h->p + h->n, 0x5a, n);
	h->n += n;
}

static void put16(struct hello *h, size_t v)
{
	put(h, (const uint8_t[]){(uint8_t)(v >> 8), (uint8_t)v}, 2);
}

static void set16(struct hello *h, size_t at, size_t v)
{
	h->p[at] = (uint8_t)(v >> 8);
	h->p[at + 1] = (uint8_t)v;
}

#define EXT(h, type, ...)                                                                          \
	do {                                                                                       \
		static const uint8_t ext_[] = {__VA_ARGS__};                                       \
		put16(h, type);                                                                    \
		put16(h, sizeof(ext_));                                                            \
		put(h, ext_, sizeof(ext_));                                                        \
	} while (0)

/* The body of a ClientHello: 1.3 first, X25519MLKEM768 first, and what 1.2 needs behind it. */
static void hello_13(struct hello *h)
{
	static const uint8_t suites[] = {0x13, 1, 0x13, 2, 0x13, 3, 0xc0, 0x2b, 0xc0, 0x2c};
	size_t extensions;

	put16(h, 0xfefd); /* legacy_version */
	put(h, NULL, 32);
	put(h, "\0\0", 2); /* no session, no cookie */
	put16(h, sizeof(suites));
	put(h, suites, sizeof(suites));
	put(h, "\1\0", 2);
	extensions = h->n;
	put16(h, 0);
	EXT(h, 43, 4, 0xfe, 0xfc, 0xfe, 0xfd);
	EXT(h, 10, 0, 6, 0x11, 0xec, 0, 0x1d, 0, 0x17);
	EXT(h, 11, 1, 0);
	EXT(h, 13, 0, 4, 4, 3, 8, 4);
	put16(h, 23); /* extended master secret, empty */
	put16(h, 0);
	EXT(h, 0xff01, 0);
	EXT(h, 14, 0, 6, 0, 7, 0, 8, 0, 1, 0);
	put16(h, 51); /* key_share: 1216 octets of the new kind, 32 of X25519 */
	put16(h, 2 + 4 + 1216 + 4 + 32);
	put16(h, 4 + 1216 + 4 + 32);
	put16(h, 0x11ec);
	put16(h, 1216);
	put(h, NULL, 1216);
	put16(h, 0x1d);
	put16(h, 32);
	put(h, NULL, 32);
	set16(h, extensions, h->n - extensions - 2);
}

/* Octets from..to of the message as one record. */
static size_t record(uint8_t *out, const struct hello *h, size_t from, size_t to, uint8_t seq)
{
	const size_t n = to - from;
	const uint8_t head[25] = {
	    22,
	    0xfe,
	    0xff, /* first flights carry 1.0 */
	    0,
	    0,
	    0,
	    0,
	    0,
	    0,
	    0,
	    seq,
	    (uint8_t)((n + 12) >> 8),
	    (uint8_t)(n + 12),
	    1,
	    0,
	    (uint8_t)(h->n >> 8),
	    (uint8_t)h->n,
	    0,
	    0,
	    0,
	    (uint8_t)(from >> 8),
	    (uint8_t)from,
	    0,
	    (uint8_t)(n >> 8),
	    (uint8_t)n,
	};

	memcpy(out, head, sizeof(head));
	memcpy(out + sizeof(head), h->p + from, n);
	return n + sizeof(head);
}

static void test_a_hello_that_prefers_1_3_and_post_quantum_keys_gets_1_2(void **state)
{
	REQ("DTLS-12", "DTLS-13", "DTLS-14");
	for (unsigned swapped = 0; swapped < 2; swapped++) {
		struct bench *b = *state;
		struct hello h = {0};
		uint8_t dgram[2][1500];
		size_t len[2];
		const uint8_t *sh;

		hello_13(&h);
		assert_true(h.n > 1300);
		len[0] = record(dgram[0], &h, 0, 1100, 0);
		len[1] = record(dgram[1], &h, 1100, h.n, 1);
		agw_dtls_start(b->s, AGW_DTLS_ROLE_SERVER);
		(void)agw_dtls_input(b->s, dgram[swapped], len[swapped]);
		assert_int_equal(b->to_peer.n, 0);
		(void)agw_dtls_input(b->s, dgram[1 - swapped], len[1 - swapped]);
		assert_int_equal(b->failed, 0);
		assert_true(b->to_peer.n > 0);
		sh = b->to_peer.data[0];
		assert_int_equal(sh[13], 2); /* ServerHello, and no HelloRetryRequest: */
		assert_int_equal(sh[25] << 8 | sh[26], 0xfefd);
		assert_memory_not_equal(sh + 27, "\xcf\x21\xad\x74\xe5\x9a\x61\x11", 8);
		/* profile 7 is agreed; no word of versions or key shares */
		assert_non_null(memmem(sh, b->to_peer.len[0], "\0\16\0\5\0\2\0\7\0", 9));
		assert_null(memmem(sh, b->to_peer.len[0], "\0\53\0\2", 4));
		/* the suite is one of 1.2 (no session id is given) */
		assert_int_equal(sh[59], 0);
		assert_int_equal(sh[60] << 8 | sh[61], 0xc02b);
		fresh(state);
	}
}

/* ---- our certificate ------------------------------------------------------------------------ */

static const struct agw_dtls_cfg plain = {
    .timer_initial_ms = 20, .mtu = 1200, .cert_lifetime_s = 30 * 24 * 3600, .fp_hashes = MINE};

static void test_every_certificate_is_another_and_lasts_thirty_days(void **state)
{
	struct agw_fingerprint fp[2];
	char cn[2][64];

	REQ("DTLS-10");
	(void)state;
	for (int i = 0; i < 2; i++) {
		X509 *x = NULL;
		EVP_PKEY *key = NULL;
		int days = 0;
		int seconds = 0;
		X509_NAME *name;

		assert_int_equal(agw_dtls_cert_new(&x, &key, plain.cert_lifetime_s), GW_OK);
		name = X509_get_subject_name(x);
		assert_int_equal(X509_NAME_cmp(name, X509_get_issuer_name(x)), 0);
		assert_int_equal(X509_verify(x, key), 1); /* self-signed */
		assert_int_equal(
		    X509_NAME_get_text_by_NID(name, NID_commonName, cn[i], sizeof(cn[i])), 16);
		assert_int_equal(X509_NAME_entry_count(name), 1);
		assert_int_equal(ASN1_TIME_diff(&days, &seconds, NULL, X509_get0_notAfter(x)), 1);
		assert_in_range(days, 29, 30);
		assert_true(X509_cmp_current_time(X509_get0_notBefore(x)) < 0);
		assert_true(agw_dtls_cert_hash(x, AGW_HASH_SHA256, &fp[i]));
		X509_free(x);
		EVP_PKEY_free(key);
	}
	assert_string_not_equal(cn[0], cn[1]);
	assert_memory_not_equal(fp[0].octets, fp[1].octets, 32);
}

/* The certificate is renewed while an association made from the old one lives. */
static void test_an_association_outlives_the_certificate_it_began_with(void **state)
{
	struct bench *b = *state;
	struct agw_fingerprint before;
	X509 *shown;

	REQ("DTLS-10");
	agw_dtls_ctx_fingerprint(b->ctx, &before);
	make_peer(b, true, "SRTP_AEAD_AES_128_GCM", 1200);
	agw_dtls_set_fingerprints(b->s, &b->peer_fp, 1);
	agw_dtls_ctx_free(b->ctx); /* in the middle of it, even */
	b->ctx = NULL;
	assert_int_equal(agw_dtls_ctx_new(&b->ctx, &plain), GW_OK);
	run(b, true);
	assert_int_equal(b->keyed, 1);
	shown = SSL_get0_peer_certificate(b->peer);
	assert_true(agw_dtls_cert_matches(shown, &before, 1, MINE));
	agw_dtls_ctx_fingerprint(b->ctx, &before);
	assert_false(agw_dtls_cert_matches(shown, &before, 1, MINE));
	(void)SSL_shutdown(b->peer);
	deliver(b);
	assert_int_equal(b->cause, AGW_CAUSE_CLOSE_NOTIFY);
}

#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
	    T(test_every_profile_in_both_roles),
	    T(test_nothing_in_common_fails_in_both_roles),
	    T(test_a_hello_of_two_datagrams_in_either_order_before_the_answer),
	    T(test_repeated_halves_of_a_hello_do_no_harm),
	    T(test_a_hello_that_prefers_1_3_and_post_quantum_keys_gets_1_2),
	    T(test_every_certificate_is_another_and_lasts_thirty_days),
	    T(test_an_association_outlives_the_certificate_it_began_with),
	};

	if (!agw_dtls_heap_start())
		return EXIT_FAILURE;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
