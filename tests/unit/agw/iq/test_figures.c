/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the Release reply tells of a known stream, against the same computed here by the book:
 * packets and loss by count, jitter by RFC 3550 A.8 in floating point, the round trip by its
 * definition, the score by G.107. Both directions, each with a pattern of its own.
 */
#include "agw/iq/convert.h"
#include "agw/relay/quality.h"
#include "agw/relay/rtp.h"
#include "tests/lib/req.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#define CLOCK 8000U
#define SSRC  0x01020304U

struct pattern {
	unsigned packets;     /* sent */
	unsigned lose_every;  /* one in so many never comes; 0 = none */
	unsigned late_us;     /* of every third packet */
	uint16_t first_seq;   /* rolls over on the way */
	uint32_t round_us;    /* to the receiver and back */
	uint32_t held_65536;  /* at the receiver, 1/65536 s */
	uint32_t receiver_of; /* its jitter */
};

struct book {
	unsigned came;
	unsigned lost;
	double jitter;
};

static struct book play(const struct pattern *p, struct agw_dir_counters *d)
{
	struct agw_reception r = {0};
	struct book b = {0};
	double last = 0;

	for (unsigned i = 0; i < p->packets; i++) {
		uint64_t at_us =
		    5000000 + 20000 * (uint64_t)i + (i % 3 == 0 ? (uint64_t)p->late_us : 0);
		double transit = (double)at_us * CLOCK / 1e6 - 160.0 * i;

		if (p->lose_every != 0 && i % p->lose_every == p->lose_every / 2) {
			b.lost++;
			continue;
		}
		if (b.came++ > 0)
			b.jitter += (fabs(transit - last) - b.jitter) / 16.0;
		last = transit;
		assert_false(agw_reception_update(&r, d, SSRC, (uint16_t)(p->first_seq + i),
						  160U * i, CLOCK, at_us));
		agw_count(&d->rtp_packets, 1);
		agw_count(&d->rtp_octets, 172);
	}
	return b;
}

/* The receiver reports on an SR: that many lost as far as it knows. */
static void report(const struct pattern *p, enum agw_rtcp_way back, uint32_t lost,
		   struct agw_counters *c)
{
	const enum agw_rtcp_way forth = back == AGW_RTCP_UP ? AGW_RTCP_DOWN : AGW_RTCP_UP;
	struct agw_quality q = {0};
	uint8_t sr[28] = {0x80, 200, 0, 6};
	uint8_t rr[32] = {0x81, 201, 0, 7};
	const uint64_t sent_us = 9000000;

	agw_put32(sr + 4, SSRC);
	agw_put32(sr + 10, 0xabcd1234);
	agw_quality_heard(&q, forth, sr, sizeof(sr), SSRC, sent_us, c);
	agw_put32(rr + 8, SSRC);
	agw_put32(rr + 12, lost);
	agw_put32(rr + 20, p->receiver_of);
	agw_put32(rr + 24, 0xabcd1234);
	agw_put32(rr + 28, p->held_65536);
	agw_quality_heard(&q, back, rr, sizeof(rr), SSRC,
			  sent_us + p->round_us + (uint64_t)p->held_65536 * 1000000 / 65536, c);
}

/* G.107 with its defaults; Ie and Bpl of G.711 with concealment (G.113). */
static double score(double loss, double delay_ms)
{
	double id = 0.024 * delay_ms + (delay_ms > 177.3 ? 0.11 * (delay_ms - 177.3) : 0);
	double r = 93.2 - id - 95.0 * (100 * loss) / (100 * loss + 25.1);

	return 1 + 0.035 * r + r * (r - 60) * (100 - r) * 7e-6;
}

static void compare(const char *name, const struct pattern *p, const struct book *b,
		    const IqDirectionStats *d, double both_rounds_us)
{
	double jitter = b->jitter > p->receiver_of ? b->jitter : p->receiver_of;
	double mos = score((double)b->lost / (b->came + b->lost),
			   both_rounds_us / 2000 + 2 * (jitter * 1000 / CLOCK) + 20);

	if (d->rtp_packets != b->came || d->lost != b->lost || d->rtp_octets != 172U * b->came)
		fail_msg("%s: %llu packets and %llu lost, not %u and %u", name,
			 (unsigned long long)d->rtp_packets, (unsigned long long)d->lost, b->came,
			 b->lost);
	if (fabs(d->jitter_rtp_units - b->jitter) > 1.0)
		fail_msg("%s: jitter %u, not %f", name, d->jitter_rtp_units, b->jitter);
	assert_in_range(d->far_rtt_us, p->round_us - 20, p->round_us + 20);
	assert_int_equal(d->far_lost, b->lost);
	assert_int_equal(d->far_jitter_rtp_units, p->receiver_of);
	if (fabs(d->mos_x100 / 100.0 - mos) > 0.02)
		fail_msg("%s: MOS %u, not %f", name, d->mos_x100, mos);
}

static void test_the_reply_tells_what_the_book_has(void **state)
{
	static const struct pattern rows[][2] = {
	    /* to the core, to the WIC */
	    {{1000, 0, 0, 1, 20000, 0, 0}, {1000, 0, 0, 1, 80000, 3277, 0}},
	    {{1000, 20, 10000, 65000, 21460, 6554, 40}, {500, 7, 4000, 65400, 150000, 0, 8}},
	    {{3000, 100, 30000, 30000, 400000, 32768, 900}, {71, 2, 1000, 65530, 5000, 1, 0}},
	};

	REQ("RTP-26");
	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		const struct pattern *up = &rows[i][0], *down = &rows[i][1];
		const double both = up->round_us + (double)down->round_us;
		struct agw_counters c = {0};
		struct agw_stream_stats st = {0};
		struct book b[2];
		IqStreamStats *out;

		b[0] = play(up, &c.up);
		b[1] = play(down, &c.down);
		report(up, AGW_RTCP_DOWN, b[0].lost, &c);
		report(down, AGW_RTCP_UP, b[1].lost, &c);
		agw_quality_judge(&c, CLOCK);
		agw_counters_read(&c, &st);
		out = agw_iq_stats_new(1, &st, NULL, NULL);
		assert_non_null(out);
		compare("to the core", up, &b[0], out->uplink, both);
		compare("to the WIC", down, &b[1], out->downlink, both);
		wicgate__iq__v1__stream_stats__free_unpacked(out, NULL);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_the_reply_tells_what_the_book_has),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
