/* SPDX-License-Identifier: Apache-2.0 */
/*
 * SRTP sessions: round trip, tampering, replay, repeated index and roll-over, in every profile.
 */
#include "agw/srtp/srtp.h"
#include "common/rand.h"
#include "tests/lib/req.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>
#include <srtp2/srtp.h>

static const uint16_t profiles[] = {AGW_SRTP_AES128_CM_SHA1_80, AGW_SRTP_AEAD_AES_128_GCM,
				    AGW_SRTP_AEAD_AES_256_GCM};
#define N_PROFILES (sizeof(profiles) / sizeof(profiles[0]))

struct pair {
	struct agw_srtp_sess *a;
	struct agw_srtp_sess *b;
};

static struct pair make(uint16_t profile)
{
	struct agw_srtp_keys ka = {.profile = profile};
	struct agw_srtp_keys kb = {.profile = profile};
	struct pair p = {NULL, NULL};

	gw_rand_bytes(ka.send, sizeof(ka.send));
	gw_rand_bytes(ka.recv, sizeof(ka.recv));
	memcpy(kb.send, ka.recv, sizeof(kb.send));
	memcpy(kb.recv, ka.send, sizeof(kb.recv));
	assert_int_equal(agw_srtp_sess_new(&p.a, &ka, 1024), GW_OK);
	assert_int_equal(agw_srtp_sess_new(&p.b, &kb, 1024), GW_OK);
	return p;
}

static void done(struct pair *p)
{
	agw_srtp_sess_free(p->a);
	agw_srtp_sess_free(p->b);
}

static size_t rtp(uint8_t *buf, uint16_t seq, uint32_t ssrc, size_t payload)
{
	memset(buf, 0, 12);
	buf[0] = 0x80;
	buf[1] = 96;
	buf[2] = (uint8_t)(seq >> 8);
	buf[3] = (uint8_t)seq;
	buf[8] = (uint8_t)(ssrc >> 24);
	buf[11] = (uint8_t)ssrc;
	for (size_t i = 0; i < payload; i++)
		buf[12 + i] = (uint8_t)(seq + i);
	return 12 + payload;
}

static size_t sr(uint8_t *buf, uint32_t ssrc)
{
	memset(buf, 0, 28);
	buf[0] = 0x80;
	buf[1] = 200;
	buf[3] = 6;
	buf[7] = (uint8_t)ssrc;
	return 28;
}

static int group_setup(void **state)
{
	(void)state;
	return agw_srtp_init() == GW_OK ? 0 : -1;
}

static int group_teardown(void **state)
{
	(void)state;
	agw_srtp_shutdown();
	return 0;
}

static void test_round_trip_of_rtp_and_rtcp_in_every_profile(void **state)
{
	REQ("SRTP-02", "SRTP-05", "SRTP-08");
	(void)state;
	for (size_t k = 0; k < N_PROFILES; k++) {
		struct pair p = make(profiles[k]);
		_Alignas(8) uint8_t buf[1600];
		uint8_t plain[1400];

		for (unsigned i = 0; i < 70000; i += 7) { /* over the roll-over */
			size_t n = rtp(plain, (uint16_t)i, 0x01000002, i % 1200);
			size_t len = n;

			memcpy(buf, plain, n);
			assert_int_equal(agw_srtp_protect(p.a, buf, &len), GW_OK);
			assert_int_equal(len,
					 n + (profiles[k] == AGW_SRTP_AES128_CM_SHA1_80 ? 10 : 16));
			assert_memory_equal(buf, plain, 12);
			if (n > 40)
				assert_memory_not_equal(buf + 12, plain + 12, n - 12);
			assert_int_equal(agw_srtp_unprotect(p.b, buf, &len), GW_OK);
			assert_int_equal(len, n);
			assert_memory_equal(buf, plain, n);
		}
		for (unsigned i = 0; i < 50; i++) {
			size_t n = sr(plain, 7);
			size_t len = n;

			memcpy(buf, plain, n);
			assert_int_equal(agw_srtp_protect_rtcp(p.b, buf, &len), GW_OK);
			assert_int_equal(agw_srtp_unprotect_rtcp(p.a, buf, &len), GW_OK);
			assert_int_equal(len, n);
			assert_memory_equal(buf, plain, n);
		}
		done(&p);
	}
}

