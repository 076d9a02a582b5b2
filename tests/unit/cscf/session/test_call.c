/* SPDX-License-Identifier: Apache-2.0 */
/* Calls both ways as they should go, and what is done to their messages on the way. */
#include "common/metric.h"
#include "tests/unit/cscf/session/play.h"

static void test_wic_calls(void **state)
{
	REQ("CALL-01", "CALL-07", "CALL-09", "CALL-20", "ID-04", "ID-08", "ID-10", "IQ-02");
	gw_handle h = w_request(&w_wic, "INVITE", "sip:bob@ims.test", W_ALICE, W_BOB, 1,
				"P-Asserted-Identity: <sip:mallory@ims.test>\r\n"
				"Route: <sip:evil.test;lr>\r\n",
				w_wic_sdp(false));
	const struct cscf_sip_msg *out;

	(void)state;
	assert_int_equal(w.n_clients, 0); /* nothing leaves before the AGW has addresses */
	assert_int_equal(w.reserved, 1);
	w_agw(GW_OK);
	assert_int_equal(w.n_clients, 1);
	out = w.clients[0].msg;
	assert_false(w.clients[0].to_wic);
	assert_true(w_has(out, "Route: <sip:orig@scscf.test;lr>"));
	assert_false(w_has(out, "evil.test"));
	assert_true(w_has(out, "P-Asserted-Identity: <sip:alice@ims.test>"));
	assert_false(w_has(out, "mallory"));
	assert_true(w_has(out, "orig-ioi=\"Type 1ims.test\""));
	assert_int_equal(cscf_sip_msg_value_count(out, "Record-Route"), 2);
	assert_true(w_has(out, "m=audio 20000 RTP/AVP"));
	assert_false(w_has(out, "a=ice-"));
	assert_false(w_has(out, "fingerprint"));
	w_response(0, 180, W_CORE_TAG, NULL, CSCF_SIP_CAUSE_NONE);
	assert_int_equal(w_status(h), 180);
	w_response(0, 200, W_CORE_TAG, W_CORE_SDP, CSCF_SIP_CAUSE_NONE);
	assert_int_equal(w_status(h), 180); /* the AGW learns the answer first */
	w_agw(GW_OK);
	assert_int_equal(w_status(h), 200);
	assert_true(w_has(w_answer_msg(h), "a=ice-ufrag:agwU"));
	assert_true(w.iq[1].gate_up && w.iq[1].gate_down);
	w_request(&w_wic, "ACK", "sip:b1@" W_CORE_IP, W_ALICE, W_BOB_TAG, 1, "", NULL);
	assert_int_equal(w.n_acks, 1);
	h = w_request(&w_wic, "BYE", "sip:b1@" W_CORE_IP, W_ALICE, W_BOB_TAG, 2, "", NULL);
	assert_int_equal(w.released, 1); /* at once, not after the 200 (REL-02) */
	assert_non_null(w_bye_on(false));
	assert_int_equal(w_status(h), 200);
	w_assert_nothing_left();
}

static void test_core_calls(void **state)
{
	REQ("CALL-15", "CALL-21", "REL-01", "REL-02");
	gw_handle h;

	(void)state;
	w_mt_call();
	assert_true(w_has(w.clients[0].msg, "UDP/TLS/RTP/SAVPF"));
	assert_int_equal(cscf_sip_msg_value_count(w.clients[0].msg, "Route"), 0);
	assert_int_equal(cscf_sip_msg_value_count(w.clients[0].msg, "Record-Route"), 3);
	h = w_request(&w_core, "BYE", W_WIC_URI, W_BOB_TAG, W_ALICE, 2, "", NULL);
	assert_int_equal(w.released, 1);
	assert_non_null(w_bye_on(true));
	assert_int_equal(w_status(h), 200);
	w_assert_nothing_left();
}

static void test_record_route_of_the_wic_is_repaired(void **state)
{
	REQ("CALL-11");
	gw_handle h = w_mt_invite();

	(void)state;
	/* A WIC that loses the list: take it out of what it got. */
	cscf_sip_msg_hdr_del(w.clients[0].msg, "Record-Route");
	w_response(0, 180, "wic1", NULL, CSCF_SIP_CAUSE_NONE);
	assert_int_equal(cscf_sip_msg_value_count(w_answer_msg(h), "Record-Route"), 3);
	assert_true(w_has(w_answer_msg(h), "P-Asserted-Identity: <sip:alice@ims.test>"));
	w_response(0, 486, "wic1", NULL, CSCF_SIP_CAUSE_NONE);
	assert_int_equal(w_status(h), 486);
	w_assert_nothing_left();
}

