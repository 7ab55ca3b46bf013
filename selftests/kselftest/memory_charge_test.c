// SPDX-License-Identifier: GPL-2.0
/*
 * How much there may be, who pays for it, and what a container gets.
 */
#include "topic.h"

TEST_F(topic, limits_of_creation)
{
	static const struct {
		__u32 partitions;
		__u64 size;
		__u32 max_record;
		int want;
	} t[] = {
		{ 1, 0, 0, -EINVAL },
		{ 1, 4095, 0, -EINVAL },
		{ 1, 4097, 0, -EINVAL },
		{ 1, 12288, 0, -EINVAL },
		{ 1, (1ULL << 30) - 4096, 0, -EINVAL },
		{ 1, 1, 0, -ERANGE },
		{ 1, 2048, 0, -ERANGE },
		{ 1, 4096, 0, 0 },
		{ 1, 1ULL << 31, 0, -ERANGE },
		{ 1, 1ULL << 62, 0, -ERANGE },
		{ 1, 1ULL << 63, 0, -ERANGE },
		{ 2, 1ULL << 63, 0, -EOVERFLOW },
		{ 1024, 1ULL << 54, 0, -EOVERFLOW },
		{ 1024, 1ULL << 53, 0, -ERANGE },
		{ 0, 1ULL << 63, 0, -EOVERFLOW },
		{ 1024, 4096, 0, 0 },
		{ 1025, 4096, 0, -ERANGE },
		{ ~0U, 4096, 0, -ERANGE },
		{ 1, 4096, 2048 - 64, 0 },
		{ 1, 4096, 2048 - 63, -ERANGE },
		{ 1, 1 << 20, MQBUS_RECORD_MAX, 0 },
		{ 1, 1 << 20, MQBUS_RECORD_MAX + 1, -ERANGE },
		{ 1, 1 << 20, ~0U, -ERANGE },
		{ 1, 4096, 1, 0 },
	};
	unsigned int i;

	for (i = 0; i < sizeof(t) / sizeof(*t); i++) {
		EXPECT_EQ(t[i].want, create(self, .partitions = t[i].partitions,
					    .size = t[i].size, .max_record = t[i].max_record))
			TH_LOG("%u partitions of %llu, max_record %u", t[i].partitions, t[i].size,
			       t[i].max_record);
		EXPECT_EQ(t[i].want ? -ENOENT : 0, mq_delete(self->ctl, self->name));
	}
}

TEST_F(topic, default_record_size)
{
	static const struct {
		__u64 size;
		__u32 max_record;
	} t[] = {
		{ 4096, 1024 }, { 65536, 16384 }, { 262144, 65536 }, { 1 << 20, 65536 },
	};
	struct mqbus_geometry geo;
	unsigned int i;
	int fd;

	for (i = 0; i < sizeof(t) / sizeof(*t); i++) {
		ASSERT_EQ(0, create(self, .size = t[i].size));
		fd = mq_producer(self->name, 0);
		ASSERT_EQ(0, mq_geometry(fd, 0, &geo));
		EXPECT_EQ(t[i].max_record, geo.max_record);
		close(fd);
		ASSERT_EQ(0, mq_delete(self->ctl, self->name));
	}
}

