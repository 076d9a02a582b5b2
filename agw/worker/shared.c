/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Access ports that all streams of one worker share (access.shared_ports): leased before the
 * worker starts, given back after it has stopped. Each worker has its own, so that no two threads
 * read one socket. Thread: control thread.
 */
#include "agw/worker/worker_int.h"

#include "agw/relay/share.h"

#define GW_LOG_MOD "worker"
#include "common/log.h"

#define RCVBUF_WANTED (2U * 1024 * 1024)

static void set_buffers(const struct agw_port_lease *l)
{
	for (int f = 0; f < AGW_FAMILY_COUNT; f++) {
		size_t octets;

		if (l->fds[f] < 0)
			continue;
		octets = agw_udp_set_buffers(l->fds[f]);
		if (octets < RCVBUF_WANTED)
			GW_LOG(GW_LOG_WARN, "worker.small-buffer",
			       "port=%u octets=%zu why=\"raise net.core.rmem_max\"", l->ports[f],
			       octets);
	}
}

static unsigned families_of(const struct agw_realm_cfg *r)
{
	unsigned bits = 0;

	for (int f = 0; f < AGW_FAMILY_COUNT; f++)
		if (agw_realm_has(r, (enum agw_family)f))
			bits |= AGW_FAMILY_BIT(f);
	return bits;
}

enum gw_err agw_shared_lease(struct agw_pool *p, struct agw_worker *w)
{
	for (size_t r = 0; r < p->n_realms; r++) {
		for (unsigned i = 0; i < p->realms[r].shared_ports; i++) {
			struct agw_shared_port *s = &w->shared[w->n_shared];
			enum gw_err err;

			if (w->n_shared == AGW_SHARE_PORTS)
				return GW_ERR_INVAL;
			err = agw_port_pool_single(p->ports[r], families_of(&p->realms[r]),
						   agw_now_us() / 1000, &s->lease);
			if (err != GW_OK)
				return err;
			set_buffers(&s->lease);
			s->realm = r;
			w->n_shared++;
		}
	}
	return GW_OK;
}

void agw_shared_release(struct agw_pool *p, struct agw_worker *w)
{
	for (unsigned i = 0; i < w->n_shared; i++)
		agw_port_pool_undo(p->ports[w->shared[i].realm], &w->shared[i].lease);
	w->n_shared = 0;
}

unsigned agw_shared_count(const struct agw_worker *w, size_t realm)
{
	unsigned n = 0;

	for (unsigned i = 0; i < w->n_shared; i++)
		n += w->shared[i].realm == realm;
	return n;
}

const struct agw_shared_port *agw_shared_pick(struct agw_worker *w, size_t realm, uint32_t taken)
{
	for (unsigned k = 0; k < w->n_shared; k++) {
		const struct agw_shared_port *s = &w->shared[w->next_shared++ % w->n_shared];

		if (s->realm == realm && (taken >> (s - w->shared) & 1U) == 0)
			return s;
	}
	return NULL;
}
