/* SPDX-License-Identifier: Apache-2.0 */
/*
 * An agent of consent.mode active (or passive) and its peer, which is libnice: checks, what was
 * asked, answers. Time is given by hand. One program includes it once.
 */
#ifndef TESTS_CONSENT_FIXTURE_H
#define TESTS_CONSENT_FIXTURE_H

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

static inline void on_send(void *arg, unsigned local, const struct gw_addr *to, const uint8_t *data,
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

static inline void on_event(void *arg, enum agw_ice_event ev)
{
	struct bench *b = arg;

	b->events[ev]++;
}

static inline int setup_mode(void **state, bool active)
{
	static const struct agw_ice_cbs cbs = {.send = on_send, .on_event = on_event};
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

static inline int setup(void **state)
{
	return setup_mode(state, true);
}

static inline int setup_passive(void **state)
{
	return setup_mode(state, false);
}

static inline int teardown(void **state)
{
	struct bench *b = *state;

	agw_ice_free(b->ice);
	agw_ice_env_free(b->env);
	free(b);
	return 0;
}

static inline enum agw_ice_verdict give(struct bench *b, uint16_t port, const uint8_t *data,
					size_t n)
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

static inline enum agw_ice_verdict check(struct bench *b, uint16_t port,
					 const struct agw_ice_creds *to,
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
static inline void connect_pair(struct bench *b)
{
	agw_ice_set_remote(b->ice, b->remote.ufrag, b->remote.pwd);
	assert_int_equal(check(b, PORT, &b->creds, &b->remote, true), AGW_ICE_GOOD);
	assert_non_null(agw_ice_selected(b->ice));
}

/* Tick by the millisecond until the next request, or `until`. @return is there one? */
static inline bool wait_asked(struct bench *b, uint64_t until)
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

static inline bool password(StunAgent *agent, StunMessage *msg, uint8_t *name, uint16_t len,
			    uint8_t **pwd, size_t *pwd_len, void *arg)
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
static inline void read_request(struct bench *b, StunMessage *m, char *pwd)
{
	struct key k = {.pwd = pwd};

	memset(m, 0, sizeof(*m));
	assert_int_equal(stun_agent_validate(&b->peer, m, b->last, b->len, password, &k),
			 STUN_VALIDATION_SUCCESS);
	assert_true(k.asked);
}

/* An answer to the last request: success, or an error with integrity by `pwd`. */
static inline size_t answer(struct bench *b, uint8_t *buf, size_t n, int code, const char *pwd)
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

static inline enum agw_ice_verdict reply(struct bench *b, uint16_t port, int code, const char *pwd)
{
	uint8_t buf[1500];
	size_t n = answer(b, buf, sizeof(buf), code, pwd);

	return give(b, port, buf, n);
}

#endif
