/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A subscriber between a fake SIP stack and a fake registrar: the SUBSCRIBEs that it sends are
 * kept as text, the test answers them and sends NOTIFYs, and sees what facts the registrar got.
 * Include in one file of a test program only.
 */
#ifndef TESTS_UNIT_CSCF_REGEVENT_FAKE_CORE_H
#define TESTS_UNIT_CSCF_REGEVENT_FAKE_CORE_H

#include "cscf/regevent/regevent_int.h"
#include "cscf/registrar/network.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <event2/event.h>

#define FC_FACTS 16
#define FC_HEAD  "<reginfo xmlns='urn:ietf:params:xml:ns:reginfo' version='%u' state='%s'>"
#define FC_ALICE "sip:alice@ims.test"

static struct {
	struct event_base *base;
	struct cscf_regevent *re;
	struct cscf_regevent_config cfg;
	const char *hostport;
	bool tcp_only;
	/* SUBSCRIBE */
	char *sent; /* owned: the last */
	char dest[128];
	unsigned n_sent, n_detached;
	enum gw_err refuse_as; /* what the stack says to the next */
	const struct cscf_sip_client_cbs *cbs;
	void *arg;
	gw_handle client;
	char call_id[200], from_tag[40];
	/* NOTIFY */
	int status; /* of the answer */
	char header[64], value[64];
	uint32_t cseq;
	/* the registrar */
	char impi[64];
	struct {
		enum cscf_registrar_fact_kind kind;
		char aor[64], contact[64];
		bool has_contact, reopen;
		uint32_t expires_s;
	} facts[FC_FACTS];
	size_t n_facts;
	unsigned n_applied, n_ended;
	bool full, reopen, user_goes; /* the document ends the user */
} fc;

/* ---- the stack --------------------------------------------------------------------------------
 */

const char *cscf_sip_stack_mw_hostport(const struct cscf_sip_stack *s)
{
	(void)s;
	return fc.hostport;
}

bool cscf_sip_stack_mw_addr(const struct cscf_sip_stack *s, enum cscf_sip_transport transport,
			    struct gw_addr *out)
{
	(void)s;
	(void)out;
	return !fc.tcp_only || transport != CSCF_SIP_UDP;
}

enum gw_err cscf_sip_request(struct cscf_sip_stack *s, struct cscf_sip_msg *msg,
			     const struct cscf_sip_dest *dest,
			     const struct cscf_sip_client_opt *opt,
			     const struct cscf_sip_client_cbs *cbs, void *arg, gw_handle *client)
{
	struct gw_slice tag = cscf_sip_msg_from_tag(msg), id = cscf_sip_msg_call_id(msg);

	(void)s;
	(void)opt;
	snprintf(fc.call_id, sizeof(fc.call_id), "%.*s", GW_SLICE_FMT(id));
	snprintf(fc.from_tag, sizeof(fc.from_tag), "%.*s", GW_SLICE_FMT(tag));
	snprintf(fc.dest, sizeof(fc.dest), "%s", dest->uris[0]);
	free(fc.sent);
	fc.sent = cscf_sip_msg_print(msg, NULL);
	cscf_sip_msg_free(msg);
	fc.n_sent++;
	if (fc.refuse_as != GW_OK)
		return fc.refuse_as;
	fc.cbs = cbs;
	fc.arg = arg;
	*client = ++fc.client;
	return GW_OK;
}

void cscf_sip_client_detach(struct cscf_sip_stack *s, gw_handle client)
{
	(void)s;
	if (client == fc.client)
		fc.cbs = NULL;
	fc.n_detached++;
}

enum gw_err cscf_sip_reply(struct cscf_sip_stack *s, gw_handle server, int status,
			   const char *reason, ...)
{
	const char *name;
	va_list ap;

	(void)s;
	(void)server;
	fc.status = status;
	fc.header[0] = '\0';
	va_start(ap, reason);
	name = va_arg(ap, const char *);
	if (name != NULL) {
		snprintf(fc.header, sizeof(fc.header), "%s", name);
		snprintf(fc.value, sizeof(fc.value), "%s", va_arg(ap, const char *));
	}
	va_end(ap);
	return GW_OK;
}

/* ---- the registrar -----------------------------------------------------------------------------
 */

