/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A key that is used up (2^48 SRTP, 2^31 SRTCP packets; RFC 3711 s9.2): nobody can send that many
 * here, so libsrtp2's word for it is put into its mouth. Its functions are found here first.
 */
#include "agw/srtp/srtp.h"
#include "tests/lib/req.h"
#include "tests/unit/agw/lib/call.h"

#include <dlfcn.h>
#include <stdatomic.h>

static atomic_bool used_up; /* for whoever sends to the WIC; read on the worker */

typedef srtp_err_status_t protect_fn(srtp_t ctx, void *pkt, int *len);

static srtp_err_status_t real(const char *name, srtp_t ctx, void *pkt, int *len)
{
	void *sym = dlsym(RTLD_NEXT, name);
	protect_fn *fn;

	memcpy(&fn, &sym, sizeof(fn));
	return fn(ctx, pkt, len);
}

srtp_err_status_t srtp_protect(srtp_t ctx, void *pkt, int *len)
{
	return atomic_load(&used_up) ? srtp_err_status_key_expired
				     : real("srtp_protect", ctx, pkt, len);
}

srtp_err_status_t srtp_protect_rtcp(srtp_t ctx, void *pkt, int *len)
{
	return atomic_load(&used_up) ? srtp_err_status_key_expired
				     : real("srtp_protect_rtcp", ctx, pkt, len);
}

static void test_a_used_up_key_is_an_error_of_its_own(void **state)
{
	struct agw_srtp_keys keys = {.profile = AGW_SRTP_AES128_CM_SHA1_80};
	struct agw_srtp_sess *s;
	_Alignas(8) uint8_t pkt[300] = {0x80, 8};
	_Alignas(8) uint8_t rtcp[300] = {0x80, 201, 0, 1};
	size_t n = 100, m = 8;

	REQ("SRTP-10");
	(void)state;
	assert_int_equal(agw_srtp_sess_new(&s, &keys, 1024), GW_OK);
	atomic_store(&used_up, true);
	assert_int_equal(agw_srtp_protect(s, pkt, &n), GW_ERR_LIMIT);
	assert_int_equal(agw_srtp_protect_rtcp(s, rtcp, &m), GW_ERR_LIMIT);
	atomic_store(&used_up, false);
	assert_int_equal(agw_srtp_protect(s, pkt, &n), GW_OK);
	agw_srtp_sess_free(s);
}

static void test_nothing_is_sent_under_it_and_each_packet_is_counted(void **state)
{
	struct bench *b = *state;
	static const uint8_t payload[] = "one too many";
	uint8_t pkt[100], buf[300];
	size_t n = wic_make_rtp(pkt, 8, 1, 7, payload, sizeof(payload));

	REQ("SRTP-10");
	connect_call(b);
	atomic_store(&used_up, true);
	assert_true(agw_udp_send(b->peer.rtp, &b->local.core_rtp, pkt, n));
	AWAIT_STAT(b, down.drops[AGW_DROP_KEY_LIMIT], 1);
	n = make_sr(buf, 7);
	assert_true(agw_udp_send(b->peer.rtcp, &b->local.core_rtcp, buf, n));
	AWAIT_STAT(b, down.drops[AGW_DROP_KEY_LIMIT], 2);
	assert_int_equal(wic_recv_raw(b->wic.fd, buf, sizeof(buf), 0), -1);
	atomic_store(&used_up, false);
	wic_close(&b->wic);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup_teardown(test_a_used_up_key_is_an_error_of_its_own, setup,
					    teardown),
	    cmocka_unit_test_setup_teardown(
		test_nothing_is_sent_under_it_and_each_packet_is_counted, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
