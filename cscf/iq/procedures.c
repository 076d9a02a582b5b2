/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One function per procedure, and the contexts they work on. A context is known here from
 * cscf_iq_reserve to cscf_iq_release, or until it is lost with its AGW; its 128 random bits are
 * its name on the wire and what makes Reserve idempotent.
 * Not here: sending and waiting (txn.c), choosing (agw_pool.c).
 * Thread: the cscf loop. Spec: TS 23.334 clause 8; IQ-01..03, 08, 22, 23; REL-01, REL-17.
 */
#include "cscf/iq/iq_int.h"

#include "common/rand.h"

#define GW_LOG_MOD "iq"

#define PROC(p)    "proc=\"" p "\""
static const uint32_t reserve_bounds_us[] = {1000,   2000,   5000,    10000,   25000,  50000,
					     100000, 250000, 1000000, 2000000, 3000000};
struct gw_histogram cscf_iq_reserve_time = GW_HISTOGRAM(
    "cscf_iq_reserve_seconds", "From a call's first Reserve to its outcome, other AGWs included",
    reserve_bounds_us);

struct gw_metric cscf_iq_metrics[IQ_M_COUNT] = {
    [IQ_M_LINKS_UP] = {.name = "cscf_iq_links_up",
		       .type = GW_METRIC_GAUGE,
		       .help = "AGW links in use"},
    [IQ_M_CONTEXTS] = {.name = "cscf_iq_contexts",
		       .type = GW_METRIC_GAUGE,
		       .help = "Contexts held on AGWs"},
    [IQ_M_TXNS] = {.name = "cscf_iq_transactions",
		   .type = GW_METRIC_GAUGE,
		   .help = "Requests awaiting replies"},
    [IQ_M_RESERVE] = {.name = "cscf_iq_requests_total",
		      .labels = PROC("reserve"),
		      .help = "Requests to AGWs"},
    [IQ_M_CONFIGURE] = {.name = "cscf_iq_requests_total",
			.labels = PROC("configure"),
			.help = "Requests to AGWs"},
    [IQ_M_RELEASE] = {.name = "cscf_iq_requests_total",
		      .labels = PROC("release"),
		      .help = "Requests to AGWs"},
    [IQ_M_AUDIT] = {.name = "cscf_iq_requests_total",
		    .labels = PROC("audit"),
		    .help = "Requests to AGWs"},
    [IQ_M_REJECTED] = {.name = "cscf_iq_rejected_total", .help = "Requests refused by an AGW"},
    [IQ_M_TIMEOUT] = {.name = "cscf_iq_timeouts_total", .help = "Requests without a reply"},
    [IQ_M_RESENT] = {.name = "cscf_iq_resent_total", .help = "Requests sent a second time"},
    [IQ_M_FAILOVER] = {.name = "cscf_iq_failover_total", .help = "Reserves moved to another AGW"},
    [IQ_M_NO_AGW] = {.name = "cscf_iq_no_agw_total", .help = "Reserves without any AGW"},
    [IQ_M_LATE] = {.name = "cscf_iq_late_replies_total", .help = "Replies nobody waits for"},
    [IQ_M_EVENTS] = {.name = "cscf_iq_events_total", .help = "Notifications"},
    [IQ_M_EVENTS_DUP] = {.name = "cscf_iq_events_duplicate_total",
			 .help = "Notifications received again"},
    [IQ_M_EVENTS_UNKNOWN] = {.name = "cscf_iq_events_unknown_total",
			     .help = "Notifications of unknown contexts"},
    [IQ_M_LINK_LOST] = {.name = "cscf_iq_links_lost_total", .help = "Links lost"},
    [IQ_M_DISPLACED] = {.name = "cscf_iq_displaced_total",
			.help = "Links taken over by another process with our controller id"},
    [IQ_M_BAD_MESSAGE] = {.name = "cscf_iq_bad_messages_total",
			  .help = "Malformed or unexpected messages"},
    [IQ_M_CTX_LOST] = {.name = "cscf_iq_contexts_lost_total",
		       .help = "Contexts gone with their AGW"},
    [IQ_M_AUDIT_RELEASED] = {.name = "cscf_iq_audit_released_total",
			     .help = "Unknown contexts released after an audit"},
    [IQ_M_AUDIT_DIFFERS] = {.name = "cscf_iq_audit_differs_total",
			    .help = "Contexts whose revision an audit found to be another"},
};

