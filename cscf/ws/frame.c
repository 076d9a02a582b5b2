/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Frames and messages; see frame.h. A header is at most 14 octets: it is collected, judged at
 * once (also when none of its payload has come), and then the payload is unmasked piece by piece.
 */
#include "cscf/ws/frame.h"

#include "cscf/ws/conn.h"

#include <event2/buffer.h>
#include <stdlib.h>
#include <string.h>

#define CONTROL_MAX 125
#define HEAD_MIN    2
#define HEAD_MAX    14 /* with 64-bit length and mask */
#define MASK_LEN    4
#define LEN_16      126 /* a 16-bit length follows */
#define LEN_64      127
/* A buffer this small is kept for the next message; a larger one is given back. */
#define KEEP_MAX   4096
#define FIRST_SIZE 1024

struct cscf_ws_frames {
	struct cscf_ws_frame_cbs cbs;
	void *arg;
	size_t max_message;

	/* the header under way, and after it the frame */
	uint8_t head[HEAD_MAX];
	size_t head_len;
	bool in_frame;
	uint8_t op; /* of the frame, CONTINUATION included */
	bool fin;
	uint8_t mask[MASK_LEN];
	uint64_t len, left; /* payload octets: all, still to come */

	/* the message under way; frag_op is TEXT or BINARY, or 0 between messages */
	uint8_t frag_op;
	uint8_t *msg; /* owned */
	size_t msg_len, msg_size;

	uint8_t control[CONTROL_MAX];
	size_t control_len;
};

static enum gw_err fail(uint16_t *code, uint16_t why, enum gw_err err)
{
	*code = why;
	return err;
}

static bool is_control(uint8_t op)
{
	return (op & 0x8) != 0;
}

/* --- header --------------------------------------------------------------------------------- */

/* Octets of the length field that follows the first two. */
static size_t ext_len(const struct cscf_ws_frames *f)
{
	uint8_t n = f->head[1] & 0x7f;

	return n == LEN_16 ? 2 : n == LEN_64 ? 8 : 0;
}

/* RFC 6455 s5.2 to s5.5, as far as the first two octets tell, in the state we are in. */
static bool start_allowed(const struct cscf_ws_frames *f)
{
	uint8_t op = f->head[0] & 0x0f;

	if ((f->head[0] & 0x70) != 0 || (f->head[1] & 0x80) == 0)
		return false;
	switch (op) {
	case CSCF_WS_OP_CONTINUATION:
		return f->frag_op != 0;
	case CSCF_WS_OP_TEXT:
	case CSCF_WS_OP_BINARY:
		return f->frag_op == 0;
	case CSCF_WS_OP_CLOSE:
	case CSCF_WS_OP_PING:
	case CSCF_WS_OP_PONG:
		return (f->head[0] & 0x80) != 0 && (f->head[1] & 0x7f) <= CONTROL_MAX;
	default:
		return false;
	}
}

/* The length, which must be in its shortest form; false when it is not. */
static bool read_length(const struct cscf_ws_frames *f, uint64_t *len)
{
	size_t ext = ext_len(f);

	*len = f->head[1] & 0x7f;
	if (ext == 0)
		return true;
	*len = 0;
	for (size_t i = 0; i < ext; i++)
		*len = *len << 8 | f->head[HEAD_MIN + i];
	return ext == 2 ? *len >= LEN_16 : *len > UINT16_MAX && *len >> 63 == 0;
}

static enum gw_err end_header(struct cscf_ws_frames *f, uint16_t *code)
{
	uint8_t op = f->head[0] & 0x0f;

	if (!read_length(f, &f->len))
		return fail(code, CSCF_WS_PROTOCOL_ERROR, GW_ERR_PROTO);
	if (!is_control(op) && f->len > f->max_message - f->msg_len)
		return fail(code, CSCF_WS_TOO_BIG, GW_ERR_TOO_BIG);
	if (op == CSCF_WS_OP_TEXT || op == CSCF_WS_OP_BINARY)
		f->frag_op = op;
	memcpy(f->mask, f->head + HEAD_MIN + ext_len(f), MASK_LEN);
	f->in_frame = true;
	f->op = op;
	f->fin = (f->head[0] & 0x80) != 0;
	f->left = f->len;
	f->control_len = 0;
	f->head_len = 0;
	return GW_OK;
}

