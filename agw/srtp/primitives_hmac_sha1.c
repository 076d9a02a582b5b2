/* SPDX-License-Identifier: Apache-2.0 */
/*
 * HMAC-SHA1 for SRTP and SRTCP (RFC 3711 s4.2.1; HMAC: RFC 2104). The states of the inner and
 * outer hash after the key are computed once; a packet starts from copies of them, which saves
 * two of its five or so SHA-1 blocks.
 *
 * This file, alone, uses OpenSSL's low-level SHA1_*: copying a state is an assignment there, and
 * EVP_MAC costs twice as much for a packet of voice.
 * Thread: see primitives_int.h.
 */
#define OPENSSL_SUPPRESS_DEPRECATED
#include "agw/srtp/primitives_int.h"

#include <openssl/sha.h>
#include <stdlib.h>
#include <string.h>

#define BLOCK   SHA_CBLOCK
#define TAG_MAX SHA_DIGEST_LENGTH

struct hmac {
	srtp_auth_t head; /* what libsrtp2 holds; its state points here */
	SHA_CTX inner;    /* after key XOR ipad */
	SHA_CTX outer;    /* after key XOR opad */
	SHA_CTX run;      /* the packet at hand */
};

static srtp_err_status_t hmac_dealloc(srtp_auth_t *a)
{
	struct hmac *h = a->state;

	explicit_bzero(h, sizeof(*h));
	free(h);
	return srtp_err_status_ok;
}

/* A key longer than a block would have to be hashed first; SRTP's have 20 octets. */
static srtp_err_status_t hmac_alloc(srtp_auth_t **out, int key_len, int tag_len)
{
	struct hmac *h;

	if (key_len < 0 || key_len > BLOCK || tag_len < 0 || tag_len > TAG_MAX)
		return srtp_err_status_bad_param;
	h = calloc(1, sizeof(*h));
	if (h == NULL)
		return srtp_err_status_alloc_fail;
	h->head = (srtp_auth_t){
	    .type = &agw_srtp_hmac_sha1, .state = h, .out_len = tag_len, .key_len = key_len};
	*out = &h->head;
	return srtp_err_status_ok;
}

static void absorb(SHA_CTX *to, const uint8_t *key, int key_len, uint8_t pad)
{
	uint8_t block[BLOCK];

	memset(block, pad, sizeof(block));
	for (int i = 0; i < key_len; i++)
		block[i] ^= key[i];
	(void)SHA1_Init(to); /* these three cannot fail */
	(void)SHA1_Update(to, block, sizeof(block));
	explicit_bzero(block, sizeof(block));
}

static srtp_err_status_t hmac_init(void *state, const uint8_t *key, int key_len)
{
	struct hmac *h = state;

	if (key_len < 0 || key_len > BLOCK)
		return srtp_err_status_bad_param;
	absorb(&h->inner, key, key_len, 0x36);
	absorb(&h->outer, key, key_len, 0x5c);
	h->run = h->inner;
	return srtp_err_status_ok;
}

static srtp_err_status_t hmac_start(void *state)
{
	struct hmac *h = state;

	h->run = h->inner;
	return srtp_err_status_ok;
}

static srtp_err_status_t hmac_update(void *state, const uint8_t *data, int n)
{
	struct hmac *h = state;

	if (n < 0)
		return srtp_err_status_bad_param;
	(void)SHA1_Update(&h->run, data, (size_t)n);
	return srtp_err_status_ok;
}

static srtp_err_status_t hmac_compute(void *state, const uint8_t *data, int n, int tag_len,
				      uint8_t *tag)
{
	struct hmac *h = state;
	uint8_t digest[SHA_DIGEST_LENGTH];

	if (n < 0 || tag_len < 0 || tag_len > TAG_MAX)
		return srtp_err_status_bad_param;
	(void)SHA1_Update(&h->run, data, (size_t)n);
	(void)SHA1_Final(digest, &h->run);
	h->run = h->outer;
	(void)SHA1_Update(&h->run, digest, sizeof(digest));
	(void)SHA1_Final(digest, &h->run);
	memcpy(tag, digest, (size_t)tag_len);
	return srtp_err_status_ok;
}

