/* SPDX-License-Identifier: Apache-2.0 */
/* The 3GPP IM CN subsystem body: built octet for octet, read back, and what is refused. */
#include "cscf/xml/ims3gpp.h"
#include "tests/lib/req.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

#define HEAD "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n"

static void test_restoration_body_is_the_one_of_the_specification(void **state)
{
	char *text = NULL;
	size_t n = 0;

	REQ("REG-82");
	(void)state;
	assert_int_equal(cscf_ims3gpp_build(&text, &n, CSCF_IMS3GPP_RESTORATION, "S-CSCF gone",
					    CSCF_IMS3GPP_INITIAL_REG),
			 GW_OK);
	assert_string_equal(text, HEAD "<ims-3gpp version=\"1\">\n"
				       "  <alternative-service>\n"
				       "    <type>restoration</type>\n"
				       "    <reason>S-CSCF gone</reason>\n"
				       "    <action>initial-registration</action>\n"
				       "  </alternative-service>\n"
				       "</ims-3gpp>\n");
	assert_int_equal(n, strlen(text));
	free(text);
}

static void test_action_is_left_out_and_texts_are_escaped(void **state)
{
	struct cscf_ims3gpp body;
	char *text = NULL;
	size_t n = 0;

	(void)state;
	assert_int_equal(cscf_ims3gpp_build(&text, &n, CSCF_IMS3GPP_EMERGENCY,
					    "Use <your> phone & dial \xc3\xa9", NULL),
			 GW_OK);
	assert_string_equal(text,
			    HEAD "<ims-3gpp version=\"1\">\n"
				 "  <alternative-service>\n"
				 "    <type>emergency</type>\n"
				 "    <reason>Use &lt;your&gt; phone &amp; dial \xc3\xa9</reason>\n"
				 "  </alternative-service>\n"
				 "</ims-3gpp>\n");
	assert_int_equal(cscf_ims3gpp_parse(&body, gw_slice_str(text)), GW_OK);
	assert_string_equal(body.type, "emergency");
	assert_string_equal(body.reason, "Use <your> phone & dial \xc3\xa9");
	assert_null(body.action);
	cscf_ims3gpp_fini(&body);
	free(text);
}

static void test_text_that_xml_cannot_carry_is_refused(void **state)
{
	char *text = NULL;
	size_t n = 0;

	(void)state;
	assert_int_equal(cscf_ims3gpp_build(&text, &n, "emergency", "\xc3(", NULL), GW_ERR_INVAL);
	assert_int_equal(cscf_ims3gpp_build(&text, &n, "emergency", "a\x01", NULL), GW_ERR_INVAL);
	assert_int_equal(cscf_ims3gpp_build(&text, &n, "", "r", NULL), GW_ERR_INVAL);
	assert_int_equal(cscf_ims3gpp_build(&text, &n, "emergency", NULL, NULL), GW_ERR_INVAL);
	assert_null(text);
}

static const struct {
	const char *text;
	enum gw_err err;
	const char *type, *reason, *action;
} bodies[] = {
    {"<ims-3gpp version='1'><alternative-service><type>restoration</type><reason/>"
     "<action>initial-registration</action></alternative-service></ims-3gpp>",
     GW_OK, "restoration", "", "initial-registration"},
    /* a prefix, a namespace of its own, blanks, CDATA, extensions */
    {"<p:ims-3gpp xmlns:p='urn:x' version='2'><e:foo xmlns:e='urn:e'><type>no</type></e:foo>"
     "<p:alternative-service><p:type>\n restoration </p:type><p:reason><![CDATA[a<b]]></p:reason>"
     "<e:action xmlns:e='urn:e'>none</e:action></p:alternative-service></p:ims-3gpp>",
     GW_OK, "restoration", "a<b", NULL},
    /* the first of each counts */
    {"<ims-3gpp><alternative-service><type>emergency</type><type>restoration</type><reason>r"
     "</reason></alternative-service></ims-3gpp>",
     GW_OK, "emergency", "r", NULL},
    {"<ims-3gpp version='1'><service-info>x</service-info></ims-3gpp>", GW_ERR_NOT_FOUND, NULL,
     NULL, NULL},
    {"<ims-3gpp version='1'><alternative-service><type>restoration</type></alternative-service>"
     "</ims-3gpp>",
     GW_ERR_PARSE, NULL, NULL, NULL},
    {"<ims-3gpp><alternative-service><type/><reason/></alternative-service></ims-3gpp>",
     GW_ERR_PARSE, NULL, NULL, NULL},
    {"<reginfo/>", GW_ERR_PARSE, NULL, NULL, NULL},
    {"<ims-3gpp>", GW_ERR_PARSE, NULL, NULL, NULL},
    {"", GW_ERR_PARSE, NULL, NULL, NULL},
    {"<!DOCTYPE ims-3gpp><ims-3gpp/>", GW_ERR_DENIED, NULL, NULL, NULL},
};

static void test_bodies_of_the_core(void **state)
{
	REQ("REG-83");
	(void)state;
	for (size_t i = 0; i < sizeof(bodies) / sizeof(bodies[0]); i++) {
		struct cscf_ims3gpp body;

		assert_int_equal(cscf_ims3gpp_parse(&body, gw_slice_str(bodies[i].text)),
				 bodies[i].err);
		if (bodies[i].err != GW_OK) {
			assert_null(body.type);
			continue;
		}
		assert_string_equal(body.type, bodies[i].type);
		assert_string_equal(body.reason, bodies[i].reason);
		if (bodies[i].action == NULL)
			assert_null(body.action);
		else
			assert_string_equal(body.action, bodies[i].action);
		cscf_ims3gpp_fini(&body);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_restoration_body_is_the_one_of_the_specification),
	    cmocka_unit_test(test_action_is_left_out_and_texts_are_escaped),
	    cmocka_unit_test(test_text_that_xml_cannot_carry_is_refused),
	    cmocka_unit_test(test_bodies_of_the_core),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
