/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Shared access ports: whose is a datagram? The tables alone, with legs whose ICE is real and
 * whose streams do not exist.
 */
#include "agw/ice/ice_int.h"
#include "agw/relay/share.h"
#include "agw/relay/stream_int.h"
#include "tests/lib/req.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <stun/usages/ice.h>

#include <cmocka.h>

#define LEGS 4
#define LATE (AGW_SHARE_FRESH_MS + 1000U)

struct bench {
	struct agw_share *sh;
	struct agw_names *names;
	struct agw_stream *streams[LEGS];
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
	static const struct agw_ice_cbs cbs = {.send = ice_send, .on_event = ice_event};
	struct bench *b = calloc(1, sizeof(*b));

	assert_non_null(b);
	assert_int_equal(agw_share_new(&b->sh, 0), GW_OK);
	assert_int_equal(agw_names_new(&b->names, 0), GW_OK);
	for (int i = 0; i < LEGS; i++) {
		struct agw_ice_cfg cfg = {.timeout_ms = 1000, .consent_timeout_ms = 30000};

		agw_ice_creds_new(&cfg.local);
		b->creds[i] = cfg.local;
		assert_int_equal(agw_ice_lite_new(&b->legs[i].ice, &cfg, &cbs, NULL), GW_OK);
		b->legs[i].share = calloc(1, sizeof(struct agw_share_nodes));
		assert_non_null(b->legs[i].share);
		b->streams[i] = calloc(1, sizeof(struct agw_stream));
		assert_non_null(b->streams[i]);
		b->legs[i].stream = b->streams[i];
		agw_names_enter(b->names, &b->legs[i]);
	}
	*state = b;
	return 0;
}

static int teardown(void **state)
{
	struct bench *b = *state;

	for (int i = 0; i < LEGS; i++) {
		agw_share_leave(b->sh, &b->legs[i]);
		agw_names_leave(b->names, &b->legs[i]);
		agw_ice_free(b->legs[i].ice);
		free(b->streams[i]);
		free(b->legs[i].share);
	}
	agw_share_free(b->sh);
	agw_names_free(b->names);
	free(b);
	return 0;
}

static struct agw_leg *by_ufrag(struct bench *b, const char *ufrag)
{
	return agw_names_find(b->names, (const uint8_t *)ufrag, strlen(ufrag));
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
	assert_null(agw_names_find(b->names, (const uint8_t *)other, 7));
}

static void test_a_restart_keeps_the_ufrags_that_still_count(void **state)
{
	struct bench *b = *state;
	struct agw_ice_creds second, third;

	REQ("ICE-17");
	agw_ice_creds_new(&second);
	agw_ice_creds_new(&third);
	agw_ice_restart(b->legs[0].ice, &second);
	agw_names_enter(b->names, &b->legs[0]);
	assert_ptr_equal(by_ufrag(b, b->creds[0].ufrag), &b->legs[0]);
	assert_ptr_equal(by_ufrag(b, second.ufrag), &b->legs[0]);
	agw_ice_restart(b->legs[0].ice, &third);
	agw_names_enter(b->names, &b->legs[0]);
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
	assert_true(agw_share_claim(b->sh, &b->legs[0], AGW_FAMILY_V4, &v4, true, 1));
	assert_true(agw_share_claim(b->sh, &b->legs[1], AGW_FAMILY_V4, &v4b, true, 1));
	assert_true(agw_share_claim(b->sh, &b->legs[2], AGW_FAMILY_V6, &v6, true, 1));
	assert_true(agw_share_claim(b->sh, &b->legs[0], AGW_FAMILY_V4, &v4, true, 2)); /* again */
	assert_ptr_equal(agw_share_by_source(b->sh, AGW_FAMILY_V4, &v4), &b->legs[0]);
	assert_ptr_equal(agw_share_by_source(b->sh, AGW_FAMILY_V4, &v4b), &b->legs[1]);
	assert_ptr_equal(agw_share_by_source(b->sh, AGW_FAMILY_V6, &v6), &b->legs[2]);
	assert_null(agw_share_by_source(b->sh, AGW_FAMILY_V6, &v6b));
	assert_null(agw_share_by_source(b->sh, AGW_FAMILY_COUNT + AGW_FAMILY_V4, &v4));
	agw_share_leave(b->sh, &b->legs[0]);
	agw_names_leave(b->names, &b->legs[0]);
	assert_null(agw_share_by_source(b->sh, AGW_FAMILY_V4, &v4));
	assert_null(by_ufrag(b, b->creds[0].ufrag));
	assert_ptr_equal(agw_share_by_source(b->sh, AGW_FAMILY_V4, &v4b), &b->legs[1]);
}

