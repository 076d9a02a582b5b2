/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Connections of ICE-TCP. See tcp.h.
 *
 * A connection that is closed stays in memory until the turn is over: what epoll gave in this turn
 * may still name it.
 */
#include "agw/relay/tcp.h"

#include "agw/net/demux.h"
#include "agw/net/framing.h"
#include "agw/net/tcp.h"
#include "agw/relay/stream_int.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>
#include <utlist.h>

#define ACCEPTS_MAX 16   /* of one turn */
#define READS_MAX   4    /* of one connection in one turn */
#define BUFS        16   /* packets whose octets may wait to be sent on */
#define DEAF_MS     1000 /* out of descriptors: nobody is accepted for so long */
#define OUT_MAX     (AGW_FRAME_HEAD + AGW_UDP_MTU + AGW_UDP_TAIL)

struct agw_tcp_conn {
	struct agw_sock sock;             /* first: what epoll gives; fd -1 = closed */
	struct agw_tcp_conn *prev, *next; /* in tcp->unknown, leg->conns or tcp->dead */
	struct agw_leg *leg;              /* NULL: not identified */
	struct gw_addr from;
	uint64_t heard_ms; /* accepted, or last read */
	bool waits;        /* for the mailbox: its first check names nobody that is known */
	bool waited;
	size_t out_at, out_len; /* rest of a frame that the kernel took a part of */
	uint8_t out[OUT_MAX];
	struct agw_framing in;
};

struct agw_tcp {
	int epfd;
	struct agw_sock listeners[AGW_FAMILY_COUNT]; /* fd -1 = none */
	struct agw_tcp_conn *unknown;                /* owned; oldest first */
	unsigned n_unknown;
	struct agw_tcp_conn *dead; /* owned; freed when the turn is over */
	bool waits;                /* one of the unknown does */
	uint64_t deaf_until_ms;    /* 0 = it is not */
	unsigned next_buf;
	_Alignas(8) uint8_t bufs[BUFS][AGW_UDP_BUF];
};

enum gw_err agw_tcp_new(struct agw_tcp **out)
{
	struct agw_tcp *t = calloc(1, sizeof(*t));

	if (t == NULL)
		return GW_ERR_NOMEM;
	t->epfd = t->listeners[0].fd = t->listeners[1].fd = -1;
	*out = t;
	return GW_OK;
}

static void free_list(struct agw_tcp_conn **list)
{
	struct agw_tcp_conn *c, *tmp;

	DL_FOREACH_SAFE (*list, c, tmp) {
		if (c->sock.fd >= 0)
			(void)close(c->sock.fd);
		explicit_bzero(c, sizeof(*c));
		free(c);
	}
	*list = NULL;
}

void agw_tcp_free(struct agw_tcp *t)
{
	if (t == NULL)
		return;
	free_list(&t->unknown);
	free_list(&t->dead);
	free(t);
}

void agw_tcp_destroy(struct agw_leg *l)
{
	free_list(&l->conns);
}

static bool poll_for(const struct agw_tcp *t, int op, struct agw_sock *s, unsigned events)
{
	struct epoll_event ev = {.events = events, .data.ptr = s};

	return epoll_ctl(t->epfd, op, s->fd, &ev) == 0;
}

enum gw_err agw_tcp_open(struct agw_tcp *t, int epfd, enum agw_family family, int fd)
{
	struct agw_sock *s = &t->listeners[family];

	t->epfd = epfd;
	*s = (struct agw_sock){.fd = fd, .shared = true, .tcp = AGW_TCP_LISTENER};
	return poll_for(t, EPOLL_CTL_ADD, s, EPOLLIN) ? GW_OK : gw_err_from_errno(errno);
}

/* --- ends --------------------------------------------------------------------------------------
 */

static void part(struct agw_tcp *t, struct agw_tcp_conn *c)
{
	if (c->leg != NULL) {
		DL_DELETE(c->leg->conns, c);
		return;
	}
	/* NOLINTNEXTLINE(clang-analyzer-core.NullDereference): a list of one points to itself */
	DL_DELETE(t->unknown, c);
	t->n_unknown--;
}

