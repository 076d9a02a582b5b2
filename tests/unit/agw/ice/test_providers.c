/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One list for all ICE providers: each test runs against the lite and the full agent, over real
 * sockets, with a peer that is controlling.
 */
#include "tests/unit/agw/ice/rig.h"

static enum mode modes[] = {LITE, FULL};

static int setup(void **state)
{
	*state = rig_new(*(enum mode *)*state, false, false);
	return 0;
}

static int teardown(void **state)
{
	rig_free(*state);
	return 0;
}

static void connect_peer(struct rig *r)
{
	rig_answered(r, true);
	assert_int_equal(rig_check(r, 0, 0), 0);
	assert_int_equal(rig_check(r, 0, USE), 0);
	RIG_UNTIL(r, rig_sends_to(r, 0));
}

static void test_early_check_is_answered_before_the_peer_is_known(void **state)
{
	struct rig *r = *state;

	REQ("ICE-10", "ICE-14", "ICE-28");
	assert_int_equal(rig_check(r, 0, 0), 0);
	assert_int_equal(r->heard[AGW_ICE_GOOD], 1);
	assert_true(agw_ice_is_valid_source(r->ice, 0, &r->peer[0].at));
	assert_null(agw_ice_selected(r->ice));
}

static void test_early_nomination_counts_once_the_peer_is_known(void **state)
{
	struct rig *r = *state;

	REQ("ICE-10", "ICE-07", "ICE-28");
	assert_int_equal(rig_check(r, 0, USE), 0);
	rig_answered(r, false); /* and no candidate: mDNS only, or none */
	RIG_UNTIL(r, rig_sends_to(r, 0));
	assert_int_equal(r->events[AGW_ICE_EV_CONNECTED], 1);
}

static void test_nomination_selects_and_a_later_one_moves(void **state)
{
	struct rig *r = *state;

	REQ("ICE-15", "ICE-16", "ICE-28");
	rig_answered(r, true);
	assert_int_equal(rig_check(r, 0, 0), 0);
	rig_run(r, QUIET);
	assert_null(agw_ice_selected(r->ice)); /* heard, checked, nominated by nobody */
	assert_int_equal(rig_check(r, 0, USE), 0);
	RIG_UNTIL(r, rig_sends_to(r, 0));
	assert_int_equal(r->events[AGW_ICE_EV_CONNECTED], 1);
	assert_int_equal(rig_check(r, 1, 0), 0); /* a plain check from elsewhere moves nothing */
	assert_true(rig_sends_to(r, 0));
	assert_int_equal(rig_check(r, 1, USE), 0);
	RIG_UNTIL(r, rig_sends_to(r, 1));
	assert_int_equal(r->events[AGW_ICE_EV_PAIR_CHANGED], 1);
	assert_int_equal(rig_check(r, 0, USE), 0); /* and back, whatever the priorities say */
	RIG_UNTIL(r, rig_sends_to(r, 0));
	assert_int_equal(r->events[AGW_ICE_EV_CONNECTED], 1);
}

static void test_restart_keeps_the_old_pair_until_a_new_nomination(void **state)
{
	struct rig *r = *state;
	struct agw_ice_creds old = r->creds;
	uint8_t buf[1500];
	size_t n;

	REQ("ICE-17", "ICE-28");
	connect_peer(r);
	agw_ice_creds_new(&r->creds);
	agw_ice_restart(r->ice, &r->creds);
	assert_true(rig_sends_to(r, 0));
	/* Old credentials still get answers. */
	n = rig_request(r, buf, sizeof(buf), old.ufrag, REMOTE, old.pwd, 0);
	assert_int_equal(rig_give(r, 0, buf, n), 0);
	strcpy(r->remote, "newremote");
	strcpy(r->remote_pwd, "newremotepasswordnewremote");
	assert_int_equal(rig_check(r, 1, 0), 0); /* before its SDP */
	rig_answered(r, true);
	assert_true(rig_sends_to(r, 0));
	assert_int_equal(rig_check(r, 1, USE), 0);
	RIG_UNTIL(r, rig_sends_to(r, 1));
	assert_int_equal(r->events[AGW_ICE_EV_CONNECTED], 2);
	assert_int_equal(agw_ice_generation(r->ice), 1);
	assert_true(agw_ice_is_valid_source(r->ice, 0, &r->peer[0].at)); /* under way */
	/* Now the old generation is over. */
	n = rig_request(r, buf, sizeof(buf), old.ufrag, REMOTE, old.pwd, USE);
	assert_int_equal(rig_give(r, 0, buf, n), 401);
	assert_true(rig_sends_to(r, 1));
}

