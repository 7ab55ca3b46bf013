// SPDX-License-Identifier: GPL-2.0
/*
 * Where a group begins, and seeks.
 */
#include "assign.h"
#include "fetch.h"
#include "starve.h"

/* Result of a seek with these arguments, or -errno */
static __s64 seek_to(FIXTURE_DATA(fetch) *self, __u32 flags, __u32 whence, __u64 value)
{
	struct mqbus_seek_result r = {};
	int n = mq_seek(self->ctl, self->topic, "g", flags, 0, whence, value, &r, 1);

	return n < 0 ? n : n == 1 ? (__s64)r.new_offset : -1000;
}

TEST_F(fetch, seek)
{
	struct mqbus_seek_result r;
	struct mq_reader reader;
	__u64 times[50], i;

	begin(self);
	for (i = 0; i < 50; i++) {
		put_numbers(self->fd, i, i + 1);
		/* The clock is finer than that */
		mq_sleep(20000);
	}
	ASSERT_EQ(0, mq_reader_open(&reader, self->topic, "g"));
	for (i = 0; i < 50; i++)
		times[i] = mq_next(&reader, 0)->time;
	mq_next(&reader, 0);
	mq_reader_close(&reader);
	for (i = 1; i < 50; i++)
		ASSERT_LT(times[i - 1], times[i]);

	EXPECT_EQ(0, seek_to(self, 0, MQBUS_WHENCE_EARLIEST, 0));
	EXPECT_EQ(50, seek_to(self, 0, MQBUS_WHENCE_LATEST, 0));
	EXPECT_EQ(50, seek_to(self, 0, MQBUS_WHENCE_OFFSET, ~0ULL));
	EXPECT_EQ(50, seek_to(self, 0, MQBUS_WHENCE_TIME, ~0ULL));
	EXPECT_EQ(50, seek_to(self, 0, MQBUS_WHENCE_TIME, times[49] + 1));
	EXPECT_EQ(0, seek_to(self, 0, MQBUS_WHENCE_TIME, 0));
	for (i = 0; i < 50; i++) {
		EXPECT_EQ(i, seek_to(self, 0, MQBUS_WHENCE_OFFSET, i));
		EXPECT_EQ(i, seek_to(self, 0, MQBUS_WHENCE_TIME, times[i]));
		EXPECT_EQ(i, seek_to(self, 0, MQBUS_WHENCE_TIME, times[i] - 1));
	}
	/* A dry run reports and does not move */
	EXPECT_EQ(20, seek_to(self, 0, MQBUS_WHENCE_OFFSET, 20));
	EXPECT_EQ(7, seek_to(self, MQBUS_GROUP_SEEK_F_DRY_RUN, MQBUS_WHENCE_OFFSET, 7));
	EXPECT_EQ(1, mq_seek(self->ctl, self->topic, "g", MQBUS_GROUP_SEEK_F_DRY_RUN, 0,
			     MQBUS_WHENCE_LATEST, 0, &r, 1));
	EXPECT_EQ(20, r.old_offset);
	EXPECT_EQ(50, r.new_offset);
	EXPECT_EQ(50, r.end_offset);
	ASSERT_EQ(0, mq_reader_open(&reader, self->topic, "g"));
	EXPECT_EQ(20, number(mq_next(&reader, 0)));
	mq_reader_close(&reader);

	EXPECT_EQ(-ECHRNG, mq_seek(self->ctl, self->topic, "g", 0, 1, MQBUS_WHENCE_LATEST, 0,
				   NULL, 0));
	EXPECT_EQ(-ENOENT, mq_seek(self->ctl, self->topic, "h", 0, 0, MQBUS_WHENCE_LATEST, 0,
				   NULL, 0));
	EXPECT_EQ(-ENOENT, mq_seek(self->ctl, "nosuch", "g", 0, 0, MQBUS_WHENCE_LATEST, 0,
				   NULL, 0));
}

/* Publish batch after batch, until killed. */
static void flood(const char *topic)
{
	static struct mqbus_msg msgs[MQBUS_BATCH_MAX];
	int fd = mq_producer(topic, 0);
	unsigned int i;

	for (i = 0; i < MQBUS_BATCH_MAX; i++)
		msgs[i] = mq_msg("x", 1);
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	while (mq_publish(fd, msgs, MQBUS_BATCH_MAX, NULL, 0, NULL) > 0)
		;
}

