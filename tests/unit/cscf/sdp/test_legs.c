/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What one leg has and the other has not: 3ge2ae, payload types that a muxed port cannot carry,
 * renumbered codecs, address families, plain AVP video, SDES, text and fax lines.
 */
#include "fixture.h"
#include "tests/lib/req.h"

static void test_asking_for_3ge2ae_changes_nothing(void **state)
{
	REQ("SDP-08");
	static const char *const words[] = {"requested", "applied", "REQUESTED", "nonsense"};
	struct cscf_sdp_session *s = fx_session(NULL);
	struct cscf_sdp_text t;
	char plain[4096], *strip;

	(void)state;
	assert_int_equal(fx_wic_offer(s, FX_WIC_AUDIO, &t), CSCF_SDP_OK);
	snprintf(plain, sizeof(plain), "%s", strstr(t.p, "\r\ns=-"));
	cscf_sdp_session_free(s);
	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
		char line[64];

		snprintf(line, sizeof(line), "a=mid:0\r\na=3ge2ae:%s\r\n", words[i]);
		strip = fx_with(FX_WIC_AUDIO, "a=mid:0\r\n", line);
		s = fx_session(NULL);
		assert_int_equal(fx_wic_offer(s, strip, &t), CSCF_SDP_OK);
		assert_string_equal(strstr(t.p, "\r\ns=-"), plain);
		assert_int_equal(fx_core_answer(s, FX_CORE_AUDIO, &t), CSCF_SDP_OK);
		assert_non_null(strstr(t.p, "UDP/TLS/RTP/SAVPF"));
		assert_null(strstr(t.p, "3ge2ae")); /* in offers only, unless the knob says so */
		cscf_sdp_session_free(s);
		free(strip);
	}
}

static void test_3ge2ae_in_answers_by_knob(void **state)
{
	REQ("SDP-07");
	struct cscf_sdp_policy p = *fx_policy();
	struct cscf_sdp_session *s;
	struct cscf_sdp_text t;

	(void)state;
	p.e2ae_in_answer = true;
	s = fx_session(&p);
	assert_int_equal(fx_wic_offer(s, FX_WIC_AUDIO, &t), CSCF_SDP_OK);
	assert_int_equal(fx_core_answer(s, FX_CORE_AUDIO, &t), CSCF_SDP_OK);
	assert_non_null(strstr(t.p, "a=3ge2ae:applied\r\n"));
	cscf_sdp_session_free(s);
}

static void test_payload_types_that_look_like_rtcp_are_left_out(void **state)
{
	REQ("SDP-27");
	struct cscf_sdp_session *s = fx_session(NULL);
	struct cscf_sdp_text t;

	(void)state;
	for (unsigned pt = 62; pt <= 97; pt++) {
		char offer[512];
		bool clash = pt >= 64 && pt <= 95;

		snprintf(offer, sizeof(offer),
			 FX_CORE_HEAD "m=audio 41000 RTP/AVP %u 8\r\na=rtpmap:%u EVS/16000\r\n", pt,
			 pt);
		assert_int_equal(fx_core_offer(s, offer, &t), CSCF_SDP_OK);
		assert_int_equal(strstr(t.p, "EVS") == NULL, clash);
		cscf_sdp_rollback(s);
		snprintf(offer, sizeof(offer),
			 FX_CORE_HEAD "m=audio 41000 RTP/AVP %u\r\na=rtpmap:%u EVS/16000\r\n", pt,
			 pt);
		assert_int_equal(fx_core_offer(s, offer, &t),
				 clash ? CSCF_SDP_NO_FORMAT : CSCF_SDP_OK);
		cscf_sdp_rollback(s);
	}
	cscf_sdp_session_free(s);
}

/* The gateway renumbers nothing: a PT that means something else at the other end is not relayed. */
static void test_a_codec_under_another_number_is_refused_not_renumbered(void **state)
{
	REQ("SDP-25", "SDP-26");
	struct cscf_sdp_session *s = fx_session(NULL);
	struct cscf_sdp_text t;

	(void)state;
	assert_int_equal(fx_wic_offer(s, FX_WIC_AUDIO, &t), CSCF_SDP_OK);
	assert_int_equal(fx_core_answer(s,
					FX_CORE_HEAD "m=audio 41000 RTP/AVP 96\r\n"
						     "a=rtpmap:96 opus/48000/2\r\n",
					&t),
			 CSCF_SDP_NO_FORMAT);
	assert_int_equal(fx_core_answer(s,
					FX_CORE_HEAD "m=audio 41000 RTP/AVP 96 8\r\n"
						     "a=rtpmap:96 opus/48000/2\r\n",
					&t),
			 CSCF_SDP_OK);
	assert_non_null(strstr(t.p, "UDP/TLS/RTP/SAVPF 8\r\n"));
	assert_int_equal(cscf_sdp_stream(s, 0)->n_fmts, 1);
	cscf_sdp_session_free(s);
}

