/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How many emergency requests one sender may have past every other limit, and how many log lines
 * they make. The exemption of EMG-17 is for calls for help, not for floods dressed up as them.
 *
 *   not registered   per connection, per source (an IPv6 source is its /64), and all together:
 *                    nothing but a 380 or 403 can come of these, so refusing them costs no call
 *   registered       per connection alone, far above what anybody dials
 *
 * Each INVITE answered here holds a transaction for 64*T1 when nobody acknowledges it; the bucket
 * of all unregistered ones keeps these far below sip.max_server_transactions.
 * Tables are bounded: what was touched longest ago goes. The clock is the caller's.
 * Thread: the cscf loop. Spec: EMG-16, EMG-17, EMG-20.
 */
#ifndef CSCF_EMERGENCY_LIMIT_H
#define CSCF_EMERGENCY_LIMIT_H

#include "cscf/emergency/plan.h"

#include <stdint.h>

#define EMERGENCY_LIMIT_MAX_ENTRIES 8192 /* of each table */

/* requests at once, requests a second */
#define EMERGENCY_CONN_BURST       50
#define EMERGENCY_CONN_RATE        2
#define EMERGENCY_SOURCE_BURST     100
#define EMERGENCY_SOURCE_RATE      5
#define EMERGENCY_ALL_BURST        2000
#define EMERGENCY_ALL_RATE         100
#define EMERGENCY_REGISTERED_BURST 100
#define EMERGENCY_REGISTERED_RATE  10
/* log lines of a connection (registered) or source (not) and class */
#define EMERGENCY_LINES_BURST 20
#define EMERGENCY_LINES_RATE  1

struct emergency_limit;

struct emergency_sender {
	uint64_t conn;
	const struct gw_addr *source;
	bool registered;
};

enum emergency_verdict {
	EMERGENCY_GO_ON,
	EMERGENCY_OVER_CONN,
	EMERGENCY_OVER_SOURCE,
	EMERGENCY_OVER_ALL,
	EMERGENCY_OVER_REGISTERED,
	EMERGENCY_VERDICT_COUNT
};

enum gw_err emergency_limit_new(struct emergency_limit **out, int64_t now_ms) GW_MUST_CHECK;
void emergency_limit_free(struct emergency_limit *l);

/** One more request of this sender. Out of memory it goes on: a call for help is never refused
 * for want of a counter. */
enum emergency_verdict emergency_limit_take(struct emergency_limit *l,
					    const struct emergency_sender *who, int64_t now_ms);
/** May this attempt have a line? @param suppressed  lines left out since the last one */
bool emergency_limit_line(struct emergency_limit *l, const struct emergency_sender *who,
			  enum cscf_emergency_class how, int64_t now_ms, unsigned *suppressed);
size_t emergency_limit_entries(const struct emergency_limit *l);

#endif
