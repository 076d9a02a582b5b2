/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The stack's life: configuration checked, transports and resolver built in order and undone in
 * reverse; what the operator may ask.
 */
#include "cscf/sip/stack_int.h"

#include "cscf/sip/client_int.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

void cscf_sip_config_defaults(struct cscf_sip_config *cfg)
{
	*cfg = (struct cscf_sip_config){
	    .dns_timeout_ms = 2000,
	    .max_message = 32768,
	    .max_headers = 200,
	    .max_line = 8192,
	    .max_malformed = 10,
	    .timer_c_ms = 180000,
	    .t1_ms = 500,
	    .t2_ms = 4000,
	    .t4_ms = 5000,
	    .overload_high = 85,
	    .overload_low = 70,
	    .overload_max_lag_ms = 500,
	    .overload_retry_s = 10,
	    .overload_retry_max_s = 60,
	    .max_server_txns = 20000,
	    .max_client_txns = 20000,
	    .max_tcp_conns = 1000,
	    .tcp_idle_ms = 300000,
	    .tcp_connect_ms = 4000,
	    .tcp_queue_max = 1 << 20,
	    .udp_max = 1300,
	};
}

int64_t cscf_sip_now_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (int64_t)ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

void cscf_sip_arm(struct event *timer, int64_t ms)
{
	struct timeval tv;

	if (ms < 0)
		ms = 0;
	tv.tv_sec = ms / 1000;
	tv.tv_usec = (ms % 1000) * 1000;
	evtimer_add(timer, &tv);
}

static void on_mw_message(void *arg, const struct cscf_sip_flow *flow, const char *text, size_t n,
			  bool too_big)
{
	(void)cscf_sip_receive(arg, flow, text, n, too_big);
}

static void on_mw_closed(void *arg, const struct cscf_sip_flow *flow, bool failed)
{
	cscf_sip_clients_conn_closed(arg, flow, failed);
}

static const struct cscf_sip_mw_cbs mw_cbs = {
    .on_message = on_mw_message,
    .on_closed = on_mw_closed,
};

static enum gw_err check_config(const struct cscf_sip_config *c, char *errbuf, size_t n)
{
	const char *bad = NULL;

	if (c->mw_name == NULL || c->mw_name[0] == '\0')
		bad = "mw.name is empty";
	else if (c->max_message < 512 || c->max_message > (1 << 20))
		bad = "sip.max_message must be 512..1048576";
	else if (c->max_headers < 8 || c->max_headers > 10000)
		bad = "sip.max_headers must be 8..10000";
	else if (c->max_line < 128 || c->max_line > c->max_message)
		bad = "sip.max_line must be 128..sip.max_message";
	else if (c->t1_ms < 1 || c->t1_ms > 10000 || c->t2_ms < c->t1_ms || c->t4_ms < 1)
		bad = "timers T1, T2, T4 out of range";
	else if (c->max_server_txns < 1 || c->max_server_txns > 10000000 ||
		 c->max_client_txns < 1 || c->max_client_txns > 10000000)
		bad = "transaction limits must be 1..10000000";
	else if (c->overload_low > c->overload_high || c->overload_max_lag_ms < 1)
		bad = "overload.low must not be above overload.high";
	else if (c->max_malformed < 1 || c->max_tcp_conns < 1)
		bad = "sip.max_malformed and mw.max_tcp_connections must be at least 1";
	if (bad == NULL)
		return GW_OK;
	snprintf(errbuf, n, "%s", bad);
	return GW_ERR_INVAL;
}

/* A name as it stands in a URI: IPv6 in brackets. */
static char *host_text(const char *name, unsigned port)
{
	bool bare_v6 = strchr(name, ':') != NULL && name[0] != '[';
	char *out;
	int rc;

	if (port != 0)
		rc =
		    asprintf(&out, "%s%s%s:%u", bare_v6 ? "[" : "", name, bare_v6 ? "]" : "", port);
	else
		rc = asprintf(&out, "%s%s%s", bare_v6 ? "[" : "", name, bare_v6 ? "]" : "");
	return rc < 0 ? NULL : out;
}

static enum gw_err make_names(struct cscf_sip_stack *s)
{
	const struct cscf_sip_config *c = s->cfg;
	const char *w2 = c->w2_name != NULL && c->w2_name[0] != '\0' ? c->w2_name : c->mw_name;
	unsigned port = (unsigned)c->mw_port;
	struct gw_addr addr;

