/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The core side of a call on a real worker: sources, destinations, latching, SSRC reuse, RTCP
 * towards an AVP core, two calls of one gateway.
 */
#include "common/metric.h"
#include "tests/lib/req.h"
#include "tests/unit/agw/lib/call.h"

static void test_core_source_filter_by_address(void **state)
{
	struct bench *b = *state;
	_Alignas(8) uint8_t buf[300];
	uint8_t pkt[100];
	size_t n = rtp(pkt, 8, 1, 7);
	struct gw_addr addr;
	bool rtcp;
	int stranger = other_socket("127.0.0.2", &addr);
	int same_host = other_socket("127.0.0.1", &addr);

	REQ("RTP-07");
	connect_call(b);
	core_sends(b, stranger, pkt, n);
	AWAIT_STAT(b, down.drops[AGW_DROP_SOURCE], 1);
	core_sends(b, same_host, pkt, n);
	assert_int_equal(wic_recv(&b->wic, buf, sizeof(buf), &rtcp, WIC_LIMIT_MS), n);
	b->params.core.filter = AGW_FILTER_ADDR_PORT;
	apply(b);
	n = rtp(pkt, 8, 2, 7);
	core_sends(b, same_host, pkt, n);
	AWAIT_STAT(b, down.drops[AGW_DROP_SOURCE], 2);
	exchange_rtp(b, 1);
	/* Several early dialogs: all their sources are good, the gate is the active one's. */
	b->params.core.branches[1].id = 1;
	b->params.core.branches[1].rtp = addr;
	apply(b);
	n = rtp(pkt, 8, 3, 7);
	core_sends(b, same_host, pkt, n);
	AWAIT_STAT(b, down.drops[AGW_DROP_GATE], 1);
	exchange_rtp(b, 1);
	b->params.core.active = 1;
	apply(b);
	core_sends(b, same_host, pkt, n);
	assert_int_equal(wic_recv(&b->wic, buf, sizeof(buf), &rtcp, WIC_LIMIT_MS), n);
	core_sends(b, b->peer.rtp, pkt, rtp(pkt, 8, 60, 9));
	AWAIT_STAT(b, down.drops[AGW_DROP_GATE], 2);
	AWAIT_STAT(b, down.drops[AGW_DROP_SOURCE], 2);
	n = rtp(pkt, 8, 9, 0x77);
	wic_send_rtp(&b->wic, pkt, n);
	assert_int_equal(wic_recv_raw(same_host, buf, sizeof(buf), WIC_LIMIT_MS), n);
	b->params.core.filter = AGW_FILTER_ANY;
	apply(b);
	n = rtp(pkt, 8, 4, 7);
	core_sends(b, stranger, pkt, n);
	assert_int_equal(wic_recv(&b->wic, buf, sizeof(buf), &rtcp, WIC_LIMIT_MS), n);
	(void)close(stranger);
	(void)close(same_host);
	wic_close(&b->wic);
}

static void test_a_reused_ssrc_going_back_gets_another_towards_the_wic(void **state)
{
	struct bench *b = *state;
	_Alignas(8) uint8_t buf[300];
	uint8_t pkt[100];
	uint32_t ours = 0;
	bool rtcp;

	REQ("SRTP-09", "RTP-09", "RTCP-06");
	connect_call(b);
	for (uint16_t seq = 5000; seq < 5005; seq++) {
		size_t n = rtp(pkt, 8, seq, 7);

		core_sends(b, b->peer.rtp, pkt, n);
		assert_int_equal(wic_recv(&b->wic, buf, sizeof(buf), &rtcp, WIC_LIMIT_MS), n);
		assert_memory_equal(buf, pkt, n);
	}
	/* A new endpoint behind the same address and SSRC starts lower. */
	for (uint16_t seq = 100; seq < 105; seq++)
		core_sends(b, b->peer.rtp, pkt, rtp(pkt, 8, seq, 7));
	for (uint16_t seq = 101; seq < 105; seq++) { /* the first one was held back */
		size_t n = rtp(pkt, 8, seq, 7);

		assert_int_equal(wic_recv(&b->wic, buf, sizeof(buf), &rtcp, WIC_LIMIT_MS), n);
		assert_memory_equal(buf, pkt, 8);
		assert_memory_not_equal(buf + 8, pkt + 8, 4);
		assert_memory_equal(buf + 12, pkt + 12, n - 12);
		if (ours == 0)
			memcpy(&ours, buf + 8, 4);
		assert_memory_equal(buf + 8, &ours, 4);
	}
	AWAIT_STAT(b, down.discontinuities, 1);
	/* Its sender reports follow it. */
	assert_true(agw_udp_send(b->peer.rtcp, &b->local.core_rtcp, pkt, make_sr(pkt, 7)));
	assert_true(wic_recv(&b->wic, buf, sizeof(buf), &rtcp, WIC_LIMIT_MS) > 0);
	assert_true(rtcp);
	assert_memory_equal(buf + 4, &ours, 4);
	wic_close(&b->wic);
}

