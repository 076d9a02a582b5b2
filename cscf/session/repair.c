/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A call whose AGW is gone goes on at another one (agw.failure_action=reanchor): the media that is
 * agreed is reserved there and offered anew to both ends, without either asking for it.
 *
 *   context lost ─> WAITS ─ turn, AGW, WIC there ─> RESERVING ─> WIC ─ 2xx ─> CORE ─ 2xx ─> NONE
 *                     ^──────── refused, lost again ────┴─────────┴────────────┘
 *                     └─ agw.repair_timeout, or an end refuses ─> BYE both ways
 *
 * The WIC first: its ICE and DTLS begin while the core is being asked, and what it sends goes to
 * where the core's end was all along. agw.repair_rate bounds how many calls begin in a second, so
 * that a thousand lost at once do not run the other AGWs over; emergency calls go first.
 * From the loss to the end, offers of either party are answered 491: ours comes. But while only the
 * core is left to be asked, its own offer does as well. Where both ends are WICs of ours, one waits
 * for the other (YIELD; repair_twin.c). What was being agreed when the AGW went is agreed without
 * it (media_step.c). A WIC that is away is waited for as long as flow.grace lasts. Calls without a
 * final answer are released at once.
 *
 * Not here: the descriptions (cscf/sdp/moved.c), the requests themselves (own.c).
 * Thread: the cscf loop. Spec: calls-and-media 2.10; REL-12, ICE-18, DTLS-20, CALL-28.
 */
#include "cscf/session/own.h"
#include "cscf/session/session_int.h"

#include "common/rand.h"

#include <event2/event.h>
#include <stdio.h>

#define GW_LOG_MOD "session"
#define TICK_MS    20
#define AGAIN_MS   500U /* after an AGW refused; then twice that, four times that */
#define AGAIN_MOST 2U
#define MAX_TRIES  5U
#define YIELD_MS   1500U
#define GLARE_MS   120000U /* that long the core's end may wait for something of its own */
#define OFFER_MS   32000U  /* for a party's offer that its other end has not answered */

bool repair_is_on(const struct call *c)
{
	return c->repair.state != REPAIR_NONE;
}

bool repair_refuses(const struct call *c, enum side from)
{
	if (c->repair.state == REPAIR_CORE || c->repair.state == REPAIR_YIELD)
		return from == SIDE_WIC || c->repair.adrift;
	return repair_is_on(c);
}

bool repair_is_adrift(const struct call *c)
{
	return c->repair.adrift;
}

void repair_note_commit(struct call *c)
{
	const struct cscf_sdp_session *sdp = c->media.sdp;

	if ((c->repair.state == REPAIR_CORE || c->repair.state == REPAIR_YIELD) &&
	    cscf_sdp_round_answered(sdp) && !cscf_sdp_round_is_ours(sdp) &&
	    !cscf_sdp_round_from_wic(sdp))
		c->repair.core_knows = true;
}

/* Does it wait in the queue? */
static bool queued(enum repair_state state)
{
	return state == REPAIR_WAITS || state == REPAIR_YIELD;
}

/* ---- the queue ---------------------------------------------------------------------------------
 */

static void arm(struct cscf_session *s, unsigned ms)
{
	struct timeval tv = {0, (suseconds_t)ms * 1000};

	if (!event_pending(s->repair_timer, EV_TIMEOUT, NULL))
		event_add(s->repair_timer, &tv);
}

static void go(struct call *c, enum repair_state state)
{
	struct repair *r = &c->repair;

	if (queued(r->state))
		DL_DELETE2(c->s->repairs, c, repair.prev, repair.next);
	if (r->state == REPAIR_NONE)
		gw_metric_inc(&session_metrics[SM_REPAIR_PENDING]);
	r->state = state;
	if (state == REPAIR_NONE)
		gw_metric_dec(&session_metrics[SM_REPAIR_PENDING]);
	if (!queued(state))
		return;
	if (c->emergency != NULL)
		DL_PREPEND2(c->s->repairs, c, repair.prev, repair.next);
	else
		DL_APPEND2(c->s->repairs, c, repair.prev, repair.next);
	arm(c->s, 0);
}

