// SPDX-License-Identifier: GPL-2.0
/*
 * Queue groups and topics that go while leases are held, groups that are moved,
 * and members who are stuck in their own memory.
 */
#include "fault.h"
#include "queue.h"

#define HOUR	(3600 * MQ_SEC)

/* Everything that a group may be busy with: leases, timers, retries, dead letters */
static void make_busy(struct __test_metadata *_metadata, FIXTURE_DATA(queue) *self,
		      struct mqbus_leased *l)
{
	begin_dlq(self, .max_inflight = 20, .limit = 1);
	join(self, 1);
	EXPECT_EQ(0, mq_set(self->ctl, self->topic, "g", MQBUS_GROUP_SET_LIMIT, NULL,
			    .limit = 5));
	put_numbers(self->fd, 0, 20);
	ASSERT_EQ(4, take(self->worker[0].fd, l, 4, 0));
	ASSERT_EQ(4, take_timed(self->worker[1].fd, &l[4], 4, MQ_MS, 0));
	EXPECT_EQ(0, settle(self->worker[0].fd, l[0].lease, MQBUS_NACK, 2 * MQ_MS));
	EXPECT_EQ(0, settle(self->worker[0].fd, l[1].lease, MQBUS_NACK, HOUR));
	EXPECT_EQ(0, settle(self->worker[0].fd, l[2].lease, MQBUS_RELEASE, HOUR));
}

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
	/* What was mapped can be read as long as it is mapped */
	EXPECT_EQ(3, leased_number(w, &l[3]));
	EXPECT_EQ(65536, w->map[0].page->size);
	/* The timers of the dead group have nothing to do any more */
	mq_sleep(5 * MQ_MS);
	/* A new one of the name begins anew */
	ASSERT_EQ(0, mq_queue(self->ctl, self->topic, "g", NULL));
	join(self, 2);
	EXPECT_EQ(0, take_one(&w[2], &m, 0));
	EXPECT_EQ(1, m.attempt);
	EXPECT_EQ(1, FIGURE(self, DELIVERED));
	/* To its members the old one stays dead */
	EXPECT_EQ(-EIDRM, take(w->fd, l, 1, 0));
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

/* A group that holds back what a producer waits for */
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

/* Without members the group stays as they left it, with all that it keeps */
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

TEST_F(queue, seek)
{
	struct worker *w = self->worker;
	struct mqbus_seek_result r;
	struct mqbus_leased l[8];

	begin(self);
	put_numbers(self->fd, 0, 6);
	ASSERT_EQ(4, take(w->fd, l, 4, 0));
	EXPECT_EQ(0, ack(w, &l[0]));
	EXPECT_EQ(0, ack(w, &l[2]));
	EXPECT_EQ(-EBUSY, mq_seek(self->ctl, self->topic, "g", 0, 0, MQBUS_WHENCE_EARLIEST, 0,
				  NULL, 0));
	EXPECT_EQ(1, mq_seek(self->ctl, self->topic, "g", MQBUS_GROUP_SEEK_F_DRY_RUN, 0,
			     MQBUS_WHENCE_EARLIEST, 0, &r, 1));
	EXPECT_EQ(1, r.old_offset);
	EXPECT_EQ(0, r.new_offset);
	worker_close(w);
	/* Back to the beginning: all of them, and what was settled too */
	EXPECT_EQ(1, mq_seek(self->ctl, self->topic, "g", 0, 0, MQBUS_WHENCE_EARLIEST, 0, &r, 1));
	join(self, 0);
	ASSERT_EQ(6, take(w->fd, l, 8, 0));
	EXPECT_EQ(0, leased_number(w, &l[0]));
	EXPECT_EQ(5, leased_number(w, &l[5]));
	{
		struct mqbus_lease args = { .flags = MQBUS_LEASE_F_ACK };

		EXPECT_EQ(0, mq_ioctl(w->fd, MQBUS_IOC_LEASE, &args));
	}
	EXPECT_EQ(-EAGAIN, take(w->fd, l, 8, 0));
	worker_close(w);
	/* On: what lies between is nobody's */
	put_numbers(self->fd, 6, 9);
	EXPECT_EQ(1, mq_seek(self->ctl, self->topic, "g", 0, 0, MQBUS_WHENCE_OFFSET, 8, NULL, 0));
	join(self, 0);
	EXPECT_EQ(8, take_one(w, l, 0));
	EXPECT_EQ(0, ack(w, l));
	EXPECT_EQ(-EAGAIN, take_one(w, l, 0));
	EXPECT_EQ(0, FIGURE(self, INFLIGHT));
}

