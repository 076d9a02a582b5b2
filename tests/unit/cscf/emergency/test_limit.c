/* SPDX-License-Identifier: Apache-2.0 */
/* cscf/emergency/limit.c on a clock of the test's own: who is stopped where, and who is not. */
#include "cscf/emergency/limit.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>

#include <cmocka.h>

#include "tests/lib/req.h"

static struct emergency_limit *l;
static struct gw_addr source;
static int64_t now;

static int setup(void **state)
{
	(void)state;
	now = 5000;
	assert_int_equal(gw_addr_parse_ip(&source, "192.0.2.1", 1000), GW_OK);
	return emergency_limit_new(&l, now) == GW_OK ? 0 : -1;
}

static int teardown(void **state)
{
	(void)state;
	emergency_limit_free(l);
	return 0;
}

static enum emergency_verdict take(uint64_t conn, bool registered)
{
	struct emergency_sender who = {conn, &source, registered};

	return emergency_limit_take(l, &who, now);
}

/* How many of so many pass at this moment. */
static unsigned passes(uint64_t conn, bool registered, unsigned of)
{
	unsigned n = 0;

	while (of-- > 0)
		n += take(conn, registered) == EMERGENCY_GO_ON;
	return n;
}

static void test_a_connection_has_its_burst_and_its_rate(void **state)
{
	REQ("EMG-16", "EMG-17");
	(void)state;
	assert_int_equal(passes(1, false, 1000), EMERGENCY_CONN_BURST);
	assert_int_equal(take(1, false), EMERGENCY_OVER_CONN);
	now += 1000;
	assert_int_equal(passes(1, false, 1000), EMERGENCY_CONN_RATE);
}

static void test_more_connections_of_one_source_bring_little(void **state)
{
	REQ("EMG-16", "EMG-17");
	unsigned n = 0;

	(void)state;
	for (uint64_t conn = 1; conn <= 50; conn++)
		n += passes(conn, false, 200);
	assert_int_equal(n, EMERGENCY_SOURCE_BURST);
	assert_int_equal(take(51, false), EMERGENCY_OVER_SOURCE);
	assert_int_equal(gw_addr_parse_ip(&source, "192.0.2.2", 1000), GW_OK);
	assert_int_equal(take(52, false), EMERGENCY_GO_ON); /* the neighbour is not hit */
}

static void test_all_sources_together_stay_far_below_the_transaction_table(void **state)
{
	REQ("EMG-16", "EMG-17");
	char ip[32];
	unsigned n = 0;

	(void)state;
	for (unsigned i = 0; i < 600; i++) {
		(void)snprintf(ip, sizeof(ip), "2001:db8:0:%x::1", i);
		assert_int_equal(gw_addr_parse_ip(&source, ip, 1000), GW_OK);
		n += passes(i, false, 60);
	}
	assert_int_equal(n, EMERGENCY_ALL_BURST);
	assert_int_equal(take(1000, false), EMERGENCY_OVER_ALL);
	/* who is registered is not hit by any of that */
	assert_int_equal(passes(1001, true, 40), 40);
	assert_true(emergency_limit_entries(l) <= (size_t)2 * EMERGENCY_LIMIT_MAX_ENTRIES);
	/* held for 64*T1 each: at most a third of the table of 20000 */
	assert_true(EMERGENCY_ALL_BURST + 32 * EMERGENCY_ALL_RATE <= 20000 / 3);
}

static void test_a_registered_connection_has_a_ceiling_of_its_own(void **state)
{
	REQ("EMG-17");
	(void)state;
	(void)passes(1, false, 1000); /* before it registered */
	assert_int_equal(passes(1, true, 1000), EMERGENCY_REGISTERED_BURST);
	assert_int_equal(take(1, true), EMERGENCY_OVER_REGISTERED);
	assert_int_equal(take(2, true), EMERGENCY_GO_ON); /* same source */
	now += 1000;
	assert_int_equal(passes(1, true, 1000), EMERGENCY_REGISTERED_RATE);
}

static void test_tables_are_bounded(void **state)
{
	(void)state;
	for (uint64_t conn = 1; conn <= EMERGENCY_LIMIT_MAX_ENTRIES + 50; conn++)
		(void)take(conn, true);
	assert_int_equal(emergency_limit_entries(l), EMERGENCY_LIMIT_MAX_ENTRIES);
}

static bool line(uint64_t conn, bool registered, enum cscf_emergency_class how, unsigned *left_out)
{
	struct emergency_sender who = {conn, &source, registered};

	return emergency_limit_line(l, &who, how, now, left_out);
}

static void test_lines_are_limited_by_place_and_class_and_the_rest_is_told(void **state)
{
	REQ("EMG-20");
	unsigned left_out, n = 0;

	(void)state;
	for (unsigned i = 0; i < 500; i++)
		n += line(i, false, CSCF_EMERGENCY_TEL, &left_out);
	assert_int_equal(n, EMERGENCY_LINES_BURST);
	assert_true(line(1, false, CSCF_EMERGENCY_URN, &left_out)); /* another class */
	assert_int_equal(left_out, 0);
	assert_true(line(1, true, CSCF_EMERGENCY_TEL, &left_out)); /* a user behind that address */
	now += 1000;
	assert_true(line(1, false, CSCF_EMERGENCY_TEL, &left_out));
	assert_int_equal(left_out, 500 - EMERGENCY_LINES_BURST);
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
	    T(test_a_connection_has_its_burst_and_its_rate),
	    T(test_more_connections_of_one_source_bring_little),
	    T(test_all_sources_together_stay_far_below_the_transaction_table),
	    T(test_a_registered_connection_has_a_ceiling_of_its_own),
	    T(test_tables_are_bounded),
	    T(test_lines_are_limited_by_place_and_class_and_the_rest_is_told),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
