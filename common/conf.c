/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Sources of configuration: YAML file, environment, --set; all end in gw_conf_value_set.
 * libyaml's document API is used rather than a schema binding because overrides by dotted name
 * need the key table anyway, and because its nodes carry the line for the error text.
 */
#include "common/conf.h"

#include "common/conf_value.h"

#include <ctype.h>
#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <yaml.h>

#define NAME_MAX_OCTETS 128
#define DEPTH_MAX       6

struct loader {
	const struct gw_conf_key *keys;
	size_t n_keys;
	void *cfg;
	const char *file;
	char at[NAME_MAX_OCTETS]; /* "" or "token.issuers.0.": in front of the names of keys */
	yaml_document_t *doc;
	char *errbuf;
	size_t errlen;
};

static enum gw_err fail(struct loader *l, enum gw_err err, const char *fmt, ...) GW_PRINTF(3, 4);

static enum gw_err fail(struct loader *l, enum gw_err err, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	(void)vsnprintf(l->errbuf, l->errlen, fmt, ap);
	va_end(ap);
	return err;
}

static const struct gw_conf_key *find_key(const struct loader *l, const char *name)
{
	for (size_t i = 0; i < l->n_keys; i++) {
		if (strcmp(l->keys[i].name, name) == 0)
			return &l->keys[i];
	}
	return NULL;
}

static enum gw_err set_from(struct loader *l, const struct gw_conf_key *key, const char *text,
			    const char *where)
{
	const char *why = "";
	enum gw_err err = gw_conf_value_set(key, l->cfg, text, &why);

	if (err != GW_OK)
		return fail(l, err, "%s: %s%s: %s (got \"%s\")", where, l->at, key->name, why,
			    key->secret ? "…" : text);
	return GW_OK;
}

static enum gw_err set_defaults(struct loader *l)
{
	enum gw_err err = GW_OK;

	for (size_t i = 0; i < l->n_keys && err == GW_OK; i++) {
		if (l->keys[i].def != NULL || l->keys[i].type == GW_CONF_STR)
			err = set_from(l, &l->keys[i], l->keys[i].def != NULL ? l->keys[i].def : "",
				       "default");
	}
	return err;
}

/* A loader for item i of a MAPS key; the item after the last one is made, with its defaults. */
static enum gw_err open_item(struct loader *l, const struct gw_conf_key *key, size_t i,
			     const char *where, struct loader *item)
{
	bool made = i == gw_conf_value_n_maps(key, l->cfg);
	enum gw_err err;

	if (i > gw_conf_value_n_maps(key, l->cfg))
		return fail(l, GW_ERR_NOT_FOUND, "%s: %s: there is no item %zu before it", where,
			    key->name, i - 1);
	err = made ? gw_conf_value_append_map(key, l->cfg) : GW_OK;
	if (err != GW_OK)
		return fail(l, err, "%s: %s: too many items", where, key->name);
	*item = *l;
	item->keys = key->map->keys;
	item->n_keys = key->map->n_keys;
	item->cfg = gw_conf_value_map(key, l->cfg, i);
	(void)snprintf(item->at, sizeof(item->at), "%s.%zu.", key->name, i);
	return made ? set_defaults(item) : GW_OK;
}

static enum gw_err load_mapping(struct loader *l, const yaml_node_t *map, const char *prefix,
				unsigned depth);

static enum gw_err load_maps(struct loader *l, const struct gw_conf_key *key,
			     const yaml_node_t *node)
{
	char where[512];
	size_t n = 0;

	gw_conf_value_free(key, l->cfg);
	for (yaml_node_item_t *i = node->data.sequence.items.start;
	     i < node->data.sequence.items.top; i++) {
		const yaml_node_t *map = yaml_document_get_node(l->doc, *i);
		struct loader item = *l;
		enum gw_err err;

		(void)snprintf(where, sizeof(where), "%s:%zu", l->file,
			       map != NULL ? map->start_mark.line + 1 : 0);
		if (map == NULL || map->type != YAML_MAPPING_NODE)
			return fail(l, GW_ERR_PARSE, "%s: %s: items must be keys and values", where,
				    key->name);
		err = open_item(l, key, n++, where, &item);
		if (err == GW_OK)
			err = load_mapping(&item, map, "", 0);
		if (err != GW_OK)
			return err;
	}
	return GW_OK;
}

