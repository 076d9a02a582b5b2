/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Text to message: the good, the bad with their answers (after the cases of RFC 4475), limits at
 * limit and limit + 1. cscf/sip/msg_parse.c, osip_parse.c.
 */
#include "cscf/sip/msg.h"
#include "tests/lib/req.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

static const struct cscf_sip_limits limits = {32768, 200, 8192};

#define HEAD                                                                                       \
	"Via: SIP/2.0/WSS a.invalid;branch=z9hG4bK1\r\nFrom: <sip:a@h.example>;tag=1\r\n"          \
	"To: <sip:b@h.example>\r\nCall-ID: c1\r\n"
#define MESSAGE(extra) "MESSAGE sip:b@h.example SIP/2.0\r\n" HEAD "CSeq: 1 MESSAGE\r\n" extra "\r\n"

static enum gw_err parse(struct cscf_sip_msg **msg, const char *text, bool strict,
			 struct cscf_sip_fault *fault)
{
	return cscf_sip_msg_parse(msg, text, strlen(text), &limits, strict, fault);
}

static void test_good_messages(void **state)
{
	static const char *const good[] = {
	    MESSAGE(""),
	    MESSAGE("Max-Forwards: 0\r\nContent-Length: 0\r\n"),
	    /* wsinv: odd blanks, folds, compact forms, unknown headers */
	    "INVITE sip:vivekg@chair-dnrc.example.com;unknownparam SIP/2.0\r\n"
	    "TO :\r\n sip:vivekg@chair-dnrc.example.com ;   tag    = 1918181833n\r\n"
	    "from   : \"J Rosenberg \\\\\\\"\"       <sip:jdrosen@example.com>\r\n"
	    "  ;\r\n  tag = 98asjd8\r\n"
	    "MaX-fOrWaRdS: 0068\r\n"
	    "Call-ID: wsinv.ndaksdj@192.0.2.1\r\n"
	    "cseq: 0009\r\n  INVITE\r\n"
	    "Via  : SIP  /   2.0\r\n /UDP\r\n    192.0.2.2;branch=390skdjuw\r\n"
	    "s :\r\n"
	    "NewFangledHeader:   newfangled value\r\n continued newfangled value\r\n"
	    "UnknownHeaderWithUnusualValue: ;;,,;;,;\r\n"
	    "Content-Type: application/sdp\r\n"
	    "v:  SIP  / 2.0  / TCP     spindle.example.com   ;\r\n"
	    "  branch  =   z9hG4bK9ikj8  ,\r\n"
	    " SIP  /    2.0   / UDP  192.168.255.111   ; branch=\r\n"
	    " z9hG4bK30239\r\n"
	    "m:\"Quoted string \\\"\\\"\" <sip:jdrosen@example.com> ; newparam =\r\n"
	    "      newvalue ;\r\n  secondparam ; q = 0.33\r\n\r\n",
	    /* esc01, escnull, unreason, noreason and the like */
	    "INVITE sip:sips%3Auser%40example.com@example.net SIP/2.0\r\n" HEAD
	    "CSeq: 1 INVITE\r\n\r\n",
	    "REGISTER sip:example.com SIP/2.0\r\n" HEAD
	    "Contact: <sip:%00@host5.example.com>, <sip:%00%00@host5.example.com>\r\n"
	    "CSeq: 1 REGISTER\r\n\r\n",
	    "RE%47IST%45R sip:r.example.com SIP/2.0\r\n" HEAD "CSeq: 1 RE%47IST%45R\r\n\r\n",
	    "SIP/2.0 200 = 2**3 * 5**2 \xd0\xbd\xd0\xbe\r\n" HEAD "CSeq: 1 INVITE\r\n\r\n",
	    "SIP/2.0 100 \r\n" HEAD "CSeq: 1 INVITE\r\n\r\n",
	    "SIP/2.0 100\r\n" HEAD "CSeq: 1 INVITE\r\n\r\n",
	    "\r\n\r\nOPTIONS tel:+15550100 SIP/2.0\r\n" HEAD "CSeq: 1 OPTIONS\r\n\r\n",
	    "INVITE urn:service:sos SIP/2.0\r\n" HEAD "CSeq: 1 INVITE\r\n\r\n",
	    "REGISTER sip:h.example SIP/2.0\r\n" HEAD "CSeq: 1 REGISTER\r\nContact: *\r\n"
	    "Authorization: Bearer a.b-c~d+/==\r\nExpires: 0\r\n\r\n",
	    /* a display name that should have been quoted */
	    "OPTIONS sip:b@h.example SIP/2.0\r\nVia: SIP/2.0/WSS a.invalid;branch=z9hG4bK1\r\n"
	    "From: J\xc3\xbcrgen <sip:a@h.example>;tag=1\r\nTo: \"\" <sip:b@h.example>\r\n"
	    "Call-ID: c\r\nCSeq: 1 OPTIONS\r\n\r\n",
	    /* short numbers and names */
	    "INVITE tel:1 SIP/2.0\r\nVia: SIP/2.0/WSS a.invalid;branch=z9hG4bK1\r\n"
	    "From: <sip:h>;tag=1\r\nTo: <tel:1>\r\nCall-ID: c\r\nCSeq: 1 INVITE\r\n"
	    "Contact: <sip:h>\r\nRoute: <sip:h>\r\nRecord-Route: <sip:h;lr>\r\n\r\n",
	    "SIP/2.0 380 Alternative Service\r\n" HEAD
	    "CSeq: 1 INVITE\r\nContact: <urn:service:sos>\r\n\r\n",
	    "SIP/2.0 302 Moved\r\n" HEAD
	    "CSeq: 1 INVITE\r\nContact: <tel:1>;q=0.1, <mailto:a@b> ; x\r\n\r\n",
	    /* what JsSIP sends */
	    "REGISTER sip:ims.example.net SIP/2.0\r\n"
	    "Via: SIP/2.0/WSS df7jal23ls0d.invalid;branch=z9hG4bK4762352\r\n"
	    "Max-Forwards: 69\r\nTo: <sip:alice@ims.example.net>\r\n"
	    "From: <sip:alice@ims.example.net>;tag=q0pc3j1o3b\r\nCall-ID: 3jgko3bksjqpp\r\n"
	    "CSeq: 1 REGISTER\r\n"
	    "Contact: <sip:4ijt1i5b@df7jal23ls0d.invalid;transport=ws>;+sip.ice;reg-id=1;"
	    "+sip.instance=\"<urn:uuid:8a4eb4f6-1d36-4bd4-8c0e-96e7d4c0a5f4>\";expires=600\r\n"
	    "Expires: 600\r\nAllow: INVITE,ACK,CANCEL,BYE,UPDATE,MESSAGE,OPTIONS,REFER,INFO,"
	    "NOTIFY\r\nSupported: path,gruu,outbound\r\nUser-Agent: JsSIP 3.13\r\n"
	    "Content-Length: 0\r\n\r\n",
	};

	(void)state;
	REQ("WS-27", "SEC-09");
	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
		struct cscf_sip_fault fault;
		struct cscf_sip_msg *msg;

		if (parse(&msg, good[i], true, &fault) != GW_OK)
			fail_msg("case %zu: %s", i, fault.reason);
		cscf_sip_msg_free(msg);
	}
}

