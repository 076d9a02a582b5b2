/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The registrar object: entry of a REGISTER with the checks that need state, entry of a lost
 * connection, lists for operators. Who is behind a connection or a token: lookup.c.
 * Spec: REG-14, 18, 45, DEREG-40. Thread: the cscf loop.
 */
#include "cscf/http/http.h"
#include "cscf/registrar/gate.h"
#include "cscf/registrar/lost_dereg.h"
#include "cscf/registrar/moved.h"
#include "cscf/registrar/pool.h"
#include "cscf/registrar/scheme.h"
#include "cscf/registrar/tna.h"

#include "common/log.h"

#include <event2/event.h>
#include <stdio.h>
#include <utlist.h>

#define GW_LOG_MOD "registrar"

void reg_emit(struct cscf_registrar *r, enum cscf_registrar_event event, gw_handle assoc,
	      uint64_t old_conn, uint64_t conn)
{
	if (r->cbs != NULL && r->cbs->on_event != NULL)
		r->cbs->on_event(r->cbs_arg, event, assoc, old_conn, conn);
}

enum gw_err cscf_registrar_check_config(const struct cscf_registrar_config *cfg, char *why,
					size_t n)
{
	unsigned *masks = calloc(cfg->home_domains->n, sizeof(*masks));
	enum gw_err err = GW_ERR_NOMEM;
	const char *url_why = "";

	if (masks != NULL)
		err = reg_schemes_parse(cfg->auth_schemes, cfg->home_domains, masks, why, n);
	free(masks);
	if (err == GW_OK && cfg->pool_release_url != NULL && cfg->pool_release_url[0] != '\0' &&
	    !cscf_http_check_url(cfg->pool_release_url, &url_why)) {
		snprintf(why, n, "pool.release_url: %s", url_why);
		err = GW_ERR_INVAL;
	}
	return err == GW_OK ? reg_tna_check_config(cfg, why, n) : err;
}

enum gw_err cscf_registrar_new(struct cscf_registrar **out, const struct cscf_registrar_config *cfg,
			       const struct cscf_registrar_parts *parts,
			       const struct cscf_registrar_cbs *cbs, void *arg)
{
	struct cscf_registrar *r;
	char why[256];
	enum gw_err err;

	if (cfg->home_domains == NULL || cfg->home_domains->n == 0 || cfg->max_associations < 1 ||
	    cfg->max_associations > UINT32_MAX)
		return GW_ERR_INVAL;
	r = calloc(1, sizeof(*r));
	if (r == NULL)
		return GW_ERR_NOMEM;
	r->cfg = cfg;
	r->parts = *parts;
	r->cbs = cbs;
	r->cbs_arg = arg;
	snprintf(r->path_uri, sizeof(r->path_uri), "sip:%s;lr",
		 cscf_sip_stack_mw_hostport(parts->stack));
	err = gw_handle_table_new(&r->handles, (uint32_t)cfg->max_associations);
	if (err != GW_OK) {
		free(r);
		return err;
	}
	err = reg_gate_new(&r->gate, cfg);
	if (err != GW_OK) {
		cscf_registrar_free(r);
		return err;
	}
	r->schemes = calloc(cfg->home_domains->n, sizeof(*r->schemes));
	err = r->schemes != NULL ? reg_schemes_parse(cfg->auth_schemes, cfg->home_domains,
						     r->schemes, why, sizeof(why))
				 : GW_ERR_NOMEM;
	if (err == GW_OK)
		err = reg_pool_new(&r->pool, r);
	if (err != GW_OK) {
		cscf_registrar_free(r);
		return err;
	}
	reg_metrics_register();
	*out = r;
	return GW_OK;
}

void cscf_registrar_free(struct cscf_registrar *r)
{
	struct reg_conn *c;
	struct reg_assoc *a;
	uint32_t cursor = 0;

	if (r == NULL)
		return;
	r->cbs = NULL;
	reg_txn_drop_all(r);
	reg_own_drop_all(r);
	reg_pool_free(r->pool); /* first: what ends now is no release */
	r->pool = NULL;
	while ((a = gw_handle_next(r->handles, &cursor)) != NULL)
		reg_assoc_end(a, "shutdown", -1);
	while ((c = r->conns) != NULL) { /* no association is left to hold one */
		c->alive = false;
		reg_conn_release(c);
	}
	gw_handle_table_free(r->handles);
	reg_gate_free(r->gate);
	free(r->schemes);
	free(r);
}

