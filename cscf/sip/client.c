/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Client transactions as the layer above sees them (RFC 3261 s17.1, s16.6 step 11, s16.7 step 2,
 * s9.1; RFC 6026 s7.2): delivery of responses, fail-over, timer C, CANCEL, the Accepted state.
 * Whatever ends or fails is acted on by the transaction's timer, from the loop: no callback is
 * made inside a call of the layer above, and nothing is freed under it.
 */
#include "cscf/sip/client_int.h"
#include "cscf/sip/spare.h"

#include <stdio.h>
#include <stdlib.h>

#define GW_LOG_MOD "sip"
#include "common/log.h"

#define KEY_MAX 65536 /* no message is longer */

static struct cscf_sip_spare spare_clients;

static int64_t transaction_ms(const struct cscf_sip_client *c)
{
	return 64 * (int64_t)c->stack->timers.t1_ms;
}

/* --- delivery --- */

void cscf_sip_client_deliver(struct cscf_sip_client *c, const struct cscf_sip_msg *rsp,
			     enum cscf_sip_cause cause)
{
	struct cscf_sip_response_info info = {.local = cause != CSCF_SIP_CAUSE_NONE,
					      .cause = cause,
					      .provisional = c->provisional,
					      .flow = c->flow};

	if (rsp->status >= 200)
		c->final = true;
	if (c->cbs != NULL && c->cbs->on_response != NULL)
		c->cbs->on_response(c->arg, c->handle, rsp, &info);
}

void cscf_sip_client_deliver_local(struct cscf_sip_client *c, int status, enum cscf_sip_cause cause)
{
	struct cscf_sip_msg *rsp;

	if (c->final)
		return;
	c->final = true;
	if (c->cbs == NULL)
		return;
	if (cscf_sip_msg_new_response(&rsp, c->msg, status, NULL) != GW_OK) {
		GW_LOG_LIMITED(GW_LOG_ERROR, "sip.no_memory", "status=%d", status);
		return; /* on_done still follows */
	}
	if (c->via_on)
		(void)!cscf_sip_msg_value_pop(rsp, "Via");
	cscf_sip_client_deliver(c, rsp, cause);
	cscf_sip_msg_free(rsp);
}

/* --- end --- */

static void client_free(struct cscf_sip_client *c)
{
	struct cscf_sip_stack *s = c->stack;

	cscf_sip_client_drop_try(c);
	if (c->query != GW_HANDLE_NONE)
		cscf_sip_resolve_cancel(s->resolver, c->query);
	if (c->handle != GW_HANDLE_NONE) {
		gw_handle_del(s->clients, c->handle);
		gw_metric_dec(&cscf_sip_counters[CSCF_SIP_N_CLIENT_TXNS]);
	}
	if (c->timer != NULL)
		event_free(c->timer);
	cscf_sip_msg_free(c->msg);
	cscf_sip_texts_free(c->uris, c->n_uris);
	free(c->cancel_reason);
	cscf_sip_spare_give(&spare_clients, c);
}

static void client_end(struct cscf_sip_client *c)
{
	const struct cscf_sip_client_cbs *cbs = c->cbs;
	gw_handle handle = c->handle;
	void *arg = c->arg;

	client_free(c);
	if (cbs != NULL && cbs->on_done != NULL)
		cbs->on_done(arg, handle);
}

void cscf_sip_clients_free(struct cscf_sip_stack *s)
{
	struct cscf_sip_client *c;
	uint32_t cursor = 0;

	while (s->clients != NULL && (c = gw_handle_next(s->clients, &cursor)) != NULL)
		client_free(c);
}

/* --- what the timer acts on --- */

static bool is_idle(const struct cscf_sip_client *c)
{
	return c->machine == NULL && c->query == GW_HANDLE_NONE;
}

static bool has_failed(const struct cscf_sip_client *c)
{
	return !c->final && (c->failure != CSCF_SIP_CAUSE_NONE ||
			     (c->machine != NULL && cscf_sip_machine_broke(c->machine)));
}

/* Is there something to do now, whatever the clock says? */
static bool is_ready(const struct cscf_sip_client *c)
{
	if (c->over || has_failed(c))
		return true;
	if (c->accepted)
		return false;
	if (is_idle(c))
		return true;
	return c->machine != NULL && c->final && cscf_sip_machine_is_over(c->machine);
}

