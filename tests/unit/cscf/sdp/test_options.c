/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What may be agreed beyond the plain call: header extensions that stay end to end, tls-id, AVPF
 * by capability negotiation; and corners that random calls and the fuzzer came upon.
 */
#include "fixture.h"
#include "tests/lib/req.h"

#define ORIENT "urn:3gpp:video-orientation"
#define TLS_ID "abc3dabc3dabc3dabc3d"
#define WIC_EXT                                                                                    \
	FX_WIC_AV "a=extmap:13 " ORIENT "\r\na=extmap:4 urn:ietf:params:rtp-hdrext:sdes:mid\r\n"
#define CORE_EXT(id) FX_CORE_AV "a=extmap:" id " " ORIENT "\r\n"

static const struct cscf_sdp_policy *with_orientation(void)
{
	static struct cscf_sdp_policy policy;
	static char uri[] = ORIENT, mid[] = "urn:ietf:params:rtp-hdrext:sdes:mid";
	static char *uris[] = {uri, mid};
	static const struct gw_conf_list list = {.item = uris, .n = 2};

	cscf_sdp_policy_default(&policy);
	policy.extmap_allow = &list;
	return &policy;
}

static void test_listed_extensions_stay_and_no_others(void **state)
{
	REQ("SDP-17", "RTP-12", "BUN-14");
	struct cscf_sdp_session *s = fx_session(with_orientation());
	const struct cscf_sdp_stream *st;
	struct cscf_sdp_text t;

	(void)state;
	assert_int_equal(fx_wic_offer(s, WIC_EXT, &t), CSCF_SDP_OK);
	assert_non_null(strstr(t.p, "a=extmap:13 " ORIENT "\r\n"));
	assert_int_equal(fx_count(t.p, "a=extmap"), 1);
	assert_int_equal(fx_core_answer(s, CORE_EXT("13"), &t), CSCF_SDP_OK);
	assert_non_null(strstr(t.p, "a=extmap:13 " ORIENT "\r\n"));
	st = cscf_sdp_stream(s, 1);
	assert_true(st->n_exts == 1 && st->exts[0].on);
	/* a fork that leaves it out, and one that says another id: not agreed */
	assert_int_equal(fx_core_answer(s, FX_CORE_AV, &t), CSCF_SDP_OK);
	assert_null(strstr(t.p, "extmap"));
	assert_false(cscf_sdp_stream(s, 1)->exts[0].on);
	assert_int_equal(fx_core_answer(s, CORE_EXT("12"), &t), CSCF_SDP_OK);
	assert_null(strstr(t.p, "extmap"));
	cscf_sdp_session_free(s);
	s = fx_session(NULL); /* without the knob: none */
	assert_int_equal(fx_wic_offer(s, WIC_EXT, &t), CSCF_SDP_OK);
	assert_null(strstr(t.p, "extmap"));
	assert_int_equal(cscf_sdp_stream(s, 1)->n_exts, 0);
	cscf_sdp_session_free(s);
}

static void test_each_leg_keeps_the_ids_of_its_peer(void **state)
{
	REQ("RTP-12");
	struct cscf_sdp_session *s = fx_session(with_orientation());
	const struct cscf_sdp_stream *st;
	struct cscf_sdp_text t;

	(void)state;
	assert_int_equal(fx_wic_offer(s, WIC_EXT, &t), CSCF_SDP_OK);
	assert_int_equal(fx_core_answer(s, CORE_EXT("13"), &t), CSCF_SDP_OK);
	cscf_sdp_commit(s);
	/* the call was moved in the core: its new end has numbers of its own */
	assert_int_equal(fx_core_offer(s, CORE_EXT("4/sendrecv"), &t), CSCF_SDP_OK);
	assert_non_null(strstr(t.p, "a=extmap:13/sendrecv " ORIENT "\r\n"));
	st = cscf_sdp_stream(s, 1);
	assert_int_equal(st->exts[0].wic_id, 13);
	assert_int_equal(st->exts[0].core_id, 4);
	cscf_sdp_session_free(s);
}

