/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the registrar remembers of a W2 connection: whether it lives, which associations are on
 * it, the last REGISTER's CSeq, and a delayed close. The record outlives the connection as long
 * as a lost association is named by its flow token.
 * Thread: the cscf loop.
 */
#include "cscf/registrar/reg_int.h"

#include <event2/event.h>

struct reg_conn *reg_conn_find(const struct cscf_registrar *r, uint64_t id)
{
	struct reg_conn *c = NULL;

	HASH_FIND(hh, r->conns, &id, sizeof(id), c);
	return c;
}

struct reg_conn *reg_conn_get(struct cscf_registrar *r, const struct cscf_sip_flow *flow)
{
	struct reg_conn *c = reg_conn_find(r, flow->conn);

	if (c != NULL)
		return c;
	c = calloc(1, sizeof(*c));
	if (c == NULL)
		return NULL;
	c->id = flow->conn;
	c->alive = true;
	c->r = r;
	(void)gw_addr_str(&flow->remote, c->peer, sizeof(c->peer));
	HASH_ADD(hh, r->conns, id, sizeof(c->id), c);
	return c;
}

static void on_close_timer(evutil_socket_t fd, short what, void *arg)
{
	struct reg_conn *c = arg;

	(void)fd;
	(void)what;
	/* a registration that came meanwhile keeps the connection (DEREG-06) */
	if (c->alive && c->assocs == NULL)
		cscf_sip_conn_close(c->r->parts.stack, c->id, 1000, "not registered");
}

void reg_conn_close_after(struct reg_conn *c, int64_t delay_ms)
{
	struct timeval tv = {.tv_sec = delay_ms / 1000,
			     .tv_usec = (suseconds_t)(delay_ms % 1000) * 1000};

	if (!c->alive)
		return;
	if (c->close_timer == NULL)
		c->close_timer = evtimer_new(c->r->parts.base, on_close_timer, c);
	if (c->close_timer == NULL) /* out of memory: close now rather than never */
		on_close_timer(-1, 0, c);
	else if (!evtimer_pending(c->close_timer, NULL))
		(void)evtimer_add(c->close_timer, &tv);
}

void reg_conn_cancel_close(struct reg_conn *c)
{
	if (c->close_timer != NULL)
		(void)evtimer_del(c->close_timer);
}

void reg_conn_release(struct reg_conn *c)
{
	if (c->alive || c->assocs != NULL)
		return;
	if (c->close_timer != NULL)
		event_free(c->close_timer);
	HASH_DELETE(hh, c->r->conns, c);
	free(c);
}
