/* SPDX-License-Identifier: Apache-2.0 */
/* Calls whose AGW is lost go on at another: in which order, and every way that fails. */
#include "tests/unit/cscf/session/moving.h"

#define NEW_CORE_SDP                                                                               \
	"v=0\r\no=- 5 7 IN IP4 " W_CORE_IP "\r\ns=-\r\nc=IN IP4 " W_CORE_IP "\r\nt=0 0\r\n"        \
	"m=audio 6002 RTP/AVP 0\r\na=rtpmap:0 PCMU/8000\r\na=sendrecv\r\n"

static void test_both_ends_are_asked_and_the_call_goes_on(void **state)
{
	REQ("REL-12", "ICE-18", "DTLS-20");
	int64_t before = gw_metric_get(&session_metrics[SM_REPAIR_MOVED]);
	const struct w_iq *q;
	size_t i;

	(void)state;
	w_mo_call();
	i = mv_moving();
	q = &w.iq[w.n_iq - 1];
	assert_int_equal(q->op, W_RESERVE);
	assert_true(w.priority);
	assert_false(q->gate_up || q->gate_down || q->restart || q->new_dtls);
	assert_string_equal(q->active, W_CORE_TAG " " W_CORE_IP ":6000");
	/* the WIC: who we always were, with a role to choose, and nothing of what it said itself */
	assert_true(mv_says(i, "INVITE sip:a1@x.invalid"));
	assert_true(mv_says(i, "a=setup:actpass"));
	assert_true(mv_says(i, "a=ice-ufrag:ag31000"));
	assert_true(mv_says(i, "m=audio 31000 UDP/TLS/RTP/SAVPF 0"));
	assert_true(mv_says(i, "a=3ge2ae:applied"));
	assert_true(mv_says(i, "a=ice-lite\r\n")); /* the first AGW had a full agent */
	assert_int_equal(w.n_acks, 1);
	i = mv_moving_core(i, "passive");
	assert_int_equal(w.n_acks, 2);
	q = &w.iq[w.n_iq - 1];
	assert_int_equal(q->op, W_CONFIGURE);
	assert_true(q->gate_up && q->gate_down);
	assert_false(q->restart || q->new_dtls); /* nothing there to be restarted */
	assert_true(mv_says(i, "m=audio 21000 RTP/AVP 0"));
	assert_true(mv_says(i, "INVITE sip:b1@" W_CORE_IP));
	mv_moved(i);
	assert_int_equal(w.n_acks, 3);
	assert_int_equal(gw_metric_get(&session_metrics[SM_REPAIR_MOVED]), before + 1);
	assert_int_equal(gw_metric_get(&session_metrics[SM_REPAIR_PENDING]), 0);
	mv_hang_up();
}

static void test_a_call_to_a_wic(void **state)
{
	REQ("REL-12");
	size_t i;

	(void)state;
	w_mt_call();
	i = mv_moving_core(mv_moving(), "active");
	mv_moved(i);
	w_request(&w_core, "BYE", W_WIC_URI, W_BOB_TAG, W_ALICE, 9, "", NULL);
	assert_non_null(w_bye_on(true));
	w_assert_nothing_left();
}

static void test_offers_of_the_parties_meanwhile_are_491(void **state)
{
	REQ("REL-12", "CALL-28");
	gw_handle h;
	size_t i;

	(void)state;
	w_mo_call();
	mv_lose();
	h = w_request(&w_wic, "INVITE", "sip:b1@" W_CORE_IP, W_ALICE, W_BOB_TAG, 2, "",
		      w_wic_sdp(false));
	assert_int_equal(w_status(h), 491);
	mv_reserved_again(2);
	h = w_request(&w_core, "INVITE", W_WIC_URI, W_BOB_TAG, W_ALICE, 7, "", W_CORE_SDP);
	assert_int_equal(w_status(h), 491);
	mv_agw(MV_AGW2);
	h = w_request(&w_core, "UPDATE", W_WIC_URI, W_BOB_TAG, W_ALICE, 8, "", W_CORE_SDP);
	assert_int_equal(w_status(h), 491);
	i = mv_moving_core(w.n_clients - 1, "passive");
	/* what is no offer passes */
	w_request(&w_wic, "INFO", "sip:b1@" W_CORE_IP, W_ALICE, W_BOB_TAG, 3, "", NULL);
	assert_int_equal(w_method(w.n_clients - 1), CSCF_SIP_INFO);
	mv_moved(i);
	h = w_request(&w_core, "INVITE", W_WIC_URI, W_BOB_TAG, W_ALICE, 9, "", W_CORE_SDP);
	assert_int_equal(w_status(h), 0);
	cscf_session_release_all(w.s);
	w_agw(GW_OK);
}

