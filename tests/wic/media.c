/* SPDX-License-Identifier: Apache-2.0 */
/* One call's media; see media.h. */
#include "tests/wic/media.h"

#include "common/rand.h"
#include "tests/wic/sound.h"
#include "tests/wic/tally.h"

#include <event2/event.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define RTP_HEAD   12
#define PKT_MAX    2048
#define CLOCK_RATE 8000
#define READS_MAX  32
#define LATE_MAX   5 /* packets sent in one turn when the loop was late */
#define RTCP_US    INT64_C(5000000)

struct wic_media {
	struct event_base *base;
	const struct wic_options *o;
	struct wic_media_cbs cbs;
	void *arg;
	int fd;
	struct gw_addr local, peer;
	struct event *rd, *tick; /* owned */
	struct wic_ice *ice;     /* owned */
	struct wic_dtls *dtls;   /* owned; NULL before start */
	int pt;
	bool sending, quiet;
	unsigned moves;
	char peer_ufrag[260];
	int64_t last_rx_us;

	/* sending */
	uint32_t ssrc, key, counter;
	uint16_t seq;
	uint32_t ts;
	uint64_t tone_at;
	int64_t start_us, next_us, next_rtcp_us;
	uint32_t octets_sent;

	/* receiving */
	struct wic_tally tally; /* of the stream we verify */
	struct wic_tone_detector ear;
	struct wic_media_stats st;
};

static void fail(struct wic_media *m, const char *why)
{
	if (m->st.failed)
		return;
	m->st.failed = true;
	m->st.why = why;
	m->sending = false;
	m->cbs.on_failed(m->arg, why);
}

static double since_start(const struct wic_media *m)
{
	return (double)(wic_now_us() - m->start_us) / 1000;
}

static void send_to(struct wic_media *m, const struct gw_addr *to, const uint8_t *bytes, size_t len)
{
	/* a full socket buffer or an unreachable port is loss, and loss is counted at the end */
	(void)sendto(m->fd, bytes, len, MSG_DONTWAIT, &to->u.sa, to->len);
}

/* --- sending -------------------------------------------------------------------------------- */

static void put16(uint8_t *to, unsigned v)
{
	to[0] = (uint8_t)(v >> 8);
	to[1] = (uint8_t)v;
}

static void put32(uint8_t *to, uint32_t v)
{
	put16(to, v >> 16);
	put16(to + 2, v & 0xffff);
}

static void send_rtp(struct wic_media *m, const uint8_t *payload, size_t n, bool marker)
{
	uint8_t pkt[PKT_MAX];
	size_t len = RTP_HEAD + n;

	pkt[0] = 0x80;
	pkt[1] = (uint8_t)(m->pt | (marker ? 0x80 : 0));
	put16(pkt + 2, m->seq++);
	put32(pkt + 4, m->ts);
	put32(pkt + 8, m->ssrc);
	memcpy(pkt + RTP_HEAD, payload, n);
	m->ts += (uint32_t)n;
	if (m->o->misbehave != WIC_PLAIN_RTP &&
	    wic_dtls_protect(m->dtls, false, pkt, &len) != GW_OK) {
		fail(m, "cannot protect RTP");
		return;
	}
	m->st.sent++;
	m->octets_sent += (uint32_t)n;
	send_to(m, &m->peer, pkt, len);
}

static void send_next(struct wic_media *m)
{
	uint8_t payload[CLOCK_RATE / 10];
	size_t n = (size_t)(CLOCK_RATE / 1000 * m->o->ptime_ms);

	if (m->o->payload == WIC_PAYLOAD_TONE)
		wic_tone_fill(payload, n, m->pt, m->o->tone_hz, &m->tone_at);
	else
		wic_check_fill(payload, n, m->key, m->counter);
	send_rtp(m, payload, n, m->counter == 0);
	m->counter++;
}

