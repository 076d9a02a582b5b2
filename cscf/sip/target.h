/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One place to send a request to on Mw: what RFC 3263 makes of a URI.
 */
#ifndef CSCF_SIP_TARGET_H
#define CSCF_SIP_TARGET_H

#include "common/sockaddr.h"
#include "cscf/sip/flow.h"

#include <stdbool.h>

#define CSCF_SIP_MAX_TARGETS 16 /* tried for one request */

struct cscf_sip_target {
	enum cscf_sip_transport transport;
	bool pinned; /* the transport was asked for: no change by message size */
	struct gw_addr addr;
};

#endif
