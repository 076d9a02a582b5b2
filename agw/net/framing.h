/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Packets on a TCP connection: 16 bit length, then so many octets (RFC 4571 s2). A stream of
 * octets goes in, whole packets come out; no I/O, fixed memory. A packet over AGW_UDP_MTU is
 * passed over, as a datagram of that size is dropped (RTP-22), and the stream stays in step.
 * Thread: any; one owner.
 */
#ifndef AGW_NET_FRAMING_H
#define AGW_NET_FRAMING_H

#include "agw/net/udp.h"

#define AGW_FRAME_HEAD     2U
#define AGW_FRAMING_OCTETS (2U * (AGW_FRAME_HEAD + AGW_UDP_MTU))

struct agw_framing {
	size_t from, to; /* octets not looked at yet, in buf */
	size_t skip;     /* of a packet too long, still to come */
	uint8_t buf[AGW_FRAMING_OCTETS];
};

enum agw_frame {
	AGW_FRAME_NONE,   /* more octets are needed */
	AGW_FRAME_PACKET, /* of 1 … AGW_UDP_MTU octets */
	AGW_FRAME_TOO_BIG /* one was passed over */
};

/** Where octets may be written, *n of them, at least one; then tell how many it were. */
uint8_t *agw_framing_room(struct agw_framing *f, size_t *n);
void agw_framing_add(struct agw_framing *f, size_t n);
/**
 * The next packet; empty ones are passed over.
 * @param data out: borrowed until the next call of agw_framing_room
 */
enum agw_frame agw_framing_next(struct agw_framing *f, const uint8_t **data, size_t *len);
/** Give the packet taken last back, to be taken again. */
void agw_framing_back(struct agw_framing *f, size_t len);

#endif
