// SPDX-License-Identifier: GPL-2.0
/*
 * Shares: a uid leaves room for others.
 */
#include <sys/epoll.h>

#include "producer.h"
#include "publish.h"
#include "transact.h"

/* The machine does not use these uids, nor the next few hundred */
#define MANY	62000

/* With its header a record of 1 KiB */
static char block[1024 - sizeof(struct mqbus_record)];

static int bound_by(uid_t uid, const char *topic)
{
	int fd = open_by(uid);

	return fd < 0 ? fd : mq_bound(fd, mq_bind_producer(fd, topic));
}

/* Put records of 1 KiB into a partition until one is refused. Return: their number. */
static int fill_in(int fd, __u32 partition, int *why)
{
	int n = 0, ret;

	while ((ret = mq_put_in(fd, partition, block, sizeof(block))) == 1)
		n++;
	*why = ret;
	return n;
}

#define set(self, _fields, ...)							\
	mq_topic_set((self)->ctl, (self)->topic, _fields, ##__VA_ARGS__)

TEST_F(publish, one_leaves_room_for_others)
{
	int alice, again, bob, why;

	begin(self, .mode = 0622, .share = 25, .partitions = 2);
	alice = bound_by(ALICE, self->topic);
	again = bound_by(ALICE, self->topic);
	bob = bound_by(BOB, self->topic);
	ASSERT_LE(0, bob);
	/* A quarter of 64, in each partition, also with two endpoints */
	EXPECT_EQ(16, fill_in(alice, 0, &why));
	EXPECT_EQ(-EAGAIN, why);
	EXPECT_EQ(0, fill_in(again, 0, &why));
	EXPECT_EQ(16, fill_in(again, 1, &why));
	EXPECT_EQ(16, fill_in(bob, 0, &why));
	EXPECT_EQ(16, fill_in(self->fd, 0, &why));
	/* Settled records go when their owner needs the space */
	mq_drain(&self->reader);
	EXPECT_EQ(16, fill_in(alice, 0, &why));
	EXPECT_EQ(16, fill_in(bob, 0, &why));
	EXPECT_EQ(0, fill_in(alice, 0, &why));
	EXPECT_EQ(16, fill_in(again, 1, &why));
	close(alice);
	close(again);
	close(bob);
}

/* Unsettled records of a uid are not dropped, for itself or for others */
TEST_F(publish, a_share_drops_nothing_unsettled)
{
	const struct mqbus_record *rec;
	int bob, why, n;

	begin(self, .mode = 0622, .share = 50);
	bob = bound_by(BOB, self->topic);
	EXPECT_EQ(32, fill_in(self->fd, 0, &why));
	EXPECT_EQ(32, fill_in(bob, 0, &why));
	for (n = 0; (rec = next(self)); n++) {
		EXPECT_EQ(n, rec->offset);
		EXPECT_LT(0, rec->__owner);
	}
	EXPECT_EQ(64, n);
	close(bob);
}

TEST_F(publish, a_share_rejects)
{
	int why;

	begin(self, .share = 50, .over = MQBUS_OVER_REJECT);
	EXPECT_EQ(32, fill_in(self->fd, 0, &why));
	EXPECT_EQ(-EXFULL, why);
	EXPECT_EQ(-1, write(self->fd, block, sizeof(block)));
	EXPECT_EQ(EXFULL, errno);
	/* A share of 100 percent is the whole ring; then the topic is full */
	ASSERT_EQ(0, set(self, MQBUS_TOPIC_SET_SHARE, .share = 100));
	EXPECT_EQ(32, fill_in(self->fd, 0, &why));
	ASSERT_EQ(0, set(self, MQBUS_TOPIC_SET_SHARE));
	EXPECT_EQ(0, fill_in(self->fd, 0, &why));
	EXPECT_EQ(-EAGAIN, why);
}

TEST_F(publish, waiting_for_a_share)
{
	struct pollfd p = { .events = POLLOUT };
	pid_t pid;
	int why;

	begin(self, .share = 50);
	p.fd = self->fd;
	fill_in(self->fd, 0, &why);
	EXPECT_EQ(0, poll(&p, 1, 0));
	mq_fork(pid)
		_exit(mq_put(self->fd, block, sizeof(block), MQBUS_WAIT_FOREVER) != 1);
	ASSERT_TRUE(mq_wait_asleep(pid, SYS_ioctl));
	mq_drain(&self->reader);
	EXPECT_EQ(0, mq_wait(pid));
	EXPECT_EQ(1, poll(&p, 1, 0));

	EXPECT_EQ(31, fill_in(self->fd, 0, &why));
	mq_fork(pid)
		_exit(mq_put(self->fd, block, sizeof(block), MQBUS_WAIT_FOREVER) != 1);
	ASSERT_TRUE(mq_wait_asleep(pid, SYS_ioctl));
	ASSERT_EQ(0, set(self, MQBUS_TOPIC_SET_SHARE, .share = 60));
	EXPECT_EQ(0, mq_wait(pid));
}

TEST_F(publish, larger_than_the_share)
{
	begin(self, .share = 1);
	/* A uid without records there may store a record of any size */
	EXPECT_EQ(1, mq_put(self->fd, block, sizeof(block), 0));
	EXPECT_EQ(-EAGAIN, mq_put(self->fd, "", 0, 0));
	mq_drain(&self->reader);
	EXPECT_EQ(1, mq_put(self->fd, block, sizeof(block), 0));
}

/* More settled records than one hold of the lock drops lie before the uid's own */
TEST_F(publish, many_go_for_a_share)
{
	int bob, why, i;

	begin(self, .size = 1 << 20, .mode = 0622, .share = 50);
	bob = bound_by(BOB, self->topic);
	for (i = 0; i < 2000; i++)
		ASSERT_EQ(1, mq_put(bob, "", 0, 0));
	EXPECT_EQ(512, fill_in(self->fd, 0, &why));
	mq_drain(&self->reader);
	EXPECT_EQ(1, mq_put(self->fd, block, sizeof(block), 0));
	EXPECT_LE(2001, self->reader.map[0].page->head_offset);
	close(bob);
}

TEST_F(publish, a_share_is_charged)
{
	int why;
	__u64 used;

	begin(self, .partitions = 3);
	used = mq_used(self->ctl);
	/* Records stored before there was a share have no owner */
	EXPECT_EQ(1, mq_put_in(self->fd, 0, block, sizeof(block)));
	ASSERT_EQ(0, mq_write_number(MQ_SYSCTL("max_bytes"), used));
	EXPECT_EQ(-ENOSPC, set(self, MQBUS_TOPIC_SET_SHARE, .share = 50));
	EXPECT_EQ(63, fill_in(self->fd, 0, &why));
	ASSERT_EQ(0, mq_write_number(MQ_SYSCTL("max_bytes"), 64 << 20));
	ASSERT_EQ(0, set(self, MQBUS_TOPIC_SET_SHARE, .share = 50));
	EXPECT_EQ(used + 3 * 256 * 8, mq_used(self->ctl));
	EXPECT_EQ(32, fill_in(self->fd, 1, &why));
	/* Records without an owner take room from all, and count in no share */
	EXPECT_EQ(0, fill_in(self->fd, 0, &why));
	mq_drain(&self->reader);
	EXPECT_EQ(32, fill_in(self->fd, 0, &why));
	/* The counting goes on, and is charged once */
	ASSERT_EQ(0, set(self, MQBUS_TOPIC_SET_SHARE));
	EXPECT_EQ(32, fill_in(self->fd, 0, &why));
	ASSERT_EQ(0, set(self, MQBUS_TOPIC_SET_SHARE, .share = 75));
	EXPECT_EQ(used + 3 * 256 * 8, mq_used(self->ctl));
	EXPECT_EQ(0, fill_in(self->fd, 0, &why));
	mq_drain(&self->reader);
	EXPECT_EQ(48, fill_in(self->fd, 0, &why));

	mq_delete(self->ctl, self->topic);
	close(self->fd);
	self->fd = -1;
	mq_reader_close(&self->reader);
	self->reader.parts = 0;
	self->reader.fd = -1;
	EXPECT_EQ(0, mq_left(self->ctl));
}

TEST_F(publish, more_uids_than_can_be_told_apart)
{
	static int fds[MQBUS_USERS_MAX];
	struct mqbus_msg msg = mq_msg("x", 1);
	struct mqbus_act act;
	unsigned int i;
	int fd, late;

	begin(self, .mode = 0622, .size = 1 << 20);
	/* The first is root; without a limit for each uid there are never too many */
	for (i = 0; i < MQBUS_USERS_MAX; i++) {
		fds[i] = bound_by(MANY + i, self->topic);
		ASSERT_LE(0, fds[i]);
		ASSERT_EQ(1, mq_put(fds[i], "x", 1, 0));
	}
	late = fds[MQBUS_USERS_MAX - 1];
	ASSERT_EQ(0, set(self, MQBUS_TOPIC_SET_USER_RATE, .user_rate = 1000000));
	EXPECT_EQ(-EUSERS, mq_put(late, "x", 1, 0));
	ASSERT_EQ(0, set(self, MQBUS_TOPIC_SET_USER_RATE));
	EXPECT_EQ(1, mq_put(late, "x", 1, 0));
	ASSERT_EQ(0, set(self, MQBUS_TOPIC_SET_SHARE, .share = 50));
	EXPECT_EQ(-EUSERS, mq_put(late, "x", 1, 0));
	act = act_publish(late, &msg, 1);
	EXPECT_EQ(-EUSERS, mq_transact(self->ctl, &act, 1, 0, NULL));
	EXPECT_EQ(-1, write(late, "x", 1));
	EXPECT_EQ(EUSERS, errno);

	/* A uid leaves, but its record stays until others need the space */
	EXPECT_EQ(1, mq_put(fds[5], "x", 1, 0));
	close(fds[5]);
	fd = bound_by(MANY + 1000, self->topic);
	EXPECT_EQ(-EUSERS, mq_put(fd, "x", 1, 0));
	close(fd);
	for (i = 0; i < 1024; i++) {
		mq_drain(&self->reader);
		ASSERT_EQ(1, mq_put(self->fd, block, sizeof(block), 0));
	}
	fds[5] = bound_by(MANY + 1000, self->topic);
	EXPECT_EQ(1, mq_put(fds[5], "x", 1, 0));
	for (i = 0; i < MQBUS_USERS_MAX; i++)
		close(fds[i]);
}

/* A uid's debt is not forgotten for another uid */
TEST_F(publish, a_debt_keeps_its_uid)
{
	static int fds[MQBUS_USERS_MAX];
	unsigned int i;
	int fd;

	begin(self, .mode = 0622, .user_rate_bytes = 1, .burst = 100000 * MQ_SEC);
	for (i = 0; i < MQBUS_USERS_MAX - 1; i++) {
		fds[i] = bound_by(MANY + i, self->topic);
		ASSERT_LE(0, fds[i]);
	}
	/* An hour's worth */
	ASSERT_EQ(1, mq_put(fds[6], block, sizeof(block), 0));
	ASSERT_EQ(1, mq_put(fds[6], block, sizeof(block), 0));
	ASSERT_EQ(1, mq_put(fds[6], block, sizeof(block), 0));
	ASSERT_EQ(1, mq_put(fds[6], block, sizeof(block), 0));
	close(fds[6]);
	fd = bound_by(MANY + 1000, self->topic);
	EXPECT_EQ(-EUSERS, mq_put(fd, "x", 1, 0));
	close(fd);
	ASSERT_EQ(0, set(self, MQBUS_TOPIC_SET_USER_RATE_BYTES, .user_rate_bytes = 1));
	fds[6] = bound_by(MANY + 1000, self->topic);
	EXPECT_EQ(1, mq_put(fds[6], "x", 1, 0));
	for (i = 0; i < MQBUS_USERS_MAX - 1; i++)
		close(fds[i]);
}

static int watch(int ep, int fd)
{
	struct epoll_event ev = { .events = EPOLLOUT | EPOLLET };

	return epoll_ctl(ep, EPOLL_CTL_ADD, fd, &ev) ? -errno : 0;
}

/* Producers that wait for their shares and do not come do not keep others from free room */
TEST_F(publish, who_waits_for_shares_takes_no_calls)
{
	enum { POLL = 16, FILL = 22 };
	static char large[3 * 1024 - sizeof(struct mqbus_record)];
	int fds[FILL], shares = epoll_create1(0), ep = epoll_create1(0), fd, i, why;
	struct mqbus_range range;
	struct epoll_event ev;

	begin(self, .mode = 0622, .share = 6, .over = MQBUS_OVER_BLOCK);
	for (i = 0; i < FILL; i++) {
		fds[i] = bound_by(MANY + i, self->topic);
		ASSERT_EQ(i < FILL - 1 ? 3 : 1, fill_in(fds[i], 0, &why));
		if (i < POLL)
			ASSERT_EQ(0, watch(shares, fds[i]));
	}
	fd = bound_by(MANY + FILL, self->topic);
	ASSERT_EQ(-EAGAIN, mq_put(fd, large, sizeof(large), 0));
	ASSERT_EQ(0, watch(ep, fd));
	EXPECT_EQ(0, epoll_wait(ep, &ev, 1, 0));
	ASSERT_EQ(1, mq_fetch(self->reader.fd, &range, 1, 0, 0));
	/* Enough for their shares, and then for the other one */
	ASSERT_EQ(0, mq_commit(self->reader.fd, range.partition, 1));
	EXPECT_EQ(0, epoll_wait(ep, &ev, 1, 0));
	ASSERT_EQ(0, mq_commit(self->reader.fd, range.partition, 4));
	EXPECT_EQ(1, epoll_wait(ep, &ev, 1, 0));
	EXPECT_EQ(1, mq_put(fd, large, sizeof(large), 0));
	close(fd);
	for (i = 0; i < FILL; i++)
		close(fds[i]);
	close(shares);
	close(ep);
}

TEST_HARNESS_MAIN
