/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The token bucket of a stream's direction.
 */
#include "agw/relay/police.h"
#include "tests/lib/req.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#define SECOND 1000000U

static unsigned passed(struct agw_police *p, uint64_t *now, unsigned n, uint32_t every_us,
		       size_t octets)
{
	unsigned ok = 0;

	for (unsigned i = 0; i < n; i++, *now += every_us)
		ok += agw_police_take(p, octets, *now) ? 1 : 0;
	return ok;
}

static void test_the_agreed_rate_passes_for_ever(void **state)
{
	const struct agw_rate rate = {.bps = 80000, .burst_octets = 2000};
	struct agw_police p = {0};
	uint64_t now = 77;

	REQ("RTP-23");
	(void)state;
	agw_police_set(&p, &rate, now);
	assert_int_equal(passed(&p, &now, 50 * 600, SECOND / 50, 200), 50 * 600);
}

static void test_a_burst_passes_and_then_the_rate_alone(void **state)
{
	const struct agw_rate rate = {.bps = 80000, .burst_octets = 2000};
	struct agw_police p = {0};
	uint64_t now = SECOND;
	unsigned n;

	REQ("RTP-23");
	(void)state;
	agw_police_set(&p, &rate, now);
	assert_int_equal(passed(&p, &now, 100, 0, 200), 10);
	/* four times the rate for a minute: a quarter gets through */
	n = passed(&p, &now, 200 * 60, SECOND / 200, 200);
	assert_in_range(n, 50 * 60 - 1, 50 * 60 + 11);
	now += 10 * SECOND; /* it rests, and has its burst again: not more */
	assert_int_equal(passed(&p, &now, 100, 0, 200), 10);
}

static void test_nothing_agreed_polices_nothing(void **state)
{
	const struct agw_rate none = {0}, some = {.bps = 1000, .burst_octets = 100};
	struct agw_police p = {0};
	uint64_t now = SECOND;

	REQ("RTP-23");
	(void)state;
	agw_police_set(&p, &none, now);
	assert_int_equal(passed(&p, &now, 1000, 1, 1500), 1000);
	agw_police_set(&p, &some, now);
	assert_int_equal(passed(&p, &now, 1000, 1, 1500), 0);
	agw_police_set(&p, &none, now);
	assert_int_equal(passed(&p, &now, 1000, 1, 1500), 1000);
}

static void test_the_same_rate_again_does_not_fill_the_bucket(void **state)
{
	const struct agw_rate rate = {.bps = 8000, .burst_octets = 0}; /* a second: 1000 */
	struct agw_police p = {0};
	uint64_t now = SECOND;

	REQ("RTP-23");
	(void)state;
	agw_police_set(&p, &rate, now);
	assert_int_equal(passed(&p, &now, 20, 0, 100), 10);
	agw_police_set(&p, &rate, now); /* a re-INVITE that changes nothing */
	assert_int_equal(passed(&p, &now, 20, 0, 100), 0);
}

static void test_the_largest_rate_and_the_longest_rest_do_not_overflow(void **state)
{
	const struct agw_rate rate = {.bps = UINT64_MAX, .burst_octets = UINT32_MAX};
	struct agw_police p = {0};
	uint64_t now = 1;

	REQ("RTP-23");
	(void)state;
	agw_police_set(&p, &rate, now);
	assert_true(agw_police_take(&p, 1500, now));
	assert_true(agw_police_take(&p, 1500, UINT64_MAX / 2));
	assert_true(agw_police_take(&p, 1500, UINT64_MAX));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_the_agreed_rate_passes_for_ever),
	    cmocka_unit_test(test_a_burst_passes_and_then_the_rate_alone),
	    cmocka_unit_test(test_nothing_agreed_polices_nothing),
	    cmocka_unit_test(test_the_same_rate_again_does_not_fill_the_bucket),
	    cmocka_unit_test(test_the_largest_rate_and_the_longest_rest_do_not_overflow),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
