/* SPDX-License-Identifier: Apache-2.0 */
/* Contexts over a fake worker: each request in each state, failures, who may do what. */
#include "tests/unit/agw/context/fake_worker.h"

#include "tests/lib/req.h"

#include <event2/event.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

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

static void on_event(void *arg, struct agw_context *ctx, const struct agw_stream_event *ev)
{
	struct fixture *f = arg;

	(void)ctx;
	(void)ev;
	f->events++;
}

static void on_heartbeat(void *arg, struct agw_context *ctx)
{
	struct fixture *f = arg;
	struct agw_ctx_view v;

	agw_context_view(ctx, &v);
	f->last = v.handle;
	f->heartbeats++;
}

static void on_expired(void *arg, struct agw_context *ctx, enum agw_ctx_why why)
{
	struct fixture *f = arg;

	(void)ctx;
	f->expired++;
	f->why = why;
}

static void on_lost(void *arg, uint64_t n)
{
	(void)arg;
	(void)n;
}

static const struct agw_context_cbs cbs = {on_event, on_heartbeat, on_expired, on_lost};

static struct fixture *start(const struct agw_context_cfg *cfg)
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

static int setup(void **state)
{
	*state = start(&plain);
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	agw_context_table_free(f->t);
	event_base_free(f->base);
	free(f);
	assert_int_equal(fake.medias, 0);
	assert_int_equal(fake.living, 0);
	return 0;
}

static void turn(struct fixture *f)
{
	assert_true(event_base_loop(f->base, EVLOOP_NONBLOCK) >= 0);
}

static struct agw_ctx_patch patch(uint32_t id)
{
	struct agw_ctx_patch p;

	memset(&p, 0, sizeof(p));
	agw_stream_params_init(&p.p, id);
	p.request_hash = 1000 + id;
	return p;
}

