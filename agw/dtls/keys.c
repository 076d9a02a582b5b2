/* SPDX-License-Identifier: Apache-2.0 */
/*
 * SRTP keys out of a finished handshake (SRTP-03; RFC 5764 s4.2, RFC 7714 s12): the exporter
 * gives client key, server key, client salt, server salt.
 */
#include "agw/dtls/dtls_int.h"

#include <openssl/srtp.h>
#include <string.h>

static const char label[] = "EXTRACTOR-dtls_srtp";

uint16_t agw_dtls_profile(SSL *ssl)
{
	const SRTP_PROTECTION_PROFILE *p = SSL_get_selected_srtp_profile(ssl);

	return p != NULL && agw_srtp_key_len((uint16_t)p->id) != 0 ? (uint16_t)p->id
								   : AGW_SRTP_NONE;
}

enum gw_err agw_dtls_export(SSL *ssl, bool server, struct agw_srtp_keys *out)
{
	uint16_t profile = agw_dtls_profile(ssl);
	size_t key = agw_srtp_key_len(profile);
	size_t salt = agw_srtp_salt_len(profile);
	uint8_t raw[2 * AGW_SRTP_MASTER_MAX];
	uint8_t *client = server ? out->recv : out->send;
	uint8_t *serv = server ? out->send : out->recv;

	if (profile == AGW_SRTP_NONE ||
	    SSL_export_keying_material(ssl, raw, 2 * (key + salt), label, sizeof(label) - 1, NULL,
				       0, 0) != 1)
		return GW_ERR_CRYPTO;
	out->profile = profile;
	memcpy(client, raw, key);
	memcpy(serv, raw + key, key);
	memcpy(client + key, raw + 2 * key, salt);
	memcpy(serv + key, raw + 2 * key + salt, salt);
	OPENSSL_cleanse(raw, sizeof(raw));
	return GW_OK;
}