struct iq_ctx *iq_ctx_find_id(const struct cscf_iq *iq, const char *ctx_id)
{
	struct iq_ctx *ctx = NULL;

	HASH_FIND(hh, iq->ctx_by_id, ctx_id, strlen(ctx_id), ctx);
	return ctx;
}

static void forget(struct cscf_iq *iq, struct iq_ctx *ctx)
{
	iq_txn_forget_ctx(iq, ctx->self);
	gw_handle_del(iq->ctx_table, ctx->self);
	HASH_DEL(iq->ctx_by_id, ctx);
	DL_DELETE(ctx->link->ctxs, ctx);
	ctx->link->n_ctx--;
	gw_metric_dec(&cscf_iq_metrics[IQ_M_CONTEXTS]);
	free(ctx);
}

void iq_ctx_move(struct iq_ctx *ctx, struct cscf_iq_link *link)
{
	DL_DELETE(ctx->link->ctxs, ctx);
	ctx->link->n_ctx--;
	ctx->link = link;
	DL_APPEND(link->ctxs, ctx);
	link->n_ctx++;
}

void iq_ctx_lost(struct iq_ctx *ctx, const char *why)
{
	struct cscf_iq *iq = ctx->link->iq;
	gw_handle call = ctx->call;

	GW_LOG(GW_LOG_WARN, "iq.context_lost", "ctx=%s agw=%s reason=\"%s\"", ctx->id,
	       ctx->link->agw_id, why);
	gw_metric_inc(&cscf_iq_metrics[IQ_M_CTX_LOST]);
	forget(iq, ctx);
	if (iq->attached && iq->cbs.on_context_lost != NULL)
		iq->cbs.on_context_lost(iq->arg, call, why);
}

void iq_ctx_lose_link(struct cscf_iq_link *link, const char *why)
{
	iq_txn_end_link(link, why);
	while (link->ctxs != NULL) /* a call told of its loss may release others */
		iq_ctx_lost(link->ctxs, why);
}

void iq_on_link_up(struct cscf_iq_link *link, enum iq_boot boot)
{
	if (boot == IQ_BOOT_NEW)
		iq_ctx_lose_link(link, "AGW restarted");
	iq_link_gather(link, boot != IQ_BOOT_KNOWN);
	iq_txn_on_link_up(link);
	iq_audit_start(link);
}

void iq_on_link_down(struct cscf_iq_link *link)
{
	iq_txn_on_link_down(link);
}

void iq_on_link_dead(struct cscf_iq_link *link)
{
	iq_ctx_lose_link(link, "AGW lost");
}

void iq_on_message(struct cscf_iq_link *link, const IqEnvelope *env)
{
	if (env->body_case == IQ_BODY(NOTIFICATION))
		iq_on_notification(link, env->notification);
	else
		iq_txn_on_reply(link, env);
}