static enum gw_err load_sequence(struct loader *l, const struct gw_conf_key *key,
				 const yaml_node_t *node, const char *where)
{
	if (key->type == GW_CONF_MAPS)
		return load_maps(l, key, node);
	if (key->type != GW_CONF_STR_LIST)
		return fail(l, GW_ERR_PARSE, "%s: %s%s: a list is not allowed here", where, l->at,
			    key->name);
	gw_conf_value_clear_list(key, l->cfg);
	for (yaml_node_item_t *i = node->data.sequence.items.start;
	     i < node->data.sequence.items.top; i++) {
		const yaml_node_t *item = yaml_document_get_node(l->doc, *i);
		enum gw_err err;

		if (item == NULL || item->type != YAML_SCALAR_NODE)
			return fail(l, GW_ERR_PARSE, "%s: %s%s: items must be plain values", where,
				    l->at, key->name);
		err = gw_conf_value_append(key, l->cfg, (const char *)item->data.scalar.value);
		if (err != GW_OK)
			return fail(l, err, "%s: %s%s: too many items", where, l->at, key->name);
	}
	return GW_OK;
}

static bool is_prefix_of_a_key(const struct loader *l, const char *name)
{
	size_t n = strlen(name);

	for (size_t i = 0; i < l->n_keys; i++) {
		if (strncmp(l->keys[i].name, name, n) == 0 && l->keys[i].name[n] == '.')
			return true;
	}
	return false;
}

/* Flat walk of one mapping; nested mappings extend the dotted name. Depth is bounded. */
static enum gw_err load_mapping(struct loader *l, const yaml_node_t *map, const char *prefix,
				unsigned depth)
{
	for (yaml_node_pair_t *p = map->data.mapping.pairs.start; p < map->data.mapping.pairs.top;
	     p++) {
		const yaml_node_t *k = yaml_document_get_node(l->doc, p->key);
		const yaml_node_t *v = yaml_document_get_node(l->doc, p->value);
		const struct gw_conf_key *key;
		char name[NAME_MAX_OCTETS];
		char where[512];
		enum gw_err err;
		int n;

		if (k == NULL || v == NULL || k->type != YAML_SCALAR_NODE)
			return fail(l, GW_ERR_PARSE, "%s: a key must be a word", l->file);
		(void)snprintf(where, sizeof(where), "%s:%zu", l->file, k->start_mark.line + 1);
		n = snprintf(name, sizeof(name), "%s%s%s", prefix, *prefix != '\0' ? "." : "",
			     (const char *)k->data.scalar.value);
		if (n < 0 || (size_t)n >= sizeof(name))
			return fail(l, GW_ERR_NOT_FOUND, "%s: unknown key \"%s%.60s…\"", where,
				    l->at, name);
		key = find_key(l, name);
		if (key == NULL && v->type == YAML_MAPPING_NODE && is_prefix_of_a_key(l, name) &&
		    depth < DEPTH_MAX)
			err = load_mapping(l, v, name, depth + 1);
		else if (key == NULL)
			err = fail(l, GW_ERR_NOT_FOUND, "%s: unknown key \"%s%s\"", where, l->at,
				   name);
		else if (v->type == YAML_SEQUENCE_NODE)
			err = load_sequence(l, key, v, where);
		else if (v->type == YAML_SCALAR_NODE)
			err = set_from(l, key, (const char *)v->data.scalar.value, where);
		else
			err = fail(l, GW_ERR_PARSE, "%s: %s%s: a value is expected", where, l->at,
				   name);
		if (err != GW_OK)
			return err;
	}
	return GW_OK;
}

static enum gw_err load_document(struct loader *l, yaml_parser_t *parser)
{
	yaml_document_t doc;
	yaml_node_t *root;
	enum gw_err err = GW_OK;

