/* SPDX-License-Identifier: Apache-2.0 */
/* Counters of the reg-event subscriber. Thread: the cscf loop writes. */
#include "cscf/regevent/regevent_int.h"

#include "common/metric.h"

#define SUBSCRIBES(w)                                                                              \
	{                                                                                          \
		.name = "cscf_regevent_subscribes_total", .labels = "result=\"" w "\"",            \
		.help = "SUBSCRIBEs of our own by result"                                          \
	}
#define NOTIFIES(w)                                                                                \
	{                                                                                          \
		.name = "cscf_regevent_notifies_total", .labels = "result=\"" w "\"",              \
		.help = "NOTIFYs to us by what came of them"                                       \
	}

static struct gw_metric table[RE_M_COUNT] = {
    [RE_M_SUBSCRIPTIONS] = {.name = "cscf_regevent_subscriptions",
			    .type = GW_METRIC_GAUGE,
			    .help = "Registered users with a reg-event subscription of ours"},
    [RE_M_ACCEPTED] = SUBSCRIBES("accepted"),
    [RE_M_REFUSED] = SUBSCRIBES("refused"),
    [RE_M_NO_ANSWER] = SUBSCRIBES("no-answer"),
    [RE_M_NOT_SENT] = SUBSCRIBES("not-sent"),
    [RE_M_LIMIT] = SUBSCRIBES("over-limit"),
    [RE_M_GAVE_UP] = {.name = "cscf_regevent_gave_up_total",
		      .help = "Users whose subscription the core refused for good"},
    [RE_M_ALARM] = {.name = "cscf_regevent_alarms_total",
		    .help = "Subscriptions that failed regevent.max_failures times in a row"},
    [RE_M_RESYNC] = {.name = "cscf_regevent_resyncs_total",
		     .help = "Refreshes to get the full state again"},
    [RE_M_N_APPLIED] = NOTIFIES("applied"),
    [RE_M_N_STALE] = NOTIFIES("stale-version"),
    [RE_M_N_EMPTY] = NOTIFIES("no-document"),
    [RE_M_N_LATE] = NOTIFIES("user-gone"),
    [RE_M_N_UNKNOWN] = NOTIFIES("unknown-dialog"),
    [RE_M_N_FORGED] = NOTIFIES("from-wic"),
    [RE_M_N_ORDER] = NOTIFIES("cseq"),
    [RE_M_N_BAD_EVENT] = NOTIFIES("bad-event"),
    [RE_M_N_BAD_STATE] = NOTIFIES("bad-state"),
    [RE_M_N_BAD_TYPE] = NOTIFIES("bad-type"),
    [RE_M_N_BAD_DOCUMENT] = NOTIFIES("bad-document"),
};

void re_metric_inc(enum re_metric m)
{
	gw_metric_inc(&table[m]);
}

void re_metric_set(enum re_metric m, int64_t v)
{
	gw_metric_set(&table[m], v);
}

void re_metrics_register(void)
{
	gw_metric_register(table, RE_M_COUNT);
}

void re_metrics_unregister(void)
{
	gw_metric_unregister(table);
}
