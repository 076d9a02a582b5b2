/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A message came in: parse, refuse what must be refused, mark its source, and hand it to the
 * transaction it belongs to or, as a new one, upward. The checks of RFC 3261 s16.3 in the order
 * of receive_request. Spec: WS-14..18, WS-25..34.
 */
#include "cscf/sip/stack_int.h"

#include <stdio.h>
#include <stdlib.h>

#define GW_LOG_MOD "sip"
#include "common/log.h"

#define RETRY_RATE_S "5" /* Retry-After over the message rate */
#define RETRY_FULL_S "10"

static void log_bad(const struct cscf_sip_flow *flow, const struct cscf_sip_fault *fault,
		    const char *action)
{
	char addr[GW_ADDR_STRLEN];

	GW_LOG_LIMITED(GW_LOG_WARN, "sip.malformed",
		       "transport=%s remote=%s conn=%llu status=%d reason=\"%s\" action=%s",
		       cscf_sip_transport_name(flow->transport),
		       gw_addr_str(&flow->remote, addr, sizeof(addr)),
		       (unsigned long long)flow->conn, fault->status,
		       fault->reason != NULL ? fault->reason : "", action);
}

/* A well-formed request that is not served; its counter is the caller's. */
static void log_refused(const struct cscf_sip_stack *s, const struct cscf_sip_flow *flow,
			const struct cscf_sip_msg *req, int status, const char *reason)
{
	cscf_sip_tell_refused(s, flow, req, status, reason);
	GW_LOG_LIMITED(GW_LOG_WARN, "sip.refused",
		       "reason=%s status=%d side=%s method=%.*s call_id=\"%.*s\" conn=%llu", reason,
		       status, flow->side == CSCF_SIP_W2 ? "w2" : "mw",
		       GW_SLICE_FMT(cscf_sip_msg_method_text(req)),
		       GW_SLICE_FMT(cscf_sip_msg_call_id(req)), (unsigned long long)flow->conn);
}

/* Mark the source in the top Via: received always, rport and keep when asked for. */
static enum gw_err mark_source(const struct cscf_sip_stack *s, struct cscf_sip_msg *req,
			       const struct cscf_sip_flow *flow)
{
	char ip[GW_ADDR_STRLEN];
	struct cscf_sip_via via;

	if (!cscf_sip_msg_top_via(req, &via))
		return GW_ERR_PARSE;
	return cscf_sip_via_set_source(req, gw_addr_ip_str(&flow->remote, ip, sizeof(ip)),
				       gw_addr_port(&flow->remote),
				       flow->side == CSCF_SIP_W2 ? s->cfg->w2_keep_s : -1);
}

static void answer_bad(struct cscf_sip_stack *s, const struct cscf_sip_flow *flow,
		       struct cscf_sip_msg *req, const struct cscf_sip_fault *fault)
{
	cscf_sip_count(CSCF_SIP_N_BAD_ANSWERED);
	log_bad(flow, fault, "answered");
	cscf_sip_tell_refused(s, flow, req, fault->status, fault->reason);
	if (mark_source(s, req, flow) == GW_OK)
		cscf_sip_send_stateless(s, flow, req, fault->status, fault->reason, NULL, NULL);
}

/* --- transaction by transaction --- */

/* Create the transaction and answer it at once; it takes the request. why: a word for the log */
static void refuse(struct cscf_sip_stack *s, struct cscf_sip_msg *req,
		   const struct cscf_sip_flow *flow, char *key, int status, const char *why,
		   const char *name, const char *value)
{
	struct cscf_sip_server *t;

	if (status >= 300) /* else an OPTIONS that arrived */
		log_refused(s, flow, req, status, why);

	if (cscf_sip_server_new(s, req, flow, key, &t) != GW_OK) {
		cscf_sip_send_stateless(s, flow, req, status, NULL, name, value);
		cscf_sip_msg_free(req);
		return;
	}
	if (name != NULL)
		(void)cscf_sip_reply(s, cscf_sip_server_handle(t), status, NULL, name, value,
				     (char *)NULL);
	else
		(void)cscf_sip_reply(s, cscf_sip_server_handle(t), status, NULL, (char *)NULL);
}

