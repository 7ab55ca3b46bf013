// SPDX-License-Identifier: GPL-2.0
/*
 * Statistics: netlink reports what the test did and counted itself.
 */
#include "dump.h"
#include "queue.h"

struct stats {
	__u64 topic[MQBUS_A_TOPIC_MAX + 1];
	__u64 part[MQBUS_A_PARTITION_MAX + 1];
	__u64 group[MQBUS_A_GROUP_MAX + 1];
};

/* Figures of a topic, its partition 0 and, unless @group is NULL, that group in it */
static int stats(const char *topic, const char *group, struct stats *s)
{
	int err = stats_get(MQBUS_CMD_TOPIC_GET, topic, NULL, MQBUS_ANY, s->topic,
			    MQBUS_A_TOPIC_MAX) ?:
		  stats_get(MQBUS_CMD_PARTITION_GET, topic, NULL, 0, s->part,
			    MQBUS_A_PARTITION_MAX);

	return err || !group ? err :
	       stats_get(MQBUS_CMD_GROUP_GET, topic, group, 0, s->group, MQBUS_A_GROUP_MAX);
}

#define READ(word)	__atomic_load_n(&(word), __ATOMIC_RELAXED)
#define min(a, b)	((a) < (b) ? (a) : (b))
#define TOPIC(name)	(s.topic[MQBUS_A_TOPIC_##name])
#define PART(name)	(s.part[MQBUS_A_PARTITION_##name])
#define GROUP(name)	(s.group[MQBUS_A_GROUP_##name])

TEST_F(queue, evicted)
{
	__u64 before, after;
	struct mqbus_range range;
	struct stats s;
	int member;

	ASSERT_EQ(0, mq_create(self->ctl, self->topic, .size = 4096, .full = MQBUS_FULL_EVICT));
	ASSERT_EQ(0, stats(self->topic, NULL, &s));
	EXPECT_EQ(0, TOPIC(EVICTED));
	EXPECT_EQ(0, TOPIC(PUBLISHED_BYTES));
	EXPECT_EQ(NO_FIGURE, PART(HEAD_TIME));
	self->fd = mq_producer(self->topic, 0);
	put_numbers(self->fd, 0, 44);
	before = mq_clock(CLOCK_REALTIME);
	put_numbers(self->fd, 44, 45);
	after = mq_clock(CLOCK_REALTIME);
	/* 56 fit; without a group nobody has settled any */
	put_numbers(self->fd, 45, 100);
	ASSERT_EQ(0, stats(self->topic, NULL, &s));
	EXPECT_EQ(44, TOPIC(EVICTED));
	EXPECT_EQ(44, PART(EVICTED));
	EXPECT_EQ(7200, TOPIC(PUBLISHED_BYTES));
	EXPECT_EQ(7200, PART(PUBLISHED_BYTES));
	EXPECT_LE(before, PART(HEAD_TIME));
	EXPECT_GE(after, PART(HEAD_TIME));

	/* Settled records are not lost for a group; of the others, all are */
	ASSERT_EQ(0, mq_group(self->ctl, self->topic, "g"));
	member = mq_member(self->topic, "g", 0);
	ASSERT_EQ(1, mq_fetch(member, &range, 1, 0, 0));
	ASSERT_EQ(0, mq_commit_fetched(member));
	put_numbers(self->fd, 100, 156);
	ASSERT_EQ(0, stats(self->topic, "g", &s));
	EXPECT_EQ(44, TOPIC(EVICTED));
	EXPECT_EQ(56, GROUP(LAG));
	EXPECT_EQ(0, GROUP(LOST));
	put_numbers(self->fd, 156, 166);
	ASSERT_EQ(0, stats(self->topic, "g", &s));
	EXPECT_EQ(54, TOPIC(EVICTED));
	/* Two groups: a record counts as lost if one of them needs it */
	ASSERT_EQ(0, mq_group(self->ctl, self->topic, "slow"));
	ASSERT_EQ(1, mq_fetch(member, &range, 1, 0, 0));
	EXPECT_EQ(10, range.lost);
	ASSERT_EQ(0, mq_commit_fetched(member));
	put_numbers(self->fd, 166, 169);
	ASSERT_EQ(0, stats(self->topic, "slow", &s));
	EXPECT_EQ(57, TOPIC(EVICTED));
	/* Some settled, some not */
	ASSERT_EQ(0, mq_group_delete(self->ctl, self->topic, "slow", 0));
	ASSERT_EQ(1, mq_fetch(member, &range, 1, 0, 0));
	ASSERT_EQ(0, mq_commit(member, 0, 167));
	put_numbers(self->fd, 169, 229);
	ASSERT_EQ(0, stats(self->topic, "g", &s));
	EXPECT_EQ(57 + 6, TOPIC(EVICTED));
	close(member);
}

