/* SPDX-License-Identifier: Apache-2.0 */
/*
 * rtp.ssrc_mode rewrite: what the WIC hears while senders of the core change.
 */
#include "agw/relay/rewrite.h"
#include "tests/lib/req.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define A     0xaaaa0001U
#define B     0xbbbb0002U
#define WIC   0x11111111U
#define CLOCK 8000U
#define FRAME 160U

struct bench {
	struct agw_rewrite w;
	struct agw_rewritten last;
	uint64_t now_us;
	uint16_t seq;
	uint32_t ts;
};

static int setup(void **state)
{
	struct bench *b = calloc(1, sizeof(*b));

	assert_non_null(b);
	b->now_us = 5000000;
	*state = b;
	return 0;
}

static int teardown(void **state)
{
	free(*state);
	return 0;
}

static enum agw_ssrc_verdict rtp(struct bench *b, uint32_t ssrc, uint16_t seq, uint32_t ts)
{
	const struct agw_rtp_view v = {.ssrc = ssrc, .seq = seq, .ts = ts, .payload = FRAME};
	enum agw_ssrc_verdict verdict = agw_rewrite_rtp(&b->w, &v, CLOCK, WIC, b->now_us, &b->last);

	b->now_us += 20000;
	return verdict;
}

/* One that goes on by one and by a frame from the last that was heard. */
static void goes_on(struct bench *b, uint32_t ssrc, uint16_t seq, uint32_t ts, bool mark)
{
	enum agw_ssrc_verdict v = rtp(b, ssrc, seq, ts);

	assert_int_equal(v, mark ? AGW_SSRC_RENEWED : AGW_SSRC_PASS);
	b->seq++;
	b->ts += FRAME;
	assert_int_equal(b->last.seq, b->seq);
	assert_int_equal(b->last.ts, b->ts);
	assert_int_equal(b->last.mark, mark);
}

static void begin(struct bench *b, uint32_t ssrc, uint16_t seq, uint32_t ts)
{
	assert_int_equal(rtp(b, ssrc, seq, ts), AGW_SSRC_PASS);
	assert_int_not_equal(b->w.out, 0);
	assert_int_not_equal(b->w.out, WIC);
	assert_true(b->last.seq < 0x8000);
	assert_false(b->last.mark);
	b->seq = b->last.seq;
	b->ts = b->last.ts;
}

static void test_one_sender_goes_on_over_its_roll_over(void **state)
{
	struct bench *b = *state;
	uint32_t ssrc;

	REQ("RTP-09");
	begin(b, A, 65000, 4294967000U);
	ssrc = b->w.out;
	for (unsigned i = 1; i < 70000; i++)
		goes_on(b, A, (uint16_t)(65000 + i), 4294967000U + i * FRAME, false);
	assert_int_equal(b->w.out, ssrc);
}

static void test_a_gap_stays_a_gap_and_late_ones_take_their_place(void **state)
{
	struct bench *b = *state;

	REQ("RTP-09");
	begin(b, A, 100, 1000);
	assert_int_equal(rtp(b, A, 105, 1000 + 5 * FRAME), AGW_SSRC_PASS);
	assert_int_equal(b->last.seq, b->seq + 5);
	assert_int_equal(rtp(b, A, 102, 1000 + 2 * FRAME), AGW_SSRC_PASS);
	assert_int_equal(b->last.seq, b->seq + 2);
	assert_int_equal(b->last.ts, b->ts + 2 * FRAME);
	/* what would be of before the beginning has no place */
	assert_int_equal(rtp(b, A, 99, 1000 - FRAME), AGW_SSRC_HOLD);
}

static void test_repeats_in_a_row_are_no_new_beginning(void **state)
{
	struct bench *b = *state;

	REQ("RTP-09", "SRTP-09");
	begin(b, A, 100, 1000);
	for (unsigned i = 1; i < 400; i++)
		goes_on(b, A, (uint16_t)(100 + i), 1000 + i * FRAME, false);
	for (unsigned i = 10; i < 200; i++)
		assert_int_equal(rtp(b, A, (uint16_t)(100 + i), 1000 + i * FRAME), AGW_SSRC_HOLD);
	goes_on(b, A, 500, 1000 + 400 * FRAME, false);
}

static void test_a_change_of_source_goes_on_at_once(void **state)
{
	struct bench *b = *state;
	uint32_t ssrc;

	REQ("RTP-09", "SRTP-09");
	begin(b, A, 50000, 777);
	ssrc = b->w.out;
	goes_on(b, A, 50001, 777 + FRAME, false);
	agw_rewrite_new_source(&b->w); /* a transfer: another SSRC */
	goes_on(b, B, 7, 90, true);
	goes_on(b, B, 8, 90 + FRAME, false);
	agw_rewrite_new_source(&b->w); /* another one with the same SSRC, far back */
	goes_on(b, B, 60000, 4000000000U, true);
	goes_on(b, B, 60001, 4000000000U + FRAME, false);
	agw_rewrite_new_source(&b->w); /* a number that would fit, and a clock that does not */
	goes_on(b, B, 60002, 17, true);
	agw_rewrite_new_source(&b->w); /* it only moved: nothing of it changes */
	goes_on(b, B, 60003, 17 + FRAME, false);
	agw_rewrite_new_source(&b->w); /* and back to the first */
	goes_on(b, A, 50002, 777 + 2 * FRAME, true);
	assert_int_equal(b->w.out, ssrc);
}

