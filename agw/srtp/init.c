/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The one place where libsrtp2 is started and its cipher and hash implementations are chosen.
 * Its registry is global and unlocked, so this runs before any worker exists. Today the
 * library's own implementations are used.
 */
#include "agw/srtp/srtp_int.h"

static unsigned users; /* control thread only */

enum gw_err agw_srtp_init(void)
{
	if (users == 0) {
		enum gw_err err = agw_srtp_error(srtp_init());

		if (err != GW_OK)
			return GW_ERR_CRYPTO;
	}
	users++;
	return GW_OK;
}

void agw_srtp_shutdown(void)
{
	GW_ASSERT(users > 0);
	if (--users == 0)
		(void)srtp_shutdown();
}
