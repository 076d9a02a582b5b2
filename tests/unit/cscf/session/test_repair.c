/* SPDX-License-Identifier: Apache-2.0 */
/* Calls whose AGW is lost go on at another: in which order, and every way that fails. */
#include "cscf/session/own.h"
#include "cscf/session/session_int.h"
#include "tests/unit/cscf/session/play.h"

#define NEW_CORE_SDP                                                                               \
	"v=0\r\no=- 5 7 IN IP4 " W_CORE_IP "\r\ns=-\r\nc=IN IP4 " W_CORE_IP "\r\nt=0 0\r\n"        \
	"m=audio 6002 RTP/AVP 0\r\na=rtpmap:0 PCMU/8000\r\na=sendrecv\r\n"

static int setup(void **state)
{
	int rc = w_setup(state);

	w.cfg.reanchor = true;
	w.cfg.repair_rate = 1000;
	w.cfg.repair_timeout = 10000; /* longer than a loaded machine stops us */
	return rc;
}

static gw_handle the_call(void)
{
	return w.iq[0].call;
}

/* The context is gone with its AGW: the release that the session makes of it reaches nobody. */
static void lose(const char *why)
{
	w.iq_cbs.on_context_lost(w.iq_arg, the_call(), why);
}

static void done(size_t i)
{
	if (!w.clients[i].live)
		return;
	w.clients[i].cbs->on_done(w.clients[i].arg, i + 1);
	w.clients[i].live = false;
}

static void reserved_again(unsigned n)
{
	for (unsigned i = 0; i < 100 && w.reserved < n; i++)
		event_base_loop(w.base, EVLOOP_ONCE);
	assert_int_equal(w.reserved, n);
}

/* The WIC's answer to an offer of ours: other ICE credentials, the role it has. */
static const char *wic_answer(const char *setup_word)
{
	static char buf[1024];
	char *at;

	snprintf(buf, sizeof(buf), W_WIC_SDP, setup_word);
	at = strstr(buf, "wicU");
	assert_non_null(at);
	memcpy(at, "wicN", 4);
	at = strstr(buf, "o=- 1 2");
	memcpy(at, "o=- 1 3", 7);
	return buf;
}

static bool says(size_t client, const char *text)
{
	return w_has(w.clients[client].msg, text);
}

/* Up to the offer that the WIC gets; it is the last client transaction. */
static size_t moving(void)
{
	unsigned had = w.reserved;

	lose("AGW lost");
	reserved_again(had + 1);
	w_agw(GW_OK);
	assert_true(w.clients[w.n_clients - 1].to_wic);
	assert_int_equal(w_method(w.n_clients - 1), CSCF_SIP_INVITE);
	return w.n_clients - 1;
}

/* The WIC took it: the core's offer is the last client transaction. */
static size_t moving_core(size_t i, const char *setup_word)
{
	w_response(i, 200, NULL, wic_answer(setup_word), CSCF_SIP_CAUSE_NONE);
	w_agw(GW_OK);
	done(i);
	assert_false(w.clients[w.n_clients - 1].to_wic);
	assert_int_equal(w_method(w.n_clients - 1), CSCF_SIP_INVITE);
	return w.n_clients - 1;
}

static void moved(size_t i)
{
	w_response(i, 200, NULL, W_CORE_SDP, CSCF_SIP_CAUSE_NONE);
	w_agw(GW_OK);
	done(i);
	assert_false(repair_is_on(call_find_id(w.s, gw_slice_str("c1"))));
}

static void hang_up(void)
{
	w_request(&w_wic, "BYE", "sip:b1@" W_CORE_IP, W_ALICE, W_BOB_TAG, 9, "", NULL);
	assert_non_null(w_bye_on(false));
	w_assert_nothing_left();
}

static void test_both_ends_are_asked_and_the_call_goes_on(void **state)
{
	REQ("REL-12", "ICE-18", "DTLS-20");
	int64_t before = gw_metric_get(&session_metrics[SM_REPAIR_MOVED]);
	const struct w_iq *q;
	size_t i;

	(void)state;
	w_mo_call();
	i = moving();
	q = &w.iq[w.n_iq - 1];
	assert_int_equal(q->op, W_RESERVE);
	assert_true(w.priority);
	assert_false(q->gate_up || q->gate_down || q->restart || q->new_dtls);
	assert_string_equal(q->active, W_CORE_TAG " " W_CORE_IP ":6000");
	/* the WIC: who we always were, with a role to choose, and nothing of what it said itself */
	assert_true(says(i, "INVITE sip:a1@x.invalid"));
	assert_true(says(i, "a=setup:actpass"));
	assert_true(says(i, "a=ice-ufrag:agwU"));
	assert_true(says(i, "m=audio 30000 UDP/TLS/RTP/SAVPF 0"));
	assert_true(says(i, "a=3ge2ae:applied"));
	assert_int_equal(w.n_acks, 1);
	i = moving_core(i, "passive");
	assert_int_equal(w.n_acks, 2);
	q = &w.iq[w.n_iq - 1];
	assert_int_equal(q->op, W_CONFIGURE);
	assert_true(q->gate_up && q->gate_down);
	assert_false(q->restart || q->new_dtls); /* nothing there to be restarted */
	assert_true(says(i, "m=audio 20000 RTP/AVP 0"));
	assert_true(says(i, "INVITE sip:b1@" W_CORE_IP));
	moved(i);
	assert_int_equal(w.n_acks, 3);
	assert_int_equal(gw_metric_get(&session_metrics[SM_REPAIR_MOVED]), before + 1);
	assert_int_equal(gw_metric_get(&session_metrics[SM_REPAIR_PENDING]), 0);
	hang_up();
}

