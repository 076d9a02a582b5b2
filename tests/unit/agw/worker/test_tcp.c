/* SPDX-License-Identifier: Apache-2.0 */
/* ICE-TCP, passive: whole calls of a WIC without UDP, and peers that only want to annoy. */
#include "agw/relay/tcp.h"
#include "tests/lib/req.h"
#include "tests/unit/agw/lib/tcp_bridge.h"
#include "tests/unit/agw/lib/worker_bench.h"

#define WHOLE 4096U /* a frame in one write */
#define LONG  (AGW_TCP_IDENTIFY_MS + 3000)

static int start(void **state)
{
	return bench_start(state, (struct agw_pool_cfg){.n_workers = 2, .max_batch_wait_us = 500});
}

static const struct gw_addr *tcp_addr(const struct agw_stream_local *l)
{
	unsigned i = 0;

	while (i < l->n_cands && !l->cands[i].tcp)
		i++;
	assert_true(i < l->n_cands); /* there is a TCP candidate */
	return &l->cands[i].addr;
}

static void begin(struct bench *b)
{
	reserve(b);
	wic_open(&b->wic, "127.0.0.1", true, "SRTP_AEAD_AES_128_GCM");
}

static void connect_call(struct bench *b, struct bridge *br, size_t piece)
{
	begin(b);
	bridge_open(br, &b->wic, tcp_addr(&b->local), piece);
	/* nobody waits until the worker knows the stream (ICE-10) */
	assert_int_equal(wic_check(&b->wic, b->local.ufrag, b->local.pwd, true), 0);
	configure(b, AGW_DTLS_ROLE_SERVER);
	assert_true(wic_handshake(&b->wic, WIC_LIMIT_MS));
	assert_true(await(b, &b->seen[AGW_EV_DTLS_ESTABLISHED], 1));
}

static uint64_t strangers(struct bench *b)
{
	struct agw_pool_load load;

	agw_pool_load(b->pool, &load);
	return load.rtp_drops;
}

static void test_a_call_works_by_tcp_alone(void **state)
{
	struct bench *b = *state;
	struct bridge br;
	struct agw_candidate *c = b->local.cands;

	REQ("ICE-26");
	connect_call(b, &br, WHOLE);
	/* the default one is UDP's, and TCP's is worth less (RFC 6544 s4.2) */
	assert_int_equal(b->local.n_cands, 2);
	assert_false(c[0].tcp);
	assert_true(c[1].tcp);
	assert_int_equal(c[1].component, 1);
	assert_int_equal(c[1].priority, 2124414975U); /* the example of RFC 6544 s4.5 */
	assert_true(c[0].priority > c[1].priority);
	assert_string_not_equal(c[0].foundation, c[1].foundation);
	exchange_rtp(b, 20);
	exchange_rtcp(b);
	bridge_close(&br);
	wic_close(&b->wic);
}

static void test_frames_may_come_octet_by_octet(void **state)
{
	struct bench *b = *state;
	struct bridge br;

	REQ("ICE-26");
	connect_call(b, &br, 1);
	exchange_rtp(b, 5);
	exchange_rtcp(b);
	bridge_close(&br);
	wic_close(&b->wic);
}

static void test_a_closed_connection_is_a_lost_pair_and_another_brings_it_back(void **state)
{
	struct bench *b = *state;
	struct bridge br;
	uint8_t pkt[100];
	const uint8_t payload[] = "nobody there";
	size_t n = wic_make_rtp(pkt, 8, 500, 7, payload, sizeof(payload));

	REQ("ICE-26", "ICE-24");
	connect_call(b, &br, WHOLE);
	bridge_close(&br);
	assert_true(await(b, &b->seen[AGW_EV_CONSENT_LOST], 1));
	assert_true(agw_udp_send(b->peer.rtp, &b->local.core_rtp, pkt, n));
	AWAIT_STAT(b, down.drops[AGW_DROP_NO_DEST], 1);
	bridge_open(&br, &b->wic, tcp_addr(&b->local), WHOLE);
	assert_int_equal(wic_check(&b->wic, b->local.ufrag, b->local.pwd, true), 0);
	assert_true(await(b, &b->seen[AGW_EV_CONSENT_RESTORED], 1));
	exchange_rtp(b, 3);
	bridge_close(&br);
	wic_close(&b->wic);
}

