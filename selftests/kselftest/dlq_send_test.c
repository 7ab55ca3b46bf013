// SPDX-License-Identifier: GPL-2.0
/*
 * Dead letters: when a record becomes one, its headers, and a DLQ without room.
 */
#include "queue.h"

static const char * const names[] = {
	"mqbus.topic", "mqbus.partition", "mqbus.offset", "mqbus.group", "mqbus.attempts",
	"mqbus.reason", "mqbus.first", "mqbus.last", "mqbus.pid", "mqbus.uid",
};

/* A poison record is tried exactly so often, and does not hold up others */
TEST_F(queue, tried_exactly_limit_times)
{
	static const __u32 limits[] = { 1, 2, 3, 7 };
	struct worker *w = self->worker;
	const struct mqbus_record *rec;
	struct mqbus_leased l, m;
	struct mq_reader dead;
	__u64 tries, due, n = 0;
	unsigned int i;

	/* Long enough for another record to pass, on a slow kernel too */
	begin_dlq(self, .max_attempts = 1, .backoff_min = 100 * MQ_MS,
		  .backoff_max = 200 * MQ_MS);
	ASSERT_EQ(0, mq_reader_open(&dead, self->dlq, "dead"));
	for (i = 0; i < 4; i++) {
		__u64 poison = n++, first;

		ASSERT_EQ(0, mq_set(self->ctl, self->topic, "g", MQBUS_GROUP_SET_MAX_ATTEMPTS, NULL,
				    .max_attempts = limits[i]));
		put_numbers(self->fd, poison, poison + 1);
		due = 0;
		first = mq_clock(CLOCK_REALTIME);
		for (tries = 1; tries <= limits[i]; tries++) {
			ASSERT_EQ(poison, take_one(w, &l, MQ_LONG));
			EXPECT_LE(due, mq_clock(CLOCK_MONOTONIC));
			EXPECT_EQ(tries, l.attempt);
			EXPECT_EQ(NULL, mq_next(&dead, 0));
			due = mq_clock(CLOCK_MONOTONIC) + (tries == 1 ? 100 : 200) * MQ_MS;
			EXPECT_EQ(0, nack(w, &l));
			/* The others flow */
			put_numbers(self->fd, n, n + 1);
			EXPECT_EQ(n++, take_one(w, &m, 0));
			EXPECT_EQ(0, ack(w, &m));
		}
		rec = mq_next(&dead, 0);
		EXPECT_EQ(poison, record_number(rec));
		ASSERT_NE(NULL, rec);
		EXPECT_EQ(limits[i], header_number(rec, "mqbus.attempts"));
		EXPECT_STREQ("nack", header(rec, "mqbus.reason"));
		EXPECT_LE(first, header_number(rec, "mqbus.first"));
		EXPECT_EQ(-EAGAIN, take_one(w, &l, 0));
		EXPECT_EQ(NULL, mq_next(&dead, 0));
	}
	EXPECT_EQ(4, FIGURE(self, DEAD_LETTERED));
	EXPECT_EQ(13, FIGURE(self, NACKED));
	EXPECT_EQ(13, FIGURE(self, ACKED));
	EXPECT_EQ(0, FIGURE(self, RETRYING) + FIGURE(self, INFLIGHT));
	mq_reader_close(&dead);
}

