/* SPDX-License-Identifier: Apache-2.0 */
/* What a call was in the middle of when its AGW went, or what comes while it moves. */
#include "cscf/session/repair_int.h"
#include "tests/unit/cscf/session/moving.h"

#include <event2/event.h>

static const char *core_sdp(const char *o, const char *dir)
{
	static char b[2][1024];
	static unsigned k;
	char *out = b[k++ % 2];

	snprintf(out, sizeof(b[0]),
		 "v=0\r\no=- 5 %s IN IP4 " W_CORE_IP "\r\ns=-\r\nc=IN IP4 " W_CORE_IP
		 "\r\nt=0 0\r\nm=audio 6000 RTP/AVP 0\r\na=rtpmap:0 PCMU/8000\r\na=%s\r\n",
		 o, dir);
	return out;
}

/* `o`: one digit. */
static const char *wic_sdp(bool answer, const char *o, const char *dir)
{
	static char b[2][1200];
	static unsigned k;
	char *out = b[k++ % 2], *at;

	snprintf(out, sizeof(b[0]), "%s", w_wic_sdp(answer));
	strstr(out, "o=- 1 2")[6] = o[0];
	at = strstr(out, "a=sendrecv");
	snprintf(at, sizeof(b[0]) - (size_t)(at - out), "a=%s\r\n", dir);
	return out;
}

static const struct w_iq *last(void)
{
	return &w.iq[w.n_iq - 1];
}

/* ---- held calls ---------------------------------------------------------------------------------
 */

static const struct hold_row {
	bool by_core;
	const char *holder, *held; /* who holds says, the other answers */
	bool up, down;
} holds[] = {{true, "sendonly", "recvonly", false, true},
	     {true, "inactive", "inactive", false, false},
	     {false, "sendonly", "recvonly", true, false},
	     {false, "inactive", "inactive", false, false}};

static void hold(const struct hold_row *r)
{
	w_mo_call();
	if (r->by_core) {
		w_request(&w_core, "INVITE", W_WIC_URI, W_BOB_TAG, W_ALICE, 1, "",
			  core_sdp("7", r->holder));
		w_agw(GW_OK);
		w_response(1, 200, NULL, wic_sdp(true, "3", r->held), CSCF_SIP_CAUSE_NONE);
		w_agw(GW_OK);
		w_request(&w_core, "ACK", W_WIC_URI, W_BOB_TAG, W_ALICE, 1, "", NULL);
	} else {
		w_request(&w_wic, "INVITE", "sip:b1@" W_CORE_IP, W_ALICE, W_BOB_TAG, 2, "",
			  wic_sdp(false, "3", r->holder));
		w_agw(GW_OK);
		w_response(1, 200, NULL, core_sdp("7", r->held), CSCF_SIP_CAUSE_NONE);
		w_agw(GW_OK);
		w_request(&w_wic, "ACK", "sip:b1@" W_CORE_IP, W_ALICE, W_BOB_TAG, 2, "", NULL);
	}
	mv_done(1);
}

/* It stays held: each end is offered what it agreed to, and nothing is opened. */
static void test_held_calls_stay_held(void **state)
{
	REQ("REL-12", "SDP-28");

	for (size_t k = 0; k < sizeof(holds) / sizeof(holds[0]); k++) {
		const struct hold_row *r = &holds[k];
		const char *wic = r->by_core ? r->held : r->holder;
		const char *core = r->by_core ? r->holder : r->held;
		char line[32];
		gw_handle h;
		size_t i;

		hold(r);
		i = mv_moving();
		snprintf(line, sizeof(line), "a=%s\r\n", core);
		assert_true(mv_says(i, line)); /* the WIC hears what the core's end does */
		i = mv_moving_core_with(i, wic_sdp(true, "4", wic));
		snprintf(line, sizeof(line), "a=%s\r\n", wic);
		assert_true(mv_says(i, line));
		mv_moved_with(i, core_sdp("8", core));
		assert_int_equal(last()->op, W_CONFIGURE);
		assert_int_equal(last()->gate_up, r->up);
		assert_int_equal(last()->gate_down, r->down);
		/* and is taken back by who held it */
		h = w_request(&w_core, "INVITE", W_WIC_URI, W_BOB_TAG, W_ALICE, 9, "",
			      core_sdp("9", "sendrecv"));
		w_agw(GW_OK);
		i = w.n_clients - 1;
		assert_true(mv_says(i, "a=sendrecv\r\n") && mv_says(i, "m=audio 31000 "));
		w_response(i, 200, NULL, wic_sdp(true, "5", "sendrecv"), CSCF_SIP_CAUSE_NONE);
		w_agw(GW_OK);
		assert_int_equal(w_status(h), 200);
		assert_true(last()->gate_up && last()->gate_down);
		mv_anew(state);
	}
}

