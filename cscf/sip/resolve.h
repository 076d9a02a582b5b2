/* SPDX-License-Identifier: Apache-2.0 */
/*
 * From a SIP URI to targets (RFC 3263): numeric hosts and `mw.hosts` at once, names by NAPTR,
 * SRV and A/AAAA through c-ares on the loop, never blocking. A `.invalid` host and transport=ws
 * are never looked up (WS-15).
 * Thread: the loop thread.
 */
#ifndef CSCF_SIP_RESOLVE_H
#define CSCF_SIP_RESOLVE_H

#include "common/conf.h"
#include "common/err.h"
#include "common/handle.h"
#include "common/slice.h"
#include "cscf/sip/target.h"

#include <stdbool.h>
#include <stddef.h>

struct event_base;
struct cscf_sip_resolver;

struct cscf_sip_resolver_config {
	const struct gw_conf_list *hosts; /* "name=address[:port][;transport=tcp]" */
	const struct gw_conf_list *dns_servers;
	int64_t dns_timeout_ms;
	bool udp, tcp; /* transports in use, udp preferred for A/AAAA */
};

/** @param n 0 = no target found. May be called from within cscf_sip_resolve. */
typedef void cscf_sip_resolved_fn(void *arg, const struct cscf_sip_target *targets, size_t n);

enum gw_err cscf_sip_resolver_new(struct cscf_sip_resolver **out, struct event_base *base,
				  const struct cscf_sip_resolver_config *cfg, char *errbuf,
				  size_t errlen) GW_MUST_CHECK;
/** Open queries end with n = 0. */
void cscf_sip_resolver_free(struct cscf_sip_resolver *r);

/**
 * @param text   "sip:host:port;transport=tcp" or "host[:port]"
 * @param query  GW_HANDLE_NONE when fn was called already
 * @return GW_OK: fn is called exactly once, unless cancelled; GW_ERR_PARSE, GW_ERR_UNSUPPORTED
 *         (sips, transport=tls, .invalid): not called; GW_ERR_LIMIT; GW_ERR_NOMEM
 */
enum gw_err cscf_sip_resolve(struct cscf_sip_resolver *r, struct gw_slice text,
			     cscf_sip_resolved_fn *fn, void *arg, gw_handle *query) GW_MUST_CHECK;
/** A target of this name failed: ask anew the next time, whatever the TTL said. */
void cscf_sip_resolver_forget(struct cscf_sip_resolver *r, struct gw_slice text);
void cscf_sip_resolve_cancel(struct cscf_sip_resolver *r, gw_handle query);
size_t cscf_sip_resolver_pending(const struct cscf_sip_resolver *r);

#endif
