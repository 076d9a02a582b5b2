/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The SIP stack: transports of both sides and the transactions over them (RFC 3261 s17, s18;
 * RFC 6026; RFC 3263; RFC 3581; RFC 7118). The layers above see messages, flows and handles:
 * no socket, no Via handling, no retransmission, no libosip2.
 *
 *        registrar, session
 *    requests ^  | cscf_sip_respond      responses ^  | cscf_sip_request, _cancel, _send_ack
 *   +---------|--v----------------------------------|--v-----------+
 *   | server transactions                 client transactions      |
 *   | checks: malformed, Max-Forwards, loop, Proxy-Require         |
 *   +-------------^----------------------------------^-------------+
 *     W2: WebSocket connections (ws_ops)     Mw: UDP, TCP, resolver
 *
 * What a request went through before on_request: limits and grammar (400/513/505/416), known
 * CSeq, Max-Forwards (483), loop check (482), Proxy-Require (420), received/rport set in its top
 * Via, retransmissions absorbed. INVITEs have been answered with 100 where the upper layer was
 * silent for 200 ms. Nothing is known about its sender's rights.
 *
 * Handles (server, client) name transactions; a finished one is GW_ERR_NOT_FOUND, never a crash.
 * Callbacks run on the loop thread and may call every function here except _free.
 * Callbacks about a transaction never come from within the call that created it.
 * Thread: the loop thread of the event base.
 */
#ifndef CSCF_SIP_STACK_H
#define CSCF_SIP_STACK_H

#include "common/conf.h"
#include "common/err.h"
#include "common/handle.h"
#include "cscf/sip/flow.h"
#include "cscf/sip/msg.h"
#include "cscf/sip/overload.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct event_base;
struct cscf_sip_stack;

/* --- configuration --- */

/*
 * Fields have the types of common/conf.h, so the process's key table can point into them.
 * Borrowed: must outlive the stack. Start from cscf_sip_config_defaults().
 */
struct cscf_sip_config {
	struct gw_conf_list mw_listen;    /* mw.listen: "0.0.0.0:5060", several allowed */
	struct gw_conf_list mw_transport; /* mw.transport: "tcp", "udp"; empty = both */
	struct gw_conf_list mw_peers;     /* mw.peers, see peers.h; empty = nobody */
	char *mw_name;                    /* mw.name: host of our Via, Path, Record-Route */
	int64_t mw_port; /* mw.port: port advertised there; 0 = that of listen[0] */
	/* mw.hosts: "name=address[:port][;transport=tcp]", looked at before DNS; a name may
	 * come several times: its targets in order. */
	struct gw_conf_list mw_hosts;
	struct gw_conf_list dns_servers; /* dns.servers: "127.0.0.1:5353"; empty = the system's */
	int64_t dns_timeout_ms;          /* dns.timeout */
	int64_t w2_keep_s;               /* ws.flow_timer in seconds: answer to keep (RFC 6223) */
	char *w2_name;                   /* host of our Via towards WICs; "" = mw_name */

	int64_t max_message;   /* sip.max_message, octets */
	int64_t max_headers;   /* sip.max_headers */
	int64_t max_line;      /* sip.max_line, octets */
	int64_t max_malformed; /* sip.max_malformed, in a row, then the WebSocket is closed 1002 */
	int64_t timer_c_ms;    /* sip.timer_c */
	int64_t t1_ms, t2_ms, t4_ms;
	int secagree;                        /* secagree.mode: enum cscf_sip_secagree_mode */
	int64_t overload_high, overload_low; /* percent */
	int64_t overload_max_lag_ms;         /* the loop as late as this is 100 % */
	int64_t overload_retry_s, overload_retry_max_s; /* Retry-After, random between */
	int64_t max_server_txns;                        /* sip.max_server_transactions */
	int64_t max_client_txns;                        /* sip.max_client_transactions */
	int64_t max_tcp_conns;                          /* mw.max_tcp_connections */
	int64_t tcp_idle_ms;    /* mw.tcp_idle: close an idle connection that we opened */
	int64_t tcp_connect_ms; /* mw.tcp_connect_timeout */
	int64_t tcp_queue_max;  /* mw.tcp_queue_max, octets waiting per connection */
	int64_t udp_max;        /* mw.udp_max: larger requests go by TCP (1300) */
};