/* ---- a party's offer in the way -----------------------------------------------------------------
 */

/* As if it had waited that long for the offer under way. */
static void offer_waits(uint64_t ms)
{
	struct call *c = mv_call();

	mv_turns(4);
	assert_int_equal(c->repair.state, REPAIR_WAITS);
	assert_true(c->repair.offer_ms != 0);
	c->repair.offer_ms -= ms;
	repair_kick(c);
	mv_turns(2);
}

/* A re-INVITE that a human has to confirm: taken back, and asked again by its sender later. */
static void test_an_offer_that_a_human_looks_at_is_taken_back(void **state)
{
	REQ("REL-12", "CALL-28");
	gw_handle h;
	size_t i;

	(void)state;
	w_mo_call();
	h = w_request(&w_core, "INVITE", W_WIC_URI, W_BOB_TAG, W_ALICE, 7, "",
		      mv_sdp(W_CORE_SDP, "o=- 5 6", "o=- 5 7", MV_CORE_VIDEO));
	w_agw(GW_OK); /* new: one stream more */
	w_agw(GW_OK);
	assert_int_equal(w.n_clients, 2);
	w_response(1, 180, NULL, NULL, CSCF_SIP_CAUSE_NONE);
	mv_lose();
	offer_waits(0);
	assert_false(w.clients[1].cancelled); /* most are answered at once */
	offer_waits(2000);
	assert_true(w.clients[1].cancelled);
	assert_int_equal(w_status(h), 180); /* its end is the callee's to say */
	assert_int_equal(w.reserved, 1);
	w_response(1, 487, NULL, NULL, CSCF_SIP_CAUSE_NONE);
	mv_done(1);
	assert_int_equal(w_status(h), 491);
	mv_reserved_again(2);
	mv_agw(MV_AGW2);
	i = mv_moving_core(w.n_clients - 1, "passive");
	assert_false(mv_says(i, "m=video"));
	mv_moved(i);
	mv_hang_up();
}

/* Its answer crossed the CANCEL: agreed, and then moved as agreed. */
static void test_an_answer_that_crosses_its_cancel(void **state)
{
	REQ("REL-12", "CALL-28");
	gw_handle h;
	size_t i;

	(void)state;
	w_mo_call();
	h = w_request(&w_core, "INVITE", W_WIC_URI, W_BOB_TAG, W_ALICE, 7, "",
		      core_sdp("7", "sendonly"));
	w_agw(GW_OK);
	mv_lose();
	offer_waits(2000);
	assert_true(w.clients[1].cancelled);
	w_response(1, 200, NULL, wic_sdp(true, "3", "recvonly"), CSCF_SIP_CAUSE_NONE);
	mv_done(1);
	assert_int_equal(w_status(h), 200);
	w_request(&w_core, "ACK", W_WIC_URI, W_BOB_TAG, W_ALICE, 7, "", NULL);
	mv_reserved_again(2);
	mv_agw(MV_AGW2);
	i = w.n_clients - 1;
	assert_true(mv_says(i, "a=sendonly\r\n"));
	i = mv_moving_core_with(i, wic_sdp(true, "4", "recvonly"));
	mv_moved_with(i, core_sdp("8", "sendonly"));
	mv_hang_up();
}

/* An offer that nothing ends: the call does not hang for ever. */
static void test_an_offer_that_never_ends(void **state)
{
	REQ("REL-12");
	gw_handle h;

	(void)state;
	w_mo_call();
	h = w_request(&w_core, "INVITE", W_WIC_URI, W_BOB_TAG, W_ALICE, 7, "",
		      core_sdp("7", "sendonly"));
	w_agw(GW_OK);
	mv_lose();
	offer_waits(40000);
	assert_int_equal(w_status(h), 487);
	assert_non_null(w_bye_on(false));
	assert_non_null(w_bye_on(true));
	assert_int_equal(gw_metric_get(&session_metrics[SM_REPAIR_PENDING]), 0);
	w_response(1, 487, NULL, NULL, CSCF_SIP_CAUSE_NONE);
	mv_done(1);
}

