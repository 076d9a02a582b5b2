/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Server transactions (RFC 3261 s17.2, RFC 6026): a libosip2 IST or NIST each, plus
 *  - the Accepted state: for 64*T1 after a 2xx to INVITE, INVITE retransmissions are absorbed and
 *    every further 2xx handed in is sent;
 *  - 100 Trying when the layer above says nothing for 200 ms;
 *  - an end for transactions that nobody answers.
 * A transaction is freed from its timer only, so no call of the layer above frees under itself.
 */
#include "common/fmt.h"
#include "common/rand.h"
#include "cscf/sip/stack_int.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#define GW_LOG_MOD "sip"
#include "common/log.h"

#define X_TRYING_MS            200    /* RFC 3261 s17.2.1 */
#define X_INVITE_UNANSWERED_MS 600000 /* ours: an INVITE that the layer above forgot */
#define NEVER                  INT64_MAX

struct cscf_sip_server {
	struct cscf_sip_stack *stack;
	gw_handle handle;
	char *key; /* owned; of servers_by_key */
	UT_hash_handle hh;
	struct cscf_sip_machine *machine; /* NULL once accepted */
	struct event *timer;
	struct cscf_sip_msg *req;
	struct cscf_sip_flow flow;
	char to_tag[17];
	char *text; /* last response */
	size_t text_n;
	int status; /* of it; 0 = none sent */
	bool invite;
	bool tls_agreed; /* RFC 3329: the WIC offered tls, and hears that it is so (SEC-15) */
	bool accepted;
	bool acked;
	bool said; /* the last response went out before */
	int64_t trying_at;
	int64_t forget_at;
	int64_t accepted_until;
};

/* --- keys --- */

char *cscf_sip_server_key(const struct cscf_sip_flow *flow, const struct cscf_sip_msg *req,
			  const char *method)
{
	struct gw_slice m = method != NULL ? gw_slice_str(method) : cscf_sip_msg_method_text(req);
	struct cscf_sip_via via;
	char *key;
	int rc;

	if (!cscf_sip_msg_top_via(req, &via))
		return NULL;
	/* A WIC's sent-by is a random name, so its connection is part of the key. */
	if (gw_slice_starts(via.branch, "z9hG4bK") && via.branch.n > 7)
		rc = gw_asfmt(&key, "%d|%llu|%.*s:%u|%.*s|%.*s", flow->side,
			      flow->side == CSCF_SIP_W2 ? (unsigned long long)flow->conn : 0,
			      GW_SLICE_FMT(via.host), via.port, GW_SLICE_FMT(via.branch),
			      GW_SLICE_FMT(m));
	else /* RFC 2543 peer: s17.2.3, second list */
		rc = gw_asfmt(
		    &key, "%d|%llu|%.*s:%u|%.*s|%u|%.*s|%.*s|%.*s", flow->side,
		    flow->side == CSCF_SIP_W2 ? (unsigned long long)flow->conn : 0,
		    GW_SLICE_FMT(via.host), via.port, GW_SLICE_FMT(cscf_sip_msg_call_id(req)),
		    (unsigned)cscf_sip_msg_cseq(req), GW_SLICE_FMT(cscf_sip_msg_from_tag(req)),
		    GW_SLICE_FMT(cscf_sip_msg_uri(req)), GW_SLICE_FMT(m));
	return rc < 0 ? NULL : key;
}

struct cscf_sip_server *cscf_sip_server_find(struct cscf_sip_stack *s, const char *key)
{
	struct cscf_sip_server *t = NULL;

	HASH_FIND(hh, s->servers_by_key, key, strlen(key), t);
	return t;
}

static struct cscf_sip_server *by_handle(const struct cscf_sip_stack *s, gw_handle h)
{
	return gw_handle_find(s->servers, h);
}

/* --- end --- */

static void server_free(struct cscf_sip_server *t)
{
	struct cscf_sip_stack *s = t->stack;

	if (t->hh.tbl != NULL) {
		HASH_DELETE(hh, s->servers_by_key, t);
		gw_metric_dec(&cscf_sip_counters[CSCF_SIP_N_SERVER_TXNS]);
	}
	if (t->handle != GW_HANDLE_NONE)
		gw_handle_del(s->servers, t->handle);
	cscf_sip_machine_free(t->machine);
	if (t->timer != NULL)
		event_free(t->timer);
	cscf_sip_msg_free(t->req);
	free(t->text);
	free(t->key);
	free(t);
}

