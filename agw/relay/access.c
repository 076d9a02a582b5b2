/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Access side of a stream before media: STUN to ICE, DTLS to the association, keys to SRTP.
 *
 *   validated source, no pair yet     ClientHello is kept (DTLS-05)
 *   pair selected                     CLIENT: ClientHello leaves at once;
 *                                     SERVER, UNDECIDED: the kept or next one is taken
 *   keyed and verified                SRTP sessions, AGW_EV_DTLS_ESTABLISHED
 *
 * At most max_handshakes run at once on a worker, and a source (pace.h) begins only so many in a
 * second; the others wait for a tick (DTLS-25). A source is where the selected pair is: it costs a
 * reserved stream and an authentic check each time, so nobody makes turns of others expire by
 * forging addresses alone.
 */
#include "agw/relay/pace.h"
#include "agw/relay/share.h"
#include "agw/relay/stream_int.h"
#include "agw/relay/tcp.h"

#include <stdlib.h>
#include <string.h>

#define DTLS_RECORD_HEAD 13U
#define OLD_KEYS_MS      2000 /* SRTP-11 */

bool agw_leg_send(struct agw_leg *l, unsigned local, const struct gw_addr *to, const void *data,
		  size_t len)
{
	struct agw_udp_dgram d = {.to = to, .dscp = -1, .data = data, .len = len};

	if (local == AGW_LOCAL_TCP)
		return agw_tcp_send(l, to, data, len);
	if (local >= AGW_ICE_RELAYED)
		return agw_ice_send(l->ice, data, len);
	d.fd = agw_leg_fd(l, local);
	if (l->share != NULL)
		d.dscp = l->share->mark[local];
	return agw_udp_send_dgram(&d);
}

/* --- ICE ------------------------------------------------------------------------------------ */

static void ice_send(void *arg, unsigned local, const struct gw_addr *to, const uint8_t *data,
		     size_t len)
{
	struct agw_leg *l = arg;

	if (!agw_leg_send(l, local, to, data, len))
		agw_drop(l->stream, &l->stream->counters.down, AGW_DROP_SEND);
}

static void ice_event(void *arg, enum agw_ice_event what)
{
	struct agw_leg *l = arg;
	const struct agw_ice_pair *pair = agw_ice_selected(l->ice);
	struct agw_stream_event ev = {.side = AGW_SIDE_ACCESS, .value = agw_ice_generation(l->ice)};

	if (pair != NULL)
		ev.addr = pair->remote;
	switch (what) {
	case AGW_ICE_EV_CONNECTED:
		ev.kind = AGW_EV_ICE_CONNECTED;
		l->ice_connected = true;
		if (l->index == AGW_LEG_RTP)
			agw_mark(&l->stream->counters.ice_connected_ms, l->stream->env->now_ms,
				 true);
		break;
	case AGW_ICE_EV_FAILED:
		ev.kind = AGW_EV_ICE_FAILED;
		ev.cause = AGW_CAUSE_TIMEOUT;
		break;
	case AGW_ICE_EV_PAIR_CHANGED:
		ev.kind = AGW_EV_PAIR_CHANGED;
		break;
	case AGW_ICE_EV_CONSENT_LOST:
		ev.kind = AGW_EV_CONSENT_LOST;
		break;
	case AGW_ICE_EV_CONSENT_RESTORED:
		ev.kind = AGW_EV_CONSENT_RESTORED;
		break;
	}
	/* RTCP's pair speaks up when it fails: media is what a call is about */
	if (l->index == AGW_LEG_RTP || what == AGW_ICE_EV_FAILED)
		agw_stream_emit(l->stream, &ev);
}

static bool ice_may_use(void *arg, unsigned local, const struct gw_addr *from, bool proven)
{
	struct agw_leg *l = arg;

	if (local == AGW_LOCAL_TCP)
		return true;
	return agw_leg_fd(l, local) >= 0 &&
	       (l->share == NULL || agw_share_claim(l->stream->env->share, l, local, from, proven,
						    l->stream->env->now_ms));
}

const struct agw_ice_cbs agw_stream_ice_cbs = {
    .send = ice_send, .on_event = ice_event, .may_use = ice_may_use};

void agw_leg_heard(struct agw_leg *l, unsigned local, const struct gw_addr *from,
		   enum agw_ice_verdict what)
{
	struct agw_stream *s = l->stream;

