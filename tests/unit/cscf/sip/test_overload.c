/* SPDX-License-Identifier: Apache-2.0 */
/* What is turned away at which load, on a clock of the test's own: cscf/sip/overload.c. */
#include "cscf/sip/overload.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "tests/lib/req.h"

#define TICK CSCF_SIP_OVERLOAD_TICK_MS

static struct cscf_sip_overload o;
static int64_t now;

static int setup(void **state)
{
	(void)state;
	cscf_sip_overload_init(&o, 85, 70, 500);
	now = 1000;
	cscf_sip_overload_tick(&o, now, 0);
	return 0;
}

/* n ticks, each late by so many ms */
static void ticks(int n, int64_t late_ms)
{
	while (n-- > 0)
		cscf_sip_overload_tick(&o, now += TICK + late_ms, 0);
}

static bool sheds(enum cscf_sip_work work)
{
	return cscf_sip_overload_sheds(&o, work, 0, 100);
}

/* the works shed at this fill, as bits */
static unsigned shed_at(size_t used)
{
	unsigned bits = 0;

	for (enum cscf_sip_work w = 0; w < CSCF_SIP_WORK_COUNT; w++)
		bits |= (unsigned)cscf_sip_overload_sheds(&o, w, used, 100) << w;
	return bits;
}

#define NEW_USER 1U
#define NEW_CALL 2U
#define REFRESH  4U

static void test_order_up_and_down(void **state)
{
	REQ("SEC-19");
	static const struct {
		size_t used;
		unsigned shed;
	} steps[] = {
	    {0, 0},
	    {84, 0},
	    {85, NEW_USER},
	    {89, NEW_USER},
	    {90, NEW_USER | NEW_CALL},
	    {95, NEW_USER | NEW_CALL | REFRESH},
	    {112, NEW_USER | NEW_CALL | REFRESH},
	    {80, NEW_USER | NEW_CALL | REFRESH},
	    {79, NEW_USER | NEW_CALL},
	    {75, NEW_USER | NEW_CALL},
	    {74, NEW_USER},
	    {70, NEW_USER},
	    {69, 0},
	    {84, 0},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(steps) / sizeof(steps[0]); i++)
		assert_int_equal(shed_at(steps[i].used), steps[i].shed);
	assert_int_equal(o.shed[CSCF_SIP_WORK_DIALOG] + o.shed[CSCF_SIP_WORK_EMERGENCY], 0);
	assert_int_equal(o.shed[CSCF_SIP_WORK_REFRESH], 3);
}

static void test_a_loop_that_is_late_for_a_second_is_overload(void **state)
{
	REQ("SEC-19");
	(void)state;
	ticks(20, 0);
	assert_false(sheds(CSCF_SIP_WORK_NEW_USER));
	ticks(30, 450); /* 90 % of max_lag */
	assert_true(sheds(CSCF_SIP_WORK_NEW_USER));
	assert_true(sheds(CSCF_SIP_WORK_NEW_CALL));
	assert_false(sheds(CSCF_SIP_WORK_REFRESH));
	ticks(40, 0);
	assert_int_equal(cscf_sip_overload_load(&o), 0);
	assert_false(sheds(CSCF_SIP_WORK_NEW_USER));
}

static void test_one_stall_is_not(void **state)
{
	(void)state;
	ticks(10, 0);
	ticks(1, 30000); /* half a minute, a suspended machine */
	assert_true(cscf_sip_overload_load(&o) < 85);
	assert_false(sheds(CSCF_SIP_WORK_NEW_USER));
}

static void test_events_waiting_are_load(void **state)
{
	(void)state;
	cscf_sip_overload_tick(&o, now += TICK, 8600);
	assert_int_equal(cscf_sip_overload_load(&o), 86);
	assert_true(sheds(CSCF_SIP_WORK_NEW_USER));
	cscf_sip_overload_tick(&o, now += TICK, 10);
	assert_false(sheds(CSCF_SIP_WORK_NEW_USER));
}

static void test_operators_word_counts_alone(void **state)
{
	(void)state;
	cscf_sip_overload_force(&o, 92);
	assert_int_equal(shed_at(0), NEW_USER | NEW_CALL);
	cscf_sip_overload_force(&o, 0);
	assert_int_equal(shed_at(100), 0);
	cscf_sip_overload_force(&o, -1);
	assert_int_equal(shed_at(100), NEW_USER | NEW_CALL | REFRESH);
}

static void test_retry_after_is_spread(void **state)
{
	unsigned first, seen_other = 0;

	REQ("SEC-19");
	(void)state;
	first = cscf_sip_retry_after(10, 60);
	for (int i = 0; i < 200; i++) {
		unsigned s = cscf_sip_retry_after(10, 60);

		assert_in_range(s, 10, 60);
		seen_other += s != first;
	}
	assert_true(seen_other > 0);
	assert_int_equal(cscf_sip_retry_after(7, 7), 7);
	assert_int_equal(cscf_sip_retry_after(7, 3), 7);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup(test_order_up_and_down, setup),
	    cmocka_unit_test_setup(test_a_loop_that_is_late_for_a_second_is_overload, setup),
	    cmocka_unit_test_setup(test_one_stall_is_not, setup),
	    cmocka_unit_test_setup(test_events_waiting_are_load, setup),
	    cmocka_unit_test_setup(test_operators_word_counts_alone, setup),
	    cmocka_unit_test_setup(test_retry_after_is_spread, setup),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
