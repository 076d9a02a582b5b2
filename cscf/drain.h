/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A drain: the eP-CSCF takes nothing new, and its WICs are told to come back elsewhere. Idle ones
 * first, ws.drain_rate of them a second, so that neither the other eP-CSCFs nor the core get all
 * of them at once; one with a call keeps its connection until its last call is over.
 *
 *   on ─> /readyz 503, new WebSockets and requests 503 ─> idle WebSockets close, by and by
 *   off ─> as before; who has gone has gone
 *
 * While a call waits for its WIC (flow.grace) WebSockets are taken all the same: that call can go
 * on nowhere else. A REGISTER of the instance it belongs to passes, all others get 503; who has
 * come and not come back to a call is told to go when no call waits any more.
 *
 * Who leaves because the operator said so gets 1012 (service restart), because the process ends
 * 1001 (going away). Spec: WS-35, REL-16. Thread: the cscf loop.
 */
#ifndef CSCF_DRAIN_H
#define CSCF_DRAIN_H

#include "common/err.h"

#include <stdbool.h>

struct cscf;

enum gw_err cscf_drain_init(struct cscf *c) GW_MUST_CHECK;
void cscf_drain_fini(struct cscf *c);
void cscf_drain_set(struct cscf *c, bool on);
/** An association lost its flow, got another, or ended: may WebSockets come? */
void cscf_drain_flow_changed(struct cscf *c);
/** Nobody without a call is left to be told, or nobody is told by ws.drain_rate. */
bool cscf_drain_all_told(const struct cscf *c);

#endif
