/* SPDX-License-Identifier: Apache-2.0 */
/* What the files of cscf/ops share. Thread: the cscf loop. */
#ifndef CSCF_OPS_INT_H
#define CSCF_OPS_INT_H

#include "common/ctl_server.h"
#include "common/http_ops.h"
#include "cscf/ops/ops.h"

#include <time.h>

#define OPS_EXPLAINS 16 /* operators who wait for a live story */

/* A story that is asked for while its AGW is looked at. */
struct ops_explain {
	uint64_t ticket; /* 0 = free */
	gw_handle call;
	struct cscf_story_view view;
};

struct cscf_ops {
	struct cscf_ops_parts p;
	struct cscf_ops_cbs cbs;
	void *arg;
	time_t started;            /* monotonic */
	struct gw_ctl_server *ctl; /* owned; NULL = off */
	struct gw_http_ops *http;  /* owned; NULL = off */
	struct ops_explain explains[OPS_EXPLAINS];
};

/* status.c */
json_t *ops_status(struct cscf_ops *o);

/* explain.c */
json_t *ops_call_explain(void *arg, const json_t *args, const char **error);
/** Calls that have ended; args: --ended [N], or an error. */
json_t *ops_call_ended(struct cscf_ops *o, const json_t *args, const char **error);

/* ctl.c */
extern const struct gw_ctl_command ops_commands[];
extern const size_t ops_n_commands;

#endif
