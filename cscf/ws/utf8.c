/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Is it UTF-8? One pass over a whole message, as RFC 3629 s4 writes the grammar: no overlong
 * forms, no surrogates, nothing above U+10FFFF. Thread: any.
 */
#include "cscf/ws/conn.h"

#include <string.h>

/* Octets of the sequence that starts with `lead`, and the bounds of its second octet; 0 = none. */
static unsigned sequence(uint8_t lead, uint8_t *lo, uint8_t *hi)
{
	*lo = 0x80;
	*hi = 0xbf;
	if (lead >= 0xc2 && lead <= 0xdf)
		return 2;
	if (lead >= 0xe0 && lead <= 0xef) {
		if (lead == 0xe0)
			*lo = 0xa0;
		if (lead == 0xed)
			*hi = 0x9f;
		return 3;
	}
	if (lead >= 0xf0 && lead <= 0xf4) {
		if (lead == 0xf0)
			*lo = 0x90;
		if (lead == 0xf4)
			*hi = 0x8f;
		return 4;
	}
	return 0;
}

/* Octets below 0x80 from here on, eight at a time; one at least. */
static size_t ascii_run(const uint8_t *p, size_t n)
{
	size_t i = 0;
	uint64_t eight;

	for (; n - i >= sizeof(eight); i += sizeof(eight)) {
		memcpy(&eight, p + i, sizeof(eight));
		if ((eight & 0x8080808080808080) != 0)
			break;
	}
	while (i < n && p[i] < 0x80)
		i++;
	return i;
}

bool cscf_ws_utf8_valid(const void *bytes, size_t len)
{
	const uint8_t *p = bytes;
	size_t i = 0;

	while (i < len) {
		uint8_t lo, hi;
		unsigned n;

		if (p[i] < 0x80) {
			i += ascii_run(p + i, len - i);
			continue;
		}
		n = sequence(p[i], &lo, &hi);
		if (n == 0 || len - i < n || p[i + 1] < lo || p[i + 1] > hi)
			return false;
		for (unsigned k = 2; k < n; k++)
			if ((p[i + k] & 0xc0) != 0x80)
				return false;
		i += n;
	}
	return true;
}
