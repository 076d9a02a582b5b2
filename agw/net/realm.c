/* SPDX-License-Identifier: Apache-2.0 */
/*
 * IP realms: checks and look-ups. See realm.h.
 */
#include "agw/net/realm.h"

#include <string.h>

enum gw_err agw_realm_check(const struct agw_realm_cfg *r)
{
	bool any = false;

	if (r->name[0] == '\0' || memchr(r->name, '\0', sizeof(r->name)) == NULL)
		return GW_ERR_INVAL;
	if (r->port_min == 0 || r->port_max < r->port_min)
		return GW_ERR_INVAL;
	for (int f = 0; f < AGW_FAMILY_COUNT; f++) {
		if (r->bind[f].len == 0)
			continue;
		any = true;
		if (gw_addr_is_v6(&r->bind[f]) != (f == AGW_FAMILY_V6))
			return GW_ERR_INVAL;
		if (r->advertise[f].len != 0 &&
		    gw_addr_is_v6(&r->advertise[f]) != (f == AGW_FAMILY_V6))
			return GW_ERR_INVAL;
		/* "0.0.0.0" in SDP would tell the peer to stop sending. */
		if (gw_addr_is_any(&r->bind[f]) && r->advertise[f].len == 0)
			return GW_ERR_INVAL;
	}
	return any ? GW_OK : GW_ERR_INVAL;
}

const struct agw_realm_cfg *agw_realm_find(const struct agw_realm_cfg *realms, size_t n,
					   const char *name)
{
	for (size_t i = 0; i < n; i++) {
		if (strncmp(realms[i].name, name, AGW_REALM_NAME_MAX) == 0)
			return &realms[i];
	}
	return NULL;
}

bool agw_realm_has(const struct agw_realm_cfg *r, enum agw_family f)
{
	return r->bind[f].len != 0;
}

struct gw_addr agw_realm_bind_addr(const struct agw_realm_cfg *r, enum agw_family f, uint16_t port)
{
	struct gw_addr a = r->bind[f];

	gw_addr_set_port(&a, port);
	return a;
}

struct gw_addr agw_realm_public_addr(const struct agw_realm_cfg *r, enum agw_family f,
				     uint16_t port)
{
	struct gw_addr a = r->advertise[f].len != 0 ? r->advertise[f] : r->bind[f];

	gw_addr_set_port(&a, port);
	return a;
}
