/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Emergency requests of WICs: screened before anything else; those that may proceed go to an
 * E-CSCF (TS 24.229 5.2.10.4).
 * Thread: the cscf loop. Spec: EMG-02, EMG-14, EMG-15.
 */
#include "cscf/session/session_int.h"

#define GW_LOG_MOD "session"

bool emergency_take(struct cscf_session *s, gw_handle server, const struct cscf_sip_msg *msg,
		    const struct cscf_sip_flow *flow)
{
	struct cscf_emergency_order order;

	switch (cscf_emergency_screen(s->p.emergency, server, msg, flow, &order)) {
	case CSCF_EMERGENCY_PASS:
		return false;
	case CSCF_EMERGENCY_ANSWERED:
		return true;
	case CSCF_EMERGENCY_TO_ECSCF:
		break;
	}
	cscf_emergency_not_reached(s->p.emergency, server, msg, &order.match);
	return true;
}