/* A target behind the end is found at once, though the end moves on */
TEST_F(fetch, behind_an_end_that_moves)
{
	pid_t writers[2], pid;
	unsigned int i;

	begin(self, .size = 1 << 20, .full = MQBUS_FULL_EVICT);
	for (i = 0; i < 2; i++)
		mq_fork(writers[i])
			flood(self->topic);
	mq_fork(pid) {
		for (i = 0; i < 100; i++)
			if (seek_to(self, 0, MQBUS_WHENCE_OFFSET, ~0ULL) < 0 ||
			    seek_to(self, 0, MQBUS_WHENCE_TIME, ~0ULL) < 0 ||
			    mq_group_create(self->ctl, self->topic, "h", MQBUS_WHENCE_OFFSET,
					    ~0ULL >> 1, 0600) ||
			    mq_group_delete(self->ctl, self->topic, "h", 0))
				_exit(1);
		_exit(0);
	}
	EXPECT_EQ(0, mq_wait(pid));
	for (i = 0; i < 2; i++)
		mq_kill(writers[i]);
}

TEST_F(fetch, seek_of_all_partitions)
{
	struct mqbus_seek_result r[4];
	char *hole = mq_before_hole(1);
	__u64 p, i;

	begin(self, .partitions = 3, .size = 4096);
	for (p = 0; p < 3; p++)
		for (i = 0; i < 5 * (p + 1); i++)
			ASSERT_EQ(1, mq_put_in(self->fd, p, &i, sizeof(i)));
	memset(r, 0xcc, sizeof(r));
	EXPECT_EQ(3, mq_seek(self->ctl, self->topic, "g", 0, MQBUS_ANY, MQBUS_WHENCE_OFFSET, 7,
			     r, 2));
	EXPECT_EQ(5, r[0].new_offset);
	EXPECT_EQ(5, r[0].end_offset);
	EXPECT_EQ(1, r[1].partition);
	EXPECT_EQ(7, r[1].new_offset);
	EXPECT_EQ(10, r[1].end_offset);
	/* No room was given for this one */
	EXPECT_EQ(0xcccccccc, r[2].partition);

	/* A bad address is found before anything moves */
	EXPECT_EQ(-EFAULT, mq_seek(self->ctl, self->topic, "g", 0, MQBUS_ANY,
				   MQBUS_WHENCE_EARLIEST, 0, (void *)(hole - sizeof(*r)), 3));
	EXPECT_EQ(-EFAULT, mq_seek(self->ctl, self->topic, "g", 0, MQBUS_ANY,
				   MQBUS_WHENCE_EARLIEST, 0, MQ_KERNEL_PTR, 3));
	EXPECT_EQ(3, mq_seek(self->ctl, self->topic, "g", 0, 2, MQBUS_WHENCE_EARLIEST, 0,
			     r, 4) + 2);
	EXPECT_EQ(2, r[0].partition);
	EXPECT_EQ(7, r[0].old_offset);
	EXPECT_EQ(0, r[0].new_offset);
	EXPECT_EQ(3, mq_seek(self->ctl, self->topic, "g", 0, MQBUS_ANY, MQBUS_WHENCE_LATEST, 0,
			     r, 4));
	EXPECT_EQ(5, r[0].old_offset);
	EXPECT_EQ(7, r[1].old_offset);
	EXPECT_EQ(0, r[2].old_offset);
}

TEST_F(fetch, group_begins_where_it_is_told)
{
	struct mqbus_range range;
	static const struct {
		__u32 whence;
		__u64 value, begin;
	} where[] = {
		{ MQBUS_WHENCE_EARLIEST, 0, 0 },
		{ MQBUS_WHENCE_OFFSET, 3, 3 },
		{ MQBUS_WHENCE_OFFSET, 99, 10 },
		{ MQBUS_WHENCE_LATEST, 0, 10 },
		{ MQBUS_WHENCE_TIME, 0, 0 },
		{ MQBUS_WHENCE_TIME, ~0ULL, 10 },
	};
	unsigned int i;

	begin(self);
	put_numbers(self->fd, 0, 10);
	for (i = 0; i < sizeof(where) / sizeof(*where); i++) {
		char name[MQBUS_NAME_SIZE] = { 'A' + i };
		int fd;

		ASSERT_EQ(0, mq_group_create(self->ctl, self->topic, name, where[i].whence,
					     where[i].value, 0600));
		fd = mq_member(self->topic, name, 0);
		put_numbers(self->fd, 0, 1);
		ASSERT_EQ(1, mq_fetch(fd, &range, 1, 0, 0));
		/* One record was published for each group before */
		EXPECT_EQ(where[i].begin == 10 ? 10 + i : where[i].begin, range.begin_offset)
			TH_LOG("group %s", name);
		close(fd);
	}
}

