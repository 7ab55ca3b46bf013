// SPDX-License-Identifier: GPL-2.0
/*
 * Creating and changing queue groups: valid and refused options, the errno of each, and the
 * charge.
 */
#include "queue.h"
#include "topic.h"

TEST_F(queue, all_options)
{
	struct figures f;

	ASSERT_EQ(0, mq_create(self->ctl, self->topic));
	ASSERT_EQ(0, mq_create(self->ctl, self->dlq, .size = 1 << 20));
	ASSERT_EQ(0, mq_queue(self->ctl, self->topic, "g", self->dlq,
			      .flags = MQBUS_QUEUE_F_KEY_EXCLUSIVE, .max_inflight = 100,
			      .credit = 7, .max_attempts = 1000, .lease = MQ_HOUR,
			      .backoff_min = MQ_SEC, .backoff_max = MQ_HOUR,
			      .backoff_factor = 150, .backoff_jitter = 100,
			      .retry_size = 1 << 20));
	ASSERT_EQ(0, figures_get(self->topic, "g", &f));
	EXPECT_EQ(MQBUS_GROUP_QUEUE, f.group[MQBUS_A_GROUP_TYPE]);
	EXPECT_EQ(0, f.group[MQBUS_A_GROUP_MEMBERS]);
	EXPECT_EQ(MQBUS_QUEUE_F_KEY_EXCLUSIVE, f.number[MQBUS_A_QUEUE_FLAGS]);
	EXPECT_EQ(100, f.number[MQBUS_A_QUEUE_MAX_INFLIGHT]);
	EXPECT_EQ(7, f.number[MQBUS_A_QUEUE_CREDIT]);
	EXPECT_EQ(1000, f.number[MQBUS_A_QUEUE_MAX_ATTEMPTS]);
	EXPECT_EQ(MQ_HOUR, f.number[MQBUS_A_QUEUE_LEASE]);
	EXPECT_EQ(MQ_SEC, f.number[MQBUS_A_QUEUE_BACKOFF_MIN]);
	EXPECT_EQ(MQ_HOUR, f.number[MQBUS_A_QUEUE_BACKOFF_MAX]);
	EXPECT_EQ(150, f.number[MQBUS_A_QUEUE_BACKOFF_FACTOR]);
	EXPECT_EQ(100, f.number[MQBUS_A_QUEUE_BACKOFF_JITTER]);
	EXPECT_EQ(1 << 20, f.number[MQBUS_A_QUEUE_RETRY_SIZE]);
	EXPECT_STREQ(self->dlq, f.dlq);
	/*
	 * 76 bytes for each record in flight, the same for each held back, 64 for each 256
	 * bytes of retry ring
	 */
	EXPECT_LE((1 << 20) + 2 * 100 * 76 + (1 << 20) / 256 * 64,
		  f.number[MQBUS_A_QUEUE_CHARGED]);
	EXPECT_GT(mq_used(self->ctl), f.number[MQBUS_A_QUEUE_CHARGED]);
}

