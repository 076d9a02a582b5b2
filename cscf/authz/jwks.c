/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The keys of one issuer (TOK-06, TOK-27, TOK-28). They are fetched at start and again each
 * token.jwks_ttl; when that fails the old ones serve on for token.jwks_max_stale while the fetch
 * is tried again with growing pauses. A kid that is not among them causes one fetch per
 * token.jwks_min_refetch, however many tokens name one. There is never more than one fetch per
 * issuer; everybody who needs its result waits in the issuer's list.
 */
#include "cscf/authz/authz_int.h"

#include "common/log.h"

#include <event2/event.h>

#define GW_LOG_MOD  "authz"
#define FIRST_RETRY INT64_C(500)
/* Without any key, tokens wait so long for the next attempt; later ones are told to come back. */
#define PATIENCE    INT64_C(2000)
#define JWKS_ACCEPT "application/jwk-set+json, application/json"
#define HTTP_OK     200

static void arm(struct issuer *i, int64_t ms)
{
	struct timeval tv = {ms / 1000, (ms % 1000) * 1000};

	(void)event_add(&i->refresh, &tv);
}

static int64_t at_most(int64_t a, int64_t b)
{
	return a < b ? a : b;
}

/* ---- the end of a fetch ------------------------------------------------------------------- */

static void failed(struct issuer *i, const char *why)
{
	i->failures++;
	i->last_failed = true;
	i->tried_ms = authz_mono_ms(i->a); /* the pause begins now: a time-out took long */
	i->retry_ms =
	    i->retry_ms == 0 ? FIRST_RETRY : at_most(2 * i->retry_ms, i->a->cfg->jwks_min_refetch);
	(void)snprintf(i->last_error, sizeof(i->last_error), "%s", why);
	GW_LOG_LIMITED(GW_LOG_WARN, "authz.jwks_failed",
		       "issuer=\"%s\" why=\"%s\" keys=%zu retry_ms=%lld", i->cfg->issuer, why,
		       i->keys.n, (long long)i->retry_ms);
	metric_fetch(false);
	arm(i, i->retry_ms);
}

static void succeeded(struct issuer *i, struct key_set *keys)
{
	bool changed = !i->has_keys || i->last_failed || keys->n != i->keys.n;

	for (size_t k = 0; k < keys->n && !changed; k++)
		changed = json_equal(keys->key[k].jwk, i->keys.key[k].jwk) == 0;
	key_set_clear(&i->keys);
	i->keys = *keys;
	i->has_keys = true;
	i->last_failed = false;
	i->retry_ms = 0;
	i->fetched_ms = authz_mono_ms(i->a);
	i->last_error[0] = '\0';
	if (changed)
		GW_LOG(keys->n > 0 ? GW_LOG_INFO : GW_LOG_ERROR, "authz.keys",
		       "issuer=\"%s\" keys=%zu", i->cfg->issuer, keys->n);
	metric_fetch(true);
	arm(i, i->a->cfg->jwks_ttl);
}

static void on_reply(void *arg, const struct cscf_http_reply *reply)
{
	struct issuer *i = arg;
	uint64_t round = i->round;
	struct key_set keys = {NULL, 0};
	json_t *jwks = NULL;
	char why[64];

	i->fetch = GW_HANDLE_NONE;
	if (reply->err != GW_OK) {
		failed(i, reply->why);
	} else if (reply->status != HTTP_OK) {
		(void)snprintf(why, sizeof(why), "status %d", reply->status);
		failed(i, why);
	} else {
		if (reply->body.n > 0)
			jwks = json_loadb(reply->body.p, reply->body.n, 0, NULL);
		if (key_set_parse(&keys, jwks))
			succeeded(i, &keys);
		else
			failed(i, "not a JWKS");
		json_decref(jwks);
	}
	authz_keys_done(i, round);
}

/* ---- the beginning of one ----------------------------------------------------------------- */

static void start(struct issuer *i)
{
	struct cscf_http_request req = {
	    .url = i->cfg->jwks_url, .accept = JWKS_ACCEPT, .timeout_ms = i->a->cfg->http_timeout};
	enum gw_err err;

	i->has_tried = true;
	i->tried_ms = authz_mono_ms(i->a);
	i->fetches++;
	err = cscf_http_start(i->a->http, &req, on_reply, i, &i->fetch);
	if (err != GW_OK) {
		i->fetch = GW_HANDLE_NONE;
		failed(i, gw_err_name(err));
		return;
	}
	i->round++;
}

/* Milliseconds until a fetch may start for that reason; 0 = now. */
static int64_t pause_left(const struct issuer *i, int64_t pause)
{
	int64_t since = authz_mono_ms(i->a) - i->tried_ms;

	return !i->has_tried || since >= pause ? 0 : pause - since;
}

static bool fetch_unless(struct issuer *i, int64_t pause)
{
	if (i->fetch == GW_HANDLE_NONE && pause_left(i, pause) == 0)
		start(i);
	return i->fetch != GW_HANDLE_NONE;
}

static void on_refresh(evutil_socket_t fd, short what, void *arg)
{
	struct issuer *i = arg;

	(void)fd;
	(void)what;
	if (!fetch_unless(i, 0))
		authz_keys_done(i, i->round + 1); /* who waited for this one */
}

enum keys_state jwks_ready(struct issuer *i)
{
	int64_t age = authz_mono_ms(i->a) - i->fetched_ms;
	bool usable = i->has_keys && i->keys.n > 0 && age <= i->a->cfg->jwks_max_stale;

	/* Old keys serve while new ones are fetched, so a slow WAF delays nobody. */
	if (usable && age <= i->a->cfg->jwks_ttl)
		return KEYS_READY;
	if (fetch_unless(i, i->retry_ms > 0 ? i->retry_ms : FIRST_RETRY) && !usable)
		return KEYS_WAIT;
	if (usable)
		return KEYS_READY;
	return i->last_failed && i->retry_ms <= PATIENCE &&
		       event_pending(&i->refresh, EV_TIMEOUT, NULL) != 0
		   ? KEYS_WAIT
		   : KEYS_MISSING;
}

enum keys_state jwks_for_unknown_kid(struct issuer *i)
{
	if (fetch_unless(i, i->a->cfg->jwks_min_refetch))
		return KEYS_WAIT;
	/* Not asked again so soon. When the last answer was good, the kid is simply not there. */
	return i->last_failed ? KEYS_MISSING : KEYS_READY;
}

unsigned jwks_retry_after_s(const struct issuer *i)
{
	int64_t left = pause_left(i, i->last_failed ? i->retry_ms : i->a->cfg->jwks_min_refetch);

	return (unsigned)((left + 999) / 1000 + 1);
}

enum gw_err jwks_init(struct issuer *i)
{
	if (evtimer_assign(&i->refresh, i->a->base, on_refresh, i) != 0)
		return GW_ERR_NOMEM;
	if (*i->cfg->jwks_url != '\0')
		arm(i, 0);
	return GW_OK;
}

void jwks_fini(struct issuer *i)
{
	if (event_initialized(&i->refresh))
		(void)event_del(&i->refresh);
	key_set_clear(&i->keys);
}