TEST_F(queue, headers)
{
	struct worker *w = self->worker;
	const struct mqbus_record *rec;
	struct mqbus_msg msg = mq_msg("the value", 9);
	unsigned long long first, last;
	char headers[1000];
	struct mqbus_leased l;
	struct mq_reader dead;
	__u64 begun, ended;
	size_t at = 0;
	int round;

	ASSERT_EQ(0, mq_create(self->ctl, self->topic, .partitions = 3));
	begin_dlq(self);
	ASSERT_EQ(0, mq_reader_open(&dead, self->dlq, "dead"));
	at = add_header(headers, at, "before", "kept");
	at = add_header(headers, at, "mqbus.topic", "somewhere else");
	at = add_header(headers, at, "mqbus.whatever", "goes");
	at = add_header(headers, at, "between", "kept as well");
	at = add_header(headers, at, "mqbus.", "");
	at = add_header(headers, at, "mqbus", "is not of ours");
	at = add_header(headers, at, "Mqbus.topic", "neither");
	msg.headers = (uintptr_t)headers;
	msg.headers_len = at;
	msg.key = (uintptr_t)"key";
	msg.key_len = 3;
	msg.routing_key = (uintptr_t)"a.b.c";
	msg.routing_key_len = 5;
	msg.partition = 2;
	msg.schema = 4711;
	EXPECT_EQ(1, mq_put_in(self->fd, 2, "x", 1));
	ASSERT_EQ(1, take(w->fd, &l, 1, 0));
	EXPECT_EQ(0, ack(w, &l));
	ASSERT_EQ(1, mq_publish(self->fd, &msg, 1, NULL, 0, NULL));

	/* Once for each reason except death: its record lies in another ring then */
	for (round = 0; round < 3; round++) {
		static const char * const reason[] = { "rejected", "nack", "expired" };
		static const __u32 what[] = { MQBUS_REJECT, MQBUS_NACK, MQBUS_EXTEND };

		begun = mq_clock(CLOCK_REALTIME);
		ASSERT_EQ(1, take(w->fd, &l, 1, 0));
		mq_sleep(MQ_MS);
		if (round) {
			EXPECT_EQ(0, nack(w, &l));
			ASSERT_EQ(1, take(w->fd, &l, 1, MQ_LONG));
		}
		mq_sleep(MQ_MS);
		EXPECT_EQ(0, settle(w->fd, l.lease, what[round], round == 2 ? 2 * MQ_MS : 0));
		rec = mq_next(&dead, MQ_LONG);
		ended = mq_clock(CLOCK_REALTIME);
		ASSERT_NE(NULL, rec) TH_LOG("round %d", round);
		/* Any producer may write such headers, but not as this one */
		EXPECT_EQ(FIGURE(self, DLQ_PRODUCER), rec->producer);
		EXPECT_EQ(9, rec->value_len);
		EXPECT_EQ(0, memcmp(mq_value(rec), "the value", 9));
		EXPECT_EQ(3, rec->key_len);
		EXPECT_EQ(5, rec->routing_key_len);
		EXPECT_EQ(0, memcmp(record_key(rec), "keya.b.c", 8));
		EXPECT_EQ(4711, rec->schema);
		EXPECT_EQ(14, header_count(rec));
		EXPECT_STREQ("kept", header(rec, "before"));
		EXPECT_STREQ("kept as well", header(rec, "between"));
		EXPECT_STREQ("is not of ours", header(rec, "mqbus"));
		EXPECT_STREQ("neither", header(rec, "Mqbus.topic"));
		EXPECT_STREQ("none", header(rec, "mqbus.whatever"));
		EXPECT_STREQ("none", header(rec, "mqbus."));
		EXPECT_STREQ(self->topic, header(rec, "mqbus.topic"));
		EXPECT_STREQ("2", header(rec, "mqbus.partition"));
		EXPECT_EQ(1 + round, header_number(rec, "mqbus.offset"));
		EXPECT_STREQ("g", header(rec, "mqbus.group"));
		EXPECT_EQ(round ? 2 : 1, header_number(rec, "mqbus.attempts"));
		EXPECT_STREQ(reason[round], header(rec, "mqbus.reason"));
		first = header_number(rec, "mqbus.first");
		last = header_number(rec, "mqbus.last");
		EXPECT_LE(begun, first);
		EXPECT_LE(first + (round ? 2 : 1) * MQ_MS, last);
		EXPECT_LE(last, ended);
		EXPECT_EQ(getpid(), header_number(rec, "mqbus.pid"));
		EXPECT_STREQ("0", header(rec, "mqbus.uid"));
		/* From now on two failures are the limit */
		ASSERT_EQ(0, mq_set(self->ctl, self->topic, "g", MQBUS_GROUP_SET_MAX_ATTEMPTS, NULL,
				    .max_attempts = 2));
		ASSERT_EQ(1, mq_publish(self->fd, &msg, 1, NULL, 0, NULL));
	}
	EXPECT_EQ(3, FIGURE(self, DEAD_LETTERED));
	EXPECT_EQ(1, FIGURE(self, EXPIRED));
	mq_reader_close(&dead);
}

