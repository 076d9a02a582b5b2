/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A WIC in a call loses its connection, and comes back on another one or not.
 *
 *   early             nobody can answer or be answered any more: released at once
 *   up                the dialogs wait for the new connection, as long as flow.grace says; media
 *                     is not touched. What the core asked and the WIC had not answered is asked
 *                     again there, an ACK is said again, and so is a 2xx that it did not
 *                     acknowledge; whoever asks meanwhile waits (job.c).
 *   being released    the BYE that could not be said is said when the WIC is back: it would take
 *                     the call for alive
 *
 * Not here: whether it is the same WIC (registrar), how long a request waits (job.c).
 * Thread: the cscf loop. Spec: 2.9; REL-10, DEREG-42, DEREG-43; RFC 5626.
 */
#include "cscf/session/own.h"
#include "cscf/session/session_int.h"

#include <event2/event.h>

#define GW_LOG_MOD "session"

void flow_lost(struct call *c, uint64_t old_conn)
{
	struct release_order order = {.cause = CAUSE_WIC_GONE};

	c->conn = 0;
	if (c->released)
		return;
	cscf_story_flow(c->story, 0);
	CALL_LOG(GW_LOG_INFO, "call.flow_lost", c, "w2", "state=%s", gw_fsm_state_name(&c->fsm));
	if (c->answered_ms == 0) {
		order.outbound = !c->from_wic && session_flow_outbound(c->s, old_conn);
		call_release(c, &order);
	} else if (event_pending(c->timer_consent, EV_TIMEOUT, NULL)) {
		call_release_cause(c, CAUSE_MEDIA_LOST); /* 2.9 case 3 */
	}
}

/* The ACK of a 2xx of the WIC may have been said into the void. */
static void repeat_acks(struct call *c)
{
	struct cscf_sip_msg *ack = NULL;
	const struct xact *x;

	DL_FOREACH (c->xacts, x) {
		if (x->from != SIDE_CORE || x->ack == NULL ||
		    cscf_sip_msg_clone(&ack, x->ack) != GW_OK)
			continue;
		if (leg_send_ack(c, SIDE_WIC, ack) != GW_OK)
			gw_metric_inc(&session_metrics[SM_LATE]);
	}
}

/* What the WIC asked before is answered on its new connection; an answer that it did not
 * acknowledge, once more there. */
static void move_answers(struct call *c)
{
	struct cscf_sip_flow flow;
	const struct xact *x;

	if (!cscf_sip_conn_alive(c->s->p.stack, c->conn, &flow))
		return;
	DL_FOREACH (c->xacts, x) {
		if (x->from != SIDE_WIC || x->server == GW_HANDLE_NONE)
			continue;
		(void)cscf_sip_server_move(c->s->p.stack, x->server, &flow,
					   x->server_final &&
					       (x->initial ? !c->acked : x->awaits_ack));
	}
}

bool flow_ask_again(struct xact *x)
{
	struct call *c = x->call;
	const struct cscf_sip_msg *req = cscf_sip_server_request(c->s->p.stack, x->server);
	struct cscf_sip_msg *copy = NULL;

	if (req == NULL || x->dialog == NULL || c->answered_ms == 0 ||
	    cscf_sip_msg_clone(&copy, req) != GW_OK)
		return false;
	if (in_dialog_prepare(c, x->dialog, SIDE_WIC, copy) != GW_OK) {
		cscf_sip_msg_free(copy);
		return false;
	}
	if (x->has_offer)
		media_rollback(c);
	x->has_offer = false;
	cscf_sip_client_detach(c->s->p.stack, x->client);
	x->client = GW_HANDLE_NONE;
	x->client_live = x->client_final = false;
	x->session_s = session_timer_request(c, SIDE_CORE, copy);
	return job_add(c, JOB_REQUEST, x, copy, SIDE_CORE) == GW_OK;
}

static bool is_with_wic(const struct xact *x)
{
	return x->from == SIDE_CORE && !x->initial && x->client_live && !x->client_final;
}

/* The old connection may still seem open: a WIC whose address changed cannot close it. */
static void ask_all_again(struct call *c)
{
	gw_handle servers[CALL_MAX_XACTS]; /* what is asked may end others: names, not pointers */
	struct xact *x;
	size_t n = 0;

	DL_FOREACH (c->xacts, x)
		if (is_with_wic(x) && x->server != GW_HANDLE_NONE && n < CALL_MAX_XACTS)
			servers[n++] = x->server;
	for (size_t i = 0; i < n && !c->released; i++) {
		x = xact_find_server(c->s, servers[i]);
		if (x == NULL || !is_with_wic(x) || flow_ask_again(x) || x->client_live)
			continue;
		xact_reply(x, 480, NULL, NULL, NULL);
		xact_check(x);
	}
}

/* The BYE that the WIC was to get went to the old connection. */
static void take_back_byes(struct call *c)
{
	struct xact *x, *tmp;

	DL_FOREACH_SAFE (c->xacts, x, tmp) {
		if (x->method != CSCF_SIP_BYE || !is_with_wic(x))
			continue;
		cscf_sip_client_detach(c->s->p.stack, x->client);
		x->client_live = false;
		release_owe_bye(c, true);
		xact_reply(x, 200, NULL, NULL, NULL);
		xact_check(x);
	}
}

void flow_back(struct call *c, uint64_t conn)
{
	c->conn = conn;
	cscf_story_flow(c->story, conn);
	CALL_LOG(GW_LOG_INFO, "call.reattached", c, "w2", "conn=%llu", (unsigned long long)conn);
	if (c->released)
		take_back_byes(c);
	if (c->bye_owed) {
		c->bye_owed = false;
		release_bye_wic(c);
	}
	if (c->released)
		return;
	move_answers(c);
	repeat_acks(c);
	ask_all_again(c);
	if (event_pending(c->timer_hold, EV_TIMEOUT, NULL)) {
		event_del(c->timer_hold);
		c->waiting = false;
		job_kick(c);
	}
	own_kick(c);
}

void flow_given_up(struct call *c)
{
	if (!c->bye_owed)
		return;
	c->bye_owed = false;
	if (c->fsm.state == CALL_S_RELEASING && release_is_quiet(c))
		(void)gw_fsm_dispatch(&c->fsm, CALL_E_QUIET, NULL);
}
