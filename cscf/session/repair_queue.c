/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Calls that have to move to another AGW, and whose turn it is: agw.repair_rate of them begin in a
 * second, emergencies first. Who only waits for that stands in line, and a tick takes from its head
 * what the rate allows. Who waits for anything else stands aside, and is looked at again when that
 * may have come (repair_kick) or its time is over (its timer). So the work is one look for each
 * turn and each thing that happened, however many calls wait.
 *
 *   in line   its turn, an AGW       the tick; no AGW for agw.repair_timeout: it ends
 *   aside     the WIC                flow_back (own_kick); flow.grace is its clock
 *             a party's own offer    own_kick; after OFFER_MS that is taken back by a CANCEL
 *             not before again_ms    its timer
 *             the twin's offer       repair_kick_twin, the commit of that offer, its timer
 *
 * Calls that are to leave an AGW in time (repair_on_leaving) have the same rate. Emergency calls
 * are not asked to: they have their AGW to its end, and are then the first in line.
 *
 * Thread: the cscf loop. Spec: calls-and-media 2.10; REL-12, CALL-30.
 */
#include "cscf/session/own.h"
#include "cscf/session/repair_int.h"

#include <event2/event.h>

#define GW_LOG_MOD    "session"
#define TICK_MS       20
#define OFFER_MS      2000U  /* a party's offer that nobody has answered, and no media meanwhile */
#define OFFER_GONE_MS 40000U /* it and its CANCEL must be over by then: 64*T1 */

/* ---- the line ----------------------------------------------------------------------------------
 */

static void arm(struct event *ev, uint64_t ms)
{
	struct timeval tv = {(time_t)(ms / 1000U), (suseconds_t)(ms % 1000U * 1000U)};

	event_add(ev, &tv);
}

static struct call **line_of(const struct call *c)
{
	return &c->s->repairs[c->emergency != NULL ? 0 : 1];
}

static void leave_line(struct call *c)
{
	struct call **line = line_of(c);

	if (!c->repair.in_line)
		return;
	DL_DELETE2(*line, c, repair.prev, repair.next);
	c->repair.in_line = false;
}

static void enter_line(struct call *c)
{
	struct call **line = line_of(c);

	if (c->repair.in_line)
		return;
	event_del(c->repair.timer);
	DL_APPEND2(*line, c, repair.prev, repair.next);
	c->repair.in_line = true;
	c->repair.in_line_ms = session_now_ms();
	if (!event_pending(c->s->repair_timer, EV_TIMEOUT, NULL))
		arm(c->s->repair_timer, 0);
}

static void stand_aside(struct call *c, uint64_t ms)
{
	leave_line(c);
	arm(c->repair.timer, ms);
}

static bool waits(const struct call *c)
{
	return c->repair.state == REPAIR_WAITS || c->repair.state == REPAIR_YIELD;
}

void repair_kick(struct call *c)
{
	if (waits(c) && !c->repair.in_line)
		arm(c->repair.timer, 0);
}

void repair_go(struct call *c, enum repair_state state)
{
	struct repair *r = &c->repair;
	uint64_t now = session_now_ms();

	if (r->state == REPAIR_NONE)
		gw_metric_inc(&session_metrics[SM_REPAIR_PENDING]);
	leave_line(c);
	event_del(r->timer);
	r->state = state;
	if (state == REPAIR_NONE)
		gw_metric_dec(&session_metrics[SM_REPAIR_PENDING]);
	else if (state == REPAIR_WAITS)
		enter_line(c);
	else if (state == REPAIR_YIELD) /* perhaps there is nothing to wait for any more */
		stand_aside(c, 0);
	repair_kick_twin(c);
	if (r->again_ms > now && state == REPAIR_WAITS)
		stand_aside(c, r->again_ms - now);
}

/* ---- a party's offer that is in the way --------------------------------------------------------
 */

/* Somebody is asked whether he wants video, and meanwhile nobody is heard: the question is taken
 * back, and who offered gets 491, so that he asks again when the call has moved. */
static void take_back_offers(struct call *c)
{
	struct xact *x;

	DL_FOREACH (c->xacts, x) {
		if (x->method != CSCF_SIP_INVITE || x->initial || x->is_own || x->server_final ||
		    x->cancelled || !x->client_live || x->client_final)
			continue;
		if (cscf_sip_cancel(c->s->p.stack, x->client, NULL) != GW_OK)
			continue;
		x->cancelled = x->taken_back = true;
		CALL_LOG(GW_LOG_INFO, "call.offer_taken_back", c, side_name(x->from), "cseq=%u",
			 x->cseq);
	}
}

static void wait_for_offer(struct call *c, uint64_t now)
{
	struct repair *r = &c->repair;
	uint64_t waited;

	if (r->offer_ms == 0)
		r->offer_ms = now;
	waited = now - r->offer_ms;
	if (waited >= OFFER_GONE_MS) {
		repair_fail(c, "another offer is under way");
		return;
	}
	stand_aside(c, waited < OFFER_MS ? OFFER_MS - waited : OFFER_MS);
	if (waited >= OFFER_MS)
		take_back_offers(c);
}

/* ---- looking ------------------------------------------------------------------------------------
 */

static bool is_back(const struct call *c)
{
	return c->conn != 0 && cscf_sip_conn_alive(c->s->p.stack, c->conn, NULL);
}

