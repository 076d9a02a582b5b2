/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the core's answer to a REGISTER does: relayed back, with the state that a registration
 * has made here, on the core's 200, and nowhere else. Which answer it is: reg_fsm.c.
 * Spec: TS 24.371 §6.4.1, TS 24.229 5.2.2; REG-20..32, SEC-12, SEC-13, DEREG-07.
 * Thread: the cscf loop.
 */
#include "cscf/registrar/reg_txn.h"

#include "cscf/sip/mask.h"

#include "common/log.h"
#include "cscf/registrar/tna.h"
#include "cscf/registrar/trust.h"
#include "cscf/xml/ims3gpp.h"

#include <stdio.h>
#include <utlist.h>

#define GW_LOG_MOD "registrar"

void reg_refuse(struct cscf_registrar *r, gw_handle server, const struct reg_refusal *why,
		const struct cscf_sip_flow *flow)
{
	char addr[GW_ADDR_STRLEN];
	enum gw_err err;

	reg_metric_inc(REG_M_REFUSED);
	GW_LOG_LIMITED(GW_LOG_WARN, "reg.refused", "status=%d why=%s conn=%llu peer=%s",
		       why->status, why->word, (unsigned long long)flow->conn,
		       gw_addr_str(&flow->remote, addr, sizeof(addr)));
	if (why->header != NULL)
		err = cscf_sip_reply(r->parts.stack, server, why->status, why->reason, why->header,
				     why->value, (char *)NULL);
	else
		err =
		    cscf_sip_reply(r->parts.stack, server, why->status, why->reason, (char *)NULL);
	(void)err; /* the connection may be gone: then nobody waits for it */
}

void reg_reply(struct reg_txn *t, int status)
{
	enum gw_err err = cscf_sip_reply(t->r->parts.stack, t->server, status, NULL, (char *)NULL);

	(void)err; /* as above */
}

/* Relay the core's answer, stripped, with a header of ours when one is due. */
void reg_relay(struct reg_txn *t, const struct cscf_sip_msg *rsp, const char *name,
	       const char *value)
{
	struct cscf_sip_msg *m = NULL;
	enum gw_err err = cscf_sip_msg_clone(&m, rsp);

	if (err == GW_OK)
		err = cscf_trust_strip_to_wic(m);
	if (t->q.grant != NULL) { /* TOK-19: no challenge of the core ever reaches a token WIC */
		(void)cscf_sip_msg_hdr_del(m, "WWW-Authenticate");
		(void)cscf_sip_msg_hdr_del(m, "Proxy-Authenticate");
		(void)cscf_sip_msg_hdr_del(m, "Authentication-Info");
	}
	if (err == GW_OK && name != NULL)
		err = cscf_sip_msg_hdr_set(m, name, value);
	if (err == GW_OK) {
		err = cscf_sip_respond(t->r->parts.stack, t->server, m);
		m = NULL;
	}
	cscf_sip_msg_free(m);
	if (err == GW_ERR_NOMEM)
		reg_reply(t, 500);
}

static struct reg_assoc *assoc_of(const struct reg_txn *t)
{
	struct reg_conn *c = reg_conn_find(t->r, t->flow.conn);

	return c != NULL ? reg_assoc_on(c, t->q.impi) : NULL;
}

/* Bound after it was to be deregistered: what nobody here has weighed is not bound here. */
static void still_bound(struct reg_txn *t, uint32_t seconds)
{
	reg_metric_inc(REG_M_STILL_BOUND);
	GW_LOG_LIMITED(GW_LOG_WARN, "reg.still_bound", "impi=\"%s\" to=\"%s\" expires=%u",
		       cscf_sip_mask(t->q.impi), cscf_sip_mask(t->q.to_aor), seconds);
	reg_reply(t, 500);
}

/* A 2xx with our contact bound: association and binding, on this connection (REG-21, 41, 42).
 * The binding is right before anybody hears that the association moved. */
static enum gw_err bind_on(struct reg_txn *t, struct reg_conn *c, struct reg_grant *g)
{
	struct reg_assoc *here = reg_assoc_on(c, t->q.impi), *a = here;
	struct reg_assoc *old = reg_assoc_replaced(t->r, &t->q, t->flow.conn);
	struct reg_binding *b;
	size_t before = 0, after;
	enum gw_err err = GW_OK;

	if (a != NULL)
		DL_COUNT(a->bindings, b, before);
	else
		a = old;
	if (a == NULL) {
		if (reg_impi_is_full(t->r, t->q.impi)) /* several were under way (REG-45) */
			return GW_ERR_EXISTS;
		reg_assoc_evict_lost(t->r, t->q.impi);
		err = reg_assoc_new(&a, t->r, c, &t->q);
	}
	if (err == GW_OK) {
		err = reg_assoc_bind(a, &t->q, g);
		if (err != GW_OK)
			reg_assoc_unbind(a, &t->q);
	}
	if (err != GW_OK)
		return err;
	reg_token_bind(a, &t->q);
	if (here == NULL && old != NULL)
		reg_assoc_move(old, c);
	else if (old != NULL)
		reg_assoc_end(old, "replaced", t->r->cfg->replace_delay);
	/* a refresh changes nothing that an operator has to be told of */
	DL_COUNT(a->bindings, b, after);
	GW_LOG(here != NULL && after == before ? GW_LOG_DEBUG : GW_LOG_INFO, "reg.accepted",
	       "impi=\"%s\" to=\"%s\" conn=%llu impus=%zu ob=%d", cscf_sip_mask(t->q.impi),
	       cscf_sip_mask(t->q.to_aor), (unsigned long long)t->flow.conn, a->n_impus,
	       a->outbound);
	return GW_OK;
}

