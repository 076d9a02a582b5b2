/* SPDX-License-Identifier: Apache-2.0 */
/* Emergency requests that may proceed: to an E-CSCF, to the next, and at last 380. */
#include "tests/unit/cscf/session/play.h"

#include "common/log.h"

#define FIRST  "Route: <sip:e1.ims.test;lr>\r\n"
#define SECOND "Route: <sip:e2.ims.test;lr>\r\n"

static struct cscf_emergency *emergency;

/* As in the operator's file: our own country, proceed, two E-CSCFs. */
static int setup(void **state)
{
	static char list[] = "DE=112 110/sos.police", e1[] = "sip:e1.ims.test",
		    e2[] = "sip:e2.ims.test", home[] = "ims.test";
	static char *lists[] = {list}, *ecscfs[] = {e1, e2}, *homes[] = {home};
	static const struct gw_conf_list l = {lists, 1}, e = {ecscfs, 2}, d = {homes, 1};
	struct cscf_emergency_config cfg = {.country = "DE",
					    .lists = &l,
					    .ecscf = &e,
					    .home_domains = &d,
					    .assume_own_country = true,
					    .proceed = true,
					    .reason_text = "Use your phone."};
	struct cscf_emergency_parts parts = {NULL, NULL};
	char why[256];

	if (w_setup(state) != 0)
		return -1;
	cscf_session_free(w.s);
	gw_log_set_level(GW_LOG_ERROR);
	if (cscf_emergency_new(&emergency, &cfg, &parts, why, sizeof(why)) != GW_OK)
		return -1;
	w.parts.emergency = emergency;
	return cscf_session_new(&w.s, &w.cfg, &w.parts) == GW_OK ? 0 : -1;
}

static int teardown(void **state)
{
	int rc = w_teardown(state);

	cscf_emergency_free(emergency);
	return rc;
}

static gw_handle emergency_invite(const char *uri, unsigned cseq)
{
	gw_handle h = w_request(&w_wic, "INVITE", uri, W_ALICE, "<tel:112>", cseq,
				"P-Asserted-Identity: <sip:mallory@ims.test>\r\nPrivacy: id\r\n"
				"P-Preferred-Identity: <tel:+15550101>\r\n"
				"Route: <sip:evil.test;lr>\r\n",
				w_wic_sdp(false));

	w_agw(GW_OK);
	return h;
}

static void assert_380(gw_handle h)
{
	const struct cscf_sip_msg *rsp = w_answer_msg(h);

	assert_int_equal(w_status(h), 380);
	assert_non_null(rsp);
	assert_true(w_has(rsp, "Content-Type: application/3gpp-ims+xml\r\n"));
	assert_true(w_has(rsp, "<reason>Use your phone.</reason>"));
}

static void test_an_emergency_call_goes_to_the_ecscf_as_the_service(void **state)
{
	REQ("EMG-07", "EMG-14");
	const struct cscf_sip_msg *out;
	gw_handle h = emergency_invite("tel:110", 1);

	(void)state;
	assert_int_equal(w.n_clients, 1);
	out = w.clients[0].msg;
	assert_true(w_has(out, "INVITE urn:service:sos.police SIP/2.0\r\n"));
	assert_int_equal(cscf_sip_msg_hdr_num(out, "Route"), 1);
	assert_true(w_has(out, FIRST));
	assert_true(w_has(out, "P-Asserted-Identity: <sip:alice@ims.test>\r\n"));
	assert_string_equal(w.preferred, "<tel:+15550101>");
	assert_false(w_has(out, "mallory"));
	assert_true(w_has(out, "P-Charging-Vector: icid-value="));
	assert_true(cscf_sip_msg_value_count(out, "Record-Route") == 2);
	assert_true(w.priority);
	w_response(0, 200, W_CORE_TAG, W_CORE_SDP, CSCF_SIP_CAUSE_NONE);
	w_agw(GW_OK);
	assert_int_equal(w_status(h), 200);
	w_request(&w_wic, "ACK", "sip:b1@" W_CORE_IP, W_ALICE, W_BOB_TAG, 1, "", NULL);
	assert_int_equal(w.n_acks, 1);
	/* and inside the call nothing is screened (EMG-21) */
	h = w_request(&w_wic, "INFO", "urn:service:sos", W_ALICE, W_BOB_TAG, 2, "", NULL);
	assert_int_equal(w.n_clients, 2);
	w_response(1, 200, W_CORE_TAG, NULL, CSCF_SIP_CAUSE_NONE);
	assert_int_equal(w_status(h), 200);
	cscf_session_release_all(w.s);
	assert_byes(true, true, "shutting down");
}

