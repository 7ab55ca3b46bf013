// SPDX-License-Identifier: GPL-2.0
/*
 * The call that settles and leases, with memory that ends, is read-only, or never arrives.
 */
#include "fault.h"
#include "queue.h"

/* Memory that ends in the middle of the leases: a lease that cannot be reported was not tried */
TEST_F(queue, leases_cannot_be_told)
{
	struct worker *w = self->worker;
	char *hole = mq_before_hole(1);
	struct mqbus_leased *l = (void *)hole, m[100];
	struct mqbus_lease args = {};
	int i, told;

	begin(self, .backoff_min = 3600 * MQ_SEC, .backoff_max = 3600 * MQ_SEC);
	put_numbers(self->fd, 0, 100);
	/* No memory at all */
	EXPECT_EQ(-EFAULT, take(w->fd, l, 6, 0));
	EXPECT_EQ(-EFAULT, take(w->fd, (void *)(hole - 8), 6, 0));
	EXPECT_EQ(-EFAULT, take(w->fd, NULL, 6, 0));
	EXPECT_EQ(-EFAULT, take(w->fd, MQ_KERNEL_PTR, 6, 0));
	EXPECT_EQ(0, FIGURE(self, LEASED));
	EXPECT_EQ(0, FIGURE(self, DELIVERED));
	/* Some of a hundred; at most as many as the memory takes */
	l -= 70;
	EXPECT_EQ(0, both(w->fd, &args, NULL, 0, l, 100));
	told = args.nr_leases;
	ASSERT_LT(0, told);
	ASSERT_GE(70, told);
	EXPECT_EQ(told, FIGURE(self, LEASED));
	EXPECT_EQ(told, FIGURE(self, DELIVERED));
	ASSERT_EQ(100 - told, take(w->fd, m, 100, 0));
	for (i = 0; i < 100; i++) {
		struct mqbus_leased *one = i < told ? &l[i] : &m[i - told];

		EXPECT_EQ(i, leased_number(w, one));
		EXPECT_EQ(1, one->attempt);
		EXPECT_EQ(0, ack(w, one));
	}
	EXPECT_EQ(0, FIGURE(self, NACKED) + FIGURE(self, EXPIRED) + FIGURE(self, DIED));
	EXPECT_EQ(0, FIGURE(self, REDELIVERED));
	EXPECT_EQ(-EAGAIN, take(w->fd, m, 8, 0));
}

/* The structure itself is read-only: then nothing is handed out */
TEST_F(queue, call_cannot_be_answered)
{
	char *page = mmap(NULL, MQ_PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS,
			  -1, 0);
	struct worker *w = self->worker;
	struct mqbus_lease *args = (void *)page;
	struct mqbus_leased l[4];

	begin(self, .backoff_min = 3600 * MQ_SEC, .backoff_max = 3600 * MQ_SEC);
	put_numbers(self->fd, 0, 4);
	args->leases = (uintptr_t)l;
	args->lease_size = sizeof(*l);
	args->nr_leases = 4;
	mprotect(page, MQ_PAGE, PROT_READ);
	EXPECT_EQ(-EFAULT, mq_ioctl(w->fd, MQBUS_IOC_LEASE, args));
	EXPECT_EQ(0, FIGURE(self, LEASED));
	ASSERT_EQ(4, take(w->fd, l, 4, 0));
	EXPECT_EQ(0, leased_number(w, &l[0]));
	EXPECT_EQ(1, l[0].attempt);
	munmap(page, MQ_PAGE);
}

TEST_F(queue, settlements_cannot_be_read)
{
	struct worker *w = self->worker;
	char *hole = mq_before_hole(1);
	struct mqbus_settle *s = (void *)hole;
	struct mqbus_lease args = {};
	struct mqbus_leased l[6];

	begin(self);
	put_numbers(self->fd, 0, 6);
	ASSERT_EQ(6, take(w->fd, l, 6, 0));
	EXPECT_EQ(-EFAULT, settle_many(w->fd, s, 2));
	EXPECT_EQ(-EFAULT, settle_many(w->fd, NULL, 2));
	EXPECT_EQ(-EFAULT, settle_many(w->fd, MQ_KERNEL_PTR, 2));
	EXPECT_EQ(6, FIGURE(self, LEASED));
	s -= 2;
	s[0] = (struct mqbus_settle){ .lease = l[3].lease };
	s[1] = (struct mqbus_settle){ .lease = l[5].lease };
	EXPECT_EQ(0, both(w->fd, &args, s, 5, NULL, 0));
	EXPECT_EQ(2, args.settled);
	EXPECT_EQ(EFAULT, args.error);
	EXPECT_EQ(-EALREADY, ack(w, &l[3]));
	EXPECT_EQ(-EALREADY, ack(w, &l[5]));
	EXPECT_EQ(4, FIGURE(self, LEASED));
	/* And no record is taken after that */
	put_numbers(self->fd, 6, 7);
	s[0] = (struct mqbus_settle){ .lease = l[0].lease };
	s[1] = (struct mqbus_settle){ .lease = l[1].lease };
	EXPECT_EQ(0, both(w->fd, &args, s, 5, l, 1));
	EXPECT_EQ(2, args.settled);
	EXPECT_EQ(0, args.nr_leases);
	EXPECT_EQ(EFAULT, args.error);
	EXPECT_EQ(2, FIGURE(self, LEASED));
}

