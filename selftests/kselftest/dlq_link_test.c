// SPDX-License-Identifier: GPL-2.0
/*
 * The DLQ of a group: deleted, created again, owned by others, in a circle.
 */
#include "queue.h"
#include "starve.h"
#include "tracer.h"

/* The DLQ is deleted: dead letters wait for another one */
TEST_F(queue, deleted_and_replaced)
{
	struct worker *w = self->worker;
	struct mqbus_leased l;
	char other[MQBUS_NAME_SIZE];
	struct mq_reader dead;
	__u64 end;
	int i;

	mq_name(other, "other");
	begin_dlq(self, .max_attempts = 1);
	put_numbers(self->fd, 0, 4);
	EXPECT_EQ(0, mq_delete(self->ctl, self->dlq));
	for (i = 0; i < 2; i++) {
		ASSERT_EQ(i, take_one(w, &l, 0));
		EXPECT_EQ(0, i ? reject(w, &l) : nack(w, &l));
	}
	EXPECT_EQ(2, FIGURE(self, DLQ_BLOCKED));
	EXPECT_EQ(0, FIGURE(self, DEAD_LETTERED) + FIGURE(self, DISCARDED));
	ASSERT_EQ(2, take_one(w, &l, 0));
	EXPECT_EQ(0, ack(w, &l));

	/* Dead letters need a DLQ */
	EXPECT_EQ(-EBUSY, mq_set(self->ctl, self->topic, "g",
				 MQBUS_GROUP_SET_DLQ | MQBUS_GROUP_SET_MAX_ATTEMPTS, NULL));
	ASSERT_EQ(0, mq_create(self->ctl, other, .size = 1 << 20));
	ASSERT_EQ(0, mq_group(self->ctl, other, "dead"));
	ASSERT_EQ(0, mq_reader_open(&dead, other, "dead"));
	ASSERT_EQ(0, mq_set(self->ctl, self->topic, "g", MQBUS_GROUP_SET_DLQ, other));
	/* They go by themselves */
	EXPECT_EQ(0, record_number(mq_next(&dead, MQ_LONG)));
	EXPECT_EQ(1, record_number(mq_next(&dead, MQ_LONG)));
	end = mq_patience();
	while (FIGURE(self, DLQ_BLOCKED) && mq_clock(CLOCK_MONOTONIC) < end)
		mq_sleep(MQ_MS);
	EXPECT_EQ(0, FIGURE(self, DLQ_BLOCKED));
	EXPECT_EQ(2, FIGURE(self, DEAD_LETTERED));
	ASSERT_EQ(3, take_one(w, &l, 0));
	EXPECT_EQ(0, ack(w, &l));
	EXPECT_EQ(-EAGAIN, take_one(w, &l, 0));
	mq_reader_close(&dead);
	EXPECT_EQ(0, mq_delete(self->ctl, other));
}

/* The name counts: letters go to any topic that has it, once there is one */
TEST_F(queue, deleted_and_made_again)
{
	struct worker *w = self->worker;
	struct mq_reader dead;
	struct mqbus_leased l;
	struct figures f;
	__u64 used, i;

	ASSERT_EQ(0, mq_create(self->ctl, self->topic));
	used = mq_used(self->ctl);
	begin_dlq(self, .max_attempts = 1);
	put_numbers(self->fd, 0, 4);
	EXPECT_EQ(0, mq_delete(self->ctl, self->dlq));
	/* A deleted topic is not held: a MiB is released */
	i = mq_patience();
	while (mq_used(self->ctl) > used + (1 << 20) && mq_clock(CLOCK_MONOTONIC) < i)
		mq_sleep(MQ_MS);
	EXPECT_GT(used + (1 << 20), mq_used(self->ctl));
	for (i = 0; i < 2; i++) {
		ASSERT_EQ(i, take_one(w, &l, 0));
		EXPECT_EQ(0, nack(w, &l));
	}
	EXPECT_EQ(2, FIGURE(self, DLQ_BLOCKED));
	ASSERT_EQ(0, figures_get(self->topic, "g", &f));
	EXPECT_STREQ(self->dlq, f.dlq);

	ASSERT_EQ(0, mq_create(self->ctl, self->dlq));
	EXPECT_TRUE(COMES(self, DLQ_BLOCKED, 0));
	EXPECT_EQ(2, FIGURE(self, DEAD_LETTERED));
	ASSERT_EQ(2, take_one(w, &l, 0));
	EXPECT_EQ(0, reject(w, &l));
	/* And again */
	EXPECT_EQ(0, mq_delete(self->ctl, self->dlq));
	ASSERT_EQ(3, take_one(w, &l, 0));
	EXPECT_EQ(0, reject(w, &l));
	EXPECT_EQ(1, FIGURE(self, DLQ_BLOCKED));
	ASSERT_EQ(0, mq_create(self->ctl, self->dlq));
	EXPECT_TRUE(COMES(self, DEAD_LETTERED, 4));
	ASSERT_EQ(0, mq_group(self->ctl, self->dlq, "dead"));
	ASSERT_EQ(0, mq_reader_open(&dead, self->dlq, "dead"));
	EXPECT_EQ(3, record_number(mq_next(&dead, MQ_LONG)));
	mq_reader_close(&dead);
}