static void close_conn(struct agw_tcp *t, struct agw_tcp_conn *c)
{
	struct agw_leg *l = c->leg;

	part(t, c);
	(void)close(c->sock.fd); /* and out of epoll: nobody else has it */
	c->sock.fd = -1;
	c->leg = NULL;
	DL_APPEND(t->dead, c);
	if (l != NULL)
		agw_ice_lost(l->ice, AGW_LOCAL_TCP, &c->from);
}

static void close_stranger(struct agw_relay_env *env, struct agw_tcp_conn *c)
{
	agw_drop_stranger(env, AGW_DROP_SOURCE);
	close_conn(env->tcp, c);
}

void agw_tcp_leave(struct agw_leg *l)
{
	struct agw_tcp *t = l->stream->env->tcp;
	struct agw_tcp_conn *c, *tmp;

	DL_FOREACH_SAFE (l->conns, c, tmp) {
		DL_DELETE(l->conns, c);
		(void)close(c->sock.fd);
		c->sock.fd = -1;
		c->leg = NULL;
		DL_APPEND(t->dead, c);
	}
}

/* --- sending -----------------------------------------------------------------------------------
 */

/* @return nothing is left to be written */
static bool flush(const struct agw_tcp *t, struct agw_tcp_conn *c)
{
	ssize_t n;

	if (c->out_len == 0)
		return true;
	n = send(c->sock.fd, c->out + c->out_at, c->out_len - c->out_at,
		 MSG_DONTWAIT | MSG_NOSIGNAL);
	if (n > 0)
		c->out_at += (size_t)n;
	if (c->out_at < c->out_len)
		return false;
	c->out_at = c->out_len = 0;
	(void)poll_for(t, EPOLL_CTL_MOD, &c->sock, EPOLLIN);
	return true;
}

/* Of a frame that was begun the rest must follow, or the peer is out of step for ever. */
static void keep_rest(const struct agw_tcp *t, struct agw_tcp_conn *c, const void *data, size_t len,
		      size_t taken)
{
	c->out[0] = (uint8_t)(len >> 8);
	c->out[1] = (uint8_t)len;
	memcpy(c->out + AGW_FRAME_HEAD, data, len);
	c->out_at = taken;
	c->out_len = AGW_FRAME_HEAD + len;
	(void)poll_for(t, EPOLL_CTL_MOD, &c->sock, EPOLLIN | EPOLLOUT);
}

bool agw_tcp_send(struct agw_leg *l, const struct gw_addr *to, const void *data, size_t len)
{
	struct agw_tcp *t = l->stream->env->tcp;
	struct agw_tcp_conn *c = l->conns;
	size_t n;

	while (c != NULL && !gw_addr_eq(&c->from, to))
		c = c->next;
	if (c == NULL || len + AGW_FRAME_HEAD > sizeof(c->out) || !flush(t, c))
		return false;
	n = agw_tcp_write_frame(c->sock.fd, data, len);
	if (n == 0)
		return false; /* if it is broken, epoll says so */
	if (n < AGW_FRAME_HEAD + len)
		keep_rest(t, c, data, len, n);
	return true;
}

/* --- reading -----------------------------------------------------------------------------------
 */

/* What follows may borrow the octets until it is flushed. */
static void deliver(struct agw_relay_env *env, struct agw_tcp_conn *c, const uint8_t *data,
		    size_t len)
{
	struct agw_tcp *t = env->tcp;
	struct agw_udp_pkt pkt = {.len = len, .from = &c->from};

	if (t->next_buf == BUFS) {
		agw_relay_flush(env);
		t->next_buf = 0;
	}
	pkt.data = t->bufs[t->next_buf++] + AGW_UDP_HEAD;
	memcpy(pkt.data, data, len);
	agw_relay_access(c->leg, AGW_LOCAL_TCP, &pkt);
}

/* One more for this leg: for it the one goes that was silent for the longest time, but never the
 * one that media goes to. @return false: there is none */
