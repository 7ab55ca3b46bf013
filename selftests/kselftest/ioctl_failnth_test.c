// SPDX-License-Identifier: GPL-2.0
/*
 * Each place where a call can fail for lack of memory, or because user memory cannot be
 * accessed, fails once: the first, the second, ... until there are no more. A call either
 * succeeds or leaves no trace. It needs fault injection, which the kernels of distributions
 * lack.
 */
#include "container.h"
#include "queue.h"
#include "producer.h"
#include "stream.h"
#include "transact.h"

#define MOST	2000

struct point {
	int ctl;
	int fd;
	char topic[MQBUS_NAME_SIZE];
	char dlq[MQBUS_NAME_SIZE];
};

/* A call; the next one undoes it */
struct step {
	const char *name;
	int (*call)(struct point *p);
	int (*undo)(struct point *p);
};

static int knob(const char *capability, const char *name, const char *value)
{
	char path[128];
	int fd, ret;

	snprintf(path, sizeof(path), "/sys/kernel/debug/%s/%s", capability, name);
	fd = open(path, O_WRONLY);
	if (fd < 0)
		return -errno;
	ret = write(fd, value, strlen(value)) < 0 ? -errno : 0;
	close(fd);
	return ret;
}

/* Faults in sleeping allocations too, at once, and without a message in the log */
static int inject_init(void)
{
	return knob("failslab", "verbose", "0") ?:
	       knob("fail_page_alloc", "verbose", "0") ?:
	       knob("fail_usercopy", "verbose", "0") ?:
	       knob("failslab", "ignore-gfp-wait", "N") ?:
	       knob("fail_page_alloc", "ignore-gfp-wait", "N") ?:
	       knob("fail_page_alloc", "min-order", "0");
}

static int nth_fd = -1;

static void arm(unsigned int nth)
{
	char text[16];
	int n = snprintf(text, sizeof(text), "%u", nth);

	if (nth_fd < 0)
		nth_fd = open("/proc/thread-self/fail-nth", O_RDWR);
	/* A pending fault may strike here */
	while (pwrite(nth_fd, text, n, 0) < 0 && errno == EFAULT)
		;
}

/* Return: whether a fault was injected */
static bool disarm(void)
{
	char text[16] = "";
	bool injected = pread(nth_fd, text, sizeof(text) - 1, 0) > 0 && !atoi(text);

	if (!injected)
		arm(0);
	return injected;
}

static int topic_create(struct point *p)
{
	return mq_create(p->ctl, p->topic, .partitions = 2, .size = 8192);
}

static int topic_create_limited(struct point *p)
{
	return mq_create(p->ctl, p->topic, .partitions = 2, .size = 8192, .rate = 1000000,
			 .rate_bytes = 1000000000, .user_rate = 1000000,
			 .user_rate_bytes = 1000000000, .burst = MQ_SEC, .share = 50,
			 .over = MQBUS_OVER_REJECT, .retention_size = 4096);
}

static int topic_delete(struct point *p)
{
	return mq_delete(p->ctl, p->topic);
}

static int stream_create(struct point *p)
{
	return mq_group(p->ctl, p->topic, "f");
}

static int group_delete(struct point *p)
{
	return mq_group_delete(p->ctl, p->topic, "f", 0);
}

static int queue_create(struct point *p)
{
	return mq_queue(p->ctl, p->topic, "f", p->dlq, .max_inflight = 2000,
			.flags = MQBUS_QUEUE_F_KEY_EXCLUSIVE);
}

/* A uid's limit takes memory; without limits that is released */
static int topic_set(struct point *p, __u32 share, __u64 rate)
{
	return mq_create(p->ctl, p->topic, .flags = MQBUS_TOPIC_F_SET,
			 .fields = MQBUS_TOPIC_SET_SHARE | MQBUS_TOPIC_SET_USER_RATE |
				   MQBUS_TOPIC_SET_RATE, .share = share, .user_rate = rate,
			 .rate = rate);
}

static int topic_limit(struct point *p)
{
	return topic_set(p, 50, 1000000);
}

static int topic_anew(struct point *p)
{
	return topic_delete(p) ?: topic_create(p);
}

static int topic_unlimit(struct point *p)
{
	return topic_set(p, 0, 0);
}

static int stream_create_graceful(struct point *p)
{
	return mq_stream(p->ctl, p->topic, "f", .rebalance_timeout = MQ_SEC, .grace = MQ_SEC);
}

