/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a listener takes and what it does not: floods, readers that do not read, limits, drain.
 */
#include "tests/lib/req.h"
#include "tests/unit/cscf/ws/listener_fixture.h"

#include <sys/resource.h>

static void test_a_peer_that_does_not_read_is_closed_and_disturbs_nobody(void **state)
{
	REQ("WS-37");
	static uint8_t big[60000];
	struct cscf_ws_conn *c;
	uint64_t deaf_id;
	enum gw_err err = GW_OK;

	(void)state;
	memset(big, 'x', sizeof(big));
	rig.echo = true;
	rig.cfg.send_queue_max = 200000;
	rig_start(&rig);
	client_connect(&a, &rig);
	client_open(&rig, &a);
	deaf_id = rig.last_id;
	a.deaf = true;
	client_connect(&b, &rig);
	client_open(&rig, &b);
	c = cscf_ws_conn_find(rig.l, deaf_id);
	for (int i = 0; i < 1000 && err == GW_OK; i++) {
		assert_true(cscf_ws_listener_counts(rig.l).queued <= 200000);
		err = cscf_ws_conn_send(c, big, sizeof(big), true);
		rig_turn(&rig, NULL);
	}
	assert_int_equal(err, GW_ERR_LIMIT);
	assert_int_equal(cscf_ws_conn_send(c, big, 1, true), GW_ERR_GONE);
	assert_null(cscf_ws_conn_find(rig.l, deaf_id));
	client_frame(&rig, &b, 0x81, "alive", 5);
	RIG_AWAIT(&rig, &b, b.n == 7);
	a.deaf = false; /* now it reads: everything queued, then 1013 */
	a.keep = 64;
	RIG_AWAIT(&rig, &a, a.n >= 19 && a.in[a.n - 19] == 0x88);
	assert_memory_equal(a.in + a.n - 19, "\x88\x11\x03\xf5send queue full", 19);
	client_close(&a);
	RIG_AWAIT(&rig, NULL, rig.closed == 1);
	assert_int_equal(rig.cause, CSCF_WS_CAUSE_QUEUE_FULL);
	assert_int_equal(rig.code, CSCF_WS_TRY_LATER);
}

static void test_reading_stops_while_the_answers_are_not_read(void **state)
{
	REQ("WS-37");
	static uint8_t w[20000];
	int small = 4096;
	size_t sent = 0;
	int64_t quiet_since;

	(void)state;
	rig.cfg.send_queue_max = 70000;
	rig.cfg.rate = 0; /* the frame cap is another test's */
	rig_start(&rig);
	client_connect(&a, &rig);
	(void)setsockopt(a.fd, SOL_SOCKET, SO_RCVBUF, &small, sizeof(small));
	client_open(&rig, &a);
	a.deaf = true;
	for (size_t n = 0; n + 131 <= sizeof(w); n += 131)
		(void)mask_frame(w + n, 0x89, w, 125);
	quiet_since = rig_now_ms();
	/* until TCP takes no more, because we are not read from */
	while (cscf_ws_listener_counts(rig.l).queued < 35000 || rig_now_ms() - quiet_since < 100) {
		size_t at = sent % (131 * 150); /* whole frames, also after a part was taken */
		ssize_t n = send(a.fd, w + at, 131 * 150 - at, MSG_DONTWAIT | MSG_NOSIGNAL);

		if (n > 0) {
			sent += (size_t)n;
			quiet_since = rig_now_ms();
		}
		assert_true(cscf_ws_listener_counts(rig.l).queued <= 70000);
		assert_true(sent < 100U << 20);
		rig_turn(&rig, NULL);
	}
	assert_int_equal(rig.closed, 0);
	a.deaf = false; /* it reads: the answers flow again */
	RIG_AWAIT(&rig, &a, a.n > 100000);
}

