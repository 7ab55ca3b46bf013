// SPDX-License-Identifier: GPL-2.0
/*
 * Ends of leases: by time, by a new end, by settlement; and numbers of old leases.
 */
#include "queue.h"

/* A lease that expires during the test */
#define BRIEF	(20 * MQ_MS)

TEST_F(queue, extend)
{
	struct worker *w = self->worker;
	struct mqbus_leased l;
	int i;

	begin(self, .lease = BRIEF);
	put_numbers(self->fd, 0, 2);
	/* Extended for long, it does not expire */
	ASSERT_EQ(1, take_timed(w->fd, &l, 1, MQ_SEC, 0));
	EXPECT_EQ(0, extend(w, &l, MQ_HOUR));
	mq_sleep(MQ_SEC + BRIEF);
	EXPECT_EQ(0, FIGURE(self, EXPIRED));
	EXPECT_EQ(0, ack(w, &l));
	/* By the group's option it expires, but not before */
	ASSERT_EQ(1, take_timed(w->fd, &l, 1, MQ_HOUR, 0));
	for (i = 0; i < 3; i++) {
		__u64 begun = mq_clock(CLOCK_MONOTONIC);
		struct mqbus_leased m;

		EXPECT_EQ(0, extend(w, &l, 0));
		ASSERT_EQ(1, take_timed(w->fd, &m, 1, MQ_HOUR, MQ_LONG));
		EXPECT_LE(BRIEF, mq_clock(CLOCK_MONOTONIC) - begun);
		EXPECT_EQ(1, leased_number(w, &m));
		EXPECT_EQ(2 + i, m.attempt);
		EXPECT_EQ(-ESTALE, extend(w, &l, 0));
		l = m;
	}
	EXPECT_EQ(3, FIGURE(self, EXPIRED));
	EXPECT_EQ(4, FIGURE(self, EXTENDED));
}

/*
 * A lease that lasts as long as its process can be given an end, and then has one: only with a
 * time it is extended, however it got its end
 */
TEST_F(queue, extend_without_a_lease_time)
{
	struct worker *w = self->worker;
	struct mqbus_leased l;

	begin(self);
	put_numbers(self->fd, 0, 1);
	ASSERT_EQ(0, take_one(w, &l, 0));
	EXPECT_EQ(0, extend(w, &l, 0));
	EXPECT_EQ(0, extend(w, &l, MQBUS_DELAY_MAX));
	EXPECT_EQ(-EINVAL, extend(w, &l, 0));
	EXPECT_EQ(0, extend(w, &l, BRIEF));
	ASSERT_EQ(0, take_one(w, &l, MQ_LONG));
	EXPECT_EQ(2, l.attempt);
	EXPECT_EQ(1, FIGURE(self, EXPIRED));
	EXPECT_EQ(-EAGAIN, take_one(w, &l, 0));
	EXPECT_EQ(0, release(w, &l));

	ASSERT_EQ(1, take_timed(w->fd, &l, 1, 2 * MQ_SEC, 0));
	EXPECT_EQ(-EINVAL, extend(w, &l, 0));
	EXPECT_EQ(3, FIGURE(self, EXTENDED));
	ASSERT_EQ(0, take_one(w, &l, MQ_LONG));
	EXPECT_EQ(3, l.attempt);
	EXPECT_EQ(2, FIGURE(self, EXPIRED));
}

/* The group's leases get an end, and lose it, while one is held */
TEST_F(queue, extend_when_the_lease_time_changes)
{
	struct worker *w = self->worker;
	struct mqbus_leased l;

	begin(self);
	put_numbers(self->fd, 0, 1);
	ASSERT_EQ(0, take_one(w, &l, 0));
	EXPECT_EQ(0, mq_set(self->ctl, self->topic, "g", MQBUS_GROUP_SET_LEASE, NULL,
			    .lease = MQBUS_DELAY_MAX));
	EXPECT_EQ(0, extend(w, &l, 0));
	EXPECT_EQ(0, mq_set(self->ctl, self->topic, "g", MQBUS_GROUP_SET_LEASE, NULL, .lease = 0));
	EXPECT_EQ(-EINVAL, extend(w, &l, 0));
	EXPECT_EQ(0, mq_set(self->ctl, self->topic, "g", MQBUS_GROUP_SET_LEASE, NULL,
			    .lease = BRIEF));
	EXPECT_EQ(0, extend(w, &l, 0));
	ASSERT_EQ(0, take_one(w, &l, MQ_LONG));
	EXPECT_EQ(2, l.attempt);
}

