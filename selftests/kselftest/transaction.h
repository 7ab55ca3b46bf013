/* SPDX-License-Identifier: GPL-2.0 */
/*
 * A transaction with all kinds of acts: from a topic of three partitions with a stream group
 * and a queue group to two topics; and all state that a failed transaction leaves unchanged.
 */
#ifndef _MQBUS_TEST_TRANSACTION_H
#define _MQBUS_TEST_TRANSACTION_H

#include "queue.h"
#include "transact.h"

#define PARTS	3
#define TARGETS	3
#define EACH	3		/* elements of an act */
#define ACTS	4

enum { FIRST_PUBLISH, SECOND_PUBLISH, COMMIT, SETTLE };

struct exchange {
	struct mqbus_act acts[ACTS];
	struct mqbus_msg msgs[2][EACH];
	struct mqbus_commit_entry entries[EACH];
	struct mqbus_settle settles[EACH];
};

/* All state that the transaction can change */
struct state {
	__u64 end[TARGETS + 1][PARTS];
	__u64 committed[PARTS];
	__u64 queue[6];
	__u64 used;
};

FIXTURE(exchange) {
	int ctl;
	char topic[MQBUS_NAME_SIZE];
	char to[TARGETS][MQBUS_NAME_SIZE];
	int source;			/* a producer of @topic */
	int out[TARGETS];		/* producers of @to */
	int member;			/* a member of the stream group of @topic */
	struct worker worker;		/* a member of its queue group */
	struct mqbus_range ranges[PARTS];
	struct mqbus_leased leased[2 * EACH];
	struct exchange x;
};

FIXTURE_SETUP(exchange)
{
	__u32 i, p;

	self->ctl = mq_open(0);
	ASSERT_LE(0, self->ctl);
	ASSERT_EQ(0, mq_used(self->ctl));
	mq_name(self->topic, "from");
	ASSERT_EQ(0, mq_create(self->ctl, self->topic, .partitions = PARTS));
	ASSERT_EQ(0, mq_group(self->ctl, self->topic, "s"));
	ASSERT_EQ(0, mq_queue(self->ctl, self->topic, "g", NULL));
	self->source = mq_producer(self->topic, 0);
	for (p = 0; p < PARTS; p++)
		for (i = 0; i < 4; i++)
			ASSERT_EQ(1, mq_put_in(self->source, p, &i, sizeof(i)));
	self->member = mq_member(self->topic, "s", 0);
	ASSERT_EQ(PARTS, mq_fetch(self->member, self->ranges, PARTS, 0, 0));
	ASSERT_EQ(0, worker_open(&self->worker, self->topic, "g", 0));
	ASSERT_EQ(2 * EACH, take(self->worker.fd, self->leased, 2 * EACH, 0));
	for (i = 0; i < TARGETS; i++) {
		mq_name(self->to[i], "to");
		ASSERT_EQ(0, mq_create(self->ctl, self->to[i], .size = 8192));
		ASSERT_EQ(0, mq_group(self->ctl, self->to[i], "s"));
		self->out[i] = mq_producer(self->to[i], 0);
		ASSERT_LE(0, self->out[i]);
	}
}

FIXTURE_TEARDOWN(exchange)
{
	int i;

	mq_delete(self->ctl, self->topic);
	worker_close(&self->worker);
	close(self->member);
	close(self->source);
	for (i = 0; i < TARGETS; i++) {
		mq_delete(self->ctl, self->to[i]);
		close(self->out[i]);
	}
	EXPECT_EQ(0, mq_left(self->ctl));
	close(self->ctl);
}

/* A valid transaction */
static void fill_in(FIXTURE_DATA(exchange) *self)
{
	static const char text[] = "0123456789abcdef";
	struct exchange *x = &self->x;
	int i;

	memset(x, 0, sizeof(*x));
	for (i = 0; i < EACH; i++) {
		x->msgs[0][i] = mq_msg(text, 8 + i);
		x->msgs[1][i] = mq_msg(text, 8 - i);
		x->entries[i] = (struct mqbus_commit_entry) { .partition = i, .offset = 1 + i };
		x->settles[i] = (struct mqbus_settle) { .lease = self->leased[i].lease };
	}
	x->acts[FIRST_PUBLISH] = act_publish(self->out[0], x->msgs[0], EACH);
	x->acts[SECOND_PUBLISH] = act_publish(self->out[1], x->msgs[1], EACH);
	x->acts[COMMIT] = act_commit(self->member, x->entries, EACH);
	x->acts[SETTLE] = act_settle(self->worker.fd, x->settles, EACH);
}

