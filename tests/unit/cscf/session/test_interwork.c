/* SPDX-License-Identifier: Apache-2.0 */
/* What one side knows and the other does not: reliable 1xx, preconditions, session timers, and
 * what cannot be demanded through the gateway at all. */
#include "tests/unit/cscf/session/play.h"

static const struct cscf_sip_msg *sent(size_t i)
{
	return w.clients[i].msg;
}

static gw_handle call_out(const char *extra)
{
	gw_handle h = w_request(&w_wic, "INVITE", "sip:bob@ims.test", W_ALICE, W_BOB, 1, extra,
				w_wic_sdp(false));

	w_agw(GW_OK);
	return h;
}

static gw_handle call_in(const char *extra, const char *sdp)
{
	gw_handle h = w_request(&w_core, "INVITE", W_WIC_URI, W_BOB_TAG, "<sip:alice@ims.test>", 1,
				extra, sdp);

	w_agw(GW_OK);
	return h;
}

static gw_handle ack_out(gw_handle h)
{
	assert_int_equal(w_status(h), 200);
	w_request(&w_wic, "ACK", "sip:b1@" W_CORE_IP, W_ALICE, W_BOB_TAG, 1, "", NULL);
	return h;
}

static gw_handle ack_in(gw_handle h)
{
	assert_int_equal(w_status(h), 200);
	w_request(&w_core, "ACK", W_WIC_URI, W_BOB_TAG, W_ALICE, 1, "", NULL);
	return h;
}

static void end(void)
{
	cscf_session_release_all(w.s);
	assert_byes(true, true, "shutting down");
}

/* ---- reliable provisional responses
 * ---------------------------------------------------------------- */

static void test_reliable_1xx_is_acknowledged_for_a_wic_without(void **state)
{
	REQ("CALL-27", "CALL-18");
	gw_handle h;

	(void)state;
	w.cfg.local_100rel = true;
	h = call_out("Supported: replaces\r\n");
	assert_true(cscf_sip_msg_has_token(sent(0), "Supported", "100rel"));
	w.rseq = 8;
	w_response(0, 183, W_CORE_TAG, W_CORE_SDP, CSCF_SIP_CAUSE_NONE);
	assert_int_equal(w_method(1), CSCF_SIP_PRACK);
	assert_false(w.clients[1].to_wic);
	assert_true(w_has(sent(1), "RAck: 8 1 INVITE"));
	assert_true(w_has(sent(1), "CSeq: 2 PRACK"));
	w_agw(GW_OK);
	assert_int_equal(w_status(h), 183);
	assert_false(w_has(w_answer_msg(h), "RSeq"));
	assert_false(cscf_sip_msg_has_token(w_answer_msg(h), "Require", "100rel"));
	assert_true(w_has(w_answer_msg(h), "UDP/TLS/RTP/SAVPF"));
	/* repeats, and one too far ahead, are nobody's */
	w_response(0, 183, W_CORE_TAG, W_CORE_SDP, CSCF_SIP_CAUSE_NONE);
	w.rseq = 10;
	w_response(0, 183, W_CORE_TAG, W_CORE_SDP, CSCF_SIP_CAUSE_NONE);
	assert_int_equal(w.n_clients, 2);
	assert_int_equal(w.n_answers, 1);
	w.rseq = 9;
	w_response(0, 180, W_CORE_TAG, NULL, CSCF_SIP_CAUSE_NONE);
	assert_true(w_has(sent(2), "RAck: 9 1 INVITE"));
	assert_true(w_has(sent(2), "CSeq: 3 PRACK"));
	assert_int_equal(w_status(h), 180);
	w_response(1, 200, NULL, NULL, CSCF_SIP_CAUSE_NONE);
	w_response(2, 481, NULL, NULL, CSCF_SIP_CAUSE_NONE); /* not the end of the call */
	/* another fork counts for itself */
	w.rseq = 3;
	w_response(0, 180, "core2", NULL, CSCF_SIP_CAUSE_NONE);
	assert_true(w_has(sent(3), "RAck: 3 1 INVITE"));
	assert_true(w_has(sent(3), "To: <sip:bob@ims.test>;tag=core2"));
	assert_true(w_has(sent(3), "CSeq: 2 PRACK"));
	w_response(3, 200, NULL, NULL, CSCF_SIP_CAUSE_NONE);
	/* the core has answered already; the WIC hears it now */
	w_response(0, 200, W_CORE_TAG, NULL, CSCF_SIP_CAUSE_NONE);
	w_agw(GW_OK);
	ack_out(h);
	assert_true(w_has(w_answer_msg(h), "UDP/TLS/RTP/SAVPF"));
	w_request(&w_wic, "INFO", "sip:b1@" W_CORE_IP, W_ALICE, W_BOB_TAG, 2, "", NULL);
	assert_true(w_has(sent(4), "CSeq: 4 INFO")); /* CALL-05 */
	end();
}

