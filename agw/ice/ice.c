/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What all providers share: dispatch, credentials, priorities. See ice.h.
 */
#include "agw/ice/ice_int.h"

#include "common/rand.h"

#include <stdlib.h>

#define TYPE_PREF_HOST    126U
#define DIRECTION_PASSIVE 4U /* of a host candidate; active would be 6 */

/* Comprehension-required attributes we know; others are refused with 420 (ICE-13). */
static const uint16_t known_attributes[] = {
    STUN_ATTRIBUTE_USERNAME,           STUN_ATTRIBUTE_MESSAGE_INTEGRITY,  STUN_ATTRIBUTE_ERROR_CODE,
    STUN_ATTRIBUTE_XOR_MAPPED_ADDRESS, STUN_ATTRIBUTE_MAPPED_ADDRESS,     STUN_ATTRIBUTE_PRIORITY,
    STUN_ATTRIBUTE_USE_CANDIDATE,      STUN_ATTRIBUTE_UNKNOWN_ATTRIBUTES, 0};

void agw_ice_creds_new(struct agw_ice_creds *out)
{
	gw_rand_token(out->ufrag, AGW_ICE_LOCAL_UFRAG);
	gw_rand_token(out->pwd, AGW_ICE_LOCAL_PWD);
}

uint32_t agw_ice_host_priority(unsigned index, unsigned component)
{
	uint32_t local_pref = 65535U - index;

	return (TYPE_PREF_HOST << 24) + (local_pref << 8) + (256U - component);
}

uint32_t agw_ice_tcp_priority(unsigned index, unsigned component)
{
	uint32_t local_pref = (DIRECTION_PASSIVE << 13) + (8191U - index);

	return (TYPE_PREF_HOST << 24) + (local_pref << 8) + (256U - component);
}

enum gw_err agw_ice_env_new(struct agw_ice_env **out)
{
	struct agw_ice_env *env = calloc(1, sizeof(*env));

	if (env == NULL)
		return GW_ERR_NOMEM;
	stun_agent_init(&env->agent, known_attributes, STUN_COMPATIBILITY_RFC5389,
			STUN_AGENT_USAGE_SHORT_TERM_CREDENTIALS | STUN_AGENT_USAGE_USE_FINGERPRINT |
			    STUN_AGENT_USAGE_NO_INDICATION_AUTH);
	*out = env;
	return GW_OK;
}

void agw_ice_env_free(struct agw_ice_env *env)
{
	free(env);
}

void agw_ice_free(struct agw_ice *ice)
{
	if (ice != NULL)
		ice->ops->free(ice);
}

int agw_ice_fd(const struct agw_ice *ice, unsigned local)
{
	return ice->ops->fd != NULL ? ice->ops->fd(ice, local) : -1;
}

void agw_ice_readable(struct agw_ice *ice, struct agw_ice_env *env, unsigned local, uint64_t now_ms)
{
	if (ice->ops->readable != NULL)
		ice->ops->readable(ice, env, local, now_ms);
}

bool agw_ice_send(struct agw_ice *ice, const uint8_t *data, size_t len)
{
	return ice->ops->send != NULL && ice->ops->send(ice, data, len);
}

void agw_ice_stop(struct agw_ice *ice)
{
	if (ice->ops->stop != NULL)
		ice->ops->stop(ice);
}

void agw_ice_set_peer(struct agw_ice *ice, const struct agw_ice_peer *peer)
{
	if (ice->ops->set_peer != NULL)
		ice->ops->set_peer(ice, peer);
}

void agw_ice_set_remote(struct agw_ice *ice, const char *ufrag, const char *pwd)
{
	ice->ops->set_remote(ice, ufrag, pwd);
}

void agw_ice_restart(struct agw_ice *ice, const struct agw_ice_creds *local)
{
	ice->ops->restart(ice, local);
}

bool agw_ice_peer_eq(const struct agw_ice_peer *a, const struct agw_ice_peer *b)
{
	if (a->lite != b->lite || a->n_cands != b->n_cands)
		return false;
	for (unsigned i = 0; i < a->n_cands; i++) {
		const struct agw_ice_cand *x = &a->cands[i], *y = &b->cands[i];

		if (!gw_addr_eq(&x->addr, &y->addr) || x->priority != y->priority ||
		    x->component != y->component || x->type != y->type)
			return false;
	}
	return true;
}

unsigned agw_ice_local_ufrags(const struct agw_ice *ice, const char *out[AGW_ICE_UFRAGS])
{
	return ice->ops->local_ufrags(ice, out);
}

void agw_ice_expect(struct agw_ice *ice, uint64_t now_ms)
{
	ice->ops->expect(ice, now_ms);
}

enum agw_ice_verdict agw_ice_input(struct agw_ice *ice, struct agw_ice_env *env, unsigned local,
				   const struct gw_addr *from, uint8_t *data, size_t len,
				   uint64_t now_ms)
{
	if (ice->ops->input == NULL)
		return AGW_ICE_BAD;
	return ice->ops->input(ice, env, local, from, data, len, now_ms);
}

void agw_ice_tick(struct agw_ice *ice, struct agw_ice_env *env, uint64_t now_ms)
{
	ice->ops->tick(ice, env, now_ms);
}

void agw_ice_lost(struct agw_ice *ice, unsigned local, const struct gw_addr *remote)
{
	if (ice->ops->lost != NULL)
		ice->ops->lost(ice, local, remote);
}

bool agw_ice_is_valid_source(const struct agw_ice *ice, unsigned local, const struct gw_addr *from)
{
	if (ice->has_pair && ice->pair.local == local && gw_addr_eq(&ice->pair.remote, from))
		return true;
	return ice->ops->is_valid_source(ice, local, from);
}

const struct agw_ice_pair *agw_ice_selected(const struct agw_ice *ice)
{
	return ice->may_send ? &ice->pair : NULL;
}

const struct agw_ice_pair *agw_ice_media_pair(const struct agw_ice *ice)
{
	return ice->may_send && !ice->told ? &ice->pair : NULL;
}

void agw_ice_prove(struct agw_ice *ice, unsigned local, const struct gw_addr *from)
{
	if (ice->has_pair && ice->pair.local == local && gw_addr_eq(&ice->pair.remote, from))
		ice->told = false;
}

bool agw_ice_is_unicast(const struct gw_addr *a)
{
	if (gw_addr_is_any(a))
		return false;
	if (gw_addr_is_v6(a))
		return !IN6_IS_ADDR_MULTICAST(&a->u.v6.sin6_addr);
	return (ntohl(a->u.v4.sin_addr.s_addr) >> 28) < 14;
}

uint32_t agw_ice_generation(const struct agw_ice *ice)
{
	return ice->generation;
}

bool agw_ice_is_pending(const struct agw_ice *ice)
{
	return ice->ops->is_pending(ice);
}
