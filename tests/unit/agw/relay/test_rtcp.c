/* SPDX-License-Identifier: Apache-2.0 */
/*
 * RTCP: compound checks, the feedback table, SSRC mapping, PLI/FIR.
 */
#include "agw/relay/rtcp.h"
#include "agw/relay/rtp.h"
#include "agw/relay/stream_params.h"
#include "tests/lib/req.h"
#include "tests/unit/agw/relay/rtcp_msg.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define WIC  0x11111111U
#define CORE 0x22222222U

static void add_rr(struct msg *m, uint32_t sender, uint32_t about)
{
	const uint32_t v[] = {sender, about, 1, 2, 3, 4, 5};

	add(m, 1, 201, 7, v);
}

static void add_sr(struct msg *m, uint32_t sender)
{
	const uint32_t v[] = {sender, 1, 2, 3, 4, 5};

	add(m, 0, 200, 6, v);
}

static void add_sdes(struct msg *m, uint32_t ssrc)
{
	uint8_t *p = m->data + m->n;
	static const uint8_t item[] = {1, 2, 'm', 'e', 0, 0, 0, 0};

	add(m, 1, 202, 3, NULL);
	agw_put32(p + 4, ssrc);
	memcpy(p + 8, item, sizeof(item));
}

static void add_fb(struct msg *m, unsigned pt, unsigned fmt, uint32_t sender, uint32_t media)
{
	const uint32_t v[] = {sender, media};

	add(m, fmt, pt, 2, v);
}

static void add_fir(struct msg *m, uint32_t sender, uint32_t target)
{
	const uint32_t v[] = {sender, 0, target, 0x07000000};

	add(m, 4, 206, 4, v);
}

static enum gw_err check(const struct msg *m, bool rsize)
{
	uint8_t *copy = malloc(m->n > 0 ? m->n : 1);
	enum gw_err err;

	assert_non_null(copy);
	memcpy(copy, m->data, m->n);
	err = agw_rtcp_check(copy, m->n, rsize);
	free(copy);
	return err;
}

struct bench {
	struct agw_ssrc_table ssrcs;
	uint64_t last_ms;
	uint8_t fir_seq;
	unsigned removed;
	uint64_t now_ms;
};

/* Check, then relay. @return octets at out */
static size_t relay(struct bench *b, enum agw_rtcp_way way, unsigned allow, const struct msg *m,
		    uint8_t out[600])
{
	struct agw_rtcp_filter f = {.way = way,
				    .allow = allow,
				    .ssrcs = &b->ssrcs,
				    .now_ms = b->now_ms,
				    .last_refresh_ms = &b->last_ms,
				    .fir_seq = &b->fir_seq};
	size_t n;

	assert_int_equal(check(m, true), GW_OK);
	n = agw_rtcp_relay(&f, m->data, m->n, out, 600);
	b->removed = f.removed;
	if (n > 0)
		assert_int_equal(agw_rtcp_check(out, n, false), GW_OK);
	return n;
}

static void test_compounds_that_are_right(void **state)
{
	struct msg m = {0};

	REQ("RTCP-05");
	(void)state;
	add_sr(&m, WIC);
	assert_int_equal(check(&m, false), GW_OK);
	add_sdes(&m, WIC);
	add_fb(&m, 206, 1, WIC, CORE);
	assert_int_equal(check(&m, false), GW_OK);
	m.n = 0; /* padding on the last one */
	add_rr(&m, WIC, CORE);
	add(&m, 1, 203, 2, (const uint32_t[]){WIC, 4});
	m.data[m.n - 12] |= 0x20;
	assert_int_equal(check(&m, false), GW_OK);
	m.n = 0; /* an empty RR */
	add(&m, 0, 201, 1, NULL);
	assert_int_equal(check(&m, false), GW_OK);
}

