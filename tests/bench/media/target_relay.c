/* SPDX-License-Identifier: Apache-2.0 */
/* The floor: wicgate-bench-relay moves datagrams and nothing else. Where: its first address. */
#include "tests/bench/media/bench.h"

#include <stdio.h>
#include <stdlib.h>

static void *relay_open(const char *where, char *why, size_t n)
{
	struct gw_addr *first = calloc(1, sizeof(*first));

	if (first == NULL || gw_addr_parse(first, where, 0) != GW_OK) {
		snprintf(why, n, "not an address: %s", where);
		free(first);
		return NULL;
	}
	return first;
}

static bool relay_add(void *t, struct bench *b, struct bench_call *c, char *why, size_t n)
{
	const struct gw_addr *first = t;

	(void)b;
	(void)why;
	(void)n;
	for (unsigned s = 0; s < BENCH_SIDES; s++) {
		c->relay[s] = *first;
		gw_addr_set_port(&c->relay[s], (uint16_t)(gw_addr_port(first) + 2 * c->id + s));
	}
	return true;
}

static void relay_remove(void *t, struct bench_call *c)
{
	(void)t;
	(void)c;
}

static void relay_close(void *t)
{
	free(t);
}

const struct bench_target bench_target_relay = {"relay",   false,        relay_open,
						relay_add, relay_remove, relay_close};
