/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The pool of media workers: start, stop, delivery of reports, load. See worker.h.
 */
#include "agw/ice/leave.h"
#include "agw/srtp/srtp.h"
#include "agw/worker/worker_int.h"

#include <errno.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>
#include <utlist.h>

#define GW_LOG_MOD "worker"
#include "common/log.h"

#define WORKERS_MAX 64

static const uint16_t default_profiles[AGW_SRTP_PROFILE_MAX] = {
    AGW_SRTP_AEAD_AES_128_GCM, AGW_SRTP_AEAD_AES_256_GCM, AGW_SRTP_AES128_CM_SHA1_80,
    AGW_SRTP_NONE};

static void or_default(uint32_t *v, uint32_t otherwise)
{
	if (*v == 0)
		*v = otherwise;
}

static void fill_defaults(struct agw_pool_cfg *c)
{
	cpu_set_t ours; /* of a container or unit with a cpuset: those CPUs alone */
	int cpus = sched_getaffinity(0, sizeof(ours), &ours) == 0 ? CPU_COUNT(&ours) : 1;

	if (c->n_workers == 0)
		c->n_workers = cpus < 1 ? 1 : (unsigned)cpus;
	if (c->n_workers > WORKERS_MAX)
		c->n_workers = WORKERS_MAX;
	or_default(&c->max_streams, 20000);
	or_default(&c->ring_slots, 4096);
	or_default(&c->port_quarantine_ms, 30000);
	or_default(&c->ice_timeout_ms, 20000);
	or_default(&c->consent_timeout_ms, 30000);
	or_default(&c->dtls_timer_initial_ms, 100);
	or_default(&c->dtls_timeout_ms, 20000);
	or_default(&c->dtls_fp_wait_ms, 32000);
	or_default(&c->dtls_max_handshakes, 256);
	or_default(&c->cert_lifetime_s, 30 * 24 * 3600);
	or_default(&c->srtp_replay_window, 1024);
	if (c->dtls_mtu == 0)
		c->dtls_mtu = 1200;
	if (c->fp_hashes == 0)
		c->fp_hashes =
		    1U << AGW_HASH_SHA256 | 1U << AGW_HASH_SHA384 | 1U << AGW_HASH_SHA512;
	if (c->srtp_profiles[0] == AGW_SRTP_NONE)
		memcpy(c->srtp_profiles, default_profiles, sizeof(default_profiles));
}

static enum gw_err make_realms(struct agw_pool *p, const struct agw_pool_cfg *cfg)
{
	if (cfg->n_realms == 0 || cfg->n_realms > AGW_REALM_MAX)
		return GW_ERR_INVAL;
	for (size_t i = 0; i < cfg->n_realms; i++) {
		enum gw_err err;

		if (agw_realm_find(p->realms, i, cfg->realms[i].name) != NULL)
			return GW_ERR_INVAL;
		p->realms[i] = cfg->realms[i];
		err = agw_realm_check(&p->realms[i]);
		if (err == GW_OK)
			err = agw_port_pool_new(&p->ports[i], &p->realms[i],
						p->cfg.port_quarantine_ms);
		if (err != GW_OK)
			return err;
		p->n_realms = i + 1;
	}
	p->cfg.realms = p->realms;
	return GW_OK;
}

static enum gw_err start_leave(struct agw_pool *p)
{
	struct epoll_event ev = {.events = EPOLLIN};
	enum gw_err err;

	p->epfd = epoll_create1(EPOLL_CLOEXEC);
	if (p->epfd < 0)
		return gw_err_from_errno(errno);
	if (p->cfg.ice_turn.server.len == 0)
		return GW_OK;
	err = agw_ice_leave_new(&p->leave, &p->cfg.ice_turn);
	if (err != GW_OK)
		return err;
	p->relay.turn.leave = p->leave;
	ev.data.ptr = p->leave;
	return epoll_ctl(p->epfd, EPOLL_CTL_ADD, agw_ice_leave_fd(p->leave), &ev) == 0
		   ? GW_OK
		   : gw_err_from_errno(errno);
}

