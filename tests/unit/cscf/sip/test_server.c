/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Server transactions and the checks in front of them: cscf/sip/receive.c, server.c, w2.c.
 */
#include "fixture.h"
#include "tests/lib/req.h"

static long long count(enum cscf_sip_counter c)
{
	return gw_metric_get(&cscf_sip_counters[c]);
}

static void test_request_goes_up_with_its_source_in_the_via(void **state)
{
	struct fx *f = *state;

	REQ("WS-16", "CALL-08");
	fx_wic_open(f, 7);
	fx_wic_send(f, 7, FX_WIC("REGISTER", "1", "k1", ""));
	assert_int_equal(f->n_req, 1);
	assert_int_equal(f->req[0].flow.conn, 7);
	assert_non_null(strstr(f->req[0].text,
			       "Via: SIP/2.0/WSS df7jal23ls0d.invalid;branch=z9hG4bKk1;"
			       "rport=50123;received=203.0.113.7\r\n"));
	assert_int_equal(cscf_sip_reply(f->stack, f->req[0].handle, 401, NULL, "WWW-Authenticate",
					"Digest realm=\"r\",nonce=\"n\"", (char *)NULL),
			 GW_OK);
	assert_int_equal(f->n_sent, 1);
	assert_true(fx_starts(f->sent[0].text,
			      "SIP/2.0 401 Unauthorized\r\n"
			      "Via: SIP/2.0/WSS df7jal23ls0d.invalid;branch=z9hG4bKk1;"
			      "rport=50123;received=203.0.113.7\r\n"));
	assert_non_null(strstr(f->sent[0].text, "To: <sip:bob@ims.example.net>;tag="));
	fx_until(f, &f->n_server_done, 1);
}

static void test_no_rport_is_added_when_not_asked_for(void **state)
{
	struct fx *f = *state;

	REQ("WS-17");
	fx_wic_open(f, 7);
	fx_wic_send(f, 7,
		    "MESSAGE sip:bob@ims.example.net SIP/2.0\r\n"
		    "Via: SIP/2.0/wss 203.0.113.7:50123;received=10.1.1.1;branch=z9hG4bKq;x=y\r\n"
		    "From: <sip:a@ims.example.net>;tag=1\r\nTo: <sip:b@ims.example.net>\r\n"
		    "Call-ID: c\r\nCSeq: 1 MESSAGE\r\n\r\n");
	assert_int_equal(f->n_req, 1);
	assert_non_null(strstr(f->req[0].text, "Via: SIP/2.0/wss 203.0.113.7:50123;"
					       "branch=z9hG4bKq;x=y;received=203.0.113.7\r\n"));
}

static void test_response_follows_the_connection_or_is_discarded(void **state)
{
	struct fx *f = *state;

	REQ("WS-18");
	fx_wic_open(f, 7);
	fx_wic_send(f, 7, FX_WIC("MESSAGE", "1", "k1", ""));
	cscf_sip_w2_closed(f->stack, 7);
	fx_wic_open(f, 8);
	assert_int_equal(cscf_sip_reply(f->stack, f->req[0].handle, 200, NULL, (char *)NULL),
			 GW_OK);
	assert_int_equal(f->n_sent, 0);
	fx_until(f, &f->n_server_done, 1);
	assert_int_equal(cscf_sip_reply(f->stack, f->req[0].handle, 200, NULL, (char *)NULL),
			 GW_ERR_NOT_FOUND);
}