static void server_end(struct cscf_sip_server *t)
{
	struct cscf_sip_stack *s = t->stack;
	gw_handle handle = t->handle;
	bool acked = t->acked;

	server_free(t);
	if (s->cbs->on_server_done != NULL)
		s->cbs->on_server_done(s->cbs_arg, handle, acked);
}

void cscf_sip_servers_free(struct cscf_sip_stack *s)
{
	struct cscf_sip_server *t, *next;

	HASH_ITER (hh, s->servers_by_key, t, next) {
		server_free(t);
	}
}

/* --- timers --- */

static bool is_finished(const struct cscf_sip_server *t, int64_t now)
{
	if (t->accepted)
		return now >= t->accepted_until;
	return cscf_sip_machine_is_over(t->machine);
}

static void rearm(struct cscf_sip_server *t)
{
	int64_t now = cscf_sip_now_ms();
	int64_t at = t->trying_at < t->forget_at ? t->trying_at : t->forget_at;
	int due = t->accepted ? -1 : cscf_sip_machine_due(t->machine);

	if (t->accepted)
		at = t->accepted_until;
	else if (due >= 0 && now + due < at)
		at = now + due;
	if (is_finished(t, now))
		at = now;
	if (at == NEVER)
		event_del(t->timer);
	else
		cscf_sip_arm(t->timer, at - now);
}

static void forget(struct cscf_sip_server *t)
{
	cscf_sip_count(CSCF_SIP_N_ABANDONED);
	GW_LOG_LIMITED(GW_LOG_WARN, "sip.unanswered", "method=%s",
		       cscf_sip_method_name(cscf_sip_msg_method(t->req)));
	t->forget_at = NEVER;
	if (t->invite) {
		(void)cscf_sip_reply(t->stack, t->handle, 500, NULL, (char *)NULL);
		return;
	}
	server_end(t); /* RFC 4320: a 408 to a non-INVITE helps nobody */
}

static void on_timer(evutil_socket_t fd, short what, void *arg)
{
	struct cscf_sip_server *t = arg;
	int64_t now = cscf_sip_now_ms();

	(void)fd;
	(void)what;
	if (!t->accepted)
		cscf_sip_machine_fire(t->machine);
	if (is_finished(t, now)) {
		server_end(t);
		return;
	}
	if (now >= t->forget_at) {
		forget(t); /* may end it */
		return;
	}
	if (now >= t->trying_at) {
		t->trying_at = NEVER;
		(void)cscf_sip_reply(t->stack, t->handle, 100, NULL, (char *)NULL);
	}
	rearm(t);
}

/* --- machine --- */

static int on_machine_send(void *owner, enum cscf_sip_machine_send what)
{
	struct cscf_sip_server *t = owner;
	enum gw_err err;

	if (what != CSCF_SIP_SEND_RESPONSE || t->text == NULL)
		return 0;
	if (t->said)
		cscf_sip_tell_again(t->stack, &t->flow, t->req, t->status);
	t->said = true;
	err = cscf_sip_send_response(t->stack, &t->flow, t->req, t->text, t->text_n);
	/* a WIC that is away may be back: what it asked outlives the connection */
	return err == GW_OK || t->flow.side == CSCF_SIP_W2 ? 0 : -1;
}

static void on_machine_timeout(void *owner)
{
	(void)owner; /* client machines only */
}

static const struct cscf_sip_machine_ops machine_ops = {
    .send = on_machine_send,
    .timeout = on_machine_timeout,
};

enum gw_err cscf_sip_server_new(struct cscf_sip_stack *s, struct cscf_sip_msg *req,
				const struct cscf_sip_flow *flow, char *key,
				struct cscf_sip_server **out)
{
	struct cscf_sip_server *t = calloc(1, sizeof(*t));
	int64_t now = cscf_sip_now_ms();
	enum gw_err err = GW_ERR_NOMEM;