TEST_F(queue, not_evicted)
{
	struct stats s;
	int member;
	__u64 i, v;

	/* A topic that does not evict drops settled records only */
	ASSERT_EQ(0, mq_create(self->ctl, self->topic, .size = 4096,
			       .retention_size = 1024));
	ASSERT_EQ(0, mq_group(self->ctl, self->topic, "g"));
	self->fd = mq_producer(self->topic, 0);
	member = mq_member(self->topic, "g", 0);
	for (i = 0; i < 200; i++) {
		put_numbers(self->fd, i, i + 1);
		ASSERT_EQ(8, read(member, &v, sizeof(v)));
	}
	ASSERT_EQ(0, stats(self->topic, "g", &s));
	EXPECT_EQ(0, TOPIC(EVICTED));
	EXPECT_EQ(200, GROUP(DELIVERED));
	EXPECT_EQ(0, GROUP(REDELIVERED));
	close(member);
}

TEST_F(queue, refused)
{
	struct mqbus_msg msgs[4];
	struct stats s;
	__u64 v = 0;
	int i;

	for (i = 0; i < 4; i++)
		msgs[i] = mq_msg(&v, sizeof(v));
	ASSERT_EQ(0, mq_create(self->ctl, self->topic, .size = 4096, .full = MQBUS_FULL_REJECT));
	self->fd = mq_producer(self->topic, 0);
	put_numbers(self->fd, 0, 55);
	for (i = 0; i < 3; i++)
		ASSERT_EQ(i ? -ENOBUFS : 1, mq_publish(self->fd, msgs, 4, NULL, MQ_LONG, NULL));
	ASSERT_EQ(-1, write(self->fd, &v, sizeof(v)));
	ASSERT_EQ(0, stats(self->topic, NULL, &s));
	/* The first refused record of each call */
	EXPECT_EQ(4, TOPIC(REJECTED));
	EXPECT_EQ(0, TOPIC(OVER_LIMIT));
	EXPECT_EQ(0, TOPIC(WAITS_FULL));
	ASSERT_EQ(0, mq_delete(self->ctl, self->topic));
	close(self->fd);

	ASSERT_EQ(0, mq_create(self->ctl, self->topic, .rate_bytes = 1, .burst = 72 * MQ_SEC,
			       .over = MQBUS_OVER_REJECT));
	self->fd = mq_producer(self->topic, 0);
	ASSERT_EQ(1, mq_put(self->fd, &v, sizeof(v), 0));
	for (i = 0; i < 3; i++)
		ASSERT_EQ(-EXFULL, mq_put(self->fd, &v, sizeof(v), MQ_LONG));
	ASSERT_EQ(0, stats(self->topic, NULL, &s));
	EXPECT_EQ(0, TOPIC(REJECTED));
	EXPECT_EQ(3, TOPIC(OVER_LIMIT));
	EXPECT_EQ(0, TOPIC(WAITS_RATE));
}

