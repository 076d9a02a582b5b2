/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Framing of SIP over TCP; see tcp_frame.h.
 */
#include "cscf/sip/tcp_frame.h"

#include "cscf/sip/msg_int.h"

#include <stdlib.h>

void cscf_sip_tcp_frame_init(struct cscf_sip_tcp_frame *f, size_t max_message)
{
	*f = (struct cscf_sip_tcp_frame){.max_message = max_message};
}

void cscf_sip_tcp_frame_fini(struct cscf_sip_tcp_frame *f)
{
	free(f->buf);
	*f = (struct cscf_sip_tcp_frame){0};
}

enum gw_err cscf_sip_tcp_frame_feed(struct cscf_sip_tcp_frame *f, const char *data, size_t n)
{
	if (f->start > 0) {
		memmove(f->buf, f->buf + f->start, f->n - f->start);
		f->n -= f->start;
		f->seen -= f->start;
		f->start = 0;
	}
	if (f->n + n > f->cap) {
		size_t cap = f->cap == 0 ? 4096 : f->cap;
		char *bigger;

		while (cap < f->n + n)
			cap *= 2;
		bigger = realloc(f->buf, cap);
		if (bigger == NULL)
			return GW_ERR_NOMEM;
		f->buf = bigger;
		f->cap = cap;
	}
	if (n > 0)
		memcpy(f->buf + f->n, data, n);
	f->n += n;
	return GW_OK;
}

static void consume(struct cscf_sip_tcp_frame *f, size_t n)
{
	f->start += n;
	f->seen = f->start;
	f->head_n = 0;
	f->body_n = 0;
	f->bad_length = false;
}

/* Blank lines between messages. @return MESSAGE: a message starts here */
static enum cscf_sip_tcp_piece skip_blank(struct cscf_sip_tcp_frame *f)
{
	for (;;) {
		const char *p = f->buf + f->start;
		size_t n = f->n - f->start;

		if (n == 0 || (n == 1 && p[0] == '\r'))
			return CSCF_SIP_TCP_MORE;
		if (p[0] == '\n') {
			consume(f, 1);
			continue;
		}
		if (p[0] != '\r' || p[1] != '\n')
			return CSCF_SIP_TCP_MESSAGE;
		if (n == 2 || (n == 3 && p[2] == '\r'))
			return CSCF_SIP_TCP_MORE;
		if (p[2] == '\r' && p[3] == '\n') {
			consume(f, 4);
			return CSCF_SIP_TCP_PING;
		}
		consume(f, 2);
	}
}

/* Content-Length of a complete head; 0 when absent. @return false: it is no number */
static bool content_length(struct gw_slice head, size_t *out)
{
	static const struct gw_slice wanted = {"Content-Length", 14};

	*out = 0;
	while (head.n > 0) {
		const char *nl = memchr(head.p, '\n', head.n);
		size_t n = nl != NULL ? (size_t)(nl - head.p) : head.n;
		const char *colon = memchr(head.p, ':', n);
		uint32_t length;

		if (colon != NULL) {
			struct gw_slice name = {head.p, (size_t)(colon - head.p)};
			struct gw_slice value = {colon + 1, n - (size_t)(colon + 1 - head.p)};

			if (cscf_sip_hdr_name_eq(cscf_sip_trim(name), wanted)) {
				if (!cscf_sip_uint(cscf_sip_trim(value), INT32_MAX, &length))
					return false;
				*out = length;
				return true;
			}
		}
		if (nl == NULL)
			break;
		head.p += n + 1;
		head.n -= n + 1;
	}
	return true;
}

/* Look for the empty line from where we stopped. */
static bool find_head(struct cscf_sip_tcp_frame *f)
{
	size_t i = f->seen >= f->start + 3 ? f->seen - 3 : f->start;

	for (; i + 3 < f->n; i++) {
		const char *cr = memchr(f->buf + i, '\r', f->n - i - 3);

		if (cr == NULL)
			break;
		i = (size_t)(cr - f->buf);
		if (memcmp(cr, "\r\n\r\n", 4) == 0) {
			f->head_n = i + 4 - f->start;
			f->bad_length = !content_length(
			    (struct gw_slice){f->buf + f->start, f->head_n - 2}, &f->body_n);
			return true;
		}
	}
	f->seen = f->n;
	return false;
}

enum cscf_sip_tcp_piece cscf_sip_tcp_frame_next(struct cscf_sip_tcp_frame *f, struct gw_slice *out)
{
	enum cscf_sip_tcp_piece piece;

	if (f->head_n == 0) {
		piece = skip_blank(f);
		if (piece != CSCF_SIP_TCP_MESSAGE)
			return piece;
		if (!find_head(f))
			return f->n - f->start > f->max_message ? CSCF_SIP_TCP_BAD
								: CSCF_SIP_TCP_MORE;
	}
	*out = (struct gw_slice){f->buf + f->start, f->head_n};
	if (f->head_n > f->max_message || f->body_n > f->max_message - f->head_n)
		return CSCF_SIP_TCP_TOO_BIG;
	if (f->bad_length)
		return CSCF_SIP_TCP_BAD_LENGTH;
	if (f->n - f->start < f->head_n + f->body_n)
		return CSCF_SIP_TCP_MORE;
	out->n += f->body_n;
	consume(f, out->n);
	return CSCF_SIP_TCP_MESSAGE;
}
