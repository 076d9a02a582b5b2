/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The keyed hash of the tables (Aumasson, Bernstein: SipHash, 2012); see table.h.
 */
#include "cscf/sip/table.h"

#include "common/rand.h"

#include <stdbool.h>
#include <string.h>

struct sip_state {
	uint64_t v[4];
};

static uint64_t rotate(uint64_t x, int bits)
{
	return x << bits | x >> (64 - bits);
}

static void rounds(struct sip_state *s, int n)
{
	uint64_t *v = s->v;

	while (n-- > 0) {
		v[0] += v[1];
		v[1] = rotate(v[1], 13) ^ v[0];
		v[0] = rotate(v[0], 32);
		v[2] += v[3];
		v[3] = rotate(v[3], 16) ^ v[2];
		v[0] += v[3];
		v[3] = rotate(v[3], 21) ^ v[0];
		v[2] += v[1];
		v[1] = rotate(v[1], 17) ^ v[2];
		v[2] = rotate(v[2], 32);
	}
}

static uint64_t load(const unsigned char *p, size_t n)
{
	uint64_t x = 0;

	for (size_t i = 0; i < n; i++)
		x |= (uint64_t)p[i] << (8 * i);
	return x;
}

static void compress(struct sip_state *s, uint64_t word)
{
	s->v[3] ^= word;
	rounds(s, 2);
	s->v[0] ^= word;
}

uint64_t cscf_sip_siphash(const uint64_t key[2], const void *data, size_t n)
{
	const unsigned char *p = data;
	struct sip_state s = {{key[0] ^ 0x736f6d6570736575, key[1] ^ 0x646f72616e646f6d,
			       key[0] ^ 0x6c7967656e657261, key[1] ^ 0x7465646279746573}};
	size_t left = n;

	for (; left >= 8; p += 8, left -= 8)
		compress(&s, load(p, 8));
	compress(&s, load(p, left) | (uint64_t)n << 56);
	s.v[2] ^= 0xff;
	rounds(&s, 4);
	return s.v[0] ^ s.v[1] ^ s.v[2] ^ s.v[3];
}

unsigned cscf_sip_table_hash(const void *key, size_t n)
{
	static uint64_t secret[2];
	static bool drawn;
	uint64_t h;

	if (!drawn)
		gw_rand_bytes(secret, sizeof(secret));
	drawn = true;
	h = cscf_sip_siphash(secret, key, n);
	return (unsigned)(h ^ h >> 32);
}
