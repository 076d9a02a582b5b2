/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Requests through the screen: what is answered, what passes, what is counted and logged, and the
 * 380 against a golden body and the schema. The SIP stack and the registrar are faked at link
 * time; messages are the real ones.
 */
#include "tests/unit/cscf/emergency/plan_fixture.h"

#include "common/log.h"
#include "common/metric.h"
#include "cscf/emergency/emergency.h"

#include <libxml/parser.h>
#include <libxml/xmlschemas.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#define GOLDEN "tests/golden/ims3gpp/"
#define CONN   7U

static struct {
	bool registered;
	struct cscf_sip_msg *answer; /* owned */
	int replied;                 /* status of cscf_sip_reply */
} w;

enum gw_err cscf_sip_respond(struct cscf_sip_stack *s, gw_handle server, struct cscf_sip_msg *rsp)
{
	(void)s;
	(void)server;
	assert_null(w.answer);
	w.answer = rsp;
	return GW_OK;
}

enum gw_err cscf_sip_reply(struct cscf_sip_stack *s, gw_handle server, int status,
			   const char *reason, ...)
{
	(void)s;
	(void)server;
	(void)reason;
	w.replied = status;
	return GW_OK;
}

static const struct cscf_sip_flow no_flow;
static struct cscf_sip_flow flow;

bool cscf_sip_server_flow(const struct cscf_sip_stack *s, gw_handle server,
			  struct cscf_sip_flow *out)
{
	(void)s;
	(void)server;
	*out = flow;
	return true;
}

bool cscf_registrar_identify(struct cscf_registrar *r, uint64_t conn,
			     const struct gw_slice *preferred, size_t n,
			     struct cscf_registrar_identity *out)
{
	static const struct cscf_registrar_impu impus[] = {{"sip:alice@ims.test", ""}};

	(void)r;
	(void)preferred;
	(void)n;
	assert_int_equal(conn, CONN);
	if (!w.registered)
		return false;
	*out = (struct cscf_registrar_identity){
	    .conn = conn, .impus = impus, .n_impus = 1, .path_uri = "sip:epcscf1.ims.test:5060;lr"};
	return true;
}

/* ---- asking -----------------------------------------------------------------------------------
 */

static void forget(void)
{
	cscf_sip_msg_free(w.answer);
	w.answer = NULL;
	w.replied = 0;
}

static struct cscf_sip_msg *request(const char *method, const char *uri, const char *to_tag,
				    const char *extra)
{
	static const struct cscf_sip_limits limits = {65536, 200, 8192};
	struct cscf_sip_msg *msg = NULL;
	char text[1024];

	snprintf(text, sizeof(text),
		 "%s %s SIP/2.0\r\nVia: SIP/2.0/WSS x.invalid;branch=z9hG4bK1\r\n"
		 "From: <sip:alice@ims.test>;tag=a\r\nTo: <%s>%s\r\nCall-ID: c1\r\nCSeq: 1 %s\r\n"
		 "Contact: <sip:a@x.invalid;transport=ws>\r\n%sContent-Length: 0\r\n\r\n",
		 method, uri, uri, to_tag, method, extra);
	assert_int_equal(cscf_sip_msg_parse(&msg, text, strlen(text), &limits, true, NULL), GW_OK);
	return msg;
}

static enum cscf_emergency_next ask(struct cscf_emergency *e, const char *method, const char *uri,
				    const char *to_tag, const char *extra)
{
	struct cscf_sip_msg *msg = request(method, uri, to_tag, extra);
	struct cscf_emergency_order order;
	enum cscf_emergency_next next;

	forget();
	next = cscf_emergency_screen(e, 1, msg, &flow, &order);
	assert_int_equal(cscf_emergency_is(e, msg, &flow), next != CSCF_EMERGENCY_PASS);
	if (next == CSCF_EMERGENCY_TO_ECSCF) {
		assert_string_equal(order.match.urn, "urn:service:sos");
		assert_int_equal(order.n_ecscf, 2);
		assert_string_equal(order.ecscf[1], "<sip:e2.ims.test;lr>");
	}
	cscf_sip_msg_free(msg);
	return next;
}

static void from_ip(const char *ip, enum cscf_sip_side side)
{
	flow = no_flow;
	flow.side = side;
	flow.conn = CONN;
	assert_int_equal(gw_addr_parse_ip(&flow.remote, ip, 50123), GW_OK);
}

static struct texts t;
static struct cscf_emergency_config cfg;

static struct cscf_emergency *start(void)
{
	struct cscf_emergency_parts parts = {NULL, NULL};
	struct cscf_emergency *e = NULL;
	char why[256];

	assert_int_equal(cscf_emergency_new(&e, &cfg, &parts, why, sizeof(why)), GW_OK);
	return e;
}

static int setup(void **state)
{
	(void)state;
	t = (struct texts){
	    .lists = {LISTS}, .map = {MAP}, .ecscf = {"sip:e1.ims.test", "sip:e2.ims.test"}};
	cfg = config_of(&t);
	w.registered = true;
	gw_log_set_level(GW_LOG_ERROR);
	from_ip("192.0.2.1", CSCF_SIP_W2);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	forget();
	return 0;
}

static bool has(const char *name, const char *value)
{
	struct gw_slice v;

	return cscf_sip_msg_hdr(w.answer, name, &v) && gw_slice_eq_str(v, value);
}

static char *body(void)
{
	return gw_slice_dup(cscf_sip_msg_body(w.answer));
}

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

/* ---- record and reload -------------------------------------------------------------------------
 */

static char *captured(int fd)
{
	char *text = calloc(1, 16384);

	assert_non_null(text);
	assert_true(pread(fd, text, 16383, 0) > 0);
	return text;
}

