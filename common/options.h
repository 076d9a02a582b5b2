/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The command line both daemons share: --config FILE, --set KEY=VALUE (repeatable),
 * --check-config, --help-config, --version, --help. Thread: start-up only.
 */
#ifndef COMMON_OPTIONS_H
#define COMMON_OPTIONS_H

#include "common/conf.h"

#include <stdbool.h>

#define GW_OPTIONS_MAX_SET 128
#define GW_VERSION         "0.1.0"

struct gw_options {
	struct gw_conf_source source;
	const char *set[GW_OPTIONS_MAX_SET];
	bool check_config;
};

/**
 * Parse argv. @return -1 to go on, else the exit status to end with at once (0 after --help,
 * 2 after a mistake; the text is already printed).
 */
int gw_options_parse(struct gw_options *out, int argc, char **argv, const char *program,
		     const struct gw_conf_key *keys, size_t n_keys);

#endif
