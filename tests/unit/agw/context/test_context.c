/* SPDX-License-Identifier: Apache-2.0 */
/* Contexts over a fake worker: reserving, releasing, owners, limits, timers, events. */
#include "agw/context/context_int.h"
#include "tests/unit/agw/context/context_fixture.h"

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

/* One search by the whole Call-ID or ICID finds the media's lines too. */
static void test_log_identity_is_whole(void **state)
{
	struct fixture *f = *state;
	struct agw_ctx_patch p = patch(1);
	char call_id[AGW_CTX_TEXT_MAX], icid[AGW_CTX_TEXT_MAX], ctx_id[AGW_CTX_NAME_MAX];
	const struct agw_ctx_reserve req = {
	    .name = {"e1", EPOCH, ctx_id}, .call_id = call_id, .icid = icid, .streams = &p, .n = 1};
	char want[AGW_LOG_ID_MAX];

	memset(call_id, 'c', sizeof(call_id));
	memset(icid, 'i', sizeof(icid));
	memset(ctx_id, 'x', sizeof(ctx_id));
	call_id[sizeof(call_id) - 1] = icid[sizeof(icid) - 1] = ctx_id[sizeof(ctx_id) - 1] = '\0';
	assert_int_equal(agw_context_reserve(f->t, &req, &f->result, &f->fault), GW_OK);
	snprintf(want, sizeof(want), "ctx=%s call_id=\"%s\" icid=\"%s\"", ctx_id, call_id, icid);
	assert_string_equal(fake.log_id, want);
	assert_int_equal(want[strlen(want) - 1], '"');
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

/* limits.contexts_per_controller: one cannot take what the others need. */
static void test_limit_of_contexts_of_one_controller(void **state)
{
	const struct agw_context_cfg cfg = {
	    .max_contexts = 4, .max_per_controller = 1, .reserve_ttl_ms = 60000};
	struct fixture *f = start(&cfg);
	struct agw_ctx_patch p = patch(1);

	(void)state;
	assert_int_equal(reserve_as(f, "e1", "a", &p, 1), GW_OK);
	assert_int_equal(reserve_as(f, "e1", "b", &p, 1), GW_ERR_LIMIT);
	assert_int_equal(f->fault.code, AGW_CTX_NO_CONTEXTS);
	assert_int_equal(reserve_as(f, "e2", "b", &p, 1), GW_OK);
	assert_int_equal(teardown((void *[]){f}), 0);
}

/* rtcp.early: false keeps RTCP back until media may pass. */
static void test_without_early_rtcp_its_gates_wait(void **state)
{
	const struct agw_context_cfg late = {.max_contexts = 4, .reserve_ttl_ms = 60000};
	const struct agw_context_cfg cfgs[] = {late, plain};

	(void)state;
	REQ("RTP-04");
	for (int early = 0; early < 2; early++) {
		struct fixture *f = start(&cfgs[early]);

		reserve(f, "a", 1);
		assert_int_equal(fake.last->params[0].rtcp_gate_up, early);
		assert_int_equal(fake.last->params[0].rtcp_gate_down, early);
		assert_int_equal(teardown((void *[]){f}), 0);
	}
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

/* The time to wait for them is over in the same turn of the loop in which the last one comes. */
static void test_streams_that_come_back_at_the_last_moment_end_the_context_once(void **state)
{
	struct fixture *f = *state;
	const struct agw_ctx_name name = {"e1", EPOCH, "c1"};
	struct agw_context *ctx;

	REQ("REL-01", "REL-17");
	reserve(f, "c1", 1);
	ctx = agw_context_find(f->t, &name);
	assert_non_null(ctx);
	assert_int_equal(release_as(f, "e1", "c1", NULL, 0), GW_OK);
	event_active(ctx->fsm.timer, EV_TIMEOUT, 1);
	fake_give_back();
	assert_int_equal(f->done, 1);
	assert_int_equal(agw_context_releasing(f->t), 0);
	turn(f);
	assert_int_equal(f->done, 1);
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

int main(void)
{
	const struct CMUnitTest tests[] = {
	    T(test_reserve_gives_every_stream_its_addresses),
	    T(test_log_identity_is_whole),
	    T(test_same_reserve_again_answers_the_same),
	    T(test_reserve_with_other_content_is_refused),
	    T(test_reserve_adds_streams_to_a_context),
	    T(test_failed_reserve_leaves_nothing),
	    T(test_limit_of_contexts),
	    cmocka_unit_test(test_limit_of_contexts_of_one_controller),
	    cmocka_unit_test(test_without_early_rtcp_its_gates_wait),
	    T(test_limit_of_streams),
	    T(test_release_brings_the_counters),
	    T(test_streams_that_come_back_at_the_last_moment_end_the_context_once),
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
