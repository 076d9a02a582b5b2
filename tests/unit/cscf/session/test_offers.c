/* SPDX-License-Identifier: Apache-2.0 */
/* Offers in flight: nothing holds before the answer, a refusal leaves no trace, and an ICE restart
 * that tells the core nothing new does not reach it. */
#include "tests/unit/cscf/session/play.h"

static const struct w_iq *last(void)
{
	return &w.iq[w.n_iq - 1];
}

static const char *with(const char *sdp, const char *from, const char *to)
{
	static char bufs[4][2048];
	static unsigned next;
	char *buf = bufs[next++ % 4], *at;

	assert_int_equal(strlen(from), strlen(to));
	snprintf(buf, sizeof(bufs[0]), "%s", sdp);
	at = strstr(buf, from);
	assert_non_null(at);
	memcpy(at, to, strlen(to));
	return buf;
}

static const char *restart(const char *version)
{
	char o[] = "o=- 1 3";

	o[6] = version[0];
	return with(with(w_wic_sdp(false), "ice-ufrag:wicU", "ice-ufrag:wicX"), "o=- 1 2", o);
}

static gw_handle reinvite(unsigned cseq, const char *sdp, const char *extra)
{
	return w_request(&w_wic, "INVITE", "sip:b1@" W_CORE_IP, W_ALICE, W_BOB_TAG, cseq, extra,
			 sdp);
}

static void end(void)
{
	cscf_session_release_all(w.s);
	assert_byes(true, true, "shutting down");
}

static void test_an_offer_in_flight_opens_and_shuts_nothing(void **state)
{
	REQ("SDP-35", "IQ-06");
	const char *hold = with(with(W_CORE_SDP, "o=- 5 6", "o=- 5 7"), "sendrecv", "sendonly");
	gw_handle h;

	(void)state;
	w_mo_call();
	h = w_request(&w_core, "INVITE", W_WIC_URI, W_BOB_TAG, W_ALICE, 1, "",
		      with(hold, "audio 6000", "audio 6600"));
	assert_int_equal(last()->phase, W_PREPARE);
	assert_string_equal(last()->active, W_CORE_TAG " " W_CORE_IP ":6600");
	assert_int_equal(w.n_clients, 1); /* the WIC hears of it when the AGW can serve it */
	w_agw(GW_OK);
	assert_int_equal(w.n_clients, 2);
	/* shown in a 183, and refused after that */
	w_response(1, 183, NULL, with(w_wic_sdp(true), "sendrecv", "recvonly"),
		   CSCF_SIP_CAUSE_NONE);
	assert_int_equal(w_status(h), 183);
	assert_true(w_has(w_answer_msg(h), "a=recvonly"));
	assert_int_equal(last()->phase, W_PREPARE); /* nothing was committed */
	w_response(1, 603, NULL, NULL, CSCF_SIP_CAUSE_NONE);
	assert_int_equal(w_status(h), 603);
	assert_int_equal(w.rollbacks, 1);
	/* the next one speaks of the state before */
	h = reinvite(2, with(w_wic_sdp(false), "o=- 1 2", "o=- 1 9"), "");
	assert_string_equal(last()->active, W_CORE_TAG " " W_CORE_IP ":6000");
	w_agw(GW_OK);
	w_response(2, 200, NULL, with(W_CORE_SDP, "o=- 5 6", "o=- 5 8"), CSCF_SIP_CAUSE_NONE);
	assert_int_equal(last()->phase, W_COMMIT);
	assert_true(last()->gate_up && last()->gate_down);
	w_agw(GW_OK);
	assert_int_equal(w_status(h), 200);
	end();
}

static void test_a_conflict_is_answered_with_everything(void **state)
{
	REQ("IQ-08", "SDP-35");
	const char *moved =
	    with(with(W_CORE_SDP, "o=- 5 6", "o=- 5 7"), "audio 6000", "audio 6600");
	gw_handle h;
	size_t asked;

	(void)state;
	w_mo_call();
	h = w_request(&w_core, "INVITE", W_WIC_URI, W_BOB_TAG, W_ALICE, 1, "", moved);
	w_agw_conflict();
	assert_int_equal(last()->phase, W_PREPARE); /* again, against its revision */
	w_agw(GW_OK);
	w_response(1, 200, NULL, w_wic_sdp(true), CSCF_SIP_CAUSE_NONE);
	assert_int_equal(last()->phase, W_COMMIT);
	w_agw_conflict(); /* it expired there */
	assert_int_equal(last()->phase, WICGATE__IQ__V1__CONFIGURE_REQUEST__PHASE__COMMIT_NOW);
	assert_string_equal(last()->active, W_CORE_TAG " " W_CORE_IP ":6600");
	asked = w.n_iq;
	w_agw(GW_OK);
	assert_int_equal(w_status(h), 200);
	assert_int_equal(w.n_iq, asked);
	w_request(&w_core, "ACK", W_WIC_URI, W_BOB_TAG, W_ALICE, 1, "", NULL);
	/* but only once */
	h = w_request(&w_core, "INVITE", W_WIC_URI, W_BOB_TAG, W_ALICE, 2, "",
		      with(moved, "o=- 5 7", "o=- 5 8"));
	w_agw_conflict();
	w_agw_conflict();
	assert_int_equal(w_status(h), 500);
	end();
}

