/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The process object: builds the gateway's parts in order and undoes them in reverse.
 *
 *   contexts -> media pool -> control server -> operator's interfaces
 *
 * Thread: control thread (the caller's, which runs the loop in agw_run).
 */
#ifndef AGW_AGW_H
#define AGW_AGW_H

#include "agw/config.h"

struct agw;

/**
 * Build everything; listening when it returns.
 * @param cfg borrowed: outlives the object
 * @return GW_OK; else what failed, already logged
 */
enum gw_err agw_new(struct agw **out, const struct agw_config *cfg) GW_MUST_CHECK;
void agw_free(struct agw *a);

/** Serve until SIGTERM or SIGINT and what follows it (drain, shutdown.grace). @return exit code */
int agw_run(struct agw *a);

#endif
