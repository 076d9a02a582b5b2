/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The eP-CSCF process as an object: builds its parts in order, undoes them in reverse, and knows
 * how the process ends.
 *
 *   SIGTERM, SIGINT  not ready, 503 for new work; calls end or shutdown.grace passes, then BYE to
 *                    what is left; WebSockets closed with 1001; exit 0. A second one: now.
 *   SIGHUP           TLS certificate and key of W2, and emergency.* of the configuration, read
 * again.
 *
 * Thread: the process's one loop thread.
 */
#ifndef CSCF_CSCF_H
#define CSCF_CSCF_H

#include "cscf/config.h"

struct cscf;

/**
 * @param cfg  borrowed: outlives the object; finished by this
 * @param source  where it came from, to be read again; borrowed as well; NULL = it is not
 * @return GW_OK; else it is logged which part could not start and why
 */
enum gw_err cscf_new(struct cscf **out, struct cscf_config *cfg,
		     const struct gw_conf_source *source) GW_MUST_CHECK;
/** NULL is legal. */
void cscf_free(struct cscf *c);
/** Run until told to end. @return the exit status */
int cscf_run(struct cscf *c);

#endif
