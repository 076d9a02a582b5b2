/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Are the home network's entry points there? When nothing was heard of one for
 * home.options_interval it is asked by OPTIONS; any answer but 503 means up. A down one is asked
 * again every ten seconds at most, and as long as it is down the stack's choice of targets puts
 * it last (cscf/sip/health.h), so that only the first request after a failure pays for it.
 * An answer never changes a registration. Each point's first target counts for a name with
 * several. Spec: REG-86. Thread: the cscf loop.
 */
#ifndef CSCF_REGISTRAR_PROBE_H
#define CSCF_REGISTRAR_PROBE_H

#include "common/conf.h"
#include "common/err.h"
#include "cscf/sip/stack.h"

struct cscf_probe;
struct event_base;

struct cscf_probe_config {
	const struct gw_conf_list *entry_points; /* home.entry_points; empty: the home domains */
	const struct gw_conf_list *home_domains;
	int64_t interval; /* home.options_interval, ms; 0 = never ask: all count as up */
	int64_t timeout;  /* home.options_timeout, ms */
};

enum cscf_probe_state { CSCF_PROBE_UNKNOWN, CSCF_PROBE_UP, CSCF_PROBE_DOWN, CSCF_PROBE_COUNT };

/* One row; borrowed. */
struct cscf_probe_row {
	const char *point;
	enum cscf_probe_state state;
	int64_t since_s; /* in that state */
};

enum gw_err cscf_probe_new(struct cscf_probe **out, struct event_base *base,
			   struct cscf_sip_stack *stack,
			   const struct cscf_probe_config *cfg) GW_MUST_CHECK;
/** Before the stack. NULL is legal. */
void cscf_probe_free(struct cscf_probe *p);
/** Is any entry point up, or not known to be down? */
bool cscf_probe_any_up(const struct cscf_probe *p);
/** The i-th row. @return false at the end */
bool cscf_probe_row(const struct cscf_probe *p, size_t i, struct cscf_probe_row *row);
const char *cscf_probe_state_name(enum cscf_probe_state state);

#endif
