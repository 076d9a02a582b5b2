/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The core side's transports in the stack: TCP both ways, choice by size, response routing.
 * cscf/sip/mw.c, tcp.c, send.c.
 */
#include "fixture.h"
#include "tests/lib/req.h"

#include <errno.h>
#include <fcntl.h>

/* --- a core on TCP --- */

static int tcp_listen(struct gw_addr *a)
{
	struct sockaddr_storage ss;
	socklen_t len = sizeof(ss);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);

	assert_int_equal(gw_addr_parse(a, "127.0.0.1:0", 0), GW_OK);
	assert_int_equal(bind(fd, &a->u.sa, a->len), 0);
	assert_int_equal(listen(fd, 8), 0);
	getsockname(fd, (struct sockaddr *)&ss, &len);
	assert_int_equal(gw_addr_from_sa(a, (struct sockaddr *)&ss, len), GW_OK);
	return fd;
}

static int tcp_accept(struct fx *f, int fd)
{
	long long end = fx_now() + 2000;

	while (fx_now() < end) {
		int c = accept4(fd, NULL, NULL, SOCK_NONBLOCK);

		if (c >= 0)
			return c;
		fx_run_ms(f, 2);
	}
	fail_msg("nobody connected");
	return -1;
}

static int tcp_connect(struct fx *f)
{
	int fd = socket(AF_INET, SOCK_STREAM, 0);

	assert_int_equal(connect(fd, &f->mw_tcp.u.sa, f->mw_tcp.len), 0);
	fcntl(fd, F_SETFL, O_NONBLOCK);
	return fd;
}

/* What came on a connection until the text holds `until`; NULL when it closed before. */
static char *tcp_read(struct fx *f, int fd, const char *until)
{
	long long end = fx_now() + 2000;
	char *buf = calloc(1, 1 << 17);
	size_t n = 0;

	while (fx_now() < end) {
		ssize_t got = read(fd, buf + n, (1 << 17) - n - 1);

		if (got == 0)
			break;
		if (got > 0)
			n += (size_t)got;
		if (strstr(buf, until) != NULL)
			return buf;
		fx_run_ms(f, 2);
	}
	free(buf);
	return NULL;
}

static void tcp_write(int fd, const char *text)
{
	assert_int_equal(write(fd, text, strlen(text)), (ssize_t)strlen(text));
}

static bool tcp_is_closed(struct fx *f, int fd)
{
	long long end = fx_now() + 2000;

	while (fx_now() < end) {
		char c[4096];
		ssize_t n = read(fd, c, sizeof(c));

		if (n == 0 || (n < 0 && errno != EAGAIN))
			return true;
		fx_run_ms(f, 2);
	}
	return false;
}

static gw_handle send_to(struct fx *f, const char *uri, struct cscf_sip_msg *msg)
{
	struct cscf_sip_dest dest = {.uris = &uri, .n_uris = 1};
	gw_handle h;

	assert_int_equal(cscf_sip_request(f->stack, msg, &dest, NULL, &fx_client_cbs, f, &h),
			 GW_OK);
	return h;
}

#define CORE_REQ(transport, method, branch, more)                                                  \
	method " sip:x@h.example SIP/2.0\r\nVia: SIP/2.0/" transport                               \
	       " 127.0.0.1:1;branch=z9hG4bK" branch "\r\nFrom: <sip:a@h.example>;tag=1\r\n"        \
	       "To: <sip:b@h.example>\r\nCall-ID: c\r\nCSeq: 1 " method "\r\n" more

/* --- outward --- */

static void test_connection_is_used_again_and_answers_come_back_on_it(void **state)
{
	struct fx *f = *state;
	struct gw_addr a;
	int l = tcp_listen(&a), c;
	char addr[GW_ADDR_STRLEN], uri[100];
	char *got, *rsp;
	struct cscf_sip_counts counts;

	snprintf(uri, sizeof(uri), "sip:%s;transport=tcp", gw_addr_str(&a, addr, sizeof(addr)));
	send_to(f, uri, fx_own(FX_REQ("MESSAGE", "1")));
	c = tcp_accept(f, l);
	got = tcp_read(f, c, "\r\n\r\n");
	assert_non_null(strstr(got, "Via: SIP/2.0/TCP epcscf1.ims.example.net:"));
	assert_null(strstr(got, ";rport"));
	assert_non_null(strstr(got, "Content-Length: 0\r\n"));
	rsp = fx_response(got, "200 OK", "b1", NULL);
	tcp_write(c, rsp);
	fx_until(f, &f->n_rsp, 1);
	assert_true(f->rsp[0].info.flow.conn != 0);
	free(rsp);
	free(got);
	send_to(f, uri, fx_own(FX_REQ("MESSAGE", "2")));
	got = tcp_read(f, c, "CSeq: 2");
	assert_non_null(got);
	cscf_sip_stack_counts(f->stack, &counts);
	assert_int_equal(counts.tcp_conns, 1);
	free(got);
	close(c); /* with the request unanswered: not left to timer F */
	fx_until(f, &f->n_rsp, 2);
	assert_true(fx_starts(f->rsp[1].text, "SIP/2.0 503 "));
	assert_int_equal(f->rsp[1].info.cause, CSCF_SIP_CAUSE_TRANSPORT);
	cscf_sip_stack_counts(f->stack, &counts);
	assert_int_equal(counts.tcp_conns, 0);
	close(l);
}

