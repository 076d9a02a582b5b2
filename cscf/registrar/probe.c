/* SPDX-License-Identifier: Apache-2.0 */
/*
 * See probe.h. One timer and at most one OPTIONS under way per entry point.
 */
#include "cscf/registrar/probe.h"

#include "cscf/sip/mask.h"

#include "common/log.h"
#include "common/metric.h"
#include "common/rand.h"

#include <event2/event.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#define GW_LOG_MOD    "core"
#define RETRY_DOWN_MS 10000 /* ours: a down one is asked at least so often */

enum probe_metric { PM_UNKNOWN, PM_UP, PM_DOWN, PM_WENT_UP, PM_WENT_DOWN, PM_COUNT };

#define NOW_NAME "cscf_entry_points"
#define NOW_HELP "Entry points of the home network by state"
#define CHG_NAME "cscf_entry_point_changes_total"
#define CHG_HELP "Changes of an entry point's state"

/* The gauges in the order of enum cscf_probe_state. */
static struct gw_metric metrics[PM_COUNT] = {
    [PM_UNKNOWN] = {.name = NOW_NAME,
		    .labels = "state=\"unknown\"",
		    .type = GW_METRIC_GAUGE,
		    .help = NOW_HELP},
    [PM_UP] = {.name = NOW_NAME, .labels = "state=\"up\"", .type = GW_METRIC_GAUGE},
    [PM_DOWN] = {.name = NOW_NAME, .labels = "state=\"down\"", .type = GW_METRIC_GAUGE},
    [PM_WENT_UP] = {.name = CHG_NAME, .labels = "to=\"up\"", .help = CHG_HELP},
    [PM_WENT_DOWN] = {.name = CHG_NAME, .labels = "to=\"down\"", .help = CHG_HELP},
};

struct point {
	struct cscf_probe *probe; /* borrowed */
	char *uri;                /* owned */
	struct event *timer;      /* owned */
	gw_handle client;         /* of the OPTIONS under way; NONE */
	struct cscf_sip_flow target;
	bool has_target; /* `target` is where it was last found */
	enum cscf_probe_state state;
	int64_t since_ms;
};

struct cscf_probe {
	struct cscf_sip_stack *stack; /* borrowed */
	struct cscf_probe_config cfg;
	struct point *points; /* owned */
	size_t n;
};

