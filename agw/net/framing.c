/* SPDX-License-Identifier: Apache-2.0 */
/*
 * RFC 4571 framing. See framing.h.
 */
#include "agw/net/framing.h"

#include <string.h>

uint8_t *agw_framing_room(struct agw_framing *f, size_t *n)
{
	if (f->from > 0) {
		memmove(f->buf, f->buf + f->from, f->to - f->from);
		f->to -= f->from;
		f->from = 0;
	}
	/* agw_framing_next left less than one packet of the longest, or skips all there is */
	*n = sizeof(f->buf) - f->to;
	return f->buf + f->to;
}

void agw_framing_add(struct agw_framing *f, size_t n)
{
	GW_ASSERT(n <= sizeof(f->buf) - f->to);
	f->to += n;
}

enum agw_frame agw_framing_next(struct agw_framing *f, const uint8_t **data, size_t *len)
{
	for (;;) {
		const uint8_t *p = f->buf + f->from;
		size_t have = f->to - f->from, n;

		if (f->skip > 0) {
			n = have < f->skip ? have : f->skip;
			f->skip -= n;
			f->from += n;
			if (f->skip > 0)
				return AGW_FRAME_NONE;
			continue;
		}
		if (have < AGW_FRAME_HEAD)
			return AGW_FRAME_NONE;
		n = (size_t)p[0] << 8 | p[1];
		if (n > AGW_UDP_MTU) {
			f->from += AGW_FRAME_HEAD;
			f->skip = n;
			return AGW_FRAME_TOO_BIG;
		}
		if (have < AGW_FRAME_HEAD + n)
			return AGW_FRAME_NONE;
		f->from += AGW_FRAME_HEAD + n;
		if (n == 0)
			continue;
		*data = p + AGW_FRAME_HEAD;
		*len = n;
		return AGW_FRAME_PACKET;
	}
}

void agw_framing_back(struct agw_framing *f, size_t len)
{
	GW_ASSERT(f->from >= AGW_FRAME_HEAD + len);
	f->from -= AGW_FRAME_HEAD + len;
}
