/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The way of one token through the files of this folder:
 *
 *   verify ─> credentials ─> cache? ─> opaque ─────────────────────> introspect ─> wait
 *                              │       JWE ─> jwe ─> JWS             (claims) ─> cache
 *                              │       JWS ─> issuer ─> header ─> key? ──> jwks ─> wait
 *                              │                         signature ─> claims ─> cache
 *                              └──────────> policy ─> done
 *
 * Who has to wait becomes a job; when what it waits for is there, the same way is walked again.
 */
#include "cscf/authz/authz_int.h"

#include "common/log.h"

#include <event2/event.h>
#include <utlist.h>

#define GW_LOG_MOD "authz"

/* One walk. */
struct walk {
	struct gw_slice token;
	unsigned char hash[CSCF_AUTHZ_HASH];
	const char *origin;
	const struct gw_addr *source;
	bool allow_expired;
	bool again; /* the keys were just fetched, or the fetch failed */

	/* where it ended */
	enum { DECIDED, WAIT_KEYS, WAIT_INSPECTION } end;
	enum cscf_authz_reason reason;
	const struct cscf_authz_grant *grant; /* a reference */
	struct issuer *issuer;                /* as far as known */
	struct inspection *inspection;
};

static const struct {
	enum cscf_authz_verdict verdict;
	const char *word, *phrase;
} reasons[] = {
#define X(name, verdict, word, phrase) [CSCF_AUTHZ_R_##name] = {CSCF_AUTHZ_##verdict, word, phrase},
    CSCF_AUTHZ_REASON_LIST(X)
#undef X
};

struct issuer *authz_issuer(struct cscf_authz *a, const char *iss)
{
	for (size_t k = 0; k < a->n_issuers; k++)
		if (strcmp(a->issuer[k].cfg->issuer, iss) == 0)
			return &a->issuer[k];
	return NULL;
}

/* ---- the walk ------------------------------------------------------------------------------ */

static void refuse(struct walk *w, enum cscf_authz_reason reason)
{
	w->end = DECIDED;
	w->reason = reason;
}

static void walk_introspection(struct walk *w, struct issuer *i)
{
	enum cscf_authz_reason reason = CSCF_AUTHZ_R_OK;

	w->issuer = i;
	w->inspection = introspect(i, w->token, w->hash, w->source, &reason);
	if (w->inspection == NULL)
		refuse(w, reason);
	else
		w->end = WAIT_INSPECTION;
}

/* The key that must have signed it; NULL: the walk has ended. */
static const json_t *find_key(struct walk *w, const struct jwt *j, const struct alg *alg)
{
	struct issuer *i = w->issuer;
	const struct key *key = NULL;
	enum keys_state state;

	if (alg->kind == KEY_OCT)
		return i->secret;
	state = *i->cfg->jwks_url != '\0' ? jwks_ready(i) : KEYS_MISSING;
	if (state == KEYS_READY) {
		switch (key_set_pick(&i->keys, j, alg, &key)) {
		case PICK_FOUND:
			return key->jwk;
		case PICK_UNFIT:
			refuse(w, j->kid != NULL ? CSCF_AUTHZ_R_ALG : CSCF_AUTHZ_R_KEY);
			return NULL;
		case PICK_UNKNOWN:
			state = w->again && !i->last_failed ? KEYS_READY : jwks_for_unknown_kid(i);
			break;
		}
	}
	if (state == KEYS_READY)
		refuse(w, CSCF_AUTHZ_R_KEY);
	else if (state == KEYS_MISSING || w->again)
		refuse(w, CSCF_AUTHZ_R_WAF_DOWN);
	else
		w->end = WAIT_KEYS;
	return NULL;
}

static void walk_signature(struct cscf_authz *a, struct walk *w, const struct jwt *j)
{
	enum cscf_authz_reason r = jwt_check_header(a->cfg, j, w->issuer->secret != NULL);
	const json_t *jwk = r == CSCF_AUTHZ_R_OK ? find_key(w, j, alg_find(j->alg)) : NULL;

	if (r != CSCF_AUTHZ_R_OK)
		refuse(w, r);
	if (jwk == NULL)
		return;
	if (!jwt_verify(a->jose, j, jwk))
		r = CSCF_AUTHZ_R_SIGNATURE;
	else
		r = claims_grant(w->issuer, j->payload, w->hash, w->allow_expired, &w->grant);
	if (r == CSCF_AUTHZ_R_OK)
		cache_put(a, w->hash, r, w->grant);
	refuse(w, r);
}

