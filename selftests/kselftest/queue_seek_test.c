// SPDX-License-Identifier: GPL-2.0
/*
 * Seeks of queue groups: with members or failed records by force only.
 */
#include "queue.h"

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
	/* Back to the beginning: all records come again, settled ones, too */
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
	/* Forward: the records between are skipped */
	put_numbers(self->fd, 6, 9);
	EXPECT_EQ(1, mq_seek(self->ctl, self->topic, "g", 0, 0, MQBUS_WHENCE_OFFSET, 8, NULL, 0));
	join(self, 0);
	EXPECT_EQ(8, take_one(w, l, 0));
	EXPECT_EQ(0, ack(w, l));
	EXPECT_EQ(-EAGAIN, take_one(w, l, 0));
	EXPECT_EQ(0, FIGURE(self, INFLIGHT));
}

#define HELD	2048

/* Seek one of two partitions as soon as that needs no force. */
static int seek_soon(FIXTURE_DATA(queue) *self, __u32 *ready)
{
	__u32 partition = 0;
	int ret;

	__atomic_store_n(ready, 1, __ATOMIC_RELAXED);
	do {
		ret = mq_seek(self->ctl, self->topic, "g", 0, partition, MQBUS_WHENCE_LATEST, 0,
			      NULL, 0);
		partition = !partition;
	} while (ret == -EBUSY);
	return ret;
}

/* A leaving member holds its leases until each record is dealt with, in any partition */
TEST_F(queue, seek_while_one_dies)
{
	__u32 *ready = mq_shared(sizeof(*ready)), partition, i, round;
	static struct mqbus_leased l[HELD];
	struct worker *w = self->worker;
	pid_t pid;

	ASSERT_EQ(0, mq_create(self->ctl, self->topic, .partitions = 2, .size = 1 << 20));
	ASSERT_EQ(0, mq_create(self->ctl, self->dlq, .size = 16 << 20));
	begin_dlq(self, .max_attempts = 1, .max_inflight = 2 * HELD);
	for (round = 1; round <= 8; round++) {
		if (w->fd < 0)
			join(self, 0);
		for (partition = 0; partition < 2; partition++) {
			for (i = 0; i < HELD; i++)
				ASSERT_EQ(1, mq_put_in(self->fd, partition, "x", 1));
			ASSERT_EQ(HELD, take(w->fd, l, HELD, 0));
		}
		__atomic_store_n(ready, 0, __ATOMIC_RELAXED);
		mq_fork(pid) {
			/* The last close is that of the other one */
			worker_close(w);
			_exit(seek_soon(self, ready) != 1);
		}
		while (!__atomic_load_n(ready, __ATOMIC_RELAXED))
			sched_yield();
		worker_close(w);
		EXPECT_EQ(0, mq_wait(pid));
		EXPECT_EQ(0, FIGURE(self, DISCARDED));
		ASSERT_EQ(round * 2 * HELD, FIGURE(self, DEAD_LETTERED));
	}
}

/* A seek loses failed and unsettled records: by force only, and they are counted */
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
	/* The other partition can be moved: nobody holds its records any more */
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

