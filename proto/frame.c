/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Frame reader of the Iq channel (frame.h). One growing buffer: what was read but not taken is
 * moved to its front before the next feed, so it never holds more than a frame and a feed.
 * A length is judged as soon as its four octets are there, before anything is allocated for it.
 */
#include "proto/frame.h"

#include <stdlib.h>
#include <string.h>

#define FIRST_CAPACITY 4096U

struct iq_frame_reader {
	uint8_t *buf; /* owned */
	size_t cap;
	size_t head;        /* octets already taken */
	size_t fill;        /* octets in buf */
	size_t scan;        /* where the next unjudged header begins; may lie beyond fill */
	enum gw_err broken; /* GW_OK while the stream makes sense */
};

enum gw_err iq_frame_reader_new(struct iq_frame_reader **out)
{
	struct iq_frame_reader *r = calloc(1, sizeof(*r));

	if (r == NULL)
		return GW_ERR_NOMEM;
	*out = r;
	return GW_OK;
}

void iq_frame_reader_free(struct iq_frame_reader *r)
{
	if (r == NULL)
		return;
	if (r->buf != NULL)
		explicit_bzero(r->buf, r->cap); /* ICE passwords pass here */
	free(r->buf);
	free(r);
}

static uint32_t read_be32(const uint8_t *p)
{
	return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}

static void compact(struct iq_frame_reader *r)
{
	if (r->head == 0)
		return;
	memmove(r->buf, r->buf + r->head, r->fill - r->head);
	r->fill -= r->head;
	r->scan -= r->head;
	r->head = 0;
}

static enum gw_err make_room(struct iq_frame_reader *r, size_t n)
{
	size_t need = r->fill + n;
	size_t cap = r->cap == 0 ? FIRST_CAPACITY : r->cap;
	uint8_t *bigger;

	if (need < n)
		return GW_ERR_NOMEM;
	if (need <= r->cap)
		return GW_OK;
	while (cap < need) {
		if (cap > SIZE_MAX / 2)
			return GW_ERR_NOMEM;
		cap *= 2;
	}
	bigger = realloc(r->buf, cap);
	if (bigger == NULL)
		return GW_ERR_NOMEM;
	r->buf = bigger;
	r->cap = cap;
	return GW_OK;
}

/* Judge every header that is complete. */
static enum gw_err judge(struct iq_frame_reader *r)
{
	while (r->scan <= r->fill && r->fill - r->scan >= IQ_FRAME_HEADER) {
		uint32_t len = read_be32(r->buf + r->scan);

		if (len == 0)
			return GW_ERR_PROTO;
		if (len > IQ_FRAME_MAX)
			return GW_ERR_TOO_BIG;
		r->scan += IQ_FRAME_HEADER + len;
	}
	return GW_OK;
}

enum gw_err iq_frame_feed(struct iq_frame_reader *r, const void *data, size_t n)
{
	enum gw_err err;

	if (r->broken != GW_OK)
		return r->broken;
	if (n == 0)
		return GW_OK;
	compact(r);
	err = make_room(r, n);
	if (err != GW_OK)
		return err;
	memcpy(r->buf + r->fill, data, n);
	r->fill += n;
	r->broken = judge(r);
	return r->broken;
}

enum gw_err iq_frame_next(struct iq_frame_reader *r, const uint8_t **payload, size_t *n)
{
	size_t left = r->fill - r->head;
	uint32_t len;

	if (r->broken != GW_OK)
		return r->broken;
	if (left < IQ_FRAME_HEADER)
		return GW_ERR_AGAIN;
	len = read_be32(r->buf + r->head);
	if (left - IQ_FRAME_HEADER < len)
		return GW_ERR_AGAIN;
	*payload = r->buf + r->head + IQ_FRAME_HEADER;
	*n = len;
	r->head += IQ_FRAME_HEADER + len;
	return GW_OK;
}

enum gw_err iq_frame_header(uint8_t header[IQ_FRAME_HEADER], size_t n)
{
	if (n == 0)
		return GW_ERR_INVAL;
	if (n > IQ_FRAME_MAX)
		return GW_ERR_TOO_BIG;
	header[0] = (uint8_t)(n >> 24);
	header[1] = (uint8_t)(n >> 16);
	header[2] = (uint8_t)(n >> 8);
	header[3] = (uint8_t)n;
	return GW_OK;
}
