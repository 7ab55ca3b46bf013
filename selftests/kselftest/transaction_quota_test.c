// SPDX-License-Identifier: GPL-2.0
/*
 * Transactions that a rate or a share refuses: nothing changes, and a poller is told when it
 * may go on.
 */
#include "claim.h"
#include "transaction.h"

/* A rate and a share that are used up, in each place; with OVER_BLOCK it waits */
TEST_F(exchange, rates)
{
	static const __u32 overs[] = { MQBUS_OVER_REJECT, MQBUS_OVER_BLOCK };
	char topic[MQBUS_NAME_SIZE];
	char value[4000] = {};
	int fd, i;

	for (i = 0; i < 2; i++) {
		mq_name(topic, "slow");
		/* Room for one such transaction */
		ASSERT_EQ(0, mq_create(self->ctl, topic, .rate_bytes = 40, .burst = 10 * MQ_SEC,
				       .over = overs[i]));
		fd = mq_producer(topic, 0);
		/*
		 * A record larger than the bucket is admitted when that is full, and leaves a
		 * debt of minutes
		 */
		EXPECT_EQ(1, mq_put(fd, value, sizeof(value), 0));
		refused(_metadata, self, fd, 0, 0, i ? -EAGAIN : -EXFULL);
		refused(_metadata, self, fd, 0, MQ_MS, i ? -ETIMEDOUT : -EXFULL);
		if (!i)
			refused(_metadata, self, fd, 0, MQBUS_WAIT_FOREVER, -EXFULL);
		close(fd);
		EXPECT_EQ(0, mq_delete(self->ctl, topic));
	}
}

/*
 * A transaction takes no more of a rate than that saves up, also with several producers: others
 * do not pay for it. A single record may be larger.
 */
TEST_F(exchange, more_than_a_rate_saves_up)
{
	static const struct mqbus_topic_create limits[] = {
		{ .rate = 4 }, { .rate_bytes = 400 }, { .user_rate = 4 },
		{ .user_rate_bytes = 400 },
	};
	struct mqbus_transact args;
	char topic[MQBUS_NAME_SIZE];
	struct mqbus_msg msgs[5];
	struct mqbus_act acts[2];
	char value[1000] = {};
	int fd[2];
	size_t i, k;

	for (k = 0; k < 5; k++)
		msgs[k] = mq_msg(value, 50);
	for (i = 0; i < sizeof(limits) / sizeof(*limits); i++) {
		mq_name(topic, "burst");
		ASSERT_EQ(0, mq_create(self->ctl, topic, .rate = limits[i].rate,
				       .rate_bytes = limits[i].rate_bytes,
				       .user_rate = limits[i].user_rate,
				       .user_rate_bytes = limits[i].user_rate_bytes));
		for (k = 0; k < 2; k++)
			fd[k] = mq_producer(topic, 0);
		acts[0] = act_publish(fd[0], msgs, 5);
		EXPECT_EQ(-EMSGSIZE, mq_transact(self->ctl, acts, 1, MQBUS_WAIT_FOREVER, &args));
		EXPECT_EQ(0, args.failed_act);
		EXPECT_EQ(MQBUS_ANY, args.failed_element);
		/* By two producers, each of which alone is admitted */
		acts[0] = act_publish(fd[0], msgs, 3);
		acts[1] = act_publish(fd[1], msgs, 2);
		EXPECT_EQ(-EMSGSIZE, mq_transact(self->ctl, acts, 2, MQBUS_WAIT_FOREVER, &args))
			TH_LOG("limit %zu", i);
		EXPECT_EQ(1, args.failed_act);
		/* Nothing was paid */
		acts[1] = act_publish(fd[1], msgs, 1);
		if (i % 2)
			acts[0] = act_publish(fd[0], msgs, 2);
		EXPECT_EQ(0, mq_transact(self->ctl, acts, 2, 0, NULL)) TH_LOG("limit %zu", i);
		for (k = 0; k < 2; k++)
			close(fd[k]);
		EXPECT_EQ(0, mq_delete(self->ctl, topic));
	}
	mq_name(topic, "large");
	ASSERT_EQ(0, mq_create(self->ctl, topic, .rate_bytes = 100));
	fd[0] = mq_producer(topic, 0);
	msgs[0] = mq_msg(value, sizeof(value));
	acts[0] = act_publish(fd[0], msgs, 1);
	EXPECT_EQ(0, mq_transact(self->ctl, acts, 1, 0, NULL));
	close(fd[0]);
	EXPECT_EQ(0, mq_delete(self->ctl, topic));
}

