/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a server refuses before anybody above it sees it: by rule, by Via, loops, strangers.
 */
#include "fixture.h"
#include "tests/lib/req.h"

/* --- refusals
 * ------------------------------------------------------------------------------------- */

static void test_refusals_by_rule(void **state)
{
	static const struct {
		const char *more; /* stands before Max-Forwards, which counts once */
		const char *mf;
		const char *expect;
	} cases[] = {
	    {"", "Max-Forwards: 0\r\n", "SIP/2.0 483 Too Many Hops\r\n"},
	    {"", "Max-Forwards: 256\r\n", "SIP/2.0 400 Malformed Max-Forwards\r\n"},
	    {"", "Max-Forwards: x\r\n", "SIP/2.0 400 Malformed Max-Forwards\r\n"},
	    {"Proxy-Require: foo, bar\r\n", "", "SIP/2.0 420 Bad Extension\r\n"},
	    {"Proxy-Require: sec-agree\r\n", "", "SIP/2.0 420 Bad Extension\r\n"},
	};
	struct fx *f = *state;

	REQ("WS-29", "WS-31", "WS-32", "CALL-16", "CALL-17");
	fx_wic_open(f, 7);
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		char text[600];

		snprintf(text, sizeof(text),
			 "MESSAGE sip:bob@ims.example.net SIP/2.0\r\n"
			 "Via: SIP/2.0/WSS d.invalid;branch=z9hG4bK%zu\r\n%s%s"
			 "From: <sip:a@ims.example.net>;tag=1\r\nTo: <sip:b@ims.example.net>\r\n"
			 "Call-ID: c\r\nCSeq: 1 MESSAGE\r\n\r\n",
			 i, cases[i].more, cases[i].mf);
		fx_wic_send(f, 7, text);
		assert_true(fx_starts(fx_wic_last(f), cases[i].expect));
	}
	assert_non_null(strstr(f->sent[3].text, "Unsupported: foo, bar\r\n"));
	assert_int_equal(f->n_req, 0);
	fx_wic_send(f, 7,
		    "OPTIONS sip:epcscf1.ims.example.net SIP/2.0\r\n"
		    "Via: SIP/2.0/WSS d.invalid;branch=z9hG4bKo\r\nMax-Forwards: 0\r\n"
		    "From: <sip:a@ims.example.net>;tag=1\r\nTo: <sip:b@ims.example.net>\r\n"
		    "Call-ID: c\r\nCSeq: 1 OPTIONS\r\n\r\n");
	assert_true(fx_starts(fx_wic_last(f), "SIP/2.0 200 OK\r\n"));
	fx_wic_send(f, 7, FX_WIC("FOO", "1", "kfoo", "Require: foo\r\n")); /* WS-32: not ours */
	assert_int_equal(f->n_req, 1);
}

static void test_via_of_another_transport_is_400_and_ws_on_wss_passes(void **state)
{
	struct fx *f = *state;
	long long mixups = fx_count(CSCF_SIP_N_WS_MIXUP);
	static const char fmt[] =
	    "MESSAGE sip:bob@ims.example.net SIP/2.0\r\n"
	    "Via: SIP/2.0/%s d.invalid;branch=z9hG4bK%s\r\nMax-Forwards: 70\r\n"
	    "From: <sip:a@ims.example.net>;tag=1\r\nTo: <sip:b@ims.example.net>\r\n"
	    "Call-ID: c\r\nCSeq: 1 MESSAGE\r\n\r\n";
	char text[500];

	REQ("WS-14");
	fx_wic_open(f, 7);
	snprintf(text, sizeof(text), fmt, "UDP", "1");
	fx_wic_send(f, 7, text);
	assert_true(fx_starts(fx_wic_last(f), "SIP/2.0 400 Via transport is not WS or WSS\r\n"));
	assert_int_equal(f->n_req, 0);
	snprintf(text, sizeof(text), fmt, "ws", "2");
	fx_wic_send(f, 7, text);
	assert_int_equal(f->n_req, 1);
	assert_int_equal(fx_count(CSCF_SIP_N_WS_MIXUP), mixups + 1);
}