static void test_a_service_urn_stays_and_ordinary_calls_are_as_before(void **state)
{
	REQ("EMG-14");
	gw_handle h = emergency_invite("urn:service:SOS.fire", 1);

	(void)state;
	assert_true(w_has(w.clients[0].msg, "INVITE urn:service:sos.fire SIP/2.0\r\n"));
	w_response(0, 486, W_CORE_TAG, NULL,
		   CSCF_SIP_CAUSE_NONE); /* a real answer is the caller's */
	assert_int_equal(w_status(h), 486);
	w_assert_nothing_left();
	(void)w_request(&w_wic, "INVITE", "sip:bob@ims.test", W_ALICE, W_BOB, 3, "",
			w_wic_sdp(false));
	w_agw(GW_OK);
	assert_true(w_has(w.clients[1].msg, "Route: <sip:orig@scscf.test;lr>\r\n"));
	assert_false(w.priority);
	w_response(1, 486, W_CORE_TAG, NULL, CSCF_SIP_CAUSE_NONE);
	w_assert_nothing_left();
}

static void test_the_next_ecscf_gets_the_call_and_after_the_last_it_is_380(void **state)
{
	REQ("EMG-15");
	static const struct {
		int status;
		enum cscf_sip_cause cause;
	} rows[] = {
	    {408, CSCF_SIP_CAUSE_TIMEOUT},   {503, CSCF_SIP_CAUSE_TRANSPORT},
	    {503, CSCF_SIP_CAUSE_NO_TARGET}, {302, CSCF_SIP_CAUSE_NONE},
	    {480, CSCF_SIP_CAUSE_NONE},      {503, CSCF_SIP_CAUSE_NONE},
	};

	(void)state;
	for (unsigned i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		size_t n = w.n_clients;
		gw_handle h = emergency_invite("tel:112", i + 1);

		assert_true(w_has(w.clients[n].msg, FIRST));
		w_response(n, rows[i].status, W_CORE_TAG, NULL, rows[i].cause);
		assert_int_equal(w.n_clients, n + 2);
		assert_int_equal(w_status(h), 0); /* the caller hears nothing of it */
		assert_true(w_has(w.clients[n + 1].msg, "INVITE urn:service:sos SIP/2.0\r\n"));
		assert_true(w_has(w.clients[n + 1].msg, SECOND));
		assert_int_equal(cscf_sip_msg_hdr_num(w.clients[n + 1].msg, "Route"), 1);
		assert_true(w_has(w.clients[n + 1].msg, "m=audio 20000 RTP/AVP"));
		w_response(n + 1, rows[i].status, W_CORE_TAG, NULL, rows[i].cause);
		assert_int_equal(w.n_clients, n + 2);
		assert_380(h);
		w.clients[n + 1].cbs->on_done(w.clients[n + 1].arg, n + 2);
		w_assert_nothing_left();
	}
}

static void test_a_call_answered_by_the_second_ecscf_is_a_call(void **state)
{
	REQ("EMG-15", "EMG-14");
	gw_handle h = emergency_invite("tel:112", 1);

	(void)state;
	w_response(0, 408, NULL, NULL, CSCF_SIP_CAUSE_TIMEOUT);
	w_response(1, 200, W_CORE_TAG, W_CORE_SDP, CSCF_SIP_CAUSE_NONE);
	w_agw(GW_OK);
	assert_int_equal(w_status(h), 200);
	w_request(&w_wic, "ACK", "sip:b1@" W_CORE_IP, W_ALICE, W_BOB_TAG, 1, "", NULL);
	cscf_session_release_all(w.s);
	assert_byes(true, true, "shutting down");
}

static void test_what_we_cannot_carry_ends_in_380_but_a_cancelled_call_in_487(void **state)
{
	REQ("EMG-15");
	struct cscf_sip_msg *cancel;
	gw_handle h;

	(void)state;
	w.no_agw = true;
	assert_380(emergency_invite("tel:112", 1));
	w_assert_nothing_left();
	w.no_agw = false;
	h = w_request(&w_wic, "INVITE", "tel:112", W_ALICE, "<tel:112>", 2, "",
		      "v=0\r\nnonsense\r\n");
	assert_380(h);
	w_assert_nothing_left();
	h = emergency_invite("tel:112", 3);
	cancel =
	    w_parse("CANCEL tel:112 SIP/2.0\r\nVia: SIP/2.0/WSS peer.invalid;branch=z9hG4bK3WSS\r\n"
		    "From: " W_ALICE "\r\nTo: <tel:112>\r\nCall-ID: c1\r\nCSeq: 3 CANCEL\r\n"
		    "Content-Length: 0\r\n\r\n");
	cscf_session_on_cancel(w.s, h, cancel);
	assert_int_equal(w_status(h), 487);
	w_response(w.n_clients - 1, 487, W_CORE_TAG, NULL, CSCF_SIP_CAUSE_NONE);
	w_assert_nothing_left();
	cscf_sip_msg_free(cancel);
}

static void test_no_limit_of_calls_hits_an_emergency(void **state)
{
	REQ("EMG-17", "EMG-14");
	gw_handle h = GW_HANDLE_NONE;

	(void)state;
	w.cfg.limits_cps = 4; /* none is left for it either */
	for (unsigned i = 0; i < 5; i++)
		h = w_request(&w_wic, "INVITE", "sip:bob@ims.test", W_ALICE, W_BOB, i + 1, "",
			      w_wic_sdp(false));
	assert_int_equal(w_status(h), 503); /* limits.calls is 4 */
	w_agw(GW_OK);
	(void)emergency_invite("tel:112", 9);
	assert_true(w_has(w.clients[w.n_clients - 1].msg, FIRST));
	cscf_session_release_all(w.s);
	for (size_t i = 0; i < w.n_clients; i++)
		w_response(i, 487, W_CORE_TAG, NULL, CSCF_SIP_CAUSE_NONE);
	w_assert_nothing_left();
}