/* In the order of the words of secagree.mode. */
enum cscf_sip_secagree_mode {
	CSCF_SIP_SECAGREE_REJECT,
	CSCF_SIP_SECAGREE_IGNORE,
	CSCF_SIP_SECAGREE_TLS,
};

/** Numbers filled, lists empty, names NULL. */
void cscf_sip_config_defaults(struct cscf_sip_config *cfg);

/* --- what the stack tells --- */

/* One message at the edge of the stack, as it is on the wire. */
struct cscf_sip_wire {
	bool in;
	const struct cscf_sip_flow *flow;
	const struct cscf_sip_msg *msg; /* borrowed */
	/* Not 0: that answer of ours to msg, a request, goes out once more; or with `why`, a word
	 * for it: the stack itself refuses msg so. */
	int again_status;
	const char *why; /* static */
};

struct cscf_sip_stack_cbs {
	/**
	 * A new request other than ACK and CANCEL, initial or in a dialog. `msg` is borrowed: it
	 * stays with the server transaction (cscf_sip_server_request) until that ends. Answer
	 * every request: a non-INVITE left alone is dropped after 64*T1, an INVITE after 10 min.
	 */
	void (*on_request)(void *arg, gw_handle server, const struct cscf_sip_msg *msg,
			   const struct cscf_sip_flow *flow);
	/** An ACK to a 2xx (or to nothing we know): to be relayed by dialog. Borrowed. */
	void (*on_ack)(void *arg, const struct cscf_sip_msg *msg, const struct cscf_sip_flow *flow);
	/**
	 * A CANCEL for the INVITE `server`, already answered 200. The INVITE still wants its final
	 * answer (487). Not called once a final response was sent.
	 */
	void (*on_cancel)(void *arg, gw_handle server, const struct cscf_sip_msg *cancel);
	/**
	 * A server transaction ended: the handle is stale from now on. `acked`: an INVITE answered
	 * 3xx-6xx got its ACK. May be NULL.
	 */
	void (*on_server_done)(void *arg, gw_handle server, bool acked);
	/** A W2 connection is there / is gone. May be NULL. */
	void (*on_flow_open)(void *arg, const struct cscf_sip_flow *flow);
	void (*on_flow_closed)(void *arg, const struct cscf_sip_flow *flow);
	/**
	 * Is a request of either side an emergency, so that no limit may hit it (message rate,
	 * overload, drain)? Cheap and without effects: asked more than once. NULL = none is.
	 */
	bool (*is_emergency)(void *arg, const struct cscf_sip_msg *req,
			     const struct cscf_sip_flow *flow);
	/**
	 * During a drain: does this REGISTER bring back somebody who has a call here and lost his
	 * connection? Cheap and without effects. NULL = nobody comes back.
	 */
	bool (*comes_back)(void *arg, const struct cscf_sip_msg *req);
	/**
	 * May one more emergency request of a WIC pass the limits? Asked once for each, not for
	 * ACK, CANCEL and repeats. false: 503 without a transaction. NULL = all may.
	 */
	bool (*admit_emergency)(void *arg, const struct cscf_sip_msg *req,
				const struct cscf_sip_flow *flow);
	/** Each message that comes or goes, before all else is done with it. May be NULL. */
	void (*on_wire)(void *arg, const struct cscf_sip_wire *w);
};

/*
 * How the stack reaches the WebSocket connections: ws_link.h over cscf/ws, or a fake in tests.
 * Those but send and close may be NULL.
 */
