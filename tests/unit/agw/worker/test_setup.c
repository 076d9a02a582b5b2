/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Setting up and ending on a real worker: early and late signalling, failures and time limits,
 * restarts, new associations.
 */
#include "tests/lib/req.h"
#include "tests/unit/agw/lib/call.h"

static unsigned never_again(SSL *ssl, unsigned timer_us)
{
	(void)ssl;
	(void)timer_us;
	return 60U * 1000000U;
}

static void test_handshake_before_the_answer_gives_media_only_after_it(void **state)
{
	struct bench *b = *state;
	const uint8_t payload[] = "too early";
	uint8_t pkt[100];
	size_t n = wic_make_rtp(pkt, 8, 1, 7, payload, sizeof(payload));

	REQ("DTLS-05", "DTLS-06", "ICE-10");
	begin(b, true);
	/* We offered actpass; the WIC answered active, but its answer is still under way. */
	assert_int_equal(wic_check(&b->wic, b->local.ufrag, b->local.pwd, true), 0);
	assert_true(wic_handshake(&b->wic, WIC_LIMIT_MS));
	wic_send_rtp(&b->wic, pkt, n);
	AWAIT_STAT(b, up.drops[AGW_DROP_NOT_READY], 1);
	assert_int_equal(b->seen[AGW_EV_DTLS_ESTABLISHED], 0);
	configure(b, AGW_DTLS_ROLE_SERVER);
	assert_true(await(b, &b->seen[AGW_EV_DTLS_ESTABLISHED], 1));
	exchange_rtp(b, 5);
	wic_close(&b->wic);
}

static void test_client_hello_before_nomination_is_kept(void **state)
{
	struct bench *b = *state;

	REQ("DTLS-05", "ICE-15");
	begin(b, true);
	configure(b, AGW_DTLS_ROLE_SERVER);
	assert_int_equal(wic_check(&b->wic, b->local.ufrag, b->local.pwd, false), 0);
	wic_ssl(&b->wic);
	DTLS_set_timer_cb(b->wic.ssl, never_again);
	assert_false(wic_step(&b->wic));
	AWAIT_STAT(b, dtls_packets, 1);
	assert_int_equal(wic_check(&b->wic, b->local.ufrag, b->local.pwd, true), 0);
	/* The peer never repeats its ClientHello: only a kept one gets it there. */
	assert_true(wic_handshake(&b->wic, WIC_LIMIT_MS));
	assert_true(await(b, &b->seen[AGW_EV_DTLS_ESTABLISHED], 1));
	wic_close(&b->wic);
}

static void test_client_hello_from_an_unchecked_source_is_dropped(void **state)
{
	struct bench *b = *state;

	REQ("ICE-16", "DTLS-05");
	begin(b, true);
	configure(b, AGW_DTLS_ROLE_SERVER);
	wic_ssl(&b->wic);
	assert_false(wic_step(&b->wic));
	await_stranger(b);
	wic_close(&b->wic);
}

static void test_wrong_fingerprint_never_lets_media_through(void **state)
{
	struct bench *b = *state;
	const uint8_t payload[] = "not for you";
	uint8_t pkt[100];
	size_t n = wic_make_rtp(pkt, 8, 1, 7, payload, sizeof(payload));

	REQ("DTLS-07");
	begin(b, true);
	b->wic.fp.octets[0] ^= 1;
	configure(b, AGW_DTLS_ROLE_SERVER);
	assert_int_equal(wic_check(&b->wic, b->local.ufrag, b->local.pwd, true), 0);
	assert_false(wic_handshake(&b->wic, 300));
	assert_true(await(b, &b->seen[AGW_EV_DTLS_FAILED], 1));
	assert_int_equal(b->last[AGW_EV_DTLS_FAILED].cause, AGW_CAUSE_FINGERPRINT);
	assert_true(agw_udp_send(b->peer.rtp, &b->local.core_rtp, pkt, n));
	AWAIT_STAT(b, down.drops[AGW_DROP_NOT_READY], 1);
	assert_true(agw_udp_send(b->wic.fd, NULL, pkt, n));
	AWAIT_STAT(b, up.drops[AGW_DROP_NOT_READY], 1);
	wic_close(&b->wic);
}