	if (yaml_parser_load(parser, &doc) == 0)
		return fail(l, GW_ERR_PARSE, "%s:%zu: %s", l->file, parser->problem_mark.line + 1,
			    parser->problem != NULL ? parser->problem : "not YAML");
	l->doc = &doc;
	root = yaml_document_get_root_node(&doc);
	if (root != NULL && root->type == YAML_MAPPING_NODE)
		err = load_mapping(l, root, "", 0);
	else if (root != NULL)
		err = fail(l, GW_ERR_PARSE, "%s:1: the file must hold keys and values", l->file);
	l->doc = NULL;
	yaml_document_delete(&doc);
	return err;
}

static enum gw_err load_file(struct loader *l, const char *path)
{
	yaml_parser_t parser;
	enum gw_err err;
	FILE *f = fopen(path, "re");

	l->file = path;
	if (f == NULL)
		return fail(l, GW_ERR_NOT_FOUND, "%s: %s", path, strerrordesc_np(errno));
	if (yaml_parser_initialize(&parser) == 0) {
		(void)fclose(f);
		return fail(l, GW_ERR_NOMEM, "%s: out of memory", path);
	}
	yaml_parser_set_input_file(&parser, f);
	err = load_document(l, &parser);
	yaml_parser_delete(&parser);
	(void)fclose(f);
	return err;
}

static const char *from_env(const struct loader *l, const struct gw_conf_key *key, char *name,
			    size_t size)
{
	const char *parts[] = {l->at, key->name};
	size_t n = (size_t)snprintf(name, size, "WICGATE_");

	for (size_t i = 0; i < 2; i++)
		for (const char *c = parts[i]; *c != '\0' && n + 1 < size; c++)
			name[n++] = *c == '.' ? '_' : (char)toupper((unsigned char)*c);
	name[n] = '\0';
	return getenv(name); /* NOLINT(concurrency-mt-unsafe): before any thread */
}

static enum gw_err load_env_keys(struct loader *l)
{
	char name[2 * NAME_MAX_OCTETS + 8];
	enum gw_err err = GW_OK;

	for (size_t i = 0; i < l->n_keys && err == GW_OK; i++) {
		const char *value = from_env(l, &l->keys[i], name, sizeof(name));

		if (value != NULL)
			err = set_from(l, &l->keys[i], value, name);
	}
	return err;
}

/* Does the environment name a key of that item? Asked before the item is made. */
static bool env_has_item(const struct loader *l, const struct gw_conf_key *key, size_t i)
{
	char name[2 * NAME_MAX_OCTETS + 8];
	struct loader item = *l;

	(void)snprintf(item.at, sizeof(item.at), "%s.%zu.", key->name, i);
	for (size_t k = 0; k < key->map->n_keys; k++)
		if (from_env(&item, &key->map->keys[k], name, sizeof(name)) != NULL)
			return true;
	return false;
}

static enum gw_err load_env(struct loader *l)
{
	enum gw_err err = load_env_keys(l);

	for (size_t k = 0; k < l->n_keys && err == GW_OK; k++) {
		const struct gw_conf_key *key = &l->keys[k];

		for (size_t i = 0;
		     key->type == GW_CONF_MAPS && i <= GW_CONF_MAX_MAPS && err == GW_OK; i++) {
			struct loader item = *l;

			if (!env_has_item(l, key, i))
				continue;
			err = open_item(l, key, i, "environment", &item);
			if (err == GW_OK)
				err = load_env_keys(&item);
		}
	}
	return err;
}

/* "token.issuers.0.issuer": a loader for that item and the name inside it. */
static enum gw_err find_item(struct loader *l, const char *name, struct loader *item,
			     const char **inside)
{
	for (size_t k = 0; k < l->n_keys; k++) {
		const struct gw_conf_key *key = &l->keys[k];
		size_t n = strlen(key->name);
		unsigned long i;
		char *end;

		if (key->type != GW_CONF_MAPS || strncmp(name, key->name, n) != 0 ||
		    name[n] != '.' || !isdigit((unsigned char)name[n + 1]))
			continue;
		i = strtoul(name + n + 1, &end, 10);
		if (*end != '.')
			break;
		*inside = end + 1;
		return open_item(l, key, i, "--set", item);
	}
	*item = *l;
	*inside = name;
	return GW_OK;
}