TEST_F(queue, moved_by_force)
{
	struct worker *w = self->worker;
	struct mqbus_seek_result r;
	struct mqbus_leased l[6], again[6];
	pid_t pid;
	int i;

	begin(self, .credit = 4, .max_inflight = 8);
	put_numbers(self->fd, 0, 10);
	ASSERT_EQ(4, take(w->fd, l, 6, 0));
	EXPECT_EQ(0, nack(w, &l[0]));
	EXPECT_EQ(0, release(w, &l[1]));
	EXPECT_EQ(-EBUSY, mq_seek(self->ctl, self->topic, "g", 0, 0, MQBUS_WHENCE_EARLIEST, 0,
				  NULL, 0));
	EXPECT_EQ(0, extend(w, &l[2], MQ_SEC));
	ASSERT_EQ(1, mq_seek(self->ctl, self->topic, "g", MQBUS_GROUP_SEEK_F_FORCE, MQBUS_ANY,
			     MQBUS_WHENCE_SHIFT, 1, &r, 1));
	EXPECT_EQ(1, r.old_offset);
	EXPECT_EQ(2, r.new_offset);
	EXPECT_EQ(0, FIGURE(self, INFLIGHT));
	EXPECT_EQ(0, FIGURE(self, LEASED));
	EXPECT_EQ(0, FIGURE(self, RETRYING));
	/* Those leases end; leases that had ended before stay as they were */
	EXPECT_EQ(-ESTALE, ack(w, &l[2]));
	EXPECT_EQ(-ESTALE, extend(w, &l[3], MQ_SEC));
	EXPECT_EQ(-EALREADY, ack(w, &l[0]));
	/* The member has its whole credit again */
	ASSERT_EQ(4, take(w->fd, again, 6, 0));
	for (i = 0; i < 4; i++) {
		EXPECT_EQ(2 + i, leased_number(w, &again[i]));
		EXPECT_EQ(1, again[i].attempt);
	}
	EXPECT_EQ(-ESTALE, ack(w, &l[2]));
	EXPECT_EQ(0, ack(w, &again[0]));
	ASSERT_EQ(1, mq_seek(self->ctl, self->topic, "g", MQBUS_GROUP_SEEK_F_FORCE, 0,
			     MQBUS_WHENCE_LATEST, 0, NULL, 0));
	mq_fork(pid) {
		int fd = mq_member(self->topic, "g", 0);

		_exit(take(fd, l, 1, MQBUS_WAIT_FOREVER) != 1 || l->offset != 9);
	}
	ASSERT_TRUE(mq_wait_asleep(pid, SYS_ioctl));
	/* A sleeping member is woken when there are records again */
	ASSERT_EQ(1, mq_seek(self->ctl, self->topic, "g", MQBUS_GROUP_SEEK_F_FORCE, 0,
			     MQBUS_WHENCE_OFFSET, 9, NULL, 0));
	EXPECT_EQ(0, mq_wait(pid));
	worker_close(w);
	EXPECT_EQ(0, FIGURE(self, LEASED));
}

/* Records that wait for their key, in one of two partitions */
TEST_F(queue, moved_by_force_with_keys)
{
	struct worker *w = self->worker;
	struct mqbus_leased l[4];
	__u64 i;

	ASSERT_EQ(0, mq_create(self->ctl, self->topic, .partitions = 2));
	begin(self, .flags = MQBUS_QUEUE_F_KEY_EXCLUSIVE);
	for (i = 0; i < 20; i++)
		ASSERT_EQ(1, put_keyed(self->fd, i % 4, i));
	ASSERT_EQ(4, take(w->fd, l, 4, 0));
	EXPECT_EQ(-EAGAIN, take(w->fd, l, 1, 0));
	EXPECT_LT(0, FIGURE(self, HELD));
	ASSERT_EQ(1, mq_seek(self->ctl, self->topic, "g", MQBUS_GROUP_SEEK_F_FORCE, 1,
			     MQBUS_WHENCE_LATEST, 0, NULL, 0));
	for (i = 0; i < 4; i++)
		EXPECT_EQ(l[i].partition ? -ESTALE : 0, ack(w, &l[i]));
	ASSERT_EQ(1, mq_seek(self->ctl, self->topic, "g", MQBUS_GROUP_SEEK_F_FORCE, 0,
			     MQBUS_WHENCE_LATEST, 0, NULL, 0));
	EXPECT_EQ(0, FIGURE(self, HELD));
	EXPECT_EQ(-EAGAIN, take(w->fd, l, 4, 0));
}

