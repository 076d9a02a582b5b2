/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What both legs have in common: hop count, feature tags of what we break, sending, and the
 * requests that we make ourselves from stored dialog data (REL-03).
 * Thread: the cscf loop. Spec: CALL-15..18; RFC 3261 §12.2.1.1, §16.6.
 */
#include "cscf/session/session_int.h"

#include <stdio.h>

enum gw_err leg_filter_features(struct cscf_sip_msg *msg, enum side to)
{
	static const char *const broken[] = {"precondition", "ice", "trickle-ice", "sec-agree"};
	size_t n = to == SIDE_CORE ? sizeof(broken) / sizeof(broken[0]) : 1;
	enum gw_err err = GW_OK;

	for (size_t i = 0; i < n && err == GW_OK; i++)
		err = cscf_sip_msg_del_token(msg, "Supported", broken[i]);
	if (err == GW_OK && to == SIDE_WIC) /* met here, else screen.c refused it */
		err = cscf_sip_msg_del_token(msg, "Require", "precondition");
	/* Candidates that come later have nowhere to go (CALL-19, RFC 8840). */
	if (err == GW_OK)
		err = cscf_sip_msg_del_token(msg, "Accept", "application/trickle-ice-sdpfrag");
	if (err == GW_OK)
		err = cscf_sip_msg_del_token(msg, "Recv-Info", "trickle-ice");
	return err;
}

enum gw_err leg_hide_sdp(struct cscf_sip_msg *msg, bool all)
{
	enum gw_err err = cscf_sip_msg_drop_sdp(msg, all);

	return err != GW_OK && all ? cscf_sip_msg_set_body(msg, NULL, "", 0) : err;
}

enum gw_err leg_prepare_request(struct cscf_sip_msg *msg, enum side to)
{
	char text[12];
	struct gw_slice v;
	uint32_t hops = 71;
	enum gw_err err;

	if (cscf_sip_msg_hdr(msg, "Max-Forwards", &v) && !cscf_sip_uint(v, 255, &hops))
		return GW_ERR_PARSE;
	if (hops == 0)
		return GW_ERR_PARSE;
	snprintf(text, sizeof(text), "%u", hops - 1);
	err = cscf_sip_msg_hdr_set(msg, "Max-Forwards", text);
	return err == GW_OK ? leg_filter_features(msg, to) : err;
}

/* Where a request goes on a leg: the WIC's own connection, or the next hop of its route. */
static enum gw_err find_dest(struct call *c, enum side to, const struct cscf_sip_msg *msg,
			     struct cscf_sip_flow *flow, char **uri, struct cscf_sip_dest *dest)
{
	*uri = NULL;
	*dest = (struct cscf_sip_dest){0};
	if (to == SIDE_WIC) {
		if (c->conn == 0 || !cscf_sip_conn_alive(c->s->p.stack, c->conn, flow))
			return GW_ERR_GONE;
		dest->flow = flow;
		return GW_OK;
	}
	*uri = gw_slice_dup(cscf_sip_msg_next_hop(msg));
	return *uri != NULL ? GW_OK : GW_ERR_NOMEM;
}

enum gw_err leg_send(struct call *c, enum side to, struct cscf_sip_msg *msg, struct xact *x)
{
	struct cscf_sip_client_opt opt = {.timeout_ms = x->timeout_ms};
	struct cscf_sip_flow flow;
	struct cscf_sip_dest dest;
	char *uri;
	enum gw_err err = find_dest(c, to, msg, &flow, &uri, &dest);

	if (err != GW_OK) {
		cscf_sip_msg_free(msg);
		return err;
	}
	if (uri != NULL) {
		dest.uris = (const char *const *)&uri;
		dest.n_uris = 1;
	}
	err = cscf_sip_request(c->s->p.stack, msg, &dest, &opt, &xact_client_cbs, x, &x->client);
	free(uri);
	x->client_live = err == GW_OK;
	return err;
}

enum gw_err leg_send_ack(struct call *c, enum side to, struct cscf_sip_msg *msg)
{
	struct cscf_sip_flow flow;
	struct cscf_sip_dest dest;
	char *uri;
	enum gw_err err = find_dest(c, to, msg, &flow, &uri, &dest);

	if (err != GW_OK) {
		cscf_sip_msg_free(msg);
		return err;
	}
	if (uri != NULL) {
		dest.uris = (const char *const *)&uri;
		dest.n_uris = 1;
	}
	err = cscf_sip_send_ack(c->s->p.stack, msg, &dest);
	free(uri);
	return err;
}

enum gw_err leg_own_request(struct call *c, struct dialog *d, enum side to, const char *method,
			    uint32_t cseq, const char *reason, struct cscf_sip_msg **out)
{
	/* Towards the callee we speak for the caller, and the other way round. */
	bool to_callee = (to == SIDE_CORE) == c->from_wic;
	const struct target *t = &d->target[to];
	struct cscf_sip_request_params p = {
	    .method = method,
	    .uri = t->uri,
	    .from = to_callee ? c->from : d->to,
	    .to = to_callee ? d->to : c->from,
	    .call_id = c->call_id,
	    .cseq = cseq,
	    .routes = (const char *const *)t->routes,
	    .n_routes = t->n_routes,
	};
	enum gw_err err;

	if (t->uri == NULL)
		return GW_ERR_STATE;
	err = cscf_sip_msg_new_request(out, &p);
	if (err != GW_OK)
		return err;
	if (reason != NULL)
		err = cscf_sip_msg_hdr_append(*out, "Reason", reason);
	if (err == GW_OK && to == SIDE_CORE && strcmp(method, "ACK") != 0)
		err = leg_add_pcv(c, *out);
	if (err != GW_OK)
		cscf_sip_msg_free(*out);
	return err;
}
