/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Links that lead to one AGW: a name with an address of each family, an address that changed, a
 * process started anew elsewhere under its old name. When one of them is up, what the others know
 * of that AGW is settled:
 *
 *   same boot       the contexts live: they, their requests and the events seen go over to this
 * link another boot    the process that had those contexts has ended: they are gone, at once
 *
 * And the other way round: an AGW that says that a newer connection has our name.
 * Thread: the cscf loop. Spec: IQ-08, IQ-12, IQ-15, IQ-17.
 */
#include "cscf/iq/iq_int.h"

#define GW_LOG_MOD "iq"

bool iq_same_agw(const struct cscf_iq_link *a, const struct cscf_iq_link *b)
{
	return a->boot_id != 0 && a->boot_id == b->boot_id && strcmp(a->agw_id, b->agw_id) == 0;
}

static void take_over(struct cscf_iq_link *link, struct cscf_iq_link *from)
{
	GW_LOG(GW_LOG_WARN, "iq.link_taken_over", "agw=%s from=%s to=%s contexts=%zu", link->agw_id,
	       from->addr_text, link->addr_text, from->n_ctx);
	event_del(from->dead_timer);
	if (link->last_event_seq < from->last_event_seq)
		link->last_event_seq = from->last_event_seq;
	iq_txn_move(from, link);
	while (from->ctxs != NULL)
		iq_ctx_move(from->ctxs, link);
}

void iq_link_settle_others(struct cscf_iq_link *link)
{
	struct cscf_iq_link *other;

	DL_FOREACH (link->iq->links, other) {
		if (other == link || other->state == IQ_LINK_UP || other->boot_id == 0 ||
		    strcmp(other->agw_id, link->agw_id) != 0)
			continue;
		if (iq_same_agw(link, other)) {
			take_over(link, other);
		} else if (event_pending(other->dead_timer, EV_TIMEOUT, NULL)) {
			event_del(other->dead_timer);
			iq_link_is_dead(other);
		}
	}
}

/*
 * A newer connection in our name took this one's place. Once, that may be ourselves by another
 * address; again soon after, it is another process, and each Hello of ours ends its calls.
 */
static void displaced(struct cscf_iq_link *link)
{
	static const struct timeval wait = {IQ_DISPLACED_MS / 1000U, 0};
	uint64_t now = iq_now_ms(), before = link->displaced_ms;

	link->displaced_ms = now;
	gw_metric_inc(&cscf_iq_metrics[IQ_M_DISPLACED]);
	if (before == 0 || now - before > IQ_DISPLACED_MS * 2)
		return;
	GW_LOG(GW_LOG_ERROR, "iq.displaced", "peer=%s agw=%s controller_id=%s hint=\"%s\"",
	       link->addr_text, link->agw_id, link->iq->cfg.controller_id,
	       "another process has our iq.controller_id");
	event_add(link->timer, &wait);
	iq_ctx_lose_link(link, "another process has our controller id");
}

void iq_link_on_goodbye(struct cscf_iq_link *link, const IqError *error)
{
	bool newer = error != NULL && error->code == IQ_V(ERROR_CODE__STALE_TXN);

	link->ended = true;
	iq_link_fail(link, error != NULL ? error->detail : "goodbye");
	if (newer)
		displaced(link);
}
