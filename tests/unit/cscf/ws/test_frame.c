/* SPDX-License-Identifier: Apache-2.0 */
/* cscf/ws/frame.c: good frames, bad frames with their close code, all of it octet by octet. */
#include "cscf/ws/frame.h"

#include "cscf/ws/conn.h"
#include "tests/lib/req.h"
#include "tests/unit/cscf/ws/mask.h"

#include <event2/buffer.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

#define MAX_MESSAGE 1000

struct seen {
	unsigned frames, messages, pings, pongs, closes;
	unsigned stop_after; /* messages; 0 = never */
	uint8_t last[2048];
	size_t last_len;
	bool binary;
};

static bool on_frame(void *arg)
{
	((struct seen *)arg)->frames++;
	return true;
}

static bool on_message(void *arg, const uint8_t *bytes, size_t len, bool binary)
{
	struct seen *s = arg;

	assert_true(len <= sizeof(s->last));
	s->messages++;
	s->binary = binary;
	s->last_len = len;
	if (len > 0)
		memcpy(s->last, bytes, len);
	return s->stop_after == 0 || s->messages < s->stop_after;
}

static bool on_control(void *arg, enum cscf_ws_opcode op, const uint8_t *bytes, size_t len)
{
	struct seen *s = arg;

	s->pings += op == CSCF_WS_OP_PING;
	s->pongs += op == CSCF_WS_OP_PONG;
	s->closes += op == CSCF_WS_OP_CLOSE;
	if (op == CSCF_WS_OP_PING) {
		s->last_len = len;
		memcpy(s->last, bytes, len);
	}
	return true;
}

static const struct cscf_ws_frame_cbs cbs = {on_frame, on_message, on_control};

/* Feed in pieces of `step` octets; the close code, or 0. */
static unsigned feed(struct seen *s, const uint8_t *bytes, size_t len, size_t step)
{
	struct cscf_ws_frames *f = NULL;
	uint16_t code = 0;

	assert_int_equal(cscf_ws_frames_new(&f, MAX_MESSAGE, &cbs, s), GW_OK);
	for (size_t i = 0; i < len; i += step) {
		size_t n = len - i < step ? len - i : step;

		if (cscf_ws_frames_feed(f, bytes + i, n, &code) != GW_OK) {
			assert_int_not_equal(code, 0);
			break;
		}
		assert_int_equal(code, 0);
	}
	cscf_ws_frames_free(f);
	return code;
}

static void test_text_and_binary_are_both_taken(void **state)
{
	REQ("WS-06");
	uint8_t w[256];
	size_t n = 0;
	struct seen s = {0};

	(void)state;
	n += mask_frame(w + n, 0x81, "hello", 5);
	n += mask_frame(w + n, 0x82, "\xff\x00\xfe", 3);
	assert_int_equal(feed(&s, w, n, n), 0);
	assert_int_equal(s.messages, 2);
	assert_true(s.binary);
	assert_int_equal(s.last_len, 3);
	assert_memory_equal(s.last, "\xff\x00\xfe", 3);
}

static void test_fragments_with_a_ping_between_are_one_message(void **state)
{
	REQ("WS-09", "WS-20");
	uint8_t w[256];
	size_t n = 0;

	(void)state;
	n += mask_frame(w + n, 0x01, "REGI", 4);
	n += mask_frame(w + n, 0x89, "beat", 4);
	n += mask_frame(w + n, 0x00, "STER \xc3", 6); /* cuts a UTF-8 sequence in two */
	n += mask_frame(w + n, 0x80, "\xa9", 1);
	for (size_t step = 1; step <= n; step++) {
		struct seen s = {0};

		assert_int_equal(feed(&s, w, n, step), 0);
		assert_int_equal(s.messages, 1);
		assert_int_equal(s.pings, 1);
		assert_int_equal(s.frames, 4);
		assert_int_equal(s.last_len, 11);
		assert_memory_equal(s.last, "REGISTER \xc3\xa9", 11);
		assert_false(s.binary);
	}
}

static void test_ping_payloads_of_0_to_125_octets_arrive_whole(void **state)
{
	REQ("WS-20");
	uint8_t payload[125];
	uint8_t w[256];

	(void)state;
	for (size_t i = 0; i < sizeof(payload); i++)
		payload[i] = (uint8_t)i;
	for (size_t len = 0; len <= sizeof(payload); len++) {
		struct seen s = {0};
		size_t n = mask_frame(w, 0x89, payload, len);

		assert_int_equal(feed(&s, w, n, 1), 0);
		assert_int_equal(s.pings, 1);
		assert_int_equal(s.last_len, len);
		assert_memory_equal(s.last, payload, len);
	}
}

