// SPDX-License-Identifier: GPL-2.0
/*
 * Paused groups of both types hand out no records.
 */
#include "assign.h"
#include "queue.h"

TEST_F(queue, paused)
{
	struct worker *w = self->worker;
	struct mqbus_leased l[4];
	pid_t pid[2];
	int i;

	begin_dlq(self, .max_attempts = 2, .backoff_min = MQ_MS, .backoff_max = MQ_MS);
	join(self, 1);
	put_numbers(self->fd, 0, 6);
	ASSERT_EQ(4, take(w[0].fd, l, 4, 0));
	ASSERT_EQ(0, mq_pause(self->ctl, self->topic, "g", 1));
	EXPECT_FALSE(readable(w[0].fd));
	EXPECT_EQ(-EAGAIN, take(w[0].fd, &l[3], 1, 0));
	EXPECT_EQ(-ETIMEDOUT, take(w[1].fd, &l[3], 1, 2 * MQ_MS));
	/* Settlements, retries and dead letters go on */
	EXPECT_EQ(0, ack(&w[0], &l[0]));
	EXPECT_EQ(0, nack(&w[0], &l[1]));
	EXPECT_EQ(0, reject(&w[0], &l[2]));
	EXPECT_EQ(1, FIGURE(self, DEAD_LETTERED));
	for (i = 0; i < 2; i++)
		mq_fork(pid[i]) {
			if (i)
				_exit(read_number(w[1].fd) < 0);
			_exit(take(w[0].fd, l, 1, MQBUS_WAIT_FOREVER) != 1);
		}
	ASSERT_TRUE(mq_wait_asleep(pid[0], SYS_ioctl));
	ASSERT_TRUE(mq_wait_asleep(pid[1], SYS_read));
	put_numbers(self->fd, 6, 7);
	ASSERT_TRUE(mq_wait_asleep(pid[0], SYS_ioctl));
	ASSERT_TRUE(mq_wait_asleep(pid[1], SYS_read));
	/* All that can go on do, not only the first */
	ASSERT_EQ(0, mq_pause(self->ctl, self->topic, "g", 0));
	EXPECT_EQ(0, mq_wait(pid[0]));
	EXPECT_EQ(0, mq_wait(pid[1]));
	/* A change of other options does not resume it */
	ASSERT_EQ(0, mq_pause(self->ctl, self->topic, "g", 1));
	ASSERT_EQ(0, mq_set(self->ctl, self->topic, "g", MQBUS_GROUP_SET_CREDIT, NULL,
			    .credit = 50));
	EXPECT_EQ(-EAGAIN, take(w[0].fd, &l[3], 1, 0));
}

TEST_F(assign, paused)
{
	struct mqbus_range r[MQBUS_FETCH_MAX];
	int a, b;
	pid_t pid[2];
	char v[8];

	begin_stream(self);
	put_all(self->fd);
	a = member(self);
	ASSERT_EQ(0xf, fetch_bits(a, 0, NULL));
	put_all(self->fd);
	EXPECT_EQ(-EINVAL, mq_pause(self->ctl, self->topic, "g", 2));
	EXPECT_EQ(POLLIN, mq_revents(a, POLLIN));
	ASSERT_EQ(0, mq_pause(self->ctl, self->topic, "g", 1));
	EXPECT_EQ(0, mq_revents(a, POLLIN));
	EXPECT_EQ(-EAGAIN, fetch_bits(a, 0, NULL));
	EXPECT_EQ(0, mq_commit(a, 0, 1));
	/* Partitions are still assigned and revoked */
	b = member(self);
	EXPECT_EQ(POLLIN | POLLPRI, mq_revents(a, POLLIN | POLLPRI));
	EXPECT_EQ(0x800, fetch_bits(a, 0, NULL) & 0x800);
	EXPECT_EQ(0, mq_commit_fetched(a));
	EXPECT_EQ(-EAGAIN, fetch_bits(a, 0, NULL));
	EXPECT_EQ(-EAGAIN, fetch_bits(b, 0, NULL));
	mq_fork(pid[0])
		_exit(mq_fetch(a, r, MQBUS_FETCH_MAX, 0, MQBUS_WAIT_FOREVER) != 2);
	mq_fork(pid[1])
		_exit(read(b, v, 8) != 8);
	ASSERT_TRUE(mq_wait_asleep(pid[0], SYS_ioctl));
	ASSERT_TRUE(mq_wait_asleep(pid[1], SYS_read));
	put_all(self->fd);
	ASSERT_TRUE(mq_wait_asleep(pid[0], SYS_ioctl));
	ASSERT_EQ(0, mq_pause(self->ctl, self->topic, "g", 0));
	EXPECT_EQ(0, mq_wait(pid[0]));
	EXPECT_EQ(0, mq_wait(pid[1]));
	close(a);
	close(b);
}

TEST_HARNESS_MAIN
