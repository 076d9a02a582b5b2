/* SPDX-License-Identifier: Apache-2.0 */
/*
 * RTCP in rewrite mode: A sent packets 1000..1099 to the WIC, then B, a transfer, 500..549; what
 * each side says of the other is in the numbers of who hears it.
 */
#include "agw/relay/rtcp.h"
#include "agw/relay/rtcp_int.h"
#include "agw/relay/stream_params.h"
#include "tests/lib/req.h"
#include "tests/unit/agw/relay/rtcp_msg.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define A     0xaaaa0001U
#define B     0xbbbb0002U
#define OTHER 0xcccc0003U
#define WIC   0x11111111U
#define CLOCK 8000U
#define FRAME 160U
#define ALL   (AGW_RTCP_NACK | AGW_RTCP_PLI | AGW_RTCP_FIR | AGW_RTCP_TMMBR)

struct bench {
	struct agw_rewrite w;
	struct agw_ssrc_table unused;
	uint64_t now_us;
	uint64_t refresh_ms;
	uint8_t fir_seq;
	uint16_t a_first, b_first; /* as the WIC sees them */
	uint16_t out_seq;
	unsigned removed;
	size_t n;
	uint8_t out[600];
};

#define ADD(m, count, pt, ...)                                                                     \
	do {                                                                                       \
		const uint32_t v_[] = {__VA_ARGS__};                                               \
		add(m, count, pt, sizeof(v_) / sizeof(v_[0]), v_);                                 \
	} while (0)

static void send_rtp(struct bench *b, uint32_t ssrc, uint16_t from, unsigned n, uint32_t ts)
{
	struct agw_rewritten r = {0};

	for (unsigned i = 0; i < n; i++, b->now_us += 20000) {
		const struct agw_rtp_view v = {
		    .ssrc = ssrc, .seq = (uint16_t)(from + i), .ts = ts + i * FRAME};

		assert_true(agw_rewrite_rtp(&b->w, &v, CLOCK, WIC, b->now_us, &r) <=
			    AGW_SSRC_RENEWED);
		b->out_seq = r.seq;
	}
}

static int setup(void **state)
{
	struct bench *b = calloc(1, sizeof(*b));

	assert_non_null(b);
	b->now_us = 5000000;
	send_rtp(b, A, 1000, 100, 70000);
	b->a_first = (uint16_t)(b->out_seq - 99);
	agw_rewrite_new_source(&b->w);
	send_rtp(b, B, 500, 50, 90000);
	b->b_first = (uint16_t)(b->out_seq - 49);
	assert_int_equal((uint16_t)(b->b_first - b->a_first), 100);
	*state = b;
	return 0;
}

static int teardown(void **state)
{
	free(*state);
	return 0;
}

static void relay(struct bench *b, enum agw_rtcp_way way, const struct msg *m)
{
	struct agw_rtcp_filter f = {
	    .way = way,
	    .allow = ALL,
	    .ssrcs = &b->unused,
	    .rewrite = &b->w,
	    .view = {.wic_ssrc = WIC, .has_wic = true, .packets = 150, .octets = 24000},
	    .now_ms = b->now_us / 1000,
	    .last_refresh_ms = &b->refresh_ms,
	    .fir_seq = &b->fir_seq};

	assert_int_equal(agw_rtcp_check(m->data, m->n, true), GW_OK);
	b->n = agw_rtcp_relay(&f, m->data, m->n, b->out, sizeof(b->out));
	b->removed = f.removed;
	b->refresh_ms = 0;
	if (b->n > 0)
		assert_int_equal(agw_rtcp_check(b->out, b->n, false), GW_OK);
}

static uint32_t word(const struct bench *b, unsigned i)
{
	assert_true(4U * i + 4U <= b->n);
	return agw_be32(b->out + 4U * i);
}

