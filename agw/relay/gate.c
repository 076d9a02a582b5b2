/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The core side's doors: who may send to us (RTP-07), whom we send to (RTP-06, RTCP-02), and
 * when that may move (RTP-08). The gates themselves are two flags looked at in forward.c.
 *
 * A core RTP socket is connected to its peer once packets come from exactly the signalled
 * address (cheaper per packet, and the kernel keeps strangers out); it is set free when the peer
 * falls silent for a sweep or the controller says something new. Whom the kernel keeps out nobody
 * counts: so it is free for one sweep in LOOK_EVERY as well, and strangers show up in `source`
 * (RTP-07). Where any source is good it is never connected.
 */
#include "agw/relay/stream_int.h"

#define LATCH_WINDOW_MS 10000
#define LOOK_EVERY      60 /* sweeps: a minute */

static const struct agw_core_branch *active_branch(const struct agw_core_params *c)
{
	return c->active >= 0 ? &c->branches[c->active] : NULL;
}

static struct gw_addr rtcp_of(const struct agw_core_params *c, const struct agw_core_branch *b)
{
	struct gw_addr a = b->rtp;

	if (c->rtcp == AGW_CORE_RTCP_OFF)
		return (struct gw_addr){.len = 0};
	if (c->rtcp == AGW_CORE_RTCP_MUX)
		return a;
	if (b->rtcp.len != 0)
		return b->rtcp;
	if (gw_addr_port(&a) == UINT16_MAX)
		return (struct gw_addr){.len = 0};
	gw_addr_set_port(&a, (uint16_t)(gw_addr_port(&a) + 1));
	return a;
}

static unsigned n_branches(const struct agw_core_params *c)
{
	unsigned n = 0;

	for (unsigned i = 0; i < AGW_BRANCH_MAX; i++)
		n += c->branches[i].rtp.len != 0;
	return n;
}

static void set_free(struct agw_stream *s)
{
	struct agw_sock *k = &s->socks[AGW_SOCK_CORE_RTP];

	k->settled = false;
	if (k->connected && agw_udp_connect(k->fd, NULL) == GW_OK)
		k->connected = false;
}

static void new_source(struct agw_stream *s)
{
	agw_ssrc_new_source(&s->ssrcs);
	if (s->rewrite != NULL)
		agw_rewrite_new_source(s->rewrite);
}

void agw_core_update(struct agw_stream *s, const struct agw_core_params *old, bool gate_opened)
{
	const struct agw_core_params *c = &s->p.core;
	const struct agw_core_branch *b = active_branch(c);
	bool same = old != NULL && agw_core_same_remotes(old, c);

	if (!same) {
		struct gw_addr before = s->core_rtp_to;

		s->core_rtp_to = b != NULL ? b->rtp : (struct gw_addr){.len = 0};
		s->core_rtcp_to = b != NULL ? rtcp_of(c, b) : (struct gw_addr){.len = 0};
		set_free(s);
		s->core_exact = false;
		s->several = n_branches(c) > 1;
		if (before.len != 0 &&
		    (s->core_rtp_to.len == 0 || !gw_addr_eq(&before, &s->core_rtp_to)))
			new_source(s);
	}
	if (c->latch == AGW_LATCH_OFF)
		s->latch_until_ms = 0;
	else if (gate_opened || !same)
		s->latch_until_ms = s->env->now_ms + LATCH_WINDOW_MS;
}

bool agw_core_accepts(const struct agw_stream *s, const struct gw_addr *from)
{
	const struct agw_core_params *c = &s->p.core;

	if (c->filter == AGW_FILTER_ANY)
		return true;
	/* Most packets: where we send to ourselves. */
	if (s->core_rtp_to.len != 0 && gw_addr_eq(from, &s->core_rtp_to))
		return true;
	for (unsigned i = 0; i < AGW_BRANCH_MAX; i++) {
		const struct agw_core_branch *b = &c->branches[i];
		struct gw_addr rtcp;

		if (b->rtp.len == 0)
			continue;
		if (c->filter == AGW_FILTER_ADDR && gw_addr_ip_eq(from, &b->rtp))
			return true;
		if (gw_addr_eq(from, &b->rtp))
			return true;
		rtcp = rtcp_of(c, b);
		if (rtcp.len == 0)
			continue;
		if (c->filter == AGW_FILTER_ADDR ? gw_addr_ip_eq(from, &rtcp)
						 : gw_addr_eq(from, &rtcp))
			return true;
	}
	return false;
}

static bool is_known(const struct gw_addr *a, const struct gw_addr *from)
{
	return a->len != 0 && gw_addr_eq(a, from);
}

static bool is_of(const struct agw_core_params *c, const struct agw_core_branch *b,
		  const struct gw_addr *from)
{
	struct gw_addr rtcp = rtcp_of(c, b);

	return gw_addr_eq(from, &b->rtp) || is_known(&rtcp, from);
}

/* Ports may differ from the signalled ones where the filter lets them: then the host decides. */
bool agw_core_shut_out(const struct agw_stream *s, const struct gw_addr *from)
{
	const struct agw_core_params *c = &s->p.core;
	const struct agw_core_branch *active = active_branch(c);
	bool other_host = false;

	if (active != NULL && (is_of(c, active, from) || is_known(&s->core_rtp_to, from) ||
			       is_known(&s->core_rtcp_to, from)))
		return false;
	for (int i = 0; i < AGW_BRANCH_MAX; i++) {
		const struct agw_core_branch *b = &c->branches[i];

		if (b->rtp.len == 0 || i == c->active)
			continue;
		if (is_of(c, b, from))
			return true;
		other_host = other_host || gw_addr_ip_eq(from, &b->rtp);
	}
	return other_host && (active == NULL || !gw_addr_ip_eq(from, &active->rtp));
}

static void latch(struct agw_stream *s, const struct gw_addr *from)
{
	struct agw_stream_event ev = {.kind = AGW_EV_CORE_LATCHED,
				      .side = AGW_SIDE_CORE,
				      .addr = *from,
				      .addr2 = s->core_rtp_to};
	bool moved_rtcp = s->p.core.rtcp == AGW_CORE_RTCP_MUX;

	s->latch_until_ms = 0;
	s->core_rtp_to = *from;
	if (moved_rtcp)
		s->core_rtcp_to = *from;
	new_source(s);
	agw_stream_emit(s, &ev);
}

void agw_core_heard(struct agw_stream *s, const struct gw_addr *from)
{
	s->core_heard = true;
	if (s->core_rtp_to.len != 0 && gw_addr_eq(from, &s->core_rtp_to)) {
		s->core_exact = true;
		s->latch_until_ms = 0; /* the signalled one it is */
		return;
	}
	if (s->latch_until_ms != 0 && s->p.gate_down) {
		if (s->env->now_ms < s->latch_until_ms)
			latch(s, from);
		else
			s->latch_until_ms = 0;
	}
}

void agw_core_sweep(struct agw_stream *s)
{
	struct agw_sock *k = &s->socks[AGW_SOCK_CORE_RTP];

	if (k->connected && (!s->core_heard || ++s->looked >= LOOK_EVERY)) {
		set_free(s);
		s->looked = 0;
	} else if (!k->connected && s->core_exact && !s->several &&
		   s->p.core.filter != AGW_FILTER_ANY &&
		   agw_udp_connect(k->fd, &s->core_rtp_to) == GW_OK) {
		k->connected = true;
		k->settled = false;
	}
	s->core_heard = false;
	s->core_exact = false;
}
