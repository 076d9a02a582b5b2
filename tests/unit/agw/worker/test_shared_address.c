/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Shared access ports: an address is one stream's at a time. Whose it is, who may take it over
 * and when; one socket of a WIC for several streams; the first check of all.
 */
#include "tests/lib/req.h"
#include "tests/unit/agw/lib/second_call.h"

#define CALLS 20
#define JUNK  256

static void connect_second(struct bench *b, struct wic *w, const struct agw_stream_local *local,
			   unsigned established)
{
	assert_int_equal(wic_check(w, local->ufrag, local->pwd, true), 0);
	assert_true(wic_handshake(w, WIC_LIMIT_MS));
	assert_true(await(b, &b->seen[AGW_EV_DTLS_ESTABLISHED], established));
}

static void await_drop(struct agw_media *m, uint32_t id, enum agw_drop why, uint64_t n)
{
	uint64_t until = wic_now_ms() + WIC_LIMIT_MS;
	struct agw_stream_stats st = {0};

	while (st.up.drops[why] < n && wic_now_ms() < until) {
		assert_true(agw_media_stats(m, id, &st));
		(void)poll(NULL, 0, 2);
	}
	assert_int_equal(st.up.drops[why], n);
}

static void from_core(struct bench *b, const struct agw_stream_local *to, struct wic *w,
		      uint16_t seq)
{
	_Alignas(8) uint8_t buf[300];
	uint8_t pkt[100];
	const uint8_t payload[] = "whose is it?";
	size_t n = wic_make_rtp(pkt, 8, seq, 0x33333333, payload, sizeof(payload));
	bool rtcp;

	assert_true(agw_udp_send(b->peer.rtp, &to->core_rtp, pkt, n));
	assert_int_equal(wic_recv(w, buf, sizeof(buf), &rtcp, WIC_LIMIT_MS), n);
	assert_memory_equal(buf, pkt, n);
}

static void test_media_is_never_turned_to_the_wic_of_another_stream(void **state)
{
	struct bench *b = *state;
	struct agw_stream_local local;
	struct wic other;
	uint8_t check[600];
	size_t n;

	REQ("ICE-15", "ICE-16", "ICE-29");
	connect_first(b);
	add_second(b, &other, &local);
	connect_second(b, &other, &local, 2);
	/* A good check for the second stream, its source forged: it is the first one's WIC's. */
	n = wic_make_check(&b->wic, check, sizeof(check), local.ufrag, local.pwd, true);
	assert_true(agw_udp_send(b->wic.fd, NULL, check, n));
	await_drop(second, 2, AGW_DROP_ADDR_TAKEN, 1);
	assert_int_equal(wic_await_answer(&b->wic, 50), -1);
	for (uint16_t i = 0; i < 5; i++)
		from_core(b, &local, &other, (uint16_t)(100 + i));
	exchange_rtp(b, 5);
	assert_int_equal(recv(b->wic.fd, check, sizeof(check), MSG_DONTWAIT), -1);
	assert_int_equal(b->seen[AGW_EV_PAIR_CHANGED], 0);
	wic_close(&other);
	wic_close(&b->wic);
}

/* A native WIC with a UDP mux, or audio and video without BUNDLE behind one port. */
static void test_audio_and_video_of_one_socket_both_work(void **state)
{
	struct bench *b = *state;
	struct agw_stream_local local;
	struct wic video;

	REQ("BUN-09", "ICE-01", "ICE-16");
	connect_first(b);
	wic_open(&video, "127.0.0.1", true, "SRTP_AEAD_AES_128_GCM");
	add_stream(b, b->media, 2, &video, &local);
	assert_int_not_equal(gw_addr_port(&local.access[AGW_FAMILY_V4]),
			     gw_addr_port(&b->local.access[AGW_FAMILY_V4]));
	assert_int_equal(dup2(b->wic.fd, video.fd), video.fd); /* one socket from now on */
	wic_aim(&video, &local.access[AGW_FAMILY_V4]);
	connect_second(b, &video, &local, 2);
	from_core(b, &local, &video, 7);
	wic_aim(&b->wic, &b->local.access[AGW_FAMILY_V4]);
	exchange_rtp(b, 3);
	wic_aim(&video, &local.access[AGW_FAMILY_V4]);
	from_core(b, &local, &video, 8);
	wic_close(&video);
	wic_close(&b->wic);
}

/* A WIC loads its page again, and its new socket has the old one's port. */
static void reload(struct bench *b, struct wic *w, struct agw_stream_local *local)
{
	add_second(b, w, local);
	assert_int_equal(dup2(b->wic.fd, w->fd), w->fd);
}

static void test_a_new_call_has_the_address_when_the_one_before_is_released(void **state)
{
	struct bench *b = *state;
	struct agw_stream_local local;
	const uint8_t payload[] = "still under way";
	_Alignas(8) uint8_t stray[300];
	struct wic again;
	const uint32_t id = 1;
	int n = (int)wic_make_rtp(stray, 8, 77, 7, payload, sizeof(payload));

	REQ("RTP-20", "ICE-20", "SRTP-08");
	connect_first(b);
	assert_int_equal(srtp_protect(b->wic.send, stray, &n), srtp_err_status_ok);
	agw_media_del(b->media, &id, 1);
	assert_true(await(b, &b->released, 1));
	reload(b, &again, &local);
	connect_second(b, &again, &local, 2);
	/* What was left of the old call in the network has the new one's address, and no key. */
	assert_true(agw_udp_send(again.fd, NULL, stray, (size_t)n));
	await_drop(second, 2, AGW_DROP_AUTH, 1);
	from_core(b, &local, &again, 7);
	assert_int_equal(recv(b->peer.rtp, stray, sizeof(stray), MSG_DONTWAIT), -1);
	wic_close(&again);
	wic_close(&b->wic);
}

