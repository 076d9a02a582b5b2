/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The notice to the WAF that an identity of a pool may be lent again: one POST per release, until
 * it is taken, with growing pauses. Each notice has an id that stays the same in every attempt
 * (Idempotency-Key), so that the WAF may see one twice without harm.
 *
 *   POST pool.release_url   {"id": …, "impu": …, "impi": …, "reason": …, "at": …}
 *
 *   due ─ one of MAX_ACTIVE is free ─> asked ─ taken, or wrong for good ─> gone
 *    └───────── after a pause ───────────┘ no answer, or not now
 *
 * What waits is bounded, and lost when the process ends.
 * Spec: TS 24.371 §6A.3 NOTE; DEREG-30. Thread: the cscf loop.
 */
#include "cscf/registrar/pool.h"

#include "common/log.h"
#include "common/rand.h"
#include "cscf/http/http.h"
#include "cscf/sip/mask.h"

#include <event2/event.h>
#include <jansson.h>
#include <stdio.h>
#include <time.h>
#include <utlist.h>

#define GW_LOG_MOD    "registrar"
#define MAX_WAITING   20000 /* a WAF that is down for long must not cost all memory */
#define MAX_ACTIVE    4
#define FIRST_PAUSE   1000
#define LONGEST_PAUSE (300 * 1000)
#define GIVE_UP_MS    (INT64_C(24) * 3600 * 1000)
#define TIMEOUT_MS    5000

struct notice {
	UT_hash_handle hh;
	struct notice *prev, *next; /* of those that are due */
	struct reg_release *rel;
	char *aor, *body; /* owned */
	char id[REG_NOTICE_ID];
	int64_t since_ms, pause_ms;
	gw_handle request; /* NONE: waiting */
	bool due;
	bool maybe_told;     /* an attempt had no clear answer */
	struct event *timer; /* owned: the pause */
};

struct reg_release {
	struct event_base *base;
	const struct cscf_registrar_config *cfg;
	struct cscf_http *http; /* owned */
	char *auth;             /* owned: header line; NULL = none */
	struct notice *notices; /* uthash by aor; owned */
	struct notice *due;     /* utlist DL: those that wait for their turn */
};

static void notice_free(struct notice *n)
{
	struct reg_release *rel = n->rel;

	if (n->due)
		DL_DELETE(rel->due, n);
	if (n->hh.tbl != NULL)
		/* NOLINTNEXTLINE(clang-analyzer-unix.Malloc): only the table was freed */
		HASH_DELETE(hh, rel->notices, n);
	cscf_http_cancel(rel->http, n->request);
	if (n->timer != NULL)
		event_free(n->timer);
	free(n->aor);
	free(n->body);
	free(n);
}

static void pause_then_again(struct notice *n, const char *why, int status)
{
	struct timeval tv = {.tv_sec = n->pause_ms / 1000,
			     .tv_usec = (suseconds_t)(n->pause_ms % 1000) * 1000};

	if (reg_now_ms() - n->since_ms > GIVE_UP_MS) {
		reg_metric_inc(REG_M_RELEASE_FAILED);
		GW_LOG(GW_LOG_ERROR, "pool.release_failed", "impu=\"%s\" id=%s why=\"%s\"",
		       cscf_sip_mask(n->aor), n->id, why);
		notice_free(n);
		return;
	}
	reg_metric_inc(REG_M_RELEASE_RETRY);
	GW_LOG_LIMITED(GW_LOG_WARN, "pool.release_retry",
		       "impu=\"%s\" id=%s status=%d why=\"%s\" pause_ms=%lld",
		       cscf_sip_mask(n->aor), n->id, status, why, (long long)n->pause_ms);
	n->pause_ms = n->pause_ms * 2 < LONGEST_PAUSE ? n->pause_ms * 2 : LONGEST_PAUSE;
	(void)evtimer_add(n->timer, &tv);
}

/* Told, or refused for good: a request that is wrong now is wrong the next time. */
static bool is_final(int status)
{
	return status < 500 && status != 408 && status != 425 && status != 429;
}

/* Did the WAF perhaps do it all the same, or one behind a proxy? */
static bool is_unclear(const struct cscf_http_reply *reply)
{
	return reply->err != GW_OK || (reply->status >= 500 && reply->status != 503);
}

static void post_due(struct reg_release *rel);

static void on_reply(void *arg, const struct cscf_http_reply *reply)
{
	struct notice *n = arg;
	struct reg_release *rel = n->rel;
	bool told = reply->err == GW_OK && reply->status >= 200 && reply->status < 300;

	n->request = GW_HANDLE_NONE;
	if (reply->err != GW_OK || !is_final(reply->status)) {
		n->maybe_told = n->maybe_told || is_unclear(reply);
		pause_then_again(n, reply->err != GW_OK ? reply->why : "refused for now",
				 reply->status);
		post_due(rel);
		return;
	}
	reg_metric_inc(told ? REG_M_RELEASE_TOLD : REG_M_RELEASE_FAILED);
	GW_LOG(told ? GW_LOG_INFO : GW_LOG_ERROR, told ? "pool.released" : "pool.release_failed",
	       "impu=\"%s\" id=%s status=%d", cscf_sip_mask(n->aor), n->id, reply->status);
	notice_free(n);
	post_due(rel);
}

static enum gw_err post(struct notice *n)
{
	struct reg_release *rel = n->rel;
	char key[64];
	const char *headers[] = {key, rel->auth, NULL};
	struct cscf_http_request req = {
	    .url = rel->cfg->pool_release_url,
	    .content_type = "application/json",
	    .accept = "application/json",
	    .body = gw_slice_str(n->body),
	    .headers = headers,
	    .timeout_ms = TIMEOUT_MS,
	};

