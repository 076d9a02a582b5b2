/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One stream: construction, patches, timers, reading. See stream.h.
 */
#include "agw/relay/stream.h"

#include "agw/relay/share.h"
#include "agw/relay/stream_int.h"
#include "agw/relay/tcp.h"

#include <stdlib.h>
#include <string.h>

#define BAD_QUIET_MS 10000
/* What a key may carry (RFC 3711 s9.2), less what passes until a new one is there. */
#define KEY_RTP_MAX  ((UINT64_C(1) << 48) - (UINT64_C(1) << 24))
#define KEY_RTCP_MAX ((UINT64_C(1) << 31) - (UINT64_C(1) << 20))

/* --- construction (control thread) ------------------------------------------------------------ */

enum gw_err agw_stream_dtls_new(struct agw_dtls_sess **out, struct agw_stream *s,
				enum agw_leg_index leg, struct agw_dtls_ctx *dtls,
				const uint16_t *profiles)
{
	return agw_dtls_sess_new(out, dtls, profiles, &agw_stream_dtls_cbs, &s->legs[leg]);
}

static bool on_loopback(const int fds[AGW_FAMILY_COUNT])
{
	for (int i = 0; i < AGW_FAMILY_COUNT; i++) {
		struct gw_addr at = {.len = sizeof(at.u)};

		if (fds[i] >= 0 && getsockname(fds[i], &at.u.sa, &at.len) == 0 &&
		    gw_addr_is_loopback(&at))
			return true;
	}
	return false;
}

static enum gw_err build_leg(struct agw_leg *l, const struct agw_stream_args *a)
{
	const uint16_t *profiles = a->params->access.profiles;
	const struct agw_ice_cfg ice = {.local = a->creds,
					.timeout_ms = a->cfg->ice_timeout_ms,
					.consent_timeout_ms = a->cfg->consent_timeout_ms,
					.consent_active = a->cfg->consent_active,
					.first_valid_pair = a->cfg->ice_first_valid_pair,
					.loopback = on_loopback(a->access_fds[l->index]),
					.component = (uint8_t)(l->index + 1)};
	enum gw_err err = a->params->access.ice_full
			      ? agw_leg_full_new(l, a, &ice)
			      : agw_ice_lite_new(&l->ice, &ice, &agw_stream_ice_cbs, l);

	if (err != GW_OK)
		return err;
	if (profiles[0] == AGW_SRTP_NONE)
		profiles = a->profiles;
	err = agw_stream_dtls_new(&l->dtls, l->stream, l->index, a->dtls, profiles);
	if (err != GW_OK)
		return err;
	l->early = calloc(1, sizeof(*l->early));
	return l->early != NULL ? GW_OK : GW_ERR_NOMEM;
}

static enum gw_err build(struct agw_stream *s, const struct agw_stream_args *a)
{
	enum gw_err err = build_leg(&s->legs[AGW_LEG_RTP], a);

	if (err == GW_OK && a->params->access.rtcp_separate)
		err = build_leg(&s->legs[AGW_LEG_RTCP], a);
	return err;
}

enum gw_err agw_stream_new(struct agw_stream **out, const struct agw_stream_args *a)
{
	const int *access = a->access_fds[AGW_LEG_RTP], *rtcp = a->access_fds[AGW_LEG_RTCP];
	const int fds[AGW_SOCK_COUNT] = {[AGW_SOCK_ACCESS_V4] = access[AGW_FAMILY_V4],
					 [AGW_SOCK_ACCESS_V6] = access[AGW_FAMILY_V6],
					 [AGW_SOCK_ACCESS_RTCP_V4] = rtcp[AGW_FAMILY_V4],
					 [AGW_SOCK_ACCESS_RTCP_V6] = rtcp[AGW_FAMILY_V6],
					 [AGW_SOCK_CORE_RTP] = a->core_fds[0],
					 [AGW_SOCK_CORE_RTCP] = a->core_fds[1]};
	struct agw_stream *s = calloc(1, sizeof(*s));
	enum gw_err err;

