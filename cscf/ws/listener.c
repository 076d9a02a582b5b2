/* SPDX-License-Identifier: Apache-2.0 */
/* Sockets, accept, limits over all connections, the reaper. See listener.h. */
#include "cscf/ws/listener.h"

#include "common/log.h"
#include "common/rand.h"
#include "cscf/ws/tls.h"
#include "cscf/ws/ws_int.h"

#include <errno.h>
#include <event2/event.h>
#include <openssl/ssl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define GW_LOG_MOD       "ws"
#define BACKLOG          4096 /* who waits here waits without a deadline of ours */
#define SLICE_US         2000 /* of one priority, then the clock and sooner events have their turn */
#define ACCEPTS_PER_TURN 16   /* then the open connections have their turn */
#define FAIR_MS          100
#define ACCEPTS_IN_HURRY 8   /* and handshakes, per FAIR_MS, when no turn came for them otherwise */
#define ACCEPT_PAUSE_MS  200 /* no descriptors or memory: wait, do not spin */
#define REFUSING_MAX     64  /* connections over a limit that may learn why */

static enum gw_err fail(enum gw_err err, char *errbuf, size_t errlen, const char *fmt, ...)
    GW_PRINTF(4, 5);
static enum gw_err fail(enum gw_err err, char *errbuf, size_t errlen, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	if (errbuf != NULL && errlen > 0)
		(void)vsnprintf(errbuf, errlen, fmt, ap);
	va_end(ap);
	return err;
}

/* --- accept --------------------------------------------------------------------------------- */

static void set_accepting(struct cscf_ws_listener *l, bool on)
{
	for (size_t i = 0; i < 2; i++) {
		if (l->sockets[i].ev == NULL)
			continue;
		if (on)
			(void)event_add(l->sockets[i].ev, NULL);
		else
			(void)event_del(l->sockets[i].ev);
	}
}

static void pause_accepting(struct cscf_ws_listener *l, int errnum)
{
	gw_metric_inc(&cscf_ws_stat[CSCF_WS_STAT_ACCEPT_PAUSED]);
	GW_LOG_LIMITED(GW_LOG_ERROR, "ws.accept_paused", "call=accept error=%s open=%zu",
		       strerrorname_np(errnum), l->n_open);
	set_accepting(l, false);
	cscf_ws_conn_arm(l->resume, ACCEPT_PAUSE_MS);
}

static void on_resume(evutil_socket_t fd, short what, void *arg)
{
	(void)fd;
	(void)what;
	set_accepting(arg, true);
}

/* Over ws.max_connections a bounded number still gets its 503; the rest is closed unheard. */
static void take(struct cscf_ws_socket *s, int fd, const struct gw_addr *peer)
{
	struct cscf_ws_listener *l = s->l;
	bool full = l->n_conns - l->n_refusing >= (size_t)l->cfg.max_connections;
	char text[GW_ADDR_STRLEN];

	if (l->n_refusing >= REFUSING_MAX) {
		gw_metric_inc(&cscf_ws_rejects[CSCF_WS_REJECT_OVERLOAD]);
		GW_LOG_LIMITED(GW_LOG_WARN, "ws.reject", "conn=0 source=%s origin=\"\" reason=%s",
			       gw_addr_str(peer, text, sizeof(text)),
			       cscf_ws_reject_name(CSCF_WS_REJECT_OVERLOAD));
		(void)close(fd);
		return;
	}
	if (cscf_ws_conn_new(l, fd, s->tls, peer,
			     full ? CSCF_WS_REJECT_MAX_TOTAL : CSCF_WS_REJECT_NONE) != GW_OK)
		gw_metric_inc(&cscf_ws_rejects[CSCF_WS_REJECT_NOMEM]);
}

