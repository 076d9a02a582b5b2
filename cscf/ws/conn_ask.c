/* SPDX-License-Identifier: Apache-2.0 */
/* What may be asked of a connection; see conn.h. */
#include "cscf/ws/ws_int.h"

uint64_t cscf_ws_conn_id(const struct cscf_ws_conn *c)
{
	return c->id;
}

const struct gw_addr *cscf_ws_conn_peer(const struct cscf_ws_conn *c)
{
	return &c->peer;
}

const struct gw_addr *cscf_ws_conn_local(const struct cscf_ws_conn *c)
{
	return &c->local;
}

bool cscf_ws_conn_is_tls(const struct cscf_ws_conn *c)
{
	return c->tls;
}

const char *cscf_ws_conn_origin(const struct cscf_ws_conn *c)
{
	return c->origin != NULL ? c->origin : "";
}

void cscf_ws_conn_set_user(struct cscf_ws_conn *c, void *user)
{
	c->user = user;
}

void *cscf_ws_conn_user(const struct cscf_ws_conn *c)
{
	return c->user;
}

size_t cscf_ws_conn_queued(const struct cscf_ws_conn *c)
{
	return c->out_counted;
}

unsigned cscf_ws_conn_age_s(const struct cscf_ws_conn *c)
{
	return (unsigned)((cscf_ws_now_ms() - c->opened_ms) / 1000);
}
