/* SPDX-License-Identifier: Apache-2.0 */
/* The operator's lists: what is taken, what is refused and how it is named; the decision. */
#include "tests/unit/cscf/emergency/plan_fixture.h"

#include <stdio.h>
#include <stdlib.h>

static void refused(const struct cscf_emergency_config *cfg, const char *names)
{
	struct cscf_emergency_plan *plan = NULL;
	char why[256] = "";

	assert_int_equal(cscf_emergency_plan_new(&plan, cfg, why, sizeof(why)), GW_ERR_INVAL);
	assert_null(plan);
	if (strstr(why, names) == NULL)
		print_error("\"%s\" does not say \"%s\"\n", why, names);
	assert_non_null(strstr(why, names));
}

static void test_a_list_that_says_less_than_it_seems_is_refused(void **state)
{
	REQ("EMG-18");
	static const struct {
		const char *lists[4], *map[3], *names;
	} rows[] = {
	    {{NULL}, {NULL}, "emergency.lists: no list of our own country DE"},
	    {{"FR=112"}, {NULL}, "emergency.lists: no list of our own country DE"},
	    {{"DE="}, {NULL}, "emergency.lists: the list of DE is empty"},
	    {{"DE=  "}, {NULL}, "the list of DE is empty"},
	    {{"DE=112", "FR="}, {NULL}, "the list of FR is empty"},
	    {{"DE=112", "de=110"}, {NULL}, "DE is given twice"},
	    {{"DE=112", "FR=1", "FR=112"}, {NULL}, "\"1\""},
	    {{"112"}, {NULL}, "emergency.lists: \"112\""},
	    {{"DEU=112"}, {NULL}, "\"DEU=112\""},
	    {{"=112"}, {NULL}, "\"=112\""},
	    {{"D1=112"}, {NULL}, "\"D1=112\""},
	    {{"DE=112,110"}, {NULL}, "\"112,110\""},
	    {{"DE=eleven"}, {NULL}, "\"eleven\""},
	    {{"DE=11+2"}, {NULL}, "\"11+2\""},
	    {{"DE=112/police"}, {NULL}, "\"112/police\""},
	    {{"DE=112/"}, {NULL}, "\"112/\""},
	    {{"DE=112/sos.police/x"}, {NULL}, "\"112/sos.police/x\""},
	    {{"DE=112/urn:service:sos"}, {NULL}, "\"112/urn:service:sos\""},
	    {{"DE=sip:112@ims.test"}, {NULL}, "\"sip:112@ims.test\""},
	    {{"DE=urn:nena:service:sos"}, {NULL}, "\"urn:nena:service:sos\""},
	    {{"DE=urn:service:test.sos"}, {NULL}, "\"urn:service:test.sos\""},
	    {{"DE=123456789012345678901234567890123"}, {NULL}, "emergency.lists: DE"},
	    {{"DE=112"}, {"10.0.0.0/8"}, "emergency.country_map: \"10.0.0.0/8\""},
	    {{"DE=112"}, {"10.0.0.0/33=DE"}, "\"10.0.0.0/33=DE\": no address range"},
	    {{"DE=112"}, {"10.0.0.0/=DE"}, "no address range"},
	    {{"DE=112"}, {"10.0.0.0/8x=DE"}, "no address range"},
	    {{"DE=112"}, {"::/129=DE"}, "no address range"},
	    {{"DE=112"}, {"example.net=DE"}, "no address range"},
	    {{"DE=112"}, {"10.0.0.0/8=FR"}, "that country has no emergency.lists"},
	    {{"DE=112"}, {"10.0.0.0/8=DE", "10.0.0.0/8="}, "that country has no emergency.lists"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct texts t = {0};
		struct cscf_emergency_config cfg;

		memcpy(t.lists, rows[i].lists, sizeof(rows[i].lists));
		memcpy(t.map, rows[i].map, sizeof(rows[i].map));
		cfg = config_of(&t);
		refused(&cfg, rows[i].names);
	}
}

static void test_the_other_knobs_are_checked_as_well(void **state)
{
	REQ("EMG-18");
	struct texts t = {.lists = {LISTS}};
	struct cscf_emergency_config good = config_of(&t), cfg = good;
	char longer[1200];

	(void)state;
	cfg.country = "Germany";
	refused(&cfg, "emergency.country");
	cfg.country = "";
	refused(&cfg, "emergency.country");
	cfg = good;
	cfg.proceed = true;
	refused(&cfg, "emergency.ecscf: needed");
	cfg = good;
	cfg.reason_text = "";
	refused(&cfg, "emergency.reason_text");
	cfg.reason_text = "bell\a";
	refused(&cfg, "emergency.reason_text");
	cfg.reason_text = "no \xff UTF-8";
	refused(&cfg, "emergency.reason_text");
	memset(longer, 'x', sizeof(longer));
	longer[sizeof(longer) - 1] = '\0';
	cfg.reason_text = longer;
	refused(&cfg, "emergency.reason_text");
	longer[1024] = '\0';
	cscf_emergency_plan_free(plan_of(&cfg));
}

static void test_ecscfs_are_sip_uris_and_get_loose_routing(void **state)
{
	REQ("EMG-14");
	static const char *const bad[] = {"ecscf.ims.test",  "tel:112",
					  "sips:e@ims.test", "sip:e@ims.test?x=y",
					  "sip:e@ims.test>", "sip:"};
	struct texts t = {.lists = {LISTS},
			  .ecscf = {"sip:e1.ims.test", "sip:e2@10.0.0.1:5070;LR"}};
	struct cscf_emergency_config cfg = config_of(&t);
	struct cscf_emergency_plan *plan;
	char *const *routes;
	size_t n;

	(void)state;
	cfg.proceed = true;
	plan = plan_of(&cfg);
	routes = cscf_emergency_plan_ecscf(plan, &n);
	assert_int_equal(n, 2);
	assert_string_equal(routes[0], "<sip:e1.ims.test;lr>");
	assert_string_equal(routes[1], "<sip:e2@10.0.0.1:5070;LR>");
	cscf_emergency_plan_free(plan);
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		t.ecscf[1] = bad[i];
		cfg = config_of(&t);
		refused(&cfg, "emergency.ecscf");
	}
}

