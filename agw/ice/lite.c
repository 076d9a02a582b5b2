/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ICE-lite responder (RFC 8445 s2.5, s7.3, s8.2) on libnice's STUN API: answers checks, learns
 * validated sources, follows nominations, watches consent: passively by the peer's checks (ICE-21),
 * or by requests of its own (consent.c; ICE-22). It sends nothing else of its own accord.
 *
 * A check is judged in this order (ICE-11..14, ICE-31):
 *   malformed, no FINGERPRINT, not a Binding    -> silence
 *   no USERNAME or MESSAGE-INTEGRITY            -> 400
 *   unknown ufrag, wrong peer ufrag, wrong key  -> 401
 *   unknown required attribute                  -> 420
 *   ICE-CONTROLLED (we are always controlled)   -> 487;  no PRIORITY -> 400
 *   else                                        -> success
 *
 * Errors are rate limited: an unauthenticated source gets at most ERROR_RATE answers a second
 * from one stream, none longer than half as much again as what it sent (ICE-29).
 */
#include "agw/ice/lite_int.h"

#include <stun/usages/ice.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define ERROR_RATE 10   /* error answers per second and stream */
#define SOON_MS    1200 /* before the next slow tick */
#define NO_LOCAL   UINT32_MAX
#define REPLY_MAX  1024 /* libnice repeats the USERNAME, which may be long */

static struct lite *lite_of(struct agw_ice *ice)
{
	return (struct lite *)ice; /* base is the first member */
}

static const struct lite *lite_of_const(const struct agw_ice *ice)
{
	return (const struct lite *)ice;
}

/* USERNAME is "<our ufrag>:<peer's ufrag>". */
static bool username_matches(const struct generation *g, const uint8_t *name, size_t len)
{
	size_t ours = strlen(g->local.ufrag);
	size_t theirs = strlen(g->remote_ufrag);

	if (!g->valid || len <= ours || name[ours] != ':' ||
	    memcmp(name, g->local.ufrag, ours) != 0)
		return false;
	if (theirs == 0)
		return true; /* early check: integrity needs only our password (ICE-10) */
	return len == ours + 1 + theirs && memcmp(name + ours + 1, g->remote_ufrag, theirs) == 0;
}

struct auth {
	struct lite *l;
	struct generation *matched;
};

static bool find_password(StunAgent *agent, StunMessage *msg, uint8_t *name, uint16_t len,
			  uint8_t **password, size_t *password_len, void *arg)
{
	struct auth *a = arg;
	struct generation *gens[] = {&a->l->cur, &a->l->prev, &a->l->used};

	(void)agent;
	(void)msg;
	for (size_t i = 0; i < sizeof(gens) / sizeof(gens[0]); i++) {
		if (name == NULL || !username_matches(gens[i], name, len))
			continue;
		a->matched = gens[i];
		*password = (uint8_t *)gens[i]->local.pwd;
		*password_len = strlen(gens[i]->local.pwd);
		return true;
	}
	return false;
}

/* Consent is asked for, and the peer's password known; else it is watched (RFC 7675 s5.1). */
static bool asking(struct lite *l, struct agw_consent_creds *out)
{
	struct generation *gens[] = {&l->cur, &l->prev, &l->used};

	if (l->base.pair.local >= AGW_ICE_RELAYED)
		return false; /* the agent asks: only it hears what comes that way */
	for (size_t i = 0; l->consent.active && i < sizeof(gens) / sizeof(gens[0]); i++) {
		if (!gens[i]->valid || gens[i]->number != l->pair_gen ||
		    gens[i]->remote_pwd[0] == '\0')
			continue;
		*out = (struct agw_consent_creds){.local_ufrag = gens[i]->local.ufrag,
						  .remote_ufrag = gens[i]->remote_ufrag,
						  .remote_pwd = gens[i]->remote_pwd,
						  .controlling = l->controlling};
		return true;
	}
	return false;
}

static struct source *find_source(struct lite *l, const struct agw_ice_pair *pair)
{
	for (size_t i = 0; i < SOURCE_MAX; i++) {
		struct source *s = &l->sources[i];

		if (s->used && s->pair.local == pair->local &&
		    gw_addr_eq(&s->pair.remote, &pair->remote))
			return s;
	}
	return NULL;
}

