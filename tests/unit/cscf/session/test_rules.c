/* SPDX-License-Identifier: Apache-2.0 */
/* The operator's rules for packets, as the AGW is told: rtp.ssrc_mode, media.policing, DSCP. */
#include "cscf/session/media_int.h"
#include "tests/unit/cscf/session/play.h"

#define CORE_SDP_64                                                                                \
	"v=0\r\no=- 5 6 IN IP4 " W_CORE_IP "\r\ns=-\r\nc=IN IP4 " W_CORE_IP "\r\nt=0 0\r\n"        \
	"m=audio 6000 RTP/AVP 0\r\nb=AS:64\r\na=rtpmap:0 PCMU/8000\r\na=sendrecv\r\n"

static const struct w_iq *last(void)
{
	return &w.iq[w.n_iq - 1];
}

static void answered(void)
{
	(void)w_mo_invite();
	w_response(0, 200, W_CORE_TAG, CORE_SDP_64, CSCF_SIP_CAUSE_NONE);
	assert_int_equal(last()->op, W_CONFIGURE);
}

static void finish(void)
{
	w_agw(GW_OK);
	cscf_session_release_all(w.s);
	w_response(0, 200, W_CORE_TAG, NULL, CSCF_SIP_CAUSE_NONE);
}

static void test_by_default_ssrcs_pass_and_nothing_is_policed(void **state)
{
	REQ("RTP-09", "RTP-23");
	(void)state;
	answered();
	assert_int_equal(last()->ssrc_mode, IQ_V(SSRC_MODE__SSRC_PASSTHROUGH));
	assert_int_equal(last()->bps_up, 1);
	finish();
}

static void test_one_ssrc_is_asked_for_from_the_reservation_on(void **state)
{
	REQ("RTP-09");
	(void)state;
	w.cfg.ssrc_rewrite = true;
	answered();
	assert_int_equal(w.iq[0].op, W_RESERVE);
	assert_int_equal(w.iq[0].ssrc_mode, IQ_V(SSRC_MODE__SSRC_REWRITE));
	assert_int_equal(last()->ssrc_mode, IQ_V(SSRC_MODE__SSRC_REWRITE));
	finish();
}

static void test_each_side_may_send_what_the_other_asked_for_and_a_third(void **state)
{
	REQ("RTP-23", "SDP-30");
	unsigned told = 0;
	const char *as;

	(void)state;
	w.cfg.police = true;
	answered();
	as = strstr(cscf_sip_msg_body(w.clients[0].msg).p, "b=AS:");
	assert_non_null(as);
	told = (unsigned)strtoul(as + 5, NULL, 10);
	assert_true(told > 0);
	assert_int_equal(last()->bps_up, 64 * 1300);
	assert_int_equal(last()->bps_down, told * 1300);
	finish();
}

/* media.policing_access_video: a WIC's video is its encoder's affair unless the operator says
 * otherwise; what the core sends is policed either way, and so is audio. */
static void test_video_of_a_wic_is_policed_where_that_is_wanted(void **state)
{
	static const struct {
		enum cscf_sdp_media media;
		bool wanted;
		uint64_t up;
	} rows[] = {
	    {CSCF_SDP_VIDEO, false, 0},
	    {CSCF_SDP_VIDEO, true, 500 * 1300},
	    {CSCF_SDP_AUDIO, false, 500 * 1300},
	    {CSCF_SDP_AUDIO, true, 500 * 1300},
	};

	REQ("RTP-23");
	(void)state;
	w.cfg.police = true;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct cscf_sdp_stream st = {.media = rows[i].media, .core_remote.b_as_kbps = 500};
		IqStreamRequest req;
		IqPolicing policing;

		wicgate__iq__v1__stream_request__init(&req);
		w.cfg.police_access_video = rows[i].wanted;
		media_rules_fill(&req, &policing, &w.cfg, &st, 700);
		assert_ptr_equal(req.policing, &policing);
		assert_int_equal(policing.bits_per_second, rows[i].up);
		assert_int_equal(policing.burst_octets, rows[i].up / 8);
		assert_int_equal(policing.downlink_bits_per_second, 700 * 1300);
	}
}

static void test_marking_is_of_the_medium_and_of_the_side(void **state)
{
	static const struct {
		int audio, core_audio, access_told, core_told;
	} rows[] = {
	    {46, -2, 46, 46}, {46, 26, 46, 26}, {-1, -2, -1, -1},
	    {10, -1, 10, -1}, {0, -2, -1, -1}, /* 0 is left at 0, not made the AGW's default */
	    {46, 0, 46, -1},
	};

	REQ("RTP-15");
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		w.cfg.dscp_audio = rows[i].audio;
		w.cfg.dscp_core_audio = rows[i].core_audio;
		w.cfg.dscp_video = w.cfg.dscp_core_video = 1;
		answered();
		assert_int_equal(last()->dscp[0], rows[i].access_told);
		assert_int_equal(last()->dscp[1], rows[i].core_told);
		assert_int_equal(w.iq[0].dscp[0], rows[i].access_told);
		finish();
		assert_int_equal(w_teardown(state), 0);
		assert_int_equal(w_setup(state), 0);
	}
}

#define T(name) cmocka_unit_test_setup_teardown(name, w_setup, w_teardown)

int main(void)
{
	static const struct CMUnitTest tests[] = {
	    T(test_by_default_ssrcs_pass_and_nothing_is_policed),
	    T(test_one_ssrc_is_asked_for_from_the_reservation_on),
	    T(test_each_side_may_send_what_the_other_asked_for_and_a_third),
	    T(test_video_of_a_wic_is_policed_where_that_is_wanted),
	    T(test_marking_is_of_the_medium_and_of_the_side),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
