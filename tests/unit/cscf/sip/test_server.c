/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Server transactions and the checks in front of them: cscf/sip/receive.c, server.c, w2.c.
 */
#include "fixture.h"
#include "tests/lib/req.h"

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

static const struct cscf_sip_flow *fx_flow(struct fx *f, uint64_t conn)
{
	static struct cscf_sip_flow flow;

	assert_true(cscf_sip_conn_alive(f->stack, conn, &flow));
	return &flow;
}

static void test_a_transaction_moves_to_another_connection_of_its_wic(void **state)
{
	struct fx *f = *state;

	REQ("WS-18", "DEREG-43");
	fx_wic_open(f, 7);
	fx_wic_send(f, 7, FX_WIC("INVITE", "1", "k1", ""));
	cscf_sip_w2_closed(f->stack, 7);
	assert_int_equal(cscf_sip_reply(f->stack, f->req[0].handle, 200, NULL, (char *)NULL),
			 GW_OK);
	assert_int_equal(f->n_sent, 0);
	fx_run_ms(f, 50); /* a connection that is gone does not end it */
	fx_wic_open(f, 8);
	assert_true(cscf_sip_server_move(f->stack, f->req[0].handle, fx_flow(f, 8), false));
	assert_int_equal(f->n_sent, 0);
	assert_true(cscf_sip_server_move(f->stack, f->req[0].handle, fx_flow(f, 8), true));
	assert_int_equal(f->n_sent, 1);
	assert_int_equal(f->sent[0].conn, 8);
	assert_true(fx_starts(f->sent[0].text, "SIP/2.0 200 OK\r\n"));
	fx_until(f, &f->n_server_done, 1); /* 64*T1, counted from the first */
	assert_false(cscf_sip_server_move(f->stack, f->req[0].handle, fx_flow(f, 8), true));
}

static void test_a_cancel_finds_the_transaction_that_moved(void **state)
{
	struct fx *f = *state;

	REQ("DEREG-43", "CALL-25");
	fx_wic_open(f, 7);
	fx_wic_send(f, 7, FX_WIC("INVITE", "1", "k1", ""));
	cscf_sip_w2_closed(f->stack, 7);
	fx_run_ms(f, 250); /* its 100 goes into the void */
	fx_wic_open(f, 8);
	assert_true(cscf_sip_server_move(f->stack, f->req[0].handle, fx_flow(f, 8), true));
	assert_int_equal(f->n_sent, 0); /* nothing final yet */
	fx_wic_send(f, 8, FX_WIC("CANCEL", "1", "k1", ""));
	assert_int_equal(f->n_cancel, 1);
	assert_int_equal(f->cancel[0].handle, f->req[0].handle);
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
	long long before = fx_count(CSCF_SIP_N_ABANDONED);

	fx_wic_open(f, 7);
	fx_wic_send(f, 7, FX_WIC("MESSAGE", "1", "k1", ""));
	fx_until(f, &f->n_server_done, 1);
	assert_int_equal(f->n_sent, 0);
	assert_int_equal(fx_count(CSCF_SIP_N_ABANDONED), before + 1);
}

#define T(f) cmocka_unit_test_setup_teardown(f, fx_setup, fx_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
	    T(test_request_goes_up_with_its_source_in_the_via),
	    T(test_no_rport_is_added_when_not_asked_for),
	    T(test_response_follows_the_connection_or_is_discarded),
	    T(test_a_transaction_moves_to_another_connection_of_its_wic),
	    T(test_a_cancel_finds_the_transaction_that_moved),
	    T(test_vias_of_a_relayed_response_are_those_of_the_request),
	    T(test_retransmission_gets_the_last_answer_again),
	    T(test_invite_gets_100_by_itself_after_200_ms),
	    T(test_2xx_goes_out_each_time_in_accepted_and_ack_goes_up),
	    T(test_ack_of_a_failure_stays_in_the_stack),
	    T(test_failure_is_repeated_over_udp_until_acked),
	    T(test_cancel_is_answered_and_told),
	    T(test_cancel_after_the_final_answer_changes_nothing),
	    T(test_unanswered_request_is_dropped_in_the_end),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}