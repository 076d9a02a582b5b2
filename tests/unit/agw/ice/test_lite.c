/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ICE-lite responder: tables of good and bad checks, nomination, restart, consent. Time is given
 * by hand, requests are made by libnice or octet by octet.
 */
#include "agw/ice/ice_int.h"
#include "tests/lib/req.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <stun/usages/ice.h>

#include <cmocka.h>

#define REMOTE "remo"

struct bench {
	struct agw_ice_env *env;
	struct agw_ice *ice;
	struct agw_ice_creds creds;
	StunAgent peer;
	unsigned sent;
	size_t sent_len;
	uint8_t last[1500];
	struct gw_addr last_to;
	unsigned events[5];
};

static const uint16_t known[] = {
    STUN_ATTRIBUTE_USERNAME,           STUN_ATTRIBUTE_MESSAGE_INTEGRITY,  STUN_ATTRIBUTE_ERROR_CODE,
    STUN_ATTRIBUTE_XOR_MAPPED_ADDRESS, STUN_ATTRIBUTE_UNKNOWN_ATTRIBUTES, 0};

static void on_send(void *arg, unsigned local, const struct gw_addr *to, const uint8_t *data,
		    size_t len)
{
	struct bench *b = arg;

	assert_int_equal(local, 0);
	assert_true(len <= sizeof(b->last));
	memcpy(b->last, data, len);
	b->sent_len = len;
	b->last_to = *to;
	b->sent++;
}

static void on_event(void *arg, enum agw_ice_event ev)
{
	struct bench *b = arg;

	b->events[ev]++;
}

static int setup(void **state)
{
	static const struct agw_ice_cbs cbs = {on_send, on_event};
	struct agw_ice_cfg cfg = {.timeout_ms = 20000, .consent_timeout_ms = 30000};
	struct bench *b = calloc(1, sizeof(*b));

	assert_non_null(b);
	agw_ice_creds_new(&b->creds);
	cfg.local = b->creds;
	assert_int_equal(agw_ice_env_new(&b->env), GW_OK);
	assert_int_equal(agw_ice_lite_new(&b->ice, &cfg, &cbs, b), GW_OK);
	stun_agent_init(&b->peer, known, STUN_COMPATIBILITY_RFC5389,
			STUN_AGENT_USAGE_SHORT_TERM_CREDENTIALS | STUN_AGENT_USAGE_USE_FINGERPRINT);
	*state = b;
	return 0;
}

static int teardown(void **state)
{
	struct bench *b = *state;

	agw_ice_free(b->ice);
	agw_ice_env_free(b->env);
	free(b);
	return 0;
}

static struct gw_addr from(uint16_t port)
{
	struct gw_addr a;

	assert_int_equal(gw_addr_parse_ip(&a, "192.0.2.1", port), GW_OK);
	return a;
}

enum { USE = 1, CONTROLLED = 2, NO_PRIORITY = 4, NO_AUTH = 8, UNKNOWN_ATTR = 16 };

/* A request, with the given peculiarities. */
static size_t request(struct bench *b, uint8_t *buf, size_t n, const char *ufrag,
		      const char *remote, const char *pwd, unsigned how)
{
	StunMessage m;
	char user[600];
	int len = snprintf(user, sizeof(user), "%s:%s", ufrag, remote);
	size_t size;
	StunTransactionId id;

	assert_true(stun_agent_init_request(&b->peer, &m, buf, n, STUN_BINDING));
	if ((how & USE) != 0)
		(void)stun_message_append_flag(&m, STUN_ATTRIBUTE_USE_CANDIDATE);
	if ((how & NO_PRIORITY) == 0)
		(void)stun_message_append32(&m, STUN_ATTRIBUTE_PRIORITY, 1845501695);
	(void)stun_message_append64(&m,
				    (how & CONTROLLED) != 0 ? STUN_ATTRIBUTE_ICE_CONTROLLED
							    : STUN_ATTRIBUTE_ICE_CONTROLLING,
				    42);
	if ((how & UNKNOWN_ATTR) != 0)
		(void)stun_message_append32(&m, (StunAttribute)0x7777, 1);
	if ((how & NO_AUTH) == 0)
		(void)stun_message_append_bytes(&m, STUN_ATTRIBUTE_USERNAME, user, (size_t)len);
	size = stun_agent_finish_message(&b->peer, &m,
					 (how & NO_AUTH) == 0 ? (const uint8_t *)pwd : NULL,
					 (how & NO_AUTH) == 0 ? strlen(pwd) : 0);
	assert_true(size > 0);
	stun_message_id(&m, id);
	(void)stun_agent_forget_transaction(&b->peer, id);
	return size;
}

static enum agw_ice_verdict give(struct bench *b, uint16_t port, const uint8_t *data, size_t n,
				 uint64_t now)
{
	struct gw_addr a = from(port);
	uint8_t *copy = malloc(n > 0 ? n : 1); /* exact size: a read past it is found */
	enum agw_ice_verdict v;

	assert_non_null(copy);
	memcpy(copy, data, n);
	v = agw_ice_input(b->ice, b->env, 0, &a, copy, n, now);
	free(copy);
	return v;
}

static enum agw_ice_verdict check(struct bench *b, uint16_t port, unsigned how, uint64_t now)
{
	uint8_t buf[1500];
	size_t n = request(b, buf, sizeof(buf), b->creds.ufrag, REMOTE, b->creds.pwd, how);

	return give(b, port, buf, n, now);
}

/* Error code of the last thing sent; 0 for a success response. */
static int answer(struct bench *b)
{
	StunMessage m = {.buffer = b->last, .buffer_len = b->sent_len};
	int code = 0;

	assert_int_equal(stun_message_validate_buffer_length(b->last, b->sent_len, true),
			 b->sent_len);
	if (stun_message_get_class(&m) == STUN_ERROR)
		assert_int_equal(stun_message_find_error(&m, &code), STUN_MESSAGE_RETURN_SUCCESS);
	return code;
}

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
	    T(test_nomination_selects_and_moves_at_once),
	    T(test_restart_keeps_the_old_pair_until_the_new_one_is_nominated),
	    T(test_two_restarts_in_a_row_keep_the_generation_in_use),
	    T(test_consent_is_lost_after_30_s_of_silence_and_comes_back),
	    T(test_without_nomination_in_time_ice_fails_once),
	    T(test_nomination_in_time_ends_the_wait),
	    T(test_longest_remote_ufrag_is_matched),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
