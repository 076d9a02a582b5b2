/* SPDX-License-Identifier: Apache-2.0 */
/* The whole of cscf/ws over a loopback socket: handshakes, messages, limits, ends. */
#include "tests/lib/req.h"
#include "tests/unit/cscf/ws/listener_fixture.h"

#include <sys/resource.h>

static void test_messages_go_both_ways_as_they_came(void **state)
{
	REQ("WS-06", "WS-07", "WS-12");
	(void)state;
	rig.echo = true;
	rig_start(&rig);
	client_connect(&a, &rig);
	client_open(&rig, &a);
	assert_string_equal(cscf_ws_conn_origin(cscf_ws_conn_find(rig.l, rig.last_id)), RIG_ORIGIN);
	client_frame(&rig, &a, 0x81, "REGISTER", 8);
	RIG_AWAIT(&rig, &a, a.n == 10);
	assert_memory_equal(a.in, "\x81\x08REGISTER", 10);
	assert_false(rig.last_binary);
	a.n = 0;
	client_frame(&rig, &a, 0x82, "\xffNOTIFY", 7);
	RIG_AWAIT(&rig, &a, a.n == 9);
	assert_memory_equal(a.in, "\x82\x07\xffNOTIFY", 9);
	assert_true(rig.last_binary);
	assert_int_equal(rig.messages, 2);
}

static void test_a_frame_sent_with_the_handshake_is_not_lost(void **state)
{
	REQ("WS-01");
	uint8_t w[1024];
	size_t n = sizeof(RIG_HANDSHAKE) - 1;

	(void)state;
	rig_start(&rig);
	client_connect(&a, &rig);
	memcpy(w, RIG_HANDSHAKE, n);
	n += mask_frame(w + n, 0x81, "early", 5);
	client_send(&rig, &a, w, n);
	RIG_AWAIT(&rig, &a, rig.messages == 1);
	assert_memory_equal(rig.last, "early", 5);
}

static void test_a_refused_handshake_is_answered_counted_and_closed(void **state)
{
	REQ("WS-01", "WS-02", "WS-03", "WS-05", "SEC-26");
	static const struct {
		const char *request, *answer;
		enum cscf_ws_reject why;
	} rows[] = {
	    {RIG_GET "Origin: https://portal.example.net.evil.tld\r\n\r\n", "HTTP/1.1 403 ",
	     CSCF_WS_REJECT_ORIGIN},
	    {RIG_GET "\r\n", "HTTP/1.1 403 ", CSCF_WS_REJECT_ORIGIN_ABSENT},
	    {"POST /sip HTTP/1.1\r\nHost: x\r\n\r\n", "HTTP/1.1 405 ", CSCF_WS_REJECT_METHOD},
	    {"GET /x HTTP/1.1\r\nHost: x\r\n\r\n", "HTTP/1.1 404 ", CSCF_WS_REJECT_PATH},
	    {"hello\r\n\r\n", "HTTP/1.1 400 ", CSCF_WS_REJECT_MALFORMED},
	};

	(void)state;
	rig_start(&rig);
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		int64_t before = rejects(rows[i].why);

		client_connect(&a, &rig);
		client_send_text(&rig, &a, rows[i].request);
		RIG_AWAIT(&rig, &a, a.eof);
		assert_memory_equal(a.in, rows[i].answer, strlen(rows[i].answer));
		assert_int_equal(rejects(rows[i].why), before + 1);
		client_close(&a);
	}
	assert_int_equal(rig.opened, 0);
	RIG_AWAIT(&rig, NULL, cscf_ws_listener_counts(rig.l).handshaking == 0);
}

static void test_a_slow_handshake_ends_at_its_deadline(void **state)
{
	REQ("WS-24");
	int64_t before = rejects(CSCF_WS_REJECT_TIMEOUT);

	(void)state;
	rig.cfg.handshake_timeout = 50;
	rig_start(&rig);
	client_connect(&a, &rig);
	client_send_text(&rig, &a, "GET /sip HTTP/1.1\r\nHost: ");
	RIG_AWAIT(&rig, &a, a.eof);
	assert_int_equal(rejects(CSCF_WS_REJECT_TIMEOUT), before + 1);
	assert_int_equal(rig.opened, 0);
}

