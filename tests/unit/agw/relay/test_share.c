/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Shared access ports: whose is a datagram? The tables alone, with legs whose ICE is real and
 * whose streams do not exist.
 */
#include "agw/relay/share.h"
#include "agw/relay/stream_int.h"
#include "tests/lib/req.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#define LEGS 4
#define LATE (AGW_SHARE_FRESH_MS + 1000)

struct bench {
	struct agw_share *sh;
	struct agw_leg legs[LEGS];
	struct agw_ice_creds creds[LEGS];
};

static void ice_send(void *arg, unsigned local, const struct gw_addr *to, const uint8_t *data,
		     size_t len)
{
	(void)arg;
	(void)local;
	(void)to;
	(void)data;
	(void)len;
}

static void ice_event(void *arg, enum agw_ice_event ev)
{
	(void)arg;
	(void)ev;
}

static struct gw_addr at(const char *ip, uint16_t port)
{
	struct gw_addr a;

	assert_int_equal(gw_addr_parse_ip(&a, ip, port), GW_OK);
	return a;
}

static int setup(void **state)
{
	static const struct agw_ice_cbs cbs = {ice_send, ice_event};
	struct bench *b = calloc(1, sizeof(*b));

	assert_non_null(b);
	assert_int_equal(agw_share_new(&b->sh, 0), GW_OK);
	for (int i = 0; i < LEGS; i++) {
		struct agw_ice_cfg cfg = {.timeout_ms = 1000, .consent_timeout_ms = 30000};

		agw_ice_creds_new(&cfg.local);
		b->creds[i] = cfg.local;
		assert_int_equal(agw_ice_lite_new(&b->legs[i].ice, &cfg, &cbs, NULL), GW_OK);
		b->legs[i].share = calloc(1, sizeof(struct agw_share_nodes));
		assert_non_null(b->legs[i].share);
		agw_share_enter(b->sh, &b->legs[i]);
	}
	*state = b;
	return 0;
}

static int teardown(void **state)
{
	struct bench *b = *state;

	for (int i = 0; i < LEGS; i++) {
		agw_share_leave(b->sh, &b->legs[i]);
		agw_ice_free(b->legs[i].ice);
		free(b->legs[i].share);
	}
	agw_share_free(b->sh);
	free(b);
	return 0;
}

static struct agw_leg *by_ufrag(struct bench *b, const char *ufrag)
{
	return agw_share_by_ufrag(b->sh, 0, (const uint8_t *)ufrag, strlen(ufrag));
}

static void test_a_check_finds_its_stream_by_the_local_ufrag_alone(void **state)
{
	struct bench *b = *state;
	char other[AGW_ICE_LOCAL_UFRAG + 1];

	REQ("ICE-10", "ICE-11");
	for (int i = 0; i < LEGS; i++)
		assert_ptr_equal(by_ufrag(b, b->creds[i].ufrag), &b->legs[i]);
	memcpy(other, b->creds[0].ufrag, sizeof(other));
	other[3] ^= 1;
	assert_null(by_ufrag(b, other));
	assert_null(by_ufrag(b, ""));
	other[3] ^= 1;
	assert_null(agw_share_by_ufrag(b->sh, 0, (const uint8_t *)other, 7));
	assert_null(agw_share_by_ufrag(b->sh, 1, (const uint8_t *)other, 8)); /* another port */
}

static void test_a_restart_keeps_the_ufrags_that_still_count(void **state)
{
	struct bench *b = *state;
	struct agw_ice_creds second, third;

	REQ("ICE-17");
	agw_ice_creds_new(&second);
	agw_ice_creds_new(&third);
	agw_ice_restart(b->legs[0].ice, &second);
	agw_share_enter(b->sh, &b->legs[0]);
	assert_ptr_equal(by_ufrag(b, b->creds[0].ufrag), &b->legs[0]);
	assert_ptr_equal(by_ufrag(b, second.ufrag), &b->legs[0]);
	agw_ice_restart(b->legs[0].ice, &third);
	agw_share_enter(b->sh, &b->legs[0]);
	assert_null(by_ufrag(b, b->creds[0].ufrag)); /* never nominated, two behind */
	assert_ptr_equal(by_ufrag(b, second.ufrag), &b->legs[0]);
	assert_ptr_equal(by_ufrag(b, third.ufrag), &b->legs[0]);
}

static void test_addresses_are_told_apart_in_both_families_and_by_port(void **state)
{
	struct bench *b = *state;
	struct gw_addr v4 = at("192.0.2.1", 5000), v4b = at("192.0.2.1", 5001),
		       v6 = at("2001:db8::1", 5000), v6b = at("2001:db8::2", 5000);

	REQ("ICE-16");
	agw_share_learn(b->sh, &b->legs[0], AGW_FAMILY_V4, &v4, 1);
	agw_share_learn(b->sh, &b->legs[1], AGW_FAMILY_V4, &v4b, 1);
	agw_share_learn(b->sh, &b->legs[2], AGW_FAMILY_V6, &v6, 1);
	agw_share_learn(b->sh, &b->legs[0], AGW_FAMILY_V4, &v4, 2); /* again */
	assert_ptr_equal(agw_share_by_source(b->sh, AGW_FAMILY_V4, &v4), &b->legs[0]);
	assert_ptr_equal(agw_share_by_source(b->sh, AGW_FAMILY_V4, &v4b), &b->legs[1]);
	assert_ptr_equal(agw_share_by_source(b->sh, AGW_FAMILY_V6, &v6), &b->legs[2]);
	assert_null(agw_share_by_source(b->sh, AGW_FAMILY_V6, &v6b));
	assert_null(agw_share_by_source(b->sh, AGW_FAMILY_COUNT + AGW_FAMILY_V4, &v4));
	agw_share_leave(b->sh, &b->legs[0]);
	assert_null(agw_share_by_source(b->sh, AGW_FAMILY_V4, &v4));
	assert_null(by_ufrag(b, b->creds[0].ufrag));
	assert_ptr_equal(agw_share_by_source(b->sh, AGW_FAMILY_V4, &v4b), &b->legs[1]);
}

