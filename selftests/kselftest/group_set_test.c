// SPDX-License-Identifier: GPL-2.0
/*
 * Options of a queue group that change: each by itself, and when they take effect.
 */
#include "queue.h"

/* Each field by itself; fields that are not named are ignored and stay */
TEST_F(queue, set_each)
{
	static const struct {
		__u32 field;
		int first, last;	/* attributes that it changes */
	} t[] = {
		{ MQBUS_GROUP_SET_MAX_INFLIGHT, MQBUS_A_QUEUE_MAX_INFLIGHT,
		  MQBUS_A_QUEUE_MAX_INFLIGHT },
		{ MQBUS_GROUP_SET_CREDIT, MQBUS_A_QUEUE_CREDIT, MQBUS_A_QUEUE_CREDIT },
		{ MQBUS_GROUP_SET_MAX_ATTEMPTS, MQBUS_A_QUEUE_MAX_ATTEMPTS,
		  MQBUS_A_QUEUE_MAX_ATTEMPTS },
		{ MQBUS_GROUP_SET_LEASE, MQBUS_A_QUEUE_LEASE, MQBUS_A_QUEUE_LEASE },
		{ MQBUS_GROUP_SET_BACKOFF, MQBUS_A_QUEUE_BACKOFF_MIN,
		  MQBUS_A_QUEUE_BACKOFF_JITTER },
	};
	struct figures before, after;
	char other[MQBUS_NAME_SIZE];
	unsigned int i;
	int a;

	mq_name(other, "other");
	ASSERT_EQ(0, mq_create(self->ctl, other, .size = 1 << 20));
	begin_dlq(self, .max_inflight = 50, .backoff_min = MQ_MS, .backoff_max = MQ_SEC,
		  .backoff_jitter = 3);
	for (i = 0; i < sizeof(t) / sizeof(*t); i++) {
		ASSERT_EQ(0, figures_get(self->topic, "g", &before));
		EXPECT_EQ(0, mq_set(self->ctl, self->topic, "g", t[i].field, "no such topic",
				    .flags = ~0U, .max_inflight = 40, .credit = 30,
				    .max_attempts = 20, .lease = MQ_HOUR, .backoff_min = 2 * MQ_MS,
				    .backoff_max = 2 * MQ_SEC, .backoff_factor = 300,
				    .backoff_jitter = 17, .retry_size = 12345));
		ASSERT_EQ(0, figures_get(self->topic, "g", &after));
		for (a = MQBUS_A_QUEUE_FLAGS; a <= MQBUS_A_QUEUE_MAX; a++)
			EXPECT_EQ(a >= t[i].first && a <= t[i].last,
				  before.number[a] != after.number[a])
				TH_LOG("field %#x, attribute %d", t[i].field, a);
		EXPECT_STREQ(self->dlq, after.dlq);
	}
	EXPECT_EQ(40, after.number[MQBUS_A_QUEUE_MAX_INFLIGHT]);
	EXPECT_EQ(30, after.number[MQBUS_A_QUEUE_CREDIT]);
	EXPECT_EQ(20, after.number[MQBUS_A_QUEUE_MAX_ATTEMPTS]);
	EXPECT_EQ(MQ_HOUR, after.number[MQBUS_A_QUEUE_LEASE]);
	EXPECT_EQ(2 * MQ_MS, after.number[MQBUS_A_QUEUE_BACKOFF_MIN]);
	EXPECT_EQ(2 * MQ_SEC, after.number[MQBUS_A_QUEUE_BACKOFF_MAX]);
	EXPECT_EQ(300, after.number[MQBUS_A_QUEUE_BACKOFF_FACTOR]);
	EXPECT_EQ(17, after.number[MQBUS_A_QUEUE_BACKOFF_JITTER]);

	EXPECT_EQ(0, mq_set(self->ctl, self->topic, "g", MQBUS_GROUP_SET_DLQ, other));
	ASSERT_EQ(0, figures_get(self->topic, "g", &after));
	EXPECT_STREQ(other, after.dlq);
	/* Without any there can be no limit */
	EXPECT_EQ(-EINVAL, mq_set(self->ctl, self->topic, "g", MQBUS_GROUP_SET_DLQ, NULL));
	ASSERT_EQ(0, figures_get(self->topic, "g", &after));
	EXPECT_STREQ(other, after.dlq);
	EXPECT_EQ(0, mq_set(self->ctl, self->topic, "g",
			    MQBUS_GROUP_SET_DLQ | MQBUS_GROUP_SET_MAX_ATTEMPTS, NULL));
	ASSERT_EQ(0, figures_get(self->topic, "g", &after));
	EXPECT_FALSE(after.has[MQBUS_A_QUEUE_DLQ]);
	EXPECT_EQ(-EINVAL, mq_set(self->ctl, self->topic, "g", MQBUS_GROUP_SET_MAX_ATTEMPTS, NULL,
				  .max_attempts = 3));
	EXPECT_EQ(0, mq_set(self->ctl, self->topic, "g",
			    MQBUS_GROUP_SET_DLQ | MQBUS_GROUP_SET_MAX_ATTEMPTS, other,
			    .max_attempts = 3));
	EXPECT_EQ(0, mq_delete(self->ctl, other));
}