	switch (what) {
	case AGW_ICE_GOOD:
		agw_mark(&s->counters.ice_first_check_ms, s->env->now_ms, false);
		agw_count(&s->counters.stun_requests, 1);
		agw_leg_kick(l);
		break;
	case AGW_ICE_CONSENT:
		(void)ice_may_use(l, local, from, true); /* a sign of life like a check */
		break;
	case AGW_ICE_TAKEN:
		agw_drop(s, &s->counters.up, AGW_DROP_ADDR_TAKEN);
		break;
	case AGW_ICE_IGNORED:
	case AGW_ICE_PASS:
		break;
	case AGW_ICE_REFUSED:
		agw_count(&s->counters.stun_errors, 1);
		agw_drop(s, &s->counters.up, AGW_DROP_STUN_BAD);
		break;
	case AGW_ICE_BAD:
		agw_drop(s, &s->counters.up, AGW_DROP_STUN_BAD);
		break;
	}
}

void agw_leg_stun(struct agw_leg *l, unsigned local, const struct agw_udp_pkt *pkt)
{
	struct agw_relay_env *env = l->stream->env;

	agw_leg_heard(
	    l, local, pkt->from,
	    agw_ice_input(l->ice, env->ice, local, pkt->from, pkt->data, pkt->len, env->now_ms));
}

/* --- DTLS ----------------------------------------------------------------------------------- */

static void dtls_send(void *arg, const uint8_t *data, size_t len)
{
	struct agw_leg *l = arg;
	const struct agw_ice_pair *pair = agw_ice_selected(l->ice);

	if (pair == NULL)
		return; /* the retransmission timer tries again */
	if (!agw_leg_send(l, pair->local, &pair->remote, data, len))
		agw_drop(l->stream, &l->stream->counters.down, AGW_DROP_SEND);
}

void agw_leg_slot_free(struct agw_leg *l)
{
	_Atomic uint32_t *running;

	l->wants_slot = false;
	if (!l->has_slot)
		return;
	l->has_slot = false;
	running = &l->stream->env->handshakes;
	atomic_store_explicit(running, atomic_load_explicit(running, memory_order_relaxed) - 1,
			      memory_order_relaxed);
}

/* Counted once, however many ticks it lasts. @return false */
static bool slot_wait(struct agw_leg *l, enum agw_delay why, const struct gw_addr *from)
{
	struct agw_relay_env *env = l->stream->env;

	if (l->wants_slot)
		return false;
	l->wants_slot = true;
	agw_count(&env->delayed[why], 1);
	if (why == AGW_DELAY_SOURCE) {
		env->paced++;
		env->paced_from = *from;
	}
	return false;
}

static bool slot_take(struct agw_leg *l)
{
	struct agw_relay_env *env = l->stream->env;
	const struct gw_addr *from = &agw_ice_selected(l->ice)->remote;
	bool proven = agw_ice_media_pair(l->ice) != NULL;
	uint32_t running = atomic_load_explicit(&env->handshakes, memory_order_relaxed);

	if (l->has_slot)
		return true;
	if (running >= env->max_handshakes)
		return slot_wait(l, AGW_DELAY_RUNNING, from);
	if (env->pace != NULL && !agw_pace_take(env->pace, from, proven, env->now_us))
		return slot_wait(l, AGW_DELAY_SOURCE, from);
	l->wants_slot = false;
	l->has_slot = true;
	atomic_store_explicit(&env->handshakes, running + 1, memory_order_relaxed);
	return true;
}

static void tell_dtls(struct agw_stream *s, enum agw_event kind, enum agw_cause cause,
		      uint32_t value)
{
	struct agw_stream_event ev = {
	    .kind = kind, .side = AGW_SIDE_ACCESS, .cause = cause, .value = value};

	agw_stream_emit(s, &ev);
}

static void drop_early(struct agw_leg *l)
{
	free(l->early);
	l->early = NULL;
}

void agw_leg_wipe(struct agw_leg *l)
{
	agw_srtp_sess_free(l->srtp);
	agw_srtp_sess_free(l->srtp_old);
	l->srtp = l->srtp_old = NULL;
}