static void test_each_leg_speaks_its_own_address_family(void **state)
{
	REQ("SDP-32");
	struct cscf_sdp_session *s = fx_session(NULL);
	struct cscf_sdp_core_local six = {.addr = "2001:db8::5", .port = 30000};
	char *answer = fx_with(FX_CORE_AUDIO, "IP4 10.30.0.9", "IP6 2001:db8:30::9");
	struct cscf_sdp_text t;

	(void)state;
	assert_int_equal(cscf_sdp_offer_from_wic(s, FX_WIC_AUDIO, strlen(FX_WIC_AUDIO)),
			 CSCF_SDP_OK);
	fx_locals(s);
	assert_int_equal(cscf_sdp_set_local(s, 0, NULL, &six), GW_OK);
	assert_int_equal(cscf_sdp_offer_to_core(s, &t), CSCF_SDP_OK);
	assert_non_null(strstr(t.p, " IN IP6 2001:db8::5\r\ns=-\r\nc=IN IP6 2001:db8::5\r\n"));
	assert_null(strstr(t.p, "IP4"));
	assert_non_null(strstr(t.p, "b=AS:96\r\n")); /* opus and 20 octets more of header */
	assert_int_equal(fx_core_answer(s, answer, &t), CSCF_SDP_OK);
	assert_null(strstr(t.p, "IP6"));
	assert_non_null(strstr(t.p, "c=IN IP4 " FX_ACCESS "\r\n"));
	assert_string_equal(cscf_sdp_stream(s, 0)->core_remote.addr, "2001:db8:30::9");
	free(answer);
	cscf_sdp_session_free(s);
}

static void test_video_without_feedback_in_the_core_promises_none(void **state)
{
	REQ("SDP-42");
	static const char avp[] =
	    FX_CORE_HEAD "m=video 41004 RTP/AVP 96\r\na=rtpmap:96 VP8/90000\r\n"
			 "a=rtcp-fb:96 nack pli\r\na=rtcp-fb:* nack\r\n";
	struct cscf_sdp_session *s = fx_session(NULL);
	struct cscf_sdp_text t;

	(void)state;
	assert_int_equal(fx_core_offer(s, avp, &t), CSCF_SDP_OK);
	assert_non_null(strstr(t.p, "m=video 40000 UDP/TLS/RTP/SAVPF 96\r\n"));
	assert_null(strstr(t.p, "rtcp-fb"));
	cscf_sdp_session_free(s);
}

static void test_what_is_end_to_end_protected_or_no_rtp_is_left_out(void **state)
{
	REQ("SDP-46", "SDP-47", "SDP-33");
	static const char sdes[] = "m=audio 6006 RTP/SAVP 0\r\n"
				   "a=crypto:1 AES_CM_128_HMAC_SHA1_80 "
				   "inline:PS1uQCVeeCFCanVmcjkpPywjNWhcYD0mXXtxaVBR\r\n";
	static const char others[] = "m=text 6008 RTP/AVP 98\r\na=rtpmap:98 t140/1000\r\n"
				     "m=image 6004 udptl t38\r\nm=message 2855 TCP/MSRP *\r\n";
	struct cscf_sdp_session *s = fx_session(NULL);
	char offer[2048];
	struct cscf_sdp_text t;

	(void)state;
	snprintf(offer, sizeof(offer), FX_CORE_HEAD "%s", sdes);
	assert_int_equal(fx_core_offer(s, offer, &t), CSCF_SDP_PROTO);
	assert_int_equal(cscf_sdp_verdict_status(CSCF_SDP_PROTO), 488);
	assert_int_equal(cscf_sdp_verdict_warning(CSCF_SDP_PROTO, &(const char *){NULL}), 302);
	snprintf(offer, sizeof(offer), FX_CORE_AUDIO "%s%s", sdes, others);
	assert_int_equal(fx_core_offer(s, offer, &t), CSCF_SDP_OK);
	assert_int_equal(fx_count(t.p, "\r\nm="), 2);
	assert_non_null(strstr(t.p, "\r\nm=text 40004 UDP/TLS/RTP/SAVPF 98\r\n"));
	assert_null(strstr(t.p, "crypto"));
	assert_int_equal(
	    fx_wic_answer(
		s, FX_WIC_ANSWER("a=setup:active\r\n") "m=text 0 UDP/TLS/RTP/SAVPF 98\r\n", &t),
	    CSCF_SDP_OK);
	assert_int_equal(fx_count(t.p, "\r\nm="), 5);
	assert_non_null(strstr(t.p, "\r\nm=audio 0 RTP/SAVP 0\r\n"));
	assert_non_null(strstr(t.p, "\r\nm=text 0 RTP/AVP 98\r\n"));
	assert_non_null(strstr(t.p, "\r\nm=image 0 udptl t38\r\n"));
	assert_non_null(strstr(t.p, "\r\nm=message 0 TCP/MSRP *\r\n"));
	cscf_sdp_session_free(s);
}

