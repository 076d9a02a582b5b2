/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The table of contexts: finding, creating, counting, and what the workers report about their
 * streams. A context is known by controller + ctx_id, so two controllers never meet; a second
 * index by ctx_id alone only serves to say NOT_OWNER instead of UNKNOWN_CONTEXT (IQ-01).
 */
#include "agw/context/context_int.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define GW_LOG_MOD         "context"

#define SWEEP_MS           1000
#define HEARTBEATS_UNACKED 3 /* IQ-13: then the context is nobody's */

/* Sockets, credentials, a worker's word: what a call waits for here, a TURN server not included. */
static const uint32_t reserve_bounds_us[] = {100,   250,   500,   1000,   2500,  5000,
					     10000, 25000, 50000, 100000, 500000};
static struct gw_histogram reserve_time =
    GW_HISTOGRAM("agw_reserve_seconds", "Reserves carried out or refused", reserve_bounds_us);

/* clang-format off */
#define RELEASED(why) {"agw_contexts_released_total", "why=\"" why "\"", GW_METRIC_COUNTER, \
		       "Contexts released, by reason", NULL, NULL, 0}
struct gw_metric agw_ctx_metrics[CTX_M_COUNT] = {
	[CTX_M_CONTEXTS] = {"agw_contexts", NULL, GW_METRIC_GAUGE, "Living contexts", NULL, NULL, 0},
	[CTX_M_CREATED] = {"agw_contexts_created_total", NULL, GW_METRIC_COUNTER, "Contexts reserved", NULL, NULL, 0},
	[CTX_M_REFUSED] = {"agw_context_requests_refused_total", NULL, GW_METRIC_COUNTER, "Requests on contexts that changed nothing", NULL, NULL, 0},
	[CTX_M_LATE_EVENTS] = {"agw_context_late_events_total", NULL, GW_METRIC_COUNTER, "Media events for contexts already gone", NULL, NULL, 0},
	[CTX_M_NO_RELAY] = {"agw_context_turn_timeouts_total", NULL, GW_METRIC_COUNTER, "Reserves answered before the TURN server did", NULL, NULL, 0},
	[CTX_M_RELEASED + AGW_WHY_REQUEST] = RELEASED("request"),
	[CTX_M_RELEASED + AGW_WHY_EPOCH] = RELEASED("epoch"),
	[CTX_M_RELEASED + AGW_WHY_ORPHAN] = RELEASED("orphan"),
	[CTX_M_RELEASED + AGW_WHY_TTL] = RELEASED("ttl"),
	[CTX_M_RELEASED + AGW_WHY_HEARTBEAT] = RELEASED("heartbeat"),
	[CTX_M_RELEASED + AGW_WHY_DRAIN] = RELEASED("drain"),
	[CTX_M_RELEASED + AGW_WHY_SHUTDOWN] = RELEASED("shutdown"),
};
/* clang-format on */

static unsigned tables; /* living tables (tests make several); the metrics are shared */

uint64_t agw_ctx_now_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000 + (uint64_t)ts.tv_nsec / 1000000;
}

static int64_t now_us(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (int64_t)ts.tv_sec * 1000000 + ts.tv_nsec / 1000;
}

/* ---- one context ----------------------------------------------------------------------------- */

void agw_ctx_stream_free(struct ctx_stream *s)
{
	free(s);
}

struct ctx_stream *agw_ctx_stream_find(const struct agw_context *ctx, uint32_t id)
{
	for (unsigned i = 0; i < ctx->n_streams; i++)
		if (ctx->streams[i]->id == id)
			return ctx->streams[i];
	return NULL;
}

void agw_ctx_stream_drop(struct agw_context *ctx, uint32_t id)
{
	for (unsigned i = 0; i < ctx->n_streams; i++) {
		if (ctx->streams[i]->id != id)
			continue;
		agw_ctx_stream_free(ctx->streams[i]);
		ctx->n_streams--;
		memmove(&ctx->streams[i], &ctx->streams[i + 1],
			(ctx->n_streams - i) * sizeof(struct ctx_stream *));
		ctx->streams[ctx->n_streams] = NULL;
		return;
	}
}

