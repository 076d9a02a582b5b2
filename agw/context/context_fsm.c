/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The machine of a context (drawing in context.h) and what each request does in it. Whatever can
 * fail is done before anything changes; then the media layer takes all streams or none.
 * Timers: reserve_ttl (reaps what nobody configured), prepare_ttl (offer in flight forgotten),
 * AGW_CTX_RELEASE_WAIT (a worker that does not give streams back).
 */
#include "agw/context/context_int.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define GW_LOG_MOD "context"

/* ---- faults ---------------------------------------------------------------------------------- */

enum gw_err agw_ctx_fail(struct agw_ctx_fault *fault, enum gw_err err, enum agw_ctx_code code,
			 const char *field, const char *detail)
{
	fault->code = code;
	fault->detail = detail;
	snprintf(fault->field, sizeof(fault->field), "%s", field != NULL ? field : "");
	gw_metric_inc(&agw_ctx_metrics[CTX_M_REFUSED]);
	return err;
}

/* Put "streams[i]." before the field of a fault. */
static void fault_at(struct agw_ctx_fault *fault, size_t i)
{
	char rest[sizeof(fault->field)];

	memcpy(rest, fault->field, sizeof(rest));
	snprintf(fault->field, sizeof(fault->field), "streams[%zu]%s%.64s", i,
		 rest[0] != '\0' ? "." : "", rest);
}

enum gw_err agw_ctx_fail_media(struct agw_ctx_fault *fault, enum gw_err err, const char *field,
			       bool adding)
{
	bool realm = field != NULL && strstr(field, "realm") != NULL;
	bool family = field != NULL && strstr(field, "famil") != NULL;

	switch ((int)err) {
	case GW_ERR_NOT_FOUND:
		if (adding || realm)
			return agw_ctx_fail(fault, err, AGW_CTX_UNKNOWN_REALM, field,
					    "no such realm");
		return agw_ctx_fail(fault, err, AGW_CTX_UNKNOWN_STREAM, field, "no such stream");
	case GW_ERR_EXISTS:
		return agw_ctx_fail(fault, err, AGW_CTX_DIFFERENT, field, "stream id in use");
	case GW_ERR_UNSUPPORTED:
		if (family)
			return agw_ctx_fail(fault, err, AGW_CTX_FAMILY, field,
					    "the realm lacks this address family");
		return agw_ctx_fail(fault, err, AGW_CTX_UNSUPPORTED, field, "not served here");
	case GW_ERR_LIMIT:
		return agw_ctx_fail(fault, err, AGW_CTX_NO_PORTS, field,
				    "no ports or streams left");
	case GW_ERR_BUSY:
	case GW_ERR_NOMEM:
		return agw_ctx_fail(fault, err, AGW_CTX_BUSY, field, "worker busy or no memory");
	case GW_ERR_INVAL:
		return agw_ctx_fail(fault, err, AGW_CTX_INVALID, field, "not acceptable");
	default:
		return agw_ctx_fail(fault, err, AGW_CTX_INTERNAL, field, "media layer failed");
	}
}

/* ---- adding streams -------------------------------------------------------------------------- */

static struct ctx_stream *stream_new(const struct agw_ctx_patch *patch)
{
	struct ctx_stream *s = calloc(1, sizeof(*s));

	if (s == NULL)
		return NULL;
	s->id = patch->p.id;
	s->request_hash = patch->request_hash;
	s->ice_state = "new";
	s->dtls_state = "idle";
	memcpy(s->label, patch->label, sizeof(s->label));
	return s;
}

static enum gw_err build_added(const struct agw_context *ctx, const struct ctx_call *call,
			       struct ctx_stream **fresh, struct agw_stream_params *params)
{
	for (size_t i = 0; i < call->n; i++) {
		const struct agw_ctx_patch *patch = &call->streams[i];
		enum gw_err err;

		fresh[i] = stream_new(patch);
		if (fresh[i] == NULL)
			return agw_ctx_fail_media(call->fault, GW_ERR_NOMEM, NULL, true);
		params[i] = patch->p;
		params[i].core.active = -1;
		params[i].rtcp_gate_up = ctx->table->cfg.rtcp_gates;
		params[i].rtcp_gate_down = ctx->table->cfg.rtcp_gates;
		err = agw_ctx_merge(&fresh[i]->branches, patch, &params[i], false, call->fault);
		if (err != GW_OK) {
			fault_at(call->fault, i);
			return err;
		}
	}
	return GW_OK;
}

