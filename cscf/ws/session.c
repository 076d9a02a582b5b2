/* SPDX-License-Identifier: Apache-2.0 */
/* An open connection: what its frames mean. See ws_int.h for the phases. */
#include "common/log.h"
#include "cscf/ws/ws_int.h"

#include <event2/event.h>
#include <stdlib.h>

#define GW_LOG_MOD "ws"

/* WS-24, WS-25: pings, fragments and messages together, far above what any WIC needs. */
static bool on_frame(void *arg)
{
	struct cscf_ws_conn *c = arg;

	if (c->phase == CSCF_WS_PHASE_OPEN &&
	    !cscf_ws_bucket_take(&c->frames_rate, cscf_ws_now_ms())) {
		cscf_ws_conn_start_close(c, CSCF_WS_CAUSE_FLOOD, CSCF_WS_POLICY, "too many frames");
		return true;
	}
	return c->phase < CSCF_WS_PHASE_LINGER;
}

static bool on_message(void *arg, const uint8_t *bytes, size_t len, bool binary)
{
	struct cscf_ws_conn *c = arg;

	if (c->phase != CSCF_WS_PHASE_OPEN || len == 0)
		return true; /* while closing only the peer's close frame counts */
	gw_metric_inc(&cscf_ws_stat[CSCF_WS_STAT_MSG_IN]);
	if (c->l->cbs.on_message != NULL)
		c->l->cbs.on_message(c->l->arg, c, bytes, len, binary);
	return c->phase < CSCF_WS_PHASE_LINGER;
}

/* RFC 6455 s5.5.1: answer a close with the same code, once; then only the FINs are left. */
static void on_peer_close(struct cscf_ws_conn *c, const uint8_t *bytes, size_t len)
{
	if (c->phase == CSCF_WS_PHASE_OPEN) {
		c->cause = CSCF_WS_CAUSE_PEER_CLOSE;
		c->code = CSCF_WS_NO_STATUS;
		if (len >= 2)
			c->code = (uint16_t)(bytes[0] << 8 | bytes[1]);
		if (cscf_ws_frame_write(c->out, CSCF_WS_OP_CLOSE, bytes, len >= 2 ? 2 : 0) !=
		    GW_OK) {
			cscf_ws_conn_kill(c, CSCF_WS_CAUSE_PEER_CLOSE, c->code);
			return;
		}
		cscf_ws_conn_account(c);
	}
	cscf_ws_conn_linger(c);
}

static bool on_control(void *arg, enum cscf_ws_opcode op, const uint8_t *bytes, size_t len)
{
	struct cscf_ws_conn *c = arg;

	if (op == CSCF_WS_OP_CLOSE) {
		on_peer_close(c, bytes, len);
		return false;
	}
	if (op == CSCF_WS_OP_PING && c->phase == CSCF_WS_PHASE_OPEN) {
		if (cscf_ws_frame_write(c->out, CSCF_WS_OP_PONG, bytes, len) != GW_OK) {
			cscf_ws_conn_kill(c, CSCF_WS_CAUSE_NOMEM, CSCF_WS_ABNORMAL);
			return false;
		}
		cscf_ws_conn_account(c);
	}
	return true;
}

void cscf_ws_session_feed(struct cscf_ws_conn *c, const uint8_t *bytes, size_t len)
{
	uint16_t code = 0;
	enum gw_err err = cscf_ws_frames_feed(c->frames, bytes, len, &code);
	enum cscf_ws_cause cause = CSCF_WS_CAUSE_PROTOCOL;

	if (err == GW_OK || c->phase == CSCF_WS_PHASE_DEAD)
		return;
	if (err == GW_ERR_TOO_BIG)
		cause = CSCF_WS_CAUSE_TOO_BIG;
	else if (err == GW_ERR_NOMEM)
		cause = CSCF_WS_CAUSE_NOMEM;
	cscf_ws_conn_start_close(c, cause, code, gw_err_name(err));
	/* nothing more can be parsed, so there is no close frame to wait for */
	if (c->phase == CSCF_WS_PHASE_CLOSING)
		cscf_ws_conn_linger(c);
}

enum gw_err cscf_ws_session_start(struct cscf_ws_conn *c)
{
	static const struct cscf_ws_frame_cbs cbs = {on_frame, on_message, on_control};
	const struct cscf_ws_config *cfg = &c->l->cfg;
	int64_t now = cscf_ws_now_ms();
	char peer[GW_ADDR_STRLEN];
	enum gw_err err = cscf_ws_frames_new(&c->frames, (size_t)cfg->max_message, &cbs, c);

	if (err != GW_OK)
		return err;
	c->phase = CSCF_WS_PHASE_OPEN;
	cscf_ws_line_leave(c);
	cscf_ws_stream_set_priority(&c->stream, CSCF_WS_PRIO_USUAL); /* the pump goes on waiting */
	c->opened = true;
	c->opened_ms = now;
	cscf_ws_bucket_init(&c->messages, cfg->rate, cfg->burst, now);
	cscf_ws_bucket_init(&c->frames_rate, cfg->rate * CSCF_WS_FRAMES_PER_MESSAGE,
			    cfg->burst * CSCF_WS_FRAMES_PER_MESSAGE, now);
	(void)event_del(c->deadline);
	cscf_ws_conn_mark_unauthenticated(c);
	cscf_ws_ping_start(c);
	c->l->n_open++;
	gw_metric_dec(&cscf_ws_stat[CSCF_WS_STAT_HANDSHAKES]);
	gw_metric_inc(&cscf_ws_stat[CSCF_WS_STAT_OPEN]);
	gw_metric_inc(&cscf_ws_stat[CSCF_WS_STAT_OPENED]);
	GW_LOG_LIMITED(GW_LOG_INFO, "ws.open", "conn=%llu source=%s origin=\"%s\" tls=%d",
		       (unsigned long long)c->id, gw_addr_str(&c->peer, peer, sizeof(peer)),
		       c->origin, c->tls);
	if (c->l->cbs.on_open != NULL)
		c->l->cbs.on_open(c->l->arg, c);
	return GW_OK;
}
