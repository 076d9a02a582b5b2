/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Release of streams and contexts, and the counters that come back with them. A whole context
 * leaves the table at once: its ctx_id is free again and a second Release finds nothing, which is
 * success (REL-17). The workers shut gates, say close_notify, wipe keys and give the streams back.
 */
#include "agw/context/context_int.h"

#include <stdlib.h>
#include <string.h>

#define GW_LOG_MOD "context"

const char *agw_ctx_why_name(enum agw_ctx_why why)
{
	static const char *const names[AGW_WHY_COUNT] = {
	    [AGW_WHY_REQUEST] = "request",     [AGW_WHY_EPOCH] = "epoch",
	    [AGW_WHY_ORPHAN] = "orphan",       [AGW_WHY_TTL] = "ttl",
	    [AGW_WHY_HEARTBEAT] = "heartbeat", [AGW_WHY_DRAIN] = "drain",
	    [AGW_WHY_SHUTDOWN] = "shutdown",
	};

	return (unsigned)why < AGW_WHY_COUNT ? names[why] : "unknown";
}

/* ---- releases under way ---------------------------------------------------------------------- */

static void release_end(struct ctx_release *r, bool aborted)
{
	if (aborted)
		r->stats.n = 0;
	if (r->done != NULL)
		r->done(r->arg, &r->stats);
	free(r);
}

void agw_ctx_releases_end(struct agw_context *ctx, bool aborted)
{
	while (ctx->releases != NULL) {
		struct ctx_release *r = ctx->releases;

		ctx->releases = r->next;
		release_end(r, aborted);
	}
}

static struct gw_addr core_remote(const struct agw_context *ctx, uint32_t id)
{
	const struct agw_stream_params *p = agw_media_params(ctx->media, id);
	struct gw_addr none = {.len = 0};

	return p != NULL && p->core.active >= 0 ? p->core.branches[p->core.active].rtp : none;
}

static bool release_has(const struct ctx_release *r, uint32_t id)
{
	for (size_t i = 0; i < r->stats.n; i++)
		if (r->stats.id[i] == id)
			return true;
	return false;
}

static struct ctx_release *release_new(struct agw_context *ctx, const uint32_t *ids, size_t n,
				       agw_ctx_done_fn *done, void *arg)
{
	struct ctx_release *r = calloc(1, sizeof(*r));

	if (r == NULL)
		return NULL;
	r->done = done;
	r->arg = arg;
	for (size_t i = 0; i < n && r->stats.n < AGW_CTX_STREAMS_MAX; i++) {
		const struct agw_stream_local *local = agw_media_local(ctx->media, ids[i]);

		if (agw_ctx_stream_find(ctx, ids[i]) == NULL || local == NULL)
			continue; /* already gone: not an error (REL-17) */
		if (release_has(r, ids[i]))
			continue; /* named twice, it comes back once */
		r->stats.id[r->stats.n] = ids[i];
		r->stats.local[r->stats.n] = *local;
		r->stats.core_remote[r->stats.n] = core_remote(ctx, ids[i]);
		r->stats.n++;
	}
	r->left = r->stats.n;
	r->next = ctx->releases;
	ctx->releases = r;
	return r;
}

static void release_unlink(struct agw_context *ctx, struct ctx_release *r)
{
	struct ctx_release **at = &ctx->releases;

	while (*at != r)
		at = &(*at)->next;
	*at = r->next;
}

/* One stream came back: is this release waiting for it? */
static bool release_takes(struct ctx_release *r, uint32_t id, const struct agw_stream_stats *last)
{
	for (size_t i = 0; i < r->stats.n; i++) {
		if (r->stats.id[i] != id || r->back[i])
			continue;
		r->back[i] = true;
		r->stats.known[i] = last != NULL;
		if (last != NULL)
			r->stats.stats[i] = *last;
		r->left--;
		return true;
	}
	return false;
}

void agw_ctx_on_released(void *arg, uint64_t owner, uint32_t stream_id,
			 const struct agw_stream_stats *last)
{
	struct agw_context_table *t = arg;
	struct agw_context *ctx = gw_handle_find(t->handles, owner);
	struct ctx_release *oldest = NULL;

	if (ctx == NULL)
		return; /* the worker was late, its context has been given up */
	if (ctx->on_worker > 0)
		ctx->on_worker--;
	/* the list is newest first; an id released, added and released again: oldest wins */
	for (struct ctx_release *r = ctx->releases; r != NULL; r = r->next)
		for (size_t i = 0; i < r->stats.n; i++)
			if (r->stats.id[i] == stream_id && !r->back[i])
				oldest = r;
	if (oldest != NULL && release_takes(oldest, stream_id, last) && oldest->left == 0) {
		release_unlink(ctx, oldest);
		release_end(oldest, false);
	}
	if (ctx->on_worker == 0 && ctx->fsm.state == CTX_S_RELEASING) {
		enum gw_err err = gw_fsm_dispatch(&ctx->fsm, CTX_E_EMPTY, NULL);

		(void)err; /* RELEASING takes EMPTY */
	}
}

