/* SPDX-License-Identifier: Apache-2.0 */
/* One connection from accept to death: its pump, its queue, its end. See conn.h and ws_int.h. */
#include "cscf/ws/conn.h"

#include "common/log.h"
#include "cscf/ws/ws_int.h"

#include <event2/buffer.h>
#include <event2/event.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#define GW_LOG_MOD     "ws"
#define READ_CHUNK     16384
#define READS_PER_TURN 4 /* then the others have their turn */
#define REASON_MAX     123
#define AT_ONCE_MAX    4096

/* clang-format off */
static const struct { const char *name; enum gw_log_level level; } causes[CSCF_WS_CAUSE_COUNT] = {
	[CSCF_WS_CAUSE_PEER_CLOSE] = {"peer-close", GW_LOG_INFO},
	[CSCF_WS_CAUSE_PEER_LOST] = {"peer-lost", GW_LOG_INFO},
	[CSCF_WS_CAUSE_LOCAL] = {"local", GW_LOG_INFO},
	[CSCF_WS_CAUSE_PROTOCOL] = {"protocol", GW_LOG_WARN},
	[CSCF_WS_CAUSE_TOO_BIG] = {"too-big", GW_LOG_WARN},
	[CSCF_WS_CAUSE_QUEUE_FULL] = {"queue-full", GW_LOG_WARN},
	[CSCF_WS_CAUSE_FLOOD] = {"flood", GW_LOG_WARN},
	[CSCF_WS_CAUSE_UNAUTH_TIMEOUT] = {"unauth-timeout", GW_LOG_WARN},
	[CSCF_WS_CAUSE_PING_TIMEOUT] = {"ping-timeout", GW_LOG_INFO},
	[CSCF_WS_CAUSE_TLS] = {"tls", GW_LOG_WARN},
	[CSCF_WS_CAUSE_NOMEM] = {"no-memory", GW_LOG_ERROR},
};
/* clang-format on */

const char *cscf_ws_cause_name(enum cscf_ws_cause cause)
{
	return (unsigned)cause < CSCF_WS_CAUSE_COUNT ? causes[cause].name : "unknown";
}

