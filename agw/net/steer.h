/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Two sockets on one address and port: another library's for STUN, ours for all else. The kernel
 * tells them apart by a datagram's first octet (RFC 7983), so that media never passes the library.
 * Thread: control thread, before anybody knows the port.
 */
#ifndef AGW_NET_STEER_H
#define AGW_NET_STEER_H

#include "common/err.h"
#include "common/sockaddr.h"

#include <stdbool.h>

/**
 * Open a socket beside one that is bound already.
 *
 * @param out     ours, bound to the same address; as agw_udp_open makes them
 * @param stun_fd the library's, alone on its port so far; stays its owner's
 * @param at      what it is bound to
 * @param turn    it gets ChannelData as well (64–79): it is a TURN client
 * @return GW_OK; as agw_udp_open; GW_ERR_UNSUPPORTED the kernel cannot tell them apart
 */
enum gw_err agw_steer_open(int *out, int stun_fd, const struct gw_addr *at,
			   bool turn) GW_MUST_CHECK;

#endif