static int stream_set(struct point *p)
{
	struct mqbus_group_set args = {
		.fields = MQBUS_GROUP_SET_GRACE | MQBUS_GROUP_SET_REBALANCE_TIMEOUT |
			  MQBUS_GROUP_SET_PAUSED,
		.stream = { .rebalance_timeout = 2 * MQ_SEC },
	};

	mq_set_name(args.topic, p->topic);
	mq_set_name(args.group, "s");
	return mq_ioctl(p->ctl, MQBUS_IOC_GROUP_SET, &args);
}

static int set_dlq(struct point *p)
{
	return mq_set(p->ctl, p->topic, "g", MQBUS_GROUP_SET_DLQ, p->dlq);
}

static int unset_dlq(struct point *p)
{
	return mq_set(p->ctl, p->topic, "g", MQBUS_GROUP_SET_DLQ, NULL);
}

static int open_producer(struct point *p)
{
	p->fd = mq_producer(p->topic, 0);
	return p->fd < 0 ? p->fd : 0;
}

static int open_name(struct point *p)
{
	struct mqbus_produce args;

	p->fd = open_named(p->topic, "name", &args);
	return p->fd < 0 ? p->fd : 0;
}

/* A topic remembers names while it lives, even if the answer was lost. */
static int open_new_name(struct point *p)
{
	int ret = open_name(p);

	return ret ? topic_delete(p) ?: topic_create(p) ?: ret : 0;
}

static int forget_named(struct point *p)
{
	return close(p->fd) ?: topic_delete(p) ?: topic_create(p);
}

/* Beside another member, so that partitions move */
static int join_with_id(struct point *p)
{
	p->fd = mq_member_as(p->topic, "shared", "static", 0);
	return p->fd < 0 ? p->fd : 0;
}

static int join_queue(struct point *p)
{
	p->fd = mq_member(p->topic, "g", 0);
	return p->fd < 0 ? p->fd : 0;
}

static int join_stream(struct point *p)
{
	p->fd = mq_member(p->topic, "s", 0);
	return p->fd < 0 ? p->fd : 0;
}

static int open_and_enter(struct point *p)
{
	int netns = own_netns(), ret;

	p->fd = mq_open(0);
	ret = netns < 0 ? -ENOMEM : p->fd < 0 ? p->fd : enter(p->fd, netns);
	if (netns >= 0)
		close(netns);
	if (ret && p->fd >= 0)
		close(p->fd);
	return ret;
}

static int close_fd(struct point *p)
{
	return close(p->fd);
}

static int seek(struct point *p)
{
	struct mqbus_seek_result results[2];
	int n = mq_seek(p->ctl, p->topic, "s", 0, MQBUS_ANY, MQBUS_WHENCE_EARLIEST, 0, results, 2);

	return n < 0 ? n : 0;
}

static int seek_forced(struct point *p)
{
	struct mqbus_seek_result results[2];
	int n = mq_seek(p->ctl, p->topic, "shared", MQBUS_GROUP_SEEK_F_FORCE, MQBUS_ANY,
			MQBUS_WHENCE_EARLIEST, 0, results, 2);

	return n < 0 ? n : 0;
}

/* No record is published, so there is nothing to settle */
static int await_group(struct point *p)
{
	struct mqbus_place places[3] = { { MQBUS_ANY }, { MQBUS_ANY }, { MQBUS_ANY } };
	struct mqbus_wait args = { .count = 3, .places = (uintptr_t)places,
				   .place_size = sizeof(*places) };

	mq_set_name(args.topic, p->topic);
	mq_set_name(args.group, "s");
	return mq_ioctl(p->ctl, MQBUS_IOC_WAIT, &args);
}

static int nothing(struct point *p)
{
	return 0;
}

/* Charged bytes, number of groups, and the module's references */
struct trace {
	__u64 used;
	long long refs;
};

static struct trace trace(const struct point *p)
{
	return (struct trace) { mq_used(p->ctl), mq_read_number(MQ_REFCNT) };
}

static void same(struct __test_metadata *_metadata, const struct step *step, unsigned int nth,
		 struct trace a, struct trace b)
{
	EXPECT_EQ(a.used, b.used)
		TH_LOG("%s, fault %u", step->name, nth);
	EXPECT_EQ(a.refs, b.refs)
		TH_LOG("%s, fault %u", step->name, nth);
}

