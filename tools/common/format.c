// SPDX-License-Identifier: GPL-2.0
#include <ctype.h>
#include <jansson.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "escape.h"
#include "format.h"

/**
 * struct format_item - a piece of a format
 * @letter: of a field, or 0: the bytes of @text
 * @text: where they begin in the format's text
 * @len: how many
 */
struct format_item {
	char letter;
	size_t text;
	size_t len;
};

struct format {
	struct format_item *items;
	size_t n;
	struct text text;
};

void text_add(struct text *t, const void *data, size_t len)
{
	if (len > t->size - t->len) {
		t->size = 2 * (t->len + len);
		t->data = realloc(t->data, t->size);
		if (!t->data)
			abort();
	}
	if (len)
		memcpy(t->data + t->len, data, len);
	t->len += len;
}

void text_printf(struct text *t, const char *fmt, ...)
{
	va_list args;
	char *s;
	int len;

	va_start(args, fmt);
	len = vasprintf(&s, fmt, args);
	va_end(args);
	if (len < 0)
		abort();
	text_add(t, s, len);
	free(s);
}

void text_json(struct text *t, json_t *value)
{
	escape_json_dump(t, value, JSON_COMPACT);
	text_add(t, "\n", 1);
	json_decref(value);
}

void text_free(struct text *t)
{
	free(t->data);
	memset(t, 0, sizeof(*t));
}

bool text_write(struct text *t, FILE *f)
{
	bool whole = !t->len || fwrite(t->data, 1, t->len, f) == t->len;

	text_free(t);
	return whole;
}

static void text_number(struct text *t, unsigned long long v)
{
	char buf[24];

	text_add(t, buf, snprintf(buf, sizeof(buf), "%llu", v));
}

static void format_add_byte(struct format *f, char c)
{
	struct format_item *last = f->n ? &f->items[f->n - 1] : NULL;

	/* There is room for as many items as the format has characters */
	if (!last || last->letter) {
		last = &f->items[f->n++];
		last->text = f->text.len;
	}
	text_add(&f->text, &c, 1);
	last->len++;
}

static int hex_value(char c)
{
	if (isdigit((unsigned char)c))
		return c - '0';
	return isxdigit((unsigned char)c) ? tolower((unsigned char)c) - 'a' + 10 : -1;
}

/* One escape; returns what follows it, or NULL if it is none. */
static const char *format_escape(struct format *f, const char *s)
{
	static const char names[] = "nrt0\\";
	static const char bytes[] = "\n\r\t\0\\";
	const char *found;
	int high, low;

	if (*s == 'x') {
		high = hex_value(s[1]);
		low = high < 0 ? -1 : hex_value(s[2]);
		if (low < 0)
			return NULL;
		format_add_byte(f, high << 4 | low);
		return s + 3;
	}
	found = *s ? strchr(names, *s) : NULL;
	if (!found)
		return NULL;
	format_add_byte(f, bytes[found - names]);
	return s + 1;
}

struct format *format_compile(const char *s, const char **bad)
{
	struct format *f = calloc(1, sizeof(*f));
	const char *next;

	if (f)
		f->items = calloc(strlen(s) + 1, sizeof(*f->items));
	if (!f || !f->items)
		abort();
	for (; *s; s = next) {
		next = s + 1;
		if (*s == '\\') {
			next = format_escape(f, s + 1);
		} else if (*s != '%') {
			format_add_byte(f, *s);
		} else if (s[1] == '%') {
			format_add_byte(f, '%');
			next = s + 2;
		} else if (s[1] && strchr("tpoksSKhrTLa", s[1])) {
			f->items[f->n++].letter = s[1];
			next = s + 2;
		} else {
			next = NULL;
		}
		if (!next) {
			*bad = s;
			format_free(f);
			return NULL;
		}
	}
	return f;
}

void format_free(struct format *f)
{
	if (!f)
		return;
	text_free(&f->text);
	free(f->items);
	free(f);
}

/* A part of a record; @how: ESCAPE_*, or -1: as it is. */
static void text_part(struct text *out, const void *part, size_t len, int how)
{
	if (how < 0)
		text_add(out, part, len);
	else
		escape_text(out, part, len, how);
}

static void text_headers(struct text *out, const struct mqbus_record *r, int how)
{
	struct mqbus_header_view h;
	__u32 iter = 0;
	size_t comma = 0;

	while (mqbus_record_header(r, &iter, &h)) {
		text_add(out, ",", comma);
		comma = 1;
		text_part(out, h.name, h.name_len, how);
		text_add(out, "=", 1);
		text_part(out, h.value, h.value_len, how);
	}
}

