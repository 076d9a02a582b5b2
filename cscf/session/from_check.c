/* SPDX-License-Identifier: Apache-2.0 */
/*
 * identity.from_check: what to do with an initial request whose From is neither an identity that
 * is registered on its connection nor anonymous. Whoever it says it is, P-Asserted-Identity says
 * who it was (ID-04); some operators want such requests refused all the same.
 * Spec: RFC 3323 s4.1, RFC 3325; ID-18. Thread: the cscf loop.
 */
#include "cscf/session/session_int.h"

#include "cscf/sip/mask.h"

#define GW_LOG_MOD "session"

static bool is_anonymous(struct gw_slice uri)
{
	struct cscf_sip_uri u;

	return cscf_sip_uri_parse(&u, uri) == GW_OK &&
	       gw_slice_ieq_str(u.host, "anonymous.invalid");
}

bool from_check_refused(struct cscf_session *s, gw_handle server, const struct cscf_sip_msg *msg,
			const struct cscf_sip_flow *flow)
{
	struct gw_slice from = cscf_sip_msg_from_uri(msg);
	struct cscf_registrar_identity id;

	if (s->cfg->from_check == CSCF_SESSION_FROM_OFF || cscf_sip_msg_to_tag(msg).n > 0 ||
	    is_anonymous(from) || !session_identify(s, msg, flow->conn, &id) ||
	    cscf_registrar_has_impu(s->p.registrar, id.assoc, from))
		return false;
	gw_metric_inc(&session_metrics[SM_FROM_MISMATCH]);
	if (s->cfg->from_check == CSCF_SESSION_FROM_REJECT) {
		session_refuse(s, server, msg, 403, REFUSAL_FROM, NULL);
		return true;
	}
	GW_LOG_LIMITED(GW_LOG_WARN, "session.from_mismatch", "impi=\"%s\" conn=%llu",
		       cscf_sip_mask(id.impi), (unsigned long long)flow->conn);
	return false;
}
