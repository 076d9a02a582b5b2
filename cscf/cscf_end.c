/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How the process ends and changes while it runs: signals, the operator's drain (drain.c), the
 * steps of a planned stop (calls end, idle WICs leave, our BYEs are answered, WebSockets close),
 * each with a deadline. Spec: WS-35, architecture 7. Thread: the cscf loop.
 */
#include "cscf/cscf_int.h"

#include "common/log.h"
#include "cscf/drain.h"

#include <event2/event.h>
#include <signal.h>
#include <time.h>

#define GW_LOG_MOD "cscf"
#define POLL_MS    100  /* while waiting for the last calls and connections */
#define BYE_MS     5000 /* for the answers to our own BYEs at the end */

static int64_t now_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (int64_t)ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

static bool ops_drain(void *arg, bool on)
{
	struct cscf *c = arg;

	if (c->ending != RUNNING)
		return false;
	cscf_drain_set(c, on);
	return true;
}

static bool ops_is_draining(void *arg)
{
	const struct cscf *c = arg;

	return c->draining;
}

const struct cscf_ops_cbs cscf_end_ops_cbs = {.drain = ops_drain, .is_draining = ops_is_draining};

static void close_websockets(struct cscf *c)
{
	c->ending = WEBSOCKETS_CLOSE;
	c->deadline_ms = now_ms() + c->cfg->ws_drain_time;
	cscf_ws_listener_drain(c->listener, CSCF_WS_GOING_AWAY, "shutting down");
}

/* One step of the end per tick, each with a deadline. */
static void on_poll(evutil_socket_t fd, short what, void *arg)
{
	struct cscf *c = arg;
	struct cscf_session_counts counts;
	bool late = now_ms() >= c->deadline_ms;

	(void)fd;
	(void)what;
	cscf_session_counts(c->session, &counts);
	switch (c->ending) {
	case RUNNING:
		break;
	case CALLS_END:
		if (counts.calls == 0 && counts.proxied == 0 && (cscf_drain_all_told(c) || late)) {
			close_websockets(c);
		} else if (late) {
			GW_LOG(GW_LOG_WARN, "cscf.grace_over", "calls=%zu", counts.calls);
			cscf_session_release_all(c->session);
			c->ending = BYES_OUT;
			c->deadline_ms = now_ms() + BYE_MS;
		}
		break;
	case BYES_OUT:
		if (counts.calls == 0 || late)
			close_websockets(c);
		break;
	case WEBSOCKETS_CLOSE:
		if (cscf_ws_listener_counts(c->listener).open == 0 || late)
			(void)event_base_loopbreak(c->base);
		break;
	}
}

/* The whole configuration is read and checked as at the start; only emergency.* is taken. */
static void reload_emergency(struct cscf *c)
{
	struct cscf_config cfg = {0};
	struct cscf_emergency_config emergency;
	char why[256] = "";
	enum gw_err err;

	if (c->source == NULL)
		return;
	err = gw_conf_load(cscf_config_keys, cscf_config_n_keys, &cfg, c->source, why, sizeof(why));
	if (err != GW_OK) {
		cscf_emergency_reload_failed(c->emergency, why);
	} else {
		cscf_config_emergency(&emergency, &cfg);
		emergency.home_domains = &c->cfg->home_domains; /* as all else still has them */
		(void)!cscf_emergency_reload(c->emergency, &emergency, why, sizeof(why));
	}
	gw_conf_free(cscf_config_keys, cscf_config_n_keys, &cfg);
}

static void on_signal(evutil_socket_t sig, short what, void *arg)
{
	static const struct timeval tick = {.tv_usec = POLL_MS * 1000};
	struct cscf *c = arg;
	char why[256] = "";

	(void)what;
	if (sig == SIGHUP) {
		enum gw_err err = cscf_ws_tls_reload(c->listener, why, sizeof(why));

		GW_LOG(err == GW_OK ? GW_LOG_INFO : GW_LOG_ERROR, "cscf.tls_reload",
		       "err=%s why=\"%s\"", gw_err_name(err), why);
		reload_emergency(c);
		return;
	}
	if (c->ending != RUNNING) {
		GW_LOG(GW_LOG_WARN, "cscf.forced", "signal=%d", (int)sig);
		(void)event_base_loopbreak(c->base);
		return;
	}
	GW_LOG(GW_LOG_INFO, "cscf.stopping", "signal=%d grace_ms=%lld", (int)sig,
	       (long long)c->cfg->shutdown_grace);
	c->ending = CALLS_END;
	c->deadline_ms = now_ms() + c->cfg->shutdown_grace;
	cscf_drain_set(c, true);
	cscf_ws_listener_stop_accepting(c->listener);
	(void)event_add(c->poll, &tick);
}

enum gw_err cscf_end_init(struct cscf *c)
{
	static const int which[] = {SIGTERM, SIGINT, SIGHUP};

	(void)signal(SIGPIPE, SIG_IGN);
	for (size_t i = 0; i < sizeof(which) / sizeof(which[0]); i++) {
		c->signals[i] = evsignal_new(c->base, which[i], on_signal, c);
		if (c->signals[i] == NULL || event_add(c->signals[i], NULL) != 0)
			return GW_ERR_NOMEM;
	}
	c->poll = event_new(c->base, -1, EV_PERSIST, on_poll, c);
	return c->poll != NULL ? cscf_drain_init(c) : GW_ERR_NOMEM;
}

void cscf_end_fini(struct cscf *c)
{
	for (size_t i = 0; i < sizeof(c->signals) / sizeof(c->signals[0]); i++)
		if (c->signals[i] != NULL)
			event_free(c->signals[i]);
	cscf_drain_fini(c);
	(void)signal(SIGHUP, SIG_IGN); /* a reload that comes too late ends nobody */
	if (c->poll != NULL)
		event_free(c->poll);
}