static void test_glare_is_tried_again(void **state)
{
	REQ("REL-12", "CALL-29");
	size_t i, n;

	(void)state;
	w_mt_call(); /* towards the WIC, the callee, ours is the longer wait */
	i = mv_moving_core(mv_moving(), "active");
	n = w.n_clients;
	w_response(i, 491, NULL, NULL, CSCF_SIP_CAUSE_NONE);
	mv_done(i);
	w_until(&w.n_clients, n);
	assert_int_equal(w_method(n), CSCF_SIP_INVITE);
	assert_false(w.clients[n].to_wic);
	mv_moved(n);
	mv_hang_up();
}

/* The other end moves as well, and was refused once: now it asks again, and ours waits. */
static void test_the_core_offers_while_ours_waits(void **state)
{
	REQ("REL-12", "CALL-28");
	gw_handle h;
	size_t i, n;

	(void)state;
	w_mt_call();
	i = mv_moving_core(mv_moving(), "active");
	h = w_request(&w_core, "UPDATE", W_WIC_URI, W_BOB_TAG, W_ALICE, 2, "", NEW_CORE_SDP);
	assert_int_equal(w_status(h), 491); /* it crosses ours */
	w_response(i, 491, NULL, NULL, CSCF_SIP_CAUSE_NONE);
	mv_done(i);
	/* its number is one that ours has already at the WIC */
	h = w_request(&w_core, "INVITE", W_WIC_URI, W_BOB_TAG, W_ALICE, 2, "", NEW_CORE_SDP);
	w_agw(GW_OK);
	n = w.n_clients - 1;
	assert_true(mv_says(n, "CSeq: 3 INVITE"));
	assert_true(w.clients[n].to_wic);
	w_response(n, 200, NULL, mv_wic_answer("active"), CSCF_SIP_CAUSE_NONE);
	w_agw(GW_OK);
	assert_int_equal(w_status(h), 200);
	assert_true(w_has(w_answer_msg(h), "m=audio 21000 RTP/AVP 0"));
	mv_done(n);
	w_request(&w_core, "ACK", W_WIC_URI, W_BOB_TAG, W_ALICE, 2, "", NULL);
	assert_true(w_has(w.acks[w.n_acks - 1], "CSeq: 3 ACK"));
	n = w.n_clients;
	w_until(&w.n_clients, n);
	assert_false(w.clients[n].to_wic);
	mv_moved(n);
	mv_hang_up();
}

static const struct refusal_row {
	bool by_core;
	int status;
	enum cscf_sip_cause local;
} refusals[] = {{false, 488, CSCF_SIP_CAUSE_NONE},   {false, 408, CSCF_SIP_CAUSE_TIMEOUT},
		{false, 200, CSCF_SIP_CAUSE_NONE},   {true, 503, CSCF_SIP_CAUSE_NONE},
		{true, 488, CSCF_SIP_CAUSE_NONE},    {true, 500, CSCF_SIP_CAUSE_NONE},
		{true, 408, CSCF_SIP_CAUSE_TIMEOUT}, {true, 481, CSCF_SIP_CAUSE_NONE}};

static void test_an_end_that_will_not_ends_the_call(void **state)
{
	REQ("REL-12", "REL-05");

	for (size_t k = 0; k < sizeof(refusals) / sizeof(refusals[0]); k++) {
		const struct refusal_row *r = &refusals[k];
		size_t i;

		w_mo_call();
		i = mv_moving();
		if (r->by_core)
			i = mv_moving_core(i, "passive");
		w_response(i, r->status, NULL, NULL, r->local); /* 200: without an answer */
		mv_done(i);
		assert_byes(true, true, "SIP;cause=503;text=\"media gateway lost\"");
		assert_int_equal(gw_metric_get(&session_metrics[SM_REPAIR_PENDING]), 0);
		mv_anew(state);
	}
}