struct cscf_sip_ws_ops {
	/** Queue one message, as text when it is valid UTF-8, else binary (WS-07).
	 * @return GW_OK; GW_ERR_GONE; GW_ERR_LIMIT queue full; GW_ERR_NOMEM */
	enum gw_err (*send)(void *ws_arg, uint64_t conn, const char *data, size_t n);
	/** Close with a WebSocket code; cscf_sip_w2_closed follows. */
	void (*close)(void *ws_arg, uint64_t conn, uint16_t code, const char *reason);
	/** Take one token of the connection's message rate (WS-25). @return false: none left */
	bool (*take_token)(void *ws_arg, uint64_t conn);
	/** A registration lives on the connection / none does any more (WS-24). */
	void (*set_authenticated)(void *ws_arg, uint64_t conn, bool yes);
	/** Origin of the handshake, "" when there was none. */
	const char *(*origin)(void *ws_arg, uint64_t conn);
};

/* --- life --- */

/**
 * Open the Mw listeners and be ready.
 * @param cfg, cbs, ws_ops  borrowed, must outlive the stack; ws_ops may be NULL (no W2 side)
 * @param errbuf  on failure: one line with the cause
 * @return GW_OK; GW_ERR_INVAL bad configuration; GW_ERR_IO cannot listen; GW_ERR_NOMEM
 */
enum gw_err cscf_sip_stack_new(struct cscf_sip_stack **out, struct event_base *base,
			       const struct cscf_sip_config *cfg,
			       const struct cscf_sip_stack_cbs *cbs, void *cbs_arg,
			       const struct cscf_sip_ws_ops *ws_ops, void *ws_arg, char *errbuf,
			       size_t errlen) GW_MUST_CHECK;
/** Drop all transactions silently, close the Mw sockets. No callback is made. NULL is legal. */
void cscf_sip_stack_free(struct cscf_sip_stack *s);

/** Planned stop: new initial requests get 503 + Retry-After from the stack itself (WS-35). */
void cscf_sip_stack_drain(struct cscf_sip_stack *s, bool on);

/** How loaded we are, looked at now. */
const struct cscf_sip_overload *cscf_sip_stack_overload(struct cscf_sip_stack *s);
/** The operator says how loaded we are in percent (SEC-19); -1 = measure. */
void cscf_sip_stack_overload_force(struct cscf_sip_stack *s, int percent);
/** Seconds for the Retry-After of a 503 of ours, random (overload.retry_after). */
unsigned cscf_sip_stack_retry_after(const struct cscf_sip_stack *s);

struct cscf_sip_counts {
	size_t server_txns;
	size_t client_txns;
	size_t tcp_conns;
	size_t w2_conns;
	size_t dns_queries; /* under way */
	/* of those transactions, without a final response yet; the rest only absorbs repeats */
	size_t server_pending;
	size_t client_pending;
};
void cscf_sip_stack_counts(const struct cscf_sip_stack *s, struct cscf_sip_counts *out);

/** Address a Mw UDP/TCP listener is really bound to (tests with port 0). @return false: none */
bool cscf_sip_stack_mw_addr(const struct cscf_sip_stack *s, enum cscf_sip_transport transport,
			    struct gw_addr *out);
/** "name:port" of our Mw side for Path, Record-Route and Contact. */
const char *cscf_sip_stack_mw_hostport(const struct cscf_sip_stack *s);
/** Host (no port) of our W2 side for Record-Route towards WICs. */
const char *cscf_sip_stack_w2_host(const struct cscf_sip_stack *s);

/** Keep an eye on a core target: when was it last heard of? (health.h) */
void cscf_sip_stack_watch(struct cscf_sip_stack *s, const struct cscf_sip_flow *flow);
/** Milliseconds since a watched target was heard of; -1 = not watched. */
int64_t cscf_sip_stack_quiet_ms(const struct cscf_sip_stack *s, const struct cscf_sip_flow *flow);

/* --- W2 connections: called by whoever owns the WebSockets --- */

/** A connection is open (101 sent). @return GW_OK; GW_ERR_EXISTS; GW_ERR_NOMEM */
enum gw_err cscf_sip_w2_opened(struct cscf_sip_stack *s, uint64_t conn, bool secure,
			       const struct gw_addr *local,
			       const struct gw_addr *remote) GW_MUST_CHECK;