/* What the exposition says of one reason of refusal. */
static long refused(const char *why)
{
	char key[96];
	char *text = gw_metric_text(), *at;
	long n;

	assert_non_null(text);
	snprintf(key, sizeof(key), "\ncscf_session_refused_total{why=\"%s\"} ", why);
	at = strstr(text, key);
	assert_non_null(at);
	n = strtol(at + strlen(key), NULL, 10);
	free(text);
	return n;
}

static void test_not_registered_is_403(void **state)
{
	REQ("CALL-01", "ID-01");
	long before = refused("unregistered"), others = refused("foreign-flow");
	gw_handle h;

	(void)state;
	w.registered = false;
	h = w_request(&w_wic, "INVITE", "sip:bob@ims.test", W_ALICE, W_BOB, 1, "",
		      w_wic_sdp(false));
	assert_int_equal(w_status(h), 403);
	h = w_request(&w_wic, "MESSAGE", "sip:bob@ims.test", W_ALICE, W_BOB, 1, "", NULL);
	assert_int_equal(w_status(h), 403);
	assert_int_equal(w.n_clients, 0);
	assert_int_equal(refused("unregistered"), before + 2);
	assert_int_equal(refused("foreign-flow"), others);
	w_assert_nothing_left();
}

static void test_register_of_the_core_is_403(void **state)
{
	long before = refused("not-from-core");
	gw_handle h;

	(void)state;
	h = w_request(&w_core, "REGISTER", "sip:ims.test", W_BOB_TAG, W_BOB, 1, "", NULL);
	assert_int_equal(w_status(h), 403);
	assert_int_equal(refused("not-from-core"), before + 1);
	assert_int_equal(w.n_clients, 0);
	w_assert_nothing_left();
}

/* An INVITE of the user whom `says` names goes out. @return its server handle */
static gw_handle invite_of(const char *tag, unsigned cseq, const char *says)
{
	char from[64];
	gw_handle h;

	snprintf(from, sizeof(from), "<sip:alice@ims.test>;tag=%s", tag);
	h = w_request(&w_wic, "INVITE", "sip:bob@ims.test", from, W_BOB, cseq, says,
		      w_wic_sdp(false));
	w_agw(GW_OK);
	return h;
}

static void test_an_end_of_one_association_is_for_its_calls_only(void **state)
{
	REQ("DEREG-09", "CALL-02");
	gw_handle h[4];

	(void)state;
	w.other = "carol";
	h[0] = invite_of("t0", 1, "");
	h[1] = invite_of("t1", 2, "P-Preferred-Identity: <sip:carol@ims.test>\r\n");
	h[2] = invite_of("t2", 3, "");
	h[3] = invite_of("t3", 4, "");
	assert_int_equal(w.n_clients, 4);
	assert_true(cscf_session_has_calls(w.s, 5) && cscf_session_has_calls(w.s, 6));
	assert_false(cscf_session_has_calls(w.s, 7));
	/* the first and one in the midst go, the last is still found */
	w_response(0, 486, W_CORE_TAG, NULL, CSCF_SIP_CAUSE_NONE);
	w_response(3, 486, W_CORE_TAG, NULL, CSCF_SIP_CAUSE_NONE);
	w_agw(GW_OK);
	for (size_t i = 0; i < 4; i += 3) {
		w.clients[i].cbs->on_done(w.clients[i].arg, i + 1);
		w.clients[i].live = false;
		cscf_session_on_server_done(w.s, h[i], true);
	}
	w_turn();
	assert_true(cscf_session_has_calls(w.s, 5));
	cscf_session_on_reg_event(w.s, CSCF_REGISTRAR_EV_ENDED, 6, W_CONN, 0);
	assert_true(w_status(h[1]) >= 400);
	assert_int_equal(w_status(h[2]), 0);
	cscf_session_on_reg_event(w.s, CSCF_REGISTRAR_EV_ENDED, 5, W_CONN, 0);
	assert_true(w_status(h[2]) >= 400);
	for (size_t i = 1; i < 3; i++) {
		assert_true(w.clients[i].cancelled);
		w_response(i, 487, W_CORE_TAG, NULL, CSCF_SIP_CAUSE_NONE);
		w.clients[i].cbs->on_done(w.clients[i].arg, i + 1);
		w.clients[i].live = false;
		cscf_session_on_server_done(w.s, h[i], true);
	}
	w_assert_nothing_left();
	assert_false(cscf_session_has_calls(w.s, 5) || cscf_session_has_calls(w.s, 6));
}