static void dtls_keyed(void *arg, const struct agw_srtp_keys *keys)
{
	struct agw_leg *l = arg;
	struct agw_stream *s = l->stream;
	struct agw_srtp_sess *fresh;

	agw_leg_slot_free(l);
	drop_early(l);
	l->dtls_deadline_ms = l->fp_deadline_ms = 0;
	if (agw_srtp_sess_new(&fresh, keys, s->env->cfg->srtp_replay_window) != GW_OK) {
		tell_dtls(s, AGW_EV_DTLS_FAILED, AGW_CAUSE_INTERNAL, 0);
		return;
	}
	agw_srtp_sess_free(l->srtp_old);
	l->srtp_old = l->srtp;
	l->srtp_old_until_ms = s->env->now_ms + OLD_KEYS_MS;
	l->srtp = fresh;
	if (l->index != AGW_LEG_RTP)
		return;
	agw_mark(&s->counters.dtls_established_ms, s->env->now_ms, true);
	agw_ssrc_reset(&s->ssrcs);
	agw_resend_clear(s->resend);
	agw_stream_keyed(s);
	tell_dtls(s, AGW_EV_DTLS_ESTABLISHED, AGW_CAUSE_NONE, keys->profile);
}

/* Old keys of an association before this one stay in force: the controller decides (DTLS-20). */
static void dtls_failed(void *arg, enum agw_cause cause)
{
	struct agw_leg *l = arg;

	agw_leg_slot_free(l);
	drop_early(l);
	l->dtls_deadline_ms = l->fp_deadline_ms = 0;
	if (cause == AGW_CAUSE_FINGERPRINT) /* somebody else is there: not a packet more */
		agw_leg_wipe(l);
	tell_dtls(l->stream, AGW_EV_DTLS_FAILED, cause, 0);
}

static void dtls_closed(void *arg, enum agw_cause cause)
{
	struct agw_leg *l = arg;

	agw_leg_wipe(l);
	if (l->share != NULL) /* the page may be loaded again, on the same port */
		agw_share_let_go(l);
	if (l->index == AGW_LEG_RTP)
		tell_dtls(l->stream, AGW_EV_DTLS_CLOSED, cause, 0);
}

void agw_leg_free(struct agw_leg *l)
{
	agw_ice_free(l->ice);
	agw_dtls_sess_free(l->dtls);
	agw_leg_wipe(l);
	drop_early(l);
	free(l->share);
	agw_tcp_destroy(l);
	l->share = NULL;
	l->ice = NULL;
	l->dtls = NULL;
}

const struct agw_dtls_cbs agw_stream_dtls_cbs = {
    .send = dtls_send, .on_keyed = dtls_keyed, .on_failed = dtls_failed, .on_closed = dtls_closed};

/* Whole DTLS 1.x records and nothing else; OpenSSL would pass over the rest in silence. */
static bool are_records(const uint8_t *p, size_t n)
{
	while (n > DTLS_RECORD_HEAD) {
		size_t body = (size_t)p[11] << 8 | p[12];

		if (p[1] != 0xfe || body == 0 || body > n - DTLS_RECORD_HEAD)
			return false;
		p += DTLS_RECORD_HEAD + body;
		n -= DTLS_RECORD_HEAD + body;
	}
	return n == 0;
}

static void feed(struct agw_leg *l, const uint8_t *data, size_t len)
{
	struct agw_stream *s = l->stream;

	if (!are_records(data, len)) {
		agw_drop(s, &s->counters.up, AGW_DROP_DTLS_BAD);
		return;
	}
	if (!agw_dtls_input(l->dtls, data, len))
		agw_drop(s, &s->counters.up, AGW_DROP_DTLS_BAD);
	if (agw_dtls_state(l->dtls) == AGW_DTLS_UNVERIFIED && l->fp_deadline_ms == 0) {
		agw_leg_slot_free(l);
		l->fp_deadline_ms = s->env->now_ms + s->env->cfg->dtls_fp_wait_ms;
	}
}

static void feed_early(struct agw_leg *l)
{
	struct agw_early *e = l->early;

	if (e == NULL)
		return;
	l->early = NULL;
	for (unsigned i = 0; i < e->n && l->dtls != NULL; i++)
		feed(l, e->data[i], e->len[i]);
	free(e);
}

/* A first record of a new association: handshake, epoch 0, ClientHello (or a piece of one). What
 * an older association left in the network must not start another. */
static bool is_client_hello(const uint8_t *p, size_t n)
{
	return n >= 14 && p[0] == 22 && p[3] == 0 && p[4] == 0 && p[13] == 1;
}