/* ---- releasing ------------------------------------------------------------------------------- */

/* Everything goes; `r` (may be NULL) is told when it is gone. */
static void go(struct agw_context *ctx, enum agw_ctx_why why)
{
	uint32_t ids[AGW_CTX_STREAMS_MAX];
	size_t n = ctx->n_streams;
	enum gw_err err;

	CTX_LOG(ctx, GW_LOG_INFO, "ctx.released", "why=%s age_s=%llu streams=%zu",
		agw_ctx_why_name(why),
		(unsigned long long)((agw_ctx_now_ms() - ctx->born_ms) / 1000), n);
	gw_metric_inc(&agw_ctx_metrics[CTX_M_RELEASED + (unsigned)why]);
	for (size_t i = 0; i < n; i++)
		ids[i] = ctx->streams[i]->id;
	agw_ctx_gathers_end(ctx);
	agw_ctx_unname(ctx);
	ctx->table->releasing++;
	err = gw_fsm_dispatch(&ctx->fsm, CTX_E_RELEASE, NULL);
	if (err == GW_OK && n > 0)
		agw_media_del(ctx->media, ids, n);
	while (ctx->n_streams > 0)
		agw_ctx_stream_drop(ctx, ctx->streams[0]->id);
	if (ctx->on_worker == 0 && ctx->fsm.state == CTX_S_RELEASING) {
		err = gw_fsm_dispatch(&ctx->fsm, CTX_E_EMPTY, NULL);
		(void)err; /* RELEASING takes EMPTY */
	}
}

void agw_ctx_go(struct agw_context *ctx, enum agw_ctx_why why)
{
	struct agw_context_table *t = ctx->table;

	if (!ctx->named)
		return;
	if (t->cbs.on_expired != NULL)
		t->cbs.on_expired(t->cbs_arg, ctx, why);
	go(ctx, why);
}

static void release_some(struct agw_context *ctx, const uint32_t *ids, size_t n,
			 struct ctx_release *r)
{
	agw_media_del(ctx->media, ids, n);
	for (size_t i = 0; i < n; i++)
		agw_ctx_stream_drop(ctx, ids[i]);
	ctx->rev++;
	agw_ctx_gathers_check(ctx);
	CTX_LOG(ctx, GW_LOG_INFO, "ctx.streams_released", "streams=%zu left=%u", n, ctx->n_streams);
	if (r->left == 0) {
		release_unlink(ctx, r);
		release_end(r, false);
	}
}

static enum gw_err owned(struct agw_context_table *t, const struct agw_ctx_name *name,
			 struct agw_context **out)
{
	const struct agw_ctx_name anybody = {.ctx_id = name->ctx_id};
	struct agw_context *ctx = agw_context_find(t, name);

	if (ctx == NULL)
		return agw_context_find(t, &anybody) == NULL ? GW_ERR_NOT_FOUND : GW_ERR_DENIED;
	if (ctx->epoch != name->epoch)
		return GW_ERR_DENIED;
	*out = ctx;
	return GW_OK;
}

enum gw_err agw_context_release(struct agw_context_table *t, const struct agw_ctx_name *name,
				const uint32_t *ids, size_t n, agw_ctx_done_fn *done, void *arg)
{
	uint32_t all[AGW_CTX_STREAMS_MAX];
	struct agw_context *ctx = NULL;
	struct ctx_release *r;
	enum gw_err err = owned(t, name, &ctx);

	if (err != GW_OK)
		return err;
	if (n > AGW_CTX_STREAMS_MAX)
		return GW_ERR_LIMIT;
	if (n > 0) {
		r = release_new(ctx, ids, n, done, arg);
		if (r == NULL)
			return GW_ERR_NOMEM;
		release_some(ctx, ids, n, r);
		return GW_OK;
	}
	for (unsigned i = 0; i < ctx->n_streams; i++)
		all[i] = ctx->streams[i]->id;
	r = release_new(ctx, all, ctx->n_streams, done, arg);
	if (r == NULL)
		return GW_ERR_NOMEM;
	go(ctx, AGW_WHY_REQUEST);
	return GW_OK;
}

uint32_t agw_context_release_all(struct agw_context_table *t, const char *controller,
				 uint64_t keep_epoch, enum agw_ctx_why why)
{
	struct agw_context *ctx;
	struct agw_context *next;
	uint32_t n = 0;

	HASH_ITER (hh, t->by_name, ctx, next) {
		if ((controller != NULL && strcmp(ctx->controller, controller) != 0) ||
		    (keep_epoch != 0 && ctx->epoch == keep_epoch))
			continue;
		if (why == AGW_WHY_REQUEST || why == AGW_WHY_EPOCH || why == AGW_WHY_ORPHAN)
			go(ctx, why); /* its controller knows, or is not there to be told */
		else
			agw_ctx_go(ctx, why);
		n++;
	}
	return n;
}