static void test_unreachable_wic_by_kind(void **state)
{
	REQ("CALL-21", "ID-13", "DEREG-42");
	static const struct {
		enum cscf_registrar_reach reach;
		int status;
	} rows[] = {{CSCF_REGISTRAR_LOST_OUTBOUND, 430},
		    {CSCF_REGISTRAR_LOST, 480},
		    {CSCF_REGISTRAR_UNKNOWN, 404},
		    {CSCF_REGISTRAR_FORGED, 403}};
	long unreachable = refused("unreachable"), foreign = refused("foreign-flow");

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		gw_handle h;

		w.reach = rows[i].reach;
		h = w_request(&w_core, "INVITE", W_WIC_URI, W_BOB_TAG, "<sip:alice@ims.test>", 1,
			      "", W_CORE_SDP);
		assert_int_equal(w_status(h), rows[i].status);
	}
	assert_int_equal(refused("unreachable"), unreachable + 3);
	assert_int_equal(refused("foreign-flow"), foreign + 1);
	assert_int_equal(w.n_clients, 0);
	w_assert_nothing_left();
}

static void test_forged_and_foreign_tokens_are_403(void **state)
{
	REQ("ID-16", "SEC-24");
	char token[CSCF_SIP_FLOW_TOKEN_LEN + 1], route[128];
	gw_handle h;

	(void)state;
	cscf_sip_flow_token_make(&w.tokens, W_OTHER, CSCF_SIP_DIR_TO_CORE, token);
	snprintf(route, sizeof(route), "Route: <sip:%s@w2.test;transport=ws;lr>\r\n", token);
	h = w_request(&w_wic, "INVITE", "sip:bob@ims.test", W_ALICE, W_BOB, 1, route,
		      w_wic_sdp(false));
	assert_int_equal(w_status(h), 403);
	w_assert_nothing_left();
}

static void test_calls_a_second_are_limited(void **state)
{
	REQ("IQ-16");
	gw_handle h;

	(void)state;
	w.cfg.limits_cps = 1;
	(void)w_mo_call();
	h = w_request(&w_wic, "INVITE", "sip:bob@ims.test", "<sip:alice@ims.test>;tag=wic2", W_BOB,
		      1, "", w_wic_sdp(false));
	assert_int_equal(w_status(h), 503);
	assert_string_equal(w_last_answer(h)->hdr, "Retry-After");
	h = w_request(&w_core, "INVITE", W_WIC_URI, "<sip:bob@ims.test>;tag=core2",
		      "<sip:alice@ims.test>", 1, "", W_CORE_SDP);
	assert_int_equal(w_status(h), 500); /* a 503 would shut us out (CALL-36) */
	assert_string_equal(w_last_answer(h)->hdr, "Retry-After");
	assert_int_equal(w.reserved, 1);
}

static void test_limit_of_calls_is_503(void **state)
{
	REQ("CALL-37");
	gw_handle h;

	(void)state;
	for (unsigned i = 0; i < 4; i++)
		w_request(&w_wic, "INVITE", "sip:bob@ims.test", W_ALICE, W_BOB, i + 1, "",
			  w_wic_sdp(false));
	h = w_request(&w_wic, "INVITE", "sip:bob@ims.test", W_ALICE, W_BOB, 9, "",
		      w_wic_sdp(false));
	assert_int_equal(w_status(h), 503);
	assert_string_equal(w_last_answer(h)->hdr, "Retry-After");
	assert_string_equal(w_last_answer(h)->value, "7");
	cscf_session_release_all(w.s);
	w_assert_nothing_left();
}

static void test_whose_dialog(void **state)
{
	REQ("CALL-12");
	static const struct cscf_sip_flow other = {.side = CSCF_SIP_W2, .conn = W_OTHER};
	gw_handle h;

	(void)state;
	w_mo_call();
	h = w_request(&other, "BYE", "sip:b1@" W_CORE_IP, W_ALICE, W_BOB_TAG, 2, "", NULL);
	assert_int_equal(w_status(h), 403);
	h = w_request(&w_wic, "BYE", "sip:b1@" W_CORE_IP, W_ALICE, "<sip:bob@ims.test>;tag=no", 2,
		      "", NULL);
	assert_int_equal(w_status(h), 481);
	cscf_session_release_all(w.s);
	assert_non_null(w_bye_on(true));
	assert_non_null(w_bye_on(false));
	w_assert_nothing_left();
}