TEST_F(queue, blocked)
{
	struct mqbus_range range;
	struct stats s;
	__u64 v = 0, begin;
	int member;
	pid_t pid;

	ASSERT_EQ(0, mq_create(self->ctl, self->topic, .size = 4096));
	ASSERT_EQ(0, mq_group(self->ctl, self->topic, "g"));
	self->fd = mq_producer(self->topic, 0);
	put_numbers(self->fd, 0, 56);
	/* A call that does not wait does not count as waiting */
	ASSERT_EQ(-EAGAIN, mq_put(self->fd, &v, sizeof(v), 0));
	ASSERT_EQ(0, stats(self->topic, NULL, &s));
	EXPECT_EQ(0, TOPIC(WAITS_FULL));
	EXPECT_EQ(0, TOPIC(BLOCKED_TIME));
	begin = mq_clock(CLOCK_MONOTONIC);
	ASSERT_EQ(-ETIMEDOUT, mq_put(self->fd, &v, sizeof(v), 100 * MQ_MS));
	ASSERT_EQ(0, stats(self->topic, NULL, &s));
	EXPECT_EQ(1, TOPIC(WAITS_FULL));
	/* It began a little after the call, from which the timeout counts */
	EXPECT_LE(50 * MQ_MS, TOPIC(BLOCKED_TIME));
	EXPECT_GE(mq_clock(CLOCK_MONOTONIC) - begin, TOPIC(BLOCKED_TIME));
	EXPECT_EQ(0, TOPIC(BLOCKED));
	mq_fork(pid)
		if (mq_put(self->fd, &v, sizeof(v), MQBUS_WAIT_FOREVER) != 1)
			_exit(1);
	ASSERT_TRUE(mq_wait_asleep(pid, SYS_ioctl));
	ASSERT_EQ(0, stats(self->topic, NULL, &s));
	EXPECT_EQ(1, TOPIC(BLOCKED));
	EXPECT_EQ(2, TOPIC(WAITS_FULL));
	/* A wait counts while it goes on */
	v = TOPIC(BLOCKED_TIME);
	mq_sleep(20 * MQ_MS);
	ASSERT_EQ(0, stats(self->topic, NULL, &s));
	EXPECT_LE(v + 20 * MQ_MS, TOPIC(BLOCKED_TIME));
	EXPECT_GE(mq_clock(CLOCK_MONOTONIC) - begin, TOPIC(BLOCKED_TIME));
	v = TOPIC(BLOCKED_TIME);
	member = mq_member(self->topic, "g", 0);
	ASSERT_EQ(1, mq_fetch(member, &range, 1, 0, 0));
	ASSERT_EQ(0, mq_commit_fetched(member));
	ASSERT_EQ(0, mq_wait(pid));
	ASSERT_EQ(0, stats(self->topic, NULL, &s));
	EXPECT_EQ(0, TOPIC(BLOCKED));
	EXPECT_LE(v, TOPIC(BLOCKED_TIME));
	EXPECT_GE(mq_clock(CLOCK_MONOTONIC) - begin, TOPIC(BLOCKED_TIME));
	EXPECT_EQ(2, TOPIC(WAITS_FULL));
	EXPECT_EQ(0, TOPIC(REJECTED));

	/* A signal ends a wait too */
	put_numbers(self->fd, 57, 112);
	mq_fork(pid)
		mq_put(self->fd, &v, sizeof(v), MQBUS_WAIT_FOREVER);
	ASSERT_TRUE(mq_wait_asleep(pid, SYS_ioctl));
	EXPECT_EQ(128 + SIGKILL, mq_kill(pid));
	ASSERT_EQ(0, stats(self->topic, NULL, &s));
	EXPECT_EQ(0, TOPIC(BLOCKED));
	EXPECT_EQ(3, TOPIC(WAITS_FULL));
	close(member);
}

