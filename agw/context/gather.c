/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Reserves that wait for a TURN server (full ICE): the streams are there and the workers ask; the
 * answer to the controller leaves when all sockets of its streams have been answered for, at the
 * latest after gather_ms, without the relay candidates that did not come. Streams released
 * meanwhile end the wait.
 * Thread: control thread.
 */
#include "agw/context/context_int.h"

#include <stdlib.h>

#define GW_LOG_MOD "context"

struct ctx_gather {
	struct ctx_gather *next; /* context->gathers, oldest first */
	struct agw_context *ctx; /* borrowed */
	struct event *timer;     /* owned */
	size_t n;
	uint32_t ids[AGW_CTX_STREAMS_MAX];
	agw_ctx_gathered_fn *done;
	void *arg;
};

static bool is_waiting(const struct ctx_gather *g)
{
	for (size_t i = 0; i < g->n; i++)
		if (agw_media_is_gathering(g->ctx->media, g->ids[i]))
			return true;
	return false;
}

/* What the streams' addresses are now. @return false: one of them is gone */
static bool collect(const struct ctx_gather *g, struct agw_ctx_result *result)
{
	result->rev = g->ctx->rev;
	result->n = g->n;
	for (size_t i = 0; i < g->n; i++) {
		const struct agw_stream_local *local = agw_media_local(g->ctx->media, g->ids[i]);

		if (local == NULL)
			return false;
		result->locals[i] = *local;
	}
	return true;
}

/* It is out of the list: whoever is told may ask. */
static void tell(struct ctx_gather *g, bool gone)
{
	struct agw_ctx_result result;

	event_free(g->timer);
	g->done(g->arg, !gone && collect(g, &result) ? &result : NULL);
	free(g);
}

static void finish(struct ctx_gather *g)
{
	struct ctx_gather **at = &g->ctx->gathers;

	while (*at != g)
		at = &(*at)->next;
	*at = g->next;
	tell(g, false);
}

static void on_timeout(evutil_socket_t fd, short what, void *arg)
{
	struct ctx_gather *g = arg;

	(void)fd;
	(void)what;
	gw_metric_inc(&agw_ctx_metrics[CTX_M_NO_RELAY]);
	GW_LOG_LIMITED(GW_LOG_WARN, "ctx.no_relay", "ctx=%s call_id=\"%s\" waited_ms=%u",
		       g->ctx->ctx_id, g->ctx->call_id, g->ctx->table->cfg.gather_ms);
	finish(g);
}

static struct ctx_gather *gather_new(struct agw_context *ctx)
{
	const uint32_t ms = ctx->table->cfg.gather_ms;
	const struct timeval wait = {.tv_sec = ms / 1000,
				     .tv_usec = (suseconds_t)(ms % 1000) * 1000};
	struct ctx_gather *g = calloc(1, sizeof(*g));

	if (g == NULL)
		return NULL;
	g->ctx = ctx;
	g->timer = event_new(ctx->table->base, -1, 0, on_timeout, g);
	if (g->timer != NULL && event_add(g->timer, &wait) == 0)
		return g;
	if (g->timer != NULL)
		event_free(g->timer);
	free(g);
	return NULL;
}

bool agw_context_gather(struct agw_context_table *t, const struct agw_ctx_reserve *req,
			agw_ctx_gathered_fn *done, void *arg)
{
	struct agw_context *ctx = agw_context_find(t, &req->name);
	struct ctx_gather **at;
	struct ctx_gather *g;

	if (ctx == NULL || t->cfg.gather_ms == 0)
		return false;
	g = gather_new(ctx);
	if (g == NULL)
		return false;
	for (size_t i = 0; i < req->n; i++)
		g->ids[g->n++] = req->streams[i].p.id;
	g->done = done;
	g->arg = arg;
	if (!is_waiting(g)) {
		event_free(g->timer);
		free(g);
		return false;
	}
	for (at = &ctx->gathers; *at != NULL; at = &(*at)->next)
		;
	*at = g;
	return true;
}

bool agw_context_is_gathering(const struct agw_context_table *t, const struct agw_ctx_name *name)
{
	const struct agw_context *ctx = agw_context_find(t, name);

	return ctx != NULL && ctx->gathers != NULL;
}

void agw_ctx_gathers_check(struct agw_context *ctx)
{
	struct ctx_gather *g = ctx->gathers;

	while (g != NULL) {
		struct ctx_gather *next = g->next;

		if (!is_waiting(g))
			finish(g);
		g = next;
	}
}

void agw_ctx_gathers_end(struct agw_context *ctx)
{
	while (ctx->gathers != NULL) {
		struct ctx_gather *g = ctx->gathers;

		ctx->gathers = g->next;
		tell(g, true);
	}
}
