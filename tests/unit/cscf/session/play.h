/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Playing the peers of fake_world.h: requests and responses arrive, the AGW answers, and what the
 * session did is looked up. Usual beginnings of a call at the end.
 */
#ifndef TESTS_PLAY_H
#define TESTS_PLAY_H

#include "tests/unit/cscf/session/fake_world.h"

/* ---- playing ------------------------------------------------------------------------------------
 */

static const struct cscf_sip_flow w_wic = {.side = CSCF_SIP_W2, .conn = W_CONN};
static const struct cscf_sip_flow w_core = {.side = CSCF_SIP_MW};

static inline struct cscf_sip_msg *w_parse(const char *text)
{
	static const struct cscf_sip_limits limits = {65536, 200, 8192};
	struct cscf_sip_msg *msg = NULL;

	assert_int_equal(cscf_sip_msg_parse(&msg, text, strlen(text), &limits, false, NULL), GW_OK);
	return msg;
}

#define W_WIC_SDP                                                                                  \
	"v=0\r\no=- 1 2 IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\n"                                      \
	"m=audio 40000 UDP/TLS/RTP/SAVPF 0\r\nc=IN IP4 198.51.100.7\r\na=rtpmap:0 PCMU/8000\r\n"   \
	"a=ice-ufrag:wicU\r\na=ice-pwd:wicwicwicwicwicwicwicw\r\na=setup:%s\r\na=mid:0\r\n"        \
	"a=fingerprint:sha-256 "                                                                   \
	"00:01:02:03:04:05:06:07:08:09:0A:0B:0C:0D:0E:0F:"                                         \
	"00:01:02:03:04:05:06:07:08:09:0A:0B:0C:0D:0E:0F\r\n"                                      \
	"a=candidate:1 1 udp 2113937151 198.51.100.7 40000 typ "                                   \
	"host\r\na=rtcp-mux\r\na=sendrecv\r\n"
#define W_CORE_SDP                                                                                 \
	"v=0\r\no=- 5 6 IN IP4 " W_CORE_IP "\r\ns=-\r\nc=IN IP4 " W_CORE_IP "\r\nt=0 0\r\n"        \
	"m=audio 6000 RTP/AVP 0\r\na=rtpmap:0 PCMU/8000\r\na=sendrecv\r\n"

static inline const char *w_wic_sdp(bool answer)
{
	static char buf[1024];

	snprintf(buf, sizeof(buf), W_WIC_SDP, answer ? "active" : "actpass");
	return buf;
}

static inline struct cscf_sip_msg *w_with_sdp(struct cscf_sip_msg *msg, const char *sdp)
{
	if (sdp != NULL)
		assert_int_equal(cscf_sip_msg_set_body(msg, "application/sdp", sdp, strlen(sdp)),
				 GW_OK);
	return msg;
}

/* A request arrives; `extra` are header lines. @return its server handle */
static inline gw_handle w_request(const struct cscf_sip_flow *flow, const char *method,
				  const char *uri, const char *from, const char *to, unsigned cseq,
				  const char *extra, const char *sdp)
{
	char text[2048];
	gw_handle h = 1000 + w.n_servers;

	snprintf(text, sizeof(text),
		 "%s %s SIP/2.0\r\nVia: SIP/2.0/%s peer.invalid;branch=z9hG4bK%u%s\r\n"
		 "Max-Forwards: 70\r\nFrom: %s\r\nTo: %s\r\nCall-ID: c1\r\nCSeq: %u %s\r\n"
		 "Contact: <sip:%s>\r\n%sContent-Length: 0\r\n\r\n",
		 method, uri, flow->side == CSCF_SIP_W2 ? "WSS" : "UDP", cseq, method, from, to,
		 cseq, method,
		 flow->side == CSCF_SIP_W2 ? "a1@x.invalid;transport=ws" : "b1@" W_CORE_IP, extra);
	w.servers[w.n_servers] = w_with_sdp(w_parse(text), sdp);
	if (strcmp(method, "ACK") == 0)
		cscf_session_on_ack(w.s, w.servers[w.n_servers++], flow);
	else
		cscf_session_on_request(w.s, h, w.servers[w.n_servers++], flow);
	return h;
}

/* The client transaction `i` gets a response. */
static inline void w_respond(size_t i, int status, const char *to_tag, const char *sdp,
			     enum cscf_sip_cause local, const char *hdr, const char *value)
{
	struct w_client *c = &w.clients[i];
	struct cscf_sip_response_info info = {.local = local != CSCF_SIP_CAUSE_NONE,
					      .cause = local};
	struct cscf_sip_values_cursor cursor = {0};
	struct cscf_sip_msg *rsp = NULL;
	struct gw_slice v;

