/* SPDX-License-Identifier: Apache-2.0 */
/*
 * consent.mode active: what is asked of the peer and when, and what its answers, or somebody
 * else's, do. Time is given by hand; the peer is libnice.
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

#define UFRAG   "remo"
#define PWD     "remotepasswordremotepas"
#define TIMEOUT 30000U
#define PORT    5000

struct peer_creds {
	char ufrag[16];
	char pwd[32];
};

struct bench {
	struct agw_ice_env *env;
	struct agw_ice *ice;
	struct agw_ice_creds creds;
	struct peer_creds remote;
	StunAgent peer;
	uint64_t now;
	unsigned asked; /* requests sent to the peer */
	size_t len;     /* … the last one */
	uint8_t last[1500];
	struct gw_addr to;
	unsigned events[5];
};

static const uint16_t known[] = {
    STUN_ATTRIBUTE_USERNAME,           STUN_ATTRIBUTE_MESSAGE_INTEGRITY,
    STUN_ATTRIBUTE_ERROR_CODE,         STUN_ATTRIBUTE_XOR_MAPPED_ADDRESS,
    STUN_ATTRIBUTE_PRIORITY,           STUN_ATTRIBUTE_USE_CANDIDATE,
    STUN_ATTRIBUTE_UNKNOWN_ATTRIBUTES, 0};

static void on_send(void *arg, unsigned local, const struct gw_addr *to, const uint8_t *data,
		    size_t len)
{
	struct bench *b = arg;

	assert_int_equal(local, 0);
	if (data[0] != 0 || data[1] != 1)
		return; /* an answer to a check */
	assert_true(len <= sizeof(b->last));
	memcpy(b->last, data, len);
	b->len = len;
	b->to = *to;
	b->asked++;
}

static void on_event(void *arg, enum agw_ice_event ev)
{
	struct bench *b = arg;

	b->events[ev]++;
}

static int setup_mode(void **state, bool active)
{
	static const struct agw_ice_cbs cbs = {on_send, on_event};
	struct agw_ice_cfg cfg = {
	    .timeout_ms = 20000, .consent_timeout_ms = TIMEOUT, .consent_active = active};
	struct bench *b = calloc(1, sizeof(*b));

	assert_non_null(b);
	agw_ice_creds_new(&b->creds);
	cfg.local = b->creds;
	strcpy(b->remote.ufrag, UFRAG);
	strcpy(b->remote.pwd, PWD);
	assert_int_equal(agw_ice_env_new(&b->env), GW_OK);
	assert_int_equal(agw_ice_lite_new(&b->ice, &cfg, &cbs, b), GW_OK);
	stun_agent_init(&b->peer, known, STUN_COMPATIBILITY_RFC5389,
			STUN_AGENT_USAGE_SHORT_TERM_CREDENTIALS | STUN_AGENT_USAGE_USE_FINGERPRINT);
	b->now = 1000;
	*state = b;
	return 0;
}

static int setup(void **state)
{
	return setup_mode(state, true);
}

static int setup_passive(void **state)
{
	return setup_mode(state, false);
}

static int teardown(void **state)
{
	struct bench *b = *state;

	agw_ice_free(b->ice);
	agw_ice_env_free(b->env);
	free(b);
	return 0;
}

static enum agw_ice_verdict give(struct bench *b, uint16_t port, const uint8_t *data, size_t n)
{
	struct gw_addr from;
	uint8_t *copy = malloc(n); /* exact size: a read past it is found */
	enum agw_ice_verdict v;

	assert_non_null(copy);
	assert_int_equal(gw_addr_parse_ip(&from, "192.0.2.1", port), GW_OK);
	memcpy(copy, data, n);
	v = agw_ice_input(b->ice, b->env, 0, &from, copy, n, b->now);
	free(copy);
	return v;
}

static enum agw_ice_verdict check(struct bench *b, uint16_t port, const struct agw_ice_creds *to,
				  const struct peer_creds *of, bool use)
{
	uint8_t buf[1500];
	char user[64];
	int len = snprintf(user, sizeof(user), "%s:%s", to->ufrag, of->ufrag);
	StunMessage m;
	StunTransactionId id;
	size_t n = stun_usage_ice_conncheck_create(
	    &b->peer, &m, buf, sizeof(buf), (const uint8_t *)user, (size_t)len,
	    (const uint8_t *)to->pwd, strlen(to->pwd), use, true, 1845501695, 42, NULL,
	    STUN_USAGE_ICE_COMPATIBILITY_RFC5245);

	assert_true(n > 0);
	stun_message_id(&m, id);
	(void)stun_agent_forget_transaction(&b->peer, id);
	return give(b, port, buf, n);
}