static void fail(struct call *c, const char *why)
{
	CALL_LOG(GW_LOG_WARN, "call.move_failed", c, "-", "reason=\"%s\" ms=%llu", why,
		 (unsigned long long)(session_now_ms() - c->repair.lost_ms));
	cscf_story_note(c->story, CSCF_STORY_GATEWAY, "MOVE FAILED", why);
	gw_metric_inc(&session_metrics[SM_REPAIR_FAILED]);
	call_release_cause(c, CAUSE_AGW_LOST);
}

static const char no_agw[] = "no AGW", other_offer[] = "another offer is under way";

/* It waits for something: not for ever, and for each thing anew. */
static void wait_on(struct call *c, uint64_t now, const char *what)
{
	struct repair *r = &c->repair;
	uint64_t ms = (uint64_t)c->s->cfg->repair_timeout;

	if (r->patient_ms == 0 || r->waits_for != what)
		r->patient_ms = now + (what == other_offer && ms < OFFER_MS ? OFFER_MS : ms);
	else if (now >= r->patient_ms)
		fail(c, what);
	r->waits_for = what;
}

/* ---- at the new AGW ----------------------------------------------------------------------------
 */

static void offer_to(struct call *c, enum side to);

/* Nothing of a context remains in the call. */
static void forget_context(struct call *c)
{
	struct media *m = &c->media;
	struct dialog *d;

	(void)cscf_iq_release(c->s->p.iq, m->ctx, 0, "call moves to another AGW", NULL);
	m->ctx = GW_HANDLE_NONE;
	media_same_done(c, false);
	m->prepared = false;
	m->lost = m->idle_access = m->idle_core = 0;
	event_del(c->timer_consent);
	DL_FOREACH (c->dialogs, d)
		d->on_agw = d->branch_over = false;
}

static void once_more(struct call *c, const char *why)
{
	CALL_LOG(GW_LOG_WARN, "call.move_again", c, "-", "reason=\"%s\" tries=%u", why,
		 c->repair.tries);
	forget_context(c);
	c->repair.adrift = true;
	if (c->repair.tries >= MAX_TRIES) {
		fail(c, why);
		return;
	}
	c->repair.again_ms = session_now_ms() + AGAIN_MS;
	go(c, REPAIR_WAITS);
}

/* No AGW takes it now, as when they are full of the calls of the lost one: as good as no AGW. */
static void refused(struct call *c, const char *why)
{
	struct repair *r = &c->repair;
	uint64_t now = session_now_ms();
	uint64_t ms = AGAIN_MS << (r->refused < AGAIN_MOST ? r->refused : AGAIN_MOST);

	CALL_LOG(GW_LOG_WARN, "call.move_refused", c, "-", "reason=\"%s\" times=%u", why,
		 r->refused + 1);
	forget_context(c);
	r->adrift = true;
	r->refused++;
	r->again_ms = now + ms / 2 + gw_rand_u64() % ms; /* who came together part here */
	go(c, REPAIR_WAITS);
	wait_on(c, now, no_agw);
}

/* @return false: an address of a stream is missing */
static bool take(struct call *c, const struct cscf_iq_outcome *o)
{
	struct cscf_sdp_session *sdp = c->media.sdp;

	for (size_t i = 0; i < cscf_sdp_stream_count(sdp); i++)
		cscf_sdp_clear_local(sdp, i);
	if (media_params_take(c, o->streams, o->n_streams) != GW_OK)
		return false;
	for (size_t i = 0; i < cscf_sdp_stream_count(sdp); i++)
		if (cscf_sdp_stream(sdp, i)->live && !cscf_sdp_stream(sdp, i)->has_local)
			return false;
	return true;
}

static void on_reserved(void *arg, gw_handle call, uint32_t tag, const struct cscf_iq_outcome *o)
{
	struct cscf_session *s = arg;
	struct call *c = gw_handle_find(s->calls, call);

	if (c == NULL || c->released || c->repair.state != REPAIR_RESERVING ||
	    tag != c->repair.tag) {
		gw_metric_inc(&session_metrics[SM_LATE]);
		return;
	}
	call_ident_update(c);
	if (o->err != GW_OK) {
		refused(c, o->detail);
		return;
	}
	c->repair.tries++;
	c->repair.refused = 0;
	c->repair.patient_ms = 0;
	if (!take(c, o)) {
		fail(c, "unusable addresses");
		return;
	}
	c->repair.adrift = c->repair.core_knows = false;
	c->media.verbs_done = MEDIA_VERB_RESTART | MEDIA_VERB_NEW_DTLS; /* it is all new there */
	media_branches_sent(c);
	go(c, REPAIR_WIC);
	offer_to(c, SIDE_WIC);
}

