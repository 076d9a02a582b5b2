/* SPDX-License-Identifier: Apache-2.0 */
/* Header extensions that the operator lets pass: what the SDP of a call agrees is what the AGW is
 * told. */
#include "tests/unit/cscf/session/play.h"

#define ORIENT "urn:3gpp:video-orientation"

static void test_agreed_extensions_are_told_to_the_agw(void **state)
{
	REQ("RTP-12", "SDP-17");
	static char uri[] = ORIENT, *uris[] = {uri};
	static const struct gw_conf_list list = {.item = uris, .n = 1};
	char offer[2048];

	(void)state;
	w.policy.extmap_allow = &list;
	w_mo_call();
	assert_int_equal(w.iq[w.n_iq - 1].ext[0][0], 0);
	/* the core moves the call to an end that knows the extension; the WIC does too */
	snprintf(offer, sizeof(offer), "%sa=extmap:4 " ORIENT "\r\n", W_CORE_SDP);
	memcpy(strstr(offer, "o=- 5 6"), "o=- 5 7", 7);
	w_request(&w_core, "INVITE", W_WIC_URI, W_BOB_TAG, W_ALICE, 1, "", offer);
	w_agw(GW_OK);
	assert_true(w_has(w.clients[1].msg, "a=extmap:4 " ORIENT));
	snprintf(offer, sizeof(offer), "%sa=extmap:4 " ORIENT "\r\n", w_wic_sdp(true));
	w_response(1, 200, NULL, offer, CSCF_SIP_CAUSE_NONE);
	assert_int_equal(w.iq[w.n_iq - 1].op, W_CONFIGURE);
	assert_int_equal(w.iq[w.n_iq - 1].ext[0][0], 4);
	assert_int_equal(w.iq[w.n_iq - 1].ext[0][1], 4);
	assert_int_equal(w.iq[w.n_iq - 1].ext[1][0], 4);
	w_agw(GW_OK);
	cscf_session_release_all(w.s);
	assert_byes(true, true, "shutting down");
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup_teardown(test_agreed_extensions_are_told_to_the_agw, w_setup,
					    w_teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
