/* SPDX-License-Identifier: Apache-2.0 */
/*
 * TCP sockets of the media plane (ICE-TCP, passive): listening, accepting, writing whole frames.
 * Thread: opening on the control thread; afterwards the owning worker.
 */
#ifndef AGW_NET_TCP_H
#define AGW_NET_TCP_H

#include "common/err.h"
#include "common/sockaddr.h"

#include <stddef.h>
#include <stdint.h>

/** @return GW_OK; GW_ERR_EXISTS address in use; GW_ERR_LIMIT no descriptors; GW_ERR_IO */
enum gw_err agw_tcp_listen(int *out, const struct gw_addr *bind_to) GW_MUST_CHECK;
/** @return GW_OK; GW_ERR_AGAIN nobody waits; GW_ERR_LIMIT no descriptors; GW_ERR_IO */
enum gw_err agw_tcp_accept(int *out, int listener, struct gw_addr *from) GW_MUST_CHECK;

/**
 * Write one packet with its length in front.
 * @return octets the kernel took of AGW_FRAME_HEAD + len; 0: none, it is full or broken
 */
size_t agw_tcp_write_frame(int fd, const void *data, size_t len);

#endif
