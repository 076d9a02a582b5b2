/* SPDX-License-Identifier: Apache-2.0 */
/*
 * UDP sockets and batches. See udp.h.
 */
#include "agw/net/udp.h"

#include <errno.h>
#include <linux/filter.h>
#include <netinet/ip.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define RCVBUF_OCTETS (256 * 1024) /* a burst of video key frame */
_Static_assert(IP_PMTUDISC_DONT == IPV6_PMTUDISC_DONT, "one value for both families");

/* What one socket of many streams should hold: a tenth of a second at 100 000 packets/s. */
#define SHARED_BUF_OCTETS (4 * 1024 * 1024) /* the kernel doubles it */

struct agw_udp_in {
	size_t n; /* filled */
	struct mmsghdr msgs[AGW_UDP_BATCH];
	struct iovec iov[AGW_UDP_BATCH];
	struct gw_addr from[AGW_UDP_BATCH];
	_Alignas(8) uint8_t buf[AGW_UDP_BATCH][AGW_UDP_BUF];
};
_Static_assert(AGW_UDP_BUF % 8 == 0 && AGW_UDP_HEAD % 8 == 0, "packets are 8-aligned");

struct mark { /* one control message: IP_TOS or IPV6_TCLASS */
	_Alignas(struct cmsghdr) char octets[CMSG_SPACE(sizeof(int))];
};

struct agw_udp_out {
	unsigned n;
	int fds[AGW_UDP_BATCH];
	agw_udp_failed_fn *on_failed;
	void *arg;
	void *tags[AGW_UDP_BATCH];
	struct mmsghdr msgs[AGW_UDP_BATCH];
	struct iovec iov[AGW_UDP_BATCH];
	struct gw_addr to[AGW_UDP_BATCH];
	struct mark marks[AGW_UDP_BATCH];
};

static enum gw_err open_error(int err)
{
	if (err == EADDRINUSE)
		return GW_ERR_EXISTS;
	if (err == EMFILE || err == ENFILE)
		return GW_ERR_LIMIT;
	return gw_err_from_errno(err);
}

static enum gw_err open_at(int *out, const struct gw_addr *bind_to, bool beside)
{
	bool v6 = gw_addr_is_v6(bind_to);
	int one = 1;
	int pmtu = IP_PMTUDISC_DONT; /* IPv6 has the same value */
	int rcvbuf = RCVBUF_OCTETS;
	int fd = socket(v6 ? AF_INET6 : AF_INET, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	int err;

	if (fd < 0)
		return open_error(errno);
	/* GLib leaves it off, and both sockets of a group have to agree. */
	if (v6 && !beside && setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &one, sizeof(one)) != 0)
		goto fail;
	/* DF off: what grows over the path's MTU is fragmented, never lost (RTP-22). */
	if (setsockopt(fd, v6 ? IPPROTO_IPV6 : IPPROTO_IP, v6 ? IPV6_MTU_DISCOVER : IP_MTU_DISCOVER,
		       &pmtu, sizeof(pmtu)) != 0)
		goto fail;
	(void)setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &rcvbuf, sizeof(rcvbuf));
	if (beside && setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &one, sizeof(one)) != 0)
		goto fail;
	if (bind(fd, &bind_to->u.sa, bind_to->len) != 0)
		goto fail;
	*out = fd;
	return GW_OK;
fail:
	err = errno;
	(void)close(fd);
	return open_error(err);
}

enum gw_err agw_udp_open(int *out, const struct gw_addr *bind_to)
{
	return open_at(out, bind_to, false);
}

enum gw_err agw_udp_open_beside(int *out, const struct gw_addr *bind_to)
{
	return open_at(out, bind_to, true);
}

void agw_udp_set_dscp(int fd, bool v6, int dscp)
{
	int tos;

	if (dscp < 0 || dscp > 63)
		return;
	tos = dscp << 2; /* Not-ECT (RTP-16) */
	if (v6)
		(void)setsockopt(fd, IPPROTO_IPV6, IPV6_TCLASS, &tos, sizeof(tos));
	else
		(void)setsockopt(fd, IPPROTO_IP, IP_TOS, &tos, sizeof(tos));
}

static void grow(int fd, int force, int plain)
{
	int octets = SHARED_BUF_OCTETS;

	/* The forced one needs CAP_NET_ADMIN; the other stops at net.core.[rw]mem_max. */
	if (setsockopt(fd, SOL_SOCKET, force, &octets, sizeof(octets)) != 0)
		(void)setsockopt(fd, SOL_SOCKET, plain, &octets, sizeof(octets));
}

size_t agw_udp_set_buffers(int fd)
{
	int octets = 0;
	socklen_t n = sizeof(octets);

	grow(fd, SO_RCVBUFFORCE, SO_RCVBUF);
	grow(fd, SO_SNDBUFFORCE, SO_SNDBUF);
	if (getsockopt(fd, SOL_SOCKET, SO_RCVBUF, &octets, &n) != 0 || octets < 0)
		return 0;
	return (size_t)octets;
}

enum gw_err agw_udp_connect(int fd, const struct gw_addr *to)
{
	const struct sockaddr none = {.sa_family = AF_UNSPEC};

