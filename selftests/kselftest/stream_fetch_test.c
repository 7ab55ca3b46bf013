// SPDX-License-Identifier: GPL-2.0
/*
 * Fetches: ranges, turns of partitions, and lost records.
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
		/* The first partitions always have new records */
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

/* A range that did not arrive has reported nothing, not even lost records */
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

TEST_HARNESS_MAIN
