/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A listener on loopback and a tiny client of its own, both turned by the test's one thread.
 * Included by the tests of the listener; everything is static.
 */
#ifndef TESTS_UNIT_CSCF_WS_RIG_H
#define TESTS_UNIT_CSCF_WS_RIG_H

#include "common/log.h"
#include "cscf/ws/listener.h"
#include "cscf/ws/stats.h"
#include "tests/unit/cscf/ws/mask.h"

#include <arpa/inet.h>
#include <errno.h>
#include <event2/event.h>
#include <openssl/ssl.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#define RIG_ORIGIN "https://portal.example.net"
#define RIG_GET                                                                                    \
	"GET /sip HTTP/1.1\r\nHost: w2\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"           \
	"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"             \
	"Sec-WebSocket-Protocol: sip\r\n"
#define RIG_HANDSHAKE   RIG_GET "Origin: " RIG_ORIGIN "\r\n\r\n"
#define RIG_PATIENCE_MS 10000

struct rig {
	struct event_base *base;
	struct cscf_ws_listener *l;
	struct cscf_ws_config cfg;
	struct gw_conf_list origins, balancers;
	char *origin_items[2], *balancer_items[2];
	/* what the callbacks saw */
	unsigned opened, messages, closed;
	uint64_t last_id;
	size_t last_len;
	bool last_binary;
	uint8_t last[70000];
	enum cscf_ws_cause cause;
	uint16_t code;
	/* what on_message shall do */
	bool echo, close_on_message, ask_token;
	unsigned refused_tokens;
	bool priorities;             /* a base as the process has */
	void (*hook)(struct rig *r); /* after each message and each connection */
};

struct client {
	int fd;
	SSL *ssl;
	uint8_t in[300000];
	size_t n;
	bool eof, deaf; /* deaf: do not read */
	size_t keep;    /* when set: only that many of the last octets are of interest */
};

