/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One link: the connection to one AGW address, from dialling to heartbeats.
 *
 *   BACKOFF ─> CONNECTING ─> HELLO ─> UP ─> (lost) BACKOFF …        0.2 s → 5 s, jittered
 *
 * The link is lost when nothing came for three heartbeat intervals in which we ran, when the AGW
 * answers none of five requests in a row, or when its connection ends. What is known of the AGW
 * then:
 *
 *   another boot id                          its contexts are gone, at once
 *   connection ended, and now refused        nobody is there: gone, at once
 *   connection ended without a Goodbye,
 *   and no other within three heartbeats     its host has gone with it
 *   silence, even if refused thereafter
 *   (a firewall's REJECT), or a Goodbye      it may live, and its media: T_agwdead
 *   Goodbye, since another process
 *   said Hello under our controller id       gone, at once; it is dialled again after 15 s and more
 * Not here: what is sent (send.c), which requests are under way (txn.c), which AGW gets a call
 * (agw_pool.c), several addresses of one AGW (addresses.c).
 * Thread: the cscf loop. Spec: calls-and-media 5.3 Hello, Heartbeat; IQ-14, IQ-17.
 */
#include "cscf/iq/iq_int.h"

#include "common/rand.h"

#include <errno.h>
#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <inttypes.h>
#include <netinet/tcp.h>
#include <stdio.h>

#define GW_LOG_MOD "iq"

uint64_t iq_now_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000U + (uint64_t)ts.tv_nsec / 1000000U;
}

static void arm(struct event *ev, uint64_t ms)
{
	struct timeval tv = {(time_t)(ms / 1000U), (suseconds_t)(ms % 1000U * 1000U)};

	event_add(ev, &tv);
}

static void arm_beat(struct cscf_iq_link *link, uint64_t ms)
{
	link->beat_due_ms = iq_now_ms() + ms;
	arm(link->timer, ms);
}

static void close_connection(struct cscf_iq_link *link)
{
	gw_outbox_free(link->out);
	link->out = NULL;
	if (link->bev != NULL)
		bufferevent_free(link->bev);
	link->bev = NULL;
	iq_frame_reader_free(link->reader);
	link->reader = NULL;
	event_del(link->timer);
}

/* How long its contexts are thought to live on behind a link that is lost. */
static uint64_t dead_after_ms(const struct cscf_iq_link *link)
{
	uint64_t most = (uint64_t)link->iq->cfg.agw_dead;
	uint64_t beats = (uint64_t)IQ_HEARTBEAT_MISSED * link->beat_ms;

	return link->closed && beats < most ? beats : most;
}

void iq_link_fail(struct cscf_iq_link *link, const char *why)
{
	bool was_up = link->state == IQ_LINK_UP;
	uint32_t wait_ms;

	close_connection(link);
	link->state = IQ_LINK_BACKOFF;
	if (link->backoff_ms == 0)
		link->backoff_ms = IQ_BACKOFF_MIN;
	wait_ms = link->backoff_ms / 2 + (uint32_t)(gw_rand_u64() % (link->backoff_ms / 2 + 1));
	if (link->duplicate)
		wait_ms = IQ_BACKOFF_MAX;
	if (link->displaced)
		wait_ms = IQ_BACKOFF_DISPLACED / 2 + wait_ms;
	if (was_up && link->closed) /* is anybody there? */
		wait_ms = (uint32_t)(gw_rand_u64() % IQ_LOOK_AGAIN_MS);
	link->backoff_ms =
	    link->backoff_ms * 2 > IQ_BACKOFF_MAX ? IQ_BACKOFF_MAX : link->backoff_ms * 2;
	arm(link->timer, wait_ms);
	if (!was_up) {
		GW_LOG_LIMITED(GW_LOG_WARN, "iq.connect_failed",
			       "peer=%s agw=%s reason=\"%s\" retry_ms=%u", link->addr_text,
			       link->agw_id, why, wait_ms);
		return;
	}
	GW_LOG(GW_LOG_WARN, "iq.link_down", "peer=%s agw=%s reason=\"%s\" contexts=%zu retry_ms=%u",
	       link->addr_text, link->agw_id, why, link->n_ctx, wait_ms);
	gw_metric_inc(&cscf_iq_metrics[IQ_M_LINK_LOST]);
	gw_metric_dec(&cscf_iq_metrics[IQ_M_LINKS_UP]);
	link->timeouts_in_a_row = 0;
	arm(link->dead_timer, dead_after_ms(link));
	iq_audit_stop(link);
	iq_leaving_stop(link);
	iq_on_link_down(link);
}