/* A signed token. False: it does not look like one; or (sealed in a JWE) only its WAF could tell.
 */
static bool walk_jws(struct cscf_authz *a, struct walk *w, struct gw_slice token, bool sealed)
{
	bool judged = true;
	struct jwt j;

	if (!jwt_parse(&j, token))
		return false;
	w->issuer = authz_issuer(a, j.iss);
	if (w->issuer == NULL)
		refuse(w, CSCF_AUTHZ_R_ISSUER);
	else if (*w->issuer->cfg->jwks_url != '\0' || w->issuer->secret != NULL)
		walk_signature(a, w, &j);
	else if (sealed)
		judged = false;
	else
		walk_introspection(w, w->issuer);
	jwt_clear(&j);
	return judged;
}

static void walk_jwe(struct cscf_authz *a, struct walk *w)
{
	size_t n = 0;
	char *inner = a->jwe.list != NULL ? jwe_decrypt(&a->jwe, a->jose, w->token, &n) : NULL;

	if (inner == NULL)
		refuse(w, CSCF_AUTHZ_R_DECRYPT);
	else if (!walk_jws(a, w, (struct gw_slice){inner, n}, true))
		refuse(w, CSCF_AUTHZ_R_NOT_A_TOKEN);
	jwe_free(inner, n);
}

static size_t count_dots(struct gw_slice s)
{
	size_t n = 0;

	for (size_t i = 0; i < s.n; i++)
		n += s.p[i] == '.' ? 1 : 0;
	return n;
}

static void walk_new_token(struct cscf_authz *a, struct walk *w)
{
	size_t dots = count_dots(w->token);
	struct issuer *i;

	if (dots == 4) {
		walk_jwe(a, w);
		return;
	}
	if (dots == 2 && walk_jws(a, w, w->token, false))
		return;
	i = introspect_issuer(a, w->origin);
	if (i == NULL)
		refuse(w, CSCF_AUTHZ_R_NOT_A_TOKEN);
	else
		walk_introspection(w, i);
}

static void walk(struct cscf_authz *a, struct walk *w)
{
	const struct cscf_authz_grant *known = NULL;

	w->end = DECIDED;
	w->grant = NULL;
	w->issuer = NULL;
	if (!cache_find(a, w->hash, &w->reason, &known))
		walk_new_token(a, w);
	else if (known != NULL)
		w->grant = cscf_authz_grant_ref(known);
}

/* ---- the verdict --------------------------------------------------------------------------- */

static void log_refusal(const struct cscf_authz_result *res, const char *issuer, const char *origin)
{
	GW_LOG_LIMITED(GW_LOG_WARN, "authz.refused", "reason=%s issuer=\"%s\" origin=\"%.100s\"",
		       res->word, issuer, origin);
}

/* The last step: what the request itself allows. */
static void report(struct cscf_authz *a, const struct walk *w, cscf_authz_done *done, void *arg)
{
	struct cscf_authz_result res = {.reason = w->reason};
	const struct issuer *i = w->issuer;

	if (w->grant != NULL)
		res.reason = policy_check(a, w->grant, w->origin, w->allow_expired, &res.expired);
	res.verdict = reasons[res.reason].verdict;
	res.word = reasons[res.reason].word;
	res.phrase = reasons[res.reason].phrase;
	metric_reason(res.reason);
	if (res.verdict == CSCF_AUTHZ_OK)
		res.grant = w->grant;
	else
		log_refusal(&res,
			    i != NULL  ? i->cfg->issuer
			    : w->grant ? w->grant->issuer
				       : "",
			    w->origin);
	if (res.verdict == CSCF_AUTHZ_INVALID)
		res.error = "invalid_token";
	if (res.verdict == CSCF_AUTHZ_UNAVAILABLE)
		res.retry_after_s =
		    i != NULL && res.reason == CSCF_AUTHZ_R_WAF_DOWN ? jwks_retry_after_s(i) : 1;
	done(arg, &res);
}

/* ---- jobs ---------------------------------------------------------------------------------- */

static void job_free(struct cscf_authz *a, struct job *job)
{
	if (job->list != NULL)
		DL_DELETE(*job->list, job);
	gw_handle_del(a->jobs, job->id);
	metric_waiting(gw_handle_count(a->jobs));
	if (job->token != NULL)
		explicit_bzero(job->token, job->n_token);
	free(job->token);
	free(job->origin);
	free(job);
}