static void test_requests_in_the_dialog_pass(void **state)
{
	REQ("CALL-13", "CALL-14", "CALL-38", "ID-07");
	gw_handle h;

	(void)state;
	w_mo_call();
	h = w_request(&w_wic, "INFO", "sip:b1@" W_CORE_IP, W_ALICE, W_BOB_TAG, 2,
		      "Route: <sip:evil.test;lr>\r\n", NULL);
	assert_int_equal(w_method(1), CSCF_SIP_INFO);
	assert_false(w_has(w.clients[1].msg, "evil.test"));
	w_response(1, 200, NULL, NULL, CSCF_SIP_CAUSE_NONE);
	assert_int_equal(w_status(h), 200);
	h = w_request(&w_core, "FOO", W_WIC_URI, W_BOB_TAG, W_ALICE, 1, "", NULL);
	assert_true(w.clients[2].to_wic);
	w_response(2, 501, NULL, NULL, CSCF_SIP_CAUSE_NONE);
	assert_int_equal(w_status(h), 501);
	h = w_request(&w_wic, "BYE", "sip:b1@" W_CORE_IP, W_ALICE, W_BOB_TAG, 3, "", NULL);
	assert_non_null(w_bye_on(false));
	assert_int_equal(w_status(h), 200);
	w_assert_nothing_left();
}

static void test_reinvite_holds_and_a_refused_one_changes_nothing(void **state)
{
	REQ("SDP-35", "CALL-29", "CALL-30", "SDP-28");
	gw_handle h;
	char hold[1024];

	(void)state;
	w_mo_call();
	snprintf(hold, sizeof(hold), "%s", W_CORE_SDP);
	memcpy(strstr(hold, "sendrecv"), "sendonly", 8);
	memcpy(strstr(hold, "- 5 6"), "- 5 7", 5);
	h = w_request(&w_core, "INVITE", W_WIC_URI, W_BOB_TAG, W_ALICE, 1, "", hold);
	assert_int_equal(w.n_clients, 1);
	assert_int_equal(w.iq[w.n_iq - 1].phase, W_PREPARE);
	w_agw(GW_OK);
	assert_int_equal(w_method(1), CSCF_SIP_INVITE);
	assert_true(w_has(w.clients[1].msg, "a=sendonly"));
	/* glare: the WIC's own re-INVITE meanwhile */
	assert_int_equal(w_status(w_request(&w_wic, "INVITE", "sip:b1@" W_CORE_IP, W_ALICE,
					    W_BOB_TAG, 2, "", w_wic_sdp(false))),
			 491);
	w_response(1, 488, NULL, NULL, CSCF_SIP_CAUSE_NONE);
	assert_int_equal(w_status(h), 488);
	assert_int_equal(w.released, 0);
	assert_int_equal(w.rollbacks, 1);
	/* and now it is accepted */
	h = w_request(&w_core, "INVITE", W_WIC_URI, W_BOB_TAG, W_ALICE, 2, "", hold);
	w_agw(GW_OK);
	w_response(2, 200, NULL, w_wic_sdp(true), CSCF_SIP_CAUSE_NONE);
	w_agw(GW_OK);
	assert_int_equal(w_status(h), 200);
	assert_int_equal(w.iq[w.n_iq - 1].phase, W_COMMIT);
	assert_false(w.iq[w.n_iq - 1].restart);
	w_request(&w_core, "ACK", W_WIC_URI, W_BOB_TAG, W_ALICE, 2, "", NULL);
	assert_int_equal(w.n_acks, 2);
	cscf_session_release_all(w.s);
	assert_non_null(w_bye_on(true));
	assert_non_null(w_bye_on(false));
	w_assert_nothing_left();
}

static void test_offer_in_the_answer(void **state)
{
	REQ("CALL-31");
	gw_handle h =
	    w_request(&w_core, "INVITE", W_WIC_URI, W_BOB_TAG, "<sip:alice@ims.test>", 1, "", NULL);

	(void)state;
	assert_int_equal(w.n_clients, 1);
	assert_int_equal(w.reserved, 0);
	w_response(0, 200, "wic1", w_wic_sdp(false), CSCF_SIP_CAUSE_NONE);
	assert_int_equal(w.reserved, 1);
	w_agw(GW_OK);
	assert_int_equal(w_status(h), 200);
	assert_true(w_has(w_answer_msg(h), "m=audio 20000 RTP/AVP"));
	w_request(&w_core, "ACK", W_WIC_URI, W_BOB_TAG, W_ALICE, 1, "", W_CORE_SDP);
	w_agw(GW_OK);
	assert_int_equal(w.n_acks, 1);
	assert_true(w_has(w.acks[0], "a=ice-ufrag:agwU"));
	h = w_request(&w_wic, "BYE", "sip:b1@" W_CORE_IP, W_ALICE, W_BOB_TAG, 2, "", NULL);
	assert_non_null(w_bye_on(false));
	assert_int_equal(w_status(h), 200);
	w_assert_nothing_left();
}

