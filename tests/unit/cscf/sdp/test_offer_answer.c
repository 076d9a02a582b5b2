/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Rounds of offer and answer: DTLS roles, BUNDLE corners, index map over re-offers, o= versions,
 * forks, rollback, hold. What the SDP says and what the typed parameters say must agree.
 */
#include "fixture.h"
#include "tests/lib/req.h"

#define VIDEO_MID1(port, extra)                                                                    \
	FX_VIDEO(port) FX_ICE FX_DTLS "a=mid:1\r\na=rtcp-mux\r\n" extra FX_VIDEO_CODECS
#define GROUP      "a=group:BUNDLE 0 1\r\n"
#define AUDIO_BODY FX_AUDIO("51472") FX_ICE FX_DTLS "a=mid:0\r\na=rtcp-mux\r\n" FX_AUDIO_CODECS
#define CORE_AV                                                                                    \
	FX_CORE_AUDIO "m=video 41004 RTP/AVPF 96\r\na=rtpmap:96 VP8/90000\r\n"                     \
		      "a=rtcp-fb:96 nack pli\r\na=rtcp-fb:96 ccm fir\r\n"
#define WIC_ANSWER(setup)                                                                          \
	FX_HEAD "m=audio 9 UDP/TLS/RTP/SAVPF 8 126\r\nc=IN IP4 0.0.0.0\r\n" FX_ICE                 \
		"a=fingerprint:sha-256 " FX_FP "\r\n" setup                                        \
		"a=mid:0\r\na=rtcp-mux\r\na=rtpmap:8 PCMA/8000\r\n"                                \
		"a=rtpmap:126 telephone-event/8000\r\n"

/* `text` with every `from` replaced by `to`. */
static char *with(const char *text, const char *from, const char *to)
{
	size_t n = fx_count(text, from);
	char *out = calloc(1, strlen(text) + n * strlen(to) + 1);

	assert_non_null(out);
	assert_true(n > 0);
	for (const char *at; (at = strstr(text, from)) != NULL; text = at + strlen(from)) {
		strncat(out, text, (size_t)(at - text));
		strcat(out, to);
	}
	return strcat(out, text);
}

/* The property that binds text and parameters together, for the text of one leg. */
static void assert_agrees(struct cscf_sdp_session *s, const struct cscf_sdp_text *t, bool wic)
{
	size_t live = 0;
	char want[128];

	for (size_t i = 0; i < cscf_sdp_stream_count(s); i++) {
		const struct cscf_sdp_stream *st = cscf_sdp_stream(s, i);

		if (!st->live)
			continue;
		live++;
		snprintf(want, sizeof(want), "m=%s %u %s %u",
			 st->media == CSCF_SDP_AUDIO ? "audio" : "video",
			 wic ? st->access_local.port : st->core_local.port,
			 wic             ? "UDP/TLS/RTP/SAVPF"
			 : st->core_avpf ? "RTP/AVPF"
					 : "RTP/AVP",
			 st->fmts[0].pt);
		assert_non_null(strstr(t->p, want));
		if (wic && st->dtls == CSCF_SDP_DTLS_CLIENT)
			assert_non_null(strstr(t->p, "a=setup:active"));
		if (wic && st->dtls == CSCF_SDP_DTLS_SERVER)
			assert_non_null(strstr(t->p, "a=setup:passive"));
	}
	assert_int_equal(
	    fx_count(t->p, "\r\nm=") - fx_count(t->p, " 0 UDP") - fx_count(t->p, " 0 RTP"), live);
	assert_null(strstr(t->p, wic ? FX_CORE : FX_ACCESS));
	assert_null(strstr(t->p, wic ? "10.30.0.9" : "198.51.100.23"));
	assert_null(strstr(t->p, "0.0.0.0"));
	assert_null(strstr(t->p, "BUNDLE"));
	assert_null(strstr(t->p, "bundle-only"));
}

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
		char *offer = with(FX_WIC_AUDIO, "a=setup:actpass\r\n", cases[i].setup);
		struct cscf_sdp_session *s;
		struct cscf_sdp_text t;

		policy.answer_passive = cases[i].passive_knob;
		s = fx_session(&policy);
		assert_int_equal(fx_wic_offer(s, offer, &t), CSCF_SDP_OK);
		assert_int_equal(cscf_sdp_stream(s, 0)->dtls, cases[i].role);
		assert_int_equal(fx_core_answer(s, FX_CORE_AUDIO, &t), CSCF_SDP_OK);
		assert_int_equal(cscf_sdp_stream(s, 0)->dtls, cases[i].role);
		assert_non_null(strstr(t.p, cases[i].word));
		assert_agrees(s, &t, true);
		cscf_sdp_session_free(s);
		free(offer);
	}
}