TEST_F(topic, limit_of_a_uid)
{
	long long before = mq_read_number(MQ_USER_MBYTES);
	int alice = open_as(ALICE, ALICE, 0), bob = open_as(BOB, BOB, 0);
	struct mqbus_info info;
	char other[MQBUS_NAME_SIZE];

	mq_name(other, "other");
	ASSERT_EQ(0, mq_write_number(MQ_USER_MBYTES, 1));
	EXPECT_EQ(0, mq_info(alice, &info));
	EXPECT_EQ(1 << 20, info.max_user_bytes);
	/* The ring page is paid for as well */
	EXPECT_EQ(-EDQUOT, mq_create(alice, self->name, .size = 1 << 20));
	EXPECT_EQ(-EDQUOT, mq_create(alice, self->name, .partitions = 4, .size = 1 << 18));
	EXPECT_EQ(0, mq_used(self->ctl));
	EXPECT_EQ(0, mq_create(alice, self->name, .partitions = 3, .size = 1 << 18,
			       .mode = 0666));
	EXPECT_EQ(-EDQUOT, mq_create(alice, other, .size = 1 << 18));
	/* Each has a limit of its own, and root is above it */
	EXPECT_EQ(0, mq_create(bob, other, .size = 1 << 19));
	EXPECT_EQ(0, mq_delete(bob, other));
	EXPECT_EQ(0, mq_create(self->ctl, other, .size = 4 << 20));
	EXPECT_EQ(0, mq_delete(self->ctl, other));
	/* What was given back can be had again */
	EXPECT_EQ(0, mq_delete(alice, self->name));
	EXPECT_EQ(0, mq_create(alice, self->name, .size = 1 << 19));
	EXPECT_EQ(0, mq_delete(alice, self->name));
	EXPECT_EQ(0, mq_write_number(MQ_USER_MBYTES, before));
	close(alice);
	close(bob);
}

/* Groups are paid for by whoever makes them */
TEST_F(topic, groups_are_charged)
{
	__u64 used;

	ASSERT_EQ(0, create(self, .partitions = 100, .size = 4096));
	used = mq_used(self->ctl);
	ASSERT_EQ(0, mq_group(self->ctl, self->name, "g"));
	EXPECT_LT(used + 100 * 32, mq_used(self->ctl));
	ASSERT_EQ(-EEXIST, mq_group(self->ctl, self->name, "g"));
	ASSERT_EQ(0, mq_group_delete(self->ctl, self->name, "g", 0));
	EXPECT_EQ(used, mq_used(self->ctl));
	/* Or they go with the topic */
	ASSERT_EQ(0, mq_group(self->ctl, self->name, "g"));
}

TEST_F(topic, limits_of_the_namespace)
{
	char names[4][MQBUS_NAME_SIZE];
	long long bytes = mq_read_number(MQ_SYSCTL("max_bytes"));
	struct mqbus_info info;
	int i;

	for (i = 0; i < 4; i++)
		mq_name(names[i], "limit");
	ASSERT_EQ(0, mq_write_number(MQ_SYSCTL("max_bytes"), 1 << 20));
	ASSERT_EQ(0, mq_info(self->ctl, &info));
	EXPECT_EQ(1 << 20, info.max_bytes);
	/* It is the machine's administrator's, so that even he is bound */
	EXPECT_EQ(-ENOSPC, create(self, .size = 1 << 20));
	EXPECT_EQ(0, create(self, .size = 1 << 19));
	EXPECT_EQ(-ENOSPC, mq_create(self->ctl, names[0], .size = 1 << 19));
	ASSERT_EQ(0, mq_write_number(MQ_SYSCTL("max_bytes"), 4096));
	EXPECT_EQ(-ENOSPC, mq_group(self->ctl, self->name, "g"));
	EXPECT_EQ(0, mq_delete(self->ctl, self->name));
	ASSERT_EQ(0, mq_write_number(MQ_SYSCTL("max_bytes"), bytes));

	ASSERT_EQ(0, mq_write_number(MQ_SYSCTL("max_topics"), 3));
	for (i = 0; i < 4; i++)
		EXPECT_EQ(i < 3 ? 0 : -EMFILE, mq_create(self->ctl, names[i], .size = 4096));
	EXPECT_EQ(0, mq_delete(self->ctl, names[1]));
	EXPECT_EQ(0, mq_create(self->ctl, names[3], .size = 4096));
	ASSERT_EQ(0, mq_write_number(MQ_SYSCTL("max_topics"), 4096));

	ASSERT_EQ(0, mq_write_number(MQ_SYSCTL("max_groups"), 2));
	EXPECT_EQ(0, mq_group(self->ctl, names[0], "a"));
	EXPECT_EQ(0, mq_group(self->ctl, names[0], "b"));
	EXPECT_EQ(-EMFILE, mq_group(self->ctl, names[0], "c"));
	EXPECT_EQ(0, mq_group(self->ctl, names[2], "c"));
	EXPECT_EQ(0, mq_group_delete(self->ctl, names[0], "a", 0));
	EXPECT_EQ(0, mq_group(self->ctl, names[0], "c"));
	ASSERT_EQ(0, mq_write_number(MQ_SYSCTL("max_groups"), 64));

	EXPECT_EQ(-EINVAL, mq_write_number(MQ_SYSCTL("max_topics"), 0));
	EXPECT_EQ(-EINVAL, mq_write_number(MQ_SYSCTL("max_topics"), (1 << 20) + 1));
	EXPECT_EQ(-EINVAL, mq_write_number(MQ_SYSCTL("max_groups"), 0));
	EXPECT_EQ(-EINVAL, mq_write_number(MQ_SYSCTL("max_groups"), 1025));
	EXPECT_EQ(64, mq_read_number(MQ_SYSCTL("max_groups")));
	mq_delete(self->ctl, names[0]);
	mq_delete(self->ctl, names[2]);
	mq_delete(self->ctl, names[3]);
}

