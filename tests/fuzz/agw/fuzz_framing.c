/* SPDX-License-Identifier: Apache-2.0 */
/*
 * RFC 4571 framing (ICE-TCP): arbitrary octets in pieces of arbitrary size must give the same
 * packets as the same octets read by the letter of the RFC. Input: one octet that shapes the
 * pieces, then the octets.
 */
#include "agw/net/framing.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

/* The next packet of the whole, by the letter. @return false: there is no whole one */
static bool expect(const uint8_t *p, size_t n, size_t *at, const uint8_t **pkt, size_t *len)
{
	while (n - *at >= AGW_FRAME_HEAD) {
		*len = (size_t)p[*at] << 8 | p[*at + 1];
		if (*len > n - *at - AGW_FRAME_HEAD)
			return false;
		*pkt = p + *at + AGW_FRAME_HEAD;
		*at += AGW_FRAME_HEAD + *len;
		if (*len > 0 && *len <= AGW_UDP_MTU)
			return true;
	}
	return false;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	struct agw_framing *f = calloc(1, sizeof(*f));
	uint32_t step = n > 0 ? data[0] : 0;
	size_t fed = 1, at = 1;
	const uint8_t *want, *got;
	size_t want_len, got_len;

	if (f == NULL)
		abort();
	while (fed < n) {
		size_t room;
		uint8_t *to = agw_framing_room(f, &room);
		size_t piece = 1 + step % 700;
		enum agw_frame what;

		if (room < AGW_UDP_MTU)
			abort();
		piece = piece < room ? piece : room;
		piece = piece < n - fed ? piece : n - fed;
		memcpy(to, data + fed, piece);
		agw_framing_add(f, piece);
		fed += piece;
		step = step * 1103515245U + 12345U;
		while ((what = agw_framing_next(f, &got, &got_len)) != AGW_FRAME_NONE) {
			if (what == AGW_FRAME_TOO_BIG)
				continue;
			if ((step & 64) != 0) {
				agw_framing_back(f, got_len);
				if (agw_framing_next(f, &got, &got_len) != AGW_FRAME_PACKET)
					abort();
				step ^= 64;
			}
			if (!expect(data, n, &at, &want, &want_len) || want_len != got_len ||
			    memcmp(want, got, got_len) != 0)
				abort();
		}
	}
	if (n > 0 && expect(data, n, &at, &want, &want_len))
		abort();
	free(f);
	return 0;
}
