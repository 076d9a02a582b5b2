/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Every way a call ends other than a plain BYE: each leg gets what its state calls for, and
 * nothing is left: contexts reserved = contexts released, no call, no dialog.
 */
#include "tests/unit/cscf/session/play.h"

/* ---- before the answer --------------------------------------------------------------------------
 */

static void test_no_agw(void **state)
{
	REQ("CALL-37", "REL-05", "RTP-21");
	gw_handle h;

	(void)state;
	w.no_agw = true;
	h = w_request(&w_wic, "INVITE", "sip:bob@ims.test", W_ALICE, W_BOB, 1, "",
		      w_wic_sdp(false));
	assert_int_equal(w_status(h), 503);
	assert_string_equal(w_last_answer(h)->hdr, "Retry-After");
	h = w_request(&w_core, "INVITE", W_WIC_URI, W_BOB_TAG, "<sip:alice@ims.test>", 1, "",
		      W_CORE_SDP);
	assert_int_equal(w_status(h), 500);
	assert_string_equal(w_last_answer(h)->hdr, "Retry-After");
	assert_int_equal(w.n_clients, 0); /* nothing went to the other side (2.2) */
	w_assert_nothing_left();
}

static void test_agw_refuses_later(void **state)
{
	REQ("CALL-37", "REL-01");
	gw_handle h = w_request(&w_wic, "INVITE", "sip:bob@ims.test", W_ALICE, W_BOB, 1, "",
				w_wic_sdp(false));

	(void)state;
	w_agw(GW_ERR_TIMEOUT);
	assert_int_equal(w_status(h), 500);
	assert_int_equal(w.n_clients, 0);
	w_assert_nothing_left();
}

static void test_descriptions_we_cannot_serve(void **state)
{
	REQ("CALL-41", "REL-05");
	gw_handle h;

	(void)state;
	h = w_request(&w_wic, "INVITE", "sip:bob@ims.test", W_ALICE, W_BOB, 1, "", "garbage\r\n");
	assert_int_equal(w_status(h), 400);
	h = w_request(&w_wic, "INVITE", "sip:bob@ims.test", W_ALICE, W_BOB, 1, "", W_CORE_SDP);
	assert_int_equal(w_status(h), 488);
	assert_true(w_has(w_answer_msg(h), "Warning: "));
	assert_int_equal(w.n_clients, 0);
	w_assert_nothing_left();
}

static void test_caller_cancels(void **state)
{
	REQ("CALL-25", "REL-04");
	gw_handle h = w_mo_invite();
	struct cscf_sip_msg *cancel =
	    w_parse("CANCEL sip:bob@ims.test SIP/2.0\r\n"
		    "Via: SIP/2.0/WSS x.invalid;branch=z9hG4bK1\r\n"
		    "From: " W_ALICE "\r\nTo: " W_BOB "\r\nCall-ID: c1\r\n"
		    "CSeq: 1 CANCEL\r\nReason: SIP;cause=600\r\n\r\n");

	(void)state;
	w_response(0, 180, W_CORE_TAG, NULL, CSCF_SIP_CAUSE_NONE);
	cscf_session_on_cancel(w.s, h, cancel);
	cscf_sip_msg_free(cancel);
	assert_true(w.clients[0].cancelled);
	assert_string_equal(w.clients[0].cancel_reason, "SIP;cause=600");
	assert_int_equal(w_status(h), 487);
	assert_int_equal(w.released, 1);
	w_response(0, 487, W_CORE_TAG, NULL, CSCF_SIP_CAUSE_NONE);
	assert_byes(false, false, "");
}

static void test_answer_crosses_the_cancel(void **state)
{
	REQ("CALL-25", "REL-14");
	gw_handle h = w_mo_invite();
	struct cscf_sip_msg *cancel =
	    w_parse("CANCEL sip:bob@ims.test SIP/2.0\r\n"
		    "Via: SIP/2.0/WSS x.invalid;branch=z9hG4bK1\r\n"
		    "From: " W_ALICE "\r\nTo: " W_BOB "\r\nCall-ID: c1\r\n"
		    "CSeq: 1 CANCEL\r\n\r\n");

	(void)state;
	cscf_session_on_cancel(w.s, h, cancel);
	cscf_sip_msg_free(cancel);
	w_response(0, 200, W_CORE_TAG, W_CORE_SDP, CSCF_SIP_CAUSE_NONE);
	assert_int_equal(w.n_acks, 1);
	assert_int_equal(w_status(h), 487);
	assert_byes(false, true, "cause=487");
}

