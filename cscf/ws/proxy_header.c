/* SPDX-License-Identifier: Apache-2.0 */
/* PROXY header parser; see proxy_header.h. */
#include "cscf/ws/proxy_header.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SIGNATURE_LEN 12
#define V2_HEAD_LEN   16
#define V1_MAX        107
#define V1_MIN        15 /* "PROXY UNKNOWN\r\n" */

static const uint8_t v2_signature[SIGNATURE_LEN] = {0x0d, 0x0a, 0x0d, 0x0a, 0x00, 0x0d,
						    0x0a, 0x51, 0x55, 0x49, 0x54, 0x0a};

static enum gw_err more(size_t *need, size_t n)
{
	*need = n;
	return GW_ERR_AGAIN;
}

static enum gw_err parse_v1_line(const char *line, struct gw_addr *src)
{
	char family[8], from[64], to[64];
	unsigned from_port, to_port;
	char end;

	if (strncmp(line, "PROXY UNKNOWN", 13) == 0 && (line[13] == ' ' || line[13] == '\0'))
		return GW_OK;
	/* NOLINTNEXTLINE(cert-err34-c): the ports are range-checked below */
	if (sscanf(line, "PROXY %7s %63s %63s %5u %5u%c", family, from, to, &from_port, &to_port,
		   &end) != 5)
		return GW_ERR_PROTO;
	if (from_port > UINT16_MAX || to_port > UINT16_MAX)
		return GW_ERR_PROTO;
	if (gw_addr_parse_ip(src, from, (uint16_t)from_port) != GW_OK)
		return GW_ERR_PROTO;
	return strcmp(family, gw_addr_is_v6(src) ? "TCP6" : "TCP4") == 0 ? GW_OK : GW_ERR_PROTO;
}

static enum gw_err parse_v1(const uint8_t *bytes, size_t len, size_t *need, struct gw_addr *src)
{
	char line[V1_MAX + 1];

	if (memcmp(bytes, "PROXY ", 6) != 0 || memchr(bytes, '\0', len) != NULL)
		return GW_ERR_PROTO;
	if (len < V1_MIN)
		return more(need, V1_MIN - len);
	if (bytes[len - 1] != '\n')
		return len < V1_MAX ? more(need, 1) : GW_ERR_PROTO;
	if (bytes[len - 2] != '\r' || memchr(bytes, '\n', len - 1) != NULL || len > V1_MAX)
		return GW_ERR_PROTO;
	memcpy(line, bytes, len - 2);
	line[len - 2] = '\0';
	return parse_v1_line(line, src);
}

/* Addresses of version 2: source, destination, source port, destination port, then TLVs. */
static enum gw_err parse_v2_addresses(unsigned family, const uint8_t *p, size_t n,
				      struct gw_addr *src)
{
	memset(src, 0, sizeof(*src));
	if (family == 0x11 && n >= 12) {
		src->u.v4.sin_family = AF_INET;
		memcpy(&src->u.v4.sin_addr, p, 4);
		memcpy(&src->u.v4.sin_port, p + 8, 2);
		src->len = sizeof(src->u.v4);
		return GW_OK;
	}
	if (family == 0x21 && n >= 36) {
		src->u.v6.sin6_family = AF_INET6;
		memcpy(&src->u.v6.sin6_addr, p, 16);
		memcpy(&src->u.v6.sin6_port, p + 32, 2);
		src->len = sizeof(src->u.v6);
		return GW_OK;
	}
	return family == 0x00 ? GW_OK : GW_ERR_PROTO;
}

static enum gw_err parse_v2(const uint8_t *bytes, size_t len, size_t *need, struct gw_addr *src)
{
	size_t body;

	if (len < V2_HEAD_LEN)
		return more(need, V2_HEAD_LEN - len);
	body = (size_t)bytes[14] << 8 | bytes[15];
	if (bytes[12] >> 4 != 2 || body > CSCF_WS_PROXY_MAX - V2_HEAD_LEN)
		return GW_ERR_PROTO;
	if (len < V2_HEAD_LEN + body)
		return more(need, V2_HEAD_LEN + body - len);
	switch (bytes[12] & 0x0f) {
	case 0: /* LOCAL: the balancer's own health check */
		return GW_OK;
	case 1: /* PROXY */
		return parse_v2_addresses(bytes[13], bytes + V2_HEAD_LEN, body, src);
	default:
		return GW_ERR_PROTO;
	}
}

enum gw_err cscf_ws_proxy_header_parse(const uint8_t *bytes, size_t len, size_t *need,
				       struct gw_addr *src)
{
	memset(src, 0, sizeof(*src));
	if (len < SIGNATURE_LEN)
		return more(need, SIGNATURE_LEN - len);
	if (memcmp(bytes, v2_signature, SIGNATURE_LEN) == 0)
		return parse_v2(bytes, len, need, src);
	return parse_v1(bytes, len, need, src);
}