/* Who offered gives up himself: his own CANCEL, his own 487. */
static void test_a_cancel_of_the_offerer(void **state)
{
	REQ("REL-12", "CALL-25");
	struct cscf_sip_msg *cancel;
	gw_handle h;
	size_t i;

	(void)state;
	w_mo_call();
	h = w_request(&w_wic, "INVITE", "sip:b1@" W_CORE_IP, W_ALICE, W_BOB_TAG, 2, "",
		      wic_sdp(false, "3", "sendonly"));
	w_agw(GW_OK);
	w_response(1, 180, NULL, NULL, CSCF_SIP_CAUSE_NONE);
	mv_lose();
	mv_turns(2);
	cancel = w_parse("CANCEL sip:b1@" W_CORE_IP " SIP/2.0\r\nVia: SIP/2.0/WSS x;branch=z9hG4bK2"
			 "\r\nFrom: " W_ALICE "\r\nTo: " W_BOB_TAG "\r\nCall-ID: c1\r\n"
			 "CSeq: 2 CANCEL\r\nMax-Forwards: 70\r\nContent-Length: 0\r\n\r\n");
	cscf_session_on_cancel(w.s, h, cancel);
	cscf_sip_msg_free(cancel);
	assert_true(w.clients[1].cancelled);
	w_response(1, 487, NULL, NULL, CSCF_SIP_CAUSE_NONE);
	mv_done(1);
	assert_int_equal(w_status(h), 487);
	mv_reserved_again(2);
	mv_agw(MV_AGW2);
	i = mv_moving_core(w.n_clients - 1, "passive");
	assert_true(mv_says(i, "a=sendrecv")); /* the hold was not agreed */
	mv_moved(i);
	mv_hang_up();
}

/* ---- late offers --------------------------------------------------------------------------------
 */

/* An INVITE without an offer asks for one: not now, and as usual when the call has moved. */
static void test_an_invite_without_an_offer_meanwhile(void **state)
{
	REQ("REL-12", "CALL-28");
	gw_handle h;
	size_t i;

	(void)state;
	w_mt_call();
	mv_lose();
	h = w_request(&w_core, "INVITE", W_WIC_URI, W_BOB_TAG, W_ALICE, 2, "", NULL);
	assert_int_equal(w_status(h), 491);
	mv_reserved_again(2);
	mv_agw(MV_AGW2);
	i = mv_moving_core(w.n_clients - 1, "active");
	mv_moved(i);
	h = w_request(&w_core, "INVITE", W_WIC_URI, W_BOB_TAG, W_ALICE, 3, "", NULL);
	i = w.n_clients - 1;
	assert_true(w.clients[i].to_wic);
	w_response(i, 200, NULL, wic_sdp(false, "4", "sendrecv"), CSCF_SIP_CAUSE_NONE);
	w_agw(GW_OK);
	assert_int_equal(w_status(h), 200);
	assert_true(w_has(w_answer_msg(h), "m=audio 21000 "));
	w_request(&w_core, "ACK", W_WIC_URI, W_BOB_TAG, W_ALICE, 3, "", core_sdp("8", "sendrecv"));
	w_agw(GW_OK);
	mv_done(i);
	cscf_session_release_all(w.s);
	assert_byes(true, true, "shutting down");
}

/* The offer was in the 2xx, its answer is in the ACK, and between them the AGW went. */
static void test_lost_between_a_late_offer_and_its_answer(void **state)
{
	REQ("REL-12", "CALL-31");
	gw_handle h;
	size_t i;

	(void)state;
	h = w_request(&w_core, "INVITE", W_WIC_URI, W_BOB_TAG, "<sip:alice@ims.test>", 1,
		      "Record-Route: <sip:p1.test;lr>\r\n", NULL);
	assert_int_equal(w.n_clients, 1);
	w_response(0, 200, "wic1", w_wic_sdp(false), CSCF_SIP_CAUSE_NONE);
	w_agw(GW_OK);
	assert_int_equal(w_status(h), 200);
	mv_lose();
	mv_turns(4);
	assert_int_equal(w.reserved, 1);
	w_request(&w_core, "ACK", W_WIC_URI, W_BOB_TAG, W_ALICE, 1, "", W_CORE_SDP);
	assert_int_equal(w.n_acks, 1);
	mv_reserved_again(2);
	mv_agw(MV_AGW2);
	i = mv_moving_core(w.n_clients - 1, "passive");
	mv_moved(i);
	assert_true(last()->gate_up && last()->gate_down);
	cscf_session_release_all(w.s);
	assert_byes(true, true, "shutting down");
}

/* ---- our own refresh ----------------------------------------------------------------------------
 */

