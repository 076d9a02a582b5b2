/* SPDX-License-Identifier: Apache-2.0 */
/*
 * AES and HMAC-SHA1 by OpenSSL in the form libsrtp2 takes (its cipher.h and auth.h), to be put
 * in place of its own. Inside agw/srtp only.
 *
 *   primitives.c            which are put in place, what happened: log, metrics
 *   primitives_aes_icm.c    AES counter mode, 128/192/256   RFC 3711 s4.1.1, RFC 6188
 *   primitives_aes_gcm.c    AES-GCM, 128/256                RFC 7714
 *   primitives_hmac_sha1.c  HMAC-SHA1                       RFC 3711 s4.2.1, RFC 2104
 *
 * What libsrtp2 wants of a type, beyond its headers:
 *   - the object is static: libsrtp2 keeps the pointer, and each session keeps it too;
 *   - `alloc` sets type, state, algorithm and key_len, which counts the salt;
 *   - `init` may come again on the same object;
 *   - it carries known answers (test_data), which are tried before it is accepted, then 128
 *     random round trips, then the known answers of the type it replaces.
 *
 * Thread: start and stop on the control thread, with no session alive and no worker running:
 * libsrtp2's list of types is global and unlocked. An object belongs to the session's one owner.
 */
#ifndef AGW_SRTP_PRIMITIVES_INT_H
#define AGW_SRTP_PRIMITIVES_INT_H

#include "agw/srtp/srtp_int.h"

#include <srtp2/auth.h>
#include <srtp2/cipher.h>

/* One type to put in place; exactly one of the pointers is set. */
struct agw_srtp_primitive {
	const char *name; /* in the log, "aes-icm-128" */
	const srtp_cipher_type_t *cipher;
	const srtp_auth_type_t *auth;
};

enum agw_srtp_primitive_id {
	AGW_SRTP_P_AES_ICM_128,
	AGW_SRTP_P_AES_ICM_192,
	AGW_SRTP_P_AES_ICM_256,
	AGW_SRTP_P_AES_GCM_128,
	AGW_SRTP_P_AES_GCM_256,
	AGW_SRTP_P_HMAC_SHA1,
	AGW_SRTP_P_COUNT
};

/* All of OpenSSL's. */
extern const struct agw_srtp_primitive agw_srtp_openssl[AGW_SRTP_P_COUNT];

extern const srtp_cipher_type_t agw_srtp_aes_icm_128;
extern const srtp_cipher_type_t agw_srtp_aes_icm_192;
extern const srtp_cipher_type_t agw_srtp_aes_icm_256;
extern const srtp_cipher_type_t agw_srtp_aes_gcm_128;
extern const srtp_cipher_type_t agw_srtp_aes_gcm_256;
extern const srtp_auth_type_t agw_srtp_hmac_sha1;

/**
 * After srtp_init(): put the types of `list` in place of libsrtp2's and log which are in use.
 * One that libsrtp2 refuses (it does not pass the self-test) is logged as an error and counted;
 * libsrtp2's own goes on serving.
 *
 * @param list AGW_SRTP_P_COUNT types, static; NULL = leave all as they are
 */
void agw_srtp_primitives_start(const struct agw_srtp_primitive *list);
/** After srtp_shutdown(): give back what start took. */
void agw_srtp_primitives_stop(void);
/** Is this one in use instead of libsrtp2's own? */
bool agw_srtp_primitive_replaced(enum agw_srtp_primitive_id id);
/** How often has this one been refused since the process started? */
uint64_t agw_srtp_primitive_refusals(enum agw_srtp_primitive_id id);

/**
 * Look up OpenSSL's ciphers, once for all sessions. One that is not there makes `alloc` fail,
 * so libsrtp2 refuses the type.
 */
void agw_srtp_aes_icm_fetch(void);
void agw_srtp_aes_gcm_fetch(void);
/** Live objects keep what they hold. */
void agw_srtp_aes_icm_drop(void);
void agw_srtp_aes_gcm_drop(void);

/* The first cipher made in this thread since it was set: of a session that is being made it is
 * the one for RTP, and lives as long. Noted so that it can be fetched ahead of a packet. */
struct agw_srtp_cipher_at {
	const void *state;
	const void *evp;
};
extern _Thread_local struct agw_srtp_cipher_at *agw_srtp_note_cipher;

static inline void agw_srtp_cipher_made(const void *state, const void *evp)
{
	struct agw_srtp_cipher_at *at = agw_srtp_note_cipher;

	if (at != NULL && at->state == NULL)
		*at = (struct agw_srtp_cipher_at){state, evp};
}

#endif
