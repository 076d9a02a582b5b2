/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Text to the wire: which connection or address a message takes, and our own Via.
 */
#include "common/fmt.h"
#include "common/rand.h"
#include "cscf/sip/stack_int.h"

#include <stdio.h>
#include <stdlib.h>

#define GW_LOG_MOD "sip"
#include "common/log.h"

enum gw_err cscf_sip_send_flow(struct cscf_sip_stack *s, struct cscf_sip_flow *flow,
			       const char *text, size_t n)
{
	if (flow->side == CSCF_SIP_W2) {
		struct cscf_sip_w2_conn *c = cscf_sip_w2_find(s, flow->conn);

		if (c == NULL || c->closing || s->ws_ops == NULL)
			return GW_ERR_GONE;
		s->w2_last = c;
		return s->ws_ops->send(s->ws_arg, flow->conn, text, n);
	}
	if (flow->transport == CSCF_SIP_UDP)
		return cscf_sip_mw_send_udp(s->mw, &flow->remote, text, n);
	return cscf_sip_mw_send_tcp(s->mw, &flow->conn, &flow->remote, text, n);
}

void cscf_sip_log_msg(const char *dir, const struct cscf_sip_flow *flow,
		      const struct cscf_sip_msg *msg)
{
	char addr[GW_ADDR_STRLEN];

	if (!gw_log_enabled(GW_LOG_DEBUG))
		return;
	gw_log_write(
	    GW_LOG_DEBUG, GW_LOG_MOD, "sip.msg",
	    "dir=%s side=%s transport=%s remote=%s conn=%llu method=%.*s status=%d cseq=%u "
	    "call_id=\"%.*s\"",
	    dir, flow->side == CSCF_SIP_W2 ? "w2" : "mw", cscf_sip_transport_name(flow->transport),
	    gw_addr_str(&flow->remote, addr, sizeof(addr)), (unsigned long long)flow->conn,
	    GW_SLICE_FMT(cscf_sip_msg_method_text(msg)), msg->status,
	    (unsigned)cscf_sip_msg_cseq(msg), GW_SLICE_FMT(cscf_sip_msg_call_id(msg)));
}

static void tell(const struct cscf_sip_stack *s, const struct cscf_sip_wire *w)
{
	if (s->cbs->on_wire != NULL)
		s->cbs->on_wire(s->cbs_arg, w);
}

void cscf_sip_tell(const struct cscf_sip_stack *s, bool in, const struct cscf_sip_flow *flow,
		   const struct cscf_sip_msg *msg)
{
	tell(s, &(struct cscf_sip_wire){.in = in, .flow = flow, .msg = msg});
}

void cscf_sip_tell_again(const struct cscf_sip_stack *s, const struct cscf_sip_flow *flow,
			 const struct cscf_sip_msg *req, int status)
{
	tell(s, &(struct cscf_sip_wire){.flow = flow, .msg = req, .again_status = status});
}

void cscf_sip_tell_refused(const struct cscf_sip_stack *s, const struct cscf_sip_flow *flow,
			   const struct cscf_sip_msg *req, int status, const char *why)
{
	tell(s, &(struct cscf_sip_wire){
		    .in = true, .flow = flow, .msg = req, .again_status = status, .why = why});
}

/* Where responses to a Mw request go once its connection is gone, or over UDP. */
static void response_addr(const struct cscf_sip_flow *flow, const struct cscf_sip_via *via,
			  struct gw_addr *out)
{
	*out = flow->remote;
	if (flow->transport == CSCF_SIP_UDP && cscf_sip_param_get(via->params, "rport", NULL))
		return;
	gw_addr_set_port(out, via->port != 0 ? via->port : 5060);
}

enum gw_err cscf_sip_send_response(struct cscf_sip_stack *s, const struct cscf_sip_flow *flow,
				   const struct cscf_sip_msg *req, const char *text, size_t n)
{
	struct cscf_sip_flow to = *flow;
	struct cscf_sip_via via;
	enum gw_err err;

	if (flow->side == CSCF_SIP_MW) {
		if (!cscf_sip_msg_top_via(req, &via))
			return GW_ERR_INVAL;
		response_addr(flow, &via, &to.remote);
	}
	err = cscf_sip_send_flow(s, &to, text, n);
	if (err != GW_OK)
		cscf_sip_count(CSCF_SIP_N_RESPONSE_LOST);
	else
		cscf_sip_count_side(CSCF_SIP_N_RSP_OUT_W2, flow->side);
	return err;
}

void cscf_sip_send_stateless(struct cscf_sip_stack *s, const struct cscf_sip_flow *flow,
			     const struct cscf_sip_msg *req, int status, const char *reason,
			     const char *hdr_name, const char *hdr_value)
{
	struct cscf_sip_msg *rsp = NULL;
	char tag[17];
	char *text = NULL;
	size_t n;

	gw_rand_hex(tag, 8);
	if (cscf_sip_msg_new_response(&rsp, req, status, reason) != GW_OK ||
	    cscf_sip_msg_add_to_tag(rsp, tag) != GW_OK ||
	    (hdr_name != NULL && cscf_sip_msg_hdr_append(rsp, hdr_name, hdr_value) != GW_OK))
		goto out;
	text = cscf_sip_msg_print(rsp, &n);
	cscf_sip_log_msg("out", flow, rsp);
	cscf_sip_tell(s, false, flow, rsp);
	if (text == NULL || cscf_sip_send_response(s, flow, req, text, n) != GW_OK)
		GW_LOG_LIMITED(GW_LOG_DEBUG, "sip.answer_lost", "status=%d conn=%llu", status,
			       (unsigned long long)flow->conn);
out:
	free(text);
	cscf_sip_msg_free(rsp);
}

