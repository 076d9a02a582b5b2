/* SPDX-License-Identifier: Apache-2.0 */
/* A plan from a few texts: Germany is ours, France and the United States are roaming partners. */
#ifndef TESTS_PLAN_FIXTURE_H
#define TESTS_PLAN_FIXTURE_H

#include "cscf/emergency/plan.h"
#include "tests/lib/req.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#define MAX_TEXTS 8

/* A NULL ends each list. */
struct texts {
	const char *lists[MAX_TEXTS], *map[MAX_TEXTS], *ecscf[MAX_TEXTS];
	struct gw_conf_list l, m, e, d;
	char *items[3][MAX_TEXTS];
};

static inline void take(struct gw_conf_list *list, char **items, const char *const *from)
{
	*list = (struct gw_conf_list){.item = items};
	while (list->n < MAX_TEXTS && from[list->n] != NULL) {
		union {
			const char *in;
			char *out;
		} u = {.in = from[list->n]}; /* only read */

		items[list->n++] = u.out;
	}
}

static inline struct cscf_emergency_config config_of(struct texts *t)
{
	static char home[] = "ims.test", second[] = "IMS.example.net", *domains[] = {home, second};

	take(&t->l, t->items[0], t->lists);
	take(&t->m, t->items[1], t->map);
	take(&t->e, t->items[2], t->ecscf);
	t->d = (struct gw_conf_list){.item = domains, .n = 2};
	return (struct cscf_emergency_config){.country = "DE",
					      .lists = &t->l,
					      .country_map = &t->m,
					      .ecscf = &t->e,
					      .home_domains = &t->d,
					      .reason_text = "Use your phone."};
}

#define LISTS                                                                                      \
	"DE=112 110/sos.police *112", "FR=112 15/sos.ambulance 17/sos.police",                     \
	    "us=911 +1-911 988 urn:service:counseling.crisis"
#define MAP "192.0.2.0/24=DE", "192.0.2.128/25=FR", "198.51.100.7=us", "2001:db8::/32=FR"

static inline struct cscf_emergency_plan *plan_of(const struct cscf_emergency_config *cfg)
{
	struct cscf_emergency_plan *plan = NULL;
	char why[256] = "";

	assert_int_equal(cscf_emergency_plan_new(&plan, cfg, why, sizeof(why)), GW_OK);
	assert_non_null(plan);
	return plan;
}

static inline struct cscf_emergency_plan *usual_plan(void)
{
	struct texts t = {.lists = {LISTS}, .map = {MAP}};
	struct cscf_emergency_config cfg = config_of(&t);

	return plan_of(&cfg);
}

static inline struct cscf_emergency_country from(const struct cscf_emergency_plan *plan,
						 const char *ip)
{
	struct gw_addr addr;

	assert_int_equal(gw_addr_parse_ip(&addr, ip, 50123), GW_OK);
	return cscf_emergency_country_of(plan, &addr);
}

#endif
