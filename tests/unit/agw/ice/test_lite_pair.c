/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ICE-lite responder, the pair in use: nomination, restart, consent by the peer's checks, time
 * limits.
 */
#include "agw/ice/replay.h"
#include "tests/unit/agw/ice/lite_fixture.h"

static void test_nomination_selects_and_moves_at_once(void **state)
{
	struct bench *b = *state;
	struct gw_addr a = from(5000);
	struct gw_addr c = from(6000);

	REQ("ICE-15", "ICE-16");
	assert_int_equal(check(b, 5000, 0, 1), AGW_ICE_GOOD);
	assert_null(agw_ice_selected(b->ice));
	assert_int_equal(check(b, 5000, USE, 2), AGW_ICE_GOOD);
	assert_non_null(agw_ice_selected(b->ice));
	assert_true(gw_addr_eq(&agw_ice_selected(b->ice)->remote, &a));
	assert_int_equal(b->events[AGW_ICE_EV_CONNECTED], 1);
	/* A plain check from elsewhere validates, and moves nothing. */
	assert_int_equal(check(b, 6000, 0, 3), AGW_ICE_GOOD);
	assert_true(gw_addr_eq(&agw_ice_selected(b->ice)->remote, &a));
	assert_true(agw_ice_is_valid_source(b->ice, 0, &c));
	assert_int_equal(check(b, 6000, USE, 4), AGW_ICE_GOOD);
	assert_true(gw_addr_eq(&agw_ice_selected(b->ice)->remote, &c));
	assert_int_equal(b->events[AGW_ICE_EV_PAIR_CHANGED], 1);
	assert_int_equal(b->events[AGW_ICE_EV_CONNECTED], 1);
	a = from(7000);
	assert_false(agw_ice_is_valid_source(b->ice, 0, &a));
	assert_false(agw_ice_is_valid_source(b->ice, 1, &c)); /* the other socket */
}

static void test_restart_keeps_the_old_pair_until_the_new_one_is_nominated(void **state)
{
	struct bench *b = *state;
	struct agw_ice_creds old = b->creds;
	struct gw_addr a = from(5000);
	struct gw_addr c = from(6000);
	uint8_t buf[1500];
	size_t n;

	REQ("ICE-17", "ICE-12");
	agw_ice_set_remote(b->ice, REMOTE, "");
	assert_int_equal(check(b, 5000, USE, 1), AGW_ICE_GOOD);
	agw_ice_creds_new(&b->creds);
	agw_ice_restart(b->ice, &b->creds);
	agw_ice_set_remote(b->ice, "newremote", "");
	assert_true(gw_addr_eq(&agw_ice_selected(b->ice)->remote, &a));
	/* Old credentials still get answers, and consent. */
	n = request(b, buf, sizeof(buf), old.ufrag, REMOTE, old.pwd, 0);
	assert_int_equal(give(b, 5000, buf, n, 2), AGW_ICE_GOOD);
	/* New ones with the old remote half do not. */
	assert_int_equal(check(b, 6000, USE, 3), AGW_ICE_REFUSED);
	n = request(b, buf, sizeof(buf), b->creds.ufrag, "newremote", b->creds.pwd, USE);
	assert_int_equal(give(b, 6000, buf, n, 4), AGW_ICE_GOOD);
	assert_true(gw_addr_eq(&agw_ice_selected(b->ice)->remote, &c));
	assert_int_equal(agw_ice_generation(b->ice), 1);
	assert_int_equal(b->events[AGW_ICE_EV_CONNECTED], 2);
	/* Now the old generation is over, though packets under way from its pair are taken. */
	n = request(b, buf, sizeof(buf), old.ufrag, REMOTE, old.pwd, USE);
	assert_int_equal(give(b, 5000, buf, n, 5), AGW_ICE_REFUSED);
	assert_true(agw_ice_is_valid_source(b->ice, 0, &a));
	agw_ice_restart(b->ice, &b->creds);
	assert_false(agw_ice_is_valid_source(b->ice, 0, &a));
}