static void test_no_clock_ends_an_emergency_call(void **state)
{
	REQ("EMG-17");

	(void)state;
	w.cfg.max_duration = 1;
	(void)emergency_invite("tel:112", 1);
	w_response(0, 200, W_CORE_TAG, W_CORE_SDP, CSCF_SIP_CAUSE_NONE);
	w_agw(GW_OK);
	w_request(&w_wic, "ACK", "sip:b1@" W_CORE_IP, W_ALICE, W_BOB_TAG, 1, "", NULL);
	w_turn_past_ms(5);
	assert_null(w_bye_on(true));
	assert_null(w_bye_on(false));
	cscf_session_release_all(w.s);
	assert_byes(true, true, "shutting down");
}

/* What the WIC asks goes through as it is (EMG-17), but we do not refresh that often for it. */
static void test_a_session_of_a_second_is_not_ours(void **state)
{
	REQ("EMG-17", "CALL-33");

	(void)state;
	w.cfg.session_expires_s = 1800;
	w.cfg.min_se_s = 2;
	(void)w_request(&w_wic, "INVITE", "tel:112", W_ALICE, "<tel:112>", 1,
			"Session-Expires: 1\r\n", w_wic_sdp(false));
	w_agw(GW_OK);
	assert_true(w_has(w.clients[0].msg, "Session-Expires: 1\r\n"));
	w_response(0, 200, W_CORE_TAG, W_CORE_SDP, CSCF_SIP_CAUSE_NONE);
	w_agw(GW_OK);
	w_request(&w_wic, "ACK", "sip:b1@" W_CORE_IP, W_ALICE, W_BOB_TAG, 1, "", NULL);
	w_until(&w.n_clients, 1);
	assert_true(w_has(w.clients[1].msg, "Session-Expires: 2;refresher=uac"));
	w_response(1, 200, NULL, W_CORE_SDP, CSCF_SIP_CAUSE_NONE);
	w_agw(GW_OK);
	w.clients[1].cbs->on_done(w.clients[1].arg, 2);
	w.clients[1].live = false;
	cscf_session_release_all(w.s);
	assert_byes(true, true, "shutting down");
}

static void test_requests_outside_of_calls_proceed_in_the_same_way(void **state)
{
	REQ("EMG-14", "EMG-15");
	gw_handle h =
	    w_request(&w_wic, "MESSAGE", "sip:112@ims.test", W_ALICE, "<tel:112>", 1, "", NULL);

	(void)state;
	assert_true(w_has(w.clients[0].msg, "MESSAGE urn:service:sos SIP/2.0\r\n"));
	assert_true(w_has(w.clients[0].msg, FIRST));
	assert_true(w_has(w.clients[0].msg, "P-Asserted-Identity: <sip:alice@ims.test>\r\n"));
	w_response(0, 503, NULL, NULL, CSCF_SIP_CAUSE_TRANSPORT);
	assert_true(w_has(w.clients[1].msg, SECOND));
	w_response(1, 200, W_CORE_TAG, NULL, CSCF_SIP_CAUSE_NONE);
	assert_int_equal(w_status(h), 200);
	w.clients[1].cbs->on_done(w.clients[1].arg, 2);
	h = w_request(&w_wic, "FOO", "tel:112", W_ALICE, "<tel:112>", 2, "", NULL);
	w_response(2, 408, NULL, NULL, CSCF_SIP_CAUSE_TIMEOUT);
	w_response(3, 480, W_CORE_TAG, NULL, CSCF_SIP_CAUSE_NONE);
	assert_380(h);
	w.clients[3].cbs->on_done(w.clients[3].arg, 4);
	w_assert_nothing_left();
}

static void test_who_is_not_registered_does_not_proceed(void **state)
{
	REQ("EMG-16");

	(void)state;
	w.registered = false;
	assert_380(emergency_invite("tel:112", 1));
	assert_int_equal(w.n_clients, 0);
	assert_int_equal(w.reserved, 0);
}

#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	static const struct CMUnitTest tests[] = {
	    T(test_an_emergency_call_goes_to_the_ecscf_as_the_service),
	    T(test_a_service_urn_stays_and_ordinary_calls_are_as_before),
	    T(test_the_next_ecscf_gets_the_call_and_after_the_last_it_is_380),
	    T(test_a_call_answered_by_the_second_ecscf_is_a_call),
	    T(test_what_we_cannot_carry_ends_in_380_but_a_cancelled_call_in_487),
	    T(test_no_limit_of_calls_hits_an_emergency),
	    T(test_no_clock_ends_an_emergency_call),
	    T(test_a_session_of_a_second_is_not_ours),
	    T(test_requests_outside_of_calls_proceed_in_the_same_way),
	    T(test_who_is_not_registered_does_not_proceed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