static void accept_some(struct cscf_ws_socket *s, int most)
{
	for (int i = 0; i < most; i++) {
		struct sockaddr_storage ss;
		socklen_t len = sizeof(ss);
		struct gw_addr peer;
		int fd = accept4(s->fd, (struct sockaddr *)&ss, &len, SOCK_NONBLOCK | SOCK_CLOEXEC);

		if (fd < 0) {
			/* a connection that died in the backlog is no reason to stop */
			if (errno == ECONNABORTED || errno == EINTR || errno == EPROTO)
				continue;
			if (errno != EAGAIN)
				pause_accepting(s->l, errno);
			return;
		}
		if (gw_addr_from_sa(&peer, (const struct sockaddr *)&ss, len) != GW_OK)
			(void)close(fd);
		else
			take(s, fd, &peer);
	}
}

static void on_accept(evutil_socket_t fd, short what, void *arg)
{
	struct cscf_ws_socket *s = arg;

	(void)fd;
	(void)what;
	s->l->accepted = true;
	accept_some(s, ACCEPTS_PER_TURN);
}

/* Open connections that leave us no pause would keep everybody else out: let a few in. */
static void on_fair(evutil_socket_t fd, short what, void *arg)
{
	struct cscf_ws_listener *l = arg;

	(void)fd;
	(void)what;
	for (size_t i = 0; i < 2 && !l->accepted; i++) {
		if (l->sockets[i].ev == NULL || !event_pending(l->sockets[i].ev, EV_READ, NULL))
			continue;
		l->hurry = true;
		accept_some(&l->sockets[i], ACCEPTS_IN_HURRY);
		l->hurry = false;
	}
	cscf_ws_line_advance(l, ACCEPTS_IN_HURRY);
	l->accepted = false;
	cscf_ws_conn_arm(l->fair, FAIR_MS);
}

/* --- sockets -------------------------------------------------------------------------------- */

static enum gw_err bind_and_listen(struct cscf_ws_socket *s, const struct gw_addr *a)
{
	int on = 1;

