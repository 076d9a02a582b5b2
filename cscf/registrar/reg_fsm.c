/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One REGISTER under way: relayed to the core, its answer classified once (table 4.3). What an
 * answer does stands in answer.c.
 *
 *   IDLE ── request ──────────────────> WAIT_CORE ── challenge | accepted | refused | no core
 *    └─ with a token ──> WAIT_TOKEN ──────^  └── or bad ──> DONE  <──────────┘
 *
 * The stack's client transaction is the timer (timer F); its last callback frees us.
 * Spec: TS 24.371 §6.4.1, TS 24.229 5.2.2; REG-10, SEC-21.
 * Thread: the cscf loop.
 */
#include "cscf/registrar/gate.h"
#include "cscf/registrar/pool.h"
#include "cscf/registrar/reg_txn.h"
#include "cscf/registrar/tna.h"

#include "cscf/sip/mask.h"

#include "common/log.h"

#include <stdio.h>
#include <utlist.h>

#define GW_LOG_MOD "registrar"

enum reg_state { REG_S_IDLE, REG_S_WAIT_TOKEN, REG_S_WAIT_CORE, REG_S_DONE, REG_S_COUNT };
enum reg_event {
	REG_E_REQUEST,
	REG_E_VERDICT,   /* the token is known to be good or bad; data: the result */
	REG_E_CHALLENGE, /* 401 */
	REG_E_ACCEPTED,  /* 2xx */
	REG_E_REFUSED,   /* any other final answer of the core */
	REG_E_NO_CORE,   /* 3xx, 480, 503 or nothing from every entry point */
	REG_E_COUNT
};

static void txn_free(struct reg_txn *t)
{
	if (t->job != GW_HANDLE_NONE)
		cscf_authz_cancel(t->r->parts.authz, t->job);
	if (t->over)
		DL_DELETE(t->r->over, t);
	else
		DL_DELETE(t->r->txns, t);
	t->r->n_txns--;
	gw_fsm_fini(&t->fsm);
	reg_pool_unclaim(t->r, &t->q);
	reg_request_fini(&t->q);
	cscf_sip_msg_free(t->req);
	cscf_sip_msg_free(t->fwd);
	free(t);
}

/* ---- the machine ---------------------------------------------------------------------------- */

static const struct cscf_sip_client_cbs client_cbs;

static enum gw_err send_to_core(struct reg_txn *t)
{
	static const struct cscf_sip_client_opt opt = {.exit_points = true};
	struct cscf_sip_msg *msg = t->fwd;
	struct cscf_sip_dest dest;
	const char *slot;
	char uri[1024];
	gw_handle client = GW_HANDLE_NONE;
	enum gw_err err;

	reg_mw_dest(t->r, msg, &dest, &slot, uri, sizeof(uri));
	t->fwd = NULL;
	err = cscf_sip_request(t->r->parts.stack, msg, &dest, &opt, &client_cbs, t, &client);
	if (err == GW_OK)
		t->client = client;
	return err;
}

static void fail(struct reg_txn *t)
{
	gw_fsm_go(&t->fsm, REG_S_DONE);
	reg_metric_inc(REG_M_CORE_GONE);
	reg_reply(t, 500);
}

static void go_to_core(struct reg_txn *t)
{
	if (send_to_core(t) == GW_OK)
		gw_fsm_go(&t->fsm, REG_S_WAIT_CORE);
	else
		fail(t);
}

static bool build(struct reg_txn *t, const struct cscf_sip_msg *msg, bool associated)
{
	if (reg_mw_build(&t->fwd, t->r, msg, &t->q, &t->flow, associated) == GW_OK)
		return true;
	fail(t);
	return false;
}

/* Now, from within reg_token_verify, or later. */
static void on_verdict(void *arg, const struct cscf_authz_result *res)
{
	struct reg_txn *t = arg;
	const void *data = res;
	enum gw_err err;

	t->job = GW_HANDLE_NONE;
	err = gw_fsm_dispatch(&t->fsm, REG_E_VERDICT, (void *)(uintptr_t)data);
	if ((err != GW_OK || t->fsm.state == REG_S_DONE) && !t->starting)
		txn_free(t);
}

