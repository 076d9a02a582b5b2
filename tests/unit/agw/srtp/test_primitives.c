/* SPDX-License-Identifier: Apache-2.0 */
/*
 * OpenSSL's AES counter mode, AES-GCM and HMAC-SHA1 as libsrtp2 calls them: known answers that
 * its own self-test is too short for, steps, order of calls, limits.
 */
#include "agw/srtp/primitives_int.h"
#include "common/rand.h"
#include "tests/lib/req.h"

#include <openssl/err.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define IV_ICM   16
#define IV_GCM   12
#define TAG      16
#define KEY_MAX  46
#define BLOCK    16
#define ALL_KEYS 0x10000U /* blocks of one IV */

#define N(table) (sizeof(table) / sizeof((table)[0]))

static const srtp_cipher_type_t *const icms[] = {&agw_srtp_aes_icm_128, &agw_srtp_aes_icm_192,
						 &agw_srtp_aes_icm_256};
static const srtp_cipher_type_t *const gcms[] = {&agw_srtp_aes_gcm_128, &agw_srtp_aes_gcm_256};
static const int icm_key_len[] = {30, 38, 46};
static const int gcm_key_len[] = {28, 44};

static uint8_t zero_iv[IV_ICM];

static srtp_cipher_t *cipher(const srtp_cipher_type_t *type, int key_len, int tag)
{
	srtp_cipher_t *c = NULL;

	assert_int_equal(type->alloc(&c, key_len, tag), srtp_err_status_ok);
	assert_ptr_equal(c->type, type);
	assert_int_equal(c->key_len, key_len);
	assert_int_equal(c->algorithm, type->id);
	assert_non_null(c->state);
	return c;
}

static srtp_cipher_t *keyed(const srtp_cipher_type_t *type, int key_len, int tag)
{
	srtp_cipher_t *c = cipher(type, key_len, tag);
	uint8_t key[KEY_MAX];

	gw_rand_bytes(key, sizeof(key));
	assert_int_equal(type->init(c->state, key), srtp_err_status_ok);
	return c;
}

static void done(srtp_cipher_t *c)
{
	assert_int_equal(c->type->dealloc(c), srtp_err_status_ok);
	assert_int_equal(ERR_peek_error(), 0); /* DTLS on the same thread reads that queue */
}

static int setup(void **state)
{
	(void)state;
	agw_srtp_aes_icm_fetch();
	agw_srtp_aes_gcm_fetch();
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	agw_srtp_aes_icm_drop();
	agw_srtp_aes_gcm_drop();
	return 0;
}

/* ---- counter mode ---------------------------------------------------------------------------- */

/* RFC 3711 B.2, RFC 6188 s7.3 and s7.1: blocks 0xfeff, 0xff00 and 0xff01 of the key stream. */
static void test_key_stream_far_from_its_beginning(void **state)
{
	static const uint8_t want[3][48] = {
	    {0xec, 0x8c, 0xdf, 0x73, 0x98, 0x60, 0x7c, 0xb0, 0xf2, 0xd2, 0x16, 0x75,
	     0xea, 0x9e, 0xa1, 0xe4, 0x36, 0x2b, 0x7c, 0x3c, 0x67, 0x73, 0x51, 0x63,
	     0x18, 0xa0, 0x77, 0xd7, 0xfc, 0x50, 0x73, 0xae, 0x6a, 0x2c, 0xc3, 0x78,
	     0x78, 0x89, 0x37, 0x4f, 0xbe, 0xb4, 0xc8, 0x1b, 0x17, 0xba, 0x6c, 0x44},
	    {0xd1, 0x08, 0xd1, 0xa3, 0x1a, 0x00, 0xba, 0xd6, 0x36, 0x7e, 0xc2, 0x3e,
	     0xb0, 0x44, 0xb4, 0x15, 0xc8, 0xf5, 0x71, 0x29, 0xfd, 0xeb, 0x97, 0x0b,
	     0x59, 0xf9, 0x17, 0xb2, 0x57, 0x66, 0x2d, 0x4c, 0xa5, 0xda, 0xb6, 0x25,
	     0x81, 0x10, 0x34, 0xe8, 0xce, 0xbd, 0xfe, 0xb6, 0xdc, 0x15, 0x8d, 0xd3},
	    {0xce, 0xa5, 0x18, 0xc9, 0x0f, 0xd9, 0x1c, 0xed, 0x9c, 0xbb, 0x18, 0xc0,
	     0x78, 0xa5, 0x47, 0x11, 0x3d, 0xbc, 0x48, 0x14, 0xf4, 0xda, 0x5f, 0x00,
	     0xa0, 0x87, 0x72, 0xb6, 0x3c, 0x6a, 0x04, 0x6d, 0x6e, 0xb2, 0x46, 0x91,
	     0x30, 0x62, 0xa1, 0x68, 0x91, 0x43, 0x3e, 0x97, 0xdd, 0x01, 0xa5, 0x7f},
	};
	const size_t n = (size_t)0xff02 * BLOCK;
	uint8_t *stream = calloc(1, n);

	(void)state;
	assert_non_null(stream);
	for (size_t i = 0; i < N(icms); i++) {
		srtp_cipher_t *c = cipher(icms[i], icm_key_len[i], 0);
		unsigned step = 1;

		assert_int_equal(icms[i]->init(c->state, icms[i]->test_data->key),
				 srtp_err_status_ok);
		assert_int_equal(icms[i]->set_iv(c->state, zero_iv, srtp_direction_encrypt),
				 srtp_err_status_ok);
		memset(stream, 0, n);
		for (size_t at = 0; at < n; step = step * 3 % 5003) { /* 1, 3, 9 … octets */
			unsigned len = step < n - at ? step : (unsigned)(n - at);

			assert_int_equal(icms[i]->encrypt(c->state, stream + at, &len),
					 srtp_err_status_ok);
			at += len;
		}
		assert_memory_equal(stream, icms[i]->test_data->ciphertext,
				    icms[i]->test_data->ciphertext_length_octets);
		assert_memory_equal(stream + n - sizeof(want[i]), want[i], sizeof(want[i]));
		done(c);
	}
	free(stream);
}

