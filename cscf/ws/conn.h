/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One WebSocket connection of a WIC (W2), after its Upgrade was accepted. Whole messages in,
 * whole messages out; nothing here knows what a SIP message is.
 *
 *   on_open ──> on_message … on_message ──> on_close
 *
 * A connection is named by a 64-bit id that is never used again; across any asynchronous gap
 * keep the id and look it up (cscf_ws_conn_find): "gone" is a normal answer. The pointer is valid
 * from on_open until on_close returns. Callbacks are made from the loop only, never from inside a
 * call of yours, so a connection cannot vanish under the caller of send or close.
 *
 * Thread: the loop thread of the listener's event base.
 * Spec: RFC 6455, RFC 7118; WS-06, 07, 09, 11, 12, 18..22, 24, 25, 37.
 */
#ifndef CSCF_WS_CONN_H
#define CSCF_WS_CONN_H

#include "common/err.h"
#include "common/sockaddr.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct cscf_ws_conn;
struct cscf_ws_listener;

/* Close codes of RFC 6455 s7.4.1 and the IANA registry that we use. */
enum cscf_ws_code {
	CSCF_WS_NORMAL = 1000,
	CSCF_WS_GOING_AWAY = 1001,
	CSCF_WS_PROTOCOL_ERROR = 1002,
	CSCF_WS_NO_STATUS = 1005, /* never on the wire: the peer's close had no code */
	CSCF_WS_ABNORMAL = 1006,  /* never on the wire: lost without a close frame */
	CSCF_WS_BAD_DATA = 1007,
	CSCF_WS_POLICY = 1008,
	CSCF_WS_TOO_BIG = 1009,
	CSCF_WS_INTERNAL = 1011,
	CSCF_WS_SERVICE_RESTART = 1012,
	CSCF_WS_TRY_LATER = 1013,
};

/* Why a connection ended; names, log level and counters: cscf_ws_cause_name, conn.c. */
enum cscf_ws_cause {
	CSCF_WS_CAUSE_PEER_CLOSE,     /* the WIC sent a close frame */
	CSCF_WS_CAUSE_PEER_LOST,      /* reset or end of stream without a close frame */
	CSCF_WS_CAUSE_LOCAL,          /* cscf_ws_conn_close or a drain */
	CSCF_WS_CAUSE_PROTOCOL,       /* the WIC broke RFC 6455: 1002, 1007 */
	CSCF_WS_CAUSE_TOO_BIG,        /* message over ws.max_message: 1009 */
	CSCF_WS_CAUSE_QUEUE_FULL,     /* ws.send_queue_max: 1013 */
	CSCF_WS_CAUSE_FLOOD,          /* more frames than any WIC sends: 1008 */
	CSCF_WS_CAUSE_UNAUTH_TIMEOUT, /* no successful REGISTER in ws.unauth_timeout: 1008 */
	CSCF_WS_CAUSE_PING_TIMEOUT,   /* ws.ping_max_missed Pongs missing */
	CSCF_WS_CAUSE_TLS,            /* TLS failure after the handshake */
	CSCF_WS_CAUSE_NOMEM,
	CSCF_WS_CAUSE_COUNT
};

/** Word for logs and metrics: "peer-close", "ping-timeout", …; never NULL. */
const char *cscf_ws_cause_name(enum cscf_ws_cause cause);

/** The connection's name; never 0, never reused, below 2^53 (exact in JSON). */
uint64_t cscf_ws_conn_id(const struct cscf_ws_conn *c);

/** @return the open connection of that id, or NULL: unknown, closing or closed */
struct cscf_ws_conn *cscf_ws_conn_find(const struct cscf_ws_listener *l, uint64_t id);

/**
 * Queue one message (copied); it leaves as one unfragmented frame. Never blocks.
 *
 * @param binary  false: text frame, which the caller may use only for valid UTF-8 (WS-07; see
 *                cscf_ws_utf8_valid); true: binary frame
 * @return GW_OK queued; GW_ERR_GONE already closing; GW_ERR_LIMIT ws.send_queue_max exceeded:
 *         nothing was queued and the connection is being closed with 1013 (WS-37); GW_ERR_NOMEM
 */
enum gw_err cscf_ws_conn_send(struct cscf_ws_conn *c, const void *bytes, size_t len,
			      bool binary) GW_MUST_CHECK;

/** Is this text fit for a text frame (RFC 3629, no surrogates, nothing above U+10FFFF)? */
bool cscf_ws_utf8_valid(const void *bytes, size_t len);

/**
 * Start the closing handshake: what is queued goes out, then the close frame, then we wait at
 * most 5 s for the peer's. on_close follows from the loop. Nothing is received any more. A
 * second call has no effect.
 *
 * @param code    see enum cscf_ws_code; not 1005 or 1006
 * @param reason  UTF-8, cut at 123 octets; NULL = none
 */
void cscf_ws_conn_close(struct cscf_ws_conn *c, uint16_t code, const char *reason);

/** The WIC's address: the socket's, or that of the PROXY header of a believed balancer. */
const struct gw_addr *cscf_ws_conn_peer(const struct cscf_ws_conn *c);
/** Our own address on that socket. */
const struct gw_addr *cscf_ws_conn_local(const struct cscf_ws_conn *c);
bool cscf_ws_conn_is_tls(const struct cscf_ws_conn *c);
/** Origin of the handshake; "" when there was none. */
const char *cscf_ws_conn_origin(const struct cscf_ws_conn *c);

/** End of the unauthenticated deadline: a REGISTER on this connection succeeded (WS-24). */
void cscf_ws_conn_mark_authenticated(struct cscf_ws_conn *c);
/** The last registration of this connection ended: the deadline starts anew. */
void cscf_ws_conn_mark_unauthenticated(struct cscf_ws_conn *c);

/**
 * Take one token of this connection's message rate (ws.rate, ws.burst; WS-25). The caller knows
 * which messages are exempt (responses, ACK, CANCEL, BYE, emergency) and does not ask for those.
 * @return false: over the limit; answer 503 with Retry-After, then close with 1008
 */
bool cscf_ws_conn_take_token(struct cscf_ws_conn *c);

/** A pointer of the user's, NULL at first; never touched by us. */
void cscf_ws_conn_set_user(struct cscf_ws_conn *c, void *user);
void *cscf_ws_conn_user(const struct cscf_ws_conn *c);

/** Octets queued towards this WIC and not yet taken by the kernel. */
size_t cscf_ws_conn_queued(const struct cscf_ws_conn *c);
/** Seconds since on_open. */
unsigned cscf_ws_conn_age_s(const struct cscf_ws_conn *c);

#endif
