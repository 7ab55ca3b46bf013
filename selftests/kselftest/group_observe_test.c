// SPDX-License-Identifier: GPL-2.0
/*
 * Who may create groups that hold records, and observers, which hold none.
 */
#include "fetch.h"
#include "topic.h"

/* Of 72 bytes, so that 56 fit into a ring of 4 KiB */
enum { FITS = 56 };

#define OBSERVER	.flags = MQBUS_GROUP_F_OBSERVER

static int group_as(FIXTURE_DATA(topic) *self, uid_t uid, const char *group, __u32 flags)
{
	int fd = open_as(uid, uid, 0);
	int err = mq_group_make(fd, self->name, group, .flags = flags);

	close(fd);
	return err;
}

TEST_F(topic, holding_is_a_right)
{
	struct mqbus_group_create queue = { .type = MQBUS_GROUP_QUEUE, .mode = 0600 };
	int alice = open_as(ALICE, ALICE, 0);

	ASSERT_EQ(0, create(self, .size = 4096, .mode = 0644));
	EXPECT_EQ(-EACCES, group_as(self, ALICE, "holds", 0));
	EXPECT_EQ(-EACCES, mq_group_create_args(alice, self->name, "queue", &queue));
	EXPECT_EQ(0, group_as(self, ALICE, "looks", MQBUS_GROUP_F_OBSERVER));
	/* Observing needs r, and x alone is not enough to hold */
	ASSERT_EQ(0, set(self, MQBUS_TOPIC_SET_MODE, .mode = 0611));
	EXPECT_EQ(-EACCES, group_as(self, ALICE, "more", MQBUS_GROUP_F_OBSERVER));
	EXPECT_EQ(-EACCES, group_as(self, ALICE, "holds", 0));
	ASSERT_EQ(0, set(self, MQBUS_TOPIC_SET_MODE, .mode = 0755));
	EXPECT_EQ(0, group_as(self, ALICE, "holds", 0));
	EXPECT_EQ(0, mq_group_create_args(alice, self->name, "queue", &queue));
	/* The owner needs no bit for it, but r, as ever */
	ASSERT_EQ(0, set(self, MQBUS_TOPIC_SET_MODE | MQBUS_TOPIC_SET_UID, .mode = 0400,
			 .uid = ALICE));
	EXPECT_EQ(0, group_as(self, ALICE, "own", 0));
	EXPECT_EQ(-EACCES, group_as(self, BOB, "others", 0));
	EXPECT_EQ(-EINVAL, set(self, MQBUS_TOPIC_SET_MODE, .mode = 01755));
	close(alice);
}

/* A topic that evicts waits for no group, so each may hold what it can */
TEST_F(topic, evicting_needs_no_right)
{
	ASSERT_EQ(0, create(self, .size = 4096, .mode = 0644, .full = MQBUS_FULL_EVICT));
	EXPECT_EQ(0, group_as(self, ALICE, "g", 0));
}

TEST_F(topic, arguments_of_observers)
{
	struct mqbus_geometry geo;
	int member;

	ASSERT_EQ(0, create(self, .size = 4096));
	EXPECT_EQ(-EOPNOTSUPP, mq_group_make(self->ctl, self->name, "g", OBSERVER,
					     .type = MQBUS_GROUP_QUEUE));
	EXPECT_EQ(-EOPNOTSUPP, mq_group_make(self->ctl, self->name, "g", .flags = 1U << 2));
	ASSERT_EQ(0, mq_group_make(self->ctl, self->name, "g", OBSERVER));
	ASSERT_EQ(0, mq_group(self->ctl, self->name, "holds"));
	/* Its members have to read as on a topic that evicts */
	member = mq_member(self->name, "g", 0);
	ASSERT_EQ(0, mq_geometry(member, 0, &geo));
	EXPECT_EQ(MQBUS_FULL_EVICT, geo.full);
	close(member);
	member = mq_member(self->name, "holds", 0);
	ASSERT_EQ(0, mq_geometry(member, 0, &geo));
	EXPECT_EQ(MQBUS_FULL_BLOCK, geo.full);
	close(member);
}

/* Producers do not wait for an observer, which learns what it lost */
TEST_F(topic, an_observer_holds_nothing)
{
	int holder, looker, fd;
	struct mqbus_range r;

	ASSERT_EQ(0, create(self, .size = 4096, .full = MQBUS_FULL_REJECT));
	ASSERT_EQ(0, mq_group(self->ctl, self->name, "holds"));
	ASSERT_EQ(0, mq_group_make(self->ctl, self->name, "looks", OBSERVER));
	fd = mq_producer(self->name, 0);
	holder = mq_member(self->name, "holds", 0);
	looker = mq_member(self->name, "looks", O_NONBLOCK);
	put_numbers(fd, 0, FITS);
	EXPECT_EQ(-ENOBUFS, mq_put(fd, "12345678", 8, 0));
	ASSERT_EQ(1, mq_fetch(looker, &r, 1, 0, 0));
	EXPECT_EQ(0, r.begin_offset);
	EXPECT_EQ(FITS, r.end_offset);
	EXPECT_EQ(0, r.lost);
	/* It has them, and has committed none */
	ASSERT_EQ(1, mq_fetch(holder, &r, 1, 0, 0));
	ASSERT_EQ(0, mq_commit_fetched(holder));
	put_numbers(fd, FITS, 2 * FITS);
	EXPECT_EQ(-ENOBUFS, mq_put(fd, "12345678", 8, 0));
	ASSERT_EQ(1, mq_fetch(holder, &r, 1, 0, 0));
	ASSERT_EQ(0, mq_commit_fetched(holder));
	put_numbers(fd, 2 * FITS, 3 * FITS);
	ASSERT_EQ(1, mq_fetch(looker, &r, 1, 0, 0));
	EXPECT_EQ(2 * FITS, r.begin_offset);
	EXPECT_EQ(3 * FITS, r.end_offset);
	EXPECT_EQ(FITS, r.lost);
	/* A commit of records that are gone is one of the last record before them */
	EXPECT_EQ(0, mq_commit(looker, 0, 2 * FITS + 1));
	close(looker);
	looker = mq_member(self->name, "looks", O_NONBLOCK);
	EXPECT_EQ(2 * FITS + 1, read_number(looker));
	/* A seek puts no floor there either */
	ASSERT_EQ(1, mq_seek(self->ctl, self->name, "looks", MQBUS_GROUP_SEEK_F_FORCE, MQBUS_ANY,
			     MQBUS_WHENCE_EARLIEST, 0, NULL, 0));
	ASSERT_EQ(1, mq_fetch(holder, &r, 1, 0, 0));
	ASSERT_EQ(0, mq_commit_fetched(holder));
	put_numbers(fd, 3 * FITS, 4 * FITS);
	close(looker);
	close(holder);
	close(fd);
}

