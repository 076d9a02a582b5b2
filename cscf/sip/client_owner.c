/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the owner of a client transaction may do with it once it runs: cancel it, hand it on, let
 * it go.
 */
#include "cscf/sip/client_int.h"

#include "cscf/sip/resolve.h"

#include <string.h>

static struct cscf_sip_client *by_handle(const struct cscf_sip_stack *s, gw_handle h)
{
	return gw_handle_find(s->clients, h);
}

enum gw_err cscf_sip_cancel(struct cscf_sip_stack *s, gw_handle client, const char *reason)
{
	struct cscf_sip_client *c = by_handle(s, client);

	if (c == NULL)
		return GW_ERR_NOT_FOUND;
	if (!c->invite || c->final)
		return GW_ERR_STATE;
	if (c->cancel_wanted)
		return GW_OK;
	c->cancel_wanted = true;
	if (reason != NULL)
		c->cancel_reason = strdup(reason); /* without it, a CANCEL without Reason */
	if (c->provisional) {
		cscf_sip_client_send_cancel(c);
	} else if (c->machine == NULL) { /* nothing was sent yet */
		if (c->query != GW_HANDLE_NONE)
			cscf_sip_resolve_cancel(s->resolver, c->query);
		c->query = GW_HANDLE_NONE;
		c->n_targets = c->next_target = 0;
		c->n_later = 0;
		c->next_uri = c->n_uris;
		c->cancel_until = cscf_sip_now_ms();
		cscf_sip_client_rearm(c);
	}
	return GW_OK;
}

bool cscf_sip_client_rebind(struct cscf_sip_stack *s, gw_handle client,
			    const struct cscf_sip_client_cbs *cbs, void *arg)
{
	struct cscf_sip_client *c = by_handle(s, client);

	if (c == NULL)
		return false;
	c->cbs = cbs;
	c->arg = arg;
	return true;
}

void cscf_sip_client_detach(struct cscf_sip_stack *s, gw_handle client)
{
	(void)!cscf_sip_client_rebind(s, client, NULL, NULL);
}

bool cscf_sip_client_alive(const struct cscf_sip_stack *s, gw_handle client)
{
	return by_handle(s, client) != NULL;
}
