/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Words of SIP as tables: methods, reason phrases, compact header names, transports. The public
 * lookups are declared in msg.h and flow.h; this header has those for cscf/sip alone.
 */
#ifndef CSCF_SIP_WORDS_H
#define CSCF_SIP_WORDS_H

#include "common/slice.h"

/** The long form of a one-letter header name; the name itself otherwise. */
struct gw_slice cscf_sip_hdr_long_name(struct gw_slice name);

#endif