	if (to == NULL ? connect(fd, &none, sizeof(none)) != 0
		       : connect(fd, &to->u.sa, to->len) != 0)
		return gw_err_from_errno(errno);
	return GW_OK;
}

void agw_udp_mute(int fd)
{
	struct sock_filter drop[] = {BPF_STMT(BPF_RET | BPF_K, 0)};
	struct sock_fprog prog = {.len = 1, .filter = drop};

	(void)setsockopt(fd, SOL_SOCKET, SO_ATTACH_FILTER, &prog, sizeof(prog));
}

enum gw_err agw_udp_local(int fd, struct gw_addr *out)
{
	struct gw_addr a = {.len = sizeof(a.u)};

	if (getsockname(fd, &a.u.sa, &a.len) != 0)
		return gw_err_from_errno(errno);
	*out = a;
	return GW_OK;
}

enum gw_err agw_udp_in_new(struct agw_udp_in **out)
{
	struct agw_udp_in *in = calloc(1, sizeof(*in));

	if (in == NULL)
		return GW_ERR_NOMEM;
	for (unsigned i = 0; i < AGW_UDP_BATCH; i++) {
		in->iov[i].iov_base = in->buf[i] + AGW_UDP_HEAD;
		in->iov[i].iov_len = AGW_UDP_MTU;
		in->msgs[i].msg_hdr.msg_iov = &in->iov[i];
		in->msgs[i].msg_hdr.msg_iovlen = 1;
		in->msgs[i].msg_hdr.msg_name = &in->from[i].u;
	}
	*out = in;
	return GW_OK;
}

void agw_udp_in_free(struct agw_udp_in *in)
{
	free(in);
}

size_t agw_udp_in_room(const struct agw_udp_in *in)
{
	return AGW_UDP_BATCH - in->n;
}

void agw_udp_in_reset(struct agw_udp_in *in)
{
	in->n = 0;
}

size_t agw_udp_recv(struct agw_udp_in *in, int fd, size_t most, size_t *first)
{
	struct mmsghdr *m = in->msgs + in->n;
	size_t got;

	*first = in->n;
	if (most > AGW_UDP_BATCH - in->n)
		most = AGW_UDP_BATCH - in->n;
	if (most == 0)
		return 0;
	for (size_t i = 0; i < most; i++)
		m[i].msg_hdr.msg_namelen = sizeof(in->from[i].u);
	/* An error here is EAGAIN, or an ICMP answer to an earlier packet: nothing to read. */
	if (most == 1) {
		ssize_t n = recvmsg(fd, &m->msg_hdr, MSG_DONTWAIT);

		m->msg_len = n > 0 ? (unsigned)n : 0;
		got = n >= 0 ? 1 : 0;
	} else {
		int n = recvmmsg(fd, m, (unsigned)most, MSG_DONTWAIT, NULL);

		got = n > 0 ? (size_t)n : 0;
	}
	in->n += got;
	return got;
}

size_t agw_udp_recv_peer(struct agw_udp_in *in, int fd, const struct gw_addr *peer, size_t *first)
{
	struct mmsghdr *m = in->msgs + in->n;
	ssize_t n;

	*first = in->n;
	if (in->n == AGW_UDP_BATCH)
		return 0;
	/* With MSG_TRUNC the kernel tells how long it was. */
	n = recv(fd, in->buf[in->n] + AGW_UDP_HEAD, AGW_UDP_MTU, MSG_DONTWAIT | MSG_TRUNC);
	if (n < 0)
		return 0;
	m->msg_hdr.msg_flags = n > AGW_UDP_MTU ? MSG_TRUNC : 0;
	m->msg_len = (unsigned)(n > AGW_UDP_MTU ? AGW_UDP_MTU : n);
	m->msg_hdr.msg_namelen = peer->len;
	in->from[in->n] = *peer;
	in->n++;
	return 1;
}

bool agw_udp_in_put(struct agw_udp_in *in, const struct gw_addr *from, const void *data, size_t len,
		    struct agw_udp_pkt *out)
{
	size_t i = in->n;

	if (i == AGW_UDP_BATCH || len > AGW_UDP_MTU)
		return false;
	memcpy(in->buf[i] + AGW_UDP_HEAD, data, len);
	in->from[i] = *from;
	in->msgs[i].msg_hdr.msg_namelen = from->len;
	in->msgs[i].msg_hdr.msg_flags = 0;
	in->msgs[i].msg_len = (unsigned)len;
	in->n++;
	agw_udp_in_pkt(in, i, out);
	return true;
}

void agw_udp_in_pkt(struct agw_udp_in *in, size_t i, struct agw_udp_pkt *out)
{
	GW_ASSERT(i < in->n);
	in->from[i].len = in->msgs[i].msg_hdr.msg_namelen;
	out->data = in->buf[i] + AGW_UDP_HEAD;
	out->len = in->msgs[i].msg_len;
	out->from = &in->from[i];
	out->truncated = (in->msgs[i].msg_hdr.msg_flags & MSG_TRUNC) != 0;
}

