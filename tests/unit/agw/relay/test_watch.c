/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Watching for silence, with the clock in hand: what counts as silence and what does not.
 */
#include "agw/relay/forward.h"
#include "agw/srtp/srtp.h"
#include "tests/lib/req.h"
#include "tests/unit/agw/lib/stream_bench.h"

static void watch(struct bench *b, uint32_t limit_ms)
{
	b->patch.params.access.answered = true;
	b->patch.params.core.inactivity_ms = limit_ms;
	agw_stream_apply(b->s, &b->patch);
}

static void pass(struct bench *b, uint64_t ms)
{
	for (uint64_t until = b->env.now_ms + ms; b->env.now_ms < until;) {
		b->env.now_ms += 1000;
		b->env.now_us = b->env.now_ms * 1000;
		agw_stream_sweep(b->s);
	}
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
	agw_forward_down_rtp(b->s, &pkt);
}

static void rtcp_comes(struct bench *b)
{
	_Alignas(8) uint8_t buf[AGW_UDP_BUF] = {0};
	uint8_t *p = buf + AGW_UDP_HEAD;
	struct agw_udp_pkt pkt = {.data = p, .len = 8, .from = &b->signalled};

	p[0] = 0x80;
	p[1] = 201;
	p[3] = 1;
	agw_forward_down_rtcp(b->s, &pkt);
}

static void test_silence_is_told_once_and_its_end_once(void **state)
{
	struct bench *b = *state;

	REQ("RTP-17");
	watch(b, 60000);
	pass(b, 59000);
	assert_int_equal(b->seen[AGW_EV_MEDIA_INACTIVE], 0);
	pass(b, 30000);
	assert_int_equal(b->seen[AGW_EV_MEDIA_INACTIVE], 1);
	assert_int_equal(b->last.side, AGW_SIDE_CORE);
	rtp_comes(b, 1);
	pass(b, 1000);
	assert_int_equal(b->seen[AGW_EV_MEDIA_ACTIVE], 1);
	pass(b, 60000);
	assert_int_equal(b->seen[AGW_EV_MEDIA_INACTIVE], 2);
}

static void test_a_sender_in_dtx_is_not_silent_while_its_rtcp_goes_on(void **state)
{
	struct bench *b = *state;

	REQ("RTP-14", "RTP-17");
	watch(b, 20000);
	rtp_comes(b, 1);
	for (int i = 0; i < 100; i++) {
		pass(b, 5000);
		rtcp_comes(b);
	}
	/* The sequence goes on where it stopped: nothing was lost either. */
	rtp_comes(b, 2);
	assert_int_equal(b->seen[AGW_EV_MEDIA_INACTIVE], 0);
	assert_int_equal(atomic_load(&b->s->counters.down.lost), 0);
}

static void test_nothing_is_watched_before_the_answer_or_when_switched_off(void **state)
{
	struct bench *b = *state;

	REQ("RTP-17");
	b->patch.params.core.inactivity_ms = 10000;
	agw_stream_apply(b->s, &b->patch);
	pass(b, 60000);
	assert_int_equal(b->seen[AGW_EV_MEDIA_INACTIVE], 0);
	watch(b, 0); /* on hold */
	pass(b, 60000);
	assert_int_equal(b->seen[AGW_EV_MEDIA_INACTIVE], 0);
	/* Resumed: the silence of the hold does not count. */
	watch(b, 10000);
	pass(b, 9000);
	assert_int_equal(b->seen[AGW_EV_MEDIA_INACTIVE], 0);
	pass(b, 2000);
	assert_int_equal(b->seen[AGW_EV_MEDIA_INACTIVE], 1);
}

static void test_strangers_do_not_break_the_silence(void **state)
{
	struct bench *b = *state;
	struct gw_addr signalled = b->signalled;

	REQ("RTP-07", "RTP-17");
	watch(b, 10000);
	assert_int_equal(gw_addr_parse_ip(&b->signalled, "127.0.0.9", 5000), GW_OK);
	for (uint16_t i = 0; i < 12; i++) {
		pass(b, 1000);
		rtp_comes(b, i);
	}
	b->signalled = signalled;
	assert_int_equal(b->seen[AGW_EV_MEDIA_INACTIVE], 1);
	assert_int_equal(atomic_load(&b->s->counters.down.drops[AGW_DROP_SOURCE]), 12);
}