static bool counts(const char *line)
{
	char *text = gw_metric_text();
	bool found = text != NULL && strstr(text, line) != NULL;

	free(text);
	return found;
}

static void test_each_attempt_is_logged_and_counted(void **state)
{
	REQ("EMG-20", "EMG-07", "EMG-08");
	struct cscf_emergency *e;
	int fd = memfd_create("log", MFD_CLOEXEC);
	char *text;

	(void)state;
	gw_log_set_fd(fd);
	gw_log_set_level(GW_LOG_INFO);
	e = start();
	(void)ask(e, "INVITE", "tel:110", "", "");
	from_ip("198.51.100.7", CSCF_SIP_W2);
	(void)ask(e, "MESSAGE", "sip:911@ims.test", "", "");
	from_ip("203.0.113.9", CSCF_SIP_W2);
	(void)ask(e, "FOO", "urn:service:sos.fire", "", "");
	gw_log_set_fd(2);
	text = captured(fd);
	assert_non_null(strstr(text, "event=emergency.detected call_id=\"c1\""));
	assert_non_null(strstr(text, "conn=7 method=INVITE class=tel urn=urn:service:sos.police "
				     "country=DE decision=reject-own-country"));
	assert_non_null(strstr(text, "method=MESSAGE class=sip urn=urn:service:sos country=US "
				     "decision=reject-other-country"));
	assert_non_null(strstr(text, "method=FOO class=urn urn=urn:service:sos.fire "
				     "country=unknown decision=reject-unknown-country"));
	assert_null(strstr(text, "sip:alice@")); /* masked */
	free(text);
	close(fd);
	assert_true(counts("decision=\"reject-own-country\",class=\"tel\"}"));
	assert_true(counts("decision=\"reject-other-country\",class=\"sip\"} 1"));
	assert_true(counts("decision=\"proceed\",class=\"dialstring\"} 0"));
	cscf_emergency_free(e);
}

static unsigned times(const char *text, const char *what)
{
	unsigned n = 0;

	for (; (text = strstr(text, what)) != NULL; text++)
		n++;
	return n;
}

static void test_a_flood_makes_few_lines_and_is_counted_whole(void **state)
{
	REQ("EMG-20");
	struct cscf_emergency *e = start();
	int fd = memfd_create("log", MFD_CLOEXEC);
	char *text;

	(void)state;
	w.registered = false;
	gw_log_set_fd(fd);
	gw_log_set_level(GW_LOG_INFO);
	for (int i = 0; i < 300; i++)
		(void)ask(e, "MESSAGE", "sip:112@ims.test", "", "");
	gw_log_set_fd(2);
	text = captured(fd);
	assert_in_range(times(text, "event=emergency.detected"), 20, 40);
	assert_true(times(text, "suppressed=") > 0);
	free(text);
	close(fd);
	assert_true(counts("decision=\"unregistered-380\",class=\"sip\"} 300"));
	cscf_emergency_free(e);
}

static void test_a_reload_takes_good_lists_and_keeps_the_old_for_bad_ones(void **state)
{
	REQ("EMG-18");
	struct cscf_emergency *e = start();
	char why[256] = "";

	(void)state;
	assert_int_equal(ask(e, "INVITE", "tel:115", "", ""), CSCF_EMERGENCY_PASS);
	t.lists[0] = "DE=112 115";
	cfg = config_of(&t);
	assert_int_equal(cscf_emergency_reload(e, &cfg, why, sizeof(why)), GW_OK);
	assert_int_equal(ask(e, "INVITE", "tel:115", "", ""), CSCF_EMERGENCY_ANSWERED);
	assert_int_equal(ask(e, "INVITE", "tel:110", "", ""), CSCF_EMERGENCY_PASS);
	t.lists[0] = "DE=";
	cfg = config_of(&t);
	assert_int_equal(cscf_emergency_reload(e, &cfg, why, sizeof(why)), GW_ERR_INVAL);
	assert_non_null(strstr(why, "the list of DE is empty"));
	assert_int_equal(ask(e, "INVITE", "tel:115", "", ""), CSCF_EMERGENCY_ANSWERED);
	assert_true(counts("cscf_emergency_reload_total{result=\"ok\"} 1"));
	assert_true(counts("cscf_emergency_reload_total{result=\"failed\"} 1"));
	cscf_emergency_free(e);
}

static void test_a_call_that_reached_nobody_ends_in_380(void **state)
{
	REQ("EMG-15");
	struct cscf_emergency *e = start();
	struct cscf_sip_msg *msg = request("INVITE", "tel:112", "", "");
	struct cscf_emergency_match match = {.how = CSCF_EMERGENCY_TEL, .urn = "urn:service:sos"};

	(void)state;
	forget();
	cscf_emergency_not_reached(e, 1, msg, &match);
	assert_int_equal(cscf_sip_msg_status(w.answer), 380);
	assert_true(has("P-Asserted-Identity", "<sip:epcscf1.ims.test:5060;lr>"));
	assert_true(counts("decision=\"not-reached\",class=\"tel\"} 1"));
	cscf_sip_msg_free(msg);
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
	    T(test_a_flood_makes_few_lines_and_is_counted_whole),
	    T(test_a_call_back_is_not_screened_but_no_limit_hits_it),
	    T(test_what_a_wic_says_of_its_place_narrows_nothing),
	    T(test_each_attempt_is_logged_and_counted),
	    T(test_a_reload_takes_good_lists_and_keeps_the_old_for_bad_ones),
	    T(test_a_call_that_reached_nobody_ends_in_380),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
