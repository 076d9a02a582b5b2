/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Rules of a stream on a real worker: one SSRC towards the WIC (rewrite), policing, RTCP of early
 * dialogs that are not heard.
 */
#include "agw/relay/rtp.h"
#include "tests/lib/req.h"
#include "tests/unit/agw/lib/worker_bench.h"

#define UP_SSRC 0x11111111U

static void connect_call(struct bench *b, bool rewrite)
{
	wic_open(&b->wic, "127.0.0.1", true, "SRTP_AEAD_AES_128_GCM");
	agw_stream_params_init(&b->params, 1);
	b->params.ssrc_rewrite = rewrite;
	reserve_with(b);
	wic_aim(&b->wic, &b->local.access[AGW_FAMILY_V4]);
	configure(b, AGW_DTLS_ROLE_SERVER);
	assert_int_equal(wic_check(&b->wic, b->local.ufrag, b->local.pwd, true), 0);
	assert_true(wic_handshake(&b->wic, WIC_LIMIT_MS));
	assert_true(await(b, &b->seen[AGW_EV_DTLS_ESTABLISHED], 1));
}

static size_t rtp(uint8_t *buf, uint16_t seq, uint32_t ssrc)
{
	static const uint8_t payload[] = "payload of a test packet";

	return wic_make_rtp(buf, 8, seq, ssrc, payload, sizeof(payload));
}

/* From that peer to the WIC. @return what the WIC got */
static struct agw_rtp_view heard(struct bench *b, const struct peer *from, uint16_t seq,
				 uint32_t ssrc)
{
	_Alignas(8) uint8_t buf[300];
	struct agw_rtp_view v;
	uint8_t pkt[100];
	size_t n = rtp(pkt, seq, ssrc);
	bool rtcp;

	assert_true(agw_udp_send(from->rtp, &b->local.core_rtp, pkt, n));
	assert_int_equal(wic_recv(&b->wic, buf, sizeof(buf), &rtcp, WIC_LIMIT_MS), n);
	assert_false(rtcp);
	assert_int_equal(agw_rtp_parse(buf, n, &v), GW_OK);
	assert_memory_equal(buf + 12, pkt + 12, n - 12);
	return v;
}

/* The WIC's report on what it hears, as it comes to that peer. */
static size_t reported(struct bench *b, const struct peer *to, uint32_t about, uint16_t highest,
		       uint8_t *buf, size_t cap)
{
	uint8_t rr[32] = {0x81, 201, 0, 7};
	ssize_t n;

	agw_put32(rr + 4, UP_SSRC);
	agw_put32(rr + 8, about);
	agw_put32(rr + 16, highest);
	wic_send_rtcp(&b->wic, rr, sizeof(rr));
	n = wic_recv_raw(to->rtcp, buf, cap, WIC_LIMIT_MS);
	assert_true(n >= 8);
	return (size_t)n;
}

static void move_to(struct bench *b, const struct peer *to)
{
	b->params.core.branches[0].rtp = to->addr;
	apply(b);
}

static void test_a_transfer_changes_nothing_the_wic_can_see(void **state)
{
	struct bench *b = *state;
	_Alignas(8) uint8_t buf[300];
	struct agw_rtp_view first, v;
	struct peer other;
	uint8_t sr[64];
	size_t n;
	bool rtcp;

	REQ("RTP-09", "RTCP-06", "RTCP-07", "RTCP-23", "SRTP-09");
	connect_call(b, true);
	open_peer(&other);
	first = heard(b, &b->peer, 60000, 7);
	assert_int_not_equal(first.ssrc, 7);
	v = heard(b, &b->peer, 60001, 7);
	move_to(b, &other); /* the same SSRC from another end, with lower numbers */
	for (uint16_t i = 0; i < 5; i++) {
		v = heard(b, &other, (uint16_t)(100 + i), 7);
		assert_int_equal(v.ssrc, first.ssrc);
		assert_int_equal(v.seq, (uint16_t)(first.seq + 2 + i));
	}
	assert_true(v.ts - first.ts < 8000 * 10); /* seconds, not another clock */
	/* its reports speak of the one SSRC … */
	n = make_sr(sr, 7);
	assert_true(agw_udp_send(other.rtcp, &b->local.core_rtcp, sr, n));
	assert_int_equal(wic_recv(&b->wic, buf, sizeof(buf), &rtcp, WIC_LIMIT_MS), n);
	assert_true(rtcp);
	assert_int_equal(agw_be32(buf + 4), first.ssrc);
	assert_int_equal(agw_be32(buf + 20), 7); /* packets since that SSRC began */
	assert_int_equal(agw_be32(buf + 32), first.ssrc);
	/* … and the WIC's of the end that is heard, in its numbers */
	n = reported(b, &other, first.ssrc, (uint16_t)(first.seq + 5), buf, sizeof(buf));
	assert_int_equal(n, 32);
	assert_int_equal(agw_be32(buf + 8), 7);
	assert_int_equal(agw_be32(buf + 16), 103);
	/* a block on an SSRC nobody has goes */
	assert_int_equal(reported(b, &other, 7, 5, buf, sizeof(buf)), 8);
	move_to(b, &b->peer); /* back, with what it had and yet another SSRC */
	v = heard(b, &b->peer, 60002, 8);
	assert_int_equal(v.ssrc, first.ssrc);
	assert_int_equal(v.seq, (uint16_t)(first.seq + 7));
	(void)close(other.rtp);
	(void)close(other.rtcp);
	wic_close(&b->wic);
}

