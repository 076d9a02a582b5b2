/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One attempt of a client transaction at one target: choice of transport by size (SEC-25), fresh
 * Via and branch, machine, and which connection it leans on. Fail-over (RFC 3263 s4.3) is a new
 * attempt with a new branch.
 */
#include "common/fmt.h"
#include "cscf/sip/client_int.h"
#include "cscf/sip/mask.h"

#include <stdio.h>
#include <stdlib.h>
#include <utlist.h>

#define GW_LOG_MOD "sip"
#include "common/log.h"

/* --- by connection --- */

/* Connection ids are unique within their side only. */
static uint64_t conn_key(const struct cscf_sip_flow *flow)
{
	return flow->conn << 1 | (flow->side == CSCF_SIP_MW ? 1u : 0u);
}

static void list_leave(struct cscf_sip_client *c)
{
	struct cscf_sip_client_list *l = c->list;

	if (l == NULL)
		return;
	DL_DELETE(l->first, c);
	c->list = NULL;
	if (l->first == NULL) {
		HASH_DELETE(hh, c->stack->clients_by_conn, l);
		free(l);
	}
}

static enum gw_err list_join(struct cscf_sip_client *c)
{
	struct cscf_sip_stack *s = c->stack;
	struct cscf_sip_client_list *l = NULL;
	uint64_t key = conn_key(&c->flow);

	list_leave(c);
	if (c->flow.conn == 0)
		return GW_OK;
	HASH_FIND(hh, s->clients_by_conn, &key, sizeof(key), l);
	if (l == NULL) {
		l = calloc(1, sizeof(*l));
		if (l == NULL)
			return GW_ERR_NOMEM;
		l->id = key;
		HASH_ADD(hh, s->clients_by_conn, id, sizeof(l->id), l);
		if (l->hh.tbl == NULL) {
			free(l);
			return GW_ERR_NOMEM;
		}
	}
	DL_APPEND(l->first, c);
	c->list = l;
	return GW_OK;
}

void cscf_sip_clients_conn_closed(struct cscf_sip_stack *s, const struct cscf_sip_flow *flow,
				  bool failed)
{
	uint64_t key = conn_key(flow);
	struct cscf_sip_client_list *l = NULL;
	struct cscf_sip_client *c, *next;

	HASH_FIND(hh, s->clients_by_conn, &key, sizeof(key), l);
	if (l == NULL)
		return;
	/* Only flags and timers are touched here; what follows comes from the loop. */
	DL_FOREACH_SAFE (l->first, c, next) {
		bool ringing = c->invite && c->provisional;

		if (c->final || c->machine == NULL || !cscf_sip_machine_is_pending(c->machine))
			continue;
		/* Without a connection a WIC cannot answer; a core can, on a new one. */
		if (flow->side == CSCF_SIP_MW && ringing && !failed)
			continue;
		c->failure = CSCF_SIP_CAUSE_TRANSPORT;
		cscf_sip_client_rearm(c);
	}
}

/* --- machine --- */

static int on_send(void *owner, enum cscf_sip_machine_send what)
{
	struct cscf_sip_client *c = owner;
	bool ack = what == CSCF_SIP_SEND_ACK;
	uint64_t before = c->flow.conn;
	enum gw_err err;

	if (ack && c->ack_text == NULL)
		return 0;
	err = cscf_sip_send_flow(c->stack, &c->flow, ack ? c->ack_text : c->text,
				 ack ? c->ack_n : c->text_n);
	c->send_err = err;
	if (err != GW_OK) {
		cscf_sip_count(CSCF_SIP_N_TRANSPORT_ERROR);
		GW_LOG_LIMITED(GW_LOG_WARN, "sip.send_failed", "transport=%s conn=%llu err=%s",
			       cscf_sip_transport_name(c->flow.transport),
			       (unsigned long long)c->flow.conn, gw_err_name(err));
		return -1;
	}
	if (c->flow.conn != before || (c->list == NULL && c->flow.conn != 0))
		if (list_join(c) != GW_OK)
			return -1;
	if (!ack) {
		if (c->sent_once)
			cscf_sip_count(CSCF_SIP_N_RETRANSMIT_OUT);
		else
			cscf_sip_count_side(CSCF_SIP_N_REQ_OUT_W2, c->flow.side);
		cscf_sip_log_msg("out", &c->flow, c->msg);
		cscf_sip_tell(c->stack, false, &c->flow, c->msg);
		c->sent_once = true;
	}
	return 0;
}

static void on_timeout(void *owner)
{
	struct cscf_sip_client *c = owner;

	cscf_sip_count(CSCF_SIP_N_TIMER_BF);
	c->failure = CSCF_SIP_CAUSE_TIMEOUT;
}

