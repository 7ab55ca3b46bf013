// SPDX-License-Identifier: GPL-2.0
/*
 * Transactions that a rate or a share refuses: nothing happens, and who polls is told when
 * it is over.
 */
#include "claim.h"
#include "transaction.h"

/* A rate and a share that are used up, in each place; with OVER_BLOCK it waits */
TEST_F(exchange, rates)
{
	static const __u32 overs[] = { MQBUS_OVER_REJECT, MQBUS_OVER_BLOCK };
	static struct mqbus_msg msgs[400];
	char topic[MQBUS_NAME_SIZE];
	struct mqbus_act act;
	int fd, i, k;

	for (i = 0; i < 2; i++) {
		mq_name(topic, "slow");
		ASSERT_EQ(0, mq_create(self->ctl, topic, .rate = 1, .burst = MQ_SEC,
				       .over = overs[i]));
		fd = mq_producer(topic, 0);
		/* More than it holds goes when it is full; then minutes have to be paid for */
		for (k = 0; k < 400; k++)
			msgs[k] = mq_msg("x", 1);
		act = act_publish(fd, msgs, 400);
		EXPECT_EQ(0, mq_transact(self->ctl, &act, 1, 0, NULL));
		refused(_metadata, self, fd, 0, 0, i ? -EAGAIN : -EXFULL);
		refused(_metadata, self, fd, 0, MQ_MS, i ? -ETIMEDOUT : -EXFULL);
		if (!i)
			refused(_metadata, self, fd, 0, MQBUS_WAIT_FOREVER, -EXFULL);
		close(fd);
		EXPECT_EQ(0, mq_delete(self->ctl, topic));
	}
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

/* Refused by a rate: whoever polls then is told when it is over, and loses nothing */
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
		ASSERT_EQ(0, set(self, self->topic, MQBUS_TOPIC_SET_RATE, .rate = 1));
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

/* And it is the rate alone that it waits for, not room where none of its records go */
TEST_F(claim, rate_beside_a_full_partition)
{
	open_topic(self, .partitions = RINGS);
	ASSERT_EQ(0, fill(self, 0));
	ASSERT_EQ(0, set(self, self->topic, MQBUS_TOPIC_SET_RATE, .rate = 2));
	/* The rate says no before that partition is full */
	EXPECT_EQ(0, publish(self, blocks(2), 1, MQ_LONG));
	while (!publish(self, blocks(2), 1, 0))
		;
	EXPECT_TRUE(writable(self->fd, MQ_LONG));
}

TEST_HARNESS_MAIN