TEST_F(queue, waits_for_limits)
{
	struct stats s;
	__u64 v = 0;
	int i;

	ASSERT_EQ(0, mq_create(self->ctl, self->topic, .rate_bytes = 1, .burst = 72 * MQ_SEC));
	self->fd = mq_producer(self->topic, 0);
	ASSERT_EQ(1, mq_put(self->fd, &v, sizeof(v), 0));
	ASSERT_EQ(-ETIMEDOUT, mq_put(self->fd, &v, sizeof(v), MQ_MS));
	ASSERT_EQ(0, stats(self->topic, NULL, &s));
	EXPECT_EQ(1, TOPIC(WAITS_RATE));
	EXPECT_EQ(0, TOPIC(WAITS_SHARE));
	EXPECT_EQ(0, TOPIC(WAITS_FULL));
	close(self->fd);
	ASSERT_EQ(0, mq_delete(self->ctl, self->topic));
	ASSERT_EQ(0, mq_create(self->ctl, self->topic, .size = 4096, .share = 10));
	self->fd = mq_producer(self->topic, 0);
	for (i = 0; i < 5; i++)
		ASSERT_EQ(1, mq_put(self->fd, &v, sizeof(v), 0));
	ASSERT_EQ(-ETIMEDOUT, mq_put(self->fd, &v, sizeof(v), MQ_MS));
	ASSERT_EQ(0, stats(self->topic, NULL, &s));
	EXPECT_EQ(1, TOPIC(WAITS_SHARE));
	EXPECT_EQ(0, TOPIC(WAITS_RATE));
	EXPECT_EQ(0, TOPIC(WAITS_FULL));
}

/* A stream group's deliveries, against the set of records handed out before */
TEST_F(queue, delivered)
{
	__u64 seen = 0, delivered = 0, again = 0, at = 0, done = 0, n = 0;
	unsigned int seed = 1, turn;
	struct mqbus_range range;
	int member, kind;
	struct stats s;

	ASSERT_EQ(0, mq_create(self->ctl, self->topic, .size = 1 << 20));
	ASSERT_EQ(0, mq_group(self->ctl, self->topic, "g"));
	self->fd = mq_producer(self->topic, 0);
	member = mq_member(self->topic, "g", 0);
	for (turn = 0; turn < 300; turn++) {
		kind = rand_r(&seed) % 6;
		switch (kind) {
		case 0:
		case 1:
			put_numbers(self->fd, n, n + kind + 1);
			n += kind + 1;
			break;
		case 2:
			if (mq_fetch(member, &range, 1, 0, 0) != 1)
				break;
			ASSERT_EQ(at, range.begin_offset);
			at = range.end_offset;
			delivered += at - range.begin_offset;
			again += seen > range.begin_offset ? seen - range.begin_offset : 0;
			seen = at > seen ? at : seen;
			break;
		case 3:
			if (at == n)
				break;
			ASSERT_EQ(at, read_number(member));
			delivered++;
			again += at < seen;
			at++;
			seen = at > seen ? at : seen;
			break;
		case 4:
			/* A range that does not arrive was not handed out */
			EXPECT_EQ(at == n ? -EAGAIN : -EFAULT,
				  mq_fetch(member, (void *)(uintptr_t)MQ_KERNEL_ADDR, 1, 0, 0));
			break;
		case 5:
			if (rand_r(&seed) % 2) {
				ASSERT_EQ(0, mq_commit_fetched(member));
				done = at;
			}
			close(member);
			member = mq_member(self->topic, "g", 0);
			ASSERT_EQ(0, stats(self->topic, "g", &s));
			done = GROUP(COMMITTED);
			at = done;
			break;
		}
		ASSERT_EQ(0, stats(self->topic, "g", &s));
		ASSERT_EQ(delivered, GROUP(DELIVERED));
		ASSERT_EQ(again, GROUP(REDELIVERED));
	}
	EXPECT_LT(0, again);
	/* A seek back hands out again, too */
	close(member);
	ASSERT_EQ(1, mq_seek(self->ctl, self->topic, "g", 0, MQBUS_ANY, MQBUS_WHENCE_EARLIEST, 0,
			     NULL, 0));
	member = mq_member(self->topic, "g", 0);
	ASSERT_EQ(1, mq_fetch(member, &range, 1, 0, 0));
	ASSERT_EQ(0, stats(self->topic, "g", &s));
	EXPECT_EQ(delivered + n, GROUP(DELIVERED));
	EXPECT_EQ(again + seen, GROUP(REDELIVERED));
	close(member);
}

