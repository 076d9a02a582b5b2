/* SPDX-License-Identifier: Apache-2.0 */
/* One connection of the load; see load.h. Frames of the server are taken as they should be. */
#include "tests/bench/load_call.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <openssl/err.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define OP_TIMEOUT_S 30

static SSL_CTX *ctx;
static int session_slot;

static void fail(struct load_conn *c)
{
	load_conn_close(c, false);
	load_done(c, LOAD_LOST);
}

/* --- TLS --- */

static int on_session(SSL *ssl, SSL_SESSION *session)
{
	struct load_conn *c = SSL_get_ex_data(ssl, session_slot);

	SSL_SESSION_free(c->session);
	c->session = session;
	return 1;
}

bool load_tls_setup(void)
{
	ctx = SSL_CTX_new(TLS_client_method());
	session_slot = SSL_get_ex_new_index(0, NULL, NULL, NULL, NULL);
	if (ctx == NULL || session_slot < 0)
		return false;
	SSL_CTX_set_verify(ctx, SSL_VERIFY_NONE, NULL);
	SSL_CTX_set_mode(ctx, SSL_MODE_RELEASE_BUFFERS | SSL_MODE_ENABLE_PARTIAL_WRITE |
				  SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
	SSL_CTX_set_session_cache_mode(ctx, load_opt.resume
						? SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL
						: SSL_SESS_CACHE_OFF);
	SSL_CTX_sess_set_new_cb(ctx, on_session);
	return true;
}

static void watch(struct load_conn *c, bool write)
{
	if (write)
		event_add(&c->wr, NULL);
	else
		event_del(&c->wr);
}

/* --- out --- */

static void flush(struct load_conn *c)
{
	while (c->tx_n > 0) {
		int n = SSL_write(c->ssl, c->tx, (int)c->tx_n);

		if (n <= 0) {
			if (SSL_get_error(c->ssl, n) != SSL_ERROR_WANT_WRITE) {
				fail(c);
				return;
			}
			break;
		}
		c->tx_n -= (size_t)n;
		memmove(c->tx, c->tx + n, c->tx_n);
	}
	if (c->tx_n == 0) {
		free(c->tx);
		c->tx = NULL;
	}
	watch(c, c->tx_n > 0);
}

static void queue(struct load_conn *c, const void *bytes, size_t n)
{
	c->tx = realloc(c->tx, c->tx_n + n);
	if (c->tx == NULL)
		abort();
	memcpy(c->tx + c->tx_n, bytes, n);
	c->tx_n += n;
}

/* One masked frame; the mask is no secret here. */
static void queue_frame(struct load_conn *c, uint8_t op, const char *bytes, size_t n)
{
	static const uint8_t mask[4] = {0x37, 0xfa, 0x21, 0x3d};
	uint8_t frame[LOAD_TEXT_MAX + 16] = {(uint8_t)(0x80 | op)};
	size_t head = 2;

	if (n > LOAD_TEXT_MAX)
		abort();
	if (n < 126) {
		frame[1] = (uint8_t)(0x80 | n);
	} else {
		frame[1] = 0x80 | 126;
		frame[head++] = (uint8_t)(n >> 8);
		frame[head++] = (uint8_t)n;
	}
	memcpy(frame + head, mask, 4);
	head += 4;
	for (size_t i = 0; i < n; i++)
		frame[head + i] = (uint8_t)bytes[i] ^ mask[i % 4];
	queue(c, frame, head + n);
}

static void send_register(struct load_conn *c, bool credentials)
{
	char text[LOAD_TEXT_MAX];
	size_t n = load_register_text(text, sizeof(text), c, credentials);

	queue_frame(c, 1, text, n);
	flush(c);
}

static void arm(struct load_conn *c)
{
	struct timeval tv = {.tv_sec = OP_TIMEOUT_S};

	event_add(&c->timer, &tv);
}

void load_conn_register(struct load_conn *c, bool plain)
{
	c->busy = true;
	c->plain = plain;
	c->started_us = load_now_us();
	arm(c);
	send_register(c, plain && c->nonce[0] != '\0');
}

void load_conn_send(struct load_conn *c, const char *text, size_t n)
{
	if (c->state != LOAD_OPEN)
		return;
	queue_frame(c, 1, text, n);
	flush(c);
}

void load_conn_probe(struct load_conn *c)
{
	c->busy = c->probing = true;
	c->started_us = load_now_us();
	arm(c);
	queue_frame(c, 1, "\r\n\r\n", 4);
	flush(c);
}

/* --- in --- */

static void end_op(struct load_conn *c, enum load_result how)
{
	c->busy = c->probing = false;
	event_del(&c->timer);
	load_done(c, how);
}

static void on_text(struct load_conn *c, const char *text, size_t n)
{
	if (n == 2) {
		if (c->probing)
			end_op(c, LOAD_OK);
		return;
	}
	if (load_call_take(c, text, n))
		return;
	if (n < 12 || memcmp(text, "SIP/2.0 ", 8) != 0 || !c->busy)
		return; /* a request of the core's: not ours to answer */
	load_response_read(c, text, n);
	if (c->status < 200)
		return;
	if (c->status == 401 && c->attempts++ < 2) {
		send_register(c, true);
	} else {
		c->attempts = 0;
		c->registered = c->status == 200;
		end_op(c, c->status == 200 ? LOAD_OK : LOAD_REFUSED);
	}
}

/* @return false: the connection is gone */
static bool on_frame(struct load_conn *c, uint8_t op, const char *bytes, size_t n)
{
	if (op == 1 || op == 2) {
		on_text(c, bytes, n);
	} else if (op == 9) {
		queue_frame(c, 10, bytes, n);
		flush(c);
	} else if (op == 8) {
		fail(c);
	}
	return c->state == LOAD_OPEN;
}

/* @return octets used of it */
static size_t take_frames(struct load_conn *c, const uint8_t *p, size_t n)
{
	size_t used = 0;

	while (n - used >= 2) {
		const uint8_t *f = p + used;
		size_t len = f[1] & 0x7f, head = 2;

		if (len == 126) {
			if (n - used < 4)
				break;
			len = (size_t)f[2] << 8 | f[3];
			head = 4;
		}
		if (n - used < head + len)
			break;
		used += head + len;
		if (!on_frame(c, f[0] & 0x0f, (const char *)f + head, len))
			return n;
	}
	return used;
}

static size_t take_http(struct load_conn *c, const uint8_t *p, size_t n)
{
	const uint8_t *end = memmem(p, n, "\r\n\r\n", 4);

	if (end == NULL)
		return 0;
	if (n < 12 || memcmp(p, "HTTP/1.1 101", 12) != 0) {
		c->status = n > 12 ? atoi((const char *)p + 9) : 0;
		load_response_read(c, (const char *)p, n);
		fail(c);
		return n;
	}
	c->state = LOAD_OPEN;
	load_connecting--;
	send_register(c, false);
	return (size_t)(end + 4 - p);
}

static void take(struct load_conn *c, const uint8_t *p, size_t n)
{
	size_t used = 0;

	if (c->rx_n > 0) {
		c->rx = realloc(c->rx, c->rx_n + n);
		if (c->rx == NULL)
			abort();
		memcpy(c->rx + c->rx_n, p, n);
		n += c->rx_n;
		p = c->rx;
	}
	if (c->state == LOAD_HTTP)
		used = take_http(c, p, n);
	if (c->state == LOAD_OPEN && used < n)
		used += take_frames(c, p + used, n - used);
	if (c->state == LOAD_CLOSED)
		return; /* with its buffers */
	if (used == n) {
		free(c->rx);
		c->rx = NULL;
		c->rx_n = 0;
		return;
	}
	if (p != c->rx) {
		c->rx = malloc(n - used);
		if (c->rx == NULL)
			abort();
	}
	memmove(c->rx, p + used, n - used);
	c->rx_n = n - used;
}

static void read_all(struct load_conn *c)
{
	static uint8_t bytes[16384];

	while (c->state == LOAD_HTTP || c->state == LOAD_OPEN) {
		int n = SSL_read(c->ssl, bytes, sizeof(bytes));

		if (n > 0) {
			take(c, bytes, (size_t)n);
			continue;
		}
		if (SSL_get_error(c->ssl, n) != SSL_ERROR_WANT_READ)
			fail(c);
		return;
	}
}

/* --- connect --- */

static void send_upgrade(struct load_conn *c)
{
	char text[512];
	int n = snprintf(text, sizeof(text),
			 "GET %s HTTP/1.1\r\nHost: 127.0.0.1\r\nUpgrade: websocket\r\n"
			 "Connection: Upgrade\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
			 "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Protocol: sip\r\n"
			 "Origin: %s\r\nUser-Agent: wicgate-bench\r\n\r\n",
			 load_opt.path, load_opt.origin);

	queue(c, text, (size_t)n);
	flush(c);
}

static void handshake(struct load_conn *c)
{
	int r = SSL_do_handshake(c->ssl);

	if (r == 1) {
		if (SSL_session_reused(c->ssl))
			load_resumed++;
		else
			load_full++;
		watch(c, false);
		c->state = LOAD_HTTP;
		if (load_opt.tls_only) {
			c->state = LOAD_OPEN;
			load_connecting--;
			c->registered = true;
			queue(c, "x", 1);
			flush(c);
			end_op(c, LOAD_OK);
		} else {
			send_upgrade(c);
		}
		return;
	}
	r = SSL_get_error(c->ssl, r);
	if (r == SSL_ERROR_WANT_WRITE)
		watch(c, true);
	else if (r == SSL_ERROR_WANT_READ)
		watch(c, false);
	else
		fail(c);
}

static void start_tls(struct load_conn *c)
{
	c->ssl = SSL_new(ctx);
	if (c->ssl == NULL || SSL_set_fd(c->ssl, c->fd) != 1)
		abort();
	SSL_set_ex_data(c->ssl, session_slot, c);
	if (c->session != NULL)
		SSL_set_session(c->ssl, c->session);
	SSL_set_connect_state(c->ssl);
	c->state = LOAD_TLS;
	event_add(&c->rd, NULL);
}

static void on_event(evutil_socket_t fd, short what, void *arg)
{
	struct load_conn *c = arg;

	(void)fd;
	ERR_clear_error();
	if (c->state == LOAD_TCP) {
		int err = 0;
		socklen_t n = sizeof(err);

		if (getsockopt(c->fd, SOL_SOCKET, SO_ERROR, &err, &n) != 0 || err != 0) {
			fail(c);
			return;
		}
		start_tls(c);
	}
	if (c->state == LOAD_TLS)
		handshake(c);
	if ((what & EV_WRITE) != 0 && c->state >= LOAD_HTTP)
		flush(c);
	if (c->state >= LOAD_HTTP)
		read_all(c);
}

static void on_timeout(evutil_socket_t fd, short what, void *arg)
{
	struct load_conn *c = arg;

	(void)fd;
	(void)what;
	c->status = 0;
	fail(c);
}

static bool connect_from(struct load_conn *c)
{
	struct sockaddr_in from = {.sin_family = AF_INET};
	int on = 1;

	from.sin_addr.s_addr = htonl(load_opt.source + c->id / load_opt.per_source);
	c->fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (c->fd < 0) {
		perror("socket");
		return false;
	}
	(void)setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	(void)setsockopt(c->fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	(void)setsockopt(c->fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &on, sizeof(on));
	if (bind(c->fd, (struct sockaddr *)&from, sizeof(from)) != 0 ||
	    (connect(c->fd, (const struct sockaddr *)&load_opt.server, sizeof(load_opt.server)) !=
		 0 &&
	     errno != EINPROGRESS)) {
		perror("connect");
		close(c->fd);
		c->fd = -1;
		return false;
	}
	return true;
}

void load_conn_open(struct load_conn *c)
{
	c->busy = true;
	c->registered = c->plain = false;
	c->attempts = 0;
	c->status = 0;
	c->retry_after = 0;
	c->started_us = load_now_us();
	arm(c);
	if (!connect_from(c)) {
		end_op(c, LOAD_LOST);
		return;
	}
	c->serial++;
	load_connecting++;
	c->state = LOAD_TCP;
	event_assign(&c->rd, load_base, c->fd, EV_READ | EV_PERSIST, on_event, c);
	event_assign(&c->wr, load_base, c->fd, EV_WRITE | EV_PERSIST, on_event, c);
	event_add(&c->wr, NULL);
}

void load_conn_close(struct load_conn *c, bool orderly)
{
	struct linger hard = {.l_onoff = 1, .l_linger = 0};

	if (c->state == LOAD_CLOSED)
		return;
	if (c->state != LOAD_OPEN)
		load_connecting--;
	if (orderly && c->state == LOAD_OPEN) {
		queue_frame(c, 8, "\x03\xe8", 2);
		(void)SSL_write(c->ssl, c->tx, (int)c->tx_n);
		(void)SSL_shutdown(c->ssl);
	} else {
		(void)setsockopt(c->fd, SOL_SOCKET, SO_LINGER, &hard, sizeof(hard));
	}
	event_del(&c->rd);
	event_del(&c->wr);
	event_del(&c->timer);
	if (c->ssl != NULL && c->session != NULL)
		SSL_set_quiet_shutdown(c->ssl, 1);
	SSL_free(c->ssl);
	close(c->fd);
	free(c->rx);
	free(c->tx);
	c->ssl = NULL;
	c->rx = c->tx = NULL;
	c->rx_n = c->tx_n = 0;
	c->fd = -1;
	c->state = LOAD_CLOSED;
	c->busy = c->probing = c->registered = false;
	ERR_clear_error();
}

void load_conn_init(struct load_conn *c, unsigned id)
{
	memset(c, 0, sizeof(*c));
	c->id = id;
	c->fd = -1;
	c->cseq = (unsigned)rand() % 1000;
	evtimer_assign(&c->timer, load_base, on_timeout, c);
	evtimer_assign(&c->retry, load_base, load_retry, c);
}
