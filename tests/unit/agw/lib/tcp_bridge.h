/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A WIC's way by TCP: what it sends as datagrams is framed (RFC 4571) and written in pieces of a
 * size of one's choice, what comes back becomes datagrams again. So the WIC of fake_wic.h needs to
 * know nothing of it. One thread.
 */
#ifndef TESTS_UNIT_AGW_LIB_TCP_BRIDGE_H
#define TESTS_UNIT_AGW_LIB_TCP_BRIDGE_H

#include "tests/unit/agw/lib/fake_wic.h"

#include <netinet/tcp.h>
#include <pthread.h>
#include <stdatomic.h>

struct bridge {
	int udp; /* towards the WIC */
	int tcp;
	size_t piece; /* octets per write */
	pthread_t thread;
	atomic_bool stop;
	atomic_bool deaf; /* reads nothing from the gateway */
	atomic_bool closed;
	size_t have;
	uint8_t in[8192];
};

static inline int tcp_to(const struct gw_addr *gw)
{
	int one = 1, fd = socket(gw->u.sa.sa_family, SOCK_STREAM | SOCK_CLOEXEC, 0);

	assert_true(fd >= 0);
	assert_int_equal(connect(fd, &gw->u.sa, gw->len), 0);
	assert_int_equal(setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one)), 0);
	return fd;
}

/* Does the gateway close it within that time, having sent nothing more but STUN errors? */
static inline bool tcp_is_closed(int fd, int limit_ms)
{
	uint64_t until = wic_now_ms() + (uint64_t)limit_ms;
	uint8_t buf[600];

	while (wic_now_ms() < until) {
		struct pollfd p = {.fd = fd, .events = POLLIN};

		if (poll(&p, 1, 50) == 1 && recv(fd, buf, sizeof(buf), 0) <= 0)
			return true;
	}
	return false;
}

static inline void bridge_write(struct bridge *b, const uint8_t *p, size_t n)
{
	for (size_t at = 0; at < n;) {
		size_t now = n - at < b->piece ? n - at : b->piece;
		ssize_t done = send(b->tcp, p + at, now, MSG_NOSIGNAL);

		if (done <= 0)
			return;
		at += (size_t)done;
	}
}

static inline void bridge_up(struct bridge *b)
{
	uint8_t buf[4096];
	ssize_t n = recv(b->udp, buf + 2, sizeof(buf) - 2, MSG_DONTWAIT);

	if (n < 0)
		return;
	buf[0] = (uint8_t)((size_t)n >> 8);
	buf[1] = (uint8_t)n;
	bridge_write(b, buf, (size_t)n + 2);
}

static inline void bridge_down(struct bridge *b)
{
	ssize_t n = recv(b->tcp, b->in + b->have, sizeof(b->in) - b->have, MSG_DONTWAIT);

	if (n == 0 || (n < 0 && errno != EAGAIN))
		atomic_store(&b->closed, true);
	b->have += n > 0 ? (size_t)n : 0;
	while (b->have >= 2) {
		size_t len = (size_t)b->in[0] << 8 | b->in[1];

		if (b->have < len + 2)
			return;
		(void)send(b->udp, b->in + 2, len, 0);
		b->have -= len + 2;
		memmove(b->in, b->in + len + 2, b->have);
	}
}

static inline void *bridge_run(void *arg)
{
	struct bridge *b = arg;

	while (!atomic_load(&b->stop)) {
		bool hears = !atomic_load(&b->deaf) && !atomic_load(&b->closed);
		struct pollfd p[2] = {{.fd = b->udp, .events = POLLIN},
				      {.fd = hears ? b->tcp : -1, .events = POLLIN}};

		if (poll(p, 2, 5) <= 0)
			continue;
		if (p[0].revents != 0)
			bridge_up(b);
		if (p[1].revents != 0)
			bridge_down(b);
	}
	return NULL;
}

/* From now on the WIC is connected to that TCP address. */
static inline void bridge_open(struct bridge *b, struct wic *w, const struct gw_addr *gw,
			       size_t piece)
{
	struct gw_addr mine, theirs;

	memset(b, 0, sizeof(*b));
	b->piece = piece;
	assert_int_equal(gw_addr_parse_ip(&mine, "127.0.0.1", 0), GW_OK);
	assert_int_equal(agw_udp_open(&b->udp, &mine), GW_OK);
	assert_int_equal(agw_udp_local(b->udp, &mine), GW_OK);
	wic_aim(w, &mine);
	assert_int_equal(agw_udp_local(w->fd, &theirs), GW_OK);
	assert_int_equal(agw_udp_connect(b->udp, &theirs), GW_OK);
	b->tcp = tcp_to(gw);
	assert_int_equal(pthread_create(&b->thread, NULL, bridge_run, b), 0);
}

static inline void bridge_close(struct bridge *b)
{
	atomic_store(&b->stop, true);
	assert_int_equal(pthread_join(b->thread, NULL), 0);
	(void)close(b->tcp);
	(void)close(b->udp);
}

#endif