TEST_F(queue, defaults)
{
	struct figures f;
	int i;

	ASSERT_EQ(0, mq_create(self->ctl, self->topic));
	ASSERT_EQ(0, mq_create(self->ctl, self->dlq, .size = 1 << 20));
	ASSERT_EQ(0, mq_queue(self->ctl, self->topic, "g", self->dlq, .backoff_min = 0));
	ASSERT_EQ(0, figures_get(self->topic, "g", &f));
	EXPECT_EQ(0, f.number[MQBUS_A_QUEUE_FLAGS]);
	EXPECT_EQ(MQBUS_INFLIGHT_DEFAULT, f.number[MQBUS_A_QUEUE_MAX_INFLIGHT]);
	EXPECT_EQ(0, f.number[MQBUS_A_QUEUE_CREDIT]);
	EXPECT_EQ(MQBUS_ATTEMPTS_DEFAULT, f.number[MQBUS_A_QUEUE_MAX_ATTEMPTS]);
	EXPECT_EQ(0, f.number[MQBUS_A_QUEUE_LEASE]);
	EXPECT_EQ(100 * MQ_MS, f.number[MQBUS_A_QUEUE_BACKOFF_MIN]);
	EXPECT_EQ(60 * MQ_SEC, f.number[MQBUS_A_QUEUE_BACKOFF_MAX]);
	EXPECT_EQ(200, f.number[MQBUS_A_QUEUE_BACKOFF_FACTOR]);
	EXPECT_EQ(20, f.number[MQBUS_A_QUEUE_BACKOFF_JITTER]);
	EXPECT_LE(4 * 16384, f.number[MQBUS_A_QUEUE_RETRY_SIZE]);
	EXPECT_EQ(0, f.number[MQBUS_A_QUEUE_RETRY_SIZE] &
		     (f.number[MQBUS_A_QUEUE_RETRY_SIZE] - 1));
	for (i = MQBUS_A_QUEUE_INFLIGHT; i <= MQBUS_A_QUEUE_DISCARDED; i++) {
		EXPECT_TRUE(f.has[i]) TH_LOG("attribute %d", i);
		EXPECT_EQ(0, f.number[i]) TH_LOG("attribute %d", i);
	}

	/* Without a DLQ there is no limit */
	ASSERT_EQ(0, mq_queue(self->ctl, self->topic, "h", NULL));
	ASSERT_EQ(0, figures_get(self->topic, "h", &f));
	EXPECT_EQ(MQBUS_ANY, f.number[MQBUS_A_QUEUE_MAX_ATTEMPTS]);
	EXPECT_FALSE(f.has[MQBUS_A_QUEUE_DLQ]);
	/* A stream group has none of these options */
	ASSERT_EQ(0, mq_group(self->ctl, self->topic, "s"));
	EXPECT_EQ(-ENODATA, figures_get(self->topic, "s", &f));
	EXPECT_EQ(MQBUS_GROUP_STREAM, f.group[MQBUS_A_GROUP_TYPE]);
}