static struct source *learn(struct lite *l, const struct agw_ice_pair *pair, uint32_t gen,
			    uint64_t now_ms)
{
	struct source *slot = find_source(l, pair);
	bool known = slot != NULL;
	uint32_t barred = known ? slot->barred : 0;

	for (size_t i = 0; !known && i < SOURCE_MAX; i++) {
		struct source *s = &l->sources[i];

		if (slot == NULL || (slot->used && (!s->used || s->seen_ms < slot->seen_ms)))
			slot = s;
	}
	GW_ASSERT(slot != NULL);
	*slot = (struct source){
	    .pair = *pair, .generation = gen, .barred = barred, .seen_ms = now_ms, .used = true};
	return slot;
}

static void select_pair(struct lite *l, const struct agw_ice_pair *pair, uint32_t gen,
			uint64_t now_ms)
{
	l->base.pair = *pair;
	l->base.has_pair = l->base.may_send = true;
	l->base.told = false;
	l->pair_gen = gen;
	l->consent_ms = now_ms;
	agw_consent_begin(&l->consent, now_ms);
}

/* What follows from a good check: the pair may be selected, watched consent is renewed. */
static void accept_check(struct lite *l, const struct agw_ice_pair *pair,
			 const struct generation *g, bool use_candidate, uint64_t now_ms)
{
	struct agw_ice *b = &l->base;
	bool same = b->has_pair && b->pair.local == pair->local &&
		    gw_addr_eq(&b->pair.remote, &pair->remote);
	bool was_sending = b->may_send;
	bool had_pair = b->has_pair;
	struct agw_consent_creds creds;
	bool asked = same && asking(l, &creds); /* its checks say nothing of consent, then */

	if (learn(l, pair, g->number, now_ms)->barred > g->number)
		return; /* only new credentials bring it back (RFC 7675 s5.1) */
	if (!use_candidate) {
		if (!had_pair && l->first_valid_pair) {
			select_pair(l, pair, g->number, now_ms);
		} else if (same && !asked) {
			l->consent_ms = now_ms;
			b->may_send = true;
			if (!was_sending)
				b->cbs.on_event(b->arg, AGW_ICE_EV_CONSENT_RESTORED);
		}
		return;
	}
	if (!asked || g->number != l->pair_gen)
		select_pair(l, pair, g->number, now_ms);
	if (!l->nominated || g->number != l->nominated_gen) {
		/* An old generation cannot win back what a newer one has nominated. */
		l->nominated = true;
		l->nominated_gen = g->number;
		l->used.valid = false;
		if (g->number == b->generation) {
			l->prev.valid = false;
			l->deadline_ms = 0;
		}
		b->cbs.on_event(b->arg, AGW_ICE_EV_CONNECTED);
	} else if (!same) {
		b->cbs.on_event(b->arg, AGW_ICE_EV_PAIR_CHANGED);
	}
	if (had_pair && !was_sending)
		b->cbs.on_event(b->arg, AGW_ICE_EV_CONSENT_RESTORED);
}

static bool error_allowed(struct lite *l, uint64_t now_ms)
{
	if (now_ms - l->errors_window_ms >= 1000) {
		l->errors_window_ms = now_ms;
		l->errors_in_window = 0;
	}
	return l->errors_in_window++ < ERROR_RATE;
}

static enum agw_ice_verdict refuse(struct lite *l, struct agw_ice_env *env,
				   const struct agw_ice_pair *pair, StunMessage *req,
				   StunError code, size_t req_len, uint64_t now_ms)
{
	uint8_t buf[REPLY_MAX];
	StunMessage rsp;
	size_t n = 0;

	if (!error_allowed(l, now_ms))
		return AGW_ICE_REFUSED;
	if (code == STUN_ERROR_UNKNOWN_ATTRIBUTE)
		n = stun_agent_build_unknown_attributes_error(&env->agent, &rsp, buf, sizeof(buf),
							      req);
	else if (stun_agent_init_error(&env->agent, &rsp, buf, sizeof(buf), req, code))
		n = stun_agent_finish_message(&env->agent, &rsp, NULL, 0);
	/* Without a key nobody proved to be there: never amplify (ICE-29). */
	if (n > 0 && (req->key != NULL || n * 2 <= req_len * 3))
		l->base.cbs.send(l->base.arg, pair->local, &pair->remote, buf, n);
	return AGW_ICE_REFUSED;
}

