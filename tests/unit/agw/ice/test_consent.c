/* SPDX-License-Identifier: Apache-2.0 */
/*
 * consent.mode active: what is asked of the peer and when, and what its answers, or somebody
 * else's, do. With a restart: test_consent_restart.c.
 */
#include "tests/unit/agw/ice/consent_fixture.h"

static void test_requests_every_4_to_6_s_each_its_own_transaction(void **state)
{
	struct bench *b = *state;
	uint8_t ids[200][12];
	uint64_t last;
	unsigned low = 0, high = 0;

	REQ("ICE-22");
	connect_pair(b);
	last = b->now;
	for (unsigned i = 0; i < 200; i++) {
		uint64_t gap;

		assert_true(wait_asked(b, b->now + 7000));
		gap = b->now - last;
		last = b->now;
		assert_in_range(gap, 4000, 6000);
		low += gap < 4500;
		high += gap > 5500;
		memcpy(ids[i], b->last + 8, 12);
		for (unsigned k = 0; k < i; k++)
			assert_memory_not_equal(ids[k], ids[i], 12);
		assert_int_equal(reply(b, PORT, 0, PWD), AGW_ICE_CONSENT);
	}
	/* A quarter each, were it 200 times the same it would be none. */
	assert_in_range(low, 20, 90);
	assert_in_range(high, 20, 90);
	assert_int_equal(b->asked, 200);
	assert_int_equal(b->events[AGW_ICE_EV_CONSENT_LOST], 0);
}

static void test_a_request_is_a_check_of_a_controlled_agent(void **state)
{
	struct bench *b = *state;
	struct gw_addr a;
	StunMessage m;
	uint16_t len;
	const char *user;
	char want[64];
	uint32_t priority;

	REQ("ICE-22");
	connect_pair(b);
	assert_true(wait_asked(b, b->now + 7000));
	assert_int_equal(gw_addr_parse_ip(&a, "192.0.2.1", PORT), GW_OK);
	assert_true(gw_addr_eq(&b->to, &a));
	read_request(b, &m, b->remote.pwd);
	(void)snprintf(want, sizeof(want), "%s:%s", b->remote.ufrag, b->creds.ufrag);
	user = stun_message_find(&m, STUN_ATTRIBUTE_USERNAME, &len);
	assert_non_null(user);
	assert_int_equal(len, strlen(want));
	assert_memory_equal(user, want, len);
	assert_true(stun_message_has_attribute(&m, STUN_ATTRIBUTE_MESSAGE_INTEGRITY));
	assert_true(stun_message_has_attribute(&m, STUN_ATTRIBUTE_FINGERPRINT));
	assert_true(stun_message_has_attribute(&m, STUN_ATTRIBUTE_ICE_CONTROLLED));
	assert_false(stun_message_has_attribute(&m, STUN_ATTRIBUTE_ICE_CONTROLLING));
	assert_false(stun_message_has_attribute(&m, STUN_ATTRIBUTE_USE_CANDIDATE));
	assert_int_equal(stun_message_find32(&m, STUN_ATTRIBUTE_PRIORITY, &priority),
			 STUN_MESSAGE_RETURN_SUCCESS);
}

static void test_without_answers_consent_expires_for_good(void **state)
{
	struct bench *b = *state;
	uint64_t answered;
	unsigned asked;

	REQ("ICE-22");
	connect_pair(b);
	assert_true(wait_asked(b, b->now + 7000));
	assert_int_equal(reply(b, PORT, 0, PWD), AGW_ICE_CONSENT);
	answered = b->now;
	/* Its checks and nominations say nothing of consent when we ask. */
	while (b->now < answered + TIMEOUT - 1) {
		agw_ice_tick(b->ice, b->env, ++b->now);
		if (b->now % 1000 == 0)
			assert_int_equal(check(b, PORT, &b->creds, &b->remote, b->now % 2000 == 0),
					 AGW_ICE_GOOD);
	}
	assert_non_null(agw_ice_selected(b->ice));
	assert_int_equal(b->events[AGW_ICE_EV_CONSENT_LOST], 0);
	assert_in_range(b->asked, 5, 8); /* one each, no retransmission */
	asked = b->asked;
	agw_ice_tick(b->ice, b->env, ++b->now);
	assert_null(agw_ice_selected(b->ice));
	assert_int_equal(b->events[AGW_ICE_EV_CONSENT_LOST], 1);
	/* Too late, and these credentials will not do any more. */
	assert_int_equal(reply(b, PORT, 0, PWD), AGW_ICE_BAD);
	assert_int_equal(check(b, PORT, &b->creds, &b->remote, true), AGW_ICE_GOOD);
	assert_null(agw_ice_selected(b->ice));
	assert_false(wait_asked(b, b->now + 60000));
	assert_int_equal(b->asked, asked);
	assert_int_equal(b->events[AGW_ICE_EV_CONSENT_LOST], 1);
	assert_int_equal(b->events[AGW_ICE_EV_CONSENT_RESTORED], 0);
	/* From elsewhere they still do: that is another pair. */
	assert_int_equal(check(b, PORT + 1, &b->creds, &b->remote, true), AGW_ICE_GOOD);
	assert_non_null(agw_ice_selected(b->ice));
	assert_int_equal(b->events[AGW_ICE_EV_CONSENT_RESTORED], 1);
}

