/* SPDX-License-Identifier: Apache-2.0 */
/* Headers and bodies on the way through, other usages of a dialog, and the record of a call. */
#include "cscf/session/session_int.h"
#include "tests/unit/cscf/session/play.h"

#include "common/log.h"

#include <sys/mman.h>
#include <unistd.h>

static void test_features_we_break_are_not_offered(void **state)
{
	REQ("CALL-18");
	const struct cscf_sip_msg *out;

	(void)state;
	w_request(&w_wic, "INVITE", "sip:bob@ims.test", W_ALICE, W_BOB, 1,
		  "Supported: 100rel, ice, trickle-ice, precondition, timer\r\n", w_wic_sdp(false));
	w_agw(GW_OK);
	out = w.clients[0].msg;
	assert_true(cscf_sip_msg_has_token(out, "Supported", "100rel"));
	assert_true(cscf_sip_msg_has_token(out, "Supported", "timer"));
	assert_false(cscf_sip_msg_has_token(out, "Supported", "ice"));
	assert_false(cscf_sip_msg_has_token(out, "Supported", "trickle-ice"));
	assert_false(cscf_sip_msg_has_token(out, "Supported", "precondition"));
	w_response(0, 486, W_CORE_TAG, NULL, CSCF_SIP_CAUSE_NONE);
	w_assert_nothing_left();
	w_request(&w_core, "INVITE", W_WIC_URI, W_BOB_TAG, "<sip:alice@ims.test>", 1,
		  "Supported: precondition, 100rel\r\n", W_CORE_SDP);
	w_agw(GW_OK);
	assert_false(cscf_sip_msg_has_token(w.clients[1].msg, "Supported", "precondition"));
	assert_true(cscf_sip_msg_has_token(w.clients[1].msg, "Supported", "100rel"));
	w_response(1, 486, "wic1", NULL, CSCF_SIP_CAUSE_NONE);
	w_assert_nothing_left();
}

static void test_the_side_that_knows_session_timers_refreshes(void **state)
{
	REQ("CALL-33");
	gw_handle h;

	(void)state;
	h = w_request(&w_core, "INVITE", W_WIC_URI, W_BOB_TAG, "<sip:alice@ims.test>", 1,
		      "Supported: timer\r\nSession-Expires: 90\r\nMin-SE: 90\r\n", W_CORE_SDP);
	w_agw(GW_OK);
	assert_true(w_has(w.clients[0].msg, "Session-Expires: 90"));
	assert_true(w_has(w.clients[0].msg, "Min-SE: 90"));
	w_response(0, 200, "wic1", w_wic_sdp(true), CSCF_SIP_CAUSE_NONE);
	w_agw(GW_OK);
	assert_true(w_has(w_answer_msg(h), "Session-Expires: 90;refresher=uac"));
	assert_true(cscf_sip_msg_has_token(w_answer_msg(h), "Require", "timer"));
	cscf_session_release_all(w.s);
	assert_byes(true, true, "shutting down");
	/* and 422 passes with what it says */
	h = w_request(&w_wic, "INVITE", "sip:bob@ims.test", W_ALICE, W_BOB, 5,
		      "Supported: timer\r\nSession-Expires: 60\r\n", w_wic_sdp(false));
	w_agw(GW_OK);
	w_response_with(w.n_clients - 1, 422, W_CORE_TAG, NULL, "Min-SE", "120");
	assert_int_equal(w_status(h), 422);
	assert_true(w_has(w_answer_msg(h), "Min-SE: 120"));
	w_assert_nothing_left();
}

static void test_a_wic_cannot_put_itself_into_the_route_set(void **state)
{
	REQ("CALL-09", "CALL-13");

	(void)state;
	(void)w_request(&w_wic, "INVITE", "sip:bob@ims.test", W_ALICE, W_BOB, 1,
			"Record-Route: <sip:evil.example:5060;lr>\r\n", w_wic_sdp(false));
	w_agw(GW_OK);
	assert_false(w_has(w.clients[0].msg, "evil.example"));
	w_response(0, 486, W_CORE_TAG, NULL, CSCF_SIP_CAUSE_NONE);
	w_assert_nothing_left();
}