static void test_an_unregistered_connection_is_closed_1008(void **state)
{
	REQ("WS-24");
	(void)state;
	rig.cfg.unauth_timeout = 300;
	rig_start(&rig);
	client_connect(&a, &rig);
	client_open(&rig, &a);
	client_connect(&b, &rig);
	client_open(&rig, &b);
	cscf_ws_conn_mark_authenticated(cscf_ws_conn_find(rig.l, rig.last_id));
	RIG_AWAIT(&rig, &a, a.n >= 4);
	assert_int_equal(a.in[0], 0x88);
	assert_memory_equal(a.in + 2, "\x03\xf0", 2);
	client_frame(&rig, &a, 0x88, "\x03\xf0", 2);
	RIG_AWAIT(&rig, &a, rig.closed == 1);
	assert_int_equal(rig.cause, CSCF_WS_CAUSE_UNAUTH_TIMEOUT);
	assert_int_equal(rig.code, CSCF_WS_POLICY);
	assert_int_equal(cscf_ws_listener_counts(rig.l).open, 1); /* b stays */
	cscf_ws_conn_mark_unauthenticated(cscf_ws_conn_find(rig.l, rig.last_id));
	RIG_AWAIT(&rig, &b, b.n >= 4);
	assert_memory_equal(b.in + 2, "\x03\xf0", 2);
}

static void test_a_bad_frame_ends_only_its_own_connection(void **state)
{
	REQ("WS-11", "WS-09");
	static const struct {
		const char *bytes;
		size_t len;
		uint16_t code;
		enum cscf_ws_cause cause;
	} rows[] = {
	    {"\x81\x01x", 3, CSCF_WS_PROTOCOL_ERROR, CSCF_WS_CAUSE_PROTOCOL},
	    {"\x89\xfe\x00\x7e\0\0\0\0", 8, CSCF_WS_PROTOCOL_ERROR, CSCF_WS_CAUSE_PROTOCOL},
	    {"\x81\x82\0\0\0\0\xc3\x28", 8, CSCF_WS_BAD_DATA, CSCF_WS_CAUSE_PROTOCOL},
	    {"\x82\xff\0\0\0\0\0\x01\0\x01\0\0\0\0y", 15, CSCF_WS_TOO_BIG, CSCF_WS_CAUSE_TOO_BIG},
	};

	(void)state;
	rig.echo = true;
	rig_start(&rig);
	client_connect(&b, &rig);
	client_open(&rig, &b);
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		client_connect(&a, &rig);
		client_open(&rig, &a);
		client_send(&rig, &a, rows[i].bytes, rows[i].len);
		RIG_AWAIT(&rig, &a, client_got_close(&a, rows[i].code));
		client_close(&a);
		RIG_AWAIT(&rig, NULL, rig.closed == i + 1);
		assert_int_equal(rig.cause, rows[i].cause);
		assert_int_equal(rig.code, rows[i].code);
	}
	client_frame(&rig, &b, 0x81, "still here", 10);
	RIG_AWAIT(&rig, &b, b.n == 12);
}

static void test_message_of_the_limit_passes(void **state)
{
	REQ("WS-09");
	static uint8_t big[65536];

	(void)state;
	memset(big, 'x', sizeof(big));
	rig_start(&rig);
	client_connect(&a, &rig);
	client_open(&rig, &a);
	client_frame(&rig, &a, 0x82, big, sizeof(big));
	RIG_AWAIT(&rig, &a, rig.messages == 1);
	assert_int_equal(rig.last_len, sizeof(big));
}

static void test_ping_is_answered_with_its_payload(void **state)
{
	REQ("WS-20");
	(void)state;
	rig_start(&rig);
	client_connect(&a, &rig);
	client_open(&rig, &a);
	client_frame(&rig, &a, 0x89, "", 0);
	client_frame(&rig, &a, 0x89, "payload", 7);
	RIG_AWAIT(&rig, &a, a.n == 11);
	assert_memory_equal(a.in, "\x8a\x00\x8a\x07payload", 11);
}

