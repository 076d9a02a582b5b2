/* SPDX-License-Identifier: Apache-2.0 */
/*
 * DTLS-SRTP profile to libsrtp2 policy.
 */
#include "agw/srtp/srtp_int.h"

#include <string.h>

#define SEND_WINDOW 128 /* reordering on the core side that still leaves in its place */

const char *agw_srtp_profile_name(uint16_t profile)
{
	switch (profile) {
	case AGW_SRTP_AES128_CM_SHA1_80:
		return "AES128_CM_SHA1_80";
	case AGW_SRTP_AEAD_AES_128_GCM:
		return "AEAD_AES_128_GCM";
	case AGW_SRTP_AEAD_AES_256_GCM:
		return "AEAD_AES_256_GCM";
	default:
		return "none";
	}
}

bool agw_srtp_policy(srtp_policy_t *out, uint16_t profile, uint8_t *master, bool inbound,
		     uint32_t window)
{
	memset(out, 0, sizeof(*out));
	switch (profile) {
	case AGW_SRTP_AES128_CM_SHA1_80:
		srtp_crypto_policy_set_aes_cm_128_hmac_sha1_80(&out->rtp);
		srtp_crypto_policy_set_aes_cm_128_hmac_sha1_80(&out->rtcp);
		break;
	case AGW_SRTP_AEAD_AES_128_GCM:
		srtp_crypto_policy_set_aes_gcm_128_16_auth(&out->rtp);
		srtp_crypto_policy_set_aes_gcm_128_16_auth(&out->rtcp);
		break;
	case AGW_SRTP_AEAD_AES_256_GCM:
		srtp_crypto_policy_set_aes_gcm_256_16_auth(&out->rtp);
		srtp_crypto_policy_set_aes_gcm_256_16_auth(&out->rtcp);
		break;
	default:
		return false;
	}
	out->ssrc.type = inbound ? ssrc_any_inbound : ssrc_any_outbound;
	out->key = master;
	out->window_size = inbound ? window : SEND_WINDOW;
	out->allow_repeat_tx = 0; /* a repeated index is a repeated key stream (SRTP-09) */
	return true;
}
