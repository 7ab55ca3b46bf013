// SPDX-License-Identifier: GPL-2.0
/*
 * Consuming: fetch and commit, what is lost, what is kept.
 */
#include "fetch.h"

TEST_F(fetch, ranges_follow_each_other)
{
	struct mqbus_range range;
	__u64 pos = 0, offset = 0, i;
	int fd;

	begin(self, .size = 65536);
	fd = mq_member(self->topic, "g", 0);
	EXPECT_EQ(-EAGAIN, mq_fetch(fd, &range, 1, 0, 0));
	for (i = 1; i < 20; i++) {
		put_numbers(self->fd, 0, i);
		ASSERT_EQ(1, mq_fetch(fd, &range, 1, 0, 0));
		EXPECT_EQ(pos, range.begin);
		EXPECT_EQ(offset, range.begin_offset);
		pos += i * 72;
		offset += i;
		EXPECT_EQ(pos, range.end);
		EXPECT_EQ(offset, range.end_offset);
		EXPECT_EQ(0, range.lost);
		EXPECT_EQ(-EAGAIN, mq_fetch(fd, &range, 1, 0, 0));
	}
	close(fd);
}

/* With less room than partitions none of them starves */
TEST_F(fetch, partitions_take_turns)
{
	struct mqbus_range ranges[MQBUS_FETCH_MAX + 4];
	unsigned int seen[40] = {}, p, i;
	int fd, n;

	begin(self, .partitions = 40, .size = 4096);
	for (p = 0; p < 40; p++)
		ASSERT_EQ(1, mq_put_in(self->fd, p, "x", 1));
	fd = mq_member(self->topic, "g", 0);
	for (i = 0; i < 20; i++) {
		/* The first ones always have something new */
		for (p = 0; p < 4; p++)
			mq_put_in(self->fd, p, "x", 1);
		ASSERT_EQ(4, mq_fetch(fd, ranges, 4, 0, 0));
		for (p = 0; p < 4; p++)
			seen[ranges[p].partition]++;
	}
	for (p = 0; p < 40; p++)
		EXPECT_LE(1, seen[p]);
	/* More room than a call fills */
	for (p = 0; p < 40; p++)
		ASSERT_EQ(1, mq_put_in(self->fd, p, "x", 1));
	memset(ranges, 0xcc, sizeof(ranges));
	n = mq_fetch(fd, ranges, ~0U, 0, 0);
	EXPECT_EQ(MQBUS_FETCH_MAX, n);
	EXPECT_EQ(0xcccccccc, ranges[MQBUS_FETCH_MAX].partition);
	close(fd);
}

TEST_F(fetch, bad_room_hands_out_nothing)
{
	struct mqbus_range range;
	char *hole = mq_before_hole(1);
	__u64 bad[] = { 0, MQ_KERNEL_ADDR, MQ_ODD_ADDR, (uintptr_t)hole, (uintptr_t)hole - 8 };
	unsigned int i;
	int fd;

	begin(self);
	put_numbers(self->fd, 0, 5);
	fd = mq_member(self->topic, "g", 0);
	for (i = 0; i < sizeof(bad) / sizeof(*bad); i++)
		EXPECT_EQ(-EFAULT, mq_fetch(fd, (void *)(uintptr_t)bad[i], 1, 0, 0));
	EXPECT_EQ(-ERANGE, mq_commit(fd, 0, 1));
	ASSERT_EQ(1, mq_fetch(fd, &range, 1, 0, 0));
	EXPECT_EQ(0, range.begin_offset);
	EXPECT_EQ(5, range.end_offset);
	close(fd);
}

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

/* Deep in a long log, where the place of an offset has to be looked up */
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
	/* What the last one handed out is not committed by it */
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

