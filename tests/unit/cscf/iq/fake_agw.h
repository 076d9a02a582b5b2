/* SPDX-License-Identifier: Apache-2.0 */
/*
 * An eIMS-AGW of the test's own on loopback: answers Hello, Reserve, Configure, Release and Audit
 * as told, and remembers what it was asked. One connection at a time.
 */
#ifndef TESTS_FAKE_AGW_H
#define TESTS_FAKE_AGW_H

#include "common/sockaddr.h"
#include "proto/frame.h"
#include "proto/iq_codec.h"

#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/bufferevent_ssl.h>
#include <event2/event.h>
#include <event2/listener.h>
#include <openssl/ssl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define FAKE_SEEN_MAX 256

struct fake_agw {
	struct event_base *base;
	struct evconnlistener *listener;
	struct bufferevent *bev;
	struct iq_frame_reader *reader;
	uint16_t port;
	const char *id;
	uint64_t boot;
	/* what it does */
	unsigned drop_requests;    /* leave that many requests unanswered */
	IqErrorCode reserve_error; /* OK = serve */
	IqErrorCode hello_error;
	uint32_t load_contexts;
	const char *audit_ctx; /* a context to list in an audit … */
	uint64_t audit_rev;    /* … and its revision */
	const char
	    *audit_more;  /* the context of a second page; NULL = there is none, "" = it is empty */
	bool hold_audits; /* answered by fake_audit_reply */
	bool hangs_up_on_reserve;
	uint32_t overload_level;
	SSL_CTX *tls; /* borrowed; NULL = plain TCP */
	uint64_t rev; /* of every context; 0 = not told */
	bool stub;    /* never answers anything */
	/* what it saw */
	unsigned hellos, reserves, configures, releases, audits, acks, heartbeats;
	uint64_t txn_seen[FAKE_SEEN_MAX];
	unsigned n_txn;
	uint64_t last_ack;
	char last_ctx[64], last_release[64];
	uint64_t held_audits[8], base_rev; /* base_rev of the last Configure */
	unsigned n_held;
	int phase;
	bool last_resume;
};

static void fake_send(struct fake_agw *a, IqEnvelope *env)
{
	uint8_t *frame;
	size_t n;

	if (a->bev != NULL && iq_pack_frame(env, &frame, &n) == GW_OK) {
		bufferevent_write(a->bev, frame, n);
		free(frame);
	}
	iq_envelope_free(env);
}

static IqStreamResult *fake_result(uint32_t stream_id, uint16_t port)
{
	IqStreamResult *r = iq_message_new(&wicgate__iq__v1__stream_result__descriptor);
	IqCandidate *c = iq_message_new(&wicgate__iq__v1__candidate__descriptor);
	IqFingerprint *f = iq_message_new(&wicgate__iq__v1__fingerprint__descriptor);
	bool ok = true;

	r->stream_id = stream_id;
	r->access = iq_message_new(&wicgate__iq__v1__access_local__descriptor);
	r->access->credentials = iq_message_new(&wicgate__iq__v1__ice_credentials__descriptor);
	r->core = iq_message_new(&wicgate__iq__v1__core_local__descriptor);
	r->core->rtp = iq_message_new(&wicgate__iq__v1__address__descriptor);
	c->address = iq_message_new(&wicgate__iq__v1__address__descriptor);
	c->component = 1;
	c->priority = 100;
	c->type = IQ_V(CANDIDATE__TYPE__HOST);
	c->address->port = port;
	r->core->rtp->port = port + 1000U;
	ok = ok && iq_str_set(&c->foundation, "1") == GW_OK;
	ok = ok && iq_str_set(&c->address->ip, "127.0.0.1") == GW_OK;
	ok = ok && iq_str_set(&r->core->rtp->ip, "127.0.0.1") == GW_OK;
	ok = ok && iq_str_set(&r->access->credentials->ufrag, "abcd") == GW_OK;
	ok = ok && iq_str_set(&r->access->credentials->pwd, "abcdefghijklmnopqrstuv") == GW_OK;
	ok = ok && iq_str_set(&f->hash, "sha-256") == GW_OK;
	ok =
	    ok && iq_str_set(&f->value, "00:01:02:03:04:05:06:07:08:09:0A:0B:0C:0D:0E:0F:"
					"00:01:02:03:04:05:06:07:08:09:0A:0B:0C:0D:0E:0F") == GW_OK;
	ok = ok && iq_list_add(&r->access->n_candidates, &r->access->candidates, c) == GW_OK;
	ok = ok && iq_list_add(&r->access->n_fingerprints, &r->access->fingerprints, f) == GW_OK;
	return ok ? r : NULL;
}

