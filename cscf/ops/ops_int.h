/* SPDX-License-Identifier: Apache-2.0 */
/* What the files of cscf/ops share. Thread: the cscf loop. */
#ifndef CSCF_OPS_INT_H
#define CSCF_OPS_INT_H

#include "common/ctl_server.h"
#include "common/http_ops.h"
#include "cscf/ops/ops.h"

#include <time.h>

struct cscf_ops {
	struct cscf_ops_parts p;
	struct cscf_ops_cbs cbs;
	void *arg;
	time_t started;
	struct gw_ctl_server *ctl; /* owned; NULL = off */
	struct gw_http_ops *http;  /* owned; NULL = off */
};

/* status.c */
json_t *ops_status(struct cscf_ops *o);

/* ctl.c */
extern const struct gw_ctl_command ops_commands[];
extern const size_t ops_n_commands;

#endif