static void test_nothing_that_browsers_need_not_is_offered_to_them(void **state)
{
	REQ("BUN-14", "SRTP-13", "ICE-08", "DC-07");
	static const char avdc[] = FX_HEAD "a=group:BUNDLE 0 1\r\n" FX_AUDIO("51472") FX_ICE FX_DTLS
	    "a=mid:0\r\na=rtcp-mux\r\na=cryptex\r\n"
	    "a=extmap:4 urn:ietf:params:rtp-hdrext:sdes:mid\r\n"
	    "a=extmap:5 urn:ietf:params:rtp-hdrext:encrypt urn:x\r\n" FX_AUDIO_CODECS
	    "m=application 0 UDP/DTLS/SCTP webrtc-datachannel\r\nc=IN IP4 0.0.0.0\r\n"
	    "a=mid:1\r\na=bundle-only\r\na=sctp-port:5000\r\n";
	struct cscf_sdp_session *s = fx_session(NULL);
	struct cscf_sdp_text t;

	(void)state;
	assert_int_equal(fx_wic_offer(s, avdc, &t), CSCF_SDP_OK);
	assert_int_equal(fx_count(t.p, "\r\nm="), 1);
	assert_int_equal(fx_core_answer(s, FX_CORE_AUDIO, &t), CSCF_SDP_OK);
	assert_int_equal(fx_count(t.p, "\r\nm="), 2);
	assert_non_null(strstr(t.p, "\r\nm=application 0 UDP/DTLS/SCTP webrtc-datachannel\r\n"));
	for (size_t i = 0; i < 6; i++)
		assert_null(
		    strstr(t.p, ((const char *[]){"trickle", "extmap", "cryptex", "sctp-port",
						  "BUNDLE", "ice-options"})[i]));
	cscf_sdp_session_free(s);
	s = fx_session(NULL);
	assert_int_equal(fx_core_offer(s, FX_CORE_AUDIO, &t), CSCF_SDP_OK);
	for (size_t i = 0; i < 4; i++)
		assert_null(
		    strstr(t.p, ((const char *[]){"trickle", "extmap", "cryptex", "BUNDLE"})[i]));
	cscf_sdp_session_free(s);
}

static void test_a_full_agent_is_not_said_to_be_lite_and_a_relay_hides_what_is_behind(void **state)
{
	REQ("ICE-28", "ICE-02");
	struct cscf_sdp_session *s = fx_session(NULL);
	struct cscf_sdp_access_local l;
	struct cscf_sdp_text t;

	(void)state;
	assert_int_equal(fx_core_offer(s, FX_CORE_AUDIO, &t), CSCF_SDP_OK);
	assert_non_null(strstr(t.p, "a=ice-lite\r\n"));
	l = cscf_sdp_stream(s, 0)->access_local;
	cscf_sdp_session_free(s);
	l.ice_full = true;
	l.cands[0] = (struct cscf_sdp_cand){.foundation = "1",
					    .type = "host",
					    .addr = FX_ACCESS,
					    .port = 40000,
					    .component = 1,
					    .priority = 2130706431};
	l.cands[1] = (struct cscf_sdp_cand){.foundation = "5",
					    .type = "relay",
					    .addr = "198.51.100.9",
					    .port = 50000,
					    .component = 1,
					    .priority = 16777215};
	l.n_cands = 2;
	s = fx_session(NULL);
	assert_int_equal(cscf_sdp_offer_from_core(s, FX_CORE_AUDIO, strlen(FX_CORE_AUDIO)),
			 CSCF_SDP_OK);
	fx_locals(s);
	assert_int_equal(cscf_sdp_set_local(s, 0, &l, NULL), GW_OK);
	assert_int_equal(cscf_sdp_offer_to_wic(s, &t), CSCF_SDP_OK);
	assert_null(strstr(t.p, "ice-lite"));
	assert_non_null(
	    strstr(t.p, "a=candidate:1 1 udp 2130706431 " FX_ACCESS " 40000 typ host\r\n"));
	assert_non_null(strstr(t.p, "a=candidate:5 1 udp 16777215 198.51.100.9 50000 typ relay "
				    "raddr 0.0.0.0 rport 0\r\n"));
	cscf_sdp_session_free(s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_asking_for_3ge2ae_changes_nothing),
	    cmocka_unit_test(test_3ge2ae_in_answers_by_knob),
	    cmocka_unit_test(test_payload_types_that_look_like_rtcp_are_left_out),
	    cmocka_unit_test(test_a_codec_under_another_number_is_refused_not_renumbered),
	    cmocka_unit_test(test_each_leg_speaks_its_own_address_family),
	    cmocka_unit_test(test_video_without_feedback_in_the_core_promises_none),
	    cmocka_unit_test(test_what_is_end_to_end_protected_or_no_rtp_is_left_out),
	    cmocka_unit_test(test_nothing_that_browsers_need_not_is_offered_to_them),
	    cmocka_unit_test(
		test_a_full_agent_is_not_said_to_be_lite_and_a_relay_hides_what_is_behind),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
