/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What happened to tokens and to the issuers' endpoints, in numbers.
 */
#include "cscf/authz/authz_int.h"

#include "common/metric.h"

#define ROW(name, labels, type, help)                                                              \
	{                                                                                          \
		name, labels, GW_METRIC_##type, help, NULL, NULL, 0                                \
	}

static struct gw_metric verdicts[] = {
#define X(name, verdict, word, phrase)                                                             \
	[CSCF_AUTHZ_R_##name] = ROW("cscf_authz_verdicts_total", "reason=\"" word "\"", COUNTER,   \
				    "Tokens judged, by reason"),
    CSCF_AUTHZ_REASON_LIST(X)
#undef X
};

enum { M_FETCH_OK, M_FETCH_BAD, M_ACTIVE, M_INACTIVE, M_ASK_BAD, M_HIT, M_MISS, M_WAITING };
#define FETCH(r) ROW("cscf_authz_jwks_fetches_total", "result=\"" r "\"", COUNTER, "JWKS fetches")
#define ASK(r)   ROW("cscf_authz_introspections_total", "result=\"" r "\"", COUNTER, "Introspections")
#define CACHE(r)                                                                                   \
	ROW("cscf_authz_cache_total", "result=\"" r "\"", COUNTER, "Look-ups of verified tokens")
static struct gw_metric more[] = {
    [M_FETCH_OK] = FETCH("ok"),
    [M_FETCH_BAD] = FETCH("failed"),
    [M_ACTIVE] = ASK("active"),
    [M_INACTIVE] = ASK("inactive"),
    [M_ASK_BAD] = ASK("failed"),
    [M_HIT] = CACHE("hit"),
    [M_MISS] = CACHE("miss"),
    [M_WAITING] = ROW("cscf_authz_waiting", NULL, GAUGE, "Requests that wait for a WAF"),
};

void metric_init(void)
{
	gw_metric_register(verdicts, sizeof(verdicts) / sizeof(verdicts[0]));
	gw_metric_register(more, sizeof(more) / sizeof(more[0]));
}

void metric_reason(enum cscf_authz_reason reason)
{
	gw_metric_inc(&verdicts[reason]);
}

void metric_fetch(bool ok)
{
	gw_metric_inc(&more[ok ? M_FETCH_OK : M_FETCH_BAD]);
}

void metric_inspected(bool ok, bool active)
{
	if (ok)
		gw_metric_inc(&more[active ? M_ACTIVE : M_INACTIVE]);
	else
		gw_metric_inc(&more[M_ASK_BAD]);
}

void metric_cache(bool hit)
{
	gw_metric_inc(&more[hit ? M_HIT : M_MISS]);
}

void metric_waiting(size_t n)
{
	gw_metric_set(&more[M_WAITING], (int64_t)n);
}

void metric_counts(json_t *to)
{
	(void)json_object_set_new(to, "cache_hits", json_integer(gw_metric_get(&more[M_HIT])));
	(void)json_object_set_new(to, "cache_misses", json_integer(gw_metric_get(&more[M_MISS])));
}
