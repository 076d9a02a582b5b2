/* SPDX-License-Identifier: Apache-2.0 */
/*
 * P-CSCF restoration: the S-CSCF that the Service-Route names cannot be reached, or says itself
 * that it has lost the user. The WIC gets a 504 whose body asks for an initial registration, and
 * the Service-Route is forgotten, so that nothing more is sent where nobody listens.
 * Thread: the cscf loop. Spec: TS 24.229 4.14.3, 5.2.6.3, 7.6; REG-82, REG-83.
 */
#include "cscf/session/session_int.h"

#include "cscf/sip/mask.h"
#include "cscf/xml/ims3gpp.h"

#include <stdio.h>

#define GW_LOG_MOD "session"
#define REASON     "The serving node cannot be reached"

static void forget_route(struct cscf_session *s, gw_handle assoc,
			 const struct cscf_registrar_identity *id, const char *why)
{
	gw_metric_inc(&session_metrics[SM_RESTORATION]);
	GW_LOG_LIMITED(GW_LOG_WARN, "session.restoration", "impi=\"%s\" why=%s",
		       cscf_sip_mask(id->impi), why);
	cscf_registrar_clear_route(s->p.registrar, assoc);
}

static enum gw_err build(struct cscf_sip_msg **out, const struct cscf_sip_msg *req,
			 const struct cscf_registrar_identity *id)
{
	struct cscf_sip_msg *rsp = NULL;
	char *body = NULL, pai[320];
	size_t n = 0;
	enum gw_err err = cscf_ims3gpp_build(&body, &n, CSCF_IMS3GPP_RESTORATION, REASON,
					     CSCF_IMS3GPP_INITIAL_REG);

	snprintf(pai, sizeof(pai), "<%s>", id->path_uri);
	if (err == GW_OK)
		err = cscf_sip_msg_new_response(&rsp, req, 504, NULL);
	if (err == GW_OK)
		err = cscf_sip_msg_hdr_append(rsp, "P-Asserted-Identity", pai);
	if (err == GW_OK)
		err = cscf_sip_msg_set_body(rsp, CSCF_IMS3GPP_MIME, body, n);
	free(body);
	if (err == GW_OK)
		*out = rsp;
	else
		cscf_sip_msg_free(rsp);
	return err;
}

bool restoration_is_due(const struct cscf_sip_response_info *info)
{
	if (!info->local)
		return false;
	/* it said 100 and no more: the S-CSCF lives, it is somebody behind it who is silent */
	if (info->cause == CSCF_SIP_CAUSE_TIMEOUT)
		return !info->provisional;
	return info->cause == CSCF_SIP_CAUSE_TRANSPORT || info->cause == CSCF_SIP_CAUSE_NO_TARGET;
}

bool restoration_reply(struct cscf_session *s, gw_handle server, gw_handle assoc)
{
	const struct cscf_sip_msg *req = cscf_sip_server_request(s->p.stack, server);
	struct cscf_registrar_identity id;
	struct cscf_sip_msg *rsp = NULL;

	if (req == NULL || !cscf_registrar_identify_assoc(s->p.registrar, assoc, &id) ||
	    build(&rsp, req, &id) != GW_OK)
		return false;
	forget_route(s, assoc, &id, "unreachable");
	return cscf_sip_respond(s->p.stack, server, rsp) == GW_OK;
}

void restoration_heed(struct cscf_session *s, const struct cscf_sip_msg *rsp, gw_handle assoc)
{
	struct cscf_registrar_identity id;

	if (cscf_sip_msg_status(rsp) == 504 &&
	    gw_slice_ieq_str(cscf_sip_msg_content_type(rsp), CSCF_IMS3GPP_MIME) &&
	    cscf_ims3gpp_is_restoration(cscf_sip_msg_body(rsp)) &&
	    cscf_registrar_identify_assoc(s->p.registrar, assoc, &id))
		forget_route(s, assoc, &id, "core");
}
