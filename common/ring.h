/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Single-producer single-consumer ring of fixed-size messages, with an eventfd that wakes the
 * consumer. Messages are copied by value; a pointer inside one changes owner with it.
 * Thread: exactly one thread pushes, exactly one pops. Acquire/release on the two indices is
 * all the synchronisation there is. A full ring is an answer, never a wait.
 */
#ifndef COMMON_RING_H
#define COMMON_RING_H

#include "common/err.h"

#include <stdbool.h>
#include <stddef.h>

struct gw_ring;

/** @param slots power of two; @return GW_OK; GW_ERR_INVAL; GW_ERR_NOMEM; GW_ERR_IO no eventfd */
enum gw_err gw_ring_new(struct gw_ring **out, size_t msg_size, size_t slots) GW_MUST_CHECK;
void gw_ring_free(struct gw_ring *r);

/** Producer. @return GW_OK, or GW_ERR_LIMIT when full (nothing was stored). */
enum gw_err gw_ring_push(struct gw_ring *r, const void *msg) GW_MUST_CHECK;

/** Consumer. @return false when empty */
bool gw_ring_pop(struct gw_ring *r, void *msg);

/** Readable when there may be messages; the consumer polls it and calls gw_ring_clear first. */
int gw_ring_fd(const struct gw_ring *r);
/** Consumer: reset the eventfd; then pop until empty. */
void gw_ring_clear(struct gw_ring *r);

#endif