/* A dead letter that dies again carries the last origin, once */
TEST_F(queue, dead_twice)
{
	char last[MQBUS_NAME_SIZE];
	struct worker *w = self->worker;
	const struct mqbus_record *rec;
	struct mqbus_leased l;
	struct mq_reader dead;
	unsigned int i;

	mq_name(last, "last");
	begin_dlq(self);
	ASSERT_EQ(0, mq_create(self->ctl, last, .size = 4 << 20));
	ASSERT_EQ(0, mq_group(self->ctl, last, "dead"));
	ASSERT_EQ(0, mq_queue(self->ctl, self->dlq, "again", last));
	put_numbers(self->fd, 5, 6);
	ASSERT_EQ(5, take_one(w, &l, 0));
	EXPECT_EQ(0, reject(w, &l));
	ASSERT_EQ(0, worker_open(&w[1], self->dlq, "again", 0));
	ASSERT_EQ(5, take_one(&w[1], &l, 0));
	EXPECT_EQ(0, reject(&w[1], &l));
	ASSERT_EQ(0, mq_reader_open(&dead, last, "dead"));
	rec = mq_next(&dead, 0);
	ASSERT_EQ(5, record_number(rec));
	EXPECT_EQ(10, header_count(rec));
	for (i = 0; i < 10; i++) {
		EXPECT_STRNE("none", header(rec, names[i])) TH_LOG("%s", names[i]);
		EXPECT_STRNE("twice", header(rec, names[i])) TH_LOG("%s", names[i]);
	}
	EXPECT_STREQ(self->dlq, header(rec, "mqbus.topic"));
	EXPECT_STREQ("again", header(rec, "mqbus.group"));
	mq_reader_close(&dead);
	EXPECT_EQ(0, mq_delete(self->ctl, last));
}

/* A record with the largest number of headers has room for these, too */
TEST_F(queue, headers_over_the_maximum)
{
	static char headers[MQBUS_HEADERS_MAX], text[MQBUS_HEADERS_MAX];
	struct mqbus_header h = { .name_len = 1, .value_len = MQBUS_HEADERS_MAX - 5 };
	struct worker *w = self->worker;
	struct mqbus_msg msg = mq_msg("12345678", 8);
	const struct mqbus_record *rec;
	struct mqbus_leased l;
	struct mq_reader dead;

	ASSERT_EQ(0, mq_create(self->ctl, self->topic, .size = 1 << 18));
	begin_dlq(self);
	ASSERT_EQ(0, mq_reader_open(&dead, self->dlq, "dead"));
	memset(text, 'y', sizeof(text));
	memcpy(headers, text, sizeof(text));
	memcpy(headers, &h, sizeof(h));
	headers[sizeof(h)] = 'n';
	msg.headers = (uintptr_t)headers;
	msg.headers_len = sizeof(headers);
	ASSERT_EQ(1, mq_publish(self->fd, &msg, 1, NULL, 0, NULL));
	ASSERT_EQ(1, take(w->fd, &l, 1, 0));
	EXPECT_EQ(0, reject(w, &l));
	rec = mq_next(&dead, 0);
	ASSERT_NE(NULL, rec);
	EXPECT_LT(MQBUS_HEADERS_MAX, rec->headers_len);
	EXPECT_EQ(11, header_count(rec));
	EXPECT_EQ(0, header_number(rec, "mqbus.offset"));
	EXPECT_STREQ("rejected", header(rec, "mqbus.reason"));
	mq_reader_close(&dead);
}