static void test_table_of_refused_checks(void **state)
{
	struct rig *r = *state;
	const char *wrong = "wrongwrongwrongwrongwrong";
	struct {
		const char *ufrag, *remote, *pwd;
		unsigned how;
		int code;
	} t[] = {
	    {r->creds.ufrag, REMOTE, r->creds.pwd, NO_AUTH, 400},
	    {"nobody", REMOTE, r->creds.pwd, 0, 401},
	    {r->creds.ufrag, REMOTE, wrong, 0, 401},
	    {r->creds.ufrag, "other", r->creds.pwd, 0, 401},
	    {r->creds.ufrag, REMOTE, r->creds.pwd, UNKNOWN_ATTR, 420},
	    {r->creds.ufrag, REMOTE, r->creds.pwd, NO_PRIORITY, 400},
	};

	REQ("ICE-11", "ICE-12", "ICE-13", "ICE-28");
	rig_answered(r, false);
	for (size_t i = 0; i < sizeof(t) / sizeof(t[0]); i++) {
		uint8_t buf[1500];
		size_t n = rig_request(r, buf, sizeof(buf), t[i].ufrag, t[i].remote, t[i].pwd,
				       t[i].how | USE);

		assert_int_equal(rig_give(r, 0, buf, n), t[i].code);
		assert_int_equal(r->heard[AGW_ICE_REFUSED], i + 1);
	}
	assert_false(agw_ice_is_valid_source(r->ice, 0, &r->peer[0].at));
	assert_null(agw_ice_selected(r->ice));
	assert_int_equal(r->prflx, 0);
	assert_int_equal(r->peer[0].requests, 0); /* nobody is asked who did not prove himself */
}

static void test_refusals_are_rate_limited_and_good_checks_are_not(void **state)
{
	struct rig *r = *state;
	uint8_t buf[1500];
	size_t n = rig_request(r, buf, sizeof(buf), "nobody", REMOTE, r->creds.pwd, 0);
	unsigned answers = 0;
	int code = -1;

	REQ("ICE-11", "ICE-29", "ICE-28");
	for (int i = 0; i < 20; i++)
		assert_true(agw_udp_send(r->peer[0].fd, &r->at, buf, n));
	for (int i = 0; i < 40; i++, code = -1) {
		rig_turn(r, 0, &code);
		answers += code == 401;
	}
	assert_int_equal(answers, 10);
	assert_int_equal(r->heard[AGW_ICE_REFUSED], 20);
	assert_int_equal(rig_check(r, 0, 0), 0);
}

static void test_malformed_datagrams_are_dropped_and_counted(void **state)
{
	struct rig *r = *state;
	uint8_t good[1500], bad[1500];
	size_t n = rig_request(r, good, sizeof(good), r->creds.ufrag, REMOTE, r->creds.pwd, 0);
	unsigned sent = 0;

	REQ("ICE-31", "ICE-28");
	for (size_t cut = 1; cut < n; cut += 7, sent++)
		assert_true(agw_udp_send(r->peer[0].fd, &r->at, good, cut));
	memcpy(bad, good, n);
	bad[4] ^= 1; /* cookie */
	assert_true(agw_udp_send(r->peer[0].fd, &r->at, bad, n));
	memcpy(bad, good, n);
	bad[n - 1] ^= 1; /* FINGERPRINT */
	assert_true(agw_udp_send(r->peer[0].fd, &r->at, bad, n));
	memcpy(bad, good, n);
	bad[22] = 0xff; /* an attribute past the end */
	assert_int_equal(rig_give(r, 0, bad, n), -1);
	sent += 3;
	RIG_UNTIL(r, r->heard[AGW_ICE_BAD] == sent);
	assert_int_equal(rig_check(r, 0, 0), 0);
}

