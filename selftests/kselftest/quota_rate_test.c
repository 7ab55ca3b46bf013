// SPDX-License-Identifier: GPL-2.0
/*
 * Rates: how many tokens are admitted, who waits for them and who does not.
 *
 * Rates are so low, and bursts so long, that the tokens that arrive during a test are computed
 * from its clock.
 */
#include <sys/epoll.h>
#include <sys/resource.h>

#include "producer.h"
#include "publish.h"
#include "tracer.h"

static struct mqbus_msg msgs[2000];

/* Bytes of a record with 10 bytes of value */
#define RECORD	80

static void fill_msgs(void)
{
	unsigned int i;

	for (i = 0; i < 2000; i++)
		msgs[i] = mq_msg("0123456789", 10);
}

/* Publish as many as are admitted at once. Return: their number; *@error: why no more. */
static int put_many(int fd, int *error)
{
	int n = mq_publish(fd, msgs, 2000, NULL, 0, error);

	return n < 0 ? 0 : n;
}

/* Whether it is the number saved up, plus one for each second since @begun */
static bool tokens(int saved, int n, __u64 begun)
{
	int came = 1 + (mq_clock(CLOCK_MONOTONIC) - begun) / MQ_SEC;

	if (n >= saved && n <= saved + came)
		return true;
	printf("# %d of %d\n", n, saved);
	return false;
}

static int bound_by(uid_t uid, const char *topic)
{
	int fd = open_by(uid);

	return fd < 0 ? fd : mq_bound(fd, mq_bind_producer(fd, topic));
}

