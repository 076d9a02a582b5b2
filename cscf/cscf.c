/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The process object (cscf.h): wiring of the parts, signals, drain and end.
 *
 *   tokens ─> iq ─> stack ─> registrar ─> session ─> listener ─> ops
 *
 * The stack's callbacks are dealt out here: REGISTER to the registrar, all else to the session.
 */
#include "cscf/cscf.h"

#include "common/log.h"
#include "common/process.h"
#include "cscf/ops/ops.h"
#include "cscf/sip/ws_link.h"

#include <event2/event.h>
#include <signal.h>
#include <stdlib.h>

#define GW_LOG_MOD "cscf"
#define POLL_MS    100  /* while waiting for the last calls and connections */
#define BYE_MS     5000 /* for the answers to our own BYEs at the end */
#define FDS_OWN    256

enum ending { RUNNING, CALLS_END, BYES_OUT, WEBSOCKETS_CLOSE };

struct cscf {
	struct cscf_config *cfg; /* borrowed */
	struct cscf_config_parts parts;
	struct cscf_sip_flow_token_ctx tokens;
	struct event_base *base; /* owned, like all below */
	struct cscf_iq *iq;
	struct cscf_sip_stack *stack;
	struct cscf_registrar *registrar;
	struct cscf_session *session;
	struct cscf_ws_listener *listener;
	struct cscf_ops *ops;
	struct event *signals[3];
	struct event *poll;
	bool draining;
	enum ending ending;
	int64_t deadline_ms;
};

static int64_t now_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (int64_t)ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

/* ---- callbacks of the stack and the registrar --------------------------------------------------
 */

static void on_request(void *arg, gw_handle server, const struct cscf_sip_msg *msg,
		       const struct cscf_sip_flow *flow)
{
	struct cscf *c = arg;

	if (cscf_sip_msg_method(msg) == CSCF_SIP_REGISTER && flow->side == CSCF_SIP_W2)
		cscf_registrar_on_register(c->registrar, server, msg, flow);
	else
		cscf_session_on_request(c->session, server, msg, flow);
}

static void on_ack(void *arg, const struct cscf_sip_msg *msg, const struct cscf_sip_flow *flow)
{
	struct cscf *c = arg;

	cscf_session_on_ack(c->session, msg, flow);
}

static void on_cancel(void *arg, gw_handle server, const struct cscf_sip_msg *cancel)
{
	struct cscf *c = arg;

	cscf_session_on_cancel(c->session, server, cancel);
}

static void on_server_done(void *arg, gw_handle server, bool acked)
{
	struct cscf *c = arg;

	if (c->session != NULL) /* the connections are closed after it at the end */
		cscf_session_on_server_done(c->session, server, acked);
}

static void on_flow_closed(void *arg, const struct cscf_sip_flow *flow)
{
	struct cscf *c = arg;

	cscf_registrar_on_flow_closed(c->registrar, flow->conn);
}

static const struct cscf_sip_stack_cbs stack_cbs = {
    .on_request = on_request,
    .on_ack = on_ack,
    .on_cancel = on_cancel,
    .on_server_done = on_server_done,
    .on_flow_closed = on_flow_closed,
};

static void on_reg_event(void *arg, enum cscf_registrar_event event, gw_handle assoc,
			 uint64_t old_conn, uint64_t conn)
{
	struct cscf *c = arg;

	if (c->session != NULL)
		cscf_session_on_reg_event(c->session, event, assoc, old_conn, conn);
}

static const struct cscf_registrar_cbs registrar_cbs = {.on_event = on_reg_event};

/* ---- drain and end
 * -------------------------------------------------------------------------------- */

static void set_drain(struct cscf *c, bool on)
{
	c->draining = on;
	cscf_sip_stack_drain(c->stack, on, (unsigned)c->parts.session.retry_after_s);
	GW_LOG(GW_LOG_INFO, "cscf.drain", "on=%d", (int)on);
}

static bool ops_drain(void *arg, bool on)
{
	struct cscf *c = arg;

	if (c->ending != RUNNING)
		return false;
	set_drain(c, on);
	return true;
}

static bool ops_is_draining(void *arg)
{
	const struct cscf *c = arg;

	return c->draining;
}

static const struct cscf_ops_cbs ops_cbs = {.drain = ops_drain, .is_draining = ops_is_draining};

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
		if (counts.calls == 0 && counts.proxied == 0) {
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
	set_drain(c, true);
	cscf_ws_listener_stop_accepting(c->listener);
	(void)event_add(c->poll, &tick);
}

/* ---- the beginning
 * --------------------------------------------------------------------------------- */

static void raise_fd_limit(const struct cscf_config *cfg)
{
	int64_t need = cfg->ws_max_connections + cfg->sip.max_tcp_conns + FDS_OWN;
	int64_t limit = gw_process_raise_fd_limit(cfg->limits_fds);

	if (limit >= 0 && limit < need)
		GW_LOG(GW_LOG_WARN, "cscf.few_fds", "limit=%lld full_load_needs=%lld",
		       (long long)limit, (long long)need);
}

static enum gw_err start_signals(struct cscf *c)
{
	static const int which[] = {SIGTERM, SIGINT, SIGHUP};