static void test_capabilities_in_an_answer_are_no_offer(void **state)
{
	REQ("CALL-38", "CALL-30");
	gw_handle h = w_request(&w_wic, "INVITE", "sip:bob@ims.test", W_ALICE, W_BOB, 1, "",
				w_wic_sdp(false));
	size_t n;

	(void)state;
	w_agw(GW_OK);
	w_response(0, 200, W_CORE_TAG, W_CORE_SDP, CSCF_SIP_CAUSE_NONE);
	w_agw(GW_OK);
	assert_int_equal(w_status(h), 200);
	w_request(&w_wic, "ACK", "sip:b1@" W_CORE_IP, W_ALICE, W_BOB_TAG, 1, "", NULL);
	h = w_request(&w_wic, "OPTIONS", "sip:b1@" W_CORE_IP, W_ALICE, W_BOB_TAG, 2, "", NULL);
	n = w.n_clients - 1;
	w_response(n, 200, W_CORE_TAG,
		   "v=0\r\no=- 1 1 IN IP4 10.0.0.9\r\ns=-\r\nt=0 0\r\n"
		   "c=IN IP4 10.0.0.9\r\nm=audio 4000 RTP/SAVP 0\r\n",
		   CSCF_SIP_CAUSE_NONE);
	assert_int_equal(w_status(h), 200);
	assert_false(w_has(w_answer_msg(h), "10.0.0.9"));
	cscf_session_release_all(w.s);
	assert_byes(true, true, "shutting down"); /* the call was still there to be ended */
	w_assert_nothing_left();
}

/* A body of several parts in the place of `text`. */
static struct cscf_sip_msg *multi(struct cscf_sip_msg *msg, const char *sdp, const char *more)
{
	char body[4096];

	snprintf(
	    body, sizeof(body),
	    "--b\r\nContent-Type: application/pidf+xml\r\n\r\n<presence/>\r\n"
	    "--b\r\nContent-Type: application/sdp\r\nContent-Disposition: early-session\r\n\r\n"
	    "v=0\r\nc=IN IP4 203.0.113.66\r\n\r\n"
	    "--b\r\nContent-Type: application/sdp\r\n\r\n%s\r\n%s--b--\r\n",
	    sdp, more);
	assert_int_equal(
	    cscf_sip_msg_set_body(msg, "multipart/mixed;boundary=b", body, strlen(body)), GW_OK);
	return msg;
}

static void test_no_description_crosses_that_is_not_rewritten(void **state)
{
	REQ("CALL-40", "SDP-01", "SDP-02");
	struct cscf_sip_msg *in = w_parse("INVITE sip:bob@ims.test SIP/2.0\r\n"
					  "Via: SIP/2.0/WSS x.invalid;branch=z9hG4bKm\r\n"
					  "Max-Forwards: 70\r\nFrom: " W_ALICE "\r\nTo: " W_BOB
					  "\r\nCall-ID: c1\r\nCSeq: 1 INVITE\r\n"
					  "Contact: <sip:a1@x.invalid;transport=ws>\r\n\r\n");

	(void)state;
	w.servers[w.n_servers] = multi(in, w_wic_sdp(false), "");
	cscf_session_on_request(w.s, 1000 + w.n_servers++, in, &w_wic);
	w_agw(GW_OK);
	assert_int_equal(w.n_clients, 1);
	assert_true(w_has(w.clients[0].msg, "<presence/>"));
	assert_true(w_has(w.clients[0].msg, "m=audio 20000 RTP/AVP"));
	assert_false(w_has(w.clients[0].msg, "early-session"));
	assert_false(w_has(w.clients[0].msg, "203.0.113.66"));
	assert_false(w_has(w.clients[0].msg, "198.51.100.7"));
	w_response(0, 486, W_CORE_TAG, NULL, CSCF_SIP_CAUSE_NONE);
	w_assert_nothing_left();
}

static void test_descriptions_in_refusals_do_not_cross(void **state)
{
	REQ("SDP-01", "SDP-02");
	gw_handle h = w_mo_invite();

	(void)state;
	w_response(0, 488, W_CORE_TAG, W_CORE_SDP, CSCF_SIP_CAUSE_NONE);
	assert_int_equal(w_status(h), 488);
	assert_false(w_has(w_answer_msg(h), W_CORE_IP "\r\n"));
	w_assert_nothing_left();
	w_teardown(NULL);
	w_setup(NULL);
	w_mo_call();
	h = w_request(&w_core, "INVITE", W_WIC_URI, W_BOB_TAG, W_ALICE, 1, "", W_CORE_SDP);
	w_agw(GW_OK);
	w_response(1, 488, NULL, w_wic_sdp(true), CSCF_SIP_CAUSE_NONE);
	assert_int_equal(w_status(h), 488);
	assert_false(w_has(w_answer_msg(h), "198.51.100.7"));
	cscf_session_release_all(w.s);
	assert_byes(true, true, "shutting down");
}

