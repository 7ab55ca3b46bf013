// SPDX-License-Identifier: GPL-2.0
/*
 * Causes that wake members of queue groups: module/doc/wakeups.rst, line by line.
 */
#include "wake.h"

static int put(struct scene *s)
{
	MUST(mq_put(s->fd, "12345678", 8, 0) == 1);
	return 0;
}

/* Two members; the second one has leased @b_has of @records */
static int make(struct scene *s, const struct mqbus_queue_options *options, int records, int b_has)
{
	MUST(!mq_create(s->ctl, s->topic, .size = 4096, .max_record = 512));
	MUST(!mq_queue_args(s->ctl, s->topic, "g", NULL, options));
	s->fd = mq_producer(s->topic, 0);
	MUST(s->fd >= 0);
	s->a = mq_member(s->topic, "g", 0);
	s->b = mq_member(s->topic, "g", 0);
	while (records--)
		MUST(!put(s));
	MUST(!b_has || take(s->b, s->l, b_has, 0) == b_has);
	return 0;
}

static int set_empty(struct scene *s)
{
	return make(s, &(struct mqbus_queue_options){}, 0, 0);
}

static int act_write(struct scene *s)
{
	MUST(write(s->fd, "12345678", 8) == 8);
	return 0;
}

static int act_transact_publish(struct scene *s)
{
	struct mqbus_msg msg = mq_msg("12345678", 8);
	struct mqbus_act act = act_publish(s->fd, &msg, 1);

	MUST(!mq_transact(s->ctl, &act, 1, 0, NULL));
	return 0;
}

/* The other member has the only record */
static int set_taken(struct scene *s)
{
	return make(s, &(struct mqbus_queue_options){}, 1, 1);
}

static int set_taken_shortly(struct scene *s)
{
	return make(s, &(struct mqbus_queue_options){ .lease = 10 * MQ_MS }, 1, 1);
}

static int act_nack(struct scene *s)
{
	MUST(!settle(s->b, s->l[0].lease, MQBUS_NACK, 0));
	return 0;
}

static int act_nack_later(struct scene *s)
{
	MUST(!settle(s->b, s->l[0].lease, MQBUS_NACK, 5 * MQ_MS));
	return 0;
}

static int act_release(struct scene *s)
{
	MUST(!settle(s->b, s->l[0].lease, MQBUS_RELEASE, 0));
	return 0;
}

static int act_release_later(struct scene *s)
{
	MUST(!settle(s->b, s->l[0].lease, MQBUS_RELEASE, 5 * MQ_MS));
	return 0;
}

static int act_release_all(struct scene *s)
{
	struct mqbus_lease args = { .flags = MQBUS_LEASE_F_RELEASE };

	MUST(!mq_ioctl(s->b, MQBUS_IOC_LEASE, &args) && args.settled == 1);
	return 0;
}

static int act_shorten(struct scene *s)
{
	MUST(!settle(s->b, s->l[0].lease, MQBUS_EXTEND, MQ_MS));
	return 0;
}

static int act_other_leaves(struct scene *s)
{
	close(s->b);
	s->b = -1;
	return 0;
}

static int act_other_transacts_release(struct scene *s)
{
	struct mqbus_settle one = { .lease = s->l[0].lease, .what = MQBUS_RELEASE };
	struct mqbus_act act = act_settle(s->b, &one, 1);

	MUST(!mq_transact(s->ctl, &act, 1, 0, NULL));
	return 0;
}

static int act_nothing(struct scene *s)
{
	return 0;
}

/* The member has its whole credit leased, and there are more records */
static int set_no_credit(struct scene *s)
{
	int line = make(s, &(struct mqbus_queue_options){ .credit = 1 }, 2, 0);

	if (line)
		return line;
	MUST(take(s->a, s->l, 1, 0) == 1);
	return 0;
}

static int act_own_ack(struct scene *s)
{
	MUST(!settle(s->a, s->l[0].lease, MQBUS_ACK, 0));
	return 0;
}

static int act_credit(struct scene *s)
{
	MUST(!mq_set(s->ctl, s->topic, "g", MQBUS_GROUP_SET_CREDIT, NULL, .credit = 2));
	return 0;
}

/* The group has as many in flight as it may, and there are more */
static int set_inflight(struct scene *s)
{
	int line = make(s, &(struct mqbus_queue_options){ .max_inflight = 4 }, 2, 1);

	if (line)
		return line;
	MUST(!mq_set(s->ctl, s->topic, "g", MQBUS_GROUP_SET_MAX_INFLIGHT, NULL,
		     .max_inflight = 1));
	return 0;
}

static int act_other_acks(struct scene *s)
{
	MUST(!settle(s->b, s->l[0].lease, MQBUS_ACK, 0));
	return 0;
}

static int act_other_rejects(struct scene *s)
{
	MUST(!settle(s->b, s->l[0].lease, MQBUS_REJECT, 0));
	return 0;
}

