/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The book that every provider keeps of one access component: its generations, the validated
 * sources, what is nominated, consent. lite.c is all of an ICE-lite agent; in a full one (full.c)
 * libnice's agent answers the checks of the current generation, makes its own and nominates, and
 * lite.c does the rest: who may be believed, who is refused, what an older generation still gets.
 * Thread: the owning worker.
 */
#ifndef AGW_ICE_LITE_INT_H
#define AGW_ICE_LITE_INT_H

#include "agw/ice/consent.h"
#include "agw/ice/replay.h"

#define SOURCE_MAX 8 /* validated sources remembered */

struct generation {
	struct agw_ice_creds local;
	char remote_ufrag[AGW_ICE_UFRAG_MAX]; /* "" = not known yet */
	char remote_pwd[AGW_ICE_PWD_MAX];
	uint32_t number;
	bool valid;
};

struct source {
	struct agw_ice_pair pair;
	uint32_t generation;
	uint32_t barred; /* consent asked for was lost or taken back: generations below this */
	uint64_t seen_ms;
	bool used;
};

#define AGW_MET_MAX 4

/* A lite peer (two_lite.c): its candidates of this component, the default one first. */
struct agw_met {
	bool lite;
	unsigned n;
	struct gw_addr at[AGW_MET_MAX];
};

struct lite {
	struct agw_ice base;
	uint32_t timeout_ms;
	uint32_t consent_timeout_ms;
	bool first_valid_pair;
	bool consent_mode; /* to ask is configured; consent.active: it is done */
	uint8_t component;
	bool loopback;
	struct agw_met met;
	/* Full: an agent answers checks of the current generation and nominates first; only a
	 * later change of the peer's mind is followed here (ICE-15). */
	bool agent;
	bool controlling;
	bool nominated; /* base.pair was nominated (not only the first valid one) */
	uint32_t nominated_gen;
	uint32_t pair_gen;    /* what base.pair was selected under */
	uint64_t deadline_ms; /* for a nomination of the current generation; 0 = none */
	uint64_t consent_ms;  /* last good request from the selected remote; asking: last answer */
	struct agw_consent consent;
	bool asks_soon;
	uint64_t errors_window_ms;
	unsigned errors_in_window;
	struct generation cur;
	struct generation prev;
	struct generation used; /* the nominated one, when more than one restart came since */
	struct source sources[SOURCE_MAX];
	struct agw_ice_replay seen; /* good checks */
};

extern const struct agw_ice_provider agw_lite_provider;

void agw_lite_init(struct lite *l, const struct agw_ice_cfg *cfg, const struct agw_ice_cbs *cbs,
		   void *arg);
/** The agent has nominated this pair in the current generation. */
void agw_lite_nominated(struct lite *l, const struct agw_ice_pair *pair, uint64_t now_ms);

/* lite_book.c */
unsigned agw_lite_local_ufrags(const struct agw_ice *ice, const char *out[AGW_ICE_UFRAGS]);
bool agw_lite_is_valid_source(const struct agw_ice *ice, unsigned local,
			      const struct gw_addr *from);

/* two_lite.c */
void agw_two_lite_meet(struct agw_ice *ice, const struct agw_ice_peer *peer);
/** Offer and answer are exchanged: take a pair without checks. */
void agw_two_lite_connect(struct lite *l, uint64_t now_ms);

#endif