TEST_F(queue, set_refused)
{
	struct mqbus_group_set args = {};
	struct figures before, after;

	begin_dlq(self, .max_inflight = 50);
	ASSERT_EQ(0, mq_group(self->ctl, self->topic, "s"));
	ASSERT_EQ(0, figures_get(self->topic, "g", &before));
	EXPECT_EQ(-EBADFD, mq_set(self->ctl, self->topic, "s", MQBUS_GROUP_SET_CREDIT, NULL,
				  .credit = 1));
	EXPECT_EQ(-ENOENT, mq_set(self->ctl, self->topic, "h", MQBUS_GROUP_SET_CREDIT, NULL));
	EXPECT_EQ(-ENOENT, mq_set(self->ctl, "nosuch", "g", MQBUS_GROUP_SET_CREDIT, NULL));
	EXPECT_EQ(-EOPNOTSUPP, mq_set(self->ctl, self->topic, "g", __MQBUS_GROUP_SET_ALL + 1,
				      NULL));
	EXPECT_EQ(-EOPNOTSUPP, mq_set(self->ctl, self->topic, "g", 1U << 31, NULL));
	mq_set_name(args.topic, self->topic);
	mq_set_name(args.group, "g");
	args.flags = 1;
	EXPECT_EQ(-EOPNOTSUPP, mq_ioctl(self->ctl, MQBUS_IOC_GROUP_SET, &args));

	EXPECT_EQ(-ERANGE, mq_set(self->ctl, self->topic, "g", MQBUS_GROUP_SET_MAX_INFLIGHT, NULL,
				  .max_inflight = 51));
	EXPECT_EQ(-ERANGE, mq_set(self->ctl, self->topic, "g", MQBUS_GROUP_SET_MAX_ATTEMPTS, NULL,
				  .max_attempts = MQBUS_ATTEMPTS_MAX + 1));
	EXPECT_EQ(-ERANGE, mq_set(self->ctl, self->topic, "g", MQBUS_GROUP_SET_LEASE, NULL,
				  .lease = MQBUS_DELAY_MAX + 1));
	EXPECT_EQ(-ERANGE, mq_set(self->ctl, self->topic, "g", MQBUS_GROUP_SET_BACKOFF, NULL,
				  .backoff_factor = 99));
	EXPECT_EQ(-ERANGE, mq_set(self->ctl, self->topic, "g", MQBUS_GROUP_SET_BACKOFF, NULL,
				  .backoff_jitter = 101));
	EXPECT_EQ(-ENOENT, mq_set(self->ctl, self->topic, "g", MQBUS_GROUP_SET_DLQ, "nosuch"));
	EXPECT_EQ(-EILSEQ, mq_set(self->ctl, self->topic, "g", MQBUS_GROUP_SET_DLQ, "a b"));
	/* All or nothing */
	EXPECT_EQ(-ENOENT, mq_set(self->ctl, self->topic, "g",
				  MQBUS_GROUP_SET_CREDIT | MQBUS_GROUP_SET_DLQ, "nosuch",
				  .credit = 9));
	EXPECT_EQ(-ERANGE, mq_set(self->ctl, self->topic, "g",
				  MQBUS_GROUP_SET_MAX_INFLIGHT | MQBUS_GROUP_SET_MAX_ATTEMPTS, NULL,
				  .max_inflight = 40, .max_attempts = MQBUS_ATTEMPTS_MAX + 1));
	ASSERT_EQ(0, figures_get(self->topic, "g", &after));
	EXPECT_EQ(0, memcmp(&before, &after, sizeof(before)));
}

/* Set while records are in flight, it takes effect from then on */
TEST_F(queue, set_works_at_once)
{
	struct worker *w = self->worker;
	struct mqbus_leased l[10];

	begin(self, .max_inflight = 6);
	join(self, 1);
	put_numbers(self->fd, 0, 20);
	ASSERT_EQ(4, take(w[0].fd, l, 4, 0));
	ASSERT_EQ(0, mq_set(self->ctl, self->topic, "g", MQBUS_GROUP_SET_MAX_INFLIGHT, NULL,
			    .max_inflight = 3));
	EXPECT_EQ(-EAGAIN, take(w[1].fd, l + 4, 6, 0));
	EXPECT_EQ(0, ack(&w[0], &l[0]));
	EXPECT_EQ(-EAGAIN, take(w[1].fd, l + 4, 6, 0));
	EXPECT_EQ(0, ack(&w[0], &l[1]));
	EXPECT_EQ(1, take(w[1].fd, l + 4, 6, 0));
	/* Up to the value of its creation */
	EXPECT_EQ(-ERANGE, mq_set(self->ctl, self->topic, "g", MQBUS_GROUP_SET_MAX_INFLIGHT, NULL,
				  .max_inflight = 7));
	ASSERT_EQ(0, mq_set(self->ctl, self->topic, "g", MQBUS_GROUP_SET_MAX_INFLIGHT, NULL,
			    .max_inflight = 6));
	ASSERT_EQ(0, mq_set(self->ctl, self->topic, "g", MQBUS_GROUP_SET_CREDIT, NULL,
			    .credit = 2));
	EXPECT_EQ(-EAGAIN, take(w[0].fd, l + 5, 5, 0));
	EXPECT_EQ(1, take(w[1].fd, l + 5, 5, 0));
	EXPECT_EQ(4, FIGURE(self, LEASED));
	/* A member that waits for room is woken */
	EXPECT_FALSE(readable(w[1].fd));
	ASSERT_EQ(0, mq_set(self->ctl, self->topic, "g", MQBUS_GROUP_SET_CREDIT, NULL,
			    .credit = 0));
	EXPECT_TRUE(readable(w[1].fd));
	EXPECT_EQ(2, take(w[1].fd, l + 6, 4, 0));
	EXPECT_FALSE(readable(w[1].fd));
}

TEST_HARNESS_MAIN