static int setup_impatient(void **state)
{
	return bench_start(state, (struct agw_pool_cfg){.n_workers = 1,
							.ice_timeout_ms = 200,
							.consent_timeout_ms = 1200,
							.dtls_timeout_ms = 300,
							.dtls_fp_wait_ms = 300});
}

static void test_ice_that_does_not_connect_fails(void **state)
{
	struct bench *b = *state;

	REQ("ICE-25");
	begin(b, true);
	configure(b, AGW_DTLS_ROLE_SERVER);
	assert_true(await(b, &b->seen[AGW_EV_ICE_FAILED], 1));
	assert_int_equal(b->seen[AGW_EV_ICE_CONNECTED], 0);
	wic_close(&b->wic);
}

static void test_a_handshake_that_does_not_end_fails(void **state)
{
	struct bench *b = *state;

	REQ("DTLS-16");
	begin(b, false);
	configure(b, AGW_DTLS_ROLE_CLIENT);
	assert_int_equal(wic_check(&b->wic, b->local.ufrag, b->local.pwd, true), 0);
	assert_true(await(b, &b->seen[AGW_EV_DTLS_FAILED], 1));
	assert_int_equal(b->last[AGW_EV_DTLS_FAILED].cause, AGW_CAUSE_TIMEOUT);
	wic_close(&b->wic);
}

/* It sends, and hears nothing: so it stops after its first flight. */
static void make_deaf(struct wic *w)
{
	BIO *empty = BIO_new(BIO_s_mem());

	assert_non_null(empty);
	(void)BIO_set_mem_eof_return(empty, -1);
	SSL_set0_rbio(w->ssl, empty);
}

static void test_a_peer_may_not_sit_on_a_handshake_before_the_answer(void **state)
{
	struct bench *b = *state;
	struct agw_pool_load load;

	REQ("DTLS-16", "DTLS-25");
	begin(b, true); /* nothing is answered yet */
	assert_int_equal(wic_check(&b->wic, b->local.ufrag, b->local.pwd, true), 0);
	wic_ssl(&b->wic);
	make_deaf(&b->wic);
	assert_false(wic_step(&b->wic)); /* a ClientHello, and no more */
	assert_true(await(b, &b->seen[AGW_EV_DTLS_FAILED], 1));
	assert_int_equal(b->last[AGW_EV_DTLS_FAILED].cause, AGW_CAUSE_TIMEOUT);
	agw_pool_load(b->pool, &load);
	assert_int_equal(load.handshakes, 0);
	wic_close(&b->wic);
}

static void test_a_fingerprint_that_never_comes_fails(void **state)
{
	struct bench *b = *state;

	REQ("DTLS-06");
	begin(b, true);
	assert_int_equal(wic_check(&b->wic, b->local.ufrag, b->local.pwd, true), 0);
	assert_true(wic_handshake(&b->wic, WIC_LIMIT_MS));
	assert_true(await(b, &b->seen[AGW_EV_DTLS_FAILED], 1));
	assert_int_equal(b->last[AGW_EV_DTLS_FAILED].cause, AGW_CAUSE_FP_WAIT);
	wic_close(&b->wic);
}

static void test_consent_lost_stops_sending_and_restored_resumes(void **state)
{
	struct bench *b = *state;
	const uint8_t payload[] = "anybody there?";
	uint8_t pkt[100];
	size_t n = wic_make_rtp(pkt, 8, 500, 7, payload, sizeof(payload));

	REQ("ICE-21", "ICE-24");
	connect_call(b);
	assert_true(await(b, &b->seen[AGW_EV_CONSENT_LOST], 1));
	assert_true(agw_udp_send(b->peer.rtp, &b->local.core_rtp, pkt, n));
	AWAIT_STAT(b, down.drops[AGW_DROP_NO_DEST], 1);
	assert_int_equal(wic_check(&b->wic, b->local.ufrag, b->local.pwd, false), 0);
	assert_true(await(b, &b->seen[AGW_EV_CONSENT_RESTORED], 1));
	exchange_rtp(b, 3);
	wic_close(&b->wic);
}

