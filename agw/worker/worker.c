/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One media worker: a thread with a raw epoll loop over the sockets of its streams.
 *
 *   wait -> clock -> readable sockets -> mailbox -> set-up ticks (20 ms) -> a slice of the sweep
 *        -> nap, if there is load
 *
 * The nap lets packets of many calls gather behind one wake-up: none when idle, growing with the
 * packet rate up to media.max_batch_wait_us. Waiting up to 0.5 ms saves a third of the CPU.
 *
 * The mailbox comes after the sockets: whatever epoll gave in this turn still exists.
 */
#include "agw/worker/worker_int.h"

#include "agw/relay/names.h"
#include "agw/relay/pace.h"
#include "agw/relay/share.h"
#include "agw/relay/tcp.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <time.h>
#include <unistd.h>
#include <utlist.h>

#define EVENTS_MAX         256
#define TICK_MS            20
#define STRANGERS_QUIET_MS 10000
#define SLICE_MS           (1000 / SWEEP_PHASES)
#define TIMER_SLACK_NS     5000UL
#define NAP_FROM_PPS       2000U  /* below: no nap */
#define NAP_FULL_PPS       10000U /* from here: the configured bound */
#define STACK_OCTETS       (1024U * 1024U)

uint64_t agw_now_us(void)
{
	struct timespec ts;

	(void)clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000000U + (uint64_t)ts.tv_nsec / 1000U;
}

static void take_clock(struct agw_worker *w)
{
	w->env.now_us = agw_now_us();
	w->env.now_ms = w->env.now_us / 1000;
}

static void on_event(void *arg, struct agw_stream *s, const struct agw_stream_event *ev)
{
	agw_report_event(arg, agw_stream_user(s), ev);
}

static void on_bad_input(void *arg, struct agw_stream *s, enum agw_side from, enum agw_drop why,
			 uint32_t n)
{
	agw_report_bad(arg, agw_stream_user(s), from, why, n);
}

static void on_setup(void *arg, struct agw_stream *s)
{
	struct agw_worker *w = arg;
	struct agw_slot *slot = agw_stream_user(s);

	if (slot->in_setup)
		return;
	slot->in_setup = true;
	if (w->setup == NULL)
		w->next_tick_ms = w->env.now_ms + TICK_MS;
	DL_APPEND2(w->setup, slot, s_prev, s_next);
}

static void on_unpoll(void *arg, int fd)
{
	const struct agw_worker *w = arg;

	(void)epoll_ctl(w->epfd, EPOLL_CTL_DEL, fd, NULL);
}

/* --- commands -----------------------------------------------------------------------------------
 */

static void poll_sockets(struct agw_worker *w, struct agw_slot *slot, bool on)
{
	for (int i = 0; i < AGW_SOCK_COUNT; i++) {
		struct agw_sock *k = agw_stream_sock(slot->stream, (enum agw_sock_kind)i);
		struct epoll_event ev = {.events = EPOLLIN, .data.ptr = k};

		if (k->fd < 0 || k->shared)
			continue;
		/* Out of kernel memory: the stream stays deaf and ICE's time limit reports it. */
		(void)epoll_ctl(w->epfd, on ? EPOLL_CTL_ADD : EPOLL_CTL_DEL, k->fd, &ev);
	}
}

static void poll_ice(struct agw_worker *w, struct agw_slot *slot, bool on)
{
	for (unsigned i = 0; i < AGW_ICE_SOCKS; i++) {
		struct agw_sock *k = agw_stream_ice_sock(slot->stream, i);
		struct epoll_event ev = {.events = EPOLLIN, .data.ptr = k};

		if (k != NULL)
			(void)epoll_ctl(w->epfd, on ? EPOLL_CTL_ADD : EPOLL_CTL_DEL, k->fd, &ev);
	}
}

