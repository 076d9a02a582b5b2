/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Are the realms' addresses there (IQ-11)? A realm is up while each of its bind addresses stands on
 * an interface that is up and running. Asked once per tick: netlink answers in microseconds, and
 * no address change can be missed as with a subscription. When a realm goes down its streams are
 * reported as BEARER_RELEASED (IQ-07, IQ-12) and new ones are refused; media of streams on the
 * other realm is left alone.
 */
#include "agw/iq/server_int.h"

#include <ifaddrs.h>
#include <net/if.h>
#include <stdio.h>
#include <string.h>

#define GW_LOG_MOD "iq"

static bool address_up(const struct ifaddrs *list, const struct gw_addr *bind)
{
	if (gw_addr_is_any(bind) || gw_addr_is_loopback(bind))
		return true;
	for (const struct ifaddrs *i = list; i != NULL; i = i->ifa_next) {
		struct gw_addr a;
		socklen_t len;

		if (i->ifa_addr == NULL ||
		    (i->ifa_addr->sa_family != AF_INET && i->ifa_addr->sa_family != AF_INET6))
			continue;
		len = i->ifa_addr->sa_family == AF_INET ? sizeof(struct sockaddr_in)
							: sizeof(struct sockaddr_in6);
		if (gw_addr_from_sa(&a, i->ifa_addr, len) == GW_OK && gw_addr_ip_eq(&a, bind))
			return (i->ifa_flags & IFF_UP) != 0 && (i->ifa_flags & IFF_RUNNING) != 0;
	}
	return false;
}

static bool realm_up(const struct ifaddrs *list, const struct agw_realm_cfg *r)
{
	for (unsigned f = 0; f < AGW_FAMILY_COUNT; f++)
		if (r->bind[f].len != 0 && !address_up(list, &r->bind[f]))
			return false;
	return true;
}

bool agw_iq_realms_check(struct agw_iq_server *s)
{
	struct ifaddrs *list = NULL;
	bool changed = false;

	if (getifaddrs(&list) != 0)
		return false; /* no news is no change */
	for (size_t i = 0; i < s->cfg.defaults.n_realms && i < AGW_REALM_MAX; i++) {
		const struct agw_realm_cfg *r = &s->cfg.defaults.realms[i];
		bool up = realm_up(list, r);

		if (up != s->realm_down[i])
			continue;
		s->realm_down[i] = !up;
		s->realm_changed[i] = true;
		changed = true;
		GW_LOG(up ? GW_LOG_INFO : GW_LOG_ERROR, "agw.realm", "realm=%s up=%d", r->name, up);
		if (!up)
			agw_iq_notify_realm_lost(s, r->name);
	}
	freeifaddrs(list);
	return changed;
}

bool agw_iq_realms_ok(const struct agw_iq_server *s, const struct agw_ctx_patch *patches, size_t n,
		      struct iq_fault *fault)
{
	for (size_t i = 0; i < n; i++) {
		for (size_t k = 0; k < s->cfg.defaults.n_realms && k < AGW_REALM_MAX; k++) {
			const char *name = s->cfg.defaults.realms[k].name;
			bool access = strcmp(name, patches[i].p.access.realm) == 0;
			char field[64];

			if (!s->realm_down[k] ||
			    (!access && strcmp(name, patches[i].p.core.realm) != 0))
				continue;
			snprintf(field, sizeof(field), "streams[%zu].%s.realm", i,
				 access ? "access" : "core");
			iq_fault_set(fault, IQ_V(ERROR_CODE__REALM_UNAVAILABLE), field,
				     "the address of realm \"%s\" is not there", name);
			return false;
		}
	}
	return true;
}

const char *agw_iq_realm_down(const struct agw_iq_server *s)
{
	for (size_t i = 0; i < s->cfg.defaults.n_realms && i < AGW_REALM_MAX; i++)
		if (s->realm_down[i])
			return s->cfg.defaults.realms[i].name;
	return NULL;
}
