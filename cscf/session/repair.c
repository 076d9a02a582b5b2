/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A call whose AGW is gone goes on at another one (agw.failure_action=reanchor): the media that is
 * agreed is reserved there and offered anew to both ends, without either asking for it.
 *
 *   context lost ─> WAITS ─ turn, AGW, WIC there ─> RESERVING ─> WIC ─ 2xx ─> CORE ─ 2xx ─> NONE
 *                     ^──────── refused, lost again ────┴─────────┴────────────┘ │
 *                     └─ agw.repair_timeout, or an end refuses ─> BYE both ways  └> TELL ─> NONE
 *
 * The WIC first: its ICE and DTLS begin while the core is being asked, and what it sends goes to
 * where the core's end was all along. agw.repair_rate bounds how many calls begin in a second, so
 * that a thousand lost at once do not run the other AGWs over; emergency calls go first.
 * From the loss to the end, offers of either party are answered 491: ours comes. But while only the
 * core is left to be asked, its own offer does as well. A stream that the core refuses is taken
 * back from the WIC (TELL): it would send, and check its path, to ports that are nobody's. Where
 * both ends are WICs of ours, one waits for the other (YIELD; repair_twin.c). What was being agreed
 * when the AGW went is agreed without it (media_step.c). A WIC that is away is waited for as long
 * as flow.grace lasts. Calls without a final answer are released at once.
 *
 * A call whose AGW is about to end (repair_leave) has its media reserved elsewhere first, and is
 * served where it is until that is answered; where nobody takes it, it stays.
 *
 * Not here: the descriptions (cscf/sdp/moved.c), the requests themselves (own.c).
 * Thread: the cscf loop. Spec: calls-and-media 2.10; REL-12, ICE-18, DTLS-20, CALL-28.
 */
#include "cscf/session/own.h"
#include "cscf/session/repair_int.h"

#include "common/rand.h"

#include <event2/event.h>
#include <stdio.h>

#define GW_LOG_MOD "session"
#define AGAIN_MS   500U /* after an AGW refused; then twice that, four times that */
#define AGAIN_MOST 2U
#define MAX_TRIES  5U
#define STAY_MS    1000U   /* nobody else leaves after one that no AGW took */
#define GLARE_MS   120000U /* that long the core's end may wait for something of its own */

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
	    !cscf_sdp_round_from_wic(sdp)) {
		c->repair.core_knows = true;
		repair_kick(c);
	}
}

void repair_fail(struct call *c, const char *why)
{
	CALL_LOG(GW_LOG_WARN, "call.move_failed", c, "-", "reason=\"%s\" ms=%llu", why,
		 (unsigned long long)(session_now_ms() - c->repair.lost_ms));
	cscf_story_note(c->story, CSCF_STORY_GATEWAY, "MOVE FAILED", why);
	gw_metric_inc(&session_metrics[SM_REPAIR_FAILED]);
	call_release_cause(c, CAUSE_AGW_LOST);
}

/* ---- at the new AGW ----------------------------------------------------------------------------
 */

static void offer_to(struct call *c, enum side to);

/* What the context that it leaves has counted. */
static void on_left(void *arg, gw_handle call, uint32_t tag, const struct cscf_iq_outcome *o)
{
	struct cscf_session *s = arg;
	struct call *c = gw_handle_find(s->calls, call);

	(void)tag;
	if (c == NULL)
		return;
	record_stats(c, o);
	record_keep_stats(c);
}

/* Nothing of a context remains in the call. @param on_released  NULL: it never had media */
static void forget_context(struct call *c, cscf_iq_done_fn *on_released)
{
	struct media *m = &c->media;
	struct dialog *d;
	bool told =
	    cscf_iq_release(c->s->p.iq, m->ctx, 0, "call moves to another AGW", on_released);

	if (m->ctx != GW_HANDLE_NONE && on_released != NULL && !told) {
		record_incomplete(c, "agw-lost");
		record_keep_stats(c);
	}
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
	forget_context(c, on_left);
	c->repair.adrift = true;
	if (c->repair.tries >= MAX_TRIES) {
		repair_fail(c, why);
		return;
	}
	c->repair.again_ms = session_now_ms() + AGAIN_MS;
	repair_go(c, REPAIR_WAITS);
}