/* Refused options, and their valid neighbours */
TEST_F(queue, limits_of_options)
{
	static const struct {
		const char *what;
		struct mqbus_queue_options q;
		bool no_dlq;
		int want;
	} t[] = {
		{ "flag 2", { .flags = 1U << 2 }, false, -EOPNOTSUPP },
		{ "flag 31", { .flags = 1U << 31 }, false, -EOPNOTSUPP },
		{ "all flags", { .flags = ~0U }, false, -EOPNOTSUPP },
		{ "one in flight", { .max_inflight = 1 }, false, 0 },
		{ "too many in flight", { .max_inflight = MQBUS_INFLIGHT_MAX + 1 }, false,
		  -ERANGE },
		{ "all in flight", { .max_inflight = ~0U }, false, -ERANGE },
		{ "the largest limit", { .max_attempts = MQBUS_ATTEMPTS_MAX }, false, 0 },
		{ "too large a limit", { .max_attempts = MQBUS_ATTEMPTS_MAX + 1 }, false, -ERANGE },
		{ "a limit next to none", { .max_attempts = MQBUS_ANY - 1 }, false, -ERANGE },
		{ "no limit", { .max_attempts = MQBUS_ANY }, false, 0 },
		{ "no limit, no dlq", { .max_attempts = MQBUS_ANY }, true, 0 },
		{ "limit, no dlq", { .max_attempts = 1 }, true, -EINVAL },
		{ "limit 1000, no dlq", { .max_attempts = MQBUS_ATTEMPTS_MAX }, true, -EINVAL },
		{ "the longest lease", { .lease = MQBUS_DELAY_MAX }, false, 0 },
		{ "too long a lease", { .lease = MQBUS_DELAY_MAX + 1 }, false, -ERANGE },
		{ "an endless lease", { .lease = ~0ULL }, false, -ERANGE },
		{ "the longest backoff", { .backoff_min = 1, .backoff_max = MQBUS_DELAY_MAX },
		  false, 0 },
		{ "too long a backoff", { .backoff_min = 1, .backoff_max = MQBUS_DELAY_MAX + 1 },
		  false, -ERANGE },
		{ "too long a first one", { .backoff_min = MQBUS_DELAY_MAX + 1,
		  .backoff_max = MQBUS_DELAY_MAX + 1 }, false, -ERANGE },
		{ "factor 99", { .backoff_factor = 99 }, false, -ERANGE },
		{ "factor 1", { .backoff_factor = 1 }, false, -ERANGE },
		{ "factor 100", { .backoff_factor = 100 }, false, 0 },
		{ "factor 10000", { .backoff_factor = 10000 }, false, 0 },
		{ "factor 10001", { .backoff_factor = 10001 }, false, -ERANGE },
		{ "jitter 100", { .backoff_jitter = 100 }, false, 0 },
		{ "jitter 101", { .backoff_jitter = 101 }, false, -ERANGE },
		{ "jitter of all", { .backoff_jitter = ~0U }, false, -ERANGE },
		{ "no power of two", { .retry_size = 65536 + 4096 }, false, -EINVAL },
		{ "an odd size", { .retry_size = 65535 }, false, -EINVAL },
		{ "room for half a record", { .retry_size = 8192 }, false, -EMSGSIZE },
		{ "a huge retry ring", { .retry_size = MQBUS_RING_MAX << 1 }, false, -ERANGE },
		{ "the hugest", { .retry_size = 1ULL << 63 }, false, -ERANGE },
		{ "reserved", { .__reserved = 1 }, false, -EINVAL },
		{ "reserved, at its end", { .__reserved = 1ULL << 63 }, false, -EINVAL },
	};
	__u64 used;
	unsigned int i;

	ASSERT_EQ(0, mq_create(self->ctl, self->topic));
	ASSERT_EQ(0, mq_create(self->ctl, self->dlq, .size = 1 << 20));
	used = mq_used(self->ctl);
	for (i = 0; i < sizeof(t) / sizeof(*t); i++) {
		EXPECT_EQ(t[i].want, mq_queue_args(self->ctl, self->topic, "g",
						   t[i].no_dlq ? NULL : self->dlq, &t[i].q))
			TH_LOG("%s", t[i].what);
		EXPECT_EQ(!t[i].want, group_exists(self->topic, "g")) TH_LOG("%s", t[i].what);
		if (!t[i].want)
			EXPECT_EQ(0, mq_group_delete(self->ctl, self->topic, "g", 0));
		EXPECT_EQ(used, mq_used(self->ctl)) TH_LOG("%s", t[i].what);
	}
}

