/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ICE of one access stream: one interface, several providers. agw_ice_lite_new makes the
 * default one, an ICE-lite responder (RFC 8445 s2.5; TS 24.371 §5A.4): no I/O and no clock,
 * datagrams come in and go out through the caller, time is given as monotonic milliseconds.
 * agw_ice_full_new makes a full agent out of libnice's, which has sockets of its own: the caller
 * polls them, and says agw_ice_readable.
 *
 *   generation n        credentials (ufrag, pwd); a restart starts the next one. The current one,
 *                       the one before and the nominated one are valid, until a pair is nominated
 *                       under a newer one (ICE-17)
 *   validated source    (local socket, remote address) of a good check of one of these
 *                       generations: media and DTLS are taken from these only (ICE-16)
 *   selected pair       the nominated one; sending is legal to it while consent lasts: as long as
 *                       the peer checks it (ICE-21), or answers requests of ours (ICE-22). What was
 *                       lost while we asked comes back with new credentials only
 *
 * Thread: new/free on the thread that has the object; everything else on the owning worker.
 */
#ifndef AGW_ICE_ICE_H
#define AGW_ICE_ICE_H

#include "common/err.h"
#include "common/sockaddr.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define AGW_ICE_UFRAG_MAX   257 /* with terminator; RFC 8839 s5.4: up to 256 */
#define AGW_ICE_PWD_MAX     257
#define AGW_ICE_LOCAL_UFRAG 8  /* characters of ours: 48 bit (ICE-05 asks for 24) */
#define AGW_ICE_LOCAL_PWD   24 /* 144 bit (ICE-05 asks for 128) */

#define AGW_ICE_UFRAGS      3 /* local ones valid at once, at most */

struct agw_ice;
struct agw_ice_env;
struct agw_ice_leave; /* leave.h */

enum agw_ice_event {
	AGW_ICE_EV_CONNECTED,    /* first nomination of a generation */
	AGW_ICE_EV_FAILED,       /* timeout without nomination */
	AGW_ICE_EV_PAIR_CHANGED, /* nomination moved to another pair */
	AGW_ICE_EV_CONSENT_LOST,
	AGW_ICE_EV_CONSENT_RESTORED
};

#define AGW_ICE_FAMILIES 2 /* a socket for IPv4, one for IPv6 */
#define AGW_ICE_RELAYED  4 /* plus the family */

struct agw_ice_pair {
	unsigned local; /* index of the caller's socket, or a name of his for another way; from
				AGW_ICE_RELAYED on: by agw_ice_send */
	struct gw_addr remote;
};

enum agw_ice_cand_type { AGW_CAND_HOST, AGW_CAND_SRFLX, AGW_CAND_PRFLX, AGW_CAND_RELAY };

#define AGW_ICE_REMOTE_MAX 12 /* candidates of the peer that are looked at */

/* A candidate of the peer: UDP, with a numeric address. */
struct agw_ice_cand {
	struct gw_addr addr;
	uint32_t priority;
	uint8_t component;
	uint8_t type; /* enum agw_ice_cand_type */
};

/* What the peer's SDP says beside its credentials. An ICE-lite agent needs
 * it for a lite peer alone, whose default candidate stands first. */
struct agw_ice_peer {
	bool lite;
	unsigned n_cands;
	struct agw_ice_cand cands[AGW_ICE_REMOTE_MAX];
};

/* What agw_ice_input made of a datagram. */
enum agw_ice_verdict {
	AGW_ICE_GOOD,    /* authenticated request, answered */
	AGW_ICE_CONSENT, /* good answer to a consent request of ours (ICE-22) */
	AGW_ICE_IGNORED, /* Binding indication, or an error to a consent request of ours */
	AGW_ICE_REFUSED, /* answered with an error, or over the rate of such answers */
	AGW_ICE_TAKEN,   /* good request, from an address that another stream has: no answer */
	AGW_ICE_PASS, /* inside agw/ice: good, a full agent answers it; the caller is told GOOD */
	AGW_ICE_BAD   /* malformed, foreign answer or other method: dropped silently (ICE-31) */
};

/* Called from agw_ice_input, agw_ice_readable and agw_ice_tick; a lite agent needs the first two.
 */
