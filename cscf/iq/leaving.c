/* SPDX-License-Identifier: Apache-2.0 */
/*
 * An AGW drains and has said until when: what is still there at its end would be lost and moved all
 * at once. So its calls are asked to leave before that, a few at a time, agw.move_before ahead, but
 * never in the first three quarters of the drain: most calls end by themselves.
 * Another deadline, as of a SIGTERM in the middle of a long drain, begins that anew.
 * Who may not leave just now is asked again. Without a deadline nobody is asked.
 * Thread: the cscf loop. Spec: calls-and-media 5.3 Drain; IQ-14, REL-12.
 */
#include "cscf/iq/iq_int.h"

#define GW_LOG_MOD   "iq"
#define TICK_MS      50
#define ASKED_A_TICK 64
#define SAME_END_MS  1500U

static void arm(struct event *ev, uint64_t ms)
{
	struct timeval tv = {(time_t)(ms / 1000U), (suseconds_t)(ms % 1000U * 1000U)};

	event_add(ev, &tv);
}

static void on_tick(evutil_socket_t fd, short what, void *arg)
{
	struct cscf_iq_link *link = arg;
	struct cscf_iq *iq = link->iq;
	size_t n = link->n_ctx < ASKED_A_TICK ? link->n_ctx : ASKED_A_TICK;

	(void)fd;
	(void)what;
	for (; n > 0 && link->ctxs != NULL; n--) {
		struct iq_ctx *ctx = link->ctxs; /* the next time the others come first */

		DL_DELETE(link->ctxs, ctx);
		DL_APPEND(link->ctxs, ctx);
		if (ctx->reserving)
			continue;
		if (!iq->attached || iq->cbs.on_leaving == NULL ||
		    !iq->cbs.on_leaving(iq->arg, ctx->call, "AGW drains"))
			break;
	}
	if (link->n_ctx > 0)
		arm(link->leave_timer, TICK_MS);
}

void iq_leaving_stop(struct cscf_iq_link *link)
{
	if (link->leave_timer != NULL)
		event_free(link->leave_timer);
	link->leave_timer = NULL;
}

/* Told in whole seconds, and some time on its way. */
static bool is_near(uint64_t a, uint64_t b)
{
	return a < b ? b - a <= SAME_END_MS : a - b <= SAME_END_MS;
}

void iq_leaving_note(struct cscf_iq_link *link, const IqAgwState *state)
{
	uint64_t total = (uint64_t)state->deadline_s * 1000U, ahead = total / 4;
	uint64_t end = iq_now_ms() + total;

	if (state->state != IQ_V(AGW_STATE__STATE__DRAINING) || total == 0 ||
	    link->iq->cfg.move_before == 0) {
		iq_leaving_stop(link);
		return;
	}
	if (link->leave_timer != NULL && is_near(end, link->leave_end_ms))
		return; /* it says the same deadline again, with its load */
	iq_leaving_stop(link);
	if (ahead > (uint64_t)link->iq->cfg.move_before)
		ahead = (uint64_t)link->iq->cfg.move_before;
	link->leave_timer = evtimer_new(link->iq->base, on_tick, link);
	if (link->leave_timer == NULL)
		return; /* they are moved when it is out of service */
	link->leave_end_ms = end;
	arm(link->leave_timer, total - ahead);
	GW_LOG(GW_LOG_INFO, "iq.leaving", "agw=%s contexts=%zu in_ms=%llu", link->agw_id,
	       link->n_ctx, (unsigned long long)(total - ahead));
}
