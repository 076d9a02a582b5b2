/* SPDX-License-Identifier: Apache-2.0 */
/* Several callees answer one INVITE of a WIC: each early dialog from its own state, one heard. */
#include "tests/unit/cscf/session/play.h"

#define W_TAG2 "core2"
#define W_TO2  "<sip:bob@ims.test>;tag=" W_TAG2
#define IP2    "192.0.2.22"

static const char *sdp_of(const char *ip, unsigned port, const char *version)
{
	static char buf[512];

	snprintf(buf, sizeof(buf),
		 "v=0\r\no=- 5 %s IN IP4 %s\r\ns=-\r\nc=IN IP4 %s\r\nt=0 0\r\n"
		 "m=audio %u RTP/AVP 0\r\na=rtpmap:0 PCMU/8000\r\na=sendrecv\r\n",
		 version, ip, ip, port);
	return buf;
}

static const struct w_iq *last(void)
{
	return &w.iq[w.n_iq - 1];
}

static bool has_branch(const char *name)
{
	for (size_t i = 0; i < last()->n_branches; i++)
		if (strcmp(last()->branch[i], name) == 0)
			return true;
	return false;
}

static void end(void)
{
	cscf_session_release_all(w.s);
	while (w_bye_on(true) != NULL || w_bye_on(false) != NULL)
		;
	for (size_t i = 0; i < w.n_clients; i++)
		if (w.clients[i].live)
			w.clients[i].cbs->on_done(w.clients[i].arg, i + 1);
	w_assert_nothing_left();
}

/* Both have answered in a 183; the WIC heard of both. */
static gw_handle two_early(void)
{
	gw_handle h = w_mo_invite();
	char *first;

	w_response(0, 183, W_CORE_TAG, sdp_of(W_CORE_IP, 6000, "6"), CSCF_SIP_CAUSE_NONE);
	w_agw(GW_OK);
	assert_string_equal(last()->active, W_CORE_TAG " " W_CORE_IP ":6000");
	assert_true(w_has(w_answer_msg(h), "tag=" W_CORE_TAG));
	first = gw_slice_dup(cscf_sip_msg_body(w_answer_msg(h)));
	w_response(0, 183, W_TAG2, sdp_of(IP2, 7000, "6"), CSCF_SIP_CAUSE_NONE);
	w_agw(GW_OK);
	assert_true(w_has(w_answer_msg(h), "tag=" W_TAG2));
	/* one transport for a browser in both */
	assert_true(w_has(w_answer_msg(h), "m=audio 30000 "));
	assert_true(w_has(w_answer_msg(h), "a=ice-ufrag:agwU"));
	assert_string_equal(last()->active, W_TAG2 " " IP2 ":7000");
	assert_non_null(first);
	free(first);
	return h;
}

static void test_the_latest_is_heard_and_the_winner_stays(void **state)
{
	REQ("CALL-23", "RTP-06", "DTLS-27");
	gw_handle h = two_early();

	(void)state;
	assert_true(last()->gate_down && !last()->gate_up);
	/* the first wins, its answer is in the 183 already and in the 200 */
	w_response(0, 200, W_CORE_TAG, sdp_of(W_CORE_IP, 6000, "6"), CSCF_SIP_CAUSE_NONE);
	w_agw(GW_OK);
	assert_int_equal(w_status(h), 200);
	assert_string_equal(last()->active, W_CORE_TAG " " W_CORE_IP ":6000");
	assert_true(has_branch("-" W_TAG2));
	assert_true(last()->gate_up && last()->gate_down);
	/* the other answers as well: nobody hears of it */
	w_request(&w_wic, "ACK", "sip:b1@" W_CORE_IP, W_ALICE, W_BOB_TAG, 1, "", NULL);
	w_response(0, 200, W_TAG2, sdp_of(IP2, 7000, "6"), CSCF_SIP_CAUSE_NONE);
	assert_int_equal(w.n_acks, 2);
	assert_non_null(w_bye_on(false));
	end();
}