static void on_idle(struct gw_fsm *fsm, unsigned event, void *data)
{
	struct reg_txn *t = fsm->owner;

	(void)event;
	(void)data;
	if (t->q.scheme != REG_SCHEME_BEARER) {
		go_to_core(t);
		return;
	}
	gw_fsm_go(fsm, REG_S_WAIT_TOKEN);
	reg_token_verify(t, on_verdict);
}

static void on_wait_token(struct gw_fsm *fsm, unsigned event, void *data)
{
	struct reg_txn *t = fsm->owner;
	struct reg_refusal why;

	(void)event;
	if (!reg_token_take(t, data, &why)) {
		gw_fsm_go(fsm, REG_S_DONE);
		reg_refuse(t->r, t->server, &why, &t->flow);
		return;
	}
	if (!build(t, t->req, false))
		return;
	cscf_sip_msg_free(t->req);
	t->req = NULL;
	go_to_core(t);
}

static void on_wait_core(struct gw_fsm *fsm, unsigned event, void *data)
{
	struct reg_txn *t = fsm->owner;
	const struct cscf_sip_msg *rsp = data;

	switch ((enum reg_event)event) {
	case REG_E_CHALLENGE: /* no state; an association goes on meanwhile (REG-40, SEC-13) */
		gw_fsm_go(fsm, REG_S_DONE);
		if (reg_tna_answer(t, rsp))
			break;
		reg_metric_inc(REG_M_CHALLENGED);
		reg_relay(t, rsp, NULL, NULL);
		break;
	case REG_E_ACCEPTED:
		gw_fsm_go(fsm, REG_S_DONE);
		reg_accepted(t, rsp);
		break;
	case REG_E_REFUSED:
		gw_fsm_go(fsm, REG_S_DONE);
		reg_refused_by_core(t, rsp);
		break;
	case REG_E_NO_CORE: /* never the core's 503 verbatim (SEC-21) */
		gw_fsm_go(fsm, REG_S_DONE);
		reg_metric_inc(REG_M_CORE_GONE);
		GW_LOG_LIMITED(GW_LOG_ERROR, "reg.core_unreachable", "impi=\"%s\"",
			       cscf_sip_mask(t->q.impi));
		reg_reply(t, 504);
		break;
	case REG_E_REQUEST:
	case REG_E_VERDICT:
	case REG_E_COUNT:
		break;
	}
}

static const struct gw_fsm_state reg_states[REG_S_COUNT] = {
    [REG_S_IDLE] =
	{
	    .name = "IDLE",
	    .in = GW_BIT(REG_E_REQUEST),
	    .out = GW_BIT(REG_S_WAIT_TOKEN) | GW_BIT(REG_S_WAIT_CORE) | GW_BIT(REG_S_DONE),
	    .on_event = on_idle,
	},
    /* a Bearer token under check; nothing has left for the core yet */
    [REG_S_WAIT_TOKEN] =
	{
	    .name = "WAIT_TOKEN",
	    .in = GW_BIT(REG_E_VERDICT),
	    .out = GW_BIT(REG_S_WAIT_CORE) | GW_BIT(REG_S_DONE),
	    .on_event = on_wait_token,
	},
    [REG_S_WAIT_CORE] =
	{
	    .name = "WAIT_CORE",
	    .in = GW_BIT(REG_E_CHALLENGE) | GW_BIT(REG_E_ACCEPTED) | GW_BIT(REG_E_REFUSED) |
		  GW_BIT(REG_E_NO_CORE),
	    .out = GW_BIT(REG_S_DONE),
	    .on_event = on_wait_core,
	},
    [REG_S_DONE] = {.name = "DONE"},
};

static const char *const reg_event_names[REG_E_COUNT] = {
    [REG_E_REQUEST] = "REQUEST",   [REG_E_VERDICT] = "VERDICT", [REG_E_CHALLENGE] = "CHALLENGE",
    [REG_E_ACCEPTED] = "ACCEPTED", [REG_E_REFUSED] = "REFUSED", [REG_E_NO_CORE] = "NO_CORE",
};