static void test_a_sender_report_tells_what_the_wic_was_sent(void **state)
{
	struct bench *b = *state;
	struct msg m = {0};

	REQ("RTCP-06", "RTCP-07");
	/* NTP, RTP time, packets, octets; a block on the WIC, one on somebody unknown */
	ADD(&m, 2, PT_SR, B, 0x11112222, 0x33334444, 90000 + 50 * FRAME, 50, 8000, WIC, 1, 2, 3, 4,
	    5, OTHER, 1, 2, 3, 4, 5);
	ADD(&m, 1, PT_SDES, B, 0x01026d65, 0);
	relay(b, AGW_RTCP_DOWN, &m);
	assert_int_equal(b->n, 4U * (13 + 4));
	assert_int_equal(b->out[0], 0x81);
	assert_int_equal(word(b, 1), b->w.out);
	assert_int_equal(word(b, 2), 0x11112222);
	assert_int_equal(word(b, 3), 0x33334444);
	/* the WIC got 100 frames of A from 70000 on, then 50 of B */
	assert_int_equal(word(b, 4), 70000 + 150 * FRAME);
	assert_int_equal(word(b, 5), 150);
	assert_int_equal(word(b, 6), 24000);
	assert_int_equal(word(b, 7), WIC);
	for (unsigned i = 1; i <= 5; i++)
		assert_int_equal(word(b, 7 + i), i);
	assert_int_equal(word(b, 14), b->w.out); /* its CNAME is that of the one SSRC */
	assert_int_equal(word(b, 15), 0x01026d65);
}

static void test_who_was_replaced_is_not_heard_any_more(void **state)
{
	struct bench *b = *state;
	struct msg m = {0}, bye = {0};

	REQ("RTCP-06");
	ADD(&m, 0, PT_SR, A, 1, 2, 3, 4, 5);
	relay(b, AGW_RTCP_DOWN, &m);
	assert_int_equal(b->n, 0);
	ADD(&bye, 0, PT_RR, A);
	ADD(&bye, 1, PT_BYE, A);
	relay(b, AGW_RTCP_DOWN, &bye);
	assert_int_equal(b->n, 0);
}

static void test_reports_of_others_tell_what_they_received_only(void **state)
{
	struct bench *b = *state;
	struct msg m = {0};

	REQ("RTCP-06");
	ADD(&m, 1, PT_SR, OTHER, 1, 2, 3, 4, 5, WIC, 6, 7, 8, 9, 10);
	ADD(&m, 1, PT_BYE, OTHER);
	relay(b, AGW_RTCP_DOWN, &m);
	assert_int_equal(b->n, 32);
	assert_int_equal(b->out[1], PT_RR);
	assert_int_equal(word(b, 1), b->w.out);
	assert_int_equal(word(b, 2), WIC);
	assert_int_equal(b->removed, 1);
}

static void test_sdes_keeps_contributors_and_names_the_sender_once(void **state)
{
	struct bench *b = *state;
	struct msg m = {0};

	REQ("RTCP-06");
	ADD(&m, 0, PT_RR, B);
	ADD(&m, 4, PT_SDES, OTHER, 0x01026f74, 0, B, 0x01026d65, 0, A, 0x01026f6c, 0, B, 0x01026d65,
	    0);
	relay(b, AGW_RTCP_DOWN, &m);
	assert_int_equal(b->n, 8 + 4 + 24);
	assert_int_equal(b->out[8], 0x82);
	assert_int_equal(word(b, 3), OTHER);
	assert_int_equal(word(b, 6), b->w.out);
}

static void test_bye_is_mapped_and_the_next_follows_at_once(void **state)
{
	struct bench *b = *state;
	struct msg m = {0};
	struct agw_rewritten r;
	const struct agw_rtp_view v = {.ssrc = OTHER, .seq = 9, .ts = 1};

	REQ("RTCP-06", "RTCP-09");
	ADD(&m, 0, PT_RR, B);
	ADD(&m, 2, PT_BYE, OTHER, B, 0x03627965);
	relay(b, AGW_RTCP_DOWN, &m);
	assert_int_equal(b->n, 8 + 12);
	assert_int_equal(b->out[8], 0x81);
	assert_int_equal(word(b, 3), b->w.out);
	assert_int_equal(word(b, 4), 0x03627965);
	assert_int_equal(agw_rewrite_rtp(&b->w, &v, CLOCK, WIC, b->now_us, &r), AGW_SSRC_RENEWED);
	assert_int_equal(r.seq, (uint16_t)(b->out_seq + 1));
}

