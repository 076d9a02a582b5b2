/* SPDX-License-Identifier: Apache-2.0 */
/*
 * RTP header: checks and the little that is changed in passing (RTP-02, RTP-12, RTP-24;
 * RFC 3550 s5.1, RFC 8285). Pure functions on bytes; any thread.
 */
#ifndef AGW_RELAY_RTP_H
#define AGW_RELAY_RTP_H

#include "common/err.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define AGW_RTP_HEADER 12U

/* Which header extension id of the leg it came from is which of the leg it goes to. */
struct agw_ext_map {
	uint8_t to[16]; /* by the id that arrives; 0 = taken off. [0]: how many are not */
};

/** Ids outside 1..14 are no extension's: nothing is added. */
static inline void agw_ext_map_add(struct agw_ext_map *m, unsigned from, unsigned to)
{
	if (from < 1 || from > 14 || to < 1 || to > 14)
		return;
	m->to[0] = (uint8_t)(m->to[0] + (m->to[from] == 0));
	m->to[from] = (uint8_t)to;
}

struct agw_rtp_view {
	uint32_t ssrc;
	uint32_t ts;
	uint16_t seq;
	uint8_t pt;
	uint8_t fixed;    /* octets of header and CSRC list */
	uint16_t ext;     /* octets of the header extension with its own header; 0 = none */
	uint16_t payload; /* octets of payload, without padding */
};

static inline uint16_t agw_be16(const uint8_t *p)
{
	return (uint16_t)((p[0] << 8) | p[1]);
}
static inline uint32_t agw_be32(const uint8_t *p)
{
	return ((uint32_t)p[0] << 24) | ((uint32_t)p[1] << 16) | ((uint32_t)p[2] << 8) | p[3];
}
static inline void agw_put32(uint8_t *p, uint32_t v)
{
	p[0] = (uint8_t)(v >> 24);
	p[1] = (uint8_t)(v >> 16);
	p[2] = (uint8_t)(v >> 8);
	p[3] = (uint8_t)v;
}

/**
 * Check a plain RTP packet.
 * @return GW_OK; GW_ERR_PROTO not version 2, shorter than its header, CSRC list, extension or
 *         padding says
 */
enum gw_err agw_rtp_parse(const uint8_t *p, size_t n, struct agw_rtp_view *out) GW_MUST_CHECK;

/**
 * Let only mapped header extensions through, under the ids of the leg they go to: with none left
 * the extension goes away, else the others become padding.
 *
 * @return where the packet begins now: p, or further up (always 4-aligned if p was); *n shrinks
 */
uint8_t *agw_rtp_filter_ext(uint8_t *p, size_t *n, const struct agw_rtp_view *v,
			    const struct agw_ext_map *map);

#endif
