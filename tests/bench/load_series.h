/* SPDX-License-Identifier: Apache-2.0 */
/* Times of one phase, for its percentiles. Thread: one. */
#ifndef TESTS_BENCH_LOAD_SERIES_H
#define TESTS_BENCH_LOAD_SERIES_H

#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

struct load_series {
	uint32_t *us;
	size_t n, size;
};

static inline void load_series_add(struct load_series *s, int64_t us)
{
	if (s->n == s->size) {
		s->size = s->size != 0 ? 2 * s->size : 65536;
		s->us = realloc(s->us, s->size * sizeof(*s->us));
		if (s->us == NULL)
			abort();
	}
	s->us[s->n++] = us > 0 ? (uint32_t)us : 0;
}

static inline int load_series_by_size(const void *a, const void *b)
{
	uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

	return x < y ? -1 : x > y;
}

static inline void load_series_sort(struct load_series *s)
{
	if (s->n > 0)
		qsort(s->us, s->n, sizeof(*s->us), load_series_by_size);
}

/** Of a sorted series, ms. */
static inline double load_series_at(const struct load_series *s, double part)
{
	return s->n > 0 ? s->us[(size_t)(part * (double)(s->n - 1))] / 1000.0 : 0;
}

#endif