/* Sender report and CNAME (RFC 3550 s6.4.1, s6.5), compound as RTCP wants it. */
static void send_rtcp(struct wic_media *m)
{
	uint8_t pkt[256] = {0x80, 200, 0, 6};
	int64_t now = wic_now_us();
	size_t len = 28;

	put32(pkt + 4, m->ssrc);
	put32(pkt + 8, (uint32_t)(now / 1000000));
	put32(pkt + 12, (uint32_t)(((uint64_t)(now % 1000000) << 32) / 1000000));
	put32(pkt + 16, m->ts);
	put32(pkt + 20, (uint32_t)m->st.sent);
	put32(pkt + 24, m->octets_sent);
	memcpy(pkt + len, "\x81\xca\x00\x03", 4);
	put32(pkt + len + 4, m->ssrc);
	memcpy(pkt + len + 8, "\x01\x03wic\0\0\0", 8);
	len += 16;
	if (wic_dtls_protect(m->dtls, true, pkt, &len) != GW_OK)
		return;
	m->st.rtcp_out++;
	send_to(m, &m->peer, pkt, len);
}

static void on_tick(evutil_socket_t fd, short what, void *arg)
{
	struct wic_media *m = arg;
	int64_t now = wic_now_us();
	int64_t step = m->o->ptime_ms * INT64_C(1000);
	struct timeval tv;

	(void)fd;
	(void)what;
	if (!m->sending)
		return;
	for (int i = 0; i < LATE_MAX && m->next_us <= now; i++, m->next_us += step)
		if (!m->quiet && m->o->payload != WIC_PAYLOAD_ECHO &&
		    m->o->payload != WIC_PAYLOAD_NONE)
			send_next(m);
	if (m->next_us <= now)
		m->next_us = now + step;
	if (m->next_rtcp_us <= now && m->o->misbehave != WIC_PLAIN_RTP) {
		send_rtcp(m);
		m->next_rtcp_us = now + RTCP_US;
	}
	tv.tv_sec = 0;
	tv.tv_usec = (m->next_us - now) % 1000000;
	(void)event_add(m->tick, &tv);
}

static void start_sending(struct wic_media *m)
{
	if (m->sending || m->quiet)
		return;
	m->sending = true;
	m->next_us = wic_now_us();
	m->next_rtcp_us = m->next_us + RTCP_US / 5;
	on_tick(-1, 0, m);
}

/* --- receiving ------------------------------------------------------------------------------ */

static void check_payload(struct wic_media *m, const uint8_t *payload, size_t n)
{
	uint32_t key = 0, counter = 0;

	switch (wic_check_verify(payload, n, &key, &counter)) {
	case 1:
		if (key == m->key)
			m->st.returned++;
		wic_tally_add(&m->tally, &m->st, key, counter);
		break;
	case -1:
		m->st.corrupt++;
		break;
	default:
		/* with --payload check nothing but such packets may arrive */
		if (m->o->payload == WIC_PAYLOAD_CHECK && m->o->expect_hz <= 0)
			m->st.corrupt++;
		break;
	}
}

/* The longest that nothing was heard. */
static void note_gap(struct wic_media *m)
{
	int64_t now = wic_now_us();
	double gap = m->last_rx_us != 0 ? (double)(now - m->last_rx_us) / 1000 : 0;

	if (gap > m->st.gap_ms)
		m->st.gap_ms = gap;
	m->last_rx_us = now;
}

static void on_rtp(struct wic_media *m, const uint8_t *pkt, size_t len)
{
	size_t head = RTP_HEAD + 4U * (pkt[0] & 0x0f);

	if (len >= head + 4 && (pkt[0] & 0x10) != 0)
		head += 4 + 4 * ((size_t)pkt[head + 2] << 8 | pkt[head + 3]);
	if (len < head || (pkt[1] & 0x7f) != m->pt) {
		m->st.foreign++;
		return;
	}
	m->st.received++;
	note_gap(m);
	if (m->st.received == 1) {
		m->st.first_rx_ms = since_start(m);
		m->cbs.on_first_rtp(m->arg);
	}
	wic_tone_hear(&m->ear, m->pt, pkt + head, len - head);
	if (m->o->payload == WIC_PAYLOAD_ECHO && !m->quiet)
		send_rtp(m, pkt + head, len - head, false);
	check_payload(m, pkt + head, len - head);
}

