/* SPDX-License-Identifier: Apache-2.0 */
/*
 * libsrtp2's status words in ours.
 */
#include "agw/srtp/srtp_int.h"

enum gw_err agw_srtp_error(srtp_err_status_t st)
{
	switch ((int)st) { /* foreign enum: it may grow */
	case srtp_err_status_ok:
		return GW_OK;
	case srtp_err_status_auth_fail:
	case srtp_err_status_cant_check: /* SRTCP with E=0 under an encrypting policy */
	case srtp_err_status_cipher_fail:
		return GW_ERR_AUTH;
	case srtp_err_status_replay_fail:
	case srtp_err_status_replay_old:
	case srtp_err_status_pkt_idx_old:
	case srtp_err_status_pkt_idx_adv:
		return GW_ERR_REPLAY;
	case srtp_err_status_key_expired:
		return GW_ERR_LIMIT;
	case srtp_err_status_alloc_fail:
		return GW_ERR_NOMEM;
	case srtp_err_status_bad_param:
	case srtp_err_status_parse_err:
	case srtp_err_status_bad_mki:
	case srtp_err_status_no_ctx:
		return GW_ERR_PROTO;
	default:
		return GW_ERR_CRYPTO;
	}
}
