/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Registered metric tables and their text exposition. See metric.h.
 */
#include "common/metric.h"

#include "common/err.h"
#include "common/histogram.h"

#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MAX_TABLES 64

static struct {
	struct gw_metric *rows; /* borrowed: static storage of its module */
	size_t n;
} tables[MAX_TABLES];
static size_t n_tables;

void gw_metric_register(struct gw_metric *table, size_t n)
{
	for (size_t i = 0; i < n_tables; i++) {
		if (tables[i].rows == table)
			return;
	}
	GW_ASSERT(n_tables < MAX_TABLES);
	tables[n_tables].rows = table;
	tables[n_tables].n = n;
	n_tables++;
}

void gw_metric_unregister(const struct gw_metric *table)
{
	for (size_t i = 0; i < n_tables; i++) {
		if (tables[i].rows == table) {
			tables[i] = tables[--n_tables];
			return;
		}
	}
}

static const struct gw_metric **all_rows(size_t *n)
{
	const struct gw_metric **rows;
	size_t total = 0;
	size_t k = 0;

	for (size_t i = 0; i < n_tables; i++)
		total += tables[i].n;
	rows = calloc(total + 1, sizeof(*rows));
	if (rows == NULL)
		return NULL;
	for (size_t i = 0; i < n_tables; i++) {
		for (size_t j = 0; j < tables[i].n; j++) {
			if (tables[i].rows[j].name != NULL)
				rows[k++] = &tables[i].rows[j];
		}
	}
	*n = k;
	return rows;
}

static int by_name(const void *a, const void *b)
{
	const struct gw_metric *const *x = a;
	const struct gw_metric *const *y = b;
	int c = strcmp((*x)->name, (*y)->name);

	if (c != 0)
		return c;
	return strcmp((*x)->labels != NULL ? (*x)->labels : "",
		      (*y)->labels != NULL ? (*y)->labels : "");
}

static void print_row(FILE *to, const struct gw_metric *m, bool new_family)
{
	if (new_family) {
		(void)fprintf(to, "# HELP %s %s\n# TYPE %s %s\n", m->name,
			      m->help != NULL ? m->help : "", m->name,
			      m->type == GW_METRIC_COUNTER ? "counter" : "gauge");
	}
	if (m->labels != NULL)
		(void)fprintf(to, "%s{%s} %" PRId64 "\n", m->name, m->labels, gw_metric_get(m));
	else
		(void)fprintf(to, "%s %" PRId64 "\n", m->name, gw_metric_get(m));
}

char *gw_metric_text(void)
{
	const struct gw_metric **rows;
	char *text = NULL;
	size_t len = 0;
	size_t n = 0;
	FILE *to;

	rows = all_rows(&n);
	if (rows == NULL)
		return NULL;
	to = open_memstream(&text, &len);
	if (to == NULL) {
		free(rows);
		return NULL;
	}
	qsort(rows, n, sizeof(*rows), by_name);
	for (size_t i = 0; i < n; i++)
		print_row(to, rows[i], i == 0 || strcmp(rows[i]->name, rows[i - 1]->name) != 0);
	gw_histogram_print(to);
	free(rows);
	if (fclose(to) != 0) {
		free(text);
		return NULL;
	}
	return text;
}
