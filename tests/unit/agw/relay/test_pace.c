/* SPDX-License-Identifier: Apache-2.0 */
/* Handshakes of one source: a second's worth at once, then evenly; what is one source; a full
 * table. */
#include "agw/relay/pace.h"
#include "tests/lib/req.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>

#include <cmocka.h>

#define S    1000000U
#define RATE 10U

static struct gw_addr at(const char *ip, uint16_t port)
{
	struct gw_addr a;

	assert_int_equal(gw_addr_parse_ip(&a, ip, port), GW_OK);
	return a;
}

static unsigned take_all(struct agw_pace *p, const struct gw_addr *from, bool proven, uint64_t now)
{
	unsigned n = 0;

	while (n <= 10 * RATE && agw_pace_take(p, from, proven, now))
		n++;
	return n;
}

static void test_a_second_of_turns_at_once_then_one_after_the_other(void **state)
{
	struct gw_addr a = at("192.0.2.1", 5000);
	struct agw_pace *p = NULL;
	uint64_t now = 5 * S;

	(void)state;
	REQ("DTLS-25");
	assert_int_equal(agw_pace_new(&p, RATE), GW_OK);
	assert_int_equal(take_all(p, &a, true, now), RATE);
	/* asking costs nothing: the next turn is no later for it */
	assert_int_equal(take_all(p, &a, true, now + S / RATE - 1), 0);
	assert_int_equal(take_all(p, &a, true, now + S / RATE), 1);
	assert_int_equal(take_all(p, &a, true, now + S / 2), RATE / 2 - 1);
	assert_int_equal(take_all(p, &a, true, now + 60 * S),
			 RATE); /* nothing is saved up beyond */
	agw_pace_free(p);
}

static void test_the_rate_holds_for_as_long_as_a_storm_lasts(void **state)
{
	static const uint32_t rates[] = {1, 3, 100, 1000};
	struct gw_addr a = at("192.0.2.1", 5000);

	(void)state;
	REQ("DTLS-25");
	for (size_t i = 0; i < sizeof(rates) / sizeof(rates[0]); i++) {
		struct agw_pace *p = NULL;
		unsigned n = 0;

		assert_int_equal(agw_pace_new(&p, rates[i]), GW_OK);
		for (uint64_t now = 9 * S; now < 19 * S; now += 500) /* 2000 tries a second */
			n += agw_pace_take(p, &a, true, now);
		assert_in_range(n, 10 * rates[i], 11 * rates[i]);
		agw_pace_free(p);
	}
}

static void test_what_is_one_source(void **state)
{
	static const struct {
		const char *first, *second;
		bool same;
	} rows[] = {
	    {"192.0.2.1", "192.0.2.1", true}, /* whatever the port: an office behind one NAT */
	    {"192.0.2.1", "192.0.2.2", false},
	    {"2001:db8:0:1::1", "2001:db8:0:1:ffff::9", true},
	    {"2001:db8:0:1::1", "2001:db8:0:2::1", false},
	    {"0.0.0.1", "::", false},
	};

	(void)state;
	REQ("DTLS-25");
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct gw_addr one = at(rows[i].first, 5000), two = at(rows[i].second, 6000);
		struct agw_pace *p = NULL;

		assert_int_equal(agw_pace_new(&p, RATE), GW_OK);
		assert_int_equal(take_all(p, &one, true, S), RATE);
		assert_int_equal(take_all(p, &two, true, S), rows[i].same ? 0 : RATE);
		agw_pace_free(p);
	}
}

/* Somebody says that a WIC's address is his: that WIC still has all its turns. */
static void test_an_address_that_is_only_told_takes_no_turns_away(void **state)
{
	struct gw_addr a = at("192.0.2.1", 5000);
	struct agw_pace *p = NULL;

	(void)state;
	REQ("DTLS-25", "ICE-19");
	assert_int_equal(agw_pace_new(&p, RATE), GW_OK);
	assert_int_equal(take_all(p, &a, false, S), RATE);
	assert_int_equal(take_all(p, &a, true, S), RATE);
	agw_pace_free(p);
}

/* Far more sources than there is room for: each new one is let in, all the same. */
static void test_a_full_table_lets_in(void **state)
{
	struct agw_pace *p = NULL;
	struct gw_addr late = at("198.51.100.1", 1);

	(void)state;
	REQ("DTLS-25");
	assert_int_equal(agw_pace_new(&p, 1), GW_OK);
	for (unsigned i = 0; i < 20000; i++) {
		char ip[40];
		struct gw_addr a;

		(void)snprintf(ip, sizeof(ip), "2001:db8:%x:%x::1", i >> 8, i & 255);
		a = at(ip, 5000);
		assert_true(agw_pace_take(p, &a, true, S));
	}
	assert_true(agw_pace_take(p, &late, true, S));
	assert_false(agw_pace_take(p, &late, true, S));
	agw_pace_free(p);
}

static void test_rates_that_are_none(void **state)
{
	struct agw_pace *p = NULL;

	(void)state;
	assert_int_equal(agw_pace_new(&p, 0), GW_ERR_INVAL);
	assert_int_equal(agw_pace_new(&p, S + 1), GW_ERR_INVAL);
	agw_pace_free(NULL);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_a_second_of_turns_at_once_then_one_after_the_other),
	    cmocka_unit_test(test_the_rate_holds_for_as_long_as_a_storm_lasts),
	    cmocka_unit_test(test_what_is_one_source),
	    cmocka_unit_test(test_an_address_that_is_only_told_takes_no_turns_away),
	    cmocka_unit_test(test_a_full_table_lets_in),
	    cmocka_unit_test(test_rates_that_are_none),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
