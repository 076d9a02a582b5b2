/* SPDX-License-Identifier: Apache-2.0 */
/* Requests that the gateway itself makes in a dialog: session refreshes, and what they do to the
 * parties' own: CSeq, turns, glare. */
#include "cscf/session/own.h"
#include "cscf/session/session_int.h"
#include "tests/unit/cscf/session/play.h"

#define ALLOW_ALL "INVITE, ACK, BYE, CANCEL, UPDATE, PRACK"
#define ALLOW_OLD "INVITE, ACK, BYE, CANCEL"

/* A call that nobody but the gateway keeps alive; its first refresh is client 1. */
static gw_handle timed_call(const char *allow, unsigned interval)
{
	gw_handle h;

	w.cfg.session_expires_s = interval;
	w.cfg.min_se_s = 1;
	h = w_mo_invite();
	w_response_with(0, 200, W_CORE_TAG, W_CORE_SDP, "Allow", allow);
	w_agw(GW_OK);
	assert_int_equal(w_status(h), 200);
	assert_false(w_has(w_answer_msg(h), "Session-Expires"));
	w_request(&w_wic, "ACK", "sip:b1@" W_CORE_IP, W_ALICE, W_BOB_TAG, 1, "", NULL);
	return h;
}

static void late_mt_call(void)
{
	(void)w_request(&w_core, "INVITE", W_WIC_URI, W_BOB_TAG, "<sip:alice@ims.test>", 40, "",
			W_CORE_SDP);
	w_agw(GW_OK);
	w_response(0, 200, "wic1", w_wic_sdp(true), CSCF_SIP_CAUSE_NONE);
	w_agw(GW_OK);
	w_request(&w_core, "ACK", W_WIC_URI, W_BOB_TAG, W_ALICE, 40, "", NULL);
}

static gw_handle from_wic(const char *method, unsigned cseq, const char *extra, const char *sdp)
{
	return w_request(&w_wic, method, "sip:b1@" W_CORE_IP, W_ALICE, W_BOB_TAG, cseq, extra, sdp);
}

static gw_handle from_core(const char *method, unsigned cseq, const char *sdp)
{
	return w_request(&w_core, method, W_WIC_URI, W_BOB_TAG, W_ALICE, cseq, "", sdp);
}

static const char *wic_hold(void)
{
	static char buf[1024];

	snprintf(buf, sizeof(buf), "%s", w_wic_sdp(false));
	memcpy(strstr(buf, "o=- 1 2"), "o=- 1 3", 7);
	memcpy(strstr(buf, "sendrecv"), "sendonly", 8);
	return buf;
}

static void done(size_t i)
{
	w.clients[i].cbs->on_done(w.clients[i].arg, i + 1);
	w.clients[i].live = false;
}

static void end(void)
{
	cscf_session_release_all(w.s);
	for (size_t i = 0; i < w.n_clients; i++)
		if (w.clients[i].cancelled && w.clients[i].live) {
			w_response(i, 487, NULL, NULL, CSCF_SIP_CAUSE_NONE);
			done(i);
		}
	assert_byes(true, true, "shutting down");
}

/* ---- one of the test's own */

static unsigned n_done;
static enum own_outcome last_outcome;

static void note(struct call *c, const struct own *o, enum own_outcome outcome,
		 const struct cscf_sip_msg *rsp)
{
	(void)c;
	(void)o;
	(void)rsp;
	n_done++;
	last_outcome = outcome;
}

static const struct own_kind update = {
    .name = "test", .method = CSCF_SIP_UPDATE, .waits = true, .done = note};

static void ask(enum side to)
{
	struct call *c = call_find_id(w.s, gw_slice_str("c1"));
	struct own_order order = {.kind = &update, .dialog = c->dialogs, .to = to};

	n_done = 0;
	assert_int_equal(own_request(c, &order), GW_OK);
}

