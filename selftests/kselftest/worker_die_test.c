// SPDX-License-Identifier: GPL-2.0
/*
 * Members that die: their leases are free before the death can be noticed, and only delivered
 * records count as failures.
 */
#include "queue.h"

TEST_F(queue, freed_before_the_parent_knows)
{
	struct worker *w = self->worker;
	struct mqbus_leased l[6];
	int round, i;
	pid_t pid;

	begin(self, .backoff_min = 3600 * MQ_SEC, .backoff_max = 3600 * MQ_SEC);
	put_numbers(self->fd, 0, 6);
	for (round = 1; round <= 10; round++) {
		int status;

		pid = hold(self->topic, "g", 6);
		ASSERT_LT(0, pid);
		EXPECT_EQ(6, FIGURE(self, LEASED));
		kill(pid, SIGKILL);
		ASSERT_EQ(pid, waitpid(pid, &status, 0));
		/* No time has passed: a death has no backoff */
		ASSERT_EQ(6, take(w->fd, l, 6, 0));
		for (i = 0; i < 6; i++) {
			EXPECT_EQ(i, leased_number(w, &l[i]));
			EXPECT_EQ(i, l[i].offset);
			EXPECT_EQ(1 + round, l[i].attempt);
			EXPECT_EQ(0, release(w, &l[i]));
		}
		EXPECT_EQ(6 * round, FIGURE(self, DIED));
		EXPECT_EQ(round, FIGURE(self, DEATHS));
		EXPECT_EQ(0, FIGURE(self, LEASED));
	}
	/* Records that no member had were never tried */
	ASSERT_EQ(6, take(w->fd, l, 6, 0));
	put_numbers(self->fd, 6, 8);
	ASSERT_EQ(2, take(w->fd, l, 6, 0));
	EXPECT_EQ(6, leased_number(w, &l[0]));
	EXPECT_EQ(1, l[0].attempt);
	EXPECT_EQ(0, FIGURE(self, NACKED) + FIGURE(self, EXPIRED));
}

/* By any end: exit, exec, a signal */
TEST_F(queue, ways_to_end)
{
	struct worker *w = self->worker;
	struct mqbus_leased l;
	int way;
	pid_t pid;

	begin(self);
	put_numbers(self->fd, 0, 1);
	for (way = 0; way < 5; way++) {
		static const int want[] = { 7, 0, 128 + SIGSEGV, 128 + SIGABRT, 0 };

		mq_fork(pid) {
			int fd = mq_member(self->topic, "g", 0);

			if (take(fd, &l, 1, 0) != 1)
				_exit(1);
			switch (way) {
			case 0:
				_exit(7);
			case 1:
				execl("/bin/true", "true", NULL);
				_exit(2);
			case 2:
				signal(SIGSEGV, SIG_DFL);
				raise(SIGSEGV);
				_exit(2);
			case 3:
				abort();
			}
			close(fd);
			/* Free already, and available to itself again */
			fd = mq_member(self->topic, "g", 0);
			_exit(take(fd, &l, 1, 0) != 1 || settle(fd, l.lease, MQBUS_RELEASE, 0));
		}
		EXPECT_EQ(want[way], mq_wait(pid)) TH_LOG("way %d", way);
		ASSERT_EQ(0, take_one(w, &l, 0)) TH_LOG("way %d", way);
		EXPECT_EQ(2 + way, l.attempt);
		EXPECT_EQ(0, release(w, &l));
	}
	EXPECT_EQ(5, FIGURE(self, DEATHS));
	EXPECT_EQ(5, FIGURE(self, DIED));
}

/* A member that releases or settles first does not count as a death */
TEST_F(queue, clean_end)
{
	struct worker *w = self->worker;
	struct mqbus_lease args = { .flags = MQBUS_LEASE_F_RELEASE };
	struct mqbus_leased l[4];

	begin(self);
	join(self, 1);
	put_numbers(self->fd, 0, 4);
	ASSERT_EQ(3, take(w[1].fd, l, 3, 0));
	EXPECT_EQ(0, ack(&w[1], &l[1]));
	EXPECT_EQ(0, mq_ioctl(w[1].fd, MQBUS_IOC_LEASE, &args));
	worker_close(&w[1]);
	ASSERT_EQ(3, take(w->fd, l, 4, 0));
	EXPECT_EQ(1, l[0].attempt);
	EXPECT_EQ(1, l[1].attempt);
	EXPECT_EQ(1, l[2].attempt);
	EXPECT_EQ(5, leased_number(w, &l[0]) + leased_number(w, &l[1]) + leased_number(w, &l[2]));
	EXPECT_EQ(0, FIGURE(self, DEATHS));
	EXPECT_EQ(0, FIGURE(self, DIED));
	/* Nor does one without leases */
	join(self, 2);
	worker_close(&w[2]);
	EXPECT_EQ(0, FIGURE(self, DEATHS));
}