static void receive_ack(struct cscf_sip_stack *s, struct cscf_sip_msg *ack,
			const struct cscf_sip_flow *flow)
{
	char *key = cscf_sip_server_key(flow, ack, "INVITE");
	struct cscf_sip_server *t = key != NULL ? cscf_sip_server_find(s, key) : NULL;

	if ((t == NULL || !cscf_sip_server_acked(t)) && s->cbs->on_ack != NULL)
		s->cbs->on_ack(s->cbs_arg, ack, flow);
	free(key);
	cscf_sip_msg_free(ack);
}

/* CANCEL is hop by hop: 200 or 481 from here, and the INVITE's owner is told (CALL-25). */
static void receive_cancel(struct cscf_sip_stack *s, struct cscf_sip_msg *cancel,
			   const struct cscf_sip_flow *flow, char *key)
{
	char *invite_key = cscf_sip_server_key(flow, cancel, "INVITE");
	struct cscf_sip_server *invite =
	    invite_key != NULL ? cscf_sip_server_find(s, invite_key) : NULL;
	gw_handle invite_handle = invite != NULL ? cscf_sip_server_handle(invite) : GW_HANDLE_NONE;
	struct cscf_sip_server *t;
	struct cscf_sip_msg *rsp;

	free(invite_key);
	if (cscf_sip_server_new(s, cancel, flow, key, &t) != GW_OK) {
		cscf_sip_count(CSCF_SIP_N_OVERLOAD);
		log_refused(s, flow, cancel, 503, "overload");
		cscf_sip_send_stateless(s, flow, cancel, 503, NULL, "Retry-After", RETRY_FULL_S);
		cscf_sip_msg_free(cancel);
		return;
	}
	if (invite == NULL) {
		cscf_sip_count(CSCF_SIP_N_NO_INVITE);
		log_refused(s, flow, cancel, 481, "cancel-of-nothing");
		(void)cscf_sip_reply(s, cscf_sip_server_handle(t), 481, NULL, (char *)NULL);
		return;
	}
	/* same To tag as the INVITE's answers (RFC 3261 s9.2) */
	if (cscf_sip_msg_new_response(&rsp, cancel, 200, NULL) == GW_OK) {
		if (cscf_sip_msg_add_to_tag(rsp, cscf_sip_server_to_tag(s, invite_handle)) == GW_OK)
			(void)!cscf_sip_respond(s, cscf_sip_server_handle(t), rsp);
		else
			cscf_sip_msg_free(rsp);
	}
	if (cscf_sip_server_is_pending(invite) && s->cbs->on_cancel != NULL)
		s->cbs->on_cancel(s->cbs_arg, invite_handle, cancel);
}

/* --- checks --- */

/* The top Via of a WIC says WS or WSS (WS-14). */
static bool via_fits(const struct cscf_sip_msg *req, const struct cscf_sip_flow *flow)
{
	struct cscf_sip_via via;
	bool ws, wss;

	if (flow->side == CSCF_SIP_MW)
		return true;
	if (!cscf_sip_msg_top_via(req, &via))
		return false;
	ws = gw_slice_ieq_str(via.transport, "WS");
	wss = gw_slice_ieq_str(via.transport, "WSS");
	if (ws || wss)
		if (wss != (flow->transport == CSCF_SIP_WSS))
			cscf_sip_count(CSCF_SIP_N_WS_MIXUP);
	return ws || wss;
}

/* Nothing is supported that a Proxy-Require could ask for (WS-31). Heap list, NULL when none. */
static char *unsupported_tags(const struct cscf_sip_msg *req)
{
	struct cscf_sip_values_cursor cursor = {0};
	struct gw_slice value;
	char *list = NULL;

	while (cscf_sip_msg_value_next(req, "Proxy-Require", &cursor, &value)) {
		char *longer;

		if (asprintf(&longer, "%s%s%.*s", list != NULL ? list : "",
			     list != NULL ? ", " : "", GW_SLICE_FMT(value)) < 0)
			break;
		free(list);
		list = longer;
	}
	return list;
}

