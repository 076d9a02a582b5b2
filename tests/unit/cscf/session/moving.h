/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Calls on their way to another AGW, as the tests of cscf/session/repair*.c play them: the loss,
 * the answers of both ends, and a second AGW whose addresses, ports and credentials are all others.
 */
#ifndef TESTS_MOVING_H
#define TESTS_MOVING_H

#include "cscf/session/own.h"
#include "cscf/session/session_int.h"
#include "tests/unit/cscf/session/play.h"

#define MV_VIDEO_LINE                                                                              \
	"m=video 40002 UDP/TLS/RTP/SAVPF 96\r\nc=IN IP4 198.51.100.7\r\na=rtpmap:96 VP8/90000\r\n" \
	"a=ice-ufrag:wicV\r\na=ice-pwd:wicwicwicwicwicwicwicw\r\na=setup:%s\r\na=mid:1\r\n"        \
	"a=fingerprint:sha-256 "                                                                   \
	"00:01:02:03:04:05:06:07:08:09:0A:0B:0C:0D:0E:0F:"                                         \
	"00:01:02:03:04:05:06:07:08:09:0A:0B:0C:0D:0E:0F\r\na=rtcp-mux\r\na=%s\r\n"
#define MV_CORE_VIDEO    "m=video 6002 RTP/AVPF 96\r\na=rtpmap:96 VP8/90000\r\n"
#define MV_CORE_NO_VIDEO "m=video 0 RTP/AVPF 96\r\n"

static inline int mv_setup(void **state)
{
	int rc = w_setup(state);

	w.cfg.reanchor = true;
	w.cfg.repair_rate = 1000;
	w.cfg.repair_timeout = 10000; /* longer than a loaded machine stops us */
	return rc;
}

/* Another call, in the same test. */
static inline void mv_anew(void **state)
{
	assert_int_equal(w_teardown(state), 0);
	assert_int_equal(mv_setup(state), 0);
}

static inline struct call *mv_call(void)
{
	return call_find_id(w.s, gw_slice_str("c1"));
}

/* The context is gone with its AGW. */
static inline void mv_lose(void)
{
	w.ctx_gone = mv_call()->media.ctx != GW_HANDLE_NONE;
	w.iq_cbs.on_context_lost(w.iq_arg, w.iq[0].call, "AGW lost");
}

/* A client transaction is over. */
static inline void mv_done(size_t i)
{
	if (!w.clients[i].live)
		return;
	w.clients[i].cbs->on_done(w.clients[i].arg, i + 1);
	w.clients[i].live = false;
}

static inline void mv_turns(unsigned n)
{
	for (unsigned i = 0; i < n; i++)
		event_base_loop(w.base, EVLOOP_ONCE | EVLOOP_NONBLOCK);
}

static inline void mv_reserved_again(unsigned n)
{
	for (unsigned i = 0; i < 200 && w.reserved < n; i++)
		event_base_loop(w.base, EVLOOP_ONCE);
	assert_int_equal(w.reserved, n);
}

static inline bool mv_says(size_t client, const char *text)
{
	return w_has(w.clients[client].msg, text);
}

/* `text` with its first `was` written over by `is`, which is as long, and `more` behind. */
static inline const char *mv_sdp(const char *text, const char *was, const char *is,
				 const char *more)
{
	static char buf[4][3000];
	static unsigned k;
	char *b = buf[k++ % 4], *at;

	assert_int_equal(strlen(was), strlen(is));
	snprintf(b, sizeof(buf[0]), "%s%s", text, more);
	at = strstr(b, was);
	assert_non_null(at);
	memcpy(at, is, strlen(is));
	return b;
}

static inline const char *mv_video(const char *setup_word, const char *dir)
{
	static char b[1024];

	snprintf(b, sizeof(b), MV_VIDEO_LINE, setup_word, dir);
	return b;
}

/* The WIC's answer to an offer of ours: other ICE credentials, the role it has. */
static inline const char *mv_wic_answer(const char *setup_word)
{
	static char buf[1024];

	snprintf(buf, sizeof(buf), W_WIC_SDP, setup_word);
	memcpy(strstr(buf, "wicU"), "wicN", 4);
	memcpy(strstr(buf, "o=- 1 2"), "o=- 1 3", 7);
	return buf;
}

/* ---- the second AGW -----------------------------------------------------------------------------
 */

struct mv_agw {
	unsigned access, core; /* ports of the first stream, the second's are 2 higher */
	const char *core_ip;
	bool full; /* its agent is one */
};

#define MV_AGW2 ((struct mv_agw){.access = 31000, .core = 21000, .core_ip = "10.0.0.2"})
#define MV_AGW3 ((struct mv_agw){.access = 32000, .core = 22000, .core_ip = "10.0.0.3"})