static void test_one_wrong_bit_anywhere_is_an_auth_error(void **state)
{
	REQ("SRTP-06");
	(void)state;
	for (size_t k = 0; k < N_PROFILES; k++) {
		struct pair p = make(profiles[k]);
		_Alignas(8) uint8_t good[300];
		_Alignas(8) uint8_t buf[300];
		size_t n = rtp(good, 5, 0x01000002, 40);

		assert_int_equal(agw_srtp_protect(p.a, good, &n), GW_OK);
		for (size_t bit = 16; bit < n * 8; bit++) { /* behind version and payload type */
			size_t len = n;

			memcpy(buf, good, n);
			buf[bit / 8] ^= (uint8_t)(1U << (bit % 8));
			assert_int_equal(agw_srtp_unprotect(p.b, buf, &len), GW_ERR_AUTH);
			assert_int_equal(len, n);
		}
		/* None of the forgeries spoilt the window. */
		assert_int_equal(agw_srtp_unprotect(p.b, good, &n), GW_OK);
		done(&p);
	}
}

static void test_replayed_and_ancient_packets_are_refused(void **state)
{
	REQ("SRTP-07");
	(void)state;
	for (size_t k = 0; k < N_PROFILES; k++) {
		struct pair p = make(profiles[k]);
		_Alignas(8) uint8_t kept[3][300];
		_Alignas(8) uint8_t buf[300];
		size_t len[3];

		for (uint16_t seq = 1; seq <= 1500; seq++) {
			size_t n = rtp(buf, seq, 0x01000002, 20);
			int keep = seq == 2 ? 0 : seq == 600 ? 1 : seq == 1500 ? 2 : -1;

			assert_int_equal(agw_srtp_protect(p.a, buf, &n), GW_OK);
			if (keep >= 0) {
				memcpy(kept[keep], buf, n);
				len[keep] = n;
			}
			if (seq != 2 && seq != 600)
				assert_int_equal(agw_srtp_unprotect(p.b, buf, &n), GW_OK);
		}
		/* 1498 behind: out of the window of 1024. 900 behind and new: welcome. Then seen.
		 */
		assert_int_equal(agw_srtp_unprotect(p.b, kept[0], &len[0]), GW_ERR_REPLAY);
		memcpy(buf, kept[1], len[1]);
		size_t n = len[1];
		assert_int_equal(agw_srtp_unprotect(p.b, buf, &n), GW_OK);
		assert_int_equal(agw_srtp_unprotect(p.b, kept[1], &len[1]), GW_ERR_REPLAY);
		assert_int_equal(agw_srtp_unprotect(p.b, kept[2], &len[2]), GW_ERR_REPLAY);
		done(&p);
	}
}

static void test_no_index_is_ever_sent_twice(void **state)
{
	REQ("SRTP-09");
	(void)state;
	for (size_t k = 0; k < N_PROFILES; k++) {
		struct pair p = make(profiles[k]);
		_Alignas(8) uint8_t buf[300];

		for (uint16_t seq = 1000; seq < 1400; seq++) {
			size_t n = rtp(buf, seq, 0x01000002, 20);

			assert_int_equal(agw_srtp_protect(p.a, buf, &n), GW_OK);
		}
		for (uint16_t seq = 1000; seq < 1400; seq++) {
			size_t n = rtp(buf, seq, 0x01000002, 20);

			assert_int_equal(agw_srtp_protect(p.a, buf, &n), GW_ERR_REPLAY);
		}
		done(&p);
	}
}

static void test_srtcp_without_encryption_is_refused(void **state)
{
	REQ("SRTP-05");
	(void)state;
	for (size_t k = 0; k < N_PROFILES; k++) {
		struct pair p = make(profiles[k]);
		_Alignas(8) uint8_t buf[300];
		size_t n = sr(buf, 7);
		size_t e_at;

		assert_int_equal(agw_srtp_protect_rtcp(p.a, buf, &n), GW_OK);
		/* E is the top bit of the index: last word (GCM), or before the tag (CM). */
		e_at = profiles[k] == AGW_SRTP_AES128_CM_SHA1_80 ? n - 14 : n - 4;
		assert_true((buf[e_at] & 0x80) != 0);
		buf[e_at] &= 0x7f;
		assert_int_not_equal(agw_srtp_unprotect_rtcp(p.b, buf, &n), GW_OK);
		done(&p);
	}
}

