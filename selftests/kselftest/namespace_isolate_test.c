// SPDX-License-Identifier: GPL-2.0
/*
 * Network namespaces: the bus of a container, and the remains of a namespace that was left.
 */
#include "container.h"
#include "topic.h"

/* A container's root: all capabilities inside, none on the machine */
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
	ASSERT_EQ(refs + 1, wait_refs(refs + 1));
	ASSERT_EQ(0, mq_write_number(MQ_USER_MBYTES, 1));
	mq_fork(pid) {
		if (become_container(ALICE))
			_exit(1);
		fd = mq_open(0);
		/* Names are its own */
		if (mq_used(fd) || mq_bind_producer(fd, self->name) != -ENOENT)
			_exit(2);
		/* An endpoint opened outside stays outside */
		if (mq_create(self->ctl, self->name) != -EEXIST)
			_exit(3);
		if (create_sized(fd, self->name, 4096) || create_sized(fd, other, 4096))
			_exit(4);
		/* The machine's limits hold: lower yes, higher no */
		if (mq_write_number(MQ_SYSCTL("max_groups"), 65) != -EPERM ||
		    mq_write_number(MQ_SYSCTL("max_bytes"), ~0ULL >> 1) != -EPERM)
			_exit(5);
		if (mq_write_number(MQ_SYSCTL("max_groups"), 1))
			_exit(6);
		/* CAP_SYS_RESOURCE inside does not help */
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
		/* Only ids that exist inside can own */
		if (create_owned(fd, "x", 5, MQBUS_ANY) != -EINVAL)
			_exit(11);
		if (create_owned(fd, "x", 0, 0))
			_exit(12);
	}
	status = mq_wait(pid);
	EXPECT_EQ(0, status);
	ASSERT_EQ(0, mq_write_number(MQ_USER_MBYTES, user));
	EXPECT_EQ(64, mq_read_number(MQ_SYSCTL("max_groups")));

	/*
	 * It ended with topics: they are deleted, and with them Alice's charge and the module's
	 * references
	 */
	EXPECT_EQ(refs + 1, wait_refs(refs + 1));
	fd = open_as(ALICE, ALICE, 0);
	ASSERT_EQ(0, mq_write_number(MQ_USER_MBYTES, 1));
	EXPECT_EQ(0, mq_create(fd, other, .partitions = 3, .size = 1 << 18));
	EXPECT_EQ(0, mq_write_number(MQ_USER_MBYTES, user));
	EXPECT_EQ(0, mq_delete(fd, other));
	close(fd);
}

/* Map ids of a child's new user namespace, which sees whether it has them. @map: as of uid_map. */
static void map_ids(pid_t pid, const char *map)
{
	char path[64];
	int i;

	for (i = 0; i < 2; i++) {
		snprintf(path, sizeof(path), "/proc/%d/%cid_map", pid, "ug"[i]);
		write_text(path, map);
	}
}

/*
 * In a user namespace that @maker makes, with as many uids, and one in it, create topics by one
 * uid after the other, each in a network namespace of its own. Return: how many were created
 * before EDQUOT, or 100 and the step that failed.
 */
static int fill_by_many(uid_t maker, const char *map, int uids)
{
	volatile int *step = mq_shared(MQ_PAGE);
	int fd, n = 0, err = 0;
	pid_t pid;

	mq_fork(pid) {
		if (maker && (mq_become(maker, maker) || prctl(PR_SET_DUMPABLE, 1)))
			_exit(101);
		if (unshare(CLONE_NEWUSER))
			_exit(102);
		*step = 1;
		while (*step != 2)
			mq_sleep(MQ_MS);
		if (setgroups(0, NULL) || setresgid(0, 0, 0) || setresuid(0, 0, 0))
			_exit(103);
		for (; n < 8 && !err; n++) {
			/* One more level for the rest */
			if (n == uids && (prctl(PR_SET_DUMPABLE, 1) ||
					  unshare(CLONE_NEWUSER) || map_root(0, 0)))
				_exit(104);
			if (unshare(CLONE_NEWNET))
				_exit(105);
			fd = n < uids ? open_as(n, n, 0) : mq_open(0);
			if (fd < 0)
				_exit(106);
			err = create_sized(fd, "t", 1 << 17);
		}
		_exit(err == -EDQUOT ? n - 1 : 107);
	}
	while (*step != 1)
		mq_sleep(MQ_MS);
	map_ids(pid, map);
	*step = 2;
	return mq_wait(pid);
}

/* A user with subordinate uids and many namespaces is one user, and so is a container */
TEST_F(topic, subordinate_uids_pay_together)
{
	long long refs = mq_read_number(MQ_REFCNT), user = mq_read_number(MQ_USER_MBYTES);
	char other[MQBUS_NAME_SIZE], map[32];
	struct mqbus_info info;
	int fd;

	ASSERT_EQ(0, mq_write_number(MQ_USER_MBYTES, 1));
	fd = open_as(ALICE, ALICE, 0);
	mq_name(other, "other");
	ASSERT_EQ(0, create_sized(fd, other, 1 << 17));
	EXPECT_EQ(6, fill_by_many(ALICE, "0 200000 1000\n", 4));
	/* Hers again when they are gone */
	EXPECT_EQ(refs + 2, wait_refs(refs + 2));
	ASSERT_EQ(0, mq_info(fd, &info));
	EXPECT_GT(1 << 18, info.used_user_bytes);
	/* As setuid programs do for her */
	snprintf(map, sizeof(map), "0 %d 1\n", ALICE);
	EXPECT_EQ(6, fill_by_many(0, map, 1));
	EXPECT_EQ(refs + 2, wait_refs(refs + 2));
	/* What root has itself is not the container's */
	ASSERT_EQ(0, create_sized(self->ctl, self->name, 1 << 19));
	EXPECT_EQ(7, fill_by_many(0, "0 300000 1000\n", 4));
	EXPECT_EQ(refs + 3, wait_refs(refs + 3));
	EXPECT_EQ(0, mq_delete(fd, other));
	EXPECT_EQ(0, mq_write_number(MQ_USER_MBYTES, user));
	close(fd);
}

/* An endpoint keeps its namespace, also when all its tasks have left it */
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

TEST_HARNESS_MAIN
