// SPDX-License-Identifier: GPL-2.0
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cmd.h"
#include "output.h"

#define COLUMNS_MAX 16

int output_json(json_t *value)
{
	size_t flags = JSON_INDENT(2) | JSON_PRESERVE_ORDER | JSON_REAL_PRECISION(9);
	int ret = json_dumpf(value, stdout, flags);

	putchar('\n');
	json_decref(value);
	return ret || fflush(stdout) ? STATUS_FAILED : STATUS_OK;
}

void table_row(struct table *t, const char *fmt, ...)
{
	va_list args;
	int ret;

	t->rows = reallocarray(t->rows, t->n + 1, sizeof(*t->rows));
	if (!t->rows)
		abort();
	va_start(args, fmt);
	ret = vasprintf(&t->rows[t->n], fmt, args);
	va_end(args);
	if (ret < 0)
		abort();
	t->n++;
}

static size_t cell_length(const char *cell)
{
	return strcspn(cell, "\t");
}

/* The cell behind @cell, or NULL. */
static const char *cell_next(const char *cell)
{
	cell += cell_length(cell);
	return *cell ? cell + 1 : NULL;
}

static void row_print(const char *cell, const int *width, const int *right)
{
	int column, len;

	for (column = 0; cell; cell = cell_next(cell), column++) {
		len = cell_length(cell);
		if (column)
			fputs("  ", stdout);
		if (right[column])
			printf("%*.*s", width[column], len, cell);
		else if (cell_next(cell))
			printf("%-*.*s", width[column], len, cell);
		else
			printf("%.*s", len, cell);
	}
	putchar('\n');
}

void table_print(struct table *t)
{
	int right[COLUMNS_MAX] = { 0 };
	int width[COLUMNS_MAX] = { 0 };
	const char *cell;
	int column, len;
	char *mark;
	size_t i;

	for (cell = t->rows[0], column = 0; cell; cell = cell_next(cell), column++)
		right[column] = *cell == '>';
	while ((mark = strchr(t->rows[0], '>')))
		memmove(mark, mark + 1, strlen(mark));
	for (i = 0; i < t->n; i++) {
		for (cell = t->rows[i], column = 0; cell; cell = cell_next(cell), column++) {
			len = cell_length(cell);
			if (width[column] < len)
				width[column] = len;
		}
	}
	for (i = 0; i < t->n; i++) {
		row_print(t->rows[i], width, right);
		free(t->rows[i]);
	}
	free(t->rows);
	t->rows = NULL;
	t->n = 0;
}

const char *output_size(char buf[32], __u64 bytes)
{
	static const char * const units[] = { "B", "KiB", "MiB", "GiB", "TiB" };
	__u64 unit = 1;
	size_t i = 0;

	while (bytes / unit >= 1024 && i < 4) {
		unit *= 1024;
		i++;
	}
	if (bytes % unit)
		snprintf(buf, 32, "%.1f %s", (double)bytes / unit, units[i]);
	else
		snprintf(buf, 32, "%llu %s", (bytes / unit), units[i]);
	return buf;
}

const char *output_duration(char buf[32], __u64 ns)
{
	static const struct {
		__u64 ns;
		const char *name;
	} units[] = {
		{ 86400000000000, "d" }, { 3600000000000, "h" }, { 60000000000, "m" },
		{ 1000000000, "s" }, { 1000000, "ms" }, { 1000, "us" }, { 1, "ns" },
	};
	size_t i = 0;

	while (ns % units[i].ns)
		i++;
	snprintf(buf, 32, "%llu %s", (ns / units[i].ns), units[i].name);
	return buf;
}

const char *output_time(char buf[32], __u64 ns)
{
	static const struct {
		double ns;
		const char *name;
	} units[] = {
		{ 86400e9, "d" }, { 3600e9, "h" }, { 60e9, "m" }, { 1e9, "s" }, { 1e6, "ms" },
		{ 1e3, "us" },
	};
	double value;
	size_t i = 0;

	if (!ns) {
		snprintf(buf, 32, "0");
		return buf;
	}
	while (i < ARRAY_SIZE(units) - 1 && ns < units[i].ns)
		i++;
	value = ns / units[i].ns;
	snprintf(buf, 32, "%.*f %s", value < 10 ? 2 : value < 100 ? 1 : 0, value, units[i].name);
	return buf;
}
