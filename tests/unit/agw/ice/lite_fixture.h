/* SPDX-License-Identifier: Apache-2.0 */
/*
 * An ICE-lite agent and checks for it: time is given by hand, requests are made by libnice or octet
 * by octet. One program includes it once.
 */
#ifndef TESTS_LITE_FIXTURE_H
#define TESTS_LITE_FIXTURE_H

#include "agw/ice/ice_int.h"
#include "tests/lib/req.h"
#include "tests/unit/agw/ice/make_check.h"

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

static inline void on_send(void *arg, unsigned local, const struct gw_addr *to, const uint8_t *data,
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

static inline void on_event(void *arg, enum agw_ice_event ev)
{
	struct bench *b = arg;

	b->events[ev]++;
}

static inline int setup(void **state)
{
	static const struct agw_ice_cbs cbs = {.send = on_send, .on_event = on_event};
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

static inline int teardown(void **state)
{
	struct bench *b = *state;

	agw_ice_free(b->ice);
	agw_ice_env_free(b->env);
	free(b);
	return 0;
}

static inline struct gw_addr from(uint16_t port)
{
	struct gw_addr a;

	assert_int_equal(gw_addr_parse_ip(&a, "192.0.2.1", port), GW_OK);
	return a;
}

/* A request, with the given peculiarities. */
static inline size_t request(struct bench *b, uint8_t *buf, size_t n, const char *ufrag,
			     const char *remote, const char *pwd, unsigned how)
{
	return make_check(&b->peer, buf, n, ufrag, remote, pwd, how);
}

static inline enum agw_ice_verdict give(struct bench *b, uint16_t port, const uint8_t *data,
					size_t n, uint64_t now)
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

static inline enum agw_ice_verdict check(struct bench *b, uint16_t port, unsigned how, uint64_t now)
{
	uint8_t buf[1500];
	size_t n = request(b, buf, sizeof(buf), b->creds.ufrag, REMOTE, b->creds.pwd, how);

	return give(b, port, buf, n, now);
}

/* Error code of the last thing sent; 0 for a success response. */
static inline int answer(struct bench *b)
{
	StunMessage m = {.buffer = b->last, .buffer_len = b->sent_len};
	int code = 0;

	assert_int_equal(stun_message_validate_buffer_length(b->last, b->sent_len, true),
			 b->sent_len);
	if (stun_message_get_class(&m) == STUN_ERROR)
		assert_int_equal(stun_message_find_error(&m, &code), STUN_MESSAGE_RETURN_SUCCESS);
	return code;
}

#endif
