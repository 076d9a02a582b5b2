/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Requests that are no part of a call: MESSAGE, OPTIONS, SUBSCRIBE and its NOTIFYs, PUBLISH,
 * REFER, unknown methods. Relayed with identity, charging and routing like calls, and with
 * nothing kept beyond the transaction: later requests of a subscription find their way by the
 * flow token in Record-Route.
 * Thread: the cscf loop. Spec: CALL-38; ID-01..04, 06, 08, 13, 15, 16; WS-32; DEREG-42.
 */
#include "cscf/session/session_int.h"

#include "cscf/registrar/network.h"
#include "cscf/registrar/trust.h"
#include "cscf/session/seal.h"

#define GW_LOG_MOD  "session"
#define MAX_PROXIED 20000

struct proxied {
	struct proxied *prev, *next;
	struct cscf_session *s; /* borrowed */
	gw_handle server, client;
	enum side from;
	uint64_t conn;   /* the WIC's connection */
	gw_handle assoc; /* of the WIC */
	bool opens_dialog;
	char *called;                /* owned: P-Called-Party-ID of the core's request */
	bool by_service_route;       /* nothing else said where to go */
	char *pcv;                   /* owned: towards the core */
	struct emergency *emergency; /* owned; NULL = an ordinary request */
};

static void proxied_free(struct proxied *p)
{
	DL_DELETE(p->s->proxied, p);
	p->s->n_proxied--;
	emergency_free(p->emergency);
	free(p->pcv);
	free(p->called);
	free(p);
}

static bool forms_dialog(enum cscf_sip_method m)
{
	return m == CSCF_SIP_SUBSCRIBE || m == CSCF_SIP_REFER || m == CSCF_SIP_NOTIFY;
}

static enum gw_err prepare_response(struct proxied *p, struct cscf_sip_msg *rsp)
{
	enum gw_err err;

	if (p->from == SIDE_WIC) {
		err = cscf_trust_strip_to_wic(rsp);
		if (err == GW_OK)
			err = token_hide_challenge(p->s, p->assoc, rsp);
		if (err == GW_OK && p->opens_dialog && cscf_sip_msg_status(rsp) / 100 == 2)
			err = seal_dialog(p->s, rsp, p->conn, p->pcv);
		return err;
	}
	err = leg_strip_answer(p->s, p->conn, p->assoc, p->called, rsp);
	if (err == GW_OK && p->pcv != NULL)
		err = cscf_sip_msg_hdr_set(rsp, "P-Charging-Vector", p->pcv);
	return err;
}

static bool try_next_ecscf(struct proxied *p, const struct cscf_sip_msg *rsp,
			   const struct cscf_sip_response_info *info);

static void on_response(void *arg, gw_handle client, const struct cscf_sip_msg *rsp,
			const struct cscf_sip_response_info *info)
{
	struct proxied *p = arg;
	struct cscf_sip_msg *copy = NULL;
	int status = cscf_sip_msg_status(rsp);
	enum gw_err err;

	(void)client;
	if (p->emergency != NULL && try_next_ecscf(p, rsp, info))
		return;
	if (info->local) { /* 4.12: what an unreachable side means to the other */
		if (p->from == SIDE_CORE)
			status = status == 408 ? 408 : 480;
		else
			status = status == 408 ? 504 : 500;
		if (p->by_service_route && restoration_is_due(info) &&
		    restoration_reply(p->s, p->server, p->assoc))
			return;
		cscf_sip_reply(p->s->p.stack, p->server, status, NULL, (char *)NULL);
		return;
	}
	if (p->from == SIDE_WIC)
		restoration_heed(p->s, rsp, p->assoc);
	err = cscf_sip_msg_clone(&copy, rsp);
	if (err == GW_OK)
		err = prepare_response(p, copy);
	if (err == GW_OK)
		err = leg_hide_sdp(copy, true);
	if (err == GW_OK && status == 503 && p->from == SIDE_WIC)
		err = cscf_sip_msg_set_status(copy, 500, NULL);
	if (err == GW_OK) {
		err = cscf_sip_respond(p->s->p.stack, p->server, copy);
		copy = NULL;
	}
	cscf_sip_msg_free(copy);
	if (err != GW_OK)
		GW_LOG_LIMITED(GW_LOG_WARN, "session.respond_failed", "status=%d err=%s", status,
			       gw_err_name(err));
}

