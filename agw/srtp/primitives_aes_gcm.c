/* SPDX-License-Identifier: Apache-2.0 */
/*
 * AES-GCM for SRTP and SRTCP (RFC 7714) on OpenSSL's EVP. The key is set up once; a packet sets
 * the IV only. The salt is libsrtp2's business here: the IV comes with it.
 *
 * libsrtp2 calls, for a packet: set_iv, set_aad (once for RTP, twice for RTCP: they add up),
 * encrypt (with NULL and 0 for SRTCP that is only authenticated) and get_tag, or decrypt with the
 * tag behind the text. An IV serves one encrypt or decrypt: the next without a new IV is refused,
 * since a repeated nonce gives the authentication key away.
 * Thread: see primitives_int.h.
 */
#include "agw/srtp/primitives_int.h"

#include <limits.h>
#include <openssl/core_names.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/params.h>
#include <stdlib.h>
#include <string.h>

#define SALT    12
#define IV      12
#define TAG     16
#define TAG_MIN 8 /* libsrtp2's other length; our profiles use TAG */

enum gcm_state {
	GCM_S_NO_KEY,
	GCM_S_NO_IV,
	GCM_S_ENCRYPT, /* IV set, AAD may come */
	GCM_S_DECRYPT,
	GCM_S_TAG /* encrypted: the tag may be fetched */
};

struct gcm {
	srtp_cipher_t head; /* what libsrtp2 holds; its state points here */
	EVP_CIPHER_CTX *evp;
	uint32_t tag_octets;
	enum gcm_state state;
};

static const struct variant {
	const srtp_cipher_type_t *type;
	const char *openssl;
	int key_octets;
} variants[] = {
    {&agw_srtp_aes_gcm_128, "AES-128-GCM", 16},
    {&agw_srtp_aes_gcm_256, "AES-256-GCM", 32},
};
#define VARIANTS (sizeof(variants) / sizeof(variants[0]))

static EVP_CIPHER *fetched[VARIANTS]; /* owned; NULL = OpenSSL has none */

void agw_srtp_aes_gcm_fetch(void)
{
	for (size_t i = 0; i < VARIANTS; i++)
		if (fetched[i] == NULL)
			fetched[i] = EVP_CIPHER_fetch(NULL, variants[i].openssl, NULL);
	ERR_clear_error();
}

void agw_srtp_aes_gcm_drop(void)
{
	for (size_t i = 0; i < VARIANTS; i++) {
		EVP_CIPHER_free(fetched[i]);
		fetched[i] = NULL;
	}
}

/* The error queue belongs to the thread, and DTLS on it reads it: leave nothing there. */
static srtp_err_status_t failed(srtp_err_status_t why)
{
	ERR_clear_error();
	return why;
}

/* ---- life of an object ----------------------------------------------------------------------- */

static srtp_err_status_t gcm_dealloc(srtp_cipher_t *c)
{
	struct gcm *g = c->state;

	EVP_CIPHER_CTX_free(g->evp);
	explicit_bzero(g, sizeof(*g));
	free(g);
	return srtp_err_status_ok;
}

static srtp_err_status_t gcm_alloc(srtp_cipher_t **out, int key_len, int tag_len)
{
	struct gcm *g;
	size_t i = 0;

	while (i < VARIANTS && variants[i].key_octets + SALT != key_len)
		i++;
	if (i == VARIANTS || (tag_len != TAG && tag_len != TAG_MIN))
		return srtp_err_status_bad_param;
	if (fetched[i] == NULL)
		return srtp_err_status_init_fail;
	g = calloc(1, sizeof(*g));
	if (g == NULL)
		return srtp_err_status_alloc_fail;
	/* Without its own algorithm id libsrtp2 would treat it as no AEAD cipher, silently. */
	g->head = (srtp_cipher_t){.type = variants[i].type,
				  .state = g,
				  .key_len = key_len,
				  .algorithm = (int)variants[i].type->id};
	g->tag_octets = (uint32_t)tag_len;
	g->evp = EVP_CIPHER_CTX_new();
	if (g->evp == NULL || EVP_CipherInit_ex2(g->evp, fetched[i], NULL, NULL, 1, NULL) != 1) {
		(void)gcm_dealloc(&g->head);
		return failed(srtp_err_status_alloc_fail);
	}
	agw_srtp_cipher_made(g, g->evp);
	*out = &g->head;
	return srtp_err_status_ok;
}

/* `key` is the key; what is behind it is not for us. */
static srtp_err_status_t gcm_init(void *state, const uint8_t *key)
{
	struct gcm *g = state;

	g->state = GCM_S_NO_KEY;
	if (EVP_CipherInit_ex2(g->evp, NULL, key, NULL, 1, NULL) != 1)
		return failed(srtp_err_status_cipher_fail);
	g->state = GCM_S_NO_IV;
	return srtp_err_status_ok;
}

