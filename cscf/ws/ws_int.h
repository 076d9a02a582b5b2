/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the files of cscf/ws share: the two structs, and what a connection asks of its listener.
 *
 *   PROXY ──> TLS ──> HTTP ──────────────> OPEN ──> CLOSING ──> LINGER ──> DEAD
 *     │        │       └─ refused: LINGER   └ bad frame, peer's close: LINGER
 *     └────────┴─ lost, timeout: DEAD
 *
 * PROXY only from listed balancers, TLS only on wss. CLOSING: our close frame is queued, the
 * peer's is awaited. LINGER: the rest of the output leaves, then FIN; input is thrown away until
 * the peer's FIN, so that no reset overtakes our last words. DEAD: socket gone; on_close and the
 * memory follow from the listener's reaper, never inside somebody's callback.
 * Thread: the loop thread.
 */
#ifndef CSCF_WS_WS_INT_H
#define CSCF_WS_WS_INT_H

#include "cscf/ws/bucket.h"
#include "cscf/ws/frame.h"
#include "cscf/ws/listener.h"
#include "cscf/ws/proxy_header.h"
#include "cscf/ws/stats.h"
#include "cscf/ws/stream.h"
#include "cscf/ws/tally.h"
#include "cscf/ws/upgrade.h"

#define HASH_NONFATAL_OOM 1
#include <uthash.h>

#define CSCF_WS_CLOSE_TIMEOUT_MS 5000 /* our close frame to the peer's */
#define CSCF_WS_LINGER_MS        2000 /* last octet to the peer's FIN */
/* Frames of any kind may come this many times faster than messages (ws.rate, ws.burst). */
#define CSCF_WS_FRAMES_PER_MESSAGE 10

enum cscf_ws_phase {
	CSCF_WS_PHASE_PROXY,
	CSCF_WS_PHASE_TLS,
	CSCF_WS_PHASE_HTTP,
	CSCF_WS_PHASE_OPEN,
	CSCF_WS_PHASE_CLOSING,
	CSCF_WS_PHASE_LINGER,
	CSCF_WS_PHASE_DEAD,
};

/* The PROXY header as far as it has come. */
struct cscf_ws_proxy {
	uint8_t bytes[CSCF_WS_PROXY_MAX];
	size_t n, need;
};

struct cscf_ws_conn {
	UT_hash_handle hh;         /* by id, from accept to death */
	struct cscf_ws_conn *next; /* on the listener's list of the dead */
	struct cscf_ws_conn *line_prev, *line_next;
	struct cscf_ws_listener *l; /* borrowed: outlives us */
	uint64_t id;
	enum cscf_ws_phase phase;
	bool tls;     /* wss */
	bool opened;  /* on_open was called: on_close is owed */
	bool in_line; /* line.c */
	bool in_pump; /* on the stack below us: it will flush */
	bool shut;    /* FIN sent */
	struct cscf_ws_stream stream;
	struct evbuffer *out; /* owned; frames and answers on their way */
	size_t out_counted;   /* of it, in the listener's sum */
	struct gw_addr peer, local;

	/* before OPEN; owned, NULL after */
	struct cscf_ws_proxy *proxy;
	struct cscf_ws_upgrade *upgrade;
	enum cscf_ws_reject refuse; /* decided at accept; answered when the request is known */

	struct cscf_ws_frames *frames; /* owned */
	char *origin;                  /* owned; NULL before OPEN */
	bool counted_source, counted_origin;

	struct event *deadline; /* owned: handshake, authentication, closing */
	struct event *ping;     /* owned */
	int64_t opened_ms, last_rx_ms;
	int64_t pings_missed;
	struct cscf_ws_bucket messages, frames_rate;

	enum cscf_ws_cause cause;
	uint16_t code;
	void *user;
};

struct cscf_ws_socket {
	struct cscf_ws_listener *l; /* borrowed */
	int fd;                     /* -1 = none */
	bool tls;
	struct event *ev; /* owned */
};

