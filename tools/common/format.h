/* SPDX-License-Identifier: GPL-2.0 */
/*
 * A record as text: by a format as kcat's, or as a line of JSON.
 */
#ifndef MQBUS_FORMAT_H
#define MQBUS_FORMAT_H

#include <jansson.h>
#include <stdio.h>

#include "cmd.h"
#include "mqbus.h"

/**
 * struct text - bytes that grow
 * @data: the bytes
 * @len: how many there are
 * @size: how many there is room for
 */
struct text {
	char *data;
	size_t len;
	size_t size;
};

void text_add(struct text *t, const void *data, size_t len);
__printf(2, 3) void text_printf(struct text *t, const char *fmt, ...);
/* Append a value as one line, and release it. */
void text_json(struct text *t, json_t *value);
void text_free(struct text *t);
/* Write it and release it; false if that failed. */
bool text_write(struct text *t, FILE *f);

/*
 * A format is compiled once: the escapes are replaced, the letters checked.
 * Returns NULL and sets *@bad to the first letter that is none.
 */
struct format *format_compile(const char *s, const char **bad);
void format_free(struct format *f);

/**
 * struct format_source - where a record is from
 * @topic: name
 * @partition: number
 * @lease: its lease, or NULL; the offset of the lease is the one that
 *	is valid, since a record that was tried before lies elsewhere
 */
struct format_source {
	const char *topic;
	__u32 partition;
	const struct mqbus_leased *lease;
};

/*
 * Append a record; @person: on a terminal, where its parts are escaped (see escape.h); line
 * feeds and tabs of a value are not. What the format itself says is as it is.
 */
void format_record(const struct format *f, const struct format_source *from,
		   const struct mqbus_record *r, bool person, struct text *out);
/* Append a record as one line of JSON. */
void format_json(const struct format_source *from, const struct mqbus_record *r,
		 struct text *out);
/* The same as a value. */
json_t *format_object(const struct format_source *from, const struct mqbus_record *r);

#endif /* MQBUS_FORMAT_H */