static enum gw_err reserve(struct call *c)
{
	struct media_params *params = NULL;
	char call_id[CALL_ID_MAX + 1];
	struct cscf_iq_ident ident = {.call_id = call_id, .icid = c->icid, .priority = true};
	enum gw_err err = media_params_new(&params, c, MEDIA_ASK_MOVE);
	IqStreamRequest **streams;
	size_t n;

	if (err != GW_OK)
		return err;
	snprintf(call_id, sizeof(call_id), "%s", c->call_id);
	streams = media_params_streams(params, &n);
	c->repair.tag = ++c->media.tag;
	err = n > 0 ? cscf_iq_reserve(c->s->p.iq, &c->media.ctx, c->self, c->repair.tag, &ident,
				      streams, n, on_reserved)
		    : GW_ERR_NOT_FOUND;
	media_params_free(params);
	return err;
}

static void finish(struct call *c)
{
	uint64_t ms = session_now_ms() - c->repair.lost_ms;

	go(c, REPAIR_NONE);
	c->repair.adrift = false;
	gw_metric_inc(&session_metrics[SM_REPAIR_MOVED]);
	gw_metric_add(&session_metrics[SM_REPAIR_MS], (int64_t)ms);
	CALL_LOG(GW_LOG_INFO, "call.moved", c, "-", "ms=%llu tries=%u", (unsigned long long)ms,
		 c->repair.tries);
	cscf_story_note(c->story, CSCF_STORY_GATEWAY, "MOVED",
			cscf_iq_ctx_agw(c->s->p.iq, c->media.ctx));
	own_kick(c);
}

static void start(struct call *c)
{
	enum gw_err err = reserve(c);

	if (err == GW_OK)
		go(c, REPAIR_RESERVING);
	else if (err == GW_ERR_NOT_FOUND) /* no stream lives: there is nothing to move */
		finish(c);
	else
		refused(c, gw_err_name(err));
}

/* ---- the ends ----------------------------------------------------------------------------------
 */

static enum gw_err compose(struct call *c, const struct own *o, struct cscf_sip_msg *msg)
{
	struct cscf_sdp_text sdp;

	if (cscf_sdp_reoffer_moved(c->media.sdp, own_to(o) == SIDE_CORE, &sdp) != CSCF_SDP_OK)
		return GW_ERR_STATE;
	return cscf_sip_msg_set_body(msg, "application/sdp", sdp.p, sdp.n);
}

static bool anything_lives(const struct call *c)
{
	for (size_t i = 0; i < cscf_sdp_stream_count(c->media.sdp); i++)
		if (cscf_sdp_stream(c->media.sdp, i)->live)
			return true;
	return false;
}

static void ask_core(struct call *c)
{
	c->repair.glare = false;
	go(c, REPAIR_CORE);
	offer_to(c, SIDE_CORE);
}

static void wic_moved(struct call *c)
{
	if (!repair_must_yield(c)) {
		ask_core(c);
		return;
	}
	c->repair.again_ms = session_now_ms() + YIELD_MS;
	go(c, REPAIR_YIELD);
}

/* 491 again and again: its end has an offer of its own to make, as soon as its WIC or an AGW is
 * there. It comes, or ours is asked for once more. @return false: that has lasted too long */
static bool wait_for_core(struct call *c)
{
	uint64_t now = session_now_ms();

	if (now - c->repair.lost_ms >= GLARE_MS)
		return false;
	c->repair.glare = true;
	c->repair.again_ms = now + YIELD_MS;
	go(c, REPAIR_YIELD);
	return true;
}

static void yield(struct call *c, uint64_t now)
{
	if (c->repair.adrift)
		once_more(c, "lost again");
	else if (c->repair.core_knows)
		finish(c);
	else if (repair_may_ask(c, now))
		ask_core(c);
}

