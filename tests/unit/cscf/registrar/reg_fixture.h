/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A registrar over the fake stack: its configuration, the REGISTERs a WIC sends, the answers a
 * core gives, and the events it told.
 */
#ifndef TESTS_UNIT_CSCF_REGISTRAR_REG_FIXTURE_H
#define TESTS_UNIT_CSCF_REGISTRAR_REG_FIXTURE_H

#include "fake_authz.h"
#include "fake_stack.h"

#define CONTACT_URI "sip:x1@df7jal23ls0d.invalid;transport=ws"
#define INSTANCE    "+sip.instance=\"<urn:uuid:f81d4fae-7dec-11d0-a765-00a0c91e6bf6>\""
#define CONTACT     "<" CONTACT_URI ">;reg-id=1;" INSTANCE ";expires=600000"
#define GRANTED     "Contact: <" CONTACT_URI ">;reg-id=1;" INSTANCE ";expires=3600\r\n"
#define IDENTITIES                                                                                 \
	"P-Associated-URI: \"Alice A.\" <sip:alice@ims.example.net>, <tel:+15550100>\r\n"          \
	"Service-Route: <sip:orig@scscf1.ims.example.net;lr>, <sip:b.example;lr>\r\n"              \
	"P-Charging-Vector: icid-value=\"i\";orig-ioi=\"o\";term-ioi=\"Type "                      \
	"1ims.example.net\"\r\n"
#define OK_200       GRANTED IDENTITIES "Require: outbound\r\n"
#define DIGEST(more) "Digest username=\"alice.wic@ims.example.net\",realm=\"ims.example.net\"" more
#define INITIAL      DIGEST(",uri=\"sip:ims.example.net\",nonce=\"\",response=\"\"")
#define ANSWERED     DIGEST(",uri=\"sip:ims.example.net\",nonce=\"N1\",response=\"6629\"")
#define CHALLENGE                                                                                  \
	"WWW-Authenticate: Digest realm=\"ims.example.net\",nonce=\"N1\",algorithm=MD5\r\n"

#define FX_EVENTS 16

static struct {
	struct event_base *base;
	struct cscf_registrar *r;
	struct cscf_sip_flow_token_ctx tokens;
	struct cscf_registrar_config cfg;
	struct cscf_registrar_parts parts;
	unsigned cseq;
	bool plain_ws;
	const char *peer;    /* NULL = the usual one */
	const char *call_id; /* NULL = c and the connection's number */
	gw_handle next_server;
	struct {
		enum cscf_registrar_event event;
		gw_handle assoc;
		uint64_t old_conn, conn;
	} events[FX_EVENTS];
	unsigned n_events;
} fx;

static void fx_on_event(void *arg, enum cscf_registrar_event event, gw_handle assoc,
			uint64_t old_conn, uint64_t conn)
{
	(void)arg;
	assert_true(fx.n_events < FX_EVENTS);
	fx.events[fx.n_events].event = event;
	fx.events[fx.n_events].assoc = assoc;
	fx.events[fx.n_events].old_conn = old_conn;
	fx.events[fx.n_events++].conn = conn;
}

/* A registrar by fx.cfg and fx.parts, in the place of the one before. */
static inline void fx_start(void)
{
	static const struct cscf_registrar_cbs cbs = {.on_event = fx_on_event};

	cscf_registrar_free(fx.r);
	fx.r = NULL;
	assert_int_equal(cscf_registrar_new(&fx.r, &fx.cfg, &fx.parts, &cbs, NULL), GW_OK);
}

static inline int fx_setup(void **state)
{
	static char home1[] = "ims.example.net", home2[] = "example.org";
	static char point1[] = "icscf1.ims.example.net", point2[] = "icscf2.ims.example.net";
	static char *domains[] = {home1, home2}, *points[] = {point1, point2};
	static struct gw_conf_list home = {domains, 2}, entries = {points, 2};

	(void)state;
	fk_reset();
	fa_reset();
	memset(&fx, 0, sizeof(fx));
	fx.base = event_base_new();
	assert_non_null(fx.base);
	assert_int_equal(cscf_sip_flow_token_init(&fx.tokens, "k"), GW_OK);
	fx.cfg = (struct cscf_registrar_config){
	    .mw_name = "epcscf1.ims.example.net",
	    .home_domains = &home,
	    .entry_points = &entries,
	    .ioi_prefix = "Type 1",
	    .tls_protected_value = "tls-yes",
	    .contact_ws_only = true,
	    .max_per_impi = 2,
	    .max_associations = 8,
	    .fail_close_delay = 1,
	    .dereg_close_delay = 1,
	    .replace_delay = 1,
	    .flow_grace = 1,
	    .flow_timer_s = 120,
	};
	fx.parts = (struct cscf_registrar_parts){.base = fx.base, .tokens = &fx.tokens};
	fx_start();
	return 0;
}

