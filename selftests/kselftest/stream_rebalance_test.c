// SPDX-License-Identifier: GPL-2.0
/*
 * Members that share the partitions of a stream group: assignment and rebalance.
 */
#include <sys/resource.h>

#include "assign.h"

TEST_F(assign, join_and_leave)
{
	int a, b, c;

	begin_stream(self);
	put_all(self->fd);
	a = member(self);
	EXPECT_EQ(0xf, fetch_bits(a, 0, NULL));
	EXPECT_EQ(0, mq_commit_fetched(a));
	/* No member works on a record: all partitions move at once */
	b = member(self);
	put_all(self->fd);
	EXPECT_EQ(0x3, fetch_bits(a, 0, NULL));
	EXPECT_EQ(0xc, fetch_bits(b, 0, NULL));
	EXPECT_EQ(-ESTALE, mq_commit(a, 3, 2));
	EXPECT_EQ(0, mq_commit(b, 3, 2));
	/* Uncommitted records are the new owner's */
	close(b);
	EXPECT_EQ(0x4, fetch_bits(a, 0, NULL));
	EXPECT_EQ(0, mq_commit_fetched(a));
	b = member(self);
	c = member(self);
	put_all(self->fd);
	EXPECT_EQ(0x3, fetch_bits(a, MQBUS_FETCH_F_COMMIT, NULL));
	EXPECT_EQ(4, fetch_bits(b, MQBUS_FETCH_F_COMMIT, NULL) & 4);
	EXPECT_EQ(8, fetch_bits(c, MQBUS_FETCH_F_COMMIT, NULL) & 8);
	close(a);
	put_all(self->fd);
	EXPECT_EQ(0x5, fetch_bits(b, MQBUS_FETCH_F_COMMIT, NULL));
	EXPECT_EQ(0xa, fetch_bits(c, MQBUS_FETCH_F_COMMIT, NULL));
	close(b);
	close(c);
}

TEST_F(assign, told_that_it_is_wanted_back)
{
	struct mqbus_range r[MQBUS_FETCH_MAX], q[MQBUS_FETCH_MAX];
	int a, b;

	begin_stream(self);
	put_all(self->fd);
	a = member(self);
	EXPECT_EQ(0, mq_revents(a, POLLPRI));
	EXPECT_EQ(0xf, fetch_bits(a, 0, r));
	b = member(self);
	EXPECT_EQ(0, mq_revents(b, POLLIN | POLLPRI));
	EXPECT_EQ(-EAGAIN, fetch_bits(b, 0, NULL));
	EXPECT_EQ(POLLPRI, mq_revents(a, POLLPRI));
	EXPECT_EQ(POLLIN | POLLPRI, mq_revents(a, POLLIN | POLLPRI));
	put_all(self->fd);
	/* A bad address: the revocation is reported again */
	EXPECT_EQ(-EFAULT, mq_fetch(a, MQ_KERNEL_PTR, 4, 0, 0));
	EXPECT_EQ(POLLIN | POLLPRI, mq_revents(a, POLLIN | POLLPRI));
	EXPECT_EQ(0xc03, fetch_bits(a, 0, q));
	EXPECT_EQ(2, q[2].partition);
	EXPECT_EQ(MQBUS_RANGE_F_REVOKED, q[2].flags);
	EXPECT_EQ(1, q[2].begin_offset);
	EXPECT_EQ(1, q[2].end_offset);
	EXPECT_EQ(r[2].end, q[2].begin);
	EXPECT_EQ(r[2].end, q[2].end);
	EXPECT_EQ(r[2].generation, q[2].generation);
	/* Reported once, and no more records are handed out */
	EXPECT_EQ(0, mq_revents(a, POLLIN | POLLPRI));
	EXPECT_EQ(-EAGAIN, fetch_bits(a, 0, NULL));
	EXPECT_EQ(-EAGAIN, fetch_bits(b, 0, NULL));
	/* Given back to its owner: as if nothing had happened */
	close(b);
	EXPECT_EQ(0xc, fetch_bits(a, 0, q));
	EXPECT_EQ(r[2].generation, q[2].generation);
	EXPECT_EQ(0, mq_commit_of(a, 2, 1, r[2].generation));
	close(a);
}