static const struct cscf_sip_machine_ops machine_ops = {.send = on_send, .timeout = on_timeout};

void cscf_sip_client_drop_try(struct cscf_sip_client *c)
{
	list_leave(c);
	if (c->key != NULL && c->hh.tbl != NULL)
		HASH_DELETE(hh, c->stack->clients_by_key, c);
	c->hh.tbl = NULL;
	free(c->key);
	c->key = NULL;
	cscf_sip_machine_free(c->machine);
	c->machine = NULL;
	free(c->text);
	c->text = NULL;
	free(c->ack_text);
	c->ack_text = NULL;
	c->sent_once = false;
}

/* Our Via on top of the request (in the place of an earlier attempt's) and its text. */
static enum gw_err dress(struct cscf_sip_client *c)
{
	char branch[CSCF_SIP_BRANCH_LEN];
	enum gw_err err = GW_OK;

	if (!c->is_cancel) { /* a CANCEL has the Via of its INVITE */
		if (c->via_on)
			err = cscf_sip_msg_value_pop(c->msg, "Via");
		c->via_on = false;
		cscf_sip_make_branch(c->msg, c->flow.side, branch);
		if (err == GW_OK)
			err = cscf_sip_push_via(c->stack, c->msg, &c->flow, branch);
		c->via_on = err == GW_OK;
	}
	if (err != GW_OK)
		return err;
	free(c->text);
	c->text = cscf_sip_msg_print(c->msg, &c->text_n);
	return c->text != NULL ? GW_OK : GW_ERR_NOMEM;
}

static enum gw_err register_key(struct cscf_sip_client *c)
{
	struct cscf_sip_client *other = NULL;
	struct cscf_sip_via via;

	if (!cscf_sip_msg_top_via(c->msg, &via))
		return GW_ERR_INVAL;
	if (gw_asfmt(&c->key, "%.*s|%s", GW_SLICE_FMT(via.branch), c->msg->method_text) < 0) {
		c->key = NULL;
		return GW_ERR_NOMEM;
	}
	HASH_FIND(hh, c->stack->clients_by_key, c->key, strlen(c->key), other);
	if (other != NULL) {
		free(c->key);
		c->key = NULL;
		return GW_ERR_EXISTS;
	}
	HASH_ADD_KEYPTR(hh, c->stack->clients_by_key, c->key, strlen(c->key), c);
	return c->hh.tbl != NULL ? GW_OK : GW_ERR_NOMEM;
}

/*
 * Who sent us the request gives up after its own 64*T1: our timer F ends before that, so that it
 * hears of the failure; exit points share the time.
 */
static int timeout_of(const struct cscf_sip_client *c)
{
	int ms = 60 * c->stack->timers.t1_ms;

	if (c->opt.timeout_ms > 0)
		return (int)c->opt.timeout_ms;
	if (c->invite)
		return 0;
	return c->opt.exit_points && c->n_uris > 1 ? ms / (int)c->n_uris : ms;
}

enum gw_err cscf_sip_client_try_flow(struct cscf_sip_client *c)
{
	struct cscf_sip_machine_timers timers = c->stack->timers;
	enum gw_err err = dress(c);

	timers.timeout_ms = timeout_of(c);
	c->failure = CSCF_SIP_CAUSE_NONE;
	if (err == GW_OK)
		err = register_key(c);
	if (err == GW_OK)
		err = cscf_sip_machine_new(&c->machine, c->invite ? CSCF_SIP_ICT : CSCF_SIP_NICT,
					   c->flow.transport != CSCF_SIP_UDP, &timers, &machine_ops,
					   c);
	if (err == GW_OK)
		err = cscf_sip_machine_request(c->machine);
	if (err == GW_OK && cscf_sip_machine_broke(c->machine))
		err = c->send_err != GW_OK ? c->send_err : GW_ERR_IO;
	if (err != GW_OK)
		cscf_sip_client_drop_try(c);
	return err;
}

/* --- targets --- */

static void aim(struct cscf_sip_client *c, const struct cscf_sip_target *t)
{
	c->flow = (struct cscf_sip_flow){
	    .side = CSCF_SIP_MW, .transport = t->transport, .remote = t->addr};
}