/* set(self, FIELD | ..., .rate = 5, ...) */
#define set(self, _fields, ...)							\
	mq_topic_set((self)->ctl, (self)->topic, _fields, ##__VA_ARGS__)

TEST_F(publish, a_rate_is_a_bucket)
{
	__u64 begun = mq_clock(CLOCK_MONOTONIC);
	int error, n, other;

	fill_msgs();
	begin(self, .size = 1 << 20, .rate = 1, .burst = 500 * MQ_SEC, .partitions = 2);
	other = mq_producer(self->topic, O_NONBLOCK);
	n = put_many(self->fd, &error);
	EXPECT_EQ(EAGAIN, error);
	EXPECT_TRUE(tokens(500, n, begun));
	/* The rate is for all producers and all partitions */
	n += put_many(other, &error);
	n += put_many(self->fd, &error);
	EXPECT_EQ(EAGAIN, error);
	EXPECT_TRUE(tokens(500, n, begun));
	if (write(other, "x", 1) == 1)
		n++;
	else
		EXPECT_EQ(EAGAIN, errno);
	EXPECT_TRUE(tokens(500, n, begun));
	close(other);
}

TEST_F(publish, rates_reject)
{
	__u64 begun = mq_clock(CLOCK_MONOTONIC);
	int error, n;

	fill_msgs();
	begin(self, .size = 1 << 20, .rate = 1, .burst = 100 * MQ_SEC,
	      .over = MQBUS_OVER_REJECT);
	n = mq_publish(self->fd, msgs, 2000, NULL, MQBUS_WAIT_FOREVER, &error);
	EXPECT_EQ(EXFULL, error);
	EXPECT_TRUE(tokens(100, n, begun));
	/* A full topic has nothing to do with rates */
	mq_delete(self->ctl, self->topic);
	close(self->fd);
	mq_reader_close(&self->reader);
	begin(self, .size = 4096, .rate = 1000, .over = MQBUS_OVER_REJECT);
	n = mq_publish(self->fd, msgs, 2000, NULL, 0, &error);
	EXPECT_EQ(4096 / RECORD, n);
	EXPECT_EQ(EAGAIN, error);
}

TEST_F(publish, a_rate_of_bytes)
{
	__u64 begun = mq_clock(CLOCK_MONOTONIC), passed;
	int error, n;

	fill_msgs();
	/* A record counts with its bytes in the ring */
	begin(self, .size = 1 << 20, .rate_bytes = 1, .burst = 100 * RECORD * MQ_SEC);
	n = put_many(self->fd, &error);
	passed = (mq_clock(CLOCK_MONOTONIC) - begun) / MQ_SEC;
	EXPECT_LE(100, n);
	EXPECT_GE(100 + (passed + RECORD) / RECORD, n);
	EXPECT_EQ(EAGAIN, error);
}

/* A record larger than the bucket is admitted when that is full, and leaves a debt */
TEST_F(publish, larger_than_the_bucket)
{
	static char block[16000];

	begin(self, .size = 1 << 20, .rate_bytes = 1);
	EXPECT_EQ(1, mq_put(self->fd, block, sizeof(block), 0));
	EXPECT_EQ(-EAGAIN, mq_put(self->fd, "", 0, 0));
}

/* A change wakes those that wait, and ends though they are back at once */
TEST_F(publish, a_change_while_many_poll)
{
	enum { MANY = 2000, POLLERS = 4 };
	volatile unsigned int *ready = mq_shared(MQ_PAGE);
	struct rlimit files = { 2 * MANY, 2 * MANY };
	pid_t pollers[POLLERS], setter;
	static char block[16000];
	unsigned int woken;
	bool traces;
	int i;

	ASSERT_EQ(0, setrlimit(RLIMIT_NOFILE, &files));
	begin(self, .size = 1 << 20, .rate_bytes = 1);
	ASSERT_EQ(1, mq_put(self->fd, block, sizeof(block), 0));
	for (i = 0; i < POLLERS; i++)
		mq_fork(pollers[i]) {
			struct epoll_event ev = { .events = EPOLLOUT }, evs[64];
			int ep = epoll_create1(0), k, fd;

			for (k = 0; k < MANY / POLLERS; k++) {
				fd = mq_producer(self->topic, 0);
				if (mq_put(fd, "x", 1, 0) != -EAGAIN ||
				    epoll_ctl(ep, EPOLL_CTL_ADD, fd, &ev))
					_exit(1);
			}
			__sync_fetch_and_add(ready, 1);
			for (;;)
				epoll_wait(ep, evs, 64, 0);
		}
	while (*ready < POLLERS)
		mq_sleep(MQ_MS);
	traces = trace_begin("mqbus_pollers_wake");
	for (i = 0; i < 5; i++) {
		if (traces)
			tracing("trace", " ");
		mq_fork(setter)
			_exit(-set(self, MQBUS_TOPIC_SET_MODE, .mode = i % 2 ? 0600 : 0660));
		EXPECT_EQ(0, mq_wait(setter));
		if (traces) {
			woken = traced("mqbus_pollers_wake", false);
			EXPECT_GE(MANY / 16 + 8, woken);
			TH_LOG("woken %u times", woken);
		}
	}
	if (traces)
		tracing("current_tracer", "nop");
	for (i = 0; i < POLLERS; i++)
		EXPECT_EQ(128 + SIGKILL, mq_kill(pollers[i]));
}

TEST_F(publish, a_rate_holds_back_and_lets_go)
{
	__u64 begun;
	int error;

	fill_msgs();
	begin(self, .size = 1 << 20, .rate = 1000, .burst = MQ_MS);
	begun = mq_clock(CLOCK_MONOTONIC);
	/* All of them, one each millisecond */
	EXPECT_EQ(50, mq_publish(self->fd, msgs, 50, NULL, MQBUS_WAIT_FOREVER, &error));
	EXPECT_LE(49 * MQ_MS, mq_clock(CLOCK_MONOTONIC) - begun);
	begun = mq_clock(CLOCK_MONOTONIC);
	EXPECT_EQ(10, write(self->fd, "0123456789", 10));
	EXPECT_EQ(10, write(self->fd, "0123456789", 10));
	EXPECT_LE(MQ_MS, mq_clock(CLOCK_MONOTONIC) - begun);
}

TEST_F(publish, a_rate_of_each_uid)
{
	__u64 begun = mq_clock(CLOCK_MONOTONIC);
	int alice, bob, again, error, n;

	fill_msgs();
	begin(self, .size = 1 << 20, .mode = 0622, .user_rate = 1, .burst = 100 * MQ_SEC);
	alice = bound_by(ALICE, self->topic);
	again = bound_by(ALICE, self->topic);
	bob = bound_by(BOB, self->topic);
	ASSERT_LE(0, alice);
	ASSERT_LE(0, bob);
	n = put_many(alice, &error);
	EXPECT_EQ(EAGAIN, error);
	n += put_many(again, &error);
	EXPECT_TRUE(tokens(100, n, begun));
	/* Nor does a new endpoint help */
	close(alice);
	close(again);
	alice = bound_by(ALICE, self->topic);
	n += put_many(alice, &error);
	EXPECT_TRUE(tokens(100, n, begun));
	n = put_many(bob, &error);
	EXPECT_TRUE(tokens(100, n, begun));
	/* A rate for all together on top: a token taken by one uid is missing for the others */
	ASSERT_EQ(0, set(self, MQBUS_TOPIC_SET_USER_RATE | MQBUS_TOPIC_SET_RATE,
			 .user_rate = 1, .rate = 1));
	begun = mq_clock(CLOCK_MONOTONIC);
	n = put_many(alice, &error);
	EXPECT_TRUE(tokens(100, n, begun));
	n = put_many(bob, &error);
	EXPECT_TRUE(tokens(0, n, begun));
	close(alice);
	close(bob);
}

TEST_F(publish, bytes_of_each_uid)
{
	int bob, error;

	fill_msgs();
	begin(self, .size = 1 << 20, .mode = 0622, .user_rate_bytes = 1,
	      .burst = 100000 * MQ_SEC);
	bob = bound_by(BOB, self->topic);
	EXPECT_EQ(100000 / RECORD, put_many(self->fd, &error));
	EXPECT_EQ(100000 / RECORD, put_many(bob, &error));
	close(bob);
}

/* Start a child that waits for a thousand years; it exits with the errno. */
static pid_t start_waiting(FIXTURE_DATA(publish) *self)
{
	static char block[16000];
	pid_t pid;

	/* Deep in debt */
	mq_put(self->fd, block, sizeof(block), 0);
	mq_fork(pid) {
		int n = mq_put(self->fd, "late", 4, MQBUS_WAIT_FOREVER);

		_exit(n < 0 ? -n : 200 + n);
	}
	return mq_wait_asleep(pid, SYS_ioctl) ? pid : -1;
}

TEST_F(publish, waiting_for_a_rate_ends)
{
	struct mqbus_produce args;
	pid_t pid;
	int fd;

	begin(self, .size = 1 << 20, .rate_bytes = 1);
	/* The rate that it waits for is changed */
	pid = start_waiting(self);
	ASSERT_LT(0, pid);
	ASSERT_EQ(0, set(self, MQBUS_TOPIC_SET_RATE_BYTES));
	EXPECT_EQ(201, mq_wait(pid));

	/* Set to the same value: it waits on */
	ASSERT_EQ(0, set(self, MQBUS_TOPIC_SET_RATE_BYTES, .rate_bytes = 1));
	pid = start_waiting(self);
	ASSERT_LT(0, pid);
	ASSERT_EQ(0, set(self, MQBUS_TOPIC_SET_MODE, .mode = 0666));
	ASSERT_TRUE(mq_wait_asleep(pid, SYS_ioctl));
	/* Without a rate nobody waits */
	ASSERT_EQ(0, set(self, MQBUS_TOPIC_SET_OVER, .over = MQBUS_OVER_REJECT));
	EXPECT_EQ(EXFULL, mq_wait(pid));
	ASSERT_EQ(0, set(self, MQBUS_TOPIC_SET_OVER));

	EXPECT_EQ(128 + SIGKILL, mq_kill(start_waiting(self)));
	EXPECT_EQ(-ETIMEDOUT, mq_put(self->fd, "x", 1, MQ_MS));

	/* Fenced; deleted */
	close(self->fd);
	self->fd = open_named(self->topic, "p", &args);
	pid = start_waiting(self);
	ASSERT_LT(0, pid);
	fd = open_named(self->topic, "p", &args);
	EXPECT_EQ(ENOLINK, mq_wait(pid));
	close(self->fd);
	self->fd = fd;
	pid = start_waiting(self);
	ASSERT_LT(0, pid);
	ASSERT_EQ(0, mq_delete(self->ctl, self->topic));
	EXPECT_EQ(EIDRM, mq_wait(pid));
}

TEST_F(publish, poll_waits_for_a_rate)
{
	struct pollfd p = { .events = POLLOUT };

	begin(self, .size = 1 << 20, .rate = 10, .burst = 1);
	p.fd = self->fd;
	EXPECT_EQ(1, poll(&p, 1, 0));
	EXPECT_EQ(1, mq_put(self->fd, "x", 1, 0));
	EXPECT_EQ(1, poll(&p, 1, 0));
	/* Only the clock ends this wait */
	while (mq_put(self->fd, "x", 1, 0) == 1)
		;
	EXPECT_EQ(1, poll(&p, 1, 20000));
	EXPECT_EQ(POLLOUT, p.revents);
	EXPECT_EQ(1, mq_put(self->fd, "x", 1, 0));

	/* A wait without end, and a timer that runs when the endpoint is closed */
	ASSERT_EQ(0, set(self, MQBUS_TOPIC_SET_RATE, .rate = 1));
	EXPECT_EQ(1, mq_put(self->fd, "x", 1, 0));
	ASSERT_EQ(0, set(self, MQBUS_TOPIC_SET_RATE | MQBUS_TOPIC_SET_RATE_BYTES,
			 .rate_bytes = 1));
	EXPECT_EQ(1, mq_put(self->fd, "0123456789", 10, 0));
	EXPECT_EQ(-EAGAIN, mq_put(self->fd, "x", 1, 0));
	EXPECT_EQ(0, poll(&p, 1, 10));
	close(self->fd);
	self->fd = -1;
}

/* A batch that waited goes on where it was, with all its sequence numbers */
TEST_F(publish, names_and_rates)
{
	struct mqbus_place places[30];
	struct mqbus_produce args;
	struct mqbus_publish pub;
	int fd, i;

	fill_msgs();
	begin(self, .rate = 200, .burst = MQ_MS, .partitions = 2);
	fd = open_named(self->topic, "p", &args);
	for (i = 0; i < 30; i++)
		msgs[i].partition = i / 2 % 2;
	ASSERT_EQ(0, publish_from(fd, msgs, 10, 1, places, MQBUS_WAIT_FOREVER, &pub));
	ASSERT_EQ(0, publish_from(fd, msgs, 30, 1, places, MQBUS_WAIT_FOREVER, &pub));
	EXPECT_EQ(30, pub.published);
	EXPECT_EQ(10, pub.duplicates);
	for (i = 0; i < 30; i++)
		EXPECT_EQ(i < 10 ? MQBUS_ANY : i / 2 % 2, places[i].partition);
	/* Duplicates cost nothing */
	ASSERT_EQ(0, publish_from(fd, msgs, 30, 1, places, 0, &pub));
	EXPECT_EQ(30, pub.duplicates);
	close(fd);
}

TEST_HARNESS_MAIN
