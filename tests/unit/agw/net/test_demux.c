/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Demultiplexer: every first octet, and the RTCP range of the second.
 */
#include "agw/net/demux.h"
#include "tests/lib/req.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

static enum agw_proto expected(unsigned first, unsigned second)
{
	if (first <= 3)
		return AGW_PROTO_STUN;
	if (first >= 20 && first <= 63)
		return AGW_PROTO_DTLS;
	if (first >= 128 && first <= 191)
		return second >= 192 && second <= 223 ? AGW_PROTO_RTCP : AGW_PROTO_RTP;
	return AGW_PROTO_OTHER; /* 4..15, ZRTP 16..19, TURN 64..79, the rest */
}

static void test_every_first_and_second_octet(void **state)
{
	REQ("RTP-01");
	(void)state;
	for (unsigned first = 0; first < 256; first++) {
		for (unsigned second = 0; second < 256; second++) {
			const uint8_t p[] = {(uint8_t)first, (uint8_t)second};

			assert_int_equal(agw_demux(p, sizeof(p)), expected(first, second));
		}
	}
}

static void test_a_datagram_too_short_to_tell_is_nothing(void **state)
{
	const uint8_t p[] = {0x80, 200};

	REQ("RTP-01");
	(void)state;
	assert_int_equal(agw_demux(p, 0), AGW_PROTO_OTHER);
	assert_int_equal(agw_demux(p, 1), AGW_PROTO_OTHER);
	assert_int_equal(agw_demux(p, 2), AGW_PROTO_RTCP);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_every_first_and_second_octet),
	    cmocka_unit_test(test_a_datagram_too_short_to_tell_is_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