static void on_srtp(struct wic_media *m, uint8_t *pkt, size_t len)
{
	bool rtcp = len >= 2 && pkt[1] >= 192 && pkt[1] <= 223; /* RFC 5761 s4 */

	if (m->dtls == NULL || !wic_dtls_keyed(m->dtls) || len < 8)
		return;
	if (wic_dtls_unprotect(m->dtls, rtcp, pkt, &len) != GW_OK) {
		m->st.srtp_failed++;
		return;
	}
	if (rtcp)
		m->st.rtcp_in++;
	else
		on_rtp(m, pkt, len);
}

static void on_readable(evutil_socket_t fd, short what, void *arg)
{
	struct wic_media *m = arg;

	(void)what;
	for (int i = 0; i < READS_MAX; i++) {
		_Alignas(8) uint8_t pkt[PKT_MAX];
		struct sockaddr_storage ss;
		socklen_t ss_len = sizeof(ss);
		struct gw_addr from;
		ssize_t n =
		    recvfrom(fd, pkt, sizeof(pkt), MSG_DONTWAIT, (struct sockaddr *)&ss, &ss_len);

		if (n <= 0)
			return;
		if (gw_addr_from_sa(&from, (const struct sockaddr *)&ss, ss_len) != GW_OK)
			continue;
		if (pkt[0] <= 3) /* RFC 7983 */
			wic_ice_feed(m->ice, &from, pkt, (size_t)n);
		else if (pkt[0] >= 20 && pkt[0] <= 63 && m->dtls != NULL)
			wic_dtls_feed(m->dtls, pkt, (size_t)n);
		else if (pkt[0] >= 128 && pkt[0] <= 191)
			on_srtp(m, pkt, (size_t)n);
	}
}

/* --- what ICE and DTLS say ------------------------------------------------------------------ */

static void ice_send(void *arg, const struct gw_addr *to, const uint8_t *bytes, size_t len)
{
	send_to(arg, to, bytes, len);
}

static void ice_selected(void *arg, const struct gw_addr *peer)
{
	struct wic_media *m = arg;

	m->peer = *peer;
	m->st.ice = true;
	m->st.ice_ms = since_start(m);
	m->cbs.on_ice(m->arg, peer);
	if (m->o->misbehave == WIC_PLAIN_RTP)
		start_sending(m);
	else
		wic_dtls_start(m->dtls);
}

static void ice_lost(void *arg)
{
	fail(arg, "consent lost");
}

static void dtls_send(void *arg, const uint8_t *bytes, size_t len)
{
	struct wic_media *m = arg;

	if (m->peer.len != 0)
		send_to(m, &m->peer, bytes, len);
}

static void dtls_keyed(void *arg, const char *profile)
{
	struct wic_media *m = arg;

	m->st.dtls = true;
	m->st.dtls_ms = since_start(m);
	m->st.profile = profile;
	if (m->o->misbehave == WIC_NO_CONSENT)
		wic_ice_mute(m->ice);
	m->cbs.on_dtls(m->arg, profile);
	start_sending(m);
}

static void dtls_failed(void *arg, const char *why)
{
	fail(arg, why);
}

/* --- public --------------------------------------------------------------------------------- */

static enum gw_err bind_socket(struct wic_media *m, const struct gw_addr *ip)
{
	socklen_t len = sizeof(m->local.u);

