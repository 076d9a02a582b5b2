/* SPDX-License-Identifier: Apache-2.0 */
/* Metric tables of W2; labels are the closed sets of upgrade.h and conn.h. */
#include "cscf/ws/stats.h"

#include <stdbool.h>
#include <stdio.h>

#define LABEL_MAX 40

/* clang-format off */
struct gw_metric cscf_ws_stat[CSCF_WS_STAT_COUNT] = {
	[CSCF_WS_STAT_OPEN] = {.name = "cscf_ws_connections", .type = GW_METRIC_GAUGE,
		.help = "Open WebSocket connections"},
	[CSCF_WS_STAT_HANDSHAKES] = {.name = "cscf_ws_handshakes", .type = GW_METRIC_GAUGE,
		.help = "Connections accepted and not yet upgraded"},
	[CSCF_WS_STAT_QUEUED] = {.name = "cscf_ws_send_queue_octets", .type = GW_METRIC_GAUGE,
		.help = "Octets waiting towards WICs"},
	[CSCF_WS_STAT_OPENED] = {.name = "cscf_ws_opened_total",
		.help = "WebSocket connections opened"},
	[CSCF_WS_STAT_MSG_IN] = {.name = "cscf_ws_messages_total", .labels = "dir=\"in\"",
		.help = "WebSocket messages"},
	[CSCF_WS_STAT_MSG_OUT] = {.name = "cscf_ws_messages_total", .labels = "dir=\"out\"",
		.help = "WebSocket messages"},
	[CSCF_WS_STAT_PINGS] = {.name = "cscf_ws_pings_total",
		.help = "Pings sent to idle connections"},
	[CSCF_WS_STAT_RATE_LIMITED] = {.name = "cscf_ws_rate_limited_total",
		.help = "Messages over the rate of their connection"},
	[CSCF_WS_STAT_ACCEPT_PAUSED] = {.name = "cscf_ws_accept_paused_total",
		.help = "Pauses of the listener for want of descriptors or memory"},
	[CSCF_WS_STAT_TLS_RELOADS] = {.name = "cscf_ws_tls_reloads_total",
		.help = "Certificate reloads that succeeded"},
};
/* clang-format on */

struct gw_metric cscf_ws_rejects[CSCF_WS_REJECT_COUNT];
struct gw_metric cscf_ws_closes[CSCF_WS_CAUSE_COUNT];

void cscf_ws_stats_register(void)
{
	static char reason[CSCF_WS_REJECT_COUNT][LABEL_MAX];
	static char cause[CSCF_WS_CAUSE_COUNT][LABEL_MAX];
	static bool done;

	if (done)
		return;
	done = true;
	for (int i = 0; i < CSCF_WS_REJECT_COUNT; i++) {
		(void)snprintf(reason[i], LABEL_MAX, "reason=\"%s\"",
			       cscf_ws_reject_name((enum cscf_ws_reject)i));
		cscf_ws_rejects[i].name = "cscf_ws_reject_total";
		cscf_ws_rejects[i].labels = reason[i];
		cscf_ws_rejects[i].help = "Connections refused before the Upgrade";
	}
	for (int i = 0; i < CSCF_WS_CAUSE_COUNT; i++) {
		(void)snprintf(cause[i], LABEL_MAX, "cause=\"%s\"",
			       cscf_ws_cause_name((enum cscf_ws_cause)i));
		cscf_ws_closes[i].name = "cscf_ws_closed_total";
		cscf_ws_closes[i].labels = cause[i];
		cscf_ws_closes[i].help = "WebSocket connections ended";
	}
	gw_metric_register(cscf_ws_stat, CSCF_WS_STAT_COUNT);
	/* the first one is "none" */
	gw_metric_register(cscf_ws_rejects + 1, CSCF_WS_REJECT_COUNT - 1);
	gw_metric_register(cscf_ws_closes, CSCF_WS_CAUSE_COUNT);
}
