/* SPDX-License-Identifier: Apache-2.0 */
/* A stream in trouble while the call goes on: its gates (2.11), and keys that are used up. */
#include "tests/unit/cscf/session/play.h"

#define VIDEO_LINE                                                                                 \
	"m=video 40002 UDP/TLS/RTP/SAVPF 96\r\nc=IN IP4 198.51.100.7\r\na=rtpmap:96 VP8/90000\r\n" \
	"a=ice-ufrag:wicV\r\na=ice-pwd:wicwicwicwicwicwicwicw\r\na=setup:actpass\r\na=mid:1\r\n"   \
	"a=fingerprint:sha-256 "                                                                   \
	"00:01:02:03:04:05:06:07:08:09:0A:0B:0C:0D:0E:0F:"                                         \
	"00:01:02:03:04:05:06:07:08:09:0A:0B:0C:0D:0E:0F\r\na=rtcp-mux\r\na=sendrecv\r\n"
#define CORE_VIDEO "m=video 6002 RTP/AVPF 96\r\na=rtpmap:96 VP8/90000\r\n"

static const char *with_video(const char *sdp, const char *was, const char *version,
			      const char *line)
{
	static char buf[2048];

	snprintf(buf, sizeof(buf), "%s%s", sdp, line);
	memcpy(strstr(buf, was), version, strlen(version));
	return buf;
}

/* A round of the WIC's; audio and video are agreed again. */
static void reinvite(unsigned cseq, const char *wic_version, const char *core_version)
{
	size_t client = w.n_clients;

	(void)w_request(&w_wic, "INVITE", "sip:b1@" W_CORE_IP, W_ALICE, W_BOB_TAG, cseq, "",
			with_video(w_wic_sdp(false), "o=- 1 2", wic_version, VIDEO_LINE));
	w_agw(GW_OK);
	assert_int_equal(w.n_clients, client + 1);
	w_response(client, 200, NULL, with_video(W_CORE_SDP, "o=- 5 6", core_version, CORE_VIDEO),
		   CSCF_SIP_CAUSE_NONE);
	assert_int_equal(w.iq[w.n_iq - 1].op, W_CONFIGURE);
	assert_int_equal(w.iq[w.n_iq - 1].n_ids, 2);
	w_agw(GW_OK);
	w_request(&w_wic, "ACK", "sip:b1@" W_CORE_IP, W_ALICE, W_BOB_TAG, cseq, "", NULL);
}

/* @return the video's stream id */
static uint32_t video_call(void)
{
	w_mo_call();
	reinvite(2, "o=- 1 3", "o=- 5 7");
	assert_true(w.iq[w.n_iq - 1].gate_up && w.iq[w.n_iq - 1].gate_down);
	return w.iq[w.n_iq - 1].ids[1];
}

static void event(IqEvent what, uint32_t stream)
{
	IqNotification n;

	wicgate__iq__v1__notification__init(&n);
	n.event = what;
	n.stream_id = stream;
	w.iq_cbs.on_event(w.iq_arg, w.iq[0].call, &n);
}

static void assert_gates(size_t before, uint32_t stream, bool open)
{
	const struct w_iq *q = &w.iq[w.n_iq - 1];

	assert_int_equal(w.n_iq, before + 1);
	assert_int_equal(q->op, W_CONFIGURE);
	assert_int_equal(q->n_ids, 1);
	assert_int_equal(q->ids[0], stream);
	assert_int_equal(q->gate_up, open);
	assert_int_equal(q->gate_down, open);
	w_agw(GW_OK);
}

