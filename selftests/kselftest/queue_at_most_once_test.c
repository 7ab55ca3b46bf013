// SPDX-License-Identifier: GPL-2.0
/*
 * Groups that hand out a record at most once: a lease that ends without an ack ends the record,
 * too.
 */
#include "queue.h"

#define atmost_queue(...)	.flags = MQBUS_QUEUE_F_AT_MOST_ONCE, ##__VA_ARGS__

TEST_F(queue, never_twice)
{
	struct worker *w = self->worker;
	struct mqbus_leased l;
	__u64 end;
	pid_t pid;

	begin_dlq(self, atmost_queue());
	join(self, 1);
	put_numbers(self->fd, 0, 6);
	ASSERT_EQ(0, take_one(w, &l, 0));
	EXPECT_EQ(1, l.attempt);
	EXPECT_EQ(0, ack(w, &l));
	EXPECT_EQ(0, FIGURE(self, DISCARDED));

	ASSERT_EQ(1, take_one(w, &l, 0));
	EXPECT_EQ(0, nack(w, &l));
	EXPECT_EQ(1, FIGURE(self, DISCARDED));

	ASSERT_EQ(2, take_one(w, &l, 0));
	EXPECT_EQ(0, extend(w, &l, 2 * MQ_MS));
	end = mq_patience();
	while (!FIGURE(self, EXPIRED) && mq_clock(CLOCK_MONOTONIC) < end)
		mq_sleep(MQ_MS);
	EXPECT_EQ(1, FIGURE(self, EXPIRED));
	EXPECT_EQ(2, FIGURE(self, DISCARDED));
	EXPECT_EQ(-ETIMEDOUT, ack(w, &l));

	pid = hold(self->topic, "g", 1);
	ASSERT_LT(0, pid);
	EXPECT_EQ(128 + SIGKILL, mq_kill(pid));
	EXPECT_EQ(1, FIGURE(self, DIED));
	EXPECT_EQ(1, FIGURE(self, DEATHS));
	EXPECT_EQ(3, FIGURE(self, DISCARDED));

	/* None of them came back */
	ASSERT_EQ(4, take_one(w, &l, 0));
	EXPECT_EQ(1, l.attempt);
	EXPECT_EQ(0, ack(w, &l));
	ASSERT_EQ(5, take_one(&w[1], &l, 0));
	EXPECT_EQ(0, ack(&w[1], &l));
	EXPECT_EQ(-EAGAIN, take_one(w, &l, 0));
	EXPECT_EQ(6, FIGURE(self, DELIVERED));
	EXPECT_EQ(0, FIGURE(self, REDELIVERED));
	EXPECT_EQ(0, FIGURE(self, INFLIGHT) + FIGURE(self, RETRYING));
	EXPECT_EQ(0, FIGURE(self, DEAD_LETTERED));
}

/* A released record, too: it had been handed out */
TEST_F(queue, release_is_an_end_too)
{
	struct mqbus_lease args = { .flags = MQBUS_LEASE_F_RELEASE };
	struct worker *w = self->worker;
	struct mqbus_leased l[4];

	begin(self, atmost_queue());
	put_numbers(self->fd, 0, 5);
	ASSERT_EQ(1, take(w->fd, l, 1, 0));
	EXPECT_EQ(0, release(w, &l[0]));
	ASSERT_EQ(3, take(w->fd, l, 3, 0));
	EXPECT_EQ(1, leased_number(w, &l[0]));
	EXPECT_EQ(0, mq_ioctl(w->fd, MQBUS_IOC_LEASE, &args));
	EXPECT_EQ(4, take_one(w, l, 0));
	EXPECT_EQ(0, ack(w, l));
	EXPECT_EQ(-EAGAIN, take_one(w, l, 0));
	EXPECT_EQ(0, FIGURE(self, REDELIVERED));
}

TEST_F(queue, reject_is_a_dead_letter_still)
{
	struct worker *w = self->worker;
	const struct mqbus_record *rec;
	struct mqbus_leased l;
	struct mq_reader dead;

	begin_dlq(self, atmost_queue());
	ASSERT_EQ(0, mq_reader_open(&dead, self->dlq, "dead"));
	put_numbers(self->fd, 0, 1);
	ASSERT_EQ(0, take_one(w, &l, 0));
	EXPECT_EQ(0, reject(w, &l));
	rec = mq_next(&dead, 0);
	ASSERT_EQ(0, record_number(rec));
	EXPECT_STREQ("rejected", header(rec, "mqbus.reason"));
	EXPECT_EQ(1, header_number(rec, "mqbus.attempts"));
	EXPECT_EQ(0, FIGURE(self, DISCARDED));
	mq_reader_close(&dead);
}

