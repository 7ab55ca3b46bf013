// SPDX-License-Identifier: GPL-2.0
/*
 * Topics and groups as objects: names, permissions, and their end.
 */
#include "topic.h"

TEST_F(topic, names_are_taken_once)
{
	int i;

	EXPECT_EQ(-ENOENT, mq_delete(self->ctl, self->name));
	for (i = 0; i < 3; i++) {
		EXPECT_EQ(0, create(self));
		EXPECT_EQ(-EEXIST, create(self));
		EXPECT_EQ(-EEXIST, create(self, .size = 8192));
		EXPECT_EQ(0, mq_delete(self->ctl, self->name));
		EXPECT_EQ(-ENOENT, mq_delete(self->ctl, self->name));
	}
	EXPECT_EQ(-ENOENT, mq_producer(self->name, 0));
	EXPECT_EQ(-ENOENT, mq_member(self->name, "g", 0));
	EXPECT_EQ(-ENOENT, mq_group(self->ctl, self->name, "g"));
	EXPECT_EQ(-ENOENT, mq_group_delete(self->ctl, self->name, "g", 0));
	EXPECT_EQ(0, create(self));
	EXPECT_EQ(-ENOENT, mq_member(self->name, "g", 0));
	EXPECT_EQ(-ENOENT, mq_group_delete(self->ctl, self->name, "g", 0));
}

/* Everybody who sleeps for it, in every way, learns of its end */
TEST_F(topic, deletion_wakes_all)
{
	static const long calls[] = { SYS_ioctl, SYS_write, SYS_poll, SYS_ioctl, SYS_read,
				      SYS_poll, SYS_ioctl };
	static char block[4000];
	struct mqbus_range range;
	int producer, member, standby;
	pid_t pid[7];
	int i;

	ASSERT_EQ(0, create(self, .size = 8192, .max_record = 4000));
	ASSERT_EQ(0, mq_group(self->ctl, self->name, "full"));
	/* The partition is full for "full"; the other group is done with it */
	producer = mq_producer(self->name, O_NONBLOCK);
	while (mq_put(producer, block, 4000, 0) == 1)
		;
	ASSERT_EQ(0, mq_group_create(self->ctl, self->name, "g", MQBUS_WHENCE_LATEST, 0, 0600));
	member = mq_member(self->name, "g", 0);
	standby = mq_member(self->name, "g", 0);
	for (i = 0; i < 7; i++)
		mq_fork(pid[i]) {
			struct pollfd p = { .fd = i < 3 ? producer : member,
					    .events = POLLIN | POLLOUT };

			if (i < 2)
				producer = mq_producer(self->name, 0);
			switch (i) {
			case 0:
				_exit(-mq_put(producer, block, 4000, MQBUS_WAIT_FOREVER));
			case 1:
				_exit(write(producer, block, 4000) < 0 ? errno : 0);
			case 3:
				_exit(-mq_fetch(member, &range, 1, 0, MQBUS_WAIT_FOREVER));
			case 4:
				_exit(read(member, block, 8) < 0 ? errno : 0);
			case 6:
				_exit(-mq_fetch(standby, &range, 1, 0, MQBUS_WAIT_FOREVER));
			}
			syscall(SYS_poll, &p, 1, -1);
			_exit(p.revents);
		}
	for (i = 0; i < 7; i++)
		ASSERT_TRUE(mq_wait_asleep(pid[i], calls[i])) TH_LOG("sleeper %d", i);
	EXPECT_EQ(0, mq_delete(self->ctl, self->name));
	for (i = 0; i < 7; i++) {
		EXPECT_EQ(i == 2 ? POLLHUP | POLLOUT : i == 5 ? POLLHUP | POLLIN : EIDRM,
			  mq_wait(pid[i])) TH_LOG("sleeper %d", i);
	}

	/* The name can be taken again; the old endpoints do not follow it */
	EXPECT_EQ(0, create(self));
	EXPECT_EQ(-EIDRM, mq_put(producer, "x", 1, 0));
	EXPECT_EQ(-EIDRM, mq_fetch(member, &range, 1, 0, 0));
	EXPECT_EQ(-EIDRM, mq_commit_fetched(member));
	EXPECT_EQ(-EBADFD, mq_bind_producer(producer, self->name));
	close(producer);
	close(member);
	close(standby);
}