enum gw_err agw_ctx_add_streams(struct agw_context *ctx, struct ctx_call *call)
{
	struct ctx_stream *fresh[AGW_CTX_STREAMS_MAX] = {NULL};
	struct agw_stream_params *params;
	const char *field = NULL;
	enum gw_err err;

	if (call->n > AGW_CTX_STREAMS_MAX - ctx->n_streams)
		return agw_ctx_fail(call->fault, GW_ERR_LIMIT, AGW_CTX_NO_STREAMS, "streams",
				    "too many streams in this context");
	params = calloc(call->n, sizeof(*params));
	if (params == NULL)
		return agw_ctx_fail_media(call->fault, GW_ERR_NOMEM, NULL, true);
	err = build_added(ctx, call, fresh, params);
	if (err != GW_OK)
		goto fail;
	err = agw_media_add(ctx->media, params, call->n, call->result->locals, NULL, &field);
	if (err != GW_OK) {
		err = agw_ctx_fail_media(call->fault, err, field, true);
		goto fail;
	}
	for (size_t i = 0; i < call->n; i++)
		ctx->streams[ctx->n_streams++] = fresh[i];
	ctx->on_worker += (unsigned)call->n;
	ctx->rev++;
	call->result->rev = ctx->rev;
	call->result->n = call->n;
	free(params);
	return GW_OK;
fail:
	for (size_t i = 0; i < call->n; i++)
		agw_ctx_stream_free(fresh[i]);
	free(params);
	return err;
}

/* ---- changing streams ------------------------------------------------------------------------ */

/* Where the change of a stream is being put together; a stream may be named twice. */
static size_t place_of(const struct agw_stream_change *changes, size_t n, uint32_t id)
{
	size_t i = 0;

	while (i < n && changes[i].params.id != id)
		i++;
	return i;
}

/* Params and branch names as they will be; `changes` gets the new state of each stream. */
static enum gw_err build_changes(const struct agw_context *ctx, const struct agw_ctx_patch *patches,
				 size_t n, size_t first, struct agw_stream_change *changes,
				 struct ctx_branches *branches, size_t *n_changes,
				 struct agw_ctx_fault *fault)
{
	*n_changes = 0;
	for (size_t i = 0; i < n; i++) {
		const struct agw_ctx_patch *patch = &patches[i];
		const struct ctx_stream *s = agw_ctx_stream_find(ctx, patch->p.id);
		const struct agw_stream_params *now = agw_media_params(ctx->media, patch->p.id);
		size_t k = place_of(changes, *n_changes, patch->p.id);
		enum gw_err err;

		if ((s == NULL || now == NULL) && i < first)
			continue; /* given back since it was prepared */
		if (s == NULL || now == NULL) {
			err = agw_ctx_fail(fault, GW_ERR_NOT_FOUND, AGW_CTX_UNKNOWN_STREAM,
					   "stream_id", "no such stream");
			fault_at(fault, i - first);
			return err;
		}
		if (k == *n_changes) {
			changes[k].params = *now;
			branches[k] = s->branches;
			++*n_changes;
		}
		err = agw_ctx_merge(&branches[k], patch, &changes[k].params, true, fault);
		if (err != GW_OK) {
			fault_at(fault, i < first ? i : i - first);
			return err;
		}
		/* Only the controller knows who offers: new credentials in an answer change the
		 * peer alone. */
		changes[k].ice_restart = changes[k].ice_restart || patch->ice_restart;
		changes[k].ask_picture = changes[k].ask_picture || patch->ask_picture;
		if (patch->new_dtls && !changes[k].new_dtls)
			changes[k].cert = patch->cert;
		changes[k].new_dtls = changes[k].new_dtls || patch->new_dtls;
	}
	return GW_OK;
}

/* Only streams with new credentials or a new association, whose certificate may be a renewed one,
 * go into the reply (iq.proto ConfigureReply). */
static void keep_renewed(struct agw_ctx_result *result, const struct agw_stream_change *changes,
			 size_t n)
{
	result->n = 0;
	for (size_t i = 0; i < n; i++)
		if (changes[i].ice_restart || changes[i].new_dtls)
			result->locals[result->n++] = result->locals[i];
}