static int act_other_transacts(struct scene *s)
{
	struct mqbus_settle one = { .lease = s->l[0].lease };
	struct mqbus_act act = act_settle(s->b, &one, 1);

	MUST(!mq_transact(s->ctl, &act, 1, 0, NULL));
	return 0;
}

static int act_inflight(struct scene *s)
{
	MUST(!mq_set(s->ctl, s->topic, "g", MQBUS_GROUP_SET_MAX_INFLIGHT, NULL,
		     .max_inflight = 2));
	return 0;
}

/* The other member has a record of the key that all others have, too */
static int set_key(struct scene *s)
{
	int line = make(s, &(struct mqbus_queue_options){ .flags = MQBUS_QUEUE_F_KEY_EXCLUSIVE,
						  .max_inflight = 2 }, 0, 0), i;

	if (line)
		return line;
	for (i = 0; i < 3; i++)
		MUST(put_keyed(s->fd, 5, i) == 1);
	MUST(take(s->b, s->l, 1, 0) == 1);
	MUST(take(s->a, s->l + 1, 1, 0) == -EAGAIN);
	return 0;
}

/* One more than can be held back: the partition is stuck, with another key behind */
static int set_stuck(struct scene *s)
{
	int line = set_key(s);

	if (line)
		return line;
	MUST(put_keyed(s->fd, 5, 3) == 1 && put_keyed(s->fd, 6, 4) == 1);
	MUST(take(s->a, s->l + 1, 1, 0) == -EAGAIN);
	return 0;
}

static int act_delete_group(struct scene *s)
{
	MUST(!mq_group_delete(s->ctl, s->topic, "g", MQBUS_GROUP_DELETE_F_FORCE));
	return 0;
}

static int act_delete_topic(struct scene *s)
{
	MUST(!mq_delete(s->ctl, s->topic));
	return 0;
}

static int act_seek(struct scene *s)
{
	MUST(mq_seek(s->ctl, s->topic, "g", MQBUS_GROUP_SEEK_F_FORCE, MQBUS_ANY,
		     MQBUS_WHENCE_EARLIEST, 0, NULL, 0) == 1);
	return 0;
}

static int set_paused(struct scene *s)
{
	int line = make(s, &(struct mqbus_queue_options){}, 1, 0);

	if (line)
		return line;
	MUST(!mq_pause(s->ctl, s->topic, "g", 1));
	return 0;
}

static int act_resume(struct scene *s)
{
	MUST(!mq_pause(s->ctl, s->topic, "g", 0));
	return 0;
}

#define IN	POLLIN
#define GONE	(POLLIN | POLLHUP)

static const struct change table[] = {
	{ "published", set_empty, put, IN, 1, 8 },
	{ "written", set_empty, act_write, IN, 1, 8 },
	{ "in a transaction", set_empty, act_transact_publish, IN, 1, 8 },
	{ "nacked", set_taken, act_nack, IN, 1, 8 },
	{ "retry is due", set_taken, act_nack_later, IN, 1, 8, .timed = true },
	{ "released", set_taken, act_release, IN, 1, 8 },
	{ "released for later", set_taken, act_release_later, IN, 1, 8, .timed = true },
	{ "all released", set_taken, act_release_all, IN, 1, 8 },
	{ "released in a transaction", set_taken, act_other_transacts_release, IN, 1, 8 },
	{ "lease is over", set_taken_shortly, act_nothing, IN, 1, 8, .timed = true },
	{ "lease made shorter", set_taken, act_shorten, IN, 1, 8, .timed = true },
	{ "holder dies", set_taken, act_other_leaves, IN, 1, 8 },
	{ "own credit", set_no_credit, act_own_ack, IN, 1, 8 },
	{ "more credit", set_no_credit, act_credit, IN, 1, 8 },
	{ "one less in flight", set_inflight, act_other_acks, IN, 1, 8 },
	{ "one rejected", set_inflight, act_other_rejects, IN, 1, 8 },
	{ "one less in a transaction", set_inflight, act_other_transacts, IN, 1, 8 },
	{ "more in flight", set_inflight, act_inflight, IN, 1, 8 },
	{ "key is free", set_key, act_other_acks, IN, 1, 8 },
	{ "key's holder dies", set_key, act_other_leaves, IN, 1, 8 },
	{ "partition goes on", set_stuck, act_other_acks, IN, 1, 8 },
	{ "sought", set_taken, act_seek, IN, 1, 8 },
	{ "resumed", set_paused, act_resume, IN, 1, 8 },
	{ "group deleted", set_empty, act_delete_group, GONE, -EIDRM, -EIDRM },
	{ "topic deleted", set_empty, act_delete_topic, GONE, -EIDRM, -EIDRM },
};

#define NR	(sizeof(table) / sizeof(*table))

TEST(plain)
{
	int cells = table_run(table, NR, true, NONE);

	ASSERT_LT(0, cells);
	TH_LOG("%d cells", cells);
}

TEST(after_a_signal)
{
	ASSERT_LT(0, table_run(table, NR, true, BEFORE));
}

TEST(before_a_signal)
{
	ASSERT_LT(0, table_run(table, NR, true, BEHIND));
}

TEST_HARNESS_MAIN
