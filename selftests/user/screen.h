/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What a terminal would be told: printed text, and whether it is harmless there. A second
 * opinion, which knows nothing of how it was made.
 */
#ifndef SELFTESTS_USER_SCREEN_H
#define SELFTESTS_USER_SCREEN_H

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <wchar.h>
#include <wctype.h>

/**
 * struct screen - what was printed
 * @text: the bytes, with a NUL
 * @len: their number
 */
struct screen {
	char *text;
	size_t len;
	FILE *before;
};

/* What is printed from here on is kept. */
static inline void screen_begin(struct screen *s)
{
	fflush(stdout);
	s->before = stdout;
	stdout = open_memstream(&s->text, &s->len);
	if (!stdout)
		abort();
}

static inline void screen_end(struct screen *s)
{
	fclose(stdout);
	stdout = s->before;
}

/* UTF-8 without controls but line feeds, and without what turns writing round. */
static inline bool screen_harmless(const char *s, size_t len)
{
	static const wchar_t turns[] = {
		0x61c, 0x200e, 0x200f, 0x2028, 0x2029, 0x202a, 0x202b, 0x202c, 0x202d, 0x202e,
		0x2066, 0x2067, 0x2068, 0x2069, 0
	};
	mbstate_t state = { 0 };
	wchar_t c;
	size_t n;

	for (; len; s += n, len -= n) {
		n = mbrtowc(&c, s, len, &state);
		if (!n || n > len)
			return false;
		if (c != '\n' && iswcntrl(c))
			return false;
		if (wcschr(turns, c))
			return false;
	}
	return true;
}

/* Columns of a line. */
static inline int screen_columns(const char *s, size_t len)
{
	mbstate_t state = { 0 };
	int width = 0;
	wchar_t c;
	size_t n;

	for (; len; s += n, len -= n) {
		n = mbrtowc(&c, s, len, &state);
		if (!n || n > len)
			return -1;
		width += wcwidth(c);
	}
	return width;
}

#endif /* SELFTESTS_USER_SCREEN_H */
