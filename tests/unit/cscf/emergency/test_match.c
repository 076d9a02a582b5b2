/* SPDX-License-Identifier: Apache-2.0 */
/* Which Request-URIs are emergencies, written in every way, and from which country. */
#include "tests/unit/cscf/emergency/plan_fixture.h"

#include <stdio.h>
#include <stdlib.h>

#define NO   CSCF_EMERGENCY_NONE
#define URN  CSCF_EMERGENCY_URN
#define TEL  CSCF_EMERGENCY_TEL
#define SIP  CSCF_EMERGENCY_SIP
#define DIAL CSCF_EMERGENCY_DIALSTRING

struct row {
	const char *uri;
	enum cscf_emergency_class how;
	const char *urn;
};

static const char *const class_words[] = {"none", "urn", "tel", "sip", "dialstring"};

static void check_rows(const struct cscf_emergency_plan *plan, const struct row *rows, size_t n,
		       const char *ip)
{
	for (size_t i = 0; i < n; i++) {
		struct cscf_emergency_match m = {0};
		bool is =
		    cscf_emergency_classify(plan, gw_slice_str(rows[i].uri), from(plan, ip), &m);

		if (m.how != rows[i].how || strcmp(m.urn, rows[i].urn) != 0)
			print_error("%s: %s %s\n", rows[i].uri, class_words[m.how], m.urn);
		assert_int_equal(m.how, rows[i].how);
		assert_string_equal(m.urn, rows[i].urn);
		assert_int_equal(is, rows[i].how != NO);
		assert_string_equal(cscf_emergency_class_name(m.how), class_words[m.how]);
	}
}

static void test_every_written_form_of_an_emergency_matches(void **state)
{
	REQ("EMG-05");
	static const struct row rows[] = {
	    {"urn:service:sos", URN, "urn:service:sos"},
	    {"URN:Service:SOS", URN, "urn:service:sos"},
	    {"urn:service:sos.fire", URN, "urn:service:sos.fire"},
	    {"urn:service:SOS.Police", URN, "urn:service:sos.police"},
	    {"urn:service:sos.animal-control", URN, "urn:service:sos.animal-control"},
	    {"urn:service:sos.ecall.automatic", URN, "urn:service:sos.ecall.automatic"},
	    {"urn:service:sos.mountain_rescue", URN, "urn:service:sos"},
	    {"urn:service:sos.%00", URN, "urn:service:sos"},
	    {"urn:service:s%6Fs", URN, "urn:service:sos"},
	    {"urn:service:sos?=x", URN, "urn:service:sos"},
	    {"tel:112", TEL, "urn:service:sos"},
	    {"TEL:112", TEL, "urn:service:sos"},
	    {"tel:110", TEL, "urn:service:sos.police"},
	    {"tel:1-1-2", TEL, "urn:service:sos"},
	    {"tel:(11).2", TEL, "urn:service:sos"},
	    {"tel:%31%31%32", TEL, "urn:service:sos"},
	    {"tel:112;phone-context=+49", TEL, "urn:service:sos"},
	    {"tel:112;phone-context=ims.test", TEL, "urn:service:sos"},
	    {"tel:1-1-0;phone-context=other.example", TEL, "urn:service:sos.police"},
	    {"tel:*112", TEL, "urn:service:sos"},
	    {"sip:112@ims.test", SIP, "urn:service:sos"},
	    {"SIP:112@IMS.Test", SIP, "urn:service:sos"},
	    {"sips:112@ims.test", SIP, "urn:service:sos"},
	    {"sip:112@ims.test.", SIP, "urn:service:sos"},
	    {"sip:112@ims.example.net", SIP, "urn:service:sos"},
	    {"sip:112@ims.test:5061;transport=tcp", SIP, "urn:service:sos"},
	    {"sip:112:secret@ims.test", SIP, "urn:service:sos"},
	    {"sip:112@ims.test?Subject=help", SIP, "urn:service:sos"},
	    {"sip:112@ims.test;user=phone", SIP, "urn:service:sos"},
	    {"sip:112@ims.test;user=PHONE", SIP, "urn:service:sos"},
	    {"sip:1-1-2@ims.test;user=phone", SIP, "urn:service:sos"},
	    {"sip:%311%32@ims.test", SIP, "urn:service:sos"},
	    {"sip:112;phone-context=+49@ims.test;user=phone", SIP, "urn:service:sos"},
	    {"sip:112;phone-context=ims.test@ims.test", SIP, "urn:service:sos"},
	    {"sips:110@ims.test;user=phone", SIP, "urn:service:sos.police"},
	    {"sip:112;phone-context=ims.test@ims.test;user=dialstring", DIAL, "urn:service:sos"},
	    {"sip:1-10;phone-context=+49@IMS.EXAMPLE.NET;user=DialString", DIAL,
	     "urn:service:sos.police"},
	    {"sip:*112;phone-context=x@ims.test;user=dialstring", DIAL, "urn:service:sos"},
	};
	struct cscf_emergency_plan *plan = usual_plan();

	(void)state;
	check_rows(plan, rows, sizeof(rows) / sizeof(rows[0]), "192.0.2.1");
	cscf_emergency_plan_free(plan);
}