static void test_cseq_rises_at_the_peer_and_is_mapped_back(void **state)
{
	REQ("CALL-05", "CALL-33");
	const struct cscf_sip_msg *bye;
	gw_handle h;

	(void)state;
	timed_call(ALLOW_ALL, 2);
	assert_true(w_has(w.clients[0].msg, "Session-Expires: 2"));
	w_until(&w.n_clients, 1);
	assert_int_equal(w_method(1), CSCF_SIP_UPDATE);
	assert_false(w.clients[1].to_wic);
	assert_true(w_has(w.clients[1].msg, "CSeq: 2 UPDATE"));
	assert_true(w_has(w.clients[1].msg, "Session-Expires: 2;refresher=uac"));
	assert_true(w_has(w.clients[1].msg, "Contact: <sip:a1@x.invalid;transport=ws>"));
	assert_true(w_has(w.clients[1].msg, "P-Charging-Vector: "));
	assert_int_equal(cscf_sip_msg_body(w.clients[1].msg).n, 0);
	w_response(1, 200, NULL, NULL, CSCF_SIP_CAUSE_NONE);
	done(1);
	/* the WIC knows nothing of that one */
	h = from_wic("INFO", 2, "", NULL);
	assert_true(w_has(w.clients[2].msg, "CSeq: 3 INFO"));
	w_response(2, 200, NULL, NULL, CSCF_SIP_CAUSE_NONE);
	assert_true(w_has(w_answer_msg(h), "CSeq: 2 INFO"));
	/* INVITE, its answer, its ACK */
	h = from_wic("INVITE", 3, "", w_wic_sdp(false));
	w_agw(GW_OK);
	assert_true(w_has(w.clients[3].msg, "CSeq: 4 INVITE"));
	w_response(3, 200, NULL, W_CORE_SDP, CSCF_SIP_CAUSE_NONE);
	w_agw(GW_OK);
	assert_true(w_has(w_answer_msg(h), "CSeq: 3 INVITE"));
	from_wic("ACK", 3, "", NULL);
	assert_true(w_has(w.acks[w.n_acks - 1], "CSeq: 4 ACK"));
	/* numbers of before are what they were then */
	from_wic("ACK", 1, "", NULL);
	assert_true(w_has(w.acks[w.n_acks - 1], "CSeq: 1 ACK"));
	/* the other way nothing was put in */
	from_core("INFO", 9, NULL);
	assert_true(w_has(w.clients[4].msg, "CSeq: 9 INFO"));
	from_wic("BYE", 4, "", NULL);
	bye = w_bye_on(false);
	assert_non_null(bye);
	assert_true(w_has(bye, "CSeq: 5 BYE"));
	w_assert_nothing_left();
}

static void test_rack_names_the_invite_as_it_went_out(void **state)
{
	REQ("CALL-05", "CALL-26");
	gw_handle h;

	(void)state;
	timed_call(ALLOW_ALL, 2);
	w_until(&w.n_clients, 1);
	w_response(1, 200, NULL, NULL, CSCF_SIP_CAUSE_NONE);
	h = from_wic("INVITE", 2, "", w_wic_sdp(false));
	assert_true(w_has(w.clients[2].msg, "CSeq: 3 INVITE"));
	w.rseq = 55;
	w_response(2, 180, NULL, NULL, CSCF_SIP_CAUSE_NONE);
	assert_true(w_has(w_answer_msg(h), "RSeq: 55"));
	assert_true(w_has(w_answer_msg(h), "CSeq: 2 INVITE"));
	from_wic("PRACK", 3, "RAck: 55 2 INVITE\r\n", NULL);
	assert_true(w_has(w.clients[3].msg, "CSeq: 4 PRACK"));
	assert_true(w_has(w.clients[3].msg, "RAck: 55 3 INVITE"));
	w_response(2, 488, NULL, NULL, CSCF_SIP_CAUSE_NONE);
	end();
}