static void test_ice_restart_moves_media_to_the_newly_nominated_pair(void **state)
{
	struct bench *b = *state;
	struct agw_stream_change ch = {.ice_restart = true};
	struct agw_stream_local before;
	struct agw_stream_local after;
	struct wic moved;
	uint8_t buf[300];
	const uint8_t payload[] = "where are you?";
	uint8_t pkt[100];
	size_t n = wic_make_rtp(pkt, 8, 1020, 0x22222222, payload, sizeof(payload));

	REQ("ICE-17", "ICE-20", "DTLS-21");
	connect_call(b);
	before = b->local;
	ch.params = b->params;
	assert_int_equal(agw_media_apply(b->media, &ch, 1, &after, NULL, NULL), GW_OK);
	assert_string_not_equal(after.ufrag, before.ufrag);
	assert_string_not_equal(after.pwd, before.pwd);
	assert_int_equal(after.ice_generation, 1);
	assert_true(gw_addr_eq(&after.access[AGW_FAMILY_V4], &before.access[AGW_FAMILY_V4]));
	/* The old pair stays in use, and its checks are answered. */
	exchange_rtp(b, 3);
	assert_int_equal(wic_check(&b->wic, before.ufrag, before.pwd, false), 0);
	wic_open(&moved, "127.0.0.1", true, "SRTP_AES128_CM_SHA1_80");
	wic_aim(&moved, &b->local.access[AGW_FAMILY_V4]);
	assert_int_equal(wic_check(&moved, after.ufrag, after.pwd, true), 0);
	assert_true(await(b, &b->seen[AGW_EV_ICE_CONNECTED], 2));
	assert_int_equal(b->last[AGW_EV_ICE_CONNECTED].value, 1);
	assert_int_equal(wic_check(&b->wic, before.ufrag, before.pwd, false), 401);
	assert_true(agw_udp_send(b->peer.rtp, &b->local.core_rtp, pkt, n));
	assert_int_equal(wic_recv_raw(moved.fd, buf, sizeof(buf), WIC_LIMIT_MS), n + 10);
	assert_int_equal(b->seen[AGW_EV_DTLS_ESTABLISHED], 1);
	wic_close(&moved);
	wic_close(&b->wic);
}

static void test_a_restart_may_be_answered_late(void **state)
{
	struct bench *b = *state;
	struct agw_stream_change ch = {.ice_restart = true};
	struct agw_stream_local after;

	REQ("ICE-17", "ICE-25");
	connect_call(b);
	ch.params = b->params;
	assert_int_equal(agw_media_apply(b->media, &ch, 1, &after, NULL, NULL), GW_OK);
	for (int i = 0; i < 4; i++) { /* twice ice.timeout: the offer is still unanswered */
		struct pollfd p = {.fd = agw_pool_fd(b->pool), .events = POLLIN};

		if (poll(&p, 1, 100) == 1)
			agw_pool_dispatch(b->pool);
		assert_int_equal(wic_check(&b->wic, b->local.ufrag, b->local.pwd, false), 0);
	}
	assert_int_equal(b->seen[AGW_EV_ICE_FAILED], 0);
	ch.ice_restart = false;
	snprintf(ch.params.access.remote_ufrag, sizeof(ch.params.access.remote_ufrag), "later");
	assert_int_equal(agw_media_apply(b->media, &ch, 1, NULL, NULL, NULL), GW_OK);
	assert_true(await(b, &b->seen[AGW_EV_ICE_FAILED], 1));
	wic_close(&b->wic);
}

