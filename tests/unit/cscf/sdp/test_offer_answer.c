/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Rounds of offer and answer: BUNDLE corners, index map over re-offers, o= versions,
 * forks, rollback, hold. What the SDP says and what the typed parameters
 * say must agree (fx_assert_agrees).
 */
#include "fixture.h"
#include "tests/lib/req.h"

static void test_bundle_corners(void **state)
{
	REQ("BUN-03", "BUN-04", "BUN-06", "BUN-07", "BUN-09", "SDP-29");
	static const struct {
		const char *name, *offer;
		enum cscf_sdp_verdict want;
		size_t core_lines, live;
	} cases[] = {
	    {"both full", FX_HEAD FX_GROUP FX_AUDIO_BODY FX_VIDEO_MID1("58120", ""), CSCF_SDP_OK, 2,
	     2},
	    {"bundle-only", FX_HEAD FX_GROUP FX_AUDIO_BODY FX_VIDEO_MID1("0", "a=bundle-only\r\n"),
	     CSCF_SDP_OK, 1, 1},
	    {"bundle-only with port",
	     FX_HEAD FX_GROUP FX_AUDIO_BODY FX_VIDEO_MID1("9", "a=bundle-only\r\n"), CSCF_SDP_OK, 1,
	     1},
	    {"port 0 in the group", FX_HEAD FX_GROUP FX_AUDIO_BODY FX_VIDEO_MID1("0", ""),
	     CSCF_SDP_OK, 1, 1},
	    {"port 0, no group", FX_HEAD FX_AUDIO_BODY FX_VIDEO_MID1("0", ""), CSCF_SDP_OK, 1, 1},
	    {"shared port", FX_HEAD FX_GROUP FX_AUDIO_BODY FX_VIDEO_MID1("51472", ""), CSCF_SDP_OK,
	     1, 1},
	    {"only bundle-only", FX_HEAD FX_GROUP FX_VIDEO_MID1("0", "a=bundle-only\r\n"),
	     CSCF_SDP_NO_MEDIA, 0, 0},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct cscf_sdp_session *s = fx_session(NULL);
		size_t lines = fx_count(cases[i].offer, "\r\nm="), live = 0;
		struct cscf_sdp_text t;
		enum cscf_sdp_verdict v = fx_wic_offer(s, cases[i].offer, &t);

		if (v != cases[i].want)
			fail_msg("%s: %s", cases[i].name, cscf_sdp_verdict_name(v));
		if (v == CSCF_SDP_OK) {
			for (size_t k = 0; k < cscf_sdp_stream_count(s); k++)
				live += cscf_sdp_stream(s, k)->live;
			assert_int_equal(live, cases[i].live);
			assert_int_equal(fx_count(t.p, "\r\nm="), cases[i].core_lines);
			fx_assert_agrees(s, &t, false);
			v = fx_core_answer(s, live == 2 ? FX_CORE_AV : FX_CORE_AUDIO, &t);
			assert_int_equal(v, CSCF_SDP_OK);
			assert_int_equal(fx_count(t.p, "\r\nm="), lines);
			assert_int_equal(fx_count(t.p, "\r\na=mid:1\r\n"), 1);
			fx_assert_agrees(s, &t, true);
		}
		cscf_sdp_session_free(s);
	}
}

static void commit_call(struct cscf_sdp_session *s, const char *offer, const char *answer,
			struct cscf_sdp_text *core, struct cscf_sdp_text *wic)
{
	assert_int_equal(fx_wic_offer(s, offer, core), CSCF_SDP_OK);
	fx_assert_agrees(s, core, false);
	assert_int_equal(fx_core_answer(s, answer, wic), CSCF_SDP_OK);
	fx_assert_agrees(s, wic, true);
	cscf_sdp_commit(s);
}