/* No AGW takes it now, as when they are full of the calls of the lost one: as good as no AGW. */
static void refused(struct call *c, const char *why)
{
	struct repair *r = &c->repair;
	uint64_t now = session_now_ms();
	uint64_t ms = AGAIN_MS << (r->refused < AGAIN_MOST ? r->refused : AGAIN_MOST);

	CALL_LOG(GW_LOG_WARN, "call.move_refused", c, "-", "reason=\"%s\" times=%u", why,
		 r->refused + 1);
	forget_context(c, NULL);
	r->adrift = true;
	r->refused++;
	r->again_ms = now + ms / 2 + gw_rand_u64() % ms; /* who came together part here */
	if (r->patient_ms == 0)
		r->patient_ms = now + (uint64_t)c->s->cfg->repair_timeout;
	if (now >= r->patient_ms)
		repair_fail(c, "no AGW");
	else
		repair_go(c, REPAIR_WAITS);
}

/* The same for one that its own AGW still serves: nothing has happened to it. */
static void stays(struct call *c, const char *why)
{
	CALL_LOG(GW_LOG_INFO, "call.stays", c, "-", "reason=\"%s\"", why);
	cscf_story_note(c->story, CSCF_STORY_GATEWAY, "STAYS", why);
	gw_metric_inc(&session_metrics[SM_REPAIR_STAYED]);
	cscf_iq_release(c->s->p.iq, c->repair.next_ctx, 0, "call stays where it is", NULL);
	c->repair.next_ctx = GW_HANDLE_NONE;
	c->s->no_leave_ms = session_now_ms() + STAY_MS;
	repair_go(c, REPAIR_NONE);
	own_kick(c);
}

/* What it leaves has served it until now. */
static void leave_old(struct call *c)
{
	gw_handle next = c->repair.next_ctx;

	if (next == GW_HANDLE_NONE)
		return;
	c->repair.next_ctx = GW_HANDLE_NONE;
	forget_context(c, on_left);
	c->media.ctx = next;
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
	if (o->err != GW_OK && c->repair.next_ctx != GW_HANDLE_NONE) {
		stays(c, o->detail);
		return;
	}
	leave_old(c);
	call_ident_update(c);
	if (o->err != GW_OK) {
		refused(c, o->detail);
		return;
	}
	c->repair.tries++;
	c->repair.refused = 0;
	c->repair.patient_ms = 0;
	if (!take(c, o)) {
		repair_fail(c, "unusable addresses");
		return;
	}
	c->repair.adrift = c->repair.core_knows = false;
	c->media.verbs_done = MEDIA_VERB_RESTART | MEDIA_VERB_NEW_DTLS; /* it is all new there */
	media_branches_sent(c);
	repair_go(c, REPAIR_WIC);
	offer_to(c, SIDE_WIC);
}

static enum gw_err reserve(struct call *c, gw_handle *ctx)
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
	err = n > 0 ? cscf_iq_reserve(c->s->p.iq, ctx, c->self, c->repair.tag, &ident, streams, n,
				      on_reserved)
		    : GW_ERR_NOT_FOUND;
	media_params_free(params);
	return err;
}

static void finish(struct call *c)
{
	uint64_t ms = session_now_ms() - c->repair.lost_ms;

	repair_go(c, REPAIR_NONE);
	c->repair.adrift = false;
	c->moves++;
	gw_metric_inc(&session_metrics[SM_REPAIR_MOVED]);
	gw_metric_add(&session_metrics[SM_REPAIR_MS], (int64_t)ms);
	CALL_LOG(GW_LOG_INFO, "call.moved", c, "-", "ms=%llu tries=%u", (unsigned long long)ms,
		 c->repair.tries);
	cscf_story_note(c->story, CSCF_STORY_GATEWAY, "MOVED",
			cscf_iq_ctx_agw(c->s->p.iq, c->media.ctx));
	own_kick(c);
}