#define ORPHANS	60

/* A new topic concerns only groups whose DLQ has its name */
TEST_F(queue, made_and_not_meant)
{
	char group[MQBUS_NAME_SIZE], other[MQBUS_NAME_SIZE];
	unsigned int i;

	ASSERT_EQ(0, mq_create(self->ctl, self->topic));
	ASSERT_EQ(0, mq_create(self->ctl, self->dlq));
	for (i = 0; i < ORPHANS; i++) {
		snprintf(group, sizeof(group), "g%u", i);
		ASSERT_EQ(0, mq_queue(self->ctl, self->topic, group, self->dlq, .max_attempts = 1));
	}
	ASSERT_EQ(0, mq_delete(self->ctl, self->dlq));
	mq_sleep(200 * MQ_MS);
	if (!trace_begin("mqbus_topic_find"))
		SKIP(return, "there is no function tracer");
	for (i = 0; i < 8; i++) {
		mq_name(other, "other");
		ASSERT_EQ(0, mq_create(self->ctl, other));
		mq_sleep(50 * MQ_MS);
		EXPECT_EQ(0, mq_delete(self->ctl, other));
	}
	/* By chance one of them may be in the same list */
	EXPECT_GT(4 * ORPHANS, traced("mqbus_topic_find", true));
	tracing("trace", " ");
	ASSERT_EQ(0, mq_create(self->ctl, self->dlq));
	mq_sleep(200 * MQ_MS);
	EXPECT_LE(ORPHANS, traced("mqbus_topic_find", true));
	tracing("current_tracer", "nop");
}

static int set_mode(int ctl, const char *topic, __u16 mode)
{
	return mq_topic_set(ctl, topic, MQBUS_TOPIC_SET_MODE, .mode = mode);
}

/* A queue with @n records and a group made by a user without rights, by the topics' modes */
static void queue_of_a_stranger(struct __test_metadata *_metadata, FIXTURE_DATA(queue) *self,
				int n)
{
	int ctl, err;
	pid_t pid;

	ASSERT_EQ(0, mq_create(self->ctl, self->topic, .mode = 0777));
	err = mq_create(self->ctl, self->dlq, .mode = 0666);
	ASSERT_TRUE(!err || err == -EEXIST);
	put_numbers(self->fd = mq_producer(self->topic, 0), 0, n);
	mq_fork(pid) {
		if (mq_become(61005, 61006))
			_exit(1);
		ctl = mq_open(0);
		_exit(mq_queue(ctl, self->topic, "g", self->dlq, .max_attempts = 1) ? 2 : 0);
	}
	ASSERT_EQ(0, mq_wait(pid));
}