static void test_reliable_1xx_is_the_parties_affair(void **state)
{
	REQ("CALL-26", "CALL-27", "CALL-18");
	gw_handle h;

	(void)state;
	h = call_out(""); /* pass */
	assert_false(cscf_sip_msg_has_token(sent(0), "Supported", "100rel"));
	w_response(0, 486, W_CORE_TAG, NULL, CSCF_SIP_CAUSE_NONE);
	w_assert_nothing_left();
	w.cfg.local_100rel = true;
	h = call_out("Supported: 100rel\r\n");
	w.rseq = 8;
	w_response(1, 183, W_CORE_TAG, NULL, CSCF_SIP_CAUSE_NONE);
	assert_int_equal(w.n_clients, 2);
	assert_true(w_has(w_answer_msg(h), "RSeq: 8"));
	assert_true(cscf_sip_msg_has_token(w_answer_msg(h), "Require", "100rel"));
	w_response(1, 486, W_CORE_TAG, NULL, CSCF_SIP_CAUSE_NONE);
	w_assert_nothing_left();
	/* an INVITE without an offer: the answer would have to stand in the PRACK */
	w_request(&w_wic, "INVITE", "sip:bob@ims.test", W_ALICE, W_BOB, 3, "", NULL);
	assert_false(cscf_sip_msg_has_token(sent(2), "Supported", "100rel"));
	w.rseq = 0;
	w_response(2, 486, W_CORE_TAG, NULL, CSCF_SIP_CAUSE_NONE);
	w_assert_nothing_left();
}

/* ---- preconditions
 * ------------------------------------------------------------------------------------ */

#define QOS(local)                                                                                 \
	"a=curr:qos local " local "\r\na=curr:qos remote none\r\n"                                 \
	"a=des:qos mandatory local sendrecv\r\na=des:qos mandatory remote sendrecv\r\n"

static void test_preconditions_are_refused(void **state)
{
	REQ("CALL-32", "CALL-17");
	gw_handle h;

	(void)state;
	h = call_in("Require: precondition\r\n", W_CORE_SDP QOS("none"));
	assert_int_equal(w_status(h), 420);
	assert_string_equal(w_last_answer(h)->hdr, "Unsupported");
	assert_string_equal(w_last_answer(h)->value, "precondition");
	assert_int_equal(w.n_clients, 0);
	/* a WIC has none to demand, whatever the knob says */
	w.cfg.local_precondition = true;
	assert_int_equal(w_status(call_out("Require: precondition\r\n")), 420);
	assert_int_equal(w_status(call_out("Require: trickle-ice\r\n")), 420);
	w.cfg.local_precondition = false;
	/* those that are only supported do no harm */
	h = call_in("Supported: precondition\r\n", W_CORE_SDP QOS("none"));
	assert_int_equal(w.n_clients, 1);
	assert_false(w_has(sent(0), "qos"));
	w_response(0, 200, "wic1", w_wic_sdp(true), CSCF_SIP_CAUSE_NONE);
	w_agw(GW_OK);
	ack_in(h);
	assert_false(w_has(w_answer_msg(h), "qos"));
	end();
}

static void test_an_update_without_an_end_is_no_answer_to_preconditions(void **state)
{
	REQ("CALL-32", "CALL-41");
	gw_handle h;

	(void)state;
	w.cfg.local_precondition = true;
	call_in("Require: precondition\r\nSupported: 100rel\r\n", W_CORE_SDP QOS("none"));
	w.rseq = 1;
	w_response(0, 183, "wic1", w_wic_sdp(true), CSCF_SIP_CAUSE_NONE);
	w_agw(GW_OK);
	h = w_request(&w_core, "UPDATE", W_WIC_URI, W_BOB_TAG, W_ALICE, 3, "", "v=0");
	assert_int_equal(w_status(h), 400);
	w_response(0, 486, "wic1", NULL, CSCF_SIP_CAUSE_NONE);
	w_assert_nothing_left();
}

