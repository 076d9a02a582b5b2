/* SPDX-License-Identifier: Apache-2.0 */
/* Frames through wslay's frame layer; messages reassembled here. See frame.h. */
#include "cscf/ws/frame.h"

#include "cscf/ws/conn.h"

#include <event2/buffer.h>
#include <stdlib.h>
#include <string.h>
#include <wslay/wslay.h>

#define CONTROL_MAX 125
/* A buffer this small is kept for the next message; a larger one is given back. */
#define KEEP_MAX   4096
#define FIRST_SIZE 1024

struct cscf_ws_frames {
	wslay_frame_context_ptr wslay; /* owned */
	struct cscf_ws_frame_cbs cbs;
	void *arg;
	size_t max_message;

	/* the octets of the feed under way; borrowed */
	const uint8_t *in;
	size_t in_len;

	/* the frame under way */
	bool in_frame;
	uint8_t op; /* of the frame, CONTINUATION included */
	bool fin;
	uint64_t left; /* payload octets still to come */

	/* the message under way; frag_op is TEXT or BINARY, or 0 between messages */
	uint8_t frag_op;
	uint8_t *msg; /* owned */
	size_t msg_len, msg_size;

	uint8_t control[CONTROL_MAX];
	size_t control_len;
};

/* --- wslay's way to get and put octets ------------------------------------------------------ */

static ssize_t pull(uint8_t *buf, size_t len, int flags, void *user)
{
	struct cscf_ws_frames *f = user;

	(void)flags;
	if (len > f->in_len)
		len = f->in_len;
	if (len == 0)
		return -1; /* more octets needed */
	memcpy(buf, f->in, len);
	f->in += len;
	f->in_len -= len;
	return (ssize_t)len;
}

static ssize_t refuse_send(const uint8_t *bytes, size_t len, int flags, void *user)
{
	(void)bytes;
	(void)len;
	(void)flags;
	(void)user;
	return -1;
}

static ssize_t push(const uint8_t *bytes, size_t len, int flags, void *user)
{
	(void)flags;
	return evbuffer_add(user, bytes, len) == 0 ? (ssize_t)len : -1;
}

static int no_mask(uint8_t *buf, size_t len, void *user)
{
	(void)buf;
	(void)len;
	(void)user;
	return -1; /* a server never masks (RFC 6455 s5.1) */
}

/* --- in ------------------------------------------------------------------------------------- */

static enum gw_err fail(uint16_t *code, uint16_t why, enum gw_err err)
{
	*code = why;
	return err;
}

/* The rules of RFC 6455 s5.2 to s5.5 for a frame header in the state we are in. */
static bool header_allowed(const struct cscf_ws_frames *f, const struct wslay_frame_iocb *io)
{
	if (io->rsv != 0 || io->mask == 0)
		return false;
	switch (io->opcode) {
	case WSLAY_CONTINUATION_FRAME:
		return f->frag_op != 0;
	case WSLAY_TEXT_FRAME:
	case WSLAY_BINARY_FRAME:
		return f->frag_op == 0;
	case WSLAY_CONNECTION_CLOSE:
	case WSLAY_PING:
	case WSLAY_PONG:
		return io->fin != 0 && io->payload_length <= CONTROL_MAX;
	default:
		return false;
	}
}

static enum gw_err start_frame(struct cscf_ws_frames *f, const struct wslay_frame_iocb *io,
			       uint16_t *code)
{
	if (!header_allowed(f, io))
		return fail(code, CSCF_WS_PROTOCOL_ERROR, GW_ERR_PROTO);
	if (!wslay_is_ctrl_frame(io->opcode) && io->payload_length > f->max_message - f->msg_len)
		return fail(code, CSCF_WS_TOO_BIG, GW_ERR_TOO_BIG);
	if (io->opcode == WSLAY_TEXT_FRAME || io->opcode == WSLAY_BINARY_FRAME)
		f->frag_op = io->opcode;
	f->in_frame = true;
	f->op = io->opcode;
	f->fin = io->fin != 0;
	f->left = io->payload_length;
	f->control_len = 0;
	return GW_OK;
}

/* The buffer grows with what has arrived, never with what a header promises. */
static enum gw_err append(struct cscf_ws_frames *f, const uint8_t *bytes, size_t len)
{
	size_t need = f->msg_len + len;
	size_t size = f->msg_size != 0 ? f->msg_size : FIRST_SIZE;
	uint8_t *grown;

	while (size < need)
		size *= 2;
	if (size != f->msg_size) {
		grown = realloc(f->msg, size);
		if (grown == NULL)
			return GW_ERR_NOMEM;
		f->msg = grown;
		f->msg_size = size;
	}
	memcpy(f->msg + f->msg_len, bytes, len);
	f->msg_len = need;
	return GW_OK;
}

static enum gw_err take_payload(struct cscf_ws_frames *f, const struct wslay_frame_iocb *io)
{
	f->left -= io->data_length;
	if (io->data_length == 0)
		return GW_OK;
	if (!wslay_is_ctrl_frame(f->op))
		return append(f, io->data, io->data_length);
	memcpy(f->control + f->control_len, io->data, io->data_length);
	f->control_len += io->data_length;
	return GW_OK;
}