static void test_vias_of_a_relayed_response_are_those_of_the_request(void **state)
{
	struct fx *f = *state;
	struct cscf_sip_msg *rsp;
	const char *at;

	REQ("CALL-08", "CALL-11");
	fx_core_send(f,
		     "OPTIONS sip:x@epcscf1.ims.example.net SIP/2.0\r\n"
		     "v: SIP/2.0/UDP 127.0.0.1:1;branch=z9hG4bKa;rport, SIP/2.0/TCP b;branch=z9\r\n"
		     "Via: SIP/2.0/WSS c.invalid;branch=z9hG4bKc\r\n"
		     "From: <sip:a@ims.example.net>;tag=1\r\nTo: <sip:b@ims.example.net>\r\n"
		     "Call-ID: c\r\nCSeq: 1 OPTIONS\r\nContent-Length: 0\r\n\r\n");
	fx_until(f, &f->n_req, 1);
	rsp = fx_msg("SIP/2.0 200 OK\r\nVia: SIP/2.0/UDP evil;branch=z9hG4bKevil\r\n"
		     "From: <sip:a@ims.example.net>;tag=1\r\nTo: <sip:b@ims.example.net>;tag=t\r\n"
		     "Call-ID: c\r\nCSeq: 1 OPTIONS\r\nX-Odd: yes\r\nContent-Length: 0\r\n\r\n");
	assert_int_equal(cscf_sip_respond(f->stack, f->req[0].handle, rsp), GW_OK);
	char *got = fx_core_recv(f, 2000);
	assert_non_null(got);
	assert_null(strstr(got, "evil"));
	assert_int_equal(fx_vias(got), 3);
	at = strstr(got, "branch=z9hG4bKa");
	assert_non_null(at);
	assert_non_null(strstr(at, "SIP/2.0/WSS c.invalid"));
	assert_non_null(strstr(got, "X-Odd: yes\r\n"));
	free(got);
}

static void test_retransmission_gets_the_last_answer_again(void **state)
{
	static const char req[] =
	    "MESSAGE sip:x@h.example SIP/2.0\r\nVia: SIP/2.0/UDP 127.0.0.1:1;rport;branch="
	    "z9hG4bKr\r\nFrom: <sip:a@h.example>;tag=1\r\nTo: <sip:b@h.example>\r\n"
	    "Call-ID: c\r\nCSeq: 1 MESSAGE\r\nContent-Length: 0\r\n\r\n";
	struct fx *f = *state;
	char *one, *two;

	REQ("WS-33");
	fx_core_send(f, req);
	fx_until(f, &f->n_req, 1);
	fx_core_send(f, req);
	fx_run_ms(f, 20);
	assert_int_equal(f->n_req, 1);
	assert_int_equal(cscf_sip_reply(f->stack, f->req[0].handle, 202, NULL, (char *)NULL),
			 GW_OK);
	one = fx_core_recv(f, 2000);
	fx_core_send(f, req);
	two = fx_core_recv(f, 2000);
	assert_non_null(two);
	assert_string_equal(one, two);
	assert_int_equal(f->n_req, 1);
	fx_until(f, &f->n_server_done, 1); /* timer J */
	fx_core_send(f, req);
	fx_until(f, &f->n_req, 2);
	free(one);
	free(two);
}

static void test_invite_gets_100_by_itself_after_200_ms(void **state)
{
	struct fx *f = *state;

	REQ("CALL-22");
	fx_wic_open(f, 7);
	fx_wic_send(f, 7, FX_WIC("INVITE", "1", "k1", ""));
	assert_int_equal(f->n_sent, 0);
	fx_until(f, &f->n_sent, 1);
	assert_true(fx_starts(fx_wic_last(f), "SIP/2.0 100 Trying\r\n"));
	assert_null(strstr(fx_wic_last(f), ">;tag=\r\n"));
	fx_wic_send(f, 7, FX_WIC("INVITE", "1", "k1", "")); /* again: the 100 again */
	fx_until(f, &f->n_sent, 2);
	assert_int_equal(f->n_req, 1);
}