static void test_same_round_again_changes_nothing(void **state)
{
	REQ("SDP-10", "SDP-11", "DTLS-19", "BUN-10", "ICE-17");
	struct cscf_sdp_session *s = fx_session(NULL);
	struct cscf_sdp_text core, wic;
	const struct cscf_sdp_stream *st;

	(void)state;
	commit_call(s, FX_HEAD FX_GROUP FX_AUDIO_BODY, FX_CORE_AUDIO, &core, &wic);
	assert_false(core.unchanged);
	for (unsigned i = 0; i < 3; i++) {
		commit_call(s, FX_HEAD FX_GROUP FX_AUDIO_BODY, FX_CORE_AUDIO, &core, &wic);
		assert_true(core.unchanged);
		assert_true(wic.unchanged);
		assert_true(cscf_sdp_is_repeat(s));
		assert_non_null(strstr(wic.p, "a=setup:active"));
		st = cscf_sdp_stream(s, 0);
		assert_false(st->is_new || st->ice_restart || st->new_dtls);
		assert_int_equal(st->dtls, CSCF_SDP_DTLS_CLIENT);
	}
	cscf_sdp_session_free(s);
}

static void test_running_role_is_kept_although_actpass_is_offered_again(void **state)
{
	REQ("DTLS-19", "DTLS-20", "DTLS-21", "ICE-17");
	struct cscf_sdp_session *s = fx_session(NULL);
	char *restart = fx_with(FX_WIC_AUDIO, "Rnov", "Rnow"),
	     *fresh = fx_with(restart, FX_FP, FX_FP2);
	char *active = fx_with(FX_WIC_AUDIO, "a=setup:actpass", "a=setup:active");
	struct cscf_sdp_text core, wic;

	(void)state;
	commit_call(s, active, FX_CORE_AUDIO, &core, &wic);
	assert_int_equal(cscf_sdp_stream(s, 0)->dtls, CSCF_SDP_DTLS_SERVER);
	/* actpass now: left free we would be the client, but the association runs */
	assert_int_equal(fx_wic_offer(s, restart, &core), CSCF_SDP_OK);
	assert_true(core.unchanged);
	assert_true(cscf_sdp_stream(s, 0)->ice_restart);
	assert_false(cscf_sdp_stream(s, 0)->new_dtls);
	assert_int_equal(cscf_sdp_stream(s, 0)->dtls, CSCF_SDP_DTLS_SERVER);
	cscf_sdp_rollback(s);
	assert_string_equal(cscf_sdp_stream(s, 0)->access_remote.ufrag, "Rnov");
	assert_int_equal(fx_wic_offer(s, fresh, &core), CSCF_SDP_OK);
	assert_true(cscf_sdp_stream(s, 0)->new_dtls);
	assert_int_equal(cscf_sdp_stream(s, 0)->dtls, CSCF_SDP_DTLS_CLIENT);
	free(restart);
	free(fresh);
	free(active);
	cscf_sdp_session_free(s);
}

static void test_offer_again_after_a_refused_round_is_no_repeat(void **state)
{
	REQ("SDP-11");
	struct cscf_sdp_session *s = fx_session(NULL);
	char *next = fx_with(FX_WIC_AUDIO, "2095 2 IN", "2095 3 IN");
	struct cscf_sdp_text core, wic;

	(void)state;
	commit_call(s, FX_WIC_AUDIO, FX_CORE_AUDIO, &core, &wic);
	for (unsigned i = 0; i < 2; i++) { /* 491, then the same offer again */
		assert_int_equal(fx_wic_offer(s, next, &core), CSCF_SDP_OK);
		assert_false(cscf_sdp_is_repeat(s));
		cscf_sdp_rollback(s);
	}
	commit_call(s, next, FX_CORE_AUDIO, &core, &wic);
	assert_int_equal(fx_wic_offer(s, next, &core), CSCF_SDP_OK);
	assert_true(cscf_sdp_is_repeat(s));
	free(next);
	cscf_sdp_session_free(s);
}

