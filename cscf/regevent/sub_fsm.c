/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Life of a subscription. Every failure waits, longer each time; only what the core refuses for
 * good (489, 403, reason=rejected) ends the attempts before the user has gone.
 *
 *   IDLE ─> SUBSCRIBING ──2xx──> ACTIVE <──2xx── REFRESHING
 *              │  ^                 └── timer, hole ──^ │
 *            fails └──── timer ──── WAITING <── 481, no answer, terminated; no NOTIFY ever
 *
 *            any ── user gone ──> LINGERING ─> DONE
 *
 * Spec: TS 24.229 5.2.3, RFC 6665 s4.1.2, s4.1.3; REG-62, 63, 65, DEREG-24. Thread: cscf loop.
 */
#include "cscf/regevent/regevent_int.h"

#include "common/log.h"
#include "common/rand.h"
#include "cscf/sip/mask.h"

#include <event2/event.h>
#include <stdio.h>

#define GW_LOG_MOD     "regevent"
#define TIMER_MAX_MS   ((int64_t)30 * 24 * 3600 * 1000)
#define REFRESH_MIN_MS 500

static const char *const event_names[SUB_E_COUNT] = {
    [SUB_E_START] = "START",   [SUB_E_ACCEPTED] = "ACCEPTED",   [SUB_E_REFUSED] = "REFUSED",
    [SUB_E_TIMER] = "TIMER",   [SUB_E_LIVES] = "LIVES",         [SUB_E_TERMINATED] = "TERMINATED",
    [SUB_E_RESYNC] = "RESYNC", [SUB_E_USER_GONE] = "USER_GONE",
};

/* ---- how long -------------------------------------------------------------------------------- */

/* 1 ms at least, as 0 is no timer; some of it random, so that thousands do not come at once. */
static uint32_t spread(int64_t ms, unsigned part)
{
	int64_t span = ms / part;

	if (span > 0)
		ms -= (int64_t)(gw_rand_u64() % (uint64_t)span);
	if (ms > TIMER_MAX_MS)
		ms = TIMER_MAX_MS;
	return ms > 0 ? (uint32_t)ms : 1;
}

static uint32_t backoff_ms(const struct sub *s, unsigned n, uint32_t at_least_s)
{
	int64_t ms = s->re->cfg->backoff_ms;

	for (unsigned i = 1; i < n && ms < RE_BACKOFF_MAX_S * 1000; i++)
		ms *= 2;
	if (ms > RE_BACKOFF_MAX_S * 1000)
		ms = RE_BACKOFF_MAX_S * 1000;
	ms = (int64_t)spread(ms, 4);
	if (at_least_s > RE_BACKOFF_MAX_S * 2)
		at_least_s = RE_BACKOFF_MAX_S * 2;
	if (ms > (int64_t)at_least_s * 1000)
		return (uint32_t)ms;
	/* the core told many the same: never earlier, and not all at once */
	return at_least_s * 1000 + (uint32_t)(gw_rand_u64() % (at_least_s * 64 + 1));
}

/* REG-62: 600 s before the end of more than 1200 s, else at half time; up to 1/16 earlier. */
static uint32_t refresh_ms(uint32_t expires_s)
{
	int64_t s = expires_s, ms = s > 1200 ? (s - 600) * 1000 : s * 500;

	return spread(ms > REFRESH_MIN_MS ? ms : REFRESH_MIN_MS, 16);
}

/* ---- steps ------------------------------------------------------------------------------------
 */

static void note_failure(struct sub *s, const char *why, int status)
{
	s->failures++;
	GW_LOG_LIMITED(GW_LOG_WARN, "regevent.failed", "impi=\"%s\" why=%s status=%d failures=%u",
		       cscf_sip_mask(s->impi), why, status, s->failures);
	if (s->failures != (unsigned)s->re->cfg->max_failures)
		return;
	re_metric_inc(RE_M_ALARM);
	GW_LOG_LIMITED(GW_LOG_ERROR, "regevent.alarm", "impi=\"%s\" failures=%u",
		       cscf_sip_mask(s->impi), s->failures);
}

static void wait_for(struct sub *s, uint32_t ms)
{
	sub_drop_client(s);
	sub_forget_dialog(s);
	gw_fsm_go_timed(&s->fsm, SUB_S_WAITING, ms);
}

static void give_up(struct sub *s, const char *why, int status)
{
	sub_drop_client(s);
	sub_forget_dialog(s);
	re_metric_inc(RE_M_GAVE_UP);
	GW_LOG_LIMITED(GW_LOG_WARN, "regevent.gave_up", "impi=\"%s\" why=%s status=%d",
		       cscf_sip_mask(s->impi), why, status);
	gw_fsm_go(&s->fsm, SUB_S_GAVE_UP);
}

