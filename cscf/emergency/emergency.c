/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Screening of live requests and the answers to them; see emergency.h.
 * The body of the 380 goes out whatever Accept says: a client that does not read it still has the
 * status (EMG-13). Attempts are logged one by one (EMG-20) up to a rate by place and class that
 * nobody dials; of the rest the next line and the counters tell.
 */
#include "cscf/emergency/emergency.h"

#include "common/log.h"
#include "common/metric.h"
#include "cscf/emergency/limit.h"
#include "cscf/sip/mask.h"
#include "cscf/xml/ims3gpp.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#define GW_LOG_MOD "emergency"
#define PAI_MAX    320

struct cscf_emergency {
	struct cscf_emergency_plan *plan; /* owned; replaced by a reload */
	struct emergency_limit *limit;    /* owned */
	struct cscf_emergency_parts p;
};

#define N_CLASSES (CSCF_EMERGENCY_CLASS_COUNT - 1) /* NONE is not counted */
#define AT(decision, how)                                                                          \
	(CSCF_EMERGENCY_##decision * N_CLASSES + CSCF_EMERGENCY_##how - CSCF_EMERGENCY_URN)
#define M1(decision, word, how, how_word)                                                          \
	[AT(decision, how)] = {.name = "cscf_emergency_total",                                     \
			       .labels = "decision=\"" word "\",class=\"" how_word "\"",           \
			       .help = "Emergency requests of WICs"}
#define M(decision, word)                                                                          \
	M1(decision, word, URN, "urn"), M1(decision, word, TEL, "tel"),                            \
	    M1(decision, word, SIP, "sip"), M1(decision, word, DIALSTRING, "dialstring")

enum {
	N_ATTEMPTS = CSCF_EMERGENCY_DECISION_COUNT * N_CLASSES,
	M_RELOADED = N_ATTEMPTS,
	M_KEPT,
	M_OVER,
	M_COUNT = M_OVER + EMERGENCY_VERDICT_COUNT - 1
};

static struct gw_metric metrics[M_COUNT] = {
    M(REJECT_OWN, "reject-own-country"),
    M(REJECT_OTHER, "reject-other-country"),
    M(REJECT_UNKNOWN, "reject-unknown-country"),
    M(PROCEED, "proceed"),
    M(UNREGISTERED_380, "unregistered-380"),
    M(UNREGISTERED_403, "unregistered-403"),
    M(NOT_REACHED, "not-reached"),
    [M_RELOADED] = {.name = "cscf_emergency_reload_total",
		    .labels = "result=\"ok\"",
		    .help = "Emergency lists read again"},
    [M_KEPT] = {.name = "cscf_emergency_reload_total",
		.labels = "result=\"failed\"",
		.help = "Emergency lists read again"},
#define OVER(verdict, word)                                                                        \
	[M_OVER + EMERGENCY_OVER_##verdict - 1] = {.name = "cscf_emergency_refused_total",         \
						   .labels = "limit=\"" word "\"",                 \
						   .help = "Emergency requests over a limit"}
    OVER(CONN, "connection"),
    OVER(SOURCE, "source"),
    OVER(ALL, "unregistered"),
    OVER(REGISTERED, "registered"),
#undef OVER
};

static int64_t now_ms(void)
{
	struct timespec ts;

	(void)clock_gettime(CLOCK_MONOTONIC, &ts);
	return (int64_t)ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

static void log_plan(const struct cscf_emergency_plan *plan, const char *event)
{
	size_t countries, entries;

	cscf_emergency_plan_counts(plan, &countries, &entries);
	GW_LOG(GW_LOG_INFO, event, "countries=%zu entries=%zu", countries, entries);
}

enum gw_err cscf_emergency_new(struct cscf_emergency **out, const struct cscf_emergency_config *cfg,
			       const struct cscf_emergency_parts *parts, char *why, size_t n)
{
	struct cscf_emergency *e = calloc(1, sizeof(*e));
	enum gw_err err;

	if (e == NULL)
		return GW_ERR_NOMEM;
	e->p = *parts;
	err = cscf_emergency_plan_new(&e->plan, cfg, why, n);
	if (err == GW_OK)
		err = emergency_limit_new(&e->limit, now_ms());
	if (err != GW_OK) {
		cscf_emergency_plan_free(e->plan);
		free(e);
		return err;
	}
	gw_metric_register(metrics, M_COUNT);
	log_plan(e->plan, "emergency.lists");
	*out = e;
	return GW_OK;
}

void cscf_emergency_free(struct cscf_emergency *e)
{
	if (e == NULL)
		return;
	gw_metric_unregister(metrics);
	emergency_limit_free(e->limit);
	cscf_emergency_plan_free(e->plan);
	free(e);
}

void cscf_emergency_reload_failed(struct cscf_emergency *e, const char *why)
{
	(void)e;
	gw_metric_inc(&metrics[M_KEPT]);
	GW_LOG(GW_LOG_ERROR, "emergency.reload_failed", "why=\"%s\" kept=1", why);
}

enum gw_err cscf_emergency_reload(struct cscf_emergency *e, const struct cscf_emergency_config *cfg,
				  char *why, size_t n)
{
	struct cscf_emergency_plan *plan = NULL;
	enum gw_err err = cscf_emergency_plan_new(&plan, cfg, why, n);

	if (err != GW_OK) {
		cscf_emergency_reload_failed(e, err == GW_ERR_INVAL ? why : gw_err_name(err));
		return err;
	}
	cscf_emergency_plan_free(e->plan);
	e->plan = plan;
	gw_metric_inc(&metrics[M_RELOADED]);
	log_plan(plan, "emergency.reloaded");
	return GW_OK;
}

/* EMG-21: only what begins something, and only from a WIC. A REGISTER calls nobody, whatever its
 * Request-URI looks like: it keeps to the limits of REGISTERs. */
static bool is_screened(const struct cscf_sip_msg *req, const struct cscf_sip_flow *flow)
{
	return flow->side == CSCF_SIP_W2 && cscf_sip_msg_to_tag(req).n == 0 &&
	       cscf_sip_msg_method(req) != CSCF_SIP_REGISTER;
}

/* Most requests are in nobody's list: the map of addresses is searched for the others only. */
static bool classify(const struct cscf_emergency *e, const struct cscf_sip_msg *req,
		     const struct cscf_sip_flow *flow, struct cscf_emergency_country *country,
		     struct cscf_emergency_match *match)
{
	struct gw_slice uri = cscf_sip_msg_uri(req);

	*country = (struct cscf_emergency_country){CSCF_EMERGENCY_UNKNOWN, ""};
	if (!is_screened(req, flow) || !cscf_emergency_classify(e->plan, uri, *country, match))
		return false;
	*country = cscf_emergency_country_of(e->plan, &flow->remote);
	return cscf_emergency_classify(e->plan, uri, *country, match);
}

bool cscf_emergency_is(const struct cscf_emergency *e, const struct cscf_sip_msg *req,
		       const struct cscf_sip_flow *flow)
{
	struct cscf_emergency_country country;

	if (flow->side == CSCF_SIP_MW) /* of the core, which is trusted with that mark (RFC 7090) */
		return cscf_sip_msg_has_token(req, "Priority", "psap-callback");
	return classify(e, req, flow, &country, NULL);
}

bool cscf_emergency_admit(struct cscf_emergency *e, const struct cscf_sip_msg *req,
			  const struct cscf_sip_flow *flow)
{
	struct cscf_registrar_identity id;
	struct emergency_sender who = {.conn = flow->conn, .source = &flow->remote};
	enum emergency_verdict verdict;
	char addr[GW_ADDR_STRLEN];

	if (flow->side != CSCF_SIP_W2)
		return true;
	who.registered = cscf_registrar_identify(e->p.registrar, flow->conn, NULL, 0, &id);
	verdict = emergency_limit_take(e->limit, &who, now_ms());
	if (verdict == EMERGENCY_GO_ON)
		return true;
	gw_metric_inc(&metrics[M_OVER + (unsigned)verdict - 1]);
	GW_LOG_LIMITED(GW_LOG_WARN, "emergency.refused",
		       "why=rate method=%.*s registered=%d conn=%llu source=%s",
		       GW_SLICE_FMT(cscf_sip_msg_method_text(req)), who.registered,
		       (unsigned long long)flow->conn,
		       gw_addr_str(&flow->remote, addr, sizeof(addr)));
	return false;
}

static void note(struct cscf_emergency *e, enum cscf_emergency_decision decision,
		 const struct cscf_sip_msg *req, const struct cscf_emergency_match *match,
		 const char *country, const struct emergency_sender *who, const char *impu)
{
	unsigned suppressed;

	gw_metric_inc(&metrics[decision * N_CLASSES + (unsigned)match->how - CSCF_EMERGENCY_URN]);
	if (!emergency_limit_line(e->limit, who, match->how, now_ms(), &suppressed))
		return;
	/* impu was masked by who called */
	GW_LOG(GW_LOG_WARN, "emergency.detected",
	       "call_id=\"%.*s\" impu=\"%s\" conn=%llu method=%.*s class=%s urn=%s country=%s "
	       "decision=%s suppressed=%u",
	       GW_SLICE_FMT(cscf_sip_msg_call_id(req)), impu, (unsigned long long)who->conn,
	       GW_SLICE_FMT(cscf_sip_msg_method_text(req)), cscf_emergency_class_name(match->how),
	       match->urn, country[0] != '\0' ? country : "unknown",
	       cscf_emergency_decision_name(decision), suppressed);
}

/* EMG-09..13. path_uri: NULL when the WIC has no registration, so no Path either. */
static enum gw_err build_380(const struct cscf_emergency *e, const struct cscf_sip_msg *req,
			     const struct cscf_emergency_match *match, const char *path_uri,
			     struct cscf_sip_msg **out)
{
	struct gw_slice body = cscf_emergency_plan_body(e->plan);
	char value[PAI_MAX];
	enum gw_err err = cscf_sip_msg_new_response(out, req, 380, "Alternative Service");

	if (err != GW_OK)
		return err;
	if (cscf_emergency_plan_contact(e->plan) && match->urn[0] != '\0') {
		snprintf(value, sizeof(value), "<%s>", match->urn);
		err = cscf_sip_msg_hdr_append(*out, "Contact", value);
	}
	if (err == GW_OK && path_uri != NULL) {
		snprintf(value, sizeof(value), "<%s>", path_uri);
		err = cscf_sip_msg_hdr_append(*out, "P-Asserted-Identity", value);
	}
	if (err == GW_OK)
		err = cscf_sip_msg_set_body(*out, CSCF_IMS3GPP_MIME, body.p, body.n);
	if (err != GW_OK)
		cscf_sip_msg_free(*out);
	return err;
}

static void answer_380(struct cscf_emergency *e, gw_handle server, const struct cscf_sip_msg *req,
		       const struct cscf_emergency_match *match, const char *path_uri)
{
	struct cscf_sip_msg *rsp = NULL;
	enum gw_err err = build_380(e, req, match, path_uri, &rsp);

	if (err == GW_OK)
		err = cscf_sip_respond(e->p.stack, server, rsp);
	else /* out of memory: the status alone must suffice */
		err = cscf_sip_reply(e->p.stack, server, 380, "Alternative Service", (char *)NULL);
	if (err != GW_OK)
		GW_LOG_LIMITED(GW_LOG_WARN, "emergency.respond_failed", "err=%s", gw_err_name(err));
}

static const char *impu_of(const struct cscf_registrar_identity *id)
{
	return id->n_impus > 0 ? cscf_sip_mask(id->impus[0].uri) : "";
}

enum cscf_emergency_next cscf_emergency_screen(struct cscf_emergency *e, gw_handle server,
					       const struct cscf_sip_msg *req,
					       const struct cscf_sip_flow *flow,
					       struct cscf_emergency_order *order)
{
	struct cscf_registrar_identity id = {0};
	struct cscf_emergency_country country;
	struct cscf_emergency_match match;
	enum cscf_emergency_decision decision;
	struct emergency_sender who = {.conn = flow->conn, .source = &flow->remote};

	if (!classify(e, req, flow, &country, &match))
		return CSCF_EMERGENCY_PASS;
	who.registered = cscf_registrar_identify(e->p.registrar, flow->conn, NULL, 0, &id);
	decision = cscf_emergency_decide(e->plan, country.origin, who.registered);
	note(e, decision, req, &match, country.code, &who, impu_of(&id));
	if (decision == CSCF_EMERGENCY_PROCEED) {
		order->match = match;
		order->ecscf = cscf_emergency_plan_ecscf(e->plan, &order->n_ecscf);
		return CSCF_EMERGENCY_TO_ECSCF;
	}
	if (decision == CSCF_EMERGENCY_UNREGISTERED_403)
		cscf_sip_reply(e->p.stack, server, 403, "Not registered", (char *)NULL);
	else
		answer_380(e, server, req, &match, who.registered ? id.path_uri : NULL);
	return CSCF_EMERGENCY_ANSWERED;
}

struct cscf_emergency_preview cscf_emergency_preview(const struct cscf_emergency *e,
						     struct gw_slice request_uri,
						     const struct gw_addr *source)
{
	static const struct gw_addr nowhere;
	struct cscf_emergency_country country =
	    cscf_emergency_country_of(e->plan, source != NULL ? source : &nowhere);
	struct cscf_emergency_preview out = {.country = country.code};

	(void)cscf_emergency_classify(e->plan, request_uri, country, &out.match);
	out.decision = cscf_emergency_decide(e->plan, country.origin, true);
	return out;
}

void cscf_emergency_not_reached(struct cscf_emergency *e, gw_handle server,
				const struct cscf_sip_msg *req,
				const struct cscf_emergency_match *match)
{
	struct cscf_registrar_identity id = {0};
	struct cscf_sip_flow flow = {0};
	struct emergency_sender who = {.source = &flow.remote};

	if (!cscf_sip_server_flow(e->p.stack, server, &flow))
		return;
	who.conn = flow.conn;
	who.registered = cscf_registrar_identify(e->p.registrar, flow.conn, NULL, 0, &id);
	note(e, CSCF_EMERGENCY_NOT_REACHED, req, match,
	     cscf_emergency_country_of(e->plan, &flow.remote).code, &who, impu_of(&id));
	answer_380(e, server, req, match, who.registered ? id.path_uri : NULL);
}
