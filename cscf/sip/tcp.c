/* SPDX-License-Identifier: Apache-2.0 */
/*
 * TCP connections of the core side, both directions. One that we opened is used again for
 * everything to the same address; idle ones are closed. A connection dies in two steps: it is
 * unreachable at once, and freed and reported from the loop, so nobody frees it under himself.
 */
#include "common/outbox.h"
#include "cscf/sip/counters.h"
#include "cscf/sip/mw_int.h"
#include "cscf/sip/stack_int.h"
#include "cscf/sip/tcp_frame.h"

#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <unistd.h>

#define GW_LOG_MOD "sip"
#include "common/log.h"

#define CHUNK 16384 /* octets fed to the framing at a time */

struct cscf_sip_tcp_conn {
	struct cscf_sip_mw *mw;
	uint64_t id;
	struct cscf_sip_flow flow;
	struct bufferevent *bev;
	struct gw_outbox *out; /* owned; all output goes through it */
	struct cscf_sip_tcp_frame frame;
	struct event *timer; /* connecting, idle, or dying */
	bool outgoing;
	bool connected;
	bool dead;
	bool failed;
	bool closing; /* once the output is gone */
	char addr_key[GW_ADDR_STRLEN];
	UT_hash_handle hh;      /* by_id */
	UT_hash_handle hh_addr; /* by_addr, outgoing only */
};

static void conn_free(struct cscf_sip_tcp_conn *c)
{
	gw_outbox_free(c->out);
	if (c->bev != NULL)
		bufferevent_free(c->bev);
	if (c->timer != NULL)
		event_free(c->timer);
	cscf_sip_tcp_frame_fini(&c->frame);
	free(c);
}

static void unlink_addr(struct cscf_sip_tcp_conn *c)
{
	if (c->hh_addr.tbl != NULL)
		HASH_DELETE(hh_addr, c->mw->by_addr, c);
	c->hh_addr.tbl = NULL;
}

/* From now on no more messages; freed and reported by the timer. Stays in by_id till then. */
static void conn_kill(struct cscf_sip_tcp_conn *c, bool failed)
{
	if (c->dead)
		return;
	c->dead = true;
	c->failed = failed || !c->connected || gw_outbox_length(c->out) > 0;
	unlink_addr(c);
	bufferevent_disable(c->bev, EV_READ | EV_WRITE);
	cscf_sip_arm(c->timer, 0);
}

static void on_timer(evutil_socket_t fd, short what, void *arg)
{
	struct cscf_sip_tcp_conn *c = arg;
	struct cscf_sip_mw *mw = c->mw;
	struct cscf_sip_flow flow = c->flow;
	bool failed;

	(void)fd;
	(void)what;
	if (!c->dead) { /* connect timeout or idle */
		conn_kill(c, !c->connected);
		return;
	}
	failed = c->failed;
	HASH_DELETE(hh, mw->by_id, c);
	mw->n_conns--;
	gw_metric_dec(&cscf_sip_counters[CSCF_SIP_N_TCP_CONNS]);
	conn_free(c);
	mw->cbs->on_closed(mw->arg, &flow, failed);
}

static void touch(struct cscf_sip_tcp_conn *c)
{
	if (!c->dead && c->connected)
		cscf_sip_arm(c->timer, c->mw->cfg->tcp_idle_ms);
}

/* --- receiving --- */

/* Whom we asked may answer; only a peer may ask (SEC-05). */
static bool may_send(const struct cscf_sip_tcp_conn *c, struct gw_slice text)
{
	return (text.n > 4 && strncasecmp(text.p, "SIP/", 4) == 0) ||
	       cscf_sip_mw_is_peer(c->mw, &c->flow.remote);
}

/* @return false: stop reading */
static bool take_pieces(struct cscf_sip_tcp_conn *c)
{
	struct cscf_sip_flow flow = c->flow;
	struct gw_slice text;

	while (!c->dead) {
		switch (cscf_sip_tcp_frame_next(&c->frame, &text)) {
		case CSCF_SIP_TCP_MORE:
			return true;
		case CSCF_SIP_TCP_MESSAGE:
			if (!may_send(c, text)) {
				cscf_sip_mw_refuse(&c->flow.remote, "TCP");
				break;
			}
			c->mw->cbs->on_message(c->mw->arg, &flow, text.p, text.n, false);
			break;
		case CSCF_SIP_TCP_PING:
			cscf_sip_count(CSCF_SIP_N_KEEPALIVE);
			if (gw_outbox_write(c->out, "\r\n", 2) != GW_OK)
				conn_kill(c, true);
			break;
		case CSCF_SIP_TCP_BAD_LENGTH:
			c->mw->cbs->on_message(c->mw->arg, &flow, text.p, text.n, false);
			cscf_sip_count(CSCF_SIP_N_TCP_BAD_FRAME);
			c->closing = true;
			return false;
		case CSCF_SIP_TCP_TOO_BIG:
			c->mw->cbs->on_message(c->mw->arg, &flow, text.p, text.n, true);
			cscf_sip_count(CSCF_SIP_N_TCP_BAD_FRAME);
			c->closing = true;
			return false;
		case CSCF_SIP_TCP_BAD:
			cscf_sip_count(CSCF_SIP_N_TCP_BAD_FRAME);
			GW_LOG_LIMITED(GW_LOG_WARN, "sip.tcp_bad_frame", "conn=%llu",
				       (unsigned long long)c->id);
			conn_kill(c, true);
			return false;
		}
	}
	return false;
}