static enum gw_err start_workers(struct agw_pool *p)
{
	p->workers = calloc(p->cfg.n_workers, sizeof(*p->workers));
	if (p->workers == NULL)
		return GW_ERR_NOMEM;
	p->n_workers = p->cfg.n_workers;
	for (unsigned i = 0; i < p->n_workers; i++)
		p->workers[i].epfd = -1;
	for (unsigned i = 0; i < p->n_workers; i++) {
		struct agw_worker *w = &p->workers[i];
		struct epoll_event ev = {.events = EPOLLIN, .data.ptr = w};
		enum gw_err err = agw_shared_lease(p, w);

		if (err == GW_OK)
			err = agw_tcp_port_open(p, w);
		if (err == GW_OK)
			err = agw_worker_start(w, p, i);

		if (err != GW_OK)
			return err;
		if (epoll_ctl(p->epfd, EPOLL_CTL_ADD, gw_ring_fd(w->reports), &ev) != 0)
			return gw_err_from_errno(errno);
	}
	return GW_OK;
}

enum gw_err agw_pool_new(struct agw_pool **out, const struct agw_pool_cfg *cfg,
			 const struct agw_pool_cbs *cbs, void *arg)
{
	struct agw_pool *p = calloc(1, sizeof(*p));
	enum gw_err err;

	if (p == NULL)
		return GW_ERR_NOMEM;
	p->epfd = -1;
	p->cfg = *cfg;
	p->cbs = *cbs;
	p->arg = arg;
	fill_defaults(&p->cfg);
	p->relay = (struct agw_relay_cfg){.ice_timeout_ms = p->cfg.ice_timeout_ms,
					  .consent_timeout_ms = p->cfg.consent_timeout_ms,
					  .consent_active = p->cfg.consent_active,
					  .turn = p->cfg.ice_turn,
					  .ice_first_valid_pair = p->cfg.ice_first_valid_pair,
					  .dtls_timeout_ms = p->cfg.dtls_timeout_ms,
					  .dtls_fp_wait_ms = p->cfg.dtls_fp_wait_ms,
					  .srtp_replay_window = p->cfg.srtp_replay_window,
					  .srtp_key_packets = p->cfg.srtp_key_packets,
					  .relay_padding_only = p->cfg.relay_padding_only,
					  .rtcp_generate = p->cfg.rtcp_generate,
					  .keepalive_ms = p->cfg.keepalive_ms};
	p->resend.packets = p->cfg.resend_packets;
	p->resend.most = p->cfg.resend_memory;
	if (p->resend.packets != 0)
		p->relay.resend = &p->resend;
	err = make_realms(p, cfg);
	if (err != GW_OK)
		goto fail;
	err = start_leave(p);
	if (err != GW_OK)
		goto fail;
	err = agw_srtp_init_with(p->cfg.srtp_lib);
	if (err != GW_OK)
		goto fail;
	p->srtp_up = true;
	err = agw_identity_new(p, &p->dtls);
	if (err != GW_OK)
		goto fail;
	err = start_workers(p);
	if (err != GW_OK)
		goto fail;
	agw_metrics_start(p);
	*out = p;
	return GW_OK;
fail:
	agw_pool_free(p);
	return err;
}

/* What never reached its reader: nobody runs any more, so both ends are ours now. */
static void empty_rings(struct agw_worker *w)
{
	struct agw_cmd *c;
	struct agw_report r;

	while (w->waiting != NULL) {
		c = w->waiting;
		w->waiting = c->next;
		agw_cmd_free(c);
	}
	while (w->done != NULL) {
		c = w->done;
		w->done = c->next;
		agw_cmd_free(c);
	}
	while (w->cmds != NULL && gw_ring_pop(w->cmds, &c))
		agw_cmd_free(c);
	while (w->reports != NULL && gw_ring_pop(w->reports, &r)) {
		if (r.kind == AGW_REPORT_DONE)
			agw_cmd_free(r.ptr);
	}
}

