/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Everything around the session, faked at link time: SIP stack (what was sent, answered,
 * cancelled is recorded; responses are played in), AGW procedures (answers are played in) and
 * registrar (one WIC, alice). Messages, SDP and the trust table are the real ones.
 * One program includes it once; it defines the functions the session calls.
 */
#ifndef TESTS_FAKE_WORLD_H
#define TESTS_FAKE_WORLD_H

#include "cscf/session/session.h"
#include "tests/lib/req.h"

#include <event2/event.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#define W_MAX      64
#define W_CONN     11U
#define W_OTHER    12U
#define W_CORE_TAG "core1"
#define W_CORE_IP  "192.0.2.9"

struct w_client {
	bool used, live, cancelled, to_wic;
	struct cscf_sip_msg *msg; /* owned */
	const struct cscf_sip_client_cbs *cbs;
	void *arg;
	char cancel_reason[128];
};

struct w_answer {
	gw_handle server;
	int status;
	struct cscf_sip_msg *msg; /* owned; NULL for cscf_sip_reply */
	char hdr[64], value[128];
};

struct w_iq {
	gw_handle call;
	uint32_t tag;
	cscf_iq_done_fn *done;
	enum { W_RESERVE, W_CONFIGURE, W_RELEASE } op;
	uint32_t ids[8];
	size_t n_ids;
	bool gate_up, gate_down, restart;
};

static struct world {
	struct event_base *base;
	struct cscf_session *s;
	struct cscf_session_config cfg;
	struct cscf_session_parts parts;
	struct cscf_sdp_policy policy;
	struct cscf_sip_flow_token_ctx tokens;
	/* sip */
	struct w_client clients[W_MAX];
	size_t n_clients;
	struct w_answer answers[W_MAX];
	size_t n_answers;
	struct cscf_sip_msg *acks[W_MAX];
	size_t n_acks;
	struct cscf_sip_msg *servers[W_MAX]; /* handle - 1000 */
	size_t n_servers;
	bool conn_open, other_open;
	/* iq */
	bool no_agw;
	struct w_iq iq[W_MAX];
	size_t n_iq;
	unsigned reserved, released;
	struct cscf_iq_cbs iq_cbs;
	void *iq_arg;
	/* registrar */
	bool registered;
	enum cscf_registrar_reach reach;
	uint64_t reg_conn;
} w;

/* ---- the stack --------------------------------------------------------------------------------
 */

enum gw_err cscf_sip_request(struct cscf_sip_stack *s, struct cscf_sip_msg *msg,
			     const struct cscf_sip_dest *dest,
			     const struct cscf_sip_client_opt *opt,
			     const struct cscf_sip_client_cbs *cbs, void *arg, gw_handle *client)
{
	struct w_client *c = &w.clients[w.n_clients++];

	(void)s;
	(void)opt;
	*c = (struct w_client){.used = true,
			       .live = true,
			       .msg = msg,
			       .cbs = cbs,
			       .arg = arg,
			       .to_wic = dest->flow != NULL};
	*client = w.n_clients;
	return GW_OK;
}

enum gw_err cscf_sip_cancel(struct cscf_sip_stack *s, gw_handle client, const char *reason)
{
	struct w_client *c = &w.clients[client - 1];

	(void)s;
	if (!c->live)
		return GW_ERR_NOT_FOUND;
	c->cancelled = true;
	snprintf(c->cancel_reason, sizeof(c->cancel_reason), "%s", reason != NULL ? reason : "");
	return GW_OK;
}

void cscf_sip_client_detach(struct cscf_sip_stack *s, gw_handle client)
{
	(void)s;
	w.clients[client - 1].live = false;
}

bool cscf_sip_client_alive(const struct cscf_sip_stack *s, gw_handle client)
{
	(void)s;
	return w.clients[client - 1].live;
}

enum gw_err cscf_sip_send_ack(struct cscf_sip_stack *s, struct cscf_sip_msg *msg,
			      const struct cscf_sip_dest *dest)
{
	(void)s;
	(void)dest;
	w.acks[w.n_acks++] = msg;
	return GW_OK;
}