/* The group's creator must be allowed to write there, even to a new topic of that name */
TEST_F(queue, made_again_by_a_stranger)
{
	struct worker w;
	struct mqbus_leased l;
	int root = self->ctl;

	queue_of_a_stranger(_metadata, self, 1);
	EXPECT_EQ(0, mq_delete(root, self->dlq));
	ASSERT_EQ(0, mq_create(root, self->dlq, .mode = 0600));
	ASSERT_EQ(0, worker_open(&w, self->topic, "g", 0));
	ASSERT_EQ(0, take_one(&w, &l, 0));
	EXPECT_EQ(0, nack(&w, &l));
	mq_sleep(100 * MQ_MS);
	EXPECT_EQ(1, FIGURE(self, DLQ_BLOCKED));
	EXPECT_EQ(0, FIGURE(self, DEAD_LETTERED));
	EXPECT_EQ(0, set_mode(root, self->dlq, 0666));
	EXPECT_TRUE(COMES(self, DEAD_LETTERED, 1));
	worker_close(&w);
}

/* A user who may not write any more does not do so through an older group */
TEST_F(queue, right_taken_away)
{
	struct mqbus_leased l;
	struct worker w;
	int root = self->ctl, i;

	queue_of_a_stranger(_metadata, self, 4);
	ASSERT_EQ(0, worker_open(&w, self->topic, "g", 0));
	/* Not if it is only another topic */
	EXPECT_EQ(0, set_mode(root, self->dlq, 0622));
	for (i = 0; i < 2; i++) {
		ASSERT_EQ(i, take_one(&w, &l, 0));
		EXPECT_EQ(0, nack(&w, &l));
		EXPECT_EQ(i + 1, FIGURE(self, DEAD_LETTERED));
		mq_sleep(100 * MQ_MS);
	}
	EXPECT_EQ(0, set_mode(root, self->dlq, 0600));
	mq_sleep(100 * MQ_MS);
	ASSERT_EQ(2, take_one(&w, &l, 0));
	EXPECT_EQ(0, nack(&w, &l));
	mq_sleep(100 * MQ_MS);
	EXPECT_EQ(1, FIGURE(self, DLQ_BLOCKED));
	EXPECT_EQ(2, FIGURE(self, DEAD_LETTERED));
	EXPECT_EQ(0, set_mode(root, self->dlq, 0666));
	EXPECT_TRUE(COMES(self, DEAD_LETTERED, 3));
	/* The link has lasted: the deletion of the topic ends it */
	EXPECT_EQ(0, mq_delete(root, self->dlq));
	ASSERT_EQ(3, take_one(&w, &l, 0));
	EXPECT_EQ(0, nack(&w, &l));
	ASSERT_EQ(0, mq_create(root, self->dlq, .mode = 0666));
	EXPECT_TRUE(COMES(self, DEAD_LETTERED, 4));
	worker_close(&w);
}

#define FEED	1000
#define FEED_TOPICS	(FEED / 50)

/* Groups whose DLQ is @dlq, so many that a look at them all takes a while */
static int feed(int ctl, char (*source)[MQBUS_NAME_SIZE], const char *dlq)
{
	char group[MQBUS_NAME_SIZE];
	int i, err = 0, n = FEED / mq_slow();

	for (i = 0; !err && i < n; i++) {
		if (i < FEED_TOPICS) {
			mq_name(source[i], "source");
			err = mq_create(ctl, source[i], .size = 4096, .max_record = 64);
		}
		snprintf(group, sizeof(group), "g%d", i);
		if (!err && i >= FEED_TOPICS)
			err = mq_queue(ctl, source[i % FEED_TOPICS], group, dlq,
				       .max_inflight = 1, .retry_size = 4096);
	}
	return err;
}

static void feed_no_more(int ctl, char (*source)[MQBUS_NAME_SIZE])
{
	int i;

	for (i = 0; i < FEED_TOPICS; i++)
		mq_delete(ctl, source[i]);
}

