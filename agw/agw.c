/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The process object (agw.h), signals and the end: the first SIGTERM drains and waits for the
 * contexts or shutdown.grace, the second ends at once.
 */
#include "agw/agw.h"

#include "agw/ops/ops.h"
#include "common/log.h"
#include "common/process.h"

#include <event2/event.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

#define GW_LOG_MOD    "agw"

#define POLL_MS       100 /* while waiting for the last contexts */
#define FINISH_MS     1000
#define FDS_PER_CALL  6 /* two streams with three sockets each */
#define FDS_PER_AGENT 3 /* libnice's socket, and two of GLib's contexts */
#define FDS_OWN       256

struct agw {
	const struct agw_config *cfg; /* borrowed */
	struct agw_parts_cfg parts;
	struct event_base *base; /* owned, like all below */
	struct agw_context_table *table;
	struct agw_pool *pool;
	struct agw_iq_server *iq;
	struct agw_ops *ops;
	struct event *term;
	struct event *intr;
	struct event *poll;
	bool ending;
	bool finishing; /* everything released, out of service */
	uint64_t end_at_ms;
};

/* ---- the end --------------------------------------------------------------------------------- */

static uint64_t now_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000 + (uint64_t)ts.tv_nsec / 1000000;
}

/*
 * The last contexts are gone or the grace is over: say so, release what is left, and give that and
 * the last messages FINISH_MS to get out.
 */
static void on_poll(evutil_socket_t fd, short what, void *arg)
{
	struct agw *a = arg;
	uint32_t left = agw_context_count(a->table, NULL, 0);
	bool over = now_ms() >= a->end_at_ms;

	(void)fd;
	(void)what;
	if (!a->finishing && (left == 0 || over)) {
		GW_LOG(GW_LOG_INFO, "agw.drained", "contexts_left=%u", left);
		a->finishing = true;
		a->end_at_ms = now_ms() + FINISH_MS;
		agw_iq_out_of_service(a->iq, "shutting down");
		return;
	}
	if (a->finishing && (agw_context_releasing(a->table) == 0 || over))
		(void)event_base_loopbreak(a->base);
}

static void on_signal(evutil_socket_t sig, short what, void *arg)
{
	static const struct timeval poll = {.tv_usec = POLL_MS * 1000};
	struct agw *a = arg;

	(void)what;
	if (a->ending) {
		GW_LOG(GW_LOG_WARN, "agw.forced", "signal=%d", (int)sig);
		(void)event_base_loopbreak(a->base);
		return;
	}
	a->ending = true;
	a->end_at_ms = now_ms() + (uint64_t)a->cfg->shutdown_grace;
	GW_LOG(GW_LOG_INFO, "agw.stopping", "signal=%d grace_ms=%lld contexts=%u", (int)sig,
	       (long long)a->cfg->shutdown_grace, agw_context_count(a->table, NULL, 0));
	agw_iq_end(a->iq, (uint32_t)((a->cfg->shutdown_grace + 999) / 1000), "shutting down");
	(void)event_add(a->poll, &poll);
}

/* ---- the beginning --------------------------------------------------------------------------- */

/* Sockets are what a media gateway is made of: take what the hard limit allows. */
static void raise_fd_limit(const struct agw_config *cfg)
{
	int64_t per_call = FDS_PER_CALL + (cfg->ice_mode != 0 ? FDS_PER_AGENT * 2 : 0);
	int64_t need = cfg->limits_contexts * per_call + FDS_OWN;
	int64_t limit = gw_process_raise_fd_limit(cfg->limits_fds);

	if (limit >= 0 && limit < need)
		GW_LOG(GW_LOG_WARN, "agw.few_fds", "limit=%lld full_load_needs=%lld",
		       (long long)limit, (long long)need);
}

/* IQ-18 where one network serves everything: allowed (agw_config_parts refuses the rest), but told.
 */
static void check_iq_address(const struct agw *a)
{
	const struct gw_addr *iq = &a->parts.iq.listen;
	char text[GW_ADDR_STRLEN];

	for (unsigned f = 0; f < AGW_FAMILY_COUNT; f++) {
		const struct gw_addr *access = &a->parts.realms[0].bind[f];

		if (access->len == 0 || gw_addr_is_loopback(access) || gw_addr_is_loopback(iq))
			continue;
		if (gw_addr_ip_eq(iq, access) || gw_addr_is_any(iq))
			GW_LOG(GW_LOG_WARN, "iq.on_access",
			       "address=%s hint=\"keep iq.listen off the access network\"",
			       gw_addr_str(iq, text, sizeof(text)));
	}
}

