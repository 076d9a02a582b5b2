/* SPDX-License-Identifier: Apache-2.0 */
/*
 * SO_REUSEPORT with a classic BPF program that picks the socket. See steer.h.
 *
 * The library binds alone, without SO_REUSEPORT; set afterwards, it lets ours in beside. Sockets
 * of such a group have numbers in the order they came: the library's is 0, ours is 1. When the
 * library closes its own, ours is all there is and gets everything, whatever the program says.
 */
#include "agw/net/steer.h"

#include "agw/net/udp.h"

#include <errno.h>
#include <linux/filter.h>
#include <sys/socket.h>
#include <unistd.h>

#define STUN_LAST     3 /* first octets, RFC 7983 s7 */
#define CHANNEL_FIRST 64
#define CHANNEL_LAST  79

static enum gw_err attach(int fd, bool turn)
{
	struct sock_filter code[] = {
	    BPF_STMT(BPF_LD | BPF_B | BPF_ABS, 0),
	    BPF_JUMP(BPF_JMP | BPF_JGT | BPF_K, STUN_LAST, 0, 3),
	    BPF_JUMP(BPF_JMP | BPF_JGE | BPF_K, turn ? CHANNEL_FIRST : 256, 0, 1),
	    BPF_JUMP(BPF_JMP | BPF_JGT | BPF_K, CHANNEL_LAST, 0, 1),
	    BPF_STMT(BPF_RET | BPF_K, 1),
	    BPF_STMT(BPF_RET | BPF_K, 0),
	};
	struct sock_fprog prog = {.len = sizeof(code) / sizeof(code[0]), .filter = code};

	if (setsockopt(fd, SOL_SOCKET, SO_ATTACH_REUSEPORT_CBPF, &prog, sizeof(prog)) != 0)
		return GW_ERR_UNSUPPORTED;
	return GW_OK;
}

enum gw_err agw_steer_open(int *out, int stun_fd, const struct gw_addr *at, bool turn)
{
	int one = 1;
	int fd = -1;
	enum gw_err err;

	if (setsockopt(stun_fd, SOL_SOCKET, SO_REUSEPORT, &one, sizeof(one)) != 0)
		return gw_err_from_errno(errno);
	err = agw_udp_open_beside(&fd, at);
	if (err != GW_OK)
		return err;
	err = attach(fd, turn);
	if (err != GW_OK) {
		(void)close(fd);
		return err;
	}
	*out = fd;
	return GW_OK;
}