static void test_dtls_role_from_answers_of_the_wic(void **state)
{
	REQ("DTLS-04", "SDP-07", "SDP-09", "BUN-18", "IQ-05");
	static const struct {
		const char *answer;
		enum cscf_sdp_verdict want;
		enum cscf_sdp_dtls_role role;
	} cases[] = {
	    {WIC_ANSWER("a=setup:active\r\n"), CSCF_SDP_OK, CSCF_SDP_DTLS_SERVER},
	    {WIC_ANSWER("a=setup:passive\r\n"), CSCF_SDP_OK, CSCF_SDP_DTLS_CLIENT},
	    {WIC_ANSWER("a=setup:actpass\r\n"), CSCF_SDP_OK, CSCF_SDP_DTLS_SERVER},
	    {WIC_ANSWER("a=setup:holdconn\r\n"), CSCF_SDP_NO_DTLS, CSCF_SDP_DTLS_UNDECIDED},
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
	REQ("SDP-09", "BUN-13", "BUN-18", "SDP-25", "SDP-48", "ICE-06");
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
		char *answer = with(WIC_ANSWER("a=setup:active\r\n"), cases[i].from, cases[i].to);
		struct cscf_sdp_text t;
		enum cscf_sdp_verdict v;

		assert_int_equal(fx_core_offer(s, FX_CORE_AUDIO, &t), CSCF_SDP_OK);
		v = fx_wic_answer(s, answer, &t);
		if (v != cases[i].want)
			fail_msg("%s: %s", cases[i].to, cscf_sdp_verdict_name(v));
		if (v == CSCF_SDP_OK)
			assert_agrees(s, &t, false);
		else /* the round is as before: a good answer may still come */
			assert_int_equal(fx_wic_answer(s, WIC_ANSWER("a=setup:active\r\n"), &t),
					 CSCF_SDP_OK);
		free(answer);
		cscf_sdp_session_free(s);
	}
}

static void test_bundle_corners(void **state)
{
	REQ("BUN-03", "BUN-04", "BUN-06", "BUN-07", "BUN-09", "SDP-29");
	static const struct {
		const char *name, *offer;
		enum cscf_sdp_verdict want;
		size_t core_lines, live;
	} cases[] = {
	    {"both full", FX_HEAD GROUP AUDIO_BODY VIDEO_MID1("58120", ""), CSCF_SDP_OK, 2, 2},
	    {"bundle-only", FX_HEAD GROUP AUDIO_BODY VIDEO_MID1("0", "a=bundle-only\r\n"),
	     CSCF_SDP_OK, 1, 1},
	    {"bundle-only with port", FX_HEAD GROUP AUDIO_BODY VIDEO_MID1("9", "a=bundle-only\r\n"),
	     CSCF_SDP_OK, 1, 1},
	    {"port 0 in the group", FX_HEAD GROUP AUDIO_BODY VIDEO_MID1("0", ""), CSCF_SDP_OK, 1,
	     1},
	    {"port 0, no group", FX_HEAD AUDIO_BODY VIDEO_MID1("0", ""), CSCF_SDP_OK, 1, 1},
	    {"shared port", FX_HEAD GROUP AUDIO_BODY VIDEO_MID1("51472", ""), CSCF_SDP_OK, 1, 1},
	    {"only bundle-only", FX_HEAD GROUP VIDEO_MID1("0", "a=bundle-only\r\n"),
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
			assert_agrees(s, &t, false);
			v = fx_core_answer(s, live == 2 ? CORE_AV : FX_CORE_AUDIO, &t);
			assert_int_equal(v, CSCF_SDP_OK);
			assert_int_equal(fx_count(t.p, "\r\nm="), lines);
			assert_int_equal(fx_count(t.p, "\r\na=mid:1\r\n"), 1);
			assert_agrees(s, &t, true);
		}
		cscf_sdp_session_free(s);
	}
}