static void test_key_stream_of_one_iv_never_repeats(void **state)
{
	const unsigned all = ALL_KEYS * BLOCK;
	uint8_t *buf = calloc(1, all + 1);

	(void)state;
	assert_non_null(buf);
	for (size_t i = 0; i < N(icms); i++) {
		srtp_cipher_t *c = keyed(icms[i], icm_key_len[i], 0);
		unsigned len = all + 1;

		assert_int_equal(icms[i]->set_iv(c->state, zero_iv, srtp_direction_encrypt),
				 srtp_err_status_ok);
		assert_int_equal(icms[i]->encrypt(c->state, buf, &len), srtp_err_status_bad_param);
		len = all - 1;
		assert_int_equal(icms[i]->encrypt(c->state, buf, &len), srtp_err_status_ok);
		len = 1; /* the last octet of the last block is there, and no more */
		assert_int_equal(icms[i]->encrypt(c->state, buf, &len), srtp_err_status_ok);
		assert_int_equal(icms[i]->encrypt(c->state, buf, &len), srtp_err_status_bad_param);
		len = 0;
		assert_int_equal(icms[i]->encrypt(c->state, buf, &len), srtp_err_status_ok);
		done(c);
	}
	free(buf);
}

static void test_counter_mode_needs_a_key_then_an_iv(void **state)
{
	uint8_t buf[4] = {0};
	unsigned len = sizeof(buf);
	srtp_cipher_t *c = cipher(&agw_srtp_aes_icm_128, 30, 0);
	uint8_t key[30] = {0};

	(void)state;
	assert_int_not_equal(c->type->encrypt(c->state, buf, &len), srtp_err_status_ok);
	assert_int_not_equal(c->type->set_iv(c->state, zero_iv, srtp_direction_encrypt),
			     srtp_err_status_ok);
	assert_int_equal(c->type->init(c->state, key), srtp_err_status_ok);
	assert_int_not_equal(c->type->encrypt(c->state, buf, &len), srtp_err_status_ok);
	assert_int_equal(c->type->set_iv(c->state, zero_iv, srtp_direction_encrypt),
			 srtp_err_status_ok);
	assert_int_equal(c->type->encrypt(c->state, buf, &len), srtp_err_status_ok);
	/* A new key ends the old key's IV. */
	assert_int_equal(c->type->init(c->state, key), srtp_err_status_ok);
	assert_int_not_equal(c->type->encrypt(c->state, buf, &len), srtp_err_status_ok);
	done(c);
}

/* ---- GCM ------------------------------------------------------------------------------------- */

struct sealed {
	uint8_t text[64];
	uint8_t tag[TAG];
};

static void seal(srtp_cipher_t *c, uint8_t *iv, struct sealed *s, unsigned len, const uint8_t *aad,
		 uint32_t aad_1, uint32_t aad_2)
{
	uint32_t tag_len = 0;

	assert_int_equal(c->type->set_iv(c->state, iv, srtp_direction_encrypt), srtp_err_status_ok);
	assert_int_equal(c->type->set_aad(c->state, aad, aad_1), srtp_err_status_ok);
	assert_int_equal(c->type->set_aad(c->state, aad + aad_1, aad_2), srtp_err_status_ok);
	assert_int_equal(c->type->encrypt(c->state, len > 0 ? s->text : NULL, &len),
			 srtp_err_status_ok);
	assert_int_equal(c->type->get_tag(c->state, s->tag, &tag_len), srtp_err_status_ok);
	assert_int_equal(tag_len, TAG);
}

