// SPDX-License-Identifier: GPL-2.0
/*
 * Each cause that makes a producer writable, or ends it, and each way to wait for that: each
 * cause wakes each waiter.
 */
#include <sys/select.h>

#include "producer.h"

FIXTURE(writable) {
	int ctl;
	int fd;				/* a producer that is not writable */
	int member;			/* a member of "g" */
	char topic[MQBUS_NAME_SIZE];
};

FIXTURE_SETUP(writable)
{
	self->ctl = mq_open(0);
	ASSERT_LE(0, self->ctl);
}

FIXTURE_TEARDOWN(writable)
{
	close(self->ctl);
}

static char block[4000];

static int put(int fd, __u32 len)
{
	return mq_put_in(fd, 0, block, len);
}

/* Publish to partition 0 until a record is refused. */
static int fill(FIXTURE_DATA(writable) *self, __u32 len)
{
	int ret;

	while ((ret = put(self->fd, len)) == 1)
		;
	return ret == -EAGAIN ? 0 : ret;
}

#define create(self, ...)	mq_create((self)->ctl, (self)->topic, ##__VA_ARGS__)
#define set(self, _fields, ...)							\
	mq_topic_set((self)->ctl, (self)->topic, _fields, ##__VA_ARGS__)

static int full(FIXTURE_DATA(writable) *self)
{
	int err = create(self, .size = 4096, .partitions = 2) ?:
		  mq_group(self->ctl, self->topic, "g");

	self->fd = mq_producer(self->topic, 0);
	self->member = mq_member(self->topic, "g", 0);
	return err ?: fill(self, 8);
}

static int full_queue(FIXTURE_DATA(writable) *self)
{
	struct mqbus_group_create args = { .type = MQBUS_GROUP_QUEUE, .mode = 0600 };
	int err = create(self, .size = 4096);

	mq_set_name(args.topic, self->topic);
	mq_set_name(args.group, "g");
	err = err ?: mq_ioctl(self->ctl, MQBUS_IOC_GROUP_CREATE, &args);
	self->fd = mq_producer(self->topic, 0);
	self->member = mq_member(self->topic, "g", 0);
	return err ?: fill(self, 8);
}

static int full_without_groups(FIXTURE_DATA(writable) *self)
{
	int err = create(self, .size = 4096);

	self->fd = mq_producer(self->topic, 0);
	return err ?: fill(self, 8);
}

static int full_and_named(FIXTURE_DATA(writable) *self)
{
	struct mqbus_produce args;
	int err = create(self, .size = 4096);

	self->fd = open_named(self->topic, "name", &args);
	return err ?: fill(self, 8);
}

/* Over a rate, for an hour */
static int over_rate(FIXTURE_DATA(writable) *self)
{
	int err = create(self, .rate_bytes = 1);

	self->fd = mq_producer(self->topic, 0);
	return err ?: fill(self, sizeof(block));
}

/* Over a rate, for a moment */
static int over_rate_soon(FIXTURE_DATA(writable) *self)
{
	int err = create(self, .rate = 4, .burst = 1);

	self->fd = mq_producer(self->topic, 0);
	return err ?: fill(self, 8);
}

static int over_share(FIXTURE_DATA(writable) *self)
{
	int err = create(self, .size = 16384, .share = 50) ?:
		  mq_group(self->ctl, self->topic, "g");

	self->fd = mq_producer(self->topic, 0);
	self->member = mq_member(self->topic, "g", 0);
	return err ?: fill(self, 1000) ?: fill(self, 8);
}

static int commit(FIXTURE_DATA(writable) *self)
{
	struct mqbus_range range;

	return mq_fetch(self->member, &range, 1, 0, 0) == 1 ? mq_commit_fetched(self->member) : 1;
}

static int ack(FIXTURE_DATA(writable) *self)
{
	struct mqbus_leased leased[MQBUS_LEASE_MAX / 64];
	struct mqbus_lease args = {
		.leases = (uintptr_t)leased, .lease_size = sizeof(*leased),
		.nr_leases = MQBUS_LEASE_MAX / 64,
	};
	int err = mq_ioctl(self->member, MQBUS_IOC_LEASE, &args);

	args = (struct mqbus_lease) { .flags = MQBUS_LEASE_F_ACK };
	return err ?: mq_ioctl(self->member, MQBUS_IOC_LEASE, &args);
}

static int delete_group(FIXTURE_DATA(writable) *self)
{
	return mq_group_delete(self->ctl, self->topic, "g", MQBUS_GROUP_DELETE_F_FORCE) ?:
	       mq_group_create(self->ctl, self->topic, "h", MQBUS_WHENCE_LATEST, 0, 0600);
}

/* Group "h" holds no records; "g", which does, is deleted */
static int delete_slow_group(FIXTURE_DATA(writable) *self)
{
	return mq_group_create(self->ctl, self->topic, "h", MQBUS_WHENCE_LATEST, 0, 0600) ?:
	       mq_group_delete(self->ctl, self->topic, "g", MQBUS_GROUP_DELETE_F_FORCE);
}

static int create_group(FIXTURE_DATA(writable) *self)
{
	return mq_group_create(self->ctl, self->topic, "g", MQBUS_WHENCE_LATEST, 0, 0600);
}

static int seek(FIXTURE_DATA(writable) *self)
{
	return mq_seek(self->ctl, self->topic, "g", MQBUS_GROUP_SEEK_F_FORCE, MQBUS_ANY,
		       MQBUS_WHENCE_LATEST, 0, NULL, 0) < 0;
}

static int set_reject(FIXTURE_DATA(writable) *self)
{
	return set(self, MQBUS_TOPIC_SET_FULL, .full = MQBUS_FULL_REJECT);
}

static int set_over(FIXTURE_DATA(writable) *self)
{
	return set(self, MQBUS_TOPIC_SET_OVER, .over = MQBUS_OVER_REJECT);
}

static int set_rate(FIXTURE_DATA(writable) *self)
{
	return set(self, MQBUS_TOPIC_SET_RATE_BYTES);
}

static int set_share(FIXTURE_DATA(writable) *self)
{
	return set(self, MQBUS_TOPIC_SET_SHARE, .share = 100);
}

static int nothing(FIXTURE_DATA(writable) *self)
{
	return 0;
}

/* Another task publishes something else by the same endpoint */
static int store(FIXTURE_DATA(writable) *self)
{
	return mq_put_in(self->fd, 1, "x", 1) != 1;
}

static int fence(FIXTURE_DATA(writable) *self)
{
	struct mqbus_produce args;
	int fd = open_named(self->topic, "name", &args);

	close(fd);
	return fd < 0;
}

static int delete_topic(FIXTURE_DATA(writable) *self)
{
	return mq_delete(self->ctl, self->topic);
}

/* Causes: state before, result of poll() after it, and of a call */
static const struct change {
	const char *name;
	int (*before)(FIXTURE_DATA(writable) *self);
	int (*happen)(FIXTURE_DATA(writable) *self);
	int events;
	int ret;			/* 1: goes on waiting */
} changes[] = {
	{ "a commit", full, commit, POLLOUT },
	{ "an ack", full_queue, ack, POLLOUT },
	{ "a group is deleted", full, delete_group, POLLOUT },
	{ "the slowest group is deleted", full, delete_slow_group, POLLOUT },
	{ "a first group is at the end", full_without_groups, create_group, POLLOUT },
	{ "a seek", full, seek, POLLOUT },
	{ "full topics reject", full, set_reject, POLLOUT, -ENOBUFS },
	{ "what is over a rate is rejected", over_rate, set_over, POLLOUT, -EXFULL },
	{ "another rate", over_rate, set_rate, POLLOUT },
	{ "time", over_rate_soon, nothing, POLLOUT },
	{ "another share", over_share, set_share, POLLOUT },
	{ "a commit, of a share", over_share, commit, POLLOUT },
	{ "a record elsewhere", full, store, POLLOUT, 1 },
	{ "the name is opened again", full_and_named, fence, POLLOUT | POLLERR, -ENOLINK },
	{ "the topic is deleted", full, delete_topic, POLLOUT | POLLHUP, -EIDRM },
	{ "the topic is deleted, of a rate", over_rate, delete_topic, POLLOUT | POLLHUP,
	  -EIDRM },
};

static int by_poll(int fd, int events)
{
	struct pollfd p = { .fd = fd, .events = events };

	return syscall(SYS_poll, &p, 1, -1) == 1 ? p.revents : 0x80;
}

static int by_select(int fd, int events)
{
	fd_set set;

	FD_ZERO(&set);
	FD_SET(fd, &set);
	return syscall(SYS_select, fd + 1, NULL, &set, NULL, NULL) == 1 ? POLLOUT : 0x80;
}

static int by_epoll(int fd, unsigned int events)
{
	struct epoll_event ev = { .events = events };
	int ep = epoll_create1(EPOLL_CLOEXEC);

	if (epoll_ctl(ep, EPOLL_CTL_ADD, fd, &ev))
		return 0x80;
	return syscall(SYS_epoll_wait, ep, &ev, 1, -1) == 1 ? (int)ev.events : 0x80;
}

static int by_level(int fd, int events)
{
	return by_epoll(fd, events);
}

static int by_oneshot(int fd, int events)
{
	return by_epoll(fd, events | EPOLLONESHOT);
}

static int by_exclusive(int fd, int events)
{
	return by_epoll(fd, events | EPOLLEXCLUSIVE);
}

/* Refused once more after it was added: poll() is not called again before the wakeup */
static int by_edge(int fd, int events)
{
	struct epoll_event ev = { .events = events | EPOLLET };
	int ep = epoll_create1(EPOLL_CLOEXEC);

	if (epoll_ctl(ep, EPOLL_CTL_ADD, fd, &ev))
		return 0x80;
	if (events & EPOLLOUT) {
		while (put(fd, sizeof(block) / 4) == 1)
			;
		epoll_wait(ep, &ev, 1, 0);
	}
	return syscall(SYS_epoll_wait, ep, &ev, 1, -1) == 1 ? (int)ev.events : 0x80;
}

static int by_publish(int fd, int events)
{
	struct mqbus_msg msg = mq_msg(block, 8);
	int ret;

	msg.partition = 0;
	ret = mq_publish(fd, &msg, 1, NULL, MQBUS_WAIT_FOREVER, NULL);
	return ret == 1 ? 0 : -ret;
}

static int by_publish_timed(int fd, int events)
{
	struct mqbus_msg msg = mq_msg(block, 8);
	int ret;

	msg.partition = 0;
	ret = mq_publish(fd, &msg, 1, NULL, 3600 * MQ_SEC, NULL);
	return ret == 1 ? 0 : -ret;
}

/* The waiter, its events, and its call */
static const struct waiter {
	const char *name;
	int (*wait)(int fd, int events);
	int events;
	long call;
} waiters[] = {
	{ "poll", by_poll, POLLOUT, SYS_poll },
	{ "poll, also for others", by_poll, POLLIN | POLLPRI | POLLOUT, SYS_poll },
	{ "poll for POLLPRI", by_poll, POLLPRI, SYS_poll },
	{ "poll for nothing", by_poll, 0, SYS_poll },
	{ "select", by_select, POLLOUT, SYS_select },
	{ "epoll", by_level, EPOLLOUT, SYS_epoll_wait },
	{ "epoll for nothing", by_level, 0, SYS_epoll_wait },
	{ "EPOLLET", by_edge, EPOLLOUT, SYS_epoll_wait },
	{ "EPOLLET for nothing", by_edge, 0, SYS_epoll_wait },
	{ "EPOLLONESHOT", by_oneshot, EPOLLOUT, SYS_epoll_wait },
	{ "EPOLLEXCLUSIVE", by_exclusive, EPOLLOUT, SYS_epoll_wait },
	{ "a call", by_publish, -1, SYS_ioctl },
	{ "a call with a limit", by_publish_timed, -1, SYS_ioctl },
};

/* Exit status of the child that waits; -1: it is not woken */
static int expected(const struct change *c, const struct waiter *w)
{
	if (w->events == -1)
		return c->ret == 1 ? -1 : -c->ret;
	if (!(w->events & POLLOUT) && !(c->events & (POLLERR | POLLHUP)))
		return -1;
	if (w->wait == by_select)
		return POLLOUT;
	return c->events & (w->events | POLLERR | POLLHUP);
}

static void one(struct __test_metadata *_metadata, FIXTURE_DATA(writable) *self,
		const struct change *c, const struct waiter *w)
{
	int want = expected(c, w);
	pid_t pid;

	if (want < 0)
		return;
	mq_name(self->topic, "writable");
	self->fd = -1;
	self->member = -1;
	ASSERT_EQ(0, c->before(self)) TH_LOG("%s", c->name);
	mq_fork(pid) {
		/* The parent's calls must not release the last reference */
		close(self->member);
		_exit(w->wait(self->fd, w->events));
	}
	if (c->happen != nothing)
		ASSERT_TRUE(mq_wait_asleep(pid, w->call)) TH_LOG("%s: %s", c->name, w->name);
	ASSERT_EQ(0, c->happen(self)) TH_LOG("%s", c->name);
	EXPECT_EQ(want, mq_wait(pid)) TH_LOG("%s: %s", c->name, w->name);
	close(self->fd);
	if (self->member >= 0)
		close(self->member);
	mq_delete(self->ctl, self->topic);
}

TEST_F_TIMEOUT(writable, each_is_woken_by_each, 600)
{
	size_t i, k;

	for (i = 0; i < sizeof(changes) / sizeof(*changes); i++)
		for (k = 0; k < sizeof(waiters) / sizeof(*waiters); k++)
			one(_metadata, self, &changes[i], &waiters[k]);
}

/* Written to until a record was refused, and then only woken: poll() is not called in between */
TEST_F(writable, edges_of_a_rate)
{
	struct epoll_event ev = { .events = EPOLLOUT | EPOLLET };
	int ep = epoll_create1(EPOLL_CLOEXEC), i;

	mq_name(self->topic, "writable");
	ASSERT_EQ(0, create(self, .rate = 10, .burst = 1));
	self->fd = mq_producer(self->topic, O_NONBLOCK);
	ASSERT_EQ(0, epoll_ctl(ep, EPOLL_CTL_ADD, self->fd, &ev));
	EXPECT_EQ(1, epoll_wait(ep, &ev, 1, 0));
	for (i = 0; i < 3; i++) {
		while (write(self->fd, "x", 1) == 1)
			;
		EXPECT_EQ(EAGAIN, errno);
		EXPECT_EQ(1, epoll_wait(ep, &ev, 1, 20000));
	}
	close(ep);
	close(self->fd);
	mq_delete(self->ctl, self->topic);
}

/* A call that succeeds makes it writable, whatever was refused before */
TEST_F(writable, a_success_counts)
{
	struct pollfd p = { .events = POLLOUT };

	mq_name(self->topic, "writable");
	ASSERT_EQ(0, full(self));
	p.fd = self->fd;
	EXPECT_EQ(0, poll(&p, 1, 0));
	EXPECT_EQ(1, mq_put_in(self->fd, 1, "x", 1));
	EXPECT_EQ(1, poll(&p, 1, 0));
	EXPECT_EQ(-EAGAIN, put(self->fd, 8));
	EXPECT_EQ(0, poll(&p, 1, 0));
	close(self->fd);
	close(self->member);
	mq_delete(self->ctl, self->topic);
}

/* The record that was refused goes where it is awaited, if it may go to any partition */
TEST_F(writable, a_record_without_a_key)
{
	struct epoll_event ev = { .events = EPOLLOUT | EPOLLET };
	int ep = epoll_create1(EPOLL_CLOEXEC), i;
	__u64 ends[2], end;
	struct mqbus_range range;

	mq_name(self->topic, "writable");
	ASSERT_EQ(0, full(self));
	while (mq_put_in(self->fd, 1, block, 8) == 1)
		;
	while (mq_fetch(self->member, &range, 1, 0, 0) == 1)
		ends[range.partition] = range.end_offset;
	ASSERT_EQ(0, epoll_ctl(ep, EPOLL_CTL_ADD, self->fd, &ev));
	/* Whichever partition is next */
	for (i = 0; i < 4; i++) {
		EXPECT_EQ(-EAGAIN, put(self->fd, 8));
		EXPECT_EQ(0, epoll_wait(ep, &ev, 1, 0));
		end = ends[0] - 10 + i;
		ASSERT_EQ(0, mq_commit(self->member, 0, end));
		EXPECT_EQ(1, epoll_wait(ep, &ev, 1, 10000));
		EXPECT_EQ(1, mq_put(self->fd, block, 8, 0)) TH_LOG("%d", i);
		while (put(self->fd, 8) == 1)
			;
	}
	close(ep);
	close(self->fd);
	close(self->member);
	mq_delete(self->ctl, self->topic);
}

/* Many that a rate holds back, and one timer: each is woken when it is admitted */
TEST_F(writable, many_poll_for_a_rate)
{
	enum { MANY = 20 };
	pid_t pids[MANY];
	int i;

	mq_name(self->topic, "writable");
	ASSERT_EQ(0, create(self, .rate = 20, .burst = 1));
	for (i = 0; i < MANY; i++) {
		mq_fork(pids[i]) {
			struct pollfd p = { .fd = mq_producer(self->topic, O_NONBLOCK),
					    .events = POLLOUT };
			int ret;

			while ((ret = mq_put(p.fd, "x", 1, 0)) == -EAGAIN)
				poll(&p, 1, -1);
			_exit(ret != 1);
		}
	}
	for (i = 0; i < MANY; i++)
		EXPECT_EQ(0, mq_wait(pids[i]));
	mq_delete(self->ctl, self->topic);
}

TEST_HARNESS_MAIN
