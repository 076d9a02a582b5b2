/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Two lite ends (ICE-19): the default candidate is the pair, and consent is asked for although it
 * would only be watched (the agent here is of consent.mode passive).
 */
#include "tests/unit/agw/ice/consent_fixture.h"

static struct agw_ice_cand cand(const char *ip, uint16_t port, uint8_t component)
{
	struct agw_ice_cand c = {.priority = 1, .component = component};

	assert_int_equal(gw_addr_parse_ip(&c.addr, ip, port), GW_OK);
	return c;
}

static void meet(struct bench *b, const struct agw_ice_peer *peer)
{
	agw_ice_set_peer(b->ice, peer);
	agw_ice_set_remote(b->ice, b->remote.ufrag, b->remote.pwd);
	assert_null(agw_ice_selected(b->ice)); /* not before the answer */
	agw_ice_expect(b->ice, b->now);
}

static void connect_lite(struct bench *b)
{
	struct agw_ice_peer peer = {.lite = true, .n_cands = 1};

	peer.cands[0] = cand("192.0.2.1", PORT, 1);
	meet(b, &peer);
	assert_non_null(agw_ice_selected(b->ice));
}

static void test_the_default_candidate_is_the_pair_without_a_check(void **state)
{
	struct bench *b = *state;
	struct agw_ice_peer peer = {.lite = true, .n_cands = 5};
	struct gw_addr stranger;

	REQ("ICE-19");
	/* another component's, nobody's, everybody's, no port; then the first that counts */
	peer.cands[0] = cand("192.0.2.1", 4000, 2);
	peer.cands[1] = cand("0.0.0.0", 4000, 1);
	peer.cands[2] = cand("224.0.0.1", 4000, 1);
	peer.cands[3] = cand("192.0.2.1", 0, 1);
	peer.cands[4] = cand("192.0.2.1", PORT, 1);
	meet(b, &peer);
	assert_non_null(agw_ice_selected(b->ice));
	assert_true(gw_addr_eq(&agw_ice_selected(b->ice)->remote, &peer.cands[4].addr));
	assert_int_equal(b->events[AGW_ICE_EV_CONNECTED], 1);
	/* believed from there and nowhere else */
	assert_true(agw_ice_is_valid_source(b->ice, 0, &peer.cands[4].addr));
	stranger = cand("192.0.2.1", PORT + 1, 1).addr;
	assert_false(agw_ice_is_valid_source(b->ice, 0, &stranger));
	assert_int_equal(b->asked, 0); /* a lite agent checks nothing */
}

static void test_a_lite_peer_without_an_address_fails_in_time(void **state)
{
	struct bench *b = *state;
	struct agw_ice_peer peer = {.lite = true};

	REQ("ICE-19", "ICE-25");
	meet(b, &peer);
	assert_null(agw_ice_selected(b->ice));
	agw_ice_tick(b->ice, b->env, b->now + 20000);
	assert_int_equal(b->events[AGW_ICE_EV_FAILED], 1);
}

static void test_a_full_peer_is_waited_for_as_ever(void **state)
{
	struct bench *b = *state;
	struct agw_ice_peer peer = {.lite = false, .n_cands = 1};

	REQ("ICE-15", "ICE-19");
	peer.cands[0] = cand("192.0.2.1", PORT, 1);
	meet(b, &peer);
	assert_null(agw_ice_selected(b->ice));
	assert_int_equal(check(b, PORT, &b->creds, &b->remote, true), AGW_ICE_GOOD);
	assert_false(wait_asked(b, b->now + 20000)); /* consent is watched, not asked for */
}

static void test_consent_is_asked_for_and_answered(void **state)
{
	struct bench *b = *state;

	REQ("ICE-19", "ICE-22");
	connect_lite(b);
	for (unsigned i = 0; i < 20; i++) {
		assert_true(wait_asked(b, b->now + 7000));
		assert_int_equal(reply(b, PORT, 0, PWD), AGW_ICE_CONSENT);
	}
	assert_int_equal(b->events[AGW_ICE_EV_CONSENT_LOST], 0);
	while (wait_asked(b, b->now + 7000)) /* it falls silent */
		;
	assert_int_equal(b->events[AGW_ICE_EV_CONSENT_LOST], 1);
	assert_null(agw_ice_selected(b->ice));
}

