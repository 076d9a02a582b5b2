/* SPDX-License-Identifier: Apache-2.0 */
/*
 * OpenSSL's primitives against libsrtp2's own, octet by octet: sessions made before the
 * replacement keep the old types, sessions made after it have the new ones, and both live in
 * this process. What one protects the other must unprotect; what one refuses the other must
 * refuse for the same reason.
 */
#include "agw/srtp/primitives_int.h"
#include "common/rand.h"
#include "tests/lib/req.h"

#include <arpa/inet.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

enum side { STOCK, OPENSSL, SIDES };

#define BUF     2048
#define KEY_MAX 64

typedef void policy_fn(srtp_crypto_policy_t *p);

#define P(n, a, b)                                                                                 \
	{                                                                                          \
		.name = n, .rtp = srtp_crypto_policy_set_##a, .rtcp = srtp_crypto_policy_set_##b   \
	}
#define P_EXT(n, a, b)                                                                             \
	{                                                                                          \
		.name = n, .rtp = srtp_crypto_policy_set_##a, .rtcp = srtp_crypto_policy_set_##b,  \
		.encrypt_extensions = true                                                         \
	}

static const struct profile {
	const char *name;
	policy_fn *rtp;
	policy_fn *rtcp;
	bool encrypt_extensions;   /* RFC 6904 */
	enum agw_srtp_profile agw; /* instead of the policies */
} profiles[] = {
    /* the gateway's */
    {.name = "AES128_CM_SHA1_80", .agw = AGW_SRTP_AES128_CM_SHA1_80},
    {.name = "AEAD_AES_128_GCM", .agw = AGW_SRTP_AEAD_AES_128_GCM},
    {.name = "AEAD_AES_256_GCM", .agw = AGW_SRTP_AEAD_AES_256_GCM},
    /* everything else that runs on the replaced types */
    P("cm128-32", aes_cm_128_hmac_sha1_32, rtcp_default),
    P("cm128-null", aes_cm_128_null_auth, rtcp_default),
    P("null-80", null_cipher_hmac_sha1_80, null_cipher_hmac_sha1_80),
    P("cm192-80", aes_cm_192_hmac_sha1_80, aes_cm_192_hmac_sha1_80),
    P("cm192-32", aes_cm_192_hmac_sha1_32, aes_cm_192_hmac_sha1_80),
    P("cm256-80", aes_cm_256_hmac_sha1_80, aes_cm_256_hmac_sha1_80),
    P("cm256-32", aes_cm_256_hmac_sha1_32, aes_cm_256_hmac_sha1_80),
    P("gcm128-8", aes_gcm_128_8_auth, aes_gcm_128_8_auth),
    P("gcm256-8", aes_gcm_256_8_auth, aes_gcm_256_8_auth),
    P("gcm128-8-only", aes_gcm_128_8_only_auth, aes_gcm_128_8_only_auth),
    P("gcm256-8-only", aes_gcm_256_8_only_auth, aes_gcm_256_8_only_auth),
    P_EXT("cm128-80-ext", rtp_default, rtcp_default),
    P_EXT("cm192-80-ext", aes_cm_192_hmac_sha1_80, aes_cm_192_hmac_sha1_80),
    P_EXT("cm256-80-ext", aes_cm_256_hmac_sha1_80, aes_cm_256_hmac_sha1_80),
    P_EXT("gcm128-ext", aes_gcm_128_16_auth, aes_gcm_128_16_auth),
    P_EXT("gcm256-ext", aes_gcm_256_16_auth, aes_gcm_256_16_auth),
};
#define N_PROFILES (sizeof(profiles) / sizeof(profiles[0]))

/* One profile: sender and receiver of both sides with one key. */
struct duel {
	const struct profile *profile;
	srtp_t send[SIDES];
	srtp_t recv[SIDES];
};

static struct duel duels[N_PROFILES];
static uint32_t ssrc; /* of this test's packets, network order */

static int next_ssrc(void **state)
{
	(void)state;
	ssrc = htonl(ntohl(ssrc) + 0x01020304);
	return 0;
}

