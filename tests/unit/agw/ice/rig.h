/* SPDX-License-Identifier: Apache-2.0 */
/*
 * An agent of either provider on sockets of 127.0.0.1 (or ::1), and a peer with two sockets that is
 * made by hand: what is sent and answered is the test's choice. Time is the clock's, but can be
 * moved on. One program includes it once.
 */
#ifndef TESTS_ICE_RIG_H
#define TESTS_ICE_RIG_H

#include "agw/ice/ice_int.h"
#include "agw/net/steer.h"
#include "agw/net/udp.h"
#include "tests/lib/req.h"
#include "tests/unit/agw/ice/make_check.h"

#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <stun/usages/ice.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#define REMOTE     "remo"
#define REMOTE_PWD "remotepasswordremotepas"
#define SOON       2000 /* ms: on one machine everything is there long before */
#define QUIET      250  /* ms without which nothing is believed to come */
#define PORT_FIRST 21000
#define PORT_LAST  21199

enum mode { LITE, FULL };

struct rig_peer {
	int fd;
	struct gw_addr at;
	bool answers;      /* checks of the agent's */
	unsigned requests; /* … how many came */
	unsigned data;
	unsigned used; /* … with USE-CANDIDATE */
	bool saw_controlling;
	uint64_t at_ms[32]; /* when */
};

struct rig {
	enum mode mode;
	bool v6;
	struct agw_ice_env *env;
	struct agw_ice *ice;
	struct agw_ice_creds creds;
	char remote[32], remote_pwd[64];
	int fd; /* ours */
	struct gw_addr at;
	struct rig_peer peer[2];
	const struct agw_ice_turn *turn;
	struct gw_addr relay; /* len 0: none; else the peers hear nothing but it */
	unsigned gathered;
	StunAgent stun;
	uint64_t skew;
	unsigned events[5];
	unsigned heard[AGW_ICE_BAD + 1];
	unsigned prflx, data;
	struct gw_addr prflx_at;
};

static const uint16_t known[] = {
    STUN_ATTRIBUTE_USERNAME,           STUN_ATTRIBUTE_MESSAGE_INTEGRITY,
    STUN_ATTRIBUTE_ERROR_CODE,         STUN_ATTRIBUTE_XOR_MAPPED_ADDRESS,
    STUN_ATTRIBUTE_PRIORITY,           STUN_ATTRIBUTE_USE_CANDIDATE,
    STUN_ATTRIBUTE_UNKNOWN_ATTRIBUTES, 0};

static inline uint64_t real_ms(void)
{
	struct timespec ts;

	(void)clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000 + (uint64_t)ts.tv_nsec / 1000000;
}

static inline uint64_t rig_now(const struct rig *r)
{
	return real_ms() + r->skew;
}

static inline void on_send(void *arg, unsigned local, const struct gw_addr *to, const uint8_t *data,
			   size_t len)
{
	struct rig *r = arg;

	assert_int_equal(local, r->v6);
	assert_true(agw_udp_send(r->fd, to, data, len));
}

static inline void on_event(void *arg, enum agw_ice_event ev)
{
	((struct rig *)arg)->events[ev]++;
}

static inline void on_heard(void *arg, unsigned local, const struct gw_addr *from,
			    enum agw_ice_verdict what)
{
	struct rig *r = arg;

	assert_int_equal(local, r->v6);
	assert_true(from->len > 0);
	r->heard[what]++;
}

static inline void on_data(void *arg, unsigned local, const struct gw_addr *from,
			   const uint8_t *data, size_t len)
{
	(void)local;
	(void)from;
	(void)data;
	(void)len;
	((struct rig *)arg)->data++;
}

static inline void on_prflx(void *arg, const struct gw_addr *at, uint32_t priority)
{
	struct rig *r = arg;

	assert_true(priority > 0);
	r->prflx_at = *at;
	r->prflx++;
}

static inline void on_gathered(void *arg, unsigned family, const struct gw_addr *relay)
{
	struct rig *r = arg;

	assert_int_equal(family, r->v6);
	r->relay = *relay;
	r->gathered++;
}

static const struct agw_ice_cbs rig_cbs = {.send = on_send,
					   .on_event = on_event,
					   .on_heard = on_heard,
					   .on_data = on_data,
					   .on_prflx = on_prflx,
					   .on_gathered = on_gathered};

static inline struct gw_addr rig_addr(bool v6, uint16_t port)
{
	struct gw_addr a;

	assert_int_equal(gw_addr_parse_ip(&a, v6 ? "::1" : "127.0.0.1", port), GW_OK);
	return a;
}

/* A port nobody has. */
static inline int rig_socket(struct gw_addr *at, bool v6)
{
	static uint16_t next = PORT_FIRST;
	int fd = -1;

	for (int i = 0; i < 200 && fd < 0; i++) {
		if (next > PORT_LAST)
			next = PORT_FIRST;
		*at = rig_addr(v6, next++);
		if (agw_udp_open(&fd, at) != GW_OK)
			fd = -1;
	}
	assert_true(fd >= 0);
	return fd;
}

