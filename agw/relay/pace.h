/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How many DTLS handshakes one source may begin in a second (DTLS-25). A source is an IPv4 address
 * or an IPv6 /64; whole offices sit behind one, so the limit is for storms, and what exceeds it
 * waits for its turn, nothing is refused.
 *
 *   a second's worth at once, then one every 1/n s            (the generic cell rate algorithm)
 *
 * The table is fixed: where too many sources meet, the one that has been quiet longest is
 * forgotten, and begins anew. So whoever fills it gives others more than they may, never less.
 * An address that is a lite peer's word (ICE-19) is another source than the same one proven: nobody
 * takes a WIC's turns away by naming its address.
 *
 * Thread: the worker that has it.
 */
#ifndef AGW_RELAY_PACE_H
#define AGW_RELAY_PACE_H

#include "common/err.h"
#include "common/sockaddr.h"

#include <stdbool.h>
#include <stdint.h>

struct agw_pace;

/** @param per_second 1 to 1000000. @return GW_OK; GW_ERR_NOMEM; GW_ERR_INVAL */
enum gw_err agw_pace_new(struct agw_pace **out, uint32_t per_second) GW_MUST_CHECK;
void agw_pace_free(struct agw_pace *p);

/**
 * May that source begin another one now? A "yes" is counted, a "no" costs it nothing.
 * @param proven something authentic came from there, or a consent was given
 */
bool agw_pace_take(struct agw_pace *p, const struct gw_addr *from, bool proven, uint64_t now_us);

#endif