static void test_a_restart_that_tells_nothing_new_stays_here(void **state)
{
	REQ("ICE-17", "SDP-10");
	gw_handle h;

	(void)state;
	w.cfg.local_answer = true;
	w_mo_call();
	h = reinvite(2, restart("3"), "");
	assert_true(last()->restart);
	w_agw(GW_OK);
	assert_int_equal(last()->phase, W_COMMIT);
	assert_false(last()->restart); /* once in a round */
	assert_int_equal(w_status(h), 200);
	assert_int_equal(w.n_clients, 1); /* nothing went to the core */
	assert_true(w_has(w_answer_msg(h), "a=setup:active"));
	assert_true(w_has(w_answer_msg(h), "Contact: <sip:b1@" W_CORE_IP ">"));
	/* nor does the ACK */
	w_request(&w_wic, "ACK", "sip:b1@" W_CORE_IP, W_ALICE, W_BOB_TAG, 2, "", NULL);
	assert_int_equal(w.n_acks, 1);
	/* the same by UPDATE */
	h = w_request(&w_wic, "UPDATE", "sip:b1@" W_CORE_IP, W_ALICE, W_BOB_TAG, 3, "",
		      with(restart("4"), "ice-ufrag:wicX", "ice-ufrag:wicY"));
	w_agw(GW_OK);
	assert_int_equal(w_status(h), 200);
	assert_int_equal(w.n_clients, 1);
	/* more than a restart: the core has to know */
	h = reinvite(4, with(restart("5"), "sendrecv", "sendonly"), "");
	w_agw(GW_OK);
	assert_int_equal(w.n_clients, 2);
	assert_true(w_has(w.clients[1].msg, "a=sendonly"));
	w_response(1, 488, NULL, NULL, CSCF_SIP_CAUSE_NONE);
	assert_int_equal(w_status(h), 488);
	/* and what it refused is not what it agreed to */
	h = reinvite(5, with(with(restart("6"), "sendrecv", "sendonly"), "wicX", "wicR"), "");
	w_agw(GW_OK);
	assert_int_equal(w.n_clients, 3);
	w_response(2, 488, NULL, NULL, CSCF_SIP_CAUSE_NONE);
	end();
}

static void test_a_restart_is_passed_on_where_the_knob_or_the_timer_says_so(void **state)
{
	REQ("ICE-17", "CALL-33");
	gw_handle h;

	(void)state;
	w_mo_call(); /* the knob says no */
	h = reinvite(2, restart("3"), "");
	w_agw(GW_OK);
	assert_int_equal(w_method(1), CSCF_SIP_INVITE);
	w_response(1, 200, NULL, W_CORE_SDP, CSCF_SIP_CAUSE_NONE);
	w_agw(GW_OK);
	assert_int_equal(w_status(h), 200);
	w_request(&w_wic, "ACK", "sip:b1@" W_CORE_IP, W_ALICE, W_BOB_TAG, 2, "", NULL);
	w.cfg.local_answer = true;
	/* the session was agreed without a timer: what this asks for the core has to say */
	h = reinvite(3, with(restart("4"), "ice-ufrag:wicX", "ice-ufrag:wicZ"),
		     "Supported: timer\r\nSession-Expires: 1800;refresher=uac\r\n");
	w_agw(GW_OK);
	assert_int_equal(w.n_clients, 3);
	w_response_with(2, 200, NULL, W_CORE_SDP, "Session-Expires", "1800;refresher=uac");
	w_agw(GW_OK);
	assert_int_equal(w_status(h), 200);
	w_request(&w_wic, "ACK", "sip:b1@" W_CORE_IP, W_ALICE, W_BOB_TAG, 3, "", NULL);
	/* just refreshed: a restart now may stay here, with the interval that the core knows */
	h = reinvite(4, with(restart("5"), "ice-ufrag:wicX", "ice-ufrag:wicQ"),
		     "Supported: timer\r\nSession-Expires: 900;refresher=uac\r\n");
	w_agw(GW_OK);
	assert_int_equal(w_status(h), 200);
	assert_int_equal(w.n_clients, 3);
	assert_true(w_has(w_answer_msg(h), "Session-Expires: 1800;refresher=uac"));
	w_request(&w_wic, "ACK", "sip:b1@" W_CORE_IP, W_ALICE, W_BOB_TAG, 4, "", NULL);
	end();
}

static void test_nobody_acknowledges_our_answer(void **state)
{
	REQ("CALL-24");
	gw_handle h;

	(void)state;
	w.cfg.local_answer = true;
	w_mo_call();
	h = reinvite(2, restart("3"), "");
	w_agw(GW_OK);
	assert_int_equal(w_status(h), 200);
	cscf_session_on_server_done(w.s, h, false); /* 64*T1 later */
	assert_byes(true, true, "ACK");
}