/* A session id of any number of digits: what was refused is not offered anew by a repeat. */
static void test_a_repeat_is_known_by_the_longest_origin(void **state)
{
	REQ("SDP-11", "SDP-13");
	struct cscf_sdp_session *s = fx_session(NULL);
	char origin[300];
	struct cscf_sdp_text core, wic;
	char *offer;

	(void)state;
	memset(origin, '7', sizeof(origin));
	(void)snprintf(origin + 250, sizeof(origin) - 250, " 2 IN");
	offer = fx_with(FX_WIC_AV, "2095 2 IN", origin);
	commit_call(s, offer, FX_CORE_AUDIO "m=video 0 RTP/AVPF 96\r\n", &core, &wic);
	assert_false(cscf_sdp_stream(s, 1)->live);
	assert_int_equal(fx_wic_offer(s, offer, &core), CSCF_SDP_OK);
	assert_true(cscf_sdp_is_repeat(s));
	assert_false(cscf_sdp_stream(s, 1)->live);
	free(offer);
	cscf_sdp_session_free(s);
}

static void test_video_added_removed_and_added_again(void **state)
{
	REQ("SDP-12", "SDP-13", "BUN-05", "BUN-11");
	struct cscf_sdp_session *s = fx_session(NULL);
	struct cscf_sdp_text core, wic;
	char *recycled = fx_with(FX_WIC_AV, "a=mid:1", "a=mid:2");
	uint32_t id;

	(void)state;
	commit_call(s, FX_HEAD FX_GROUP FX_AUDIO_BODY FX_VIDEO_MID1("0", "a=bundle-only\r\n"),
		    FX_CORE_AUDIO, &core, &wic);
	assert_int_equal(cscf_sdp_stream(s, 1)->core_index, -1);
	commit_call(s, FX_WIC_AV, FX_CORE_AV, &core, &wic); /* BUN-11 */
	assert_non_null(strstr(core.p, " 2 IN IP4 " FX_CORE));
	assert_int_equal(cscf_sdp_stream(s, 1)->core_index, 1);
	assert_true(cscf_sdp_stream(s, 1)->is_new);
	id = cscf_sdp_stream(s, 1)->stream_id;
	commit_call(s, FX_WIC_AUDIO FX_VIDEO_MID1("0", ""),
		    FX_CORE_AUDIO "m=video 0 RTP/AVPF 96\r\n", &core, &wic);
	assert_non_null(strstr(core.p, "m=video 0 RTP/AVPF 96"));
	assert_false(cscf_sdp_stream(s, 1)->live);
	assert_true(cscf_sdp_stream(s, 1)->has_local);
	cscf_sdp_clear_local(s, 1);
	assert_int_equal(cscf_sdp_offer_from_wic(s, FX_WIC_AUDIO, strlen(FX_WIC_AUDIO)),
			 CSCF_SDP_LINES_LOST);
	commit_call(s, recycled, FX_CORE_AV, &core, &wic);
	assert_true(cscf_sdp_stream(s, 1)->is_new);
	assert_int_not_equal(cscf_sdp_stream(s, 1)->stream_id, id);
	assert_string_equal(cscf_sdp_stream(s, 1)->mid, "2");
	assert_int_equal(cscf_sdp_stream(s, 1)->core_index, 1);
	free(recycled);
	cscf_sdp_session_free(s);
}

/* Chromium 156, RTCPeerConnection kept, a track added: gathering is complete already, so the page
 * sends at once and the new line has no candidates yet. In a first offer it means max-bundle. */