static void context_free(struct agw_context *ctx)
{
	if (ctx == NULL)
		return;
	agw_ctx_unname(ctx);
	agw_ctx_gathers_end(ctx);
	agw_ctx_releases_end(ctx, true);
	gw_fsm_fini(&ctx->fsm);
	agw_media_free(ctx->media);
	if (ctx->handle != GW_HANDLE_NONE)
		gw_handle_del(ctx->table->handles, ctx->handle);
	while (ctx->n_streams > 0)
		agw_ctx_stream_free(ctx->streams[--ctx->n_streams]);
	free(ctx->prepared);
	free(ctx);
}

void agw_ctx_unname(struct agw_context *ctx)
{
	struct agw_context_table *t = ctx->table;

	if (!ctx->named)
		return;
	HASH_DELETE(hh, t->by_name, ctx);
	HASH_DELETE(hh_id, t->by_id, ctx);
	ctx->named = false;
	gw_metric_dec(&agw_ctx_metrics[CTX_M_CONTEXTS]);
}

/* Free at the end of the loop turn: we may be inside its own machine or the pool's dispatch. */
void agw_ctx_bury(struct agw_context *ctx)
{
	struct agw_context_table *t = ctx->table;

	/* Its time may be over in this very turn: buried twice, freed twice. */
	gw_fsm_fini(&ctx->fsm);
	gw_handle_del(t->handles, ctx->handle);
	ctx->handle = GW_HANDLE_NONE;
	t->releasing--;
	ctx->next_dead = t->dead;
	t->dead = ctx;
	event_active(t->bury, EV_TIMEOUT, 1);
}

static void make_key(char key[AGW_CTX_KEY_MAX], const struct agw_ctx_name *name)
{
	snprintf(key, AGW_CTX_KEY_MAX, "%s\n%s", name->controller, name->ctx_id);
}

static enum gw_err media_new(struct agw_context *ctx)
{
	char log_id[AGW_LOG_ID_MAX];

	/* in full: one search by either value finds the lines of both processes */
	snprintf(log_id, sizeof(log_id), "ctx=%s call_id=\"%s\" icid=\"%s\"", ctx->ctx_id,
		 ctx->call_id, ctx->icid);
	return agw_media_new(&ctx->media, ctx->table->pool, ctx->handle, log_id);
}

static enum gw_err context_new(struct agw_context **out, struct agw_context_table *t,
			       const struct agw_ctx_reserve *req)
{
	struct agw_context *ctx = calloc(1, sizeof(*ctx));
	enum gw_err err;

	if (ctx == NULL)
		return GW_ERR_NOMEM;
	ctx->table = t;
	make_key(ctx->key, &req->name);
	snprintf(ctx->controller, sizeof(ctx->controller), "%s", req->name.controller);
	snprintf(ctx->ctx_id, sizeof(ctx->ctx_id), "%s", req->name.ctx_id);
	snprintf(ctx->call_id, sizeof(ctx->call_id), "%s", req->call_id);
	snprintf(ctx->icid, sizeof(ctx->icid), "%s", req->icid);
	ctx->epoch = req->name.epoch;
	ctx->priority = req->priority;
	ctx->trace = req->trace;
	ctx->born_ms = agw_ctx_now_ms();
	ctx->next_heartbeat_ms = ctx->born_ms + t->cfg.heartbeat_ms;
	err = agw_ctx_fsm_init(ctx);
	if (err == GW_OK)
		err = gw_handle_add(t->handles, ctx, &ctx->handle);
	if (err == GW_OK)
		err = media_new(ctx);
	if (err != GW_OK) {
		context_free(ctx);
		return err;
	}
	*out = ctx;
	return GW_OK;
}

static void context_name(struct agw_context_table *t, struct agw_context *ctx)
{
	ctx->serial = ++t->last_serial;
	HASH_ADD(hh, t->by_name, key, (unsigned)strlen(ctx->key), ctx);
	HASH_ADD(hh_id, t->by_id, ctx_id, (unsigned)strlen(ctx->ctx_id), ctx);
	ctx->named = true;
	gw_metric_inc(&agw_ctx_metrics[CTX_M_CREATED]);
	gw_metric_inc(&agw_ctx_metrics[CTX_M_CONTEXTS]);
}