/* Same Call-ID with a lower CSeq: an old request, or a forged one (REG-14). */
static bool cseq_in_order(struct reg_conn *c, const struct cscf_sip_msg *msg)
{
	struct gw_slice id = cscf_sip_msg_call_id(msg);
	uint32_t cseq = cscf_sip_msg_cseq(msg);

	if (id.n >= sizeof(c->call_id)) {
		c->call_id[0] = '\0';
		return true;
	}
	if (gw_slice_eq_str(id, c->call_id) && cseq < c->cseq)
		return false;
	memcpy(c->call_id, id.p, id.n);
	c->call_id[id.n] = '\0';
	c->cseq = cseq;
	return true;
}

static bool other_impi_here(const struct reg_conn *c, const char *impi)
{
	return c->assocs != NULL && reg_assoc_on(c, impi) == NULL;
}

const struct reg_refusal reg_refusal_full = {403, "Too Many Connections", "max-per-impi", NULL,
					     NULL};

bool reg_impi_is_full(const struct cscf_registrar *r, const char *impi)
{
	return (int64_t)reg_assoc_count_live(r, impi) >= r->cfg->max_per_impi;
}

/* One more association for this IMPI, unless the request refreshes or replaces one (REG-45). */
static bool over_limit(const struct cscf_registrar *r, const struct reg_conn *c,
		       const struct reg_request *q)
{
	const struct reg_assoc *old = reg_assoc_replaced(r, q, c->id);

	if (q->query || q->dereg || reg_assoc_on(c, q->impi) != NULL ||
	    (old != NULL && reg_assoc_is_live(old)))
		return false;
	return (int64_t)(reg_assoc_count_live(r, q->impi) + reg_txn_coming(r, q->impi, c->id)) >=
	       r->cfg->max_per_impi;
}

static bool check_order(struct cscf_registrar *r, struct reg_conn *c,
			const struct cscf_sip_msg *msg, const struct reg_request *q,
			struct reg_refusal *why)
{
	if (!cseq_in_order(c, msg)) {
		*why = (struct reg_refusal){500, "CSeq Out Of Order", "cseq", NULL, NULL};
		return false;
	}
	if (reg_txn_pending(r, c->id, q->to_aor)) {
		*why = (struct reg_refusal){500, "Registration In Progress", "pending",
					    "Retry-After", "2"};
		return false;
	}
	return true;
}

/* The association that has moved on and left nobody behind. Its dialogs name this connection as
 * long as they live, so that nobody else may have it (DEREG-43). */
static const struct reg_assoc *left_by(const struct reg_conn *c)
{
	return c->assocs == NULL ? reg_moved_find(c->r, c->id) : NULL;
}

static bool left_by_another(const struct reg_conn *c, const char *impi)
{
	const struct reg_assoc *a = left_by(c);

	return a != NULL && strcmp(a->impi->impi, impi) != 0;
}

bool reg_check_limits(struct cscf_registrar *r, const struct reg_conn *c,
		      const struct reg_request *q, struct reg_refusal *why)
{
	if ((!r->cfg->multi_impi && other_impi_here(c, q->impi)) || left_by_another(c, q->impi)) {
		*why = (struct reg_refusal){403, "Connection Belongs To Another User",
					    "second-impi", NULL, NULL};
		return false;
	}
	if (over_limit(r, c, q)) {
		*why = reg_refusal_full;
		return false;
	}
	return true;
}

/*
 * A REGISTER without credentials on an associated connection is one of whoever the connection
 * belongs to (browser stacks send each one bare and wait for the challenge): without a username
 * to go by, the registered To names the IMPI, or the only association there is (REG-44). Nothing
 * is believed by that: it goes to the core without integrity-protected, and may be challenged.
 */
static const struct reg_assoc *owner_of(const struct reg_conn *c, const char *to_aor)
{
	const struct reg_assoc *a, *left = left_by(c);

	DL_FOREACH (c->assocs, a)
		if (reg_binding_find(a, to_aor) != NULL)
			return a;
	if (left != NULL && reg_binding_find(left, to_aor) != NULL)
		return left;
	if (c->r->cfg->multi_impi)
		return NULL;
	return left != NULL ? left : c->assocs;
}

static bool adopt_impi(const struct reg_conn *c, struct reg_request *q)
{
	const struct reg_assoc *a = owner_of(c, q->to_aor);
	char *impi;

	if (q->scheme != REG_SCHEME_NONE || a == NULL)
		return true;
	impi = strdup(a->impi->impi);
	if (impi == NULL)
		return false;
	free(q->impi);
	q->impi = impi;
	return true;
}

