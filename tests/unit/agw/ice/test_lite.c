/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ICE-lite responder, check by check: tables of good and bad ones, what is answered and what is
 * not.
 */
#include "tests/unit/agw/ice/lite_fixture.h"

static void test_a_good_check_is_answered_with_the_mapped_address(void **state)
{
	struct bench *b = *state;
	struct sockaddr_storage mapped;
	socklen_t len = sizeof(mapped);
	struct gw_addr a;
	StunMessage m = {0};

	REQ("ICE-10", "ICE-14");
	/* Nothing is known of the peer yet. */
	assert_int_equal(check(b, 5000, 0, 1), AGW_ICE_GOOD);
	assert_int_equal(b->sent, 1);
	assert_int_equal(answer(b), 0);
	a = from(5000);
	assert_true(gw_addr_eq(&b->last_to, &a));
	m.buffer = b->last;
	m.buffer_len = b->sent_len;
	assert_int_equal(
	    stun_message_find_xor_addr(&m, STUN_ATTRIBUTE_XOR_MAPPED_ADDRESS, &mapped, &len),
	    STUN_MESSAGE_RETURN_SUCCESS);
	assert_int_equal(gw_addr_from_sa(&a, (struct sockaddr *)&mapped, len), GW_OK);
	assert_true(gw_addr_eq(&a, &b->last_to));
	assert_true(stun_message_has_attribute(&m, STUN_ATTRIBUTE_MESSAGE_INTEGRITY));
	assert_true(stun_message_has_attribute(&m, STUN_ATTRIBUTE_FINGERPRINT));
	/* Heard, but nominated by nobody: not sent to. */
	assert_true(agw_ice_is_valid_source(b->ice, 0, &a));
	assert_null(agw_ice_selected(b->ice));
}

static void test_a_repeated_request_gets_the_same_answer(void **state)
{
	struct bench *b = *state;
	uint8_t req[1500];
	uint8_t first[1500];
	size_t n = request(b, req, sizeof(req), b->creds.ufrag, REMOTE, b->creds.pwd, USE);
	size_t len;

	REQ("ICE-14");
	assert_int_equal(give(b, 5000, req, n, 1), AGW_ICE_GOOD);
	len = b->sent_len;
	memcpy(first, b->last, len);
	assert_int_equal(give(b, 5000, req, n, 100), AGW_ICE_GOOD);
	assert_int_equal(b->sent, 2);
	assert_int_equal(b->sent_len, len);
	assert_memory_equal(b->last, first, len);
	assert_int_equal(b->events[AGW_ICE_EV_CONNECTED], 1);
}

static void test_table_of_refused_checks(void **state)
{
	struct bench *b = *state;
	const char *wrong_pwd = "wrongwrongwrongwrongwrong";
	struct {
		const char *ufrag;
		const char *remote;
		const char *pwd;
		unsigned how;
		int code;
	} t[] = {
	    {b->creds.ufrag, REMOTE, b->creds.pwd, NO_AUTH, 400},
	    {"nobody", REMOTE, b->creds.pwd, 0, 401},
	    {b->creds.ufrag, REMOTE, wrong_pwd, 0, 401},
	    {b->creds.ufrag, "other", b->creds.pwd, 0, 401},
	    {b->creds.ufrag, REMOTE "x", b->creds.pwd, 0, 401},
	    {b->creds.ufrag, REMOTE, b->creds.pwd, UNKNOWN_ATTR, 420},
	    {b->creds.ufrag, REMOTE, b->creds.pwd, CONTROLLED, 487},
	    {b->creds.ufrag, REMOTE, b->creds.pwd, NO_PRIORITY, 400},
	};
	struct gw_addr a = from(5000);

	REQ("ICE-11", "ICE-12", "ICE-13", "ICE-29");
	agw_ice_set_remote(b->ice, REMOTE, "");
	for (size_t i = 0; i < sizeof(t) / sizeof(t[0]); i++) {
		uint8_t buf[1500];
		size_t n =
		    request(b, buf, sizeof(buf), t[i].ufrag, t[i].remote, t[i].pwd, t[i].how | USE);

		/* A second apart, to be under the rate limit. */
		assert_int_equal(give(b, 5000, buf, n, 1000 * (i + 1)), AGW_ICE_REFUSED);
		assert_int_equal(b->sent, i + 1);
		assert_int_equal(answer(b), t[i].code);
		if (t[i].code < 420)
			assert_true(b->sent_len * 2 <= n * 3);
	}
	assert_false(agw_ice_is_valid_source(b->ice, 0, &a));
	assert_null(agw_ice_selected(b->ice));
	assert_int_equal(b->events[AGW_ICE_EV_CONNECTED], 0);
}

static void test_error_answers_are_rate_limited(void **state)
{
	struct bench *b = *state;

	REQ("ICE-11", "ICE-29");
	for (int i = 0; i < 100; i++)
		assert_int_equal(check(b, 5000, NO_AUTH, 5000), AGW_ICE_REFUSED);
	assert_int_equal(b->sent, 10);
	/* Good ones are not. */
	assert_int_equal(check(b, 5000, 0, 5000), AGW_ICE_GOOD);
	assert_int_equal(b->sent, 11);
	assert_int_equal(check(b, 5000, NO_AUTH, 6001), AGW_ICE_REFUSED);
	assert_int_equal(b->sent, 12);
}