static void test_a_flood_of_frames_is_closed_1008(void **state)
{
	REQ("WS-24", "WS-25");
	static uint8_t w[6 * 2000];

	(void)state;
	rig_start(&rig); /* burst 100: 1000 frames */
	client_connect(&a, &rig);
	client_open(&rig, &a);
	for (size_t n = 0; n < sizeof(w); n += 6)
		(void)mask_frame(w + n, 0x8a, "", 0);
	client_send(&rig, &a, w, 6 * 900);
	client_frame(&rig, &a, 0x81, "within", 6);
	RIG_AWAIT(&rig, &a, rig.messages == 1);
	client_send(&rig, &a, w, sizeof(w));
	RIG_AWAIT(&rig, &a, a.n >= 4);
	assert_memory_equal(a.in + 2, "\x03\xf0", 2);
	client_close(&a);
	RIG_AWAIT(&rig, NULL, rig.closed == 1);
	assert_int_equal(rig.cause, CSCF_WS_CAUSE_FLOOD);
}

static void test_message_tokens_run_out_after_the_burst(void **state)
{
	REQ("WS-25");
	(void)state;
	rig.cfg.rate = 1;
	rig.cfg.burst = 5;
	rig.ask_token = true;
	rig_start(&rig);
	client_connect(&a, &rig);
	client_open(&rig, &a);
	for (int i = 0; i < 8; i++)
		client_frame(&rig, &a, 0x81, "x", 1);
	RIG_AWAIT(&rig, &a, rig.messages == 8);
	assert_in_range(rig.refused_tokens, 2, 3); /* a second may pass under load */
}

static void test_connections_per_source_total_and_origin_are_limited(void **state)
{
	REQ("WS-24");
	struct client more;
	int64_t before = rejects(CSCF_WS_REJECT_MAX_SOURCE);

	(void)state;
	rig.cfg.max_per_source = 2;
	rig_start(&rig);
	client_connect(&a, &rig);
	client_open(&rig, &a);
	client_connect(&b, &rig);
	client_open(&rig, &b);
	client_connect(&more, &rig);
	client_send_text(&rig, &more, RIG_HANDSHAKE);
	RIG_AWAIT(&rig, &more, more.eof);
	assert_memory_equal(more.in, "HTTP/1.1 503 ", 13);
	assert_true(client_has(&more, "Retry-After: "));
	assert_int_equal(rejects(CSCF_WS_REJECT_MAX_SOURCE), before + 1);
	client_close(&more);
	client_close(&b);
	RIG_AWAIT(&rig, NULL, rig.closed == 1);
	client_connect(&b, &rig);
	client_open(&rig, &b); /* the place is free again */
}

static void test_total_limit_answers_503(void **state)
{
	REQ("WS-24");
	(void)state;
	rig.cfg.max_connections = 1;
	rig_start(&rig);
	client_connect(&a, &rig);
	client_open(&rig, &a);
	client_connect(&b, &rig);
	client_send_text(&rig, &b, RIG_HANDSHAKE);
	RIG_AWAIT(&rig, &b, b.eof);
	assert_memory_equal(b.in, "HTTP/1.1 503 ", 13);
	client_close(&a);
	client_close(&b);
	RIG_AWAIT(&rig, NULL, rig.closed == 1);
	RIG_AWAIT(&rig, NULL, cscf_ws_listener_counts(rig.l).handshaking == 0);
	client_connect(&b, &rig);
	client_open(&rig, &b);
}

static void test_origin_limit_answers_503(void **state)
{
	REQ("WS-24");
	(void)state;
	rig.cfg.max_per_origin = 1;
	rig_start(&rig);
	client_connect(&a, &rig);
	client_open(&rig, &a);
	client_connect(&b, &rig);
	client_send_text(&rig, &b, RIG_HANDSHAKE);
	RIG_AWAIT(&rig, &b, b.eof);
	assert_memory_equal(b.in, "HTTP/1.1 503 ", 13);
}