static void test_a_lost_video_is_shut_and_the_call_goes_on(void **state)
{
	static const IqEvent lost[] = {
	    IQ_V(NOTIFICATION__EVENT__CONSENT_LOST), IQ_V(NOTIFICATION__EVENT__ICE_FAILED),
	    IQ_V(NOTIFICATION__EVENT__DTLS_FAILED), IQ_V(NOTIFICATION__EVENT__DTLS_CLOSED)};
	static const IqEvent back[] = {IQ_V(NOTIFICATION__EVENT__CONSENT_RESTORED),
				       IQ_V(NOTIFICATION__EVENT__ICE_CONNECTED),
				       IQ_V(NOTIFICATION__EVENT__DTLS_ESTABLISHED),
				       IQ_V(NOTIFICATION__EVENT__DTLS_ESTABLISHED)};
	uint32_t video = video_call();

	REQ("REL-20", "REL-08", "RTP-04");
	(void)state;
	for (size_t i = 0; i < 4; i++) {
		size_t n = w.n_iq;

		event(lost[i], video);
		assert_gates(n, video, false);
		event(lost[i], video); /* told twice: nothing new */
		assert_int_equal(w.n_iq, n + 1);
		event(back[i], video);
		assert_gates(n + 1, video, true);
	}
	assert_int_equal(w.released, 0);
	cscf_session_release_all(w.s);
	assert_byes(true, true, "shutting down");
}

static void test_what_is_agreed_meanwhile_does_not_open_it(void **state)
{
	uint32_t video = video_call();
	size_t n = w.n_iq;

	REQ("REL-20");
	(void)state;
	event(IQ_V(NOTIFICATION__EVENT__CONSENT_LOST), video);
	assert_gates(n, video, false);
	reinvite(3, "o=- 1 4", "o=- 5 8"); /* both sendrecv; the video's gates are told last */
	assert_int_equal(w.iq[w.n_iq - 1].ids[1], video);
	assert_false(w.iq[w.n_iq - 1].gate_up || w.iq[w.n_iq - 1].gate_down);
	n = w.n_iq;
	event(IQ_V(NOTIFICATION__EVENT__CONSENT_RESTORED), video);
	assert_gates(n, video, true);
	cscf_session_release_all(w.s);
	assert_byes(true, true, "shutting down");
}

static void test_the_loss_of_the_audio_is_no_matter_of_gates(void **state)
{
	uint32_t video = video_call();
	size_t n = w.n_iq;

	REQ("REL-08", "REL-20");
	(void)state;
	event(IQ_V(NOTIFICATION__EVENT__CONSENT_LOST), w.iq[0].ids[0]);
	assert_int_equal(w.n_iq, n); /* it may come back within T_consent as it was */
	event(IQ_V(NOTIFICATION__EVENT__CONSENT_LOST), video);
	w_until(&w.n_clients, 2);
	assert_byes(true, true, "media path lost");
}

static void test_used_up_keys_are_renewed_by_a_new_association(void **state)
{
	REQ("SRTP-10");
	(void)state;
	w.cfg.reanchor = true;
	w.cfg.repair_rate = 1000;
	w.cfg.repair_timeout = 1000;
	w_mo_call();
	event(IQ_V(NOTIFICATION__EVENT__SRTP_KEY_LIMIT), w.iq[0].ids[0]);
	for (int i = 0; i < 100 && w.reserved < 2; i++)
		event_base_loop(w.base, EVLOOP_ONCE);
	assert_int_equal(w.reserved, 2); /* and so a new ICE, a new certificate's handshake */
	w_agw(GW_OK);
	assert_int_equal(w.n_clients, 2);
	assert_true(w.clients[1].to_wic);
	assert_true(w_has(w.clients[1].msg, "a=setup:actpass"));
	cscf_session_release_all(w.s);
}

static void test_where_calls_cannot_be_moved_used_up_keys_end_them(void **state)
{
	REQ("SRTP-10");
	(void)state;
	w_mo_call();
	event(IQ_V(NOTIFICATION__EVENT__SRTP_KEY_LIMIT), w.iq[0].ids[0]);
	assert_byes(true, true, "media path lost");
}

#define T(name) cmocka_unit_test_setup_teardown(name, w_setup, w_teardown)

int main(void)
{
	static const struct CMUnitTest tests[] = {
	    T(test_a_lost_video_is_shut_and_the_call_goes_on),
	    T(test_what_is_agreed_meanwhile_does_not_open_it),
	    T(test_the_loss_of_the_audio_is_no_matter_of_gates),
	    T(test_used_up_keys_are_renewed_by_a_new_association),
	    T(test_where_calls_cannot_be_moved_used_up_keys_end_them),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
