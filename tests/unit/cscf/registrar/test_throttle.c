/* SPDX-License-Identifier: Apache-2.0 */
/* Who is refused after wrong passwords, and who must not be: cscf/registrar/throttle.c. */
#include "cscf/registrar/throttle.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>

#include <cmocka.h>

#include "tests/lib/req.h"

#define MAX      5
#define BLOCK_MS 60000

static struct reg_throttle *t;
static int64_t now;

static int setup(void **state)
{
	(void)state;
	now = 1000;
	return reg_throttle_new(&t, MAX, BLOCK_MS) == GW_OK ? 0 : -1;
}

static int teardown(void **state)
{
	(void)state;
	reg_throttle_free(t);
	return 0;
}

/* alice from an address, as a device or not */
static struct reg_throttle_who who(const char *ip, const char *impi, const char *instance)
{
	static struct gw_addr addrs[8];
	static unsigned turn;
	struct gw_addr *a = &addrs[turn++ % 8];

	assert_int_equal(gw_addr_parse_ip(a, ip, 5000), GW_OK);
	return (struct reg_throttle_who){a, impi, "sip:alice@ims.example.net", instance};
}

static enum reg_throttle_verdict check(const char *ip, const char *impi)
{
	struct reg_throttle_who w = who(ip, impi, NULL);

	w.to_aor = NULL;
	return reg_throttle_check(t, &w, now);
}

static void fail_times(int n, const char *ip, const char *impi)
{
	struct reg_throttle_who w = who(ip, impi, NULL);

	w.to_aor = NULL;
	while (n-- > 0)
		reg_throttle_failed(t, &w, now);
}

static void test_five_failures_block_that_identity_from_there_for_a_minute(void **state)
{
	REQ("SEC-14");
	(void)state;
	fail_times(MAX - 1, "203.0.113.7", "alice");
	assert_int_equal(check("203.0.113.7", "alice"), REG_THROTTLE_PASS);
	fail_times(1, "203.0.113.7", "alice");
	assert_int_equal(check("203.0.113.7", "alice"), REG_THROTTLE_PAIR);
	assert_int_equal(check("203.0.113.7", "bob"), REG_THROTTLE_PASS);
	now += BLOCK_MS - 1;
	assert_int_equal(check("203.0.113.7", "alice"), REG_THROTTLE_PAIR);
	now += 1;
	assert_int_equal(check("203.0.113.7", "alice"), REG_THROTTLE_PASS);
}

static void test_failures_a_minute_apart_do_not_add_up(void **state)
{
	(void)state;
	for (int i = 0; i < 3 * MAX; i++) {
		fail_times(1, "203.0.113.7", "alice");
		now += REG_THROTTLE_WINDOW_MS;
	}
	assert_int_equal(check("203.0.113.7", "alice"), REG_THROTTLE_PASS);
}

static void test_success_forgets_the_failures_of_that_identity_only(void **state)
{
	struct reg_throttle_who w;

	(void)state;
	fail_times(MAX - 1, "203.0.113.7", "alice");
	fail_times(MAX - 1, "203.0.113.7", "bob");
	w = who("203.0.113.7", "alice", NULL);
	reg_throttle_succeeded(t, &w);
	fail_times(1, "203.0.113.7", "alice");
	assert_int_equal(check("203.0.113.7", "alice"), REG_THROTTLE_PASS);
	fail_times(1, "203.0.113.7", "bob");
	assert_int_equal(check("203.0.113.7", "bob"), REG_THROTTLE_PAIR);
}

static void test_the_victim_is_not_locked_out_elsewhere(void **state)
{
	char ip[32];

	REQ("SEC-14");
	(void)state;
	for (int i = 1; i < 200; i++) {
		snprintf(ip, sizeof(ip), "198.51.100.%d", i);
		fail_times(1, ip, "alice");
	}
	/* under attack from everywhere: each address had its one guess … */
	assert_int_equal(check("198.51.100.199", "alice"), REG_THROTTLE_PAIR);
	assert_int_equal(check("198.51.100.1", "alice"), REG_THROTTLE_PASS); /* of the first five */
	/* … and alice comes from any other */
	assert_int_equal(check("203.0.113.7", "alice"), REG_THROTTLE_PASS);
	assert_int_equal(check("2001:db8::1", "alice"), REG_THROTTLE_PASS);
}

