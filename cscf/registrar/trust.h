/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The trust boundary between W2 and Mw as a table: which header fields and parameters never cross
 * it, in which direction (registration-and-security table 4.1). For every message, requests and
 * responses, before anything else looks at it (SEC-06); own values are inserted afterwards.
 * Thread: any.
 */
#ifndef CSCF_REGISTRAR_TRUST_H
#define CSCF_REGISTRAR_TRUST_H

#include "common/err.h"

struct cscf_sip_msg;

/**
 * Delete what a WIC may not say: identities, charging, routing records, integrity-protected, …
 * P-Preferred-Identity is deleted as well: read it first (ID-03).
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