TEST_F(fetch, lost_is_exact)
{
	unsigned int seed = 7, round;
	struct mq_reader r;
	__u64 next = 0, seen = 0, stored = 0;

	begin(self, .size = 4096, .full = MQBUS_FULL_EVICT);
	ASSERT_EQ(0, mq_reader_open(&r, self->topic, "g"));
	for (round = 0; round < 300; round++) {
		unsigned int n = rand_r(&seed) % 120;
		const struct mqbus_record *rec;
		__u64 before = r.lost;

		put_numbers(self->fd, stored, stored + n);
		stored += n;
		while ((rec = mq_next(&r, 0))) {
			ASSERT_EQ(rec->offset, number(rec));
			ASSERT_EQ(next + r.lost - before, rec->offset);
			before = r.lost;
			next = rec->offset + 1;
			seen++;
		}
		ASSERT_EQ(stored, seen + r.lost);
	}
	EXPECT_LT(0, r.lost);
	mq_reader_close(&r);
}

/* A range that did not arrive has told of nothing, nor of what is lost */
TEST_F(fetch, lost_is_told_after_a_fault)
{
	struct mqbus_range range;
	int fd;

	begin(self, .size = 4096, .full = MQBUS_FULL_EVICT);
	put_numbers(self->fd, 0, 100);
	fd = mq_member(self->topic, "g", 0);
	EXPECT_EQ(-EFAULT, mq_fetch(fd, NULL, 1, 0, 0));
	EXPECT_EQ(-EFAULT, mq_fetch(fd, NULL, 1, 0, 0));
	ASSERT_EQ(1, mq_fetch(fd, &range, 1, 0, 0));
	EXPECT_EQ(44, range.begin_offset);
	EXPECT_EQ(44, range.lost);
	close(fd);
}

/* Work that was done may be settled, though its records are gone meanwhile */
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

TEST_F(fetch, retention)
{
	struct mqbus_range range;
	struct mq_map map;
	__u64 expired;
	int fd;

	begin(self, .retention = 30 * MQ_MS);
	fd = mq_member(self->topic, "g", 0);
	ASSERT_EQ(0, mq_map(fd, 0, &map));
	put_numbers(self->fd, 0, 5);
	ASSERT_EQ(1, mq_fetch(fd, &range, 1, 0, 0));
	EXPECT_EQ(0, mq_commit(fd, 0, 3));
	expired = mq_record(&map, 4 * 72)->time + 30 * MQ_MS;
	do
		mq_sleep(5 * MQ_MS);
	while (mq_clock(CLOCK_REALTIME) <= expired);
	put_numbers(self->fd, 5, 6);
	/* However old: what is not settled stays */
	EXPECT_EQ(3, map.page->head_offset);
	EXPECT_EQ(0, mq_commit_fetched(fd));
	put_numbers(self->fd, 6, 7);
	EXPECT_EQ(5, map.page->head_offset);
	/* Whoever looks at what is kept does not see what should be gone */
	ASSERT_EQ(1, mq_fetch(fd, &range, 1, 0, 0));
	EXPECT_EQ(5, range.begin_offset);
	EXPECT_EQ(0, mq_commit_fetched(fd));
	expired = mq_record(&map, 6 * 72)->time + 30 * MQ_MS;
	do
		mq_sleep(5 * MQ_MS);
	while (mq_clock(CLOCK_REALTIME) <= expired);
	ASSERT_EQ(0, mq_group(self->ctl, self->topic, "late"));
	EXPECT_EQ(7, map.page->head_offset);
	mq_unmap(&map);
	close(fd);
	/* None without a limit, or before it */
	EXPECT_EQ(0, mq_delete(self->ctl, self->topic));
	close(self->fd);
	begin(self, .retention = 3600 * MQ_SEC);
	fd = mq_member(self->topic, "g", 0);
	ASSERT_EQ(0, mq_map(fd, 0, &map));
	put_numbers(self->fd, 0, 5);
	ASSERT_EQ(1, mq_fetch(fd, &range, 1, 0, 0));
	EXPECT_EQ(0, mq_commit_fetched(fd));
	put_numbers(self->fd, 5, 6);
	EXPECT_EQ(0, map.page->head_offset);
	mq_unmap(&map);
	close(fd);
}

TEST_HARNESS_MAIN
