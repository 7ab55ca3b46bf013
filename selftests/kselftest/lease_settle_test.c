// SPDX-License-Identifier: GPL-2.0
/*
 * Settlements of leases: the effect of each, and the errors of bad ones.
 */
#include "queue.h"

TEST_F(queue, ack_is_done)
{
	struct worker *w = self->worker;
	struct mqbus_leased l;
	int i;

	begin(self);
	put_numbers(self->fd, 0, 3);
	for (i = 0; i < 3; i++) {
		EXPECT_EQ(i, take_one(w, &l, 0));
		EXPECT_EQ(i, l.offset);
		EXPECT_EQ(i * 72, l.pos);
		EXPECT_EQ(0, l.partition);
		EXPECT_EQ(0, l.ring);
		EXPECT_EQ(1, l.attempt);
		EXPECT_EQ(0, l.__reserved);
		EXPECT_EQ(1, FIGURE(self, LEASED));
		EXPECT_EQ(1, FIGURE(self, INFLIGHT));
		EXPECT_EQ(0, ack(w, &l));
	}
	EXPECT_EQ(-EAGAIN, take_one(w, &l, 0));
	EXPECT_EQ(3, FIGURE(self, DELIVERED));
	EXPECT_EQ(0, FIGURE(self, REDELIVERED));
	EXPECT_EQ(3, FIGURE(self, ACKED));
	EXPECT_EQ(0, FIGURE(self, LEASED));
	EXPECT_EQ(0, FIGURE(self, INFLIGHT));
	/* The worker that leaves holds nothing */
	worker_close(w);
	join(self, 1);
	EXPECT_EQ(-EAGAIN, take_one(&self->worker[1], &l, 0));
	EXPECT_EQ(0, FIGURE(self, DEATHS));
}

TEST_F(queue, nack_is_a_failure)
{
	struct worker *w = self->worker;
	struct mqbus_leased l;
	int i;

	begin(self);
	put_numbers(self->fd, 7, 8);
	/* Without a DLQ a record is tried for ever, beyond the default limit */
	for (i = 1; i <= 12; i++) {
		ASSERT_EQ(7, take_one(w, &l, MQ_LONG));
		EXPECT_EQ(i, l.attempt);
		EXPECT_EQ(0, l.offset);
		EXPECT_EQ(0, l.partition);
		EXPECT_EQ(0, nack(w, &l));
		EXPECT_EQ(0, FIGURE(self, LEASED));
	}
	EXPECT_EQ(12, FIGURE(self, NACKED));
	EXPECT_EQ(12, FIGURE(self, DELIVERED));
	EXPECT_EQ(11, FIGURE(self, REDELIVERED));
	ASSERT_EQ(7, take_one(w, &l, MQ_LONG));
	EXPECT_EQ(0, ack(w, &l));
	EXPECT_EQ(-EAGAIN, take_one(w, &l, 0));
	EXPECT_EQ(0, FIGURE(self, RETRYING));
	EXPECT_EQ(0, FIGURE(self, INFLIGHT));
}

TEST_F(queue, release_is_none)
{
	struct worker *w = self->worker;
	struct mqbus_leased l, m;
	__u64 begun;
	int i;

	begin_dlq(self, .max_attempts = 1, .backoff_min = 600 * MQ_SEC,
		  .backoff_max = 600 * MQ_SEC);
	join(self, 1);
	put_numbers(self->fd, 0, 1);
	for (i = 0; i < 5; i++) {
		ASSERT_EQ(0, take_one(&w[i % 2], &l, 0));
		EXPECT_EQ(1, l.attempt);
		EXPECT_EQ(0, release(&w[i % 2], &l));
	}
	EXPECT_EQ(5, FIGURE(self, RELEASED));
	EXPECT_EQ(4, FIGURE(self, REDELIVERED));
	EXPECT_EQ(0, FIGURE(self, NACKED));
	/* With a delay others overtake it */
	ASSERT_EQ(0, take_one(w, &l, 0));
	put_numbers(self->fd, 1, 2);
	begun = mq_clock(CLOCK_MONOTONIC);
	EXPECT_EQ(0, settle(w->fd, l.lease, MQBUS_RELEASE, 30 * MQ_MS));
	ASSERT_EQ(1, take_one(&w[1], &m, 0));
	ASSERT_EQ(0, take_one(w, &l, MQ_LONG));
	EXPECT_LE(30 * MQ_MS, mq_clock(CLOCK_MONOTONIC) - begun);
	EXPECT_EQ(1, l.attempt);
	EXPECT_EQ(0, ack(w, &l));
	EXPECT_EQ(0, ack(&w[1], &m));
	EXPECT_EQ(0, FIGURE(self, DEAD_LETTERED));
}