/* ---- finding --------------------------------------------------------------------------------- */

static struct agw_context *find_any(const struct agw_context_table *t, const char *ctx_id)
{
	struct agw_context *ctx = NULL;

	HASH_FIND(hh_id, t->by_id, ctx_id, (unsigned)strlen(ctx_id), ctx);
	return ctx;
}

struct agw_context *agw_context_find(const struct agw_context_table *t,
				     const struct agw_ctx_name *name)
{
	struct agw_context *ctx = NULL;
	char key[AGW_CTX_KEY_MAX];

	if (name->controller == NULL)
		return find_any(t, name->ctx_id);
	make_key(key, name);
	HASH_FIND(hh, t->by_name, key, (unsigned)strlen(key), ctx);
	return ctx;
}

static enum gw_err find_owned(struct agw_context_table *t, const struct agw_ctx_name *name,
			      struct agw_context **out, struct agw_ctx_fault *fault)
{
	struct agw_context *ctx = agw_context_find(t, name);

	if (ctx != NULL && ctx->epoch == name->epoch) {
		*out = ctx;
		return GW_OK;
	}
	if (ctx != NULL || find_any(t, name->ctx_id) != NULL)
		return agw_ctx_fail(fault, GW_ERR_DENIED, AGW_CTX_NOT_OWNER, "ctx_id",
				    "another controller or epoch reserved it");
	return agw_ctx_fail(fault, GW_ERR_NOT_FOUND, AGW_CTX_UNKNOWN, "ctx_id", "no such context");
}

/* ---- reserve --------------------------------------------------------------------------------- */

static enum gw_err create(struct agw_context_table *t, const struct agw_ctx_reserve *req,
			  struct ctx_call *call)
{
	uint32_t quota = t->cfg.max_per_controller;
	struct agw_context *ctx = NULL;
	enum gw_err err;

	if (HASH_CNT(hh, t->by_name) + t->releasing >= t->cfg.max_contexts)
		return agw_ctx_fail(call->fault, GW_ERR_LIMIT, AGW_CTX_NO_CONTEXTS, "",
				    "no contexts left");
	if (quota != 0 && agw_context_count(t, req->name.controller, 0) >= quota)
		return agw_ctx_fail(call->fault, GW_ERR_LIMIT, AGW_CTX_NO_CONTEXTS, "",
				    "this controller's share of contexts is used up");
	err = context_new(&ctx, t, req);
	if (err != GW_OK)
		return agw_ctx_fail_media(call->fault, err, NULL, true);
	err = agw_ctx_add_streams(ctx, call);
	if (err != GW_OK) {
		context_free(ctx);
		return err;
	}
	context_name(t, ctx);
	gw_fsm_go_timed(&ctx->fsm, CTX_S_RESERVED, t->cfg.reserve_ttl_ms);
	CTX_LOG(ctx, GW_LOG_INFO, "ctx.reserved", "streams=%u worker=%u priority=%d",
		ctx->n_streams, call->result->locals[0].worker, ctx->priority);
	return GW_OK;
}

/* The same request again: the same answer, read from the streams as they are now. */
static enum gw_err answer_again(struct agw_context *ctx, struct ctx_call *call)
{
	for (size_t i = 0; i < call->n; i++) {
		const struct agw_stream_local *local =
		    agw_media_local(ctx->media, call->streams[i].p.id);

		if (local == NULL)
			return agw_ctx_fail(call->fault, GW_ERR_STATE, AGW_CTX_INTERNAL, "streams",
					    "the stream is gone");
		call->result->locals[i] = *local;
	}
	call->result->n = call->n;
	call->result->rev = ctx->rev;
	return GW_OK;
}

static enum gw_err reserve_again(struct agw_context *ctx, const struct agw_ctx_reserve *req,
				 struct ctx_call *call)
{
	size_t known = 0;
	size_t equal = 0;

