/* SPDX-License-Identifier: Apache-2.0 */
/* One ICE check; see load_check.h. */
#include "tests/bench/load_check.h"

#include <arpa/inet.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <stdio.h>
#include <string.h>

#define COOKIE UINT32_C(0x2112a442)

static void put32(uint8_t *p, uint32_t v)
{
	v = htonl(v);
	memcpy(p, &v, 4);
}

/* RFC 8489 s14.7: CRC-32 of ISO 3309. */
static uint32_t crc32_of(const uint8_t *p, size_t n)
{
	uint32_t crc = 0xffffffff;

	for (size_t i = 0; i < n; i++) {
		crc ^= p[i];
		for (int k = 0; k < 8; k++)
			crc = crc >> 1 ^ ((crc & 1) != 0 ? UINT32_C(0xedb88320) : 0);
	}
	return ~crc;
}

/* Room for an attribute of n octets; the length in the header counts it. */
static uint8_t *attribute(uint8_t *msg, size_t *at, uint16_t type, size_t n)
{
	uint8_t *p = msg + *at;
	size_t padded = (n + 3) & ~(size_t)3;

	put32(p, (uint32_t)type << 16 | (uint32_t)n);
	memset(p + 4, 0, padded);
	*at += 4 + padded;
	msg[2] = (uint8_t)((*at - 20) >> 8);
	msg[3] = (uint8_t)(*at - 20);
	return p + 4;
}

size_t load_check_write(uint8_t to[256], const struct bench_gate *gate, const char *ufrag,
			uint64_t id)
{
	char name[140];
	size_t n = (size_t)snprintf(name, sizeof(name), "%s:%s", gate->ufrag, ufrag), at = 20;
	unsigned len = 0;
	uint8_t *p;

	put32(to, UINT32_C(0x00010000));
	put32(to + 4, COOKIE);
	memcpy(to + 8, "ckid", 4);
	memcpy(to + 12, &id, 8);
	memcpy(attribute(to, &at, 0x0006, n), name, n);
	put32(attribute(to, &at, 0x0024, 4), UINT32_C(0x6e0001ff));
	memcpy(attribute(to, &at, 0x802a, 8), &id, 8);
	p = attribute(to, &at, 0x0008, 20);
	HMAC(EVP_sha1(), gate->pwd, (int)strlen(gate->pwd), to, at - 24, p, &len);
	p = attribute(to, &at, 0x8028, 4);
	put32(p, crc32_of(to, at - 8) ^ UINT32_C(0x5354554e));
	return at;
}

bool load_check_read(const uint8_t *p, size_t n, uint64_t *id)
{
	if (n < 20 || p[0] != 0x01 || p[1] != 0x01 || memcmp(p + 8, "ckid", 4) != 0)
		return false;
	memcpy(id, p + 12, 8);
	return true;
}
