/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The table of the SIP stack's metrics.
 */
#include "cscf/sip/counters.h"

#define C GW_METRIC_COUNTER
#define G GW_METRIC_GAUGE

/* clang-format off */
struct gw_metric cscf_sip_counters[CSCF_SIP_N_COUNT] = {
	[CSCF_SIP_N_REQ_IN_W2] = {.name = "cscf_sip_requests_total", .labels = "side=\"w2\",dir=\"in\"", .type = C, .help = "Requests received and sent, retransmissions apart"},
	[CSCF_SIP_N_REQ_IN_MW] = {.name = "cscf_sip_requests_total", .labels = "side=\"mw\",dir=\"in\"", .type = C, .help = ""},
	[CSCF_SIP_N_REQ_OUT_W2] = {.name = "cscf_sip_requests_total", .labels = "side=\"w2\",dir=\"out\"", .type = C, .help = ""},
	[CSCF_SIP_N_REQ_OUT_MW] = {.name = "cscf_sip_requests_total", .labels = "side=\"mw\",dir=\"out\"", .type = C, .help = ""},
	[CSCF_SIP_N_RSP_IN_W2] = {.name = "cscf_sip_responses_total", .labels = "side=\"w2\",dir=\"in\"", .type = C, .help = "Responses received and sent"},
	[CSCF_SIP_N_RSP_IN_MW] = {.name = "cscf_sip_responses_total", .labels = "side=\"mw\",dir=\"in\"", .type = C, .help = ""},
	[CSCF_SIP_N_RSP_OUT_W2] = {.name = "cscf_sip_responses_total", .labels = "side=\"w2\",dir=\"out\"", .type = C, .help = ""},
	[CSCF_SIP_N_RSP_OUT_MW] = {.name = "cscf_sip_responses_total", .labels = "side=\"mw\",dir=\"out\"", .type = C, .help = ""},
	[CSCF_SIP_N_RETRANSMIT_IN] = {.name = "cscf_sip_retransmissions_total", .labels = "dir=\"in\"", .type = C, .help = "Retransmitted requests"},
	[CSCF_SIP_N_RETRANSMIT_OUT] = {.name = "cscf_sip_retransmissions_total", .labels = "dir=\"out\"", .type = C, .help = ""},
	[CSCF_SIP_N_SERVER_TXNS] = {.name = "cscf_sip_transactions", .labels = "kind=\"server\"", .type = G, .help = "Transactions alive"},
	[CSCF_SIP_N_CLIENT_TXNS] = {.name = "cscf_sip_transactions", .labels = "kind=\"client\"", .type = G, .help = ""},
	[CSCF_SIP_N_TCP_CONNS] = {.name = "cscf_sip_tcp_connections", .labels = NULL, .type = G, .help = "Open TCP connections on Mw"},
	[CSCF_SIP_N_BAD_ANSWERED] = {.name = "cscf_sip_malformed_total", .labels = "action=\"answered\"", .type = C, .help = "Malformed messages, by what was done"},
	[CSCF_SIP_N_BAD_DROPPED] = {.name = "cscf_sip_malformed_total", .labels = "action=\"dropped\"", .type = C, .help = ""},
	[CSCF_SIP_N_BAD_CLOSED] = {.name = "cscf_sip_malformed_total", .labels = "action=\"closed\"", .type = C, .help = ""},
	[CSCF_SIP_N_NOT_PEER] = {.name = "cscf_sip_refused_total", .labels = "reason=\"not-a-peer\"", .type = C, .help = "Messages refused by the stack, by reason"},
	[CSCF_SIP_N_STRAY_RESPONSE] = {.name = "cscf_sip_refused_total", .labels = "reason=\"stray-response\"", .type = C, .help = ""},
	[CSCF_SIP_N_STRAY_ACK] = {.name = "cscf_sip_refused_total", .labels = "reason=\"unroutable-ack\"", .type = C, .help = ""},
	[CSCF_SIP_N_HOPS] = {.name = "cscf_sip_refused_total", .labels = "reason=\"max-forwards\"", .type = C, .help = ""},
	[CSCF_SIP_N_LOOP] = {.name = "cscf_sip_refused_total", .labels = "reason=\"loop\"", .type = C, .help = ""},
	[CSCF_SIP_N_NO_INVITE] = {.name = "cscf_sip_refused_total", .labels = "reason=\"cancel-of-nothing\"", .type = C, .help = ""},
	[CSCF_SIP_N_PROXY_REQUIRE] = {.name = "cscf_sip_refused_total", .labels = "reason=\"proxy-require\"", .type = C, .help = ""},
	[CSCF_SIP_N_RATE] = {.name = "cscf_sip_refused_total", .labels = "reason=\"rate\"", .type = C, .help = ""},
	[CSCF_SIP_N_OVERLOAD] = {.name = "cscf_sip_refused_total", .labels = "reason=\"overload\"", .type = C, .help = ""},
	[CSCF_SIP_N_DRAINING] = {.name = "cscf_sip_refused_total", .labels = "reason=\"draining\"", .type = C, .help = ""},
	[CSCF_SIP_N_TIMER_BF] = {.name = "cscf_sip_timeouts_total", .labels = "timer=\"b-f\"", .type = C, .help = "Transactions that ran out of time"},
	[CSCF_SIP_N_TIMER_C] = {.name = "cscf_sip_timeouts_total", .labels = "timer=\"c\"", .type = C, .help = ""},
	[CSCF_SIP_N_ABANDONED] = {.name = "cscf_sip_timeouts_total", .labels = "timer=\"unanswered\"", .type = C, .help = ""},
	[CSCF_SIP_N_FAILOVER] = {.name = "cscf_sip_failovers_total", .labels = NULL, .type = C, .help = "Requests tried at a further target"},
	[CSCF_SIP_N_TRANSPORT_ERROR] = {.name = "cscf_sip_transport_errors_total", .labels = "what=\"request\"", .type = C, .help = "Messages that could not be sent"},
	[CSCF_SIP_N_RESPONSE_LOST] = {.name = "cscf_sip_transport_errors_total", .labels = "what=\"response\"", .type = C, .help = ""},
	[CSCF_SIP_N_TCP_REFUSED] = {.name = "cscf_sip_tcp_rejects_total", .labels = "reason=\"limit\"", .type = C, .help = "TCP connections refused or closed"},
	[CSCF_SIP_N_TCP_QUEUE_FULL] = {.name = "cscf_sip_tcp_rejects_total", .labels = "reason=\"queue-full\"", .type = C, .help = ""},
	[CSCF_SIP_N_TCP_BAD_FRAME] = {.name = "cscf_sip_tcp_rejects_total", .labels = "reason=\"bad-frame\"", .type = C, .help = ""},
	[CSCF_SIP_N_DNS_QUERIES] = {.name = "cscf_sip_dns_queries_total", .labels = NULL, .type = C, .help = "RFC 3263 look-ups"},
	[CSCF_SIP_N_DNS_FAILED] = {.name = "cscf_sip_dns_failures_total", .labels = NULL, .type = C, .help = "Look-ups without a target"},
	[CSCF_SIP_N_WS_MIXUP] = {.name = "cscf_sip_via_mixups_total", .labels = NULL, .type = C, .help = "Via says WS on wss or WSS on ws"},
	[CSCF_SIP_N_KEEPALIVE] = {.name = "cscf_sip_keepalives_total", .labels = NULL, .type = C, .help = "CRLF pings answered"},
	[CSCF_SIP_N_LOAD] = {.name = "cscf_overload_load_percent", .labels = NULL, .type = G, .help = "The worst of loop lag, transactions and events"},
	[CSCF_SIP_N_LOAD_LEVEL] = {.name = "cscf_overload_level", .labels = NULL, .type = G, .help = "What is shed: 0 nothing, 1 new users, 2 new calls, 3 refreshes"},
	[CSCF_SIP_N_LOOP_LAG] = {.name = "cscf_loop_lag_milliseconds", .labels = NULL, .type = G, .help = "How late the event loop is, smoothed"},
	[CSCF_SIP_N_SHED_NEW_USER] = {.name = "cscf_overload_shed_total", .labels = "work=\"new-user\"", .type = C, .help = "Requests answered 503 because of overload"},
	[CSCF_SIP_N_SHED_NEW_CALL] = {.name = "cscf_overload_shed_total", .labels = "work=\"new-call\"", .type = C, .help = ""},
	[CSCF_SIP_N_SHED_REFRESH] = {.name = "cscf_overload_shed_total", .labels = "work=\"refresh\"", .type = C, .help = ""},
};
/* clang-format on */

void cscf_sip_counters_register(void)
{
	static bool done;

	if (!done)
		gw_metric_register(cscf_sip_counters, CSCF_SIP_N_COUNT);
	done = true;
}
