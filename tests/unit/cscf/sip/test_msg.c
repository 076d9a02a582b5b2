/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A message under edit: what is not touched stays octet for octet. cscf/sip/msg*.c, via.c.
 */
#include "cscf/sip/msg.h"
#include "cscf/sip/msg_int.h"
#include "tests/lib/req.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

static const struct cscf_sip_limits limits = {65536, 200, 8192};

static struct cscf_sip_msg *parse(const char *text)
{
	struct cscf_sip_fault fault;
	struct cscf_sip_msg *msg;

	if (cscf_sip_msg_parse(&msg, text, strlen(text), &limits, false, &fault) != GW_OK)
		fail_msg("not parsed: %s", fault.reason);
	return msg;
}

static void assert_prints(const struct cscf_sip_msg *msg, const char *expect)
{
	size_t n;
	char *text = cscf_sip_msg_print(msg, &n);

	assert_string_equal(text, expect);
	assert_int_equal(n, strlen(expect));
	free(text);
}

static void assert_slice(struct gw_slice s, const char *text)
{
	assert_int_equal(s.n, strlen(text));
	if (s.n > 0)
		assert_memory_equal(s.p, text, s.n);
}

#define REGISTER                                                                                   \
	"REGISTER sip:ims.example.net SIP/2.0\r\n"                                                 \
	"v: SIP/2.0/WSS df7jal23ls0d.invalid;branch=z9hG4bK1;rport\r\n"                            \
	"max-forwards: 70\r\n"                                                                     \
	"X-First: 1\r\n"                                                                           \
	"f: \"Alice, A.\" <sip:alice@ims.example.net>;tag=a1\r\n"                                  \
	"To: <sip:alice@ims.example.net>\r\n"                                                      \
	"Call-ID: c1@h\r\n"                                                                        \
	"CSeq: 12 REGISTER\r\n"                                                                    \
	"Supported: path, outbound\r\n"                                                            \
	"k: gruu\r\n"                                                                              \
	"m: <sip:x1@df7jal23ls0d.invalid;transport=ws>;reg-id=1;+sip.instance=\"<urn:uuid:f>\";"   \
	"+g.3gpp.icsi-ref=\"urn%3Aurn-7%3A3gpp-service.ims.icsi.mmtel\";audio;expires=600000\r\n"  \
	"X-Odd:   spaced   value\r\n"                                                              \
	"Authorization: Digest username=\"a\",  realm=r\r\n"                                       \
	"Content-Length: 0\r\n\r\n"

static void test_untouched_message_is_relayed_in_order_and_spelling(void **state)
{
	struct cscf_sip_msg *msg = parse(REGISTER);
	struct cscf_sip_msg *copy;
	char *expect = strdup(REGISTER);
	char *odd = strstr(expect, "X-Odd:   ");

	(void)state;
	REQ("REG-19", "CALL-45");
	memmove(odd + 7, odd + 9, strlen(odd + 9) + 1); /* blanks before a value are no value */
	assert_prints(msg, expect);
	assert_int_equal(cscf_sip_msg_clone(&copy, msg), GW_OK);
	cscf_sip_msg_free(msg);
	assert_prints(copy, expect);
	cscf_sip_msg_free(copy);
	free(expect);
}

static void test_what_names_the_dialog(void **state)
{
	struct cscf_sip_msg *msg = parse(REGISTER);
	struct cscf_sip_name_addr contact;
	struct gw_slice v;

	(void)state;
	assert_true(cscf_sip_msg_is_request(msg));
	assert_int_equal(cscf_sip_msg_method(msg), CSCF_SIP_REGISTER);
	assert_slice(cscf_sip_msg_uri(msg), "sip:ims.example.net");
	assert_slice(cscf_sip_msg_call_id(msg), "c1@h");
	assert_slice(cscf_sip_msg_from_tag(msg), "a1");
	assert_slice(cscf_sip_msg_to_tag(msg), "");
	assert_slice(cscf_sip_msg_from_uri(msg), "sip:alice@ims.example.net");
	assert_int_equal(cscf_sip_msg_cseq(msg), 12);
	assert_true(cscf_sip_msg_contact(msg, &contact));
	assert_slice(contact.uri, "sip:x1@df7jal23ls0d.invalid;transport=ws");
	assert_true(cscf_sip_param_get(contact.params, "+sip.instance", &v));
	assert_slice(v, "\"<urn:uuid:f>\"");
	assert_true(cscf_sip_msg_has_token(msg, "Supported", "GRUU"));
	assert_false(cscf_sip_msg_has_token(msg, "Supported", "100rel"));
	assert_int_equal(cscf_sip_msg_set_cseq(msg, 13), GW_OK);
	assert_int_equal(cscf_sip_msg_cseq(msg), 13);
	cscf_sip_msg_free(msg);
}