static void on_read(struct bufferevent *bev, void *arg)
{
	struct cscf_sip_tcp_conn *c = arg;
	struct evbuffer *in = bufferevent_get_input(bev);

	touch(c);
	while (!c->dead && !c->closing && evbuffer_get_length(in) > 0) {
		size_t n = evbuffer_get_length(in);
		unsigned char *p;

		n = n < CHUNK ? n : CHUNK;
		p = evbuffer_pullup(in, (ev_ssize_t)n);
		if (p == NULL || cscf_sip_tcp_frame_feed(&c->frame, (char *)p, n) != GW_OK) {
			conn_kill(c, true);
			return;
		}
		evbuffer_drain(in, n);
		if (!take_pieces(c))
			break;
	}
	if (c->closing && !c->dead) {
		bufferevent_disable(bev, EV_READ);
		if (gw_outbox_length(c->out) == 0)
			conn_kill(c, false);
	}
}

static void on_drained(void *arg)
{
	struct cscf_sip_tcp_conn *c = arg;

	touch(c);
	if (c->closing && gw_outbox_length(c->out) == 0)
		conn_kill(c, false);
}

static void on_write(struct bufferevent *bev, void *arg)
{
	(void)bev;
	on_drained(arg);
}

static void learn_local(struct cscf_sip_tcp_conn *c)
{
	struct sockaddr_storage ss;
	socklen_t len = sizeof(ss);
	int fd = bufferevent_getfd(c->bev);

	if (getsockname(fd, (struct sockaddr *)&ss, &len) != 0 ||
	    gw_addr_from_sa(&c->flow.local, (struct sockaddr *)&ss, len) != GW_OK)
		c->flow.local.len = 0;
}

static void on_event(struct bufferevent *bev, short what, void *arg)
{
	struct cscf_sip_tcp_conn *c = arg;
	char addr[GW_ADDR_STRLEN];

	(void)bev;
	if (what & BEV_EVENT_CONNECTED) {
		c->connected = true;
		gw_outbox_connected(c->out);
		learn_local(c);
		touch(c);
		return;
	}
	GW_LOG_LIMITED(GW_LOG_DEBUG, "sip.tcp_closed", "conn=%llu remote=%s error=%d",
		       (unsigned long long)c->id, gw_addr_str(&c->flow.remote, addr, sizeof(addr)),
		       (what & BEV_EVENT_ERROR) != 0);
	conn_kill(c, (what & BEV_EVENT_ERROR) != 0);
}

/* --- birth --- */

/* @param fd  -1: to be connected; taken over on success */
static struct cscf_sip_tcp_conn *conn_new(struct cscf_sip_mw *mw, int fd,
					  const struct gw_addr *remote)
{
	struct cscf_sip_tcp_conn *c;

	if (mw->n_conns >= (size_t)mw->cfg->max_tcp_conns) {
		cscf_sip_count(CSCF_SIP_N_TCP_REFUSED);
		return NULL;
	}
	c = calloc(1, sizeof(*c));
	if (c == NULL)
		return NULL;
	c->mw = mw;
	c->id = ++mw->next_id;
	c->flow = (struct cscf_sip_flow){
	    .side = CSCF_SIP_MW, .transport = CSCF_SIP_TCP, .conn = c->id, .remote = *remote};
	cscf_sip_tcp_frame_init(&c->frame, (size_t)mw->cfg->max_message);
	c->timer = evtimer_new(mw->base, on_timer, c);
	if (c->timer == NULL)
		goto fail;
	HASH_ADD(hh, mw->by_id, id, sizeof(c->id), c);
	if (c->hh.tbl == NULL)
		goto fail;
	c->bev = bufferevent_socket_new(mw->base, fd, BEV_OPT_CLOSE_ON_FREE);
	if (c->bev == NULL || gw_outbox_new(&c->out, c->bev, on_drained, c) != GW_OK) {
		HASH_DELETE(hh, mw->by_id, c);
		goto fail;
	}
	mw->n_conns++;
	gw_metric_inc(&cscf_sip_counters[CSCF_SIP_N_TCP_CONNS]);
	bufferevent_setcb(c->bev, on_read, on_write, on_event, c);
	return c;
fail:
	conn_free(c);
	return NULL;
}

