/* SPDX-License-Identifier: Apache-2.0 */
/* Later offers: streams that come and go, offers before the answer, restarts, crossed requests. */
#include "tests/unit/cscf/session/play.h"

#define VIDEO_LINE                                                                                 \
	"m=video 40002 UDP/TLS/RTP/SAVPF 96\r\nc=IN IP4 198.51.100.7\r\na=rtpmap:96 VP8/90000\r\n" \
	"a=ice-ufrag:wicV\r\na=ice-pwd:wicwicwicwicwicwicwicw\r\na=setup:actpass\r\na=mid:1\r\n"   \
	"a=fingerprint:sha-256 "                                                                   \
	"00:01:02:03:04:05:06:07:08:09:0A:0B:0C:0D:0E:0F:"                                         \
	"00:01:02:03:04:05:06:07:08:09:0A:0B:0C:0D:0E:0F\r\na=rtcp-mux\r\na=sendrecv\r\n"

/* The WIC's description of before with another o= version, and what else it needs. */
static const char *wic_offer(const char *version, const char *more)
{
	static char buf[2048];

	snprintf(buf, sizeof(buf), "%s%s", w_wic_sdp(false), more);
	memcpy(strstr(buf, "o=- 1 2"), version, strlen(version));
	return buf;
}

static const char *core_answer(const char *version, const char *video)
{
	static char buf[2048];

	snprintf(buf, sizeof(buf), "%s%s", W_CORE_SDP, video);
	memcpy(strstr(buf, "o=- 5 6"), version, strlen(version));
	return buf;
}

static gw_handle reinvite(unsigned cseq, const char *sdp)
{
	return w_request(&w_wic, "INVITE", "sip:b1@" W_CORE_IP, W_ALICE, W_BOB_TAG, cseq, "", sdp);
}

static void end(void)
{
	cscf_session_release_all(w.s);
	assert_byes(true, true, "shutting down");
}

static void test_video_is_added_and_removed(void **state)
{
	REQ("CALL-30", "IQ-02");
	gw_handle h;
	char gone[2048];

	(void)state;
	w_mo_call();
	h = reinvite(2, wic_offer("o=- 1 3", VIDEO_LINE));
	assert_int_equal(w.iq[w.n_iq - 1].op, W_RESERVE);
	assert_int_equal(w.iq[w.n_iq - 1].n_ids, 1); /* the new stream only, same context */
	assert_int_equal(w.reserved, 1);
	w_agw(GW_OK);
	assert_true(w_has(w.clients[1].msg, "m=video 20000 RTP/AVPF 96"));
	w_response(1, 200, NULL,
		   core_answer("o=- 5 7", "m=video 6002 RTP/AVPF 96\r\na=rtpmap:96 VP8/90000\r\n"),
		   CSCF_SIP_CAUSE_NONE);
	assert_int_equal(w.iq[w.n_iq - 1].n_ids, 2);
	w_agw(GW_OK);
	assert_int_equal(w_status(h), 200);
	assert_true(w_has(w_answer_msg(h), "m=video 30000 UDP/TLS/RTP/SAVPF 96"));
	w_request(&w_wic, "ACK", "sip:b1@" W_CORE_IP, W_ALICE, W_BOB_TAG, 2, "", NULL);
	/* and taken away */
	snprintf(gone, sizeof(gone), "%s", wic_offer("o=- 1 4", VIDEO_LINE));
	memcpy(strstr(gone, "m=video 40002"), "m=video 0    ", 13);
	h = reinvite(3, gone);
	w_agw(GW_OK);
	assert_true(w_has(w.clients[2].msg, "m=video 0 "));
	w_response(2, 200, NULL, core_answer("o=- 5 8", "m=video 0 RTP/AVPF 96\r\n"),
		   CSCF_SIP_CAUSE_NONE);
	assert_int_equal(w.streams_released, 1);
	w_agw(GW_OK);
	assert_int_equal(w_status(h), 200);
	end();
}

static void test_no_room_for_video_leaves_the_audio(void **state)
{
	REQ("REL-20", "CALL-37");
	gw_handle h;

	(void)state;
	w_mo_call();
	h = reinvite(2, wic_offer("o=- 1 3", VIDEO_LINE));
	w_agw(GW_ERR_LIMIT);
	w_agw(GW_OK);
	assert_true(w_has(w.clients[1].msg, "m=audio 20000"));
	assert_false(w_has(w.clients[1].msg, "m=video 2"));
	w_response(1, 200, NULL, core_answer("o=- 5 7", "m=video 0 RTP/AVPF 96\r\n"),
		   CSCF_SIP_CAUSE_NONE);
	w_agw(GW_OK);
	assert_int_equal(w_status(h), 200);
	assert_true(w_has(w_answer_msg(h), "m=video 0 "));
	end();
}

