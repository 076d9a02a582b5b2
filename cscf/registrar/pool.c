/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Who holds which identity of a pool. One record per identity, from the first REGISTER that
 * claims it until nothing of its use is left:
 *
 *   claimed ─ 200 ─> bound ─ last binding ends ─> ending ─ no dialog, no flow, no binding at the
 *      └ refused ─> gone      (claimed again ─<)           S-CSCF ─> told to the WAF, gone
 *
 * The identity is another token's while it is claimed or bound (pool.exclusive). Whoever held it
 * before the WAF may have heard that it is free is refused as long as his token is good: it may be
 * lent to somebody else by then.
 * Spec: TS 24.371 §6A.3 NOTE; TOK-31, DEREG-30, DEREG-31. Thread: the cscf loop.
 */
#include "cscf/registrar/pool.h"

#include "common/log.h"
#include "cscf/sip/mask.h"

#include <event2/event.h>
#include <stdio.h>
#include <utlist.h>

#define GW_LOG_MOD  "registrar"
#define LOOK_MS     500 /* while a call or connection of an ended binding lasts */
#define MAX_FORMER  20000
#define MAX_TOKEN_S (INT64_C(30) * 24 * 3600)

/* What a binding that has ended leaves behind for a while. */
struct rest {
	struct rest *next;
	gw_handle assoc;  /* its calls are being released */
	uint64_t conn;    /* its WebSocket is being closed */
	int64_t until_ms; /* the S-CSCF may have it until then; 0 = knows that it is gone */
};

struct identity {
	UT_hash_handle hh;
	char *aor, *impu, *impi; /* owned */
	char *holder;            /* owned: issuer and subject of the token */
	int64_t token_end_ms;    /* of the longest token of this holder that was seen */
	int64_t core_until_ms;   /* the S-CSCF may have a contact that was replaced until then */
	unsigned claims, bindings;
	bool used;      /* was bound: its end is worth telling */
	bool elsewhere; /* the last binding here lives on through another eP-CSCF, which tells */
	struct rest *rests; /* owned */
};

/* Who held an identity before, while his token is still good. */
struct former {
	UT_hash_handle hh; /* in the order they came in */
	char *key;         /* owned: identity and holder */
	int64_t until_ms;
	char notice[REG_NOTICE_ID]; /* that gave it back; "" = another took it */
};

struct reg_pool {
	struct cscf_registrar *r;
	struct identity *all;        /* uthash by aor; owned */
	struct former *former;       /* uthash by key; owned */
	struct reg_release *release; /* owned; NULL = off */
	struct event *look;          /* owned */
};

static void identity_free(struct reg_pool *p, struct identity *i)
{
	struct rest *x, *next;

	if (i->hh.tbl != NULL)
		/* NOLINTNEXTLINE(clang-analyzer-unix.Malloc): only the table was freed */
		HASH_DELETE(hh, p->all, i);
	LL_FOREACH_SAFE (i->rests, x, next)
		free(x);
	free(i->aor);
	free(i->impu);
	free(i->impi);
	free(i->holder);
	free(i);
}

static struct identity *find(const struct reg_pool *p, const char *aor)
{
	struct identity *i = NULL;

	HASH_FIND_STR(p->all, aor, i);
	return i;
}

/* The token's subject, not the token: a refreshed one is the same holder. */
static char *holder_of(const struct cscf_authz_grant *g)
{
	char *text;

	return asprintf(&text, "%s\n%s", g->issuer, g->subject) < 0 ? NULL : text;
}

/* ---- former holders ------------------------------------------------------------------------ */

static void former_free(struct reg_pool *p, struct former *f)
{
	/* NOLINTNEXTLINE(clang-analyzer-unix.Malloc): only the table was freed */
	HASH_DELETE(hh, p->former, f);
	free(f->key);
	free(f);
}

static struct former *former_find(const struct reg_pool *p, const char *key)
{
	struct former *f = NULL;

	HASH_FIND_STR(p->former, key, f);
	return f;
}

static char *former_key(const char *aor, const char *holder)
{
	char *text;

	return asprintf(&text, "%s\n%s", aor, holder) < 0 ? NULL : text;
}

/* Another may get the identity now: its holder must not come back with his old token. */
static void make_former(struct reg_pool *p, const struct identity *i, const char *notice)
{
	char *key = p->r->cfg->pool_exclusive ? former_key(i->aor, i->holder) : NULL;
	struct former *f, *next;

	if (key == NULL)
		return;
	f = former_find(p, key);
	if (f != NULL)
		former_free(p, f);
	HASH_ITER (hh, p->former, f, next) {
		if (f->until_ms > reg_now_ms() && HASH_COUNT(p->former) < MAX_FORMER)
			break;
		former_free(p, f);
	}
	f = calloc(1, sizeof(*f));
	if (f == NULL) {
		free(key);
		return;
	}
	f->key = key;
	f->until_ms = i->token_end_ms;
	snprintf(f->notice, sizeof(f->notice), "%s", notice);
	HASH_ADD_KEYPTR(hh, p->former, f->key, strlen(f->key), f);
}