TEST_F(queue, reject_is_final)
{
	struct worker *w = self->worker;
	struct mqbus_leased l;
	struct mq_reader dead;

	begin_dlq(self);
	put_numbers(self->fd, 0, 2);
	ASSERT_EQ(0, mq_reader_open(&dead, self->dlq, "dead"));
	ASSERT_EQ(0, take_one(w, &l, 0));
	EXPECT_EQ(0, reject(w, &l));
	EXPECT_EQ(0, record_number(mq_next(&dead, 0)));
	ASSERT_EQ(1, take_one(w, &l, 0));
	EXPECT_EQ(0, ack(w, &l));
	EXPECT_EQ(-EAGAIN, take_one(w, &l, 0));
	EXPECT_EQ(1, FIGURE(self, REJECTED));
	EXPECT_EQ(1, FIGURE(self, DEAD_LETTERED));
	EXPECT_EQ(0, FIGURE(self, DISCARDED));
	mq_reader_close(&dead);
}

/* Without a DLQ it is dropped, and counted */
TEST_F(queue, reject_to_nowhere)
{
	struct worker *w = self->worker;
	struct mqbus_leased l;

	begin(self);
	put_numbers(self->fd, 0, 1);
	ASSERT_EQ(0, take_one(w, &l, 0));
	EXPECT_EQ(0, reject(w, &l));
	EXPECT_EQ(-EAGAIN, take_one(w, &l, 0));
	EXPECT_EQ(1, FIGURE(self, REJECTED));
	EXPECT_EQ(0, FIGURE(self, DEAD_LETTERED));
	EXPECT_EQ(1, FIGURE(self, DISCARDED));
	EXPECT_EQ(0, FIGURE(self, INFLIGHT));
}

/* Bad settlements are reported entry by entry; the good ones are done */
TEST_F(queue, errors_by_entry)
{
	struct worker *w = self->worker;
	struct mqbus_leased l[8], other[2];
	struct mqbus_settle s[12];
	__u64 top = 0;
	int i, n = 0;

	begin(self);
	join(self, 1);
	put_numbers(self->fd, 0, 10);
	ASSERT_EQ(8, take(w->fd, l, 8, 0));
	ASSERT_EQ(2, take(w[1].fd, other, 2, 0));
	ASSERT_EQ(0, ack(w, &l[7]));
	for (i = 0; i < 8; i++)
		top = l[i].lease > top ? l[i].lease : top;
	for (i = 0; i < 2; i++)
		top = other[i].lease > top ? other[i].lease : top;

	memset(s, 0, sizeof(s));
	s[n++] = (struct mqbus_settle){ .lease = l[0].lease, .what = MQBUS_ACK };
	s[n++] = (struct mqbus_settle){ .lease = ~0ULL, .what = MQBUS_ACK };
	s[n++] = (struct mqbus_settle){ .lease = other[0].lease, .what = MQBUS_ACK };
	s[n++] = (struct mqbus_settle){ .lease = l[7].lease, .what = MQBUS_ACK };
	s[n++] = (struct mqbus_settle){ .lease = l[0].lease, .what = MQBUS_NACK };
	s[n++] = (struct mqbus_settle){ .lease = l[1].lease, .what = MQBUS_EXTEND + 1 };
	s[n++] = (struct mqbus_settle){ .lease = l[1].lease, .what = MQBUS_ACK, .error = 1 };
	s[n++] = (struct mqbus_settle){ .lease = l[1].lease, .what = MQBUS_ACK, .delay = 1 };
	s[n++] = (struct mqbus_settle){ .lease = l[1].lease, .what = MQBUS_NACK,
					.delay = MQBUS_DELAY_MAX + 1 };
	s[n++] = (struct mqbus_settle){ .lease = l[1].lease, .what = MQBUS_RELEASE,
					.delay = ~0ULL };
	s[n++] = (struct mqbus_settle){ .lease = top + (1ULL << 40), .what = MQBUS_ACK };
	s[n++] = (struct mqbus_settle){ .lease = l[1].lease, .what = MQBUS_ACK };
	ASSERT_EQ(12, n);
	EXPECT_EQ(2, settle_many(w->fd, s, n));
	{
		static const int want[12] = {
			0, ENOENT, EPERM, EALREADY, EALREADY, EOPNOTSUPP, EINVAL, EINVAL,
			ERANGE, ERANGE, ENOENT, 0,
		};

		for (i = 0; i < n; i++)
			EXPECT_EQ(want[i], s[i].error) TH_LOG("entry %d", i);
	}
	EXPECT_EQ(3, FIGURE(self, ACKED));
	EXPECT_EQ(7, FIGURE(self, LEASED));
	/* The other member still has its lease */
	EXPECT_EQ(0, ack(&w[1], &other[0]));
	/* If none succeeds: the errno of the first */
	memset(s, 0, sizeof(s));
	s[0] = (struct mqbus_settle){ .lease = other[1].lease, .what = MQBUS_REJECT };
	s[1] = (struct mqbus_settle){ .lease = ~0ULL, .what = MQBUS_ACK };
	EXPECT_EQ(-EPERM, settle_many(w->fd, s, 2));
	EXPECT_EQ(EPERM, s[0].error);
	EXPECT_EQ(ENOENT, s[1].error);
}

