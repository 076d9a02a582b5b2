/* SPDX-License-Identifier: Apache-2.0 */
/*
 * RFC 6455 frames of the server's side, without I/O: octets in, whole messages and control
 * frames out through callbacks; messages in, frames out into a buffer.
 *
 * Thread: the owner's. Spec: RFC 6455 s5; WS-06, 09, 11, 12, 20.
 */
#ifndef CSCF_WS_FRAME_H
#define CSCF_WS_FRAME_H

#include "common/err.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct cscf_ws_frames;
struct evbuffer;

enum cscf_ws_opcode {
	CSCF_WS_OP_CONTINUATION = 0x0,
	CSCF_WS_OP_TEXT = 0x1,
	CSCF_WS_OP_BINARY = 0x2,
	CSCF_WS_OP_CLOSE = 0x8,
	CSCF_WS_OP_PING = 0x9,
	CSCF_WS_OP_PONG = 0xa,
};

/* All set. The parser must not be freed inside one. A false answer stops the feed. */
struct cscf_ws_frame_cbs {
	/* a frame header was read: count it */
	bool (*on_frame)(void *arg);
	/* a whole text or binary message; bytes are borrowed */
	bool (*on_message)(void *arg, const uint8_t *bytes, size_t len, bool binary);
	/* op: PING, PONG or CLOSE; for CLOSE bytes are code and reason, already checked */
	bool (*on_control)(void *arg, enum cscf_ws_opcode op, const uint8_t *bytes, size_t len);
};

/** @param max_message  octets of one message, all fragments together */
enum gw_err cscf_ws_frames_new(struct cscf_ws_frames **out, size_t max_message,
			       const struct cscf_ws_frame_cbs *cbs, void *arg) GW_MUST_CHECK;
void cscf_ws_frames_free(struct cscf_ws_frames *f);

/**
 * Parse octets as they come, in pieces of any size.
 *
 * @param close_code  on failure the RFC 6455 code to close with: 1002, 1007, 1009 or 1011
 * @return GW_OK all consumed, or a callback stopped the feed; GW_ERR_PROTO, GW_ERR_PARSE (bad
 *         UTF-8), GW_ERR_TOO_BIG, GW_ERR_NOMEM: nothing more can be parsed on this connection
 */
enum gw_err cscf_ws_frames_feed(struct cscf_ws_frames *f, const uint8_t *bytes, size_t len,
				uint16_t *close_code) GW_MUST_CHECK;

#define CSCF_WS_FRAME_HEAD_MAX 10 /* without a mask */
/** Write the head of one unmasked, unfragmented frame. @return its length */
size_t cscf_ws_frame_head(uint8_t to[CSCF_WS_FRAME_HEAD_MAX], enum cscf_ws_opcode op, size_t len);

/**
 * Append one unmasked, unfragmented frame to `to`.
 * @return GW_OK; GW_ERR_NOMEM (then `to` is unchanged)
 */
enum gw_err cscf_ws_frame_write(struct evbuffer *to, enum cscf_ws_opcode op, const void *bytes,
				size_t len) GW_MUST_CHECK;

#endif
