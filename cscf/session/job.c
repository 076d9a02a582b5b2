/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The queue of a call: its messages go through strictly in order, one at a time. The one at the
 * head may have to wait for the AGW (its SDP) or for the WIC to come back (its flow).
 *
 *   arrive ─> header work (legs) ─> queue ─> SDP through the AGW ─> out on the other leg
 *
 * Thread: the cscf loop. Spec: CALL-24, 26, 28, 30; IQ-02; 2.9 (holding a request).
 */
#include "cscf/session/own.h"
#include "cscf/session/session_int.h"

#include <event2/event.h>
#include <stdio.h>

#define GW_LOG_MOD "session"
#define SDP_TYPE   "application/sdp"

static void job_free(struct job *j)
{
	struct xact *x = j->x;

	cscf_sip_msg_free(j->msg);
	free(j);
	if (x != NULL) {
		x->n_jobs--;
		xact_check(x);
	}
}

void job_flush(struct call *c)
{
	struct job *j, *tmp;

	DL_FOREACH_SAFE (c->jobs, j, tmp) {
		DL_DELETE(c->jobs, j);
		job_free(j);
	}
	c->n_jobs = 0;
	c->waiting = false;
	if (!c->running && c->current != NULL) {
		job_free(c->current);
		c->current = NULL;
	}
}

static struct cscf_sip_msg *clone(const struct cscf_sip_msg *msg)
{
	struct cscf_sip_msg *copy = NULL;

	return cscf_sip_msg_clone(&copy, msg) == GW_OK ? copy : NULL;
}

/* The gateway refuses a request (not the call): answer it, undo its offer. */
/* A request that ends here takes its offer with it: the next one must find no round open. */
static void undo_offer(struct call *c, struct xact *x)
{
	if (x->has_offer)
		media_rollback(c);
	x->has_offer = false;
}

static void refuse_request(struct call *c, struct job *j, const struct release_order *why)
{
	int status = cause_status(c, why);

	if (j->x->initial) {
		call_release(c, why);
		return;
	}
	undo_offer(c, j->x);
	if (why->cause == CAUSE_SDP)
		xact_refuse_sdp(j->x, status, why->verdict);
	else
		xact_reply(j->x, status, NULL, NULL, NULL);
}

/* A description of the callee that we cannot serve ends the call; the SDP layer's word tells. */
static void refuse(struct call *c, struct job *j)
{
	struct release_order *why = &c->media.refusal;

	CALL_LOG(GW_LOG_WARN, "call.sdp_refused", c, side_name(j->from), "cause=%s verdict=%s",
		 cause_name(why->cause), cscf_sdp_verdict_name(why->verdict));
	cscf_story_note(c->story, CSCF_STORY_GATEWAY, "description refused",
			why->cause == CAUSE_SDP ? cscf_sdp_verdict_name(why->verdict)
						: cause_name(why->cause));
	if (j->kind == JOB_REQUEST) {
		refuse_request(c, j, why);
		return;
	}
	if (why->verdict == CSCF_SDP_SYNTAX) /* not the caller's fault: no 400 for it (SDP-25) */
		why->verdict = CSCF_SDP_BAD_ANSWER;
	call_release(c, why);
}

static enum media_weight weight_of(const struct call *c, const struct job *j)
{
	int status = cscf_sip_msg_status(j->msg);

	GW_ASSERT(j->x != NULL || j->kind == JOB_ACK);
	if (j->kind == JOB_ACK)
		return MEDIA_FINAL;
	if (c->answered_ms == 0)
		return j->kind == JOB_RESPONSE && j->x->initial && status / 100 == 2 ? MEDIA_FINAL
										     : MEDIA_EARLY;
	return j->kind == JOB_RESPONSE && status < 200 &&
		       !cscf_sip_msg_has_token(j->msg, "Require", "100rel")
		   ? MEDIA_SHOWN
		   : MEDIA_FINAL;
}

/* Does it end a round, also without a description? */
static bool confirms(const struct job *j, enum media_weight weight)
{
	if (j->kind == JOB_RESPONSE && weight == MEDIA_FINAL)
		return cscf_sip_msg_status(j->msg) / 100 == 2 && (j->x->initial || j->x->has_offer);
	return j->kind == JOB_ACK;
}