/* A queue group's counters, against what the test did */
TEST_F(queue, settled)
{
	__u64 want[MQBUS_A_QUEUE_MAX + 1] = {};
	unsigned int seed = 7, turn, i;
	struct mqbus_leased l[8];
	struct figures f;
	bool tried[2000] = {};
	__u64 n = 0;

#define WANT(name)	(want[MQBUS_A_QUEUE_##name])
	begin_dlq(self, .max_attempts = MQBUS_ANY, .max_inflight = 64);
	for (turn = 0; turn < 400; turn++) {
		int got;

		if (n < 1900) {
			put_numbers(self->fd, n, n + 3);
			n += 3;
		}
		got = take(self->worker[0].fd, l, 1 + rand_r(&seed) % 8, 0);
		ASSERT_LT(0, got);
		for (i = 0; i < got; i++) {
			int what = rand_r(&seed) % 5;

			WANT(DELIVERED)++;
			WANT(REDELIVERED) += tried[l[i].offset];
			tried[l[i].offset] = true;
			ASSERT_EQ(0, settle(self->worker[0].fd, l[i].lease, what, 0));
			WANT(ACKED) += what == MQBUS_ACK;
			WANT(NACKED) += what == MQBUS_NACK;
			WANT(RELEASED) += what == MQBUS_RELEASE;
			WANT(REJECTED) += what == MQBUS_REJECT;
			WANT(DEAD_LETTERED) += what == MQBUS_REJECT;
			WANT(EXTENDED) += what == MQBUS_EXTEND;
			/* The test still holds it: the member dies with it */
			WANT(DIED) += what == MQBUS_EXTEND;
		}
		if (FIGURE(self, LEASED)) {
			worker_close(&self->worker[0]);
			WANT(DEATHS)++;
			join(self, 0);
		}
	}
	ASSERT_EQ(0, figures_get(self->topic, "g", &f));
	for (i = MQBUS_A_QUEUE_DELIVERED; i <= MQBUS_A_QUEUE_DISCARDED; i++)
		EXPECT_EQ(want[i], f.number[i])
			TH_LOG("figure %u", i);
	EXPECT_LT(0, WANT(DEATHS));
	EXPECT_EQ(n - WANT(ACKED) - WANT(REJECTED), f.group[MQBUS_A_GROUP_LAG]);
}

/* Names of topics that come and go */
static void churn_name(char *name, unsigned int i)
{
	snprintf(name, MQBUS_NAME_SIZE, "churn-%u", i);
}

/* List everything, again and again. Return: why it stopped. */
static int list_all(unsigned int *rounds)
{
	int sock = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_GENERIC);
	int family = family_id(sock), cmd, n = 0;
	struct slow_dump d;

	for (;;) {
		for (cmd = MQBUS_CMD_TOPIC_GET; cmd <= MQBUS_CMD_MEMBER_GET; cmd++) {
			n = slow_dump_begin(&d, family, cmd);
			while (!n && !d.done)
				n = min(slow_dump_next(&d), 0);
			close(d.fd);
			if (n)
				return n;
		}
		__atomic_add_fetch(rounds, 1, __ATOMIC_RELAXED);
	}
}