static void test_a_dialog_goes_on_while_another_is_early(void **state)
{
	REQ("CALL-23", "CALL-26");
	gw_handle h = w_mo_invite(), later;

	(void)state;
	/* the first is reliable: its round is over with the PRACK */
	w.rseq = 1;
	w_response(0, 183, W_CORE_TAG, sdp_of(W_CORE_IP, 6000, "6"), CSCF_SIP_CAUSE_NONE);
	w.rseq = 0;
	w_agw(GW_OK);
	later = w_request(&w_wic, "PRACK", "sip:b1@" W_CORE_IP, W_ALICE, W_BOB_TAG, 2,
			  "RAck: 1 1 INVITE\r\n", NULL);
	w_response(1, 200, NULL, NULL, CSCF_SIP_CAUSE_NONE);
	assert_int_equal(w_status(later), 200);
	/* the second still answers the same offer */
	w_response(0, 183, W_TAG2, sdp_of(IP2, 7000, "6"), CSCF_SIP_CAUSE_NONE);
	w_agw(GW_OK);
	assert_true(w_has(w_answer_msg(h), "m=audio 30000 "));
	assert_string_equal(last()->active, W_TAG2 " " IP2 ":7000");
	/* and the first moves on meanwhile */
	later = w_request(&w_core, "UPDATE", W_WIC_URI, W_BOB_TAG, W_ALICE, 1, "",
			  sdp_of(W_CORE_IP, 6400, "7"));
	w_agw(GW_OK);
	assert_int_equal(w_method(2), CSCF_SIP_UPDATE);
	assert_int_equal(w.rollbacks, 0);
	w_response(2, 200, NULL, w_wic_sdp(true), CSCF_SIP_CAUSE_NONE);
	assert_true(has_branch(W_CORE_TAG));
	w_agw(GW_OK);
	assert_int_equal(w_status(later), 200);
	/* it wins without a description in the 200 */
	w_response(0, 200, W_CORE_TAG, NULL, CSCF_SIP_CAUSE_NONE);
	w_agw(GW_OK);
	assert_int_equal(w_status(h), 200);
	assert_string_equal(last()->active, W_CORE_TAG " " W_CORE_IP ":6400");
	assert_true(has_branch("-" W_TAG2));
	end();
}

static void test_p_early_media_decides_who_is_heard(void **state)
{
	REQ("CALL-43", "RTP-05");
	gw_handle h = w_mo_invite();

	(void)state;
	w_response_with(0, 183, W_CORE_TAG, sdp_of(W_CORE_IP, 6000, "6"), "P-Early-Media",
			"sendonly");
	w_agw(GW_OK);
	w_response(0, 183, W_TAG2, sdp_of(IP2, 7000, "6"), CSCF_SIP_CAUSE_NONE);
	/* known, not heard */
	assert_true(has_branch(W_TAG2));
	assert_string_equal(last()->active, W_CORE_TAG " " W_CORE_IP ":6000");
	assert_true(last()->gate_down);
	w_agw(GW_OK);
	/* the network takes it back: the other is heard, at once and without a description */
	w_response_with(0, 180, W_CORE_TAG, NULL, "P-Early-Media", "inactive");
	assert_string_equal(last()->active, W_TAG2 " " IP2 ":7000");
	assert_true(last()->gate_down);
	w_agw(GW_OK);
	assert_int_equal(w_status(h), 180);
	w_response_with(0, 180, W_TAG2, NULL, "P-Early-Media", "inactive");
	assert_false(last()->gate_down);
	w_agw(GW_OK);
	assert_int_equal(w_status(h), 180);
	end();
}

static void test_the_agw_is_not_asked_to_keep_every_dialog(void **state)
{
	REQ("CALL-23");
	gw_handle h = w_mo_invite();
	unsigned dropped = 0;

	(void)state;
	for (unsigned i = 0; i < 10; i++) {
		char tag[16];

		snprintf(tag, sizeof(tag), "fork%u", i);
		w_response(0, 183, tag, sdp_of(IP2, 7000 + 2 * i, "6"), CSCF_SIP_CAUSE_NONE);
		assert_true(last()->n_branches <= 2);
		dropped += last()->branch[0][0] == '-' ? 1 : 0;
		w_agw(GW_OK);
	}
	assert_int_equal(dropped, 4); /* six stay: one heard, five before it */
	/* one that was given up wins */
	w_response(0, 200, "fork0", sdp_of(IP2, 7000, "6"), CSCF_SIP_CAUSE_NONE);
	w_agw(GW_OK);
	assert_int_equal(w_status(h), 200);
	assert_string_equal(last()->active, "fork0 " IP2 ":7000");
	end();
}

static void test_a_lost_dialog_changes_nothing_any_more(void **state)
{
	REQ("CALL-46");
	gw_handle h = two_early(), later;
	size_t asked;

	(void)state;
	w_response(0, 200, W_CORE_TAG, sdp_of(W_CORE_IP, 6000, "6"), CSCF_SIP_CAUSE_NONE);
	w_agw(GW_OK);
	assert_int_equal(w_status(h), 200);
	w_request(&w_wic, "ACK", "sip:b1@" W_CORE_IP, W_ALICE, W_BOB_TAG, 1, "", NULL);
	asked = w.n_iq;
	later =
	    w_request(&w_core, "UPDATE", W_WIC_URI, W_TO2, W_ALICE, 1, "", sdp_of(IP2, 7002, "7"));
	(void)later;
	assert_int_equal(w.n_iq, asked);
	for (size_t i = 0; i < w.n_clients; i++)
		assert_false(w_has(w.clients[i].msg, IP2));
	end();
}

#define T(name) cmocka_unit_test_setup_teardown(name, w_setup, w_teardown)

int main(void)
{
	static const struct CMUnitTest tests[] = {
	    T(test_the_latest_is_heard_and_the_winner_stays),
	    T(test_a_dialog_goes_on_while_another_is_early),
	    T(test_p_early_media_decides_who_is_heard),
	    T(test_the_agw_is_not_asked_to_keep_every_dialog),
	    T(test_a_lost_dialog_changes_nothing_any_more),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
