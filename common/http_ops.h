/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The operator's HTTP port (loopback by default): /metrics, /livez, /readyz, /status.
 * GET only; anything else is 404 or 405. Not a web server for anything else.
 * Thread: the loop thread of `base`.
 */
#ifndef COMMON_HTTP_OPS_H
#define COMMON_HTTP_OPS_H

#include "common/err.h"

#include <jansson.h>
#include <stdbool.h>

struct event_base;
struct gw_http_ops;

struct gw_http_ops_cbs {
	/* Ready for new work? When not, write a short reason. */
	bool (*ready)(void *arg, const char **reason);
	/* The same object as the operator's `status` command; new reference. */
	json_t *(*status)(void *arg);
};

/** @param listen "127.0.0.1:9180"; "" = no port (then *out is NULL and GW_OK is returned). */
enum gw_err gw_http_ops_new(struct gw_http_ops **out, struct event_base *base, const char *listen,
			    const struct gw_http_ops_cbs *cbs, void *arg) GW_MUST_CHECK;
void gw_http_ops_free(struct gw_http_ops *h);

#endif
