/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The server object (server.h): listener, tick, the end of connections, figures for operators.
 */
#include "agw/iq/server_int.h"

#include "common/rand.h"

#include <event2/listener.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include <utlist.h>

#define GW_LOG_MOD "iq"

#define BACKLOG    128

/* clang-format off */
#define M(name, type, help) {name, NULL, type, help, NULL, NULL, 0}
struct gw_metric agw_iq_metrics[IQ_M_COUNT] = {
	[IQ_M_CONNECTIONS] = M("agw_iq_connections", GW_METRIC_GAUGE, "Open control connections"),
	[IQ_M_CONTROLLERS] = M("agw_iq_controllers", GW_METRIC_GAUGE, "Controllers known, also those away"),
	[IQ_M_REJECTED] = M("agw_iq_rejected_total", GW_METRIC_COUNTER, "Connections without an acceptable Hello"),
	[IQ_M_GARBAGE] = M("agw_iq_garbage_total", GW_METRIC_COUNTER, "Connections closed for what they sent"),
	[IQ_M_DEAD_PEER] = M("agw_iq_dead_peers_total", GW_METRIC_COUNTER, "Connections closed for silence"),
	[IQ_M_SLOW_PEER] = M("agw_iq_slow_peers_total", GW_METRIC_COUNTER, "Connections closed for not reading"),
	[IQ_M_RX] = M("agw_iq_messages_received_total", GW_METRIC_COUNTER, "Messages received"),
	[IQ_M_TX] = M("agw_iq_messages_sent_total", GW_METRIC_COUNTER, "Messages sent"),
	[IQ_M_REQUESTS] = M("agw_iq_requests_total", GW_METRIC_COUNTER, "Requests served, without duplicates"),
	[IQ_M_ERRORS] = M("agw_iq_errors_total", GW_METRIC_COUNTER, "Requests answered with an error"),
	[IQ_M_DUPLICATES] = M("agw_iq_duplicates_total", GW_METRIC_COUNTER, "Requests seen before"),
	[IQ_M_STALE] = M("agw_iq_stale_total", GW_METRIC_COUNTER, "Duplicates too old to answer"),
	[IQ_M_NOTIFICATIONS] = M("agw_iq_notifications_total", GW_METRIC_COUNTER, "Notifications made"),
	[IQ_M_NOTIFY_LOST] = M("agw_iq_notifications_lost_total", GW_METRIC_COUNTER, "Notifications dropped unacknowledged"),
};
/* clang-format on */

static unsigned servers; /* living servers (tests make several); the metrics are shared */

uint64_t agw_iq_now_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000 + (uint64_t)ts.tv_nsec / 1000000;
}

/* ---- events ---------------------------------------------------------------------------------- */

static void on_accept(struct evconnlistener *l, evutil_socket_t fd, struct sockaddr *sa, int len,
		      void *arg)
{
	struct agw_iq_server *s = arg;
	struct gw_addr peer;

	(void)l;
	if (gw_addr_from_sa(&peer, sa, (socklen_t)len) != GW_OK ||
	    s->n_conns >= s->cfg.max_connections) {
		gw_metric_inc(&agw_iq_metrics[IQ_M_REJECTED]);
		GW_LOG_LIMITED(GW_LOG_WARN, "iq.too_many", "connections=%u", s->n_conns);
		(void)close(fd);
		return;
	}
	agw_iq_conn_new(s, fd, &peer);
}

static uint32_t tick_ms(const struct agw_iq_server *s)
{
	return s->cfg.heartbeat_ms / 2 < IQ_TICK_MS ? s->cfg.heartbeat_ms / 2 : IQ_TICK_MS;
}

static void on_tick(evutil_socket_t fd, short what, void *arg)
{
	struct agw_iq_server *s = arg;
	struct agw_iq_controller *ctl;
	struct agw_iq_controller *next_ctl;
	struct iq_conn *c;
	struct iq_conn *next;
	uint64_t now = agw_iq_now_ms();
	uint64_t late = now > s->tick_due_ms ? now - s->tick_due_ms : 0;

	(void)fd;
	(void)what;
	s->tick_due_ms = now + tick_ms(s);
	agw_iq_state_tick(s, now);
	DL_FOREACH_SAFE (s->conns, c, next)
		agw_iq_conn_tick(c, now, late);
	HASH_ITER (hh, s->controllers, ctl, next_ctl)
		agw_iq_replies_expire(ctl, now);
}