static srtp_t make(const struct profile *p, uint8_t *key, bool inbound)
{
	int ids[] = {1, 3}; /* of the extensions to encrypt */
	srtp_policy_t policy;
	srtp_t s = NULL;

	if (p->agw != AGW_SRTP_NONE) {
		assert_true(agw_srtp_policy(&policy, p->agw, key, inbound, 128));
	} else {
		memset(&policy, 0, sizeof(policy));
		p->rtp(&policy.rtp);
		p->rtcp(&policy.rtcp);
		policy.ssrc.type = inbound ? ssrc_any_inbound : ssrc_any_outbound;
		policy.key = key;
		policy.window_size = 128;
	}
	if (p->encrypt_extensions) {
		policy.enc_xtn_hdr = ids;
		policy.enc_xtn_hdr_count = 2;
	}
	if (srtp_create(&s, &policy) != srtp_err_status_ok)
		fail_msg("%s: no session", p->name);
	return s;
}

/* Sessions of libsrtp2's own types, then the replacement, then sessions of OpenSSL's. */
static int group_setup(void **state)
{
	uint8_t keys[N_PROFILES][KEY_MAX];

	(void)state;
	gw_rand_bytes(keys, sizeof(keys));
	assert_int_equal(srtp_init(), srtp_err_status_ok);
	for (int side = STOCK; side < SIDES; side++) {
		if (side == OPENSSL)
			agw_srtp_primitives_start(agw_srtp_openssl);
		for (size_t i = 0; i < N_PROFILES; i++) {
			duels[i].profile = &profiles[i];
			duels[i].send[side] = make(&profiles[i], keys[i], false);
			duels[i].recv[side] = make(&profiles[i], keys[i], true);
		}
	}
	for (int id = 0; id < AGW_SRTP_P_COUNT; id++)
		assert_true(agw_srtp_primitive_replaced((enum agw_srtp_primitive_id)id));
	return 0;
}

static int group_teardown(void **state)
{
	(void)state;
	for (size_t i = 0; i < N_PROFILES; i++) {
		for (int side = STOCK; side < SIDES; side++) {
			(void)srtp_dealloc(duels[i].send[side]);
			(void)srtp_dealloc(duels[i].recv[side]);
		}
	}
	assert_int_equal(srtp_shutdown(), srtp_err_status_ok);
	agw_srtp_primitives_stop();
	return 0;
}

/* ---- packets --------------------------------------------------------------------------------- */

struct packet {
	_Alignas(8) uint8_t octets[BUF];
	int len;
};

/* One-byte extensions (RFC 8285): ids 1, 2 and 3 with 1, 5 and 16 octets, and padding. */
static size_t put_extension(uint8_t *at)
{
	static const uint8_t lens[] = {1, 5, 16};
	size_t n = 4;

	for (unsigned i = 0; i < 3; i++) {
		at[n++] = (uint8_t)((i + 1) << 4 | (lens[i] - 1U));
		gw_rand_bytes(at + n, lens[i]);
		n += lens[i];
	}
	while (n % 4 != 0)
		at[n++] = 0;
	at[0] = 0xbe;
	at[1] = 0xde;
	at[2] = 0;
	at[3] = (uint8_t)((n - 4) / 4);
	return n;
}

static void make_rtp(struct packet *p, uint16_t seq, unsigned csrcs, bool extension, size_t payload)
{
	size_t n = 12 + (size_t)csrcs * 4;

	gw_rand_bytes(p->octets, sizeof(p->octets));
	p->octets[0] = (uint8_t)(0x80U | (extension ? 0x10U : 0U) | csrcs);
	p->octets[1] = 96;
	p->octets[2] = (uint8_t)(seq >> 8);
	p->octets[3] = (uint8_t)seq;
	memcpy(p->octets + 8, &ssrc, sizeof(ssrc));
	if (extension)
		n += put_extension(p->octets + n);
	p->len = (int)(n + payload);
}

static void make_rtcp(struct packet *p, size_t body)
{

	gw_rand_bytes(p->octets, sizeof(p->octets));
	p->octets[0] = 0x80;
	p->octets[1] = 200;
	p->octets[2] = (uint8_t)((body / 4 + 1) >> 8);
	p->octets[3] = (uint8_t)(body / 4 + 1);
	memcpy(p->octets + 4, &ssrc, sizeof(ssrc));
	p->len = (int)(8 + body);
}

