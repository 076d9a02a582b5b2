/* SPDX-License-Identifier: Apache-2.0 */
/* Early dialogs with a session each; offers that tell the core nothing new. */
#include "tests/unit/cscf/sdp/fixture.h"

#include "tests/lib/req.h"

#define RESTARTED                                                                                  \
	"a=ice-ufrag:NewU\r\na=ice-pwd:ss7liTdhadxNbTOBew98xSNEW\r\na=ice-options:trickle\r\n"

static struct cscf_sdp_session *committed(struct cscf_sdp_text *offer, struct cscf_sdp_text *answer)
{
	struct cscf_sdp_session *s = fx_session(NULL);

	assert_int_equal(fx_wic_offer(s, FX_WIC_AUDIO, offer), CSCF_SDP_OK);
	assert_int_equal(fx_core_answer(s, FX_CORE_AUDIO, answer), CSCF_SDP_OK);
	cscf_sdp_commit(s);
	return s;
}

static void test_each_early_dialog_answers_for_itself(void **state)
{
	struct cscf_sdp_session *root = fx_session(NULL), *one = NULL, *two = NULL;
	struct cscf_sdp_text offer, a1, a2;
	char *other = fx_with(FX_CORE_AUDIO, "10.30.0.9", "10.30.0.77");
	char *update;

	(void)state;
	REQ("CALL-23", "DTLS-27");
	assert_int_equal(fx_wic_offer(root, FX_WIC_AV, &offer), CSCF_SDP_OK);
	assert_int_equal(cscf_sdp_session_fork(&one, root, 1), GW_OK);
	assert_int_equal(cscf_sdp_session_fork(&two, root, 2), GW_OK);
	cscf_sdp_session_free(root); /* nothing is shared */
	assert_int_equal(fx_core_answer(one, FX_CORE_AV, &a1), CSCF_SDP_OK);
	cscf_sdp_commit(one);
	other = strcat(realloc(other, strlen(other) + 64), "m=video 0 RTP/AVPF 96\r\n");
	assert_int_equal(fx_core_answer(two, other, &a2), CSCF_SDP_OK);
	/* one transport in both, whatever they answer */
	assert_non_null(strstr(a1.p, "m=audio 40000 "));
	assert_non_null(strstr(a2.p, "m=audio 40000 "));
	assert_non_null(strstr(a1.p, "m=video 40002 "));
	assert_non_null(strstr(a2.p, "m=video 0 "));
	assert_string_equal(cscf_sdp_stream(one, 0)->core_remote.addr, "10.30.0.9");
	assert_string_equal(cscf_sdp_stream(two, 0)->core_remote.addr, "10.30.0.77");
	assert_int_equal(cscf_sdp_stream(one, 0)->stream_id, cscf_sdp_stream(two, 0)->stream_id);
	/* one goes on: a new round, a stream of its own */
	assert_int_equal(cscf_sdp_session_fork(&root, one, 3), GW_ERR_STATE);
	update = fx_with(FX_WIC_AV FX_AUDIO("51999") FX_ICE FX_DTLS
			 "a=mid:2\r\na=rtcp-mux\r\n" FX_AUDIO_CODECS,
			 "8982095 2 IN", "8982095 3 IN");
	assert_int_equal(fx_wic_offer(one, update, &offer), CSCF_SDP_OK);
	assert_int_equal(cscf_sdp_stream(one, 2)->stream_id, 4096 + 2);
	free(update);
	free(other);
	cscf_sdp_session_free(one);
	cscf_sdp_session_free(two);
}

