/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What was read from a socket, to whom it goes: by the socket, or on a shared one by the tables of
 * share.c; then by protocol (demux.h).
 *
 *   core sockets, own access sockets ── few datagrams each ─┐
 *   shared access socket ── 64 at a time ── whose? ─────────┴─> STUN, DTLS, RTP, RTCP
 *
 * Datagrams of many sockets are read first, then gone through, then what follows is sent: the way
 * to the WICs, one socket for all, is one sendmmsg, and what the next datagrams need of their
 * streams is fetched while one is at work (ahead.h).
 */
#include "agw/net/demux.h"
#include "agw/relay/ahead.h"
#include "agw/relay/forward.h"
#include "agw/relay/names.h"
#include "agw/relay/share.h"
#include "agw/relay/stream_int.h"
#include "agw/relay/tcp.h"

#define BURST_MAX 16 /* datagrams of one socket in one turn */
#define SHARED_ROUND                                                                               \
	16 /* batches of a shared one: the way up must not starve behind 256 core sockets */

void agw_relay_access(struct agw_leg *l, unsigned local, struct agw_udp_pkt *pkt)
{
	struct agw_stream *s = l->stream;

	if (l->ice == NULL) { /* the WIC muxes: nobody is at home on its second port */
		agw_drop(s, &s->counters.up, AGW_DROP_SOURCE);
		return;
	}
	switch (agw_demux(pkt->data, pkt->len)) {
	case AGW_PROTO_RTP:
		if (l->index == AGW_LEG_RTP)
			agw_forward_up_rtp(s, local, pkt);
		else
			agw_drop(s, &s->counters.up, AGW_DROP_DEMUX);
		break;
	case AGW_PROTO_RTCP:
		agw_forward_up_rtcp(l, local, pkt);
		break;
	case AGW_PROTO_STUN:
		agw_leg_stun(l, local, pkt);
		break;
	case AGW_PROTO_DTLS:
		agw_leg_dtls(l, local, pkt);
		break;
	case AGW_PROTO_OTHER:
		agw_drop(s, &s->counters.up, AGW_DROP_DEMUX);
		break;
	}
}

static void core_pkt(struct agw_stream *s, enum agw_sock_kind kind, struct agw_udp_pkt *pkt)
{
	enum agw_proto proto = agw_demux(pkt->data, pkt->len);

	/* RTCP on the RTP port is taken too: muxed, or a broken peer (RTCP-04). */
	if (proto == AGW_PROTO_RTCP)
		agw_forward_down_rtcp(s, pkt);
	else if (proto == AGW_PROTO_RTP && kind == AGW_SOCK_CORE_RTP)
		agw_forward_down_rtp(s, pkt);
	else
		agw_drop(s, &s->counters.down, AGW_DROP_DEMUX);
}

static void make_room(struct agw_relay_env *env, size_t n)
{
	if (agw_udp_in_room(env->in) < n)
		agw_relay_flush(env);
}

static void own_pkt(struct agw_relay_env *env, const struct agw_unread *u)
{
	struct agw_sock *sock = u->sock;
	struct agw_stream *s = sock->stream;
	bool access = sock->kind < AGW_SOCK_CORE_RTP;
	struct agw_udp_pkt pkt;

	agw_udp_in_pkt(env->in, u->at, &pkt);
	if (pkt.truncated)
		agw_drop(s, access ? &s->counters.up : &s->counters.down, AGW_DROP_TOO_BIG);
	else if (access)
		agw_relay_access(&s->legs[(unsigned)sock->kind / AGW_FAMILY_COUNT],
				 (unsigned)sock->kind % AGW_FAMILY_COUNT, &pkt);
	else
		core_pkt(s, sock->kind, &pkt);
}

static void fetch_own(const struct agw_unread *u, enum agw_ahead step)
{
	const struct agw_sock *sock = u->sock;
	bool up = sock->kind < AGW_SOCK_CORE_RTP;

	agw_ahead(&sock->stream->legs[up ? (unsigned)sock->kind / AGW_FAMILY_COUNT : AGW_LEG_RTP],
		  step, up);
}

static void go_through(struct agw_relay_env *env)
{
	size_t n = env->n_unread;

	env->reading = true;
	for (size_t t = 0; t < n + AGW_AHEAD_ALL; t++) {
		for (unsigned k = 0; k < AGW_AHEAD_STEPS; k++)
			if (agw_ahead_whose(t, k) < n)
				fetch_own(&env->unread[agw_ahead_whose(t, k)], (enum agw_ahead)k);
		if (t >= AGW_AHEAD_ALL)
			own_pkt(env, &env->unread[t - AGW_AHEAD_ALL]);
	}
	env->reading = false;
	env->n_unread = 0;
}

void agw_relay_flush(struct agw_relay_env *env)
{
	bool nested = env->reading;

	if (!nested && env->n_unread > 0)
		go_through(env);
	agw_udp_out_flush(env->out);
	if (!nested)
		agw_udp_in_reset(env->in);
}

void agw_relay_failed(void *arg, void *tag)
{
	struct agw_relay_env *env = arg;
	struct agw_dir_counters *d = tag;

	agw_count(&d->drops[AGW_DROP_SEND], 1);
	agw_count(&env->drops[AGW_DROP_SEND], 1);
}