/* Ways to finish fetched records */
enum way { ENTRIES, FETCHED, FETCH, BOTH, RELEASE, ENTRIES_RELEASE, LEAVE, WAYS };

TEST_F(assign, moves_at_once_when_done)
{
	struct mqbus_range r[MQBUS_FETCH_MAX];
	int a, b, way;

	for (way = 0; way < WAYS; way++) {
		struct mqbus_commit_entry e = { .partition = 0, .offset = 1 };
		struct mqbus_commit args = {
			.flags = MQBUS_COMMIT_F_RELEASE, .entries = (uintptr_t)&e,
			.nr_entries = 1, .entry_size = sizeof(e),
		};
		bool done = way != RELEASE && way != ENTRIES_RELEASE && way != LEAVE;
		__u64 next;
		pid_t pid;

		begin_stream(self);
		put_all(self->fd);
		a = member(self);
		ASSERT_EQ(0xf, fetch_bits(a, 0, r));
		next = done ? r[2].end_offset : r[2].begin_offset;
		e.offset = r[0].end_offset;
		b = member(self);
		put_all(self->fd);
		/* A member that waits for the partition is woken */
		mq_fork(pid) {
			int n;

			close(a);
			n = mq_fetch(b, r, MQBUS_FETCH_MAX, 0, MQBUS_WAIT_FOREVER);

			/* All four, if the other one has left */
			_exit(n < 1 || r[n - 1].partition < 2 || r[n - 1].begin_offset != next);
		}
		ASSERT_TRUE(mq_wait_asleep(pid, SYS_ioctl));
		switch (way) {
		case ENTRIES:
			EXPECT_EQ(0, mq_commit_of(a, 2, r[2].end_offset, r[2].generation));
			EXPECT_EQ(0, mq_commit(a, 3, r[3].end_offset));
			break;
		case FETCHED:
			EXPECT_EQ(0, mq_commit_fetched(a));
			break;
		case FETCH:
			EXPECT_EQ(0x3, fetch_bits(a, MQBUS_FETCH_F_COMMIT, NULL));
			break;
		case BOTH:
			EXPECT_EQ(0, mq_commit_flags(a, __MQBUS_COMMIT_F_ALL));
			break;
		case RELEASE:
			EXPECT_EQ(0, mq_commit_flags(a, MQBUS_COMMIT_F_RELEASE));
			break;
		case ENTRIES_RELEASE:
			EXPECT_EQ(0, mq_ioctl(a, MQBUS_IOC_COMMIT, &args));
			break;
		case LEAVE:
			close(a);
			break;
		}
		EXPECT_EQ(0, mq_wait(pid)) TH_LOG("way %d", way);
		if (way != LEAVE) {
			EXPECT_EQ(0, mq_revents(a, POLLPRI));
			EXPECT_EQ(-ESTALE, mq_commit_of(a, 3, 1, r[3].generation));
			/* Partitions that were not to be released stay */
			EXPECT_EQ(-ERANGE, mq_commit(a, 1, 99));
			close(a);
		}
		close(b);
		ASSERT_EQ(0, mq_group_delete(self->ctl, self->topic, "g", 0));
	}
}

/* Asleep in epoll for this alone, or in fetch */
TEST_F(assign, woken_to_be_told)
{
	struct mqbus_range r[MQBUS_FETCH_MAX];
	int a, b, way;
	pid_t pid;

	for (way = 0; way < 2; way++) {
		begin_stream(self);
		put_all(self->fd);
		a = member(self);
		ASSERT_EQ(0xf, fetch_bits(a, 0, NULL));
		mq_fork(pid) {
			struct epoll_event ev = { .events = EPOLLPRI | EPOLLET };
			int ep = epoll_create1(0);

			if (way) {
				mq_fetch(a, r, 1, 0, MQBUS_WAIT_FOREVER);
				_exit(r->flags != MQBUS_RANGE_F_REVOKED);
			}
			epoll_ctl(ep, EPOLL_CTL_ADD, a, &ev);
			_exit(syscall(SYS_epoll_wait, ep, &ev, 1, -1) != 1 ||
			      ev.events != EPOLLPRI);
		}
		ASSERT_TRUE(mq_wait_asleep(pid, way ? SYS_ioctl : SYS_epoll_wait));
		b = member(self);
		EXPECT_EQ(0, mq_wait(pid));
		close(a);
		close(b);
		ASSERT_EQ(0, mq_group_delete(self->ctl, self->topic, "g", 0));
	}
}