static void test_an_answer_to_an_earlier_request_counts_once(void **state)
{
	struct bench *b = *state;
	uint8_t first[1500];
	size_t n;
	uint64_t answered;

	REQ("ICE-22");
	connect_pair(b);
	assert_true(wait_asked(b, b->now + 7000));
	n = answer(b, first, sizeof(first), 0, PWD);
	assert_true(wait_asked(b, b->now + 7000));
	assert_int_equal(give(b, PORT, first, n), AGW_ICE_CONSENT);
	answered = b->now;
	agw_ice_tick(b->ice, b->env, b->now += 10000);
	assert_int_equal(give(b, PORT, first, n), AGW_ICE_BAD); /* played again */
	agw_ice_tick(b->ice, b->env, b->now = answered + TIMEOUT - 1);
	assert_non_null(agw_ice_selected(b->ice));
	agw_ice_tick(b->ice, b->env, ++b->now);
	assert_null(agw_ice_selected(b->ice));
}

static void test_answers_of_others_are_bad_and_change_nothing(void **state)
{
	struct bench *b = *state;
	uint8_t buf[1500];
	uint64_t start = b->now;
	size_t n;

	REQ("ICE-22");
	connect_pair(b);
	assert_true(wait_asked(b, b->now + 7000));
	assert_int_equal(reply(b, PORT, 0, "wrongwrongwrongwrongwrong"), AGW_ICE_BAD);
	assert_int_equal(reply(b, PORT, 0, NULL), AGW_ICE_BAD);
	assert_int_equal(reply(b, PORT, 0, b->creds.pwd), AGW_ICE_BAD);
	assert_int_equal(reply(b, PORT + 1, 0, PWD), AGW_ICE_BAD); /* another 5-tuple */
	assert_int_equal(reply(b, PORT, 403, "wrongwrongwrongwrongwrong"), AGW_ICE_BAD);
	assert_int_equal(reply(b, PORT, 403, NULL), AGW_ICE_BAD);
	n = answer(b, buf, sizeof(buf), 0, PWD);
	buf[n - 1] ^= 1; /* FINGERPRINT */
	assert_int_equal(give(b, PORT, buf, n), AGW_ICE_BAD);
	b->last[10] ^= 1; /* a transaction we never began */
	assert_int_equal(reply(b, PORT, 0, PWD), AGW_ICE_BAD);
	assert_int_equal(reply(b, PORT, 403, PWD), AGW_ICE_BAD);
	b->last[10] ^= 1;
	agw_ice_tick(b->ice, b->env, b->now = start + TIMEOUT - 1);
	assert_int_equal(b->events[AGW_ICE_EV_CONSENT_LOST], 0);
	agw_ice_tick(b->ice, b->env, ++b->now);
	assert_int_equal(b->events[AGW_ICE_EV_CONSENT_LOST], 1);
}

static void test_403_takes_consent_back_at_once_other_errors_do_not(void **state)
{
	static const int others[] = {400, 401, 487, 500};
	struct bench *b = *state;
	unsigned asked;

	REQ("ICE-23");
	connect_pair(b);
	assert_true(wait_asked(b, b->now + 7000));
	for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++) {
		assert_int_equal(reply(b, PORT, others[i], PWD), AGW_ICE_IGNORED);
		assert_non_null(agw_ice_selected(b->ice));
	}
	assert_int_equal(reply(b, PORT, 403, PWD), AGW_ICE_IGNORED);
	assert_null(agw_ice_selected(b->ice));
	assert_int_equal(b->events[AGW_ICE_EV_CONSENT_LOST], 1);
	asked = b->asked;
	assert_int_equal(check(b, PORT, &b->creds, &b->remote, true), AGW_ICE_GOOD);
	assert_false(wait_asked(b, b->now + 60000));
	assert_int_equal(b->asked, asked);
	assert_null(agw_ice_selected(b->ice));
	assert_int_equal(b->events[AGW_ICE_EV_CONSENT_LOST], 1);
}

static void test_a_due_request_is_ticked_for(void **state)
{
	struct bench *b = *state;
	uint64_t start = b->now;

	REQ("ICE-22");
	connect_pair(b);
	agw_ice_tick(b->ice, b->env, start + 100);
	assert_false(agw_ice_is_pending(b->ice));
	agw_ice_tick(b->ice, b->env, start + 2700);
	assert_int_equal(b->asked, 0);
	for (uint64_t t = start + 2700; b->asked == 0; t += 1000) { /* a second is too slow */
		bool pending = agw_ice_is_pending(b->ice);

		assert_true(t < start + 7000);
		agw_ice_tick(b->ice, b->env, t);
		assert_true(pending || b->asked == 0);
	}
	assert_false(agw_ice_is_pending(b->ice));
}

#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
	    T(test_requests_every_4_to_6_s_each_its_own_transaction),
	    T(test_a_request_is_a_check_of_a_controlled_agent),
	    T(test_without_answers_consent_expires_for_good),
	    T(test_an_answer_to_an_earlier_request_counts_once),
	    T(test_answers_of_others_are_bad_and_change_nothing),
	    T(test_403_takes_consent_back_at_once_other_errors_do_not),
	    T(test_a_due_request_is_ticked_for),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