static void test_lists_are_bounded(void **state)
{
	REQ("EMG-18");
	static char text[8 * 300] = "DE=";
	struct texts t = {.lists = {text}};
	struct cscf_emergency_config cfg;
	size_t n = 3;

	(void)state;
	for (unsigned i = 0; i < 256; i++)
		n += (size_t)snprintf(text + n, sizeof(text) - n, " 9%u", i);
	cfg = config_of(&t);
	cscf_emergency_plan_free(plan_of(&cfg));
	snprintf(text + n, sizeof(text) - n, " 112");
	cfg = config_of(&t);
	refused(&cfg, "more than 256 entries");
}

/* TS 24.371 7.4.3 A a), A b) and B; EMG-16 for who is not registered. */
static void test_the_decision_is_a_table(void **state)
{
	REQ("EMG-07", "EMG-08", "EMG-16");
	static const struct {
		bool proceed, forbid, registered;
		enum cscf_emergency_origin origin;
		const char *decision;
	} rows[] = {
	    {false, false, true, CSCF_EMERGENCY_OWN, "reject-own-country"},
	    {true, false, true, CSCF_EMERGENCY_OWN, "proceed"},
	    {false, false, true, CSCF_EMERGENCY_OTHER, "reject-other-country"},
	    {true, false, true, CSCF_EMERGENCY_OTHER, "reject-other-country"},
	    {false, false, true, CSCF_EMERGENCY_UNKNOWN, "reject-unknown-country"},
	    {true, false, true, CSCF_EMERGENCY_UNKNOWN, "reject-unknown-country"},
	    {true, false, false, CSCF_EMERGENCY_OWN, "unregistered-380"},
	    {false, false, false, CSCF_EMERGENCY_UNKNOWN, "unregistered-380"},
	    {true, true, false, CSCF_EMERGENCY_OWN, "unregistered-403"},
	    {true, true, true, CSCF_EMERGENCY_OWN, "proceed"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct texts t = {.lists = {LISTS}, .ecscf = {"sip:e.ims.test"}};
		struct cscf_emergency_config cfg = config_of(&t);
		struct cscf_emergency_plan *plan;

		cfg.proceed = rows[i].proceed;
		cfg.unregistered_403 = rows[i].forbid;
		plan = plan_of(&cfg);
		assert_string_equal(cscf_emergency_decision_name(cscf_emergency_decide(
					plan, rows[i].origin, rows[i].registered)),
				    rows[i].decision);
		cscf_emergency_plan_free(plan);
	}
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_a_list_that_says_less_than_it_seems_is_refused),
	    cmocka_unit_test(test_the_other_knobs_are_checked_as_well),
	    cmocka_unit_test(test_ecscfs_are_sip_uris_and_get_loose_routing),
	    cmocka_unit_test(test_lists_are_bounded),
	    cmocka_unit_test(test_the_decision_is_a_table),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
