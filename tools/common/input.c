// SPDX-License-Identifier: GPL-2.0
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cmd.h"
#include "input.h"

#define READ_SIZE (256 * 1024)

int input_open(struct input *in, const char *path, size_t line_max)
{
	bool is_stdin = !strcmp(path, "-");

	memset(in, 0, sizeof(*in));
	in->name = is_stdin ? "stdin" : path;
	in->fd = is_stdin ? STDIN_FILENO : open(path, O_RDONLY | O_CLOEXEC);
	if (in->fd < 0)
		return -errno;
	/* Room for the longest line, its newline and a good read besides */
	in->size = line_max + 1 + READ_SIZE;
	in->buf = malloc(in->size);
	if (in->buf)
		return 0;
	input_close(in);
	return -ENOMEM;
}

void input_close(struct input *in)
{
	if (in->fd != STDIN_FILENO)
		close(in->fd);
	free(in->buf);
}

bool input_line(struct input *in, char **line, size_t *len)
{
	char *newline = memchr(in->buf + in->scan, '\n', in->end - in->scan);
	char *end = newline;

	if (!newline) {
		in->scan = in->end;
		if (!in->eof || in->begin == in->end)
			return false;
		end = in->buf + in->end;
	}
	*line = in->buf + in->begin;
	*len = end - *line;
	in->begin = end - in->buf + !!newline;
	in->scan = in->begin;
	return true;
}

long input_fill(struct input *in)
{
	ssize_t n;

	memmove(in->buf, in->buf + in->begin, in->end - in->begin);
	in->scan -= in->begin;
	in->end -= in->begin;
	in->begin = 0;
	if (in->end == in->size)
		return -EMSGSIZE;
	do
		n = read(in->fd, in->buf + in->end, in->size - in->end);
	while (n < 0 && errno == EINTR && !cmd_signal());
	if (n < 0)
		return -errno;
	in->end += n;
	in->eof = !n;
	return n;
}