static void test_compounds_that_are_wrong(void **state)
{
	struct msg good = {0};
	struct msg m;

	REQ("RTCP-05", "RTCP-08");
	(void)state;
	add_sr(&good, WIC);
	add_sdes(&good, WIC);
	for (size_t n = 0; n < good.n; n++) {
		m = good;
		m.n = n;
		/* The SR alone is a whole packet; every other cut is not. */
		assert_int_equal(check(&m, false), n == 28 ? GW_OK : GW_ERR_PROTO);
	}
	m = good;
	m.data[0] = 0x40; /* version 1 */
	assert_int_equal(check(&m, false), GW_ERR_PROTO);
	m = good;
	m.data[28] = 0x01; /* version 0 in the second */
	assert_int_equal(check(&m, false), GW_ERR_PROTO);
	m = good;
	m.data[0] |= 0x20; /* padding on the first of two */
	assert_int_equal(check(&m, false), GW_ERR_PROTO);
	m = good;
	m.data[3]++; /* lengths do not add up */
	assert_int_equal(check(&m, false), GW_ERR_PROTO);
	m = good;
	m.data[0] |= 1; /* a report block that is not there */
	assert_int_equal(check(&m, false), GW_ERR_PROTO);
	m = good;
	m.data[28 + 9] = 200; /* SDES item past the end */
	assert_int_equal(check(&m, false), GW_ERR_PROTO);
	m.n = 0;
	add(&m, 31, 203, 1, NULL); /* BYE of 31 SSRCs in one word */
	assert_int_equal(check(&m, true), GW_ERR_PROTO);
	m.n = 0;
	add(&m, 1, 206, 1, NULL); /* feedback without media SSRC */
	assert_int_equal(check(&m, true), GW_ERR_PROTO);
	m.n = 0; /* feedback first: only where reduced size is negotiated */
	add_fb(&m, 206, 1, WIC, CORE);
	assert_int_equal(check(&m, false), GW_ERR_PROTO);
	assert_int_equal(check(&m, true), GW_OK);
}

static void test_reports_sdes_and_bye_pass_unchanged(void **state)
{
	struct bench b = {0};
	struct msg m = {0};
	uint8_t out[600];

	REQ("RTCP-06", "RTCP-09", "RTCP-20", "RTCP-29");
	(void)state;
	add_sr(&m, WIC);
	add_rr(&m, WIC, CORE);
	add_sdes(&m, WIC);
	add(&m, 1, 203, 1, (const uint32_t[]){WIC});
	assert_int_equal(relay(&b, AGW_RTCP_UP, 0, &m, out), m.n);
	assert_memory_equal(out, m.data, m.n);
	assert_int_equal(b.removed, 0);
	assert_int_equal(relay(&b, AGW_RTCP_DOWN, 0, &m, out), m.n);
	assert_memory_equal(out, m.data, m.n);
}

#define ALL_BITS 0x3fU /* NACK, PLI, FIR, TMMBR, APP, XR; not the reduced size */

/* One message behind a report, that way, to a leg that takes these. Does it pass as it is? */
static bool passes(enum agw_rtcp_way way, unsigned pt, unsigned fmt, unsigned allow)
{
	const bool up = way == AGW_RTCP_UP;
	const uint32_t from = up ? WIC : CORE;
	const uint32_t about = up ? CORE : WIC;
	const uint32_t v[] = {from, about, about, 0x07000000};
	struct bench b = {.now_ms = 1000};
	struct msg m = {0};
	uint8_t out[600];
	size_t n;

	add_rr(&m, from, about);
	add(&m, fmt, pt, 4, v);
	n = relay(&b, way, allow, &m, out);
	if (n == m.n && memcmp(out, m.data, n) == 0) {
		assert_int_equal(b.removed, 0);
		return true;
	}
	if (n != 32) { /* PLI and FIR are made of each other */
		assert_int_equal(pt, 206);
		assert_int_equal(out[33], 206);
		assert_int_equal(out[32] & 0x1f, fmt == 1 ? 4 : 1);
		return false;
	}
	assert_memory_equal(out, m.data, 32);
	assert_int_equal(b.removed, 1);
	return false;
}