/* ---- a packet -------------------------------------------------------------------------------- */

static srtp_err_status_t gcm_set_iv(void *state, uint8_t *iv, srtp_cipher_direction_t dir)
{
	struct gcm *g = state;
	int encrypt = dir == srtp_direction_encrypt;

	if (g->state == GCM_S_NO_KEY || (!encrypt && dir != srtp_direction_decrypt))
		return srtp_err_status_bad_param;
	g->state = GCM_S_NO_IV;
	if (EVP_CipherInit_ex2(g->evp, NULL, NULL, iv, encrypt, NULL) != 1)
		return failed(srtp_err_status_cipher_fail);
	g->state = encrypt ? GCM_S_ENCRYPT : GCM_S_DECRYPT;
	return srtp_err_status_ok;
}

/* Text in place, or AAD when `out` is NULL. */
static bool update(struct gcm *g, uint8_t *out, const uint8_t *in, uint32_t n)
{
	int done = 0;

	return n == 0 || EVP_CipherUpdate(g->evp, out, &done, in, (int)n) == 1;
}

static srtp_err_status_t gcm_set_aad(void *state, const uint8_t *aad, uint32_t n)
{
	struct gcm *g = state;

	if ((g->state != GCM_S_ENCRYPT && g->state != GCM_S_DECRYPT) || n > INT_MAX)
		return srtp_err_status_bad_param;
	if (!update(g, NULL, aad, n)) {
		g->state = GCM_S_NO_IV;
		return failed(srtp_err_status_cipher_fail);
	}
	return srtp_err_status_ok;
}

/* NOLINTNEXTLINE(readability-non-const-parameter): libsrtp2's type */
static srtp_err_status_t gcm_encrypt(void *state, uint8_t *buf, unsigned int *len)
{
	struct gcm *g = state;
	uint8_t none[TAG];
	int done = 0;

	if (g->state != GCM_S_ENCRYPT || *len > INT_MAX || (buf == NULL && *len != 0))
		return srtp_err_status_bad_param;
	g->state = GCM_S_NO_IV;
	if (!update(g, buf, buf, *len) || EVP_CipherFinal_ex(g->evp, none, &done) != 1)
		return failed(srtp_err_status_cipher_fail);
	g->state = GCM_S_TAG;
	return srtp_err_status_ok;
}

static srtp_err_status_t gcm_get_tag(void *state, uint8_t *tag, uint32_t *len)
{
	struct gcm *g = state;
	OSSL_PARAM ask[] = {
	    OSSL_PARAM_octet_string(OSSL_CIPHER_PARAM_AEAD_TAG, tag, g->tag_octets),
	    OSSL_PARAM_END,
	};

	if (g->state != GCM_S_TAG)
		return srtp_err_status_bad_param;
	if (EVP_CIPHER_CTX_get_params(g->evp, ask) != 1)
		return failed(srtp_err_status_cipher_fail);
	*len = g->tag_octets;
	return srtp_err_status_ok;
}

/* What fails authentication does not leave here as plain text. */
static srtp_err_status_t gcm_decrypt(void *state, uint8_t *buf, unsigned int *len)
{
	struct gcm *g = state;
	uint8_t none[TAG];
	uint32_t n;
	int done = 0;

	if (g->state != GCM_S_DECRYPT || *len > INT_MAX || *len < g->tag_octets)
		return srtp_err_status_bad_param;
	g->state = GCM_S_NO_IV;
	n = *len - g->tag_octets;
	OSSL_PARAM tag[] = {
	    OSSL_PARAM_octet_string(OSSL_CIPHER_PARAM_AEAD_TAG, buf + n, g->tag_octets),
	    OSSL_PARAM_END,
	};
	if (EVP_CIPHER_CTX_set_params(g->evp, tag) != 1 || !update(g, buf, buf, n))
		return failed(srtp_err_status_cipher_fail);
	if (EVP_CipherFinal_ex(g->evp, none, &done) != 1) {
		memset(buf, 0, n);
		return failed(srtp_err_status_auth_fail);
	}
	*len = n;
	return srtp_err_status_ok;
}

/* ---- known answers (RFC 7714 s16.1.1 and s16.2.1: the same RTP packet) ----------------------- */

#define TEST_LEN 38

/* clang-format off */
/* "Quid pro quo"; not used by the cipher, whose IV has it in already */
#define TEST_SALT 0x51, 0x75, 0x69, 0x64, 0x20, 0x70, 0x72, 0x6f, 0x20, 0x71, 0x75, 0x6f
#define TEST_KEY_128 \
	0x00, 0x01, 0x02, 0x03, 0x04, 0x05, 0x06, 0x07, 0x08, 0x09, 0x0a, 0x0b, 0x0c, 0x0d, 0x0e, 0x0f

