/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Requests through the screen: what is answered, what passes, and the 380 against a golden body and
 * the schema. What is counted and logged of it: test_record.c.
 */
#include "tests/unit/cscf/emergency/screen_fixture.h"

#include <libxml/parser.h>
#include <libxml/xmlschemas.h>

#define GOLDEN "tests/golden/ims3gpp/"

/* ---- the answer ---------------------------------------------------------------------------------
 */

static char *file_text(const char *path)
{
	FILE *f = fopen(path, "re");
	char *text = calloc(1, 8192);

	assert_non_null(f);
	assert_non_null(text);
	assert_true(fread(text, 1, 8191, f) > 0);
	fclose(f);
	return text;
}

static bool is_valid(const char *xml)
{
	xmlSchemaParserCtxtPtr parser = xmlSchemaNewParserCtxt(GOLDEN "ims-3gpp.xsd");
	xmlSchemaPtr schema = xmlSchemaParse(parser);
	xmlSchemaValidCtxtPtr valid = xmlSchemaNewValidCtxt(schema);
	xmlDocPtr doc = xmlReadMemory(xml, (int)strlen(xml), "b", NULL, XML_PARSE_NOERROR);
	bool good;

	assert_non_null(schema);
	assert_non_null(doc);
	xmlSchemaSetValidErrors(valid, NULL, NULL, NULL);
	good = xmlSchemaValidateDoc(valid, doc) == 0;
	xmlFreeDoc(doc);
	xmlSchemaFreeValidCtxt(valid);
	xmlSchemaFree(schema);
	xmlSchemaFreeParserCtxt(parser);
	return good;
}

static void test_the_380_carries_the_body_of_the_schema(void **state)
{
	REQ("EMG-09", "EMG-10", "EMG-11", "EMG-13");
	struct cscf_emergency *e;
	char *golden = file_text(GOLDEN "emergency.xml"), *got;

	(void)state;
	cfg.reason_text = "Bitte <112> wählen & „Hilfe“ sagen.";
	e = start();
	assert_int_equal(ask(e, "INVITE", "tel:112", "", "Accept: application/sdp\r\n"),
			 CSCF_EMERGENCY_ANSWERED);
	assert_int_equal(cscf_sip_msg_status(w.answer), 380);
	assert_true(gw_slice_eq_str(cscf_sip_msg_reason(w.answer), "Alternative Service"));
	assert_true(has("Content-Type", "application/3gpp-ims+xml"));
	assert_true(has("P-Asserted-Identity", "<sip:epcscf1.ims.test:5060;lr>"));
	assert_false(cscf_sip_msg_hdr(w.answer, "Contact", NULL));
	got = body();
	assert_string_equal(got, golden);
	assert_true(is_valid(got));
	free(got);
	free(golden);
	cscf_emergency_free(e);
	/* the schema is one that can say no */
	assert_false(is_valid("<ims-3gpp version=\"1\"><alternative-service><reason>x</reason>"
			      "<type>emergency</type></alternative-service></ims-3gpp>"));
	assert_false(is_valid("<ims-3gpp><alternative-service><type>emergency</type>"
			      "<reason>x</reason></alternative-service></ims-3gpp>"));
	assert_false(is_valid("<ims-3gpp version=\"1\"><alternative-service>"
			      "<type>emergency</type></alternative-service></ims-3gpp>"));
}

static void test_action_and_contact_are_there_when_asked_for(void **state)
{
	REQ("EMG-10", "EMG-12");
	struct cscf_emergency *e;
	char *got;

	(void)state;
	cfg.action_register = true;
	cfg.send_contact_urn = true;
	e = start();
	assert_int_equal(ask(e, "INVITE", "tel:110", "", ""), CSCF_EMERGENCY_ANSWERED);
	assert_true(has("Contact", "<urn:service:sos.police>"));
	got = body();
	assert_non_null(strstr(got, "</reason>\n    <action>emergency-registration</action>"));
	assert_true(is_valid(got));
	free(got);
	cscf_emergency_free(e);
}

static void test_who_is_not_registered_is_told_or_forbidden(void **state)
{
	REQ("EMG-16");
	struct cscf_emergency *e = start();

	(void)state;
	w.registered = false;
	assert_int_equal(ask(e, "INVITE", "tel:112", "", ""), CSCF_EMERGENCY_ANSWERED);
	assert_int_equal(cscf_sip_msg_status(w.answer), 380);
	assert_false(cscf_sip_msg_hdr(w.answer, "P-Asserted-Identity", NULL)); /* it has no Path */
	assert_true(cscf_sip_msg_body(w.answer).n > 0);
	cscf_emergency_free(e);
	cfg.unregistered_403 = true;
	e = start();
	assert_int_equal(ask(e, "INVITE", "tel:112", "", ""), CSCF_EMERGENCY_ANSWERED);
	assert_null(w.answer);
	assert_int_equal(w.replied, 403);
	cscf_emergency_free(e);
}

/* ---- who is screened ------------------------------------------------------------------------- */