static void test_2xx_goes_out_each_time_in_accepted_and_ack_goes_up(void **state)
{
	struct fx *f = *state;
	gw_handle h;

	REQ("CALL-24");
	fx_wic_open(f, 7);
	fx_wic_send(f, 7, FX_WIC("INVITE", "1", "k1", ""));
	h = f->req[0].handle;
	assert_int_equal(cscf_sip_reply(f->stack, h, 180, NULL, (char *)NULL), GW_OK);
	assert_int_equal(cscf_sip_reply(f->stack, h, 200, NULL, (char *)NULL), GW_OK);
	assert_int_equal(cscf_sip_reply(f->stack, h, 200, NULL, (char *)NULL), GW_OK);
	assert_int_equal(f->n_sent, 3);
	assert_string_equal(f->sent[1].text, f->sent[2].text);
	assert_int_equal(cscf_sip_reply(f->stack, h, 486, NULL, (char *)NULL), GW_ERR_STATE);
	fx_wic_send(f, 7, FX_WIC("INVITE", "1", "k1", "")); /* absorbed */
	assert_int_equal(f->n_req, 1);
	assert_int_equal(f->n_sent, 3);
	fx_wic_send(f, 7, FX_WIC("ACK", "1", "k2", ""));
	assert_int_equal(f->n_ack, 1);
	fx_until(f, &f->n_server_done, 1);
	assert_int_equal(cscf_sip_reply(f->stack, h, 200, NULL, (char *)NULL), GW_ERR_NOT_FOUND);
}

static void test_ack_of_a_failure_stays_in_the_stack(void **state)
{
	struct fx *f = *state;

	REQ("CALL-24");
	fx_wic_open(f, 7);
	fx_wic_send(f, 7, FX_WIC("INVITE", "1", "k1", ""));
	assert_int_equal(cscf_sip_reply(f->stack, f->req[0].handle, 486, NULL, (char *)NULL),
			 GW_OK);
	fx_wic_send(f, 7, FX_WIC("ACK", "1", "k1", ""));
	assert_int_equal(f->n_ack, 0);
	fx_until(f, &f->n_server_done, 1);
	assert_true(f->acked);
}

static void test_failure_is_repeated_over_udp_until_acked(void **state)
{
	static const char invite[] =
	    "%s sip:x@h.example SIP/2.0\r\nVia: SIP/2.0/UDP 127.0.0.1:1;rport;branch=z9hG4bKr\r\n"
	    "From: <sip:a@h.example>;tag=1\r\nTo: <sip:b@h.example>\r\n"
	    "Call-ID: c\r\nCSeq: 1 %s\r\nContent-Length: 0\r\n\r\n";
	struct fx *f = *state;
	char text[600];
	char *got;

	REQ("CALL-47");
	snprintf(text, sizeof(text), invite, "INVITE", "INVITE");
	fx_core_send(f, text);
	fx_until(f, &f->n_req, 1);
	assert_int_equal(cscf_sip_reply(f->stack, f->req[0].handle, 603, NULL, (char *)NULL),
			 GW_OK);
	for (int i = 0; i < 3; i++) {
		got = fx_core_recv(f, 2000);
		assert_true(fx_starts(got, "SIP/2.0 603 Decline\r\n"));
		free(got);
	}
	snprintf(text, sizeof(text), invite, "ACK", "ACK");
	fx_core_send(f, text);
	fx_until(f, &f->n_server_done, 1);
	assert_true(f->acked);
	assert_int_equal(f->n_ack, 0);
}

static void test_cancel_is_answered_and_told(void **state)
{
	struct fx *f = *state;
	char *tag;

	REQ("CALL-25");
	fx_wic_open(f, 7);
	fx_wic_open(f, 8);
	fx_wic_send(f, 7, FX_WIC("INVITE", "1", "k1", ""));
	fx_wic_send(f, 8, FX_WIC("CANCEL", "1", "k1", "")); /* not his to cancel */
	assert_true(fx_starts(fx_wic_last(f), "SIP/2.0 481 "));
	assert_int_equal(f->n_cancel, 0);
	fx_wic_send(f, 7, FX_WIC("CANCEL", "1", "k1", "Reason: SIP;cause=200\r\n"));
	assert_true(fx_starts(fx_wic_last(f), "SIP/2.0 200 OK\r\n"));
	tag = fx_header(fx_wic_last(f), "To");
	assert_int_equal(f->n_cancel, 1);
	assert_true(f->cancel[0].handle == f->req[0].handle);
	assert_non_null(strstr(f->cancel[0].text, "Reason: SIP;cause=200\r\n"));
	assert_int_equal(cscf_sip_reply(f->stack, f->req[0].handle, 487, NULL, (char *)NULL),
			 GW_OK);
	assert_non_null(strstr(fx_wic_last(f), tag)); /* one To tag for both */
	fx_wic_send(f, 7, FX_WIC("ACK", "1", "k1", ""));
	fx_until(f, &f->n_server_done, 3);
	free(tag);
}

