/* SPDX-License-Identifier: Apache-2.0 */
/*
 * libosip2's parser as a second opinion on the structural headers of a message.
 */
#ifndef CSCF_SIP_OSIP_PARSE_H
#define CSCF_SIP_OSIP_PARSE_H

#include "cscf/sip/msg.h"

/** Tables and trace of libosip2, once per process; called by whoever uses it first. */
void cscf_sip_osip_init(void);

/** Does libosip2 accept request line or status line, Via, From, To, Call-ID, CSeq, Contact,
 * Route and Record-Route of this message? */
bool cscf_sip_osip_accepts(const struct cscf_sip_msg *msg);

#endif
