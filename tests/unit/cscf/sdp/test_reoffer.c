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

/* What the AGW is told of the association, whoever offered. */
static void same_association(struct cscf_sdp_session *s, enum cscf_sdp_dtls_role role)
{
	const struct cscf_sdp_stream *st = cscf_sdp_stream(s, 0);

	assert_false(st->new_dtls || st->is_new || st->ice_restart);
	assert_int_equal(st->dtls, role);
	cscf_sdp_commit(s);
}

/* Five times the WIC offers (actpass, as browsers do) and five times the core does. */
static void test_the_role_stays_through_five_offers_of_each_side(void **state)
{
	static const struct {
		const char *first; /* in the WIC's first offer */
		bool passive;      /* dtls.answer_role */
		enum cscf_sdp_dtls_role role;
		const char *ours;
	} rows[] = {
	    {"actpass", false, CSCF_SDP_DTLS_CLIENT, "a=setup:active\r\n"},
	    {"actpass", true, CSCF_SDP_DTLS_SERVER, "a=setup:passive\r\n"},
	    {"active", false, CSCF_SDP_DTLS_SERVER, "a=setup:passive\r\n"},
	    {"passive", true, CSCF_SDP_DTLS_CLIENT, "a=setup:active\r\n"},
	};

	(void)state;
	REQ("DTLS-19", "DTLS-02", "DTLS-04");
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct cscf_sdp_policy policy = *fx_policy();
		char *first = fx_with(FX_WIC_AUDIO, "actpass", rows[i].first);
		char *reply = fx_with(FX_WIC_ANSWER("a=setup:active\r\n"), "setup:active",
				      rows[i].role == CSCF_SDP_DTLS_SERVER ? "setup:active"
									   : "setup:passive");
		struct cscf_sdp_session *s;
		struct cscf_sdp_text to_core, to_wic;

		policy.answer_passive = rows[i].passive;
		s = fx_session(&policy);
		assert_int_equal(fx_wic_offer(s, first, &to_core), CSCF_SDP_OK);
		assert_int_equal(fx_core_answer(s, FX_CORE_AUDIO, &to_wic), CSCF_SDP_OK);
		assert_non_null(strstr(to_wic.p, rows[i].ours));
		cscf_sdp_commit(s);
		for (unsigned k = 0; k < 5; k++) {
			assert_int_equal(fx_wic_offer(s, FX_WIC_AUDIO, &to_core), CSCF_SDP_OK);
			assert_int_equal(fx_core_answer(s, FX_CORE_AUDIO, &to_wic), CSCF_SDP_OK);
			assert_non_null(strstr(to_wic.p, rows[i].ours));
			same_association(s, rows[i].role);
			assert_int_equal(fx_core_offer(s, FX_CORE_AUDIO, &to_wic), CSCF_SDP_OK);
			assert_non_null(strstr(to_wic.p, "a=setup:actpass\r\n"));
			assert_int_equal(fx_wic_answer(s, reply, &to_core), CSCF_SDP_OK);
			same_association(s, rows[i].role);
		}
		cscf_sdp_session_free(s);
		free(first);
		free(reply);
	}
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_an_offer_to_a_wic_leaves_the_dtls_role_open),
	    cmocka_unit_test(test_the_role_stays_through_five_offers_of_each_side),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
