/* SPDX-License-Identifier: Apache-2.0 */
/* What the tests of agw/context share: a table over the fake worker and short calls on it. */
#ifndef TESTS_CONTEXT_FIXTURE_H
#define TESTS_CONTEXT_FIXTURE_H

#include "tests/unit/agw/context/fake_worker.h"

#include "tests/lib/req.h"

#include <event2/event.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#define EPOCH 42

struct fixture {
	struct event_base *base;
	struct agw_context_table *t;
	struct agw_ctx_result result;
	struct agw_ctx_fault fault;
	struct agw_ctx_stats stats;
	unsigned done;
	unsigned heartbeats;
	unsigned expired;
	unsigned events;
	enum agw_ctx_why why;
	gw_handle last;
};

static inline void on_event(void *arg, struct agw_context *ctx, const struct agw_stream_event *ev)
{
	struct fixture *f = arg;

	(void)ctx;
	(void)ev;
	f->events++;
}

static inline void on_heartbeat(void *arg, struct agw_context *ctx)
{
	struct fixture *f = arg;
	struct agw_ctx_view v;

	agw_context_view(ctx, &v);
	f->last = v.handle;
	f->heartbeats++;
}

static inline void on_expired(void *arg, struct agw_context *ctx, enum agw_ctx_why why)
{
	struct fixture *f = arg;

	(void)ctx;
	f->expired++;
	f->why = why;
}

static inline void on_lost(void *arg, uint64_t n)
{
	(void)arg;
	(void)n;
}

static const struct agw_context_cbs cbs = {on_event, on_heartbeat, on_expired, on_lost};

static inline struct fixture *start(const struct agw_context_cfg *cfg)
{
	struct fixture *f = calloc(1, sizeof(*f));

	assert_non_null(f);
	f->base = event_base_new();
	assert_non_null(f->base);
	assert_int_equal(agw_context_table_new(&f->t, f->base, cfg), GW_OK);
	agw_context_table_set_cbs(f->t, &cbs, f);
	fake_reset(agw_context_pool_cbs(), f->t);
	return f;
}

static const struct agw_context_cfg plain = {
    .max_contexts = 4,
    .reserve_ttl_ms = 60000,
    .prepare_ttl_ms = 60000,
    .rtcp_gates = true,
};

static inline int setup(void **state)
{
	*state = start(&plain);
	return 0;
}

static inline int teardown(void **state)
{
	struct fixture *f = *state;

	agw_context_table_free(f->t);
	event_base_free(f->base);
	free(f);
	assert_int_equal(fake.medias, 0);
	assert_int_equal(fake.living, 0);
	return 0;
}

static inline void turn(struct fixture *f)
{
	assert_true(event_base_loop(f->base, EVLOOP_NONBLOCK) >= 0);
}

static inline struct agw_ctx_patch patch(uint32_t id)
{
	struct agw_ctx_patch p;

	memset(&p, 0, sizeof(p));
	agw_stream_params_init(&p.p, id);
	p.request_hash = 1000 + id;
	return p;
}

static inline enum gw_err reserve_as(struct fixture *f, const char *controller, const char *ctx_id,
				     const struct agw_ctx_patch *streams, size_t n)
{
	const struct agw_ctx_reserve req = {
	    .name = {controller, EPOCH, ctx_id},
	    .call_id = "call",
	    .icid = "icid",
	    .streams = streams,
	    .n = n,
	};

	return agw_context_reserve(f->t, &req, &f->result, &f->fault);
}

static inline void reserve(struct fixture *f, const char *ctx_id, size_t n)
{
	struct agw_ctx_patch p[AGW_CTX_STREAMS_MAX];

	for (size_t i = 0; i < n; i++)
		p[i] = patch((uint32_t)i + 1);
	assert_int_equal(reserve_as(f, "e1", ctx_id, p, n), GW_OK);
}

static inline enum gw_err configure(struct fixture *f, enum agw_ctx_phase phase, uint64_t rev,
				    const struct agw_ctx_patch *streams, size_t n)
{
	const struct agw_ctx_configure req = {
	    .name = {"e1", EPOCH, "c1"},
	    .base_rev = rev,
	    .phase = phase,
	    .streams = streams,
	    .n = n,
	};

	return agw_context_configure(f->t, &req, &f->result, &f->fault);
}

static inline void on_done(void *arg, const struct agw_ctx_stats *stats)
{
	struct fixture *f = arg;

	f->done++;
	f->stats = *stats;
}

static inline enum gw_err release_as(struct fixture *f, const char *controller, const char *ctx_id,
				     const uint32_t *ids, size_t n)
{
	const struct agw_ctx_name name = {controller, EPOCH, ctx_id};

	return agw_context_release(f->t, &name, ids, n, on_done, f);
}

static inline const struct agw_stream_params *params(struct fixture *f, uint32_t id)
{
	const struct agw_ctx_name name = {"e1", EPOCH, "c1"};
	struct agw_ctx_stream_view v;
	const struct agw_context *ctx = agw_context_find(f->t, &name);

	assert_non_null(ctx);
	for (unsigned i = 0; agw_context_stream_view(ctx, i, &v); i++)
		if (v.id == id)
			return v.params;
	fail_msg("no stream %u", id);
	abort(); /* fail_msg does not return; gcc cannot know */
}

static inline const char *state_of(struct fixture *f)
{
	const struct agw_ctx_name name = {"e1", EPOCH, "c1"};
	const struct agw_context *ctx = agw_context_find(f->t, &name);
	struct agw_ctx_view v;

	if (ctx == NULL)
		return "gone";
	agw_context_view(ctx, &v);
	return v.state;
}

static inline struct gw_addr address(const char *ip, uint16_t port)
{
	struct gw_addr a;

	assert_int_equal(gw_addr_parse_ip(&a, ip, port), GW_OK);
	return a;
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

#endif
