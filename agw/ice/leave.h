/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Giving TURN allocations back (RFC 8656 s7: Refresh with lifetime 0) after the agents that had
 * them are gone. libnice says it once, as an agent's stream goes, and does not wait: an answer
 * that asks for another nonce, a lost datagram, or an Allocate still under way, and the relayed
 * port is the server's for ten minutes more. So its socket outlives the agent here, for as long as
 * it takes and two seconds at most:
 *
 *   Refresh 0 -> 401, 438: its nonce -> Refresh 0, signed -> success, or 437: there is none
 *                          (each is repeated after 250 ms, 500 ms, …)
 *
 * Nothing else that comes to such a socket is looked at or answered.
 * Thread: add on any; all else on the control thread, which polls one descriptor.
 */
#ifndef AGW_ICE_LEAVE_H
#define AGW_ICE_LEAVE_H

#include "agw/ice/ice.h"

#define AGW_ICE_LEAVE_MAX 512 /* descriptors at once; more are not waited for */

/* agw_ice_leave is declared in ice.h. */

/** @param turn its strings outlive the object. @return GW_OK; GW_ERR_NOMEM; GW_ERR_LIMIT; GW_ERR_IO
 */
enum gw_err agw_ice_leave_new(struct agw_ice_leave **out,
			      const struct agw_ice_turn *turn) GW_MUST_CHECK;
/** Those still waiting are given up. */
void agw_ice_leave_free(struct agw_ice_leave *l);

/** The allocation made by this socket is wanted no more. The socket stays the caller's: a duplicate
 * is kept. Never blocks. */
void agw_ice_leave_add(struct agw_ice_leave *l, int fd);

/** Readable when there is something to do. */
int agw_ice_leave_fd(const struct agw_ice_leave *l);
/** Do it; never blocks. */
void agw_ice_leave_step(struct agw_ice_leave *l);

struct agw_ice_leave_load {
	unsigned waiting;
	uint64_t returned; /* since the start */
	uint64_t kept; /* … and not, as far as we know: libnice's own word may have been heard */
};
/** Any thread. */
void agw_ice_leave_load(const struct agw_ice_leave *l, struct agw_ice_leave_load *out);

#endif
