// SPDX-License-Identifier: GPL-2.0
/*
 * Members of queue groups: turns, waiting, and what wakes.
 */
#include "queue.h"

TEST_F(queue, waits)
{
	struct worker *w = self->worker;
	struct mqbus_leased l;
	__u64 begun, ns;
	pid_t pid;
	int fd;

	begin(self);
	for (ns = 1; ns < 100000; ns *= 3)
		EXPECT_EQ(-ETIMEDOUT, take(w->fd, &l, 1, ns));
	begun = mq_clock(CLOCK_MONOTONIC);
	EXPECT_EQ(-ETIMEDOUT, take(w->fd, &l, 1, 20 * MQ_MS));
	EXPECT_LE(20 * MQ_MS, mq_clock(CLOCK_MONOTONIC) - begun);
	fd = mq_member(self->topic, "g", O_NONBLOCK);
	EXPECT_EQ(-EAGAIN, take(fd, &l, 1, MQBUS_WAIT_FOREVER));
	EXPECT_EQ(-EAGAIN, read_number(fd));
	close(fd);
	/* Asleep until there is a record, or the end is signalled */
	mq_fork(pid)
		_exit(take(mq_member(self->topic, "g", 0), &l, 1, MQBUS_WAIT_FOREVER) != 1);
	ASSERT_TRUE(mq_wait_asleep(pid, SYS_ioctl));
	put_numbers(self->fd, 0, 1);
	EXPECT_EQ(0, mq_wait(pid));
	EXPECT_EQ(0, take_one(w, &l, 0));
	EXPECT_EQ(2, l.attempt);
	mq_fork(pid)
		_exit(take(mq_member(self->topic, "g", 0), &l, 1, MQBUS_WAIT_FOREVER) != -EIDRM);
	ASSERT_TRUE(mq_wait_asleep(pid, SYS_ioctl));
	EXPECT_EQ(0, mq_delete(self->ctl, self->topic));
	EXPECT_EQ(0, mq_wait(pid));
	EXPECT_EQ(-EIDRM, take(w->fd, &l, 1, 0));
}

TEST_F(queue, readiness)
{
	struct worker *w = self->worker;
	struct mqbus_leased l[4];
	pid_t pid;

	begin(self, .max_inflight = 3);
	join(self, 1);
	EXPECT_FALSE(readable(w->fd));
	put_numbers(self->fd, 0, 5);
	EXPECT_TRUE(readable(w->fd));
	EXPECT_TRUE(readable(w[1].fd));
	/* The window is full, for all members */
	ASSERT_EQ(2, take(w->fd, l, 2, 0));
	pid = hold(self->topic, "g", 1);
	EXPECT_FALSE(readable(w->fd));
	EXPECT_FALSE(readable(w[1].fd));
	EXPECT_EQ(-EAGAIN, take(w[1].fd, &l[2], 1, 0));
	EXPECT_EQ(0, ack(w, &l[0]));
	EXPECT_TRUE(readable(w->fd));
	EXPECT_TRUE(readable(w[1].fd));
	EXPECT_EQ(3, take_one(&w[1], &l[2], 0));
	EXPECT_FALSE(readable(w[1].fd));
	/* Another member's death makes room, and gives back */
	EXPECT_EQ(128 + SIGKILL, mq_kill(pid));
	EXPECT_TRUE(readable(w[1].fd));
	EXPECT_EQ(2, take_one(&w[1], &l[3], 0));
	EXPECT_EQ(2, l[3].attempt);
	EXPECT_FALSE(readable(w->fd));
	EXPECT_EQ(0, mq_delete(self->ctl, self->topic));
	EXPECT_EQ(1, poll(&(struct pollfd){ .fd = w->fd, .events = POLLIN }, 1, 0));
}

