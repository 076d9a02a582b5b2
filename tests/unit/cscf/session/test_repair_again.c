/* SPDX-License-Identifier: Apache-2.0 */
/* What goes wrong on the way of a call to another AGW, and must not end it: test_repair.c is the
 * way itself. */
#include "tests/unit/cscf/session/moving.h"

/* The WIC drops the video in its answer: the core is not offered it at a port of the lost AGW. */
static void test_a_stream_refused_by_the_wic(void **state)
{
	REQ("REL-12");
	char gone[3000], *at;
	size_t i;

	(void)state;
	mv_video_call();
	mv_lose();
	mv_reserved_again(2);
	mv_agw(MV_AGW2);
	i = w.n_clients - 1;
	assert_true(w.clients[i].to_wic);
	snprintf(gone, sizeof(gone), "%s",
		 mv_sdp(w_wic_sdp(true), "o=- 1 2", "o=- 1 4", mv_video("active", "sendrecv")));
	at = strstr(gone, "m=video 40002");
	memcpy(at, "m=video 0    ", 13);
	w_response(i, 200, NULL, gone, CSCF_SIP_CAUSE_NONE);
	w_agw(GW_OK);
	mv_done(i);
	i = w.n_clients - 1;
	assert_false(w.clients[i].to_wic);
	assert_true(w_has(w.clients[i].msg, "m=audio 21000 "));
	assert_true(w_has(w.clients[i].msg, "m=video 0 "));
	cscf_session_release_all(w.s);
}

/* The call has video on both sides but the core refuses it now. @return the offer to the WIC */
static size_t refused_by_the_core(void)
{
	size_t i;

	mv_video_call();
	i = mv_moving();
	i = mv_moving_core_with(
	    i, mv_sdp(w_wic_sdp(true), "o=- 1 2", "o=- 1 4", mv_video("active", "sendrecv")));
	assert_true(mv_says(i, "m=video 21002 "));
	w_response(i, 200, NULL, mv_sdp(W_CORE_SDP, "o=- 5 6", "o=- 5 8", MV_CORE_NO_VIDEO),
		   CSCF_SIP_CAUSE_NONE);
	w_agw(GW_OK);
	mv_done(i);
	i = w.n_clients - 1;
	assert_true(w.clients[i].to_wic);
	assert_true(mv_says(i, "m=audio 31000 "));
	assert_true(mv_says(i, "m=video 0 "));
	assert_true(mv_says(i, "a=ice-ufrag:ag31000")); /* as before: its path goes on */
	mv_assert_left(i);
	assert_true(repair_is_on(mv_call()));
	return i;
}

/* Else it would send to ports that are nobody's, and check its path to them in vain. */
static void test_the_wic_is_told_what_the_core_refuses(void **state)
{
	REQ("REL-12", "SDP-13");
	char gone[3000];
	gw_handle h;
	size_t i;

	(void)state;
	i = refused_by_the_core();
	h = w_request(&w_core, "INVITE", W_WIC_URI, W_BOB_TAG, W_ALICE, 7, "", W_CORE_SDP);
	assert_int_equal(w_status(h), 491);
	snprintf(gone, sizeof(gone), "%s",
		 mv_sdp(w_wic_sdp(true), "o=- 1 2", "o=- 1 5", mv_video("active", "sendrecv")));
	memcpy(strstr(gone, "m=video 40002"), "m=video 0    ", 13);
	w_response(i, 200, NULL, gone, CSCF_SIP_CAUSE_NONE);
	w_agw(GW_OK);
	mv_done(i);
	assert_int_equal(w.n_clients, i + 1); /* the core knows: nobody is asked any more */
	assert_false(repair_is_on(mv_call()));
	mv_hang_up();
}

/* It will not have the offer: what is left is agreed on both sides all the same. */
static void test_a_wic_that_will_not_hear_of_it(void **state)
{
	REQ("REL-12");
	size_t i;

	(void)state;
	i = refused_by_the_core();
	w_response(i, 488, NULL, NULL, CSCF_SIP_CAUSE_NONE);
	mv_done(i);
	assert_int_equal(w.n_clients, i + 1);
	assert_false(repair_is_on(mv_call()));
	mv_hang_up();
}

