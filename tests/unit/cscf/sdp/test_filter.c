/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the operator lets pass: codecs, kinds and number of lines, bandwidth, unknown attributes;
 * and what is always done to formats and lines that cannot cross.
 */
#include "fixture.h"
#include "tests/lib/req.h"

/* A list of words, as the configuration would give it. */
struct words {
	char text[64];
	char *item[8];
	struct gw_conf_list list;
};

static const struct gw_conf_list *words(struct words *w, const char *csv)
{
	snprintf(w->text, sizeof(w->text), "%s", csv);
	w->list = (struct gw_conf_list){w->item, 0};
	for (char *p = strtok(w->text, ","); p != NULL; p = strtok(NULL, ","))
		w->item[w->list.n++] = p;
	return &w->list;
}

static enum cscf_sdp_verdict wic(const struct cscf_sdp_policy *p, const char *offer, char *out,
				 size_t n)
{
	struct cscf_sdp_session *s = fx_session(p);
	struct cscf_sdp_text t = {"", 0, false};
	enum cscf_sdp_verdict v = fx_wic_offer(s, offer, &t);

	snprintf(out, n, "%s", t.p);
	cscf_sdp_session_free(s);
	return v;
}

static enum cscf_sdp_verdict core(const struct cscf_sdp_policy *p, const char *offer, char *out,
				  size_t n)
{
	struct cscf_sdp_session *s = fx_session(p);
	struct cscf_sdp_text t = {"", 0, false};
	enum cscf_sdp_verdict v = fx_core_offer(s, offer, &t);

	snprintf(out, n, "%s", t.p);
	cscf_sdp_session_free(s);
	return v;
}

static void test_codecs_pass_or_not_by_name_on_both_legs(void **state)
{
	REQ("SDP-21", "SDP-23", "SDP-24");
	struct words w;
	struct cscf_sdp_policy p = *fx_policy();
	char out[8192];

	(void)state;
	p.codec_allow = words(&w, "PCMA");
	assert_int_equal(wic(&p, FX_WIC_AUDIO, out, sizeof(out)), CSCF_SDP_OK);
	assert_non_null(strstr(out, "RTP/AVP 8 126\r\n")); /* events go along */
	assert_null(strstr(out, "opus"));
	assert_int_equal(core(&p, FX_CORE_HEAD "m=audio 4 RTP/AVP 0 8\r\n", out, sizeof(out)),
			 CSCF_SDP_OK);
	assert_non_null(strstr(out, "SAVPF 8\r\n"));
	p.codec_allow = NULL;
	p.codec_deny = words(&w, "Opus");
	assert_int_equal(wic(&p, FX_WIC_AUDIO, out, sizeof(out)), CSCF_SDP_OK);
	assert_null(strstr(out, "opus"));
	p.codec_deny = NULL;
	p.codec_allow = words(&w, "EVS");
	assert_int_equal(wic(&p, FX_WIC_AUDIO, out, sizeof(out)), CSCF_SDP_NO_FORMAT);
	assert_int_equal(core(&p, FX_CORE_AUDIO, out, sizeof(out)), CSCF_SDP_NO_FORMAT);
	assert_int_equal(cscf_sdp_verdict_status(CSCF_SDP_NO_FORMAT), 488);
}

static void test_audio_redundancy_needs_leave_and_its_base(void **state)
{
	REQ("SDP-21");
	static const char offer[] = FX_HEAD
	    "m=audio 51472 UDP/TLS/RTP/SAVPF 63 111\r\nc=IN IP4 198.51.100.23\r\n" FX_ICE FX_DTLS
	    "a=rtcp-mux\r\na=rtpmap:63 red/48000/2\r\na=fmtp:63 111/111\r\n"
	    "a=rtpmap:111 opus/48000/2\r\n";
	struct words w;
	struct cscf_sdp_policy p = *fx_policy();
	char out[8192];

	(void)state;
	assert_int_equal(wic(&p, offer, out, sizeof(out)), CSCF_SDP_OK);
	assert_null(strstr(out, "red/"));
	p.codec_deny = words(&w, "RED");
	assert_int_equal(wic(&p, offer, out, sizeof(out)), CSCF_SDP_OK);
	assert_null(strstr(out, "red/"));
	p.codec_deny = words(&w, "x-none");
	assert_int_equal(wic(&p, offer, out, sizeof(out)), CSCF_SDP_OK);
	assert_non_null(strstr(out, "RTP/AVP 63 111\r\n"));
	p.codec_deny = words(&w, "opus,PCMU"); /* without its base it is no codec either */
	assert_int_equal(wic(&p, offer, out, sizeof(out)), CSCF_SDP_NO_FORMAT);
}

