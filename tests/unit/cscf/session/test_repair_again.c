/* SPDX-License-Identifier: Apache-2.0 */
/* What goes wrong on the way of a call to another AGW, and must not end it: test_repair.c is the
 * way itself. */
#include "cscf/session/own.h"
#include "cscf/session/session_int.h"
#include "tests/unit/cscf/session/play.h"

#define VIDEO_LINE                                                                                 \
	"m=video 40002 UDP/TLS/RTP/SAVPF 96\r\nc=IN IP4 198.51.100.7\r\na=rtpmap:96 VP8/90000\r\n" \
	"a=ice-ufrag:wicV\r\na=ice-pwd:wicwicwicwicwicwicwicw\r\na=setup:%s\r\na=mid:1\r\n"        \
	"a=fingerprint:sha-256 "                                                                   \
	"00:01:02:03:04:05:06:07:08:09:0A:0B:0C:0D:0E:0F:"                                         \
	"00:01:02:03:04:05:06:07:08:09:0A:0B:0C:0D:0E:0F\r\na=rtcp-mux\r\na=%s\r\n"
#define CORE_VIDEO "m=video 6002 RTP/AVPF 96\r\na=rtpmap:96 VP8/90000\r\n"

static int setup(void **state)
{
	int rc = w_setup(state);

	w.cfg.reanchor = true;
	w.cfg.repair_rate = 1000;
	w.cfg.repair_timeout = 10000;
	return rc;
}

static void lose(void)
{
	w.iq_cbs.on_context_lost(w.iq_arg, w.iq[0].call, "AGW lost");
}

static void done(size_t i)
{
	if (!w.clients[i].live)
		return;
	w.clients[i].cbs->on_done(w.clients[i].arg, i + 1);
	w.clients[i].live = false;
}

static void reserved_again(unsigned n)
{
	for (unsigned i = 0; i < 200 && w.reserved < n; i++)
		event_base_loop(w.base, EVLOOP_ONCE);
	assert_int_equal(w.reserved, n);
}

static const char *sdp2(const char *a, const char *was, const char *ver, const char *line)
{
	static char buf[4][3000];
	static unsigned k;
	char *b = buf[k++ % 4];

	snprintf(b, 3000, "%s%s", a, line);
	memcpy(strstr(b, was), ver, strlen(ver));
	return b;
}

static const char *vline(const char *setup_word, const char *dir)
{
	static char b[1024];

	snprintf(b, sizeof(b), VIDEO_LINE, setup_word, dir);
	return b;
}

/* both streams, with ports of their own: base, base + 2 */
static void agw2(unsigned access, unsigned core, const char *core_ip)
{
	static IqStreamResult r[2];
	static IqAccessLocal a[2];
	static IqCoreLocal cl[2];
	static IqCandidate cand[2], *cands[2][1];
	static IqAddress addr[2], rtp[2];
	static char ip[20];
	struct w_iq q = w.iq[w.n_iq - 1];
	IqStreamResult *list[2];
	struct cscf_iq_outcome o = {
	    .err = GW_OK, .detail = "", .streams = list, .n_streams = q.n_ids};

	assert_int_equal(q.op, W_RESERVE);
	snprintf(ip, sizeof(ip), "%s", core_ip);
	for (unsigned i = 0; i < q.n_ids; i++) {
		r[i] = *w_result(q.ids[i]);
		a[i] = *r[i].access;
		cl[i] = *r[i].core;
		cand[i] = *a[i].candidates[0];
		addr[i] = *cand[i].address;
		rtp[i] = *cl[i].rtp;
		rtp[i].ip = ip;
		addr[i].port = access + 2 * i;
		rtp[i].port = core + 2 * i;
		cand[i].address = &addr[i];
		cands[i][0] = &cand[i];
		a[i].candidates = cands[i];
		cl[i].rtp = &rtp[i];
		r[i].access = &a[i];
		r[i].core = &cl[i];
		list[i] = &r[i];
	}
	w.iq[w.n_iq - 1].done = NULL;
	q.done(w.iq_arg, q.call, q.tag, &o);
}

static void video_call(void)
{
	w_mo_call();
	(void)w_request(&w_wic, "INVITE", "sip:b1@" W_CORE_IP, W_ALICE, W_BOB_TAG, 2, "",
			sdp2(w_wic_sdp(false), "o=- 1 2", "o=- 1 3", vline("actpass", "sendrecv")));
	w_agw(GW_OK);
	w_response(1, 200, NULL, sdp2(W_CORE_SDP, "o=- 5 6", "o=- 5 7", CORE_VIDEO),
		   CSCF_SIP_CAUSE_NONE);
	w_agw(GW_OK);
	w_request(&w_wic, "ACK", "sip:b1@" W_CORE_IP, W_ALICE, W_BOB_TAG, 2, "", NULL);
	done(1);
}