static bool is_rate_exempt(enum cscf_sip_method method)
{
	return method == CSCF_SIP_ACK || method == CSCF_SIP_CANCEL || method == CSCF_SIP_BYE;
}

/* Emergency requests pass the limits (WS-25, SEC-19, EMG-17); who knows them is above us. */
static bool is_emergency(const struct cscf_sip_stack *s, const struct cscf_sip_msg *req,
			 const struct cscf_sip_flow *flow)
{
	return s->cbs->is_emergency != NULL && s->cbs->is_emergency(s->cbs_arg, req, flow);
}

/* A flood of them is what those limits are for: the layer above says how many pass. */
static bool is_flood(struct cscf_sip_stack *s, const struct cscf_sip_msg *req,
		     const struct cscf_sip_flow *flow)
{
	return flow->side == CSCF_SIP_W2 && s->cbs->admit_emergency != NULL &&
	       cscf_sip_msg_method(req) != CSCF_SIP_CANCEL && is_emergency(s, req, flow) &&
	       !s->cbs->admit_emergency(s->cbs_arg, req, flow);
}

/* @return true: within the limit */
static bool take_token(struct cscf_sip_stack *s, const struct cscf_sip_msg *req,
		       const struct cscf_sip_flow *flow, bool flood)
{
	if (flow->side != CSCF_SIP_W2 || s->ws_ops == NULL || s->ws_ops->take_token == NULL)
		return true;
	if (!flood && (is_rate_exempt(cscf_sip_msg_method(req)) || is_emergency(s, req, flow)))
		return true;
	return s->ws_ops->take_token(s->ws_arg, flow->conn);
}

/* Over a rate: 503 without a transaction; over the message rate the connection goes as well.
 * @return true: the request was refused, and is still the caller's */
static bool refuse_by_rate(struct cscf_sip_stack *s, const struct cscf_sip_msg *req,
			   const struct cscf_sip_flow *flow)
{
	bool flood = is_flood(s, req, flow);
	bool within = take_token(s, req, flow, flood);

	if (within && !flood)
		return false;
	cscf_sip_count(CSCF_SIP_N_RATE);
	log_refused(s, flow, req, 503, flood ? "emergency-rate" : "rate");
	cscf_sip_send_stateless(s, flow, req, 503, NULL, "Retry-After", RETRY_RATE_S);
	if (!within)
		cscf_sip_conn_close(s, flow->conn, 1008, "message rate exceeded");
	return true;
}

/* A deregistration: who leaves during a drain is helped out, not kept (WS-35). */
static bool is_leaving(const struct cscf_sip_msg *req)
{
	struct cscf_sip_name_addr contact;
	struct gw_slice value;
	uint32_t expires = 1;

	if (cscf_sip_msg_method(req) != CSCF_SIP_REGISTER)
		return false;
	if (cscf_sip_msg_hdr(req, "Expires", &value) &&
	    cscf_sip_uint(value, UINT32_MAX, &expires) && expires == 0)
		return true;
	return cscf_sip_msg_value_top(req, "Contact", &value) &&
	       cscf_sip_name_addr_parse(&contact, value) == GW_OK &&
	       cscf_sip_param_get(contact.params, "expires", &value) &&
	       cscf_sip_uint(value, UINT32_MAX, &expires) && expires == 0;
}

/* Who has a call here can go on with it nowhere else. */
static bool comes_back(const struct cscf_sip_stack *s, const struct cscf_sip_msg *req)
{
	return cscf_sip_msg_method(req) == CSCF_SIP_REGISTER && s->cbs->comes_back != NULL &&
	       s->cbs->comes_back(s->cbs_arg, req);
}

