/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The engine behind fsm.h: checks masks, logs transitions, arms the state's timer.
 */
#include "common/fsm.h"

#include "common/log.h"

#include <event2/event.h>

#define GW_LOG_MOD "fsm"

static const char *identity(const struct gw_fsm *fsm, char *buf, size_t n)
{
	return fsm->desc->identity != NULL ? fsm->desc->identity(fsm, buf, n) : "";
}

static void on_timer(evutil_socket_t fd, short what, void *arg)
{
	struct gw_fsm *fsm = arg;
	enum gw_err err;

	(void)fd;
	(void)what;
	err = gw_fsm_dispatch(fsm, fsm->desc->timer_event, NULL);
	(void)err; /* a refused timer event is logged by dispatch; nothing else depends on it */
}

enum gw_err gw_fsm_init(struct gw_fsm *fsm, const struct gw_fsm_desc *desc, unsigned first_state,
			void *owner, struct event_base *base)
{
	GW_ASSERT(first_state < desc->n_states);
	fsm->desc = desc;
	fsm->owner = owner;
	fsm->state = first_state;
	fsm->timer = NULL;
	if (base == NULL)
		return GW_OK;
	fsm->timer = evtimer_new(base, on_timer, fsm);
	return fsm->timer != NULL ? GW_OK : GW_ERR_NOMEM;
}

void gw_fsm_fini(struct gw_fsm *fsm)
{
	if (fsm->timer != NULL)
		event_free(fsm->timer);
	fsm->timer = NULL;
}

enum gw_err gw_fsm_dispatch(struct gw_fsm *fsm, unsigned event, void *data)
{
	const struct gw_fsm_state *st = &fsm->desc->states[fsm->state];
	char id[256];

	GW_ASSERT(event < fsm->desc->n_events);
	if ((st->in & GW_BIT(event)) == 0 || st->on_event == NULL) {
		GW_LOG_LIMITED(GW_LOG_WARN, "fsm.refused", "fsm=%s state=%s ev=%s %s",
			       fsm->desc->name, st->name, fsm->desc->event_names[event],
			       identity(fsm, id, sizeof(id)));
		return GW_ERR_STATE;
	}
	st->on_event(fsm, event, data);
	return GW_OK;
}

void gw_fsm_go_timed(struct gw_fsm *fsm, unsigned state, uint32_t timer_ms)
{
	const struct gw_fsm_state *from = &fsm->desc->states[fsm->state];
	char id[256];

	GW_ASSERT(state < fsm->desc->n_states);
	if ((from->out & GW_BIT(state)) == 0) {
		GW_LOG(GW_LOG_ERROR, "fsm.bad_jump", "fsm=%s from=%s to=%s %s", fsm->desc->name,
		       from->name, fsm->desc->states[state].name, identity(fsm, id, sizeof(id)));
		return;
	}
	GW_LOG(GW_LOG_DEBUG, "fsm.state", "fsm=%s from=%s to=%s %s", fsm->desc->name, from->name,
	       fsm->desc->states[state].name, identity(fsm, id, sizeof(id)));
	fsm->state = state;
	if (fsm->timer != NULL) {
		struct timeval tv = {.tv_sec = timer_ms / 1000,
				     .tv_usec = (suseconds_t)(timer_ms % 1000) * 1000};

		(void)evtimer_del(fsm->timer);
		if (timer_ms != GW_FSM_NO_TIMER)
			(void)evtimer_add(fsm->timer, &tv);
	}
	if (fsm->desc->states[state].on_enter != NULL)
		fsm->desc->states[state].on_enter(fsm);
}

void gw_fsm_go(struct gw_fsm *fsm, unsigned state)
{
	GW_ASSERT(state < fsm->desc->n_states);
	gw_fsm_go_timed(fsm, state, fsm->desc->states[state].timer_ms);
}

const char *gw_fsm_state_name(const struct gw_fsm *fsm)
{
	return fsm->desc->states[fsm->state].name;
}
