// SPDX-License-Identifier: GPL-2.0
/*
 * Turns of writers: how often one is overtaken, and writers that do not hold up others.
 */
#include <sys/epoll.h>
#include <sys/resource.h>

#include "fault.h"
#include "publish.h"
#include "transact.h"

/* Records that fit into a ring of 4 KiB, with their size there */
#define SMALL	56
#define SMALL_BYTES	72
#define LARGE	1000
/*
 * Records that may overtake one: none where a woken task runs at once. A busy machine sleeps
 * through a turn now and then, which costs some.
 */
#define OVERTAKEN	64
/* Overtaken so often, a writer counts as starved */
#define LOST	400
#define FLOOD	4

static char large[LARGE];

static void fill_ring(int fd, __u32 partition)
{
	char value[SMALL_BYTES - sizeof(struct mqbus_record)] = {};

	while (mq_put_in(fd, partition, value, sizeof(value)) == 1)
		;
}

static int put_in(int fd, __u32 partition, const void *value, __u32 len)
{
	struct mqbus_msg msg = mq_msg(value, len);

	msg.partition = partition;
	return mq_publish(fd, &msg, 1, NULL, MQBUS_WAIT_FOREVER, NULL);
}

/* A child that waits with a record and exits with 0 once it is stored */
static pid_t start_put(const char *topic, __u32 partition, __u32 len)
{
	pid_t pid;

	mq_fork(pid) {
		int n = put_in(mq_producer(topic, 0), partition, large, len);

		_exit(n == 1 ? 0 : -n);
	}
	return mq_wait_asleep(pid, SYS_ioctl) ? pid : -1;
}

/* A child that stores small records until the topic is deleted */
static pid_t start_flood(const char *topic)
{
	pid_t pid;

	mq_fork(pid) {
		char value[SMALL_BYTES - sizeof(struct mqbus_record)] = {};
		int fd = mq_producer(topic, 0);

		while (mq_put(fd, value, sizeof(value), MQBUS_WAIT_FOREVER) == 1)
			;
	}
	return mq_wait_asleep(pid, SYS_ioctl) ? pid : -1;
}

static bool asleep(pid_t pid)
{
	mq_sleep(5 * MQ_MS);
	return mq_wait_asleep(pid, SYS_ioctl) && waitpid(pid, NULL, WNOHANG) == 0;
}

/* Settle the next record. Return: the length of its value. */
static int settle_one(struct mq_reader *r)
{
	const struct mqbus_record *rec = mq_next(r, MQ_LONG);
	__u32 len;

	if (!rec)
		return -1;
	len = rec->value_len;
	return mq_commit(r->fd, r->partition, rec->offset + 1) ?: (int)len;
}

/*
 * Writers of small records wait for room, so the next settled record frees all the room there
 * is.
 */
static bool all_asleep(const pid_t *flood, int nr)
{
	int i;

	for (i = 0; i < nr; i++)
		if (!mq_wait_asleep(flood[i], SYS_ioctl))
			return false;
	return true;
}

/* Settle records up to a large one. Return: number of small ones between. */
static int settle_to_large(struct mq_reader *r, const pid_t *flood)
{
	int n, len;

	for (n = 0; n < LOST + SMALL; n++) {
		if (!all_asleep(flood, FLOOD))
			return -1;
		len = settle_one(r);
		if (len < 0)
			return len;
		if (len == LARGE)
			return n > SMALL ? n - SMALL : 0;
	}
	return LOST;
}

/* A process with a large record, which waits already, has its turn among small records */
static void pass_the_flood(struct __test_metadata *_metadata, FIXTURE_DATA(publish) *self,
			   pid_t pid)
{
	pid_t flood[FLOOD];
	int i, n;

	for (i = 0; i < FLOOD; i++) {
		flood[i] = start_flood(self->topic);
		ASSERT_LT(0, flood[i]);
	}
	n = settle_to_large(&self->reader, flood);
	TH_LOG("overtaken by %d", n);
	EXPECT_LE(0, n);
	EXPECT_GE(OVERTAKEN, n);
	EXPECT_EQ(0, mq_wait(pid));
	EXPECT_EQ(0, mq_delete(self->ctl, self->topic));
	for (i = 0; i < FLOOD; i++)
		EXPECT_EQ(0, mq_wait(flood[i]));
}

