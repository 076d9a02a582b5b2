/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Bindings by contact; see contact.c. Thread: the cscf loop.
 */
#ifndef CSCF_REGISTRAR_CONTACT_H
#define CSCF_REGISTRAR_CONTACT_H

#include "cscf/registrar/reg_int.h"

/** The binding has this contact now, also instead of another. Out of memory: it is not found. */
void reg_contact_add(struct reg_binding *b);
/** The binding goes. */
void reg_contact_forget(struct reg_binding *b);
/** Bindings whose contact may be that URI, the others by same_next; NULL = none. The caller
 * compares: parameters do not count here. */
const struct reg_binding *reg_contact_find(const struct cscf_registrar *r, struct gw_slice uri);

#endif
