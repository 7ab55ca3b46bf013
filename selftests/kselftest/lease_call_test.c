// SPDX-License-Identifier: GPL-2.0
/*
 * The call that settles and leases: its order, sizes and states.
 */
#include "queue.h"

TEST_F(queue, settle_and_lease)
{
	struct worker *w = self->worker;
	struct mqbus_leased l[4];
	struct mqbus_settle s[2] = {};
	struct mqbus_lease args = {};

	/* The next record has room only once this one is settled */
	begin(self, .max_inflight = 2);
	put_numbers(self->fd, 0, 5);
	ASSERT_EQ(2, take(w->fd, l, 4, 0));
	s[0].lease = l[0].lease;
	s[1].lease = l[1].lease;
	EXPECT_EQ(0, both(w->fd, &args, s, 2, l, 4));
	EXPECT_EQ(2, args.settled);
	EXPECT_EQ(2, args.nr_leases);
	EXPECT_EQ(0, args.error);
	EXPECT_EQ(2, leased_number(w, &l[0]));
	EXPECT_EQ(3, leased_number(w, &l[1]));

	/* A settlement that fails does not keep the others from being done */
	s[0].lease = l[0].lease;
	s[1].lease = ~0ULL;
	EXPECT_EQ(0, both(w->fd, &args, s, 2, &l[2], 1));
	EXPECT_EQ(1, args.settled);
	EXPECT_EQ(ENOENT, s[1].error);
	EXPECT_EQ(1, args.nr_leases);
	EXPECT_EQ(4, leased_number(w, &l[2]));

	/* After its settlements the call finds no record: it succeeds and says why */
	s[0] = (struct mqbus_settle){ .lease = l[1].lease };
	EXPECT_EQ(0, both(w->fd, &args, s, 1, l, 4));
	EXPECT_EQ(1, args.settled);
	EXPECT_EQ(0, args.nr_leases);
	EXPECT_EQ(EAGAIN, args.error);
	s[0] = (struct mqbus_settle){ .lease = l[2].lease };
	args.timeout = MQ_MS;
	args.error = 0;
	EXPECT_EQ(0, both(w->fd, &args, s, 1, l, 4));
	EXPECT_EQ(1, args.settled);
	EXPECT_EQ(ETIMEDOUT, args.error);
	EXPECT_EQ(5, FIGURE(self, ACKED));
	EXPECT_EQ(0, FIGURE(self, INFLIGHT));

	/* Without settlements it fails */
	EXPECT_EQ(-ETIMEDOUT, take(w->fd, l, 4, MQ_MS));
	EXPECT_EQ(-EAGAIN, take(w->fd, l, 4, 0));
}

TEST_F(queue, ack_or_release_all)
{
	struct worker *w = self->worker;
	struct mqbus_leased l[8];
	struct mqbus_settle s = {};
	struct mqbus_lease args = { .flags = MQBUS_LEASE_F_ACK };

	begin(self);
	join(self, 1);
	put_numbers(self->fd, 0, 8);
	ASSERT_EQ(3, take(w->fd, l, 3, 0));
	ASSERT_EQ(1, take(w[1].fd, &l[3], 1, 0));
	/* Errors of settlements come first */
	s = (struct mqbus_settle){ .lease = l[1].lease, .what = MQBUS_RELEASE };
	EXPECT_EQ(0, both(w->fd, &args, &s, 1, l, 2));
	EXPECT_EQ(2, FIGURE(self, ACKED));
	EXPECT_EQ(1, FIGURE(self, RELEASED));
	EXPECT_EQ(2, args.nr_leases);
	EXPECT_EQ(1, leased_number(w, &l[0]));
	EXPECT_EQ(4, leased_number(w, &l[1]));
	/* The other member's lease is not touched */
	EXPECT_EQ(3, FIGURE(self, LEASED));

	args = (struct mqbus_lease){ .flags = MQBUS_LEASE_F_RELEASE };
	EXPECT_EQ(0, both(w->fd, &args, NULL, 0, NULL, 0));
	EXPECT_EQ(1, FIGURE(self, LEASED));
	EXPECT_EQ(3, FIGURE(self, RELEASED));
	/* One that came back, and a fresh one */
	ASSERT_EQ(2, take(w[1].fd, l, 2, 0));
	EXPECT_EQ(1, l[0].attempt);
	EXPECT_EQ(1 + 5, leased_number(&w[1], &l[0]) + leased_number(&w[1], &l[1]));
	EXPECT_EQ(0, ack(&w[1], &l[3]));
	args = (struct mqbus_lease){ .flags = 1U << 2 };
	EXPECT_EQ(-EOPNOTSUPP, both(w->fd, &args, NULL, 0, l, 1));
	args = (struct mqbus_lease){ .flags = MQBUS_LEASE_F_ACK };
	EXPECT_EQ(0, both(w[1].fd, &args, NULL, 0, NULL, 0));
	EXPECT_EQ(5, FIGURE(self, ACKED));
	EXPECT_EQ(0, FIGURE(self, LEASED));
}