	if (t == NULL) {
		free(key);
		return GW_ERR_NOMEM;
	}
	t->stack = s;
	t->key = key;
	t->flow = *flow;
	t->invite = cscf_sip_msg_method(req) == CSCF_SIP_INVITE;
	t->trying_at = t->invite ? now + X_TRYING_MS : NEVER;
	t->forget_at = now + (t->invite ? X_INVITE_UNANSWERED_MS : 64 * (int64_t)s->timers.t1_ms);
	gw_rand_hex(t->to_tag, 8);
	t->timer = evtimer_new(s->base, on_timer, t);
	if (t->timer == NULL)
		goto fail;
	err = gw_handle_add(s->servers, t, &t->handle);
	if (err != GW_OK)
		goto fail;
	err = cscf_sip_machine_new(&t->machine, t->invite ? CSCF_SIP_IST : CSCF_SIP_NIST,
				   flow->transport != CSCF_SIP_UDP, &s->timers, &machine_ops, t);
	if (err == GW_OK)
		err = cscf_sip_machine_request(t->machine);
	if (err != GW_OK)
		goto fail;
	HASH_ADD_KEYPTR(hh, s->servers_by_key, t->key, strlen(t->key), t);
	if (t->hh.tbl == NULL) {
		err = GW_ERR_NOMEM;
		goto fail;
	}
	gw_metric_inc(&cscf_sip_counters[CSCF_SIP_N_SERVER_TXNS]);
	t->req = req;
	t->tls_agreed = s->cfg->secagree == CSCF_SIP_SECAGREE_TLS && flow->side == CSCF_SIP_W2 &&
			cscf_sip_secagree_offers_tls(req);
	rearm(t);
	*out = t;
	return GW_OK;
fail:
	server_free(t);
	return err;
}

gw_handle cscf_sip_server_handle(const struct cscf_sip_server *t)
{
	return t->handle;
}

void cscf_sip_server_retransmitted(struct cscf_sip_server *t)
{
	if (t->accepted)
		return;
	(void)!cscf_sip_machine_request(t->machine);
	rearm(t);
}

bool cscf_sip_server_acked(struct cscf_sip_server *t)
{
	if (t->accepted || t->status < 300)
		return false;
	t->acked = true;
	(void)!cscf_sip_machine_ack(t->machine);
	rearm(t);
	return true;
}

bool cscf_sip_server_is_pending(const struct cscf_sip_server *t)
{
	return t->status < 200;
}

/* --- answers --- */

/* The Via list of the request in the place of whatever the response carries (CALL-08, CALL-11). */
static enum gw_err restore_vias(struct cscf_sip_msg *rsp, const struct cscf_sip_msg *req)
{
	size_t cursor = 0, at = 0;
	struct gw_slice value;
	enum gw_err err = GW_OK;

	cscf_sip_msg_hdr_del(rsp, "Via");
	while (err == GW_OK && cscf_sip_msg_hdr_next(req, "Via", &cursor, &value))
		err = cscf_sip_hdr_insert(rsp, at++, GW_SLICE_LIT("Via"), value);
	return err;
}

static enum gw_err prepare(struct cscf_sip_server *t, struct cscf_sip_msg *rsp)
{
	enum gw_err err = restore_vias(rsp, t->req);
	char *text;
	size_t n;

	if (err == GW_OK && rsp->status > 100)
		err = cscf_sip_msg_add_to_tag(rsp, t->to_tag);
	if (err == GW_OK && t->tls_agreed)
		err = cscf_sip_msg_hdr_set(rsp, "Security-Server", "tls");
	if (err != GW_OK)
		return err;
	text = cscf_sip_msg_print(rsp, &n);
	if (text == NULL)
		return GW_ERR_NOMEM;
	cscf_sip_log_msg("out", &t->flow, rsp);
	cscf_sip_tell(t->stack, false, &t->flow, rsp);
	t->said = false;
	free(t->text);
	t->text = text;
	t->text_n = n;
	return GW_OK;
}

