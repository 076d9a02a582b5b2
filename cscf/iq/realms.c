/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Whether an AGW has the realms that calls need (access.realm, core.realm), and their addresses: it
 * says so at its Hello, and when that changes. One that has not gets no calls (link.c): it would be
 * the first choice for all of them, as none stays there.
 * Thread: the cscf loop. Spec: calls-and-media 5.3 Hello, AgwState; IQ-11, IQ-22.
 */
#include "cscf/iq/iq_int.h"

#define GW_LOG_MOD "iq"

void iq_link_take_realms(struct cscf_iq_link *link, IqRealm *const *realms, size_t n, bool all)
{
	const char *const ours[2] = {link->iq->cfg.access_realm, link->iq->cfg.core_realm};

	for (size_t i = 0; i < 2; i++) {
		bool down = all ? n > 0 : link->realm_down[i]; /* all: one it does not have */

		if (ours[i] == NULL || ours[i][0] == '\0')
			continue;
		for (size_t k = 0; k < n; k++)
			if (strcmp(realms[k]->name, ours[i]) == 0)
				down = !realms[k]->available;
		if (down != link->realm_down[i])
			GW_LOG(GW_LOG_WARN, "iq.realm", "agw=%s realm=%s available=%d",
			       link->agw_id, ours[i], (int)!down);
		link->realm_down[i] = down;
	}
}