TEST_F(assign, fenced_in_the_end)
{
	struct mqbus_range r[MQBUS_FETCH_MAX], q[MQBUS_FETCH_MAX];
	int a, b, ep = epoll_create1(0);
	struct epoll_event ev = { .events = EPOLLPRI | EPOLLET };
	pid_t pid;
	char v[8];

	begin_stream(self, .rebalance_timeout = 50 * MQ_MS);
	put_all(self->fd);
	a = member(self);
	ASSERT_EQ(0xf, fetch_bits(a, 0, r));
	ASSERT_EQ(0, mq_commit(a, 0, 1));
	b = member(self);
	put_all(self->fd);
	/*
	 * All its partitions move, with fetched records of partitions that were not to be
	 * released
	 */
	mq_fork(pid) {
		int bits = 0, i, n;

		/* Partition 0 was drained, and moved at once */
		while (bits != 0xf) {
			n = mq_fetch(b, q, MQBUS_FETCH_MAX, 0, MQBUS_WAIT_FOREVER);
			for (i = 0; i < n; i++) {
				if (q[i].begin_offset != (q[i].partition ? 0 : 1))
					_exit(1);
				bits |= 1 << q[i].partition;
			}
		}
		_exit(0);
	}
	EXPECT_EQ(0, mq_wait(pid));
	EXPECT_EQ(POLLIN | POLLPRI, mq_revents(a, POLLIN | POLLPRI));
	EXPECT_EQ(-ENOLINK, mq_commit(a, 1, 1));
	EXPECT_EQ(-ENOLINK, mq_commit_of(a, 1, 1, r[1].generation));
	EXPECT_EQ(-ENOLINK, mq_commit_fetched(a));
	EXPECT_EQ(-ENOLINK, mq_commit_flags(a, MQBUS_COMMIT_F_RELEASE));
	EXPECT_EQ(POLLIN | POLLPRI, mq_revents(a, POLLIN | POLLPRI));
	epoll_ctl(ep, EPOLL_CTL_ADD, b, &ev);
	EXPECT_EQ(0, epoll_wait(ep, &ev, 1, 0));
	/* Reported once, and joined again */
	EXPECT_EQ(-ENOLINK, fetch_bits(a, MQBUS_FETCH_F_COMMIT, NULL));
	EXPECT_EQ(0, mq_revents(a, POLLIN | POLLPRI));
	EXPECT_EQ(-EAGAIN, fetch_bits(a, MQBUS_FETCH_F_COMMIT, NULL));
	/* The other one has to release two now */
	EXPECT_EQ(1, epoll_wait(ep, &ev, 1, 0));
	EXPECT_EQ(0, mq_commit_fetched(b));
	put_all(self->fd);
	EXPECT_EQ(0xc, fetch_bits(a, 0, q));
	/* Its fetches from before do not count for its partitions now */
	EXPECT_EQ(-ENOLINK, mq_commit_of(a, 2, 3, r[2].generation));
	EXPECT_EQ(-ESTALE, mq_commit_of(a, 2, 3, q[2].generation + 9));
	EXPECT_EQ(0, mq_commit_of(a, 2, 3, q[2].generation));
	/* It is told that this one was taken away by force, even without a generation */
	EXPECT_EQ(-ENOLINK, mq_commit(a, 1, 3));
	close(a);
	close(b);

	/* By read(), too */
	a = mq_member(self->topic, "g", O_NONBLOCK);
	put_all(self->fd);
	while (read(a, v, 8) == 8)
		if (mq_revents(a, POLLIN) == 0)
			break;
	b = member(self);
	ASSERT_EQ(1, mq_seek(self->ctl, self->topic, "g", MQBUS_GROUP_SEEK_F_FORCE, 3,
			     MQBUS_WHENCE_EARLIEST, 0, NULL, 0));
	EXPECT_EQ(-1, read(a, v, 8));
	EXPECT_EQ(ENOLINK, errno);
	EXPECT_EQ(8, read(a, v, 8));
	close(a);
	close(b);
	close(ep);
}