TEST_F(assign, forced_seek)
{
	struct mqbus_range r[MQBUS_FETCH_MAX], q[MQBUS_FETCH_MAX];
	struct mqbus_seek_result res[PARTS];
	int a, i;
	pid_t pid;

	begin_stream(self);
	for (i = 0; i < 5; i++)
		put_all(self->fd);
	a = member(self);
	ASSERT_EQ(0xf, fetch_bits(a, 0, r));
	ASSERT_EQ(0, mq_commit(a, 1, 3));
	EXPECT_EQ(-EBUSY, mq_seek(self->ctl, self->topic, "g", 0, 1, 0, 0, NULL, 0));
	/* A dry run forces nothing */
	EXPECT_EQ(4, mq_seek(self->ctl, self->topic, "g", __MQBUS_GROUP_SEEK_F_ALL, MQBUS_ANY,
			     MQBUS_WHENCE_LATEST, 0, NULL, 0));
	EXPECT_EQ(0, mq_commit(a, 1, 4));
	mq_fork(pid)
		/* The member is woken, joins again, and gets the records at the new place */
		_exit(mq_fetch(a, q, 1, 0, MQBUS_WAIT_FOREVER) != 1 || q->begin_offset != 2);
	ASSERT_TRUE(mq_wait_asleep(pid, SYS_ioctl));
	ASSERT_EQ(4, mq_seek(self->ctl, self->topic, "g", MQBUS_GROUP_SEEK_F_FORCE, MQBUS_ANY,
			     MQBUS_WHENCE_OFFSET, 2, res, PARTS));
	EXPECT_EQ(4, res[1].old_offset);
	EXPECT_EQ(2, res[1].new_offset);
	EXPECT_EQ(0, mq_wait(pid));
	/* Records fetched before cannot be committed afterwards */
	for (i = 0; i < PARTS; i++)
		EXPECT_EQ(-ENOLINK, mq_commit_of(a, i, 5, r[i].generation));
	ASSERT_EQ(0xe, fetch_bits(a, 0, q));
	EXPECT_EQ(2, q[1].begin_offset);
	EXPECT_EQ(-ENOLINK, mq_commit_of(a, 1, 5, r[1].generation));
	EXPECT_EQ(0, mq_commit_of(a, 1, 5, q[1].generation));

	/*
	 * The member does not sleep in it: the next fetch lets it in, and reports a commit that
	 * it asked for
	 */
	ASSERT_EQ(4, mq_seek(self->ctl, self->topic, "g", MQBUS_GROUP_SEEK_F_FORCE, MQBUS_ANY,
			     MQBUS_WHENCE_EARLIEST, 0, NULL, 0));
	EXPECT_EQ(-ENOLINK, mq_commit(a, 1, 5));
	EXPECT_EQ(-ENOLINK, mq_commit_fetched(a));
	EXPECT_EQ(-ENOLINK, fetch_bits(a, MQBUS_FETCH_F_COMMIT, NULL));
	EXPECT_EQ(0xf, fetch_bits(a, MQBUS_FETCH_F_COMMIT, q));
	EXPECT_EQ(0, q[0].begin_offset);
	/* Of one partition: all members are fenced, but the other partitions do not move */
	ASSERT_EQ(0, mq_commit(a, 0, 3));
	ASSERT_EQ(1, mq_seek(self->ctl, self->topic, "g", MQBUS_GROUP_SEEK_F_FORCE, 2,
			     MQBUS_WHENCE_LATEST, 0, NULL, 0));
	ASSERT_EQ(0xb, fetch_bits(a, 0, q));
	EXPECT_EQ(3, q[0].begin_offset);
	close(a);
}

TEST_F(assign, shifted_seek)
{
	static const struct {
		__s64 by;
		__u64 to;
	} steps[] = {
		{ 3, 3 }, { 4, 7 }, { -2, 5 }, { 0, 5 }, { -9, 0 }, { 9, 9 }, { 5, 10 },
		{ INT64_MIN, 0 }, { INT64_MAX, 10 }, { INT64_MAX, 10 }, { -10, 0 },
	};
	struct mqbus_seek_result r;
	unsigned int i;
	int k;

	begin_stream(self);
	for (k = 0; k < 10; k++)
		put_all(self->fd);
	for (i = 0; i < sizeof(steps) / sizeof(*steps); i++) {
		EXPECT_EQ(1, mq_seek(self->ctl, self->topic, "g", 0, 1, MQBUS_WHENCE_SHIFT,
				     steps[i].by, &r, 1));
		EXPECT_EQ(steps[i].to, r.new_offset) TH_LOG("step %u", i);
	}
	EXPECT_EQ(-EINVAL, mq_seek(self->ctl, self->topic, "g", 0, 1, MQBUS_WHENCE_SHIFT + 1, 0,
				   &r, 1));
	EXPECT_EQ(-EINVAL, mq_group_create(self->ctl, self->topic, "s", MQBUS_WHENCE_SHIFT, 0,
					   0600));
}