struct bad {
	const char *text;
	int status;
	const char *reason;
	bool answerable;
};

static void check_bad(const struct bad *cases, size_t n, bool strict)
{
	for (size_t i = 0; i < n; i++) {
		struct cscf_sip_fault fault;
		struct cscf_sip_msg *msg;

		if (parse(&msg, cases[i].text, strict, &fault) != GW_ERR_PARSE)
			fail_msg("case %zu was accepted", i);
		assert_int_equal(fault.status, cases[i].status);
		assert_string_equal(fault.reason, cases[i].reason);
		assert_int_equal(fault.answerable, cases[i].answerable);
		assert_true(cases[i].answerable == (msg != NULL));
		cscf_sip_msg_free(msg);
	}
}

static void test_bad_messages_name_their_fault(void **state)
{
	static const struct bad cases[] = {
	    {"", 400, "Malformed start line", false},
	    {"\r\n", 400, "Malformed start line", false},
	    {"MESSAGE", 400, "Malformed start line", false},
	    {"GET / HTTP/1.1\r\nHost: x\r\n\r\n", 400, "Malformed request line", false},
	    {"MESSAGE sip:b@h.example HTTP/1.1\r\n" HEAD "CSeq: 1 MESSAGE\r\n\r\n", 400,
	     "Malformed request line", true},
	    {"MESSAGE sip:b@h.example SIP/7.0\r\n" HEAD "CSeq: 1 MESSAGE\r\n\r\n", 505,
	     "Version Not Supported", true},
	    {"MESSAGE  sip:b@h.example SIP/2.0\r\n" HEAD "CSeq: 1 MESSAGE\r\n\r\n", 400,
	     "Malformed Request-URI", true},
	    {"MESSAGE sip:b@h.example  SIP/2.0\r\n" HEAD "CSeq: 1 MESSAGE\r\n\r\n", 400,
	     "Malformed Request-URI", true},
	    {"MESSAGE <sip:b@h.example> SIP/2.0\r\n" HEAD "CSeq: 1 MESSAGE\r\n\r\n", 400,
	     "Malformed Request-URI", true},
	    {"MESSAGE sip:b@h.example; lr SIP/2.0\r\n" HEAD "CSeq: 1 MESSAGE\r\n\r\n", 400,
	     "Malformed Request-URI", true},
	    {"MESSAGE sip:b@h.example?Route=x SIP/2.0\r\n" HEAD "CSeq: 1 MESSAGE\r\n\r\n", 400,
	     "Headers in Request-URI", true},
	    {"MESSAGE soap.beep://192.0.2.103:3002 SIP/2.0\r\n" HEAD "CSeq: 1 MESSAGE\r\n\r\n", 416,
	     "Unsupported URI Scheme", true},
	    {"MESSAGE sip:b@h.example SIP/2.0\r\n" HEAD "CSeq: 1 INVITE\r\n\r\n", 400,
	     "CSeq method differs from request method", true},
	    {"MESSAGE sip:b@h.example SIP/2.0\r\n" HEAD
	     "CSeq: 36893488147419103232 MESSAGE\r\n\r\n",
	     400, "Malformed CSeq", true},
	    {"MESSAGE sip:b@h.example SIP/2.0\r\n" HEAD "CSeq: 2147483648 MESSAGE\r\n\r\n", 400,
	     "Malformed CSeq", true},
	    {"MESSAGE sip:b@h.example SIP/2.0\r\n" HEAD "CSeq: 1\r\n\r\n", 400, "Malformed CSeq",
	     false},
	    {"MESSAGE sip:b@h.example SIP/2.0\r\n" HEAD "\r\n", 400, "Missing CSeq", false},
	    {"MESSAGE sip:b@h.example SIP/2.0\r\nFrom: <sip:a@h.example>;tag=1\r\n"
	     "To: <sip:b@h.example>\r\nCall-ID: c\r\nCSeq: 1 MESSAGE\r\n\r\n",
	     400, "Missing Via", false},
	    {"MESSAGE sip:b@h.example SIP/2.0\r\nVia: SIP/2.0/WSS a.invalid;branch=z9hG4bK1\r\n"
	     "To: <sip:b@h.example>\r\nCall-ID: c\r\nCSeq: 1 MESSAGE\r\n\r\n",
	     400, "Missing From", false},
	    {MESSAGE("From: <sip:x@h.example>;tag=2\r\n"), 400, "More than one From", true},
	    {MESSAGE("t: <sip:x@h.example>\r\n"), 400, "More than one To", true},
	    {MESSAGE("i: 2\r\n"), 400, "More than one Call-ID", true},
	    {MESSAGE("CSeq: 2 MESSAGE\r\n"), 400, "More than one CSeq", true},
	    {MESSAGE("Max-Forwards: 70\r\nMax-Forwards: 69\r\n"), 400, "More than one Max-Forwards",
	     true},
	    {MESSAGE("Max-Forwards: 256\r\n"), 400, "Malformed Max-Forwards", true},
	    {MESSAGE("Max-Forwards: -1\r\n"), 400, "Malformed Max-Forwards", true},
	    {MESSAGE("Max-Forwards:\r\n"), 400, "Malformed Max-Forwards", true},
	    {MESSAGE("Via: SIP/2.0 a.example\r\n"), 400, "Malformed Via", true},
	    {MESSAGE("Via: SIP/3.0/UDP a.example\r\n"), 400, "Malformed Via", true},
	    {MESSAGE("Via: SIP/2.0/UDP 192.0.2.15;;,;,,\r\n"), 400, "Malformed Via", true},
	    {MESSAGE("Contact: \"Joe\" <sip:joe@example.org>>\r\n"), 400, "Malformed Contact",
	     true},
	    {MESSAGE("Contact: <sip:a b@h>\r\n"), 400, "Malformed Contact", true},
	    {MESSAGE("Contact: sip:a@h?Route=x\r\n"), 400, "Malformed Contact", true},
	    {MESSAGE("Route: *\r\n"), 400, "Malformed Route", true},
	    {MESSAGE("Record-Route: <sip:[::1>\r\n"), 400, "Malformed Record-Route", true},
	    {MESSAGE("no colon here\r\n"), 400, "Malformed header line", true},
	    {MESSAGE("Bad Name: x\r\n"), 400, "Malformed header line", true},
	    {MESSAGE(": x\r\n"), 400, "Malformed header line", true},
	    {MESSAGE("X: a\rb\r\n"), 400, "Control character in header", true},
	    {MESSAGE("X: a\x01\r\n"), 400, "Control character in header", true},
	    {MESSAGE("Content-Length: -1\r\n"), 400, "Malformed Content-Length", true},
	    {MESSAGE("Content-Length: 1\r\n"), 400, "Content-Length differs from body", true},
	    {MESSAGE("Content-Length: 0\r\nl: 0\r\n"), 400, "More than one Content-Length", true},
	    {MESSAGE("") "body without a type", 400, "Missing Content-Type", true},
	    {"MESSAGE sip:b@h.example SIP/2.0\r\n" HEAD "CSeq: 1 MESSAGE\r\n", 400,
	     "No empty line after the headers", true},
	    {"ACK sip:b@h.example SIP/2.0\r\n" HEAD "CSeq: 1 INVITE\r\n\r\n", 400,
	     "CSeq method differs from request method", false},
	    {"SIP/2.0 700 Odd\r\n" HEAD "CSeq: 1 INVITE\r\n\r\n", 400, "Malformed start line",
	     false},
	    {"SIP/2.0 4294967301 big\r\n" HEAD "CSeq: 1 INVITE\r\n\r\n", 400,
	     "Malformed start line", false},
	    {"SIP/2.0 200 OK\r\n" HEAD "\r\n", 400, "Missing CSeq", false},
	};

	(void)state;
	REQ("WS-27", "WS-28", "WS-29", "WS-10");
	check_bad(cases, sizeof(cases) / sizeof(cases[0]), false);
}