	assert_true(c->live);
	assert_int_equal(cscf_sip_msg_new_response(&rsp, c->msg, status, NULL), GW_OK);
	if (to_tag != NULL)
		assert_int_equal(cscf_sip_msg_add_to_tag(rsp, to_tag), GW_OK);
	while (cscf_sip_msg_value_next(c->msg, "Record-Route", &cursor, &v)) {
		char *text = gw_slice_dup(v);

		assert_int_equal(cscf_sip_msg_hdr_append(rsp, "Record-Route", text), GW_OK);
		free(text);
	}
	assert_int_equal(cscf_sip_msg_hdr_append(rsp, "Contact",
						 c->to_wic ? "<sip:a1@x.invalid;transport=ws>"
							   : "<sip:b1@" W_CORE_IP ">"),
			 GW_OK);
	if (hdr != NULL)
		assert_int_equal(cscf_sip_msg_hdr_append(rsp, hdr, value), GW_OK);
	if (w.rseq != 0 && status > 100 && status < 200) {
		char text[16];

		snprintf(text, sizeof(text), "%u", w.rseq);
		assert_int_equal(cscf_sip_msg_hdr_append(rsp, "Require", "100rel"), GW_OK);
		assert_int_equal(cscf_sip_msg_hdr_append(rsp, "RSeq", text), GW_OK);
	}
	w_with_sdp(rsp, sdp);
	c->cbs->on_response(c->arg, i + 1, rsp, &info);
	cscf_sip_msg_free(rsp);
}

static inline void w_response(size_t i, int status, const char *to_tag, const char *sdp,
			      enum cscf_sip_cause local)
{
	w_respond(i, status, to_tag, sdp, local, NULL, NULL);
}

static inline void w_response_with(size_t i, int status, const char *to_tag, const char *sdp,
				   const char *hdr, const char *value)
{
	w_respond(i, status, to_tag, sdp, CSCF_SIP_CAUSE_NONE, hdr, value);
}

static inline IqStreamResult *w_result(uint32_t id)
{
	static IqStreamResult r;
	static IqAccessLocal a;
	static IqCoreLocal core;
	static IqCandidate cand, *cands[] = {&cand};
	static IqAddress addr, rtp;
	static IqIceCredentials cred;
	static IqFingerprint fp, *fps[] = {&fp};
	static char ip[] = "203.0.113.1", one[] = "1", u[] = "agwU", p[] = "agwagwagwagwagwagwagwa";
	static char hash[] = "sha-256", core_ip[] = "10.0.0.1";
	static char value[] = "A0:01:02:03:04:05:06:07:08:09:0A:0B:0C:0D:0E:0F:"
			      "00:01:02:03:04:05:06:07:08:09:0A:0B:0C:0D:0E:0F";

	wicgate__iq__v1__stream_result__init(&r);
	wicgate__iq__v1__access_local__init(&a);
	wicgate__iq__v1__core_local__init(&core);
	wicgate__iq__v1__candidate__init(&cand);
	wicgate__iq__v1__address__init(&addr);
	wicgate__iq__v1__address__init(&rtp);
	wicgate__iq__v1__ice_credentials__init(&cred);
	wicgate__iq__v1__fingerprint__init(&fp);
	r.stream_id = id;
	r.access = &a;
	r.core = &core;
	a.candidates = cands;
	a.n_candidates = 1;
	a.credentials = &cred;
	a.fingerprints = fps;
	a.n_fingerprints = 1;
	cand.foundation = one;
	cand.component = 1;
	cand.address = &addr;
	addr.ip = ip;
	addr.port = 30000;
	cred.ufrag = u;
	cred.pwd = p;
	fp.hash = hash;
	fp.value = value;
	core.rtp = &rtp;
	rtp.ip = core_ip;
	rtp.port = 20000;
	return &r;
}

/* The AGW answers everything that waits, and then what follows from that; err != OK refuses what
 * waits now. */
static inline void w_agw(enum gw_err err)
{
	size_t now = w.n_iq;

	for (size_t i = 0; i < (err == GW_OK ? w.n_iq : now); i++) {
		struct w_iq q = w.iq[i];
		IqStreamResult *result = q.n_ids > 0 ? w_result(q.ids[0]) : NULL;
		struct cscf_iq_outcome o = {.err = err, .detail = "test"};

		if (q.done == NULL)
			continue;
		w.iq[i].done = NULL;
		if (q.op == W_RESERVE && err == GW_OK) {
			o.n_streams = 1;
			o.streams = &result;
		}
		q.done(w.iq_arg, q.call, q.tag, &o);
	}
}

