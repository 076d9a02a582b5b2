/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Emergency screening of what WICs send: the first look at every initial request, before anybody
 * asks who sent it. A WIC cannot make emergency calls (TS 24.371 7.2.3): the request is answered
 * with 380 and a reason to show, nothing goes to the core; or, in our own country and by policy,
 * the session is told to take it to an E-CSCF.
 *
 *   W2 request ── plan.h: classify, country, decide ──> PASS      no emergency, or in a dialog
 *                                                  ├──> ANSWERED  380 (or 403 when unregistered)
 *                                                  └──> PROCEED   session/: E-CSCF, at last 380
 *
 * Each attempt is one count by decision and class, and one log line (emergency.detected) as long
 * as there are not too many from one place (limit.h). A REGISTER is never one.
 * Callers: cscf.c (is_emergency and admit for the stack's limits, reload), cscf/session.
 * Thread: the cscf loop. Spec: TS 24.371 7.4.3, TS 24.229 5.2.10, 7.6; EMG-01..21.
 */
#ifndef CSCF_EMERGENCY_EMERGENCY_H
#define CSCF_EMERGENCY_EMERGENCY_H

#include "common/err.h"
#include "common/handle.h"
#include "cscf/emergency/plan.h"
#include "cscf/registrar/registrar.h"
#include "cscf/sip/stack.h"

struct cscf_emergency;

struct cscf_emergency_parts {
	struct cscf_sip_stack *stack;     /* borrowed */
	struct cscf_registrar *registrar; /* borrowed */
};

/**
 * @param cfg  only read
 * @param why  one line on GW_ERR_INVAL
 * @return GW_OK; GW_ERR_INVAL the configuration; GW_ERR_NOMEM
 */
enum gw_err cscf_emergency_new(struct cscf_emergency **out, const struct cscf_emergency_config *cfg,
			       const struct cscf_emergency_parts *parts, char *why,
			       size_t n) GW_MUST_CHECK;
void cscf_emergency_free(struct cscf_emergency *e);

/**
 * Take other lists from now on (EMG-18); on an error the old ones stay. Logged and counted.
 * @return as _new
 */
enum gw_err cscf_emergency_reload(struct cscf_emergency *e, const struct cscf_emergency_config *cfg,
				  char *why, size_t n) GW_MUST_CHECK;
/** Another reason why nothing could be reloaded (the file cannot be read): logged and counted. */
void cscf_emergency_reload_failed(struct cscf_emergency *e, const char *why);

/**
 * Is it one, or an answering point's call back? Cheap, changes nothing: for limits that must not
 * hit it (EMG-17).
 */
bool cscf_emergency_is(const struct cscf_emergency *e, const struct cscf_sip_msg *req,
		       const struct cscf_sip_flow *flow);

/**
 * One emergency request of a WIC has come: may it pass the limits? Counted; asked once for each.
 * @return false: too many from this connection or source (limit.h); not an emergency to them
 */
bool cscf_emergency_admit(struct cscf_emergency *e, const struct cscf_sip_msg *req,
			  const struct cscf_sip_flow *flow);

enum cscf_emergency_next {
	CSCF_EMERGENCY_PASS, /* not ours: go on as usual */
	CSCF_EMERGENCY_ANSWERED,
	CSCF_EMERGENCY_TO_ECSCF /* the order says how */
};

/* Borrowed: good until the caller returns to the loop. */
struct cscf_emergency_order {
	struct cscf_emergency_match match; /* match.urn: the Request-URI to send */
	char *const *ecscf;                /* Route values, in order of preference */
	size_t n_ecscf;                    /* at least one */
};

/** Screen a request. @param order  filled for TO_ECSCF */
enum cscf_emergency_next cscf_emergency_screen(struct cscf_emergency *e, gw_handle server,
					       const struct cscf_sip_msg *req,
					       const struct cscf_sip_flow *flow,
					       struct cscf_emergency_order *order);

/* What would be said to a registered WIC; match.how NONE = nothing, it goes on as usual. */
struct cscf_emergency_preview {
	struct cscf_emergency_match match;
	const char *country; /* of the source, "" = unknown; borrowed until the next reload */
	enum cscf_emergency_decision decision;
};
/** For operators who check their lists. @param source  NULL = an address nobody knows */
struct cscf_emergency_preview cscf_emergency_preview(const struct cscf_emergency *e,
						     struct gw_slice request_uri,
						     const struct gw_addr *source);

/** No E-CSCF took it: 380 after all (EMG-15). */
void cscf_emergency_not_reached(struct cscf_emergency *e, gw_handle server,
				const struct cscf_sip_msg *req,
				const struct cscf_emergency_match *match);

#endif
