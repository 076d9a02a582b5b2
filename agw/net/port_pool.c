/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Ports of one realm. See port_pool.h.
 *
 *   FREE --lease--> USED --release--> RESTING --quarantine over--> FREE
 *
 * The resting ones are a FIFO: all rest equally long, so the head is always the next one free.
 */
#include "agw/net/port_pool.h"

#include "agw/net/udp.h"
#include "common/rand.h"

#include <stdlib.h>
#include <unistd.h>

#define BIND_TRIES 64U /* ports tried that another process holds, before giving up */

enum port_state { PORT_FREE, PORT_USED, PORT_RESTING };

struct rest {
	struct rest *next;
	uint64_t until_ms;
	struct agw_port_lease lease; /* sockets still open, or -1 */
};

struct agw_port_pool {
	const struct agw_realm_cfg *realm; /* borrowed */
	uint32_t quarantine_ms;
	uint32_t used;
	uint32_t resting;
	struct rest *head; /* owned */
	struct rest *tail;
	uint32_t n_ports;
	uint8_t state[]; /* enum port_state, by port - port_min */
};

static uint8_t *state_of(struct agw_port_pool *p, uint16_t port)
{
	return &p->state[port - p->realm->port_min];
}

static void close_lease(struct agw_port_lease *l)
{
	for (int i = 0; i < 2; i++) {
		if (l->fds[i] >= 0)
			(void)close(l->fds[i]);
		l->fds[i] = -1;
	}
}

static unsigned lease_ports(const struct agw_port_lease *l)
{
	return l->pair ? 2 : 1;
}

static uint16_t lease_first(const struct agw_port_lease *l)
{
	return l->ports[0] != 0 ? l->ports[0] : l->ports[1];
}

static void mark(struct agw_port_pool *p, const struct agw_port_lease *l, enum port_state to)
{
	uint16_t first = lease_first(l);

	for (unsigned i = 0; i < lease_ports(l); i++)
		*state_of(p, (uint16_t)(first + i)) = (uint8_t)to;
}

/* Wake what has rested long enough. */
static void expire(struct agw_port_pool *p, uint64_t now_ms)
{
	while (p->head != NULL && p->head->until_ms <= now_ms) {
		struct rest *r = p->head;

		p->head = r->next;
		if (p->head == NULL)
			p->tail = NULL;
		mark(p, &r->lease, PORT_FREE);
		p->resting -= lease_ports(&r->lease);
		close_lease(&r->lease);
		free(r);
	}
}

enum gw_err agw_port_pool_new(struct agw_port_pool **out, const struct agw_realm_cfg *realm,
			      uint32_t quarantine_ms)
{
	uint32_t n = (uint32_t)realm->port_max - realm->port_min + 1U;
	struct agw_port_pool *p = calloc(1, sizeof(*p) + n);

	if (p == NULL)
		return GW_ERR_NOMEM;
	p->realm = realm;
	p->quarantine_ms = quarantine_ms;
	p->n_ports = n;
	*out = p;
	return GW_OK;
}

void agw_port_pool_free(struct agw_port_pool *p)
{
	if (p == NULL)
		return;
	expire(p, UINT64_MAX);
	free(p);
}

static enum gw_err open_at(struct agw_port_pool *p, int *fd, enum agw_family f, uint16_t port)
{
	struct gw_addr a = agw_realm_bind_addr(p->realm, f, port);

	return agw_udp_open(fd, &a);
}

static enum gw_err open_single(struct agw_port_pool *p, unsigned families, uint16_t port,
			       struct agw_port_lease *l)
{
	for (int f = 0; f < AGW_FAMILY_COUNT; f++) {
		enum gw_err err;

		if ((families & AGW_FAMILY_BIT(f)) == 0)
			continue;
		err = open_at(p, &l->fds[f], (enum agw_family)f, port);
		if (err != GW_OK) {
			close_lease(l);
			return err;
		}
		l->ports[f] = port;
	}
	return GW_OK;
}

