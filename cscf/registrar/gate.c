/* SPDX-License-Identifier: Apache-2.0 */
/*
 * See gate.h. Spec: SEC-14, SEC-26, REG-85.
 * New registrations: each source has a share of the rate; what it wants beyond that it gets as
 * long as half of a second's worth is left for the others.
 */
#include "cscf/registrar/gate.h"

#include "cscf/registrar/throttle.h"
#include "cscf/sip/auth.h"
#include "cscf/sip/mask.h"
#include "cscf/ws/bucket.h"
#include "cscf/ws/tally.h"

#include "common/log.h"
#include "common/metric.h"

#include <stdio.h>
#include <stdlib.h>
#include <utlist.h>

#define GW_LOG_MOD "registrar"
#define SHARE_OF   20 /* a source's share of reg.max_initial_rate is one of so many, at least 1 */
#define SHARES_MAX 8192

enum gate_metric { GM_PAIR, GM_SOURCE, GM_RATE, GM_COUNT };

#define NAME "cscf_registers_kept_from_core_total"
#define HELP "REGISTERs refused without asking the core"

static struct gw_metric metrics[GM_COUNT] = {
    [GM_PAIR] = {.name = NAME, .labels = "reason=\"failed-identity\"", .help = HELP},
    [GM_SOURCE] = {.name = NAME, .labels = "reason=\"failed-source\"", .help = HELP},
    [GM_RATE] = {.name = NAME, .labels = "reason=\"initial-rate\"", .help = HELP},
};

struct share {
	uint8_t key[9]; /* of the source, and its length */
	struct cscf_ws_bucket initial;
	UT_hash_handle hh; /* insertion order = last touched last */
};

struct reg_gate {
	struct reg_throttle *throttle; /* owned */
	struct cscf_ws_bucket initial; /* of all */
	struct share *shares;          /* owned */
};

enum gw_err reg_gate_new(struct reg_gate **out, const struct cscf_registrar_config *cfg)
{
	struct reg_gate *g = calloc(1, sizeof(*g));
	enum gw_err err = GW_ERR_NOMEM;

	if (g != NULL)
		err = reg_throttle_new(&g->throttle, cfg->max_failures, cfg->block_time);
	if (err != GW_OK) {
		free(g);
		return err;
	}
	/* a second's worth at once */
	cscf_ws_bucket_init(&g->initial, cfg->max_initial_rate, cfg->max_initial_rate,
			    reg_now_ms());
	gw_metric_register(metrics, GM_COUNT);
	*out = g;
	return GW_OK;
}

static void share_drop(struct reg_gate *g, struct share *s)
{
	GW_ASSERT(g->shares != NULL); /* s is in it */
	HASH_DELETE(hh, g->shares, s);
	free(s);
}

void reg_gate_free(struct reg_gate *g)
{
	struct share *s, *next;

	if (g == NULL)
		return;
	HASH_ITER (hh, g->shares, s, next)
		share_drop(g, s);
	reg_throttle_free(g->throttle);
	free(g);
}

static struct reg_throttle_who who_is(const struct reg_request *q, const struct cscf_sip_flow *flow)
{
	return (struct reg_throttle_who){
	    .source = &flow->remote,
	    /* with a token nobody knows yet who it is */
	    .impi = q->impi != NULL && q->impi[0] != '\0' ? q->impi : NULL,
	    .to_aor = q->to_aor,
	    .instance = q->instance,
	};
}

/* One line for every security event here: connection, source, Origin, masked user (SEC-26). */
static void log_event(const struct cscf_registrar *r, const char *what, const struct reg_request *q,
		      const struct cscf_sip_flow *flow)
{
	char addr[GW_ADDR_STRLEN];

	GW_LOG_LIMITED(
	    GW_LOG_WARN, "reg.security", "what=%s conn=%llu source=%s origin=\"%s\" impi=\"%s\"",
	    what, (unsigned long long)flow->conn, gw_addr_str(&flow->remote, addr, sizeof(addr)),
	    cscf_sip_conn_origin(r->parts.stack, flow->conn), cscf_sip_mask(q->impi));
}

static bool throttled(struct cscf_registrar *r, const struct reg_request *q,
		      const struct cscf_sip_flow *flow, struct reg_refusal *why)
{
	struct reg_throttle_who who = who_is(q, flow);

	switch (reg_throttle_check(r->gate->throttle, &who, reg_now_ms())) {
	case REG_THROTTLE_PASS:
		return false;
	case REG_THROTTLE_PAIR:
		gw_metric_inc(&metrics[GM_PAIR]);
		log_event(r, "throttled-identity", q, flow);
		break;
	case REG_THROTTLE_SOURCE:
		gw_metric_inc(&metrics[GM_SOURCE]);
		log_event(r, "throttled-source", q, flow);
		break;
	}
	*why = (struct reg_refusal){403, "Too Many Failed Attempts", "throttled", NULL, NULL};
	return true;
}

/* The share of a source, as the last touched; NULL when out of memory. */
static struct share *share_of(struct reg_gate *g, const struct gw_addr *source, int64_t now_ms)
{
	int64_t rate = g->initial.rate > SHARE_OF ? g->initial.rate / SHARE_OF : 1;
	uint8_t key[sizeof(g->shares->key)] = {0};
	struct share *s = NULL;

