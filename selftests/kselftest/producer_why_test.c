// SPDX-License-Identifier: GPL-2.0
/*
 * What a producer's records are refused for, as its endpoint tells.
 */
#include "publish.h"

static int why(int fd)
{
	struct mqbus_geometry geo;
	int err;

	/* What an earlier call has filled does no harm */
	memset(&geo, 0xff, sizeof(geo));
	geo.flags = 0;
	geo.partition = 0;
	err = mq_ioctl(fd, MQBUS_IOC_GEOMETRY, &geo);
	return err ?: (int)geo.why;
}

TEST_F(publish, full)
{
	pid_t pid;

	begin(self, .size = 4096);
	EXPECT_EQ(MQBUS_WHY_NONE, why(self->reader.fd));
	EXPECT_EQ(MQBUS_WHY_NONE, why(self->fd));
	while (mq_put(self->fd, "12345678", 8, 0) == 1)
		;
	EXPECT_EQ(MQBUS_WHY_FULL, why(self->fd));
	EXPECT_EQ(-ETIMEDOUT, mq_put(self->fd, "12345678", 8, MQ_MS));
	EXPECT_EQ(MQBUS_WHY_FULL, why(self->fd));
	close(self->fd);
	/* While it waits others may ask */
	self->fd = mq_producer(self->topic, 0);
	EXPECT_EQ(MQBUS_WHY_NONE, why(self->fd));
	mq_fork(pid)
		_exit(mq_put(self->fd, "12345678", 8, MQ_LONG) != 1);
	ASSERT_TRUE(mq_wait_asleep(pid, SYS_ioctl));
	EXPECT_EQ(MQBUS_WHY_FULL, why(self->fd));
	mq_drain(&self->reader);
	EXPECT_EQ(0, mq_wait(pid));
}

TEST_F(publish, full_that_rejects)
{
	begin(self, .size = 4096, .full = MQBUS_FULL_REJECT);
	while (mq_put(self->fd, "12345678", 8, 0) == 1)
		;
	EXPECT_EQ(-ENOBUFS, mq_put(self->fd, "12345678", 8, MQ_MS));
	EXPECT_EQ(MQBUS_WHY_FULL, why(self->fd));
}

/* Room that is for one that came before */
TEST_F(publish, turn)
{
	static char large[1900];
	int fd, i;
	pid_t pid;

	begin(self, .size = 4096, .max_record = sizeof(large));
	for (i = 0; i < 50; i++)
		ASSERT_EQ(1, mq_put(self->fd, "12345678", 8, 0));
	fd = mq_producer(self->topic, 0);
	mq_fork(pid)
		_exit(mq_put(fd, large, sizeof(large), MQ_LONG) != 1);
	ASSERT_TRUE(mq_wait_asleep(pid, SYS_ioctl));
	EXPECT_EQ(-EAGAIN, mq_put(self->fd, "12345678", 8, 0));
	EXPECT_EQ(MQBUS_WHY_TURN, why(self->fd));
	EXPECT_EQ(MQBUS_WHY_FULL, why(fd));
	/* For a record as large there is no room */
	EXPECT_EQ(-EAGAIN, mq_put(self->fd, large, sizeof(large), 0));
	EXPECT_EQ(MQBUS_WHY_FULL, why(self->fd));
	mq_drain(&self->reader);
	EXPECT_EQ(0, mq_wait(pid));
	close(fd);
}

/* Room that it has itself waited for by poll() is no turn of others */
TEST_F(publish, turn_of_its_own)
{
	struct pollfd p = { .events = POLLOUT };

	begin(self, .size = 4096);
	while (mq_put(self->fd, "12345678", 8, 0) == 1)
		;
	p.fd = self->fd;
	EXPECT_EQ(0, poll(&p, 1, 0));
	mq_drain(&self->reader);
	EXPECT_EQ(MQBUS_WHY_FULL, why(self->fd));
	EXPECT_EQ(1, poll(&p, 1, 0));
	EXPECT_EQ(1, mq_put(self->fd, "12345678", 8, 0));
}

TEST_F(publish, limits)
{
	begin(self, .size = 4096, .rate_bytes = 1, .burst = 72 * MQ_SEC);
	ASSERT_EQ(1, mq_put(self->fd, "12345678", 8, 0));
	EXPECT_EQ(-EAGAIN, mq_put(self->fd, "12345678", 8, 0));
	EXPECT_EQ(MQBUS_WHY_RATE, why(self->fd));
	ASSERT_EQ(0, mq_topic_set(self->ctl, self->topic, MQBUS_TOPIC_SET_OVER |
				  MQBUS_TOPIC_SET_RATE_BYTES | MQBUS_TOPIC_SET_SHARE,
				  .over = MQBUS_OVER_REJECT, .share = 10));
	while (mq_put(self->fd, "12345678", 8, 0) == 1)
		;
	EXPECT_EQ(-EXFULL, mq_put(self->fd, "12345678", 8, 0));
	EXPECT_EQ(MQBUS_WHY_SHARE, why(self->fd));
}

TEST_HARNESS_MAIN