static void test_a_new_call_has_the_address_when_the_one_before_says_goodbye(void **state)
{
	struct bench *b = *state;
	struct agw_stream_local local;
	struct wic again;

	REQ("DTLS-23", "ICE-16");
	connect_first(b);
	reload(b, &again, &local);
	assert_int_equal(wic_check(&again, b->local.ufrag, b->local.pwd, true), 0);
	(void)SSL_shutdown(b->wic.ssl);
	assert_true(await(b, &b->seen[AGW_EV_DTLS_CLOSED], 1));
	connect_second(b, &again, &local, 2);
	from_core(b, &local, &again, 7);
	wic_close(&again);
	wic_close(&b->wic);
}

/* ICE-10 asks for an answer from the moment of Reserve; nobody waits for the worker here. */
static void test_the_first_check_finds_a_stream_the_worker_has_not_seen(void **state)
{
	struct bench *b = *state;
	struct wic wics[CALLS];
	struct agw_stream_local local[CALLS]; /* libnice keeps pointers to passwords */
	uint8_t check[600], junk[100] = {0x80, 0};

	REQ("ICE-10");
	reserve(b);
	for (int i = 0; i < CALLS; i++) {
		size_t n;

		wic_open(&wics[i], "127.0.0.1", true, "SRTP_AEAD_AES_128_GCM");
		wic_aim(&wics[i], &b->local.access[AGW_FAMILY_V4]);
		assert_int_equal(agw_media_new(&second, b->pool, OTHER_OWNER, "ctx=other"), GW_OK);
		for (int k = 0; k < JUNK; k++) /* the worker is at its sockets meanwhile */
			assert_true(agw_udp_send(wics[i].fd, NULL, junk, sizeof(junk)));
		add_stream(b, second, 2, &wics[i], &local[i]);
		n = wic_make_check(&wics[i], check, sizeof(check), local[i].ufrag, local[i].pwd,
				   true);
		assert_true(agw_udp_send(wics[i].fd, NULL, check, n));
	}
	for (int i = 0; i < CALLS; i++) {
		assert_int_equal(wic_await_answer(&wics[i], WIC_LIMIT_MS), 0);
		wic_close(&wics[i]);
	}
}

static int three_workers(void **state)
{
	return bench_start(state, (struct agw_pool_cfg){.n_workers = 3});
}

static void test_each_worker_has_its_port_and_a_call_one_worker(void **state)
{
	struct bench *b = *state;
	unsigned streams[3] = {0};
	uint16_t port[3] = {0};
	struct wic w;

	REQ("IQ-02", "ICE-01");
	agw_stream_params_init(&b->params, 1);
	reserve_with(b);
	wic_open(&w, "127.0.0.1", true, "SRTP_AEAD_AES_128_GCM");
	for (int i = 0; i < CALLS - 2; i++) {
		struct agw_stream_local local[2];

		assert_int_equal(agw_media_new(&second, b->pool, OTHER_OWNER, "ctx=other"), GW_OK);
		for (int k = 0; k < 2; k++) {
			add_stream(b, second, (uint32_t)k + 1, &w, &local[k]);
			streams[local[k].worker]++;
		}
		assert_int_equal(local[0].worker, local[1].worker);
		if (port[local[0].worker] == 0)
			port[local[0].worker] = gw_addr_port(&local[0].access[AGW_FAMILY_V4]);
		assert_int_equal(port[local[0].worker],
				 gw_addr_port(&local[0].access[AGW_FAMILY_V4]));
	}
	for (int i = 0; i < 3; i++) {
		assert_in_range(streams[i], 10, 14);
		assert_int_not_equal(port[i], port[(i + 1) % 3]);
	}
	wic_close(&w);
}

#define T(f) cmocka_unit_test_setup_teardown(f, one_worker, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
	    T(test_media_is_never_turned_to_the_wic_of_another_stream),
	    T(test_audio_and_video_of_one_socket_both_work),
	    T(test_a_new_call_has_the_address_when_the_one_before_is_released),
	    T(test_a_new_call_has_the_address_when_the_one_before_says_goodbye),
	    T(test_the_first_check_finds_a_stream_the_worker_has_not_seen),
	    cmocka_unit_test_setup_teardown(test_each_worker_has_its_port_and_a_call_one_worker,
					    three_workers, teardown),
	};
	const struct CMUnitTest more_ports[] = {
	    T(test_audio_and_video_of_one_socket_both_work),
	};
	int rc;

	shared_ports = 1; /* the second m-line of a call has a port of its own */
	rc = cmocka_run_group_tests_name("one shared port", tests, NULL, NULL);
	shared_ports = 2;
	rc += cmocka_run_group_tests_name("two shared ports", more_ports, NULL, NULL);
	shared_ports = 0;
	return rc + cmocka_run_group_tests_name("own ports", more_ports, NULL, NULL);
}
