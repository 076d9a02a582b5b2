/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Where a worker listens for ICE-TCP (ice.tcp; ICE-26): one port for all its streams, the same
 * number in each family. Each worker has its own, so a connection is at the right one from the
 * start. Thread: control thread.
 */
#include "agw/net/tcp.h"
#include "agw/worker/worker_int.h"

#include <unistd.h>

void agw_tcp_port_close(struct agw_worker *w)
{
	for (int f = 0; w->tcp.on && f < AGW_FAMILY_COUNT; f++)
		if (w->tcp.fds[f] >= 0)
			(void)close(w->tcp.fds[f]);
	w->tcp.on = false;
}

static enum gw_err listen_at(struct agw_worker *w, const struct agw_realm_cfg *r, uint16_t port)
{
	enum gw_err err = GW_OK;

	w->tcp.on = true;
	w->tcp.port = port;
	for (int f = 0; f < AGW_FAMILY_COUNT; f++)
		w->tcp.fds[f] = -1;
	for (int f = 0; f < AGW_FAMILY_COUNT && err == GW_OK; f++) {
		struct gw_addr a;

		if (!agw_realm_has(r, (enum agw_family)f))
			continue;
		a = agw_realm_bind_addr(r, (enum agw_family)f, port);
		err = agw_tcp_listen(&w->tcp.fds[f], &a);
	}
	if (err != GW_OK)
		agw_tcp_port_close(w);
	return err;
}

enum gw_err agw_tcp_port_open(struct agw_pool *p, struct agw_worker *w)
{
	unsigned index = (unsigned)(w - p->workers);

	for (size_t i = 0; i < p->n_realms; i++) {
		const struct agw_realm_cfg *r = &p->realms[i];
		enum gw_err err = GW_ERR_EXISTS;

		if (!r->ice_tcp)
			continue;
		w->tcp.realm = i;
		if (r->tcp_port != 0)
			return r->tcp_port + index <= UINT16_MAX
				   ? listen_at(w, r, (uint16_t)(r->tcp_port + index))
				   : GW_ERR_INVAL;
		for (unsigned port = r->port_max; port >= r->port_min && err == GW_ERR_EXISTS;
		     port--)
			err = listen_at(w, r, (uint16_t)port);
		return err;
	}
	return GW_OK;
}
