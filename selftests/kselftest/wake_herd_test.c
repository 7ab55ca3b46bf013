// SPDX-License-Identifier: GPL-2.0
/*
 * Many waiters: a record wakes the one that it is for, and no other; and a woken waiter that
 * cannot take it wakes the next one.
 */
#include "herd.h"
#include "fault.h"

static void wakes_owner(struct __test_metadata *_metadata, FIXTURE_DATA(crowd) *self,
			enum how how)
{
	const int n = CROWD / mq_slow();
	int i, k;

	ASSERT_EQ(0, mq_create(self->ctl, self->topic, .size = 4096, .partitions = n));
	ASSERT_EQ(0, mq_stream(self->ctl, self->topic, "g"));
	/* Another group, without waiters */
	ASSERT_EQ(0, mq_stream(self->ctl, self->topic, "h"));
	self->fd = mq_producer(self->topic, 0);
	ASSERT_EQ(0, gather(self, n, how));
	for (k = 0; k < 4; k++) {
		ASSERT_EQ(1, mq_put_in(self->fd, k * 7 % n, "12345678", 8));
		/* One of them takes it and sleeps again */
		for (i = 0; i < 20000 && disturbed(n) <= k; i++)
			mq_sleep(MQ_MS / 4);
		ASSERT_TRUE(all_asleep(n, how));
		ASSERT_EQ(k + 1, disturbed(n));
	}
	for (i = 0, k = 0; i < n; i++) {
		EXPECT_GE(1, crowd[i].woken);
		k += crowd[i].woken;
	}
	EXPECT_EQ(4, k);
}

TEST_F(crowd, owner_fetches)
{
	wakes_owner(_metadata, self, BY_FETCH);
}

TEST_F(crowd, owner_polls)
{
	wakes_owner(_metadata, self, BY_POLL);
}

/* A join or a leave wakes only members that get or lose something */
TEST_F(crowd, who_joins)
{
	const int n = CROWD / mq_slow();
	int fd, i;

	ASSERT_EQ(0, mq_create(self->ctl, self->topic, .size = 4096, .partitions = n));
	ASSERT_EQ(0, mq_stream(self->ctl, self->topic, "g"));
	self->fd = mq_producer(self->topic, 0);
	ASSERT_EQ(0, gather(self, n, BY_FETCH));
	for (i = 0; i < 3; i++) {
		/* All have one, except one */
		fd = mq_member_as(self->topic, "g", "x", 0);
		ASSERT_LE(0, fd);
		close(fd);
	}
	ASSERT_TRUE(all_asleep(n, BY_FETCH));
	EXPECT_EQ(0, disturbed(n));
}

TEST_F(crowd, one_of_a_queue)
{
	const int n = CROWD / mq_slow();
	int i, k;

	ASSERT_EQ(0, mq_create(self->ctl, self->topic, .size = 4096, .partitions = 4));
	ASSERT_EQ(0, mq_queue(self->ctl, self->topic, "g", NULL));
	self->fd = mq_producer(self->topic, 0);
	ASSERT_EQ(0, gather(self, n, BY_LEASE));
	for (k = 0; k < 4; k++) {
		ASSERT_EQ(1, mq_put_in(self->fd, k, "12345678", 8));
		for (i = 0; i < 20000 && disturbed(n) <= k; i++)
			mq_sleep(MQ_MS / 4);
		ASSERT_TRUE(all_asleep(n, BY_LEASE));
		ASSERT_EQ(k + 1, disturbed(n));
	}
}

/* EPOLLEXCLUSIVE counts for each group, and for each member of a stream group */
struct exclusive {
	int fd, ep;
	pthread_t thread;
	pid_t tid;
	int told;		/* -1: waits */
};

static void on_signal(int sig)
{
}

static void *exclusive_run(void *arg)
{
	struct exclusive *x = arg;
	struct epoll_event event;
	int n;

	__atomic_store_n(&x->tid, gettid(), __ATOMIC_RELEASE);
	n = epoll_wait(x->ep, &event, 1, -1);
	__atomic_store_n(&x->told, n == 1, __ATOMIC_RELEASE);
	return NULL;
}

