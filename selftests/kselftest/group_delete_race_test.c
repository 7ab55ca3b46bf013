// SPDX-License-Identifier: GPL-2.0
/*
 * Groups deleted by force while their members are busy and publishers wait for their space. The
 * records of a deleted group are overwritten at once, so no member may read them any more: a
 * kernel that checks memory notices, and a read() that still succeeds returns no record.
 */
#include "queue.h"

/* The longest value, so that a ring has room for a few records */
#define LONGEST	300

static __u64 doomed_time(void)
{
	return mq_clock(CLOCK_MONOTONIC) + 4 * MQ_SEC;
}

/* Values of all lengths, with the length in each byte; keys that often collide */
static void publish_forever(const char *topic)
{
	int fd = mq_producer(topic, 0);
	unsigned int seed = getpid();
	char value[LONGEST];

	for (;;) {
		struct mqbus_msg msg = mq_msg(value, rand_r(&seed) % LONGEST + 1);
		char key = 'a' + rand_r(&seed) % 5;

		memset(value, msg.value_len, msg.value_len);
		if (rand_r(&seed) % 3) {
			msg.key = (uintptr_t)&key;
			msg.key_len = 1;
		}
		mq_publish(fd, &msg, 1, NULL, 10 * MQ_MS, NULL);
	}
}

static void read_fast(const char *topic)
{
	struct mqbus_range range;
	int fd = mq_member(topic, "fast", 0);

	for (;;)
		mq_fetch(fd, &range, 1, MQBUS_FETCH_F_COMMIT, MQ_SEC);
}

/* Return: whether it was a record, or an error. */
static bool read_whole(int fd, int *err)
{
	unsigned char value[2 * LONGEST];
	ssize_t n = read(fd, value, sizeof(value)), i;

	*err = n < 0 ? -errno : 0;
	for (i = 0; i < n; i++)
		if (value[i] != (unsigned char)n)
			return false;
	return n <= LONGEST && n;
}

/* Lease some and settle them in different ways; or fetch, in a stream group. */
static int work(int fd, unsigned int *seed)
{
	struct mqbus_settle settles[8];
	struct mqbus_leased leased[8];
	struct mqbus_range range;
	int n = take(fd, leased, rand_r(seed) % 8 + 1, 0), i;

	if (n == -EBADFD)
		return mq_fetch(fd, &range, 1, rand_r(seed) & 1, 0);
	for (i = 0; i < n; i++)
		settles[i] = (struct mqbus_settle) {
			.lease = leased[i].lease, .what = rand_r(seed) % (MQBUS_REJECT + 1),
		};
	/* The rest is left until the member leaves */
	return n > 1 ? settle_many(fd, settles, n - 1) : n;
}

/* A member of any existing group. Return: 1 if it got something that is no record */
static int work_forever(const char *topic, const __u32 *over)
{
	unsigned int seed = getpid();
	int fd, err;

	while (!__atomic_load_n(over, __ATOMIC_RELAXED)) {
		fd = mq_member(topic, "doomed", O_NONBLOCK);
		for (err = fd; err != -EIDRM && err != -ENOENT;) {
			if (rand_r(&seed) % 2) {
				if (!read_whole(fd, &err))
					return 1;
			} else {
				err = work(fd, &seed);
			}
			if (!(rand_r(&seed) % 64))
				break;
		}
		if (fd >= 0)
			close(fd);
		else
			sched_yield();
	}
	return 0;
}

static int doom(FIXTURE_DATA(queue) *self, unsigned int round)
{
	static const __u32 flags[] = { 0, MQBUS_QUEUE_F_KEY_EXCLUSIVE, MQBUS_QUEUE_F_AT_MOST_ONCE };
	int err;

	if (round % 4 == 3)
		err = mq_group(self->ctl, self->topic, "doomed");
	else
		err = mq_queue(self->ctl, self->topic, "doomed", self->dlq, .max_attempts = 2,
			       .retry_size = 4096, .max_inflight = 16, .backoff_min = MQ_MS / 4,
			       .backoff_max = MQ_MS, .lease = MQ_MS, .flags = flags[round % 4]);
	mq_sleep(round % 5 * MQ_MS);
	return err ?: mq_group_delete(self->ctl, self->topic, "doomed", MQBUS_GROUP_DELETE_F_FORCE);
}

TEST_F(queue, deleted_at_work)
{
	__u32 *over = mq_shared(sizeof(*over));
	pid_t publishers[2], workers[3], fast;
	unsigned int i, rounds = 0;
	__u64 end = doomed_time();

	ASSERT_NE(NULL, over);
	ASSERT_EQ(0, mq_create(self->ctl, self->topic, .size = 4096, .max_record = LONGEST + 1));
	ASSERT_EQ(0, mq_create(self->ctl, self->dlq, .size = 4096, .full = MQBUS_FULL_EVICT));
	ASSERT_EQ(0, mq_group(self->ctl, self->topic, "fast"));
	mq_fork(fast)
		read_fast(self->topic);
	for (i = 0; i < 2; i++)
		mq_fork(publishers[i])
			publish_forever(self->topic);
	for (i = 0; i < 3; i++)
		mq_fork(workers[i])
			_exit(work_forever(self->topic, over));
	for (; mq_clock(CLOCK_MONOTONIC) < end; rounds++)
		ASSERT_EQ(0, doom(self, rounds));
	__atomic_store_n(over, 1, __ATOMIC_RELAXED);
	for (i = 0; i < 3; i++)
		EXPECT_EQ(0, mq_wait(workers[i]));
	for (i = 0; i < 2; i++)
		mq_kill(publishers[i]);
	mq_kill(fast);
	EXPECT_LT(0, rounds);
}

TEST_HARNESS_MAIN