static void on_done(void *arg, gw_handle client)
{
	(void)client;
	proxied_free(arg);
}

static const struct cscf_sip_client_cbs client_cbs = {.on_response = on_response,
						      .on_done = on_done};

/* On to the next hop of its Route; msg is consumed. */
static enum gw_err send_to_core(struct proxied *p, struct cscf_sip_msg *msg)
{
	struct cscf_sip_client_opt opt = {
	    .timeout_ms = p->emergency != NULL ? emergency_patience_ms(p->s) : 0};
	char *uri = gw_slice_dup(cscf_sip_msg_next_hop(msg));
	struct cscf_sip_dest dest = {.uris = (const char *const *)&uri, .n_uris = 1};
	enum gw_err err = uri != NULL ? GW_OK : GW_ERR_NOMEM;

	if (err == GW_OK && p->emergency != NULL && p->emergency->sent == NULL)
		err = emergency_keep(p->emergency, msg);
	if (err == GW_OK)
		err = cscf_sip_request(p->s->p.stack, msg, &dest, &opt, &client_cbs, p, &p->client);
	else
		cscf_sip_msg_free(msg);
	free(uri);
	return err;
}

/* @return true: the answer is not the WIC's; another E-CSCF has the request, or it got 380 */
static bool try_next_ecscf(struct proxied *p, const struct cscf_sip_msg *rsp,
			   const struct cscf_sip_response_info *info)
{
	const struct cscf_sip_msg *req = cscf_sip_server_request(p->s->p.stack, p->server);
	gw_handle before = p->client;
	struct cscf_sip_msg *next;

	if (!emergency_next(p->emergency, rsp, info, &next))
		return false;
	if (next != NULL && send_to_core(p, next) == GW_OK) {
		cscf_sip_client_detach(p->s->p.stack, before);
		return true;
	}
	p->client = before; /* its end frees us */
	if (req != NULL)
		cscf_emergency_not_reached(p->s->p.emergency, p->server, req, &p->emergency->match);
	return true;
}

/* msg is ready; it and what `about` owns are consumed. Nothing is answered on an error
 * (GW_ERR_GONE: no way to the WIC). */
static enum gw_err forward(const struct proxied *about, struct cscf_sip_msg *msg)
{
	struct cscf_session *s = about->s;
	bool full = s->n_proxied >= MAX_PROXIED;
	struct proxied *p = full ? NULL : calloc(1, sizeof(*p));
	struct cscf_sip_dest dest = {0};
	struct cscf_sip_flow flow;
	enum gw_err err = GW_ERR_GONE;

	if (p == NULL) {
		cscf_sip_msg_free(msg);
		emergency_free(about->emergency);
		free(about->pcv);
		free(about->called);
		return full ? GW_ERR_LIMIT : GW_ERR_NOMEM;
	}
	*p = *about;
	DL_APPEND(s->proxied, p);
	s->n_proxied++;
	if (p->from == SIDE_WIC) {
		err = send_to_core(p, msg);
	} else if (cscf_sip_conn_alive(s->p.stack, p->conn, &flow)) {
		dest.flow = &flow;
		err = cscf_sip_request(s->p.stack, msg, &dest, NULL, &client_cbs, p, &p->client);
	} else {
		cscf_sip_msg_free(msg);
	}
	if (err == GW_OK) {
		gw_metric_inc(&session_metrics[SM_PROXIED]);
		return GW_OK;
	}
	proxied_free(p);
	return err;
}

static void refuse(struct cscf_session *s, gw_handle server, const struct cscf_sip_msg *req,
		   int status, enum gw_err err)
{
	session_refuse(s, server, req, status, refusal_of(status, err), NULL);
}