static void add(struct agw_worker *w, struct agw_slot *slot)
{
	slot->phase = w->next_phase++ % SWEEP_PHASES;
	DL_APPEND2(w->all[slot->phase], slot, w_prev, w_next);
	w->n_slots++;
	agw_stream_attach(slot->stream, &w->env);
	poll_sockets(w, slot, true);
	poll_ice(w, slot, true);
}

static void del(struct agw_worker *w, struct agw_slot *slot)
{
	poll_sockets(w, slot, false);
	poll_ice(w, slot, false);
	agw_stream_detach(slot->stream);
	if (slot->in_setup)
		DL_DELETE2(w->setup, slot, s_prev, s_next);
	slot->in_setup = false;
	DL_DELETE2(w->all[slot->phase], slot, w_prev, w_next);
	w->n_slots--;
	agw_report_back(w, slot);
}

static void run_cmd(struct agw_worker *w, struct agw_cmd *c)
{
	for (size_t i = 0; i < c->n; i++) {
		switch (c->kind) {
		case AGW_CMD_ADD:
			add(w, c->items[i].slot);
			break;
		case AGW_CMD_APPLY:
			agw_stream_apply(c->items[i].slot->stream, c->items[i].patch);
			break;
		case AGW_CMD_DEL:
			del(w, c->items[i].slot);
			break;
		}
	}
	agw_report_done(w, c);
}

static void read_mailbox(struct agw_worker *w)
{
	struct agw_cmd *c;

	gw_ring_clear(w->cmds);
	while (gw_ring_pop(w->cmds, &c)) {
		if (c != NULL) /* NULL only wakes us to look at `stop` */
			run_cmd(w, c);
	}
}

/* --- timers
 * --------------------------------------------------------------------------------------- */

static void tick(struct agw_worker *w)
{
	struct agw_slot *slot;
	struct agw_slot *tmp;

	DL_FOREACH_SAFE2(w->setup, slot, tmp, s_next)
	{
		if (agw_stream_tick(slot->stream))
			continue;
		DL_DELETE2(w->setup, slot, s_prev, s_next);
		slot->in_setup = false;
	}
	w->next_tick_ms = w->env.now_ms + TICK_MS;
}

/* How long to let packets gather, from the packet rate of the last slice. */
static uint32_t nap_for(uint64_t pps, uint32_t most_us)
{
	if (pps < NAP_FROM_PPS)
		return 0;
	if (pps >= NAP_FULL_PPS)
		return most_us;
	return (uint32_t)((uint64_t)most_us * (pps - NAP_FROM_PPS) / (NAP_FULL_PPS - NAP_FROM_PPS));
}

static void sweep_slice(struct agw_worker *w)
{
	uint64_t packets = atomic_load_explicit(&w->env.rtp_packets, memory_order_relaxed);
	struct agw_slot *slot;

	w->nap_us =
	    nap_for((packets - w->rate_packets) * SWEEP_PHASES, w->pool->cfg.max_batch_wait_us);
	w->rate_packets = packets;
	w->sweep_phase = (w->sweep_phase + 1) % SWEEP_PHASES;
	DL_FOREACH2(w->all[w->sweep_phase], slot, w_next)
	agw_stream_sweep(slot->stream);
	if (w->env.strangers > 0 && w->env.now_ms >= w->strangers_quiet_ms) {
		agw_report_bad(w, NULL, AGW_SIDE_ACCESS, AGW_DROP_SOURCE, w->env.strangers);
		w->env.strangers = 0;
		w->strangers_quiet_ms = w->env.now_ms + STRANGERS_QUIET_MS;
	}
	if (w->env.paced > 0 && w->env.now_ms >= w->paced_quiet_ms) {
		agw_report_paced(w, w->env.paced, &w->env.paced_from);
		w->env.paced = 0;
		w->paced_quiet_ms = w->env.now_ms + STRANGERS_QUIET_MS;
	}
	if (w->env.tcp != NULL)
		agw_tcp_sweep(&w->env);
	w->next_sweep_ms = w->env.now_ms + SLICE_MS;
}

