/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Output: tables, JSON, numbers with units.
 */
#ifndef MQBUS_OUTPUT_H
#define MQBUS_OUTPUT_H

#include <jansson.h>
#include <stddef.h>
#include <linux/types.h>

#include "cmd.h"
#include "format.h"

/* Print a value and release it; returns the exit status. */
int output_json(json_t *value);

/* A line with a field of an object; strings for %s are escaped (see escape.h). */
__printf(2, 3) void output_field(const char *title, const char *fmt, ...);

/**
 * struct table - rows that are printed with their columns aligned
 * @rows: each is its cells with tabs between them
 * @n: number of rows
 */
struct table {
	struct text *rows;
	size_t n;
};

/*
 * Add the heading, as the first row: tabs separate the columns. Columns
 * whose heading begins with '>' are aligned to the right.
 */
void table_head(struct table *t, const char *heading);
/*
 * Add a row; tabs in @fmt, and only these, separate its cells: strings for %s are
 * escaped.
 */
__printf(2, 3) void table_row(struct table *t, const char *fmt, ...);
/* Print all rows and release them. */
void table_print(struct table *t);

/* Bytes as "1 MiB" or "1.4 MiB"; returns @buf. */
const char *output_size(char buf[32], __u64 bytes);
/* Nanoseconds as "250 ms" or "7 d": in the largest unit without a remainder. */
const char *output_duration(char buf[32], __u64 ns);
/* Measured nanoseconds, in about three digits: "1.23 s", "45 ms", "3.4 h". */
const char *output_time(char buf[32], __u64 ns);

#endif /* MQBUS_OUTPUT_H */