static int64_t token_end_ms(const struct reg_pool *p, const struct cscf_authz_grant *g)
{
	int64_t left_s = cscf_authz_grant_left(p->r->parts.authz, g);

	if (left_s > MAX_TOKEN_S)
		left_s = MAX_TOKEN_S;
	return reg_now_ms() + (left_s > 0 ? left_s * 1000 : 0) + p->r->cfg->token_clock_skew;
}

/* @return is he one, and may the WAF have heard that the identity is free? */
static bool is_former(struct reg_pool *p, const struct reg_request *q, const char *holder)
{
	char *key = former_key(q->to_aor, holder);
	struct former *f = key != NULL ? former_find(p, key) : NULL;

	free(key);
	if (f == NULL)
		return false;
	if (f->until_ms <= reg_now_ms() ||
	    reg_release_is_unsaid(p->release, q->to_aor, f->notice)) {
		former_free(p, f);
		return false;
	}
	if (f->until_ms < token_end_ms(p, q->grant))
		f->until_ms = token_end_ms(p, q->grant);
	return true;
}

/* ---- claims -------------------------------------------------------------------------------- */

static struct identity *identity_new(struct reg_pool *p, const struct reg_request *q)
{
	struct identity *i = calloc(1, sizeof(*i));

	if (i == NULL)
		return NULL;
	i->aor = strdup(q->to_aor);
	i->impu = strdup(q->to_uri);
	i->impi = strdup(q->impi);
	if (i->aor == NULL || i->impu == NULL || i->impi == NULL) {
		identity_free(p, i);
		return NULL;
	}
	HASH_ADD_KEYPTR(hh, p->all, i->aor, strlen(i->aor), i);
	/* it was on its way back: nobody may lend it to another now */
	i->used = reg_release_take_back(p->release, i->aor);
	return i;
}

static bool refuse(struct reg_refusal *why, const char *reason, const char *word)
{
	reg_metric_inc(REG_M_TOKEN_POOL);
	*why = (struct reg_refusal){403, reason, word, NULL, NULL};
	return false;
}

static bool is_admitted(struct reg_pool *p, const struct identity *i, const struct reg_request *q,
			const char *holder, struct reg_refusal *why)
{
	if (q->several) /* one of them would be bound here, all of them at the core */
		return refuse(why, "One Contact Only", "pool-contacts");
	if (!p->r->cfg->pool_exclusive)
		return true;
	if (q->grant->subject[0] == '\0') /* all of them would be one holder */
		return refuse(why, "Subject Required", "pool-no-subject");
	if (i != NULL && i->claims + i->bindings > 0 && strcmp(i->holder, holder) != 0)
		return refuse(why, "Identity In Use", "pool-in-use");
	if (is_former(p, q, holder))
		return refuse(why, "Identity Given Back", "pool-given-back");
	return true;
}

/* Takes holder. */
static void put_holder(struct reg_pool *p, struct identity *i, char *holder,
		       const struct cscf_authz_grant *g)
{
	int64_t end_ms = token_end_ms(p, g);

	if (i->holder != NULL && strcmp(i->holder, holder) != 0) {
		if (i->used)
			make_former(p, i, "");
		i->token_end_ms = 0;
	}
	free(i->holder);
	i->holder = holder;
	if (i->token_end_ms < end_ms)
		i->token_end_ms = end_ms;
}

bool reg_pool_claim(struct cscf_registrar *r, struct reg_request *q, struct reg_refusal *why)
{
	struct reg_pool *p = r->pool;
	struct identity *i;
	char *holder;

	if (!q->grant->pool || q->query)
		return true;
	holder = holder_of(q->grant);
	if (holder == NULL)
		return false;
	i = find(p, q->to_aor);
	if (!is_admitted(p, i, q, holder, why)) {
		free(holder);
		return false;
	}
	if (q->dereg) {
		free(holder);
		return true;
	}
	if (i == NULL)
		i = identity_new(p, q);
	if (i == NULL) {
		free(holder);
		return false;
	}
	put_holder(p, i, holder, q->grant);
	i->claims++;
	q->claimed = true;
	return true;
}

void reg_pool_contact_replaced(struct cscf_registrar *r, const struct reg_binding *b)
{
	struct identity *i = b->pooled && r->pool != NULL ? find(r->pool, b->to_aor) : NULL;

	if (i != NULL && i->core_until_ms < b->expires_at_ms)
		i->core_until_ms = b->expires_at_ms;
}