static void test_line_without_candidates_is_served_in_a_re_offer(void **state)
{
	REQ("BUN-09", "BUN-10", "ICE-07");
	const char *audio = FX_HEAD FX_GROUP FX_AUDIO_BODY
	    "a=candidate:1 1 udp 2122260223 198.51.100.23 51472 typ host\r\n";
	char offer[4096];
	struct cscf_sdp_session *s = fx_session(NULL);
	struct cscf_sdp_text core, wic;

	(void)state;
	snprintf(offer, sizeof(offer), "%s%s", audio, FX_VIDEO_MID1("9", ""));
	assert_int_equal(fx_wic_offer(s, offer, &core), CSCF_SDP_OK);
	assert_false(cscf_sdp_stream(s, 1)->live);
	assert_true(cscf_sdp_looks_max_bundle(s));
	cscf_sdp_rollback(s);
	commit_call(s, audio, FX_CORE_AUDIO, &core, &wic);
	commit_call(s, offer, FX_CORE_AV, &core, &wic);
	assert_true(cscf_sdp_stream(s, 1)->live);
	assert_false(cscf_sdp_looks_max_bundle(s));
	cscf_sdp_session_free(s);
}

static void test_answers_map_back_by_index(void **state)
{
	REQ("BUN-05", "BUN-08");
	struct cscf_sdp_session *s = fx_session(NULL);
	struct cscf_sdp_text core, wic;
	const char *offer =
	    FX_HEAD "a=group:BUNDLE 0 1 2\r\n" FX_AUDIO_BODY FX_VIDEO_MID1("0", "a=bundle-only\r\n")
		FX_VIDEO("58122") FX_ICE FX_DTLS "a=mid:2\r\na=rtcp-mux\r\n" FX_VIDEO_CODECS;

	(void)state;
	assert_int_equal(fx_wic_offer(s, offer, &core), CSCF_SDP_OK);
	/* the core refuses audio, the offerer-tagged line, and takes the video */
	assert_int_equal(fx_core_answer(s,
					FX_CORE_HEAD "m=audio 0 RTP/AVP 8\r\n"
						     "m=video 41004 RTP/AVPF 96\r\n"
						     "a=rtpmap:96 VP8/90000\r\n",
					&wic),
			 CSCF_SDP_OK);
	assert_false(cscf_sdp_stream(s, 0)->live);
	assert_false(cscf_sdp_stream(s, 1)->live);
	assert_true(cscf_sdp_stream(s, 2)->live);
	assert_int_equal(cscf_sdp_stream(s, 2)->core_remote.port, 41004);
	assert_true(strstr(wic.p, "m=audio 0") < strstr(wic.p, "m=video 0"));
	assert_true(strstr(wic.p, "m=video 0") < strstr(wic.p, "m=video 40004"));
	fx_assert_agrees(s, &wic, true);
	cscf_sdp_session_free(s);
}

static void test_forks_share_the_access_side(void **state)
{
	REQ("DTLS-27", "SDP-36");
	struct cscf_sdp_session *s = fx_session(NULL);
	char *other = fx_with(FX_CORE_AUDIO, "10.30.0.9", "10.30.0.77");
	struct cscf_sdp_text core, first, again;
	char *text;

	(void)state;
	assert_int_equal(fx_wic_offer(s, FX_WIC_AUDIO, &core), CSCF_SDP_OK);
	assert_int_equal(fx_core_answer(s, FX_CORE_AUDIO, &first), CSCF_SDP_OK);
	text = strdup(first.p);
	assert_int_equal(fx_core_answer(s, other, &again), CSCF_SDP_OK);
	assert_string_equal(cscf_sdp_stream(s, 0)->core_remote.addr, "10.30.0.77");
	assert_string_equal(text, again.p);
	assert_true(again.unchanged);
	assert_int_equal(fx_core_answer(s, FX_CORE_AUDIO, &again), CSCF_SDP_OK);
	assert_string_equal(cscf_sdp_stream(s, 0)->core_remote.addr, "10.30.0.9");
	free(text);
	free(other);
	cscf_sdp_session_free(s);
}

