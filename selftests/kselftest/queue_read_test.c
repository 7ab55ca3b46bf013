// SPDX-License-Identifier: GPL-2.0
/*
 * Members of queue groups that use read(): it settles the record before, or reports that it
 * could not.
 */
#include "queue.h"

/* read() acks the record of the read() before */
TEST_F(queue, reading)
{
	struct worker *w = self->worker;
	struct mqbus_leased l;
	char byte;
	int fd;

	begin(self);
	put_numbers(self->fd, 0, 4);
	fd = mq_member(self->topic, "g", O_NONBLOCK);
	EXPECT_EQ(0, read_number(fd));
	EXPECT_EQ(1, FIGURE(self, LEASED));
	EXPECT_EQ(0, FIGURE(self, ACKED));
	EXPECT_EQ(1, read_number(fd));
	EXPECT_EQ(1, FIGURE(self, ACKED));
	/* Too small a buffer: the record stays, and was not tried */
	EXPECT_EQ(-1, read(fd, &byte, 1));
	EXPECT_EQ(EMSGSIZE, errno);
	EXPECT_EQ(-1, read(fd, MQ_KERNEL_PTR, 8));
	EXPECT_EQ(EFAULT, errno);
	EXPECT_EQ(2, take_one(w, &l, 0));
	EXPECT_EQ(1, l.attempt);
	EXPECT_EQ(3, read_number(fd));
	EXPECT_EQ(-EAGAIN, read_number(fd));
	EXPECT_EQ(3, FIGURE(self, ACKED));
	EXPECT_EQ(0, ack(w, &l));
	close(fd);
	EXPECT_EQ(0, FIGURE(self, DIED));
	/* A member that dies after a read() has not settled its record */
	put_numbers(self->fd, 4, 5);
	fd = mq_member(self->topic, "g", 0);
	EXPECT_EQ(4, read_number(fd));
	close(fd);
	EXPECT_EQ(1, FIGURE(self, DIED));
	EXPECT_EQ(4, take_one(w, &l, 0));
	EXPECT_EQ(2, l.attempt);
}

/* A member whose lease expired learns once that the record was not settled */
TEST_F(queue, read_too_late)
{
	__u64 lease = 50 * MQ_MS * mq_slow();
	struct worker *w = self->worker;
	struct mqbus_leased l;
	int fd;

	begin(self, .lease = lease);
	put_numbers(self->fd, 0, 1);
	fd = mq_member(self->topic, "g", O_NONBLOCK);
	EXPECT_EQ(0, read_number(fd));
	mq_sleep(2 * lease);
	EXPECT_EQ(-ETIMEDOUT, read_number(fd));
	EXPECT_EQ(0, FIGURE(self, ACKED));
	EXPECT_EQ(0, read_number(fd));
	mq_sleep(2 * lease);
	/* Another member has it meanwhile */
	ASSERT_EQ(0, take_one(w, &l, 0));
	EXPECT_EQ(0, extend(w, &l, MQ_LONG));
	put_numbers(self->fd, 1, 2);
	EXPECT_EQ(-ESTALE, read_number(fd));
	EXPECT_EQ(1, read_number(fd));
	EXPECT_EQ(-EAGAIN, read_number(fd));
	EXPECT_EQ(1, FIGURE(self, ACKED));
	EXPECT_EQ(0, ack(w, &l));
	/* A record settled by another call is not reported */
	put_numbers(self->fd, 2, 3);
	EXPECT_EQ(2, read_number(fd));
	{
		struct mqbus_lease args = { .flags = MQBUS_LEASE_F_ACK };

		EXPECT_EQ(0, mq_ioctl(fd, MQBUS_IOC_LEASE, &args));
		EXPECT_EQ(1, args.settled);
	}
	EXPECT_EQ(-EAGAIN, read_number(fd));
	close(fd);
}

/* Settled when handed out: no record comes again, so there is nothing to report */
TEST_F(queue, read_too_late_at_most_once)
{
	__u64 lease = 50 * MQ_MS * mq_slow();
	int fd;

	begin(self, .flags = MQBUS_QUEUE_F_AT_MOST_ONCE, .lease = lease);
	put_numbers(self->fd, 0, 2);
	fd = mq_member(self->topic, "g", O_NONBLOCK);
	EXPECT_EQ(0, read_number(fd));
	mq_sleep(2 * lease);
	EXPECT_EQ(1, read_number(fd));
	EXPECT_EQ(-EAGAIN, read_number(fd));
	close(fd);
}

TEST_HARNESS_MAIN