static void test_loop_is_482_and_a_spiral_by_token_passes(void **state)
{
	struct fx *f = *state;
	gw_handle h = fx_request(f, FX_REQ("MESSAGE", "1"));
	char *sent = fx_core_recv(f, 2000);
	char *got, *text, *rest;
	long long loops = fx_count(CSCF_SIP_N_LOOP);

	REQ("WS-30");
	cscf_sip_client_detach(f->stack, h);
	/* the core sends our own request back to us, below its Via */
	rest = strstr(sent, "\r\n") + 2;
	assert_true(asprintf(&text,
			     "MESSAGE sip:bob@ims.example.net SIP/2.0\r\n"
			     "Via: SIP/2.0/UDP 127.0.0.1:1;rport;branch=z9hG4bKloop\r\n%s",
			     rest) > 0);
	fx_core_send(f, text);
	do {
		got = fx_core_recv(f, 2000);
		assert_non_null(got);
		if (fx_starts(got, "SIP/2.0 482 Loop Detected\r\n"))
			break;
		assert_true(fx_starts(got, "MESSAGE "));
		free(got);
	} while (true);
	assert_int_equal(f->n_req, 0);
	assert_int_equal(fx_count(CSCF_SIP_N_LOOP), loops + 1);
	free(text);
	/* the same by a flow token: a call between two of our own users */
	assert_true(asprintf(&text,
			     "MESSAGE sip:bob@ims.example.net SIP/2.0\r\n"
			     "Route: <sip:t.TOKEN@%s;lr>\r\n"
			     "Via: SIP/2.0/UDP 127.0.0.1:1;rport;branch=z9hG4bKspiral\r\n%s",
			     cscf_sip_stack_mw_hostport(f->stack), rest) > 0);
	fx_core_send(f, text);
	fx_until(f, &f->n_req, 1);
	free(got);
	free(text);
	free(sent);
}

static void test_malformed_is_400_then_dropped_then_closed(void **state)
{
	struct fx *f = *state;
	long long dropped = fx_count(CSCF_SIP_N_BAD_DROPPED);

	REQ("WS-27", "WS-08");
	fx_wic_open(f, 7);
	fx_wic_send(f, 7,
		    "MESSAGE sip:bob@ims.example.net SIP/2.0\r\n"
		    "Via: SIP/2.0/WSS d.invalid;branch=z9hG4bKb;rport\r\n"
		    "From: <sip:a@ims.example.net>;tag=1\r\nTo: <sip:b@ims.example.net>\r\n"
		    "Call-ID: c\r\nCSeq: 2 BYE\r\n\r\n");
	assert_true(
	    fx_starts(fx_wic_last(f), "SIP/2.0 400 CSeq method differs from request method\r\n"));
	assert_non_null(strstr(fx_wic_last(f), "received=203.0.113.7"));
	for (int i = 0; i < 8; i++)
		fx_wic_send(f, 7, "this is no SIP\r\n\r\n");
	assert_int_equal(fx_count(CSCF_SIP_N_BAD_DROPPED), dropped + 8);
	assert_int_equal(f->closed_code, 0);
	fx_wic_send(f, 7, FX_WIC("MESSAGE", "1", "k1", "")); /* a good one: count anew */
	for (int i = 0; i < 9; i++)
		fx_wic_send(f, 7, "\x01\x02");
	assert_int_equal(f->closed_code, 0);
	fx_wic_send(f, 7, "\x01\x02");
	assert_int_equal(f->closed_code, 1002);
}

static void test_crlf_ping_is_answered_and_a_lone_crlf_ignored(void **state)
{
	struct fx *f = *state;
	long long dropped = fx_count(CSCF_SIP_N_BAD_DROPPED);

	REQ("WS-22");
	fx_wic_open(f, 7);
	fx_wic_send(f, 7, "\r\n\r\n");
	assert_int_equal(f->n_sent, 1);
	assert_string_equal(fx_wic_last(f), "\r\n");
	fx_wic_send(f, 7, "\r\n");
	assert_int_equal(f->n_sent, 1);
	assert_int_equal(fx_count(CSCF_SIP_N_BAD_DROPPED), dropped);
}

static void test_stranger_on_mw_is_dropped_and_counted(void **state)
{
	struct fx *f = *state;
	long long before = fx_count(CSCF_SIP_N_NOT_PEER);

	REQ("SEC-05");
	free(f->peer);
	f->peer = strdup("192.0.2.0/24");
	fx_core_send(f, "REGISTER sip:ims.example.net SIP/2.0\r\n"
			"Via: SIP/2.0/UDP 127.0.0.1:1;rport;branch=z9hG4bKr\r\n"
			"From: <sip:a@h.example>;tag=1\r\nTo: <sip:b@h.example>\r\n"
			"Call-ID: c\r\nCSeq: 1 REGISTER\r\nContent-Length: 0\r\n\r\n");
	assert_null(fx_core_recv(f, 40));
	assert_int_equal(f->n_req, 0);
	assert_int_equal(fx_count(CSCF_SIP_N_NOT_PEER), before + 1);
}

#define T(f) cmocka_unit_test_setup_teardown(f, fx_setup, fx_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
	    T(test_refusals_by_rule),
	    T(test_via_of_another_transport_is_400_and_ws_on_wss_passes),
	    T(test_loop_is_482_and_a_spiral_by_token_passes),
	    T(test_malformed_is_400_then_dropped_then_closed),
	    T(test_crlf_ping_is_answered_and_a_lone_crlf_ignored),
	    T(test_stranger_on_mw_is_dropped_and_counted),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}