	m->local = *ip;
	gw_addr_set_port(&m->local, 0);
	m->fd = socket(ip->u.sa.sa_family, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (m->fd < 0 || bind(m->fd, &m->local.u.sa, m->local.len) != 0 ||
	    getsockname(m->fd, &m->local.u.sa, &len) != 0)
		return GW_ERR_IO;
	m->rd = event_new(m->base, m->fd, EV_READ | EV_PERSIST, on_readable, m);
	m->tick = event_new(m->base, -1, 0, on_tick, m);
	if (m->rd == NULL || m->tick == NULL || event_add(m->rd, NULL) != 0)
		return GW_ERR_NOMEM;
	return GW_OK;
}

static const struct wic_ice_cbs ice_cbs = {ice_send, ice_selected, ice_lost};

enum gw_err wic_media_new(struct wic_media **out, struct event_base *base,
			  const struct wic_options *o, const struct gw_addr *ip,
			  const struct wic_media_cbs *cbs, void *arg)
{
	struct wic_media *m = calloc(1, sizeof(*m));
	enum gw_err err = GW_ERR_NOMEM;

	if (m == NULL)
		return err;
	m->base = base;
	m->o = o;
	m->cbs = *cbs;
	m->arg = arg;
	m->fd = -1;
	m->start_us = wic_now_us();
	gw_rand_bytes(&m->ssrc, sizeof(m->ssrc));
	gw_rand_bytes(&m->key, sizeof(m->key));
	gw_rand_bytes(&m->seq, sizeof(m->seq));
	gw_rand_bytes(&m->ts, sizeof(m->ts));
	m->seq &= 0x7fff; /* no rollover before SRTP has synchronised (RFC 3711 s3.3.1) */
	m->ear.hz = o->expect_hz;
	err = wic_tally_init(&m->tally);
	if (err == GW_OK)
		err = wic_ice_new(&m->ice, base, &ice_cbs, m);
	if (err == GW_OK)
		err = bind_socket(m, ip);
	if (err != GW_OK) {
		wic_media_free(m);
		return err;
	}
	*out = m;
	return GW_OK;
}

void wic_media_free(struct wic_media *m)
{
	if (m == NULL)
		return;
	if (m->rd != NULL)
		event_free(m->rd);
	if (m->tick != NULL)
		event_free(m->tick);
	wic_ice_free(m->ice);
	wic_dtls_free(m->dtls);
	if (m->fd >= 0)
		(void)close(m->fd);
	wic_tally_free(&m->tally);
	free(m);
}

const struct gw_addr *wic_media_addr(const struct wic_media *m)
{
	return &m->local;
}

const char *wic_media_ufrag(const struct wic_media *m)
{
	return wic_ice_ufrag(m->ice);
}

const char *wic_media_pwd(const struct wic_media *m)
{
	return wic_ice_pwd(m->ice);
}

uint32_t wic_media_ssrc(const struct wic_media *m)
{
	return m->ssrc;
}

enum gw_err wic_media_start(struct wic_media *m, bool offerer, const struct wic_media_peer *peer)
{
	static const struct wic_dtls_cbs dtls_cbs = {dtls_send, dtls_keyed, dtls_failed};
	enum gw_err err;

	if (m->dtls != NULL)
		return GW_ERR_STATE;
	err = wic_dtls_new(&m->dtls, m->base, peer->dtls_client, peer->fingerprint, &dtls_cbs, m);
	if (err != GW_OK)
		return err;
	m->pt = peer->pt;
	memcpy(m->peer_ufrag, peer->ufrag, sizeof(m->peer_ufrag));
	m->start_us = wic_now_us();
	/* RFC 8445 s6.1.1: the offerer controls, and everybody controls a lite peer */
	wic_ice_start(m->ice, offerer || peer->lite, peer->ufrag, peer->pwd, peer->candidates,
		      peer->n_candidates);
	return GW_OK;
}

enum gw_err wic_media_move(struct wic_media *m, bool controlling, const struct wic_media_peer *peer)
{
	enum gw_err err;

	wic_ice_free(m->ice);
	wic_dtls_free(m->dtls);
	m->ice = NULL;
	m->dtls = NULL;
	m->sending = false;
	m->peer.len = 0;
	(void)event_del(m->tick);
	m->moves++;
	err = wic_ice_new(&m->ice, m->base, &ice_cbs, m);
	return err == GW_OK ? wic_media_start(m, controlling, peer) : err;
}

unsigned wic_media_version(const struct wic_media *m)
{
	return m->moves + 1;
}

bool wic_media_has_peer(const struct wic_media *m, const struct wic_media_peer *peer)
{
	return strcmp(m->peer_ufrag, peer->ufrag) == 0;
}

bool wic_media_started(const struct wic_media *m)
{
	return m->dtls != NULL;
}

void wic_media_quiet(struct wic_media *m)
{
	m->quiet = true;
}

void wic_media_stats(const struct wic_media *m, struct wic_media_stats *out)
{
	bool echoed = m->tally.any && m->tally.key == m->key;

	*out = m->st;
	out->tone = wic_tone_heard(&m->ear);
	out->tone_share = wic_tone_share(&m->ear);
	if (!m->tally.any)
		return;
	out->clipped = echoed ? m->tally.first : 0;
	/* of our own stream we know how long it is, of the peer's only what came */
	out->lost = wic_tally_lost(&m->tally, echoed ? m->counter : m->tally.last + 1);
}