static void sweep(struct __test_metadata *_metadata, struct point *p, const struct step *step)
{
	struct trace before = trace(p);
	unsigned int nth, failed = 0;
	bool injected = true;
	int ret;

	for (nth = 1; injected && nth < MOST; nth++) {
		arm(nth);
		ret = step->call(p);
		injected = disarm();
		if (ret) {
			failed++;
			EXPECT_TRUE(injected && (ret == -ENOMEM || ret == -EFAULT))
				TH_LOG("%s, fault %u: %s", step->name, nth, strerror(-ret));
			same(_metadata, step, nth, before, trace(p));
			/* The failed call can be done now */
			ret = step->call(p);
		}
		ASSERT_EQ(0, ret)
			TH_LOG("%s after fault %u: %s", step->name, nth, strerror(-ret));
		ASSERT_EQ(0, step->undo(p))
			TH_LOG("undoing %s after fault %u", step->name, nth);
		same(_metadata, step, nth, before, trace(p));
	}
	EXPECT_FALSE(injected);
	EXPECT_LT(0, failed)
		TH_LOG("%s cannot fail", step->name);
	TH_LOG("%s: %u places, %u of them failed the call", step->name, nth - 2, failed);
}

FIXTURE(failnth) {
	struct point p;
	bool injects;
};

FIXTURE_SETUP(failnth)
{
	struct point *p = &self->p;

	self->injects = !access("/proc/self/fail-nth", F_OK) && !inject_init();
	p->ctl = mq_open(0);
	ASSERT_LE(0, p->ctl);
	mq_name(p->topic, "failnth");
	mq_name(p->dlq, "dead");
}

FIXTURE_TEARDOWN(failnth)
{
	mq_delete(self->p.ctl, self->p.topic);
	mq_delete(self->p.ctl, self->p.dlq);
	close(self->p.ctl);
}

TEST_F(failnth, topic)
{
	static const struct step create = { "topic create", topic_create, topic_delete };
	static const struct step limited = { "topic create with limits", topic_create_limited,
					     topic_delete };
	/* Rings begin to count until the topic is deleted: all of them, or none */
	static const struct step first = { "topic set for the first time", topic_limit,
					   topic_anew };
	static const struct step set = { "topic set", topic_limit, topic_unlimit };

	if (!self->injects)
		SKIP(return, "this kernel has no fault injection");
	sweep(_metadata, &self->p, &create);
	sweep(_metadata, &self->p, &limited);
	ASSERT_EQ(0, topic_create(&self->p));
	sweep(_metadata, &self->p, &first);
	ASSERT_EQ(0, topic_limit(&self->p));
	ASSERT_EQ(0, topic_unlimit(&self->p));
	sweep(_metadata, &self->p, &set);
}

TEST_F(failnth, groups)
{
	static const struct step steps[] = {
		{ "stream group create", stream_create, group_delete },
		{ "queue group create", queue_create, group_delete },
		{ "set", set_dlq, unset_dlq },
		{ "seek", seek, nothing },
		{ "stream group create with options", stream_create_graceful, group_delete },
		{ "stream set", stream_set, nothing },
		{ "forced seek", seek_forced, nothing },
		{ "wait", await_group, nothing },
	};
	struct point *p = &self->p;
	int member;
	size_t i;

	if (!self->injects)
		SKIP(return, "this kernel has no fault injection");
	ASSERT_EQ(0, topic_create(p));
	ASSERT_EQ(0, mq_create(p->ctl, p->dlq));
	ASSERT_EQ(0, mq_queue(p->ctl, p->topic, "g", NULL));
	ASSERT_EQ(0, mq_group(p->ctl, p->topic, "s"));
	ASSERT_EQ(0, mq_group(p->ctl, p->topic, "shared"));
	member = mq_member(p->topic, "shared", 0);
	for (i = 0; i < sizeof(steps) / sizeof(*steps); i++)
		sweep(_metadata, p, &steps[i]);
	close(member);
}

TEST_F(failnth, endpoints)
{
	static const struct step steps[] = {
		{ "open and produce", open_producer, close_fd },
		{ "open and join a stream group", join_stream, close_fd },
		{ "open and join a queue group", join_queue, close_fd },
		{ "open and join with an id", join_with_id, close_fd },
		{ "open a name again", open_name, close_fd },
		{ "open and enter a namespace", open_and_enter, close_fd },
	};
	static const struct step named = { "open a new name", open_new_name, forget_named };
	struct point *p = &self->p;
	int member;
	size_t i;

	if (!self->injects)
		SKIP(return, "this kernel has no fault injection");
	ASSERT_EQ(0, topic_create(p));
	sweep(_metadata, p, &named);
	ASSERT_EQ(0, open_name(p));
	ASSERT_EQ(0, close_fd(p));
	ASSERT_EQ(0, mq_queue(p->ctl, p->topic, "g", NULL));
	ASSERT_EQ(0, mq_group(p->ctl, p->topic, "s"));
	ASSERT_EQ(0, mq_group(p->ctl, p->topic, "shared"));
	member = mq_member(p->topic, "shared", 0);
	for (i = 0; i < sizeof(steps) / sizeof(*steps); i++)
		sweep(_metadata, p, &steps[i]);
	close(member);
}