static void test_no_media_to_an_address_that_was_only_named(void **state)
{
	struct bench *b = *state;
	struct agw_ice_peer peer = {.lite = true, .n_cands = 1};
	struct agw_ice_creds second;
	struct gw_addr other = cand("192.0.2.1", PORT + 1, 1).addr;

	REQ("ICE-19", "ICE-16");
	connect_lite(b);
	assert_null(agw_ice_media_pair(b->ice));
	agw_ice_prove(b->ice, 0, &other); /* a handshake from somewhere else */
	assert_null(agw_ice_media_pair(b->ice));
	agw_ice_prove(b->ice, 0, &agw_ice_selected(b->ice)->remote);
	assert_non_null(agw_ice_media_pair(b->ice));
	/* a restart that names somebody else takes the media nowhere before he consents */
	agw_ice_creds_new(&second);
	agw_ice_restart(b->ice, &second);
	assert_non_null(agw_ice_media_pair(b->ice));
	peer.cands[0] = cand("192.0.2.1", PORT + 2, 1);
	agw_ice_set_peer(b->ice, &peer);
	agw_ice_set_remote(b->ice, b->remote.ufrag, b->remote.pwd);
	agw_ice_expect(b->ice, b->now);
	assert_non_null(agw_ice_selected(b->ice));
	assert_null(agw_ice_media_pair(b->ice));
	assert_true(wait_asked(b, b->now + 1)); /* at once */
	assert_int_equal(reply(b, PORT + 2, 0, PWD), AGW_ICE_CONSENT);
	assert_non_null(agw_ice_media_pair(b->ice));
	/* a restart to the same address goes on */
	agw_ice_creds_new(&second);
	agw_ice_restart(b->ice, &second);
	agw_ice_set_remote(b->ice, b->remote.ufrag, b->remote.pwd);
	agw_ice_expect(b->ice, b->now);
	assert_non_null(agw_ice_media_pair(b->ice));
}

static void test_loopback_is_no_peer_of_an_open_network(void **state)
{
	struct bench *b = *state;
	struct agw_ice_peer peer = {.lite = true, .n_cands = 2};

	REQ("ICE-19");
	peer.cands[0] = cand("127.0.0.1", PORT, 1);
	peer.cands[1] = cand("240.0.0.1", PORT, 1);
	meet(b, &peer);
	assert_null(agw_ice_selected(b->ice));
}

static void test_a_role_conflict_turns_our_role_round(void **state)
{
	struct bench *b = *state;
	StunMessage m;

	REQ("ICE-19", "ICE-22");
	connect_lite(b);
	assert_true(wait_asked(b, b->now + 7000));
	read_request(b, &m, b->remote.pwd);
	assert_true(stun_message_has_attribute(&m, STUN_ATTRIBUTE_ICE_CONTROLLED));
	assert_int_equal(reply(b, PORT, STUN_ERROR_ROLE_CONFLICT, PWD), AGW_ICE_IGNORED);
	assert_int_equal(reply(b, PORT, STUN_ERROR_ROLE_CONFLICT, PWD),
			 AGW_ICE_IGNORED); /* again */
	assert_true(wait_asked(b, b->now + 7000));
	read_request(b, &m, b->remote.pwd);
	assert_true(stun_message_has_attribute(&m, STUN_ATTRIBUTE_ICE_CONTROLLING));
	assert_int_equal(reply(b, PORT, 0, PWD), AGW_ICE_CONSENT);
}

static void test_after_a_restart_the_new_default_candidate_counts(void **state)
{
	struct bench *b = *state;
	struct agw_ice_peer peer = {.lite = true, .n_cands = 1};
	struct agw_ice_creds second;

	REQ("ICE-19", "ICE-17");
	connect_lite(b);
	agw_ice_creds_new(&second);
	agw_ice_restart(b->ice, &second);
	assert_non_null(agw_ice_selected(b->ice)); /* the old pair serves until then */
	peer.cands[0] = cand("192.0.2.1", PORT + 2, 1);
	agw_ice_set_peer(b->ice, &peer);
	agw_ice_set_remote(b->ice, "newu", "newpasswordnewpassword");
	agw_ice_expect(b->ice, b->now);
	assert_true(gw_addr_eq(&agw_ice_selected(b->ice)->remote, &peer.cands[0].addr));
	assert_int_equal(b->events[AGW_ICE_EV_CONNECTED], 2);
}

#define T(f) cmocka_unit_test_setup_teardown(f, setup_passive, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
	    T(test_the_default_candidate_is_the_pair_without_a_check),
	    T(test_a_lite_peer_without_an_address_fails_in_time),
	    T(test_a_full_peer_is_waited_for_as_ever),
	    T(test_consent_is_asked_for_and_answered),
	    T(test_no_media_to_an_address_that_was_only_named),
	    T(test_loopback_is_no_peer_of_an_open_network),
	    T(test_a_role_conflict_turns_our_role_round),
	    T(test_after_a_restart_the_new_default_candidate_counts),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