static void test_every_initial_request_is_screened_and_no_other(void **state)
{
	REQ("EMG-02", "EMG-21");
	static const char *const methods[] = {"INVITE",  "MESSAGE", "SUBSCRIBE", "OPTIONS",
					      "PUBLISH", "REFER",   "INFO",      "FOO"};
	struct cscf_emergency *e = start();

	(void)state;
	for (size_t i = 0; i < sizeof(methods) / sizeof(methods[0]); i++) {
		assert_int_equal(ask(e, methods[i], "tel:112", "", ""), CSCF_EMERGENCY_ANSWERED);
		assert_int_equal(ask(e, methods[i], "tel:113", "", ""), CSCF_EMERGENCY_PASS);
		assert_int_equal(ask(e, methods[i], "urn:service:sos", ";tag=b", ""),
				 CSCF_EMERGENCY_PASS);
	}
	from_ip("192.0.2.1", CSCF_SIP_MW); /* a PSAP that calls back comes from the core */
	assert_int_equal(ask(e, "INVITE", "urn:service:sos", "", ""), CSCF_EMERGENCY_PASS);
	cscf_emergency_free(e);
}

static void test_a_register_is_never_an_emergency(void **state)
{
	REQ("EMG-02", "EMG-17", "REG-01");
	static const char *const uris[] = {"sip:112@ims.test", "tel:112", "urn:service:sos"};
	struct cscf_emergency *e = start();

	(void)state;
	for (size_t i = 0; i < sizeof(uris) / sizeof(uris[0]); i++) { /* ask: _is agrees */
		assert_int_equal(ask(e, "REGISTER", uris[i], "", ""), CSCF_EMERGENCY_PASS);
		assert_int_equal(ask(e, "INVITE", uris[i], "", ""), CSCF_EMERGENCY_ANSWERED);
	}
	cscf_emergency_free(e);
}

static unsigned admitted(struct cscf_emergency *e, unsigned of)
{
	struct cscf_sip_msg *msg = request("INVITE", "urn:service:sos", "", "");
	unsigned n = 0;

	while (of-- > 0)
		n += cscf_emergency_admit(e, msg, &flow);
	cscf_sip_msg_free(msg);
	return n;
}

static void test_a_flood_is_not_admitted(void **state)
{
	REQ("EMG-16", "EMG-17");
	struct cscf_emergency *e = start();

	(void)state;
	assert_int_equal(admitted(e, 100), 100); /* registered */
	w.registered = false;
	assert_in_range(admitted(e, 1000), 50, 100);
	from_ip("192.0.2.1", CSCF_SIP_MW);
	assert_int_equal(admitted(e, 1000), 1000); /* the core is trusted */
	cscf_emergency_free(e);
}

static void test_a_call_back_is_not_screened_but_no_limit_hits_it(void **state)
{
	REQ("EMG-17", "EMG-21");
	struct cscf_emergency *e = start();
	struct cscf_sip_msg *back =
	    request("INVITE", "sip:a@x.invalid;transport=ws", "", "Priority: psap-callback\r\n");
	struct cscf_emergency_order order;

	(void)state;
	from_ip("192.0.2.1", CSCF_SIP_MW);
	assert_true(cscf_emergency_is(e, back, &flow));
	assert_int_equal(cscf_emergency_screen(e, 1, back, &flow, &order), CSCF_EMERGENCY_PASS);
	from_ip("192.0.2.1", CSCF_SIP_W2); /* a browser that calls itself one is none */
	assert_false(cscf_emergency_is(e, back, &flow));
	cscf_sip_msg_free(back);
	cscf_emergency_free(e);
}

static void test_what_a_wic_says_of_its_place_narrows_nothing(void **state)
{
	REQ("EMG-04");
	static const char *const lies[] = {
	    "",
	    "P-Access-Network-Info: "
	    "3GPP-E-UTRAN-FDD;utran-cell-id-3gpp=3101234;network-provided\r\n",
	    "P-Access-Network-Info: IEEE-802.11;country=DE\r\nGeolocation: <cid:here@x>\r\n"
	    "Geolocation-Routing: yes\r\n"};
	struct cscf_emergency *e;

	(void)state;
	cfg.proceed = true;
	e = start();
	for (size_t i = 0; i < sizeof(lies) / sizeof(lies[0]); i++) {
		from_ip("203.0.113.9", CSCF_SIP_W2); /* unknown: all lists, always 380 */
		assert_int_equal(ask(e, "INVITE", "tel:911", "", lies[i]), CSCF_EMERGENCY_ANSWERED);
		assert_int_equal(ask(e, "INVITE", "tel:112", "", lies[i]), CSCF_EMERGENCY_ANSWERED);
		from_ip("192.0.2.1", CSCF_SIP_W2); /* Germany: whatever it says */
		assert_int_equal(ask(e, "INVITE", "tel:911", "", lies[i]), CSCF_EMERGENCY_PASS);
		assert_int_equal(ask(e, "INVITE", "tel:112", "", lies[i]), CSCF_EMERGENCY_TO_ECSCF);
	}
	cscf_emergency_free(e);
}

#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	static const struct CMUnitTest tests[] = {
	    T(test_the_380_carries_the_body_of_the_schema),
	    T(test_action_and_contact_are_there_when_asked_for),
	    T(test_who_is_not_registered_is_told_or_forbidden),
	    T(test_every_initial_request_is_screened_and_no_other),
	    T(test_a_register_is_never_an_emergency),
	    T(test_a_flood_is_not_admitted),
	    T(test_a_call_back_is_not_screened_but_no_limit_hits_it),
	    T(test_what_a_wic_says_of_its_place_narrows_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