static bool claim(struct bench *b, int leg, const struct gw_addr *a, uint64_t now_ms)
{
	return agw_share_claim(b->sh, &b->legs[leg], AGW_FAMILY_V4, a, true, now_ms);
}

static void test_an_address_in_use_is_not_taken_over(void **state)
{
	struct bench *b = *state;
	struct gw_addr a = at("192.0.2.1", 5000);

	REQ("ICE-16", "ICE-29");
	assert_true(claim(b, 0, &a, 1000));
	/* a subscriber's own good check, with somebody else's address */
	assert_false(claim(b, 1, &a, 6000));
	assert_ptr_equal(agw_share_by_source(b->sh, AGW_FAMILY_V4, &a), &b->legs[0]);
	assert_true(claim(b, 0, &a, 6000)); /* the owner lives */
	assert_false(claim(b, 1, &a, 1000 + LATE));
	assert_ptr_equal(agw_share_by_source(b->sh, AGW_FAMILY_V4, &a), &b->legs[0]);
	/* gone without a word, and the NAT gave its address to another */
	assert_true(claim(b, 1, &a, 6000 + LATE));
	assert_ptr_equal(agw_share_by_source(b->sh, AGW_FAMILY_V4, &a), &b->legs[1]);
	agw_share_leave(b->sh, &b->legs[0]);
	assert_ptr_equal(agw_share_by_source(b->sh, AGW_FAMILY_V4, &a), &b->legs[1]);
}

/* What the leg's worker writes for each packet it could decrypt. */
static void hear_media(struct bench *b, int leg, const struct gw_addr *from, uint64_t now_ms)
{
	struct agw_ice *ice = b->legs[leg].ice;

	ice->pair = (struct agw_ice_pair){.local = AGW_FAMILY_V4, .remote = *from};
	ice->has_pair = ice->may_send = true;
	b->legs[leg].srtp = (struct agw_srtp_sess *)&b->sh; /* there is one; not looked into */
	atomic_store(&b->streams[leg]->counters.up.last_seen_ms, now_ms);
}

static void test_media_keeps_an_address_whose_checks_are_lost(void **state)
{
	struct bench *b = *state;
	struct gw_addr a = at("192.0.2.1", 5000), other = at("192.0.2.1", 6000);

	REQ("ICE-16");
	assert_true(claim(b, 0, &a, 1000));
	assert_true(claim(b, 0, &other, 1000));
	hear_media(b, 0, &a, 30000);
	assert_false(claim(b, 1, &a, 30000 + AGW_SHARE_FRESH_MS - 1));
	assert_true(claim(b, 1, &other, 30000)); /* not where its media comes from */
	assert_true(claim(b, 1, &a, 30000 + AGW_SHARE_FRESH_MS));
	/* checks of many addresses do not push out the one that media goes to */
	hear_media(b, 1, &a, 40000);
	for (uint16_t i = 0; i < 3 * AGW_SHARE_SOURCES; i++) {
		struct gw_addr more = at("192.0.2.2", (uint16_t)(5000 + i));

		assert_true(claim(b, 1, &more, 41000U + i));
	}
	assert_ptr_equal(agw_share_by_source(b->sh, AGW_FAMILY_V4, &a), &b->legs[1]);
}

static void test_an_address_let_go_is_its_own_until_another_comes(void **state)
{
	struct bench *b = *state;
	struct gw_addr a = at("192.0.2.1", 5000);

	REQ("ICE-16");
	assert_true(claim(b, 0, &a, 1000));
	agw_share_let_go(&b->legs[0]);
	assert_ptr_equal(agw_share_by_source(b->sh, AGW_FAMILY_V4, &a), &b->legs[0]);
	assert_true(claim(b, 1, &a, 1001));
	assert_false(claim(b, 0, &a, 1002));
	/* and a released stream leaves nothing behind */
	agw_share_leave(b->sh, &b->legs[1]);
	assert_true(claim(b, 0, &a, 1003));
}