static void keep_early(struct agw_leg *l, const struct agw_udp_pkt *pkt)
{
	struct agw_early *e = l->early;
	struct agw_stream *s = l->stream;

	if (e != NULL && e->n == AGW_EARLY_MAX && l->wants_slot)
		return; /* it repeats itself, and what it said first is kept */
	if (e == NULL || e->n == AGW_EARLY_MAX || pkt->len > AGW_DTLS_DGRAM_MAX) {
		agw_drop(s, &s->counters.up, AGW_DROP_DTLS_BAD);
		return;
	}
	memcpy(e->data[e->n], pkt->data, pkt->len);
	e->len[e->n++] = (uint16_t)pkt->len;
}

void agw_leg_kick(struct agw_leg *l)
{
	struct agw_stream *s = l->stream;
	enum agw_dtls_role role = s->p.access.dtls_role;

	/* From ICE on, answered or not: a peer may not sit on a handshake slot (DTLS-16). */
	if (l->ice_connected && l->dtls_deadline_ms == 0 &&
	    agw_dtls_state(l->dtls) <= AGW_DTLS_HANDSHAKE) {
		l->dtls_deadline_ms = s->env->now_ms + s->env->cfg->dtls_timeout_ms;
		s->env->on_setup(s->env->arg, s);
	}
	if (agw_dtls_state(l->dtls) != AGW_DTLS_IDLE || agw_ice_selected(l->ice) == NULL)
		return;
	if (role != AGW_DTLS_ROLE_CLIENT) {
		if (l->early == NULL || l->early->n == 0)
			return;
		role = AGW_DTLS_ROLE_SERVER;
	}
	s->env->on_setup(s->env->arg, s);
	if (!slot_take(l))
		return;
	if (l->index == AGW_LEG_RTP)
		agw_mark(&s->counters.dtls_started_ms, s->env->now_ms, true);
	agw_dtls_start(l->dtls, role);
	if (role == AGW_DTLS_ROLE_SERVER)
		feed_early(l);
}

void agw_leg_dtls(struct agw_leg *l, unsigned local, const struct agw_udp_pkt *pkt)
{
	struct agw_stream *s = l->stream;

	if (!agw_ice_is_valid_source(l->ice, local, pkt->from)) {
		agw_drop(s, &s->counters.up, AGW_DROP_SOURCE);
		return;
	}
	agw_count(&s->counters.dtls_packets, 1);
	if (agw_dtls_state(l->dtls) != AGW_DTLS_IDLE) {
		bool shook = agw_dtls_state(l->dtls) == AGW_DTLS_HANDSHAKE;

		feed(l, pkt->data, pkt->len);
		if (shook && (agw_dtls_state(l->dtls) == AGW_DTLS_KEYED ||
			      agw_dtls_state(l->dtls) == AGW_DTLS_UNVERIFIED))
			agw_ice_prove(l->ice, local, pkt->from);
		return;
	}
	if (s->p.access.dtls_role == AGW_DTLS_ROLE_CLIENT ||
	    !is_client_hello(pkt->data, pkt->len)) {
		agw_drop(s, &s->counters.up, AGW_DROP_DTLS_BAD);
		return;
	}
	keep_early(l, pkt);
	agw_leg_kick(l);
}

void agw_leg_tick(struct agw_leg *l)
{
	uint64_t now = l->stream->env->now_ms;

	agw_leg_kick(l);
	agw_dtls_tick(l->dtls);
	if (l->dtls_deadline_ms != 0 && now >= l->dtls_deadline_ms) {
		l->dtls_deadline_ms = 0;
		if (agw_dtls_state(l->dtls) <= AGW_DTLS_HANDSHAKE)
			agw_dtls_give_up(l->dtls, AGW_CAUSE_TIMEOUT);
	}
	if (l->fp_deadline_ms != 0 && now >= l->fp_deadline_ms) {
		l->fp_deadline_ms = 0;
		agw_dtls_give_up(l->dtls, AGW_CAUSE_FP_WAIT);
	}
	if (l->srtp_old != NULL && now >= l->srtp_old_until_ms) {
		agw_srtp_sess_free(l->srtp_old);
		l->srtp_old = NULL;
	}
}

bool agw_leg_busy(const struct agw_leg *l)
{
	return agw_dtls_state(l->dtls) == AGW_DTLS_HANDSHAKE || l->dtls_deadline_ms != 0 ||
	       l->fp_deadline_ms != 0 || l->srtp_old != NULL || l->wants_slot;
}
