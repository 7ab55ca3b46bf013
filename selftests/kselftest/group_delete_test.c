// SPDX-License-Identifier: GPL-2.0
/*
 * Queue groups that are deleted, or left by all members, while leases are held.
 */
#include "fault.h"
#include "queue.h"

TEST_F(queue, group_is_deleted)
{
	struct worker *w = self->worker;
	struct mqbus_lease args = { .flags = MQBUS_LEASE_F_ACK };
	struct mqbus_leased l[8], m;
	struct mqbus_settle s = {};
	pid_t pid;

	make_busy(_metadata, self, l);
	mq_fork(pid) {
		int fd = mq_member(self->topic, "g", 0), ret;

		do
			ret = take(fd, &m, 1, MQBUS_WAIT_FOREVER);
		while (ret == 1);
		_exit(ret == -EIDRM ? 0 : 1);
	}
	ASSERT_TRUE(mq_wait_asleep(pid, SYS_ioctl));
	EXPECT_EQ(-EBUSY, mq_group_delete(self->ctl, self->topic, "g", 0));
	EXPECT_EQ(3, leased_number(w, &l[3]));
	EXPECT_EQ(0, mq_group_delete(self->ctl, self->topic, "g", MQBUS_GROUP_DELETE_F_FORCE));
	EXPECT_EQ(0, mq_wait(pid));
	s.lease = l[3].lease;
	EXPECT_EQ(-EIDRM, settle_many(w->fd, &s, 1));
	EXPECT_EQ(-EIDRM, take(w->fd, &m, 1, MQBUS_WAIT_FOREVER));
	EXPECT_EQ(-EIDRM, mq_ioctl(w->fd, MQBUS_IOC_LEASE, &args));
	EXPECT_EQ(-EIDRM, read_number(w->fd));
	EXPECT_EQ(-ENOENT, mq_set(self->ctl, self->topic, "g", MQBUS_GROUP_SET_CREDIT, NULL));
	/* A mapping stays readable */
	EXPECT_EQ(3, leased_number(w, &l[3]));
	EXPECT_EQ(65536, w->map[0].page->size);
	/* The dead group's timers find nothing to do */
	mq_sleep(5 * MQ_MS);
	/* A new group of the same name starts over */
	ASSERT_EQ(0, mq_queue(self->ctl, self->topic, "g", NULL));
	join(self, 2);
	EXPECT_EQ(0, take_one(&w[2], &m, 0));
	EXPECT_EQ(1, m.attempt);
	EXPECT_EQ(1, FIGURE(self, DELIVERED));
	/* For its members the old one stays dead */
	EXPECT_EQ(-EIDRM, take(w->fd, l, 1, 0));
}

/* A group that holds space which a producer waits for */
TEST_F(queue, deleted_group_frees_space)
{
	struct mqbus_leased l[56];
	pid_t pid;

	ASSERT_EQ(0, mq_create(self->ctl, self->topic, .size = 4096));
	begin(self);
	ASSERT_EQ(0, mq_group_create(self->ctl, self->topic, "s", MQBUS_WHENCE_EARLIEST, 0, 0600));
	put_numbers(self->fd, 0, 56);
	ASSERT_EQ(1, mq_seek(self->ctl, self->topic, "s", 0, 0, MQBUS_WHENCE_LATEST, 0, NULL, 0));
	ASSERT_EQ(56, take(self->worker[0].fd, l, 56, 0));
	mq_fork(pid)
		_exit(mq_put(self->fd, "x", 1, MQBUS_WAIT_FOREVER) != 1);
	ASSERT_TRUE(mq_wait_asleep(pid, SYS_ioctl));
	EXPECT_EQ(0, mq_group_delete(self->ctl, self->topic, "g", MQBUS_GROUP_DELETE_F_FORCE));
	EXPECT_EQ(0, mq_wait(pid));
}

/* A group without members keeps all its state */
TEST_F(queue, without_members)
{
	struct worker *w = self->worker;
	struct mqbus_leased l[8];
	int i;

	begin(self);
	put_numbers(self->fd, 0, 3);
	ASSERT_EQ(2, take(w->fd, l, 2, 0));
	EXPECT_EQ(0, settle(w->fd, l[0].lease, MQBUS_NACK, 2 * MQ_MS));
	worker_close(w);
	mq_sleep(3 * MQ_MS);
	join(self, 0);
	for (i = 0; i < 3; i++)
		ASSERT_EQ(1, take(w->fd, &l[i], 1, MQ_LONG));
	EXPECT_EQ(3, leased_number(w, &l[0]) + leased_number(w, &l[1]) + leased_number(w, &l[2]));
	EXPECT_EQ(5, l[0].attempt + l[1].attempt + l[2].attempt);
}

TEST_HARNESS_MAIN