static void test_over_all_limits_a_bounded_number_learns_why(void **state)
{
	REQ("WS-24");
	static struct client crowd[70];
	int64_t before = rejects(CSCF_WS_REJECT_OVERLOAD);

	(void)state;
	rig.cfg.max_connections = 1;
	rig_start(&rig);
	client_connect(&a, &rig);
	client_open(&rig, &a);
	for (size_t i = 0; i < 70; i++) /* connect and say nothing */
		client_connect(&crowd[i], &rig);
	RIG_AWAIT(&rig, NULL, rejects(CSCF_WS_REJECT_OVERLOAD) == before + 6);
	assert_int_equal(cscf_ws_listener_counts(rig.l).handshaking, 64);
	for (size_t i = 0; i < 70; i++)
		client_close(&crowd[i]);
	RIG_AWAIT(&rig, NULL, cscf_ws_listener_counts(rig.l).handshaking == 0);
}

static void test_drain_closes_everybody_and_refuses_the_rest(void **state)
{
	REQ("WS-35");
	struct client late;
	uint16_t port;

	(void)state;
	rig_start(&rig);
	port = cscf_ws_listener_port(rig.l, false);
	client_connect(&a, &rig);
	client_open(&rig, &a);
	client_connect(&b, &rig); /* in the middle of its handshake */
	client_send_text(&rig, &b, RIG_GET);
	RIG_AWAIT(&rig, &b, cscf_ws_listener_counts(rig.l).handshaking == 1);
	cscf_ws_listener_drain(rig.l, CSCF_WS_GOING_AWAY, "restart");
	RIG_AWAIT(&rig, &a, a.n == 11);
	assert_memory_equal(a.in, "\x88\x09\x03\xe9restart", 11);
	client_send_text(&rig, &b, "Origin: " RIG_ORIGIN "\r\n\r\n");
	RIG_AWAIT(&rig, &b, b.eof);
	assert_memory_equal(b.in, "HTTP/1.1 503 ", 13);
	client_frame(&rig, &a, 0x88, "\x03\xe9", 2);
	RIG_AWAIT(&rig, &a, a.eof);
	client_close(&a);
	RIG_AWAIT(&rig, NULL, rig.closed == 1);
	assert_int_equal(rig.code, CSCF_WS_GOING_AWAY);
	memset(&late, 0, sizeof(late));
	late.fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(port)};
	to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	assert_int_equal(connect(late.fd, (struct sockaddr *)&to, sizeof(to)), -1);
	client_close(&late);
}

static void test_want_of_descriptors_pauses_the_listener_without_spinning(void **state)
{
	REQ("WS-24");
	int64_t before = gw_metric_get(&cscf_ws_stat[CSCF_WS_STAT_ACCEPT_PAUSED]);
	struct rlimit was, none;

	(void)state;
	rig_start(&rig);
	client_connect(&a, &rig);
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &was), 0);
	none = was;
	none.rlim_cur = 3; /* nothing new; what is open stays */
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &none), 0);
	gw_log_init("test", GW_LOG_ERROR);
	gw_log_set_fd(-1);
	for (int i = 0; i < 50; i++)
		(void)event_base_loop(rig.base, EVLOOP_NONBLOCK);
	gw_log_set_fd(2);
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &was), 0);
	assert_int_equal(gw_metric_get(&cscf_ws_stat[CSCF_WS_STAT_ACCEPT_PAUSED]), before + 1);
	client_open(&rig, &a); /* served after the pause */
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
	    T(test_a_peer_that_does_not_read_is_closed_and_disturbs_nobody),
	    T(test_reading_stops_while_the_answers_are_not_read),
	    T(test_a_flood_of_frames_is_closed_1008),
	    T(test_message_tokens_run_out_after_the_burst),
	    T(test_connections_per_source_total_and_origin_are_limited),
	    T(test_total_limit_answers_503),
	    T(test_origin_limit_answers_503),
	    T(test_over_all_limits_a_bounded_number_learns_why),
	    T(test_drain_closes_everybody_and_refuses_the_rest),
	    T(test_want_of_descriptors_pauses_the_listener_without_spinning),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}