static void test_what_only_looks_like_an_emergency_does_not_match(void **state)
{
	REQ("EMG-05", "EMG-06");
	static const struct row rows[] = {
	    {"tel:1124567", NO, ""},
	    {"tel:11", NO, ""},
	    {"tel:0112", NO, ""},
	    {"tel:+112", NO, ""},
	    {"tel:+49112", NO, ""},
	    {"tel:+491124567", NO, ""},
	    {"tel:112112112112112112112112112112112", NO, ""}, /* one digit too long for any */
	    {"tel:112a", NO, ""},
	    {"tel:;phone-context=+49", NO, ""},
	    {"tel:-", NO, ""},
	    {"tel:1%312%00", NO, ""},
	    {"sip:1124567@ims.test", NO, ""},
	    {"sip:112@other.example", NO, ""},
	    {"sip:112@other.example;user=phone", NO, ""},
	    {"sip:112@evil.ims.test", NO, ""},
	    {"sip:112@ims.test.evil.example", NO, ""},
	    {"sip:alice@ims.test", NO, ""},
	    {"sip:alice112@ims.test", NO, ""},
	    {"sip:112alice@ims.test;user=phone", NO, ""},
	    {"sip:1-1-2@ims.test", NO, ""}, /* a name like any other */
	    {"sip:ims.test", NO, ""},
	    {"sip:112", NO, ""},
	    {"sip:112@112@ims.test", NO, ""},
	    {"urn:service:test.sos", NO, ""},
	    {"urn:service:test.sos.fire", NO, ""},
	    {"urn:service:sosx", NO, ""},
	    {"urn:service:counseling", NO, ""},
	    {"urn:service:x.sos", NO, ""},
	    {"urn:services:sos", NO, ""},
	    {"urn:nena:service:sos", NO, ""},
	    {"urn:service:", NO, ""},
	    {"mailto:112@ims.test", NO, ""},
	    {"http://ims.test/112", NO, ""},
	    {"112", NO, ""},
	    {"", NO, ""},
	};
	struct cscf_emergency_plan *plan = usual_plan();

	(void)state;
	check_rows(plan, rows, sizeof(rows) / sizeof(rows[0]), "192.0.2.1");
	cscf_emergency_plan_free(plan);
}

static void test_a_service_name_of_any_length_is_safe(void **state)
{
	REQ("EMG-05");
	struct cscf_emergency_plan *plan = usual_plan();
	char uri[4096] = "urn:service:sos.";

	(void)state;
	for (size_t n = strlen(uri); n < sizeof(uri) - 1; n++) {
		struct cscf_emergency_match m;
		bool is =
		    cscf_emergency_classify(plan, gw_slice_str(uri), from(plan, "192.0.2.1"), &m);

		assert_true(is);
		assert_string_equal(m.urn, n < CSCF_EMERGENCY_URN_MAX ? uri : "urn:service:sos");
		uri[n] = 'x';
		uri[n + 1] = '\0';
	}
	cscf_emergency_plan_free(plan);
}