struct agw_ice_cbs {
	void (*send)(void *arg, unsigned local, const struct gw_addr *to, const uint8_t *data,
		     size_t len);
	void (*on_event)(void *arg, enum agw_ice_event ev);
	/**
	 * A good check came from there: may that address be this stream's? Asked before anything is
	 * answered; "no" means silence and no pair (AGW_ICE_TAKEN). NULL: always.
	 * @param proven false: nothing came from there, it is a lite peer's word (ICE-19)
	 */
	bool (*may_use)(void *arg, unsigned local, const struct gw_addr *from, bool proven);
	/** What was made of a datagram that agw_ice_readable found. */
	void (*on_heard)(void *arg, unsigned local, const struct gw_addr *from,
			 enum agw_ice_verdict what);
	/** No STUN: it came through a relay, or before anybody knew the port. */
	void (*on_data)(void *arg, unsigned local, const struct gw_addr *from, const uint8_t *data,
			size_t len);
	/** A peer-reflexive candidate that no SDP told us of. */
	void (*on_prflx)(void *arg, const struct gw_addr *at, uint32_t priority);
	/** With a TURN server, once for each address bound: the relayed one; len 0: there is none.
	 */
	void (*on_gathered)(void *arg, unsigned family, const struct gw_addr *relay);
};

struct agw_ice_creds {
	char ufrag[AGW_ICE_LOCAL_UFRAG + 1];
	char pwd[AGW_ICE_LOCAL_PWD + 1];
};

struct agw_ice_cfg {
	struct agw_ice_creds local;
	uint32_t timeout_ms;         /* ice.timeout */
	uint32_t consent_timeout_ms; /* consent.timeout */
	bool consent_active;   /* consent.mode: ask the peer, instead of watching its checks */
	bool loopback;         /* the access side is on loopback: a lite peer may be, too */
	bool first_valid_pair; /* send to the first valid pair before nomination (ICE-15) */
	uint8_t component;     /* whose candidates of a lite peer are meant; 0 = 1 */
};

/* A relay of ours (ice.turn); strings are borrowed while the agent is built. */
struct agw_ice_turn {
	struct gw_addr server; /* len 0: none */
	const char *username;
	const char *password;
	struct agw_ice_leave *leave; /* borrowed; gives back what an agent had; NULL: nobody does */
};

struct agw_ice_full_cfg {
	struct agw_ice_cfg ice;
	struct gw_addr bind[AGW_ICE_FAMILIES]; /* where, with the port; len 0: not */
	/* ours is the offer, or the peer is lite (RFC 8445 s6.1.1); libnice keeps it */
	bool controlling;
	uint8_t component;               /* whose candidates are meant */
	const struct agw_ice_turn *turn; /* or NULL */
};

/** New random credentials (CSPRNG). */
void agw_ice_creds_new(struct agw_ice_creds *out);

/** Priority of host candidate number `index` (0 = default) of component 1 (RFC 8445 s5.1.2.1). */
uint32_t agw_ice_host_priority(unsigned index, unsigned component);

/** The same of a passive TCP candidate (RFC 6544 s4.2): below all of UDP. */
uint32_t agw_ice_tcp_priority(unsigned index, unsigned component);

/* State shared by all agents of one thread (libnice's message agent). */
enum gw_err agw_ice_env_new(struct agw_ice_env **out) GW_MUST_CHECK;
void agw_ice_env_free(struct agw_ice_env *env);

/** @return GW_OK; GW_ERR_NOMEM. `arg` is handed to each callback. */
enum gw_err agw_ice_lite_new(struct agw_ice **out, const struct agw_ice_cfg *cfg,
			     const struct agw_ice_cbs *cbs, void *arg) GW_MUST_CHECK;
/**
 * A full agent. Its sockets are bound when it is there: open yours beside them (agw_steer_open).
 * Consent is always asked for. A TURN server is asked, and not waited for: its answer comes to who
 * reads the sockets and ticks, and is told by on_gathered.
 * @return GW_OK; GW_ERR_NOMEM; GW_ERR_EXISTS an address is in use
 */
enum gw_err agw_ice_full_new(struct agw_ice **out, const struct agw_ice_full_cfg *cfg,
			     const struct agw_ice_cbs *cbs, void *arg) GW_MUST_CHECK;