	(void)signal(SIGPIPE, SIG_IGN);
	for (size_t i = 0; i < sizeof(which) / sizeof(which[0]); i++) {
		c->signals[i] = evsignal_new(c->base, which[i], on_signal, c);
		if (c->signals[i] == NULL || event_add(c->signals[i], NULL) != 0)
			return GW_ERR_NOMEM;
	}
	c->poll = event_new(c->base, -1, EV_PERSIST, on_poll, c);
	return c->poll != NULL ? GW_OK : GW_ERR_NOMEM;
}

static enum gw_err start_registrar(struct cscf *c)
{
	struct cscf_registrar_parts parts = {
	    .base = c->base, .stack = c->stack, .tokens = &c->tokens};

	return cscf_registrar_new(&c->registrar, &c->parts.registrar, &parts, &registrar_cbs, c);
}

static enum gw_err start_session(struct cscf *c)
{
	struct cscf_session_parts parts = {
	    .base = c->base,
	    .stack = c->stack,
	    .registrar = c->registrar,
	    .iq = c->iq,
	    .tokens = &c->tokens,
	    .sdp_policy = &c->parts.sdp,
	};

	return cscf_session_new(&c->session, &c->parts.session, &parts);
}

static enum gw_err start_listener(struct cscf *c, char *why, size_t n)
{
	enum gw_err err = cscf_ws_listener_new(&c->listener, c->base, &c->parts.ws,
					       &cscf_sip_ws_cbs, c->stack, why, n);

	if (err == GW_OK)
		cscf_sip_stack_attach_ws(c->stack, c->listener);
	return err;
}

static enum gw_err start_ops(struct cscf *c)
{
	struct cscf_ops_parts parts = {
	    .base = c->base,
	    .listener = c->listener,
	    .stack = c->stack,
	    .registrar = c->registrar,
	    .iq = c->iq,
	    .session = c->session,
	};

	return cscf_ops_new(&c->ops, &parts, c->cfg->ops_listen, c->cfg->ops_ctl_socket, &ops_cbs,
			    c);
}

static enum gw_err start_parts(struct cscf *c)
{
	const char *part = "config";
	char why[256] = "";
	enum gw_err err = cscf_config_finish(c->cfg, &c->parts, true, why, sizeof(why));

	if (err == GW_OK) {
		part = "signals";
		err = start_signals(c);
	}
	if (err == GW_OK)
		err = cscf_sip_flow_token_init(&c->tokens, c->cfg->flow_token_key);
	if (err == GW_OK) {
		part = "iq";
		err = cscf_iq_new(&c->iq, c->base, &c->parts.iq, why, sizeof(why));
	}
	if (err == GW_OK) {
		part = "sip";
		err = cscf_sip_stack_new(&c->stack, c->base, &c->cfg->sip, &stack_cbs, c, NULL,
					 NULL, why, sizeof(why));
	}
	if (err == GW_OK) {
		part = "registrar";
		err = start_registrar(c);
	}
	if (err == GW_OK) {
		part = "session";
		err = start_session(c);
	}
	if (err == GW_OK) {
		part = "ws";
		err = start_listener(c, why, sizeof(why));
	}
	if (err == GW_OK) {
		part = "ops";
		err = start_ops(c);
	}
	if (err != GW_OK)
		GW_LOG(GW_LOG_ERROR, "cscf.start_failed", "part=%s err=%s why=\"%s\"", part,
		       gw_err_name(err), why);
	return err;
}

enum gw_err cscf_new(struct cscf **out, struct cscf_config *cfg)
{
	struct cscf *c = calloc(1, sizeof(*c));
	enum gw_err err = GW_ERR_NOMEM;

	if (c == NULL)
		return err;
	c->cfg = cfg;
	c->base = event_base_new();
	if (c->base != NULL) {
		raise_fd_limit(cfg);
		err = start_parts(c);
	}
	if (err != GW_OK) {
		cscf_free(c);
		return err;
	}
	*out = c;
	return GW_OK;
}

void cscf_free(struct cscf *c)
{
	if (c == NULL)
		return;
	cscf_ops_free(c->ops);
	if (c->session != NULL)
		cscf_session_free(c->session);
	c->session = NULL;
	/* The connections' ends are told to the stack and the registrar while those still live. */
	cscf_ws_listener_free(c->listener);
	if (c->stack != NULL)
		cscf_sip_stack_attach_ws(c->stack, NULL);
	cscf_registrar_free(c->registrar);
	cscf_sip_stack_free(c->stack);
	cscf_iq_free(c->iq);
	for (size_t i = 0; i < 3; i++)
		if (c->signals[i] != NULL)
			event_free(c->signals[i]);
	if (c->poll != NULL)
		event_free(c->poll);
	if (c->base != NULL)
		event_base_free(c->base);
	free(c);
}

int cscf_run(struct cscf *c)
{
	GW_LOG(GW_LOG_INFO, "cscf.ready", "mw=%s wss_port=%u ws_port=%u controller=%s",
	       cscf_sip_stack_mw_hostport(c->stack), cscf_ws_listener_port(c->listener, true),
	       cscf_ws_listener_port(c->listener, false), c->cfg->iq_controller_id);
	if (event_base_dispatch(c->base) < 0) {
		GW_LOG(GW_LOG_ERROR, "cscf.loop", "why=\"%s\"", "the event loop failed");
		return EXIT_FAILURE;
	}
	GW_LOG(GW_LOG_INFO, "cscf.stopped", "ending=%d", (int)c->ending);
	return EXIT_SUCCESS;
}