/* One page lists one context. */
static void fake_page(const struct fake_agw *a, const IqAuditRequest *audit, IqAuditReply *reply)
{
	bool second = audit->cursor[0] != '\0';
	const char *ctx_id = second ? a->audit_more : a->audit_ctx;
	IqContextInfo *info;

	if (!second && a->audit_more != NULL && iq_str_set(&reply->next_cursor, "1") != GW_OK)
		abort();
	if (ctx_id == NULL || ctx_id[0] == '\0')
		return;
	info = iq_message_new(&wicgate__iq__v1__context_info__descriptor);
	info->age_s = 3600;
	info->rev = a->audit_rev;
	if (iq_str_set(&info->ctx_id, ctx_id) != GW_OK ||
	    iq_list_add(&reply->n_contexts, &reply->contexts, info) != GW_OK)
		abort();
}

static void fake_answer(struct fake_agw *a, const IqEnvelope *req)
{
	struct iq_fault fault;
	IqEnvelope *rep;

	iq_fault_set(&fault, a->reserve_error, NULL, "told so");
	rep = iq_reply_new(req, req->body_case == IQ_BODY(RESERVE) &&
					a->reserve_error != IQ_V(ERROR_CODE__OK)
				    ? &fault
				    : NULL);
	if (a->rev != 0 && rep->body_case == IQ_BODY(RESERVE_REPLY))
		rep->reserve_reply->rev = a->rev;
	if (a->rev != 0 && rep->body_case == IQ_BODY(CONFIGURE_REPLY))
		rep->configure_reply->rev = ++a->rev;
	switch ((int)req->body_case) {
	case IQ_BODY(RESERVE):
		if (a->reserve_error != IQ_V(ERROR_CODE__OK))
			break;
		for (size_t i = 0; i < req->reserve->n_streams; i++)
			if (iq_list_add(&rep->reserve_reply->n_streams,
					&rep->reserve_reply->streams,
					fake_result(req->reserve->streams[i]->stream_id,
						    (uint16_t)(30000 + i * 2))) != GW_OK)
				abort();
		break;
	case IQ_BODY(RELEASE): {
		IqStreamStats *s = iq_message_new(&wicgate__iq__v1__stream_stats__descriptor);

		if (iq_list_add(&rep->release_reply->n_stats, &rep->release_reply->stats, s) !=
		    GW_OK)
			abort();
		break;
	}
	case IQ_BODY(AUDIT):
		fake_page(a, req->audit, rep->audit_reply);
		break;
	default:
		break;
	}
	fake_send(a, rep);
}

/* Answer the i-th audit that was held, with that context or none. */
static inline void fake_audit_reply(struct fake_agw *a, unsigned i, const char *ctx_id)
{
	IqEnvelope *req = iq_envelope_new(IQ_BODY(AUDIT), a->held_audits[i]);
	const char *before = a->audit_ctx;

	a->audit_ctx = ctx_id;
	fake_answer(a, req);
	a->audit_ctx = before;
	iq_envelope_free(req);
}

static void fake_hello(struct fake_agw *a, const IqHello *hello)
{
	IqEnvelope *ack = iq_envelope_new(IQ_BODY(HELLO_ACK), 0);
	struct iq_fault fault;

	a->hellos++;
	a->last_resume = hello->resume;
	ack->hello_ack->boot_id = a->boot;
	ack->hello_ack->version = IQ_VERSION;
	ack->hello_ack->state = iq_message_new(&wicgate__iq__v1__agw_state__descriptor);
	ack->hello_ack->state->state = IQ_V(AGW_STATE__STATE__IN_SERVICE);
	ack->hello_ack->state->load = iq_message_new(&wicgate__iq__v1__load__descriptor);
	ack->hello_ack->state->load->contexts = a->load_contexts;
	ack->hello_ack->state->load->overload_level = a->overload_level;
	ack->hello_ack->capabilities = iq_message_new(&wicgate__iq__v1__capabilities__descriptor);
	ack->hello_ack->capabilities->max_contexts = 1000;
	if (a->hello_error != IQ_V(ERROR_CODE__OK)) {
		iq_fault_set(&fault, a->hello_error, NULL, "told so");
		ack->hello_ack->error = iq_error_new(&fault);
	}
	if (iq_str_set(&ack->hello_ack->agw_id, a->id) == GW_OK)
		fake_send(a, ack);
}

static void fake_hang_up(struct fake_agw *a)
{
	if (a->bev != NULL)
		bufferevent_free(a->bev);
	a->bev = NULL;
	iq_frame_reader_free(a->reader);
	a->reader = NULL;
}