static void test_message_limit_is_exact_whole_and_in_fragments(void **state)
{
	REQ("WS-09");
	static uint8_t big[MAX_MESSAGE + 1];
	static uint8_t w[2 * MAX_MESSAGE];
	struct seen s = {0};
	size_t n;

	(void)state;
	memset(big, 'x', sizeof(big));
	n = mask_frame(w, 0x81, big, MAX_MESSAGE);
	assert_int_equal(feed(&s, w, n, 7), 0);
	assert_int_equal(s.last_len, MAX_MESSAGE);
	n = mask_frame(w, 0x81, big, MAX_MESSAGE + 1);
	assert_int_equal(feed(&s, w, n, 7), CSCF_WS_TOO_BIG);

	n = mask_frame(w, 0x01, big, MAX_MESSAGE - 1);
	n += mask_frame(w + n, 0x80, big, 1);
	assert_int_equal(feed(&s, w, n, 7), 0);
	n = mask_frame(w, 0x01, big, MAX_MESSAGE - 1);
	n += mask_frame(w + n, 0x80, big, 2);
	assert_int_equal(feed(&s, w, n, 7), CSCF_WS_TOO_BIG);
	assert_int_equal(s.messages, 2);
}

static void test_a_promised_length_is_refused_before_it_is_buffered(void **state)
{
	REQ("WS-09");
	/* binary, masked, 2^40 octets, nothing of the payload yet */
	static const uint8_t w[] = {0x82, 0xff, 0, 0, 1, 0, 0, 0, 0, 0, 1, 2, 3, 4};
	struct seen s = {0};

	(void)state;
	assert_int_equal(feed(&s, w, sizeof(w), sizeof(w)), CSCF_WS_TOO_BIG);
}

struct bad {
	const char *what;
	uint8_t bytes[24];
	size_t len;
	unsigned code;
};

/* mask key 0 everywhere: the payload is readable */
static const struct bad bad[] = {
    {"unmasked", {0x81, 0x01, 'x'}, 3, CSCF_WS_PROTOCOL_ERROR},
    {"rsv1", {0xc1, 0x81, 0, 0, 0, 0, 'x'}, 7, CSCF_WS_PROTOCOL_ERROR},
    {"rsv2", {0xa1, 0x81, 0, 0, 0, 0, 'x'}, 7, CSCF_WS_PROTOCOL_ERROR},
    {"rsv3", {0x91, 0x81, 0, 0, 0, 0, 'x'}, 7, CSCF_WS_PROTOCOL_ERROR},
    {"opcode 3", {0x83, 0x81, 0, 0, 0, 0, 'x'}, 7, CSCF_WS_PROTOCOL_ERROR},
    {"opcode 11", {0x8b, 0x81, 0, 0, 0, 0, 'x'}, 7, CSCF_WS_PROTOCOL_ERROR},
    {"fragmented ping", {0x09, 0x81, 0, 0, 0, 0, 'x'}, 7, CSCF_WS_PROTOCOL_ERROR},
    {"ping of 126", {0x89, 0xfe, 0, 126, 0, 0, 0, 0}, 8, CSCF_WS_PROTOCOL_ERROR},
    {"lone continuation", {0x80, 0x81, 0, 0, 0, 0, 'x'}, 7, CSCF_WS_PROTOCOL_ERROR},
    {"text inside text",
     {0x01, 0x81, 0, 0, 0, 0, 'x', 0x81, 0x81, 0, 0, 0, 0, 'y'},
     14,
     CSCF_WS_PROTOCOL_ERROR},
    {"long form of a short length",
     {0x81, 0xfe, 0, 5, 0, 0, 0, 0, 'h', 'e', 'l', 'l', 'o'},
     13,
     CSCF_WS_PROTOCOL_ERROR},
    {"length with the top bit",
     {0x82, 0xff, 0x80, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1},
     15,
     CSCF_WS_PROTOCOL_ERROR},
    {"close of one octet", {0x88, 0x81, 0, 0, 0, 0, 3}, 7, CSCF_WS_PROTOCOL_ERROR},
    {"close 1005", {0x88, 0x82, 0, 0, 0, 0, 0x03, 0xed}, 8, CSCF_WS_PROTOCOL_ERROR},
    {"close 999", {0x88, 0x82, 0, 0, 0, 0, 0x03, 0xe7}, 8, CSCF_WS_PROTOCOL_ERROR},
    {"close 5000", {0x88, 0x82, 0, 0, 0, 0, 0x13, 0x88}, 8, CSCF_WS_PROTOCOL_ERROR},
    {"close with bad UTF-8", {0x88, 0x83, 0, 0, 0, 0, 0x03, 0xe8, 0xff}, 9, CSCF_WS_BAD_DATA},
    {"bad UTF-8", {0x81, 0x82, 0, 0, 0, 0, 0xc3, 0x28}, 8, CSCF_WS_BAD_DATA},
    {"UTF-8 cut at the end", {0x81, 0x81, 0, 0, 0, 0, 0xc3}, 7, CSCF_WS_BAD_DATA},
};