/* Once it is taken away nothing is written, though the links of others are looked at first */
TEST_F(queue, right_taken_away_at_once)
{
	static char source[FEED_TOPICS][MQBUS_NAME_SIZE];
	enum { ROUNDS = 20 };
	struct mqbus_leased l;
	struct worker w;
	int i, n;

	ASSERT_EQ(0, mq_create(self->ctl, self->dlq, .mode = 0666));
	ASSERT_EQ(0, feed(self->ctl, source, self->dlq));
	queue_of_a_stranger(_metadata, self, ROUNDS);
	ASSERT_EQ(0, worker_open(&w, self->topic, "g", 0));
	for (i = 0; i < ROUNDS; i++) {
		ASSERT_EQ(i, take_one(&w, &l, 0));
		EXPECT_EQ(0, set_mode(self->ctl, self->dlq, 0600));
		EXPECT_EQ(0, reject(&w, &l));
		n = FIGURE(self, DEAD_LETTERED);
		EXPECT_EQ(i, n);
		EXPECT_EQ(0, set_mode(self->ctl, self->dlq, 0666));
		ASSERT_TRUE(COMES(self, DEAD_LETTERED, i + 1));
	}
	worker_close(&w);
	feed_no_more(self->ctl, source);
}

/* Whoever changes a DLQ again and again keeps nobody's dead letters from another */
TEST_F(queue, nobody_waits_for_who_changes)
{
	enum { SETTERS = 4, MINE = 3 };
	static char source[MINE][FEED_TOPICS][MQBUS_NAME_SIZE];
	volatile unsigned int *sets = mq_shared(MQ_PAGE);
	char mine[MINE][MQBUS_NAME_SIZE];
	struct worker *w = self->worker;
	pid_t setters[SETTERS];
	struct mqbus_leased l;
	__u64 begun;
	int i;

	for (i = 0; i < MINE; i++) {
		mq_name(mine[i], "mine");
		ASSERT_EQ(0, mq_create(self->ctl, mine[i]));
		ASSERT_EQ(0, feed(self->ctl, source[i], mine[i]));
	}
	begin_dlq(self, .max_attempts = 1);
	put_numbers(self->fd, 0, 1);
	EXPECT_EQ(0, mq_delete(self->ctl, self->dlq));
	ASSERT_EQ(0, take_one(w, &l, 0));
	EXPECT_EQ(0, reject(w, &l));
	EXPECT_EQ(1, FIGURE(self, DLQ_BLOCKED));
	for (i = 0; i < SETTERS; i++)
		mq_fork(setters[i])
			while (!set_mode(self->ctl, mine[i % MINE], *sets % 2 ? 0660 : 0666))
				__sync_fetch_and_add(sets, 1);
	while (*sets < 100)
		mq_sleep(MQ_MS);
	begun = mq_clock(CLOCK_MONOTONIC);
	i = *sets;
	ASSERT_EQ(0, mq_create(self->ctl, self->dlq));
	EXPECT_TRUE(COMES(self, DEAD_LETTERED, 1));
	TH_LOG("after %d changes, %llu ms", *sets - i, (mq_clock(CLOCK_MONOTONIC) - begun) / MQ_MS);
	for (i = 0; i < SETTERS; i++)
		EXPECT_EQ(128 + SIGKILL, mq_kill(setters[i]));
	for (i = 0; i < MINE; i++) {
		feed_no_more(self->ctl, source[i]);
		EXPECT_EQ(0, mq_delete(self->ctl, mine[i]));
	}
}

/* A circle is a circle even while one of its topics is missing */
TEST_F(queue, circle_by_name)
{
	struct worker *w = self->worker;
	struct mqbus_leased l;

	begin_dlq(self, .max_attempts = 1);
	put_numbers(self->fd, 0, 1);
	EXPECT_EQ(0, mq_delete(self->ctl, self->dlq));
	ASSERT_EQ(0, take_one(w, &l, 0));
	EXPECT_EQ(0, nack(w, &l));
	ASSERT_EQ(0, mq_create(self->ctl, self->dlq));
	EXPECT_EQ(-ELOOP, mq_queue(self->ctl, self->dlq, "back", self->topic));
	EXPECT_TRUE(COMES(self, DEAD_LETTERED, 1));
	EXPECT_EQ(-ELOOP, mq_queue(self->ctl, self->dlq, "back", self->topic));
}