static void test_nul_in_a_header_is_refused(void **state)
{
	static const char text[] = MESSAGE("X: a\0b\r\n");
	struct cscf_sip_fault fault;
	struct cscf_sip_msg *msg;

	(void)state;
	REQ("SEC-23");
	assert_int_equal(cscf_sip_msg_parse(&msg, text, sizeof(text) - 1, &limits, true, &fault),
			 GW_ERR_PARSE);
	assert_string_equal(fault.reason, "Control character in header");
	cscf_sip_msg_free(msg);
}

static void test_content_length_on_websocket_must_fit_exactly(void **state)
{
	static const char *const fits[] = {
	    MESSAGE("Content-Type: text/plain\r\n") "abc", /* absent: the rest is the body */
	    MESSAGE("Content-Type: text/plain\r\nContent-Length: 3\r\n") "abc",
	};
	static const struct bad bad[] = {
	    {MESSAGE("Content-Type: text/plain\r\nContent-Length: 2\r\n") "abc", 400,
	     "Content-Length differs from body", true},
	    {MESSAGE("Content-Type: text/plain\r\nl: 4\r\n") "abc", 400,
	     "Content-Length differs from body", true},
	    {MESSAGE("Content-Length: 0\r\n") MESSAGE("Content-Length: 0\r\n"), 400,
	     "Content-Length differs from body", true},
	};
	struct cscf_sip_msg *msg;

	(void)state;
	REQ("WS-10", "WS-08");
	for (size_t i = 0; i < 2; i++) {
		assert_int_equal(parse(&msg, fits[i], true, NULL), GW_OK);
		assert_int_equal(cscf_sip_msg_body(msg).n, 3);
		cscf_sip_msg_free(msg);
	}
	check_bad(bad, 3, true);
	/* over UDP what is too much is cut off (RFC 3261 s18.3) */
	assert_int_equal(parse(&msg, bad[0].text, false, NULL), GW_OK);
	assert_int_equal(cscf_sip_msg_body(msg).n, 2);
	cscf_sip_msg_free(msg);
}