static void test_fields_by_any_name(void **state)
{
	struct cscf_sip_msg *msg = parse(REGISTER);
	struct gw_slice v;
	size_t cursor = 0;

	(void)state;
	assert_int_equal(cscf_sip_msg_hdr_num(msg, "SUPPORTED"), 2);
	assert_int_equal(cscf_sip_msg_hdr_num(msg, "k"), 2);
	assert_true(cscf_sip_msg_hdr_next(msg, "supported", &cursor, &v));
	assert_slice(v, "path, outbound");
	assert_true(cscf_sip_msg_hdr_next(msg, "supported", &cursor, &v));
	assert_slice(v, "gruu");
	assert_false(cscf_sip_msg_hdr_next(msg, "supported", &cursor, &v));
	assert_int_equal(cscf_sip_msg_value_count(msg, "Supported"), 3);
	assert_int_equal(cscf_sip_msg_del_token(msg, "Supported", "Outbound"), GW_OK);
	assert_int_equal(cscf_sip_msg_del_token(msg, "Supported", "gruu"), GW_OK);
	assert_int_equal(cscf_sip_msg_hdr_num(msg, "Supported"), 1);
	assert_true(cscf_sip_msg_hdr(msg, "Supported", &v));
	assert_slice(v, "path");
	assert_int_equal(cscf_sip_msg_hdr_del(msg, "Contact"), 1);
	assert_false(cscf_sip_msg_hdr(msg, "m", NULL));
	cscf_sip_msg_free(msg);
}

static void test_edits_go_where_they_belong(void **state)
{
	struct cscf_sip_msg *msg =
	    parse("MESSAGE sip:b@h.example SIP/2.0\r\n"
		  "Via: SIP/2.0/TCP a;branch=z9hG4bK1\r\n"
		  "From: <sip:a@h.example>;tag=1\r\nTo: <sip:b@h.example>\r\n"
		  "Call-ID: c\r\nCSeq: 1 MESSAGE\r\n\r\n");

	(void)state;
	assert_int_equal(cscf_sip_msg_hdr_prepend(msg, "Via", "SIP/2.0/UDP me;branch=z9hG4bK2"),
			 GW_OK);
	assert_int_equal(cscf_sip_msg_hdr_append(msg, "Route", "<sip:r1;lr>"), GW_OK);
	assert_int_equal(cscf_sip_msg_hdr_append(msg, "Route", "<sip:r2;lr>"), GW_OK);
	assert_int_equal(cscf_sip_msg_hdr_prepend(msg, "Route", "<sip:r0;lr>"), GW_OK);
	assert_int_equal(cscf_sip_msg_hdr_set(msg, "P-Asserted-Identity", "<sip:a@h.example>"),
			 GW_OK);
	assert_int_equal(cscf_sip_msg_hdr_set(msg, "P-Asserted-Identity", "<sip:z@h.example>"),
			 GW_OK);
	assert_int_equal(cscf_sip_msg_add_to_tag(msg, "t1"), GW_OK);
	assert_int_equal(cscf_sip_msg_add_to_tag(msg, "t2"), GW_OK);
	assert_prints(msg, "MESSAGE sip:b@h.example SIP/2.0\r\n"
			   "Via: SIP/2.0/UDP me;branch=z9hG4bK2\r\n"
			   "Via: SIP/2.0/TCP a;branch=z9hG4bK1\r\n"
			   "Route: <sip:r0;lr>\r\nRoute: <sip:r1;lr>\r\nRoute: <sip:r2;lr>\r\n"
			   "From: <sip:a@h.example>;tag=1\r\nTo: <sip:b@h.example>;tag=t1\r\n"
			   "Call-ID: c\r\nCSeq: 1 MESSAGE\r\n"
			   "P-Asserted-Identity: <sip:z@h.example>\r\nContent-Length: 0\r\n\r\n");
	assert_slice(cscf_sip_msg_next_hop(msg), "sip:r0;lr");
	cscf_sip_msg_hdr_del(msg, "Route");
	assert_slice(cscf_sip_msg_next_hop(msg), "sip:b@h.example");
	cscf_sip_msg_free(msg);
}