static void test_preconditions_are_met_here(void **state)
{
	REQ("CALL-32", "CALL-18");
	char later[1024];
	gw_handle h;
	size_t n_iq;

	(void)state;
	w.cfg.local_precondition = true;
	h = call_in("Require: precondition\r\nSupported: 100rel\r\n", W_CORE_SDP QOS("none"));
	assert_int_equal(w.n_clients, 1);
	assert_false(w_has(sent(0), "qos"));
	assert_false(w_has(sent(0), "precondition"));
	w.rseq = 1;
	w_response(0, 183, "wic1", w_wic_sdp(true), CSCF_SIP_CAUSE_NONE);
	w_agw(GW_OK);
	assert_int_equal(w_status(h), 183);
	assert_true(w_has(w_answer_msg(h), "a=curr:qos local sendrecv\r\na=curr:qos remote none\r\n"
					   "a=des:qos mandatory local sendrecv\r\n"
					   "a=des:qos mandatory remote sendrecv\r\n"
					   "a=conf:qos remote sendrecv\r\n"));
	assert_true(cscf_sip_msg_has_token(w_answer_msg(h), "Supported", "precondition"));
	w_request(&w_core, "PRACK", W_WIC_URI, W_BOB_TAG, W_ALICE, 2, "RAck: 1 1 INVITE\r\n", NULL);
	w_response(1, 200, NULL, NULL, CSCF_SIP_CAUSE_NONE);
	/* the core is ready, and says nothing else */
	n_iq = w.n_iq;
	snprintf(later, sizeof(later), "%s", W_CORE_SDP QOS("sendrecv"));
	memcpy(strstr(later, "o=- 5 6"), "o=- 5 7", 7);
	{
		gw_handle update = w_request(&w_core, "UPDATE", W_WIC_URI, W_BOB_TAG, W_ALICE, 3,
					     "Require: precondition\r\n", later);

		assert_int_equal(w_status(update), 200);
		assert_true(w_has(w_answer_msg(update), "a=curr:qos remote sendrecv\r\n"));
		assert_false(w_has(w_answer_msg(update), "a=conf:"));
		assert_true(w_has(w_answer_msg(update), "m=audio 20000 RTP/AVP 0"));
		assert_true(
		    w_has(w_answer_msg(update), "Contact: <sip:a1@x.invalid;transport=ws>"));
	}
	assert_int_equal(w.n_clients, 2);
	assert_int_equal(w.n_iq, n_iq);
	/* one that says more goes to the WIC */
	memcpy(strstr(later, "a=sendrecv"), "a=sendonly", 10);
	memcpy(strstr(later, "o=- 5 7"), "o=- 5 8", 7);
	w_request(&w_core, "UPDATE", W_WIC_URI, W_BOB_TAG, W_ALICE, 4, "", later);
	w_agw(GW_OK);
	assert_int_equal(w.n_clients, 3);
	assert_true(w.clients[2].to_wic);
	assert_true(w_has(sent(2), "a=sendonly"));
	assert_false(w_has(sent(2), "qos"));
	w_response(2, 200, NULL, w_wic_sdp(true), CSCF_SIP_CAUSE_NONE);
	w_agw(GW_OK);
	w.rseq = 0;
	w_response(0, 200, "wic1", NULL, CSCF_SIP_CAUSE_NONE);
	w_agw(GW_OK);
	ack_in(h);
	end();
}

/* ---- session timers
 * ------------------------------------------------------------------------------------ */