static void test_an_idle_peer_is_pinged_and_lost_when_silent(void **state)
{
	REQ("WS-21");
	(void)state;
	rig.cfg.ping_interval = 40;
	rig_start(&rig);
	client_connect(&a, &rig);
	client_open(&rig, &a);
	RIG_AWAIT(&rig, &a, a.n >= 10);
	assert_memory_equal(a.in, "\x89\x08", 2);
	client_frame(&rig, &a, 0x8a, a.in + 2, 8); /* one pong: life */
	RIG_AWAIT(&rig, &a, a.eof);
	RIG_AWAIT(&rig, NULL, rig.closed == 1);
	/* one answered, two missed (one more when the machine stalls), then lost; no close frame */
	assert_true(a.n % 10 == 0 && a.n >= 30 && a.n <= 40);
	assert_int_equal(rig.cause, CSCF_WS_CAUSE_PING_TIMEOUT);
	assert_int_equal(rig.code, CSCF_WS_ABNORMAL);
}

static void test_close_by_the_peer_is_echoed(void **state)
{
	(void)state;
	rig_start(&rig);
	client_connect(&a, &rig);
	client_open(&rig, &a);
	client_frame(&rig, &a, 0x88, "\x03\xe9gone", 6);
	RIG_AWAIT(&rig, &a, a.eof);
	assert_int_equal(a.n, 4);
	assert_memory_equal(a.in, "\x88\x02\x03\xe9", 4);
	client_close(&a);
	RIG_AWAIT(&rig, NULL, rig.closed == 1);
	assert_int_equal(rig.cause, CSCF_WS_CAUSE_PEER_CLOSE);
	assert_int_equal(rig.code, CSCF_WS_GOING_AWAY);
}

static void test_a_reset_is_a_lost_peer(void **state)
{
	struct linger abort_it = {.l_onoff = 1};

	(void)state;
	rig_start(&rig);
	client_connect(&a, &rig);
	client_open(&rig, &a);
	(void)setsockopt(a.fd, SOL_SOCKET, SO_LINGER, &abort_it, sizeof(abort_it));
	client_close(&a);
	RIG_AWAIT(&rig, NULL, rig.closed == 1);
	assert_int_equal(rig.cause, CSCF_WS_CAUSE_PEER_LOST);
	assert_int_equal(rig.code, CSCF_WS_ABNORMAL);
	assert_null(cscf_ws_conn_find(rig.l, rig.last_id));
}

static void test_what_is_queued_leaves_before_our_close(void **state)
{
	REQ("WS-25", "WS-35");
	(void)state;
	rig.echo = true;
	rig.close_on_message = true;
	rig_start(&rig);
	client_connect(&a, &rig);
	client_open(&rig, &a);
	client_frame(&rig, &a, 0x81, "last words", 10);
	client_frame(&rig, &a, 0x81, "too late", 8);
	RIG_AWAIT(&rig, &a, a.n == 12 + 10);
	assert_memory_equal(a.in,
			    "\x81\x0alast words\x88\x08\x03\xe8"
			    "enough",
			    22);
	assert_int_equal(rig.messages, 1); /* nothing is received any more */
	assert_null(cscf_ws_conn_find(rig.l, rig.last_id));
	client_frame(&rig, &a, 0x88, "\x03\xe8", 2);
	RIG_AWAIT(&rig, &a, a.eof);
	client_close(&a);
	RIG_AWAIT(&rig, NULL, rig.closed == 1);
	assert_int_equal(rig.cause, CSCF_WS_CAUSE_LOCAL);
	assert_int_equal(rig.code, CSCF_WS_NORMAL);
}

static void test_ids_are_never_used_again(void **state)
{
	REQ("SEC-03");
	uint64_t first, cursor = 0;

	(void)state;
	rig_start(&rig);
	client_connect(&a, &rig);
	client_open(&rig, &a);
	first = rig.last_id;
	assert_true(first != 0 && first < UINT64_C(1) << 53);
	client_close(&a);
	RIG_AWAIT(&rig, NULL, rig.closed == 1);
	assert_null(cscf_ws_conn_find(rig.l, first));
	client_connect(&a, &rig);
	client_open(&rig, &a);
	assert_int_not_equal(rig.last_id, first);
	assert_null(cscf_ws_conn_find(rig.l, first));
	assert_int_equal(cscf_ws_conn_id(cscf_ws_conn_next(rig.l, &cursor)), rig.last_id);
	assert_null(cscf_ws_conn_next(rig.l, &cursor));
}

