// SPDX-License-Identifier: GPL-2.0
/*
 * Where a group begins and seeks to, and what read() settles.
 */
#include "fetch.h"

/* Where a seek with these arguments leads; -errno */
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
	/* A dry run tells and does not move */
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

/* What is behind the end is found at once, though the end runs away */
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
	/* No room was told of for this one */
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
		/* One was put for each group before */
		EXPECT_EQ(where[i].begin == 10 ? 10 + i : where[i].begin, range.begin_offset)
			TH_LOG("group %s", name);
		close(fd);
	}
}

TEST_F(fetch, read_settles_the_previous)
{
	struct mqbus_range range;
	char small[4];
	int fd;

	begin(self);
	put_numbers(self->fd, 0, 6);
	fd = mq_member(self->topic, "g", O_NONBLOCK);
	EXPECT_EQ(0, read_number(fd));
	EXPECT_EQ(1, read_number(fd));
	close(fd);
	/* 0 is settled, 1 was not: nobody read on */
	fd = mq_member(self->topic, "g", O_NONBLOCK);
	EXPECT_EQ(1, read_number(fd));
	EXPECT_EQ(-1, read(fd, small, sizeof(small)));
	EXPECT_EQ(EMSGSIZE, errno);
	EXPECT_EQ(-1, read(fd, NULL, 8));
	EXPECT_EQ(EFAULT, errno);
	EXPECT_EQ(-1, read(fd, mq_before_hole(1) - 4, 8));
	EXPECT_EQ(EFAULT, errno);
	/* It stays, and comes next */
	EXPECT_EQ(2, read_number(fd));
	EXPECT_EQ(3, read_number(fd));
	/* Reading and fetching are one progress */
	ASSERT_EQ(1, mq_fetch(fd, &range, 1, 0, 0));
	EXPECT_EQ(4, range.begin_offset);
	EXPECT_EQ(-EAGAIN, read_number(fd));
	close(fd);
	fd = mq_member(self->topic, "g", O_NONBLOCK);
	EXPECT_EQ(4, read_number(fd));
	EXPECT_EQ(5, read_number(fd));
	/* Having nothing to give, it settles all the same */
	EXPECT_EQ(-EAGAIN, read_number(fd));
	close(fd);
	fd = mq_member(self->topic, "g", O_NONBLOCK);
	EXPECT_EQ(-EAGAIN, read_number(fd));
	close(fd);
}

TEST_F(fetch, read_of_partitions)
{
	bool seen[30] = {};
	struct iovec iov[2];
	__u64 last[3] = {}, i, v;
	__u32 half[2];
	int fd;

	begin(self, .partitions = 3, .size = 4096);
	for (i = 0; i < 30; i++)
		ASSERT_EQ(1, mq_put_in(self->fd, i % 3, &i, sizeof(i)));
	fd = mq_member(self->topic, "g", O_NONBLOCK);
	iov[0] = (struct iovec) { &half[0], 4 };
	iov[1] = (struct iovec) { &half[1], 4 };
	for (i = 0; i < 30; i++) {
		ASSERT_EQ(8, readv(fd, iov, 2));
		v = half[0];
		EXPECT_EQ(0, half[1]);
		ASSERT_GT(30, v);
		EXPECT_FALSE(seen[v]);
		seen[v] = true;
		EXPECT_LE(last[v % 3], v);
		last[v % 3] = v;
	}
	EXPECT_EQ(-EAGAIN, read_number(fd));
	close(fd);
	fd = mq_member(self->topic, "g", O_NONBLOCK);
	EXPECT_EQ(-EAGAIN, read_number(fd));
	close(fd);
}

TEST_HARNESS_MAIN
