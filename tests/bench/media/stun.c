/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The WIC's ICE, as much as a relay on a known address needs: controlling checks that nominate,
 * answers to the relay's own checks. Messages by libnice.
 */
#include "tests/bench/media/bench.h"

#include <stdlib.h>
#include <string.h>

#include <stun/stunagent.h>
#include <stun/usages/ice.h>

#define PRIORITY UINT32_C(0x6e0001ff)

struct bench_stun {
	struct bench_call *c;
	StunAgent agent;
};

static const uint16_t known[] = {
    STUN_ATTRIBUTE_USERNAME,           STUN_ATTRIBUTE_MESSAGE_INTEGRITY,
    STUN_ATTRIBUTE_ERROR_CODE,         STUN_ATTRIBUTE_PRIORITY,
    STUN_ATTRIBUTE_USE_CANDIDATE,      STUN_ATTRIBUTE_ICE_CONTROLLED,
    STUN_ATTRIBUTE_ICE_CONTROLLING,    STUN_ATTRIBUTE_XOR_MAPPED_ADDRESS,
    STUN_ATTRIBUTE_UNKNOWN_ATTRIBUTES, STUN_ATTRIBUTE_SOFTWARE,
    STUN_ATTRIBUTE_FINGERPRINT,        0};

static void init_agent(struct bench_stun *s)
{
	stun_agent_init(&s->agent, known, STUN_COMPATIBILITY_RFC5389,
			STUN_AGENT_USAGE_SHORT_TERM_CREDENTIALS | STUN_AGENT_USAGE_USE_FINGERPRINT);
}

struct bench_stun *bench_stun_new(struct bench_call *c)
{
	struct bench_stun *s = calloc(1, sizeof(*s));

	if (s != NULL) {
		s->c = c;
		init_agent(s);
	}
	return s;
}

void bench_stun_free(struct bench_stun *s)
{
	free(s);
}

void bench_stun_check(struct bench_stun *s)
{
	struct bench_call *c = s->c;
	uint8_t buf[512];
	StunMessage msg;
	size_t n = stun_usage_ice_conncheck_create(
	    &s->agent, &msg, buf, sizeof(buf), (const uint8_t *)c->username, strlen(c->username),
	    (const uint8_t *)c->peer_pwd, strlen(c->peer_pwd), true, true, PRIORITY, c->id + 1,
	    NULL, STUN_USAGE_ICE_COMPATIBILITY_RFC5245);

	if (n == 0) { /* too many without an answer: forget them */
		init_agent(s);
		return;
	}
	bench_wire_send(c->b->wire, BENCH_WIC, c->id, &c->relay[BENCH_WIC], buf, n);
}

static bool give_password(StunAgent *agent, StunMessage *msg, uint8_t *username, uint16_t len,
			  uint8_t **password, size_t *password_len, void *user)
{
	struct bench_call *c = user;
	size_t own = strlen(c->ufrag);

	(void)agent;
	(void)msg;
	if (len <= own || username[own] != ':' || memcmp(username, c->ufrag, own) != 0)
		return false;
	*password = (uint8_t *)c->pwd;
	*password_len = strlen(c->pwd);
	return true;
}

void bench_stun_feed(struct bench_stun *s, const uint8_t *p, size_t n, const struct gw_addr *from)
{
	struct bench_call *c = s->c;
	struct sockaddr_storage src = {0};
	socklen_t src_len = sizeof(src);
	StunMessage msg, reply;
	uint8_t buf[512];
	size_t len = sizeof(buf);
	bool control = true;

	if (stun_agent_validate(&s->agent, &msg, p, n, give_password, c) != STUN_VALIDATION_SUCCESS)
		return;
	if (stun_message_get_class(&msg) != STUN_REQUEST) {
		if (stun_usage_ice_conncheck_process(&msg, &src, &src_len,
						     STUN_USAGE_ICE_COMPATIBILITY_RFC5245) ==
		    STUN_USAGE_ICE_RETURN_SUCCESS)
			c->ice_done = true;
		return;
	}
	memcpy(&src, &from->u, from->len);
	(void)stun_usage_ice_conncheck_create_reply(&s->agent, &msg, &reply, buf, &len, &src,
						    from->len, &control, c->id + 1,
						    STUN_USAGE_ICE_COMPATIBILITY_RFC5245);
	if (len > 0)
		bench_wire_send(c->b->wire, BENCH_WIC, c->id, from, buf, len);
}
