/* SPDX-License-Identifier: Apache-2.0 */
/* Shared by the files of agw/ops only. */
#ifndef AGW_OPS_OPS_INT_H
#define AGW_OPS_OPS_INT_H

#include "agw/ops/ops.h"
#include "common/ctl_server.h"

#include <time.h>

struct gw_http_ops;

struct agw_ops {
	struct agw_ops_cfg cfg;
	struct agw_context_table *table; /* borrowed, like the next two */
	struct agw_pool *pool;
	struct agw_iq_server *iq;
	struct gw_ctl_server *ctl; /* owned */
	struct gw_http_ops *http;  /* owned */
	struct timespec born;
};

/* status.c */
json_t *agw_ops_status(const struct agw_ops *o);
gw_ctl_fn agw_ops_cmd_status;

/* contexts.c */
gw_ctl_fn agw_ops_cmd_context_list, agw_ops_cmd_context_show, agw_ops_cmd_controller_list,
    agw_ops_cmd_audit;

#endif
