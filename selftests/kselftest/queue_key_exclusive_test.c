// SPDX-License-Identifier: GPL-2.0
/*
 * Groups that hand out the records of a key one at a time: in order, however records end, and
 * no key waits for another.
 */
#include "queue.h"

/* A number contains its key: key * 1000 + number of earlier records of that key */
static int put_key(int fd, unsigned int key, unsigned int nth)
{
	return put_keyed(fd, key, key * 1000 + nth);
}

#define keyed_queue(...)	.flags = MQBUS_QUEUE_F_KEY_EXCLUSIVE, ##__VA_ARGS__

TEST_F(queue, one_of_a_key_at_a_time)
{
	struct worker *w = self->worker;
	struct mqbus_leased l[8], m;
	int i;

	begin(self, keyed_queue());
	join(self, 1);
	for (i = 0; i < 3; i++) {
		ASSERT_EQ(1, put_key(self->fd, 1, i));
		ASSERT_EQ(1, put_key(self->fd, 2, i));
	}
	ASSERT_EQ(1, put_key(self->fd, 3, 0));
	/* The first record of each key, in one call or in many, for any member */
	ASSERT_EQ(3, take(w->fd, l, 8, 0));
	EXPECT_EQ(1000, leased_number(w, &l[0]));
	EXPECT_EQ(2000, leased_number(w, &l[1]));
	EXPECT_EQ(3000, leased_number(w, &l[2]));
	EXPECT_EQ(-EAGAIN, take_one(w, &m, 0));
	EXPECT_EQ(-EAGAIN, take_one(&w[1], &m, 0));
	EXPECT_FALSE(readable(w[1].fd));
	EXPECT_EQ(4, FIGURE(self, HELD));
	EXPECT_EQ(3, FIGURE(self, LEASED));
	/* Any member may have the next one */
	EXPECT_EQ(0, ack(w, &l[1]));
	EXPECT_TRUE(readable(w[1].fd));
	ASSERT_EQ(2001, take_one(&w[1], &m, 0));
	EXPECT_EQ(-EAGAIN, take_one(w, &l[1], 0));
	EXPECT_EQ(0, ack(&w[1], &m));
	ASSERT_EQ(2002, take_one(w, &l[1], 0));
	EXPECT_EQ(0, ack(w, &l[1]));
	EXPECT_EQ(0, ack(w, &l[2]));
	EXPECT_EQ(-EAGAIN, take_one(w, &m, 0));
	EXPECT_EQ(2, FIGURE(self, HELD));
	EXPECT_EQ(0, ack(w, &l[0]));
	ASSERT_EQ(1001, take_one(w, &l[0], 0));
	EXPECT_EQ(0, ack(w, &l[0]));
	ASSERT_EQ(1002, take_one(w, &l[0], 0));
	EXPECT_EQ(0, ack(w, &l[0]));
	EXPECT_EQ(0, FIGURE(self, HELD) + FIGURE(self, INFLIGHT));
	EXPECT_EQ(7, FIGURE(self, ACKED));
}

/* A waiting member is woken by the settlement that frees the key */
TEST_F(queue, settlement_wakes)
{
	struct worker *w = self->worker;
	struct mqbus_leased l;
	pid_t pid;

	begin(self, keyed_queue());
	ASSERT_EQ(1, put_key(self->fd, 1, 0));
	ASSERT_EQ(1, put_key(self->fd, 1, 1));
	ASSERT_EQ(1000, take_one(w, &l, 0));
	mq_fork(pid) {
		struct worker mine;

		if (worker_open(&mine, self->topic, "g", 0))
			_exit(1);
		if (take_one(&mine, &l, MQBUS_WAIT_FOREVER) != 1001)
			_exit(2);
		_exit(ack(&mine, &l) ? 3 : 0);
	}
	ASSERT_TRUE(mq_wait_asleep(pid, SYS_ioctl));
	EXPECT_EQ(0, ack(w, &l));
	EXPECT_EQ(0, mq_wait(pid));
}