TEST_F(topic, limits_are_not_for_all_to_raise)
{
	pid_t pid;

	mq_fork(pid) {
		if (mq_become(ALICE, ALICE))
			_exit(1);
		/* Not his file */
		if (mq_write_number(MQ_SYSCTL("max_bytes"), 4096) != -EACCES)
			_exit(2);
	}
	EXPECT_EQ(0, mq_wait(pid));
	mq_fork(pid) {
		if (drop_capability(CAP_SYS_RESOURCE))
			_exit(1);
		if (mq_write_number(MQ_SYSCTL("max_topics"), 4097) != -EPERM ||
		    mq_write_number(MQ_SYSCTL("max_groups"), 65) != -EPERM ||
		    mq_write_number(MQ_SYSCTL("max_bytes"), ~0ULL >> 1) != -EPERM)
			_exit(2);
		/* Less is always allowed */
		if (mq_write_number(MQ_SYSCTL("max_groups"), 63))
			_exit(3);
		/* And it cannot take it back */
		if (mq_write_number(MQ_SYSCTL("max_groups"), 64) != -EPERM)
			_exit(4);
	}
	EXPECT_EQ(0, mq_wait(pid));
	EXPECT_EQ(63, mq_read_number(MQ_SYSCTL("max_groups")));
	EXPECT_EQ(0, mq_write_number(MQ_SYSCTL("max_groups"), 64));
}

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

/* A container's root: all capabilities in there, none on the machine */
TEST_F(topic, container)
{
	long long refs = mq_read_number(MQ_REFCNT);
	long long user = mq_read_number(MQ_USER_MBYTES);
	static const char * const more[] = { "a", "b", "c" };
	char other[MQBUS_NAME_SIZE];
	int fd, i, status;
	pid_t pid;

	mq_name(other, "other");
	ASSERT_EQ(0, create(self));
	ASSERT_EQ(refs + 1, mq_read_number(MQ_REFCNT));
	ASSERT_EQ(0, mq_write_number(MQ_USER_MBYTES, 1));
	mq_fork(pid) {
		if (mq_become(ALICE, ALICE) || prctl(PR_SET_DUMPABLE, 1) ||
		    unshare(CLONE_NEWUSER | CLONE_NEWNET) || map_root(ALICE, ALICE))
			_exit(1);
		fd = mq_open(0);
		/* Names are its own */
		if (mq_used(fd) || mq_bind_producer(fd, self->name) != -ENOENT)
			_exit(2);
		/* What was opened outside stays outside */
		if (mq_create(self->ctl, self->name) != -EEXIST)
			_exit(3);
		if (create_sized(fd, self->name, 4096) || create_sized(fd, other, 4096))
			_exit(4);
		/* Limits are the machine's: lower yes, higher no */
		if (mq_write_number(MQ_SYSCTL("max_groups"), 65) != -EPERM ||
		    mq_write_number(MQ_SYSCTL("max_bytes"), ~0ULL >> 1) != -EPERM)
			_exit(5);
		if (mq_write_number(MQ_SYSCTL("max_groups"), 1))
			_exit(6);
		/* CAP_SYS_RESOURCE in here is worth nothing */
		if (create_sized(fd, "large", 1 << 20) != -EDQUOT)
			_exit(7);
		/* And new namespaces do not give more */
		for (i = 0; i < 3; i++)
			if (create_sized(fd, more[i], 1 << 18))
				_exit(8);
		if (unshare(CLONE_NEWNET))
			_exit(9);
		close(fd);
		fd = mq_open(0);
		if (create_sized(fd, "more", 1 << 18) != -EDQUOT)
			_exit(10);
		/* Only ids that exist in here can own */
		if (create_owned(fd, "x", 5, MQBUS_ANY) != -EINVAL)
			_exit(11);
		if (create_owned(fd, "x", 0, 0))
			_exit(12);
	}
	status = mq_wait(pid);
	EXPECT_EQ(0, status);
	ASSERT_EQ(0, mq_write_number(MQ_USER_MBYTES, user));
	EXPECT_EQ(64, mq_read_number(MQ_SYSCTL("max_groups")));

	/* It ended with topics: they go, and with them what Alice paid and the module's pins */
	for (i = 0; i < 500 && mq_read_number(MQ_REFCNT) != refs + 1; i++)
		mq_sleep(10 * MQ_MS);
	EXPECT_EQ(refs + 1, mq_read_number(MQ_REFCNT));
	fd = open_as(ALICE, ALICE, 0);
	ASSERT_EQ(0, mq_write_number(MQ_USER_MBYTES, 1));
	EXPECT_EQ(0, mq_create(fd, other, .partitions = 3, .size = 1 << 18));
	EXPECT_EQ(0, mq_write_number(MQ_USER_MBYTES, user));
	EXPECT_EQ(0, mq_delete(fd, other));
	close(fd);
}