/* Lend the caller's streams to a message for the time of packing. */
static enum gw_err start_reserve(struct cscf_iq *iq, struct iq_ctx *ctx,
				 const struct cscf_iq_ident *ident, IqStreamRequest **streams,
				 size_t n, const struct iq_txn_params *p)
{
	IqEnvelope *env = iq_envelope_new(IQ_BODY(RESERVE), 0);
	enum gw_err err;

	if (env == NULL)
		return GW_ERR_NOMEM;
	err = iq_str_set(&env->reserve->ctx_id, ctx->id);
	if (err == GW_OK && ident != NULL)
		err = iq_str_set(&env->reserve->call_id, ident->call_id);
	if (err == GW_OK && ident != NULL)
		err = iq_str_set(&env->reserve->icid, ident->icid);
	env->reserve->priority = ident != NULL && ident->priority;
	env->reserve->streams = streams;
	env->reserve->n_streams = n;
	if (err == GW_OK)
		err = iq_txn_start(iq, ctx->link, env, p);
	env->reserve->streams = NULL;
	env->reserve->n_streams = 0;
	iq_envelope_free(env);
	return err;
}

enum gw_err cscf_iq_reserve(struct cscf_iq *iq, gw_handle *out, gw_handle call, uint32_t tag,
			    const struct cscf_iq_ident *ident, IqStreamRequest **streams, size_t n,
			    cscf_iq_done_fn *done)
{
	struct cscf_iq_link *link = iq_pool_choose(iq, NULL, 0, ident->priority);
	struct iq_txn_params p = {.op = IQ_OP_RESERVE, .tag = tag, .done = done};
	struct iq_ctx *ctx;
	enum gw_err err;

	if (link == NULL) {
		gw_metric_inc(&cscf_iq_metrics[IQ_M_NO_AGW]);
		return GW_ERR_LIMIT;
	}
	ctx = calloc(1, sizeof(*ctx));
	if (ctx == NULL)
		return GW_ERR_NOMEM;
	err = gw_handle_add(iq->ctx_table, ctx, &ctx->self);
	if (err != GW_OK) {
		free(ctx);
		return err;
	}
	gw_rand_hex(ctx->id, IQ_CTX_ID_LEN / 2);
	ctx->call = call;
	ctx->link = link;
	ctx->reserving = true;
	ctx->since_ms = iq_now_ms();
	DL_APPEND(link->ctxs, ctx);
	link->n_ctx++;
	HASH_ADD(hh, iq->ctx_by_id, id, IQ_CTX_ID_LEN, ctx);
	gw_metric_inc(&cscf_iq_metrics[IQ_M_CONTEXTS]);
	p.ctx = ctx;
	err = start_reserve(iq, ctx, ident, streams, n, &p);
	if (err != GW_OK) {
		forget(iq, ctx);
		return err;
	}
	*out = ctx->self;
	return GW_OK;
}

enum gw_err cscf_iq_reserve_more(struct cscf_iq *iq, gw_handle h, uint32_t tag,
				 IqStreamRequest **streams, size_t n, cscf_iq_done_fn *done)
{
	struct iq_ctx *ctx = gw_handle_find(iq->ctx_table, h);
	struct iq_txn_params p = {.op = IQ_OP_RESERVE_MORE, .ctx = ctx, .tag = tag, .done = done};

	if (ctx == NULL)
		return GW_ERR_GONE;
	return start_reserve(iq, ctx, NULL, streams, n, &p);
}

void iq_ctx_note_rev(struct iq_ctx *ctx, uint64_t txn, uint64_t rev)
{
	if (ctx != NULL && ctx->last_txn == txn)
		ctx->rev = rev;
}

enum gw_err cscf_iq_configure(struct cscf_iq *iq, gw_handle h, uint32_t tag,
			      Wicgate__Iq__V1__ConfigureRequest__Phase phase,
			      IqStreamRequest **streams, size_t n, cscf_iq_done_fn *done)
{
	struct iq_ctx *ctx = gw_handle_find(iq->ctx_table, h);
	struct iq_txn_params p = {.op = IQ_OP_CONFIGURE, .ctx = ctx, .tag = tag, .done = done};
	IqEnvelope *env;
	enum gw_err err;

	if (ctx == NULL)
		return GW_ERR_GONE;
	env = iq_envelope_new(IQ_BODY(CONFIGURE), 0);
	if (env == NULL)
		return GW_ERR_NOMEM;
	err = iq_str_set(&env->configure->ctx_id, ctx->id);
	env->configure->base_rev = ctx->rev;
	env->configure->phase = phase;
	env->configure->streams = streams;
	env->configure->n_streams = n;
	if (err == GW_OK)
		err = iq_txn_start(iq, ctx->link, env, &p);
	env->configure->streams = NULL;
	env->configure->n_streams = 0;
	iq_envelope_free(env);
	return err;
}