static void test_ringing_invite_survives_the_end_of_its_connection(void **state)
{
	struct fx *f = *state;
	struct gw_addr a;
	int l = tcp_listen(&a), c;
	char addr[GW_ADDR_STRLEN], uri[100];
	char *got, *rsp;

	snprintf(uri, sizeof(uri), "sip:%s;transport=tcp", gw_addr_str(&a, addr, sizeof(addr)));
	send_to(f, uri, fx_own(FX_REQ("INVITE", "1")));
	c = tcp_accept(f, l);
	got = tcp_read(f, c, "\r\n\r\n");
	rsp = fx_response(got, "180 Ringing", "b1", NULL);
	tcp_write(c, rsp);
	free(rsp);
	fx_until(f, &f->n_rsp, 1);
	close(c);
	fx_run_ms(f, 30);
	assert_int_equal(f->n_rsp, 1);
	c = tcp_connect(f); /* the core answers on a connection of its own */
	rsp = fx_response(got, "200 OK", "b1", NULL);
	tcp_write(c, rsp);
	fx_until(f, &f->n_rsp, 2);
	assert_true(fx_starts(f->rsp[1].text, "SIP/2.0 200 "));
	free(rsp);
	free(got);
	close(c);
	close(l);
}

/* Core that listens on one port over both. */
static int tcp_listen_beside(const struct fx *f)
{
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);

	if (bind(fd, &f->core_addr.u.sa, f->core_addr.len) != 0 || listen(fd, 8) != 0) {
		close(fd);
		return -1;
	}
	return fd;
}

static struct cscf_sip_msg *of_size(struct fx *f, size_t wanted)
{
	struct cscf_sip_msg *msg = fx_own(FX_REQ("MESSAGE", "1"));
	size_t n;
	char *text, *filler;

	(void)f;
	text = cscf_sip_msg_print(msg, &n);
	free(text);
	filler = calloc(1, wanted - n - 5 + 1);
	memset(filler, 'x', wanted - n - 5); /* "X: " and CRLF */
	assert_int_equal(cscf_sip_msg_hdr_append(msg, "X", filler), GW_OK);
	free(filler);
	return msg;
}

static void test_large_requests_go_by_tcp(void **state)
{
	struct fx *f = *state;
	int l = tcp_listen_beside(f), c;
	char addr[GW_ADDR_STRLEN];
	const char *uri = gw_addr_str(&f->core_addr, addr, sizeof(addr));
	char *got;

	REQ("SEC-25", "CALL-49");
	if (l < 0)
		skip();
	/* with room for our Via of at most 120 octets */
	send_to(f, uri, of_size(f, 1300 - 120));
	got = fx_core_recv(f, 2000);
	assert_non_null(got);
	assert_true(strlen(got) <= 1300);
	free(got);
	send_to(f, uri, of_size(f, 1300 - 119));
	c = tcp_accept(f, l);
	got = tcp_read(f, c, "\r\n\r\n");
	assert_non_null(strstr(got, "Via: SIP/2.0/TCP "));
	free(got);
	send_to(f, uri, of_size(f, 30000));
	got = tcp_read(f, c, "\r\n\r\n");
	assert_non_null(got);
	free(got);
	close(c);
	close(l);
}

