/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A picture for who lost one, where the core's RTCP cannot ask for it (rtcp.avp_pli=info):
 *
 *   WIC ──PLI──> AGW ──PICTURE_ASKED──> here ──INFO media_control+xml──> core
 *   WIC <──PLI── AGW <──ask_picture──── here <──INFO media_control+xml── core
 *
 * The AGW tells at most twice a second; one INFO is with the core at a time. A core that does not
 * know it is not asked again in that call, one that cannot just now after REFUSED_MS. An INFO of
 * the core is answered here and goes no further: browsers know PLI and not this; of those within
 * WIC_MS one is told. One of the WIC's is a party's own, and passes.
 * Not here: core legs whose RTCP carries PLI or FIR; those pass in the AGW.
 * Thread: the cscf loop. Spec: RTCP-24; RFC 5168.
 */
#include "cscf/session/own.h"
#include "cscf/session/session_int.h"

#include "cscf/xml/media_control.h"
#include "proto/iq_codec.h"

#include <string.h>

#define GW_LOG_MOD "session"
#define REFUSED_MS 10000U
#define WIC_MS     500U

/* ---- from the WIC ---------------------------------------------------------------------------- */

static enum gw_err put_body(struct call *c, const struct own *o, struct cscf_sip_msg *msg)
{
	const char *body = cscf_media_control_fast_update();

	(void)c;
	(void)o;
	return cscf_sip_msg_set_body(msg, CSCF_MEDIA_CONTROL_MIME, body, strlen(body));
}

/* Will it ever take one? */
static bool knows_none(int status)
{
	return status == 403 || status == 405 || status == 415 || status == 469 || status == 489 ||
	       status == 501 || status >= 600;
}

static void told(struct call *c, const struct own *o, enum own_outcome outcome,
		 const struct cscf_sip_msg *rsp)
{
	int status = rsp != NULL ? cscf_sip_msg_status(rsp) : 0;

	(void)o;
	if (outcome == OWN_DONE || outcome == OWN_DROPPED)
		return;
	c->picture_ms = knows_none(status) ? UINT64_MAX : session_now_ms() + REFUSED_MS;
	gw_metric_inc(&session_metrics[SM_PICTURE_REFUSED]);
	GW_LOG_LIMITED(GW_LOG_INFO, "call.picture_refused", "%s leg=mw status=%d again=%d",
		       c->ident, status, (int)(c->picture_ms != UINT64_MAX));
}

static const struct own_kind picture = {
    .name = "picture", .method = CSCF_SIP_INFO, .compose = put_body, .done = told};

void picture_asked(struct call *c)
{
	struct own_order order = {.kind = &picture, .to = SIDE_CORE};
	enum gw_err err;

	if (!c->s->cfg->avp_pli_info || c->winner == NULL || c->answered_ms == 0 ||
	    own_has(c, &picture) || session_now_ms() < c->picture_ms)
		return;
	order.dialog = dialog_find(c, gw_slice_str(c->winner));
	if (order.dialog == NULL)
		return;
	err = own_request(c, &order);
	if (err != GW_OK)
		CALL_LOG(GW_LOG_WARN, "call.picture_not_asked", c, "mw", "err=%s",
			 gw_err_name(err));
	else
		gw_metric_inc(&session_metrics[SM_PICTURE_TO_CORE]);
}

/* ---- from the core --------------------------------------------------------------------------- */

/* Every video of the call: the schema's stream ids are of a label that nobody gave. */
static enum gw_err ask_wic(struct call *c)
{
	IqStreamRequest req[CSCF_SDP_MAX_MEDIA], *list[CSCF_SDP_MAX_MEDIA];
	size_t n = 0;

	for (size_t i = 0; i < cscf_sdp_stream_count(c->media.sdp) && n < CSCF_SDP_MAX_MEDIA; i++) {
		const struct cscf_sdp_stream *st = cscf_sdp_stream(c->media.sdp, i);

		if (st->media != CSCF_SDP_VIDEO || !st->live || !st->has_local)
			continue;
		wicgate__iq__v1__stream_request__init(&req[n]);
		media_params_stream(&req[n], c, st);
		req[n].ask_picture = true;
		list[n] = &req[n];
		n++;
	}
	if (n == 0 || c->media.ctx == GW_HANDLE_NONE || repair_is_adrift(c))
		return GW_OK;
	return cscf_iq_configure(c->s->p.iq, c->media.ctx, 0,
				 IQ_V(CONFIGURE_REQUEST__PHASE__COMMIT_NOW), list, n, NULL);
}

/* @return the status; what is well-formed and of no use is taken all the same */
static int serve(struct call *c, struct gw_slice body)
{
	bool wanted = false;
	uint64_t now = session_now_ms();
	enum gw_err err = cscf_media_control_parse(&wanted, body);

	if (err != GW_OK)
		return err == GW_ERR_NOMEM ? 500 : err == GW_ERR_UNSUPPORTED ? 415 : 400;
	if (!wanted || (c->wic_picture_ms != 0 && now - c->wic_picture_ms < WIC_MS))
		return 200; /* the picture of the wish before is on its way */
	c->wic_picture_ms = now;
	gw_metric_inc(&session_metrics[SM_PICTURE_TO_WIC]);
	err = ask_wic(c);
	GW_LOG_LIMITED(GW_LOG_INFO, "call.picture_asked", "%s leg=mw err=%s", c->ident,
		       gw_err_name(err));
	return err == GW_OK ? 200 : 500;
}

bool picture_answered(struct call *c, gw_handle server, const struct cscf_sip_msg *msg,
		      enum side from)
{
	int status;

	if (!c->s->cfg->avp_pli_info || from != SIDE_CORE ||
	    cscf_sip_msg_method(msg) != CSCF_SIP_INFO ||
	    !gw_slice_ieq_str(cscf_sip_msg_content_type(msg), CSCF_MEDIA_CONTROL_MIME))
		return false;
	status = serve(c, cscf_sip_msg_body(msg));
	if (status == 200)
		cscf_sip_reply(c->s->p.stack, server, 200, NULL, (char *)NULL);
	else
		session_refuse(c->s, server, msg, status, REFUSAL_BODY, NULL);
	return true;
}
