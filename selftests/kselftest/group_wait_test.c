// SPDX-License-Identifier: GPL-2.0
/*
 * Waiting until a group has settled records: which records count as settled, causes that end
 * the wait, and refused calls.
 */
#include <sys/resource.h>

#include "fault.h"
#include "queue.h"
#include "topic.h"

/* Wait for places of group @group of topic @topic. */
static int await(int fd, const char *topic, const char *group, const struct mqbus_place *places,
		 __u32 count, __u64 timeout)
{
	struct mqbus_wait args = {
		.count = count, .places = (uintptr_t)places,
		.place_size = count ? sizeof(*places) : 0, .timeout = timeout,
	};

	mq_set_name(args.topic, topic);
	mq_set_name(args.group, group);
	return mq_ioctl(fd, MQBUS_IOC_WAIT, &args);
}

static int await_one(int fd, const char *topic, const char *group, __u32 partition, __u64 offset)
{
	struct mqbus_place place = { .partition = partition, .offset = offset };

	return await(fd, topic, group, &place, 1, 0);
}

/* Whether group "g" has settled a record of partition 0 */
#define SETTLED(self, offset)	(await_one((self)->ctl, (self)->topic, "g", 0, offset) == 0)
#define PENDING(self, offset)	(await_one((self)->ctl, (self)->topic, "g", 0, offset) == -EAGAIN)

/* A child that waits for places or for all; it exits with the errno */
static pid_t waiter(int flags, const char *topic, const char *group,
		    const struct mqbus_place *places, __u32 count, __u64 timeout)
{
	pid_t pid;

	mq_fork(pid) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		_exit(-await(mq_open(flags), topic, group, places, count, timeout));
	}
	return pid;
}

FIXTURE(settled) {
	int ctl;
	int fd;
	int member;
	char topic[MQBUS_NAME_SIZE];
};

FIXTURE_SETUP(settled)
{
	__u64 i;

	mq_name(self->topic, "settled");
	self->ctl = mq_open(0);
	ASSERT_LE(0, self->ctl);
	ASSERT_EQ(0, mq_create(self->ctl, self->topic, .partitions = 2));
	ASSERT_EQ(0, mq_group(self->ctl, self->topic, "g"));
	self->fd = mq_producer(self->topic, 0);
	for (i = 0; i < 8; i++)
		ASSERT_EQ(1, mq_put_in(self->fd, i % 2, &i, sizeof(i)));
	self->member = mq_member(self->topic, "g", 0);
	ASSERT_LE(0, self->member);
}

FIXTURE_TEARDOWN(settled)
{
	mq_delete(self->ctl, self->topic);
	close(self->fd);
	close(self->member);
	EXPECT_EQ(0, mq_left(self->ctl));
	close(self->ctl);
}

/* A stream group has settled all records below its commit, however that came */
TEST_F(settled, stream)
{
	struct mqbus_range ranges[2];

	EXPECT_TRUE(PENDING(self, 0));
	ASSERT_EQ(2, mq_fetch(self->member, ranges, 2, 0, 0));
	EXPECT_TRUE(PENDING(self, 0));
	EXPECT_EQ(0, mq_commit(self->member, 0, 2));
	EXPECT_TRUE(SETTLED(self, 0));
	EXPECT_TRUE(SETTLED(self, 1));
	EXPECT_TRUE(PENDING(self, 2));
	EXPECT_EQ(-EAGAIN, await_one(self->ctl, self->topic, "g", 1, 0));
	EXPECT_EQ(-EAGAIN, await(self->ctl, self->topic, "g", NULL, 0, 0));
	EXPECT_EQ(0, mq_commit_fetched(self->member));
	EXPECT_TRUE(SETTLED(self, 3));
	EXPECT_EQ(0, await_one(self->ctl, self->topic, "g", 1, 3));
	EXPECT_EQ(0, await(self->ctl, self->topic, "g", NULL, 0, 0));
	/* Given up by a seek, and taken back by another */
	ASSERT_EQ(1, mq_put_in(self->fd, 0, "x", 1));
	EXPECT_TRUE(PENDING(self, 4));
	close(self->member);
	self->member = -1;
	EXPECT_EQ(2, mq_seek(self->ctl, self->topic, "g", 0, MQBUS_ANY, MQBUS_WHENCE_LATEST, 0,
			     NULL, 0));
	EXPECT_TRUE(SETTLED(self, 4));
	EXPECT_EQ(2, mq_seek(self->ctl, self->topic, "g", 0, MQBUS_ANY, MQBUS_WHENCE_EARLIEST,
			     0, NULL, 0));
	EXPECT_TRUE(PENDING(self, 0));
}