static void offered(struct call *c, const struct own *o, enum own_outcome outcome,
		    const struct cscf_sip_msg *rsp)
{
	enum side to = own_to(o);

	if (outcome == OWN_DROPPED || c->repair.state == REPAIR_NONE)
		return;
	if (outcome == OWN_GIVEN_UP && to == SIDE_CORE && rsp != NULL &&
	    cscf_sip_msg_status(rsp) == 491 && wait_for_core(c))
		return;
	if (outcome != OWN_DONE || rsp == NULL || cscf_sip_msg_body(rsp).n == 0)
		fail(c, to == SIDE_WIC ? "the WIC did not take it" : "the core did not take it");
	else if (!anything_lives(c))
		fail(c, "no stream is left");
	else if (c->repair.adrift)
		once_more(c, "lost again");
	else if (to == SIDE_WIC)
		wic_moved(c);
	else
		finish(c);
}

static const struct own_kind by_invite = {.name = "move",
					  .method = CSCF_SIP_INVITE,
					  .waits = true,
					  .repairs = true,
					  .compose = compose,
					  .done = offered};

static void offer_to(struct call *c, enum side to)
{
	struct own_order order = {
	    .kind = &by_invite, .dialog = dialog_find(c, gw_slice_str(c->winner)), .to = to};

	if (order.dialog == NULL || own_request(c, &order) != GW_OK)
		fail(c, "cannot be asked");
}

/* ---- whose turn it is
 * ----------------------------------------------------------------------------
 */

static bool is_back(const struct call *c)
{
	return c->conn != 0 && cscf_sip_conn_alive(c->s->p.stack, c->conn, NULL);
}

static void consider(struct call *c, uint64_t now, bool agw)
{
	struct cscf_session *s = c->s;
	struct repair *r = &c->repair;

	if (c->repair.state == REPAIR_YIELD)
		yield(c, now);
	else if (!is_back(c))
		c->repair.patient_ms = 0; /* flow.grace is the clock now */
	else if (!agw)
		wait_on(c, now, no_agw);
	else if (!own_may_offer(c))
		wait_on(c, now, other_offer);
	else if (r->refused == 0 && r->patient_ms != 0)
		r->patient_ms = 0; /* only its turn has to come */
	else if (now >= c->repair.again_ms && s->repair_tokens >= 1000) {
		s->repair_tokens -= 1000;
		start(c);
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

static void on_tick(evutil_socket_t fd, short what, void *arg)
{
	struct cscf_session *s = arg;
	uint64_t now = session_now_ms();
	bool agw = cscf_iq_takes_priority(s->p.iq);
	struct call *c, *next;

	(void)fd;
	(void)what;
	refill(s, now);
	DL_FOREACH_SAFE2(s->repairs, c, next, repair.next) /* frees none: that is the reaper's */
	consider(c, now, agw);
	if (s->repairs != NULL)
		arm(s, TICK_MS);
}

/* ---- begin and end
 * -------------------------------------------------------------------------------
 */

bool repair_begin(struct call *c, const char *why)
{
	struct repair *r = &c->repair;

	if (c->released)
		return false;
	if (!c->s->cfg->reanchor || c->answered_ms == 0) {
		gw_metric_inc(&session_metrics[SM_REPAIR_RELEASED]);
		return false;
	}
	forget_context(c);
	r->adrift = true;
	if (r->state == REPAIR_NONE) {
		r->lost_ms = session_now_ms();
		r->patient_ms = r->again_ms = 0;
		r->tries = r->refused = 0;
		r->glare = false;
		CALL_LOG(GW_LOG_WARN, "call.moving", c, "-", "reason=\"%s\"", why);
		cscf_story_note(c->story, CSCF_STORY_GATEWAY, "MOVES to another AGW", why);
		go(c, REPAIR_WAITS);
	} else if ((r->state == REPAIR_WIC || r->state == REPAIR_CORE) &&
		   own_drop_waiting(c, &by_invite)) {
		once_more(c, why); /* nobody is offered what is lost */
		if (c->released)
			return true;
	}
	media_step_adrift(c);
	return true;
}

void repair_stop(struct call *c)
{
	if (c->repair.state != REPAIR_NONE)
		go(c, REPAIR_NONE);
	c->repair.adrift = false;
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
