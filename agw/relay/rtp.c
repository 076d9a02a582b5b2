/* SPDX-License-Identifier: Apache-2.0 */
/*
 * RTP header checks and header extensions. See rtp.h.
 */
#include "agw/relay/rtp.h"

#include <string.h>

#define X_BIT        0x10
#define P_BIT        0x20
#define ONE_BYTE     0xbede
#define TWO_BYTE     0x1000 /* and the low four bits are the application's */
#define ONE_BYTE_END 15

enum gw_err agw_rtp_parse(const uint8_t *p, size_t n, struct agw_rtp_view *out)
{
	size_t at;
	size_t pad = 0;

	if (n < AGW_RTP_HEADER || n > UINT16_MAX || (p[0] >> 6) != 2)
		return GW_ERR_PROTO;
	at = AGW_RTP_HEADER + 4U * (p[0] & 0x0fU);
	if (at > n)
		return GW_ERR_PROTO;
	out->fixed = (uint8_t)at;
	out->ext = 0;
	if ((p[0] & X_BIT) != 0) {
		size_t ext;

		if (n - at < 4)
			return GW_ERR_PROTO;
		ext = 4U + 4U * (size_t)agw_be16(p + at + 2);
		if (ext > n - at)
			return GW_ERR_PROTO;
		out->ext = (uint16_t)ext;
		at += ext;
	}
	if ((p[0] & P_BIT) != 0) {
		pad = p[n - 1];
		if (pad == 0 || pad > n - at)
			return GW_ERR_PROTO;
	}
	out->pt = p[1] & 0x7f;
	out->seq = agw_be16(p + 2);
	out->ts = agw_be32(p + 4);
	out->ssrc = agw_be32(p + 8);
	out->payload = (uint16_t)(n - at - pad);
	return GW_OK;
}

/* Turn elements not mapped into padding octets (0 in both forms). @return how many stay */
static unsigned blank(uint8_t *e, size_t n, bool one_byte, const struct agw_ext_map *map)
{
	size_t at = 0;
	unsigned kept = 0;

	while (at < n) {
		unsigned id = one_byte ? e[at] >> 4 : e[at];
		uint8_t to = id >= 1 && id <= 14 ? map->to[id] : 0;
		size_t len;

		if (e[at] == 0) {
			at++;
			continue;
		}
		if (one_byte && id == ONE_BYTE_END)
			break;
		if (!one_byte && at + 1 >= n)
			break;
		len = one_byte ? 2U + (e[at] & 0x0fU) : 2U + e[at + 1];
		if (len > n - at)
			break;
		if (to != 0) {
			e[at] = (uint8_t)(one_byte ? to << 4 | (e[at] & 0x0f) : to);
			kept++;
		} else {
			memset(e + at, 0, len);
		}
		at += len;
	}
	/* What does not parse as elements is not let through. */
	memset(e + at, 0, n - at);
	return kept;
}

uint8_t *agw_rtp_filter_ext(uint8_t *p, size_t *n, const struct agw_rtp_view *v,
			    const struct agw_ext_map *map)
{
	uint8_t *ext = p + v->fixed;
	uint16_t profile;

	if (v->ext == 0)
		return p;
	profile = agw_be16(ext);
	if (map->to[0] != 0 && (profile == ONE_BYTE || (profile & 0xfff0) == TWO_BYTE) &&
	    blank(ext + 4, v->ext - 4U, profile == ONE_BYTE, map) > 0)
		return p;
	p[0] &= (uint8_t)~X_BIT;
	memmove(p + v->ext, p, v->fixed);
	*n -= v->ext;
	return p + v->ext;
}