enum gw_err cscf_sip_respond(struct cscf_sip_stack *s, gw_handle server, struct cscf_sip_msg *rsp)
{
	(void)s;
	w.answers[w.n_answers++] =
	    (struct w_answer){.server = server, .status = cscf_sip_msg_status(rsp), .msg = rsp};
	return GW_OK;
}

enum gw_err cscf_sip_reply(struct cscf_sip_stack *s, gw_handle server, int status,
			   const char *reason, ...)
{
	struct w_answer *a = &w.answers[w.n_answers++];
	const char *name;
	va_list ap;

	(void)s;
	*a = (struct w_answer){.server = server, .status = status};
	va_start(ap, reason);
	name = va_arg(ap, const char *);
	if (name != NULL) {
		snprintf(a->hdr, sizeof(a->hdr), "%s", name);
		snprintf(a->value, sizeof(a->value), "%s", va_arg(ap, const char *));
	}
	va_end(ap);
	return GW_OK;
}

const struct cscf_sip_msg *cscf_sip_server_request(const struct cscf_sip_stack *s, gw_handle server)
{
	(void)s;
	return w.servers[server - 1000];
}

bool cscf_sip_conn_alive(const struct cscf_sip_stack *s, uint64_t conn, struct cscf_sip_flow *flow)
{
	bool open = conn == W_CONN ? w.conn_open : conn == W_OTHER && w.other_open;

	(void)s;
	if (open && flow != NULL)
		*flow = (struct cscf_sip_flow){.side = CSCF_SIP_W2, .conn = conn};
	return open;
}

bool cscf_sip_stack_mw_addr(const struct cscf_sip_stack *s, enum cscf_sip_transport transport,
			    struct gw_addr *out)
{
	(void)s;
	(void)transport;
	(void)out;
	return true;
}

const char *cscf_sip_stack_mw_hostport(const struct cscf_sip_stack *s)
{
	(void)s;
	return "mw.test:5060";
}

const char *cscf_sip_stack_w2_host(const struct cscf_sip_stack *s)
{
	(void)s;
	return "w2.test";
}

/* ---- the AGW -----------------------------------------------------------------------------------
 */

static struct w_iq *w_iq_add(gw_handle call, uint32_t tag, cscf_iq_done_fn *done, int op)
{
	struct w_iq *q = &w.iq[w.n_iq++];

	*q = (struct w_iq){.call = call, .tag = tag, .done = done, .op = (unsigned)op};
	return q;
}

static void w_iq_streams(struct w_iq *q, IqStreamRequest **streams, size_t n)
{
	for (size_t i = 0; i < n && i < 8; i++) {
		q->ids[q->n_ids++] = streams[i]->stream_id;
		q->gate_up = streams[i]->gate->uplink;
		q->gate_down = streams[i]->gate->downlink;
		q->restart = streams[i]->access->ice != NULL && streams[i]->access->ice->restart;
	}
}

/* A context's handle is the call's. */
enum gw_err cscf_iq_reserve(struct cscf_iq *iq, gw_handle *ctx, gw_handle call, uint32_t tag,
			    const struct cscf_iq_ident *ident, IqStreamRequest **streams, size_t n,
			    cscf_iq_done_fn *done)
{
	(void)iq;
	assert_non_null(ident->call_id);
	if (w.no_agw)
		return GW_ERR_LIMIT;
	w_iq_streams(w_iq_add(call, tag, done, W_RESERVE), streams, n);
	w.reserved++;
	*ctx = call;
	return GW_OK;
}

enum gw_err cscf_iq_reserve_more(struct cscf_iq *iq, gw_handle ctx, uint32_t tag,
				 IqStreamRequest **streams, size_t n, cscf_iq_done_fn *done)
{
	(void)iq;
	w_iq_streams(w_iq_add(ctx, tag, done, W_RESERVE), streams, n);
	return GW_OK;
}