static void test_no_agw_for_too_long(void **state)
{
	REQ("REL-12");
	size_t n;

	(void)state;
	w.cfg.repair_timeout = 60;
	w_mo_call();
	w.no_agw = true;
	n = w.n_clients;
	mv_lose();
	w_until(&w.n_clients, n);
	w.reserved++; /* the lost one */
	w.released++;
	assert_byes(true, true, "media gateway lost");
}

static void test_an_agw_that_comes_in_time(void **state)
{
	REQ("REL-12");
	size_t i;

	(void)state;
	w_mo_call();
	w.no_agw = true;
	mv_lose();
	for (unsigned k = 0; k < 3; k++)
		event_base_loop(w.base, EVLOOP_ONCE);
	assert_int_equal(w.reserved, 1);
	w.no_agw = false;
	mv_reserved_again(2);
	w_agw(GW_ERR_REJECTED); /* full: once more, a little later */
	mv_reserved_again(3);
	mv_agw(MV_AGW2);
	i = mv_moving_core(w.n_clients - 1, "passive");
	mv_moved(i);
	mv_hang_up();
}

static void test_the_wic_is_away(void **state)
{
	REQ("REL-12", "REL-10");
	size_t i;

	(void)state;
	w.cfg.repair_timeout = 60;
	w_mo_call();
	lose_flow();
	mv_lose();
	mv_turns(8);
	mv_call()->repair.in_line_ms = 1; /* longer than repair_timeout: flow.grace is the clock */
	repair_kick(mv_call());
	mv_turns(4);
	assert_int_equal(w.reserved, 1);
	w.reg_conn = W_OTHER;
	cscf_session_on_reg_event(w.s, CSCF_REGISTRAR_EV_REATTACHED, 5, W_CONN, W_OTHER);
	mv_reserved_again(2);
	mv_agw(MV_AGW2);
	i = w.n_clients - 1;
	assert_true(w.clients[i].to_wic);
	i = mv_moving_core(i, "passive");
	mv_moved(i);
	w_request(&w_core, "BYE", W_WIC_URI, W_BOB_TAG, W_ALICE, 9, "", NULL);
	assert_non_null(w_bye_on(true));
	w_assert_nothing_left();
}

static void test_lost_again_while_it_moves(void **state)
{
	REQ("REL-12");
	size_t i;

	(void)state;
	w_mo_call();
	i = mv_moving();
	mv_lose(); /* the second one, too */
	w_response(i, 200, NULL, mv_wic_answer("passive"), CSCF_SIP_CAUSE_NONE);
	mv_done(i);
	mv_reserved_again(3);
	mv_agw(MV_AGW2);
	i = mv_moving_core(w.n_clients - 1, "passive");
	mv_moved(i);
	mv_hang_up();
}

static void test_an_offer_under_way(void **state)
{
	REQ("REL-12", "CALL-30");
	gw_handle h;
	size_t i;

	(void)state;
	w_mo_call();
	h = w_request(&w_core, "INVITE", W_WIC_URI, W_BOB_TAG, W_ALICE, 7, "", W_CORE_SDP);
	w_agw(GW_OK);
	assert_int_equal(w.n_clients, 2); /* it is with the WIC */
	mv_lose();
	mv_turns(4);
	assert_int_equal(w.reserved, 1);
	w_response(1, 200, NULL, mv_wic_answer("passive"), CSCF_SIP_CAUSE_NONE);
	assert_int_equal(w_status(h), 200); /* agreed without an AGW … */
	mv_done(1);
	w_request(&w_core, "ACK", W_WIC_URI, W_BOB_TAG, W_ALICE, 7, "", NULL);
	mv_reserved_again(2); /* … and then moved */
	mv_agw(MV_AGW2);
	i = mv_moving_core(w.n_clients - 1, "passive");
	mv_moved(i);
	mv_hang_up();
}