/** May be NULL. Nobody is called back. Never blocks: what it had at a TURN server is leave.h's
 * business. */
void agw_ice_free(struct agw_ice *ice);

/** A socket of the agent's own, to be polled; -1: none (lite). Stays the agent's. */
int agw_ice_fd(const struct agw_ice *ice, unsigned local);
/** That socket has something to read. */
void agw_ice_readable(struct agw_ice *ice, struct agw_ice_env *env, unsigned local,
		      uint64_t now_ms);
/** Send by the selected pair, when that is a relayed one. @return false: it could not */
bool agw_ice_send(struct agw_ice *ice, const uint8_t *data, size_t len);
/** The last thing its thread does with it: gives a relay back (leave.h), as agw_ice_free does where
 * this was not said. */
void agw_ice_stop(struct agw_ice *ice);

/** Its candidates and its mode, as the SDP with its credentials says; before agw_ice_set_remote. */
void agw_ice_set_peer(struct agw_ice *ice, const struct agw_ice_peer *peer);
/** The same mode and candidates, in the same order? */
bool agw_ice_peer_eq(const struct agw_ice_peer *a, const struct agw_ice_peer *b);

/** The peer's credentials (of the current generation), known from its SDP. */
void agw_ice_set_remote(struct agw_ice *ice, const char *ufrag, const char *pwd);
/** Start the next generation with these local credentials; remote ones are unknown again. */
void agw_ice_restart(struct agw_ice *ice, const struct agw_ice_creds *local);
/**
 * The local ufrags that checks may come for: of the current generation and those before it that
 * still count. @return how many
 */
unsigned agw_ice_local_ufrags(const struct agw_ice *ice, const char *out[AGW_ICE_UFRAGS]);
/** Offer and answer are exchanged: expect a nomination within the timeout from now on (ICE-25). */
void agw_ice_expect(struct agw_ice *ice, uint64_t now_ms);

/**
 * Whom is this STUN message for? Looks at its shape and at USERNAME; proves nothing.
 * @return the USERNAME's octets before the colon, *n of them; NULL: malformed, or it has none
 */
const uint8_t *agw_ice_peek_ufrag(const uint8_t *data, size_t len, size_t *n);

/** Is this STUN message a success or error response? It names nobody: see where it comes from. */
bool agw_ice_is_answer(const uint8_t *data, size_t len);

/** A datagram the demultiplexer took for STUN. */
enum agw_ice_verdict agw_ice_input(struct agw_ice *ice, struct agw_ice_env *env, unsigned local,
				   const struct gw_addr *from, uint8_t *data, size_t len,
				   uint64_t now_ms);
/** Timeouts and consent requests; call at least once a second. */
void agw_ice_tick(struct agw_ice *ice, struct agw_ice_env *env, uint64_t now_ms);

/** That pair is gone (its TCP connection was closed): what was sent to it stops at once, with
 * AGW_ICE_EV_CONSENT_LOST. */
void agw_ice_lost(struct agw_ice *ice, unsigned local, const struct gw_addr *remote);

/** May media and DTLS from there be believed? Cheap for the selected pair. */
bool agw_ice_is_valid_source(const struct agw_ice *ice, unsigned local, const struct gw_addr *from);
/** The pair to send STUN and DTLS to, or NULL: none yet, or consent lost. */
const struct agw_ice_pair *agw_ice_selected(const struct agw_ice *ice);
/** The pair to send media to: the same, but NULL while its address is only what a lite peer's SDP
 * said (ICE-19): nobody gets media who has not been heard there. */
const struct agw_ice_pair *agw_ice_media_pair(const struct agw_ice *ice);
/** A DTLS handshake was completed by what came from there: that somebody is there is proven. */
void agw_ice_prove(struct agw_ice *ice, unsigned local, const struct gw_addr *from);
uint32_t agw_ice_generation(const struct agw_ice *ice);
/**
 * Wants ticks at short intervals: a nomination was asked for (agw_ice_expect), or a consent request
 * falls due before the next second is over.
 */
bool agw_ice_is_pending(const struct agw_ice *ice);

#endif