/* Records as one by one: only a uid's first one may be larger than its share */
TEST_F(exchange, more_than_a_share)
{
	char topic[MQBUS_NAME_SIZE], value[900] = {};
	struct mqbus_transact args;
	struct mqbus_msg msgs[3];
	struct mqbus_act acts[2];
	int fd[2], i;

	mq_name(topic, "share");
	/* 819 bytes of each partition */
	ASSERT_EQ(0, mq_create(self->ctl, topic, .partitions = 2, .size = 8192, .share = 10));
	ASSERT_EQ(0, mq_group(self->ctl, topic, "s"));
	for (i = 0; i < 2; i++)
		fd[i] = mq_producer(topic, 0);
	for (i = 0; i < 3; i++) {
		msgs[i] = mq_msg(value, 300);
		msgs[i].partition = 0;
	}
	acts[0] = act_publish(fd[0], msgs, 3);
	EXPECT_EQ(-EMSGSIZE, mq_transact(self->ctl, acts, 1, MQBUS_WAIT_FOREVER, &args));
	EXPECT_EQ(0, args.failed_act);
	EXPECT_EQ(2, args.failed_element);
	/* By two producers */
	acts[0] = act_publish(fd[0], msgs, 2);
	acts[1] = act_publish(fd[1], msgs, 1);
	EXPECT_EQ(-EMSGSIZE, mq_transact(self->ctl, acts, 2, MQBUS_WAIT_FOREVER, &args));
	EXPECT_EQ(1, args.failed_act);
	/* No record is stored behind one larger than the share */
	msgs[0].value_len = sizeof(value);
	acts[0] = act_publish(fd[0], msgs, 2);
	EXPECT_EQ(-EMSGSIZE, mq_transact(self->ctl, acts, 1, MQBUS_WAIT_FOREVER, &args));
	EXPECT_EQ(1, args.failed_element);
	EXPECT_EQ(0, mq_end(self->ctl, topic, "s", 0));
	/* Alone it is stored, and others in another partition with it */
	msgs[1].partition = 1;
	msgs[2].partition = 1;
	acts[0] = act_publish(fd[0], msgs, 3);
	EXPECT_EQ(0, mq_transact(self->ctl, acts, 1, 0, NULL));
	EXPECT_EQ(1, mq_end(self->ctl, topic, "s", 0));
	EXPECT_EQ(2, mq_end(self->ctl, topic, "s", 1));
	EXPECT_EQ(-EAGAIN, mq_transact(self->ctl, acts, 1, 0, NULL));
	for (i = 0; i < 2; i++)
		close(fd[i]);
	EXPECT_EQ(0, mq_delete(self->ctl, topic));
}

TEST_F(exchange, shares)
{
	char topic[MQBUS_NAME_SIZE];
	char value[900] = {};
	int fd;

	mq_name(topic, "shared");
	ASSERT_EQ(0, mq_create(self->ctl, topic, .size = 8192, .share = 25,
			       .over = MQBUS_OVER_REJECT));
	ASSERT_EQ(0, mq_group(self->ctl, topic, "s"));
	fd = mq_producer(topic, 0);
	while (mq_put(fd, value, sizeof(value), 0) == 1)
		;
	while (mq_put(fd, "x", 1, 0) == 1)
		;
	refused(_metadata, self, fd, 0, 0, -EXFULL);
	refused(_metadata, self, fd, 0, MQBUS_WAIT_FOREVER, -EXFULL);
	close(fd);
	EXPECT_EQ(0, mq_delete(self->ctl, topic));
}

/* Refused by a rate: a poller is told when it is admitted, and loses no wakeup */
TEST_F(claim, rate)
{
	static const __u32 kinds[] = { MQBUS_FULL_EVICT, MQBUS_FULL_BLOCK };
	__u64 before;
	__u32 i;
	int k;

	for (k = 0; k < 2; k++) {
		open_topic(self, .partitions = RINGS, .full = kinds[k]);
		for (i = 0; kinds[k] == MQBUS_FULL_EVICT && i < RINGS; i++)
			ASSERT_EQ(0, fill(self, i));
		ASSERT_EQ(0, set(self, self->topic, MQBUS_TOPIC_SET_RATE | MQBUS_TOPIC_SET_BURST,
				 .rate = 1, .burst = RINGS * MQ_SEC));
		EXPECT_EQ(0, publish(self, blocks(0), RINGS, 0));
		before = heads(self);
		EXPECT_EQ(-EAGAIN, publish(self, blocks(0), RINGS, 0));
		EXPECT_FALSE(writable(self->fd, 0));
		EXPECT_FALSE(writable(self->fd, 100 * MQ_MS));
		EXPECT_EQ(before, heads(self));
		ASSERT_EQ(0, set(self, self->topic, MQBUS_TOPIC_SET_RATE, .rate = 0));
		EXPECT_TRUE(writable(self->fd, MQ_LONG));
		EXPECT_EQ(before, heads(self));
		EXPECT_EQ(0, publish(self, blocks(0), RINGS, 0));
		mq_delete(self->ctl, self->topic);
		mq_reader_close(&self->reader);
		close(self->fd);
	}
	self->reader.parts = 0;
	self->reader.fd = -1;
	self->fd = -1;
}

/* It waits for the rate alone, not for room in partitions without a record of it */
TEST_F(claim, rate_beside_a_full_partition)
{
	open_topic(self, .partitions = RINGS);
	ASSERT_EQ(0, fill(self, 0));
	ASSERT_EQ(0, set(self, self->topic, MQBUS_TOPIC_SET_RATE, .rate = 2));
	/* The rate refuses before that partition is full */
	EXPECT_EQ(0, publish(self, blocks(2), 1, MQ_LONG));
	while (!publish(self, blocks(2), 1, 0))
		;
	EXPECT_TRUE(writable(self->fd, MQ_LONG));
}

TEST_HARNESS_MAIN