enum gw_err agw_udp_out_new(struct agw_udp_out **out, agw_udp_failed_fn *failed, void *arg)
{
	struct agw_udp_out *o = calloc(1, sizeof(*o));

	if (o == NULL)
		return GW_ERR_NOMEM;
	for (unsigned i = 0; i < AGW_UDP_BATCH; i++) {
		o->msgs[i].msg_hdr.msg_iov = &o->iov[i];
		o->msgs[i].msg_hdr.msg_iovlen = 1;
	}
	o->on_failed = failed;
	o->arg = arg;
	*out = o;
	return GW_OK;
}

void agw_udp_out_free(struct agw_udp_out *out)
{
	free(out);
}

static void set_mark(struct msghdr *h, struct mark *m, bool v6, int dscp)
{
	struct cmsghdr *c;
	int tos;

	h->msg_control = NULL;
	h->msg_controllen = 0;
	if (dscp < 0)
		return;
	tos = dscp << 2; /* Not-ECT (RTP-16) */
	h->msg_control = m->octets;
	h->msg_controllen = sizeof(m->octets);
	c = CMSG_FIRSTHDR(h);
	c->cmsg_level = v6 ? IPPROTO_IPV6 : IPPROTO_IP;
	c->cmsg_type = v6 ? IPV6_TCLASS : IP_TOS;
	c->cmsg_len = CMSG_LEN(sizeof(tos));
	memcpy(CMSG_DATA(c), &tos, sizeof(tos));
}

void agw_udp_out_add(struct agw_udp_out *out, const struct agw_udp_dgram *d, void *tag)
{
	struct msghdr *h;
	unsigned i;

	if (out->n == AGW_UDP_BATCH)
		agw_udp_out_flush(out);
	i = out->n++;
	out->fds[i] = d->fd;
	h = &out->msgs[i].msg_hdr;
	out->tags[i] = tag;
	/* iovec has no const; the kernel only reads it. */
	memcpy(&out->iov[i].iov_base, &d->data, sizeof(d->data));
	out->iov[i].iov_len = d->len;
	h->msg_name = NULL;
	h->msg_namelen = 0;
	if (d->to != NULL) {
		out->to[i] = *d->to;
		h->msg_name = &out->to[i].u;
		h->msg_namelen = d->to->len;
	}
	set_mark(h, &out->marks[i], d->to != NULL && gw_addr_is_v6(d->to), d->dscp);
}

/* One datagram, by the call that costs least. */
static bool send_one(int fd, const struct msghdr *h)
{
	if (h->msg_control != NULL)
		return sendmsg(fd, h, MSG_DONTWAIT) >= 0;
	return sendto(fd, h->msg_iov->iov_base, h->msg_iov->iov_len, MSG_DONTWAIT, h->msg_name,
		      h->msg_namelen) >= 0;
}

/* From `i` on, what goes by one socket. @return how many went, or could not (and were told) */
static unsigned send_some(struct agw_udp_out *out, unsigned i)
{
	unsigned end = i + 1;
	int n;

	while (end < out->n && out->fds[end] == out->fds[i])
		end++;
	if (end - i == 1)
		n = send_one(out->fds[i], &out->msgs[i].msg_hdr) ? 1 : -1;
	else
		n = sendmmsg(out->fds[i], out->msgs + i, end - i, MSG_DONTWAIT);
	if (n > 0)
		return (unsigned)n;
	/* ICMP from an earlier packet is reported once, before this one is sent. */
	if (errno != ECONNREFUSED || !send_one(out->fds[i], &out->msgs[i].msg_hdr))
		out->on_failed(out->arg, out->tags[i]);
	return 1;
}

void agw_udp_out_flush(struct agw_udp_out *out)
{
	for (unsigned done = 0; done < out->n;)
		done += send_some(out, done);
	out->n = 0;
}

bool agw_udp_send(int fd, const struct gw_addr *to, const void *data, size_t len)
{
	ssize_t n = sendto(fd, data, len, MSG_DONTWAIT, to != NULL ? &to->u.sa : NULL,
			   to != NULL ? to->len : 0);

	if (n < 0 && errno == ECONNREFUSED)
		n = sendto(fd, data, len, MSG_DONTWAIT, to != NULL ? &to->u.sa : NULL,
			   to != NULL ? to->len : 0);
	return n >= 0;
}

bool agw_udp_send_dgram(const struct agw_udp_dgram *d)
{
	struct iovec iov = {.iov_len = d->len};
	struct gw_addr to = {.len = 0};
	struct msghdr h = {.msg_iov = &iov, .msg_iovlen = 1};
	struct mark mark;

	if (d->dscp < 0)
		return agw_udp_send(d->fd, d->to, d->data, d->len);
	memcpy(&iov.iov_base, &d->data, sizeof(d->data));
	if (d->to != NULL) {
		to = *d->to;
		h.msg_name = &to.u;
		h.msg_namelen = to.len;
	}
	set_mark(&h, &mark, gw_addr_is_v6(&to), d->dscp);
	return sendmsg(d->fd, &h, MSG_DONTWAIT) >= 0;
}