void cscf_iq_rollback(struct cscf_iq *iq, gw_handle h)
{
	struct iq_ctx *ctx = gw_handle_find(iq->ctx_table, h);
	enum gw_err err;

	if (ctx == NULL)
		return;
	ctx->rev = 0; /* a prepared offer is gone whatever it is built on */
	err = cscf_iq_configure(iq, h, 0, IQ_V(CONFIGURE_REQUEST__PHASE__ROLLBACK), NULL, 0, NULL);
	if (err != GW_OK) /* it expires */
		GW_LOG(GW_LOG_WARN, "iq.rollback_failed", "ctx=%s agw=%s", ctx->id,
		       ctx->link->agw_id);
}

static enum gw_err start_release(struct cscf_iq_link *link, const char *ctx_id,
				 uint32_t *stream_ids, size_t n, const char *reason,
				 const struct iq_txn_params *p)
{
	IqEnvelope *env = iq_envelope_new(IQ_BODY(RELEASE), 0);
	enum gw_err err;

	if (env == NULL)
		return GW_ERR_NOMEM;
	err = iq_str_set(&env->release->ctx_id, ctx_id);
	if (err == GW_OK)
		err = iq_str_set(&env->release->reason, reason);
	env->release->stream_ids = stream_ids;
	env->release->n_stream_ids = n;
	if (err == GW_OK)
		err = iq_txn_start(link->iq, link, env, p);
	env->release->stream_ids = NULL;
	env->release->n_stream_ids = 0;
	iq_envelope_free(env);
	return err;
}

void iq_release_stray(struct cscf_iq_link *link, const char *ctx_id, const char *reason)
{
	struct iq_txn_params p = {.op = IQ_OP_RELEASE, .ctx_id = ctx_id};

	if (start_release(link, ctx_id, NULL, 0, reason, &p) != GW_OK)
		GW_LOG(GW_LOG_WARN, "iq.release_failed", "ctx=%s agw=%s", ctx_id, link->agw_id);
}

void cscf_iq_release_streams(struct cscf_iq *iq, gw_handle h, uint32_t *stream_ids, size_t n,
			     const char *reason)
{
	struct iq_ctx *ctx = gw_handle_find(iq->ctx_table, h);
	struct iq_txn_params p = {.op = IQ_OP_RELEASE, .ctx = ctx};

	if (ctx == NULL || n == 0)
		return;
	if (start_release(ctx->link, ctx->id, stream_ids, n, reason, &p) != GW_OK)
		GW_LOG(GW_LOG_WARN, "iq.release_failed", "ctx=%s agw=%s", ctx->id,
		       ctx->link->agw_id);
}

bool cscf_iq_release(struct cscf_iq *iq, gw_handle h, uint32_t tag, const char *reason,
		     cscf_iq_done_fn *done)
{
	struct iq_ctx *ctx = gw_handle_find(iq->ctx_table, h);
	struct iq_txn_params p = {.op = IQ_OP_RELEASE, .ctx = ctx, .tag = tag, .done = done};
	enum gw_err err;

	if (ctx == NULL)
		return false;
	err = start_release(ctx->link, ctx->id, NULL, 0, reason, &p);
	if (err != GW_OK) /* the next audit will find it */
		GW_LOG(GW_LOG_WARN, "iq.release_failed", "ctx=%s agw=%s err=%s", ctx->id,
		       ctx->link->agw_id, gw_err_name(err));
	forget(iq, ctx);
	return err == GW_OK && done != NULL;
}

