/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A NOTIFY: is it for one of our subscriptions, may it say what it says, is it well made. It is
 * answered first and acted upon then.
 *
 *   from a WIC, our dialog            403          another event package      489
 *   our URI, no such dialog           481          no Subscription-State      400
 *   CSeq not above the last           500          body of another type       415
 *                                                  not well-formed            400, full state again
 *
 * Spec: RFC 6665 s4.1.3, RFC 3680 s4; REG-64, 65, 68, DEREG-24. Thread: the cscf loop.
 */
#include "cscf/regevent/regevent_int.h"

#include "common/log.h"

#include <string.h>

#define GW_LOG_MOD "regevent"

struct refusal {
	int status;
	const char *reason, *header, *value;
	enum re_metric metric;
};

static const struct refusal no_dialog = {481, NULL, NULL, NULL, RE_M_N_UNKNOWN};
static const struct refusal from_wic = {403, NULL, NULL, NULL, RE_M_N_FORGED};
static const struct refusal out_of_order = {500, "CSeq Out Of Order", NULL, NULL, RE_M_N_ORDER};
static const struct refusal bad_event = {489, NULL, "Allow-Events", "reg", RE_M_N_BAD_EVENT};
static const struct refusal bad_state = {400, "Bad Subscription-State", NULL, NULL,
					 RE_M_N_BAD_STATE};
static const struct refusal bad_type = {415, NULL, "Accept", CSCF_REGINFO_MIME, RE_M_N_BAD_TYPE};
static const struct refusal bad_document = {400, "Bad Reginfo Document", NULL, NULL,
					    RE_M_N_BAD_DOCUMENT};
static const struct refusal too_big = {413, NULL, NULL, NULL, RE_M_N_BAD_DOCUMENT};
static const struct refusal no_memory = {500, NULL, NULL, NULL, RE_M_N_BAD_DOCUMENT};

static void refuse(struct cscf_regevent *re, gw_handle server, const struct refusal *r,
		   const struct cscf_sip_flow *flow)
{
	char addr[GW_ADDR_STRLEN];

	re_metric_inc(r->metric);
	GW_LOG_LIMITED(GW_LOG_WARN, "regevent.notify_refused", "status=%d metric=%u peer=%s",
		       r->status, (unsigned)r->metric,
		       gw_addr_str(&flow->remote, addr, sizeof(addr)));
	if (r->header != NULL)
		cscf_sip_reply(re->p.stack, server, r->status, r->reason, r->header, r->value,
			       (char *)NULL);
	else
		cscf_sip_reply(re->p.stack, server, r->status, r->reason, (char *)NULL);
}

/* ---- whose ------------------------------------------------------------------------------------
 */

static struct sub *find(const struct cscf_regevent *re, const struct cscf_sip_msg *msg)
{
	struct gw_slice id = cscf_sip_msg_call_id(msg);
	struct sub *s = NULL;

	HASH_FIND(hh, re->by_call_id, id.p, id.n, s);
	if (s != NULL && s->fsm.state == SUB_S_DONE) /* about to be freed: forgotten already */
		return NULL;
	return s != NULL && gw_slice_eq_str(cscf_sip_msg_to_tag(msg), s->from_tag) ? s : NULL;
}

/* Our Contact: no user, our host. Requests for WICs have theirs. */
static bool is_for_us(const struct cscf_regevent *re, const struct cscf_sip_msg *msg)
{
	struct cscf_sip_uri uri, own;

	return cscf_sip_uri_parse(&uri, cscf_sip_msg_uri(msg)) == GW_OK && uri.user.n == 0 &&
	       cscf_sip_uri_parse(&own, gw_slice_str(re->from_uri)) == GW_OK &&
	       gw_slice_ieq(uri.host, own.host);
}

/* The other end's tag; the first NOTIFY may come before the 2xx and makes the dialog then. */
static bool is_of_dialog(struct sub *s, const struct cscf_sip_msg *msg)
{
	if (s->remote_tag != NULL)
		return gw_slice_eq_str(cscf_sip_msg_from_tag(msg), s->remote_tag);
	return s->fsm.state == SUB_S_SUBSCRIBING && sub_learn(s, msg) == GW_OK;
}

/* ---- what it says -----------------------------------------------------------------------------
 */

struct notify {
	bool terminated;
	bool has_expires;
	uint32_t expires_s;
	struct sub_end end;
	bool has_document;
	struct cscf_reginfo document; /* owned */
};

static enum sub_reason reason_of(struct gw_slice params)
{
	static const struct {
		const char *word;
		enum sub_reason reason;
	} words[] = {{"deactivated", SUB_R_DEACTIVATED}, {"probation", SUB_R_PROBATION},
		     {"rejected", SUB_R_REJECTED},       {"timeout", SUB_R_TIMEOUT},
		     {"giveup", SUB_R_GIVEUP},           {"noresource", SUB_R_NORESOURCE}};
	struct gw_slice v;

	if (!cscf_sip_param_get(params, "reason", &v))
		return SUB_R_NONE;
	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
		if (gw_slice_ieq_str(v, words[i].word))
			return words[i].reason;
	return SUB_R_OTHER;
}

/* "active;expires=600": the word and its parameters. */
static struct gw_slice split(struct gw_slice value, struct gw_slice *params)
{
	const char *semi = value.n > 0 ? memchr(value.p, ';', value.n) : NULL;
	struct gw_slice word = value;