/** One whole WebSocket message, text or binary (WS-06). */
void cscf_sip_w2_message(struct cscf_sip_stack *s, uint64_t conn, const char *data, size_t n);
/** The connection is gone: its client transactions end with a local 503. */
void cscf_sip_w2_closed(struct cscf_sip_stack *s, uint64_t conn);

/** Is a W2 connection open? `flow` (may be NULL) is filled when it is. */
bool cscf_sip_conn_alive(const struct cscf_sip_stack *s, uint64_t conn, struct cscf_sip_flow *flow);
/** Ask for a W2 connection to be closed (1000, 1008, …). Unknown id: no effect. */
void cscf_sip_conn_close(struct cscf_sip_stack *s, uint64_t conn, uint16_t code,
			 const char *reason);
/** Tell the WebSocket that a registration lives on it, or none any more (WS-24). */
void cscf_sip_conn_set_authenticated(struct cscf_sip_stack *s, uint64_t conn, bool yes);
/** Origin header of the connection's handshake; "" when unknown. */
const char *cscf_sip_conn_origin(const struct cscf_sip_stack *s, uint64_t conn);

/* --- server side --- */

/** The request of a live server transaction; NULL when gone. Borrowed. */
const struct cscf_sip_msg *cscf_sip_server_request(const struct cscf_sip_stack *s,
						   gw_handle server);
/** @return false when the transaction is gone */
bool cscf_sip_server_flow(const struct cscf_sip_stack *s, gw_handle server,
			  struct cscf_sip_flow *out);

/**
 * Send a response: provisional, final, or (INVITE) a further 2xx, which goes out as often as it
 * is handed in during 64*T1 after the first (RFC 6026). Its Via list is replaced by the
 * request's, so a relayed response needs no Via care; a missing To tag is added (not to 100).
 * @param rsp  consumed, also on error
 * @return GW_OK (also when the connection has gone: the response is discarded, WS-18);
 *         GW_ERR_NOT_FOUND transaction over; GW_ERR_STATE a final response was sent before;
 *         GW_ERR_INVAL not a response; GW_ERR_NOMEM
 */
enum gw_err cscf_sip_respond(struct cscf_sip_stack *s, gw_handle server,
			     struct cscf_sip_msg *rsp) GW_MUST_CHECK;

/**
 * The WIC that sent the request is on another connection: answers go there from now on, and its
 * CANCEL and ACK are taken from there (RFC 7118 s5: no other way to reach it).
 * @param again  the final response that went out before is said there once more
 * @return false when the transaction is over, or its request came over Mw
 */
bool cscf_sip_server_move(struct cscf_sip_stack *s, gw_handle server,
			  const struct cscf_sip_flow *flow, bool again);

/**
 * Build and send a response of our own.
 * @param reason  NULL = the usual phrase
 * @param ...     pairs of const char *name, const char *value, ended by (char *)NULL
 */
enum gw_err cscf_sip_reply(struct cscf_sip_stack *s, gw_handle server, int status,
			   const char *reason, ...) __attribute__((sentinel));

/** The To tag the stack uses for its own answers on this transaction; "" when gone. */
const char *cscf_sip_server_to_tag(const struct cscf_sip_stack *s, gw_handle server);

/* --- client side --- */

/* Where a request goes. */
struct cscf_sip_dest {
	const struct cscf_sip_flow *flow; /* W2: that connection and no other; Mw TCP: that
					   * connection, else a new one to its address */
	/* Without flow: SIP URIs or "host[:port]", tried in order, each resolved by RFC 3263.
	 * One entry is the usual case; several are exit points (home.entry_points). */
	const char *const *uris;
	size_t n_uris;
};

/* What is known about a response besides its text. */
enum cscf_sip_cause {
	CSCF_SIP_CAUSE_NONE,      /* a real response */
	CSCF_SIP_CAUSE_TIMEOUT,   /* timer B or F: local 408 */
	CSCF_SIP_CAUSE_TRANSPORT, /* cannot send, connection lost: local 503 */
	CSCF_SIP_CAUSE_NO_TARGET, /* nothing to resolve to: local 503 */
	CSCF_SIP_CAUSE_TIMER_C,   /* rang too long: local 408, CANCEL sent */
	CSCF_SIP_CAUSE_CANCELLED, /* no final answer 64*T1 after our CANCEL: local 487 */
	CSCF_SIP_CAUSE_LIMIT,     /* refused by our own limits: local 503 */
};