void repair_start(struct call *c)
{
	enum gw_err err = reserve(c, &c->media.ctx);

	if (err == GW_OK)
		repair_go(c, REPAIR_RESERVING);
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

static unsigned count_live(const struct call *c)
{
	unsigned n = 0;

	for (size_t i = 0; i < cscf_sdp_stream_count(c->media.sdp); i++)
		n += cscf_sdp_stream(c->media.sdp, i)->live;
	return n;
}

static void ask_core(struct call *c)
{
	c->repair.glare = false;
	repair_go(c, REPAIR_CORE);
	offer_to(c, SIDE_CORE);
}

/* Its answers only take streams away: each one that does is told the other end, then it is over. */
static void wic_moved(struct call *c)
{
	unsigned live = count_live(c);
	bool told = c->repair.state == REPAIR_TELL;

	if (told && live == c->repair.n_live) {
		finish(c);
		return;
	}
	c->repair.n_live = live;
	if (told || !repair_must_yield(c)) {
		ask_core(c);
		return;
	}
	c->repair.again_ms = session_now_ms() + REPAIR_YIELD_MS;
	repair_go(c, REPAIR_YIELD);
}

static void core_moved(struct call *c)
{
	unsigned live = count_live(c);

	if (live == c->repair.n_live) {
		finish(c);
		return;
	}
	c->repair.n_live = live;
	repair_go(c, REPAIR_TELL);
	offer_to(c, SIDE_WIC);
}

/* 491 again and again: its end has an offer of its own to make, as soon as its WIC or an AGW is
 * there. It comes, or ours is asked for once more. @return false: that has lasted too long */
static bool wait_for_core(struct call *c)
{
	uint64_t now = session_now_ms();

	if (now - c->repair.lost_ms >= GLARE_MS)
		return false;
	c->repair.glare = true;
	c->repair.again_ms = now + REPAIR_YIELD_MS;
	repair_go(c, REPAIR_YIELD);
	return true;
}

void repair_yield(struct call *c, uint64_t now)
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
	if (outcome != OWN_DONE && c->repair.state == REPAIR_TELL && !c->repair.adrift)
		finish(c); /* what is left is agreed on both sides */
	else if (outcome != OWN_DONE || rsp == NULL || cscf_sip_msg_body(rsp).n == 0)
		repair_fail(c, to == SIDE_WIC ? "the WIC did not take it"
					      : "the core did not take it");
	else if (count_live(c) == 0)
		repair_fail(c, "no stream is left");
	else if (c->repair.adrift)
		once_more(c, "lost again");
	else if (to == SIDE_WIC)
		wic_moved(c);
	else
		core_moved(c);
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
		repair_fail(c, "cannot be asked");
}

/* ---- begin and end
 * -------------------------------------------------------------------------------
 */

static void begin(struct call *c, enum repair_state state, const char *why)
{
	struct repair *r = &c->repair;

	r->lost_ms = session_now_ms();
	r->patient_ms = r->again_ms = r->offer_ms = 0;
	r->tries = r->refused = 0;
	r->glare = false;
	CALL_LOG(GW_LOG_WARN, "call.moving", c, "-", "reason=\"%s\"", why);
	cscf_story_note(c->story, CSCF_STORY_GATEWAY, "MOVES to another AGW", why);
	repair_go(c, state);
}

void repair_leave(struct call *c, const char *why)
{
	enum gw_err err;

	if (!c->s->cfg->reanchor || !repair_wait_init(c))
		return;
	begin(c, REPAIR_RESERVING, why);
	err = reserve(c, &c->repair.next_ctx);
	if (err == GW_ERR_NOT_FOUND) { /* no stream lives: there is nothing to move */
		forget_context(c, on_left);
		finish(c);
	} else if (err != GW_OK) {
		stays(c, gw_err_name(err));
	}
}

bool repair_begin(struct call *c, const char *why)
{
	struct repair *r = &c->repair;

	if (c->released)
		return false;
	if (!c->s->cfg->reanchor || c->answered_ms == 0 || !repair_wait_init(c)) {
		gw_metric_inc(&session_metrics[SM_REPAIR_RELEASED]);
		return false;
	}
	if (r->next_ctx != GW_HANDLE_NONE) {
		leave_old(c); /* it was about to: another AGW is being asked */
		r->adrift = true;
		return true;
	}
	forget_context(c, r->state == REPAIR_RESERVING ? NULL : on_left);
	r->adrift = true;
	if (r->state == REPAIR_NONE) {
		begin(c, REPAIR_WAITS, why);
	} else if (own_drop_waiting(c, &by_invite)) {
		once_more(c, why); /* nobody is offered what is lost */
		if (c->released)
			return true;
	}
	repair_kick(c);
	media_step_adrift(c);
	return true;
}

void repair_stop(struct call *c)
{
	if (c->repair.state != REPAIR_NONE)
		repair_go(c, REPAIR_NONE);
	c->repair.adrift = false;
	cscf_iq_release(c->s->p.iq, c->repair.next_ctx, 0, "call ends", NULL);
	c->repair.next_ctx = GW_HANDLE_NONE;
}
