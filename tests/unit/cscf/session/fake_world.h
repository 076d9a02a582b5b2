/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Everything around the session, faked at link time: SIP stack (what was sent, answered,
 * cancelled is recorded; responses are played in), AGW procedures (answers are played in) and
 * registrar (one WIC, alice). Messages, SDP and the trust table are the real ones.
 * One program includes it once; it defines the functions the session calls.
 */
#ifndef TESTS_FAKE_WORLD_H
#define TESTS_FAKE_WORLD_H

#include "cscf/registrar/network.h"
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

#define W_PREPARE  WICGATE__IQ__V1__CONFIGURE_REQUEST__PHASE__PREPARE
#define W_COMMIT   WICGATE__IQ__V1__CONFIGURE_REQUEST__PHASE__COMMIT
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
	bool gate_up, gate_down, restart, new_dtls;
	unsigned pictures; /* streams whose WIC is to be asked for one */
	int phase;
	char branch[8][64]; /* remotes of the first stream, in order; "-" in front: dropped */
	size_t n_branches;
	char active[64];
	/* rules of the first stream; bps 1: no policing was said */
	int ssrc_mode, dscp[2];
	uint64_t bps_up, bps_down;
	unsigned ext[2][2]; /* first header extension of access and core: id, peer_id */
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
	unsigned moved, repeated; /* server transactions … */
	uint64_t moved_conn;      /* … to that connection */
	uint32_t rseq; /* provisional responses are reliable and have this one; 0 = plain */
	/* iq */
	bool no_agw, priority; /* of the context reserved last */
	bool ctx_gone;         /* with its AGW: the next Release finds nothing */
	struct w_iq iq[W_MAX];
	size_t n_iq;
	unsigned reserved, released, streams_released, rollbacks;
	struct cscf_iq_cbs iq_cbs;
	void *iq_arg;
	/* registrar */
	bool registered, token_over;
	const struct cscf_authz_grant *grant;
	/* another user of the same connection, whom a preferred identity names; NULL = none */
	const char *other;
	const struct cscf_authz_grant *other_grant;
	bool other_token_over;
	char preferred[128]; /* first value asked for last */
	unsigned routes_cleared;
	enum cscf_registrar_reach reach;
	uint64_t reg_conn;
	uint64_t moved_to; /* whoever was on W_CONN first is there now; 0 = nobody moved */
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

bool cscf_sip_client_rebind(struct cscf_sip_stack *s, gw_handle client,
			    const struct cscf_sip_client_cbs *cbs, void *arg)
{
	struct w_client *c = &w.clients[client - 1];

	(void)s;
	if (!c->live)
		return false;
	c->cbs = cbs;
	c->arg = arg;
	return true;
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

bool cscf_sip_server_move(struct cscf_sip_stack *s, gw_handle server,
			  const struct cscf_sip_flow *flow, bool again)
{
	(void)s;
	(void)server;
	w.moved_conn = flow->conn;
	w.moved++;
	w.repeated += again;
	return true;
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

bool cscf_sip_server_flow(const struct cscf_sip_stack *s, gw_handle server,
			  struct cscf_sip_flow *out)
{
	(void)s;
	(void)server;
	*out = (struct cscf_sip_flow){.side = CSCF_SIP_W2, .conn = W_CONN};
	return true;
}

bool cscf_sip_conn_alive(const struct cscf_sip_stack *s, uint64_t conn, struct cscf_sip_flow *flow)
{
	bool open = conn == W_CONN ? w.conn_open : conn == W_OTHER && w.other_open;

	(void)s;
	if (open && flow != NULL)
		*flow = (struct cscf_sip_flow){.side = CSCF_SIP_W2, .conn = conn};
	return open;
}

const char *cscf_sip_conn_origin(const struct cscf_sip_stack *s, uint64_t conn)
{
	(void)s;
	(void)conn;
	return "https://portal.test";
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

#include "tests/unit/cscf/session/fake_agw.h"

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
	if (n > 0)
		snprintf(w.preferred, sizeof(w.preferred), "%.*s", GW_SLICE_FMT(preferred[0]));
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
						.n_service_route = 1,
						.grant = w.grant,
						.token_over = w.token_over};
	if (n > 0 && w.other != NULL && strstr(w.preferred, w.other) != NULL) {
		out->assoc = 6;
		out->impi = w.other;
		out->grant = w.other_grant;
		out->token_over = w.other_token_over;
	}
	return true;
}

bool cscf_registrar_identify_assoc(struct cscf_registrar *r, gw_handle assoc,
				   struct cscf_registrar_identity *out)
{
	(void)r;
	*out = (struct cscf_registrar_identity){.assoc = assoc,
						.conn = w.reg_conn,
						.impi = assoc == 5 ? "alice" : w.other,
						.path_uri = "sip:gw.test:5060;lr",
						.grant = assoc == 5 ? w.grant : w.other_grant,
						.token_over =
						    assoc == 5 ? w.token_over : w.other_token_over};
	return w.registered && (assoc == 5 || (assoc == 6 && w.other != NULL));
}

void cscf_registrar_clear_route(struct cscf_registrar *r, gw_handle assoc)
{
	(void)r;
	(void)assoc;
	w.routes_cleared++;
}

uint64_t cscf_registrar_conn_now(const struct cscf_registrar *r, uint64_t conn)
{
	(void)r;
	return w.moved_to != 0 && conn == W_CONN ? w.moved_to : conn;
}

bool cscf_registrar_open_conn(const struct cscf_registrar *r, struct gw_slice token, uint64_t *conn)
{
	(void)r;
	(void)token;
	(void)conn;
	return false;
}

bool cscf_registrar_has_impu(struct cscf_registrar *r, gw_handle assoc, struct gw_slice uri)
{
	(void)r;
	(void)assoc;
	return gw_slice_eq_str(uri, "sip:alice@ims.test");
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

#endif