/* The dialog it is about; NULL for the INVITE that begins them. */
static struct dialog *dialog_of(struct call *c, const struct job *j)
{
	if (j->x == NULL)
		return NULL;
	if (j->x->initial)
		return j->kind == JOB_RESPONSE ? dialog_find(c, cscf_sip_msg_to_tag(j->msg)) : NULL;
	return j->x->dialog;
}

/* An offer while another is not answered yet (CALL-28, CALL-30); a PRACK may bring the answer. */
static bool is_glare(const struct call *c, const struct job *j)
{
	const struct cscf_sdp_session *sdp = c->media.sdp;

	return j->kind == JOB_REQUEST && cscf_sdp_round_open(sdp) &&
	       !cscf_sdp_round_answered(sdp) &&
	       (j->x->method != CSCF_SIP_PRACK ||
		cscf_sdp_round_from_wic(sdp) == (j->from == SIDE_WIC));
}

/* S/MIME hides or seals the SDP that must be rewritten (CALL-42). @return the status, or 0 */
static int sealed(const struct cscf_sip_msg *msg)
{
	struct gw_slice type = cscf_sip_msg_content_type(msg);

	if (gw_slice_ieq_str(type, "application/pkcs7-mime"))
		return 493;
	return gw_slice_ieq_str(type, "multipart/signed") ? 488 : 0;
}

/* Only these carry offers and answers; SDP elsewhere tells capabilities (RFC 3261 s11.2). */
static bool negotiates(const struct job *j)
{
	return j->kind == JOB_ACK || j->x->method == CSCF_SIP_INVITE ||
	       j->x->method == CSCF_SIP_UPDATE || j->x->method == CSCF_SIP_PRACK;
}

/* The SDP of the message, if any, through the ALG. */
static enum media_rc take_sdp(struct call *c, struct job *j)
{
	struct cscf_sip_part part;
	enum media_weight weight = weight_of(c, j);
	struct dialog *d = dialog_of(c, j);
	enum gw_err err;
	bool regate, no_more;

	GW_ASSERT(j->x != NULL || j->kind == JOB_ACK);
	media_at(c, d);
	if (weight == MEDIA_FINAL && j->kind == JOB_RESPONSE && j->x->initial)
		media_settle(c, d);
	regate = j->from == SIDE_CORE && media_note_early(c, j->msg);
	c->media.here = false;
	c->media.text = (struct cscf_sdp_text){0};
	c->media.refusal = (struct release_order){.cause = CAUSE_SDP, .verdict = CSCF_SDP_SYNTAX};
	if (j->kind == JOB_REQUEST && sealed(j->msg) != 0) {
		c->media.refusal =
		    (struct release_order){.cause = CAUSE_SDP, .status = sealed(j->msg)};
		return MEDIA_REFUSED;
	}
	/* addresses of one side are not for the other; a fork that lost negotiates no more */
	no_more = !negotiates(j) || media_is_over(c, d);
	err = leg_hide_sdp(j->msg, no_more || cscf_sip_msg_status(j->msg) >= 300);
	if (err == GW_OK)
		err = cscf_sip_msg_find_part(j->msg, SDP_TYPE, &part);
	if (no_more && err == GW_ERR_NOT_FOUND)
		return MEDIA_READY;
	if (err == GW_ERR_NOT_FOUND)
		return confirms(j, weight) ? media_confirm(c)
		       : regate            ? media_regate(c)
					   : MEDIA_READY;
	if (err != GW_OK)
		return MEDIA_REFUSED;
	if (j->kind == JOB_RESPONSE && j->x->has_offer && !cscf_sdp_round_open(c->media.sdp)) {
		/* The answer once more, after its round was closed by a later one. */
		return cscf_sip_msg_set_body(j->msg, NULL, "", 0) == GW_OK ? MEDIA_READY
									   : MEDIA_REFUSED;
	}
	if (is_glare(c, j)) {
		c->media.refusal = (struct release_order){.cause = CAUSE_SDP, .status = 491};
		return MEDIA_REFUSED;
	}
	if (j->kind == JOB_REQUEST) {
		j->x->has_offer = true;
		precondition_note(c, j->from, part.body);
	}
	return media_take(c, j->from, part.body.p, part.body.n, j->kind == JOB_REQUEST, weight);
}