static const char *tls_id_of(const char *text, char *out, size_t n)
{
	const char *at = strstr(text, "a=tls-id:");

	out[0] = '\0';
	if (at != NULL)
		snprintf(out, n, "%.*s", (int)strcspn(at + 9, "\r"), at + 9);
	return out;
}

static void test_tls_id_is_answered_and_lasts_as_long_as_the_association(void **state)
{
	REQ("DTLS-22", "DTLS-20", "SDP-06");
	struct cscf_sdp_session *s = fx_session(NULL);
	char *offer = fx_with(FX_WIC_AUDIO, "a=mid:0\r\n", "a=mid:0\r\na=tls-id:" TLS_ID "\r\n");
	char *fresh = fx_with(offer, TLS_ID, "x" TLS_ID), *bad = fx_with(offer, TLS_ID, "short");
	char first[64], again[64];
	struct cscf_sdp_text t;

	(void)state;
	assert_int_equal(fx_wic_offer(s, FX_WIC_AUDIO, &t), CSCF_SDP_OK);
	assert_int_equal(fx_core_answer(s, FX_CORE_AUDIO, &t), CSCF_SDP_OK);
	assert_null(strstr(t.p, "tls-id")); /* not offered, not sent */
	cscf_sdp_rollback(s);
	assert_int_equal(fx_wic_offer(s, bad, &t), CSCF_SDP_OK);
	assert_int_equal(fx_core_answer(s, FX_CORE_AUDIO, &t), CSCF_SDP_OK);
	assert_null(strstr(t.p, "tls-id")); /* malformed is as if absent */
	cscf_sdp_rollback(s);
	for (unsigned i = 0; i < 3; i++) {
		assert_int_equal(fx_wic_offer(s, offer, &t), CSCF_SDP_OK);
		assert_null(strstr(t.p, "tls-id"));
		assert_int_equal(fx_core_answer(s, FX_CORE_AUDIO, &t), CSCF_SDP_OK);
		tls_id_of(t.p, again, sizeof(again));
		assert_true(strlen(again) >= 20);
		assert_string_not_equal(again, TLS_ID);
		if (i > 0)
			assert_string_equal(again, first);
		memcpy(first, again, sizeof(first));
		assert_false(cscf_sdp_stream(s, 0)->new_dtls);
		cscf_sdp_commit(s);
	}
	assert_int_equal(fx_wic_offer(s, fresh, &t), CSCF_SDP_OK);
	assert_true(cscf_sdp_stream(s, 0)->new_dtls); /* same certificate, another association */
	assert_int_equal(fx_core_answer(s, FX_CORE_AUDIO, &t), CSCF_SDP_OK);
	assert_string_not_equal(tls_id_of(t.p, again, sizeof(again)), first);
	cscf_sdp_session_free(s);
	free(offer);
	free(fresh);
	free(bad);
}

static void test_tls_id_in_our_offers(void **state)
{
	REQ("DTLS-22");
	struct cscf_sdp_policy p = *fx_policy();
	struct cscf_sdp_text t;
	char id[64];

	(void)state;
	for (unsigned on = 0; on < 2; on++) {
		struct cscf_sdp_session *s;

		p.tls_id_in_offers = on == 1;
		s = fx_session(&p);
		assert_int_equal(fx_core_offer(s, FX_CORE_AUDIO, &t), CSCF_SDP_OK);
		assert_int_equal(strlen(tls_id_of(t.p, id, sizeof(id))) >= 20, on);
		cscf_sdp_session_free(s);
	}
}

#define CAPNEG(session, media)                                                                     \
	FX_CORE_HEAD session "m=video 41004 RTP/AVP 96\r\na=rtpmap:96 VP8/90000\r\n"               \
			     "a=rtcp-fb:* nack pli\r\n" media
#define WIC_VIDEO_ANSWER FX_HEAD FX_VIDEO_MID1("9", "")

