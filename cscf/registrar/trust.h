/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The trust boundary between W2 and Mw as a table: which header fields and parameters never cross
 * it, in which direction (registration-and-security table 4.1). For every message, requests and
 * responses, before anything else looks at it (SEC-06); own values are inserted afterwards, but for
 * the access network, which is said here. What the operator may decide of it is set once at start.
 * Thread: any, once cscf_trust_set has returned.
 */
#ifndef CSCF_REGISTRAR_TRUST_H
#define CSCF_REGISTRAR_TRUST_H

#include "common/err.h"

#include <stdbool.h>
#include <stddef.h>

struct cscf_sip_msg;

#define CSCF_TRUST_PANI_MAX 256

/** What may cross the boundary where the operator decides; all false but pai_to_wic by default. */
struct cscf_trust_options {
	bool pani_from_wic;           /* pani.from_wic=keep; never one that is network-provided */
	bool identity_from_wic;       /* identity.strip_identity_header=false (RFC 8224) */
	bool resource_priority;       /* trust.resource_priority: from WICs */
	bool early_media;             /* trust.early_media: P-Early-Media from WICs */
	bool pai_to_wic;              /* identity.pai_to_wic: unless Privacy: id */
	const char *network_provided; /* pani.network_provided: one access-net-spec, said of every
				       * WIC; NULL or "" = none; copied */
};

/**
 * Set the knobs, before the first message; a later call replaces them all.
 * @param why  filled with the key and what is wrong with it
 * @return GW_OK; GW_ERR_INVAL: network_provided is no access-net-spec, nothing has changed
 */
enum gw_err cscf_trust_set(const struct cscf_trust_options *options, char *why,
			   size_t n) GW_MUST_CHECK;

/**
 * Delete what a WIC may not say: identities, charging, routing records, integrity-protected, …
 * P-Preferred-Identity is deleted as well: read it first (ID-03). Then say our own access network,
 * where there is one, in all but ACK and CANCEL (ID-12, CALL-44).
 * @return GW_OK; GW_ERR_NOMEM: do not forward the message
 */
enum gw_err cscf_trust_strip_from_wic(struct cscf_sip_msg *msg) GW_MUST_CHECK;

/**
 * Delete what a WIC may not learn: charging, visited network, ik/ck, P-Asserted-Identity under
 * Privacy: id (ID-11), … Read P-Charging-* and the rest before.
 * @return as above
 */
enum gw_err cscf_trust_strip_to_wic(struct cscf_sip_msg *msg) GW_MUST_CHECK;

#endif