static void test_gcm_associated_data_adds_up(void **state)
{
	uint8_t aad[40];
	uint8_t iv[IV_GCM];

	(void)state;
	gw_rand_bytes(aad, sizeof(aad));
	gw_rand_bytes(iv, sizeof(iv));
	for (size_t i = 0; i < N(gcms); i++) {
		srtp_cipher_t *c = keyed(gcms[i], gcm_key_len[i], TAG);

		for (uint32_t cut = 0; cut <= sizeof(aad); cut++) {
			struct sealed a = {{0}, {0}};
			struct sealed b = {{0}, {0}};
			unsigned len = cut % 3 == 0 ? 0 : sizeof(a.text); /* 0: only authenticate */

			seal(c, iv, &a, len, aad, sizeof(aad), 0);
			seal(c, iv, &b, len, aad, cut, sizeof(aad) - cut);
			assert_memory_equal(&a, &b, sizeof(a));
		}
		done(c);
	}
}

static void test_gcm_gives_no_plain_text_of_a_forgery(void **state)
{
	static const int tags[] = {TAG, 8};
	uint8_t iv[IV_GCM] = {1};

	REQ("SRTP-06");
	(void)state;
	for (size_t k = 0; k < N(gcms) * N(tags); k++) {
		const srtp_cipher_type_t *type = gcms[k % N(gcms)];
		const unsigned tag = (unsigned)tags[k / N(gcms)];
		srtp_cipher_t *c = keyed(type, gcm_key_len[k % N(gcms)], (int)tag);
		const uint8_t text[32] = "no octet of this may be seen";
		uint8_t good[sizeof(text) + TAG] = {0};
		unsigned len = sizeof(text);
		uint32_t tag_len = 0;

		memcpy(good, text, sizeof(text));
		assert_int_equal(type->set_iv(c->state, iv, srtp_direction_encrypt), 0);
		assert_int_equal(type->encrypt(c->state, good, &len), 0);
		assert_int_equal(type->get_tag(c->state, good + len, &tag_len), 0);
		assert_int_equal(tag_len, tag);
		for (unsigned bit = 0; bit < (sizeof(text) + tag) * 8; bit++) {
			static const uint8_t nothing[sizeof(text)];
			uint8_t bad[sizeof(good)];

			memcpy(bad, good, sizeof(bad));
			bad[bit / 8] ^= (uint8_t)(1U << (bit % 8));
			len = (unsigned)sizeof(text) + tag;
			assert_int_equal(type->set_iv(c->state, iv, srtp_direction_decrypt), 0);
			assert_int_equal(type->decrypt(c->state, bad, &len),
					 srtp_err_status_auth_fail);
			assert_int_equal(len, sizeof(text) + tag);
			assert_memory_equal(bad, nothing, sizeof(nothing));
		}
		len = (unsigned)sizeof(text) + tag;
		assert_int_equal(type->set_iv(c->state, iv, srtp_direction_decrypt), 0);
		assert_int_equal(type->decrypt(c->state, good, &len), srtp_err_status_ok);
		assert_int_equal(len, sizeof(text));
		assert_memory_equal(good, text, sizeof(text));
		done(c);
	}
}

static void test_gcm_uses_an_iv_once(void **state)
{
	srtp_cipher_t *c = keyed(&agw_srtp_aes_gcm_128, 28, TAG);
	const srtp_cipher_type_t *t = c->type;
	uint8_t iv[IV_GCM] = {1};
	uint8_t buf[64] = {0};
	unsigned len = 16;
	uint32_t tag_len;

	REQ("SRTP-09");
	(void)state;
	assert_int_equal(t->encrypt(c->state, buf, &len), srtp_err_status_bad_param);
	assert_int_equal(t->set_aad(c->state, buf, 4), srtp_err_status_bad_param);
	assert_int_equal(t->get_tag(c->state, buf, &tag_len), srtp_err_status_bad_param);
	assert_int_equal(t->set_iv(c->state, iv, srtp_direction_any), srtp_err_status_bad_param);

	assert_int_equal(t->set_iv(c->state, iv, srtp_direction_encrypt), srtp_err_status_ok);
	assert_int_equal(t->decrypt(c->state, buf, &len), srtp_err_status_bad_param);
	assert_int_equal(t->get_tag(c->state, buf, &tag_len), srtp_err_status_bad_param);
	len = 1;
	assert_int_equal(t->encrypt(c->state, NULL, &len), srtp_err_status_bad_param);
	len = 16;
	assert_int_equal(t->encrypt(c->state, buf, &len), srtp_err_status_ok);
	assert_int_equal(t->encrypt(c->state, buf, &len), srtp_err_status_bad_param);
	assert_int_equal(t->set_aad(c->state, buf, 4), srtp_err_status_bad_param);
	assert_int_equal(t->get_tag(c->state, buf + 16, &tag_len), srtp_err_status_ok);

	assert_int_equal(t->set_iv(c->state, iv, srtp_direction_decrypt), srtp_err_status_ok);
	len = TAG - 1; /* shorter than a tag */
	assert_int_equal(t->decrypt(c->state, buf, &len), srtp_err_status_bad_param);
	len = 16 + TAG;
	assert_int_equal(t->decrypt(c->state, buf, &len), srtp_err_status_ok);
	assert_int_equal(len, 16);
	len = 16 + TAG;
	assert_int_equal(t->decrypt(c->state, buf, &len), srtp_err_status_bad_param);
	done(c);
}

