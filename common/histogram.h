/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Histograms of durations in the Prometheus text form, beside the counters of metric.h: fixed
 * buckets, written in the table, so that their number and cost are known when the program is built.
 *
 *   static const uint32_t bounds[] = {1000, 10000, 100000};           microseconds, rising
 *   static struct gw_histogram h = GW_HISTOGRAM("cscf_x_seconds", "How long x took", bounds);
 *
 * They come out in seconds: cscf_x_seconds_bucket{le="0.001"} …, {le="+Inf"}, _sum, _count; the
 * count is always that of the last bucket. Not here: labels, summaries, other units.
 * Thread: register before the threads start; observe from any thread (relaxed atomics; a scrape in
 * the middle of one may miss it in the sum).
 */
#ifndef COMMON_HISTOGRAM_H
#define COMMON_HISTOGRAM_H

#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#define GW_HISTOGRAM_BOUNDS_MAX 16

struct gw_histogram {
	const char *name; /* family, ends in _seconds */
	const char *help;
	const uint32_t *bounds_us; /* rising; a value equal to a bound belongs to its bucket */
	size_t n_bounds;           /* at most GW_HISTOGRAM_BOUNDS_MAX */
	_Atomic uint64_t bucket[GW_HISTOGRAM_BOUNDS_MAX + 1];
	_Atomic uint64_t sum_us;
	struct gw_histogram *next; /* of those registered */
};

#define GW_HISTOGRAM(n, h, b)                                                                      \
	{                                                                                          \
		.name = (n), .help = (h), .bounds_us = (b), .n_bounds = sizeof(b) / sizeof((b)[0]) \
	}

/** Add it to the exposition (gw_metric_text); it must stay (static storage). Twice: no effect. */
void gw_histogram_register(struct gw_histogram *h);
/** Take it out again. */
void gw_histogram_unregister(struct gw_histogram *h);
/** One more duration; a negative one counts as 0. */
void gw_histogram_observe_us(struct gw_histogram *h, int64_t us);
/** All that are registered, in the order of their registration. */
void gw_histogram_print(FILE *to);

#endif
