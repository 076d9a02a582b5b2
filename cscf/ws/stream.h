/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One accepted socket, plain or TLS, non-blocking, on libevent. Own glue instead of
 * bufferevent_openssl, because that one reads and encrypts ahead of us: here an octet is read
 * when the parser wants it and encrypted when the kernel can take it, so back-pressure reaches
 * the peer, "queued" is exact, and the end of the TLS stream is known as it was.
 *
 * One callback says "something may be possible now"; the owner then tries to write and to read.
 * Thread: the loop thread.
 */
#ifndef CSCF_WS_STREAM_H
#define CSCF_WS_STREAM_H

#include "common/err.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct event;
struct event_base;
struct evbuffer;
struct ssl_ctx_st;
struct ssl_st;

/* only_write: nothing came since the last call; do not ask. */
typedef void cscf_ws_stream_fn(void *arg, bool only_write);

struct cscf_ws_stream {
	int fd;                /* owned; -1 when closed */
	struct ssl_st *ssl;    /* owned; NULL = plain */
	struct event *rd, *wr; /* owned */
	cscf_ws_stream_fn *on_ready;
	void *arg;
	bool read_needs_write, write_needs_read; /* TLS has records of its own to move */
};

/** Takes fd over in every case. @return GW_OK; GW_ERR_NOMEM (everything is closed again) */
enum gw_err cscf_ws_stream_open(struct cscf_ws_stream *s, struct event_base *base, int fd,
				cscf_ws_stream_fn *on_ready, void *arg) GW_MUST_CHECK;
/** Put TLS on top from here on. */
enum gw_err cscf_ws_stream_start_tls(struct cscf_ws_stream *s,
				     struct ssl_ctx_st *ctx) GW_MUST_CHECK;
/** @return GW_OK done; GW_ERR_AGAIN; GW_ERR_GONE; GW_ERR_IO; GW_ERR_CRYPTO */
enum gw_err cscf_ws_stream_handshake(struct cscf_ws_stream *s) GW_MUST_CHECK;

/** @return GW_OK with *n > 0; GW_ERR_AGAIN; GW_ERR_GONE end of stream; GW_ERR_IO; GW_ERR_CRYPTO */
enum gw_err cscf_ws_stream_read(struct cscf_ws_stream *s, void *buf, size_t size,
				size_t *n) GW_MUST_CHECK;
/** Are there octets of the peer that the kernel knows nothing of any more? */
bool cscf_ws_stream_has_read_ahead(const struct cscf_ws_stream *s);
/** Write what can be written of these. @return GW_OK with *n > 0; GW_ERR_AGAIN, after which the
 * same octets must be offered again; … */
enum gw_err cscf_ws_stream_write_bytes(struct cscf_ws_stream *s, const void *bytes, size_t len,
				       size_t *n) GW_MUST_CHECK;
/** Write what can be written from the head of `from`. @return GW_OK empty; GW_ERR_AGAIN; … */
enum gw_err cscf_ws_stream_write(struct cscf_ws_stream *s, struct evbuffer *from) GW_MUST_CHECK;
/** No more octets from us: close_notify and FIN; reading goes on. */
void cscf_ws_stream_shutdown(struct cscf_ws_stream *s);

/** Priority of its events from here on; what is waited for is to be said again. */
void cscf_ws_stream_set_priority(struct cscf_ws_stream *s, int priority);
/** Say what to wait for. */
void cscf_ws_stream_want(struct cscf_ws_stream *s, bool read, bool write);
/** Call on_ready in the next turn to write; the socket can nearly always take it at once. */
void cscf_ws_stream_write_soon(struct cscf_ws_stream *s);
/** Call on_ready again in the next turn (the peer's octets may already be inside TLS). */
void cscf_ws_stream_again(struct cscf_ws_stream *s);

/** Close at once and free. Harmless when closed. */
void cscf_ws_stream_close(struct cscf_ws_stream *s);

#endif