	if (s == NULL)
		return GW_ERR_NOMEM;
	s->user = a->user;
	s->p = *a->params;
	memcpy(s->cname, a->cname, sizeof(s->cname));
	for (int i = 0; i < AGW_SOCK_COUNT; i++)
		s->socks[i] = (struct agw_sock){.stream = s,
						.fd = fds[i],
						.kind = (enum agw_sock_kind)i,
						.burst = 1,
						.shared = a->shared && i < AGW_FAMILY_COUNT};
	for (int i = 0; i < AGW_LEG_COUNT; i++)
		s->legs[i] = (struct agw_leg){.stream = s, .index = (enum agw_leg_index)i};
	s->legs[AGW_LEG_RTP].tcp = a->tcp;
	if (a->shared) {
		struct agw_share_nodes *n = calloc(1, sizeof(*n));

		if (n == NULL) {
			free(s);
			return GW_ERR_NOMEM;
		}
		n->port = a->shared_port;
		n->mark[AGW_FAMILY_V4] = n->mark[AGW_FAMILY_V6] = -1;
		s->legs[AGW_LEG_RTP].share = n;
	}
	if (s->p.ssrc_rewrite)
		s->rewrite = calloc(1, sizeof(*s->rewrite));
	err = s->p.ssrc_rewrite && s->rewrite == NULL ? GW_ERR_NOMEM : build(s, a);
	if (err != GW_OK) {
		agw_stream_close_beside(s);
		agw_stream_free(s);
		return err;
	}
	*out = s;
	return GW_OK;
}

void agw_stream_free(struct agw_stream *s)
{
	if (s == NULL)
		return;
	for (int i = 0; i < AGW_LEG_COUNT; i++)
		agw_leg_free(&s->legs[i]);
	free(s->rewrite);
	agw_resend_free(s->resend);
	free(s->ice_socks);
	explicit_bzero(&s->p, sizeof(s->p));
	free(s);
}

void *agw_stream_user(const struct agw_stream *s)
{
	return s->user;
}

/* --- on the worker ------------------------------------------------------------------------------
 */

void agw_stream_emit(struct agw_stream *s, struct agw_stream_event *ev)
{
	ev->stream_id = s->p.id;
	s->env->on_event(s->env->arg, s, ev);
}

struct agw_sock *agw_stream_sock(struct agw_stream *s, enum agw_sock_kind kind)
{
	return &s->socks[kind];
}

static void set_dscp(struct agw_stream *s)
{
	for (int i = 0; i < AGW_SOCK_COUNT; i++) {
		int dscp = i < AGW_SOCK_CORE_RTP ? s->p.access.dscp : s->p.core.dscp;
		bool v6 = i < AGW_SOCK_CORE_RTP ? (i % AGW_FAMILY_COUNT) == AGW_FAMILY_V6
						: s->p.core.family == AGW_FAMILY_V6;

		if (s->socks[i].fd < 0)
			continue;
		if (s->socks[i].shared)
			s->legs[AGW_LEG_RTP].share->mark[i] =
			    agw_share_mark(s->env->share, s->legs[AGW_LEG_RTP].share->port,
					   (enum agw_family)i, dscp);
		else
			agw_udp_set_dscp(s->socks[i].fd, v6, dscp);
	}
	for (unsigned i = 0; i < AGW_ICE_SOCKS; i++) /* checks are marked as media is */
		if (agw_stream_ice_sock(s, i) != NULL)
			agw_udp_set_dscp(agw_stream_ice_sock(s, i)->fd,
					 i % AGW_FAMILY_COUNT == AGW_FAMILY_V6, s->p.access.dscp);
}

/* A picture stands still from its first loss on: packets of a stream whose WIC will ask for lost
 * ones are kept from the first on. Once kept, always: a WIC may ask without having said so. */
static void set_keeping(struct agw_stream *s)
{
	s->keeps = s->keeps || (s->env->cfg->resend != NULL && s->p.media == AGW_MEDIA_VIDEO &&
				(s->p.access.rtcp_allow & AGW_RTCP_NACK) != 0);
}

