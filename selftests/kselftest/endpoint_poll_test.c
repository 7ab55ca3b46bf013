// SPDX-License-Identifier: GPL-2.0
/*
 * Readiness: results of poll and epoll, and no sleeper that misses it.
 */
#include "mqbus_test.h"

FIXTURE(poll) {
	int ctl;
	int producer;
	int member;
	char topic[MQBUS_NAME_SIZE];
};

FIXTURE_SETUP(poll)
{
	mq_name(self->topic, "poll");
	self->ctl = mq_open(0);
	ASSERT_EQ(0, mq_create(self->ctl, self->topic, .size = 4096, .partitions = 2));
	ASSERT_EQ(0, mq_group(self->ctl, self->topic, "g"));
	self->producer = mq_producer(self->topic, O_NONBLOCK);
	self->member = mq_member(self->topic, "g", O_NONBLOCK);
	ASSERT_LE(0, self->producer);
	ASSERT_LE(0, self->member);
}

FIXTURE_TEARDOWN(poll)
{
	mq_delete(self->ctl, self->topic);
	close(self->producer);
	close(self->member);
	close(self->ctl);
}

static int ready(int fd)
{
	struct pollfd p = { .fd = fd, .events = POLLIN | POLLOUT };

	return poll(&p, 1, 0) < 0 ? -errno : p.revents;
}

static int fetch_all(int fd)
{
	struct mqbus_range ranges[MQBUS_FETCH_MAX];
	int n = 0;

	while (mq_fetch(fd, ranges, MQBUS_FETCH_MAX, MQBUS_FETCH_F_COMMIT, 0) > 0)
		n++;
	return n;
}

static void fill(int fd, __u32 partition)
{
	char block[72] = {};

	while (mq_put_in(fd, partition, block, sizeof(block)) == 1)
		;
}

TEST_F(poll, member)
{
	struct mqbus_range range;

	EXPECT_EQ(0, ready(self->member));
	EXPECT_EQ(1, mq_put_in(self->producer, 1, "x", 1));
	EXPECT_EQ(POLLIN, ready(self->member));
	EXPECT_EQ(POLLIN, ready(self->member));
	EXPECT_EQ(1, mq_fetch(self->member, &range, 1, 0, 0));
	/* Fetched, though not committed */
	EXPECT_EQ(0, ready(self->member));
	EXPECT_EQ(1, mq_put_in(self->producer, 0, "x", 1));
	EXPECT_EQ(1, mq_put_in(self->producer, 1, "x", 1));
	EXPECT_EQ(1, mq_fetch(self->member, &range, 1, 0, 0));
	EXPECT_EQ(POLLIN, ready(self->member));
	EXPECT_EQ(1, mq_fetch(self->member, &range, 1, 0, 0));
	EXPECT_EQ(0, ready(self->member));
}

/* Writable, except for the record that last found no room */
TEST_F(poll, producer)
{
	struct mqbus_range range;
	char big[1000] = {}, small[8] = {};

	EXPECT_EQ(POLLOUT, ready(self->producer));
	fill(self->producer, 0);
	EXPECT_EQ(0, ready(self->producer));
	/* The other partition has room: its success does not count for this one */
	fetch_all(self->member);
	EXPECT_EQ(POLLOUT, ready(self->producer));

	/* A large record has no room */
	fill(self->producer, 0);
	EXPECT_EQ(-EAGAIN, mq_put_in(self->producer, 0, big, sizeof(big)));
	EXPECT_EQ(1, mq_fetch(self->member, &range, 1, 0, 0));
	EXPECT_EQ(0, ready(self->producer));
	EXPECT_EQ(0, mq_commit(self->member, range.partition, range.begin_offset + 1));
	EXPECT_EQ(0, ready(self->producer));
	EXPECT_EQ(-EAGAIN, mq_put_in(self->producer, 0, small, 200));
	EXPECT_EQ(0, ready(self->producer));
	EXPECT_EQ(1, mq_put_in(self->producer, 0, small, sizeof(small)));
	EXPECT_EQ(0, mq_commit(self->member, range.partition, range.end_offset));
	EXPECT_EQ(POLLOUT, ready(self->producer));
}