TEST_F(assign, killed_while_it_is_to_let_go)
{
	struct mqbus_range r[MQBUS_FETCH_MAX];
	int b, go[2];
	char byte;
	pid_t pid, waiter;

	begin_stream(self, .rebalance_timeout = MQBUS_WAIT_FOREVER);
	put_all(self->fd);
	ASSERT_EQ(0, pipe(go));
	mq_fork(pid) {
		int a = member(self);

		if (fetch_bits(a, 0, NULL) != 0xf)
			_exit(1);
		write(go[1], "x", 1);
		pause();
	}
	ASSERT_EQ(1, read(go[0], &byte, 1));
	b = member(self);
	EXPECT_EQ(-EAGAIN, fetch_bits(b, 0, NULL));
	mq_fork(waiter)
		_exit(mq_fetch(b, r, MQBUS_FETCH_MAX, 0, MQBUS_WAIT_FOREVER) != 4 ||
		      r[0].begin_offset);
	ASSERT_TRUE(mq_wait_asleep(waiter, SYS_ioctl));
	EXPECT_EQ(128 + SIGKILL, mq_kill(pid));
	EXPECT_EQ(0, mq_wait(waiter));
	close(b);
	close(go[0]);
	close(go[1]);
}

TEST_F(assign, per_cpu)
{
	char topic[MQBUS_NAME_SIZE];
	struct mqbus_info info;
	int fd[32], p;
	__u32 i, k;

	ASSERT_EQ(0, mq_info(self->ctl, &info));
	mq_name(topic, "cpus");
	ASSERT_EQ(0, mq_create(self->ctl, topic, .partitions = 0, .size = 4096));
	ASSERT_EQ(0, mq_stream(self->ctl, topic, "g"));
	p = mq_producer(topic, 0);
	/* One for each partition, and one more */
	for (i = 0; i <= info.cpus && i < 32; i++)
		fd[i] = mq_member(topic, "g", 0);
	ASSERT_GT(32, info.cpus);
	ASSERT_EQ(1, mq_put(p, "12345678", 8, 0));
	for (k = 0, i = 0; i < info.cpus; i++)
		k += mq_revents(fd[i], POLLIN) == POLLIN;
	EXPECT_EQ(1, k);
	EXPECT_EQ(0, mq_revents(fd[info.cpus], POLLIN));
	for (i = 0; i < info.cpus; i++)
		close(fd[i]);
	EXPECT_EQ(POLLIN, mq_revents(fd[info.cpus], POLLIN));
	close(fd[info.cpus]);
	close(p);
	EXPECT_EQ(0, mq_delete(self->ctl, topic));
}

TEST_F_TIMEOUT(assign, no_more_members, 120)
{
	struct rlimit lim = { MQBUS_MEMBERS_MAX + 64, MQBUS_MEMBERS_MAX + 64 };
	int n, err = 0, *fd = calloc(MQBUS_MEMBERS_MAX + 1, sizeof(int));

	/* Joining walks past all members, and KCSAN delays one access in fifty */
	if (!access("/sys/kernel/debug/kcsan", F_OK))
		SKIP(return, "so many members take KCSAN more than ten minutes");
	if (setrlimit(RLIMIT_NOFILE, &lim))
		SKIP(return, "cannot have that many files");
	begin_stream(self);
	for (n = 0; n <= MQBUS_MEMBERS_MAX && !err; n++) {
		fd[n] = member(self);
		if (fd[n] < 0)
			err = fd[n];
	}
	EXPECT_EQ(-EMFILE, err);
	EXPECT_EQ(MQBUS_MEMBERS_MAX + 1, n);
	/* One leaves, one joins */
	close(fd[0]);
	fd[0] = member(self);
	EXPECT_LE(0, fd[0]);
	EXPECT_EQ(-EMFILE, member(self));
	for (n = 0; n < MQBUS_MEMBERS_MAX; n++)
		close(fd[n]);
	free(fd);
}