static inline void rig_make(struct rig *r, bool controlling)
{
	struct agw_ice_full_cfg cfg = {
	    .ice = {.timeout_ms = 20000, .consent_timeout_ms = 30000, .consent_active = true},
	    .controlling = controlling,
	    .component = 1};

	agw_ice_creds_new(&r->creds);
	cfg.ice.local = r->creds;
	r->fd = rig_socket(&r->at, r->v6);
	if (r->mode == LITE) {
		assert_int_equal(agw_ice_lite_new(&r->ice, &cfg.ice, &rig_cbs, r), GW_OK);
		return;
	}
	(void)close(r->fd);
	cfg.bind[r->v6] = r->at;
	cfg.turn = r->turn;
	assert_int_equal(agw_ice_full_new(&r->ice, &cfg, &rig_cbs, r), GW_OK);
	assert_int_equal(agw_steer_open(&r->fd, agw_ice_fd(r->ice, r->v6), &r->at, r->turn != NULL),
			 GW_OK);
}

static inline struct rig *rig_new_turn(enum mode mode, bool controlling, bool v6,
				       const struct agw_ice_turn *turn)
{
	struct rig *r = calloc(1, sizeof(*r));

	assert_non_null(r);
	r->mode = mode;
	r->v6 = v6;
	r->turn = turn;
	strcpy(r->remote, REMOTE);
	strcpy(r->remote_pwd, REMOTE_PWD);
	assert_int_equal(agw_ice_env_new(&r->env), GW_OK);
	rig_make(r, controlling);
	for (int i = 0; i < 2; i++) {
		r->peer[i].fd = rig_socket(&r->peer[i].at, v6);
		r->peer[i].answers = true;
	}
	stun_agent_init(&r->stun, known, STUN_COMPATIBILITY_RFC5389,
			STUN_AGENT_USAGE_SHORT_TERM_CREDENTIALS | STUN_AGENT_USAGE_USE_FINGERPRINT);
	return r;
}

static inline struct rig *rig_new(enum mode mode, bool controlling, bool v6)
{
	return rig_new_turn(mode, controlling, v6, NULL);
}

static inline void rig_free(struct rig *r)
{
	agw_ice_stop(r->ice);
	agw_ice_free(r->ice);
	agw_ice_env_free(r->env);
	(void)close(r->fd);
	(void)close(r->peer[0].fd);
	(void)close(r->peer[1].fd);
	free(r);
}

/* --- the agent's side --------------------------------------------------------------------------
 */

static inline void rig_read_ours(struct rig *r)
{
	uint8_t buf[2048];
	struct gw_addr from = {.len = sizeof(from.u)};
	ssize_t n = recvfrom(r->fd, buf, sizeof(buf), MSG_DONTWAIT, &from.u.sa, &from.len);

	if (n < 0)
		return;
	if (n > 0 && buf[0] > 3) {
		r->data += 1000; /* by the by-pass */
		return;
	}
	r->heard[agw_ice_input(r->ice, r->env, r->v6, &from, buf, (size_t)n, rig_now(r))]++;
}

/* --- the peer's --------------------------------------------------------------------------------
 */

static inline bool rig_password(StunAgent *agent, StunMessage *msg, uint8_t *name, uint16_t len,
				uint8_t **password, size_t *password_len, void *arg)
{
	struct rig *r = arg;

	(void)agent;
	(void)msg;
	(void)name;
	(void)len;
	*password = (uint8_t *)r->remote_pwd;
	*password_len = strlen(r->remote_pwd);
	return true;
}

/* A check or a consent request of the agent's: well made, and answered. */
static inline void rig_answer(struct rig *r, struct rig_peer *p, uint8_t *buf, size_t n,
			      const struct gw_addr *from)
{
	StunMessage req = {0}, rsp;
	struct sockaddr_storage src;
	uint8_t out[1024];
	size_t len = sizeof(out);
	bool controlling;
	uint64_t tie;

	assert_int_equal(stun_agent_validate(&r->stun, &req, buf, n, rig_password, r),
			 STUN_VALIDATION_SUCCESS);
	if (p->requests < 32)
		p->at_ms[p->requests] = real_ms();
	p->requests++;
	p->used += stun_usage_ice_conncheck_use_candidate(&req);
	controlling = stun_message_find64(&req, STUN_ATTRIBUTE_ICE_CONTROLLING, &tie) ==
		      STUN_MESSAGE_RETURN_SUCCESS;
	p->saw_controlling = controlling;
	if (!p->answers)
		return;
	controlling = !controlling; /* the peer is whatever the agent is not */
	memset(&src, 0, sizeof(src));
	memcpy(&src, &from->u, from->len);
	assert_int_equal(stun_usage_ice_conncheck_create_reply(
			     &r->stun, &req, &rsp, out, &len, &src, from->len, &controlling, 7,
			     STUN_USAGE_ICE_COMPATIBILITY_RFC5245),
			 STUN_USAGE_ICE_RETURN_SUCCESS);
	assert_true(agw_udp_send(p->fd, from, out, len));
}