/* A full agent nominates itself; what a controlling peer moves to later is followed (ICE-15). */
static bool nominates(const struct lite *l, const struct generation *g, StunMessage *req)
{
	if (!stun_usage_ice_conncheck_use_candidate(req))
		return false;
	return !l->agent || g != &l->cur ||
	       (!l->controlling && l->nominated && l->nominated_gen == g->number);
}

static enum agw_ice_verdict answer(struct lite *l, struct agw_ice_env *env,
				   const struct agw_ice_pair *pair, StunMessage *req,
				   const struct generation *g, size_t req_len, uint64_t now_ms)
{
	uint8_t buf[REPLY_MAX];
	size_t n = sizeof(buf);
	StunMessage rsp;
	struct sockaddr_storage src;
	bool controlling = false;
	uint32_t priority;
	const uint8_t *txn = req->buffer + STUN_MESSAGE_TRANS_ID_POS + 4; /* behind the cookie */

	bool pass = l->agent && g == &l->cur;

	if (!pass && stun_message_has_attribute(req, STUN_ATTRIBUTE_ICE_CONTROLLED))
		return refuse(l, env, pair, req, STUN_ERROR_ROLE_CONFLICT, req_len, now_ms);
	if (stun_message_find32(req, STUN_ATTRIBUTE_PRIORITY, &priority) !=
	    STUN_MESSAGE_RETURN_SUCCESS)
		return refuse(l, env, pair, req, STUN_ERROR_BAD_REQUEST, req_len, now_ms);
	if (agw_ice_replay_seen(&l->seen, txn) && find_source(l, pair) == NULL)
		return AGW_ICE_BAD; /* a recorded one, from somebody else */
	if (pass) {
		/* libnice solves conflicts and tells nobody: after one the peer's checks do */
		l->controlling = !stun_message_has_attribute(req, STUN_ATTRIBUTE_ICE_CONTROLLING);
		agw_ice_replay_add(&l->seen, txn);
		accept_check(l, pair, g, nominates(l, g, req), now_ms);
		return AGW_ICE_PASS;
	}
	memset(&src, 0, sizeof(src));
	memcpy(&src, &pair->remote.u, pair->remote.len);
	if (stun_usage_ice_conncheck_create_reply(
		&env->agent, req, &rsp, buf, &n, &src, pair->remote.len, &controlling, 0,
		STUN_USAGE_ICE_COMPATIBILITY_RFC5245) != STUN_USAGE_ICE_RETURN_SUCCESS ||
	    n == 0)
		return refuse(l, env, pair, req, STUN_ERROR_BAD_REQUEST, req_len, now_ms);
	if (l->base.cbs.may_use != NULL &&
	    !l->base.cbs.may_use(l->base.arg, pair->local, &pair->remote, true))
		return AGW_ICE_TAKEN;
	agw_ice_replay_add(&l->seen, txn);
	l->base.cbs.send(l->base.arg, pair->local, &pair->remote, buf, n);
	accept_check(l, pair, g, nominates(l, g, req), now_ms);
	return AGW_ICE_GOOD;
}

static void lose_consent(struct lite *l, bool asked)
{
	struct agw_ice *b = &l->base;
	struct source *s = find_source(l, &b->pair);

	b->may_send = false;
	if (asked && s != NULL)
		s->barred = l->pair_gen + 1;
	b->cbs.on_event(b->arg, AGW_ICE_EV_CONSENT_LOST);
}

static void lite_lost(struct agw_ice *ice, unsigned local, const struct gw_addr *remote)
{
	struct lite *l = lite_of(ice);
	struct agw_ice_pair pair = {.local = local, .remote = *remote};
	struct source *s = find_source(l, &pair);

	if (s != NULL)
		s->used = false;
	if (!ice->has_pair || ice->pair.local != local || !gw_addr_eq(&ice->pair.remote, remote))
		return;
	ice->pair.local = NO_LOCAL; /* nothing comes from there, till something else is selected */
	if (ice->may_send)
		lose_consent(l, false);
}