static void test_a_wic_may_move_from_udp_to_tcp_and_back(void **state)
{
	struct bench *b = *state;
	struct bridge br;

	REQ("ICE-26", "ICE-15");
	begin(b);
	wic_aim(&b->wic, &b->local.access[AGW_FAMILY_V4]);
	configure(b, AGW_DTLS_ROLE_SERVER);
	assert_int_equal(wic_check(&b->wic, b->local.ufrag, b->local.pwd, true), 0);
	assert_true(wic_handshake(&b->wic, WIC_LIMIT_MS));
	assert_true(await(b, &b->seen[AGW_EV_DTLS_ESTABLISHED], 1));
	exchange_rtp(b, 2);
	bridge_open(&br, &b->wic, tcp_addr(&b->local), WHOLE);
	assert_int_equal(wic_check(&b->wic, b->local.ufrag, b->local.pwd, true), 0);
	assert_true(await(b, &b->seen[AGW_EV_PAIR_CHANGED], 1));
	exchange_rtp(b, 2);
	wic_aim(&b->wic, &b->local.access[AGW_FAMILY_V4]);
	assert_int_equal(wic_check(&b->wic, b->local.ufrag, b->local.pwd, true), 0);
	assert_true(await(b, &b->seen[AGW_EV_PAIR_CHANGED], 2));
	exchange_rtp(b, 2);
	bridge_close(&br); /* not the pair in use: nobody misses it */
	exchange_rtp(b, 2);
	assert_int_equal(b->seen[AGW_EV_CONSENT_LOST], 0);
	wic_close(&b->wic);
}

/* A frame written at once. */
static void write_frame(int fd, const void *data, size_t n)
{
	uint8_t buf[3000] = {(uint8_t)(n >> 8), (uint8_t)n};

	memcpy(buf + 2, data, n);
	assert_int_equal(send(fd, buf, n + 2, MSG_NOSIGNAL), n + 2);
}

static void test_who_does_not_begin_with_a_good_check_is_shown_the_door(void **state)
{
	static const char http[] = "GET / HTTP/1.1\r\nHost: gateway\r\n\r\n";
	struct bench *b = *state;
	const struct gw_addr *gw;
	uint8_t buf[2000] = {0x80, 0};
	uint64_t before;
	size_t n;
	int fd;

	REQ("ICE-26", "ICE-31", "ICE-11");
	begin(b);
	gw = tcp_addr(&b->local);
	before = strangers(b);
	fd = tcp_to(gw); /* "GE" is a length no frame has */
	assert_int_equal(send(fd, http, sizeof(http), MSG_NOSIGNAL), sizeof(http));
	assert_true(tcp_is_closed(fd, WIC_LIMIT_MS));
	(void)close(fd);
	fd = tcp_to(gw); /* RTP */
	write_frame(fd, buf, 200);
	assert_true(tcp_is_closed(fd, WIC_LIMIT_MS));
	(void)close(fd);
	fd = tcp_to(gw); /* a check for nobody */
	n = wic_make_check(&b->wic, buf, sizeof(buf), "unknown8", b->local.pwd, true);
	write_frame(fd, buf, n);
	assert_true(tcp_is_closed(fd, WIC_LIMIT_MS));
	(void)close(fd);
	fd = tcp_to(gw); /* one that proves nothing */
	n = wic_make_check(&b->wic, buf, sizeof(buf), b->local.ufrag, "wrongwrongwrongwrongwrong",
			   true);
	write_frame(fd, buf, n);
	assert_true(tcp_is_closed(fd, WIC_LIMIT_MS));
	(void)close(fd);
	assert_int_equal(strangers(b), before + 4);
	assert_int_equal(b->seen[AGW_EV_ICE_CONNECTED], 0);
	wic_close(&b->wic);
}

