// SPDX-License-Identifier: GPL-2.0
/*
 * Many threads on a queue group: each settlement counts once, and the group's counters match
 * what the threads did.
 */
#include "queue.h"

#define THREADS	4
#define LEASES	1000

struct settler {
	int fd;
	const struct mqbus_leased *leases;
	unsigned int seed;
	unsigned char won[LEASES];
	unsigned int wrong;
};

/* Settle all leases, in an order and in batches of the thread's own */
static void *settle_all(void *arg)
{
	struct settler *t = arg;
	struct mqbus_settle s[LEASES];
	unsigned int index[LEASES], i, k, n;

	for (i = 0; i < LEASES; i++)
		index[i] = i;
	for (i = LEASES - 1; i; i--) {
		unsigned int one = index[i];

		k = rand_r(&t->seed) % (i + 1);
		index[i] = index[k];
		index[k] = one;
	}
	memset(s, 0, sizeof(s));
	for (i = 0; i < LEASES; i++)
		s[i].lease = t->leases[index[i]].lease;
	for (i = 0; i < LEASES; i += n) {
		n = 1 + rand_r(&t->seed) % 20;
		if (n > LEASES - i)
			n = LEASES - i;
		settle_many(t->fd, &s[i], n);
	}
	for (i = 0; i < LEASES; i++) {
		t->won[index[i]] = !s[i].error;
		t->wrong += s[i].error && s[i].error != EALREADY;
	}
	return NULL;
}

TEST_F(queue, settled_once)
{
	static struct mqbus_leased l[LEASES];
	static struct settler t[THREADS];
	struct worker *w = self->worker;
	pthread_t thread[THREADS];
	unsigned int i, k, won;

	ASSERT_EQ(0, mq_create(self->ctl, self->topic, .size = 1 << 17));
	begin(self, .max_inflight = LEASES);
	put_numbers(self->fd, 0, LEASES);
	ASSERT_EQ(LEASES, take(w->fd, l, LEASES, 0));
	for (i = 0; i < THREADS; i++) {
		t[i] = (struct settler){ .fd = w->fd, .leases = l, .seed = i + 1 };
		ASSERT_EQ(0, pthread_create(&thread[i], NULL, settle_all, &t[i]));
	}
	for (i = 0; i < THREADS; i++)
		pthread_join(thread[i], NULL);
	for (i = 0; i < THREADS; i++)
		EXPECT_EQ(0, t[i].wrong);
	for (k = 0; k < LEASES; k++) {
		for (i = 0, won = 0; i < THREADS; i++)
			won += t[i].won[k];
		ASSERT_EQ(1, won) TH_LOG("lease %u", k);
	}
	EXPECT_EQ(LEASES, FIGURE(self, ACKED));
	EXPECT_EQ(0, FIGURE(self, INFLIGHT));
}

#define NUMBERS	4000

struct crowd {
	const char *topic;
	int fd;				/* shared by all threads; -1: each has its own */
	__u64 lease;
	unsigned int seed;
	unsigned int nacks;		/* percent */
	unsigned int releases;
	unsigned int nap;		/* us */
	unsigned char *done;		/* how often each number was acknowledged */
	unsigned int acked, late;
	int error;
};

static bool crowd_done(const struct crowd *c)
{
	struct figures f;

	return figures_get(c->topic, "g", &f) ||
	       f.number[MQBUS_A_QUEUE_ACKED] + f.number[MQBUS_A_QUEUE_DEAD_LETTERED] == NUMBERS;
}

