/* SPDX-License-Identifier: Apache-2.0 */
/* Registered histograms and their exposition. See histogram.h. */
#include "common/histogram.h"

#include "common/err.h"

#include <inttypes.h>

static struct gw_histogram *first;

void gw_histogram_register(struct gw_histogram *h)
{
	struct gw_histogram **at = &first;

	GW_ASSERT(h->n_bounds <= GW_HISTOGRAM_BOUNDS_MAX);
	for (; *at != NULL; at = &(*at)->next)
		if (*at == h)
			return;
	h->next = NULL;
	*at = h;
}

void gw_histogram_unregister(struct gw_histogram *h)
{
	for (struct gw_histogram **at = &first; *at != NULL; at = &(*at)->next) {
		if (*at != h)
			continue;
		*at = h->next;
		h->next = NULL;
		return;
	}
}

void gw_histogram_observe_us(struct gw_histogram *h, int64_t us)
{
	uint64_t v = us > 0 ? (uint64_t)us : 0;
	size_t i = 0;

	while (i < h->n_bounds && v > h->bounds_us[i])
		i++;
	atomic_fetch_add_explicit(&h->bucket[i], 1, memory_order_relaxed);
	atomic_fetch_add_explicit(&h->sum_us, v, memory_order_relaxed);
}

/* "0.0005", "1", "2.5": without the zeros that say nothing. */
static void say_seconds(char *out, size_t n, uint64_t us)
{
	int len = snprintf(out, n, "%" PRIu64 ".%06" PRIu64, us / 1000000, us % 1000000);

	while (len > 0 && out[len - 1] == '0')
		out[--len] = '\0';
	if (len > 0 && out[len - 1] == '.')
		out[--len] = '\0';
}

static void print_one(FILE *to, struct gw_histogram *h)
{
	uint64_t n = 0;
	char text[32];

	(void)fprintf(to, "# HELP %s %s\n# TYPE %s histogram\n", h->name, h->help, h->name);
	for (size_t i = 0; i <= h->n_bounds; i++) {
		n += atomic_load_explicit(&h->bucket[i], memory_order_relaxed);
		if (i < h->n_bounds)
			say_seconds(text, sizeof(text), h->bounds_us[i]);
		else
			(void)snprintf(text, sizeof(text), "+Inf");
		(void)fprintf(to, "%s_bucket{le=\"%s\"} %" PRIu64 "\n", h->name, text, n);
	}
	say_seconds(text, sizeof(text), atomic_load_explicit(&h->sum_us, memory_order_relaxed));
	(void)fprintf(to, "%s_sum %s\n%s_count %" PRIu64 "\n", h->name, text, h->name, n);
}

void gw_histogram_print(FILE *to)
{
	for (struct gw_histogram *h = first; h != NULL; h = h->next)
		print_one(to, h);
}