	snprintf(key, sizeof(key), "Idempotency-Key: %s", n->id);
	return cscf_http_start(rel->http, &req, on_reply, n, &n->request);
}

/* As many at once as may be; the next one's turn comes when one of them is over. */
static void post_due(struct reg_release *rel)
{
	struct notice *n;

	while ((n = rel->due) != NULL && cscf_http_active(rel->http) < MAX_ACTIVE) {
		enum gw_err err;

		DL_DELETE(rel->due, n);
		n->due = false;
		err = post(n);
		if (err != GW_OK)
			pause_then_again(n, gw_err_name(err), 0);
	}
}

static void make_due(struct notice *n)
{
	n->due = true;
	DL_APPEND(n->rel->due, n);
	post_due(n->rel);
}

static void on_timer(evutil_socket_t fd, short what, void *arg)
{
	(void)fd;
	(void)what;
	make_due(arg);
}

static char *body_of(const char *id, const char *impu, const char *impi, const char *reason)
{
	struct timespec now;
	struct tm tm;
	char second[32], at[40], *text;
	json_t *o;

	(void)clock_gettime(CLOCK_REALTIME, &now);
	(void)gmtime_r(&now.tv_sec, &tm);
	(void)strftime(second, sizeof(second), "%Y-%m-%dT%H:%M:%S", &tm);
	(void)snprintf(at, sizeof(at), "%s.%03dZ", second, (int)(now.tv_nsec / 1000000));
	o = json_pack("{s:s, s:s, s:s, s:s, s:s}", "id", id, "impu", impu, "impi", impi, "reason",
		      reason, "at", at);
	text = o != NULL ? json_dumps(o, JSON_COMPACT) : NULL;
	json_decref(o);
	return text;
}

static struct notice *find(const struct reg_release *rel, const char *aor)
{
	struct notice *n = NULL;

	HASH_FIND_STR(rel->notices, aor, n);
	return n;
}

bool reg_release_is_unsaid(const struct reg_release *rel, const char *aor, const char *id)
{
	const struct notice *n = rel != NULL ? find(rel, aor) : NULL;

	return n != NULL && strcmp(n->id, id) == 0 && n->request == GW_HANDLE_NONE &&
	       !n->maybe_told;
}

bool reg_release_take_back(struct reg_release *rel, const char *aor)
{
	struct notice *n = rel != NULL ? find(rel, aor) : NULL;

	if (n == NULL)
		return false;
	notice_free(n);
	post_due(rel);
	return true;
}

const char *reg_release_send(struct reg_release *rel, const char *aor, const char *impu,
			     const char *impi, const char *reason)
{
	struct notice *n;

	if (rel == NULL)
		return NULL;
	(void)reg_release_take_back(rel, aor); /* one notice per identity */
	n = HASH_COUNT(rel->notices) < MAX_WAITING ? calloc(1, sizeof(*n)) : NULL;
	if (n == NULL) {
		reg_metric_inc(REG_M_RELEASE_FAILED);
		GW_LOG_LIMITED(GW_LOG_ERROR, "pool.release_failed",
			       "impu=\"%s\" why=\"too many notices wait\"", cscf_sip_mask(aor));
		return NULL;
	}
	n->rel = rel;
	n->since_ms = reg_now_ms();
	n->pause_ms = FIRST_PAUSE;
	gw_rand_hex(n->id, (REG_NOTICE_ID - 1) / 2);
	n->aor = strdup(aor);
	n->body = body_of(n->id, impu, impi, reason);
	n->timer = evtimer_new(rel->base, on_timer, n);
	if (n->aor == NULL || n->body == NULL || n->timer == NULL) {
		reg_metric_inc(REG_M_RELEASE_FAILED);
		notice_free(n);
		return NULL;
	}
	HASH_ADD_KEYPTR(hh, rel->notices, n->aor, strlen(n->aor), n);
	make_due(n);
	return n->id;
}

enum gw_err reg_release_new(struct reg_release **out, struct event_base *base,
			    const struct cscf_registrar_config *cfg)
{
	struct cscf_http_config http = {
	    .ca_file = cfg->pool_release_ca, .max_body = 4096, .max_active = MAX_ACTIVE};
	const char *token = cfg->pool_release_token;
	struct reg_release *rel;
	enum gw_err err;

	*out = NULL;
	if (cfg->pool_release_url == NULL || cfg->pool_release_url[0] == '\0')
		return GW_OK;
	rel = calloc(1, sizeof(*rel));
	if (rel == NULL)
		return GW_ERR_NOMEM;
	rel->base = base;
	rel->cfg = cfg;
	err = cscf_http_new(&rel->http, base, &http);
	if (err == GW_OK && token != NULL && token[0] != '\0' &&
	    asprintf(&rel->auth, "Authorization: Bearer %s", token) < 0) {
		rel->auth = NULL;
		err = GW_ERR_NOMEM;
	}
	if (err != GW_OK) {
		reg_release_free(rel);
		return err;
	}
	*out = rel;
	return GW_OK;
}

void reg_release_free(struct reg_release *rel)
{
	struct notice *n, *next;

	if (rel == NULL)
		return;
	HASH_ITER (hh, rel->notices, n, next)
		notice_free(n);
	cscf_http_free(rel->http);
	free(rel->auth);
	free(rel);
}
