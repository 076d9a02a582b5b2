/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Reliable provisional responses (RFC 3262). They are the parties' (CALL-26): RSeq and RAck pass,
 * and a PRACK that names nothing its sender got is 481 here. With interwork.100rel=local a WIC
 * that does not know them is spared (CALL-27): the core is offered 100rel in its place, each
 * reliable 1xx is acknowledged by us and goes on as a plain one, and the answer in it comes again
 * in the 2xx, since a plain 1xx binds nobody.
 *
 *   WIC          gateway            core
 *    |─ INVITE ────>|─ INVITE, Supported: 100rel ─>|
 *    |              |<─ 183, Require: 100rel, A1 ──|
 *    |<─ 183, A1' ──|── PRACK ────────────────────>|
 *    |<─ 200, A1' ──|<─ 200 without SDP ───────────|
 *
 * Not for an INVITE without an offer: the answer would have to stand in our PRACK.
 * Thread: the cscf loop. Spec: CALL-26, CALL-27; RFC 3262 s4, s7.2; RFC 6337 s3.1.1.
 */
#include "cscf/session/own.h"
#include "cscf/session/session_int.h"

#include <stdio.h>

#define GW_LOG_MOD "session"
#define SDP_TYPE   "application/sdp"

static struct gw_slice word(struct gw_slice *rest)
{
	struct gw_slice w = cscf_sip_trim(*rest);
	size_t n = 0;

	while (n < w.n && w.p[n] != ' ' && w.p[n] != '\t')
		n++;
	*rest = (struct gw_slice){w.p + n, w.n - n};
	return (struct gw_slice){w.p, n};
}

bool rel100_rack(const struct cscf_sip_msg *msg, uint32_t *rseq, uint32_t *cseq)
{
	struct gw_slice rest;

	return cscf_sip_msg_hdr(msg, "RAck", &rest) &&
	       cscf_sip_uint(word(&rest), UINT32_MAX, rseq) &&
	       cscf_sip_uint(word(&rest), UINT32_MAX, cseq) &&
	       cscf_sip_method_parse(word(&rest)) == CSCF_SIP_INVITE && cscf_sip_trim(rest).n == 0;
}

/* @return false when it is not a reliable one */
static bool reliable(const struct cscf_sip_msg *rsp, uint32_t *rseq)
{
	int status = cscf_sip_msg_status(rsp);
	struct gw_slice value;

	return status > 100 && status < 200 && cscf_sip_msg_method(rsp) == CSCF_SIP_INVITE &&
	       cscf_sip_msg_has_token(rsp, "Require", "100rel") &&
	       cscf_sip_msg_hdr(rsp, "RSeq", &value) && cscf_sip_uint(value, UINT32_MAX, rseq);
}

bool rel100_known(const struct dialog *d, enum side from, const struct cscf_sip_msg *prack)
{
	uint32_t rseq, cseq;

	if (!rel100_rack(prack, &rseq, &cseq))
		return false;
	for (unsigned i = 0; i < d->n_seen; i++)
		if (d->seen[i].rseq == rseq && d->seen[i].cseq == cseq && d->seen[i].to == from)
			return true;
	return false;
}

static void note(struct dialog *d, struct rseq_seen seen)
{
	for (unsigned i = 0; i < d->n_seen; i++)
		if (d->seen[i].rseq == seen.rseq && d->seen[i].cseq == seen.cseq &&
		    d->seen[i].to == seen.to)
			return; /* the same once more */
	if (d->n_seen == RSEQ_SEEN) {
		memmove(d->seen, d->seen + 1, (RSEQ_SEEN - 1) * sizeof(seen));
		d->n_seen--;
	}
	d->seen[d->n_seen++] = seen;
}

enum gw_err rel100_invite(struct call *c, struct cscf_sip_msg *msg)
{
	if (!c->s->cfg->local_100rel || cscf_sip_msg_body(msg).n == 0 ||
	    cscf_sip_msg_has_token(msg, "Supported", "100rel") ||
	    cscf_sip_msg_has_token(msg, "Require", "100rel"))
		return GW_OK;
	c->local_100rel = true;
	return cscf_sip_msg_hdr_append(msg, "Supported", "100rel");
}

static enum gw_err put_rack(struct call *c, const struct own *o, struct cscf_sip_msg *msg)
{
	(void)c;
	return cscf_sip_msg_hdr_append(msg, "RAck", own_value(o));
}

static const struct own_kind prack = {
    .name = "100rel", .method = CSCF_SIP_PRACK, .compose = put_rack};

bool rel100_provisional(struct xact *x, struct dialog *d, const struct cscf_sip_msg *rsp)
{
	struct call *c = x->call;
	char rack[OWN_VALUE_MAX];
	struct own_order order = {
	    .kind = &prack, .dialog = d, .to = other_side(x->from), .value = rack};
	uint32_t rseq;
	enum gw_err err;

	if (!c->local_100rel || !x->initial || !reliable(rsp, &rseq))
		return true;
	if (d == NULL || (d->rseq != 0 && rseq != d->rseq + 1)) {
		gw_metric_inc(&session_metrics[SM_LATE]);
		return false;
	}
	d->rseq = rseq;
	snprintf(rack, sizeof(rack), "%u %u INVITE", rseq, cscf_sip_msg_cseq(rsp));
	err = own_request(c, &order);
	gw_metric_inc(&session_metrics[SM_PRACKED]);
	if (err != GW_OK)
		CALL_LOG(GW_LOG_WARN, "call.prack_failed", c, side_name(order.to), "err=%s",
			 gw_err_name(err));
	return true;
}

/* The answer of a reliable 1xx is the answer; to the WIC it was a forecast so far. */
static enum gw_err repeat_answer(const struct dialog *d, struct cscf_sip_msg *rsp)
{
	if (d->early_sdp == NULL || cscf_sip_msg_body(rsp).n > 0)
		return GW_OK;
	return cscf_sip_msg_set_body(rsp, SDP_TYPE, d->early_sdp, strlen(d->early_sdp));
}

static enum gw_err make_plain(struct dialog *d, struct cscf_sip_msg *rsp)
{
	struct cscf_sip_part part;

	if (cscf_sip_msg_find_part(rsp, SDP_TYPE, &part) == GW_OK) {
		free(d->early_sdp);
		d->early_sdp = gw_slice_dup(part.body);
		if (d->early_sdp == NULL)
			return GW_ERR_NOMEM;
	}
	(void)cscf_sip_msg_hdr_del(rsp, "RSeq");
	return cscf_sip_msg_del_token(rsp, "Require", "100rel");
}

enum gw_err rel100_response(struct xact *x, struct cscf_sip_msg *rsp)
{
	struct call *c = x->call;
	struct dialog *d = x->dialog != NULL ? x->dialog : dialog_find(c, cscf_sip_msg_to_tag(rsp));
	bool local = c->local_100rel && x->initial;
	uint32_t rseq;

	if (x->method != CSCF_SIP_INVITE || d == NULL)
		return GW_OK;
	if (local && cscf_sip_msg_status(rsp) / 100 == 2)
		return repeat_answer(d, rsp);
	if (!reliable(rsp, &rseq))
		return GW_OK;
	if (local)
		return make_plain(d, rsp);
	note(d, (struct rseq_seen){.rseq = rseq, .cseq = x->cseq, .to = x->from});
	return GW_OK;
}