static void send_subscribe(struct sub *s, enum sub_state next)
{
	enum gw_err err = sub_send(s);

	if (err == GW_OK) {
		gw_fsm_go(&s->fsm, next);
		return;
	}
	re_metric_inc(RE_M_NOT_SENT);
	note_failure(s, gw_err_name(err), 0);
	wait_for(s, backoff_ms(s, s->failures, 0));
}

static void subscribe_anew(struct sub *s)
{
	sub_new_dialog(s);
	send_subscribe(s, SUB_S_SUBSCRIBING);
}

static void live_for(struct sub *s, uint32_t expires_s)
{
	uint32_t ms = refresh_ms(expires_s);

	s->expires_at_ms = re_now_ms() + (int64_t)expires_s * 1000;
	if (!s->have_remote_cseq && ms > RE_TIMER_N_MS)
		ms = RE_TIMER_N_MS;
	gw_fsm_go_timed(&s->fsm, SUB_S_ACTIVE, ms);
}

/* The core accepted and then never said a word: it has no subscription (RFC 6665 s4.1.2.4). */
static void due(struct sub *s)
{
	int64_t now = re_now_ms();

	if (s->fsm.state == SUB_S_ACTIVE && !s->have_remote_cseq &&
	    now - s->began_at_ms >= RE_TIMER_N_MS) {
		note_failure(s, "no-notify", 0);
		wait_for(s, backoff_ms(s, ++s->restarts, 0));
	} else if (s->fsm.state == SUB_S_WAITING || now >= s->expires_at_ms) {
		subscribe_anew(s);
	} else {
		send_subscribe(s, SUB_S_REFRESHING);
	}
}

static void accepted(struct sub *s, const struct sub_answer *a)
{
	re_metric_inc(RE_M_ACCEPTED);
	if (s->failures > 0)
		GW_LOG_LIMITED(GW_LOG_INFO, "regevent.recovered", "impi=\"%s\" failures=%u",
			       cscf_sip_mask(s->impi), s->failures);
	s->failures = 0;
	GW_LOG(GW_LOG_DEBUG, "regevent.accepted", "impi=\"%s\" expires_s=%u",
	       cscf_sip_mask(s->impi), (unsigned)a->expires_s);
	if (a->expires_s > 0) {
		live_for(s, a->expires_s);
		return;
	}
	note_failure(s, "expires-0", a->status); /* it ended with its beginning */
	wait_for(s, backoff_ms(s, s->failures, 0));
}

static void refused(struct sub *s, const struct sub_answer *a)
{
	bool dialog_is_good = s->fsm.state == SUB_S_REFRESHING && !a->local && a->status != 481 &&
			      a->status != 408 && re_now_ms() < s->expires_at_ms;

	re_metric_inc(a->local ? RE_M_NO_ANSWER : RE_M_REFUSED);
	if (!a->local && (a->status == 489 || a->status == 403)) {
		give_up(s, "refused", a->status);
		return;
	}
	note_failure(s, a->local ? "no-answer" : "refused", a->status);
	if (a->status == 423)
		s->min_expires_s = a->min_expires_s;
	if (dialog_is_good)
		gw_fsm_go_timed(&s->fsm, SUB_S_ACTIVE,
				backoff_ms(s, s->failures, a->retry_after_s));
	else
		wait_for(s, backoff_ms(s, s->failures, a->retry_after_s));
}

/* The core ended it although the user is registered (DEREG-24). */
static void terminated(struct sub *s, const struct sub_end *e)
{
	if (e->reason == SUB_R_REJECTED) {
		give_up(s, "rejected", 0);
		return;
	}
	if (re_now_ms() - s->began_at_ms >= RE_LASTED_MS)
		s->restarts = 0;
	if (s->restarts++ == 0 && e->retry_after_s == 0 &&
	    (e->reason == SUB_R_DEACTIVATED || e->reason == SUB_R_TIMEOUT))
		wait_for(s, 1);
	else
		wait_for(s, backoff_ms(s, s->restarts, e->retry_after_s));
}

/* Nothing left is an end, without a word about when to come again. */
static void lives(struct sub *s, uint32_t left_s)
{
	static const struct sub_end over = {.reason = SUB_R_OTHER};

	if (left_s > 0)
		live_for(s, left_s);
	else
		terminated(s, &over);
}

static void resync(struct sub *s)
{
	s->resyncs++;
	re_metric_inc(RE_M_RESYNC);
	if (s->resyncs == 1)
		send_subscribe(s, SUB_S_REFRESHING);
	else
		gw_fsm_go_timed(&s->fsm, SUB_S_ACTIVE, backoff_ms(s, s->resyncs, 0));
}