static void test_an_interval_is_put_where_nobody_asked(void **state)
{
	REQ("CALL-33");
	gw_handle h;

	(void)state;
	w.cfg.session_expires_s = 1800;
	w.cfg.min_se_s = 90;
	/* the WIC knows timers, the core does not but takes UPDATE: the WIC refreshes */
	h = call_out("Supported: timer\r\n");
	assert_true(w_has(sent(0), "Session-Expires: 1800\r\n"));
	w_response_with(0, 200, W_CORE_TAG, W_CORE_SDP, "Allow", "INVITE, UPDATE");
	w_agw(GW_OK);
	ack_out(h);
	assert_true(w_has(w_answer_msg(h), "Session-Expires: 1800;refresher=uac"));
	assert_true(cscf_sip_msg_has_token(w_answer_msg(h), "Require", "timer"));
	end();
	/* the callee knows them, the WIC does not: as the callee says */
	h = call_out("Min-SE: 2400\r\n");
	assert_true(w_has(sent(w.n_clients - 1), "Session-Expires: 2400\r\n"));
	w_response_with(w.n_clients - 1, 200, W_CORE_TAG, W_CORE_SDP, "Session-Expires",
			"2400;refresher=uas");
	w_agw(GW_OK);
	ack_out(h);
	assert_true(w_has(w_answer_msg(h), "Session-Expires: 2400;refresher=uas"));
	end();
}

static void test_to_a_wic_without_timers_the_core_refreshes(void **state)
{
	REQ("CALL-33");
	gw_handle h;

	(void)state;
	w.cfg.session_expires_s = 1800;
	w.cfg.min_se_s = 90;
	h = call_in("Supported: timer\r\n", W_CORE_SDP);
	assert_true(w_has(sent(0), "Session-Expires: 1800\r\n"));
	w_response(0, 200, "wic1", w_wic_sdp(true), CSCF_SIP_CAUSE_NONE);
	w_agw(GW_OK);
	ack_in(h);
	assert_true(w_has(w_answer_msg(h), "Session-Expires: 1800;refresher=uac"));
	end();
	/* and the other way round */
	h = call_in("Allow: INVITE, UPDATE\r\n", W_CORE_SDP);
	w_response_with(w.n_clients - 1, 200, "wic1", w_wic_sdp(true), "Session-Expires",
			"1800;refresher=uas");
	w_agw(GW_OK);
	ack_in(h);
	assert_true(w_has(w_answer_msg(h), "Session-Expires: 1800;refresher=uas"));
	end();
}

static void test_intervals_too_small(void **state)
{
	REQ("CALL-33");
	gw_handle h;

	(void)state;
	w.cfg.min_se_s = 90;
	h = call_out("Supported: timer\r\nSession-Expires: 89\r\n");
	assert_int_equal(w_status(h), 422);
	assert_string_equal(w_last_answer(h)->hdr, "Min-SE");
	assert_string_equal(w_last_answer(h)->value, "90");
	assert_int_equal(
	    w_status(call_in("Supported: timer\r\nSession-Expires: 10\r\n", W_CORE_SDP)), 422);
	assert_int_equal(w.n_clients, 0);
	/* whoever does not know timers would not know what it is told: a proxy raises it */
	call_out("Session-Expires: 20\r\nMin-SE: 10\r\n");
	assert_true(w_has(sent(0), "Session-Expires: 90\r\n"));
	assert_true(w_has(sent(0), "Min-SE: 90\r\n"));
	w_response(0, 486, W_CORE_TAG, NULL, CSCF_SIP_CAUSE_NONE);
	/* 0 = none of our own */
	call_out("");
	assert_false(w_has(sent(1), "Session-Expires"));
	w_response(1, 486, W_CORE_TAG, NULL, CSCF_SIP_CAUSE_NONE);
	w_assert_nothing_left();
}

/* ---- what ends here
 * -------------------------------------------------------------------------------------- */

#define FRAGMENT "application/trickle-ice-sdpfrag"

/* A request with candidates, by either side of the call. @return its server transaction */
static gw_handle trickle(const struct cscf_sip_flow *from, const char *method, const char *to_tag,
			 const char *headers)
{
	bool wic = from == &w_wic;
	gw_handle h = 1000 + w.n_servers;
	char text[1024];

	snprintf(text, sizeof(text),
		 "%s %s SIP/2.0\r\nVia: SIP/2.0/TCP x.invalid;branch=z9hG4bKt%zu\r\n"
		 "Max-Forwards: 70\r\nFrom: %s\r\nTo: %s%s\r\nCall-ID: c1\r\nCSeq: %zu %s\r\n"
		 "%sContent-Length: 15\r\n\r\na=candidate:1\r\n",
		 method, wic ? "sip:b1@" W_CORE_IP : W_WIC_URI, w.n_servers,
		 wic ? W_ALICE : W_BOB_TAG, wic ? W_BOB : W_ALICE, to_tag, w.n_servers + 10, method,
		 headers);
	w.servers[w.n_servers] = w_parse(text);
	cscf_session_on_request(w.s, h, w.servers[w.n_servers++], from);
	return h;
}