static void test_proxy_header_is_believed_only_from_listed_balancers(void **state)
{
	REQ("SEC-28");
	static char loopback[] = "127.0.0.0/8";
	char text[GW_ADDR_STRLEN];
	int64_t before = rejects(CSCF_WS_REJECT_PROXY_HEADER);

	(void)state;
	rig.balancer_items[0] = loopback;
	rig.balancers.n = 1;
	rig_start(&rig);
	client_connect(&a, &rig);
	client_send_text(&rig, &a, "PROXY TCP4 203.0.113.7 192.0.2.1 50123 443\r\n");
	client_open(&rig, &a);
	assert_string_equal(gw_addr_str(cscf_ws_conn_peer(cscf_ws_conn_find(rig.l, rig.last_id)),
					text, sizeof(text)),
			    "203.0.113.7:50123");
	client_connect(&b, &rig);
	client_send_text(&rig, &b, RIG_HANDSHAKE);
	RIG_AWAIT(&rig, &b, b.eof);
	assert_int_equal(b.n, 0);
	assert_int_equal(rejects(CSCF_WS_REJECT_PROXY_HEADER), before + 1);
}

static void test_proxy_header_of_anybody_else_is_no_http(void **state)
{
	REQ("SEC-28");
	(void)state;
	rig_start(&rig);
	client_connect(&a, &rig);
	client_send_text(&rig, &a, "PROXY TCP4 203.0.113.7 192.0.2.1 50123 443\r\n" RIG_HANDSHAKE);
	RIG_AWAIT(&rig, &a, a.eof);
	assert_memory_equal(a.in, "HTTP/1.1 400 ", 13);
	client_connect(&b, &rig);
	client_send_text(&rig, &b,
			 RIG_GET "Origin: " RIG_ORIGIN "\r\nX-Forwarded-For: 203.0.113.7\r\n\r\n");
	RIG_AWAIT(&rig, &b, rig.opened == 1);
	assert_true(gw_addr_is_loopback(cscf_ws_conn_peer(cscf_ws_conn_find(rig.l, rig.last_id))));
}

static void test_plain_ws_is_refused_off_loopback(void **state)
{
	REQ("WS-04");
	static const char *const refused[] = {"0.0.0.0:0", ":0", "[::]:0", "192.0.2.1:0"};
	static const struct cscf_ws_cbs none = {NULL, NULL, NULL};
	char why[256];

	(void)state;
	rig_start(&rig);
	for (size_t i = 0; i < sizeof(refused) / sizeof(refused[0]); i++) {
		struct cscf_ws_config cfg = rig.cfg;
		struct cscf_ws_listener *l = NULL;

		cfg.insecure_listen = refused[i];
		assert_int_equal(
		    cscf_ws_listener_new(&l, rig.base, &cfg, &none, NULL, why, sizeof(why)),
		    GW_ERR_INVAL);
		assert_null(l);
		assert_non_null(strstr(why, "ws.insecure_listen"));
	}
	client_connect(&a, &rig);
	client_open(&rig, &a);
	assert_false(cscf_ws_conn_is_tls(cscf_ws_conn_find(rig.l, rig.last_id)));
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
	    T(test_messages_go_both_ways_as_they_came),
	    T(test_a_frame_sent_with_the_handshake_is_not_lost),
	    T(test_a_refused_handshake_is_answered_counted_and_closed),
	    T(test_a_slow_handshake_ends_at_its_deadline),
	    T(test_an_unregistered_connection_is_closed_1008),
	    T(test_a_bad_frame_ends_only_its_own_connection),
	    T(test_message_of_the_limit_passes),
	    T(test_ping_is_answered_with_its_payload),
	    T(test_an_idle_peer_is_pinged_and_lost_when_silent),
	    T(test_close_by_the_peer_is_echoed),
	    T(test_a_reset_is_a_lost_peer),
	    T(test_what_is_queued_leaves_before_our_close),
	    T(test_ids_are_never_used_again),
	    T(test_proxy_header_is_believed_only_from_listed_balancers),
	    T(test_proxy_header_of_anybody_else_is_no_http),
	    T(test_plain_ws_is_refused_off_loopback),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}