/* SPDX-License-Identifier: Apache-2.0 */
/*
 * See overload.h.
 */
#include "cscf/sip/overload.h"

#include "common/rand.h"

#include <string.h>

#define GW_LOG_MOD "sip"
#include "common/log.h"

#define EVENTS_FULL 10000 /* ours: events in one turn of the loop that are 100 % */
#define LEVELS      3
#define STALL_MAX   200 /* percent that one tick can tell */
#define SMOOTHING   4   /* a tick weighs a quarter: not one stall, seconds are overload */
#define LOAD_MAX    999

void cscf_sip_overload_init(struct cscf_sip_overload *o, int64_t high, int64_t low,
			    int64_t max_lag_ms)
{
	memset(o, 0, sizeof(*o));
	o->high = high;
	o->low = low;
	o->max_lag_ms = max_lag_ms;
	o->forced_pct = -1;
}

static unsigned percent(int64_t part, int64_t whole)
{
	int64_t pct = whole > 0 && part > 0 ? part * 100 / whole : 0;

	return pct < LOAD_MAX ? (unsigned)pct : LOAD_MAX;
}

unsigned cscf_sip_overload_load(const struct cscf_sip_overload *o)
{
	unsigned load = o->lag_pct;

	if (o->forced_pct >= 0)
		return (unsigned)o->forced_pct;
	if (o->queue_pct > load)
		load = o->queue_pct;
	return o->fill_pct > load ? o->fill_pct : load;
}

/* Thresholds of level 1..3 are spread evenly from high to 100 %. */
static int64_t enters_at(const struct cscf_sip_overload *o, unsigned level)
{
	return o->high + (100 - o->high) * (int64_t)(level - 1) / LEVELS;
}

static void update_level(struct cscf_sip_overload *o)
{
	int64_t load = cscf_sip_overload_load(o), gap = o->high - o->low;
	unsigned before = o->level;

	while (o->level < LEVELS && load >= enters_at(o, o->level + 1))
		o->level++;
	while (o->level > 0 && load < enters_at(o, o->level) - gap)
		o->level--;
	if (o->level == before)
		return;
	GW_LOG_LIMITED(o->level > before ? GW_LOG_WARN : GW_LOG_INFO, "sip.overload_level",
		       "level_now=%u was=%u load_pct=%lld lag_pct=%u transactions_pct=%u "
		       "events_pct=%u forced=%d",
		       o->level, before, (long long)load, o->lag_pct, o->fill_pct, o->queue_pct,
		       o->forced_pct >= 0);
}

void cscf_sip_overload_tick(struct cscf_sip_overload *o, int64_t now_ms, int events)
{
	int64_t late = o->due_ms > 0 ? now_ms - o->due_ms : 0;
	unsigned sample = percent(late, o->max_lag_ms);

	if (sample > STALL_MAX)
		sample = STALL_MAX;

	/* up and down alike, rounded towards the sample so that it is reached */
	if (sample > o->lag_pct)
		o->lag_pct += (sample - o->lag_pct + SMOOTHING - 1) / SMOOTHING;
	else
		o->lag_pct -= (o->lag_pct - sample + SMOOTHING - 1) / SMOOTHING;
	o->queue_pct = percent(events, EVENTS_FULL);
	o->due_ms = now_ms + CSCF_SIP_OVERLOAD_TICK_MS;
	update_level(o);
}

void cscf_sip_overload_force(struct cscf_sip_overload *o, int percent_now)
{
	o->forced_pct = percent_now;
	update_level(o);
}

void cscf_sip_overload_look(struct cscf_sip_overload *o, size_t used, size_t max)
{
	o->fill_pct = percent((int64_t)used, (int64_t)max);
	update_level(o);
}

bool cscf_sip_overload_sheds(struct cscf_sip_overload *o, enum cscf_sip_work work, size_t used,
			     size_t max)
{
	unsigned from = LEVELS + 1;

	cscf_sip_overload_look(o, used, max);
	switch (work) {
	case CSCF_SIP_WORK_NEW_USER:
		from = 1;
		break;
	case CSCF_SIP_WORK_NEW_CALL:
		from = 2;
		break;
	case CSCF_SIP_WORK_REFRESH:
		from = 3;
		break;
	case CSCF_SIP_WORK_DIALOG:
	case CSCF_SIP_WORK_EMERGENCY:
	case CSCF_SIP_WORK_COUNT:
		break;
	}
	if (o->level < from)
		return false;
	o->shed[work]++;
	return true;
}

unsigned cscf_sip_retry_after(int64_t min_s, int64_t max_s)
{
	uint64_t span = max_s > min_s ? (uint64_t)(max_s - min_s) + 1 : 1;

	return (unsigned)((uint64_t)min_s + gw_rand_u64() % span);
}