static void test_an_ice_restart_is_nothing_new_to_the_core(void **state)
{
	struct cscf_sdp_text offer, answer, again;
	struct cscf_sdp_session *s = committed(&offer, &answer);
	char *restart = fx_with(FX_WIC_AUDIO, FX_ICE, RESTARTED);
	char *first = strdup(offer.p);

	(void)state;
	REQ("ICE-17", "SDP-10");
	assert_int_equal(fx_wic_offer(s, restart, &again), CSCF_SDP_OK);
	assert_true(again.unchanged);
	assert_string_equal(again.p, first);
	assert_true(cscf_sdp_stream(s, 0)->ice_restart);
	assert_int_equal(cscf_sdp_answer_as_before(s), CSCF_SDP_OK);
	assert_int_equal(cscf_sdp_answer_to_wic(s, &answer), CSCF_SDP_OK);
	assert_non_null(strstr(answer.p, "a=setup:active"));
	assert_non_null(strstr(answer.p, "SAVPF 8 126\r\n"));
	cscf_sdp_commit(s);
	assert_string_equal(cscf_sdp_stream(s, 0)->access_remote.ufrag, "NewU");
	assert_string_equal(cscf_sdp_stream(s, 0)->core_remote.addr, "10.30.0.9");
	assert_true(cscf_sdp_stream(s, 0)->gate_uplink);
	free(first);
	free(restart);
	cscf_sdp_session_free(s);
}

static void test_held_by_the_core_it_stays_held(void **state)
{
	struct cscf_sdp_text offer, answer;
	struct cscf_sdp_session *s = committed(&offer, &answer);
	char *hold = fx_with(FX_CORE_AUDIO "a=sendonly\r\n", "mgw 77 1", "mgw 77 2");
	char *held = fx_with(FX_WIC_ANSWER("a=setup:passive\r\n") "a=recvonly\r\n", "2 IN", "3 IN");
	char *restart = fx_with(
	    FX_HEAD "m=audio 9 UDP/TLS/RTP/SAVPF 8 126\r\nc=IN IP4 0.0.0.0\r\n" RESTARTED FX_DTLS
		    "a=mid:0\r\na=rtcp-mux\r\na=rtpmap:8 PCMA/8000\r\n"
		    "a=rtpmap:126 telephone-event/8000\r\na=recvonly\r\n",
	    "2 IN", "4 IN");

	(void)state;
	REQ("SDP-28");
	assert_int_equal(fx_core_offer(s, hold, &offer), CSCF_SDP_OK);
	assert_int_equal(fx_wic_answer(s, held, &answer), CSCF_SDP_OK);
	cscf_sdp_commit(s);
	assert_int_equal(fx_wic_offer(s, restart, &offer), CSCF_SDP_OK);
	assert_true(offer.unchanged);
	assert_int_equal(cscf_sdp_answer_as_before(s), CSCF_SDP_OK);
	assert_int_equal(cscf_sdp_answer_to_wic(s, &answer), CSCF_SDP_OK);
	assert_non_null(strstr(answer.p, "a=sendonly"));
	assert_false(cscf_sdp_stream(s, 0)->gate_uplink);
	assert_true(cscf_sdp_stream(s, 0)->gate_downlink);
	free(hold);
	free(held);
	free(restart);
	cscf_sdp_session_free(s);
}

static void test_what_the_core_refused_is_asked_again(void **state)
{
	struct cscf_sdp_text offer, answer;
	struct cscf_sdp_session *s = committed(&offer, &answer);
	char *hold = fx_with(FX_WIC_AUDIO "a=inactive\r\n", "2 IN", "3 IN");
	char *again = fx_with(hold, FX_ICE, RESTARTED);

	(void)state;
	REQ("SDP-35");
	assert_int_equal(fx_wic_offer(s, hold, &offer), CSCF_SDP_OK);
	cscf_sdp_rollback(s);
	assert_int_equal(fx_wic_offer(s, again, &offer), CSCF_SDP_OK);
	assert_false(offer.unchanged); /* the same text, but it was refused */
	assert_int_equal(cscf_sdp_answer_as_before(s), CSCF_SDP_STATE);
	free(hold);
	free(again);
	cscf_sdp_session_free(s);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_each_early_dialog_answers_for_itself),
	    cmocka_unit_test(test_an_ice_restart_is_nothing_new_to_the_core),
	    cmocka_unit_test(test_held_by_the_core_it_stays_held),
	    cmocka_unit_test(test_what_the_core_refused_is_asked_again),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