static void test_two_restarts_in_a_row_keep_the_generation_in_use(void **state)
{
	struct bench *b = *state;
	struct agw_ice_creds used = b->creds;
	struct gw_addr a = from(5000);
	uint8_t buf[1500];
	size_t n;

	REQ("ICE-17");
	agw_ice_set_remote(b->ice, REMOTE, "");
	assert_int_equal(check(b, 5000, USE, 1), AGW_ICE_GOOD);
	for (int i = 0; i < 3; i++) { /* offers nobody accepted */
		agw_ice_creds_new(&b->creds);
		agw_ice_restart(b->ice, &b->creds);
		n = request(b, buf, sizeof(buf), used.ufrag, REMOTE, used.pwd, 0);
		assert_int_equal(give(b, 5000, buf, n, 2), AGW_ICE_GOOD);
		assert_true(agw_ice_is_valid_source(b->ice, 0, &a));
	}
	agw_ice_set_remote(b->ice, REMOTE, "");
	assert_int_equal(check(b, 6000, USE, 3), AGW_ICE_GOOD);
	n = request(b, buf, sizeof(buf), used.ufrag, REMOTE, used.pwd, 0);
	assert_int_equal(give(b, 5000, buf, n, 4), AGW_ICE_REFUSED);
	assert_false(agw_ice_is_valid_source(b->ice, 0, &a));
}

static void test_consent_is_lost_after_30_s_of_silence_and_comes_back(void **state)
{
	struct bench *b = *state;

	REQ("ICE-21", "ICE-24");
	assert_int_equal(check(b, 5000, USE, 1000), AGW_ICE_GOOD);
	assert_int_equal(check(b, 5000, 0, 11000), AGW_ICE_GOOD);
	/* Another source does not renew the selected one's consent. */
	assert_int_equal(check(b, 6000, 0, 40000), AGW_ICE_GOOD);
	agw_ice_tick(b->ice, b->env, 40999);
	assert_non_null(agw_ice_selected(b->ice));
	agw_ice_tick(b->ice, b->env, 41000);
	assert_null(agw_ice_selected(b->ice));
	assert_int_equal(b->events[AGW_ICE_EV_CONSENT_LOST], 1);
	agw_ice_tick(b->ice, b->env, 60000);
	assert_int_equal(b->events[AGW_ICE_EV_CONSENT_LOST], 1);
	assert_int_equal(check(b, 5000, 0, 61000), AGW_ICE_GOOD);
	assert_non_null(agw_ice_selected(b->ice));
	assert_int_equal(b->events[AGW_ICE_EV_CONSENT_RESTORED], 1);
}

static void test_without_nomination_in_time_ice_fails_once(void **state)
{
	struct bench *b = *state;

	REQ("ICE-25");
	agw_ice_tick(b->ice, b->env, 100000);
	assert_int_equal(b->events[AGW_ICE_EV_FAILED], 0); /* not asked for yet: ringing may last */
	agw_ice_expect(b->ice, 100000);
	assert_true(agw_ice_is_pending(b->ice));
	agw_ice_tick(b->ice, b->env, 119999);
	assert_int_equal(b->events[AGW_ICE_EV_FAILED], 0);
	agw_ice_tick(b->ice, b->env, 120000);
	agw_ice_tick(b->ice, b->env, 130000);
	assert_int_equal(b->events[AGW_ICE_EV_FAILED], 1);
}

static void test_nomination_in_time_ends_the_wait(void **state)
{
	struct bench *b = *state;

	REQ("ICE-25");
	agw_ice_expect(b->ice, 1000);
	assert_int_equal(check(b, 5000, USE, 2000), AGW_ICE_GOOD);
	assert_false(agw_ice_is_pending(b->ice));
	agw_ice_tick(b->ice, b->env, 25000);
	assert_int_equal(b->events[AGW_ICE_EV_FAILED], 0);
}