static void on_bury(evutil_socket_t fd, short what, void *arg)
{
	struct agw_iq_server *s = arg;

	(void)fd;
	(void)what;
	while (s->dead != NULL) {
		struct iq_conn *c = s->dead;

		LL_DELETE(s->dead, c);
		agw_iq_conn_free(c);
	}
}

/* ---- construction ---------------------------------------------------------------------------- */

static enum gw_err cfg_copy(struct agw_iq_cfg *to, const struct agw_iq_cfg *from)
{
	*to = *from;
	to->agw_id = strdup(from->agw_id);
	to->token = strdup(from->token != NULL ? from->token : "");
	to->access_realm = strdup(from->access_realm);
	to->tls_cert = NULL; /* used at start only */
	to->tls_key = NULL;
	to->tls_ca = NULL;
	return to->agw_id != NULL && to->token != NULL && to->access_realm != NULL ? GW_OK
										   : GW_ERR_NOMEM;
}

static void cfg_free(struct agw_iq_cfg *cfg)
{
	/* copies of ours in const fields */
	free((void *)(uintptr_t)cfg->agw_id);
	free((void *)(uintptr_t)cfg->token);
	free((void *)(uintptr_t)cfg->access_realm);
}

static bool given(const char *s)
{
	return s != NULL && s[0] != '\0';
}

static enum gw_err start_tls(struct agw_iq_server *s, const struct agw_iq_cfg *cfg)
{
	if (given(cfg->tls_cert) || given(cfg->tls_key) || given(cfg->tls_ca)) {
		if (!given(cfg->tls_cert) || !given(cfg->tls_key) || !given(cfg->tls_ca)) {
			GW_LOG(GW_LOG_ERROR, "iq.tls", "hint=\"%s\"",
			       "iq.tls.cert, iq.tls.key and iq.tls.ca come together");
			return GW_ERR_CRYPTO;
		}
		return agw_iq_tls_new(&s->tls, cfg->tls_cert, cfg->tls_key, cfg->tls_ca);
	}
	if (gw_addr_is_loopback(&cfg->listen))
		return GW_OK;
	if (!cfg->insecure) {
		GW_LOG(GW_LOG_ERROR, "iq.insecure", "hint=\"%s\"",
		       "beyond loopback the control channel needs iq.tls.*, or iq.insecure: true");
		return GW_ERR_DENIED;
	}
	GW_LOG(GW_LOG_WARN, "iq.insecure", "hint=\"%s\"",
	       "control channel without TLS beyond loopback");
	return GW_OK;
}

static enum gw_err start_events(struct agw_iq_server *s)
{
	uint32_t ms = tick_ms(s);
	const struct timeval tick = {.tv_sec = ms / 1000,
				     .tv_usec = (suseconds_t)(ms % 1000) * 1000};

	s->tick_due_ms = agw_iq_now_ms() + ms;
	s->tick = event_new(s->base, -1, EV_PERSIST, on_tick, s);
	s->bury = event_new(s->base, -1, 0, on_bury, s);
	if (s->tick == NULL || s->bury == NULL || event_add(s->tick, &tick) != 0)
		return GW_ERR_NOMEM;
	if (agw_iq_later_start(s) != GW_OK)
		return GW_ERR_NOMEM;
	return gw_handle_table_new(&s->handles, s->cfg.max_controllers);
}

static enum gw_err start_listening(struct agw_iq_server *s)
{
	char text[GW_ADDR_STRLEN];

	s->listener = evconnlistener_new_bind(s->base, on_accept, s,
					      LEV_OPT_CLOSE_ON_FREE | LEV_OPT_REUSEABLE |
						  LEV_OPT_CLOSE_ON_EXEC,
					      BACKLOG, &s->cfg.listen.u.sa, (int)s->cfg.listen.len);
	if (s->listener == NULL) {
		GW_LOG(GW_LOG_ERROR, "iq.listen", "call=bind address=%s error=\"%s\"",
		       gw_addr_str(&s->cfg.listen, text, sizeof(text)), strerrordesc_np(errno));
		return GW_ERR_IO;
	}
	GW_LOG(GW_LOG_INFO, "iq.listen", "address=%s port=%u tls=%d",
	       gw_addr_ip_str(&s->cfg.listen, text, sizeof(text)), agw_iq_server_port(s),
	       s->tls != NULL);
	return GW_OK;
}