static void test_a_call_to_a_wic(void **state)
{
	REQ("REL-12");
	size_t i;

	(void)state;
	w_mt_call();
	i = moving_core(moving(), "active");
	moved(i);
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
	lose("AGW lost");
	h = w_request(&w_wic, "INVITE", "sip:b1@" W_CORE_IP, W_ALICE, W_BOB_TAG, 2, "",
		      w_wic_sdp(false));
	assert_int_equal(w_status(h), 491);
	reserved_again(2);
	h = w_request(&w_core, "INVITE", W_WIC_URI, W_BOB_TAG, W_ALICE, 7, "", W_CORE_SDP);
	assert_int_equal(w_status(h), 491);
	w_agw(GW_OK);
	h = w_request(&w_core, "UPDATE", W_WIC_URI, W_BOB_TAG, W_ALICE, 8, "", W_CORE_SDP);
	assert_int_equal(w_status(h), 491);
	i = moving_core(w.n_clients - 1, "passive");
	/* what is no offer passes */
	w_request(&w_wic, "INFO", "sip:b1@" W_CORE_IP, W_ALICE, W_BOB_TAG, 3, "", NULL);
	assert_int_equal(w_method(w.n_clients - 1), CSCF_SIP_INFO);
	moved(i);
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
	i = moving_core(moving(), "active");
	n = w.n_clients;
	w_response(i, 491, NULL, NULL, CSCF_SIP_CAUSE_NONE);
	done(i);
	w_until(&w.n_clients, n);
	assert_int_equal(w_method(n), CSCF_SIP_INVITE);
	assert_false(w.clients[n].to_wic);
	moved(n);
	hang_up();
}

/* The other end moves as well, and was refused once: now it asks again, and ours waits. */
static void test_the_core_offers_while_ours_waits(void **state)
{
	REQ("REL-12", "CALL-28");
	gw_handle h;
	size_t i, n;

	(void)state;
	w_mt_call();
	i = moving_core(moving(), "active");
	h = w_request(&w_core, "UPDATE", W_WIC_URI, W_BOB_TAG, W_ALICE, 2, "", NEW_CORE_SDP);
	assert_int_equal(w_status(h), 491); /* it crosses ours */
	w_response(i, 491, NULL, NULL, CSCF_SIP_CAUSE_NONE);
	done(i);
	/* its number is one that ours has already at the WIC */
	h = w_request(&w_core, "INVITE", W_WIC_URI, W_BOB_TAG, W_ALICE, 2, "", NEW_CORE_SDP);
	w_agw(GW_OK);
	n = w.n_clients - 1;
	assert_true(says(n, "CSeq: 3 INVITE"));
	assert_true(w.clients[n].to_wic);
	w_response(n, 200, NULL, wic_answer("active"), CSCF_SIP_CAUSE_NONE);
	w_agw(GW_OK);
	assert_int_equal(w_status(h), 200);
	assert_true(w_has(w_answer_msg(h), "m=audio 20000 RTP/AVP 0"));
	done(n);
	w_request(&w_core, "ACK", W_WIC_URI, W_BOB_TAG, W_ALICE, 2, "", NULL);
	assert_true(w_has(w.acks[w.n_acks - 1], "CSeq: 3 ACK"));
	n = w.n_clients;
	w_until(&w.n_clients, n);
	assert_false(w.clients[n].to_wic);
	moved(n);
	hang_up();
}

static const struct refusal_row {
	bool by_core;
	int status;
	enum cscf_sip_cause local;
} refusals[] = {{false, 488, CSCF_SIP_CAUSE_NONE},   {false, 408, CSCF_SIP_CAUSE_TIMEOUT},
		{false, 200, CSCF_SIP_CAUSE_NONE},   {true, 503, CSCF_SIP_CAUSE_NONE},
		{true, 408, CSCF_SIP_CAUSE_TIMEOUT}, {true, 481, CSCF_SIP_CAUSE_NONE}};