/* It gives what the last Reserve asked for. */
static inline void mv_agw(struct mv_agw p)
{
	static IqStreamResult r[2];
	static IqAccessLocal a[2];
	static IqCoreLocal cl[2];
	static IqCandidate cand[2], *cands[2][1];
	static IqAddress addr[2], rtp[2];
	static char ip[20], access_ip[] = "203.0.113.2";
	static char ufrag[8], pwd[] = "agx2agx2agx2agx2agx2agx2", tls_id[] = "";
	static char hash[] = "sha-256", fp_text[] =
					    "B1:01:02:03:04:05:06:07:08:09:0A:0B:0C:0D:0E:0F:"
					    "00:01:02:03:04:05:06:07:08:09:0A:0B:0C:0D:0E:0F";
	static IqIceCredentials cred;
	static IqFingerprint fp, *fps[] = {&fp};
	struct w_iq q = w.iq[w.n_iq - 1];
	IqStreamResult *list[2];
	struct cscf_iq_outcome o = {
	    .err = GW_OK, .detail = "", .streams = list, .n_streams = q.n_ids};

	assert_int_equal(q.op, W_RESERVE);
	assert_true(q.n_ids <= 2);
	snprintf(ip, sizeof(ip), "%s", p.core_ip);
	snprintf(ufrag, sizeof(ufrag), "ag%u", p.access);
	wicgate__iq__v1__ice_credentials__init(&cred);
	cred.ufrag = ufrag;
	cred.pwd = pwd;
	wicgate__iq__v1__fingerprint__init(&fp);
	fp.hash = hash;
	fp.value = fp_text;
	for (unsigned i = 0; i < q.n_ids; i++) {
		r[i] = *w_result(q.ids[i]);
		a[i] = *r[i].access;
		cl[i] = *r[i].core;
		cand[i] = *a[i].candidates[0];
		addr[i] = *cand[i].address;
		rtp[i] = *cl[i].rtp;
		rtp[i].ip = ip;
		addr[i].ip = access_ip;
		addr[i].port = p.access + 2 * i;
		rtp[i].port = p.core + 2 * i;
		cand[i].address = &addr[i];
		cands[i][0] = &cand[i];
		a[i].candidates = cands[i];
		a[i].credentials = &cred;
		a[i].fingerprints = fps;
		a[i].tls_id = tls_id;
		a[i].lite = !p.full;
		cl[i].rtp = &rtp[i];
		r[i].access = &a[i];
		r[i].core = &cl[i];
		list[i] = &r[i];
	}
	w.iq[w.n_iq - 1].done = NULL;
	q.done(w.iq_arg, q.call, q.tag, &o);
}

/* Nothing of the first AGW (w_result) is in what that client transaction says. */
static inline void mv_assert_left(size_t client)
{
	static const char *const old[] = {"203.0.113.1 ", "203.0.113.1\r", " 30000",  " 20000",
					  "agwU",         "10.0.0.1\r",    "A0:01:02"};

	for (size_t i = 0; i < sizeof(old) / sizeof(old[0]); i++)
		if (mv_says(client, old[i]))
			fail_msg("\"%s\" is of the lost AGW", old[i]);
}

/* ---- the way ------------------------------------------------------------------------------------
 */

/* Up to the offer that the WIC gets; it is the last client transaction. */
static inline size_t mv_moving(void)
{
	unsigned had = w.reserved;

	mv_lose();
	mv_reserved_again(had + 1);
	mv_agw(MV_AGW2);
	assert_true(w.clients[w.n_clients - 1].to_wic);
	assert_int_equal(w_method(w.n_clients - 1), CSCF_SIP_INVITE);
	mv_assert_left(w.n_clients - 1);
	return w.n_clients - 1;
}

/* The WIC answers: the core's offer is the last client transaction. */
static inline size_t mv_moving_core_with(size_t i, const char *sdp)
{
	w_response(i, 200, NULL, sdp, CSCF_SIP_CAUSE_NONE);
	w_agw(GW_OK);
	mv_done(i);
	assert_false(w.clients[w.n_clients - 1].to_wic);
	assert_int_equal(w_method(w.n_clients - 1), CSCF_SIP_INVITE);
	mv_assert_left(w.n_clients - 1);
	return w.n_clients - 1;
}

static inline size_t mv_moving_core(size_t i, const char *setup_word)
{
	return mv_moving_core_with(i, mv_wic_answer(setup_word));
}

/* … and the core. */
static inline void mv_moved_with(size_t i, const char *sdp)
{
	w_response(i, 200, NULL, sdp, CSCF_SIP_CAUSE_NONE);
	w_agw(GW_OK);
	mv_done(i);
	assert_false(repair_is_on(mv_call()));
}

static inline void mv_moved(size_t i)
{
	mv_moved_with(i, W_CORE_SDP);
}

static inline void mv_hang_up(void)
{
	w_request(&w_wic, "BYE", "sip:b1@" W_CORE_IP, W_ALICE, W_BOB_TAG, 90, "", NULL);
	assert_non_null(w_bye_on(false));
	w_assert_nothing_left();
}

/* A WIC's call with audio and video, acknowledged. */
static inline void mv_video_call(void)
{
	w_mo_call();
	(void)w_request(
	    &w_wic, "INVITE", "sip:b1@" W_CORE_IP, W_ALICE, W_BOB_TAG, 2, "",
	    mv_sdp(w_wic_sdp(false), "o=- 1 2", "o=- 1 3", mv_video("actpass", "sendrecv")));
	w_agw(GW_OK);
	w_response(1, 200, NULL, mv_sdp(W_CORE_SDP, "o=- 5 6", "o=- 5 7", MV_CORE_VIDEO),
		   CSCF_SIP_CAUSE_NONE);
	w_agw(GW_OK);
	w_request(&w_wic, "ACK", "sip:b1@" W_CORE_IP, W_ALICE, W_BOB_TAG, 2, "", NULL);
	mv_done(1);
}

#endif
