/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The 3GPP IM CN subsystem XML body, application/3gpp-ims+xml: its <alternative-service> part,
 * which comes with a 380 (emergency) or a 504 (restoration). <service-info> and what else may
 * stand in the body is passed over.
 *
 *   <ims-3gpp version="1">
 *     <alternative-service>
 *       <type>restoration</type> <reason>…</reason> <action>initial-registration</action>
 *
 * Thread: any. Spec: TS 24.229 7.6; EMG-09, EMG-10, REG-82, REG-83.
 */
#ifndef CSCF_XML_IMS3GPP_H
#define CSCF_XML_IMS3GPP_H

#include "common/err.h"
#include "common/slice.h"

#include <stdbool.h>
#include <stddef.h>

#define CSCF_IMS3GPP_MIME          "application/3gpp-ims+xml"
#define CSCF_IMS3GPP_MAX_OCTETS    ((size_t)16384)
#define CSCF_IMS3GPP_EMERGENCY     "emergency"              /* type */
#define CSCF_IMS3GPP_RESTORATION   "restoration"            /* type */
#define CSCF_IMS3GPP_INITIAL_REG   "initial-registration"   /* action */
#define CSCF_IMS3GPP_EMERGENCY_REG "emergency-registration" /* action */

/**
 * Build the body: XML declaration, <ims-3gpp version="1">, texts escaped.
 * @param out     heap, terminated, for free(); *n without the terminator
 * @param action  NULL = none
 * @return GW_OK; GW_ERR_INVAL no type or reason, or a text that XML cannot carry (not UTF-8,
 *         control characters); GW_ERR_NOMEM
 */
enum gw_err cscf_ims3gpp_build(char **out, size_t *n, const char *type, const char *reason,
			       const char *action) GW_MUST_CHECK;

/* Owned texts: free with cscf_ims3gpp_fini. */
struct cscf_ims3gpp {
	char *type;   /* mandatory */
	char *reason; /* mandatory; may be "" */
	char *action; /* NULL = none */
};

/**
 * Read the <alternative-service> of a body.
 * @return GW_OK; GW_ERR_NOT_FOUND well-formed, but without one; GW_ERR_PARSE not well-formed or
 *         type or reason missing; GW_ERR_TOO_BIG; GW_ERR_DENIED a DTD; GW_ERR_UNSUPPORTED its
 *         encoding; GW_ERR_NOMEM
 */
enum gw_err cscf_ims3gpp_parse(struct cscf_ims3gpp *out, struct gw_slice text) GW_MUST_CHECK;
void cscf_ims3gpp_fini(struct cscf_ims3gpp *body);

/** Does the body ask the user agent to register anew (restoration, initial-registration)? */
bool cscf_ims3gpp_is_restoration(struct gw_slice text);

#endif