static void test_avpf_is_taken_from_capability_negotiation(void **state)
{
	REQ("SDP-34", "SDP-42");
	static const struct {
		const char *offer, *acfg; /* NULL: the base profile is answered */
	} cases[] = {
	    {CAPNEG("", "a=tcap:1 RTP/AVPF\r\na=pcfg:1 t=1\r\n"), "a=acfg:1 t=1\r\n"},
	    {CAPNEG("a=tcap:1 RTP/SAVP RTP/AVPF\r\n", "a=pcfg:3 t=1|2\r\na=pcfg:2 t=2\r\n"),
	     "a=acfg:2 t=2\r\n"},
	    {CAPNEG("", "a=pcfg:1 t=1\r\n"), NULL},
	    {CAPNEG("", "a=tcap:1 RTP/SAVPF\r\na=pcfg:1 t=1\r\n"), NULL},
	    {CAPNEG("", "a=tcap:1 RTP/AVPF\r\na=acap:1 crypto:1 x\r\na=pcfg:1 t=1 a=1\r\n"), NULL},
	    {CAPNEG("", "a=tcap:1 RTP/AVPF\r\na=creq:foo-v0\r\na=pcfg:1 t=1\r\n"), NULL},
	    {CAPNEG("", "a=tcap:x RTP/AVPF\r\na=pcfg:1 t=\r\na=pcfg:t=1\r\n"), NULL},
	};
	char *answer = fx_with(WIC_VIDEO_ANSWER, "actpass", "active");

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct cscf_sdp_session *s = fx_session(NULL);
		struct cscf_sdp_text t;

		assert_int_equal(fx_core_offer(s, cases[i].offer, &t), CSCF_SDP_OK);
		assert_null(strstr(t.p, "pcfg"));
		assert_int_equal(fx_count(t.p, "nack pli"), cases[i].acfg != NULL);
		assert_int_equal(fx_wic_answer(s, answer, &t), CSCF_SDP_OK);
		assert_int_equal(cscf_sdp_stream(s, 0)->core_avpf, cases[i].acfg != NULL);
		assert_int_equal(fx_count(t.p, "RTP/AVPF"), cases[i].acfg != NULL);
		assert_int_equal(fx_count(t.p, "acfg"), cases[i].acfg != NULL);
		if (cases[i].acfg != NULL)
			assert_non_null(strstr(t.p, cases[i].acfg));
		cscf_sdp_session_free(s);
	}
	free(answer);
}

static void test_mux_that_we_did_not_offer_is_not_agreed(void **state)
{
	REQ("BUN-19");
	struct cscf_sdp_policy p = *fx_policy();
	struct cscf_sdp_session *s;
	const struct cscf_sdp_stream *st;
	struct cscf_sdp_text t;

	(void)state;
	p.core_rtcp_mux_accept = true;
	s = fx_session(&p);
	assert_int_equal(fx_wic_offer(s, FX_WIC_AUDIO, &t), CSCF_SDP_OK);
	assert_int_equal(fx_core_answer(s, FX_CORE_AUDIO "a=rtcp-mux\r\n", &t), CSCF_SDP_OK);
	st = cscf_sdp_stream(s, 0);
	assert_int_equal(st->core_rtcp, CSCF_SDP_RTCP_SEPARATE);
	assert_int_equal(st->core_remote.rtcp_port, 41001);
	cscf_sdp_session_free(s);
	/* agreed in the core's offer, it stays in our later ones */
	s = fx_session(&p);
	assert_int_equal(fx_core_offer(s, FX_CORE_AUDIO "a=rtcp-mux\r\n", &t), CSCF_SDP_OK);
	assert_int_equal(fx_wic_answer(s, FX_WIC_ANSWER("a=setup:active\r\n"), &t), CSCF_SDP_OK);
	cscf_sdp_commit(s);
	assert_int_equal(fx_wic_offer(s, FX_WIC_AUDIO, &t), CSCF_SDP_OK);
	assert_non_null(strstr(t.p, "a=rtcp-mux\r\n"));
	assert_int_equal(fx_core_answer(s, FX_CORE_AUDIO "a=rtcp-mux\r\n", &t), CSCF_SDP_OK);
	assert_int_equal(cscf_sdp_stream(s, 0)->core_rtcp, CSCF_SDP_RTCP_MUX);
	cscf_sdp_session_free(s);
}

