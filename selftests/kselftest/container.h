/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Shared by the tests of namespaces: what a container is made of, and the bus of another one.
 */
#ifndef _MQBUS_TEST_CONTAINER_H
#define _MQBUS_TEST_CONTAINER_H

#include "mqbus_test.h"

/* Be root of a new user namespace, as that user outside */
static int map_root(uid_t uid, gid_t gid)
{
	char text[64];
	int fd = open("/proc/self/setgroups", O_WRONLY), n;

	if (fd < 0 || write(fd, "deny", 4) != 4)
		return -1;
	close(fd);
	fd = open("/proc/self/uid_map", O_WRONLY);
	n = snprintf(text, sizeof(text), "0 %d 1\n", uid);
	if (fd < 0 || write(fd, text, n) != n)
		return -1;
	close(fd);
	fd = open("/proc/self/gid_map", O_WRONLY);
	n = snprintf(text, sizeof(text), "0 %d 1\n", gid);
	if (fd < 0 || write(fd, text, n) != n)
		return -1;
	close(fd);
	return 0;
}

/* A descriptor of the caller's network namespace */
static int own_netns(void)
{
	return open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
}

static int enter(int fd, int netns)
{
	struct mqbus_enter args = { .netns = netns };

	return mq_ioctl(fd, MQBUS_IOC_ENTER, &args);
}

#endif /* _MQBUS_TEST_CONTAINER_H */
