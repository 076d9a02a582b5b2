/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Emergency requests of WICs: screened before anything else; those that may proceed go to an
 * E-CSCF as the service they ask for, past the Service-Route and every limit (TS 24.229
 * 5.2.10.4). One that is not to be had is followed by the next; who reached none gets 380.
 *
 *   E-CSCF silent, unreachable, 3xx, 480, 503 ─> the next ─> … ─> 380
 *   any other answer                          ─> the caller's
 *
 * Privacy that the caller asks for is passed on, but does not keep his identity from the E-CSCF.
 * Thread: the cscf loop. Spec: EMG-02, EMG-14, EMG-15.
 */
#include "cscf/session/session_int.h"

#define GW_LOG_MOD "session"
/* An E-CSCF that lives says 100 at once: 8*T1 = 4 s, as ack_timeout is 64*T1. */
#define PATIENCE 8

bool emergency_take(struct cscf_session *s, gw_handle server, const struct cscf_sip_msg *msg,
		    const struct cscf_sip_flow *flow)
{
	struct cscf_emergency_order order;

	switch (cscf_emergency_screen(s->p.emergency, server, msg, flow, &order)) {
	case CSCF_EMERGENCY_PASS:
		return false;
	case CSCF_EMERGENCY_ANSWERED:
		return true;
	case CSCF_EMERGENCY_TO_ECSCF:
		break;
	}
	if (cscf_sip_msg_method(msg) == CSCF_SIP_INVITE)
		call_start_from_wic(s, server, msg, flow, &order);
	else
		proxy_from_wic(s, server, msg, flow, &order);
	return true;
}

enum gw_err emergency_new(struct emergency **out, const struct cscf_emergency_order *order)
{
	struct emergency *e = calloc(1, sizeof(*e));

	if (e == NULL)
		return GW_ERR_NOMEM;
	e->match = order->match;
	e->ecscf = calloc(order->n_ecscf, sizeof(*e->ecscf));
	for (; e->ecscf != NULL && e->n < order->n_ecscf; e->n++) {
		e->ecscf[e->n] = strdup(order->ecscf[e->n]);
		if (e->ecscf[e->n] == NULL)
			break;
	}
	if (e->n < order->n_ecscf) {
		emergency_free(e);
		return GW_ERR_NOMEM;
	}
	*out = e;
	return GW_OK;
}

void emergency_free(struct emergency *e)
{
	if (e == NULL)
		return;
	cscf_sip_texts_free(e->ecscf, e->n);
	cscf_sip_msg_free(e->sent);
	free(e);
}

enum gw_err emergency_address(const struct emergency *e, struct cscf_sip_msg *msg)
{
	enum gw_err err = cscf_sip_msg_set_uri(msg, e->match.urn);

	return err == GW_OK ? cscf_sip_msg_values_set(msg, "Route", &e->ecscf[e->at], 1) : err;
}

enum gw_err emergency_keep(struct emergency *e, const struct cscf_sip_msg *msg)
{
	return cscf_sip_msg_clone(&e->sent, msg);
}

uint32_t emergency_patience_ms(const struct cscf_session *s)
{
	return (uint32_t)(s->cfg->ack_timeout / PATIENCE);
}

static bool is_unreachable(const struct cscf_sip_msg *rsp,
			   const struct cscf_sip_response_info *info)
{
	int status = cscf_sip_msg_status(rsp);

	if (info->local)
		return info->cause == CSCF_SIP_CAUSE_TIMEOUT ||
		       info->cause == CSCF_SIP_CAUSE_TRANSPORT ||
		       info->cause == CSCF_SIP_CAUSE_NO_TARGET;
	return status / 100 == 3 || status == 480 || status == 503;
}

bool emergency_next(struct emergency *e, const struct cscf_sip_msg *rsp,
		    const struct cscf_sip_response_info *info, struct cscf_sip_msg **next)
{
	*next = NULL;
	if (!is_unreachable(rsp, info))
		return false;
	GW_LOG_LIMITED(GW_LOG_WARN, "emergency.ecscf_failed",
		       "call_id=\"%.*s\" ecscf=\"%s\" status=%d local=%d",
		       GW_SLICE_FMT(cscf_sip_msg_call_id(rsp)), e->ecscf[e->at],
		       cscf_sip_msg_status(rsp), (int)info->local);
	if (e->sent == NULL || e->at + 1 >= e->n || cscf_sip_msg_clone(next, e->sent) != GW_OK)
		return true;
	e->at++;
	if (cscf_sip_msg_values_set(*next, "Route", &e->ecscf[e->at], 1) != GW_OK) {
		cscf_sip_msg_free(*next);
		*next = NULL;
	}
	return true;
}

bool emergency_call_failed(struct xact *x, const struct cscf_sip_msg *rsp,
			   const struct cscf_sip_response_info *info)
{
	struct call *c = x->call;
	struct cscf_sip_msg *next;

	if (!emergency_next(c->emergency, rsp, info, &next))
		return false;
	if (next != NULL) {
		cscf_sip_client_detach(c->s->p.stack, x->client);
		x->client_live = x->client_final = false;
		if (leg_send(c, SIDE_CORE, next, x) == GW_OK)
			return true;
		x->client_final = true;
	}
	call_release_cause(c, info->cause == CSCF_SIP_CAUSE_TIMEOUT ? CAUSE_CORE_SILENT
								    : CAUSE_CORE_GONE);
	return true;
}

void emergency_call_give_up(struct xact *x)
{
	struct call *c = x->call;
	const struct cscf_sip_msg *req = cscf_sip_server_request(c->s->p.stack, x->server);

	x->server_final = true;
	c->status = 380;
	if (req != NULL)
		cscf_emergency_not_reached(c->s->p.emergency, x->server, req, &c->emergency->match);
}