static void test_bad_input_is_told_in_sums_once_in_ten_seconds(void **state)
{
	struct bench *b = *state;

	REQ("SRTP-06", "RTP-24");
	assert_int_equal(gw_addr_parse_ip(&b->signalled, "127.0.0.9", 5000), GW_OK);
	for (uint16_t i = 0; i < 500; i++)
		rtp_comes(b, i);
	pass(b, 1000);
	assert_int_equal(b->bad_lines, 1);
	assert_int_equal(b->bad[AGW_SIDE_CORE][AGW_DROP_SOURCE], 500);
	for (uint16_t i = 0; i < 90; i++) {
		rtp_comes(b, i);
		pass(b, 100 * (i % 2));
	}
	assert_true(b->bad_lines < 7); /* 45 sweeps of a second each */
	pass(b, 11000);
	assert_int_equal(b->bad[AGW_SIDE_CORE][AGW_DROP_SOURCE], 590);
	/* A quiet stream says nothing. */
	unsigned lines = b->bad_lines;

	pass(b, 60000);
	assert_int_equal(b->bad_lines, lines);
}

static void test_a_side_that_may_not_send_is_not_watched(void **state)
{
	struct bench *b = *state;

	REQ("RTP-17", "REL-09");
	b->patch.params.access.inactivity_ms = 10000;
	b->patch.params.gate_up = true;
	b->patch.params.gate_down = true;
	watch(b, 10000);
	pass(b, 12000); /* nothing from either */
	assert_int_equal(b->seen[AGW_EV_MEDIA_INACTIVE], 2);
	b->patch.params.gate_up = false; /* the core puts the WIC on hold, and plays music */
	agw_stream_apply(b->s, &b->patch);
	assert_int_equal(b->seen[AGW_EV_MEDIA_ACTIVE], 1); /* its silence means nothing now */
	assert_int_equal(b->last.side, AGW_SIDE_ACCESS);
	rtp_comes(b, 1);
	pass(b, 60000);
	assert_int_equal(b->seen[AGW_EV_MEDIA_ACTIVE], 2);
	assert_int_equal(b->seen[AGW_EV_MEDIA_INACTIVE], 3);
	assert_int_equal(b->last.side, AGW_SIDE_CORE);
	b->patch.params.gate_up = true; /* resumed: it has its whole time again */
	agw_stream_apply(b->s, &b->patch);
	pass(b, 9000);
	assert_int_equal(b->seen[AGW_EV_MEDIA_INACTIVE], 3);
	pass(b, 2000);
	assert_int_equal(b->seen[AGW_EV_MEDIA_INACTIVE], 4);
	assert_int_equal(b->last.side, AGW_SIDE_ACCESS);
}

/* As if keyed; the counters say what passed. */
static void test_before_a_key_is_used_up_a_new_one_is_asked_for(void **state)
{
	static const struct {
		bool up, rtcp;
		uint64_t limit, most;
	} rows[] = {
	    {false, false, 5000, 5000},
	    {true, false, 5000, 5000},
	    {false, true, 5000, 5000},
	    {true, true, 5000, 5000},
	    {false, false, 0, (UINT64_C(1) << 48) - (UINT64_C(1) << 24)},
	    {false, true, 0, (UINT64_C(1) << 31) - (UINT64_C(1) << 20)},
	};
	const struct agw_srtp_keys keys = {.profile = AGW_SRTP_AES128_CM_SHA1_80};
	struct bench *b = *state;

	REQ("SRTP-10");
	assert_int_equal(agw_srtp_init(), GW_OK);
	assert_int_equal(agw_srtp_sess_new(&b->s->legs[AGW_LEG_RTP].srtp, &keys, 1024), GW_OK);
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct agw_dir_counters *d = rows[i].up ? &b->s->counters.up : &b->s->counters.down;
		_Atomic uint64_t *c = rows[i].rtcp ? &d->rtcp_packets : &d->rtp_packets;
		unsigned before = b->seen[AGW_EV_KEY_LIMIT];

		b->cfg.srtp_key_packets = rows[i].limit;
		agw_stream_keyed(b->s);
		agw_count(c, rows[i].most - 1);
		pass(b, 1000);
		assert_int_equal(b->seen[AGW_EV_KEY_LIMIT], before);
		agw_count(c, 1);
		pass(b, 5000);
		assert_int_equal(b->seen[AGW_EV_KEY_LIMIT], before + 1); /* once for this key */
	}
}

static void test_a_used_up_key_is_told(void **state)
{
	struct bench *b = *state;

	REQ("SRTP-10");
	agw_count(&b->s->counters.down.drops[AGW_DROP_KEY_LIMIT], 3);
	pass(b, 1000);
	assert_int_equal(b->bad_lines, 1);
	assert_int_equal(b->bad[AGW_SIDE_CORE][AGW_DROP_KEY_LIMIT], 3);
}

#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
	    T(test_silence_is_told_once_and_its_end_once),
	    T(test_a_sender_in_dtx_is_not_silent_while_its_rtcp_goes_on),
	    T(test_nothing_is_watched_before_the_answer_or_when_switched_off),
	    T(test_bad_input_is_told_in_sums_once_in_ten_seconds),
	    T(test_a_side_that_may_not_send_is_not_watched),
	    T(test_before_a_key_is_used_up_a_new_one_is_asked_for),
	    T(test_a_used_up_key_is_told),
	    T(test_strangers_do_not_break_the_silence),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