/* Work until all records are settled */
static void *work(void *arg)
{
	struct crowd *c = arg;
	struct mqbus_leased l[16];
	struct worker w;
	int i, n;

	if (worker_open(&w, c->topic, "g", 0)) {
		c->error = 1;
		return NULL;
	}
	for (;;) {
		int fd = c->fd >= 0 ? c->fd : w.fd;

		n = take_timed(fd, l, 1 + rand_r(&c->seed) % 16, c->lease, MQ_MS);
		if (n == -ETIMEDOUT) {
			if (crowd_done(c))
				break;
			continue;
		}
		if (n < 0) {
			c->error = n;
			break;
		}
		for (i = 0; i < n; i++) {
			unsigned int dice = rand_r(&c->seed) % 100;
			__s64 v = leased_number(&w, &l[i]);
			__u32 what = MQBUS_ACK;
			int ret;

			if (c->nap)
				mq_sleep(rand_r(&c->seed) % c->nap * 1000);
			if (dice < c->nacks)
				what = MQBUS_NACK;
			else if (dice < c->nacks + c->releases)
				what = MQBUS_RELEASE;
			ret = settle(fd, l[i].lease, what, 0);
			if (ret && !(c->lease && (ret == -ETIMEDOUT || ret == -ESTALE)))
				c->error = ret;
			if (!ret && what == MQBUS_ACK) {
				if (v < 0 || v >= NUMBERS)
					c->error = 2;
				else
					__atomic_add_fetch(&c->done[v], 1, __ATOMIC_RELAXED);
				c->acked++;
			}
			c->late += !!ret;
		}
	}
	worker_close(&w);
	return NULL;
}

static void *produce(void *arg)
{
	struct crowd *c = arg;
	int fd = mq_producer(c->topic, 0);
	__u64 v;

	for (v = 0; v < NUMBERS; v++)
		if (mq_put(fd, &v, sizeof(v), MQ_LONG) != 1)
			c->error = 1;
	close(fd);
	return NULL;
}

/* Run a producer and a crowd like @like, and sum up their counters. */
static struct crowd run_crowd(const char *topic, struct crowd like)
{
	struct crowd c[THREADS], maker = { .topic = topic };
	pthread_t thread[THREADS], producer;
	unsigned int i;

	like.topic = topic;
	like.done = calloc(NUMBERS, 1);
	for (i = 0; i < THREADS; i++) {
		c[i] = like;
		c[i].seed = 100 + i;
		pthread_create(&thread[i], NULL, work, &c[i]);
	}
	pthread_create(&producer, NULL, produce, &maker);
	pthread_join(producer, NULL);
	like.error = maker.error;
	for (i = 0; i < THREADS; i++) {
		pthread_join(thread[i], NULL);
		like.error = like.error ?: c[i].error;
		like.acked += c[i].acked;
		like.late += c[i].late;
	}
	return like;
}

/* The counters of the crowd and of the group agree, and each number was settled once */
static bool crowd_agrees(FIXTURE_DATA(queue) *self, const struct crowd *c)
{
	struct figures f;
	unsigned int i, once = 0;

	if (c->error || figures_get(self->topic, "g", &f))
		return false;
	for (i = 0; i < NUMBERS; i++)
		once += c->done[i] == 1;
	return once == c->acked && f.number[MQBUS_A_QUEUE_ACKED] == c->acked &&
	       c->acked + f.number[MQBUS_A_QUEUE_DEAD_LETTERED] == NUMBERS &&
	       f.number[MQBUS_A_QUEUE_DELIVERED] == NUMBERS + f.number[MQBUS_A_QUEUE_REDELIVERED] &&
	       f.number[MQBUS_A_QUEUE_DELIVERED] ==
		       f.number[MQBUS_A_QUEUE_ACKED] + f.number[MQBUS_A_QUEUE_NACKED] +
		       f.number[MQBUS_A_QUEUE_RELEASED] + f.number[MQBUS_A_QUEUE_EXPIRED] +
		       f.number[MQBUS_A_QUEUE_DIED] &&
	       !f.number[MQBUS_A_QUEUE_INFLIGHT] && !f.number[MQBUS_A_QUEUE_RETRYING] &&
	       !f.number[MQBUS_A_QUEUE_LEASED] && !f.number[MQBUS_A_QUEUE_HELD];
}

TEST_F_TIMEOUT(queue, crowd_of_members, 120)
{
	struct crowd c = { .fd = -1, .nacks = 10, .releases = 10 };

	begin(self, .max_inflight = 50);
	c = run_crowd(self->topic, c);
	EXPECT_EQ(0, c.error);
	EXPECT_TRUE(crowd_agrees(self, &c));
}

TEST_F_TIMEOUT(queue, crowd_on_one_endpoint, 120)
{
	struct crowd c = { .nacks = 10, .releases = 10 };

	begin(self, .max_inflight = 50);
	c.fd = self->worker[0].fd;
	c = run_crowd(self->topic, c);
	EXPECT_EQ(0, c.error);
	EXPECT_TRUE(crowd_agrees(self, &c));
}

