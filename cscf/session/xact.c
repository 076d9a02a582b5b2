/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One request on its way through a call: server transaction on the leg it came from, client
 * transaction on the other. It ends when both have, and keeps what repeated 2xx need until then.
 * Thread: the cscf loop. Spec: RFC 3261 §16, CALL-24.
 */
#include "cscf/session/session_int.h"

#include <stdio.h>

struct xact *xact_new(struct call *c, gw_handle server, const struct cscf_sip_msg *msg,
		      enum side from)
{
	struct xact *x;

	/* a BYE always finds room */
	if (c->n_xacts >=
	    CALL_MAX_XACTS + (cscf_sip_msg_method(msg) == CSCF_SIP_BYE ? CALL_MORE_FOR_BYE : 0U))
		return NULL;
	x = calloc(1, sizeof(*x));
	if (x == NULL)
		return NULL;
	x->call = c;
	x->server = server;
	x->method = cscf_sip_msg_method(msg);
	x->cseq = cscf_sip_msg_cseq(msg);
	x->from = from;
	x->server_final = server == GW_HANDLE_NONE;
	DL_APPEND(c->xacts, x);
	c->n_xacts++;
	if (server != GW_HANDLE_NONE)
		HASH_ADD(hh, c->s->servers, server, sizeof(x->server), x);
	return x;
}

void xact_free(struct xact *x)
{
	struct call *c = x->call;

	if (x->client_live && !late_take(x))
		cscf_sip_client_detach(c->s->p.stack, x->client);
	if (x->server != GW_HANDLE_NONE)
		HASH_DEL(c->s->servers, x);
	if (c->invite == x)
		c->invite = NULL;
	DL_DELETE(c->xacts, x);
	c->n_xacts--;
	cscf_sip_msg_free(x->answer);
	cscf_sip_msg_free(x->ack);
	free(x);
}

void xact_check(struct xact *x)
{
	if (!x->client_live && x->server_final && !x->awaits_ack && x->n_jobs == 0)
		xact_free(x);
}

struct xact *xact_find_server(struct cscf_session *s, gw_handle server)
{
	struct xact *x = NULL;

	HASH_FIND(hh, s->servers, &server, sizeof(server), x);
	return x;
}

struct xact *xact_find_invite(const struct call *c, enum side from, uint32_t cseq)
{
	struct xact *x;

	DL_FOREACH (c->xacts, x)
		if (x->method == CSCF_SIP_INVITE && x->from == from && x->cseq == cseq &&
		    !x->is_own) /* those have numbers of another sequence */
			return x;
	return NULL;
}

/* A 488 with the body that RFC 3261 s21.4.26 asks for. @return false: nothing was sent */
static bool refuse_with_body(struct xact *x, int status, const char *warning)
{
	struct cscf_session *s = x->call->s;
	const struct cscf_sip_msg *req = cscf_sip_server_request(s->p.stack, x->server);
	char *body = cscf_sdp_allowed(s->p.sdp_policy);
	struct cscf_sip_msg *rsp = NULL;
	enum gw_err err = GW_ERR_NOMEM;

	if (req != NULL && body != NULL)
		err = cscf_sip_msg_new_response(&rsp, req, status, NULL);
	if (err == GW_OK)
		err = cscf_sip_msg_hdr_append(rsp, "Warning", warning);
	if (err == GW_OK)
		err = cscf_sip_msg_set_body(rsp, "application/sdp", body, strlen(body));
	free(body);
	if (err != GW_OK) {
		cscf_sip_msg_free(rsp);
		return false;
	}
	return cscf_sip_respond(s->p.stack, x->server, rsp) == GW_OK;
}

void xact_refuse_sdp(struct xact *x, int status, enum cscf_sdp_verdict verdict)
{
	const char *text;
	int code = cscf_sdp_verdict_warning(verdict, &text);
	char warning[160];

	if (x->server_final)
		return;
	snprintf(warning, sizeof(warning), "%d %s \"%s\"", code, x->call->s->cfg->mw_name, text);
	if (x->from == SIDE_WIC && cscf_sdp_verdict_wants_allowed(verdict) &&
	    refuse_with_body(x, status, warning))
		x->server_final = true;
	else
		xact_reply(x, status, NULL, code != 0 ? "Warning" : NULL, warning);
}

void xact_reply(struct xact *x, int status, const char *reason, const char *hdr, const char *value)
{
	if (x->server_final)
		return;
	x->server_final = true;
	if (hdr != NULL)
		cscf_sip_reply(x->call->s->p.stack, x->server, status, reason, hdr, value,
			       (char *)NULL);
	else
		cscf_sip_reply(x->call->s->p.stack, x->server, status, reason, (char *)NULL);
}