/* What waits at a peer's socket: checks are answered. @return the code of an answer, 0: success;
 * -1: there was none */
static inline int rig_read_peer(struct rig *r, struct rig_peer *p)
{
	uint8_t buf[2048];
	struct gw_addr from = {.len = sizeof(from.u)};
	ssize_t n = recvfrom(p->fd, buf, sizeof(buf), MSG_DONTWAIT, &from.u.sa, &from.len);
	StunMessage m = {.buffer = buf, .buffer_len = (size_t)(n > 0 ? n : 0)};
	int code = 0;

	if (r->relay.len != 0 && n > 0 && buf[0] > 3 && gw_addr_eq(&from, &r->relay))
		p->data++;
	if (n < 20 || (r->relay.len != 0 && (buf[0] > 3 || !gw_addr_eq(&from, &r->relay))))
		return -1;
	assert_true(r->relay.len != 0 || gw_addr_eq(&from, &r->at)); /* one port, whoever sends */
	switch (stun_message_get_class(&m)) {
	case STUN_REQUEST:
		rig_answer(r, p, buf, (size_t)n, &from);
		return -1;
	case STUN_ERROR:
		assert_int_equal(stun_message_find_error(&m, &code), STUN_MESSAGE_RETURN_SUCCESS);
		return code;
	case STUN_RESPONSE:
		return 0;
	case STUN_INDICATION:
		break;
	}
	return -1;
}

/* --- running it --------------------------------------------------------------------------------
 */

/* One turn of all sides. @param code set when peer `who` got an answer */
static inline void rig_turn(struct rig *r, unsigned who, int *code)
{
	struct pollfd p[4] = {{.fd = r->fd, .events = POLLIN},
			      {.fd = r->peer[0].fd, .events = POLLIN},
			      {.fd = r->peer[1].fd, .events = POLLIN},
			      {.fd = agw_ice_fd(r->ice, r->v6), .events = POLLIN}};

	(void)poll(p, 4, 10);
	if (p[0].revents != 0)
		rig_read_ours(r);
	if (p[3].revents != 0)
		agw_ice_readable(r->ice, r->env, r->v6, rig_now(r));
	for (unsigned i = 0; i < 2; i++) {
		int c = p[1 + i].revents != 0 ? rig_read_peer(r, &r->peer[i]) : -1;

		if (c >= 0 && i == who)
			*code = c;
	}
	agw_ice_tick(r->ice, r->env, rig_now(r));
}

#define RIG_UNTIL(r, cond)                                                                         \
	do {                                                                                       \
		uint64_t end_ = real_ms() + SOON;                                                  \
		int none_;                                                                         \
		while (!(cond) && real_ms() < end_)                                                \
			rig_turn((r), 2, &none_);                                                  \
		assert_true(cond);                                                                 \
	} while (0)

static inline void rig_run(struct rig *r, uint64_t ms)
{
	uint64_t end = real_ms() + ms;
	int none;

	while (real_ms() < end)
		rig_turn(r, 2, &none);
}

static inline size_t rig_request(struct rig *r, uint8_t *buf, size_t n, const char *ufrag,
				 const char *remote, const char *pwd, unsigned how)
{
	return make_check(&r->stun, buf, n, ufrag, remote, pwd, how);
}

/* Send it from that socket. @return the code of the answer, 0: success, -1: silence */
static inline int rig_give(struct rig *r, unsigned who, const uint8_t *data, size_t n)
{
	uint64_t end = real_ms() + QUIET;
	int code = -1;

	assert_true(agw_udp_send(r->peer[who].fd, &r->at, data, n));
	while (code < 0 && real_ms() < end)
		rig_turn(r, who, &code);
	return code;
}

static inline int rig_check(struct rig *r, unsigned who, unsigned how)
{
	uint8_t buf[1500];
	size_t n = rig_request(r, buf, sizeof(buf), r->creds.ufrag, r->remote, r->creds.pwd, how);

	return rig_give(r, who, buf, n);
}

static inline bool rig_sends_to(const struct rig *r, unsigned who)
{
	const struct agw_ice_pair *p = agw_ice_selected(r->ice);

	return p != NULL && p->local == r->v6 && gw_addr_eq(&p->remote, &r->peer[who].at);
}

/* The peer's SDP is there, with both addresses as candidates, or none. */
static inline void rig_answered(struct rig *r, bool with_cands)
{
	struct agw_ice_peer peer = {.n_cands = with_cands ? 2 : 0};

	for (unsigned i = 0; i < 2; i++)
		peer.cands[i] = (struct agw_ice_cand){.addr = r->peer[i].at,
						      .priority = 2130706431U - i,
						      .component = 1,
						      .type = AGW_CAND_HOST};
	agw_ice_set_peer(r->ice, &peer);
	agw_ice_set_remote(r->ice, r->remote, r->remote_pwd);
	agw_ice_expect(r->ice, rig_now(r));
}

#endif