void cscf_registrar_on_register(struct cscf_registrar *r, gw_handle server,
				const struct cscf_sip_msg *req, const struct cscf_sip_flow *flow)
{
	struct reg_refusal why = {500, NULL, "no-memory", NULL, NULL};
	struct reg_request q;
	struct reg_conn *c;

	if (!reg_request_read(&q, r, req, flow, &why)) {
		reg_refuse(r, server, &why, flow);
		reg_request_fini(&q);
		return;
	}
	c = reg_conn_get(r, flow);
	if (c == NULL || !adopt_impi(c, &q) || !check_order(r, c, req, &q, &why) ||
	    (q.scheme != REG_SCHEME_BEARER && !reg_check_limits(r, c, &q, &why)) ||
	    !reg_gate_open(r, c, &q, flow, &why)) {
		reg_refuse(r, server, &why, flow);
		reg_request_fini(&q);
		return;
	}
	reg_conn_cancel_close(c);
	reg_txn_start(r, server, req, flow, c, &q);
}

void cscf_registrar_on_flow_closed(struct cscf_registrar *r, uint64_t conn)
{
	struct reg_conn *c = reg_conn_find(r, conn);
	struct reg_assoc *a, *next;

	if (c == NULL || !c->alive)
		return;
	c->alive = false;
	reg_conn_cancel_close(c);
	DL_FOREACH_SAFE (c->assocs, a, next) {
		enum gw_err err = gw_fsm_dispatch(&a->fsm, ASSOC_E_FLOW_LOST, NULL);

		(void)err; /* only live ones take it */
	}
	reg_conn_release(c);
}

struct cscf_registrar_counts cscf_registrar_counts(const struct cscf_registrar *r)
{
	struct cscf_registrar_counts n = {.pending = reg_txn_count(r)};
	const struct reg_assoc *a;
	const struct reg_binding *b;
	uint32_t cursor = 0;

	while ((a = gw_handle_next(r->handles, &cursor)) != NULL) {
		n.associations += reg_assoc_is_live(a);
		n.flows_lost += !reg_assoc_is_live(a);
		DL_FOREACH (a->bindings, b)
			n.bindings++;
	}
	return n;
}

static const char *scenario_of(const struct reg_assoc *a)
{
	if (a->grant != NULL)
		return a->grant->pool ? "3" : "2";
	return a->scheme == REG_SCHEME_AKA ? "1b" : "1";
}

static void fill_row(struct cscf_registrar_row *row, const struct reg_assoc *a,
		     const struct reg_binding *b)
{
	bool live = reg_assoc_is_live(a);

	*row = (struct cscf_registrar_row){
	    .assoc = a->handle,
	    .conn = live ? a->conn->id : 0,
	    .impi = a->impi->impi,
	    .to = b->to_uri,
	    .contact = b->contact,
	    .instance = a->instance,
	    .reg_id = a->reg_id,
	    .outbound = b->grant.outbound,
	    .peer = a->conn->peer,
	    .state = live ? "registered" : "flow-lost",
	    .expires_in_s = (b->expires_at_ms - reg_now_ms()) / 1000,
	    .impus = a->impus,
	    .n_impus = a->n_impus,
	    .service_route = b->grant.service_route,
	    .n_service_route = b->grant.n_service_route,
	    .scenario = scenario_of(a),
	    .issuer = a->grant != NULL ? a->grant->issuer : "",
	    .wwsf = a->grant != NULL ? a->grant->client_id : "",
	    .token_expires_in =
		a->grant != NULL ? cscf_authz_grant_left(a->r->parts.authz, a->grant) : 0,
	};
}

/* The cursor: association walk in the upper half, bindings already shown in the lower. */
bool cscf_registrar_next(const struct cscf_registrar *r, uint64_t *cursor,
			 struct cscf_registrar_row *row)
{
	uint32_t at = (uint32_t)(*cursor >> 32), shown = (uint32_t)*cursor, here;
	const struct reg_assoc *a;
	const struct reg_binding *b;

	for (;;) {
		uint32_t n = 0;

		here = at;
		a = gw_handle_next(r->handles, &at);
		if (a == NULL)
			return false;
		DL_FOREACH (a->bindings, b) {
			if (n++ < shown)
				continue;
			fill_row(row, a, b);
			*cursor = (uint64_t)here << 32 | (shown + 1);
			return true;
		}
		shown = 0;
	}
}
