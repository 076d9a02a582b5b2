/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One connection of the control channel: octets to frames to messages, heartbeats, the limits a
 * peer can hit (garbage, silence, not reading). Freed at the end of the loop turn only.
 */
#include "agw/iq/server_int.h"

#include <errno.h>
#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <inttypes.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <utlist.h>

#define GW_LOG_MOD      "iq"

#define READ_CHUNK      65536
#define KEEPALIVE_IDLE  10
#define KEEPALIVE_EVERY 5
#define BYE_WAIT_MS     2000 /* how long a Goodbye may take to leave */

/* ---- end of life ----------------------------------------------------------------------------- */

void agw_iq_conn_free(struct iq_conn *c)
{
	if (c == NULL)
		return;
	gw_outbox_free(c->out);
	if (c->bev != NULL)
		bufferevent_free(c->bev);
	iq_frame_reader_free(c->reader);
	free(c);
}

void agw_iq_conn_drop(struct iq_conn *c, const char *why)
{
	struct agw_iq_server *s = c->server;

	if (c->dead)
		return;
	c->dead = true;
	c->closing = true;
	GW_LOG(GW_LOG_INFO, "iq.closed", "peer=\"%s\" controller=%s why=\"%s\"", c->peer,
	       c->controller != NULL ? c->controller->id : "-", why);
	(void)bufferevent_disable(c->bev, EV_READ | EV_WRITE);
	bufferevent_setcb(c->bev, NULL, NULL, NULL, NULL);
	gw_outbox_free(c->out);
	c->out = NULL;
	if (c->controller != NULL)
		agw_iq_controller_away(c->controller);
	c->controller = NULL;
	DL_DELETE(s->conns, c);
	s->n_conns--;
	gw_metric_set(&agw_iq_metrics[IQ_M_CONNECTIONS], s->n_conns);
	LL_PREPEND(s->dead, c);
	event_active(s->bury, EV_TIMEOUT, 1);
}

void agw_iq_conn_bye(struct iq_conn *c, const struct iq_fault *fault)
{
	IqEnvelope *bye;

	if (c->closing)
		return;
	GW_LOG_LIMITED(GW_LOG_WARN, "iq.bye", "peer=\"%s\" code=%s field=\"%s\" detail=\"%s\"",
		       c->peer, iq_code_name(fault->code), fault->field, fault->detail);
	bye = iq_envelope_new(IQ_BODY(GOODBYE), 0);
	if (bye != NULL)
		bye->goodbye->error = iq_error_new(fault);
	if (bye == NULL || !agw_iq_conn_send(c, bye)) {
		agw_iq_conn_drop(c, "closed");
		return;
	}
	c->closing = true; /* input is thrown away from here on, see on_read */
	c->bye_ms = agw_iq_now_ms();
	(void)bufferevent_enable(c->bev, EV_READ);
	if (c->controller != NULL)
		agw_iq_controller_away(c->controller);
	c->controller = NULL;
}

/* ---- output ---------------------------------------------------------------------------------- */

static size_t queued(const struct iq_conn *c)
{
	return c->out != NULL ? gw_outbox_length(c->out)
			      : evbuffer_get_length(bufferevent_get_output(c->bev));
}

bool agw_iq_conn_has_room(const struct iq_conn *c)
{
	return !c->closing && queued(c) < IQ_OUTPUT_HIGH;
}

bool agw_iq_conn_send_frame(struct iq_conn *c, const uint8_t *frame, size_t n)
{
	if (c->closing)
		return false;
	if (queued(c) + n > c->server->cfg.max_output) {
		gw_metric_inc(&agw_iq_metrics[IQ_M_SLOW_PEER]);
		GW_LOG_LIMITED(GW_LOG_WARN, "iq.slow_peer", "peer=\"%s\" queued=%zu", c->peer,
			       queued(c));
		agw_iq_conn_drop(c, "does not read");
		return false;
	}
	gw_metric_inc(&agw_iq_metrics[IQ_M_TX]);
	if (c->out != NULL ? gw_outbox_write(c->out, frame, n) != GW_OK
			   : bufferevent_write(c->bev, frame, n) != 0) {
		agw_iq_conn_drop(c, "no memory for output");
		return false;
	}
	if (queued(c) >= IQ_OUTPUT_HIGH)
		(void)bufferevent_disable(c->bev, EV_READ); /* until it reads: on_write */
	return true;
}