/* ---- known answers (RFC 2202 s3, cases 1 to 5) ----------------------------------------------- */

/* clang-format off */
#define TEN(x) x, x, x, x, x, x, x, x, x, x

static const uint8_t key_1[] = {TEN(0x0b), TEN(0x0b)};
static const uint8_t tag_1[TAG_MAX] = {
	0xb6, 0x17, 0x31, 0x86, 0x55, 0x05, 0x72, 0x64, 0xe2, 0x8b,
	0xc0, 0xb6, 0xfb, 0x37, 0x8c, 0x8e, 0xf1, 0x46, 0xbe, 0x00,
};
static const uint8_t key_2[] = {'J', 'e', 'f', 'e'};
static const uint8_t tag_2[TAG_MAX] = {
	0xef, 0xfc, 0xdf, 0x6a, 0xe5, 0xeb, 0x2f, 0xa2, 0xd2, 0x74,
	0x16, 0xd5, 0xf1, 0x84, 0xdf, 0x9c, 0x25, 0x9a, 0x7c, 0x79,
};
static const uint8_t key_3[] = {TEN(0xaa), TEN(0xaa)};
static const uint8_t data_3[] = {TEN(0xdd), TEN(0xdd), TEN(0xdd), TEN(0xdd), TEN(0xdd)};
static const uint8_t tag_3[TAG_MAX] = {
	0x12, 0x5d, 0x73, 0x42, 0xb9, 0xac, 0x11, 0xcd, 0x91, 0xa3,
	0x9a, 0xf4, 0x8a, 0xa1, 0x7b, 0x4f, 0x63, 0xf1, 0x75, 0xd3,
};
static const uint8_t key_4[] = {
	0x01, 0x02, 0x03, 0x04, 0x05, 0x06, 0x07, 0x08, 0x09, 0x0a, 0x0b, 0x0c, 0x0d,
	0x0e, 0x0f, 0x10, 0x11, 0x12, 0x13, 0x14, 0x15, 0x16, 0x17, 0x18, 0x19,
};
static const uint8_t data_4[] = {TEN(0xcd), TEN(0xcd), TEN(0xcd), TEN(0xcd), TEN(0xcd)};
static const uint8_t tag_4[TAG_MAX] = {
	0x4c, 0x90, 0x07, 0xf4, 0x02, 0x62, 0x50, 0xc6, 0xbc, 0x84,
	0x14, 0xf9, 0xbf, 0x50, 0xc8, 0x6c, 0x2d, 0x72, 0x35, 0xda,
};
static const uint8_t key_5[] = {TEN(0x0c), TEN(0x0c)};
static const uint8_t tag_5[12] = { /* truncated to 96 bits */
	0x4c, 0x1a, 0x03, 0x42, 0x4b, 0x55, 0xe0, 0x7f, 0xe7, 0xf2, 0x7b, 0xe1,
};
/* clang-format on */

#define KNOWN(n, text, len, following)                                                             \
	static const srtp_auth_test_case_t known_##n = {                                           \
	    .key_length_octets = sizeof(key_##n),                                                  \
	    .key = key_##n,                                                                        \
	    .data_length_octets = (len),                                                           \
	    .data = (const uint8_t *)(text),                                                       \
	    .tag_length_octets = sizeof(tag_##n),                                                  \
	    .tag = tag_##n,                                                                        \
	    .next_test_case = (following),                                                         \
	}
KNOWN(5, "Test With Truncation", 20, NULL);
KNOWN(4, data_4, sizeof(data_4), &known_5);
KNOWN(3, data_3, sizeof(data_3), &known_4);
KNOWN(2, "what do ya want for nothing?", 28, &known_3);
KNOWN(1, "Hi There", 8, &known_2);

const srtp_auth_type_t agw_srtp_hmac_sha1 = {
    .alloc = hmac_alloc,
    .dealloc = hmac_dealloc,
    .init = hmac_init,
    .compute = hmac_compute,
    .update = hmac_update,
    .start = hmac_start,
    .description = "HMAC-SHA1 by OpenSSL",
    .test_data = &known_1,
    .id = SRTP_HMAC_SHA1,
};
