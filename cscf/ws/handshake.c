/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A connection before it is a WebSocket: PROXY header of a listed balancer, TLS, the Upgrade.
 * Every refusal is counted by reason and logged with id, source and Origin (SEC-26); those that
 * have an HTTP answer send it and linger, the others are dropped.
 */
#include "common/log.h"
#include "cscf/ws/ws_int.h"

#include <event2/buffer.h>
#include <stdlib.h>

#define GW_LOG_MOD "ws"

static void report(const struct cscf_ws_conn *c, enum cscf_ws_reject why)
{
	char peer[GW_ADDR_STRLEN];

	gw_metric_inc(&cscf_ws_rejects[why]);
	GW_LOG_LIMITED(why == CSCF_WS_REJECT_LOST ? GW_LOG_DEBUG : GW_LOG_WARN, "ws.reject",
		       "conn=%llu source=%s origin=\"%s\" reason=%s", (unsigned long long)c->id,
		       gw_addr_str(&c->peer, peer, sizeof(peer)),
		       c->upgrade != NULL ? cscf_ws_upgrade_origin(c->upgrade) : "",
		       cscf_ws_reject_name(why));
}

void cscf_ws_handshake_drop(struct cscf_ws_conn *c, enum cscf_ws_reject why)
{
	report(c, why);
	cscf_ws_conn_kill(c, CSCF_WS_CAUSE_PEER_LOST, CSCF_WS_ABNORMAL);
}

static void refuse(struct cscf_ws_conn *c, enum cscf_ws_reject why)
{
	const char *answer = cscf_ws_reject_answer(why);

	if (answer == NULL || evbuffer_add(c->out, answer, strlen(answer)) != 0) {
		cscf_ws_handshake_drop(c, why);
		return;
	}
	report(c, why);
	cscf_ws_conn_account(c);
	cscf_ws_conn_linger(c);
}

/* The true source is known now: may it have one more? Answered after the request (503). */
static void count_source(struct cscf_ws_conn *c)
{
	struct cscf_ws_listener *l = c->l;
	uint8_t key[8];

	if (c->refuse != CSCF_WS_REJECT_NONE)
		return;
	c->counted_source = cscf_ws_tally_add(&l->sources, key, cscf_ws_source_key(&c->peer, key),
					      l->cfg.max_per_source) == GW_OK;
	if (!c->counted_source) {
		c->refuse = CSCF_WS_REJECT_MAX_SOURCE;
		l->n_refusing++;
	}
}

static enum gw_err step_proxy(struct cscf_ws_conn *c)
{
	struct cscf_ws_proxy *p = c->proxy;
	struct gw_addr source;
	size_t n = 0;
	enum gw_err err = cscf_ws_proxy_header_parse(p->bytes, p->n, &p->need, &source);

	if (err == GW_ERR_AGAIN) {
		err = cscf_ws_stream_read(&c->stream, p->bytes + p->n, p->need, &n);
		p->n += n;
		if (err != GW_OK && err != GW_ERR_AGAIN)
			cscf_ws_handshake_drop(c, CSCF_WS_REJECT_LOST);
		return err;
	}
	if (err != GW_OK) {
		cscf_ws_handshake_drop(c, CSCF_WS_REJECT_PROXY_HEADER);
		return err;
	}
	cscf_ws_unmap(&source);
	if (source.len != 0)
		c->peer = source;
	free(c->proxy);
	c->proxy = NULL;
	return GW_OK;
}

/* From the accepted socket to the first octet of HTTP. */
static enum gw_err leave_proxy_phase(struct cscf_ws_conn *c)
{
	enum gw_err err;

	count_source(c);
	err = cscf_ws_upgrade_new(&c->upgrade, &c->l->rules);
	if (err == GW_OK && c->tls)
		err = cscf_ws_stream_start_tls(&c->stream, c->l->tls_ctx);
	if (err != GW_OK) {
		cscf_ws_handshake_drop(c, CSCF_WS_REJECT_NOMEM);
		return err;
	}
	c->phase = c->tls ? CSCF_WS_PHASE_TLS : CSCF_WS_PHASE_HTTP;
	return GW_OK;
}

enum gw_err cscf_ws_handshake_step(struct cscf_ws_conn *c)
{
	enum gw_err err;

	if (c->phase == CSCF_WS_PHASE_PROXY)
		return c->proxy != NULL ? step_proxy(c) : leave_proxy_phase(c);
	err = cscf_ws_stream_handshake(&c->stream);
	if (err == GW_OK)
		c->phase = CSCF_WS_PHASE_HTTP;
	else if (err != GW_ERR_AGAIN)
		cscf_ws_handshake_drop(c, err == GW_ERR_CRYPTO ? CSCF_WS_REJECT_TLS
							       : CSCF_WS_REJECT_LOST);
	return err;
}

/* The request is good; may we take it? */
static enum cscf_ws_reject admit(struct cscf_ws_conn *c)
{
	struct cscf_ws_listener *l = c->l;
	enum gw_err err;

	if (l->stopped || l->refusing)
		return CSCF_WS_REJECT_DRAINING;
	if (c->refuse != CSCF_WS_REJECT_NONE)
		return c->refuse;
	c->origin = strdup(cscf_ws_upgrade_origin(c->upgrade));
	if (c->origin == NULL)
		return CSCF_WS_REJECT_NOMEM;
	err = cscf_ws_tally_add(&l->origins, c->origin, strlen(c->origin), l->cfg.max_per_origin);
	c->counted_origin = err == GW_OK;
	if (err == GW_ERR_LIMIT)
		return CSCF_WS_REJECT_MAX_ORIGIN;
	return err == GW_OK ? CSCF_WS_REJECT_NONE : CSCF_WS_REJECT_NOMEM;
}

static void accept_upgrade(struct cscf_ws_conn *c)
{
	char answer[CSCF_WS_ACCEPT_MAX];
	size_t n = cscf_ws_upgrade_accept(c->upgrade, answer, sizeof(answer));

	if (n == 0 || evbuffer_add(c->out, answer, n) != 0) {
		cscf_ws_handshake_drop(c, CSCF_WS_REJECT_NOMEM);
		return;
	}
	cscf_ws_upgrade_free(c->upgrade);
	c->upgrade = NULL;
	cscf_ws_conn_account(c);
	if (cscf_ws_session_start(c) != GW_OK)
		cscf_ws_handshake_drop(c, CSCF_WS_REJECT_NOMEM);
}

void cscf_ws_handshake_feed(struct cscf_ws_conn *c, const uint8_t *bytes, size_t len)
{
	enum cscf_ws_reject why = CSCF_WS_REJECT_NONE;
	size_t used = 0;
	enum gw_err err = cscf_ws_upgrade_feed(c->upgrade, (const char *)bytes, len, &used, &why);

	if (err == GW_ERR_AGAIN)
		return;
	if (why == CSCF_WS_REJECT_NONE)
		why = admit(c);
	if (why != CSCF_WS_REJECT_NONE) {
		refuse(c, why);
		return;
	}
	accept_upgrade(c);
	if (used < len && c->phase >= CSCF_WS_PHASE_OPEN)
		cscf_ws_session_feed(c, bytes + used, len - used);
}
