/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Life of an association: it outlives its connection until its bindings expire, because the core
 * still sends requests for it and the WIC may come back (DEREG-40, DEREG-43).
 *
 *   LIVE ── flow lost ──> LOST ── flow.grace ──> STRANDED
 *    ^ └── moved (re-REGISTER elsewhere)            │
 *    └────── moved ───────┴─────────────────────────┘        any ── end ──> ENDED
 *
 * Thread: the cscf loop.
 */
#include "cscf/registrar/lost_dereg.h"
#include "cscf/sip/mask.h"

#include <stdio.h>

static const char *const event_names[ASSOC_E_COUNT] = {
    [ASSOC_E_FLOW_LOST] = "FLOW_LOST",
    [ASSOC_E_MOVED] = "MOVED",
    [ASSOC_E_GRACE_OVER] = "GRACE_OVER",
    [ASSOC_E_END] = "END",
};

static void lost(struct gw_fsm *fsm, struct reg_assoc *a)
{
	int64_t grace = a->r->cfg->flow_grace;

	reg_metric_inc(REG_M_FLOW_LOST);
	/* 0 = no grace: still through LOST, so that everybody hears both events in order */
	gw_fsm_go_timed(fsm, ASSOC_S_LOST, grace > 0 ? (uint32_t)grace : 1);
	reg_lost_arm(a);
	reg_emit(a->r, CSCF_REGISTRAR_EV_FLOW_LOST, a->handle, a->conn->id, 0);
}

static void moved(struct gw_fsm *fsm, struct reg_assoc *a, const uint64_t *old_conn)
{
	gw_fsm_go(fsm, ASSOC_S_LIVE);
	reg_lost_disarm(a);
	reg_emit(a->r, CSCF_REGISTRAR_EV_REATTACHED, a->handle, *old_conn, a->conn->id);
}

static void on_event(struct gw_fsm *fsm, unsigned event, void *data)
{
	struct reg_assoc *a = fsm->owner;
	uint64_t conn = a->conn->id;

	switch ((enum assoc_event)event) {
	case ASSOC_E_FLOW_LOST:
		lost(fsm, a);
		break;
	case ASSOC_E_MOVED:
		moved(fsm, a, data);
		break;
	case ASSOC_E_GRACE_OVER:
		gw_fsm_go(fsm, ASSOC_S_STRANDED);
		reg_emit(a->r, CSCF_REGISTRAR_EV_GRACE_OVER, a->handle, conn, 0);
		break;
	case ASSOC_E_END:
		gw_fsm_go(fsm, ASSOC_S_ENDED);
		reg_emit(a->r, CSCF_REGISTRAR_EV_ENDED, a->handle, conn, 0);
		break;
	case ASSOC_E_COUNT:
		break;
	}
}

static const struct gw_fsm_state states[ASSOC_S_COUNT] = {
    [ASSOC_S_LIVE] =
	{
	    .name = "LIVE",
	    .in = GW_BIT(ASSOC_E_FLOW_LOST) | GW_BIT(ASSOC_E_MOVED) | GW_BIT(ASSOC_E_END),
	    .out = GW_BIT(ASSOC_S_LIVE) | GW_BIT(ASSOC_S_LOST) | GW_BIT(ASSOC_S_ENDED),
	    .on_event = on_event,
	},
    /* the WebSocket is gone; flow.grace runs (the timer is set on entry from the config) */
    [ASSOC_S_LOST] =
	{
	    .name = "LOST",
	    .in = GW_BIT(ASSOC_E_MOVED) | GW_BIT(ASSOC_E_GRACE_OVER) | GW_BIT(ASSOC_E_END),
	    .out = GW_BIT(ASSOC_S_LIVE) | GW_BIT(ASSOC_S_STRANDED) | GW_BIT(ASSOC_S_ENDED),
	    .on_event = on_event,
	},
    /* no call is left; the record answers 430 or 480 until it expires */
    [ASSOC_S_STRANDED] =
	{
	    .name = "STRANDED",
	    .in = GW_BIT(ASSOC_E_MOVED) | GW_BIT(ASSOC_E_END),
	    .out = GW_BIT(ASSOC_S_LIVE) | GW_BIT(ASSOC_S_ENDED),
	    .on_event = on_event,
	},
    [ASSOC_S_ENDED] = {.name = "ENDED"},
};

static const char *identity(const struct gw_fsm *fsm, char *buf, size_t n)
{
	const struct reg_assoc *a = fsm->owner;

	snprintf(buf, n, "impi=\"%s\" conn=%llu", cscf_sip_mask(a->impi->impi),
		 (unsigned long long)a->conn->id);
	return buf;
}

const struct gw_fsm_desc reg_assoc_fsm = {
    .name = "assoc",
    .states = states,
    .n_states = ASSOC_S_COUNT,
    .event_names = event_names,
    .n_events = ASSOC_E_COUNT,
    .timer_event = ASSOC_E_GRACE_OVER,
    .identity = identity,
};