static void take_load(struct cscf_iq_link *link, const IqLoad *load)
{
	if (load == NULL)
		return;
	link->cpu_permille = load->cpu_permille;
	link->contexts = load->contexts;
	link->overload_level = load->overload_level;
	link->n_ctx_told = link->n_ctx;
}

static void take_state(struct cscf_iq_link *link, const IqAgwState *state)
{
	if (state == NULL)
		return;
	if ((int)state->state != link->agw_state)
		GW_LOG(GW_LOG_INFO, "iq.agw_state", "agw=%s state=%d reason=\"%s\"", link->agw_id,
		       (int)state->state, state->reason);
	link->agw_state = (int)state->state;
	take_load(link, state->load);
	iq_link_take_realms(link, state->realms, state->n_realms, false);
	iq_leaving_note(link, state);
}

/* The AGW's answer to our Hello: who it is, and whether it still knows our contexts. */
static void on_hello_ack(struct cscf_iq_link *link, const IqHelloAck *ack)
{
	struct cscf_iq_link *twin;
	enum iq_boot boot;

	if (link->state != IQ_LINK_HELLO) {
		iq_link_fail(link, "HelloAck out of turn");
		return;
	}
	if (ack->error != NULL && ack->error->code != IQ_V(ERROR_CODE__OK)) {
		iq_link_fail(link, iq_code_name(ack->error->code));
		return;
	}
	if (ack->version != IQ_VERSION || ack->boot_id == 0 || ack->agw_id[0] == '\0') {
		iq_link_fail(link, "HelloAck without version, boot or id");
		return;
	}
	boot = link->boot_id == ack->boot_id ? IQ_BOOT_KNOWN
	       : link->boot_id == 0          ? IQ_BOOT_FIRST
					     : IQ_BOOT_NEW;
	if (boot != IQ_BOOT_KNOWN)
		link->last_event_seq = 0;
	snprintf(link->agw_id, sizeof(link->agw_id), "%s", ack->agw_id);
	link->boot_id = ack->boot_id;
	link->max_contexts = ack->capabilities != NULL ? ack->capabilities->max_contexts : 0;
	twin = iq_link_find_twin(link);
	link->duplicate = twin != NULL;
	if (twin != NULL) {
		iq_link_fail(link, "another address of an AGW that is connected already");
		return;
	}
	link->state = IQ_LINK_UP;
	link->backoff_ms = 0;
	link->dead = link->closed = link->ended = link->displaced = false;
	link->beat_ms = (uint32_t)link->iq->cfg.heartbeat;
	if (ack->heartbeat_interval_ms > link->beat_ms &&
	    ack->heartbeat_interval_ms <= IQ_HEARTBEAT_MAX_MS)
		link->beat_ms = ack->heartbeat_interval_ms;
	link->agw_state = IQ_V(AGW_STATE__STATE__IN_SERVICE);
	iq_link_take_realms(link, ack->realms, ack->n_realms, true);
	take_state(link, ack->state);
	event_del(link->dead_timer);
	arm_beat(link, link->beat_ms);
	gw_metric_inc(&cscf_iq_metrics[IQ_M_LINKS_UP]);
	GW_LOG(GW_LOG_INFO, "iq.link_up",
	       "peer=%s agw=%s boot=%016" PRIx64 " new_boot=%d contexts=%zu max_contexts=%u",
	       link->addr_text, link->agw_id, link->boot_id, boot == IQ_BOOT_NEW, link->n_ctx,
	       link->max_contexts);
	iq_on_link_up(link, boot);
}

