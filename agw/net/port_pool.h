/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Ports of one realm: single ports for the access side, even/odd pairs for the core side
 * (RTP-03), random start, rest before reuse (RTP-20). A lease comes with its sockets open and
 * bound, so a port some other process holds is never promised to anybody.
 * Time is given by the caller (monotonic, ms): no clock in here.
 * Thread: control thread.
 */
#ifndef AGW_NET_PORT_POOL_H
#define AGW_NET_PORT_POOL_H

#include "agw/net/realm.h"

struct agw_port_pool;

/* fds[i] is bound to ports[i]; -1 = unused.
 * Single: index = enum agw_family, same port number in both. Pair: 0 = RTP (even), 1 = RTCP. */
struct agw_port_lease {
	int fds[2];
	uint16_t ports[2];
	bool pair;
};

/** @param realm borrowed: outlives the pool. @return GW_OK; GW_ERR_NOMEM */
enum gw_err agw_port_pool_new(struct agw_port_pool **out, const struct agw_realm_cfg *realm,
			      uint32_t quarantine_ms) GW_MUST_CHECK;
/** Closes what still rests. Leases given out stay the callers'. */
void agw_port_pool_free(struct agw_port_pool *p);

/**
 * One port, bound in each family of the bit set.
 * @return GW_OK; GW_ERR_LIMIT none free; GW_ERR_UNSUPPORTED family not in the realm; GW_ERR_IO
 */
enum gw_err agw_port_pool_single(struct agw_port_pool *p, unsigned families, uint64_t now_ms,
				 struct agw_port_lease *out) GW_MUST_CHECK;
/** Even port and the one above it. Errors as agw_port_pool_single. */
enum gw_err agw_port_pool_pair(struct agw_port_pool *p, enum agw_family family, uint64_t now_ms,
			       struct agw_port_lease *out) GW_MUST_CHECK;

/**
 * Give a lease back: its ports rest for the quarantine. The sockets of single (access) leases
 * stay open but deaf meanwhile, so a browser still sending gets no ICMP storm (ICE-20).
 */
void agw_port_pool_release(struct agw_port_pool *p, struct agw_port_lease *lease, uint64_t now_ms);

/** Give back a lease nobody was told of: free at once. */
void agw_port_pool_undo(struct agw_port_pool *p, struct agw_port_lease *lease);

struct agw_port_pool_load {
	uint32_t total;
	uint32_t used;
	uint32_t resting;
};
void agw_port_pool_load(struct agw_port_pool *p, uint64_t now_ms, struct agw_port_pool_load *out);

#endif
