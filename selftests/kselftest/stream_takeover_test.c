// SPDX-License-Identifier: GPL-2.0
/*
 * Members of groups: the successor of one that leaves, and its first records.
 */
#include "fetch.h"

TEST_F(fetch, resume_after_sigkill)
{
	struct mqbus_range range;
	int fd, go[2];
	char byte;
	pid_t pid;

	begin(self);
	put_numbers(self->fd, 0, 10);
	ASSERT_EQ(0, pipe(go));
	mq_fork(pid) {
		fd = mq_member(self->topic, "g", 0);
		if (mq_fetch(fd, &range, 1, 0, 0) != 1 || mq_commit(fd, 0, 4))
			_exit(1);
		write(go[1], "x", 1);
		pause();
	}
	ASSERT_EQ(1, read(go[0], &byte, 1));
	EXPECT_TRUE(is_busy(self));
	EXPECT_EQ(128 + SIGKILL, mq_kill(pid));
	/* A dead member is gone: there is no timeout */
	EXPECT_FALSE(mq_seek(self->ctl, self->topic, "g", MQBUS_GROUP_SEEK_F_DRY_RUN, MQBUS_ANY,
			     MQBUS_WHENCE_EARLIEST, 0, NULL, 0) != 1);
	fd = mq_member(self->topic, "g", 0);
	ASSERT_EQ(1, mq_fetch(fd, &range, 1, 0, 0));
	EXPECT_EQ(4, range.begin_offset);
	EXPECT_EQ(10, range.end_offset);
	close(fd);
	close(go[0]);
	close(go[1]);
}

TEST_F(fetch, standby_waits)
{
	struct mqbus_range range;
	struct pollfd p = { .events = POLLIN };
	int first, second;

	begin(self);
	first = mq_member(self->topic, "g", 0);
	second = mq_member(self->topic, "g", 0);
	put_numbers(self->fd, 0, 3);
	p.fd = second;
	EXPECT_EQ(0, poll(&p, 1, 0));
	EXPECT_EQ(-EAGAIN, mq_fetch(second, &range, 1, 0, 0));
	EXPECT_EQ(-ETIMEDOUT, mq_fetch(second, &range, 1, 0, 2 * MQ_MS));
	EXPECT_EQ(-ESTALE, mq_commit(second, 0, 0));
	EXPECT_EQ(0, mq_commit_fetched(second));
	ASSERT_EQ(1, mq_fetch(first, &range, 1, 0, 0));
	/* Even once fetched a record is not another member's */
	EXPECT_EQ(-ESTALE, mq_commit(second, 0, 1));
	close(first);
	EXPECT_EQ(1, poll(&p, 1, 0));
	EXPECT_EQ(POLLIN, p.revents);
	ASSERT_EQ(1, mq_fetch(second, &range, 1, 0, 0));
	EXPECT_EQ(0, range.begin_offset);
	EXPECT_EQ(3, range.end_offset);
	close(second);
}