static void no_delay(struct cscf_sip_tcp_conn *c)
{
	int one = 1;

	/* only latency is lost when this fails */
	(void)setsockopt(bufferevent_getfd(c->bev), IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
}

void cscf_sip_tcp_accepted(struct cscf_sip_mw *mw, int fd, const struct gw_addr *remote,
			   const struct gw_addr *local)
{
	struct cscf_sip_tcp_conn *c = conn_new(mw, fd, remote);

	if (c == NULL) {
		GW_LOG_LIMITED(GW_LOG_WARN, "sip.tcp_refused", "connections=%zu", mw->n_conns);
		close(fd);
		return;
	}
	c->flow.local = *local;
	c->connected = true;
	gw_outbox_connected(c->out);
	no_delay(c);
	bufferevent_enable(c->bev, EV_READ | EV_WRITE);
	touch(c);
}

static struct cscf_sip_tcp_conn *conn_open(struct cscf_sip_mw *mw, const struct gw_addr *to,
					   enum gw_err *err)
{
	struct cscf_sip_tcp_conn *c = conn_new(mw, -1, to);

	if (c == NULL) {
		*err = GW_ERR_LIMIT;
		return NULL;
	}
	c->outgoing = true;
	gw_addr_str(to, c->addr_key, sizeof(c->addr_key));
	HASH_ADD_KEYPTR(hh_addr, mw->by_addr, c->addr_key, strlen(c->addr_key), c);
	bufferevent_enable(c->bev, EV_READ | EV_WRITE);
	if (bufferevent_socket_connect(c->bev, &to->u.sa, (int)to->len) != 0) {
		*err = GW_ERR_IO;
		conn_kill(c, true);
		return NULL;
	}
	no_delay(c);
	cscf_sip_arm(c->timer, mw->cfg->tcp_connect_ms);
	return c;
}

/* --- sending --- */

static struct cscf_sip_tcp_conn *find_id(const struct cscf_sip_mw *mw, uint64_t id)
{
	struct cscf_sip_tcp_conn *c = NULL;

	HASH_FIND(hh, mw->by_id, &id, sizeof(id), c);
	return c != NULL && !c->dead && !c->closing ? c : NULL;
}

static struct cscf_sip_tcp_conn *find_addr(const struct cscf_sip_mw *mw, const struct gw_addr *to)
{
	struct cscf_sip_tcp_conn *c = NULL;
	char key[GW_ADDR_STRLEN];

	gw_addr_str(to, key, sizeof(key));
	HASH_FIND(hh_addr, mw->by_addr, key, strlen(key), c);
	return c != NULL && !c->closing ? c : NULL;
}

enum gw_err cscf_sip_mw_send_tcp(struct cscf_sip_mw *mw, uint64_t *conn, const struct gw_addr *to,
				 const char *text, size_t n)
{
	struct cscf_sip_tcp_conn *c = *conn != 0 ? find_id(mw, *conn) : NULL;
	enum gw_err err = GW_ERR_IO;

	if (c == NULL && !cscf_sip_mw_is_peer(mw, to)) {
		cscf_sip_mw_refuse(to, "TCP");
		return GW_ERR_DENIED;
	}
	if (c == NULL)
		c = find_addr(mw, to);
	if (c == NULL)
		c = conn_open(mw, to, &err);
	if (c == NULL)
		return err;
	*conn = c->id;
	if (gw_outbox_length(c->out) + n > (size_t)mw->cfg->tcp_queue_max) {
		cscf_sip_count(CSCF_SIP_N_TCP_QUEUE_FULL);
		return GW_ERR_LIMIT;
	}
	return gw_outbox_write(c->out, text, n);
}

bool cscf_sip_mw_conn_alive(const struct cscf_sip_mw *mw, uint64_t conn)
{
	return find_id(mw, conn) != NULL;
}

size_t cscf_sip_mw_tcp_count(const struct cscf_sip_mw *mw)
{
	return mw->n_conns;
}

void cscf_sip_tcp_free_all(struct cscf_sip_mw *mw)
{
	struct cscf_sip_tcp_conn *c = mw->by_id;

	HASH_CLEAR(hh_addr, mw->by_addr);
	HASH_CLEAR(hh, mw->by_id); /* the elements stay linked */
	while (c != NULL) {
		struct cscf_sip_tcp_conn *next = c->hh.next;

		gw_metric_dec(&cscf_sip_counters[CSCF_SIP_N_TCP_CONNS]);
		conn_free(c);
		c = next;
	}
}