static void set_police(struct agw_stream *s)
{
	agw_police_set(&s->police[AGW_RTCP_UP], &s->p.rate_up, s->env->now_us);
	agw_police_set(&s->police[AGW_RTCP_DOWN], &s->p.rate_down, s->env->now_us);
	s->policed = s->p.rate_up.bps != 0 || s->p.rate_down.bps != 0;
}

/* A side is watched from the answer on, while its direction lets it send (RTP-17). */
static uint32_t watch_limit(const struct agw_stream_params *p, enum agw_side side)
{
	if (p == NULL || !p->access.answered)
		return 0;
	if (side == AGW_SIDE_ACCESS)
		return p->gate_up ? p->access.inactivity_ms : 0;
	return p->gate_down ? p->core.inactivity_ms : 0;
}

/* Watching begins when it is asked for, and anew when the limit changes. Whoever heard of a silence
 * hears that it is not counted on any more. */
static void set_watch(struct agw_stream *s, enum agw_side side, const struct agw_stream_params *old)
{
	struct agw_stream_event ev = {.kind = AGW_EV_MEDIA_ACTIVE, .side = side};
	struct agw_watch *w = &s->watch[side];
	uint32_t limit_ms = watch_limit(&s->p, side);

	if (limit_ms == watch_limit(old, side))
		return;
	if (w->inactive)
		agw_stream_emit(s, &ev);
	*w = (struct agw_watch){.since_ms = limit_ms != 0 ? s->env->now_ms : 0};
}

static void follow_ice(struct agw_leg *l, const struct agw_stream_params *old,
		       const struct agw_stream_patch *patch)
{
	const struct agw_access_params *a = &l->stream->p.access;
	/* After a restart of ours the old peer credentials may still be in the params. */
	bool peer_new = a->remote_ufrag[0] != '\0' &&
			(old == NULL || strcmp(old->access.remote_ufrag, a->remote_ufrag) != 0 ||
			 strcmp(old->access.remote_pwd, a->remote_pwd) != 0);

	if (patch != NULL && patch->ice_restart)
		agw_ice_restart(l->ice, &patch->creds);
	if (l->index == AGW_LEG_RTP && l->stream->env->names != NULL &&
	    (old == NULL || (patch != NULL && patch->ice_restart)))
		agw_names_enter(l->stream->env->names, l);
	if (peer_new || (old != NULL && !agw_ice_peer_eq(&old->access.peer, &a->peer)))
		agw_ice_set_peer(l->ice, &a->peer);
	if (peer_new)
		agw_ice_set_remote(l->ice, a->remote_ufrag, a->remote_pwd);
	/* The time for a nomination begins when the peer has ours and we have its credentials, not
	 * when we offer new ones: the answer may take as long as it takes (ICE-25). */
	if (a->answered && (old == NULL || !old->access.answered || peer_new))
		agw_ice_expect(l->ice, l->stream->env->now_ms);
}

static bool leg_pending(const struct agw_leg *l)
{
	return l->ice != NULL && (agw_ice_is_pending(l->ice) || agw_leg_busy(l));
}

static bool pending(const struct agw_stream *s)
{
	return leg_pending(&s->legs[AGW_LEG_RTP]) || leg_pending(&s->legs[AGW_LEG_RTCP]);
}

/* The WIC muxes after all: what waited on the second port goes. */
static void leave_rtcp_leg(struct agw_stream *s)
{
	struct agw_leg *l = &s->legs[AGW_LEG_RTCP];

	if (l->ice == NULL || s->p.access.rtcp_separate)
		return;
	agw_leg_slot_free(l);
	agw_stream_forget_ice_socks(s, l->index);
	agw_leg_free(l);
}

static void follow_leg(struct agw_leg *l, const struct agw_stream_params *old,
		       const struct agw_stream_patch *patch)
{
	const struct agw_access_params *a = &l->stream->p.access;

	if (l->ice == NULL)
		return;
	follow_ice(l, old, patch);
	if (a->n_fps > 0)
		agw_dtls_set_fingerprints(l->dtls, a->fps, a->n_fps);
	agw_leg_kick(l);
}