TEST_F(fetch, standby_takes_over_at_once)
{
	struct mqbus_range range;
	int way;

	begin(self);
	put_numbers(self->fd, 0, 7);
	/* Asleep in fetch, read, poll, epoll while the owner closes or is killed */
	for (way = 0; way < 8; way++) {
		static const long calls[] = { SYS_ioctl, SYS_read, SYS_poll, SYS_epoll_wait };
		int owner = -1, go[2];
		pid_t pid, victim = 0;
		char byte;

		if (way < 4) {
			owner = mq_member(self->topic, "g", 0);
			ASSERT_EQ(1, mq_fetch(owner, &range, 1, 0, 0));
		} else {
			ASSERT_EQ(0, pipe(go));
			mq_fork(victim) {
				owner = mq_member(self->topic, "g", 0);
				mq_fetch(owner, &range, 1, 0, 0);
				write(go[1], "x", 1);
				pause();
			}
			ASSERT_EQ(1, read(go[0], &byte, 1));
			close(go[0]);
			close(go[1]);
		}
		mq_fork(pid) {
			int fd = mq_member(self->topic, "g", 0), n = 0;
			struct pollfd p = { .fd = fd, .events = POLLIN };
			struct epoll_event ev = { .events = EPOLLIN | EPOLLET };
			int ep = epoll_create1(0);

			close(owner);
			epoll_ctl(ep, EPOLL_CTL_ADD, fd, &ev);
			switch (way % 4) {
			case 0:
				n = mq_fetch(fd, &range, 1, 0, MQBUS_WAIT_FOREVER);
				_exit(n == 1 && !range.begin_offset && range.end_offset == 7 ?
				      0 : 1);
			case 1:
				_exit(read_number(fd) != 0);
			case 2:
				syscall(SYS_poll, &p, 1, -1);
				break;
			case 3:
				syscall(SYS_epoll_wait, ep, &ev, 1, -1);
				break;
			}
			_exit(mq_fetch(fd, &range, 1, 0, 0) != 1);
		}
		ASSERT_TRUE(mq_wait_asleep(pid, calls[way % 4])) TH_LOG("way %d", way);
		if (victim)
			mq_kill(victim);
		else
			close(owner);
		EXPECT_EQ(0, mq_wait(pid)) TH_LOG("way %d", way);
	}
}

TEST_F(fetch, longest_waiting_is_next)
{
	struct mqbus_range range;
	int fd[4], i, k;

	begin(self);
	put_numbers(self->fd, 0, 3);
	for (i = 0; i < 4; i++)
		fd[i] = mq_member(self->topic, "g", 0);
	for (i = 0; i < 4; i++) {
		for (k = 3; k > i; k--)
			EXPECT_EQ(-EAGAIN, mq_fetch(fd[k], &range, 1, 0, 0));
		EXPECT_EQ(1, mq_fetch(fd[i], &range, 1, 0, 0));
		EXPECT_EQ(0, mq_commit(fd[i], 0, 0));
		EXPECT_EQ(0, range.begin_offset);
		close(fd[i]);
	}
}

TEST_F(fetch, group_with_members_stays)
{
	struct mqbus_seek_result result;
	struct mqbus_range range;
	struct pollfd p = { .events = POLLIN };
	pid_t pid[3];
	int fd, i;

	begin(self);
	put_numbers(self->fd, 0, 3);
	fd = mq_member(self->topic, "g", 0);
	EXPECT_EQ(-EBUSY, mq_group_delete(self->ctl, self->topic, "g", 0));
	EXPECT_EQ(-EBUSY, mq_seek(self->ctl, self->topic, "g", 0, MQBUS_ANY,
				  MQBUS_WHENCE_LATEST, 0, NULL, 0));
	EXPECT_EQ(1, mq_seek(self->ctl, self->topic, "g", MQBUS_GROUP_SEEK_F_DRY_RUN, MQBUS_ANY,
			     MQBUS_WHENCE_LATEST, 0, &result, 1));
	EXPECT_EQ(3, result.new_offset);
	ASSERT_EQ(1, mq_fetch(fd, &range, 1, MQBUS_FETCH_F_COMMIT, 0));
	EXPECT_EQ(0, range.begin_offset);
	EXPECT_EQ(3, range.end_offset);

	for (i = 0; i < 3; i++)
		mq_fork(pid[i]) {
			struct pollfd q = { .fd = fd, .events = POLLIN };

			if (i == 0)
				_exit(-mq_fetch(fd, &range, 1, 0, MQBUS_WAIT_FOREVER));
			if (i == 1)
				_exit(-read_number(fd));
			syscall(SYS_poll, &q, 1, -1);
			_exit(q.revents);
		}
	ASSERT_TRUE(mq_wait_asleep(pid[0], SYS_ioctl));
	ASSERT_TRUE(mq_wait_asleep(pid[1], SYS_read));
	ASSERT_TRUE(mq_wait_asleep(pid[2], SYS_poll));
	EXPECT_EQ(0, mq_group_delete(self->ctl, self->topic, "g", MQBUS_GROUP_DELETE_F_FORCE));
	EXPECT_EQ(EIDRM, mq_wait(pid[0]));
	EXPECT_EQ(EIDRM, mq_wait(pid[1]));
	EXPECT_EQ(POLLIN | POLLHUP, mq_wait(pid[2]));
	EXPECT_EQ(-EIDRM, mq_fetch(fd, &range, 1, 0, 0));
	EXPECT_EQ(-EIDRM, mq_commit_fetched(fd));
	EXPECT_EQ(-EIDRM, mq_commit(fd, 0, 3));
	EXPECT_EQ(-EIDRM, read_number(fd));
	p.fd = fd;
	EXPECT_EQ(1, poll(&p, 1, 0));
	EXPECT_EQ(POLLIN | POLLHUP, p.revents);
	EXPECT_EQ(-ENOENT, mq_member(self->topic, "g", 0));
	EXPECT_EQ(-ENOENT, mq_group_delete(self->ctl, self->topic, "g", 0));
	/* The name is free; a new group of that name is another one */
	EXPECT_EQ(0, mq_group(self->ctl, self->topic, "g"));
	EXPECT_EQ(-EEXIST, mq_group(self->ctl, self->topic, "g"));
	EXPECT_EQ(-EIDRM, mq_fetch(fd, &range, 1, 0, 0));
	close(fd);
	fd = mq_member(self->topic, "g", 0);
	ASSERT_EQ(1, mq_fetch(fd, &range, 1, 0, 0));
	EXPECT_EQ(0, range.begin_offset);
	close(fd);
}