	for (size_t i = 0; i < req->n; i++) {
		const struct ctx_stream *s = agw_ctx_stream_find(ctx, req->streams[i].p.id);

		known += s != NULL ? 1 : 0;
		equal += s != NULL && s->request_hash == req->streams[i].request_hash ? 1 : 0;
	}
	if (equal == req->n)
		return answer_again(ctx, call);
	if (known > 0)
		return agw_ctx_fail(call->fault, GW_ERR_EXISTS, AGW_CTX_DIFFERENT, "streams",
				    "the stream exists with other parameters");
	return agw_ctx_fsm_call(ctx, CTX_E_ADD, call);
}

static enum gw_err reserve(struct agw_context_table *t, const struct agw_ctx_reserve *req,
			   struct agw_ctx_result *result, struct agw_ctx_fault *fault)
{
	struct ctx_call call = {
	    .streams = req->streams, .n = req->n, .result = result, .fault = fault};
	struct agw_context *ctx = agw_context_find(t, &req->name);

	if (req->n == 0 || req->n > AGW_CTX_STREAMS_MAX)
		return agw_ctx_fail(fault, GW_ERR_LIMIT, AGW_CTX_NO_STREAMS, "streams",
				    "1 to 16 streams");
	if (ctx == NULL)
		return create(t, req, &call);
	if (ctx->epoch != req->name.epoch)
		return agw_ctx_fail(fault, GW_ERR_EXISTS, AGW_CTX_DIFFERENT, "ctx_id",
				    "exists from another epoch");
	return reserve_again(ctx, req, &call);
}

enum gw_err agw_context_reserve(struct agw_context_table *t, const struct agw_ctx_reserve *req,
				struct agw_ctx_result *result, struct agw_ctx_fault *fault)
{
	int64_t began_us = now_us();
	enum gw_err err = reserve(t, req, result, fault);

	gw_histogram_observe_us(&reserve_time, now_us() - began_us);
	return err;
}

enum gw_err agw_context_configure(struct agw_context_table *t, const struct agw_ctx_configure *req,
				  struct agw_ctx_result *result, struct agw_ctx_fault *fault)
{
	static const enum ctx_event events[] = {
	    [AGW_CTX_COMMIT_NOW] = CTX_E_CONFIGURE,
	    [AGW_CTX_PREPARE] = CTX_E_PREPARE,
	    [AGW_CTX_COMMIT] = CTX_E_COMMIT,
	    [AGW_CTX_ROLLBACK] = CTX_E_ROLLBACK,
	};
	struct ctx_call call = {
	    .streams = req->streams, .n = req->n, .result = result, .fault = fault};
	struct agw_context *ctx = NULL;
	enum gw_err err = find_owned(t, &req->name, &ctx, fault);

	if (err != GW_OK)
		return err;
	GW_ASSERT(ctx != NULL);
	if (req->n > AGW_CTX_STREAMS_MAX)
		return agw_ctx_fail(fault, GW_ERR_LIMIT, AGW_CTX_NO_STREAMS, "streams",
				    "at most 16 streams");
	result->n = 0;
	result->rev = ctx->rev;
	if (req->base_rev != 0 && req->base_rev != ctx->rev)
		return agw_ctx_fail(fault, GW_ERR_STATE, AGW_CTX_REV, "base_rev",
				    "the context has moved on");
	err = agw_ctx_fsm_call(ctx, events[req->phase], &call);
	if (err == GW_OK)
		CTX_LOG(ctx, GW_LOG_INFO, "ctx.configured", "rev=%" PRIu64 " streams=%zu state=%s",
			ctx->rev, req->n, gw_fsm_state_name(&ctx->fsm));
	return err;
}

/* ---- the table ------------------------------------------------------------------------------- */

static void on_pool(evutil_socket_t fd, short what, void *arg)
{
	struct agw_context_table *t = arg;

	(void)fd;
	(void)what;
	agw_pool_dispatch(t->pool);
}

static void on_bury(evutil_socket_t fd, short what, void *arg)
{
	struct agw_context_table *t = arg;

	(void)fd;
	(void)what;
	while (t->dead != NULL) {
		struct agw_context *ctx = t->dead;

		t->dead = ctx->next_dead;
		context_free(ctx);
	}
}