TEST_F(publish, a_large_record_among_small_ones)
{
	pid_t pid;

	begin(self, .size = 4096);
	fill_ring(self->fd, 0);
	pid = start_put(self->topic, 0, LARGE);
	ASSERT_LT(0, pid);
	pass_the_flood(_metadata, self, pid);
}

/* Also one that polls instead of waiting */
TEST_F(publish, a_large_record_that_polls)
{
	pid_t pid;
	int n;

	begin(self, .size = 4096);
	fill_ring(self->fd, 0);
	mq_fork(pid) {
		struct pollfd p = { .fd = mq_producer(self->topic, O_NONBLOCK),
				    .events = POLLOUT };

		while ((n = mq_put(p.fd, large, LARGE, 0)) == -EAGAIN)
			syscall(SYS_poll, &p, 1, -1);
		_exit(n == 1 ? 0 : -n);
	}
	ASSERT_TRUE(mq_wait_asleep(pid, SYS_poll));
	pass_the_flood(_metadata, self, pid);
}

/* A transaction needs room in two full topics at a time */
TEST_F_TIMEOUT(publish, a_transaction_among_small_records, 240)
{
	struct mqbus_msg msg = mq_msg(large, LARGE);
	char other[MQBUS_NAME_SIZE];
	const char *topics[2] = { self->topic, other };
	struct mq_reader second, *readers[2] = { &self->reader, &second };
	int i, n[2] = {}, seen = 0, fds[2];
	pid_t pid, flood[2 * FLOOD];
	struct mqbus_act acts[2];

	if (mq_slow() > 1)
		SKIP(return, "room is kept for 0.2 s, and this kernel takes longer for a round");
	mq_name(other, "other");
	begin(self, .size = 4096);
	ASSERT_EQ(0, mq_create(self->ctl, other, .size = 4096));
	ASSERT_EQ(0, mq_group(self->ctl, other, "g"));
	ASSERT_EQ(0, mq_reader_open(&second, other, "g"));
	for (i = 0; i < 2; i++) {
		fds[i] = mq_producer(topics[i], 0);
		fill_ring(fds[i], 0);
		acts[i] = act_publish(fds[i], &msg, 1);
	}
	mq_fork(pid) {
		n[0] = mq_transact(self->ctl, acts, 2, MQBUS_WAIT_FOREVER, NULL);
		_exit(-n[0]);
	}
	ASSERT_TRUE(mq_wait_asleep(pid, SYS_ioctl));
	for (i = 0; i < 2 * FLOOD; i++) {
		flood[i] = start_flood(topics[i % 2]);
		ASSERT_LT(0, flood[i]);
	}
	for (i = 0; seen != 3 && i < 2 * LOST; i++) {
		int len;

		ASSERT_TRUE(all_asleep(flood, 2 * FLOOD));
		len = seen & (1 << i % 2) ? 0 : settle_one(readers[i % 2]);
		ASSERT_LE(0, len);
		if (len == LARGE)
			seen |= 1 << i % 2;
		else if (len)
			n[i % 2]++;
	}
	TH_LOG("overtaken by %d and %d", n[0] - SMALL, n[1] - SMALL);
	EXPECT_EQ(3, seen);
	EXPECT_GE(OVERTAKEN, n[0] - SMALL);
	EXPECT_GE(OVERTAKEN, n[1] - SMALL);
	EXPECT_EQ(0, mq_wait(pid));
	EXPECT_EQ(0, mq_delete(self->ctl, self->topic));
	EXPECT_EQ(0, mq_delete(self->ctl, other));
	for (i = 0; i < 2 * FLOOD; i++)
		EXPECT_EQ(0, mq_wait(flood[i]));
	mq_reader_close(&second);
	close(fds[0]);
	close(fds[1]);
}