TEST_F(fetch, groups_are_independent)
{
	struct mq_reader a, b;
	__u64 i;

	begin(self);
	ASSERT_EQ(0, mq_group(self->ctl, self->topic, "h"));
	ASSERT_EQ(0, mq_reader_open(&a, self->topic, "g"));
	ASSERT_EQ(0, mq_reader_open(&b, self->topic, "h"));
	put_numbers(self->fd, 0, 100);
	for (i = 0; i < 100; i++)
		EXPECT_EQ(i, number(mq_next(&a, 0)));
	EXPECT_EQ(NULL, mq_next(&a, 0));
	for (i = 0; i < 100; i++)
		EXPECT_EQ(i, number(mq_next(&b, 0)));
	mq_reader_close(&a);
	mq_reader_close(&b);
}

static void on_signal(int sig)
{
}

TEST_F(fetch, signals_while_blocked)
{
	struct mqbus_range range;
	int fd, way;
	pid_t pid;

	begin(self);
	fd = mq_member(self->topic, "g", 0);
	for (way = 0; way < 5; way++) {
		struct sigaction sa = { .sa_handler = on_signal };
		__u64 timeout = way == 1 || way == 2 ? 2 * MQ_LONG : MQBUS_WAIT_FOREVER;
		bool restart = way == 2 || way == 3;

		sa.sa_flags = restart ? SA_RESTART : 0;
		mq_fork(pid) {
			sigaction(SIGUSR1, &sa, NULL);
			if (way == 4)
				_exit(-read_number(fd));
			_exit(-mq_fetch(fd, &range, 1, 0, timeout));
		}
		ASSERT_TRUE(mq_wait_asleep(pid, way == 4 ? SYS_read : SYS_ioctl));
		kill(pid, SIGUSR1);
		if (way == 3) {
			mq_sleep(5 * MQ_MS);
			ASSERT_TRUE(mq_wait_asleep(pid, SYS_ioctl));
			put_numbers(self->fd, 0, 1);
			EXPECT_EQ(255, mq_wait(pid));
		} else {
			EXPECT_EQ(EINTR, mq_wait(pid)) TH_LOG("way %d", way);
		}
	}
	close(fd);
}

TEST_HARNESS_MAIN