/* Table 4.8: what each message needs on the outgoing leg, either way; 0 = never passes. */
static void test_feedback_passage_table(void **state)
{
	static const struct {
		unsigned pt;
		unsigned fmt;
		unsigned to_core;
		unsigned to_wic;
	} t[] = {
	    {205, 1, AGW_RTCP_NACK, AGW_RTCP_NACK},
	    {205, 3, AGW_RTCP_TMMBR, AGW_RTCP_TMMBR}, /* TMMBR */
	    {205, 4, AGW_RTCP_TMMBR, AGW_RTCP_TMMBR}, /* TMMBN */
	    {205, 8, 0, 0},                           /* ECN */
	    {205, 11, 0, 0},                          /* CCFB */
	    {205, 15, 0, 0},                          /* transport-cc */
	    {206, 1, AGW_RTCP_PLI, AGW_RTCP_PLI},
	    {206, 2, 0, 0}, /* SLI */
	    {206, 3, 0, 0}, /* RPSI */
	    {206, 4, AGW_RTCP_FIR, AGW_RTCP_FIR},
	    {206, 15, 0, 0}, /* REMB */
	    {204, 0, AGW_RTCP_APP, 0},
	    {207, 0, AGW_RTCP_XR, 0},
	    {208, 0, 0, 0},
	    {195, 1, 0, 0},
	    {223, 0, 0, 0},
	};

	REQ("RTCP-13", "RTCP-14", "RTCP-20", "RTCP-21", "RTCP-24", "RTCP-25", "RTCP-26", "RTCP-27");
	(void)state;
	for (size_t i = 0; i < sizeof(t) / sizeof(t[0]); i++) {
		for (unsigned to_wic = 0; to_wic < 2; to_wic++) {
			const enum agw_rtcp_way way = to_wic != 0 ? AGW_RTCP_DOWN : AGW_RTCP_UP;
			const unsigned need = to_wic != 0 ? t[i].to_wic : t[i].to_core;

			for (unsigned bit = 0; bit < 6; bit++)
				assert_int_equal(passes(way, t[i].pt, t[i].fmt, 1U << bit),
						 1U << bit == need);
			assert_int_equal(passes(way, t[i].pt, t[i].fmt, ALL_BITS), need != 0);
			assert_false(passes(way, t[i].pt, t[i].fmt, 0)); /* AVP */
		}
	}
}

static void test_a_compound_of_feedback_only_leaves_nothing(void **state)
{
	struct bench b = {.now_ms = 1};
	struct msg m = {0};
	uint8_t out[600];

	REQ("RTCP-08", "RTCP-20");
	(void)state;
	add_fb(&m, 206, 1, WIC, CORE);
	assert_int_equal(relay(&b, AGW_RTCP_UP, 0, &m, out), 0);
	/* Nor may it lead a packet to a peer that did not negotiate reduced size. */
	assert_int_equal(relay(&b, AGW_RTCP_UP, AGW_RTCP_PLI, &m, out), 0);
}

static void test_pli_becomes_fir_and_back(void **state)
{
	struct bench b = {.now_ms = 1000};
	struct msg m = {0};
	uint8_t out[600];

	REQ("RTCP-22");
	(void)state;
	add_rr(&m, WIC, CORE);
	add_fb(&m, 206, 1, WIC, CORE);
	for (unsigned i = 1; i <= 2; i++) {
		assert_int_equal(relay(&b, AGW_RTCP_UP, AGW_RTCP_FIR, &m, out), 32 + 20);
		assert_int_equal(out[32], 0x84);
		assert_int_equal(out[33], 206);
		assert_int_equal(agw_be32(out + 36), WIC);
		assert_int_equal(agw_be32(out + 40), 0);
		assert_int_equal(agw_be32(out + 44), CORE);
		assert_int_equal(out[48], i); /* its own sequence number */
		b.now_ms += 1000;
	}
	m.n = 0;
	add_rr(&m, CORE, WIC);
	add_fir(&m, CORE, WIC);
	assert_int_equal(relay(&b, AGW_RTCP_DOWN, AGW_RTCP_PLI, &m, out), 32 + 12);
	assert_int_equal(out[32], 0x81);
	assert_int_equal(out[33], 206);
	assert_int_equal(agw_be32(out + 36), CORE);
	assert_int_equal(agw_be32(out + 40), WIC);
}

static void test_refresh_requests_are_limited_to_two_a_second(void **state)
{
	struct bench b = {.now_ms = 10000};
	struct msg m = {0};
	uint8_t out[600];
	unsigned passed = 0;

	REQ("RTCP-28");
	(void)state;
	add_rr(&m, WIC, CORE);
	add_fb(&m, 206, 1, WIC, CORE);
	for (int i = 0; i < 100; i++, b.now_ms += 10)
		passed += relay(&b, AGW_RTCP_UP, AGW_RTCP_PLI, &m, out) == m.n;
	assert_int_equal(passed, 2);
}