static void test_nothing_put_in_can_start_another_header(void **state)
{
	struct cscf_sip_msg *msg = parse(REGISTER);
	char *before = cscf_sip_msg_print(msg, NULL);

	(void)state;
	REQ("SEC-23");
	assert_int_equal(cscf_sip_msg_hdr_append(msg, "X", "a\r\nEvil: 1"), GW_ERR_INVAL);
	assert_int_equal(cscf_sip_msg_hdr_append(msg, "X: 1\r\nEvil", "a"), GW_ERR_INVAL);
	assert_int_equal(cscf_sip_msg_hdr_append(msg, "", "a"), GW_ERR_INVAL);
	assert_int_equal(cscf_sip_msg_hdr_set(msg, "To", "a\nb"), GW_ERR_INVAL);
	assert_int_equal(cscf_sip_msg_set_uri(msg, "sip:a SIP/2.0\r\nEvil: 1"), GW_ERR_INVAL);
	assert_prints(msg, before);
	free(before);
	cscf_sip_msg_free(msg);
}

static void test_route_sets_are_popped_stored_and_put_back(void **state)
{
	struct cscf_sip_msg *msg =
	    parse("INVITE sip:b@h.example SIP/2.0\r\nVia: SIP/2.0/TCP a;branch=z9hG4bK1\r\n"
		  "From: <sip:a@h.example>;tag=1\r\nTo: <sip:b@h.example>\r\nCall-ID: c\r\n"
		  "Record-Route: <sip:p3;lr>, \"x, y\" <sip:p2;lr>\r\n"
		  "Record-Route: <sip:p1;lr>\r\n"
		  "Route: <sip:r1;lr>,<sip:r2;lr> ,  <sip:r3;lr>\r\nRoute: <sip:r4;lr>\r\n"
		  "CSeq: 1 INVITE\r\n\r\n");
	struct gw_slice v;
	char **set;
	size_t n;

	(void)state;
	REQ("CALL-10");
	assert_int_equal(cscf_sip_msg_values_dup(msg, "Record-Route", true, &set, &n), GW_OK);
	assert_int_equal(n, 3);
	assert_string_equal(set[0], "<sip:p1;lr>");
	assert_string_equal(set[1], "\"x, y\" <sip:p2;lr>");
	assert_string_equal(set[2], "<sip:p3;lr>");
	assert_int_equal(cscf_sip_msg_value_pop(msg, "Route"), GW_OK);
	assert_true(cscf_sip_msg_hdr(msg, "Route", &v));
	assert_slice(v, "<sip:r2;lr> ,  <sip:r3;lr>");
	for (int i = 0; i < 3; i++)
		assert_int_equal(cscf_sip_msg_value_pop(msg, "Route"), GW_OK);
	assert_int_equal(cscf_sip_msg_value_pop(msg, "Route"), GW_ERR_NOT_FOUND);
	assert_int_equal(cscf_sip_msg_hdr_num(msg, "Route"), 0);
	assert_int_equal(cscf_sip_msg_values_set(msg, "Route", set, n), GW_OK);
	assert_int_equal(cscf_sip_msg_hdr_num(msg, "Route"), 3);
	assert_true(cscf_sip_msg_value_top(msg, "Route", &v));
	assert_slice(v, "<sip:p1;lr>");
	assert_int_equal(cscf_sip_msg_values_set(msg, "Route", NULL, 0), GW_OK);
	assert_int_equal(cscf_sip_msg_hdr_num(msg, "Route"), 0);
	cscf_sip_texts_free(set, n);
	cscf_sip_msg_free(msg);
}

