// SPDX-License-Identifier: GPL-2.0
/*
 * Commits: by entries, of all that was fetched, and with the next fetch; and refused commits.
 */
#include "assign.h"
#include "fetch.h"

TEST_F(fetch, commit_by_entries)
{
	struct mqbus_commit_entry e[6];
	struct mqbus_commit args = { .entries = (uintptr_t)e, .entry_size = sizeof(*e) };
	struct mqbus_range ranges[3];
	char *hole = mq_before_hole(1);
	struct mqbus_seek_result result;
	__u64 i;
	int fd;

	begin(self, .partitions = 3, .size = 4096);
	for (i = 0; i < 30; i++)
		ASSERT_EQ(1, mq_put_in(self->fd, i % 3, &i, sizeof(i)));
	fd = mq_member(self->topic, "g", 0);
	/* Nothing was fetched yet */
	EXPECT_EQ(-ERANGE, mq_commit(fd, 0, 1));
	EXPECT_EQ(0, mq_commit(fd, 0, 0));
	ASSERT_EQ(3, mq_fetch(fd, ranges, 3, 0, 0));
	EXPECT_EQ(-ECHRNG, mq_commit(fd, 3, 1));
	EXPECT_EQ(-ECHRNG, mq_commit(fd, MQBUS_ANY, 1));
	EXPECT_EQ(-ERANGE, mq_commit(fd, 0, 11));
	EXPECT_EQ(-ERANGE, mq_commit(fd, 0, ~0ULL));

	memset(e, 0, sizeof(e));
	for (i = 0; i < 6; i++)
		e[i].error = 0xcccccccc;
	e[0].partition = 9; e[0].offset = 0;
	e[1].partition = 0; e[1].offset = 5;
	e[2].partition = 0; e[2].offset = 4;
	e[3].partition = 1; e[3].offset = 10;
	e[4].partition = 2; e[4].offset = 11;
	e[5].partition = 0; e[5].offset = 5;
	args.nr_entries = 6;
	EXPECT_EQ(0, mq_ioctl(fd, MQBUS_IOC_COMMIT, &args));
	EXPECT_EQ(3, args.committed);
	EXPECT_EQ(ECHRNG, e[0].error);
	EXPECT_EQ(0, e[1].error);
	EXPECT_EQ(ERANGE, e[2].error);
	EXPECT_EQ(0, e[3].error);
	EXPECT_EQ(ERANGE, e[4].error);
	EXPECT_EQ(0, e[5].error);

	/* None succeeded: the errno of the first */
	e[0].offset = 3; e[0].partition = 0;
	e[1].partition = 7;
	args.nr_entries = 2;
	EXPECT_EQ(-ERANGE, mq_ioctl(fd, MQBUS_IOC_COMMIT, &args));
	EXPECT_EQ(ERANGE, e[0].error);
	EXPECT_EQ(ECHRNG, e[1].error);

	/* The entries end in the middle */
	e[0] = (struct mqbus_commit_entry) { .partition = 2, .offset = 1 };
	memcpy(hole - sizeof(*e), e, sizeof(*e));
	args.entries = (uintptr_t)hole - sizeof(*e);
	EXPECT_EQ(0, mq_ioctl(fd, MQBUS_IOC_COMMIT, &args));
	EXPECT_EQ(1, args.committed);
	args.entries = (uintptr_t)hole;
	EXPECT_EQ(-EFAULT, mq_ioctl(fd, MQBUS_IOC_COMMIT, &args));
	args.entries = MQ_KERNEL_ADDR;
	EXPECT_EQ(-EFAULT, mq_ioctl(fd, MQBUS_IOC_COMMIT, &args));
	close(fd);

	for (i = 0; i < 3; i++) {
		static const __u64 want[] = { 5, 10, 1 };

		ASSERT_EQ(1, mq_seek(self->ctl, self->topic, "g", MQBUS_GROUP_SEEK_F_DRY_RUN, i,
				     MQBUS_WHENCE_LATEST, 0, &result, 1));
		EXPECT_EQ(i, result.partition);
		EXPECT_EQ(want[i], result.old_offset);
	}
}

/* Deep in a long log, where the position of an offset is searched for */
TEST_F(fetch, commit_of_every_offset)
{
	struct mqbus_range range;
	__u64 i;
	int fd;

	begin(self, .size = 1 << 20);
	put_numbers(self->fd, 0, 3000);
	for (i = 1; i < 3000; i += 1 + i / 5) {
		fd = mq_member(self->topic, "g", 0);
		ASSERT_EQ(1, mq_fetch(fd, &range, 1, 0, 0));
		EXPECT_EQ(0, mq_commit(fd, 0, i));
		close(fd);
		fd = mq_member(self->topic, "g", 0);
		ASSERT_EQ(1, mq_fetch(fd, &range, 1, 0, 0));
		EXPECT_EQ(i, range.begin_offset);
		EXPECT_EQ(i * 72, range.begin);
		close(fd);
	}
}

