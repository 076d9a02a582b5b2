/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Requests awaiting replies (5.2). Each has 2 s, one resend of the same octets with the same
 * txn_id (also on a new connection to the same incarnation of the AGW), then its outcome is
 * unknown: a Release follows, which is always safe. A first Reserve is tried on up to two other
 * AGWs within three seconds instead (IQ-23).
 *
 * The caller is told by handle; a context or call that has gone meanwhile is a normal case.
 * Thread: the cscf loop. Spec: IQ-08, IQ-19, IQ-23.
 */
#include "cscf/iq/iq_int.h"

#define GW_LOG_MOD "iq"

static const char *const op_names[] = {"reserve", "reserve_more", "configure",
				       "release", "audit",        "look"};

static void trace(const struct iq_txn *t, struct cscf_iq_trace how)
{
	struct cscf_iq *iq = t->iq;

	if (!iq->attached || iq->cbs.on_trace == NULL || t->call == GW_HANDLE_NONE ||
	    t->op == IQ_OP_LOOK)
		return;
	how.proc = op_names[t->op];
	how.agw = t->link->agw_id;
	how.took_ms = (uint32_t)(iq_now_ms() - t->since_ms);
	iq->cbs.on_trace(iq->arg, t->call, &how);
}

/* A Release outlives its context; a look is about what there was. */
static bool ends_with_ctx(const struct iq_txn *t)
{
	return t->op != IQ_OP_RELEASE && t->op != IQ_OP_LOOK;
}

static void free_txn(struct iq_txn *t)
{
	struct iq_ctx *ctx = ends_with_ctx(t) ? gw_handle_find(t->iq->ctx_table, t->ctx) : NULL;

	if (ctx != NULL)
		ctx->n_txns--;
	DL_DELETE(t->link->txns, t);
	HASH_DEL(t->iq->txns, t);
	gw_metric_dec(&cscf_iq_metrics[IQ_M_TXNS]);
	if (t->timer != NULL)
		event_free(t->timer);
	free(t->frame);
	free(t);
}

/* Tell the owner, once; the transaction is over before that. */
static void finish(struct iq_txn *t, struct cscf_iq_outcome *out)
{
	struct cscf_iq *iq = t->iq;
	cscf_iq_done_fn *done = t->done;
	gw_handle call = t->call;
	uint32_t tag = t->tag;

	if (out->detail == NULL)
		out->detail = "";
	if (t->op == IQ_OP_RESERVE) {
		struct iq_ctx *ctx = gw_handle_find(iq->ctx_table, t->ctx);

		if (ctx != NULL)
			ctx->reserving = false;
		gw_histogram_observe_us(&cscf_iq_reserve_time,
					(int64_t)(iq_now_ms() - t->since_ms) * 1000);
	}
	if (out->err != GW_OK)
		GW_LOG_LIMITED(GW_LOG_WARN, "iq.request_failed",
			       "proc=%s ctx=%s agw=%s err=%s code=%s detail=\"%s\"",
			       op_names[t->op], t->ctx_id, t->link->agw_id, gw_err_name(out->err),
			       iq_code_name(out->code), out->detail);
	trace(t, (struct cscf_iq_trace){
		     .what = CSCF_IQ_TRACE_DONE,
		     .err = out->err,
		     .code = out->code != IQ_V(ERROR_CODE__OK) ? iq_code_name(out->code) : "",
		     .detail = out->detail});
	free_txn(t);
	if (done != NULL && iq->attached)
		done(iq->arg, call, tag, out);
}

static void fail(struct iq_txn *t, enum gw_err err, const char *detail)
{
	struct cscf_iq_outcome out = {.err = err, .detail = detail};

	finish(t, &out);
}

static void arm(struct iq_txn *t, uint64_t ms)
{
	struct timeval tv = {(time_t)(ms / 1000U), (suseconds_t)(ms % 1000U * 1000U)};

	event_add(t->timer, &tv);
}

static void send_now(struct iq_txn *t)
{
	enum gw_err err = iq_link_send_frame(t->link, t->frame, t->frame_n);

	if (err == GW_OK) {
		if (t->sent++ > 0)
			gw_metric_inc(&cscf_iq_metrics[IQ_M_RESENT]);
	} /* else: held until the link is back or the time is over */
}

