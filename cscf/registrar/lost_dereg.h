/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Deregistration by the trusted node after a lost flow (lost_dereg.c). Thread: the cscf loop.
 */
#ifndef CSCF_REGISTRAR_LOST_DEREG_H
#define CSCF_REGISTRAR_LOST_DEREG_H

#include "cscf/registrar/reg_int.h"

/** The flow is lost: deregister after flow.lost_dereg, or for a pool's identity after
 * flow.lost_dereg_pool. Nothing without a token, or when that time is 0. */
void reg_lost_arm(struct reg_assoc *a);
/** The WIC is back, or the association ends. */
void reg_lost_disarm(struct reg_assoc *a);
/** Forget our own REGISTERs under way. */
void reg_own_drop_all(struct cscf_registrar *r);

#endif
