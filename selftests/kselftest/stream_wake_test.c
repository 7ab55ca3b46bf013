// SPDX-License-Identifier: GPL-2.0
/*
 * Causes that wake members of stream groups: module/doc/wakeups.rst, line by line.
 */
#include "wake.h"

/* A topic of @parts partitions with a group "g", and a producer */
static int make(struct scene *s, __u32 parts, const struct mqbus_stream_options *options)
{
	MUST(!mq_create(s->ctl, s->topic, .size = 4096, .partitions = parts));
	MUST(!mq_stream_args(s->ctl, s->topic, "g", options));
	s->fd = mq_producer(s->topic, 0);
	MUST(s->fd >= 0);
	return 0;
}

static int put(struct scene *s, __u32 partition)
{
	MUST(mq_put_in(s->fd, partition, "12345678", 8) == 1);
	return 0;
}

static int join(struct scene *s, int *fd, const char *id)
{
	*fd = mq_member_as(s->topic, "g", id, 0);
	MUST(*fd >= 0);
	return 0;
}

static int set_alone(struct scene *s)
{
	return make(s, 2, &(struct mqbus_stream_options){}) ?: join(s, &s->a, "a");
}

static int act_publish_one(struct scene *s)
{
	return put(s, 1);
}

static int act_write(struct scene *s)
{
	MUST(write(s->fd, "12345678", 8) == 8);
	return 0;
}

/* A batch that stops in the middle: its stored records wake, too */
static int act_batch(struct scene *s)
{
	struct mqbus_msg msgs[] = { mq_msg("12345678", 8), mq_msg("12345678", 8) };

	msgs[0].partition = 0;
	msgs[1].partition = 7;
	MUST(mq_publish(s->fd, msgs, 2, NULL, 0, NULL) == 1);
	return 0;
}

static int act_transact_publish(struct scene *s)
{
	struct mqbus_msg msg = mq_msg("12345678", 8);
	struct mqbus_act act = act_publish(s->fd, &msg, 1);

	MUST(!mq_transact(s->ctl, &act, 1, 0, NULL));
	return 0;
}

/* Dead letters of another topic come to this one */
static int set_dead_letters(struct scene *s)
{
	int line = set_alone(s);

	if (line)
		return line;
	MUST(!mq_create(s->ctl, s->other, .size = 4096, .max_record = 512));
	MUST(!mq_queue(s->ctl, s->other, "q", s->topic, .max_attempts = 1));
	close(s->fd);
	s->fd = mq_producer(s->other, 0);
	MUST(mq_put(s->fd, "12345678", 8, 0) == 1);
	s->b = mq_member(s->other, "q", 0);
	MUST(take(s->b, s->l, 1, 0) == 1);
	return 0;
}

static int act_nack(struct scene *s)
{
	MUST(!settle(s->b, s->l[0].lease, MQBUS_NACK, 0));
	return 0;
}

/* Another member has the only partition, and has not fetched its record */
static int set_standby(struct scene *s, const struct mqbus_stream_options *options)
{
	return make(s, 1, options) ?: join(s, &s->b, "b") ?: join(s, &s->a, "a") ?: put(s, 0);
}

static int set_standby_plain(struct scene *s)
{
	return set_standby(s, &(struct mqbus_stream_options){});
}

static int set_standby_grace(struct scene *s)
{
	return set_standby(s, &(struct mqbus_stream_options){ .grace = 10 * MQ_MS });
}

static int act_other_leaves(struct scene *s)
{
	close(s->b);
	s->b = -1;
	return 0;
}

/*
 * Another member works on both partitions and has to release one to this member; that one has
 * more records.
 */
static int set_wanted(struct scene *s, const struct mqbus_stream_options *options)
{
	int line = make(s, 2, options) ?: join(s, &s->b, "b") ?: put(s, 0) ?: put(s, 1);

	if (line)
		return line;
	MUST(mq_fetch(s->b, s->r, 2, 0, 0) == 2);
	return join(s, &s->a, "a") ?: put(s, 1) ?: put(s, 0);
}

static int set_wanted_plain(struct scene *s)
{
	return set_wanted(s, &(struct mqbus_stream_options){});
}

static int set_wanted_soon(struct scene *s)
{
	return set_wanted(s, &(struct mqbus_stream_options){ .rebalance_timeout = 10 * MQ_MS });
}

static int act_other_commits(struct scene *s)
{
	MUST(!mq_commit(s->b, 0, 1) && !mq_commit(s->b, 1, 1));
	return 0;
}

static int act_other_commits_fetched(struct scene *s)
{
	MUST(!mq_commit_fetched(s->b));
	return 0;
}

static int act_other_releases(struct scene *s)
{
	MUST(!mq_commit_flags(s->b, MQBUS_COMMIT_F_RELEASE));
	return 0;
}

static int act_other_fetches(struct scene *s)
{
	MUST(mq_fetch(s->b, s->r, 4, MQBUS_FETCH_F_COMMIT, 0) >= 1);
	return 0;
}