static enum gw_err load_sets(struct loader *l, const struct gw_conf_source *src)
{
	for (size_t i = 0; i < src->n_set; i++) {
		const char *eq = strchr(src->set[i], '=');
		const struct gw_conf_key *key;
		const char *inside = NULL;
		struct loader item = *l;
		char name[NAME_MAX_OCTETS];
		enum gw_err err;

		if (eq == NULL || (size_t)(eq - src->set[i]) >= sizeof(name))
			return fail(l, GW_ERR_PARSE, "--set %s: must be key=value", src->set[i]);
		memcpy(name, src->set[i], (size_t)(eq - src->set[i]));
		name[eq - src->set[i]] = '\0';
		err = find_item(l, name, &item, &inside);
		if (err != GW_OK)
			return err;
		key = find_key(&item, inside);
		if (key == NULL)
			return fail(l, GW_ERR_NOT_FOUND, "--set: unknown key \"%s\"", name);
		err = set_from(&item, key, eq + 1, "--set");
		if (err != GW_OK)
			return err;
	}
	return GW_OK;
}

static enum gw_err check_required(struct loader *l)
{
	enum gw_err err = GW_OK;

	for (size_t k = 0; k < l->n_keys && err == GW_OK; k++) {
		const struct gw_conf_key *key = &l->keys[k];

		if (key->required && gw_conf_value_is_empty(key, l->cfg))
			return fail(l, GW_ERR_INVAL, "%s%s is required: %s", l->at, key->name,
				    key->help);
		for (size_t i = 0; key->type == GW_CONF_MAPS && err == GW_OK &&
				   i < gw_conf_value_n_maps(key, l->cfg);
		     i++) {
			struct loader item = *l;

			err = open_item(l, key, i, "", &item);
			if (err == GW_OK)
				err = check_required(&item);
		}
	}
	return err;
}

enum gw_err gw_conf_load(const struct gw_conf_key *keys, size_t n_keys, void *cfg,
			 const struct gw_conf_source *src, char *errbuf, size_t errlen)
{
	struct loader l = {
	    .keys = keys, .n_keys = n_keys, .cfg = cfg, .errbuf = errbuf, .errlen = errlen};
	enum gw_err err;

	if (errlen > 0)
		errbuf[0] = '\0';
	err = set_defaults(&l);
	if (err == GW_OK && src->file != NULL)
		err = load_file(&l, src->file);
	if (err == GW_OK && src->use_env)
		err = load_env(&l);
	if (err == GW_OK)
		err = load_sets(&l, src);
	if (err == GW_OK)
		err = check_required(&l);
	return err;
}

void gw_conf_free(const struct gw_conf_key *keys, size_t n_keys, void *cfg)
{
	for (size_t i = 0; i < n_keys; i++)
		gw_conf_value_free(&keys[i], cfg);
}

static void print_key(const struct gw_conf_key *key, const char *at, FILE *to)
{
	static const char *const types[] = {"bool", "number", "duration", "size", "text",
					    "list", "word",   "range",    "maps"};
	char name[2 * NAME_MAX_OCTETS];

	(void)snprintf(name, sizeof(name), "%s%s%s", at, *at != '\0' ? "[]." : "", key->name);
	(void)fprintf(to, "%-34s %-8s %-22s %s", name, types[key->type],
		      key->def != NULL ? key->def : "-", key->help);
	if (key->type == GW_CONF_ENUM) {
		(void)fprintf(to, " (");
		for (int c = 0; key->choices[c] != NULL; c++)
			(void)fprintf(to, "%s%s", c > 0 ? " | " : "", key->choices[c]);
		(void)fprintf(to, ")");
	}
	(void)fprintf(to, "%s\n", key->required ? " [required]" : "");
}

void gw_conf_print_keys(const struct gw_conf_key *keys, size_t n_keys, FILE *to)
{
	for (size_t i = 0; i < n_keys; i++) {
		print_key(&keys[i], "", to);
		for (size_t k = 0; keys[i].type == GW_CONF_MAPS && k < keys[i].map->n_keys; k++)
			print_key(&keys[i].map->keys[k], keys[i].name, to);
	}
}
