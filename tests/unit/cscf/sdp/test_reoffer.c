/* SPDX-License-Identifier: Apache-2.0 */
/* An offer of the gateway itself, of what is agreed (cscf/sdp/reoffer.c). */
#include "tests/unit/cscf/sdp/fixture.h"

#include "tests/lib/req.h"

static void test_an_offer_to_a_wic_leaves_the_dtls_role_open(void **state)
{
	struct cscf_sdp_session *s = fx_session(NULL);
	struct cscf_sdp_text offer, answer, again;
	static const char reply[] = FX_WIC_ANSWER("a=setup:passive\r\n");

	(void)state;
	REQ("DTLS-04", "DTLS-19");
	assert_int_equal(fx_wic_offer(s, FX_WIC_AUDIO, &offer), CSCF_SDP_OK);
	assert_int_equal(fx_core_answer(s, FX_CORE_AUDIO, &answer), CSCF_SDP_OK);
	assert_non_null(strstr(answer.p, "a=setup:active\r\n"));
	cscf_sdp_commit(s);
	assert_int_equal(cscf_sdp_reoffer(s, false, &again), CSCF_SDP_OK);
	assert_non_null(strstr(again.p, "a=setup:actpass\r\n"));
	assert_null(strstr(again.p, "a=setup:active"));
	assert_int_equal(cscf_sdp_answer_from_wic(s, reply, strlen(reply)), CSCF_SDP_OK);
	assert_false(cscf_sdp_stream(s, 0)->new_dtls);
	assert_false(cscf_sdp_stream(s, 0)->ice_restart);
	assert_int_equal(cscf_sdp_stream(s, 0)->dtls, CSCF_SDP_DTLS_CLIENT);
	cscf_sdp_session_free(s);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_an_offer_to_a_wic_leaves_the_dtls_role_open),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
