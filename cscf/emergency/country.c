/* SPDX-License-Identifier: Apache-2.0 */
/*
 * From the source address of a WIC to a country, and from that to a decision. Only the operator's
 * map (or his assumption) tells: what a WIC says of its whereabouts is never looked at. See plan.h.
 * Spec: EMG-04, EMG-07, EMG-08, EMG-16.
 */
#include "cscf/emergency/plan_int.h"

#include "cscf/sip/value.h"

#include <stdio.h>

#define OF(decision) CSCF_EMERGENCY_##decision

/* TS 24.371 7.4.3: A a) and A b) in our own country, B everywhere else. */
static const enum cscf_emergency_decision decisions[CSCF_EMERGENCY_ORIGIN_COUNT][2] = {
    /*                          policy reject         policy proceed */
    [CSCF_EMERGENCY_OWN] = {OF(REJECT_OWN), OF(PROCEED)},
    [CSCF_EMERGENCY_OTHER] = {OF(REJECT_OTHER), OF(REJECT_OTHER)},
    [CSCF_EMERGENCY_UNKNOWN] = {OF(REJECT_UNKNOWN), OF(REJECT_UNKNOWN)},
};

enum cscf_emergency_decision cscf_emergency_decide(const struct cscf_emergency_plan *plan,
						   enum cscf_emergency_origin origin,
						   bool registered)
{
	if (!registered)
		return plan->forbid_unregistered ? OF(UNREGISTERED_403) : OF(UNREGISTERED_380);
	return decisions[origin][plan->proceed ? 1 : 0];
}

int emergency_country_find(const struct cscf_emergency_plan *plan, struct gw_slice code)
{
	for (unsigned i = 0; i < plan->n_countries; i++)
		if (gw_slice_ieq_str(code, plan->countries[i]))
			return (int)i;
	return -1;
}

static struct cscf_emergency_country country_at(const struct cscf_emergency_plan *plan, unsigned i)
{
	return (struct cscf_emergency_country){.origin = i == 0 ? CSCF_EMERGENCY_OWN
								: CSCF_EMERGENCY_OTHER,
					       .code = plan->countries[i]};
}

struct cscf_emergency_country cscf_emergency_country_of(const struct cscf_emergency_plan *plan,
							const struct gw_addr *source)
{
	if (plan->assume_own)
		return country_at(plan, 0);
	for (size_t i = 0; i < plan->n_ranges; i++)
		if (gw_addr_in_range(source, plan->ranges[i].cidr))
			return country_at(plan, plan->ranges[i].country);
	return (struct cscf_emergency_country){.origin = CSCF_EMERGENCY_UNKNOWN, .code = ""};
}

/* "10.0.0.0/8" or one address. @return bits of the prefix, -1 when it is neither */
static int prefix_bits(const char *cidr)
{
	const char *slash = strchr(cidr, '/');
	char ip[GW_ADDR_STRLEN];
	struct gw_addr addr;
	uint32_t bits, most;

	if (snprintf(ip, sizeof(ip), "%.*s", (int)strcspn(cidr, "/"), cidr) >= (int)sizeof(ip) ||
	    gw_addr_parse_ip(&addr, ip, 0) != GW_OK)
		return -1;
	most = gw_addr_is_v6(&addr) ? 128 : 32;
	if (slash == NULL)
		return (int)most;
	return cscf_sip_uint(gw_slice_str(slash + 1), most, &bits) ? (int)bits : -1;
}

bool emergency_range_add(struct cscf_emergency_plan *plan, const char *text, char *why, size_t n)
{
	const char *eq = strrchr(text, '=');
	struct range *r = &plan->ranges[plan->n_ranges];
	int bits, country;

	if (eq == NULL || plan->n_ranges >= MAX_RANGES) {
		snprintf(why, n, "emergency.country_map: \"%.60s\" is not RANGE=COUNTRY", text);
		return false;
	}
	r->cidr = strndup(text, (size_t)(eq - text));
	if (r->cidr == NULL)
		return false;
	plan->n_ranges++;
	bits = prefix_bits(r->cidr);
	country = emergency_country_find(plan, gw_slice_str(eq + 1));
	if (bits < 0 || country < 0) {
		snprintf(why, n, "emergency.country_map: \"%.60s\": %s", text,
			 bits < 0 ? "no address range" : "that country has no emergency.lists");
		return false;
	}
	r->bits = (unsigned)bits;
	r->country = (unsigned)country;
	return true;
}

static int longest_first(const void *a, const void *b)
{
	const struct range *x = a, *y = b;

	return x->bits == y->bits ? 0 : x->bits > y->bits ? -1 : 1;
}

void emergency_ranges_sort(struct cscf_emergency_plan *plan)
{
	if (plan->n_ranges > 1)
		qsort(plan->ranges, plan->n_ranges, sizeof(*plan->ranges), longest_first);
}