/* @return true: the request was refused and is gone (req and key consumed) */
static bool refuse_by_rules(struct cscf_sip_stack *s, struct cscf_sip_msg *req,
			    const struct cscf_sip_flow *flow, char *key)
{
	struct gw_slice value;
	uint32_t hops = 70;
	char *tags;

	if (cscf_sip_msg_hdr(req, "Max-Forwards", &value) && cscf_sip_uint(value, 255, &hops) &&
	    hops == 0) {
		/* an OPTIONS may ask how far it gets: to us it has arrived (CALL-16) */
		bool options = cscf_sip_msg_method(req) == CSCF_SIP_OPTIONS &&
			       cscf_sip_uri_is_ours(s, cscf_sip_msg_uri(req));

		cscf_sip_count(CSCF_SIP_N_HOPS);
		refuse(s, req, flow, key, options ? 200 : 483, "max-forwards", NULL, NULL);
		return true;
	}
	if (cscf_sip_is_loop(s, req, flow->side)) {
		cscf_sip_count(CSCF_SIP_N_LOOP);
		refuse(s, req, flow, key, 482, "loop", NULL, NULL);
		return true;
	}
	if (cscf_sip_secagree(s, req, flow) != GW_OK) {
		cscf_sip_count(CSCF_SIP_N_PROXY_REQUIRE);
		refuse(s, req, flow, key, 420, "sec-agree", "Unsupported", "sec-agree");
		return true;
	}
	tags = unsupported_tags(req);
	if (tags != NULL) {
		cscf_sip_count(CSCF_SIP_N_PROXY_REQUIRE);
		refuse(s, req, flow, key, 420, "proxy-require", "Unsupported", tags);
		free(tags);
		return true;
	}
	if (s->draining && cscf_sip_msg_to_tag(req).n == 0 && !is_emergency(s, req, flow) &&
	    !is_leaving(req) && !comes_back(s, req)) {
		char seconds[16];

		snprintf(seconds, sizeof(seconds), "%u", cscf_sip_stack_retry_after(s));
		cscf_sip_count(CSCF_SIP_N_DRAINING);
		refuse(s, req, flow, key, 503, "draining", "Retry-After", seconds);
		return true;
	}
	return false;
}

/* What kind of work it is, for the order of shedding (SEC-19). */
static enum cscf_sip_work work_of(const struct cscf_sip_stack *s, const struct cscf_sip_msg *req,
				  const struct cscf_sip_flow *flow)
{
	enum cscf_sip_method m = cscf_sip_msg_method(req);
	const struct cscf_sip_w2_conn *c =
	    flow->side == CSCF_SIP_W2 ? cscf_sip_w2_find(s, flow->conn) : NULL;

	if (is_emergency(s, req, flow))
		return CSCF_SIP_WORK_EMERGENCY;
	if (m == CSCF_SIP_REGISTER) /* whatever its To says */
		return c != NULL && c->registered ? CSCF_SIP_WORK_REFRESH : CSCF_SIP_WORK_NEW_USER;
	if (cscf_sip_msg_to_tag(req).n > 0)
		return CSCF_SIP_WORK_DIALOG;
	if (m == CSCF_SIP_SUBSCRIBE || m == CSCF_SIP_PUBLISH || m == CSCF_SIP_OPTIONS)
		return CSCF_SIP_WORK_NEW_USER;
	return CSCF_SIP_WORK_NEW_CALL;
}

static bool is_shed(struct cscf_sip_stack *s, const struct cscf_sip_msg *req,
		    const struct cscf_sip_flow *flow)
{
	return cscf_sip_overload_sheds(&s->overload, work_of(s, req, flow),
				       gw_handle_count(s->servers),
				       (size_t)s->cfg->max_server_txns);
}

static void refuse_overload(struct cscf_sip_stack *s, const struct cscf_sip_msg *req,
			    const struct cscf_sip_flow *flow)
{
	char seconds[16];

	snprintf(seconds, sizeof(seconds), "%u", cscf_sip_stack_retry_after(s));
	cscf_sip_count(CSCF_SIP_N_OVERLOAD);
	log_refused(s, flow, req, 503, "overload");
	cscf_sip_send_stateless(s, flow, req, 503, NULL, "Retry-After", seconds);
}

static void start_server(struct cscf_sip_stack *s, struct cscf_sip_msg *req,
			 const struct cscf_sip_flow *flow, char *key)
{
	struct cscf_sip_server *t;
	gw_handle handle;

	if (is_shed(s, req, flow)) {
		free(key);
		key = NULL;
	}
	if (key == NULL || cscf_sip_server_new(s, req, flow, key, &t) != GW_OK) {
		refuse_overload(s, req, flow);
		cscf_sip_msg_free(req);
		return;
	}
	handle = cscf_sip_server_handle(t);
	s->cbs->on_request(s->cbs_arg, handle, req, flow);
}

