/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Feedback that the gateway serves itself: a WIC may send NACKs though its core is plain AVP, where
 * the eIMS-AGW answers them; the core hears and reads nothing of it.
 */
#include "fixture.h"
#include "tests/lib/req.h"

#define CORE_AVP                                                                                   \
	FX_CORE_AUDIO "m=video 41004 RTP/AVP 96\r\na=rtpmap:96 VP8/90000\r\n"                      \
		      "a=rtcp-fb:96 nack pli\r\n"
#define WIC_FB                                                                                     \
	"a=rtcp-fb:96 goog-remb\r\na=rtcp-fb:96 transport-cc\r\na=rtcp-fb:96 ccm fir\r\n"          \
	"a=rtcp-fb:96 nack\r\na=rtcp-fb:96 nack pli\r\n"
#define VIDEO 1

static int serves_nack(void **state)
{
	(void)state;
	fx_serves = CSCF_SDP_FB_NACK;
	return 0;
}

static int serves_nothing(void **state)
{
	(void)state;
	fx_serves = 0;
	return 0;
}

static struct cscf_sdp_policy *avp_policy(void)
{
	static struct cscf_sdp_policy policy;

	cscf_sdp_policy_default(&policy);
	policy.core_video_avpf = false;
	return &policy;
}

static unsigned wic_set(const struct cscf_sdp_session *s)
{
	return cscf_sdp_wic_fb(cscf_sdp_stream(s, VIDEO), 0);
}

static unsigned core_set(const struct cscf_sdp_session *s)
{
	return cscf_sdp_stream(s, VIDEO)->fmts[0].fb;
}

/* What a WIC that can do it all answers to our offer: all of its feedback. */
static char *wic_answer(const char *feedback)
{
	char *text = fx_with(FX_WIC_AV, "a=setup:actpass", "a=setup:active"), *fresh;

	fresh = fx_with(text, "UDP/TLS/RTP/SAVPF 96 97", "UDP/TLS/RTP/SAVPF 96");
	free(text);
	text = fx_with(fresh, "UDP/TLS/RTP/SAVPF 111 8 126", "UDP/TLS/RTP/SAVPF 8 126");
	free(fresh);
	fresh = fx_with(text, "a=rtcp-fb:96 nack pli\r\n", feedback);
	free(text);
	return fresh;
}

static void test_an_avp_core_calls(void **state)
{
	REQ("SDP-41", "SDP-42", "RTCP-20", "RTCP-21");
	static const struct {
		const char *said;
		unsigned agreed;
	} answers[] = {{WIC_FB, CSCF_SDP_FB_NACK},
		       {"a=rtcp-fb:* nack\r\n", CSCF_SDP_FB_NACK},
		       {"a=rtcp-fb:96 nack pli\r\n", 0},
		       {"", 0}};

	(void)state;
	for (size_t i = 0; i < sizeof(answers) / sizeof(answers[0]); i++) {
		struct cscf_sdp_session *s = fx_session(NULL);
		char *answer = wic_answer(answers[i].said);
		struct cscf_sdp_text t;

		assert_int_equal(fx_core_offer(s, CORE_AVP, &t), CSCF_SDP_OK);
		assert_non_null(strstr(t.p, "a=rtcp-fb:96 nack\r\n"));
		assert_int_equal(fx_count(t.p, "a=rtcp-fb:"), 1);
		assert_int_equal(fx_wic_answer(s, answer, &t), CSCF_SDP_OK);
		assert_non_null(strstr(t.p, "m=video 30002 RTP/AVP 96\r\n"));
		assert_null(strstr(t.p, "rtcp-fb"));
		assert_int_equal(wic_set(s), answers[i].agreed);
		assert_int_equal(core_set(s), 0);
		free(answer);
		cscf_sdp_session_free(s);
	}
}