static void own_readable(struct agw_relay_env *env, struct agw_sock *sock)
{
	bool unsettled = sock->connected && !sock->settled;
	size_t first, n, most = unsettled && sock->burst == 1 ? 2 : sock->burst;

	make_room(env, most);
	if (most == 1 && sock->settled)
		n = agw_udp_recv_peer(env->in, sock->fd, &sock->stream->core_rtp_to, &first);
	else
		n = agw_udp_recv(env->in, sock->fd, most, &first);
	/* What was in the queue when it was connected may be a stranger's: until it was empty once
	 * each datagram's source is asked for. */
	if (unsettled && n < most)
		sock->settled = true;
	/* Voice sends one at a time, video in bursts: ask for what came last time, and more when
	 * there was more. What is left wakes us again. */
	sock->burst = (uint8_t)(n == most ? (n * 2 < BURST_MAX ? n * 2 : BURST_MAX)
				: n > 1   ? n
					  : 1);
	for (size_t i = 0; i < n; i++)
		env->unread[env->n_unread++] = (struct agw_unread){sock, first + i};
}

/* The stream that a STUN message names, or a stranger. */
static struct agw_leg *named(struct agw_relay_env *env, const struct agw_sock *sock,
			     const struct agw_udp_pkt *pkt)
{
	size_t n;
	const uint8_t *ufrag = agw_ice_peek_ufrag(pkt->data, pkt->len, &n);

	struct agw_leg *l = ufrag != NULL ? agw_names_find(env->names, ufrag, n) : NULL;

	return l != NULL && l->share != NULL && l->share->port == sock->port ? l : NULL;
}

/* An answer to a request of ours has no USERNAME: it goes by address, like media. */
static bool is_check(const struct agw_udp_pkt *pkt)
{
	return agw_demux(pkt->data, pkt->len) == AGW_PROTO_STUN &&
	       !agw_ice_is_answer(pkt->data, pkt->len);
}

static void fetch_shared(struct agw_leg *const *legs, size_t n, size_t t)
{
	for (unsigned k = 0; k < AGW_AHEAD_STEPS; k++) {
		size_t i = agw_ahead_whose(t, k);

		if (i < n && legs[i] != NULL)
			agw_ahead(legs[i], (enum agw_ahead)k, true);
	}
}

/* One batch of a shared socket. @return how many there were */
static size_t shared_batch(struct agw_relay_env *env, struct agw_sock *sock)
{
	unsigned local = (unsigned)sock->kind, id = sock->port * AGW_FAMILY_COUNT + local;
	struct agw_udp_pkt pkts[AGW_UDP_BATCH];
	struct agw_leg *legs[AGW_UDP_BATCH];
	uint32_t hash[AGW_UDP_BATCH];
	size_t first, n;

	make_room(env, AGW_UDP_BATCH);
	n = agw_udp_recv(env->in, sock->fd, AGW_UDP_BATCH, &first);
	for (size_t i = 0; i < n; i++) {
		agw_udp_in_pkt(env->in, first + i, &pkts[i]);
		hash[i] = agw_share_hash(env->share, id, pkts[i].from);
	}
	for (size_t i = 0; i < n; i++) {
		const struct agw_udp_pkt *p = &pkts[i];

		legs[i] = is_check(p) ? NULL : agw_share_by_hash(env->share, hash[i], id, p->from);
	}
	for (size_t t = 0; t < AGW_AHEAD_ALL; t++)
		fetch_shared(legs, n, t);
	for (size_t i = 0; i < n; i++) {
		bool check = is_check(&pkts[i]);

		fetch_shared(legs, n, i + AGW_AHEAD_ALL);

		if (pkts[i].truncated) {
			agw_count(&env->drops[AGW_DROP_TOO_BIG], 1);
			continue;
		}
		if (legs[i] == NULL) /* a check in this batch may have entered the address */
			legs[i] = check ? named(env, sock, &pkts[i])
					: agw_share_by_hash(env->share, hash[i], id, pkts[i].from);
		if (legs[i] != NULL) {
			agw_relay_access(legs[i], local, &pkts[i]);
			continue;
		}
		if (check && agw_share_keep(env->share, sock, &pkts[i]))
			continue;
		agw_drop_stranger(env, agw_demux(pkts[i].data, pkts[i].len) == AGW_PROTO_STUN
					   ? AGW_DROP_STUN_BAD
					   : AGW_DROP_SOURCE);
		if (check)
			agw_share_refuse(env->share, env->ice, sock, &pkts[i], env->now_ms);
	}
	return n;
}

bool agw_relay_awaits_mail(const struct agw_relay_env *env)
{
	return (env->share != NULL && agw_share_has_kept(env->share)) ||
	       (env->tcp != NULL && agw_tcp_awaits_mail(env->tcp));
}

void agw_relay_after_mail(struct agw_relay_env *env)
{
	struct agw_udp_pkt pkt;
	struct agw_sock *sock;

	if (env->tcp != NULL)
		agw_tcp_after_mail(env);
	while (env->share != NULL && agw_share_has_kept(env->share) &&
	       (sock = agw_share_next_kept(env->share, &pkt)) != NULL) {
		struct agw_leg *l = named(env, sock, &pkt);

		if (l != NULL) {
			agw_relay_access(l, (unsigned)sock->kind, &pkt);
			continue;
		}
		agw_drop_stranger(env, AGW_DROP_STUN_BAD);
		agw_share_refuse(env->share, env->ice, sock, &pkt, env->now_ms);
	}
}

bool agw_relay_readable(struct agw_relay_env *env, struct agw_sock *sock)
{
	if (sock->kind == AGW_SOCK_ICE) {
		agw_leg_ice_readable(sock);
		return false;
	}
	if (sock->tcp != AGW_TCP_NOT) {
		agw_tcp_ready(env, sock);
		return false;
	}
	if (!sock->shared) {
		own_readable(env, sock);
		return false;
	}
	for (unsigned i = 0; i < SHARED_ROUND; i++)
		if (shared_batch(env, sock) < AGW_UDP_BATCH)
			return false;
	return true;
}
