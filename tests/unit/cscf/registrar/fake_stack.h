/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The SIP stack's functions that the registrar calls, defined by the test instead of the stack:
 * what goes to the core and to the WIC is kept as text, and the test answers for the core.
 * Include in one file of a test program only.
 */
#ifndef TESTS_UNIT_CSCF_REGISTRAR_FAKE_STACK_H
#define TESTS_UNIT_CSCF_REGISTRAR_FAKE_STACK_H

#include "cscf/registrar/registrar.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <event2/event.h>

#define FK_CONNS 16

static struct {
	/* to the core */
	char *mw; /* owned: last request */
	char dest[256];
	size_t n_dest;
	bool exit_points;
	unsigned n_requests;
	gw_handle client;
	const struct cscf_sip_client_cbs *cbs;
	void *arg;
	bool refuse;      /* the next request fails at once */
	const char *body; /* of the next answer */
	/* to the WIC */
	char *w2; /* owned: last response */
	int status;
	gw_handle server; /* that answered */
	unsigned n_responses;
	/* connections */
	bool dead[FK_CONNS], closed[FK_CONNS], authenticated[FK_CONNS];
	gw_handle next_client;
	const struct cscf_sip_msg *request; /* of the server transaction under way */
} fk;

static inline void fk_reset(void)
{
	free(fk.mw);
	free(fk.w2);
	memset(&fk, 0, sizeof(fk));
}

static char *fk_print(struct cscf_sip_msg *msg)
{
	char *text = cscf_sip_msg_print(msg, NULL);

	assert_non_null(text);
	cscf_sip_msg_free(msg);
	return text;
}

const char *cscf_sip_stack_mw_hostport(const struct cscf_sip_stack *s)
{
	(void)s;
	return "epcscf1.ims.example.net";
}

enum gw_err cscf_sip_request(struct cscf_sip_stack *s, struct cscf_sip_msg *msg,
			     const struct cscf_sip_dest *dest,
			     const struct cscf_sip_client_opt *opt,
			     const struct cscf_sip_client_cbs *cbs, void *arg, gw_handle *client)
{
	(void)s;
	free(fk.mw);
	fk.mw = fk_print(msg);
	snprintf(fk.dest, sizeof(fk.dest), "%s", dest->n_uris > 0 ? dest->uris[0] : "");
	fk.n_dest = dest->n_uris;
	fk.exit_points = opt != NULL && opt->exit_points;
	fk.n_requests++;
	if (fk.refuse)
		return GW_ERR_LIMIT;
	fk.cbs = cbs;
	fk.arg = arg;
	fk.client = *client = ++fk.next_client;
	return GW_OK;
}

enum gw_err cscf_sip_respond(struct cscf_sip_stack *s, gw_handle server, struct cscf_sip_msg *rsp)
{
	(void)s;
	fk.server = server;
	fk.status = cscf_sip_msg_status(rsp);
	free(fk.w2);
	fk.w2 = fk_print(rsp);
	fk.n_responses++;
	return GW_OK;
}

enum gw_err cscf_sip_reply(struct cscf_sip_stack *s, gw_handle server, int status,
			   const char *reason, ...)
{
	struct cscf_sip_msg *m = NULL;
	const char *name;
	va_list ap;

	assert_int_equal(cscf_sip_msg_new_response(&m, fk.request, status, reason), GW_OK);
	va_start(ap, reason);
	while ((name = va_arg(ap, const char *)) != NULL)
		assert_int_equal(cscf_sip_msg_hdr_append(m, name, va_arg(ap, const char *)), GW_OK);
	va_end(ap);
	return cscf_sip_respond(s, server, m);
}

bool cscf_sip_conn_alive(const struct cscf_sip_stack *s, uint64_t conn, struct cscf_sip_flow *flow)
{
	(void)s;
	(void)flow;
	return conn < FK_CONNS && !fk.dead[conn];
}

void cscf_sip_conn_close(struct cscf_sip_stack *s, uint64_t conn, uint16_t code, const char *reason)
{
	(void)s;
	(void)reason;
	assert_int_equal(code, 1000);
	fk.closed[conn] = true;
}

void cscf_sip_conn_set_authenticated(struct cscf_sip_stack *s, uint64_t conn, bool yes)
{
	(void)s;
	fk.authenticated[conn] = yes;
}

const char *cscf_sip_conn_origin(const struct cscf_sip_stack *s, uint64_t conn)
{
	(void)s;
	(void)conn;
	return "https://portal.example.net";
}

void cscf_sip_client_detach(struct cscf_sip_stack *s, gw_handle client)
{
	(void)s;
	(void)client;
	fk.cbs = NULL;
}

static inline struct cscf_sip_msg *fk_parse(const char *text)
{
	static const struct cscf_sip_limits limits = {65536, 200, 8192};
	struct cscf_sip_msg *m = NULL;
	struct cscf_sip_fault fault = {0};
	enum gw_err err = cscf_sip_msg_parse(&m, text, strlen(text), &limits, false, &fault);

	if (err != GW_OK)
		fail_msg("bad test message: %s\n%s", fault.reason, text);
	return m;
}

/* The core answers the request under way: status line and fields, or a local failure. */
static inline void fk_answer_as(const char *status, const char *fields, enum cscf_sip_cause cause)
{
	const struct cscf_sip_client_cbs *cbs = fk.cbs;
	void *arg = fk.arg;
	gw_handle client = fk.client;
	struct cscf_sip_response_info info = {.local = cause != CSCF_SIP_CAUSE_NONE,
					      .cause = cause};
	const char *body = fk.body != NULL ? fk.body : "";
	struct cscf_sip_msg *m;
	char text[8192];

	snprintf(text, sizeof(text),
		 "SIP/2.0 %s\r\nVia: SIP/2.0/WSS df7jal23ls0d.invalid;branch=z9hG4bK1\r\n"
		 "From: <sip:alice@ims.example.net>;tag=a1\r\n"
		 "To: <sip:alice@ims.example.net>;tag=core\r\nCall-ID: c1\r\n"
		 "CSeq: 1 REGISTER\r\n%sContent-Length: %zu\r\n\r\n%s",
		 status, fields, strlen(body), body);
	fk.body = NULL;
	m = fk_parse(text);
	assert_non_null(cbs);
	cbs->on_response(arg, client, m, &info);
	cscf_sip_msg_free(m);
	cbs->on_done(arg, client);
}

static inline void fk_answer(const char *status, const char *fields)
{
	fk_answer_as(status, fields, CSCF_SIP_CAUSE_NONE);
}

#endif