/* Alone, it does not make a topic drop what no group has read */
TEST_F(topic, an_observer_alone_drops_nothing)
{
	int looker, fd;
	struct mqbus_range r;

	ASSERT_EQ(0, create(self, .size = 4096, .full = MQBUS_FULL_REJECT));
	ASSERT_EQ(0, mq_group_make(self->ctl, self->name, "looks", OBSERVER));
	fd = mq_producer(self->name, 0);
	looker = mq_member(self->name, "looks", 0);
	put_numbers(fd, 0, FITS);
	ASSERT_EQ(1, mq_fetch(looker, &r, 1, 0, 0));
	ASSERT_EQ(0, mq_commit_fetched(looker));
	EXPECT_EQ(-ENOBUFS, mq_put(fd, "12345678", 8, 0));
	/* For a group that comes later they are all there */
	ASSERT_EQ(0, mq_group(self->ctl, self->name, "holds"));
	close(looker);
	looker = mq_member(self->name, "holds", 0);
	EXPECT_EQ(0, read_number(looker));
	close(looker);
	close(fd);
}

/* A record overwritten while an observer reads it is not read, and counts as lost */
TEST_F(topic, overwritten_while_it_is_read)
{
	int holder, looker, fd;
	struct mqbus_range r;
	__s64 v, last = -1;
	pid_t pid;

	ASSERT_EQ(0, create(self, .size = 4096));
	ASSERT_EQ(0, mq_group(self->ctl, self->name, "holds"));
	ASSERT_EQ(0, mq_group_make(self->ctl, self->name, "looks", OBSERVER));
	fd = mq_producer(self->name, O_NONBLOCK);
	looker = mq_member(self->name, "looks", O_NONBLOCK);
	mq_fork(pid) {
		holder = mq_member(self->name, "holds", 0);
		while (mq_fetch(holder, &r, 1, MQBUS_FETCH_F_COMMIT, MQBUS_WAIT_FOREVER) == 1)
			;
	}
	for (__s64 i = 0; i < 20000 / mq_slow(); ) {
		i += mq_put(fd, &i, sizeof(i), 0) == 1;
		if (i % 7)
			continue;
		v = read_number(looker);
		if (v == -EAGAIN)
			continue;
		ASSERT_LT(last, v);
		last = v;
	}
	EXPECT_EQ(128 + SIGKILL, mq_kill(pid));
	close(looker);
	close(fd);
}

TEST_F(topic, owner_and_mode_of_a_group)
{
	int alice = open_as(ALICE, ALICE, 0), bob = open_as(BOB, BOB, 0), fd;

	ASSERT_EQ(0, create(self, .size = 4096, .mode = 0755));
	ASSERT_EQ(0, mq_group(alice, self->name, "g"));
	fd = mq_open(0);
	EXPECT_EQ(-EACCES, mq_bind_member(bob, self->name, "g"));
	EXPECT_EQ(-EPERM, mq_group_set(bob, self->name, "g", MQBUS_GROUP_SET_MODE, .mode = 0666));
	EXPECT_EQ(-EINVAL, mq_group_set(alice, self->name, "g", MQBUS_GROUP_SET_MODE,
					.mode = 0777));
	EXPECT_EQ(-EINVAL, mq_group_set(alice, self->name, "g", MQBUS_GROUP_SET_MODE,
					.mode = 0666, .__reserved2 = 1));
	EXPECT_EQ(0, mq_group_set(alice, self->name, "g", MQBUS_GROUP_SET_MODE, .mode = 0666));
	EXPECT_EQ(0, mq_bind_member(bob, self->name, "g"));
	close(bob);
	/* Nobody gives a group away without a capability, nor takes another's; all or nothing */
	EXPECT_EQ(-EPERM, mq_group_set(alice, self->name, "g",
				       MQBUS_GROUP_SET_UID | MQBUS_GROUP_SET_MODE, .uid = BOB));
	bob = open_as(BOB, BOB, 0);
	EXPECT_EQ(0, mq_bind_member(bob, self->name, "g"));
	close(bob);
	bob = open_as(BOB, BOB, 0);
	EXPECT_EQ(0, mq_group_set(self->ctl, self->name, "g",
				  MQBUS_GROUP_SET_UID | MQBUS_GROUP_SET_GID | MQBUS_GROUP_SET_MODE,
				  .uid = BOB, .gid = BOB, .mode = 0600));
	EXPECT_EQ(-EPERM, mq_group_delete(alice, self->name, "g", 0));
	EXPECT_EQ(0, mq_group_delete(bob, self->name, "g", 0));
	close(alice);
	close(bob);
	close(fd);
}

TEST_HARNESS_MAIN
