/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Counters of the registrar: every way a REGISTER or an association can end has one (SEC-26).
 * Thread: the cscf loop writes.
 */
#include "cscf/registrar/reg_int.h"

#include "common/metric.h"

#define NAME "cscf_registers_total"
#define HELP "REGISTERs from WICs by result"
#define TOK  "cscf_register_tokens_total"
#define THLP "REGISTERs with a web token by what came of it"
#define REL  "cscf_pool_release_notices_total"
#define RHLP "Notices to the WAF that an identity of a pool is free"
#define END  "cscf_registration_events_total"
#define EHLP "Registrations that ended, lost their flow or moved"

static struct gw_metric table[REG_M_COUNT] = {
    [REG_M_REFUSED] = {.name = NAME, .labels = "result=\"refused-here\"", .help = HELP},
    [REG_M_CHALLENGED] = {.name = NAME, .labels = "result=\"challenged\"", .help = HELP},
    [REG_M_ACCEPTED] = {.name = NAME, .labels = "result=\"accepted\"", .help = HELP},
    [REG_M_AUTH_FAILED] = {.name = NAME, .labels = "result=\"auth-failed\"", .help = HELP},
    [REG_M_CORE_REFUSED] = {.name = NAME, .labels = "result=\"refused-by-core\"", .help = HELP},
    [REG_M_CORE_GONE] = {.name = NAME, .labels = "result=\"core-unreachable\"", .help = HELP},
    [REG_M_DEREGISTERED] = {.name = NAME, .labels = "result=\"deregistered\"", .help = HELP},
    [REG_M_STILL_BOUND] = {.name = NAME, .labels = "result=\"still-bound\"", .help = HELP},
    [REG_M_EXPIRED] = {.name = END, .labels = "event=\"expired\"", .help = EHLP},
    [REG_M_FLOW_LOST] = {.name = END, .labels = "event=\"flow-lost\"", .help = EHLP},
    [REG_M_REPLACED] = {.name = END, .labels = "event=\"moved\"", .help = EHLP},
    [REG_M_TOKEN_GOOD] = {.name = TOK, .labels = "outcome=\"good\"", .help = THLP},
    [REG_M_TOKEN_MALFORMED] = {.name = TOK, .labels = "outcome=\"malformed\"", .help = THLP},
    [REG_M_TOKEN_INVALID] = {.name = TOK, .labels = "outcome=\"invalid\"", .help = THLP},
    [REG_M_TOKEN_DENIED] = {.name = TOK, .labels = "outcome=\"denied\"", .help = THLP},
    [REG_M_TOKEN_UNAVAILABLE] = {.name = TOK, .labels = "outcome=\"unavailable\"", .help = THLP},
    [REG_M_TOKEN_IDENTITY] = {.name = TOK, .labels = "outcome=\"identity\"", .help = THLP},
    [REG_M_TOKEN_OTHER_USER] = {.name = TOK, .labels = "outcome=\"other-user\"", .help = THLP},
    [REG_M_TOKEN_IN_USE] = {.name = TOK, .labels = "outcome=\"in-use\"", .help = THLP},
    [REG_M_TOKEN_POOL] = {.name = TOK, .labels = "outcome=\"pool-in-use\"", .help = THLP},
    [REG_M_TOKEN_TOO_SHORT] = {.name = TOK, .labels = "outcome=\"too-short\"", .help = THLP},
    [REG_M_TNA_REFUSED] = {.name = "cscf_tna_refused_total",
			   .help = "REGISTERs of the trusted node that the core challenged"},
    [REG_M_NETWORK_ENDED] = {.name = END, .labels = "event=\"network-ended\"", .help = EHLP},
    [REG_M_NETWORK_SHORTENED] = {.name = END,
				 .labels = "event=\"network-shortened\"",
				 .help = EHLP},
    [REG_M_ELSEWHERE] = {.name = END, .labels = "event=\"renewed-elsewhere\"", .help = EHLP},
    [REG_M_LOST_DEREG] = {.name = END, .labels = "event=\"lost-deregistered\"", .help = EHLP},
    [REG_M_RELEASE_TOLD] = {.name = REL, .labels = "result=\"told\"", .help = RHLP},
    [REG_M_RELEASE_RETRY] = {.name = REL, .labels = "result=\"retry\"", .help = RHLP},
    [REG_M_RELEASE_FAILED] = {.name = REL, .labels = "result=\"failed\"", .help = RHLP},
    [REG_M_ASSOCS] = {.name = "cscf_associations",
		      .type = GW_METRIC_GAUGE,
		      .help = "TLS associations, lost flows included"},
};

void reg_metric_inc(enum reg_metric m)
{
	gw_metric_inc(&table[m]);
}

void reg_metric_set(enum reg_metric m, int64_t v)
{
	gw_metric_set(&table[m], v);
}

void reg_metrics_register(void)
{
	static bool done;

	if (!done)
		gw_metric_register(table, REG_M_COUNT);
	done = true;
}
