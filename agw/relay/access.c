/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Access side of a stream before media: STUN to ICE, DTLS to the association, keys to SRTP.
 *
 *   validated source, no pair yet     ClientHello is kept (DTLS-05)
 *   pair selected                     CLIENT: ClientHello leaves at once;
 *                                     SERVER, UNDECIDED: the kept or next one is taken
 *   keyed and verified                SRTP sessions, AGW_EV_DTLS_ESTABLISHED
 *
 * At most max_handshakes run at once on a worker; the others wait for a tick (DTLS-25).
 */
#include "agw/relay/stream_int.h"

#include <stdlib.h>
#include <string.h>

#define DTLS_RECORD_HEAD 13U
#define OLD_KEYS_MS      2000 /* SRTP-11 */

/* --- ICE ------------------------------------------------------------------------------------ */

static void ice_send(void *arg, unsigned local, const struct gw_addr *to, const uint8_t *data,
		     size_t len)
{
	struct agw_stream *s = arg;

	if (!agw_udp_send(s->socks[local].fd, to, data, len))
		agw_drop(s, &s->counters.down, AGW_DROP_SEND);
}

static void ice_event(void *arg, enum agw_ice_event what)
{
	struct agw_stream *s = arg;
	const struct agw_ice_pair *pair = agw_ice_selected(s->ice);
	struct agw_stream_event ev = {.side = AGW_SIDE_ACCESS, .value = agw_ice_generation(s->ice)};

	if (pair != NULL)
		ev.addr = pair->remote;
	switch (what) {
	case AGW_ICE_EV_CONNECTED:
		ev.kind = AGW_EV_ICE_CONNECTED;
		s->ice_connected = true;
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
	agw_stream_emit(s, &ev);
}

const struct agw_ice_cbs agw_stream_ice_cbs = {.send = ice_send, .on_event = ice_event};

void agw_stream_stun(struct agw_stream *s, unsigned local, const struct agw_udp_pkt *pkt)
{
	switch (agw_ice_input(s->ice, s->env->ice, local, pkt->from, pkt->data, pkt->len,
			      s->env->now_ms)) {
	case AGW_ICE_GOOD:
		agw_count(&s->counters.stun_requests, 1);
		agw_stream_kick(s);
		break;
	case AGW_ICE_IGNORED:
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

/* --- DTLS ----------------------------------------------------------------------------------- */

static void dtls_send(void *arg, const uint8_t *data, size_t len)
{
	struct agw_stream *s = arg;
	const struct agw_ice_pair *pair = agw_ice_selected(s->ice);

	if (pair == NULL)
		return; /* the retransmission timer tries again */
	if (!agw_udp_send(s->socks[pair->local].fd, &pair->remote, data, len))
		agw_drop(s, &s->counters.down, AGW_DROP_SEND);
}

void agw_stream_slot_free(struct agw_stream *s)
{
	s->wants_slot = false;
	if (!s->has_slot)
		return;
	s->has_slot = false;
	atomic_store_explicit(&s->env->handshakes,
			      atomic_load_explicit(&s->env->handshakes, memory_order_relaxed) - 1,
			      memory_order_relaxed);
}

static bool slot_take(struct agw_stream *s)
{
	uint32_t running = atomic_load_explicit(&s->env->handshakes, memory_order_relaxed);

	if (s->has_slot)
		return true;
	s->wants_slot = running >= s->env->max_handshakes;
	if (s->wants_slot)
		return false;
	s->has_slot = true;
	atomic_store_explicit(&s->env->handshakes, running + 1, memory_order_relaxed);
	return true;
}

static void tell_dtls(struct agw_stream *s, enum agw_event kind, enum agw_cause cause,
		      uint32_t value)
{
	struct agw_stream_event ev = {
	    .kind = kind, .side = AGW_SIDE_ACCESS, .cause = cause, .value = value};

	agw_stream_emit(s, &ev);
}

static void drop_early(struct agw_stream *s)
{
	free(s->early);
	s->early = NULL;
}

static void dtls_keyed(void *arg, const struct agw_srtp_keys *keys)
{
	struct agw_stream *s = arg;
	struct agw_srtp_sess *fresh;

	agw_stream_slot_free(s);
	drop_early(s);
	s->dtls_deadline_ms = s->fp_deadline_ms = 0;
	if (agw_srtp_sess_new(&fresh, keys, s->env->cfg->srtp_replay_window) != GW_OK) {
		tell_dtls(s, AGW_EV_DTLS_FAILED, AGW_CAUSE_INTERNAL, 0);
		return;
	}
	agw_srtp_sess_free(s->srtp_old);
	s->srtp_old = s->srtp;
	s->srtp_old_until_ms = s->env->now_ms + OLD_KEYS_MS;
	s->srtp = fresh;
	agw_ssrc_reset(&s->ssrcs);
	tell_dtls(s, AGW_EV_DTLS_ESTABLISHED, AGW_CAUSE_NONE, keys->profile);
}

/* Old keys of an association before this one stay in force: the controller decides (DTLS-20). */
static void dtls_failed(void *arg, enum agw_cause cause)
{
	struct agw_stream *s = arg;

	agw_stream_slot_free(s);
	drop_early(s);
	s->dtls_deadline_ms = s->fp_deadline_ms = 0;
	if (cause == AGW_CAUSE_FINGERPRINT) { /* somebody else is there: not a packet more */
		agw_srtp_sess_free(s->srtp);
		agw_srtp_sess_free(s->srtp_old);
		s->srtp = s->srtp_old = NULL;
	}
	tell_dtls(s, AGW_EV_DTLS_FAILED, cause, 0);
}

static void dtls_closed(void *arg, enum agw_cause cause)
{
	struct agw_stream *s = arg;

	agw_srtp_sess_free(s->srtp);
	agw_srtp_sess_free(s->srtp_old);
	s->srtp = s->srtp_old = NULL;
	tell_dtls(s, AGW_EV_DTLS_CLOSED, cause, 0);
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

static void feed(struct agw_stream *s, const uint8_t *data, size_t len)
{
	if (!are_records(data, len)) {
		agw_drop(s, &s->counters.up, AGW_DROP_DTLS_BAD);
		return;
	}
	if (!agw_dtls_input(s->dtls, data, len))
		agw_drop(s, &s->counters.up, AGW_DROP_DTLS_BAD);
	if (agw_dtls_state(s->dtls) == AGW_DTLS_UNVERIFIED && s->fp_deadline_ms == 0) {
		agw_stream_slot_free(s);
		s->fp_deadline_ms = s->env->now_ms + s->env->cfg->dtls_fp_wait_ms;
	}
}

static void feed_early(struct agw_stream *s)
{
	struct agw_early *e = s->early;

	if (e == NULL)
		return;
	s->early = NULL;
	for (unsigned i = 0; i < e->n && s->dtls != NULL; i++)
		feed(s, e->data[i], e->len[i]);
	free(e);
}

/* A first record of a new association: handshake, epoch 0, ClientHello (or a piece of one). What
 * an older association left in the network must not start another. */
static bool is_client_hello(const uint8_t *p, size_t n)
{
	return n >= 14 && p[0] == 22 && p[3] == 0 && p[4] == 0 && p[13] == 1;
}

static void keep_early(struct agw_stream *s, const struct agw_udp_pkt *pkt)
{
	struct agw_early *e = s->early;

	if (e == NULL || e->n == AGW_EARLY_MAX || pkt->len > AGW_DTLS_DGRAM_MAX) {
		agw_drop(s, &s->counters.up, AGW_DROP_DTLS_BAD);
		return;
	}
	memcpy(e->data[e->n], pkt->data, pkt->len);
	e->len[e->n++] = (uint16_t)pkt->len;
}

void agw_stream_kick(struct agw_stream *s)
{
	enum agw_dtls_role role = s->p.access.dtls_role;

	/* From ICE on, answered or not: a peer may not sit on a handshake slot (DTLS-16). */
	if (s->ice_connected && s->dtls_deadline_ms == 0 &&
	    agw_dtls_state(s->dtls) <= AGW_DTLS_HANDSHAKE) {
		s->dtls_deadline_ms = s->env->now_ms + s->env->cfg->dtls_timeout_ms;
		s->env->on_setup(s->env->arg, s);
	}
	if (agw_dtls_state(s->dtls) != AGW_DTLS_IDLE || agw_ice_selected(s->ice) == NULL)
		return;
	if (role != AGW_DTLS_ROLE_CLIENT) {
		if (s->early == NULL || s->early->n == 0)
			return;
		role = AGW_DTLS_ROLE_SERVER;
	}
	s->env->on_setup(s->env->arg, s);
	if (!slot_take(s))
		return;
	agw_dtls_start(s->dtls, role);
	if (role == AGW_DTLS_ROLE_SERVER)
		feed_early(s);
}

void agw_stream_dtls(struct agw_stream *s, unsigned local, const struct agw_udp_pkt *pkt)
{
	if (!agw_ice_is_valid_source(s->ice, local, pkt->from)) {
		agw_drop(s, &s->counters.up, AGW_DROP_SOURCE);
		return;
	}
	agw_count(&s->counters.dtls_packets, 1);
	if (agw_dtls_state(s->dtls) != AGW_DTLS_IDLE) {
		feed(s, pkt->data, pkt->len);
		return;
	}
	if (s->p.access.dtls_role == AGW_DTLS_ROLE_CLIENT ||
	    !is_client_hello(pkt->data, pkt->len)) {
		agw_drop(s, &s->counters.up, AGW_DROP_DTLS_BAD);
		return;
	}
	keep_early(s, pkt);
	agw_stream_kick(s);
}

void agw_stream_dtls_tick(struct agw_stream *s)
{
	uint64_t now = s->env->now_ms;

	agw_stream_kick(s);
	agw_dtls_tick(s->dtls);
	if (s->dtls_deadline_ms != 0 && now >= s->dtls_deadline_ms) {
		s->dtls_deadline_ms = 0;
		if (agw_dtls_state(s->dtls) <= AGW_DTLS_HANDSHAKE)
			agw_dtls_give_up(s->dtls, AGW_CAUSE_TIMEOUT);
	}
	if (s->fp_deadline_ms != 0 && now >= s->fp_deadline_ms) {
		s->fp_deadline_ms = 0;
		agw_dtls_give_up(s->dtls, AGW_CAUSE_FP_WAIT);
	}
	if (s->srtp_old != NULL && now >= s->srtp_old_until_ms) {
		agw_srtp_sess_free(s->srtp_old);
		s->srtp_old = NULL;
	}
}

bool agw_stream_dtls_busy(const struct agw_stream *s)
{
	return agw_dtls_state(s->dtls) == AGW_DTLS_HANDSHAKE || s->dtls_deadline_ms != 0 ||
	       s->fp_deadline_ms != 0 || s->srtp_old != NULL || s->wants_slot;
}
