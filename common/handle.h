/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Handles: names for objects that may have died. Across an asynchronous gap (a timer, a reply,
 * another thread) code keeps a handle, never a pointer, and looks it up again; "gone" is a
 * normal answer. A handle is index + generation, so a reused slot never answers to an old name.
 * Thread: one table belongs to one thread; the handles themselves may travel.
 */
#ifndef COMMON_HANDLE_H
#define COMMON_HANDLE_H

#include "common/err.h"

#include <stddef.h>
#include <stdint.h>

typedef uint64_t gw_handle; /* 0 is never a live object */
#define GW_HANDLE_NONE ((gw_handle)0)

struct gw_handle_table;

/**
 * @param max_live  most objects alive at once (the table's bound); at least 1
 * @return GW_OK; GW_ERR_NOMEM; GW_ERR_INVAL
 */
enum gw_err gw_handle_table_new(struct gw_handle_table **out, uint32_t max_live) GW_MUST_CHECK;

/** Frees the table, not the objects. NULL is legal. */
void gw_handle_table_free(struct gw_handle_table *t);

/** Name an object. @return GW_OK; GW_ERR_LIMIT table full; GW_ERR_NOMEM */
enum gw_err gw_handle_add(struct gw_handle_table *t, void *object, gw_handle *out) GW_MUST_CHECK;

/** @return the object, or NULL when it is gone or the handle was never given out */
void *gw_handle_find(const struct gw_handle_table *t, gw_handle h);

/** Forget an object: every copy of its handle is stale from now on. Unknown handle: no effect. */
void gw_handle_del(struct gw_handle_table *t, gw_handle h);

/** Live objects now. */
size_t gw_handle_count(const struct gw_handle_table *t);

/**
 * Walk the live objects: start with *cursor = 0. The object just returned may be deleted.
 * @return the next object, or NULL at the end
 */
void *gw_handle_next(const struct gw_handle_table *t, uint32_t *cursor);

#endif
