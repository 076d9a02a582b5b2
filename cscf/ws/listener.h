/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The W2 listener: TCP accept, TLS, HTTP Upgrade, then WebSocket connections (conn.h) with the
 * subprotocol `sip`. One wss address and, for tests, one plain ws address on loopback.
 * It does not know SIP: messages go up through struct cscf_ws_cbs.
 *
 * Thread: the loop thread of `base`; callbacks are made on it.
 * Spec: TS 24.371 5.5, RFC 6455 s4, RFC 7118; WS-01..05, 13, 24, 35, 36, SEC-01..04, 28.
 */
#ifndef CSCF_WS_LISTENER_H
#define CSCF_WS_LISTENER_H

#include "common/conf.h"
#include "cscf/ws/conn.h"

struct event_base;

/* Named as the knobs of `ws:`; times in ms. Strings and lists are borrowed: outlive the listener.
 */
struct cscf_ws_config {
	const char *listen;                         /* wss; "" = none */
	const char *insecure_listen;                /* plain ws: loopback only; "" = none (WS-04) */
	const char *path;                           /* "/sip" */
	const char *tls_cert;                       /* PEM, chain; needed with `listen` */
	const char *tls_key;                        /* PEM */
	const char *tls_min_version;                /* "1.2" or "1.3" */
	const struct gw_conf_list *allowed_origins; /* exact; empty = refuse every Origin */
	const struct gw_conf_list *proxy_protocol_from; /* CIDRs whose PROXY header is believed */
	bool require_origin;                            /* refuse handshakes without Origin */
	int64_t max_connections;                        /* total, handshakes included */
	int64_t max_per_source;                         /* per IP address; 0 = off */
	int64_t max_per_origin;                         /* 0 = off */
	int64_t handshake_timeout;                      /* accept to 101 */
	int64_t unauth_timeout;                         /* 101 to mark_authenticated; 0 = off */
	int64_t ping_interval;                          /* idle time before a Ping; 0 = off */
	int64_t ping_max_missed;
	int64_t max_message;    /* octets of one received message */
	int64_t send_queue_max; /* octets waiting per connection */
	int64_t rate;           /* messages per second and connection; 0 = off */
	int64_t burst;
};

/* Any of them may be NULL. `c` is valid until on_close returns. */
struct cscf_ws_cbs {
	void (*on_open)(void *arg, struct cscf_ws_conn *c);
	/* bytes: borrowed, not terminated, 1..max_message octets; text is valid UTF-8 */
	void (*on_message)(void *arg, struct cscf_ws_conn *c, const uint8_t *bytes, size_t len,
			   bool binary);
	/* code: the close code received or sent, 1005 or 1006 when there was none */
	void (*on_close)(void *arg, struct cscf_ws_conn *c, enum cscf_ws_cause cause,
			 uint16_t code);
};

struct cscf_ws_counts {
	size_t open;        /* on_open called, on_close not yet */
	size_t handshaking; /* accepted, Upgrade not finished */
	size_t queued;      /* octets waiting in all send queues */
};

/*
 * Who is served first, on a base with CSCF_WS_PRIORITIES of libevent's priorities (smaller is
 * sooner; the base's own default is CSCF_WS_PRIO_USUAL): open connections and all the rest, then
 * handshakes under way, then new connections. So a crowd that comes back at once is taken in as
 * fast as its handshakes get done, the others wait in the kernel without a deadline of ours, and
 * nobody who is in feels it; where open connections leave no pause, a few new ones and a few
 * handshakes go with them each 100 ms. On any other base all are equal.
 */
enum { CSCF_WS_PRIO_USUAL = 2, CSCF_WS_PRIO_HANDSHAKE, CSCF_WS_PRIO_ACCEPT, CSCF_WS_PRIORITIES };
/** A base like that, which looks for sooner events and timers after each 2 ms; NULL on failure. */
struct event_base *cscf_ws_base_new(void);

/**
 * Bind, load the certificate, listen.
 *
 * @param cbs     copied
 * @param errbuf  on failure one line saying what and where; may be NULL
 * @return GW_OK; GW_ERR_INVAL bad address, no address at all, plain ws off loopback, unknown TLS
 *         version, limit out of range; GW_ERR_CRYPTO certificate or key; GW_ERR_IO, GW_ERR_EXISTS
 *         (address in use), GW_ERR_DENIED bind or listen; GW_ERR_NOMEM
 */
enum gw_err cscf_ws_listener_new(struct cscf_ws_listener **out, struct event_base *base,
				 const struct cscf_ws_config *cfg, const struct cscf_ws_cbs *cbs,
				 void *arg, char *errbuf, size_t errlen) GW_MUST_CHECK;

/** Drop every connection at once (on_close is called for the open ones) and free. NULL is legal. */
void cscf_ws_listener_free(struct cscf_ws_listener *l);

/** Close the listening sockets; unfinished handshakes end with 503; open connections stay. */
void cscf_ws_listener_stop_accepting(struct cscf_ws_listener *l);

/** Answer every further handshake with 503 (a drain), or take them in again; nothing else changes.
 */
void cscf_ws_listener_refuse(struct cscf_ws_listener *l, bool on);
/** Connections that come from now on have this id or a higher one. */
uint64_t cscf_ws_listener_next_id(const struct cscf_ws_listener *l);

/** Stop accepting and start the closing handshake on every open connection (WS-35). */
void cscf_ws_listener_drain(struct cscf_ws_listener *l, uint16_t code, const char *reason);

/**
 * Read certificate and key again; new connections use them, existing ones are not touched
 * (SEC-02). On failure the old ones stay in use.
 * @return GW_OK; GW_ERR_STATE no wss address; GW_ERR_CRYPTO; GW_ERR_NOMEM
 */
enum gw_err cscf_ws_tls_reload(struct cscf_ws_listener *l, char *errbuf,
			       size_t errlen) GW_MUST_CHECK;

struct cscf_ws_counts cscf_ws_listener_counts(const struct cscf_ws_listener *l);

/** Port the wss (tls) or plain ws socket is bound to, for listeners on port 0; 0 = none. */
uint16_t cscf_ws_listener_port(const struct cscf_ws_listener *l, bool tls);

/** Walk the open connections: start with *cursor = 0; NULL at the end. The one returned may be
 * closed.
 */
struct cscf_ws_conn *cscf_ws_conn_next(const struct cscf_ws_listener *l, uint64_t *cursor);

#endif
