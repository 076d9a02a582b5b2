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

struct agw_udp_in {
	struct mmsghdr msgs[AGW_UDP_BATCH];
	struct iovec iov[AGW_UDP_BATCH];
	struct gw_addr from[AGW_UDP_BATCH];
	_Alignas(8) uint8_t buf[AGW_UDP_BATCH][AGW_UDP_BUF];
};
_Static_assert(AGW_UDP_BUF % 8 == 0 && AGW_UDP_HEAD % 8 == 0, "packets are 8-aligned");

struct agw_udp_out {
	int fd;
	unsigned n;
	size_t failed;
	struct mmsghdr msgs[AGW_UDP_BATCH];
	struct iovec iov[AGW_UDP_BATCH];
	struct gw_addr to[AGW_UDP_BATCH];
};

static enum gw_err open_error(int err)
{
	if (err == EADDRINUSE)
		return GW_ERR_EXISTS;
	if (err == EMFILE || err == ENFILE)
		return GW_ERR_LIMIT;
	return gw_err_from_errno(err);
}

enum gw_err agw_udp_open(int *out, const struct gw_addr *bind_to)
{
	bool v6 = gw_addr_is_v6(bind_to);
	int one = 1;
	int pmtu = IP_PMTUDISC_DONT; /* IPv6 has the same value */
	int rcvbuf = RCVBUF_OCTETS;
	int fd = socket(v6 ? AF_INET6 : AF_INET, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	int err;

	if (fd < 0)
		return open_error(errno);
	if (v6 && setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &one, sizeof(one)) != 0)
		goto fail;
	/* DF off: what grows over the path's MTU is fragmented, never lost (RTP-22). */
	if (setsockopt(fd, v6 ? IPPROTO_IPV6 : IPPROTO_IP, v6 ? IPV6_MTU_DISCOVER : IP_MTU_DISCOVER,
		       &pmtu, sizeof(pmtu)) != 0)
		goto fail;
	(void)setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &rcvbuf, sizeof(rcvbuf));
	if (bind(fd, &bind_to->u.sa, bind_to->len) != 0)
		goto fail;
	*out = fd;
	return GW_OK;
fail:
	err = errno;
	(void)close(fd);
	return open_error(err);
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

size_t agw_udp_recv(struct agw_udp_in *in, int fd)
{
	int n;

	for (unsigned i = 0; i < AGW_UDP_BATCH; i++)
		in->msgs[i].msg_hdr.msg_namelen = sizeof(in->from[i].u);
	n = recvmmsg(fd, in->msgs, AGW_UDP_BATCH, MSG_DONTWAIT, NULL);
	/* An error here is EAGAIN, or an ICMP answer to an earlier packet: nothing to read. */
	return n > 0 ? (size_t)n : 0;
}

void agw_udp_in_pkt(struct agw_udp_in *in, size_t i, struct agw_udp_pkt *out)
{
	GW_ASSERT(i < AGW_UDP_BATCH);
	in->from[i].len = in->msgs[i].msg_hdr.msg_namelen;
	out->data = in->buf[i] + AGW_UDP_HEAD;
	out->len = in->msgs[i].msg_len;
	out->from = &in->from[i];
	out->truncated = (in->msgs[i].msg_hdr.msg_flags & MSG_TRUNC) != 0;
}

enum gw_err agw_udp_out_new(struct agw_udp_out **out)
{
	struct agw_udp_out *o = calloc(1, sizeof(*o));

	if (o == NULL)
		return GW_ERR_NOMEM;
	for (unsigned i = 0; i < AGW_UDP_BATCH; i++) {
		o->msgs[i].msg_hdr.msg_iov = &o->iov[i];
		o->msgs[i].msg_hdr.msg_iovlen = 1;
	}
	o->fd = -1;
	*out = o;
	return GW_OK;
}

void agw_udp_out_free(struct agw_udp_out *out)
{
	free(out);
}

void agw_udp_out_add(struct agw_udp_out *out, int fd, const struct gw_addr *to, const void *data,
		     size_t len)
{
	struct msghdr *h;

	if (out->n == AGW_UDP_BATCH || (out->n > 0 && out->fd != fd))
		agw_udp_out_flush(out);
	out->fd = fd;
	h = &out->msgs[out->n].msg_hdr;
	/* iovec has no const; the kernel only reads it. */
	memcpy(&out->iov[out->n].iov_base, &data, sizeof(data));
	out->iov[out->n].iov_len = len;
	if (to != NULL) {
		out->to[out->n] = *to;
		h->msg_name = &out->to[out->n].u;
		h->msg_namelen = to->len;
	} else {
		h->msg_name = NULL;
		h->msg_namelen = 0;
	}
	out->n++;
}

void agw_udp_out_flush(struct agw_udp_out *out)
{
	unsigned done = 0;

	while (done < out->n) {
		int n;

		if (out->n - done == 1)
			n = sendmsg(out->fd, &out->msgs[done].msg_hdr, MSG_DONTWAIT) >= 0 ? 1 : -1;
		else
			n = sendmmsg(out->fd, out->msgs + done, out->n - done, MSG_DONTWAIT);
		if (n > 0) {
			done += (unsigned)n;
			continue;
		}
		/* ICMP from an earlier packet is reported once, before this one is sent. */
		if (errno == ECONNREFUSED &&
		    sendmsg(out->fd, &out->msgs[done].msg_hdr, MSG_DONTWAIT) >= 0) {
			done++;
			continue;
		}
		out->failed++;
		done++;
	}
	out->n = 0;
}

size_t agw_udp_out_failed(struct agw_udp_out *out)
{
	size_t n = out->failed;

	out->failed = 0;
	return n;
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