static inline int64_t rig_now_ms(void)
{
	struct timespec ts;

	(void)clock_gettime(CLOCK_MONOTONIC, &ts);
	return (int64_t)ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

static void rig_on_open(void *arg, struct cscf_ws_conn *c)
{
	struct rig *r = arg;

	r->opened++;
	r->last_id = cscf_ws_conn_id(c);
	assert_ptr_equal(cscf_ws_conn_find(r->l, r->last_id), c);
	assert_null(cscf_ws_conn_user(c));
	cscf_ws_conn_set_user(c, r);
	if (r->hook != NULL)
		r->hook(r);
}

static void rig_on_message(void *arg, struct cscf_ws_conn *c, const uint8_t *bytes, size_t len,
			   bool binary)
{
	struct rig *r = arg;

	r->messages++;
	r->last_len = len;
	r->last_binary = binary;
	assert_true(len <= sizeof(r->last));
	memcpy(r->last, bytes, len);
	if (r->ask_token && !cscf_ws_conn_take_token(c))
		r->refused_tokens++;
	if (r->echo)
		assert_int_equal(cscf_ws_conn_send(c, bytes, len, binary), GW_OK);
	if (r->close_on_message)
		cscf_ws_conn_close(c, CSCF_WS_NORMAL, "enough");
	if (r->hook != NULL)
		r->hook(r);
}

static void rig_on_close(void *arg, struct cscf_ws_conn *c, enum cscf_ws_cause cause, uint16_t code)
{
	struct rig *r = arg;

	assert_ptr_equal(cscf_ws_conn_user(c), r);
	assert_null(cscf_ws_conn_find(r->l, cscf_ws_conn_id(c)));
	r->closed++;
	r->cause = cause;
	r->code = code;
}

/* A configuration with everything at its default; the test changes it before rig_start. */
static inline void rig_init(struct rig *r)
{
	static char origin[] = RIG_ORIGIN;

	memset(r, 0, sizeof(*r));
	gw_log_init("test", GW_LOG_ERROR);
	r->origin_items[0] = origin;
	r->origins = (struct gw_conf_list){r->origin_items, 1};
	r->balancers = (struct gw_conf_list){r->balancer_items, 0};
	r->cfg = (struct cscf_ws_config){
	    .listen = "",
	    .insecure_listen = "127.0.0.1:0",
	    .path = "/sip",
	    .tls_cert = "",
	    .tls_key = "",
	    .tls_min_version = "1.2",
	    .allowed_origins = &r->origins,
	    .proxy_protocol_from = &r->balancers,
	    .require_origin = true,
	    .max_connections = 1000,
	    .max_per_source = 50,
	    .handshake_timeout = 10000,
	    .unauth_timeout = 60000,
	    .ping_interval = 30000,
	    .ping_max_missed = 2,
	    .max_message = 65536,
	    .send_queue_max = 1 << 20,
	    .rate = 20,
	    .burst = 100,
	};
}

static inline void rig_start(struct rig *r)
{
	static const struct cscf_ws_cbs cbs = {rig_on_open, rig_on_message, rig_on_close};
	char why[256] = "";

	r->base = r->priorities ? cscf_ws_base_new() : event_base_new();
	assert_non_null(r->base);
	if (cscf_ws_listener_new(&r->l, r->base, &r->cfg, &cbs, r, why, sizeof(why)) != GW_OK)
		fail_msg("listener: %s", why);
}

static inline void rig_stop(struct rig *r)
{
	unsigned owed = (unsigned)cscf_ws_listener_counts(r->l).open + r->closed;

	cscf_ws_listener_free(r->l);
	assert_int_equal(owed, r->closed); /* on_close exactly once for each on_open */
	assert_int_equal(r->opened, r->closed);
	event_base_free(r->base);
	assert_int_equal(gw_metric_get(&cscf_ws_stat[CSCF_WS_STAT_OPEN]), 0);
	assert_int_equal(gw_metric_get(&cscf_ws_stat[CSCF_WS_STAT_HANDSHAKES]), 0);
	assert_int_equal(gw_metric_get(&cscf_ws_stat[CSCF_WS_STAT_QUEUED]), 0);
}

/* --- the client ----------------------------------------------------------------------------- */

static inline void client_read(struct client *c)
{
	if (c->keep != 0 && c->n > c->keep) {
		memmove(c->in, c->in + c->n - c->keep, c->keep);
		c->n = c->keep;
	}
	while (!c->eof && !c->deaf && c->n < sizeof(c->in)) {
		ssize_t n;

		if (c->ssl != NULL) {
			size_t got = 0;
			int r = SSL_read_ex(c->ssl, c->in + c->n, sizeof(c->in) - c->n, &got);

			if (r != 1) {
				int why = SSL_get_error(c->ssl, r);

				c->eof = why != SSL_ERROR_WANT_READ && why != SSL_ERROR_WANT_WRITE;
				return;
			}
			n = (ssize_t)got;
		} else {
			n = recv(c->fd, c->in + c->n, sizeof(c->in) - c->n, MSG_DONTWAIT);
			if (n < 0 && (errno == EAGAIN || errno == EINTR))
				return;
		}
		if (n <= 0)
			c->eof = true;
		else
			c->n += (size_t)n;
	}
}

/* One turn of everybody; waits at most a millisecond for the client's socket. */
static inline void rig_turn(struct rig *r, struct client *c)
{
	(void)event_base_loop(r->base, EVLOOP_NONBLOCK);
	if (c != NULL) {
		struct pollfd p = {.fd = c->fd, .events = c->deaf || c->eof ? 0 : POLLIN};

		(void)poll(&p, 1, 1);
		client_read(c);
	} else {
		(void)poll(NULL, 0, 1);
	}
}

/* Turn until the condition holds; false when patience ends. */
#define RIG_AWAIT(r, c, condition)                                                                 \
	do {                                                                                       \
		int64_t until_ = rig_now_ms() + RIG_PATIENCE_MS;                                   \
		while (!(condition)) {                                                             \
			if (rig_now_ms() > until_)                                                 \
				fail_msg("waited in vain for %s", #condition);                     \
			rig_turn(r, c);                                                            \
		}                                                                                  \
	} while (0)

static inline void client_connect_port(struct client *c, uint16_t port)
{
	struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(port)};

	memset(c, 0, sizeof(*c));
	to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	c->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_true(c->fd >= 0);
	assert_int_equal(connect(c->fd, (struct sockaddr *)&to, sizeof(to)), 0);
}

static inline void client_connect(struct client *c, const struct rig *r)
{
	client_connect_port(c, cscf_ws_listener_port(r->l, false));
}

static inline void client_send(struct rig *r, struct client *c, const void *bytes, size_t len)
{
	const uint8_t *p = bytes;
	int64_t until = rig_now_ms() + RIG_PATIENCE_MS;

	while (len > 0) {
		ssize_t n = c->ssl != NULL ? SSL_write(c->ssl, p, (int)len)
					   : send(c->fd, p, len, MSG_DONTWAIT | MSG_NOSIGNAL);

		if (n > 0) {
			p += n;
			len -= (size_t)n;
			continue;
		}
		assert_true(rig_now_ms() < until);
		rig_turn(r, c);
	}
}

static inline void client_send_text(struct rig *r, struct client *c, const char *text)
{
	client_send(r, c, text, strlen(text));
}

/* One masked frame. */
static inline void client_frame(struct rig *r, struct client *c, uint8_t first, const void *payload,
				size_t len)
{
	uint8_t *w = malloc(len + MASK_HEAD_MAX);

	assert_non_null(w);
	client_send(r, c, w, mask_frame(w, first, payload, len));
	free(w);
}

static inline bool client_has(const struct client *c, const char *text)
{
	return memmem(c->in, c->n, text, strlen(text)) != NULL;
}

/* Finish the handshake and throw the 101 away. */
static inline void client_open(struct rig *r, struct client *c)
{
	unsigned before = r->opened;

	client_send_text(r, c, RIG_HANDSHAKE);
	RIG_AWAIT(r, c, r->opened == before + 1);
	RIG_AWAIT(r, c, c->n >= 4 && memcmp(c->in + c->n - 4, "\r\n\r\n", 4) == 0);
	assert_memory_equal(c->in, "HTTP/1.1 101 ", 13);
	assert_true(client_has(c, "\r\nSec-WebSocket-Protocol: sip\r\n"));
	c->n = 0;
}

static inline void client_close(struct client *c)
{
	SSL_free(c->ssl);
	c->ssl = NULL;
	if (c->fd >= 0)
		(void)close(c->fd);
	c->fd = -1;
}

/* Is the last thing received a close frame of this code, and the stream ended? */
static inline bool client_got_close(const struct client *c, uint16_t code)
{
	for (size_t i = 0; c->eof && i + 4 <= c->n; i++)
		if (c->in[i] == 0x88 && c->in[i + 1] == c->n - i - 2 && c->in[i + 2] == code >> 8 &&
		    c->in[i + 3] == (code & 0xff))
			return true;
	return false;
}

#endif