/* @return false: this target failed at once */
static bool try_target(struct cscf_sip_client *c, const struct cscf_sip_target *t)
{
	struct cscf_sip_stack *s = c->stack;

	aim(c, t);
	if (t->transport == CSCF_SIP_UDP && cscf_sip_mw_has(s->mw, CSCF_SIP_TCP)) {
		/* Size with Via, as it would be sent (RFC 3261 s18.1.1). */
		size_t n = 0;
		char *text = cscf_sip_msg_print(c->msg, &n);
		bool big = text != NULL && (int64_t)n + (c->via_on ? 0 : 120) > s->cfg->udp_max;

		free(text);
		if (big) {
			c->flow.transport = CSCF_SIP_TCP;
			if (cscf_sip_client_try_flow(c) == GW_OK)
				return true;
			aim(c, t); /* no TCP there after all: UDP, as s18.1.1 allows */
		}
	}
	return cscf_sip_client_try_flow(c) == GW_OK;
}

bool cscf_sip_client_has_next(const struct cscf_sip_client *c)
{
	if (c->fixed || (c->opt.no_failover && c->tried))
		return false;
	return c->next_target < c->n_targets || c->next_uri < c->n_uris || c->n_later > 0;
}

static void on_resolved(void *arg, const struct cscf_sip_target *targets, size_t n)
{
	struct cscf_sip_client *c = arg;

	c->query = GW_HANDLE_NONE;
	c->n_targets = n < CSCF_SIP_MAX_TARGETS ? n : CSCF_SIP_MAX_TARGETS;
	c->next_target = 0;
	memcpy(c->targets, targets, c->n_targets * sizeof(*targets));
	/* Go on from the loop: we may be inside cscf_sip_request. */
	cscf_sip_client_rearm(c);
}

/* A target that failed lately waits until the others had their turn, one that asked for time
 * gets it where the request can do without. @return true: not now */
static bool put_off(struct cscf_sip_client *c, const struct cscf_sip_target *t)
{
	if (c->opt.exit_points && cscf_sip_health_wants_rest(c->stack->health, t))
		return true;
	if (c->last_resort || c->n_later == CSCF_SIP_MAX_TARGETS ||
	    !cscf_sip_health_is_down(c->stack->health, t))
		return false;
	c->later[c->n_later++] = *t;
	return true;
}

static void take_last_resort(struct cscf_sip_client *c)
{
	memcpy(c->targets, c->later, c->n_later * sizeof(c->later[0]));
	c->n_targets = c->n_later;
	c->next_target = 0;
	c->n_later = 0;
	c->last_resort = true;
}

/* Ask for the targets of the next name. @return true: DNS has to answer first */
static bool resolve_next(struct cscf_sip_client *c)
{
	const char *uri = c->uris[c->next_uri++];
	enum gw_err err;

	c->n_targets = 0;
	c->next_target = 0;
	err = cscf_sip_resolve(c->stack->resolver, gw_slice_str(uri), on_resolved, c, &c->query);
	if (err != GW_OK)
		GW_LOG_LIMITED(GW_LOG_WARN, "sip.no_target", "uri=\"%s\" err=%s",
			       cscf_sip_mask(uri), gw_err_name(err));
	return c->query != GW_HANDLE_NONE;
}

void cscf_sip_client_forget_names(const struct cscf_sip_client *c)
{
	for (size_t i = 0; i < c->next_uri && i < c->n_uris; i++)
		cscf_sip_resolver_forget(c->stack->resolver, gw_slice_str(c->uris[i]));
}

bool cscf_sip_client_try_next(struct cscf_sip_client *c)
{
	cscf_sip_client_drop_try(c);
	while (cscf_sip_client_has_next(c)) {
		if (c->next_target < c->n_targets) {
			const struct cscf_sip_target *t = &c->targets[c->next_target++];

			if (put_off(c, t))
				continue;
			c->tried = true;
			if (try_target(c, t))
				return true;
			cscf_sip_count(CSCF_SIP_N_FAILOVER);
			cscf_sip_health_failed(c->stack->health, &c->flow, 0);
			cscf_sip_client_forget_names(c);
			c->failure = CSCF_SIP_CAUSE_TRANSPORT;
		} else if (c->next_uri < c->n_uris) {
			if (resolve_next(c))
				return true;
		} else {
			take_last_resort(c);
		}
	}
	return false;
}

enum gw_err cscf_sip_client_make_ack(struct cscf_sip_client *c, const struct cscf_sip_msg *rsp)
{
	struct cscf_sip_msg *ack;
	enum gw_err err = cscf_sip_msg_new_ack(&ack, c->msg, rsp);

	if (err != GW_OK)
		return err;
	free(c->ack_text);
	c->ack_text = cscf_sip_msg_print(ack, &c->ack_n);
	cscf_sip_tell(c->stack, false, &c->flow, ack);
	cscf_sip_msg_free(ack);
	return c->ack_text != NULL ? GW_OK : GW_ERR_NOMEM;
}