static void test_an_address_only_told_is_whose_check_comes_from_there(void **state)
{
	struct bench *b = *state;
	struct gw_addr a = at("192.0.2.1", 5000);

	REQ("ICE-19", "ICE-16");
	assert_true(agw_share_claim(b->sh, &b->legs[0], AGW_FAMILY_V4, &a, false, 1000));
	assert_ptr_equal(agw_share_by_source(b->sh, AGW_FAMILY_V4, &a), &b->legs[0]);
	assert_true(claim(b, 1, &a, 1001));
	assert_false(agw_share_claim(b->sh, &b->legs[0], AGW_FAMILY_V4, &a, false, 1002));
	/* telling it again takes nothing from what was proven */
	assert_true(agw_share_claim(b->sh, &b->legs[1], AGW_FAMILY_V4, &a, false, 1003));
	assert_false(claim(b, 0, &a, 1001 + AGW_SHARE_FRESH_MS - 1));
}

static void test_a_leg_has_a_bounded_number_of_addresses(void **state)
{
	struct bench *b = *state;
	unsigned found = 0;

	REQ("ICE-16");
	for (uint16_t i = 0; i < 1000; i++) {
		struct gw_addr a = at("192.0.2.1", (uint16_t)(5000 + i));

		assert_true(claim(b, i % 2, &a, i + 1U));
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

static size_t make_check(uint8_t *buf, size_t n, const char *user)
{
	StunAgent agent;
	StunMessage msg;
	uint8_t pwd[] = "of no importance here, kept";

	stun_agent_init(&agent, (const uint16_t[]){0}, STUN_COMPATIBILITY_RFC5389,
			STUN_AGENT_USAGE_SHORT_TERM_CREDENTIALS | STUN_AGENT_USAGE_USE_FINGERPRINT);
	return stun_usage_ice_conncheck_create(&agent, &msg, buf, n, (const uint8_t *)user,
					       strlen(user), pwd, sizeof(pwd) - 1, true, true, 1, 2,
					       NULL, STUN_USAGE_ICE_COMPATIBILITY_RFC5245);
}

static void test_checks_for_nobody_are_kept_for_a_moment_and_not_too_many(void **state)
{
	struct bench *b = *state;
	struct gw_addr from[2] = {at("192.0.2.1", 5000), at("192.0.2.1", 5001)};
	struct agw_sock sock = {.port = 3};
	uint8_t check[600], foreign[600];
	struct agw_udp_pkt pkt = {.data = check, .from = &from[0]}, out;
	unsigned n = 0;

	REQ("ICE-10", "ICE-29");
	pkt.len = make_check(foreign, sizeof(foreign), "notofours:peer");
	pkt.data = foreign;
	assert_false(agw_share_keep(b->sh, &sock, &pkt)); /* no name that we give */
	assert_false(agw_share_has_kept(b->sh));
	pkt.len = make_check(check, sizeof(check), "ourslike:peer");
	pkt.data = check;
	while (n < 1000 && agw_share_keep(b->sh, &sock, &pkt))
		pkt.from = &from[++n % 2];
	assert_int_equal(n, 16);
	for (unsigned i = 0; i < n; i++) {
		assert_ptr_equal(agw_share_next_kept(b->sh, &out), &sock);
		assert_int_equal(out.len, pkt.len);
		assert_memory_equal(out.data, check, out.len);
		assert_true(gw_addr_eq(out.from, &from[i % 2]));
	}
	assert_null(agw_share_next_kept(b->sh, &out));
	assert_false(agw_share_has_kept(b->sh));
	assert_true(agw_share_keep(b->sh, &sock, &pkt)); /* there is room again */
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
	    T(test_media_keeps_an_address_whose_checks_are_lost),
	    T(test_an_address_let_go_is_its_own_until_another_comes),
	    T(test_an_address_only_told_is_whose_check_comes_from_there),
	    T(test_a_leg_has_a_bounded_number_of_addresses),
	    T(test_checks_for_nobody_are_kept_for_a_moment_and_not_too_many),
	    T(test_one_marking_serves_the_socket_others_travel_with_the_packet),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
