/* SPDX-License-Identifier: Apache-2.0 */
/* A client's masked frame, written without the code under test. */
#ifndef TESTS_UNIT_CSCF_WS_MASK_H
#define TESTS_UNIT_CSCF_WS_MASK_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

#define MASK_HEAD_MAX 14

/* first: FIN, RSV and opcode. Returns the octets written to `to`. */
static inline size_t mask_frame(uint8_t *to, uint8_t first, const void *payload, size_t len)
{
	static const uint8_t key[4] = {0x11, 0x92, 0x33, 0xf4};
	const uint8_t *p = payload;
	size_t n = 0;

	to[n++] = first;
	if (len < 126) {
		to[n++] = (uint8_t)(0x80 | len);
	} else if (len < 65536) {
		to[n++] = 0x80 | 126;
		to[n++] = (uint8_t)(len >> 8);
		to[n++] = (uint8_t)len;
	} else {
		to[n++] = 0x80 | 127;
		for (int shift = 56; shift >= 0; shift -= 8)
			to[n++] = (uint8_t)((uint64_t)len >> shift);
	}
	memcpy(to + n, key, 4);
	n += 4;
	for (size_t i = 0; i < len; i++)
		to[n++] = p[i] ^ key[i % 4];
	return n;
}

#endif