/* One block of the WIC about the one SSRC. */
static void block(struct bench *b, uint16_t highest, uint32_t lost, uint32_t lsr, uint32_t dlsr)
{
	struct msg m = {0};

	ADD(&m, 2, PT_RR, WIC, OTHER, 1, 2, 3, 4, 5, b->w.out, 0x40000000U | lost, highest, 77, lsr,
	    dlsr);
	relay(b, AGW_RTCP_UP, &m);
}

static void test_a_report_of_the_wic_speaks_of_the_sender_of_now(void **state)
{
	struct bench *b = *state;
	struct msg sr = {0};

	REQ("RTCP-06", "RTCP-07");
	/* it has not seen B yet: nothing that B would understand; it lost 3 of A's */
	block(b, (uint16_t)(b->a_first + 99), 3, 0x22223333, 65536);
	assert_int_equal(b->n, 8);
	assert_int_equal(b->out[0], 0x80);
	/* up to B's tenth; LSR names an SR of A's, of which B knows nothing */
	block(b, (uint16_t)(b->b_first + 9), 5, 0x22223333, 65536);
	assert_int_equal(b->n, 32);
	assert_int_equal(b->out[0], 0x81);
	assert_int_equal(word(b, 1), WIC);
	assert_int_equal(word(b, 2), B);
	assert_int_equal(word(b, 3), 0x40000000U | 2);
	assert_int_equal(word(b, 4), 509);
	assert_int_equal(word(b, 5), 77);
	assert_int_equal(word(b, 6), 0);
	assert_int_equal(word(b, 7), 0);
	/* B's SR passes down, and is named in what comes up */
	ADD(&sr, 0, PT_SR, B, 0x1111aaaa, 0xbbbb2222, 1, 2, 3);
	relay(b, AGW_RTCP_DOWN, &sr);
	block(b, (uint16_t)(b->b_first + 40), 5, 0xaaaabbbb, 65536);
	assert_int_equal(word(b, 4), 540);
	assert_int_equal(word(b, 6), 0xaaaabbbb);
	assert_int_equal(word(b, 7), 65536);
}

static void test_highest_sequence_counts_the_senders_own_roll_overs(void **state)
{
	struct bench *b = *state;

	REQ("RTCP-06");
	for (unsigned i = 0; i < 5; i++)
		send_rtp(b, B, (uint16_t)(550 + i * 20000), 20000,
			 90000 + (50 + i * 20000) * FRAME);
	block(b, b->out_seq, 0, 0, 0);
	assert_int_equal(word(b, 4), 500 + 49 + 100000); /* 1 in the upper half */
}

static void nack(struct bench *b, uint16_t pid, uint16_t blp, uint32_t about)
{
	struct msg m = {0};

	ADD(&m, 0, PT_RR, WIC);
	ADD(&m, FMT_NACK, PT_RTPFB, WIC, about, (uint32_t)pid << 16 | blp);
	relay(b, AGW_RTCP_UP, &m);
}

static void test_a_nack_names_the_packets_as_the_sender_does(void **state)
{
	struct bench *b = *state;

	REQ("RTCP-23", "RTCP-06");
	nack(b, (uint16_t)(b->b_first + 3), 0x8001, b->w.out);
	assert_int_equal(b->n, 8 + 16);
	assert_int_equal(word(b, 3), WIC);
	assert_int_equal(word(b, 4), B);
	assert_int_equal(word(b, 5), 503U << 16 | 0x8001);
	/* the last two of A and B's second: only that one is B's to repeat */
	nack(b, (uint16_t)(b->b_first - 2), 0x0001 | 0x0004, b->w.out);
	assert_int_equal(word(b, 5), 501U << 16);
	/* B's first and ninth after it */
	nack(b, (uint16_t)(b->b_first - 1), 0x0001 | 0x0200, b->w.out);
	assert_int_equal(word(b, 5), 500U << 16 | 0x0100);
	/* A's alone, and somebody's */
	nack(b, (uint16_t)(b->b_first - 30), 0, b->w.out);
	assert_int_equal(b->n, 8);
	assert_int_equal(b->removed, 1);
	nack(b, (uint16_t)(b->b_first + 3), 0, OTHER);
	assert_int_equal(b->n, 8);
}

