// SPDX-License-Identifier: GPL-2.0
/*
 * Topics that are changed while they are in use.
 */
#include "producer.h"
#include "queue.h"
#include "starve.h"
#include "topic.h"

/* The same by another endpoint */
#define set_by(self, fd, _fields, ...)						\
	mq_topic_set(fd, (self)->name, _fields, ##__VA_ARGS__)

static int may_write(FIXTURE_DATA(topic) *self, uid_t uid, gid_t gid)
{
	int fd = open_as(uid, gid, 0), err = mq_bind_producer(fd, self->name);

	close(fd);
	return err;
}

TEST_F(topic, arguments_of_changes)
{
	EXPECT_EQ(-ENOENT, set(self, MQBUS_TOPIC_SET_MODE));
	ASSERT_EQ(0, create(self));
	EXPECT_EQ(-EEXIST, create(self));
	EXPECT_EQ(-EINVAL, set(self, 0));
	EXPECT_EQ(-EOPNOTSUPP, set(self, MQBUS_TOPIC_SET_MODE | 1U << 13));
	EXPECT_EQ(-EOPNOTSUPP, set(self, 1U << 31));
	EXPECT_EQ(-EOPNOTSUPP, mq_create(self->ctl, self->name, .flags = 3, .fields = 1));
	EXPECT_EQ(-EILSEQ, mq_create(self->ctl, "-", .flags = 1, .fields = 1));
	EXPECT_EQ(-EINVAL, set(self, MQBUS_TOPIC_SET_MODE, .mode = 01666));
	EXPECT_EQ(-EINVAL, set(self, MQBUS_TOPIC_SET_FULL, .full = 3));
	EXPECT_EQ(-EINVAL, set(self, MQBUS_TOPIC_SET_OVER, .over = 2));
	EXPECT_EQ(-ERANGE, set(self, MQBUS_TOPIC_SET_SHARE, .share = 101));
	EXPECT_EQ(-ERANGE, set(self, MQBUS_TOPIC_SET_RATE, .rate = MQBUS_RATE_MAX + 1));
	EXPECT_EQ(-ERANGE, set(self, MQBUS_TOPIC_SET_USER_RATE_BYTES, .user_rate_bytes = ~0ULL));
	EXPECT_EQ(-ERANGE, set(self, MQBUS_TOPIC_SET_BURST, .burst = MQBUS_DELAY_MAX + 1));
	EXPECT_EQ(-EOPNOTSUPP, set(self, MQBUS_TOPIC_SET_FULL, .full = MQBUS_FULL_EVICT));
	/* Fields that are not named are ignored, whatever their value */
	EXPECT_EQ(0, set(self, MQBUS_TOPIC_SET_RETENTION, .partitions = ~0U, .size = 3,
			 .full = 99, .mode = 07777, .share = 500, .rate = ~0ULL, .over = 7,
			 .burst = ~0ULL, .max_record = ~0U));
	EXPECT_EQ(-EACCES, may_write(self, ALICE, ALICE));
	/* All or nothing */
	EXPECT_EQ(-ERANGE, set(self, MQBUS_TOPIC_SET_MODE | MQBUS_TOPIC_SET_SHARE,
			       .mode = 0666, .share = 101));
	EXPECT_EQ(-EOPNOTSUPP, set(self, MQBUS_TOPIC_SET_MODE | MQBUS_TOPIC_SET_FULL,
				   .mode = 0666, .full = MQBUS_FULL_EVICT));
	EXPECT_EQ(-EACCES, may_write(self, ALICE, ALICE));
}

TEST_F(topic, set_the_mode)
{
	int alice;

	ASSERT_EQ(0, create(self));
	EXPECT_EQ(-EACCES, may_write(self, ALICE, ALICE));
	ASSERT_EQ(0, set(self, MQBUS_TOPIC_SET_MODE, .mode = 0602));
	EXPECT_EQ(0, may_write(self, ALICE, ALICE));
	alice = open_as(ALICE, ALICE, 0);
	ASSERT_EQ(0, mq_bind_producer(alice, self->name));
	ASSERT_EQ(0, set(self, MQBUS_TOPIC_SET_MODE, .mode = 0));
	EXPECT_EQ(-EACCES, may_write(self, ALICE, ALICE));
	/* An open endpoint keeps its rights */
	EXPECT_EQ(1, mq_put(alice, "x", 1, 0));
	close(alice);
}

TEST_F(topic, set_the_owner)
{
	int alice, bob = open_as(BOB, BOB, 0), fd;
	pid_t pid;

	ASSERT_EQ(0, create(self));
	alice = open_as(ALICE, ALICE, 0);
	EXPECT_EQ(-EPERM, set_by(self, alice, MQBUS_TOPIC_SET_MODE, .mode = 0666));
	ASSERT_EQ(0, set(self, MQBUS_TOPIC_SET_UID, .uid = ALICE));
	EXPECT_EQ(0, may_write(self, ALICE, ALICE));
	EXPECT_EQ(0, set_by(self, alice, MQBUS_TOPIC_SET_MODE, .mode = 0620));
	EXPECT_EQ(-EPERM, set_by(self, bob, MQBUS_TOPIC_SET_MODE, .mode = 0666));
	/* To give it away, or to another group, takes a capability */
	EXPECT_EQ(-EPERM, set_by(self, alice, MQBUS_TOPIC_SET_UID, .uid = BOB));
	EXPECT_EQ(-EPERM, set_by(self, alice, MQBUS_TOPIC_SET_GID, .gid = STAFF));
	EXPECT_EQ(0, set_by(self, alice, MQBUS_TOPIC_SET_UID, .uid = ALICE));
	EXPECT_EQ(-EACCES, may_write(self, BOB, STAFF));
	ASSERT_EQ(0, set(self, MQBUS_TOPIC_SET_GID, .gid = STAFF));
	EXPECT_EQ(0, may_write(self, BOB, STAFF));
	/* The uid stayed, and may delete */
	mq_fork(pid) {
		drop_capability(CAP_CHOWN);
		fd = mq_open(0);
		/* The caller itself is a new owner, too */
		_exit(-set_by(self, fd, MQBUS_TOPIC_SET_UID));
	}
	EXPECT_EQ(EPERM, mq_wait(pid));
	EXPECT_EQ(0, mq_delete(alice, self->name));
	close(alice);
	close(bob);
}

TEST_F(topic, set_what_full_means)
{
	static char block[1000];
	int fd, n = 0;
	pid_t pid;

	ASSERT_EQ(0, create(self, .size = 4096));
	fd = mq_producer(self->name, 0);
	while (mq_put(fd, block, sizeof(block), 0) == 1)
		n++;
	EXPECT_EQ(3, n);
	mq_fork(pid)
		_exit(-mq_put(fd, block, sizeof(block), MQBUS_WAIT_FOREVER));
	ASSERT_TRUE(mq_wait_asleep(pid, SYS_ioctl));
	ASSERT_EQ(0, set(self, MQBUS_TOPIC_SET_FULL, .full = MQBUS_FULL_REJECT));
	EXPECT_EQ(ENOBUFS, mq_wait(pid));
	EXPECT_EQ(-ENOBUFS, mq_put(fd, block, sizeof(block), MQBUS_WAIT_FOREVER));
	ASSERT_EQ(0, set(self, MQBUS_TOPIC_SET_FULL, .full = MQBUS_FULL_BLOCK));
	EXPECT_EQ(-EAGAIN, mq_put(fd, block, sizeof(block), 0));
	close(fd);
	mq_delete(self->ctl, self->name);

	ASSERT_EQ(0, create(self, .full = MQBUS_FULL_EVICT));
	EXPECT_EQ(0, set(self, MQBUS_TOPIC_SET_FULL, .full = MQBUS_FULL_EVICT));
	EXPECT_EQ(-EOPNOTSUPP, set(self, MQBUS_TOPIC_SET_FULL, .full = MQBUS_FULL_BLOCK));
	EXPECT_EQ(-EOPNOTSUPP, set(self, MQBUS_TOPIC_SET_SHARE, .share = 1));
	EXPECT_EQ(0, set(self, MQBUS_TOPIC_SET_SHARE));
}

#define MANY	1024

/* A change of a topic waits for a seek of its group, and no other call waits for that */
TEST_F(topic, nobody_waits_for_who_sets)
{
	volatile unsigned int *seeks = mq_shared(MQ_PAGE);
	struct passer passer = { .ctl = self->ctl };
	pid_t mover, setter;
	int free;

	if (starve_not())
		SKIP(return, "%s", starve_not());
	ASSERT_EQ(0, create(self, .partitions = MANY, .size = 4096));
	ASSERT_EQ(0, mq_queue(self->ctl, self->name, "g", NULL));
	/* Looks for records that it has, in each partition, with the topic's lock */
	mq_fork(mover)
		for (starve();; ++*seeks)
			mq_seek(self->ctl, self->name, "g", 0, MQBUS_ANY, MQBUS_WHENCE_EARLIEST,
				0, NULL, 0);
	mq_fork(setter)
		for (;;)
			set(self, MQBUS_TOPIC_SET_MODE, .mode = 0600);
	mq_name(passer.topic, "other");
	free = starve_rounds(seeks, come_and_go, &passer);
	EXPECT_LE(STARVE_FREE, free);
	TH_LOG("free in %d rounds; moved %u times", free, *seeks);
	EXPECT_EQ(128 + SIGKILL, mq_kill(setter));
	EXPECT_EQ(128 + SIGKILL, mq_kill(mover));
}

static void set_share(void *arg)
{
	FIXTURE_DATA(topic) *self = arg;

	set(self, MQBUS_TOPIC_SET_SHARE, .share = 1);
}

/* Whether one uid may not store two records that nobody has read */
static bool has_share(FIXTURE_DATA(topic) *self)
{
	int fd = mq_producer(self->name, 0), ret;

	mq_put_in(fd, 0, "x", 1);
	ret = mq_put_in(fd, 0, "x", 1);
	close(fd);
	return ret != 1;
}

/* A first share that is killed while it waits is there and charged for, or neither */
TEST_F_TIMEOUT(topic, killed_on_the_way, 240)
{
	struct mq_cut cut = { .took = mq_shared(MQ_PAGE) };
	unsigned int killed = 0;
	pid_t mover;
	__u64 used;

	/* Keeps the topic's lock */
	mq_fork(mover)
		for (;;)
			mq_seek(self->ctl, self->name, "g", 0, MQBUS_ANY, MQBUS_WHENCE_EARLIEST,
				0, NULL, 0);
	/*
	 * Who waits for a mutex spins, and hears no signal, while its holder runs; this process
	 * wakes up beside the setter, which sleeps then
	 */
	starve_place();
	while (cut.tries < 240 && !killed) {
		bool counts;

		/* The mover had it a moment ago */
		ASSERT_EQ(0, mq_left(self->ctl));
		ASSERT_EQ(0, create(self, .partitions = MANY, .size = 4096));
		ASSERT_EQ(0, mq_group(self->ctl, self->name, "g"));
		used = mq_used(self->ctl);
		mq_cut(&cut, set_share, self);
		counts = used < mq_used(self->ctl);
		EXPECT_EQ(has_share(self), counts);
		killed += !counts;
		ASSERT_EQ(0, mq_delete(self->ctl, self->name));
	}
	EXPECT_EQ(128 + SIGKILL, mq_kill(mover));
	TH_LOG("%u of %u were killed on the way; it takes %llu us", killed, cut.tries,
	       cut.whole / 1000);
	EXPECT_LT(0, killed);
}

TEST_HARNESS_MAIN