bool agw_iq_conn_send(struct iq_conn *c, IqEnvelope *env)
{
	uint8_t *frame = NULL;
	size_t n = 0;
	bool sent = false;

	if (iq_pack_frame(env, &frame, &n) == GW_OK) {
		iq_trace(IQ_TX, c->peer, env, n);
		sent = agw_iq_conn_send_frame(c, frame, n);
	} else {
		agw_iq_conn_drop(c, "message cannot be packed");
	}
	free(frame);
	iq_envelope_free(env);
	return sent;
}

/* Half-close and let the peer close: closing with unread input would reset the Goodbye away. */
static void said_goodbye(struct iq_conn *c)
{
	if (c->server->tls != NULL || shutdown(bufferevent_getfd(c->bev), SHUT_WR) != 0)
		agw_iq_conn_drop(c, "said goodbye");
}

static void on_drained(void *arg)
{
	struct iq_conn *c = arg;

	if (c->closing) {
		said_goodbye(c);
		return;
	}
	(void)bufferevent_enable(c->bev, EV_READ);
	if (c->controller != NULL)
		agw_iq_notify_send(c->controller);
}

static void on_write(struct bufferevent *bev, void *arg)
{
	(void)bev;
	on_drained(arg);
}

/* ---- input ----------------------------------------------------------------------------------- */

static void garbage(struct iq_conn *c, const char *what, enum gw_err err)
{
	struct iq_fault fault;

	gw_metric_inc(&agw_iq_metrics[IQ_M_GARBAGE]);
	iq_fault_set(&fault, IQ_V(ERROR_CODE__INVALID_ARGUMENT), NULL, "%s: %s", what,
		     gw_err_name(err));
	agw_iq_conn_bye(c, &fault);
}

static void on_frame(struct iq_conn *c, const uint8_t *p, size_t n)
{
	IqEnvelope *env = NULL;
	enum gw_err err = iq_unpack(&env, p, n);

	gw_metric_inc(&agw_iq_metrics[IQ_M_RX]);
	if (err != GW_OK) {
		garbage(c, "not a message", err);
		return;
	}
	c->last_rx_ms = agw_iq_now_ms();
	iq_trace(IQ_RX, c->peer, env, n);
	if (c->controller == NULL)
		agw_iq_hello(c, env);
	else
		agw_iq_dispatch(c, env);
	iq_envelope_free(env);
}

static void drain_frames(struct iq_conn *c)
{
	while (!c->closing) {
		const uint8_t *p = NULL;
		size_t n = 0;
		enum gw_err err = iq_frame_next(c->reader, &p, &n);

		if (err == GW_ERR_AGAIN)
			return;
		if (err != GW_OK) {
			garbage(c, "not a frame", err);
			return;
		}
		on_frame(c, p, n);
	}
}

static void on_read(struct bufferevent *bev, void *arg)
{
	struct iq_conn *c = arg;
	struct evbuffer *in = bufferevent_get_input(bev);

	if (c->closing)
		(void)evbuffer_drain(in, evbuffer_get_length(in));
	while (!c->closing) {
		struct evbuffer_iovec v;
		enum gw_err err;

		if (evbuffer_peek(in, READ_CHUNK, NULL, &v, 1) < 1 || v.iov_len == 0)
			return;
		if (v.iov_len > READ_CHUNK)
			v.iov_len = READ_CHUNK;
		err = iq_frame_feed(c->reader, v.iov_base, v.iov_len);
		(void)evbuffer_drain(in, v.iov_len);
		if (err != GW_OK) {
			garbage(c, "not a frame", err);
			return;
		}
		drain_frames(c);
	}
}

static void on_event(struct bufferevent *bev, short what, void *arg)
{
	struct iq_conn *c = arg;

	(void)bev;
	if ((what & BEV_EVENT_CONNECTED) != 0)
		return; /* TLS is up; Hello must follow */
	if ((what & BEV_EVENT_ERROR) != 0 && c->server->tls != NULL)
		agw_iq_tls_log_errors(c->peer);
	agw_iq_conn_drop(c, (what & BEV_EVENT_EOF) != 0       ? "peer closed"
			    : (what & BEV_EVENT_TIMEOUT) != 0 ? "timeout"
							      : "connection broken");
}

