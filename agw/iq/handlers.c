/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One function per procedure (calls-and-media spec 5.3): message in, context call, message out.
 */
#include "agw/iq/server_int.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#define GW_LOG_MOD        "iq"

#define AUDIT_PAGE        IQ_MAX_AUDIT
#define AUDIT_PAGE_OCTETS (512U * 1024U) /* half a frame: the last context may go past it */

static struct agw_ctx_name name_of(const struct agw_iq_controller *ctl, const char *ctx_id)
{
	return (struct agw_ctx_name){.controller = ctl->id, .epoch = ctl->epoch, .ctx_id = ctx_id};
}

static enum gw_err fill_results(size_t *n, void *list, const struct agw_ctx_result *from)
{
	for (size_t i = 0; i < from->n; i++) {
		enum gw_err err = iq_list_add(n, list, agw_iq_result_new(&from->locals[i]));

		if (err != GW_OK)
			return err;
	}
	return GW_OK;
}

/* ---- Reserve (TS 23.334: Reserve AGW Connection Point) -----------------------------------------
 */

static IqEnvelope *reserve_reply(uint64_t txn, const struct agw_ctx_result *result)
{
	IqEnvelope *reply = iq_envelope_new(IQ_BODY(RESERVE_REPLY), txn);
	IqReserveReply *r;

	if (reply == NULL)
		return NULL;
	r = reply->reserve_reply;
	r->rev = result->rev;
	if (fill_results(&r->n_streams, (void *)&r->streams, result) != GW_OK) {
		/* what was reserved stays: the controller hears OVERLOADED and releases */
		iq_envelope_free(reply);
		return NULL;
	}
	return reply;
}

static void refuse_reserve(struct agw_iq_controller *ctl, uint64_t txn, bool released)
{
	IqEnvelope *req = iq_envelope_new(IQ_BODY(RESERVE), txn);
	struct iq_fault fault;

	if (released)
		iq_fault_set(&fault, IQ_V(ERROR_CODE__UNKNOWN_CONTEXT), "ctx_id",
			     "released before it was answered");
	else
		iq_fault_set(&fault, IQ_V(ERROR_CODE__OVERLOADED), NULL, "out of memory");
	if (req != NULL)
		agw_iq_reply_error(ctl, req, &fault);
	iq_envelope_free(req);
}

/* A TURN server has answered, or took too long. */
static void on_gathered(void *arg, const struct agw_ctx_result *result)
{
	uint64_t txn = 0;
	struct agw_iq_controller *ctl = agw_iq_waiter_end(arg, &txn);
	IqEnvelope *reply;

	if (ctl == NULL)
		return; /* it is gone, or came back without memory of it */
	reply = result != NULL ? reserve_reply(txn, result) : NULL;
	if (reply != NULL)
		agw_iq_reply(ctl, reply);
	else
		refuse_reserve(ctl, txn, result == NULL);
	agw_iq_unpark(ctl->server);
}

/* The streams are there; does a TURN server have to be heard first? */
static bool answers_later(struct agw_iq_controller *ctl, const struct agw_ctx_reserve *req,
			  uint64_t txn)
{
	struct iq_waiter *w = agw_iq_waiter_new(ctl, txn);

	if (w == NULL)
		return false;
	if (agw_context_gather(ctl->server->table, req, on_gathered, w))
		return true;
	(void)agw_iq_waiter_end(w, &txn);
	return false;
}

/* One signature for all handlers; most answer at once. */
/* NOLINTBEGIN(readability-non-const-parameter) */
IqEnvelope *agw_iq_on_reserve(struct agw_iq_controller *ctl, const IqEnvelope *env,
			      struct iq_fault *fault, bool *later)
{
	const IqReserveRequest *in = env->reserve;
	struct agw_iq_server *s = ctl->server;
	struct agw_ctx_name name = name_of(ctl, in->ctx_id);
	struct agw_ctx_patch *patches = NULL;
	struct agw_ctx_fault ctx_fault = {.code = AGW_CTX_OK, .detail = ""};
	struct agw_ctx_result result;
	struct agw_ctx_reserve req;
	enum gw_err err;

	/* streams of a context that is already here are welcome while draining */
	if (agw_context_find(s->table, &name) == NULL && !agw_iq_admit(s, in, fault))
		return NULL;
	if (agw_iq_patches_from(&patches, in->streams, in->n_streams, &s->cfg.defaults, true,
				fault) != GW_OK)
		return NULL;
	if (!agw_iq_realms_ok(s, patches, in->n_streams, fault)) {
		free(patches);
		return NULL;
	}
	req = (struct agw_ctx_reserve){
	    .name = name,
	    .call_id = in->call_id,
	    .icid = in->icid,
	    .priority = in->priority,
	    .trace = in->trace,
	    .streams = patches,
	    .n = in->n_streams,
	};
	err = agw_context_reserve(s->table, &req, &result, &ctx_fault);
	*later = err == GW_OK && answers_later(ctl, &req, env->txn_id);
	free(patches);
	if (*later)
		return NULL;
	if (err != GW_OK) {
		agw_iq_fault_from(fault, &ctx_fault);
		return NULL;
	}
	return reserve_reply(env->txn_id, &result);
}

