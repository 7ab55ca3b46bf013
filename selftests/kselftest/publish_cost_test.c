// SPDX-License-Identifier: GPL-2.0
/*
 * Cost of a record for its publisher beside many sleeping members. MQ_CROWD=N: their number.
 */
#include "herd.h"

/*
 * Cost of a publish beside sleeping members: the time of the call alone, since the woken member
 * cannot run meanwhile. It is printed, and compared where time counts instructions.
 */
static long long publish_cost(FIXTURE_DATA(crowd) *self, int n)
{
	const struct sched_param high = { .sched_priority = 10 }, none = {};
	const int rounds = 50;
	long long begin, ns = 0;
	int i;

	sched_setscheduler(0, SCHED_FIFO, &high);
	for (i = 0; i < rounds; i++) {
		mq_sleep(5 * MQ_MS);
		begin = mq_clock(CLOCK_MONOTONIC);
		mq_put_in(self->fd, i % 4, "12345678", 8);
		ns += mq_clock(CLOCK_MONOTONIC) - begin;
	}
	sched_setscheduler(0, SCHED_OTHER, &none);
	return all_asleep(n, BY_FETCH) ? ns / rounds : -1;
}

TEST_F(crowd, cost)
{
	const char *text = getenv("MQ_CROWD");
	int n = text ? atoi(text) : CROWD / mq_slow(), i;
	cpu_set_t set;
	long long cost;

	ASSERT_TRUE(n > 0 && n <= CROWD_MAX);
	ASSERT_EQ(0, mq_create(self->ctl, self->topic, .size = 4096, .partitions = 4));
	ASSERT_EQ(0, mq_stream(self->ctl, self->topic, "g"));
	self->fd = mq_producer(self->topic, 0);
	CPU_ZERO(&set);
	CPU_SET(0, &set);
	sched_setaffinity(0, sizeof(set), &set);
	/* All but four members have no partition, so that there are as many wakeups */
	ASSERT_EQ(0, gather(self, n, BY_FETCH));
	cost = publish_cost(self, n);
	ASSERT_LT(0, cost);
	/* cost.sh reads this */
	TH_LOG("crowd of %d: %lld ns a publish", n, cost);
	for (i = 0; i < n; i++)
		EXPECT_GE(50, crowd[i].woken);
}

TEST_HARNESS_MAIN