static void test_a_new_association_replaces_the_keys(void **state)
{
	struct bench *b = *state;
	struct agw_stream_change ch = {.new_dtls = true};
	const uint8_t payload[] = "under way when the keys changed";
	struct wic fresh;
	struct wic old;
	uint64_t until;
	uint8_t pkt[100], buf[300];
	size_t n;

	REQ("DTLS-20", "SRTP-11");
	connect_call(b);
	exchange_rtp(b, 2);
	wic_open(&fresh, "127.0.0.1", true, "SRTP_AEAD_AES_128_GCM");
	b->params.access.fps[0] = fresh.fp;
	ch.params = b->params;
	assert_int_equal(agw_media_apply(b->media, &ch, 1, NULL, NULL, NULL), GW_OK);
	/* Until the new keys are there the old ones serve. */
	exchange_rtp(b, 2);
	wic_aim(&fresh, &b->local.access[AGW_FAMILY_V4]);
	assert_int_equal(wic_check(&fresh, b->local.ufrag, b->local.pwd, true), 0);
	assert_true(wic_handshake(&fresh, WIC_LIMIT_MS));
	assert_true(await(b, &b->seen[AGW_EV_DTLS_ESTABLISHED], 2));
	assert_int_equal(b->last[AGW_EV_DTLS_ESTABLISHED].value, AGW_SRTP_AEAD_AES_128_GCM);
	old = b->wic;
	/* For two seconds what the WIC sent under the old keys is still good, then no more. */
	n = wic_make_rtp(pkt, 8, b->up_seq++, 0x11111111, payload, sizeof(payload));
	wic_send_rtp(&old, pkt, n);
	assert_int_equal(wic_recv_raw(b->peer.rtp, buf, sizeof(buf), WIC_LIMIT_MS), n);
	assert_memory_equal(buf, pkt, n);
	b->wic = fresh;
	exchange_rtp(b, 2);
	for (until = wic_now_ms() + 2200; wic_now_ms() < until;)
		(void)poll(NULL, 0, 100);
	n = wic_make_rtp(pkt, 8, b->up_seq++, 0x11111111, payload, sizeof(payload));
	wic_send_rtp(&old, pkt, n);
	AWAIT_STAT(b, up.drops[AGW_DROP_AUTH], 1);
	exchange_rtp(b, 2);
	b->wic = old;
	wic_close(&fresh);
	wic_close(&b->wic);
}

static void test_close_notify_of_the_wic_stops_the_stream(void **state)
{
	struct bench *b = *state;
	const uint8_t payload[] = "gone";
	uint8_t pkt[100];
	size_t n = wic_make_rtp(pkt, 8, 500, 7, payload, sizeof(payload));

	REQ("DTLS-23");
	connect_call(b);
	(void)SSL_shutdown(b->wic.ssl);
	assert_true(await(b, &b->seen[AGW_EV_DTLS_CLOSED], 1));
	assert_int_equal(b->last[AGW_EV_DTLS_CLOSED].cause, AGW_CAUSE_CLOSE_NOTIFY);
	assert_true(agw_udp_send(b->peer.rtp, &b->local.core_rtp, pkt, n));
	AWAIT_STAT(b, down.drops[AGW_DROP_NOT_READY], 1);
	wic_close(&b->wic);
}