	key[8] = (uint8_t)cscf_ws_source_key(source, key);
	HASH_FIND(hh, g->shares, key, sizeof(key), s);
	if (s != NULL) {
		HASH_DELETE(hh, g->shares, s);
	} else {
		s = calloc(1, sizeof(*s));
		if (s == NULL)
			return NULL;
		memcpy(s->key, key, sizeof(key));
		cscf_ws_bucket_init(&s->initial, rate, rate, now_ms);
	}
	if (HASH_COUNT(g->shares) >= SHARES_MAX)
		share_drop(g, g->shares); /* the first is the one touched longest ago */
	/* NOLINTNEXTLINE(clang-analyzer-unix.Malloc): the one that went is another */
	HASH_ADD(hh, g->shares, key, sizeof(s->key), s);
	if (s->hh.tbl == NULL) {
		free(s);
		return NULL;
	}
	return s;
}

static bool take_initial(struct reg_gate *g, const struct gw_addr *source)
{
	int64_t now = reg_now_ms();
	struct share *s;

	if (g->initial.rate <= 0)
		return true;
	s = share_of(g, source, now);
	if (s != NULL && cscf_ws_bucket_take(&s->initial, now))
		return cscf_ws_bucket_take(&g->initial, now);
	return cscf_ws_bucket_take_above(&g->initial, g->initial.burst / 2, now);
}

static bool over_rate(struct cscf_registrar *r, struct reg_conn *c, const struct reg_request *q,
		      const struct cscf_sip_flow *flow, struct reg_refusal *why)
{
	static char seconds[16]; /* good until the refusal is sent, in this turn */

	if (q->has_response && c->challenged) {
		c->challenged = false;
		return false;
	}
	if (take_initial(r->gate, &flow->remote))
		return false;
	gw_metric_inc(&metrics[GM_RATE]);
	snprintf(seconds, sizeof(seconds), "%u",
		 cscf_sip_retry_after(r->cfg->retry_after_s, r->cfg->retry_after_max_s));
	*why = (struct reg_refusal){503, "Too Many Registrations", "rate", "Retry-After", seconds};
	return true;
}

/* Who is registered here has proven himself: as that user, and by a token as somebody. */
static bool is_proven(const struct reg_conn *c, const struct reg_request *q)
{
	const struct reg_assoc *a;

	if (c == NULL || c->assocs == NULL)
		return false;
	if (!c->r->cfg->multi_impi || reg_assoc_on(c, q->impi) != NULL)
		return true;
	if (q->scheme == REG_SCHEME_BEARER)
		DL_FOREACH (c->assocs, a)
			if (a->grant != NULL)
				return true;
	return false;
}

bool reg_gate_open(struct cscf_registrar *r, struct reg_conn *c, const struct reg_request *q,
		   const struct cscf_sip_flow *flow, struct reg_refusal *why)
{
	if (is_proven(c, q))
		return true;
	if (throttled(r, q, flow, why)) {
		if (c->assocs == NULL)
			reg_conn_close_after(c, r->cfg->fail_close_delay);
		return false;
	}
	return !over_rate(r, c, q, flow, why);
}

static bool is_stale(const struct cscf_sip_msg *rsp)
{
	struct gw_slice value, stale;
	struct cscf_sip_auth auth;
	size_t cursor = 0;

	while (cscf_sip_msg_hdr_next(rsp, "WWW-Authenticate", &cursor, &value))
		if (cscf_sip_auth_parse(&auth, value) == GW_OK &&
		    cscf_sip_auth_param(&auth, "stale", &stale) &&
		    (gw_slice_ieq_str(stale, "true") || gw_slice_ieq_str(stale, "\"true\"")))
			return true;
	return false;
}

static void failed(struct cscf_registrar *r, const struct reg_request *q,
		   const struct cscf_sip_flow *flow)
{
	struct reg_throttle_who who = who_is(q, flow);

	log_event(r, "authentication-failed", q, flow);
	reg_throttle_failed(r->gate->throttle, &who, reg_now_ms());
}

void reg_gate_token_refused(struct cscf_registrar *r, const struct reg_request *q,
			    const struct cscf_sip_flow *flow)
{
	if (!is_proven(reg_conn_find(r, flow->conn), q))
		failed(r, q, flow);
}

void reg_gate_answered(struct cscf_registrar *r, const struct reg_request *q,
		       const struct cscf_sip_flow *flow, const struct cscf_sip_msg *rsp)
{
	int status = cscf_sip_msg_status(rsp);
	struct reg_conn *c = reg_conn_find(r, flow->conn);
	struct reg_throttle_who who;

	if (c != NULL && status == 401)
		c->challenged = true;
	if (status < 200 || (q->query && !q->has_response))
		return;
	who = who_is(q, flow);
	if (status < 300) {
		reg_throttle_succeeded(r->gate->throttle, &who);
		return;
	}
	if (!q->has_response) /* nothing was tried */
		return;
	/* an old nonce, or a card that asks for another challenge (RFC 3310 s3.4: with a response
	 * by an empty password), is no wrong answer (SEC-13) */
	if (is_proven(c, q) || (status != 401 && status != 403 && status != 404) ||
	    (status == 401 && is_stale(rsp)) ||
	    (status == 401 && q->resync &&
	     reg_throttle_resync(r->gate->throttle, &who, reg_now_ms())))
		return;
	failed(r, q, flow);
}