struct cscf_registrar_changes cscf_registrar_apply(struct cscf_registrar *r, const char *impi,
						   const struct cscf_registrar_fact *facts,
						   size_t n, bool full)
{
	struct cscf_registrar_changes c = {0};

	(void)r;
	snprintf(fc.impi, sizeof(fc.impi), "%s", impi);
	fc.n_applied++;
	fc.full = full;
	fc.n_facts = n;
	assert_true(n <= FC_FACTS);
	for (size_t i = 0; i < n; i++) {
		fc.facts[i].kind = facts[i].kind;
		fc.facts[i].reopen = facts[i].reopen;
		fc.facts[i].expires_s = facts[i].expires_s;
		fc.facts[i].has_contact = facts[i].contact != NULL;
		snprintf(fc.facts[i].aor, sizeof(fc.facts[i].aor), "%s", facts[i].aor);
		snprintf(fc.facts[i].contact, sizeof(fc.facts[i].contact), "%s",
			 facts[i].contact != NULL ? facts[i].contact : "");
	}
	if (fc.user_goes)
		cscf_regevent_on_user_gone(fc.re, fc.impi);
	return c;
}

void cscf_registrar_end_user(struct cscf_registrar *r, const char *impi, const char *why,
			     bool reopen)
{
	(void)r;
	(void)why;
	fc.n_ended++;
	fc.reopen = reopen;
	cscf_regevent_on_user_gone(fc.re, impi);
}

enum gw_err cscf_registrar_charge(const struct cscf_registrar *r, struct cscf_sip_msg *msg)
{
	(void)r;
	return cscf_sip_msg_hdr_append(msg, "P-Charging-Vector", "icid-value=\"i\"");
}

void cscf_registrar_home_dest(const struct cscf_registrar *r, const char *const *uri,
			      struct cscf_sip_dest *out)
{
	static const char *const entry[] = {"sip:icscf.ims.test"};

	(void)r;
	(void)uri;
	*out = (struct cscf_sip_dest){.uris = entry, .n_uris = 1};
}

/* ---- the test's hands --------------------------------------------------------------------------
 */

static inline void fc_start(void)
{
	static struct cscf_regevent_parts parts;

	cscf_regevent_free(fc.re);
	fc.re = NULL;
	parts.base = fc.base;
	assert_int_equal(cscf_regevent_new(&fc.re, &fc.cfg, &parts), GW_OK);
}

static inline int fc_setup(void **state)
{

	(void)state;
	memset(&fc, 0, sizeof(fc));
	fc.hostport = "gw.ims.test:5060";
	fc.base = event_base_new();
	assert_non_null(fc.base);
	fc.cfg = (struct cscf_regevent_config){
	    .enable = true, .max_failures = 3, .backoff_ms = 10000, .max_subscriptions = 64};
	fc_start();
	return 0;
}

static inline int fc_teardown(void **state)
{
	(void)state;
	cscf_regevent_free(fc.re);
	event_base_free(fc.base);
	free(fc.sent);
	return 0;
}

static inline void fc_user(const char *impi, const char *impu, uint32_t expires_s)
{
	struct cscf_registrar_user user = {impi, impu, expires_s};

	cscf_regevent_on_user(fc.re, &user);
}

static inline struct cscf_sip_msg *fc_parse(const char *text)
{
	static const struct cscf_sip_limits limits = {131072, 200, 8192};
	struct cscf_sip_msg *m = NULL;
	struct cscf_sip_fault fault = {0};

	if (cscf_sip_msg_parse(&m, text, strlen(text), &limits, false, &fault) != GW_OK)
		fail_msg("bad test message: %s\n%s", fault.reason, text);
	return m;
}

/* An answer to the SUBSCRIBE under way. */
static inline void fc_answer(int status, const char *fields, enum cscf_sip_cause cause)
{
	struct cscf_sip_response_info info = {.local = cause != CSCF_SIP_CAUSE_NONE,
					      .cause = cause};
	const struct cscf_sip_client_cbs *cbs = fc.cbs;
	struct cscf_sip_msg *m;
	char text[2048];

	assert_non_null(cbs);
	snprintf(text, sizeof(text),
		 "SIP/2.0 %d X\r\nVia: SIP/2.0/UDP gw.ims.test;branch=z9hG4bK1\r\n"
		 "From: <sip:gw.ims.test>;tag=%s\r\nTo: <%s>;tag=core\r\nCall-ID: %s\r\n"
		 "CSeq: 1 SUBSCRIBE\r\n%sContent-Length: 0\r\n\r\n",
		 status, fc.from_tag, FC_ALICE, fc.call_id, fields);
	m = fc_parse(text);
	cbs->on_response(fc.arg, fc.client, m, &info);
	cscf_sip_msg_free(m);
}