static void test_a_core_503_in_a_call_is_500_to_the_wic(void **state)
{
	REQ("CALL-36", "SEC-21");
	gw_handle h = w_request(&w_wic, "INVITE", "sip:bob@ims.test", W_ALICE, W_BOB, 1, "",
				w_wic_sdp(false));

	(void)state;
	w_agw(GW_OK);
	w_response(0, 200, W_CORE_TAG, W_CORE_SDP, CSCF_SIP_CAUSE_NONE);
	w_agw(GW_OK);
	w_request(&w_wic, "ACK", "sip:b1@" W_CORE_IP, W_ALICE, W_BOB_TAG, 1, "", NULL);
	h = w_request(&w_wic, "INFO", "sip:b1@" W_CORE_IP, W_ALICE, W_BOB_TAG, 2, "", NULL);
	w_response(w.n_clients - 1, 503, W_CORE_TAG, NULL, CSCF_SIP_CAUSE_NONE);
	assert_int_equal(w_status(h), 500);
	cscf_session_release_all(w.s);
	assert_byes(true, true, "shutting down");
	w_assert_nothing_left();
}

static void test_the_called_identity_answers(void **state)
{
	REQ("ID-14", "ID-15", "ID-08");
	const struct cscf_sip_msg *rsp;
	gw_handle h = w_request(&w_core, "INVITE", W_WIC_URI, W_BOB_TAG, "<sip:alice@ims.test>", 1,
				"P-Called-Party-ID: <sip:alice.work@ims.test>\r\n"
				"P-Charging-Vector: icid-value=\"abc\";orig-ioi=x\r\n",
				W_CORE_SDP);

	(void)state;
	w_agw(GW_OK);
	assert_int_equal(cscf_sip_msg_hdr_num(w.clients[0].msg, "P-Charging-Vector"), 0);
	w_response_with(0, 180, "wic1", NULL, "P-Asserted-Identity", "<sip:mallory@ims.test>");
	assert_string_equal(w.preferred, "<sip:alice.work@ims.test>");
	rsp = w_answer_msg(h);
	assert_true(w_has(rsp, "P-Asserted-Identity: <sip:alice@ims.test>"));
	assert_false(w_has(rsp, "mallory"));
	assert_true(w_has(rsp, "icid-value=\"abc\""));
	w_response(0, 486, "wic1", NULL, CSCF_SIP_CAUSE_NONE);
	w_assert_nothing_left();
}

static void test_sealed_bodies_are_refused(void **state)
{
	REQ("CALL-42");
	gw_handle h;

	(void)state;
	h = w_request(&w_wic, "INVITE", "sip:bob@ims.test", W_ALICE, W_BOB, 1,
		      "Content-Type: application/pkcs7-mime; smime-type=enveloped-data\r\n", NULL);
	assert_int_equal(w_status(h), 493);
	h = w_request(&w_wic, "INVITE", "sip:bob@ims.test", W_ALICE, W_BOB, 2,
		      "Content-Type: multipart/signed;boundary=b\r\n", NULL);
	assert_int_equal(w_status(h), 488);
	assert_int_equal(w.n_clients, 0);
	w_assert_nothing_left();
}

static void test_a_subscription_outlives_the_call(void **state)
{
	REQ("CALL-39");
	gw_handle h;

	(void)state;
	w_mo_call();
	h = w_request(&w_wic, "BYE", "sip:b1@" W_CORE_IP, W_ALICE, W_BOB_TAG, 2, "", NULL);
	assert_non_null(w_bye_on(false));
	assert_int_equal(w_status(h), 200);
	w_assert_nothing_left();
	h = w_request(&w_core, "NOTIFY", W_WIC_URI, W_BOB_TAG, W_ALICE, 7, "Event: refer\r\n",
		      NULL);
	assert_true(w.clients[w.n_clients - 1].to_wic);
	w_response(w.n_clients - 1, 200, NULL, NULL, CSCF_SIP_CAUSE_NONE);
	assert_int_equal(w_status(h), 200);
	h = w_request(&w_core, "BYE", W_WIC_URI, W_BOB_TAG, W_ALICE, 8, "", NULL);
	assert_int_equal(w_status(h), 481);
}