static void test_each_bad_frame_has_its_close_code_in_any_pieces(void **state)
{
	REQ("WS-11", "WS-13");
	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		for (size_t step = 1; step <= bad[i].len; step++) {
			struct seen s = {0};
			unsigned code = feed(&s, bad[i].bytes, bad[i].len, step);

			if (code != bad[i].code)
				fail_msg("%s in steps of %zu: close %u, not %u", bad[i].what, step,
					 code, bad[i].code);
			assert_int_equal(s.messages, 0);
			assert_int_equal(s.closes, 0);
		}
	}
}

static void test_close_codes_a_peer_may_send_are_taken(void **state)
{
	REQ("WS-11");
	static const unsigned good[] = {1000, 1001, 1003, 1007, 1011, 1012, 1014, 3000, 4999};
	uint8_t w[64];

	(void)state;
	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
		struct seen s = {0};
		uint8_t p[2] = {(uint8_t)(good[i] >> 8), (uint8_t)good[i]};

		assert_int_equal(feed(&s, w, mask_frame(w, 0x88, p, 2), 1), 0);
		assert_int_equal(s.closes, 1);
	}
}

static void test_a_callback_stops_the_feed(void **state)
{
	struct cscf_ws_frames *f = NULL;
	struct seen s = {.stop_after = 1};
	uint8_t w[64];
	uint16_t code = 0;
	size_t n = 0;

	(void)state;
	n += mask_frame(w + n, 0x81, "one", 3);
	n += mask_frame(w + n, 0x81, "two", 3);
	assert_int_equal(cscf_ws_frames_new(&f, MAX_MESSAGE, &cbs, &s), GW_OK);
	assert_int_equal(cscf_ws_frames_feed(f, w, n, &code), GW_OK);
	assert_int_equal(s.messages, 1);
	assert_memory_equal(s.last, "one", 3);
	cscf_ws_frames_free(f);
}

static void test_written_frames_are_unmasked_and_whole(void **state)
{
	REQ("WS-12", "WS-07");
	static const size_t sizes[] = {0, 1, 125, 126, 65535, 65536};
	static uint8_t payload[65536];
	struct evbuffer *to = evbuffer_new();

	(void)state;
	memset(payload, 'y', sizeof(payload));
	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		size_t head = sizes[i] < 126 ? 2 : sizes[i] < 65536 ? 4 : 10;
		uint8_t got[10];

		assert_int_equal(cscf_ws_frame_write(to, CSCF_WS_OP_BINARY, payload, sizes[i]),
				 GW_OK);
		assert_int_equal(evbuffer_get_length(to), head + sizes[i]);
		assert_int_equal(evbuffer_remove(to, got, head), (int)head);
		assert_int_equal(got[0], 0x82);
		assert_int_equal(got[1], sizes[i] < 126 ? sizes[i] : sizes[i] < 65536 ? 126 : 127);
		assert_int_equal(evbuffer_drain(to, sizes[i]), 0);
	}
	evbuffer_free(to);
}

static void test_utf8_follows_the_grammar_of_rfc_3629(void **state)
{
	REQ("WS-07", "WS-11");
	static const char *const good[] = {"",
					   "a",
					   "\xc2\x80",
					   "\xdf\xbf",
					   "\xe0\xa0\x80",
					   "\xed\x9f\xbf",
					   "\xef\xbf\xbf",
					   "\xf0\x90\x80\x80",
					   "\xf4\x8f\xbf\xbf"};
	static const char *const bad_text[] = {
	    "\x80",         "\xc0\x80",         "\xc1\xbf",         "\xe0\x9f\xbf",
	    "\xed\xa0\x80", "\xf0\x8f\xbf\xbf", "\xf4\x90\x80\x80", "\xf5\x80\x80\x80",
	    "\xff",         "\xe2\x82",         "a\xe2\x28\xa1",    "\xf0\x90\x80"};

	(void)state;
	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++)
		assert_true(cscf_ws_utf8_valid(good[i], strlen(good[i])));
	for (size_t i = 0; i < sizeof(bad_text) / sizeof(bad_text[0]); i++)
		if (cscf_ws_utf8_valid(bad_text[i], strlen(bad_text[i])))
			fail_msg("bad UTF-8 number %zu was taken", i);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_text_and_binary_are_both_taken),
	    cmocka_unit_test(test_fragments_with_a_ping_between_are_one_message),
	    cmocka_unit_test(test_ping_payloads_of_0_to_125_octets_arrive_whole),
	    cmocka_unit_test(test_message_limit_is_exact_whole_and_in_fragments),
	    cmocka_unit_test(test_a_promised_length_is_refused_before_it_is_buffered),
	    cmocka_unit_test(test_each_bad_frame_has_its_close_code_in_any_pieces),
	    cmocka_unit_test(test_close_codes_a_peer_may_send_are_taken),
	    cmocka_unit_test(test_a_callback_stops_the_feed),
	    cmocka_unit_test(test_written_frames_are_unmasked_and_whole),
	    cmocka_unit_test(test_utf8_follows_the_grammar_of_rfc_3629),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
