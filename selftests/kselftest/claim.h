/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Transactions that claim room in two topics, one of them with a group.
 */
#ifndef _MQBUS_TEST_CLAIM_H
#define _MQBUS_TEST_CLAIM_H

#include "stress.h"
#include "transact.h"

#define RINGS	8
#define BLOCK	900		/* Four such records fill a ring of 4 KiB */

static char block[BLOCK];

FIXTURE(claim) {
	int ctl;
	char topic[MQBUS_NAME_SIZE];
	int fd;				/* a producer of it */
	char other[MQBUS_NAME_SIZE];
	int out;
	struct mq_reader reader;	/* a member of group "s" of @topic that takes nothing */
};

FIXTURE_SETUP(claim)
{
	self->ctl = mq_open(0);
	ASSERT_LE(0, self->ctl);
	ASSERT_EQ(0, mq_used(self->ctl));
	mq_name(self->topic, "claim");
	mq_name(self->other, "other");
	self->fd = -1;
	self->out = -1;
	self->reader.fd = -1;
}

FIXTURE_TEARDOWN(claim)
{
	mq_delete(self->ctl, self->topic);
	mq_delete(self->ctl, self->other);
	close(self->fd);
	close(self->out);
	mq_reader_close(&self->reader);
	EXPECT_EQ(0, mq_left(self->ctl));
	close(self->ctl);
}

/* The topic with a group */
#define open_topic(self, ...) do {							\
	ASSERT_EQ(0, mq_create((self)->ctl, (self)->topic, .size = 4096, ##__VA_ARGS__)); \
	ASSERT_EQ(0, mq_group((self)->ctl, (self)->topic, "s"));		\
	ASSERT_EQ(0, mq_reader_open(&(self)->reader, (self)->topic, "s"));	\
	(self)->fd = mq_producer((self)->topic, 0);				\
	ASSERT_LE(0, (self)->fd);						\
} while (0)

#define set(self, name, _fields, ...)						\
	mq_topic_set((self)->ctl, name, _fields, ##__VA_ARGS__)

/* Records of BLOCK bytes, one for each partition from @first on */
static const struct mqbus_msg *blocks(__u32 first)
{
	static struct mqbus_msg msgs[RINGS];
	__u32 i;

	for (i = 0; i < RINGS; i++) {
		msgs[i] = mq_msg(block, BLOCK);
		msgs[i].partition = (first + i) % RINGS;
	}
	return msgs;
}

static int publish(FIXTURE_DATA(claim) *self, const struct mqbus_msg *msgs, __u32 count,
		   __u64 timeout)
{
	struct mqbus_act act = act_publish(self->fd, msgs, count);

	return mq_transact(self->ctl, &act, 1, timeout, NULL);
}

/* Sum of the oldest offsets of all partitions */
static __u64 heads(FIXTURE_DATA(claim) *self)
{
	__u64 sum = 0;
	__u32 i;

	for (i = 0; i < self->reader.parts; i++)
		sum += get(&self->reader.map[i].page->head_offset);
	return sum;
}

static bool writable(int fd, __u64 timeout)
{
	struct pollfd p = { .fd = fd, .events = POLLOUT };

	return poll(&p, 1, timeout / MQ_MS) == 1 && p.revents == POLLOUT;
}

/* Fill the topic until less than a block of room is left. */
static int fill(FIXTURE_DATA(claim) *self, __u32 part)
{
	int i, ret = 1;

	for (i = 0; i < 4 && ret == 1; i++)
		ret = mq_put_in(self->fd, part, block, BLOCK);
	return ret == 1 ? 0 : ret;
}

#endif /* _MQBUS_TEST_CLAIM_H */
