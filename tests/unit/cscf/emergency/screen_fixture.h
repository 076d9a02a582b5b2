/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A screen to put requests through. The SIP stack and the registrar are faked at link time,
 * messages are the real ones. One program includes it once; it defines the functions the screen
 * calls.
 */
#ifndef TESTS_SCREEN_FIXTURE_H
#define TESTS_SCREEN_FIXTURE_H

#include "tests/unit/cscf/emergency/plan_fixture.h"

#include "common/log.h"
#include "cscf/emergency/emergency.h"

#include <stdio.h>
#include <stdlib.h>

#define CONN 7U

static struct {
	bool registered;
	struct cscf_sip_msg *answer; /* owned */
	int replied;                 /* status of cscf_sip_reply */
} w;

enum gw_err cscf_sip_respond(struct cscf_sip_stack *s, gw_handle server, struct cscf_sip_msg *rsp)
{
	(void)s;
	(void)server;
	assert_null(w.answer);
	w.answer = rsp;
	return GW_OK;
}

enum gw_err cscf_sip_reply(struct cscf_sip_stack *s, gw_handle server, int status,
			   const char *reason, ...)
{
	(void)s;
	(void)server;
	(void)reason;
	w.replied = status;
	return GW_OK;
}

static const struct cscf_sip_flow no_flow;
static struct cscf_sip_flow flow;

bool cscf_sip_server_flow(const struct cscf_sip_stack *s, gw_handle server,
			  struct cscf_sip_flow *out)
{
	(void)s;
	(void)server;
	*out = flow;
	return true;
}

bool cscf_registrar_identify(struct cscf_registrar *r, uint64_t conn,
			     const struct gw_slice *preferred, size_t n,
			     struct cscf_registrar_identity *out)
{
	static const struct cscf_registrar_impu impus[] = {{"sip:alice@ims.test", ""}};

	(void)r;
	(void)preferred;
	(void)n;
	assert_int_equal(conn, CONN);
	if (!w.registered)
		return false;
	*out = (struct cscf_registrar_identity){
	    .conn = conn, .impus = impus, .n_impus = 1, .path_uri = "sip:epcscf1.ims.test:5060;lr"};
	return true;
}

/* ---- asking -----------------------------------------------------------------------------------
 */

static inline void forget(void)
{
	cscf_sip_msg_free(w.answer);
	w.answer = NULL;
	w.replied = 0;
}

static inline struct cscf_sip_msg *request(const char *method, const char *uri, const char *to_tag,
					   const char *extra)
{
	static const struct cscf_sip_limits limits = {65536, 200, 8192};
	struct cscf_sip_msg *msg = NULL;
	char text[1024];

	snprintf(text, sizeof(text),
		 "%s %s SIP/2.0\r\nVia: SIP/2.0/WSS x.invalid;branch=z9hG4bK1\r\n"
		 "From: <sip:alice@ims.test>;tag=a\r\nTo: <%s>%s\r\nCall-ID: c1\r\nCSeq: 1 %s\r\n"
		 "Contact: <sip:a@x.invalid;transport=ws>\r\n%sContent-Length: 0\r\n\r\n",
		 method, uri, uri, to_tag, method, extra);
	assert_int_equal(cscf_sip_msg_parse(&msg, text, strlen(text), &limits, true, NULL), GW_OK);
	return msg;
}

static inline enum cscf_emergency_next ask(struct cscf_emergency *e, const char *method,
					   const char *uri, const char *to_tag, const char *extra)
{
	struct cscf_sip_msg *msg = request(method, uri, to_tag, extra);
	struct cscf_emergency_order order;
	enum cscf_emergency_next next;

	forget();
	next = cscf_emergency_screen(e, 1, msg, &flow, &order);
	assert_int_equal(cscf_emergency_is(e, msg, &flow), next != CSCF_EMERGENCY_PASS);
	if (next == CSCF_EMERGENCY_TO_ECSCF) {
		assert_string_equal(order.match.urn, "urn:service:sos");
		assert_int_equal(order.n_ecscf, 2);
		assert_string_equal(order.ecscf[1], "<sip:e2.ims.test;lr>");
	}
	cscf_sip_msg_free(msg);
	return next;
}

static inline void from_ip(const char *ip, enum cscf_sip_side side)
{
	flow = no_flow;
	flow.side = side;
	flow.conn = CONN;
	assert_int_equal(gw_addr_parse_ip(&flow.remote, ip, 50123), GW_OK);
}

static struct texts t;
static struct cscf_emergency_config cfg;

static inline struct cscf_emergency *start(void)
{
	struct cscf_emergency_parts parts = {NULL, NULL};
	struct cscf_emergency *e = NULL;
	char why[256];

	assert_int_equal(cscf_emergency_new(&e, &cfg, &parts, why, sizeof(why)), GW_OK);
	return e;
}

static inline int setup(void **state)
{
	(void)state;
	t = (struct texts){
	    .lists = {LISTS}, .map = {MAP}, .ecscf = {"sip:e1.ims.test", "sip:e2.ims.test"}};
	cfg = config_of(&t);
	w.registered = true;
	gw_log_set_level(GW_LOG_ERROR);
	from_ip("192.0.2.1", CSCF_SIP_W2);
	return 0;
}

static inline int teardown(void **state)
{
	(void)state;
	forget();
	return 0;
}

static inline bool has(const char *name, const char *value)
{
	struct gw_slice v;

	return cscf_sip_msg_hdr(w.answer, name, &v) && gw_slice_eq_str(v, value);
}

static inline char *body(void)
{
	return gw_slice_dup(cscf_sip_msg_body(w.answer));
}

#endif
