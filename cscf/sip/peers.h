/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Who may send on Mw (mw.peers, SEC-05): addresses and ranges as configured, and names, whose
 * addresses are looked up again as their TTL says. A look-up that fails changes nothing.
 * Thread: the loop thread.
 */
#ifndef CSCF_SIP_PEERS_H
#define CSCF_SIP_PEERS_H

#include "common/err.h"
#include "common/sockaddr.h"

#include <stdbool.h>
#include <stddef.h>

struct event_base;
struct cscf_sip_config;
struct cscf_sip_peers;

/**
 * @param cfg  borrowed: outlives us. mw_peers holds ranges, names, and "ADDRESS@NAME": what a name
 *             was when the process started
 * @param errbuf  on failure: one line with the cause
 */
enum gw_err cscf_sip_peers_new(struct cscf_sip_peers **out, struct event_base *base,
			       const struct cscf_sip_config *cfg, char *errbuf,
			       size_t errlen) GW_MUST_CHECK;
/** NULL is legal. */
void cscf_sip_peers_free(struct cscf_sip_peers *p);
bool cscf_sip_peers_has(const struct cscf_sip_peers *p, const struct gw_addr *a);

#endif