/* A dead letter is not larger than other records may be there */
TEST_F(queue, largest_record_of_a_chain)
{
	char last[MQBUS_NAME_SIZE];
	struct worker *w = self->worker;
	struct mqbus_leased l;
	static char value[8000];

	mq_name(last, "last");
	ASSERT_EQ(0, mq_create(self->ctl, self->topic, .max_record = sizeof(value)));
	ASSERT_EQ(0, mq_create(self->ctl, self->dlq, .max_record = sizeof(value) - 1));
	EXPECT_EQ(-EMSGSIZE, mq_queue(self->ctl, self->topic, "g", self->dlq));
	EXPECT_EQ(0, mq_delete(self->ctl, self->dlq));
	ASSERT_EQ(0, mq_create(self->ctl, self->dlq, .max_record = sizeof(value)));
	ASSERT_EQ(0, mq_create(self->ctl, last, .size = 4096, .full = MQBUS_FULL_EVICT));
	EXPECT_EQ(-EMSGSIZE, mq_queue(self->ctl, self->dlq, "again", last));
	EXPECT_EQ(0, mq_queue(self->ctl, self->topic, "g", self->dlq));
	EXPECT_EQ(-EMSGSIZE, mq_set(self->ctl, self->topic, "g", MQBUS_GROUP_SET_DLQ, last));

	/* A small topic in its place gets no letters, until it is large enough */
	ASSERT_EQ(0, worker_open(w, self->topic, "g", 0));
	self->fd = mq_producer(self->topic, 0);
	ASSERT_EQ(1, mq_put(self->fd, value, sizeof(value), 0));
	EXPECT_EQ(0, mq_delete(self->ctl, self->dlq));
	ASSERT_EQ(0, mq_create(self->ctl, self->dlq, .max_record = 100));
	ASSERT_EQ(1, take(w->fd, &l, 1, 0));
	EXPECT_EQ(0, reject(w, &l));
	mq_sleep(100 * MQ_MS);
	EXPECT_EQ(1, FIGURE(self, DLQ_BLOCKED));
	EXPECT_EQ(0, mq_delete(self->ctl, self->dlq));
	ASSERT_EQ(0, mq_create(self->ctl, self->dlq));
	EXPECT_TRUE(COMES(self, DEAD_LETTERED, 1));
	EXPECT_EQ(0, mq_delete(self->ctl, last));
}

/* A topic that no longer sends to another one takes no place there */
TEST_F(queue, large_records_came_once)
{
	char large[MQBUS_NAME_SIZE], last[MQBUS_NAME_SIZE];

	mq_name(large, "large");
	mq_name(last, "last");
	ASSERT_EQ(0, mq_create(self->ctl, large, .size = 1 << 20, .max_record = 65536));
	ASSERT_EQ(0, mq_create(self->ctl, self->dlq, .size = 1 << 20, .max_record = 1024));
	ASSERT_EQ(0, mq_create(self->ctl, last, .size = 65536, .max_record = 4096));
	mq_queue(self->ctl, large, "g", self->dlq);
	EXPECT_EQ(0, mq_delete(self->ctl, large));
	EXPECT_EQ(0, mq_queue(self->ctl, self->dlq, "g", last));
	EXPECT_EQ(0, mq_delete(self->ctl, last));
}

TEST_F(queue, topic_of_dead_letters)
{
	struct mqbus_queue_options q = {};
	char small[MQBUS_NAME_SIZE];
	__u64 used;

	mq_name(small, "small");
	ASSERT_EQ(0, mq_create(self->ctl, self->topic));
	ASSERT_EQ(0, mq_create(self->ctl, self->dlq, .size = 1 << 20));
	ASSERT_EQ(0, mq_create(self->ctl, small, .size = 4096));
	used = mq_used(self->ctl);
	EXPECT_EQ(-ENOENT, mq_queue(self->ctl, self->topic, "g", "nosuch"));
	EXPECT_EQ(-ELOOP, mq_queue(self->ctl, self->topic, "g", self->topic));
	EXPECT_EQ(-EILSEQ, mq_queue(self->ctl, self->topic, "g", "-x"));
	EXPECT_EQ(-EILSEQ, mq_queue(self->ctl, self->topic, "g", "a/b"));
	memset(q.dlq, 'x', sizeof(q.dlq));
	EXPECT_EQ(-ENAMETOOLONG, mq_queue_args(self->ctl, self->topic, "g", NULL, &q));
	/* Bytes behind the name */
	memset(q.dlq, 0, sizeof(q.dlq));
	q.dlq[1] = 'x';
	EXPECT_EQ(-EINVAL, mq_queue_args(self->ctl, self->topic, "g", NULL, &q));
	/* The largest record does not fit */
	EXPECT_EQ(-EMSGSIZE, mq_queue(self->ctl, self->topic, "g", small));
	EXPECT_EQ(used, mq_used(self->ctl));
	EXPECT_FALSE(group_exists(self->topic, "g"));
	EXPECT_EQ(0, mq_queue(self->ctl, self->topic, "g", self->dlq));
	EXPECT_EQ(-EINVAL, mq_set_args(self->ctl, self->topic, "g", MQBUS_GROUP_SET_DLQ, NULL, &q));
	EXPECT_EQ(0, mq_delete(self->ctl, small));
}