static const uint8_t key_128[] = {TEST_KEY_128, TEST_SALT};
static const uint8_t key_256[] = {
	TEST_KEY_128,
	0x10, 0x11, 0x12, 0x13, 0x14, 0x15, 0x16, 0x17, 0x18, 0x19, 0x1a, 0x1b, 0x1c, 0x1d, 0x1e, 0x1f,
	TEST_SALT,
};
/* libsrtp2 wants it writable, and only reads it. */
static uint8_t test_iv[IV] = {
	0x51, 0x75, 0x3c, 0x65, 0x80, 0xc2, 0x72, 0x6f, 0x20, 0x71, 0x84, 0x14,
};
static const uint8_t test_aad[] = {
	0x80, 0x40, 0xf1, 0x7b, 0x80, 0x41, 0xf8, 0xd3, 0x55, 0x01, 0xa0, 0xb2,
};
static const char test_text[] = "Gallia est omnis divisa in partes tres";

static const uint8_t sealed_128[TEST_LEN + TAG] = {
	0xf2, 0x4d, 0xe3, 0xa3, 0xfb, 0x34, 0xde, 0x6c, 0xac, 0xba, 0x86, 0x1c, 0x9d, 0x7e, 0x4b, 0xca,
	0xbe, 0x63, 0x3b, 0xd5, 0x0d, 0x29, 0x4e, 0x6f, 0x42, 0xa5, 0xf4, 0x7a, 0x51, 0xc7, 0xd1, 0x9b,
	0x36, 0xde, 0x3a, 0xdf, 0x88, 0x33,
	0x89, 0x9d, 0x7f, 0x27, 0xbe, 0xb1, 0x6a, 0x91, 0x52, 0xcf, 0x76, 0x5e, 0xe4, 0x39, 0x0c, 0xce,
};
static const uint8_t sealed_256[TEST_LEN + TAG] = {
	0x32, 0xb1, 0xde, 0x78, 0xa8, 0x22, 0xfe, 0x12, 0xef, 0x9f, 0x78, 0xfa, 0x33, 0x2e, 0x33, 0xaa,
	0xb1, 0x80, 0x12, 0x38, 0x9a, 0x58, 0xe2, 0xf3, 0xb5, 0x0b, 0x2a, 0x02, 0x76, 0xff, 0xae, 0x0f,
	0x1b, 0xa6, 0x37, 0x99, 0xb8, 0x7b,
	0x7a, 0xa3, 0xdb, 0x36, 0xdf, 0xff, 0xd6, 0xb0, 0xf9, 0xbb, 0x78, 0x78, 0xd7, 0xa7, 0x6c, 0x13,
};
/* clang-format on */

#define KNOWN(bits, tag, following)                                                                \
	static const srtp_cipher_test_case_t known_##bits##_##tag = {                              \
	    .key_length_octets = sizeof(key_##bits),                                               \
	    .key = key_##bits,                                                                     \
	    .idx = test_iv,                                                                        \
	    .plaintext_length_octets = TEST_LEN,                                                   \
	    .plaintext = (const uint8_t *)test_text,                                               \
	    .ciphertext_length_octets = TEST_LEN + (tag),                                          \
	    .ciphertext = sealed_##bits,                                                           \
	    .aad_length_octets = sizeof(test_aad),                                                 \
	    .aad = test_aad,                                                                       \
	    .tag_length_octets = (tag),                                                            \
	    .next_test_case = (following),                                                         \
	}
KNOWN(128, 8, NULL); /* the short tag is the beginning of the long one */
KNOWN(128, 16, &known_128_8);
KNOWN(256, 8, NULL);
KNOWN(256, 16, &known_256_8);

#define TYPE(bits)                                                                                 \
	const srtp_cipher_type_t agw_srtp_aes_gcm_##bits = {                                       \
	    .alloc = gcm_alloc,                                                                    \
	    .dealloc = gcm_dealloc,                                                                \
	    .init = gcm_init,                                                                      \
	    .set_aad = gcm_set_aad,                                                                \
	    .encrypt = gcm_encrypt,                                                                \
	    .decrypt = gcm_decrypt,                                                                \
	    .set_iv = gcm_set_iv,                                                                  \
	    .get_tag = gcm_get_tag,                                                                \
	    .description = "AES-" #bits " GCM by OpenSSL",                                         \
	    .test_data = &known_##bits##_16,                                                       \
	    .id = SRTP_AES_GCM_##bits,                                                             \
	}
TYPE(128);
TYPE(256);
