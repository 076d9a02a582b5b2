/* SPDX-License-Identifier: Apache-2.0 */
/* A counter as an operator reads it, by its name and labels. */
#ifndef TESTS_UNIT_AGW_LIB_METRIC_VALUE_H
#define TESTS_UNIT_AGW_LIB_METRIC_VALUE_H

#include "common/metric.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static inline unsigned metric_value(const char *name)
{
	char *text = gw_metric_text();
	const char *at = strstr(text, name);
	unsigned v = 0;

	assert_non_null(at);
	assert_int_equal(sscanf(at + strlen(name), " %u", &v), 1);
	free(text);
	return v;
}

#endif