static enum gw_err open_pair(struct agw_port_pool *p, enum agw_family f, uint16_t port,
			     struct agw_port_lease *l)
{
	for (int i = 0; i < 2; i++) {
		enum gw_err err = open_at(p, &l->fds[i], f, (uint16_t)(port + i));

		if (err != GW_OK) {
			close_lease(l);
			return err;
		}
		l->ports[i] = (uint16_t)(port + i);
	}
	return GW_OK;
}

static bool is_free(struct agw_port_pool *p, uint32_t i, bool pair)
{
	if (p->state[i] != PORT_FREE)
		return false;
	if (!pair)
		return true;
	return ((p->realm->port_min + i) & 1U) == 0 && i + 1 < p->n_ports &&
	       p->state[i + 1] == PORT_FREE;
}

/* Families of a pair: exactly one bit. */
static enum gw_err lease(struct agw_port_pool *p, bool pair, unsigned families, uint64_t now_ms,
			 struct agw_port_lease *out)
{
	uint32_t start = (uint32_t)(gw_rand_u64() % p->n_ports);
	unsigned tries = 0;

	for (int f = 0; f < AGW_FAMILY_COUNT; f++) {
		if ((families & AGW_FAMILY_BIT(f)) != 0 &&
		    !agw_realm_has(p->realm, (enum agw_family)f))
			return GW_ERR_UNSUPPORTED;
	}
	if (families == 0 || families >= AGW_FAMILY_BIT(AGW_FAMILY_COUNT))
		return GW_ERR_UNSUPPORTED;
	expire(p, now_ms);
	for (uint32_t k = 0; k < p->n_ports && tries < BIND_TRIES; k++) {
		uint32_t i = (start + k) % p->n_ports;
		uint16_t port = (uint16_t)(p->realm->port_min + i);
		struct agw_port_lease l = {.fds = {-1, -1}, .pair = pair};
		enum gw_err err;

		if (!is_free(p, i, pair))
			continue;
		err = pair ? open_pair(p,
				       families == AGW_FAMILY_BIT(AGW_FAMILY_V6) ? AGW_FAMILY_V6
										 : AGW_FAMILY_V4,
				       port, &l)
			   : open_single(p, families, port, &l);
		if (err == GW_ERR_EXISTS) {
			tries++;
			continue;
		}
		if (err != GW_OK)
			return err;
		mark(p, &l, PORT_USED);
		p->used += lease_ports(&l);
		*out = l;
		return GW_OK;
	}
	return GW_ERR_LIMIT;
}

enum gw_err agw_port_pool_single(struct agw_port_pool *p, unsigned families, uint64_t now_ms,
				 struct agw_port_lease *out)
{
	return lease(p, false, families, now_ms, out);
}

enum gw_err agw_port_pool_pair(struct agw_port_pool *p, enum agw_family family, uint64_t now_ms,
			       struct agw_port_lease *out)
{
	return lease(p, true, AGW_FAMILY_BIT(family), now_ms, out);
}

void agw_port_pool_release(struct agw_port_pool *p, struct agw_port_lease *l, uint64_t now_ms)
{
	struct rest *r = malloc(sizeof(*r));

	expire(p, now_ms);
	p->used -= lease_ports(l);
	if (r == NULL) { /* better an early reuse than a port lost for good */
		mark(p, l, PORT_FREE);
		close_lease(l);
		return;
	}
	for (int i = 0; i < 2; i++) {
		if (l->fds[i] >= 0 && !l->pair)
			agw_udp_mute(l->fds[i]);
	}
	if (l->pair)
		close_lease(l);
	mark(p, l, PORT_RESTING);
	p->resting += lease_ports(l);
	*r = (struct rest){.until_ms = now_ms + p->quarantine_ms, .lease = *l};
	if (p->tail != NULL)
		p->tail->next = r;
	else
		p->head = r;
	p->tail = r;
	*l = (struct agw_port_lease){.fds = {-1, -1}};
}

void agw_port_pool_undo(struct agw_port_pool *p, struct agw_port_lease *l)
{
	p->used -= lease_ports(l);
	mark(p, l, PORT_FREE);
	close_lease(l);
}

void agw_port_pool_load(struct agw_port_pool *p, uint64_t now_ms, struct agw_port_pool_load *out)
{
	expire(p, now_ms);
	out->total = p->n_ports;
	out->used = p->used;
	out->resting = p->resting;
}