static void test_who_says_nothing_in_time_is_shown_the_door(void **state)
{
	struct bench *b = *state;
	struct bridge br;
	uint64_t until;
	int silent, slow;

	REQ("ICE-26", "ICE-29");
	connect_call(b, &br, WHOLE);
	silent = tcp_to(tcp_addr(&b->local));
	slow = tcp_to(tcp_addr(&b->local));
	until = wic_now_ms() + AGW_TCP_IDENTIFY_MS - 1000;
	while (wic_now_ms() < until) { /* a frame of 256 octets, for ever */
		assert_int_equal(send(slow, "\x01", 1, MSG_NOSIGNAL), 1);
		(void)poll(NULL, 0, 200);
		exchange_rtp(b, 1);
	}
	assert_true(tcp_is_closed(silent, LONG));
	assert_true(tcp_is_closed(slow, LONG));
	exchange_rtp(b, 1);
	(void)close(silent);
	(void)close(slow);
	bridge_close(&br);
	wic_close(&b->wic);
}

static void test_one_address_has_a_bounded_number_of_unproven_connections(void **state)
{
	struct bench *b = *state;
	int fds[AGW_TCP_PER_SOURCE + 1];
	struct bridge br;

	REQ("ICE-26", "ICE-29");
	begin(b);
	for (int i = 0; i <= AGW_TCP_PER_SOURCE; i++)
		fds[i] = tcp_to(tcp_addr(&b->local));
	assert_true(tcp_is_closed(fds[AGW_TCP_PER_SOURCE], WIC_LIMIT_MS));
	assert_false(tcp_is_closed(fds[0], 100));
	(void)close(fds[0]);
	(void)close(fds[1]);
	/* there is room for one who means it: tried again as a WIC would */
	for (int tries = 0; tries < 50; tries++) {
		uint8_t check[600];
		size_t n = wic_make_check(&b->wic, check, sizeof(check), b->local.ufrag,
					  b->local.pwd, true);

		bridge_open(&br, &b->wic, tcp_addr(&b->local), WHOLE);
		assert_true(agw_udp_send(b->wic.fd, NULL, check, n));
		if (wic_await_answer(&b->wic, 200) == 0)
			break;
		bridge_close(&br);
	}
	assert_true(await(b, &b->seen[AGW_EV_ICE_CONNECTED], 1));
	bridge_close(&br);
	for (int i = 2; i <= AGW_TCP_PER_SOURCE; i++)
		(void)close(fds[i]);
	wic_close(&b->wic);
}

static void test_a_packet_too_long_is_passed_over(void **state)
{
	struct bench *b = *state;
	struct bridge br;
	uint8_t big[2100] = {0x80, 8};

	REQ("ICE-26", "RTP-22");
	connect_call(b, &br, WHOLE);
	exchange_rtp(b, 1);
	assert_true(agw_udp_send(b->wic.fd, NULL, big, sizeof(big)));
	AWAIT_STAT(b, up.drops[AGW_DROP_TOO_BIG], 1);
	exchange_rtp(b, 3);
	bridge_close(&br);
	wic_close(&b->wic);
}

static void test_what_a_full_connection_cannot_take_is_dropped_whole(void **state)
{
	struct bench *b = *state;
	struct bridge br;
	struct agw_stream_stats st = {0};
	_Alignas(8) uint8_t buf[2000];
	uint8_t pkt[1400], payload[1200] = {7};
	unsigned got = 0, sent = 0;
	bool rtcp;

	REQ("ICE-26");
	connect_call(b, &br, WHOLE);
	atomic_store(&br.deaf, true);
	while (st.down.drops[AGW_DROP_SEND] < 50 && sent < 20000) {
		size_t n =
		    wic_make_rtp(pkt, 8, b->down_seq++, 0x22222222, payload, sizeof(payload));

		assert_true(agw_udp_send(b->peer.rtp, &b->local.core_rtp, pkt, n));
		if (++sent % 20 == 0)
			(void)poll(NULL, 0, 1);
		assert_true(agw_media_stats(b->media, 1, &st));
	}
	assert_true(st.down.drops[AGW_DROP_SEND] >= 50);
	atomic_store(&br.deaf, false);
	/* the stream of frames is in step: each of them is one packet that has its key */
	while (wic_recv(&b->wic, buf, sizeof(buf), &rtcp, 500) == 1212)
		got++;
	assert_true(got > 0);
	exchange_rtp(b, 3);
	assert_int_equal(b->seen[AGW_EV_CONSENT_LOST], 0);
	bridge_close(&br);
	wic_close(&b->wic);
}

