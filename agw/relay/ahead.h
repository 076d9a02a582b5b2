/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the next packets will read of their streams is asked of the memory while another one is at
 * work: between two packets of a call 20 ms and all other calls pass, and nothing of it is left in
 * the near caches. In steps, since each pointer must be there before what it points to.
 * Touches nothing but caches. Thread: the owning worker.
 */
#ifndef AGW_RELAY_AHEAD_H
#define AGW_RELAY_AHEAD_H

#include "agw/relay/stream_int.h"

#define AGW_AHEAD_GAP 3 /* packets from one step to the next */

enum agw_ahead {
	AGW_AHEAD_STREAM, /* the leg and the stream's lines */
	AGW_AHEAD_LEG,    /* its ICE pair and SRTP session */
	AGW_AHEAD_SRTP,   /* libsrtp's session, the cipher */
	AGW_AHEAD_STEPS
};

#define AGW_AHEAD_ALL ((size_t)AGW_AHEAD_STEPS * AGW_AHEAD_GAP)

/** Which packet takes that step when packet `t` takes the first one? Too large: none. */
static inline size_t agw_ahead_whose(size_t t, unsigned step)
{
	return t - (size_t)step * AGW_AHEAD_GAP;
}

/** One step for a packet that comes from there (`up`) or goes there. */
void agw_ahead(const struct agw_leg *l, enum agw_ahead step, bool up);

#endif