/* A record that comes again comes before the ones behind it, however it came back */
TEST_F(queue, order_survives)
{
	struct worker *w = self->worker;
	struct mqbus_leased l;
	struct mq_reader dead;
	pid_t pid = 0;
	int way;

	begin_dlq(self, keyed_queue(.backoff_min = 5 * MQ_MS, .backoff_max = 5 * MQ_MS));
	ASSERT_EQ(0, mq_reader_open(&dead, self->dlq, "dead"));
	for (way = 0; way < 5; way++) {
		/* After a death a record comes back unchanged, a dead letter does not */
		__s64 want = 1000 + 2 * way + (way == 4), v;
		unsigned int n, others = 0;

		ASSERT_EQ(1, put_key(self->fd, 1, 2 * way));
		ASSERT_EQ(1, put_key(self->fd, 1, 2 * way + 1));
		if (way == 3) {
			pid = hold(self->topic, "g", 1);
			ASSERT_LT(0, pid);
		} else {
			ASSERT_EQ(1000 + 2 * way, take_one(w, &l, 0));
		}
		switch (way) {
		case 0:
			EXPECT_EQ(0, nack(w, &l));
			break;
		case 1:
			EXPECT_EQ(0, settle(w->fd, l.lease, MQBUS_RELEASE, 5 * MQ_MS));
			break;
		case 2:
			EXPECT_EQ(0, extend(w, &l, 5 * MQ_MS));
			break;
		case 3:
			EXPECT_EQ(128 + SIGKILL, mq_kill(pid));
			break;
		case 4:
			EXPECT_EQ(0, reject(w, &l));
			EXPECT_EQ(1008, record_number(mq_next(&dead, 0)));
			break;
		}
		for (n = 0; n < 3; n++)
			ASSERT_EQ(1, put_key(self->fd, 2 + n, way));
		for (n = way == 4; n < 5; n++) {
			ASSERT_EQ(1, take_timed(w->fd, &l, 1, MQ_HOUR, MQ_LONG));
			EXPECT_EQ(0, ack(w, &l));
			v = leased_number(w, &l);
			others += v >= 2000;
			if (v < 2000)
				EXPECT_EQ(want++, v) TH_LOG("way %d", way);
		}
		EXPECT_EQ(1002 + 2 * way, want);
		EXPECT_EQ(3, others);
		EXPECT_EQ(-EAGAIN, take_one(w, &l, 0));
	}
	EXPECT_EQ(0, FIGURE(self, HELD));
	EXPECT_EQ(1, FIGURE(self, NACKED));
	EXPECT_EQ(1, FIGURE(self, EXPIRED));
	EXPECT_EQ(1, FIGURE(self, DIED));
	mq_reader_close(&dead);
}

/* While a record waits for its next attempt its key waits, and no other key */
TEST_F(queue, failure_holds_its_key)
{
	static const __u32 how[] = { MQBUS_NACK, MQBUS_RELEASE };
	struct worker *w = self->worker;
	struct mqbus_leased l;
	unsigned int i;

	begin(self, keyed_queue());
	for (i = 0; i < 2; i++) {
		ASSERT_EQ(1, put_key(self->fd, i, 0));
		ASSERT_EQ(i * 1000, take_one(w, &l, 0));
		EXPECT_EQ(0, settle(w->fd, l.lease, how[i], MQ_HOUR));
		ASSERT_EQ(1, put_key(self->fd, i, 1));
		ASSERT_EQ(1, put_key(self->fd, 5, i));
		ASSERT_EQ(5000 + i, take_one(w, &l, 0));
		EXPECT_EQ(0, ack(w, &l));
		EXPECT_EQ(-EAGAIN, take_one(w, &l, 0));
		EXPECT_FALSE(readable(w->fd));
		EXPECT_EQ(1 + i, FIGURE(self, HELD));
	}
}

