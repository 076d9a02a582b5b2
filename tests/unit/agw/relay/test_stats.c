/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Reception statistics: loss, reordering, roll-over, jitter, change of SSRC.
 */
#include "agw/relay/stats.h"
#include "tests/lib/req.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

static uint64_t lost(const struct agw_dir_counters *d)
{
	return atomic_load(&d->lost);
}

static void test_loss_is_what_the_sequence_says_is_missing(void **state)
{
	struct agw_reception r = {0};
	struct agw_dir_counters d = {0};
	static const uint16_t seqs[] = {65533, 65534, 0, 3, 1};

	REQ("RTP-26");
	(void)state;
	for (unsigned i = 0; i < sizeof(seqs) / sizeof(seqs[0]); i++)
		assert_false(agw_reception_update(&r, &d, 7, seqs[i], 0, 0, 0));
	/* 65533 … 65539 are seven, five came: 65535 and 2 are missing. */
	assert_int_equal(lost(&d), 2);
	/* Doubles do not make it negative. */
	for (int i = 0; i < 10; i++)
		assert_false(agw_reception_update(&r, &d, 7, 3, 0, 0, 0));
	assert_int_equal(lost(&d), 0);
}

static void test_the_first_packet_taken_in_is_timed_once(void **state)
{
	struct agw_reception r = {0};
	struct agw_dir_counters d = {0};

	(void)state;
	assert_int_equal(atomic_load(&d.first_in_ms), 0);
	(void)agw_reception_update(&r, &d, 7, 1, 0, 8000, 5000000);
	(void)agw_reception_update(&r, &d, 7, 2, 0, 8000, 6000000);
	(void)agw_reception_update(&r, &d, 8, 1, 0, 8000, 7000000); /* another SSRC */
	assert_int_equal(atomic_load(&d.first_in_ms), 5000);
}

static void test_an_even_stream_has_no_jitter_an_uneven_one_has(void **state)
{
	struct agw_reception r = {0};
	struct agw_dir_counters d = {0};

	REQ("RTP-26");
	(void)state;
	for (unsigned i = 0; i < 500; i++)
		(void)agw_reception_update(&r, &d, 7, (uint16_t)i, 160 * i, 8000,
					   1000000 + 20000 * (uint64_t)i);
	assert_int_equal(atomic_load(&d.jitter), 0);
	/* Every other packet 10 ms (80 units) late: |D| is 80 each time, and J tends to it. */
	for (unsigned i = 500; i < 1500; i++)
		(void)agw_reception_update(&r, &d, 7, (uint16_t)i, 160 * i, 8000,
					   1000000 + 20000 * (uint64_t)i + 10000 * (i & 1));
	assert_in_range(atomic_load(&d.jitter), 78, 80);
}

static void test_a_new_ssrc_starts_anew_and_is_told(void **state)
{
	struct agw_reception r = {0};
	struct agw_dir_counters d = {0};

	REQ("RTP-26");
	(void)state;
	assert_false(agw_reception_update(&r, &d, 7, 1, 0, 0, 0));
	assert_false(agw_reception_update(&r, &d, 7, 100, 0, 0, 0));
	assert_int_equal(lost(&d), 98);
	assert_true(agw_reception_update(&r, &d, 8, 5000, 0, 0, 0));
	assert_int_equal(atomic_load(&d.ssrc), 8);
	/* What is reported of it to its sender is its own. */
	assert_int_equal(r.received, 1);
	assert_int_equal(r.base_seq, 5000);
}

/* A transfer, an announcement: another sender, the same stream and the same listener. */
static void test_loss_is_the_sum_over_the_senders(void **state)
{
	struct agw_reception r = {0};
	struct agw_dir_counters d = {0};

	REQ("RTP-26");
	(void)state;
	(void)agw_reception_update(&r, &d, 7, 1, 0, 0, 0);
	(void)agw_reception_update(&r, &d, 7, 5, 0, 0, 0); /* 2, 3, 4 */
	assert_int_equal(lost(&d), 3);
	assert_true(agw_reception_update(&r, &d, 8, 60000, 0, 0, 0));
	assert_int_equal(lost(&d), 3);
	(void)agw_reception_update(&r, &d, 8, 60003, 0, 0, 0); /* two */
	assert_int_equal(lost(&d), 5);
	/* One of them is only late; a double makes up for nothing of the sender before. */
	(void)agw_reception_update(&r, &d, 8, 60001, 0, 0, 0);
	assert_int_equal(lost(&d), 4);
	for (int i = 0; i < 9; i++)
		(void)agw_reception_update(&r, &d, 8, 60003, 0, 0, 0);
	assert_int_equal(lost(&d), 3);
	/* The first one again: what it sent meanwhile to others is no loss. */
	assert_true(agw_reception_update(&r, &d, 7, 900, 0, 0, 0));
	(void)agw_reception_update(&r, &d, 7, 902, 0, 0, 0);
	assert_int_equal(lost(&d), 4);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_loss_is_what_the_sequence_says_is_missing),
	    cmocka_unit_test(test_the_first_packet_taken_in_is_timed_once),
	    cmocka_unit_test(test_an_even_stream_has_no_jitter_an_uneven_one_has),
	    cmocka_unit_test(test_a_new_ssrc_starts_anew_and_is_told),
	    cmocka_unit_test(test_loss_is_the_sum_over_the_senders),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
