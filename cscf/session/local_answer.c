/* SPDX-License-Identifier: Apache-2.0 */
/*
 * An ICE restart of the WIC is its affair and the AGW's: a re-INVITE or UPDATE whose offer,
 * rewritten for the core, is what the core agreed to already, is answered here and never leaves
 * (2.5 b). Unless it has to refresh the session: with a session timer running, the WIC would count
 * a new interval from here and the core would not, so it must still have time enough for a refresh
 * of its own afterwards.
 *
 * Not here: whether the texts are equal (cscf/sdp/fork.c), the AGW (media_step.c).
 * Thread: the cscf loop. Spec: calls-and-media 2.5; ICE-17; RFC 4028 s7.2, s10.
 */
#include "cscf/session/session_int.h"

#include <stdio.h>

#define GW_LOG_MOD  "session"
#define MARGIN_S    32U /* most that a session ends before its interval does (RFC 4028 s10) */
#define EXPIRES_MAX 604800

static bool offers_restart(const struct cscf_sdp_session *sdp)
{
	for (size_t i = 0; i < cscf_sdp_stream_count(sdp); i++) {
		const struct cscf_sdp_stream *st = cscf_sdp_stream(sdp, i);

		if (st->live && (st->ice_restart || st->new_dtls))
			return true;
	}
	return false;
}

/* Session-Expires without its parameters; 0 = none that can be read. */
static uint32_t interval_of(const struct cscf_sip_msg *msg)
{
	struct gw_slice value;
	uint32_t s = 0;

	if (!cscf_sip_msg_hdr(msg, "Session-Expires", &value))
		return 0;
	for (size_t i = 0; i < value.n; i++)
		if (value.p[i] == ';')
			value.n = i;
	return cscf_sip_uint(cscf_sip_trim(value), EXPIRES_MAX, &s) ? s : 0;
}

void local_answer_note(struct call *c, const struct cscf_sip_msg *rsp)
{
	enum cscf_sip_method m = cscf_sip_msg_method(rsp);

	if ((m != CSCF_SIP_INVITE && m != CSCF_SIP_UPDATE) || cscf_sip_msg_status(rsp) / 100 != 2)
		return;
	c->interval_s = interval_of(rsp);
	c->refreshed_ms = session_now_ms();
}

/* Half an interval from now the WIC refreshes again: is that too late for the core? */
static bool refresh_is_due(const struct call *c, const struct xact *x)
{
	/* as the WIC wrote it: what goes to the core may have an interval of ours */
	const struct cscf_sip_msg *req = cscf_sip_server_request(c->s->p.stack, x->server);
	uint32_t s = c->interval_s, margin = s / 3U < MARGIN_S ? s / 3U : MARGIN_S;
	uint64_t age_s = (session_now_ms() - c->refreshed_ms) / 1000U;

	if (req == NULL || !cscf_sip_msg_hdr(req, "Session-Expires", NULL))
		return req == NULL;
	return s == 0 || age_s + s / 2U + margin >= s;
}

bool local_answer_may(const struct call *c)
{
	const struct job *j = c->current;

	return c->s->cfg->local_answer && j != NULL && j->kind == JOB_REQUEST &&
	       j->from == SIDE_WIC && j->x->dialog != NULL && c->acked &&
	       (j->x->method == CSCF_SIP_INVITE || j->x->method == CSCF_SIP_UPDATE) &&
	       offers_restart(c->media.sdp) && !refresh_is_due(c, j->x);
}

/* The interval agreed with the core, kept by the one whom the WIC names. */
static enum gw_err add_session(const struct call *c, const struct cscf_sip_msg *req,
			       struct cscf_sip_msg *rsp)
{
	struct gw_slice value, who;
	bool uas;
	char text[48];
	enum gw_err err;

	if (c->interval_s == 0 || !cscf_sip_msg_hdr(req, "Session-Expires", &value))
		return GW_OK;
	uas = cscf_sip_param_get(value, "refresher", &who) && gw_slice_ieq_str(who, "uas");
	snprintf(text, sizeof(text), "%u;refresher=%s", c->interval_s, uas ? "uas" : "uac");
	err = cscf_sip_msg_hdr_append(rsp, "Session-Expires", text);
	return err == GW_OK && !uas ? cscf_sip_msg_hdr_append(rsp, "Require", "timer") : err;
}

static enum gw_err make(const struct call *c, const struct xact *x, struct cscf_sip_msg **out)
{
	const struct cscf_sip_msg *req = cscf_sip_server_request(c->s->p.stack, x->server);
	const struct target *core = &x->dialog->target[SIDE_CORE];
	char contact[1024];
	enum gw_err err;

	if (req == NULL || core->uri == NULL)
		return GW_ERR_STATE;
	if ((size_t)snprintf(contact, sizeof(contact), "<%s>", core->uri) >= sizeof(contact))
		return GW_ERR_LIMIT;
	err = cscf_sip_msg_new_response(out, req, 200, NULL);
	if (err == GW_OK)
		err = cscf_sip_msg_hdr_append(*out, "Contact", contact);
	if (err == GW_OK)
		err = add_session(c, req, *out);
	if (err == GW_OK)
		err = cscf_sip_msg_set_body(*out, "application/sdp", c->media.text.p,
					    c->media.text.n);
	return err;
}

void local_answer_send(struct call *c, struct xact *x)
{
	struct cscf_sip_msg *rsp = NULL;
	enum gw_err err = make(c, x, &rsp);

	if (err != GW_OK) {
		cscf_sip_msg_free(rsp);
		CALL_LOG(GW_LOG_WARN, "call.local_answer_failed", c, "w2", "err=%s",
			 gw_err_name(err));
		xact_reply(x, 500, NULL, NULL, NULL);
		return;
	}
	gw_metric_inc(&session_metrics[SM_LOCAL_ANSWER]);
	CALL_LOG(GW_LOG_INFO, "call.answered_here", c, "w2", "cseq=%u", x->cseq);
	x->server_final = true;
	x->here = true;
	x->awaits_ack = x->method == CSCF_SIP_INVITE;
	err = cscf_sip_respond(c->s->p.stack, x->server, rsp);
	if (err != GW_OK)
		CALL_LOG(GW_LOG_WARN, "call.respond_failed", c, "w2", "status=200 err=%s",
			 gw_err_name(err));
	target_refresh(&x->dialog->target[SIDE_WIC],
		       cscf_sip_server_request(c->s->p.stack, x->server));
	media_commit(c);
}
