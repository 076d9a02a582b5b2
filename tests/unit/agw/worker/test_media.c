/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Media on a real worker once the call is up: gates, payload types, tampering, extensions,
 * bursts, IPv6, DSCP. Every drop has its counter.
 */
#include "common/metric.h"
#include "tests/lib/req.h"
#include "tests/unit/agw/lib/call.h"

static void test_closed_gates_drop_rtp_and_let_rtcp_through(void **state)
{
	struct bench *b = *state;
	uint8_t pkt[100];
	size_t n = rtp(pkt, 8, 1, 7);
	char *text;

	REQ("RTP-04", "RTP-05");
	connect_call(b);
	b->params.gate_up = b->params.gate_down = false;
	apply(b);
	wic_send_rtp(&b->wic, pkt, n);
	AWAIT_STAT(b, up.drops[AGW_DROP_GATE], 1);
	core_sends(b, b->peer.rtp, pkt, n);
	AWAIT_STAT(b, down.drops[AGW_DROP_GATE], 1);
	exchange_rtcp(b);
	text = gw_metric_text();
	assert_non_null(text);
	assert_non_null(strstr(text, "agw_media_drop_total{reason=\"gate\"} 2\n"));
	assert_non_null(strstr(text, "agw_media_event_total{event=\"dtls-established\"} "));
	free(text);
	/* One way only. */
	b->params.gate_down = true;
	apply(b);
	n = rtp(pkt, 8, 2, 7);
	wic_send_rtp(&b->wic, pkt, n);
	AWAIT_STAT(b, up.drops[AGW_DROP_GATE], 2);
	b->params.gate_up = true;
	apply(b);
	exchange_rtp(b, 3);
	wic_close(&b->wic);
}

static void test_media_from_an_unchecked_access_source_is_dropped(void **state)
{
	struct bench *b = *state;
	uint8_t pkt[100];
	size_t n = rtp(pkt, 8, 1, 7);
	struct gw_addr addr;
	int stranger = other_socket("127.0.0.1", &addr);

	REQ("ICE-16");
	connect_call(b);
	assert_true(agw_udp_send(stranger, &b->local.access[AGW_FAMILY_V4], pkt, n));
	await_stranger(b);
	exchange_rtp(b, 1);
	(void)close(stranger);
	wic_close(&b->wic);
}

static void test_payload_types_nobody_negotiated_are_dropped_and_told_once(void **state)
{
	struct bench *b = *state;
	uint8_t pkt[100];

	REQ("RTP-02");
	connect_call(b);
	for (uint16_t i = 1; i <= 3; i++) {
		wic_send_rtp(&b->wic, pkt, rtp(pkt, 111, i, 7));
		core_sends(b, b->peer.rtp, pkt, rtp(pkt, 0, i, 8));
	}
	AWAIT_STAT(b, up.drops[AGW_DROP_PT], 3);
	AWAIT_STAT(b, down.drops[AGW_DROP_PT], 3);
	assert_true(await(b, &b->seen[AGW_EV_PT_UNKNOWN], 2));
	exchange_rtp(b, 1);
	assert_true(await(b, &b->seen[AGW_EV_SSRC_CHANGED], 2));
	assert_int_equal(b->seen[AGW_EV_PT_UNKNOWN], 2); /* once per side */
	wic_close(&b->wic);
}

static void test_tampered_and_replayed_srtp_never_reaches_the_core(void **state)
{
	struct bench *b = *state;
	_Alignas(8) uint8_t good[300];
	uint8_t bad[300];
	uint8_t buf[300];
	int len;

	REQ("SRTP-06", "SRTP-07");
	connect_call(b);
	len = (int)rtp(good, 8, 100, 7);
	assert_int_equal(srtp_protect(b->wic.send, good, &len), srtp_err_status_ok);
	memcpy(bad, good, (size_t)len);
	bad[20] ^= 1;
	assert_true(agw_udp_send(b->wic.fd, NULL, bad, (size_t)len));
	AWAIT_STAT(b, up.drops[AGW_DROP_AUTH], 1);
	assert_true(agw_udp_send(b->wic.fd, NULL, good, (size_t)len));
	assert_true(wic_recv_raw(b->peer.rtp, buf, sizeof(buf), WIC_LIMIT_MS) > 0);
	assert_true(agw_udp_send(b->wic.fd, NULL, good, (size_t)len));
	AWAIT_STAT(b, up.drops[AGW_DROP_REPLAY], 1);
	assert_int_equal(wic_recv_raw(b->peer.rtp, buf, sizeof(buf), 50), -1);
	wic_close(&b->wic);
}