/* Records are never cut, doubled or lost: a batch is stored up to the failure. */
TEST_F(failnth, publish)
{
	struct point *p = &self->p;
	struct mqbus_msg msgs[3];
	const struct mqbus_record *rec;
	unsigned int nth, failed = 0;
	struct mq_reader reader;
	bool injected = true;
	char value[300];
	__u64 next = 0;
	int fd, ret, i;

	if (!self->injects)
		SKIP(return, "this kernel has no fault injection");
	memset(value, 'v', sizeof(value));
	ASSERT_EQ(0, mq_create(p->ctl, p->topic));
	ASSERT_EQ(0, mq_group(p->ctl, p->topic, "s"));
	ASSERT_EQ(0, mq_reader_open(&reader, p->topic, "s"));
	fd = mq_producer(p->topic, 0);
	for (i = 0; i < 3; i++)
		msgs[i] = mq_msg(value, sizeof(value));
	for (nth = 1; injected && nth < MOST; nth++) {
		struct mqbus_place places[3];

		arm(nth);
		ret = mq_publish(fd, msgs, 3, places, 0, NULL);
		injected = disarm();
		failed += ret != 3;
		EXPECT_TRUE(injected || ret == 3);
		EXPECT_TRUE(ret >= 0 || ret == -EFAULT || ret == -ENOMEM);
		for (i = 0; (rec = mq_next(&reader, 0)); i++) {
			EXPECT_EQ(next++, rec->offset);
			EXPECT_EQ(next, rec->seq);
			EXPECT_EQ(0, memcmp(mq_value(rec), value, sizeof(value)));
		}
		/* The answer itself may have met the fault: then the result is unknown */
		if (ret >= 0)
			EXPECT_EQ(ret, i);
		EXPECT_GE(3, i);
	}
	EXPECT_LT(0, failed);
	TH_LOG("publish: %u places, %u of them failed it", nth - 2, failed);
	mq_reader_close(&reader);
	close(fd);
}

/* Unreported leases are free again, and do not count as failures; settled records stay settled. */
TEST_F(failnth, lease)
{
	struct mqbus_lease all = { .flags = MQBUS_LEASE_F_RELEASE };
	struct mqbus_leased leased[5];
	struct point *p = &self->p;
	unsigned int nth, failed = 0;
	bool injected = true;
	int fd, w, ret, i;

	if (!self->injects)
		SKIP(return, "this kernel has no fault injection");
	ASSERT_EQ(0, mq_create(p->ctl, p->topic));
	ASSERT_EQ(0, mq_queue(p->ctl, p->topic, "g", NULL));
	fd = mq_producer(p->topic, 0);
	put_numbers(fd, 0, 4);
	w = mq_member(p->topic, "g", 0);
	for (nth = 1; injected && nth < MOST; nth++) {
		arm(nth);
		ret = take(w, leased, 5, 0);
		injected = disarm();
		failed += ret < 0;
		EXPECT_TRUE(ret == 4 || (injected && ret == -EFAULT));
		ASSERT_EQ(0, mq_ioctl(w, MQBUS_IOC_LEASE, &all));
		ASSERT_EQ(4, take(w, leased, 5, 0));
		for (i = 0; i < 4; i++)
			EXPECT_EQ(1, leased[i].attempt);
		ASSERT_EQ(0, mq_ioctl(w, MQBUS_IOC_LEASE, &all));
	}
	EXPECT_LT(0, failed);

	for (nth = 1, injected = true; injected && nth < MOST; nth++) {
		put_numbers(fd, 0, 1);
		ASSERT_EQ(1, take(w, leased, 1, 0));
		arm(nth);
		ret = settle(w, leased[0].lease, MQBUS_ACK, 0);
		injected = disarm();
		EXPECT_TRUE(!ret || injected);
		/* With any result, the record is either still leased or settled */
		ret = settle(w, leased[0].lease, MQBUS_ACK, 0);
		EXPECT_TRUE(!ret || ret == -EALREADY);
	}
	close(w);
	close(fd);
}