static void test_a_known_device_behind_the_attackers_address_passes(void **state)
{
	struct reg_throttle_who known = who("203.0.113.99", "alice", "urn:uuid:1");

	REQ("SEC-14");
	(void)state;
	reg_throttle_succeeded(t, &known); /* once, from anywhere */
	fail_times(MAX, "203.0.113.7", "alice");
	for (int i = 0; i < MAX * REG_THROTTLE_SOURCE_FACTOR; i++) {
		char impi[16];

		snprintf(impi, sizeof(impi), "user%d", i);
		fail_times(1, "203.0.113.7", impi);
	}
	assert_int_equal(check("203.0.113.7", "carol"), REG_THROTTLE_SOURCE);
	known = who("203.0.113.7", "alice", "urn:uuid:1");
	assert_int_equal(reg_throttle_check(t, &known, now), REG_THROTTLE_PASS);
	known.impi = NULL; /* the question before the challenge is the device's too */
	assert_int_equal(reg_throttle_check(t, &known, now), REG_THROTTLE_PASS);
	known.impi = "alice";
	/* another device is not, nor is this one for another user */
	known.instance = "urn:uuid:2";
	assert_int_equal(reg_throttle_check(t, &known, now), REG_THROTTLE_PAIR);
	known.instance = "urn:uuid:1";
	known.to_aor = "sip:bob@ims.example.net";
	assert_int_equal(reg_throttle_check(t, &known, now), REG_THROTTLE_PAIR);
	known.to_aor = "sip:alice@ims.example.net";
	/* it has a limit as well */
	for (int i = 0; i < MAX; i++)
		reg_throttle_failed(t, &known, now);
	assert_int_equal(reg_throttle_check(t, &known, now), REG_THROTTLE_PAIR);
}

static void test_spraying_many_identities_blocks_the_source(void **state)
{
	REQ("SEC-14");
	(void)state;
	for (int i = 0; i < MAX * REG_THROTTLE_SOURCE_FACTOR; i++) {
		char impi[16];

		assert_int_equal(check("203.0.113.7", "carol"), REG_THROTTLE_PASS);
		snprintf(impi, sizeof(impi), "user%d", i);
		fail_times(1, "203.0.113.7", impi);
	}
	assert_int_equal(check("203.0.113.7", "carol"), REG_THROTTLE_SOURCE);
	assert_int_equal(check("203.0.113.7", NULL), REG_THROTTLE_SOURCE);
	assert_int_equal(check("203.0.113.8", "carol"), REG_THROTTLE_PASS);
	now += BLOCK_MS;
	assert_int_equal(check("203.0.113.7", "carol"), REG_THROTTLE_PASS);
}

static void test_leaving_the_impi_out_or_making_one_up_does_not_help(void **state)
{
	struct reg_throttle_who w = who("203.0.113.7", "alice.wic@ims.example.net", NULL);

	(void)state;
	for (int i = 0; i < MAX; i++)
		reg_throttle_failed(t, &w, now);
	w.impi = "alice@ims.example.net";
	assert_int_equal(reg_throttle_check(t, &w, now), REG_THROTTLE_PAIR);
	w.impi = NULL;
	assert_int_equal(reg_throttle_check(t, &w, now), REG_THROTTLE_PAIR);
	w.impi = "other";
	w.to_aor = "sip:other@ims.example.net";
	assert_int_equal(reg_throttle_check(t, &w, now), REG_THROTTLE_PASS);
}

static void test_an_ipv6_source_is_its_subscribers_network(void **state)
{
	(void)state;
	fail_times(MAX, "2001:db8:1:2::1", "alice");
	assert_int_equal(check("2001:db8:1:2:ffff::9", "alice"), REG_THROTTLE_PAIR);
	assert_int_equal(check("2001:db8:1:3::1", "alice"), REG_THROTTLE_PASS);
}

static void test_tables_are_bounded_and_keep_what_was_touched_last(void **state)
{
	REQ("SEC-14");
	(void)state;
	fail_times(MAX, "203.0.113.7", "alice");
	for (int i = 0; i < 3 * REG_THROTTLE_MAX_ENTRIES; i++) {
		char ip[40], impi[32];

		snprintf(ip, sizeof(ip), "10.%d.%d.%d", i >> 16 & 255, i >> 8 & 255, i & 255);
		snprintf(impi, sizeof(impi), "user%d", i);
		fail_times(1, ip, impi);
		if (i % 1000 == 0) /* still at it */
			fail_times(MAX, "203.0.113.7", "alice");
	}
	assert_int_equal(reg_throttle_entries(t), 3 * REG_THROTTLE_MAX_ENTRIES);
	assert_int_equal(check("203.0.113.7", "alice"), REG_THROTTLE_PAIR);
}

static void test_zero_is_off(void **state)
{
	(void)state;
	reg_throttle_free(t);
	assert_int_equal(reg_throttle_new(&t, 0, BLOCK_MS), GW_OK);
	fail_times(1000, "203.0.113.7", "alice");
	assert_int_equal(check("203.0.113.7", "alice"), REG_THROTTLE_PASS);
	assert_int_equal(reg_throttle_entries(t), 0);
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
	    T(test_five_failures_block_that_identity_from_there_for_a_minute),
	    T(test_failures_a_minute_apart_do_not_add_up),
	    T(test_success_forgets_the_failures_of_that_identity_only),
	    T(test_the_victim_is_not_locked_out_elsewhere),
	    T(test_a_known_device_behind_the_attackers_address_passes),
	    T(test_spraying_many_identities_blocks_the_source),
	    T(test_leaving_the_impi_out_or_making_one_up_does_not_help),
	    T(test_an_ipv6_source_is_its_subscribers_network),
	    T(test_tables_are_bounded_and_keep_what_was_touched_last),
	    T(test_zero_is_off),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