TEST_F(topic, memory_stays_for_those_bound)
{
	__u64 used;
	int fd;

	ASSERT_EQ(0, create(self));
	used = mq_used(self->ctl);
	EXPECT_LT(65536, used);
	fd = mq_producer(self->name, 0);
	ASSERT_EQ(0, mq_delete(self->ctl, self->name));
	EXPECT_EQ(used, mq_used(self->ctl));
	close(fd);
	EXPECT_EQ(0, mq_left(self->ctl));
}

TEST_F(topic, mode_decides)
{
	static const struct {
		__u32 mode;
		uid_t uid;
		gid_t gid, extra;
		bool read, write;
	} t[] = {
		{ 0600, ALICE, ALICE, 0, true, true },
		{ 0600, BOB, BOB, 0, false, false },
		{ 0400, ALICE, ALICE, 0, true, false },
		{ 0200, ALICE, ALICE, 0, false, true },
		{ 0000, ALICE, ALICE, 0, false, false },
		{ 0060, BOB, STAFF, 0, true, true },
		{ 0060, BOB, BOB, STAFF, true, true },
		{ 0040, BOB, BOB, STAFF, true, false },
		{ 0020, BOB, BOB, STAFF, false, true },
		{ 0060, BOB, BOB, BOB, false, false },
		{ 0006, BOB, BOB, 0, true, true },
		{ 0004, BOB, BOB, 0, true, false },
		{ 0002, BOB, BOB, 0, false, true },
		/* The first class that fits decides, as for files */
		{ 0066, ALICE, ALICE, 0, false, false },
		{ 0066, ALICE, STAFF, 0, false, false },
		{ 0606, BOB, STAFF, 0, false, false },
		{ 0606, BOB, BOB, STAFF, false, false },
	};
	unsigned int i;

	for (i = 0; i < sizeof(t) / sizeof(*t); i++) {
		int fd = open_as(t[i].uid, t[i].gid, t[i].extra);

		ASSERT_LE(0, fd);
		ASSERT_EQ(0, create(self, .uid = ALICE, .gid = STAFF, .mode = t[i].mode));
		ASSERT_EQ(0, mq_group_create(self->ctl, self->name, "all", 0, 0, 0666));
		EXPECT_EQ(t[i].read ? 0 : -EACCES, mq_group(fd, self->name, "mine"))
			TH_LOG("case %u", i);
		EXPECT_EQ(t[i].write ? 0 : -EACCES, mq_bind_producer(fd, self->name))
			TH_LOG("case %u", i);
		close(fd);
		fd = open_as(t[i].uid, t[i].gid, t[i].extra);
		EXPECT_EQ(t[i].read ? 0 : -EACCES, mq_bind_member(fd, self->name, "all"))
			TH_LOG("case %u", i);
		close(fd);
		ASSERT_EQ(0, mq_delete(self->ctl, self->name));
	}
}

