// SPDX-License-Identifier: GPL-2.0
#include <langinfo.h>
#include <limits.h>
#include <locale.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <wchar.h>
#include <wctype.h>

#include "escape.h"

#define REPLACEMENT "\xef\xbf\xbd"

/* Decode the character at @s into @c; returns its bytes, or 0: not UTF-8. */
static size_t utf8_decode(const unsigned char *s, size_t len, wchar_t *c)
{
	static const wchar_t least[] = { 0, 0, 0x80, 0x800, 0x10000 };
	size_t n = *s < 0xc0 ? 1 : *s < 0xe0 ? 2 : *s < 0xf0 ? 3 : 4;
	size_t i;

	if (*s < 0x80) {
		*c = *s;
		return 1;
	}
	if (n == 1 || *s > 0xf4 || n > len)
		return 0;
	*c = *s & (0x7f >> n);
	for (i = 1; i < n; i++) {
		if ((s[i] & 0xc0) != 0x80)
			return 0;
		*c = *c << 6 | (s[i] & 0x3f);
	}
	/* Overlong, a UTF-16 surrogate, or above the last one */
	if (*c < least[n] || (*c >= 0xd800 && *c <= 0xdfff) || *c > 0x10ffff)
		return 0;
	return n;
}

/* A control character, or one that changes the direction of text. */
static bool is_control(wchar_t c)
{
	return c < 0x20 || (c >= 0x7f && c < 0xa0) || c == 0x61c || c == 0x200e || c == 0x200f ||
	       (c >= 0x2028 && c <= 0x202e) || (c >= 0x2066 && c <= 0x2069);
}

/*
 * Whether text output is UTF-8: as the locale says; without a locale, yes. Only
 * checked for characters beyond ASCII, because loading a locale takes time.
 */
static bool shows_utf8(void)
{
	static int shows = -1;

	if (shows >= 0)
		return shows;
	setlocale(LC_CTYPE, "");
	shows = !strcmp(nl_langinfo(CODESET), "UTF-8");
	if (!shows && !getenv("LC_ALL") && !getenv("LC_CTYPE") && !getenv("LANG"))
		shows = !!setlocale(LC_CTYPE, "C.UTF-8");
	return shows;
}

/* Whether a character is printed unchanged. */
static bool stays(wchar_t c, unsigned int how)
{
	if (how & ESCAPE_LABEL)
		return c != '\n' && c != '\\' && c != '"';
	if (how & ESCAPE_JSON)
		return c == '\n' || !is_control(c);
	if (how & ESCAPE_UTF8)
		return true;
	if ((c == '\\' && how & ESCAPE_BACKSLASH) || (c == ' ' && how & ESCAPE_SPACE))
		return false;
	return ((c == '\n' || c == '\t') && how & ESCAPE_LINES) || !is_control(c);
}

/* The bytes and the @width of a character printed unchanged, or 0: it needs an escape. */
static size_t take_shown(const char *s, size_t len, unsigned int how, int *width)
{
	bool person = !(how & ESCAPE_PROGRAM);
	wchar_t c;
	size_t n;

	if ((unsigned char)*s >= 0x80 && person && !shows_utf8())
		return 0;
	n = utf8_decode((const unsigned char *)s, len, &c);
	*width = 1;
	if (!n || !stays(c, how))
		return 0;
	if (c >= 0x80 && person)
		*width = wcwidth(c);
	return *width >= 0 ? n : 0;
}

/* Append the unchanged front of @s, or an escape; returns the bytes taken. */
static size_t take_piece(struct text *out, const char *s, size_t len, unsigned int how)
{
	int width;
	size_t n = take_shown(s, len, how, &width);
	wchar_t c;

	if (n) {
		text_add(out, s, n);
		return n;
	}
	if (how & ESCAPE_PROGRAM)
		n = utf8_decode((const unsigned char *)s, len, &c);
	if (n && how & ESCAPE_JSON)
		text_printf(out, "\\u%04X", (unsigned int)c);
	else if (n)
		text_printf(out, "\\%c", c == '\n' ? 'n' : (char)c);
	else if (how & ESCAPE_PROGRAM)
		text_add(out, REPLACEMENT, strlen(REPLACEMENT));
	else
		text_printf(out, "\\x%02x", (unsigned char)*s);
	return n ? n : 1;
}

void escape_text(struct text *out, const void *data, size_t len, unsigned int how)
{
	const char *s = data;
	size_t n;

	for (; len; s += n, len -= n)
		n = take_piece(out, s, len, how);
}

const char *escape_cut(char *buf, size_t size, const void *data, size_t len)
{
	struct text piece = { 0 };
	const char *s = data;
	size_t n, used = 0;

	for (; len; s += n, len -= n) {
		piece.len = 0;
		n = take_piece(&piece, s, len, 0);
		if (used + piece.len >= size)
			break;
		memcpy(buf + used, piece.data, piece.len);
		used += piece.len;
	}
	buf[used] = '\0';
	text_free(&piece);
	return buf;
}

