/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A call between two WICs of ours whose AGW is gone: both halves are moved at once and would answer
 * each other's offers with 491. The caller's side waits for the callee's offer (REPAIR_YIELD).
 * Thread: the cscf loop. Spec: calls-and-media 2.10; CALL-28.
 */
#include "cscf/session/repair_int.h"

/* The other end is a WIC of ours, and its call moves as well (both have the same Call-ID): NULL
 * when there is none. */
static const struct call *twin_of(const struct call *c)
{
	const struct call *other = call_find_id(c->s, gw_slice_str(c->call_id));

	for (; other != NULL; other = other->same_id)
		if (other != c && !other->released && repair_is_on(other))
			return other;
	return NULL;
}

/* The caller's side waits for the callee's offer, and the callee's until it may be made. */
bool repair_must_yield(const struct call *c)
{
	const struct call *twin = twin_of(c);

	return twin != NULL && (c->from_wic || twin->repair.state < REPAIR_YIELD);
}

/* A twin that cannot move yet would answer 491. */
bool repair_may_ask(const struct call *c, uint64_t now)
{
	const struct call *twin = twin_of(c);

	if (now >= c->repair.again_ms)
		return twin == NULL || twin->repair.state >= REPAIR_YIELD;
	return !c->repair.glare && !repair_must_yield(c);
}

void repair_kick_twin(const struct call *c)
{
	struct call *other = call_find_id(c->s, gw_slice_str(c->call_id));

	for (; other != NULL; other = other->same_id)
		if (other != c && other->repair.state == REPAIR_YIELD)
			repair_kick(other);
}
