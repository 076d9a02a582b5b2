/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Declared state machines: a machine is a table of states, each with the events it takes and
 * the states it may go to. The engine refuses what is not listed (counted, logged, nothing
 * changed), logs each transition once, and arms the state's timer.
 * Thread: the loop thread that owns the libevent base given at init.
 */
#ifndef COMMON_FSM_H
#define COMMON_FSM_H

#include "common/err.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define GW_BIT(n)       (UINT64_C(1) << (n))
#define GW_FSM_NO_TIMER 0

struct event;
struct event_base;
struct gw_fsm;

/** One event in one state. `data` belongs to the event; what it is, the machine documents. */
typedef void gw_fsm_event_fn(struct gw_fsm *fsm, unsigned event, void *data);

struct gw_fsm_state {
	const char *name;
	uint64_t in;               /* events taken here: GW_BIT(event) */
	uint64_t out;              /* states allowed next: GW_BIT(state) */
	uint32_t timer_ms;         /* armed on entry; GW_FSM_NO_TIMER = none */
	gw_fsm_event_fn *on_event; /* all that happens in this state */
	void (*on_enter)(struct gw_fsm *fsm);
};

struct gw_fsm_desc {
	const char *name; /* "reg" */
	const struct gw_fsm_state *states;
	unsigned n_states;
	const char *const *event_names;
	unsigned n_events;
	unsigned timer_event; /* event delivered when the state's timer fires */
	/* Identity keys of the owner for the log line ("impu=… flow=…"); may be NULL. */
	const char *(*identity)(const struct gw_fsm *fsm, char *buf, size_t n);
};

/* Embedded in the owner; `owner` leads back to it. */
struct gw_fsm {
	const struct gw_fsm_desc *desc;
	void *owner;         /* borrowed: outlives us */
	struct event *timer; /* owned */
	unsigned state;
};

/** @return GW_OK or GW_ERR_NOMEM. `base` may be NULL when no state has a timer. */
enum gw_err gw_fsm_init(struct gw_fsm *fsm, const struct gw_fsm_desc *desc, unsigned first_state,
			void *owner, struct event_base *base) GW_MUST_CHECK;
void gw_fsm_fini(struct gw_fsm *fsm);

/** Deliver an event. @return GW_ERR_STATE when the state does not take it. */
enum gw_err gw_fsm_dispatch(struct gw_fsm *fsm, unsigned event, void *data);

/** Go to a state (from within on_event). A jump not listed in `out` is refused and logged. */
void gw_fsm_go(struct gw_fsm *fsm, unsigned state);
/** Like gw_fsm_go, with another timer than the table's (a configured value), in ms. */
void gw_fsm_go_timed(struct gw_fsm *fsm, unsigned state, uint32_t timer_ms);

const char *gw_fsm_state_name(const struct gw_fsm *fsm);

#endif