static int wait_ms(const struct agw_worker *w)
{
	uint64_t now = agw_now_us() / 1000;
	uint64_t until = w->next_sweep_ms;

	if (w->back != NULL || w->done != NULL)
		return 1;
	if (w->n_slots == 0 && (w->env.tcp == NULL || !agw_tcp_is_busy(w->env.tcp)))
		return -1;
	if (w->setup != NULL && w->next_tick_ms < until)
		until = w->next_tick_ms;
	return until <= now ? 0 : (int)(until - now);
}

/* The bound counts from the beginning of the turn: a packet that came just after its socket was
 * read waits for the rest of the turn too. */
static void nap(const struct agw_worker *w)
{
	uint64_t spent = agw_now_us() - w->env.now_us;
	struct timespec ts = {.tv_sec = 0};

	if (spent >= w->nap_us)
		return;
	ts.tv_nsec = (long)(w->nap_us - spent) * 1000;
	(void)clock_nanosleep(CLOCK_MONOTONIC, 0, &ts, NULL);
}

static void *loop(void *arg)
{
	struct agw_worker *w = arg;
	struct epoll_event evs[EVENTS_MAX];
	char name[16];

	(void)snprintf(name, sizeof(name), "media-%u", w->index);
	(void)prctl(PR_SET_NAME, name);
	(void)prctl(PR_SET_TIMERSLACK, TIMER_SLACK_NS);
	while (!atomic_load_explicit(&w->stop, memory_order_acquire)) {
		int n = epoll_wait(w->epfd, evs, EVENTS_MAX, wait_ms(w));
		bool mail = false, more = false;

		take_clock(w);
		for (int i = 0; i < n; i++) {
			if (evs[i].data.ptr == NULL)
				mail = true;
			else
				more |= agw_relay_readable(&w->env, evs[i].data.ptr);
		}
		agw_relay_flush(&w->env);
		if (mail || agw_relay_awaits_mail(&w->env))
			read_mailbox(w);
		agw_relay_after_mail(&w->env);
		if (w->setup != NULL && w->env.now_ms >= w->next_tick_ms)
			tick(w);
		if (w->env.now_ms >= w->next_sweep_ms)
			sweep_slice(w);
		agw_report_retry(w);
		if (w->nap_us > 0 && n > 0 && n < EVENTS_MAX && !more)
			nap(w);
	}
	return NULL;
}

/* --- start and stop
 * -------------------------------------------------------------------------------- */

/* The shared ports were leased by the pool. */
static enum gw_err open_shared(struct agw_worker *w, uint32_t max_streams)
{
	enum gw_err err = agw_share_new(&w->env.share, max_streams);

	for (unsigned i = 0; err == GW_OK && i < w->n_shared; i++)
		for (int f = 0; f < AGW_FAMILY_COUNT; f++)
			if (w->shared[i].lease.fds[f] >= 0)
				agw_share_open(w->env.share, i, (enum agw_family)f,
					       w->shared[i].lease.fds[f]);
	return err;
}

static enum gw_err make_env(struct agw_worker *w, struct agw_pool *pool)
{
	struct agw_relay_env *e = &w->env;
	enum gw_err err;

	e->cfg = &pool->relay;
	e->on_event = on_event;
	e->on_bad_input = on_bad_input;
	e->on_setup = on_setup;
	e->on_unpoll = on_unpoll;
	e->arg = w;
	e->max_handshakes = pool->cfg.dtls_max_handshakes / pool->n_workers;
	if (e->max_handshakes == 0)
		e->max_handshakes = 1;
	if (pool->cfg.dtls_source_rate != 0) {
		err = agw_pace_new(&e->pace, pool->cfg.dtls_source_rate);
		if (err != GW_OK)
			return err;
	}
	e->scratch = aligned_alloc(8, AGW_UDP_BUF);
	if (e->scratch == NULL)
		return GW_ERR_NOMEM;
	err = agw_ice_env_new(&e->ice);
	if (err == GW_OK)
		err = agw_udp_in_new(&e->in);
	if (err == GW_OK)
		err = agw_udp_out_new(&e->out, agw_relay_failed, e);
	if (err == GW_OK && (w->n_shared > 0 || w->tcp.on))
		err = agw_names_new(&e->names, pool->cfg.max_streams);
	if (err == GW_OK && w->tcp.on)
		err = agw_tcp_new(&e->tcp);
	if (err == GW_OK && w->n_shared > 0)
		err = open_shared(w, pool->cfg.max_streams);
	return err;
}

