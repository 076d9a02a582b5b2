/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Hostile Request-URIs, and an operator's lists with any mistake in them. The first octet says
 * which: 'L' the rest is one entry of emergency.lists, else all of it is a Request-URI.
 * Asserted: what matches has a service URN fit for a request line, and the same answer twice.
 */
#include "cscf/emergency/plan.h"

#include <ctype.h>
#include <stdint.h>
#include <string.h>

static char home[] = "ims.test", de[] = "DE=112 110/sos.police *112", us[] = "US=911 +1-911";
static char *domains[] = {home}, *lists[] = {de, us};
static const struct gw_conf_list home_domains = {domains, 1};

static struct cscf_emergency_plan *compile(char **items, size_t n)
{
	const struct gw_conf_list list = {items, n};
	const struct cscf_emergency_config cfg = {.country = "DE",
						  .lists = &list,
						  .home_domains = &home_domains,
						  .reason_text = "Use your phone."};
	struct cscf_emergency_plan *plan = NULL;
	char why[256] = "";

	if (cscf_emergency_plan_new(&plan, &cfg, why, sizeof(why)) != GW_OK)
		GW_ASSERT(plan == NULL && why[0] != '\0');
	return plan;
}

static void classify(struct gw_slice uri)
{
	static struct cscf_emergency_plan *plan;
	struct cscf_emergency_country own = {CSCF_EMERGENCY_OWN, "DE"};
	struct cscf_emergency_country unknown = {CSCF_EMERGENCY_UNKNOWN, ""};
	struct cscf_emergency_match m, wider;

	if (plan == NULL)
		plan = compile(lists, 2);
	GW_ASSERT(plan != NULL);
	GW_ASSERT(cscf_emergency_classify(plan, uri, own, &m) == (m.how != CSCF_EMERGENCY_NONE));
	GW_ASSERT(cscf_emergency_classify(plan, uri, own, NULL) == (m.how != CSCF_EMERGENCY_NONE));
	(void)cscf_emergency_classify(plan, uri, unknown, &wider);
	GW_ASSERT(m.how == CSCF_EMERGENCY_NONE || wider.how == m.how);
	GW_ASSERT((m.how == CSCF_EMERGENCY_NONE) == (m.urn[0] == '\0'));
	for (const char *p = m.urn; *p != '\0'; p++)
		GW_ASSERT(islower((unsigned char)*p) || isdigit((unsigned char)*p) ||
			  strchr(":.-", *p) != NULL);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	struct gw_slice input = {(const char *)data, n};
	char *text;

	if (n == 0 || data[0] != 'L') {
		classify(input);
		return 0;
	}
	text = gw_slice_dup((struct gw_slice){input.p + 1, n - 1});
	if (text != NULL)
		cscf_emergency_plan_free(compile(&text, 1));
	free(text);
	return 0;
}