/* Without room a letter waits, is counted, and goes once there is room. None is lost. */
TEST_F(queue, no_room_for_dead_letters)
{
	struct worker *w = self->worker;
	struct mqbus_leased l[32];
	const struct mqbus_record *rec;
	struct mq_reader dead;
	static bool seen[40];
	unsigned int i, n = 0, blocked;
	__u64 end, used;
	int fd;

	ASSERT_EQ(0, mq_create(self->ctl, self->topic, .max_record = 64));
	ASSERT_EQ(0, mq_create(self->ctl, self->dlq, .size = 4096, .max_record = 1900));
	begin_dlq(self, .max_attempts = 1, .max_inflight = 32, .retry_size = 8192);
	put_numbers(self->fd, 0, 40);
	ASSERT_EQ(32, take(w->fd, l, 32, 0));
	for (i = 0; i < 32; i++)
		EXPECT_EQ(0, nack(w, &l[i]));
	blocked = FIGURE(self, DLQ_BLOCKED);
	EXPECT_LT(0, blocked);
	EXPECT_EQ(32, blocked + FIGURE(self, DEAD_LETTERED));
	EXPECT_EQ(0, FIGURE(self, LEASED));
	used = FIGURE(self, RETRY_USED);
	EXPECT_LE(blocked * 72, used);
	/* The flow goes on with the others */
	ASSERT_EQ(8, take(w->fd, l, 32, 0));
	for (i = 0; i < 8; i++)
		EXPECT_EQ(0, ack(w, &l[i]));
	EXPECT_EQ(blocked, FIGURE(self, DLQ_BLOCKED));

	/* The reader of dead letters makes room for the others */
	ASSERT_EQ(0, mq_reader_open(&dead, self->dlq, "dead"));
	end = mq_patience();
	while (n < 32 && mq_clock(CLOCK_MONOTONIC) < end) {
		rec = mq_next(&dead, 10 * MQ_MS);
		if (!rec)
			continue;
		ASSERT_GT(32, record_number(rec));
		EXPECT_FALSE(seen[record_number(rec)]);
		seen[record_number(rec)] = true;
		EXPECT_STREQ("nack", header(rec, "mqbus.reason"));
		n++;
	}
	EXPECT_EQ(32, n);
	EXPECT_EQ(32, FIGURE(self, DEAD_LETTERED));
	EXPECT_EQ(0, FIGURE(self, DLQ_BLOCKED));
	EXPECT_EQ(0, FIGURE(self, RETRYING));
	EXPECT_EQ(0, FIGURE(self, RETRY_USED));
	mq_reader_close(&dead);
	/* And none of them is tried again */
	fd = mq_member(self->topic, "g", O_NONBLOCK);
	EXPECT_EQ(-EAGAIN, read_number(fd));
	close(fd);
}

/* A full partition holds up its own letters, and neither others' nor the flow */
TEST_F(queue, one_full_partition)
{
	struct worker *w = self->worker;
	struct mq_reader dead;
	struct mqbus_leased l[64];
	unsigned int i, n = 0, blocked;

	ASSERT_EQ(0, mq_create(self->ctl, self->topic, .partitions = 2, .max_record = 64));
	ASSERT_EQ(0, mq_create(self->ctl, self->dlq, .size = 4096, .partitions = 2,
			       .max_record = 1900));
	begin_dlq(self, .max_attempts = 1, .max_inflight = 64);
	/* Many to the first one, which has room for a dozen, then some to the other */
	for (i = 0; i < 60; i++)
		ASSERT_EQ(1, mq_put_in(self->fd, 0, &i, 8));
	ASSERT_EQ(60, take(w->fd, l, 64, 0));
	for (i = 0; i < 60; i++)
		EXPECT_EQ(0, nack(w, &l[i]));
	blocked = FIGURE(self, DLQ_BLOCKED);
	EXPECT_LT(30, blocked);
	EXPECT_EQ(60, blocked + FIGURE(self, DEAD_LETTERED));
	/* All wait in the retry ring */
	EXPECT_EQ(blocked, FIGURE(self, RETRYING));
	EXPECT_EQ(0, FIGURE(self, INFLIGHT));
	for (i = 0; i < 5; i++)
		ASSERT_EQ(1, mq_put_in(self->fd, 1, &i, 8));
	ASSERT_EQ(5, take(w->fd, l, 64, 0));
	for (i = 0; i < 5; i++)
		EXPECT_EQ(0, reject(w, &l[i]));
	EXPECT_EQ(blocked, FIGURE(self, DLQ_BLOCKED));
	EXPECT_EQ(65, blocked + FIGURE(self, DEAD_LETTERED));
	/* They go as they are read */
	ASSERT_EQ(0, mq_reader_open(&dead, self->dlq, "dead"));
	for (n = 0; n < 65 && mq_next(&dead, MQ_LONG); n++)
		;
	EXPECT_EQ(65, n);
	EXPECT_TRUE(COMES(self, DLQ_BLOCKED, 0));
	mq_reader_close(&dead);
}