/* What a transaction waited for in one topic is kept while it waits in another */
TEST_F(publish, a_transaction_keeps_room_meanwhile)
{
	unsigned int i, need = (LARGE + sizeof(struct mqbus_record)) / SMALL_BYTES + 1;
	struct mqbus_msg msg = mq_msg(large, LARGE);
	char other[MQBUS_NAME_SIZE];
	struct mq_reader second;
	struct mqbus_act acts[2];
	struct mqbus_range range;
	int fds[2], late, ret;
	__u64 begun;
	pid_t pid;

	mq_name(other, "other");
	begin(self, .size = 4096);
	ASSERT_EQ(0, mq_create(self->ctl, other, .size = 4096));
	ASSERT_EQ(0, mq_group(self->ctl, other, "g"));
	ASSERT_EQ(0, mq_reader_open(&second, other, "g"));
	fds[0] = mq_producer(self->topic, 0);
	fds[1] = mq_producer(other, 0);
	for (i = 0; i < 2; i++) {
		fill_ring(fds[i], 0);
		acts[i] = act_publish(fds[i], &msg, 1);
	}
	mq_fork(pid)
		_exit(-mq_transact(self->ctl, acts, 2, MQBUS_WAIT_FOREVER, NULL));
	ASSERT_TRUE(mq_wait_asleep(pid, SYS_ioctl));
	late = mq_producer(self->topic, 0);
	ASSERT_EQ(1, mq_fetch(self->reader.fd, &range, 1, 0, 0));
	begun = mq_clock(CLOCK_MONOTONIC);
	ASSERT_EQ(0, mq_commit(self->reader.fd, 0, need));
	mq_sleep(100 * MQ_MS);
	ret = mq_put(late, large, 200, 0);
	/* For 0.2 s, which a busy machine may need for this */
	if (mq_clock(CLOCK_MONOTONIC) - begun < 180 * MQ_MS)
		EXPECT_EQ(-EAGAIN, ret);
	mq_drain(&self->reader);
	mq_drain(&second);
	EXPECT_EQ(0, mq_wait(pid));
	EXPECT_EQ(0, mq_delete(self->ctl, other));
	mq_reader_close(&second);
	close(late);
	for (i = 0; i < 2; i++)
		close(fds[i]);
}

static void on_signal(int sig)
{
}

/* The first waiter goes first, in each way to wait, and holds up no other afterwards */
TEST_F(publish, the_first_in_the_line_goes)
{
	static const int signals[] = { SIGKILL, SIGUSR1, SIGSTOP };
	struct sigaction sa = { .sa_handler = on_signal };
	pid_t first, second;
	unsigned int i;
	int late;

	begin(self, .size = 4096);
	sigaction(SIGUSR1, &sa, NULL);
	for (i = 0; i < sizeof(signals) / sizeof(*signals); i++) {
		fill_ring(self->fd, 0);
		first = start_put(self->topic, 0, LARGE);
		second = start_put(self->topic, 0, 8);
		ASSERT_LT(0, first);
		ASSERT_LT(0, second);
		/* Room for the second, but it is not its turn; nor is it others' */
		ASSERT_EQ(8, settle_one(&self->reader));
		EXPECT_TRUE(asleep(second));
		late = mq_producer(self->topic, 0);
		EXPECT_EQ(-EAGAIN, mq_put(late, "x", 1, 0));
		close(late);
		kill(first, signals[i]);
		EXPECT_EQ(0, mq_wait(second)) TH_LOG("%d", signals[i]);
		if (signals[i] == SIGSTOP) {
			/* It goes on where it was, as soon as there is room */
			kill(first, SIGCONT);
			ASSERT_TRUE(mq_wait_asleep(first, SYS_ioctl));
			mq_drain(&self->reader);
			EXPECT_EQ(0, mq_wait(first));
		} else {
			EXPECT_EQ(signals[i] == SIGKILL ? 128 + SIGKILL : EINTR, mq_wait(first));
		}
		mq_drain(&self->reader);
	}
}

/* A producer that was refused and went away has not waited: one that polls is before it */
TEST_F(publish, who_goes_away_does_not_wait)
{
	struct pollfd p = { .events = POLLOUT };
	int away, i;

	begin(self, .size = 4096);
	fill_ring(self->fd, 0);
	away = mq_producer(self->topic, 0);
	EXPECT_EQ(-EAGAIN, mq_put(away, "x", 1, 0));
	mq_sleep(1500 * MQ_MS);
	p.fd = mq_producer(self->topic, 0);
	EXPECT_EQ(-EAGAIN, mq_put(p.fd, large, LARGE, 0));
	EXPECT_EQ(0, poll(&p, 1, 10));
	/* Room for the one, but not for the other */
	for (i = 0; i < 2; i++)
		ASSERT_LT(0, settle_one(&self->reader));
	EXPECT_EQ(-EAGAIN, mq_put(away, "x", 1, 0));
	while (settle_one(&self->reader) > 0 && !poll(&p, 1, 0))
		EXPECT_EQ(-EAGAIN, mq_put(away, "x", 1, 0));
	EXPECT_EQ(1, mq_put(p.fd, large, LARGE, 0));
	close(p.fd);
	close(away);
}

struct stuck {
	int fd;
	const char *value;
	int ret;
};

