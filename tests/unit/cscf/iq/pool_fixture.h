/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The controller's side of Iq with up to two AGWs of our own (fake_agw.h) on loopback: set up, what
 * came back, a context reserved and released. One program includes it once.
 */
#ifndef TESTS_POOL_FIXTURE_H
#define TESTS_POOL_FIXTURE_H

#include "tests/unit/cscf/iq/fake_agw.h"

#include "cscf/iq/iq_int.h"
#include "tests/lib/req.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#define N_AGW   2
#define WAIT_MS 5000

struct fixture {
	struct event_base *base;
	struct fake_agw agw[N_AGW];
	struct cscf_iq_config cfg;
	struct gw_conf_list list;
	char *items[N_AGW];
	char item_text[N_AGW][64];
	struct cscf_iq *iq;
	/* what came back */
	unsigned done, events, lost;
	enum gw_err err;
	IqErrorCode code;
	uint32_t tag;
	gw_handle call;
	size_t n_streams, n_stats;
	IqEvent event;
};

static inline void on_done(void *arg, gw_handle call, uint32_t tag, const struct cscf_iq_outcome *o)
{
	struct fixture *f = arg;

	f->done++;
	f->err = o->err;
	f->code = o->code;
	f->tag = tag;
	f->call = call;
	f->n_streams = o->n_streams;
	f->n_stats = o->n_stats;
}

static inline void on_event(void *arg, gw_handle call, const IqNotification *n)
{
	struct fixture *f = arg;

	f->events++;
	f->event = n->event;
	f->call = call;
}

static inline void on_lost(void *arg, gw_handle call, const char *why)
{
	struct fixture *f = arg;

	assert_non_null(why);
	f->lost++;
	f->call = call;
}

static inline void on_guard(evutil_socket_t fd, short what, void *arg)
{
	(void)fd;
	(void)what;
	*(bool *)arg = true;
}

/* Turn the loop until the condition holds; false when it does not within WAIT_MS. */
#define UNTIL(f, cond)                                                                             \
	do {                                                                                       \
		struct timeval tv_ = {WAIT_MS / 1000, 0};                                          \
		bool late_ = false;                                                                \
		struct event *guard_ = evtimer_new((f)->base, on_guard, &late_);                   \
		event_add(guard_, &tv_);                                                           \
		while (!(cond) && !late_)                                                          \
			event_base_loop((f)->base, EVLOOP_ONCE);                                   \
		event_free(guard_);                                                                \
		assert_true(cond);                                                                 \
	} while (0)

static inline int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));
	static const char *const ids[N_AGW] = {"agw-a", "agw-b"};

	f->base = event_base_new();
	for (size_t i = 0; i < N_AGW; i++) {
		fake_agw_start(&f->agw[i], f->base, ids[i]);
		snprintf(f->item_text[i], sizeof(f->item_text[i]), "127.0.0.1:%u", f->agw[i].port);
		f->items[i] = f->item_text[i];
	}
	f->list = (struct gw_conf_list){.item = f->items, .n = 1};
	f->cfg = (struct cscf_iq_config){.agw_list = &f->list,
					 .resolve_interval = 50,
					 .request_timeout = 100,
					 .heartbeat = 100,
					 .agw_dead = 400,
					 .max_contexts = 100,
					 .controller_id = "cscf-test",
					 .token = ""};
	*state = f;
	return 0;
}

static inline int teardown(void **state)
{
	struct fixture *f = *state;

	cscf_iq_free(f->iq);
	for (size_t i = 0; i < N_AGW; i++)
		fake_agw_stop(&f->agw[i]);
	event_base_free(f->base);
	free(f);
	return 0;
}

static inline void start(struct fixture *f, size_t n_agws)
{
	static const struct cscf_iq_cbs cbs = {.on_event = on_event, .on_context_lost = on_lost};
	char why[128];

	f->list.n = n_agws;
	assert_int_equal(cscf_iq_new(&f->iq, f->base, &f->cfg, why, sizeof(why)), GW_OK);
	cscf_iq_attach(f->iq, &cbs, f);
}

static inline void start_up(struct fixture *f, size_t n_agws)
{
	start(f, n_agws);
	for (size_t i = 0; i < n_agws; i++)
		UNTIL(f, f->agw[i].audits > 0); /* the first request on a link that is up */
}

/* @return what cscf_iq_reserve returned */
static inline enum gw_err try_reserve(struct fixture *f, gw_handle *ctx, gw_handle call,
				      uint32_t tag, bool priority)
{
	struct cscf_iq_ident ident = {.call_id = "c1", .icid = "i1", .priority = priority};
	IqStreamRequest req, *list[] = {&req};
	IqAccessTermination access;
	IqCoreTermination core;
	char realm_a[] = "access", realm_c[] = "core";
	enum gw_err err;

	wicgate__iq__v1__stream_request__init(&req);
	wicgate__iq__v1__access_termination__init(&access);
	wicgate__iq__v1__core_termination__init(&core);
	req.kind = IQ_V(MEDIA_KIND__AUDIO);
	access.realm = realm_a;
	core.realm = realm_c;
	req.access = &access;
	req.core = &core;
	*ctx = GW_HANDLE_NONE;
	err = cscf_iq_reserve(f->iq, ctx, call, tag, &ident, list, 1, on_done);
	assert_int_equal(f->done, 0); /* never from inside the call */
	return err;
}

static inline gw_handle reserve(struct fixture *f, gw_handle call, uint32_t tag)
{
	gw_handle ctx;

	assert_int_equal(try_reserve(f, &ctx, call, tag, false), GW_OK);
	return ctx;
}

static inline gw_handle reserved(struct fixture *f, gw_handle call)
{
	gw_handle ctx = reserve(f, call, 1);

	UNTIL(f, f->done == 1);
	assert_int_equal(f->err, GW_OK);
	f->done = 0;
	return ctx;
}

static inline void release(struct fixture *f, gw_handle ctx)
{
	assert_true(cscf_iq_release(f->iq, ctx, 9, "test", on_done));
	assert_int_equal(cscf_iq_context_count(f->iq), 0);
	UNTIL(f, f->done == 1);
}

#endif