#define FC_CONTACT "Contact: <sip:scscf.ims.test:5060>\r\n"

static inline void fc_accept(const char *expires)
{
	char fields[256];

	snprintf(fields, sizeof(fields), FC_CONTACT "Expires: %s\r\n", expires);
	fc_answer(200, fields, CSCF_SIP_CAUSE_NONE);
}

struct fc_notify {
	const char *call_id, *to_tag, *from_tag, *event, *state, *type, *body, *uri;
	uint32_t cseq;
	bool from_wic;
};

/* @return taken? The answer is in fc.status. */
static inline bool fc_notify_as(struct fc_notify n)
{
	struct cscf_sip_flow flow = {.side = n.from_wic ? CSCF_SIP_W2 : CSCF_SIP_MW};
	const char *body = n.body != NULL ? n.body : "";
	struct cscf_sip_msg *m;
	char *text;
	bool taken;

	assert_true(
	    asprintf(
		&text,
		"NOTIFY %s SIP/2.0\r\nVia: SIP/2.0/UDP scscf.ims.test;branch=z9hG4bK2\r\n"
		"Max-Forwards: 70\r\nFrom: <%s>;tag=%s\r\nTo: <sip:gw.ims.test>;tag=%s\r\n"
		"Call-ID: %s\r\nCSeq: %u NOTIFY\r\n" FC_CONTACT "Event: %s\r\n"
		"Subscription-State: %s\r\nContent-Type: %s\r\nContent-Length: %zu\r\n\r\n%s",
		n.uri != NULL ? n.uri : "sip:gw.ims.test:5060", FC_ALICE,
		n.from_tag != NULL ? n.from_tag : "core", n.to_tag != NULL ? n.to_tag : fc.from_tag,
		n.call_id != NULL ? n.call_id : fc.call_id,
		(unsigned)(n.cseq != 0 ? n.cseq : ++fc.cseq), n.event != NULL ? n.event : "reg",
		n.state != NULL ? n.state : "active;expires=3600",
		n.type != NULL ? n.type : "application/reginfo+xml", strlen(body), body) > 0);
	assert_int_equal(gw_addr_parse(&flow.remote, "127.0.0.1:5070", 0), GW_OK);
	m = fc_parse(text);
	fc.status = 0;
	taken = cscf_regevent_on_request(fc.re, 1, m, &flow);
	cscf_sip_msg_free(m);
	free(text);
	return taken;
}

/* A document with that version and content. @return the answer's status */
static inline int fc_document(unsigned version, const char *kind, const char *in, const char *state)
{
	char body[4096];
	int n = snprintf(body, sizeof(body), FC_HEAD, version, kind);

	snprintf(body + n, sizeof(body) - (size_t)n, "%s</reginfo>", in);
	assert_true(fc_notify_as((struct fc_notify){.body = body, .state = state}));
	return fc.status;
}

static inline struct sub *fc_sub(const char *impi)
{
	struct sub *s = NULL;

	HASH_FIND(hh_impi, fc.re->by_impi, impi, strlen(impi), s);
	return s;
}

/* Milliseconds until the timer of the subscription fires; -1 = it does not run. */
static inline int64_t fc_timer_ms(const struct sub *s)
{
	struct timeval now, tv;

	if (!evtimer_pending(s->fsm.timer, &tv))
		return -1;
	event_base_gettimeofday_cached(fc.base, &now);
	return (int64_t)(tv.tv_sec - now.tv_sec) * 1000 + (tv.tv_usec - now.tv_usec) / 1000;
}

static inline void fc_fire(struct sub *s)
{
	event_active(s->fsm.timer, EV_TIMEOUT, 0);
	(void)event_base_loop(fc.base, EVLOOP_NONBLOCK);
}

static inline void fc_turn(void)
{
	(void)event_base_loop(fc.base, EVLOOP_NONBLOCK);
}

#endif
