/* SPDX-License-Identifier: Apache-2.0 */
/*
 * TCP sockets. See tcp.h. What waits in the kernel is old media soon: the send buffer is small.
 */
#include "agw/net/tcp.h"

#include "agw/net/framing.h"

#include <errno.h>
#include <netinet/tcp.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define BACKLOG       128
#define SNDBUF_OCTETS (64 * 1024) /* the kernel doubles it: some 50 packets of video */

static enum gw_err socket_error(int err)
{
	if (err == EADDRINUSE)
		return GW_ERR_EXISTS;
	if (err == EMFILE || err == ENFILE)
		return GW_ERR_LIMIT;
	return gw_err_from_errno(err);
}

enum gw_err agw_tcp_listen(int *out, const struct gw_addr *bind_to)
{
	bool v6 = gw_addr_is_v6(bind_to);
	int one = 1, err;
	int fd = socket(v6 ? AF_INET6 : AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

	if (fd < 0)
		return socket_error(errno);
	/* Connections of the process before this one may still be in TIME_WAIT. */
	(void)setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	if ((v6 && setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &one, sizeof(one)) != 0) ||
	    bind(fd, &bind_to->u.sa, bind_to->len) != 0 || listen(fd, BACKLOG) != 0) {
		err = errno;
		(void)close(fd);
		return socket_error(err);
	}
	*out = fd;
	return GW_OK;
}

enum gw_err agw_tcp_accept(int *out, int listener, struct gw_addr *from)
{
	int one = 1, sndbuf = SNDBUF_OCTETS, fd;

	from->len = sizeof(from->u);
	fd = accept4(listener, &from->u.sa, &from->len, SOCK_NONBLOCK | SOCK_CLOEXEC);
	if (fd < 0 && (errno == ENOBUFS || errno == ENOMEM))
		return GW_ERR_LIMIT; /* of the system: it waits on, and to try at once is in vain */
	if (fd < 0)
		return errno == EAGAIN ? GW_ERR_AGAIN : socket_error(errno);
	(void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	(void)setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &sndbuf, sizeof(sndbuf));
	*out = fd;
	return GW_OK;
}

size_t agw_tcp_write_frame(int fd, const void *data, size_t len)
{
	uint8_t head[AGW_FRAME_HEAD] = {(uint8_t)(len >> 8), (uint8_t)len};
	struct iovec iov[2] = {{.iov_base = head, .iov_len = sizeof(head)}, {.iov_len = len}};
	const struct msghdr h = {.msg_iov = iov, .msg_iovlen = 2};
	ssize_t n;

	/* iovec has no const; the kernel only reads it. */
	memcpy(&iov[1].iov_base, &data, sizeof(data));
	n = sendmsg(fd, &h, MSG_DONTWAIT | MSG_NOSIGNAL);
	return n > 0 ? (size_t)n : 0;
}