static void test_refresh_by_invite_changes_nothing_at_the_agw(void **state)
{
	REQ("CALL-33", "SDP-11", "CALL-24");
	char *before = NULL;
	size_t n_iq, n_acks;
	struct cscf_sip_part offer, again;

	(void)state;
	timed_call(ALLOW_OLD, 2);
	w_until(&w.n_clients, 1);
	n_iq = w.n_iq;
	n_acks = w.n_acks;
	assert_int_equal(w_method(1), CSCF_SIP_INVITE);
	assert_false(w.clients[1].to_wic);
	assert_int_equal(cscf_sip_msg_find_part(w.clients[0].msg, "application/sdp", &offer),
			 GW_OK);
	assert_int_equal(cscf_sip_msg_find_part(w.clients[1].msg, "application/sdp", &again),
			 GW_OK);
	before = gw_slice_dup(offer.body);
	assert_true(gw_slice_eq_str(again.body, before)); /* o= included */
	free(before);
	w_response(1, 200, NULL, W_CORE_SDP, CSCF_SIP_CAUSE_NONE);
	assert_int_equal(w.n_iq, n_iq);
	assert_int_equal(w.n_acks, n_acks + 1);
	assert_true(w_has(w.acks[n_acks], "CSeq: 2 ACK"));
	assert_int_equal(w.n_clients, 2); /* the WIC hears nothing */
	/* the ACK was lost */
	w_response(1, 200, NULL, W_CORE_SDP, CSCF_SIP_CAUSE_NONE);
	assert_int_equal(w.n_acks, n_acks + 2);
	done(1);
	/* and once more: the watch began anew */
	w_until(&w.n_clients, 2);
	assert_int_equal(w_method(2), CSCF_SIP_INVITE);
	w_response(2, 488, NULL, NULL, CSCF_SIP_CAUSE_NONE); /* alive */
	w_until(&w.n_clients, 3);
	end();
}

static void test_what_the_peer_says_in_a_refresh_is_done(void **state)
{
	REQ("CALL-33", "SDP-11");
	char moved[1024];

	(void)state;
	timed_call(ALLOW_OLD, 2);
	w_until(&w.n_clients, 1);
	snprintf(moved, sizeof(moved), "%s", W_CORE_SDP);
	memcpy(strstr(moved, "o=- 5 6"), "o=- 5 7", 7);
	memcpy(strstr(moved, "sendrecv"), "recvonly", 8);
	w_response(1, 200, NULL, moved, CSCF_SIP_CAUSE_NONE);
	assert_int_equal(w.iq[w.n_iq - 1].op, W_CONFIGURE);
	assert_true(w.iq[w.n_iq - 1].gate_up);
	assert_false(w.iq[w.n_iq - 1].gate_down);
	w_agw(GW_OK);
	assert_int_equal(w.n_clients, 2);
	end();
}

static void test_a_refresh_waits_for_the_parties(void **state)
{
	REQ("CALL-30");

	(void)state;
	w_mo_call();
	from_wic("INVITE", 2, "", wic_hold());
	w_agw(GW_OK);
	assert_int_equal(w.n_clients, 2);
	ask(SIDE_CORE);
	assert_int_equal(w.n_clients, 2);
	w_response(1, 200, NULL, W_CORE_SDP, CSCF_SIP_CAUSE_NONE);
	w_agw(GW_OK);
	assert_int_equal(w.n_clients, 2); /* not before its ACK */
	from_wic("ACK", 2, "", NULL);
	assert_int_equal(w.n_clients, 3);
	assert_int_equal(w_method(2), CSCF_SIP_UPDATE);
	assert_true(w_has(w.clients[2].msg, "CSeq: 3 UPDATE"));
	ask(SIDE_WIC); /* and ours one after the other */
	assert_int_equal(w.n_clients, 3);
	w_response(2, 200, NULL, NULL, CSCF_SIP_CAUSE_NONE);
	assert_int_equal(w.n_clients, 4);
	assert_true(w.clients[3].to_wic);
	end();
}

static void test_a_party_that_crosses_ours_gets_491(void **state)
{
	REQ("CALL-28", "CALL-29");

	(void)state;
	timed_call(ALLOW_OLD, 2);
	w_until(&w.n_clients, 1);
	assert_int_equal(w_status(from_core("INVITE", 7, W_CORE_SDP)), 491);
	assert_int_equal(w_status(from_core("INVITE", 7, NULL)),
			 491); /* its offer is yet to come */
	assert_int_equal(w_status(from_core("UPDATE", 8, W_CORE_SDP)), 491);
	assert_int_equal(w_status(from_wic("INVITE", 2, "", w_wic_sdp(false))), 491);
	/* what makes no offer passes */
	from_wic("INFO", 3, "", NULL);
	assert_int_equal(w.n_clients, 3);
	w_response(1, 200, NULL, W_CORE_SDP, CSCF_SIP_CAUSE_NONE);
	from_core("INVITE", 9, W_CORE_SDP);
	assert_int_equal(w.n_clients, 4);
	end();
}

