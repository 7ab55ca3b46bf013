// SPDX-License-Identifier: GPL-2.0
/*
 * Names that are taken over: the old holder stores no more records, whatever it was doing.
 */
#include "fault.h"
#include "producer.h"
#include "publish.h"

TEST_F(publish, fences_who_waits_for_room)
{
	struct mqbus_produce first, second;
	struct pollfd p = { .events = POLLOUT };
	char block[1000];
	int old, fd, n = 0;
	pid_t pid, writer;

	begin(self, .size = 4096);
	old = open_named(self->topic, "p", &first);
	ASSERT_LE(0, old);
	while (mq_put(old, block, sizeof(block), 0) == 1)
		n++;
	mq_fork(pid)
		_exit(-mq_put(old, block, sizeof(block), MQBUS_WAIT_FOREVER));
	mq_fork(writer)
		_exit(write(old, block, sizeof(block)) == -1 ? errno : 0);
	ASSERT_TRUE(mq_wait_asleep(pid, SYS_ioctl));
	ASSERT_TRUE(mq_wait_asleep(writer, SYS_write));
	p.fd = old;
	EXPECT_EQ(0, poll(&p, 1, 0));

	fd = open_named(self->topic, "p", &second);
	ASSERT_LE(0, fd);
	EXPECT_EQ(n, second.last_seq);
	EXPECT_EQ(2, second.epoch);
	EXPECT_EQ(ENOLINK, mq_wait(pid));
	EXPECT_EQ(ENOLINK, mq_wait(writer));
	EXPECT_EQ(1, poll(&p, 1, 0));
	EXPECT_EQ(POLLERR | POLLOUT, p.revents);

	/* There is room now, and the fenced one still stores nothing */
	mq_drain(&self->reader);
	EXPECT_EQ(-ENOLINK, mq_put(old, "x", 1, 0));
	EXPECT_EQ(-1, write(old, "x", 1));
	EXPECT_EQ(ENOLINK, errno);
	EXPECT_EQ(NULL, next(self));
	/* Nor does its close concern the new holder */
	close(old);
	EXPECT_EQ(1, mq_put(fd, "y", 1, 0));
	EXPECT_EQ(n + 1, next(self)->seq);
	close(fd);
}

/* A poller that waits for an error only is woken, too */
TEST_F(publish, fencing_wakes_epoll)
{
	struct epoll_event event = { .events = 0 };
	struct mqbus_produce args;
	int ep = epoll_create1(0), old, fd;
	pid_t pid;

	begin(self);
	old = open_named(self->topic, "p", &args);
	ASSERT_EQ(0, epoll_ctl(ep, EPOLL_CTL_ADD, old, &event));
	EXPECT_EQ(0, epoll_wait(ep, &event, 1, 0));
	mq_fork(pid)
		_exit(epoll_wait(ep, &event, 1, -1) != 1 || !(event.events & EPOLLERR));
	ASSERT_TRUE(mq_wait_asleep(pid, SYS_epoll_wait));
	fd = open_named(self->topic, "p", &args);
	EXPECT_EQ(0, mq_wait(pid));
	close(fd);
	close(old);
	close(ep);
}

struct stuck {
	int fd;
	char *hole;
	int done[2];
};

static void *put_stuck(void *arg)
{
	struct stuck *s = arg;
	struct mqbus_msg msgs[2] = { mq_msg("before", 6), mq_msg(s->hole, 5) };
	int error = 0, n = mq_publish(s->fd, msgs, 2, NULL, 0, &error);

	/* The same for 32-bit programs on kernels where they cannot wait for a thread */
	dprintf(s->done[1], "%c", n == 1 ? error : 99);
	return NULL;
}

TEST_F(publish, fences_who_is_stuck_in_a_fault)
{
	struct mqbus_produce args;
	int old, fd, stuck[2], go[2];
	char c;
	pid_t pid;

	begin(self);
	old = open_named(self->topic, "p", &args);
	ASSERT_EQ(0, pipe(stuck));
	ASSERT_EQ(0, pipe(go));
	mq_fork(pid) {
		struct uffdio_zeropage zero = {};
		struct stuck s = { .fd = old };
		pthread_t thread;
		int uffd = -1;

		s.hole = missing_pages(1, &uffd);
		if (!s.hole || pipe(s.done))
			_exit(77);
		pthread_create(&thread, NULL, put_stuck, &s);
		if (!is_stuck(uffd))
			_exit(98);
		write(stuck[1], "x", 1);
		read(go[0], &c, 1);
		/* The memory arrives at last */
		zero.range.start = (uintptr_t)s.hole;
		zero.range.len = MQ_PAGE;
		if (ioctl(uffd, UFFDIO_ZEROPAGE, &zero))
			_exit(97);
		_exit(read(s.done[0], &c, 1) == 1 ? c : 96);
	}
	close(stuck[1]);
	if (read(stuck[0], &c, 1) != 1) {
		ASSERT_EQ(77, mq_wait(pid));
		SKIP(return, "no userfaultfd");
	}
	fd = open_named(self->topic, "p", &args);
	ASSERT_LE(0, fd);
	EXPECT_EQ(1, args.last_seq);
	write(go[1], "x", 1);
	EXPECT_EQ(ENOLINK, mq_wait(pid));
	EXPECT_EQ(1, next(self)->seq);
	EXPECT_EQ(NULL, next(self));
	EXPECT_EQ(1, mq_put(fd, "after", 5, 0));
	EXPECT_EQ(2, next(self)->seq);
	close(go[0]);
	close(go[1]);
	close(stuck[0]);
	close(fd);
	close(old);
}

TEST_HARNESS_MAIN