/* What it was asked last is against a revision it does not have. */
static inline void w_agw_conflict(void)
{
	struct w_iq *q = &w.iq[w.n_iq - 1];
	struct cscf_iq_outcome o = {.err = GW_ERR_REJECTED,
				    .code = WICGATE__IQ__V1__ERROR_CODE__REV_CONFLICT,
				    .detail = "test"};
	cscf_iq_done_fn *done = q->done;

	q->done = NULL;
	done(w.iq_arg, q->call, q->tag, &o);
}

static inline void w_turn(void)
{
	event_base_loop(w.base, EVLOOP_NONBLOCK);
}

static inline void w_on_time(evutil_socket_t fd, short what, void *arg)
{
	(void)fd;
	(void)what;
	*(bool *)arg = true;
}

/* Turn until a timer of so long has fired: each that was due before it has by then. */
static inline void w_turn_past_ms(unsigned ms)
{
	struct timeval tv = {ms / 1000, (suseconds_t)(ms % 1000 * 1000)};
	bool over = false;
	struct event *ev = evtimer_new(w.base, w_on_time, &over);

	event_add(ev, &tv);
	while (!over)
		event_base_loop(w.base, EVLOOP_ONCE);
	event_free(ev);
}

/* Let libevent's timers run until a client transaction or an answer is there. */
static inline void w_until(const size_t *count, size_t more_than)
{
	for (unsigned i = 0; i < 100 && *count <= more_than; i++)
		event_base_loop(w.base, EVLOOP_ONCE);
	assert_true(*count > more_than);
}

static inline const struct w_answer *w_last_answer(gw_handle server)
{
	for (size_t i = w.n_answers; i-- > 0;)
		if (w.answers[i].server == server)
			return &w.answers[i];
	return NULL;
}

/* The message of the last answer; there must be one. */
static inline struct cscf_sip_msg *w_answer_msg(gw_handle server)
{
	const struct w_answer *a = w_last_answer(server);

	assert_non_null(a);
	if (a == NULL)
		abort(); /* assert_non_null does not return; gcc cannot know */
	return a->msg;
}

static inline int w_status(gw_handle server)
{
	const struct w_answer *a = w_last_answer(server);

	return a != NULL ? a->status : 0;
}

static inline bool w_has(const struct cscf_sip_msg *msg, const char *text)
{
	char *all = cscf_sip_msg_print(msg, NULL);
	bool found = strstr(all, text) != NULL;

	free(all);
	return found;
}

static inline enum cscf_sip_method w_method(size_t i)
{
	return cscf_sip_msg_method(w.clients[i].msg);
}

/* The BYE that went out on a leg, answered with 200; NULL when there is none (any more). */
static inline const struct cscf_sip_msg *w_bye_on(bool to_wic)
{
	for (size_t i = 0; i < w.n_clients; i++) {
		struct w_client *c = &w.clients[i];

		if (w_method(i) != CSCF_SIP_BYE || c->to_wic != to_wic || !c->live)
			continue;
		w_response(i, 200, NULL, NULL, CSCF_SIP_CAUSE_NONE);
		if (c->live)
			c->cbs->on_done(c->arg, i + 1);
		c->live = false;
		return c->msg;
	}
	return NULL;
}

/* However it went: every context given back, no call, nobody left waiting. */
static inline void w_assert_nothing_left(void)
{
	struct cscf_session_counts counts;

	w_agw(GW_OK);
	w_turn();
	cscf_session_counts(w.s, &counts);
	assert_int_equal(counts.calls, 0);
	assert_int_equal(counts.dialogs, 0);
	assert_int_equal(w.reserved, w.released);
}

static inline int w_setup(void **state)
{
	(void)state;
	memset(&w, 0, sizeof(w));
	w.base = event_base_new();
	w.conn_open = w.other_open = w.registered = true;
	w.reg_conn = W_CONN;
	w.cfg = (struct cscf_session_config){.limits_calls = 4,
					     .t_consent = 20,
					     .flow_hold = 20,
					     .ack_timeout = 20,
					     .retry_after_s = 7,
					     .no_media_wic = 503,
					     .no_media_core = 500,
					     .orig_ioi = "ims.test",
					     .ioi_prefix = "Type 1",
					     .mw_name = "mw.test",
					     .access_realm = "access",
					     .core_realm = "core"};
	cscf_sdp_policy_default(&w.policy);
	if (cscf_sip_flow_token_init(&w.tokens, "secret") != GW_OK)
		return -1;
	w.parts.base = w.base;
	w.parts.tokens = &w.tokens;
	w.parts.sdp_policy = &w.policy;
	return cscf_session_new(&w.s, &w.cfg, &w.parts) == GW_OK ? 0 : -1;
}