static int act_other_transacts(struct scene *s)
{
	struct mqbus_commit_entry entries[] = {
		{ .partition = 0, .offset = 1 }, { .partition = 1, .offset = 1 },
	};
	struct mqbus_act act = act_commit(s->b, entries, 2);

	MUST(!mq_transact(s->ctl, &act, 1, 0, NULL));
	return 0;
}

static int act_nothing(struct scene *s)
{
	return 0;
}

/* This member works on both partitions */
static int set_working(struct scene *s, const struct mqbus_stream_options *options)
{
	int line = make(s, 2, options) ?: join(s, &s->a, "a") ?: put(s, 0) ?: put(s, 1);

	if (line)
		return line;
	MUST(mq_fetch(s->a, s->r, 2, 0, 0) == 2);
	return 0;
}

static int set_working_plain(struct scene *s)
{
	return set_working(s, &(struct mqbus_stream_options){});
}

static int act_other_joins(struct scene *s)
{
	return join(s, &s->b, "b");
}

/* It knows that it has to release one of them */
static int set_told(struct scene *s, const struct mqbus_stream_options *options)
{
	int line = set_working(s, options) ?: act_other_joins(s);

	if (line)
		return line;
	MUST(mq_fetch(s->a, s->r, 2, 0, 0) == 1 && s->r[0].flags == MQBUS_RANGE_F_REVOKED);
	return 0;
}

/* Its time is over soon, but not before it was told, however slow this is */
static int set_told_soon(struct scene *s)
{
	struct mqbus_stream_options options = { .rebalance_timeout = 10 * MQ_MS };
	int line;

	while ((line = set_told(s, &options)) && options.rebalance_timeout < MQ_SEC) {
		options.rebalance_timeout *= 2;
		close(s->a);
		close(s->b);
		close(s->fd);
		MUST(!mq_delete(s->ctl, s->topic));
	}
	return line;
}

/* More records, which do not come to this member as long as the other one is there */
static int set_told_more(struct scene *s)
{
	return set_told(s, &(struct mqbus_stream_options){}) ?: put(s, s->r[0].partition);
}

static int act_same_id(struct scene *s)
{
	return join(s, &s->c, "a");
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
		     MQBUS_WHENCE_EARLIEST, 0, NULL, 0) == 2);
	return 0;
}

static int set_paused(struct scene *s)
{
	int line = set_alone(s);

	if (line)
		return line;
	MUST(!mq_pause(s->ctl, s->topic, "g", 1));
	return put(s, 1);
}

static int act_resume(struct scene *s)
{
	MUST(!mq_pause(s->ctl, s->topic, "g", 0));
	return 0;
}

#define IN	POLLIN
#define URGENT	(POLLIN | POLLPRI)
#define GONE	(POLLIN | POLLHUP)

static const struct change table[] = {
	{ "published", set_alone, act_publish_one, IN, 1, 8 },
	{ "written", set_alone, act_write, IN, 1, 8 },
	{ "part of a batch", set_alone, act_batch, IN, 1, 8 },
	{ "in a transaction", set_alone, act_transact_publish, IN, 1, 8 },
	{ "dead letter", set_dead_letters, act_nack, IN, 1, 8 },
	{ "owner goes", set_standby_plain, act_other_leaves, IN, 1, 8 },
	{ "grace is over", set_standby_grace, act_other_leaves, IN, 1, 8, .timed = true },
	{ "owner commits", set_wanted_plain, act_other_commits, IN, 1, 8 },
	{ "owner commits all", set_wanted_plain, act_other_commits_fetched, IN, 1, 8 },
	{ "owner fetches on", set_wanted_plain, act_other_fetches, IN, 1, 8 },
	{ "owner commits in a transaction", set_wanted_plain, act_other_transacts, IN, 1, 8 },
	{ "owner lets go", set_wanted_plain, act_other_releases, IN, 1, 8 },
	{ "owner dies at work", set_wanted_plain, act_other_leaves, IN, 1, 8 },
	{ "owner is fenced", set_wanted_soon, act_nothing, IN, 1, 8, .timed = true },
	{ "wanted back", set_working_plain, act_other_joins, URGENT, 1, 0 },
	{ "not wanted back after all", set_told_more, act_other_leaves, IN, 1, 8 },
	{ "fenced", set_told_soon, act_nothing, URGENT, 1, 8, .timed = true },
	{ "sought", set_working_plain, act_seek, URGENT, 1, 8 },
	{ "resumed", set_paused, act_resume, IN, 1, 8 },
	{ "id taken over", set_alone, act_same_id, GONE | POLLPRI, -ENOLINK, -ENOLINK },
	{ "group deleted", set_alone, act_delete_group, GONE, -EIDRM, -EIDRM },
	{ "topic deleted", set_alone, act_delete_topic, GONE, -EIDRM, -EIDRM },
};

#define NR	(sizeof(table) / sizeof(*table))

TEST(plain)
{
	int cells = table_run(table, NR, false, NONE);

	ASSERT_LT(0, cells);
	TH_LOG("%d cells", cells);
}

TEST(after_a_signal)
{
	ASSERT_LT(0, table_run(table, NR, false, BEFORE));
}

TEST(before_a_signal)
{
	ASSERT_LT(0, table_run(table, NR, false, BEHIND));
}

TEST_HARNESS_MAIN