/* For one answer: a first Reserve has a time of its own for all of them (IQ-23). */
static uint64_t time_left(const struct iq_txn *t)
{
	uint64_t most = (uint64_t)t->iq->cfg.request_timeout, now = iq_now_ms();

	if (t->op != IQ_OP_RESERVE)
		return most;
	if (now >= t->deadline_ms)
		return 0;
	return t->deadline_ms - now < most ? t->deadline_ms - now : most;
}

static bool may_ask_again(const struct iq_txn *t)
{
	return t->sent == 1 && t->op != IQ_OP_AUDIT && t->op != IQ_OP_LOOK && time_left(t) > 0;
}

/* The same Reserve to another AGW, as a new transaction there. */
static bool try_other_agw(struct iq_txn *t)
{
	struct cscf_iq *iq = t->iq;
	struct iq_ctx *ctx = gw_handle_find(iq->ctx_table, t->ctx);
	struct cscf_iq_link *link;
	IqEnvelope *env = NULL;

	if (t->op != IQ_OP_RESERVE || ctx == NULL || t->n_tried >= IQ_RESERVE_AGWS ||
	    iq_now_ms() >= t->deadline_ms)
		return false;
	link = iq_pool_choose(iq, t->tried, t->n_tried, t->priority);
	if (link == NULL ||
	    iq_unpack(&env, t->frame + IQ_FRAME_HEADER, t->frame_n - IQ_FRAME_HEADER) != GW_OK)
		return false;
	free(t->frame);
	t->frame = NULL;
	HASH_DEL(iq->txns, t);
	t->id = ++iq->last_txn;
	ctx->last_txn = t->id;
	HASH_ADD(hh, iq->txns, id, sizeof(t->id), t);
	env->txn_id = t->id;
	if (iq_pack_frame(env, &t->frame, &t->frame_n) != GW_OK) {
		iq_envelope_free(env);
		return false;
	}
	GW_LOG(GW_LOG_INFO, "iq.failover", "ctx=%s call_id=%s from=%s to=%s", t->ctx_id,
	       env->reserve->call_id, t->link->agw_id, link->agw_id);
	gw_metric_inc(&cscf_iq_metrics[IQ_M_FAILOVER]);
	iq_trace(IQ_TX, link->addr_text, env, t->frame_n);
	iq_envelope_free(env);
	iq_ctx_move(ctx, link);
	DL_DELETE(t->link->txns, t);
	t->link = link;
	DL_APPEND(link->txns, t);
	t->tried[t->n_tried++] = link;
	t->sent = 0;
	arm(t, time_left(t));
	trace(t, (struct cscf_iq_trace){.what = CSCF_IQ_TRACE_MOVED});
	send_now(t);
	return true;
}

/* Five requests in a row without an answer: heartbeats alone do not make an AGW healthy. */
static void count_timeout(struct cscf_iq_link *link)
{
	gw_metric_inc(&cscf_iq_metrics[IQ_M_TIMEOUT]);
	if (link->state != IQ_LINK_UP || ++link->timeouts_in_a_row < IQ_SUSPECT_TIMEOUTS)
		return;
	link->suspect = true;
	iq_link_fail(link, "suspect: answers no requests");
}

static void on_timeout(evutil_socket_t fd, short what, void *arg)
{
	struct iq_txn *t = arg;
	struct cscf_iq_link *link = t->link;
	char ctx_id[IQ_CTX_ID_LEN + 1];

	(void)fd;
	(void)what;
	memcpy(ctx_id, t->ctx_id, sizeof(ctx_id));
	if (t->op == IQ_OP_RESERVE && try_other_agw(t)) {
		iq_release_stray(link, ctx_id, "no answer to Reserve");
		count_timeout(link);
		return;
	}
	if (may_ask_again(t)) {
		arm(t, time_left(t));
		trace(t, (struct cscf_iq_trace){.what = CSCF_IQ_TRACE_AGAIN});
		send_now(t);
		return;
	}
	if (t->op == IQ_OP_RESERVE)
		iq_release_stray(link, ctx_id, "no answer to Reserve");
	fail(t, GW_ERR_TIMEOUT, "no answer");
	count_timeout(link);
}