static void test_our_answer_fails_with_the_agw(void **state)
{
	REQ("SDP-35");
	gw_handle h;

	(void)state;
	w.cfg.local_answer = true;
	w_mo_call();
	h = reinvite(2, restart("3"), "");
	w_agw(GW_ERR_REJECTED);
	assert_int_equal(w_status(h), 500);
	assert_int_equal(w.n_clients, 1);
	h = reinvite(3, restart("4"), "");
	w_agw(GW_OK);
	assert_int_equal(w_status(h), 200);
	w_request(&w_wic, "ACK", "sip:b1@" W_CORE_IP, W_ALICE, W_BOB_TAG, 3, "", NULL);
	end();
}

static void test_no_answer_no_gate(void **state)
{
	REQ("SDP-37", "RTP-04");
	gw_handle h = w_mo_invite();
	size_t asked = w.n_iq;

	(void)state;
	assert_false(last()->gate_up || last()->gate_down);
	w_response(0, 180, W_CORE_TAG, NULL, CSCF_SIP_CAUSE_NONE);
	w_response_with(0, 183, W_CORE_TAG, NULL, "P-Early-Media", "sendrecv");
	assert_int_equal(w_status(h), 183);
	assert_int_equal(w.n_iq, asked); /* the AGW was not asked for anything */
	w_response(0, 200, W_CORE_TAG, W_CORE_SDP, CSCF_SIP_CAUSE_NONE);
	assert_true(last()->gate_up && last()->gate_down);
	w_agw(GW_OK);
	assert_int_equal(w_status(h), 200);
	w_request(&w_wic, "ACK", "sip:b1@" W_CORE_IP, W_ALICE, W_BOB_TAG, 1, "", NULL);
	end();
}

static void test_another_answer_in_the_200(void **state)
{
	REQ("SDP-36");
	gw_handle h = w_mo_invite();
	char *early;
	size_t asked;

	(void)state;
	w_response(0, 183, W_CORE_TAG, W_CORE_SDP, CSCF_SIP_CAUSE_NONE);
	w_agw(GW_OK);
	early = gw_slice_dup(cscf_sip_msg_body(w_answer_msg(h)));
	/* unreliable: the 200 may change it, and the AGW follows */
	w_response(0, 200, W_CORE_TAG,
		   with(with(W_CORE_SDP, "o=- 5 6", "o=- 5 7"), "audio 6000", "audio 6600"),
		   CSCF_SIP_CAUSE_NONE);
	assert_string_equal(last()->active, W_CORE_TAG " " W_CORE_IP ":6600");
	w_agw(GW_OK);
	/* the WIC's text is what it was: only the core's address has changed */
	assert_true(gw_slice_eq_str(cscf_sip_msg_body(w_answer_msg(h)), early));
	free(early);
	asked = w.n_iq;
	w_request(&w_wic, "ACK", "sip:b1@" W_CORE_IP, W_ALICE, W_BOB_TAG, 1, "", NULL);
	assert_int_equal(w.n_iq, asked);
	end();
}

static void test_a_reliable_answer_stands(void **state)
{
	REQ("SDP-36", "CALL-26");
	gw_handle h = w_mo_invite(), prack;

	(void)state;
	w.rseq = 1;
	w_response(0, 183, W_CORE_TAG, W_CORE_SDP, CSCF_SIP_CAUSE_NONE);
	w.rseq = 0;
	w_agw(GW_OK);
	prack = w_request(&w_wic, "PRACK", "sip:b1@" W_CORE_IP, W_ALICE, W_BOB_TAG, 2,
			  "RAck: 1 1 INVITE\r\n", NULL);
	w_response(1, 200, NULL, NULL, CSCF_SIP_CAUSE_NONE);
	assert_int_equal(w_status(prack), 200);
	w_response(0, 200, W_CORE_TAG, with(W_CORE_SDP, "audio 6000", "audio 6600"),
		   CSCF_SIP_CAUSE_NONE);
	w_agw(GW_OK);
	assert_int_equal(w_status(h), 200);
	assert_int_equal(cscf_sip_msg_body(w_answer_msg(h)).n, 0);
	for (size_t i = 0; i < w.n_iq; i++)
		assert_null(strstr(w.iq[i].active, ":6600"));
	end();
}

#define T(name) cmocka_unit_test_setup_teardown(name, w_setup, w_teardown)

int main(void)
{
	static const struct CMUnitTest tests[] = {
	    T(test_an_offer_in_flight_opens_and_shuts_nothing),
	    T(test_a_conflict_is_answered_with_everything),
	    T(test_a_restart_that_tells_nothing_new_stays_here),
	    T(test_a_restart_is_passed_on_where_the_knob_or_the_timer_says_so),
	    T(test_nobody_acknowledges_our_answer),
	    T(test_our_answer_fails_with_the_agw),
	    T(test_no_answer_no_gate),
	    T(test_another_answer_in_the_200),
	    T(test_a_reliable_answer_stands),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