static void test_response_copies_what_rfc_3261_says(void **state)
{
	struct cscf_sip_msg *req =
	    parse("INVITE sip:b@h.example SIP/2.0\r\n"
		  "Via: SIP/2.0/TCP a;branch=z9hG4bK2, SIP/2.0/UDP b;branch=z9hG4bK1\r\n"
		  "Via: SIP/2.0/WSS c.invalid;branch=z9hG4bK0\r\nX-Y: z\r\n"
		  "To: <sip:b@h.example>\r\nFrom: <sip:a@h.example>;tag=1\r\nCall-ID: c\r\n"
		  "CSeq: 1 INVITE\r\nContent-Type: text/plain\r\n\r\nabc");
	struct cscf_sip_msg *rsp;

	(void)state;
	assert_int_equal(cscf_sip_msg_new_response(&rsp, req, 486, NULL), GW_OK);
	assert_prints(rsp,
		      "SIP/2.0 486 Busy Here\r\n"
		      "Via: SIP/2.0/TCP a;branch=z9hG4bK2, SIP/2.0/UDP b;branch=z9hG4bK1\r\n"
		      "Via: SIP/2.0/WSS c.invalid;branch=z9hG4bK0\r\n"
		      "From: <sip:a@h.example>;tag=1\r\nTo: <sip:b@h.example>\r\nCall-ID: c\r\n"
		      "CSeq: 1 INVITE\r\nContent-Length: 0\r\n\r\n");
	assert_int_equal(cscf_sip_msg_method(rsp), CSCF_SIP_INVITE);
	assert_int_equal(cscf_sip_msg_set_status(rsp, 500, "Odd"), GW_OK);
	assert_slice(cscf_sip_msg_reason(rsp), "Odd");
	assert_int_equal(cscf_sip_msg_set_status(rsp, 99, NULL), GW_ERR_INVAL);
	cscf_sip_msg_free(rsp);
	cscf_sip_msg_free(req);
}

static void test_request_of_our_own(void **state)
{
	static const char *const routes[] = {"<sip:p1;lr>", "<sip:p2;lr>"};
	struct cscf_sip_request_params p = {.method = "BYE",
					    .uri = "sip:x1@a.invalid;transport=ws",
					    .from = "<sip:b@h.example>;tag=2",
					    .to = "<sip:a@h.example>;tag=1",
					    .call_id = "c",
					    .cseq = 7,
					    .routes = routes,
					    .n_routes = 2};
	struct cscf_sip_msg *msg;

	(void)state;
	REQ("REL-03");
	assert_int_equal(cscf_sip_msg_new_request(&msg, &p), GW_OK);
	assert_prints(msg, "BYE sip:x1@a.invalid;transport=ws SIP/2.0\r\nMax-Forwards: 70\r\n"
			   "Route: <sip:p1;lr>\r\nRoute: <sip:p2;lr>\r\n"
			   "From: <sip:b@h.example>;tag=2\r\nTo: <sip:a@h.example>;tag=1\r\n"
			   "Call-ID: c\r\nCSeq: 7 BYE\r\nContent-Length: 0\r\n\r\n");
	cscf_sip_msg_free(msg);
	p.uri = "sip:a b";
	assert_int_equal(cscf_sip_msg_new_request(&msg, &p), GW_ERR_INVAL);
	assert_null(msg);
}

static void test_forwarding_takes_one_hop(void **state)
{
	static const char *const cases[][2] = {{"Max-Forwards: 70\r\n", "69"},
					       {"Max-Forwards: 1\r\n", "0"},
					       {"Max-Forwards: 255\r\n", "254"},
					       {"", "70"}};

	(void)state;
	REQ("WS-29", "CALL-16");
	for (size_t i = 0; i < 4; i++) {
		struct cscf_sip_msg *msg, *next;
		struct gw_slice v;
		char text[500];

		snprintf(
		    text, sizeof(text),
		    "MESSAGE sip:b@h.example SIP/2.0\r\nVia: SIP/2.0/TCP a;branch=z9hG4bK1\r\n%s"
		    "From: <sip:a@h.example>;tag=1\r\nTo: <sip:b@h.example>\r\nCall-ID: c\r\n"
		    "CSeq: 1 MESSAGE\r\n\r\n",
		    cases[i][0]);
		msg = parse(text);
		assert_int_equal(cscf_sip_msg_clone_forward(&next, msg), GW_OK);
		assert_true(cscf_sip_msg_hdr(next, "Max-Forwards", &v));
		assert_slice(v, cases[i][1]);
		cscf_sip_msg_free(next);
		cscf_sip_msg_free(msg);
	}
}

