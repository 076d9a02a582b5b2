/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The pure part of emergency screening: the operator's lists compiled once into a table of
 * canonical numbers and URNs, and three questions to them. No SIP stack, no I/O, no state: a plan
 * is constant, a reload makes another.
 *
 *   Request-URI ── classify ──> is it one, which service, how was it written
 *   address ────── country ───> own, another, unknown        (never from what a WIC says, EMG-04)
 *   both ───────── decide ────> reject or proceed            (table A(a), A(b), B as data)
 *
 * Which lists apply follows from the country: own always, that of the origin when it is known,
 * every one when it is not. urn:service:sos and its sub-services are in every list.
 *
 * Thread: any. Spec: TS 24.371 7.4.3; EMG-03..08, EMG-18; RFC 5031, RFC 3966, RFC 4967.
 */
#ifndef CSCF_EMERGENCY_PLAN_H
#define CSCF_EMERGENCY_PLAN_H

#include "common/conf.h"
#include "common/err.h"
#include "common/slice.h"
#include "common/sockaddr.h"

#include <stdbool.h>
#include <stddef.h>

#define CSCF_EMERGENCY_URN_MAX 96 /* octets of a service URN, terminator included */

/* Named as the knobs. Borrowed: a plan copies what it keeps. */
struct cscf_emergency_config {
	const char *country;                     /* emergency.country */
	const struct gw_conf_list *lists;        /* emergency.lists: "DE=112 110/sos.police" */
	const struct gw_conf_list *country_map;  /* emergency.country_map: "10.0.0.0/8=DE" */
	const struct gw_conf_list *home_domains; /* home.domains: where a number is a number */
	const struct gw_conf_list *ecscf;        /* emergency.ecscf: SIP URIs in order */
	bool assume_own_country;
	bool proceed;         /* same_country_policy=proceed */
	bool action_register; /* action=emergency-registration */
	bool send_contact_urn;
	bool unregistered_403; /* unregistered=403 */
	const char *reason_text;
};

struct cscf_emergency_plan;

/**
 * Compile and check: countries are two letters and not given twice, every entry is a number or a
 * service URN, the own list is there and not empty, ranges are ranges and their countries have a
 * list, proceed has an E-CSCF, the reason is text that XML can carry.
 * @param why  on GW_ERR_INVAL one line naming the key and what is wrong
 * @return GW_OK; GW_ERR_INVAL; GW_ERR_NOMEM
 */
enum gw_err cscf_emergency_plan_new(struct cscf_emergency_plan **out,
				    const struct cscf_emergency_config *cfg, char *why,
				    size_t n) GW_MUST_CHECK;
void cscf_emergency_plan_free(struct cscf_emergency_plan *plan);

/* How the Request-URI was written: the class of logs and counters (EMG-20). */
enum cscf_emergency_class {
	CSCF_EMERGENCY_NONE, /* no emergency */
	CSCF_EMERGENCY_URN,
	CSCF_EMERGENCY_TEL,
	CSCF_EMERGENCY_SIP, /* sip or sips with a number as user */
	CSCF_EMERGENCY_DIALSTRING,
	CSCF_EMERGENCY_CLASS_COUNT
};

struct cscf_emergency_match {
	enum cscf_emergency_class how;
	char urn[CSCF_EMERGENCY_URN_MAX]; /* the service, in lower case; "" when none */
};

/* Where a request comes from. */
enum cscf_emergency_origin {
	CSCF_EMERGENCY_OWN,
	CSCF_EMERGENCY_OTHER,
	CSCF_EMERGENCY_UNKNOWN,
	CSCF_EMERGENCY_ORIGIN_COUNT
};

struct cscf_emergency_country {
	enum cscf_emergency_origin origin;
	const char *code; /* "DE", of the plan; "" when unknown */
};

enum cscf_emergency_decision {
	CSCF_EMERGENCY_REJECT_OWN,
	CSCF_EMERGENCY_REJECT_OTHER,
	CSCF_EMERGENCY_REJECT_UNKNOWN,
	CSCF_EMERGENCY_PROCEED,
	CSCF_EMERGENCY_UNREGISTERED_380,
	CSCF_EMERGENCY_UNREGISTERED_403,
	CSCF_EMERGENCY_NOT_REACHED, /* proceed was tried in vain: 380 after all (EMG-15) */
	CSCF_EMERGENCY_DECISION_COUNT
};

/** The country of a source address, by the map or by assumption. The longest range counts. */
struct cscf_emergency_country cscf_emergency_country_of(const struct cscf_emergency_plan *plan,
							const struct gw_addr *source);

/**
 * Is this Request-URI an emergency for somebody in that country?
 * @param out  may be NULL
 * @return out->how != NONE
 */
bool cscf_emergency_classify(const struct cscf_emergency_plan *plan, struct gw_slice request_uri,
			     struct cscf_emergency_country country,
			     struct cscf_emergency_match *out);

/** EMG-07, 08, 16: one row of the table. */
enum cscf_emergency_decision cscf_emergency_decide(const struct cscf_emergency_plan *plan,
						   enum cscf_emergency_origin origin,
						   bool registered);

/** "urn", "tel", "sip", "dialstring"; "none". */
const char *cscf_emergency_class_name(enum cscf_emergency_class how);
/** "reject-own-country", …, "proceed". */
const char *cscf_emergency_decision_name(enum cscf_emergency_decision decision);

/* What answers need (emergency.c). Borrowed from the plan. */
/** The finished body of the 380 (EMG-09): constant as long as the plan. */
struct gw_slice cscf_emergency_plan_body(const struct cscf_emergency_plan *plan);
bool cscf_emergency_plan_contact(const struct cscf_emergency_plan *plan);
/** E-CSCFs in order, each a Route value "<sip:…;lr>". */
char *const *cscf_emergency_plan_ecscf(const struct cscf_emergency_plan *plan, size_t *n);
/** Countries and entries compiled, for the log. */
void cscf_emergency_plan_counts(const struct cscf_emergency_plan *plan, size_t *countries,
				size_t *entries);

#endif
