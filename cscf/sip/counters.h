/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Metrics of the SIP stack, one table; see counters.c for the meanings.
 */
#ifndef CSCF_SIP_COUNTERS_H
#define CSCF_SIP_COUNTERS_H

#include "common/metric.h"
#include "cscf/sip/flow.h"

enum cscf_sip_counter {
	CSCF_SIP_N_REQ_IN_W2,
	CSCF_SIP_N_REQ_IN_MW,
	CSCF_SIP_N_REQ_OUT_W2,
	CSCF_SIP_N_REQ_OUT_MW,
	CSCF_SIP_N_RSP_IN_W2,
	CSCF_SIP_N_RSP_IN_MW,
	CSCF_SIP_N_RSP_OUT_W2,
	CSCF_SIP_N_RSP_OUT_MW,
	CSCF_SIP_N_RETRANSMIT_IN,
	CSCF_SIP_N_RETRANSMIT_OUT,
	CSCF_SIP_N_SERVER_TXNS,
	CSCF_SIP_N_CLIENT_TXNS,
	CSCF_SIP_N_TCP_CONNS,
	CSCF_SIP_N_BAD_ANSWERED,
	CSCF_SIP_N_BAD_DROPPED,
	CSCF_SIP_N_BAD_CLOSED,
	CSCF_SIP_N_NOT_PEER,
	CSCF_SIP_N_STRAY_RESPONSE,
	CSCF_SIP_N_STRAY_ACK,
	CSCF_SIP_N_HOPS,
	CSCF_SIP_N_LOOP,
	CSCF_SIP_N_NO_INVITE,
	CSCF_SIP_N_PROXY_REQUIRE,
	CSCF_SIP_N_RATE,
	CSCF_SIP_N_OVERLOAD,
	CSCF_SIP_N_DRAINING,
	CSCF_SIP_N_TIMER_BF,
	CSCF_SIP_N_TIMER_C,
	CSCF_SIP_N_ABANDONED,
	CSCF_SIP_N_FAILOVER,
	CSCF_SIP_N_TRANSPORT_ERROR,
	CSCF_SIP_N_RESPONSE_LOST,
	CSCF_SIP_N_TCP_REFUSED,
	CSCF_SIP_N_TCP_QUEUE_FULL,
	CSCF_SIP_N_TCP_BAD_FRAME,
	CSCF_SIP_N_DNS_QUERIES,
	CSCF_SIP_N_DNS_FAILED,
	CSCF_SIP_N_WS_MIXUP,
	CSCF_SIP_N_KEEPALIVE,
	CSCF_SIP_N_LOAD,
	CSCF_SIP_N_LOAD_LEVEL,
	CSCF_SIP_N_LOOP_LAG,
	CSCF_SIP_N_SHED_NEW_USER, /* in the order of enum cscf_sip_work */
	CSCF_SIP_N_SHED_NEW_CALL,
	CSCF_SIP_N_SHED_REFRESH,
	CSCF_SIP_N_COUNT
};

extern struct gw_metric cscf_sip_counters[CSCF_SIP_N_COUNT];

/** Add the table to the exposition, once. */
void cscf_sip_counters_register(void);

static inline void cscf_sip_count(enum cscf_sip_counter c)
{
	gw_metric_inc(&cscf_sip_counters[c]);
}

/** The side-specific one of a pair whose W2 member is given. */
static inline void cscf_sip_count_side(enum cscf_sip_counter w2, enum cscf_sip_side side)
{
	gw_metric_inc(&cscf_sip_counters[w2 + (side == CSCF_SIP_MW ? 1u : 0u)]);
}

#endif