static enum gw_err start_signals(struct agw *a)
{
	(void)signal(SIGPIPE, SIG_IGN);
	(void)signal(SIGHUP, SIG_IGN); /* nothing is read again; it must not end calls */
	a->term = evsignal_new(a->base, SIGTERM, on_signal, a);
	a->intr = evsignal_new(a->base, SIGINT, on_signal, a);
	a->poll = event_new(a->base, -1, EV_PERSIST, on_poll, a);
	if (a->term == NULL || a->intr == NULL || a->poll == NULL ||
	    event_add(a->term, NULL) != 0 || event_add(a->intr, NULL) != 0)
		return GW_ERR_NOMEM;
	return GW_OK;
}

static enum gw_err start_parts(struct agw *a)
{
	const char *part = "contexts";
	enum gw_err err = agw_context_table_new(&a->table, a->base, &a->parts.contexts);

	if (err == GW_OK) {
		part = "media";
		err = agw_pool_new(&a->pool, &a->parts.pool, agw_context_pool_cbs(), a->table);
	}
	if (err == GW_OK)
		err = agw_context_table_attach(a->table, a->pool);
	if (err == GW_OK) {
		part = "iq";
		err = agw_iq_server_new(&a->iq, a->base, &a->parts.iq, a->table, a->pool);
	}
	if (err == GW_OK) {
		const struct agw_ops_cfg ops = {
		    .ctl_socket = a->cfg->ops_ctl_socket,
		    .listen = a->cfg->ops_listen,
		    .agw_id = a->parts.agw_id,
		    .realms = a->parts.realms,
		    .n_realms = 2,
		    .port_quarantine_ms = (uint32_t)a->cfg->port_quarantine,
		};

		part = "ops";
		err = agw_ops_new(&a->ops, a->base, &ops, a->table, a->pool, a->iq);
	}
	if (err != GW_OK)
		GW_LOG(GW_LOG_ERROR, "agw.start_failed", "part=%s why=%s", part, gw_err_name(err));
	return err;
}

enum gw_err agw_new(struct agw **out, const struct agw_config *cfg)
{
	struct agw *a = calloc(1, sizeof(*a));
	char why[256] = "";
	enum gw_err err;

	if (a == NULL)
		return GW_ERR_NOMEM;
	a->cfg = cfg;
	err = agw_config_parts(&a->parts, cfg, why, sizeof(why));
	if (err != GW_OK) {
		GW_LOG(GW_LOG_ERROR, "agw.config", "why=\"%s\"", why);
		goto fail;
	}
	raise_fd_limit(cfg);
	check_iq_address(a);
	err = GW_ERR_NOMEM;
	a->base = event_base_new();
	if (a->base == NULL)
		goto fail;
	err = start_signals(a);
	if (err == GW_OK)
		err = start_parts(a);
	if (err != GW_OK)
		goto fail;
	*out = a;
	return GW_OK;
fail:
	agw_free(a);
	return err;
}

static void free_event(struct event *ev)
{
	if (ev != NULL)
		event_free(ev);
}

void agw_free(struct agw *a)
{
	if (a == NULL)
		return;
	agw_ops_free(a->ops);
	agw_iq_server_free(a->iq);
	if (a->table != NULL) {
		enum gw_err err;

		(void)agw_context_release_all(a->table, NULL, 0, AGW_WHY_SHUTDOWN);
		err = agw_context_table_attach(a->table, NULL);
		(void)err; /* letting go cannot fail */
	}
	agw_context_table_free(a->table);
	agw_pool_free(a->pool);
	free_event(a->poll);
	free_event(a->term);
	free_event(a->intr);
	if (a->base != NULL)
		event_base_free(a->base);
	free(a);
}

int agw_run(struct agw *a)
{
	GW_LOG(GW_LOG_INFO, "agw.ready", "id=%s iq_port=%u", a->parts.agw_id,
	       agw_iq_server_port(a->iq));
	if (event_base_dispatch(a->base) < 0) {
		GW_LOG(GW_LOG_ERROR, "agw.loop", "why=\"%s\"", "the event loop failed");
		return EXIT_FAILURE;
	}
	GW_LOG(GW_LOG_INFO, "agw.stopped", "forced=%d", !a->finishing);
	return EXIT_SUCCESS;
}
