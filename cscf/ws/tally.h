/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How many connections does each source, or each Origin, hold? A key exists only while somebody
 * holds it, so the table is bounded by the number of connections.
 * Thread: the loop thread.
 */
#ifndef CSCF_WS_TALLY_H
#define CSCF_WS_TALLY_H

#include "common/err.h"
#include "common/sockaddr.h"

struct cscf_ws_tally_key;
struct cscf_ws_tally {
	struct cscf_ws_tally_key *keys; /* owned */
};

/**
 * @param max  0 = count without a limit
 * @return GW_OK counted; GW_ERR_LIMIT key already holds max; GW_ERR_NOMEM
 */
enum gw_err cscf_ws_tally_add(struct cscf_ws_tally *t, const void *key, size_t len,
			      int64_t max) GW_MUST_CHECK;
void cscf_ws_tally_del(struct cscf_ws_tally *t, const void *key, size_t len);
void cscf_ws_tally_fini(struct cscf_ws_tally *t);

/**
 * The octets that name a source: an IPv4 address, or the /64 of an IPv6 address, because one
 * subscriber owns all of it. IPv4-mapped addresses count as IPv4.
 * @return octets written to key (at most 8)
 */
size_t cscf_ws_source_key(const struct gw_addr *a, uint8_t key[8]);

#endif
