/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What operators see of the gateway: commands on the UNIX socket (common/ctl_server.h), metrics
 * and health over HTTP (common/http_ops.h). Nothing here decides about calls.
 * Thread: control thread.
 */
#ifndef AGW_OPS_OPS_H
#define AGW_OPS_OPS_H

#include "agw/context/context.h"
#include "agw/iq/server.h"

struct event_base;
struct agw_ops;

struct agw_ops_cfg {
	const char *ctl_socket; /* "" = none */
	const char *listen;     /* "" = none */
	const char *agw_id;     /* borrowed, like realms */
	const struct agw_realm_cfg *realms;
	size_t n_realms;
	uint32_t port_quarantine_ms;
};

/** All parts are borrowed and outlive it. @return GW_OK; GW_ERR_IO; GW_ERR_INVAL; GW_ERR_NOMEM */
enum gw_err agw_ops_new(struct agw_ops **out, struct event_base *base,
			const struct agw_ops_cfg *cfg, struct agw_context_table *table,
			struct agw_pool *pool, struct agw_iq_server *iq) GW_MUST_CHECK;
void agw_ops_free(struct agw_ops *o);

#endif