static void test_callee_refuses(void **state)
{
	REQ("REL-01", "CALL-36");
	gw_handle h = w_mo_invite();

	(void)state;
	w_response(0, 486, W_CORE_TAG, NULL, CSCF_SIP_CAUSE_NONE);
	assert_int_equal(w_status(h), 486);
	w_assert_nothing_left();
	w.n_clients = 1;
	h = w_request(&w_wic, "INVITE", "sip:bob@ims.test", W_ALICE, W_BOB, 2, "",
		      w_wic_sdp(false));
	w_agw(GW_OK);
	w_response(1, 503, W_CORE_TAG, NULL, CSCF_SIP_CAUSE_NONE);
	assert_int_equal(w_status(h), 500); /* a 503 of the core is not ours */
	w_assert_nothing_left();
}

static void test_silence_and_dead_ends(void **state)
{
	REQ("REL-05", "CALL-21", "CALL-48", "CALL-47", "REG-82");
	static const struct {
		bool from_wic;
		enum cscf_sip_cause cause;
		int local, status;
	} rows[] = {{true, CSCF_SIP_CAUSE_TIMEOUT, 408, 504},
		    {true, CSCF_SIP_CAUSE_TRANSPORT, 503, 504},
		    {true, CSCF_SIP_CAUSE_NO_TARGET, 503, 504},
		    {true, CSCF_SIP_CAUSE_TIMER_C, 408, 408},
		    {true, CSCF_SIP_CAUSE_LIMIT, 503, 500},
		    {false, CSCF_SIP_CAUSE_TIMEOUT, 408, 408},
		    {false, CSCF_SIP_CAUSE_TIMER_C, 408, 408},
		    {false, CSCF_SIP_CAUSE_TRANSPORT, 503, 480}};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		size_t at = w.n_clients;
		gw_handle h;

		h = rows[i].from_wic ? w_request(&w_wic, "INVITE", "sip:bob@ims.test", W_ALICE,
						 W_BOB, 1, "", w_wic_sdp(false))
				     : w_request(&w_core, "INVITE", W_WIC_URI, W_BOB_TAG,
						 "<sip:alice@ims.test>", 1, "", W_CORE_SDP);
		w_agw(GW_OK);
		w_response(at, rows[i].local, NULL, NULL, rows[i].cause);
		assert_int_equal(w_status(h), rows[i].status);
		assert_int_equal(w.routes_cleared, i < 3 ? i + 1 : 3);
		w_assert_nothing_left();
	}
}

static void test_forks(void **state)
{
	REQ("CALL-46", "CALL-23");
	gw_handle h = w_mo_invite();

	(void)state;
	w_response(0, 180, "fork1", NULL, CSCF_SIP_CAUSE_NONE);
	w_response(0, 180, "fork2", NULL, CSCF_SIP_CAUSE_NONE);
	assert_int_equal(w.n_answers, 2);
	w_response(0, 200, "fork2", W_CORE_SDP, CSCF_SIP_CAUSE_NONE);
	w_agw(GW_OK);
	assert_int_equal(w_status(h), 200);
	w_response(0, 200, "fork1", W_CORE_SDP, CSCF_SIP_CAUSE_NONE);
	assert_int_equal(w.n_acks, 1);
	assert_true(w_has(w.acks[0], "tag=fork1"));
	assert_true(w_has(w_bye_on(false), "tag=fork1"));
	assert_int_equal(w.n_answers, 3); /* never shown to the WIC */
	w_request(&w_wic, "ACK", "sip:b1@" W_CORE_IP, W_ALICE, "<sip:bob@ims.test>;tag=fork2", 1,
		  "", NULL);
	cscf_session_release_all(w.s);
	assert_byes(true, true, "shutting down");
}

static void test_answer_the_agw_does_not_take(void **state)
{
	REQ("REL-01", "REL-04");
	gw_handle h = w_mo_invite();

	(void)state;
	w_response(0, 200, W_CORE_TAG, W_CORE_SDP, CSCF_SIP_CAUSE_NONE);
	w_agw(GW_ERR_TIMEOUT);
	assert_int_equal(w_status(h), 500);
	assert_int_equal(w.n_acks, 1);
	assert_byes(false, true, "cause=500");
}

static void test_no_ack(void **state)
{
	REQ("CALL-24");
	gw_handle h = w_mo_invite();

	(void)state;
	w_response(0, 200, W_CORE_TAG, W_CORE_SDP, CSCF_SIP_CAUSE_NONE);
	w_agw(GW_OK);
	assert_int_equal(w_status(h), 200);
	w_until(&w.n_clients, 2);
	assert_int_equal(w.n_acks, 1);
	assert_byes(true, true, "no ACK");
}

