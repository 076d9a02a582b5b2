/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Dialogs that nothing is kept of: their route set and icid, sealed into our Record-Route entry
 * towards the WIC. For proxy.c. Thread: the cscf loop. Spec: ID-07, ID-08.
 */
#ifndef CSCF_SESSION_SEAL_H
#define CSCF_SESSION_SEAL_H

#include "cscf/session/session_int.h"

#define SEAL_ICID_MAX 64
/** Seal the dialog into our Record-Route entry towards the WIC: a response that goes to it, or a
 * request that opens a dialog with it. @param pcv  P-Charging-Vector with the dialog's icid */
enum gw_err seal_dialog(struct cscf_session *s, struct cscf_sip_msg *msg, uint64_t conn,
			const char *pcv) GW_MUST_CHECK;
/**
 * A later request of the WIC, before anything is taken off its Route.
 * @param icid  of the dialog; "" when none was sealed
 * @return GW_OK; GW_ERR_NOT_FOUND no entry of ours on top; GW_ERR_DENIED another route set
 */
enum gw_err seal_check(const struct cscf_session *s, const struct cscf_sip_msg *req, uint64_t conn,
		       char icid[SEAL_ICID_MAX + 1]) GW_MUST_CHECK;

#endif