static void *put_stuck(void *arg)
{
	struct stuck *s = arg;

	s->ret = put_in(s->fd, 1, s->value, 8);
	return NULL;
}

/* The producer whose turn it is cannot go on: another call on its endpoint waits for a page */
TEST_F(publish, the_first_in_the_line_never_runs)
{
	struct mqbus_range range;
	pid_t first, second;
	struct stuck stuck;
	pthread_t thread;
	int uffd, i;

	begin(self, .size = 4096, .partitions = 2);
	stuck.fd = mq_producer(self->topic, 0);
	fill_ring(self->fd, 0);
	mq_fork(first)
		_exit(put_in(stuck.fd, 0, large, LARGE) != 1);
	ASSERT_TRUE(mq_wait_asleep(first, SYS_ioctl));
	stuck.value = missing_pages(1, &uffd);
	ASSERT_NE(NULL, stuck.value);
	ASSERT_EQ(0, pthread_create(&thread, NULL, put_stuck, &stuck));
	ASSERT_TRUE(is_stuck(uffd));
	second = start_put(self->topic, 0, 8);
	ASSERT_LT(0, second);
	/* Just enough for it, so that no room is left for others */
	ASSERT_EQ(1, mq_fetch(self->reader.fd, &range, 1, 0, 0));
	for (i = 1; i <= (LARGE + (int)sizeof(struct mqbus_record)) / SMALL_BYTES + 1; i++)
		ASSERT_EQ(0, mq_commit(self->reader.fd, range.partition, i));
	EXPECT_EQ(0, mq_wait(second));
	EXPECT_EQ(0, waitpid(first, NULL, WNOHANG));
	/* The page never arrives; its call fails */
	close(uffd);
	munmap((void *)stuck.value, MQ_PAGE);
	pthread_join(thread, NULL);
	mq_drain(&self->reader);
	mq_drain(&self->reader);
	EXPECT_EQ(0, mq_wait(first));
	close(stuck.fd);
}

/* With room for all, no producer waits for another */
TEST_F_TIMEOUT(publish, many_writers_all_go, 120)
{
	enum { MANY = 40 };
	pid_t pids[MANY];
	int i;

	begin(self, .size = 4096);
	fill_ring(self->fd, 0);
	for (i = 0; i < MANY; i++) {
		pids[i] = start_put(self->topic, 0, 8);
		ASSERT_LT(0, pids[i]);
	}
	mq_drain(&self->reader);
	for (i = 0; i < MANY; i++)
		EXPECT_EQ(0, mq_wait(pids[i]));
	EXPECT_EQ(SMALL + MANY, mq_end(self->ctl, self->topic, "g", 0));
}

/* A child that is refused and polls. Return: 0, or a negative errno. */
static int watch(int ep, int fd, __u32 len)
{
	struct epoll_event ev = { .events = EPOLLOUT | EPOLLET, .data.fd = fd };
	int n = mq_put_in(fd, 0, large, len);

	if (n != -EAGAIN)
		return n == 1 ? -EBUSY : n;
	if (!epoll_ctl(ep, EPOLL_CTL_ADD, fd, &ev) || !epoll_ctl(ep, EPOLL_CTL_MOD, fd, &ev))
		return 0;
	return -errno;
}

/* Producers that never come hold up no other where there is room for all */
TEST_F(publish, who_polls_and_does_not_come)
{
	enum { MANY = 40 };
	int fds[MANY], ep = epoll_create1(0), late, i;

	begin(self, .size = 4096);
	fill_ring(self->fd, 0);
	for (i = 0; i < MANY; i++) {
		fds[i] = mq_producer(self->topic, 0);
		ASSERT_EQ(0, watch(ep, fds[i], 1));
	}
	mq_drain(&self->reader);
	late = mq_producer(self->topic, 0);
	EXPECT_EQ(1, mq_put(late, "x", 1, 0));
	close(late);
	for (i = 0; i < MANY; i++)
		close(fds[i]);
	close(ep);
}