static void test_refresh_and_rate_requests_reach_the_sender(void **state)
{
	struct bench *b = *state;
	struct msg pli = {0}, fir = {0}, tmmbr = {0}, stranger = {0};

	REQ("RTCP-23", "RTCP-06");
	ADD(&pli, 0, PT_RR, WIC);
	ADD(&pli, FMT_PLI, PT_PSFB, WIC, b->w.out);
	relay(b, AGW_RTCP_UP, &pli);
	assert_int_equal(word(b, 4), B);
	ADD(&fir, 0, PT_RR, WIC);
	ADD(&fir, FMT_FIR, PT_PSFB, WIC, 0, OTHER, 0x01000000, b->w.out, 0x02000000);
	relay(b, AGW_RTCP_UP, &fir);
	assert_int_equal(b->n, 8 + 20);
	assert_int_equal(word(b, 5), B);
	assert_int_equal(word(b, 6), 0x02000000);
	ADD(&tmmbr, 0, PT_RR, WIC);
	ADD(&tmmbr, FMT_TMMBR, PT_RTPFB, WIC, 0, b->w.out, 0x12345678);
	relay(b, AGW_RTCP_UP, &tmmbr);
	assert_int_equal(word(b, 5), B);
	ADD(&stranger, 0, PT_RR, WIC);
	ADD(&stranger, FMT_PLI, PT_PSFB, WIC, A);
	ADD(&stranger, FMT_TMMBR, PT_RTPFB, WIC, 0, OTHER, 0x12345678);
	relay(b, AGW_RTCP_UP, &stranger);
	assert_int_equal(b->n, 8);
	assert_int_equal(b->removed, 2);
}

static void test_the_cores_feedback_is_the_one_ssrcs(void **state)
{
	struct bench *b = *state;
	struct msg m = {0};

	REQ("RTCP-23");
	ADD(&m, 0, PT_RR, B);
	ADD(&m, FMT_PLI, PT_PSFB, B, WIC);
	ADD(&m, FMT_TMMBR, PT_RTPFB, B, 0, WIC, 0x12345678);
	relay(b, AGW_RTCP_DOWN, &m);
	assert_int_equal(word(b, 1), b->w.out);
	assert_int_equal(word(b, 3), b->w.out);
	assert_int_equal(word(b, 4), WIC);
	assert_int_equal(word(b, 6), b->w.out);
	assert_int_equal(word(b, 8), WIC);
}

static void test_before_anybody_spoke_reports_cross_and_feedback_does_not(void **state)
{
	struct bench *b = *state;
	struct msg down = {0}, up = {0};

	REQ("RTCP-06");
	b->w = (struct agw_rewrite){0};
	ADD(&down, 1, PT_RR, A, WIC, 1, 2, 3, 4, 5);
	ADD(&down, 1, PT_SDES, A, 0x01026d65, 0);
	relay(b, AGW_RTCP_DOWN, &down);
	assert_int_equal(b->n, down.n);
	assert_int_not_equal(b->w.out, 0);
	assert_int_equal(word(b, 1), b->w.out);
	assert_int_equal(word(b, 9), b->w.out);
	ADD(&up, 0, PT_RR, WIC);
	ADD(&up, FMT_PLI, PT_PSFB, WIC, b->w.out);
	relay(b, AGW_RTCP_UP, &up);
	assert_int_equal(b->n, 8);
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
	    T(test_a_sender_report_tells_what_the_wic_was_sent),
	    T(test_who_was_replaced_is_not_heard_any_more),
	    T(test_reports_of_others_tell_what_they_received_only),
	    T(test_sdes_keeps_contributors_and_names_the_sender_once),
	    T(test_bye_is_mapped_and_the_next_follows_at_once),
	    T(test_a_report_of_the_wic_speaks_of_the_sender_of_now),
	    T(test_highest_sequence_counts_the_senders_own_roll_overs),
	    T(test_a_nack_names_the_packets_as_the_sender_does),
	    T(test_refresh_and_rate_requests_reach_the_sender),
	    T(test_the_cores_feedback_is_the_one_ssrcs),
	    T(test_before_anybody_spoke_reports_cross_and_feedback_does_not),
	};
#undef T

	return cmocka_run_group_tests(tests, NULL, NULL);
}