static enum gw_err poll_shared(struct agw_worker *w)
{
	struct agw_sock *k;

	for (unsigned i = 0; w->env.share != NULL && (k = agw_share_sock(w->env.share, i)) != NULL;
	     i++) {
		struct epoll_event ev = {.events = EPOLLIN, .data.ptr = k};

		if (epoll_ctl(w->epfd, EPOLL_CTL_ADD, k->fd, &ev) != 0)
			return gw_err_from_errno(errno);
	}
	for (int f = 0; w->tcp.on && f < AGW_FAMILY_COUNT; f++) {
		if (w->tcp.fds[f] >= 0 &&
		    agw_tcp_open(w->env.tcp, w->epfd, (enum agw_family)f, w->tcp.fds[f]) != GW_OK)
			return GW_ERR_IO;
	}
	return GW_OK;
}

static enum gw_err make_loop(struct agw_worker *w)
{
	struct epoll_event ev = {.events = EPOLLIN, .data.ptr = NULL};
	pthread_attr_t attr;
	int rc;

	w->epfd = epoll_create1(EPOLL_CLOEXEC);
	if (w->epfd < 0)
		return gw_err_from_errno(errno);
	if (epoll_ctl(w->epfd, EPOLL_CTL_ADD, gw_ring_fd(w->cmds), &ev) != 0)
		return gw_err_from_errno(errno);
	if (poll_shared(w) != GW_OK)
		return GW_ERR_IO;
	if (pthread_attr_init(&attr) != 0)
		return GW_ERR_NOMEM;
	(void)pthread_attr_setstacksize(&attr, STACK_OCTETS);
	take_clock(w);
	rc = pthread_create(&w->thread, &attr, loop, w);
	(void)pthread_attr_destroy(&attr);
	if (rc != 0)
		return gw_err_from_errno(rc);
	w->started = true;
	return GW_OK;
}

enum gw_err agw_worker_start(struct agw_worker *w, struct agw_pool *pool, unsigned index)
{
	enum gw_err err;

	w->pool = pool;
	w->index = index;
	w->epfd = -1;
	err = gw_ring_new(&w->cmds, sizeof(struct agw_cmd *), pool->cfg.ring_slots);
	if (err == GW_OK)
		err = gw_ring_new(&w->reports, sizeof(struct agw_report), pool->cfg.ring_slots);
	if (err == GW_OK)
		err = make_env(w, pool);
	if (err == GW_OK)
		err = make_loop(w);
	return err;
}

void agw_worker_stop(struct agw_worker *w)
{
	struct agw_cmd *wake = NULL;

	if (!w->started)
		return;
	atomic_store_explicit(&w->stop, true, memory_order_release);
	/* A full ring has its eventfd set already: the worker looks anyway. */
	if (gw_ring_push(w->cmds, &wake) != GW_OK)
		wake = NULL;
	(void)pthread_join(w->thread, NULL);
	w->started = false;
}

void agw_worker_fini(struct agw_worker *w)
{
	agw_ice_env_free(w->env.ice);
	agw_udp_in_free(w->env.in);
	agw_udp_out_free(w->env.out);
	agw_share_free(w->env.share);
	agw_names_free(w->env.names);
	agw_pace_free(w->env.pace);
	agw_tcp_free(w->env.tcp);
	free(w->env.scratch);
	gw_ring_free(w->cmds);
	gw_ring_free(w->reports);
	if (w->epfd >= 0)
		(void)close(w->epfd);
}