#define FEEDERS	1024

/* So many groups may send their dead letters to one topic, and no more */
TEST_F(queue, many_feeders)
{
	char source[FEEDERS / 64 + 1][MQBUS_NAME_SIZE], group[MQBUS_NAME_SIZE];
	int i, err = 0;

	ASSERT_EQ(0, mq_create(self->ctl, self->dlq));
	for (i = 0; i < FEEDERS / 64 + 1; i++) {
		mq_name(source[i], "source");
		ASSERT_EQ(0, mq_create(self->ctl, source[i], .size = 4096, .max_record = 64));
	}
	for (i = 0; !err && i <= FEEDERS; i++) {
		snprintf(group, sizeof(group), "g%d", i);
		err = mq_queue(self->ctl, source[i / 64], group, self->dlq, .max_inflight = 1,
			       .retry_size = 4096);
	}
	EXPECT_EQ(-EMFILE, err);
	EXPECT_EQ(FEEDERS + 1, i);
	/* A group that leaves makes a place free */
	EXPECT_EQ(0, mq_group_delete(self->ctl, source[0], "g0", 0));
	EXPECT_EQ(0, mq_queue(self->ctl, source[0], "g0", self->dlq, .max_inflight = 1,
			      .retry_size = 4096));
	EXPECT_EQ(-EMFILE, mq_queue(self->ctl, source[0], "h", self->dlq, .max_inflight = 1,
				    .retry_size = 4096));
	for (i = 0; i < FEEDERS / 64 + 1; i++)
		EXPECT_EQ(0, mq_delete(self->ctl, source[i]));
}

TEST_F(queue, circles)
{
	char name[4][MQBUS_NAME_SIZE];
	int i;

	for (i = 0; i < 4; i++) {
		mq_name(name[i], "circle");
		ASSERT_EQ(0, mq_create(self->ctl, name[i]));
	}
	ASSERT_EQ(0, mq_queue(self->ctl, name[0], "g", name[1]));
	/* Of two */
	EXPECT_EQ(-ELOOP, mq_queue(self->ctl, name[1], "g", name[0]));
	ASSERT_EQ(0, mq_queue(self->ctl, name[1], "g", NULL));
	EXPECT_EQ(-ELOOP, mq_set(self->ctl, name[1], "g", MQBUS_GROUP_SET_DLQ, name[0]));
	EXPECT_EQ(-ELOOP, mq_set(self->ctl, name[1], "g", MQBUS_GROUP_SET_DLQ, name[1]));
	EXPECT_EQ(0, mq_set(self->ctl, name[1], "g", MQBUS_GROUP_SET_DLQ, name[2]));
	/* Of three, whichever group of a topic it goes through */
	EXPECT_EQ(-ELOOP, mq_queue(self->ctl, name[2], "g", name[0]));
	EXPECT_EQ(-ELOOP, mq_queue(self->ctl, name[2], "g", name[1]));
	ASSERT_EQ(0, mq_queue(self->ctl, name[2], "h", name[3]));
	EXPECT_EQ(-ELOOP, mq_set(self->ctl, name[2], "h", MQBUS_GROUP_SET_DLQ, name[0]));
	EXPECT_EQ(-ELOOP, mq_queue(self->ctl, name[3], "g", name[0]));
	/* Two groups may share a DLQ */
	EXPECT_EQ(0, mq_queue(self->ctl, name[0], "h", name[3]));
	/* Once it is broken in one place it is no circle */
	EXPECT_EQ(0, mq_group_delete(self->ctl, name[1], "g", 0));
	EXPECT_EQ(0, mq_queue(self->ctl, name[2], "g", name[0]));
	EXPECT_EQ(-ELOOP, mq_queue(self->ctl, name[1], "g", name[2]));
	for (i = 0; i < 4; i++)
		EXPECT_EQ(0, mq_delete(self->ctl, name[i]));
}