TEST_F(queue, arguments)
{
	static const struct mqbus_lease good;
	struct worker *w = self->worker;
	struct mqbus_leased l[4];
	struct mqbus_settle s = {};
	struct mqbus_lease args;
	__u32 size;

	begin(self);
	put_numbers(self->fd, 0, 4);
	for (size = 2; size < 32; size++) {
		args = good;
		args.flags = 1U << size;
		EXPECT_EQ(-EOPNOTSUPP, both(w->fd, &args, NULL, 0, l, 4));
	}
	args = good;
	args.__reserved = 1;
	EXPECT_EQ(-EINVAL, both(w->fd, &args, NULL, 0, l, 4));
	args = good;
	args.time = MQBUS_DELAY_MAX + 1;
	EXPECT_EQ(-ERANGE, both(w->fd, &args, NULL, 0, l, 4));
	args = good;
	EXPECT_EQ(-ERANGE, both(w->fd, &args, NULL, 0, l, MQBUS_LEASE_MAX + 1));
	EXPECT_EQ(-ERANGE, both(w->fd, &args, &s, MQBUS_LEASE_MAX + 1, l, 4));
	for (size = 0; size < sizeof(*l); size += 4) {
		args = (struct mqbus_lease){ .leases = (uintptr_t)l, .nr_leases = 4,
					     .lease_size = size };
		EXPECT_EQ(-EINVAL, mq_ioctl(w->fd, MQBUS_IOC_LEASE, &args)) TH_LOG("%u", size);
	}
	for (size = 0; size < sizeof(s); size += 4) {
		args = (struct mqbus_lease){ .settles = (uintptr_t)&s, .nr_settles = 1,
					     .settle_size = size };
		EXPECT_EQ(-EINVAL, mq_ioctl(w->fd, MQBUS_IOC_LEASE, &args)) TH_LOG("%u", size);
	}
	EXPECT_EQ(0, FIGURE(self, DELIVERED));
	args = good;
	args.time = MQBUS_DELAY_MAX;
	EXPECT_EQ(0, both(w->fd, &args, NULL, 0, l, 4));
	EXPECT_EQ(4, args.nr_leases);
}

/* Elements of a later version: the part unknown to this kernel must be zero */
TEST_F(queue, longer_elements)
{
	struct { struct mqbus_leased l; __u64 tail[2]; } l[3];
	struct { struct mqbus_settle s; __u64 tail; } s[3] = {};
	struct worker *w = self->worker;
	struct mqbus_lease args = {
		.leases = (uintptr_t)l, .lease_size = sizeof(*l), .nr_leases = 3,
	};
	int i;

	begin(self);
	put_numbers(self->fd, 0, 3);
	memset(l, 0xcc, sizeof(l));
	ASSERT_EQ(0, mq_ioctl(w->fd, MQBUS_IOC_LEASE, &args));
	ASSERT_EQ(3, args.nr_leases);
	for (i = 0; i < 3; i++) {
		EXPECT_EQ(i, leased_number(w, &l[i].l));
		EXPECT_EQ(0, l[i].tail[0] | l[i].tail[1]);
		s[i].s.lease = l[i].l.lease;
	}
	s[1].tail = 1;
	args = (struct mqbus_lease){
		.settles = (uintptr_t)s, .settle_size = sizeof(*s), .nr_settles = 3,
	};
	/* An element with more than that: the ones before it are done, as when publishing */
	EXPECT_EQ(0, mq_ioctl(w->fd, MQBUS_IOC_LEASE, &args));
	EXPECT_EQ(1, args.settled);
	EXPECT_EQ(E2BIG, args.error);
	EXPECT_EQ(0, s[0].s.error);
	EXPECT_EQ(0, s[2].s.error);
	EXPECT_EQ(2, FIGURE(self, LEASED));
	s[1].tail = 0;
	s[0].s.lease = s[1].s.lease;
	EXPECT_EQ(0, mq_ioctl(w->fd, MQBUS_IOC_LEASE, &args));
	EXPECT_EQ(2, args.settled);
	EXPECT_EQ(EALREADY, s[1].s.error);
}

TEST_F(queue, states)
{
	struct worker *w = self->worker;
	struct mqbus_range range;
	struct mqbus_leased l;
	int stream;

	begin(self);
	ASSERT_EQ(0, mq_group(self->ctl, self->topic, "s"));
	stream = mq_member(self->topic, "s", 0);
	put_numbers(self->fd, 0, 1);
	EXPECT_EQ(-EBADFD, take(self->ctl, &l, 1, 0));
	EXPECT_EQ(-EBADFD, take(self->fd, &l, 1, 0));
	EXPECT_EQ(-EBADFD, take(stream, &l, 1, 0));
	EXPECT_EQ(-EBADFD, mq_fetch(w->fd, &range, 1, 0, 0));
	EXPECT_EQ(-EBADFD, mq_fetch(w->fd, &range, 1, MQBUS_FETCH_F_COMMIT, 0));
	EXPECT_EQ(-EBADFD, mq_commit(w->fd, 0, 0));
	EXPECT_EQ(-EBADFD, mq_commit_fetched(w->fd));
	EXPECT_EQ(-1, write(w->fd, "x", 1));
	EXPECT_EQ(EBADFD, errno);
	EXPECT_EQ(1, mq_fetch(stream, &range, 1, 0, 0));
	EXPECT_EQ(0, take_one(w, &l, 0));
	close(stream);
}

TEST_HARNESS_MAIN