static inline int fx_teardown(void **state)
{
	(void)state;
	cscf_registrar_free(fx.r);
	event_base_free(fx.base);
	fk_reset();
	fa_assert_nothing_held();
	return 0;
}

/* One REGISTER of alice with free choice of the fields that matter; NULL = none. */
static inline void fx_send(uint64_t conn, const char *uri, const char *from, const char *to,
			   const char *contact, const char *authorization, const char *more)
{
	struct cscf_sip_flow flow = {
	    .side = CSCF_SIP_W2,
	    .transport = fx.plain_ws ? CSCF_SIP_WS : CSCF_SIP_WSS,
	    .conn = conn,
	};
	struct cscf_sip_msg *m;
	char text[8192], call_id[16];

	snprintf(call_id, sizeof(call_id), "c%u", (unsigned)conn);
	assert_int_equal(
	    gw_addr_parse(&flow.remote, fx.peer != NULL ? fx.peer : "203.0.113.7:50123", 0), GW_OK);
	snprintf(text, sizeof(text),
		 "REGISTER %s SIP/2.0\r\n"
		 "Via: SIP/2.0/WSS df7jal23ls0d.invalid;branch=z9hG4bK%u;received=203.0.113.7;"
		 "rport=50123\r\n"
		 "Max-Forwards: 70\r\nFrom: <%s>;tag=a1\r\nTo: <%s>\r\nCall-ID: %s\r\n"
		 "CSeq: %u REGISTER\r\nSupported: path, outbound, gruu\r\n%s%s%s%s%s%s%s"
		 "Content-Length: 0\r\n\r\n",
		 uri, fx.cseq, from, to, fx.call_id != NULL ? fx.call_id : call_id, fx.cseq + 1,
		 contact != NULL ? "Contact: " : "", contact != NULL ? contact : "",
		 contact != NULL ? "\r\n" : "", authorization != NULL ? "Authorization: " : "",
		 authorization != NULL ? authorization : "", authorization != NULL ? "\r\n" : "",
		 more);
	fx.cseq++;
	m = fk_parse(text);
	fk.request = m;
	fk.status = 0;
	cscf_registrar_on_register(fx.r, ++fx.next_server, m, &flow);
	/* the stack keeps the request until the transaction ends; here until the next one */
	static struct cscf_sip_msg *kept;
	cscf_sip_msg_free(kept);
	kept = m;
}

static inline void fx_register(uint64_t conn, const char *authorization)
{
	fx_send(conn, "sip:ims.example.net", "sip:alice@ims.example.net",
		"sip:alice@ims.example.net", CONTACT, authorization, "");
}

/* Registered on this connection, challenge and all. */
static inline void fx_registered(uint64_t conn)
{
	fx_register(conn, INITIAL);
	fk_answer("401 Unauthorized", CHALLENGE);
	assert_int_equal(fk.status, 401);
	fx_register(conn, ANSWERED);
	fk_answer("200 OK", OK_200);
	assert_int_equal(fk.status, 200);
}

static inline void fx_close(uint64_t conn)
{
	fk.dead[conn] = true;
	cscf_registrar_on_flow_closed(fx.r, conn);
}

/* Turn the loop until a condition holds; a test that waits for ever is killed by its alarm. */
#define FX_WAIT(cond)                                                                              \
	do {                                                                                       \
		while (!(cond))                                                                    \
			assert_int_equal(event_base_loop(fx.base, EVLOOP_ONCE), 0);                \
	} while (0)

static inline void fx_assert_nothing_left(void)
{
	struct cscf_registrar_counts n = cscf_registrar_counts(fx.r);
	struct cscf_registrar_row row;
	uint64_t cursor = 0;

	assert_int_equal(n.associations + n.flows_lost + n.bindings + n.pending, 0);
	assert_false(cscf_registrar_next(fx.r, &cursor, &row));
}

static inline struct gw_slice fx_token(uint64_t conn)
{
	static char text[CSCF_SIP_FLOW_TOKEN_LEN + 1];

	cscf_sip_flow_token_make(&fx.tokens, conn, CSCF_SIP_DIR_TO_WIC, text);
	return gw_slice_str(text);
}

static inline enum cscf_registrar_reach fx_reach(uint64_t conn, struct cscf_registrar_target *t)
{
	return cscf_registrar_reach(fx.r, fx_token(conn), gw_slice_str(CONTACT_URI), t);
}

#endif
