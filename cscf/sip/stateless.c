/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Requests without a transaction: the ACK to a 2xx, end to end (RFC 3261 s13.2.2.4, s17.1.1.3).
 * One attempt at the first target; what gets lost is repaired by the next 2xx retransmission.
 */
#include "cscf/sip/stack_int.h"

#include <stdlib.h>

#define GW_LOG_MOD "sip"
#include "common/log.h"

struct pending_ack {
	struct cscf_sip_stack *stack;
	struct cscf_sip_msg *msg;
};

/* @param msg  not consumed */
static enum gw_err send_once(struct cscf_sip_stack *s, struct cscf_sip_msg *msg,
			     struct cscf_sip_flow *flow)
{
	char branch[CSCF_SIP_BRANCH_LEN];
	char *text = NULL;
	size_t n = 0;
	enum gw_err err;

	cscf_sip_make_branch(msg, flow->side, branch);
	err = cscf_sip_push_via(s, msg, flow, branch);
	if (err != GW_OK)
		return err;
	cscf_sip_log_msg("out", flow, msg);
	cscf_sip_tell(s, false, flow, msg);
	text = cscf_sip_msg_print(msg, &n);
	if (text == NULL)
		return GW_ERR_NOMEM;
	err = cscf_sip_send_flow(s, flow, text, n);
	free(text);
	if (err == GW_OK)
		cscf_sip_count_side(CSCF_SIP_N_REQ_OUT_W2, flow->side);
	else
		cscf_sip_count(CSCF_SIP_N_TRANSPORT_ERROR);
	return err;
}

static void on_resolved(void *arg, const struct cscf_sip_target *targets, size_t n)
{
	struct pending_ack *p = arg;
	struct cscf_sip_stack *s = p->stack;
	enum gw_err err = GW_ERR_NOT_FOUND;

	if (n > 0) {
		struct cscf_sip_flow flow = {.side = CSCF_SIP_MW,
					     .transport = targets[0].transport,
					     .remote = targets[0].addr};
		size_t size = 0;
		char *text = cscf_sip_msg_print(p->msg, &size);

		free(text);
		if (flow.transport == CSCF_SIP_UDP && (int64_t)size + 120 > s->cfg->udp_max &&
		    cscf_sip_mw_has(s->mw, CSCF_SIP_TCP))
			flow.transport = CSCF_SIP_TCP;
		err = send_once(s, p->msg, &flow);
	}
	if (err != GW_OK)
		GW_LOG_LIMITED(GW_LOG_WARN, "sip.ack_lost", "err=%s", gw_err_name(err));
	cscf_sip_msg_free(p->msg);
	free(p);
}

enum gw_err cscf_sip_send_ack(struct cscf_sip_stack *s, struct cscf_sip_msg *msg,
			      const struct cscf_sip_dest *dest)
{
	struct pending_ack *p;
	gw_handle query;
	enum gw_err err = GW_ERR_INVAL;

	if (msg->status != 0 || (dest->flow == NULL && dest->n_uris == 0))
		goto fail;
	if (dest->flow != NULL) {
		struct cscf_sip_flow flow = *dest->flow;

		err = send_once(s, msg, &flow);
		goto fail;
	}
	p = calloc(1, sizeof(*p));
	if (p == NULL) {
		err = GW_ERR_NOMEM;
		goto fail;
	}
	p->stack = s;
	p->msg = msg;
	err = cscf_sip_resolve(s->resolver, gw_slice_str(dest->uris[0]), on_resolved, p, &query);
	if (err == GW_OK)
		return GW_OK;
	free(p);
fail:
	cscf_sip_msg_free(msg);
	return err;
}
