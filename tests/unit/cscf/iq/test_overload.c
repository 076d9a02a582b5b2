/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What an AGW says of its load, and what that does to the choice (IQ-16); the time that a Reserve
 * has for all AGWs together, and one whose AGW hangs up on it (IQ-23).
 */
#include "tests/unit/cscf/iq/pool_fixture.h"

/* Reserve and release ten times; how many of them at the second AGW? */
static unsigned of_ten_at_b(struct fixture *f)
{
	unsigned at_b = 0;

	for (unsigned i = 0; i < 10; i++) {
		gw_handle ctx = reserved(f, i + 1);

		at_b += strcmp(cscf_iq_ctx_agw(f->iq, ctx), "agw-b") == 0;
		release(f, ctx);
		f->done = 0;
	}
	return at_b;
}

/* Both AGWs say so in their next heartbeat. */
static void say_levels(struct fixture *f, uint32_t a, uint32_t b)
{
	struct cscf_iq_link *first = f->iq->links;

	f->agw[0].overload_level = a;
	f->agw[1].overload_level = b;
	UNTIL(f, first->overload_level == a && first->next->overload_level == b);
}

static enum gw_err reserve_as(struct fixture *f, bool priority)
{
	gw_handle ctx;
	enum gw_err err = try_reserve(f, &ctx, 1, 1, priority);

	if (err != GW_OK)
		return err;
	UNTIL(f, f->done == 1);
	f->done = 0;
	err = f->err;
	release(f, ctx);
	f->done = 0;
	return err;
}

static void test_a_step_in_load_diverts_new_calls(void **state)
{
	REQ("IQ-16");
	struct fixture *f = *state;

	f->agw[1].load_contexts = 500;
	start_up(f, 2);
	assert_int_equal(of_ten_at_b(f), 0);
	say_levels(f, 1, 0); /* busy: the other is better, full as it is */
	assert_int_equal(of_ten_at_b(f), 10);
	say_levels(f, 2, 0);
	assert_int_equal(of_ten_at_b(f), 10);
	say_levels(f, 0, 0);
	assert_int_equal(of_ten_at_b(f), 0);
}

static void test_level_two_serves_priority_alone(void **state)
{
	REQ("IQ-16");
	struct fixture *f = *state;

	start_up(f, 2);
	say_levels(f, 2, 2);
	assert_false(cscf_iq_available(f->iq));
	assert_true(cscf_iq_takes_priority(f->iq));
	assert_int_equal(reserve_as(f, false), GW_ERR_LIMIT);
	assert_int_equal(reserve_as(f, true), GW_OK);
	say_levels(f, 3, 3);
	assert_false(cscf_iq_takes_priority(f->iq));
	assert_int_equal(reserve_as(f, true), GW_ERR_LIMIT);
	say_levels(f, 3, 1);
	assert_int_equal(reserve_as(f, false), GW_OK);
}

static void test_a_refused_priority_call_goes_where_others_may_not(void **state)
{
	REQ("IQ-16", "IQ-23");
	struct fixture *f = *state;

	f->agw[0].reserve_error = IQ_V(ERROR_CODE__OVERLOADED);
	start_up(f, 2);
	say_levels(f, 0, 2);
	assert_int_equal(reserve_as(f, false), GW_ERR_REJECTED);
	assert_int_equal(f->agw[1].reserves, 0);
	assert_int_equal(reserve_as(f, true), GW_OK);
	assert_int_equal(f->agw[1].reserves, 1);
}

static void on_late(evutil_socket_t fd, short what, void *arg)
{
	const struct fixture *f = arg;

	(void)fd;
	(void)what;
	assert_int_equal(f->done, 1); /* timers of one loop fire in their order */
}

static void test_a_reserve_has_three_seconds_for_all(void **state)
{
	REQ("IQ-23");
	struct fixture *f = *state;
	struct timeval after = {3, 500000};
	struct event *late;
	gw_handle ctx;

	f->cfg.heartbeat = 10000;
	f->cfg.request_timeout = 2000;
	start_up(f, 1);
	late = evtimer_new(f->base, on_late, f);
	f->agw[0].drop_requests = 1000;
	ctx = reserve(f, 3, 1);
	event_add(late, &after);
	UNTIL(f, f->done == 1 && !event_pending(late, EV_TIMEOUT, NULL));
	assert_int_equal(f->err, GW_ERR_TIMEOUT);
	assert_int_equal(f->agw[0].reserves, 2);
	event_free(late);
	(void)cscf_iq_release(f->iq, ctx, 1, "test", NULL);
}

static void test_an_agw_that_hangs_up_on_a_reserve_is_left(void **state)
{
	REQ("IQ-23");
	struct fixture *f = *state;
	gw_handle ctx;

	f->cfg.request_timeout = 60000; /* no time-out has anything to do with it */
	f->agw[0].hangs_up_on_reserve = true;
	f->agw[1].load_contexts = 500;
	start_up(f, 2);
	ctx = reserved(f, 5);
	assert_int_equal(f->agw[0].reserves, 1);
	assert_string_equal(cscf_iq_ctx_agw(f->iq, ctx), "agw-b");
	release(f, ctx);
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	static const struct CMUnitTest tests[] = {
	    T(test_a_step_in_load_diverts_new_calls),
	    T(test_level_two_serves_priority_alone),
	    T(test_a_refused_priority_call_goes_where_others_may_not),
	    T(test_a_reserve_has_three_seconds_for_all),
	    T(test_an_agw_that_hangs_up_on_a_reserve_is_left),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