TEST_F(fetch, fetch_and_commit_in_one)
{
	struct mqbus_range range;
	int fd;

	begin(self);
	fd = mq_member(self->topic, "g", 0);
	put_numbers(self->fd, 0, 3);
	ASSERT_EQ(1, mq_fetch(fd, &range, 1, MQBUS_FETCH_F_COMMIT, 0));
	put_numbers(self->fd, 3, 5);
	ASSERT_EQ(1, mq_fetch(fd, &range, 1, MQBUS_FETCH_F_COMMIT, 0));
	EXPECT_EQ(3, range.begin_offset);
	close(fd);
	/* Records handed out by the last one are not committed by it */
	fd = mq_member(self->topic, "g", 0);
	ASSERT_EQ(1, mq_fetch(fd, &range, 1, 0, 0));
	EXPECT_EQ(3, range.begin_offset);
	EXPECT_EQ(5, range.end_offset);
	/* It commits even if there is nothing to fetch */
	EXPECT_EQ(-EAGAIN, mq_fetch(fd, &range, 1, MQBUS_FETCH_F_COMMIT, 0));
	close(fd);
	fd = mq_member(self->topic, "g", 0);
	EXPECT_EQ(-EAGAIN, mq_fetch(fd, &range, 1, 0, 0));
	put_numbers(self->fd, 5, 6);
	ASSERT_EQ(1, mq_fetch(fd, &range, 1, 0, 0));
	EXPECT_EQ(0, mq_commit_fetched(fd));
	close(fd);
	fd = mq_member(self->topic, "g", 0);
	EXPECT_EQ(-EAGAIN, mq_fetch(fd, &range, 1, 0, 0));
	close(fd);
}

/* Finished work can be committed after its records were evicted */
TEST_F(fetch, commit_of_evicted)
{
	struct mqbus_seek_result r;
	struct mqbus_range range;
	int fd;

	begin(self, .size = 4096, .full = MQBUS_FULL_EVICT);
	fd = mq_member(self->topic, "g", 0);
	put_numbers(self->fd, 0, 10);
	ASSERT_EQ(1, mq_fetch(fd, &range, 1, 0, 0));
	put_numbers(self->fd, 10, 110);		/* 54 is the oldest now */
	EXPECT_EQ(0, mq_commit(fd, 0, 3));
	EXPECT_EQ(1, mq_seek(self->ctl, self->topic, "g", MQBUS_GROUP_SEEK_F_DRY_RUN, 0,
			     MQBUS_WHENCE_EARLIEST, 0, &r, 1));
	EXPECT_EQ(3, r.old_offset);
	EXPECT_EQ(0, mq_commit(fd, 0, 5));
	EXPECT_EQ(-ERANGE, mq_commit(fd, 0, 4));
	EXPECT_EQ(-ERANGE, mq_commit(fd, 0, 11));
	EXPECT_EQ(0, mq_commit(fd, 0, 10));
	ASSERT_EQ(1, mq_fetch(fd, &range, 1, 0, 0));
	EXPECT_EQ(54, range.begin_offset);
	EXPECT_EQ(44, range.lost);
	close(fd);
}

TEST_F(assign, commit_arguments)
{
	struct mqbus_commit_entry e = { .__reserved = 1 };
	struct mqbus_commit args = {
		.nr_entries = 1, .entries = (uintptr_t)&e, .entry_size = sizeof(e),
	};
	int a;

	begin_stream(self);
	a = member(self);
	EXPECT_EQ(-EINVAL, mq_ioctl(a, MQBUS_IOC_COMMIT, &args));
	EXPECT_EQ(EINVAL, e.error);
	e.__reserved = 0;
	args.flags = MQBUS_COMMIT_F_RELEASE;
	EXPECT_EQ(0, mq_ioctl(a, MQBUS_IOC_COMMIT, &args));
	args.flags = __MQBUS_COMMIT_F_ALL;
	EXPECT_EQ(-EINVAL, mq_ioctl(a, MQBUS_IOC_COMMIT, &args));
	args.flags = MQBUS_COMMIT_F_RELEASE << 1;
	EXPECT_EQ(-EOPNOTSUPP, mq_ioctl(a, MQBUS_IOC_COMMIT, &args));
	args.flags = 0;
	args.nr_entries = 0;
	EXPECT_EQ(-ERANGE, mq_ioctl(a, MQBUS_IOC_COMMIT, &args));
	args.nr_entries = 1;
	/* A program that knows no generations */
	args.entry_size = offsetof(struct mqbus_commit_entry, generation);
	e.generation = 77;
	EXPECT_EQ(0, mq_ioctl(a, MQBUS_IOC_COMMIT, &args));
	args.entry_size = sizeof(e);
	EXPECT_EQ(-ESTALE, mq_ioctl(a, MQBUS_IOC_COMMIT, &args));
	close(a);
}

TEST_HARNESS_MAIN