#define CHAIN	1024

/* Whoever links goes through all that the letters may get to, and others need not wait for that */
TEST_F(queue, nobody_waits_for_who_links)
{
	volatile unsigned int *links = mq_shared(MQ_PAGE);
	struct passer passer = { .ctl = self->ctl };
	static char name[CHAIN][MQBUS_NAME_SIZE];
	pid_t linker;
	int free, i;

	if (starve_not())
		SKIP(return, "%s", starve_not());
	for (i = CHAIN - 1; i >= 0; i--) {
		mq_name(name[i], "chain");
		ASSERT_EQ(0, mq_create(self->ctl, name[i], .size = 4096, .max_record = 8));
		ASSERT_EQ(0, mq_queue(self->ctl, name[i], "g", i < CHAIN - 1 ? name[i + 1] : NULL,
				      .max_inflight = 1, .retry_size = 4096));
	}
	mq_fork(linker)
		for (starve();; ++*links)
			mq_set(self->ctl, name[0], "g", MQBUS_GROUP_SET_DLQ, name[1]);
	mq_name(passer.topic, "other");
	free = starve_rounds(links, come_and_go, &passer);
	EXPECT_LE(STARVE_FREE, free);
	TH_LOG("free in %d rounds; linked %u times", free, *links);
	EXPECT_EQ(128 + SIGKILL, mq_kill(linker));
	for (i = 0; i < CHAIN; i++)
		EXPECT_EQ(0, mq_delete(self->ctl, name[i]));
}

struct linker {
	int ctl;
	char topic[MQBUS_NAME_SIZE];
	char dlq[MQBUS_NAME_SIZE];
};

static int link_once(void *arg)
{
	struct linker *l = arg;

	return mq_set(l->ctl, l->topic, "g", MQBUS_GROUP_SET_DLQ, l->dlq);
}

/* Whoever makes a group with a DLQ looks into each partition, and others may link meanwhile */
TEST_F(queue, nobody_waits_for_who_begins)
{
	volatile unsigned int *made = mq_shared(MQ_PAGE);
	struct mqbus_group_create args = {
		.type = MQBUS_GROUP_QUEUE, .mode = 0600, .whence = MQBUS_WHENCE_OFFSET, .value = 19,
		.queue = { .max_inflight = 1, .retry_size = 4096 },
	};
	struct linker other = { .ctl = self->ctl };
	pid_t maker;
	int free, i;

	if (starve_not())
		SKIP(return, "%s", starve_not());
	mq_name(other.topic, "other");
	mq_name(other.dlq, "last");
	ASSERT_EQ(0, mq_create(self->ctl, other.topic, .size = 4096, .max_record = 8));
	ASSERT_EQ(0, mq_create(self->ctl, other.dlq, .size = 4096));
	ASSERT_EQ(0, mq_queue(self->ctl, other.topic, "g", NULL));
	ASSERT_EQ(0, mq_create(self->ctl, self->dlq, .size = 4096));
	ASSERT_EQ(0, mq_create(self->ctl, self->topic, .size = 4096, .max_record = 8,
			       .partitions = MQBUS_PARTITIONS_MAX));
	self->fd = mq_producer(self->topic, 0);
	for (i = 0; i < 20 * MQBUS_PARTITIONS_MAX; i++)
		ASSERT_EQ(1, mq_put_in(self->fd, i / 20, "12345678", 8));
	mq_set_name(args.topic, self->topic);
	mq_set_name(args.group, "g");
	mq_set_name(args.queue.dlq, self->dlq);
	mq_fork(maker)
		for (starve(); !mq_ioctl(self->ctl, MQBUS_IOC_GROUP_CREATE, &args); ++*made)
			mq_group_delete(self->ctl, self->topic, "g", 0);
	free = starve_rounds(made, link_once, &other);
	EXPECT_LE(STARVE_FREE, free);
	TH_LOG("free in %d rounds; made %u times", free, *made);
	EXPECT_EQ(128 + SIGKILL, mq_kill(maker));
	EXPECT_EQ(0, mq_delete(self->ctl, other.topic));
	EXPECT_EQ(0, mq_delete(self->ctl, other.dlq));
}

