/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What keeps REGISTERs from the core: who fails too often (SEC-14, throttle.h), and more initial
 * registrations than reg.max_initial_rate (REG-85), as after a restart of ours or of a network.
 * Exempt from both is who has an association on the connection; from the rate also the answer to
 * a challenge that was relayed on its connection, whose question has been let in already. No
 * source takes the whole rate from the others.
 * Thread: the cscf loop.
 */
#ifndef CSCF_REGISTRAR_GATE_H
#define CSCF_REGISTRAR_GATE_H

#include "cscf/registrar/reg_int.h"

struct reg_gate;

/** @param cfg  borrowed */
enum gw_err reg_gate_new(struct reg_gate **out,
			 const struct cscf_registrar_config *cfg) GW_MUST_CHECK;
/** NULL is legal. */
void reg_gate_free(struct reg_gate *g);

/**
 * May this REGISTER go to the core? Called once for each, after all other checks.
 * @return false with *why set: 403 throttled, 503 with a random Retry-After over the rate
 */
bool reg_gate_open(struct cscf_registrar *r, struct reg_conn *c, const struct reg_request *q,
		   const struct cscf_sip_flow *flow, struct reg_refusal *why);
/** The core's final answer to a REGISTER, before it is acted on. */
void reg_gate_answered(struct cscf_registrar *r, const struct reg_request *q,
		       const struct cscf_sip_flow *flow, const struct cscf_sip_msg *rsp);
/** A token that is none of any issuer of ours: counted like a wrong password. */
void reg_gate_token_refused(struct cscf_registrar *r, const struct reg_request *q,
			    const struct cscf_sip_flow *flow);

#endif
