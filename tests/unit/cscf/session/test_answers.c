/* SPDX-License-Identifier: Apache-2.0 */
/* 2xx that nobody acknowledges, that went into the void, that come when the call is over. */
#include "tests/unit/cscf/session/play.h"

static gw_handle reinvite(bool from_wic, unsigned cseq)
{
	if (from_wic)
		return w_request(&w_wic, "INVITE", "sip:b1@" W_CORE_IP, W_ALICE, W_BOB_TAG, cseq,
				 "", w_wic_sdp(false));
	return w_request(&w_core, "INVITE", W_WIC_URI, W_BOB_TAG, W_ALICE, cseq, "", W_CORE_SDP);
}

/* A re-INVITE on its way, answered 200. */
static gw_handle answered(bool from_wic)
{
	gw_handle h = reinvite(from_wic, 2);
	size_t i;

	w_agw(GW_OK);
	i = w.n_clients - 1;
	assert_int_equal(w_method(i), CSCF_SIP_INVITE);
	assert_int_equal(w.clients[i].to_wic, !from_wic);
	w_response(i, 200, NULL, from_wic ? W_CORE_SDP : w_wic_sdp(true), CSCF_SIP_CAUSE_NONE);
	w_agw(GW_OK);
	assert_int_equal(w_status(h), 200);
	return h;
}

static void ack(bool from_wic)
{
	if (from_wic)
		w_request(&w_wic, "ACK", "sip:b1@" W_CORE_IP, W_ALICE, W_BOB_TAG, 2, "", NULL);
	else
		w_request(&w_core, "ACK", W_WIC_URI, W_BOB_TAG, W_ALICE, 2, "", NULL);
}

static void test_a_later_answer_is_not_acknowledged(void **state)
{
	REQ("CALL-24");
	static const struct {
		bool call, again; /* begun by the WIC */
	} rows[] = {{true, true}, {true, false}, {false, true}, {false, false}};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		gw_handle h;

		w_teardown(NULL);
		w_setup(NULL);
		(void)(rows[i].call ? w_mo_call() : w_mt_call());
		h = answered(rows[i].again);
		assert_int_equal(w.released, 0);
		cscf_session_on_server_done(w.s, h, false); /* 64*T1 later */
		assert_int_equal(w.released, 1);
		assert_byes(true, true, "no ACK");
	}
}

static void test_a_later_answer_is_acknowledged(void **state)
{
	REQ("CALL-24");
	static const bool from_wic[] = {true, false};

	(void)state;
	for (size_t i = 0; i < sizeof(from_wic) / sizeof(from_wic[0]); i++) {
		size_t re;
		gw_handle h;

		w_teardown(NULL);
		w_setup(NULL);
		w_mo_call();
		h = answered(from_wic[i]);
		re = w.n_clients - 1;
		ack(from_wic[i]);
		assert_int_equal(w.n_acks, 2);
		/* lost on the other leg: whoever answered says so by its 200 */
		w_response(re, 200, NULL, from_wic[i] ? W_CORE_SDP : w_wic_sdp(true),
			   CSCF_SIP_CAUSE_NONE);
		assert_int_equal(w.n_acks, 3);
		cscf_session_on_server_done(w.s, h, false);
		assert_int_equal(w.released, 0);
		cscf_session_release_all(w.s);
		assert_byes(true, true, "shutting down");
	}
}

static void come_back(void)
{
	w.reg_conn = W_OTHER;
	cscf_session_on_reg_event(w.s, CSCF_REGISTRAR_EV_REATTACHED, 5, W_CONN, W_OTHER);
}

static void test_an_answer_into_the_void_is_said_again(void **state)
{
	REQ("DEREG-43", "CALL-24");

	(void)state;
	w_mo_invite();
	w_response(0, 200, W_CORE_TAG, W_CORE_SDP, CSCF_SIP_CAUSE_NONE);
	w_agw(GW_OK);
	lose_flow();
	come_back();
	assert_int_equal(w.moved, 1);
	assert_int_equal(w.moved_conn, W_OTHER);
	assert_int_equal(w.repeated, 1);
	cscf_session_release_all(w.s);
	assert_byes(true, true, "shutting down");
}

static void test_only_what_was_not_acknowledged_is_said_again(void **state)
{
	REQ("DEREG-43", "CALL-24");

	(void)state;
	w_mo_call();
	reinvite(true, 2);
	w_agw(GW_OK);
	lose_flow();
	w_response(1, 200, NULL, W_CORE_SDP, CSCF_SIP_CAUSE_NONE);
	w_agw(GW_OK);
	come_back();
	assert_int_equal(w.moved, 2);
	assert_int_equal(w.repeated, 1); /* not the one that began the call */
	cscf_session_release_all(w.s);
	assert_byes(true, true, "shutting down");
}

static void test_a_wic_answers_when_timer_c_is_over(void **state)
{
	REQ("CALL-48", "CALL-46");
	gw_handle h = w_mt_invite();

	(void)state;
	w_response(0, 180, "wic1", NULL, CSCF_SIP_CAUSE_NONE);
	w_response(0, 408, NULL, NULL, CSCF_SIP_CAUSE_TIMER_C);
	assert_int_equal(w_status(h), 408);
	w_assert_nothing_left();
	for (unsigned i = 0; i < 2; i++) { /* repeated, because its ACK was lost */
		w_response(0, 200, "wic1", w_wic_sdp(true), CSCF_SIP_CAUSE_NONE);
		assert_int_equal(w.n_acks, 1 + i);
		assert_true(w_has(w.acks[i], "ACK sip:a1@x.invalid"));
		assert_true(w_has(w.acks[i], "CSeq: 1 ACK"));
		assert_false(w_has(w.acks[i], "Route:"));
	}
	assert_int_equal(w.n_clients, 2);
	assert_true(w.clients[1].to_wic);
	assert_false(w_has(w.clients[1].msg, "P-Charging-Vector"));
	assert_true(w_has(w.clients[1].msg, "CSeq: 2 BYE"));
	assert_true(w_has(w.clients[1].msg, "From: " W_BOB_TAG));
	assert_true(w_has(w.clients[1].msg, "Reason: SIP;cause=408"));
}

static void test_a_fork_of_the_core_answers_when_the_call_is_over(void **state)
{
	REQ("CALL-46");

	(void)state;
	w_mo_call();
	cscf_session_release_all(w.s);
	assert_byes(true, true, "shutting down");
	w_response(0, 200, "fork2", W_CORE_SDP, CSCF_SIP_CAUSE_NONE);
	assert_int_equal(w.n_acks, 2);
	assert_true(w_has(w.acks[1], "tag=fork2"));
	assert_true(w_has(w.clients[w.n_clients - 1].msg, "BYE sip:b1@" W_CORE_IP));
	assert_false(w.clients[w.n_clients - 1].to_wic);
	assert_true(w_has(w.clients[w.n_clients - 1].msg, "P-Charging-Vector"));
}

#define T(name) cmocka_unit_test_setup_teardown(name, w_setup, w_teardown)

int main(void)
{
	static const struct CMUnitTest tests[] = {
	    T(test_a_later_answer_is_not_acknowledged),
	    T(test_a_later_answer_is_acknowledged),
	    T(test_an_answer_into_the_void_is_said_again),
	    T(test_only_what_was_not_acknowledged_is_said_again),
	    T(test_a_wic_answers_when_timer_c_is_over),
	    T(test_a_fork_of_the_core_answers_when_the_call_is_over),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
