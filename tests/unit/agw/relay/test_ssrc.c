/* SPDX-License-Identifier: Apache-2.0 */
/*
 * SSRC guard: what a sender of the core may do before it gets another SSRC towards the WIC.
 */
#include "agw/relay/ssrc.h"
#include "tests/lib/req.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#define IN 0xabcd0001U

static enum agw_ssrc_verdict rtp(struct agw_ssrc_table *t, uint16_t seq, uint32_t *out)
{
	return agw_ssrc_rtp(t, IN, seq, 0, 1, out);
}

static void test_an_orderly_sender_keeps_its_ssrc_over_the_roll_over(void **state)
{
	struct agw_ssrc_table t = {0};
	uint32_t out = 0;

	REQ("RTP-09");
	(void)state;
	for (unsigned i = 0; i < 200000; i += 1 + i % 5) {
		assert_int_equal(rtp(&t, (uint16_t)(60000 + i), &out), AGW_SSRC_PASS);
		assert_int_equal(out, IN);
	}
	assert_false(t.has_forgotten);
}

static void test_reordered_and_doubled_packets_pass(void **state)
{
	static const uint16_t seqs[] = {100, 103, 101, 102, 102, 104, 4, 105, 3105, 3010};
	struct agw_ssrc_table t = {0};
	uint32_t out = 0;

	REQ("RTP-09", "SRTP-09");
	(void)state;
	for (unsigned i = 0; i < sizeof(seqs) / sizeof(seqs[0]); i++) {
		assert_int_equal(rtp(&t, seqs[i], &out), AGW_SSRC_PASS);
		assert_int_equal(out, IN);
	}
}

static enum agw_ssrc_verdict other(struct agw_ssrc_table *t, uint16_t seq, uint32_t *out)
{
	return agw_ssrc_rtp(t, IN, seq, 0x40000000U, 1, out);
}

static void jump(uint16_t to)
{
	struct agw_ssrc_table t = {0};
	uint32_t out = 0;
	uint32_t renewed = 0;

	assert_int_equal(rtp(&t, 10000, &out), AGW_SSRC_PASS);
	/* One stray packet changes nothing … */
	assert_int_equal(other(&t, to, &out), AGW_SSRC_HOLD);
	assert_int_equal(rtp(&t, 10001, &out), AGW_SSRC_PASS);
	assert_int_equal(out, IN);
	/* … two in a row are a new beginning. */
	assert_int_equal(other(&t, to, &out), AGW_SSRC_HOLD);
	assert_int_equal(other(&t, (uint16_t)(to + 1), &renewed), AGW_SSRC_RENEWED);
	assert_int_not_equal(renewed, IN);
	assert_true(t.has_forgotten);
	assert_int_equal(t.forgotten, IN);
	assert_int_equal(other(&t, (uint16_t)(to + 2), &out), AGW_SSRC_PASS);
	assert_int_equal(out, renewed);
	assert_int_equal(agw_ssrc_back(&t, renewed), IN);
}

static void test_a_jump_back_or_far_ahead_gets_a_new_ssrc(void **state)
{
	REQ("SRTP-09", "RTP-09");
	(void)state;
	jump(9800);
	jump(9000);
	jump(1);
	jump(13500);
	jump(50000);
	jump(10000 + 32768);
}

/* A core that knows nothing of the gateway's repairs sends again what the WIC asked for. */
static void test_repeats_in_a_row_are_no_new_beginning(void **state)
{
	struct agw_ssrc_table t = {0};
	uint32_t out = 0;

	REQ("RTP-09", "SRTP-09");
	(void)state;
	for (uint16_t seq = 10000; seq < 10600; seq++)
		assert_int_equal(agw_ssrc_rtp(&t, IN, seq, seq * 300U, 1, &out), AGW_SSRC_PASS);
	for (uint16_t seq = 10000; seq < 10490; seq++)
		assert_int_equal(agw_ssrc_rtp(&t, IN, seq, seq * 300U, 1, &out), AGW_SSRC_HOLD);
	assert_int_equal(agw_ssrc_rtp(&t, IN, 10500, 10500 * 300U, 1, &out), AGW_SSRC_PASS);
	assert_int_equal(agw_ssrc_rtp(&t, IN, 10600, 10600 * 300U, 1, &out), AGW_SSRC_PASS);
	assert_int_equal(out, IN);
	assert_false(t.mapped);
}

static void test_after_a_change_of_source_continuity_is_not_assumed(void **state)
{
	struct agw_ssrc_table t = {0};
	uint32_t out = 0;

	REQ("SRTP-09", "RTP-09");
	(void)state;
	assert_int_equal(rtp(&t, 10000, &out), AGW_SSRC_PASS);
	agw_ssrc_new_source(&t);
	assert_int_equal(rtp(&t, 9999, &out), AGW_SSRC_RENEWED); /* would pass as late otherwise */
	assert_int_not_equal(out, IN);
	/* Going on where the old one stopped uses no index twice: it may. */
	agw_ssrc_new_source(&t);
	assert_int_equal(rtp(&t, 10000, &out), AGW_SSRC_PASS);
}

static void test_newcomers_take_the_place_of_idle_ones_under_an_ssrc_of_ours(void **state)
{
	struct agw_ssrc_table t = {0};
	uint32_t out = 0;

	REQ("RTP-10", "SRTP-09");
	(void)state;
	for (uint32_t i = 0; i < AGW_SSRC_MAX; i++) {
		assert_int_equal(agw_ssrc_rtp(&t, 100 + i, 1, 0, 1000 + i, &out), AGW_SSRC_PASS);
		assert_int_equal(out, 100 + i);
	}
	assert_int_equal(agw_ssrc_rtp(&t, 200, 1, 0, 1500, &out), AGW_SSRC_FULL);
	assert_false(t.has_forgotten);
	assert_int_equal(agw_ssrc_rtp(&t, 200, 1, 0, 3000, &out), AGW_SSRC_PASS);
	assert_int_not_equal(out, 200);
	assert_true(t.has_forgotten);
	assert_int_equal(t.forgotten, 100);
	/* The forgotten one comes back: never again under the SSRC whose indexes it used. */
	assert_int_equal(agw_ssrc_rtp(&t, 100, 1, 0, 5000, &out), AGW_SSRC_PASS);
	assert_int_not_equal(out, 100);
	agw_ssrc_reset(&t);
	assert_int_equal(agw_ssrc_rtp(&t, 100, 1, 0, 6000, &out), AGW_SSRC_PASS);
	assert_int_equal(out, 100);
}

static void test_a_receiver_seen_in_rtcp_first_may_start_anywhere(void **state)
{
	struct agw_ssrc_table t = {0};
	uint32_t out = 0;

	REQ("RTP-09");
	(void)state;
	assert_true(agw_ssrc_rtcp(&t, IN, 1, &out));
	assert_int_equal(out, IN);
	assert_int_equal(rtp(&t, 40000, &out), AGW_SSRC_PASS);
	assert_int_equal(out, IN);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_an_orderly_sender_keeps_its_ssrc_over_the_roll_over),
	    cmocka_unit_test(test_reordered_and_doubled_packets_pass),
	    cmocka_unit_test(test_a_jump_back_or_far_ahead_gets_a_new_ssrc),
	    cmocka_unit_test(test_repeats_in_a_row_are_no_new_beginning),
	    cmocka_unit_test(test_after_a_change_of_source_continuity_is_not_assumed),
	    cmocka_unit_test(test_newcomers_take_the_place_of_idle_ones_under_an_ssrc_of_ours),
	    cmocka_unit_test(test_a_receiver_seen_in_rtcp_first_may_start_anywhere),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
