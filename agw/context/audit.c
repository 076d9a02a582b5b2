/* SPDX-License-Identifier: Apache-2.0 */
/* Looking at contexts without changing them: counts, the walk of an audit (IQ-15), views. */
#include "agw/context/context_int.h"

#include <string.h>

static bool belongs(const struct agw_context *ctx, const char *controller, uint64_t epoch)
{
	return (controller == NULL || strcmp(ctx->controller, controller) == 0) &&
	       (epoch == 0 || ctx->epoch == epoch);
}

uint32_t agw_context_count(const struct agw_context_table *t, const char *controller,
			   uint64_t epoch)
{
	const struct agw_context *ctx;
	uint32_t n = 0;

	if (controller == NULL && epoch == 0)
		return HASH_CNT(hh, t->by_name);
	for (ctx = t->by_name; ctx != NULL; ctx = ctx->hh.next)
		n += belongs(ctx, controller, epoch) ? 1 : 0;
	return n;
}

uint32_t agw_context_releasing(const struct agw_context_table *t)
{
	return t->releasing;
}

uint32_t agw_context_streams(const struct agw_context_table *t)
{
	const struct agw_context *ctx;
	uint32_t n = 0;

	for (ctx = t->by_name; ctx != NULL; ctx = ctx->hh.next)
		n += ctx->n_streams;
	return n;
}

struct agw_context *agw_context_seek(const struct agw_context_table *t, const char *controller,
				     uint64_t after)
{
	struct agw_context *ctx;

	/* uthash keeps the order of insertion, which is the order of serials */
	for (ctx = t->by_name; ctx != NULL; ctx = ctx->hh.next)
		if (ctx->serial > after && belongs(ctx, controller, 0))
			return ctx;
	return NULL;
}

struct agw_context *agw_context_next(const struct agw_context *ctx, const char *controller)
{
	struct agw_context *next = ctx->hh.next;

	while (next != NULL && !belongs(next, controller, 0))
		next = next->hh.next;
	return next;
}

void agw_context_view(const struct agw_context *ctx, struct agw_ctx_view *out)
{
	*out = (struct agw_ctx_view){
	    .handle = ctx->handle,
	    .serial = ctx->serial,
	    .controller = ctx->controller,
	    .epoch = ctx->epoch,
	    .ctx_id = ctx->ctx_id,
	    .call_id = ctx->call_id,
	    .icid = ctx->icid,
	    .state = gw_fsm_state_name(&ctx->fsm),
	    .rev = ctx->rev,
	    .age_s = (uint32_t)((agw_ctx_now_ms() - ctx->born_ms) / 1000),
	    .priority = ctx->priority,
	    .n_streams = ctx->n_streams,
	};
}

bool agw_context_stream_view(const struct agw_context *ctx, unsigned i,
			     struct agw_ctx_stream_view *out)
{
	const struct ctx_stream *s;

	if (i >= ctx->n_streams)
		return false;
	s = ctx->streams[i];
	memset(out, 0, sizeof(*out));
	out->id = s->id;
	out->label = s->label;
	out->ice_state = s->ice_state;
	out->dtls_state = s->dtls_state;
	out->params = agw_media_params(ctx->media, s->id);
	out->local = agw_media_local(ctx->media, s->id);
	if (!agw_media_stats(ctx->media, s->id, &out->stats))
		memset(&out->stats, 0, sizeof(out->stats));
	return true;
}
