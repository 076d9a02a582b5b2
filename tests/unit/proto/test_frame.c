/* SPDX-License-Identifier: Apache-2.0 */
/* Framing of the Iq channel: good streams, bad lengths, any cut of the octets. */
#include "proto/frame.h"
#include "tests/lib/req.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static struct iq_frame_reader *reader(void)
{
	struct iq_frame_reader *r = NULL;

	assert_int_equal(iq_frame_reader_new(&r), GW_OK);
	return r;
}

static void expect_frame(struct iq_frame_reader *r, const char *text)
{
	const uint8_t *p = NULL;
	size_t n = 0;

	assert_int_equal(iq_frame_next(r, &p, &n), GW_OK);
	assert_int_equal(n, strlen(text));
	assert_memory_equal(p, text, n);
}

static void expect_none(struct iq_frame_reader *r)
{
	const uint8_t *p = NULL;
	size_t n = 0;

	assert_int_equal(iq_frame_next(r, &p, &n), GW_ERR_AGAIN);
}

static const uint8_t three[] = "\0\0\0\1a\0\0\0\3bcd\0\0\0\2ef";
#define THREE_LEN (sizeof(three) - 1)

static void test_frames_in_one_feed_come_out_in_order(void **state)
{
	struct iq_frame_reader *r = reader();

	(void)state;
	REQ("IQ-17");
	assert_int_equal(iq_frame_feed(r, three, THREE_LEN), GW_OK);
	expect_frame(r, "a");
	expect_frame(r, "bcd");
	expect_frame(r, "ef");
	expect_none(r);
	iq_frame_reader_free(r);
}

static void test_frames_fed_one_octet_at_a_time(void **state)
{
	static const char *const want[] = {"a", "bcd", "ef"};
	static const size_t ends[] = {5, 12, 18};
	struct iq_frame_reader *r = reader();
	size_t got = 0;

	(void)state;
	REQ("IQ-17");
	for (size_t i = 0; i < THREE_LEN; i++) {
		assert_int_equal(iq_frame_feed(r, three + i, 1), GW_OK);
		if (i + 1 == ends[got])
			expect_frame(r, want[got++]);
		expect_none(r);
	}
	assert_int_equal(got, 3);
	iq_frame_reader_free(r);
}

static void test_frames_cut_anywhere(void **state)
{
	(void)state;
	for (size_t cut = 0; cut <= THREE_LEN; cut++) {
		struct iq_frame_reader *r = reader();
		const uint8_t *p = NULL;
		size_t count = 0;
		size_t n = 0;

		assert_int_equal(iq_frame_feed(r, three, cut), GW_OK);
		while (iq_frame_next(r, &p, &n) == GW_OK)
			count++;
		assert_int_equal(iq_frame_feed(r, three + cut, THREE_LEN - cut), GW_OK);
		while (iq_frame_next(r, &p, &n) == GW_OK)
			count++;
		assert_int_equal(count, 3);
		iq_frame_reader_free(r);
	}
}

static void test_length_zero_breaks_the_stream_for_good(void **state)
{
	struct iq_frame_reader *r = reader();
	const uint8_t *p = NULL;
	size_t n = 0;

	(void)state;
	REQ("IQ-17");
	assert_int_equal(iq_frame_feed(r, "\0\0\0\0", 4), GW_ERR_PROTO);
	assert_int_equal(iq_frame_next(r, &p, &n), GW_ERR_PROTO);
	assert_int_equal(iq_frame_feed(r, three, THREE_LEN), GW_ERR_PROTO);
	assert_int_equal(iq_frame_next(r, &p, &n), GW_ERR_PROTO);
	iq_frame_reader_free(r);
}

static void test_largest_frame_passes_and_one_more_does_not(void **state)
{
	struct iq_frame_reader *r = reader();
	uint8_t *big = calloc(1, IQ_FRAME_MAX + IQ_FRAME_HEADER);
	uint8_t header[IQ_FRAME_HEADER];
	const uint8_t *p = NULL;
	size_t n = 0;

	(void)state;
	REQ("IQ-17");
	assert_non_null(big);
	assert_int_equal(iq_frame_header(big, IQ_FRAME_MAX), GW_OK);
	assert_int_equal(iq_frame_feed(r, big, IQ_FRAME_MAX + IQ_FRAME_HEADER), GW_OK);
	assert_int_equal(iq_frame_next(r, &p, &n), GW_OK);
	assert_int_equal(n, IQ_FRAME_MAX);

	assert_int_equal(iq_frame_header(header, IQ_FRAME_MAX + 1), GW_ERR_TOO_BIG);
	assert_int_equal(iq_frame_header(header, 0), GW_ERR_INVAL);
	/* refused from the header alone, before a megabyte is waited for */
	assert_int_equal(iq_frame_feed(r, "\0\x10\0\1", 4), GW_ERR_TOO_BIG);
	assert_int_equal(iq_frame_next(r, &p, &n), GW_ERR_TOO_BIG);
	free(big);
	iq_frame_reader_free(r);
}

static void test_bad_length_behind_a_good_frame_is_found(void **state)
{
	struct iq_frame_reader *r = reader();

	(void)state;
	assert_int_equal(iq_frame_feed(r, "\0\0\0\1a\xff\xff\xff\xff", 9), GW_ERR_TOO_BIG);
	iq_frame_reader_free(r);
}

static void test_header_and_reader_agree(void **state)
{
	static const size_t sizes[] = {1, 255, 256, 65535, 65536, IQ_FRAME_MAX};

	(void)state;
	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		struct iq_frame_reader *r = reader();
		uint8_t header[IQ_FRAME_HEADER];
		uint8_t *payload = calloc(1, sizes[i]);
		const uint8_t *p = NULL;
		size_t n = 0;

		assert_non_null(payload);
		assert_int_equal(iq_frame_header(header, sizes[i]), GW_OK);
		assert_int_equal(iq_frame_feed(r, header, sizeof(header)), GW_OK);
		assert_int_equal(iq_frame_feed(r, payload, sizes[i]), GW_OK);
		assert_int_equal(iq_frame_next(r, &p, &n), GW_OK);
		assert_int_equal(n, sizes[i]);
		free(payload);
		iq_frame_reader_free(r);
	}
	iq_frame_reader_free(NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_frames_in_one_feed_come_out_in_order),
	    cmocka_unit_test(test_frames_fed_one_octet_at_a_time),
	    cmocka_unit_test(test_frames_cut_anywhere),
	    cmocka_unit_test(test_length_zero_breaks_the_stream_for_good),
	    cmocka_unit_test(test_largest_frame_passes_and_one_more_does_not),
	    cmocka_unit_test(test_bad_length_behind_a_good_frame_is_found),
	    cmocka_unit_test(test_header_and_reader_agree),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