/* Everything that follows from params, after `old` (NULL at the start). */
static void follow(struct agw_stream *s, const struct agw_stream_params *old,
		   const struct agw_stream_patch *patch)
{
	leave_rtcp_leg(s);
	agw_core_update(s, old != NULL ? &old->core : NULL,
			s->p.gate_down && (old == NULL || !old->gate_down));
	if (old == NULL || old->access.dscp != s->p.access.dscp || old->core.dscp != s->p.core.dscp)
		set_dscp(s);
	set_police(s);
	set_keeping(s);
	set_watch(s, AGW_SIDE_ACCESS, old);
	set_watch(s, AGW_SIDE_CORE, old);
	for (int i = 0; i < AGW_LEG_COUNT; i++)
		follow_leg(&s->legs[i], old, patch);
	if (pending(s))
		s->env->on_setup(s->env->arg, s);
}

void agw_stream_attach(struct agw_stream *s, struct agw_relay_env *env)
{
	s->env = env;
	agw_reports_start(s);
	follow(s, NULL, NULL);
}

/* The keys of the association before stay in force until the new ones are there. */
static void renew_dtls(struct agw_leg *l, struct agw_dtls_sess *fresh)
{
	agw_leg_slot_free(l);
	agw_dtls_sess_free(l->dtls);
	l->dtls = fresh;
	l->dtls_deadline_ms = l->fp_deadline_ms = 0;
	if (l->early == NULL) /* without it the peer just has to repeat itself */
		l->early = calloc(1, sizeof(*l->early));
	else
		l->early->n = 0;
}

void agw_stream_apply(struct agw_stream *s, struct agw_stream_patch *patch)
{
	struct agw_stream_params old = s->p;

	s->p = patch->params;
	for (int i = 0; i < AGW_LEG_COUNT; i++) {
		if (patch->dtls[i] == NULL || s->legs[i].ice == NULL)
			continue;
		renew_dtls(&s->legs[i], patch->dtls[i]);
		patch->dtls[i] = NULL;
	}
	follow(s, &old, patch);
	if (patch->ask_picture)
		agw_reports_ask_picture(s);
	explicit_bzero(&old, sizeof(old));
}

bool agw_stream_is_attached(const struct agw_stream *s)
{
	return s->env != NULL;
}

void agw_stream_detach(struct agw_stream *s)
{
	for (int i = 0; i < AGW_LEG_COUNT; i++) {
		struct agw_leg *l = &s->legs[i];

		if (l->share != NULL)
			agw_share_leave(s->env->share, l);
		if (s->env->names != NULL)
			agw_names_leave(s->env->names, l);
		if (l->dtls == NULL)
			continue;
		agw_dtls_close(l->dtls);
		agw_ice_stop(l->ice);
		agw_leg_slot_free(l);
		agw_leg_wipe(l);
		agw_tcp_leave(l);
	}
	s->env = NULL;
}

bool agw_stream_tick(struct agw_stream *s)
{
	for (int i = 0; i < AGW_LEG_COUNT; i++) {
		struct agw_leg *l = &s->legs[i];

		if (l->ice == NULL)
			continue;
		agw_ice_tick(l->ice, s->env->ice, s->env->now_ms);
		agw_leg_tick(l);
	}
	return pending(s);
}

static void sweep_watch(struct agw_stream *s, enum agw_side side, uint32_t limit_ms,
			const struct agw_dir_counters *d)
{
	struct agw_watch *w = &s->watch[side];
	uint64_t seen = atomic_load_explicit(&d->last_seen_ms, memory_order_relaxed);
	uint64_t since = seen > w->since_ms ? seen : w->since_ms;
	struct agw_stream_event ev = {.side = side};
	bool silent;

	if (w->since_ms == 0)
		return;
	silent = s->env->now_ms - since >= limit_ms;
	if (silent == w->inactive)
		return;
	w->inactive = silent;
	ev.kind = silent ? AGW_EV_MEDIA_INACTIVE : AGW_EV_MEDIA_ACTIVE;
	agw_stream_emit(s, &ev);
}