static void test_a_leg_keeps_few_connections_and_the_one_in_use(void **state)
{
	struct bench *b = *state;
	struct bridge first, more[AGW_TCP_PER_LEG];
	struct wic others[AGW_TCP_PER_LEG];
	unsigned closed = 0;
	uint64_t until;

	REQ("ICE-26", "ICE-29");
	connect_call(b, &first, WHOLE);
	for (int i = 0; i < AGW_TCP_PER_LEG; i++) {
		wic_open(&others[i], "127.0.0.1", true, "SRTP_AEAD_AES_128_GCM");
		bridge_open(&more[i], &others[i], tcp_addr(&b->local), WHOLE);
		assert_int_equal(wic_check(&others[i], b->local.ufrag, b->local.pwd, false), 0);
	}
	until = wic_now_ms() + WIC_LIMIT_MS;
	while (closed == 0 && wic_now_ms() < until) {
		for (int i = 0; i < AGW_TCP_PER_LEG; i++)
			closed += atomic_load(&more[i].closed);
		(void)poll(NULL, 0, 5);
	}
	assert_int_equal(closed, 1);
	assert_false(atomic_load(&first.closed));
	exchange_rtp(b, 3);
	for (int i = 0; i < AGW_TCP_PER_LEG; i++) {
		bridge_close(&more[i]);
		wic_close(&others[i]);
	}
	bridge_close(&first);
	wic_close(&b->wic);
}

static void test_release_closes_the_connection_and_nobody_comes_back(void **state)
{
	struct bench *b = *state;
	struct gw_addr gw;
	struct bridge br;
	uint64_t until;
	uint8_t check[600];
	size_t n;
	int fd;

	REQ("ICE-26", "ICE-20");
	connect_call(b, &br, WHOLE);
	gw = *tcp_addr(&b->local);
	release(b);
	until = wic_now_ms() + WIC_LIMIT_MS;
	while (!atomic_load(&br.closed) && wic_now_ms() < until)
		(void)poll(NULL, 0, 5);
	assert_true(atomic_load(&br.closed));
	fd = tcp_to(&gw);
	n = wic_make_check(&b->wic, check, sizeof(check), b->local.ufrag, b->local.pwd, true);
	write_frame(fd, check, n);
	assert_true(tcp_is_closed(fd, WIC_LIMIT_MS));
	(void)close(fd);
	bridge_close(&br);
	wic_close(&b->wic);
}

static void test_a_second_component_has_no_tcp(void **state)
{
	struct bench *b = *state;

	REQ("ICE-26", "DTLS-26");
	agw_stream_params_init(&b->params, 1);
	b->params.access.rtcp_separate = true;
	reserve_with(b);
	for (unsigned i = 0; i < b->local.n_cands; i++)
		assert_false(b->local.cands[i].tcp);
}

#define T(f) cmocka_unit_test_setup_teardown(f, start, teardown)

int main(void)
{
	const struct CMUnitTest calls[] = {
	    T(test_a_call_works_by_tcp_alone),
	    T(test_frames_may_come_octet_by_octet),
	    T(test_a_closed_connection_is_a_lost_pair_and_another_brings_it_back),
	    T(test_a_wic_may_move_from_udp_to_tcp_and_back),
	    T(test_release_closes_the_connection_and_nobody_comes_back),
	};
	const struct CMUnitTest guards[] = {
	    T(test_who_does_not_begin_with_a_good_check_is_shown_the_door),
	    T(test_who_says_nothing_in_time_is_shown_the_door),
	    T(test_one_address_has_a_bounded_number_of_unproven_connections),
	    T(test_a_packet_too_long_is_passed_over),
	    T(test_what_a_full_connection_cannot_take_is_dropped_whole),
	    T(test_a_leg_keeps_few_connections_and_the_one_in_use),
	    T(test_a_second_component_has_no_tcp),
	};
	int rc;

	ice_tcp = true;
	rc = cmocka_run_group_tests_name("own ports", calls, NULL, NULL);
	rc += cmocka_run_group_tests_name("bounds", guards, NULL, NULL);
	shared_ports = 1;
	return rc + cmocka_run_group_tests_name("shared ports", calls, NULL, NULL);
}
