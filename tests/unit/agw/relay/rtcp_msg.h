/* SPDX-License-Identifier: Apache-2.0 */
/* RTCP written for a test, packet by packet. */
#ifndef TESTS_UNIT_AGW_RELAY_RTCP_MSG_H
#define TESTS_UNIT_AGW_RELAY_RTCP_MSG_H

#include "agw/relay/rtp.h"

#include <stddef.h>

struct msg {
	size_t n;
	uint8_t data[560];
};

/* Append one of `words` 32-bit words behind the header; v NULL: zeros. */
static inline void add(struct msg *m, unsigned n_items, unsigned pt, unsigned words,
		       const uint32_t *v)
{
	uint8_t *p = m->data + m->n;

	p[0] = (uint8_t)(0x80 | n_items);
	p[1] = (uint8_t)pt;
	p[2] = 0;
	p[3] = (uint8_t)words;
	for (unsigned i = 0; i < words; i++)
		agw_put32(p + 4 + 4U * i, v != NULL ? v[i] : 0);
	m->n += 4U + 4U * words;
}

#endif