/* The bytes that fit into @max columns; their columns in @width. */
static size_t fit(const char *s, size_t len, int max, int *width)
{
	size_t n, used = 0;
	int columns;

	for (*width = 0; used < len; used += n) {
		n = take_shown(s + used, len - used, 0, &columns);
		/* Cannot happen in escaped text */
		if (!n) {
			n = 1;
			columns = 1;
		}
		if (columns > max - *width)
			break;
		*width += columns;
	}
	return used;
}

int escape_width(const char *s, size_t len)
{
	int width;

	fit(s, len, INT_MAX, &width);
	return width;
}

static void spaces(struct text *out, int n)
{
	for (; n > 0; n--)
		text_add(out, " ", 1);
}

void escape_column(struct text *out, const char *s, size_t len, int width, bool right,
		   bool cut)
{
	int columns;

	len = fit(s, len, cut ? width : INT_MAX, &columns);
	if (right)
		spaces(out, width - columns);
	text_add(out, s, len);
	if (!right)
		spaces(out, width - columns);
}

/**
 * struct printer - a format being printed
 * @out: the output
 * @args: its arguments
 */
struct printer {
	struct text *out;
	va_list args;
};

/* A number of the format, or *; returns the rest of the format. */
static const char *print_size(struct printer *p, const char *s, int *size)
{
	if (*s == '*') {
		*size = va_arg(p->args, int);
		return s + 1;
	}
	for (*size = 0; *s >= '0' && *s <= '9'; s++)
		*size = 10 * *size + (*s - '0');
	return s;
}

static void print_string(struct printer *p, bool left, int width, int max)
{
	const char *s = va_arg(p->args, const char *);
	struct text text = { 0 };

	if (!s)
		s = "(null)";
	escape_text(&text, s, max < 0 ? strlen(s) : strnlen(s, max), 0);
	if (width < 0) {
		left = true;
		width = -width;
	}
	escape_column(p->out, text.data, text.len, width, !left, false);
	text_free(&text);
}

/* @spec: all from the % on, with the letter @last, of a number. */
static void print_number(struct printer *p, const char *spec, char last, int longs, bool size)
{
	if (strchr("fge", last))
		text_printf(p->out, spec, va_arg(p->args, double));
	else if (size)
		text_printf(p->out, spec, va_arg(p->args, size_t));
	else if (longs == 2)
		text_printf(p->out, spec, va_arg(p->args, unsigned long long));
	else if (longs)
		text_printf(p->out, spec, va_arg(p->args, unsigned long));
	else
		text_printf(p->out, spec, va_arg(p->args, unsigned int));
}

/* Print the conversion at @spec; returns the rest of the format. */
static const char *print_one(struct printer *p, const char *spec)
{
	const char *s = spec + 1 + strspn(spec + 1, "-+ #0");
	bool left = memchr(spec, '-', s - spec), size = false;
	int width, max = -1, longs = 0;
	char copy[16] = "";

	s = print_size(p, s, &width);
	if (*s == '.')
		s = print_size(p, s + 1, &max);
	for (; *s == 'l'; s++)
		longs++;
	if (*s == 'z') {
		size = true;
		s++;
	}
	if (*s == 's') {
		print_string(p, left, width, max);
		return s + 1;
	}
	/* Formats are ours, but compilers cannot check this switch */
	if (!*s || !strchr("diuoxXcfge%", *s) || s - spec >= (long)sizeof(copy) - 1 ||
	    memchr(spec, '*', s - spec))
		abort();
	memcpy(copy, spec, s + 1 - spec);
	if (*s == '%')
		text_add(p->out, s, 1);
	else
		print_number(p, copy, *s, longs, size);
	return s + 1;
}

void escape_vprintf(struct text *out, const char *fmt, va_list args)
{
	struct printer p = { .out = out };
	size_t len;

	va_copy(p.args, args);
	while (*fmt) {
		len = strcspn(fmt, "%");
		text_add(out, fmt, len);
		fmt += len;
		if (*fmt)
			fmt = print_one(&p, fmt);
	}
	va_end(p.args);
}

void escape_printf(struct text *out, const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	escape_vprintf(out, fmt, args);
	va_end(args);
}

json_t *escape_json(const void *s, size_t len)
{
	json_t *string = json_stringn(s, len);
	struct text text = { 0 };

	if (string)
		return string;
	escape_text(&text, s, len, ESCAPE_UTF8);
	string = json_stringn(text.data, text.len);
	text_free(&text);
	if (!string)
		abort();
	return string;
}

/* A piece of JSON: complete characters; control characters occur only in strings. */
static int dump_piece(const char *s, size_t len, void *out)
{
	escape_text(out, s, len, ESCAPE_JSON);
	return 0;
}

void escape_json_dump(struct text *out, const json_t *value, size_t flags)
{
	if (json_dump_callback(value, dump_piece, out,
			       flags | JSON_PRESERVE_ORDER | JSON_REAL_PRECISION(9)))
		abort();
}
