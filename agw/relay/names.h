/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The local ufrags of a worker's streams: whom does a check mean that came by a port of all of
 * them? A name proves nothing: the check does, to the ICE of the leg it names. Nodes are the
 * legs' own, so nothing here grows by what strangers send.
 * Thread: the worker; new and free: control thread.
 */
#ifndef AGW_RELAY_NAMES_H
#define AGW_RELAY_NAMES_H

#include "agw/ice/ice.h"

struct agw_leg;
struct agw_names;

/* A leg's place in the table. */
struct agw_name {
	struct agw_name *next; /* in its bucket */
	struct agw_leg *leg;   /* NULL = free */
	char ufrag[AGW_ICE_LOCAL_UFRAG];
};

/**
 * @param max_streams sizes the table; more streams only make it slower
 * @return GW_OK; GW_ERR_NOMEM
 */
enum gw_err agw_names_new(struct agw_names **out, uint32_t max_streams) GW_MUST_CHECK;
void agw_names_free(struct agw_names *t);

/** Checks for the leg's ufrags are its own from now on; again after a restart. */
void agw_names_enter(struct agw_names *t, struct agw_leg *l);
void agw_names_leave(struct agw_names *t, struct agw_leg *l);
/** @return NULL: nobody's */
struct agw_leg *agw_names_find(const struct agw_names *t, const uint8_t *ufrag, size_t len);

/* Every bit of the result depends on every one of both. The secrets of the tables are random, so
 * that nobody can aim for one chain. */
static inline uint64_t agw_hash_mix(uint64_t v, uint64_t secret)
{
	v = (v ^ secret) * UINT64_C(0xff51afd7ed558ccd);
	v = (v ^ v >> 32 ^ secret) * UINT64_C(0xc4ceb9fe1a85ec53);
	return v ^ v >> 32;
}

/* A power of two of buckets for that many. */
static inline uint32_t agw_hash_buckets(uint32_t n)
{
	uint32_t buckets = 256;

	while (buckets < n && buckets < UINT32_MAX / 2)
		buckets *= 2;
	return buckets;
}

#endif
