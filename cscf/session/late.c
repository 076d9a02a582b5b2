/* SPDX-License-Identifier: Apache-2.0 */
/*
 * After the call: its INVITE's client transaction takes 2xx for 64*T1, and another fork of the
 * core may still answer when the call that the first one made is long over; or a WIC picks up
 * while the CANCEL of Timer C is on its way. Nobody would be there: who answers so late gets its
 * ACK and a BYE (CALL-46, CALL-48, RFC 3261 s13.2.2.4).
 * Thread: the cscf loop.
 */
#include "cscf/session/session_int.h"

#define GW_LOG_MOD "session"

struct late {
	struct late *prev, *next;
	struct cscf_session *s; /* borrowed */
	gw_handle client;
	bool to_wic;                   /* whom the INVITE went to */
	const char *reason;            /* of the BYE; static */
	char *winner;                  /* owned; NULL = none */
	char *pcv;                     /* owned */
	char *ended[CALL_MAX_DIALOGS]; /* owned: forks that had their BYE */
	size_t n_ended;
};

static void late_free(struct late *l)
{
	DL_DELETE(l->s->late, l);
	for (size_t i = 0; i < l->n_ended; i++)
		free(l->ended[i]);
	free(l->winner);
	free(l->pcv);
	free(l);
}

static bool had_bye(const struct late *l, struct gw_slice tag)
{
	for (size_t i = 0; i < l->n_ended; i++)
		if (gw_slice_eq_str(tag, l->ended[i]))
			return true;
	return false;
}

/* A request in the dialog that this 2xx makes, for the caller. */
static enum gw_err build(const struct late *l, const struct cscf_sip_msg *rsp, const char *method,
			 uint32_t cseq, struct cscf_sip_msg **out)
{
	struct cscf_sip_name_addr contact;
	struct gw_slice from, to;
	char *texts[4] = {NULL}, **routes = NULL;
	size_t n = 0, own = 0;
	enum gw_err err = GW_ERR_PARSE;

	if (!cscf_sip_msg_contact(rsp, &contact) || contact.star ||
	    !cscf_sip_msg_hdr(rsp, "From", &from) || !cscf_sip_msg_hdr(rsp, "To", &to))
		return err;
	texts[0] = gw_slice_dup(contact.uri);
	texts[1] = gw_slice_dup(from);
	texts[2] = gw_slice_dup(to);
	texts[3] = gw_slice_dup(cscf_sip_msg_call_id(rsp));
	err = cscf_sip_msg_values_dup(rsp, "Record-Route", true, &routes, &n);
	for (size_t i = 0; i < 4; i++)
		if (texts[i] == NULL)
			err = GW_ERR_NOMEM;
	if (l->to_wic)
		own = n; /* its connection is the way: a WIC gets no Route */
	while (err == GW_OK && own < n && own < 2) {
		struct cscf_sip_name_addr na;

		if (cscf_sip_name_addr_parse(&na, gw_slice_str(routes[own])) != GW_OK ||
		    !route_is_own_uri(l->s, na.uri, SIDE_WIC))
			break;
		own++;
	}
	if (err == GW_OK)
		err = cscf_sip_msg_new_request(out, &(struct cscf_sip_request_params){
							.method = method,
							.uri = texts[0],
							.from = texts[1],
							.to = texts[2],
							.call_id = texts[3],
							.cseq = cseq,
							.routes = (const char *const *)routes + own,
							.n_routes = n - own});
	cscf_sip_texts_free(routes, n);
	for (size_t i = 0; i < 4; i++)
		free(texts[i]);
	return err;
}

/* @param flow  where the 2xx came from: to a WIC there is no other way */
static enum gw_err send_out(const struct late *l, const struct cscf_sip_flow *flow,
			    struct cscf_sip_msg *msg, bool ack)
{
	static const struct cscf_sip_client_cbs nobody = {0};
	char *uri = l->to_wic ? NULL : gw_slice_dup(cscf_sip_msg_next_hop(msg));
	struct cscf_sip_dest dest = {0};
	gw_handle client;
	enum gw_err err = GW_ERR_NOMEM;