/* What a hostile or broken peer sends: counted per packet, told in sums. */
static void tell_bad_input(struct agw_stream *s)
{
	static const enum agw_drop bad[] = {
	    AGW_DROP_DEMUX,     AGW_DROP_TOO_BIG,    AGW_DROP_SOURCE,    AGW_DROP_AUTH,
	    AGW_DROP_MALFORMED, AGW_DROP_SSRC_LIMIT, AGW_DROP_KEY_LIMIT, AGW_DROP_STUN_BAD,
	    AGW_DROP_DTLS_BAD,  AGW_DROP_ADDR_TAKEN};
	const struct agw_dir_counters *dirs[2] = {
	    [AGW_SIDE_ACCESS] = &s->counters.up, [AGW_SIDE_CORE] = &s->counters.down};

	if (s->env->now_ms < s->bad_quiet_ms)
		return;
	for (int side = 0; side < 2; side++) {
		for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
			uint64_t n =
			    atomic_load_explicit(&dirs[side]->drops[bad[i]], memory_order_relaxed);
			uint64_t *told = &s->bad_told[side][bad[i]];

			if (n == *told)
				continue;
			s->env->on_bad_input(s->env->arg, s, (enum agw_side)side, bad[i],
					     (uint32_t)(n - *told));
			*told = n;
			s->bad_quiet_ms = s->env->now_ms + BAD_QUIET_MS;
		}
	}
}

/* Well before a key has carried as many packets as it may, whoever can make a new association is
 * told, once for each key (SRTP-10; RFC 3711 s9.2). */
static void sweep_key(struct agw_stream *s)
{
	const struct agw_counters *c = &s->counters;
	uint64_t most = s->env->cfg->srtp_key_packets;
	uint64_t rtp = most != 0 ? most : KEY_RTP_MAX;
	uint64_t rtcp = rtp < KEY_RTCP_MAX ? rtp : KEY_RTCP_MAX;
	struct agw_stream_event ev = {.kind = AGW_EV_KEY_LIMIT, .side = AGW_SIDE_ACCESS};

	if (s->key_told || s->legs[AGW_LEG_RTP].srtp == NULL ||
	    (agw_counter_read(&c->down.rtp_packets) - s->key_base.down_rtp < rtp &&
	     agw_counter_read(&c->up.rtp_packets) - s->key_base.up_rtp < rtp &&
	     agw_counter_read(&c->down.rtcp_packets) - s->key_base.down_rtcp < rtcp &&
	     agw_counter_read(&c->up.rtcp_packets) - s->key_base.up_rtcp < rtcp))
		return;
	s->key_told = true;
	agw_stream_emit(s, &ev);
}

void agw_stream_keyed(struct agw_stream *s)
{
	const struct agw_counters *c = &s->counters;

	s->key_told = false;
	s->key_base = (struct agw_key_base){.up_rtp = agw_counter_read(&c->up.rtp_packets),
					    .up_rtcp = agw_counter_read(&c->up.rtcp_packets),
					    .down_rtp = agw_counter_read(&c->down.rtp_packets),
					    .down_rtcp = agw_counter_read(&c->down.rtcp_packets)};
}

void agw_stream_sweep(struct agw_stream *s)
{
	tell_bad_input(s);
	for (int i = 0; i < AGW_LEG_COUNT; i++)
		if (s->legs[i].ice != NULL)
			agw_ice_tick(s->legs[i].ice, s->env->ice, s->env->now_ms);
	if (pending(s))
		s->env->on_setup(s->env->arg, s);
	sweep_watch(s, AGW_SIDE_ACCESS, s->p.access.inactivity_ms, &s->counters.up);
	sweep_watch(s, AGW_SIDE_CORE, s->p.core.inactivity_ms, &s->counters.down);
	agw_core_sweep(s);
	sweep_key(s);
	agw_reports_sweep(s);
	if (s->p.media == AGW_MEDIA_AUDIO)
		agw_quality_judge(&s->counters, s->p.clock_hz);
}

void agw_stream_read_stats(const struct agw_stream *s, struct agw_stream_stats *out)
{
	agw_counters_read(&s->counters, out);
}
