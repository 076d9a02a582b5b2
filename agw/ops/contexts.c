/* SPDX-License-Identifier: Apache-2.0 */
/* Commands that look at contexts and controllers. */
#include "agw/ops/ops_int.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define LIST_MAX 1000

static const char *arg_text(const json_t *args, size_t i)
{
	const char *s = json_string_value(json_array_get(args, i));

	return s != NULL ? s : "";
}

static json_t *addr(const struct gw_addr *a)
{
	char text[GW_ADDR_STRLEN];

	return a->len != 0 ? json_string(gw_addr_str(a, text, sizeof(text))) : json_null();
}

/* ---- contexts -------------------------------------------------------------------------------- */

static json_t *context_line(const struct agw_context *ctx)
{
	struct agw_ctx_view v;

	agw_context_view(ctx, &v);
	return json_pack("{s:s, s:s, s:s, s:s, s:s, s:I, s:i, s:I, s:b}", "ctx_id", v.ctx_id,
			 "state", v.state, "controller", v.controller, "call_id", v.call_id, "icid",
			 v.icid, "rev", (json_int_t)v.rev, "streams", (int)v.n_streams, "age_s",
			 (json_int_t)v.age_s, "priority", v.priority);
}

json_t *agw_ops_cmd_context_list(void *arg, const json_t *args, const char **error)
{
	const struct agw_ops *o = arg;
	const char *controller = json_array_size(args) > 0 ? arg_text(args, 0) : NULL;
	const struct agw_context *ctx = agw_context_seek(o->table, controller, 0);
	json_t *out = json_array();

	(void)error;
	for (unsigned n = 0; ctx != NULL && n < LIST_MAX; n++) {
		(void)json_array_append_new(out, context_line(ctx));
		ctx = agw_context_next(ctx, controller);
	}
	return out;
}

static json_t *direction(const struct agw_dir_stats *d)
{
	json_t *drops = json_object();
	json_t *out;

	for (unsigned i = 0; i < AGW_DROP_COUNT; i++)
		if (d->drops[i] != 0)
			(void)json_object_set_new(drops, agw_drop_name((enum agw_drop)i),
						  json_integer((json_int_t)d->drops[i]));
	out = json_pack("{s:I, s:I, s:I, s:I, s:I}", "rtp_packets", (json_int_t)d->rtp_packets,
			"rtp_octets", (json_int_t)d->rtp_octets, "rtcp_packets",
			(json_int_t)d->rtcp_packets, "lost", (json_int_t)d->lost, "jitter",
			(json_int_t)d->jitter);
	if (d->rtt_us != 0)
		(void)json_object_set_new(out, "far_rtt_ms", json_real(d->rtt_us / 1000.0));
	if (d->far_lost != 0)
		(void)json_object_set_new(out, "far_lost", json_integer(d->far_lost));
	if (d->mos_x100 != 0)
		(void)json_object_set_new(out, "mos", json_real(d->mos_x100 / 100.0));
	if (d->made_rtcp != 0)
		(void)json_object_set_new(out, "made_rtcp", json_integer(d->made_rtcp));
	if (d->nacked != 0) {
		(void)json_object_set_new(out, "nacked", json_integer((json_int_t)d->nacked));
		(void)json_object_set_new(out, "resent", json_integer((json_int_t)d->resent));
	}
	if (d->oversize != 0)
		(void)json_object_set_new(out, "oversize", json_integer((json_int_t)d->oversize));
	(void)json_object_set_new(out, "drops", drops);
	return out;
}

static json_t *remotes(const struct agw_core_params *core)
{
	json_t *out = json_array();

	for (int i = 0; i < AGW_BRANCH_MAX; i++)
		if (core->branches[i].rtp.len != 0)
			(void)json_array_append_new(
			    out, json_pack("{s:o, s:o, s:b}", "rtp", addr(&core->branches[i].rtp),
					   "rtcp", addr(&core->branches[i].rtcp), "active",
					   core->active == i));
	return out;
}

static json_t *stream(const struct agw_ctx_stream_view *v)
{
	static const char *const media[] = {"audio", "video", "other"};
	json_t *out = json_pack(
	    "{s:I, s:s, s:s, s:s, s:s, s:I}", "stream_id", (json_int_t)v->id, "label", v->label,
	    "ice", v->ice_state, "dtls", v->dtls_state, "srtp",
	    v->stats.srtp_profile != 0 ? agw_srtp_profile_name(v->stats.srtp_profile) : "",
	    "stun_requests", (json_int_t)v->stats.stun_requests);

	if (v->params != NULL) {
		(void)json_object_set_new(out, "media", json_string(media[v->params->media]));
		(void)json_object_set_new(out, "gate_up", json_boolean(v->params->gate_up));
		(void)json_object_set_new(out, "gate_down", json_boolean(v->params->gate_down));
		(void)json_object_set_new(out, "core_remotes", remotes(&v->params->core));
	}
	if (v->local != NULL) {
		(void)json_object_set_new(out, "worker", json_integer(v->local->worker));
		(void)json_object_set_new(out, "access_local",
					  addr(v->local->access[AGW_FAMILY_V4].len != 0
						   ? &v->local->access[AGW_FAMILY_V4]
						   : &v->local->access[AGW_FAMILY_V6]));
		(void)json_object_set_new(out, "core_local", addr(&v->local->core_rtp));
	}
	(void)json_object_set_new(out, "access_remote", addr(&v->stats.remote));
	(void)json_object_set_new(out, "uplink", direction(&v->stats.up));
	(void)json_object_set_new(out, "downlink", direction(&v->stats.down));
	return out;
}