/* What failed and is not settled is lost by a seek: only by force, and it is counted */
TEST_F(queue, seek_of_what_failed)
{
	struct worker *w = self->worker;
	struct mqbus_leased l[4];

	ASSERT_EQ(0, mq_create(self->ctl, self->topic, .partitions = 2));
	begin(self);
	EXPECT_EQ(-EINVAL, mq_set(self->ctl, self->topic, "g", MQBUS_GROUP_SET_CREDIT, NULL,
				  .credit = 9, .__reserved = 1));
	put_numbers(self->fd, 0, 4);
	ASSERT_EQ(4, take(w->fd, l, 4, 0));
	EXPECT_EQ(0, settle(w->fd, l[0].lease, MQBUS_NACK, 1000 * MQ_SEC));
	worker_close(w);
	EXPECT_EQ(1, FIGURE(self, RETRYING));
	EXPECT_EQ(-EBUSY, mq_seek(self->ctl, self->topic, "g", 0, MQBUS_ANY,
				  MQBUS_WHENCE_LATEST, 0, NULL, 0));
	EXPECT_EQ(-EBUSY, mq_seek(self->ctl, self->topic, "g", 0, l[0].partition,
				  MQBUS_WHENCE_LATEST, 0, NULL, 0));
	/* The other partition can be moved: what came back to it is nobody's any more */
	EXPECT_EQ(1, mq_seek(self->ctl, self->topic, "g", 0, !l[0].partition,
			     MQBUS_WHENCE_EARLIEST, 0, NULL, 0));
	EXPECT_EQ(2, mq_seek(self->ctl, self->topic, "g", MQBUS_GROUP_SEEK_F_DRY_RUN, MQBUS_ANY,
			     MQBUS_WHENCE_LATEST, 0, NULL, 0));
	EXPECT_EQ(1, FIGURE(self, RETRYING));
	EXPECT_EQ(2, mq_seek(self->ctl, self->topic, "g", MQBUS_GROUP_SEEK_F_FORCE, MQBUS_ANY,
			     MQBUS_WHENCE_LATEST, 0, NULL, 0));
	EXPECT_EQ(0, FIGURE(self, RETRYING));
	EXPECT_EQ(0, FIGURE(self, INFLIGHT));
	EXPECT_EQ(4, FIGURE(self, DISCARDED));
	EXPECT_EQ(2, mq_seek(self->ctl, self->topic, "g", 0, MQBUS_ANY, MQBUS_WHENCE_EARLIEST, 0,
			     NULL, 0));
	join(self, 0);
	EXPECT_EQ(4, take(w->fd, l, 4, 0));
}

enum place { SETTLES, LEASES, STRUCTURE, READ, ALL_PLACES };

static const char * const place_names[] = { "settlements", "leases", "structure", "read" };

/* Somebody waits for memory that never comes, in any part of the call: only he waits */
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
				/* Keeps the handler, and none of the endpoints, mapped or not */
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
		/* Everybody else goes on: with this record, or, if he has it, the next */
		put_numbers(self->fd, n + 1, n + 2);
		EXPECT_LE(n, take_one(w, &l, MQ_LONG)) TH_LOG("%s", place_names[where]);
		EXPECT_EQ(0, ack(w, &l));
		EXPECT_EQ(0, mq_group(self->ctl, self->topic, "fresh"));
		EXPECT_EQ(0, mq_group_delete(self->ctl, self->topic, "fresh", 0));
		EXPECT_EQ(0, mq_set(self->ctl, self->topic, "g", MQBUS_GROUP_SET_CREDIT, NULL,
				    .credit = 5));
		EXPECT_EQ(128 + SIGKILL, mq_kill(pid)) TH_LOG("%s", place_names[where]);
		/* And what he could not take is the next one's */
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