static void test_after_491_it_is_tried_again_with_another_number(void **state)
{
	REQ("CALL-29", "CALL-05");

	(void)state;
	late_mt_call(); /* the peer owns the Call-ID: 0 to 2 s */
	ask(SIDE_CORE);
	assert_int_equal(w_method(1), CSCF_SIP_UPDATE);
	assert_true(w_has(w.clients[1].msg, "CSeq: 41 UPDATE")); /* the callee said nothing yet */
	w_response(1, 491, NULL, NULL, CSCF_SIP_CAUSE_NONE);
	done(1);
	w_until(&w.n_clients, 2);
	assert_int_equal(w_method(2), CSCF_SIP_UPDATE);
	assert_true(w_has(w.clients[2].msg, "CSeq: 42 UPDATE"));
	w_response(2, 200, NULL, NULL, CSCF_SIP_CAUSE_NONE);
	assert_int_equal(n_done, 1);
	assert_int_equal(last_outcome, OWN_DONE);
	/* the callee begins to count where it likes; the peer sees it rise */
	from_wic("INFO", 1, "", NULL);
	assert_true(w_has(w.clients[3].msg, "CSeq: 43 INFO"));
	from_wic("INFO", 2, "", NULL);
	assert_true(w_has(w.clients[4].msg, "CSeq: 44 INFO"));
	end();
}

static void test_the_owner_of_the_call_id_waits_longer(void **state)
{
	REQ("CALL-29");
	uint64_t begun;

	(void)state;
	w_mo_call(); /* towards the callee we stand for the caller */
	ask(SIDE_CORE);
	w_response(1, 491, NULL, NULL, CSCF_SIP_CAUSE_NONE);
	done(1);
	begun = session_now_ms();
	w_until(&w.n_clients, 2);
	assert_in_range(session_now_ms() - begun, 2090, 4500);
	w_response(2, 200, NULL, NULL, CSCF_SIP_CAUSE_NONE);
	assert_int_equal(n_done, 1);
	end();
}

static void test_retry_after_is_waited_for(void **state)
{
	REQ("CALL-28");

	(void)state;
	w_mo_call();
	ask(SIDE_CORE);
	for (size_t i = 1; i <= 6; i++) { /* and not for ever */
		w_until(&w.n_clients, i);
		assert_int_equal(w_method(i), CSCF_SIP_UPDATE);
		assert_int_equal(n_done, 0);
		w_response_with(i, 500, NULL, NULL, "Retry-After", "0");
		done(i);
	}
	assert_int_equal(n_done, 1);
	assert_int_equal(last_outcome, OWN_REFUSED);
	end();
}

static void test_no_update_after_all(void **state)
{
	REQ("CALL-33");

	(void)state;
	timed_call(ALLOW_ALL, 2);
	w_until(&w.n_clients, 1);
	w_response(1, 405, NULL, NULL, CSCF_SIP_CAUSE_NONE);
	done(1);
	w_until(&w.n_clients, 2);
	assert_int_equal(w_method(2), CSCF_SIP_INVITE);
	w_response(2, 200, NULL, W_CORE_SDP, CSCF_SIP_CAUSE_NONE);
	end();
}

static void test_a_dead_peer_is_cleared(void **state)
{
	REQ("CALL-33", "REL-05");

	(void)state;
	timed_call(ALLOW_ALL, 2);
	w_until(&w.n_clients, 1);
	w_response(1, 481, NULL, NULL, CSCF_SIP_CAUSE_NONE);
	done(1);
	assert_byes(true, true, "cause=481");
}

static void test_a_refresh_without_an_answer_ends_the_call(void **state)
{
	REQ("CALL-34");

	(void)state;
	timed_call(ALLOW_ALL, 1);
	w_until(&w.n_clients, 1);
	w_until(&w.n_clients, 2); /* the interval is over */
	assert_byes(true, true, "session expired");
}

