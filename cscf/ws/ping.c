/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Liveness (WS-21): browsers cannot ping from JavaScript, so we do. A Ping goes out when nothing
 * was received for ws.ping_interval; any octet received counts as life, so a slow upload is not
 * cut off. After ws.ping_max_missed Pings without an answer the connection is lost, without a
 * closing handshake nobody would take part in. Thread: the loop thread.
 */
#include "cscf/ws/ws_int.h"

#include <event2/event.h>

void cscf_ws_ping_start(struct cscf_ws_conn *c)
{
	if (c->l->cfg.ping_interval > 0)
		cscf_ws_conn_arm(c->ping, c->l->cfg.ping_interval);
}

static void send_ping(struct cscf_ws_conn *c)
{
	uint8_t payload[8];

	for (unsigned i = 0; i < sizeof(payload); i++)
		payload[i] = (uint8_t)((uint64_t)c->pings_missed >> (56 - 8 * i));
	if (cscf_ws_frame_write(c->out, CSCF_WS_OP_PING, payload, sizeof(payload)) != GW_OK) {
		cscf_ws_conn_kill(c, CSCF_WS_CAUSE_NOMEM, CSCF_WS_ABNORMAL);
		return;
	}
	cscf_ws_conn_account(c);
	gw_metric_inc(&cscf_ws_stat[CSCF_WS_STAT_PINGS]);
	c->pings_missed++;
	cscf_ws_stream_want(&c->stream, true, true);
	cscf_ws_ping_start(c);
}

void cscf_ws_ping_fire(struct cscf_ws_conn *c)
{
	int64_t idle = cscf_ws_now_ms() - c->last_rx_ms;

	if (c->phase != CSCF_WS_PHASE_OPEN)
		return;
	if (idle < c->l->cfg.ping_interval)
		cscf_ws_conn_arm(c->ping, c->l->cfg.ping_interval - idle);
	else if (c->pings_missed >= c->l->cfg.ping_max_missed)
		cscf_ws_conn_kill(c, CSCF_WS_CAUSE_PING_TIMEOUT, CSCF_WS_ABNORMAL);
	else
		send_ping(c);
}