void cscf_sip_client_rearm(struct cscf_sip_client *c)
{
	int64_t now = cscf_sip_now_ms();
	int64_t at = c->timer_c_at < c->cancel_until ? c->timer_c_at : c->cancel_until;
	int due = c->machine != NULL && !c->accepted ? cscf_sip_machine_due(c->machine) : -1;

	if (c->accepted)
		at = c->accepted_until;
	if (due >= 0 && now + due < at)
		at = now + due;
	if (is_ready(c))
		at = now;
	if (at == CSCF_SIP_NEVER)
		event_del(c->timer);
	else
		cscf_sip_arm(c->timer, at - now);
}

static void fail(struct cscf_sip_client *c)
{
	enum cscf_sip_cause cause =
	    c->failure != CSCF_SIP_CAUSE_NONE ? c->failure : CSCF_SIP_CAUSE_TRANSPORT;

	if (!c->provisional) {
		cscf_sip_health_failed(c->stack->health, &c->flow, 0);
		cscf_sip_client_forget_names(c);
	}
	if (!c->provisional && !c->cancel_wanted && cscf_sip_client_has_next(c)) {
		cscf_sip_count(CSCF_SIP_N_FAILOVER);
		if (cscf_sip_client_try_next(c))
			return;
	}
	cscf_sip_client_deliver_local(c, cause == CSCF_SIP_CAUSE_TIMEOUT ? 408 : 503, cause);
	c->over = true;
}

/* RFC 3261 s16.8: 408 upward at once, CANCEL downward; late answers are absorbed. */
static void timer_c(struct cscf_sip_client *c)
{
	c->timer_c_at = CSCF_SIP_NEVER;
	cscf_sip_count(CSCF_SIP_N_TIMER_C);
	cscf_sip_client_deliver_local(c, 408, CSCF_SIP_CAUSE_TIMER_C);
	if (c->cancel_reason == NULL)
		c->cancel_reason =
		    strdup("SIP;cause=408"); /* without it, a CANCEL without Reason */
	if (c->provisional && !c->cancel_sent)
		cscf_sip_client_send_cancel(c);
	else if (!c->provisional)
		c->over = true;
}

static void act(struct cscf_sip_client *c, int64_t now)
{
	if (c->machine != NULL && !c->accepted)
		cscf_sip_machine_fire(c->machine);
	if (!c->over && is_idle(c) && !c->final) {
		if (!cscf_sip_client_try_next(c) && c->failure == CSCF_SIP_CAUSE_NONE)
			c->failure = CSCF_SIP_CAUSE_NO_TARGET;
	}
	if (!c->over && has_failed(c))
		fail(c);
	if (!c->over && now >= c->timer_c_at && !c->final)
		timer_c(c);
	if (!c->over && now >= c->cancel_until && !c->accepted) {
		cscf_sip_client_deliver_local(c, 487, CSCF_SIP_CAUSE_CANCELLED);
		c->over = true;
	}
	if (c->accepted ? now >= c->accepted_until
			: c->final && (c->machine == NULL || cscf_sip_machine_is_over(c->machine)))
		c->over = true;
}

static void on_timer(evutil_socket_t fd, short what, void *arg)
{
	struct cscf_sip_client *c = arg;

	(void)fd;
	(void)what;
	act(c, cscf_sip_now_ms());
	if (c->over)
		client_end(c);
	else
		cscf_sip_client_rearm(c);
}

/* --- start --- */

/* @param msg  consumed on GW_OK */
static enum gw_err client_new(struct cscf_sip_stack *s, struct cscf_sip_msg *msg,
			      struct cscf_sip_client **out)
{
	struct cscf_sip_client *c = cscf_sip_spare_take(&spare_clients, sizeof(*c));
	enum gw_err err = GW_ERR_NOMEM;

	if (c == NULL)
		return GW_ERR_NOMEM;
	memset(c, 0, sizeof(*c));
	c->stack = s;
	c->invite = cscf_sip_msg_method(msg) == CSCF_SIP_INVITE;
	c->timer_c_at = CSCF_SIP_NEVER;
	c->cancel_until = CSCF_SIP_NEVER;
	c->accepted_until = CSCF_SIP_NEVER;
	c->timer = evtimer_new(s->base, on_timer, c);
	if (c->timer != NULL)
		err = gw_handle_add(s->clients, c, &c->handle);
	if (err != GW_OK) {
		c->handle = GW_HANDLE_NONE;
		client_free(c);
		return err;
	}
	gw_metric_inc(&cscf_sip_counters[CSCF_SIP_N_CLIENT_TXNS]);
	c->msg = msg;
	*out = c;
	return GW_OK;
}

