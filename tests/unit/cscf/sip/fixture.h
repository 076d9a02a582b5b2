/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A stack under test: WebSockets are faked (what is sent to them is kept), the core is a UDP
 * socket and a TCP listener on loopback, and timers run 50 times faster (T1 = 10 ms).
 */
#ifndef TESTS_UNIT_CSCF_SIP_FIXTURE_H
#define TESTS_UNIT_CSCF_SIP_FIXTURE_H

#include "cscf/sip/counters.h"
#include "cscf/sip/stack.h"

#include <event2/event.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#define FX_MAX    64
#define FX_UNUSED __attribute__((unused))

struct fx_sent {
	uint64_t conn;
	char *text;
};

struct fx_seen {
	gw_handle handle;
	char *text; /* printed message */
	struct cscf_sip_flow flow;
	struct cscf_sip_response_info info;
};

struct fx {
	struct event_base *base;
	struct cscf_sip_config cfg;
	struct cscf_sip_stack *stack;
	char *listen, *peer;
	int core; /* UDP socket of the core */
	struct gw_addr core_addr, mw_udp, mw_tcp;
	struct fx_sent sent[FX_MAX]; /* to WebSockets */
	size_t n_sent;
	struct fx_seen req[FX_MAX], ack[FX_MAX], cancel[FX_MAX], rsp[FX_MAX];
	size_t n_req, n_ack, n_cancel, n_rsp, n_done, n_server_done, n_flow_closed;
	bool acked;
	uint16_t closed_code;
	bool no_tokens;
	bool ws_gone;
};

FX_UNUSED static struct fx *fx_of(void *arg)
{
	return arg;
}

static enum gw_err fx_ws_send(void *arg, uint64_t conn, const char *data, size_t n)
{
	struct fx *f = arg;

	if (f->ws_gone)
		return GW_ERR_GONE;
	assert_true(f->n_sent < FX_MAX);
	f->sent[f->n_sent].conn = conn;
	f->sent[f->n_sent].text = strndup(data, n);
	f->n_sent++;
	return GW_OK;
}

static void fx_ws_close(void *arg, uint64_t conn, uint16_t code, const char *reason)
{
	(void)conn;
	(void)reason;
	fx_of(arg)->closed_code = code;
}

static bool fx_ws_token(void *arg, uint64_t conn)
{
	(void)conn;
	return !fx_of(arg)->no_tokens;
}

static void fx_see(struct fx_seen *list, size_t *n, gw_handle h, const struct cscf_sip_msg *msg,
		   const struct cscf_sip_flow *flow)
{
	assert_true(*n < FX_MAX);
	list[*n].handle = h;
	list[*n].text = cscf_sip_msg_print(msg, NULL);
	if (flow != NULL)
		list[*n].flow = *flow;
	(*n)++;
}

static void fx_on_request(void *arg, gw_handle h, const struct cscf_sip_msg *msg,
			  const struct cscf_sip_flow *flow)
{
	fx_see(fx_of(arg)->req, &fx_of(arg)->n_req, h, msg, flow);
}

static void fx_on_ack(void *arg, const struct cscf_sip_msg *msg, const struct cscf_sip_flow *flow)
{
	fx_see(fx_of(arg)->ack, &fx_of(arg)->n_ack, 0, msg, flow);
}

static void fx_on_cancel(void *arg, gw_handle h, const struct cscf_sip_msg *msg)
{
	fx_see(fx_of(arg)->cancel, &fx_of(arg)->n_cancel, h, msg, NULL);
}

static void fx_on_server_done(void *arg, gw_handle h, bool acked)
{
	(void)h;
	fx_of(arg)->n_server_done++;
	fx_of(arg)->acked = acked;
}

static void fx_on_flow_closed(void *arg, const struct cscf_sip_flow *flow)
{
	(void)flow;
	fx_of(arg)->n_flow_closed++;
}

static void fx_on_response(void *arg, gw_handle h, const struct cscf_sip_msg *rsp,
			   const struct cscf_sip_response_info *info)
{
	struct fx *f = arg;

	fx_see(f->rsp, &f->n_rsp, h, rsp, &info->flow);
	f->rsp[f->n_rsp - 1].info = *info;
}