/* All of several, in any order; the place of a duplicate counts as settled */
TEST_F(settled, places)
{
	struct mqbus_place places[] = {
		{ .partition = 1, .offset = 3 }, { .partition = 0, .offset = 1 },
		{ .partition = MQBUS_ANY }, { .partition = 0, .offset = 0 },
		{ .partition = MQBUS_ANY, .offset = 99 },
	};
	struct mqbus_range ranges[2];

	EXPECT_EQ(0, await(self->ctl, self->topic, "g", places + 2, 1, 0));
	EXPECT_EQ(0, await(self->ctl, self->topic, "g", places + 4, 1, MQBUS_WAIT_FOREVER));
	EXPECT_EQ(-EAGAIN, await(self->ctl, self->topic, "g", places, 5, 0));
	ASSERT_EQ(2, mq_fetch(self->member, ranges, 2, 0, 0));
	ASSERT_EQ(0, mq_commit(self->member, 0, 2));
	EXPECT_EQ(-EAGAIN, await(self->ctl, self->topic, "g", places, 5, 0));
	EXPECT_EQ(0, await(self->ctl, self->topic, "g", places + 1, 4, 0));
	ASSERT_EQ(0, mq_commit(self->member, 1, 4));
	EXPECT_EQ(0, await(self->ctl, self->topic, "g", places, 5, 0));
}

/* Woken by the last record that it waits for, and by no other */
TEST_F(settled, woken)
{
	struct mqbus_place places[] = {
		{ .partition = 0, .offset = 2 }, { .partition = 1, .offset = 1 },
	};
	struct mqbus_range ranges[2];
	pid_t two, all;

	two = waiter(0, self->topic, "g", places, 2, MQBUS_WAIT_FOREVER);
	all = waiter(0, self->topic, "g", NULL, 0, MQBUS_WAIT_FOREVER);
	ASSERT_TRUE(mq_wait_asleep(two, SYS_ioctl));
	ASSERT_TRUE(mq_wait_asleep(all, SYS_ioctl));
	ASSERT_EQ(2, mq_fetch(self->member, ranges, 2, 0, 0));
	ASSERT_EQ(0, mq_commit(self->member, 1, 4));
	ASSERT_EQ(0, mq_commit(self->member, 0, 2));
	ASSERT_TRUE(mq_wait_asleep(two, SYS_ioctl));
	EXPECT_EQ(0, waitpid(two, NULL, WNOHANG));
	ASSERT_EQ(0, mq_commit(self->member, 0, 3));
	EXPECT_EQ(0, mq_wait(two));
	EXPECT_EQ(0, waitpid(all, NULL, WNOHANG));
	/* Records published after it began are not waited for */
	ASSERT_EQ(1, mq_put_in(self->fd, 0, "x", 1));
	ASSERT_EQ(0, mq_commit(self->member, 0, 4));
	EXPECT_EQ(0, mq_wait(all));
	EXPECT_EQ(-EAGAIN, await(self->ctl, self->topic, "g", NULL, 0, 0));
}

static void on_signal(int sig)
{
}

/* Return: how often it slept while it waited for an offset, up to 99, or 100. */
static int sleeps(const char *topic, __u64 offset)
{
	struct mqbus_place place = { .offset = offset };
	struct rusage before, after;
	int ctl = mq_open(0), err;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	getrusage(RUSAGE_SELF, &before);
	err = await(ctl, topic, "g", &place, 1, MQBUS_WAIT_FOREVER);
	getrusage(RUSAGE_SELF, &after);
	if (err)
		return 100;
	return after.ru_nvcsw - before.ru_nvcsw < 99 ? after.ru_nvcsw - before.ru_nvcsw : 99;
}