static void test_a_wic_that_cannot_refresh_there_is_answered_here(void **state)
{
	REQ("CALL-33");
	gw_handle h;

	(void)state;
	w.cfg.session_expires_s = 4;
	w.cfg.min_se_s = 1;
	h = w_request(&w_core, "INVITE", W_WIC_URI, W_BOB_TAG, "<sip:alice@ims.test>", 40,
		      "Allow: " ALLOW_OLD "\r\n", W_CORE_SDP);
	w_agw(GW_OK);
	assert_true(w_has(w.clients[0].msg, "Session-Expires: 4"));
	w_response_with(0, 200, "wic1", w_wic_sdp(true), "Session-Expires", "4;refresher=uas");
	w_agw(GW_OK);
	assert_int_equal(w_status(h), 200);
	w_request(&w_core, "ACK", W_WIC_URI, W_BOB_TAG, W_ALICE, 40, "", NULL);
	h = from_wic("UPDATE", 1, "Session-Expires: 4;refresher=uac\r\nSupported: timer\r\n", NULL);
	assert_int_equal(w_status(h), 200);
	assert_string_equal(w_last_answer(h)->hdr, "Session-Expires");
	assert_int_equal(w.n_clients, 1);
	w_until(&w.n_clients, 1); /* and the core hears from us */
	assert_int_equal(w_method(1), CSCF_SIP_INVITE);
	assert_false(w.clients[1].to_wic);
	end();
}

static void test_towards_a_lost_wic_it_waits_and_ends_with_the_call(void **state)
{
	REQ("CALL-30", "REL-10", "REL-17");

	(void)state;
	w_mo_call();
	lose_flow();
	ask(SIDE_WIC);
	assert_int_equal(w.n_clients, 1);
	w.conn_open = true;
	cscf_session_on_reg_event(w.s, CSCF_REGISTRAR_EV_REATTACHED, 5, W_CONN, W_CONN);
	assert_int_equal(w.n_clients, 2);
	assert_true(w.clients[1].to_wic);
	assert_true(w_has(w.clients[1].msg, "UPDATE sip:a1@x.invalid;transport=ws"));
	assert_true(w_has(w.clients[1].msg, "From: " W_BOB_TAG));
	/* it goes again under the request */
	w_response(1, 503, NULL, NULL, CSCF_SIP_CAUSE_TRANSPORT);
	done(1);
	assert_int_equal(w.n_clients, 3);
	assert_int_equal(n_done, 0);
	end();
	assert_int_equal(n_done, 1);
	assert_int_equal(last_outcome, OWN_DROPPED);
}

static void test_lost_flow_keeps_nothing_from_the_core(void **state)
{
	REQ("CALL-33", "REL-10");

	(void)state;
	timed_call(ALLOW_ALL, 2);
	lose_flow();
	w_until(&w.n_clients, 1);
	assert_false(w.clients[1].to_wic);
	w_response(1, 200, NULL, NULL, CSCF_SIP_CAUSE_NONE);
	w.conn_open = true;
	cscf_session_on_reg_event(w.s, CSCF_REGISTRAR_EV_REATTACHED, 5, W_CONN, W_CONN);
	end();
}

#define T(name) cmocka_unit_test_setup_teardown(name, w_setup, w_teardown)

int main(void)
{
	static const struct CMUnitTest tests[] = {
	    T(test_cseq_rises_at_the_peer_and_is_mapped_back),
	    T(test_rack_names_the_invite_as_it_went_out),
	    T(test_refresh_by_invite_changes_nothing_at_the_agw),
	    T(test_what_the_peer_says_in_a_refresh_is_done),
	    T(test_a_refresh_waits_for_the_parties),
	    T(test_a_party_that_crosses_ours_gets_491),
	    T(test_after_491_it_is_tried_again_with_another_number),
	    T(test_the_owner_of_the_call_id_waits_longer),
	    T(test_retry_after_is_waited_for),
	    T(test_no_update_after_all),
	    T(test_a_dead_peer_is_cleared),
	    T(test_a_refresh_without_an_answer_ends_the_call),
	    T(test_a_wic_that_cannot_refresh_there_is_answered_here),
	    T(test_towards_a_lost_wic_it_waits_and_ends_with_the_call),
	    T(test_lost_flow_keeps_nothing_from_the_core),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