	if (port == 0 && (cscf_sip_mw_local(s->mw, CSCF_SIP_TCP, &addr) ||
			  cscf_sip_mw_local(s->mw, CSCF_SIP_UDP, &addr)))
		port = gw_addr_port(&addr);
	s->mw_hostport = host_text(c->mw_name, port != 0 ? port : 5060);
	s->w2_host = host_text(w2, 0);
	return s->mw_hostport != NULL && s->w2_host != NULL ? GW_OK : GW_ERR_NOMEM;
}

static enum gw_err make_resolver(struct cscf_sip_stack *s, char *errbuf, size_t errlen)
{
	struct cscf_sip_resolver_config rc = {
	    .hosts = &s->cfg->mw_hosts,
	    .dns_servers = &s->cfg->dns_servers,
	    .dns_timeout_ms = s->cfg->dns_timeout_ms,
	    .udp = cscf_sip_mw_has(s->mw, CSCF_SIP_UDP),
	    .tcp = cscf_sip_mw_has(s->mw, CSCF_SIP_TCP),
	};

	return cscf_sip_resolver_new(&s->resolver, s->base, &rc, errbuf, errlen);
}

/* Room above the limit for dialogs and emergencies (overload.h). */
static uint32_t server_table_size(const struct cscf_sip_config *cfg)
{
	return (uint32_t)(cfg->max_server_txns + cfg->max_server_txns / 8 + 1);
}

static void show_overload(struct cscf_sip_stack *s)
{
	const struct cscf_sip_overload *o = cscf_sip_stack_overload(s);

	gw_metric_set(&cscf_sip_counters[CSCF_SIP_N_LOAD], cscf_sip_overload_load(o));
	gw_metric_set(&cscf_sip_counters[CSCF_SIP_N_LOAD_LEVEL], o->level);
	gw_metric_set(&cscf_sip_counters[CSCF_SIP_N_LOOP_LAG],
		      (int64_t)o->lag_pct * o->max_lag_ms / 100);
	for (int w = 0; w < CSCF_SIP_WORK_DIALOG; w++)
		gw_metric_set(&cscf_sip_counters[CSCF_SIP_N_SHED_NEW_USER + w],
			      (int64_t)o->shed[w]);
}

static void on_overload_tick(evutil_socket_t fd, short what, void *arg)
{
	struct cscf_sip_stack *s = arg;
	int events = event_base_get_max_events(s->base, EVENT_BASE_COUNT_ACTIVE, 1);

	(void)fd;
	(void)what;
	cscf_sip_overload_tick(&s->overload, cscf_sip_now_ms(), events);
	show_overload(s);
	cscf_sip_arm(s->overload_tick, CSCF_SIP_OVERLOAD_TICK_MS);
}

static enum gw_err start_overload(struct cscf_sip_stack *s)
{
	cscf_sip_overload_init(&s->overload, s->cfg->overload_high, s->cfg->overload_low,
			       s->cfg->overload_max_lag_ms);
	s->overload_tick = evtimer_new(s->base, on_overload_tick, s);
	if (s->overload_tick == NULL)
		return GW_ERR_NOMEM;
	cscf_sip_arm(s->overload_tick, CSCF_SIP_OVERLOAD_TICK_MS);
	return GW_OK;
}

const struct cscf_sip_overload *cscf_sip_stack_overload(struct cscf_sip_stack *s)
{
	cscf_sip_overload_look(&s->overload, gw_handle_count(s->servers),
			       (size_t)s->cfg->max_server_txns);
	return &s->overload;
}

void cscf_sip_stack_overload_force(struct cscf_sip_stack *s, int percent)
{
	cscf_sip_overload_force(&s->overload, percent);
}

unsigned cscf_sip_stack_retry_after(const struct cscf_sip_stack *s)
{
	return cscf_sip_retry_after(s->cfg->overload_retry_s, s->cfg->overload_retry_max_s);
}