/* ---- Configure (TS 23.334: Configure / Modify, Change Through-Connection) ----------------------
 */

static enum agw_ctx_phase phase_of(const IqConfigureRequest *in)
{
	switch ((int)in->phase) {
	case IQ_V(CONFIGURE_REQUEST__PHASE__PREPARE):
		return AGW_CTX_PREPARE;
	case IQ_V(CONFIGURE_REQUEST__PHASE__COMMIT):
		return AGW_CTX_COMMIT;
	case IQ_V(CONFIGURE_REQUEST__PHASE__ROLLBACK):
		return AGW_CTX_ROLLBACK;
	default:
		return AGW_CTX_COMMIT_NOW;
	}
}

static IqEnvelope *configure_reply(const IqEnvelope *env, const struct agw_ctx_result *result,
				   const struct iq_fault *fault)
{
	IqEnvelope *reply = iq_reply_new(env, fault);

	if (reply == NULL)
		return NULL;
	reply->configure_reply->rev = result->rev;
	if (fault == NULL &&
	    fill_results(&reply->configure_reply->n_streams,
			 (void *)&reply->configure_reply->streams, result) != GW_OK) {
		iq_envelope_free(reply);
		return NULL;
	}
	return reply;
}

IqEnvelope *agw_iq_on_configure(struct agw_iq_controller *ctl, const IqEnvelope *env,
				struct iq_fault *fault, bool *later)
{
	const IqConfigureRequest *in = env->configure;
	struct agw_ctx_patch *patches = NULL;
	struct agw_ctx_fault ctx_fault = {.code = AGW_CTX_OK, .detail = ""};
	struct agw_ctx_result result = {.n = 0};
	struct agw_ctx_configure req;
	enum gw_err err;

	(void)later;
	if (agw_iq_patches_from(&patches, in->streams, in->n_streams, &ctl->server->cfg.defaults,
				false, fault) != GW_OK)
		return NULL;
	req = (struct agw_ctx_configure){
	    .name = name_of(ctl, in->ctx_id),
	    .base_rev = in->base_rev,
	    .phase = phase_of(in),
	    .streams = patches,
	    .n = in->n_streams,
	};
	err = agw_context_configure(ctl->server->table, &req, &result, &ctx_fault);
	free(patches);
	if (err == GW_OK)
		return configure_reply(env, &result, NULL);
	agw_iq_fault_from(fault, &ctx_fault);
	/* the controller decides with the current revision in hand */
	return ctx_fault.code == AGW_CTX_REV ? configure_reply(env, &result, fault) : NULL;
}

/* ---- Release (TS 23.334: Release AGW Termination) ----------------------------------------------
 */

static IqEnvelope *release_reply(uint64_t txn, const struct agw_ctx_stats *stats)
{
	IqEnvelope *reply = iq_envelope_new(IQ_BODY(RELEASE_REPLY), txn);
	enum gw_err err = GW_OK;

	for (size_t i = 0; reply != NULL && err == GW_OK && i < stats->n; i++) {
		if (!stats->known[i])
			continue;
		err = iq_list_add(&reply->release_reply->n_stats,
				  (void *)&reply->release_reply->stats,
				  agw_iq_stats_new(stats->id[i], &stats->stats[i], &stats->local[i],
						   &stats->core_remote[i]));
	}
	return reply; /* released is released: better a reply with fewer counters than none */
}

static void on_released(void *arg, const struct agw_ctx_stats *stats)
{
	uint64_t txn = 0;
	struct agw_iq_controller *ctl = agw_iq_waiter_end(arg, &txn);
	IqEnvelope *reply = ctl != NULL ? release_reply(txn, stats) : NULL;

	if (reply != NULL)
		agw_iq_reply(ctl, reply);
}

IqEnvelope *agw_iq_on_release(struct agw_iq_controller *ctl, const IqEnvelope *env,
			      struct iq_fault *fault, bool *later)
{
	const IqReleaseRequest *in = env->release;
	struct agw_ctx_name name = name_of(ctl, in->ctx_id);
	struct iq_waiter *w = agw_iq_waiter_new(ctl, env->txn_id);
	uint64_t txn = 0;
	IqEnvelope *reply;
	enum gw_err err;

	if (w == NULL)
		return NULL;
	if (in->n_stream_ids == 0)
		agw_iq_parked_refuse(ctl, in->ctx_id);
	err = agw_context_release(ctl->server->table, &name, in->stream_ids, in->n_stream_ids,
				  on_released, w);
	if (err == GW_OK) {
		*later = true;
		return NULL;
	}
	(void)agw_iq_waiter_end(w, &txn);
	if (err != GW_ERR_NOT_FOUND) {
		iq_fault_set(fault, iq_code_from_err(err), "ctx_id", "%s",
			     err == GW_ERR_DENIED ? "another controller or epoch reserved it"
						  : gw_err_name(err));
		return NULL;
	}
	reply = iq_reply_new(env, NULL);
	if (reply != NULL)
		reply->release_reply->already_gone = true;
	return reply;
}

