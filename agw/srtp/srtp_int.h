/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Inside agw/srtp.
 */
#ifndef AGW_SRTP_SRTP_INT_H
#define AGW_SRTP_SRTP_INT_H

#include "agw/srtp/srtp.h"

#include <srtp2/srtp.h>

/** libsrtp's answer as ours; srtp_err_status_ok is GW_OK. */
enum gw_err agw_srtp_error(srtp_err_status_t st);

/**
 * Policy of one direction. `master` is key and salt, borrowed until the session is created.
 * @return false for a profile we do not do
 */
bool agw_srtp_policy(srtp_policy_t *out, uint16_t profile, uint8_t *master, bool inbound,
		     uint32_t window);

#endif