enum gw_err agw_ctx_apply(struct agw_context *ctx, const struct agw_ctx_patch *patches, size_t n,
			  size_t first, struct ctx_call *call)
{
	struct agw_stream_change *changes = calloc(n + 1, sizeof(*changes));
	struct ctx_branches *branches = calloc(n + 1, sizeof(*branches));
	const char *field = NULL;
	size_t count = 0;
	enum gw_err err;

	if (changes == NULL || branches == NULL) {
		err = agw_ctx_fail_media(call->fault, GW_ERR_NOMEM, NULL, false);
		goto out;
	}
	err = build_changes(ctx, patches, n, first, changes, branches, &count, call->fault);
	if (err != GW_OK)
		goto out;
	if (count == 0 && first > 0) { /* everything prepared was released meanwhile */
		call->result->n = 0;
		goto out;
	}
	err = agw_media_apply(ctx->media, changes, count, call->result->locals, NULL, &field);
	if (err != GW_OK) {
		err = agw_ctx_fail_media(call->fault, err, field, false);
		goto out;
	}
	for (size_t i = 0; i < count; i++)
		agw_ctx_stream_find(ctx, changes[i].params.id)->branches = branches[i];
	keep_renewed(call->result, changes, count);
out:
	free(changes);
	free(branches);
	return err;
}

/* Check the patches against the streams now; they are merged again at COMMIT. */
enum gw_err agw_ctx_try(const struct agw_context *ctx, const struct ctx_call *call)
{
	struct agw_stream_change *changes = calloc(call->n + 1, sizeof(*changes));
	struct ctx_branches *branches = calloc(call->n + 1, sizeof(*branches));
	size_t count;
	enum gw_err err;

	if (changes != NULL && branches != NULL)
		err = build_changes(ctx, call->streams, call->n, 0, changes, branches, &count,
				    call->fault);
	else
		err = agw_ctx_fail_media(call->fault, GW_ERR_NOMEM, NULL, false);
	free(changes);
	free(branches);
	return err;
}

static void done(struct agw_context *ctx, struct ctx_call *call)
{
	ctx->rev++;
	call->result->rev = ctx->rev;
}

static void configure(struct agw_context *ctx, struct ctx_call *call)
{
	call->err = agw_ctx_apply(ctx, call->streams, call->n, 0, call);
	if (call->err != GW_OK)
		return;
	done(ctx, call);
	if (ctx->fsm.state == CTX_S_RESERVED)
		gw_fsm_go(&ctx->fsm, CTX_S_ACTIVE);
	else if (ctx->fsm.state == CTX_S_PREPARED)
		ctx->before_prepare = CTX_S_ACTIVE; /* in use: no longer for reserve_ttl to reap */
}

static void prepare(struct agw_context *ctx, struct ctx_call *call)
{
	call->err = agw_ctx_prepare(ctx, call);
	if (call->err != GW_OK)
		return;
	if (ctx->fsm.state != CTX_S_PREPARED)
		ctx->before_prepare = ctx->fsm.state;
	done(ctx, call);
	gw_fsm_go_timed(&ctx->fsm, CTX_S_PREPARED, ctx->table->cfg.prepare_ttl_ms);
}

static void leave_prepared(struct agw_context *ctx)
{
	agw_ctx_prepared_forget(ctx);
	if (ctx->before_prepare == CTX_S_RESERVED)
		gw_fsm_go_timed(&ctx->fsm, CTX_S_RESERVED, ctx->table->cfg.reserve_ttl_ms);
	else
		gw_fsm_go(&ctx->fsm, CTX_S_ACTIVE);
}

static void commit(struct agw_context *ctx, struct ctx_call *call)
{
	call->err = agw_ctx_commit(ctx, call);
	if (call->err != GW_OK)
		return;
	done(ctx, call);
	ctx->before_prepare = CTX_S_ACTIVE;
	leave_prepared(ctx);
}

/* ---- the machine ----------------------------------------------------------------------------- */

static void on_living(struct gw_fsm *fsm, unsigned event, void *data)
{
	struct agw_context *ctx = fsm->owner;
	struct ctx_call *call = data;

	switch ((enum ctx_event)event) {
	case CTX_E_ADD:
		call->err = agw_ctx_add_streams(ctx, call);
		return;
	case CTX_E_CONFIGURE:
		configure(ctx, call);
		return;
	case CTX_E_PREPARE:
		prepare(ctx, call);
		return;
	case CTX_E_COMMIT:
		commit(ctx, call);
		return;
	case CTX_E_ROLLBACK:
		if (fsm->state == CTX_S_PREPARED)
			leave_prepared(ctx);
		done(ctx, call);
		return;
	case CTX_E_RELEASE:
		gw_fsm_go(fsm, CTX_S_RELEASING);
		return;
	case CTX_E_TIMER:
		if (fsm->state == CTX_S_PREPARED) {
			ctx->rev++; /* the controller's COMMIT would not be what it thinks */
			leave_prepared(ctx);
		} else
			agw_ctx_go(ctx, AGW_WHY_TTL);
		return;
	case CTX_E_EMPTY:
	case CTX_E_COUNT:
		return;
	}
}