/* What the backoff options mean, for a new group and for one that is there; 0 is the default */
TEST_F(queue, backoff_options)
{
	static const struct {
		struct mqbus_queue_options q;
		__u64 min, max, factor, jitter;
		int want;
	} t[] = {
		{ {}, MQBUS_BACKOFF_MIN_DEFAULT, MQBUS_BACKOFF_MAX_DEFAULT,
		  MQBUS_BACKOFF_FACTOR_DEFAULT, MQBUS_BACKOFF_JITTER_DEFAULT },
		{ { .backoff_min = MQBUS_BACKOFF_NONE } },
		{ { .backoff_min = MQ_MS }, MQ_MS, 60 * MQ_SEC, 200, 0 },
		{ { .backoff_min = MQ_HOUR }, MQ_HOUR, MQ_HOUR, 200, 0 },
		{ { .backoff_max = MQ_MS }, MQ_MS, MQ_MS, 200, 0 },
		{ { .backoff_max = MQ_HOUR }, 100 * MQ_MS, MQ_HOUR, 200, 0 },
		{ { .backoff_factor = 300 }, 100 * MQ_MS, 60 * MQ_SEC, 300, 0 },
		{ { .backoff_jitter = 7 }, 100 * MQ_MS, 60 * MQ_SEC, 200, 7 },
		{ { .backoff_min = 1, .backoff_max = MQ_SEC, .backoff_factor = 100,
		    .backoff_jitter = 100 }, 1, MQ_SEC, 100, 100 },
		{ { .backoff_min = MQBUS_BACKOFF_NONE, .backoff_max = 1 }, .want = -EINVAL },
		{ { .backoff_min = MQBUS_BACKOFF_NONE, .backoff_factor = 200 }, .want = -EINVAL },
		{ { .backoff_min = MQBUS_BACKOFF_NONE, .backoff_jitter = 1 }, .want = -EINVAL },
		{ { .backoff_min = MQBUS_BACKOFF_NONE - 1 }, .want = -ERANGE },
		{ { .backoff_max = MQBUS_BACKOFF_NONE }, .want = -ERANGE },
		{ { .backoff_min = MQ_SEC, .backoff_max = MQ_MS }, .want = -ERANGE },
	};
	struct figures f;
	unsigned int i;

	ASSERT_EQ(0, mq_create(self->ctl, self->topic));
	ASSERT_EQ(0, mq_queue(self->ctl, self->topic, "set", NULL));
	for (i = 0; i < 2 * sizeof(t) / sizeof(*t); i++) {
		const struct mqbus_queue_options *q = &t[i / 2].q;
		const char *group = i % 2 ? "set" : "new";

		EXPECT_EQ(t[i / 2].want, i % 2 ?
			  mq_set_args(self->ctl, self->topic, group, MQBUS_GROUP_SET_BACKOFF, NULL,
				      q) :
			  mq_queue_args(self->ctl, self->topic, group, NULL, q)) TH_LOG("%u", i);
		if (t[i / 2].want)
			continue;
		ASSERT_EQ(0, figures_get(self->topic, group, &f));
		EXPECT_EQ(t[i / 2].min, f.number[MQBUS_A_QUEUE_BACKOFF_MIN]) TH_LOG("%u", i);
		EXPECT_EQ(t[i / 2].max, f.number[MQBUS_A_QUEUE_BACKOFF_MAX]) TH_LOG("%u", i);
		EXPECT_EQ(t[i / 2].factor, f.number[MQBUS_A_QUEUE_BACKOFF_FACTOR]) TH_LOG("%u", i);
		EXPECT_EQ(t[i / 2].jitter, f.number[MQBUS_A_QUEUE_BACKOFF_JITTER]) TH_LOG("%u", i);
		if (!(i % 2))
			EXPECT_EQ(0, mq_group_delete(self->ctl, self->topic, group, 0));
	}
}

/* A stream group has none of them, in any byte */
/* A dead letter has more headers, and may fail again */
TEST_F(queue, retry_ring_for_a_dead_letter)
{
	static char value[3900];
	struct worker *w = &self->worker[1];
	struct mqbus_leased l;
	char source[MQBUS_NAME_SIZE];

	mq_name(source, "source");
	ASSERT_EQ(0, mq_create(self->ctl, self->topic, .max_record = sizeof(value)));
	EXPECT_EQ(-EMSGSIZE, mq_queue(self->ctl, self->topic, "g", NULL, .retry_size = 8192));
	ASSERT_EQ(0, mq_queue(self->ctl, self->topic, "g", NULL, .retry_size = 16384,
			      .backoff_min = MQ_HOUR, .backoff_max = MQ_HOUR));
	ASSERT_EQ(0, mq_create(self->ctl, source, .max_record = sizeof(value)));
	ASSERT_EQ(0, mq_queue(self->ctl, source, "g", self->topic));
	self->fd = mq_producer(source, 0);
	ASSERT_EQ(1, mq_put(self->fd, value, sizeof(value), 0));
	ASSERT_EQ(0, worker_open(w, source, "g", 0));
	ASSERT_EQ(1, take(w->fd, &l, 1, 0));
	EXPECT_EQ(0, reject(w, &l));
	worker_close(w);
	join(self, 0);
	ASSERT_EQ(1, take(self->worker[0].fd, &l, 1, 0));
	EXPECT_EQ(0, nack(&self->worker[0], &l));
	/* It is out of its partition's way */
	EXPECT_EQ(1, FIGURE(self, RETRYING));
	EXPECT_EQ(0, FIGURE(self, INFLIGHT));
	EXPECT_EQ(0, mq_delete(self->ctl, source));
}

