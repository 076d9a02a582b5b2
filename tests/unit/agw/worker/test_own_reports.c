/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Reports of the gateway's own towards a WIC whose core sends no RTCP, on a real worker: video,
 * because its reports come every second.
 */
#include "agw/relay/rtp.h"
#include "tests/lib/req.h"
#include "tests/unit/agw/lib/worker_bench.h"

#define PATIENCE_MS 20000

static int generate_setup(void **state)
{
	return bench_start(state, (struct agw_pool_cfg){.n_workers = 1, .rtcp_generate = true});
}

static void connect_call(struct bench *b)
{
	wic_open(&b->wic, "127.0.0.1", true, "SRTP_AES128_CM_SHA1_80");
	agw_stream_params_init(&b->params, 1);
	b->params.media = AGW_MEDIA_VIDEO;
	b->params.access.families = 1U << AGW_FAMILY_V4;
	reserve_with(b);
	wic_aim(&b->wic, &b->local.access[AGW_FAMILY_V4]);
	configure(b, AGW_DTLS_ROLE_SERVER);
	assert_int_equal(wic_check(&b->wic, b->local.ufrag, b->local.pwd, true), 0);
	assert_true(wic_handshake(&b->wic, WIC_LIMIT_MS));
	assert_true(await(b, &b->seen[AGW_EV_DTLS_ESTABLISHED], 1));
}

static void await_rtcp(struct bench *b, uint8_t *buf, size_t n, int *len)
{
	uint64_t until = wic_now_ms() + PATIENCE_MS;
	bool rtcp = false;

	while (!rtcp && wic_now_ms() < until)
		*len = wic_recv(&b->wic, buf, n, &rtcp, 1000);
	assert_true(rtcp);
}

static void test_a_core_without_rtcp_is_reported_for(void **state)
{
	struct bench *b = *state;
	_Alignas(8) uint8_t p[2048];
	struct agw_stream_stats st;
	const uint8_t *block;
	uint8_t back[64] = {0x81, 201, 0, 7, 0x11, 0x11, 0x11, 0x11};
	int len = 0;

	REQ("RTCP-10", "RTCP-12", "RTP-26");
	connect_call(b);
	exchange_rtp(b, 5);
	/* The core's media rests: an RR about the WIC's. */
	await_rtcp(b, p, sizeof(p), &len);
	assert_int_equal(p[1], 201);
	assert_int_equal(agw_be32(p + 8), 0x11111111);
	/* It flows: an SR under its SSRC, with the same block. */
	do {
		exchange_rtp(b, 2);
		await_rtcp(b, p, sizeof(p), &len);
	} while (p[1] != 200);
	assert_int_equal(agw_be32(p + 4), 0x22222222);
	assert_true(agw_be32(p + 20) >= 7); /* packets so far */
	block = p + 28;
	assert_int_equal(agw_be32(block), 0x11111111);
	assert_int_equal(agw_be32(block + 4) & 0xffffff, 0);
	assert_int_equal(agw_be32(block + 8) & 0xffff, (uint16_t)(b->up_seq - 1));
	assert_int_equal(p[28 + 24 + 1], 202); /* SDES follows */
	assert_int_equal(len, 28 + 24 + 28);
	/* The WIC reports on that SR: the round trip is known. */
	memcpy(back + 8, p + 4, 4);
	memcpy(back + 24, p + 10, 4);
	wic_send_rtcp(&b->wic, back, 32);
	for (uint64_t until = wic_now_ms() + WIC_LIMIT_MS;;) {
		assert_true(agw_media_stats(b->media, 1, &st));
		if (st.down.rtt_us != 0)
			break;
		assert_true(wic_now_ms() < until);
		(void)poll(NULL, 0, 2);
	}
	assert_true(st.down.made_rtcp >= 2);
	assert_int_equal(st.down.rtcp_packets, 0);
	wic_close(&b->wic);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup_teardown(test_a_core_without_rtcp_is_reported_for,
					    generate_setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
