/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The PROXY header, versions 1 and 2, of a layer-4 balancer in front of us, without I/O. It is
 * read only from balancers that are listed (ws.proxy_protocol_from) and from those it must come.
 * The reader asks for exactly as many octets as still belong to the header, so nothing of the
 * TLS stream behind it is consumed. Thread: the owner's.
 * Spec: SEC-28; "The PROXY protocol, versions 1 & 2", HAProxy Technologies.
 */
#ifndef CSCF_WS_PROXY_HEADER_H
#define CSCF_WS_PROXY_HEADER_H

#include "common/sockaddr.h"

#include <stddef.h>
#include <stdint.h>

#define CSCF_WS_PROXY_MAX (16 + 512)

/**
 * @param bytes, len  all octets read so far
 * @param need        with GW_ERR_AGAIN: how many more to read, at least 1
 * @param src         with GW_OK: the source; len 0 when the balancer speaks for itself (LOCAL,
 *                    UNKNOWN)
 * @return GW_OK complete; GW_ERR_AGAIN; GW_ERR_PROTO no PROXY header, or a broken one
 */
enum gw_err cscf_ws_proxy_header_parse(const uint8_t *bytes, size_t len, size_t *need,
				       struct gw_addr *src) GW_MUST_CHECK;

#endif
