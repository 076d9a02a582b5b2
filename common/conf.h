/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Configuration: one table of keys per process says everything about them (name, type, default,
 * limits, meaning); the YAML file, `--set key=value` and environment variables only fill it in.
 * Precedence: default < file < environment (WICGATE_WS_LISTEN for ws.listen) < --set.
 * An unknown key, a wrong type or a value out of range is an error that names file and line.
 * The struct it fills is constant after start.
 * Thread: start-up only.
 */
#ifndef COMMON_CONF_H
#define COMMON_CONF_H

#include "common/err.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

enum gw_conf_type {
	GW_CONF_BOOL,     /* field: bool */
	GW_CONF_INT,      /* field: int64_t; min..max */
	GW_CONF_DURATION, /* field: int64_t in milliseconds; "500ms", "10s", "2m", "1h", bare = s */
	GW_CONF_SIZE,     /* field: int64_t in octets; "64k", "1m", "1MiB" or plain */
	GW_CONF_STR,      /* field: char *; never NULL, "" when not given */
	GW_CONF_STR_LIST, /* field: struct gw_conf_list; YAML sequence, or "a,b" in text */
	GW_CONF_ENUM,     /* field: int; index into choices */
	GW_CONF_RANGE,    /* field: struct gw_conf_range; "20000-29999", within min..max */
	GW_CONF_MAPS,     /* field: struct gw_conf_maps; YAML sequence of maps, see gw_conf_map */
};

struct gw_conf_list {
	char **item; /* owned */
	size_t n;
};

/*
 * An array of structs, one per map of a YAML sequence. A field of one of them is named by its
 * number: --set token.issuers.0.issuer=…, WICGATE_TOKEN_ISSUERS_0_ISSUER; the number after the
 * last one appends.
 */
struct gw_conf_maps {
	void *item; /* owned */
	size_t n;
};

struct gw_conf_range {
	int64_t first;
	int64_t last;
};

struct gw_conf_map;

struct gw_conf_key {
	const char *name; /* dotted: "ws.listen" is `listen:` under `ws:` */
	enum gw_conf_type type;
	size_t offset;                 /* of the field in the process's config struct */
	const char *def;               /* as one would write it; NULL = "" or empty */
	int64_t min, max;              /* INT, DURATION (ms), SIZE, RANGE; both 0 = no limit */
	const char *const *choices;    /* ENUM: NULL-terminated words */
	bool required;                 /* error when empty after all sources */
	bool secret;                   /* never printed */
	const char *help;              /* one line, with the unit */
	const struct gw_conf_map *map; /* MAPS: what one item is */
};

/* One item of a MAPS key: its own table, of which no key may be MAPS again. */
struct gw_conf_map {
	const struct gw_conf_key *keys;
	size_t n_keys;
	size_t size; /* of the struct that the offsets are in */
};
#define GW_CONF_MAX_MAPS 64U /* items of one MAPS key */

struct gw_conf_source {
	const char *file;       /* YAML file, or NULL */
	const char *const *set; /* "key=value" of --set, in order; may be NULL when n_set is 0 */
	size_t n_set;
	bool use_env; /* read WICGATE_* */
};

/**
 * Fill cfg (zeroed by the caller) from all sources.
 *
 * @param errbuf  on failure: one line naming source, line and key
 * @return GW_OK; GW_ERR_PARSE not YAML or a bad value; GW_ERR_NOT_FOUND unknown key or no such
 *         file; GW_ERR_LIMIT out of range; GW_ERR_INVAL required key missing; GW_ERR_NOMEM.
 *         On any error the caller still calls gw_conf_free.
 */
enum gw_err gw_conf_load(const struct gw_conf_key *keys, size_t n_keys, void *cfg,
			 const struct gw_conf_source *src, char *errbuf,
			 size_t errlen) GW_MUST_CHECK;

/** Free what gw_conf_load put into cfg and zero it. */
void gw_conf_free(const struct gw_conf_key *keys, size_t n_keys, void *cfg);

/** Print the keys with type, default and meaning (for --help-config and the documentation). */
void gw_conf_print_keys(const struct gw_conf_key *keys, size_t n_keys, FILE *to);

#endif