static void test_release_says_close_notify_and_falls_silent(void **state)
{
	struct bench *b = *state;
	char scratch[16];
	int tries = 0;

	REQ("DTLS-23", "ICE-20");
	connect_call(b);
	release(b);
	while ((SSL_get_shutdown(b->wic.ssl) & SSL_RECEIVED_SHUTDOWN) == 0 && tries++ < 50) {
		struct pollfd p = {.fd = b->wic.fd, .events = POLLIN};

		(void)poll(&p, 1, 100);
		(void)SSL_read(b->wic.ssl, scratch, sizeof(scratch));
	}
	assert_true((SSL_get_shutdown(b->wic.ssl) & SSL_RECEIVED_SHUTDOWN) != 0);
	/* Checks get neither an answer nor an ICMP error. */
	uint8_t buf[1500];
	size_t n = wic_make_check(&b->wic, buf, sizeof(buf), b->local.ufrag, b->local.pwd, true);

	assert_true(agw_udp_send(b->wic.fd, NULL, buf, n));
	assert_int_equal(wic_await_answer(&b->wic, 100), -1);
	assert_int_equal(send(b->wic.fd, buf, n, 0), n);
	wic_close(&b->wic);
}

static int setup_one_handshake(void **state)
{
	return bench_start(state, (struct agw_pool_cfg){.n_workers = 1, .dtls_max_handshakes = 1});
}

static void test_handshakes_over_the_limit_wait_their_turn(void **state)
{
	struct bench *b = *state;
	struct agw_stream_params second;
	struct agw_stream_local local;
	struct agw_pool_load load;
	struct wic other;
	struct wic mine;

	REQ("DTLS-25");
	/* The first one is begun and not finished … */
	begin(b, false);
	configure(b, AGW_DTLS_ROLE_CLIENT);
	assert_int_equal(wic_check(&b->wic, b->local.ufrag, b->local.pwd, true), 0);
	/* … so the second is heard, and kept waiting. */
	wic_open(&other, "127.0.0.1", true, "SRTP_AES128_CM_SHA1_80");
	second = b->params;
	second.id = 2;
	second.access.fps[0] = other.fp;
	second.access.dtls_role = AGW_DTLS_ROLE_SERVER;
	assert_int_equal(agw_media_add(b->media, &second, 1, &local, NULL, NULL), GW_OK);
	wic_aim(&other, &local.access[AGW_FAMILY_V4]);
	assert_int_equal(wic_check(&other, local.ufrag, local.pwd, true), 0);
	assert_false(wic_handshake(&other, 300));
	agw_pool_load(b->pool, &load);
	assert_int_equal(load.handshakes, 1);
	assert_int_equal(b->seen[AGW_EV_DTLS_ESTABLISHED], 0);
	assert_true(wic_handshake(&b->wic, WIC_LIMIT_MS));
	mine = b->wic;
	assert_true(wic_handshake(&other, WIC_LIMIT_MS));
	assert_true(await(b, &b->seen[AGW_EV_DTLS_ESTABLISHED], 2));
	agw_pool_load(b->pool, &load);
	assert_int_equal(load.handshakes, 0);
	wic_close(&other);
	wic_close(&mine);
}

#define T(f)    cmocka_unit_test_setup_teardown(f, setup, teardown)
#define FAST(f) cmocka_unit_test_setup_teardown(f, setup_impatient, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
	    T(test_handshake_before_the_answer_gives_media_only_after_it),
	    T(test_client_hello_before_nomination_is_kept),
	    T(test_client_hello_from_an_unchecked_source_is_dropped),
	    T(test_wrong_fingerprint_never_lets_media_through),
	    FAST(test_ice_that_does_not_connect_fails),
	    FAST(test_a_handshake_that_does_not_end_fails),
	    FAST(test_a_peer_may_not_sit_on_a_handshake_before_the_answer),
	    FAST(test_a_fingerprint_that_never_comes_fails),
	    FAST(test_consent_lost_stops_sending_and_restored_resumes),
	    T(test_ice_restart_moves_media_to_the_newly_nominated_pair),
	    FAST(test_a_restart_may_be_answered_late),
	    T(test_a_new_association_replaces_the_keys),
	    T(test_close_notify_of_the_wic_stops_the_stream),
	    T(test_release_says_close_notify_and_falls_silent),
	    cmocka_unit_test_setup_teardown(test_handshakes_over_the_limit_wait_their_turn,
					    setup_one_handshake, teardown),
	};

	return RUN_BOTH_WAYS(tests);
}