/* Each of many partitions has its turn, also those of CPUs */
TEST_F(queue, partitions)
{
	struct worker *w = self->worker;
	struct mqbus_leased l;
	unsigned int turn[3] = {};
	__u64 v;
	int i;

	ASSERT_EQ(0, mq_create(self->ctl, self->topic, .partitions = 3));
	begin(self);
	for (i = 0; i < 60; i++) {
		v = i;
		ASSERT_EQ(1, mq_put_in(self->fd, i < 40 ? 0 : 1 + i % 2, &v, sizeof(v)));
	}
	for (i = 0; i < 60; i++) {
		v = take_one(w, &l, 0);
		ASSERT_GT(60, v);
		ASSERT_GT(3, l.partition);
		EXPECT_EQ(v < 40 ? 0 : 1 + v % 2, l.partition);
		EXPECT_EQ(turn[l.partition]++, l.offset);
		EXPECT_EQ(0, ack(w, &l));
		if (i == 29) {
			EXPECT_EQ(10, turn[0]);
			EXPECT_EQ(10, turn[1]);
			EXPECT_EQ(10, turn[2]);
		}
	}
	EXPECT_EQ(-EAGAIN, take_one(w, &l, 0));

	ASSERT_EQ(0, mq_create(self->ctl, self->dlq, .partitions = 0, .size = 4096));
	ASSERT_EQ(0, mq_queue(self->ctl, self->dlq, "g", NULL));
	close(self->fd);
	self->fd = mq_producer(self->dlq, 0);
	put_numbers(self->fd, 0, 20);
	ASSERT_EQ(0, worker_open(&w[1], self->dlq, "g", 0));
	for (i = 0; i < 20; i++) {
		EXPECT_EQ(1, take(w[1].fd, &l, 1, 0));
		EXPECT_EQ(0, i % 2 ? nack(&w[1], &l) : ack(&w[1], &l));
	}
	for (i = 0; i < 10; i++) {
		EXPECT_EQ(1, take(w[1].fd, &l, 1, MQ_LONG));
		EXPECT_EQ(0, ack(&w[1], &l));
	}
}

/* A member's own limit within the window */
TEST_F(queue, credit)
{
	struct worker *w = self->worker;
	struct mqbus_leased l[8];

	begin(self, .max_inflight = 5, .credit = 2);
	join(self, 1);
	join(self, 2);
	put_numbers(self->fd, 0, 8);
	EXPECT_EQ(2, take(w[0].fd, l, 8, 0));
	EXPECT_EQ(-EAGAIN, take(w[0].fd, l + 2, 1, 0));
	EXPECT_FALSE(readable(w[0].fd));
	EXPECT_TRUE(readable(w[1].fd));
	EXPECT_EQ(2, take(w[1].fd, l + 2, 6, 0));
	EXPECT_EQ(1, take(w[2].fd, l + 4, 4, 0));
	EXPECT_FALSE(readable(w[2].fd));
	EXPECT_EQ(0, ack(&w[1], &l[2]));
	EXPECT_FALSE(readable(w[0].fd));
	EXPECT_TRUE(readable(w[2].fd));
	EXPECT_EQ(0, nack(&w[0], &l[0]));
	EXPECT_TRUE(readable(w[0].fd));
}

/* Two threads on an endpoint: while one waits the other takes the whole credit */
static void *wait_for_more(void *arg)
{
	const struct sched_param param = {};
	struct mqbus_leased l;

	/* So that it is not the first to run when woken */
	sched_setscheduler(0, SCHED_IDLE, &param);
	take(*(int *)arg, &l, 1, MQBUS_WAIT_FOREVER);
	return NULL;
}

TEST_F(queue, full_member_passes_the_wake_on)
{
	struct worker *w = self->worker;
	struct mqbus_leased l;
	pthread_t thread;
	cpu_set_t set;
	pid_t pid;
	int i;

	begin(self, .credit = 1);
	CPU_ZERO(&set);
	CPU_SET(0, &set);
	sched_setaffinity(0, sizeof(set), &set);
	ASSERT_EQ(0, pthread_create(&thread, NULL, wait_for_more, &w->fd));
	for (i = 0; i < 3; i++) {
		mq_sleep(20 * MQ_MS);
		ASSERT_EQ(1, mq_put(self->fd, "12345678", 8, 0));
		/* If the thread is first all the same, it must not disturb */
		if (take(w->fd, &l, 1, 0) != 1)
			break;
		mq_fork(pid) {
			int fd = mq_member(self->topic, "g", 0);

			if (take(fd, &l, 1, MQBUS_WAIT_FOREVER) != 1)
				_exit(1);
			_exit(settle(fd, l.lease, MQBUS_ACK, 0) ? 2 : 0);
		}
		ASSERT_TRUE(mq_wait_asleep(pid, SYS_ioctl));
		mq_sleep(5 * MQ_MS);
		ASSERT_EQ(1, mq_put(self->fd, "12345678", 8, 0));
		EXPECT_EQ(0, mq_wait(pid));
		EXPECT_EQ(0, ack(w, &l));
	}
	EXPECT_EQ(0, mq_delete(self->ctl, self->topic));
	pthread_join(thread, NULL);
}

TEST_HARNESS_MAIN
