/* SPDX-License-Identifier: Apache-2.0 */
/* Bodies of several parts: what is taken out of them (cscf/sip/msg_body.c). */
#include "cscf/sip/msg.h"
#include "tests/lib/req.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

static struct cscf_sip_msg *with_body(const char *type, const char *body)
{
	static const char text[] = "OPTIONS sip:b@h.example SIP/2.0\r\n"
				   "Via: SIP/2.0/UDP h.example;branch=z9hG4bK1\r\n"
				   "From: <sip:a@h.example>;tag=1\r\nTo: <sip:b@h.example>\r\n"
				   "Call-ID: c\r\nCSeq: 1 OPTIONS\r\n\r\n";
	static const struct cscf_sip_limits limits = {65536, 200, 8192};
	struct cscf_sip_msg *msg = NULL;

	assert_int_equal(cscf_sip_msg_parse(&msg, text, strlen(text), &limits, false, NULL), GW_OK);
	assert_int_equal(cscf_sip_msg_set_body(msg, type, body, strlen(body)), GW_OK);
	return msg;
}

#define PART(headers, body) "--b\r\n" headers "\r\n\r\n" body "\r\n"
#define SDP_PART(body)      PART("Content-Type: application/sdp", body)
#define TEXT_PART           PART("Content-Type: text/plain", "hello")
#define END                 "--b--\r\n"

static void test_descriptions_that_nobody_rewrites_are_dropped(void **state)
{
	static const char multi[] = "multipart/mixed;boundary=b";
	static const struct {
		const char *type, *body;
		bool all;
		enum gw_err err;
		const char *left; /* NULL = as it was, "" = no body */
	} cases[] = {
	    {"application/sdp", "v=0", false, GW_OK, NULL},
	    {"application/sdp", "v=0", true, GW_OK, ""},
	    {"text/plain", "v=0", true, GW_OK, NULL},
	    {multi, TEXT_PART SDP_PART("v=0") END, false, GW_OK, NULL},
	    {multi, TEXT_PART SDP_PART("v=0") END, true, GW_OK, TEXT_PART END},
	    {multi, SDP_PART("v=0") END, true, GW_OK, ""},
	    {multi, SDP_PART("v=0") SDP_PART("v=1") TEXT_PART END, false, GW_OK,
	     SDP_PART("v=0") TEXT_PART END},
	    {multi,
	     PART("Content-Disposition: early-session\r\nContent-Type: application/sdp", "v=E")
		 SDP_PART("v=0") END,
	     false, GW_OK, SDP_PART("v=0") END},
	    {multi,
	     PART("Content-Type: multipart/alternative;boundary=i",
		  "--i\r\nContent-Type: Application/SDP\r\n\r\nv=I\r\n--i--") TEXT_PART END,
	     false, GW_OK, TEXT_PART END},
	    {multi,
	     PART("Content-Type: multipart/alternative;boundary=i",
		  "--i\r\nContent-Type: text/plain\r\n\r\nx\r\n--i--") END,
	     false, GW_OK, NULL},
	    {multi, TEXT_PART "--b\r\nContent-Type: application/sdp\r\n\r\nv=0", false,
	     GW_ERR_PARSE, NULL},
	    {"multipart/mixed", TEXT_PART END, false, GW_ERR_PARSE, NULL},
	    {"Application / SDP ;x=y", "v=0", true, GW_OK, ""},
	    {"application / trickle-ice-sdpfrag", "a=candidate:1", false, GW_OK, ""},
	    {multi, PART("Content-Type: application/trickle-ice-sdpfrag", "a=x") TEXT_PART END,
	     false, GW_OK, TEXT_PART END},
	    {multi, PART("c:\r\n application / SDP;x=y", "v=2") TEXT_PART END, true, GW_OK,
	     TEXT_PART END},
	    {multi, PART("Content-Type: text/plain;\r\n charset=utf-8", "x") END, true, GW_OK,
	     NULL},
	    {multi, PART("Content-Type: text/plain", "x\r\n--bb\r\nno part") END, true, GW_OK,
	     NULL},
	};

	(void)state;
	REQ("CALL-40", "SDP-01", "ICE-08");
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct cscf_sip_msg *msg = with_body(cases[i].type, cases[i].body);

		assert_int_equal(cscf_sip_msg_drop_sdp(msg, cases[i].all), cases[i].err);
		assert_true(gw_slice_eq_str(cscf_sip_msg_body(msg),
					    cases[i].left != NULL ? cases[i].left : cases[i].body));
		assert_int_equal(cscf_sip_msg_hdr(msg, "Content-Type", NULL),
				 cscf_sip_msg_body(msg).n > 0);
		cscf_sip_msg_free(msg);
	}
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_descriptions_that_nobody_rewrites_are_dropped),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