static __u64 record_offset(const struct format_source *from, const struct mqbus_record *r)
{
	return from->lease ? from->lease->offset : r->offset;
}

static void text_field(struct text *out, char letter, const struct format_source *from,
		       const struct mqbus_record *r, bool person)
{
	int how = person ? 0 : -1;
	const void *part;
	size_t len;

	switch (letter) {
	case 't':
		text_add(out, from->topic, strlen(from->topic));
		break;
	case 'p':
		text_number(out, from->partition);
		break;
	case 'o':
		text_number(out, record_offset(from, r));
		break;
	case 'k':
		part = mqbus_record_key(r, &len);
		text_part(out, part, len, how);
		break;
	case 's':
		part = mqbus_record_value(r, &len);
		text_part(out, part, len, person ? ESCAPE_LINES : -1);
		break;
	case 'r':
		part = mqbus_record_routing_key(r, &len);
		text_part(out, part, len, how);
		break;
	case 'S':
		text_number(out, r->value_len);
		break;
	case 'K':
		text_number(out, r->key_len);
		break;
	case 'h':
		text_headers(out, r, how);
		break;
	case 'T':
		text_number(out, r->time / 1000000);
		break;
	case 'L':
		text_number(out, from->lease ? from->lease->lease : 0);
		break;
	case 'a':
		text_number(out, from->lease ? from->lease->attempt : 1);
		break;
	}
}

void format_record(const struct format *f, const struct format_source *from,
		   const struct mqbus_record *r, bool person, struct text *out)
{
	const struct format_item *item;

	for (item = f->items; item < f->items + f->n; item++) {
		if (item->letter)
			text_field(out, item->letter, from, r, person);
		else
			text_add(out, f->text.data + item->text, item->len);
	}
}

static json_t *base64(const unsigned char *s, size_t len)
{
	static const char digits[] =
		"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
	char *out = malloc((len + 2) / 3 * 4 + 1);
	size_t i, n = 0;
	__u32 bits;
	json_t *json;

	if (!out)
		abort();
	for (i = 0; i < len; i += 3) {
		bits = s[i] << 16;
		bits |= i + 1 < len ? s[i + 1] << 8 : 0;
		bits |= i + 2 < len ? s[i + 2] : 0;
		out[n++] = digits[bits >> 18];
		out[n++] = digits[bits >> 12 & 63];
		out[n++] = i + 1 < len ? digits[bits >> 6 & 63] : '=';
		out[n++] = i + 2 < len ? digits[bits & 63] : '=';
	}
	json = json_stringn(out, n);
	free(out);
	return json;
}

/* A string if the bytes are UTF-8, else base64 and "NAME_base64": true. */
static void set_bytes(json_t *object, const char *name, const void *data, size_t len)
{
	json_t *value = json_stringn(data, len);
	char flag[32];

	if (!value) {
		value = base64(data, len);
		snprintf(flag, sizeof(flag), "%s_base64", name);
		json_object_set_new(object, flag, json_true());
	}
	json_object_set_new(object, name, value);
}

static json_t *headers_json(const struct mqbus_record *r)
{
	json_t *header, *list = json_array();
	struct mqbus_header_view h;
	__u32 iter = 0;

	while (mqbus_record_header(r, &iter, &h)) {
		header = json_object();
		set_bytes(header, "name", h.name, h.name_len);
		set_bytes(header, "value", h.value, h.value_len);
		json_array_append_new(list, header);
	}
	return list;
}

json_t *format_object(const struct format_source *from, const struct mqbus_record *r)
{
	const void *part;
	size_t len;
	json_t *o;

	o = json_pack("{s:s s:I s:I s:I}", "topic", from->topic,
		      "partition", (json_int_t)from->partition,
		      "offset", (json_int_t)record_offset(from, r),
		      "time_ns", (json_int_t)r->time);
	if (from->lease) {
		json_object_set_new(o, "lease", json_integer(from->lease->lease));
		json_object_set_new(o, "attempt", json_integer(from->lease->attempt));
	}
	part = mqbus_record_key(r, &len);
	if (len)
		set_bytes(o, "key", part, len);
	part = mqbus_record_routing_key(r, &len);
	if (len)
		set_bytes(o, "routing_key", part, len);
	if (r->headers_len)
		json_object_set_new(o, "headers", headers_json(r));
	part = mqbus_record_value(r, &len);
	set_bytes(o, "value", part, len);
	return o;
}

void format_json(const struct format_source *from, const struct mqbus_record *r,
		 struct text *out)
{
	text_json(out, format_object(from, r));
}