static char *with_filler(const char *before, char c, size_t n, const char *after)
{
	char *text = malloc(strlen(before) + n + strlen(after) + 1);

	strcpy(text, before);
	memset(text + strlen(before), c, n);
	strcpy(text + strlen(before) + n, after);
	return text;
}

static void test_message_size_at_the_limit_and_above(void **state)
{
	const char *before = "MESSAGE sip:b@h.example SIP/2.0\r\n" HEAD
			     "CSeq: 1 MESSAGE\r\nContent-Type: text/plain\r\n\r\n";
	struct cscf_sip_fault fault;
	struct cscf_sip_msg *msg;
	char *text = with_filler(before, 'x', limits.max_message - strlen(before), "");

	(void)state;
	REQ("WS-26", "CALL-49");
	assert_int_equal(parse(&msg, text, true, &fault), GW_OK);
	cscf_sip_msg_free(msg);
	free(text);
	text = with_filler(before, 'x', limits.max_message - strlen(before) + 1, "");
	assert_int_equal(parse(&msg, text, true, &fault), GW_ERR_TOO_BIG);
	assert_int_equal(fault.status, 513);
	assert_true(fault.answerable);
	cscf_sip_msg_free(msg);
	free(text);
}

static void test_line_length_at_the_limit_and_above(void **state)
{
	const char *before = "MESSAGE sip:b@h.example SIP/2.0\r\n" HEAD "CSeq: 1 MESSAGE\r\nX: ";
	struct cscf_sip_fault fault;
	struct cscf_sip_msg *msg;
	char *text = with_filler(before, 'x', limits.max_line - 3, "\r\n\r\n");

	(void)state;
	REQ("WS-26");
	assert_int_equal(parse(&msg, text, true, &fault), GW_OK);
	cscf_sip_msg_free(msg);
	free(text);
	text = with_filler(before, 'x', limits.max_line - 2, "\r\n\r\n");
	assert_int_equal(parse(&msg, text, true, &fault), GW_ERR_PARSE);
	assert_int_equal(fault.status, 400);
	assert_string_equal(fault.reason, "Header line too long");
	assert_true(fault.answerable);
	cscf_sip_msg_free(msg);
	free(text);
}