static bool make_place(struct agw_tcp *t, struct agw_leg *l)
{
	const struct agw_ice_pair *used = agw_ice_selected(l->ice);
	struct agw_tcp_conn *c, *oldest = NULL;
	unsigned n = 0;

	DL_FOREACH (l->conns, c) {
		bool selected = used != NULL && used->local == AGW_LOCAL_TCP &&
				gw_addr_eq(&used->remote, &c->from);

		n++;
		if (!selected && (oldest == NULL || c->heard_ms < oldest->heard_ms))
			oldest = c;
	}
	if (n < AGW_TCP_PER_LEG)
		return true;
	if (oldest != NULL)
		close_conn(t, oldest);
	return oldest != NULL;
}

static struct agw_leg *named(const struct agw_relay_env *env, const uint8_t *data, size_t len)
{
	size_t n;
	const uint8_t *ufrag = agw_ice_peek_ufrag(data, len, &n);
	struct agw_leg *l = ufrag != NULL ? agw_names_find(env->names, ufrag, n) : NULL;

	return l != NULL && l->tcp ? l : NULL;
}

/* The first packet. @return false: nothing more of this connection now */
static bool identify(struct agw_relay_env *env, struct agw_tcp_conn *c, const uint8_t *data,
		     size_t len)
{
	struct agw_leg *l = named(env, data, len);

	if (l == NULL && !c->waited && agw_demux(data, len) == AGW_PROTO_STUN) {
		c->waits = env->tcp->waits = true; /* its stream may be in the mailbox */
		agw_framing_back(&c->in, len);
		return false;
	}
	if (l == NULL || !make_place(env->tcp, l)) {
		close_stranger(env, c);
		return false;
	}
	part(env->tcp, c);
	c->leg = l;
	DL_APPEND(l->conns, c);
	agw_udp_set_dscp(c->sock.fd, gw_addr_is_v6(&c->from), l->stream->p.access.dscp);
	deliver(env, c, data, len);
	if (c->sock.fd >= 0 && !agw_ice_is_valid_source(l->ice, AGW_LOCAL_TCP, &c->from))
		close_conn(env->tcp, c); /* it was refused: counted there */
	return c->sock.fd >= 0;
}

/* @return false: nothing more of this connection now */
static bool take_packets(struct agw_relay_env *env, struct agw_tcp_conn *c)
{
	const uint8_t *data;
	size_t len;

	for (;;) {
		switch (agw_framing_next(&c->in, &data, &len)) {
		case AGW_FRAME_NONE:
			return true;
		case AGW_FRAME_TOO_BIG:
			if (c->leg == NULL) {
				close_stranger(env, c);
				return false;
			}
			agw_drop(c->leg->stream, &c->leg->stream->counters.up, AGW_DROP_TOO_BIG);
			break;
		case AGW_FRAME_PACKET:
			if (c->leg != NULL)
				deliver(env, c, data, len);
			else if (!identify(env, c, data, len))
				return false;
			if (c->sock.fd < 0)
				return false;
			break;
		}
	}
}

static void read_conn(struct agw_relay_env *env, struct agw_tcp_conn *c)
{
	(void)flush(env->tcp, c);
	for (unsigned i = 0; i < READS_MAX && !c->waits; i++) {
		size_t room;
		uint8_t *at = agw_framing_room(&c->in, &room);
		ssize_t n = recv(c->sock.fd, at, room, MSG_DONTWAIT);

		if (n < 0 && (errno == EAGAIN || errno == EINTR))
			return;
		if (n <= 0) {
			close_conn(env->tcp, c);
			return;
		}
		c->heard_ms = c->leg != NULL ? env->now_ms : c->heard_ms;
		agw_framing_add(&c->in, (size_t)n);
		if (!take_packets(env, c) || (size_t)n < room)
			return;
	}
}

/* --- accepting ---------------------------------------------------------------------------------
 */

/* A host has a whole /64 of addresses in IPv6: it is one source. */
static bool is_same_source(const struct gw_addr *a, const struct gw_addr *b)
{
	if (!gw_addr_is_v6(a) || !gw_addr_is_v6(b))
		return gw_addr_ip_eq(a, b);
	return memcmp(&a->u.v6.sin6_addr, &b->u.v6.sin6_addr, 8) == 0;
}

