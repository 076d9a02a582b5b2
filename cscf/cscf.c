/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The process object (cscf.h): wiring of the parts, start and stop (cscf_end.c).
 *
 *   tokens ─> iq ─> stack ─> registrar ─> regevent, emergency ─> session ─> listener ─> ops
 *
 * The stack's callbacks are dealt out here: REGISTER to the registrar, NOTIFYs of our own
 * subscriptions to regevent, all else to the session.
 */
#include "cscf/cscf_int.h"

#include "common/log.h"
#include "common/process.h"
#include "cscf/drain.h"
#include "cscf/sip/ws_link.h"

#include <event2/event.h>
#include <stdlib.h>

#define GW_LOG_MOD "cscf"
#define FDS_OWN    256

/* ---- callbacks of the stack and the registrar --------------------------------------------------
 */

static void on_request(void *arg, gw_handle server, const struct cscf_sip_msg *msg,
		       const struct cscf_sip_flow *flow)
{
	struct cscf *c = arg;

	if (cscf_sip_msg_method(msg) == CSCF_SIP_REGISTER && flow->side == CSCF_SIP_W2)
		cscf_registrar_on_register(c->registrar, server, msg, flow);
	else if (!cscf_regevent_on_request(c->regevent, server, msg, flow))
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

static bool is_emergency(void *arg, const struct cscf_sip_msg *req,
			 const struct cscf_sip_flow *flow)
{
	const struct cscf *c = arg;

	return cscf_emergency_is(c->emergency, req, flow);
}

static bool comes_back(void *arg, const struct cscf_sip_msg *req)
{
	const struct cscf *c = arg;

	return c->drain_open && cscf_registrar_comes_back(c->registrar, req);
}

static bool admit_emergency(void *arg, const struct cscf_sip_msg *req,
			    const struct cscf_sip_flow *flow)
{
	const struct cscf *c = arg;

	return cscf_emergency_admit(c->emergency, req, flow);
}

static void on_wire(void *arg, const struct cscf_sip_wire *w)
{
	struct cscf *c = arg;

	cscf_story_wire(c->story, w);
}

static const struct cscf_sip_stack_cbs stack_cbs = {
    .on_request = on_request,
    .on_ack = on_ack,
    .on_cancel = on_cancel,
    .on_server_done = on_server_done,
    .on_flow_closed = on_flow_closed,
    .is_emergency = is_emergency,
    .comes_back = comes_back,
    .admit_emergency = admit_emergency,
    .on_wire = on_wire,
};

static void on_reg_event(void *arg, enum cscf_registrar_event event, gw_handle assoc,
			 uint64_t old_conn, uint64_t conn)
{
	struct cscf *c = arg;

	if (c->session == NULL)
		return; /* all is being freed */
	cscf_session_on_reg_event(c->session, event, assoc, old_conn, conn);
	cscf_drain_flow_changed(c);
}

static bool has_dialogs(void *arg, gw_handle assoc)
{
	const struct cscf *c = arg;

	return c->session != NULL && cscf_session_has_calls(c->session, assoc);
}

static void on_user(void *arg, const struct cscf_registrar_user *user)
{
	struct cscf *c = arg;

	cscf_regevent_on_user(c->regevent, user);
}

static void on_user_gone(void *arg, const char *impi)
{
	struct cscf *c = arg;

	cscf_regevent_on_user_gone(c->regevent, impi);
}

static const struct cscf_registrar_cbs registrar_cbs = {.has_dialogs = has_dialogs,
							.on_event = on_reg_event,
							.on_user = on_user,
							.on_user_gone = on_user_gone};

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

static enum gw_err start_registrar(struct cscf *c)
{
	struct cscf_registrar_parts parts = {
	    .base = c->base, .stack = c->stack, .tokens = &c->tokens, .authz = c->authz};

	return cscf_registrar_new(&c->registrar, &c->parts.registrar, &parts, &registrar_cbs, c);
}

static enum gw_err start_regevent(struct cscf *c)
{
	struct cscf_regevent_parts parts = {
	    .base = c->base, .stack = c->stack, .registrar = c->registrar};

	return cscf_regevent_new(&c->regevent, &c->parts.regevent, &parts);
}

static enum gw_err start_emergency(struct cscf *c, char *why, size_t n)
{
	struct cscf_emergency_parts parts = {.stack = c->stack, .registrar = c->registrar};

	return cscf_emergency_new(&c->emergency, &c->parts.emergency, &parts, why, n);
}

static enum gw_err start_probe(struct cscf *c)
{
	struct cscf_probe_config cfg = {.entry_points = &c->cfg->home_entry_points,
					.home_domains = &c->cfg->home_domains,
					.interval = c->cfg->home_options_interval,
					.timeout = c->cfg->home_options_timeout};

	return cscf_probe_new(&c->probe, c->base, c->stack, &cfg);
}

static enum gw_err start_session(struct cscf *c)
{
	struct cscf_session_parts parts = {
	    .base = c->base,
	    .stack = c->stack,
	    .registrar = c->registrar,
	    .authz = c->authz,
	    .emergency = c->emergency,
	    .iq = c->iq,
	    .story = c->story,
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
	    .authz = c->authz,
	    .registrar = c->registrar,
	    .probe = c->probe,
	    .regevent = c->regevent,
	    .emergency = c->emergency,
	    .iq = c->iq,
	    .session = c->session,
	    .story = c->story,
	};

	return cscf_ops_new(&c->ops, &parts, c->cfg->ops_listen, c->cfg->ops_ctl_socket,
			    &cscf_end_ops_cbs, c);
}

static enum gw_err start_parts(struct cscf *c)
{
	const char *part = "config";
	char why[256] = "";
	enum gw_err err = cscf_config_finish(c->cfg, &c->parts, true, why, sizeof(why));

	if (err == GW_OK) {
		part = "signals";
		err = cscf_end_init(c);
	}
	if (err == GW_OK)
		err = cscf_sip_flow_token_init(&c->tokens, c->cfg->flow_token_key);
	if (err == GW_OK) {
		part = "explain";
		err = cscf_story_new(&c->story, &c->parts.story);
	}
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
		part = "token";
		err = cscf_authz_new(&c->authz, c->base, &c->cfg->token, NULL, why, sizeof(why));
	}
	if (err == GW_OK) {
		part = "registrar";
		err = start_registrar(c);
	}
	if (err == GW_OK) {
		part = "probe";
		err = start_probe(c);
	}
	if (err == GW_OK) {
		part = "regevent";
		err = start_regevent(c);
	}
	if (err == GW_OK) {
		part = "emergency";
		err = start_emergency(c, why, sizeof(why));
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

enum gw_err cscf_new(struct cscf **out, struct cscf_config *cfg,
		     const struct gw_conf_source *source)
{
	struct cscf *c = calloc(1, sizeof(*c));
	enum gw_err err = GW_ERR_NOMEM;

	if (c == NULL)
		return err;
	c->cfg = cfg;
	c->source = source;
	c->base = cscf_ws_base_new();
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
	cscf_regevent_free(c->regevent);
	cscf_probe_free(c->probe);
	cscf_registrar_free(c->registrar);
	cscf_authz_free(c->authz);
	cscf_sip_stack_free(c->stack);
	cscf_emergency_free(c->emergency);
	cscf_iq_free(c->iq);
	cscf_story_free(c->story);
	cscf_end_fini(c);
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