static bool put_text(struct call *c, struct job *j)
{
	struct cscf_sip_part part;

	if (c->media.text.p == NULL || c->media.here)
		return true;
	if (gw_log_enabled(GW_LOG_DEBUG) &&
	    cscf_sip_msg_find_part(j->msg, SDP_TYPE, &part) == GW_OK)
		record_rewrite(c, j->from, part.body);
	return cscf_sip_msg_replace_part(j->msg, SDP_TYPE, c->media.text.p, c->media.text.n) ==
	       GW_OK;
}

/* ---- sending ----------------------------------------------------------------------------------
 */

static void send_request(struct call *c, struct job *j)
{
	enum side to = other_side(j->from);
	struct cscf_sip_msg *msg = j->msg;
	enum gw_err err;

	j->msg = NULL;
	if (j->x->server_final) { /* cancelled or refused meanwhile */
		undo_offer(c, j->x);
		cscf_sip_msg_free(msg);
		return;
	}
	err = c->emergency != NULL && j->x->initial ? emergency_keep(c->emergency, msg) : GW_OK;
	if (err == GW_OK && j->x->dialog != NULL)
		err = cseq_shift(&j->x->dialog->target[to], msg);
	if (err == GW_OK)
		err = leg_send(c, to, msg, j->x);
	else
		cscf_sip_msg_free(msg);
	if (err == GW_OK) {
		if (j->x->initial)
			(void)gw_fsm_dispatch(&c->fsm, CALL_E_SENT, NULL);
		return;
	}
	CALL_LOG(GW_LOG_WARN, "call.send_failed", c, side_name(to), "err=%s", gw_err_name(err));
	if (j->x->initial)
		call_release_cause(c, to == SIDE_WIC ? CAUSE_WIC_GONE : CAUSE_CORE_GONE);
	else {
		undo_offer(c, j->x);
		xact_reply(j->x, err == GW_ERR_GONE ? 480 : 500, NULL, NULL, NULL);
	}
}

/* A 2xx that ends a round closes it; a refusal opens it again for the old state. */
static void settle_round(struct call *c, const struct xact *x, int status)
{
	if (status >= 200 && status < 300 && (x->has_offer || x->method == CSCF_SIP_PRACK) &&
	    cscf_sdp_round_answered(c->media.sdp))
		media_commit(c);
	else if (status >= 300 && x->has_offer)
		media_rollback(c);
}

static void send_response(struct call *c, struct job *j)
{
	int status = cscf_sip_msg_status(j->msg);
	struct cscf_sip_msg *msg = j->msg;
	struct xact *x = j->x;
	enum gw_err err;

	GW_ASSERT(x != NULL);
	j->msg = NULL;
	if (x->server_final) {
		if (x->is_own)
			own_on_answer(x, msg);
		cscf_sip_msg_free(msg);
		return;
	}
	err = other_side(j->from) == SIDE_WIC ? leg_w2_response(c, msg) : leg_mw_response(c, msg);
	if (err == GW_OK)
		err = cseq_shift_back(x, msg);
	if (err == GW_OK)
		err = rel100_response(x, msg);
	if (err == GW_OK && x->from == SIDE_CORE && x->has_offer)
		err = precondition_answer(c, msg);
	if (err == GW_OK)
		err = session_timer_response(x, msg);
	if (err != GW_OK) {
		cscf_sip_msg_free(msg);
		call_release_cause(c, CAUSE_INTERNAL);
		return;
	}
	if (status >= 200)
		x->server_final = true;
	if (status >= 200 && status < 300 && x->method == CSCF_SIP_INVITE) {
		x->answer = clone(msg);
		x->awaits_ack = !x->initial; /* of that one the call's state knows */
	}
	local_answer_note(c, msg);
	err = cscf_sip_respond(c->s->p.stack, x->server, msg);
	if (err != GW_OK)
		CALL_LOG(GW_LOG_WARN, "call.respond_failed", c, side_name(x->from),
			 "status=%d err=%s", status, gw_err_name(err));
	if (status >= 200)
		settle_round(c, x, status);
	if (x->initial && status >= 200 && status < 300) {
		c->status = status;
		(void)gw_fsm_dispatch(&c->fsm, CALL_E_ANSWERED, NULL);
	} else if ((status == 408 || status == 481) &&
		   (x->method == CSCF_SIP_INVITE || x->method == CSCF_SIP_UPDATE)) {
		call_release_cause(c, status == 481         ? CAUSE_DIALOG_GONE
				      : j->from == SIDE_WIC ? CAUSE_WIC_SILENT
							    : CAUSE_CORE_SILENT);
	}
}

