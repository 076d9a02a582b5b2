/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What each leg's description means in parameters: DTLS role, required attributes of a WIC's
 * answer, RTCP on both sides. Text and parameters must agree.
 */
#include "fixture.h"
#include "tests/lib/req.h"

static void test_dtls_role_for_offers_of_the_wic(void **state)
{
	REQ("DTLS-02", "DTLS-03", "IQ-05");
	static const struct {
		const char *setup;
		bool passive_knob;
		enum cscf_sdp_dtls_role role;
		const char *word;
	} cases[] = {
	    {"a=setup:actpass\r\n", false, CSCF_SDP_DTLS_CLIENT, "a=setup:active\r\n"},
	    {"a=setup:actpass\r\n", true, CSCF_SDP_DTLS_SERVER, "a=setup:passive\r\n"},
	    {"a=setup:active\r\n", false, CSCF_SDP_DTLS_SERVER, "a=setup:passive\r\n"},
	    {"a=setup:passive\r\n", true, CSCF_SDP_DTLS_CLIENT, "a=setup:active\r\n"},
	    {"", false, CSCF_SDP_DTLS_SERVER, "a=setup:passive\r\n"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct cscf_sdp_policy policy = *fx_policy();
		char *offer = fx_with(FX_WIC_AUDIO, "a=setup:actpass\r\n", cases[i].setup);
		struct cscf_sdp_session *s;
		struct cscf_sdp_text t;

		policy.answer_passive = cases[i].passive_knob;
		s = fx_session(&policy);
		assert_int_equal(fx_wic_offer(s, offer, &t), CSCF_SDP_OK);
		assert_int_equal(cscf_sdp_stream(s, 0)->dtls, cases[i].role);
		assert_int_equal(fx_core_answer(s, FX_CORE_AUDIO, &t), CSCF_SDP_OK);
		assert_int_equal(cscf_sdp_stream(s, 0)->dtls, cases[i].role);
		assert_non_null(strstr(t.p, cases[i].word));
		fx_assert_agrees(s, &t, true);
		cscf_sdp_session_free(s);
		free(offer);
	}
}

static void test_dtls_role_from_answers_of_the_wic(void **state)
{
	REQ("DTLS-04", "SDP-07", "IQ-05");
	static const struct {
		const char *answer;
		enum cscf_sdp_verdict want;
		enum cscf_sdp_dtls_role role;
	} cases[] = {
	    {FX_WIC_ANSWER("a=setup:active\r\n"), CSCF_SDP_OK, CSCF_SDP_DTLS_SERVER},
	    {FX_WIC_ANSWER("a=setup:passive\r\n"), CSCF_SDP_OK, CSCF_SDP_DTLS_CLIENT},
	    {FX_WIC_ANSWER("a=setup:actpass\r\n"), CSCF_SDP_OK, CSCF_SDP_DTLS_SERVER},
	    {FX_WIC_ANSWER("a=setup:holdconn\r\n"), CSCF_SDP_NO_DTLS, CSCF_SDP_DTLS_UNDECIDED},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct cscf_sdp_session *s = fx_session(NULL);
		struct cscf_sdp_text t;

		assert_int_equal(fx_core_offer(s, FX_CORE_AUDIO, &t), CSCF_SDP_OK);
		assert_non_null(strstr(t.p, "a=setup:actpass\r\n"));
		assert_int_equal(fx_count(t.p, "a=3ge2ae:applied\r\n"), 1);
		assert_int_equal(cscf_sdp_stream(s, 0)->dtls, CSCF_SDP_DTLS_UNDECIDED);
		assert_int_equal(fx_wic_answer(s, cases[i].answer, &t), cases[i].want);
		assert_int_equal(cscf_sdp_stream(s, 0)->dtls, cases[i].role);
		cscf_sdp_session_free(s);
	}
}

static void test_wic_answer_without_what_we_need_is_refused(void **state)
{
	REQ("BUN-13", "SDP-48", "ICE-06");
	static const struct {
		const char *from, *to;
		enum cscf_sdp_verdict want;
	} cases[] = {
	    {"UDP/TLS/RTP/SAVPF", "RTP/AVP", CSCF_SDP_NO_DTLS},
	    {"UDP/TLS/RTP/SAVPF", "UDP/TLS/RTP/SAVP", CSCF_SDP_NO_DTLS},
	    {"a=fingerprint", "a=nothing", CSCF_SDP_NO_DTLS},
	    {"a=ice-ufrag", "a=nothing", CSCF_SDP_NO_ICE},
	    {"a=rtcp-mux\r\n", "", CSCF_SDP_NO_MUX},
	    {"m=audio 9", "m=video 9", CSCF_SDP_BAD_ANSWER},
	    {"8 126", "111 9", CSCF_SDP_NO_FORMAT},
	    {"8 126", "126", CSCF_SDP_NO_FORMAT},
	    {"m=audio 9", "m=audio 0 X 1\r\nm=audio 9", CSCF_SDP_BAD_ANSWER},
	    {"sha-256 " FX_FP,
	     "sha-256 00:07:0E:15:1C:23:2A:31:38:3F:46:4D:54:5B:62:69:70:77:7E:85:8C:93:9A:A1:A8:"
	     "AF:B6:BD:C4:CB:D2:D9",
	     CSCF_SDP_REFLECTED},
	    {"t=0 0", "t=0 0\r\na=group:BUNDLE 0", CSCF_SDP_OK},
	    {"m=audio 9", "m=audio 0", CSCF_SDP_OK},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct cscf_sdp_session *s = fx_session(NULL);
		char *answer =
		    fx_with(FX_WIC_ANSWER("a=setup:active\r\n"), cases[i].from, cases[i].to);
		struct cscf_sdp_text t;
		enum cscf_sdp_verdict v;

		assert_int_equal(fx_core_offer(s, FX_CORE_AUDIO, &t), CSCF_SDP_OK);
		v = fx_wic_answer(s, answer, &t);
		if (v != cases[i].want)
			fail_msg("%s: %s", cases[i].to, cscf_sdp_verdict_name(v));
		if (v == CSCF_SDP_OK)
			fx_assert_agrees(s, &t, false);
		else /* the round is as before: a good answer may still come */
			assert_int_equal(fx_wic_answer(s, FX_WIC_ANSWER("a=setup:active\r\n"), &t),
					 CSCF_SDP_OK);
		free(answer);
		cscf_sdp_session_free(s);
	}
}

static void test_core_rtcp_and_bandwidth_are_typed(void **state)
{
	REQ("RTCP-02", "SDP-31", "BUN-19", "SDP-05");
	static const struct {
		const char *extra;
		bool accept_mux;
		enum cscf_sdp_rtcp mode;
		const char *addr;
		uint16_t port;
	} cases[] = {
	    {"", false, CSCF_SDP_RTCP_SEPARATE, "10.30.0.9", 41001},
	    {"a=rtcp:5000\r\n", false, CSCF_SDP_RTCP_SEPARATE, "10.30.0.9", 5000},
	    {"a=rtcp:5000 IN IP4 10.30.0.8\r\n", false, CSCF_SDP_RTCP_SEPARATE, "10.30.0.8", 5000},
	    {"a=rtcp-mux\r\n", false, CSCF_SDP_RTCP_SEPARATE, "10.30.0.9", 41001},
	    {"a=rtcp-mux\r\n", true, CSCF_SDP_RTCP_MUX, "10.30.0.9", 41000},
	    {"b=RS:0\r\nb=RR:0\r\n", true, CSCF_SDP_RTCP_OFF, "10.30.0.9", 41001},
	    {"b=RS:0\r\nb=RR:2500\r\n", true, CSCF_SDP_RTCP_SEPARATE, "10.30.0.9", 41001},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct cscf_sdp_policy policy = *fx_policy();
		char offer[1024];
		const struct cscf_sdp_stream *st;
		struct cscf_sdp_session *s;
		struct cscf_sdp_text t;

		policy.core_rtcp_mux_accept = cases[i].accept_mux;
		snprintf(offer, sizeof(offer), "%s%s", FX_CORE_AUDIO, cases[i].extra);
		s = fx_session(&policy);
		assert_int_equal(fx_core_offer(s, offer, &t), CSCF_SDP_OK);
		assert_null(strstr(t.p, "b=R"));
		st = cscf_sdp_stream(s, 0);
		assert_int_equal(st->core_rtcp, cases[i].mode);
		assert_int_equal(st->core_remote.rtcp_port, cases[i].port);
		assert_string_equal(st->core_remote.rtcp_addr, cases[i].addr);
		assert_int_equal(fx_wic_answer(s, FX_WIC_ANSWER("a=setup:active\r\n"), &t),
				 CSCF_SDP_OK);
		assert_int_equal(fx_count(t.p, "a=rtcp-mux\r\n"),
				 cases[i].mode == CSCF_SDP_RTCP_MUX);
		assert_int_equal(fx_count(t.p, "b=RS:0\r\nb=RR:0\r\n"),
				 cases[i].mode == CSCF_SDP_RTCP_OFF);
		assert_int_equal(fx_count(t.p, "a=rtcp:30001\r\n"),
				 cases[i].mode == CSCF_SDP_RTCP_SEPARATE);
		cscf_sdp_session_free(s);
	}
}

static void test_access_without_rtcp_mux_gets_a_second_component(void **state)
{
	REQ("BUN-15", "BUN-16");
	struct cscf_sdp_session *s = fx_session(NULL);
	char *none = fx_with(FX_WIC_AUDIO, "a=rtcp-mux\r\n", "");
	char *only = fx_with(FX_WIC_AUDIO, "a=rtcp-mux\r\n", "a=rtcp-mux-only\r\n");
	struct cscf_sdp_text t;

	(void)state;
	assert_int_equal(fx_wic_offer(s, none, &t), CSCF_SDP_OK);
	assert_int_equal(cscf_sdp_stream(s, 0)->access_rtcp, CSCF_SDP_RTCP_SEPARATE);
	assert_int_equal(fx_core_answer(s, FX_CORE_AUDIO, &t), CSCF_SDP_OK);
	assert_null(strstr(t.p, "rtcp-mux"));
	assert_non_null(strstr(t.p, "a=rtcp:40001\r\n"));
	cscf_sdp_rollback(s);
	assert_int_equal(fx_wic_offer(s, only, &t), CSCF_SDP_OK);
	assert_int_equal(fx_core_answer(s, FX_CORE_AUDIO, &t), CSCF_SDP_OK);
	assert_int_equal(fx_count(t.p, "a=rtcp-mux\r\n"), 1);
	assert_null(strstr(t.p, "rtcp-mux-only"));
	free(none);
	free(only);
	cscf_sdp_session_free(s);
}

static void test_a_tcp_candidate_is_an_extra_behind_udp(void **state)
{
	struct cscf_sdp_access_local local = {.addr = FX_ACCESS,
					      .port = 40000,
					      .n_cands = 2,
					      .cands = {{.foundation = "1",
							 .type = "host",
							 .addr = FX_ACCESS,
							 .port = 40000,
							 .component = 1,
							 .priority = 2130706431},
							{.foundation = "3",
							 .type = "host",
							 .addr = FX_ACCESS,
							 .port = 39999,
							 .component = 1,
							 .priority = 2124414975,
							 .tcp = true}}};
	struct cscf_sdp_session *s = fx_session(fx_policy());
	struct cscf_sdp_text t;

	(void)state;
	REQ("ICE-26", "ICE-03");
	assert_int_equal(cscf_sdp_offer_from_core(s, FX_CORE_AUDIO, strlen(FX_CORE_AUDIO)),
			 CSCF_SDP_OK);
	fx_local(s, 0);
	assert_int_equal(cscf_sdp_set_local(s, 0, &local, NULL), GW_OK);
	assert_int_equal(cscf_sdp_offer_to_wic(s, &t), CSCF_SDP_OK);
	assert_int_equal(fx_count(t.p, "m=audio 40000 "), 1);
	assert_int_equal(fx_count(t.p,
				  "a=candidate:1 1 udp 2130706431 " FX_ACCESS " 40000 typ host\r\n"
				  "a=candidate:3 1 tcp 2124414975 " FX_ACCESS
				  " 39999 typ host tcptype passive\r\n"),
			 1);
	cscf_sdp_session_free(s);
}

static void test_rtcp_mux_knob_in_our_offers(void **state)
{
	REQ("BUN-17");
	static const struct {
		enum cscf_sdp_mux_knob knob;
		size_t mux, only;
		enum cscf_sdp_rtcp mode, mode_without;
	} cases[] = {
	    {CSCF_SDP_MUX_REQUIRE, 1, 1, CSCF_SDP_RTCP_MUX, CSCF_SDP_RTCP_MUX},
	    {CSCF_SDP_MUX_OFFER, 1, 0, CSCF_SDP_RTCP_MUX, CSCF_SDP_RTCP_SEPARATE},
	    {CSCF_SDP_MUX_OFF, 0, 0, CSCF_SDP_RTCP_SEPARATE, CSCF_SDP_RTCP_SEPARATE},
	};
	char *without = fx_with(FX_WIC_ANSWER("a=setup:active\r\n"), "a=rtcp-mux\r\n", "");

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct cscf_sdp_access_local local = {.addr = FX_ACCESS, .port = 40000};
		struct cscf_sdp_policy policy = *fx_policy();
		struct cscf_sdp_session *s;
		struct cscf_sdp_text t;
		bool two = cases[i].knob != CSCF_SDP_MUX_REQUIRE;

		policy.access_rtcp_mux = cases[i].knob;
		local.rtcp_port = two ? 40001 : 0;
		s = fx_session(&policy);
		assert_int_equal(cscf_sdp_offer_from_core(s, FX_CORE_AUDIO, strlen(FX_CORE_AUDIO)),
				 CSCF_SDP_OK);
		assert_int_equal(cscf_sdp_stream(s, 0)->access_rtcp, cases[i].mode);
		fx_local(s, 0);
		assert_int_equal(cscf_sdp_set_local(s, 0, &local, NULL), GW_OK);
		assert_int_equal(cscf_sdp_offer_to_wic(s, &t), CSCF_SDP_OK);
		assert_int_equal(fx_count(t.p, "a=rtcp-mux\r\n"), cases[i].mux);
		assert_int_equal(fx_count(t.p, "a=rtcp-mux-only\r\n"), cases[i].only);
		assert_int_equal(fx_count(t.p, "a=candidate:1 2 udp 2130706430 "), two);
		assert_int_equal(fx_count(t.p, "a=candidate:1 1 udp 2130706431 "), 1);
		assert_int_equal(fx_count(t.p, "a=rtcp:40001\r\n"), two);
		assert_int_equal(fx_wic_answer(s, without, &t),
				 two ? CSCF_SDP_OK : CSCF_SDP_NO_MUX);
		assert_int_equal(cscf_sdp_stream(s, 0)->access_rtcp, cases[i].mode_without);
		cscf_sdp_session_free(s);
	}
	free(without);
}

