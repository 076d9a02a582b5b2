/* SPDX-License-Identifier: Apache-2.0 */
/* cscf/ws/bucket.c and tally.c: rates and counts at the limit and one over it. */
#include "cscf/ws/bucket.h"
#include "cscf/ws/tally.h"
#include "tests/lib/req.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

static unsigned take_all(struct cscf_ws_bucket *b, int64_t now)
{
	unsigned n = 0;

	while (n < 1000 && cscf_ws_bucket_take(b, now))
		n++;
	return n;
}

static void test_a_bucket_gives_its_burst_then_its_rate(void **state)
{
	REQ("WS-25");
	struct cscf_ws_bucket b;

	(void)state;
	cscf_ws_bucket_init(&b, 20, 100, 5000);
	assert_int_equal(take_all(&b, 5000), 100);
	assert_int_equal(take_all(&b, 5049), 0);
	assert_int_equal(take_all(&b, 5050), 1);
	assert_int_equal(take_all(&b, 6050), 20);
	assert_int_equal(take_all(&b, 1000000), 100); /* never more than the burst */
	assert_int_equal(take_all(&b, 999999), 0);    /* a clock that steps back gives nothing */
	assert_int_equal(take_all(&b, INT64_MAX), 100);
}

static void test_a_slow_rate_loses_nothing_to_rounding(void **state)
{
	REQ("WS-25");
	struct cscf_ws_bucket b;
	unsigned n = 0;

	(void)state;
	cscf_ws_bucket_init(&b, 3, 1, 0);
	assert_int_equal(take_all(&b, 0), 1);
	for (int64_t now = 1; now <= 10000; now++)
		n += take_all(&b, now);
	assert_in_range(n, 29, 30);
	cscf_ws_bucket_init(&b, 0, 1, 0);
	assert_int_equal(take_all(&b, 0), 1000); /* 0 = off */
}

static void test_a_tally_holds_its_limit_and_forgets(void **state)
{
	REQ("WS-24");
	struct cscf_ws_tally t = {0};

	(void)state;
	assert_int_equal(cscf_ws_tally_add(&t, "a", 1, 2), GW_OK);
	assert_int_equal(cscf_ws_tally_add(&t, "a", 1, 2), GW_OK);
	assert_int_equal(cscf_ws_tally_add(&t, "a", 1, 2), GW_ERR_LIMIT);
	assert_int_equal(cscf_ws_tally_add(&t, "b", 1, 2), GW_OK);
	cscf_ws_tally_del(&t, "a", 1);
	assert_int_equal(cscf_ws_tally_add(&t, "a", 1, 2), GW_OK);
	assert_int_equal(cscf_ws_tally_add(&t, "a", 1, 0), GW_OK); /* 0 = off */
	cscf_ws_tally_del(&t, "b", 1);
	cscf_ws_tally_del(&t, "b", 1);
	assert_int_equal(cscf_ws_tally_add(&t, "b", 1, 1), GW_OK);
	cscf_ws_tally_fini(&t);
	assert_null(t.keys);
}

static size_t key_of(const char *ip, uint8_t key[8])
{
	struct gw_addr a;

	memset(key, 0, 8);
	assert_int_equal(gw_addr_parse_ip(&a, ip, 1234), GW_OK);
	return cscf_ws_source_key(&a, key);
}

static void test_a_source_is_an_ipv4_address_or_an_ipv6_subnet(void **state)
{
	REQ("WS-24");
	uint8_t a[8], b[8];

	(void)state;
	assert_int_equal(key_of("203.0.113.7", a), 4);
	assert_int_equal(key_of("::ffff:203.0.113.7", b), 4);
	assert_memory_equal(a, b, 8);
	key_of("203.0.113.8", b);
	assert_memory_not_equal(a, b, 8);
	assert_int_equal(key_of("2001:db8:0:1::7", a), 8);
	key_of("2001:db8:0:1:ffff::9", b);
	assert_memory_equal(a, b, 8);
	key_of("2001:db8:0:2::7", b);
	assert_memory_not_equal(a, b, 8);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_a_bucket_gives_its_burst_then_its_rate),
	    cmocka_unit_test(test_a_slow_rate_loses_nothing_to_rounding),
	    cmocka_unit_test(test_a_tally_holds_its_limit_and_forgets),
	    cmocka_unit_test(test_a_source_is_an_ipv4_address_or_an_ipv6_subnet),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
