// SPDX-License-Identifier: GPL-2.0
/*
 * A full topic, and publishers that wait for room.
 */
#include "publish.h"

/* Fill a partition with records of a size until one is refused. */
static unsigned int fill(int fd, unsigned int len)
{
	static char block[64 << 10];
	unsigned int n = 0;

	while (mq_put(fd, block, len, 0) == 1)
		n++;
	return n;
}

TEST_F(publish, block_with_a_timeout)
{
	struct mqbus_msg msgs[200];
	__u64 begun;
	int i, n, error;

	begin(self, .size = 4096);
	for (i = 0; i < 200; i++)
		msgs[i] = mq_msg("0123456789", 10);
	/* Records that fit are stored at once; the others wait */
	begun = mq_clock(CLOCK_MONOTONIC);
	n = mq_publish(self->fd, msgs, 200, NULL, 30 * MQ_MS, &error);
	EXPECT_EQ(4096 / 80, n);
	EXPECT_EQ(ETIMEDOUT, error);
	EXPECT_LE(30 * MQ_MS, mq_clock(CLOCK_MONOTONIC) - begun);
	EXPECT_EQ(-EAGAIN, mq_publish(self->fd, msgs, 1, NULL, 0, &error));
	EXPECT_EQ(-ETIMEDOUT, mq_publish(self->fd, msgs, 1, NULL, MQ_MS, &error));
	/* Nothing was dropped */
	for (i = 0; i < n; i++)
		EXPECT_EQ(i, next(self)->offset);
	EXPECT_EQ(NULL, next(self));
	EXPECT_EQ(n, mq_publish(self->fd, msgs, 200, NULL, 0, &error));
	EXPECT_EQ(EAGAIN, error);
}

TEST_F(publish, block_until_a_commit)
{
	struct mqbus_range range;
	pid_t pid;

	begin(self, .size = 4096);
	fill(self->fd, 100);
	ASSERT_EQ(1, mq_fetch(self->reader.fd, &range, 1, 0, 0));
	mq_fork(pid)
		_exit(mq_put(self->fd, "x", 1, MQBUS_WAIT_FOREVER) != 1);
	ASSERT_TRUE(mq_wait_asleep(pid, SYS_ioctl));
	/* Fetched is not settled */
	mq_sleep(5 * MQ_MS);
	EXPECT_EQ(0, waitpid(pid, NULL, WNOHANG));
	EXPECT_EQ(0, mq_commit(self->reader.fd, 0, 1));
	EXPECT_EQ(0, mq_wait(pid));
}

static void on_signal(int sig)
{
}

static int blocked_put(int fd, __u64 timeout, int sa_flags)
{
	struct sigaction sa = { .sa_handler = on_signal, .sa_flags = sa_flags };
	int ret;

	sigaction(SIGUSR1, &sa, NULL);
	ret = mq_put(fd, "0123456789", 10, timeout);
	return ret < 0 ? -ret : 200 + ret;
}

TEST_F(publish, signals_while_blocked)
{
	struct mqbus_msg msgs[2] = { mq_msg("x", 1), mq_msg("y", 1) };
	pid_t pid;

	begin(self, .size = 4096);
	fill(self->fd, 10);

	mq_fork(pid)
		_exit(blocked_put(self->fd, 2 * MQ_LONG, 0));
	ASSERT_TRUE(mq_wait_asleep(pid, SYS_ioctl));
	kill(pid, SIGUSR1);
	EXPECT_EQ(EINTR, mq_wait(pid));

	/* With a timeout it is not restarted, as that would take longer */
	mq_fork(pid)
		_exit(blocked_put(self->fd, MQ_LONG, SA_RESTART));
	ASSERT_TRUE(mq_wait_asleep(pid, SYS_ioctl));
	kill(pid, SIGUSR1);
	EXPECT_EQ(EINTR, mq_wait(pid));

	mq_fork(pid)
		_exit(blocked_put(self->fd, MQBUS_WAIT_FOREVER, 0));
	ASSERT_TRUE(mq_wait_asleep(pid, SYS_ioctl));
	kill(pid, SIGUSR1);
	EXPECT_EQ(EINTR, mq_wait(pid));

	/* Without a timeout it goes on waiting */
	mq_fork(pid)
		_exit(blocked_put(self->fd, MQBUS_WAIT_FOREVER, SA_RESTART));
	ASSERT_TRUE(mq_wait_asleep(pid, SYS_ioctl));
	kill(pid, SIGUSR1);
	mq_sleep(5 * MQ_MS);
	ASSERT_TRUE(mq_wait_asleep(pid, SYS_ioctl));
	mq_drain(&self->reader);
	EXPECT_EQ(201, mq_wait(pid));

	fill(self->fd, 10);
	mq_fork(pid)
		mq_put(self->fd, "0123456789", 10, MQBUS_WAIT_FOREVER);
	ASSERT_TRUE(mq_wait_asleep(pid, SYS_ioctl));
	EXPECT_EQ(128 + SIGKILL, mq_kill(pid));
	mq_fork(pid)
		write(self->fd, "0123456789", 10);
	ASSERT_TRUE(mq_wait_asleep(pid, SYS_write));
	EXPECT_EQ(128 + SIGKILL, mq_kill(pid));
	/* The group held no records */
	mq_drain(&self->reader);
	EXPECT_EQ(2, mq_publish(self->fd, msgs, 2, NULL, 0, NULL));
}

