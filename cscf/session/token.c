/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Web tokens in requests other than REGISTER (token.on_requests). A WIC that registered by a
 * token may, or must, say one in each request; it has to be good and of the same user. A request
 * waits here while the WAF is asked, and goes on where it would have gone at once.
 *
 * Not here: emergency requests (they never come this far), ACK and CANCEL (never challenged), BYE
 * (whoever may not call any more may still hang up). The header field itself is removed at the
 * trust boundary from every request, whatever is decided here.
 * The other way round, a challenge of the core is nothing that such a WIC could answer.
 * Spec: TS 24.371 7.2.1 (Rel-17), RFC 8898 s2.3; TOK-22, TOK-24, TOK-29, WS-04.
 * Thread: the cscf loop.
 */
#include "cscf/session/session_int.h"

#include "cscf/sip/mask.h"

#include <stdio.h>

#define GW_LOG_MOD  "session"
#define MAX_WAITING 1000 /* a WAF that does not answer must not hold more */

struct token_wait {
	struct token_wait *prev, *next;
	struct cscf_session *s; /* borrowed */
	gw_handle server, job;
	struct cscf_sip_flow flow;
	bool proxy; /* it came in Proxy-Authorization */
};

struct credential {
	struct gw_slice value; /* n = 0: none */
	bool proxy;
	bool several; /* of one header field */
};

static bool is_bearer(struct gw_slice value)
{
	size_t n = 0;

	while (n < value.n && value.p[n] != ' ' && value.p[n] != '\t')
		n++;
	return gw_slice_ieq_str((struct gw_slice){value.p, n}, "Bearer");
}

static void find_in(const struct cscf_sip_msg *msg, const char *name, bool proxy,
		    struct credential *out)
{
	struct gw_slice value;
	size_t cursor = 0, n = 0;

	while (cscf_sip_msg_hdr_next(msg, name, &cursor, &value)) {
		if (!is_bearer(value))
			continue;
		if (out->value.n == 0) {
			out->value = value;
			out->proxy = proxy;
		}
		out->several = out->several || n++ > 0;
	}
}

static void refuse(struct cscf_session *s, gw_handle server, const struct cscf_sip_msg *msg,
		   int status, const char *phrase)
{
	session_note_refused(msg, status, REFUSAL_TOKEN);
	cscf_sip_reply(s->p.stack, server, status, phrase, (char *)NULL);
}

/* 401, or 407 where the token came as a proxy's credential. */
static void challenge(struct cscf_session *s, gw_handle server, const struct cscf_sip_msg *msg,
		      const char *error, const char *phrase, bool proxy)
{
	char value[CSCF_AUTHZ_CHALLENGE_MAX];

	if (cscf_authz_challenge(s->p.authz, error, value, sizeof(value)) != GW_OK) {
		refuse(s, server, msg, 403, phrase);
		return;
	}
	session_note_refused(msg, proxy ? 407 : 401, REFUSAL_TOKEN);
	cscf_sip_reply(s->p.stack, server, proxy ? 407 : 401, phrase,
		       proxy ? "Proxy-Authenticate" : "WWW-Authenticate", value, (char *)NULL);
}

static void unavailable(struct cscf_session *s, gw_handle server, const struct cscf_sip_msg *msg,
			unsigned retry_after_s, const char *phrase)
{
	char after[16];

	snprintf(after, sizeof(after), "%u", retry_after_s);
	session_note_refused(msg, 503, REFUSAL_TOKEN);
	cscf_sip_reply(s->p.stack, server, 503, phrase, "Retry-After", after, (char *)NULL);
}

static void wait_free(struct token_wait *w)
{
	DL_DELETE(w->s->token_waits, w);
	w->s->n_token_waits--;
	cscf_authz_cancel(w->s->p.authz, w->job);
	free(w);
}

static bool is_same_user(struct cscf_session *s, const struct cscf_sip_msg *msg, uint64_t conn,
			 const struct cscf_authz_grant *grant)
{
	struct cscf_registrar_identity id;

	/* nobody registered any more: the request meets its 403 further on */
	if (!session_identify(s, msg, conn, &id) || id.grant == NULL)
		return true;
	return strcmp(id.impi, grant->impi) == 0 && strcmp(id.grant->issuer, grant->issuer) == 0;
}

static void on_verdict(void *arg, const struct cscf_authz_result *res)
{
	struct token_wait *w = arg;
	struct cscf_session *s = w->s;
	gw_handle server = w->server;
	struct cscf_sip_flow flow = w->flow;
	const struct cscf_sip_msg *msg = cscf_sip_server_request(s->p.stack, server);
	bool proxy = w->proxy;

	w->job = GW_HANDLE_NONE;
	wait_free(w);
	if (msg == NULL) /* the transaction ended meanwhile */
		return;
	switch (res->verdict) {
	case CSCF_AUTHZ_OK:
		if (is_same_user(s, msg, flow.conn, res->grant))
			session_take_request(s, server, msg, &flow);
		else
			refuse(s, server, msg, 403, "Token Of Another User");
		break;
	case CSCF_AUTHZ_MALFORMED:
		refuse(s, server, msg, 400, res->phrase);
		break;
	case CSCF_AUTHZ_INVALID:
		challenge(s, server, msg, res->error, res->phrase, proxy);
		break;
	case CSCF_AUTHZ_DENIED:
		refuse(s, server, msg, 403, res->phrase);
		break;
	case CSCF_AUTHZ_UNAVAILABLE:
	case CSCF_AUTHZ_VERDICT_COUNT:
		unavailable(s, server, msg, res->retry_after_s, res->phrase);
		break;
	}
}