/* ---- time ------------------------------------------------------------------------------------ */

static void heartbeat(struct iq_conn *c, uint64_t now)
{
	IqEnvelope *env = iq_envelope_new(IQ_BODY(HEARTBEAT), 0);

	c->next_heartbeat_ms = now + c->server->cfg.heartbeat_ms;
	if (env == NULL)
		return;
	env->heartbeat->sequence = ++c->heartbeat_seq;
	env->heartbeat->load = agw_iq_load_new(c->server);
	(void)agw_iq_conn_send(c, env);
}

void agw_iq_conn_tick(struct iq_conn *c, uint64_t now, uint64_t late)
{
	const struct agw_iq_cfg *cfg = &c->server->cfg;
	struct iq_fault fault;

	if (c->closing) {
		if (now - c->bye_ms >= BYE_WAIT_MS)
			agw_iq_conn_drop(c, "said goodbye");
		return;
	}
	if (c->controller == NULL) {
		if (now - c->born_ms >= cfg->hello_timeout_ms) {
			gw_metric_inc(&agw_iq_metrics[IQ_M_REJECTED]);
			agw_iq_conn_drop(c, "no hello");
		}
		return;
	}
	c->last_rx_ms = c->last_rx_ms + late < now ? c->last_rx_ms + late : now;
	if (now - c->last_rx_ms >= (uint64_t)cfg->heartbeat_ms * IQ_HEARTBEAT_MISSED) {
		gw_metric_inc(&agw_iq_metrics[IQ_M_DEAD_PEER]);
		/* said, in case it is heard: a controller takes a plain end for our death */
		iq_fault_set(&fault, IQ_V(ERROR_CODE__INTERNAL), NULL,
			     "silent for three heartbeats");
		agw_iq_conn_bye(c, &fault);
		return;
	}
	if (now >= c->next_heartbeat_ms)
		heartbeat(c, now);
}

/* ---- accept ---------------------------------------------------------------------------------- */

static void set_tcp_options(int fd)
{
	static const int on = 1;
	static const int idle = KEEPALIVE_IDLE;
	static const int every = KEEPALIVE_EVERY;

	/* best effort: without them the connection still works */
	(void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	(void)setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof(on));
	(void)setsockopt(fd, IPPROTO_TCP, TCP_KEEPIDLE, &idle, sizeof(idle));
	(void)setsockopt(fd, IPPROTO_TCP, TCP_KEEPINTVL, &every, sizeof(every));
}

void agw_iq_conn_new(struct agw_iq_server *s, int fd, const struct gw_addr *peer)
{
	struct iq_conn *c = calloc(1, sizeof(*c));
	bool taken;

	if (c != NULL && iq_frame_reader_new(&c->reader) == GW_OK)
		c->bev = s->tls != NULL
			     ? agw_iq_tls_accept(s->tls, s->base, fd)
			     : bufferevent_socket_new(s->base, fd, BEV_OPT_CLOSE_ON_FREE);
	if (c == NULL || c->bev == NULL ||
	    (s->tls == NULL && gw_outbox_new(&c->out, c->bev, on_drained, c) != GW_OK)) {
		taken = c != NULL && c->bev != NULL; /* and closes it */
		agw_iq_conn_free(c);
		if (!taken)
			(void)close(fd);
		GW_LOG_LIMITED(GW_LOG_ERROR, "iq.accept_failed", "why=\"%s\"", "no memory");
		return;
	}
	set_tcp_options(fd);
	if (c->out != NULL)
		gw_outbox_connected(c->out);
	c->server = s;
	c->born_ms = agw_iq_now_ms();
	c->last_rx_ms = c->born_ms;
	(void)gw_addr_str(peer, c->peer, sizeof(c->peer));
	DL_APPEND(s->conns, c);
	s->n_conns++;
	gw_metric_set(&agw_iq_metrics[IQ_M_CONNECTIONS], s->n_conns);
	bufferevent_setcb(c->bev, on_read, on_write, on_event, c);
	bufferevent_setwatermark(c->bev, EV_READ, 0, READ_CHUNK * 4);
	(void)bufferevent_enable(c->bev, EV_READ | EV_WRITE);
	GW_LOG(GW_LOG_INFO, "iq.accepted", "peer=\"%s\" tls=%d", c->peer, s->tls != NULL);
}