static void test_hold_and_resume_from_the_core(void **state)
{
	REQ("SDP-28", "SDP-16");
	struct cscf_sdp_session *s = fx_session(NULL);
	char *hold = fx_with(FX_CORE_AUDIO, "t=0 0\r\n", "t=0 0\r\na=sendonly\r\n");
	char *recv =
	    fx_with(FX_WIC_ANSWER("a=setup:active\r\n"), "a=mid:0", "a=recvonly\r\na=mid:0");
	struct cscf_sdp_text t;

	(void)state;
	assert_int_equal(fx_core_offer(s, FX_CORE_AUDIO, &t), CSCF_SDP_OK);
	assert_int_equal(fx_wic_answer(s, FX_WIC_ANSWER("a=setup:active\r\n"), &t), CSCF_SDP_OK);
	assert_true(cscf_sdp_stream(s, 0)->gate_uplink && cscf_sdp_stream(s, 0)->gate_downlink);
	cscf_sdp_commit(s);
	assert_int_equal(fx_core_offer(s, hold, &t), CSCF_SDP_OK);
	assert_non_null(strstr(t.p, "a=sendonly\r\n"));
	assert_non_null(strstr(t.p, "a=mid:0\r\n"));
	assert_non_null(strstr(t.p, "a=setup:actpass\r\n"));
	assert_int_equal(fx_wic_answer(s, recv, &t), CSCF_SDP_OK);
	assert_non_null(strstr(t.p, "a=recvonly\r\n"));
	assert_false(cscf_sdp_stream(s, 0)->gate_uplink);
	assert_true(cscf_sdp_stream(s, 0)->gate_downlink);
	assert_false(cscf_sdp_stream(s, 0)->new_dtls);
	cscf_sdp_rollback(s);
	assert_true(cscf_sdp_stream(s, 0)->gate_uplink);
	/* a WIC that wants more than the core offered does not get it */
	assert_int_equal(fx_core_offer(s, hold, &t), CSCF_SDP_OK);
	assert_int_equal(fx_wic_answer(s, FX_WIC_ANSWER("a=setup:active\r\n"), &t), CSCF_SDP_OK);
	assert_non_null(strstr(t.p, "a=recvonly\r\n"));
	assert_false(cscf_sdp_stream(s, 0)->gate_uplink);
	free(hold);
	free(recv);
	cscf_sdp_session_free(s);
}

static void test_broken_core_answers_are_named_and_harmless(void **state)
{
	REQ("SDP-26");
	static const struct {
		const char *answer;
		enum cscf_sdp_verdict want;
	} cases[] = {
	    {FX_CORE_HEAD, CSCF_SDP_BAD_ANSWER},
	    {FX_CORE_AUDIO "m=video 0 RTP/AVP 9\r\n", CSCF_SDP_BAD_ANSWER},
	    {FX_CORE_HEAD "m=video 41000 RTP/AVP 8\r\n", CSCF_SDP_BAD_ANSWER},
	    {FX_CORE_HEAD "m=audio 41000 RTP/AVP 3\r\n", CSCF_SDP_NO_FORMAT},
	    {FX_CORE_HEAD "m=audio 41000 RTP/AVP 111\r\na=rtpmap:111 speex/8000\r\n",
	     CSCF_SDP_NO_FORMAT},
	    {FX_CORE_HEAD "m=audio 41000 RTP/SAVP 8\r\n", CSCF_SDP_PROTO},
	    {FX_CORE_HEAD "m=audio 41000 RTP/AVPF 8\r\n", CSCF_SDP_PROTO},
	    {"v=0\r\no=m 1 1 IN IP4 10.30.0.9\r\nm=audio 41000 RTP/AVP 8\r\n", CSCF_SDP_SYNTAX},
	    {"v=0\r\no=m 1 1 IN IP4 x\r\nc=IN IP4 mgw.example\r\nm=audio 4 RTP/AVP 8\r\n",
	     CSCF_SDP_ADDR_FAMILY},
	    {"nonsense", CSCF_SDP_SYNTAX},
	    {FX_CORE_HEAD "m=audio 41000 RTP/AVP 8 3 0\r\n", CSCF_SDP_OK},
	    {FX_CORE_HEAD "m=audio 0 RTP/AVP 8\r\n", CSCF_SDP_OK},
	};
	struct cscf_sdp_session *s = fx_session(NULL);
	struct cscf_sdp_text t;

	(void)state;
	assert_int_equal(fx_wic_offer(s, FX_WIC_AUDIO, &t), CSCF_SDP_OK);
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		enum cscf_sdp_verdict v = fx_core_answer(s, cases[i].answer, &t);

		if (v != cases[i].want)
			fail_msg("answer %zu: %s", i, cscf_sdp_verdict_name(v));
		if (v == CSCF_SDP_OK)
			fx_assert_agrees(s, &t, true);
	}
	cscf_sdp_session_free(s);
}

