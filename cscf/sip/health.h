/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which core targets failed lately: a target that timed out, could not be reached or answered
 * 503 is tried after all others for a while (RFC 3263 s4.3, RFC 3261 s21.5.4; SEC-21). It is
 * never given up for good: with nothing else left it is tried again, but by a REGISTER while the
 * Retry-After that it gave runs.
 * Thread: the loop thread.
 */
#ifndef CSCF_SIP_HEALTH_H
#define CSCF_SIP_HEALTH_H

#include "cscf/sip/flow.h"
#include "cscf/sip/target.h"

#include <stdbool.h>
#include <stdint.h>

struct cscf_sip_health;

/** @return NULL when out of memory */
struct cscf_sip_health *cscf_sip_health_new(void);
void cscf_sip_health_free(struct cscf_sip_health *h);

/** A request to that flow's address failed. @param retry_after_s  of a 503; 0 = the usual time */
void cscf_sip_health_failed(struct cscf_sip_health *h, const struct cscf_sip_flow *flow,
			    uint32_t retry_after_s);
/** It answered: forget the failure. */
void cscf_sip_health_answered(struct cscf_sip_health *h, const struct cscf_sip_flow *flow);
/** Remember from now on when that flow's address was last heard of; at most 32 such. */
void cscf_sip_health_watch(struct cscf_sip_health *h, const struct cscf_sip_flow *flow);
/** How long a watched one has been quiet, in ms; -1 when it is not watched. */
int64_t cscf_sip_health_quiet_ms(const struct cscf_sip_health *h, const struct cscf_sip_flow *flow);
bool cscf_sip_health_is_down(struct cscf_sip_health *h, const struct cscf_sip_target *target);
/** Down because it said so, with a Retry-After that is not over. */
bool cscf_sip_health_wants_rest(struct cscf_sip_health *h, const struct cscf_sip_target *target);

#endif
