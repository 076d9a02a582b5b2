/* SPDX-License-Identifier: Apache-2.0 */
/*
 * RTCP of our own, and the sign of life. See report.h.
 */
#include "agw/relay/report.h"

#include "agw/relay/rtcp_int.h"
#include "agw/relay/stream_int.h"
#include "common/rand.h"

#include <string.h>
#include <time.h>

#define SDES_CNAME       1
#define PT_EMPTY         20 /* never negotiated (TS 24.229 K.5.2.1) */
#define AUDIO_EVERY_MS   5000
#define VIDEO_EVERY_MS   1000
#define PICTURE_EVERY_MS 500
#define SILENT_REPORTS   3          /* so many missed: it sends none */
#define NTP_OF_UNIX      2208988800 /* seconds from 1900 to 1970 */
#define REPORT_OCTETS    (8 + 20 + 24 + 4 + 4 + 2 + AGW_CNAME_LEN + 4)
#define BLOCK_OCTETS     24
#define MAX_LOST         0x7fffff
#define MILLION          1000000U

static uint64_t read64(const _Atomic uint64_t *at)
{
	return atomic_load_explicit(at, memory_order_relaxed);
}

static uint32_t every_ms(const struct agw_stream *s)
{
	return s->p.media == AGW_MEDIA_VIDEO ? VIDEO_EVERY_MS : AUDIO_EVERY_MS;
}

/* Neither a sender of either side, nor what the WIC knows one by. */
static uint32_t own_ssrc(struct agw_stream *s)
{
	struct agw_reports *r = &s->reports;

	while (r->ssrc == 0 || r->ssrc == s->rx_up.ssrc || agw_ssrc_knows(&s->ssrcs, r->ssrc) ||
	       (s->rewrite != NULL && (r->ssrc == s->rewrite->out || r->ssrc == s->rewrite->in)))
		r->ssrc = (uint32_t)gw_rand_u64();
	return r->ssrc;
}

/* What was lost of every 256 since the last report that way. */
static uint8_t fraction(struct agw_reports *r, enum agw_rtcp_way way,
			const struct agw_reception *rx, uint32_t expected)
{
	uint32_t received = (uint32_t)rx->received;
	bool again = expected < r->expected_prior[way] || received < r->received_prior[way];
	uint32_t due = expected - (again ? 0 : r->expected_prior[way]);
	uint32_t came = received - (again ? 0 : r->received_prior[way]);

	r->expected_prior[way] = expected;
	r->received_prior[way] = received;
	if (due == 0 || came >= due)
		return 0;
	return (uint8_t)(((uint64_t)(due - came) << 8) / due > 255
			     ? 255
			     : ((uint64_t)(due - came) << 8) / due);
}

/* One report block about what came from the side the report goes to. */
static size_t put_block(struct agw_stream *s, enum agw_rtcp_way way, uint8_t *p)
{
	const struct agw_reception *rx = way == AGW_RTCP_DOWN ? &s->rx_up : &s->rx_down;
	const struct agw_sr_seen *sr =
	    &s->quality.sr[way == AGW_RTCP_DOWN ? AGW_RTCP_UP : AGW_RTCP_DOWN];
	uint32_t expected = rx->cycles + rx->max_seq - rx->base_seq + 1;
	uint32_t lost = expected > rx->received ? expected - (uint32_t)rx->received : 0;
	bool has_sr = sr->at_us != 0 && !sr->ours;

	if (!rx->started)
		return 0;
	agw_put32(p, rx->ssrc);
	agw_put32(p + 4, lost < MAX_LOST ? lost : MAX_LOST);
	p[4] = fraction(&s->reports, way, rx, expected);
	agw_put32(p + 8, rx->cycles + rx->max_seq);
	agw_put32(p + 12, rx->jitter_q4 >> 4);
	agw_put32(p + 16, has_sr ? sr->mid : 0);
	agw_put32(p + 20, has_sr ? (uint32_t)(((s->env->now_us - sr->at_us) << 16) / MILLION) : 0);
	return BLOCK_OCTETS;
}

static size_t put_cname(const struct agw_stream *s, uint32_t ssrc, uint8_t *p)
{
	const size_t n = 8 + 2 + AGW_CNAME_LEN;
	const size_t whole = (n + 4U) & ~(size_t)3U; /* at least one zero octet ends the items */

	memset(p, 0, whole);
	p[0] = 0x81;
	p[1] = PT_SDES;
	p[3] = (uint8_t)(whole / 4 - 1);
	agw_put32(p + 4, ssrc);
	p[8] = SDES_CNAME;
	p[9] = AGW_CNAME_LEN;
	memcpy(p + 10, s->cname, AGW_CNAME_LEN);
	return whole;
}

