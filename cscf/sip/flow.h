/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A flow: where a SIP message came from or shall go. Passed by value; the connection is named
 * by id, never pointed at, so a connection that has died is a normal answer.
 * Thread: any.
 */
#ifndef CSCF_SIP_FLOW_H
#define CSCF_SIP_FLOW_H

#include "common/sockaddr.h"

#include <stdbool.h>
#include <stdint.h>

enum cscf_sip_side {
	CSCF_SIP_W2, /* towards a WIC, a WebSocket */
	CSCF_SIP_MW, /* towards the IMS core */
};

enum cscf_sip_transport {
	CSCF_SIP_WS,
	CSCF_SIP_WSS,
	CSCF_SIP_UDP,
	CSCF_SIP_TCP,
};

struct cscf_sip_flow {
	enum cscf_sip_side side;
	enum cscf_sip_transport transport;
	uint64_t conn;        /* never reused within its side; 0 for UDP */
	struct gw_addr local; /* our end */
	struct gw_addr remote;
};

/** "WSS", "UDP", … as in a Via. */
const char *cscf_sip_transport_name(enum cscf_sip_transport transport);
bool cscf_sip_flow_eq(const struct cscf_sip_flow *a, const struct cscf_sip_flow *b);

#endif