static void test_via_parts(void **state)
{
	struct cscf_sip_via via;

	(void)state;
	assert_int_equal(
	    cscf_sip_via_parse(&via, GW_SLICE_LIT("SIP / 2.0 / WSS\t a.invalid ; rport;"
						  "branch=z9hG4bKx ")),
	    GW_OK);
	assert_slice(via.transport, "WSS");
	assert_slice(via.host, "a.invalid");
	assert_slice(via.branch, "z9hG4bKx");
	assert_int_equal(cscf_sip_via_parse(&via, GW_SLICE_LIT("SIP/2.0/UDP [2001:db8::1]:5061")),
			 GW_OK);
	assert_slice(via.host, "2001:db8::1");
	assert_int_equal(via.port, 5061);
	assert_int_equal(cscf_sip_via_parse(&via, GW_SLICE_LIT("SIP/7.0/WSS a")), GW_OK);
	assert_true(via.other_version);
	for (size_t i = 0; i < 7; i++) {
		static const char *const bad[] = {"",
						  "SIP/2.0",
						  "SIP/2.0/UDP",
						  "SIP/2.0/UDP a:x",
						  "SIP/2.0/UDP a:0",
						  "SIP/2.0/UDP [::1",
						  "SIP/2.0/UDP a b"};

		assert_int_equal(cscf_sip_via_parse(&via, gw_slice_str(bad[i])), GW_ERR_PARSE);
	}
}

static void test_source_replaces_what_the_sender_wrote(void **state)
{
	struct cscf_sip_msg *msg = parse(
	    "MESSAGE sip:b@h.example SIP/2.0\r\n"
	    "Via: SIP/2.0/UDP [2001:db8::9];received=10.0.0.1;rport=1;branch=z9hG4bK2;rport;keep,"
	    " SIP/2.0/WSS c.invalid;branch=z9hG4bK0;rport\r\n"
	    "From: <sip:a@h.example>;tag=1\r\nTo: <sip:b@h.example>\r\nCall-ID: c\r\n"
	    "CSeq: 1 MESSAGE\r\n\r\n");
	struct gw_slice v;

	(void)state;
	REQ("WS-16", "WS-23");
	assert_int_equal(cscf_sip_via_set_source(msg, "2001:db8::1", 5070, 120), GW_OK);
	assert_true(cscf_sip_msg_hdr(msg, "Via", &v));
	assert_slice(
	    v,
	    "SIP/2.0/UDP [2001:db8::9];rport=5070;branch=z9hG4bK2;keep=120;received=2001:db8::1, "
	    "SIP/2.0/WSS c.invalid;branch=z9hG4bK0;rport");
	cscf_sip_msg_free(msg);
}

/* --- bodies --- */

#define MULTI                                                                                      \
	"preamble\r\n--b1\r\nContent-Type: application/pidf+xml\r\n\r\n<x/>\r\n"                   \
	"--b1\r\nContent-Disposition: early-session\r\nContent-Type: "                             \
	"application/sdp\r\n\r\nv=E\r\n"                                                           \
	"--b1\r\ncontent-type: Application/SDP;charset=utf-8\r\nContent-Disposition: session\r\n"  \
	"\r\nv=0\r\no=-\r\n--b1\r\n\r\nplain\r\n--b1--\r\nepilogue"

static struct cscf_sip_msg *with_body(const char *type, const char *body)
{
	struct cscf_sip_msg *msg = parse(REGISTER);

	assert_int_equal(cscf_sip_msg_set_body(msg, type, body, strlen(body)), GW_OK);
	return msg;
}