/* An endpoint lives as long as it is open somewhere: by dup, fork, or a mapping */
TEST_F(queue, shared_file_keeps_leases)
{
	struct worker *w = self->worker;
	struct mqbus_leased l, m;
	int fd, copy, go[2];
	char byte;
	pid_t pid;

	begin(self);
	put_numbers(self->fd, 0, 1);
	fd = mq_member(self->topic, "g", 0);
	ASSERT_EQ(1, take(fd, &l, 1, 0));
	copy = dup(fd);
	close(fd);
	EXPECT_EQ(-EAGAIN, take_one(w, &m, 0));
	EXPECT_EQ(0, settle(copy, l.lease, MQBUS_EXTEND, 3600 * MQ_SEC));
	ASSERT_EQ(0, pipe(go));
	mq_fork(pid) {
		close(go[1]);
		read(go[0], &byte, 1);
	}
	close(go[0]);
	close(copy);
	/* The child still has it, without having used it */
	EXPECT_EQ(-EAGAIN, take_one(w, &m, 0));
	EXPECT_EQ(0, FIGURE(self, DEATHS));
	EXPECT_EQ(1, FIGURE(self, LEASED));
	close(go[1]);
	EXPECT_EQ(0, mq_wait(pid));
	EXPECT_EQ(0, take_one(w, &m, 0));
	EXPECT_EQ(2, m.attempt);
	EXPECT_EQ(0, ack(w, &m));

	put_numbers(self->fd, 1, 2);
	join(self, 1);
	ASSERT_EQ(1, take_one(&w[1], &l, 0));
	close(w[1].fd);
	w[1].fd = -1;
	EXPECT_EQ(-EAGAIN, take_one(w, &m, 0));
	EXPECT_EQ(1, leased_number(&w[1], &l));
	mq_unmap(&w[1].map[0]);
	EXPECT_EQ(-EAGAIN, take_one(w, &m, 0));
	mq_unmap(&w[1].retry);
	EXPECT_EQ(1, take_one(w, &m, 0));
	EXPECT_EQ(2, m.attempt);
}

/* Asleep in lease, read, poll or epoll when another one dies */
TEST_F(queue, death_wakes)
{
	static const long calls[] = { SYS_ioctl, SYS_read, SYS_poll, SYS_epoll_wait };
	struct worker *w = self->worker;
	pid_t victim, pid;
	int way;

	begin(self);
	put_numbers(self->fd, 0, 1);
	for (way = 0; way < 4; way++) {
		struct mqbus_leased l;

		victim = hold(self->topic, "g", 1);
		ASSERT_LT(0, victim);
		mq_fork(pid) {
			int fd = mq_member(self->topic, "g", 0), ep = epoll_create1(0);
			struct pollfd p = { .fd = fd, .events = POLLIN };
			struct epoll_event ev = { .events = EPOLLIN | EPOLLET };

			epoll_ctl(ep, EPOLL_CTL_ADD, fd, &ev);
			switch (way) {
			case 0:
				if (take(fd, &l, 1, MQBUS_WAIT_FOREVER) != 1)
					_exit(1);
				_exit(settle(fd, l.lease, MQBUS_RELEASE, 0) ? 2 : 0);
			case 1:
				if (read_number(fd))
					_exit(1);
				/* No settlement of its own, except this one */
				_exit(read_number(fd) == -EINTR ? 2 : 0);
			case 2:
				syscall(SYS_poll, &p, 1, -1);
				break;
			case 3:
				syscall(SYS_epoll_wait, ep, &ev, 1, -1);
				break;
			}
			if (take(fd, &l, 1, 0) != 1)
				_exit(3);
			_exit(settle(fd, l.lease, MQBUS_RELEASE, 0) ? 4 : 0);
		}
		ASSERT_TRUE(mq_wait_asleep(pid, calls[way])) TH_LOG("way %d", way);
		EXPECT_EQ(128 + SIGKILL, mq_kill(victim));
		if (way == 1) {
			/* It acks by its next read(), and sleeps in that one */
			__u64 end = mq_patience();

			while (FIGURE(self, ACKED) != 1 && mq_clock(CLOCK_MONOTONIC) < end)
				mq_sleep(MQ_MS);
			EXPECT_EQ(128 + SIGKILL, mq_kill(pid));
			put_numbers(self->fd, 0, 1);
			continue;
		}
		EXPECT_EQ(0, mq_wait(pid)) TH_LOG("way %d", way);
	}
	EXPECT_EQ(0, FIGURE(self, LEASED));
	EXPECT_EQ(4, FIGURE(self, DEATHS));
	EXPECT_TRUE(readable(w->fd));
}

