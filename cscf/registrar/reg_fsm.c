/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One REGISTER under way: relayed to the core, its answer mapped once (table 4.3) and relayed
 * back. All state that a registration has is made here, on the core's 200, and nowhere else.
 *
 *   IDLE ── request ──> WAIT_CORE ── challenge | accepted | refused | no core ──> DONE
 *                          └── 3xx, 480: next entry point, WAIT_CORE again
 *
 * The stack's client transaction is the timer (timer F); its last callback frees us.
 * Spec: TS 24.371 §6.4.1, TS 24.229 5.2.2; REG-10, 20..32, SEC-12, SEC-13, SEC-21, DEREG-07.
 * Thread: the cscf loop.
 */
#include "cscf/registrar/reg_int.h"

#include "common/log.h"
#include "cscf/registrar/trust.h"

#include <stdio.h>
#include <utlist.h>

#define GW_LOG_MOD "registrar"

enum reg_state { REG_S_IDLE, REG_S_WAIT_CORE, REG_S_DONE, REG_S_COUNT };
enum reg_event {
	REG_E_REQUEST,
	REG_E_CHALLENGE, /* 401 */
	REG_E_ACCEPTED,  /* 2xx */
	REG_E_REFUSED,   /* any other final answer of the core */
	REG_E_NEXT,      /* 3xx, 480: this entry point will not have it */
	REG_E_NO_CORE,   /* 503 or nothing from every entry point */
	REG_E_COUNT
};

struct reg_txn {
	struct gw_fsm fsm;
	struct cscf_registrar *r;
	gw_handle server, client;
	struct cscf_sip_flow flow;
	struct reg_request q;     /* owned content */
	struct cscf_sip_msg *fwd; /* owned; kept for the next entry point */
	size_t entry;             /* index into home.entry_points tried first */
	struct reg_txn *prev, *next;
};

static void txn_free(struct reg_txn *t)
{
	DL_DELETE(t->r->txns, t);
	t->r->n_txns--;
	gw_fsm_fini(&t->fsm);
	reg_request_fini(&t->q);
	cscf_sip_msg_free(t->fwd);
	free(t);
}

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

static void reply(struct reg_txn *t, int status)
{
	enum gw_err err = cscf_sip_reply(t->r->parts.stack, t->server, status, NULL, (char *)NULL);

	(void)err; /* as above */
}

/* Relay the core's answer, stripped, with a header of ours when one is due. */
static void relay(struct reg_txn *t, const struct cscf_sip_msg *rsp, const char *name,
		  const char *value)
{
	struct cscf_sip_msg *m = NULL;
	enum gw_err err = cscf_sip_msg_clone(&m, rsp);

	if (err == GW_OK)
		err = cscf_trust_strip_to_wic(m);
	if (err == GW_OK && name != NULL)
		err = cscf_sip_msg_hdr_set(m, name, value);
	if (err == GW_OK) {
		err = cscf_sip_respond(t->r->parts.stack, t->server, m);
		m = NULL;
	}
	cscf_sip_msg_free(m);
	if (err == GW_ERR_NOMEM)
		reply(t, 500);
}

static struct reg_assoc *assoc_of(const struct reg_txn *t)
{
	struct reg_conn *c = reg_conn_find(t->r, t->flow.conn);

	return c != NULL ? reg_assoc_on(c, t->q.impi) : NULL;
}

/* A 2xx with our contact bound: association and binding, on this connection (REG-21, 41, 42).
 * The binding is right before anybody hears that the association moved. */
static enum gw_err bind_on(struct reg_txn *t, struct reg_conn *c, struct reg_grant *g)
{
	struct reg_assoc *here = reg_assoc_on(c, t->q.impi), *a = here;
	struct reg_assoc *old = reg_assoc_replaced(t->r, &t->q, t->flow.conn);
	enum gw_err err = GW_OK;