static void test_an_address_in_use_is_not_taken_over(void **state)
{
	struct bench *b = *state;
	struct gw_addr a = at("192.0.2.1", 5000);

	REQ("ICE-16", "ICE-29");
	agw_share_learn(b->sh, &b->legs[0], AGW_FAMILY_V4, &a, 1000);
	/* a subscriber's own good check, with somebody else's address */
	agw_share_learn(b->sh, &b->legs[1], AGW_FAMILY_V4, &a, 6000);
	assert_ptr_equal(agw_share_by_source(b->sh, AGW_FAMILY_V4, &a), &b->legs[0]);
	agw_share_learn(b->sh, &b->legs[0], AGW_FAMILY_V4, &a, 6000); /* the owner lives */
	agw_share_learn(b->sh, &b->legs[1], AGW_FAMILY_V4, &a, 1000 + LATE);
	assert_ptr_equal(agw_share_by_source(b->sh, AGW_FAMILY_V4, &a), &b->legs[0]);
	/* gone without a word, and the NAT gave its address to another */
	agw_share_learn(b->sh, &b->legs[1], AGW_FAMILY_V4, &a, 6000 + LATE);
	assert_ptr_equal(agw_share_by_source(b->sh, AGW_FAMILY_V4, &a), &b->legs[1]);
	agw_share_leave(b->sh, &b->legs[0]);
	assert_ptr_equal(agw_share_by_source(b->sh, AGW_FAMILY_V4, &a), &b->legs[1]);
}

static void test_a_leg_has_a_bounded_number_of_addresses(void **state)
{
	struct bench *b = *state;
	unsigned found = 0;

	REQ("ICE-16");
	for (uint16_t i = 0; i < 1000; i++) {
		struct gw_addr a = at("192.0.2.1", (uint16_t)(5000 + i));

		agw_share_learn(b->sh, &b->legs[i % 2], AGW_FAMILY_V4, &a, i + 1U);
	}
	for (uint16_t i = 0; i < 1000; i++) {
		struct gw_addr a = at("192.0.2.1", (uint16_t)(5000 + i));

		found += agw_share_by_source(b->sh, AGW_FAMILY_V4, &a) != NULL;
	}
	assert_int_equal(found, 2 * AGW_SHARE_SOURCES);
	for (uint16_t i = 1000 - 2 * AGW_SHARE_SOURCES; i < 1000; i++) {
		struct gw_addr a = at("192.0.2.1", (uint16_t)(5000 + i));

		assert_ptr_equal(agw_share_by_source(b->sh, AGW_FAMILY_V4, &a), &b->legs[i % 2]);
	}
}

static void test_one_marking_serves_the_socket_others_travel_with_the_packet(void **state)
{
	struct bench *b = *state;
	struct gw_addr a = at("127.0.0.1", 0);
	int fd, tos = -1;
	socklen_t n = sizeof(tos);

	REQ("RTP-15");
	assert_int_equal(agw_udp_open(&fd, &a), GW_OK);
	agw_share_open(b->sh, 0, AGW_FAMILY_V4, fd);
	assert_int_equal(agw_share_mark(b->sh, 0, AGW_FAMILY_V4, 46), -1);
	assert_int_equal(getsockopt(fd, IPPROTO_IP, IP_TOS, &tos, &n), 0);
	assert_int_equal(tos, 46 << 2);
	assert_int_equal(agw_share_mark(b->sh, 0, AGW_FAMILY_V4, 34), 34);
	assert_int_equal(agw_share_mark(b->sh, 0, AGW_FAMILY_V4, -1), 0);
	assert_int_equal(agw_share_mark(b->sh, 0, AGW_FAMILY_V4, 46), -1);
	assert_int_equal(getsockopt(fd, IPPROTO_IP, IP_TOS, &tos, &n), 0);
	assert_int_equal(tos, 46 << 2);
	assert_ptr_equal(agw_share_sock(b->sh, 0)->stream, NULL);
	assert_null(agw_share_sock(b->sh, 1));
	(void)close(fd);
}

#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
	    T(test_a_check_finds_its_stream_by_the_local_ufrag_alone),
	    T(test_a_restart_keeps_the_ufrags_that_still_count),
	    T(test_addresses_are_told_apart_in_both_families_and_by_port),
	    T(test_an_address_in_use_is_not_taken_over),
	    T(test_a_leg_has_a_bounded_number_of_addresses),
	    T(test_one_marking_serves_the_socket_others_travel_with_the_packet),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