/* req is consumed. @return false: malformed */
static bool receive_request(struct cscf_sip_stack *s, struct cscf_sip_msg *req,
			    const struct cscf_sip_flow *flow)
{
	enum cscf_sip_method method = cscf_sip_msg_method(req);
	struct cscf_sip_server *t;
	char *key;

	cscf_sip_count_side(CSCF_SIP_N_REQ_IN_W2, flow->side);
	if (!via_fits(req, flow)) {
		struct cscf_sip_fault fault = {400, "Via transport is not WS or WSS", true, true};

		if (method != CSCF_SIP_ACK)
			answer_bad(s, flow, req, &fault);
		cscf_sip_msg_free(req);
		return false;
	}
	key = cscf_sip_server_key(flow, req, NULL);
	if (key == NULL || mark_source(s, req, flow) != GW_OK) {
		free(key);
		cscf_sip_msg_free(req);
		return true;
	}
	if (method == CSCF_SIP_ACK) {
		free(key);
		receive_ack(s, req, flow);
		return true;
	}
	t = cscf_sip_server_find(s, key);
	if (t != NULL) {
		cscf_sip_count(CSCF_SIP_N_RETRANSMIT_IN);
		cscf_sip_server_retransmitted(t);
		free(key);
		cscf_sip_msg_free(req);
		return true;
	}
	if (refuse_by_rate(s, req, flow)) {
		free(key);
		cscf_sip_msg_free(req);
		return true;
	}
	if (method == CSCF_SIP_CANCEL)
		receive_cancel(s, req, flow, key);
	else if (!refuse_by_rules(s, req, flow, key))
		start_server(s, req, flow, key);
	return true;
}

/* rsp is consumed */
static void receive_response(struct cscf_sip_stack *s, struct cscf_sip_msg *rsp,
			     const struct cscf_sip_flow *flow)
{
	cscf_sip_count_side(CSCF_SIP_N_RSP_IN_W2, flow->side);
	if (cscf_sip_client_response(s, rsp, flow))
		return;
	cscf_sip_count(CSCF_SIP_N_STRAY_RESPONSE);
	GW_LOG_LIMITED(GW_LOG_DEBUG, "sip.stray_response", "transport=%s conn=%llu",
		       cscf_sip_transport_name(flow->transport), (unsigned long long)flow->conn);
}

bool cscf_sip_receive(struct cscf_sip_stack *s, const struct cscf_sip_flow *flow, const char *text,
		      size_t n, bool too_big)
{
	struct cscf_sip_fault fault;
	struct cscf_sip_msg *msg;
	enum gw_err err;

	err = cscf_sip_msg_parse(&msg, text, n, &s->limits, flow->side == CSCF_SIP_W2, &fault);
	if (too_big && (err == GW_OK || err == GW_ERR_PARSE)) {
		/* only the head is there; what else is wrong with it does not matter */
		fault = (struct cscf_sip_fault){513, "Message Too Large", fault.is_request,
						err == GW_OK ? cscf_sip_msg_is_request(msg)
							     : fault.answerable};
		err = GW_ERR_TOO_BIG;
	}
	if (err == GW_OK) {
		cscf_sip_log_msg("in", flow, msg);
		cscf_sip_tell(s, true, flow, msg);
		if (cscf_sip_msg_is_request(msg))
			return receive_request(s, msg, flow);
		receive_response(s, msg, flow);
		return true;
	}
	if (msg != NULL && fault.answerable) {
		cscf_sip_tell(s, true, flow, msg);
		answer_bad(s, flow, msg, &fault);
	} else if (err != GW_ERR_NOMEM) {
		cscf_sip_count(CSCF_SIP_N_BAD_DROPPED);
		log_bad(flow, &fault, "dropped");
	}
	cscf_sip_msg_free(msg);
	return false;
}
