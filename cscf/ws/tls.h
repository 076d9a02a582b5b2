/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The server's TLS context on W2: TLS 1.2 and 1.3, AEAD with forward secrecy only, no
 * compression, no renegotiation, no early data, no client certificate.
 * A reload makes a new context; connections keep the one they were born with.
 * Thread: the loop thread. Spec: SEC-01, SEC-02, SEC-04; RFC 9325.
 */
#ifndef CSCF_WS_TLS_H
#define CSCF_WS_TLS_H

#include "common/err.h"

#include <stddef.h>

struct ssl_ctx_st;

/**
 * @param min_version  "1.2" or "1.3"
 * @param errbuf       on failure: what and which file; may be NULL
 * @return GW_OK; GW_ERR_INVAL version word; GW_ERR_CRYPTO files or OpenSSL; GW_ERR_NOMEM
 */
enum gw_err cscf_ws_tls_ctx_new(struct ssl_ctx_st **out, const char *cert_file,
				const char *key_file, const char *min_version, char *errbuf,
				size_t errlen) GW_MUST_CHECK;

#endif