/* A reader that waits for dead letters is told of each */
TEST_F(queue, wakes_its_reader)
{
	struct worker *w = self->worker;
	struct mqbus_leased l;
	struct mq_reader dead;
	pid_t pid;

	begin_dlq(self);
	put_numbers(self->fd, 3, 4);
	ASSERT_EQ(3, take_one(w, &l, 0));
	mq_fork(pid) {
		if (mq_reader_open(&dead, self->dlq, "dead"))
			_exit(1);
		_exit(record_number(mq_next(&dead, MQBUS_WAIT_FOREVER)) == 3 ? 0 : 2);
	}
	ASSERT_TRUE(mq_wait_asleep(pid, SYS_ioctl));
	EXPECT_EQ(0, reject(w, &l));
	EXPECT_EQ(0, mq_wait(pid));
}

/* Another process' pid is shown as that process sees itself */
TEST_F(queue, who_had_it_last)
{
	struct worker *w = self->worker;
	const struct mqbus_record *rec;
	struct mqbus_leased l;
	struct mq_reader dead;
	pid_t pid;

	ASSERT_EQ(0, mq_create(self->ctl, self->topic, .mode = 0777));
	begin_dlq(self, .max_attempts = 2);
	EXPECT_EQ(0, mq_group_delete(self->ctl, self->topic, "g", MQBUS_GROUP_DELETE_F_FORCE));
	{
		struct mqbus_group_create args = {
			.type = MQBUS_GROUP_QUEUE, .mode = 0666, .queue.max_attempts = 2,
		};

		mq_set_name(args.topic, self->topic);
		mq_set_name(args.group, "g");
		mq_set_name(args.queue.dlq, self->dlq);
		ASSERT_EQ(0, mq_ioctl(self->ctl, MQBUS_IOC_GROUP_CREATE, &args));
	}
	join(self, 1);
	put_numbers(self->fd, 0, 1);
	ASSERT_EQ(0, take_one(&w[1], &l, 0));
	EXPECT_EQ(0, nack(&w[1], &l));
	mq_fork(pid) {
		int fd;

		if (mq_become(61005, 61006))
			_exit(1);
		fd = mq_member(self->topic, "g", 0);
		if (take(fd, &l, 1, MQ_LONG) != 1)
			_exit(2);
		_exit(settle(fd, l.lease, MQBUS_NACK, 0) ? 3 : 0);
	}
	EXPECT_EQ(0, mq_wait(pid));
	ASSERT_EQ(0, mq_reader_open(&dead, self->dlq, "dead"));
	rec = mq_next(&dead, 0);
	ASSERT_NE(NULL, rec);
	EXPECT_EQ(pid, header_number(rec, "mqbus.pid"));
	EXPECT_EQ(61005, header_number(rec, "mqbus.uid"));
	mq_reader_close(&dead);
}

#define LARGE	(200 * 1024)

/* A letter evicts many records while others want the room, too: it is stored, and at once */
TEST_F(queue, room_that_others_want)
{
	static struct mqbus_msg msgs[MQBUS_BATCH_MAX];
	static char large[LARGE];
	struct mqbus_leased l;
	unsigned int i;
	pid_t pid;
	int fd;

	ASSERT_EQ(0, mq_create(self->ctl, self->topic, .size = 1 << 20, .max_record = LARGE));
	ASSERT_EQ(0, mq_create(self->ctl, self->dlq, .size = 1 << 20, .max_record = LARGE + 4096,
			       .full = MQBUS_FULL_EVICT));
	begin_dlq(self);
	fd = mq_producer(self->dlq, 0);
	for (i = 0; i < MQBUS_BATCH_MAX; i++)
		msgs[i] = mq_msg("", 0);
	for (i = 0; i < 2 << 20; i += MQBUS_BATCH_MAX * sizeof(struct mqbus_record))
		ASSERT_EQ(MQBUS_BATCH_MAX, mq_publish(fd, msgs, MQBUS_BATCH_MAX, NULL, 0, NULL));
	mq_fork(pid)
		while (mq_publish(fd, msgs, MQBUS_BATCH_MAX, NULL, 0, NULL) > 0)
			;
	for (i = 1; i <= 8; i++) {
		ASSERT_EQ(1, mq_put(self->fd, large, LARGE, 0));
		ASSERT_EQ(1, take(self->worker->fd, &l, 1, 0));
		EXPECT_EQ(0, reject(self->worker, &l));
		EXPECT_EQ(i, FIGURE(self, DEAD_LETTERED));
	}
	EXPECT_EQ(128 + SIGKILL, mq_kill(pid));
	close(fd);
}

TEST_HARNESS_MAIN
