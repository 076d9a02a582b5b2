/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Shape of a STUN datagram before libnice looks at its content: what is not exactly one message
 * with all attributes inside it is dropped silently (ICE-31; RFC 8489 s6.3, s14.7). Stricter than
 * the library on trailing octets, doubled FINGERPRINTs and anything behind FINGERPRINT.
 * Pure function; thread: any.
 */
#include "agw/ice/ice_int.h"

#include <string.h>
#include <stun/constants.h>

static uint16_t be16(const uint8_t *p)
{
	return (uint16_t)((p[0] << 8) | p[1]);
}

bool agw_stun_is_wellformed(const uint8_t *data, size_t len)
{
	size_t at = STUN_MESSAGE_HEADER_LENGTH;
	bool fingerprint = false;
	bool integrity = false;

	if (len < STUN_MESSAGE_HEADER_LENGTH || len > AGW_STUN_MAX || (len & 3) != 0)
		return false;
	if ((data[0] & 0xc0) != 0 || be16(data + 2) != len - STUN_MESSAGE_HEADER_LENGTH)
		return false;
	if (be16(data + 4) != STUN_MAGIC_COOKIE >> 16 ||
	    be16(data + 6) != (STUN_MAGIC_COOKIE & 0xffff))
		return false;
	while (at < len) {
		uint16_t type;
		size_t padded;

		if (len - at < 4 || fingerprint)
			return false; /* FINGERPRINT must be the last one, and so the only one */
		type = be16(data + at);
		padded = ((size_t)be16(data + at + 2) + 3U) & ~(size_t)3U;
		if (padded > len - at - 4)
			return false;
		/* Behind MESSAGE-INTEGRITY only FINGERPRINT may come: no unprotected stowaways. */
		if (integrity && type != STUN_ATTRIBUTE_FINGERPRINT)
			return false;
		integrity = integrity || type == STUN_ATTRIBUTE_MESSAGE_INTEGRITY;
		fingerprint = type == STUN_ATTRIBUTE_FINGERPRINT;
		at += 4 + padded;
	}
	return true;
}

bool agw_ice_is_answer(const uint8_t *data, size_t len)
{
	return len >= STUN_MESSAGE_HEADER_LENGTH && (data[0] & 0x01) != 0;
}

const uint8_t *agw_ice_peek_ufrag(const uint8_t *data, size_t len, size_t *n)
{
	size_t at = STUN_MESSAGE_HEADER_LENGTH;

	if (!agw_stun_is_wellformed(data, len))
		return NULL;
	while (at < len) {
		size_t value = be16(data + at + 2);
		const uint8_t *colon;

		if (be16(data + at) == STUN_ATTRIBUTE_USERNAME) {
			colon = memchr(data + at + 4, ':', value);
			*n = colon != NULL ? (size_t)(colon - (data + at + 4)) : 0;
			return colon != NULL ? data + at + 4 : NULL;
		}
		at += 4 + ((value + 3U) & ~(size_t)3U);
	}
	return NULL;
}