static void test_strangers_are_not_spoken_to(void **state)
{
	struct fx *f = *state;
	long long before = gw_metric_get(&cscf_sip_counters[CSCF_SIP_N_NOT_PEER]);
	char addr[GW_ADDR_STRLEN];

	REQ("SEC-05", "SEC-22");
	free(f->peer);
	f->peer = strdup("192.0.2.1");
	send_to(f, gw_addr_str(&f->core_addr, addr, sizeof(addr)), of_size(f, 600));
	assert_null(fx_core_recv(f, 200));
	assert_true(gw_metric_get(&cscf_sip_counters[CSCF_SIP_N_NOT_PEER]) > before);
}

/* --- inward --- */

static void test_requests_on_tcp_are_answered_on_their_connection(void **state)
{
	struct fx *f = *state;
	int c = tcp_connect(f);
	char *got;

	REQ("WS-18");
	tcp_write(c, "\r\n\r\n");
	got = tcp_read(f, c, "\r\n");
	assert_string_equal(got, "\r\n");
	free(got);
	tcp_write(c, CORE_REQ("TCP", "MESSAGE", "1",
			      "Content-Type: text/plain\r\n"
			      "Content-Length: 2\r\n\r\nab")
			 CORE_REQ("TCP", "MESSAGE", "2", "Content-Length: 0\r\n\r\n"));
	fx_until(f, &f->n_req, 2);
	assert_true(f->req[0].flow.conn == f->req[1].flow.conn);
	assert_int_equal(f->req[0].flow.side, CSCF_SIP_MW);
	assert_int_equal(cscf_sip_reply(f->stack, f->req[1].handle, 200, NULL, (char *)NULL),
			 GW_OK);
	got = tcp_read(f, c, "\r\n\r\n");
	assert_non_null(strstr(got, "z9hG4bK2;received=127.0.0.1\r\n"));
	free(got);
	close(c);
}

static void test_response_takes_a_new_connection_when_the_old_one_is_gone(void **state)
{
	struct fx *f = *state;
	struct gw_addr a;
	int l = tcp_listen(&a), c = tcp_connect(f), c2;
	char text[600];
	char *got;
	struct cscf_sip_counts counts;

	snprintf(
	    text, sizeof(text),
	    "MESSAGE sip:x@h.example SIP/2.0\r\nVia: SIP/2.0/TCP core.example:%u;branch=z9hG4bK1"
	    "\r\nFrom: <sip:a@h.example>;tag=1\r\nTo: <sip:b@h.example>\r\nCall-ID: c\r\n"
	    "CSeq: 1 MESSAGE\r\nContent-Length: 0\r\n\r\n",
	    gw_addr_port(&a));
	tcp_write(c, text);
	fx_until(f, &f->n_req, 1);
	close(c);
	do {
		fx_run_ms(f, 5);
		cscf_sip_stack_counts(f->stack, &counts);
	} while (counts.tcp_conns > 0);
	assert_int_equal(cscf_sip_reply(f->stack, f->req[0].handle, 200, NULL, (char *)NULL),
			 GW_OK);
	c2 = tcp_accept(f, l);
	got = tcp_read(f, c2, "\r\n\r\n");
	assert_true(fx_starts(got, "SIP/2.0 200 OK\r\n"));
	free(got);
	close(c2);
	close(l);
}

static void test_too_large_on_tcp_is_513_then_closed(void **state)
{
	struct fx *f = *state;
	int c = tcp_connect(f);
	char *got;

	REQ("WS-26");
	tcp_write(c, CORE_REQ("TCP", "MESSAGE", "1",
			      "Content-Type: a/b\r\n"
			      "Content-Length: 1000000\r\n\r\n"));
	got = tcp_read(f, c, "\r\n\r\n");
	assert_true(fx_starts(got, "SIP/2.0 513 Message Too Large\r\n"));
	assert_true(tcp_is_closed(f, c));
	assert_int_equal(f->n_req, 0);
	free(got);
	close(c);
}

static void test_endless_head_closes_the_connection(void **state)
{
	struct fx *f = *state;
	int c = tcp_connect(f);
	char junk[1001];

	REQ("WS-26");
	memset(junk, 'x', 1000);
	junk[1000] = '\0';
	for (int i = 0; i < 40; i++)
		if (write(c, junk, 1000) < 0)
			break;
	assert_true(tcp_is_closed(f, c));
	close(c);
}

static void test_stranger_is_not_let_in(void **state)
{
	struct fx *f = *state;
	long long before = gw_metric_get(&cscf_sip_counters[CSCF_SIP_N_NOT_PEER]);
	int c;

	REQ("SEC-05");
	free(f->peer);
	f->peer = strdup("192.0.2.1");
	c = tcp_connect(f);
	assert_true(tcp_is_closed(f, c));
	assert_int_equal(gw_metric_get(&cscf_sip_counters[CSCF_SIP_N_NOT_PEER]), before + 1);
	close(c);
}