TEST_F(queue, no_options_for_streams)
{
	struct mqbus_group_create args = { .type = MQBUS_GROUP_STREAM };
	size_t byte;

	ASSERT_EQ(0, mq_create(self->ctl, self->topic));
	mq_set_name(args.topic, self->topic);
	mq_set_name(args.group, "s");
	for (byte = offsetof(struct mqbus_group_create, queue);
	     byte < offsetof(struct mqbus_group_create, stream); byte += 3) {
		((char *)&args)[byte] = 1;
		EXPECT_EQ(-EINVAL, mq_ioctl(self->ctl, MQBUS_IOC_GROUP_CREATE, &args))
			TH_LOG("byte %zu", byte);
		((char *)&args)[byte] = 0;
	}
	EXPECT_EQ(0, mq_ioctl(self->ctl, MQBUS_IOC_GROUP_CREATE, &args));
	args.type = MQBUS_GROUP_QUEUE + 1;
	EXPECT_EQ(-EOPNOTSUPP, mq_ioctl(self->ctl, MQBUS_IOC_GROUP_CREATE, &args));
}

/* A program that was built before queue groups existed */
TEST_F(queue, short_structure)
{
	struct mqbus_group_create args = { .mode = 0600 };
	unsigned long cmd = _IOC(_IOC_READ | _IOC_WRITE, MQBUS_IOC_MAGIC,
				 _IOC_NR(MQBUS_IOC_GROUP_CREATE),
				 offsetof(struct mqbus_group_create, queue));
	struct figures f;

	ASSERT_EQ(0, mq_create(self->ctl, self->topic));
	mq_set_name(args.topic, self->topic);
	mq_set_name(args.group, "s");
	/* Bytes behind the structure are not read */
	memset(&args.queue, 0xcc, sizeof(args.queue));
	EXPECT_EQ(0, mq_ioctl(self->ctl, cmd, &args));
	EXPECT_EQ(-ENODATA, figures_get(self->topic, "s", &f));
	args.type = MQBUS_GROUP_QUEUE;
	mq_set_name(args.group, "q");
	EXPECT_EQ(0, mq_ioctl(self->ctl, cmd, &args));
	EXPECT_EQ(MQBUS_INFLIGHT_DEFAULT, figure(self->topic, "q", MQBUS_A_QUEUE_MAX_INFLIGHT));
	EXPECT_EQ(-ENOTTY, mq_ioctl(self->ctl, cmd - (1 << _IOC_SIZESHIFT), &args));
}

TEST_F(queue, whence)
{
	struct mqbus_group_create args = { .type = MQBUS_GROUP_QUEUE, .mode = 0600,
					   .whence = MQBUS_WHENCE_OFFSET, .value = 3 };
	struct mqbus_leased l;

	ASSERT_EQ(0, mq_create(self->ctl, self->topic));
	self->fd = mq_producer(self->topic, 0);
	put_numbers(self->fd, 0, 5);
	mq_set_name(args.topic, self->topic);
	mq_set_name(args.group, "g");
	ASSERT_EQ(0, mq_ioctl(self->ctl, MQBUS_IOC_GROUP_CREATE, &args));
	EXPECT_EQ(-EEXIST, mq_ioctl(self->ctl, MQBUS_IOC_GROUP_CREATE, &args));
	join(self, 0);
	EXPECT_EQ(3, take_one(&self->worker[0], &l, 0));
	EXPECT_EQ(3, l.offset);
}

