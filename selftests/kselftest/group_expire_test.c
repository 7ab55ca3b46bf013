// SPDX-License-Identifier: GPL-2.0
/*
 * Groups that go with their last member, or when they have had none for some time.
 */
#include "fetch.h"
#include "topic.h"

#define EPHEMERAL	.flags = MQBUS_GROUP_F_EPHEMERAL
#define TIME		(50 * MQ_MS)

static bool is_there(FIXTURE_DATA(topic) *self)
{
	struct mqbus_seek_result r;

	return mq_seek(self->ctl, self->name, "g", MQBUS_GROUP_SEEK_F_DRY_RUN, MQBUS_ANY,
		       MQBUS_WHENCE_LATEST, 0, &r, 1) != -ENOENT;
}

/* Wait until the group is gone; false if it stays */
static bool goes(FIXTURE_DATA(topic) *self)
{
	__u64 end = mq_patience();

	while (is_there(self) && mq_clock(CLOCK_MONOTONIC) < end)
		mq_sleep(MQ_MS);
	return !is_there(self);
}

static int set_expire(FIXTURE_DATA(topic) *self, __u64 expire)
{
	return mq_group_set(self->ctl, self->name, "g", MQBUS_GROUP_SET_EXPIRE, .expire = expire);
}

TEST_F(topic, arguments_of_expiry)
{
	ASSERT_EQ(0, create(self, .size = 4096));
	EXPECT_EQ(-EINVAL, mq_group_make(self->ctl, self->name, "g", EPHEMERAL, .expire = 1));
	EXPECT_EQ(-ERANGE, mq_group_make(self->ctl, self->name, "g",
					 .expire = MQBUS_DELAY_MAX + 1));
	ASSERT_EQ(0, mq_group_make(self->ctl, self->name, "g", .expire = MQBUS_DELAY_MAX));
	EXPECT_EQ(-ERANGE, set_expire(self, MQBUS_DELAY_MAX + 1));
	EXPECT_EQ(0, set_expire(self, 0));
}

TEST_F(topic, ephemeral)
{
	int first, second;

	ASSERT_EQ(0, create(self, .size = 4096));
	ASSERT_EQ(0, mq_group_make(self->ctl, self->name, "g", EPHEMERAL));
	first = mq_member(self->name, "g", 0);
	second = mq_member(self->name, "g", 0);
	ASSERT_LE(0, first);
	ASSERT_LE(0, second);
	close(first);
	mq_sleep(TIME);
	EXPECT_TRUE(is_there(self));
	close(second);
	EXPECT_TRUE(goes(self));
	EXPECT_EQ(-ENOENT, mq_member(self->name, "g", 0));
	/* Its name is free again */
	ASSERT_EQ(0, mq_group_make(self->ctl, self->name, "g", EPHEMERAL,
				   .type = MQBUS_GROUP_QUEUE));
	close(mq_member(self->name, "g", 0));
	EXPECT_TRUE(goes(self));
}

/* Its producers go on when its last member has died */
TEST_F(topic, the_last_member_dies)
{
	volatile bool *fetched = mq_shared(MQ_PAGE);
	struct mqbus_range r;
	pid_t pid;
	int fd;

	ASSERT_EQ(0, create(self, .size = 4096));
	ASSERT_EQ(0, mq_group(self->ctl, self->name, "reads"));
	ASSERT_EQ(0, mq_group_make(self->ctl, self->name, "g", EPHEMERAL));
	fd = mq_producer(self->name, 0);
	mq_fork(pid) {
		int member = mq_member(self->name, "g", 0);

		*fetched = mq_fetch(member, &r, 1, 0, MQBUS_WAIT_FOREVER) == 1;
		pause();
	}
	ASSERT_EQ(1, mq_put(fd, "1", 1, 0));
	while (!*fetched)
		mq_sleep(MQ_MS);
	while (mq_put(fd, "1", 1, 0) == 1)
		;
	/* The other group has settled all */
	close(mq_member(self->name, "reads", 0));
	ASSERT_EQ(0, mq_group_delete(self->ctl, self->name, "reads", 0));
	EXPECT_EQ(-EAGAIN, mq_put(fd, "1", 1, 0));
	ASSERT_EQ(0, mq_group_create(self->ctl, self->name, "reads", MQBUS_WHENCE_LATEST, 0, 0600));
	EXPECT_EQ(128 + SIGKILL, mq_kill(pid));
	EXPECT_TRUE(goes(self));
	EXPECT_EQ(1, mq_put(fd, "1", 1, 0));
	close(fd);
}