/* An endpoint keeps its namespace, also when all its tasks have gone elsewhere */
TEST_F(topic, endpoint_keeps_its_namespace)
{
	char other[MQBUS_NAME_SIZE];
	int fd;

	mq_name(other, "other");
	ASSERT_EQ(0, create(self));
	ASSERT_EQ(0, unshare(CLONE_NEWNET));
	fd = mq_open(0);
	EXPECT_EQ(0, mq_used(fd));
	EXPECT_EQ(-ENOENT, mq_producer(self->name, 0));
	EXPECT_EQ(0, mq_group(self->ctl, self->name, "g"));
	EXPECT_EQ(0, mq_create(fd, other));
	EXPECT_EQ(-ENOENT, mq_delete(self->ctl, other));
	EXPECT_EQ(0, mq_delete(fd, other));
	close(fd);
}

/* Nothing is left of a topic that could not be had */
TEST_F(topic, no_memory)
{
	char path[64], text[32];
	struct mqbus_info info;
	pid_t pid;
	int fd;

	mkdir("/sys/fs/cgroup/mqbus-test", 0755);
	fd = open("/sys/fs/cgroup/cgroup.subtree_control", O_WRONLY);
	if (fd >= 0) {
		write(fd, "+memory", 7);
		close(fd);
	}
	if (mq_write_number("/sys/fs/cgroup/mqbus-test/memory.max", 16 << 20))
		SKIP(return, "no memory cgroup");
	mq_write_number("/sys/fs/cgroup/mqbus-test/memory.swap.max", 0);
	mq_fork(pid) {
		snprintf(path, sizeof(path), "/sys/fs/cgroup/mqbus-test/cgroup.procs");
		snprintf(text, sizeof(text), "%d", getpid());
		fd = open(path, O_WRONLY);
		if (write(fd, text, strlen(text)) < 0)
			_exit(1);
		/* Refused, not killed */
		if (create_sized(self->ctl, self->name, 64 << 20) != -ENOMEM)
			_exit(2);
		if (mq_info(self->ctl, &info) || info.used_bytes)
			_exit(3);
		if (create_sized(self->ctl, self->name, 1 << 20))
			_exit(4);
	}
	EXPECT_EQ(0, mq_wait(pid));
	EXPECT_EQ(0, mq_delete(self->ctl, self->name));
	EXPECT_EQ(0, rmdir("/sys/fs/cgroup/mqbus-test"));
}

TEST_HARNESS_MAIN