static void test_no_codec_that_browsers_have_is_refused_early_by_knob(void **state)
{
	REQ("SDP-23");
	static const char amr[] = FX_CORE_HEAD "m=audio 41000 RTP/AVP 104 101\r\n"
					       "a=rtpmap:104 AMR-WB/16000\r\n"
					       "a=rtpmap:101 telephone-event/16000\r\n";
	struct cscf_sdp_policy p = *fx_policy();
	const char *text;
	char out[8192];

	(void)state;
	assert_int_equal(core(&p, amr, out, sizeof(out)), CSCF_SDP_OK); /* the callee's 488 */
	p.early_488 = true;
	assert_int_equal(core(&p, amr, out, sizeof(out)), CSCF_SDP_NO_FORMAT);
	assert_int_equal(cscf_sdp_verdict_warning(CSCF_SDP_NO_FORMAT, &text), 305);
	assert_int_equal(core(&p, FX_CORE_AUDIO, out, sizeof(out)), CSCF_SDP_OK);
}

static void test_kinds_number_and_bandwidth_of_lines_are_limited(void **state)
{
	REQ("SDP-24");
	static const char loud[] = FX_HEAD FX_AUDIO("51472") "b=AS:128\r\n" FX_ICE FX_DTLS
							     "a=rtcp-mux\r\n" FX_AUDIO_CODECS;
	struct words w;
	struct cscf_sdp_policy p = *fx_policy();
	struct cscf_sdp_session *s;
	struct cscf_sdp_text t;
	char out[16384];

	(void)state;
	p.media_types = words(&w, "audio");
	assert_int_equal(wic(&p, FX_WIC_AV, out, sizeof(out)), CSCF_SDP_OK);
	assert_null(strstr(out, "m=video"));
	assert_int_equal(core(&p, FX_CORE_HEAD "m=video 4 RTP/AVP 96\r\na=rtpmap:96 VP8/90000\r\n",
			      out, sizeof(out)),
			 CSCF_SDP_NO_MEDIA);
	p = *fx_policy();
	p.max_streams = 1;
	s = fx_session(&p);
	assert_int_equal(fx_wic_offer(s, FX_WIC_AV, &t), CSCF_SDP_OK);
	assert_int_equal(fx_count(t.p, "\r\nm="), 1);
	assert_int_equal(cscf_sdp_stream(s, 1)->refused, CSCF_SDP_TOO_MANY);
	assert_int_equal(fx_core_answer(s, FX_CORE_AUDIO, &t), CSCF_SDP_OK);
	assert_non_null(strstr(t.p, "m=video 0 ")); /* the line, not the call */
	cscf_sdp_session_free(s);
	p = *fx_policy();
	p.max_audio_kbps = 100;
	assert_int_equal(wic(&p, loud, out, sizeof(out)), CSCF_SDP_BANDWIDTH);
	assert_int_equal(cscf_sdp_verdict_warning(CSCF_SDP_BANDWIDTH, &(const char *){NULL}), 370);
	p.max_audio_kbps = 128;
	assert_int_equal(wic(&p, loud, out, sizeof(out)), CSCF_SDP_OK);
}

