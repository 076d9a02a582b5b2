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

static void test_media_failures(void **state)
{
	REQ("REL-06", "REL-07", "REL-20");
	static const struct {
		IqEvent event;
		IqCause cause;
		const char *reason;
	} rows[] = {{IQ_V(NOTIFICATION__EVENT__DTLS_FAILED),
		     IQ_V(NOTIFICATION__CAUSE__CAUSE_FINGERPRINT), "fingerprint mismatch"},
		    {IQ_V(NOTIFICATION__EVENT__DTLS_FAILED),
		     IQ_V(NOTIFICATION__CAUSE__CAUSE_TIMEOUT), "media path lost"},
		    {IQ_V(NOTIFICATION__EVENT__ICE_FAILED),
		     IQ_V(NOTIFICATION__CAUSE__CAUSE_TIMEOUT), "media path lost"},
		    {IQ_V(NOTIFICATION__EVENT__BEARER_RELEASED),
		     IQ_V(NOTIFICATION__CAUSE__CAUSE_UNSPECIFIED), "media path lost"}};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		w_mo_call();
		event(rows[i].event, rows[i].cause, w.iq[0].ids[0] + 1, 0); /* another stream */
		assert_int_equal(w.released, 0);
		event(rows[i].event, rows[i].cause, w.iq[0].ids[0], 0);
		assert_byes(true, true, rows[i].reason);
		event(rows[i].event, rows[i].cause, w.iq[0].ids[0], 0); /* late: ignored */
		assert_int_equal(w_teardown(state), 0);
		assert_int_equal(w_setup(state), 0);
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

#define T(name) cmocka_unit_test_setup_teardown(name, w_setup, w_teardown)

int main(void)
{
	static const struct CMUnitTest tests[] = {
	    T(test_agw_lost),
	    T(test_agw_lost_while_it_rings),
	    T(test_media_failures),
	    T(test_consent_lost_and_restored),
	    T(test_consent_lost_without_a_flow),
	    T(test_media_falls_silent),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
