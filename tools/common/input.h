/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Lines of a file, in place in one buffer.
 */
#ifndef MQBUS_INPUT_H
#define MQBUS_INPUT_H

#include <stdbool.h>
#include <stddef.h>

/**
 * struct input - a file that is read by lines
 * @fd: the file
 * @name: for messages
 * @buf: what was read and not taken yet is from @begin to @end
 * @size: bytes of @buf
 * @begin: see @buf
 * @scan: no line ends before here
 * @end: see @buf
 * @eof: there is no more to read
 */
struct input {
	int fd;
	const char *name;
	char *buf;
	size_t size;
	size_t begin;
	size_t scan;
	size_t end;
	bool eof;
};

/* Open @path ("-": stdin); lines of up to @line_max bytes fit. 0 or -errno. */
int input_open(struct input *in, const char *path, size_t line_max);
void input_close(struct input *in);
/*
 * The next line that is in the buffer already, without its newline; the last
 * one may lack it. Lines stay where they are until input_fill().
 */
bool input_line(struct input *in, char **line, size_t *len);
/*
 * Wait for more. Returns the bytes read, 0 at the end of the file, -EMSGSIZE if
 * a line does not fit in the buffer, or a negative errno.
 */
long input_fill(struct input *in);

#endif /* MQBUS_INPUT_H */