	s->fd = socket(a->u.sa.sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (s->fd < 0)
		return gw_err_from_errno(errno);
	(void)setsockopt(s->fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	if (bind(s->fd, &a->u.sa, a->len) != 0 || listen(s->fd, BACKLOG) != 0)
		return errno == EADDRINUSE ? GW_ERR_EXISTS : gw_err_from_errno(errno);
	s->ev = event_new(s->l->base, s->fd, EV_READ | EV_PERSIST, on_accept, s);
	if (s->ev == NULL)
		return GW_ERR_NOMEM;
	(void)event_priority_set(s->ev, CSCF_WS_PRIO_ACCEPT);
	return event_add(s->ev, NULL) == 0 ? GW_OK : GW_ERR_NOMEM;
}

static enum gw_err open_socket(struct cscf_ws_socket *s, const char *text, uint16_t default_port,
			       char *errbuf, size_t errlen)
{
	struct gw_addr a;
	enum gw_err err = gw_addr_parse(&a, text, default_port);

	if (err != GW_OK)
		return fail(GW_ERR_INVAL, errbuf, errlen, "bad listen address \"%s\"", text);
	if (!s->tls && !gw_addr_is_loopback(&a))
		return fail(GW_ERR_INVAL, errbuf, errlen,
			    "ws.insecure_listen %s is not a loopback address", text);
	err = bind_and_listen(s, &a);
	if (err != GW_OK)
		return fail(err, errbuf, errlen, "cannot listen on %s: %s", text, gw_err_name(err));
	return GW_OK;
}

static void close_sockets(struct cscf_ws_listener *l)
{
	for (size_t i = 0; i < 2; i++) {
		struct cscf_ws_socket *s = &l->sockets[i];

		if (s->ev != NULL)
			event_free(s->ev);
		if (s->fd >= 0)
			(void)close(s->fd);
		s->ev = NULL;
		s->fd = -1;
	}
}

/* --- the reaper ----------------------------------------------------------------------------- */

static void on_reap(evutil_socket_t fd, short what, void *arg)
{
	struct cscf_ws_listener *l = arg;

	(void)fd;
	(void)what;
	while (l->dead != NULL) {
		struct cscf_ws_conn *c = l->dead;

		l->dead = c->next;
		cscf_ws_conn_free(c);
	}
}

/* --- priorities ----------------------------------------------------------------------------- */

struct event_base *cscf_ws_base_new(void)
{
	struct event_config *cfg = event_config_new();
	struct timeval slice = {.tv_usec = SLICE_US};
	struct event_base *base;

	if (cfg == NULL)
		return NULL;
	/* open connections too: those with more to read call themselves again, so one turn of
	 * theirs might never end, and no timer would ever come */
	(void)event_config_set_max_dispatch_interval(cfg, &slice, -1, CSCF_WS_PRIO_USUAL);
	base = event_base_new_with_config(cfg);
	event_config_free(cfg);
	if (base != NULL && event_base_priority_init(base, CSCF_WS_PRIORITIES) != 0) {
		event_base_free(base);
		return NULL;
	}
	return base;
}

/* --- public --------------------------------------------------------------------------------- */

static enum gw_err check_config(const struct cscf_ws_config *cfg, char *errbuf, size_t errlen)
{
	if (*cfg->listen == '\0' && *cfg->insecure_listen == '\0')
		return fail(GW_ERR_INVAL, errbuf, errlen,
			    "neither ws.listen nor "
			    "ws.insecure_listen is set");
	if (cfg->max_connections < 1 || cfg->max_message < 1 || cfg->handshake_timeout < 1)
		return fail(GW_ERR_INVAL, errbuf, errlen,
			    "ws.max_connections, ws.max_message and ws.handshake_timeout must be "
			    "positive");
	if (cfg->send_queue_max < cfg->max_message)
		return fail(GW_ERR_INVAL, errbuf, errlen,
			    "ws.send_queue_max is smaller than ws.max_message");
	return GW_OK;
}

static enum gw_err start(struct cscf_ws_listener *l, char *errbuf, size_t errlen)
{
	enum gw_err err = check_config(&l->cfg, errbuf, errlen);

	if (err != GW_OK)
		return err;
	l->reap = event_new(l->base, -1, 0, on_reap, l);
	l->resume = event_new(l->base, -1, 0, on_resume, l);
	l->fair = event_new(l->base, -1, 0, on_fair, l);
	if (l->reap == NULL || l->resume == NULL || l->fair == NULL)
		return GW_ERR_NOMEM;
	cscf_ws_conn_arm(l->fair, FAIR_MS);
	if (*l->cfg.listen != '\0') {
		err = cscf_ws_tls_ctx_new(&l->tls_ctx, l->cfg.tls_cert, l->cfg.tls_key,
					  l->cfg.tls_min_version, errbuf, errlen);
		if (err == GW_OK)
			err = open_socket(&l->sockets[1], l->cfg.listen, 443, errbuf, errlen);
	}
	if (err == GW_OK && *l->cfg.insecure_listen != '\0')
		err = open_socket(&l->sockets[0], l->cfg.insecure_listen, 80, errbuf, errlen);
	return err;
}

/* OpenSSL writes to the socket without MSG_NOSIGNAL. */
static void ignore_sigpipe(void)
{
	struct sigaction sa;

	if (sigaction(SIGPIPE, NULL, &sa) == 0 && sa.sa_handler == SIG_DFL)
		(void)signal(SIGPIPE, SIG_IGN);
}

enum gw_err cscf_ws_listener_new(struct cscf_ws_listener **out, struct event_base *base,
				 const struct cscf_ws_config *cfg, const struct cscf_ws_cbs *cbs,
				 void *arg, char *errbuf, size_t errlen)
{
	struct cscf_ws_listener *l = calloc(1, sizeof(*l));
	enum gw_err err;

	if (l == NULL)
		return GW_ERR_NOMEM;
	ignore_sigpipe();
	cscf_ws_stats_register();
	l->base = base;
	l->cfg = *cfg;
	l->rules =
	    (struct cscf_ws_upgrade_rules){cfg->path, cfg->allowed_origins, cfg->require_origin};
	l->cbs = *cbs;
	l->arg = arg;
	/* 20 random bits above 32 counted ones: ids of an earlier life do not come again */
	l->next_id = (gw_rand_u64() & 0xfffff) << 32 | 1;
	for (size_t i = 0; i < 2; i++)
		l->sockets[i] = (struct cscf_ws_socket){.l = l, .fd = -1, .tls = i == 1};
	err = start(l, errbuf, errlen);
	if (err != GW_OK) {
		cscf_ws_listener_free(l);
		return err;
	}
	*out = l;
	return GW_OK;
}

void cscf_ws_listener_free(struct cscf_ws_listener *l)
{
	struct cscf_ws_conn *c, *next;

	if (l == NULL)
		return;
	close_sockets(l);
	HASH_ITER (hh, l->conns, c, next)
		cscf_ws_conn_kill(c, CSCF_WS_CAUSE_LOCAL, CSCF_WS_ABNORMAL);
	on_reap(-1, 0, l);
	if (l->reap != NULL)
		event_free(l->reap);
	if (l->resume != NULL)
		event_free(l->resume);
	if (l->fair != NULL)
		event_free(l->fair);
	SSL_CTX_free(l->tls_ctx);
	cscf_ws_tally_fini(&l->sources);
	cscf_ws_tally_fini(&l->origins);
	free(l);
}

void cscf_ws_listener_stop_accepting(struct cscf_ws_listener *l)
{
	l->stopped = true;
	(void)event_del(l->resume);
	(void)event_del(l->fair);
	close_sockets(l);
}

uint64_t cscf_ws_listener_next_id(const struct cscf_ws_listener *l)
{
	return l->next_id;
}

void cscf_ws_listener_refuse(struct cscf_ws_listener *l, bool on)
{
	l->refusing = on;
}

void cscf_ws_listener_drain(struct cscf_ws_listener *l, uint16_t code, const char *reason)
{
	struct cscf_ws_conn *c, *next;

	cscf_ws_listener_stop_accepting(l);
	HASH_ITER (hh, l->conns, c, next)
		cscf_ws_conn_close(c, code, reason);
}

enum gw_err cscf_ws_tls_reload(struct cscf_ws_listener *l, char *errbuf, size_t errlen)
{
	SSL_CTX *fresh;
	enum gw_err err;

	if (l->tls_ctx == NULL)
		return fail(GW_ERR_STATE, errbuf, errlen, "no wss address");
	err = cscf_ws_tls_ctx_new(&fresh, l->cfg.tls_cert, l->cfg.tls_key, l->cfg.tls_min_version,
				  errbuf, errlen);
	if (err != GW_OK)
		return err;
	SSL_CTX_free(l->tls_ctx); /* connections hold references of their own */
	l->tls_ctx = fresh;
	gw_metric_inc(&cscf_ws_stat[CSCF_WS_STAT_TLS_RELOADS]);
	GW_LOG(GW_LOG_INFO, "ws.tls_reloaded", "cert=%s", l->cfg.tls_cert);
	return GW_OK;
}

struct cscf_ws_counts cscf_ws_listener_counts(const struct cscf_ws_listener *l)
{
	return (struct cscf_ws_counts){
	    .open = l->n_open,
	    .handshaking = l->n_conns - l->n_open,
	    .queued = l->queued,
	};
}

uint16_t cscf_ws_listener_port(const struct cscf_ws_listener *l, bool tls)
{
	struct sockaddr_storage ss;
	socklen_t len = sizeof(ss);
	struct gw_addr a;
	int fd = l->sockets[tls ? 1 : 0].fd;

	if (fd < 0 || getsockname(fd, (struct sockaddr *)&ss, &len) != 0)
		return 0;
	if (gw_addr_from_sa(&a, (const struct sockaddr *)&ss, len) != GW_OK)
		return 0;
	return gw_addr_port(&a);
}

struct cscf_ws_conn *cscf_ws_conn_next(const struct cscf_ws_listener *l, uint64_t *cursor)
{
	struct cscf_ws_conn *c = l->conns;

	if (*cursor != 0) {
		HASH_FIND(hh, l->conns, cursor, sizeof(*cursor), c);
		if (c != NULL)
			c = c->hh.next;
	}
	while (c != NULL && c->phase != CSCF_WS_PHASE_OPEN)
		c = c->hh.next;
	if (c != NULL)
		*cursor = c->id;
	return c;
}
