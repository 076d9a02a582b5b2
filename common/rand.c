/* SPDX-License-Identifier: Apache-2.0 */
/*
 * See rand.h.
 */
#include "common/rand.h"

#include "common/err.h"

#include <limits.h>
#include <openssl/rand.h>
#include <string.h>

#define POOL_SIZE 1024

void gw_rand_bytes(void *buf, size_t n)
{
	GW_ASSERT(n <= INT_MAX && RAND_bytes(buf, (int)n) == 1);
}

/* For names (tags, branches, ids), not keys: drawn in advance, since each draw has its price. */
static void draw(void *buf, size_t n)
{
	static _Thread_local unsigned char pool[POOL_SIZE];
	static _Thread_local size_t left;

	if (n > POOL_SIZE) {
		gw_rand_bytes(buf, n);
		return;
	}
	if (left < n) {
		gw_rand_bytes(pool, sizeof(pool));
		left = sizeof(pool);
	}
	left -= n;
	memcpy(buf, pool + left, n);
	memset(pool + left, 0, n); /* not there to be found later */
}

uint64_t gw_rand_u64(void)
{
	uint64_t v;

	draw(&v, sizeof(v));
	return v;
}

void gw_rand_token(char *buf, size_t n)
{
	static const char chars[] =
	    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

	draw(buf, n);
	for (size_t i = 0; i < n; i++)
		buf[i] = chars[(unsigned char)buf[i] & 63U];
	buf[n] = '\0';
}

void gw_rand_hex(char *buf, size_t octets)
{
	static const char hex[] = "0123456789abcdef";

	draw(buf, octets);
	for (size_t i = octets; i-- > 0;) {
		unsigned char c = (unsigned char)buf[i];

		buf[2 * i] = hex[c >> 4];
		buf[2 * i + 1] = hex[c & 15U];
	}
	buf[2 * octets] = '\0';
}
