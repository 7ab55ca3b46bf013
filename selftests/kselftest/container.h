/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Shared by the tests of namespaces: what a container is made of, and the bus of another one.
 */
#ifndef _MQBUS_TEST_CONTAINER_H
#define _MQBUS_TEST_CONTAINER_H

#include "mqbus_test.h"

static int write_text(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY), err;

	err = fd < 0 || write(fd, text, strlen(text)) != (ssize_t)strlen(text) ? -1 : 0;
	close(fd);
	return err;
}

/* Be root of a new user namespace, as that user outside */
static int map_root(uid_t uid, gid_t gid)
{
	char uids[32], gids[32];

	snprintf(uids, sizeof(uids), "0 %d 1\n", uid);
	snprintf(gids, sizeof(gids), "0 %d 1\n", gid);
	return write_text("/proc/self/setgroups", "deny") ?:
	       write_text("/proc/self/uid_map", uids) ?: write_text("/proc/self/gid_map", gids);
}

/* Be a user, and then root of user and network namespaces of its own. Return: 0, or what is not */
static int become_container(uid_t uid)
{
	return mq_become(uid, uid) || prctl(PR_SET_DUMPABLE, 1) ||
	       unshare(CLONE_NEWUSER | CLONE_NEWNET) || map_root(uid, uid);
}

/* Wait until so many files and topics are left: a namespace that ended goes a little later */
static long long wait_refs(long long refs)
{
	int i;

	for (i = 0; i < 500 && mq_read_number(MQ_REFCNT) != refs; i++)
		mq_sleep(10 * MQ_MS);
	return mq_read_number(MQ_REFCNT);
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