/* Seeks by force while members take, settle, fail, join and leave */
TEST_F(queue, moved_while_it_works)
{
	unsigned int i, k, total = 400 / mq_slow();
	struct worker *w = self->worker;
	struct mqbus_leased l[8];
	pid_t pid[3];
	int n;

	begin(self, .max_inflight = 16, .lease = MQ_MS);
	for (k = 0; k < 3; k++)
		mq_fork(pid[k]) {
			struct mqbus_leased *all = calloc(16, sizeof(*all));
			int fd = mq_member(self->topic, "g", 0);

			for (i = k;; i++) {
				n = take(fd, all, 16, MQ_MS);
				for (; n > 0; n--)
					settle(fd, all[n - 1].lease, (i + n) % 3, 0);
				if (i % 16 == 0) {
					close(fd);
					fd = mq_member(self->topic, "g", 0);
				}
			}
		}
	for (i = 0; i < total; i++) {
		put_numbers(self->fd, 0, mq_put(self->fd, "12345678", 8, 0) == 1 ? 1 : 0);
		ASSERT_EQ(1, mq_seek(self->ctl, self->topic, "g", MQBUS_GROUP_SEEK_F_FORCE, 0,
				     i % 2 ? MQBUS_WHENCE_EARLIEST : MQBUS_WHENCE_LATEST, 0,
				     NULL, 0));
	}
	for (k = 0; k < 3; k++)
		mq_kill(pid[k]);
	ASSERT_EQ(1, mq_seek(self->ctl, self->topic, "g", MQBUS_GROUP_SEEK_F_FORCE, 0,
			     MQBUS_WHENCE_LATEST, 0, NULL, 0));
	EXPECT_EQ(0, FIGURE(self, INFLIGHT));
	EXPECT_EQ(0, FIGURE(self, LEASED));
	EXPECT_EQ(0, FIGURE(self, RETRYING));
	put_numbers(self->fd, 77, 78);
	EXPECT_EQ(77, take_one(w, l, MQ_LONG));
}

#define MANY	256

/* Fail once with a record of each partition: it waits in the retry ring. */
static int fail_in_each(struct worker *w)
{
	static struct mqbus_leased l[MANY];
	static struct mqbus_settle s[MANY];
	int i, n = take(w->fd, l, MANY, 0);

	for (i = 0; i < n; i++)
		s[i] = (struct mqbus_settle) {
			.lease = l[i].lease, .what = MQBUS_NACK, .delay = MQ_HOUR,
		};
	return n < 0 ? n : settle_many(w->fd, s, n);
}

static void seek_all(void *arg)
{
	FIXTURE_DATA(queue) *self = arg;

	mq_seek(self->ctl, self->topic, "g", MQBUS_GROUP_SEEK_F_FORCE, MQBUS_ANY,
		MQBUS_WHENCE_EARLIEST, 0, NULL, 0);
}

/*
 * A seek killed on its way has forgotten the failed records of the partitions that it moved,
 * and no others
 */
TEST_F_TIMEOUT(queue, killed_on_the_way, 240)
{
	struct mq_cut cut = { .took = mq_shared(MQ_PAGE) };
	static struct mqbus_seek_result r[MANY];
	unsigned int i, halfway = 0, moved;

	ASSERT_EQ(0, mq_create(self->ctl, self->topic, .partitions = MANY, .size = 4096));
	begin(self, .retry_size = 256 * 1024, .max_inflight = MANY);
	while (cut.tries < 240 && halfway < 3) {
		for (i = 0; i < MANY; i++)
			ASSERT_EQ(1, mq_put_in(self->fd, i, "12345678", 8));
		ASSERT_EQ(MANY, fail_in_each(self->worker));
		ASSERT_EQ(MANY, FIGURE(self, RETRYING));
		mq_cut(&cut, seek_all, self);
		ASSERT_EQ(MANY, mq_seek(self->ctl, self->topic, "g", MQBUS_GROUP_SEEK_F_DRY_RUN,
					MQBUS_ANY, MQBUS_WHENCE_LATEST, 0, r, MANY));
		for (i = moved = 0; i < MANY; i++)
			moved += r[i].old_offset != r[i].end_offset;
		halfway += moved && moved < MANY;
		ASSERT_EQ(MANY - moved, FIGURE(self, RETRYING)) TH_LOG("%u moved", moved);
		/* Empty the group for the next round */
		ASSERT_EQ(MANY, mq_seek(self->ctl, self->topic, "g", MQBUS_GROUP_SEEK_F_FORCE,
					MQBUS_ANY, MQBUS_WHENCE_LATEST, 0, NULL, 0));
		ASSERT_EQ(0, FIGURE(self, RETRYING));
	}
	TH_LOG("%u of %u were killed on the way; a seek took %llu us", halfway, cut.tries,
	       cut.whole / 1000);
	EXPECT_LT(0, halfway);
}

TEST_HARNESS_MAIN