static void test_a_recorded_check_from_elsewhere_moves_nothing(void **state)
{
	struct bench *b = *state;
	struct gw_addr a = from(5000), thief = from(6666);
	uint8_t old[1500], buf[1500];
	size_t n_old, n;
	unsigned answers;

	REQ("ICE-14", "ICE-15", "ICE-16");
	n_old = request(b, old, sizeof(old), b->creds.ufrag, REMOTE, b->creds.pwd, USE);
	assert_int_equal(give(b, 5000, old, n_old, 1), AGW_ICE_GOOD);
	for (unsigned i = 0; i < 2000; i++) { /* an hour of checks */
		uint64_t now = 2 + i * UINT64_C(2000);

		n = request(b, buf, sizeof(buf), b->creds.ufrag, REMOTE, b->creds.pwd, USE);
		assert_int_equal(give(b, 5000, buf, n, now), AGW_ICE_GOOD);
		answers = b->sent;
		assert_int_equal(give(b, 6666, buf, n, now), AGW_ICE_BAD);
		if (i + 1 < AGW_REPLAY_KEPT)
			assert_int_equal(give(b, 6666, old, n_old, now), AGW_ICE_BAD);
		assert_int_equal(b->sent, answers);
		assert_true(gw_addr_eq(&agw_ice_selected(b->ice)->remote, &a));
		assert_false(agw_ice_is_valid_source(b->ice, 0, &thief));
	}
	/* Repeated from where it came: the same answer. */
	assert_int_equal(give(b, 5000, buf, n, 4000000), AGW_ICE_GOOD);
	assert_int_equal(b->sent, answers + 1);
	/* A browser that really moved is heard at once. */
	assert_int_equal(check(b, 6666, USE, 4000000), AGW_ICE_GOOD);
	assert_true(gw_addr_eq(&agw_ice_selected(b->ice)->remote, &thief));
}

/* ice.first_valid_pair: the first pair that works is used before any nomination; one moves it. */
static void test_the_first_valid_pair_may_do_until_there_is_a_nomination(void **state)
{
	static const struct agw_ice_cbs cbs = {.send = on_send, .on_event = on_event};
	struct bench *b = *state;
	struct agw_ice_cfg cfg = {.local = b->creds,
				  .timeout_ms = 20000,
				  .consent_timeout_ms = 30000,
				  .first_valid_pair = true};
	struct gw_addr first = from(5000), second = from(5001);

	REQ("ICE-15");
	assert_int_equal(check(b, 5000, 0, 1), AGW_ICE_GOOD);
	assert_null(agw_ice_selected(b->ice)); /* not by default */
	agw_ice_free(b->ice);
	assert_int_equal(agw_ice_lite_new(&b->ice, &cfg, &cbs, b), GW_OK);
	agw_ice_set_remote(b->ice, REMOTE, "remotepasswordremotepass");
	assert_int_equal(check(b, 5000, 0, 2), AGW_ICE_GOOD);
	assert_non_null(agw_ice_selected(b->ice));
	assert_true(gw_addr_eq(&agw_ice_selected(b->ice)->remote, &first));
	assert_int_equal(check(b, 5001, 0, 3), AGW_ICE_GOOD);
	assert_true(gw_addr_eq(&agw_ice_selected(b->ice)->remote, &first));
	assert_int_equal(check(b, 5001, USE, 4), AGW_ICE_GOOD);
	assert_true(gw_addr_eq(&agw_ice_selected(b->ice)->remote, &second));
}

#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
	    T(test_nomination_selects_and_moves_at_once),
	    T(test_restart_keeps_the_old_pair_until_the_new_one_is_nominated),
	    T(test_two_restarts_in_a_row_keep_the_generation_in_use),
	    T(test_consent_is_lost_after_30_s_of_silence_and_comes_back),
	    T(test_without_nomination_in_time_ice_fails_once),
	    T(test_nomination_in_time_ends_the_wait),
	    T(test_a_recorded_check_from_elsewhere_moves_nothing),
	    T(test_the_first_valid_pair_may_do_until_there_is_a_nomination),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