/* The record keeps its space until the member settles it, so that it can be read */
TEST_F(queue, space_is_held)
{
	struct worker *w = self->worker;
	struct mqbus_leased l[56];
	__u64 v = 99;
	int i;

	ASSERT_EQ(0, mq_create(self->ctl, self->topic, .size = 4096));
	begin(self, atmost_queue());
	put_numbers(self->fd, 0, 56);
	ASSERT_EQ(56, take(w->fd, l, 56, 0));
	EXPECT_EQ(-EAGAIN, mq_put(self->fd, &v, sizeof(v), 0));
	for (i = 0; i < 56; i++)
		EXPECT_EQ(i, leased_number(w, &l[i]));
	EXPECT_EQ(0, nack(w, &l[0]));
	EXPECT_EQ(1, mq_put(self->fd, &v, sizeof(v), 0));
	EXPECT_EQ(-EAGAIN, mq_put(self->fd, &v, sizeof(v), 0));
	worker_close(w);
	EXPECT_EQ(55, FIGURE(self, DIED));
	EXPECT_EQ(56, FIGURE(self, DISCARDED));
	for (i = 0; i < 55; i++)
		EXPECT_EQ(1, mq_put(self->fd, &v, sizeof(v), 0));
}

/* A record that was not reported was not handed out, so it may come later */
TEST_F(queue, untold_is_not_handed_out)
{
	struct worker *w = self->worker;
	char *hole = mq_before_hole(1);
	struct mqbus_leased l;

	begin(self, atmost_queue());
	put_numbers(self->fd, 0, 2);
	EXPECT_EQ(-EFAULT, take(w->fd, (void *)hole, 2, 0));
	EXPECT_EQ(0, FIGURE(self, DISCARDED));
	EXPECT_EQ(0, take_one(w, &l, 0));
	EXPECT_EQ(0, ack(w, &l));
	EXPECT_EQ(1, read_number(w->fd));
}

/* Workers that are killed at random: no number is worked on twice, and all are accounted for */
TEST_F_TIMEOUT(queue, killed_at_random, 120)
{
	unsigned char *seen = mq_shared(2 * MQ_PAGE);
	struct worker *w = self->worker;
	struct mqbus_leased l;
	struct figures f;
	unsigned int round, seed = 9, i;
	pid_t pid[2];

	begin(self, atmost_queue());
	put_numbers(self->fd, 0, 800);
	for (round = 0; round < 30; round++) {
		for (i = 0; i < 2; i++)
			mq_fork(pid[i]) {
				struct worker mine;

				if (worker_open(&mine, self->topic, "g", 0))
					_exit(1);
				for (;;) {
					__s64 v = take_one(&mine, &l, MQBUS_WAIT_FOREVER);

					if (v < 0 || v >= 800)
						_exit(2);
					__atomic_add_fetch(&seen[v], 1, __ATOMIC_SEQ_CST);
					mq_sleep(MQ_MS / 10);
					if (ack(&mine, &l))
						_exit(3);
				}
			}
		mq_sleep(rand_r(&seed) % (3 * MQ_MS));
		for (i = 0; i < 2; i++)
			EXPECT_EQ(128 + SIGKILL, mq_kill(pid[i]));
	}
	for (;;) {
		__s64 v = take_one(w, &l, 0);

		if (v < 0)
			break;
		ASSERT_GT(800, v);
		seen[v]++;
		EXPECT_EQ(0, ack(w, &l));
	}
	for (i = 0; i < 800; i++)
		EXPECT_GE(1, seen[i]) TH_LOG("%u came %u times", i, seen[i]);
	ASSERT_EQ(0, figures_get(self->topic, "g", &f));
	EXPECT_EQ(800, f.number[MQBUS_A_QUEUE_DELIVERED]);
	EXPECT_EQ(0, f.number[MQBUS_A_QUEUE_REDELIVERED]);
	EXPECT_EQ(800, f.number[MQBUS_A_QUEUE_ACKED] + f.number[MQBUS_A_QUEUE_DISCARDED]);
	EXPECT_EQ(f.number[MQBUS_A_QUEUE_DIED], f.number[MQBUS_A_QUEUE_DISCARDED]);
	TH_LOG("%llu died", f.number[MQBUS_A_QUEUE_DIED]);
}

TEST_HARNESS_MAIN
