/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Counters and gauges in the Prometheus text form (durations: histogram.h). Each module owns one
 * static table and registers it once; a metric is then one relaxed atomic:
 *
 *   static struct gw_metric m[] = {
 *           [M_OPEN]   = {"cscf_ws_connections", NULL, GW_METRIC_GAUGE, "Open WebSockets"},
 *           [M_BAD_HS] = {"cscf_ws_reject_total", "reason=\"origin\"", GW_METRIC_COUNTER, "…"},
 *   };
 *
 * Labels come from closed sets written in the table; never an IMPU, call id or address.
 * Thread: gw_metric_register before the threads start; add/set from any thread (the media path
 * keeps plain counters of its own and is read through GW_METRIC_CALLBACK).
 */
#ifndef COMMON_METRIC_H
#define COMMON_METRIC_H

#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

enum gw_metric_type {
	GW_METRIC_COUNTER,
	GW_METRIC_GAUGE,
};

struct gw_metric {
	const char *name;   /* family, e.g. "cscf_sip_requests_total" */
	const char *labels; /* "method=\"INVITE\",dir=\"in\"", or NULL */
	enum gw_metric_type type;
	const char *help;
	int64_t (*read)(void *arg); /* NULL, or asked at each scrape instead of `value` */
	void *arg;
	_Atomic int64_t value;
};

/** Add a table to the exposition; the table must stay (static storage). At most 64 tables. */
void gw_metric_register(struct gw_metric *table, size_t n);
/** Take a table out again (tests). */
void gw_metric_unregister(const struct gw_metric *table);

static inline void gw_metric_add(struct gw_metric *m, int64_t by)
{
	atomic_fetch_add_explicit(&m->value, by, memory_order_relaxed);
}
static inline void gw_metric_inc(struct gw_metric *m)
{
	gw_metric_add(m, 1);
}
static inline void gw_metric_dec(struct gw_metric *m)
{
	gw_metric_add(m, -1);
}
static inline void gw_metric_set(struct gw_metric *m, int64_t v)
{
	atomic_store_explicit(&m->value, v, memory_order_relaxed);
}
static inline int64_t gw_metric_get(const struct gw_metric *m)
{
	return m->read != NULL ? m->read(m->arg)
			       : atomic_load_explicit(&m->value, memory_order_relaxed);
}

/** The whole exposition as text, histograms included; NULL when out of memory. Caller frees with
 * free(). */
char *gw_metric_text(void);

#endif