/* The AGW goes while the WIC is told: all of it once more. */
static void test_lost_again_while_the_wic_is_told(void **state)
{
	REQ("REL-12");
	char gone[3000];
	size_t i;

	(void)state;
	i = refused_by_the_core();
	mv_lose();
	snprintf(gone, sizeof(gone), "%s",
		 mv_sdp(w_wic_sdp(true), "o=- 1 2", "o=- 1 5", mv_video("active", "sendrecv")));
	memcpy(strstr(gone, "m=video 40002"), "m=video 0    ", 13);
	w_response(i, 200, NULL, gone, CSCF_SIP_CAUSE_NONE);
	mv_done(i);
	mv_reserved_again(3);
	mv_agw(MV_AGW3);
	i = w.n_clients - 1;
	assert_true(mv_says(i, "m=audio 32000 ") && mv_says(i, "m=video 0 "));
	i = mv_moving_core_with(i, gone);
	assert_true(mv_says(i, "m=audio 22000 ") && mv_says(i, "m=video 0 "));
	mv_moved_with(i, mv_sdp(W_CORE_SDP, "o=- 5 6", "o=- 5 9", MV_CORE_NO_VIDEO));
	mv_hang_up();
}

/* The AGWs refuse for a while, as when all are full of the calls of the lost one. */
static void test_refusals_are_waited_out(void **state)
{
	REQ("REL-12");
	(void)state;
	w_mo_call();
	mv_lose();
	for (unsigned n = 2; n <= 7; n++) {
		mv_reserved_again(n);
		w_agw(n < 7 ? GW_ERR_REJECTED : GW_OK);
		mv_call()->repair.again_ms = 0; /* now */
		repair_kick(mv_call());
	}
	assert_int_equal(w_method(w.n_clients - 1), CSCF_SIP_INVITE);
	cscf_session_release_all(w.s);
}

/* The second AGW dies while the WIC is away, before it has the offer. */
static void test_no_offer_of_what_is_lost(void **state)
{
	REQ("REL-12");
	size_t n;

	(void)state;
	w_mo_call();
	mv_lose();
	mv_reserved_again(2);
	lose_flow();
	mv_agw(MV_AGW2);
	n = w.n_clients;
	mv_lose(); /* the second as well */
	w.reg_conn = W_OTHER;
	cscf_session_on_reg_event(w.s, CSCF_REGISTRAR_EV_REATTACHED, 5, W_CONN, W_OTHER);
	assert_int_equal(w.n_clients, n); /* not yet: first an AGW */
	cscf_session_release_all(w.s);
}

/* The core's end waits for something itself, and answers 491 for as long. */
static void test_a_twin_that_is_away(void **state)
{
	REQ("REL-12");
	size_t i;

	(void)state;
	w_mt_call();
	mv_lose();
	mv_reserved_again(2);
	mv_agw(MV_AGW2);
	i = w.n_clients - 1;
	w_response(i, 200, NULL, mv_sdp(w_wic_sdp(true), "o=- 1 2", "o=- 1 3", ""),
		   CSCF_SIP_CAUSE_NONE);
	w_agw(GW_OK);
	mv_done(i);
	for (unsigned k = 0; k < 7; k++) {
		size_t n = w.n_clients;

		assert_int_equal(w_method(n - 1), CSCF_SIP_INVITE);
		w_response(n - 1, 491, NULL, NULL, CSCF_SIP_CAUSE_NONE);
		mv_done(n - 1);
		w_until(&w.n_clients, n);
	}
	cscf_session_release_all(w.s);
}

/* no AGW for a moment, then a queue, then no AGW for a moment. */
static void test_two_short_flaps(void **state)
{
	REQ("REL-12");
	(void)state;
	w.cfg.repair_timeout = 300;
	w.cfg.repair_rate = 1; /* a long queue */
	w_mo_call();
	w.no_agw = true;
	mv_lose();
	w.s->repair_at_ms = session_now_ms(); /* the tokens are others' */
	w.s->repair_tokens = 0;
	event_base_loop(w.base, EVLOOP_ONCE);
	event_base_loop(w.base, EVLOOP_ONCE);
	w.no_agw = false;
	for (unsigned k = 0; k < 20; k++) {
		event_base_loop(w.base, EVLOOP_ONCE);
		w.s->repair_tokens = 0;
	}
	w.no_agw = true; /* 20 ms of it */
	event_base_loop(w.base, EVLOOP_ONCE);
	event_base_loop(w.base, EVLOOP_ONCE);
	assert_int_equal(w.n_clients, 1); /* no BYE */
	cscf_session_release_all(w.s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define T(f) cmocka_unit_test_setup_teardown(f, mv_setup, w_teardown)
	    T(test_a_stream_refused_by_the_wic),
	    T(test_the_wic_is_told_what_the_core_refuses),
	    T(test_a_wic_that_will_not_hear_of_it),
	    T(test_lost_again_while_the_wic_is_told),
	    T(test_refusals_are_waited_out),
	    T(test_no_offer_of_what_is_lost),
	    T(test_a_twin_that_is_away),
	    T(test_two_short_flaps),
#undef T
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