/* A refresh of ours is with the core, with or without an offer, when the AGW goes. */
static void test_lost_while_we_refresh(void **state)
{
	REQ("REL-12", "CALL-30", "CALL-33");

	for (unsigned by_update = 0; by_update < 2; by_update++) {
		size_t i;

		w.cfg.session_expires_s = 1800;
		w.cfg.min_se_s = 90;
		(void)w_mo_invite();
		w_response_with(0, 200, W_CORE_TAG, W_CORE_SDP, "Allow",
				by_update ? "INVITE, ACK, BYE, UPDATE" : "INVITE, ACK, BYE");
		w_agw(GW_OK);
		w_request(&w_wic, "ACK", "sip:b1@" W_CORE_IP, W_ALICE, W_BOB_TAG, 1, "", NULL);
		event_active(mv_call()->session.refresh, EV_TIMEOUT, 0); /* it is due */
		w_turn();
		assert_int_equal(w.n_clients, 2);
		assert_int_equal(w_method(1), by_update ? CSCF_SIP_UPDATE : CSCF_SIP_INVITE);
		mv_lose();
		mv_turns(4);
		assert_int_equal(w.reserved, 1); /* one at a time */
		w_response(1, 200, NULL, by_update ? NULL : W_CORE_SDP, CSCF_SIP_CAUSE_NONE);
		mv_done(1);
		mv_reserved_again(2);
		mv_agw(MV_AGW2);
		i = mv_moving_core(w.n_clients - 1, "passive");
		mv_moved(i);
		mv_hang_up();
		mv_anew(state);
	}
}

/* It becomes due while the call moves: after that. */
static void test_a_refresh_waits_for_the_move(void **state)
{
	REQ("REL-12", "CALL-30", "CALL-33");
	size_t i;

	(void)state;
	w.cfg.session_expires_s = 1800;
	w.cfg.min_se_s = 90;
	w_mo_call();
	i = mv_moving();
	event_active(mv_call()->session.refresh, EV_TIMEOUT, 0);
	w_turn();
	assert_int_equal(w.n_clients, i + 1);
	i = mv_moving_core(i, "passive");
	mv_moved(i);
	assert_int_equal(w.n_clients, i + 2);
	assert_true(mv_says(i + 1, "Session-Expires: 1800;refresher=uac"));
	cscf_session_release_all(w.s);
	w_agw(GW_OK);
}

/* ---- answers of the core ------------------------------------------------------------------------
 */

/* 500 with Retry-After: it is busy with something of its own, and is asked again. */
static void test_a_core_that_is_busy(void **state)
{
	REQ("REL-12", "CALL-28");
	size_t i, n;

	(void)state;
	w_mo_call();
	i = mv_moving_core(mv_moving(), "passive");
	n = w.n_clients;
	w_response_with(i, 500, NULL, NULL, "Retry-After", "0");
	mv_done(i);
	w_until(&w.n_clients, n);
	assert_false(w.clients[n].to_wic);
	mv_assert_left(n);
	mv_moved(n);
	mv_hang_up();
}

/* From a lite agent to a full one and back: what our offers say of ICE is the new AGW's. */
static void test_the_agent_is_of_another_kind(void **state)
{
	REQ("REL-12", "ICE-18");
	struct mv_agw full = MV_AGW3;
	size_t i;

	(void)state;
	full.full = true;
	w_mo_call();
	i = mv_moving();
	assert_true(mv_says(i, "a=ice-lite\r\n"));
	i = mv_moving_core(i, "passive");
	mv_moved(i);
	mv_lose();
	mv_reserved_again(3);
	mv_agw(full);
	i = w.n_clients - 1;
	assert_false(mv_says(i, "a=ice-lite"));
	assert_true(mv_says(i, "a=ice-ufrag:ag32000"));
	i = mv_moving_core(i, "passive");
	mv_moved(i);
	mv_hang_up();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define T(f) cmocka_unit_test_setup_teardown(f, mv_setup, w_teardown)
	    T(test_held_calls_stay_held),
	    T(test_an_offer_that_a_human_looks_at_is_taken_back),
	    T(test_an_answer_that_crosses_its_cancel),
	    T(test_an_offer_that_never_ends),
	    T(test_a_cancel_of_the_offerer),
	    T(test_an_invite_without_an_offer_meanwhile),
	    T(test_lost_between_a_late_offer_and_its_answer),
	    T(test_lost_while_we_refresh),
	    T(test_a_refresh_waits_for_the_move),
	    T(test_a_core_that_is_busy),
	    T(test_the_agent_is_of_another_kind),
#undef T
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