/* A death is a failure like any other: at the limit it is the last one */
TEST_F(queue, dead_letter_by_death)
{
	struct worker *w = self->worker;
	const struct mqbus_record *rec;
	struct mqbus_leased l[4];
	struct mq_reader dead;
	pid_t pid = 0;
	int i;

	begin_dlq(self, .max_attempts = 3);
	ASSERT_EQ(0, mq_reader_open(&dead, self->dlq, "dead"));
	put_numbers(self->fd, 0, 1);
	for (i = 0; i < 3; i++) {
		EXPECT_EQ(NULL, mq_next(&dead, 0));
		pid = hold(self->topic, "g", 1);
		ASSERT_LT(0, pid);
		EXPECT_EQ(128 + SIGKILL, mq_kill(pid));
	}
	rec = mq_next(&dead, MQ_LONG);
	ASSERT_NE(NULL, rec);
	EXPECT_EQ(0, record_number(rec));
	EXPECT_STREQ("died", header(rec, "mqbus.reason"));
	EXPECT_EQ(3, header_number(rec, "mqbus.attempts"));
	EXPECT_EQ(pid, header_number(rec, "mqbus.pid"));
	EXPECT_EQ(0, header_number(rec, "mqbus.uid"));
	EXPECT_EQ(1, FIGURE(self, DEAD_LETTERED));
	EXPECT_EQ(3, FIGURE(self, DEATHS));
	/* It is no failure of others */
	put_numbers(self->fd, 1, 2);
	ASSERT_EQ(1, take(w->fd, l, 4, 0));
	EXPECT_EQ(1, leased_number(w, &l[0]));
	EXPECT_EQ(1, l[0].attempt);
	mq_reader_close(&dead);
}

/* Records of the retry ring are handed out from there again, at once */
TEST_F(queue, death_in_the_retry_ring)
{
	struct worker *w = self->worker;
	struct mqbus_leased l;
	pid_t pid;

	begin(self, .backoff_min = 5 * MQ_MS, .backoff_max = 3600 * MQ_SEC,
	      .backoff_factor = 10000);
	put_numbers(self->fd, 0, 1);
	ASSERT_EQ(0, take_one(w, &l, 0));
	EXPECT_EQ(0, nack(w, &l));
	pid = hold(self->topic, "g", 1);
	ASSERT_LT(0, pid);
	EXPECT_EQ(1, FIGURE(self, RETRYING));
	EXPECT_EQ(128 + SIGKILL, mq_kill(pid));
	ASSERT_EQ(0, take_one(w, &l, 0));
	EXPECT_EQ(3, l.attempt);
	EXPECT_EQ(MQBUS_RETRY, l.ring);
	EXPECT_EQ(0, ack(w, &l));
	EXPECT_EQ(0, FIGURE(self, RETRYING));
}

/* Many members die at any time: each number is settled, and the counters agree */
TEST_F_TIMEOUT(queue, killed_at_random, 120)
{
	static unsigned char seen[400];
	struct worker *w = self->worker;
	struct mqbus_leased l;
	struct figures f;
	unsigned int round, seed = 7, i, left = 0;
	unsigned char *acked = mq_shared(MQ_PAGE);
	pid_t pid[2];

	begin(self);
	put_numbers(self->fd, 0, 400);
	for (round = 0; round < 40; round++) {
		for (i = 0; i < 2; i++)
			mq_fork(pid[i]) {
				struct worker mine;

				if (worker_open(&mine, self->topic, "g", 0))
					_exit(1);
				for (;;) {
					__s64 v = take_one(&mine, &l, MQBUS_WAIT_FOREVER);

					if (v < 0 || v >= 400)
						_exit(2);
					/* A record is worked on before it is acknowledged */
					acked[v] = 1;
					mq_sleep(MQ_MS / 10);
					if (ack(&mine, &l))
						_exit(3);
				}
			}
		mq_sleep(rand_r(&seed) % (3 * MQ_MS));
		for (i = 0; i < 2; i++)
			EXPECT_EQ(128 + SIGKILL, mq_kill(pid[i]));
	}
	for (;;) {
		__s64 v = take_one(w, &l, 0);

		if (v < 0)
			break;
		EXPECT_LT(v, 400);
		seen[v]++;
		left++;
		EXPECT_EQ(0, ack(w, &l));
	}
	for (i = 0; i < 400; i++) {
		EXPECT_TRUE(acked[i] || seen[i]) TH_LOG("%u was lost", i);
		EXPECT_GE(1, seen[i]);
	}
	ASSERT_EQ(0, figures_get(self->topic, "g", &f));
	EXPECT_EQ(400, f.number[MQBUS_A_QUEUE_ACKED]);
	EXPECT_EQ(0, f.number[MQBUS_A_QUEUE_INFLIGHT]);
	EXPECT_EQ(400 + f.number[MQBUS_A_QUEUE_DIED], f.number[MQBUS_A_QUEUE_DELIVERED]);
	EXPECT_GE(80, f.number[MQBUS_A_QUEUE_DEATHS]);
	TH_LOG("%llu deaths, %u left", f.number[MQBUS_A_QUEUE_DEATHS], left);
}

TEST_HARNESS_MAIN