#define SLEEPERS	4
#define EARLIER		200

/* A waiter for the last record is not woken for each one before */
TEST_F(settled, not_woken_for_others)
{
	struct mqbus_range ranges[2];
	pid_t pid[SLEEPERS];
	int i, err;

	for (i = 0; i < EARLIER; i++)
		ASSERT_EQ(1, mq_put_in(self->fd, 0, &i, sizeof(i)));
	while (mq_fetch(self->member, ranges, 2, 0, 0) > 0)
		;
	for (i = 0; i < SLEEPERS; i++)
		mq_fork(pid[i]) {
			_exit(sleeps(self->topic, EARLIER));
		}
	for (i = 0; i < SLEEPERS; i++)
		ASSERT_TRUE(mq_wait_asleep(pid[i], SYS_ioctl));
	for (i = 1; i <= EARLIER; i++) {
		ASSERT_EQ(0, mq_commit(self->member, 0, i));
		/* A woken waiter has time to go to sleep again */
		mq_sleep(MQ_MS / 4);
	}
	ASSERT_EQ(0, mq_commit(self->member, 0, EARLIER + 1));
	for (i = 0; i < SLEEPERS; i++) {
		err = mq_wait(pid[i]);
		EXPECT_LE(0, err);
		EXPECT_GT(20, err);
	}
}

/* Other causes that end a wait */
TEST_F(settled, ends)
{
	struct mqbus_place place = {};
	struct sigaction act = { .sa_handler = on_signal };
	pid_t pid[2];
	__u64 ns;

	sigaction(SIGUSR1, &act, NULL);
	EXPECT_EQ(-EAGAIN, await(self->ctl, self->topic, "g", &place, 1, 0));
	for (ns = 1; ns < 10 * MQ_MS; ns *= 9)
		EXPECT_EQ(-ETIMEDOUT, await(self->ctl, self->topic, "g", &place, 1, ns));
	EXPECT_EQ(EAGAIN, mq_wait(waiter(O_NONBLOCK, self->topic, "g", &place, 1,
					 MQBUS_WAIT_FOREVER)));
	pid[0] = waiter(0, self->topic, "g", &place, 1, MQBUS_WAIT_FOREVER);
	pid[1] = waiter(0, self->topic, "g", NULL, 0, MQBUS_WAIT_FOREVER);
	ASSERT_TRUE(mq_wait_asleep(pid[0], SYS_ioctl));
	ASSERT_TRUE(mq_wait_asleep(pid[1], SYS_ioctl));
	kill(pid[0], SIGUSR1);
	EXPECT_EQ(EINTR, mq_wait(pid[0]));
	EXPECT_EQ(128 + SIGKILL, mq_kill(pid[1]));
	/* The group is deleted; then another one's topic */
	pid[0] = waiter(0, self->topic, "g", &place, 1, MQBUS_WAIT_FOREVER);
	ASSERT_TRUE(mq_wait_asleep(pid[0], SYS_ioctl));
	ASSERT_EQ(0, mq_group_delete(self->ctl, self->topic, "g", MQBUS_GROUP_DELETE_F_FORCE));
	EXPECT_EQ(EIDRM, mq_wait(pid[0]));
	EXPECT_EQ(-ENOENT, await(self->ctl, self->topic, "g", &place, 1, 0));
	ASSERT_EQ(0, mq_group(self->ctl, self->topic, "h"));
	pid[0] = waiter(0, self->topic, "h", NULL, 0, MQBUS_WAIT_FOREVER);
	ASSERT_TRUE(mq_wait_asleep(pid[0], SYS_ioctl));
	ASSERT_EQ(0, mq_delete(self->ctl, self->topic));
	EXPECT_EQ(EIDRM, mq_wait(pid[0]));
	EXPECT_EQ(-ENOENT, await(self->ctl, self->topic, "h", &place, 1, 0));
}

