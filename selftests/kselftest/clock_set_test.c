// SPDX-License-Identifier: GPL-2.0
/*
 * The wall clock is set while the bus is in use: record times do not go back, and retention
 * neither drops records early nor stops. The machine's clock is wrong meanwhile, for less than
 * a second each time.
 */
#include <sys/timex.h>

#include "fetch.h"

__attribute__((constructor)) static void may_set_clock(void)
{
	struct timex by_nothing = { .modes = ADJ_SETOFFSET };

	if (adjtimex(&by_nothing) < 0) {
		printf("1..0 # SKIP may not set the clock: %s\n", strerror(errno));
		exit(KSFT_SKIP);
	}
}

FIXTURE(clock) {
	FIXTURE_DATA(fetch) bus;
	struct mq_map map;
	int member;
	__u64 real_minus_mono;
};

FIXTURE_SETUP(clock)
{
	mq_name(self->bus.topic, "clock");
	self->bus.ctl = mq_open(0);
	self->bus.fd = -1;
	self->member = -1;
	ASSERT_LE(0, self->bus.ctl);
	self->real_minus_mono = mq_clock(CLOCK_REALTIME) - mq_clock(CLOCK_MONOTONIC);
}

/* Set the clock to an offset in ns from the right time. */
static int set_clock(FIXTURE_DATA(clock) *self, __s64 wrong)
{
	__u64 now = mq_clock(CLOCK_MONOTONIC) + self->real_minus_mono + wrong;
	struct timespec ts = { .tv_sec = now / MQ_SEC, .tv_nsec = now % MQ_SEC };

	return clock_settime(CLOCK_REALTIME, &ts) ? -errno : 0;
}

FIXTURE_TEARDOWN(clock)
{
	EXPECT_EQ(0, set_clock(self, 0));
	mq_delete(self->bus.ctl, self->bus.topic);
	close(self->member);
	close(self->bus.fd);
	close(self->bus.ctl);
}

/* A topic with a group, a producer, and a member with partition 0 mapped */
#define begin_clock(self, ...) do {						\
	begin(&(self)->bus, ##__VA_ARGS__);					\
	(self)->member = mq_member((self)->bus.topic, "g", 0);			\
	ASSERT_EQ(0, mq_map((self)->member, 0, &(self)->map));			\
} while (0)

/* Fetch all records and commit them. */
static bool settle(FIXTURE_DATA(clock) *self)
{
	struct mqbus_range range;

	return mq_fetch(self->member, &range, 1, 0, 0) == 1 && !mq_commit_fetched(self->member);
}

static __u64 time_of(FIXTURE_DATA(clock) *self, unsigned int i)
{
	return mq_record(&self->map, i * 72)->time;
}

TEST_F(clock, times_do_not_go_back)
{
	struct mqbus_seek_result r;
	unsigned int i;
	__u64 before;

	begin_clock(self);
	put_numbers(self->bus.fd, 0, 5);
	ASSERT_EQ(0, set_clock(self, -MQ_HOUR));
	put_numbers(self->bus.fd, 5, 10);
	EXPECT_GT(time_of(self, 4), mq_clock(CLOCK_REALTIME));
	ASSERT_EQ(0, set_clock(self, 0));
	before = mq_clock(CLOCK_REALTIME);
	put_numbers(self->bus.fd, 10, 15);
	for (i = 1; i < 15; i++)
		EXPECT_LE(time_of(self, i - 1), time_of(self, i)) TH_LOG("record %u", i);
	EXPECT_EQ(time_of(self, 4), time_of(self, 9));
	EXPECT_LE(before, time_of(self, 10));

	/* So a seek by time works, and finds the first of equal times */
	EXPECT_EQ(1, mq_seek(self->bus.ctl, self->bus.topic, "g", MQBUS_GROUP_SEEK_F_DRY_RUN, 0,
			     MQBUS_WHENCE_TIME, time_of(self, 9), &r, 1));
	EXPECT_EQ(4, r.new_offset);
	EXPECT_EQ(1, mq_seek(self->bus.ctl, self->bus.topic, "g", MQBUS_GROUP_SEEK_F_DRY_RUN, 0,
			     MQBUS_WHENCE_TIME, time_of(self, 9) + 1, &r, 1));
	EXPECT_EQ(10, r.new_offset);
}