/* Authentic, with the key that both have, and yet in the clear: E is 0 (RFC 3711 s3.4). */
static void test_authentic_srtcp_in_the_clear_is_refused(void **state)
{
	REQ("SRTP-05");
	(void)state;
	for (size_t k = 0; k < N_PROFILES; k++) {
		const bool cm = profiles[k] == AGW_SRTP_AES128_CM_SHA1_80;
		struct agw_srtp_keys keys = {.profile = profiles[k]};
		struct agw_srtp_sess *s = NULL;
		_Alignas(8) uint8_t buf[300];
		uint8_t plain[28];
		srtp_policy_t clear = {.ssrc.type = ssrc_any_outbound, .key = keys.recv};
		srtp_t peer;
		int n = (int)sr(buf, 7);
		size_t len;

		gw_rand_bytes(keys.recv, sizeof(keys.recv));
		gw_rand_bytes(keys.send, sizeof(keys.send));
		assert_int_equal(agw_srtp_sess_new(&s, &keys, 1024), GW_OK);
		if (cm)
			srtp_crypto_policy_set_aes_cm_128_hmac_sha1_80(&clear.rtp);
		else if (profiles[k] == AGW_SRTP_AEAD_AES_128_GCM)
			srtp_crypto_policy_set_aes_gcm_128_16_auth(&clear.rtp);
		else
			srtp_crypto_policy_set_aes_gcm_256_16_auth(&clear.rtp);
		clear.rtcp = clear.rtp;
		clear.rtcp.sec_serv = sec_serv_auth;
		assert_int_equal(srtp_create(&peer, &clear), srtp_err_status_ok);
		memcpy(plain, buf, sizeof(plain));
		assert_int_equal(srtp_protect_rtcp(peer, buf, &n), srtp_err_status_ok);
		assert_memory_equal(buf, plain, sizeof(plain)); /* in the clear it is */
		assert_int_equal(buf[cm ? n - 14 : n - 4] & 0x80, 0);
		len = (size_t)n;
		assert_int_equal(agw_srtp_unprotect_rtcp(s, buf, &len), GW_ERR_AUTH);
		(void)srtp_dealloc(peer);
		agw_srtp_sess_free(s);
	}
}

static void test_short_and_garbage_packets_are_errors(void **state)
{
	struct pair p = make(AGW_SRTP_AEAD_AES_128_GCM);
	_Alignas(8) uint8_t buf[300];

	REQ("RTP-24");
	(void)state;
	for (size_t n = 0; n < 60; n++) {
		size_t len = n;

		gw_rand_bytes(buf, sizeof(buf));
		buf[0] = 0x9f; /* CSRCs and an extension that are not there */
		assert_int_not_equal(agw_srtp_unprotect(p.b, buf, &len), GW_OK);
		len = n;
		assert_int_not_equal(agw_srtp_unprotect_rtcp(p.b, buf, &len), GW_OK);
	}
	done(&p);
}

static void test_one_association_has_a_bounded_number_of_senders(void **state)
{
	struct pair p = make(AGW_SRTP_AES128_CM_SHA1_80);
	_Alignas(8) uint8_t buf[300];
	size_t n;

	REQ("RTP-10");
	(void)state;
	for (uint32_t i = 0; i < 100; i++) {
		n = rtp(buf, 1, i, 20);
		assert_int_equal(agw_srtp_protect(p.a, buf, &n), GW_OK);
		assert_int_equal(agw_srtp_unprotect(p.b, buf, &n),
				 i < AGW_SRTP_SSRC_MAX ? GW_OK : GW_ERR_LIMIT);
	}
	/* Those that are known go on. */
	n = rtp(buf, 2, 0, 20);
	assert_int_equal(agw_srtp_protect(p.a, buf, &n), GW_OK);
	assert_int_equal(agw_srtp_unprotect(p.b, buf, &n), GW_OK);
	n = sr(buf, 200);
	assert_int_equal(agw_srtp_protect_rtcp(p.a, buf, &n), GW_OK);
	assert_int_equal(agw_srtp_unprotect_rtcp(p.b, buf, &n), GW_ERR_LIMIT);
	done(&p);
}

static void test_unknown_profiles_and_windows_are_refused(void **state)
{
	struct agw_srtp_keys k = {.profile = 0x0002}; /* AES128_CM_SHA1_32 */
	struct agw_srtp_sess *s = NULL;

	REQ("SRTP-01");
	(void)state;
	assert_int_equal(agw_srtp_sess_new(&s, &k, 1024), GW_ERR_INVAL);
	k.profile = AGW_SRTP_AES128_CM_SHA1_80;
	assert_int_equal(agw_srtp_sess_new(&s, &k, 63), GW_ERR_INVAL);
	assert_int_equal(agw_srtp_sess_new(&s, &k, 0x8000), GW_ERR_INVAL);
	assert_null(s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_round_trip_of_rtp_and_rtcp_in_every_profile),
	    cmocka_unit_test(test_one_wrong_bit_anywhere_is_an_auth_error),
	    cmocka_unit_test(test_replayed_and_ancient_packets_are_refused),
	    cmocka_unit_test(test_no_index_is_ever_sent_twice),
	    cmocka_unit_test(test_srtcp_without_encryption_is_refused),
	    cmocka_unit_test(test_authentic_srtcp_in_the_clear_is_refused),
	    cmocka_unit_test(test_short_and_garbage_packets_are_errors),
	    cmocka_unit_test(test_one_association_has_a_bounded_number_of_senders),
	    cmocka_unit_test(test_unknown_profiles_and_windows_are_refused),
	};

	return cmocka_run_group_tests(tests, group_setup, group_teardown);
}