static void on_releasing(struct gw_fsm *fsm, unsigned event, void *data)
{
	struct agw_context *ctx = fsm->owner;

	(void)data;
	if (event == CTX_E_TIMER)
		CTX_LOG(ctx, GW_LOG_ERROR, "ctx.stuck", "streams_missing=%u", ctx->on_worker);
	agw_ctx_releases_end(ctx, false);
	agw_ctx_bury(ctx);
}

static const char *identity(const struct gw_fsm *fsm, char *buf, size_t n)
{
	const struct agw_context *ctx = fsm->owner;

	snprintf(buf, n, "ctx=%s call_id=\"%.120s\"", ctx->ctx_id, ctx->call_id);
	return buf;
}

#define LIVING_EVENTS                                                                              \
	(GW_BIT(CTX_E_ADD) | GW_BIT(CTX_E_CONFIGURE) | GW_BIT(CTX_E_PREPARE) |                     \
	 GW_BIT(CTX_E_ROLLBACK) | GW_BIT(CTX_E_RELEASE))

static const struct gw_fsm_state states[CTX_S_COUNT] = {
    /* Addresses given out, nothing configured yet; reaped after reserve_ttl. */
    [CTX_S_RESERVED] =
	{
	    .name = "RESERVED",
	    .in = LIVING_EVENTS | GW_BIT(CTX_E_TIMER),
	    .out = GW_BIT(CTX_S_RESERVED) | GW_BIT(CTX_S_ACTIVE) | GW_BIT(CTX_S_PREPARED) |
		   GW_BIT(CTX_S_RELEASING),
	    .on_event = on_living,
	},
    /* Configured at least once. */
    [CTX_S_ACTIVE] =
	{
	    .name = "ACTIVE",
	    .in = LIVING_EVENTS,
	    .out = GW_BIT(CTX_S_PREPARED) | GW_BIT(CTX_S_RELEASING),
	    .on_event = on_living,
	},
    /* An offer is in flight: patches wait for COMMIT or ROLLBACK. */
    [CTX_S_PREPARED] =
	{
	    .name = "PREPARED",
	    .in = LIVING_EVENTS | GW_BIT(CTX_E_COMMIT) | GW_BIT(CTX_E_TIMER),
	    .out = GW_BIT(CTX_S_RESERVED) | GW_BIT(CTX_S_ACTIVE) | GW_BIT(CTX_S_PREPARED) |
		   GW_BIT(CTX_S_RELEASING),
	    .on_event = on_living,
	},
    /* Out of the table; waits for the workers to give the streams back. */
    [CTX_S_RELEASING] =
	{
	    .name = "RELEASING",
	    .in = GW_BIT(CTX_E_EMPTY) | GW_BIT(CTX_E_TIMER),
	    .timer_ms = AGW_CTX_RELEASE_WAIT,
	    .on_event = on_releasing,
	},
};

static const char *const event_names[CTX_E_COUNT] = {
    [CTX_E_ADD] = "ADD",       [CTX_E_CONFIGURE] = "CONFIGURE", [CTX_E_PREPARE] = "PREPARE",
    [CTX_E_COMMIT] = "COMMIT", [CTX_E_ROLLBACK] = "ROLLBACK",   [CTX_E_RELEASE] = "RELEASE",
    [CTX_E_EMPTY] = "EMPTY",   [CTX_E_TIMER] = "TIMER",
};

static const struct gw_fsm_desc desc = {
    .name = "context",
    .states = states,
    .n_states = CTX_S_COUNT,
    .event_names = event_names,
    .n_events = CTX_E_COUNT,
    .timer_event = CTX_E_TIMER,
    .identity = identity,
};

enum gw_err agw_ctx_fsm_init(struct agw_context *ctx)
{
	return gw_fsm_init(&ctx->fsm, &desc, CTX_S_RESERVED, ctx, ctx->table->base);
}

enum gw_err agw_ctx_fsm_call(struct agw_context *ctx, enum ctx_event event, struct ctx_call *call)
{
	enum gw_err err = gw_fsm_dispatch(&ctx->fsm, event, call);

	if (err == GW_ERR_STATE)
		return agw_ctx_fail(call->fault, err, AGW_CTX_STATE, "phase",
				    event == CTX_E_COMMIT ? "nothing is prepared"
							  : "not in this state");
	return err == GW_OK ? call->err : err;
}