TEST_F(queue, delays)
{
	static const struct {
		__u32 what;
		__u64 delay;
		int want;
	} t[] = {
		{ MQBUS_ACK, 1, -EINVAL },
		{ MQBUS_REJECT, 1, -EINVAL },
		{ MQBUS_ACK, MQBUS_DELAY_MAX + 1, -EINVAL },
		{ MQBUS_NACK, MQBUS_DELAY_MAX + 1, -ERANGE },
		{ MQBUS_RELEASE, MQBUS_DELAY_MAX + 1, -ERANGE },
		{ MQBUS_EXTEND, MQBUS_DELAY_MAX + 1, -ERANGE },
		{ MQBUS_EXTEND, ~0ULL, -ERANGE },
		{ MQBUS_EXTEND, MQBUS_DELAY_MAX, 0 },
		{ MQBUS_NACK, MQBUS_DELAY_MAX, 0 },
		{ MQBUS_RELEASE, MQBUS_DELAY_MAX, 0 },
	};
	struct worker *w = self->worker;
	struct mqbus_leased l;
	unsigned int i;

	begin(self);
	for (i = 0; i < sizeof(t) / sizeof(*t); i++) {
		put_numbers(self->fd, i, i + 1);
		ASSERT_EQ(i, take_one(w, &l, 0));
		EXPECT_EQ(t[i].want, settle(w->fd, l.lease, t[i].what, t[i].delay))
			TH_LOG("%u after %llu", t[i].what, t[i].delay);
		if (t[i].want)
			EXPECT_EQ(0, ack(w, &l));
	}
	EXPECT_EQ(2, FIGURE(self, RETRYING) + FIGURE(self, INFLIGHT) - FIGURE(self, LEASED));
}

#define MANY	MQBUS_LEASE_MAX