static void test_malformed_datagrams_are_dropped_silently(void **state)
{
	struct bench *b = *state;
	uint8_t good[1500];
	uint8_t bad[2000];
	size_t n = request(b, good, sizeof(good), b->creds.ufrag, REMOTE, b->creds.pwd, 0);

	REQ("ICE-31", "ICE-11");
	for (size_t cut = 0; cut < n; cut++) /* every truncation */
		assert_int_equal(give(b, 5000, good, cut, 1), AGW_ICE_BAD);
	memcpy(bad, good, n); /* trailing octets */
	memset(bad + n, 0, 8);
	assert_int_equal(give(b, 5000, bad, n + 4, 1), AGW_ICE_BAD);
	memcpy(bad, good, n); /* header's length beyond the datagram */
	bad[3] = (uint8_t)(bad[3] + 4);
	assert_int_equal(give(b, 5000, bad, n, 1), AGW_ICE_BAD);
	memcpy(bad, good, n); /* wrong cookie */
	bad[4] ^= 1;
	assert_int_equal(give(b, 5000, bad, n, 1), AGW_ICE_BAD);
	memcpy(bad, good, n); /* wrong FINGERPRINT */
	bad[n - 1] ^= 1;
	assert_int_equal(give(b, 5000, bad, n, 1), AGW_ICE_BAD);
	memcpy(bad, good, n); /* two FINGERPRINTs */
	memcpy(bad + n, good + n - 8, 8);
	bad[3] = (uint8_t)(bad[3] + 8);
	assert_int_equal(give(b, 5000, bad, n + 8, 1), AGW_ICE_BAD);
	memcpy(bad, good, n); /* first attribute says it is longer than all */
	bad[22] = 0xff;
	assert_int_equal(give(b, 5000, bad, n, 1), AGW_ICE_BAD);
	memset(bad, 0, sizeof(bad)); /* too big: one attribute of filler, otherwise right */
	memcpy(bad, good, 20);
	bad[2] = (1284 - 20) >> 8;
	bad[3] = (1284 - 20) & 0xff;
	bad[20] = 0x80;
	bad[21] = 0x70;
	bad[22] = (1284 - 24) >> 8;
	bad[23] = (1284 - 24) & 0xff;
	assert_int_equal(give(b, 5000, bad, 1284, 1), AGW_ICE_BAD);
	assert_int_equal(b->sent, 0);
	/* And none of it stuck. */
	assert_int_equal(give(b, 5000, good, n, 1), AGW_ICE_GOOD);
}

static void test_indications_and_responses_are_not_answered(void **state)
{
	struct bench *b = *state;
	uint8_t buf[1500];
	StunMessage m;
	size_t n;

	REQ("ICE-31");
	assert_true(stun_agent_init_indication(&b->peer, &m, buf, sizeof(buf), STUN_BINDING));
	n = stun_agent_finish_message(&b->peer, &m, NULL, 0);
	assert_true(n > 0);
	assert_int_equal(give(b, 5000, buf, n, 1), AGW_ICE_IGNORED);
	assert_int_equal(check(b, 5000, 0, 1), AGW_ICE_GOOD);
	memcpy(buf, b->last, b->sent_len); /* our own answer sent back at us */
	assert_int_equal(give(b, 5000, buf, b->sent_len, 1), AGW_ICE_BAD);
	/* A TURN Allocate is for somebody else. */
	assert_true(stun_agent_init_request(&b->peer, &m, buf, sizeof(buf), STUN_ALLOCATE));
	n = stun_agent_finish_message(&b->peer, &m, NULL, 0);
	assert_int_equal(give(b, 5000, buf, n, 1), AGW_ICE_BAD);
	assert_int_equal(b->sent, 1);
}

static void test_longest_remote_ufrag_is_matched(void **state)
{
	struct bench *b = *state;
	char longest[AGW_ICE_UFRAG_MAX];
	uint8_t buf[1500];
	size_t n;

	REQ("ICE-05");
	memset(longest, 'x', sizeof(longest) - 1);
	longest[sizeof(longest) - 1] = '\0';
	agw_ice_set_remote(b->ice, longest, "");
	n = request(b, buf, sizeof(buf), b->creds.ufrag, longest, b->creds.pwd, 0);
	assert_int_equal(give(b, 5000, buf, n, 1), AGW_ICE_GOOD);
	longest[sizeof(longest) - 2] = 'y';
	n = request(b, buf, sizeof(buf), b->creds.ufrag, longest, b->creds.pwd, 0);
	assert_int_equal(give(b, 5000, buf, n, 1), AGW_ICE_REFUSED);
}

#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
	    T(test_a_good_check_is_answered_with_the_mapped_address),
	    T(test_a_repeated_request_gets_the_same_answer),
	    T(test_table_of_refused_checks),
	    T(test_error_answers_are_rate_limited),
	    T(test_malformed_datagrams_are_dropped_silently),
	    T(test_indications_and_responses_are_not_answered),
	    T(test_longest_remote_ufrag_is_matched),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
