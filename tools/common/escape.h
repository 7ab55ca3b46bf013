/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Escaping of untrusted bytes before a person, a terminal or a program gets
 * them: names of processes, keys, values, headers. A process may choose any name,
 * and a record may contain any bytes.
 *
 * In text a byte that is not part of a printable character becomes \xNN:
 * control characters (also those of two bytes in UTF-8), characters that change the direction
 * of text, bytes that are not UTF-8, and all but ASCII if the locale is not UTF-8.
 */
#ifndef MQBUS_ESCAPE_H
#define MQBUS_ESCAPE_H

#include <jansson.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>

#include "cmd.h"
#include "format.h"

enum {
	ESCAPE_LINES = 1 << 0,		/* line feeds and tabs stay */
	ESCAPE_BACKSLASH = 1 << 1,	/* becomes \x5c, so that the escaping can be undone */
	ESCAPE_SPACE = 1 << 2,		/* becomes \x20, so that it stays one word */
	/* For programs; each replaces bytes that are not UTF-8 by U+FFFD */
	ESCAPE_UTF8 = 1 << 3,		/* all else stays */
	ESCAPE_LABEL = 1 << 4,		/* the value of a Prometheus label, without the quotes */
	ESCAPE_JSON = 1 << 5,		/* unprintable characters become \uNNNN */
	ESCAPE_PROGRAM = ESCAPE_UTF8 | ESCAPE_LABEL | ESCAPE_JSON,
};

/* Append escaped bytes; @how: ESCAPE_*. */
void escape_text(struct text *out, const void *s, size_t len, unsigned int how);
/* The same for as many characters as fit into @size bytes, with a NUL; returns @buf. */
const char *escape_cut(char *buf, size_t size, const void *s, size_t len);
/* As printf(), but strings for %s are escaped, and their width is in columns. */
__printf(2, 0) void escape_vprintf(struct text *out, const char *fmt, va_list args);
__printf(2, 3) void escape_printf(struct text *out, const char *fmt, ...);

/* The columns that escaped text takes on a screen. */
int escape_width(const char *s, size_t len);
/* Append escaped text in @width columns: filled up, or cut if @cut. */
void escape_column(struct text *out, const char *s, size_t len, int width, bool right,
		   bool cut);

/* As a JSON string, with U+FFFD for each byte that is not UTF-8. */
json_t *escape_json(const void *s, size_t len);
/* Append a value as JSON; unprintable characters become \uNNNN. */
void escape_json_dump(struct text *out, const json_t *value, size_t flags);

#endif /* MQBUS_ESCAPE_H */
