// SPDX-License-Identifier: GPL-2.0
/*
 * An endpoint that is polled any number of times: each is woken, and not at the waker's expense.
 */
#include <sys/epoll.h>
#include <sys/resource.h>

#include "queue.h"
#include "tracer.h"

#define POLLERS	1000
#define FRONT	64		/* a waker wakes so many itself */

static int fds[POLLERS];

FIXTURE(polled) {
	int ctl;
	int producer;
	int member;
	char topic[MQBUS_NAME_SIZE];
};

FIXTURE_SETUP(polled)
{
	const struct rlimit files = { POLLERS + 100, POLLERS + 100 };

	mq_name(self->topic, "polled");
	self->ctl = mq_open(0);
	self->producer = -1;
	self->member = -1;
	ASSERT_EQ(0, setrlimit(RLIMIT_NOFILE, &files));
	ASSERT_EQ(0, mq_create(self->ctl, self->topic, .size = 4096));
}

FIXTURE_TEARDOWN(polled)
{
	mq_delete(self->ctl, self->topic);
	close(self->member);
	close(self->producer);
	close(self->ctl);
}

/* An epoll instance with the endpoint @n times, for edges; or -errno */
static int gather(int fd, int n, __u32 events)
{
	struct epoll_event ev = { .events = events | EPOLLET };
	int i, epoll = epoll_create1(0);

	for (i = 0; i < n; i++) {
		ev.data.u32 = i;
		fds[i] = dup(fd);
		if (fds[i] < 0 || epoll_ctl(epoll, EPOLL_CTL_ADD, fds[i], &ev))
			return -errno;
	}
	return epoll;
}

static void scatter(int epoll, int n)
{
	close(epoll);
	while (n--)
		close(fds[n]);
}

/* How many are told of one of @events, if no more than @n are to be */
static int told(int epoll, int n, __u32 events)
{
	static struct epoll_event got[POLLERS];
	__u64 end = mq_patience();
	int found = 0, ret, i;

	while (found < n && mq_clock(CLOCK_MONOTONIC) < end) {
		ret = epoll_wait(epoll, got, n, 10);
		for (i = 0; i < ret; i++)
			found += !!(got[i].events & events);
	}
	return found;
}

/* All are told of what @waker does, who calls few of them */
static void wakes_few(struct __test_metadata *_metadata, int waker, int polled, __u32 events,
		      int (*wake)(int fd))
{
	int epoll = gather(polled, POLLERS, events), others;
	bool tracer = trace_begin("ep_poll_callback");

	ASSERT_LE(0, epoll);
	EXPECT_EQ(1, wake(waker));
	EXPECT_EQ(POLLERS, told(epoll, POLLERS, events));
	tracing("tracing_on", "0");
	others = traced("ep_poll_callback", false);
	if (tracer)
		EXPECT_LE(POLLERS - FRONT, traced("ep_poll_callback", true));
	/* With the waker's other calls, if there are any */
	EXPECT_GE(2 * FRONT, others);
	TH_LOG("%d were called by the waker", others);
	tracing("current_tracer", "nop");
	scatter(epoll, POLLERS);
}

static int put_one(int fd)
{
	return mq_put(fd, "12345678", 8, 0);
}

TEST_F(polled, member_of_a_stream)
{
	ASSERT_EQ(0, mq_group(self->ctl, self->topic, "g"));
	self->member = mq_member(self->topic, "g", 0);
	self->producer = mq_producer(self->topic, 0);
	wakes_few(_metadata, self->producer, self->member, EPOLLIN, put_one);
}

TEST_F(polled, member_of_a_queue)
{
	ASSERT_EQ(0, mq_queue(self->ctl, self->topic, "g", NULL));
	self->member = mq_member(self->topic, "g", 0);
	self->producer = mq_producer(self->topic, 0);
	wakes_few(_metadata, self->producer, self->member, EPOLLIN, put_one);
}

static int make_room(int fd)
{
	struct mqbus_range range;
	int ret = mq_fetch(fd, &range, 1, MQBUS_FETCH_F_COMMIT, 0);

	/* Commits what the first has given */
	mq_fetch(fd, &range, 1, MQBUS_FETCH_F_COMMIT, 0);
	return ret;
}

/* Whoever settles makes room, and wakes the pollers of those who wait for it */
TEST_F(polled, producer)
{
	static char block[500];

	ASSERT_EQ(0, mq_group(self->ctl, self->topic, "g"));
	self->member = mq_member(self->topic, "g", 0);
	self->producer = mq_producer(self->topic, O_NONBLOCK);
	while (mq_put(self->producer, block, sizeof(block), 0) == 1)
		;
	wakes_few(_metadata, self->member, self->producer, EPOLLOUT, make_room);
}

/* For whatever events they wait, all are told of the end */
TEST_F(polled, all_are_told_of_the_end)
{
	int epoll;

	ASSERT_EQ(0, mq_group(self->ctl, self->topic, "g"));
	self->member = mq_member(self->topic, "g", 0);
	epoll = gather(self->member, POLLERS, EPOLLPRI);
	ASSERT_LE(0, epoll);
	ASSERT_EQ(0, mq_group_delete(self->ctl, self->topic, "g", MQBUS_GROUP_DELETE_F_FORCE));
	EXPECT_EQ(POLLERS, told(epoll, POLLERS, EPOLLHUP));
	scatter(epoll, POLLERS);
}

TEST_F(polled, all_are_told_of_a_fence)
{
	struct mqbus_produce args = {};
	int other = mq_open(0), epoll;

	self->producer = mq_open(0);
	mq_set_name(args.topic, self->topic);
	mq_set_name(args.name, "me");
	ASSERT_EQ(0, mq_ioctl(self->producer, MQBUS_IOC_PRODUCE, &args));
	epoll = gather(self->producer, POLLERS, 0);
	ASSERT_LE(0, epoll);
	ASSERT_EQ(0, mq_ioctl(other, MQBUS_IOC_PRODUCE, &args));
	EXPECT_EQ(POLLERS, told(epoll, POLLERS, EPOLLERR));
	scatter(epoll, POLLERS);
	close(other);
}

#define SOME	100

/* Pollers come and go, and so do endpoints, while records are stored */
TEST_F_TIMEOUT(polled, closed_while_woken, 120)
{
	const int rounds = 50 / mq_slow();
	int i, epoll;
	pid_t pid;

	ASSERT_EQ(0, mq_delete(self->ctl, self->topic));
	ASSERT_EQ(0, mq_create(self->ctl, self->topic, .size = 4096, .full = MQBUS_FULL_EVICT));
	ASSERT_EQ(0, mq_group(self->ctl, self->topic, "g"));
	mq_fork(pid) {
		self->producer = mq_producer(self->topic, 0);
		while (mq_put(self->producer, "12345678", 8, 0) == 1)
			;
	}
	for (i = 0; i < rounds; i++) {
		self->member = mq_member(self->topic, "g", 0);
		epoll = gather(self->member, SOME, EPOLLIN);
		ASSERT_LE(0, epoll);
		EXPECT_LT(0, told(epoll, 1, EPOLLIN));
		/* The endpoint goes before its pollers, or after them */
		if (i % 2)
			close(self->member);
		scatter(epoll, SOME);
		if (!(i % 2))
			close(self->member);
		self->member = -1;
	}
	EXPECT_EQ(128 + SIGKILL, mq_kill(pid));
}

TEST_HARNESS_MAIN