enum gw_err agw_iq_server_new(struct agw_iq_server **out, struct event_base *base,
			      const struct agw_iq_cfg *cfg, struct agw_context_table *table,
			      struct agw_pool *pool)
{
	struct agw_iq_server *s = calloc(1, sizeof(*s));
	enum gw_err err;

	if (s == NULL)
		return GW_ERR_NOMEM;
	s->base = base;
	s->table = table;
	s->pool = pool;
	s->boot_id = gw_rand_u64();
	if (servers++ == 0)
		gw_metric_register(agw_iq_metrics, IQ_M_COUNT);
	err = cfg_copy(&s->cfg, cfg);
	if (err == GW_OK)
		err = start_tls(s, cfg);
	if (err == GW_OK)
		err = start_events(s);
	if (err == GW_OK)
		err = start_listening(s);
	if (err != GW_OK) {
		agw_iq_server_free(s);
		return err;
	}
	agw_context_table_set_cbs(table, agw_iq_context_cbs(), s);
	*out = s;
	return GW_OK;
}

void agw_iq_server_free(struct agw_iq_server *s)
{
	struct agw_iq_controller *ctl;
	struct agw_iq_controller *next;

	if (s == NULL)
		return;
	agw_context_table_set_cbs(s->table, NULL, NULL);
	agw_iq_waiters_forget(s);
	if (s->listener != NULL)
		evconnlistener_free(s->listener);
	while (s->conns != NULL)
		agw_iq_conn_drop(s->conns, "shutting down");
	HASH_ITER (hh, s->controllers, ctl, next)
		agw_iq_controller_free(ctl);
	on_bury(-1, 0, s);
	agw_iq_later_free(s);
	if (s->tick != NULL)
		event_free(s->tick);
	if (s->bury != NULL)
		event_free(s->bury);
	gw_handle_table_free(s->handles);
	agw_iq_tls_free(s->tls);
	cfg_free(&s->cfg);
	if (--servers == 0)
		gw_metric_unregister(agw_iq_metrics);
	free(s);
}

uint16_t agw_iq_server_port(const struct agw_iq_server *s)
{
	struct sockaddr_storage ss;
	socklen_t len = sizeof(ss);
	struct gw_addr a;

	if (getsockname(evconnlistener_get_fd(s->listener), (struct sockaddr *)&ss, &len) != 0 ||
	    gw_addr_from_sa(&a, (struct sockaddr *)&ss, len) != GW_OK)
		return 0;
	return gw_addr_port(&a);
}

/* ---- figures --------------------------------------------------------------------------------- */

void agw_iq_figures(const struct agw_iq_server *s, struct agw_iq_figures *out)
{
	const struct agw_iq_controller *ctl;

	*out = (struct agw_iq_figures){
	    .connections = s->n_conns,
	    .controllers = HASH_COUNT(s->controllers),
	    .cpu_permille = s->cpu_permille,
	    .overload_level = s->overload,
	    .boot_id = s->boot_id,
	};
	for (ctl = s->controllers; ctl != NULL; ctl = ctl->hh.next)
		out->notifications_waiting += ctl->n_notes;
}

bool agw_iq_controller_view(const struct agw_iq_server *s, unsigned i,
			    struct agw_iq_controller_view *out)
{
	const struct agw_iq_controller *ctl = s->controllers;

	for (; ctl != NULL && i > 0; i--)
		ctl = ctl->hh.next;
	if (ctl == NULL)
		return false;
	*out = (struct agw_iq_controller_view){
	    .id = ctl->id,
	    .epoch = ctl->epoch,
	    .software = ctl->software,
	    .peer = ctl->conn != NULL ? ctl->conn->peer : "",
	    .connected = ctl->conn != NULL,
	    .since_s = (uint32_t)((agw_iq_now_ms() - ctl->since_ms) / 1000),
	    .notifications = ctl->n_notes,
	    .requests = ctl->requests,
	};
	return true;
}
