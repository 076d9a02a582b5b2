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

	if (x->client_live)
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
	if (!x->client_live && x->server_final && x->n_jobs == 0)
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
		if (x->method == CSCF_SIP_INVITE && x->from == from && x->cseq == cseq)
			return x;
	return NULL;
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
