/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How loaded is the process, and what is turned away because of it (SEC-19; TS 24.229 4.12).
 * The load is the worst of three figures in percent: how late the loop is (against
 * overload.max_lag), how full the transaction tables are, how many events one turn of the loop
 * had to serve. Clock and counts are given to it: no I/O, no libevent.
 *
 *   level   from (high 85)   sheds in addition
 *     1        85 %          new REGISTER, SUBSCRIBE, PUBLISH, OPTIONS
 *     2        90 %          INVITE, MESSAGE and other initial requests
 *     3        95 %          REGISTER on a connection that is registered
 *
 * Requests of a dialog pass until the transaction table, an eighth larger than its limit, is
 * full; emergency requests are never shed here. A level is left at its threshold less the
 * distance of high and low, so it does not flutter.
 * Thread: the loop thread.
 */
#ifndef CSCF_SIP_OVERLOAD_H
#define CSCF_SIP_OVERLOAD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define CSCF_SIP_OVERLOAD_TICK_MS 100

enum cscf_sip_work {
	CSCF_SIP_WORK_NEW_USER, /* new REGISTER, SUBSCRIBE, PUBLISH, OPTIONS */
	CSCF_SIP_WORK_NEW_CALL, /* INVITE, MESSAGE, everything initial that is not named here */
	CSCF_SIP_WORK_REFRESH,  /* REGISTER of who is registered on that connection */
	CSCF_SIP_WORK_DIALOG,
	CSCF_SIP_WORK_EMERGENCY,
	CSCF_SIP_WORK_COUNT
};

struct cscf_sip_overload {
	int64_t high, low; /* percent */
	int64_t max_lag_ms;
	int64_t due_ms;   /* next tick; 0 = none yet */
	unsigned lag_pct; /* smoothed over about a second */
	unsigned queue_pct;
	unsigned fill_pct; /* as last told */
	unsigned level;    /* 0..3 */
	int forced_pct;    /* operator's word; -1 = none */
	uint64_t shed[CSCF_SIP_WORK_COUNT];
};

/** @param high, low  percent, low <= high; max_lag_ms > 0 */
void cscf_sip_overload_init(struct cscf_sip_overload *o, int64_t high, int64_t low,
			    int64_t max_lag_ms);
/** Every CSCF_SIP_OVERLOAD_TICK_MS. @param events  served in the longest turn since the last */
void cscf_sip_overload_tick(struct cscf_sip_overload *o, int64_t now_ms, int events);
/** The operator says how loaded we are; -1 = measure again. */
void cscf_sip_overload_force(struct cscf_sip_overload *o, int percent);
/** Is this work to be refused now? Counts it when so. @param used, max  transactions */
bool cscf_sip_overload_sheds(struct cscf_sip_overload *o, enum cscf_sip_work work, size_t used,
			     size_t max);
/** Fresh figures without work at hand. */
void cscf_sip_overload_look(struct cscf_sip_overload *o, size_t used, size_t max);
/** The load in percent as last looked at. */
unsigned cscf_sip_overload_load(const struct cscf_sip_overload *o);
/** Seconds for a Retry-After: anything from min to max, so that those refused do not come back
 * together. */
unsigned cscf_sip_retry_after(int64_t min_s, int64_t max_s);

#endif