/* An ended lease, by each way and at each time */
TEST_F(queue, leases_that_ended)
{
	struct worker *w = self->worker;
	struct mqbus_leased l, m;
	__u32 what;

	begin(self, .backoff_min = 3600 * MQ_SEC, .backoff_max = 3600 * MQ_SEC);
	join(self, 1);
	put_numbers(self->fd, 0, 4);
	/* Settled: each kind except extend ends it */
	for (what = MQBUS_ACK; what < MQBUS_EXTEND; what++) {
		ASSERT_EQ(what == MQBUS_REJECT ? 2 : what, take_one(w, &l, 0));
		EXPECT_EQ(0, settle(w->fd, l.lease, what, 0));
		EXPECT_EQ(-EALREADY, ack(w, &l)) TH_LOG("after %u", what);
		EXPECT_EQ(-EALREADY, extend(w, &l, 0)) TH_LOG("after %u", what);
	}
	/* Released and taken by another member */
	ASSERT_EQ(3, take_one(w, &l, 0));
	EXPECT_EQ(0, release(w, &l));
	ASSERT_EQ(3, take_one(&w[1], &m, 0));
	EXPECT_NE(l.lease, m.lease);
	EXPECT_NE(0, ack(w, &l));
	EXPECT_EQ(-EPERM, ack(w, &m));
	EXPECT_EQ(0, ack(&w[1], &m));
}

TEST_F(queue, leases_that_ran_out)
{
	struct worker *w = self->worker;
	struct mqbus_leased l, m;
	__u64 begun;

	/* Long enough to be seen waiting */
	begin(self, .lease = BRIEF, .backoff_min = 200 * MQ_MS, .backoff_max = 200 * MQ_MS);
	join(self, 1);
	put_numbers(self->fd, 0, 1);
	begun = mq_clock(CLOCK_MONOTONIC);
	ASSERT_EQ(0, take_one(w, &l, 0));
	while (!FIGURE(self, EXPIRED) && mq_clock(CLOCK_MONOTONIC) - begun < MQ_LONG)
		mq_sleep(MQ_MS);
	EXPECT_EQ(1, FIGURE(self, EXPIRED));
	EXPECT_EQ(0, FIGURE(self, LEASED));
	if (mq_clock(CLOCK_MONOTONIC) - begun < 100 * MQ_MS) {
		EXPECT_EQ(-ETIMEDOUT, ack(w, &l));
		EXPECT_EQ(-ETIMEDOUT, extend(w, &l, 0));
	}
	ASSERT_EQ(1, take_timed(w[1].fd, &m, 1, MQ_HOUR, MQ_LONG));
	EXPECT_LE(BRIEF + 200 * MQ_MS, mq_clock(CLOCK_MONOTONIC) - begun);
	EXPECT_EQ(2, m.attempt);
	EXPECT_EQ(-ESTALE, ack(w, &l));
	EXPECT_EQ(-ESTALE, nack(w, &l));
	EXPECT_EQ(0, extend(&w[1], &m, MQ_HOUR));
	EXPECT_EQ(0, ack(&w[1], &m));
	EXPECT_EQ(-ESTALE, ack(w, &l));
	EXPECT_EQ(1, FIGURE(self, ACKED));
}

/* It expired for the last time; no member was given the record since */
TEST_F(queue, lease_that_ran_out_for_good)
{
	struct worker *w = self->worker;
	struct mqbus_leased l;
	__u64 end = mq_patience();

	begin_dlq(self, .max_attempts = 1, .lease = BRIEF);
	put_numbers(self->fd, 0, 1);
	ASSERT_EQ(0, take_one(w, &l, 0));
	while (!FIGURE(self, DEAD_LETTERED) && mq_clock(CLOCK_MONOTONIC) < end)
		mq_sleep(MQ_MS);
	EXPECT_EQ(1, FIGURE(self, EXPIRED));
	EXPECT_EQ(-ETIMEDOUT, ack(w, &l));
	EXPECT_EQ(-ETIMEDOUT, extend(w, &l, 0));
}

/* Numbers of old leases are never taken for current ones */
TEST_F(queue, old_numbers)
{
	static struct mqbus_leased l[500];
	struct worker *w = self->worker;
	int i, k;

	begin(self, .max_inflight = 3);
	for (i = 0; i < 500; i++) {
		put_numbers(self->fd, i, i + 1);
		ASSERT_EQ(i, take_one(w, &l[i], 0));
		for (k = i - 1; k >= 0 && k > i - 5; k--)
			ASSERT_NE(l[k].lease, l[i].lease);
		if (i) {
			int ret = ack(w, &l[i % 7 ? i - 1 : i / 2]);

			EXPECT_TRUE(ret == -EALREADY || ret == -ESTALE) TH_LOG("%d", ret);
		}
		EXPECT_EQ(0, ack(w, &l[i]));
	}
	EXPECT_EQ(500, FIGURE(self, ACKED));
}

TEST_HARNESS_MAIN