/* An ephemeral group waits for members that may come back */
TEST_F(topic, grace)
{
	struct mqbus_join join = {};
	int fd;

	ASSERT_EQ(0, create(self, .size = 4096));
	ASSERT_EQ(0, mq_group_make(self->ctl, self->name, "g", EPHEMERAL,
				   .stream.grace = 5 * TIME));
	mq_set_name(join.topic, self->name);
	mq_set_name(join.group, "g");
	mq_set_name(join.member, "m");
	fd = mq_open(0);
	ASSERT_EQ(0, mq_ioctl(fd, MQBUS_IOC_JOIN, &join));
	close(fd);
	mq_sleep(TIME);
	EXPECT_TRUE(is_there(self));
	fd = mq_open(0);
	ASSERT_EQ(0, mq_ioctl(fd, MQBUS_IOC_JOIN, &join));
	mq_sleep(6 * TIME);
	EXPECT_TRUE(is_there(self));
	close(fd);
	EXPECT_TRUE(goes(self));
}

TEST_F(topic, expires)
{
	int member;

	ASSERT_EQ(0, create(self, .size = 4096));
	/* Also when nobody ever came */
	ASSERT_EQ(0, mq_group_make(self->ctl, self->name, "g", .expire = TIME));
	EXPECT_TRUE(goes(self));
	ASSERT_EQ(0, mq_group_make(self->ctl, self->name, "g", .expire = TIME));
	member = mq_member(self->name, "g", 0);
	mq_sleep(3 * TIME);
	EXPECT_TRUE(is_there(self));
	close(member);
	EXPECT_TRUE(goes(self));
	/* A group that had been made to stay goes once it is to */
	ASSERT_EQ(0, mq_group(self->ctl, self->name, "g"));
	mq_sleep(TIME);
	EXPECT_EQ(0, set_expire(self, TIME / 2));
	EXPECT_TRUE(goes(self));
	/* One that was to go stays */
	ASSERT_EQ(0, mq_group_make(self->ctl, self->name, "g", EPHEMERAL));
	EXPECT_EQ(0, set_expire(self, 0));
	close(mq_member(self->name, "g", 0));
	mq_sleep(3 * TIME);
	EXPECT_TRUE(is_there(self));
}

/* Members come, groups are made anew and changed while they expire */
TEST_F(topic, expires_while_it_is_used)
{
	unsigned int i, made = 0, joined = 0;
	pid_t pids[2];

	ASSERT_EQ(0, create(self, .size = 4096));
	mq_fork(pids[0])
		for (;;)
			mq_group_make(self->ctl, self->name, "g", .expire = 1);
	mq_fork(pids[1])
		for (;;)
			mq_group_set(self->ctl, self->name, "g",
				     MQBUS_GROUP_SET_PAUSED | MQBUS_GROUP_SET_EXPIRE, .expire = 1);
	for (i = 0; i < 2000 / mq_slow(); i++) {
		int fd = mq_member(self->name, "g", 0);

		if (fd >= 0) {
			joined++;
			/* It stays as long as somebody is there */
			EXPECT_TRUE(is_there(self));
			close(fd);
		}
		made += mq_group_make(self->ctl, self->name, "g", EPHEMERAL) == 0;
	}
	TH_LOG("made %u times here, joined %u times", made, joined);
	EXPECT_EQ(128 + SIGKILL, mq_kill(pids[0]));
	EXPECT_EQ(128 + SIGKILL, mq_kill(pids[1]));
}

/* A topic is deleted, and its groups with it, while they expire */
TEST_F(topic, deleted_while_it_expires)
{
	unsigned int i;

	for (i = 0; i < 200 / mq_slow(); i++) {
		ASSERT_EQ(0, create(self, .size = 4096));
		ASSERT_EQ(0, mq_group_make(self->ctl, self->name, "g", .expire = 1));
		ASSERT_EQ(0, mq_group_make(self->ctl, self->name, "h", EPHEMERAL));
		close(mq_member(self->name, "h", 0));
		mq_sleep(i * 20000 % (2 * MQ_MS));
		ASSERT_EQ(0, mq_delete(self->ctl, self->name));
	}
}

TEST_HARNESS_MAIN