/* A key that fails for long holds back its own records only, up to a limit */
TEST_F(queue, bound_of_what_is_held)
{
	struct worker *w = self->worker;
	struct mqbus_leased l, m;
	int i;

	begin(self, keyed_queue(.max_inflight = 5, .backoff_min = MQ_HOUR, .backoff_max = MQ_HOUR));
	ASSERT_EQ(1, put_key(self->fd, 1, 0));
	ASSERT_EQ(1000, take_one(w, &l, 0));
	for (i = 1; i <= 5; i++)
		ASSERT_EQ(1, put_key(self->fd, 1, i));
	ASSERT_EQ(1, put_key(self->fd, 2, 0));
	/* As many as may be in flight are held back, and the records behind them come */
	ASSERT_EQ(2000, take_one(w, &m, 0));
	EXPECT_EQ(0, ack(w, &m));
	EXPECT_EQ(5, FIGURE(self, HELD));
	/* At one more the partition waits */
	ASSERT_EQ(1, put_key(self->fd, 1, 6));
	ASSERT_EQ(1, put_key(self->fd, 2, 1));
	EXPECT_EQ(-EAGAIN, take_one(w, &m, 0));
	EXPECT_FALSE(readable(w->fd));
	EXPECT_EQ(5, FIGURE(self, HELD));
	EXPECT_EQ(0, ack(w, &l));
	ASSERT_EQ(1001, take_one(w, &l, 0));
	/* Now one more can be held back */
	ASSERT_EQ(2001, take_one(w, &m, 0));
	EXPECT_EQ(0, ack(w, &m));
	EXPECT_EQ(5, FIGURE(self, HELD));
	for (i = 1; i < 6; i++) {
		EXPECT_EQ(0, ack(w, &l));
		ASSERT_EQ(1001 + i, take_one(w, &l, 0));
	}
	EXPECT_EQ(0, FIGURE(self, HELD));
}

/* Other partitions do not wait for one at the limit */
TEST_F(queue, other_partitions_go_on)
{
	struct worker *w = self->worker;
	struct mqbus_msg msg = mq_msg("x", 1);
	struct mqbus_leased l, m;
	int i;

	ASSERT_EQ(0, mq_create(self->ctl, self->topic, .partitions = 2));
	begin(self, keyed_queue(.max_inflight = 2));
	msg.key = (uintptr_t)"same";
	msg.key_len = 4;
	msg.partition = 0;
	for (i = 0; i < 10; i++)
		ASSERT_EQ(1, mq_publish(self->fd, &msg, 1, NULL, 0, NULL));
	ASSERT_EQ(1, take(w->fd, &l, 1, 0));
	EXPECT_EQ(-EAGAIN, take(w->fd, &m, 1, 0));
	msg.key = (uintptr_t)"other";
	msg.key_len = 5;
	msg.partition = 1;
	ASSERT_EQ(1, mq_publish(self->fd, &msg, 1, NULL, 0, NULL));
	EXPECT_EQ(1, take(w->fd, &m, 1, 0));
	EXPECT_EQ(1, m.partition);
	EXPECT_EQ(0, ack(w, &m));
	for (i = 1; i < 10; i++) {
		EXPECT_EQ(0, ack(w, &l));
		ASSERT_EQ(1, take(w->fd, &l, 1, 0));
		EXPECT_EQ(i, l.offset);
	}
}

TEST_F(queue, without_a_key)
{
	struct worker *w = self->worker;
	struct mqbus_leased l[8];

	begin(self, keyed_queue());
	put_numbers(self->fd, 0, 3);
	ASSERT_EQ(1, put_key(self->fd, 1, 0));
	ASSERT_EQ(1, put_key(self->fd, 1, 1));
	put_numbers(self->fd, 3, 5);
	ASSERT_EQ(6, take(w->fd, l, 8, 0));
	EXPECT_EQ(1000, leased_number(w, &l[3]));
	EXPECT_EQ(4, leased_number(w, &l[5]));
	EXPECT_EQ(1, FIGURE(self, HELD));
	EXPECT_EQ(0, ack(w, &l[3]));
	EXPECT_EQ(1001, take_one(w, &l[3], 0));
}