TEST_F(topic, groups_have_modes_too)
{
	int alice = open_as(ALICE, ALICE, 0), bob = open_as(BOB, BOB, 0);
	int root = open_as(0, 0, 0);

	ASSERT_EQ(0, create(self, .uid = BOB, .mode = 0666));
	ASSERT_EQ(0, mq_group_create(alice, self->name, "private", 0, 0, 0600));
	ASSERT_EQ(0, mq_group_create(alice, self->name, "seen", 0, 0, 0644));
	ASSERT_EQ(0, mq_group_create(alice, self->name, "open", 0, 0, 0662));
	EXPECT_EQ(-EACCES, mq_bind_member(bob, self->name, "private"));
	EXPECT_EQ(-EACCES, mq_bind_member(bob, self->name, "seen"));
	EXPECT_EQ(0, mq_bind_member(bob, self->name, "open"));
	EXPECT_EQ(0, mq_bind_member(root, self->name, "private"));
	close(root);

	/* Its owner, the topic's owner and root may move and delete it */
	EXPECT_EQ(1, mq_seek(alice, self->name, "seen", 0, 0, 0, 0, NULL, 0));
	EXPECT_EQ(1, mq_seek(bob, self->name, "seen", 0, 0, 0, 0, NULL, 0));
	EXPECT_EQ(1, mq_seek(self->ctl, self->name, "seen", 0, 0, 0, 0, NULL, 0));
	close(bob);
	bob = open_as(BOB + 1, BOB, 0);
	EXPECT_EQ(-EPERM, mq_seek(bob, self->name, "seen", 0, 0, 0, 0, NULL, 0));
	EXPECT_EQ(-EPERM, mq_seek(bob, self->name, "seen", MQBUS_GROUP_SEEK_F_DRY_RUN, 0, 0, 0,
				  NULL, 0));
	EXPECT_EQ(-EPERM, mq_group_delete(bob, self->name, "seen", 0));
	EXPECT_EQ(0, mq_group_delete(alice, self->name, "seen", 0));
	close(bob);
	bob = open_as(BOB, BOB, 0);
	EXPECT_EQ(0, mq_group_delete(bob, self->name, "private", 0));
	close(alice);
	close(bob);
}

TEST_F(topic, owner_deletes)
{
	int alice = open_as(ALICE, ALICE, 0), bob = open_as(BOB, BOB, 0);

	ASSERT_EQ(0, mq_create(alice, self->name, .mode = 0666));
	EXPECT_EQ(-EPERM, mq_delete(bob, self->name));
	EXPECT_EQ(0, mq_delete(alice, self->name));
	ASSERT_EQ(0, mq_create(alice, self->name, .mode = 0));
	EXPECT_EQ(0, mq_delete(self->ctl, self->name));
	close(alice);
	close(bob);
}

/* Rights are those of who opened the file, whoever calls with it */
TEST_F(topic, opener_counts)
{
	int alice = open_as(ALICE, ALICE, 0), fd;
	pid_t pid;

	ASSERT_EQ(0, create(self, .mode = 0600));
	/* Root calls with what Alice opened */
	EXPECT_EQ(-EACCES, mq_bind_producer(alice, self->name));
	EXPECT_EQ(-EPERM, mq_delete(alice, self->name));
	close(alice);
	/* Bob calls with what root opened */
	fd = mq_open(0);
	mq_fork(pid) {
		if (mq_become(BOB, BOB))
			_exit(1);
		if (mq_producer(self->name, 0) != -EACCES)
			_exit(2);
		if (mq_bind_producer(fd, self->name))
			_exit(3);
		_exit(mq_delete(self->ctl, self->name) ? 4 : 0);
	}
	EXPECT_EQ(0, mq_wait(pid));
	close(fd);
}

TEST_F(topic, capabilities)
{
	pid_t pid;

	ASSERT_EQ(0, create(self, .uid = ALICE, .gid = ALICE, .mode = 0));
	mq_fork(pid) {
		int fd;

		if (drop_capability(CAP_DAC_OVERRIDE))
			_exit(1);
		fd = mq_open(0);
		if (mq_bind_producer(fd, self->name) != -EACCES ||
		    mq_delete(fd, self->name) != -EPERM)
			_exit(2);
		/* What was opened before has it still */
		_exit(mq_group(self->ctl, self->name, "g") ? 3 : 0);
	}
	EXPECT_EQ(0, mq_wait(pid));
	mq_fork(pid) {
		char name[MQBUS_NAME_SIZE];
		int fd;

		mq_name(name, "given");
		if (drop_capability(CAP_CHOWN))
			_exit(1);
		fd = mq_open(0);
		if (create_owned(fd, name, ALICE, MQBUS_ANY) != -EPERM ||
		    create_owned(fd, name, MQBUS_ANY, ALICE) != -EPERM)
			_exit(2);
		if (create_owned(fd, name, 0, 0) || mq_delete(fd, name))
			_exit(3);
	}
	EXPECT_EQ(0, mq_wait(pid));
	EXPECT_EQ(0, mq_delete(self->ctl, self->name));
	EXPECT_EQ(0, create(self, .uid = ALICE, .gid = BOB));
}

TEST_HARNESS_MAIN