/* Nor, for as long as a turn of each would take, if there is not room for all of them */
TEST_F_TIMEOUT(publish, many_poll_for_much_and_do_not_come, 120)
{
	enum { MANY = 2000 };
	struct rlimit files = { 2 * MANY, 2 * MANY };
	int ep = epoll_create1(0), late, i;
	static int fds[MANY];
	__u64 took;

	ASSERT_EQ(0, setrlimit(RLIMIT_NOFILE, &files));
	begin(self, .size = 4096);
	fill_ring(self->fd, 0);
	for (i = 0; i < MANY; i++) {
		fds[i] = mq_producer(self->topic, 0);
		ASSERT_EQ(0, watch(ep, fds[i], LARGE));
	}
	late = mq_producer(self->topic, 0);
	mq_drain(&self->reader);
	took = mq_clock(CLOCK_MONOTONIC);
	EXPECT_EQ(1, put_in(late, 0, "x", 1));
	took = mq_clock(CLOCK_MONOTONIC) - took;
	TH_LOG("after %llu ms", took / MQ_MS);
	EXPECT_GT(300 * MQ_MS * mq_slow(), took);
	close(late);
	for (i = 0; i < MANY; i++)
		close(fds[i]);
	close(ep);
}

/* Settle all records of the first partition, but none of the other */
static void drain_first(FIXTURE_DATA(publish) *self)
{
	struct mqbus_range range;

	while (mq_fetch(self->reader.fd, &range, 1, 0, 0) > 0)
		if (!range.partition)
			mq_commit(self->reader.fd, 0, range.end_offset);
}

#define TURNS	60

/* Producers that are opened before it comes to time */
static int spare[TURNS];
static int spares;

/* How many turns of others, which each @uses, pass until a new producer stores a record */
static int rivals_pass(FIXTURE_DATA(publish) *self,
		       void (*uses)(FIXTURE_DATA(publish) *self, int fd))
{
	enum { MANY = 40 };
	int fds[MANY], late[TURNS], ep = epoll_create1(0), i, n, ret = 0;
	struct epoll_event ev;

	ret = mq_create(self->ctl, self->topic, .size = 4096, .partitions = 2) ?:
	      mq_group(self->ctl, self->topic, "g") ?:
	      mq_reader_open(&self->reader, self->topic, "g");
	if (ret)
		return -1;
	self->fd = mq_producer(self->topic, 0);
	fill_ring(self->fd, 0);
	for (i = 0; i < MANY; i++) {
		fds[i] = mq_producer(self->topic, 0);
		if (watch(ep, fds[i], LARGE))
			return -2;
	}
	for (i = 0; i < TURNS; i++) {
		late[i] = mq_producer(self->topic, 0);
		spare[i] = mq_producer(self->topic, 0);
	}
	spares = 0;
	fill_ring(self->fd, 1);
	drain_first(self);
	for (n = 0; ret != 1 && n < TURNS; n++) {
		if (epoll_wait(ep, &ev, 1, 1000) != 1)
			return -3;
		uses(self, ev.data.fd);
		watch(ep, ev.data.fd, LARGE);
		drain_first(self);
		ret = mq_put_in(late[n], 0, "x", 1);
	}
	for (i = 0; i < MANY; i++)
		close(fds[i]);
	for (i = 0; i < TURNS; i++) {
		close(late[i]);
		close(spare[i]);
	}
	close(ep);
	printf("# after %d turns of others\n", n);
	return n;
}

static void by_little(FIXTURE_DATA(publish) *self, int fd)
{
	mq_sleep(5 * MQ_MS);
	mq_put_in(fd, 0, "x", 1);
}

static void by_transaction(FIXTURE_DATA(publish) *self, int fd)
{
	struct mqbus_msg msg = mq_msg("x", 1);
	struct mqbus_act act = act_publish(fd, &msg, 1);

	msg.partition = 0;
	mq_sleep(5 * MQ_MS);
	mq_transact(self->ctl, &act, 1, 0, NULL);
}

/* Refused in the other partition */
static void by_giving_up(FIXTURE_DATA(publish) *self, int fd)
{
	mq_put_in(fd, 1, large, LARGE);
}

static void by_opening_again(FIXTURE_DATA(publish) *self, int fd)
{
	dup2(spare[spares++], fd);
}

/* Turns of others after which a producer is no longer held up by them */
#define FEW	10

/* Nor do those that have much room reserved, and come late for little */
TEST_F(publish, who_polls_for_much_and_takes_little)
{
	EXPECT_GE(FEW, rivals_pass(self, by_little));
}

/* Settle records of the first partition until a poller is called. Return: as epoll_wait(). */
static int settle_for(FIXTURE_DATA(publish) *self, __u64 *at, int ep, struct epoll_event *ev)
{
	int n;

	while (!(n = epoll_wait(ep, ev, 1, 0)) && !mq_commit(self->reader.fd, 0, *at + 1))
		++*at;
	return n;
}

