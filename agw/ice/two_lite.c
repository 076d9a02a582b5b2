/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The peer is ICE-lite, as we are (ICE-19; RFC 8445 s6.1.1): nobody checks, nobody nominates. Once
 * offer and answer are exchanged its default candidate is the pair's remote end; media is
 * believed from exactly there.
 *
 * Nothing has proven that address yet, so all that is sent there before it answered is the DTLS
 * handshake and requests for consent. Media waits for the end of the handshake or for the first
 * consent, also where older keys are in use: else a restart could name a victim. Nobody's checks
 * can be watched, so consent is asked for, whatever consent.mode says: a lite agent answers (RFC
 * 7675 s5.1, RFC 8445 s7.3). If both take themselves for the controlled one a 487 turns our role
 * round.
 *
 * Thread: the owning worker.
 */
#include "agw/ice/lite_int.h"

static bool is_usable(const struct lite *l, const struct gw_addr *a)
{
	return gw_addr_port(a) != 0 && agw_ice_is_unicast(a) &&
	       (l->loopback || !gw_addr_is_loopback(a));
}

void agw_two_lite_meet(struct agw_ice *ice, const struct agw_ice_peer *peer)
{
	struct lite *l = (struct lite *)ice; /* base is the first member */
	struct agw_met *met = &l->met;

	*met = (struct agw_met){.lite = peer->lite};
	l->consent.active = peer->lite || l->consent_mode;
	for (unsigned i = 0; peer->lite && i < peer->n_cands && met->n < AGW_MET_MAX; i++)
		if (peer->cands[i].component == l->component && is_usable(l, &peer->cands[i].addr))
			met->at[met->n++] = peer->cands[i].addr;
}

/* The first is the default one; where we have no socket for it, or it is another stream's, the
 * next. */
void agw_two_lite_connect(struct lite *l, uint64_t now_ms)
{
	struct agw_ice *b = &l->base;
	struct agw_ice_pair before = b->pair;
	bool known = agw_ice_media_pair(b) != NULL;

	for (unsigned i = 0; i < l->met.n; i++) {
		struct agw_ice_pair pair = {.local = gw_addr_is_v6(&l->met.at[i]) ? 1 : 0,
					    .remote = l->met.at[i]};

		if (b->cbs.may_use != NULL &&
		    !b->cbs.may_use(b->arg, pair.local, &pair.remote, false))
			continue;
		known =
		    known && before.local == pair.local && gw_addr_eq(&before.remote, &pair.remote);
		agw_lite_nominated(l, &pair, now_ms);
		b->told = !known;
		l->consent.next_ms = now_ms;
		l->asks_soon = true;
		return;
	}
}
