/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Asking the memory for what the next packets need. See ahead.h.
 */
#include "agw/relay/ahead.h"

#define LINE 64

static void fetch(const void *p, size_t n)
{
	const char *at = p;

	if (p == NULL)
		return;
	for (size_t i = 0; i < n; i += LINE)
		__builtin_prefetch(at + i);
}

#define AT(field) (base + offsetof(struct agw_stream, field))

/* By offsets from the leg: its pointers are not here yet. Taken to be RTP's, which it mostly is;
 * of another one's stream some lines come in vain. */
static void fetch_stream(const struct agw_leg *l, bool up)
{
	const char *base = (const char *)l - offsetof(struct agw_stream, legs);

	fetch(l, LINE);
	fetch(AT(core_rtp_to), LINE);
	fetch(AT(p.gate_up), 1);
	fetch(AT(p.access.pts), 1);
	fetch(AT(p.core.pts), 1);
	if (up) {
		fetch(AT(socks[AGW_SOCK_CORE_RTP]), 1);
		fetch(AT(counters.up.rtp_packets), 1);
		fetch(AT(counters.up.lost), LINE);
		fetch(AT(rx_up), 1);
		fetch(AT(p.core.exts), 1);
	} else {
		fetch(AT(counters.down.rtp_packets), 1);
		fetch(AT(counters.down.lost), LINE);
		fetch(AT(rx_down), 1);
		fetch(AT(ssrcs), LINE);
		fetch(AT(p.core.filter), 1);
	}
}

void agw_ahead(const struct agw_leg *l, enum agw_ahead step, bool up)
{
	switch (step) {
	case AGW_AHEAD_STREAM:
		fetch_stream(l, up);
		break;
	case AGW_AHEAD_LEG:
		fetch(l->ice, 2 * LINE);
		fetch(l->srtp, LINE);
		break;
	case AGW_AHEAD_SRTP:
		if (l->srtp != NULL)
			agw_srtp_fetch(l->srtp, up);
		break;
	case AGW_AHEAD_STEPS:
		break;
	}
}