TEST_F(poll, hangup)
{
	int idle = mq_producer(self->topic, 0);

	fill(self->producer, 0);
	EXPECT_EQ(0, ready(self->producer));
	EXPECT_EQ(0, mq_delete(self->ctl, self->topic));
	EXPECT_EQ(POLLHUP | POLLOUT, ready(self->producer));
	EXPECT_EQ(POLLHUP | POLLOUT, ready(idle));
	EXPECT_EQ(POLLHUP | POLLIN, ready(self->member));
	close(idle);
}

static int wait_event(int ep, int timeout)
{
	struct epoll_event ev;
	int n = epoll_wait(ep, &ev, 1, timeout);

	return n < 0 ? -errno : n ? (int)ev.events : 0;
}

TEST_F(poll, epoll_level)
{
	struct epoll_event in = { .events = EPOLLIN }, out = { .events = EPOLLOUT };
	int r = epoll_create1(EPOLL_CLOEXEC), w = epoll_create1(EPOLL_CLOEXEC);

	ASSERT_EQ(0, epoll_ctl(r, EPOLL_CTL_ADD, self->member, &in));
	ASSERT_EQ(0, epoll_ctl(w, EPOLL_CTL_ADD, self->producer, &out));
	EXPECT_EQ(0, wait_event(r, 0));
	EXPECT_EQ(EPOLLOUT, wait_event(w, 0));
	EXPECT_EQ(EPOLLOUT, wait_event(w, 0));
	fill(self->producer, 0);
	EXPECT_EQ(0, wait_event(w, 0));
	EXPECT_EQ(EPOLLIN, wait_event(r, 0));
	EXPECT_EQ(EPOLLIN, wait_event(r, 0));
	fetch_all(self->member);
	EXPECT_EQ(0, wait_event(r, 0));
	EXPECT_EQ(EPOLLOUT, wait_event(w, 0));
	EXPECT_EQ(0, mq_delete(self->ctl, self->topic));
	EXPECT_EQ(EPOLLIN | EPOLLHUP, wait_event(r, 0));
	EXPECT_EQ(EPOLLOUT | EPOLLHUP, wait_event(w, 0));
	close(r);
	close(w);
}

TEST_F(poll, epoll_edge)
{
	struct epoll_event in = { .events = EPOLLIN | EPOLLET };
	struct epoll_event out = { .events = EPOLLOUT | EPOLLET };
	int r = epoll_create1(EPOLL_CLOEXEC), w = epoll_create1(EPOLL_CLOEXEC);
	int i;

	ASSERT_EQ(0, epoll_ctl(r, EPOLL_CTL_ADD, self->member, &in));
	ASSERT_EQ(0, epoll_ctl(w, EPOLL_CTL_ADD, self->producer, &out));
	EXPECT_EQ(EPOLLOUT, wait_event(w, 0));
	EXPECT_EQ(0, wait_event(w, 0));
	for (i = 0; i < 50; i++) {
		EXPECT_EQ(0, wait_event(r, 0));
		fill(self->producer, i % 2);
		EXPECT_EQ(EPOLLIN, wait_event(r, 0));
		/* Reported once */
		EXPECT_EQ(0, wait_event(r, 0));
		EXPECT_EQ(0, wait_event(w, 0));
		fetch_all(self->member);
		EXPECT_EQ(EPOLLOUT, wait_event(w, 0));
		EXPECT_EQ(0, wait_event(w, 0));
	}
	/* New records are a new edge, though the old ones are still there */
	EXPECT_EQ(1, mq_put_in(self->producer, 0, "x", 1));
	EXPECT_EQ(EPOLLIN, wait_event(r, 0));
	EXPECT_EQ(1, mq_put_in(self->producer, 0, "x", 1));
	EXPECT_EQ(EPOLLIN, wait_event(r, 0));
	EXPECT_EQ(0, mq_delete(self->ctl, self->topic));
	EXPECT_EQ(EPOLLIN | EPOLLHUP, wait_event(r, 0));
	EXPECT_EQ(EPOLLOUT | EPOLLHUP, wait_event(w, 0));
	close(r);
	close(w);
}

/*
 * The causes that wake an endpoint are known once it is bound. An endpoint added to epoll
 * before that is polled as long as it is in error, and then not woken again: bind first, or
 * remove it and add it anew.
 */
