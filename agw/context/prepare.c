/* SPDX-License-Identifier: Apache-2.0 */
/*
 * An offer in flight (2.3): PREPARE keeps what it would change, COMMIT does it together with what
 * the answer brought, ROLLBACK forgets it. The old state is in force until then.
 *
 * What our own description must carry is given by PREPARE already: new ICE credentials, which do
 * no harm while unused, and the fingerprint that a new association will have, which is kept for
 * COMMIT so that a certificate renewed meanwhile does not change it.
 * Thread: control thread. Spec: calls-and-media 2.3, 5.3; SDP-35, ICE-17, DTLS-20.
 */
#include "agw/context/context_int.h"

#include <stdlib.h>
#include <string.h>

void agw_ctx_prepared_forget(struct agw_context *ctx)
{
	free(ctx->prepared);
	ctx->prepared = NULL;
	ctx->n_prepared = 0;
}

/*
 * An ICE restart cannot wait for COMMIT: our answer to the offer in flight carries the new
 * credentials. It is harmless to restart now, the old pair stays in use until a nomination under
 * the new generation (ICE-17), and a ROLLBACK leaves just unused credentials behind.
 */
static enum gw_err restart_ice_now(struct agw_context *ctx, const struct agw_ctx_patch *patches,
				   size_t n, struct ctx_call *call)
{
	struct agw_ctx_patch *restart = calloc(n > 0 ? n : 1, sizeof(*restart));
	size_t count = 0;
	enum gw_err err = GW_OK;

	if (restart == NULL)
		return agw_ctx_fail_media(call->fault, GW_ERR_NOMEM, NULL, false);
	for (size_t i = 0; i < n; i++) {
		if (!patches[i].ice_restart)
			continue;
		restart[count].p.id = patches[i].p.id;
		restart[count++].ice_restart = true;
	}
	if (count > 0)
		err = agw_ctx_apply(ctx, restart, count, 0, call);
	free(restart);
	return err;
}

/* The reply: our values of every stream that will have new ones; the verbs are done or kept. */
static void tell(const struct agw_context *ctx, struct agw_ctx_patch *patches, size_t n,
		 struct agw_ctx_result *result)
{
	result->n = 0;
	for (size_t i = 0; i < n; i++) {
		const struct agw_stream_local *now = agw_media_local(ctx->media, patches[i].p.id);

		if ((!patches[i].ice_restart && !patches[i].new_dtls) || now == NULL ||
		    result->n >= AGW_CTX_STREAMS_MAX)
			continue;
		patches[i].ice_restart = false;
		result->locals[result->n] = *now;
		if (patches[i].new_dtls) {
			agw_media_next_cert(ctx->media, &patches[i].cert);
			result->locals[result->n].fp = patches[i].cert;
		}
		result->n++;
	}
}

enum gw_err agw_ctx_prepare(struct agw_context *ctx, struct ctx_call *call)
{
	enum gw_err err = agw_ctx_try(ctx, call);
	struct agw_ctx_patch *copy;

	if (err != GW_OK)
		return err;
	copy = malloc((call->n + 1) * sizeof(*copy));
	if (copy == NULL)
		return agw_ctx_fail_media(call->fault, GW_ERR_NOMEM, NULL, false);
	if (call->n > 0)
		memcpy(copy, call->streams, call->n * sizeof(*copy));
	err = restart_ice_now(ctx, copy, call->n, call);
	if (err != GW_OK) {
		free(copy);
		return err;
	}
	tell(ctx, copy, call->n, call->result);
	agw_ctx_prepared_forget(ctx); /* a second offer replaces the first */
	ctx->prepared = copy;
	ctx->n_prepared = call->n;
	return GW_OK;
}

enum gw_err agw_ctx_commit(struct agw_context *ctx, struct ctx_call *call)
{
	size_t n = ctx->n_prepared + call->n;
	struct agw_ctx_patch *all;
	enum gw_err err;

	call->result->n = 0;
	if (n == 0)
		return GW_OK;
	all = calloc(n, sizeof(*all));
	if (all == NULL)
		return agw_ctx_fail_media(call->fault, GW_ERR_NOMEM, NULL, false);
	if (ctx->n_prepared > 0)
		memcpy(all, ctx->prepared, ctx->n_prepared * sizeof(*all));
	for (size_t i = 0; i < call->n; i++) {
		struct agw_ctx_patch *p = &all[ctx->n_prepared + i];
		const struct agw_stream_local *now;

		*p = call->streams[i];
		now = agw_media_local(ctx->media, p->p.id);
		/* asked for by an answer: our offer has told the fingerprint of before */
		if (p->new_dtls && now != NULL)
			p->cert = now->fp;
	}
	err = agw_ctx_apply(ctx, all, n, ctx->n_prepared, call);
	explicit_bzero(all, n * sizeof(*all));
	free(all);
	return err;
}