/* Figures are exact while thousands of topics are created, deleted and listed. */
TEST_F_TIMEOUT(queue, amid_churn, 600)
{
	unsigned int topics = 2000 / mq_slow(), i, turn = 0, acked = 0, n = 0;
	struct { unsigned int topics, lists; int error; } *s = mq_shared(sizeof(*s));
	char name[MQBUS_NAME_SIZE];
	struct mqbus_leased l[8];
	__u64 end = mq_patience();
	pid_t churner, lister;
	struct figures f;
	int got;

	ASSERT_NE(NULL, s);
	begin_dlq(self, .max_inflight = 64);
	mq_fork(churner) {
		for (i = 0;; i = (i + 1) % topics) {
			churn_name(name, i);
			mq_delete(self->ctl, name);
			got = mq_create(self->ctl, name, .size = 4096);
			if (got)
				break;
			__atomic_add_fetch(&s->topics, 1, __ATOMIC_RELAXED);
		}
	}
	mq_fork(lister)
		s->error = list_all(&s->lists);
	/* Until all exist, and creation and deletion begin again */
	while ((turn < 200 || READ(s->topics) < topics + topics / 4 || READ(s->lists) < 3) &&
	       mq_clock(CLOCK_MONOTONIC) < end + 60 * MQ_SEC * mq_slow()) {
		put_numbers(self->fd, n, n + 3);
		n += 3;
		got = take(self->worker[0].fd, l, 8, 0);
		ASSERT_LT(0, got);
		for (i = 0; i < got; i++)
			ASSERT_EQ(0, settle(self->worker[0].fd, l[i].lease, MQBUS_ACK, 0));
		acked += got;
		ASSERT_EQ(0, figures_get(self->topic, "g", &f));
		ASSERT_EQ(acked, f.number[MQBUS_A_QUEUE_ACKED]);
		ASSERT_EQ(acked, f.number[MQBUS_A_QUEUE_DELIVERED]);
		ASSERT_EQ(n - acked, f.group[MQBUS_A_GROUP_LAG]);
		turn++;
	}
	EXPECT_LE(topics + topics / 4, READ(s->topics));
	EXPECT_LE(3, READ(s->lists));
	EXPECT_EQ(0, s->error);
	mq_kill(churner);
	mq_kill(lister);
	for (i = 0; i < topics; i++) {
		churn_name(name, i);
		mq_delete(self->ctl, name);
	}
}

/* The times lie between the clock before and after. */
TEST_F(queue, times)
{
	__u64 stored, taken, now, oldest;
	struct mqbus_leased l[3];
	struct stats s;

	begin(self, .backoff_min = 3600 * MQ_SEC, .backoff_max = 3600 * MQ_SEC);
	ASSERT_EQ(0, stats(self->topic, "g", &s));
	EXPECT_EQ(0, GROUP(LAG_TIME));
	EXPECT_EQ(0, FIGURE(self, OLDEST_INFLIGHT));
	EXPECT_EQ(0, GROUP(LAG_THRESHOLD));
	stored = mq_clock(CLOCK_REALTIME);
	put_numbers(self->fd, 0, 1);
	mq_sleep(2 * MQ_MS);
	taken = mq_clock(CLOCK_REALTIME);
	put_numbers(self->fd, 1, 3);
	EXPECT_EQ(0, FIGURE(self, OLDEST_INFLIGHT));
	ASSERT_EQ(2, take(self->worker[0].fd, l, 2, 0));
	ASSERT_EQ(0, stats(self->topic, "g", &s));
	now = mq_clock(CLOCK_REALTIME);
	EXPECT_GE(now - stored, GROUP(LAG_TIME));
	EXPECT_LE(2 * MQ_MS, GROUP(LAG_TIME));
	oldest = FIGURE(self, OLDEST_INFLIGHT);
	now = mq_clock(CLOCK_REALTIME);
	EXPECT_LT(0, oldest);
	EXPECT_GE(now - taken, oldest);
	/* In the retry ring a record keeps its age */
	ASSERT_EQ(0, nack(&self->worker[0], &l[0]));
	EXPECT_EQ(1, FIGURE(self, RETRYING));
	ASSERT_EQ(0, ack(&self->worker[0], &l[1]));
	ASSERT_EQ(1, take(self->worker[0].fd, l + 2, 1, 0));
	ASSERT_EQ(0, ack(&self->worker[0], &l[2]));
	ASSERT_EQ(0, stats(self->topic, "g", &s));
	EXPECT_LE(2 * MQ_MS, GROUP(LAG_TIME));
	EXPECT_LT(0, FIGURE(self, OLDEST_INFLIGHT));
	EXPECT_EQ(1, GROUP(LAG));
}

TEST_HARNESS_MAIN