static bool exclusive_start(struct exclusive *x, int fd)
{
	struct epoll_event event = { .events = EPOLLIN | EPOLLEXCLUSIVE };
	struct sigaction act = { .sa_handler = on_signal };

	sigaction(SIGUSR1, &act, NULL);
	*x = (struct exclusive) { .fd = fd, .ep = epoll_create1(EPOLL_CLOEXEC), .told = -1 };
	if (fd < 0 || epoll_ctl(x->ep, EPOLL_CTL_ADD, fd, &event) ||
	    pthread_create(&x->thread, NULL, exclusive_run, x))
		return false;
	while (!__atomic_load_n(&x->tid, __ATOMIC_ACQUIRE))
		mq_sleep(MQ_MS / 20);
	return mq_wait_asleep(x->tid, SYS_epoll_wait);
}

static int exclusive_told(struct exclusive *x, int n)
{
	int told = 0;

	while (n--)
		told += __atomic_load_n(&x[n].told, __ATOMIC_ACQUIRE) == 1;
	return told;
}

/* How many of them are woken, of @want at most; the others sleep on, and are ended afterwards */
static int exclusive_end(struct exclusive *x, int n, int want)
{
	__u64 end = mq_patience();
	int i, told;

	while (exclusive_told(x, n) < want && mq_clock(CLOCK_MONOTONIC) < end)
		mq_sleep(MQ_MS / 2);
	for (i = 0; i < n; i++)
		if (!exclusive_told(&x[i], 1))
			mq_wait_asleep(x[i].tid, SYS_epoll_wait);
	told = exclusive_told(x, n);
	for (i = 0; i < n; i++) {
		if (!exclusive_told(&x[i], 1))
			pthread_kill(x[i].thread, SIGUSR1);
		pthread_join(x[i].thread, NULL);
		close(x[i].ep);
	}
	return told;
}

TEST_F(crowd, exclusive)
{
	static const char *const groups[] = { "s", "t", "q", "r" };
	struct exclusive x[4], same[3];
	int i, k, fds[4];

	ASSERT_EQ(0, mq_create(self->ctl, self->topic, .partitions = 2));
	self->fd = mq_producer(self->topic, 0);
	for (i = 0; i < 4; i++) {
		ASSERT_EQ(0, i < 2 ? mq_stream(self->ctl, self->topic, groups[i]) :
				     mq_queue(self->ctl, self->topic, groups[i], NULL));
		fds[i] = mq_member(self->topic, groups[i], O_NONBLOCK);
		ASSERT_TRUE(exclusive_start(&x[i], fds[i]));
	}
	/* Each group is told, even behind members of another kind */
	ASSERT_EQ(1, mq_put_in(self->fd, 1, "12345678", 8));
	EXPECT_EQ(4, exclusive_end(x, 4, 4));
	for (i = 0; i < 4; i++) {
		EXPECT_EQ(8, read_number(fds[i]) < 0 ? -1 : 8);
		close(fds[i]);
	}

	/* Each of two members is told of its own partition only */
	ASSERT_EQ(0, mq_group_create(self->ctl, self->topic, "m", MQBUS_WHENCE_LATEST, 0, 0600));
	fds[0] = mq_member(self->topic, "m", O_NONBLOCK);
	fds[1] = mq_member(self->topic, "m", O_NONBLOCK);
	for (k = 0; k < 2; k++) {
		for (i = 0; i < 2; i++)
			ASSERT_TRUE(exclusive_start(&x[i], fds[i]));
		ASSERT_EQ(1, mq_put_in(self->fd, k, "12345678", 8));
		EXPECT_EQ(1, exclusive_end(x, 2, 1));
		for (i = 0; i < 2; i++)
			EXPECT_EQ(readable(fds[i]), x[i].told == 1);
		EXPECT_TRUE(readable(fds[0]) != readable(fds[1]));
		read_number(fds[0]);
		read_number(fds[1]);
	}
	close(fds[1]);
	while (read_number(fds[0]) >= 0)
		;

	/* Of several waiters for one member one is told; of its end, all */
	for (k = 0; k < 2; k++) {
		for (i = 0; i < 3; i++)
			ASSERT_TRUE(exclusive_start(&same[i], fds[0]));
		ASSERT_EQ(k ? 0 : 1, k ? mq_group_delete(self->ctl, self->topic, "m",
							 MQBUS_GROUP_DELETE_F_FORCE) :
					 mq_put_in(self->fd, 0, "12345678", 8));
		EXPECT_EQ(k ? 3 : 1, exclusive_end(same, 3, k ? 3 : 1));
		while (read_number(fds[0]) >= 0)
			;
	}
	close(fds[0]);
}