IqEnvelope *agw_iq_on_release_all(struct agw_iq_controller *ctl, const IqEnvelope *env,
				  struct iq_fault *fault, bool *later)
{
	uint64_t keep = env->release_all->other_epochs_only ? ctl->epoch : 0;
	IqEnvelope *reply = iq_reply_new(env, NULL);

	(void)fault;
	(void)later;
	if (reply == NULL)
		return NULL;
	if (keep == 0)
		agw_iq_parked_refuse(ctl, NULL);
	reply->release_all_reply->released =
	    agw_context_release_all(ctl->server->table, ctl->id, keep, AGW_WHY_REQUEST);
	return reply;
}

/* ---- Audit -------------------------------------------------------------------------------------
 */

static enum gw_err audit_named(const struct agw_iq_controller *ctl, const IqAuditRequest *in,
			       IqAuditReply *out)
{
	for (size_t i = 0; i < in->n_ctx_ids; i++) {
		struct agw_ctx_name name = name_of(ctl, in->ctx_ids[i]);
		const struct agw_context *ctx = agw_context_find(ctl->server->table, &name);
		enum gw_err err;

		if (ctx == NULL)
			continue; /* not listed = not here */
		err = iq_list_add(&out->n_contexts, (void *)&out->contexts,
				  agw_iq_context_new(ctx, in->detail));
		if (err != GW_OK)
			return err;
	}
	return GW_OK;
}

static enum gw_err audit_page(const struct agw_iq_controller *ctl, const IqAuditRequest *in,
			      uint64_t after, IqAuditReply *out)
{
	uint32_t limit = in->limit != 0 ? in->limit : AUDIT_PAGE;
	const struct agw_context *ctx = agw_context_seek(ctl->server->table, ctl->id, after);
	struct agw_ctx_view v = {.serial = after};
	size_t octets = 0;
	char cursor[24];

	for (; ctx != NULL && limit > 0 && octets < AUDIT_PAGE_OCTETS;
	     limit--, ctx = agw_context_next(ctx, ctl->id)) {
		IqContextInfo *info = agw_iq_context_new(ctx, in->detail);
		enum gw_err err = iq_list_add(&out->n_contexts, (void *)&out->contexts, info);

		if (err != GW_OK)
			return err;
		octets += protobuf_c_message_get_packed_size(&info->base);
		agw_context_view(ctx, &v);
	}
	if (ctx == NULL)
		return GW_OK;
	snprintf(cursor, sizeof(cursor), "%" PRIu64, v.serial);
	return iq_str_set(&out->next_cursor, cursor);
}

IqEnvelope *agw_iq_on_audit(struct agw_iq_controller *ctl, const IqEnvelope *env,
			    struct iq_fault *fault, bool *later)
{
	const IqAuditRequest *in = env->audit;
	IqEnvelope *reply = iq_reply_new(env, NULL);
	char *end = NULL;
	uint64_t after = strtoull(in->cursor, &end, 10);
	enum gw_err err;

	(void)later;
	if (reply == NULL)
		return NULL;
	if (*end != '\0') {
		iq_fault_set(fault, IQ_V(ERROR_CODE__INVALID_ARGUMENT), "cursor",
			     "not a cursor of this gateway");
		iq_envelope_free(reply);
		return NULL;
	}
	err = in->n_ctx_ids > 0 ? audit_named(ctl, in, reply->audit_reply)
				: audit_page(ctl, in, after, reply->audit_reply);
	if (err != GW_OK) {
		iq_envelope_free(reply);
		return NULL;
	}
	return reply;
}

/* ---- Drain -------------------------------------------------------------------------------------
 */

IqEnvelope *agw_iq_on_drain(struct agw_iq_controller *ctl, const IqEnvelope *env,
			    struct iq_fault *fault, bool *later)
{
	const IqDrainRequest *in = env->drain;
	IqEnvelope *reply;

	(void)fault;
	(void)later;
	GW_LOG(GW_LOG_WARN, "iq.drain", "controller=%s undo=%d deadline_s=%u reason=\"%s\"",
	       ctl->id, in->undo, in->deadline_s, in->reason);
	if (in->undo)
		(void)agw_iq_undrain(ctl->server); /* the reply has the state */
	else
		agw_iq_drain(ctl->server, in->deadline_s, in->reason);
	reply = iq_reply_new(env, NULL);
	if (reply != NULL)
		reply->drain_reply->state = agw_iq_state_new(ctl->server);
	return reply;
}
/* NOLINTEND(readability-non-const-parameter) */