static void test_sdp_is_found_and_replaced_inside_multipart(void **state)
{
	struct cscf_sip_msg *msg = with_body("multipart/mixed;boundary=\"b1\"", MULTI);
	struct cscf_sip_part part;
	char *expect, *at;

	(void)state;
	REQ("CALL-40");
	assert_int_equal(cscf_sip_msg_find_part(msg, "application/sdp", &part), GW_OK);
	assert_slice(part.body, "v=0\r\no=-");
	assert_slice(part.disposition, "session");
	assert_int_equal(cscf_sip_msg_replace_part(msg, "application/sdp", "v=9\r\nlonger\r\n", 13),
			 GW_OK);
	expect = malloc(sizeof(MULTI) + 20);
	strcpy(expect, MULTI);
	at = strstr(expect, "v=0\r\no=-");
	memmove(at + 13, at + 8, strlen(at + 8) + 1);
	memcpy(at, "v=9\r\nlonger\r\n", 13);
	assert_slice(cscf_sip_msg_body(msg), expect);
	free(expect);
	cscf_sip_msg_free(msg);
}

static void test_plain_body_and_none(void **state)
{
	struct cscf_sip_msg *msg = with_body("application/sdp", "v=0\r\n");
	struct cscf_sip_part part;
	char *text;

	(void)state;
	REQ("WS-10");
	assert_int_equal(cscf_sip_msg_find_part(msg, "APPLICATION/sdp", &part), GW_OK);
	assert_slice(part.body, "v=0\r\n");
	text = cscf_sip_msg_print(msg, NULL);
	assert_non_null(strstr(text, "Content-Length: 5\r\n"));
	assert_non_null(strstr(text, "\r\n\r\nv=0\r\n"));
	free(text);
	assert_int_equal(cscf_sip_msg_find_part(msg, "application/xml", &part), GW_ERR_NOT_FOUND);
	assert_int_equal(cscf_sip_msg_set_body(msg, NULL, NULL, 0), GW_OK);
	assert_false(cscf_sip_msg_hdr(msg, "Content-Type", NULL));
	assert_int_equal(cscf_sip_msg_find_part(msg, "application/sdp", &part), GW_ERR_NOT_FOUND);
	cscf_sip_msg_free(msg);
}

static void test_broken_multipart(void **state)
{
	static const struct {
		const char *type, *body;
		enum gw_err err;
	} cases[] = {
	    {"multipart/mixed", MULTI, GW_ERR_PARSE},
	    {"multipart/mixed;boundary=\"\"", MULTI, GW_ERR_PARSE},
	    {"multipart/mixed;boundary=zz", MULTI, GW_ERR_PARSE},
	    {"multipart/mixed;boundary=b1", "--b1", GW_ERR_NOT_FOUND},
	    {"multipart/mixed;boundary=b1", "--b1\r\n", GW_ERR_NOT_FOUND},
	    {"multipart/mixed;boundary=b1", "--b1\r\nContent-Type: application/sdp\r\n\r\nv=0",
	     GW_ERR_NOT_FOUND},
	    {"multipart/mixed;boundary=b1", "--b1--\r\n", GW_ERR_NOT_FOUND},
	    {"multipart/mixed;boundary=b1", "--b1\r\nno colon\r\n\r\nx\r\n--b1--",
	     GW_ERR_NOT_FOUND},
	};

	(void)state;
	REQ("CALL-40");
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct cscf_sip_msg *msg = with_body(cases[i].type, cases[i].body);
		struct cscf_sip_part part;

		assert_int_equal(cscf_sip_msg_find_part(msg, "application/sdp", &part),
				 cases[i].err);
		cscf_sip_msg_free(msg);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_untouched_message_is_relayed_in_order_and_spelling),
	    cmocka_unit_test(test_what_names_the_dialog),
	    cmocka_unit_test(test_fields_by_any_name),
	    cmocka_unit_test(test_edits_go_where_they_belong),
	    cmocka_unit_test(test_nothing_put_in_can_start_another_header),
	    cmocka_unit_test(test_route_sets_are_popped_stored_and_put_back),
	    cmocka_unit_test(test_response_copies_what_rfc_3261_says),
	    cmocka_unit_test(test_request_of_our_own),
	    cmocka_unit_test(test_forwarding_takes_one_hop),
	    cmocka_unit_test(test_via_parts),
	    cmocka_unit_test(test_source_replaces_what_the_sender_wrote),
	    cmocka_unit_test(test_sdp_is_found_and_replaced_inside_multipart),
	    cmocka_unit_test(test_plain_body_and_none),
	    cmocka_unit_test(test_broken_multipart),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
