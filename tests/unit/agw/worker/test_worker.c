/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A worker end to end on loopback: a WIC (ICE, DTLS, SRTP) on one side, a plain RTP peer on the
 * other, a real worker thread between them.
 */
#include "tests/lib/req.h"
#include "tests/unit/agw/lib/worker_bench.h"

static void run_call(struct bench *b, bool wic_active, const char *profiles, uint32_t profile)
{
	wic_open(&b->wic, "127.0.0.1", wic_active, profiles);
	reserve(b);
	configure(b, wic_active ? AGW_DTLS_ROLE_SERVER : AGW_DTLS_ROLE_CLIENT);
	wic_aim(&b->wic, &b->local.access[AGW_FAMILY_V4]);
	if (!wic_active)
		wic_ssl(&b->wic);
	assert_int_equal(wic_check(&b->wic, b->local.ufrag, b->local.pwd, true), 0);
	assert_true(wic_handshake(&b->wic, WIC_LIMIT_MS));
	assert_true(await(b, &b->seen[AGW_EV_ICE_CONNECTED], 1));
	assert_true(await(b, &b->seen[AGW_EV_DTLS_ESTABLISHED], 1));
	assert_int_equal(b->last[AGW_EV_DTLS_ESTABLISHED].value, profile);
	exchange_rtp(b, 20);
	exchange_rtcp(b);
	release(b);
	assert_int_equal(b->final.up.rtp_packets, 20);
	assert_int_equal(b->final.up.rtp_octets, 20 * 160);
	assert_int_equal(b->final.down.rtp_packets, 20);
	assert_int_equal(b->final.up.rtcp_packets, 1);
	assert_int_equal(b->final.down.rtcp_packets, 1);
	assert_int_equal(b->final.up.lost, 0);
	assert_int_equal(b->final.srtp_profile, profile);
	for (int i = 0; i < AGW_DROP_COUNT; i++) {
		assert_int_equal(b->final.up.drops[i], 0);
		assert_int_equal(b->final.down.drops[i], 0);
	}
	wic_close(&b->wic);
}

static void test_call_with_wic_as_dtls_client(void **state)
{
	REQ("RTP-02", "RTP-03", "RTCP-01", "SRTP-02", "SRTP-03", "SRTP-08", "DTLS-01", "RTP-26");
	run_call(*state, true, "SRTP_AES128_CM_SHA1_80", AGW_SRTP_AES128_CM_SHA1_80);
}

static void test_call_with_wic_as_dtls_server(void **state)
{
	REQ("DTLS-03", "DTLS-05", "SRTP-01");
	run_call(*state, false, "SRTP_AES128_CM_SHA1_80:SRTP_AEAD_AES_128_GCM",
		 AGW_SRTP_AES128_CM_SHA1_80);
}

static void test_call_with_gcm_256(void **state)
{
	REQ("SRTP-01", "SRTP-03");
	run_call(*state, true, "SRTP_AEAD_AES_256_GCM", AGW_SRTP_AEAD_AES_256_GCM);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup_teardown(test_call_with_wic_as_dtls_client, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_call_with_wic_as_dtls_server, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_call_with_gcm_256, setup, teardown),
	};

	return RUN_BOTH_WAYS(tests);
}
