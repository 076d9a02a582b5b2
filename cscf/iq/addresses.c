/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One AGW behind several links: a name with A and AAAA, an AGW that came back elsewhere under its
 * id. A link is an address; contexts, requests and the count of events belong to the process
 * behind it, so what another link held goes to the one that has just come up.
 * Not here: which of two live links is used (client.c: the one that was up first).
 * Thread: the cscf loop. Spec: IQ-15, IQ-20; REL-12.
 */
#include "cscf/iq/iq_int.h"

#define GW_LOG_MOD "iq"

static bool is_same_agw(const struct cscf_iq_link *a, const struct cscf_iq_link *b)
{
	return strcmp(a->agw_id, b->agw_id) == 0;
}

struct cscf_iq_link *iq_link_find_twin(const struct cscf_iq_link *link)
{
	struct cscf_iq_link *other;

	DL_FOREACH (link->iq->links, other)
		if (other != link && other->state == IQ_LINK_UP &&
		    other->boot_id == link->boot_id && is_same_agw(other, link))
			return other;
	return NULL;
}

bool iq_link_is_pushed_out_by_us(const struct cscf_iq_link *link)
{
	const struct cscf_iq_link *other;

	DL_FOREACH (link->iq->links, other)
		if (other != link &&
		    (other->state == IQ_LINK_HELLO
			 ? other->agw_id[0] == '\0' || is_same_agw(other, link)
			 : is_same_agw(other, link) &&
			       (other->state == IQ_LINK_UP || other->duplicate))) /* Acks crossed */
			return true;
	return false;
}

/* The same process by another address: everything goes on there. */
static void adopt(struct cscf_iq_link *link, struct cscf_iq_link *from)
{
	if (from->n_ctx > 0)
		GW_LOG(GW_LOG_INFO, "iq.address_changed", "agw=%s was=%s now=%s contexts=%zu",
		       link->agw_id, from->addr_text, link->addr_text, from->n_ctx);
	event_del(from->dead_timer);
	while (from->ctxs != NULL)
		iq_ctx_move(from->ctxs, link);
	while (from->txns != NULL)
		iq_txn_move(from->txns, link);
	if (from->last_event_seq > link->last_event_seq)
		link->last_event_seq = from->last_event_seq;
}

/* Another process under the same id: the one that was behind that link is no more. */
static void bury(struct cscf_iq_link *link, struct cscf_iq_link *old)
{
	GW_LOG(GW_LOG_WARN, "iq.agw_restarted_elsewhere", "agw=%s was=%s now=%s contexts=%zu",
	       link->agw_id, old->addr_text, link->addr_text, old->n_ctx);
	event_del(old->dead_timer);
	old->dead = true;
	iq_on_link_dead(old);
}

void iq_link_gather(struct cscf_iq_link *link, bool first_of_this_boot)
{
	struct cscf_iq_link *other;

	DL_FOREACH (link->iq->links, other) {
		if (other == link || other->state == IQ_LINK_UP || other->boot_id == 0 ||
		    !is_same_agw(other, link))
			continue;
		if (other->boot_id == link->boot_id)
			adopt(link, other);
		else if (first_of_this_boot && event_pending(other->dead_timer, EV_TIMEOUT, NULL))
			bury(link, other);
	}
}