static void test_cancel_after_the_final_answer_changes_nothing(void **state)
{
	struct fx *f = *state;

	REQ("CALL-25");
	fx_wic_open(f, 7);
	fx_wic_send(f, 7, FX_WIC("INVITE", "1", "k1", ""));
	assert_int_equal(cscf_sip_reply(f->stack, f->req[0].handle, 200, NULL, (char *)NULL),
			 GW_OK);
	fx_wic_send(f, 7, FX_WIC("CANCEL", "1", "k1", ""));
	assert_true(fx_starts(fx_wic_last(f), "SIP/2.0 200 OK\r\n"));
	assert_int_equal(f->n_cancel, 0);
}

static void test_unanswered_request_is_dropped_in_the_end(void **state)
{
	struct fx *f = *state;
	long long before = count(CSCF_SIP_N_ABANDONED);

	fx_wic_open(f, 7);
	fx_wic_send(f, 7, FX_WIC("MESSAGE", "1", "k1", ""));
	fx_until(f, &f->n_server_done, 1);
	assert_int_equal(f->n_sent, 0);
	assert_int_equal(count(CSCF_SIP_N_ABANDONED), before + 1);
}

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
	long long mixups = count(CSCF_SIP_N_WS_MIXUP);
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
	assert_int_equal(count(CSCF_SIP_N_WS_MIXUP), mixups + 1);
}