static void test_every_call_leaves_a_record(void **state)
{
	REQ("REL-18");
	char text[65536] = "";
	int fd = memfd_create("log", 0);
	const char *line;
	gw_handle h;

	(void)state;
	assert_true(fd >= 0);
	gw_log_set_fd(fd);
	w_mo_call();
	h = w_request(&w_wic, "BYE", "sip:b1@" W_CORE_IP, W_ALICE, W_BOB_TAG, 2, "", NULL);
	assert_non_null(w_bye_on(false));
	assert_int_equal(w_status(h), 200);
	w_assert_nothing_left();
	w.no_agw = true; /* and one that failed */
	w_request(&w_wic, "INVITE", "sip:bob@ims.test", W_ALICE, W_BOB, 3, "", w_wic_sdp(false));
	w_assert_nothing_left();
	gw_log_set_fd(2);
	assert_true(pread(fd, text, sizeof(text) - 1, 0) > 0);
	close(fd);
	line = strstr(text, "event=call.record");
	assert_non_null(line);
	assert_non_null(strstr(line, "status=200 cause=bye"));
	assert_non_null(strstr(line, "icid="));
	line = strstr(line + 1, "event=call.record");
	assert_non_null(line);
	assert_non_null(strstr(line, "status=503 cause=no-media"));
}

/* What the AGW counted and was told, both ways: as it is written into the record. */
static void test_the_record_has_the_quality_of_both_ways(void **state)
{
	static char profile[] = "AEAD_AES_128_GCM";
	static struct call c;
	IqDirectionStats up, down;
	IqStreamStats s[9], *list[9];
	struct cscf_iq_outcome o = {.err = GW_OK, .stats = list, .n_stats = 1};

	REQ("RTP-26", "REL-18");
	(void)state;
	wicgate__iq__v1__direction_stats__init(&up);
	wicgate__iq__v1__direction_stats__init(&down);
	for (unsigned i = 0; i < 9; i++) {
		wicgate__iq__v1__stream_stats__init(&s[i]);
		s[i].stream_id = i + 1;
		s[i].uplink = &up;
		s[i].downlink = &down;
		s[i].srtp_profile = profile;
		list[i] = &s[i];
	}
	up.rtp_packets = 950;
	up.lost = 50;
	up.drops_gate = 1;
	up.drops_policed = 2;
	up.jitter_rtp_units = 80;
	up.far_rtt_us = 21460;
	up.mos_x100 = 386;
	down.rtp_packets = 1000;
	down.jitter_rtp_units = 7;
	record_stats(&c, &o);
	assert_string_equal(
	    c.stats, "stream=1 up_packets=950 up_lost=50 up_dropped=3 up_jitter=80 "
		     "up_rtt_ms=21.4 up_mos=3.86 down_packets=1000 down_lost=0 down_dropped=0 "
		     "down_jitter=7 down_rtt_ms=- down_mos=- srtp=AEAD_AES_128_GCM");
	/* many: as many as there is room for, each whole */
	o.n_stats = 9;
	record_stats(&c, &o);
	assert_non_null(strstr(c.stats, "srtp=AEAD_AES_128_GCM stream=2 "));
	assert_null(strstr(c.stats, "stream=9"));
	assert_string_equal(c.stats + strlen(c.stats) - strlen(profile), profile);
	o.err = GW_ERR_TIMEOUT;
	record_stats(&c, &o);
	assert_string_equal(c.stats, "media_stats=timeout");
}

#define T(name) cmocka_unit_test_setup_teardown(name, w_setup, w_teardown)

int main(void)
{
	static const struct CMUnitTest tests[] = {
	    T(test_features_we_break_are_not_offered),
	    T(test_the_side_that_knows_session_timers_refreshes),
	    T(test_a_wic_cannot_put_itself_into_the_route_set),
	    T(test_capabilities_in_an_answer_are_no_offer),
	    T(test_no_description_crosses_that_is_not_rewritten),
	    T(test_descriptions_in_refusals_do_not_cross),
	    T(test_a_core_503_in_a_call_is_500_to_the_wic),
	    T(test_the_called_identity_answers),
	    T(test_sealed_bodies_are_refused),
	    T(test_a_subscription_outlives_the_call),
	    T(test_every_call_leaves_a_record),
	    T(test_the_record_has_the_quality_of_both_ways),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