static enum gw_err prepare_from_wic(struct cscf_session *s, struct cscf_sip_msg *msg,
				    const struct cscf_registrar_identity *id, bool in_dialog,
				    const char *pcv, const struct emergency *emergency)
{
	enum gw_err err = cscf_sip_msg_drop_sdp(msg, true);
	unsigned own;

	if (err == GW_OK)
		err = cscf_trust_strip_from_wic(msg);
	(void)cscf_sip_msg_hdr_del(msg, "Record-Route"); /* a WIC is no proxy */
	if (err == GW_OK)
		err = leg_prepare_request(msg, SIDE_CORE);
	own = route_pop_own(s, msg, SIDE_WIC);
	if (err == GW_OK && in_dialog)
		return own > 0 ? cscf_sip_msg_hdr_set(msg, "P-Charging-Vector", pcv)
			       : GW_ERR_NOT_FOUND;
	for (size_t i = 0; err == GW_OK && i < id->n_pai; i++)
		err = cscf_sip_msg_hdr_append(msg, "P-Asserted-Identity", id->pai[i]);
	if (err == GW_OK)
		err = cscf_sip_msg_hdr_set(msg, "P-Charging-Vector", pcv);
	if (err == GW_OK && emergency != NULL)
		return emergency_address(emergency, msg);
	if (err == GW_OK)
		err = leg_add_cfa(s, msg, id);
	if (err == GW_OK && id->n_service_route == 0)
		err = GW_ERR_STATE;
	if (err == GW_OK)
		err = route_enforce(s, msg, id->service_route, id->n_service_route);
	return err;
}

static int status_of(enum gw_err err)
{
	if (err == GW_ERR_DENIED || err == GW_ERR_PARSE)
		return 400;
	return err == GW_ERR_NOT_FOUND ? 481 : 500;
}

/* No request came of it: an emergency is told so in its own way. */
static void not_sent(struct cscf_session *s, gw_handle server, const struct cscf_sip_msg *msg,
		     const struct cscf_emergency_order *order, int status, enum gw_err err)
{
	if (order != NULL)
		cscf_emergency_not_reached(s->p.emergency, server, msg, &order->match);
	else
		refuse(s, server, msg, status, err);
}

void proxy_from_wic(struct cscf_session *s, gw_handle server, const struct cscf_sip_msg *msg,
		    const struct cscf_sip_flow *flow, const struct cscf_emergency_order *order)
{
	bool in_dialog = cscf_sip_msg_to_tag(msg).n > 0;
	struct cscf_registrar_identity id;
	struct cscf_sip_msg *copy = NULL;
	struct emergency *emergency = NULL;
	char icid[SEAL_ICID_MAX + 1] = "", *pcv;
	enum gw_err err, route_err;

	if (!session_identify(s, msg, flow->conn, &id)) {
		gw_metric_inc(&session_metrics[SM_UNREGISTERED]);
		session_refuse(s, server, msg, 403, REFUSAL_UNREGISTERED, NULL);
		return;
	}
	if (order == NULL && route_token_foreign(s, msg, flow->conn)) {
		gw_metric_inc(&session_metrics[SM_NOT_YOURS]);
		session_refuse(s, server, msg, 403, REFUSAL_FOREIGN_FLOW, NULL);
		return;
	}
	route_err = in_dialog ? seal_check(s, msg, flow->conn, icid) : GW_OK;
	if (route_err != GW_OK) { /* it would lead out of its dialog, or has none (ID-07) */
		int status = status_of(route_err);

		gw_metric_inc(&session_metrics[status == 400 ? SM_ROUTE_REPLACED : SM_NO_DIALOG]);
		refuse(s, server, msg, status, route_err);
		return;
	}
	pcv = leg_pcv(s, icid);
	err = pcv != NULL ? cscf_sip_msg_clone(&copy, msg) : GW_ERR_NOMEM;
	if (err == GW_OK && order != NULL)
		err = emergency_new(&emergency, order);
	if (err == GW_OK)
		err = prepare_from_wic(s, copy, &id, in_dialog, pcv, emergency);
	if (err == GW_OK && forms_dialog(cscf_sip_msg_method(msg)))
		err = route_record(s, copy, flow->conn, true);
	if (err != GW_OK) {
		cscf_sip_msg_free(copy);
		emergency_free(emergency);
		free(pcv);
		not_sent(s, server, msg, order, status_of(err), err);
		return;
	}
	err = forward(&(struct proxied){.s = s,
					.server = server,
					.from = SIDE_WIC,
					.conn = flow->conn,
					.assoc = id.assoc,
					.opens_dialog = forms_dialog(cscf_sip_msg_method(msg)),
					.by_service_route = !in_dialog && order == NULL,
					.pcv = pcv,
					.emergency = emergency},
		      copy);
	if (err != GW_OK)
		not_sent(s, server, msg, order, err == GW_ERR_GONE ? 480 : 500, err);
}