/* Codes a peer may send: those defined for the wire, and the private ranges (s7.4). */
static bool close_code_allowed(unsigned code)
{
	return (code >= 1000 && code <= 1003) || (code >= 1007 && code <= 1014) ||
	       (code >= 3000 && code <= 4999);
}

static enum gw_err end_control(struct cscf_ws_frames *f, bool *stop, uint16_t *code)
{
	if (f->op == WSLAY_CONNECTION_CLOSE && f->control_len > 0) {
		unsigned got =
		    f->control_len < 2 ? 0 : (unsigned)f->control[0] << 8 | f->control[1];

		if (!close_code_allowed(got))
			return fail(code, CSCF_WS_PROTOCOL_ERROR, GW_ERR_PROTO);
		if (!cscf_ws_utf8_valid(f->control + 2, f->control_len - 2))
			return fail(code, CSCF_WS_BAD_DATA, GW_ERR_PARSE);
	}
	*stop = !f->cbs.on_control(f->arg, (enum cscf_ws_opcode)f->op, f->control, f->control_len);
	return GW_OK;
}

static enum gw_err end_message(struct cscf_ws_frames *f, bool *stop, uint16_t *code)
{
	bool binary = f->frag_op == WSLAY_BINARY_FRAME;
	size_t len = f->msg_len;

	f->frag_op = 0;
	f->msg_len = 0;
	if (!binary && !cscf_ws_utf8_valid(f->msg, len))
		return fail(code, CSCF_WS_BAD_DATA, GW_ERR_PARSE);
	*stop = !f->cbs.on_message(f->arg, f->msg, len, binary);
	if (f->msg_size > KEEP_MAX) {
		free(f->msg);
		f->msg = NULL;
		f->msg_size = 0;
	}
	return GW_OK;
}

static enum gw_err end_frame(struct cscf_ws_frames *f, bool *stop, uint16_t *code)
{
	f->in_frame = false;
	if (wslay_is_ctrl_frame(f->op))
		return end_control(f, stop, code);
	return f->fin ? end_message(f, stop, code) : GW_OK;
}

enum gw_err cscf_ws_frames_feed(struct cscf_ws_frames *f, const uint8_t *bytes, size_t len,
				uint16_t *close_code)
{
	bool stop = false;

	f->in = bytes;
	f->in_len = len;
	while (!stop) {
		struct wslay_frame_iocb io = {0};
		ssize_t r = wslay_frame_recv(f->wslay, &io);
		enum gw_err err;

		if (r == WSLAY_ERR_WANT_READ)
			return GW_OK;
		if (r < 0)
			return fail(close_code, CSCF_WS_PROTOCOL_ERROR, GW_ERR_PROTO);
		if (!f->in_frame) {
			err = start_frame(f, &io, close_code);
			if (err != GW_OK)
				return err;
			if (!f->cbs.on_frame(f->arg))
				return GW_OK;
		}
		if (take_payload(f, &io) != GW_OK)
			return fail(close_code, CSCF_WS_INTERNAL, GW_ERR_NOMEM);
		if (f->left > 0)
			continue;
		err = end_frame(f, &stop, close_code);
		if (err != GW_OK)
			return err;
	}
	return GW_OK;
}

enum gw_err cscf_ws_frames_new(struct cscf_ws_frames **out, size_t max_message,
			       const struct cscf_ws_frame_cbs *cbs, void *arg)
{
	static const struct wslay_frame_callbacks io = {refuse_send, pull, no_mask};
	struct cscf_ws_frames *f = calloc(1, sizeof(*f));

	if (f == NULL)
		return GW_ERR_NOMEM;
	if (wslay_frame_context_init(&f->wslay, &io, f) != 0) {
		free(f);
		return GW_ERR_NOMEM;
	}
	f->max_message = max_message;
	f->cbs = *cbs;
	f->arg = arg;
	*out = f;
	return GW_OK;
}

void cscf_ws_frames_free(struct cscf_ws_frames *f)
{
	if (f == NULL)
		return;
	wslay_frame_context_free(f->wslay);
	free(f->msg);
	free(f);
}

/* --- out ------------------------------------------------------------------------------------ */

enum gw_err cscf_ws_frame_write(struct evbuffer *to, enum cscf_ws_opcode op, const void *bytes,
				size_t len)
{
	static const struct wslay_frame_callbacks io = {push, NULL, no_mask};
	struct wslay_frame_iocb frame = {
	    .fin = 1,
	    .opcode = (uint8_t)op,
	    .payload_length = len,
	    .data = bytes,
	    .data_length = len,
	};
	struct evbuffer *whole = evbuffer_new();
	wslay_frame_context_ptr w = NULL;
	enum gw_err err = GW_ERR_NOMEM;

	if (whole == NULL || wslay_frame_context_init(&w, &io, whole) != 0)
		goto out;
	if (wslay_frame_send(w, &frame) == (ssize_t)len && evbuffer_add_buffer(to, whole) == 0)
		err = GW_OK;
out:
	wslay_frame_context_free(w);
	if (whole != NULL)
		evbuffer_free(whole);
	return err;
}