	if (l->to_wic) {
		dest.flow = flow;
	} else {
		dest.uris = (const char *const *)&uri;
		dest.n_uris = 1;
	}
	if (!l->to_wic && uri == NULL)
		cscf_sip_msg_free(msg);
	else if (ack)
		err = cscf_sip_send_ack(l->s->p.stack, msg, &dest);
	else
		err = cscf_sip_request(l->s->p.stack, msg, &dest, NULL, &nobody, NULL, &client);
	free(uri);
	return err;
}

static enum gw_err send_bye(struct late *l, const struct cscf_sip_msg *rsp,
			    const struct cscf_sip_flow *flow)
{
	struct cscf_sip_msg *bye = NULL;
	char *tag = gw_slice_dup(cscf_sip_msg_to_tag(rsp));
	enum gw_err err = tag != NULL && l->n_ended < CALL_MAX_DIALOGS
			      ? build(l, rsp, "BYE", cscf_sip_msg_cseq(rsp) + 1, &bye)
			      : GW_ERR_LIMIT;

	if (err == GW_OK)
		err = cscf_sip_msg_hdr_append(bye, "Reason", l->reason);
	if (err == GW_OK && l->pcv != NULL)
		err = cscf_sip_msg_hdr_set(bye, "P-Charging-Vector", l->pcv);
	if (err != GW_OK) {
		cscf_sip_msg_free(bye);
		free(tag);
		return err;
	}
	l->ended[l->n_ended++] = tag;
	return send_out(l, flow, bye, false);
}

static void on_response(void *arg, gw_handle client, const struct cscf_sip_msg *rsp,
			const struct cscf_sip_response_info *info)
{
	struct late *l = arg;
	struct gw_slice tag = cscf_sip_msg_to_tag(rsp);
	struct cscf_sip_msg *ack = NULL;
	enum gw_err err;

	(void)client;
	if (info->local || cscf_sip_msg_status(rsp) / 100 != 2 || tag.n == 0)
		return;
	gw_metric_inc(&session_metrics[SM_FORK_DROPPED]);
	/* also the winner's, whose ACK was lost: its BYE has gone out with the call */
	err = build(l, rsp, "ACK", cscf_sip_msg_cseq(rsp), &ack);
	if (err == GW_OK)
		err = send_out(l, &info->flow, ack, true);
	if (err == GW_OK && (l->winner == NULL || !gw_slice_eq_str(tag, l->winner)) &&
	    !had_bye(l, tag))
		err = send_bye(l, rsp, &info->flow);
	GW_LOG_LIMITED(GW_LOG_INFO, "call.fork_late", "call_id=\"%.*s\" to_tag=\"%.*s\" err=%s",
		       GW_SLICE_FMT(cscf_sip_msg_call_id(rsp)), GW_SLICE_FMT(tag),
		       gw_err_name(err));
}

static void on_done(void *arg, gw_handle client)
{
	(void)client;
	late_free(arg);
}

static const struct cscf_sip_client_cbs late_cbs = {.on_response = on_response, .on_done = on_done};

bool late_take(struct xact *x)
{
	struct call *c = x->call;
	struct late *l;

	if (!x->initial || !x->client_live)
		return false;
	l = calloc(1, sizeof(*l));
	if (l == NULL)
		return false;
	l->s = c->s;
	l->client = x->client;
	l->winner = c->winner != NULL ? strdup(c->winner) : NULL;
	l->to_wic = !c->from_wic;
	l->reason = "SIP;cause=487";
	if (l->to_wic && cause_reason(c->cause) != NULL)
		l->reason = cause_reason(c->cause);
	l->pcv = !l->to_wic && c->pcv != NULL ? strdup(c->pcv) : NULL;
	DL_APPEND(c->s->late, l);
	if (cscf_sip_client_rebind(c->s->p.stack, x->client, &late_cbs, l))
		return true;
	late_free(l);
	return false;
}

void late_free_all(struct cscf_session *s)
{
	struct late *l, *tmp;

	DL_FOREACH_SAFE (s->late, l, tmp) {
		cscf_sip_client_detach(s->p.stack, l->client);
		late_free(l);
	}
}