static void test_only_who_was_checked_is_believed(void **state)
{
	struct rig *r = *state;

	REQ("ICE-16", "ICE-28");
	connect_peer(r);
	assert_true(agw_ice_is_valid_source(r->ice, 0, &r->peer[0].at));
	assert_false(agw_ice_is_valid_source(r->ice, 0, &r->peer[1].at)); /* a candidate only */
	assert_false(agw_ice_is_valid_source(r->ice, 1, &r->peer[0].at)); /* the other socket */
	assert_int_equal(rig_check(r, 1, 0), 0);
	assert_true(agw_ice_is_valid_source(r->ice, 0, &r->peer[1].at));
}

static void test_without_nomination_in_time_ice_fails_once(void **state)
{
	struct rig *r = *state;

	REQ("ICE-25", "ICE-28");
	r->peer[0].answers = r->peer[1].answers = false;
	rig_answered(r, true);
	assert_true(agw_ice_is_pending(r->ice));
	rig_run(r, 50);
	r->skew += 19800;
	rig_run(r, 20);
	assert_int_equal(r->events[AGW_ICE_EV_FAILED], 0);
	r->skew += 1000;
	rig_run(r, 50);
	assert_int_equal(r->events[AGW_ICE_EV_FAILED], 1);
}

static void test_consent_is_asked_for_lost_and_back_with_a_restart(void **state)
{
	struct rig *r = *state;
	unsigned before;

	REQ("ICE-22", "ICE-24", "ICE-28");
	connect_peer(r);
	rig_run(r, QUIET);
	before = r->peer[0].requests;
	for (int i = 0; i < 8; i++) { /* 48 s of answers */
		r->skew += 6000;
		rig_run(r, 60);
	}
	assert_true(r->peer[0].requests >= before + 8);
	assert_int_equal(r->events[AGW_ICE_EV_CONSENT_LOST], 0);
	r->peer[0].answers = false;
	for (int i = 0; i < 6; i++) {
		r->skew += 6000;
		rig_run(r, 40);
	}
	assert_int_equal(r->events[AGW_ICE_EV_CONSENT_LOST], 1);
	assert_null(agw_ice_selected(r->ice));
	assert_int_equal(rig_check(r, 0, USE), 0); /* its own checks do not bring it back */
	assert_null(agw_ice_selected(r->ice));
	agw_ice_creds_new(&r->creds);
	agw_ice_restart(r->ice, &r->creds);
	strcpy(r->remote, "newremote");
	strcpy(r->remote_pwd, "newremotepasswordnewremote");
	r->peer[0].answers = true;
	rig_answered(r, true);
	assert_int_equal(rig_check(r, 0, USE), 0);
	RIG_UNTIL(r, rig_sends_to(r, 0));
	assert_int_equal(r->events[AGW_ICE_EV_CONSENT_RESTORED], 1);
}

#define T(f)                                                                                       \
	{#f " (lite)", f, setup, teardown, &modes[LITE]},                                          \
	{                                                                                          \
#f " (full)", f, setup, teardown, &modes[FULL]                                     \
	}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    T(test_early_check_is_answered_before_the_peer_is_known),
	    T(test_early_nomination_counts_once_the_peer_is_known),
	    T(test_nomination_selects_and_a_later_one_moves),
	    T(test_restart_keeps_the_old_pair_until_a_new_nomination),
	    T(test_table_of_refused_checks),
	    T(test_refusals_are_rate_limited_and_good_checks_are_not),
	    T(test_malformed_datagrams_are_dropped_and_counted),
	    T(test_only_who_was_checked_is_believed),
	    T(test_without_nomination_in_time_ice_fails_once),
	    T(test_consent_is_asked_for_lost_and_back_with_a_restart),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
