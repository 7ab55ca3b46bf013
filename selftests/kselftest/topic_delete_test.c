// SPDX-License-Identifier: GPL-2.0
/*
 * Deletion of topics: all waiters are told; a bound endpoint keeps its memory.
 */
#include "queue.h"
#include "topic.h"

/* All that sleep for a topic, in each way, are told of its end */
TEST_F(topic, deletion_wakes_all)
{
	static const long calls[] = { SYS_ioctl, SYS_write, SYS_poll, SYS_ioctl, SYS_read,
				      SYS_poll, SYS_ioctl };
	static char block[4000];
	struct mqbus_range range;
	int producer, member, standby;
	pid_t pid[7];
	int i;

	ASSERT_EQ(0, create(self, .size = 8192, .max_record = 4000));
	ASSERT_EQ(0, mq_group(self->ctl, self->name, "full"));
	/* The partition is full for "full"; the other group has settled all */
	producer = mq_producer(self->name, O_NONBLOCK);
	while (mq_put(producer, block, 4000, 0) == 1)
		;
	ASSERT_EQ(0, mq_group_create(self->ctl, self->name, "g", MQBUS_WHENCE_LATEST, 0, 0600));
	member = mq_member(self->name, "g", 0);
	standby = mq_member(self->name, "g", 0);
	for (i = 0; i < 7; i++)
		mq_fork(pid[i]) {
			struct pollfd p = { .fd = i < 3 ? producer : member,
					    .events = POLLIN | POLLOUT };

			if (i < 2)
				producer = mq_producer(self->name, 0);
			switch (i) {
			case 0:
				_exit(-mq_put(producer, block, 4000, MQBUS_WAIT_FOREVER));
			case 1:
				_exit(write(producer, block, 4000) < 0 ? errno : 0);
			case 3:
				_exit(-mq_fetch(member, &range, 1, 0, MQBUS_WAIT_FOREVER));
			case 4:
				_exit(read(member, block, 8) < 0 ? errno : 0);
			case 6:
				_exit(-mq_fetch(standby, &range, 1, 0, MQBUS_WAIT_FOREVER));
			}
			syscall(SYS_poll, &p, 1, -1);
			_exit(p.revents);
		}
	for (i = 0; i < 7; i++)
		ASSERT_TRUE(mq_wait_asleep(pid[i], calls[i])) TH_LOG("sleeper %d", i);
	EXPECT_EQ(0, mq_delete(self->ctl, self->name));
	for (i = 0; i < 7; i++) {
		EXPECT_EQ(i == 2 ? POLLHUP | POLLOUT : i == 5 ? POLLHUP | POLLIN : EIDRM,
			  mq_wait(pid[i])) TH_LOG("sleeper %d", i);
	}

	/* The name is free; old endpoints are not bound to its new topic */
	EXPECT_EQ(0, create(self));
	EXPECT_EQ(-EIDRM, mq_put(producer, "x", 1, 0));
	EXPECT_EQ(-EIDRM, mq_fetch(member, &range, 1, 0, 0));
	EXPECT_EQ(-EIDRM, mq_commit_fetched(member));
	EXPECT_EQ(-EBADFD, mq_bind_producer(producer, self->name));
	close(producer);
	close(member);
	close(standby);
}

TEST_F(topic, memory_stays_for_those_bound)
{
	__u64 used;
	int fd;

	ASSERT_EQ(0, create(self));
	used = mq_used(self->ctl);
	EXPECT_LT(65536, used);
	fd = mq_producer(self->name, 0);
	ASSERT_EQ(0, mq_delete(self->ctl, self->name));
	EXPECT_LE(used, mq_used(self->ctl));
	close(fd);
	EXPECT_EQ(0, mq_left(self->ctl));
}

TEST_F(queue, topic_is_deleted)
{
	struct worker *w = self->worker;
	struct mqbus_leased l[8], m;
	int i;

	make_busy(_metadata, self, l);
	EXPECT_EQ(0, mq_delete(self->ctl, self->topic));
	EXPECT_GT(0, ack(w, &l[3]));
	EXPECT_EQ(-EIDRM, take(w->fd, &m, 1, MQBUS_WAIT_FOREVER));
	EXPECT_EQ(3, leased_number(w, &l[3]));
	mq_sleep(5 * MQ_MS);
	for (i = 0; i < 2; i++)
		worker_close(&w[i]);
	close(self->fd);
	self->fd = -1;
	EXPECT_EQ(0, mq_delete(self->ctl, self->dlq));
	EXPECT_EQ(0, mq_left(self->ctl));
}

TEST_HARNESS_MAIN