static void test_header_count_at_the_limit_and_above(void **state)
{
	(void)state;
	REQ("WS-26");
	for (size_t extra = 0; extra < 2; extra++) {
		struct cscf_sip_fault fault;
		struct cscf_sip_msg *msg;
		char text[4096];
		size_t n = (size_t)snprintf(text, sizeof(text), "%s",
					    "MESSAGE sip:b@h.example SIP/2.0\r\n" HEAD
					    "CSeq: 1 MESSAGE\r\n");
		enum gw_err err;

		for (size_t i = 5; i < limits.max_headers + extra; i++)
			n += (size_t)snprintf(text + n, sizeof(text) - n, "X: %zu\r\n", i);
		snprintf(text + n, sizeof(text) - n, "\r\n");
		err = parse(&msg, text, true, &fault);
		assert_int_equal(err, extra == 0 ? GW_OK : GW_ERR_PARSE);
		if (extra > 0) {
			assert_string_equal(fault.reason, "Too many header fields");
			assert_true(fault.answerable);
		}
		cscf_sip_msg_free(msg);
	}
}

static void test_cut_anywhere_never_parses_wrongly(void **state)
{
	const char *text = MESSAGE("Content-Type: text/plain\r\nContent-Length: 3\r\n") "abc";

	(void)state;
	REQ("WS-08");
	for (size_t n = 0; n < strlen(text); n++) {
		char *exact = malloc(n + 1); /* so that a sanitizer sees one octet too far */
		struct cscf_sip_msg *msg;
		enum gw_err err;

		memcpy(exact, text, n);
		err = cscf_sip_msg_parse(&msg, exact, n, &limits, true, NULL);
		assert_int_not_equal(err, GW_OK);
		cscf_sip_msg_free(msg);
		free(exact);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_good_messages),
	    cmocka_unit_test(test_bad_messages_name_their_fault),
	    cmocka_unit_test(test_nul_in_a_header_is_refused),
	    cmocka_unit_test(test_content_length_on_websocket_must_fit_exactly),
	    cmocka_unit_test(test_message_size_at_the_limit_and_above),
	    cmocka_unit_test(test_line_length_at_the_limit_and_above),
	    cmocka_unit_test(test_header_count_at_the_limit_and_above),
	    cmocka_unit_test(test_cut_anywhere_never_parses_wrongly),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