static void user_gone(struct sub *s)
{
	bool heard = s->fsm.state == SUB_S_SUBSCRIBING || s->target != NULL;

	sub_drop_client(s);
	sub_forget_user(s);
	if (heard && s->fsm.state != SUB_S_WAITING && s->fsm.state != SUB_S_GAVE_UP)
		gw_fsm_go(&s->fsm, SUB_S_LINGERING);
	else
		gw_fsm_go(&s->fsm, SUB_S_DONE);
}

/* ---- the machine -------------------------------------------------------------------------------
 */

static void on_event(struct gw_fsm *fsm, unsigned event, void *data)
{
	struct sub *s = fsm->owner;

	switch ((enum sub_event)event) {
	case SUB_E_START:
		subscribe_anew(s);
		break;
	case SUB_E_ACCEPTED:
		accepted(s, data);
		break;
	case SUB_E_REFUSED:
		refused(s, data);
		break;
	case SUB_E_TIMER:
		due(s);
		break;
	case SUB_E_LIVES:
		lives(s, *(const uint32_t *)data);
		break;
	case SUB_E_TERMINATED:
		terminated(s, data);
		break;
	case SUB_E_RESYNC:
		resync(s);
		break;
	case SUB_E_USER_GONE:
		user_gone(s);
		break;
	case SUB_E_COUNT:
		break;
	}
}

static void on_lingering(struct gw_fsm *fsm, unsigned event, void *data)
{
	(void)event;
	(void)data;
	gw_fsm_go(fsm, SUB_S_DONE);
}

static void on_done(struct gw_fsm *fsm)
{
	struct sub *s = fsm->owner;

	sub_forget_user(s);
	s->next_dead = s->re->dead;
	s->re->dead = s;
	event_active(s->re->reaper, EV_TIMEOUT, 0);
}

#define B(e) GW_BIT(SUB_E_##e)
#define S(s) GW_BIT(SUB_S_##s)

static const struct gw_fsm_state states[SUB_S_COUNT] = {
    [SUB_S_IDLE] = {.name = "IDLE",
		    .in = B(START) | B(USER_GONE),
		    .out = S(SUBSCRIBING) | S(WAITING) | S(DONE),
		    .on_event = on_event},
    [SUB_S_SUBSCRIBING] = {.name = "SUBSCRIBING",
			   .in = B(ACCEPTED) | B(REFUSED) | B(TERMINATED) | B(USER_GONE),
			   .out = S(ACTIVE) | S(WAITING) | S(GAVE_UP) | S(LINGERING),
			   .on_event = on_event},
    [SUB_S_ACTIVE] = {.name = "ACTIVE",
		      .in = B(TIMER) | B(LIVES) | B(TERMINATED) | B(RESYNC) | B(USER_GONE),
		      .out = S(ACTIVE) | S(REFRESHING) | S(SUBSCRIBING) | S(WAITING) | S(GAVE_UP) |
			     S(LINGERING),
		      .on_event = on_event},
    [SUB_S_REFRESHING] = {.name = "REFRESHING",
			  .in = B(ACCEPTED) | B(REFUSED) | B(TERMINATED) | B(USER_GONE),
			  .out = S(ACTIVE) | S(WAITING) | S(GAVE_UP) | S(LINGERING),
			  .on_event = on_event},
    [SUB_S_WAITING] = {.name = "WAITING",
		       .in = B(TIMER) | B(USER_GONE),
		       .out = S(SUBSCRIBING) | S(WAITING) | S(DONE),
		       .on_event = on_event},
    [SUB_S_GAVE_UP] = {.name = "GAVE_UP", .in = B(USER_GONE), .out = S(DONE), .on_event = on_event},
    [SUB_S_LINGERING] = {.name = "LINGERING",
			 .in = B(TIMER) | B(TERMINATED),
			 .out = S(DONE),
			 .timer_ms = RE_LINGER_MS,
			 .on_event = on_lingering},
    [SUB_S_DONE] = {.name = "DONE", .on_enter = on_done},
};

static const char *identity(const struct gw_fsm *fsm, char *buf, size_t n)
{
	const struct sub *s = fsm->owner;

	snprintf(buf, n, "impi=\"%s\" call_id=\"%s\"", cscf_sip_mask(s->impi), s->call_id);
	return buf;
}

const struct gw_fsm_desc sub_fsm_desc = {
    .name = "regevent",
    .states = states,
    .n_states = SUB_S_COUNT,
    .event_names = event_names,
    .n_events = SUB_E_COUNT,
    .timer_event = SUB_E_TIMER,
    .identity = identity,
};