static void test_the_clock_goes_on_while_nobody_speaks(void **state)
{
	struct bench *b = *state;

	REQ("RTP-09");
	begin(b, A, 1, 0);
	b->now_us += 3000000; /* an announcement begins three seconds later */
	agw_rewrite_new_source(&b->w);
	assert_int_equal(rtp(b, B, 9, 12345), AGW_SSRC_RENEWED);
	assert_int_equal(b->last.seq, b->seq + 1);
	assert_int_equal(b->last.ts, b->ts + FRAME + 3 * CLOCK);
}

static void test_another_ssrc_of_the_same_source_follows_a_silent_one(void **state)
{
	struct bench *b = *state;

	REQ("RTP-09", "RTP-10");
	begin(b, A, 1, 0);
	assert_int_equal(rtp(b, B, 500, 0), AGW_SSRC_FULL);
	assert_int_equal(rtp(b, B, 501, FRAME), AGW_SSRC_FULL); /* A spoke 40 ms ago */
	assert_int_equal(rtp(b, B, 502, 2 * FRAME), AGW_SSRC_RENEWED);
	assert_int_equal(b->last.seq, b->seq + 1);
	assert_int_equal(b->last.ts, b->ts + 3 * FRAME);
}

static void test_of_two_that_speak_at_once_the_first_is_heard(void **state)
{
	struct bench *b = *state;

	REQ("RTP-10");
	begin(b, A, 1, 0);
	for (uint16_t i = 1; i < 100; i++) {
		assert_int_equal(rtp(b, B, (uint16_t)(500 + i), i * FRAME), AGW_SSRC_FULL);
		assert_int_equal(rtp(b, A, (uint16_t)(1 + i), i * FRAME), AGW_SSRC_PASS);
		assert_int_equal(b->last.seq, (uint16_t)(b->seq + i));
	}
}

static void test_one_stray_number_is_held_two_in_a_row_are_joined_on(void **state)
{
	struct bench *b = *state;

	REQ("RTP-09", "SRTP-09");
	begin(b, A, 30000, 0);
	assert_int_equal(rtp(b, A, 5, 50), AGW_SSRC_HOLD);
	assert_int_equal(rtp(b, A, 30001, FRAME), AGW_SSRC_PASS);
	assert_int_equal(b->last.seq, b->seq + 1);
	assert_int_equal(rtp(b, A, 5, 50), AGW_SSRC_HOLD);
	assert_int_equal(rtp(b, A, 6, 50 + FRAME), AGW_SSRC_RENEWED);
	assert_int_equal(b->last.seq, b->seq + 2);
	assert_int_equal(b->last.ts, b->ts + 4 * FRAME - FRAME);
}

/* Whatever senders do, no sequence number is given twice to two packets but a doubled one. */
static void test_no_index_is_ever_used_for_two_packets(void **state)
{
	struct bench *b = *state;
	uint32_t max = 0, seed = 1;
	bool first = true;

	REQ("SRTP-09");
	for (unsigned i = 0; i < 200000; i++) {
		uint32_t ssrc;
		uint16_t seq;

		seed = seed * 1103515245 + 12345;
		ssrc = (seed >> 20) % 50 == 0 ? B : A;
		seq = (seed >> 8) % 97 == 0 ? (uint16_t)(seed >> 16) : (uint16_t)i;
		if ((seed >> 12) % 113 == 0)
			agw_rewrite_new_source(&b->w);
		if (rtp(b, ssrc, seq, i * FRAME) > AGW_SSRC_RENEWED)
			continue;
		/* within a window that SRTP judges: never behind it */
		if (first)
			max = b->last.seq;
		first = false;
		if ((int16_t)(uint16_t)(b->last.seq - (uint16_t)max) > 0)
			max += (uint16_t)(b->last.seq - (uint16_t)max);
		else
			assert_true((uint16_t)((uint16_t)max - b->last.seq) <= 100);
		if (b->last.mark)
			assert_int_equal(b->last.seq, (uint16_t)max);
	}
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
	    T(test_one_sender_goes_on_over_its_roll_over),
	    T(test_a_gap_stays_a_gap_and_late_ones_take_their_place),
	    T(test_repeats_in_a_row_are_no_new_beginning),
	    T(test_a_change_of_source_goes_on_at_once),
	    T(test_the_clock_goes_on_while_nobody_speaks),
	    T(test_another_ssrc_of_the_same_source_follows_a_silent_one),
	    T(test_of_two_that_speak_at_once_the_first_is_heard),
	    T(test_one_stray_number_is_held_two_in_a_row_are_joined_on),
	    T(test_no_index_is_ever_used_for_two_packets),
	};
#undef T

	return cmocka_run_group_tests(tests, NULL, NULL);
}
