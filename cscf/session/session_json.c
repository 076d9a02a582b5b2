/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Calls as operators see them: `call list` and `call show`. Secrets (ICE passwords, SDP) stay out.
 * Thread: the cscf loop.
 */
#include "cscf/session/session_int.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

static json_t *call_json(const struct call *c)
{
	const struct cscf_iq *iq = c->s->p.iq;
	uint64_t now = session_now_ms();
	char id[24];

	snprintf(id, sizeof(id), "%" PRIu64, c->self);
	return json_pack("{s:s, s:s, s:s, s:s, s:s, s:s, s:s*, s:s, s:s, s:I, s:I, s:I}", "id", id,
			 "call_id", c->call_id, "state", gw_fsm_state_name(&c->fsm), "direction",
			 c->from_wic ? "from-wic" : "to-wic", "impu",
			 c->impu != NULL ? c->impu : "", "icid", c->icid != NULL ? c->icid : "",
			 "request_uri", c->request_uri, "agw", cscf_iq_ctx_agw(iq, c->media.ctx),
			 "ctx", cscf_iq_ctx_id(iq, c->media.ctx), "conn", (json_int_t)c->conn,
			 "age_ms", (json_int_t)(now - c->started_ms), "answered_ms_ago",
			 (json_int_t)(c->answered_ms != 0 ? now - c->answered_ms : 0));
}

json_t *cscf_session_list(const struct cscf_session *s)
{
	json_t *list = json_array();
	uint32_t cursor = 0;
	const struct call *c;

	while ((c = gw_handle_next(s->calls, &cursor)) != NULL)
		if (c->fsm.state != CALL_S_ENDED)
			json_array_append_new(list, call_json(c));
	return list;
}

static json_t *stream_json(const struct cscf_sdp_stream *st)
{
	static const char *const kinds[] = {"audio", "video", "text", "other"};
	static const char *const roles[] = {"undecided", "client", "server"};

	return json_pack(
	    "{s:I, s:s, s:b, s:s, s:s, s:i, s:s, s:i, s:s, s:i, s:b, s:b, s:s}", "stream_id",
	    (json_int_t)st->stream_id, "media", kinds[st->media], "live", (int)st->live,
	    "dtls_role", roles[st->dtls], "access_addr", st->access_local.addr, "access_port",
	    (int)st->access_local.port, "core_addr", st->core_local.addr, "core_port",
	    (int)st->core_local.port, "core_remote", st->core_remote.addr, "core_remote_port",
	    (int)st->core_remote.port, "gate_uplink", (int)st->gate_uplink, "gate_downlink",
	    (int)st->gate_downlink, "codec", st->n_fmts > 0 ? st->fmts[0].name : "");
}

static json_t *dialog_json(const struct dialog *d)
{
	return json_pack("{s:s, s:b, s:s*, s:s*}", "to_tag", d->callee_tag, "confirmed",
			 (int)d->confirmed, "wic_target", d->target[SIDE_WIC].uri, "core_target",
			 d->target[SIDE_CORE].uri);
}

json_t *cscf_session_show(const struct cscf_session *s, const char *id)
{
	char *end;
	gw_handle h = strtoull(id, &end, 10);
	const struct call *c = *end == '\0' ? gw_handle_find(s->calls, h) : NULL;
	const struct dialog *d;
	json_t *o, *streams, *dialogs;

	if (c == NULL)
		c = call_find_id(s, gw_slice_str(id));
	if (c == NULL)
		return NULL;
	o = call_json(c);
	streams = json_array();
	dialogs = json_array();
	for (size_t i = 0; i < cscf_sdp_stream_count(c->media.sdp); i++)
		json_array_append_new(streams, stream_json(cscf_sdp_stream(c->media.sdp, i)));
	DL_FOREACH (c->dialogs, d)
		json_array_append_new(dialogs, dialog_json(d));
	json_object_set_new(o, "streams", streams);
	json_object_set_new(o, "dialogs", dialogs);
	json_object_set_new(o, "caller", json_string(c->from));
	json_object_set_new(o, "transactions", json_integer((json_int_t)c->n_xacts));
	json_object_set_new(o, "waiting", json_boolean(c->waiting));
	return o;
}
