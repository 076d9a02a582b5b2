/* SPDX-License-Identifier: Apache-2.0 */
/*
 * RFC 3329 on W2, where TLS was there before SIP and nothing is to be agreed (SEC-15;
 * secagree.mode). Who requires sec-agree gets 420; or the tag is taken out and the request goes
 * on, and with `tls` a WIC that offers the mechanism is told that it is what protects it.
 * 494 is never sent. Security-* fields and the tag in Supported never cross to the core in any
 * mode: that is the trust boundary's (cscf/registrar/trust.c).
 */
#include "cscf/sip/stack_int.h"

#define TAG "sec-agree"

bool cscf_sip_secagree_offers_tls(const struct cscf_sip_msg *req)
{
	struct cscf_sip_values_cursor cursor = {0};
	struct gw_slice value;

	while (cscf_sip_msg_value_next(req, "Security-Client", &cursor, &value)) {
		size_t n = 0;

		while (n < value.n && value.p[n] != ';')
			n++;
		if (gw_slice_ieq_str(cscf_sip_trim((struct gw_slice){value.p, n}), "tls"))
			return true;
	}
	return false;
}

enum gw_err cscf_sip_secagree(const struct cscf_sip_stack *s, struct cscf_sip_msg *req,
			      const struct cscf_sip_flow *flow)
{
	enum gw_err err;

	if (flow->side != CSCF_SIP_W2 || (!cscf_sip_msg_has_token(req, "Require", TAG) &&
					  !cscf_sip_msg_has_token(req, "Proxy-Require", TAG)))
		return GW_OK;
	if (s->cfg->secagree == CSCF_SIP_SECAGREE_REJECT ||
	    (s->cfg->secagree == CSCF_SIP_SECAGREE_TLS && !cscf_sip_secagree_offers_tls(req)))
		return GW_ERR_DENIED;
	err = cscf_sip_msg_del_token(req, "Require", TAG);
	return err == GW_OK ? cscf_sip_msg_del_token(req, "Proxy-Require", TAG) : err;
}
