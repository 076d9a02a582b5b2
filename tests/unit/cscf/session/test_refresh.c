/* SPDX-License-Identifier: Apache-2.0 */
/* Peers that would have the gateway refresh a session too often, and refusals of a refresh. */
#include "tests/unit/cscf/session/play.h"

#define ALLOW "INVITE, ACK, BYE, CANCEL, UPDATE, PRACK"

/* Nobody but the gateway keeps it alive; its first refresh is client 1. */
static void call_of(const char *hdr, const char *value)
{
	gw_handle h = w_mo_invite();

	w_response_with(0, 200, W_CORE_TAG, W_CORE_SDP, hdr, value);
	w_agw(GW_OK);
	assert_int_equal(w_status(h), 200);
	w_request(&w_wic, "ACK", "sip:b1@" W_CORE_IP, W_ALICE, W_BOB_TAG, 1, "", NULL);
}

static void done(size_t i)
{
	w.clients[i].cbs->on_done(w.clients[i].arg, i + 1);
	w.clients[i].live = false;
}

static void refuse(size_t i, const char *hdr, const char *value)
{
	w_response_with(i, 422, NULL, NULL, hdr, value);
	done(i);
	w_turn();
}

static void test_an_answer_cannot_make_it_refresh_all_the_time(void **state)
{
	REQ("CALL-33", "CALL-34");

	(void)state;
	w.cfg.min_se_s = 2;
	call_of("Session-Expires", "1;refresher=uac"); /* a WIC that knows no timers */
	w_until(&w.n_clients, 1);
	assert_int_equal(w_method(1), CSCF_SIP_INVITE);
	assert_true(w_has(w.clients[1].msg, "Session-Expires: 2;refresher=uac"));
	w_response_with(1, 200, NULL, W_CORE_SDP, "Session-Expires", "1;refresher=uac");
	w_agw(GW_OK);
	done(1);
	w_until(&w.n_clients, 2);
	assert_true(w_has(w.clients[2].msg, "Session-Expires: 2;refresher=uac"));
	w_response_with(2, 200, NULL, W_CORE_SDP, "Session-Expires", "2;refresher=uac");
	w_agw(GW_OK);
	done(2);
	cscf_session_release_all(w.s);
	assert_byes(true, true, "shutting down");
}

static void test_422_again_and_again(void **state)
{
	REQ("CALL-33");

	(void)state;
	w.cfg.min_se_s = 1;
	w.cfg.session_expires_s = 2;
	call_of("Allow", ALLOW);
	w_until(&w.n_clients, 1);
	assert_int_equal(w_method(1), CSCF_SIP_UPDATE);
	refuse(1, "X-Nothing", "1"); /* without Min-SE there is nothing to do better … */
	assert_int_equal(w.n_clients, 2);
	w_until(&w.n_clients, 2); /* … but it is tried again, later */
	refuse(2, "Min-SE", "2");
	assert_int_equal(w.n_clients, 3);
	w_until(&w.n_clients, 3);
	refuse(3, "Min-SE", "3");
	assert_int_equal(w.n_clients, 5);
	assert_true(w_has(w.clients[4].msg, "Session-Expires: 3;refresher=uac"));
	refuse(4, "Min-SE", "4");
	assert_int_equal(w.n_clients, 6);
	refuse(5, "Min-SE", "5"); /* who raises it each time is not followed at once */
	assert_int_equal(w.n_clients, 6);
	cscf_session_release_all(w.s);
	assert_byes(true, true, "shutting down");
}

/* Refused by whoever is on the way: tried again, but the call does not live on for it. */
static void test_refusals_of_the_way_do_not_keep_a_call_alive(void **state)
{
	REQ("CALL-34", "CALL-33");
	static const int status[] = {404, 500, 503, 504, 480};
	size_t i = 1, refused = 0;

	(void)state;
	w.cfg.min_se_s = 1;
	w.cfg.session_expires_s = 2;
	call_of("Allow", ALLOW);
	for (; refused < 16; i++) {
		w_until(&w.n_clients, i);
		if (w_method(i) == CSCF_SIP_BYE)
			break;
		assert_int_equal(w_method(i), CSCF_SIP_UPDATE);
		w_response(i, status[refused++ % 5], NULL, NULL, CSCF_SIP_CAUSE_NONE);
		done(i);
	}
	assert_in_range(refused, 2, 5); /* after 4/8, 5/8, … of the interval */
	assert_byes(true, true, "session expired");
}

/* The user agent itself will not have it: that is a sign of life. */
static void test_refusals_of_the_far_end_are_a_sign_of_life(void **state)
{
	REQ("CALL-33");
	static const int status[] = {488, 405, 501};

	(void)state;
	w.cfg.min_se_s = 1;
	w.cfg.session_expires_s = 1;
	call_of("Allow", "INVITE, ACK, BYE, CANCEL");
	for (size_t i = 1; i <= 6; i++) {
		w_until(&w.n_clients, i);
		assert_int_equal(w_method(i), CSCF_SIP_INVITE);
		w_response(i, status[i % 3], NULL, NULL, CSCF_SIP_CAUSE_NONE);
		done(i);
	}
	cscf_session_release_all(w.s);
	assert_byes(true, true, "shutting down");
}

#define T(name) cmocka_unit_test_setup_teardown(name, w_setup, w_teardown)

int main(void)
{
	static const struct CMUnitTest tests[] = {
	    T(test_an_answer_cannot_make_it_refresh_all_the_time),
	    T(test_422_again_and_again),
	    T(test_refusals_of_the_way_do_not_keep_a_call_alive),
	    T(test_refusals_of_the_far_end_are_a_sign_of_life),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
