/* SPDX-License-Identifier: Apache-2.0 */
/*
 * JSON for people. A list of objects becomes a table whose columns are the names of the first
 * object; an object becomes lines; lists inside an object follow below it. Text from a daemon is
 * printed with control characters replaced, so it cannot drive the terminal.
 */
#include "common/plain.h"
#include "deploy/wicgatectl/wicgatectl.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#define COLUMNS_MAX 32
#define CELL_MAX    160
#define TEXT_MAX    256

static bool is_scalar(const json_t *j)
{
	return !json_is_object(j) && !json_is_array(j);
}

static void scalar(const json_t *j, char *out, size_t n);

/* A list of plain values in one cell. */
static void join(const json_t *list, char *out, size_t n)
{
	size_t used = 0;

	snprintf(out, n, "-");
	for (size_t i = 0; i < json_array_size(list) && used < n; i++) {
		char item[CELL_MAX];

		scalar(json_array_get(list, i), item, sizeof(item));
		used += (size_t)snprintf(out + used, n - used, "%s%s", i > 0 ? "," : "", item);
	}
}

static void scalar(const json_t *j, char *out, size_t n)
{
	if (json_is_string(j))
		snprintf(out, n, "%s",
			 json_string_value(j)[0] != '\0' ? json_string_value(j) : "-");
	else if (json_is_integer(j))
		snprintf(out, n, "%" JSON_INTEGER_FORMAT, json_integer_value(j));
	else if (json_is_real(j))
		snprintf(out, n, "%g", json_real_value(j));
	else if (json_is_boolean(j))
		snprintf(out, n, "%s", json_is_true(j) ? "yes" : "no");
	else if (json_is_array(j))
		join(j, out, n);
	else
		snprintf(out, n, "-");
	gw_plain_text(out, false);
}

static bool is_flat_list(const json_t *j)
{
	for (size_t i = 0; i < json_array_size(j); i++)
		if (!is_scalar(json_array_get(j, i)))
			return false;
	return true;
}

/* Objects with members that fit a cell each. */
static bool is_table(const json_t *j)
{
	json_t *first = json_array_get(j, 0);
	const char *name;
	json_t *v;

	if (!json_is_array(j) || !json_is_object(first))
		return false;
	json_object_foreach(first, name,
			    v) if (json_is_object(v) ||
				   (json_is_array(v) && !is_flat_list(v))) return false;
	return true;
}

static void indent(FILE *to, int depth)
{
	fprintf(to, "%*s", depth * 2, "");
}

/* ---- tables ---------------------------------------------------------------------------------- */

struct columns {
	const char *name[COLUMNS_MAX];
	int width[COLUMNS_MAX];
	size_t n;
};

static void measure(struct columns *c, const json_t *rows)
{
	json_t *first = json_array_get(rows, 0);
	const char *name;
	json_t *v;

	json_object_foreach(first, name, v)
	{
		if (c->n >= COLUMNS_MAX)
			break;
		c->name[c->n] = name;
		c->width[c->n++] = (int)strlen(name);
	}
	for (size_t r = 0; r < json_array_size(rows); r++) {
		for (size_t i = 0; i < c->n; i++) {
			char cell[CELL_MAX];
			int len;

			scalar(json_object_get(json_array_get(rows, r), c->name[i]), cell,
			       sizeof(cell));
			len = (int)strlen(cell);
			if (len > c->width[i])
				c->width[i] = len;
		}
	}
}

static void table(const json_t *rows, FILE *to, int depth)
{
	struct columns c = {.n = 0};

	measure(&c, rows);
	indent(to, depth);
	for (size_t i = 0; i < c.n; i++)
		fprintf(to, "%-*s%s", i + 1 < c.n ? c.width[i] : 0, c.name[i],
			i + 1 < c.n ? "  " : "\n");
	for (size_t r = 0; r < json_array_size(rows); r++) {
		indent(to, depth);
		for (size_t i = 0; i < c.n; i++) {
			char cell[CELL_MAX];

			scalar(json_object_get(json_array_get(rows, r), c.name[i]), cell,
			       sizeof(cell));
			fprintf(to, "%-*s%s", i + 1 < c.n ? c.width[i] : 0, cell,
				i + 1 < c.n ? "  " : "\n");
		}
	}
}

/* ---- anything -------------------------------------------------------------------------------- */

static void show(const json_t *j, FILE *to, int depth);

static void list(const json_t *j, FILE *to, int depth)
{
	if (json_array_size(j) == 0) {
		indent(to, depth);
		fputs("(none)\n", to);
	}
	for (size_t i = 0; i < json_array_size(j); i++)
		show(json_array_get(j, i), to, depth);
}

/* One member of an object that has a value of more than one line. */
static void below(const char *name, const json_t *v, FILE *to, int depth)
{
	indent(to, depth);
	fprintf(to, "%s:\n", name);
	show(v, to, depth + 1);
}

static void object(const json_t *j, FILE *to, int depth)
{
	json_t *o = (json_t *)(uintptr_t)j; /* the iterator takes no const; nothing is changed */
	const char *name;
	int width = 0;
	json_t *v;

	json_object_foreach(o, name, v) if (is_scalar(v) && (int)strlen(name) > width) width =
	    (int)strlen(name);
	json_object_foreach(o, name, v)
	{
		char text[TEXT_MAX];

		if (!is_scalar(v))
			continue;
		scalar(v, text, sizeof(text));
		indent(to, depth);
		fprintf(to, "%-*s  %s\n", width, name, text);
	}
	json_object_foreach(o, name, v) if (!is_scalar(v)) below(name, v, to, depth);
}

static void show(const json_t *j, FILE *to, int depth)
{
	char text[TEXT_MAX];

	if (is_table(j)) {
		table(j, to, depth);
	} else if (json_is_array(j)) {
		list(j, to, depth);
	} else if (json_is_object(j)) {
		object(j, to, depth);
	} else {
		scalar(j, text, sizeof(text));
		indent(to, depth);
		fprintf(to, "%s\n", text);
	}
}

void ctl_show(const json_t *j, FILE *to)
{
	/* a text answer (metrics) has lines of its own */
	if (json_is_string(j)) {
		char *text = strdup(json_string_value(j));

		if (text == NULL)
			return;
		gw_plain_text(text, true);
		fputs(text, to);
		free(text);
		return;
	}
	show(j, to, 0);
}