typedef srtp_err_status_t transform_fn(srtp_t ctx, void *pkt, int *len);

/* Protect on both sides: the same answer, the same octets; in *out when it was ok. */
static srtp_err_status_t protect(const struct duel *d, transform_fn *fn, const struct packet *plain,
				 struct packet *out)
{
	struct packet p[SIDES];
	srtp_err_status_t st[SIDES];

	for (int side = STOCK; side < SIDES; side++) {
		p[side] = *plain;
		st[side] = fn(d->send[side], p[side].octets, &p[side].len);
	}
	if (st[OPENSSL] != st[STOCK])
		fail_msg("%s: stock says %d, openssl %d to %d octets", d->profile->name, st[STOCK],
			 st[OPENSSL], plain->len);
	if (st[STOCK] != srtp_err_status_ok)
		return st[STOCK];
	if (p[OPENSSL].len != p[STOCK].len ||
	    memcmp(p[OPENSSL].octets, p[STOCK].octets, (size_t)p[STOCK].len) != 0)
		fail_msg("%s: %d octets are protected differently", d->profile->name, plain->len);
	*out = p[OPENSSL];
	return srtp_err_status_ok;
}

/* Unprotect on both sides: the same answer as the gateway sees it, and the plain packet. */
static enum gw_err unprotect(const struct duel *d, transform_fn *fn, const struct packet *sealed,
			     const struct packet *plain)
{
	enum gw_err err[SIDES];

	for (int side = STOCK; side < SIDES; side++) {
		struct packet p = *sealed;

		err[side] = agw_srtp_error(fn(d->recv[side], p.octets, &p.len));
		if (err[side] == GW_OK) {
			assert_int_equal(p.len, plain->len);
			assert_memory_equal(p.octets, plain->octets, (size_t)plain->len);
		}
	}
	if (err[OPENSSL] != err[STOCK])
		fail_msg("%s: stock says %s, openssl %s to %d octets", d->profile->name,
			 gw_err_name(err[STOCK]), gw_err_name(err[OPENSSL]), sealed->len);
	return err[STOCK];
}

/* ---- tests ----------------------------------------------------------------------------------- */

static size_t nth_size(unsigned i)
{
	static const uint16_t more[] = {160,  172,  255,  256,  257,  1007, 1008, 1009,
					1023, 1024, 1025, 1200, 1400, 1499, 1500};

	return i <= 80 ? i : more[(i - 81) % (sizeof(more) / sizeof(more[0]))];
}
#define N_SIZES 96

static void test_every_size_and_header_is_protected_alike(void **state)
{
	REQ("SRTP-02", "SRTP-06", "SRTP-07");
	(void)state;
	for (size_t k = 0; k < N_PROFILES; k++) {
		const struct duel *d = &duels[k];
		uint16_t seq = 1000;

		for (unsigned i = 0; i < N_SIZES; i++) {
			for (unsigned shape = 0; shape < 4; shape++) {
				struct packet plain;
				struct packet sealed;

				make_rtp(&plain, seq++, (shape & 1) != 0 ? i % 16 : 0,
					 (shape & 2) != 0, nth_size(i));
				assert_int_equal(protect(d, srtp_protect, &plain, &sealed),
						 srtp_err_status_ok);
				assert_int_equal(unprotect(d, srtp_unprotect, &sealed, &plain),
						 GW_OK);
				assert_int_equal(unprotect(d, srtp_unprotect, &sealed, &plain),
						 GW_ERR_REPLAY);
			}
		}
	}
}