static void fx_on_done(void *arg, gw_handle h)
{
	(void)h;
	fx_of(arg)->n_done++;
}

FX_UNUSED static const struct cscf_sip_client_cbs fx_client_cbs = {.on_response = fx_on_response,
								   .on_done = fx_on_done};
static const struct cscf_sip_stack_cbs fx_cbs = {
    .on_request = fx_on_request,
    .on_ack = fx_on_ack,
    .on_cancel = fx_on_cancel,
    .on_server_done = fx_on_server_done,
    .on_flow_closed = fx_on_flow_closed,
};
static const struct cscf_sip_ws_ops fx_ws = {
    .send = fx_ws_send, .close = fx_ws_close, .take_token = fx_ws_token};

static void fx_start_stack(struct fx *f)
{
	char err[200] = "";

	if (cscf_sip_stack_new(&f->stack, f->base, &f->cfg, &fx_cbs, f, &fx_ws, f, err,
			       sizeof(err)) != GW_OK)
		fail_msg("stack: %s", err);
	assert_true(cscf_sip_stack_mw_addr(f->stack, CSCF_SIP_UDP, &f->mw_udp));
	assert_true(cscf_sip_stack_mw_addr(f->stack, CSCF_SIP_TCP, &f->mw_tcp));
}

static int fx_setup(void **state)
{
	struct fx *f = calloc(1, sizeof(*f));
	struct sockaddr_storage ss;
	socklen_t len = sizeof(ss);

	f->base = event_base_new();
	f->listen = strdup("127.0.0.1:0");
	f->peer = strdup("127.0.0.0/8");
	cscf_sip_config_defaults(&f->cfg);
	f->cfg.mw_listen = (struct gw_conf_list){&f->listen, 1};
	f->cfg.mw_peers = (struct gw_conf_list){&f->peer, 1};
	f->cfg.mw_name = strdup("epcscf1.ims.example.net");
	f->cfg.t1_ms = 10;
	f->cfg.t2_ms = 40;
	f->cfg.t4_ms = 50;
	assert_int_equal(gw_addr_parse(&f->core_addr, "127.0.0.1:0", 0), GW_OK);
	f->core = socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK, 0);
	assert_int_equal(bind(f->core, &f->core_addr.u.sa, f->core_addr.len), 0);
	getsockname(f->core, (struct sockaddr *)&ss, &len);
	assert_int_equal(gw_addr_from_sa(&f->core_addr, (struct sockaddr *)&ss, len), GW_OK);
	fx_start_stack(f);
	*state = f;
	return 0;
}

static void fx_drop(struct fx_seen *list, size_t n)
{
	for (size_t i = 0; i < n; i++)
		free(list[i].text);
}

static int fx_teardown(void **state)
{
	struct fx *f = *state;

	cscf_sip_stack_free(f->stack);
	assert_int_equal(gw_metric_get(&cscf_sip_counters[CSCF_SIP_N_SERVER_TXNS]), 0);
	assert_int_equal(gw_metric_get(&cscf_sip_counters[CSCF_SIP_N_CLIENT_TXNS]), 0);
	assert_int_equal(gw_metric_get(&cscf_sip_counters[CSCF_SIP_N_TCP_CONNS]), 0);
	event_base_free(f->base);
	close(f->core);
	for (size_t i = 0; i < f->n_sent; i++)
		free(f->sent[i].text);
	fx_drop(f->req, f->n_req);
	fx_drop(f->ack, f->n_ack);
	fx_drop(f->cancel, f->n_cancel);
	fx_drop(f->rsp, f->n_rsp);
	free(f->listen);
	free(f->peer);
	free(f->cfg.mw_name);
	free(f);
	return 0;
}

static inline long long fx_count(enum cscf_sip_counter c)
{
	return gw_metric_get(&cscf_sip_counters[c]);
}

static long long fx_now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * 1000LL + ts.tv_nsec / 1000000;
}

