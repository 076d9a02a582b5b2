/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Sockets with a TURN allocation that nobody wants; see leave.h. They come through a pipe, since
 * an agent may go on its worker as well.
 */
#include "agw/ice/leave.h"

#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <stun/usages/turn.h>
#include <sys/epoll.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>
#include <utlist.h>

#define GW_LOG_MOD "ice"
#include "common/log.h"

#define LIMIT_MS  2000
#define FIRST_MS  250 /* doubles */
#define TICK_MS   50
#define ROUNDS    4 /* requests with another nonce: a server may not keep us busy */
#define EVENTS    32
#define BATCH     16 /* datagrams of one socket in a step */
#define ANSWER    1500
#define MISMATCH  437 /* RFC 8656 s18.13: there is no such allocation */
#define NO_NONCE  401
#define OLD_NONCE 438

struct leaving {
	struct leaving *prev, *next;
	int fd; /* owned */
	uint64_t end_ms, again_ms, wait_ms;
	unsigned round;
	StunAgent agent;
	size_t len; /* of ask; 0 = none yet */
	uint8_t ask[1024];
	StunMessage said; /* what asked for a nonce; its octets are `answer` */
	uint8_t answer[ANSWER];
};

struct agw_ice_leave {
	struct gw_addr server;
	const char *username, *password; /* borrowed */
	int epfd, timer, in[2];
	struct leaving *all; /* owned */
	_Atomic unsigned n;  /* in `all`, and in the pipe */
	_Atomic uint64_t returned, kept;
};

static uint64_t now_ms(void)
{
	struct timespec ts;

	(void)clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000 + (uint64_t)ts.tv_nsec / 1000000;
}

static void set_timer(struct agw_ice_leave *l, long ms)
{
	const struct itimerspec at = {.it_interval.tv_nsec = ms * 1000000L,
				      .it_value.tv_nsec = ms * 1000000L};

	(void)timerfd_settime(l->timer, 0, &at, NULL);
}

static void count(_Atomic uint64_t *c)
{
	(void)atomic_fetch_add_explicit(c, 1, memory_order_relaxed);
}

static void keep(struct agw_ice_leave *l, const char *why)
{
	count(&l->kept);
	GW_LOG_LIMITED(GW_LOG_WARN, "turn.kept", "why=%s", why);
}

/* Places are taken before there is a copy, so that there are never more descriptors than that. */
static bool take_place(struct agw_ice_leave *l)
{
	if (atomic_fetch_add_explicit(&l->n, 1, memory_order_relaxed) < AGW_ICE_LEAVE_MAX)
		return true;
	(void)atomic_fetch_sub_explicit(&l->n, 1, memory_order_relaxed);
	return false;
}

static void give_place(struct agw_ice_leave *l)
{
	(void)atomic_fetch_sub_explicit(&l->n, 1, memory_order_relaxed);
}

static void done(struct agw_ice_leave *l, struct leaving *v)
{
	DL_DELETE(l->all, v);
	(void)epoll_ctl(l->epfd, EPOLL_CTL_DEL, v->fd, NULL); /* its twin may still be open */
	(void)close(v->fd);
	explicit_bzero(v, sizeof(*v));
	free(v);
	give_place(l);
	if (l->all == NULL)
		set_timer(l, 0);
}

static void send_ask(const struct agw_ice_leave *l, struct leaving *v, uint64_t now)
{
	(void)sendto(v->fd, v->ask, v->len, MSG_DONTWAIT | MSG_NOSIGNAL, &l->server.u.sa,
		     l->server.len);
	v->again_ms = now + v->wait_ms;
	v->wait_ms *= 2;
}

/* A new request, with the nonce told last if there was one. */
static bool ask(const struct agw_ice_leave *l, struct leaving *v, uint64_t now)
{
	StunMessage msg;
	/* libnice has no const; it only reads them */
	uint8_t *user = (uint8_t *)(uintptr_t)l->username;
	uint8_t *password = (uint8_t *)(uintptr_t)l->password;

	if (v->round == ROUNDS)
		return false;
	v->len = stun_usage_turn_create_refresh(&v->agent, &msg, v->ask, sizeof(v->ask),
						v->round > 0 ? &v->said : NULL, 0, user,
						strlen(l->username), password, strlen(l->password),
						STUN_USAGE_TURN_COMPATIBILITY_RFC5766);
	v->round++;
	v->wait_ms = FIRST_MS;
	if (v->len != 0)
		send_ask(l, v, now);
	return v->len != 0;
}

static void add(struct agw_ice_leave *l, int fd, uint64_t now)
{
	struct epoll_event ev = {.events = EPOLLIN};
	struct leaving *v = calloc(1, sizeof(*v));

	if (v == NULL) {
		keep(l, "no-memory");
		(void)close(fd);
		give_place(l);
		return;
	}
	v->fd = fd;
	v->end_ms = now + LIMIT_MS;
	/* Whoever can answer knows the transaction, which is random; nothing is believed but
	 * "gone". */
	stun_agent_init(&v->agent, STUN_ALL_KNOWN_ATTRIBUTES, STUN_COMPATIBILITY_RFC5389,
			STUN_AGENT_USAGE_LONG_TERM_CREDENTIALS |
			    STUN_AGENT_USAGE_IGNORE_CREDENTIALS);
	ev.data.ptr = v;
	if (l->all == NULL)
		set_timer(l, TICK_MS);
	DL_APPEND(l->all, v);
	if (epoll_ctl(l->epfd, EPOLL_CTL_ADD, fd, &ev) != 0 || !ask(l, v, now)) {
		keep(l, "no-memory");
		done(l, v);
	}
}

