/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A picture that is asked for outside of the core's RTCP, on a real worker: the WIC's PLI becomes
 * an event, the controller's word a PLI to the WIC.
 */
#include "agw/relay/rtp.h"
#include "tests/lib/req.h"
#include "tests/unit/agw/lib/worker_bench.h"

#define WIC_SSRC  0x11111111U
#define CORE_SSRC 0x22222222U

static void connect_call(struct bench *b, unsigned access_allow, unsigned core_allow)
{
	wic_open(&b->wic, "127.0.0.1", true, "SRTP_AES128_CM_SHA1_80");
	agw_stream_params_init(&b->params, 1);
	b->params.media = AGW_MEDIA_VIDEO;
	b->params.access.rtcp_allow = access_allow;
	b->params.core.rtcp_allow = core_allow;
	reserve_with(b);
	wic_aim(&b->wic, &b->local.access[AGW_FAMILY_V4]);
	bring_up(b);
	exchange_rtp(b, 2);
}

/* A report and a PLI, or a FIR; the core gets that many octets of it. */
static void ask(struct bench *b, bool fir, int at_core)
{
	uint8_t pkt[28] = {0x80, 201, 0, 1, 0, 0, 0, 7};
	uint8_t buf[100];
	size_t n = fir ? 28 : 20;

	pkt[8] = fir ? 0x84 : 0x81;
	pkt[9] = 206;
	pkt[11] = fir ? 4 : 2;
	pkt[15] = 7;
	agw_put32(pkt + (fir ? 20 : 16), CORE_SSRC);
	wic_send_rtcp(&b->wic, pkt, n);
	assert_int_equal(wic_recv_raw(b->peer.rtcp, buf, sizeof(buf), WIC_LIMIT_MS), at_core);
}

static void test_a_wish_the_core_has_no_word_for_is_told_twice_a_second(void **state)
{
	struct bench *b = *state;
	uint64_t first;

	REQ("RTCP-24", "RTCP-28");
	connect_call(b, AGW_RTCP_PLI, 0);
	first = wic_now_ms();
	ask(b, false, 8);
	assert_true(await(b, &b->seen[AGW_EV_PICTURE_ASKED], 1));
	assert_int_equal(b->last[AGW_EV_PICTURE_ASKED].side, AGW_SIDE_ACCESS);
	/* However often it is wished, in whatever form. */
	while (b->seen[AGW_EV_PICTURE_ASKED] < 3 && wic_now_ms() < first + WIC_LIMIT_MS) {
		ask(b, (b->up_seq++ & 1) != 0, 8);
		agw_pool_dispatch(b->pool);
	}
	assert_int_equal(b->seen[AGW_EV_PICTURE_ASKED], 3);
	assert_true(wic_now_ms() - first >= 990);
	wic_close(&b->wic);
}

static void assert_untold(struct bench *b, int at_core)
{
	ask(b, false, at_core);
	/* An event that comes after it, so that none before it is missed. */
	b->params.gate_down = false;
	apply(b);
	assert_int_equal(b->seen[AGW_EV_PICTURE_ASKED], 0);
	wic_close(&b->wic);
}

static void test_a_wish_that_passes_is_not_told(void **state)
{
	REQ("RTCP-24", "RTCP-22");
	connect_call(*state, AGW_RTCP_PLI, AGW_RTCP_FIR);
	assert_untold(*state, 28); /* as a FIR */
}

static void test_nor_one_that_was_not_negotiated(void **state)
{
	REQ("RTCP-24", "RTCP-21");
	connect_call(*state, 0, 0);
	assert_untold(*state, 8);
}

static void order_picture(struct bench *b)
{
	struct agw_stream_change ch = {.params = b->params, .ask_picture = true};
	const char *field = NULL;
	uint32_t seq = 0;
	unsigned before = b->applied;

	assert_int_equal(agw_media_apply(b->media, &ch, 1, NULL, &seq, &field), GW_OK);
	assert_true(await(b, &b->applied, before + 1));
}

/* RTCP of the gateway's own: a report, a name, and at the end that PLI. */
static void assert_pli_at_wic(struct bench *b)
{
	_Alignas(8) uint8_t p[300];
	bool rtcp = false;
	int n = 0;

	while (!rtcp) {
		n = wic_recv(&b->wic, p, sizeof(p), &rtcp, WIC_LIMIT_MS);
		assert_true(n > 20);
	}
	assert_int_equal(p[1], 201);
	p[n - 12] &= 0xdf;
	assert_int_equal(p[n - 12], 0x81);
	assert_int_equal(p[n - 11], 206);
	assert_int_equal(agw_be32(p + n - 8), agw_be32(p + 4));
	assert_int_equal(agw_be32(p + n - 4), WIC_SSRC);
}

static void test_the_wic_is_asked_by_pli(void **state)
{
	struct bench *b = *state;
	struct agw_stream_stats st = {0};

	REQ("RTCP-24", "RTCP-28");
	connect_call(b, AGW_RTCP_PLI, 0);
	order_picture(b);
	assert_pli_at_wic(b);
	order_picture(b); /* one is on its way */
	assert_true(agw_media_stats(b->media, 1, &st));
	assert_int_equal(st.down.made_rtcp, 1);
	/* Any other change asks for nothing. */
	apply(b);
	assert_true(agw_media_stats(b->media, 1, &st));
	assert_int_equal(st.down.made_rtcp, 1);
	exchange_rtp(b, 2);
	wic_close(&b->wic);
}

static void test_a_wic_without_pli_is_not_asked(void **state)
{
	struct bench *b = *state;
	struct agw_stream_stats st = {0};

	REQ("RTCP-21");
	connect_call(b, AGW_RTCP_NACK, 0);
	order_picture(b);
	assert_true(agw_media_stats(b->media, 1, &st));
	assert_int_equal(st.down.made_rtcp, 0);
	wic_close(&b->wic);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup_teardown(
		test_a_wish_the_core_has_no_word_for_is_told_twice_a_second, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_a_wish_that_passes_is_not_told, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_nor_one_that_was_not_negotiated, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_the_wic_is_asked_by_pli, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_a_wic_without_pli_is_not_asked, setup, teardown),
	};

	return RUN_BOTH_WAYS(tests);
}