static void test_repeated_answer(void **state)
{
	REQ("CALL-24");
	gw_handle h = w_mo_invite();

	(void)state;
	w_response(0, 200, W_CORE_TAG, W_CORE_SDP, CSCF_SIP_CAUSE_NONE);
	w_agw(GW_OK);
	w_response(0, 200, W_CORE_TAG, W_CORE_SDP, CSCF_SIP_CAUSE_NONE);
	assert_int_equal(w.n_answers, 2);
	assert_true(w_has(w_answer_msg(h), "a=ice-ufrag:agwU"));
	w_request(&w_wic, "ACK", "sip:b1@" W_CORE_IP, W_ALICE, W_BOB_TAG, 1, "", NULL);
	w_response(0, 200, W_CORE_TAG, W_CORE_SDP, CSCF_SIP_CAUSE_NONE);
	assert_int_equal(w.n_acks, 2); /* the ACK was lost: once more */
	assert_int_equal(w.n_answers, 2);
	cscf_session_release_all(w.s);
	assert_byes(true, true, "shutting down");
}

static void test_early_bye(void **state)
{
	REQ("REL-14");
	gw_handle h = w_mo_invite(), bye;

	(void)state;
	w_response(0, 180, W_CORE_TAG, NULL, CSCF_SIP_CAUSE_NONE);
	bye = w_request(&w_wic, "BYE", "sip:b1@" W_CORE_IP, W_ALICE, W_BOB_TAG, 2, "", NULL);
	assert_int_equal(w_status(bye), 200);
	assert_int_equal(w_status(h), 487);
	assert_true(w.clients[0].cancelled);
	w_response(0, 487, W_CORE_TAG, NULL, CSCF_SIP_CAUSE_NONE);
	w_assert_nothing_left();
}

static void test_byes_cross(void **state)
{
	REQ("REL-14", "REL-15");
	gw_handle a, b, re;

	(void)state;
	w_mo_call();
	re = w_request(&w_wic, "INVITE", "sip:b1@" W_CORE_IP, W_ALICE, W_BOB_TAG, 2, "",
		       w_wic_sdp(false));
	a = w_request(&w_wic, "BYE", "sip:b1@" W_CORE_IP, W_ALICE, W_BOB_TAG, 3, "", NULL);
	b = w_request(&w_core, "BYE", W_WIC_URI, W_BOB_TAG, W_ALICE, 1, "", NULL);
	assert_int_equal(w_status(re), 487);
	assert_int_equal(w_status(b), 200);
	for (size_t i = 0; i < w.n_clients; i++)
		if (w_method(i) == CSCF_SIP_BYE)
			w_response(i, 481, NULL, NULL, CSCF_SIP_CAUSE_NONE);
		else if (w.clients[i].cancelled && w.clients[i].live)
			w_response(i, 487, NULL, NULL, CSCF_SIP_CAUSE_NONE);
	assert_int_equal(w_status(a), 481);
	w_assert_nothing_left();
}

/* ---- the WIC's connection
 * -------------------------------------------------------------------------- */

static void test_flow_lost_while_it_rings(void **state)
{
	REQ("REL-10", "CALL-10");

	(void)state;
	w_mo_invite();
	w_response(0, 180, W_CORE_TAG, NULL, CSCF_SIP_CAUSE_NONE);
	lose_flow();
	assert_true(w.clients[0].cancelled);
	assert_non_null(strstr(w.clients[0].cancel_reason, "access connection lost"));
	w_response(0, 487, W_CORE_TAG, NULL, CSCF_SIP_CAUSE_NONE);
	w_assert_nothing_left();
}

static void test_flow_lost_before_the_wic_answers(void **state)
{
	REQ("REL-10", "CALL-21");
	gw_handle h = w_mt_invite();

	(void)state;
	w_response(0, 180, "wic1", NULL, CSCF_SIP_CAUSE_NONE);
	w.reach = CSCF_REGISTRAR_LOST_OUTBOUND;
	lose_flow();
	assert_int_equal(w_status(h), 430);
	w_response(0, 503, NULL, NULL, CSCF_SIP_CAUSE_TRANSPORT);
	w_assert_nothing_left();
}

static void test_flow_lost_in_a_call_and_not_back(void **state)
{
	REQ("REL-10", "DEREG-42");

	(void)state;
	w_mo_call();
	lose_flow();
	assert_int_equal(w.released, 0); /* media is not touched yet */
	cscf_session_on_reg_event(w.s, CSCF_REGISTRAR_EV_GRACE_OVER, 5, W_CONN, 0);
	assert_byes(false, true, "access connection lost");
}