static void test_a_refusal_says_what_would_be_taken(void **state)
{
	REQ("SDP-23", "SDP-24");
	struct words w, types;
	struct cscf_sdp_policy p = *fx_policy();
	char *text = cscf_sdp_allowed(&p);

	(void)state;
	assert_non_null(strstr(text, "m=audio 0 UDP/TLS/RTP/SAVPF 111 9 0 8 101\r\n"));
	assert_non_null(strstr(text, "m=video 0 UDP/TLS/RTP/SAVPF 96 97\r\n"));
	free(text);
	p.codec_allow = words(&w, "PCMA,VP8,EVS");
	p.media_types = words(&types, "audio");
	p.max_audio_kbps = 90;
	text = cscf_sdp_allowed(&p);
	assert_string_equal(text, "v=0\r\no=- 0 0 IN IP4 0.0.0.0\r\ns=-\r\nc=IN IP4 0.0.0.0\r\n"
				  "t=0 0\r\nm=audio 0 UDP/TLS/RTP/SAVPF 8 106 101\r\nb=AS:90\r\n"
				  "a=rtpmap:8 PCMA/8000\r\na=rtpmap:106 EVS/16000\r\n"
				  "a=rtpmap:101 telephone-event/8000\r\n");
	free(text);
	assert_true(cscf_sdp_verdict_wants_allowed(CSCF_SDP_NO_FORMAT));
	assert_false(cscf_sdp_verdict_wants_allowed(CSCF_SDP_SYNTAX));
}

static void test_unknown_attributes_cross_by_knob_but_never_what_belongs_to_a_leg(void **state)
{
	REQ("SDP-17", "SDP-18", "SDP-39", "SDP-45");
	static const char offer[] =
	    FX_WIC_AUDIO "a=x-colour:blue\r\na=extmap:1 urn:x\r\na=msid:a b\r\na=tra-m-line:1\r\n"
			 "a=curr:qos local none\r\na=crypto:1 X inline:k\r\na=3ge2ae:requested\r\n";
	static const char theirs[] =
	    "v=0\r\no=mgw 77 1 IN IP4 10.30.0.9\r\ns=x\r\ni=info\r\nu=http://x\r\ne=a@b\r\n"
	    "p=+1\r\nc=IN IP4 10.30.0.9\r\nt=3034423619 3042462419\r\nr=604800 3600 0\r\n"
	    "z=2882844526 -1h\r\nk=clear:secret\r\nm=audio 41000 RTP/AVP 8\r\nk=prompt\r\n"
	    "a=tra-att:1 x\r\na=omr-s-cksum:8A\r\na=visited-realm:1 x\r\na=x-mood:good\r\n";
	struct cscf_sdp_policy p = *fx_policy();
	char out[8192];

	(void)state;
	assert_int_equal(wic(&p, offer, out, sizeof(out)), CSCF_SDP_OK);
	assert_null(strstr(out, "x-colour"));
	p.pass_unknown = true;
	assert_int_equal(wic(&p, offer, out, sizeof(out)), CSCF_SDP_OK);
	assert_non_null(strstr(out, "a=x-colour:blue\r\n"));
	for (size_t i = 0; i < 9; i++)
		assert_null(
		    strstr(out, ((const char *[]){"extmap", "msid", "tra-", "curr", "crypto",
						  "3ge2ae", "ice-", "fingerprint", "mid"})[i]));
	assert_int_equal(core(&p, theirs, out, sizeof(out)), CSCF_SDP_OK);
	assert_non_null(strstr(out, "a=x-mood:good\r\n"));
	assert_non_null(strstr(out, "s=-\r\nt=0 0\r\n"));
	for (size_t i = 0; i < 8; i++)
		assert_null(strstr(
		    out, ((const char *[]){"\r\nk=", "secret", "\r\nr=", "\r\nz=", "\r\ne=", "tra-",
					   "omr-", "visited"})[i]));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_codecs_pass_or_not_by_name_on_both_legs),
	    cmocka_unit_test(test_audio_redundancy_needs_leave_and_its_base),
	    cmocka_unit_test(test_no_codec_that_browsers_have_is_refused_early_by_knob),
	    cmocka_unit_test(test_kinds_number_and_bandwidth_of_lines_are_limited),
	    cmocka_unit_test(test_a_refusal_says_what_would_be_taken),
	    cmocka_unit_test(test_unknown_attributes_cross_by_knob_but_never_what_belongs_to_a_leg),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