TEST_F(poll, epoll_before_binding)
{
	struct epoll_event in = { .events = EPOLLIN }, out = { .events = EPOLLOUT };
	int r = epoll_create1(EPOLL_CLOEXEC), w = epoll_create1(EPOLL_CLOEXEC);
	int member = mq_open(O_NONBLOCK), producer = mq_open(O_NONBLOCK);

	close(self->member);
	self->member = member;
	ASSERT_EQ(0, epoll_ctl(r, EPOLL_CTL_ADD, member, &in));
	ASSERT_EQ(0, epoll_ctl(w, EPOLL_CTL_ADD, producer, &out));
	EXPECT_EQ(EPOLLERR, wait_event(r, 0));
	EXPECT_EQ(EPOLLERR, wait_event(r, 0));
	EXPECT_EQ(EPOLLERR, wait_event(w, 0));
	ASSERT_EQ(0, mq_bind_member(member, self->topic, "g"));
	ASSERT_EQ(0, mq_bind_producer(producer, self->topic));
	EXPECT_EQ(0, wait_event(r, 0));
	EXPECT_EQ(EPOLLOUT, wait_event(w, 0));
	fill(producer, 0);
	EXPECT_EQ(0, wait_event(w, 0));
	EXPECT_EQ(POLLIN, ready(member));
	EXPECT_EQ(0, wait_event(r, 10));
	fetch_all(member);
	EXPECT_EQ(POLLOUT, ready(producer));
	EXPECT_EQ(0, wait_event(w, 10));

	ASSERT_EQ(0, epoll_ctl(r, EPOLL_CTL_DEL, member, NULL));
	ASSERT_EQ(0, epoll_ctl(r, EPOLL_CTL_ADD, member, &in));
	ASSERT_EQ(0, epoll_ctl(w, EPOLL_CTL_DEL, producer, NULL));
	ASSERT_EQ(0, epoll_ctl(w, EPOLL_CTL_ADD, producer, &out));
	EXPECT_EQ(0, wait_event(r, 0));
	fill(producer, 0);
	EXPECT_EQ(EPOLLIN, wait_event(r, 0));
	EXPECT_EQ(0, wait_event(w, 0));
	fetch_all(member);
	EXPECT_EQ(EPOLLOUT, wait_event(w, 0));
	close(producer);
	close(r);
	close(w);
}

/* A sleeper in poll, for each cause that may wake it */
TEST_F(poll, wakes_sleepers)
{
	int what;

	for (what = 0; what < 3; what++) {
		struct pollfd p = { .fd = what ? self->producer : self->member,
				    .events = POLLIN | POLLOUT };
		pid_t pid;

		if (what)
			fill(self->producer, 0);
		mq_fork(pid) {
			syscall(SYS_poll, &p, 1, -1);
			_exit(p.revents);
		}
		ASSERT_TRUE(mq_wait_asleep(pid, SYS_poll));
		if (what == 0)
			EXPECT_EQ(1, mq_put(self->producer, "x", 1, 0));
		if (what == 1)
			fetch_all(self->member);
		if (what == 2)
			EXPECT_EQ(0, mq_delete(self->ctl, self->topic));
		EXPECT_EQ(what == 0 ? POLLIN : what == 1 ? POLLOUT : POLLOUT | POLLHUP,
			  mq_wait(pid)) TH_LOG("%d", what);
		fetch_all(self->member);
	}
}

static void hold_on_cpu(int cpu)
{
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET(cpu, &set);
	sched_setaffinity(0, sizeof(set), &set);
}

/*
 * A lost wakeup hangs this test: both wait without a limit. The way back is another topic. An
 * emulated processor takes a millisecond to wake, so most rounds are on one processor, which
 * never sleeps.
 */
TEST_F_TIMEOUT(poll, ping_pong, 120)
{
	char back[MQBUS_NAME_SIZE];
	struct mqbus_range range;
	/* In some rounds both are not kept on one processor */
	const int rounds = 20000 / mq_slow(), free_rounds = rounds / 10;
	int ping, pong, i;
	__u64 begun = mq_clock(CLOCK_MONOTONIC);
	pid_t pid;

	mq_name(back, "back");
	ASSERT_EQ(0, mq_create(self->ctl, back, .size = 4096));
	ASSERT_EQ(0, mq_group(self->ctl, back, "g"));
	close(self->member);
	mq_fork(pid) {
		int in = mq_member(self->topic, "g", 0), out = mq_producer(back, 0);

		for (i = 0; i < rounds; i++) {
			if (i == free_rounds)
				hold_on_cpu(0);
			if (mq_fetch(in, &range, 1, MQBUS_FETCH_F_COMMIT,
				     MQBUS_WAIT_FOREVER) != 1 ||
			    mq_put(out, "x", 1, MQBUS_WAIT_FOREVER) != 1)
				_exit(1);
		}
	}
	ping = mq_producer(self->topic, 0);
	pong = mq_member(back, "g", 0);
	for (i = 0; i < rounds; i++) {
		if (i == free_rounds)
			hold_on_cpu(0);
		ASSERT_EQ(1, mq_put(ping, "x", 1, MQBUS_WAIT_FOREVER));
		ASSERT_EQ(1, mq_fetch(pong, &range, 1, MQBUS_FETCH_F_COMMIT, MQBUS_WAIT_FOREVER));
		ASSERT_EQ(i + 1, range.end_offset);
	}
	EXPECT_EQ(0, mq_wait(pid));
	TH_LOG("%d rounds in %llu ms", rounds, (mq_clock(CLOCK_MONOTONIC) - begun) / MQ_MS);
	close(ping);
	close(pong);
	self->member = -1;
	mq_delete(self->ctl, back);
}