enum gw_err cscf_iq_look(struct cscf_iq *iq, gw_handle h, uint32_t tag, cscf_iq_done_fn *done)
{
	struct iq_ctx *ctx = gw_handle_find(iq->ctx_table, h);
	struct iq_txn_params p = {.op = IQ_OP_LOOK, .ctx = ctx, .tag = tag, .done = done};
	char *ids[1];
	IqEnvelope *env;
	enum gw_err err;

	if (ctx == NULL || ctx->link->state != IQ_LINK_UP)
		return GW_ERR_GONE;
	env = iq_envelope_new(IQ_BODY(AUDIT), 0);
	if (env == NULL)
		return GW_ERR_NOMEM;
	ids[0] = ctx->id;
	env->audit->detail = true;
	env->audit->ctx_ids = ids;
	env->audit->n_ctx_ids = 1;
	err = iq_txn_start(iq, ctx->link, env, &p);
	env->audit->ctx_ids = NULL;
	env->audit->n_ctx_ids = 0;
	iq_envelope_free(env);
	return err;
}

const char *cscf_iq_ctx_id(const struct cscf_iq *iq, gw_handle h)
{
	const struct iq_ctx *ctx = gw_handle_find(iq->ctx_table, h);

	return ctx != NULL ? ctx->id : "";
}

const char *cscf_iq_ctx_agw(const struct cscf_iq *iq, gw_handle h)
{
	const struct iq_ctx *ctx = gw_handle_find(iq->ctx_table, h);

	return ctx != NULL ? ctx->link->agw_id : "";
}

size_t cscf_iq_context_count(const struct cscf_iq *iq)
{
	return gw_handle_count(iq->ctx_table);
}

size_t cscf_iq_txn_count(const struct cscf_iq *iq)
{
	return HASH_COUNT(iq->txns);
}

void cscf_iq_attach(struct cscf_iq *iq, const struct cscf_iq_cbs *cbs, void *arg)
{
	iq->attached = cbs != NULL;
	if (cbs != NULL)
		iq->cbs = *cbs;
	iq->arg = arg;
}

enum gw_err cscf_iq_new(struct cscf_iq **out, struct event_base *base,
			const struct cscf_iq_config *cfg, char *errbuf, size_t errlen)
{
	struct cscf_iq *iq = calloc(1, sizeof(*iq));
	enum gw_err err = GW_ERR_NOMEM;

	if (iq == NULL)
		return err;
	errbuf[0] = '\0';
	iq->base = base;
	iq->cfg = *cfg;
	iq->epoch = gw_rand_u64() | 1U;
	err = gw_handle_table_new(&iq->ctx_table, (uint32_t)cfg->max_contexts);
	if (err == GW_OK && cfg->tls_ca != NULL && cfg->tls_ca[0] != '\0')
		err = iq_tls_new(&iq->tls, cfg, errbuf, errlen);
	if (err == GW_OK)
		err = iq_pool_open(iq, errbuf, errlen);
	if (err != GW_OK) {
		cscf_iq_free(iq);
		return err;
	}
	gw_metric_register(cscf_iq_metrics, IQ_M_COUNT);
	gw_histogram_register(&cscf_iq_reserve_time);
	*out = iq;
	return GW_OK;
}

void cscf_iq_free(struct cscf_iq *iq)
{
	struct iq_ctx *ctx, *tmp;

	if (iq == NULL)
		return;
	iq->attached = false;
	gw_metric_unregister(cscf_iq_metrics);
	gw_histogram_unregister(&cscf_iq_reserve_time);
	iq_txn_free_all(iq);
	HASH_ITER (hh, iq->ctx_by_id, ctx, tmp)
		forget(iq, ctx);
	iq_pool_close(iq);
	iq_tls_free(iq->tls);
	gw_handle_table_free(iq->ctx_table);
	free(iq);
}