/* The core's SSRC was renewed: everything that names it is mapped, both ways. */
static void test_ssrcs_are_mapped_both_ways(void **state)
{
	struct bench b = {.now_ms = 1000};
	struct msg m = {0};
	uint8_t out[600];
	uint32_t ours = 0;
	uint32_t tmp;

	REQ("RTCP-06", "RTCP-07", "RTCP-23", "SRTP-09");
	(void)state;
	assert_int_equal(agw_ssrc_rtp(&b.ssrcs, CORE, 5000, 0, 1, &ours), AGW_SSRC_PASS);
	agw_ssrc_new_source(&b.ssrcs);
	assert_int_equal(agw_ssrc_rtp(&b.ssrcs, CORE, 10, 0, 2, &ours), AGW_SSRC_RENEWED);
	assert_int_not_equal(ours, CORE);
	add_sr(&m, CORE);
	add_rr(&m, CORE, WIC);
	add_sdes(&m, CORE);
	add(&m, 1, 203, 1, (const uint32_t[]){CORE});
	add_fb(&m, 206, 1, CORE, WIC);
	assert_int_equal(relay(&b, AGW_RTCP_DOWN, AGW_RTCP_PLI, &m, out), m.n);
	assert_int_equal(agw_be32(out + 4), ours);
	assert_int_equal(agw_be32(out + 28 + 4), ours);
	assert_int_equal(agw_be32(out + 28 + 8), WIC);
	assert_int_equal(agw_be32(out + 60 + 4), ours);
	assert_int_equal(agw_be32(out + 76 + 4), ours);
	assert_int_equal(agw_be32(out + 84 + 4), ours);
	assert_int_equal(agw_be32(out + 84 + 8), WIC);
	/* Back: the WIC reports on the SSRC it knows. */
	m.n = 0;
	b.now_ms += 1000;
	add_rr(&m, WIC, ours);
	add_fb(&m, 205, 1, WIC, ours);
	add_fir(&m, WIC, ours);
	assert_int_equal(relay(&b, AGW_RTCP_UP, AGW_RTCP_NACK | AGW_RTCP_FIR, &m, out), m.n);
	assert_int_equal(agw_be32(out + 4), WIC);
	assert_int_equal(agw_be32(out + 8), CORE);
	assert_int_equal(agw_be32(out + 32 + 8), CORE);
	assert_int_equal(agw_be32(out + 44 + 12), CORE);
	tmp = agw_ssrc_back(&b.ssrcs, 0x33333333);
	assert_int_equal(tmp, 0x33333333);
}

static void test_a_mixers_long_sdes_does_not_crowd_out_its_media(void **state)
{
	struct bench b = {.now_ms = 1000};
	struct msg m = {0};
	uint8_t out[600];
	uint32_t ssrc = 0;

	REQ("RTCP-06", "RTP-10");
	(void)state;
	add_sr(&m, CORE);
	for (uint32_t i = 0; i < 20; i++)
		add_sdes(&m, 1000 + i);
	assert_int_equal(relay(&b, AGW_RTCP_DOWN, 0, &m, out), m.n);
	assert_memory_equal(out, m.data, m.n);
	assert_int_equal(agw_ssrc_rtp(&b.ssrcs, 77, 1, 0, 1000, &ssrc), AGW_SSRC_PASS);
	/* Senders of whole packets do count. */
	for (uint32_t i = 0; i < 20; i++) {
		m.n = 0;
		add_sr(&m, 5000 + i);
		assert_int_equal(relay(&b, AGW_RTCP_DOWN, 0, &m, out),
				 i < AGW_SSRC_MAX - 2 ? m.n : 0);
	}
}

static void test_padding_is_taken_off(void **state)
{
	struct bench b = {.now_ms = 1};
	struct msg m = {0};
	uint8_t out[600];

	REQ("RTCP-05");
	(void)state;
	add_rr(&m, WIC, CORE);
	add(&m, 1, 203, 2, (const uint32_t[]){WIC, 4});
	m.data[32] |= 0x20;
	assert_int_equal(relay(&b, AGW_RTCP_UP, 0, &m, out), m.n - 4);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_compounds_that_are_right),
	    cmocka_unit_test(test_compounds_that_are_wrong),
	    cmocka_unit_test(test_reports_sdes_and_bye_pass_unchanged),
	    cmocka_unit_test(test_feedback_passage_table),
	    cmocka_unit_test(test_a_compound_of_feedback_only_leaves_nothing),
	    cmocka_unit_test(test_pli_becomes_fir_and_back),
	    cmocka_unit_test(test_refresh_requests_are_limited_to_two_a_second),
	    cmocka_unit_test(test_ssrcs_are_mapped_both_ways),
	    cmocka_unit_test(test_a_mixers_long_sdes_does_not_crowd_out_its_media),
	    cmocka_unit_test(test_padding_is_taken_off),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
