/* SPDX-License-Identifier: Apache-2.0 */
/* RFC 4571 framing: any cut of the octets gives the same packets. */
#include "agw/net/framing.h"
#include "tests/lib/req.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#define STREAM_MAX 200000

static uint8_t octets[STREAM_MAX];
static size_t n_octets;

static void put(size_t len, uint8_t first)
{
	octets[n_octets++] = (uint8_t)(len >> 8);
	octets[n_octets++] = (uint8_t)len;
	for (size_t i = 0; i < len; i++)
		octets[n_octets++] = (uint8_t)(first + i);
}

static void make_stream(void)
{
	n_octets = 0;
	put(1, 3);
	put(0, 0);
	put(AGW_UDP_MTU, 5);
	put(AGW_UDP_MTU + 1, 7); /* passed over */
	put(UINT16_MAX, 9);      /* passed over */
	put(AGW_UDP_MTU, 11);
	put(20, 13);
}

struct seen {
	unsigned packets, too_big;
	size_t octets;
	uint8_t first[8];
};

static void feed(struct agw_framing *f, const uint8_t *p, size_t n, struct seen *s)
{
	while (n > 0) {
		size_t room, len;
		uint8_t *at = agw_framing_room(f, &room);
		const uint8_t *data;
		enum agw_frame got;

		assert_true(room >= AGW_UDP_MTU);
		room = n < room ? n : room;
		memcpy(at, p, room);
		agw_framing_add(f, room);
		p += room;
		n -= room;
		while ((got = agw_framing_next(f, &data, &len)) != AGW_FRAME_NONE) {
			if (got == AGW_FRAME_TOO_BIG) {
				s->too_big++;
				continue;
			}
			for (size_t i = 0; i < len; i++)
				assert_int_equal(data[i], (uint8_t)(data[0] + i));
			s->first[s->packets++] = data[0];
			s->octets += len;
		}
	}
}

static void test_every_cut_gives_the_same_packets(void **state)
{
	(void)state;
	REQ("ICE-26");
	make_stream();
	for (size_t piece = 1; piece < 5000; piece = piece * 3 / 2 + 1) {
		struct agw_framing f = {.skip = 0};
		struct seen s = {.packets = 0};

		for (size_t at = 0; at < n_octets; at += piece)
			feed(&f, octets + at, n_octets - at < piece ? n_octets - at : piece, &s);
		assert_int_equal(s.packets, 4);
		assert_int_equal(s.too_big, 2);
		assert_int_equal(s.octets, 1 + 2 * AGW_UDP_MTU + 20);
		assert_memory_equal(s.first, ((uint8_t[]){3, 5, 11, 13}), 4);
	}
}

static void test_a_packet_given_back_is_taken_again(void **state)
{
	struct agw_framing f = {.skip = 0};
	const uint8_t *data;
	size_t room, len;

	(void)state;
	REQ("ICE-26");
	n_octets = 0;
	put(20, 1);
	put(30, 2);
	memcpy(agw_framing_room(&f, &room), octets, n_octets);
	agw_framing_add(&f, n_octets);
	assert_int_equal(agw_framing_next(&f, &data, &len), AGW_FRAME_PACKET);
	agw_framing_back(&f, len);
	assert_int_equal(agw_framing_next(&f, &data, &len), AGW_FRAME_PACKET);
	assert_int_equal(len, 20);
	assert_int_equal(agw_framing_next(&f, &data, &len), AGW_FRAME_PACKET);
	assert_int_equal(len, 30);
	assert_int_equal(agw_framing_next(&f, &data, &len), AGW_FRAME_NONE);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_every_cut_gives_the_same_packets),
	    cmocka_unit_test(test_a_packet_given_back_is_taken_again),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
