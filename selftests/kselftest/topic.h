/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Shared by the tests of topics: other users and their rights.
 */
#ifndef _MQBUS_TEST_TOPIC_H
#define _MQBUS_TEST_TOPIC_H

#include <linux/capability.h>

#include "mqbus_test.h"

FIXTURE(topic) {
	int ctl;
	char name[MQBUS_NAME_SIZE];
};

FIXTURE_SETUP(topic)
{
	mq_name(self->name, "topic");
	self->ctl = mq_open(0);
	ASSERT_LE(0, self->ctl);
	ASSERT_EQ(0, mq_used(self->ctl));
}

FIXTURE_TEARDOWN(topic)
{
	mq_delete(self->ctl, self->name);
	/* A test gives back all memory charged to it */
	EXPECT_EQ(0, mq_left(self->ctl));
	close(self->ctl);
}

#define create(self, ...)	mq_create((self)->ctl, (self)->name, ##__VA_ARGS__)

static int create_sized(int fd, const char *name, __u64 size)
{
	return mq_create(fd, name, .size = size);
}

static int create_owned(int fd, const char *name, __u32 uid, __u32 gid)
{
	return mq_create(fd, name, .size = 4096, .uid = uid, .gid = gid);
}

/* An endpoint opened by a user without rights */
static int open_as(uid_t uid, gid_t gid, gid_t extra)
{
	int pair[2], fd = -1;
	char control[CMSG_SPACE(sizeof(int))] = {};
	struct iovec iov = { "x", 1 };
	struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1, .msg_control = control,
			      .msg_controllen = sizeof(control) };
	struct cmsghdr *c;
	char got;
	pid_t pid;

	if (socketpair(AF_UNIX, SOCK_STREAM, 0, pair))
		return -errno;
	mq_fork(pid) {
		if (setgroups(extra ? 1 : 0, &extra) || setresgid(gid, gid, gid) ||
		    setresuid(uid, uid, uid))
			_exit(1);
		fd = mq_open(0);
		c = CMSG_FIRSTHDR(&msg);
		c->cmsg_level = SOL_SOCKET;
		c->cmsg_type = SCM_RIGHTS;
		c->cmsg_len = CMSG_LEN(sizeof(int));
		memcpy(CMSG_DATA(c), &fd, sizeof(int));
		_exit(sendmsg(pair[0], &msg, 0) != 1);
	}
	iov.iov_base = &got;
	if (!mq_wait(pid) && recvmsg(pair[1], &msg, MSG_CMSG_CLOEXEC) == 1) {
		c = CMSG_FIRSTHDR(&msg);
		if (c)
			memcpy(&fd, CMSG_DATA(c), sizeof(int));
	}
	close(pair[0]);
	close(pair[1]);
	return fd;
}

/* Drop a capability for good, and keep the uid */
static int drop_capability(int cap)
{
	struct __user_cap_header_struct h = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct d[2];

	if (syscall(SYS_capget, &h, d))
		return -errno;
	d[cap / 32].effective &= ~(1U << cap % 32);
	d[cap / 32].permitted &= ~(1U << cap % 32);
	d[cap / 32].inheritable &= ~(1U << cap % 32);
	return syscall(SYS_capset, &h, d) ? -errno : 0;
}

#define set(self, _fields, ...)							\
	mq_topic_set((self)->ctl, (self)->name, _fields, ##__VA_ARGS__)

#endif /* _MQBUS_TEST_TOPIC_H */
