/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the gateway sends of its own towards the core, with the clock in hand.
 */
#include "agw/relay/forward.h"
#include "tests/lib/req.h"
#include "tests/unit/agw/lib/stream_bench.h"

#include <sys/socket.h>

#define KEEPALIVE_MS 15000
#define CORE_SSRC    0x22222222U

/* The core's two ports; one test runs at a time. */
static int rtp_ear;
static int rtcp_ear;

static int core_setup(void **state)
{
	struct agw_core_params *core;
	struct bench *b;

	assert_int_equal(setup(state), 0);
	b = *state;
	rtp_ear = open_explicit();
	rtcp_ear = open_explicit();
	core = &b->patch.params.core;
	assert_int_equal(agw_udp_local(rtp_ear, &core->branches[0].rtp), GW_OK);
	assert_int_equal(agw_udp_local(rtcp_ear, &core->branches[0].rtcp), GW_OK);
	b->signalled = core->branches[0].rtp;
	b->cfg.keepalive_ms = KEEPALIVE_MS;
	b->patch.params.access.answered = true;
	b->patch.params.clock_hz = 8000;
	agw_stream_apply(b->s, &b->patch);
	return 0;
}

static int core_teardown(void **state)
{
	(void)close(rtp_ear);
	(void)close(rtcp_ear);
	return teardown(state);
}

static void pass(struct bench *b, uint64_t ms)
{
	for (uint64_t until = b->env.now_ms + ms; b->env.now_ms < until;) {
		b->env.now_ms += 1000;
		b->env.now_us = b->env.now_ms * 1000;
		agw_stream_sweep(b->s);
	}
}

/* Loopback: what was sent is there. @return octets, or -1 */
static ssize_t hear(int ear, uint8_t *buf, size_t n)
{
	return recv(ear, buf, n, MSG_DONTWAIT);
}

static void rtp_comes(struct bench *b, uint16_t seq)
{
	_Alignas(8) uint8_t buf[AGW_UDP_BUF] = {0};
	uint8_t *p = buf + AGW_UDP_HEAD;
	struct agw_udp_pkt pkt = {.data = p, .len = 20, .from = &b->signalled};

	p[0] = 0x80;
	p[1] = 8;
	p[2] = (uint8_t)(seq >> 8);
	p[3] = (uint8_t)seq;
	agw_put32(p + 4, seq * 160U);
	agw_put32(p + 8, CORE_SSRC);
	agw_forward_down_rtp(b->s, &pkt);
}

static void sr_comes(struct bench *b, uint32_t mid)
{
	_Alignas(8) uint8_t buf[AGW_UDP_BUF] = {0};
	uint8_t *p = buf + AGW_UDP_HEAD;
	struct agw_udp_pkt pkt = {.data = p, .len = 28, .from = &b->signalled};

	p[0] = 0x80;
	p[1] = 200;
	p[3] = 6;
	agw_put32(p + 4, CORE_SSRC);
	agw_put32(p + 10, mid);
	agw_forward_down_rtcp(b->s, &pkt);
}

/* As if a packet of the WIC had been relayed. */
static void wic_speaks(struct bench *b)
{
	agw_count(&b->s->counters.up.rtp_packets, 1);
}

static void test_a_mute_wic_is_kept_alive_by_receiver_reports(void **state)
{
	struct bench *b = *state;
	uint8_t p[256];
	ssize_t n;

	REQ("RTP-18", "RTCP-12");
	pass(b, KEEPALIVE_MS - 1000);
	assert_int_equal(hear(rtcp_ear, p, sizeof(p)), -1);
	pass(b, 1000);
	n = hear(rtcp_ear, p, sizeof(p));
	assert_true(n > 8);
	assert_int_equal(agw_rtcp_check(p, (size_t)n, false), GW_OK);
	assert_int_equal(p[0], 0x80); /* an RR without blocks: nothing came from the core either */
	assert_int_equal(p[1], 201);
	assert_int_equal(p[9], 202); /* SDES with a CNAME (RFC 3550 s6.1) */
	assert_int_equal(p[16], 1);
	assert_int_equal(p[17], AGW_CNAME_LEN);
	/* not sooner than after the same time again, under the same SSRC */
	pass(b, KEEPALIVE_MS - 1000);
	assert_int_equal(hear(rtcp_ear, p + 128, 128), -1);
	pass(b, 1000);
	assert_true(hear(rtcp_ear, p + 128, 128) > 8);
	assert_memory_equal(p + 4, p + 132, 4);
	assert_int_equal(hear(rtp_ear, p, sizeof(p)), -1);
	assert_int_equal(b->s->counters.up.made_rtcp, 2);
}