/* Settlements in read-only memory: no error, unless one has to be reported */
TEST_F(queue, settlements_read_only)
{
	struct mqbus_settle *s = mmap(NULL, MQ_PAGE, PROT_READ | PROT_WRITE,
				      MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	struct worker *w = self->worker;
	struct mqbus_leased l[2];

	begin(self);
	put_numbers(self->fd, 0, 2);
	ASSERT_EQ(2, take(w->fd, l, 2, 0));
	s[0] = (struct mqbus_settle){ .lease = l[0].lease };
	s[1] = (struct mqbus_settle){ .lease = l[1].lease };
	mprotect(s, MQ_PAGE, PROT_READ);
	EXPECT_EQ(2, settle_many(w->fd, s, 2));
	EXPECT_GT(0, settle_many(w->fd, s, 2));
	EXPECT_EQ(2, FIGURE(self, ACKED));
	munmap(s, MQ_PAGE);
}

enum place { SETTLES, LEASES, STRUCTURE, READ, ALL_PLACES };

static const char * const place_names[] = { "settlements", "leases", "structure", "read" };

/* A call that waits for memory that never comes, in any part: no other call waits */
TEST_F(queue, nobody_waits_for_the_stuck)
{
	struct worker *w = self->worker;
	struct mqbus_leased l;
	enum place where;
	__u64 n = 0;
	pid_t pid;

	begin(self);
	for (where = 0; where < ALL_PLACES; where++) {
		int ready[2], uffd;
		char answer = 0;

		put_numbers(self->fd, n, n + 1);
		ASSERT_EQ(0, pipe(ready));
		mq_fork(pid) {
			struct mqbus_lease args = {};
			char *hole = missing_pages(1, &uffd);
			int fd = mq_member(self->topic, "g", 0);

			if (!hole)
				_exit(77);
			if (fork() == 0) {
				prctl(PR_SET_PDEATHSIG, SIGKILL);
				/* It keeps the handler, and none of the endpoints, mapped or not */
				mq_unmap(&w->map[0]);
				mq_unmap(&w->retry);
				uffd = dup2(uffd, 1000);
				ready[1] = dup2(ready[1], 1001);
				syscall(SYS_close_range, 3, 999, 0);
				write(ready[1], is_stuck(uffd) ? "y" : "n", 1);
				pause();
			}
			prctl(PR_SET_PDEATHSIG, SIGKILL);
			args.settles = (uintptr_t)hole;
			args.settle_size = sizeof(struct mqbus_settle);
			args.nr_settles = where == SETTLES;
			args.leases = (uintptr_t)hole;
			args.lease_size = sizeof(struct mqbus_leased);
			args.nr_leases = 1;
			if (where == READ)
				read(fd, hole, 100);
			else
				mq_ioctl(fd, MQBUS_IOC_LEASE,
					 where == STRUCTURE ? (void *)hole : (void *)&args);
			_exit(0);
		}
		ASSERT_EQ(1, read(ready[0], &answer, 1));
		ASSERT_EQ('y', answer) TH_LOG("%s", place_names[where]);
		/* All others go on: with this record or, if it is taken, the next */
		put_numbers(self->fd, n + 1, n + 2);
		EXPECT_LE(n, take_one(w, &l, MQ_LONG)) TH_LOG("%s", place_names[where]);
		EXPECT_EQ(0, ack(w, &l));
		EXPECT_EQ(0, mq_group(self->ctl, self->topic, "fresh"));
		EXPECT_EQ(0, mq_group_delete(self->ctl, self->topic, "fresh", 0));
		EXPECT_EQ(0, mq_set(self->ctl, self->topic, "g", MQBUS_GROUP_SET_CREDIT, NULL,
				    .credit = 5));
		EXPECT_EQ(128 + SIGKILL, mq_kill(pid)) TH_LOG("%s", place_names[where]);
		/* A record that it could not take is the next member's */
		EXPECT_LE(n, take_one(w, &l, MQ_LONG)) TH_LOG("%s", place_names[where]);
		EXPECT_EQ(0, ack(w, &l));
		EXPECT_EQ(-EAGAIN, take_one(w, &l, 0));
		close(ready[0]);
		close(ready[1]);
		n += 2;
	}
	EXPECT_EQ(8, FIGURE(self, ACKED));
}

TEST_HARNESS_MAIN
