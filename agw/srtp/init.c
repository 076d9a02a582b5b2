/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The one place where libsrtp2 is started and its cipher and hash implementations are chosen.
 * Its registry is global and unlocked, so this runs before any worker exists.
 */
#include "agw/srtp/primitives_int.h"

static unsigned users; /* control thread only */

enum gw_err agw_srtp_init_with(enum agw_srtp_lib lib)
{
	if (users == 0) {
		enum gw_err err = agw_srtp_error(srtp_init());

		if (err != GW_OK)
			return GW_ERR_CRYPTO;
		agw_srtp_primitives_start(lib == AGW_SRTP_LIB_OPENSSL ? agw_srtp_openssl : NULL);
	}
	users++;
	return GW_OK;
}

enum gw_err agw_srtp_init(void)
{
	return agw_srtp_init_with(AGW_SRTP_LIB_OPENSSL);
}

void agw_srtp_shutdown(void)
{
	GW_ASSERT(users > 0);
	if (--users == 0) {
		(void)srtp_shutdown();
		agw_srtp_primitives_stop();
	}
}