static void test_loop_is_482_and_a_spiral_by_token_passes(void **state)
{
	struct fx *f = *state;
	gw_handle h = fx_request(f, FX_REQ("MESSAGE", "1"));
	char *sent = fx_core_recv(f, 2000);
	char *got, *text, *rest;
	long long loops = count(CSCF_SIP_N_LOOP);

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
	assert_int_equal(count(CSCF_SIP_N_LOOP), loops + 1);
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

static void test_rate_limit_is_503_then_close_and_spares_what_must_pass(void **state)
{
	struct fx *f = *state;

	REQ("WS-25");
	fx_wic_open(f, 7);
	fx_wic_send(f, 7, FX_WIC("INVITE", "1", "k1", ""));
	f->no_tokens = true;
	fx_wic_send(f, 7, FX_WIC("BYE", "2", "k2", ""));
	fx_wic_send(f, 7, FX_WIC("CANCEL", "1", "k1", ""));
	fx_wic_send(f, 7, FX_WIC("ACK", "1", "k3", ""));
	assert_int_equal(f->n_req, 2);
	assert_int_equal(f->n_cancel, 1);
	assert_int_equal(f->n_ack, 1);
	assert_int_equal(f->closed_code, 0);
	fx_wic_send(f, 7, FX_WIC("REGISTER", "3", "k4", ""));
	assert_true(fx_starts(fx_wic_last(f), "SIP/2.0 503 "));
	assert_non_null(strstr(fx_wic_last(f), "Retry-After: "));
	assert_int_equal(f->closed_code, 1008);
	assert_int_equal(f->n_req, 2);
	assert_false(cscf_sip_conn_alive(f->stack, 7, NULL));
}

static void test_drain_refuses_new_requests_and_lets_dialogs_go_on(void **state)
{
	struct fx *f = *state;

	REQ("WS-35", "REL-16");
	fx_wic_open(f, 7);
	f->cfg.overload_retry_s = f->cfg.overload_retry_max_s = 17;
	cscf_sip_stack_drain(f->stack, true);
	fx_wic_send(f, 7, FX_WIC("REGISTER", "1", "k1", ""));
	assert_true(fx_starts(fx_wic_last(f), "SIP/2.0 503 "));
	assert_non_null(strstr(fx_wic_last(f), "Retry-After: 17\r\n"));
	assert_int_equal(f->n_req, 0);
	fx_wic_send(f, 7,
		    "BYE sip:bob@ims.example.net SIP/2.0\r\n"
		    "Via: SIP/2.0/WSS d.invalid;branch=z9hG4bKb\r\nMax-Forwards: 70\r\n"
		    "From: <sip:a@ims.example.net>;tag=1\r\nTo: <sip:b@ims.example.net>;tag=2\r\n"
		    "Call-ID: c\r\nCSeq: 2 BYE\r\n\r\n");
	assert_int_equal(f->n_req, 1);
	fx_wic_send(f, 7, FX_WIC("REGISTER", "2", "k2", "Expires: 0\r\n"));
	assert_int_equal(f->n_req, 2);
	fx_wic_send(f, 7,
		    FX_WIC("REGISTER", "3", "k3", "Contact: <sip:a@d.invalid>;expires=0\r\n"));
	assert_int_equal(f->n_req, 3);
	fx_wic_send(f, 7,
		    FX_WIC("REGISTER", "4", "k4", "Contact: <sip:a@d.invalid>;expires=60\r\n"));
	assert_int_equal(f->n_req, 3);
}

static void send_numbered(struct fx *f, const char *method, int n, const char *to_tag)
{
	char text[600];

	snprintf(text, sizeof(text),
		 "%s sip:bob@ims.example.net SIP/2.0\r\n"
		 "Via: SIP/2.0/WSS d.invalid;branch=z9hG4bK%d\r\nMax-Forwards: 70\r\n"
		 "From: <sip:a@ims.example.net>;tag=1\r\nTo: <sip:b@ims.example.net>%s\r\n"
		 "Call-ID: c\r\nCSeq: 1 %s\r\n\r\n",
		 method, n, to_tag, method);
	fx_wic_send(f, 7, text);
}

static bool fx_503(struct fx *f, size_t n_sent)
{
	return f->n_sent == n_sent && fx_starts(fx_wic_last(f), "SIP/2.0 503 ") &&
	       strstr(fx_wic_last(f), "Retry-After: 33\r\n") != NULL;
}

static void test_overload_sheds_in_order(void **state)
{
	struct fx *f = *state;
	long long shed = count(CSCF_SIP_N_OVERLOAD);
	int n = 0;

	REQ("SEC-19", "SEC-26");
	cscf_sip_stack_free(f->stack);
	f->cfg.max_server_txns = 20; /* levels at 16, 18 and 19 of them */
	f->cfg.overload_high = 80;
	f->cfg.overload_low = 60;
	f->cfg.overload_retry_s = f->cfg.overload_retry_max_s = 33;
	f->cfg.t1_ms = f->cfg.t2_ms = 1000; /* nothing ends meanwhile */
	fx_start_stack(f);
	fx_wic_open(f, 7);
	while (n < 16)
		send_numbered(f, "MESSAGE", n++, "");
	assert_int_equal(f->n_req, 16);
	send_numbered(f, "REGISTER", n++, "");
	assert_true(fx_503(f, 1));
	send_numbered(f, "REGISTER", n++, ";tag=2"); /* no way round it */
	send_numbered(f, "SUBSCRIBE", n++, "");
	assert_true(fx_503(f, 3));
	send_numbered(f, "INVITE", n++, "");
	send_numbered(f, "MESSAGE", n++, "");
	assert_int_equal(f->n_req, 18);
	send_numbered(f, "INVITE", n++, "");
	send_numbered(f, "MESSAGE", n++, "");
	assert_true(fx_503(f, 5));
	cscf_sip_conn_set_authenticated(f->stack, 7, true);
	send_numbered(f, "REGISTER", n++, ""); /* a refresh */
	assert_int_equal(f->n_req, 19);
	send_numbered(f, "REGISTER", n++, "");
	assert_true(fx_503(f, 6));
	send_numbered(f, "BYE", n++, ";tag=2"); /* a dialog goes on */
	send_numbered(f, "SUBSCRIBE", n++, ";tag=2");
	assert_int_equal(f->n_req, 21);
	send_numbered(f, "INFO", n++, ";tag=2");
	assert_int_equal(f->n_req, 22);
	send_numbered(f, "INFO", n++, ";tag=2"); /* 20 + 20/8 + 1 */
	assert_int_equal(f->n_req, 23);
	send_numbered(f, "INFO", n++, ";tag=2");
	assert_int_equal(f->n_req, 23);
	assert_true(fx_503(f, 7));
	assert_int_equal(count(CSCF_SIP_N_OVERLOAD), shed + 7);
}

static bool fx_is_emergency(void *arg, const struct cscf_sip_msg *msg,
			    const struct cscf_sip_flow *flow)
{
	(void)arg;
	(void)flow;
	return gw_slice_eq_str(cscf_sip_msg_uri(msg), "tel:112");
}

static void test_the_upper_layers_emergencies_pass_overload_rate_and_drain(void **state)
{
	static const char text[] = "INVITE tel:112 SIP/2.0\r\n"
				   "Via: SIP/2.0/WSS d.invalid;branch=z9hG4bKtel\r\n"
				   "From: <sip:a@ims.example.net>;tag=1\r\nTo: <tel:112>\r\n"
				   "Call-ID: tel\r\nCSeq: 1 INVITE\r\n\r\n";
	struct cscf_sip_stack_cbs cbs = fx_cbs;
	struct fx *f = *state;
	char err[200];

	REQ("SEC-19", "EMG-17", "WS-25");
	cscf_sip_stack_free(f->stack);
	cbs.is_emergency = fx_is_emergency;
	assert_int_equal(
	    cscf_sip_stack_new(&f->stack, f->base, &f->cfg, &cbs, f, &fx_ws, f, err, sizeof(err)),
	    GW_OK);
	fx_wic_open(f, 7);
	cscf_sip_stack_overload_force(f->stack, 100);
	cscf_sip_stack_drain(f->stack, true);
	f->no_tokens = true;
	fx_wic_send(f, 7, text);
	assert_int_equal(f->n_req, 1);
	assert_int_equal(f->n_sent, 0);
	assert_int_equal(f->closed_code, 0);
	cscf_sip_stack_free(f->stack); /* its callbacks end with this function */
	f->stack = NULL;
}

static bool fx_admit(void *arg, const struct cscf_sip_msg *msg, const struct cscf_sip_flow *flow)
{
	static unsigned asked;

	(void)arg;
	(void)msg;
	(void)flow;
	return asked++ == 0;
}

/* The first is admitted, the others are not. */
static void test_a_flood_of_emergencies_holds_no_transactions(void **state)
{
	static const char text[] = "%s tel:112 SIP/2.0\r\n"
				   "Via: SIP/2.0/WSS d.invalid;branch=z9hG4bKtel%u\r\n"
				   "From: <sip:a@ims.example.net>;tag=1\r\nTo: <tel:112>\r\n"
				   "Call-ID: tel%u\r\nCSeq: 1 %s\r\n\r\n";
	struct cscf_sip_stack_cbs cbs = fx_cbs;
	struct cscf_sip_counts n;
	struct fx *f = *state;
	char err[200], msg[400];
	long long refused = count(CSCF_SIP_N_RATE);

	REQ("EMG-16", "EMG-17", "SEC-19");
	cscf_sip_stack_free(f->stack);
	cbs.is_emergency = fx_is_emergency;
	cbs.admit_emergency = fx_admit;
	assert_int_equal(
	    cscf_sip_stack_new(&f->stack, f->base, &f->cfg, &cbs, f, &fx_ws, f, err, sizeof(err)),
	    GW_OK);
	fx_wic_open(f, 7);
	for (unsigned i = 0; i < 6; i++) {
		(void)snprintf(msg, sizeof(msg), text, "INVITE", i, i, "INVITE");
		fx_wic_send(f, 7, msg);
		fx_wic_send(f, 7, msg); /* a repeat of the first is absorbed, not asked about */
	}
	assert_int_equal(f->n_req, 1);
	cscf_sip_stack_counts(f->stack, &n);
	assert_int_equal(n.server_txns, 1);
	assert_int_equal(count(CSCF_SIP_N_RATE), refused + 10);
	assert_true(fx_starts(fx_wic_last(f), "SIP/2.0 503 "));
	assert_non_null(strstr(fx_wic_last(f), "Retry-After: "));
	assert_int_equal(f->closed_code, 0);
	(void)snprintf(msg, sizeof(msg), text, "CANCEL", 0U, 0U, "CANCEL"); /* of the first */
	fx_wic_send(f, 7, msg);
	assert_int_equal(f->n_cancel, 1);
	f->no_tokens = true; /* what is not admitted counts as any message */
	(void)snprintf(msg, sizeof(msg), text, "MESSAGE", 9U, 9U, "MESSAGE");
	fx_wic_send(f, 7, msg);
	assert_int_equal(f->closed_code, 1008);
	cscf_sip_stack_free(f->stack); /* its callbacks end with this function */
	f->stack = NULL;
}

static void test_malformed_is_400_then_dropped_then_closed(void **state)
{
	struct fx *f = *state;
	long long dropped = count(CSCF_SIP_N_BAD_DROPPED);

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
	assert_int_equal(count(CSCF_SIP_N_BAD_DROPPED), dropped + 8);
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
	long long dropped = count(CSCF_SIP_N_BAD_DROPPED);

	REQ("WS-22");
	fx_wic_open(f, 7);
	fx_wic_send(f, 7, "\r\n\r\n");
	assert_int_equal(f->n_sent, 1);
	assert_string_equal(fx_wic_last(f), "\r\n");
	fx_wic_send(f, 7, "\r\n");
	assert_int_equal(f->n_sent, 1);
	assert_int_equal(count(CSCF_SIP_N_BAD_DROPPED), dropped);
}

static void test_stranger_on_mw_is_dropped_and_counted(void **state)
{
	struct fx *f = *state;
	long long before = count(CSCF_SIP_N_NOT_PEER);

	REQ("SEC-05");
	free(f->peer);
	f->peer = strdup("192.0.2.0/24");
	fx_core_send(f, "REGISTER sip:ims.example.net SIP/2.0\r\n"
			"Via: SIP/2.0/UDP 127.0.0.1:1;rport;branch=z9hG4bKr\r\n"
			"From: <sip:a@h.example>;tag=1\r\nTo: <sip:b@h.example>\r\n"
			"Call-ID: c\r\nCSeq: 1 REGISTER\r\nContent-Length: 0\r\n\r\n");
	assert_null(fx_core_recv(f, 40));
	assert_int_equal(f->n_req, 0);
	assert_int_equal(count(CSCF_SIP_N_NOT_PEER), before + 1);
}

#define T(f) cmocka_unit_test_setup_teardown(f, fx_setup, fx_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
	    T(test_request_goes_up_with_its_source_in_the_via),
	    T(test_no_rport_is_added_when_not_asked_for),
	    T(test_response_follows_the_connection_or_is_discarded),
	    T(test_vias_of_a_relayed_response_are_those_of_the_request),
	    T(test_retransmission_gets_the_last_answer_again),
	    T(test_invite_gets_100_by_itself_after_200_ms),
	    T(test_2xx_goes_out_each_time_in_accepted_and_ack_goes_up),
	    T(test_ack_of_a_failure_stays_in_the_stack),
	    T(test_failure_is_repeated_over_udp_until_acked),
	    T(test_cancel_is_answered_and_told),
	    T(test_cancel_after_the_final_answer_changes_nothing),
	    T(test_unanswered_request_is_dropped_in_the_end),
	    T(test_refusals_by_rule),
	    T(test_via_of_another_transport_is_400_and_ws_on_wss_passes),
	    T(test_loop_is_482_and_a_spiral_by_token_passes),
	    T(test_rate_limit_is_503_then_close_and_spares_what_must_pass),
	    T(test_drain_refuses_new_requests_and_lets_dialogs_go_on),
	    T(test_overload_sheds_in_order),
	    T(test_the_upper_layers_emergencies_pass_overload_rate_and_drain),
	    T(test_a_flood_of_emergencies_holds_no_transactions),
	    T(test_malformed_is_400_then_dropped_then_closed),
	    T(test_crlf_ping_is_answered_and_a_lone_crlf_ignored),
	    T(test_stranger_on_mw_is_dropped_and_counted),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
