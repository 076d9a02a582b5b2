/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Earlier connections of associations; see moved.c. Thread: the cscf loop.
 */
#ifndef CSCF_REGISTRAR_MOVED_H
#define CSCF_REGISTRAR_MOVED_H

#include "cscf/registrar/reg_int.h"

/** The association left that connection. Out of memory: it is not remembered. */
void reg_moved_add(struct reg_assoc *a, uint64_t from);
/** The association ends. */
void reg_moved_forget(struct reg_assoc *a);
/** The association that was on that connection; NULL when none is known. */
const struct reg_assoc *reg_moved_find(const struct cscf_registrar *r, uint64_t conn);

#endif
