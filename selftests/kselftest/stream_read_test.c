// SPDX-License-Identifier: GPL-2.0
/*
 * Members of stream groups that use read(): what it returns and settles.
 */
#include "assign.h"
#include "fetch.h"

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
	/* 0 is settled, 1 is not: no further read() came */
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
	/* read() and fetch share their progress */
	ASSERT_EQ(1, mq_fetch(fd, &range, 1, 0, 0));
	EXPECT_EQ(4, range.begin_offset);
	EXPECT_EQ(-EAGAIN, read_number(fd));
	close(fd);
	fd = mq_member(self->topic, "g", O_NONBLOCK);
	EXPECT_EQ(4, read_number(fd));
	EXPECT_EQ(5, read_number(fd));
	/* With no record to return it still settles the one before */
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

/* read() on a topic that evicts gives whole records, in order */
TEST_F(fetch, read_while_evicting)
{
	__u64 last = 0, first = 1, v;
	int fd, n = 0;
	pid_t pid;

	begin(self, .size = 4096, .full = MQBUS_FULL_EVICT);
	fd = mq_member(self->topic, "g", 0);
	mq_fork(pid)
		put_numbers(self->fd, 1, 20001);
	while (last < 20000) {
		ASSERT_EQ(sizeof(v), read(fd, &v, sizeof(v)));
		ASSERT_LT(last, v);
		if (!n++)
			first = v;
		last = v;
	}
	EXPECT_EQ(0, mq_wait(pid));
	EXPECT_LE(1, first);
	EXPECT_LT(0, n);
	close(fd);
}

/* read() settles a record when it takes the next one */
TEST_F(assign, read_lets_go)
{
	char v[8];
	int a, b, i;

	begin_stream(self);
	put_all(self->fd);
	a = mq_member(self->topic, "g", O_NONBLOCK);
	for (i = 0; i < PARTS; i++)
		ASSERT_EQ(8, read(a, v, 8));
	/* The member works on all partitions; the last read() was of one that is to be released */
	for (i = 0; i < PARTS - 1; i++)
		ASSERT_EQ(1, mq_put_in(self->fd, i, "12345678", 8));
	ASSERT_EQ(0x7, fetch_bits(a, 0, NULL));
	b = member(self);
	put_all(self->fd);
	EXPECT_EQ(-EAGAIN, fetch_bits(b, 0, NULL));
	EXPECT_EQ(POLLPRI, mq_revents(a, POLLPRI));
	ASSERT_EQ(8, read(a, v, 8));
	EXPECT_EQ(0x8, fetch_bits(b, 0, NULL));
	ASSERT_EQ(8, read(a, v, 8));
	/* Of the other one to be released no record is returned */
	EXPECT_EQ(-1, read(a, v, 8));
	EXPECT_EQ(EAGAIN, errno);
	EXPECT_EQ(0, mq_commit_fetched(a));
	EXPECT_EQ(0x4, fetch_bits(b, 0, NULL));
	close(a);
	close(b);
}

TEST_HARNESS_MAIN