static void test_roll_over_reordering_and_repeats_are_treated_alike(void **state)
{
	REQ("SRTP-07", "SRTP-08", "SRTP-09");
	(void)state;
	for (size_t k = 0; k < N_PROFILES; k++) {
		const struct duel *d = &duels[k];
		struct packet plain[8];
		struct packet sealed[8];

		/* Four times round; the index only ever grows. */
		for (uint32_t index = 2000; index < 4U << 16; index += 9001) {
			for (unsigned i = 0; i < 8; i++) {
				struct packet again;

				make_rtp(&plain[i], (uint16_t)(index + i), 0, false, 20 + i);
				assert_int_equal(protect(d, srtp_protect, &plain[i], &sealed[i]),
						 srtp_err_status_ok);
				assert_int_not_equal(protect(d, srtp_protect, &plain[i], &again),
						     srtp_err_status_ok);
			}
			for (unsigned i = 0; i < 8; i++) { /* 3, 0, 5, 2, 7, 4, 1, 6 */
				unsigned j = (3 + 5 * i) % 8;

				assert_int_equal(
				    unprotect(d, srtp_unprotect, &sealed[j], &plain[j]), GW_OK);
			}
			for (unsigned i = 0; i < 8; i++)
				assert_int_equal(
				    unprotect(d, srtp_unprotect, &sealed[i], &plain[i]),
				    GW_ERR_REPLAY);
		}
	}
}

static void test_rtcp_of_every_size_is_protected_alike(void **state)
{
	REQ("SRTP-05", "SRTP-07");
	(void)state;
	for (size_t k = 0; k < N_PROFILES; k++) {
		const struct duel *d = &duels[k];

		for (size_t body = 0; body <= 1400; body += body < 128 ? 4 : 212) {
			struct packet plain;
			struct packet sealed;

			make_rtcp(&plain, body);
			assert_int_equal(protect(d, srtp_protect_rtcp, &plain, &sealed),
					 srtp_err_status_ok);
			assert_int_equal(unprotect(d, srtp_unprotect_rtcp, &sealed, &plain), GW_OK);
			assert_int_equal(unprotect(d, srtp_unprotect_rtcp, &sealed, &plain),
					 GW_ERR_REPLAY);
		}
	}
}

/* Every bit of a packet flipped, every length cut: refused alike, and nothing is spoilt by it. */
static void tamper(const struct duel *d, transform_fn *fn, const struct packet *sealed,
		   const struct packet *plain, unsigned *refused)
{
	for (int bit = 0; bit < sealed->len * 8; bit++) {
		struct packet bad = *sealed;

		bad.octets[bit / 8] ^= (uint8_t)(1U << (bit % 8));
		if (unprotect(d, fn, &bad, plain) != GW_OK)
			(*refused)++;
	}
	for (int len = 0; len < sealed->len; len++) {
		struct packet bad = *sealed;

		bad.len = len;
		if (unprotect(d, fn, &bad, plain) != GW_OK)
			(*refused)++;
	}
}

static void test_tampering_is_refused_alike(void **state)
{
	REQ("SRTP-05", "SRTP-06");
	(void)state;
	for (size_t k = 0; k < N_PROFILES; k++) {
		const struct duel *d = &duels[k];
		struct packet plain;
		struct packet sealed;
		unsigned refused = 0;

		if (strcmp(d->profile->name, "cm128-null") == 0)
			continue; /* nothing protects it */
		make_rtp(&plain, 5000, 2, true, 30);
		assert_int_equal(protect(d, srtp_protect, &plain, &sealed), srtp_err_status_ok);
		tamper(d, srtp_unprotect, &sealed, &plain, &refused);
		assert_int_equal(refused, sealed.len * 9);
		assert_int_equal(unprotect(d, srtp_unprotect, &sealed, &plain), GW_OK);

		refused = 0;
		make_rtcp(&plain, 28);
		assert_int_equal(protect(d, srtp_protect_rtcp, &plain, &sealed),
				 srtp_err_status_ok);
		tamper(d, srtp_unprotect_rtcp, &sealed, &plain, &refused);
		assert_int_equal(refused, sealed.len * 9);
		assert_int_equal(unprotect(d, srtp_unprotect_rtcp, &sealed, &plain), GW_OK);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup(test_every_size_and_header_is_protected_alike, next_ssrc),
	    cmocka_unit_test_setup(test_rtcp_of_every_size_is_protected_alike, next_ssrc),
	    cmocka_unit_test_setup(test_tampering_is_refused_alike, next_ssrc),
	    cmocka_unit_test_setup(test_roll_over_reordering_and_repeats_are_treated_alike,
				   next_ssrc),
	};

	return cmocka_run_group_tests(tests, group_setup, group_teardown);
}
