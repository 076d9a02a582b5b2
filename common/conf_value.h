/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One configuration value: text to field of the config struct, by the key's type. Private to
 * conf*.c. Thread: start-up only.
 */
#ifndef COMMON_CONF_VALUE_H
#define COMMON_CONF_VALUE_H

#include "common/conf.h"

/**
 * Parse text and store it in cfg, replacing what was there.
 * @param why  on failure set to a static sentence
 * @return GW_OK; GW_ERR_PARSE; GW_ERR_LIMIT; GW_ERR_NOMEM
 */
enum gw_err gw_conf_value_set(const struct gw_conf_key *key, void *cfg, const char *text,
			      const char **why) GW_MUST_CHECK;

/** Append one item to a STR_LIST field. */
enum gw_err gw_conf_value_append(const struct gw_conf_key *key, void *cfg,
				 const char *item) GW_MUST_CHECK;

/** Empty a list field. */
void gw_conf_value_clear_list(const struct gw_conf_key *key, void *cfg);

/** Append one zeroed item to a MAPS field; fails when there are GW_CONF_MAX_MAPS. */
enum gw_err gw_conf_value_append_map(const struct gw_conf_key *key, void *cfg) GW_MUST_CHECK;
/** Item i of a MAPS field; moves when one is appended. */
void *gw_conf_value_map(const struct gw_conf_key *key, void *cfg, size_t i);
size_t gw_conf_value_n_maps(const struct gw_conf_key *key, const void *cfg);

/** Is the field empty (for `required`)? */
bool gw_conf_value_is_empty(const struct gw_conf_key *key, const void *cfg);

/** Free the field's memory. */
void gw_conf_value_free(const struct gw_conf_key *key, void *cfg);

#endif
