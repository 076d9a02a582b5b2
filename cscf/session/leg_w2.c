/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a message needs before it goes to the WIC: the trust boundary, our Record-Route, no Route
 * (the WIC is the next hop, its connection is the route). Never a name look-up (CALL-15).
 * Thread: the cscf loop. Spec: registration 4.1; CALL-09, 15, 20; ID-10, 11.
 */
#include "cscf/session/session_int.h"

#include "cscf/registrar/trust.h"

enum gw_err leg_w2_invite(struct call *c, struct cscf_sip_msg *msg)
{
	enum gw_err err = cscf_trust_strip_to_wic(msg);

	cscf_sip_msg_hdr_del(msg, "Route");
	if (err == GW_OK)
		err = leg_prepare_request(msg, SIDE_WIC);
	if (err == GW_OK)
		err = route_record(c->s, msg, c->conn, false);
	/* Kept: a WIC that drops or changes the list in its answers is repaired (CALL-11). */
	if (err == GW_OK)
		err = cscf_sip_msg_values_dup(msg, "Record-Route", false, &c->record_route,
					      &c->n_record_route);
	return err;
}

enum gw_err leg_w2_response(struct call *c, struct cscf_sip_msg *rsp)
{
	enum gw_err err = cscf_trust_strip_to_wic(rsp);

	if (err == GW_OK)
		err = token_hide_challenge(c->s, c->assoc, rsp);
	return err == GW_OK ? leg_filter_features(rsp, SIDE_WIC) : err;
}
