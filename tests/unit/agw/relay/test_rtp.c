/* SPDX-License-Identifier: Apache-2.0 */
/*
 * RTP header checks and header extensions, by table.
 */
#include "agw/relay/rtp.h"
#include "tests/lib/req.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* A copy of exactly that size, so that reading past the end is found. */
static enum gw_err parse(const uint8_t *p, size_t n, struct agw_rtp_view *v)
{
	uint8_t *copy = malloc(n > 0 ? n : 1);
	enum gw_err err;

	assert_non_null(copy);
	memcpy(copy, p, n);
	err = agw_rtp_parse(copy, n, v);
	free(copy);
	return err;
}

static void test_good_headers(void **state)
{
	const uint8_t plain[] = {0x80, 0xe0 | 8, 0x12, 0x34, 0, 0, 0, 1, 0xde, 0xad, 0xbe, 0xef, 9};
	const uint8_t full[] = {0xb1, 96, 0,    1,    0, 0, 0,    2, 0, 0, 0,   3,   0, 0,
				0,    4,  0xbe, 0xde, 0, 1, 0x10, 7, 0, 0, 'a', 'b', 0, 2};
	struct agw_rtp_view v;

	REQ("RTP-24", "RTP-11");
	(void)state;
	assert_int_equal(parse(plain, sizeof(plain), &v), GW_OK);
	assert_int_equal(v.pt, 0x68);
	assert_int_equal(v.seq, 0x1234);
	assert_int_equal(v.ts, 1);
	assert_int_equal(v.ssrc, 0xdeadbeef);
	assert_int_equal(v.fixed, 12);
	assert_int_equal(v.ext, 0);
	assert_int_equal(v.payload, 1);
	/* CSRC, extension, two octets of padding. */
	assert_int_equal(parse(full, sizeof(full), &v), GW_OK);
	assert_int_equal(v.fixed, 16);
	assert_int_equal(v.ext, 8);
	assert_int_equal(v.payload, 2);
	/* Empty payload is legal. */
	assert_int_equal(parse(plain, 12, &v), GW_OK);
	assert_int_equal(v.payload, 0);
}

static void test_bad_headers(void **state)
{
	uint8_t p[40];
	struct agw_rtp_view v;

	REQ("RTP-24");
	(void)state;
	memset(p, 0, sizeof(p));
	p[0] = 0x80;
	for (size_t n = 0; n < 12; n++)
		assert_int_equal(parse(p, n, &v), GW_ERR_PROTO);
	for (unsigned version = 0; version < 4; version++) {
		p[0] = (uint8_t)(version << 6);
		assert_int_equal(parse(p, 20, &v), version == 2 ? GW_OK : GW_ERR_PROTO);
	}
	p[0] = 0x8f; /* 15 CSRCs: 72 octets */
	assert_int_equal(parse(p, 40, &v), GW_ERR_PROTO);
	p[0] = 0x90; /* extension without its header, then longer than the packet */
	assert_int_equal(parse(p, 12, &v), GW_ERR_PROTO);
	assert_int_equal(parse(p, 15, &v), GW_ERR_PROTO);
	assert_int_equal(parse(p, 16, &v), GW_OK);
	p[15] = 1;
	assert_int_equal(parse(p, 19, &v), GW_ERR_PROTO);
	assert_int_equal(parse(p, 20, &v), GW_OK);
	p[14] = 0xff;
	assert_int_equal(parse(p, 40, &v), GW_ERR_PROTO);
	p[0] = 0xa0; /* padding: zero, or more than there is */
	p[19] = 0;
	assert_int_equal(parse(p, 20, &v), GW_ERR_PROTO);
	p[19] = 9;
	assert_int_equal(parse(p, 20, &v), GW_ERR_PROTO);
	p[19] = 8;
	assert_int_equal(parse(p, 20, &v), GW_OK);
	assert_int_equal(v.payload, 0);
}

static const struct agw_ext_map *only(unsigned from, unsigned to)
{
	static struct agw_ext_map map;

	map = (struct agw_ext_map){{0}};
	agw_ext_map_add(&map, from, to);
	return &map;
}

static void test_extensions_not_allowed_are_removed(void **state)
{
	const uint8_t in[] = {0x91, 8,    0,    1, 0, 0,    0, 2,    0, 0, 0, 3, 0, 0,   0,
			      4,    0xbe, 0xde, 0, 2, 0x10, 1, 0x21, 2, 3, 0, 0, 0, 'x', 'y'};
	_Alignas(4) uint8_t buf[64];
	struct agw_rtp_view v;
	struct agw_rtp_view after;
	size_t n = sizeof(in);
	uint8_t *p;

	REQ("RTP-12");
	(void)state;
	memcpy(buf, in, n);
	assert_int_equal(agw_rtp_parse(buf, n, &v), GW_OK);
	p = agw_rtp_filter_ext(buf, &n, &v, only(0, 0));
	assert_int_equal(n, sizeof(in) - 12);
	assert_int_equal((uintptr_t)p % 4, 0);
	assert_int_equal(agw_rtp_parse(p, n, &after), GW_OK);
	assert_int_equal(after.ext, 0);
	assert_int_equal(after.fixed, 16);
	assert_int_equal(after.ssrc, v.ssrc);
	assert_memory_equal(p + 12, "\0\0\0\4xy", 6);
	/* None of those allowed is there: the same. */
	n = sizeof(in);
	memcpy(buf, in, n);
	(void)agw_rtp_filter_ext(buf, &n, &v, only(5, 5));
	assert_int_equal(n, sizeof(in) - 12);
}