static enum gw_err copy_uris(struct cscf_sip_client *c, const struct cscf_sip_dest *dest)
{
	c->uris = calloc(dest->n_uris, sizeof(*c->uris));
	if (c->uris == NULL)
		return GW_ERR_NOMEM;
	c->n_uris = dest->n_uris;
	for (size_t i = 0; i < dest->n_uris; i++) {
		c->uris[i] = strdup(dest->uris[i]);
		if (c->uris[i] == NULL)
			return GW_ERR_NOMEM;
	}
	return GW_OK;
}

static enum gw_err launch(struct cscf_sip_client *c, const struct cscf_sip_dest *dest)
{
	enum gw_err err;

	if (dest->flow != NULL) {
		c->fixed = true;
		c->flow = *dest->flow;
		return cscf_sip_client_try_flow(c);
	}
	err = copy_uris(c, dest);
	if (err == GW_OK && !cscf_sip_client_try_next(c) && c->failure == CSCF_SIP_CAUSE_NONE)
		c->failure = CSCF_SIP_CAUSE_NO_TARGET; /* told by the timer */
	return err;
}

enum gw_err cscf_sip_request(struct cscf_sip_stack *s, struct cscf_sip_msg *msg,
			     const struct cscf_sip_dest *dest,
			     const struct cscf_sip_client_opt *opt,
			     const struct cscf_sip_client_cbs *cbs, void *arg, gw_handle *client)
{
	enum cscf_sip_method method = cscf_sip_msg_method(msg);
	struct cscf_sip_client *c;
	enum gw_err err = GW_ERR_INVAL;

	*client = GW_HANDLE_NONE;
	if (msg->status != 0 || method == CSCF_SIP_ACK || method == CSCF_SIP_CANCEL ||
	    (dest->flow == NULL && dest->n_uris == 0))
		goto fail;
	err = client_new(s, msg, &c);
	if (err != GW_OK)
		goto fail;
	if (opt != NULL)
		c->opt = *opt;
	if (c->invite)
		c->timer_c_at = cscf_sip_now_ms() +
				(c->opt.timer_c_ms > 0 ? c->opt.timer_c_ms : s->cfg->timer_c_ms);
	err = launch(c, dest);
	if (err != GW_OK) {
		client_free(c); /* with the message */
		return err;
	}
	c->cbs = cbs;
	c->arg = arg;
	*client = c->handle;
	cscf_sip_client_rearm(c);
	return GW_OK;
fail:
	cscf_sip_msg_free(msg);
	return err;
}

/* --- CANCEL --- */

void cscf_sip_client_send_cancel(struct cscf_sip_client *c)
{
	struct cscf_sip_msg *msg;
	struct cscf_sip_client *cancel = NULL;
	enum gw_err err = cscf_sip_msg_new_cancel(&msg, c->msg, c->cancel_reason);

	c->cancel_sent = true;
	c->cancel_until = cscf_sip_now_ms() + transaction_ms(c);
	if (err == GW_OK) {
		err = client_new(c->stack, msg, &cancel);
		if (err != GW_OK)
			cscf_sip_msg_free(msg);
	}
	if (err == GW_OK) {
		cancel->is_cancel = true;
		cancel->fixed = true;
		cancel->flow = c->flow;
		err = cscf_sip_client_try_flow(cancel);
		if (err == GW_OK)
			cscf_sip_client_rearm(cancel);
		else
			client_free(cancel);
	}
	if (err != GW_OK)
		GW_LOG_LIMITED(GW_LOG_WARN, "sip.cancel_failed", "err=%s", gw_err_name(err));
	cscf_sip_client_rearm(c);
}

/* --- responses --- */

static struct cscf_sip_client *match(struct cscf_sip_stack *s, const struct cscf_sip_msg *rsp,
				     const struct cscf_sip_flow *flow)
{
	struct gw_slice method = cscf_sip_msg_method_text(rsp);
	struct cscf_sip_client *c = NULL;
	struct cscf_sip_via via;
	static char key[KEY_MAX];
	size_t n;

	/* the branch is ours, or none of ours is so long */
	if (!cscf_sip_msg_top_via(rsp, &via) || !cscf_sip_via_is_ours(s, &via, flow->side) ||
	    via.branch.n + 1 + method.n > sizeof(key))
		return NULL;
	n = via.branch.n;
	if (n > 0)
		memcpy(key, via.branch.p, n);
	key[n++] = '|';
	if (method.n > 0)
		memcpy(key + n, method.p, method.n);
	HASH_FIND(hh, s->clients_by_key, key, n + method.n, c);
	if (c == NULL || (c->machine == NULL && !c->accepted) || c->flow.side != flow->side)
		return NULL;
	/* An answer of a WIC counts on the connection that was asked, no other (WS-34). */
	if (flow->side == CSCF_SIP_W2 && c->flow.conn != flow->conn)
		return NULL;
	return c;
}