void reg_pool_bound(struct cscf_registrar *r, struct reg_binding *b, const struct reg_request *q)
{
	struct identity *i = q->claimed && !b->pooled ? find(r->pool, b->to_aor) : NULL;

	if (i == NULL)
		return;
	b->pooled = true;
	i->bindings++;
	i->used = true;
	i->elsewhere = false;
}

/* ---- the end of a use ---------------------------------------------------------------------- */

/* A connection that carries another registration is no flow of this identity any more. */
static bool conn_lasts(const struct cscf_registrar *r, uint64_t conn)
{
	const struct reg_conn *c = reg_conn_find(r, conn);

	return c != NULL && c->alive && c->assocs == NULL;
}

static bool rest_lasts(const struct cscf_registrar *r, const struct rest *x)
{
	return x->until_ms > reg_now_ms() || conn_lasts(r, x->conn) ||
	       (r->cbs != NULL && r->cbs->has_dialogs != NULL &&
		r->cbs->has_dialogs(r->cbs_arg, x->assoc));
}

/* @return is something of its use still there? */
static bool lasts(const struct cscf_registrar *r, struct identity *i)
{
	struct rest **at = &i->rests;

	while (*at != NULL) {
		struct rest *x = *at;

		if (rest_lasts(r, x)) {
			at = &x->next;
			continue;
		}
		*at = x->next;
		free(x);
	}
	return i->rests != NULL || i->core_until_ms > reg_now_ms();
}

static void look_again(struct reg_pool *p)
{
	static const struct timeval tv = {.tv_usec = LOOK_MS * 1000};

	if (!evtimer_pending(p->look, NULL))
		(void)evtimer_add(p->look, &tv);
}

static void on_look(evutil_socket_t fd, short what, void *arg)
{
	struct reg_pool *p = arg;
	struct identity *i, *next;
	bool more = false;
	const char *id;

	(void)fd;
	(void)what;
	HASH_ITER (hh, p->all, i, next) {
		if (i->claims + i->bindings > 0)
			continue;
		if (lasts(p->r, i)) {
			more = true;
			continue;
		}
		GW_LOG(GW_LOG_INFO, "pool.free", "impu=\"%s\" impi=\"%s\"", cscf_sip_mask(i->impu),
		       cscf_sip_mask(i->impi));
		id = i->elsewhere
			 ? NULL
			 : reg_release_send(p->release, i->aor, i->impu, i->impi, "deregistered");
		if (id != NULL)
			make_former(p, i, id);
		identity_free(p, i);
	}
	if (more)
		look_again(p);
}

static void maybe_over(struct reg_pool *p, struct identity *i)
{
	if (i->claims + i->bindings > 0)
		return;
	if (i->used)
		look_again(p);
	else
		identity_free(p, i);
}

void reg_pool_unclaim(struct cscf_registrar *r, struct reg_request *q)
{
	struct identity *i = q->claimed ? find(r->pool, q->to_aor) : NULL;

	q->claimed = false;
	if (i == NULL)
		return;
	i->claims--;
	maybe_over(r->pool, i);
}

void reg_pool_unbound(struct cscf_registrar *r, const struct reg_binding *b)
{
	struct identity *i = b->pooled && r->pool != NULL ? find(r->pool, b->to_aor) : NULL;
	struct rest *x;

	if (i == NULL)
		return;
	i->bindings--;
	i->elsewhere = b->elsewhere;
	x = calloc(1, sizeof(*x));
	if (x != NULL) { /* else it is told a little early */
		*x = (struct rest){.assoc = b->assoc->handle,
				   .conn = b->assoc->conn->id,
				   .until_ms = b->evicted ? b->expires_at_ms : 0};
		LL_PREPEND(i->rests, x);
	}
	maybe_over(r->pool, i);
}

bool reg_pool_lasts(const struct reg_pool *p, const char *aor)
{
	return find(p, aor) != NULL;
}

/* ---- life ---------------------------------------------------------------------------------- */

enum gw_err reg_pool_new(struct reg_pool **out, struct cscf_registrar *r)
{
	struct reg_pool *p = calloc(1, sizeof(*p));
	enum gw_err err;

	if (p == NULL)
		return GW_ERR_NOMEM;
	p->r = r;
	p->look = evtimer_new(r->parts.base, on_look, p);
	err = p->look != NULL ? reg_release_new(&p->release, r->parts.base, r->cfg) : GW_ERR_NOMEM;
	if (err != GW_OK) {
		reg_pool_free(p);
		return err;
	}
	*out = p;
	return GW_OK;
}

void reg_pool_free(struct reg_pool *p)
{
	struct identity *i, *next;
	struct former *f, *f_next;

	if (p == NULL)
		return;
	HASH_ITER (hh, p->all, i, next)
		identity_free(p, i);
	HASH_ITER (hh, p->former, f, f_next)
		former_free(p, f);
	reg_release_free(p->release);
	if (p->look != NULL)
		event_free(p->look);
	free(p);
}