enum gw_err cscf_sip_stack_new(struct cscf_sip_stack **out, struct event_base *base,
			       const struct cscf_sip_config *cfg,
			       const struct cscf_sip_stack_cbs *cbs, void *cbs_arg,
			       const struct cscf_sip_ws_ops *ws_ops, void *ws_arg, char *errbuf,
			       size_t errlen)
{
	struct cscf_sip_stack *s;
	enum gw_err err;

	*out = NULL;
	snprintf(errbuf, errlen, "out of memory");
	err = check_config(cfg, errbuf, errlen);
	if (err != GW_OK)
		return err;
	s = calloc(1, sizeof(*s));
	if (s == NULL)
		return GW_ERR_NOMEM;
	s->base = base;
	s->cfg = cfg;
	s->cbs = cbs;
	s->cbs_arg = cbs_arg;
	s->ws_ops = ws_ops;
	s->ws_arg = ws_arg;
	s->limits = (struct cscf_sip_limits){.max_message = (size_t)cfg->max_message,
					     .max_headers = (size_t)cfg->max_headers,
					     .max_line = (size_t)cfg->max_line};
	s->timers = (struct cscf_sip_machine_timers){
	    .t1_ms = (int)cfg->t1_ms, .t2_ms = (int)cfg->t2_ms, .t4_ms = (int)cfg->t4_ms};
	cscf_sip_counters_register();
	err = gw_handle_table_new(&s->servers, server_table_size(cfg));
	if (err == GW_OK)
		err = gw_handle_table_new(&s->clients, (uint32_t)cfg->max_client_txns);
	if (err == GW_OK)
		err = cscf_sip_mw_new(&s->mw, base, cfg, &mw_cbs, s, errbuf, errlen);
	if (err == GW_OK)
		err = make_names(s);
	if (err == GW_OK)
		err = make_resolver(s, errbuf, errlen);
	if (err == GW_OK && (s->health = cscf_sip_health_new()) == NULL)
		err = GW_ERR_NOMEM;
	if (err == GW_OK)
		err = start_overload(s);
	if (err != GW_OK) {
		cscf_sip_stack_free(s);
		return err;
	}
	*out = s;
	return GW_OK;
}

void cscf_sip_stack_free(struct cscf_sip_stack *s)
{
	if (s == NULL)
		return;
	if (s->overload_tick != NULL)
		event_free(s->overload_tick);
	cscf_sip_clients_free(s);
	cscf_sip_servers_free(s);
	cscf_sip_resolver_free(s->resolver);
	cscf_sip_health_free(s->health);
	cscf_sip_mw_free(s->mw);
	cscf_sip_w2_free(s);
	gw_handle_table_free(s->clients);
	gw_handle_table_free(s->servers);
	free(s->mw_hostport);
	free(s->w2_host);
	free(s);
}

void cscf_sip_stack_drain(struct cscf_sip_stack *s, bool on)
{
	s->draining = on;
}

void cscf_sip_stack_counts(const struct cscf_sip_stack *s, struct cscf_sip_counts *out)
{
	const struct cscf_sip_server *t;
	const struct cscf_sip_client *c;
	uint32_t cursor = 0;

	*out = (struct cscf_sip_counts){
	    .server_txns = gw_handle_count(s->servers),
	    .client_txns = gw_handle_count(s->clients),
	    .tcp_conns = cscf_sip_mw_tcp_count(s->mw),
	    .w2_conns = HASH_COUNT(s->w2_conns),
	    .dns_queries = cscf_sip_resolver_pending(s->resolver),
	};
	while ((t = gw_handle_next(s->servers, &cursor)) != NULL)
		out->server_pending += cscf_sip_server_is_pending(t) ? 1 : 0;
	cursor = 0;
	while ((c = gw_handle_next(s->clients, &cursor)) != NULL)
		out->client_pending += c->final ? 0 : 1;
}

void cscf_sip_stack_watch(struct cscf_sip_stack *s, const struct cscf_sip_flow *flow)
{
	cscf_sip_health_watch(s->health, flow);
}

int64_t cscf_sip_stack_quiet_ms(const struct cscf_sip_stack *s, const struct cscf_sip_flow *flow)
{
	return cscf_sip_health_quiet_ms(s->health, flow);
}

bool cscf_sip_stack_mw_addr(const struct cscf_sip_stack *s, enum cscf_sip_transport transport,
			    struct gw_addr *out)
{
	return cscf_sip_mw_local(s->mw, transport, out);
}

const char *cscf_sip_stack_mw_hostport(const struct cscf_sip_stack *s)
{
	return s->mw_hostport;
}

const char *cscf_sip_stack_w2_host(const struct cscf_sip_stack *s)
{
	return s->w2_host;
}
