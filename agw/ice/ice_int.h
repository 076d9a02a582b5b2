/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Between ice.c and the providers: the function table of one, and the shared environment.
 */
#ifndef AGW_ICE_ICE_INT_H
#define AGW_ICE_ICE_INT_H

#include "agw/ice/ice.h"

#include <stun/stunagent.h>

struct agw_ice_provider {
	void (*free)(struct agw_ice *ice);
	void (*set_remote)(struct agw_ice *ice, const char *ufrag, const char *pwd);
	void (*restart)(struct agw_ice *ice, const struct agw_ice_creds *local);
	unsigned (*local_ufrags)(const struct agw_ice *ice, const char *out[AGW_ICE_UFRAGS]);
	void (*expect)(struct agw_ice *ice, uint64_t now_ms);
	/* NULL: its sockets are read by readable(); STUN at the caller's is none of its */
	enum agw_ice_verdict (*input)(struct agw_ice *ice, struct agw_ice_env *env, unsigned local,
				      const struct gw_addr *from, uint8_t *data, size_t len,
				      uint64_t now_ms);
	void (*tick)(struct agw_ice *ice, struct agw_ice_env *env, uint64_t now_ms);
	bool (*is_valid_source)(const struct agw_ice *ice, unsigned local,
				const struct gw_addr *from);
	bool (*is_pending)(const struct agw_ice *ice);
	/* of an agent with sockets of its own; NULL: it has none */
	int (*fd)(const struct agw_ice *ice, unsigned local);
	void (*readable)(struct agw_ice *ice, struct agw_ice_env *env, unsigned local,
			 uint64_t now_ms);
	bool (*send)(struct agw_ice *ice, const uint8_t *data, size_t len);
	void (*stop)(struct agw_ice *ice);
	void (*set_peer)(struct agw_ice *ice, const struct agw_ice_peer *peer);
	/* NULL: this provider has no pairs that end */
	void (*lost)(struct agw_ice *ice, unsigned local, const struct gw_addr *remote);
};

/* First member of each provider's object. */
struct agw_ice {
	const struct agw_ice_provider *ops;
	struct agw_ice_cbs cbs;
	void *arg;
	struct agw_ice_pair pair; /* selected; meaningful when has_pair */
	bool has_pair;
	bool may_send; /* has_pair and consent lasts */
	bool told;     /* nobody has been heard at the pair's remote end yet: it was only named */
	uint32_t generation;
};

/* libnice's agent is 11 kB of saved transactions: one per thread, not one per stream. */
struct agw_ice_env {
	StunAgent agent;
};

/* ice.c: one host's address, not nobody's, many hosts', or one of 240.0.0.0/4? */
bool agw_ice_is_unicast(const struct gw_addr *a);

/* stun_check.c: is this datagram one well-formed STUN message? (ICE-31) */
#define AGW_STUN_MAX 1280
bool agw_stun_is_wellformed(const uint8_t *data, size_t len);

#endif
