/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Internet addresses with port: parse, print, compare. IPv4 and IPv6; no names, no DNS.
 * Thread: any.
 */
#ifndef COMMON_SOCKADDR_H
#define COMMON_SOCKADDR_H

#include "common/err.h"

#include <netinet/in.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>

struct gw_addr {
	union {
		struct sockaddr sa;
		struct sockaddr_in v4;
		struct sockaddr_in6 v6;
	} u;
	socklen_t len; /* 0 = no address */
};

#define GW_ADDR_STRLEN 64 /* "[v6]:port" with terminator */

/** Parse "1.2.3.4:5060", "[::1]:5060", ":5060" (any IPv4), or with no port (default_port). */
enum gw_err gw_addr_parse(struct gw_addr *out, const char *text,
			  uint16_t default_port) GW_MUST_CHECK;
/** Parse an address without port ("1.2.3.4", "::1", "[::1]"). */
enum gw_err gw_addr_parse_ip(struct gw_addr *out, const char *ip, uint16_t port) GW_MUST_CHECK;
enum gw_err gw_addr_from_sa(struct gw_addr *out, const struct sockaddr *sa,
			    socklen_t len) GW_MUST_CHECK;

/** "1.2.3.4:5060" or "[::1]:5060" into buf (GW_ADDR_STRLEN is enough); returns buf. */
const char *gw_addr_str(const struct gw_addr *a, char *buf, size_t n);
/** Without port and brackets. */
const char *gw_addr_ip_str(const struct gw_addr *a, char *buf, size_t n);

uint16_t gw_addr_port(const struct gw_addr *a);
void gw_addr_set_port(struct gw_addr *a, uint16_t port);
bool gw_addr_eq(const struct gw_addr *a, const struct gw_addr *b);    /* address and port */
bool gw_addr_ip_eq(const struct gw_addr *a, const struct gw_addr *b); /* address only */
bool gw_addr_is_loopback(const struct gw_addr *a);
bool gw_addr_is_any(const struct gw_addr *a);
bool gw_addr_is_v6(const struct gw_addr *a);
/** Is `a` inside "10.0.0.0/8", "::1/128" or a plain address? */
bool gw_addr_in_range(const struct gw_addr *a, const char *cidr);

#endif