/*
 * The AGW ends the connection. When it took another one of our controller id that is not ours, a
 * second process has our name: its Hello ended our contexts, and ours would end its own in turn.
 */
static void on_goodbye(struct cscf_iq_link *link, const IqError *error)
{
	link->ended = true;
	if (error != NULL && error->code == IQ_V(ERROR_CODE__STALE_TXN) &&
	    link->state == IQ_LINK_UP && !iq_link_is_pushed_out_by_us(link)) {
		link->displaced = true;
		gw_metric_inc(&cscf_iq_metrics[IQ_M_DISPLACED]);
		GW_LOG(GW_LOG_ERROR, "iq.displaced",
		       "peer=%s agw=%s controller=%s hint=\"another process has this "
		       "iq.controller_id: each needs its own\"",
		       link->addr_text, link->agw_id, link->iq->cfg.controller_id);
	}
	iq_link_fail(link, error != NULL ? error->detail : "goodbye");
	if (!link->displaced)
		return;
	event_del(link->dead_timer);
	iq_ctx_lose_link(link, "another process has our controller id");
}

/* The link's own messages; the rest goes up. @return false when the connection was dropped */
static bool on_envelope(struct cscf_iq_link *link, const IqEnvelope *env)
{
	switch ((int)env->body_case) { /* a wire value: has a default */
	case IQ_BODY(HELLO_ACK):
		on_hello_ack(link, env->hello_ack);
		break;
	case IQ_BODY(HEARTBEAT):
		take_load(link, env->heartbeat->load);
		break;
	case IQ_BODY(AGW_STATE):
		take_state(link, env->agw_state);
		if (link->agw_state == IQ_V(AGW_STATE__STATE__OUT_OF_SERVICE)) /* IQ-14 */
			iq_ctx_lose_link(link, "AGW out of service");
		break;
	case IQ_BODY(GOODBYE):
		on_goodbye(link, env->goodbye->error);
		break;
	case IQ_BODY(HELLO):
	case IQ_BODY(RESERVE):
	case IQ_BODY(CONFIGURE):
	case IQ_BODY(RELEASE):
	case IQ_BODY(AUDIT):
	case IQ_BODY(DRAIN):
	case IQ_BODY(RELEASE_ALL):
		gw_metric_inc(&cscf_iq_metrics[IQ_M_BAD_MESSAGE]);
		GW_LOG_LIMITED(GW_LOG_WARN, "iq.unexpected", "peer=%s msg=%s", link->addr_text,
			       iq_msg_name(env));
		break;
	default:
		if (link->state == IQ_LINK_UP)
			iq_on_message(link, env);
		break;
	}
	return link->bev != NULL;
}

static bool on_frame(struct cscf_iq_link *link, const uint8_t *payload, size_t n)
{
	IqEnvelope *env = NULL;
	struct iq_fault fault;
	bool alive;

	if (iq_unpack(&env, payload, n) != GW_OK) {
		gw_metric_inc(&cscf_iq_metrics[IQ_M_BAD_MESSAGE]);
		iq_link_fail(link, "not a message");
		return false;
	}
	iq_trace(IQ_RX, link->addr_text, env, n);
	if (iq_check(env, &fault) != GW_OK) {
		gw_metric_inc(&cscf_iq_metrics[IQ_M_BAD_MESSAGE]);
		GW_LOG_LIMITED(GW_LOG_WARN, "iq.bad_message",
			       "peer=%s msg=%s field=%s detail=\"%s\"", link->addr_text,
			       iq_msg_name(env), fault.field, fault.detail);
		iq_envelope_free(env);
		return true;
	}
	alive = on_envelope(link, env);
	iq_envelope_free(env);
	return alive;
}

