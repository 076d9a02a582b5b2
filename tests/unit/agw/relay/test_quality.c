/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Quality read from passing RTCP: pure functions, the clock is an argument.
 */
#include "agw/relay/quality.h"

#include "agw/relay/rtp.h"
#include "tests/lib/req.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#define SSRC 0x01020304U

static size_t sr(uint8_t *p, uint32_t mid)
{
	memset(p, 0, 28);
	p[0] = 0x80;
	p[1] = 200;
	p[3] = 6;
	agw_put32(p + 4, SSRC);
	agw_put32(p + 10, mid);
	return 28;
}

static size_t rr(uint8_t *p, uint32_t about, uint32_t lost, uint32_t jitter, uint32_t lsr,
		 uint32_t dlsr)
{
	memset(p, 0, 32);
	p[0] = 0x81;
	p[1] = 201;
	p[3] = 7;
	agw_put32(p + 8, about);
	agw_put32(p + 12, lost);
	agw_put32(p + 20, jitter);
	agw_put32(p + 24, lsr);
	agw_put32(p + 28, dlsr);
	return 32;
}

static void test_a_report_on_a_sender_report_gives_the_round_trip(void **state)
{
	struct agw_quality q = {0};
	struct agw_counters c = {0};
	uint8_t p[64];

	(void)state;
	REQ("RTP-26");
	agw_quality_heard(&q, AGW_RTCP_DOWN, p, sr(p, 0x11112222), SSRC, 1000000, &c);
	/* held for half a second at the WIC, here 580 ms later */
	agw_quality_heard(&q, AGW_RTCP_UP, p, rr(p, SSRC, 7, 240, 0x11112222, 0x8000), SSRC,
			  1580000, &c);
	assert_int_equal(c.down.rtt_us, 80000);
	assert_int_equal(c.down.far_lost, 7);
	assert_int_equal(c.down.far_jitter, 240);
	assert_int_equal(c.up.rtt_us, 0);
	/* and the other way */
	agw_quality_heard(&q, AGW_RTCP_UP, p, sr(p, 0x33334444), SSRC, 2000000, &c);
	agw_quality_heard(&q, AGW_RTCP_DOWN, p, rr(p, SSRC, 1, 8, 0x33334444, 0), SSRC, 2015000,
			  &c);
	assert_int_equal(c.up.rtt_us, 15000);
	assert_int_equal(c.up.far_lost, 1);
}

static void test_reports_that_fit_nothing_are_not_believed(void **state)
{
	struct agw_quality q = {0};
	struct agw_counters c = {0};
	uint8_t p[64];

	(void)state;
	REQ("RTP-26");
	/* no SR yet; another SR; held longer than gone; longer than any path; another sender */
	agw_quality_heard(&q, AGW_RTCP_UP, p, rr(p, SSRC, 0, 0, 5, 0), SSRC, 1000, &c);
	agw_quality_heard(&q, AGW_RTCP_DOWN, p, sr(p, 5), SSRC, 1000000, &c);
	agw_quality_heard(&q, AGW_RTCP_UP, p, rr(p, SSRC, 0, 0, 6, 0), SSRC, 1001000, &c);
	agw_quality_heard(&q, AGW_RTCP_UP, p, rr(p, SSRC, 0, 0, 5, 0x10000), SSRC, 1001000, &c);
	agw_quality_heard(&q, AGW_RTCP_UP, p, rr(p, SSRC, 0, 0, 5, 0), SSRC, 60000000, &c);
	agw_quality_heard(&q, AGW_RTCP_UP, p, rr(p, 99, 50, 50, 5, 0), SSRC, 1001000, &c);
	assert_int_equal(c.down.rtt_us, 0);
	assert_int_equal(c.down.far_jitter, 0);
	/* a negative loss is none */
	agw_quality_heard(&q, AGW_RTCP_UP, p, rr(p, SSRC, 0xfffffe, 0, 0, 0), SSRC, 1, &c);
	assert_int_equal(c.down.far_lost, 0);
}

/* Figures of G.107 for G.711 with concealment: clean, 1 %, 5 % and 20 % loss, half a second. */
static void test_the_score_falls_with_loss_and_delay(void **state)
{
	(void)state;
	REQ("RTP-26");
	assert_in_range(agw_quality_mos_x100(0, 20), 435, 445);
	assert_in_range(agw_quality_mos_x100(10000, 20), 425, 435);
	assert_in_range(agw_quality_mos_x100(50000, 20), 370, 400);
	assert_in_range(agw_quality_mos_x100(200000, 20), 220, 270);
	assert_in_range(agw_quality_mos_x100(0, 500), 225, 245);
	assert_int_equal(agw_quality_mos_x100(1000000, 5000), 100);
	for (uint32_t ppm = 0; ppm < 1000000; ppm += 10000)
		assert_true(agw_quality_mos_x100(ppm, 100) >=
			    agw_quality_mos_x100(ppm + 10000, 100));
}

static void test_what_the_far_end_misses_counts(void **state)
{
	struct agw_counters c = {0};

	(void)state;
	REQ("RTP-26");
	agw_quality_judge(&c, 8000);
	assert_int_equal(c.down.mos_x100, 0); /* nothing went: nothing is known */
	c.down.rtp_packets = 950;
	agw_quality_judge(&c, 8000);
	assert_in_range(c.down.mos_x100, 435, 445);
	c.down.far_lost = 50;
	agw_quality_judge(&c, 8000);
	assert_in_range(c.down.mos_x100, 370, 400);
	c.down.far_jitter = 4000; /* 500 ms */
	agw_quality_judge(&c, 8000);
	assert_true(c.down.mos_x100 < 250);
	assert_int_equal(c.up.mos_x100, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_a_report_on_a_sender_report_gives_the_round_trip),
	    cmocka_unit_test(test_reports_that_fit_nothing_are_not_believed),
	    cmocka_unit_test(test_the_score_falls_with_loss_and_delay),
	    cmocka_unit_test(test_what_the_far_end_misses_counts),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
