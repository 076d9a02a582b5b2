/* SPDX-License-Identifier: Apache-2.0 */
/* wicgate-cscf: options, configuration, start, loop, stop. */
#include "common/log.h"
#include "common/options.h"
#include "common/process.h"
#include "cscf/cscf.h"

#include <stdio.h>
#include <stdlib.h>

#define GW_LOG_MOD "cscf"

static int check(struct cscf_config *cfg)
{
	struct cscf_config_parts parts;
	char why[256] = "";

	if (cscf_config_finish(cfg, &parts, false, why, sizeof(why)) != GW_OK) {
		fprintf(stderr, "wicgate-cscf: %s\n", why);
		return EXIT_FAILURE;
	}
	printf("configuration is good\n");
	return EXIT_SUCCESS;
}

static int run(struct cscf_config *cfg, const struct gw_conf_source *source)
{
	struct cscf *cscf = NULL;
	enum gw_err err;
	int status;

	gw_log_init("cscf", (enum gw_log_level)cfg->log_level);
	err = gw_process_guard_memory(cfg->ops_dump_memory, cfg->ops_lock_memory);
	if (err != GW_OK)
		GW_LOG(GW_LOG_WARN, "cscf.memory_unguarded", "err=%s", gw_err_name(err));
	if (cscf_new(&cscf, cfg, source) != GW_OK)
		return EXIT_FAILURE;
	status = cscf_run(cscf);
	cscf_free(cscf);
	return status;
}

int main(int argc, char **argv)
{
	struct gw_options opt;
	struct cscf_config cfg = {0};
	char why[256] = "";
	int status = gw_options_parse(&opt, argc, argv, "wicgate-cscf", cscf_config_keys,
				      cscf_config_n_keys);

	if (status >= 0)
		return status;
	if (gw_conf_load(cscf_config_keys, cscf_config_n_keys, &cfg, &opt.source, why,
			 sizeof(why)) != GW_OK) {
		fprintf(stderr, "wicgate-cscf: %s\n", why);
		status = EXIT_FAILURE;
	} else {
		status = opt.check_config ? check(&cfg) : run(&cfg, &opt.source);
	}
	gw_conf_free(cscf_config_keys, cscf_config_n_keys, &cfg);
	return status;
}
