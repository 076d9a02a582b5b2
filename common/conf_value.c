/* SPDX-License-Identifier: Apache-2.0 */
/*
 * See conf_value.h.
 */
#include "common/conf_value.h"

#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define MAX_LIST_ITEMS 1024U

/* A suffix multiplies; the table's first matching word wins. */
struct unit {
	const char *suffix;
	int64_t factor;
};

static const struct unit durations[] = {
    {"ms", 1}, {"s", 1000}, {"m", 60000}, {"h", 3600000}, {"d", 86400000}, {"", 1000},
};
static const struct unit sizes[] = {
    {"", 1},
    {"k", 1024},
    {"K", 1024},
    {"KiB", 1024},
    {"m", 1024 * 1024},
    {"M", 1024 * 1024},
    {"MiB", 1024 * 1024},
};
static const struct unit plain[] = {{"", 1}};

static void *field(const struct gw_conf_key *key, void *cfg)
{
	return (char *)cfg + key->offset;
}

static const void *cfield(const struct gw_conf_key *key, const void *cfg)
{
	return (const char *)cfg + key->offset;
}

static enum gw_err parse_number(const char *text, const struct unit *units, size_t n_units,
				int64_t *out, const char **why)
{
	char *end;
	long long v;

	errno = 0;
	v = strtoll(text, &end, 10);
	if (end == text || errno != 0) {
		*why = "not a number";
		return GW_ERR_PARSE;
	}
	while (isspace((unsigned char)*end))
		end++;
	for (size_t i = 0; i < n_units; i++) {
		if (strcmp(end, units[i].suffix) == 0) {
			if (__builtin_mul_overflow(v, units[i].factor, out)) {
				*why = "number too large";
				return GW_ERR_LIMIT;
			}
			return GW_OK;
		}
	}
	*why = "unknown unit";
	return GW_ERR_PARSE;
}

static enum gw_err in_limits(const struct gw_conf_key *key, int64_t v, const char **why)
{
	if ((key->min != 0 || key->max != 0) && (v < key->min || v > key->max)) {
		*why = "out of range";
		return GW_ERR_LIMIT;
	}
	return GW_OK;
}

static enum gw_err set_number(const struct gw_conf_key *key, void *cfg, const char *text,
			      const struct unit *units, size_t n_units, const char **why)
{
	int64_t v;
	enum gw_err err = parse_number(text, units, n_units, &v, why);

	if (err == GW_OK)
		err = in_limits(key, v, why);
	if (err == GW_OK)
		*(int64_t *)field(key, cfg) = v;
	return err;
}

static enum gw_err set_bool(const struct gw_conf_key *key, void *cfg, const char *text,
			    const char **why)
{
	static const char *const yes[] = {"true", "yes", "on", "1"};
	static const char *const no[] = {"false", "no", "off", "0"};

	for (size_t i = 0; i < sizeof(yes) / sizeof(yes[0]); i++) {
		if (strcasecmp(text, yes[i]) == 0 || strcasecmp(text, no[i]) == 0) {
			*(bool *)field(key, cfg) = strcasecmp(text, yes[i]) == 0;
			return GW_OK;
		}
	}
	*why = "must be true or false";
	return GW_ERR_PARSE;
}

static enum gw_err set_str(const struct gw_conf_key *key, void *cfg, const char *text)
{
	char **to = field(key, cfg);
	char *copy = strdup(text);

	if (copy == NULL)
		return GW_ERR_NOMEM;
	free(*to);
	*to = copy;
	return GW_OK;
}

static enum gw_err set_enum(const struct gw_conf_key *key, void *cfg, const char *text,
			    const char **why)
{
	for (int i = 0; key->choices[i] != NULL; i++) {
		if (strcasecmp(text, key->choices[i]) == 0) {
			*(int *)field(key, cfg) = i;
			return GW_OK;
		}
	}
	*why = "not one of the allowed words";
	return GW_ERR_PARSE;
}

static enum gw_err set_range(const struct gw_conf_key *key, void *cfg, const char *text,
			     const char **why)
{
	struct gw_conf_range r;
	char *end;

	r.first = strtoll(text, &end, 10);
	if (end == text || *end != '-') {
		*why = "must be FIRST-LAST";
		return GW_ERR_PARSE;
	}
	text = end + 1;
	r.last = strtoll(text, &end, 10);
	if (end == text || *end != '\0' || r.last < r.first) {
		*why = "must be FIRST-LAST";
		return GW_ERR_PARSE;
	}
	if (in_limits(key, r.first, why) != GW_OK || in_limits(key, r.last, why) != GW_OK)
		return GW_ERR_LIMIT;
	*(struct gw_conf_range *)field(key, cfg) = r;
	return GW_OK;
}

void gw_conf_value_clear_list(const struct gw_conf_key *key, void *cfg)
{
	struct gw_conf_list *l = field(key, cfg);

	for (size_t i = 0; i < l->n; i++)
		free(l->item[i]);
	free(l->item);
	*l = (struct gw_conf_list){NULL, 0};
}