/* ---- HMAC ------------------------------------------------------------------------------------ */

static void test_hmac_in_pieces_is_that_of_the_whole(void **state)
{
	const srtp_auth_type_t *t = &agw_srtp_hmac_sha1;
	uint8_t key[20];
	uint8_t data[200];
	uint8_t whole[20];
	uint8_t pieces[20];
	srtp_auth_t *a = NULL;

	(void)state;
	gw_rand_bytes(key, sizeof(key));
	gw_rand_bytes(data, sizeof(data));
	assert_int_equal(t->alloc(&a, 20, 10), srtp_err_status_ok);
	assert_ptr_equal(a->type, t);
	assert_int_equal(a->out_len, 10);
	assert_int_equal(a->key_len, 20);
	assert_int_equal(a->prefix_len, 0);
	assert_int_equal(t->init(a->state, key, 20), srtp_err_status_ok);
	assert_int_equal(t->compute(a->state, data, sizeof(data), 20, whole), srtp_err_status_ok);
	for (int cut = 0; cut <= (int)sizeof(data); cut++) {
		memset(pieces, 0, sizeof(pieces));
		assert_int_equal(t->start(a->state), srtp_err_status_ok);
		assert_int_equal(t->update(a->state, data, cut), srtp_err_status_ok);
		assert_int_equal(
		    t->compute(a->state, data + cut, (int)sizeof(data) - cut, 10, pieces),
		    srtp_err_status_ok);
		assert_memory_equal(pieces, whole, 10);
		assert_int_equal(pieces[10], 0); /* only as much as was asked for */
	}
	assert_int_equal(t->update(a->state, data, -1), srtp_err_status_bad_param);
	assert_int_equal(t->compute(a->state, data, -1, 10, pieces), srtp_err_status_bad_param);
	assert_int_equal(t->compute(a->state, data, 1, 21, pieces), srtp_err_status_bad_param);
	assert_int_equal(t->init(a->state, data, 65), srtp_err_status_bad_param);
	assert_int_equal(t->dealloc(a), srtp_err_status_ok);
}

/* ---- both ------------------------------------------------------------------------------------ */

static void test_only_the_lengths_of_srtp_are_made(void **state)
{
	srtp_cipher_t *c = NULL;
	srtp_auth_t *a = NULL;

	(void)state;
	for (int len = -1; len < 64; len++) {
		if (len != 30 && len != 38 && len != 46)
			assert_int_equal(agw_srtp_aes_icm_128.alloc(&c, len, 0),
					 srtp_err_status_bad_param);
		if (len != 28 && len != 44)
			assert_int_equal(agw_srtp_aes_gcm_128.alloc(&c, len, TAG),
					 srtp_err_status_bad_param);
		if (len != TAG && len != 8)
			assert_int_equal(agw_srtp_aes_gcm_256.alloc(&c, 44, len),
					 srtp_err_status_bad_param);
		if (len < 0 || len > 20)
			assert_int_equal(agw_srtp_hmac_sha1.alloc(&a, 20, len),
					 srtp_err_status_bad_param);
	}
	assert_int_equal(agw_srtp_hmac_sha1.alloc(&a, -1, 10), srtp_err_status_bad_param);
	assert_int_equal(agw_srtp_hmac_sha1.alloc(&a, 65, 10), srtp_err_status_bad_param);
	assert_null(c);
	assert_null(a);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_key_stream_far_from_its_beginning),
	    cmocka_unit_test(test_key_stream_of_one_iv_never_repeats),
	    cmocka_unit_test(test_counter_mode_needs_a_key_then_an_iv),
	    cmocka_unit_test(test_gcm_associated_data_adds_up),
	    cmocka_unit_test(test_gcm_gives_no_plain_text_of_a_forgery),
	    cmocka_unit_test(test_gcm_uses_an_iv_once),
	    cmocka_unit_test(test_hmac_in_pieces_is_that_of_the_whole),
	    cmocka_unit_test(test_only_the_lengths_of_srtp_are_made),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
