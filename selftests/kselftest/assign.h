/* SPDX-License-Identifier: GPL-2.0 */
/*
 * A topic of four partitions that the members of a stream group "g" share.
 */
#ifndef _MQBUS_TEST_ASSIGN_H
#define _MQBUS_TEST_ASSIGN_H

#include "stream.h"

#define PARTS	4

FIXTURE(assign) {
	int ctl;
	int fd;
	char topic[MQBUS_NAME_SIZE];
};

FIXTURE_SETUP(assign)
{
	mq_name(self->topic, "assign");
	self->ctl = mq_open(0);
	ASSERT_LE(0, self->ctl);
	ASSERT_EQ(0, mq_create(self->ctl, self->topic, .partitions = PARTS, .size = 4096));
	self->fd = mq_producer(self->topic, 0);
}

FIXTURE_TEARDOWN(assign)
{
	mq_delete(self->ctl, self->topic);
	close(self->fd);
	/* A test gives back all memory charged to it */
	EXPECT_EQ(0, mq_left(self->ctl));
	close(self->ctl);
}

#define begin_stream(self, ...)							\
	ASSERT_EQ(0, mq_stream((self)->ctl, (self)->topic, "g", ##__VA_ARGS__))
#define member(self)	mq_member((self)->topic, "g", 0)

/* One record in each partition */
static void put_all(int fd)
{
	__u32 p;

	for (p = 0; p < PARTS; p++)
		if (mq_put_in(fd, p, "12345678", 8) != 1)
			abort();
}

/*
 * Partitions of which a fetch returns records, as bits; from bit 8 on partitions to be
 * released. @ranges: filled by partition
 */
static int fetch_bits(int fd, __u32 flags, struct mqbus_range *ranges)
{
	struct mqbus_range r[MQBUS_FETCH_MAX];
	int n = mq_fetch(fd, r, MQBUS_FETCH_MAX, flags, 0), i, bits = 0;

	for (i = 0; i < n; i++) {
		bits |= 1 << (r[i].partition + (r[i].flags ? 8 : 0));
		if (ranges)
			ranges[r[i].partition] = r[i];
	}
	return n < 0 ? n : bits;
}

#endif /* _MQBUS_TEST_ASSIGN_H */