static void test_connection_limit_and_idle_close(void **state)
{
	struct fx *f = *state;
	struct cscf_sip_counts counts;
	int c[3];

	cscf_sip_stack_free(f->stack);
	f->cfg.max_tcp_conns = 2;
	f->cfg.tcp_idle_ms = 100;
	fx_start_stack(f);
	for (int i = 0; i < 3; i++)
		c[i] = tcp_connect(f);
	assert_true(tcp_is_closed(f, c[2]));
	cscf_sip_stack_counts(f->stack, &counts);
	assert_int_equal(counts.tcp_conns, 2);
	assert_true(tcp_is_closed(f, c[0]));
	assert_true(tcp_is_closed(f, c[1]));
	for (int i = 0; i < 3; i++)
		close(c[i]);
}

/* --- UDP --- */

static void test_udp_response_goes_to_rport_or_to_the_via_port(void **state)
{
	struct fx *f = *state;
	char text[600];
	char *got;

	REQ("WS-16", "WS-17");
	fx_core_send(f, CORE_REQ("UDP", "MESSAGE", "1", "Content-Length: 0\r\n\r\n"));
	fx_until(f, &f->n_req, 1);
	assert_null(strstr(f->req[0].text, "rport"));
	assert_int_equal(cscf_sip_reply(f->stack, f->req[0].handle, 200, NULL, (char *)NULL),
			 GW_OK);
	assert_null(fx_core_recv(f, 30)); /* went to port 1 of the Via */
	snprintf(
	    text, sizeof(text),
	    "MESSAGE sip:x@h.example SIP/2.0\r\nVia: SIP/2.0/UDP h.example:1;branch=z9hG4bK2;rport"
	    "\r\nFrom: <sip:a@h.example>;tag=1\r\nTo: <sip:b@h.example>\r\nCall-ID: c\r\n"
	    "CSeq: 1 MESSAGE\r\nContent-Length: 0\r\n\r\n");
	fx_core_send(f, text);
	fx_until(f, &f->n_req, 2);
	assert_int_equal(cscf_sip_reply(f->stack, f->req[1].handle, 200, NULL, (char *)NULL),
			 GW_OK);
	got = fx_core_recv(f, 2000);
	assert_true(fx_starts(got, "SIP/2.0 200 OK\r\n"));
	free(got);
}

static void test_ack_to_2xx_has_a_branch_of_its_own(void **state)
{
	struct fx *f = *state;
	char addr[GW_ADDR_STRLEN];
	const char *uri = gw_addr_str(&f->core_addr, addr, sizeof(addr));
	struct cscf_sip_dest dest = {.uris = &uri, .n_uris = 1};
	char *one, *two, *via1, *via2;

	REQ("CALL-24");
	assert_int_equal(cscf_sip_send_ack(f->stack, fx_own(FX_REQ("ACK", "1")), &dest), GW_OK);
	assert_int_equal(cscf_sip_send_ack(f->stack, fx_own(FX_REQ("ACK", "1")), &dest), GW_OK);
	one = fx_core_recv(f, 2000);
	two = fx_core_recv(f, 2000);
	assert_true(fx_starts(one, "ACK sip:bob@ims.example.net SIP/2.0\r\n"));
	via1 = fx_header(one, "Via");
	via2 = fx_header(two, "Via");
	assert_string_not_equal(via1, via2);
	assert_null(fx_core_recv(f, 60)); /* no retransmission */
	free(via1);
	free(via2);
	free(one);
	free(two);
}

#define T(f) cmocka_unit_test_setup_teardown(f, fx_setup, fx_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
	    T(test_connection_is_used_again_and_answers_come_back_on_it),
	    T(test_ringing_invite_survives_the_end_of_its_connection),
	    T(test_large_requests_go_by_tcp),
	    T(test_strangers_are_not_spoken_to),
	    T(test_requests_on_tcp_are_answered_on_their_connection),
	    T(test_response_takes_a_new_connection_when_the_old_one_is_gone),
	    T(test_too_large_on_tcp_is_513_then_closed),
	    T(test_endless_head_closes_the_connection),
	    T(test_stranger_is_not_let_in),
	    T(test_connection_limit_and_idle_close),
	    T(test_udp_response_goes_to_rport_or_to_the_via_port),
	    T(test_ack_to_2xx_has_a_branch_of_its_own),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
