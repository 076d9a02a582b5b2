/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Consent requests and their answers. See consent.h.
 *
 * A request is a Binding request as in a connectivity check (RFC 7675 s5.1): USERNAME
 * "theirs:ours", the attribute of our role (beside a full agent a lite one is always controlled),
 * PRIORITY, MESSAGE-INTEGRITY by the peer's password, FINGERPRINT; never USE-CANDIDATE.
 *
 * libnice would remember 200 requests for all streams of a thread. Each stream remembers its own
 * instead, and the one in question is lent to libnice while it looks at an answer.
 */
#include "agw/ice/consent.h"

#include "common/rand.h"

#include <stdio.h>
#include <string.h>
#include <stun/usages/ice.h>

#define INTERVAL_MIN_MS 4000U /* 5 s, 0.8 to 1.2 times (RFC 7675 s5.1) */
#define INTERVAL_MAX_MS 6000U
#define PRIORITY_PRFLX  ((110U << 24) + (65535U << 8) + 255U)

static void plan(struct agw_consent *c, uint64_t now_ms)
{
	c->next_ms =
	    now_ms + INTERVAL_MIN_MS + gw_rand_u64() % (INTERVAL_MAX_MS - INTERVAL_MIN_MS + 1);
}

void agw_consent_begin(struct agw_consent *c, uint64_t now_ms)
{
	memset(c->is_open, 0, sizeof(c->is_open));
	if (c->active)
		plan(c, now_ms);
}

size_t agw_consent_ask(struct agw_consent *c, struct agw_ice_env *env,
		       const struct agw_consent_creds *creds, uint8_t *buf, size_t n,
		       uint64_t now_ms)
{
	char user[AGW_ICE_UFRAG_MAX + AGW_ICE_LOCAL_UFRAG + 1];
	int len = snprintf(user, sizeof(user), "%s:%s", creds->remote_ufrag, creds->local_ufrag);
	StunMessage msg;
	size_t size;

	plan(c, now_ms);
	if (c->tie_breaker == 0)
		c->tie_breaker = gw_rand_u64();
	if (len < 0 || (size_t)len >= sizeof(user))
		return 0;
	size = stun_usage_ice_conncheck_create(&env->agent, &msg, buf, n, (const uint8_t *)user,
					       (size_t)len, (const uint8_t *)creds->remote_pwd,
					       strlen(creds->remote_pwd), false, creds->controlling,
					       PRIORITY_PRFLX, c->tie_breaker, NULL,
					       STUN_USAGE_ICE_COMPATIBILITY_RFC5245);
	if (size == 0)
		return 0;
	stun_message_id(&msg, c->open[c->at]);
	c->is_open[c->at] = true;
	c->said[c->at] = creds->controlling;
	(void)stun_agent_forget_transaction(&env->agent, c->open[c->at]);
	c->at = (c->at + 1) % AGW_CONSENT_OPEN;
	return size;
}

/* Which of our requests is this to? AGW_CONSENT_OPEN: none. */
static unsigned find(const struct agw_consent *c, const uint8_t *data)
{
	unsigned i = 0;

	while (i < AGW_CONSENT_OPEN &&
	       (!c->is_open[i] || memcmp(c->open[i], data + STUN_MESSAGE_TRANS_ID_POS,
					 sizeof(StunTransactionId)) != 0))
		i++;
	return i;
}

static bool is_authentic(struct agw_ice_env *env, const StunTransactionId id, char *pwd,
			 StunMessage *msg, uint8_t *data, size_t len)
{
	StunAgentSavedIds *lent = &env->agent.sent_ids[0];
	StunValidationStatus st;

	*lent = (StunAgentSavedIds){
	    .method = STUN_BINDING, .key = (uint8_t *)pwd, .key_len = strlen(pwd), .valid = true};
	memcpy(lent->id, id, sizeof(lent->id));
	memset(msg, 0, sizeof(*msg));
	st = stun_agent_validate(&env->agent, msg, data, len, NULL, NULL);
	*lent = (StunAgentSavedIds){.valid = false};
	return st == STUN_VALIDATION_SUCCESS;
}

enum agw_consent_word agw_consent_hear(struct agw_consent *c, struct agw_ice_env *env,
				       const struct agw_consent_creds *creds, uint8_t *data,
				       size_t len)
{
	unsigned i = find(c, data);
	StunMessage msg;
	int code = 0;

	if (i == AGW_CONSENT_OPEN ||
	    !is_authentic(env, c->open[i], creds->remote_pwd, &msg, data, len))
		return AGW_CONSENT_BAD;
	if (stun_message_get_class(&msg) == STUN_RESPONSE) {
		c->is_open[i] = false;
		return AGW_CONSENT_GIVEN;
	}
	/* 400 and 401 come without integrity: anybody may have sent them, they close nothing. */
	if (stun_message_find_error(&msg, &code) != STUN_MESSAGE_RETURN_SUCCESS)
		return AGW_CONSENT_NOTHING;
	if (code == STUN_ERROR_FORBIDDEN)
		return AGW_CONSENT_REVOKED;
	if (code != STUN_ERROR_ROLE_CONFLICT)
		return AGW_CONSENT_NOTHING;
	c->other_role = !c->said[i];
	return AGW_CONSENT_ROLE;
}
