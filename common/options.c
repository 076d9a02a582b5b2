/* SPDX-License-Identifier: Apache-2.0 */
/*
 * See options.h.
 */
#include "common/options.h"

#include <getopt.h>
#include <stdio.h>
#include <string.h>

enum {
	OPT_CONFIG = 'c',
	OPT_SET = 's',
	OPT_HELP = 'h',
	OPT_VERSION = 'V',
	OPT_CHECK = 256,
	OPT_HELP_CONFIG,
};

static void usage(FILE *to, const char *program)
{
	(void)fprintf(to,
		      "Usage: %s [options]\n"
		      "  -c, --config FILE     YAML configuration\n"
		      "  -s, --set KEY=VALUE   override one key (repeatable); WICGATE_KEY in the\n"
		      "                        environment does the same\n"
		      "      --check-config    check the configuration and exit (0 = good)\n"
		      "      --help-config     list every key with default and meaning\n"
		      "  -V, --version         print the version\n"
		      "  -h, --help            this text\n",
		      program);
}

int gw_options_parse(struct gw_options *out, int argc, char **argv, const char *program,
		     const struct gw_conf_key *keys, size_t n_keys)
{
	static const struct option longs[] = {
	    {"config", required_argument, NULL, OPT_CONFIG},
	    {"set", required_argument, NULL, OPT_SET},
	    {"check-config", no_argument, NULL, OPT_CHECK},
	    {"help-config", no_argument, NULL, OPT_HELP_CONFIG},
	    {"version", no_argument, NULL, OPT_VERSION},
	    {"help", no_argument, NULL, OPT_HELP},
	    {NULL, 0, NULL, 0},
	};
	int c;

	memset(out, 0, sizeof(*out));
	out->source.use_env = true;
	out->source.set = out->set;
	/* NOLINTNEXTLINE(concurrency-mt-unsafe): before any thread */
	while ((c = getopt_long(argc, argv, "c:s:hV", longs, NULL)) != -1) {
		switch (c) {
		case OPT_CONFIG:
			out->source.file = optarg;
			break;
		case OPT_SET:
			if (out->source.n_set >= GW_OPTIONS_MAX_SET) {
				(void)fprintf(stderr, "%s: too many --set\n", program);
				return 2;
			}
			out->set[out->source.n_set++] = optarg;
			break;
		case OPT_CHECK:
			out->check_config = true;
			break;
		case OPT_HELP_CONFIG:
			gw_conf_print_keys(keys, n_keys, stdout);
			return 0;
		case OPT_VERSION:
			(void)printf("%s %s\n", program, GW_VERSION);
			return 0;
		case OPT_HELP:
			usage(stdout, program);
			return 0;
		default:
			usage(stderr, program);
			return 2;
		}
	}
	if (optind < argc) {
		(void)fprintf(stderr, "%s: unexpected argument \"%s\"\n", program, argv[optind]);
		return 2;
	}
	return -1;
}
