/* SPDX-License-Identifier: Apache-2.0 */
/* Non-blocking socket with or without TLS; see stream.h. */
#include "cscf/ws/stream.h"

#include <errno.h>
#include <event2/buffer.h>
#include <event2/event.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define WRITE_CHUNK 16384 /* one TLS record */

static void on_event(evutil_socket_t fd, short what, void *arg)
{
	struct cscf_ws_stream *s = arg;

	(void)fd;
	s->on_ready(s->arg, (what & EV_READ) == 0 && !s->read_needs_write &&
				!cscf_ws_stream_has_read_ahead(s));
}

enum gw_err cscf_ws_stream_open(struct cscf_ws_stream *s, struct event_base *base, int fd,
				cscf_ws_stream_fn *on_ready, void *arg)
{
	memset(s, 0, sizeof(*s));
	s->fd = fd;
	s->on_ready = on_ready;
	s->arg = arg;
	s->rd = event_new(base, fd, EV_READ | EV_PERSIST, on_event, s);
	s->wr = event_new(base, fd, EV_WRITE | EV_PERSIST, on_event, s);
	if (s->rd == NULL || s->wr == NULL) {
		cscf_ws_stream_close(s);
		return GW_ERR_NOMEM;
	}
	return GW_OK;
}

enum gw_err cscf_ws_stream_start_tls(struct cscf_ws_stream *s, SSL_CTX *ctx)
{
	s->ssl = SSL_new(ctx);
	if (s->ssl == NULL || SSL_set_fd(s->ssl, s->fd) != 1) {
		ERR_clear_error();
		return GW_ERR_NOMEM;
	}
	SSL_set_accept_state(s->ssl);
	return GW_OK;
}

/* OpenSSL's verdict on the last call, in our words. `needs_other`: it wants the other direction. */
static enum gw_err translate(const struct cscf_ws_stream *s, int r, int other, bool *needs_other)
{
	int sys = errno;
	int why = SSL_get_error(s->ssl, r);
	unsigned long e = ERR_peek_error();

	ERR_clear_error();
	switch (why) {
	case SSL_ERROR_WANT_READ:
	case SSL_ERROR_WANT_WRITE:
		*needs_other = why == other;
		return GW_ERR_AGAIN;
	case SSL_ERROR_ZERO_RETURN:
		return GW_ERR_GONE;
	case SSL_ERROR_SYSCALL:
		return sys == 0 ? GW_ERR_GONE : GW_ERR_IO;
	default:
		/* end of stream without close_notify: common, and not an attack we could answer */
		return ERR_GET_REASON(e) == SSL_R_UNEXPECTED_EOF_WHILE_READING ? GW_ERR_GONE
									       : GW_ERR_CRYPTO;
	}
}

enum gw_err cscf_ws_stream_handshake(struct cscf_ws_stream *s)
{
	int r;

	if (s->ssl == NULL)
		return GW_OK;
	errno = 0;
	s->read_needs_write = false;
	r = SSL_do_handshake(s->ssl);
	return r == 1 ? GW_OK : translate(s, r, SSL_ERROR_WANT_WRITE, &s->read_needs_write);
}

static enum gw_err plain_result(ssize_t r, size_t *n)
{
	if (r > 0) {
		*n = (size_t)r;
		return GW_OK;
	}
	if (r == 0)
		return GW_ERR_GONE;
	return errno == EAGAIN || errno == EINTR ? GW_ERR_AGAIN : GW_ERR_IO;
}

enum gw_err cscf_ws_stream_read(struct cscf_ws_stream *s, void *buf, size_t size, size_t *n)
{
	int r;

	if (s->ssl == NULL)
		return plain_result(recv(s->fd, buf, size, 0), n);
	errno = 0;
	s->read_needs_write = false;
	r = SSL_read_ex(s->ssl, buf, size, n);
	return r == 1 ? GW_OK : translate(s, r, SSL_ERROR_WANT_WRITE, &s->read_needs_write);
}

bool cscf_ws_stream_has_read_ahead(const struct cscf_ws_stream *s)
{
	return s->ssl != NULL && SSL_has_pending(s->ssl) == 1;
}

enum gw_err cscf_ws_stream_write_bytes(struct cscf_ws_stream *s, const void *bytes, size_t len,
				       size_t *n)
{
	int r;

	if (s->ssl == NULL)
		return plain_result(send(s->fd, bytes, len, MSG_NOSIGNAL), n);
	errno = 0;
	s->write_needs_read = false;
	r = SSL_write_ex(s->ssl, bytes, len, n);
	return r == 1 ? GW_OK : translate(s, r, SSL_ERROR_WANT_READ, &s->write_needs_read);
}

enum gw_err cscf_ws_stream_write(struct cscf_ws_stream *s, struct evbuffer *from)
{
	size_t len;

	while ((len = evbuffer_get_length(from)) > 0) {
		size_t n = 0;
		size_t chunk = len < WRITE_CHUNK ? len : WRITE_CHUNK;
		const unsigned char *bytes = evbuffer_pullup(from, (ev_ssize_t)chunk);
		enum gw_err err;

		if (bytes == NULL)
			return GW_ERR_NOMEM;
		err = cscf_ws_stream_write_bytes(s, bytes, chunk, &n);
		if (err != GW_OK)
			return err;
		(void)evbuffer_drain(from, n);
	}
	return GW_OK;
}

void cscf_ws_stream_shutdown(struct cscf_ws_stream *s)
{
	if (s->ssl != NULL && SSL_is_init_finished(s->ssl)) {
		(void)SSL_shutdown(s->ssl); /* one try: whether the peer sees it does not matter */
		ERR_clear_error();
	}
	(void)shutdown(s->fd, SHUT_WR);
}

static void set_priority(struct event *ev, int priority)
{
	if (event_priority_set(ev, priority) == 0)
		return;
	(void)event_del(ev); /* it was about to be called */
	(void)event_priority_set(ev, priority);
}

void cscf_ws_stream_set_priority(struct cscf_ws_stream *s, int priority)
{
	set_priority(s->rd, priority);
	set_priority(s->wr, priority);
}

static void set_event(struct event *ev, bool on)
{
	if (on)
		(void)event_add(ev, NULL);
	else
		(void)event_del(ev);
}

void cscf_ws_stream_want(struct cscf_ws_stream *s, bool read, bool write)
{
	set_event(s->rd, (read && !s->read_needs_write) || (write && s->write_needs_read));
	set_event(s->wr, (write && !s->write_needs_read) || (read && s->read_needs_write));
}

void cscf_ws_stream_write_soon(struct cscf_ws_stream *s)
{
	event_active(s->wr, EV_WRITE, 0);
}

void cscf_ws_stream_again(struct cscf_ws_stream *s)
{
	event_active(s->rd, EV_READ, 0);
}

void cscf_ws_stream_close(struct cscf_ws_stream *s)
{
	if (s->rd != NULL)
		event_free(s->rd);
	if (s->wr != NULL)
		event_free(s->wr);
	SSL_free(s->ssl);
	if (s->fd >= 0)
		(void)close(s->fd);
	memset(s, 0, sizeof(*s));
	s->fd = -1;
}