static void test_the_report_tells_what_came_from_the_core(void **state)
{
	struct bench *b = *state;
	const uint8_t *block;
	uint8_t p[256];

	REQ("RTP-18");
	b->env.now_us = b->env.now_ms * 1000;
	sr_comes(b, 0xabcd1234);
	for (uint16_t seq = 65530; seq != 6; seq++)
		if (seq != 2 && seq != 3 && seq != 4)
			rtp_comes(b, seq);
	pass(b, KEEPALIVE_MS);
	assert_true(hear(rtcp_ear, p, sizeof(p)) > 32);
	block = p + 8;
	assert_int_equal(p[0], 0x81);
	assert_int_equal(agw_be32(block), CORE_SSRC);
	assert_int_equal(block[4], 3 * 256 / 12); /* three of twelve */
	assert_int_equal(agw_be32(block + 4) & 0xffffff, 3);
	assert_int_equal(agw_be32(block + 8), 0x10005); /* once around */
	assert_int_equal(agw_be32(block + 16), 0xabcd1234);
	assert_int_equal(agw_be32(block + 20), KEEPALIVE_MS / 1000 << 16);
	/* The fraction is that of the time since. */
	rtp_comes(b, 6);
	pass(b, KEEPALIVE_MS);
	assert_true(hear(rtcp_ear, p, sizeof(p)) > 32);
	assert_int_equal(block[4], 0);
	assert_int_equal(agw_be32(block + 4) & 0xffffff, 3);
}

static void test_a_core_without_rtcp_gets_empty_rtp(void **state)
{
	struct bench *b = *state;
	uint8_t p[256], q[256];

	REQ("RTP-18", "RTCP-11");
	b->patch.params.core.rtcp = AGW_CORE_RTCP_OFF;
	agw_stream_apply(b->s, &b->patch);
	pass(b, KEEPALIVE_MS);
	assert_int_equal(hear(rtp_ear, p, sizeof(p)), AGW_RTP_HEADER);
	assert_int_equal(p[0], 0x80);
	assert_int_equal(p[1], 20);
	pass(b, KEEPALIVE_MS);
	assert_int_equal(hear(rtp_ear, q, sizeof(q)), AGW_RTP_HEADER);
	assert_int_equal((uint16_t)(agw_be16(q + 2) - agw_be16(p + 2)), 1);
	assert_memory_equal(p + 8, q + 8, 4);
	assert_int_equal(hear(rtcp_ear, p, sizeof(p)), -1);
}

static void
test_no_sign_of_life_while_the_wic_speaks_before_the_answer_or_switched_off(void **state)
{
	struct bench *b = *state;
	uint8_t p[256];

	REQ("RTP-18");
	for (int i = 0; i < 10; i++) {
		wic_speaks(b);
		pass(b, KEEPALIVE_MS - 1000);
	}
	b->patch.params.access.answered = false;
	agw_stream_apply(b->s, &b->patch);
	pass(b, 10 * KEEPALIVE_MS);
	b->patch.params.access.answered = true;
	agw_stream_apply(b->s, &b->patch);
	b->cfg.keepalive_ms = 0;
	pass(b, 10 * KEEPALIVE_MS);
	assert_int_equal(hear(rtcp_ear, p, sizeof(p)), -1);
	assert_int_equal(hear(rtp_ear, p, sizeof(p)), -1);
}

static void test_a_closed_rtcp_gate_is_respected(void **state)
{
	struct bench *b = *state;
	uint8_t p[256];

	REQ("RTP-04");
	b->patch.params.rtcp_gate_up = false;
	agw_stream_apply(b->s, &b->patch);
	pass(b, 3 * KEEPALIVE_MS);
	assert_int_equal(hear(rtcp_ear, p, sizeof(p)), -1);
}

#define T(f) cmocka_unit_test_setup_teardown(f, core_setup, core_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
	    T(test_a_mute_wic_is_kept_alive_by_receiver_reports),
	    T(test_the_report_tells_what_came_from_the_core),
	    T(test_a_core_without_rtcp_gets_empty_rtp),
	    T(test_no_sign_of_life_while_the_wic_speaks_before_the_answer_or_switched_off),
	    T(test_a_closed_rtcp_gate_is_respected),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