	if (a == NULL)
		a = old;
	if (a == NULL) {
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
	if (here == NULL && old != NULL)
		reg_assoc_move(old, c);
	else if (old != NULL)
		reg_assoc_end(old, "replaced", t->r->cfg->replace_delay);
	GW_LOG(GW_LOG_INFO, "reg.accepted", "impi=\"%s\" to=\"%s\" conn=%llu impus=%zu ob=%d",
	       t->q.impi, t->q.to_aor, (unsigned long long)t->flow.conn, a->n_impus, a->outbound);
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

static void accepted(struct reg_txn *t, const struct cscf_sip_msg *rsp)
{
	struct reg_assoc *a = assoc_of(t);
	char flow_timer[24];
	struct reg_grant g;
	enum gw_err err = reg_grant_read(&g, rsp, &t->q);

	if (err != GW_OK) {
		reply(t, 500);
		return;
	}
	if (t->q.query) {
		reg_grant_fini(&g);
		relay(t, rsp, NULL, NULL);
		return;
	}
	if (g.expires_s > 0) {
		bool ob = g.outbound && t->r->cfg->flow_timer_s > 0;

		if (g.n_service_route == 0)
			GW_LOG_LIMITED(GW_LOG_WARN, "reg.no_service_route", "impi=\"%s\"",
				       t->q.impi);
		err = bind_contact(t, &g);
		reg_metric_inc(REG_M_ACCEPTED);
		snprintf(flow_timer, sizeof(flow_timer), "%lld",
			 (long long)t->r->cfg->flow_timer_s);
		if (err == GW_OK)
			relay(t, rsp, ob ? "Flow-Timer" : NULL, flow_timer);
		else
			reply(t, err == GW_ERR_LIMIT ? 503 : 500);
	} else {
		reg_metric_inc(REG_M_DEREGISTERED);
		relay(t, rsp, NULL, NULL);
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
	GW_LOG_LIMITED(GW_LOG_WARN, "reg.auth_failed", "impi=\"%s\" conn=%llu", t->q.impi,
		       (unsigned long long)t->flow.conn);
	if (c != NULL && c->assocs == NULL)
		reg_conn_close_after(c, t->r->cfg->fail_close_delay);
}

/* TS 24.229 4.14.3: the route that the core gave leads nowhere any more (REG-83). */
static bool asks_restoration(const struct cscf_sip_msg *rsp)
{
	return cscf_sip_msg_status(rsp) == 504 &&
	       gw_slice_ieq_str(cscf_sip_msg_content_type(rsp), "application/3gpp-ims+xml");
}

static void refused(struct reg_txn *t, const struct cscf_sip_msg *rsp)
{
	int status = cscf_sip_msg_status(rsp);
	struct reg_assoc *a = assoc_of(t);

	reg_metric_inc(REG_M_CORE_REFUSED);
	if (status == 439 || status == 494)
		GW_LOG_LIMITED(GW_LOG_WARN, "reg.unexpected", "status=%d impi=\"%s\"", status,
			       t->q.impi);
	relay(t, rsp, NULL, NULL);
	if (status == 403 && t->q.has_response)
		auth_failed(t);
	if (a != NULL && asks_restoration(rsp))
		reg_assoc_clear_route(a);
	/* the core has no such binding: neither have we (DEREG-07) */
	if (t->q.dereg && (status == 481 || status == 404) && a != NULL)
		reg_assoc_unbind(a, &t->q);
}

/* ---- the machine ---------------------------------------------------------------------------- */

static const struct cscf_sip_client_cbs client_cbs;

static enum gw_err send_to_core(struct reg_txn *t)
{
	struct cscf_sip_msg *copy = NULL;
	struct cscf_sip_dest dest;
	const char *slot;
	char uri[1024];
	gw_handle client = GW_HANDLE_NONE;
	enum gw_err err = cscf_sip_msg_clone(&copy, t->fwd);

	if (err != GW_OK)
		return err;
	reg_mw_dest(t->r, t->fwd, t->entry, &dest, &slot, uri, sizeof(uri));
	err = cscf_sip_request(t->r->parts.stack, copy, &dest, NULL, &client_cbs, t, &client);
	if (err == GW_OK)
		t->client = client;
	return err;
}

static void on_idle(struct gw_fsm *fsm, unsigned event, void *data)
{
	struct reg_txn *t = fsm->owner;

	(void)event;
	(void)data;
	if (send_to_core(t) == GW_OK) {
		gw_fsm_go(fsm, REG_S_WAIT_CORE);
		return;
	}
	reg_metric_inc(REG_M_CORE_GONE);
	reply(t, 500);
	gw_fsm_go(fsm, REG_S_DONE);
}

/* 3xx or 480 of one entry point: the next, nothing to the WIC; the last answer is relayed. */
static bool try_next(struct reg_txn *t)
{
	const struct gw_conf_list *points = t->r->cfg->entry_points;

	if (points == NULL || t->entry + 1 >= points->n)
		return false;
	t->entry++;
	return send_to_core(t) == GW_OK;
}

static void on_wait_core(struct gw_fsm *fsm, unsigned event, void *data)
{
	struct reg_txn *t = fsm->owner;
	const struct cscf_sip_msg *rsp = data;

	switch ((enum reg_event)event) {
	case REG_E_NEXT:
		if (try_next(t)) {
			gw_fsm_go(fsm, REG_S_WAIT_CORE);
			return;
		}
		gw_fsm_go(fsm, REG_S_DONE);
		refused(t, rsp);
		break;
	case REG_E_CHALLENGE: /* no state; an association goes on meanwhile (REG-40, SEC-13) */
		gw_fsm_go(fsm, REG_S_DONE);
		reg_metric_inc(REG_M_CHALLENGED);
		relay(t, rsp, NULL, NULL);
		break;
	case REG_E_ACCEPTED:
		gw_fsm_go(fsm, REG_S_DONE);
		accepted(t, rsp);
		break;
	case REG_E_REFUSED:
		gw_fsm_go(fsm, REG_S_DONE);
		refused(t, rsp);
		break;
	case REG_E_NO_CORE: /* never the core's 503 verbatim (SEC-21) */
		gw_fsm_go(fsm, REG_S_DONE);
		reg_metric_inc(REG_M_CORE_GONE);
		GW_LOG_LIMITED(GW_LOG_ERROR, "reg.core_unreachable", "impi=\"%s\"", t->q.impi);
		reply(t, 504);
		break;
	case REG_E_REQUEST:
	case REG_E_COUNT:
		break;
	}
}

static const struct gw_fsm_state reg_states[REG_S_COUNT] = {
    [REG_S_IDLE] =
	{
	    .name = "IDLE",
	    .in = GW_BIT(REG_E_REQUEST),
	    .out = GW_BIT(REG_S_WAIT_CORE) | GW_BIT(REG_S_DONE),
	    .on_event = on_idle,
	},
    [REG_S_WAIT_CORE] =
	{
	    .name = "WAIT_CORE",
	    .in = GW_BIT(REG_E_CHALLENGE) | GW_BIT(REG_E_ACCEPTED) | GW_BIT(REG_E_REFUSED) |
		  GW_BIT(REG_E_NEXT) | GW_BIT(REG_E_NO_CORE),
	    .out = GW_BIT(REG_S_WAIT_CORE) | GW_BIT(REG_S_DONE),
	    .on_event = on_wait_core,
	},
    [REG_S_DONE] = {.name = "DONE"},
};

static const char *const reg_event_names[REG_E_COUNT] = {
    [REG_E_REQUEST] = "REQUEST", [REG_E_CHALLENGE] = "CHALLENGE", [REG_E_ACCEPTED] = "ACCEPTED",
    [REG_E_REFUSED] = "REFUSED", [REG_E_NEXT] = "NEXT",           [REG_E_NO_CORE] = "NO_CORE",
};

static const char *identity(const struct gw_fsm *fsm, char *buf, size_t n)
{
	const struct reg_txn *t = fsm->owner;

	snprintf(buf, n, "impi=\"%s\" conn=%llu", t->q.impi, (unsigned long long)t->flow.conn);
	return buf;
}

static const struct gw_fsm_desc reg_desc = {
    .name = "reg",
    .states = reg_states,
    .n_states = REG_S_COUNT,
    .event_names = reg_event_names,
    .n_events = REG_E_COUNT,
    .timer_event = REG_E_NO_CORE,
    .identity = identity,
};

/* ---- the stack's callbacks ------------------------------------------------------------------ */

static enum reg_event classify(int status, const struct cscf_sip_response_info *info)
{
	if (info->local || status == 503)
		return REG_E_NO_CORE;
	if (status == 401)
		return REG_E_CHALLENGE;
	if (status < 300)
		return REG_E_ACCEPTED;
	if (status < 400 || status == 480)
		return REG_E_NEXT;
	return REG_E_REFUSED;
}

static void on_response(void *arg, gw_handle client, const struct cscf_sip_msg *rsp,
			const struct cscf_sip_response_info *info)
{
	struct reg_txn *t = arg;
	int status = cscf_sip_msg_status(rsp);
	const void *data = rsp;
	enum gw_err err;

	if (status < 200 || client != t->client)
		return;
	err = gw_fsm_dispatch(&t->fsm, classify(status, info), (void *)(uintptr_t)data);
	(void)err; /* a second final answer: refused and logged by the engine */
}

static void on_done(void *arg, gw_handle client)
{
	struct reg_txn *t = arg;

	if (client == t->client)
		txn_free(t);
}

static const struct cscf_sip_client_cbs client_cbs = {
    .on_response = on_response,
    .on_done = on_done,
};

void reg_txn_start(struct cscf_registrar *r, gw_handle server, const struct cscf_sip_msg *msg,
		   const struct cscf_sip_flow *flow, struct reg_conn *c, struct reg_request *q)
{
	bool associated = q->scheme != REG_SCHEME_NONE && reg_assoc_on(c, q->impi) != NULL;
	struct reg_txn *t = calloc(1, sizeof(*t));
	enum gw_err err;

	if (t == NULL) {
		reg_request_fini(q);
		(void)cscf_sip_reply(r->parts.stack, server, 500, NULL, (char *)NULL);
		return;
	}
	t->r = r;
	t->server = server;
	t->flow = *flow;
	t->q = *q;
	*q = (struct reg_request){0};
	DL_APPEND(r->txns, t);
	r->n_txns++;
	err = gw_fsm_init(&t->fsm, &reg_desc, REG_S_IDLE, t, NULL);
	if (err == GW_OK)
		err = reg_mw_build(&t->fwd, r, msg, &t->q, flow, associated);
	if (err == GW_OK)
		err = gw_fsm_dispatch(&t->fsm, REG_E_REQUEST, NULL);
	else
		reply(t, 500);
	if (err != GW_OK || t->fsm.state == REG_S_DONE)
		txn_free(t);
}

bool reg_txn_pending(const struct cscf_registrar *r, uint64_t conn, const char *to_aor)
{
	const struct reg_txn *t;

	DL_FOREACH (r->txns, t)
		if (t->flow.conn == conn && t->fsm.state == REG_S_WAIT_CORE &&
		    strcmp(t->q.to_aor, to_aor) == 0)
			return true;
	return false;
}

size_t reg_txn_count(const struct cscf_registrar *r)
{
	const struct reg_txn *t;
	size_t n = 0;

	DL_FOREACH (r->txns, t)
		n += t->fsm.state == REG_S_WAIT_CORE;
	return n;
}

void reg_txn_drop_all(struct cscf_registrar *r)
{
	struct reg_txn *t, *next;

	DL_FOREACH_SAFE (r->txns, t, next) {
		cscf_sip_client_detach(r->parts.stack, t->client);
		txn_free(t);
	}
}
