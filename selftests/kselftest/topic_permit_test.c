// SPDX-License-Identifier: GPL-2.0
/*
 * Rights on topics and groups: modes, owners, capabilities.
 */
#include "topic.h"

TEST_F(topic, mode_decides)
{
	static const struct {
		__u32 mode;
		uid_t uid;
		gid_t gid, extra;
		bool read, write, hold;
	} t[] = {
		{ 0600, ALICE, ALICE, 0, true, true, true },
		{ 0600, BOB, BOB, 0, false, false },
		{ 0400, ALICE, ALICE, 0, true, false, true },
		{ 0200, ALICE, ALICE, 0, false, true },
		{ 0000, ALICE, ALICE, 0, false, false },
		{ 0060, BOB, STAFF, 0, true, true },
		{ 0060, BOB, BOB, STAFF, true, true },
		{ 0040, BOB, BOB, STAFF, true, false },
		{ 0020, BOB, BOB, STAFF, false, true },
		{ 0050, BOB, BOB, STAFF, true, false, true },
		{ 0005, BOB, BOB, 0, true, false, true },
		{ 0705, BOB, STAFF, 0, false, false },
		{ 0001, BOB, BOB, 0, false, false },
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
		EXPECT_EQ(t[i].hold ? 0 : -EACCES, mq_group(fd, self->name, "mine"))
			TH_LOG("case %u", i);
		EXPECT_EQ(t[i].read ? 0 : -EACCES,
			  mq_group_make(fd, self->name, "looks", .flags = MQBUS_GROUP_F_OBSERVER))
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

	ASSERT_EQ(0, create(self, .uid = BOB, .mode = 0777));
	ASSERT_EQ(0, mq_group_create(alice, self->name, "private", 0, 0, 0600));
	ASSERT_EQ(0, mq_group_create(alice, self->name, "seen", 0, 0, 0644));
	ASSERT_EQ(0, mq_group_create(alice, self->name, "open", 0, 0, 0662));
	EXPECT_EQ(-EACCES, mq_bind_member(bob, self->name, "private"));
	EXPECT_EQ(-EACCES, mq_bind_member(bob, self->name, "seen"));
	EXPECT_EQ(0, mq_bind_member(bob, self->name, "open"));
	EXPECT_EQ(0, mq_bind_member(root, self->name, "private"));
	close(root);

	/* The group's owner, the topic's owner and root may seek and delete it */
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

/* Rights are those of the file's opener, whoever uses it */
TEST_F(topic, opener_counts)
{
	int alice = open_as(ALICE, ALICE, 0), fd;
	pid_t pid;

	ASSERT_EQ(0, create(self, .mode = 0600));
	/* Root uses a file that Alice opened */
	EXPECT_EQ(-EACCES, mq_bind_producer(alice, self->name));
	EXPECT_EQ(-EPERM, mq_delete(alice, self->name));
	close(alice);
	/* Bob uses a file that root opened */
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
		/* A file opened before keeps its rights */
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
