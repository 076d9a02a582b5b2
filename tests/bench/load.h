/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Load of many registered WICs out of one process: TLS, WebSocket and REGISTER with as little
 * work per message as a load generator can do, so that it is not what is measured. It checks
 * statuses, not contents: the tests do that. Measures time from the first octet sent to the 200.
 *
 *   load.c       options, commands on stdin, phases, results as JSON lines on stdout
 *   load_conn.c  one connection: TCP, TLS, Upgrade, frames
 *   load_sip.c   the REGISTER texts
 *   load_call.h  calls
 *
 * Thread: one, libevent's.
 */
#ifndef TESTS_BENCH_LOAD_H
#define TESTS_BENCH_LOAD_H

#include <event2/event.h>
#include <event2/event_struct.h>
#include <netinet/in.h>
#include <openssl/ssl.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define LOAD_TEXT_MAX 8192

struct load_options {
	struct sockaddr_in server;
	const char *path, *origin, *domain;
	const char *prefix;  /* of user names */
	uint32_t source;     /* first source address, host order */
	unsigned per_source; /* connections per source address */
	unsigned expires;    /* asked for */
	bool resume;         /* keep the TLS session of each client for its next connection */
	int tls_only;        /* handshake and one octet, then nothing: no HTTP */
};

enum load_state { LOAD_CLOSED, LOAD_TCP, LOAD_TLS, LOAD_HTTP, LOAD_OPEN };

enum load_result {
	LOAD_OK,
	LOAD_REFUSED, /* a final status other than 200; c->status */
	LOAD_LOST,    /* the connection is closed */
};

struct load_conn {
	unsigned id;
	enum load_state state;
	int fd;
	SSL *ssl;
	SSL_SESSION *session; /* owned; of the last connection */
	struct event rd, wr, timer, retry;
	uint8_t *rx, *tx; /* owned; what is incomplete, what is not sent */
	size_t rx_n, rx_size, tx_n;

	/* the registration */
	bool busy;       /* an operation is under way */
	bool registered; /* the last REGISTER got a 200 on this connection */
	bool plain;      /* answer no challenge: send the last credentials at once */
	unsigned cseq, serial, attempts;
	int status;
	unsigned retry_after; /* s, of the refusal */
	char nonce[80];
	int64_t started_us;
	bool probing;      /* a keep-alive is under way */
	bool closing;      /* of a storm: to be closed */
	unsigned failures; /* in a row */

	char routes[256];       /* Service-Route of its registration, as Route fields */
	struct load_call *call; /* see load_call.h; NULL: none */
};

extern struct load_options load_opt;
extern struct event_base *load_base;
extern unsigned long load_resumed, load_full; /* handshakes */
extern unsigned load_connecting;              /* between connect and 101 */

int64_t load_now_us(void);

/* --- load_conn.c */

bool load_tls_setup(void);
void load_conn_init(struct load_conn *c, unsigned id);
/** Connect, then register. The end is told by load_done. */
void load_conn_open(struct load_conn *c);
/** REGISTER on an open connection. */
void load_conn_register(struct load_conn *c, bool plain);
/** RFC 5626 keep-alive; load_done with LOAD_OK when the answer is there. */
void load_conn_probe(struct load_conn *c);
/** One SIP message. */
void load_conn_send(struct load_conn *c, const char *text, size_t n);
/** Close. orderly: with a close frame and close_notify; else by a reset. */
void load_conn_close(struct load_conn *c, bool orderly);

/* --- load_sip.c */

/** @return its length */
size_t load_register_text(char *to, size_t size, struct load_conn *c, bool credentials);
/** Read status, nonce and Retry-After. */
void load_response_read(struct load_conn *c, const char *text, size_t n);

/* --- load.c */

/** The client of that number; NULL: there is none. */
struct load_conn *load_client(unsigned id);
/** The next registered client with nothing to do; NULL = none. */
struct load_conn *load_idle(void);
/** Look, soon, whether there is something to start. */
void load_kick(void);

/** The time to connect again has come; arg is the connection. */
void load_retry(evutil_socket_t fd, short what, void *arg);

/** An operation ended (open, register, probe), or an open connection was lost meanwhile. Nothing is
 * started from inside: the caller may still look at the connection. */
void load_done(struct load_conn *c, enum load_result how);

#endif