enum gw_err cscf_iq_configure(struct cscf_iq *iq, gw_handle ctx, uint32_t tag,
			      Wicgate__Iq__V1__ConfigureRequest__Phase phase,
			      IqStreamRequest **streams, size_t n, cscf_iq_done_fn *done)
{
	(void)iq;
	(void)phase;
	w_iq_streams(w_iq_add(ctx, tag, done, W_CONFIGURE), streams, n);
	return GW_OK;
}

void cscf_iq_release_streams(struct cscf_iq *iq, gw_handle ctx, uint32_t *stream_ids, size_t n,
			     const char *reason)
{
	(void)iq;
	(void)ctx;
	(void)stream_ids;
	(void)n;
	(void)reason;
}

bool cscf_iq_release(struct cscf_iq *iq, gw_handle ctx, uint32_t tag, const char *reason,
		     cscf_iq_done_fn *done)
{
	(void)iq;
	(void)reason;
	if (ctx == GW_HANDLE_NONE)
		return false;
	w.released++;
	if (done != NULL)
		w_iq_add(ctx, tag, done, W_RELEASE);
	return done != NULL;
}

const char *cscf_iq_ctx_id(const struct cscf_iq *iq, gw_handle ctx)
{
	(void)iq;
	return ctx != GW_HANDLE_NONE ? "ctx" : "";
}

const char *cscf_iq_ctx_agw(const struct cscf_iq *iq, gw_handle ctx)
{
	(void)iq;
	return ctx != GW_HANDLE_NONE ? "agw" : "";
}

void cscf_iq_attach(struct cscf_iq *iq, const struct cscf_iq_cbs *cbs, void *arg)
{
	(void)iq;
	if (cbs != NULL)
		w.iq_cbs = *cbs;
	w.iq_arg = arg;
}

/* ---- the registrar ----------------------------------------------------------------------------
 */

bool cscf_registrar_identify(struct cscf_registrar *r, uint64_t conn,
			     const struct gw_slice *preferred, size_t n,
			     struct cscf_registrar_identity *out)
{
	static const struct cscf_registrar_impu impus[] = {{"sip:alice@ims.test", ""}};
	static char route[] = "<sip:orig@scscf.test;lr>", *routes[] = {route};

	(void)r;
	(void)preferred;
	(void)n;
	if (!w.registered || conn != w.reg_conn)
		return false;
	*out = (struct cscf_registrar_identity){.assoc = 5,
						.conn = conn,
						.impi = "alice",
						.impus = impus,
						.n_impus = 1,
						.pai = {"<sip:alice@ims.test>", NULL},
						.n_pai = 1,
						.service_route = routes,
						.n_service_route = 1};
	return true;
}

enum cscf_registrar_reach cscf_registrar_reach(struct cscf_registrar *r, struct gw_slice token,
					       struct gw_slice request_uri,
					       struct cscf_registrar_target *out)
{
	(void)r;
	(void)token;
	(void)request_uri;
	*out = (struct cscf_registrar_target){.assoc = 5, .conn = w.reg_conn};
	return w.reach;
}

int cscf_registrar_reach_status(enum cscf_registrar_reach reach)
{
	static const int status[] = {0, 430, 480, 404, 403};

	return status[reach];
}

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
static inline void w_response(size_t i, int status, const char *to_tag, const char *sdp,
			      enum cscf_sip_cause local)
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
	w_with_sdp(rsp, sdp);
	c->cbs->on_response(c->arg, i + 1, rsp, &info);
	cscf_sip_msg_free(rsp);
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

/* The AGW answers everything that waits; err != OK refuses. */
static inline void w_agw(enum gw_err err)
{
	for (size_t i = 0; i < w.n_iq; i++) {
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

static inline void w_turn(void)
{
	event_base_loop(w.base, EVLOOP_NONBLOCK);
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

/* The BYE that went out on a leg, answered with 200; fails when there is none. */
static inline const struct cscf_sip_msg *w_bye_on(bool to_wic)
{
	for (size_t i = 0; i < w.n_clients; i++)
		if (w_method(i) == CSCF_SIP_BYE && w.clients[i].to_wic == to_wic &&
		    w.clients[i].live) {
			w_response(i, 200, NULL, NULL, CSCF_SIP_CAUSE_NONE);
			return w.clients[i].msg;
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

#endif
