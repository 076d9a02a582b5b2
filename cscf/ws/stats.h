/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Metrics of W2: connections, handshakes, messages, refusals by reason, ends by cause (SEC-26).
 * Thread: register from the loop thread; the metrics themselves are atomic.
 */
#ifndef CSCF_WS_STATS_H
#define CSCF_WS_STATS_H

#include "common/metric.h"
#include "cscf/ws/conn.h"
#include "cscf/ws/upgrade.h"

enum cscf_ws_stat {
	CSCF_WS_STAT_OPEN,
	CSCF_WS_STAT_HANDSHAKES,
	CSCF_WS_STAT_QUEUED,
	CSCF_WS_STAT_OPENED,
	CSCF_WS_STAT_MSG_IN,
	CSCF_WS_STAT_MSG_OUT,
	CSCF_WS_STAT_PINGS,
	CSCF_WS_STAT_RATE_LIMITED,
	CSCF_WS_STAT_ACCEPT_PAUSED,
	CSCF_WS_STAT_TLS_RELOADS,
	CSCF_WS_STAT_COUNT
};

extern struct gw_metric cscf_ws_stat[CSCF_WS_STAT_COUNT];
extern struct gw_metric cscf_ws_rejects[CSCF_WS_REJECT_COUNT];
extern struct gw_metric cscf_ws_closes[CSCF_WS_CAUSE_COUNT];

/** Add the tables to the exposition; further calls have no effect. */
void cscf_ws_stats_register(void);

#endif