static void verify(struct cscf_session *s, gw_handle server, const struct cscf_sip_msg *msg,
		   const struct cscf_sip_flow *flow, const struct credential *cred)
{
	struct cscf_authz_query query = {
	    .credentials = cred->value,
	    .origin = cscf_sip_conn_origin(s->p.stack, flow->conn),
	    .source = &flow->remote,
	    .secure = flow->transport == CSCF_SIP_WSS,
	};
	struct token_wait *w = s->n_token_waits < MAX_WAITING ? calloc(1, sizeof(*w)) : NULL;

	if (w == NULL) {
		unavailable(s, server, msg, (unsigned)s->cfg->retry_after_s, NULL);
		return;
	}
	*w = (struct token_wait){.s = s, .server = server, .flow = *flow, .proxy = cred->proxy};
	DL_APPEND(s->token_waits, w);
	s->n_token_waits++;
	cscf_authz_verify(s->p.authz, &query, on_verdict, w, &w->job);
}

/* token.lifetime_policy=terminate, or taken back by the WAF: no request before a new REGISTER. */
static bool is_blocked(struct cscf_session *s, gw_handle server, const struct cscf_sip_msg *msg,
		       const struct cscf_registrar_identity *id)
{
	if (cscf_authz_grant_is_revoked(s->p.authz, id->grant))
		refuse(s, server, msg, 403, "Token Revoked");
	else if (id->token_over)
		challenge(s, server, msg, "invalid_token", "Token Expired", false);
	else
		return false;
	return true;
}

/* A call for help goes on, whatever its caller shows or lacks (EMG-17). */
static bool is_in_emergency_call(struct cscf_session *s, const struct cscf_sip_msg *msg)
{
	struct dialog *d = NULL;
	const struct call *c =
	    cscf_sip_msg_to_tag(msg).n > 0 ? call_find_dialog(s, msg, SIDE_WIC, &d) : NULL;

	return c != NULL && c->emergency != NULL;
}

bool token_gate(struct cscf_session *s, gw_handle server, const struct cscf_sip_msg *msg,
		const struct cscf_sip_flow *flow)
{
	struct credential cred = {0};
	struct cscf_registrar_identity id;

	if (s->p.authz == NULL || cscf_sip_msg_method(msg) == CSCF_SIP_BYE ||
	    is_in_emergency_call(s, msg))
		return false;
	find_in(msg, "Authorization", false, &cred);
	find_in(msg, "Proxy-Authorization", true, &cred);
	if (cred.value.n > 0 && flow->transport == CSCF_SIP_WS) {
		refuse(s, server, msg, 403, "Token Over Insecure Connection");
		return true;
	}
	if (!session_identify(s, msg, flow->conn, &id) || id.grant == NULL)
		return false;
	if (is_blocked(s, server, msg, &id))
		return true;
	if (s->cfg->token_on_requests == CSCF_SESSION_TOKEN_IGNORE)
		return false;
	if (cred.several) {
		refuse(s, server, msg, 400, "Several Credentials");
		return true;
	}
	if (cred.value.n > 0)
		verify(s, server, msg, flow, &cred);
	else if (s->cfg->token_on_requests == CSCF_SESSION_TOKEN_REQUIRE)
		challenge(s, server, msg, NULL, NULL, false);
	else
		return false;
	return true;
}

enum gw_err token_hide_challenge(struct cscf_session *s, gw_handle assoc, struct cscf_sip_msg *rsp)
{
	int status = cscf_sip_msg_status(rsp);
	struct cscf_registrar_identity id;
	char warning[320];
	enum gw_err err;

	if ((status != 401 && status != 407) ||
	    !cscf_registrar_identify_assoc(s->p.registrar, assoc, &id) || id.grant == NULL)
		return GW_OK;
	gw_metric_inc(&session_metrics[SM_TNA_REFUSED]);
	GW_LOG_LIMITED(GW_LOG_ERROR, "session.tna_not_accepted",
		       "status=%d impi=\"%s\" method=%.*s", status, cscf_sip_mask(id.impi),
		       GW_SLICE_FMT(cscf_sip_msg_method_text(rsp)));
	(void)cscf_sip_msg_hdr_del(rsp, "WWW-Authenticate");
	(void)cscf_sip_msg_hdr_del(rsp, "Proxy-Authenticate");
	snprintf(warning, sizeof(warning), "399 %.200s \"core requires authentication\"",
		 s->cfg->mw_name);
	err = cscf_sip_msg_hdr_set(rsp, "Warning", warning);
	return err == GW_OK ? cscf_sip_msg_set_status(rsp, 403, NULL) : err;
}

static struct token_wait *find_wait(const struct cscf_session *s, gw_handle server)
{
	struct token_wait *w;

	DL_FOREACH (s->token_waits, w)
		if (w->server == server)
			return w;
	return NULL;
}

bool token_cancelled(struct cscf_session *s, gw_handle server)
{
	struct token_wait *w = find_wait(s, server);

	if (w == NULL)
		return false;
	wait_free(w);
	cscf_sip_reply(s->p.stack, server, 487, NULL, (char *)NULL);
	return true;
}

void token_server_done(struct cscf_session *s, gw_handle server)
{
	struct token_wait *w = find_wait(s, server);

	if (w != NULL)
		wait_free(w);
}

void token_free_all(struct cscf_session *s)
{
	struct token_wait *w, *next;

	DL_FOREACH_SAFE (s->token_waits, w, next)
		wait_free(w);
}
