/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the WIC says of its ICE (RemoteIce) into a patch: credentials, candidates, its mode.
 * Clauses: TS 23.334 §6.2.17; RFC 8839 §5.1. Thread: control thread.
 */
#include "agw/iq/convert.h"

#include <stdio.h>

/* Only what a check can be sent to; the rest is passed over, as unknown types are (ICE-09). */
static void candidates_from(struct agw_ice_peer *out, const IqRemoteIce *in)
{
	for (size_t i = 0; i < in->n_candidates && out->n_cands < AGW_ICE_REMOTE_MAX; i++) {
		const IqCandidate *c = in->candidates[i];
		struct agw_ice_cand *o = &out->cands[out->n_cands];

		if (c->tcp || c->component > 2 || c->address->port == 0 ||
		    c->address->port > UINT16_MAX ||
		    gw_addr_parse_ip(&o->addr, c->address->ip, (uint16_t)c->address->port) != GW_OK)
			continue;
		o->component = (uint8_t)c->component;
		o->priority = c->priority;
		o->type = c->type == IQ_V(CANDIDATE__TYPE__SRFLX)   ? AGW_CAND_SRFLX
			  : c->type == IQ_V(CANDIDATE__TYPE__PRFLX) ? AGW_CAND_PRFLX
			  : c->type == IQ_V(CANDIDATE__TYPE__RELAY) ? AGW_CAND_RELAY
								    : AGW_CAND_HOST;
		out->n_cands++;
	}
}

void agw_iq_ice_from(struct agw_ctx_patch *out, const IqRemoteIce *in)
{
	struct agw_access_params *a = &out->p.access;

	if (in == NULL)
		return;
	out->ice_restart = in->restart;
	out->set |= AGW_SET_ICE;
	snprintf(a->remote_ufrag, sizeof(a->remote_ufrag), "%s", in->credentials->ufrag);
	snprintf(a->remote_pwd, sizeof(a->remote_pwd), "%s", in->credentials->pwd);
	a->peer.lite = in->lite;
	candidates_from(&a->peer, in);
}