enum gw_err iq_txn_start(struct cscf_iq *iq, struct cscf_iq_link *link, IqEnvelope *env,
			 const struct iq_txn_params *p)
{
	static const enum iq_metric counter[] = {IQ_M_RESERVE, IQ_M_RESERVE, IQ_M_CONFIGURE,
						 IQ_M_RELEASE, IQ_M_AUDIT,   IQ_M_AUDIT};
	struct iq_txn *t = calloc(1, sizeof(*t));
	enum gw_err err = GW_ERR_NOMEM;

	if (t == NULL)
		return err;
	t->iq = iq;
	t->op = p->op;
	t->link = link;
	t->tag = p->tag;
	t->done = p->done;
	if (p->ctx != NULL) {
		t->ctx = p->ctx->self;
		t->call = p->ctx->call;
	}
	t->id = ++iq->last_txn;
	if (p->ctx != NULL && p->op != IQ_OP_LOOK) {
		p->ctx->last_txn = t->id;
		p->ctx->rev = 0; /* until the reply */
	}
	memcpy(t->ctx_id,
	       p->ctx != NULL      ? p->ctx->id
	       : p->ctx_id != NULL ? p->ctx_id
				   : "",
	       p->ctx != NULL      ? IQ_CTX_ID_LEN
	       : p->ctx_id != NULL ? strnlen(p->ctx_id, 32)
				   : 0);
	t->timer = evtimer_new(iq->base, on_timeout, t);
	if (t->timer == NULL)
		goto fail;
	env->txn_id = t->id;
	err = iq_pack_frame(env, &t->frame, &t->frame_n);
	if (err != GW_OK)
		goto fail;
	HASH_ADD(hh, iq->txns, id, sizeof(t->id), t);
	DL_APPEND(link->txns, t);
	if (p->ctx != NULL && ends_with_ctx(t))
		p->ctx->n_txns++;
	gw_metric_inc(&cscf_iq_metrics[IQ_M_TXNS]);
	gw_metric_inc(&cscf_iq_metrics[counter[p->op]]);
	if (p->op == IQ_OP_RESERVE) {
		t->priority = env->reserve->priority;
		t->deadline_ms = iq_now_ms() + IQ_RESERVE_DEADLINE;
		t->tried[t->n_tried++] = link;
	}
	iq_trace(IQ_TX, link->addr_text, env, t->frame_n);
	t->since_ms = iq_now_ms();
	arm(t, (uint64_t)iq->cfg.request_timeout);
	trace(t, (struct cscf_iq_trace){.what = CSCF_IQ_TRACE_SENT});
	send_now(t);
	return GW_OK;
fail:
	if (t->timer != NULL)
		event_free(t->timer);
	free(t->frame);
	free(t);
	return err;
}

static bool reply_fits(const struct iq_txn *t, const IqEnvelope *env)
{
	switch (t->op) {
	case IQ_OP_RESERVE:
	case IQ_OP_RESERVE_MORE:
		return env->body_case == IQ_BODY(RESERVE_REPLY);
	case IQ_OP_CONFIGURE:
		return env->body_case == IQ_BODY(CONFIGURE_REPLY);
	case IQ_OP_RELEASE:
		return env->body_case == IQ_BODY(RELEASE_REPLY);
	case IQ_OP_AUDIT:
	case IQ_OP_LOOK:
		return env->body_case == IQ_BODY(AUDIT_REPLY);
	}
	return false;
}

/* The statistics of the streams of one context. */
static void finish_look(struct iq_txn *t, struct cscf_iq_outcome *out, const IqAuditReply *reply)
{
	IqStreamStats *stats[IQ_MAX_STREAMS];
	const IqContextInfo *info = reply->n_contexts > 0 ? reply->contexts[0] : NULL;

	for (size_t i = 0; info != NULL && i < info->n_streams && out->n_stats < IQ_MAX_STREAMS;
	     i++)
		if (info->streams[i]->stats != NULL)
			stats[out->n_stats++] = info->streams[i]->stats;
	out->stats = stats;
	finish(t, out);
}

static uint64_t rev_of(const IqEnvelope *env)
{
	if (env->body_case == IQ_BODY(RESERVE_REPLY))
		return env->reserve_reply->rev;
	return env->body_case == IQ_BODY(CONFIGURE_REPLY) ? env->configure_reply->rev : 0;
}