static void test_a_wic_calls_an_avp_core(void **state)
{
	REQ("SDP-41", "SDP-42", "RTCP-20", "RTCP-21");
	static const char *const offers[] = {WIC_FB, "a=rtcp-fb:96 nack pli\r\n"};

	(void)state;
	for (size_t i = 0; i < 2; i++) {
		struct cscf_sdp_session *s = fx_session(avp_policy());
		char *offer = fx_with(FX_WIC_AV, "a=rtcp-fb:96 nack pli\r\n", offers[i]);
		struct cscf_sdp_text t;

		assert_int_equal(fx_wic_offer(s, offer, &t), CSCF_SDP_OK);
		assert_non_null(strstr(t.p, "m=video 30002 RTP/AVP 96\r\n"));
		assert_null(strstr(t.p, "rtcp-fb"));
		assert_int_equal(fx_core_answer(s, CORE_AVP, &t), CSCF_SDP_OK);
		/* Only who offered it may be answered so (RFC 4585 s4.2). */
		assert_int_equal(fx_count(t.p, "a=rtcp-fb:96 nack\r\n"), i == 0 ? 1 : 0);
		assert_int_equal(fx_count(t.p, "a=rtcp-fb:"), i == 0 ? 1 : 0);
		assert_int_equal(wic_set(s), i == 0 ? CSCF_SDP_FB_NACK : 0);
		assert_int_equal(core_set(s), 0);
		cscf_sdp_commit(s);
		/* A refresh says the same again. */
		assert_int_equal(fx_wic_offer(s, offer, &t), CSCF_SDP_OK);
		assert_true(t.unchanged);
		assert_int_equal(fx_core_answer(s, CORE_AVP, &t), CSCF_SDP_OK);
		assert_true(t.unchanged);
		free(offer);
		cscf_sdp_session_free(s);
	}
}

/* The core's own feedback goes through; NACK is on our leg besides. */
static void test_an_avpf_core_without_nack(void **state)
{
	REQ("SDP-41", "RTCP-21");
	struct cscf_sdp_session *s = fx_session(NULL);
	char *offer = fx_with(FX_WIC_AV, "a=rtcp-fb:96 nack pli\r\n", WIC_FB);
	struct cscf_sdp_text t;

	(void)state;
	assert_int_equal(fx_wic_offer(s, offer, &t), CSCF_SDP_OK);
	assert_int_equal(fx_count(t.p, "a=rtcp-fb:96 nack\r\n"), 1);
	assert_int_equal(fx_core_answer(s, FX_CORE_AV, &t), CSCF_SDP_OK);
	assert_int_equal(fx_count(t.p, "a=rtcp-fb:96 nack\r\n"), 1);
	assert_int_equal(fx_count(t.p, "a=rtcp-fb:96 nack pli\r\n"), 1);
	assert_int_equal(fx_count(t.p, "a=rtcp-fb:96 ccm fir\r\n"), 1);
	assert_int_equal(fx_count(t.p, "a=rtcp-fb:"), 3);
	assert_int_equal(core_set(s), CSCF_SDP_FB_PLI | CSCF_SDP_FB_FIR);
	assert_int_equal(wic_set(s), CSCF_SDP_FB_PLI | CSCF_SDP_FB_FIR | CSCF_SDP_FB_NACK);
	free(offer);
	cscf_sdp_session_free(s);
}

/* An AGW that keeps nothing: nobody would answer. */
static void test_what_nobody_serves_is_not_promised(void **state)
{
	REQ("SDP-42");
	struct cscf_sdp_session *s = fx_session(NULL);
	char *answer = wic_answer(WIC_FB);
	struct cscf_sdp_text t;

	(void)state;
	assert_int_equal(fx_core_offer(s, CORE_AVP, &t), CSCF_SDP_OK);
	assert_null(strstr(t.p, "rtcp-fb"));
	assert_int_equal(fx_wic_answer(s, answer, &t), CSCF_SDP_OK);
	assert_int_equal(wic_set(s), 0);
	free(answer);
	cscf_sdp_session_free(s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup(test_an_avp_core_calls, serves_nack),
	    cmocka_unit_test_setup(test_a_wic_calls_an_avp_core, serves_nack),
	    cmocka_unit_test_setup(test_an_avpf_core_without_nack, serves_nack),
	    cmocka_unit_test_setup(test_what_nobody_serves_is_not_promised, serves_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
