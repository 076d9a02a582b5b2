/* SPDX-License-Identifier: Apache-2.0 */
/* What the AGW reports and what it means for the call; contexts that die with their AGW. */
#include "tests/unit/cscf/session/play.h"

static void event(IqEvent what, IqCause cause, uint32_t stream, int side)
{
	IqNotification n;

	wicgate__iq__v1__notification__init(&n);
	n.event = what;
	n.cause = cause;
	n.stream_id = stream;
	n.side = (Wicgate__Iq__V1__RealmSide)side;
	w.iq_cbs.on_event(w.iq_arg, w.iq[0].call, &n);
}

static void test_agw_lost(void **state)
{
	REQ("REL-12");

	(void)state;
	w_mo_call();
	w.released++; /* gone with its AGW: there is nothing to release any more */
	w.iq_cbs.on_context_lost(w.iq_arg, w.iq[0].call, "AGW restarted");
	w.released--;
	assert_byes(true, true, "media gateway lost");
}

static void test_agw_lost_while_it_rings(void **state)
{
	REQ("REL-12", "REL-04");
	gw_handle h = w_mo_invite();

	(void)state;
	w.iq_cbs.on_context_lost(w.iq_arg, w.iq[0].call, "AGW restarted");
	assert_int_equal(w_status(h), 500);
	assert_true(w.clients[0].cancelled);
	w_response(0, 487, W_CORE_TAG, NULL, CSCF_SIP_CAUSE_NONE);
	w_assert_nothing_left();
}

/* An audit found another revision there: everything once more, and nothing anew. */
static void test_another_revision_at_the_agw(void **state)
{
	REQ("IQ-15");
	size_t before;

	(void)state;
	w_mo_call();
	before = w.n_iq;
	w.iq_cbs.on_differs(w.iq_arg, w.iq[0].call);
	assert_int_equal(w.n_iq, before + 1);
	assert_int_equal(w.iq[before].op, W_CONFIGURE);
	assert_int_equal(w.iq[before].phase, IQ_V(CONFIGURE_REQUEST__PHASE__COMMIT_NOW));
	assert_int_equal(w.iq[before].n_ids, 1);
	assert_true(w.iq[before].gate_up && w.iq[before].gate_down);
	assert_false(w.iq[before].restart || w.iq[before].new_dtls);
	cscf_session_release_all(w.s);
	assert_byes(true, true, "shutting down");
}

struct failure {
	IqEvent event;
	IqCause cause;
	int status; /* to a caller that has no final answer yet */
	bool kept;  /* by dtls.fail_action=keep */
	const char *reason;
};

static const struct failure failures[] = {
    {IQ_V(NOTIFICATION__EVENT__DTLS_FAILED), IQ_V(NOTIFICATION__CAUSE__CAUSE_FINGERPRINT), 488,
     false, "fingerprint mismatch"},
    {IQ_V(NOTIFICATION__EVENT__DTLS_FAILED), IQ_V(NOTIFICATION__CAUSE__CAUSE_NO_SRTP), 488, false,
     "fingerprint mismatch"},
    {IQ_V(NOTIFICATION__EVENT__DTLS_FAILED), IQ_V(NOTIFICATION__CAUSE__CAUSE_NO_CERTIFICATE), 488,
     false, "fingerprint mismatch"},
    {IQ_V(NOTIFICATION__EVENT__DTLS_FAILED), IQ_V(NOTIFICATION__CAUSE__CAUSE_TIMEOUT), 500, true,
     "media path lost"},
    {IQ_V(NOTIFICATION__EVENT__DTLS_FAILED), IQ_V(NOTIFICATION__CAUSE__CAUSE_ALERT), 500, true,
     "media path lost"},
    {IQ_V(NOTIFICATION__EVENT__ICE_FAILED), IQ_V(NOTIFICATION__CAUSE__CAUSE_TIMEOUT), 500, false,
     "media path lost"},
    {IQ_V(NOTIFICATION__EVENT__BEARER_RELEASED), IQ_V(NOTIFICATION__CAUSE__CAUSE_UNSPECIFIED), 500,
     false, "media path lost"}};
#define N_FAILURES (sizeof(failures) / sizeof(failures[0]))

/* A world for the next row. */
static void again(void **state)
{
	assert_int_equal(w_teardown(state), 0);
	assert_int_equal(w_setup(state), 0);
}

static void test_media_failures(void **state)
{
	REQ("REL-06", "REL-07", "REL-20");

	for (size_t i = 0; i < N_FAILURES; i++) {
		const struct failure *f = &failures[i];

		w_mo_call();
		event(f->event, f->cause, w.iq[0].ids[0] + 1, 0); /* another stream */
		assert_int_equal(w.released, 0);
		event(f->event, f->cause, w.iq[0].ids[0], 0);
		assert_byes(true, true, f->reason);
		event(f->event, f->cause, w.iq[0].ids[0], 0); /* late: ignored */
		again(state);
	}
}