static void on_read(struct bufferevent *bev, void *arg)
{
	struct cscf_iq_link *link = arg;
	struct evbuffer *in = bufferevent_get_input(bev);
	const uint8_t *payload;
	static uint8_t chunk[16384]; /* one loop; the reader keeps its own */
	size_t n;
	int got;

	link->last_rx_ms = iq_now_ms();
	while ((got = evbuffer_remove(in, chunk, sizeof(chunk))) > 0) {
		enum gw_err err = iq_frame_feed(link->reader, chunk, (size_t)got);

		while (err == GW_OK && (err = iq_frame_next(link->reader, &payload, &n)) == GW_OK)
			if (!on_frame(link, payload, n) || link->bev != bev)
				return;
		if (err != GW_OK && err != GW_ERR_AGAIN) {
			gw_metric_inc(&cscf_iq_metrics[IQ_M_BAD_MESSAGE]);
			iq_link_fail(link, gw_err_name(err));
			return;
		}
	}
}

static void on_dead(evutil_socket_t fd, short what, void *arg)
{
	struct cscf_iq_link *link = arg;

	(void)fd;
	(void)what;
	link->dead = true;
	GW_LOG(GW_LOG_ERROR, "iq.agw_lost", "peer=%s agw=%s contexts=%zu", link->addr_text,
	       link->agw_id, link->n_ctx);
	iq_on_link_dead(link);
}

/* The connection ended, or did not come about: what that says about the AGW. */
static void lost(struct cscf_iq_link *link, int error, const char *why)
{
	bool refused = link->state == IQ_LINK_CONNECTING && error == ECONNREFUSED;

	/* A process that ends closes its connections (FIN or RST); one that is cut off does not. */
	if (link->state == IQ_LINK_UP)
		link->closed = link->ended =
		    error != ETIMEDOUT && error != EHOSTUNREACH && error != ENETUNREACH;
	iq_link_fail(link, why);
	if (refused && link->ended && event_pending(link->dead_timer, EV_TIMEOUT, NULL)) {
		event_del(link->dead_timer);
		on_dead(-1, 0, link);
	}
}

/*
 * Why the connection ended, as errno; 0 when the other end closed it. libevent tells a TCP connect
 * that failed below TLS as an end of file, with errno still set: such a socket has no peer.
 */
static int error_of(struct bufferevent *bev, short what)
{
	int error = EVUTIL_SOCKET_ERROR();
	struct sockaddr_storage peer;
	socklen_t len = sizeof(peer);

	if ((what & BEV_EVENT_ERROR) != 0)
		return error;
	return getpeername(bufferevent_getfd(bev), (struct sockaddr *)&peer, &len) != 0 ? error : 0;
}

static void on_event(struct bufferevent *bev, short what, void *arg)
{
	struct cscf_iq_link *link = arg;
	int error = (what & BEV_EVENT_CONNECTED) == 0 ? error_of(bev, what) : 0;
	char buf[160];
	int one = 1;

	if ((what & BEV_EVENT_CONNECTED) != 0) {
		evutil_socket_t fd = bufferevent_getfd(bev);

		setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
		setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &one, sizeof(one));
		if (link->out != NULL)
			gw_outbox_connected(link->out);
		link->state = IQ_LINK_HELLO;
		link->last_rx_ms = iq_now_ms();
		arm(link->timer, IQ_HELLO_TIMEOUT_MS);
		if (iq_link_send_hello(link) != GW_OK)
			iq_link_fail(link, "cannot send Hello");
		return;
	}
	if (error != 0 && link->iq->tls == NULL)
		snprintf(buf, sizeof(buf), "%s", evutil_socket_error_to_string(error));
	else if (link->iq->tls != NULL)
		iq_tls_error(bev, buf, sizeof(buf));
	else
		snprintf(buf, sizeof(buf), "closed by the AGW");
	lost(link, error, buf);
}

/* For how long the AGW has been silent. While we were not let run nobody could be heard: a machine
 * that stood still must not move its calls. */
static uint64_t silence(struct cscf_iq_link *link)
{
	uint64_t now = iq_now_ms();

	if (now > link->beat_due_ms)
		link->last_rx_ms += now - link->beat_due_ms;
	if (link->last_rx_ms > now)
		link->last_rx_ms = now;
	return now - link->last_rx_ms;
}