/* The WIC drops the video in its answer: the core is not offered it at a port of the lost AGW. */
static void test_a_stream_refused_by_the_wic(void **state)
{
	REQ("REL-12");
	char gone[3000], *at;
	size_t i;

	(void)state;
	video_call();
	lose();
	reserved_again(2);
	agw2(31000, 21000, "10.0.0.2");
	i = w.n_clients - 1;
	assert_true(w.clients[i].to_wic);
	snprintf(gone, sizeof(gone), "%s",
		 sdp2(w_wic_sdp(true), "o=- 1 2", "o=- 1 4", vline("active", "sendrecv")));
	at = strstr(gone, "m=video 40002");
	memcpy(at, "m=video 0    ", 13);
	w_response(i, 200, NULL, gone, CSCF_SIP_CAUSE_NONE);
	w_agw(GW_OK);
	done(i);
	i = w.n_clients - 1;
	assert_false(w.clients[i].to_wic);
	assert_true(w_has(w.clients[i].msg, "m=audio 21000 "));
	assert_true(w_has(w.clients[i].msg, "m=video 0 "));
	cscf_session_release_all(w.s);
}

/* The AGWs refuse for a while, as when all are full of the calls of the lost one. */
static void test_refusals_are_waited_out(void **state)
{
	REQ("REL-12");
	(void)state;
	w_mo_call();
	lose();
	for (unsigned n = 2; n <= 7; n++) {
		reserved_again(n);
		w_agw(n < 7 ? GW_ERR_REJECTED : GW_OK);
		call_find_id(w.s, gw_slice_str("c1"))->repair.again_ms = 0; /* now */
	}
	assert_int_equal(w_method(w.n_clients - 1), CSCF_SIP_INVITE);
	cscf_session_release_all(w.s);
}

/* The second AGW dies while the WIC is away, before it has the offer. */
static void test_no_offer_of_what_is_lost(void **state)
{
	REQ("REL-12");
	size_t n;

	(void)state;
	w_mo_call();
	lose();
	reserved_again(2);
	lose_flow();
	w_agw(GW_OK);
	n = w.n_clients;
	lose(); /* the second as well */
	w.reg_conn = W_OTHER;
	cscf_session_on_reg_event(w.s, CSCF_REGISTRAR_EV_REATTACHED, 5, W_CONN, W_OTHER);
	assert_int_equal(w.n_clients, n); /* not yet: first an AGW */
	cscf_session_release_all(w.s);
}

/* The core's end waits for something itself, and answers 491 for as long. */
static void test_a_twin_that_is_away(void **state)
{
	REQ("REL-12");
	size_t i;

	(void)state;
	w_mt_call();
	lose();
	reserved_again(2);
	w_agw(GW_OK);
	i = w.n_clients - 1;
	w_response(i, 200, NULL, sdp2(w_wic_sdp(true), "o=- 1 2", "o=- 1 3", ""),
		   CSCF_SIP_CAUSE_NONE);
	w_agw(GW_OK);
	done(i);
	for (unsigned k = 0; k < 7; k++) {
		size_t n = w.n_clients;

		assert_int_equal(w_method(n - 1), CSCF_SIP_INVITE);
		w_response(n - 1, 491, NULL, NULL, CSCF_SIP_CAUSE_NONE);
		done(n - 1);
		w_until(&w.n_clients, n);
	}
	cscf_session_release_all(w.s);
}

/* no AGW for a moment, then a queue, then no AGW for a moment. */
static void test_two_short_flaps(void **state)
{
	REQ("REL-12");
	(void)state;
	w.cfg.repair_timeout = 300;
	w.cfg.repair_rate = 1; /* a long queue */
	w_mo_call();
	w.no_agw = true;
	lose();
	w.s->repair_at_ms = session_now_ms(); /* the tokens are others' */
	w.s->repair_tokens = 0;
	event_base_loop(w.base, EVLOOP_ONCE);
	event_base_loop(w.base, EVLOOP_ONCE);
	w.no_agw = false;
	for (unsigned k = 0; k < 20; k++) {
		event_base_loop(w.base, EVLOOP_ONCE);
		w.s->repair_tokens = 0;
	}
	w.no_agw = true; /* 20 ms of it */
	event_base_loop(w.base, EVLOOP_ONCE);
	event_base_loop(w.base, EVLOOP_ONCE);
	assert_int_equal(w.n_clients, 1); /* no BYE */
	cscf_session_release_all(w.s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define T(f) cmocka_unit_test_setup_teardown(f, setup, w_teardown)
	    T(test_a_stream_refused_by_the_wic),
	    T(test_refusals_are_waited_out),
	    T(test_no_offer_of_what_is_lost),
	    T(test_a_twin_that_is_away),
	    T(test_two_short_flaps),
#undef T
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