/* --- our Via --- */

static uint32_t mix(uint32_t h, struct gw_slice s)
{
	for (size_t i = 0; i < s.n; i++)
		h = (h ^ (unsigned char)s.p[i]) * 16777619u;
	return (h ^ 0x1fu) * 16777619u;
}

/* FNV-1a over what names request and target; a hint against loops, no security rests on it. */
static uint32_t loop_mark(const struct cscf_sip_msg *req, enum cscf_sip_side to)
{
	char cseq[16];
	uint32_t h = 2166136261u;

	snprintf(cseq, sizeof(cseq), "%u%c", (unsigned)cscf_sip_msg_cseq(req),
		 to == CSCF_SIP_W2 ? 'w' : 'm');
	h = mix(h, cscf_sip_msg_uri(req));
	h = mix(h, cscf_sip_msg_call_id(req));
	h = mix(h, cscf_sip_msg_from_tag(req));
	h = mix(h, cscf_sip_msg_to_tag(req));
	return mix(h, gw_slice_str(cseq));
}

void cscf_sip_make_branch(const struct cscf_sip_msg *req, enum cscf_sip_side to,
			  char buf[CSCF_SIP_BRANCH_LEN])
{
	char token[25];

	gw_rand_hex(token, 12); /* 96 bit (CALL-50) */
	snprintf(buf, CSCF_SIP_BRANCH_LEN, "z9hG4bK%08x.%s", (unsigned)loop_mark(req, to), token);
}

enum gw_err cscf_sip_push_via(struct cscf_sip_stack *s, struct cscf_sip_msg *req,
			      const struct cscf_sip_flow *to, const char *branch)
{
	char *value;
	enum gw_err err;
	int rc;

	if (to->side == CSCF_SIP_W2)
		rc = gw_asfmt(&value, "SIP/2.0/%s %s;branch=%s",
			      cscf_sip_transport_name(to->transport), s->w2_host, branch);
	else
		rc = gw_asfmt(&value, "SIP/2.0/%s %s;branch=%s%s",
			      cscf_sip_transport_name(to->transport), s->mw_hostport, branch,
			      to->transport == CSCF_SIP_UDP ? ";rport" : "");
	if (rc < 0)
		return GW_ERR_NOMEM;
	err = cscf_sip_msg_hdr_prepend(req, "Via", value);
	free(value);
	return err;
}

static bool host_port_is(const struct cscf_sip_via *via, const char *text)
{
	const char *colon = strrchr(text, ':');
	const char *bracket = strrchr(text, ']');
	struct gw_slice host = gw_slice_str(text);
	uint32_t port = 0;

	if (colon != NULL && (bracket == NULL || colon > bracket) &&
	    cscf_sip_uint(gw_slice_str(colon + 1), 65535, &port))
		host.n = (size_t)(colon - text);
	if (host.n > 2 && host.p[0] == '[' && host.p[host.n - 1] == ']') {
		host.p++;
		host.n -= 2;
	}
	return gw_slice_ieq(via->host, host) && via->port == port;
}

bool cscf_sip_via_is_ours(const struct cscf_sip_stack *s, const struct cscf_sip_via *via,
			  enum cscf_sip_side side)
{
	return host_port_is(via, side == CSCF_SIP_W2 ? s->w2_host : s->mw_hostport);
}

bool cscf_sip_uri_is_ours(const struct cscf_sip_stack *s, struct gw_slice text)
{
	struct cscf_sip_via as_via = {0};
	struct cscf_sip_uri uri;

	if (cscf_sip_uri_parse(&uri, text) != GW_OK || uri.host.n == 0)
		return false;
	as_via.host = uri.host;
	as_via.port = uri.port;
	return host_port_is(&as_via, s->mw_hostport) || host_port_is(&as_via, s->w2_host);
}

/* Does the top Route carry a user part at our own Mw name: a flow token? */
static bool routed_by_token(const struct cscf_sip_stack *s, const struct cscf_sip_msg *req)
{
	struct cscf_sip_uri uri;

	return cscf_sip_msg_hdr(req, "Route", NULL) &&
	       cscf_sip_uri_parse(&uri, cscf_sip_msg_next_hop(req)) == GW_OK && uri.user.n > 0 &&
	       cscf_sip_uri_is_ours(s, uri.text);
}

/* Did we send it that way before? */
static bool has_mark(const struct cscf_sip_stack *s, const struct cscf_sip_via *via,
		     const struct cscf_sip_msg *req, enum cscf_sip_side to)
{
	char start[17];

	if (!cscf_sip_via_is_ours(s, via, to))
		return false;
	snprintf(start, sizeof(start), "z9hG4bK%08x.", (unsigned)loop_mark(req, to));
	return gw_slice_starts(via->branch, start);
}

bool cscf_sip_is_loop(const struct cscf_sip_stack *s, const struct cscf_sip_msg *req,
		      enum cscf_sip_side from)
{
	struct cscf_sip_values_cursor cursor = {0};
	struct gw_slice value;
	bool by_token = from == CSCF_SIP_MW && routed_by_token(s, req);

	while (cscf_sip_msg_value_next(req, "Via", &cursor, &value)) {
		struct cscf_sip_via via;

		if (cscf_sip_via_parse(&via, value) != GW_OK)
			return false;
		if (has_mark(s, &via, req, CSCF_SIP_W2) ||
		    (!by_token && has_mark(s, &via, req, CSCF_SIP_MW)))
			return true;
	}
	return false;
}
