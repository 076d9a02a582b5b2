/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The other end of ctl_server.h: one blocking question, one answer; for wicgatectl and health
 * checks. Thread: any; blocks up to timeout_ms.
 */
#ifndef COMMON_CTL_CLIENT_H
#define COMMON_CTL_CLIENT_H

#include "common/err.h"

#include <jansson.h>

/**
 * @param args    array of strings or NULL; borrowed
 * @param answer  on GW_OK the whole answer object; caller decrefs
 * @return GW_OK; GW_ERR_IO cannot connect or broken; GW_ERR_TIMEOUT; GW_ERR_PARSE no JSON back
 */
enum gw_err gw_ctl_ask(const char *path, const char *cmd, json_t *args, int timeout_ms,
		       json_t **answer) GW_MUST_CHECK;

#endif
