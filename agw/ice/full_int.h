/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Inside the full agent.
 *
 *   full.c        the provider: what the caller says, what it is told
 *   full_agent.c  libnice's agent: making it, its signals, candidates, the relay
 *   full_io.c     its sockets and its clock
 *
 * Each agent has a GLib context of its own: nothing is shared with another one, so that whoever
 * has the stream has all of it, and no turn polls another stream's sockets.
 */
#ifndef AGW_ICE_FULL_INT_H
#define AGW_ICE_FULL_INT_H

#include "agw/ice/lite_int.h"

#include <nice/agent.h>

#define COMPONENT 1U  /* an agent each: RTCP that is not muxed is another agent's first */
#define PRFLX_MAX 16U /* sources of one generation that no SDP told us of */
#define NEVER     UINT64_MAX
#define SOCKETS   AGW_ICE_FAMILIES

struct full_sock {
	int fd; /* libnice's; -1: none */
	struct gw_addr at;
};

struct full {
	struct lite lite;  /* its base is the agw_ice */
	NiceAgent *agent;  /* owned */
	GMainContext *ctx; /* owned */
	guint stream;
	uint8_t component;
	struct full_sock socks[SOCKETS];
	struct gw_addr turn;         /* the server; len 0: none */
	struct agw_ice_leave *leave; /* borrowed, or NULL */
	uint64_t now_ms;             /* as of the last call that told it */
	uint64_t next_ms;            /* libnice has something to do then */
	unsigned n_prflx;
	bool asking;     /* the TURN server; nobody has been told yet what came of it */
	bool has_relay;  /* it gave us one */
	bool stopped;    /* its stream is removed */
	bool gathered;   /* libnice waits for it no longer */
	bool relay_lost; /* libnice has given up on the relayed pair that is selected */
};

static inline struct full *full_of(struct agw_ice *ice)
{
	return (struct full *)ice; /* lite is first, and base the first of it */
}

static inline const struct full *full_of_const(const struct agw_ice *ice)
{
	return (const struct full *)ice;
}

/* full_agent.c */
enum gw_err agw_full_agent_new(struct full *f, const struct agw_ice_full_cfg *cfg) GW_MUST_CHECK;
void agw_full_agent_free(struct full *f);
void agw_full_peer(struct full *f, const struct agw_ice_peer *peer);
bool agw_full_addr_to_nice(NiceAddress *out, const struct gw_addr *a);
/** When the TURN server has answered, or will not: tell what came of it, once. */
void agw_full_gathered(struct full *f);

/* full_io.c */
/** Let libnice do what is due, and learn when it wants the next turn. */
void agw_full_turn(struct full *f, uint64_t now_ms);
void agw_full_readable(struct agw_ice *ice, struct agw_ice_env *env, unsigned local,
		       uint64_t now_ms);

#endif