/* Own list always, the origin's when it is known, all when it is not. */
static void test_the_country_of_origin_chooses_the_lists(void **state)
{
	REQ("EMG-03", "EMG-06");
	static const struct row own[] = {
	    {"tel:112", TEL, "urn:service:sos"},
	    {"tel:110", TEL, "urn:service:sos.police"},
	    {"tel:17", NO, ""},
	    {"tel:911", NO, ""},
	    {"tel:+1911", NO, ""},
	    {"urn:service:counseling.crisis", NO, ""},
	    {"urn:service:sos", URN, "urn:service:sos"},
	};
	static const struct row france[] = {
	    {"tel:112", TEL, "urn:service:sos"},
	    {"tel:110", TEL, "urn:service:sos.police"},
	    {"tel:17", TEL, "urn:service:sos.police"},
	    {"tel:15", TEL, "urn:service:sos.ambulance"},
	    {"tel:911", NO, ""},
	};
	static const struct row states[] = {
	    {"tel:911", TEL, "urn:service:sos"},
	    {"tel:+1911", TEL, "urn:service:sos"},
	    {"tel:+1-911", TEL, "urn:service:sos"},
	    {"sip:+1-911@ims.test;user=phone", SIP, "urn:service:sos"},
	    {"urn:service:counseling.crisis", URN, "urn:service:counseling.crisis"},
	    {"urn:service:counseling", NO, ""},
	    {"tel:17", NO, ""},
	};
	static const struct row unknown[] = {
	    {"tel:112", TEL, "urn:service:sos"},       {"tel:110", TEL, "urn:service:sos.police"},
	    {"tel:17", TEL, "urn:service:sos.police"}, {"tel:911", TEL, "urn:service:sos"},
	    {"tel:+1911", TEL, "urn:service:sos"},     {"tel:113", NO, ""},
	};
	struct cscf_emergency_plan *plan = usual_plan();

	(void)state;
	check_rows(plan, own, sizeof(own) / sizeof(own[0]), "192.0.2.1");
	check_rows(plan, france, sizeof(france) / sizeof(france[0]), "192.0.2.200");
	check_rows(plan, states, sizeof(states) / sizeof(states[0]), "198.51.100.7");
	check_rows(plan, unknown, sizeof(unknown) / sizeof(unknown[0]), "198.51.100.8");
	check_rows(plan, unknown, sizeof(unknown) / sizeof(unknown[0]), "::1");
	cscf_emergency_plan_free(plan);
}

static void test_the_country_comes_from_the_longest_range(void **state)
{
	REQ("EMG-04");
	static const struct {
		const char *ip, *code;
		enum cscf_emergency_origin origin;
	} rows[] = {
	    {"192.0.2.0", "DE", CSCF_EMERGENCY_OWN},
	    {"192.0.2.127", "DE", CSCF_EMERGENCY_OWN},
	    {"192.0.2.128", "FR", CSCF_EMERGENCY_OTHER},
	    {"198.51.100.7", "US", CSCF_EMERGENCY_OTHER},
	    {"198.51.100.6", "", CSCF_EMERGENCY_UNKNOWN},
	    {"192.0.3.0", "", CSCF_EMERGENCY_UNKNOWN},
	    {"2001:db8::1", "FR", CSCF_EMERGENCY_OTHER},
	    {"2001:db9::1", "", CSCF_EMERGENCY_UNKNOWN},
	};
	struct cscf_emergency_plan *plan = usual_plan();
	struct texts t = {.lists = {LISTS}, .map = {MAP}};
	struct cscf_emergency_config cfg = config_of(&t);

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		assert_string_equal(from(plan, rows[i].ip).code, rows[i].code);
		assert_int_equal(from(plan, rows[i].ip).origin, rows[i].origin);
	}
	cscf_emergency_plan_free(plan);
	cfg.assume_own_country = true;
	plan = plan_of(&cfg);
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		assert_int_equal(from(plan, rows[i].ip).origin, CSCF_EMERGENCY_OWN);
	cscf_emergency_plan_free(plan);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_every_written_form_of_an_emergency_matches),
	    cmocka_unit_test(test_what_only_looks_like_an_emergency_does_not_match),
	    cmocka_unit_test(test_a_service_name_of_any_length_is_safe),
	    cmocka_unit_test(test_the_country_of_origin_chooses_the_lists),
	    cmocka_unit_test(test_the_country_comes_from_the_longest_range),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