/* Keys with a common beginning, or of the greatest length, are different */
TEST_F(queue, similar_keys)
{
	static char longest[2][MQBUS_KEY_MAX];
	struct worker *w = self->worker;
	struct mqbus_msg msg = mq_msg("x", 1);
	struct mqbus_leased l[8];
	int i;

	begin(self, keyed_queue());
	memset(longest, 'k', sizeof(longest));
	longest[1][MQBUS_KEY_MAX - 1] = 'j';
	for (i = 0; i < 6; i++) {
		msg.key = (uintptr_t)longest[i % 2];
		msg.key_len = i < 4 ? MQBUS_KEY_MAX : MQBUS_KEY_MAX - 1;
		ASSERT_EQ(1, mq_publish(self->fd, &msg, 1, NULL, 0, NULL));
	}
	/* Two keys of the greatest length, and one a byte shorter */
	ASSERT_EQ(3, take(w->fd, l, 8, 0));
	EXPECT_EQ(0, l[0].offset);
	EXPECT_EQ(1, l[1].offset);
	EXPECT_EQ(4, l[2].offset);
}

#define KEYS	100
#define OF_EACH	8

struct fire {
	unsigned int done[KEYS];	/* number of settled records of each key */
	unsigned int wrong;
};

/* Work and sometimes fail, until killed. */
static int work_under_fire(struct fire *s, const char *topic, unsigned int seed)
{
	struct mqbus_leased l;
	struct worker w;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (worker_open(&w, topic, "g", 0))
		return 1;
	for (;;) {
		__s64 v = take_one(&w, &l, MQBUS_WAIT_FOREVER);
		unsigned int key = v / 1000, nth = v % 1000, n;

		if (v < 0 || key >= KEYS)
			return 2;
		/* Time to be killed while holding this record */
		mq_sleep(MQ_MS / 10);
		/* A worker killed between mark and ack: the record comes again, with its mark */
		n = __atomic_load_n(&s->done[key], __ATOMIC_SEQ_CST);
		if (n != nth && n != nth + 1)
			__atomic_add_fetch(&s->wrong, 1, __ATOMIC_SEQ_CST);
		if (n == nth && rand_r(&seed) % 4 == 0) {
			if (nack(&w, &l))
				return 3;
			continue;
		}
		__atomic_store_n(&s->done[key], nth + 1, __ATOMIC_SEQ_CST);
		if (ack(&w, &l))
			return 4;
	}
}

/* Workers fail and are killed at random: each key's records are settled in order */
TEST_F_TIMEOUT(queue, order_under_fire, 120)
{
	struct fire *s = mq_shared(sizeof(*s));
	unsigned int i, k, seed = 11, round;
	pid_t pid[3] = {};

	begin(self, keyed_queue(.max_inflight = 64, .backoff_min = MQ_MS / 10,
				.backoff_max = MQ_MS));
	for (i = 0; i < OF_EACH; i++)
		for (k = 0; k < KEYS; k++)
			ASSERT_EQ(1, put_key(self->fd, k, i));
	for (round = 0; round < 2000; round++) {
		for (i = 0; i < 3; i++)
			if (!pid[i])
				mq_fork(pid[i])
					_exit(work_under_fire(s, self->topic, seed + i));
		mq_sleep(rand_r(&seed) % (4 * MQ_MS));
		i = rand_r(&seed) % 3;
		EXPECT_EQ(128 + SIGKILL, mq_kill(pid[i]));
		pid[i] = 0;
		if (FIGURE(self, ACKED) == KEYS * OF_EACH)
			break;
	}
	for (i = 0; i < 3; i++)
		if (pid[i])
			mq_kill(pid[i]);
	EXPECT_EQ(0, s->wrong);
	for (k = 0; k < KEYS; k++)
		EXPECT_EQ(OF_EACH, s->done[k]) TH_LOG("key %u", k);
	EXPECT_EQ(KEYS * OF_EACH, FIGURE(self, ACKED));
	EXPECT_EQ(0, FIGURE(self, INFLIGHT) + FIGURE(self, HELD) + FIGURE(self, RETRYING));
	TH_LOG("%u kills, %llu deaths, %llu failures", round, FIGURE(self, DEATHS),
	       FIGURE(self, NACKED));
}

TEST_HARNESS_MAIN
