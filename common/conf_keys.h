/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Rows of a key table (conf.h), one short line each. The file that holds the table defines
 * F(field) as offsetof(struct its_config, field). n = name, f = field, d = default as text,
 * lo/hi = limits (durations in ms), c = words, h = help.
 */
#ifndef COMMON_CONF_KEYS_H
#define COMMON_CONF_KEYS_H

#include "common/conf.h"

#define SECOND INT64_C(1000)
#define MINUTE (60 * SECOND)
#define HOUR   (60 * MINUTE)
#define DAY    (24 * HOUR)
#define MIB    INT64_C(1048576)

/* clang-format off */
#define K_ROW(n, t, f, d, lo, hi, c, need, secret, h) {n, t, F(f), d, lo, hi, c, need, secret, h, NULL}

#define K_STR(n, f, d, h)          K_ROW(n, GW_CONF_STR, f, d, 0, 0, NULL, false, false, h)
#define K_SECRET(n, f, d, h)       K_ROW(n, GW_CONF_STR, f, d, 0, 0, NULL, false, true, h)
#define K_LIST(n, f, d, h)         K_ROW(n, GW_CONF_STR_LIST, f, d, 0, 0, NULL, false, false, h)
#define K_NEED(n, f, h)            K_ROW(n, GW_CONF_STR_LIST, f, NULL, 0, 0, NULL, true, false, h)
#define K_NEED_STR(n, f, h)        K_ROW(n, GW_CONF_STR, f, NULL, 0, 0, NULL, true, false, h)
#define K_BOOL(n, f, d, h)         K_ROW(n, GW_CONF_BOOL, f, d, 0, 0, NULL, false, false, h)
#define K_INT(n, f, d, lo, hi, h)  K_ROW(n, GW_CONF_INT, f, d, lo, hi, NULL, false, false, h)
#define K_SIZE(n, f, d, lo, hi, h) K_ROW(n, GW_CONF_SIZE, f, d, lo, hi, NULL, false, false, h)
#define K_TIME(n, f, d, lo, hi, h) K_ROW(n, GW_CONF_DURATION, f, d, lo, hi, NULL, false, false, h)
#define K_PORTS(n, f, d, h)        K_ROW(n, GW_CONF_RANGE, f, d, 1024, 65535, NULL, false, false, h)
#define K_ENUM(n, f, d, c, h)      K_ROW(n, GW_CONF_ENUM, f, d, 0, 0, c, false, false, h)
#define K_MAPS(n, f, m, h)         {n, GW_CONF_MAPS, F(f), NULL, 0, 0, NULL, false, false, h, m}
/* clang-format on */

#endif