static enum gw_err bind_contact(struct reg_txn *t, struct reg_grant *g)
{
	struct reg_conn *c = reg_conn_get(t->r, &t->flow);
	enum gw_err err = c != NULL ? bind_on(t, c, g) : GW_ERR_NOMEM;

	/* the 200 came for a connection that has gone (REG-32): kept as a lost flow */
	if (!cscf_sip_conn_alive(t->r->parts.stack, t->flow.conn, NULL))
		cscf_registrar_on_flow_closed(t->r, t->flow.conn);
	return err;
}

void reg_accepted(struct reg_txn *t, const struct cscf_sip_msg *rsp)
{
	struct reg_assoc *a = assoc_of(t);
	char flow_timer[24];
	struct reg_grant g;
	enum gw_err err = reg_grant_read(&g, rsp, &t->q);

	if (err != GW_OK) {
		reg_reply(t, 500);
		return;
	}
	if (t->q.query) {
		reg_grant_fini(&g);
		reg_relay(t, rsp, NULL, NULL);
		return;
	}
	if (g.expires_s > 0 && t->q.dereg) {
		still_bound(t, g.expires_s);
	} else if (g.expires_s > 0) {
		bool ob = g.outbound && t->r->cfg->flow_timer_s > 0;

		if (g.n_service_route == 0)
			GW_LOG_LIMITED(GW_LOG_WARN, "reg.no_service_route", "impi=\"%s\"",
				       cscf_sip_mask(t->q.impi));
		err = bind_contact(t, &g);
		reg_metric_inc(REG_M_ACCEPTED);
		snprintf(flow_timer, sizeof(flow_timer), "%lld",
			 (long long)t->r->cfg->flow_timer_s);
		if (err == GW_OK)
			reg_relay(t, rsp, ob ? "Flow-Timer" : NULL, flow_timer);
		else if (err == GW_ERR_EXISTS)
			reg_refuse(t->r, t->server, &reg_refusal_full, &t->flow);
		else
			reg_reply(t, err == GW_ERR_LIMIT ? 503 : 500);
		if (err == GW_OK)
			reg_user_bound(t->r, t->q.impi, t->q.to_aor);
	} else {
		reg_metric_inc(REG_M_DEREGISTERED);
		reg_relay(t, rsp, NULL, NULL);
		if (a == NULL) /* from another connection than it was made on */
			a = reg_assoc_replaced(t->r, &t->q, t->flow.conn);
		if (a != NULL)
			reg_assoc_unbind(a, &t->q);
	}
	reg_grant_fini(&g);
}

/* SEC-12: wrong credentials. An association that is still good stays, and its connection. */
static void auth_failed(struct reg_txn *t)
{
	struct reg_conn *c = reg_conn_find(t->r, t->flow.conn);

	reg_metric_inc(REG_M_AUTH_FAILED);
	GW_LOG_LIMITED(GW_LOG_WARN, "reg.auth_failed", "impi=\"%s\" conn=%llu",
		       cscf_sip_mask(t->q.impi), (unsigned long long)t->flow.conn);
	if (c != NULL && c->assocs == NULL)
		reg_conn_close_after(c, t->r->cfg->fail_close_delay);
}

/* TS 24.229 4.14.3: the route that the core gave leads nowhere any more (REG-83). */
static bool asks_restoration(const struct cscf_sip_msg *rsp)
{
	return cscf_sip_msg_status(rsp) == 504 &&
	       gw_slice_ieq_str(cscf_sip_msg_content_type(rsp), CSCF_IMS3GPP_MIME) &&
	       cscf_ims3gpp_is_restoration(cscf_sip_msg_body(rsp));
}

void reg_refused_by_core(struct reg_txn *t, const struct cscf_sip_msg *rsp)
{
	int status = cscf_sip_msg_status(rsp);
	struct reg_assoc *a = assoc_of(t);

	reg_metric_inc(REG_M_CORE_REFUSED);
	if (reg_tna_answer(t, rsp))
		return;
	if (status == 439 || status == 494)
		GW_LOG_LIMITED(GW_LOG_WARN, "reg.unexpected", "status=%d impi=\"%s\"", status,
			       cscf_sip_mask(t->q.impi));
	reg_relay(t, rsp, NULL, NULL);
	if (t->q.has_response && (status == 403 || (status == 404 && !t->q.dereg)))
		auth_failed(t);
	if (a != NULL && asks_restoration(rsp))
		reg_assoc_clear_route(a);
	/* the core has no such binding: neither have we (DEREG-07) */
	if (t->q.dereg && (status == 481 || status == 404) && a != NULL)
		reg_assoc_unbind(a, &t->q);
}