/* An answer: only to a consent request of ours, and only from where that went (ICE-22). */
static enum agw_ice_verdict hear_answer(struct lite *l, struct agw_ice_env *env,
					const struct agw_ice_pair *from, uint8_t *data, size_t len,
					uint64_t now_ms)
{
	struct agw_ice *b = &l->base;
	struct agw_consent_creds creds;

	if (!b->may_send || b->pair.local != from->local ||
	    !gw_addr_eq(&b->pair.remote, &from->remote) || !asking(l, &creds))
		return AGW_ICE_BAD;
	switch (agw_consent_hear(&l->consent, env, &creds, data, len)) {
	case AGW_CONSENT_GIVEN:
		l->consent_ms = now_ms;
		b->told = false;
		return AGW_ICE_CONSENT;
	case AGW_CONSENT_REVOKED:
		lose_consent(l, true);
		return AGW_ICE_IGNORED;
	case AGW_CONSENT_ROLE: /* the next request says so */
		l->controlling = l->consent.other_role;
		return AGW_ICE_IGNORED;
	case AGW_CONSENT_NOTHING:
		return AGW_ICE_IGNORED;
	case AGW_CONSENT_BAD:
		break;
	}
	return AGW_ICE_BAD;
}

static enum agw_ice_verdict lite_input(struct agw_ice *ice, struct agw_ice_env *env, unsigned local,
				       const struct gw_addr *from, uint8_t *data, size_t len,
				       uint64_t now_ms)
{
	struct lite *l = lite_of(ice);
	struct auth auth = {.l = l};
	struct agw_ice_pair pair = {.local = local, .remote = *from};
	StunMessage req;
	StunValidationStatus st;

	if (!agw_stun_is_wellformed(data, len))
		return AGW_ICE_BAD;
	if (agw_ice_is_answer(data, len))
		return hear_answer(l, env, &pair, data, len, now_ms);
	memset(&req, 0, sizeof(req));
	st = stun_agent_validate(&env->agent, &req, data, len, find_password, &auth);
	if (st == STUN_VALIDATION_NOT_STUN || st == STUN_VALIDATION_INCOMPLETE_STUN ||
	    st == STUN_VALIDATION_BAD_REQUEST)
		return AGW_ICE_BAD;
	/* Binding indications keep a NAT open; for the rest a lite agent is the wrong address. */
	if (stun_message_get_method(&req) != STUN_BINDING)
		return AGW_ICE_BAD;
	if (stun_message_get_class(&req) != STUN_REQUEST)
		return stun_message_get_class(&req) == STUN_INDICATION ? AGW_ICE_IGNORED
								       : AGW_ICE_BAD;
	switch (st) {
	case STUN_VALIDATION_SUCCESS:
		if (auth.matched == NULL)
			return refuse(l, env, &pair, &req, STUN_ERROR_UNAUTHORIZED, len, now_ms);
		return answer(l, env, &pair, &req, auth.matched, len, now_ms);
	case STUN_VALIDATION_UNAUTHORIZED_BAD_REQUEST:
		return refuse(l, env, &pair, &req, STUN_ERROR_BAD_REQUEST, len, now_ms);
	case STUN_VALIDATION_UNAUTHORIZED:
		return refuse(l, env, &pair, &req, STUN_ERROR_UNAUTHORIZED, len, now_ms);
	case STUN_VALIDATION_UNKNOWN_REQUEST_ATTRIBUTE:
		return refuse(l, env, &pair, &req, STUN_ERROR_UNKNOWN_ATTRIBUTE, len, now_ms);
	case STUN_VALIDATION_NOT_STUN:
	case STUN_VALIDATION_INCOMPLETE_STUN:
	case STUN_VALIDATION_BAD_REQUEST:
	case STUN_VALIDATION_UNMATCHED_RESPONSE:
	case STUN_VALIDATION_UNKNOWN_ATTRIBUTE:
	case STUN_VALIDATION_FORBIDDEN:
		break;
	}
	return AGW_ICE_IGNORED;
}

static void lite_set_remote(struct agw_ice *ice, const char *ufrag, const char *pwd)
{
	struct lite *l = lite_of(ice);

	(void)snprintf(l->cur.remote_ufrag, sizeof(l->cur.remote_ufrag), "%s", ufrag);
	(void)snprintf(l->cur.remote_pwd, sizeof(l->cur.remote_pwd), "%s", pwd);
}