static enum gw_err reserve_as(struct fixture *f, const char *controller, const char *ctx_id,
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

static void reserve(struct fixture *f, const char *ctx_id, size_t n)
{
	struct agw_ctx_patch p[AGW_CTX_STREAMS_MAX];

	for (size_t i = 0; i < n; i++)
		p[i] = patch((uint32_t)i + 1);
	assert_int_equal(reserve_as(f, "e1", ctx_id, p, n), GW_OK);
}

static enum gw_err configure(struct fixture *f, enum agw_ctx_phase phase, uint64_t rev,
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

static void on_done(void *arg, const struct agw_ctx_stats *stats)
{
	struct fixture *f = arg;

	f->done++;
	f->stats = *stats;
}

static enum gw_err release_as(struct fixture *f, const char *controller, const char *ctx_id,
			      const uint32_t *ids, size_t n)
{
	const struct agw_ctx_name name = {controller, EPOCH, ctx_id};

	return agw_context_release(f->t, &name, ids, n, on_done, f);
}

static const struct agw_stream_params *params(struct fixture *f, uint32_t id)
{
	const struct agw_ctx_name name = {"e1", EPOCH, "c1"};
	struct agw_ctx_stream_view v;
	const struct agw_context *ctx = agw_context_find(f->t, &name);

	assert_non_null(ctx);
	for (unsigned i = 0; agw_context_stream_view(ctx, i, &v); i++)
		if (v.id == id)
			return v.params;
	fail_msg("no stream %u", id);
	return NULL;
}

static const char *state_of(struct fixture *f)
{
	const struct agw_ctx_name name = {"e1", EPOCH, "c1"};
	const struct agw_context *ctx = agw_context_find(f->t, &name);
	struct agw_ctx_view v;

	if (ctx == NULL)
		return "gone";
	agw_context_view(ctx, &v);
	return v.state;
}

static struct gw_addr address(const char *ip, uint16_t port)
{
	struct gw_addr a;

	assert_int_equal(gw_addr_parse_ip(&a, ip, port), GW_OK);
	return a;
}

/* ---- reserve --------------------------------------------------------------------------------- */

static void test_reserve_gives_every_stream_its_addresses(void **state)
{
	struct fixture *f = *state;

	REQ("IQ-03");
	reserve(f, "c1", 2);
	assert_int_equal(f->result.n, 2);
	assert_int_equal(f->result.rev, 1);
	assert_int_equal(f->result.locals[1].id, 2);
	assert_string_equal(state_of(f), "RESERVED");
	assert_false(params(f, 1)->gate_up || params(f, 1)->gate_down);
	assert_true(params(f, 1)->rtcp_gate_up && params(f, 1)->rtcp_gate_down);
}

static void test_same_reserve_again_answers_the_same(void **state)
{
	struct fixture *f = *state;
	uint16_t port;

	REQ("IQ-08");
	reserve(f, "c1", 1);
	port = gw_addr_port(&f->result.locals[0].core_rtp);
	reserve(f, "c1", 1);
	assert_int_equal(gw_addr_port(&f->result.locals[0].core_rtp), port);
	assert_int_equal(f->result.rev, 1);
	assert_int_equal(fake.adds, 1);
	assert_int_equal(agw_context_count(f->t, NULL, 0), 1);
}

static void test_reserve_with_other_content_is_refused(void **state)
{
	struct fixture *f = *state;
	struct agw_ctx_patch p = patch(1);

	REQ("IQ-08");
	reserve(f, "c1", 1);
	p.request_hash++;
	assert_int_equal(reserve_as(f, "e1", "c1", &p, 1), GW_ERR_EXISTS);
	assert_int_equal(f->fault.code, AGW_CTX_DIFFERENT);
	assert_int_equal(fake.living, 1);
}

static void test_reserve_adds_streams_to_a_context(void **state)
{
	struct fixture *f = *state;
	struct agw_ctx_patch p = patch(7);

	reserve(f, "c1", 1);
	assert_int_equal(reserve_as(f, "e1", "c1", &p, 1), GW_OK);
	assert_int_equal(f->result.n, 1);
	assert_int_equal(f->result.rev, 2);
	assert_int_equal(fake.living, 2);
}

static void test_failed_reserve_leaves_nothing(void **state)
{
	static const struct {
		enum gw_err err;
		const char *field;
		enum agw_ctx_code code;
	} cases[] = {
	    {GW_ERR_LIMIT, "access.realm", AGW_CTX_NO_PORTS},
	    {GW_ERR_NOT_FOUND, "core.realm", AGW_CTX_UNKNOWN_REALM},
	    {GW_ERR_UNSUPPORTED, "access.families", AGW_CTX_FAMILY},
	    {GW_ERR_UNSUPPORTED, "core.rtcp", AGW_CTX_UNSUPPORTED},
	    {GW_ERR_BUSY, NULL, AGW_CTX_BUSY},
	    {GW_ERR_NOMEM, NULL, AGW_CTX_BUSY},
	    {GW_ERR_IO, NULL, AGW_CTX_INTERNAL},
	};
	struct fixture *f = *state;

	REQ("IQ-09", "RTP-21");
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct agw_ctx_patch p = patch(1);

		fake.fail_add = cases[i].err;
		fake.field = cases[i].field;
		assert_int_equal(reserve_as(f, "e1", "c1", &p, 1), cases[i].err);
		assert_int_equal(f->fault.code, cases[i].code);
		assert_int_equal(agw_context_count(f->t, NULL, 0), 0);
		assert_int_equal(fake.medias, 0);
	}
}

static void test_limit_of_contexts(void **state)
{
	struct fixture *f = *state;
	struct agw_ctx_patch p = patch(1);

	reserve(f, "a", 1);
	reserve(f, "b", 1);
	reserve(f, "c", 1);
	reserve(f, "d", 1);
	assert_int_equal(reserve_as(f, "e1", "e", &p, 1), GW_ERR_LIMIT);
	assert_int_equal(f->fault.code, AGW_CTX_NO_CONTEXTS);
	/* one that is going still counts until its streams are back */
	assert_int_equal(release_as(f, "e1", "a", NULL, 0), GW_OK);
	assert_int_equal(reserve_as(f, "e1", "e", &p, 1), GW_ERR_LIMIT);
	fake_give_back();
	turn(f);
	assert_int_equal(reserve_as(f, "e1", "e", &p, 1), GW_OK);
}

static void test_limit_of_streams(void **state)
{
	struct fixture *f = *state;
	struct agw_ctx_patch p = patch(99);

	reserve(f, "c1", AGW_CTX_STREAMS_MAX);
	assert_int_equal(reserve_as(f, "e1", "c1", &p, 1), GW_ERR_LIMIT);
	assert_int_equal(f->fault.code, AGW_CTX_NO_STREAMS);
	assert_int_equal(fake.living, AGW_CTX_STREAMS_MAX);
}

/* ---- configure ------------------------------------------------------------------------------- */

static void test_configure_changes_what_it_names_and_no_more(void **state)
{
	struct fixture *f = *state;
	struct agw_ctx_patch p = patch(1);

	REQ("IQ-02", "IQ-06");
	reserve(f, "c1", 1);
	p.set = AGW_SET_ICE | AGW_SET_DTLS;
	snprintf(p.p.access.remote_ufrag, sizeof(p.p.access.remote_ufrag), "uuuu");
	snprintf(p.p.access.remote_pwd, sizeof(p.p.access.remote_pwd), "pppppppppppppppppppppp");
	p.p.access.dtls_role = AGW_DTLS_ROLE_CLIENT;
	assert_int_equal(configure(f, AGW_CTX_COMMIT_NOW, 1, &p, 1), GW_OK);
	assert_int_equal(f->result.rev, 2);
	assert_int_equal(f->result.n, 0);
	assert_string_equal(state_of(f), "ACTIVE");
	assert_false(params(f, 1)->access.answered);

	p = patch(1);
	p.set = AGW_SET_GATE;
	p.p.gate_up = true;
	assert_int_equal(configure(f, AGW_CTX_COMMIT_NOW, 2, &p, 1), GW_OK);
	assert_true(params(f, 1)->gate_up);
	assert_false(params(f, 1)->gate_down);
	assert_string_equal(params(f, 1)->access.remote_ufrag, "uuuu");
	assert_int_equal(params(f, 1)->access.dtls_role, AGW_DTLS_ROLE_CLIENT);
}

static void test_ice_timer_starts_when_both_ends_are_known(void **state)
{
	struct fixture *f = *state;
	struct agw_ctx_patch p = patch(1);

	REQ("ICE-25");
	p.set = AGW_SET_ICE;
	snprintf(p.p.access.remote_ufrag, sizeof(p.p.access.remote_ufrag), "uuuu");
	assert_int_equal(reserve_as(f, "e1", "c1", &p, 1), GW_OK);
	assert_false(params(f, 1)->access.answered);
	p = patch(1);
	p.n_remotes = 1;
	p.remotes[0].rtp = address("192.0.2.1", 4000);
	p.remotes[0].active = true;
	assert_int_equal(configure(f, AGW_CTX_COMMIT_NOW, 0, &p, 1), GW_OK);
	assert_true(params(f, 1)->access.answered);
}

static void test_stale_revision_is_refused(void **state)
{
	struct fixture *f = *state;
	struct agw_ctx_patch p = patch(1);

	reserve(f, "c1", 1);
	assert_int_equal(configure(f, AGW_CTX_COMMIT_NOW, 9, &p, 1), GW_ERR_STATE);
	assert_int_equal(f->fault.code, AGW_CTX_REV);
	assert_int_equal(f->result.rev, 1);
	assert_int_equal(fake.applies, 0);
}

static void test_one_bad_stream_changes_none(void **state)
{
	struct fixture *f = *state;
	struct agw_ctx_patch p[2] = {patch(1), patch(5)};

	REQ("IQ-09");
	reserve(f, "c1", 2);
	p[0].set = AGW_SET_GATE;
	p[0].p.gate_up = true;
	assert_int_equal(configure(f, AGW_CTX_COMMIT_NOW, 0, p, 2), GW_ERR_NOT_FOUND);
	assert_int_equal(f->fault.code, AGW_CTX_UNKNOWN_STREAM);
	assert_string_equal(f->fault.field, "streams[1].stream_id");
	assert_false(params(f, 1)->gate_up);
	assert_int_equal(fake.applies, 0);

	p[1] = patch(2);
	fake.fail_apply = GW_ERR_BUSY;
	assert_int_equal(configure(f, AGW_CTX_COMMIT_NOW, 0, p, 2), GW_ERR_BUSY);
	assert_false(params(f, 1)->gate_up);
	assert_string_equal(state_of(f), "RESERVED");
}

static void test_changed_remote_credentials_restart_ice(void **state)
{
	struct fixture *f = *state;
	struct agw_ctx_patch p = patch(1);

	REQ("ICE-17");
	p.set = AGW_SET_ICE;
	snprintf(p.p.access.remote_ufrag, sizeof(p.p.access.remote_ufrag), "uuuu");
	assert_int_equal(reserve_as(f, "e1", "c1", &p, 1), GW_OK);
	assert_int_equal(configure(f, AGW_CTX_COMMIT_NOW, 0, &p, 1), GW_OK);
	assert_int_equal(fake.restarts, 0);
	snprintf(p.p.access.remote_ufrag, sizeof(p.p.access.remote_ufrag), "vvvv");
	assert_int_equal(configure(f, AGW_CTX_COMMIT_NOW, 0, &p, 1), GW_OK);
	assert_int_equal(fake.restarts, 1);
	assert_int_equal(f->result.n, 1);
	assert_int_equal(f->result.locals[0].ice_generation, 1);
}

static void test_branches_come_and_go(void **state)
{
	struct fixture *f = *state;
	struct agw_ctx_patch p = patch(1);

	REQ("RTP-06", "DTLS-27");
	reserve(f, "c1", 1);
	p.n_remotes = 2;
	snprintf(p.remotes[0].branch, sizeof(p.remotes[0].branch), "one");
	p.remotes[0].rtp = address("192.0.2.1", 4000);
	p.remotes[0].active = true;
	snprintf(p.remotes[1].branch, sizeof(p.remotes[1].branch), "two");
	p.remotes[1].rtp = address("192.0.2.2", 5000);
	assert_int_equal(configure(f, AGW_CTX_COMMIT_NOW, 0, &p, 1), GW_OK);
	assert_int_equal(params(f, 1)->core.active, 0);

	p = patch(1);
	p.n_remotes = 2;
	snprintf(p.remotes[0].branch, sizeof(p.remotes[0].branch), "one");
	p.remotes[0].drop = true;
	snprintf(p.remotes[1].branch, sizeof(p.remotes[1].branch), "two");
	p.remotes[1].rtp = address("192.0.2.2", 5002);
	p.remotes[1].active = true;
	assert_int_equal(configure(f, AGW_CTX_COMMIT_NOW, 0, &p, 1), GW_OK);
	assert_int_equal(params(f, 1)->core.active, 1);
	assert_int_equal(gw_addr_port(&params(f, 1)->core.branches[1].rtp), 5002);
	assert_int_equal(params(f, 1)->core.branches[0].rtp.len, 0);
}

static void test_too_many_branches(void **state)
{
	struct fixture *f = *state;
	struct agw_ctx_patch p = patch(1);

	reserve(f, "c1", 1);
	for (int i = 0; i < AGW_BRANCH_MAX; i++) {
		p.n_remotes = 1;
		snprintf(p.remotes[0].branch, sizeof(p.remotes[0].branch), "b%d", i);
		p.remotes[0].rtp = address("192.0.2.1", (uint16_t)(4000 + 2 * i));
		assert_int_equal(configure(f, AGW_CTX_COMMIT_NOW, 0, &p, 1), GW_OK);
	}
	snprintf(p.remotes[0].branch, sizeof(p.remotes[0].branch), "more");
	assert_int_equal(configure(f, AGW_CTX_COMMIT_NOW, 0, &p, 1), GW_ERR_LIMIT);
	assert_string_equal(f->fault.field, "streams[0].core.remotes");
}

/* ---- prepare --------------------------------------------------------------------------------- */

static void test_prepared_changes_wait_for_commit(void **state)
{
	struct fixture *f = *state;
	struct agw_ctx_patch p = patch(1);

	reserve(f, "c1", 1);
	assert_int_equal(configure(f, AGW_CTX_COMMIT_NOW, 0, &p, 1), GW_OK);
	p.set = AGW_SET_GATE;
	p.p.gate_down = true;
	assert_int_equal(configure(f, AGW_CTX_PREPARE, 0, &p, 1), GW_OK);
	assert_string_equal(state_of(f), "PREPARED");
	assert_false(params(f, 1)->gate_down);
	assert_int_equal(configure(f, AGW_CTX_COMMIT, 0, NULL, 0), GW_OK);
	assert_string_equal(state_of(f), "ACTIVE");
	assert_true(params(f, 1)->gate_down);
	assert_int_equal(configure(f, AGW_CTX_COMMIT, 0, NULL, 0), GW_ERR_STATE);
	assert_int_equal(f->fault.code, AGW_CTX_STATE);
}

static void test_rollback_forgets_and_goes_back(void **state)
{
	struct fixture *f = *state;
	struct agw_ctx_patch p = patch(1);

	reserve(f, "c1", 1);
	p.set = AGW_SET_GATE;
	p.p.gate_up = true;
	assert_int_equal(configure(f, AGW_CTX_PREPARE, 0, &p, 1), GW_OK);
	assert_int_equal(configure(f, AGW_CTX_ROLLBACK, 0, NULL, 0), GW_OK);
	assert_string_equal(state_of(f), "RESERVED");
	assert_false(params(f, 1)->gate_up);
	assert_int_equal(configure(f, AGW_CTX_ROLLBACK, 0, NULL, 0), GW_OK);
}

static void test_prepare_gives_new_ice_credentials_at_once(void **state)
{
	struct fixture *f = *state;
	struct agw_ctx_patch p = patch(1);

	REQ("ICE-17");
	reserve(f, "c1", 1);
	p.ice_restart = true;
	assert_int_equal(configure(f, AGW_CTX_PREPARE, 0, &p, 1), GW_OK);
	assert_int_equal(f->result.n, 1);
	assert_int_equal(fake.restarts, 1);
	assert_int_equal(configure(f, AGW_CTX_COMMIT, 0, NULL, 0), GW_OK);
	assert_int_equal(fake.restarts, 1);
}

static void test_bad_prepare_keeps_the_old_state(void **state)
{
	struct fixture *f = *state;
	struct agw_ctx_patch p = patch(8);

	reserve(f, "c1", 1);
	assert_int_equal(configure(f, AGW_CTX_PREPARE, 0, &p, 1), GW_ERR_NOT_FOUND);
	assert_string_equal(state_of(f), "RESERVED");
}

/* ---- release --------------------------------------------------------------------------------- */

static void test_release_brings_the_counters(void **state)
{
	struct fixture *f = *state;

	REQ("RTP-26", "REL-17");
	reserve(f, "c1", 2);
	assert_int_equal(release_as(f, "e1", "c1", NULL, 0), GW_OK);
	assert_string_equal(state_of(f), "gone");
	assert_int_equal(f->done, 0);
	assert_int_equal(agw_context_releasing(f->t), 1);
	assert_int_equal(release_as(f, "e1", "c1", NULL, 0), GW_ERR_NOT_FOUND);
	fake_give_back();
	assert_int_equal(f->done, 1);
	assert_int_equal(f->stats.n, 2);
	assert_true(f->stats.known[0] && f->stats.known[1]);
	assert_true(f->stats.stats[0].up.rtp_packets == 101);
	turn(f);
	assert_int_equal(agw_context_releasing(f->t), 0);
	assert_int_equal(fake.medias, 0);
}

static void test_release_of_one_stream_leaves_the_others(void **state)
{
	const uint32_t id = 2;
	struct fixture *f = *state;
	struct agw_ctx_patch p = patch(2);

	REQ("REL-20");
	reserve(f, "c1", 3);
	assert_int_equal(release_as(f, "e1", "c1", &id, 1), GW_OK);
	fake_give_back();
	assert_int_equal(f->done, 1);
	assert_int_equal(f->stats.n, 1);
	assert_int_equal(f->stats.id[0], 2);
	assert_int_equal(fake.living, 2);
	/* its number is free again */
	p.request_hash = 5;
	assert_int_equal(reserve_as(f, "e1", "c1", &p, 1), GW_OK);
	/* a stream nobody knows is not an error */
	assert_int_equal(release_as(f, "e1", "c1", (const uint32_t[]){77}, 1), GW_OK);
	assert_int_equal(f->done, 2);
	assert_int_equal(f->stats.n, 0);
}

static void test_name_is_free_while_the_old_one_goes(void **state)
{
	struct fixture *f = *state;

	reserve(f, "c1", 1);
	assert_int_equal(release_as(f, "e1", "c1", NULL, 0), GW_OK);
	reserve(f, "c1", 1);
	assert_int_equal(f->result.rev, 1);
	fake_give_back();
	turn(f);
	assert_int_equal(f->done, 1);
	assert_string_equal(state_of(f), "RESERVED");
}

static void test_tear_down_with_releases_under_way_calls_done(void **state)
{
	struct fixture *f = *state;

	reserve(f, "c1", 1);
	assert_int_equal(release_as(f, "e1", "c1", NULL, 0), GW_OK);
	agw_context_table_free(f->t);
	assert_int_equal(f->done, 1);
	assert_int_equal(f->stats.n, 0);
	assert_int_equal(agw_context_table_new(&f->t, f->base, &plain), GW_OK);
}

/* ---- owners ---------------------------------------------------------------------------------- */

static void test_another_controller_sees_and_changes_nothing(void **state)
{
	const struct agw_ctx_configure other = {.name = {"e2", EPOCH, "c1"}};
	const struct agw_ctx_configure unknown = {.name = {"e2", EPOCH, "nothing"}};
	struct fixture *f = *state;

	REQ("IQ-01");
	reserve(f, "c1", 1);
	assert_int_equal(agw_context_configure(f->t, &other, &f->result, &f->fault), GW_ERR_DENIED);
	assert_int_equal(f->fault.code, AGW_CTX_NOT_OWNER);
	assert_int_equal(agw_context_configure(f->t, &unknown, &f->result, &f->fault),
			 GW_ERR_NOT_FOUND);
	assert_int_equal(release_as(f, "e2", "c1", NULL, 0), GW_ERR_DENIED);
	assert_int_equal(f->done, 0);
	assert_null(agw_context_seek(f->t, "e2", 0));
	assert_int_equal(agw_context_count(f->t, "e2", 0), 0);
}

static void test_two_controllers_may_use_one_name(void **state)
{
	struct fixture *f = *state;
	struct agw_ctx_patch p = patch(1);

	REQ("IQ-01");
	reserve(f, "c1", 1);
	assert_int_equal(reserve_as(f, "e2", "c1", &p, 1), GW_OK);
	assert_int_equal(release_as(f, "e2", "c1", NULL, 0), GW_OK);
	assert_string_equal(state_of(f), "RESERVED");
}

static void test_release_all_keeps_other_controllers_and_the_new_epoch(void **state)
{
	struct fixture *f = *state;
	struct agw_ctx_patch p = patch(1);

	REQ("REL-13");
	reserve(f, "c1", 1);
	assert_int_equal(reserve_as(f, "e2", "c2", &p, 1), GW_OK);
	assert_int_equal(agw_context_release_all(f->t, "e1", EPOCH, AGW_WHY_EPOCH), 0);
	assert_int_equal(agw_context_release_all(f->t, "e1", EPOCH + 1, AGW_WHY_EPOCH), 1);
	assert_int_equal(agw_context_count(f->t, "e2", EPOCH), 1);
	assert_int_equal(f->expired, 0);
}

/* ---- time and events ------------------------------------------------------------------------- */

static void run_until(struct fixture *f, const unsigned *count, unsigned want)
{
	const struct timeval limit = {.tv_sec = 10};

	assert_int_equal(event_base_loopexit(f->base, &limit), 0);
	while (*count < want && !event_base_got_exit(f->base))
		assert_true(event_base_loop(f->base, EVLOOP_ONCE) >= 0);
	assert_true(*count >= want);
}

static void test_reserved_and_never_configured_is_reaped(void **state)
{
	const struct agw_context_cfg cfg = {.max_contexts = 4, .reserve_ttl_ms = 20};
	struct fixture *f = start(&cfg);

	(void)state;
	reserve(f, "c1", 1);
	run_until(f, &f->expired, 1);
	assert_int_equal(f->why, AGW_WHY_TTL);
	assert_string_equal(state_of(f), "gone");
	fake_give_back();
	turn(f);
	(void)teardown((void **)&f);
}

static void test_prepared_change_is_forgotten_in_time(void **state)
{
	const struct agw_context_cfg cfg = {
	    .max_contexts = 4, .reserve_ttl_ms = 60000, .prepare_ttl_ms = 20};
	struct fixture *f = start(&cfg);
	struct agw_ctx_patch p = patch(1);

	(void)state;
	reserve(f, "c1", 1);
	assert_int_equal(configure(f, AGW_CTX_COMMIT_NOW, 0, &p, 1), GW_OK);
	assert_int_equal(configure(f, AGW_CTX_PREPARE, 0, &p, 1), GW_OK);
	assert_true(event_base_loop(f->base, EVLOOP_ONCE) >= 0);
	assert_string_equal(state_of(f), "ACTIVE");
	(void)teardown((void **)&f);
}

static void test_context_nobody_acknowledges_is_freed(void **state)
{
	const struct agw_context_cfg cfg = {.max_contexts = 4, .heartbeat_ms = 1};
	struct fixture *f = start(&cfg);

	(void)state;
	REQ("IQ-13");
	reserve(f, "c1", 1);
	run_until(f, &f->heartbeats, 2);
	agw_context_heartbeat_acked(f->t, f->last); /* known after all: three more chances */
	run_until(f, &f->heartbeats, 5);
	assert_int_equal(f->expired, 0);
	run_until(f, &f->expired, 1);
	assert_int_equal(f->why, AGW_WHY_HEARTBEAT);
	fake_give_back();
	turn(f);
	(void)teardown((void **)&f);
}

static void test_events_reach_the_owner_and_late_ones_nobody(void **state)
{
	const struct agw_stream_event ev = {.stream_id = 1, .kind = AGW_EV_ICE_CONNECTED};
	const struct agw_ctx_name name = {"e1", EPOCH, "c1"};
	struct fixture *f = *state;
	struct agw_ctx_stream_view sv;
	struct agw_ctx_view v;

	REQ("REL-17");
	reserve(f, "c1", 1);
	agw_context_view(agw_context_find(f->t, &name), &v);
	fake.cbs->on_event(fake.arg, v.handle, &ev);
	assert_int_equal(f->events, 1);
	assert_true(agw_context_stream_view(agw_context_find(f->t, &name), 0, &sv));
	assert_string_equal(sv.ice_state, "connected");
	assert_int_equal(release_as(f, "e1", "c1", NULL, 0), GW_OK);
	fake.cbs->on_event(fake.arg, v.handle, &ev);
	fake_give_back();
	turn(f);
	fake.cbs->on_event(fake.arg, v.handle, &ev);
	assert_int_equal(f->events, 1);
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
	    T(test_reserve_gives_every_stream_its_addresses),
	    T(test_same_reserve_again_answers_the_same),
	    T(test_reserve_with_other_content_is_refused),
	    T(test_reserve_adds_streams_to_a_context),
	    T(test_failed_reserve_leaves_nothing),
	    T(test_limit_of_contexts),
	    T(test_limit_of_streams),
	    T(test_configure_changes_what_it_names_and_no_more),
	    T(test_ice_timer_starts_when_both_ends_are_known),
	    T(test_stale_revision_is_refused),
	    T(test_one_bad_stream_changes_none),
	    T(test_changed_remote_credentials_restart_ice),
	    T(test_branches_come_and_go),
	    T(test_too_many_branches),
	    T(test_prepared_changes_wait_for_commit),
	    T(test_rollback_forgets_and_goes_back),
	    T(test_prepare_gives_new_ice_credentials_at_once),
	    T(test_bad_prepare_keeps_the_old_state),
	    T(test_release_brings_the_counters),
	    T(test_release_of_one_stream_leaves_the_others),
	    T(test_name_is_free_while_the_old_one_goes),
	    T(test_tear_down_with_releases_under_way_calls_done),
	    T(test_another_controller_sees_and_changes_nothing),
	    T(test_two_controllers_may_use_one_name),
	    T(test_release_all_keeps_other_controllers_and_the_new_epoch),
	    T(test_events_reach_the_owner_and_late_ones_nobody),
	    cmocka_unit_test(test_reserved_and_never_configured_is_reaped),
	    cmocka_unit_test(test_prepared_change_is_forgotten_in_time),
	    cmocka_unit_test(test_context_nobody_acknowledges_is_freed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
