/* SPDX-License-Identifier: Apache-2.0 */
/*
 * AES in counter mode as SRTP uses it (RFC 3711 s4.1.1; 192 and 256 bits: RFC 6188), on
 * OpenSSL's plain AES. libsrtp2 encrypts with it and derives all session keys by it.
 *
 *   counter block = (IV XOR salt) + number of the block in the packet, modulo 2^16 at the end
 *
 * The key is set up once. A packet then costs one call into OpenSSL for up to BATCH counter
 * blocks laid out on the stack; no EVP initialisation. Encryption in several steps goes on
 * inside a block where the last step ended (RFC 6904 encrypts header extensions so).
 * Thread: see primitives_int.h.
 */
#include "agw/srtp/primitives_int.h"

#include <openssl/err.h>
#include <openssl/evp.h>
#include <stdlib.h>
#include <string.h>

#define BLOCK      16
#define SALT       14
#define BATCH      64      /* blocks: 1 KiB of stack, a large packet in two calls */
#define BLOCKS_MAX 0x10000 /* of one IV; more would repeat the key stream (RFC 3711 s4.1.1) */

struct icm {
	srtp_cipher_t head; /* what libsrtp2 holds; its state points here */
	EVP_CIPHER_CTX *ecb;
	int key_octets;
	uint8_t salt[SALT];
	uint8_t iv[BLOCK]; /* XORed with the salt: the first counter block */
	uint32_t made;     /* blocks since the IV was set */
	bool keyed;
	bool ready;            /* an IV is set */
	uint8_t stream[BLOCK]; /* the last block, when not used up: */
	unsigned spare;        /* its last octets still to use, below BLOCK */
};

static const struct variant {
	const srtp_cipher_type_t *type;
	const char *openssl;
	int key_octets;
} variants[] = {
    {&agw_srtp_aes_icm_128, "AES-128-ECB", 16},
    {&agw_srtp_aes_icm_192, "AES-192-ECB", 24},
    {&agw_srtp_aes_icm_256, "AES-256-ECB", 32},
};
#define VARIANTS (sizeof(variants) / sizeof(variants[0]))

static EVP_CIPHER *fetched[VARIANTS]; /* owned; NULL = OpenSSL has none */

void agw_srtp_aes_icm_fetch(void)
{
	for (size_t i = 0; i < VARIANTS; i++)
		if (fetched[i] == NULL)
			fetched[i] = EVP_CIPHER_fetch(NULL, variants[i].openssl, NULL);
	ERR_clear_error();
}

void agw_srtp_aes_icm_drop(void)
{
	for (size_t i = 0; i < VARIANTS; i++) {
		EVP_CIPHER_free(fetched[i]);
		fetched[i] = NULL;
	}
}

/* ---- life of an object ----------------------------------------------------------------------- */

static srtp_err_status_t icm_dealloc(srtp_cipher_t *c)
{
	struct icm *m = c->state;

	EVP_CIPHER_CTX_free(m->ecb);
	explicit_bzero(m, sizeof(*m));
	free(m);
	return srtp_err_status_ok;
}

/* The tag length is for AEAD ciphers only. */
static srtp_err_status_t icm_alloc(srtp_cipher_t **out, int key_len, int tag_len)
{
	struct icm *m;
	size_t i = 0;

	(void)tag_len;
	while (i < VARIANTS && variants[i].key_octets + SALT != key_len)
		i++;
	if (i == VARIANTS)
		return srtp_err_status_bad_param;
	if (fetched[i] == NULL)
		return srtp_err_status_init_fail;
	m = calloc(1, sizeof(*m));
	if (m == NULL)
		return srtp_err_status_alloc_fail;
	m->head = (srtp_cipher_t){.type = variants[i].type,
				  .state = m,
				  .key_len = key_len,
				  .algorithm = (int)variants[i].type->id};
	m->key_octets = variants[i].key_octets;
	m->ecb = EVP_CIPHER_CTX_new();
	if (m->ecb == NULL || EVP_EncryptInit_ex2(m->ecb, fetched[i], NULL, NULL, NULL) != 1) {
		ERR_clear_error();
		(void)icm_dealloc(&m->head);
		return srtp_err_status_alloc_fail;
	}
	agw_srtp_cipher_made(m, m->ecb);
	*out = &m->head;
	return srtp_err_status_ok;
}