static void test_candidates_that_come_later_have_nowhere_to_go(void **state)
{
	static const struct {
		const char *method, *headers;
		int status;
	} cases[] = {
	    {"INFO", "Info-Package: trickle-ice\r\nContent-Type: " FRAGMENT "\r\n", 469},
	    {"INFO", "Info-Package: trickle-ice\r\nContent-Type: multipart/mixed;boundary=b\r\n",
	     469},
	    {"INFO", "Info-Package: x-mine\r\nContent-Type: " FRAGMENT "\r\n", 469},
	    {"INFO", "Content-Type: " FRAGMENT "\r\n", 200},
	    {"INFO", "Content-Type: Application/Trickle-ICE-sdpfrag ; x=y\r\n", 200},
	    {"UPDATE", "Content-Type: " FRAGMENT "\r\n", 415},
	    {"MESSAGE", "Content-Type: " FRAGMENT "\r\n", 415},
	};

	(void)state;
	REQ("CALL-19", "ICE-08");
	call_out(
	    "Accept: application/sdp, application/trickle-ice-sdpfrag\r\n"
	    "Recv-Info: trickle-ice, x-dtmf\r\nAllow: INVITE, INFO\r\nAllow-Events: refer\r\n");
	assert_true(cscf_sip_msg_has_token(sent(0), "Accept", "application/sdp"));
	assert_false(w_has(sent(0), "trickle"));
	assert_true(cscf_sip_msg_has_token(sent(0), "Recv-Info", "x-dtmf"));
	assert_true(w_has(sent(0), "Allow: INVITE, INFO\r\nAllow-Events: refer\r\n"));
	w_response(0, 200, W_CORE_TAG, W_CORE_SDP, CSCF_SIP_CAUSE_NONE);
	w_agw(GW_OK);
	w_request(&w_wic, "ACK", "sip:b1@" W_CORE_IP, W_ALICE, W_BOB_TAG, 1, "", NULL);
	for (size_t i = 0; i < 2 * sizeof(cases) / sizeof(cases[0]); i++) {
		const struct cscf_sip_flow *from = i % 2 == 0 ? &w_wic : &w_core;
		gw_handle h = trickle(from, cases[i / 2].method,
				      i % 2 == 0 ? ";tag=" W_CORE_TAG : "", cases[i / 2].headers);

		assert_int_equal(w_status(h), cases[i / 2].status);
		if (cases[i / 2].status != 200)
			assert_string_equal(w_last_answer(h)->hdr,
					    cases[i / 2].status == 469 ? "Recv-Info" : "Accept");
		if (cases[i / 2].status == 469)
			assert_string_equal(w_last_answer(h)->value, "");
	}
	/* of no call, and out of any dialog */
	assert_int_equal(w_status(trickle(&w_wic, "INFO", ";tag=nobody", cases[3].headers)), 481);
	assert_int_equal(w_status(trickle(&w_wic, "INFO", "", cases[3].headers)), 481);
	assert_int_equal(w.n_clients, 1);
	end();
}

#define T(name) cmocka_unit_test_setup_teardown(name, w_setup, w_teardown)

int main(void)
{
	static const struct CMUnitTest tests[] = {
	    T(test_reliable_1xx_is_acknowledged_for_a_wic_without),
	    T(test_reliable_1xx_is_the_parties_affair),
	    T(test_preconditions_are_refused),
	    T(test_preconditions_are_met_here),
	    T(test_an_update_without_an_end_is_no_answer_to_preconditions),
	    T(test_an_interval_is_put_where_nobody_asked),
	    T(test_to_a_wic_without_timers_the_core_refreshes),
	    T(test_intervals_too_small),
	    T(test_candidates_that_come_later_have_nowhere_to_go),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