static void test_refused_video_is_given_back(void **state)
{
	REQ("SDP-35", "REL-01");
	gw_handle h;

	(void)state;
	w_mo_call();
	h = reinvite(2, wic_offer("o=- 1 3", VIDEO_LINE));
	w_agw(GW_OK);
	w_response(1, 488, NULL, NULL, CSCF_SIP_CAUSE_NONE);
	assert_int_equal(w_status(h), 488);
	assert_int_equal(w.streams_released, 1);
	assert_int_equal(w.released, 0); /* the call goes on as before */
	end();
}

static void test_restart_by_the_wic_is_a_restart_at_the_agw(void **state)
{
	REQ("ICE-17");
	gw_handle h;
	char offer[2048];

	(void)state;
	w_mo_call();
	snprintf(offer, sizeof(offer), "%s", wic_offer("o=- 1 3", ""));
	memcpy(strstr(offer, "ice-ufrag:wicU"), "ice-ufrag:wicX", 14);
	memcpy(strstr(offer, "ice-pwd:wic"), "ice-pwd:new", 11);
	h = reinvite(2, offer);
	assert_int_equal(w.iq[w.n_iq - 1].phase, W_PREPARE);
	assert_true(w.iq[w.n_iq - 1].restart);
	w_agw(GW_OK);
	w_response(1, 200, NULL, core_answer("o=- 5 6", ""), CSCF_SIP_CAUSE_NONE);
	assert_int_equal(w.iq[w.n_iq - 1].phase, W_COMMIT);
	assert_false(w.iq[w.n_iq - 1].restart); /* once in a round */
	w_agw(GW_OK);
	assert_int_equal(w_status(h), 200);
	end();
}

static void test_prack_and_update_before_the_answer(void **state)
{
	REQ("CALL-26", "CALL-28");
	gw_handle h = w_mo_invite(), later;

	(void)state;
	w.rseq = 1;
	w_response(0, 183, W_CORE_TAG, W_CORE_SDP, CSCF_SIP_CAUSE_NONE);
	w_agw(GW_OK);
	assert_int_equal(w_status(h), 183);
	assert_true(w_has(w_answer_msg(h), "RSeq: 1"));
	/* one that acknowledges what never was */
	assert_int_equal(w_status(w_request(&w_wic, "PRACK", "sip:b1@" W_CORE_IP, W_ALICE,
					    W_BOB_TAG, 2, "RAck: 7 1 INVITE\r\n", NULL)),
			 481);
	assert_int_equal(w.n_clients, 1);
	later = w_request(&w_wic, "PRACK", "sip:b1@" W_CORE_IP, W_ALICE, W_BOB_TAG, 2,
			  "RAck: 1 1 INVITE\r\n", NULL);
	assert_int_equal(w_method(1), CSCF_SIP_PRACK);
	assert_true(w_has(w.clients[1].msg, "RAck: 1 1 INVITE"));
	w_response(1, 200, NULL, NULL, CSCF_SIP_CAUSE_NONE);
	assert_int_equal(w_status(later), 200);
	later = w_request(&w_wic, "UPDATE", "sip:b1@" W_CORE_IP, W_ALICE, W_BOB_TAG, 3, "",
			  wic_offer("o=- 1 3", ""));
	w_agw(GW_OK);
	assert_int_equal(w_method(2), CSCF_SIP_UPDATE);
	/* crossed by one of the core */
	assert_int_equal(w_status(w_request(&w_core, "UPDATE", W_WIC_URI, W_BOB_TAG, W_ALICE, 1, "",
					    W_CORE_SDP)),
			 491);
	w_response(2, 200, NULL, core_answer("o=- 5 7", ""), CSCF_SIP_CAUSE_NONE);
	w_agw(GW_OK);
	assert_int_equal(w_status(later), 200);
	assert_false(w.iq[w.n_iq - 1].gate_up); /* not answered yet */
	w_response(0, 200, W_CORE_TAG, NULL, CSCF_SIP_CAUSE_NONE);
	w_agw(GW_OK);
	assert_int_equal(w_status(h), 200);
	assert_true(w.iq[w.n_iq - 1].gate_up && w.iq[w.n_iq - 1].gate_down);
	end();
}

static void test_messages_wait_for_the_one_before(void **state)
{
	REQ("IQ-19", "IQ-24");
	gw_handle h = w_mo_invite();

	(void)state;
	w_response(0, 183, W_CORE_TAG, W_CORE_SDP, CSCF_SIP_CAUSE_NONE);
	w_response(0, 180, W_CORE_TAG, NULL, CSCF_SIP_CAUSE_NONE);
	w_response(0, 200, W_CORE_TAG, W_CORE_SDP, CSCF_SIP_CAUSE_NONE);
	assert_int_equal(w.n_answers, 0); /* the AGW is slow */
	w_agw(GW_OK);
	assert_int_equal(w.answers[0].status, 183);
	assert_int_equal(w.answers[1].status, 180);
	w_agw(GW_OK);
	assert_int_equal(w_status(h), 200);
	end();
}

