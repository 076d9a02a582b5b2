/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Identities in log lines (log.mask_identities, SEC-10): the user part of an IMPU, IMPI or any
 * URI becomes a pseudonym, the host stays: sip:alice@ims.example.net ->
 * sip:~5be0c3f1@ims.example.net. The same identity has the same pseudonym as long as the process
 * runs, however it is written (IMPU, IMPI of the same name, with parameters, in a name-addr), so
 * one grep is still the life of a user; `wicgatectl mask IDENTITY` tells the pseudonym. The key is
 * random per start: nobody finds the user by trying names. Display names, passwords, parameters and
 * headers are dropped. Every log line that names a user goes through here; operator's commands do
 * not. Thread: the loop thread.
 */
#ifndef CSCF_SIP_MASK_H
#define CSCF_SIP_MASK_H

#include "common/slice.h"

#include <stdbool.h>

/** Before the first line; masking is on until then. */
void cscf_sip_mask_set(bool on);
bool cscf_sip_mask_is_on(void);
/**
 * For one log call: the text with its user masked, or the text itself when masking is off.
 * @return one of eight buffers used in turn; "" for NULL
 */
const char *cscf_sip_mask(const char *text);
const char *cscf_sip_mask_slice(struct gw_slice text);
/** The pseudonym form whatever log.mask_identities says (for the operator). Buffers as above. */
const char *cscf_sip_mask_always(struct gw_slice text);

#endif