	*params = GW_SLICE_NONE;
	if (semi != NULL) {
		word.n = (size_t)(semi - value.p);
		*params = (struct gw_slice){semi + 1, value.n - word.n - 1};
	}
	return cscf_sip_trim(word);
}

static bool read_state(struct notify *n, const struct cscf_sip_msg *msg)
{
	struct gw_slice value, word, params, p;

	if (!cscf_sip_msg_hdr(msg, "Subscription-State", &value))
		return false;
	word = split(value, &params);
	n->terminated = gw_slice_ieq_str(word, "terminated");
	if (!n->terminated && !gw_slice_ieq_str(word, "active") &&
	    !gw_slice_ieq_str(word, "pending"))
		return false;
	n->has_expires = cscf_sip_param_get(params, "expires", &p) &&
			 cscf_sip_uint(p, UINT32_MAX, &n->expires_s);
	n->end.reason = reason_of(params);
	if (!cscf_sip_param_get(params, "retry-after", &p) ||
	    !cscf_sip_uint(p, UINT32_MAX, &n->end.retry_after_s))
		n->end.retry_after_s = 0;
	return true;
}

static const struct refusal *read_document(struct notify *n, const struct cscf_sip_msg *msg)
{
	struct gw_slice body = cscf_sip_msg_body(msg);
	enum gw_err err;

	if (body.n == 0)
		return NULL;
	if (!gw_slice_ieq_str(cscf_sip_msg_content_type(msg), CSCF_REGINFO_MIME))
		return &bad_type;
	err = cscf_reginfo_parse(&n->document, body);
	n->has_document = err == GW_OK;
	if (err == GW_OK)
		return NULL;
	GW_LOG_LIMITED(GW_LOG_WARN, "regevent.bad_document", "err=%s octets=%zu", gw_err_name(err),
		       body.n);
	if (err == GW_ERR_NOMEM)
		return &no_memory;
	return err == GW_ERR_TOO_BIG ? &too_big : &bad_document;
}

/* @return NULL when it is good; *n is to be finished either way */
static const struct refusal *read_notify(struct notify *n, struct sub *s,
					 const struct cscf_sip_msg *msg)
{
	struct gw_slice event, params;
	uint32_t cseq = cscf_sip_msg_cseq(msg);

	if (s->have_remote_cseq && cseq <= s->remote_cseq)
		return &out_of_order;
	s->remote_cseq = cseq;
	s->have_remote_cseq = true;
	if (!cscf_sip_msg_hdr(msg, "Event", &event) ||
	    !gw_slice_ieq_str(split(event, &params), "reg"))
		return &bad_event;
	if (!read_state(n, msg))
		return &bad_state;
	return read_document(n, msg);
}

/* ---- what follows -----------------------------------------------------------------------------
 */

static void act(struct sub *s, struct notify *n)
{
	int64_t left_ms = s->expires_at_ms - re_now_ms();
	uint32_t left_s = left_ms > 0 ? (uint32_t)(left_ms / 1000) : 0;
	enum document_result result = DOCUMENT_APPLIED;

	if (s->fsm.state == SUB_S_LINGERING) {
		re_metric_inc(RE_M_N_LATE);
		if (n->terminated)
			sub_tell(s, SUB_E_TERMINATED, &n->end);
		return;
	}
	if (n->has_document)
		result = document_apply(s, &n->document, n->terminated);
	re_metric_inc(!n->has_document           ? RE_M_N_EMPTY
		      : result == DOCUMENT_STALE ? RE_M_N_STALE
						 : RE_M_N_APPLIED);
	/* the user may have gone with the document: then only the end is of interest */
	if (n->terminated)
		sub_tell(s, SUB_E_TERMINATED, &n->end);
	else if (s->fsm.state == SUB_S_ACTIVE)
		sub_tell(s, SUB_E_LIVES, n->has_expires ? &n->expires_s : &left_s);
	if (result == DOCUMENT_GAP && s->fsm.state == SUB_S_ACTIVE)
		sub_tell(s, SUB_E_RESYNC, NULL);
}

static void take(struct sub *s, gw_handle server, const struct cscf_sip_msg *msg,
		 const struct cscf_sip_flow *flow)
{
	struct notify n = {0};
	const struct refusal *why = read_notify(&n, s, msg);

	if (why == NULL) {
		sub_retarget(s, msg);
		cscf_sip_reply(s->re->p.stack, server, 200, NULL, (char *)NULL);
		act(s, &n);
	} else {
		refuse(s->re, server, why, flow);
		if ((why == &bad_document || why == &too_big) && s->fsm.state == SUB_S_ACTIVE)
			sub_tell(s, SUB_E_RESYNC, NULL);
	}
	if (n.has_document)
		cscf_reginfo_fini(&n.document);
}

bool cscf_regevent_on_request(struct cscf_regevent *re, gw_handle server,
			      const struct cscf_sip_msg *msg, const struct cscf_sip_flow *flow)
{
	struct sub *s;

	if (!re->cfg->enable || cscf_sip_msg_method(msg) != CSCF_SIP_NOTIFY)
		return false;
	s = find(re, msg);
	if (flow->side == CSCF_SIP_W2) {
		if (s == NULL)
			return false;
		refuse(re, server, &from_wic, flow);
		return true;
	}
	if (s != NULL && is_of_dialog(s, msg)) {
		take(s, server, msg, flow);
		return true;
	}
	if (s == NULL && !is_for_us(re, msg))
		return false;
	refuse(re, server, &no_dialog, flow);
	return true;
}
