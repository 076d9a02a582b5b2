/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The hot path. Per packet: no allocation (but libsrtp's on the first of an SSRC), no lock, no
 * log, no clock, one send shared by the batch. A dropped packet is one counter.
 *
 * SRTP is removed before the gate is asked: the roll-over counter must follow the sender even
 * while nothing is let through.
 */
#include "agw/relay/forward.h"

#include "agw/relay/rtcp.h"
#include "agw/relay/share.h"

#include <string.h>

#define POLICED_QUIET_MS 10000
#define NO_MEMORY_MS     1000 /* between tries to have a ring of sent packets */
#define PICTURE_EVERY_MS 500
#define ETHERNET_MTU     1500U
#define ALWAYS_FITS      (ETHERNET_MTU - 48U) /* behind headers of IPv6 and UDP */

static void drop_up(struct agw_stream *s, enum agw_drop why)
{
	agw_drop(s, &s->counters.up, why);
}

static void drop_down(struct agw_stream *s, enum agw_drop why)
{
	agw_drop(s, &s->counters.down, why);
}

static enum agw_drop drop_of(enum gw_err err)
{
	return err == GW_ERR_AUTH     ? AGW_DROP_AUTH
	       : err == GW_ERR_REPLAY ? AGW_DROP_REPLAY
	       : err == GW_ERR_PROTO  ? AGW_DROP_MALFORMED
	       : err == GW_ERR_LIMIT  ? AGW_DROP_SSRC_LIMIT
				      : AGW_DROP_SRTP;
}

/* Protecting knows no senders: its limit is the key's (SRTP-10). */
static enum agw_drop unsent(enum gw_err err)
{
	return err == GW_ERR_LIMIT ? AGW_DROP_KEY_LIMIT : drop_of(err);
}

static void seen(struct agw_stream *s, struct agw_dir_counters *d)
{
	atomic_store_explicit(&d->last_seen_ms, s->env->now_ms, memory_order_relaxed);
}

static void tell_once(struct agw_stream *s, bool *told, enum agw_event kind, enum agw_side side,
		      uint32_t value)
{
	struct agw_stream_event ev = {.kind = kind, .side = side, .value = value};

	if (told[side])
		return;
	told[side] = true;
	agw_stream_emit(s, &ev);
}

static bool pt_ok(struct agw_stream *s, const struct agw_pt_set *in, const struct agw_pt_set *out,
		  uint8_t pt, enum agw_side side)
{
	bool known = agw_pt_set_empty(in) || agw_pt_set_has(in, pt);

	if (!known)
		tell_once(s, s->pt_told, AGW_EV_PT_UNKNOWN, side, pt);
	return known && (agw_pt_set_empty(out) || agw_pt_set_has(out, pt));
}

/* Over the rate that was agreed? Counted by the IP packet (RTP-23). */
static bool over_rate(struct agw_stream *s, enum agw_rtcp_way way, const struct gw_addr *from,
		      size_t n)
{
	struct agw_police *p = &s->police[way];
	struct agw_stream_event ev = {.kind = AGW_EV_POLICED,
				      .side = way == AGW_RTCP_UP ? AGW_SIDE_ACCESS : AGW_SIDE_CORE,
				      .value =
					  (uint32_t)(p->bps < UINT32_MAX ? p->bps : UINT32_MAX)};

	if (agw_police_take(p, n + (gw_addr_is_v6(from) ? 48U : 28U), s->env->now_us))
		return false;
	if (s->env->now_ms >= p->quiet_ms) {
		p->quiet_ms = s->env->now_ms + POLICED_QUIET_MS;
		agw_stream_emit(s, &ev);
	}
	return true;
}

typedef enum gw_err unprotect_fn(struct agw_srtp_sess *srtp, uint8_t *pkt, size_t *len);

/* For a moment after a rekey both keys are good (SRTP-11): try the new on a copy first. */
static enum gw_err unprotect(struct agw_leg *l, unprotect_fn *fn, uint8_t *data, size_t *len)
{
	uint8_t *scratch = l->stream->env->scratch;
	enum gw_err err;

	if (l->srtp_old == NULL)
		return fn(l->srtp, data, len);
	memcpy(scratch, data, *len);
	err = fn(l->srtp, data, len);
	if (err != GW_ERR_AUTH)
		return err;
	memcpy(data, scratch, *len);
	return fn(l->srtp_old, data, len);
}

static void count_rtp(struct agw_stream *s, struct agw_dir_counters *d, uint16_t payload)
{
	if (agw_counter_read(&d->rtp_packets) == 0)
		agw_mark(&d->first_out_ms, s->env->now_ms, false);
	agw_count(&d->rtp_packets, 1);
	agw_count(&d->rtp_octets, payload);
	agw_count(&s->env->rtp_packets, 1);
}

/* IP will fragment it where there is Ethernet on the way (RTP-22): sent all the same, and counted.
 */
static void count_oversize(struct agw_stream *s, struct agw_dir_counters *d, enum agw_side to_side,
			   const struct gw_addr *to, size_t n)
{
	if (n + (gw_addr_is_v6(to) ? 48U : 28U) <= ETHERNET_MTU)
		return;
	agw_count(&d->oversize, 1);
	agw_count(&s->env->oversize[to_side], 1);
}

/* A sender that will not come again: libsrtp's contexts for it are given back. */
static void forget_sender(struct agw_stream *s)
{
	if (!s->ssrcs.has_forgotten)
		return;
	s->ssrcs.has_forgotten = false;
	for (int i = 0; i < AGW_LEG_COUNT; i++)
		if (s->legs[i].srtp != NULL)
			agw_srtp_forget_sender(s->legs[i].srtp, s->ssrcs.forgotten);
}

void agw_forward_up_rtp(struct agw_stream *s, unsigned local, struct agw_udp_pkt *pkt)
{
	const struct agw_sock *core = &s->socks[AGW_SOCK_CORE_RTP];
	struct agw_leg *l = &s->legs[AGW_LEG_RTP];
	struct agw_dir_counters *d = &s->counters.up;
	struct agw_rtp_view v;
	uint8_t *p = pkt->data;
	size_t n = pkt->len;
	enum gw_err err;

	if (!agw_ice_is_valid_source(l->ice, local, pkt->from)) {
		drop_up(s, AGW_DROP_SOURCE);
		return;
	}
	if (l->srtp == NULL) {
		drop_up(s, AGW_DROP_NOT_READY);
		return;
	}
	err = unprotect(l, agw_srtp_unprotect, p, &n);
	if (err != GW_OK) {
		drop_up(s, drop_of(err));
		return;
	}
	if (agw_rtp_parse(p, n, &v) != GW_OK) {
		drop_up(s, AGW_DROP_MALFORMED);
		return;
	}
	seen(s, d);
	if (agw_reception_update(&s->rx_up, d, v.ssrc, v.seq, v.ts, s->p.clock_hz, s->env->now_us))
		tell_once(s, s->ssrc_told, AGW_EV_SSRC_CHANGED, AGW_SIDE_ACCESS, v.ssrc);
	if (!pt_ok(s, &s->p.access.pts, &s->p.core.pts, v.pt, AGW_SIDE_ACCESS))
		drop_up(s, AGW_DROP_PT);
	else if (v.payload == 0 && !s->env->cfg->relay_padding_only)
		drop_up(s, AGW_DROP_PADDING);
	else if (!s->p.gate_up)
		drop_up(s, AGW_DROP_GATE);
	else if (s->core_rtp_to.len == 0)
		drop_up(s, AGW_DROP_NO_DEST);
	else if (s->policed && over_rate(s, AGW_RTCP_UP, pkt->from, n))
		drop_up(s, AGW_DROP_POLICED);
	else {
		p = agw_rtp_filter_ext(p, &n, &v, &s->p.core.exts);
		agw_udp_out_add(s->env->out,
				&(struct agw_udp_dgram){
				    core->fd, core->connected ? NULL : &s->core_rtp_to, -1, p, n},
				d);
		count_rtp(s, d, v.payload);
		if (n > ALWAYS_FITS)
			count_oversize(s, d, AGW_SIDE_CORE, &s->core_rtp_to, n);
	}
}

/* The sender as the WIC knows it: by its own SSRC, another, or one for the whole stream (SRTP-09,
 * RTP-09).
 * @return false: dropped */
static bool named_down(struct agw_stream *s, const struct agw_rtp_view *v, uint32_t *ssrc,
		       struct agw_rewritten *as)
{
	switch (
	    s->rewrite != NULL
		? agw_rewrite_rtp(s->rewrite, v, s->p.clock_hz, s->rx_up.ssrc, s->env->now_us, as)
		: agw_ssrc_rtp(&s->ssrcs, v->ssrc, v->seq, v->ts, s->env->now_ms, ssrc)) {
	case AGW_SSRC_PASS:
		return true;
	case AGW_SSRC_RENEWED:
		agw_count(&s->counters.down.discontinuities, 1);
		return true;
	case AGW_SSRC_HOLD:
		drop_down(s, AGW_DROP_REPLAY);
		return false;
	case AGW_SSRC_FULL:
		drop_down(s, AGW_DROP_SSRC_LIMIT);
		return false;
	}
	return false;
}

/* Why is there no way to the WIC? It may be known, and not be proven yet. */
static enum agw_drop no_way(const struct agw_leg *l)
{
	return agw_ice_selected(l->ice) == NULL ? AGW_DROP_NO_DEST : AGW_DROP_NOT_READY;
}

/* The ring is made when there is something to keep: one allocation for the life of the stream. */
static bool has_ring(struct agw_stream *s)
{
	if (s->resend != NULL)
		return true;
	if (s->env->now_ms < s->resend_wait_ms)
		return false;
	if (agw_resend_new(&s->resend, s->env->cfg->resend, s->asks) == GW_OK)
		return true;
	s->resend_wait_ms = s->env->now_ms + NO_MEMORY_MS;
	return false;
}

static void keep_sent(struct agw_stream *s, const uint8_t *p, size_t n)
{
	if (has_ring(s))
		agw_resend_keep(s->resend, p, n);
}

void agw_forward_down_rtp(struct agw_stream *s, struct agw_udp_pkt *pkt)
{
	struct agw_leg *l = &s->legs[AGW_LEG_RTP];
	const struct agw_ice_pair *pair = agw_ice_media_pair(l->ice);
	struct agw_dir_counters *d = &s->counters.down;
	struct agw_rewritten as = {0};
	struct agw_rtp_view v;
	uint8_t *p = pkt->data;
	size_t n = pkt->len;
	uint32_t ssrc = 0;
	enum gw_err err;

	if (!agw_core_accepts(s, pkt->from)) {
		drop_down(s, AGW_DROP_SOURCE);
		return;
	}
	if (agw_rtp_parse(p, n, &v) != GW_OK) {
		drop_down(s, AGW_DROP_MALFORMED);
		return;
	}
	seen(s, d);
	if (s->several && agw_core_shut_out(s, pkt->from)) {
		drop_down(s, AGW_DROP_GATE);
		return;
	}
	agw_core_heard(s, pkt->from);
	if (agw_reception_update(&s->rx_down, d, v.ssrc, v.seq, v.ts, s->p.clock_hz,
				 s->env->now_us))
		tell_once(s, s->ssrc_told, AGW_EV_SSRC_CHANGED, AGW_SIDE_CORE, v.ssrc);
	if (!pt_ok(s, &s->p.core.pts, &s->p.access.pts, v.pt, AGW_SIDE_CORE)) {
		drop_down(s, AGW_DROP_PT);
		return;
	}
	if (!s->p.gate_down) {
		drop_down(s, AGW_DROP_GATE);
		return;
	}
	if (pair == NULL || l->srtp == NULL) {
		drop_down(s, no_way(l));
		return;
	}
	if (s->policed && over_rate(s, AGW_RTCP_DOWN, pkt->from, n)) {
		drop_down(s, AGW_DROP_POLICED);
		return;
	}
	if (!named_down(s, &v, &ssrc, &as))
		return;
	forget_sender(s);
	p = agw_rtp_filter_ext(p, &n, &v, &s->p.access.exts);
	if (s->rewrite != NULL)
		agw_rewrite_put(s->rewrite, &as, s->p.media == AGW_MEDIA_AUDIO, p);
	else if (ssrc != v.ssrc)
		agw_put32(p + 8, ssrc);
	err = agw_srtp_protect(l->srtp, p, &n);
	if (err != GW_OK) {
		drop_down(s, unsent(err));
		return;
	}
	if (s->keeps)
		keep_sent(s, p, n);
	if (pair->local >= AGW_LOCAL_TCP) {
		if (!agw_leg_send(l, pair->local, &pair->remote, p, n)) {
			drop_down(s, AGW_DROP_SEND);
			return;
		}
		count_rtp(s, d, v.payload);
		return;
	}
	agw_udp_out_add(s->env->out,
			&(struct agw_udp_dgram){agw_leg_fd(l, pair->local), &pair->remote,
						l->share != NULL ? l->share->mark[pair->local] : -1,
						p, n},
			d);
	count_rtp(s, d, v.payload);
	if (n > ALWAYS_FITS)
		count_oversize(s, d, AGW_SIDE_ACCESS, &pair->remote, n);
}

/* The controller may have another way to ask for a picture, where it let the WIC ask (RTCP-24). */
static void tell_picture(struct agw_stream *s)
{
	struct agw_stream_event ev = {.kind = AGW_EV_PICTURE_ASKED, .side = AGW_SIDE_ACCESS};

	if ((s->p.access.rtcp_allow & (AGW_RTCP_PLI | AGW_RTCP_FIR)) == 0 ||
	    s->env->now_ms < s->picture_quiet_ms)
		return;
	s->picture_quiet_ms = s->env->now_ms + PICTURE_EVERY_MS;
	agw_stream_emit(s, &ev);
}

/* Filter into scratch. @return octets to send; 0 = dropped and counted */
static size_t filter(struct agw_stream *s, struct agw_dir_counters *d, enum agw_rtcp_way way,
		     const uint8_t *p, size_t n)
{
	struct agw_rtcp_filter f = {.way = way,
				    .allow = way == AGW_RTCP_UP ? s->p.core.rtcp_allow
								: s->p.access.rtcp_allow,
				    .ssrcs = &s->ssrcs,
				    .rewrite = s->rewrite,
				    .now_ms = s->env->now_ms,
				    .last_refresh_ms = &s->last_refresh_ms[way],
				    .fir_seq = &s->fir_seq[way]};
	size_t out;

	if (s->rewrite != NULL)
		f.view = (struct agw_rewrite_view){
		    .wic_ssrc = s->rx_up.ssrc,
		    .has_wic = s->rx_up.started,
		    .packets = (uint32_t)agw_counter_read(&s->counters.down.rtp_packets),
		    .octets = (uint32_t)agw_counter_read(&s->counters.down.rtp_octets)};
	out = agw_rtcp_relay(&f, p, n, s->env->scratch, AGW_UDP_MTU);

	if (f.removed > 0)
		agw_count(&s->counters.rtcp_removed, f.removed);
	if (f.picture_asked && way == AGW_RTCP_UP)
		tell_picture(s);
	forget_sender(s);
	if (out == 0)
		agw_drop(s, d, AGW_DROP_RTCP_FILTER);
	return out;
}

static bool send_again(void *arg, const uint8_t *pkt, size_t n)
{
	struct agw_leg *l = arg;
	const struct agw_ice_pair *pair = agw_ice_media_pair(l->ice);

	return agw_leg_send(l, pair->local, &pair->remote, pkt, n);
}

/* What the WIC lost of what we sent it has of us, where its media may flow. Who asks without having
 * said that he would has packets kept from then on. @return octets of RTCP left for the core */
static size_t answer_nacks(struct agw_stream *s, uint8_t *p, size_t n)
{
	struct agw_leg *media = &s->legs[AGW_LEG_RTP];
	struct agw_resend_out out = {.send = send_again, .arg = media};

	if ((s->p.media != AGW_MEDIA_VIDEO && (s->p.access.rtcp_allow & AGW_RTCP_NACK) == 0) ||
	    !agw_resend_asked(p, n))
		return n;
	s->keeps = true;
	if (!s->asks)
		s->resend_wait_ms = 0; /* what was refused to one who might ask */
	s->asks = true;
	if (s->resend == NULL)
		return n;
	if (media->srtp == NULL || !s->p.gate_down || agw_ice_media_pair(media->ice) == NULL)
		return n;
	n = agw_resend_answer(s->resend, p, n, &out);
	agw_count(&s->counters.down.nacked, out.asked);
	agw_count(&s->counters.down.resent, out.resent);
	agw_count(&s->env->nacked, out.asked);
	agw_count(&s->env->resent, out.resent);
	return n;
}

void agw_forward_up_rtcp(struct agw_leg *l, unsigned local, struct agw_udp_pkt *pkt)
{
	struct agw_stream *s = l->stream;
	bool mux = s->p.core.rtcp == AGW_CORE_RTCP_MUX;
	const struct agw_sock *core = &s->socks[mux ? AGW_SOCK_CORE_RTP : AGW_SOCK_CORE_RTCP];
	struct agw_dir_counters *d = &s->counters.up;
	uint8_t *p = pkt->data;
	size_t n = pkt->len;
	enum gw_err err;

	if (!agw_ice_is_valid_source(l->ice, local, pkt->from)) {
		agw_drop(s, d, AGW_DROP_SOURCE);
		return;
	}
	if (l->srtp == NULL) {
		agw_drop(s, d, AGW_DROP_NOT_READY);
		return;
	}
	err = unprotect(l, agw_srtp_unprotect_rtcp, p, &n);
	if (err != GW_OK) {
		agw_drop(s, d, drop_of(err));
		return;
	}
	if (agw_rtcp_check(p, n, (s->p.access.rtcp_allow & AGW_RTCP_RSIZE) != 0) != GW_OK) {
		agw_drop(s, d, AGW_DROP_MALFORMED);
		return;
	}
	seen(s, d);
	agw_quality_heard(&s->quality, AGW_RTCP_UP, p, n, agw_ssrc_at_wic(s), s->env->now_us,
			  &s->counters);
	if (s->env->cfg->resend != NULL) {
		n = answer_nacks(s, p, n);
		if (n == 0)
			return;
	}
	if (!s->p.rtcp_gate_up) {
		agw_drop(s, d, AGW_DROP_GATE);
		return;
	}
	if (s->core_rtcp_to.len == 0) {
		agw_drop(s, d, AGW_DROP_NO_DEST);
		return;
	}
	n = filter(s, d, AGW_RTCP_UP, p, n);
	if (n == 0)
		return;
	if (agw_udp_send(core->fd, core->connected ? NULL : &s->core_rtcp_to, s->env->scratch, n))
		agw_count(&d->rtcp_packets, 1);
	else
		agw_drop(s, d, AGW_DROP_SEND);
}

void agw_forward_down_rtcp(struct agw_stream *s, struct agw_udp_pkt *pkt)
{
	struct agw_leg *l = agw_rtcp_leg(s);
	const struct agw_ice_pair *pair = agw_ice_media_pair(l->ice);
	struct agw_dir_counters *d = &s->counters.down;
	size_t n;
	enum gw_err err;

	if (!agw_core_accepts(s, pkt->from)) {
		agw_drop(s, d, AGW_DROP_SOURCE);
		return;
	}
	if (agw_rtcp_check(pkt->data, pkt->len, (s->p.core.rtcp_allow & AGW_RTCP_RSIZE) != 0) !=
	    GW_OK) {
		agw_drop(s, d, AGW_DROP_MALFORMED);
		return;
	}
	seen(s, d);
	if (s->several && agw_core_shut_out(s, pkt->from)) {
		agw_drop(s, d, AGW_DROP_GATE);
		return;
	}
	agw_quality_heard(&s->quality, AGW_RTCP_DOWN, pkt->data, pkt->len, s->rx_up.ssrc,
			  s->env->now_us, &s->counters);
	if (!s->p.rtcp_gate_down) {
		agw_drop(s, d, AGW_DROP_GATE);
		return;
	}
	if (pair == NULL || l->srtp == NULL) {
		agw_drop(s, d, no_way(l));
		return;
	}
	n = filter(s, d, AGW_RTCP_DOWN, pkt->data, pkt->len);
	if (n == 0)
		return;
	err = agw_srtp_protect_rtcp(l->srtp, s->env->scratch, &n);
	if (err != GW_OK)
		agw_drop(s, d, unsent(err));
	else if (agw_leg_send(l, pair->local, &pair->remote, s->env->scratch, n))
		agw_count(&d->rtcp_packets, 1);
	else
		agw_drop(s, d, AGW_DROP_SEND);
}