/* By full ctx_id, or by Call-ID: what an operator has at hand. */
static struct agw_context *find(const struct agw_ops *o, const char *id)
{
	const struct agw_ctx_name name = {.ctx_id = id};
	struct agw_context *ctx = agw_context_find(o->table, &name);
	struct agw_ctx_view v;

	if (ctx != NULL)
		return ctx;
	for (ctx = agw_context_seek(o->table, NULL, 0); ctx != NULL;
	     ctx = agw_context_next(ctx, NULL)) {
		agw_context_view(ctx, &v);
		if (strcmp(v.call_id, id) == 0)
			return ctx;
	}
	return NULL;
}

json_t *agw_ops_cmd_context_show(void *arg, const json_t *args, const char **error)
{
	const struct agw_ops *o = arg;
	struct agw_ctx_stream_view v;
	struct agw_context *ctx;
	json_t *streams;
	json_t *out;

	if (json_array_size(args) != 1) {
		*error = "usage: context show CTX_ID|CALL_ID";
		return NULL;
	}
	ctx = find(o, arg_text(args, 0));
	if (ctx == NULL) {
		*error = "no such context";
		return NULL;
	}
	out = context_line(ctx);
	streams = json_array();
	for (unsigned i = 0; agw_context_stream_view(ctx, i, &v); i++)
		(void)json_array_append_new(streams, stream(&v));
	(void)json_object_set_new(out, "streams", streams);
	return out;
}

/* ---- controllers ----------------------------------------------------------------------------- */

json_t *agw_ops_cmd_controller_list(void *arg, const json_t *args, const char **error)
{
	const struct agw_ops *o = arg;
	struct agw_iq_controller_view v;
	json_t *out = json_array();
	char epoch[24];

	(void)args;
	(void)error;
	for (unsigned i = 0; agw_iq_controller_view(o->iq, i, &v); i++) {
		snprintf(epoch, sizeof(epoch), "%016" PRIx64, v.epoch);
		(void)json_array_append_new(
		    out, json_pack("{s:s, s:s, s:b, s:s, s:I, s:I, s:I, s:I, s:s}", "controller",
				   v.id, "peer", v.peer, "connected", v.connected, "epoch", epoch,
				   "since_s", (json_int_t)v.since_s, "contexts",
				   (json_int_t)agw_context_count(o->table, v.id, 0), "requests",
				   (json_int_t)v.requests, "notifications",
				   (json_int_t)v.notifications, "software", v.software));
	}
	return out;
}

/* ---- audit ----------------------------------------------------------------------------------- */

static bool controller_known(const struct agw_ops *o, const struct agw_ctx_view *ctx)
{
	struct agw_iq_controller_view v;

	for (unsigned i = 0; agw_iq_controller_view(o->iq, i, &v); i++)
		if (strcmp(v.id, ctx->controller) == 0)
			return v.epoch == ctx->epoch;
	return false;
}

/* Does what we hold hang together? Contexts nobody owns, streams no context has. */
json_t *agw_ops_cmd_audit(void *arg, const json_t *args, const char **error)
{
	const struct agw_ops *o = arg;
	json_t *orphans = json_array();
	json_int_t streams = 0;
	json_int_t contexts = 0;
	struct agw_pool_load load;
	const struct agw_context *ctx;

	(void)args;
	(void)error;
	for (ctx = agw_context_seek(o->table, NULL, 0); ctx != NULL;
	     ctx = agw_context_next(ctx, NULL)) {
		struct agw_ctx_view v;

		agw_context_view(ctx, &v);
		contexts++;
		streams += v.n_streams;
		if (!controller_known(o, &v))
			(void)json_array_append_new(orphans, json_string(v.ctx_id));
	}
	agw_pool_load(o->pool, &load);
	return json_pack("{s:I, s:I, s:I, s:I, s:o}", "contexts", contexts, "context_streams",
			 streams, "worker_streams", (json_int_t)load.streams, "contexts_releasing",
			 (json_int_t)agw_context_releasing(o->table), "orphans", orphans);
}