/* After a signal "all" would be more than at its beginning: it is not restarted */
TEST_F(settled, all_with_a_signal)
{
	struct sigaction act = { .sa_handler = on_signal, .sa_flags = SA_RESTART };
	struct mqbus_place place = {};
	pid_t one, all, gone;
	__u64 end;
	int status = 0;

	sigaction(SIGUSR1, &act, NULL);
	one = waiter(0, self->topic, "g", &place, 1, MQBUS_WAIT_FOREVER);
	all = waiter(0, self->topic, "g", NULL, 0, MQBUS_WAIT_FOREVER);
	ASSERT_TRUE(mq_wait_asleep(one, SYS_ioctl));
	ASSERT_TRUE(mq_wait_asleep(all, SYS_ioctl));
	ASSERT_EQ(1, mq_put_in(self->fd, 0, "x", 1));
	kill(one, SIGUSR1);
	kill(all, SIGUSR1);
	end = mq_patience();
	while (!(gone = waitpid(all, &status, WNOHANG)) && mq_clock(CLOCK_MONOTONIC) < end)
		mq_sleep(10 * MQ_MS);
	EXPECT_EQ(all, gone);
	EXPECT_TRUE(WIFEXITED(status) && WEXITSTATUS(status) == EINTR);
	EXPECT_EQ(0, waitpid(one, NULL, WNOHANG));
	EXPECT_EQ(128 + SIGKILL, mq_kill(one));
	if (!gone)
		EXPECT_EQ(128 + SIGKILL, mq_kill(all));
}

TEST_F(settled, bad_arguments)
{
	static struct mqbus_place many[MQBUS_BATCH_MAX + 1];
	struct { struct mqbus_place p; __u64 tail; } longer[2] = {};
	struct mqbus_place place = {};
	struct mqbus_wait args, good = {
		.count = 1, .places = (uintptr_t)&place, .place_size = sizeof(place),
	};
	char *hole = mq_before_hole(1);
	int i, fd = self->ctl;

	mq_set_name(good.topic, self->topic);
	mq_set_name(good.group, "g");
	EXPECT_EQ(-ERANGE, await(fd, self->topic, "g", many, MQBUS_BATCH_MAX + 1, 0));
	EXPECT_EQ(-ERANGE, await(fd, self->topic, "g", many, ~0U, 0));
	EXPECT_EQ(-EAGAIN, await(fd, self->topic, "g", many, MQBUS_BATCH_MAX, 0));
	/* The last one of the next lot does not exist: not published, or no partition */
	many[MQBUS_BATCH_MAX - 1].offset = 4;
	EXPECT_EQ(-ERANGE, await(fd, self->topic, "g", many, MQBUS_BATCH_MAX,
				 MQBUS_WAIT_FOREVER));
	many[MQBUS_BATCH_MAX - 1].offset = ~0ULL;
	EXPECT_EQ(-ERANGE, await(fd, self->topic, "g", many, MQBUS_BATCH_MAX, 0));
	many[MQBUS_BATCH_MAX - 1].offset = 0;
	many[MQBUS_BATCH_MAX - 1].partition = 2;
	EXPECT_EQ(-ECHRNG, await(fd, self->topic, "g", many, MQBUS_BATCH_MAX,
				 MQBUS_WAIT_FOREVER));
	many[MQBUS_BATCH_MAX - 1].partition = MQBUS_RETRY;
	EXPECT_EQ(-ECHRNG, await(fd, self->topic, "g", many, MQBUS_BATCH_MAX, 0));
	EXPECT_EQ(-EFAULT, await(fd, self->topic, "g", (void *)8, 1, 0));
	EXPECT_EQ(-EFAULT, await(fd, self->topic, "g", (void *)(hole - sizeof(place)), 2, 0));
	EXPECT_EQ(-ENOENT, await(fd, self->topic, "nobody", &place, 1, 0));
	EXPECT_EQ(-ENOENT, await(fd, "nothing", "g", &place, 1, 0));
	place.__reserved = 1;
	EXPECT_EQ(-EINVAL, await(fd, self->topic, "g", &place, 1, 0));
	place.__reserved = 0;
	args = good;
	args.flags = 1;
	EXPECT_EQ(-EOPNOTSUPP, mq_ioctl(fd, MQBUS_IOC_WAIT, &args));
	args = good;
	args.__reserved = 1;
	EXPECT_EQ(-EINVAL, mq_ioctl(fd, MQBUS_IOC_WAIT, &args));
	args = good;
	args.place_size = sizeof(place) - 8;
	EXPECT_EQ(-EINVAL, mq_ioctl(fd, MQBUS_IOC_WAIT, &args));
	args.place_size = ~0U;
	EXPECT_EQ(-E2BIG, mq_ioctl(fd, MQBUS_IOC_WAIT, &args));
	args = good;
	args.count = 2;
	args.places = (uintptr_t)longer;
	args.place_size = sizeof(*longer);
	EXPECT_EQ(-EAGAIN, mq_ioctl(fd, MQBUS_IOC_WAIT, &args));
	longer[1].tail = 1;
	EXPECT_EQ(-E2BIG, mq_ioctl(fd, MQBUS_IOC_WAIT, &args));
	/* On any endpoint */
	for (i = 0; i < 2; i++)
		EXPECT_EQ(-EAGAIN, await(i ? self->fd : self->member, self->topic, "g", &place, 1,
					 0));
	munmap(hole - MQ_PAGE, MQ_PAGE);
}

