/* SPDX-License-Identifier: Apache-2.0 */
/*
 * SIP messages out of a TCP stream: cscf/sip/tcp_frame.c.
 */
#include "cscf/sip/tcp_frame.h"
#include "tests/lib/req.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#define ONE   "OPTIONS sip:a SIP/2.0\r\nX: 1\r\nContent-Length: 5\r\n\r\nhello"
#define TWO   "SIP/2.0 200 OK\r\nl : 0\r\n\r\n"
#define THREE "BYE sip:b SIP/2.0\r\nX: Content-Length: 9\r\n\r\n"

static void expect_three(struct cscf_sip_tcp_frame *f, const char *text, size_t step)
{
	static const char *const messages[] = {ONE, TWO, THREE};
	size_t seen = 0, pings = 0;
	size_t n = strlen(text);

	for (size_t i = 0; i < n; i += step) {
		enum cscf_sip_tcp_piece piece;
		struct gw_slice out;
		size_t part = n - i < step ? n - i : step;

		assert_int_equal(cscf_sip_tcp_frame_feed(f, text + i, part), GW_OK);
		while ((piece = cscf_sip_tcp_frame_next(f, &out)) != CSCF_SIP_TCP_MORE) {
			if (piece == CSCF_SIP_TCP_PING) {
				pings++;
				continue;
			}
			assert_int_equal(piece, CSCF_SIP_TCP_MESSAGE);
			assert_true(seen < 3);
			assert_int_equal(out.n, strlen(messages[seen]));
			assert_memory_equal(out.p, messages[seen], out.n);
			seen++;
		}
	}
	assert_int_equal(seen, 3);
	assert_int_equal(pings, 2);
}

static void test_messages_come_out_however_the_stream_is_cut(void **state)
{
	static const char text[] = "\r\n\r\n" ONE "\r\n" TWO "\r\n\r\n\r\n" THREE;

	(void)state;
	REQ("WS-22");
	for (size_t step = 1; step < sizeof(text); step++) {
		struct cscf_sip_tcp_frame f;

		cscf_sip_tcp_frame_init(&f, 1000);
		expect_three(&f, text, step);
		cscf_sip_tcp_frame_fini(&f);
	}
}

static enum cscf_sip_tcp_piece feed_with_body(size_t max, size_t body)
{
	struct cscf_sip_tcp_frame f;
	enum cscf_sip_tcp_piece piece;
	struct gw_slice out;
	char head[100];
	char *all;
	size_t n = (size_t)snprintf(head, sizeof(head),
				    "OPTIONS sip:a SIP/2.0\r\nContent-Length: %zu\r\n\r\n", body);

	all = malloc(n + body);
	memcpy(all, head, n);
	memset(all + n, 'x', body);
	cscf_sip_tcp_frame_init(&f, max);
	assert_int_equal(cscf_sip_tcp_frame_feed(&f, all, n + body), GW_OK);
	piece = cscf_sip_tcp_frame_next(&f, &out);
	if (piece == CSCF_SIP_TCP_TOO_BIG)
		assert_int_equal(out.n, n); /* the head alone */
	cscf_sip_tcp_frame_fini(&f);
	free(all);
	return piece;
}

static void test_message_at_the_limit_and_above(void **state)
{
	size_t head = strlen("OPTIONS sip:a SIP/2.0\r\nContent-Length: 900\r\n\r\n");

	(void)state;
	REQ("WS-26");
	assert_int_equal(feed_with_body(head + 900, 900), CSCF_SIP_TCP_MESSAGE);
	assert_int_equal(feed_with_body(head + 899, 900), CSCF_SIP_TCP_TOO_BIG);
	assert_int_equal(feed_with_body(10, 0), CSCF_SIP_TCP_TOO_BIG);
}

static void test_huge_length_is_too_big_before_its_body_comes(void **state)
{
	static const char text[] = "OPTIONS sip:a SIP/2.0\r\nContent-Length: 2147483647\r\n\r\n";
	struct cscf_sip_tcp_frame f;
	struct gw_slice out;

	(void)state;
	cscf_sip_tcp_frame_init(&f, 1000);
	assert_int_equal(cscf_sip_tcp_frame_feed(&f, text, sizeof(text) - 1), GW_OK);
	assert_int_equal(cscf_sip_tcp_frame_next(&f, &out), CSCF_SIP_TCP_TOO_BIG);
	cscf_sip_tcp_frame_fini(&f);
}

static void test_length_that_is_no_number_ends_the_stream(void **state)
{
	static const char *const lengths[] = {"x", "-1", "99999999999", "", "1 2"};

	(void)state;
	REQ("WS-27");
	for (size_t i = 0; i < sizeof(lengths) / sizeof(lengths[0]); i++) {
		struct cscf_sip_tcp_frame f;
		struct gw_slice out;
		char text[100];
		size_t n = (size_t)snprintf(text, sizeof(text),
					    "OPTIONS sip:a SIP/2.0\r\nContent-Length: %s\r\n\r\n",
					    lengths[i]);

		cscf_sip_tcp_frame_init(&f, 1000);
		assert_int_equal(cscf_sip_tcp_frame_feed(&f, text, n), GW_OK);
		assert_int_equal(cscf_sip_tcp_frame_next(&f, &out), CSCF_SIP_TCP_BAD_LENGTH);
		assert_int_equal(out.n, n);
		cscf_sip_tcp_frame_fini(&f);
	}
}

static void test_head_without_end_is_given_up(void **state)
{
	struct cscf_sip_tcp_frame f;
	struct gw_slice out;
	size_t n = 0;

	(void)state;
	REQ("WS-26");
	cscf_sip_tcp_frame_init(&f, 1000);
	while (n < 1000) {
		assert_int_equal(cscf_sip_tcp_frame_feed(&f, "X: 1\r\n\rxxx", 10), GW_OK);
		n += 10;
		assert_int_equal(cscf_sip_tcp_frame_next(&f, &out), CSCF_SIP_TCP_MORE);
	}
	assert_int_equal(cscf_sip_tcp_frame_feed(&f, "x", 1), GW_OK);
	assert_int_equal(cscf_sip_tcp_frame_next(&f, &out), CSCF_SIP_TCP_BAD);
	cscf_sip_tcp_frame_fini(&f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_messages_come_out_however_the_stream_is_cut),
	    cmocka_unit_test(test_message_at_the_limit_and_above),
	    cmocka_unit_test(test_huge_length_is_too_big_before_its_body_comes),
	    cmocka_unit_test(test_length_that_is_no_number_ends_the_stream),
	    cmocka_unit_test(test_head_without_end_is_given_up),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