/* Run statements of a test with @at as each act in turn */
#define for_each_place(at)	for ((at) = 0; (at) < ACTS; (at)++)

/* Replace the second publishing act by one to a topic, as act number @at. */
static void publish_as(FIXTURE_DATA(exchange) *self, int at, int fd, const struct mqbus_msg *msgs,
		       __u32 count)
{
	struct mqbus_act act = act_publish(fd, msgs, count);
	int i;

	fill_in(self);
	for (i = SECOND_PUBLISH; i < at; i++)
		self->x.acts[i] = self->x.acts[i + 1];
	for (; i > at; i--)
		self->x.acts[i] = self->x.acts[i - 1];
	self->x.acts[at] = act;
}

static int go(FIXTURE_DATA(exchange) *self, __u64 timeout, struct mqbus_transact *args)
{
	return mq_transact(self->ctl, self->x.acts, ACTS, timeout, args);
}

static struct state state(FIXTURE_DATA(exchange) *self)
{
	static const int figures[] = {
		MQBUS_A_QUEUE_ACKED, MQBUS_A_QUEUE_REJECTED, MQBUS_A_QUEUE_RELEASED,
		MQBUS_A_QUEUE_LEASED, MQBUS_A_QUEUE_INFLIGHT, MQBUS_A_QUEUE_DELIVERED,
	};
	struct figures f;
	struct state s;
	__u32 i, p;

	memset(&s, 0, sizeof(s));
	for (i = 0; i < TARGETS; i++)
		s.end[i][0] = mq_end(self->ctl, self->to[i], "s", 0);
	for (p = 0; p < PARTS; p++) {
		s.end[TARGETS][p] = mq_end(self->ctl, self->topic, "s", p);
		s.committed[p] = mq_committed(self->ctl, self->topic, "s", p);
	}
	if (figures_get(self->topic, "g", &f))
		memset(&f, 0xff, sizeof(f));
	for (i = 0; i < sizeof(figures) / sizeof(*figures); i++)
		s.queue[i] = f.number[figures[i]];
	s.used = mq_used(self->ctl);
	return s;
}

static bool same_state(const struct state *a, const struct state *b)
{
	return !memcmp(a, b, sizeof(*a));
}

/* The state that the whole transaction makes of @before */
static struct state done(struct state s)
{
	int i;

	s.end[0][0] += EACH;
	s.end[1][0] += EACH;
	for (i = 0; i < EACH; i++)
		s.committed[i] = 1 + i;
	s.queue[0] += EACH;
	s.queue[3] -= EACH;
	s.queue[4] -= EACH;
	return s;
}

/* Offsets of the next transaction in twelve records: leased ones first, then new ones */
static bool other_leases(FIXTURE_DATA(exchange) *self, int round)
{
	if (round >= 3)
		return true;
	if (round)
		return take(self->worker.fd, self->leased, EACH, 0) == EACH;
	memmove(self->leased, self->leased + EACH, EACH * sizeof(*self->leased));
	return true;
}

/* The second act publishes by @fd instead, from @seq on, at place @at. */
static void publish_from_as(FIXTURE_DATA(exchange) *self, int at, int fd, __u64 seq)
{
	publish_as(self, at, fd, self->x.msgs[1], EACH);
	self->x.acts[at].seq = seq;
}

/* The transaction fails with @err at each place, as a whole act, and changes nothing. */
static void refused(struct __test_metadata *_metadata, FIXTURE_DATA(exchange) *self, int fd,
		    __u64 seq, __u64 timeout, int err)
{
	struct state before = state(self), after;
	struct mqbus_transact args;
	int at;

	for_each_place(at) {
		publish_from_as(self, at, fd, seq);
		EXPECT_EQ(err, go(self, timeout, &args)) TH_LOG("act %d", at);
		EXPECT_EQ(at, args.failed_act);
		EXPECT_EQ(0, args.duplicates);
	}
	after = state(self);
	EXPECT_TRUE(same_state(&before, &after));
}

#endif /* _MQBUS_TEST_TRANSACTION_H */
