/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The token bucket. See police.h.
 */
#include "agw/relay/police.h"

#define MILLION   1000000U
#define MAX_BPS   UINT64_C(10000000000) /* keeps the arithmetic in 64 bits */
#define LONGEST_S 100U

void agw_police_set(struct agw_police *p, const struct agw_rate *rate, uint64_t now_us)
{
	uint64_t bps = rate->bps < MAX_BPS ? rate->bps : MAX_BPS;
	uint64_t bits = rate->burst_octets != 0 ? rate->burst_octets * UINT64_C(8) : bps;

	if (p->bps == bps && (bps == 0 || p->burst == bits * MILLION))
		return;
	*p = (struct agw_police){
	    .bps = bps, .burst = bits * MILLION, .level = bits * MILLION, .at_us = now_us};
}

bool agw_police_take(struct agw_police *p, size_t octets, uint64_t now_us)
{
	uint64_t gone = now_us - p->at_us;
	uint64_t cost = octets * UINT64_C(8) * MILLION;

	if (p->bps == 0)
		return true;
	if (gone > LONGEST_S * (uint64_t)MILLION)
		gone = LONGEST_S * (uint64_t)MILLION;
	p->at_us = now_us;
	p->level += gone * p->bps;
	if (p->level > p->burst)
		p->level = p->burst;
	if (p->level < cost)
		return false;
	p->level -= cost;
	return true;
}
