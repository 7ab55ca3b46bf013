// SPDX-License-Identifier: GPL-2.0
/*
 * Members with an id that rejoin within their grace time, or are taken over.
 */
#include "assign.h"

TEST_F(assign, id_comes_back)
{
	struct mqbus_range r[MQBUS_FETCH_MAX], q[MQBUS_FETCH_MAX];
	int a, b;
	pid_t pid;

	begin_stream(self, .grace = 30 * MQ_SEC * mq_slow());
	put_all(self->fd);
	a = mq_member_as(self->topic, "g", "a", 0);
	b = mq_member_as(self->topic, "g", "b", 0);
	ASSERT_EQ(0x3, fetch_bits(a, 0, r));
	ASSERT_EQ(0xc, fetch_bits(b, 0, q));
	ASSERT_EQ(0, mq_commit(a, 0, 1));
	close(a);
	/* It is not open, and does not keep the group from a seek */
	EXPECT_EQ(-EAGAIN, fetch_bits(b, 0, NULL));
	EXPECT_EQ(0, mq_revents(b, POLLPRI));
	EXPECT_EQ(-EBUSY, mq_seek(self->ctl, self->topic, "g", 0, 0, 0, 0, NULL, 0));
	a = mq_member_as(self->topic, "g", "a", 0);
	EXPECT_EQ(0x2, fetch_bits(a, 0, r));
	EXPECT_EQ(0, r[1].begin_offset);
	EXPECT_EQ(0, mq_commit_of(b, 2, 1, q[2].generation));
	EXPECT_EQ(0, mq_commit_of(b, 3, 1, q[3].generation));
	/* It holds up nothing */
	close(b);
	EXPECT_EQ(-EAGAIN, fetch_bits(a, 0, NULL));
	close(a);
	EXPECT_EQ(4, mq_seek(self->ctl, self->topic, "g", 0, MQBUS_ANY, MQBUS_WHENCE_EARLIEST, 0,
			     NULL, 0));
	a = mq_member_as(self->topic, "g", "a", 0);
	EXPECT_EQ(0x3, fetch_bits(a, 0, NULL));
	close(a);
	ASSERT_EQ(0, mq_group_delete(self->ctl, self->topic, "g", 0));

	/* Too late: the others have its partitions without a call of theirs */
	begin_stream(self, .grace = 50 * MQ_MS);
	b = member(self);
	a = mq_member_as(self->topic, "g", "a", 0);
	ASSERT_EQ(0x3, fetch_bits(b, 0, NULL));
	mq_fork(pid) {
		close(a);
		_exit(mq_fetch(b, r, MQBUS_FETCH_MAX, 0, MQBUS_WAIT_FOREVER) != 2);
	}
	ASSERT_TRUE(mq_wait_asleep(pid, SYS_ioctl));
	close(a);
	EXPECT_EQ(0, mq_wait(pid));
	close(b);
}

TEST_F(assign, id_is_taken_over)
{
	struct mqbus_range r[MQBUS_FETCH_MAX], q[MQBUS_FETCH_MAX];
	char v[8];
	int old, new, other;
	pid_t pid[2];

	begin_stream(self);
	put_all(self->fd);
	old = mq_member_as(self->topic, "g", "a", 0);
	other = member(self);
	ASSERT_EQ(0x3, fetch_bits(old, 0, r));
	mq_fork(pid[0])
		_exit(-mq_fetch(old, r, 4, 0, MQBUS_WAIT_FOREVER));
	mq_fork(pid[1])
		_exit(read(old, v, 8) < 0 ? errno : 0);
	ASSERT_TRUE(mq_wait_asleep(pid[0], SYS_ioctl));
	ASSERT_TRUE(mq_wait_asleep(pid[1], SYS_read));
	new = mq_member_as(self->topic, "g", "a", 0);
	EXPECT_EQ(ENOLINK, mq_wait(pid[0]));
	EXPECT_EQ(ENOLINK, mq_wait(pid[1]));
	EXPECT_EQ(0x3, fetch_bits(new, 0, q));
	EXPECT_EQ(0, q[0].begin_offset);
	EXPECT_NE(r[0].generation, q[0].generation);
	EXPECT_EQ(0xc, fetch_bits(other, 0, NULL));
	/* For good */
	EXPECT_EQ(-ENOLINK, fetch_bits(old, 0, NULL));
	EXPECT_EQ(-ENOLINK, fetch_bits(old, MQBUS_FETCH_F_COMMIT, NULL));
	EXPECT_EQ(-ENOLINK, mq_commit(old, 0, 1));
	EXPECT_EQ(-ENOLINK, mq_commit_fetched(old));
	EXPECT_EQ(-1, read(old, v, 8));
	EXPECT_EQ(ENOLINK, errno);
	EXPECT_EQ(POLLHUP | POLLIN | POLLPRI, mq_revents(old, POLLIN | POLLPRI));
	/* It is no member any more: its end is not that of the new one */
	close(old);
	EXPECT_EQ(0, mq_commit_of(new, 0, 1, q[0].generation));
	close(new);
	close(other);
	EXPECT_EQ(0, mq_group_delete(self->ctl, self->topic, "g", 0));
}

TEST_HARNESS_MAIN
