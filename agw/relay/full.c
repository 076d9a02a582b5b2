/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A leg whose ICE is a full agent (ice.mode: full): libnice's sockets beside the stream's own, one
 * pair per family. The kernel gives STUN to libnice's; media and DTLS come in by the stream's and
 * go out by it, as in a lite leg. What a TURN server relays comes and goes through libnice.
 */
#include "agw/net/steer.h"
#include "agw/relay/forward.h"
#include "agw/relay/stream_int.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static void heard(void *arg, unsigned local, const struct gw_addr *from, enum agw_ice_verdict what)
{
	agw_leg_heard(arg, local, from, what);
}

static void on_data(void *arg, unsigned local, const struct gw_addr *from, const uint8_t *data,
		    size_t len)
{
	struct agw_leg *l = arg;
	struct agw_stream *s = l->stream;
	struct agw_udp_pkt pkt;

	if (agw_udp_in_room(s->env->in) == 0)
		agw_relay_flush(s->env);
	agw_count(&s->env->through_ice, 1);
	if (agw_udp_in_put(s->env->in, from, data, len, &pkt))
		agw_relay_access(l, local, &pkt);
	else
		agw_drop(s, &s->counters.up, AGW_DROP_TOO_BIG);
}

static void on_prflx(void *arg, const struct gw_addr *at, uint32_t priority)
{
	struct agw_leg *l = arg;
	struct agw_stream_event ev = {
	    .kind = AGW_EV_NEW_PRFLX, .side = AGW_SIDE_ACCESS, .value = priority, .addr = *at};

	if (l->index == AGW_LEG_RTP)
		agw_stream_emit(l->stream, &ev);
}

static void on_gathered(void *arg, unsigned family, const struct gw_addr *relay)
{
	const struct agw_leg *l = arg;
	struct agw_stream_event ev = {.kind = AGW_EV_GATHERED,
				      .side = AGW_SIDE_ACCESS,
				      .value = (unsigned)l->index * AGW_FAMILY_COUNT + family,
				      .addr = *relay};

	agw_stream_emit(l->stream, &ev);
}

static struct agw_sock *own_sock(struct agw_leg *l, unsigned family)
{
	return &l->stream->socks[(unsigned)l->index * AGW_FAMILY_COUNT + family];
}

/* Ours beside libnice's, and libnice's to be polled. */
static enum gw_err open_beside(struct agw_leg *l, const struct agw_stream_args *a)
{
	struct agw_stream *s = l->stream;
	const bool turn = a->cfg->turn.server.len != 0;

	if (s->ice_socks == NULL)
		s->ice_socks = calloc(AGW_ICE_SOCKS, sizeof(*s->ice_socks));
	if (s->ice_socks == NULL)
		return GW_ERR_NOMEM;
	for (unsigned f = 0; f < AGW_FAMILY_COUNT; f++) {
		const struct gw_addr *at = &a->access_addrs[l->index][f];
		unsigned i = (unsigned)l->index * AGW_FAMILY_COUNT + f;
		enum gw_err err;

		if (at->len == 0)
			continue;
		s->ice_socks[i] = (struct agw_sock){
		    .stream = s, .fd = agw_ice_fd(l->ice, f), .kind = AGW_SOCK_ICE, .port = i};
		err = agw_steer_open(&own_sock(l, f)->fd, s->ice_socks[i].fd, at, turn);
		if (err != GW_OK)
			return err;
	}
	return GW_OK;
}

enum gw_err agw_leg_full_new(struct agw_leg *l, const struct agw_stream_args *a,
			     const struct agw_ice_cfg *ice)
{
	const struct agw_access_params *p = &a->params->access;
	struct agw_ice_full_cfg cfg = {.ice = *ice,
				       .controlling = p->remote_ufrag[0] == '\0' || p->peer.lite,
				       .component = l->index == AGW_LEG_RTCP ? 2 : 1,
				       .turn = &a->cfg->turn};
	struct agw_ice_cbs cbs = agw_stream_ice_cbs;
	enum gw_err err;

	for (unsigned f = 0; f < AGW_FAMILY_COUNT; f++)
		cfg.bind[f] = a->access_addrs[l->index][f];
	cbs.may_use = NULL;
	cbs.on_heard = heard;
	cbs.on_data = on_data;
	cbs.on_prflx = on_prflx;
	cbs.on_gathered = on_gathered;
	err = agw_ice_full_new(&l->ice, &cfg, &cbs, l);
	explicit_bzero(&cfg, sizeof(cfg));
	if (err != GW_OK)
		return err;
	return open_beside(l, a);
}

void agw_stream_close_beside(struct agw_stream *s)
{
	for (unsigned i = 0; s->ice_socks != NULL && i < AGW_ICE_SOCKS; i++) {
		if (s->socks[i].fd >= 0)
			(void)close(s->socks[i].fd);
		s->socks[i].fd = -1;
	}
}

void agw_stream_forget_ice_socks(struct agw_stream *s, enum agw_leg_index leg)
{
	for (unsigned f = 0; s->ice_socks != NULL && f < AGW_FAMILY_COUNT; f++) {
		struct agw_sock *k = &s->ice_socks[(unsigned)leg * AGW_FAMILY_COUNT + f];

		if (k->stream != NULL)
			s->env->on_unpoll(s->env->arg, k->fd);
		k->stream = NULL;
	}
}

struct agw_sock *agw_stream_ice_sock(struct agw_stream *s, unsigned i)
{
	return s->ice_socks != NULL && i < AGW_ICE_SOCKS && s->ice_socks[i].stream != NULL
		   ? &s->ice_socks[i]
		   : NULL;
}

void agw_leg_ice_readable(struct agw_sock *sock)
{
	struct agw_stream *s = sock->stream;
	struct agw_leg *l = &s->legs[sock->port / AGW_FAMILY_COUNT];

	if (l->ice != NULL) /* or the WIC muxes after all: nobody reads the second port */
		agw_ice_readable(l->ice, s->env->ice, sock->port % AGW_FAMILY_COUNT,
				 s->env->now_ms);
}
