/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Answers to the gateway's own requests: the ACK of a 2xx, again when the 2xx comes again, an
 * answer to our offer on its way through the AGW, a dialog that the peer does not know.
 * Thread: the cscf loop. Spec: CALL-24, CALL-33; RFC 3261 s12.2.1.2, s13.2.2.4.
 */
#include "cscf/session/own_int.h"
#include "cscf/session/session_int.h"

#define GW_LOG_MOD "session"

/* @return true when the 2xx came again, because the ACK was lost (CALL-24) */
static bool acknowledge(struct xact *x)
{
	struct call *c = x->call;
	enum side to = other_side(x->from);
	bool again = x->ack != NULL;
	struct cscf_sip_msg *ack = NULL;
	enum gw_err err = again ? cscf_sip_msg_clone(&ack, x->ack)
				: leg_own_request(c, x->dialog, to, "ACK", x->cseq, NULL, &ack);

	if (err == GW_OK && !again && cscf_sip_msg_clone(&x->ack, ack) != GW_OK)
		x->ack = NULL; /* then it is made again */
	if (err == GW_OK)
		err = leg_send_ack(c, to, ack);
	if (err != GW_OK)
		CALL_LOG(GW_LOG_WARN, "call.ack_failed", c, side_name(to), "err=%s",
			 gw_err_name(err));
	return again;
}

static void accepted(struct xact *x, const struct cscf_sip_msg *rsp,
		     const struct cscf_sip_response_info *info)
{
	struct call *c = x->call;
	struct final f = {.rsp = rsp, .info = info};
	struct cscf_sip_msg *copy = NULL;

	if (x->method != CSCF_SIP_PRACK)
		target_refresh(&x->dialog->target[own_to(x->own)], rsp);
	if (x->has_offer && cscf_sip_msg_body(rsp).n > 0) { /* by the AGW first: own_on_answer */
		if (cscf_sip_msg_clone(&copy, rsp) != GW_OK ||
		    job_add(c, JOB_RESPONSE, x, copy, own_to(x->own)) != GW_OK)
			call_release_cause(c, CAUSE_INTERNAL);
		return;
	}
	own_undo_round(c, x->own);
	own_dispatch(x->own, OWN_E_FINAL, &f);
	own_kick(c);
}

void own_on_response(struct xact *x, const struct cscf_sip_msg *rsp,
		     const struct cscf_sip_response_info *info)
{
	struct call *c = x->call;
	struct final f = {.rsp = rsp, .info = info};
	int status = cscf_sip_msg_status(rsp);

	if (status / 100 == 2 && x->method == CSCF_SIP_INVITE && acknowledge(x))
		return;
	if (x->own == NULL || status < 200)
		return;
	if (status / 100 == 2) {
		accepted(x, rsp, info);
		return;
	}
	own_dispatch(x->own, OWN_E_FINAL, &f);
	/* RFC 3261 s12.2.1.2. Not a PRACK: there it is about the response. */
	if ((status == 408 || status == 481) && x->method != CSCF_SIP_PRACK)
		call_release_cause(c, CAUSE_DIALOG_GONE);
	else
		own_kick(c);
}

void own_on_answer(struct xact *x, const struct cscf_sip_msg *rsp)
{
	struct cscf_sip_response_info info = {.cause = CSCF_SIP_CAUSE_NONE};
	struct final f = {.rsp = rsp, .info = &info};

	media_commit(x->call);
	if (x->own != NULL)
		own_dispatch(x->own, OWN_E_FINAL, &f);
}
