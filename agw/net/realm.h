/* SPDX-License-Identifier: Apache-2.0 */
/*
 * IP realms: the networks this gateway has a leg in ("access", "core", …). A realm has per
 * address family a bind address (what the socket is bound to) and an advertised address (what
 * goes into SDP; they differ behind a 1:1 NAT, ICE-04), and one UDP port range.
 * Thread: built at start, const afterwards, readable from any thread.
 */
#ifndef AGW_NET_REALM_H
#define AGW_NET_REALM_H

#include "common/err.h"
#include "common/sockaddr.h"

#include <stddef.h>
#include <stdint.h>

#define AGW_REALM_NAME_MAX 32 /* with terminator */
#define AGW_REALM_MAX      8

enum agw_family { AGW_FAMILY_V4, AGW_FAMILY_V6, AGW_FAMILY_COUNT };
#define AGW_FAMILY_BIT(f) (1U << (f))

/* What the configuration says. bind.len == 0: the realm has no address of that family. */
struct agw_realm_cfg {
	char name[AGW_REALM_NAME_MAX];
	struct gw_addr bind[AGW_FAMILY_COUNT];      /* port is ignored */
	struct gw_addr advertise[AGW_FAMILY_COUNT]; /* len 0 = same as bind */
	uint16_t port_min;                          /* first and last port, inclusive */
	uint16_t port_max;
	/* Access side: ports of each media worker that all its streams share; 0 = every stream has
	 * a port of its own. */
	uint16_t shared_ports;
	/* Access side: each media worker listens for ICE-TCP (ICE-26), the first one at tcp_port,
	 * the next at the one above; 0 = anywhere in the range above. */
	bool ice_tcp;
	uint16_t tcp_port;
};

/**
 * Check one realm's configuration.
 * @return GW_OK; GW_ERR_INVAL no name, no address, empty port range, or a wildcard bind address
 *         without an advertised one
 */
enum gw_err agw_realm_check(const struct agw_realm_cfg *r) GW_MUST_CHECK;

/** @return the realm of that name, or NULL */
const struct agw_realm_cfg *agw_realm_find(const struct agw_realm_cfg *realms, size_t n,
					   const char *name);

/** Has the realm an address of that family? */
bool agw_realm_has(const struct agw_realm_cfg *r, enum agw_family f);

/** Bind address with a port. The realm must have that family. */
struct gw_addr agw_realm_bind_addr(const struct agw_realm_cfg *r, enum agw_family f, uint16_t port);

/** Address to write into SDP, with a port. The realm must have that family. */
struct gw_addr agw_realm_public_addr(const struct agw_realm_cfg *r, enum agw_family f,
				     uint16_t port);

#endif