/* @return true when only its turn has to come; else it stands aside */
static bool may_go(struct call *c, uint64_t now)
{
	struct repair *r = &c->repair;

	gw_metric_inc(&session_metrics[SM_REPAIR_LOOKS]);
	if (!is_back(c)) {
		r->patient_ms = 0; /* flow.grace is the clock now */
		leave_line(c);
		return false;
	}
	if (!own_may_offer(c)) {
		wait_for_offer(c, now);
		return false;
	}
	r->offer_ms = 0;
	if (now < r->again_ms) {
		stand_aside(c, r->again_ms - now);
		return false;
	}
	return true;
}

static void on_look(evutil_socket_t fd, short what, void *arg)
{
	struct call *c = arg;
	uint64_t now = session_now_ms();

	(void)fd;
	(void)what;
	if (c->repair.state == REPAIR_YIELD) {
		gw_metric_inc(&session_metrics[SM_REPAIR_LOOKS]);
		repair_yield(c, now);
		if (c->repair.state == REPAIR_YIELD) /* its twin tells; but for the time alone */
			stand_aside(c, c->repair.again_ms > now ? c->repair.again_ms - now
								: REPAIR_YIELD_MS);
	} else if (c->repair.state == REPAIR_WAITS && may_go(c, now)) {
		enter_line(c);
	}
}

/* A bucket of a tenth of a second, at least one call. */
static void refill(struct cscf_session *s, uint64_t now)
{
	uint64_t rate = (uint64_t)s->cfg->repair_rate, most = rate * 100 > 1000 ? rate * 100 : 1000;
	uint64_t gone = s->repair_at_ms != 0 ? now - s->repair_at_ms : 1000;

	s->repair_at_ms = now;
	s->repair_tokens += (gone < 1000 ? gone : 1000) * rate;
	if (s->repair_tokens > most)
		s->repair_tokens = most;
}

bool repair_on_leaving(void *arg, gw_handle call, const char *why)
{
	struct cscf_session *s = arg;
	struct call *c = gw_handle_find(s->calls, call);
	uint64_t now = session_now_ms();

	refill(s, now);
	if (now < s->no_leave_ms || s->repair_tokens < 1000 || s->repairs[0] != NULL ||
	    s->repairs[1] != NULL || !cscf_iq_takes_priority(s->p.iq))
		return false; /* those whose AGW is gone already come first */
	if (c == NULL || c->released || c->answered_ms == 0 || c->emergency != NULL ||
	    repair_is_on(c) || !is_back(c) || !own_may_offer(c))
		return true;
	s->repair_tokens -= 1000;
	repair_leave(c, why);
	return true;
}

static void take_turns(struct cscf_session *s, struct call **line, uint64_t now)
{
	struct call *c;

	while (s->repair_tokens >= 1000 && (c = *line) != NULL) {
		if (!may_go(c, now)) /* frees none: that is the reaper's */
			continue;
		s->repair_tokens -= 1000;
		repair_start(c);
	}
}

/* Without an AGW nobody moves: who has stood there for so long ends, the oldest first. */
static void give_up_old(const struct cscf_session *s, struct call *const *line, uint64_t now)
{
	uint64_t most = (uint64_t)s->cfg->repair_timeout;
	struct call *c;

	while ((c = *line) != NULL) {
		uint64_t since = c->repair.in_line_ms;

		if (now - (since > s->no_agw_ms ? since : s->no_agw_ms) < most)
			return;
		gw_metric_inc(&session_metrics[SM_REPAIR_LOOKS]);
		if (is_back(c))
			repair_fail(c, "no AGW");
		else
			leave_line(c);
	}
}

static void on_tick(evutil_socket_t fd, short what, void *arg)
{
	struct cscf_session *s = arg;
	uint64_t now = session_now_ms();
	bool agw = cscf_iq_takes_priority(s->p.iq);

	(void)fd;
	(void)what;
	refill(s, now);
	if (agw)
		s->no_agw_ms = 0;
	else if (s->no_agw_ms == 0)
		s->no_agw_ms = now;
	for (size_t i = 0; i < 2; i++) {
		if (agw)
			take_turns(s, &s->repairs[i], now);
		else
			give_up_old(s, &s->repairs[i], now);
	}
	if (s->repairs[0] != NULL || s->repairs[1] != NULL)
		arm(s->repair_timer, TICK_MS);
	else
		s->no_agw_ms = 0;
}

/* ---- life ---------------------------------------------------------------------------------------
 */

bool repair_wait_init(struct call *c)
{
	if (c->repair.timer == NULL)
		c->repair.timer = evtimer_new(c->s->p.base, on_look, c);
	return c->repair.timer != NULL;
}

void repair_wait_fini(struct call *c)
{
	if (c->repair.timer != NULL)
		event_free(c->repair.timer);
	c->repair.timer = NULL;
}

enum gw_err repair_init(struct cscf_session *s)
{
	s->repair_timer = evtimer_new(s->p.base, on_tick, s);
	return s->repair_timer != NULL ? GW_OK : GW_ERR_NOMEM;
}

void repair_fini(struct cscf_session *s)
{
	if (s->repair_timer != NULL)
		event_free(s->repair_timer);
}
