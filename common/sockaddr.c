/* SPDX-License-Identifier: Apache-2.0 */
/*
 * See sockaddr.h.
 */
#include "common/sockaddr.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static bool parse_port(const char *text, uint16_t *out)
{
	unsigned long v = 0;
	size_t n = 0;

	for (; text[n] >= '0' && text[n] <= '9' && n < 5; n++)
		v = v * 10 + (unsigned long)(text[n] - '0');
	if (n == 0 || text[n] != '\0' || v > UINT16_MAX)
		return false;
	*out = (uint16_t)v;
	return true;
}

enum gw_err gw_addr_parse_ip(struct gw_addr *out, const char *ip, uint16_t port)
{
	char host[INET6_ADDRSTRLEN + 2];
	size_t n = strlen(ip);

	if (n >= 2 && ip[0] == '[' && ip[n - 1] == ']') {
		ip++;
		n -= 2;
	}
	if (n == 0 || n >= sizeof(host))
		return GW_ERR_PARSE;
	memcpy(host, ip, n);
	host[n] = '\0';
	memset(out, 0, sizeof(*out));
	if (inet_pton(AF_INET, host, &out->u.v4.sin_addr) == 1) {
		out->u.v4.sin_family = AF_INET;
		out->len = sizeof(out->u.v4);
	} else if (inet_pton(AF_INET6, host, &out->u.v6.sin6_addr) == 1) {
		out->u.v6.sin6_family = AF_INET6;
		out->len = sizeof(out->u.v6);
	} else {
		return GW_ERR_PARSE;
	}
	gw_addr_set_port(out, port);
	return GW_OK;
}

enum gw_err gw_addr_parse(struct gw_addr *out, const char *text, uint16_t default_port)
{
	char host[INET6_ADDRSTRLEN + 2];
	const char *colon = strrchr(text, ':');
	uint16_t port = default_port;
	size_t n = strlen(text);

	if (text[0] == '[') {
		const char *end = strchr(text, ']');

		if (end == NULL || (end[1] != '\0' && end[1] != ':'))
			return GW_ERR_PARSE;
		colon = end[1] == ':' ? end + 1 : NULL;
	} else if (colon != NULL && strchr(text, ':') != colon) {
		colon = NULL; /* a bare IPv6 address */
	}
	if (colon != NULL) {
		if (!parse_port(colon + 1, &port))
			return GW_ERR_PARSE;
		n = (size_t)(colon - text);
	}
	if (n == 0)
		return gw_addr_parse_ip(out, "0.0.0.0", port);
	if (n >= sizeof(host))
		return GW_ERR_PARSE;
	memcpy(host, text, n);
	host[n] = '\0';
	return gw_addr_parse_ip(out, host, port);
}

enum gw_err gw_addr_from_sa(struct gw_addr *out, const struct sockaddr *sa, socklen_t len)
{
	if (len > sizeof(out->u) || (sa->sa_family != AF_INET && sa->sa_family != AF_INET6))
		return GW_ERR_INVAL;
	memset(out, 0, sizeof(*out));
	memcpy(&out->u, sa, len);
	out->len = len;
	return GW_OK;
}

const char *gw_addr_ip_str(const struct gw_addr *a, char *buf, size_t n)
{
	const void *raw =
	    gw_addr_is_v6(a) ? (const void *)&a->u.v6.sin6_addr : (const void *)&a->u.v4.sin_addr;

	if (a->len == 0 || inet_ntop(a->u.sa.sa_family, raw, buf, (socklen_t)n) == NULL)
		(void)snprintf(buf, n, "-");
	return buf;
}

const char *gw_addr_str(const struct gw_addr *a, char *buf, size_t n)
{
	char ip[INET6_ADDRSTRLEN];

	if (a->len == 0)
		(void)snprintf(buf, n, "-");
	else
		(void)snprintf(buf, n, gw_addr_is_v6(a) ? "[%s]:%u" : "%s:%u",
			       gw_addr_ip_str(a, ip, sizeof(ip)), (unsigned)gw_addr_port(a));
	return buf;
}

bool gw_addr_is_v6(const struct gw_addr *a)
{
	return a->u.sa.sa_family == AF_INET6;
}

uint16_t gw_addr_port(const struct gw_addr *a)
{
	return ntohs(gw_addr_is_v6(a) ? a->u.v6.sin6_port : a->u.v4.sin_port);
}

void gw_addr_set_port(struct gw_addr *a, uint16_t port)
{
	if (gw_addr_is_v6(a))
		a->u.v6.sin6_port = htons(port);
	else
		a->u.v4.sin_port = htons(port);
}

bool gw_addr_ip_eq(const struct gw_addr *a, const struct gw_addr *b)
{
	if (a->len == 0 || b->len == 0 || a->u.sa.sa_family != b->u.sa.sa_family)
		return false;
	if (gw_addr_is_v6(a))
		return memcmp(&a->u.v6.sin6_addr, &b->u.v6.sin6_addr, sizeof(a->u.v6.sin6_addr)) ==
		       0;
	return a->u.v4.sin_addr.s_addr == b->u.v4.sin_addr.s_addr;
}

bool gw_addr_eq(const struct gw_addr *a, const struct gw_addr *b)
{
	return gw_addr_ip_eq(a, b) && gw_addr_port(a) == gw_addr_port(b);
}

bool gw_addr_is_loopback(const struct gw_addr *a)
{
	if (a->len == 0)
		return false;
	if (gw_addr_is_v6(a))
		return IN6_IS_ADDR_LOOPBACK(&a->u.v6.sin6_addr);
	return (ntohl(a->u.v4.sin_addr.s_addr) >> 24) == 127;
}

bool gw_addr_is_any(const struct gw_addr *a)
{
	if (gw_addr_is_v6(a))
		return IN6_IS_ADDR_UNSPECIFIED(&a->u.v6.sin6_addr);
	return a->u.v4.sin_addr.s_addr == INADDR_ANY;
}

static const unsigned char *octets(const struct gw_addr *a, unsigned *bits)
{
	if (gw_addr_is_v6(a)) {
		*bits = 128;
		return a->u.v6.sin6_addr.s6_addr;
	}
	*bits = 32;
	return (const unsigned char *)&a->u.v4.sin_addr;
}

bool gw_addr_in_range(const struct gw_addr *a, const char *cidr)
{
	char host[INET6_ADDRSTRLEN + 2];
	const char *slash = strchr(cidr, '/');
	size_t n = slash != NULL ? (size_t)(slash - cidr) : strlen(cidr);
	struct gw_addr net;
	const unsigned char *x;
	const unsigned char *y;
	unsigned bits;
	uint16_t prefix;

	if (n >= sizeof(host))
		return false;
	memcpy(host, cidr, n);
	host[n] = '\0';
	if (gw_addr_parse_ip(&net, host, 0) != GW_OK || net.u.sa.sa_family != a->u.sa.sa_family ||
	    a->len == 0)
		return false;
	x = octets(a, &bits);
	y = octets(&net, &bits);
	prefix = (uint16_t)bits;
	if (slash != NULL && (!parse_port(slash + 1, &prefix) || prefix > bits))
		return false;
	if (memcmp(x, y, prefix / 8U) != 0)
		return false;
	if (prefix % 8U == 0)
		return true;
	return ((x[prefix / 8U] ^ y[prefix / 8U]) >> (8U - prefix % 8U)) == 0;
}