static int64_t now_ms(void)
{
	struct timespec ts;

	(void)clock_gettime(CLOCK_MONOTONIC, &ts);
	return (int64_t)ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

static void arm(struct point *pt, int64_t ms)
{
	struct timeval tv = {.tv_sec = ms / 1000, .tv_usec = (suseconds_t)(ms % 1000) * 1000};

	(void)evtimer_add(pt->timer, &tv);
}

const char *cscf_probe_state_name(enum cscf_probe_state state)
{
	static const char *const names[CSCF_PROBE_COUNT] = {"unknown", "up", "down"};

	return state < CSCF_PROBE_COUNT ? names[state] : "unknown";
}

static void set_state(struct point *pt, enum cscf_probe_state state, const char *why)
{
	if (pt->state == state)
		return;
	gw_metric_dec(&metrics[pt->state]);
	gw_metric_inc(&metrics[state]);
	pt->state = state;
	pt->since_ms = now_ms();
	if (state == CSCF_PROBE_DOWN) {
		gw_metric_inc(&metrics[PM_WENT_DOWN]);
		GW_LOG(GW_LOG_ERROR, "core.entry_down", "point=\"%s\" why=%s",
		       cscf_sip_mask(pt->uri), why);
	} else {
		gw_metric_inc(&metrics[PM_WENT_UP]);
		GW_LOG(GW_LOG_INFO, "core.entry_up", "point=\"%s\" why=%s", cscf_sip_mask(pt->uri),
		       why);
	}
}

static int64_t pause_of(const struct point *pt)
{
	int64_t ms = pt->probe->cfg.interval;

	return pt->state == CSCF_PROBE_DOWN && ms > RETRY_DOWN_MS ? RETRY_DOWN_MS : ms;
}

static void on_response(void *arg, gw_handle client, const struct cscf_sip_msg *rsp,
			const struct cscf_sip_response_info *info)
{
	struct point *pt = arg;
	int status = cscf_sip_msg_status(rsp);

	(void)client;
	if (status < 200)
		return;
	if (info->flow.side == CSCF_SIP_MW && info->cause != CSCF_SIP_CAUSE_NO_TARGET) {
		pt->target = info->flow;
		pt->has_target = true;
		cscf_sip_stack_watch(pt->probe->stack, &pt->target);
	}
	if (!info->local && status != 503)
		set_state(pt, CSCF_PROBE_UP, "answered");
	else if (!info->local)
		set_state(pt, CSCF_PROBE_DOWN, "503");
	else if (info->cause == CSCF_SIP_CAUSE_NO_TARGET)
		set_state(pt, CSCF_PROBE_DOWN, "no-address");
	else if (info->cause != CSCF_SIP_CAUSE_LIMIT) /* our own limits say nothing of it */
		set_state(pt, CSCF_PROBE_DOWN,
			  info->cause == CSCF_SIP_CAUSE_TIMEOUT ? "silent" : "unreachable");
}

static void on_done(void *arg, gw_handle client)
{
	struct point *pt = arg;

	(void)client;
	pt->client = GW_HANDLE_NONE;
	arm(pt, pause_of(pt));
}

static const struct cscf_sip_client_cbs client_cbs = {.on_response = on_response,
						      .on_done = on_done};

static enum gw_err build(struct cscf_sip_msg **out, const struct point *pt)
{
	const char *ours = cscf_sip_stack_mw_hostport(pt->probe->stack);
	bool is_uri = strncasecmp(pt->uri, "sip:", 4) == 0;
	char tag[17], call_id[33], uri[600], from[600], to[700], contact[600];
	struct cscf_sip_request_params p = {
	    .method = "OPTIONS", .uri = uri, .from = from, .to = to, .call_id = call_id, .cseq = 1};
	enum gw_err err;

	gw_rand_hex(tag, 8);
	gw_rand_hex(call_id, 16);
	snprintf(uri, sizeof(uri), "%s%.500s", is_uri ? "" : "sip:", pt->uri);
	snprintf(from, sizeof(from), "<sip:%.500s>;tag=%s", ours, tag);
	snprintf(to, sizeof(to), "<%s>", uri);
	snprintf(contact, sizeof(contact), "<sip:%.500s>", ours);
	err = cscf_sip_msg_new_request(out, &p);
	if (err == GW_OK)
		err = cscf_sip_msg_hdr_append(*out, "Contact", contact);
	if (err == GW_OK)
		err = cscf_sip_msg_hdr_append(*out, "Accept", "application/sdp");
	if (err != GW_OK) {
		cscf_sip_msg_free(*out);
		*out = NULL;
	}
	return err;
}

static void ask(struct point *pt)
{
	struct cscf_sip_client_opt opt = {.timeout_ms = (uint32_t)pt->probe->cfg.timeout,
					  .no_failover = true};
	const char *uri = pt->uri;
	struct cscf_sip_dest dest = {.uris = &uri, .n_uris = 1};
	struct cscf_sip_msg *msg = NULL;
	enum gw_err err = build(&msg, pt);

	if (err == GW_OK)
		err = cscf_sip_request(pt->probe->stack, msg, &dest, &opt, &client_cbs, pt,
				       &pt->client);
	if (err != GW_OK) { /* nothing is known then */
		pt->client = GW_HANDLE_NONE;
		arm(pt, pause_of(pt));
	}
}

static void on_timer(evutil_socket_t fd, short what, void *arg)
{
	struct point *pt = arg;
	int64_t quiet_ms = -1;

	(void)fd;
	(void)what;
	if (pt->has_target)
		quiet_ms = cscf_sip_stack_quiet_ms(pt->probe->stack, &pt->target);
	/* heard of in the course of business: no need to ask */
	if (pt->state != CSCF_PROBE_DOWN && quiet_ms >= 0 && quiet_ms < pt->probe->cfg.interval) {
		arm(pt, pt->probe->cfg.interval - quiet_ms);
		return;
	}
	ask(pt);
}

static enum gw_err add_point(struct cscf_probe *p, struct event_base *base, const char *uri)
{
	struct point *pt = &p->points[p->n];

	pt->probe = p;
	pt->uri = strdup(uri);
	pt->timer = evtimer_new(base, on_timer, pt);
	p->n++;
	if (pt->uri == NULL || pt->timer == NULL)
		return GW_ERR_NOMEM;
	pt->since_ms = now_ms();
	gw_metric_inc(&metrics[PM_UNKNOWN]);
	if (p->cfg.interval > 0)
		arm(pt, 0);
	return GW_OK;
}

enum gw_err cscf_probe_new(struct cscf_probe **out, struct event_base *base,
			   struct cscf_sip_stack *stack, const struct cscf_probe_config *cfg)
{
	const struct gw_conf_list *list =
	    cfg->entry_points->n > 0 ? cfg->entry_points : cfg->home_domains;
	struct cscf_probe *p = calloc(1, sizeof(*p));
	enum gw_err err = GW_OK;

	if (p == NULL)
		return GW_ERR_NOMEM;
	p->stack = stack;
	p->cfg = *cfg;
	gw_metric_register(metrics, PM_COUNT);
	p->points = calloc(list->n > 0 ? list->n : 1, sizeof(*p->points));
	if (p->points == NULL)
		err = GW_ERR_NOMEM;
	for (size_t i = 0; err == GW_OK && i < list->n; i++)
		err = add_point(p, base, list->item[i]);
	if (err != GW_OK) {
		cscf_probe_free(p);
		return err;
	}
	*out = p;
	return GW_OK;
}

void cscf_probe_free(struct cscf_probe *p)
{
	if (p == NULL)
		return;
	for (size_t i = 0; i < p->n; i++) {
		struct point *pt = &p->points[i];

		if (pt->client != GW_HANDLE_NONE)
			cscf_sip_client_detach(p->stack, pt->client);
		if (pt->timer != NULL)
			event_free(pt->timer);
		free(pt->uri);
		gw_metric_dec(&metrics[pt->state]);
	}
	free(p->points);
	free(p);
}

bool cscf_probe_any_up(const struct cscf_probe *p)
{
	for (size_t i = 0; i < p->n; i++)
		if (p->points[i].state != CSCF_PROBE_DOWN)
			return true;
	return p->n == 0;
}

bool cscf_probe_row(const struct cscf_probe *p, size_t i, struct cscf_probe_row *row)
{
	if (i >= p->n)
		return false;
	*row = (struct cscf_probe_row){.point = p->points[i].uri,
				       .state = p->points[i].state,
				       .since_s = (now_ms() - p->points[i].since_ms) / 1000};
	return true;
}
