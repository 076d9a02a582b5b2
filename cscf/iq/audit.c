/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Audit (IQ-15): after each reconnect and every iq.audit_interval the AGW lists the contexts it
 * holds for us. What we do not know is released there; what it does not know has lost its media
 * and is told to its call. Contexts of ours younger than ten seconds are left alone: their
 * Reserve may have crossed the list. The other way round nothing can cross: we know a context
 * before its Reserve leaves. A context of another revision than ours, with no request under way
 * that would explain it, is configured anew. Thread: the cscf loop.
 */
#include "cscf/iq/iq_int.h"

#define GW_LOG_MOD "iq"

static void ask_page(struct cscf_iq_link *link, const char *cursor)
{
	struct iq_txn_params p = {.op = IQ_OP_AUDIT, .tag = link->audit_gen};
	IqEnvelope *env = iq_envelope_new(IQ_BODY(AUDIT), 0);
	enum gw_err err = GW_ERR_NOMEM;

	if (env != NULL) {
		env->audit->limit = IQ_MAX_AUDIT;
		err = iq_str_set(&env->audit->cursor, cursor);
	}
	if (err == GW_OK)
		err = iq_txn_start(link->iq, link, env, &p);
	if (err != GW_OK)
		GW_LOG(GW_LOG_WARN, "iq.audit_failed", "agw=%s err=%s", link->agw_id,
		       gw_err_name(err));
	iq_envelope_free(env);
}

static void arm_next(struct cscf_iq_link *link)
{
	struct timeval tv = {(time_t)(link->iq->cfg.audit_interval / 1000), 0};

	if (link->iq->cfg.audit_interval > 0 && link->audit_timer != NULL)
		event_add(link->audit_timer, &tv);
}

static void on_audit_timer(evutil_socket_t fd, short what, void *arg)
{
	(void)fd;
	(void)what;
	iq_audit_start(arg);
}

void iq_audit_start(struct cscf_iq_link *link)
{
	if (link->audit_timer == NULL)
		link->audit_timer = evtimer_new(link->iq->base, on_audit_timer, link);
	link->audit_gen++;
	arm_next(link);
	ask_page(link, "");
}

void iq_audit_stop(struct cscf_iq_link *link)
{
	if (link->audit_timer != NULL)
		event_free(link->audit_timer);
	link->audit_timer = NULL;
}

/*
 * The list is complete: contexts of ours on that AGW that it did not name are gone. A call told of
 * its loss may release others, so those are first collected by their handles.
 */
static void lose_unlisted(struct cscf_iq_link *link)
{
	struct cscf_iq *iq = link->iq;
	gw_handle *lost = calloc(link->n_ctx + 1, sizeof(*lost));
	uint64_t now = iq_now_ms();
	struct iq_ctx *ctx;
	size_t n = 0;

	if (lost == NULL)
		return; /* the next audit will find them */
	DL_FOREACH (link->ctxs, ctx)
		if (!ctx->reserving && ctx->audit_gen != link->audit_gen &&
		    now - ctx->since_ms > IQ_AUDIT_GRACE_S * 1000U)
			lost[n++] = ctx->self;
	for (size_t i = 0; i < n; i++)
		if ((ctx = gw_handle_find(iq->ctx_table, lost[i])) != NULL)
			iq_ctx_lost(ctx, "unknown to the AGW");
	free(lost);
}

static void compare(struct iq_ctx *ctx, const IqContextInfo *info)
{
	struct cscf_iq *iq = ctx->link->iq;

	ctx->audit_gen = ctx->link->audit_gen;
	if (ctx->rev == 0 || info->rev == 0 || ctx->rev == info->rev) /* 0: not known just now */
		return;
	GW_LOG(GW_LOG_WARN, "iq.audit_differs", "ctx=%s agw=%s rev=%llu theirs=%llu", ctx->id,
	       ctx->link->agw_id, (unsigned long long)ctx->rev, (unsigned long long)info->rev);
	gw_metric_inc(&cscf_iq_metrics[IQ_M_AUDIT_DIFFERS]);
	ctx->rev = 0; /* the next request is not held against it */
	if (iq->attached && iq->cbs.on_differs != NULL)
		iq->cbs.on_differs(iq->arg, ctx->call);
}

void iq_audit_on_reply(struct cscf_iq_link *link, const IqAuditReply *reply)
{
	struct cscf_iq *iq = link->iq;

	for (size_t i = 0; i < reply->n_contexts; i++) {
		const IqContextInfo *info = reply->contexts[i];
		struct iq_ctx *ctx = iq_ctx_find_id(iq, info->ctx_id);

		if (ctx != NULL && ctx->link == link) {
			compare(ctx, info);
		} else {
			GW_LOG(GW_LOG_WARN, "iq.audit_release", "ctx=%s agw=%s call_id=%s age_s=%u",
			       info->ctx_id, link->agw_id, info->call_id, info->age_s);
			gw_metric_inc(&cscf_iq_metrics[IQ_M_AUDIT_RELEASED]);
			iq_release_stray(link, info->ctx_id, "audit: unknown to the controller");
		}
	}
	if (reply->next_cursor[0] != '\0')
		ask_page(link, reply->next_cursor);
	else
		lose_unlisted(link);
}
