/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The machine of a call. Messages move it by what became of them (sent, answered,
 * acknowledged); everything that can end a call is one event, RELEASE, with its cause.
 *
 *   IDLE ─> OFFERING ─> PROCEEDING ─> ANSWERED ─> CONFIRMED
 *     └─────────┴────────────┴───────────┴───────────┴──> RELEASING ─> ENDED
 *
 * Thread: the cscf loop. Spec: REL-01, REL-17, CALL-24.
 */
#include "cscf/session/session_int.h"

#include <event2/event.h>
#include <stdio.h>

#define GW_LOG_MOD "session"

static const char *const event_names[CALL_E_COUNT] = {
    [CALL_E_START] = "start", [CALL_E_SENT] = "sent",       [CALL_E_ANSWERED] = "answered",
    [CALL_E_ACKED] = "acked", [CALL_E_RELEASE] = "release", [CALL_E_QUIET] = "quiet",
    [CALL_E_TIMER] = "timer",
};

static const char *identity(const struct gw_fsm *fsm, char *buf, size_t n)
{
	const struct call *c = fsm->owner;

	snprintf(buf, n, "%s", c->ident);
	return buf;
}

static void tell_story(struct gw_fsm *fsm)
{
	const struct call *c = fsm->owner;

	cscf_story_state(c->story, gw_fsm_state_name(fsm));
}

static void go_release(struct gw_fsm *fsm, const struct release_order *order)
{
	struct call *c = fsm->owner;

	c->cause = order->cause;
	c->released = true;
	c->ended_ms = session_now_ms();
	gw_fsm_go(fsm, CALL_S_RELEASING);
	release_run(c, order);
	if (release_is_quiet(c) && fsm->state == CALL_S_RELEASING)
		(void)gw_fsm_dispatch(fsm, CALL_E_QUIET, NULL);
}

static void in_idle(struct gw_fsm *fsm, unsigned event, void *data)
{
	if (event == CALL_E_RELEASE)
		go_release(fsm, data);
	else
		gw_fsm_go(fsm, CALL_S_OFFERING);
}

static void in_offering(struct gw_fsm *fsm, unsigned event, void *data)
{
	if (event == CALL_E_RELEASE)
		go_release(fsm, data);
	else
		gw_fsm_go(fsm, CALL_S_PROCEEDING);
}

static void in_proceeding(struct gw_fsm *fsm, unsigned event, void *data)
{
	struct call *c = fsm->owner;

	if (event == CALL_E_RELEASE) {
		go_release(fsm, data);
		return;
	}
	c->answered_ms = session_now_ms();
	gw_metric_inc(&session_metrics[SM_ANSWERED]);
	gw_histogram_observe_us(&session_setup_time,
				(int64_t)(c->answered_ms - c->started_ms) * 1000);
	CALL_LOG(GW_LOG_INFO, "call.answered", c, side_name(c->from_wic ? SIDE_CORE : SIDE_WIC),
		 "setup_ms=%llu", (unsigned long long)(c->answered_ms - c->started_ms));
	gw_fsm_go_timed(fsm, CALL_S_ANSWERED, (uint32_t)c->s->cfg->ack_timeout);
}

static void in_answered(struct gw_fsm *fsm, unsigned event, void *data)
{
	struct call *c = fsm->owner;
	int64_t max = c->s->cfg->max_duration;

	if (event == CALL_E_RELEASE) {
		go_release(fsm, data);
		return;
	}
	if (event == CALL_E_TIMER) {
		cscf_story_timer(c->story, "64*T1: no ACK");
		call_release_cause(c, CAUSE_NO_ACK);
		return;
	}
	c->acked = true;
	gw_fsm_go(fsm, CALL_S_CONFIRMED);
	if (max > 0 && c->emergency == NULL) {
		struct timeval tv = {(time_t)(max / 1000), (suseconds_t)(max % 1000 * 1000)};

		event_add(c->timer_max, &tv);
	}
}

static void in_confirmed(struct gw_fsm *fsm, unsigned event, void *data)
{
	if (event == CALL_E_RELEASE)
		go_release(fsm, data);
}

static void in_releasing(struct gw_fsm *fsm, unsigned event, void *data)
{
	struct call *c = fsm->owner;

	(void)data;
	if (event == CALL_E_RELEASE) { /* a second reason changes nothing (REL-17) */
		gw_metric_inc(&session_metrics[SM_LATE]);
		return;
	}
	gw_fsm_go(fsm, CALL_S_ENDED);
	call_bury(c);
}

#define E(e) GW_BIT(CALL_E_##e)
#define S(s) GW_BIT(CALL_S_##s)

static const struct gw_fsm_state states[CALL_S_COUNT] = {
    [CALL_S_IDLE] = {.name = "IDLE",
		     .in = E(START) | E(RELEASE),
		     .out = S(OFFERING) | S(RELEASING),
		     .on_event = in_idle},
    /* The offer is being read, resources are being reserved. */
    [CALL_S_OFFERING] = {.name = "OFFERING",
			 .in = E(SENT) | E(RELEASE),
			 .out = S(PROCEEDING) | S(RELEASING),
			 .on_event = in_offering,
			 .on_enter = tell_story},
    /* The INVITE is with the callee's leg; timer C runs in the stack. */
    [CALL_S_PROCEEDING] = {.name = "PROCEEDING",
			   .in = E(ANSWERED) | E(RELEASE),
			   .out = S(ANSWERED) | S(RELEASING),
			   .on_event = in_proceeding,
			   .on_enter = tell_story},
    /* A 2xx went back; its ACK has 64*T1 to come (CALL-24). */
    [CALL_S_ANSWERED] = {.name = "ANSWERED",
			 .in = E(ACKED) | E(TIMER) | E(RELEASE),
			 .out = S(CONFIRMED) | S(RELEASING),
			 .timer_ms = 32000,
			 .on_event = in_answered,
			 .on_enter = tell_story},
    [CALL_S_CONFIRMED] = {.name = "CONFIRMED",
			  .in = E(ACKED) | E(RELEASE),
			  .out = S(RELEASING),
			  .on_event = in_confirmed,
			  .on_enter = tell_story},
    /* Context released, answers given; waits for the peers and the statistics. All of them
     * have timers in the layers below; this one is the last resort. */
    [CALL_S_RELEASING] = {.name = "RELEASING",
			  .in = E(QUIET) | E(RELEASE) | E(TIMER),
			  .out = S(ENDED),
			  .timer_ms = 90000,
			  .on_event = in_releasing},
    [CALL_S_ENDED] = {.name = "ENDED"},
};

const struct gw_fsm_desc call_fsm_desc = {
    .name = "call",
    .states = states,
    .n_states = CALL_S_COUNT,
    .event_names = event_names,
    .n_events = CALL_E_COUNT,
    .timer_event = CALL_E_TIMER,
    .identity = identity,
};

bool call_is_ending(const struct call *c)
{
	return c->released;
}

void call_release(struct call *c, const struct release_order *order)
{
	union {
		const void *in;
		void *out;
	} data = {.in = order};

	if (c->fsm.state == CALL_S_ENDED)
		return;
	(void)gw_fsm_dispatch(&c->fsm, CALL_E_RELEASE, data.out);
}

void call_release_cause(struct call *c, enum cause cause)
{
	struct release_order order = {.cause = cause};

	call_release(c, &order);
}