/* Leases that expire just when they are settled: one or the other happens */
TEST_F_TIMEOUT(queue, crowd_against_the_clock, 120)
{
	struct crowd c = { .fd = -1, .releases = 5, .lease = MQ_MS, .nap = 50 };

	begin(self);
	c = run_crowd(self->topic, c);
	EXPECT_EQ(0, c.error);
	EXPECT_TRUE(crowd_agrees(self, &c));
	EXPECT_EQ(c.late > 0, FIGURE(self, EXPIRED) > 0);
	TH_LOG("%u of %llu that ran out were settled too late", c.late, FIGURE(self, EXPIRED));
}

TEST_F_TIMEOUT(queue, crowd_with_keys_and_dead_letters, 120)
{
	struct crowd c = { .fd = -1, .nacks = 40 };
	struct mq_reader dead;
	unsigned int n = 0;

	begin_dlq(self, .max_attempts = 2, .max_inflight = 50, .retry_size = 1 << 17,
		  .flags = MQBUS_QUEUE_F_KEY_EXCLUSIVE);
	c = run_crowd(self->topic, c);
	EXPECT_EQ(0, c.error);
	EXPECT_TRUE(crowd_agrees(self, &c));
	ASSERT_EQ(0, mq_reader_open(&dead, self->dlq, "dead"));
	while (mq_next(&dead, 0))
		n++;
	EXPECT_EQ(NUMBERS, n + c.acked);
	EXPECT_LT(0, n);
	mq_reader_close(&dead);
}

struct changer {
	int ctl;
	const char *topic;
	char dlq[2][MQBUS_NAME_SIZE];
	bool stop;
	int error;
};

/* Change all options that may change, while others work */
static void *keep_changing(void *arg)
{
	struct changer *c = arg;
	unsigned int seed = 1;

	while (!__atomic_load_n(&c->stop, __ATOMIC_RELAXED)) {
		unsigned int dice = rand_r(&seed);

		c->error = c->error ?:
			mq_set(c->ctl, c->topic, "g", MQBUS_GROUP_SET_MAX_INFLIGHT |
			       MQBUS_GROUP_SET_CREDIT | MQBUS_GROUP_SET_MAX_ATTEMPTS, NULL,
			       .max_inflight = 1 + dice % 50, .credit = dice / 50 % 20,
			       .max_attempts = 1 + dice / 1000 % 5) ?:
			mq_set(c->ctl, c->topic, "g", MQBUS_GROUP_SET_LEASE |
			       MQBUS_GROUP_SET_BACKOFF, NULL, .lease = dice % 2 * MQ_HOUR,
			       .backoff_min = dice % 200 * 1000, .backoff_max = MQ_MS,
			       .backoff_jitter = dice % 101) ?:
			mq_set(c->ctl, c->topic, "g", MQBUS_GROUP_SET_DLQ, c->dlq[dice % 2]);
	}
	return NULL;
}

TEST_F_TIMEOUT(queue, changed_under_load, 120)
{
	struct crowd c = { .fd = -1, .nacks = 30, .releases = 10 };
	struct changer changer = { .ctl = self->ctl, .topic = self->topic };
	pthread_t thread;

	mq_name(changer.dlq[0], "other");
	mq_set_name(changer.dlq[1], self->dlq);
	ASSERT_EQ(0, mq_create(self->ctl, changer.dlq[0], .size = 1 << 20));
	begin_dlq(self, .max_attempts = 2, .max_inflight = 50);
	ASSERT_EQ(0, pthread_create(&thread, NULL, keep_changing, &changer));
	c = run_crowd(self->topic, c);
	__atomic_store_n(&changer.stop, true, __ATOMIC_RELAXED);
	pthread_join(thread, NULL);
	EXPECT_EQ(0, changer.error);
	EXPECT_EQ(0, c.error);
	EXPECT_TRUE(crowd_agrees(self, &c));
	EXPECT_EQ(0, mq_delete(self->ctl, changer.dlq[0]));
}

TEST_HARNESS_MAIN
