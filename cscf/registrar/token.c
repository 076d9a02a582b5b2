/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A REGISTER with a web token: have it checked, compare what it grants with what is asked and
 * with who is on the connection, bind it to the association. A token is never kept, only its
 * grant (hash, expiry, issuer, WWSF).
 * Not here: the token itself (cscf/authz), what the core gets for it (tna.c), pools (pool.c).
 * Spec: TS 24.371 §6.4.2, RFC 8898; TOK-01..03, 13, 18..24, 33, WS-04. Thread: the cscf loop.
 */
#include "cscf/registrar/gate.h"
#include "cscf/registrar/pool.h"
#include "cscf/registrar/reg_txn.h"
#include "cscf/registrar/scheme.h"
#include "cscf/registrar/tna.h"

#include "cscf/sip/mask.h"

#include "common/log.h"

#include <stdio.h>
#include <utlist.h>

#define GW_LOG_MOD "registrar"

static const struct reg_assoc *token_assoc_on(const struct reg_txn *t)
{
	const struct reg_conn *c = reg_conn_find(t->r, t->flow.conn);
	const struct reg_assoc *a;

	if (c == NULL)
		return NULL;
	DL_FOREACH (c->assocs, a)
		if (a->grant != NULL)
			return a;
	return NULL;
}

void reg_token_verify(struct reg_txn *t, cscf_authz_done *done)
{
	struct cscf_authz_query query = {
	    .credentials = gw_slice_str(t->q.credentials),
	    .origin = cscf_sip_conn_origin(t->r->parts.stack, t->flow.conn),
	    .source = &t->flow.remote,
	    .secure = t->flow.transport == CSCF_SIP_WSS,
	    .allow_expired =
		t->q.dereg && t->r->cfg->allow_expired_dereg && token_assoc_on(t) != NULL,
	};

	cscf_authz_verify(t->r->parts.authz, &query, done, t, &t->job);
}

static bool refuse(struct reg_refusal *why, enum reg_metric m, const char *reason, const char *word)
{
	reg_metric_inc(m);
	*why = (struct reg_refusal){403, reason, word, NULL, NULL};
	return false;
}

/* Made by nobody we trust. Not what an honest page has at times: a token that is over or not yet
 * good by its clock, was withdrawn, or is signed by a key we have not fetched yet. */
static bool is_forged(enum cscf_authz_reason reason)
{
	return reason == CSCF_AUTHZ_R_SIGNATURE || reason == CSCF_AUTHZ_R_ALG ||
	       reason == CSCF_AUTHZ_R_ISSUER || reason == CSCF_AUTHZ_R_NOT_A_TOKEN;
}

/* The verdict as an answer: 400, 401 with our challenge, 403, 503 with Retry-After (TOK-27). */
static bool refuse_verdict(struct reg_txn *t, const struct cscf_authz_result *res,
			   struct reg_refusal *why)
{
	struct cscf_registrar *r = t->r;

	switch (res->verdict) {
	case CSCF_AUTHZ_MALFORMED:
		reg_metric_inc(REG_M_TOKEN_MALFORMED);
		*why = (struct reg_refusal){400, res->phrase, res->word, NULL, NULL};
		break;
	case CSCF_AUTHZ_INVALID:
		reg_metric_inc(REG_M_TOKEN_INVALID);
		if (is_forged(res->reason))
			reg_gate_token_refused(r, &t->q, &t->flow);
		(void)reg_bearer_challenge(r, res->error, res->word, why);
		why->reason = res->phrase; /* the page tells its user */
		break;
	case CSCF_AUTHZ_DENIED:
		return refuse(why, REG_M_TOKEN_DENIED, res->phrase, res->word);
	case CSCF_AUTHZ_UNAVAILABLE:
		reg_metric_inc(REG_M_TOKEN_UNAVAILABLE);
		snprintf(r->challenge, sizeof(r->challenge), "%u", res->retry_after_s);
		*why =
		    (struct reg_refusal){503, res->phrase, res->word, "Retry-After", r->challenge};
		break;
	case CSCF_AUTHZ_OK:
	case CSCF_AUTHZ_VERDICT_COUNT:
		*why = (struct reg_refusal){500, NULL, "verdict", NULL, NULL};
		break;
	}
	return false;
}

/* TOK-21: who holds this connection stays who he is, also by his issuer. */
static bool same_user(const struct reg_conn *c, const struct cscf_authz_grant *grant,
		      struct reg_refusal *why)
{
	const struct reg_assoc *a = reg_assoc_on(c, grant->impi);

	if (a != NULL && a->grant != NULL && strcmp(a->grant->issuer, grant->issuer) != 0)
		return refuse(why, REG_M_TOKEN_OTHER_USER, "Token Of Another Issuer", "issuer");
	if (a == NULL && c->assocs != NULL && !c->r->cfg->multi_impi)
		return refuse(why, REG_M_TOKEN_OTHER_USER, "Connection Belongs To Another User",
			      "second-impi");
	return true;
}

/* TOK-33: one live connection per token; the same instance may come back on a new one. A token is
 * of one IMPI, and so are all that registered with it. */
static bool single_connection(const struct reg_txn *t, const struct cscf_authz_grant *grant,
			      struct reg_refusal *why)
{
	const struct reg_impi *i = reg_impi_find(t->r, grant->impi);
	const struct reg_assoc *a, *old;

	if (!t->r->cfg->token_single_connection || t->q.dereg || i == NULL)
		return true;
	old = reg_assoc_replaced(t->r, &t->q, t->flow.conn);
	DL_FOREACH2(i->assocs, a, impi_next)
	if (a != old && a->grant != NULL && a->conn->id != t->flow.conn && reg_assoc_is_live(a) &&
	    cscf_authz_grant_same_token(a->grant, grant))
		return refuse(why, REG_M_TOKEN_IN_USE, "Token In Use", "token-in-use");
	return true;
}