static unsigned count_of(const struct agw_tcp *t, const struct gw_addr *from)
{
	const struct agw_tcp_conn *c;
	unsigned n = 0;

	DL_FOREACH (t->unknown, c)
		n += is_same_source(&c->from, from);
	return n;
}

/* Who goes when one more comes: the oldest of the source that has most. */
static struct agw_tcp_conn *least_missed(const struct agw_tcp *t)
{
	struct agw_tcp_conn *c, *best = t->unknown;
	unsigned most = 0;

	DL_FOREACH (t->unknown, c) {
		unsigned n = count_of(t, &c->from);

		if (n > most) {
			most = n;
			best = c;
		}
	}
	return best;
}

static void welcome(struct agw_relay_env *env, int fd, const struct gw_addr *from)
{
	struct agw_tcp *t = env->tcp;
	struct agw_tcp_conn *c =
	    count_of(t, from) >= AGW_TCP_PER_SOURCE ? NULL : calloc(1, sizeof(*c));

	if (c == NULL) {
		agw_drop_stranger(env, AGW_DROP_SOURCE);
		(void)close(fd);
		return;
	}
	if (t->n_unknown == AGW_TCP_UNKNOWN)
		close_stranger(env, least_missed(t));
	c->sock = (struct agw_sock){.fd = fd, .shared = true, .tcp = AGW_TCP_CONN};
	c->from = *from;
	c->heard_ms = env->now_ms;
	DL_APPEND(t->unknown, c);
	t->n_unknown++;
	if (!poll_for(t, EPOLL_CTL_ADD, &c->sock, EPOLLIN))
		close_conn(t, c);
}

static void set_deaf(struct agw_relay_env *env, bool deaf)
{
	struct agw_tcp *t = env->tcp;

	t->deaf_until_ms = deaf ? env->now_ms + DEAF_MS : 0;
	for (unsigned f = 0; f < AGW_FAMILY_COUNT; f++)
		if (t->listeners[f].fd >= 0)
			(void)poll_for(t, EPOLL_CTL_MOD, &t->listeners[f], deaf ? 0 : EPOLLIN);
}

static void accept_some(struct agw_relay_env *env, const struct agw_sock *listener)
{
	for (unsigned i = 0; i < ACCEPTS_MAX; i++) {
		struct gw_addr from;
		int fd;
		enum gw_err err = agw_tcp_accept(&fd, listener->fd, &from);

		if (err == GW_OK)
			welcome(env, fd, &from);
		else if (err == GW_ERR_LIMIT)
			set_deaf(env, true);
		if (err == GW_ERR_AGAIN || err == GW_ERR_LIMIT)
			return;
	}
}

void agw_tcp_ready(struct agw_relay_env *env, struct agw_sock *sock)
{
	if (sock->fd < 0)
		return; /* closed in this turn */
	if (sock->tcp == AGW_TCP_LISTENER)
		accept_some(env, sock);
	else
		read_conn(env, (struct agw_tcp_conn *)sock); /* sock is its first member */
}

/* --- between the turns -------------------------------------------------------------------------
 */

bool agw_tcp_awaits_mail(const struct agw_tcp *t)
{
	return t->waits;
}

void agw_tcp_after_mail(struct agw_relay_env *env)
{
	struct agw_tcp *t = env->tcp;
	struct agw_tcp_conn *c, *tmp;

	if (t->waits) {
		t->waits = false;
		DL_FOREACH_SAFE (t->unknown, c, tmp) {
			if (!c->waits)
				continue;
			c->waits = false;
			c->waited = true;
			(void)take_packets(env, c);
		}
		agw_relay_flush(env);
	}
	free_list(&t->dead);
}

bool agw_tcp_is_busy(const struct agw_tcp *t)
{
	return t->unknown != NULL || t->deaf_until_ms != 0;
}

void agw_tcp_sweep(struct agw_relay_env *env)
{
	struct agw_tcp *t = env->tcp;

	while (t->unknown != NULL && env->now_ms - t->unknown->heard_ms >= AGW_TCP_IDENTIFY_MS)
		close_stranger(env, t->unknown);
	if (t->deaf_until_ms != 0 && env->now_ms >= t->deaf_until_ms)
		set_deaf(env, false);
}