/* As many as a call may settle, in any order, of all kinds */
TEST_F(queue, batches)
{
	static struct mqbus_leased l[MANY + 1];
	static struct mqbus_settle s[MANY + 1];
	struct worker *w = self->worker;
	unsigned int i, seed = 4;

	ASSERT_EQ(0, mq_create(self->ctl, self->topic, .size = 1 << 20));
	begin(self, .max_inflight = MANY, .retry_size = 1 << 20);
	put_numbers(self->fd, 0, MANY + 10);
	ASSERT_EQ(-ERANGE, take(w->fd, l, MANY + 1, 0));
	ASSERT_EQ(MANY, take(w->fd, l, MANY, 0));
	for (i = 0; i < MANY; i++) {
		ASSERT_EQ(i, leased_number(w, &l[i]));
		s[i] = (struct mqbus_settle){ .lease = l[i].lease };
	}
	for (i = MANY - 1; i; i--) {
		unsigned int k = rand_r(&seed) % (i + 1);
		struct mqbus_settle one = s[i];

		s[i] = s[k];
		s[k] = one;
		s[i].what = i % 4 == 3 ? MQBUS_RELEASE : MQBUS_ACK;
	}
	EXPECT_EQ(-ERANGE, settle_many(w->fd, s, MANY + 1));
	EXPECT_EQ(MANY, settle_many(w->fd, s, MANY));
	EXPECT_EQ(MANY * 3 / 4, FIGURE(self, ACKED));
	EXPECT_EQ(MANY / 4, FIGURE(self, RELEASED));
	EXPECT_EQ(0, FIGURE(self, LEASED));
	/* The released ones come again, and the ten without room */
	ASSERT_EQ(MANY / 4 + 10, take(w->fd, l, MANY, 0));
	EXPECT_EQ(-EAGAIN, take(w->fd, l, 1, 0));
	EXPECT_EQ(MANY / 4, FIGURE(self, REDELIVERED));
}

/* Settled records free space up to the oldest unsettled one */
TEST_F(queue, space)
{
	struct worker *w = self->worker;
	struct mqbus_leased l[56];
	struct figures f;
	__u64 v = 99;
	int i;

	ASSERT_EQ(0, mq_create(self->ctl, self->topic, .size = 4096));
	begin(self);
	put_numbers(self->fd, 0, 56);
	EXPECT_EQ(-EAGAIN, mq_put(self->fd, &v, sizeof(v), 0));
	ASSERT_EQ(56, take(w->fd, l, 56, 0));
	EXPECT_EQ(-EAGAIN, mq_put(self->fd, &v, sizeof(v), 0));
	for (i = 55; i > 5; i--)
		ASSERT_EQ(0, ack(w, &l[i]));
	EXPECT_EQ(-EAGAIN, mq_put(self->fd, &v, sizeof(v), 0));
	for (i = 0; i < 5; i++)
		ASSERT_EQ(0, ack(w, &l[i]));
	ASSERT_EQ(0, figures_get(self->topic, "g", &f));
	EXPECT_EQ(5, f.group[MQBUS_A_GROUP_COMMITTED]);
	EXPECT_EQ(56, f.group[MQBUS_A_GROUP_FETCHED]);
	EXPECT_EQ(56, f.group[MQBUS_A_GROUP_NEXT_OFFSET]);
	for (i = 0; i < 5; i++)
		EXPECT_EQ(1, mq_put(self->fd, &v, sizeof(v), 0)) TH_LOG("%d", i);
	EXPECT_EQ(-EAGAIN, mq_put(self->fd, &v, sizeof(v), 0));
	EXPECT_EQ(5, leased_number(w, &l[5]));
	EXPECT_EQ(0, ack(w, &l[5]));
	for (i = 0; i < 51; i++)
		EXPECT_EQ(1, mq_put(self->fd, &v, sizeof(v), 0)) TH_LOG("%d", i);
	EXPECT_EQ(-EAGAIN, mq_put(self->fd, &v, sizeof(v), 0));
}

TEST_F(queue, ack_wakes_the_producer)
{
	struct worker *w = self->worker;
	struct mqbus_leased l[56];
	pid_t pid;

	ASSERT_EQ(0, mq_create(self->ctl, self->topic, .size = 4096));
	begin(self);
	put_numbers(self->fd, 0, 56);
	ASSERT_EQ(56, take(w->fd, l, 56, 0));
	mq_fork(pid)
		_exit(mq_put(self->fd, "x", 1, MQBUS_WAIT_FOREVER) != 1);
	ASSERT_TRUE(mq_wait_asleep(pid, SYS_ioctl));
	EXPECT_EQ(0, ack(w, &l[1]));
	mq_sleep(5 * MQ_MS);
	EXPECT_EQ(0, waitpid(pid, NULL, WNOHANG));
	EXPECT_EQ(0, ack(w, &l[0]));
	EXPECT_EQ(0, mq_wait(pid));
}

TEST_HARNESS_MAIN
