/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Packets that SRTP or the other family's header make larger than Ethernet takes: sent whole, IP
 * may fragment them, and counted for the side they go to.
 */
#include "agw/relay/rtp.h"
#include "common/metric.h"
#include "tests/lib/req.h"
#include "tests/unit/agw/lib/worker_bench.h"

#define RTP_HEAD 12U
#define TAG      10U /* of AES128_CM_SHA1_80 */
#define V4       28U /* IP and UDP */
#define V6       48U

static void connect_call(struct bench *b, const char *ip)
{
	enum agw_family f = strchr(ip, ':') != NULL ? AGW_FAMILY_V6 : AGW_FAMILY_V4;

	wic_open(&b->wic, ip, true, "SRTP_AES128_CM_SHA1_80");
	agw_stream_params_init(&b->params, 1);
	b->params.access.families |= AGW_FAMILY_BIT(f);
	reserve_with(b);
	wic_aim(&b->wic, &b->local.access[f]);
	configure(b, AGW_DTLS_ROLE_SERVER);
	assert_int_equal(wic_check(&b->wic, b->local.ufrag, b->local.pwd, true), 0);
	assert_true(wic_handshake(&b->wic, WIC_LIMIT_MS));
	assert_true(await(b, &b->seen[AGW_EV_DTLS_ESTABLISHED], 1));
}

static long shown(const char *metric)
{
	char *text = gw_metric_text();
	const char *at = text != NULL ? strstr(text, metric) : NULL;
	long n = at != NULL ? strtol(at + strlen(metric), NULL, 10) : -1;

	free(text);
	return n;
}

static void down(struct bench *b, size_t payload)
{
	static const uint8_t zeros[1600];
	uint8_t pkt[1700];
	_Alignas(8) uint8_t buf[2200];
	size_t n = wic_make_rtp(pkt, 8, b->down_seq++, 0x22222222, zeros, payload);
	bool rtcp;

	assert_true(agw_udp_send(b->peer.rtp, &b->local.core_rtp, pkt, n));
	assert_int_equal(wic_recv(&b->wic, buf, sizeof(buf), &rtcp, WIC_LIMIT_MS), n);
	assert_false(rtcp);
	assert_memory_equal(buf, pkt, n);
}

static void up(struct bench *b, size_t payload)
{
	static const uint8_t zeros[1600];
	uint8_t pkt[1700], buf[2200];
	size_t n = wic_make_rtp(pkt, 8, b->up_seq++, 0x11111111, zeros, payload);

	wic_send_rtp(&b->wic, pkt, n);
	assert_int_equal(wic_recv_raw(b->peer.rtp, buf, sizeof(buf), WIC_LIMIT_MS), n);
	assert_memory_equal(buf, pkt, n);
}

/* The last size that fits, and one octet more. */
static void both_ways(struct bench *b, size_t access_head)
{
	const size_t fits_down = 1500 - access_head - RTP_HEAD - TAG;
	const size_t fits_up = 1500 - V4 - RTP_HEAD;
	struct agw_stream_stats st = {0};

	down(b, 160);
	down(b, fits_down);
	up(b, fits_up);
	assert_true(agw_media_stats(b->media, 1, &st));
	assert_int_equal(st.down.oversize, 0);
	assert_int_equal(st.up.oversize, 0);
	down(b, fits_down + 1);
	AWAIT_STAT(b, down.oversize, 1);
	up(b, fits_up + 1);
	up(b, fits_up + 100);
	AWAIT_STAT(b, up.oversize, 2);
	assert_true(agw_media_stats(b->media, 1, &st));
	assert_int_equal(st.down.oversize, 1);
	assert_int_equal(shown("\nagw_rtp_oversize_total{side=\"access\"} "), 1);
	assert_int_equal(shown("\nagw_rtp_oversize_total{side=\"core\"} "), 2);
	wic_close(&b->wic);
}

static void test_over_ipv4(void **state)
{
	REQ("RTP-22");
	connect_call(*state, "127.0.0.1");
	both_ways(*state, V4);
}

static void test_over_ipv6(void **state)
{
	REQ("RTP-22", "RTP-19");
	if (!has_v6())
		skip();
	connect_call(*state, "::1");
	both_ways(*state, V6);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup_teardown(test_over_ipv4, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_over_ipv6, setup, teardown),
	};

	return RUN_BOTH_WAYS(tests);
}
