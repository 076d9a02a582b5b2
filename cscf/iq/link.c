/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a link is asked: its state's name, and whether the AGW behind it takes calls (IQ-11, IQ-14,
 * IQ-16). Changes nothing; the link itself is client.c. Thread: the cscf loop.
 */
#include "cscf/iq/iq_int.h"

static const char *const state_names[IQ_LINK_STATE_COUNT] = {"backoff", "connecting", "hello",
							     "up"};

const char *iq_link_state_name(enum iq_link_state state)
{
	return state < IQ_LINK_STATE_COUNT ? state_names[state] : "?";
}

bool iq_link_takes_priority(const struct cscf_iq_link *link)
{
	return link->state == IQ_LINK_UP && link->wanted && !link->suspect && !link->duplicate &&
	       link->agw_state == IQ_V(AGW_STATE__STATE__IN_SERVICE) && !link->realm_down[0] &&
	       !link->realm_down[1] && link->overload_level < 3;
}

bool iq_link_in_service(const struct cscf_iq_link *link)
{
	return iq_link_takes_priority(link) && link->overload_level < 2;
}
