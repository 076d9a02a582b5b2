/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Thousands of calls that have to move at once (repair_queue.c): in which order, how fast, and with
 * how many looks at them. The calls have no streams: their turn is all they wait for.
 */
#include "cscf/session/repair_int.h"
#include "tests/unit/cscf/session/moving.h"

#include <event2/event.h>

#define PAIRS 4000U
#define CALLS (2U * PAIRS)

static struct call *calls[CALLS];
static size_t n_calls;

static int setup(void **state)
{
	int rc = mv_setup(state);

	gw_log_set_level(GW_LOG_ERROR);
	cscf_session_free(w.s);
	w.cfg.limits_calls = CALLS;
	n_calls = 0;
	return rc == 0 && cscf_session_new(&w.s, &w.cfg, &w.parts) == GW_OK ? 0 : -1;
}

static int teardown(void **state)
{
	for (size_t i = 0; i < n_calls; i++) {
		calls[i]->emergency = NULL; /* as add made it */
		call_free(calls[i]);
	}
	return w_teardown(state);
}

/* A confirmed call of that Call-ID; WICs of ours at both ends have one in common. */
static struct call *add(unsigned id, bool from_wic, bool emergency)
{
	static char dummy;
	char text[512];
	struct cscf_sip_msg *msg;
	struct call *c = NULL;

	snprintf(
	    text, sizeof(text),
	    "INVITE sip:b@x.invalid SIP/2.0\r\nVia: SIP/2.0/UDP "
	    "x.invalid;branch=z9hG4bK%u\r\nMax-Forwards: 70\r\nFrom: <sip:a@x.invalid>;tag=a\r\n"
	    "To: <sip:b@x.invalid>\r\nCall-ID: q%u\r\nCSeq: 1 INVITE\r\n"
	    "Contact: <sip:a@x.invalid>\r\nContent-Length: 0\r\n\r\n",
	    id, id);
	msg = w_parse(text);
	assert_int_equal(call_new(&c, w.s, msg, from_wic), GW_OK);
	cscf_sip_msg_free(msg);
	c->conn = W_CONN;
	c->answered_ms = 1;
	c->acked = true;
	c->fsm.state = CALL_S_CONFIRMED;
	if (emergency)
		c->emergency =
		    (struct emergency *)(void *)&dummy; /* only asked whether it is one */
	calls[n_calls++] = c;
	return c;
}

static int64_t metric(enum session_metric m)
{
	return gw_metric_get(&session_metrics[m]);
}

static void lose_all(void)
{
	for (size_t i = 0; i < n_calls; i++)
		assert_true(repair_begin(calls[i], "AGW lost"));
	assert_int_equal(metric(SM_REPAIR_PENDING), n_calls);
}

static unsigned ticks_until_moved(void)
{
	unsigned ticks = 0;

	for (; metric(SM_REPAIR_PENDING) > 0 && ticks < 100000; ticks++)
		event_base_loop(w.base, EVLOOP_ONCE);
	assert_int_equal(metric(SM_REPAIR_PENDING), 0);
	return ticks;
}

static void test_one_look_for_each_turn(void **state)
{
	REQ("REL-12");
	int64_t looks = metric(SM_REPAIR_LOOKS), moved = metric(SM_REPAIR_MOVED);
	unsigned ticks;

	(void)state;
	w.cfg.repair_rate = 16000;
	for (unsigned i = 0; i < PAIRS; i++) {
		(void)add(i, true, false);
		(void)add(i, false, false);
	}
	lose_all();
	ticks = ticks_until_moved();
	assert_true(ticks > 10); /* they did stand in line */
	assert_int_equal(metric(SM_REPAIR_MOVED) - moved, CALLS);
	assert_int_equal(metric(SM_REPAIR_LOOKS) - looks, CALLS);
}

