/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The object: built from the configuration, undone in reverse; and what operators and challenges
 * are told of it.
 */
#include "cscf/authz/authz_int.h"

#include "common/log.h"

#include <inttypes.h>
#include <jose/b64.h>
#include <stdio.h>
#include <time.h>

#define GW_LOG_MOD   "authz"
#define SPARE_ACTIVE 4U

/* ---- clocks -------------------------------------------------------------------------------- */

static int64_t real_wall_s(void *arg)
{
	(void)arg;
	return (int64_t)time(NULL);
}

static int64_t real_mono_ms(void *arg)
{
	struct timespec ts;

	(void)arg;
	(void)clock_gettime(CLOCK_MONOTONIC, &ts);
	return (int64_t)ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

/* ---- the object ---------------------------------------------------------------------------- */

static void no_words(void *misc, const char *file, int line, uint64_t err, const char *fmt,
		     va_list ap)
{
	/* libjose would print to stderr what a hostile token makes it think. */
	(void)misc;
	(void)file;
	(void)line;
	(void)err;
	(void)fmt;
	(void)ap;
}

static enum gw_err init_issuer(struct cscf_authz *a, struct issuer *i,
			       const struct cscf_authz_issuer *cfg)
{
	i->a = a;
	i->cfg = cfg;
	if (*cfg->entity_name != '\0')
		(void)snprintf(i->waf, sizeof(i->waf), "%s", cfg->entity_name);
	else
		config_issuer_host(cfg->issuer, i->waf, sizeof(i->waf));
	if (*cfg->secret != '\0') {
		i->secret = json_pack("{s:s, s:o}", "kty", "oct", "k",
				      jose_b64_enc(cfg->secret, strlen(cfg->secret)));
		if (i->secret == NULL)
			return GW_ERR_NOMEM;
	}
	return jwks_init(i);
}

static enum gw_err init_issuers(struct cscf_authz *a)
{
	const struct cscf_authz_issuer *list = a->cfg->issuers.item;
	enum gw_err err = GW_OK;

	a->issuer = calloc(a->cfg->issuers.n + 1, sizeof(*a->issuer));
	if (a->issuer == NULL)
		return GW_ERR_NOMEM;
	for (size_t k = 0; k < a->cfg->issuers.n && err == GW_OK; k++) {
		err = init_issuer(a, &a->issuer[k], &list[k]);
		a->n_issuers++;
	}
	return err;
}

static enum gw_err init_http(struct cscf_authz *a, char *why, size_t n)
{
	struct cscf_http_config cfg = {
	    .ca_file = a->cfg->tls_ca,
	    .max_body = MAX_HTTP_BODY,
	    .max_active = MAX_INSPECTIONS + (uint32_t)a->cfg->issuers.n + SPARE_ACTIVE,
	};
	enum gw_err err = cscf_http_new(&a->http, a->base, &cfg);

	if (err == GW_ERR_INVAL)
		(void)snprintf(why, n, "token.tls_ca: cannot read %s", a->cfg->tls_ca);
	return err;
}

enum gw_err cscf_authz_new(struct cscf_authz **out, struct event_base *base,
			   const struct cscf_authz_config *cfg,
			   const struct cscf_authz_clock *clock, char *why, size_t n)
{
	struct cscf_authz *a = calloc(1, sizeof(*a));
	enum gw_err err;

	if (a == NULL)
		return GW_ERR_NOMEM;
	a->base = base;
	a->cfg = cfg;
	a->clock =
	    clock != NULL ? *clock : (struct cscf_authz_clock){real_wall_s, real_mono_ms, NULL};
	metric_init();
	err = cscf_authz_check_config(cfg, why, n);
	if (err == GW_OK)
		err = jwe_keys_load(&a->jwe, cfg->jwe_key, why, n);
	if (err == GW_OK)
		err = init_http(a, why, n);
	if (err == GW_OK)
		err = gw_handle_table_new(&a->jobs, (uint32_t)cfg->max_waiting);
	if (err == GW_OK) {
		a->jose = jose_cfg();
		err = a->jose != NULL ? GW_OK : GW_ERR_NOMEM;
	}
	if (err == GW_OK) {
		jose_cfg_set_err_func(a->jose, no_words, NULL);
		err = init_issuers(a);
	}
	if (err != GW_OK) {
		cscf_authz_free(a);
		return err;
	}
	*out = a;
	return GW_OK;
}

static void free_jobs(struct cscf_authz *a)
{
	uint32_t cursor = 0;
	const struct job *job;

	while (a->jobs != NULL && (job = gw_handle_next(a->jobs, &cursor)) != NULL)
		cscf_authz_cancel(a, job->id);
	gw_handle_table_free(a->jobs);
}

void cscf_authz_free(struct cscf_authz *a)
{
	if (a == NULL)
		return;
	free_jobs(a);
	cscf_http_free(a->http);
	introspect_clear(a);
	for (size_t k = 0; k < a->n_issuers; k++) {
		jwks_fini(&a->issuer[k]);
		json_decref(a->issuer[k].secret);
	}
	free(a->issuer);
	cache_clear(a);
	revoked_clear(a);
	jwe_keys_clear(&a->jwe);
	if (a->jose != NULL)
		jose_cfg_decref(a->jose);
	free(a);
}

/* ---- what others are told ------------------------------------------------------------------ */

enum gw_err cscf_authz_challenge(const struct cscf_authz *a, const char *error, char *buf, size_t n)
{
	const char *server = a->cfg->challenge_authz_server;
	FILE *to = fmemopen(buf, n, "w");
	long len;

	if (to == NULL)
		return GW_ERR_NOMEM;
	if (*server == '\0' && a->n_issuers > 0)
		server = a->issuer[0].cfg->issuer;
	(void)fprintf(to, "Bearer realm=\"%s\"", a->cfg->realm);
	if (*server != '\0')
		(void)fprintf(to, ",authz_server=\"%s\"", server);
	if (*a->cfg->required_scope != '\0')
		(void)fprintf(to, ",scope=\"%s\"", a->cfg->required_scope);
	if (error != NULL)
		(void)fprintf(to, ",error=\"%s\"", error);
	(void)fputc('\0', to);
	len = ftell(to);
	return fclose(to) == 0 && len > 0 && (size_t)len < n ? GW_OK : GW_ERR_LIMIT;
}

static json_t *keys_json(const struct issuer *i)
{
	static const char *const kinds[] = {"EC", "RSA", "oct"};
	json_t *list = json_array();

	for (size_t k = 0; k < i->keys.n; k++) {
		const struct key *key = &i->keys.key[k];

		(void)json_array_append_new(
		    list,
		    json_pack("{s:s, s:s, s:s}", "kid", key->kid != NULL ? key->kid : "", "kty",
			      kinds[key->kind], "alg", key->alg_name != NULL ? key->alg_name : ""));
	}
	return list;
}

static size_t count_waiting(const struct issuer *i)
{
	size_t n = 0;

	for (const struct job *job = i->waiting; job != NULL; job = job->next)
		n++;
	return n;
}

static json_t *issuer_json(const struct issuer *i)
{
	int64_t now = authz_mono_ms(i->a);
	json_t *o = json_pack("{s:s, s:s, s:s, s:o, s:I, s:I, s:I, s:I, s:s, s:s}", "issuer",
			      i->cfg->issuer, "domain",
			      i->cfg->domain == CSCF_AUTHZ_OWN ? "own" : "third-party", "entity",
			      i->waf, "keys", keys_json(i), "waiting", (json_int_t)count_waiting(i),
			      "fetches", (json_int_t)i->fetches, "introspections",
			      (json_int_t)i->asked, "failures", (json_int_t)i->failures,
			      "last_error", i->last_error, "introspection_error", i->ask_error);

	if (i->has_keys)
		(void)json_object_set_new(o, "keys_age_s",
					  json_integer((now - i->fetched_ms) / 1000));
	return o;
}

json_t *cscf_authz_json(const struct cscf_authz *a)
{
	json_t *list = json_array();
	json_t *o = json_object();

	for (size_t k = 0; k < a->n_issuers; k++)
		(void)json_array_append_new(list, issuer_json(&a->issuer[k]));
	(void)json_object_set_new(o, "issuers", list);
	(void)json_object_set_new(o, "cached_tokens", json_integer(HASH_COUNT(a->cache)));
	(void)json_object_set_new(o, "waiting", json_integer((json_int_t)gw_handle_count(a->jobs)));
	(void)json_object_set_new(o, "revoked", json_integer(HASH_COUNT(a->revoked)));
	metric_counts(o);
	return o;
}