TEST_F(clock, retention_and_a_clock_set_back)
{
	begin_clock(self, .retention = 30 * MQ_MS);
	put_numbers(self->bus.fd, 0, 5);
	ASSERT_TRUE(settle(self));
	ASSERT_EQ(0, set_clock(self, -MQ_HOUR));
	mq_sleep(40 * MQ_MS);
	/* By this clock the records are of the future, so not too old */
	put_numbers(self->bus.fd, 5, 6);
	EXPECT_EQ(0, self->map.page->head_offset);
	ASSERT_EQ(0, mq_group_create(self->bus.ctl, self->bus.topic, "late",
				     MQBUS_WHENCE_LATEST, 0, 0600));
	EXPECT_EQ(0, self->map.page->head_offset);

	ASSERT_EQ(0, set_clock(self, 0));
	put_numbers(self->bus.fd, 6, 7);
	EXPECT_EQ(5, self->map.page->head_offset);
	/* A record stored meanwhile has the time of the ones before */
	ASSERT_TRUE(settle(self));
	EXPECT_EQ(0, mq_group_delete(self->bus.ctl, self->bus.topic, "late", 0));
	put_numbers(self->bus.fd, 7, 8);
	EXPECT_LE(6, self->map.page->head_offset);
}

TEST_F(clock, retention_and_a_clock_set_ahead)
{
	__u64 i, last;

	begin_clock(self, .size = 4096, .retention = 60 * MQ_SEC);
	put_numbers(self->bus.fd, 0, 5);
	ASSERT_TRUE(settle(self));
	put_numbers(self->bus.fd, 5, 8);
	EXPECT_EQ(0, self->map.page->head_offset);
	ASSERT_EQ(0, set_clock(self, MQ_HOUR));
	/* An hour has passed; unsettled records stay all the same */
	put_numbers(self->bus.fd, 8, 9);
	EXPECT_EQ(5, self->map.page->head_offset);
	last = time_of(self, 8);
	ASSERT_EQ(0, set_clock(self, 0));
	/* New records are of that hour, and do not wait for it to pass */
	for (i = 9; i < 500; i++) {
		put_numbers(self->bus.fd, i, i + 1);
		ASSERT_TRUE(settle(self));
	}
	EXPECT_EQ(500, self->map.page->next_offset);
	EXPECT_EQ(last, mq_record(&self->map, 499 * 72)->time);
}

/* A machine without a battery: less time since 1970 than the retention */
TEST_F(clock, clock_that_was_never_set)
{
	ASSERT_EQ(0, set_clock(self, MQ_SEC - self->real_minus_mono));
	ASSERT_GT(MQ_HOUR, mq_clock(CLOCK_REALTIME));
	begin_clock(self, .retention = 24 * MQ_HOUR);
	put_numbers(self->bus.fd, 0, 5);
	ASSERT_TRUE(settle(self));
	put_numbers(self->bus.fd, 5, 6);
	ASSERT_EQ(0, mq_group(self->bus.ctl, self->bus.topic, "late"));
	EXPECT_EQ(0, self->map.page->head_offset);
	EXPECT_GT(MQ_HOUR, time_of(self, 5));
	/* The clock is set at last: all records are old at once */
	ASSERT_EQ(0, mq_group_delete(self->bus.ctl, self->bus.topic, "late", 0));
	ASSERT_EQ(0, set_clock(self, 0));
	put_numbers(self->bus.fd, 6, 7);
	EXPECT_EQ(5, self->map.page->head_offset);
	EXPECT_LT(24 * MQ_HOUR, time_of(self, 6));
}

/* Timeouts use another clock */
TEST_F(clock, timeouts)
{
	static const __s64 wrong[] = { -(__s64)MQ_HOUR, MQ_HOUR };
	struct mqbus_range range;
	unsigned int i;
	pid_t pid;

	begin_clock(self);
	for (i = 0; i < 2; i++) {
		__u64 begun = mq_clock(CLOCK_MONOTONIC);

		mq_fork(pid)
			_exit(-mq_fetch(self->member, &range, 1, 0, 200 * MQ_MS));
		ASSERT_TRUE(mq_wait_asleep(pid, SYS_ioctl));
		ASSERT_EQ(0, set_clock(self, wrong[i]));
		EXPECT_EQ(ETIMEDOUT, mq_wait(pid));
		EXPECT_LE(200 * MQ_MS, mq_clock(CLOCK_MONOTONIC) - begun);
		ASSERT_EQ(0, set_clock(self, 0));
	}
}

TEST_HARNESS_MAIN