static void test_malformed_packets_are_counted_on_both_sides(void **state)
{
	struct bench *b = *state;
	uint8_t pkt[2100];

	REQ("RTP-24", "RTP-22", "RTP-01", "RTCP-05");
	connect_call(b);
	memset(pkt, 0, sizeof(pkt));
	pkt[0] = 0x8f; /* CSRCs that are not there */
	core_sends(b, b->peer.rtp, pkt, 20);
	AWAIT_STAT(b, down.drops[AGW_DROP_MALFORMED], 1);
	pkt[0] = 0x80;
	pkt[1] = 200; /* an SR of one word */
	core_sends(b, b->peer.rtp, pkt, 8);
	AWAIT_STAT(b, down.drops[AGW_DROP_MALFORMED], 2);
	pkt[0] = 17; /* ZRTP */
	core_sends(b, b->peer.rtp, pkt, 20);
	AWAIT_STAT(b, down.drops[AGW_DROP_DEMUX], 1);
	assert_true(agw_udp_send(b->wic.fd, NULL, pkt, 20));
	AWAIT_STAT(b, up.drops[AGW_DROP_DEMUX], 1);
	pkt[0] = 0x80;
	pkt[1] = 8;
	core_sends(b, b->peer.rtp, pkt, 2049);
	AWAIT_STAT(b, down.drops[AGW_DROP_TOO_BIG], 1);
	assert_true(agw_udp_send(b->wic.fd, NULL, pkt, 8)); /* SRTP of 8 octets */
	AWAIT_STAT(b, up.drops[AGW_DROP_MALFORMED], 1);
	exchange_rtp(b, 1);
	wic_close(&b->wic);
}

static void test_header_extensions_do_not_reach_the_core(void **state)
{
	struct bench *b = *state;
	const uint8_t in[] = {0x90, 8,    0, 1, 0,    0, 0, 1, 0,   0,   0,  7,
			      0xbe, 0xde, 0, 1, 0x10, 5, 0, 0, 'v', 'o', 'x'};
	const uint8_t want[] = {0x80, 8, 0, 1, 0, 0, 0, 1, 0, 0, 0, 7, 'v', 'o', 'x'};
	uint8_t buf[300];

	REQ("RTP-12");
	connect_call(b);
	wic_send_rtp(&b->wic, in, sizeof(in));
	assert_int_equal(wic_recv_raw(b->peer.rtp, buf, sizeof(buf), WIC_LIMIT_MS), sizeof(want));
	assert_memory_equal(buf, want, sizeof(want));
	wic_close(&b->wic);
}

static void test_header_extensions_that_may_stay_get_the_ids_of_the_other_leg(void **state)
{
	struct bench *b = *state;
	const uint8_t in[] = {0x90, 8,    0, 1, 0,    0, 0,    1, 0,   0,   0,  7,
			      0xbe, 0xde, 0, 1, 0x10, 5, 0x30, 6, 'v', 'o', 'x'};
	const uint8_t want[] = {0x90, 8,    0, 1, 0, 0, 0,    1, 0,   0,   0,  7,
				0xbe, 0xde, 0, 1, 0, 0, 0xd0, 6, 'v', 'o', 'x'};
	uint8_t buf[300];

	REQ("RTP-12");
	connect_call(b);
	agw_ext_map_add(&b->params.core.exts, 3, 13);
	apply(b);
	wic_send_rtp(&b->wic, in, sizeof(in));
	assert_int_equal(wic_recv_raw(b->peer.rtp, buf, sizeof(buf), WIC_LIMIT_MS), sizeof(want));
	assert_memory_equal(buf, want, sizeof(want));
	wic_close(&b->wic);
}