/* Records stored before the signal count */
TEST_F(publish, signal_in_a_batch)
{
	struct sigaction sa = { .sa_handler = on_signal };
	struct mqbus_msg msgs[100];
	int i, error;
	pid_t pid;

	begin(self, .size = 4096);
	for (i = 0; i < 100; i++)
		msgs[i] = mq_msg("0123456789", 10);
	mq_fork(pid) {
		sigaction(SIGUSR1, &sa, NULL);
		i = mq_publish(self->fd, msgs, 100, NULL, MQBUS_WAIT_FOREVER, &error);
		_exit(error == EINTR ? i : 0);
	}
	ASSERT_TRUE(mq_wait_asleep(pid, SYS_ioctl));
	kill(pid, SIGUSR1);
	EXPECT_EQ(4096 / 80, mq_wait(pid));
	for (i = 0; i < 4096 / 80; i++)
		EXPECT_NE(NULL, next(self));
	EXPECT_EQ(NULL, next(self));
}

TEST_F(publish, reject)
{
	struct mqbus_msg msgs[100];
	int i, n, error;

	begin(self, .size = 4096, .full = MQBUS_FULL_REJECT);
	for (i = 0; i < 100; i++)
		msgs[i] = mq_msg("0123456789", 10);
	n = mq_publish(self->fd, msgs, 100, NULL, MQBUS_WAIT_FOREVER, &error);
	EXPECT_EQ(4096 / 80, n);
	EXPECT_EQ(ENOBUFS, error);
	EXPECT_EQ(-ENOBUFS, mq_publish(self->fd, msgs, 1, NULL, MQBUS_WAIT_FOREVER, &error));
	EXPECT_EQ(-1, write(self->fd, "0123456789", 10));
	EXPECT_EQ(ENOBUFS, errno);
	for (i = 0; i < n; i++)
		EXPECT_EQ(i, next(self)->offset);
	EXPECT_EQ(NULL, next(self));
	EXPECT_EQ(1, mq_publish(self->fd, msgs, 1, NULL, 0, &error));
}

TEST_F(publish, evict_takes_the_oldest)
{
	struct mqbus_place place;
	struct mqbus_msg msg;
	__u64 i, v;

	begin(self, .size = 4096, .full = MQBUS_FULL_EVICT);
	for (i = 0; i < 500; i++) {
		msg = mq_msg(&i, sizeof(i));
		ASSERT_EQ(1, mq_publish(self->fd, &msg, 1, &place, 0, NULL));
		EXPECT_EQ(i, place.offset);
	}
	/* 72 bytes each: the last 56 are kept, the others reported as lost */
	for (i = 500 - 56; i < 500; i++) {
		const struct mqbus_record *rec = next(self);

		ASSERT_NE(NULL, rec);
		memcpy(&v, mq_value(rec), sizeof(v));
		EXPECT_EQ(i, v);
		EXPECT_EQ(i, rec->offset);
	}
	EXPECT_EQ(500 - 56, self->reader.lost);
	EXPECT_EQ(500 - 56, self->reader.map[0].page->head_offset);
	EXPECT_EQ(500 - 56, self->reader.map[0].page->head_begun);
	EXPECT_EQ(500, self->reader.map[0].page->next_offset);
	EXPECT_EQ(500 * 72, self->reader.map[0].page->tail);
	/* The largest record evicts as many as it needs */
	EXPECT_EQ(1, mq_put(self->fd, &self->reader.map, 1024, 0));
	EXPECT_EQ(1024, next(self)->value_len);
}