/* Sender information: now, in both clocks; and what was sent under this SSRC. */
static void put_sender(struct agw_stream *s, uint32_t ssrc, uint8_t *p)
{
	struct agw_reports *r = &s->reports;
	uint64_t packets = read64(&s->counters.down.rtp_packets);
	uint64_t octets = read64(&s->counters.down.rtp_octets);
	struct timespec ts;
	uint32_t seconds, part;

	if (r->sr_ssrc != ssrc) {
		r->base_packets = r->sr_ssrc != 0 ? packets : 0;
		r->base_octets = r->sr_ssrc != 0 ? octets : 0;
		r->sr_ssrc = ssrc;
	}
	(void)clock_gettime(CLOCK_REALTIME, &ts);
	seconds = (uint32_t)((uint64_t)ts.tv_sec + NTP_OF_UNIX);
	part = (uint32_t)(((uint64_t)ts.tv_nsec << 32) / (1000ULL * MILLION));
	agw_put32(p, seconds);
	agw_put32(p + 4, part);
	/* transit is arrival in units of the RTP clock less the time stamp */
	agw_put32(p + 8, (uint32_t)(s->env->now_us * s->p.clock_hz / MILLION) - s->rx_down.transit +
			     (s->rewrite != NULL ? s->rewrite->ts_off : 0));
	agw_put32(p + 12, (uint32_t)(packets - r->base_packets));
	agw_put32(p + 16, (uint32_t)(octets - r->base_octets));
	agw_quality_sent(&s->quality, (seconds << 16) | (part >> 16), s->env->now_us);
}

static size_t make(struct agw_stream *s, enum agw_rtcp_way way, bool sender, uint8_t *p)
{
	uint32_t ssrc = sender ? agw_ssrc_at_wic(s) : own_ssrc(s);
	size_t at = 8 + (sender ? 20U : 0U);
	size_t block;

	if (sender)
		put_sender(s, ssrc, p + 8);
	block = put_block(s, way, p + at);
	at += block;
	p[0] = block > 0 ? 0x81 : 0x80;
	p[1] = sender ? PT_SR : PT_RR;
	p[2] = 0;
	p[3] = (uint8_t)(at / 4 - 1);
	agw_put32(p + 4, ssrc);
	return at + put_cname(s, ssrc, p + at);
}

static void count_made(_Atomic uint32_t *c)
{
	atomic_store_explicit(c, atomic_load_explicit(c, memory_order_relaxed) + 1,
			      memory_order_relaxed);
}

/* --- to the WIC ---------------------------------------------------------------------------------
 */

/* Its media was let through lately, and its clock is known. */
static bool core_is_sending(const struct agw_stream *s)
{
	return s->p.gate_down && s->p.clock_hz != 0 && s->rx_down.received > 1 &&
	       (s->rewrite == NULL || (s->rewrite->heard && s->rewrite->in == s->rx_down.ssrc)) &&
	       s->env->now_ms - read64(&s->counters.down.last_seen_ms) < 2U * every_ms(s);
}

static void tell_wic(struct agw_stream *s)
{
	struct agw_leg *l = agw_rtcp_leg(s);
	const struct agw_ice_pair *pair = agw_ice_media_pair(l->ice);
	uint8_t *p = s->env->scratch;
	bool sender = core_is_sending(s);
	size_t n;

	if (pair == NULL || l->srtp == NULL || !s->p.rtcp_gate_down ||
	    (!sender && !s->rx_up.started))
		return;
	n = make(s, AGW_RTCP_DOWN, sender, p);
	s->reports.sent_ms[AGW_RTCP_DOWN] = s->env->now_ms;
	if (agw_srtp_protect_rtcp(l->srtp, p, &n) == GW_OK &&
	    agw_leg_send(l, pair->local, &pair->remote, p, n))
		count_made(&s->counters.down.made_rtcp);
}

static size_t put_pli(struct agw_stream *s, uint8_t *p)
{
	p[0] = 0x80 | FMT_PLI;
	p[1] = PT_PSFB;
	p[2] = 0;
	p[3] = FB_HEADER / 4 - 1;
	agw_put32(p + 4, own_ssrc(s));
	agw_put32(p + 8, s->rx_up.ssrc);
	return FB_HEADER;
}