static void test_calls_out_of_order_are_refused(void **state)
{
	struct cscf_sdp_session *s = fx_session(NULL);
	struct cscf_sdp_text t;

	(void)state;
	assert_int_equal(cscf_sdp_offer_to_core(s, &t), CSCF_SDP_STATE);
	assert_int_equal(fx_core_answer(s, FX_CORE_AUDIO, &t), CSCF_SDP_STATE);
	assert_int_equal(cscf_sdp_offer_from_wic(s, FX_WIC_AUDIO, strlen(FX_WIC_AUDIO)),
			 CSCF_SDP_OK);
	assert_int_equal(cscf_sdp_offer_to_core(s, &t), CSCF_SDP_STATE); /* no addresses yet */
	assert_int_equal(cscf_sdp_offer_from_core(s, FX_CORE_AUDIO, strlen(FX_CORE_AUDIO)),
			 CSCF_SDP_STATE);
	cscf_sdp_stream_refuse(s, 0, CSCF_SDP_NO_MEDIA);
	assert_int_equal(cscf_sdp_offer_to_core(s, &t), CSCF_SDP_NO_MEDIA);
	cscf_sdp_commit(s); /* nothing was answered: no effect */
	assert_true(cscf_sdp_round_open(s));
	cscf_sdp_rollback(s);
	assert_int_equal(cscf_sdp_stream_count(s), 0);
	cscf_sdp_session_free(s);
	cscf_sdp_session_free(NULL);
}

static void test_video_without_resources_leaves_audio_alone(void **state)
{
	struct cscf_sdp_session *s = fx_session(NULL);
	struct cscf_sdp_text t;

	(void)state;
	assert_int_equal(cscf_sdp_offer_from_wic(s, FX_WIC_AV, strlen(FX_WIC_AV)), CSCF_SDP_OK);
	fx_local(s, 0);
	cscf_sdp_stream_refuse(s, 1, CSCF_SDP_NO_MEDIA);
	assert_int_equal(cscf_sdp_offer_to_core(s, &t), CSCF_SDP_OK);
	assert_non_null(strstr(t.p, "m=video 0 "));
	assert_int_equal(fx_core_answer(s, FX_CORE_AUDIO "m=video 0 RTP/AVPF 96\r\n", &t),
			 CSCF_SDP_OK);
	assert_int_equal(fx_count(t.p, "\r\nm="), 2);
	fx_assert_agrees(s, &t, true);
	cscf_sdp_session_free(s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_bundle_corners),
	    cmocka_unit_test(test_same_round_again_changes_nothing),
	    cmocka_unit_test(test_running_role_is_kept_although_actpass_is_offered_again),
	    cmocka_unit_test(test_offer_again_after_a_refused_round_is_no_repeat),
	    cmocka_unit_test(test_a_repeat_is_known_by_the_longest_origin),
	    cmocka_unit_test(test_video_added_removed_and_added_again),
	    cmocka_unit_test(test_line_without_candidates_is_served_in_a_re_offer),
	    cmocka_unit_test(test_answers_map_back_by_index),
	    cmocka_unit_test(test_forks_share_the_access_side),
	    cmocka_unit_test(test_hold_and_resume_from_the_core),
	    cmocka_unit_test(test_broken_core_answers_are_named_and_harmless),
	    cmocka_unit_test(test_calls_out_of_order_are_refused),
	    cmocka_unit_test(test_video_without_resources_leaves_audio_alone),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