TEST_F(publish, topic_without_groups_keeps_everything)
{
	static const __u32 policies[] = { MQBUS_FULL_BLOCK, MQBUS_FULL_REJECT };
	char topic[MQBUS_NAME_SIZE];
	unsigned int i, p, n;
	int fd;

	for (p = 0; p < 2; p++) {
		mq_name(topic, "nogroup");
		ASSERT_EQ(0, mq_create(self->ctl, topic, .size = 4096, .full = policies[p]));
		fd = mq_producer(topic, 0);
		n = fill(fd, 10);
		EXPECT_EQ(4096 / 80, n);
		EXPECT_EQ(p ? -ENOBUFS : -EAGAIN, mq_put(fd, "0123456789", 10, 0));
		ASSERT_EQ(0, mq_group(self->ctl, topic, "late"));
		ASSERT_EQ(0, mq_reader_open(&self->reader, topic, "late"));
		for (i = 0; i < n; i++)
			EXPECT_EQ(i, mq_next(&self->reader, 0)->offset);
		mq_reader_close(&self->reader);
		self->reader.parts = 0;
		self->reader.fd = -1;
		close(fd);
		mq_delete(self->ctl, topic);
	}
}

/* A group that begins at the end has settled all before it: so there is room */
TEST_F(publish, first_group_at_the_end_wakes_writers)
{
	pid_t pid;

	ASSERT_EQ(0, mq_create(self->ctl, self->topic, .size = 4096));
	self->fd = mq_producer(self->topic, 0);
	fill(self->fd, 10);
	mq_fork(pid)
		_exit(mq_put(self->fd, "0123456789", 10, MQBUS_WAIT_FOREVER) != 1);
	ASSERT_TRUE(mq_wait_asleep(pid, SYS_ioctl));
	ASSERT_EQ(0, mq_group_create(self->ctl, self->topic, "g", MQBUS_WHENCE_LATEST, 0, 0600));
	EXPECT_EQ(0, mq_wait(pid));
}

/* The slowest group holds the log; without it, the next slowest */
TEST_F(publish, slowest_group_counts)
{
	pid_t pid;

	begin(self, .size = 4096);
	ASSERT_EQ(0, mq_group(self->ctl, self->topic, "slow"));
	fill(self->fd, 10);
	mq_drain(&self->reader);
	EXPECT_EQ(-EAGAIN, mq_put(self->fd, "0123456789", 10, 0));
	mq_fork(pid)
		_exit(mq_put(self->fd, "0123456789", 10, MQBUS_WAIT_FOREVER) != 1);
	ASSERT_TRUE(mq_wait_asleep(pid, SYS_ioctl));
	EXPECT_EQ(0, mq_group_delete(self->ctl, self->topic, "slow", 0));
	EXPECT_EQ(0, mq_wait(pid));

	/* A seek to the end counts as a commit */
	mq_drain(&self->reader);
	ASSERT_EQ(0, mq_group(self->ctl, self->topic, "slow"));
	fill(self->fd, 10);
	mq_drain(&self->reader);
	mq_fork(pid)
		_exit(mq_put(self->fd, "0123456789", 10, MQBUS_WAIT_FOREVER) != 1);
	ASSERT_TRUE(mq_wait_asleep(pid, SYS_ioctl));
	EXPECT_EQ(1, mq_seek(self->ctl, self->topic, "slow", 0, MQBUS_ANY, MQBUS_WHENCE_LATEST,
			     0, NULL, 0));
	EXPECT_EQ(0, mq_wait(pid));
}

TEST_F(publish, batch_larger_than_the_ring)
{
	static struct mqbus_msg msgs[MQBUS_BATCH_MAX];
	static struct mqbus_place places[MQBUS_BATCH_MAX];
	static __u64 values[MQBUS_BATCH_MAX];
	unsigned int i;
	int error;
	pid_t pid;

	begin(self, .size = 4096);
	for (i = 0; i < MQBUS_BATCH_MAX; i++) {
		values[i] = i * 0x0123456789abcdefULL;
		msgs[i] = mq_msg(&values[i], sizeof(values[i]));
	}
	mq_fork(pid) {
		if (mq_publish(self->fd, msgs, MQBUS_BATCH_MAX, places,
			       MQBUS_WAIT_FOREVER, &error) !=
		    MQBUS_BATCH_MAX || error)
			_exit(1);
		for (i = 0; i < MQBUS_BATCH_MAX; i++)
			if (places[i].offset != i || places[i].partition)
				_exit(2);
	}
	for (i = 0; i < MQBUS_BATCH_MAX; i++) {
		const struct mqbus_record *rec = mq_next(&self->reader, MQ_LONG);
		__u64 v;

		ASSERT_NE(NULL, rec);
		memcpy(&v, mq_value(rec), sizeof(v));
		ASSERT_EQ(values[i], v);
		ASSERT_EQ(i, rec->offset);
	}
	EXPECT_EQ(0, mq_wait(pid));
	EXPECT_EQ(NULL, next(self));
}

TEST_HARNESS_MAIN