/* What the server says. @return true: it is over */
static bool hear(struct agw_ice_leave *l, struct leaving *v, const uint8_t *data, size_t n,
		 uint64_t now)
{
	StunMessage msg;
	int code = 0;

	if (n > sizeof(v->answer) ||
	    stun_agent_validate(&v->agent, &msg, data, n, NULL, NULL) != STUN_VALIDATION_SUCCESS ||
	    stun_message_get_method(&msg) != STUN_REFRESH)
		return false;
	if (stun_message_get_class(&msg) == STUN_ERROR)
		(void)stun_message_find_error(&msg, &code);
	if (code == NO_NONCE || code == OLD_NONCE) {
		memcpy(v->answer, data, n);
		v->said = msg;
		v->said.buffer = v->answer;
		v->said.key = NULL;
		if (ask(l, v, now))
			return false;
		keep(l, "nonce");
	} else if (stun_message_get_class(&msg) == STUN_RESPONSE || code == MISMATCH) {
		count(&l->returned);
	} else {
		keep(l, "refused");
	}
	return true;
}

static void readable(struct agw_ice_leave *l, struct leaving *v, uint64_t now)
{
	for (int i = 0; i < BATCH; i++) {
		struct gw_addr from = {.len = sizeof(from.u)};
		uint8_t buf[ANSWER + 1];
		ssize_t n = recvfrom(v->fd, buf, sizeof(buf), MSG_DONTWAIT, &from.u.sa, &from.len);

		if (n < 0)
			return;
		if (gw_addr_eq(&from, &l->server) && hear(l, v, buf, (size_t)n, now)) {
			done(l, v);
			return;
		}
	}
}

static void tick(struct agw_ice_leave *l, uint64_t now)
{
	struct leaving *v, *tmp;

	DL_FOREACH_SAFE (l->all, v, tmp) {
		if (now >= v->end_ms) {
			keep(l, "silence");
			done(l, v);
		} else if (now >= v->again_ms) {
			send_ask(l, v, now);
		}
	}
}

void agw_ice_leave_add(struct agw_ice_leave *l, int fd)
{
	int copy;

	if (!take_place(l)) {
		keep(l, "too-many");
		return;
	}
	copy = fcntl(fd, F_DUPFD_CLOEXEC, 0);
	if (copy >= 0 && write(l->in[1], &copy, sizeof(copy)) == (ssize_t)sizeof(copy))
		return;
	if (copy >= 0)
		(void)close(copy);
	give_place(l);
	keep(l, "no-descriptor");
}

int agw_ice_leave_fd(const struct agw_ice_leave *l)
{
	return l->epfd;
}

static void take_new(struct agw_ice_leave *l, uint64_t now)
{
	int fd;

	while (read(l->in[0], &fd, sizeof(fd)) == (ssize_t)sizeof(fd))
		add(l, fd, now);
}

void agw_ice_leave_step(struct agw_ice_leave *l)
{
	struct epoll_event evs[EVENTS];
	int n = epoll_wait(l->epfd, evs, EVENTS, 0);
	uint64_t now = now_ms(), ticks;
	bool fresh = false, due = false;

	for (int i = 0; i < n; i++) {
		if (evs[i].data.ptr == l->in)
			fresh = true;
		else if (evs[i].data.ptr == &l->timer)
			due = read(l->timer, &ticks, sizeof(ticks)) > 0;
		else
			readable(l, evs[i].data.ptr, now);
	}
	if (due)
		tick(l, now);
	if (fresh)
		take_new(l, now);
}

void agw_ice_leave_load(const struct agw_ice_leave *l, struct agw_ice_leave_load *out)
{
	out->waiting = atomic_load_explicit(&l->n, memory_order_relaxed);
	out->returned = atomic_load_explicit(&l->returned, memory_order_relaxed);
	out->kept = atomic_load_explicit(&l->kept, memory_order_relaxed);
}

enum gw_err agw_ice_leave_new(struct agw_ice_leave **out, const struct agw_ice_turn *turn)
{
	struct agw_ice_leave *l = calloc(1, sizeof(*l));
	struct epoll_event in = {.events = EPOLLIN}, timer = {.events = EPOLLIN};
	enum gw_err err;

	if (l == NULL)
		return GW_ERR_NOMEM;
	l->server = turn->server;
	l->username = turn->username;
	l->password = turn->password;
	l->in[0] = l->in[1] = l->timer = -1;
	in.data.ptr = l->in;
	timer.data.ptr = &l->timer;
	l->epfd = epoll_create1(EPOLL_CLOEXEC);
	if (l->epfd < 0 || pipe2(l->in, O_CLOEXEC | O_NONBLOCK) != 0)
		goto fail;
	l->timer = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
	if (l->timer < 0 || epoll_ctl(l->epfd, EPOLL_CTL_ADD, l->in[0], &in) != 0 ||
	    epoll_ctl(l->epfd, EPOLL_CTL_ADD, l->timer, &timer) != 0)
		goto fail;
	*out = l;
	return GW_OK;
fail:
	err = gw_err_from_errno(errno);
	agw_ice_leave_free(l);
	return err;
}

void agw_ice_leave_free(struct agw_ice_leave *l)
{
	struct leaving *v, *tmp;
	int fd;

	if (l == NULL)
		return;
	while (l->in[0] >= 0 && read(l->in[0], &fd, sizeof(fd)) == (ssize_t)sizeof(fd))
		(void)close(fd);
	DL_FOREACH_SAFE (l->all, v, tmp)
		done(l, v);
	for (int i = 0; i < 2; i++)
		if (l->in[i] >= 0)
			(void)close(l->in[i]);
	if (l->timer >= 0)
		(void)close(l->timer);
	if (l->epfd >= 0)
		(void)close(l->epfd);
	free(l);
}