/* `key` is the key with the salt behind it. */
static srtp_err_status_t icm_init(void *state, const uint8_t *key)
{
	struct icm *m = state;

	m->ready = false;
	m->keyed = EVP_EncryptInit_ex2(m->ecb, NULL, key, NULL, NULL) == 1;
	if (!m->keyed) {
		ERR_clear_error();
		return srtp_err_status_cipher_fail;
	}
	memcpy(m->salt, key + m->key_octets, SALT);
	return srtp_err_status_ok;
}

/* ---- a packet -------------------------------------------------------------------------------- */

static srtp_err_status_t icm_set_iv(void *state, uint8_t *iv, srtp_cipher_direction_t dir)
{
	struct icm *m = state;

	(void)dir; /* the same both ways */
	if (!m->keyed)
		return srtp_err_status_bad_param;
	memcpy(m->iv, iv, BLOCK);
	for (unsigned i = 0; i < SALT; i++)
		m->iv[i] ^= m->salt[i];
	m->made = 0;
	m->spare = 0;
	m->ready = true;
	return srtp_err_status_ok;
}

static void xor_into(uint8_t *buf, const uint8_t *stream, size_t n)
{
	for (; n >= sizeof(uint64_t); n -= sizeof(uint64_t)) {
		uint64_t a;
		uint64_t b;

		memcpy(&a, buf, sizeof(a));
		memcpy(&b, stream, sizeof(b));
		a ^= b;
		memcpy(buf, &a, sizeof(a));
		buf += sizeof(a);
		stream += sizeof(a);
	}
	for (; n > 0; n--)
		*buf++ ^= *stream++;
}

/* The next n blocks of the key stream, at least one. */
static bool make_stream(struct icm *m, uint8_t *out, unsigned n)
{
	uint32_t counter = (uint32_t)(m->iv[SALT] << 8 | m->iv[SALT + 1]) + m->made;
	uint8_t *block = out;

	do {
		memcpy(block, m->iv, SALT);
		block[SALT] = (uint8_t)(counter >> 8);
		block[SALT + 1] = (uint8_t)counter;
		counter++;
		block += BLOCK;
	} while (block < out + (size_t)n * BLOCK);
	if (EVP_Cipher(m->ecb, out, out, n * BLOCK) <= 0) {
		ERR_clear_error();
		return false;
	}
	m->made += n;
	return true;
}

/* NOLINTNEXTLINE(readability-non-const-parameter): libsrtp2's type */
static srtp_err_status_t icm_crypt(void *state, uint8_t *buf, unsigned int *len)
{
	struct icm *m = state;
	/* Not cleared before use: that would cost more than laying out the blocks. */
	__attribute__((uninitialized)) uint8_t stream[BATCH * BLOCK];
	size_t left = *len;
	size_t n = left < m->spare ? left : m->spare;

	if (!m->ready || (left - n + BLOCK - 1) / BLOCK > BLOCKS_MAX - m->made)
		return srtp_err_status_bad_param;
	xor_into(buf, m->stream + BLOCK - m->spare, n);
	m->spare -= (unsigned)n;
	for (buf += n, left -= n; left > 0; buf += n, left -= n) {
		unsigned blocks;

		n = left < sizeof(stream) ? left : sizeof(stream);
		blocks = (unsigned)((n + BLOCK - 1) / BLOCK);
		if (!make_stream(m, stream, blocks)) {
			m->ready = false;
			return srtp_err_status_cipher_fail;
		}
		xor_into(buf, stream, n);
		m->spare = (unsigned)(blocks * BLOCK - n);
		if (m->spare > 0)
			memcpy(m->stream, stream + (size_t)(blocks - 1) * BLOCK, BLOCK);
		explicit_bzero(stream, (size_t)blocks * BLOCK); /* session keys are made of it */
	}
	return srtp_err_status_ok;
}

/* ---- known answers --------------------------------------------------------------------------- */

/* The session salt of all three, f0f1…fd; the IV is zero, and so is the plain text. */
#define TEST_SALT 0xf0, 0xf1, 0xf2, 0xf3, 0xf4, 0xf5, 0xf6, 0xf7, 0xf8, 0xf9, 0xfa, 0xfb, 0xfc, 0xfd
#define TEST_LEN  48

static uint8_t zero_iv[BLOCK]; /* libsrtp2 wants it writable, and only reads it */
static const uint8_t zero_text[TEST_LEN];