static void lite_restart(struct agw_ice *ice, const struct agw_ice_creds *local)
{
	struct lite *l = lite_of(ice);

	if (l->nominated && l->prev.valid && l->prev.number == l->nominated_gen)
		l->used = l->prev;
	l->prev = l->cur;
	l->cur = (struct generation){.local = *local, .number = ++ice->generation, .valid = true};
	l->deadline_ms = 0;
}

static void lite_expect(struct agw_ice *ice, uint64_t now_ms)
{
	struct lite *l = lite_of(ice);

	if (l->nominated && l->nominated_gen == ice->generation)
		return;
	if (l->deadline_ms == 0 && l->timeout_ms != 0)
		l->deadline_ms = now_ms + l->timeout_ms;
	if (l->met.lite && !l->agent)
		agw_two_lite_connect(l, now_ms);
}

static void ask_consent(struct lite *l, struct agw_ice_env *env,
			const struct agw_consent_creds *creds, uint64_t now_ms)
{
	struct agw_ice *b = &l->base;
	uint8_t buf[REPLY_MAX];
	size_t n = agw_consent_ask(&l->consent, env, creds, buf, sizeof(buf), now_ms);

	if (n > 0)
		b->cbs.send(b->arg, b->pair.local, &b->pair.remote, buf, n);
}

static void lite_tick(struct agw_ice *ice, struct agw_ice_env *env, uint64_t now_ms)
{
	struct lite *l = lite_of(ice);
	struct agw_consent_creds creds;
	bool asked = asking(l, &creds);

	if (l->deadline_ms != 0 && now_ms >= l->deadline_ms) {
		l->deadline_ms = 0;
		ice->cbs.on_event(ice->arg, AGW_ICE_EV_FAILED);
	}
	if (ice->may_send && now_ms - l->consent_ms >= l->consent_timeout_ms)
		lose_consent(l, asked);
	else if (ice->may_send && asked && now_ms >= l->consent.next_ms)
		ask_consent(l, env, &creds, now_ms);
	l->asks_soon = ice->may_send && asked && l->consent.next_ms < now_ms + SOON_MS;
}

static bool lite_is_pending(const struct agw_ice *ice)
{
	return lite_of_const(ice)->deadline_ms != 0 || lite_of_const(ice)->asks_soon;
}

static void lite_free(struct agw_ice *ice)
{
	explicit_bzero(lite_of(ice), sizeof(struct lite));
	free(ice);
}

const struct agw_ice_provider agw_lite_provider = {
    .free = lite_free,
    .set_remote = lite_set_remote,
    .restart = lite_restart,
    .local_ufrags = agw_lite_local_ufrags,
    .expect = lite_expect,
    .input = lite_input,
    .tick = lite_tick,
    .is_valid_source = agw_lite_is_valid_source,
    .is_pending = lite_is_pending,
    .lost = lite_lost,
    .set_peer = agw_two_lite_meet,
};

void agw_lite_init(struct lite *l, const struct agw_ice_cfg *cfg, const struct agw_ice_cbs *cbs,
		   void *arg)
{
	l->base.ops = &agw_lite_provider;
	l->base.cbs = *cbs;
	l->base.arg = arg;
	l->timeout_ms = cfg->timeout_ms;
	l->consent_timeout_ms = cfg->consent_timeout_ms;
	l->first_valid_pair = cfg->first_valid_pair;
	l->consent.active = l->consent_mode = cfg->consent_active;
	l->loopback = cfg->loopback;
	l->component = cfg->component != 0 ? cfg->component : 1;
	l->cur = (struct generation){.local = cfg->local, .valid = true};
}

void agw_lite_nominated(struct lite *l, const struct agw_ice_pair *pair, uint64_t now_ms)
{
	accept_check(l, pair, &l->cur, true, now_ms);
}

enum gw_err agw_ice_lite_new(struct agw_ice **out, const struct agw_ice_cfg *cfg,
			     const struct agw_ice_cbs *cbs, void *arg)
{
	struct lite *l = calloc(1, sizeof(*l));

	if (l == NULL)
		return GW_ERR_NOMEM;
	agw_lite_init(l, cfg, cbs, arg);
	*out = &l->base;
	return GW_OK;
}