static void test_flow_back_in_time(void **state)
{
	REQ("DEREG-43", "REL-10");
	gw_handle h;

	(void)state;
	w_mo_call();
	lose_flow();
	h = w_request(&w_core, "INFO", W_WIC_URI, W_BOB_TAG, W_ALICE, 1, "", NULL);
	assert_int_equal(w.n_clients, 1); /* held */
	w.reg_conn = W_OTHER;
	cscf_session_on_reg_event(w.s, CSCF_REGISTRAR_EV_REATTACHED, 5, W_CONN, W_OTHER);
	assert_int_equal(w.n_clients, 2);
	assert_true(w.clients[1].to_wic);
	w_response(1, 200, NULL, NULL, CSCF_SIP_CAUSE_NONE);
	assert_int_equal(w_status(h), 200);
	cscf_session_release_all(w.s);
	assert_byes(true, true, "shutting down");
}

static void test_held_request_does_not_wait_for_ever(void **state)
{
	REQ("DEREG-42");
	gw_handle h;
	size_t before;

	(void)state;
	w_mo_call();
	lose_flow();
	before = w.n_answers;
	h = w_request(&w_core, "INFO", W_WIC_URI, W_BOB_TAG, W_ALICE, 1, "", NULL);
	w_until(&w.n_answers, before);
	assert_int_equal(w_status(h), 480);
	h = w_request(&w_core, "BYE", W_WIC_URI, W_BOB_TAG, W_ALICE, 2, "", NULL);
	assert_int_equal(w_status(h), 200);
	assert_int_equal(w.released, 1);
	cscf_session_on_reg_event(w.s, CSCF_REGISTRAR_EV_GRACE_OVER, 5, W_CONN, 0);
	w_assert_nothing_left();
}

static void test_a_request_that_was_with_the_wic_is_asked_again(void **state)
{
	REQ("DEREG-43", "REL-10");
	gw_handle h;

	(void)state;
	w_mo_call();
	h = w_request(&w_core, "INFO", W_WIC_URI, W_BOB_TAG, W_ALICE, 1, "", NULL);
	lose_flow();
	w_response(1, 503, NULL, NULL, CSCF_SIP_CAUSE_TRANSPORT);
	assert_int_equal(w.n_clients, 2); /* held */
	w.reg_conn = W_OTHER;
	cscf_session_on_reg_event(w.s, CSCF_REGISTRAR_EV_REATTACHED, 5, W_CONN, W_OTHER);
	assert_int_equal(w.n_clients, 3);
	assert_true(w.clients[2].to_wic);
	w_response(2, 200, NULL, NULL, CSCF_SIP_CAUSE_NONE);
	assert_int_equal(w_status(h), 200);
	cscf_session_release_all(w.s);
	assert_byes(true, true, "shutting down");
}

static void test_an_old_connection_that_seems_open_is_not_waited_for(void **state)
{
	REQ("DEREG-43", "REL-10");
	gw_handle h;

	(void)state;
	w_mo_call();
	h = w_request(&w_core, "INFO", W_WIC_URI, W_BOB_TAG, W_ALICE, 1, "", NULL);
	w.reg_conn = W_OTHER;
	cscf_session_on_reg_event(w.s, CSCF_REGISTRAR_EV_REATTACHED, 5, W_CONN, W_OTHER);
	assert_int_equal(w.n_clients, 3);
	w_response(2, 200, NULL, NULL, CSCF_SIP_CAUSE_NONE);
	assert_int_equal(w_status(h), 200);
	h = w_request(&w_core, "BYE", W_WIC_URI, W_BOB_TAG, W_ALICE, 2, "", NULL);
	cscf_session_on_reg_event(w.s, CSCF_REGISTRAR_EV_REATTACHED, 5, W_OTHER, W_CONN);
	assert_int_equal(w_status(h), 200);
	assert_int_equal(w.n_clients, 5);
	w_response(4, 200, NULL, NULL, CSCF_SIP_CAUSE_NONE);
	w_assert_nothing_left();
}

static void test_bye_is_said_when_the_wic_is_back(void **state)
{
	REQ("DEREG-43", "REL-03");
	gw_handle h;

	(void)state;
	w_mo_call();
	lose_flow();
	h = w_request(&w_core, "BYE", W_WIC_URI, W_BOB_TAG, W_ALICE, 2, "", NULL);
	assert_int_equal(w_status(h), 200);
	assert_int_equal(w.released, 1);
	w.reg_conn = W_OTHER;
	cscf_session_on_reg_event(w.s, CSCF_REGISTRAR_EV_REATTACHED, 5, W_CONN, W_OTHER);
	assert_byes(true, false, "");
}

