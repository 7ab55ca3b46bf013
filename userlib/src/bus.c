// SPDX-License-Identifier: LGPL-2.1-or-later
#ifndef _GNU_SOURCE
#define _GNU_SOURCE	/* secure_getenv() */
#endif
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "bus.h"

int mqbus_bus_open(int *fd)
{
	/* Who starts a program with more rights than its own does not choose its bus */
	const char *path = secure_getenv("MQBUS_BUS");

	*fd = -1;
	if (!path || !*path)
		return 0;
	/* It may be something that waits to be opened */
	*fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	if (*fd >= 0)
		return 0;
	switch (errno) {
	case EMFILE:
	case ENFILE:
	case ENOMEM:
	case EINTR:
		return -errno;
	default:
		/* ENOENT and EACCES are for topics and groups only */
		return -ENXIO;
	}
}

bool mqbus_bus_is_other(int fd)
{
	struct stat bus, own;

	if (fd < 0)
		return false;
	return fstat(fd, &bus) || stat("/proc/self/ns/net", &own) ||
	       bus.st_dev != own.st_dev || bus.st_ino != own.st_ino;
}