static inline int w_teardown(void **state)
{
	(void)state;
	cscf_session_free(w.s);
	for (size_t i = 0; i < w.n_clients; i++)
		cscf_sip_msg_free(w.clients[i].msg);
	for (size_t i = 0; i < w.n_answers; i++)
		cscf_sip_msg_free(w.answers[i].msg);
	for (size_t i = 0; i < w.n_acks; i++)
		cscf_sip_msg_free(w.acks[i]);
	for (size_t i = 0; i < w.n_servers; i++)
		cscf_sip_msg_free(w.servers[i]);
	event_base_free(w.base);
	return 0;
}

/* ---- usual beginnings -------------------------------------------------------------------------
 */

#define W_ALICE   "<sip:alice@ims.test>;tag=wic1"
#define W_BOB     "<sip:bob@ims.test>"
#define W_BOB_TAG "<sip:bob@ims.test>;tag=" W_CORE_TAG
#define W_WIC_URI "sip:a1@x.invalid;transport=ws"

/* A WIC's INVITE has gone out to the core as client 0. */
static inline gw_handle w_mo_invite(void)
{
	gw_handle h = w_request(&w_wic, "INVITE", "sip:bob@ims.test", W_ALICE, W_BOB, 1,
				"P-Asserted-Identity: <sip:mallory@ims.test>\r\n"
				"Route: <sip:evil.test;lr>\r\n",
				w_wic_sdp(false));

	w_agw(GW_OK);
	assert_int_equal(w.n_clients, 1);
	return h;
}

/* … and was answered and acknowledged. */
static inline gw_handle w_mo_call(void)
{
	gw_handle h = w_mo_invite();

	w_response(0, 200, W_CORE_TAG, W_CORE_SDP, CSCF_SIP_CAUSE_NONE);
	w_agw(GW_OK);
	assert_int_equal(w_status(h), 200);
	w_request(&w_wic, "ACK", "sip:b1@" W_CORE_IP, W_ALICE, W_BOB_TAG, 1, "", NULL);
	assert_int_equal(w.n_acks, 1);
	return h;
}

static inline gw_handle w_mt_invite(void)
{
	gw_handle h = w_request(&w_core, "INVITE", W_WIC_URI, W_BOB_TAG, "<sip:alice@ims.test>", 1,
				"Record-Route: <sip:p1.test;lr>\r\n", W_CORE_SDP);

	w_agw(GW_OK);
	assert_int_equal(w.n_clients, 1);
	assert_true(w.clients[0].to_wic);
	return h;
}

static inline gw_handle w_mt_call(void)
{
	gw_handle h = w_mt_invite();

	w_response(0, 200, "wic1", w_wic_sdp(true), CSCF_SIP_CAUSE_NONE);
	w_agw(GW_OK);
	assert_int_equal(w_status(h), 200);
	w_request(&w_core, "ACK", W_WIC_URI, W_BOB_TAG, W_ALICE, 1, "", NULL);
	assert_int_equal(w.n_acks, 1);
	return h;
}

/* ---- usual ends */

/* One BYE with that Reason on each leg asked for, none on the other, nothing left. */
static inline void assert_byes(bool to_wic, bool to_core, const char *reason)
{
	const struct cscf_sip_msg *bye;

	if (to_core) {
		bye = w_bye_on(false);
		assert_non_null(bye);
		assert_true(w_has(bye, reason));
		assert_true(w_has(bye, "sip:b1@" W_CORE_IP));
	}
	if (to_wic) {
		bye = w_bye_on(true);
		assert_non_null(bye);
		assert_true(w_has(bye, reason));
		assert_true(w_has(bye, "BYE sip:a1@x.invalid"));
	}
	assert_null(w_bye_on(false));
	assert_null(w_bye_on(true));
	w_assert_nothing_left();
}

/* The WIC's WebSocket is gone. */
static inline void lose_flow(void)
{
	w.conn_open = false;
	cscf_session_on_reg_event(w.s, CSCF_REGISTRAR_EV_FLOW_LOST, 5, W_CONN, 0);
}

#endif