enum gw_err gw_conf_value_append(const struct gw_conf_key *key, void *cfg, const char *item)
{
	struct gw_conf_list *l = field(key, cfg);
	char **items;

	if (l->n >= MAX_LIST_ITEMS)
		return GW_ERR_LIMIT;
	items = realloc(l->item, (l->n + 1) * sizeof(*items));
	if (items == NULL)
		return GW_ERR_NOMEM;
	l->item = items;
	items[l->n] = strdup(item);
	if (items[l->n] == NULL)
		return GW_ERR_NOMEM;
	l->n++;
	return GW_OK;
}

static enum gw_err set_list(const struct gw_conf_key *key, void *cfg, const char *text)
{
	char *copy = strdup(text);
	char *save = NULL;
	enum gw_err err = GW_OK;

	if (copy == NULL)
		return GW_ERR_NOMEM;
	gw_conf_value_clear_list(key, cfg);
	for (char *t = strtok_r(copy, ",", &save); t != NULL && err == GW_OK;
	     t = strtok_r(NULL, ",", &save)) {
		size_t n;

		while (isspace((unsigned char)*t))
			t++;
		n = strlen(t);
		while (n > 0 && isspace((unsigned char)t[n - 1]))
			t[--n] = '\0';
		if (n > 0)
			err = gw_conf_value_append(key, cfg, t);
	}
	free(copy);
	return err;
}

enum gw_err gw_conf_value_append_map(const struct gw_conf_key *key, void *cfg)
{
	struct gw_conf_maps *m = field(key, cfg);
	char *items;

	if (m->n >= GW_CONF_MAX_MAPS)
		return GW_ERR_LIMIT;
	items = realloc(m->item, (m->n + 1) * key->map->size);
	if (items == NULL)
		return GW_ERR_NOMEM;
	memset(items + m->n * key->map->size, 0, key->map->size);
	m->item = items;
	m->n++;
	return GW_OK;
}

void *gw_conf_value_map(const struct gw_conf_key *key, void *cfg, size_t i)
{
	struct gw_conf_maps *m = field(key, cfg);

	return (char *)m->item + i * key->map->size;
}

size_t gw_conf_value_n_maps(const struct gw_conf_key *key, const void *cfg)
{
	return ((const struct gw_conf_maps *)cfield(key, cfg))->n;
}

static void free_maps(const struct gw_conf_key *key, void *cfg)
{
	struct gw_conf_maps *m = field(key, cfg);

	for (size_t i = 0; i < m->n; i++)
		gw_conf_free(key->map->keys, key->map->n_keys, gw_conf_value_map(key, cfg, i));
	free(m->item);
	*m = (struct gw_conf_maps){NULL, 0};
}

enum gw_err gw_conf_value_set(const struct gw_conf_key *key, void *cfg, const char *text,
			      const char **why)
{
	*why = "out of memory";
	switch (key->type) {
	case GW_CONF_BOOL:
		return set_bool(key, cfg, text, why);
	case GW_CONF_INT:
		return set_number(key, cfg, text, plain, 1, why);
	case GW_CONF_DURATION:
		return set_number(key, cfg, text, durations,
				  sizeof(durations) / sizeof(durations[0]), why);
	case GW_CONF_SIZE:
		return set_number(key, cfg, text, sizes, sizeof(sizes) / sizeof(sizes[0]), why);
	case GW_CONF_STR:
		return set_str(key, cfg, text);
	case GW_CONF_STR_LIST:
		return set_list(key, cfg, text);
	case GW_CONF_ENUM:
		return set_enum(key, cfg, text, why);
	case GW_CONF_RANGE:
		return set_range(key, cfg, text, why);
	case GW_CONF_MAPS:
		*why = "name the number of an item and its key";
		return GW_ERR_PARSE;
	}
	*why = "unknown type";
	return GW_ERR_INVAL;
}

bool gw_conf_value_is_empty(const struct gw_conf_key *key, const void *cfg)
{
	if (key->type == GW_CONF_STR) {
		const char *const *s = cfield(key, cfg);

		return *s == NULL || **s == '\0';
	}
	if (key->type == GW_CONF_STR_LIST)
		return ((const struct gw_conf_list *)cfield(key, cfg))->n == 0;
	if (key->type == GW_CONF_MAPS)
		return gw_conf_value_n_maps(key, cfg) == 0;
	return false;
}

void gw_conf_value_free(const struct gw_conf_key *key, void *cfg)
{
	if (key->type == GW_CONF_STR) {
		char **s = field(key, cfg);

		free(*s);
		*s = NULL;
	} else if (key->type == GW_CONF_STR_LIST) {
		gw_conf_value_clear_list(key, cfg);
	} else if (key->type == GW_CONF_MAPS) {
		free_maps(key, cfg);
	}
}