/* A group whose DLQ is deleted and created again, so that it is about to be linked */
static int link_again(int ctl, const char *topic, const char *dlq)
{
	return mq_create(ctl, topic, .size = 4096, .max_record = 8) ?:
	       mq_create(ctl, dlq, .size = 4096) ?:
	       mq_queue(ctl, topic, "g", dlq, .max_attempts = 1) ?: mq_delete(ctl, dlq) ?:
	       mq_create(ctl, dlq, .size = 4096);
}

/* The group's topic is deleted while the namespace's work links it */
TEST_F(queue, deleted_while_linked)
{
	int i;

	for (i = 0; i < 20; i++) {
		ASSERT_EQ(0, link_again(self->ctl, self->topic, self->dlq));
		EXPECT_EQ(0, mq_delete(self->ctl, self->topic));
		EXPECT_EQ(0, mq_delete(self->ctl, self->dlq));
	}
}

/* So is the namespace: it is not in use any more */
TEST_F(queue, namespace_goes_while_linked)
{
	pid_t pid;
	int i;

	for (i = 0; i < 20; i++) {
		mq_fork(pid)
			_exit(unshare(CLONE_NEWNET) ||
			      link_again(mq_open(0), self->topic, self->dlq));
		EXPECT_EQ(0, mq_wait(pid));
	}
	/* Namespaces are released later */
	mq_sleep(MQ_SEC);
}

#define FEEDERS	1024

/* A change to a topic that cannot take the letters changes nothing */
TEST_F(queue, set_where_they_cannot_go)
{
	char group[MQBUS_NAME_SIZE], other[MQBUS_NAME_SIZE];
	__u64 used;
	int i;

	mq_name(other, "other");
	ASSERT_EQ(0, mq_write_number(MQ_SYSCTL("max_groups"), FEEDERS));
	ASSERT_EQ(0, mq_create(self->ctl, self->topic, .size = 4096, .max_record = 8));
	ASSERT_EQ(0, mq_create(self->ctl, other, .size = 4096, .max_record = 8));
	ASSERT_EQ(0, mq_create(self->ctl, self->dlq, .size = 4096));
	for (i = 0; i < FEEDERS; i++) {
		snprintf(group, sizeof(group), "g%d", i);
		ASSERT_EQ(0, mq_queue(self->ctl, i % 2 ? self->topic : other, group, self->dlq,
				      .max_inflight = 1, .retry_size = 4096));
	}
	EXPECT_EQ(-EMFILE, mq_queue(self->ctl, self->topic, "g", self->dlq));
	ASSERT_EQ(0, mq_queue(self->ctl, self->topic, "g", NULL));
	used = mq_used(self->ctl);
	EXPECT_EQ(-EMFILE, mq_set(self->ctl, self->topic, "g", MQBUS_GROUP_SET_DLQ, self->dlq));
	EXPECT_EQ(used, mq_used(self->ctl));
	/* One group leaves, and there is room for another */
	ASSERT_EQ(0, mq_group_delete(self->ctl, self->topic, group, 0));
	EXPECT_EQ(0, mq_set(self->ctl, self->topic, "g", MQBUS_GROUP_SET_DLQ, self->dlq));
	ASSERT_EQ(0, mq_delete(self->ctl, other));
	ASSERT_EQ(0, mq_delete(self->ctl, self->topic));
	ASSERT_EQ(0, mq_create(self->ctl, self->topic, .size = 8192, .max_record = 4000));
	ASSERT_EQ(0, mq_queue(self->ctl, self->topic, "g", NULL));
	EXPECT_EQ(-EMSGSIZE, mq_set(self->ctl, self->topic, "g", MQBUS_GROUP_SET_DLQ, self->dlq));
}

TEST_HARNESS_MAIN
