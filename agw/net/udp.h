/* SPDX-License-Identifier: Apache-2.0 */
/*
 * UDP sockets of the media plane: non-blocking, never fragment-refusing (RTP-22), read and
 * written in batches. Nothing here logs: the caller counts.
 * Thread: opening on the control thread; afterwards the owning worker.
 */
#ifndef AGW_NET_UDP_H
#define AGW_NET_UDP_H

#include "common/err.h"
#include "common/sockaddr.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define AGW_UDP_BATCH 64
#define AGW_UDP_MTU   2048 /* largest datagram taken (RTP-22) */
#define AGW_UDP_HEAD  64   /* room in front, for what RTCP conversion prepends */
#define AGW_UDP_TAIL  192  /* room behind, for the SRTP trailer */
#define AGW_UDP_BUF   (AGW_UDP_HEAD + AGW_UDP_MTU + AGW_UDP_TAIL)

/** @return GW_OK; GW_ERR_EXISTS address in use; GW_ERR_LIMIT no descriptors; GW_ERR_IO */
enum gw_err agw_udp_open(int *out, const struct gw_addr *bind_to) GW_MUST_CHECK;
/** The same, where a socket with SO_REUSEPORT has the address already (steer.h). */
enum gw_err agw_udp_open_beside(int *out, const struct gw_addr *bind_to) GW_MUST_CHECK;
/** Mark sent packets (RTP-15). -1 = leave alone. Failure is not fatal and ignored. */
void agw_udp_set_dscp(int fd, bool v6, int dscp);
/**
 * Room in the kernel for what many streams send and get by one socket, as much as it grants.
 * @return octets of the receive buffer
 */
size_t agw_udp_set_buffers(int fd);
/** Fix the peer, or set it free again (to NULL); the local port stays. */
enum gw_err agw_udp_connect(int fd, const struct gw_addr *to) GW_MUST_CHECK;
/** Drop whatever arrives from now on inside the kernel, silently (no ICMP; ICE-20). */
void agw_udp_mute(int fd);
/** Address the socket is bound to. */
enum gw_err agw_udp_local(int fd, struct gw_addr *out) GW_MUST_CHECK;

/* Buffers for what is read of several sockets before anything is sent; all free after a reset. */
struct agw_udp_in;

struct agw_udp_pkt {
	uint8_t
	    *data; /* AGW_UDP_HEAD octets before and AGW_UDP_TAIL behind may be used; 8-aligned */
	size_t len;
	const struct gw_addr *from;
	bool truncated; /* was larger than AGW_UDP_MTU: drop it */
};

/** @return GW_OK; GW_ERR_NOMEM */
enum gw_err agw_udp_in_new(struct agw_udp_in **out) GW_MUST_CHECK;
void agw_udp_in_free(struct agw_udp_in *in);
/** How many datagrams there is room for. */
size_t agw_udp_in_room(const struct agw_udp_in *in);
void agw_udp_in_reset(struct agw_udp_in *in);
/**
 * Read what waits, at most `most` and what there is room for.
 * @param first out: index of the first
 * @return how many; 0 = nothing, or an error of a peer
 */
size_t agw_udp_recv(struct agw_udp_in *in, int fd, size_t most, size_t *first);
/** One datagram of a socket connected to `peer`, for less than agw_udp_recv of one. */
size_t agw_udp_recv_peer(struct agw_udp_in *in, int fd, const struct gw_addr *peer, size_t *first);
/** The i-th datagram since the last reset. */
void agw_udp_in_pkt(struct agw_udp_in *in, size_t i, struct agw_udp_pkt *out);
/**
 * What came by another way (a relay), as if it had been read here.
 * @return false: no room, or too long
 */
bool agw_udp_in_put(struct agw_udp_in *in, const struct gw_addr *from, const void *data, size_t len,
		    struct agw_udp_pkt *out);

struct agw_udp_dgram {
	int fd;
	const struct gw_addr *to; /* NULL on a connected socket; copied when queued */
	int dscp;                 /* -1 = as the socket is marked */
	const void *data;
	size_t len;
};

/* Datagrams waiting to be sent together; they borrow their octets until flushed. */
struct agw_udp_out;
/** The kernel refused a datagram queued with that tag. */
typedef void agw_udp_failed_fn(void *arg, void *tag);

/** @param failed told of datagrams that were queued, from a flush. @return GW_OK; GW_ERR_NOMEM */
enum gw_err agw_udp_out_new(struct agw_udp_out **out, agw_udp_failed_fn *failed,
			    void *arg) GW_MUST_CHECK;
void agw_udp_out_free(struct agw_udp_out *out);
/** Queue one datagram; flushes first when the batch is full. What goes by one socket and stands
 * together is one system call. */
void agw_udp_out_add(struct agw_udp_out *out, const struct agw_udp_dgram *d, void *tag);
/** Send what is queued. */
void agw_udp_out_flush(struct agw_udp_out *out);

/** Send one datagram now (STUN, DTLS). @return false when the kernel refused it */
bool agw_udp_send(int fd, const struct gw_addr *to, const void *data, size_t len);
/** The same, marked with its own DSCP. */
bool agw_udp_send_dgram(const struct agw_udp_dgram *d);

#endif