static void fake_take(struct fake_agw *a, const IqEnvelope *env)
{
	if (a->stub)
		return;
	switch ((int)env->body_case) {
	case IQ_BODY(HELLO):
		fake_hello(a, env->hello);
		return;
	case IQ_BODY(HEARTBEAT): {
		IqEnvelope *beat = iq_envelope_new(IQ_BODY(HEARTBEAT), 0);

		a->heartbeats++;
		beat->heartbeat->load = iq_message_new(&wicgate__iq__v1__load__descriptor);
		beat->heartbeat->load->contexts = a->load_contexts;
		beat->heartbeat->load->overload_level = a->overload_level;
		fake_send(a, beat);
		return;
	}
	case IQ_BODY(NOTIFICATION_ACK):
		a->acks++;
		a->last_ack = env->notification_ack->event_seq;
		return;
	case IQ_BODY(RESERVE):
		a->reserves++;
		snprintf(a->last_ctx, sizeof(a->last_ctx), "%s", env->reserve->ctx_id);
		if (a->hangs_up_on_reserve)
			fake_hang_up(a);
		break;
	case IQ_BODY(CONFIGURE):
		a->configures++;
		a->base_rev = env->configure->base_rev;
		a->phase = (int)env->configure->phase;
		break;
	case IQ_BODY(RELEASE):
		a->releases++;
		snprintf(a->last_release, sizeof(a->last_release), "%s", env->release->ctx_id);
		break;
	case IQ_BODY(AUDIT):
		a->audits++;
		if (a->hold_audits && a->n_held < 8)
			a->held_audits[a->n_held++] = env->txn_id;
		else
			fake_answer(a, env); /* never dropped: tests count the others */
		return;
	default:
		return;
	}
	if (a->n_txn < FAKE_SEEN_MAX)
		a->txn_seen[a->n_txn++] = env->txn_id;
	if (a->drop_requests > 0)
		a->drop_requests--;
	else
		fake_answer(a, env);
}

static void fake_read(struct bufferevent *bev, void *arg)
{
	struct fake_agw *a = arg;
	uint8_t buf[65536];
	const uint8_t *p;
	size_t n = bufferevent_read(bev, buf, sizeof(buf));

	if (iq_frame_feed(a->reader, buf, n) != GW_OK)
		return;
	while (a->reader != NULL && iq_frame_next(a->reader, &p, &n) == GW_OK) {
		IqEnvelope *env = NULL;

		if (iq_unpack(&env, p, n) != GW_OK)
			return;
		fake_take(a, env);
		iq_envelope_free(env);
	}
}

static void fake_event(struct bufferevent *bev, short what, void *arg)
{
	struct fake_agw *a = arg;

	(void)bev;
	if ((what & (BEV_EVENT_EOF | BEV_EVENT_ERROR)) != 0)
		fake_hang_up(a);
}

static void fake_accept(struct evconnlistener *l, evutil_socket_t fd, struct sockaddr *sa, int len,
			void *arg)
{
	struct fake_agw *a = arg;

	(void)l;
	(void)sa;
	(void)len;
	fake_hang_up(a);
	a->bev = a->tls == NULL ? bufferevent_socket_new(a->base, fd, BEV_OPT_CLOSE_ON_FREE)
				: bufferevent_openssl_socket_new(a->base, fd, SSL_new(a->tls),
								 BUFFEREVENT_SSL_ACCEPTING,
								 BEV_OPT_CLOSE_ON_FREE);
	if (iq_frame_reader_new(&a->reader) != GW_OK)
		abort();
	bufferevent_setcb(a->bev, fake_read, NULL, fake_event, a);
	bufferevent_enable(a->bev, EV_READ | EV_WRITE);
}

static void fake_agw_start(struct fake_agw *a, struct event_base *base, const char *id)
{
	struct gw_addr addr;
	struct sockaddr_in bound;
	socklen_t len = sizeof(bound);

	*a = (struct fake_agw){.base = base, .id = id, .boot = 77};
	if (gw_addr_parse(&addr, "127.0.0.1:0", 0) != GW_OK)
		abort();
	a->listener =
	    evconnlistener_new_bind(base, fake_accept, a, LEV_OPT_CLOSE_ON_FREE | LEV_OPT_REUSEABLE,
				    8, &addr.u.sa, (int)addr.len);
	if (a->listener == NULL ||
	    getsockname(evconnlistener_get_fd(a->listener), (struct sockaddr *)&bound, &len) != 0)
		abort();
	a->port = ntohs(bound.sin_port);
}

static void fake_agw_stop(struct fake_agw *a)
{
	fake_hang_up(a);
	if (a->listener != NULL)
		evconnlistener_free(a->listener);
	a->listener = NULL;
}

static inline void fake_notify(struct fake_agw *a, uint64_t seq, const char *ctx, IqEvent event)
{
	IqEnvelope *env = iq_envelope_new(IQ_BODY(NOTIFICATION), 0);

	env->notification->event_seq = seq;
	env->notification->event = event;
	if (iq_str_set(&env->notification->ctx_id, ctx) == GW_OK)
		fake_send(a, env);
}

#endif
