// SPDX-License-Identifier: GPL-2.0
/*
 * Limits of memory, and who is charged.
 */
#include "topic.h"

#define MQ_ALL_MBYTES	"/sys/module/mqbus/parameters/max_mbytes"

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
	/* The ring page is charged, too */
	EXPECT_EQ(-EDQUOT, mq_create(alice, self->name, .size = 1 << 20));
	EXPECT_EQ(-EDQUOT, mq_create(alice, self->name, .partitions = 4, .size = 1 << 18));
	EXPECT_EQ(0, mq_used(self->ctl));
	EXPECT_EQ(0, mq_create(alice, self->name, .partitions = 3, .size = 1 << 18,
			       .mode = 0666));
	EXPECT_EQ(-EDQUOT, mq_create(alice, other, .size = 1 << 18));
	/* Each uid has its own limit, and root is above it */
	EXPECT_EQ(0, mq_create(bob, other, .size = 1 << 19));
	EXPECT_EQ(0, mq_delete(bob, other));
	EXPECT_EQ(0, mq_create(self->ctl, other, .size = 4 << 20));
	EXPECT_EQ(0, mq_delete(self->ctl, other));
	/* Released memory can be used again */
	EXPECT_EQ(0, mq_delete(alice, self->name));
	EXPECT_EQ(0, mq_create(alice, self->name, .size = 1 << 19));
	EXPECT_EQ(0, mq_delete(alice, self->name));
	EXPECT_EQ(0, mq_write_number(MQ_USER_MBYTES, before));
	close(alice);
	close(bob);
}

static int producer_by(uid_t uid, const char *topic)
{
	int fd = open_as(uid, uid, 0), err = mq_bind_producer(fd, topic);

	if (err)
		close(fd);
	return err ?: fd;
}

/* Producers, and what they keep for the next record, are charged to their opener */
TEST_F(topic, producers_are_charged)
{
	enum { MANY = 200, BYTES = 16000 };
	long long before = mq_read_number(MQ_USER_MBYTES);
	static char value[BYTES];
	__u64 used, one;
	int fds[MANY], n;

	ASSERT_EQ(0, create(self, .size = 1 << 22, .mode = 0666));
	used = mq_used(self->ctl);
	fds[0] = producer_by(ALICE, self->name);
	ASSERT_LE(0, fds[0]);
	one = mq_used(self->ctl) - used;
	EXPECT_LT(4096, one);
	EXPECT_EQ(1, mq_put(fds[0], value, BYTES, 0));
	EXPECT_LE(used + one + BYTES, mq_used(self->ctl));
	ASSERT_EQ(0, mq_write_number(MQ_USER_MBYTES, 1));
	for (n = 1; n < MANY && (fds[n] = producer_by(ALICE, self->name)) >= 0; n++)
		EXPECT_EQ(1, mq_put(fds[n], value, BYTES, 0));
	ASSERT_GT(MANY, n);
	EXPECT_EQ(-EDQUOT, fds[n]);
	EXPECT_GE(used + (1 << 20), mq_used(self->ctl));
	EXPECT_EQ(0, mq_write_number(MQ_USER_MBYTES, before));
	while (n--)
		close(fds[n]);
	EXPECT_EQ(used, mq_used(self->ctl));
}

/* Groups are charged to their creator */
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

/* Also where the limit is the creator's and not the topic owner's */
TEST_F(topic, group_over_the_limit_of_a_uid)
{
	struct mqbus_group_create args = {
		.type = MQBUS_GROUP_QUEUE, .queue.max_inflight = MQBUS_INFLIGHT_MAX,
	};
	long long before = mq_read_number(MQ_USER_MBYTES);
	int alice = open_as(ALICE, ALICE, 0);
	__u64 used;

	ASSERT_EQ(0, create(self, .size = 4096, .mode = 0755));
	used = mq_used(self->ctl);
	ASSERT_EQ(0, mq_write_number(MQ_USER_MBYTES, 1));
	mq_set_name(args.topic, self->name);
	mq_set_name(args.group, "g");
	EXPECT_EQ(-EDQUOT, mq_ioctl(alice, MQBUS_IOC_GROUP_CREATE, &args));
	EXPECT_EQ(used, mq_used(self->ctl));
	args.queue.max_inflight = 1;
	EXPECT_EQ(0, mq_ioctl(alice, MQBUS_IOC_GROUP_CREATE, &args));
	EXPECT_EQ(0, mq_write_number(MQ_USER_MBYTES, before));
	close(alice);
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
	/* The machine's limit binds root, who sets it, too */
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

/* What nobody else may use, of what the machine allows, is left for CAP_SYS_RESOURCE */
TEST_F(topic, limit_of_the_machine)
{
	long long before = mq_read_number(MQ_ALL_MBYTES);
	int alice = open_as(ALICE, ALICE, 0), fd;
	char other[MQBUS_NAME_SIZE], third[MQBUS_NAME_SIZE];
	struct mqbus_info info;

	mq_name(other, "other");
	mq_name(third, "third");
	ASSERT_EQ(0, mq_info(self->ctl, &info));
	ASSERT_EQ(0, info.used_machine_bytes);
	ASSERT_EQ(0, mq_write_number(MQ_ALL_MBYTES, 1));
	ASSERT_EQ(0, mq_info(self->ctl, &info));
	EXPECT_EQ(1 << 20, info.max_machine_bytes);
	EXPECT_EQ(0, mq_create(alice, self->name, .partitions = 3, .size = 1 << 18, .mode = 0777));
	EXPECT_EQ(0, mq_create(alice, other, .size = 1 << 17));
	EXPECT_EQ(0, mq_create(self->ctl, third, .size = 1 << 15));
	/* Whatever the namespace that is charged */
	ASSERT_EQ(0, unshare(CLONE_NEWNET));
	fd = open_as(BOB, BOB, 0);
	EXPECT_EQ(-ENOSPC, mq_create(fd, self->name, .size = 1 << 15));
	close(fd);
	fd = mq_open(0);
	EXPECT_EQ(0, mq_create(fd, self->name, .size = 1 << 15));
	EXPECT_EQ(-ENOSPC, mq_create(fd, other, .size = 1 << 15));
	EXPECT_EQ(0, mq_delete(fd, self->name));
	close(fd);
	EXPECT_EQ(0, mq_delete(alice, self->name));
	EXPECT_EQ(0, mq_delete(alice, other));
	EXPECT_EQ(0, mq_delete(self->ctl, third));
	EXPECT_EQ(0, mq_write_number(MQ_ALL_MBYTES, before));
	close(alice);
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
		/* A lower limit is always allowed */
		if (mq_write_number(MQ_SYSCTL("max_groups"), 63))
			_exit(3);
		/* And it cannot be raised again */
		if (mq_write_number(MQ_SYSCTL("max_groups"), 64) != -EPERM)
			_exit(4);
	}
	EXPECT_EQ(0, mq_wait(pid));
	EXPECT_EQ(63, mq_read_number(MQ_SYSCTL("max_groups")));
	EXPECT_EQ(0, mq_write_number(MQ_SYSCTL("max_groups"), 64));
}

TEST_HARNESS_MAIN