static void test_early_media_opens_towards_the_caller_only(void **state)
{
	REQ("CALL-43", "IQ-06");
	gw_handle h = w_mo_invite();

	(void)state;
	w_response(0, 183, W_CORE_TAG, W_CORE_SDP, CSCF_SIP_CAUSE_NONE);
	w_agw(GW_OK);
	assert_int_equal(w_status(h), 183);
	assert_true(w.iq[1].gate_down);
	assert_false(w.iq[1].gate_up);
	w_response(0, 200, W_CORE_TAG, NULL, CSCF_SIP_CAUSE_NONE);
	w_agw(GW_OK);
	assert_int_equal(w_status(h), 200);
	assert_true(w.iq[2].gate_down && w.iq[2].gate_up);
	cscf_session_release_all(w.s);
	assert_non_null(w_bye_on(true));
	assert_non_null(w_bye_on(false));
	w_assert_nothing_left();
}

static void test_message_outside_of_calls_is_proxied(void **state)
{
	REQ("CALL-38", "ID-04", "ID-06", "WS-32");
	gw_handle h = w_request(&w_wic, "MESSAGE", "sip:bob@ims.test", W_ALICE, W_BOB, 1,
				"P-Asserted-Identity: <sip:mallory@ims.test>\r\n", NULL);
	struct cscf_session_counts counts;

	(void)state;
	assert_int_equal(w.n_clients, 1);
	assert_true(w_has(w.clients[0].msg, "P-Asserted-Identity: <sip:alice@ims.test>"));
	assert_false(w_has(w.clients[0].msg, "mallory"));
	assert_true(w_has(w.clients[0].msg, "Route: <sip:orig@scscf.test;lr>"));
	w_response(0, 202, "t", NULL, CSCF_SIP_CAUSE_NONE);
	assert_int_equal(w_status(h), 202);
	w.clients[0].cbs->on_done(w.clients[0].arg, 1);
	w.clients[0].live = false;
	h = w_request(&w_core, "OPTIONS", W_WIC_URI, W_BOB_TAG, "<sip:alice@ims.test>", 1, "",
		      NULL);
	assert_true(w.clients[1].to_wic);
	w_response(1, 408, NULL, NULL, CSCF_SIP_CAUSE_TIMEOUT);
	assert_int_equal(w_status(h), 408);
	w.clients[1].cbs->on_done(w.clients[1].arg, 2);
	cscf_session_counts(w.s, &counts);
	assert_int_equal(counts.proxied, 0);
	w_assert_nothing_left();
}

static void test_options_to_ourselves_is_answered(void **state)
{
	REQ("CALL-16");
	gw_handle h = w_request(&w_core, "OPTIONS", "sip:mw.test:5060", W_BOB_TAG, "<sip:mw.test>",
				1, "", NULL);

	(void)state;
	assert_int_equal(w_status(h), 200);
	assert_int_equal(w.n_clients, 0);
}

#define T(name) cmocka_unit_test_setup_teardown(name, w_setup, w_teardown)

int main(void)
{
	static const struct CMUnitTest tests[] = {
	    T(test_wic_calls),
	    T(test_core_calls),
	    T(test_record_route_of_the_wic_is_repaired),
	    T(test_not_registered_is_403),
	    T(test_register_of_the_core_is_403),
	    T(test_an_end_of_one_association_is_for_its_calls_only),
	    T(test_unreachable_wic_by_kind),
	    T(test_forged_and_foreign_tokens_are_403),
	    T(test_limit_of_calls_is_503),
	    T(test_calls_a_second_are_limited),
	    T(test_whose_dialog),
	    T(test_requests_in_the_dialog_pass),
	    T(test_reinvite_holds_and_a_refused_one_changes_nothing),
	    T(test_offer_in_the_answer),
	    T(test_early_media_opens_towards_the_caller_only),
	    T(test_message_outside_of_calls_is_proxied),
	    T(test_options_to_ourselves_is_answered),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