static void test_an_avp_core_gets_reports_and_no_feedback(void **state)
{
	struct bench *b = *state;
	uint8_t pkt[100];
	uint8_t buf[300];
	static const uint8_t pli[] = {0x81, 206, 0, 2, 0, 0, 0, 7, 0, 0, 0, 8};
	static const uint8_t rr[] = {0x80, 201, 0, 1, 0, 0, 0, 7};
	size_t n = make_sr(pkt, 7);

	REQ("RTCP-20", "RTCP-24");
	connect_call(b);
	memcpy(pkt + n, pli, sizeof(pli));
	wic_send_rtcp(&b->wic, pkt, n + sizeof(pli));
	assert_int_equal(wic_recv_raw(b->peer.rtcp, buf, sizeof(buf), WIC_LIMIT_MS), n);
	assert_memory_equal(buf, pkt, n);
	AWAIT_STAT(b, rtcp_removed, 1);
	/* With AVPF and `nack pli` negotiated it passes. */
	b->params.core.rtcp_allow = AGW_RTCP_PLI;
	apply(b);
	memcpy(pkt, rr, sizeof(rr));
	memcpy(pkt + sizeof(rr), pli, sizeof(pli));
	n = sizeof(rr) + sizeof(pli);
	wic_send_rtcp(&b->wic, pkt, n);
	assert_int_equal(wic_recv_raw(b->peer.rtcp, buf, sizeof(buf), WIC_LIMIT_MS), n);
	assert_memory_equal(buf, pkt, n);
	wic_close(&b->wic);
}

static void test_rtcp_destinations(void **state)
{
	struct bench *b = *state;
	uint8_t pkt[100];
	uint8_t buf[300];
	size_t n = make_sr(pkt, 7);
	struct gw_addr named;
	int fd = other_socket("127.0.0.1", &named);

	REQ("RTCP-01", "RTCP-02", "RTCP-11");
	connect_call(b); /* RTP port + 1 */
	wic_send_rtcp(&b->wic, pkt, n);
	assert_int_equal(wic_recv_raw(b->peer.rtcp, buf, sizeof(buf), WIC_LIMIT_MS), n);
	b->params.core.branches[0].rtcp = named; /* a=rtcp: */
	apply(b);
	wic_send_rtcp(&b->wic, pkt, n);
	assert_int_equal(wic_recv_raw(fd, buf, sizeof(buf), WIC_LIMIT_MS), n);
	b->params.core.rtcp = AGW_CORE_RTCP_MUX;
	apply(b);
	assert_true(gw_addr_eq(&agw_media_local(b->media, 1)->core_rtcp, &b->local.core_rtp));
	wic_send_rtcp(&b->wic, pkt, n);
	assert_int_equal(wic_recv_raw(b->peer.rtp, buf, sizeof(buf), WIC_LIMIT_MS), n);
	b->params.core.rtcp = AGW_CORE_RTCP_OFF; /* b=RS:0, b=RR:0 */
	apply(b);
	wic_send_rtcp(&b->wic, pkt, n);
	AWAIT_STAT(b, up.drops[AGW_DROP_NO_DEST], 1);
	(void)close(fd);
	wic_close(&b->wic);
}

static void test_rtcp_on_the_cores_rtp_port_is_understood(void **state)
{
	struct bench *b = *state;
	_Alignas(8) uint8_t buf[300];
	uint8_t pkt[100];
	size_t n = make_sr(pkt, 7);
	bool rtcp = false;

	REQ("RTCP-04");
	connect_call(b);
	core_sends(b, b->peer.rtp, pkt, n);
	assert_int_equal(wic_recv(&b->wic, buf, sizeof(buf), &rtcp, WIC_LIMIT_MS), n);
	assert_true(rtcp);
	wic_close(&b->wic);
}