static const char *identity(const struct gw_fsm *fsm, char *buf, size_t n)
{
	const struct reg_txn *t = fsm->owner;

	snprintf(buf, n, "impi=\"%s\" conn=%llu", cscf_sip_mask(t->q.impi),
		 (unsigned long long)t->flow.conn);
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
	if (info->local || status == 503 || status == 480 || (status >= 300 && status < 400))
		return REG_E_NO_CORE;
	if (status == 401)
		return REG_E_CHALLENGE;
	if (status < 300)
		return REG_E_ACCEPTED;
	return REG_E_REFUSED;
}

/* The transaction lingers, the claim does not; and nobody looks for it any more. */
static void set_over(struct reg_txn *t)
{
	if (t->over)
		return;
	t->over = true;
	DL_DELETE(t->r->txns, t);
	DL_APPEND(t->r->over, t);
	reg_pool_unclaim(t->r, &t->q);
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
	if (!info->local)
		reg_gate_answered(t->r, &t->q, &t->flow, rsp);
	err = gw_fsm_dispatch(&t->fsm, classify(status, info), (void *)(uintptr_t)data);
	(void)err; /* a second final answer: refused and logged by the engine */
	if (t->fsm.state == REG_S_DONE)
		set_over(t);
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
	if (err == GW_OK && t->q.scheme == REG_SCHEME_BEARER)
		err = cscf_sip_msg_clone(&t->req, msg);
	else if (err == GW_OK)
		err = reg_mw_build(&t->fwd, r, msg, &t->q, flow, associated);
	t->starting = true;
	if (err == GW_OK)
		err = gw_fsm_dispatch(&t->fsm, REG_E_REQUEST, NULL);
	else
		reg_reply(t, 500);
	t->starting = false;
	if (err != GW_OK || t->fsm.state == REG_S_DONE)
		txn_free(t);
}

bool reg_txn_pending(const struct cscf_registrar *r, uint64_t conn, const char *to_aor)
{
	const struct reg_txn *t;

	DL_FOREACH (r->txns, t)
		if (t->flow.conn == conn && t->fsm.state != REG_S_DONE &&
		    strcmp(t->q.to_aor, to_aor) == 0)
			return true;
	return false;
}

bool reg_txn_pending_for(const struct cscf_registrar *r, const char *to_aor)
{
	const struct reg_txn *t;

	DL_FOREACH (r->txns, t)
		if (t->fsm.state != REG_S_DONE && strcmp(t->q.to_aor, to_aor) == 0)
			return true;
	return false;
}

bool reg_txn_is_coming(const struct cscf_registrar *r, uint64_t conn, const char *to_aor,
		       const char *call_id, uint32_t cseq)
{
	const struct reg_txn *t;

	DL_FOREACH (r->txns, t)
		if (t->flow.conn == conn && t->fsm.state == REG_S_WAIT_CORE && t->q.cseq == cseq &&
		    strcmp(t->q.call_id, call_id) == 0 && strcmp(t->q.to_aor, to_aor) == 0)
			return true;
	return false;
}

size_t reg_txn_coming(const struct cscf_registrar *r, const char *impi, uint64_t but)
{
	const struct reg_txn *t;
	size_t n = 0;

	DL_FOREACH (r->txns, t) {
		const struct reg_conn *c;

		if (t->q.grant == NULL || t->flow.conn == but || t->fsm.state == REG_S_DONE ||
		    t->q.query || t->q.dereg || strcmp(t->q.impi, impi) != 0)
			continue;
		c = reg_conn_find(r, t->flow.conn);
		n += (c == NULL || reg_assoc_on(c, impi) == NULL) &&
		     reg_assoc_replaced(r, &t->q, t->flow.conn) == NULL;
	}
	return n;
}

size_t reg_txn_count(const struct cscf_registrar *r)
{
	const struct reg_txn *t;
	size_t n = 0;

	DL_FOREACH (r->txns, t)
		n += t->fsm.state != REG_S_DONE;
	return n;
}

static void drop_list(struct cscf_registrar *r, struct reg_txn *list)
{
	struct reg_txn *t, *next;

	DL_FOREACH_SAFE (list, t, next) {
		cscf_sip_client_detach(r->parts.stack, t->client);
		txn_free(t);
	}
}

void reg_txn_drop_all(struct cscf_registrar *r)
{
	drop_list(r, r->txns);
	drop_list(r, r->over);
}
