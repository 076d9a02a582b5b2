/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Our sockets: a few per side, shared by all calls. Towards the core calls are told apart by the
 * relay's port. Each WIC has an address of its own in 127.64.0.0/10, put into what it sends and
 * read from what it gets: a relay may have one port for all WICs.
 * Sending and receiving in batches, so that the generator costs little beside the relay; received
 * packets carry the kernel's time, so that our own delay is not in the latency.
 */
#include "tests/bench/media/bench.h"

#include <arpa/inet.h>
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define BATCH   64
#define BUFFER  (8 << 20)

#define WIC_NET UINT32_C(0x7f400000)

struct out {
	int fd;
	unsigned n;
	struct mmsghdr msg[BATCH];
	struct iovec iov[BATCH];
	struct gw_addr to[BATCH];
	uint8_t data[BATCH][BENCH_PACKET + AGW_SRTP_TRAILER_MAX];
	_Alignas(struct cmsghdr) char from[BATCH][CMSG_SPACE(sizeof(struct in_pktinfo))];
};

struct bench_wire {
	struct out out[BENCH_SIDES][BENCH_SOCKETS];
	bench_on_packet cb;
	void *arg;
	bench_on_sent tap;
	void *tap_arg;
	uint64_t refused, overrun;
	uint32_t dropped[BENCH_SIDES][BENCH_SOCKETS];
	/* one batch in */
	struct mmsghdr msg[BATCH];
	struct iovec iov[BATCH];
	struct gw_addr from[BATCH];
	_Alignas(8) uint8_t data[BATCH][BENCH_PACKET + AGW_SRTP_TRAILER_MAX];
	_Alignas(struct cmsghdr) char control[BATCH][192];
};

static int open_socket(const char *ip, enum bench_side side)
{
	struct gw_addr a;
	int on = 1, size = BUFFER;
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

	if (fd < 0)
		return -1;
	(void)setsockopt(fd, SOL_SOCKET, SO_TIMESTAMPNS, &on, sizeof(on));
	(void)setsockopt(fd, SOL_SOCKET, SO_RXQ_OVFL, &on, sizeof(on));
	if (setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &size, sizeof(size)) != 0)
		(void)setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &size, sizeof(size));
	(void)setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &size, sizeof(size));
	if (side == BENCH_WIC && setsockopt(fd, IPPROTO_IP, IP_PKTINFO, &on, sizeof(on)) != 0) {
		close(fd);
		return -1;
	}
	if (gw_addr_parse_ip(&a, side == BENCH_WIC ? "0.0.0.0" : ip, 0) != GW_OK ||
	    bind(fd, &a.u.sa, a.len) != 0) {
		close(fd);
		return -1;
	}
	return fd;
}

struct bench_wire *bench_wire_new(const char *ip, bench_on_packet cb, void *arg)
{
	struct bench_wire *w = calloc(1, sizeof(*w));

	if (w == NULL)
		return NULL;
	w->cb = cb;
	w->arg = arg;
	for (unsigned s = 0; s < BENCH_SIDES; s++)
		for (unsigned i = 0; i < BENCH_SOCKETS; i++) {
			w->out[s][i].fd = open_socket(ip, (enum bench_side)s);
			if (w->out[s][i].fd < 0) {
				perror("socket");
				exit(EXIT_FAILURE);
			}
		}
	return w;
}

void bench_wire_free(struct bench_wire *w)
{
	if (w == NULL)
		return;
	for (unsigned s = 0; s < BENCH_SIDES; s++)
		for (unsigned i = 0; i < BENCH_SOCKETS; i++)
			close(w->out[s][i].fd);
	free(w);
}

uint16_t bench_wire_port(const struct bench_wire *w, enum bench_side side, unsigned call)
{
	struct gw_addr a = {.len = sizeof(a.u)};

	(void)getsockname(w->out[side][call % BENCH_SOCKETS].fd, &a.u.sa, &a.len);
	return gw_addr_port(&a);
}

void bench_wire_wic_ip(unsigned call, char *buf, size_t n)
{
	const struct in_addr a = {.s_addr = htonl(WIC_NET + call + 1)};

	(void)inet_ntop(AF_INET, &a, buf, (socklen_t)n);
}

static void flush_one(struct bench_wire *w, struct out *o)
{
	unsigned done = 0;

	while (done < o->n) {
		int n = sendmmsg(o->fd, o->msg + done, o->n - done, 0);

		if (n > 0) {
			done += (unsigned)n;
		} else if (errno == EAGAIN || errno == ENOBUFS) {
			struct pollfd p = {.fd = o->fd, .events = POLLOUT};

			(void)poll(&p, 1, 5);
		} else { /* a refused port (ICMP): this one is lost, the others go on */
			w->refused++;
			done++;
		}
	}
	o->n = 0;
}

/* The call's own source address. */
static void from_wic(struct msghdr *h, char *control, unsigned call)
{
	struct in_pktinfo info = {.ipi_spec_dst.s_addr = htonl(WIC_NET + call + 1)};
	struct cmsghdr *c;

	h->msg_control = control;
	h->msg_controllen = CMSG_SPACE(sizeof(info));
	c = CMSG_FIRSTHDR(h);
	c->cmsg_level = IPPROTO_IP;
	c->cmsg_type = IP_PKTINFO;
	c->cmsg_len = CMSG_LEN(sizeof(info));
	memcpy(CMSG_DATA(c), &info, sizeof(info));
}

