/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Port pool: parity, exhaustion, rest before reuse, ports others hold, deafness while resting.
 */
#include "agw/net/port_pool.h"
#include "agw/net/udp.h"
#include "tests/lib/req.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#define QUARANTINE_MS 30000
/* An address of our own: the system gives ports of 127.0.0.1 to anybody. */
#define LOOPBACK "127.43.0.1"

static struct agw_realm_cfg realm(uint16_t from, uint16_t to)
{
	struct agw_realm_cfg r = {.name = "access", .port_min = from, .port_max = to};

	assert_int_equal(gw_addr_parse_ip(&r.bind[AGW_FAMILY_V4], LOOPBACK, 0), GW_OK);
	return r;
}

static struct agw_port_pool *pool(const struct agw_realm_cfg *r)
{
	struct agw_port_pool *p = NULL;

	assert_int_equal(agw_realm_check(r), GW_OK);
	assert_int_equal(agw_port_pool_new(&p, r, QUARANTINE_MS), GW_OK);
	return p;
}

static void test_pairs_are_even_odd_neighbours_and_bound(void **state)
{
	struct agw_realm_cfg r = realm(23201, 23211); /* odd start: 5 pairs fit */
	struct agw_port_pool *p = pool(&r);
	struct agw_port_lease l[6];
	struct gw_addr a;

	REQ("RTP-03", "RTP-21");
	(void)state;
	for (int i = 0; i < 5; i++) {
		assert_int_equal(agw_port_pool_pair(p, AGW_FAMILY_V4, 0, &l[i]), GW_OK);
		assert_int_equal(l[i].ports[0] & 1, 0);
		assert_int_equal(l[i].ports[1], l[i].ports[0] + 1);
		for (int k = 0; k < 2; k++) {
			assert_int_equal(agw_udp_local(l[i].fds[k], &a), GW_OK);
			assert_int_equal(gw_addr_port(&a), l[i].ports[k]);
		}
	}
	assert_int_equal(agw_port_pool_pair(p, AGW_FAMILY_V4, 0, &l[5]), GW_ERR_LIMIT);
	for (int i = 0; i < 5; i++)
		agw_port_pool_release(p, &l[i], 0);
	agw_port_pool_free(p);
}

static void test_released_ports_rest_until_the_quarantine_is_over(void **state)
{
	struct agw_realm_cfg r = realm(23220, 23220);
	struct agw_port_pool *p = pool(&r);
	struct agw_port_pool_load load;
	struct agw_port_lease l;
	struct agw_port_lease other;

	REQ("RTP-20");
	(void)state;
	assert_int_equal(agw_port_pool_single(p, AGW_FAMILY_BIT(AGW_FAMILY_V4), 1000, &l), GW_OK);
	agw_port_pool_release(p, &l, 1000);
	agw_port_pool_load(p, 1000, &load);
	assert_int_equal(load.used, 0);
	assert_int_equal(load.resting, 1);
	assert_int_equal(agw_port_pool_single(p, AGW_FAMILY_BIT(AGW_FAMILY_V4),
					      1000 + QUARANTINE_MS - 1, &other),
			 GW_ERR_LIMIT);
	assert_int_equal(
	    agw_port_pool_single(p, AGW_FAMILY_BIT(AGW_FAMILY_V4), 1000 + QUARANTINE_MS, &other),
	    GW_OK);
	agw_port_pool_undo(p, &other);
	/* Nobody was told of that one: it is free at once. */
	assert_int_equal(
	    agw_port_pool_single(p, AGW_FAMILY_BIT(AGW_FAMILY_V4), 1000 + QUARANTINE_MS, &other),
	    GW_OK);
	agw_port_pool_release(p, &other, 1000 + QUARANTINE_MS);
	agw_port_pool_free(p);
}

/* Send to a port and see whether the kernel reports it closed (ICMP on loopback is immediate). */
static bool answers_icmp(uint16_t port)
{
	struct gw_addr to;
	struct gw_addr from;
	bool refused;
	int fd;

	assert_int_equal(gw_addr_parse_ip(&from, LOOPBACK, 0), GW_OK);
	assert_int_equal(gw_addr_parse_ip(&to, LOOPBACK, port), GW_OK);
	assert_int_equal(agw_udp_open(&fd, &from), GW_OK);
	assert_int_equal(agw_udp_connect(fd, &to), GW_OK);
	assert_int_equal(send(fd, "x", 1, 0), 1);
	refused = send(fd, "x", 1, 0) < 0 && errno == ECONNREFUSED;
	(void)close(fd);
	return refused;
}