/* The AGW is asked about an offer, or about an answer, when it goes. */
static void test_the_agw_was_being_asked(void **state)
{
	REQ("REL-12", "IQ-19");

	for (unsigned told = 0; told < 2; told++) { /* by a failed request, by the loss alone */
		gw_handle h;
		size_t i;

		w_mo_call();
		h = w_request(&w_core, "INVITE", W_WIC_URI, W_BOB_TAG, W_ALICE, 7, "",
			      NEW_CORE_SDP);
		assert_int_equal(w_status(h), 0);
		assert_int_equal(w.n_clients, 1);
		if (told == 0)
			w_agw(GW_ERR_GONE);
		else
			w.iq[w.n_iq - 1].done = NULL;
		mv_lose();
		assert_int_equal(w_status(h), 491);
		mv_reserved_again(2);
		mv_agw(MV_AGW2);
		i = mv_moving_core(w.n_clients - 1, "passive");
		/* an answer */
		w_response(i, 200, NULL, NEW_CORE_SDP, CSCF_SIP_CAUSE_NONE);
		mv_done(i);
		if (told == 0)
			w_agw(GW_ERR_TIMEOUT); /* it hangs: as good as lost */
		else
			w.iq[w.n_iq - 1].done = NULL;
		mv_lose();
		mv_reserved_again(3);
		mv_agw(MV_AGW2);
		i = mv_moving_core(w.n_clients - 1, "passive");
		mv_moved(i);
		mv_hang_up();
		mv_anew(state);
	}
}

static void test_hung_up_while_it_moves(void **state)
{
	REQ("REL-12", "REL-01");

	for (unsigned k = 0; k < 3; k++) {
		w_mo_call();
		mv_lose();
		if (k > 0)
			mv_reserved_again(2);
		if (k > 1)
			mv_agw(MV_AGW2);
		w_request(&w_core, "BYE", W_WIC_URI, W_BOB_TAG, W_ALICE, 9, "", NULL);
		assert_non_null(w_bye_on(true));
		if (k > 1) { /* the INVITE that was out */
			assert_true(w.clients[1].cancelled);
			w_response(1, 487, NULL, NULL, CSCF_SIP_CAUSE_NONE);
			mv_done(1);
		}
		assert_int_equal(gw_metric_get(&session_metrics[SM_REPAIR_PENDING]), 0);
		w_agw(GW_OK);
		w_turn();
		assert_int_equal(w.reserved, w.released);
		mv_anew(state);
	}
}

static void test_early_calls_are_released(void **state)
{
	REQ("REL-12", "REL-04");
	gw_handle h = w_mo_invite();

	(void)state;
	mv_lose();
	assert_int_equal(w_status(h), 500);
	assert_true(w.clients[0].cancelled);
	w_response(0, 487, W_CORE_TAG, NULL, CSCF_SIP_CAUSE_NONE);
	w_assert_nothing_left();
}

static void test_not_before_the_ack(void **state)
{
	REQ("REL-12", "CALL-30");
	size_t i;

	(void)state;
	w_mo_invite();
	w_response(0, 200, W_CORE_TAG, W_CORE_SDP, CSCF_SIP_CAUSE_NONE);
	w_agw(GW_OK);
	mv_lose();
	mv_turns(4);
	assert_int_equal(w.reserved, 1);
	w_request(&w_wic, "ACK", "sip:b1@" W_CORE_IP, W_ALICE, W_BOB_TAG, 1, "", NULL);
	mv_reserved_again(2);
	mv_agw(MV_AGW2);
	i = mv_moving_core(w.n_clients - 1, "passive");
	mv_moved(i);
	mv_hang_up();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define T(f) cmocka_unit_test_setup_teardown(f, mv_setup, w_teardown)
	    T(test_both_ends_are_asked_and_the_call_goes_on),
	    T(test_a_call_to_a_wic),
	    T(test_offers_of_the_parties_meanwhile_are_491),
	    T(test_glare_is_tried_again),
	    T(test_the_core_offers_while_ours_waits),
	    T(test_an_end_that_will_not_ends_the_call),
	    T(test_no_agw_for_too_long),
	    T(test_an_agw_that_comes_in_time),
	    T(test_the_wic_is_away),
	    T(test_lost_again_while_it_moves),
	    T(test_an_offer_under_way),
	    T(test_the_agw_was_being_asked),
	    T(test_hung_up_while_it_moves),
	    T(test_early_calls_are_released),
	    T(test_not_before_the_ack),
#undef T
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