static void test_latching_moves_the_port_once_and_only_when_asked(void **state)
{
	struct bench *b = *state;
	_Alignas(8) uint8_t buf[300];
	uint8_t pkt[100];
	bool rtcp;
	struct gw_addr nat;
	struct gw_addr nat2;
	int moved = other_socket("127.0.0.1", &nat);
	int hijacker = other_socket("127.0.0.1", &nat2);

	REQ("RTP-08");
	connect_call(b); /* latching is off */
	core_sends(b, moved, pkt, rtp(pkt, 8, 1, 7));
	assert_true(wic_recv(&b->wic, buf, sizeof(buf), &rtcp, WIC_LIMIT_MS) > 0);
	exchange_rtp(b, 1);
	b->params.core.latch = AGW_LATCH_ONCE;
	b->params.gate_down = false;
	apply(b);
	b->params.gate_down = true;
	apply(b);
	core_sends(b, moved, pkt, rtp(pkt, 8, 2, 7));
	assert_true(await(b, &b->seen[AGW_EV_CORE_LATCHED], 1));
	assert_true(gw_addr_eq(&b->last[AGW_EV_CORE_LATCHED].addr, &nat));
	assert_true(gw_addr_eq(&b->last[AGW_EV_CORE_LATCHED].addr2, &b->peer.addr));
	core_sends(b, hijacker, pkt, rtp(pkt, 8, 3, 7));
	wic_send_rtp(&b->wic, pkt, rtp(pkt, 8, 1, 0x99));
	assert_true(wic_recv_raw(moved, buf, sizeof(buf), WIC_LIMIT_MS) > 0);
	assert_int_equal(wic_recv_raw(hijacker, buf, sizeof(buf), 20), -1);
	assert_int_equal(b->seen[AGW_EV_CORE_LATCHED], 1);
	(void)close(moved);
	(void)close(hijacker);
	wic_close(&b->wic);
}

static void test_two_calls_of_one_gateway_reach_each_other(void **state)
{
	struct bench *b = *state;
	struct agw_stream_params second;
	struct agw_stream_local local;
	struct agw_stream_change ch[2];
	struct wic other;
	_Alignas(8) uint8_t buf[300];
	uint8_t pkt[100];
	size_t n = rtp(pkt, 8, 77, 7);
	bool rtcp;

	REQ("RTP-27", "RTP-06");
	connect_call(b);
	wic_open(&other, "127.0.0.1", true, "SRTP_AEAD_AES_128_GCM");
	second = b->params;
	second.id = 2;
	second.access.fps[0] = other.fp;
	second.core.branches[0].rtp = b->local.core_rtp;
	assert_int_equal(agw_media_add(b->media, &second, 1, &local, NULL, NULL), GW_OK);
	wic_aim(&other, &local.access[AGW_FAMILY_V4]);
	assert_int_equal(wic_check(&other, local.ufrag, local.pwd, true), 0);
	assert_true(wic_handshake(&other, WIC_LIMIT_MS));
	assert_true(await(b, &b->seen[AGW_EV_DTLS_ESTABLISHED], 2));
	memset(ch, 0, sizeof(ch));
	b->params.core.branches[0].rtp = local.core_rtp;
	ch[0].params = b->params;
	ch[1].params = second;
	assert_int_equal(agw_media_apply(b->media, ch, 2, NULL, NULL, NULL), GW_OK);
	assert_true(await(b, &b->applied, 4));
	wic_send_rtp(&b->wic, pkt, n);
	assert_int_equal(wic_recv(&other, buf, sizeof(buf), &rtcp, WIC_LIMIT_MS), n);
	assert_memory_equal(buf, pkt, n);
	n = rtp(pkt, 8, 78, 8);
	wic_send_rtp(&other, pkt, n);
	assert_int_equal(wic_recv(&b->wic, buf, sizeof(buf), &rtcp, WIC_LIMIT_MS), n);
	assert_memory_equal(buf, pkt, n);
	wic_close(&other);
	wic_close(&b->wic);
}

#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
	    T(test_core_source_filter_by_address),
	    T(test_a_reused_ssrc_going_back_gets_another_towards_the_wic),
	    T(test_an_avp_core_gets_reports_and_no_feedback),
	    T(test_rtcp_destinations),
	    T(test_rtcp_on_the_cores_rtp_port_is_understood),
	    T(test_latching_moves_the_port_once_and_only_when_asked),
	    T(test_two_calls_of_one_gateway_reach_each_other),
	};

	return RUN_BOTH_WAYS(tests);
}