struct seen {
	__u64 end[PARTS];	/* behind the last commit */
	__u64 bad;
	__u64 rounds;
};

/* Join, fetch and commit for a while, and leave, or be killed */
static void churn(const char *topic, struct seen *s, unsigned int seed)
{
	for (;;) {
		struct mqbus_range r[PARTS];
		int fd = mq_member(topic, "g", 0), turns = rand_r(&seed) % 20, i, n;

		while (turns--) {
			n = mq_fetch(fd, r, PARTS, 0, MQ_MS);
			for (i = 0; i < n; i++) {
				__u64 *end = &s->end[r[i].partition];

				if (r[i].flags)
					continue;
				/* No other process writes here while this one owns the partition */
				if (__atomic_load_n(end, __ATOMIC_SEQ_CST) > r[i].begin_offset)
					__atomic_add_fetch(&s->bad, 1, __ATOMIC_SEQ_CST);
				if (rand_r(&seed) % 4)
					continue;
				__atomic_store_n(end, r[i].begin_offset, __ATOMIC_SEQ_CST);
				if (mq_commit_of(fd, r[i].partition, r[i].end_offset,
						 r[i].generation))
					__atomic_add_fetch(&s->bad, 1, __ATOMIC_SEQ_CST);
			}
			__atomic_add_fetch(&s->rounds, 1, __ATOMIC_SEQ_CST);
			if (rand_r(&seed) % 8 == 0)
				mq_commit_flags(fd, __MQBUS_COMMIT_F_ALL);
			if (rand_r(&seed) % 8 == 0)
				mq_commit_flags(fd, MQBUS_COMMIT_F_RELEASE);
		}
		close(fd);
	}
}

TEST_F(assign, coming_and_going)
{
	struct seen *s = mq_shared(sizeof(*s));
	struct mqbus_range r[MQBUS_FETCH_MAX];
	unsigned int k, i, total = 600 / mq_slow();
	__u64 put = 0, v = 0;
	pid_t pid[4];
	int fd, n;

	ASSERT_NE(NULL, s);
	begin_stream(self);
	for (k = 0; k < 4; k++)
		mq_fork(pid[k])
			churn(self->topic, s, k);
	for (i = 0; i < total; i++) {
		struct mqbus_msg msg = mq_msg(&v, sizeof(v));

		if (mq_publish(self->fd, &msg, 1, NULL, 10 * MQ_MS, NULL) == 1)
			put++;
		if (i % 16 == 0) {
			k = i / 16 % 4;
			EXPECT_EQ(128 + SIGKILL, mq_kill(pid[k]));
			mq_fork(pid[k])
				churn(self->topic, s, i);
		}
	}
	for (k = 0; k < 4; k++)
		mq_kill(pid[k]);
	EXPECT_EQ(0, s->bad);
	EXPECT_LT(0, s->rounds);
	/* No record is skipped: the rest begins at the last commit and reaches the end */
	fd = member(self);
	while ((n = mq_fetch(fd, r, MQBUS_FETCH_MAX, MQBUS_FETCH_F_COMMIT, 0)) > 0)
		for (n--; n >= 0; n--)
			EXPECT_LE(s->end[r[n].partition], r[n].begin_offset);
	EXPECT_EQ(-EAGAIN, n);
	for (k = 0; k < PARTS; k++) {
		struct mqbus_seek_result res = {};

		mq_seek(self->ctl, self->topic, "g", MQBUS_GROUP_SEEK_F_DRY_RUN, k,
			MQBUS_WHENCE_LATEST, 0, &res, 1);
		EXPECT_EQ(res.end_offset, res.old_offset);
		put -= res.end_offset;
	}
	EXPECT_EQ(0, put);
	close(fd);
}

TEST_HARNESS_MAIN