static void test_a_repeat_wakes_no_dead_line(void **state)
{
	REQ("SDP-11", "SDP-12");
	struct cscf_sdp_session *s = fx_session(NULL);
	char *next = fx_with(FX_WIC_AV, "2095 2 IN", "2095 3 IN");
	struct cscf_sdp_text t;

	(void)state;
	assert_int_equal(fx_wic_offer(s, FX_WIC_AV, &t), CSCF_SDP_OK);
	assert_int_equal(fx_core_answer(s, FX_CORE_AUDIO "m=video 0 RTP/AVPF 96\r\n", &t),
			 CSCF_SDP_OK);
	cscf_sdp_commit(s);
	cscf_sdp_clear_local(s, 1);
	assert_int_equal(fx_wic_offer(s, FX_WIC_AV, &t), CSCF_SDP_OK);
	assert_false(cscf_sdp_stream(s, 1)->live);
	assert_non_null(strstr(t.p, "m=video 0 "));
	cscf_sdp_rollback(s);
	assert_int_equal(fx_wic_offer(s, next, &t), CSCF_SDP_OK); /* said anew, it is meant */
	assert_true(cscf_sdp_stream(s, 1)->live);
	free(next);
	cscf_sdp_session_free(s);
}

static void test_lines_that_cannot_be_written_again_are_not_taken(void **state)
{
	REQ("SDP-38", "SDP-47", "SDP-23");
	struct cscf_sdp_session *s = fx_session(NULL);
	struct cscf_sdp_text t;

	(void)state;
	/* text whose only format nobody knows */
	assert_int_equal(fx_core_offer(s, FX_CORE_AUDIO "m=text 41010 RTP/AVP 99\r\n", &t),
			 CSCF_SDP_OK);
	assert_null(strstr(t.p, "m=text"));
	cscf_sdp_rollback(s);
	assert_int_equal(
	    fx_core_offer(s, FX_CORE_AUDIO "m=aWordThatNoRegistryEverHad 9 RTP/AVP 0\r\n", &t),
	    CSCF_SDP_LIMIT);
	cscf_sdp_session_free(s);
}

static void test_our_own_candidate_coming_back_is_refused(void **state)
{
	REQ("SDP-48");
	struct cscf_sdp_session *s = fx_session(NULL);
	struct cscf_sdp_text t;

	(void)state;
	assert_int_equal(
	    fx_wic_offer(s, FX_WIC_AUDIO "a=candidate:1 1 udp 1 " FX_ACCESS " 40000 typ host\r\n",
			 &t),
	    CSCF_SDP_REFLECTED);
	cscf_sdp_session_free(s);
}

static void test_ice_options_are_nobodys_business(void **state)
{
	REQ("ICE-30", "ICE-08");
	char *offer = fx_with(FX_WIC_AUDIO, "a=ice-options:trickle",
			      "a=ice-pacing:50\r\na=ice-options:ice2 rtp+ecn renomination x");
	struct cscf_sdp_session *s = fx_session(NULL);
	struct cscf_sdp_text t;

	(void)state;
	assert_int_equal(fx_wic_offer(s, offer, &t), CSCF_SDP_OK);
	assert_null(strstr(t.p, "ice-"));
	assert_int_equal(fx_core_answer(s, FX_CORE_AUDIO, &t), CSCF_SDP_OK);
	assert_null(strstr(t.p, "ice-options"));
	assert_null(strstr(t.p, "ice-pacing"));
	free(offer);
	cscf_sdp_session_free(s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_listed_extensions_stay_and_no_others),
	    cmocka_unit_test(test_each_leg_keeps_the_ids_of_its_peer),
	    cmocka_unit_test(test_tls_id_is_answered_and_lasts_as_long_as_the_association),
	    cmocka_unit_test(test_tls_id_in_our_offers),
	    cmocka_unit_test(test_avpf_is_taken_from_capability_negotiation),
	    cmocka_unit_test(test_mux_that_we_did_not_offer_is_not_agreed),
	    cmocka_unit_test(test_a_repeat_wakes_no_dead_line),
	    cmocka_unit_test(test_lines_that_cannot_be_written_again_are_not_taken),
	    cmocka_unit_test(test_our_own_candidate_coming_back_is_refused),
	    cmocka_unit_test(test_ice_options_are_nobodys_business),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