void bench_wire_send(struct bench_wire *w, enum bench_side side, unsigned call,
		     const struct gw_addr *to, const uint8_t *p, size_t n)
{
	struct out *o = &w->out[side][call % BENCH_SOCKETS];
	unsigned i = o->n;

	if (w->tap != NULL)
		w->tap(w->tap_arg, side, call, to, p, n);
	memcpy(o->data[i], p, n);
	o->to[i] = *to;
	o->iov[i] = (struct iovec){o->data[i], n};
	o->msg[i].msg_hdr = (struct msghdr){.msg_name = &o->to[i].u,
					    .msg_namelen = o->to[i].len,
					    .msg_iov = &o->iov[i],
					    .msg_iovlen = 1};
	if (side == BENCH_WIC)
		from_wic(&o->msg[i].msg_hdr, o->from[i], call);
	if (++o->n == BATCH)
		flush_one(w, o);
}

void bench_wire_flush(struct bench_wire *w)
{
	for (unsigned s = 0; s < BENCH_SIDES; s++)
		for (unsigned i = 0; i < BENCH_SOCKETS; i++)
			flush_one(w, &w->out[s][i]);
}

/* The kernel's time of arrival; its count of what our full buffer cost; the WIC's address. */
static int64_t read_control(struct bench_wire *w, struct msghdr *h, enum bench_side s, unsigned i,
			    uint32_t *call)
{
	int64_t at = 0;

	for (struct cmsghdr *c = CMSG_FIRSTHDR(h); c != NULL; c = CMSG_NXTHDR(h, c)) {
		if (c->cmsg_level == IPPROTO_IP && c->cmsg_type == IP_PKTINFO) {
			struct in_pktinfo info;

			memcpy(&info, CMSG_DATA(c), sizeof(info));
			*call = ntohl(info.ipi_addr.s_addr) - WIC_NET - 1;
		}
		if (c->cmsg_level != SOL_SOCKET)
			continue;
		if (c->cmsg_type == SO_TIMESTAMPNS) {
			struct timespec ts;

			memcpy(&ts, CMSG_DATA(c), sizeof(ts));
			at = (int64_t)ts.tv_sec * 1000000000 + ts.tv_nsec;
		} else if (c->cmsg_type == SO_RXQ_OVFL) {
			uint32_t total;

			memcpy(&total, CMSG_DATA(c), sizeof(total));
			w->overrun += total - w->dropped[s][i];
			w->dropped[s][i] = total;
		}
	}
	return at != 0 ? at : bench_now_ns();
}

static void drain(struct bench_wire *w, enum bench_side s, unsigned i)
{
	int n;

	do {
		for (unsigned k = 0; k < BATCH; k++) {
			w->iov[k] = (struct iovec){w->data[k], BENCH_PACKET};
			w->msg[k].msg_hdr =
			    (struct msghdr){.msg_name = &w->from[k].u,
					    .msg_namelen = sizeof(w->from[k].u),
					    .msg_iov = &w->iov[k],
					    .msg_iovlen = 1,
					    .msg_control = w->control[k],
					    .msg_controllen = sizeof(w->control[k])};
		}
		n = recvmmsg(w->out[s][i].fd, w->msg, BATCH, MSG_DONTWAIT, NULL);
		for (int k = 0; k < n; k++) {
			uint32_t call = UINT32_MAX;
			int64_t at = read_control(w, &w->msg[k].msg_hdr, s, i, &call);

			w->from[k].len = w->msg[k].msg_hdr.msg_namelen;
			w->cb(w->arg, s, call, gw_addr_port(&w->from[k]), w->data[k],
			      w->msg[k].msg_len, at);
		}
	} while (n == BATCH);
}

void bench_wire_poll(struct bench_wire *w, int64_t wait_ns)
{
	struct timespec wait = {.tv_sec = wait_ns / 1000000000, .tv_nsec = wait_ns % 1000000000};
	struct pollfd p[BENCH_SIDES * BENCH_SOCKETS];
	unsigned n = 0;

	for (unsigned s = 0; s < BENCH_SIDES; s++)
		for (unsigned i = 0; i < BENCH_SOCKETS; i++)
			p[n++] = (struct pollfd){.fd = w->out[s][i].fd, .events = POLLIN};
	if (ppoll(p, n, &wait, NULL) <= 0)
		return;
	for (unsigned k = 0; k < n; k++)
		if ((p[k].revents & POLLIN) != 0)
			drain(w, (enum bench_side)(k / BENCH_SOCKETS), k % BENCH_SOCKETS);
}

void bench_wire_tap(struct bench_wire *w, bench_on_sent cb, void *arg)
{
	w->tap = cb;
	w->tap_arg = arg;
}

uint64_t bench_wire_refused(const struct bench_wire *w)
{
	return w->refused;
}

uint64_t bench_wire_overrun(const struct bench_wire *w)
{
	return w->overrun;
}