static void test_padding_only_probes_stay_here(void **state)
{
	struct bench *b = *state;
	uint8_t probe[32] = {0xa0, 8, 0, 1, 0, 0, 0, 1, 0, 0, 0, 7};

	REQ("RTP-11");
	connect_call(b);
	probe[31] = 20;
	wic_send_rtp(&b->wic, probe, sizeof(probe));
	AWAIT_STAT(b, up.drops[AGW_DROP_PADDING], 1);
	wic_close(&b->wic);
}

static int setup_padding(void **state)
{
	return bench_start(state,
			   (struct agw_pool_cfg){.n_workers = 2, .relay_padding_only = true});
}

/* rtp.relay_padding */
static void test_padding_only_probes_pass_where_the_core_wants_them(void **state)
{
	struct bench *b = *state;
	uint8_t probe[32] = {0xa0, 8, 0, 1, 0, 0, 0, 1, 0, 0, 0, 7}, got[100];

	REQ("RTP-11");
	connect_call(b);
	probe[31] = 20;
	wic_send_rtp(&b->wic, probe, sizeof(probe));
	assert_int_equal(wic_recv_raw(b->peer.rtp, got, sizeof(got), WIC_LIMIT_MS), sizeof(probe));
	assert_memory_equal(got, probe, sizeof(probe));
	wic_close(&b->wic);
}

static void test_silence_of_a_side_is_told_and_its_end_too(void **state)
{
	struct bench *b = *state;
	uint8_t pkt[100];

	REQ("RTP-17");
	connect_call(b);
	b->params.access.inactivity_ms = 300;
	apply(b);
	assert_true(await(b, &b->seen[AGW_EV_MEDIA_INACTIVE], 1));
	assert_int_equal(b->last[AGW_EV_MEDIA_INACTIVE].side, AGW_SIDE_ACCESS);
	for (uint16_t i = 0; i < 300 && b->seen[AGW_EV_MEDIA_ACTIVE] == 0; i++) {
		struct pollfd p = {.fd = agw_pool_fd(b->pool), .events = POLLIN};

		wic_send_rtp(&b->wic, pkt, rtp(pkt, 8, i, 7));
		if (poll(&p, 1, 20) == 1)
			agw_pool_dispatch(b->pool);
	}
	assert_int_equal(b->seen[AGW_EV_MEDIA_ACTIVE], 1);
	assert_int_equal(b->seen[AGW_EV_MEDIA_INACTIVE], 1);
	wic_close(&b->wic);
}

/* A key frame: more packets at once than one batch, each near the path's MTU. */
static void test_a_burst_arrives_whole_and_in_order_both_ways(void **state)
{
	struct bench *b = *state;
	_Alignas(8) uint8_t buf[2048];
	uint8_t payload[1448];
	uint8_t pkt[1460];
	bool rtcp;

	REQ("RTP-25", "RTP-22");
	connect_call(b);
	memset(payload, 0x5a, sizeof(payload));
	for (uint16_t seq = 1; seq <= 100; seq++)
		core_sends(b, b->peer.rtp, pkt,
			   wic_make_rtp(pkt, 8, seq, 7, payload, sizeof(payload)));
	for (uint16_t seq = 1; seq <= 100; seq++) {
		(void)wic_make_rtp(pkt, 8, seq, 7, payload, sizeof(payload));
		assert_int_equal(wic_recv(&b->wic, buf, sizeof(buf), &rtcp, WIC_LIMIT_MS),
				 sizeof(pkt));
		assert_memory_equal(buf, pkt, sizeof(pkt));
	}
	for (uint16_t seq = 1; seq <= 100; seq++)
		wic_send_rtp(&b->wic, pkt, wic_make_rtp(pkt, 8, seq, 9, payload, sizeof(payload)));
	for (uint16_t seq = 1; seq <= 100; seq++) {
		(void)wic_make_rtp(pkt, 8, seq, 9, payload, sizeof(payload));
		assert_int_equal(wic_recv_raw(b->peer.rtp, buf, sizeof(buf), WIC_LIMIT_MS),
				 sizeof(pkt));
		assert_memory_equal(buf, pkt, sizeof(pkt));
	}
	wic_close(&b->wic);
}