void proxy_from_core(struct cscf_session *s, gw_handle server, const struct cscf_sip_msg *msg,
		     bool in_dialog)
{
	struct gw_slice token = route_own_token(msg), v;
	struct cscf_registrar_target target;
	enum cscf_registrar_reach reach = cscf_registrar_reach(
	    s->p.registrar, token, in_dialog ? GW_SLICE_NONE : cscf_sip_msg_uri(msg), &target);
	struct cscf_sip_msg *copy = NULL;
	char *pcv = NULL, *called = NULL;
	enum gw_err err;

	/* a subscription outlives the registration by its last NOTIFY (DEREG-23, DEREG-25) */
	if (reach == CSCF_REGISTRAR_UNKNOWN && in_dialog &&
	    cscf_sip_msg_method(msg) == CSCF_SIP_NOTIFY &&
	    cscf_registrar_open_conn(s->p.registrar, token, &target.conn))
		reach = CSCF_REGISTRAR_LIVE;
	if (reach != CSCF_REGISTRAR_LIVE) {
		int status = cscf_registrar_reach_status(reach);

		gw_metric_inc(&session_metrics[SM_UNREACHABLE]);
		session_refuse(s, server, msg, in_dialog && status == 404 ? 481 : status,
			       reach == CSCF_REGISTRAR_FORGED ? REFUSAL_FOREIGN_FLOW
							      : REFUSAL_UNREACHABLE,
			       NULL);
		return;
	}
	if (cscf_sip_msg_hdr(msg, "P-Charging-Vector", &v))
		pcv = gw_slice_dup(v);
	if (cscf_sip_msg_hdr(msg, "P-Called-Party-ID", &v))
		called = gw_slice_dup(v);
	err = cscf_sip_msg_clone(&copy, msg);
	if (err == GW_OK)
		err = cscf_sip_msg_drop_sdp(copy, true);
	if (err == GW_OK)
		err = cscf_trust_strip_to_wic(copy);
	if (err == GW_OK)
		err = leg_prepare_request(copy, SIDE_WIC);
	if (err == GW_OK) {
		cscf_sip_msg_hdr_del(copy, "Route");
		if (forms_dialog(cscf_sip_msg_method(msg)))
			err = route_record(s, copy, target.conn, false);
		if (err == GW_OK && forms_dialog(cscf_sip_msg_method(msg)))
			err = seal_dialog(s, copy, target.conn, pcv);
	}
	if (err != GW_OK) {
		cscf_sip_msg_free(copy);
		free(pcv);
		free(called);
		refuse(s, server, msg, status_of(err), err);
		return;
	}
	err = forward(&(struct proxied){.s = s,
					.server = server,
					.from = SIDE_CORE,
					.conn = target.conn,
					.assoc = target.assoc,
					.pcv = pcv,
					.called = called},
		      copy);
	if (err != GW_OK)
		refuse(s, server, msg, err == GW_ERR_GONE ? 480 : 500, err);
}

void proxy_free_all(struct cscf_session *s)
{
	struct proxied *p, *tmp;

	DL_FOREACH_SAFE (s->proxied, p, tmp) {
		cscf_sip_client_detach(s->p.stack, p->client);
		proxied_free(p);
	}
}