static void send_first(struct cscf_sip_server *t, int status)
{
	t->status = status;
	t->trying_at = NEVER;
	t->forget_at = status >= 200
			   ? NEVER
			   : cscf_sip_now_ms() + (t->invite ? X_INVITE_UNANSWERED_MS
							    : 64 * (int64_t)t->stack->timers.t1_ms);
	(void)!cscf_sip_machine_response(t->machine, status);
	/* also when it could not be sent (RFC 6026 s7.1): its sender may come back for it */
	if (t->invite && status >= 200 && status < 300) {
		t->accepted = true;
		cscf_sip_machine_free(t->machine); /* 15 kB less for the next 32 s */
		t->machine = NULL;
		t->accepted_until = cscf_sip_now_ms() + 64 * (int64_t)t->stack->timers.t1_ms;
	}
	rearm(t);
}

enum gw_err cscf_sip_respond(struct cscf_sip_stack *s, gw_handle server, struct cscf_sip_msg *rsp)
{
	struct cscf_sip_server *t = by_handle(s, server);
	int status = rsp->status;
	bool again = t != NULL && t->accepted && status >= 200 && status < 300;
	enum gw_err err;

	if (t == NULL)
		err = GW_ERR_NOT_FOUND;
	else if (status == 0)
		err = GW_ERR_INVAL;
	else if (t->status >= 200 && !again)
		err = GW_ERR_STATE;
	else
		err = prepare(t, rsp);
	cscf_sip_msg_free(rsp);
	if (err != GW_OK)
		return err;
	if (again)
		(void)on_machine_send(t, CSCF_SIP_SEND_RESPONSE);
	else
		send_first(t, status);
	return GW_OK;
}

/* The connection is part of the name by which repeats, ACK and CANCEL are known. */
static void rename_to(struct cscf_sip_server *t, const struct cscf_sip_flow *flow)
{
	struct cscf_sip_stack *s = t->stack;
	char *key = cscf_sip_server_key(flow, t->req, NULL);

	if (key == NULL || cscf_sip_server_find(s, key) != NULL) {
		free(key);
		return;
	}
	HASH_DELETE(hh, s->servers_by_key, t);
	free(t->key);
	t->key = key;
	HASH_ADD_KEYPTR(hh, s->servers_by_key, t->key, strlen(t->key), t);
}

bool cscf_sip_server_move(struct cscf_sip_stack *s, gw_handle server,
			  const struct cscf_sip_flow *flow, bool again)
{
	struct cscf_sip_server *t = by_handle(s, server);

	if (t == NULL || t->flow.side != CSCF_SIP_W2 || flow->side != CSCF_SIP_W2)
		return false;
	rename_to(t, flow);
	t->flow = *flow;
	if (again && t->status >= 200)
		(void)on_machine_send(t, CSCF_SIP_SEND_RESPONSE);
	return true;
}

enum gw_err cscf_sip_reply(struct cscf_sip_stack *s, gw_handle server, int status,
			   const char *reason, ...)
{
	const struct cscf_sip_msg *req = cscf_sip_server_request(s, server);
	struct cscf_sip_msg *rsp;
	const char *name;
	enum gw_err err;
	va_list ap;

	if (req == NULL)
		return GW_ERR_NOT_FOUND;
	err = cscf_sip_msg_new_response(&rsp, req, status, reason);
	if (err != GW_OK)
		return err;
	va_start(ap, reason);
	while (err == GW_OK && (name = va_arg(ap, const char *)) != NULL)
		err = cscf_sip_msg_hdr_append(rsp, name, va_arg(ap, const char *));
	va_end(ap);
	if (err != GW_OK) {
		cscf_sip_msg_free(rsp);
		return err;
	}
	return cscf_sip_respond(s, server, rsp);
}

/* --- questions --- */

const struct cscf_sip_msg *cscf_sip_server_request(const struct cscf_sip_stack *s, gw_handle server)
{
	const struct cscf_sip_server *t = by_handle(s, server);

	return t != NULL ? t->req : NULL;
}

bool cscf_sip_server_flow(const struct cscf_sip_stack *s, gw_handle server,
			  struct cscf_sip_flow *out)
{
	const struct cscf_sip_server *t = by_handle(s, server);

	if (t == NULL)
		return false;
	*out = t->flow;
	return true;
}

const char *cscf_sip_server_to_tag(const struct cscf_sip_stack *s, gw_handle server)
{
	const struct cscf_sip_server *t = by_handle(s, server);

	return t != NULL ? t->to_tag : "";
}
