/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The WebSocket connections as the stack knows them: id, flow, malformed messages in a row.
 * Frames, TLS and queues are cscf/ws's. Spec: RFC 7118; WS-22, WS-27.
 */
#include "cscf/sip/stack_int.h"

#include <stdlib.h>

#define GW_LOG_MOD "sip"
#include "common/log.h"

struct cscf_sip_w2_conn *cscf_sip_w2_find(const struct cscf_sip_stack *s, uint64_t id)
{
	struct cscf_sip_w2_conn *c = s->w2_last;

	/* one message asks several times for the same */
	if (c != NULL && c->id == id)
		return c;
	HASH_FIND(hh, s->w2_conns, &id, sizeof(id), c);
	return c;
}

enum gw_err cscf_sip_w2_opened(struct cscf_sip_stack *s, uint64_t conn, bool secure,
			       const struct gw_addr *local, const struct gw_addr *remote)
{
	struct cscf_sip_w2_conn *c;

	if (cscf_sip_w2_find(s, conn) != NULL)
		return GW_ERR_EXISTS;
	c = calloc(1, sizeof(*c));
	if (c == NULL)
		return GW_ERR_NOMEM;
	c->id = conn;
	c->flow = (struct cscf_sip_flow){
	    .side = CSCF_SIP_W2,
	    .transport = secure ? CSCF_SIP_WSS : CSCF_SIP_WS,
	    .conn = conn,
	    .local = *local,
	    .remote = *remote,
	};
	HASH_ADD(hh, s->w2_conns, id, sizeof(c->id), c);
	if (c->hh.tbl == NULL) {
		free(c);
		return GW_ERR_NOMEM;
	}
	if (s->cbs->on_flow_open != NULL)
		s->cbs->on_flow_open(s->cbs_arg, &c->flow);
	return GW_OK;
}

static bool is_text(const char *data, size_t n, const char *text)
{
	return n == strlen(text) && memcmp(data, text, n) == 0;
}

void cscf_sip_w2_message(struct cscf_sip_stack *s, uint64_t conn, const char *data, size_t n)
{
	struct cscf_sip_w2_conn *c = cscf_sip_w2_find(s, conn);
	struct cscf_sip_flow flow;

	if (c == NULL || c->closing)
		return;
	s->w2_last = c;
	flow = c->flow;
	if (is_text(data, n, "\r\n\r\n")) { /* RFC 5626 ping (WS-22) */
		cscf_sip_count(CSCF_SIP_N_KEEPALIVE);
		if (cscf_sip_send_flow(s, &flow, "\r\n", 2) != GW_OK)
			cscf_sip_count(CSCF_SIP_N_TRANSPORT_ERROR);
		return;
	}
	if (is_text(data, n, "\r\n"))
		return;
	if (cscf_sip_receive(s, &flow, data, n, false)) {
		c = cscf_sip_w2_find(s, conn); /* may have gone meanwhile */
		if (c != NULL)
			c->malformed = 0;
		return;
	}
	c = cscf_sip_w2_find(s, conn);
	if (c == NULL || ++c->malformed < s->cfg->max_malformed)
		return;
	cscf_sip_count(CSCF_SIP_N_BAD_CLOSED);
	GW_LOG_LIMITED(GW_LOG_WARN, "sip.malformed_close", "conn=%llu in_a_row=%u",
		       (unsigned long long)conn, c->malformed);
	cscf_sip_conn_close(s, conn, 1002, "too many malformed messages");
}

void cscf_sip_w2_closed(struct cscf_sip_stack *s, uint64_t conn)
{
	struct cscf_sip_w2_conn *c = cscf_sip_w2_find(s, conn);
	struct cscf_sip_flow flow;

	if (c == NULL)
		return;
	flow = c->flow;
	HASH_DELETE(hh, s->w2_conns, c);
	s->w2_last = NULL;
	free(c);
	cscf_sip_clients_conn_closed(s, &flow, true);
	if (s->cbs->on_flow_closed != NULL)
		s->cbs->on_flow_closed(s->cbs_arg, &flow);
}

bool cscf_sip_conn_alive(const struct cscf_sip_stack *s, uint64_t conn, struct cscf_sip_flow *flow)
{
	const struct cscf_sip_w2_conn *c = cscf_sip_w2_find(s, conn);

	if (c == NULL || c->closing)
		return false;
	if (flow != NULL)
		*flow = c->flow;
	return true;
}

void cscf_sip_conn_close(struct cscf_sip_stack *s, uint64_t conn, uint16_t code, const char *reason)
{
	struct cscf_sip_w2_conn *c = cscf_sip_w2_find(s, conn);

	if (c == NULL || c->closing || s->ws_ops == NULL)
		return;
	c->closing = true;
	s->ws_ops->close(s->ws_arg, conn, code, reason);
}

void cscf_sip_conn_set_authenticated(struct cscf_sip_stack *s, uint64_t conn, bool yes)
{
	struct cscf_sip_w2_conn *c = cscf_sip_w2_find(s, conn);

	if (c != NULL)
		c->registered = yes;
	if (s->ws_ops != NULL && s->ws_ops->set_authenticated != NULL)
		s->ws_ops->set_authenticated(s->ws_arg, conn, yes);
}

const char *cscf_sip_conn_origin(const struct cscf_sip_stack *s, uint64_t conn)
{
	if (s->ws_ops == NULL || s->ws_ops->origin == NULL)
		return "";
	return s->ws_ops->origin(s->ws_arg, conn);
}

void cscf_sip_w2_free(struct cscf_sip_stack *s)
{
	struct cscf_sip_w2_conn *c = s->w2_conns;

	s->w2_last = NULL;
	HASH_CLEAR(hh, s->w2_conns); /* the elements stay linked */
	while (c != NULL) {
		struct cscf_sip_w2_conn *next = c->hh.next;

		free(c);
		c = next;
	}
}