/* Silence is noticed when it is three intervals long, not at the next beat after that. */
static void beat(struct cscf_iq_link *link)
{
	uint64_t silent = silence(link);
	uint64_t most = (uint64_t)IQ_HEARTBEAT_MISSED * link->beat_ms;

	if (silent >= most) {
		iq_link_fail(link, "heartbeats missing");
		return;
	}
	iq_link_send_heartbeat(link);
	arm_beat(link, most - silent < link->beat_ms ? most - silent : link->beat_ms);
}

static void on_timer(evutil_socket_t fd, short what, void *arg)
{
	struct cscf_iq_link *link = arg;

	(void)fd;
	(void)what;
	switch (link->state) {
	case IQ_LINK_BACKOFF:
		iq_link_start(link);
		break;
	case IQ_LINK_CONNECTING:
		iq_link_fail(link, "connect timed out");
		break;
	case IQ_LINK_HELLO:
		iq_link_fail(link, "no HelloAck");
		break;
	case IQ_LINK_UP:
		beat(link);
		break;
	case IQ_LINK_STATE_COUNT:
		break;
	}
}

void iq_link_start(struct cscf_iq_link *link)
{
	struct cscf_iq *iq = link->iq;

	/* While the AGW is reached by another address, do not push that connection out. */
	link->duplicate = iq_link_find_twin(link) != NULL;
	if (link->duplicate) {
		arm(link->timer, IQ_BACKOFF_MAX);
		return;
	}
	link->state = IQ_LINK_CONNECTING;
	arm(link->timer, IQ_CONNECT_TIMEOUT);
	link->bev = iq->tls != NULL ? iq_tls_bufferevent(iq->tls, iq->base)
				    : bufferevent_socket_new(iq->base, -1, BEV_OPT_CLOSE_ON_FREE);
	if (link->bev == NULL || iq_frame_reader_new(&link->reader) != GW_OK ||
	    (iq->tls == NULL && gw_outbox_new(&link->out, link->bev, NULL, NULL) != GW_OK)) {
		iq_link_fail(link, "no memory");
		return;
	}
	bufferevent_setcb(link->bev, on_read, NULL, on_event, link);
	bufferevent_enable(link->bev, EV_READ | EV_WRITE);
	/* A failure here is told by on_event as well. */
	if (bufferevent_socket_connect(link->bev, &link->addr.u.sa, (int)link->addr.len) != 0 &&
	    link->state == IQ_LINK_CONNECTING && link->bev != NULL)
		iq_link_fail(link, "cannot connect");
}

enum gw_err iq_link_new(struct cscf_iq_link **out, struct cscf_iq *iq, struct iq_source *source,
			const struct gw_addr *addr)
{
	struct cscf_iq_link *link = calloc(1, sizeof(*link));

	if (link == NULL)
		return GW_ERR_NOMEM;
	link->iq = iq;
	link->source = source;
	link->addr = *addr;
	link->wanted = true;
	gw_addr_str(addr, link->addr_text, sizeof(link->addr_text));
	link->timer = evtimer_new(iq->base, on_timer, link);
	link->dead_timer = evtimer_new(iq->base, on_dead, link);
	if (link->timer == NULL || link->dead_timer == NULL) {
		iq_link_free(link);
		return GW_ERR_NOMEM;
	}
	*out = link;
	return GW_OK;
}

void iq_link_free(struct cscf_iq_link *link)
{
	if (link == NULL)
		return;
	iq_leaving_stop(link);
	if (link->state == IQ_LINK_UP)
		gw_metric_dec(&cscf_iq_metrics[IQ_M_LINKS_UP]);
	if (link->timer != NULL) {
		close_connection(link);
		event_free(link->timer);
	}
	if (link->dead_timer != NULL)
		event_free(link->dead_timer);
	iq_audit_stop(link);
	free(link);
}