static void test_deregistered(void **state)
{
	REQ("REL-11", "DEREG-09");

	(void)state;
	w_mt_call();
	cscf_session_on_reg_event(w.s, CSCF_REGISTRAR_EV_ENDED, 5, W_CONN, W_CONN);
	assert_byes(true, true, "registration ended");
}

static void test_longest_call(void **state)
{
	REQ("REL-19");

	(void)state;
	w.cfg.max_duration = 20;
	w_mo_call();
	w_until(&w.n_clients, 2);
	assert_byes(true, true, "time is up");
}

static void test_session_is_not_refreshed(void **state)
{
	REQ("CALL-34");
	gw_handle h = w_mo_invite();

	(void)state;
	w_response_with(0, 200, W_CORE_TAG, W_CORE_SDP, "Session-Expires", "1;refresher=uas");
	w_agw(GW_OK);
	assert_int_equal(w_status(h), 200);
	assert_true(w_has(w_answer_msg(h), "Session-Expires: 1;refresher=uas"));
	w_request(&w_wic, "ACK", "sip:b1@" W_CORE_IP, W_ALICE, W_BOB_TAG, 1, "", NULL);
	w_until(&w.n_clients, 2);
	assert_byes(true, true, "session expired");
}

static void test_dialog_unknown_to_the_peer(void **state)
{
	REQ("REL-05", "CALL-14");
	gw_handle h;

	(void)state;
	w_mo_call();
	h = w_request(&w_wic, "UPDATE", "sip:b1@" W_CORE_IP, W_ALICE, W_BOB_TAG, 2, "", NULL);
	w_response(1, 481, NULL, NULL, CSCF_SIP_CAUSE_NONE);
	assert_int_equal(w_status(h), 481);
	assert_byes(true, true, "cause=481");
}

static void test_a_bye_that_cannot_be_passed_on_still_ends_the_other_side(void **state)
{
	REQ("REL-01", "REL-03");
	gw_handle h = w_request(&w_wic, "INVITE", "sip:bob@ims.test", W_ALICE, W_BOB, 1, "",
				w_wic_sdp(false));

	(void)state;
	w.cfg.route_reject = true;
	w_agw(GW_OK);
	w_response(0, 200, W_CORE_TAG, W_CORE_SDP, CSCF_SIP_CAUSE_NONE);
	w_agw(GW_OK);
	w_request(&w_wic, "ACK", "sip:b1@" W_CORE_IP, W_ALICE, W_BOB_TAG, 1, "", NULL);
	h = w_request(&w_wic, "BYE", "sip:b1@" W_CORE_IP, W_ALICE, W_BOB_TAG, 2,
		      "Route: <sip:elsewhere.example;lr>\r\n", NULL);
	assert_int_equal(w_status(h), 200);
	assert_non_null(w_bye_on(false));
	assert_null(w_bye_on(true));
	w_assert_nothing_left();
}

#define T(name) cmocka_unit_test_setup_teardown(name, w_setup, w_teardown)

int main(void)
{
	static const struct CMUnitTest tests[] = {
	    T(test_no_agw),
	    T(test_a_bye_that_cannot_be_passed_on_still_ends_the_other_side),
	    T(test_agw_refuses_later),
	    T(test_descriptions_we_cannot_serve),
	    T(test_caller_cancels),
	    T(test_answer_crosses_the_cancel),
	    T(test_callee_refuses),
	    T(test_silence_and_dead_ends),
	    T(test_forks),
	    T(test_answer_the_agw_does_not_take),
	    T(test_no_ack),
	    T(test_repeated_answer),
	    T(test_early_bye),
	    T(test_byes_cross),
	    T(test_flow_lost_while_it_rings),
	    T(test_flow_lost_before_the_wic_answers),
	    T(test_flow_lost_in_a_call_and_not_back),
	    T(test_flow_back_in_time),
	    T(test_held_request_does_not_wait_for_ever),
	    T(test_a_request_that_was_with_the_wic_is_asked_again),
	    T(test_bye_is_said_when_the_wic_is_back),
	    T(test_an_old_connection_that_seems_open_is_not_waited_for),
	    T(test_deregistered),
	    T(test_longest_call),
	    T(test_session_is_not_refreshed),
	    T(test_dialog_unknown_to_the_peer),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