/*
 * Writers that all wait for room, and readers that all wait for records, half of each through
 * poll: no record is lost or comes twice, and all end.
 */
#define WRITERS	3
#define EACH	(2000 / mq_slow())

static int write_many(const char *topic, unsigned int who)
{
	const int each = EACH;
	bool polls = who % 2;
	int fd = mq_producer(topic, polls ? O_NONBLOCK : 0), n = 0, ret;
	struct pollfd p = { .fd = fd, .events = POLLOUT };
	__u32 value[2] = { who };

	while (n < each) {
		value[1] = n;
		ret = mq_put_in(fd, n % 2, value, sizeof(value));
		if (ret == -EAGAIN && polls)
			ret = poll(&p, 1, -1) - 1;
		else if (ret == -EAGAIN)
			ret = write(fd, value, sizeof(value)) == sizeof(value) ? 1 : -errno;
		if (ret < 0)
			return 1;
		n += ret;
	}
	return 0;
}

static int read_many(const char *topic, const char *group, bool polls)
{
	const unsigned int each = EACH;
	unsigned int last[WRITERS][2] = {}, seen[WRITERS] = {}, total = 0;
	struct mq_reader r;
	struct pollfd p = { .events = POLLIN };

	if (mq_reader_open(&r, topic, group))
		return 1;
	p.fd = r.fd;
	while (total < WRITERS * each) {
		const struct mqbus_record *rec = mq_next(&r, polls ? 0 : MQBUS_WAIT_FOREVER);
		__u32 value[2];

		if (!rec) {
			if (!polls || poll(&p, 1, -1) != 1)
				return 2;
			continue;
		}
		memcpy(value, mq_value(rec), sizeof(value));
		if (value[0] >= WRITERS || value[1] >= each)
			return 3;
		/* Each writer's order inside a partition */
		if (last[value[0]][r.partition] > value[1])
			return 4;
		last[value[0]][r.partition] = value[1];
		seen[value[0]]++;
		total++;
	}
	for (total = 0; total < WRITERS; total++)
		if (seen[total] != each)
			return 5;
	mq_fetch(r.fd, r.ranges, 1, MQBUS_FETCH_F_COMMIT, 0);
	mq_reader_close(&r);
	return 0;
}

TEST_F_TIMEOUT(poll, many_to_many, 120)
{
	pid_t readers[3], writers[WRITERS];
	unsigned int i;

	close(self->member);
	self->member = -1;
	ASSERT_EQ(0, mq_group(self->ctl, self->topic, "h"));
	ASSERT_EQ(0, mq_group(self->ctl, self->topic, "i"));
	for (i = 0; i < 3; i++)
		mq_fork(readers[i])
			_exit(read_many(self->topic, (char[MQBUS_NAME_SIZE]){ 'g' + i }, i % 2));
	for (i = 0; i < WRITERS; i++)
		mq_fork(writers[i])
			_exit(write_many(self->topic, i));
	/* mq_wait() is for children that end at once; these work, and the harness limits them */
	for (i = 0; i < 3; i++)
		waitid(P_PID, readers[i], &(siginfo_t){}, WEXITED | WNOWAIT);
	for (i = 0; i < WRITERS; i++)
		EXPECT_EQ(0, mq_wait(writers[i]));
	for (i = 0; i < 3; i++)
		EXPECT_EQ(0, mq_wait(readers[i]));
}

TEST_HARNESS_MAIN