/* Turn the loop until *n reaches want; fails after 5 s. */
FX_UNUSED static void fx_until(struct fx *f, const size_t *n, size_t want)
{
	long long end = fx_now() + 5000;

	while (*n < want) {
		struct timeval tv = {0, 5000};

		if (fx_now() > end)
			fail_msg("awaited %zu events, saw %zu", want, *n);
		event_base_loopexit(f->base, &tv);
		event_base_loop(f->base, EVLOOP_ONCE);
	}
}

/* Turn the loop for a while (to see that something does not happen). */
FX_UNUSED static void fx_run_ms(struct fx *f, int ms)
{
	long long end = fx_now() + ms;

	while (fx_now() < end) {
		struct timeval tv = {0, 2000};

		event_base_loopexit(f->base, &tv);
		event_base_loop(f->base, EVLOOP_ONCE);
	}
}

/* --- the WIC ------------------------------------------------------------------------------------
 */

FX_UNUSED static void fx_wic_open(struct fx *f, uint64_t conn)
{
	struct gw_addr local, remote;

	assert_int_equal(gw_addr_parse(&local, "192.0.2.10:443", 0), GW_OK);
	assert_int_equal(gw_addr_parse(&remote, "203.0.113.7:50123", 0), GW_OK);
	assert_int_equal(cscf_sip_w2_opened(f->stack, conn, true, &local, &remote), GW_OK);
}

FX_UNUSED static void fx_wic_send(struct fx *f, uint64_t conn, const char *text)
{
	cscf_sip_w2_message(f->stack, conn, text, strlen(text));
}

/* Last text sent to a WebSocket. */
FX_UNUSED static const char *fx_wic_last(const struct fx *f)
{
	return f->n_sent > 0 ? f->sent[f->n_sent - 1].text : "";
}

/* --- the core, over UDP
 * ---------------------------------------------------------------------------- */

FX_UNUSED static void fx_core_send(struct fx *f, const char *text)
{
	assert_true(sendto(f->core, text, strlen(text), 0, &f->mw_udp.u.sa, f->mw_udp.len) > 0);
}

/* Next datagram at the core as heap text; turns the loop meanwhile. NULL after ms. */
FX_UNUSED static char *fx_core_recv(struct fx *f, int ms)
{
	long long end = fx_now() + ms;
	char buf[65536];

	for (;;) {
		struct timeval tv = {0, 2000};
		ssize_t n = recv(f->core, buf, sizeof(buf) - 1, 0);

		if (n >= 0)
			return strndup(buf, (size_t)n);
		if (fx_now() > end)
			return NULL;
		event_base_loopexit(f->base, &tv);
		event_base_loop(f->base, EVLOOP_ONCE);
	}
}

/* One header line's value of a text, heap; NULL when absent. */
FX_UNUSED static char *fx_header(const char *text, const char *name)
{
	char mark[64];
	const char *p, *end;

	snprintf(mark, sizeof(mark), "\r\n%s: ", name);
	p = strstr(text, mark);
	if (p == NULL)
		return NULL;
	p += strlen(mark);
	end = strstr(p, "\r\n");
	return strndup(p, (size_t)(end - p));
}

/* A response made of a request's text: all its Vias, From, To (+tag), Call-ID, CSeq. Heap. */
FX_UNUSED static char *fx_response(const char *request, const char *first_line, const char *to_tag,
				   const char *more)
{
	struct cscf_sip_limits limits = {1 << 20, 1000, 1 << 16};
	struct cscf_sip_msg *req, *rsp;
	int status = atoi(first_line);
	char *text, *full;
	const char *rest;

	assert_int_equal(cscf_sip_msg_parse(&req, request, strlen(request), &limits, false, NULL),
			 GW_OK);
	assert_int_equal(cscf_sip_msg_new_response(&rsp, req, status, NULL), GW_OK);
	if (to_tag != NULL)
		assert_int_equal(cscf_sip_msg_add_to_tag(rsp, to_tag), GW_OK);
	text = cscf_sip_msg_print(rsp, NULL);
	rest = strstr(text, "\r\n") + 2;
	assert_true(
	    asprintf(&full, "SIP/2.0 %s\r\n%s%s", first_line, more != NULL ? more : "", rest) > 0);
	free(text);
	cscf_sip_msg_free(req);
	cscf_sip_msg_free(rsp);
	return full;
}

