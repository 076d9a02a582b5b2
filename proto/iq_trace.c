/* SPDX-License-Identifier: Apache-2.0 */
/* The one place where an Iq message becomes a log line (iq_codec.h). */
#include "common/log.h"
#include "proto/iq_codec.h"
#include "proto/iq_json.h"

#include <inttypes.h>
#include <stdlib.h>

#define GW_LOG_MOD "iq"

static bool is_heartbeat(const IqEnvelope *env)
{
	return env->body_case == IQ_BODY(HEARTBEAT);
}

/* ICE passwords and tokens are masked; SDP never passes here. */
static void trace_body(const char *event, const char *peer, const IqEnvelope *env)
{
	json_t *j = iq_envelope_to_json(env, IQ_JSON_MASK_SECRETS);
	char *text = j != NULL ? json_dumps(j, JSON_COMPACT) : NULL;

	if (text != NULL)
		GW_LOG(GW_LOG_TRACE, event, "peer=\"%s\" txn=%" PRIu64 " body=%s", peer,
		       env->txn_id, text);
	free(text);
	json_decref(j);
}

void iq_trace(enum iq_dir dir, const char *peer, const IqEnvelope *env, size_t size)
{
	const char *event = dir == IQ_RX ? "iq.rx" : "iq.tx";
	enum gw_log_level level = is_heartbeat(env) ? GW_LOG_TRACE : GW_LOG_DEBUG;
	const IqError *error;

	if (!gw_log_enabled(level))
		return;
	error = iq_msg_error(env);
	if (env->body_case == IQ_BODY(NOTIFICATION))
		GW_LOG(level, event,
		       "msg=notification ctx=\"%s\" call_id=\"%s\" stream=%u notify=%s seq=%" PRIu64
		       " size=%zu peer=\"%s\"",
		       iq_msg_ctx(env), iq_msg_call_id(env), env->notification->stream_id,
		       iq_event_name(env->notification->event), env->notification->event_seq, size,
		       peer);
	else
		GW_LOG(level, event,
		       "msg=%s txn=%" PRIu64
		       " ctx=\"%s\" call_id=\"%s\" error=%s size=%zu peer=\"%s\"",
		       iq_msg_name(env), env->txn_id, iq_msg_ctx(env), iq_msg_call_id(env),
		       error != NULL ? iq_code_name(error->code) : "-", size, peer);
	if (gw_log_enabled(GW_LOG_TRACE))
		trace_body(event, peer, env);
}