/* A pair is nominated and the peer's credentials are known. */
static void connect_pair(struct bench *b)
{
	agw_ice_set_remote(b->ice, b->remote.ufrag, b->remote.pwd);
	assert_int_equal(check(b, PORT, &b->creds, &b->remote, true), AGW_ICE_GOOD);
	assert_non_null(agw_ice_selected(b->ice));
}

/* Tick by the millisecond until the next request, or `until`. @return is there one? */
static bool wait_asked(struct bench *b, uint64_t until)
{
	unsigned before = b->asked;

	while (b->now < until && b->asked == before)
		agw_ice_tick(b->ice, b->env, ++b->now);
	return b->asked > before;
}

struct key {
	char *pwd;
	bool asked;
};

static bool password(StunAgent *agent, StunMessage *msg, uint8_t *name, uint16_t len, uint8_t **pwd,
		     size_t *pwd_len, void *arg)
{
	struct key *k = arg;

	(void)agent;
	(void)msg;
	(void)name;
	(void)len;
	k->asked = true;
	*pwd = (uint8_t *)k->pwd;
	*pwd_len = strlen(k->pwd);
	return true;
}

/* Is the last request as the peer with that password wants it? */
static void read_request(struct bench *b, StunMessage *m, char *pwd)
{
	struct key k = {.pwd = pwd};

	memset(m, 0, sizeof(*m));
	assert_int_equal(stun_agent_validate(&b->peer, m, b->last, b->len, password, &k),
			 STUN_VALIDATION_SUCCESS);
	assert_true(k.asked);
}

/* An answer to the last request: success, or an error with integrity by `pwd`. */
static size_t answer(struct bench *b, uint8_t *buf, size_t n, int code, const char *pwd)
{
	StunMessage req = {.buffer = b->last, .buffer_len = b->len};
	StunMessage m;
	struct sockaddr_storage me;
	struct gw_addr a;
	size_t len;

	assert_int_equal(gw_addr_parse_ip(&a, "192.0.2.9", 30000), GW_OK);
	memset(&me, 0, sizeof(me));
	memcpy(&me, &a.u, a.len);
	if (code == 0) {
		assert_true(stun_agent_init_response(&b->peer, &m, buf, n, &req));
		assert_int_equal(
		    stun_message_append_xor_addr(&m, STUN_ATTRIBUTE_XOR_MAPPED_ADDRESS, &me, a.len),
		    STUN_MESSAGE_RETURN_SUCCESS);
	} else {
		assert_true(stun_agent_init_error(&b->peer, &m, buf, n, &req, (StunError)code));
	}
	len = stun_agent_finish_message(&b->peer, &m, (const uint8_t *)pwd,
					pwd != NULL ? strlen(pwd) : 0);
	assert_true(len > 0);
	return len;
}

static enum agw_ice_verdict reply(struct bench *b, uint16_t port, int code, const char *pwd)
{
	uint8_t buf[1500];
	size_t n = answer(b, buf, sizeof(buf), code, pwd);

	return give(b, port, buf, n);
}

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
		assert_true(t < start + 7000);
		if (t >= start + 5000)
			assert_true(agw_ice_is_pending(b->ice));
		agw_ice_tick(b->ice, b->env, t);
	}
	assert_false(agw_ice_is_pending(b->ice));
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
	    T(test_requests_every_4_to_6_s_each_its_own_transaction),
	    T(test_a_request_is_a_check_of_a_controlled_agent),
	    T(test_without_answers_consent_expires_for_good),
	    T(test_an_answer_to_an_earlier_request_counts_once),
	    T(test_answers_of_others_are_bad_and_change_nothing),
	    T(test_403_takes_consent_back_at_once_other_errors_do_not),
	    T(test_a_restart_asks_with_the_new_credentials_once_nominated),
	    T(test_a_restart_brings_lost_consent_back),
	    T(test_until_the_peers_password_is_known_its_checks_are_watched),
	    T(test_a_due_request_is_ticked_for),
	    cmocka_unit_test_setup_teardown(test_a_passive_agent_asks_nobody, setup_passive,
					    teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