/* clang-format off */
/* RFC 3711 B.2 */
static const uint8_t key_128[] = {
	0x2b, 0x7e, 0x15, 0x16, 0x28, 0xae, 0xd2, 0xa6, 0xab, 0xf7, 0x15, 0x88, 0x09, 0xcf, 0x4f, 0x3c,
	TEST_SALT,
};
static const uint8_t stream_128[TEST_LEN] = {
	0xe0, 0x3e, 0xad, 0x09, 0x35, 0xc9, 0x5e, 0x80, 0xe1, 0x66, 0xb1, 0x6d, 0xd9, 0x2b, 0x4e, 0xb4,
	0xd2, 0x35, 0x13, 0x16, 0x2b, 0x02, 0xd0, 0xf7, 0x2a, 0x43, 0xa2, 0xfe, 0x4a, 0x5f, 0x97, 0xab,
	0x41, 0xe9, 0x5b, 0x3b, 0xb0, 0xa2, 0xe8, 0xdd, 0x47, 0x79, 0x01, 0xe4, 0xfc, 0xa8, 0x94, 0xc0,
};

/* RFC 6188 s7.3 */
static const uint8_t key_192[] = {
	0xea, 0xb2, 0x34, 0x76, 0x4e, 0x51, 0x7b, 0x2d, 0x3d, 0x16, 0x0d, 0x58, 0x7d, 0x8c, 0x86, 0x21,
	0x97, 0x40, 0xf6, 0x5f, 0x99, 0xb6, 0xbc, 0xf7,
	TEST_SALT,
};
static const uint8_t stream_192[TEST_LEN] = {
	0x35, 0x09, 0x6c, 0xba, 0x46, 0x10, 0x02, 0x8d, 0xc1, 0xb5, 0x75, 0x03, 0x80, 0x4c, 0xe3, 0x7c,
	0x5d, 0xe9, 0x86, 0x29, 0x1d, 0xcc, 0xe1, 0x61, 0xd5, 0x16, 0x5e, 0xc4, 0x56, 0x8f, 0x5c, 0x9a,
	0x47, 0x4a, 0x40, 0xc7, 0x78, 0x94, 0xbc, 0x17, 0x18, 0x02, 0x02, 0x27, 0x2a, 0x4c, 0x26, 0x4d,
};

/* RFC 6188 s7.1 */
static const uint8_t key_256[] = {
	0x57, 0xf8, 0x2f, 0xe3, 0x61, 0x3f, 0xd1, 0x70, 0xa8, 0x5e, 0xc9, 0x3c, 0x40, 0xb1, 0xf0, 0x92,
	0x2e, 0xc4, 0xcb, 0x0d, 0xc0, 0x25, 0xb5, 0x82, 0x72, 0x14, 0x7c, 0xc4, 0x38, 0x94, 0x4a, 0x98,
	TEST_SALT,
};
static const uint8_t stream_256[TEST_LEN] = {
	0x92, 0xbd, 0xd2, 0x8a, 0x93, 0xc3, 0xf5, 0x25, 0x11, 0xc6, 0x77, 0xd0, 0x8b, 0x55, 0x15, 0xa4,
	0x9d, 0xa7, 0x1b, 0x23, 0x78, 0xa8, 0x54, 0xf6, 0x70, 0x50, 0x75, 0x6d, 0xed, 0x16, 0x5b, 0xac,
	0x63, 0xc4, 0x86, 0x8b, 0x70, 0x96, 0xd8, 0x84, 0x21, 0xb5, 0x63, 0xb8, 0xc9, 0x4c, 0x9a, 0x31,
};
/* clang-format on */

#define KNOWN(bits)                                                                                \
	static const srtp_cipher_test_case_t known_##bits = {                                      \
	    .key_length_octets = sizeof(key_##bits),                                               \
	    .key = key_##bits,                                                                     \
	    .idx = zero_iv,                                                                        \
	    .plaintext_length_octets = TEST_LEN,                                                   \
	    .plaintext = zero_text,                                                                \
	    .ciphertext_length_octets = TEST_LEN,                                                  \
	    .ciphertext = stream_##bits,                                                           \
	}
KNOWN(128);
KNOWN(192);
KNOWN(256);

#define TYPE(bits)                                                                                 \
	const srtp_cipher_type_t agw_srtp_aes_icm_##bits = {                                       \
	    .alloc = icm_alloc,                                                                    \
	    .dealloc = icm_dealloc,                                                                \
	    .init = icm_init,                                                                      \
	    .encrypt = icm_crypt,                                                                  \
	    .decrypt = icm_crypt,                                                                  \
	    .set_iv = icm_set_iv,                                                                  \
	    .description = "AES-" #bits " counter mode by OpenSSL",                                \
	    .test_data = &known_##bits,                                                            \
	    .id = SRTP_AES_ICM_##bits,                                                             \
	}
TYPE(128);
TYPE(192);
TYPE(256);