/* What the token grants, and nothing that the WIC says of itself (TOK-13). */
static bool take_identity(struct reg_txn *t, const struct cscf_authz_grant *grant,
			  struct reg_refusal *why)
{
	char *impi;

	if (!cscf_authz_grant_has_impu(grant, gw_slice_str(t->q.to_uri)))
		return refuse(why, REG_M_TOKEN_IDENTITY, "Identity Not Granted", "impu");
	if (!reg_impi_is_ours(t->r, grant->impi))
		return refuse(why, REG_M_TOKEN_IDENTITY, "Foreign Private Identity",
			      "foreign-impi");
	impi = strdup(grant->impi);
	if (impi == NULL)
		return false;
	free(t->q.impi);
	t->q.impi = impi;
	t->q.grant = cscf_authz_grant_ref(grant);
	return true;
}

/* An expired token is good for saying goodbye where it registered, and for nothing else. */
static bool expired_is_fine(const struct reg_txn *t, const struct reg_conn *c)
{
	const struct reg_assoc *a = reg_assoc_on(c, t->q.impi);

	return t->q.dereg && a != NULL && a->grant != NULL;
}

/* TOK-22: the registration asks for no more than the token has left. */
static bool cap(struct reg_txn *t)
{
	int64_t left = cscf_authz_grant_left(t->r->parts.authz, t->q.grant);

	if (t->r->cfg->lifetime_policy != CSCF_REGISTRAR_LIFETIME_CAP || t->q.dereg || t->q.query)
		return true;
	if (left <= 0)
		return false;
	t->q.cap_s = left < UINT32_MAX ? (uint32_t)left : UINT32_MAX;
	t->q.is_capped = t->q.expires_s > t->q.cap_s;
	if (t->q.is_capped)
		t->q.expires_s = t->q.cap_s;
	return true;
}

bool reg_token_take(struct reg_txn *t, const struct cscf_authz_result *res, struct reg_refusal *why)
{
	struct reg_conn *c = reg_conn_find(t->r, t->flow.conn);

	*why = (struct reg_refusal){500, NULL, "no-memory", NULL, NULL};
	if (c == NULL) { /* the WIC left while its token was under check */
		*why = (struct reg_refusal){480, NULL, "abandoned", NULL, NULL};
		return false;
	}
	if (res->verdict != CSCF_AUTHZ_OK)
		return refuse_verdict(t, res, why);
	if (!take_identity(t, res->grant, why) || !same_user(c, res->grant, why) ||
	    !single_connection(t, res->grant, why) || !reg_check_limits(t->r, c, &t->q, why))
		return false;
	if ((res->expired && !expired_is_fine(t, c)) || !cap(t)) {
		reg_metric_inc(REG_M_TOKEN_INVALID);
		(void)reg_bearer_challenge(t->r, "invalid_token", "expired", why);
		why->reason = "Token Expired";
		return false;
	}
	if (!reg_pool_claim(t->r, &t->q, why))
		return false;
	reg_metric_inc(REG_M_TOKEN_GOOD);
	return true;
}

void reg_token_bind(struct reg_assoc *a, const struct reg_request *q)
{
	const struct cscf_authz_grant *old = a->grant;
	struct reg_binding *b;

	if (q->scheme != REG_SCHEME_NONE)
		a->scheme = q->scheme;
	a->grant = q->grant != NULL ? cscf_authz_grant_ref(q->grant) : NULL;
	cscf_authz_grant_unref(old);
	b = reg_binding_find(a, q->to_aor);
	if (b != NULL)
		reg_pool_bound(a->r, b, q);
}

/* The skew is the grace: until then the token itself would still have been good. */
bool reg_token_is_over(const struct reg_assoc *a)
{
	return a->grant != NULL &&
	       a->r->cfg->lifetime_policy == CSCF_REGISTRAR_LIFETIME_TERMINATE &&
	       cscf_authz_grant_left(a->r->parts.authz, a->grant) * 1000 <=
		   -a->r->cfg->token_clock_skew;
}

static void challenged(struct reg_txn *t, int status)
{
	char warning[320];
	enum gw_err err;

	reg_metric_inc(REG_M_TNA_REFUSED);
	GW_LOG_LIMITED(GW_LOG_ERROR, "reg.tna_not_accepted",
		       "status=%d impi=\"%s\" issuer=\"%s\" why=\"the core does not trust us\"",
		       status, cscf_sip_mask(t->q.impi), t->q.grant->issuer);
	snprintf(warning, sizeof(warning), "399 %.200s \"core requires authentication\"",
		 t->r->cfg->mw_name);
	err = cscf_sip_reply(t->r->parts.stack, t->server, 403, NULL, "Warning", warning,
			     (char *)NULL);
	(void)err; /* the connection may be gone: then nobody waits for it */
}

bool reg_tna_answer(struct reg_txn *t, const struct cscf_sip_msg *rsp)
{
	int status = cscf_sip_msg_status(rsp);
	struct reg_refusal why;

	if (t->q.grant == NULL)
		return false;
	if (status == 401 || status == 407) {
		challenged(t, status);
		return true;
	}
	if (status != 423 || !t->q.is_capped)
		return false;
	reg_metric_inc(REG_M_TOKEN_TOO_SHORT);
	(void)reg_bearer_challenge(t->r, "invalid_token", "token-too-short", &why);
	reg_refuse(t->r, t->server, &why, &t->flow);
	return true;
}