/* r or w on the topic, and r on the group */
TEST_F(settled, permissions)
{
	static const struct {
		__u32 topic, group;
		int err;
	} rights[] = {
		{ 0600, 0600, -EACCES }, { 0604, 0600, -EACCES }, { 0602, 0600, -EACCES },
		{ 0600, 0606, -EACCES }, { 0604, 0602, -EACCES },
		{ 0604, 0604, -EAGAIN }, { 0602, 0604, -EAGAIN },
	};
	int alice = open_as(ALICE, ALICE, 0);
	char topic[MQBUS_NAME_SIZE];
	size_t i;

	for (i = 0; i < sizeof(rights) / sizeof(*rights); i++) {
		mq_name(topic, "rights");
		ASSERT_EQ(0, mq_create(self->ctl, topic, .mode = rights[i].topic));
		ASSERT_EQ(0, mq_group_create(self->ctl, topic, "g", MQBUS_WHENCE_EARLIEST, 0,
					     rights[i].group));
		int fd = mq_producer(topic, 0);

		ASSERT_EQ(1, mq_put(fd, "x", 1, 0));
		close(fd);
		EXPECT_EQ(rights[i].err, await_one(alice, topic, "g", 0, 0))
			TH_LOG("%o %o", rights[i].topic, rights[i].group);
		EXPECT_EQ(rights[i].err, await(alice, topic, "g", NULL, 0, 0));
		EXPECT_EQ(-EAGAIN, await_one(self->ctl, topic, "g", 0, 0));
		EXPECT_EQ(0, mq_delete(self->ctl, topic));
	}
	close(alice);
}

/* An empty topic has nothing to wait for; nor has a group that began behind the records */
TEST_F(settled, nothing_to_wait_for)
{
	char topic[MQBUS_NAME_SIZE];

	mq_name(topic, "empty");
	ASSERT_EQ(0, mq_create(self->ctl, topic, .partitions = 3));
	ASSERT_EQ(0, mq_group(self->ctl, topic, "g"));
	EXPECT_EQ(0, await(self->ctl, topic, "g", NULL, 0, MQBUS_WAIT_FOREVER));
	EXPECT_EQ(-ERANGE, await_one(self->ctl, topic, "g", 2, 0));
	EXPECT_EQ(0, mq_delete(self->ctl, topic));
	ASSERT_EQ(0, mq_group_create(self->ctl, self->topic, "late", MQBUS_WHENCE_LATEST, 0,
				     0600));
	EXPECT_EQ(0, await(self->ctl, self->topic, "late", NULL, 0, MQBUS_WAIT_FOREVER));
	EXPECT_EQ(0, await_one(self->ctl, self->topic, "late", 1, 3));
}

