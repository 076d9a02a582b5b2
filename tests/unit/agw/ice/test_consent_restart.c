/* SPDX-License-Identifier: Apache-2.0 */
/*
 * consent.mode active where credentials change or are not known yet, and what passive does not ask.
 */
#include "tests/unit/agw/ice/consent_fixture.h"

static void test_a_restart_asks_with_the_new_credentials_once_nominated(void **state)
{
	struct bench *b = *state;
	struct agw_ice_creds old = b->creds;
	struct peer_creds fresh = {"fresh", "freshfreshfreshfreshfre"};
	StunMessage m;
	uint16_t len;
	const char *user;
	char want[64];

	REQ("ICE-22");
	connect_pair(b);
	agw_ice_creds_new(&b->creds);
	agw_ice_restart(b->ice, &b->creds);
	/* Until then the pair in use is asked with its own. */
	assert_true(wait_asked(b, b->now + 7000));
	read_request(b, &m, b->remote.pwd);
	assert_int_equal(reply(b, PORT, 0, PWD), AGW_ICE_CONSENT);
	agw_ice_set_remote(b->ice, fresh.ufrag, fresh.pwd);
	assert_true(wait_asked(b, b->now + 7000));
	read_request(b, &m, b->remote.pwd);
	assert_int_equal(check(b, PORT, &b->creds, &fresh, true), AGW_ICE_GOOD);
	/* What was asked before is over. */
	assert_int_equal(reply(b, PORT, 0, PWD), AGW_ICE_BAD);
	assert_true(wait_asked(b, b->now + 7000));
	read_request(b, &m, fresh.pwd);
	(void)snprintf(want, sizeof(want), "%s:%s", fresh.ufrag, b->creds.ufrag);
	user = stun_message_find(&m, STUN_ATTRIBUTE_USERNAME, &len);
	assert_int_equal(len, strlen(want));
	assert_memory_equal(user, want, len);
	assert_int_equal(reply(b, PORT, 0, PWD), AGW_ICE_BAD);
	assert_int_equal(reply(b, PORT, 0, fresh.pwd), AGW_ICE_CONSENT);
	assert_int_equal(check(b, PORT, &old, &b->remote, false), AGW_ICE_REFUSED);
}

static void test_a_restart_brings_lost_consent_back(void **state)
{
	struct bench *b = *state;
	struct agw_ice_creds old = b->creds;
	struct peer_creds fresh = {"fresh", "freshfreshfreshfreshfre"};

	REQ("ICE-22", "ICE-23");
	connect_pair(b);
	assert_true(wait_asked(b, b->now + 7000));
	assert_int_equal(reply(b, PORT, 403, PWD), AGW_ICE_IGNORED);
	agw_ice_creds_new(&b->creds);
	agw_ice_restart(b->ice, &b->creds);
	agw_ice_set_remote(b->ice, fresh.ufrag, fresh.pwd);
	/* A check by the new ones, and then the old ones again: those stay barred. */
	assert_int_equal(check(b, PORT, &b->creds, &fresh, false), AGW_ICE_GOOD);
	assert_int_equal(check(b, PORT, &old, &b->remote, true), AGW_ICE_GOOD);
	assert_null(agw_ice_selected(b->ice));
	assert_int_equal(check(b, PORT, &b->creds, &fresh, true), AGW_ICE_GOOD);
	assert_non_null(agw_ice_selected(b->ice));
	assert_int_equal(b->events[AGW_ICE_EV_CONSENT_RESTORED], 1);
	assert_true(wait_asked(b, b->now + 7000));
	assert_int_equal(reply(b, PORT, 0, fresh.pwd), AGW_ICE_CONSENT);
}

static void test_until_the_peers_password_is_known_its_checks_are_watched(void **state)
{
	struct bench *b = *state;

	REQ("ICE-21", "ICE-22");
	assert_int_equal(check(b, PORT, &b->creds, &b->remote, true), AGW_ICE_GOOD);
	assert_false(wait_asked(b, b->now + 20000));
	assert_int_equal(check(b, PORT, &b->creds, &b->remote, false), AGW_ICE_GOOD);
	assert_false(wait_asked(b, b->now + 20000));
	assert_int_equal(b->events[AGW_ICE_EV_CONSENT_LOST], 0);
	agw_ice_set_remote(b->ice, b->remote.ufrag, b->remote.pwd);
	assert_true(wait_asked(b, b->now + 1));
	assert_int_equal(reply(b, PORT, 0, PWD), AGW_ICE_CONSENT);
}

static void test_a_passive_agent_asks_nobody(void **state)
{
	struct bench *b = *state;

	REQ("ICE-21");
	connect_pair(b);
	for (int i = 0; i < 10; i++) {
		assert_false(wait_asked(b, b->now + 20000));
		assert_int_equal(check(b, PORT, &b->creds, &b->remote, false), AGW_ICE_GOOD);
	}
	assert_false(agw_ice_is_pending(b->ice));
	assert_int_equal(b->events[AGW_ICE_EV_CONSENT_LOST], 0);
}

#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
	    T(test_a_restart_asks_with_the_new_credentials_once_nominated),
	    T(test_a_restart_brings_lost_consent_back),
	    T(test_until_the_peers_password_is_known_its_checks_are_watched),
	    cmocka_unit_test_setup_teardown(test_a_passive_agent_asks_nobody, setup_passive,
					    teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