void agw_pool_free(struct agw_pool *p)
{
	struct agw_media *m;
	struct agw_media *tmp;

	if (p == NULL)
		return;
	agw_metrics_stop(p);
	for (unsigned i = 0; i < p->n_workers; i++)
		agw_worker_stop(&p->workers[i]);
	for (unsigned i = 0; i < p->n_workers; i++)
		empty_rings(&p->workers[i]);
	DL_FOREACH_SAFE (p->medias, m, tmp)
		agw_media_destroy(m);
	for (unsigned i = 0; i < p->n_workers; i++) {
		agw_worker_fini(&p->workers[i]);
		agw_shared_release(p, &p->workers[i]);
		agw_tcp_port_close(&p->workers[i]);
	}
	free(p->workers);
	agw_ice_leave_free(p->leave);
	if (p->epfd >= 0)
		(void)close(p->epfd);
	agw_identity_free(p);
	if (p->srtp_up)
		agw_srtp_shutdown();
	for (size_t i = 0; i < AGW_REALM_MAX; i++)
		agw_port_pool_free(p->ports[i]);
	free(p);
}

int agw_pool_fd(const struct agw_pool *p)
{
	return p->epfd;
}

static void deliver(struct agw_report *r)
{
	switch (r->kind) {
	case AGW_REPORT_EVENT:
		agw_media_on_event(r->ptr, &r->ev);
		break;
	case AGW_REPORT_BAD:
		agw_media_on_bad(r->ptr, r);
		break;
	case AGW_REPORT_PACED:
		agw_media_on_paced(r);
		break;
	case AGW_REPORT_DONE:
		agw_media_on_done(r->ptr);
		break;
	case AGW_REPORT_BACK:
		agw_media_on_back(r->ptr);
		break;
	}
}

void agw_pool_dispatch(struct agw_pool *p)
{
	for (unsigned i = 0; i < p->n_workers; i++) {
		struct agw_worker *w = &p->workers[i];
		struct agw_report r;
		uint64_t lost;

		/* What comes after the clear wakes us again, so one ringful is all there can be. */
		gw_ring_clear(w->reports);
		for (unsigned k = 0; k < p->cfg.ring_slots && gw_ring_pop(w->reports, &r); k++)
			deliver(&r);
		agw_cmd_retry(w);
		lost = atomic_load_explicit(&w->events_lost, memory_order_relaxed);
		if (lost != w->lost_told) {
			GW_LOG_LIMITED(GW_LOG_WARN, "worker.events-lost", "worker=%u lost=%llu", i,
				       (unsigned long long)(lost - w->lost_told));
			p->cbs.on_events_lost(p->arg, lost - w->lost_told);
			w->lost_told = lost;
		}
	}
	if (p->leave != NULL)
		agw_ice_leave_step(p->leave);
}

void agw_pool_fingerprint(const struct agw_pool *p, struct agw_fingerprint *out)
{
	agw_dtls_ctx_fingerprint(p->dtls, out);
}

uint64_t agw_pool_drops(const struct agw_pool *p, unsigned worker, enum agw_drop why)
{
	return atomic_load_explicit(&p->workers[worker].env.drops[why], memory_order_relaxed);
}

void agw_pool_load(const struct agw_pool *p, struct agw_pool_load *out)
{
	*out = (struct agw_pool_load){
	    .workers = p->n_workers, .streams = p->n_streams, .max_streams = p->cfg.max_streams};
	for (unsigned i = 0; i < p->n_workers; i++) {
		const struct agw_worker *w = &p->workers[i];

		out->handshakes += atomic_load_explicit(&w->env.handshakes, memory_order_relaxed);
		out->rtp_packets += atomic_load_explicit(&w->env.rtp_packets, memory_order_relaxed);
		for (int d = 0; d < AGW_DROP_COUNT; d++)
			out->rtp_drops += agw_pool_drops(p, i, (enum agw_drop)d);
		out->through_ice += atomic_load_explicit(&w->env.through_ice, memory_order_relaxed);
		out->events_lost += atomic_load_explicit(&w->events_lost, memory_order_relaxed);
	}
}

bool agw_pool_ports(const struct agw_pool *p, const char *realm, struct agw_ports_load *out)
{
	const struct agw_realm_cfg *r = agw_realm_find(p->realms, p->n_realms, realm);
	struct agw_port_pool_load load;

	if (r == NULL)
		return false;
	agw_port_pool_load(p->ports[r - p->realms], agw_now_us() / 1000, &load);
	*out = (struct agw_ports_load){
	    .total = load.total, .used = load.used, .resting = load.resting};
	for (unsigned i = 0; i < p->n_workers; i++)
		out->shared += agw_shared_count(&p->workers[i], (size_t)(r - p->realms));
	out->total -= out->shared;
	out->used -= out->shared;
	return true;
}
