/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ICE-TCP, passive (ICE-26; RFC 6544, RFC 4571): connections of WICs whose networks let no UDP
 * through. One listening port per family and worker; the first packet of a connection must be a
 * check that names a stream of this worker and proves itself to its ICE, then the connection is
 * that stream's: STUN, DTLS and SRTP as on UDP, its pair is (AGW_LOCAL_TCP, remote address).
 *
 *   accepted ──(first check, in AGW_TCP_IDENTIFY_MS)──> a leg's ──> closed: pair lost, consent too
 *       └── anything else, or nothing ──> closed
 *
 * Bounds: so many unidentified at once, of one address fewer; so many per leg; one frame half
 * written per connection, and the kernel's small buffer: what does not fit is dropped whole.
 * Thread: the worker; new and free: control thread.
 */
#ifndef AGW_RELAY_TCP_H
#define AGW_RELAY_TCP_H

#include "agw/relay/stream.h"

#define AGW_TCP_IDENTIFY_MS 5000
#define AGW_TCP_UNKNOWN     64 /* not identified yet, per worker */
#define AGW_TCP_PER_SOURCE  16 /* of them, of one IPv4 address or IPv6 /64 */
#define AGW_TCP_PER_LEG     4

struct agw_leg;

/** @return GW_OK; GW_ERR_NOMEM */
enum gw_err agw_tcp_new(struct agw_tcp **out) GW_MUST_CHECK;
/** Closes what is not a leg's. */
void agw_tcp_free(struct agw_tcp *t);
/** Listen by that socket (borrowed), polled by epfd; before the worker starts. */
enum gw_err agw_tcp_open(struct agw_tcp *t, int epfd, enum agw_family family, int fd) GW_MUST_CHECK;

/** A listening socket or a connection is ready. */
void agw_tcp_ready(struct agw_relay_env *env, struct agw_sock *sock);
/** Once a turn, behind the mailbox: who was not known, and what can be freed. */
void agw_tcp_after_mail(struct agw_relay_env *env);
bool agw_tcp_awaits_mail(const struct agw_tcp *t);
/** Time limits; several times a second while agw_tcp_is_busy. */
void agw_tcp_sweep(struct agw_relay_env *env);
bool agw_tcp_is_busy(const struct agw_tcp *t);

/** @return false: no such connection, or it is full; nothing of the packet is sent */
bool agw_tcp_send(struct agw_leg *l, const struct gw_addr *to, const void *data, size_t len);
/** The leg's stream ends: its connections too. */
void agw_tcp_leave(struct agw_leg *l);
/** The same without a worker. */
void agw_tcp_destroy(struct agw_leg *l);

#endif