/* Memory that never arrives holds up only its own waiter */
TEST_F(settled, stuck)
{
	struct mqbus_range ranges[2];
	pid_t pid;
	int uffd;

	mq_fork(pid) {
		char *hole = missing_pages(1, &uffd);

		if (!hole)
			_exit(77);
		await(mq_open(0), self->topic, "g", (void *)hole, 1, MQBUS_WAIT_FOREVER);
	}
	ASSERT_TRUE(mq_wait_asleep(pid, SYS_ioctl));
	EXPECT_EQ(1, mq_put_in(self->fd, 0, "x", 1));
	ASSERT_EQ(2, mq_fetch(self->member, ranges, 2, 0, 0));
	EXPECT_EQ(0, mq_commit_fetched(self->member));
	EXPECT_EQ(0, await(self->ctl, self->topic, "g", NULL, 0, 0));
	ASSERT_EQ(0, mq_delete(self->ctl, self->topic));
	EXPECT_EQ(0, waitpid(pid, NULL, WNOHANG));
	EXPECT_EQ(128 + SIGKILL, mq_kill(pid));
}

/*
 * A queue group settles records one by one. An unsettled record is waited for; a settled one
 * may be waited for until all before it are settled.
 */
TEST_F(queue, out_of_order)
{
	struct worker *w = &self->worker[0];
	struct mqbus_leased l[6];
	int i;

	begin(self);
	put_numbers(self->fd, 0, 8);
	for (i = 0; i < 8; i++)
		EXPECT_TRUE(PENDING(self, i));
	ASSERT_EQ(6, take(w->fd, l, 6, 0));
	EXPECT_TRUE(PENDING(self, 0));
	EXPECT_EQ(0, ack(w, &l[4]));
	EXPECT_EQ(0, ack(w, &l[1]));
	for (i = 0; i < 8; i++)
		EXPECT_TRUE(i == 4 || i == 1 || PENDING(self, i)) TH_LOG("%d", i);
	EXPECT_EQ(0, ack(w, &l[0]));
	EXPECT_TRUE(SETTLED(self, 0));
	EXPECT_TRUE(SETTLED(self, 1));
	EXPECT_EQ(0, reject(w, &l[2]));	/* without a DLQ it is dropped */
	EXPECT_TRUE(SETTLED(self, 2));
	EXPECT_TRUE(PENDING(self, 3));
	EXPECT_EQ(0, release(w, &l[3]));
	EXPECT_TRUE(PENDING(self, 3));
	EXPECT_EQ(-EAGAIN, await(self->ctl, self->topic, "g", NULL, 0, 0));
	ASSERT_EQ(1, take(w->fd, l, 1, 0));
	EXPECT_EQ(3, l[0].offset);
	EXPECT_EQ(0, ack(w, &l[0]));
	EXPECT_TRUE(SETTLED(self, 3));
	EXPECT_TRUE(SETTLED(self, 4));
	EXPECT_TRUE(PENDING(self, 5));
}

