/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Output of a plain socket's bufferevent, written once at the end of the loop's turn: what is said
 * in one turn leaves in one system call, and epoll is not asked first whether the socket can take
 * it. What it does not take goes to the bufferevent, which waits as ever. Not for TLS.
 * Thread: the loop's.
 */
#ifndef COMMON_OUTBOX_H
#define COMMON_OUTBOX_H

#include "common/err.h"

#include <stddef.h>

struct bufferevent;
struct gw_outbox;

/**
 * @param bev      connected or about to be; borrowed, outlives the box
 * @param drained  all is written; from the loop; may be NULL. Not called for what the bufferevent
 *                 writes: that has its own callback
 * @return GW_OK; GW_ERR_NOMEM
 */
enum gw_err gw_outbox_new(struct gw_outbox **out, struct bufferevent *bev,
			  void (*drained)(void *arg), void *arg) GW_MUST_CHECK;
/** What is still in it is lost. */
void gw_outbox_free(struct gw_outbox *o);

/** Until then everything waits; writes that fail tell the bufferevent. */
void gw_outbox_connected(struct gw_outbox *o);

/** @return GW_OK; GW_ERR_NOMEM */
enum gw_err gw_outbox_write(struct gw_outbox *o, const void *p, size_t n) GW_MUST_CHECK;

/** Octets not yet given to the kernel, here and in the bufferevent. */
size_t gw_outbox_length(const struct gw_outbox *o);

#endif