/* IQ-13: ask the controller whether it still knows the context. */
static void heartbeat(struct agw_context_table *t, struct agw_context *ctx, uint64_t now)
{
	if (now < ctx->next_heartbeat_ms)
		return;
	ctx->next_heartbeat_ms = now + t->cfg.heartbeat_ms;
	if (ctx->heartbeats_unacked >= HEARTBEATS_UNACKED) {
		agw_ctx_go(ctx, AGW_WHY_HEARTBEAT);
		return;
	}
	ctx->heartbeats_unacked++;
	if (t->cbs.on_heartbeat != NULL)
		t->cbs.on_heartbeat(t->cbs_arg, ctx);
}

static void on_sweep(evutil_socket_t fd, short what, void *arg)
{
	struct agw_context_table *t = arg;
	struct agw_context *ctx;
	struct agw_context *next;
	uint64_t now = agw_ctx_now_ms();

	(void)fd;
	(void)what;
	if (t->cfg.heartbeat_ms == 0)
		return;
	HASH_ITER (hh, t->by_name, ctx, next)
		heartbeat(t, ctx, now);
}

void agw_context_heartbeat_acked(struct agw_context_table *t, gw_handle h)
{
	struct agw_context *ctx = gw_handle_find(t->handles, h);

	if (ctx != NULL)
		ctx->heartbeats_unacked = 0;
}

enum gw_err agw_context_table_new(struct agw_context_table **out, struct event_base *base,
				  const struct agw_context_cfg *cfg)
{
	static const struct timeval sweep = {.tv_sec = SWEEP_MS / 1000};
	struct agw_context_table *t = calloc(1, sizeof(*t));
	enum gw_err err = GW_ERR_NOMEM;

	if (t == NULL)
		return err;
	t->base = base;
	t->cfg = *cfg;
	if (tables++ == 0) {
		gw_metric_register(agw_ctx_metrics, CTX_M_COUNT);
		gw_histogram_register(&reserve_time);
	}
	t->sweep = event_new(base, -1, EV_PERSIST, on_sweep, t);
	t->bury = event_new(base, -1, 0, on_bury, t);
	if (t->sweep == NULL || t->bury == NULL || event_add(t->sweep, &sweep) != 0)
		goto fail;
	err = gw_handle_table_new(&t->handles, cfg->max_contexts);
	if (err != GW_OK)
		goto fail;
	*out = t;
	return GW_OK;
fail:
	agw_context_table_free(t);
	return err;
}

void agw_context_table_free(struct agw_context_table *t)
{
	struct agw_context *ctx;
	uint32_t cursor = 0;

	if (t == NULL)
		return;
	on_bury(-1, 0, t);
	while (t->handles != NULL && (ctx = gw_handle_next(t->handles, &cursor)) != NULL)
		context_free(ctx);
	gw_handle_table_free(t->handles);
	if (t->pool_event != NULL)
		event_free(t->pool_event);
	if (t->sweep != NULL)
		event_free(t->sweep);
	if (t->bury != NULL)
		event_free(t->bury);
	if (--tables == 0) {
		gw_metric_unregister(agw_ctx_metrics);
		gw_histogram_unregister(&reserve_time);
	}
	free(t);
}

void agw_context_table_set_cbs(struct agw_context_table *t, const struct agw_context_cbs *cbs,
			       void *arg)
{
	memset(&t->cbs, 0, sizeof(t->cbs));
	if (cbs != NULL)
		t->cbs = *cbs;
	t->cbs_arg = arg;
}

enum gw_err agw_context_table_attach(struct agw_context_table *t, struct agw_pool *pool)
{
	if (t->pool_event != NULL)
		event_free(t->pool_event);
	t->pool_event = NULL;
	t->pool = pool;
	if (pool == NULL)
		return GW_OK;
	t->pool_event = event_new(t->base, agw_pool_fd(pool), EV_READ | EV_PERSIST, on_pool, t);
	if (t->pool_event == NULL || event_add(t->pool_event, NULL) != 0)
		return GW_ERR_NOMEM;
	return GW_OK;
}
