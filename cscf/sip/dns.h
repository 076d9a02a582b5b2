/* SPDX-License-Identifier: Apache-2.0 */
/*
 * c-ares on the libevent loop: NAPTR, SRV and address look-ups. What to ask for, and what to make
 * of it, is resolve.c's. Names and numbers only, no SIP.
 * Thread: the loop thread.
 */
#ifndef CSCF_SIP_DNS_H
#define CSCF_SIP_DNS_H

#include "common/conf.h"
#include "common/err.h"
#include "common/sockaddr.h"

#include <stddef.h>
#include <stdint.h>

struct event_base;
struct cscf_sip_dns;

#define CSCF_SIP_DNS_NAME 256
#define CSCF_SIP_DNS_MAX  16 /* records taken of one answer */

struct cscf_sip_dns_record {
	char name[CSCF_SIP_DNS_NAME]; /* SRV target, NAPTR replacement */
	char service[32];             /* NAPTR */
	uint16_t order;               /* NAPTR order; SRV priority */
	uint16_t weight;              /* NAPTR preference; SRV weight */
	uint16_t port;                /* SRV */
	struct gw_addr addr;          /* address look-up; port 0 */
	uint32_t ttl_s;               /* the least of the answer: the same in each record */
};

/**
 * n = 0: no such records, failure, timeout, or the channel is going away. Called exactly once,
 * possibly from within the asking call. SRV and NAPTR are sorted as they are to be tried.
 */
typedef void cscf_sip_dns_fn(void *arg, const struct cscf_sip_dns_record *records, size_t n);

/** @param servers  "addr[:port]"; empty = the system's */
enum gw_err cscf_sip_dns_new(struct cscf_sip_dns **out, struct event_base *base,
			     const struct gw_conf_list *servers, int64_t timeout_ms, char *errbuf,
			     size_t errlen) GW_MUST_CHECK;
/** Open questions end with n = 0. */
void cscf_sip_dns_free(struct cscf_sip_dns *d);

void cscf_sip_dns_naptr(struct cscf_sip_dns *d, const char *name, cscf_sip_dns_fn *fn, void *arg);
void cscf_sip_dns_srv(struct cscf_sip_dns *d, const char *name, cscf_sip_dns_fn *fn, void *arg);
void cscf_sip_dns_addr(struct cscf_sip_dns *d, const char *name, cscf_sip_dns_fn *fn, void *arg);

#endif