static void test_the_mode_is_of_the_whole_life_of_a_stream(void **state)
{
	struct bench *b = *state;
	struct agw_stream_change ch;
	const char *field = NULL;

	REQ("RTP-09", "IQ-10");
	connect_call(b, false);
	ch = (struct agw_stream_change){.params = b->params};
	ch.params.ssrc_rewrite = true;
	assert_int_equal(agw_media_apply(b->media, &ch, 1, NULL, NULL, &field), GW_ERR_UNSUPPORTED);
	assert_string_equal(field, "ssrc_mode");
	wic_close(&b->wic);
}

static void test_what_exceeds_the_agreed_rate_is_dropped_and_told(void **state)
{
	struct bench *b = *state;
	_Alignas(8) uint8_t buf[300];
	uint8_t pkt[100];
	size_t n;
	bool rtcp;

	REQ("RTP-23");
	connect_call(b, false);
	n = rtp(pkt, 1, UP_SSRC);
	/* ten packets at once; the rest of a second holds hardly another */
	b->params.rate_up = (struct agw_rate){.bps = 100, .burst_octets = (uint32_t)(n + 28) * 10};
	b->params.rate_down = (struct agw_rate){.bps = 200, .burst_octets = (uint32_t)(n + 28) * 3};
	apply(b);
	for (uint16_t i = 0; i < 30; i++) {
		wic_send_rtp(&b->wic, pkt, rtp(pkt, i, UP_SSRC));
		assert_true(
		    agw_udp_send(b->peer.rtp, &b->local.core_rtp, pkt, rtp(pkt, i, 0x22222222)));
	}
	AWAIT_STAT(b, up.drops[AGW_DROP_POLICED], 20);
	AWAIT_STAT(b, down.drops[AGW_DROP_POLICED], 27);
	for (int i = 0; i < 10; i++)
		assert_int_equal(wic_recv_raw(b->peer.rtp, buf, sizeof(buf), WIC_LIMIT_MS), n);
	assert_int_equal(wic_recv_raw(b->peer.rtp, buf, sizeof(buf), 0), -1);
	for (int i = 0; i < 3; i++)
		assert_int_equal(wic_recv(&b->wic, buf, sizeof(buf), &rtcp, WIC_LIMIT_MS), n);
	/* told once each, with the side and its rate */
	assert_true(await(b, &b->seen[AGW_EV_POLICED], 2));
	assert_int_equal(b->last[AGW_EV_POLICED].value,
			 b->last[AGW_EV_POLICED].side == AGW_SIDE_ACCESS ? 100 : 200);
	/* RTCP has a share of its own, and is not policed */
	exchange_rtcp(b);
	b->params.rate_up = b->params.rate_down = (struct agw_rate){0};
	apply(b);
	exchange_rtp(b, 20);
	assert_int_equal(b->seen[AGW_EV_POLICED], 2);
	wic_close(&b->wic);
}

static void test_rtcp_of_a_dialog_that_is_not_heard_does_not_pass(void **state)
{
	struct bench *b = *state;
	_Alignas(8) uint8_t buf[300];
	struct peer other;
	uint8_t sr[64];
	size_t n;
	bool rtcp;

	REQ("RTP-04", "RTP-07", "RTCP-01");
	connect_call(b, false);
	open_peer(&other); /* on the same host: ports tell the dialogs apart */
	b->params.core.branches[1].id = 1;
	b->params.core.branches[1].rtp = other.addr;
	apply(b);
	n = make_sr(sr, 0x77);
	assert_true(agw_udp_send(other.rtcp, &b->local.core_rtcp, sr, n));
	AWAIT_STAT(b, down.drops[AGW_DROP_GATE], 1);
	n = make_sr(sr, 0x66);
	assert_true(agw_udp_send(b->peer.rtcp, &b->local.core_rtcp, sr, n));
	assert_int_equal(wic_recv(&b->wic, buf, sizeof(buf), &rtcp, WIC_LIMIT_MS), n);
	assert_int_equal(agw_be32(buf + 4), 0x66);
	b->params.core.active = 1; /* now the other one is heard */
	apply(b);
	assert_true(agw_udp_send(b->peer.rtcp, &b->local.core_rtcp, sr, n));
	AWAIT_STAT(b, down.drops[AGW_DROP_GATE], 2);
	n = make_sr(sr, 0x77);
	assert_true(agw_udp_send(other.rtcp, &b->local.core_rtcp, sr, n));
	assert_int_equal(wic_recv(&b->wic, buf, sizeof(buf), &rtcp, WIC_LIMIT_MS), n);
	assert_int_equal(agw_be32(buf + 4), 0x77);
	(void)close(other.rtp);
	(void)close(other.rtcp);
	wic_close(&b->wic);
}

#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
	    T(test_a_transfer_changes_nothing_the_wic_can_see),
	    T(test_the_mode_is_of_the_whole_life_of_a_stream),
	    T(test_what_exceeds_the_agreed_rate_is_dropped_and_told),
	    T(test_rtcp_of_a_dialog_that_is_not_heard_does_not_pass),
	};

	return RUN_BOTH_WAYS(tests);
}