void iq_txn_on_reply(struct cscf_iq_link *link, const IqEnvelope *env)
{
	struct cscf_iq *iq = link->iq;
	const IqError *error = iq_msg_error(env);
	struct cscf_iq_outcome out = {.err = GW_OK};
	struct iq_txn *t;

	HASH_FIND(hh, iq->txns, &env->txn_id, sizeof(env->txn_id), t);
	if (t == NULL || t->link != link) {
		gw_metric_inc(&cscf_iq_metrics[IQ_M_LATE]);
		return;
	}
	link->timeouts_in_a_row = 0;
	link->suspect = false;
	iq_ctx_note_rev(gw_handle_find(iq->ctx_table, t->ctx), t->id, rev_of(env));
	if (error != NULL && error->code != IQ_V(ERROR_CODE__OK)) {
		gw_metric_inc(&cscf_iq_metrics[IQ_M_REJECTED]);
		if (iq_code_retryable(error->code) && try_other_agw(t))
			return;
		out.err = error->code == IQ_V(ERROR_CODE__UNKNOWN_CONTEXT) ? GW_ERR_GONE
									   : GW_ERR_REJECTED;
		out.code = error->code;
		out.detail = error->detail;
	} else if (!reply_fits(t, env)) {
		out.err = GW_ERR_PROTO;
		out.detail = "reply of another kind";
	} else if (t->op == IQ_OP_RELEASE) {
		out.n_stats = env->release_reply->n_stats;
		out.stats = env->release_reply->stats;
	} else if (t->op == IQ_OP_CONFIGURE) {
		out.n_streams = env->configure_reply->n_streams;
		out.streams = env->configure_reply->streams;
	} else if (t->op == IQ_OP_LOOK) {
		finish_look(t, &out, env->audit_reply);
		return;
	} else if (t->op == IQ_OP_AUDIT) {
		uint32_t gen = t->tag;

		finish(t, &out);
		if (gen == link->audit_gen) /* else a newer audit began again from the first page */
			iq_audit_on_reply(link, env->audit_reply);
		return;
	} else {
		out.n_streams = env->reserve_reply->n_streams;
		out.streams = env->reserve_reply->streams;
	}
	finish(t, &out);
}

/* Answers on that link cannot come any more: Reserves move on, the rest waits for the link. */
void iq_txn_on_link_down(struct cscf_iq_link *link)
{
	struct iq_txn *t, *tmp;

	HASH_ITER (hh, link->iq->txns, t, tmp) {
		if (t->link != link)
			continue;
		if (t->op == IQ_OP_RESERVE)
			(void)try_other_agw(t);
		else if (t->op == IQ_OP_AUDIT || t->op == IQ_OP_LOOK)
			fail(t, GW_ERR_GONE, "link lost");
	}
}

void iq_txn_on_link_up(struct cscf_iq_link *link)
{
	struct iq_txn *t;

	DL_FOREACH (link->txns, t)
		send_now(t);
}

void iq_txn_move(struct iq_txn *t, struct cscf_iq_link *link)
{
	DL_DELETE(t->link->txns, t);
	t->link = link;
	DL_APPEND(link->txns, t);
}

void iq_txn_end_link(struct cscf_iq_link *link, const char *why)
{
	/* Either takes it off the list; an owner told of a failure may start or end others. */
	while (link->txns != NULL)
		if (!try_other_agw(link->txns))
			fail(link->txns, GW_ERR_GONE, why);
}

void iq_txn_forget_ctx(struct cscf_iq *iq, gw_handle ctx)
{
	const struct iq_ctx *owner = gw_handle_find(iq->ctx_table, ctx);
	struct iq_txn *t, *tmp;

	if (owner == NULL || owner->n_txns == 0) /* as a rule: nobody else's are walked */
		return;
	DL_FOREACH_SAFE (owner->link->txns, t, tmp)
		if (t->ctx == ctx && ends_with_ctx(t))
			free_txn(t);
}

void iq_txn_free_all(struct cscf_iq *iq)
{
	struct iq_txn *t, *tmp;

	HASH_ITER (hh, iq->txns, t, tmp)
		free_txn(t);
}