static void commit_call(struct cscf_sdp_session *s, const char *offer, const char *answer,
			struct cscf_sdp_text *core, struct cscf_sdp_text *wic)
{
	assert_int_equal(fx_wic_offer(s, offer, core), CSCF_SDP_OK);
	assert_agrees(s, core, false);
	assert_int_equal(fx_core_answer(s, answer, wic), CSCF_SDP_OK);
	assert_agrees(s, wic, true);
	cscf_sdp_commit(s);
}

static void test_same_round_again_changes_nothing(void **state)
{
	REQ("SDP-10", "SDP-11", "DTLS-19", "BUN-10", "ICE-17");
	struct cscf_sdp_session *s = fx_session(NULL);
	struct cscf_sdp_text core, wic;
	const struct cscf_sdp_stream *st;

	(void)state;
	commit_call(s, FX_HEAD GROUP AUDIO_BODY, FX_CORE_AUDIO, &core, &wic);
	assert_false(core.unchanged);
	for (unsigned i = 0; i < 3; i++) {
		commit_call(s, FX_HEAD GROUP AUDIO_BODY, FX_CORE_AUDIO, &core, &wic);
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
	char *restart = with(FX_WIC_AUDIO, "Rnov", "Rnow"), *fresh = with(restart, FX_FP, FX_FP2);
	char *active = with(FX_WIC_AUDIO, "a=setup:actpass", "a=setup:active");
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

static void test_video_added_removed_and_added_again(void **state)
{
	REQ("SDP-12", "SDP-13", "BUN-05", "BUN-11");
	struct cscf_sdp_session *s = fx_session(NULL);
	struct cscf_sdp_text core, wic;
	char *recycled = with(FX_WIC_AV, "a=mid:1", "a=mid:2");
	uint32_t id;

	(void)state;
	commit_call(s, FX_HEAD GROUP AUDIO_BODY VIDEO_MID1("0", "a=bundle-only\r\n"), FX_CORE_AUDIO,
		    &core, &wic);
	assert_int_equal(cscf_sdp_stream(s, 1)->core_index, -1);
	commit_call(s, FX_WIC_AV, CORE_AV, &core, &wic); /* BUN-11 */
	assert_non_null(strstr(core.p, " 2 IN IP4 " FX_CORE));
	assert_int_equal(cscf_sdp_stream(s, 1)->core_index, 1);
	assert_true(cscf_sdp_stream(s, 1)->is_new);
	id = cscf_sdp_stream(s, 1)->stream_id;
	commit_call(s, FX_WIC_AUDIO VIDEO_MID1("0", ""), FX_CORE_AUDIO "m=video 0 RTP/AVPF 96\r\n",
		    &core, &wic);
	assert_non_null(strstr(core.p, "m=video 0 RTP/AVPF 96"));
	assert_false(cscf_sdp_stream(s, 1)->live);
	assert_true(cscf_sdp_stream(s, 1)->has_local);
	cscf_sdp_clear_local(s, 1);
	assert_int_equal(cscf_sdp_offer_from_wic(s, FX_WIC_AUDIO, strlen(FX_WIC_AUDIO)),
			 CSCF_SDP_LINES_LOST);
	commit_call(s, recycled, CORE_AV, &core, &wic);
	assert_true(cscf_sdp_stream(s, 1)->is_new);
	assert_int_not_equal(cscf_sdp_stream(s, 1)->stream_id, id);
	assert_string_equal(cscf_sdp_stream(s, 1)->mid, "2");
	assert_int_equal(cscf_sdp_stream(s, 1)->core_index, 1);
	free(recycled);
	cscf_sdp_session_free(s);
}

static void test_answers_map_back_by_index(void **state)
{
	REQ("BUN-05", "BUN-08");
	struct cscf_sdp_session *s = fx_session(NULL);
	struct cscf_sdp_text core, wic;
	const char *offer =
	    FX_HEAD "a=group:BUNDLE 0 1 2\r\n" AUDIO_BODY VIDEO_MID1("0", "a=bundle-only\r\n")
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
	assert_agrees(s, &wic, true);
	cscf_sdp_session_free(s);
}

static void test_forks_share_the_access_side(void **state)
{
	REQ("DTLS-27", "SDP-36", "RTP-06");
	struct cscf_sdp_session *s = fx_session(NULL);
	char *other = with(FX_CORE_AUDIO, "10.30.0.9", "10.30.0.77");
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
	REQ("SDP-28", "RTP-04", "SDP-16");
	struct cscf_sdp_session *s = fx_session(NULL);
	char *hold = with(FX_CORE_AUDIO, "t=0 0\r\n", "t=0 0\r\na=sendonly\r\n");
	char *recv = with(WIC_ANSWER("a=setup:active\r\n"), "a=mid:0", "a=recvonly\r\na=mid:0");
	struct cscf_sdp_text t;

	(void)state;
	assert_int_equal(fx_core_offer(s, FX_CORE_AUDIO, &t), CSCF_SDP_OK);
	assert_int_equal(fx_wic_answer(s, WIC_ANSWER("a=setup:active\r\n"), &t), CSCF_SDP_OK);
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
	assert_int_equal(fx_wic_answer(s, WIC_ANSWER("a=setup:active\r\n"), &t), CSCF_SDP_OK);
	assert_non_null(strstr(t.p, "a=recvonly\r\n"));
	assert_false(cscf_sdp_stream(s, 0)->gate_uplink);
	free(hold);
	free(recv);
	cscf_sdp_session_free(s);
}

static void test_core_rtcp_and_bandwidth_are_typed(void **state)
{
	REQ("RTCP-02", "RTCP-11", "SDP-31", "BUN-19", "SDP-05");
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
		assert_int_equal(fx_wic_answer(s, WIC_ANSWER("a=setup:active\r\n"), &t),
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
	REQ("BUN-15", "BUN-16", "BUN-17");
	struct cscf_sdp_session *s = fx_session(NULL);
	char *none = with(FX_WIC_AUDIO, "a=rtcp-mux\r\n", "");
	char *only = with(FX_WIC_AUDIO, "a=rtcp-mux\r\n", "a=rtcp-mux-only\r\n");
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

static void test_broken_core_answers_are_named_and_harmless(void **state)
{
	REQ("SDP-25", "SDP-26", "SDP-23");
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
			assert_agrees(s, &t, true);
	}
	cscf_sdp_session_free(s);
}

static void test_calls_out_of_order_are_refused(void **state)
{
	REQ("CALL-30", "SDP-35");
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
	REQ("REL-20", "SDP-24");
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
	assert_agrees(s, &t, true);
	cscf_sdp_session_free(s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_dtls_role_for_offers_of_the_wic),
	    cmocka_unit_test(test_dtls_role_from_answers_of_the_wic),
	    cmocka_unit_test(test_wic_answer_without_what_we_need_is_refused),
	    cmocka_unit_test(test_bundle_corners),
	    cmocka_unit_test(test_same_round_again_changes_nothing),
	    cmocka_unit_test(test_running_role_is_kept_although_actpass_is_offered_again),
	    cmocka_unit_test(test_video_added_removed_and_added_again),
	    cmocka_unit_test(test_answers_map_back_by_index),
	    cmocka_unit_test(test_forks_share_the_access_side),
	    cmocka_unit_test(test_hold_and_resume_from_the_core),
	    cmocka_unit_test(test_core_rtcp_and_bandwidth_are_typed),
	    cmocka_unit_test(test_access_without_rtcp_mux_gets_a_second_component),
	    cmocka_unit_test(test_broken_core_answers_are_named_and_harmless),
	    cmocka_unit_test(test_calls_out_of_order_are_refused),
	    cmocka_unit_test(test_video_without_resources_leaves_audio_alone),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
