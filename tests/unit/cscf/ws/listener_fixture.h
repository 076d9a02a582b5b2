/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A listener on loopback, and two clients of it.
 */
#ifndef TESTS_UNIT_CSCF_WS_LISTENER_FIXTURE_H
#define TESTS_UNIT_CSCF_WS_LISTENER_FIXTURE_H

#include "tests/unit/cscf/ws/rig.h"

static struct rig rig;
static struct client a, b;

static inline int64_t rejects(enum cscf_ws_reject why)
{
	return gw_metric_get(&cscf_ws_rejects[why]);
}

static inline int setup(void **state)
{
	(void)state;
	rig_init(&rig);
	return 0;
}

static inline int teardown(void **state)
{
	(void)state;
	client_close(&a);
	client_close(&b);
	rig_stop(&rig);
	return 0;
}

#endif