/* A record that waits for its next attempt is not settled, wherever it lies */
TEST_F(queue, retry)
{
	struct worker *w = &self->worker[0];
	struct mqbus_leased l[2], again;
	pid_t pid;

	begin(self, .backoff_min = 1000 * MQ_SEC, .backoff_max = 1000 * MQ_SEC);
	put_numbers(self->fd, 0, 3);
	ASSERT_EQ(2, take(w->fd, l, 2, 0));
	EXPECT_EQ(0, ack(w, &l[0]));
	EXPECT_EQ(0, settle(w->fd, l[1].lease, MQBUS_NACK, 1));
	EXPECT_EQ(1, FIGURE(self, RETRYING));
	EXPECT_TRUE(SETTLED(self, 0));
	EXPECT_TRUE(PENDING(self, 1));
	EXPECT_EQ(-EAGAIN, await(self->ctl, self->topic, "g", NULL, 0, 0));
	/* Handed out from the retry ring, and settled there */
	pid = waiter(0, self->topic, "g", (struct mqbus_place[]) { { .offset = 1 } }, 1,
		     MQBUS_WAIT_FOREVER);
	ASSERT_TRUE(mq_wait_asleep(pid, SYS_ioctl));
	ASSERT_EQ(1, take(w->fd, &again, 1, MQ_LONG));
	while (again.offset != 1) {
		EXPECT_EQ(0, release(w, &again));
		ASSERT_EQ(1, take(w->fd, &again, 1, MQ_LONG));
	}
	EXPECT_EQ(MQBUS_RETRY, again.ring);
	EXPECT_TRUE(PENDING(self, 1));
	EXPECT_EQ(0, waitpid(pid, NULL, WNOHANG));
	EXPECT_EQ(0, ack(w, &again));
	EXPECT_EQ(0, mq_wait(pid));
	EXPECT_TRUE(SETTLED(self, 1));
	/* All wait for a record in the retry ring that never becomes due */
	ASSERT_EQ(1, take(w->fd, l, 1, 0));
	EXPECT_EQ(0, nack(w, &l[0]));
	EXPECT_EQ(1, FIGURE(self, RETRYING));
	EXPECT_TRUE(PENDING(self, 2));
	EXPECT_EQ(-EAGAIN, await(self->ctl, self->topic, "g", NULL, 0, 0));
	EXPECT_TRUE(SETTLED(self, 1));
}

/* A waiter for a record that is retried is not woken for each of the others */
TEST_F(queue, not_woken_for_others)
{
	struct worker *w = &self->worker[0];
	struct mqbus_leased l, last;
	pid_t pid[SLEEPERS];
	int i, err;

	begin(self);
	put_numbers(self->fd, 0, 1);
	ASSERT_EQ(1, take(w->fd, &last, 1, 0));
	EXPECT_EQ(0, settle(w->fd, last.lease, MQBUS_NACK, 1));
	ASSERT_EQ(1, take(w->fd, &last, 1, MQ_LONG));
	ASSERT_EQ(MQBUS_RETRY, last.ring);
	for (i = 0; i < SLEEPERS; i++)
		mq_fork(pid[i]) {
			_exit(sleeps(self->topic, 0));
		}
	for (i = 0; i < SLEEPERS; i++)
		ASSERT_TRUE(mq_wait_asleep(pid[i], SYS_ioctl));
	for (i = 0; i < EARLIER; i++) {
		put_numbers(self->fd, 1 + i, 2 + i);
		ASSERT_EQ(1, take(w->fd, &l, 1, 0));
		/* Also if it failed before */
		if (i % 2) {
			EXPECT_EQ(0, settle(w->fd, l.lease, MQBUS_NACK, 1));
			ASSERT_EQ(1, take(w->fd, &l, 1, MQ_LONG));
			ASSERT_EQ(MQBUS_RETRY, l.ring);
		}
		ASSERT_EQ(0, ack(w, &l));
		mq_sleep(MQ_MS / 4);
	}
	ASSERT_EQ(0, ack(w, &last));
	for (i = 0; i < SLEEPERS; i++) {
		err = mq_wait(pid[i]);
		EXPECT_LE(0, err);
		EXPECT_GT(20, err);
	}
}

