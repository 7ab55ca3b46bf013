// SPDX-License-Identifier: GPL-2.0
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cmd.h"
#include "escape.h"
#include "output.h"

int output_json(json_t *value)
{
	struct text text = { 0 };

	escape_json_dump(&text, value, JSON_INDENT(2));
	text_add(&text, "\n", 1);
	json_decref(value);
	return text_write(&text, stdout) && !fflush(stdout) ? STATUS_OK : STATUS_FAILED;
}

void output_field(const char *title, const char *fmt, ...)
{
	struct text text = { 0 };
	va_list args;

	text_printf(&text, "%-11s ", title);
	va_start(args, fmt);
	escape_vprintf(&text, fmt, args);
	va_end(args);
	text_add(&text, "\n", 1);
	text_write(&text, stdout);
}

static struct text *row_add(struct table *t)
{
	t->rows = reallocarray(t->rows, t->n + 1, sizeof(*t->rows));
	if (!t->rows)
		abort();
	return memset(&t->rows[t->n++], 0, sizeof(*t->rows));
}

void table_head(struct table *t, const char *heading)
{
	text_add(row_add(t), heading, strlen(heading) + 1);
}

void table_row(struct table *t, const char *fmt, ...)
{
	struct text *row = row_add(t);
	va_list args;

	va_start(args, fmt);
	escape_vprintf(row, fmt, args);
	va_end(args);
	text_add(row, "", 1);
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

/**
 * struct column - how a column of a table is printed
 * @width: on a screen
 * @right: aligned to the right
 */
struct column {
	int width;
	bool right;
};

static void row_print(const char *cell, const struct column *column, struct text *out)
{
	const char *next;

	for (; cell; cell = next, column++) {
		next = cell_next(cell);
		/* The last cell is not padded */
		escape_column(out, cell, cell_length(cell),
			      next || column->right ? column->width : 0, column->right, false);
		text_add(out, next ? "  " : "\n", next ? 2 : 1);
	}
}

/* The number of columns, and the width of the widest cell of each. */
static struct column *columns_measure(const struct table *t)
{
	struct column *columns = NULL;
	const char *cell;
	size_t i, c, n = 0;
	int width;

	for (i = 0; i < t->n; i++) {
		for (cell = t->rows[i].data, c = 0; cell; cell = cell_next(cell), c++) {
			if (c == n) {
				columns = reallocarray(columns, n + 1, sizeof(*columns));
				if (!columns)
					abort();
				columns[n++] = (struct column){ .right = !i && *cell == '>' };
			}
			width = escape_width(cell, cell_length(cell));
			/* The mark of the heading is not printed */
			width -= !i && *cell == '>';
			if (columns[c].width < width)
				columns[c].width = width;
		}
	}
	return columns;
}

void table_print(struct table *t)
{
	struct column *columns = columns_measure(t);
	struct text out = { 0 };
	char *mark;
	size_t i;

	while (t->n && (mark = strchr(t->rows[0].data, '>')))
		memmove(mark, mark + 1, strlen(mark));
	for (i = 0; i < t->n; i++) {
		row_print(t->rows[i].data, columns, &out);
		text_free(&t->rows[i]);
	}
	text_write(&out, stdout);
	free(columns);
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