/*
 * Of the waiters in a queue group one is woken. If it is ended before it can take the record,
 * even though its endpoint lives on, another one must be woken.
 */
static pid_t leaser(int fd)
{
	pid_t pid;

	mq_fork(pid) {
		struct mqbus_leased l;

		prctl(PR_SET_PDEATHSIG, SIGKILL);
		_exit(take(fd, &l, 1, MQBUS_WAIT_FOREVER) != 1);
	}
	return pid;
}

static void woken_and(struct __test_metadata *_metadata, FIXTURE_DATA(crowd) *self, int sig)
{
	const struct sched_param high = { .sched_priority = 10 }, none = {};
	struct sigaction act = { .sa_handler = on_signal };
	struct mqbus_leased l;
	pid_t first, second;
	int fds[2], i;
	cpu_set_t set;

	sigaction(SIGUSR1, &act, NULL);
	ASSERT_EQ(0, mq_create(self->ctl, self->topic));
	ASSERT_EQ(0, mq_queue(self->ctl, self->topic, "g", NULL));
	self->fd = mq_producer(self->topic, 0);
	CPU_ZERO(&set);
	CPU_SET(0, &set);
	sched_setaffinity(0, sizeof(set), &set);
	for (i = 0; i < 10; i++) {
		fds[0] = mq_member(self->topic, "g", 0);
		fds[1] = mq_member(self->topic, "g", 0);
		first = leaser(fds[0]);
		ASSERT_TRUE(mq_wait_asleep(first, SYS_ioctl));
		second = leaser(fds[1]);
		ASSERT_TRUE(mq_wait_asleep(second, SYS_ioctl));
		/* It cannot run before the signal is there */
		ASSERT_EQ(0, sched_setscheduler(0, SCHED_FIFO, &high));
		if (i % 2)
			kill(first, sig);
		ASSERT_EQ(1, mq_put(self->fd, "12345678", 8, 0));
		if (!(i % 2))
			kill(first, sig);
		sched_setscheduler(0, SCHED_OTHER, &none);
		if (sig == SIGKILL) {
			EXPECT_EQ(128 + SIGKILL, mq_wait(first));
			ASSERT_EQ(0, mq_wait(second)) TH_LOG("round %d", i);
		} else {
			/* One of them has it; the other waits on, or was interrupted */
			int status = mq_wait(first);

			if (!status) {
				mq_kill(second);
			} else {
				EXPECT_EQ(1, status);
				ASSERT_EQ(0, mq_wait(second)) TH_LOG("round %d", i);
			}
		}
		close(fds[0]);
		close(fds[1]);
		/* The records that they held are there again */
		fds[0] = mq_member(self->topic, "g", 0);
		ASSERT_EQ(1, take(fds[0], &l, 1, MQ_LONG));
		ASSERT_EQ(0, settle(fds[0], l.lease, MQBUS_ACK, 0));
		close(fds[0]);
	}
}

TEST_F(crowd, woken_and_killed)
{
	woken_and(_metadata, self, SIGKILL);
}

TEST_F(crowd, woken_and_interrupted)
{
	woken_and(_metadata, self, SIGUSR1);
}