static void test_an_end_that_will_not_ends_the_call(void **state)
{
	REQ("REL-12", "REL-05");

	for (size_t k = 0; k < sizeof(refusals) / sizeof(refusals[0]); k++) {
		const struct refusal_row *r = &refusals[k];
		size_t i;

		w_mo_call();
		i = moving();
		if (r->by_core)
			i = moving_core(i, "passive");
		w_response(i, r->status, NULL, NULL, r->local); /* 200: without an answer */
		done(i);
		assert_byes(true, true, "SIP;cause=503;text=\"media gateway lost\"");
		assert_int_equal(gw_metric_get(&session_metrics[SM_REPAIR_PENDING]), 0);
		assert_int_equal(w_teardown(state), 0);
		assert_int_equal(setup(state), 0);
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
	lose("AGW lost");
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
	lose("AGW lost");
	for (unsigned k = 0; k < 3; k++)
		event_base_loop(w.base, EVLOOP_ONCE);
	assert_int_equal(w.reserved, 1);
	w.no_agw = false;
	reserved_again(2);
	w_agw(GW_ERR_REJECTED); /* full: once more, a little later */
	reserved_again(3);
	w_agw(GW_OK);
	i = moving_core(w.n_clients - 1, "passive");
	moved(i);
	hang_up();
}

static void test_the_wic_is_away(void **state)
{
	REQ("REL-12", "REL-10");
	size_t i;

	(void)state;
	w.cfg.repair_timeout = 60;
	w_mo_call();
	lose_flow();
	lose("AGW lost");
	for (unsigned k = 0; k < 8; k++) /* longer than repair_timeout: flow.grace is the clock */
		event_base_loop(w.base, EVLOOP_ONCE);
	assert_int_equal(w.reserved, 1);
	w.reg_conn = W_OTHER;
	cscf_session_on_reg_event(w.s, CSCF_REGISTRAR_EV_REATTACHED, 5, W_CONN, W_OTHER);
	reserved_again(2);
	w_agw(GW_OK);
	i = w.n_clients - 1;
	assert_true(w.clients[i].to_wic);
	i = moving_core(i, "passive");
	moved(i);
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
	i = moving();
	lose("AGW lost"); /* the second one, too */
	w_response(i, 200, NULL, wic_answer("passive"), CSCF_SIP_CAUSE_NONE);
	done(i);
	reserved_again(3);
	w_agw(GW_OK);
	i = moving_core(w.n_clients - 1, "passive");
	moved(i);
	hang_up();
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
	lose("AGW lost");
	for (unsigned k = 0; k < 2; k++)
		event_base_loop(w.base, EVLOOP_ONCE);
	assert_int_equal(w.reserved, 1);
	w_response(1, 200, NULL, wic_answer("passive"), CSCF_SIP_CAUSE_NONE);
	assert_int_equal(w_status(h), 200); /* agreed without an AGW … */
	done(1);
	w_request(&w_core, "ACK", W_WIC_URI, W_BOB_TAG, W_ALICE, 7, "", NULL);
	reserved_again(2); /* … and then moved */
	w_agw(GW_OK);
	i = moving_core(w.n_clients - 1, "passive");
	moved(i);
	hang_up();
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
		lose("AGW lost");
		assert_int_equal(w_status(h), 491);
		reserved_again(2);
		w_agw(GW_OK);
		i = moving_core(w.n_clients - 1, "passive");
		/* an answer */
		w_response(i, 200, NULL, NEW_CORE_SDP, CSCF_SIP_CAUSE_NONE);
		done(i);
		if (told == 0)
			w_agw(GW_ERR_TIMEOUT); /* it hangs: as good as lost */
		else
			w.iq[w.n_iq - 1].done = NULL;
		lose("AGW lost");
		reserved_again(3);
		w_agw(GW_OK);
		i = moving_core(w.n_clients - 1, "passive");
		moved(i);
		hang_up();
		assert_int_equal(w_teardown(state), 0);
		assert_int_equal(setup(state), 0);
	}
}

static void test_hung_up_while_it_moves(void **state)
{
	REQ("REL-12", "REL-01");

	for (unsigned k = 0; k < 3; k++) {
		w_mo_call();
		lose("AGW lost");
		if (k > 0)
			reserved_again(2);
		if (k > 1)
			w_agw(GW_OK);
		w_request(&w_core, "BYE", W_WIC_URI, W_BOB_TAG, W_ALICE, 9, "", NULL);
		assert_non_null(w_bye_on(true));
		if (k > 1) { /* the INVITE that was out */
			assert_true(w.clients[1].cancelled);
			w_response(1, 487, NULL, NULL, CSCF_SIP_CAUSE_NONE);
			done(1);
		}
		assert_int_equal(gw_metric_get(&session_metrics[SM_REPAIR_PENDING]), 0);
		w_agw(GW_OK);
		w_turn();
		assert_int_equal(w.reserved, w.released);
		assert_int_equal(w_teardown(state), 0);
		assert_int_equal(setup(state), 0);
	}
}

static void test_early_calls_are_released(void **state)
{
	REQ("REL-12", "REL-04");
	gw_handle h = w_mo_invite();

	(void)state;
	lose("AGW lost");
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
	lose("AGW lost");
	event_base_loop(w.base, EVLOOP_ONCE);
	assert_int_equal(w.reserved, 1);
	w_request(&w_wic, "ACK", "sip:b1@" W_CORE_IP, W_ALICE, W_BOB_TAG, 1, "", NULL);
	reserved_again(2);
	w_agw(GW_OK);
	i = moving_core(w.n_clients - 1, "passive");
	moved(i);
	hang_up();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define T(f) cmocka_unit_test_setup_teardown(f, setup, w_teardown)
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