static void test_a_resting_access_port_is_silent(void **state)
{
	struct agw_realm_cfg r = realm(23221, 23221);
	struct agw_port_pool *p = pool(&r);
	struct agw_port_pool_load load;
	struct agw_port_lease l;

	REQ("ICE-20", "RTP-20");
	(void)state;
	assert_true(answers_icmp(23221)); /* the check itself works: nobody is there yet */
	assert_int_equal(agw_port_pool_single(p, AGW_FAMILY_BIT(AGW_FAMILY_V4), 0, &l), GW_OK);
	agw_port_pool_release(p, &l, 0);
	assert_false(answers_icmp(23221));
	agw_port_pool_load(p, QUARANTINE_MS, &load);
	assert_int_equal(load.resting, 0);
	assert_true(answers_icmp(23221));
	agw_port_pool_free(p);
}

static void test_a_port_another_process_holds_is_passed_over(void **state)
{
	struct agw_realm_cfg r = realm(23230, 23231);
	struct agw_port_pool *p = pool(&r);
	struct agw_port_lease l;
	struct gw_addr taken;
	int fd;

	REQ("RTP-20");
	(void)state;
	assert_int_equal(gw_addr_parse_ip(&taken, LOOPBACK, 23230), GW_OK);
	assert_int_equal(agw_udp_open(&fd, &taken), GW_OK);
	assert_int_equal(agw_port_pool_pair(p, AGW_FAMILY_V4, 0, &l), GW_ERR_LIMIT);
	assert_int_equal(agw_port_pool_single(p, AGW_FAMILY_BIT(AGW_FAMILY_V4), 0, &l), GW_OK);
	assert_int_equal(l.ports[AGW_FAMILY_V4], 23231);
	agw_port_pool_release(p, &l, 0);
	(void)close(fd);
	agw_port_pool_free(p);
}

static void test_a_family_the_realm_lacks_is_unsupported(void **state)
{
	struct agw_realm_cfg r = realm(23240, 23249);
	struct agw_port_pool *p = pool(&r);
	struct agw_port_pool_load load;
	struct agw_port_lease l;

	REQ("RTP-19");
	(void)state;
	assert_int_equal(agw_port_pool_pair(p, AGW_FAMILY_V6, 0, &l), GW_ERR_UNSUPPORTED);
	assert_int_equal(
	    agw_port_pool_single(p, AGW_FAMILY_BIT(AGW_FAMILY_V4) | AGW_FAMILY_BIT(AGW_FAMILY_V6),
				 0, &l),
	    GW_ERR_UNSUPPORTED);
	agw_port_pool_load(p, 0, &load);
	assert_int_equal(load.used, 0);
	agw_port_pool_free(p);
}

static void test_realms_that_cannot_work_are_refused(void **state)
{
	struct agw_realm_cfg r = realm(23250, 23259);

	REQ("ICE-04");
	(void)state;
	r.port_max = 23249;
	assert_int_equal(agw_realm_check(&r), GW_ERR_INVAL);
	r = realm(23250, 23259);
	r.bind[AGW_FAMILY_V4].len = 0;
	assert_int_equal(agw_realm_check(&r), GW_ERR_INVAL);
	/* A wildcard bind needs an address to advertise, and then that one is told. */
	r = realm(23250, 23259);
	assert_int_equal(gw_addr_parse_ip(&r.bind[AGW_FAMILY_V4], "0.0.0.0", 0), GW_OK);
	assert_int_equal(agw_realm_check(&r), GW_ERR_INVAL);
	assert_int_equal(gw_addr_parse_ip(&r.advertise[AGW_FAMILY_V4], "192.0.2.7", 0), GW_OK);
	assert_int_equal(agw_realm_check(&r), GW_OK);
	struct gw_addr a = agw_realm_public_addr(&r, AGW_FAMILY_V4, 23250);
	char text[GW_ADDR_STRLEN];

	assert_string_equal(gw_addr_str(&a, text, sizeof(text)), "192.0.2.7:23250");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_pairs_are_even_odd_neighbours_and_bound),
	    cmocka_unit_test(test_released_ports_rest_until_the_quarantine_is_over),
	    cmocka_unit_test(test_a_resting_access_port_is_silent),
	    cmocka_unit_test(test_a_port_another_process_holds_is_passed_over),
	    cmocka_unit_test(test_a_family_the_realm_lacks_is_unsupported),
	    cmocka_unit_test(test_realms_that_cannot_work_are_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