/* A commit wakes its waiters before user memory is accessed again */
TEST_F(crowd, commit_and_stuck)
{
	struct mqbus_commit_entry *entries;
	struct mqbus_range r[4];
	pid_t pid, waiter;
	int a, b, uffd;
	char *hole;

	ASSERT_EQ(0, mq_create(self->ctl, self->topic, .partitions = 2));
	ASSERT_EQ(0, mq_stream(self->ctl, self->topic, "g"));
	self->fd = mq_producer(self->topic, 0);
	b = mq_member_as(self->topic, "g", "b", 0);
	ASSERT_EQ(1, mq_put_in(self->fd, 0, "12345678", 8));
	ASSERT_EQ(1, mq_put_in(self->fd, 1, "12345678", 8));
	ASSERT_EQ(2, mq_fetch(b, r, 4, 0, 0));
	a = mq_member_as(self->topic, "g", "a", 0);
	ASSERT_EQ(1, mq_fetch(b, r, 4, 0, 0));
	ASSERT_EQ(MQBUS_RANGE_F_REVOKED, r[0].flags);
	ASSERT_EQ(1, mq_put_in(self->fd, r[0].partition, "12345678", 8));
	mq_fork(waiter) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		_exit(mq_fetch(a, r, 4, 0, MQBUS_WAIT_FOREVER) != 1);
	}
	ASSERT_TRUE(mq_wait_asleep(waiter, SYS_ioctl));
	mq_fork(pid) {
		struct mqbus_commit args = { .nr_entries = 2, .entry_size = sizeof(*entries) };
		struct uffdio_zeropage zero = { .range.len = MQ_PAGE };

		prctl(PR_SET_PDEATHSIG, SIGKILL);
		hole = missing_pages(2, &uffd);
		zero.range.start = (uintptr_t)hole;
		/* The first one's memory ends at the page that never comes */
		if (!hole || ioctl(uffd, UFFDIO_ZEROPAGE, &zero))
			_exit(1);
		entries = (void *)(hole + MQ_PAGE - sizeof(*entries));
		*entries = (struct mqbus_commit_entry) { .partition = r[0].partition, .offset = 1 };
		args.entries = (uintptr_t)entries;
		mq_ioctl(b, MQBUS_IOC_COMMIT, &args);
	}
	EXPECT_EQ(0, mq_wait(waiter));
	EXPECT_EQ(0, waitpid(pid, NULL, WNOHANG));
	EXPECT_EQ(128 + SIGKILL, mq_kill(pid));
	close(a);
	close(b);
}

/*
 * Records come one by one while partitions move between members. All waits are without a limit:
 * a lost wakeup hangs the test.
 */
static int await(int fd, const char *topic, __u32 partition, __u64 offset)
{
	struct mqbus_place place = { .partition = partition, .offset = offset };
	struct mqbus_wait args = {
		.count = 1, .places = (uintptr_t)&place, .place_size = sizeof(place),
		.timeout = MQBUS_WAIT_FOREVER,
	};

	mq_set_name(args.topic, topic);
	mq_set_name(args.group, "g");
	return mq_ioctl(fd, MQBUS_IOC_WAIT, &args);
}

static pid_t reader(const char *topic, int life)
{
	pid_t pid;

	mq_fork(pid) {
		struct mqbus_range r[4];
		int fd, n;

		prctl(PR_SET_PDEATHSIG, SIGKILL);
		do {
			fd = mq_member(topic, "g", 0);
			for (n = 0; fd >= 0 && (!life || n < life); n++)
				if (mq_fetch(fd, r, 4, MQBUS_FETCH_F_COMMIT,
					     life ? 5 * MQ_MS : MQBUS_WAIT_FOREVER) == -EIDRM)
					_exit(0);
			close(fd);
		} while (fd >= 0);
	}
	return pid;
}

TEST_F(crowd, from_hand_to_hand)
{
	const int rounds = 3000 / mq_slow();
	__u64 offset[4] = {};
	pid_t pid[4];
	int i;

	ASSERT_EQ(0, mq_create(self->ctl, self->topic, .partitions = 4));
	ASSERT_EQ(0, mq_stream(self->ctl, self->topic, "g"));
	self->fd = mq_producer(self->topic, 0);
	for (i = 0; i < 4; i++)
		pid[i] = reader(self->topic, i < 2 ? 0 : i * 2);
	for (i = 0; i < rounds; i++) {
		__u32 p = i * 7 / 3 % 4;

		ASSERT_EQ(1, mq_put_in(self->fd, p, "12345678", 8));
		ASSERT_EQ(0, await(self->ctl, self->topic, p, offset[p]++));
	}
	EXPECT_EQ(0, mq_delete(self->ctl, self->topic));
	for (i = 0; i < 4; i++)
		EXPECT_EQ(0, mq_wait(pid[i]));
}

TEST_HARNESS_MAIN