struct cscf_ws_listener {
	struct event_base *base;   /* borrowed */
	struct cscf_ws_config cfg; /* strings borrowed */
	struct cscf_ws_upgrade_rules rules;
	struct cscf_ws_cbs cbs;
	void *arg;
	struct ssl_ctx_st *tls_ctx; /* owned; of new connections */
	struct cscf_ws_socket sockets[2];
	struct event *resume; /* owned: end of an accept pause */
	struct event *reap;   /* owned */
	struct event *fair;   /* owned: some new connections even when the others never pause */
	bool accepted;        /* since `fair` looked last */
	bool hurry;           /* what is accepted now goes before nobody, but not behind all */
	struct cscf_ws_conn *conns; /* owned; hash by id */
	struct cscf_ws_conn *last;  /* whose event came last, NULL = none; looked at first */
	struct cscf_ws_conn *dead;  /* owned */
	struct cscf_ws_conn
	    *line; /* borrowed; handshakes under way behind the open ones (line.c) */
	uint64_t next_id;
	struct cscf_ws_tally sources, origins;
	size_t n_conns, n_open, n_refusing, queued;
	bool stopped;  /* no listening socket any more */
	bool refusing; /* cscf_ws_listener_refuse */
};

/* --- conn.c --------------------------------------------------------------------------------- */

/**
 * Take an accepted socket over; fd is closed on failure.
 * @param refuse  the answer its request will get whatever it is, or NONE
 */
enum gw_err cscf_ws_conn_new(struct cscf_ws_listener *l, int fd, bool tls,
			     const struct gw_addr *peer, enum cscf_ws_reject refuse) GW_MUST_CHECK;
/** Drop at once; on_close, if owed, follows from the reaper. */
void cscf_ws_conn_kill(struct cscf_ws_conn *c, enum cscf_ws_cause cause, uint16_t code);
void cscf_ws_conn_free(struct cscf_ws_conn *c);
/** Count what is queued into the listener's sum. */
void cscf_ws_conn_account(struct cscf_ws_conn *c);
/** Start the closing handshake; no effect unless OPEN. */
void cscf_ws_conn_start_close(struct cscf_ws_conn *c, enum cscf_ws_cause cause, uint16_t code,
			      const char *reason);
/** Output what is queued, then FIN, then wait for the peer's. */
void cscf_ws_conn_linger(struct cscf_ws_conn *c);
void cscf_ws_conn_arm(struct event *timer, int64_t ms);
int64_t cscf_ws_now_ms(void);
/** An IPv4-mapped IPv6 address of a dual-stack socket becomes the IPv4 address it is (WS-16). */
void cscf_ws_unmap(struct gw_addr *a);

/* --- handshake.c: PROXY header, TLS, Upgrade -------------------------------------------------- */

/** One step before OPEN, no octets read yet. @return GW_OK go on; GW_ERR_AGAIN wait */
enum gw_err cscf_ws_handshake_step(struct cscf_ws_conn *c) GW_MUST_CHECK;
/** Octets of the request; what lies behind it is fed to the frames. */
void cscf_ws_handshake_feed(struct cscf_ws_conn *c, const uint8_t *bytes, size_t len);
/** Count and log a refusal that has no HTTP answer, and drop. */
void cscf_ws_handshake_drop(struct cscf_ws_conn *c, enum cscf_ws_reject why);

/* --- line.c: handshakes that wait for the open connections --- */

void cscf_ws_line_join(struct cscf_ws_conn *c);
/** Open, or gone. Not in line: no effect. */
void cscf_ws_line_leave(struct cscf_ws_conn *c);
/** Let so many go with the open connections, whoever came first. */
void cscf_ws_line_advance(struct cscf_ws_listener *l, int most);

/* --- session.c: an open connection ------------------------------------------------------------ */

/** 101 is queued: start frames, timers and the user's part. */
enum gw_err cscf_ws_session_start(struct cscf_ws_conn *c) GW_MUST_CHECK;
void cscf_ws_session_feed(struct cscf_ws_conn *c, const uint8_t *bytes, size_t len);
/** Ping timer (ping.c). */
void cscf_ws_ping_start(struct cscf_ws_conn *c);
void cscf_ws_ping_fire(struct cscf_ws_conn *c);

#endif