FX_UNUSED static void fx_core_answer(struct fx *f, const char *request, const char *first_line,
				     const char *to_tag)
{
	char *rsp = fx_response(request, first_line, to_tag, NULL);

	fx_core_send(f, rsp);
	free(rsp);
}

FX_UNUSED static bool fx_starts(const char *text, const char *prefix)
{
	return text != NULL && strncmp(text, prefix, strlen(prefix)) == 0;
}

/* Parse a text that must be good. */
FX_UNUSED static struct cscf_sip_msg *fx_msg(const char *text)
{
	struct cscf_sip_limits limits = {1 << 20, 1000, 1 << 16};
	struct cscf_sip_fault fault;
	struct cscf_sip_msg *msg;

	if (cscf_sip_msg_parse(&msg, text, strlen(text), &limits, false, &fault) != GW_OK)
		fail_msg("not parsed: %s", fault.reason);
	return msg;
}

/* A request of our own: FX_REQ has no Via, which the parser would miss. */
FX_UNUSED static struct cscf_sip_msg *fx_own(const char *text)
{
	const char *rest = strstr(text, "\r\n") + 2;
	struct cscf_sip_msg *msg;
	char *full;

	assert_true(asprintf(&full, "%.*sVia: SIP/2.0/TCP x;branch=z9hG4bKx\r\n%s",
			     (int)(rest - text), text, rest) > 0);
	msg = fx_msg(full);
	cscf_sip_msg_hdr_del(msg, "Via");
	free(full);
	return msg;
}

FX_UNUSED static size_t fx_vias(const char *text)
{
	struct cscf_sip_msg *msg = fx_msg(text);
	size_t n = cscf_sip_msg_value_count(msg, "Via");

	cscf_sip_msg_free(msg);
	return n;
}

/* Send a request to the core's UDP socket. */
FX_UNUSED static gw_handle fx_request(struct fx *f, const char *text)
{
	char addr[GW_ADDR_STRLEN];
	char uri[GW_ADDR_STRLEN + 8];
	const char *uris[1] = {uri};
	struct cscf_sip_dest dest = {.uris = uris, .n_uris = 1};
	gw_handle h;

	snprintf(uri, sizeof(uri), "sip:%s", gw_addr_str(&f->core_addr, addr, sizeof(addr)));
	assert_int_equal(
	    cscf_sip_request(f->stack, fx_own(text), &dest, NULL, &fx_client_cbs, f, &h), GW_OK);
	return h;
}

#define FX_REQ(method, cseq)                                                                       \
	method " sip:bob@ims.example.net SIP/2.0\r\n"                                              \
	       "Max-Forwards: 70\r\n"                                                              \
	       "From: <sip:alice@ims.example.net>;tag=a1\r\n"                                      \
	       "To: <sip:bob@ims.example.net>\r\n"                                                 \
	       "Call-ID: c1\r\n"                                                                   \
	       "CSeq: " cseq " " method "\r\n"                                                     \
	       "Contact: <sip:x1@df7jal23ls0d.invalid;transport=ws>\r\n"                           \
	       "Content-Length: 0\r\n\r\n"

/* As it comes from a WIC: with its Via. */
#define FX_WIC(method, cseq, branch, more)                                                         \
	method " sip:bob@ims.example.net SIP/2.0\r\n"                                              \
	       "Via: SIP/2.0/WSS df7jal23ls0d.invalid;branch=z9hG4bK" branch ";rport\r\n" more     \
	       "Max-Forwards: 70\r\n"                                                              \
	       "From: <sip:alice@ims.example.net>;tag=a1\r\n"                                      \
	       "To: <sip:bob@ims.example.net>\r\n"                                                 \
	       "Call-ID: c1\r\n"                                                                   \
	       "CSeq: " cseq " " method "\r\n\r\n"

#endif