/* The answer came in a 183: the caller is answered, the callee's INVITE cancelled. */
static void test_media_failures_before_the_call_is_answered(void **state)
{
	REQ("REL-06", "REL-07");

	for (size_t i = 0; i < 2 * N_FAILURES; i++) {
		const struct failure *f = &failures[i / 2];
		bool mo = i % 2 == 0;
		gw_handle h = mo ? w_mo_invite() : w_mt_invite();

		w_response(0, 183, mo ? W_CORE_TAG : "wic1", mo ? W_CORE_SDP : w_wic_sdp(true),
			   CSCF_SIP_CAUSE_NONE);
		w_agw(GW_OK);
		assert_int_equal(w_status(h), 183);
		event(f->event, f->cause, w.iq[0].ids[0], 0);
		assert_int_equal(w_status(h), f->status);
		assert_int_equal(w.released, 1);
		assert_true(w.clients[0].cancelled);
		assert_non_null(strstr(w.clients[0].cancel_reason, f->reason));
		w_response(0, 487, mo ? W_CORE_TAG : "wic1", NULL, CSCF_SIP_CAUSE_NONE);
		assert_null(w_bye_on(false));
		assert_null(w_bye_on(true));
		w_assert_nothing_left();
		again(state);
	}
}

/* dtls.fail_action=keep forgives what fails by itself, never what looks like an attack. */
static void test_keep_after_a_failed_handshake(void **state)
{
	REQ("REL-06", "REL-07");

	for (size_t i = 0; i < N_FAILURES; i++) {
		const struct failure *f = &failures[i];

		w.cfg.dtls_fail_keep = true;
		w_mo_call();
		event(f->event, f->cause, w.iq[0].ids[0], 0);
		assert_int_equal(w.released, f->kept ? 0 : 1);
		if (!f->kept)
			assert_byes(true, true, f->reason);
		again(state);
	}
}

static void test_consent_lost_and_restored(void **state)
{
	REQ("REL-08");

	(void)state;
	w_mo_call();
	event(IQ_V(NOTIFICATION__EVENT__CONSENT_LOST), 0, w.iq[0].ids[0], 0);
	event(IQ_V(NOTIFICATION__EVENT__CONSENT_RESTORED), 0, w.iq[0].ids[0], 0);
	w_turn();
	assert_int_equal(w.released, 0);
	event(IQ_V(NOTIFICATION__EVENT__CONSENT_LOST), 0, w.iq[0].ids[0], 0);
	assert_int_equal(w.released, 0); /* the WIC has T_consent */
	w_until(&w.n_clients, 2);
	assert_byes(true, true, "media path lost");
}

static void test_consent_lost_without_a_flow(void **state)
{
	REQ("REL-08", "REL-10");

	(void)state;
	w_mo_call();
	lose_flow();
	event(IQ_V(NOTIFICATION__EVENT__CONSENT_LOST), 0, w.iq[0].ids[0], 0);
	assert_int_equal(w.released, 1); /* at once; the WIC is told if it comes back */
	cscf_session_on_reg_event(w.s, CSCF_REGISTRAR_EV_GRACE_OVER, 5, W_CONN, 0);
	assert_byes(false, true, "media path lost");
}

static void test_media_falls_silent(void **state)
{
	REQ("REL-09");

	(void)state;
	w_mo_call();
	event(IQ_V(NOTIFICATION__EVENT__MEDIA_INACTIVE), 0, w.iq[0].ids[0],
	      IQ_V(REALM_SIDE__REALM_CORE));
	assert_int_equal(w.released, 0); /* one direction is only told */
	event(IQ_V(NOTIFICATION__EVENT__MEDIA_INACTIVE), 0, w.iq[0].ids[0],
	      IQ_V(REALM_SIDE__REALM_ACCESS));
	assert_byes(true, true, "media timeout");
}

/* media.inactivity_oneway_release: silence of either side is enough. */
static void test_media_falls_silent_one_way(void **state)
{
	REQ("REL-09");
	static const int sides[] = {IQ_V(REALM_SIDE__REALM_CORE), IQ_V(REALM_SIDE__REALM_ACCESS)};

	for (size_t i = 0; i < 2; i++) {
		w.cfg.inactivity_oneway_release = true;
		w_mo_call();
		event(IQ_V(NOTIFICATION__EVENT__MEDIA_INACTIVE), 0, w.iq[0].ids[0], sides[i]);
		assert_byes(true, true, "media timeout");
		again(state);
	}
}

/* Media that came back is no silence: both sides have to be silent at the same time. */
static void test_media_silent_in_turn(void **state)
{
	REQ("REL-09");
	static const int core = IQ_V(REALM_SIDE__REALM_CORE), wic = IQ_V(REALM_SIDE__REALM_ACCESS);

	(void)state;
	w_mo_call();
	event(IQ_V(NOTIFICATION__EVENT__MEDIA_INACTIVE), 0, w.iq[0].ids[0], core);
	event(IQ_V(NOTIFICATION__EVENT__MEDIA_ACTIVE), 0, w.iq[0].ids[0], core);
	event(IQ_V(NOTIFICATION__EVENT__MEDIA_INACTIVE), 0, w.iq[0].ids[0], wic);
	assert_int_equal(w.released, 0);
	event(IQ_V(NOTIFICATION__EVENT__MEDIA_INACTIVE), 0, w.iq[0].ids[0], core);
	assert_byes(true, true, "media timeout");
}

#define T(name) cmocka_unit_test_setup_teardown(name, w_setup, w_teardown)

int main(void)
{
	static const struct CMUnitTest tests[] = {
	    T(test_agw_lost),
	    T(test_another_revision_at_the_agw),
	    T(test_agw_lost_while_it_rings),
	    T(test_media_failures),
	    T(test_media_failures_before_the_call_is_answered),
	    T(test_keep_after_a_failed_handshake),
	    T(test_consent_lost_and_restored),
	    T(test_consent_lost_without_a_flow),
	    T(test_media_falls_silent),
	    T(test_media_falls_silent_one_way),
	    T(test_media_silent_in_turn),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