/* No AGW, or WICs that are away: nobody is looked at for it again and again. */
static void test_who_waits_is_left_alone(void **state)
{
	REQ("REL-12", "REL-10");
	int64_t looks = metric(SM_REPAIR_LOOKS);

	(void)state;
	w.cfg.repair_rate = 100000;
	for (unsigned i = 0; i < 1000; i++)
		(void)add(i, true, false);
	w.no_agw = true;
	lose_all();
	for (unsigned i = 0; i < 10; i++)
		event_base_loop(w.base, EVLOOP_ONCE);
	assert_int_equal(metric(SM_REPAIR_LOOKS), looks);
	for (unsigned i = 0; i < 1000; i++)
		calls[i]->conn = 0;
	w.no_agw = false;
	for (unsigned i = 0; i < 10 && w.s->repairs[1] != NULL; i++)
		event_base_loop(w.base, EVLOOP_ONCE);
	assert_null(w.s->repairs[1]);
	assert_int_equal(metric(SM_REPAIR_LOOKS), looks + 1000);
	assert_int_equal(metric(SM_REPAIR_PENDING), 1000);
	for (unsigned i = 0; i < 1000; i++) /* they are back, one by one */
		flow_back(calls[i], W_CONN);
	(void)ticks_until_moved();
	assert_true(metric(SM_REPAIR_LOOKS) <= looks + 3000); /* twice: by the kick, at its turn */
}

static void test_no_agw_for_too_long_ends_all(void **state)
{
	REQ("REL-12");
	int64_t looks = metric(SM_REPAIR_LOOKS), failed = metric(SM_REPAIR_FAILED);

	(void)state;
	w.cfg.repair_timeout = 100;
	w.no_agw = true;
	for (unsigned i = 0; i < 500; i++)
		(void)add(i, true, false);
	lose_all();
	while (metric(SM_REPAIR_PENDING) > 0)
		event_base_loop(w.base, EVLOOP_ONCE);
	assert_int_equal(metric(SM_REPAIR_FAILED) - failed, 500);
	assert_int_equal(metric(SM_REPAIR_LOOKS) - looks, 500);
	n_calls = 0; /* the reaper's */
}

static void test_no_more_in_a_second_than_allowed(void **state)
{
	REQ("REL-12", "IQ-16");
	int64_t moved = metric(SM_REPAIR_MOVED);
	uint64_t since;

	(void)state;
	w.cfg.repair_rate = 100;
	for (unsigned i = 0; i < 40; i++)
		(void)add(i, true, false);
	lose_all();
	since = session_now_ms();
	event_base_loop(w.base, EVLOOP_ONCE);
	assert_int_equal(metric(SM_REPAIR_MOVED) - moved, 10); /* the bucket: a tenth of a second */
	(void)ticks_until_moved();
	assert_true(session_now_ms() - since >= 290); /* 30 more at 100 a second */
}

static void test_emergencies_go_first(void **state)
{
	REQ("REL-12", "EMG-01");

	(void)state;
	w.cfg.repair_rate = 10; /* one at once */
	for (unsigned i = 0; i < 3; i++)
		(void)add(i, true, i == 2);
	lose_all();
	event_base_loop(w.base, EVLOOP_ONCE);
	assert_false(repair_is_on(calls[2]));
	assert_true(repair_is_on(calls[0]) && repair_is_on(calls[1]));
	(void)ticks_until_moved();
}

/* Two halves of one call: who waits for whom. */
static void test_the_caller_s_half_waits_for_the_callee_s(void **state)
{
	REQ("REL-12", "CALL-28");
	struct call *caller = add(1, true, false), *callee = add(1, false, false);
	uint64_t now = session_now_ms();

	(void)state;
	assert_false(repair_must_yield(caller)); /* the other one does not move */
	w.no_agw = true;
	lose_all();
	assert_true(repair_must_yield(caller));
	assert_true(repair_must_yield(callee)); /* the caller's could only say 491 */
	caller->repair.again_ms = now + 60000;
	repair_go(caller, REPAIR_YIELD);
	assert_true(repair_must_yield(caller));
	assert_false(repair_must_yield(callee)); /* now it can be asked */
	assert_true(repair_may_ask(callee, now));
	assert_false(repair_may_ask(caller, now));
	/* it hears at once when the other one is through */
	event_del(caller->repair.timer);
	repair_go(callee, REPAIR_NONE);
	assert_true(event_pending(caller->repair.timer, EV_TIMEOUT, NULL));
	assert_true(repair_may_ask(caller, now));
	/* after 491s it waits for its time */
	caller->repair.glare = true;
	assert_false(repair_may_ask(caller, now));
	assert_true(repair_may_ask(caller, now + 60000));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	    T(test_one_look_for_each_turn),       T(test_who_waits_is_left_alone),
	    T(test_no_agw_for_too_long_ends_all), T(test_no_more_in_a_second_than_allowed),
	    T(test_emergencies_go_first),         T(test_the_caller_s_half_waits_for_the_callee_s),
#undef T
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