/* A dead letter is settled once it is stored in the DLQ, not while it waits for room there */
TEST_F(queue, dead_letters)
{
	struct worker *w = &self->worker[0];
	struct mqbus_leased l[2];
	struct mqbus_range range;
	char block[4096] = {};
	int fd, member;
	pid_t pid;

	begin_dlq(self, .max_attempts = 1);
	put_numbers(self->fd, 0, 2);
	ASSERT_EQ(2, take(w->fd, l, 2, 0));
	EXPECT_EQ(0, nack(w, &l[0]));
	EXPECT_EQ(1, FIGURE(self, DEAD_LETTERED));
	EXPECT_TRUE(SETTLED(self, 0));
	fd = mq_producer(self->dlq, 0);
	while (mq_put(fd, block, sizeof(block), 0) == 1 || mq_put(fd, "x", 1, 0) == 1)
		;
	EXPECT_EQ(0, reject(w, &l[1]));
	EXPECT_TRUE(PENDING(self, 1));
	pid = waiter(0, self->topic, "g", NULL, 0, MQBUS_WAIT_FOREVER);
	ASSERT_TRUE(mq_wait_asleep(pid, SYS_ioctl));
	member = mq_member(self->dlq, "dead", 0);
	while (mq_fetch(member, &range, 1, MQBUS_FETCH_F_COMMIT, 0) > 0)
		;
	EXPECT_EQ(0, mq_wait(pid));
	EXPECT_TRUE(SETTLED(self, 1));
	EXPECT_EQ(2, FIGURE(self, DEAD_LETTERED));
	close(fd);
	close(member);
}

/* At most once: it will not come again, but holds its space until it is settled */
TEST_F(queue, at_most_once)
{
	struct mqbus_leased l;

	begin(self, .flags = MQBUS_QUEUE_F_AT_MOST_ONCE);
	put_numbers(self->fd, 0, 2);
	EXPECT_TRUE(PENDING(self, 0));
	ASSERT_EQ(1, take(self->worker[0].fd, &l, 1, 0));
	EXPECT_TRUE(PENDING(self, 1));
	EXPECT_EQ(0, ack(&self->worker[0], &l));
	EXPECT_TRUE(SETTLED(self, 0));
	EXPECT_TRUE(PENDING(self, 1));
}

/* A record held back for its key is not settled */
TEST_F(queue, key_exclusive)
{
	struct worker *w = &self->worker[0];
	struct mqbus_leased l[3];
	int i;

	begin(self, .flags = MQBUS_QUEUE_F_KEY_EXCLUSIVE);
	for (i = 0; i < 4; i++)
		ASSERT_EQ(1, put_keyed(self->fd, i % 2, i));
	ASSERT_EQ(2, take(w->fd, l, 3, 0));
	EXPECT_EQ(0, ack(w, &l[0]));
	EXPECT_TRUE(SETTLED(self, 0));
	for (i = 1; i < 4; i++)
		EXPECT_TRUE(PENDING(self, i));
	ASSERT_EQ(1, take(w->fd, l, 2, 0));
	EXPECT_EQ(2, l[0].offset);
	EXPECT_EQ(0, ack(w, &l[0]));
	EXPECT_TRUE(PENDING(self, 1));
	EXPECT_TRUE(PENDING(self, 3));
	EXPECT_EQ(0, ack(w, &l[1]));
	EXPECT_TRUE(SETTLED(self, 1));
	EXPECT_TRUE(SETTLED(self, 2));
	EXPECT_TRUE(PENDING(self, 3));
	ASSERT_EQ(1, take(w->fd, l, 1, 0));
	EXPECT_EQ(0, ack(w, &l[0]));
	EXPECT_EQ(0, await(self->ctl, self->topic, "g", NULL, 0, 0));
}

/* As many waiters as records, and as many wakeups */
TEST_F(queue, many_waiters)
{
	struct worker *w = &self->worker[0];
	struct mqbus_leased l[16];
	pid_t pid[16];
	int i;

	begin(self);
	put_numbers(self->fd, 0, 16);
	ASSERT_EQ(16, take(w->fd, l, 16, 0));
	for (i = 0; i < 16; i++)
		pid[i] = waiter(0, self->topic, "g", (struct mqbus_place[]) { { .offset = i } }, 1,
				MQBUS_WAIT_FOREVER);
	for (i = 0; i < 16; i++)
		ASSERT_TRUE(mq_wait_asleep(pid[i], SYS_ioctl));
	for (i = 0; i < 16; i++) {
		EXPECT_EQ(0, ack(w, &l[i]));
		EXPECT_EQ(0, mq_wait(pid[i]));
		if (i < 15)
			EXPECT_EQ(0, waitpid(pid[i + 1], NULL, WNOHANG));
	}
}

TEST_HARNESS_MAIN
