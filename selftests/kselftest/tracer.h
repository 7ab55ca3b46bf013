/* SPDX-License-Identifier: GPL-2.0 */
/*
 * How often the kernel calls a function, and whether its workers do.
 */
#ifndef _MQBUS_TEST_TRACER_H
#define _MQBUS_TEST_TRACER_H

#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <unistd.h>

#define TRACING	"/sys/kernel/tracing/"

static inline bool tracing(const char *file, const char *text)
{
	char path[64];
	int fd, ret;

	snprintf(path, sizeof(path), TRACING "%s", file);
	fd = open(path, O_WRONLY | O_TRUNC);
	ret = write(fd, text, strlen(text));
	close(fd);
	return ret == (int)strlen(text);
}

/* Trace a function from now on. Return: whether there is a tracer */
static inline bool trace_begin(const char *function)
{
	mount("tracefs", TRACING, "tracefs", 0, NULL);
	return tracing("set_ftrace_filter", function) && tracing("current_tracer", "function") &&
	       tracing("trace", " ") && tracing("tracing_on", "1");
}

/* How often the kernel's workers, or others, have called a function since it is traced */
static inline unsigned int traced(const char *function, bool workers)
{
	FILE *f = fopen(TRACING "trace", "r");
	unsigned int n = 0;
	char line[512];

	while (f && fgets(line, sizeof(line), f))
		n += strstr(line, function) && !strstr(line, "#") &&
		     !!strstr(line, "kworker") == workers;
	if (f)
		fclose(f);
	return n;
}

#endif /* _MQBUS_TEST_TRACER_H */