/* The same by transactions, in which each act uses its producer's turn */
TEST_F(publish, who_polls_for_much_and_takes_little_at_once)
{
	EXPECT_GE(FEW, rivals_pass(self, by_transaction));
}

/* Nor do those that give up what is reserved for them at once, again and again */
TEST_F(publish, who_polls_and_gives_up)
{
	EXPECT_GE(FEW, rivals_pass(self, by_giving_up));
}

TEST_F(publish, who_polls_and_is_opened_again)
{
	EXPECT_GE(FEW, rivals_pass(self, by_opening_again));
}

/* Whoever gives its turn up is behind those that wait, and not before them with its age */
TEST_F(publish, who_gives_up_begins_anew)
{
	struct epoll_event ev = {};
	int fds[3], ep = epoll_create1(0), i;
	struct mqbus_range range;
	__u64 at = 0;

	begin(self, .size = 4096, .partitions = 2);
	fill_ring(self->fd, 0);
	fill_ring(self->fd, 1);
	for (i = 0; i < 3; i++) {
		fds[i] = mq_producer(self->topic, 0);
		ASSERT_EQ(0, watch(ep, fds[i], LARGE));
	}
	while (mq_fetch(self->reader.fd, &range, 1, 0, 0) > 0)
		;
	/* The first may, the second does instead, and then the third is before the first */
	ASSERT_EQ(1, settle_for(self, &at, ep, &ev));
	EXPECT_EQ(fds[0], ev.data.fd);
	EXPECT_EQ(-EAGAIN, mq_put_in(fds[0], 1, large, LARGE));
	EXPECT_EQ(-EAGAIN, mq_put_in(fds[0], 0, large, LARGE));
	ASSERT_EQ(1, epoll_wait(ep, &ev, 1, 10000));
	EXPECT_EQ(fds[1], ev.data.fd);
	EXPECT_EQ(1, mq_put_in(fds[1], 0, large, LARGE));
	close(fds[1]);
	ASSERT_EQ(1, settle_for(self, &at, ep, &ev));
	EXPECT_EQ(fds[2], ev.data.fd);
	close(fds[0]);
	close(fds[2]);
	close(ep);
}

/* The shortest of some commits, of one record each, in ns */
static long long commit_cost(int fd, __u32 partition, __u64 *at)
{
	long long best = MQ_SEC, took;
	int i;

	for (i = 0; i < 20; i++) {
		took = mq_clock(CLOCK_MONOTONIC);
		if (mq_commit(fd, partition, ++*at))
			return -1;
		took = mq_clock(CLOCK_MONOTONIC) - took;
		best = took < best ? took : best;
	}
	return best;
}

/* Waiters in other partitions cost a commit nothing */
TEST_F(publish, who_waits_elsewhere)
{
	enum { PARTS = 512 };
	static int fds[PARTS];
	struct rlimit files = { 2 * PARTS, 2 * PARTS };
	int ep = epoll_create1(0), member, i;
	struct mqbus_range range;
	long long alone, beside;
	__u64 at = 0;

	ASSERT_EQ(0, setrlimit(RLIMIT_NOFILE, &files));
	ASSERT_EQ(0, mq_create(self->ctl, self->topic, .size = 4096, .partitions = PARTS));
	ASSERT_EQ(0, mq_group(self->ctl, self->topic, "g"));
	self->fd = mq_producer(self->topic, 0);
	fill_ring(self->fd, 0);
	member = mq_member(self->topic, "g", 0);
	ASSERT_EQ(1, mq_fetch(member, &range, 1, 0, 0));
	alone = commit_cost(member, range.partition, &at);
	for (i = 1; i < PARTS; i++) {
		struct epoll_event ev = { .events = EPOLLOUT | EPOLLET };

		fds[i] = mq_producer(self->topic, 0);
		fill_ring(fds[i], i);
		ASSERT_EQ(0, epoll_ctl(ep, EPOLL_CTL_ADD, fds[i], &ev));
	}
	beside = commit_cost(member, range.partition, &at);
	TH_LOG("%lld ns alone, %lld ns beside", alone, beside);
	EXPECT_LT(0, alone);
	EXPECT_LT(0, beside);
	EXPECT_GT(8 * alone, beside);
	for (i = 1; i < PARTS; i++)
		close(fds[i]);
	close(member);
	close(ep);
}

TEST_HARNESS_MAIN