TEST_F(queue, topics_without_queues)
{
	ASSERT_EQ(0, mq_create(self->ctl, self->topic, .full = MQBUS_FULL_EVICT));
	EXPECT_EQ(-EOPNOTSUPP, mq_queue(self->ctl, self->topic, "g", NULL));
	EXPECT_EQ(0, mq_group(self->ctl, self->topic, "g"));
	EXPECT_EQ(-ENOENT, mq_queue(self->ctl, "nosuch", "g", NULL));
	/* Any other group may have a DLQ */
	ASSERT_EQ(0, mq_create(self->ctl, self->dlq, .full = MQBUS_FULL_REJECT, .partitions = 0));
	EXPECT_EQ(0, mq_queue(self->ctl, self->dlq, "g", NULL));
}

TEST_F(queue, rights)
{
	int alice = open_as(ALICE, ALICE, 0), bob = open_as(BOB, BOB, 0);

	ASSERT_EQ(0, mq_create(self->ctl, self->topic, .mode = 0777));
	ASSERT_EQ(0, mq_create(self->ctl, self->dlq, .size = 1 << 20, .mode = 0644));
	EXPECT_EQ(-EACCES, mq_queue(alice, self->topic, "g", self->dlq));
	ASSERT_EQ(0, mq_queue(alice, self->topic, "g", NULL));
	EXPECT_EQ(-EACCES, mq_set(alice, self->topic, "g", MQBUS_GROUP_SET_DLQ, self->dlq));
	/* The owner of the group, the owner of the topic, or root */
	EXPECT_EQ(-EPERM, mq_set(bob, self->topic, "g", MQBUS_GROUP_SET_CREDIT, NULL,
				 .credit = 1));
	EXPECT_EQ(0, mq_set(alice, self->topic, "g", MQBUS_GROUP_SET_CREDIT, NULL, .credit = 2));
	EXPECT_EQ(2, FIGURE(self, CREDIT));
	EXPECT_EQ(0, mq_set(self->ctl, self->topic, "g", MQBUS_GROUP_SET_DLQ, self->dlq));
	EXPECT_EQ(0, mq_delete(self->ctl, self->topic));
	ASSERT_EQ(0, mq_create(bob, self->topic, .mode = 0777));
	ASSERT_EQ(0, mq_queue(alice, self->topic, "g", NULL));
	EXPECT_EQ(0, mq_set(bob, self->topic, "g", MQBUS_GROUP_SET_CREDIT, NULL, .credit = 3));
	EXPECT_EQ(3, FIGURE(self, CREDIT));
	close(alice);
	close(bob);
}

TEST_F(queue, charged_and_given_back)
{
	__u64 before, small, large;

	ASSERT_EQ(0, mq_create(self->ctl, self->topic));
	before = mq_used(self->ctl);
	ASSERT_EQ(0, mq_queue(self->ctl, self->topic, "g", NULL, .max_inflight = 10));
	small = mq_used(self->ctl) - before;
	EXPECT_EQ(small, FIGURE(self, CHARGED));
	ASSERT_EQ(0, mq_group_delete(self->ctl, self->topic, "g", 0));
	EXPECT_EQ(before, mq_used(self->ctl));

	ASSERT_EQ(0, mq_queue(self->ctl, self->topic, "g", NULL, .max_inflight = 10010));
	large = mq_used(self->ctl) - before;
	/* At most 64 bytes for each, and at least the size of an entry */
	EXPECT_LE(10000 * 32, large - small);
	EXPECT_GE(10000 * 64 + 2 * MQ_PAGE, large - small);
	join(self, 0);
	/* The members hold it until the last one leaves */
	ASSERT_EQ(0, mq_group_delete(self->ctl, self->topic, "g", MQBUS_GROUP_DELETE_F_FORCE));
	EXPECT_LT(before, mq_used(self->ctl));
	worker_close(&self->worker[0]);
	EXPECT_EQ(before, mq_used(self->ctl));
}

TEST_HARNESS_MAIN
