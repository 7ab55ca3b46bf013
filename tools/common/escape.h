/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Bytes that somebody else has chosen, before a person, a terminal or a program gets
 * them: names of processes, keys, values, headers. A process may call itself anything,
 * and a record holds anything.
 *
 * For people a byte that is no part of a character that can be shown becomes \xNN:
 * controls (also those of two bytes in UTF-8), what turns the direction of writing
 * round, what is no UTF-8, and all but ASCII where the locale is not one of UTF-8.
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
	ESCAPE_LINES = 1 << 0,		/* line feeds and tabs stay as they are */
	ESCAPE_BACKSLASH = 1 << 1,	/* becomes \x5c, so that the bytes can be told again */
	ESCAPE_SPACE = 1 << 2,		/* becomes \x20, so that it stays one word */
	/* For programs; with each U+FFFD takes the place of a byte that is no UTF-8 */
	ESCAPE_UTF8 = 1 << 3,		/* all else stays */
	ESCAPE_LABEL = 1 << 4,		/* the value of a label of Prometheus, without the quotes */
	ESCAPE_JSON = 1 << 5,		/* what people may not see as it is becomes \uNNNN */
	ESCAPE_PROGRAM = ESCAPE_UTF8 | ESCAPE_LABEL | ESCAPE_JSON,
};

/* Append bytes as somebody may see them; @how: ESCAPE_*. */
void escape_text(struct text *out, const void *s, size_t len, unsigned int how);
/* The same of as many characters as fit into @size bytes, with a NUL; returns @buf. */
const char *escape_cut(char *buf, size_t size, const void *s, size_t len);
/* As printf(), but what a %s stands for is escaped, and its width is that on a screen. */
__printf(2, 0) void escape_vprintf(struct text *out, const char *fmt, va_list args);
__printf(2, 3) void escape_printf(struct text *out, const char *fmt, ...);

/* The columns that escaped text takes on a screen. */
int escape_width(const char *s, size_t len);
/* Append escaped text in @width columns: filled up, or cut if @cut. */
void escape_column(struct text *out, const char *s, size_t len, int width, bool right,
		   bool cut);

/* As a string of JSON, with U+FFFD for each byte that is no UTF-8. */
json_t *escape_json(const void *s, size_t len);
/* Append a value as JSON; what people may not see as it is becomes \uNNNN. */
void escape_json_dump(struct text *out, const json_t *value, size_t flags);

#endif /* MQBUS_ESCAPE_H */
