/* SPDX-License-Identifier: Apache-2.0 */
/*
 * DTLS-SRTP protection profiles (IANA numbers; RFC 5764 s4.1.2, RFC 7714) and the keys of one.
 * Thread: any; no state.
 */
#ifndef AGW_SRTP_PROFILE_H
#define AGW_SRTP_PROFILE_H

#include <stddef.h>
#include <stdint.h>

#define AGW_SRTP_PROFILE_MAX 4
#define AGW_SRTP_MASTER_MAX  46 /* key and salt: 32 + 14 */

enum agw_srtp_profile {
	AGW_SRTP_NONE = 0,
	AGW_SRTP_AES128_CM_SHA1_80 = 0x0001,
	AGW_SRTP_AEAD_AES_128_GCM = 0x0007,
	AGW_SRTP_AEAD_AES_256_GCM = 0x0008
};

/* Master keys of both directions, each key then salt as libsrtp2 wants it. Wipe after use. */
struct agw_srtp_keys {
	uint16_t profile;
	uint8_t send[AGW_SRTP_MASTER_MAX]; /* what we protect with */
	uint8_t recv[AGW_SRTP_MASTER_MAX]; /* what the peer protects with */
};

/** Octets of master key and salt (SRTP-03). 0 for a profile we do not do. */
static inline size_t agw_srtp_key_len(uint16_t profile)
{
	return profile == AGW_SRTP_AEAD_AES_256_GCM                                            ? 32
	       : profile == AGW_SRTP_AEAD_AES_128_GCM || profile == AGW_SRTP_AES128_CM_SHA1_80 ? 16
											       : 0;
}
static inline size_t agw_srtp_salt_len(uint16_t profile)
{
	return profile == AGW_SRTP_AES128_CM_SHA1_80 ? 14 : 12;
}

/** "AEAD_AES_128_GCM"; "none" for AGW_SRTP_NONE and what we do not know. */
const char *agw_srtp_profile_name(uint16_t profile);

#endif