static void test_access_over_ipv6_core_over_ipv4(void **state)
{
	struct bench *b = *state;
	const struct agw_candidate *c = b->local.cands;

	REQ("RTP-19", "ICE-03");
	if (!has_v6())
		skip();
	wic_open(&b->wic, "::1", true, "SRTP_AES128_CM_SHA1_80");
	agw_stream_params_init(&b->params, 1);
	b->params.access.families |= AGW_FAMILY_BIT(AGW_FAMILY_V6);
	reserve_with(b);
	assert_int_equal(b->local.n_cands, 2);
	assert_false(gw_addr_is_v6(&c[0].addr));
	assert_true(gw_addr_is_v6(&c[1].addr));
	assert_string_not_equal(c[0].foundation, c[1].foundation);
	assert_true(c[0].priority > c[1].priority);
	wic_aim(&b->wic, &b->local.access[AGW_FAMILY_V6]);
	configure(b, AGW_DTLS_ROLE_SERVER);
	assert_int_equal(wic_check(&b->wic, b->local.ufrag, b->local.pwd, true), 0);
	assert_true(wic_handshake(&b->wic, WIC_LIMIT_MS));
	assert_true(await(b, &b->seen[AGW_EV_DTLS_ESTABLISHED], 1));
	exchange_rtp(b, 5);
	exchange_rtcp(b);
	wic_close(&b->wic);
}

/* TOS octet of the next datagram. */
static int recv_tos(int fd)
{
	char buf[300];
	char control[100];
	struct iovec iov = {.iov_base = buf, .iov_len = sizeof(buf)};
	struct msghdr m = {.msg_iov = &iov,
			   .msg_iovlen = 1,
			   .msg_control = control,
			   .msg_controllen = sizeof(control)};
	struct pollfd p = {.fd = fd, .events = POLLIN};
	struct cmsghdr *c;

	assert_int_equal(poll(&p, 1, WIC_LIMIT_MS), 1);
	assert_true(recvmsg(fd, &m, 0) > 0);
	c = CMSG_FIRSTHDR(&m);
	if (c == NULL || c->cmsg_type != IP_TOS)
		return -1;
	return *CMSG_DATA(c);
}

static void test_packets_carry_the_dscp_of_their_leg(void **state)
{
	struct bench *b = *state;
	uint8_t pkt[100];
	size_t n;
	int one = 1;

	REQ("RTP-15", "RTP-16");
	connect_call(b);
	assert_int_equal(setsockopt(b->peer.rtp, IPPROTO_IP, IP_RECVTOS, &one, sizeof(one)), 0);
	assert_int_equal(setsockopt(b->wic.fd, IPPROTO_IP, IP_RECVTOS, &one, sizeof(one)), 0);
	b->params.access.dscp = 46;
	b->params.core.dscp = 34;
	apply(b);
	n = rtp(pkt, 8, 1, 7);
	wic_send_rtp(&b->wic, pkt, n);
	assert_int_equal(recv_tos(b->peer.rtp), 34 << 2);
	core_sends(b, b->peer.rtp, pkt, n);
	assert_int_equal(recv_tos(b->wic.fd), 46 << 2);
	wic_close(&b->wic);
}

#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
	    T(test_closed_gates_drop_rtp_and_let_rtcp_through),
	    T(test_media_from_an_unchecked_access_source_is_dropped),
	    T(test_payload_types_nobody_negotiated_are_dropped_and_told_once),
	    T(test_tampered_and_replayed_srtp_never_reaches_the_core),
	    T(test_malformed_packets_are_counted_on_both_sides),
	    T(test_header_extensions_do_not_reach_the_core),
	    T(test_header_extensions_that_may_stay_get_the_ids_of_the_other_leg),
	    T(test_padding_only_probes_stay_here),
	    cmocka_unit_test_setup_teardown(test_padding_only_probes_pass_where_the_core_wants_them,
					    setup_padding, teardown),
	    T(test_silence_of_a_side_is_told_and_its_end_too),
	    T(test_a_burst_arrives_whole_and_in_order_both_ways),
	    T(test_access_over_ipv6_core_over_ipv4),
	    T(test_packets_carry_the_dscp_of_their_leg),
	};

	return RUN_BOTH_WAYS(tests);
}