struct cscf_sip_response_info {
	bool local; /* made by the stack: cause says why */
	enum cscf_sip_cause cause;
	bool provisional;          /* who was asked last had said 1xx, be it only 100 */
	struct cscf_sip_flow flow; /* where it came from, or where the request was sent last */
};

struct cscf_sip_client_cbs {
	/**
	 * Every response except 100: provisional, final, for INVITE also repeated 2xx and 2xx of
	 * other forks during 64*T1. `rsp` is borrowed; our Via is already off. 503, timeout and
	 * transport errors (and 3xx, 480 with exit_points) come only when no target is left.
	 */
	void (*on_response)(void *arg, gw_handle client, const struct cscf_sip_msg *rsp,
			    const struct cscf_sip_response_info *info);
	/** The transaction is over; no callback follows, `arg` may be freed. May be NULL. */
	void (*on_done)(void *arg, gw_handle client);
};

struct cscf_sip_client_opt {
	uint32_t timer_c_ms; /* INVITE: 0 = the configured value */
	uint32_t timeout_ms; /* timer B/F: 0 = 64*T1; F a little less, as who asked us waits */
	bool no_failover;    /* only the first target */
	/* The URIs are exit points, one as good as the other (REG-10, SEC-21): 3xx and 480 are as
	 * 503, one that asked for time by Retry-After is left alone, they share timer F. */
	bool exit_points;
};

/**
 * Start a client transaction. The stack puts its Via on top, chooses the transport (more than
 * 1300 octets: TCP, SEC-25), retransmits, fails over, and ACKs 3xx-6xx to INVITE.
 *
 * @param msg   consumed, also on error
 * @param opt   may be NULL
 * @param cbs   borrowed: static
 * @return GW_OK; GW_ERR_GONE the flow's connection is closed; GW_ERR_LIMIT too many
 *         transactions; GW_ERR_INVAL no request, ACK or CANCEL, or no destination;
 *         GW_ERR_NOMEM. On an error no callback follows.
 */
enum gw_err cscf_sip_request(struct cscf_sip_stack *s, struct cscf_sip_msg *msg,
			     const struct cscf_sip_dest *dest,
			     const struct cscf_sip_client_opt *opt,
			     const struct cscf_sip_client_cbs *cbs, void *arg,
			     gw_handle *client) GW_MUST_CHECK;

/**
 * Cancel an INVITE. Held back until a provisional response arrived; without any, timer B ends
 * it. After 64*T1 without a final response: local 487.
 * @param reason  value of a Reason header (RFC 3326) or NULL
 * @return GW_OK; GW_ERR_NOT_FOUND; GW_ERR_STATE final response there, or no INVITE
 */
enum gw_err cscf_sip_cancel(struct cscf_sip_stack *s, gw_handle client,
			    const char *reason) GW_MUST_CHECK;

/** What still comes goes to somebody else. @return false: the transaction is over */
bool cscf_sip_client_rebind(struct cscf_sip_stack *s, gw_handle client,
			    const struct cscf_sip_client_cbs *cbs, void *arg) GW_MUST_CHECK;
/** Stop the callbacks of a client transaction (its owner dies); it ends by itself. */
void cscf_sip_client_detach(struct cscf_sip_stack *s, gw_handle client);
bool cscf_sip_client_alive(const struct cscf_sip_stack *s, gw_handle client);

/**
 * Send an ACK to a 2xx: our Via on top, no transaction, no answer (RFC 3261 s13.2.2.4).
 * @param msg  consumed, also on error
 */
enum gw_err cscf_sip_send_ack(struct cscf_sip_stack *s, struct cscf_sip_msg *msg,
			      const struct cscf_sip_dest *dest) GW_MUST_CHECK;

#endif