/* All of a transaction or nothing, and a failed one can be done again */
TEST_F(failnth, transact)
{
	struct point *p = &self->p;
	struct mqbus_commit_entry entry = {};
	struct mqbus_settle done = {};
	struct mqbus_msg msgs[3];
	struct mqbus_place places[3];
	struct mqbus_leased leased;
	struct mqbus_range range;
	struct mqbus_act acts[4];
	struct trace before;
	struct mq_reader readers[2];
	unsigned int nth, failed = 0, i;
	bool injected = true;
	char value[300] = "";
	int fd[3], member, w, ret, again;
	__u64 ends[4];

	if (!self->injects)
		SKIP(return, "this kernel has no fault injection");
	ASSERT_EQ(0, mq_create(p->ctl, p->topic));
	ASSERT_EQ(0, mq_create(p->ctl, p->dlq));
	ASSERT_EQ(0, mq_queue(p->ctl, p->topic, "q", NULL));
	ASSERT_EQ(0, mq_group(p->ctl, p->topic, "s"));
	ASSERT_EQ(0, mq_group(p->ctl, p->topic, "ends"));
	ASSERT_EQ(0, mq_group(p->ctl, p->dlq, "ends"));
	ASSERT_EQ(0, mq_reader_open(&readers[0], p->topic, "ends"));
	ASSERT_EQ(0, mq_reader_open(&readers[1], p->dlq, "ends"));
	fd[0] = mq_producer(p->topic, 0);
	fd[1] = mq_producer(p->dlq, 0);
	fd[2] = mq_producer(p->topic, 0);
	member = mq_member(p->topic, "s", 0);
	w = mq_member(p->topic, "q", 0);
	for (i = 0; i < 3; i++)
		msgs[i] = mq_msg(value, sizeof(value));
	acts[0] = act_publish(fd[0], msgs, 2);
	acts[0].places = (uintptr_t)places;
	acts[0].place_size = sizeof(*places);
	acts[1] = act_publish(fd[1], msgs, 3);
	acts[2] = act_commit(member, &entry, 1);
	acts[3] = act_settle(w, &done, 1);
	for (nth = 1; injected && nth < MOST; nth++) {
		put_numbers(fd[2], 0, 1);
		/* Whatever the result, the commit is of one more record than before */
		while (mq_fetch(member, &range, 1, 0, 0) == 1)
			entry.offset = range.end_offset;
		ASSERT_EQ(1, take(w, &leased, 1, 0));
		done.lease = leased.lease;
		ends[0] = mq_end(p->ctl, p->topic, "ends", 0);
		ends[1] = mq_end(p->ctl, p->dlq, "ends", 0);
		ends[2] = mq_committed(p->ctl, p->topic, "s", 0);
		ends[3] = figure(p->topic, "q", MQBUS_A_QUEUE_ACKED);
		before = trace(p);
		arm(nth);
		ret = mq_transact(p->ctl, acts, 4, 0, NULL);
		injected = disarm();
		EXPECT_TRUE(!ret || (injected && (ret == -EFAULT || ret == -ENOMEM)))
			TH_LOG("fault %u: %d", nth, ret);
		EXPECT_EQ(before.used, trace(p).used);
		EXPECT_EQ(before.refs, trace(p).refs);
		/* The answer itself may have met the fault, but no memory is missing then */
		again = mq_end(p->ctl, p->topic, "ends", 0) == ends[0];
		EXPECT_TRUE(ret ? again || ret == -EFAULT : !again);
		EXPECT_EQ(ends[0] + (again ? 0 : 2), mq_end(p->ctl, p->topic, "ends", 0));
		EXPECT_EQ(ends[1] + (again ? 0 : 3), mq_end(p->ctl, p->dlq, "ends", 0));
		EXPECT_EQ(again ? ends[2] : entry.offset, mq_committed(p->ctl, p->topic, "s", 0));
		EXPECT_EQ(ends[3] + !again, figure(p->topic, "q", MQBUS_A_QUEUE_ACKED));
		failed += again;
		if (again)
			ASSERT_EQ(0, mq_transact(p->ctl, acts, 4, 0, NULL));
		/* Its published records are in the way of the next one */
		for (i = 0; i < 2; i++) {
			ASSERT_EQ(1, take(w, &leased, 1, 0));
			ASSERT_EQ(0, settle(w, leased.lease, MQBUS_ACK, 0));
			mq_drain(&readers[i]);
		}
	}
	EXPECT_LT(0, failed);
	TH_LOG("transact: %u places, %u of them failed it", nth - 2, failed);
	for (i = 0; i < 3; i++)
		close(fd[i]);
	for (i = 0; i < 2; i++)
		mq_reader_close(&readers[i]);
	close(member);
	close(w);
}

TEST_HARNESS_MAIN