static void on_provisional(struct cscf_sip_client *c, const struct cscf_sip_msg *rsp)
{
	bool pending = !c->accepted && cscf_sip_machine_is_pending(c->machine);

	if (!pending)
		return;
	(void)!cscf_sip_machine_response(c->machine, rsp->status);
	c->provisional = true;
	if (c->invite && rsp->status > 100 && c->timer_c_at != CSCF_SIP_NEVER)
		c->timer_c_at =
		    cscf_sip_now_ms() +
		    (c->opt.timer_c_ms > 0 ? c->opt.timer_c_ms : c->stack->cfg->timer_c_ms);
	if (c->cancel_wanted && !c->cancel_sent)
		cscf_sip_client_send_cancel(c);
	if (rsp->status > 100 && !c->final)
		cscf_sip_client_deliver(c, rsp, CSCF_SIP_CAUSE_NONE);
}

static void on_success(struct cscf_sip_client *c, const struct cscf_sip_msg *rsp)
{
	bool pending = !c->accepted && cscf_sip_machine_is_pending(c->machine);

	if (pending)
		(void)!cscf_sip_machine_response(c->machine, rsp->status);
	if (!c->invite) {
		if (pending && !c->final)
			cscf_sip_client_deliver(c, rsp, CSCF_SIP_CAUSE_NONE);
		return;
	}
	if (!pending && !c->accepted)
		return; /* a 3xx-6xx came before */
	if (!c->accepted) {
		c->accepted = true;
		cscf_sip_machine_free(c->machine); /* 15 kB less for the next 32 s */
		c->machine = NULL;
		c->timer_c_at = CSCF_SIP_NEVER;
		c->accepted_until = cscf_sip_now_ms() + transaction_ms(c);
	}
	cscf_sip_client_deliver(c, rsp, CSCF_SIP_CAUSE_NONE);
}

/* Seconds of a Retry-After, comment and parameters ignored; 0 = none. */
static uint32_t retry_after(const struct cscf_sip_msg *rsp)
{
	struct gw_slice v;
	uint32_t seconds = 0;
	size_t n = 0;

	if (!cscf_sip_msg_hdr(rsp, "Retry-After", &v))
		return 0;
	while (n < v.n && v.p[n] >= '0' && v.p[n] <= '9')
		n++;
	return cscf_sip_uint((struct gw_slice){v.p, n}, UINT32_MAX, &seconds) ? seconds : 0;
}

static void on_failure(struct cscf_sip_client *c, const struct cscf_sip_msg *rsp)
{
	bool pending, elsewhere;

	if (c->accepted)
		return;
	pending = cscf_sip_machine_is_pending(c->machine);
	if (c->invite && pending && cscf_sip_client_make_ack(c, rsp) != GW_OK)
		return; /* no memory: the answer comes again */
	(void)!cscf_sip_machine_response(c->machine, rsp->status); /* sends the ACK */
	if (!pending || c->final)
		return;
	c->timer_c_at = CSCF_SIP_NEVER;
	elsewhere =
	    rsp->status == 503 || (c->opt.exit_points && (rsp->status < 400 || rsp->status == 480));
	if (elsewhere)
		cscf_sip_health_failed(c->stack->health, &c->flow, retry_after(rsp));
	if (elsewhere && !c->cancel_wanted && cscf_sip_client_has_next(c)) {
		cscf_sip_count(CSCF_SIP_N_FAILOVER);
		c->provisional = false;
		if (cscf_sip_client_try_next(c))
			return;
	}
	cscf_sip_client_deliver(c, rsp, CSCF_SIP_CAUSE_NONE);
}

bool cscf_sip_client_response(struct cscf_sip_stack *s, struct cscf_sip_msg *rsp,
			      const struct cscf_sip_flow *flow)
{
	struct cscf_sip_client *c = match(s, rsp, flow);

	if (c == NULL || cscf_sip_msg_value_pop(rsp, "Via") != GW_OK) {
		cscf_sip_msg_free(rsp);
		return false;
	}
	if (rsp->status != 503)
		cscf_sip_health_answered(s->health, &c->flow);
	if (rsp->status < 200)
		on_provisional(c, rsp);
	else if (rsp->status < 300)
		on_success(c, rsp);
	else
		on_failure(c, rsp);
	cscf_sip_client_rearm(c);
	cscf_sip_msg_free(rsp);
	return true;
}
