/* SPDX-License-Identifier: Apache-2.0 */
/* wicgate-agw: options, configuration, start, loop, stop. */
#include "agw/agw.h"
#include "agw/dtls/heap.h"
#include "common/log.h"
#include "common/options.h"
#include "common/process.h"

#include <stdio.h>
#include <stdlib.h>

#define GW_LOG_MOD "agw"

static int check(const struct agw_config *cfg)
{
	struct agw_parts_cfg parts;
	char why[256] = "";

	if (agw_config_parts(&parts, cfg, why, sizeof(why)) != GW_OK) {
		fprintf(stderr, "wicgate-agw: %s\n", why);
		return EXIT_FAILURE;
	}
	printf("configuration is good\n");
	return EXIT_SUCCESS;
}

static int run(const struct agw_config *cfg)
{
	struct agw *agw = NULL;
	enum gw_err err;
	int status;

	gw_log_init("agw", (enum gw_log_level)cfg->log_level);
	if (!agw_dtls_heap_start())
		GW_LOG(GW_LOG_WARN, "agw.heap_unhooked", "why=\"OpenSSL is at work already\"");
	err = gw_process_guard_memory(cfg->ops_dump_memory, cfg->ops_lock_memory);
	if (err != GW_OK)
		GW_LOG(GW_LOG_WARN, "agw.memory_unguarded", "err=%s", gw_err_name(err));
	if (agw_new(&agw, cfg) != GW_OK)
		return EXIT_FAILURE;
	status = agw_run(agw);
	agw_free(agw);
	return status;
}

int main(int argc, char **argv)
{
	struct gw_options opt;
	struct agw_config cfg = {0};
	char why[256] = "";
	int status =
	    gw_options_parse(&opt, argc, argv, "wicgate-agw", agw_config_keys, agw_config_n_keys);

	if (status >= 0)
		return status;
	if (gw_conf_load(agw_config_keys, agw_config_n_keys, &cfg, &opt.source, why, sizeof(why)) !=
	    GW_OK) {
		fprintf(stderr, "wicgate-agw: %s\n", why);
		status = EXIT_FAILURE;
	} else {
		status = opt.check_config ? check(&cfg) : run(&cfg);
	}
	gw_conf_free(agw_config_keys, agw_config_n_keys, &cfg);
	return status;
}