void agw_reports_ask_picture(struct agw_stream *s)
{
	struct agw_leg *l = agw_rtcp_leg(s);
	const struct agw_ice_pair *pair = agw_ice_media_pair(l->ice);
	uint64_t *last = &s->last_refresh_ms[AGW_RTCP_DOWN];
	uint8_t *p = s->env->scratch;
	size_t n;

	if (pair == NULL || l->srtp == NULL || !s->p.rtcp_gate_down || !s->rx_up.started ||
	    (s->p.access.rtcp_allow & AGW_RTCP_PLI) == 0 ||
	    (*last != 0 && s->env->now_ms - *last < PICTURE_EVERY_MS))
		return;
	*last = s->env->now_ms;
	n = make(s, AGW_RTCP_DOWN, false, p);
	n += put_pli(s, p + n);
	if (agw_srtp_protect_rtcp(l->srtp, p, &n) == GW_OK &&
	    agw_leg_send(l, pair->local, &pair->remote, p, n))
		count_made(&s->counters.down.made_rtcp);
}

/* --- to the core --------------------------------------------------------------------------------
 */

static void send_empty_rtp(struct agw_stream *s)
{
	const struct agw_sock *core = &s->socks[AGW_SOCK_CORE_RTP];
	uint8_t p[AGW_RTP_HEADER] = {0x80, PT_EMPTY};

	if (s->core_rtp_to.len == 0)
		return;
	s->reports.seq++;
	p[2] = (uint8_t)(s->reports.seq >> 8);
	p[3] = (uint8_t)s->reports.seq;
	agw_put32(p + 8, own_ssrc(s));
	if (agw_udp_send(core->fd, core->connected ? NULL : &s->core_rtp_to, p, sizeof(p)))
		count_made(&s->counters.up.made_rtcp);
}

static void tell_core(struct agw_stream *s)
{
	bool mux = s->p.core.rtcp == AGW_CORE_RTCP_MUX;
	const struct agw_sock *core = &s->socks[mux ? AGW_SOCK_CORE_RTP : AGW_SOCK_CORE_RTCP];
	size_t n;

	s->reports.sent_ms[AGW_RTCP_UP] = s->env->now_ms;
	if (s->p.core.rtcp == AGW_CORE_RTCP_OFF) {
		send_empty_rtp(s);
		return;
	}
	if (s->core_rtcp_to.len == 0 || !s->p.rtcp_gate_up)
		return;
	n = make(s, AGW_RTCP_UP, false, s->env->scratch);
	if (agw_udp_send(core->fd, core->connected ? NULL : &s->core_rtcp_to, s->env->scratch, n))
		count_made(&s->counters.up.made_rtcp);
}

/* --- once a second ------------------------------------------------------------------------------
 */

void agw_reports_start(struct agw_stream *s)
{
	_Static_assert(REPORT_OCTETS < AGW_UDP_MTU, "a report fits one datagram");
	s->reports.up_quiet_ms = s->reports.down_quiet_ms = s->env->now_ms;
}

static void look(uint64_t now, uint64_t relayed, uint64_t *before, uint64_t *quiet_ms)
{
	if (relayed == *before)
		return;
	*before = relayed;
	*quiet_ms = now;
}

static bool due(uint64_t now, uint64_t since, uint64_t last, uint64_t silence, uint64_t every)
{
	return now - since >= silence && now - last >= every;
}

void agw_reports_sweep(struct agw_stream *s)
{
	struct agw_reports *r = &s->reports;
	const struct agw_relay_cfg *cfg = s->env->cfg;
	const uint64_t now = s->env->now_ms;
	const uint32_t every = every_ms(s);

	look(now, read64(&s->counters.up.rtp_packets) + read64(&s->counters.up.rtcp_packets),
	     &r->relayed_up, &r->up_quiet_ms);
	look(now, read64(&s->counters.down.rtcp_packets), &r->relayed_down_rtcp, &r->down_quiet_ms);
	if (!s->p.access.answered)
		return;
	if (cfg->rtcp_generate && due(now, r->down_quiet_ms, r->sent_ms[AGW_RTCP_DOWN],
				      SILENT_REPORTS * (uint64_t)every, every))
		tell_wic(s);
	if (cfg->keepalive_ms != 0 &&
	    due(now, r->up_quiet_ms, r->sent_ms[AGW_RTCP_UP], cfg->keepalive_ms, cfg->keepalive_ms))
		tell_core(s);
}
