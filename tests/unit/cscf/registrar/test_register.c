/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A REGISTER from the WIC: what is refused here, what the core gets octet for octet, what each
 * answer of the core does. The SIP stack is the test's (fake_stack.h).
 */
#include "reg_fixture.h"

#include "cscf/registrar/reg_int.h"
#include "tests/lib/req.h"

static void test_every_row_of_the_integrity_table(void **state)
{
	REQ("REG-07", "REG-40", "REG-41");
	static const struct {
		enum reg_scheme scheme;
		bool tls, associated, response;
		const char *want;
	} rows[] = {
	    {REG_SCHEME_AKA, true, false, false, "tls-connected"},
	    {REG_SCHEME_AKA, true, true, false, "tls-connected"},
	    {REG_SCHEME_AKA, true, false, true, "tls-connected"},
	    {REG_SCHEME_AKA, true, true, true, "tls-connected"},
	    {REG_SCHEME_AKA, false, true, true, NULL},
	    {REG_SCHEME_DIGEST, true, false, false, NULL},
	    {REG_SCHEME_DIGEST, true, false, true, "tls-pending"},
	    {REG_SCHEME_DIGEST, true, true, false, "tls-yes"},
	    {REG_SCHEME_DIGEST, true, true, true, "tls-yes"},
	    {REG_SCHEME_NONE, true, false, false, NULL},
	    {REG_SCHEME_NONE, true, true, false, NULL},
	    {REG_SCHEME_BEARER, true, false, false, "auth-done"},
	    {REG_SCHEME_BEARER, true, true, false, "auth-done"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		const char *got = reg_integrity(rows[i].scheme, rows[i].tls, rows[i].associated,
						rows[i].response, "tls-yes");

		if ((got == NULL) != (rows[i].want == NULL) ||
		    (got != NULL && strcmp(got, rows[i].want) != 0))
			fail_msg("row %zu: %s", i, got != NULL ? got : "absent");
	}
}

/* Copy of the text with token and icid replaced by names. */
static char *masked(const char *text)
{
	char *out = strdup(text), *at;

	assert_non_null(out);
	at = strstr(out, "<sip:");
	while (at != NULL && strncmp(at + 5 + CSCF_SIP_FLOW_TOKEN_LEN, "@epcscf1", 8) != 0)
		at = strstr(at + 1, "<sip:");
	assert_non_null(at);
	memmove(at + 10, at + 5 + CSCF_SIP_FLOW_TOKEN_LEN,
		strlen(at + 5 + CSCF_SIP_FLOW_TOKEN_LEN) + 1);
	memcpy(at + 5, "TOKEN", 5);
	at = strstr(out, "icid-value=\"");
	assert_non_null(at);
	at += strlen("icid-value=\"");
	assert_int_equal(strspn(at, "0123456789abcdef"), 32);
	memmove(at + 4, at + 32, strlen(at + 32) + 1);
	memcpy(at, "ICID", 4);
	return out;
}

static void test_the_core_gets_exactly_this(void **state)
{
	REQ("REG-02", "REG-03", "REG-04", "REG-05", "REG-06", "REG-08", "REG-09", "REG-19", "WS-16",
	    "CALL-16");
	char *got;

	(void)state;
	fx_send(1, "sip:ims.example.net", "sip:alice@ims.example.net", "sip:alice@ims.example.net",
		CONTACT ";+g.3gpp.icsi-ref=\"urn%3Aurn-7%3A3gpp\";audio", INITIAL,
		"Route: <sip:evil.example;lr>\r\nPath: <sip:evil.example;lr>\r\n"
		"P-Charging-Vector: icid-value=\"evil\"\r\nP-Visited-Network-ID: evil\r\n"
		"User-Agent: JsSIP 3.13  (odd  spacing)\r\n");
	assert_int_equal(fk.n_requests, 1);
	assert_string_equal(fk.dest, "icscf1.ims.example.net");
	got = masked(fk.mw);
	assert_string_equal(
	    got, "REGISTER sip:ims.example.net SIP/2.0\r\n"
		 "Via: SIP/2.0/WSS df7jal23ls0d.invalid;branch=z9hG4bK0;received=203.0.113.7;"
		 "rport=50123\r\n"
		 "Path: <sip:TOKEN@epcscf1.ims.example.net;lr;ob>\r\n"
		 "Max-Forwards: 69\r\n"
		 "From: <sip:alice@ims.example.net>;tag=a1\r\n"
		 "To: <sip:alice@ims.example.net>\r\n"
		 "Call-ID: c1\r\nCSeq: 1 REGISTER\r\n"
		 "Supported: path, outbound, gruu\r\n"
		 "Contact: " CONTACT ";+g.3gpp.icsi-ref=\"urn%3Aurn-7%3A3gpp\";audio\r\n"
		 "Authorization: " INITIAL "\r\n"
		 "User-Agent: JsSIP 3.13  (odd  spacing)\r\n"
		 "Content-Length: 0\r\n"
		 "Require: path\r\n"
		 "P-Visited-Network-ID: \"ims.example.net\"\r\n"
		 "P-Charging-Vector: icid-value=\"ICID\";"
		 "icid-generated-at=epcscf1.ims.example.net;"
		 "orig-ioi=\"Type 1ims.example.net\"\r\n\r\n");
	free(got);
	assert_int_equal(fk.n_responses, 0);
}

static void test_ob_only_with_reg_id_instance_and_outbound(void **state)
{
	REQ("REG-03");
	static const struct {
		const char *contact;
		bool ob;
	} cases[] = {
	    {"<" CONTACT_URI ">;reg-id=1;" INSTANCE, true},
	    {"<" CONTACT_URI ">;" INSTANCE, false},
	    {"<" CONTACT_URI ">;reg-id=1", false},
	    {"<" CONTACT_URI ">;reg-id=x;" INSTANCE, false},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		fx_send(1, "sip:ims.example.net", "sip:alice@ims.example.net",
			"sip:alice@ims.example.net", cases[i].contact, INITIAL, "");
		assert_int_equal(strstr(fk.mw, ";lr;ob>") != NULL, cases[i].ob);
		fk_answer("401 Unauthorized", CHALLENGE);
	}
}

static void test_icid_is_fresh_for_each_register(void **state)
{
	REQ("REG-06");
	char first[64];
	const char *at;

	(void)state;
	fx_register(1, INITIAL);
	at = strstr(fk.mw, "icid-value=\"");
	assert_non_null(at);
	snprintf(first, sizeof(first), "%.44s", at);
	fk_answer("401 Unauthorized", CHALLENGE);
	fx_register(1, ANSWERED);
	assert_null(strstr(fk.mw, first));
	assert_null(strstr(fk.mw, "term-ioi"));
	fk_answer("401 Unauthorized", CHALLENGE);
}

static void test_integrity_protected_on_the_wire(void **state)
{
	REQ("REG-07", "REG-40", "REG-41", "SEC-07", "SEC-13");

	(void)state;
	fx_register(1, DIGEST(",integrity-protected=\"tls-yes\",nonce=\"\",response=\"\""));
	assert_null(strstr(fk.mw, "integrity-protected"));
	fk_answer("401 Unauthorized", CHALLENGE);
	assert_non_null(strstr(fk.w2, CHALLENGE));
	assert_int_equal(cscf_registrar_counts(fx.r).associations, 0);
	fx_register(1, ANSWERED);
	assert_non_null(strstr(fk.mw, "response=\"6629\",integrity-protected=\"tls-pending\"\r\n"));
	fk_answer("200 OK", OK_200);
	fx_register(1, INITIAL);
	assert_non_null(strstr(fk.mw, ",integrity-protected=\"tls-yes\"\r\n"));
	fk_answer("401 Unauthorized", "WWW-Authenticate: Digest realm=\"r\",stale=true\r\n");
	assert_int_equal(cscf_registrar_counts(fx.r).associations, 1); /* SEC-13 */
	/* the same user on another socket is nobody yet */
	fx_register(2, INITIAL);
	assert_null(strstr(fk.mw, "integrity-protected"));
	fk_answer("401 Unauthorized", CHALLENGE);
	fx_register(2, DIGEST(",algorithm=AKAv2-SHA-256,nonce=\"\",response=\"\""));
	assert_non_null(strstr(fk.mw, ",integrity-protected=\"tls-connected\"\r\n"));
	fk_answer("401 Unauthorized", CHALLENGE);
	/* without credentials nothing is added, associated or not */
	fx_send(3, "sip:example.org", "sip:bob@example.org", "sip:bob@example.org",
		"<sip:b@b.invalid;transport=ws>", NULL, "");
	assert_null(strstr(fk.mw, "uthorization"));
	fk_answer("401 Unauthorized", CHALLENGE);
}

static void test_what_is_refused_without_asking_the_core(void **state)
{
	REQ("REG-01", "REG-11", "REG-12", "REG-13", "REG-17", "SEC-08", "SEC-09", "SEC-15",
	    "DEREG-03");
#define HOME  "sip:ims.example.net"
#define ALICE "sip:alice@ims.example.net"
	static const struct {
		const char *uri, *from, *to, *contact, *auth, *more;
		int want;
	} cases[] = {
	    {"sip:evil.tld", ALICE, ALICE, CONTACT, INITIAL, "", 403},
	    {"sip:ims.example.net.evil.tld", ALICE, ALICE, CONTACT, INITIAL, "", 403},
	    {"tel:+1", ALICE, ALICE, CONTACT, INITIAL, "", 403},
	    {HOME, "sip:bob@ims.example.net", ALICE, CONTACT, INITIAL, "", 403},
	    {HOME, "sip:alice@evil.tld", "sip:alice@evil.tld", CONTACT, INITIAL, "", 403},
	    {HOME, ALICE, ALICE, "<sip:x@y.invalid;transport=ws;sos>", INITIAL, "", 403},
	    {HOME, ALICE, ALICE, "<sip:victim@198.51.100.1>", INITIAL, "", 403},
	    {HOME, ALICE, ALICE, "<sip:victim@198.51.100.1;transport=udp>", INITIAL, "", 403},
	    {HOME, ALICE, ALICE, "<tel:+15550100>", INITIAL, "", 400},
	    {HOME, ALICE, ALICE, "*", INITIAL, "Expires: 60\r\n", 400},
	    {HOME, ALICE, ALICE, "*", INITIAL, "", 400},
	    {HOME, ALICE, ALICE, "*", INITIAL, "Expires: 0\r\nContact: " CONTACT "\r\n", 400},
	    {HOME, ALICE, ALICE, CONTACT, INITIAL,
	     "Contact: <sip:z@z.invalid;transport=ws>;+sip.instance=\"<urn:uuid:0>\"\r\n", 400},
	    {HOME, ALICE, ALICE, CONTACT, DIGEST(",x=y"), "Authorization: " INITIAL "\r\n", 400},
	    {HOME, ALICE, ALICE, CONTACT, "Digest realm=\"ims.example.net\"", "", 400},
	    {HOME, ALICE, ALICE, CONTACT, ANSWERED ",username=\"bob.wic@ims.example.net\"", "",
	     400},
	    {HOME, ALICE, ALICE, CONTACT, DIGEST(",algorithm=AKAv2-SHA-256,ALGORITHM=MD5"), "",
	     400},
	    {HOME, ALICE, ALICE, CONTACT, INITIAL ",response=\"6629\"", "", 400},
	    {HOME, ALICE, ALICE, CONTACT, "Digest username=\"a b\"", "", 400},
	    {HOME, ALICE, ALICE, CONTACT, "Digest username=\"a\\\" conn=1\"", "", 400},
	    {HOME, ALICE, ALICE, CONTACT, "Digest username=\"alice@evil\"", "", 403},
	    {HOME, ALICE, ALICE, CONTACT, "Digest username=\"alice\",realm=\"evil\"", "", 403},
	    {HOME, ALICE, ALICE, CONTACT, "Bearer abc=", "", 403},
	    {HOME, ALICE, ALICE, CONTACT, "Bearer a,b", "", 403}, /* no tokens here at all */
	    {HOME, ALICE, ALICE, "<" CONTACT_URI ">;expires=0;expires=600000", INITIAL, "", 400},
	    {HOME, ALICE, ALICE, "<" CONTACT_URI ">;expires=0;EXPIRES=600000", INITIAL, "", 400},
	    {HOME, ALICE, ALICE, "<" CONTACT_URI ">;expires=0;x=<;expires=9>", INITIAL, "", 400},
	    {HOME, ALICE, ALICE, "<" CONTACT_URI ">;expires=0;x=\"\\\";expires=9", INITIAL, "",
	     400},
	    {HOME, ALICE, ALICE, CONTACT ";reg-id=2", INITIAL, "", 400},
	    {HOME, ALICE, ALICE, "<" CONTACT_URI ";transport=udp>", INITIAL, "", 400},
	    {HOME, ALICE, ALICE, "<" CONTACT_URI ">", INITIAL, "Expires: 0\r\nExpires: 600000\r\n",
	     400},
	    {HOME, ALICE, ALICE, CONTACT, INITIAL, "Require: sec-agree\r\n", 420},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		fx_send(1, cases[i].uri, cases[i].from, cases[i].to, cases[i].contact,
			cases[i].auth, cases[i].more);
		if (fk.status != cases[i].want || fk.n_requests != 0)
			fail_msg("case %zu: %d", i, fk.status);
	}
	assert_non_null(strstr(fk.w2, "Unsupported: sec-agree\r\n"));
	fx_assert_nothing_left();
}

static void test_digest_beside_bearer_is_used_alone(void **state)
{
	REQ("SEC-08");

	(void)state;
	fx_send(1, HOME, ALICE, ALICE, CONTACT, "Bearer abc.def", "Authorization: " INITIAL "\r\n");
	assert_int_equal(fk.n_requests, 1);
	assert_null(strstr(fk.mw, "Bearer"));
	assert_non_null(strstr(fk.mw, "Authorization: " INITIAL "\r\n"));
	fk_answer("401 Unauthorized", CHALLENGE);
}

static void test_query_is_relayed_and_creates_nothing(void **state)
{
	REQ("REG-12");

	(void)state;
	fx_send(1, HOME, ALICE, ALICE, NULL, ANSWERED, "");
	fk_answer("200 OK", OK_200);
	assert_int_equal(fk.status, 200);
	fx_assert_nothing_left();
	assert_false(fk.authenticated[1]);
}

static void test_answers_of_the_core_are_mapped(void **state)
{
	REQ("REG-10", "REG-30");
	static const struct {
		const char *answer, *fields;
		enum cscf_sip_cause cause;
		int want;
	} cases[] = {
	    {"404 Not Found", "", CSCF_SIP_CAUSE_NONE, 404},
	    {"420 Bad Extension", "Unsupported: path\r\n", CSCF_SIP_CAUSE_NONE, 420},
	    {"423 Interval Too Brief", "Min-Expires: 60\r\n", CSCF_SIP_CAUSE_NONE, 423},
	    {"439 First Hop Lacks Outbound Support", "", CSCF_SIP_CAUSE_NONE, 439},
	    {"481 Gone", "", CSCF_SIP_CAUSE_NONE, 481},
	    {"500 Oops", "", CSCF_SIP_CAUSE_NONE, 500},
	    {"504 Restoration", "Content-Type: application/3gpp-ims+xml\r\n", CSCF_SIP_CAUSE_NONE,
	     504},
	    {"600 Busy", "", CSCF_SIP_CAUSE_NONE, 600},
	    {"503 Overload", "Retry-After: 3\r\n", CSCF_SIP_CAUSE_NONE, 504},
	    {"503 Local", "", CSCF_SIP_CAUSE_TRANSPORT, 504},
	    {"408 Local", "", CSCF_SIP_CAUSE_TIMEOUT, 504},
	    {"503 Local", "", CSCF_SIP_CAUSE_NO_TARGET, 504},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		fx_register(1, INITIAL);
		fk_answer_as(cases[i].answer, cases[i].fields, cases[i].cause);
		if (fk.status != cases[i].want)
			fail_msg("%s: %d", cases[i].answer, fk.status);
		if (cases[i].want != 504 && cases[i].fields[0] != '\0')
			assert_non_null(strstr(fk.w2, cases[i].fields));
		if (cases[i].want == 504)
			assert_null(strstr(fk.w2, "Retry-After"));
	}
	fx_assert_nothing_left();
}

/* The stack asks one entry point after the other; what comes up is the last one's refusal. */
static void test_480_and_302_of_every_entry_point_are_504(void **state)
{
	REQ("REG-10");
	static const char *const answers[] = {"480 Not Here", "302 Elsewhere"};

	(void)state;
	for (size_t i = 0; i < 2; i++) {
		fx_register(1, INITIAL);
		assert_string_equal(fk.dest, "icscf1.ims.example.net");
		assert_int_equal(fk.n_dest, 2);
		assert_true(fk.exit_points);
		fk_answer(answers[i], "Contact: <sip:other.example>\r\n");
		assert_int_equal(fk.status, 504);
		assert_null(strstr(fk.w2, "other.example"));
	}
	fx_assert_nothing_left();
}

static void test_each_answer_goes_to_the_request_it_belongs_to(void **state)
{
	REQ("REG-20");
	const struct cscf_sip_client_cbs *cbs;
	gw_handle client, server;
	void *arg;

	(void)state;
	fx_register(1, INITIAL);
	server = fx.next_server;
	client = fk.client;
	cbs = fk.cbs;
	arg = fk.arg;
	fx_send(2, HOME, "sip:bob@ims.example.net", "sip:bob@ims.example.net", CONTACT,
		"Digest username=\"bob\",realm=\"ims.example.net\"", "");
	fk_answer("401 Unauthorized", CHALLENGE);
	assert_int_equal(fk.server, fx.next_server);
	fk.client = client;
	fk.cbs = cbs;
	fk.arg = arg;
	fk_answer("401 Unauthorized", CHALLENGE);
	assert_int_equal(fk.server, server);
	assert_non_null(strstr(fk.w2, CHALLENGE));
}

static void test_odd_expires_and_several_contacts_of_one_instance(void **state)
{
	REQ("REG-12", "REG-15", "REG-19");

	(void)state;
	fx_send(1, HOME, ALICE, ALICE, "<" CONTACT_URI ">;" INSTANCE ";expires=abc", ANSWERED,
		"Expires: abc\r\n"
		"Contact: <sip:x2@df7jal23ls0d.invalid;transport=ws>;" INSTANCE "\r\n");
	assert_int_equal(fk.n_requests, 1);
	assert_non_null(strstr(fk.mw, ";expires=abc\r\n"));
	assert_non_null(strstr(fk.mw, "Expires: abc\r\n"));
	/* the core repeats our contact without saying for how long */
	fk_answer("200 OK", "Contact: <" CONTACT_URI ">\r\n");
	assert_int_equal(cscf_registrar_counts(fx.r).associations, 1);
}

static void test_stack_that_cannot_send_is_500(void **state)
{
	REQ("REG-30");

	(void)state;
	fk.refuse = true;
	fx_register(1, INITIAL);
	assert_int_equal(fk.status, 500);
	fx_assert_nothing_left();
}

static void test_second_register_while_one_is_under_way(void **state)
{
	REQ("REG-14");

	(void)state;
	fx_register(1, INITIAL);
	fx_register(1, INITIAL);
	assert_int_equal(fk.status, 500);
	assert_non_null(strstr(fk.w2, "Retry-After: 2\r\n"));
	assert_int_equal(fk.n_requests, 1);
	fk_answer("401 Unauthorized", CHALLENGE);
	fx.cseq = 0;
	fx_register(1, INITIAL);
	assert_int_equal(fk.status, 500); /* CSeq went back */
	assert_int_equal(fk.n_requests, 1);
}

static void test_second_user_on_a_connection_is_refused(void **state)
{
	REQ("REG-18", "REG-44");

	(void)state;
	fx_registered(1);
	fx_send(1, HOME, "sip:bob@ims.example.net", "sip:bob@ims.example.net", CONTACT,
		"Digest username=\"bob@ims.example.net\",realm=\"ims.example.net\"", "");
	assert_int_equal(fk.status, 403);
	/* another IMPU of the same IMPI maps to the association */
	fx_send(1, HOME, "sip:alice2@ims.example.net", "sip:alice2@ims.example.net", CONTACT,
		INITIAL, "");
	assert_non_null(strstr(fk.mw, "integrity-protected=\"tls-yes\""));
	fk_answer("200 OK", GRANTED "P-Associated-URI: <sip:alice2@ims.example.net>\r\n");
	assert_int_equal(cscf_registrar_counts(fx.r).associations, 1);
	assert_int_equal(cscf_registrar_counts(fx.r).bindings, 2);
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, fx_setup, fx_teardown)
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_every_row_of_the_integrity_table),
	    T(test_the_core_gets_exactly_this),
	    T(test_ob_only_with_reg_id_instance_and_outbound),
	    T(test_icid_is_fresh_for_each_register),
	    T(test_integrity_protected_on_the_wire),
	    T(test_what_is_refused_without_asking_the_core),
	    T(test_digest_beside_bearer_is_used_alone),
	    T(test_query_is_relayed_and_creates_nothing),
	    T(test_answers_of_the_core_are_mapped),
	    T(test_480_and_302_of_every_entry_point_are_504),
	    T(test_each_answer_goes_to_the_request_it_belongs_to),
	    T(test_odd_expires_and_several_contacts_of_one_instance),
	    T(test_stack_that_cannot_send_is_500),
	    T(test_second_register_while_one_is_under_way),
	    T(test_second_user_on_a_connection_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