static struct job *job_new(struct cscf_authz *a, const struct walk *w, cscf_authz_done *done,
			   void *arg)
{
	struct job *job = calloc(1, sizeof(*job));

	if (job == NULL)
		return NULL;
	job->done = done;
	job->arg = arg;
	job->allow_expired = w->allow_expired;
	memcpy(job->hash, w->hash, CSCF_AUTHZ_HASH);
	job->token = gw_slice_dup(w->token);
	job->n_token = w->token.n;
	job->origin = strdup(w->origin);
	if (job->token == NULL || job->origin == NULL ||
	    gw_handle_add(a->jobs, job, &job->id) != GW_OK) {
		job_free(a, job);
		return NULL;
	}
	job->list = w->end == WAIT_KEYS ? &w->issuer->waiting : &w->inspection->waiting;
	if (w->end == WAIT_KEYS) /* of the fetch under way, or of the next one */
		job->round = w->issuer->round + (w->issuer->fetch == GW_HANDLE_NONE ? 1 : 0);
	DL_APPEND(*job->list, job);
	metric_waiting(gw_handle_count(a->jobs));
	return job;
}

static void resume_walk(const struct job *job, struct walk *w)
{
	memset(w, 0, sizeof(*w));
	w->token = (struct gw_slice){job->token, job->n_token};
	memcpy(w->hash, job->hash, CSCF_AUTHZ_HASH);
	w->origin = job->origin;
	w->allow_expired = job->allow_expired;
	w->again = true;
}

/* The job is over before its `done` runs, which may verify and cancel as it likes. */
static void job_end(struct cscf_authz *a, struct job *job, struct walk *w)
{
	DL_DELETE(*job->list, job);
	job->list = NULL;
	gw_handle_del(a->jobs, job->id);
	report(a, w, job->done, job->arg);
	cscf_authz_grant_unref(w->grant);
	job_free(a, job);
}

void authz_keys_done(struct issuer *i, uint64_t round)
{
	/* A `done` may verify again and join the list for the next round: that one stays. */
	while (i->waiting != NULL && i->waiting->round <= round) {
		struct job *job = i->waiting;
		struct walk w;

		resume_walk(job, &w);
		walk(i->a, &w);
		if (w.end != DECIDED) /* an encrypted token of another round's keys, at most once */
			refuse(&w, CSCF_AUTHZ_R_WAF_DOWN);
		job_end(i->a, job, &w);
	}
}

void authz_inspection_done(struct cscf_authz *a, struct job **waiting,
			   enum cscf_authz_reason reason, const struct cscf_authz_grant *grant)
{
	while (*waiting != NULL) {
		struct job *job = *waiting;
		struct walk w;

		resume_walk(job, &w);
		refuse(&w, reason);
		w.grant = grant != NULL ? cscf_authz_grant_ref(grant) : NULL;
		job_end(a, job, &w);
	}
}

void cscf_authz_verify(struct cscf_authz *a, const struct cscf_authz_query *query,
		       cscf_authz_done *done, void *arg, gw_handle *job)
{
	struct walk w = {.origin = query->origin != NULL ? query->origin : "",
			 .source = query->source,
			 .allow_expired = query->allow_expired};
	enum cscf_authz_reason r = CSCF_AUTHZ_R_INSECURE;
	struct job *made;

	if (job != NULL)
		*job = GW_HANDLE_NONE;
	if (query->secure)
		r = credentials_token(a->cfg, query->credentials, &w.token);
	if (r == CSCF_AUTHZ_R_OK) {
		token_hash(w.token, w.hash);
		walk(a, &w);
	} else {
		refuse(&w, r);
	}
	if (w.end != DECIDED) {
		made = job_new(a, &w, done, arg);
		if (made != NULL) {
			if (job != NULL)
				*job = made->id;
			return;
		}
		refuse(&w, CSCF_AUTHZ_R_BUSY);
	}
	report(a, &w, done, arg);
	cscf_authz_grant_unref(w.grant);
}

void cscf_authz_cancel(struct cscf_authz *a, gw_handle job)
{
	struct job *j = gw_handle_find(a->jobs, job);

	if (j != NULL)
		job_free(a, j);
}

int64_t cscf_authz_grant_left(const struct cscf_authz *a, const struct cscf_authz_grant *grant)
{
	return grant->expires_at - authz_wall_s(a);
}