static void cancel(gw_handle h)
{
	struct cscf_sip_msg *msg =
	    w_parse("CANCEL sip:b1@" W_CORE_IP " SIP/2.0\r\n"
		    "Via: SIP/2.0/WSS peer.invalid;branch=z9hG4bK2INVITE\r\nMax-Forwards: 70\r\n"
		    "From: " W_ALICE "\r\nTo: " W_BOB_TAG "\r\nCall-ID: c1\r\nCSeq: 2 CANCEL\r\n"
		    "Content-Length: 0\r\n\r\n");

	cscf_session_on_cancel(w.s, h, msg);
	cscf_sip_msg_free(msg);
}

/* Whoever offers next finds no round open. */
static void test_cancelled_while_the_agw_is_asked(void **state)
{
	REQ("CALL-25", "CALL-30", "SDP-35");
	gw_handle h;

	(void)state;
	w_mo_call();
	h = reinvite(2, wic_offer("o=- 1 3", VIDEO_LINE));
	cancel(h);
	assert_int_equal(w_status(h), 487);
	w_agw(GW_OK);
	assert_int_equal(w.n_clients, 1); /* the core never hears of it */
	assert_int_equal(w.streams_released, 1);
	h = w_request(&w_core, "INVITE", W_WIC_URI, W_BOB_TAG, W_ALICE, 1, "",
		      core_answer("o=- 5 7", ""));
	w_agw(GW_OK);
	assert_int_equal(w_status(h), 0);
	assert_int_equal(w.n_clients, 2);
	w_response(1, 200, NULL, w_wic_sdp(true), CSCF_SIP_CAUSE_NONE);
	w_agw(GW_OK);
	assert_int_equal(w_status(h), 200);
	end();
}

static void test_an_offer_that_could_not_be_sent_is_undone(void **state)
{
	REQ("CALL-30", "SDP-35", "REL-10");
	gw_handle h;

	(void)state;
	w_mo_call();
	w.conn_open = false; /* nobody has noticed yet */
	h = w_request(&w_core, "INVITE", W_WIC_URI, W_BOB_TAG, W_ALICE, 1, "",
		      core_answer("o=- 5 7", ""));
	w_agw(GW_OK);
	assert_int_equal(w_status(h), 480);
	w.conn_open = true;
	h = reinvite(2, wic_offer("o=- 1 3", ""));
	w_agw(GW_OK);
	assert_int_equal(w_status(h), 0);
	assert_int_equal(w.n_clients, 2);
	w_response(1, 488, NULL, NULL, CSCF_SIP_CAUSE_NONE);
	end();
}

static void test_a_repeated_2xx_to_a_later_invite(void **state)
{
	REQ("CALL-24");
	gw_handle h;
	size_t n;

	(void)state;
	w_mo_call();
	h = reinvite(2, wic_offer("o=- 1 3", ""));
	w_agw(GW_OK);
	w_response(1, 200, NULL, core_answer("o=- 5 7", ""), CSCF_SIP_CAUSE_NONE);
	w_agw(GW_OK);
	assert_int_equal(w_status(h), 200);
	n = w.n_answers;
	/* the WIC did not get it: once more, as it was */
	w_response(1, 200, NULL, core_answer("o=- 5 7", ""), CSCF_SIP_CAUSE_NONE);
	assert_int_equal(w.n_answers, n + 1);
	assert_int_equal(w.answers[n].server, h);
	assert_int_equal(w.answers[n].status, 200);
	assert_true(w_has(w.answers[n].msg, "UDP/TLS/RTP/SAVPF"));
	n = w.n_acks;
	w_request(&w_wic, "ACK", "sip:b1@" W_CORE_IP, W_ALICE, W_BOB_TAG, 2, "", NULL);
	assert_int_equal(w.n_acks, n + 1);
	/* the core did not get the ACK */
	w_response(1, 200, NULL, core_answer("o=- 5 7", ""), CSCF_SIP_CAUSE_NONE);
	assert_int_equal(w.n_acks, n + 2);
	assert_true(w_has(w.acks[n + 1], "CSeq: 2 ACK"));
	end();
}

#define T(name) cmocka_unit_test_setup_teardown(name, w_setup, w_teardown)

int main(void)
{
	static const struct CMUnitTest tests[] = {
	    T(test_video_is_added_and_removed),
	    T(test_no_room_for_video_leaves_the_audio),
	    T(test_refused_video_is_given_back),
	    T(test_restart_by_the_wic_is_a_restart_at_the_agw),
	    T(test_prack_and_update_before_the_answer),
	    T(test_messages_wait_for_the_one_before),
	    T(test_cancelled_while_the_agw_is_asked),
	    T(test_an_offer_that_could_not_be_sent_is_undone),
	    T(test_a_repeated_2xx_to_a_later_invite),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
