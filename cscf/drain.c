/* SPDX-License-Identifier: Apache-2.0 */
/* Telling WICs, by and by, to come back elsewhere. See drain.h. */
#include "cscf/drain.h"

#include "common/log.h"
#include "common/metric.h"
#include "cscf/cscf_int.h"

#include <event2/event.h>
#include <stdlib.h>

#define GW_LOG_MOD "cscf"
#define TICK_MS    100

enum { DRAIN_M_TOLD, DRAIN_M_COUNT };

static struct gw_metric drain_metrics[DRAIN_M_COUNT] = {
    [DRAIN_M_TOLD] = {.name = "cscf_drain_told_total",
		      .help = "WebSockets closed because of a drain",
		      .type = GW_METRIC_COUNTER},
};

static int by_id(const void *a, const void *b)
{
	const uint64_t *x = a, *y = b;

	return *x < *y ? -1 : *x > *y;
}

/* The connections with a call, sorted. @return GW_OK; GW_ERR_NOMEM: nobody is told this time */
static enum gw_err busy_conns(const struct cscf *c, uint64_t **out, size_t *n)
{
	struct cscf_session_counts counts;

	cscf_session_counts(c->session, &counts);
	*out = calloc(counts.calls + 1, sizeof(**out));
	if (*out == NULL)
		return GW_ERR_NOMEM;
	*n = cscf_session_conns(c->session, *out, counts.calls + 1);
	qsort(*out, *n, sizeof(**out), by_id);
	return GW_OK;
}

/* Close up to `most` idle ones. @return how many */
static size_t tell(struct cscf *c, size_t most)
{
	bool end = c->ending != RUNNING;
	uint64_t cursor = 0, id;
	uint64_t *busy = NULL;
	struct cscf_ws_conn *w;
	size_t n = 0, told = 0;

	if (busy_conns(c, &busy, &n) != GW_OK)
		return 0;
	while (told < most && (w = cscf_ws_conn_next(c->listener, &cursor)) != NULL) {
		id = cscf_ws_conn_id(w);
		if (c->drain_open && id >= c->drain_since) /* about to register, maybe */
			continue;
		if (bsearch(&id, busy, n, sizeof(*busy), by_id) != NULL)
			continue;
		cscf_ws_conn_close(w, end ? CSCF_WS_GOING_AWAY : CSCF_WS_SERVICE_RESTART,
				   end ? "shutting down" : "please reconnect");
		gw_metric_inc(&drain_metrics[DRAIN_M_TOLD]);
		told++;
	}
	free(busy);
	return told;
}

static void on_tick(evutil_socket_t fd, short what, void *arg)
{
	struct cscf *c = arg;
	size_t most;

	(void)fd;
	(void)what;
	cscf_drain_flow_changed(c);
	c->drain_credit += c->cfg->ws_drain_rate * TICK_MS;
	most = (size_t)(c->drain_credit / 1000);
	if (most == 0)
		return;
	c->drain_credit %= 1000;
	c->drain_told = tell(c, most) < most;
}

void cscf_drain_flow_changed(struct cscf *c)
{
	bool open = c->draining && cscf_session_waits_for_wic(c->session);

	if (!c->draining || open == c->drain_open)
		return;
	c->drain_open = open;
	c->drain_since = cscf_ws_listener_next_id(c->listener);
	cscf_ws_listener_refuse(c->listener, !open);
	GW_LOG(GW_LOG_INFO, "cscf.drain_open", "on=%d", (int)open);
}

void cscf_drain_set(struct cscf *c, bool on)
{
	static const struct timeval tick = {.tv_usec = TICK_MS * 1000};

	GW_LOG(GW_LOG_INFO, "cscf.drain", "on=%d rate=%lld", (int)on,
	       (long long)c->cfg->ws_drain_rate);
	c->draining = on;
	c->drain_told = c->drain_open = false;
	c->drain_credit = 0;
	cscf_sip_stack_drain(c->stack, on);
	cscf_ws_listener_refuse(c->listener, on);
	cscf_drain_flow_changed(c);
	if (on && c->cfg->ws_drain_rate > 0)
		(void)event_add(c->drain_tick, &tick);
	else
		(void)event_del(c->drain_tick);
}

bool cscf_drain_all_told(const struct cscf *c)
{
	return c->drain_told || c->cfg->ws_drain_rate == 0;
}

enum gw_err cscf_drain_init(struct cscf *c)
{
	gw_metric_register(drain_metrics, DRAIN_M_COUNT);
	c->drain_tick = event_new(c->base, -1, EV_PERSIST, on_tick, c);
	return c->drain_tick != NULL ? GW_OK : GW_ERR_NOMEM;
}

void cscf_drain_fini(struct cscf *c)
{
	gw_metric_unregister(drain_metrics);
	if (c->drain_tick != NULL)
		event_free(c->drain_tick);
}
