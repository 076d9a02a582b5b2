/* SPDX-License-Identifier: Apache-2.0 */
/* Calls without a final answer when their AGW goes: nothing can be moved, so they end. */
#include "cscf/session/repair_int.h"
#include "tests/unit/cscf/session/moving.h"

/* ---- before the answer --------------------------------------------------------------------------
 */

enum early_step {
	EARLY_SENT,
	EARLY_SHOWN,
	EARLY_PRACKING,
	EARLY_PRACKED,
	EARLY_UPDATING,
	EARLY_STEPS
};

/* A WIC's call up to that step. @return the INVITE; `other`: the request under way, or 0 */
static gw_handle early_call(enum early_step step, gw_handle *other)
{
	gw_handle h = w_mo_invite();

	*other = 0;
	if (step == EARLY_SENT)
		return h;
	w.rseq = step == EARLY_SHOWN ? 0 : 1;
	w_response(0, 183, W_CORE_TAG, W_CORE_SDP, CSCF_SIP_CAUSE_NONE);
	w.rseq = 0;
	w_agw(GW_OK);
	assert_int_equal(w_status(h), 183);
	if (step == EARLY_SHOWN)
		return h;
	*other = w_request(&w_wic, "PRACK", "sip:b1@" W_CORE_IP, W_ALICE, W_BOB_TAG, 2,
			   "RAck: 1 1 INVITE\r\n", NULL);
	assert_int_equal(w_method(1), CSCF_SIP_PRACK);
	if (step == EARLY_PRACKING)
		return h;
	w_response(1, 200, NULL, NULL, CSCF_SIP_CAUSE_NONE);
	mv_done(1);
	*other = 0;
	if (step == EARLY_PRACKED)
		return h;
	*other = w_request(&w_wic, "UPDATE", "sip:b1@" W_CORE_IP, W_ALICE, W_BOB_TAG, 3, "",
			   mv_sdp(w_wic_sdp(false), "o=- 1 2", "o=- 1 3", ""));
	w_agw(GW_OK);
	assert_int_equal(w_method(w.n_clients - 1), CSCF_SIP_UPDATE);
	return h;
}

/* Nothing can be said twice before the answer: the caller gets its 500, the callee its CANCEL. */
static void test_before_the_answer_it_ends_at_every_step(void **state)
{
	REQ("REL-12", "REL-04", "CALL-26");

	for (unsigned step = 0; step < EARLY_STEPS; step++) {
		gw_handle other, h = early_call((enum early_step)step, &other);

		mv_lose();
		assert_int_equal(w_status(h), 500);
		assert_true(w.clients[0].cancelled);
		assert_string_equal(w.clients[0].cancel_reason,
				    "SIP;cause=503;text=\"media gateway lost\"");
		if (other != 0)
			assert_int_equal(w_status(other), 481);
		w_response(0, 487, W_CORE_TAG, NULL, CSCF_SIP_CAUSE_NONE);
		mv_done(0);
		w_assert_nothing_left();
		mv_anew(state);
	}
}

/* The callee has answered; the caller has not heard of it, since the AGW was being told. */
static void test_between_the_answer_and_its_relay(void **state)
{
	REQ("REL-12", "REL-04");
	gw_handle h = w_mo_invite();

	(void)state;
	w_response(0, 200, W_CORE_TAG, W_CORE_SDP, CSCF_SIP_CAUSE_NONE);
	assert_int_equal(w_status(h), 0);
	mv_lose();
	assert_int_equal(w_status(h), 500);
	assert_int_equal(w.n_acks, 1);
	mv_done(0);
	assert_byes(false, true, "media gateway lost");
}

static void test_a_ringing_wic_is_cancelled(void **state)
{
	REQ("REL-12", "REL-04");
	gw_handle h = w_mt_invite();

	(void)state;
	w_response(0, 180, "wic1", NULL, CSCF_SIP_CAUSE_NONE);
	mv_lose();
	assert_int_equal(w_status(h), 500);
	assert_true(w.clients[0].cancelled);
	w_response(0, 487, "wic1", NULL, CSCF_SIP_CAUSE_NONE);
	mv_done(0);
	w_assert_nothing_left();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define T(f) cmocka_unit_test_setup_teardown(f, mv_setup, w_teardown)
	    T(test_before_the_answer_it_ends_at_every_step),
	    T(test_between_the_answer_and_its_relay),
	    T(test_a_ringing_wic_is_cancelled),
#undef T
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
