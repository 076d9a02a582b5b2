/* SPDX-License-Identifier: Apache-2.0 */
/*
 * wicgate-bench-relay: the least a userspace relay can do, to know the limit of this machine. Two
 * sockets per call, one thread; datagrams of the one go out of the other to whoever was heard
 * there first, in the same batches as wicgate-agw. No crypto, no checks, no control.
 *
 *   wicgate-bench-relay ADDRESS:FIRST_PORT CALLS
 */
#include "common/sockaddr.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#define BATCH  16
#define PACKET 2048

struct leg {
	int fd;
	struct gw_addr peer; /* len 0 = not heard yet */
	struct leg *other;
};

static struct mmsghdr in[BATCH];
static struct iovec iov[BATCH];
static struct gw_addr from[BATCH];
static uint8_t data[BATCH][PACKET];

static bool open_leg(struct leg *l, struct leg *other, const struct gw_addr *at, int ep)
{
	struct epoll_event ev = {.events = EPOLLIN, .data.ptr = l};

	l->other = other;
	l->fd = socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	return l->fd >= 0 && bind(l->fd, &at->u.sa, at->len) == 0 &&
	       epoll_ctl(ep, EPOLL_CTL_ADD, l->fd, &ev) == 0;
}

static void forward(struct leg *l)
{
	int n;

	for (unsigned i = 0; i < BATCH; i++) {
		iov[i] = (struct iovec){data[i], PACKET};
		in[i].msg_hdr = (struct msghdr){.msg_name = &from[i].u,
						.msg_namelen = sizeof(from[i].u),
						.msg_iov = &iov[i],
						.msg_iovlen = 1};
	}
	n = recvmmsg(l->fd, in, BATCH, MSG_DONTWAIT, NULL);
	if (n <= 0)
		return;
	if (l->peer.len == 0) {
		from[0].len = in[0].msg_hdr.msg_namelen;
		l->peer = from[0];
		(void)connect(l->fd, &l->peer.u.sa, l->peer.len);
	}
	if (l->other->peer.len == 0)
		return;
	for (int i = 0; i < n; i++) {
		iov[i].iov_len = in[i].msg_len;
		in[i].msg_hdr.msg_name = NULL;
		in[i].msg_hdr.msg_namelen = 0;
	}
	for (int done = 0; done < n;) {
		int sent = sendmmsg(l->other->fd, in + done, (unsigned)(n - done), MSG_DONTWAIT);

		done += sent > 0 ? sent : 1;
	}
}

int main(int argc, char **argv)
{
	struct rlimit rl;
	struct epoll_event ev[64];
	struct gw_addr at;
	struct leg *legs;
	unsigned calls = argc == 3 ? (unsigned)strtoul(argv[2], NULL, 10) : 0;
	int ep = epoll_create1(EPOLL_CLOEXEC);

	if (calls == 0 || gw_addr_parse(&at, argv[1], 0) != GW_OK || ep < 0) {
		fprintf(stderr, "usage: wicgate-bench-relay ADDRESS:FIRST_PORT CALLS\n");
		return EXIT_FAILURE;
	}
	if (getrlimit(RLIMIT_NOFILE, &rl) == 0) {
		rl.rlim_cur = rl.rlim_max;
		(void)setrlimit(RLIMIT_NOFILE, &rl);
	}
	legs = calloc((size_t)calls * 2, sizeof(*legs));
	for (unsigned i = 0; legs != NULL && i < calls * 2; i++) {
		if (!open_leg(&legs[i], &legs[i ^ 1U], &at, ep)) {
			perror("wicgate-bench-relay");
			return EXIT_FAILURE;
		}
		gw_addr_set_port(&at, (uint16_t)(gw_addr_port(&at) + 1));
	}
	puts("ready");
	(void)fflush(stdout);
	for (;;) {
		int n = epoll_wait(ep, ev, 64, -1);

		for (int i = 0; i < n; i++)
			forward(ev[i].data.ptr);
	}
}