static void send_ack(struct call *c, struct job *j)
{
	struct cscf_sip_msg *msg = j->msg;
	struct xact *x = j->x; /* found by the number that its sender gave it */
	enum gw_err err;

	j->msg = NULL;
	if (x != NULL && x->here) {
		cscf_sip_msg_free(msg);
		return;
	}
	if (x != NULL && x->ack == NULL)
		x->ack = clone(msg);
	err = leg_send_ack(c, other_side(j->from), msg);
	if (err != GW_OK)
		CALL_LOG(GW_LOG_WARN, "call.ack_failed", c, side_name(other_side(j->from)),
			 "err=%s", gw_err_name(err));
	if (cscf_sdp_round_answered(c->media.sdp))
		media_commit(c);
	if (c->fsm.state == CALL_S_ANSWERED)
		(void)gw_fsm_dispatch(&c->fsm, CALL_E_ACKED, NULL);
}

/* ---- the queue ----------------------------------------------------------------------------------
 */

static bool must_hold(const struct call *c, const struct job *j)
{
	GW_ASSERT(j->x != NULL || j->kind == JOB_ACK);
	return j->kind == JOB_REQUEST && !j->x->initial && other_side(j->from) == SIDE_WIC &&
	       c->conn == 0;
}

/* @return false when the job has to wait */
static bool step(struct call *c, struct job *j)
{
	struct timeval hold = {(time_t)(c->s->cfg->flow_hold / 1000),
			       (suseconds_t)(c->s->cfg->flow_hold % 1000 * 1000)};

	if (must_hold(c, j)) {
		c->media.refusal = (struct release_order){.cause = CAUSE_WIC_GONE};
		event_add(c->timer_hold, &hold);
		return false;
	}
	if (!j->sdp_done) {
		enum media_rc rc = take_sdp(c, j);

		if (rc == MEDIA_WAIT)
			return false;
		j->sdp_done = true;
		if (rc == MEDIA_READY && !put_text(c, j))
			rc = MEDIA_REFUSED;
		if (rc == MEDIA_REFUSED) {
			refuse(c, j);
			return true;
		}
	}
	switch (j->kind) {
	case JOB_REQUEST:
		if (c->media.here)
			local_answer_send(c, j->x);
		else
			send_request(c, j);
		break;
	case JOB_RESPONSE:
		send_response(c, j);
		break;
	case JOB_ACK:
		send_ack(c, j);
		break;
	}
	return true;
}

void job_kick(struct call *c)
{
	if (c->running || c->waiting)
		return;
	c->running = true;
	while (!c->released && (c->current != NULL || c->jobs != NULL)) {
		struct job *j = c->current;

		if (j == NULL) {
			j = c->jobs;
			DL_DELETE(c->jobs, j);
			c->n_jobs--;
			c->current = j;
		}
		if (!step(c, j)) {
			c->waiting = !c->released;
			break;
		}
		c->current = NULL;
		job_free(j);
	}
	c->running = false;
	if (c->released)
		job_flush(c);
	else
		own_kick(c);
}

void job_resume(struct call *c, enum media_rc rc)
{
	struct job *j = c->current;

	if (c->released || j == NULL || !c->waiting)
		return;
	c->waiting = false;
	event_del(c->timer_hold);
	j->sdp_done = true;
	c->running = true;
	if (rc == MEDIA_READY && !put_text(c, j))
		rc = MEDIA_REFUSED;
	if (rc == MEDIA_REFUSED) {
		refuse(c, j);
		c->current = NULL;
		job_free(j);
	}
	c->running = false;
	if (c->released)
		job_flush(c);
	else
		job_kick(c);
}

enum gw_err job_add(struct call *c, enum job_kind kind, struct xact *x, struct cscf_sip_msg *msg,
		    enum side from)
{
	struct job *j;

	if (c->n_jobs >= CALL_MAX_JOBS) {
		cscf_sip_msg_free(msg);
		return GW_ERR_LIMIT;
	}
	j = calloc(1, sizeof(*j));
	if (j == NULL) {
		cscf_sip_msg_free(msg);
		return GW_ERR_NOMEM;
	}
	j->kind = kind;
	j->x = x;
	j->msg = msg;
	j->from = from;
	if (x != NULL)
		x->n_jobs++;
	DL_APPEND(c->jobs, j);
	c->n_jobs++;
	job_kick(c);
	return GW_OK;
}