static void test_our_rtcp_port_is_told_to_the_core_always(void **state)
{
	REQ("RTCP-03");
	static const struct {
		uint16_t rtcp; /* what the AGW gave; 0: nothing of its own */
		const char *line;
	} cases[] = {
	    {30001, "a=rtcp:30001\r\n"}, /* RTP + 1: said all the same */
	    {0, "a=rtcp:30001\r\n"},
	    {31777, "a=rtcp:31777\r\n"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct cscf_sdp_session *s = fx_session(NULL);
		struct cscf_sdp_access_local a;
		struct cscf_sdp_core_local c;
		struct cscf_sdp_text t;

		assert_int_equal(cscf_sdp_offer_from_wic(s, FX_WIC_AUDIO, sizeof(FX_WIC_AUDIO) - 1),
				 CSCF_SDP_OK);
		fx_locals(s);
		a = cscf_sdp_stream(s, 0)->access_local;
		c = cscf_sdp_stream(s, 0)->core_local;
		c.rtcp_port = cases[i].rtcp;
		assert_int_equal(cscf_sdp_set_local(s, 0, &a, &c), GW_OK);
		assert_int_equal(cscf_sdp_offer_to_core(s, &t), CSCF_SDP_OK);
		assert_int_equal(fx_count(t.p, "a=rtcp:"), 1);
		assert_non_null(strstr(t.p, cases[i].line));
		cscf_sdp_session_free(s);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_dtls_role_for_offers_of_the_wic),
	    cmocka_unit_test(test_dtls_role_from_answers_of_the_wic),
	    cmocka_unit_test(test_wic_answer_without_what_we_need_is_refused),
	    cmocka_unit_test(test_core_rtcp_and_bandwidth_are_typed),
	    cmocka_unit_test(test_access_without_rtcp_mux_gets_a_second_component),
	    cmocka_unit_test(test_rtcp_mux_knob_in_our_offers),
	    cmocka_unit_test(test_a_tcp_candidate_is_an_extra_behind_udp),
	    cmocka_unit_test(test_our_rtcp_port_is_told_to_the_core_always),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