/* Collect header octets. @return GW_OK complete; GW_ERR_AGAIN; else refused */
static enum gw_err take_header(struct cscf_ws_frames *f, const uint8_t **in, size_t *n,
			       uint16_t *code)
{
	for (; *n > 0; (*in)++, (*n)--) {
		f->head[f->head_len++] = **in;
		if (f->head_len < HEAD_MIN)
			continue;
		if (f->head_len == HEAD_MIN && !start_allowed(f))
			return fail(code, CSCF_WS_PROTOCOL_ERROR, GW_ERR_PROTO);
		if (f->head_len == HEAD_MIN + ext_len(f) + MASK_LEN) {
			(*in)++;
			(*n)--;
			return end_header(f, code);
		}
	}
	return GW_ERR_AGAIN;
}

/* --- payload -------------------------------------------------------------------------------- */

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

/* RFC 6455 s5.3; `at` is the place of the first octet in the payload. */
static void unmask(uint8_t *p, size_t n, const uint8_t mask[MASK_LEN], uint64_t at)
{
	uint8_t turned[8];
	uint64_t key, eight;
	size_t i = 0;

	for (unsigned k = 0; k < sizeof(turned); k++)
		turned[k] = mask[(at + k) % MASK_LEN];
	memcpy(&key, turned, sizeof(key));
	for (; n - i >= sizeof(eight); i += sizeof(eight)) {
		memcpy(&eight, p + i, sizeof(eight));
		eight ^= key;
		memcpy(p + i, &eight, sizeof(eight));
	}
	for (; i < n; i++)
		p[i] ^= turned[i % sizeof(turned)];
}

/* Keep what has come of the payload, and unmask it. */
static enum gw_err take_payload(struct cscf_ws_frames *f, const uint8_t **in, size_t *n)
{
	uint64_t at = f->len - f->left;
	size_t k = *n < f->left ? *n : (size_t)f->left;
	const uint8_t *from = *in;

	*in += k;
	*n -= k;
	f->left -= k;
	if (k == 0)
		return GW_OK;
	if (!is_control(f->op)) {
		if (append(f, from, k) != GW_OK)
			return GW_ERR_NOMEM;
		unmask(f->msg + f->msg_len - k, k, f->mask, at);
		return GW_OK;
	}
	memcpy(f->control + f->control_len, from, k);
	unmask(f->control + f->control_len, k, f->mask, at);
	f->control_len += k;
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
	if (f->op == CSCF_WS_OP_CLOSE && f->control_len > 0) {
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
	bool binary = f->frag_op == CSCF_WS_OP_BINARY;
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
	if (is_control(f->op))
		return end_control(f, stop, code);
	return f->fin ? end_message(f, stop, code) : GW_OK;
}

enum gw_err cscf_ws_frames_feed(struct cscf_ws_frames *f, const uint8_t *bytes, size_t len,
				uint16_t *close_code)
{
	bool stop = false;
	enum gw_err err;

	while (!stop && (len > 0 || (f->in_frame && f->left == 0))) {
		if (!f->in_frame) {
			err = take_header(f, &bytes, &len, close_code);
			if (err == GW_ERR_AGAIN)
				return GW_OK;
			if (err != GW_OK)
				return err;
			if (!f->cbs.on_frame(f->arg))
				return GW_OK;
		}
		if (take_payload(f, &bytes, &len) != GW_OK)
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
	struct cscf_ws_frames *f = calloc(1, sizeof(*f));

	if (f == NULL)
		return GW_ERR_NOMEM;
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
	free(f->msg);
	free(f);
}

/* --- out ------------------------------------------------------------------------------------ */

size_t cscf_ws_frame_head(uint8_t to[CSCF_WS_FRAME_HEAD_MAX], enum cscf_ws_opcode op, size_t len)
{
	unsigned ext = len <= CONTROL_MAX ? 0 : len <= UINT16_MAX ? 2 : 8;
	size_t n = HEAD_MIN;

	to[0] = (uint8_t)(0x80 | op);
	to[1] = (uint8_t)(ext == 0 ? len : ext == 2 ? LEN_16 : LEN_64);
	for (unsigned i = 0; i < ext; i++)
		to[n++] = (uint8_t)((uint64_t)len >> (8 * (ext - 1 - i)));
	return n;
}

enum gw_err cscf_ws_frame_write(struct evbuffer *to, enum cscf_ws_opcode op, const void *bytes,
				size_t len)
{
	uint8_t head[CSCF_WS_FRAME_HEAD_MAX];
	size_t n = cscf_ws_frame_head(head, op, len);

	if (evbuffer_expand(to, n + len) != 0)
		return GW_ERR_NOMEM;
	/* both fit now: neither can fail, so no half frame is left behind */
	return evbuffer_add(to, head, n) == 0 && evbuffer_add(to, bytes, len) == 0 ? GW_OK
										   : GW_ERR_NOMEM;
}