#define OPENED	2000

/* How many dry runs are done while others join and leave */
static unsigned int runs_meanwhile(const char *topic, unsigned int *runs)
{
	unsigned int i;

	__atomic_store_n(runs, 0, __ATOMIC_RELAXED);
	for (i = 0; i < OPENED; i++)
		close(mq_producer(topic, 0));
	return __atomic_load_n(runs, __ATOMIC_RELAXED);
}

/* A dry run does not hold up others, as it would if each waited for it */
TEST_F(fetch, dry_run_and_those_who_come)
{
	unsigned int *runs = mq_shared(sizeof(*runs)), least = ~0U, i, n;
	pid_t pid;

	ASSERT_EQ(0, mq_create(self->ctl, self->topic, .partitions = MQBUS_PARTITIONS_MAX,
			       .size = 4096));
	ASSERT_EQ(0, mq_group(self->ctl, self->topic, "g"));
	mq_fork(pid) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		for (;;) {
			mq_seek(self->ctl, self->topic, "g", MQBUS_GROUP_SEEK_F_DRY_RUN,
				MQBUS_ANY, MQBUS_WHENCE_LATEST, 0, NULL, 0);
			__atomic_add_fetch(runs, 1, __ATOMIC_RELAXED);
		}
	}
	while (!__atomic_load_n(runs, __ATOMIC_RELAXED))
		mq_sleep(MQ_MS);
	for (i = 0; i < 5 && least >= OPENED / 4; i++) {
		n = runs_meanwhile(self->topic, runs);
		TH_LOG("%u dry runs, %u producers came and went", n, OPENED);
		if (n < least)
			least = n;
	}
	EXPECT_GT(OPENED / 4, least);
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
}

/* Takes the topic's lock */
static int open_producer(void *arg)
{
	int fd = mq_producer(arg, 0);

	return fd < 0 || close(fd);
}

/* Others use the topic meanwhile */
static void others_meanwhile(struct __test_metadata *_metadata, FIXTURE_DATA(fetch) *self,
			     int (*step)(int ctl, const char *topic))
{
	volatile unsigned int *steps = mq_shared(MQ_PAGE);
	pid_t pid;
	int free, i;

	ASSERT_EQ(0, mq_create(self->ctl, self->topic, .partitions = MQBUS_PARTITIONS_MAX,
			       .size = 4096));
	ASSERT_EQ(0, mq_group(self->ctl, self->topic, "g"));
	self->fd = mq_producer(self->topic, 0);
	for (i = 0; i < 20 * MQBUS_PARTITIONS_MAX; i++)
		ASSERT_EQ(1, mq_put_in(self->fd, i / 20, &i, sizeof(i)));
	mq_fork(pid)
		for (starve(); !step(self->ctl, self->topic); ++*steps)
			;
	free = starve_rounds(steps, open_producer, self->topic);
	EXPECT_LE(STARVE_FREE, free);
	TH_LOG("free in %d rounds; %u times", free, *steps);
	EXPECT_EQ(128 + SIGKILL, mq_kill(pid));
}

static int make_group(int ctl, const char *topic)
{
	return mq_group_create(ctl, topic, "h", MQBUS_WHENCE_OFFSET, 19, 0600) ?:
	       mq_group_delete(ctl, topic, "h", 0);
}

/* Whoever makes a group looks into each partition, and others need not wait for that */
TEST_F(fetch, nobody_waits_for_who_makes_a_group)
{
	if (starve_not())
		SKIP(return, "%s", starve_not());
	others_meanwhile(_metadata, self, make_group);
}

static int move_group(int ctl, const char *topic)
{
	return mq_seek(ctl, topic, "g", 0, MQBUS_ANY, MQBUS_WHENCE_OFFSET, 19, NULL, 0) < 0;
}

/* So does whoever moves one */
TEST_F(fetch, nobody_waits_for_who_seeks)
{
	if (starve_not())
		SKIP(return, "%s", starve_not());
	others_meanwhile(_metadata, self, move_group);
}

TEST_HARNESS_MAIN