int64_t cscf_ws_now_ms(void)
{
	struct timespec ts;

	(void)clock_gettime(CLOCK_MONOTONIC, &ts);
	return (int64_t)ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

void cscf_ws_unmap(struct gw_addr *a)
{
	struct sockaddr_in v4 = {.sin_family = AF_INET, .sin_port = a->u.v6.sin6_port};

	if (a->u.sa.sa_family != AF_INET6 || !IN6_IS_ADDR_V4MAPPED(&a->u.v6.sin6_addr))
		return;
	memcpy(&v4.sin_addr, &a->u.v6.sin6_addr.s6_addr[12], sizeof(v4.sin_addr));
	memset(a, 0, sizeof(*a));
	a->u.v4 = v4;
	a->len = sizeof(v4);
}

void cscf_ws_conn_arm(struct event *timer, int64_t ms)
{
	struct timeval tv = {.tv_sec = ms / 1000, .tv_usec = ms % 1000 * 1000};

	(void)event_add(timer, &tv);
}

void cscf_ws_conn_account(struct cscf_ws_conn *c)
{
	size_t now = c->out != NULL ? evbuffer_get_length(c->out) : 0;

	c->l->queued = c->l->queued - c->out_counted + now;
	gw_metric_add(&cscf_ws_stat[CSCF_WS_STAT_QUEUED], (int64_t)now - (int64_t)c->out_counted);
	c->out_counted = now;
}

/* --- the end -------------------------------------------------------------------------------- */

static void log_close(const struct cscf_ws_conn *c)
{
	char peer[GW_ADDR_STRLEN];

	GW_LOG_LIMITED(causes[c->cause].level, "ws.close",
		       "conn=%llu source=%s origin=\"%s\" cause=%s code=%u age_s=%u",
		       (unsigned long long)c->id, gw_addr_str(&c->peer, peer, sizeof(peer)),
		       c->origin != NULL ? c->origin : "", cscf_ws_cause_name(c->cause), c->code,
		       cscf_ws_conn_age_s(c));
}

void cscf_ws_conn_kill(struct cscf_ws_conn *c, enum cscf_ws_cause cause, uint16_t code)
{
	if (c->phase == CSCF_WS_PHASE_DEAD)
		return;
	/* the first reason is the true one */
	if (c->phase < CSCF_WS_PHASE_CLOSING) {
		c->cause = cause;
		c->code = code;
	}
	if (!c->opened)
		gw_metric_dec(&cscf_ws_stat[CSCF_WS_STAT_HANDSHAKES]);
	c->phase = CSCF_WS_PHASE_DEAD;
	cscf_ws_line_leave(c);
	cscf_ws_stream_close(&c->stream);
	(void)evbuffer_drain(c->out, evbuffer_get_length(c->out));
	cscf_ws_conn_account(c);
	(void)event_del(c->deadline);
	(void)event_del(c->ping);
	c->next = c->l->dead;
	c->l->dead = c;
	event_active(c->l->reap, EV_TIMEOUT, 0);
}

void cscf_ws_conn_free(struct cscf_ws_conn *c)
{
	struct cscf_ws_listener *l = c->l;
	uint8_t key[8];

	if (c->opened) {
		gw_metric_inc(&cscf_ws_closes[c->cause]);
		gw_metric_dec(&cscf_ws_stat[CSCF_WS_STAT_OPEN]);
		log_close(c);
		if (l->cbs.on_close != NULL)
			l->cbs.on_close(l->arg, c, c->cause, c->code);
		l->n_open--;
	}
	if (c->refuse != CSCF_WS_REJECT_NONE)
		l->n_refusing--;
	if (c->counted_source)
		cscf_ws_tally_del(&l->sources, key, cscf_ws_source_key(&c->peer, key));
	if (c->counted_origin)
		cscf_ws_tally_del(&l->origins, c->origin, strlen(c->origin));
	if (c->hh.tbl != NULL) {
		HASH_DELETE(hh, l->conns, c);
		l->last = NULL;
		l->n_conns--;
	}
	cscf_ws_stream_close(&c->stream);
	if (c->out != NULL)
		evbuffer_free(c->out);
	if (c->deadline != NULL)
		event_free(c->deadline);
	if (c->ping != NULL)
		event_free(c->ping);
	cscf_ws_upgrade_free(c->upgrade);
	cscf_ws_frames_free(c->frames);
	free(c->proxy);
	free(c->origin);
	free(c);
}

void cscf_ws_conn_linger(struct cscf_ws_conn *c)
{
	c->phase = CSCF_WS_PHASE_LINGER;
	(void)event_del(c->ping);
	cscf_ws_conn_arm(c->deadline, CSCF_WS_LINGER_MS);
}

/* Copy a reason, cut so that no UTF-8 sequence is broken. @return octets */
static size_t cut_reason(uint8_t to[REASON_MAX], const char *reason)
{
	char text[REASON_MAX + 2];
	size_t n;

	(void)snprintf(text, sizeof(text), "%s", reason != NULL ? reason : "");
	n = strlen(text);
	if (n > REASON_MAX)
		do
			n--;
		while (n > 0 && ((unsigned char)text[n] & 0xc0) == 0x80);
	memcpy(to, text, n);
	return n;
}

void cscf_ws_conn_start_close(struct cscf_ws_conn *c, enum cscf_ws_cause cause, uint16_t code,
			      const char *reason)
{
	uint8_t payload[2 + REASON_MAX] = {(uint8_t)(code >> 8), (uint8_t)(code & 0xff)};
	size_t n;

	if (c->phase != CSCF_WS_PHASE_OPEN)
		return;
	n = cut_reason(payload + 2, reason);
	if (cscf_ws_frame_write(c->out, CSCF_WS_OP_CLOSE, payload, 2 + n) != GW_OK) {
		cscf_ws_conn_kill(c, CSCF_WS_CAUSE_NOMEM, CSCF_WS_ABNORMAL);
		return;
	}
	cscf_ws_conn_account(c);
	c->cause = cause;
	c->code = code;
	c->phase = CSCF_WS_PHASE_CLOSING;
	(void)event_del(c->ping);
	cscf_ws_conn_arm(c->deadline, CSCF_WS_CLOSE_TIMEOUT_MS);
	if (!c->in_pump)
		cscf_ws_stream_want(&c->stream, true, true);
}

/* --- the pump ------------------------------------------------------------------------------- */

static void stream_failed(struct cscf_ws_conn *c, enum gw_err err)
{
	if (!c->opened && c->phase < CSCF_WS_PHASE_LINGER)
		cscf_ws_handshake_drop(c, err == GW_ERR_CRYPTO ? CSCF_WS_REJECT_TLS
							       : CSCF_WS_REJECT_LOST);
	else
		cscf_ws_conn_kill(
		    c, err == GW_ERR_CRYPTO ? CSCF_WS_CAUSE_TLS : CSCF_WS_CAUSE_PEER_LOST,
		    CSCF_WS_ABNORMAL);
}

static void flush(struct cscf_ws_conn *c)
{
	enum gw_err err;

	if (c->phase < CSCF_WS_PHASE_HTTP || c->phase == CSCF_WS_PHASE_DEAD || c->shut)
		return;
	err = cscf_ws_stream_write(&c->stream, c->out);
	cscf_ws_conn_account(c);
	if (err == GW_OK && c->phase == CSCF_WS_PHASE_LINGER) {
		c->shut = true;
		cscf_ws_stream_shutdown(&c->stream);
	} else if (err != GW_OK && err != GW_ERR_AGAIN) {
		stream_failed(c, err);
	}
}

/* Who does not read what we send is not read from either (WS-37). */
static bool wants_read(const struct cscf_ws_conn *c)
{
	if (c->phase != CSCF_WS_PHASE_OPEN)
		return c->phase != CSCF_WS_PHASE_DEAD;
	return evbuffer_get_length(c->out) <= (size_t)c->l->cfg.send_queue_max / 2;
}

/* @return GW_OK go on; GW_ERR_AGAIN the event loop tells when there is more; else: lost */
static enum gw_err read_once(struct cscf_ws_conn *c)
{
	static uint8_t bytes[READ_CHUNK]; /* one loop thread, and nobody reads inside a callback */
	size_t n = 0;
	enum gw_err err;

	if (c->phase < CSCF_WS_PHASE_HTTP)
		return cscf_ws_handshake_step(c);
	err = cscf_ws_stream_read(&c->stream, bytes, sizeof(bytes), &n);
	if (err == GW_ERR_AGAIN)
		return err;
	if (err != GW_OK) {
		stream_failed(c, err);
		return err;
	}
	c->last_rx_ms = cscf_ws_now_ms();
	c->pings_missed = 0;
	if (c->phase == CSCF_WS_PHASE_HTTP)
		cscf_ws_handshake_feed(c, bytes, n);
	else if (c->phase == CSCF_WS_PHASE_OPEN || c->phase == CSCF_WS_PHASE_CLOSING)
		cscf_ws_session_feed(c, bytes, n);
	/* what did not fill the buffer was all there was: no call to be told so */
	return n == sizeof(bytes) || cscf_ws_stream_has_read_ahead(&c->stream) ? GW_OK
									       : GW_ERR_AGAIN;
}

static void pump(void *arg, bool only_write)
{
	struct cscf_ws_conn *c = arg;
	enum gw_err err = GW_OK;
	int turn;

	c->l->last = c;
	c->in_pump = true;
	flush(c);
	for (turn = 0; !only_write && turn < READS_PER_TURN && err == GW_OK && wants_read(c);
	     turn++)
		err = read_once(c);
	flush(c);
	c->in_pump = false;
	if (c->phase == CSCF_WS_PHASE_DEAD)
		return;
	cscf_ws_stream_want(&c->stream, wants_read(c), evbuffer_get_length(c->out) > 0);
	if (turn == READS_PER_TURN && wants_read(c))
		cscf_ws_stream_again(&c->stream);
}

static void on_deadline(evutil_socket_t fd, short what, void *arg)
{
	struct cscf_ws_conn *c = arg;

	(void)fd;
	(void)what;
	switch (c->phase) {
	case CSCF_WS_PHASE_PROXY:
	case CSCF_WS_PHASE_TLS:
	case CSCF_WS_PHASE_HTTP:
		cscf_ws_handshake_drop(c, CSCF_WS_REJECT_TIMEOUT);
		break;
	case CSCF_WS_PHASE_OPEN:
		cscf_ws_conn_start_close(c, CSCF_WS_CAUSE_UNAUTH_TIMEOUT, CSCF_WS_POLICY,
					 "not registered in time");
		break;
	case CSCF_WS_PHASE_CLOSING:
	case CSCF_WS_PHASE_LINGER:
		cscf_ws_conn_kill(c, c->cause, c->code);
		break;
	case CSCF_WS_PHASE_DEAD:
		break;
	}
}

static void on_ping(evutil_socket_t fd, short what, void *arg)
{
	(void)fd;
	(void)what;
	cscf_ws_ping_fire(arg);
}

/* --- birth ---------------------------------------------------------------------------------- */

static bool believed_balancer(const struct cscf_ws_listener *l, const struct gw_addr *peer)
{
	const struct gw_conf_list *from = l->cfg.proxy_protocol_from;

	for (size_t i = 0; from != NULL && i < from->n; i++)
		if (gw_addr_in_range(peer, from->item[i]))
			return true;
	return false;
}

static enum gw_err attach(struct cscf_ws_conn *c, int fd)
{
	struct sockaddr_storage local;
	socklen_t len = sizeof(local);
	int on = 1;
	enum gw_err err = cscf_ws_stream_open(&c->stream, c->l->base, fd, pump, c);

	if (err != GW_OK)
		return err;
	cscf_ws_stream_set_priority(&c->stream,
				    c->l->hurry ? CSCF_WS_PRIO_USUAL : CSCF_WS_PRIO_HANDSHAKE);
	(void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	if (getsockname(fd, (struct sockaddr *)&local, &len) == 0)
		err = gw_addr_from_sa(&c->local, (const struct sockaddr *)&local, len);
	cscf_ws_unmap(&c->local);
	c->out = evbuffer_new();
	c->deadline = event_new(c->l->base, -1, 0, on_deadline, c);
	c->ping = event_new(c->l->base, -1, 0, on_ping, c);
	if (c->out == NULL || c->deadline == NULL || c->ping == NULL)
		return GW_ERR_NOMEM;
	return err;
}

enum gw_err cscf_ws_conn_new(struct cscf_ws_listener *l, int fd, bool tls,
			     const struct gw_addr *peer, enum cscf_ws_reject refuse)
{
	struct cscf_ws_conn *c = calloc(1, sizeof(*c));
	enum gw_err err;

	if (c == NULL) {
		(void)evutil_closesocket(fd);
		return GW_ERR_NOMEM;
	}
	c->l = l;
	c->id = l->next_id++;
	c->tls = tls;
	c->peer = *peer;
	cscf_ws_unmap(&c->peer);
	c->refuse = refuse;
	if (refuse != CSCF_WS_REJECT_NONE)
		l->n_refusing++;
	c->phase = CSCF_WS_PHASE_PROXY;
	err = attach(c, fd);
	if (err != GW_OK)
		goto fail;
	if (believed_balancer(l, &c->peer)) {
		c->proxy = calloc(1, sizeof(*c->proxy));
		if (c->proxy == NULL) {
			err = GW_ERR_NOMEM;
			goto fail;
		}
	}
	HASH_ADD(hh, l->conns, id, sizeof(c->id), c);
	if (c->hh.tbl == NULL) {
		err = GW_ERR_NOMEM;
		goto fail;
	}
	l->n_conns++;
	if (!l->hurry)
		cscf_ws_line_join(c);
	gw_metric_inc(&cscf_ws_stat[CSCF_WS_STAT_HANDSHAKES]);
	cscf_ws_conn_arm(c->deadline, l->cfg.handshake_timeout);
	cscf_ws_stream_want(&c->stream, true, false);
	cscf_ws_stream_again(&c->stream);
	return GW_OK;
fail:
	cscf_ws_conn_free(c);
	return err;
}

/* --- public --------------------------------------------------------------------------------- */

struct cscf_ws_conn *cscf_ws_conn_find(const struct cscf_ws_listener *l, uint64_t id)
{
	struct cscf_ws_conn *c = l->last;

	if (c == NULL || c->id != id)
		HASH_FIND(hh, l->conns, &id, sizeof(id), c);
	return c != NULL && c->phase == CSCF_WS_PHASE_OPEN ? c : NULL;
}

/*
 * Most messages are small, nothing waits before them, and the socket takes them whole: no need to
 * queue. @return GW_OK sent, a rest queued; GW_ERR_AGAIN nothing was sent, queue it (when the
 * stream is broken, the pump finds out); GW_ERR_NOMEM a part was sent: the connection is gone
 */
static enum gw_err send_at_once(struct cscf_ws_conn *c, enum cscf_ws_opcode op, const void *bytes,
				size_t len)
{
	static uint8_t frame[CSCF_WS_FRAME_HEAD_MAX + AT_ONCE_MAX]; /* one loop thread */
	size_t n, sent = 0;

	if (c->in_pump || len > AT_ONCE_MAX || evbuffer_get_length(c->out) > 0)
		return GW_ERR_AGAIN;
	n = cscf_ws_frame_head(frame, op, len);
	memcpy(frame + n, bytes, len);
	n += len;
	if (cscf_ws_stream_write_bytes(&c->stream, frame, n, &sent) != GW_OK || sent == 0)
		return GW_ERR_AGAIN;
	if (sent == n || evbuffer_add(c->out, frame + sent, n - sent) == 0)
		return GW_OK;
	cscf_ws_conn_kill(c, CSCF_WS_CAUSE_NOMEM, CSCF_WS_ABNORMAL);
	return GW_ERR_NOMEM;
}

enum gw_err cscf_ws_conn_send(struct cscf_ws_conn *c, const void *bytes, size_t len, bool binary)
{
	enum gw_err err;

	if (c->phase != CSCF_WS_PHASE_OPEN)
		return GW_ERR_GONE;
	if (evbuffer_get_length(c->out) + len + CSCF_WS_FRAME_HEAD_MAX >
	    (size_t)c->l->cfg.send_queue_max) {
		cscf_ws_conn_start_close(c, CSCF_WS_CAUSE_QUEUE_FULL, CSCF_WS_TRY_LATER,
					 "send queue full");
		return GW_ERR_LIMIT;
	}
	err = send_at_once(c, binary ? CSCF_WS_OP_BINARY : CSCF_WS_OP_TEXT, bytes, len);
	if (err == GW_ERR_AGAIN)
		err = cscf_ws_frame_write(c->out, binary ? CSCF_WS_OP_BINARY : CSCF_WS_OP_TEXT,
					  bytes, len);
	if (err != GW_OK)
		return err;
	cscf_ws_conn_account(c);
	gw_metric_inc(&cscf_ws_stat[CSCF_WS_STAT_MSG_OUT]);
	if (!c->in_pump && evbuffer_get_length(c->out) > 0)
		cscf_ws_stream_write_soon(&c->stream);
	return GW_OK;
}

void cscf_ws_conn_close(struct cscf_ws_conn *c, uint16_t code, const char *reason)
{
	cscf_ws_conn_start_close(c, CSCF_WS_CAUSE_LOCAL, code, reason);
}

void cscf_ws_conn_mark_authenticated(struct cscf_ws_conn *c)
{
	if (c->phase == CSCF_WS_PHASE_OPEN)
		(void)event_del(c->deadline);
}

void cscf_ws_conn_mark_unauthenticated(struct cscf_ws_conn *c)
{
	if (c->phase == CSCF_WS_PHASE_OPEN && c->l->cfg.unauth_timeout > 0)
		cscf_ws_conn_arm(c->deadline, c->l->cfg.unauth_timeout);
}

bool cscf_ws_conn_take_token(struct cscf_ws_conn *c)
{
	if (cscf_ws_bucket_take(&c->messages, cscf_ws_now_ms()))
		return true;
	gw_metric_inc(&cscf_ws_stat[CSCF_WS_STAT_RATE_LIMITED]);
	return false;
}