static void test_allowed_one_byte_extensions_stay_others_become_padding(void **state)
{
	const uint8_t in[] = {0x90, 8, 0, 1,    0, 0,    0, 2, 0, 0, 0, 3,   0xbe,
			      0xde, 0, 2, 0x10, 1, 0x21, 2, 3, 0, 0, 0, 'x', 'y'};
	const uint8_t want[] = {0, 0, 0x21, 2, 3, 0, 0, 0, 'x', 'y'};
	_Alignas(4) uint8_t buf[64];
	struct agw_rtp_view v;
	size_t n = sizeof(in);

	REQ("RTP-12");
	(void)state;
	memcpy(buf, in, n);
	assert_int_equal(agw_rtp_parse(buf, n, &v), GW_OK);
	assert_ptr_equal(agw_rtp_filter_ext(buf, &n, &v, only(2, 2)), buf);
	assert_int_equal(n, sizeof(in));
	assert_memory_equal(buf + 16, want, sizeof(want));
}

/* Each leg has its own numbers for the same extension. */
static void test_ids_become_those_of_the_other_leg(void **state)
{
	const uint8_t one[] = {0x90, 8,    0,    1, 0, 0,    0, 2, 0, 0,  0,
			       3,    0xbe, 0xde, 0, 1, 0x21, 9, 8, 0, 'x'};
	const uint8_t two[] = {0x90, 8,    0, 1, 0, 0, 0, 2, 0, 0,  0,
			       3,    0x10, 0, 0, 1, 2, 2, 9, 8, 'x'};
	_Alignas(4) uint8_t buf[64];
	struct agw_rtp_view v;
	size_t n = sizeof(one);

	REQ("RTP-12");
	(void)state;
	memcpy(buf, one, n);
	assert_int_equal(agw_rtp_parse(buf, n, &v), GW_OK);
	assert_ptr_equal(agw_rtp_filter_ext(buf, &n, &v, only(2, 13)), buf);
	assert_memory_equal(buf + 16, "\xd1\x09\x08\0x", 5);
	n = sizeof(two);
	memcpy(buf, two, n);
	assert_int_equal(agw_rtp_parse(buf, n, &v), GW_OK);
	assert_ptr_equal(agw_rtp_filter_ext(buf, &n, &v, only(2, 13)), buf);
	assert_memory_equal(buf + 16, "\x0d\x02\x09\x08x", 5);
}

static void test_two_byte_extensions_are_parsed(void **state)
{
	const uint8_t in[] = {0x90, 8, 0, 1, 0, 0, 0, 2, 0, 0, 0, 3,  0x10,
			      0x00, 0, 2, 3, 1, 7, 0, 4, 2, 8, 9, 'x'};
	const uint8_t want[] = {0, 0, 0, 0, 4, 2, 8, 9, 'x'};
	_Alignas(4) uint8_t buf[64];
	struct agw_rtp_view v;
	size_t n = sizeof(in);

	REQ("RTP-12");
	(void)state;
	memcpy(buf, in, n);
	assert_int_equal(agw_rtp_parse(buf, n, &v), GW_OK);
	assert_ptr_equal(agw_rtp_filter_ext(buf, &n, &v, only(4, 4)), buf);
	assert_memory_equal(buf + 16, want, sizeof(want));
}

static void test_elements_that_do_not_fit_are_not_let_through(void **state)
{
	/* Element 1 says 16 octets, three are there. */
	const uint8_t in[] = {0x90, 8,    0,    1, 0, 0,    0, 2, 0, 0,  0,
			      3,    0xbe, 0xde, 0, 1, 0x1f, 1, 2, 3, 'x'};
	_Alignas(4) uint8_t buf[64];
	struct agw_rtp_view v;
	size_t n = sizeof(in);

	REQ("RTP-12");
	(void)state;
	memcpy(buf, in, n);
	assert_int_equal(agw_rtp_parse(buf, n, &v), GW_OK);
	(void)agw_rtp_filter_ext(buf, &n, &v, only(1, 1));
	assert_int_equal(n, sizeof(in) - 8);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_good_headers),
	    cmocka_unit_test(test_bad_headers),
	    cmocka_unit_test(test_extensions_not_allowed_are_removed),
	    cmocka_unit_test(test_allowed_one_byte_extensions_stay_others_become_padding),
	    cmocka_unit_test(test_ids_become_those_of_the_other_leg),
	    cmocka_unit_test(test_two_byte_extensions_are_parsed),
	    cmocka_unit_test(test_elements_that_do_not_fit_are_not_let_through),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
